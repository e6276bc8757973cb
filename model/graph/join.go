package graph

import (
	"fmt"
	"slices"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

// Names of the tensors of a joined network.
const (
	JoinedInput      = "input:0"
	JoinedBottleneck = "feature:0"
)

// Part is a network that is to be joined with others. Its nodes get its name and a slash before theirs.
type Part struct {
	Name       string
	Graph      *graphpb.GraphDef // Not changed; without a function library.
	Input      string            // Tensors as in [Network].
	Bottleneck string            // float32 [batch, features].
}

// Join makes one network of several that take the same squares: its features are theirs, one part's after the other's.
// Joined networks tell labels apart that each alone confuses.
func Join(parts ...Part) (*graphpb.GraphDef, error) {
	b := &Builder{}
	input := b.Node(nodeName(JoinedInput), "Placeholder", nil, Attrs{
		"dtype": Type(typespb.DataType_DT_FLOAT), "shape": Shape(-1, -1, -1, 3),
	})
	var features []string
	for _, p := range parts {
		if len(p.Graph.GetLibrary().GetFunction()) > 0 {
			return nil, fmt.Errorf("%s has functions of its own and cannot be joined", p.Name)
		}
		nodes, err := cut(p.Graph, nodeName(p.Input), nodeName(p.Bottleneck))
		if err != nil {
			return nil, fmt.Errorf("joining %s: %w", p.Name, err)
		}
		for _, n := range nodes {
			rename(n, p.Name+"/", nodeName(p.Input), input)
		}
		b.Nodes = append(b.Nodes, nodes...)
		features = append(features, p.Name+"/"+p.Bottleneck)
	}
	axis := b.Const(nodeName(JoinedBottleneck)+"/axis", Int32s([]int32{1}))
	b.Node(nodeName(JoinedBottleneck), "ConcatV2", slices.Concat(features, []string{axis}), Attrs{
		"N": Int(int64(len(parts))), "T": Type(typespb.DataType_DT_FLOAT), "Tidx": Type(typespb.DataType_DT_INT32),
	})
	return &graphpb.GraphDef{Node: b.Nodes, Versions: parts[0].Graph.GetVersions()}, distinct(b.Nodes)
}

// rename puts a prefix before the names of a node and of its inputs, except the one named first, which becomes input.
func rename(n *nodepb.NodeDef, prefix, first, input string) {
	n.Name = prefix + n.GetName()
	for i, in := range n.GetInput() {
		switch {
		case nodeName(in) == first:
			n.Input[i] = input
		case in[0] == '^':
			n.Input[i] = "^" + prefix + in[1:]
		default:
			n.Input[i] = prefix + in
		}
	}
}
