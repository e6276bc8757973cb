package graph_test

import (
	"slices"
	"strings"
	"testing"

	funcpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	metapb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"kaika/model/graph"
)

func TestSavedModel(t *testing.T) {
	for name, make := range map[string]func() (*graphpb.GraphDef, graph.Network){"inception": inception, "mobilenet": mobilenet} {
		t.Run(name, func(t *testing.T) {
			base, n := make()
			before := proto.Clone(base)
			features := map[string]int{"inception": 4, "mobilenet": 5}[name]
			saved, err := graph.SavedModel(base, n, head(features, 3))
			if err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(before, base) {
				t.Error("the base network was changed")
			}
			if saved.GetSavedModelSchemaVersion() != 1 || len(saved.GetMetaGraphs()) != 1 {
				t.Fatalf("version %d with %d graphs", saved.GetSavedModelSchemaVersion(), len(saved.GetMetaGraphs()))
			}
			meta := saved.GetMetaGraphs()[0]
			if !slices.Equal(meta.GetMetaInfoDef().GetTags(), []string{"serve"}) {
				t.Errorf("the tags are %q", meta.GetMetaInfoDef().GetTags())
			}
			g := meta.GetGraphDef()
			checkWhole(t, g.GetNode())
			if !proto.Equal(g.GetVersions(), base.GetVersions()) {
				t.Error("the versions of the base network were not kept")
			}
			signature := meta.GetSignatureDef()["serving_default"]
			if signature.GetMethodName() != "tensorflow/serving/predict" {
				t.Errorf("the method is %q", signature.GetMethodName())
			}
			checkInfos(t, g, signature.GetInputs(), map[string]typespb.DataType{"image_bytes": dtString, "key": dtString})
			checkInfos(t, g, signature.GetOutputs(), map[string]typespb.DataType{
				"scores": dtFloat, "prediction": typespb.DataType_DT_INT64, "key": dtString,
			})
			checkLibrary(t, g.GetLibrary(), base.GetLibrary())
		})
	}
}

// checkInfos fails unless the tensors are those wanted, and are outputs of nodes that are there.
func checkInfos(t *testing.T, g *graphpb.GraphDef, infos map[string]*metapb.TensorInfo, want map[string]typespb.DataType) {
	t.Helper()
	if len(infos) != len(want) {
		t.Errorf("the signature has the tensors %v", infos)
	}
	for key, dtype := range want {
		name, index, _ := strings.Cut(infos[key].GetName(), ":")
		if infos[key].GetDtype() != dtype || nodes(g)[name] == nil || index != "0" {
			t.Errorf("%s is %v", key, infos[key])
		}
		if dims := infos[key].GetTensorShape().GetDim(); len(dims) == 0 || dims[0].GetSize() != -1 {
			t.Errorf("%s is not of any batch: %v", key, dims)
		}
	}
}

// checkLibrary fails unless the library holds theirs and our function, whose nodes refer to each other and to its input.
func checkLibrary(t *testing.T, library, theirs *funcpb.FunctionDefLibrary) {
	t.Helper()
	functions := library.GetFunction()
	if len(functions) != len(theirs.GetFunction())+1 {
		t.Fatalf("the library has %d functions", len(functions))
	}
	for i, f := range theirs.GetFunction() {
		if !proto.Equal(functions[i], f) {
			t.Errorf("the function %q was not kept", f.GetSignature().GetName())
		}
	}
	photo := functions[len(functions)-1]
	outputs := map[string]bool{}
	for _, arg := range photo.GetSignature().GetInputArg() {
		outputs[arg.GetName()] = true
	}
	for _, n := range photo.GetNodeDef() {
		if strings.Contains(n.GetName(), "/") {
			t.Errorf("the function's node %q has a slash", n.GetName())
		}
		outputs[n.GetName()] = true
	}
	for _, n := range photo.GetNodeDef() {
		for _, in := range n.GetInput() {
			if name, _, _ := strings.Cut(in, ":"); !outputs[name] {
				t.Errorf("the function's node %q has the input %q, which is not there", n.GetName(), in)
			}
		}
	}
	for _, arg := range photo.GetSignature().GetOutputArg() {
		if name, _, _ := strings.Cut(photo.GetRet()[arg.GetName()], ":"); !outputs[name] {
			t.Errorf("the function returns %q as %q", photo.GetRet()[arg.GetName()], arg.GetName())
		}
	}
}

func TestSavedModelRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(g *graphpb.GraphDef, n *graph.Network)
		head   graph.Head
		words  string
	}{
		{"a missing bottleneck", func(_ *graphpb.GraphDef, n *graph.Network) { n.Bottleneck = "none" }, head(5, 3), `no node "none"`},
		{"a head that does not fit", func(*graphpb.GraphDef, *graph.Network) {}, graph.Head{Weights: []float32{1}, Bias: []float32{1, 2}}, "do not fit"},
		{"a name of the signature", func(g *graphpb.GraphDef, _ *graph.Network) {
			nodes(g)["weights"].Name, nodes(g)["conv"].Input[1] = "key", "key"
		}, head(5, 3), `"key"`},
		{"a name of the scores", func(g *graphpb.GraphDef, _ *graph.Network) {
			nodes(g)["weights"].Name, nodes(g)["conv"].Input[1] = "scores", "scores"
		}, head(5, 3), `"scores"`},
		{"a name of the prediction", func(g *graphpb.GraphDef, _ *graph.Network) {
			nodes(g)["weights"].Name, nodes(g)["conv"].Input[1] = "prediction", "prediction"
		}, head(5, 3), `"prediction"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			base, n := mobilenet()
			test.change(base, &n)
			if _, err := graph.SavedModel(base, n, test.head); err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("got the error %v, want one with %q", err, test.words)
			}
		})
	}
}
