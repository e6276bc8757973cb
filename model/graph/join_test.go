package graph_test

import (
	"strings"
	"testing"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"

	"kaika/model/graph"
)

// addend is a network that gives its input with a constant added.
func addend(value float32) *graphpb.GraphDef {
	b := &graph.Builder{}
	float := graph.Type(typespb.DataType_DT_FLOAT)
	in := b.Node("pixels", "Placeholder", nil, graph.Attrs{"dtype": float, "shape": graph.Shape(-1, -1, -1, 3)})
	before := b.Node("before", "NoOp", nil, nil)
	c := b.Const("c", graph.Floats([]float32{value}))
	sum := b.Node("sum", "AddV2", []string{in, c, "^" + before}, graph.Attrs{"T": float})
	b.Node("out", "Mean", []string{sum, b.Const("axes", graph.Int32s([]int32{1, 2}, 2))},
		graph.Attrs{"T": float, "Tidx": graph.Type(typespb.DataType_DT_INT32), "keep_dims": graph.Bool(false)})
	return &graphpb.GraphDef{Node: b.Nodes}
}

func TestJoin(t *testing.T) {
	one, two := addend(1), addend(2)
	part := func(name string, g *graphpb.GraphDef) graph.Part {
		return graph.Part{Name: name, Graph: g, Input: "pixels:0", Bottleneck: "out:0"}
	}
	joined, err := graph.Join(part("one", one), part("two", two))
	if err != nil {
		t.Fatal(err)
	}
	inputs := map[string]string{}
	for _, n := range joined.GetNode() {
		inputs[n.GetName()] = strings.Join(n.GetInput(), " ")
	}
	for name, want := range map[string]string{
		"one/sum": "input one/c ^one/before",
		"two/sum": "input two/c ^two/before",
		"feature": "one/out:0 two/out:0 feature/axis",
	} {
		if inputs[name] != want {
			t.Errorf("the inputs of %s are %q, want %q", name, inputs[name], want)
		}
	}
	if len(joined.GetNode()) != 2*5+3 {
		t.Errorf("there are %d nodes", len(joined.GetNode()))
	}
	if one.GetNode()[0].GetName() != "pixels" {
		t.Error("a part was changed")
	}
	if _, err := graph.Extractor(joined, graph.Network{Input: graph.JoinedInput, Bottleneck: graph.JoinedBottleneck, Size: 8, Scale: 1}); err != nil {
		t.Error("the joined network cannot be used as a base network:", err)
	}
	if _, err := graph.Join(part("one", one), part("one", two)); err == nil {
		t.Error("two parts of one name were joined")
	}
	if _, err := graph.Join(part("one", one), graph.Part{Name: "two", Graph: two, Input: "other:0", Bottleneck: "out:0"}); err == nil || !strings.Contains(err.Error(), "two") {
		t.Error("a part without its input was joined:", err)
	}
}
