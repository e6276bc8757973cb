// Package graph edits TensorFlow's GraphDefs without TensorFlow: it cuts a base network at its bottleneck, puts the
// decoding of a photo before it and a softmax layer behind it, and wraps the result as a SavedModel.
//
// The messages are those of tensorflow/core/framework/graph.proto and tensorflow/core/protobuf/saved_model.proto.
package graph

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"google.golang.org/protobuf/proto"
)

// Names of the tensors of an exported graph. Programs of 2017 feed Contents; the engine also feeds the others.
const (
	// Contents takes the bytes of one JPEG or PNG file, a string of shape [].
	Contents = "DecodeJpeg/contents:0"
	// Square gives the photo's centre square, resized and normalised, float32 [1, size, size, 3].
	Square = "Preprocess/normalized:0"
	// Batch takes float32 [batch, size, size, 3]; what is not fed comes from Square.
	Batch = "Preprocess/batch:0"
	// Zoom is a float32 []: the square's side is the photo's shorter side divided by 1 + zoom.
	Zoom = "Preprocess/zoom:0"
	// Shift is a float32 [2], (dy, dx) in -1..1: how far the square leaves the centre, as a share of the room there.
	Shift = "Preprocess/shift:0"
)

// Network tells where a base network begins and ends, and how a photo is made ready for it.
type Network struct {
	Input      string  // Tensor that takes float32 [batch, size, size, 3], for example "input:0".
	Bottleneck string  // Tensor that gives float32 [batch, features], for example "feature:0".
	Size       int     // Side of the square in pixels.
	Mean       float32 // A pixel x of 0..255 enters as (x - Mean) / Scale.
	Scale      float32
}

// Head is a softmax layer over features: logits = features * Weights + Bias.
type Head struct {
	Weights []float32 // Row-major [features, labels].
	Bias    []float32 // [labels].
}

// Features returns the length of the feature vector that the head takes.
func (h Head) Features() int {
	if len(h.Bias) == 0 {
		return 0
	}
	return len(h.Weights) / len(h.Bias)
}

// Load reads a serialised GraphDef from a file.
func Load(path string) (*graphpb.GraphDef, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the network: %w", err)
	}
	g := &graphpb.GraphDef{}
	if err := proto.Unmarshal(data, g); err != nil {
		return nil, fmt.Errorf("%s does not hold a TensorFlow graph (a frozen GraphDef is needed): %w", path, err)
	}
	if len(g.GetNode()) == 0 {
		return nil, fmt.Errorf("%s holds an empty graph (a frozen GraphDef is needed)", path)
	}
	return g, nil
}

// Marshal serialises a graph so that equal graphs give equal bytes.
func Marshal(g proto.Message) ([]byte, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(g)
	if err != nil {
		return nil, fmt.Errorf("serialising the graph: %w", err)
	}
	return data, nil
}

// Extractor returns a graph from [Contents] to the bottleneck: the preparation of a photo, then base cut down to what
// lies between n.Input and n.Bottleneck. base is not changed.
func Extractor(base *graphpb.GraphDef, n Network) (*graphpb.GraphDef, error) {
	b := &Builder{}
	square := preprocess(b, n)
	return assemble(base, n, b, square)
}

// assemble puts the nodes of base between n.Input and n.Bottleneck behind the tensor square.
func assemble(base *graphpb.GraphDef, n Network, b *Builder, square string) (*graphpb.GraphDef, error) {
	size := int64(n.Size)
	batch := b.Node(nodeName(Batch), "PlaceholderWithDefault", []string{square}, Attrs{
		"dtype": Type(typespb.DataType_DT_FLOAT), "shape": Shape(-1, size, size, 3),
	})
	between, err := cut(base, nodeName(n.Input), nodeName(n.Bottleneck))
	if err != nil {
		return nil, err
	}
	for _, node := range between {
		for i, in := range node.GetInput() {
			if nodeName(in) == nodeName(n.Input) && !strings.HasPrefix(in, "^") {
				node.Input[i] = batch
			}
		}
	}
	nodes := slices.Concat(b.Nodes, anyBatch(between, nodeName(n.Bottleneck)))
	return &graphpb.GraphDef{
		Node:     nodes,
		Versions: base.GetVersions(), // How the ops of base are meant depends on it.
		Library:  base.GetLibrary(),
	}, distinct(nodes)
}

// distinct fails if two nodes bear one name: then the base network uses a name that Kaika's own nodes have.
func distinct(nodes []*nodepb.NodeDef) error {
	seen := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		if seen[n.GetName()] {
			return fmt.Errorf("the base network has a node %q, a name that Kaika needs for itself", n.GetName())
		}
		seen[n.GetName()] = true
	}
	return nil
}

// nodeNames are the names that TensorFlow allows.
var nodeNames = regexp.MustCompile(`^[A-Za-z0-9.][A-Za-z0-9_.\-/]*$`)

// WithHead appends a softmax layer to an extractor and names its output final. The extractor's nodes are shared.
func WithHead(extractor *graphpb.GraphDef, bottleneck string, h Head, final string) (*graphpb.GraphDef, error) {
	features, labels := int64(h.Features()), int64(len(h.Bias))
	if features == 0 || int(features*labels) != len(h.Weights) {
		return nil, fmt.Errorf("the head has %d weights for %d labels, which do not fit together", len(h.Weights), labels)
	}
	if !nodeNames.MatchString(final) || find(extractor, final) != nil {
		return nil, fmt.Errorf("the final tensor cannot be named %q: choose a name of letters, digits, _ . - and / that the network does not use", final)
	}
	float := Attrs{"T": Type(typespb.DataType_DT_FLOAT)}
	b := &Builder{Nodes: slices.Clone(extractor.GetNode())}
	// Some networks give [batch, 1, 1, features].
	flat := b.Node("final_training_ops/features", "Reshape",
		[]string{bottleneck, b.Const("final_training_ops/features/shape", Int32s([]int32{-1, int32(features)}, 2))}, //nolint:gosec // a feature length is small.
		Attrs{"T": Type(typespb.DataType_DT_FLOAT), "Tshape": Type(typespb.DataType_DT_INT32)})
	product := b.Node("final_training_ops/matmul", "MatMul",
		[]string{flat, b.Const("final_training_ops/weights", Floats(h.Weights, features, labels))}, float)
	logits := b.Node("final_training_ops/logits", "BiasAdd",
		[]string{product, b.Const("final_training_ops/biases", Floats(h.Bias, labels))}, float)
	b.Node(final, "Softmax", []string{logits}, float)
	return &graphpb.GraphDef{Node: b.Nodes, Versions: extractor.GetVersions(), Library: extractor.GetLibrary()}, distinct(b.Nodes)
}

// Normalisation returns the mean and the scale of an exported graph, whose pixels enter as (x - mean) / scale.
func Normalisation(g *graphpb.GraphDef) (mean, scale float32, err error) {
	for name, to := range map[string]*float32{"Preprocess/mean": &mean, "Preprocess/deviation": &scale} {
		content := find(g, name).GetAttr()["value"].GetTensor().GetTensorContent()
		if len(content) != 4 {
			return 0, 0, fmt.Errorf("the graph has no constant %q: it was not written by Kaika", name)
		}
		*to = math.Float32frombits(binary.LittleEndian.Uint32(content))
	}
	return mean, scale, nil
}

// preprocess adds what makes one photo ready: decode, take the centre square, resize with antialiasing, normalise.
// It returns the tensor of shape [1, size, size, 3].
func preprocess(b *Builder, n Network) string {
	contents := b.Node(nodeName(Contents), "Placeholder", nil,
		Attrs{"dtype": Type(typespb.DataType_DT_STRING), "shape": Shape()})
	return square(b, n, contents, func(name, _ string) string { return name })
}

// square adds the nodes from the bytes of a photo to its normalised square. output names the output of a node of the
// given op: a graph refers to it by the node's name alone, a function by "name:output:0".
func square(b *Builder, n Network, contents string, output func(name, arg string) string) string {
	const (
		dtFloat = typespb.DataType_DT_FLOAT
		dtInt   = typespb.DataType_DT_INT32
	)
	constant := func(name string, values []float32, dims ...int64) string {
		return output(b.Const("Preprocess/"+name, Floats(values, dims...)), "output")
	}
	ints := func(name string, values ...int32) string {
		return output(b.Const("Preprocess/"+name, Int32s(values, int64(len(values)))), "output")
	}
	scalar := func(name string, value int32) string {
		return output(b.Const("Preprocess/"+name, Int32s([]int32{value})), "output")
	}
	op := func(name, op, arg string, attrs Attrs, inputs ...string) string {
		return output(b.Node("Preprocess/"+name, op, inputs, attrs), arg)
	}
	arithmetic := func(name, kind string, inputs ...string) string {
		return op(name, kind, "z", Attrs{"T": Type(dtFloat)}, inputs...)
	}
	side := float32(n.Size)

	pixels := output(b.Node("DecodeJpeg", "DecodeJpeg", []string{contents}, Attrs{
		"channels": Int(3), "ratio": Int(1), "fancy_upscaling": Bool(true), "try_recover_truncated": Bool(false),
		"acceptable_fraction": Float(1), "dct_method": String("INTEGER_ACCURATE"),
	}), "image")
	shape := op("shape", "Shape", "output", Attrs{"T": Type(typespb.DataType_DT_UINT8), "out_type": Type(dtInt)}, pixels)
	extent := op("extent", "StridedSlice", "output", Attrs{
		"T": Type(dtInt), "Index": Type(dtInt),
		"begin_mask": Int(0), "end_mask": Int(0), "ellipsis_mask": Int(0), "new_axis_mask": Int(0), "shrink_axis_mask": Int(0),
	}, shape, ints("extent/begin", 0), ints("extent/end", 2), ints("extent/strides", 1))
	extent = op("extent_float", "Cast", "y", Attrs{"SrcT": Type(dtInt), "DstT": Type(dtFloat), "Truncate": Bool(false)}, extent)
	short := op("short", "Min", "output", Attrs{"T": Type(dtFloat), "Tidx": Type(dtInt), "keep_dims": Bool(false)}, extent, scalar("short/axis", 0))

	one := constant("one", []float32{1})
	crop := arithmetic("side", "RealDiv", short, arithmetic("magnification", "AddV2", one, constant("zoom", []float32{0})))
	room := arithmetic("room", "Mul", arithmetic("margins", "Sub", extent, crop), constant("half", []float32{0.5}))
	corner := arithmetic("corner", "Mul", room, arithmetic("position", "AddV2", one, constant("shift", []float32{0, 0}, 2)))
	scale := arithmetic("scale", "RealDiv", constant("target", []float32{side, side}, 2), crop)
	translation := op("translation", "Neg", "y", Attrs{"T": Type(dtFloat)}, arithmetic("offset", "Mul", corner, scale))

	image := op("image", "ExpandDims", "output", Attrs{"T": Type(typespb.DataType_DT_UINT8), "Tdim": Type(dtInt)}, pixels, scalar("image/axis", 0))
	resized := op("resized", "ScaleAndTranslate", "resized_images", Attrs{
		"T": Type(typespb.DataType_DT_UINT8), "kernel_type": String("triangle"), "antialias": Bool(true),
	}, image, ints("size", int32(n.Size), int32(n.Size)), scale, translation) //nolint:gosec // a side in pixels is small.
	centred := arithmetic("centred", "Sub", resized, constant("mean", []float32{n.Mean}))
	return op("normalized", "RealDiv", "z", Attrs{"T": Type(dtFloat)}, centred, constant("deviation", []float32{n.Scale}))
}

// cut returns copies of the nodes that the node last needs, without the node first and what only first needs.
func cut(g *graphpb.GraphDef, first, last string) ([]*nodepb.NodeDef, error) {
	index := make(map[string]*nodepb.NodeDef, len(g.GetNode()))
	for _, n := range g.GetNode() {
		index[n.GetName()] = n
	}
	for _, name := range []string{first, last} {
		if index[name] == nil {
			return nil, fmt.Errorf("the base network has no node %q%s", name, similar(g, name))
		}
	}
	if first == last {
		return nil, fmt.Errorf("the bottleneck %q is the input itself: name a tensor behind it", last)
	}
	before := ancestors(index, first)
	needed := map[string]bool{}
	reached := false
	for todo := []string{last}; len(todo) > 0; {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if name == first {
			reached = true
			continue
		}
		if needed[name] {
			continue
		}
		node := index[name]
		if node == nil {
			return nil, fmt.Errorf("the base network refers to a node %q that it does not have", name)
		}
		if node.GetOp() == "Placeholder" {
			return nil, fmt.Errorf("the bottleneck %q also needs the input %q: name a later input or an earlier bottleneck", last, name)
		}
		needed[name] = true
		for _, in := range node.GetInput() {
			// A control edge to the base network's own preparation orders nothing any more.
			if !strings.HasPrefix(in, "^") || !before[nodeName(in)] {
				todo = append(todo, nodeName(in))
			}
		}
	}
	if !reached {
		return nil, fmt.Errorf("the bottleneck %q does not depend on the input %q", last, first)
	}
	var nodes []*nodepb.NodeDef
	for _, n := range g.GetNode() {
		if !needed[n.GetName()] {
			continue
		}
		n, ok := proto.Clone(n).(*nodepb.NodeDef)
		if !ok {
			return nil, errors.New("copying a node of the base network failed")
		}
		n.Input = slices.DeleteFunc(n.GetInput(), func(in string) bool {
			return strings.HasPrefix(in, "^") && !needed[nodeName(in)]
		})
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// ancestors gives a node and all that it needs.
func ancestors(index map[string]*nodepb.NodeDef, name string) map[string]bool {
	found := map[string]bool{name: true}
	for todo := []string{name}; len(todo) > 0; {
		node := index[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		for _, in := range node.GetInput() {
			if in := nodeName(in); !found[in] {
				found[in] = true
				todo = append(todo, in)
			}
		}
	}
	return found
}

// anyBatch mends a bottleneck that is a Reshape to a constant [1, n], as Inception's pool_3/_reshape of 2015 is, so
// that several photos pass at once.
func anyBatch(nodes []*nodepb.NodeDef, bottleneck string) []*nodepb.NodeDef {
	byName := map[string]*nodepb.NodeDef{}
	for _, n := range nodes {
		byName[n.GetName()] = n
	}
	reshape := byName[bottleneck]
	if reshape.GetOp() != "Reshape" || len(reshape.GetInput()) < 2 {
		return nodes
	}
	shape := byName[nodeName(reshape.GetInput()[1])]
	dims, ok := int32Values(shape)
	// With [1, -1] the vectors of several photos come in one row, which is taken apart by whoever asked.
	if !ok || len(dims) == 0 || dims[0] != 1 || slices.Contains(dims, -1) {
		return nodes
	}
	dims[0] = -1
	b := &Builder{}
	reshape.Input[1] = b.Const(bottleneck+"/any_batch", Int32s(dims, int64(len(dims))))
	return append(b.Nodes, nodes...)
}

// int32Values returns the values of an int32 constant of rank 1.
func int32Values(n *nodepb.NodeDef) ([]int32, bool) {
	t := n.GetAttr()["value"].GetTensor()
	if n.GetOp() != "Const" || t.GetDtype() != typespb.DataType_DT_INT32 || len(t.GetTensorShape().GetDim()) != 1 {
		return nil, false
	}
	count := int(t.GetTensorShape().GetDim()[0].GetSize())
	if content := t.GetTensorContent(); len(content) > 0 && len(content)%4 == 0 && len(content)/4 == count {
		values := make([]int32, count)
		for i := range values {
			values[i] = int32(binary.LittleEndian.Uint32(content[4*i:])) //nolint:gosec // the bits of an int32.
		}
		return values, true
	}
	if len(t.GetIntVal()) == count {
		return slices.Clone(t.GetIntVal()), true
	}
	return nil, false
}

// nodeName gives the node of a tensor name such as "pool_3/_reshape:0" or of a control input such as "^init".
func nodeName(tensor string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(tensor, "^"), ":")
	return name
}

// similar offers names that a user may have meant.
func similar(g *graphpb.GraphDef, name string) string {
	last := name[strings.LastIndex(name, "/")+1:]
	var found []string
	for _, n := range g.GetNode() {
		if n.GetOp() == "Placeholder" || strings.HasSuffix(n.GetName(), last) {
			found = append(found, n.GetName())
		}
		if len(found) == 5 {
			break
		}
	}
	if found == nil {
		return ""
	}
	return "; it has " + strings.Join(found, ", ")
}
