package graph_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	funcpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	oppb "github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	versionspb "github.com/wamuir/graft/tensorflow/core/framework/versions_go_proto"
	"google.golang.org/protobuf/proto"

	"kaika/model/graph"
)

const (
	dtFloat  = typespb.DataType_DT_FLOAT
	dtString = typespb.DataType_DT_STRING
)

// inception is laid out as Inception-v3 of 2015 is: it decodes a photo itself, and its bottleneck is reshaped to [1, 4].
func inception() (*graphpb.GraphDef, graph.Network) {
	b := &graph.Builder{}
	float := graph.Attrs{"T": graph.Type(dtFloat)}
	b.Node("DecodeJpeg/contents", "Const", nil, graph.Attrs{"dtype": graph.Type(dtString)})
	b.Node("DecodeJpeg", "DecodeJpeg", []string{"DecodeJpeg/contents"}, nil)
	b.Node("Cast", "Cast", []string{"DecodeJpeg"}, nil)
	b.Node("Mul", "Mul", []string{"Cast", "Cast"}, float)
	b.Const("conv/weights", graph.Floats(make([]float32, 12), 1, 1, 3, 4))
	b.Node("conv/setup", "NoOp", []string{"^DecodeJpeg"}, nil)
	b.Node("conv", "Conv2D", []string{"Mul", "conv/weights", "^Cast"}, float)
	b.Node("conv/checked", "CheckNumerics", []string{"conv"}, float)
	b.Node("conv/relu", "Relu", []string{"conv:0", "^conv/checked", "^Mul"}, float)
	b.Node("pool_3", "AvgPool", []string{"conv/relu"}, float)
	b.Const("pool_3/_reshape/shape", graph.Int32s([]int32{1, 4}, 2))
	b.Node("pool_3/_reshape", "Reshape", []string{"pool_3", "pool_3/_reshape/shape"}, float)
	b.Node("softmax", "Softmax", []string{"pool_3/_reshape"}, float)
	return &graphpb.GraphDef{Node: b.Nodes}, graph.Network{Input: "Mul:0", Bottleneck: "pool_3/_reshape:0", Size: 6, Mean: 128, Scale: 128}
}

// mobilenet is laid out as a MobileNet of retrain.py is: fed with a square, with more outputs than are wanted.
func mobilenet() (*graphpb.GraphDef, graph.Network) {
	b := &graph.Builder{}
	float := graph.Attrs{"T": graph.Type(dtFloat)}
	b.Node("input", "Placeholder", nil, graph.Attrs{"dtype": graph.Type(dtFloat), "shape": graph.Shape(1, 6, 6, 3)})
	b.Node("keep", "PlaceholderWithDefault", []string{b.Const("keep/default", graph.Floats([]float32{1}))}, graph.Attrs{"dtype": graph.Type(dtFloat)})
	b.Const("weights", graph.Floats(make([]float32, 15), 1, 1, 3, 5))
	b.Node("conv", "Conv2D", []string{"input:0", "weights"}, float)
	b.Node("dropped", "Mul", []string{"conv", "keep"}, float)
	b.Const("axes", graph.Int32s([]int32{1, 2}, 2))
	b.Node("MobilenetV1/Logits/Mean", "Mean", []string{"dropped", "axes"}, float)
	b.Const("MobilenetV1/Predictions/shape", graph.Int32s([]int32{-1, 5}, 2))
	b.Node("MobilenetV1/Predictions/Reshape", "Reshape", []string{"MobilenetV1/Logits/Mean", "MobilenetV1/Predictions/shape"}, float)
	b.Node("MobilenetV1/Predictions/Softmax", "Softmax", []string{"MobilenetV1/Predictions/Reshape"}, float)
	b.Node("AuxLogits/Placeholder", "Placeholder", nil, graph.Attrs{"dtype": graph.Type(dtFloat)})
	b.Node("AuxLogits/Sum", "AddN", []string{"AuxLogits/Placeholder", "conv"}, float)
	return &graphpb.GraphDef{
		Node:     b.Nodes,
		Versions: &versionspb.VersionDef{Producer: 21},
		Library:  &funcpb.FunctionDefLibrary{Function: []*funcpb.FunctionDef{{Signature: &oppb.OpDef{Name: "theirs"}}}},
	}, graph.Network{Input: "input:0", Bottleneck: "MobilenetV1/Predictions/Reshape:0", Size: 6, Mean: 127.5, Scale: 127.5}
}

func nodes(g *graphpb.GraphDef) map[string]*nodepb.NodeDef {
	byName := map[string]*nodepb.NodeDef{}
	for _, n := range g.GetNode() {
		byName[n.GetName()] = n
	}
	return byName
}

// checkWhole fails unless every node is there once and every input names a node.
func checkWhole(t *testing.T, list []*nodepb.NodeDef) {
	t.Helper()
	byName := nodes(&graphpb.GraphDef{Node: list})
	if len(byName) != len(list) {
		t.Errorf("%d nodes have %d names", len(list), len(byName))
	}
	for _, n := range list {
		for _, in := range n.GetInput() {
			name, _, _ := strings.Cut(strings.TrimPrefix(in, "^"), ":")
			if byName[name] == nil {
				t.Errorf("the node %q has the input %q, which is not there", n.GetName(), in)
			}
		}
	}
}

func extract(t *testing.T, base *graphpb.GraphDef, n graph.Network) *graphpb.GraphDef {
	t.Helper()
	before := proto.Clone(base)
	g, err := graph.Extractor(base, n)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(before, base) {
		t.Error("the base network was changed")
	}
	checkWhole(t, g.GetNode())
	return g
}

func TestExtractorOfInception(t *testing.T) {
	base, n := inception()
	g := extract(t, base, n)
	byName := nodes(g)
	contents := byName["DecodeJpeg/contents"]
	if contents.GetOp() != "Placeholder" || contents.GetAttr()["dtype"].GetType() != dtString || len(contents.GetAttr()["shape"].GetShape().GetDim()) != 0 {
		t.Errorf("the photo enters by %v, want a Placeholder of one string", contents)
	}
	for _, gone := range []string{"Mul", "Cast", "softmax", "conv/setup", "conv/checked/x"} {
		if byName[gone] != nil {
			t.Errorf("the node %q was not cut away", gone)
		}
	}
	if in := byName["conv"].GetInput(); !slices.Equal(in, []string{"Preprocess/batch", "conv/weights"}) {
		t.Errorf("conv has the inputs %q: it must take the batch, and the control edge to Cast must go", in)
	}
	if in := byName["conv/relu"].GetInput(); !slices.Equal(in, []string{"conv:0", "^conv/checked"}) {
		t.Errorf("conv/relu has the inputs %q: its control edge to conv/checked must stay, that to Mul go", in)
	}
	reshape := byName["pool_3/_reshape"]
	shape := byName[reshape.GetInput()[1]].GetAttr()["value"].GetTensor()
	if want := graph.Int32s([]int32{-1, 4}, 2).GetTensor(); !proto.Equal(shape, want) {
		t.Errorf("pool_3/_reshape reshapes to %v, want %v", shape, want)
	}
	if mean, scale, err := graph.Normalisation(g); err != nil || mean != 128 || scale != 128 {
		t.Errorf("Normalisation = %g, %g, %v, want 128, 128", mean, scale, err)
	}
}

func TestExtractorOfMobilenet(t *testing.T) {
	base, n := mobilenet()
	g := extract(t, base, n)
	byName := nodes(g)
	for _, gone := range []string{"input", "MobilenetV1/Predictions/Softmax", "AuxLogits/Placeholder", "AuxLogits/Sum"} {
		if byName[gone] != nil {
			t.Errorf("the node %q was not cut away", gone)
		}
	}
	if byName["keep"].GetOp() != "PlaceholderWithDefault" {
		t.Error("an input with a default was not kept")
	}
	batch := byName["Preprocess/batch"]
	var dims []int64
	for _, d := range batch.GetAttr()["shape"].GetShape().GetDim() {
		dims = append(dims, d.GetSize())
	}
	if batch.GetOp() != "PlaceholderWithDefault" || !slices.Equal(dims, []int64{-1, 6, 6, 3}) {
		t.Errorf("the batch is a %s of %v", batch.GetOp(), dims)
	}
	if in := byName["MobilenetV1/Predictions/Reshape"].GetInput()[1]; in != "MobilenetV1/Predictions/shape" {
		t.Errorf("the shape of any batch was replaced by %q", in)
	}
	if !proto.Equal(g.GetLibrary(), base.GetLibrary()) || !proto.Equal(g.GetVersions(), base.GetVersions()) {
		t.Error("functions and versions of the base network were not kept")
	}
	if mean, scale, err := graph.Normalisation(g); err != nil || mean != 127.5 || scale != 127.5 {
		t.Errorf("Normalisation = %g, %g, %v, want 127.5, 127.5", mean, scale, err)
	}
}

func TestExtractorKeepsOtherShapes(t *testing.T) {
	tests := map[string]func(shape *nodepb.NodeDef){
		"any batch":     func(n *nodepb.NodeDef) { n.Attr["value"] = graph.Int32s([]int32{-1, 4}, 2) },
		"any features":  func(n *nodepb.NodeDef) { n.Attr["value"] = graph.Int32s([]int32{1, -1}, 2) },
		"a scalar":      func(n *nodepb.NodeDef) { n.Attr["value"] = graph.Int32s([]int32{1}) },
		"of no length":  func(n *nodepb.NodeDef) { n.Attr["value"] = graph.Int32s(nil, 0) },
		"of floats":     func(n *nodepb.NodeDef) { n.Attr["value"] = graph.Floats([]float32{1, 4}, 2) },
		"no value":      func(n *nodepb.NodeDef) { delete(n.Attr, "value") },
		"a lying shape": func(n *nodepb.NodeDef) { n.Attr["value"] = graph.Int32s(nil, 1<<62) },
		"a negative":    func(n *nodepb.NodeDef) { n.Attr["value"] = graph.Int32s(nil, -1) },
		"computed":      func(n *nodepb.NodeDef) { n.Op = "Shape" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			base, n := inception()
			change(nodes(base)["pool_3/_reshape/shape"])
			if in := nodes(extract(t, base, n))["pool_3/_reshape"].GetInput()[1]; in != "pool_3/_reshape/shape" {
				t.Errorf("the shape was replaced by %q", in)
			}
		})
	}
}

func TestExtractorReadsListedShapes(t *testing.T) {
	base, n := inception()
	value := nodes(base)["pool_3/_reshape/shape"].GetAttr()["value"].GetTensor()
	value.TensorContent, value.IntVal = nil, []int32{1, 4} // The other way to write a constant.
	byName := nodes(extract(t, base, n))
	shape := byName[byName["pool_3/_reshape"].GetInput()[1]].GetAttr()["value"].GetTensor()
	if want := graph.Int32s([]int32{-1, 4}, 2).GetTensor(); !proto.Equal(shape, want) {
		t.Errorf("the bottleneck is reshaped to %v, want %v", shape, want)
	}
}

func TestExtractorRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(g *graphpb.GraphDef, n *graph.Network)
		words  []string
	}{
		{
			"a missing bottleneck", func(_ *graphpb.GraphDef, n *graph.Network) { n.Bottleneck = "Other/Predictions/Reshape:0" },
			[]string{`no node "Other/Predictions/Reshape"`, "it has", "MobilenetV1/Predictions/Reshape"},
		},
		{
			"a missing input", func(_ *graphpb.GraphDef, n *graph.Network) { n.Input = "image:0" },
			[]string{`no node "image"`, "it has input"},
		},
		{"a missing node of nothing like it", func(g *graphpb.GraphDef, _ *graph.Network) {
			g.Node = slices.DeleteFunc(g.Node, func(n *nodepb.NodeDef) bool { return n.GetOp() == "Placeholder" })
		}, []string{`no node "input"`}},
		{
			"a bottleneck that needs another input", func(_ *graphpb.GraphDef, n *graph.Network) { n.Bottleneck = "AuxLogits/Sum:0" },
			[]string{`"AuxLogits/Sum" also needs the input "AuxLogits/Placeholder"`, "earlier bottleneck"},
		},
		{"an input behind the bottleneck", func(_ *graphpb.GraphDef, n *graph.Network) {
			n.Input, n.Bottleneck = "MobilenetV1/Predictions/Softmax:0", "weights:0"
		}, []string{`"weights" does not depend on the input`}},
		{
			"an input that is the bottleneck", func(_ *graphpb.GraphDef, n *graph.Network) { n.Bottleneck = n.Input },
			[]string{`"input" is the input itself`},
		},
		{"a reference to nothing", func(g *graphpb.GraphDef, _ *graph.Network) {
			nodes(g)["conv"].Input[1] = "lost"
		}, []string{`refers to a node "lost"`}},
		{"a control edge to nothing", func(g *graphpb.GraphDef, _ *graph.Network) {
			nodes(g)["conv"].Input = append(nodes(g)["conv"].Input, "^lost")
		}, []string{`refers to a node "lost"`}},
		{"a name that is ours", func(g *graphpb.GraphDef, _ *graph.Network) {
			nodes(g)["weights"].Name, nodes(g)["conv"].Input[1] = "Preprocess/zoom", "Preprocess/zoom"
		}, []string{`has a node "Preprocess/zoom"`}},
		{"a node twice", func(g *graphpb.GraphDef, _ *graph.Network) {
			g.Node = append(g.Node, nodes(g)["weights"])
		}, []string{`has a node "weights"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			base, n := mobilenet()
			test.change(base, &n)
			_, err := graph.Extractor(base, n)
			if err == nil {
				t.Fatal("no error")
			}
			for _, words := range test.words {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("the error %q lacks %q", err, words)
				}
			}
		})
	}
}

func TestExtractorThroughLoops(t *testing.T) {
	base, n := mobilenet()
	byName := nodes(base)
	byName["conv"].Input = append(byName["conv"].Input, "dropped:1") // As a NextIteration does.
	if g := nodes(extract(t, base, n)); !slices.Contains(g["conv"].GetInput(), "dropped:1") {
		t.Error("the loop was cut")
	}
}

func head(features, labels int) graph.Head {
	h := graph.Head{Weights: make([]float32, features*labels), Bias: make([]float32, labels)}
	for i := range h.Weights {
		h.Weights[i] = float32(i) / 8
	}
	return h
}

func TestWithHead(t *testing.T) {
	base, n := inception()
	extractor := extract(t, base, n)
	before := proto.Clone(extractor)
	g, err := graph.WithHead(extractor, n.Bottleneck, head(4, 3), "final_result")
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(before, extractor) {
		t.Error("the extractor was changed")
	}
	checkWhole(t, g.GetNode())
	last := g.GetNode()[len(g.GetNode())-1]
	if last.GetName() != "final_result" || last.GetOp() != "Softmax" {
		t.Errorf("the last node is %q, a %s", last.GetName(), last.GetOp())
	}
	byName := nodes(g)
	if w := byName["final_training_ops/weights"].GetAttr()["value"]; !proto.Equal(w, graph.Floats(head(4, 3).Weights, 4, 3)) {
		t.Errorf("the weights are %v", w)
	}
	if b := byName["final_training_ops/biases"].GetAttr()["value"]; !proto.Equal(b, graph.Floats(head(4, 3).Bias, 3)) {
		t.Errorf("the biases are %v", b)
	}
}

func TestWithHeadRefuses(t *testing.T) {
	base, n := mobilenet()
	extractor := extract(t, base, n)
	tests := []struct {
		name  string
		head  graph.Head
		final string
		words string
	}{
		{"no head", graph.Head{}, "final_result", "0 weights for 0 labels"},
		{"no labels", graph.Head{Weights: make([]float32, 5)}, "final_result", "5 weights for 0 labels"},
		{"no weights", graph.Head{Bias: make([]float32, 3)}, "final_result", "0 weights for 3 labels"},
		{"weights that do not fit", graph.Head{Weights: make([]float32, 16), Bias: make([]float32, 3)}, "final_result", "16 weights for 3 labels"},
		{"no name", head(5, 3), "", "cannot be named"},
		{"a name with an index", head(5, 3), "final_result:0", "cannot be named"},
		{"a name in Japanese", head(5, 3), "結果", "cannot be named"},
		{"a name with a space", head(5, 3), "final result", "cannot be named"},
		{"a name of the network", head(5, 3), "conv", "cannot be named"},
		{"a name of the head", head(5, 3), "final_training_ops/weights", "final_training_ops/weights"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := graph.WithHead(extractor, n.Bottleneck, test.head, test.final); err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("got the error %v, want one with %q", err, test.words)
			}
		})
	}
	t.Run("a network that was retrained before", func(t *testing.T) {
		once, err := graph.WithHead(extractor, n.Bottleneck, head(5, 3), "final_result")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := graph.WithHead(once, "final_result:0", head(3, 2), "again"); err == nil || !strings.Contains(err.Error(), "final_training_ops") {
			t.Errorf("got the error %v", err)
		}
	})
}

func TestMarshalIsDeterministic(t *testing.T) {
	marshal := func() string {
		base, n := mobilenet()
		extractor := extract(t, base, n)
		g, err := graph.WithHead(extractor, n.Bottleneck, head(5, 3), "final_result")
		if err != nil {
			t.Fatal(err)
		}
		data, err := graph.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		saved, err := graph.SavedModel(base, n, head(5, 3))
		if err != nil {
			t.Fatal(err)
		}
		savedData, err := graph.Marshal(saved)
		if err != nil {
			t.Fatal(err)
		}
		return string(data) + string(savedData)
	}
	first := marshal()
	for range 20 { // Maps of Go are walked in another order each time.
		if marshal() != first {
			t.Fatal("equal graphs gave other bytes")
		}
	}
}

func TestNormalisationOfForeignGraphs(t *testing.T) {
	base, n := mobilenet()
	if _, _, err := graph.Normalisation(base); err == nil || !strings.Contains(err.Error(), "not written by Kaika") {
		t.Errorf("got the error %v", err)
	}
	g := extract(t, base, n)
	delete(nodes(g)["Preprocess/deviation"].Attr, "value")
	if _, _, err := graph.Normalisation(g); err == nil {
		t.Error("a constant without a value gave no error")
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	base, _ := inception()
	data, err := graph.Marshal(base)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		data  []byte
		words string
	}{
		{"good.pb", data, ""},
		{"empty.pb", nil, "empty graph"},
		{"text.pb", []byte("node { name: \"input\" }"), "does not hold a TensorFlow graph"},
		{"cut.pb", data[:len(data)/2], "does not hold a TensorFlow graph"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(dir, test.name)
			if err := os.WriteFile(path, test.data, 0o600); err != nil {
				t.Fatal(err)
			}
			g, err := graph.Load(path)
			if test.words == "" {
				if err != nil || !proto.Equal(g, base) {
					t.Errorf("the graph came back otherwise; error %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.words) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "%!") {
				t.Errorf("got the error %v, want one with %q and the path", err, test.words)
			}
		})
	}
	if _, err := graph.Load(filepath.Join(dir, "missing.pb")); err == nil || !strings.Contains(err.Error(), "missing.pb") {
		t.Errorf("a missing file gave the error %v", err)
	}
	if _, err := graph.Load(dir); err == nil {
		t.Error("a folder gave no error")
	}
}

// FuzzExtractor reads foreign bytes as a graph and cuts it between two of its nodes: whatever comes of it is whole.
func FuzzExtractor(f *testing.F) {
	for _, make := range []func() (*graphpb.GraphDef, graph.Network){inception, mobilenet} {
		g, n := make()
		data, err := graph.Marshal(g)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, n.Input, n.Bottleneck)
		f.Add(data[:len(data)/2], n.Input, n.Bottleneck)
		f.Add(data, n.Bottleneck, n.Input)
	}
	g, n := inception()
	nodes(g)["pool_3/_reshape/shape"].Attr["value"] = graph.Int32s(nil, 1<<62)
	data, err := graph.Marshal(g)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, n.Input, n.Bottleneck)
	f.Add([]byte(nil), "", "")
	path := filepath.Join(f.TempDir(), "graph.pb")
	f.Fuzz(func(t *testing.T, data []byte, input, bottleneck string) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		base, err := graph.Load(path)
		if err != nil {
			return
		}
		n := graph.Network{Input: input, Bottleneck: bottleneck, Size: 8, Mean: 1, Scale: 1}
		g, err := graph.Extractor(base, n)
		if err != nil {
			return
		}
		checkWhole(t, g.GetNode())
		if _, err := graph.WithHead(g, bottleneck, head(4, 2), "final_result"); err != nil {
			return
		}
		if saved, err := graph.SavedModel(base, n, head(4, 2)); err == nil {
			checkWhole(t, saved.GetMetaGraphs()[0].GetGraphDef().GetNode())
		}
	})
}
