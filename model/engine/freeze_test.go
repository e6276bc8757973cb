package engine

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"
	"github.com/tensorflow/tensorflow/tensorflow/go/op"
	funcpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	oppb "github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"kaika/model/enginepb"
	"kaika/model/graph"
)

const (
	dtFloat    = typespb.DataType_DT_FLOAT
	dtResource = typespb.DataType_DT_RESOURCE
)

// savedNet is a SavedModel of a network made by hand: photos of 2 x 2 pixels, their mean colour, times a matrix, plus a bias.
// The matrix and the bias are variables; edit turns the mean, "mean:0", into the output "features:0", and gets at the handles
// "weights" and "biases" for that.
func savedNet(t *testing.T, edit func(g *graphpb.GraphDef)) (dir string) {
	t.Helper()
	dir = t.TempDir()
	prefix := filepath.Join(dir, "variables", "variables")
	if err := os.Mkdir(filepath.Dir(prefix), 0o755); err != nil {
		t.Fatal(err)
	}
	s := op.NewScope()
	photos := op.Placeholder(s.SubScope("photos"), tf.Float, op.PlaceholderShape(tf.MakeShape(-1, 2, 2, 3)))
	op.Mean(s.SubScope("mean"), photos, op.Const(s.SubScope("axes"), []int32{1, 2}))
	file := op.Const(s.SubScope("file"), "to be fed")
	var initial, handles, restored []*tf.Operation
	var names []string
	var read []tf.Output
	for _, v := range []struct {
		name  string
		value any
	}{
		{"weights", [][]float32{{1, 2}, {3, 4}, {5, 6}}},
		{"biases", []float32{10, 20}},
	} {
		sub := s.SubScope(v.name)
		value := op.Const(sub, v.value)
		handle := op.VarHandleOp(sub, tf.Float, value.Shape(), op.VarHandleOpSharedName(v.name))
		initial = append(initial, op.AssignVariableOp(sub, handle, value))
		read = append(read, op.ReadVariableOp(sub, handle, tf.Float))
		names = append(names, v.name)
		handles = append(handles, handle.Op)
		tensors := op.RestoreV2(sub, file, op.Const(sub.SubScope("names"), []string{v.name}), op.Const(sub.SubScope("slices"), []string{""}), []tf.DataType{tf.Float})
		restored = append(restored, op.AssignVariableOp(sub.SubScope("restore"), handle, tensors[0]))
	}
	save := op.SaveV2(s.SubScope("save"), file, op.Const(s.SubScope("save_names"), names), op.Const(s.SubScope("save_slices"), []string{"", ""}), read)
	op.NoOp(s.WithControlDependencies(restored...).SubScope("restore_all"))
	built, err := s.Finalize()
	if err != nil {
		t.Fatal(err)
	}
	session, err := tf.NewSession(built, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Run(nil, nil, initial); err != nil {
		t.Fatal(err)
	}
	path, err := tf.NewTensor(prefix)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Run(map[tf.Output]*tf.Tensor{file: path}, nil, []*tf.Operation{save}); err != nil {
		t.Fatal(err)
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}

	var data bytes.Buffer
	if _, err := built.WriteTo(&data); err != nil {
		t.Fatal(err)
	}
	g := &graphpb.GraphDef{}
	if err := proto.Unmarshal(data.Bytes(), g); err != nil {
		t.Fatal(err)
	}
	rename(g, map[string]string{
		photos.Op.Name(): "photos", "mean/Mean": "mean", file.Op.Name(): "file", handles[0].Name(): "weights", handles[1].Name(): "biases",
		"restore_all/NoOp": "restore_all",
	})
	edit(g)
	info := func(name string) *corepb.TensorInfo {
		return &corepb.TensorInfo{Encoding: &corepb.TensorInfo_Name{Name: name}, Dtype: dtFloat}
	}
	writeSavedModel(t, dir, &corepb.MetaGraphDef{
		MetaInfoDef: &corepb.MetaGraphDef_MetaInfoDef{Tags: []string{"serve"}},
		GraphDef:    g,
		SaverDef: &corepb.SaverDef{
			FilenameTensorName: "file:0", SaveTensorName: "file:0", RestoreOpName: "restore_all", Version: corepb.SaverDef_V2,
		},
		SignatureDef: map[string]*corepb.SignatureDef{"serving_default": {
			MethodName: "tensorflow/serving/predict",
			Inputs:     map[string]*corepb.TensorInfo{"images": info("photos:0")},
			Outputs:    map[string]*corepb.TensorInfo{"vectors": info("features:0")},
		}},
	})
	return dir
}

func writeSavedModel(t *testing.T, dir string, metas ...*corepb.MetaGraphDef) {
	t.Helper()
	data, err := proto.Marshal(&corepb.SavedModel{SavedModelSchemaVersion: 1, MetaGraphs: metas})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "saved_model.pb"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// rename gives nodes names that a test can rely on.
func rename(g *graphpb.GraphDef, names map[string]string) {
	for _, n := range g.GetNode() {
		if now, ok := names[n.GetName()]; ok {
			n.Name = now
		}
		for i, in := range n.GetInput() {
			control := strings.HasPrefix(in, "^")
			node, index, _ := strings.Cut(strings.TrimPrefix(in, "^"), ":")
			if now, ok := names[node]; ok {
				if n.Input[i] = now; index != "" {
					n.Input[i] += ":" + index
				}
				if control {
					n.Input[i] = "^" + now
				}
			}
		}
	}
}

// number is the attribute of most operations here.
func number() graph.Attrs { return graph.Attrs{"T": graph.Type(dtFloat)} }

// extend adds nodes to a graph.
func extend(g *graphpb.GraphDef, add func(b *graph.Builder)) {
	b := &graph.Builder{Nodes: g.GetNode()}
	add(b)
	g.Node = b.Nodes
}

// besides has the variables beside the operations that use them, as graphs of TensorFlow 1 have.
func besides(g *graphpb.GraphDef) {
	extend(g, func(b *graph.Builder) {
		read := graph.Attrs{"dtype": graph.Type(dtFloat)}
		// Before the handle that it reads, and through an Identity: the order in a file is free.
		w := b.Node("read_weights", "ReadVariableOp", []string{"same_weights:0"}, read)
		b.Node("same_weights", "Identity", []string{"weights"}, graph.Attrs{"T": graph.Type(dtResource)})
		v := b.Node("read_biases", "ReadVariableOp", []string{"biases:0"}, read)
		b.Node("features", "BiasAdd", []string{b.Node("product", "MatMul", []string{"mean", w}, number()), v}, number())
	})
}

// references has variables of the kind that was before resources.
func references(g *graphpb.GraphDef) {
	for _, n := range g.GetNode() {
		switch n.GetOp() {
		case "VarHandleOp":
			n.Op = "VariableV2"
			shape := n.GetAttr()["shape"]
			n.Attr = graph.Attrs{"dtype": graph.Type(dtFloat), "shape": shape}
		case "AssignVariableOp":
			n.Op = "Assign"
			n.Attr = number()
		case "ReadVariableOp":
			n.Op = "Identity"
			n.Attr = number()
		}
	}
	extend(g, func(b *graph.Builder) {
		w := b.Node("read_weights", "Identity", []string{"weights"}, graph.Attrs{"T": graph.Type(dtFloat)})
		product := b.Node("product", "MatMul", []string{"mean", w}, number())
		b.Node("features", "BiasAdd", []string{product, "biases"}, number())
	})
}

func argument(name string, t typespb.DataType) *oppb.OpDef_ArgDef {
	return &oppb.OpDef_ArgDef{Name: name, Type: t}
}

// functions hands the variables to a function, which hands one on to another, as graphs of TensorFlow 2 do. inner may change the
// inner function's body.
func functions(inner func(b *graph.Builder)) func(*graphpb.GraphDef) {
	return func(g *graphpb.GraphDef) {
		read := graph.Attrs{"dtype": graph.Type(dtFloat)}
		call := func(f string, out []typespb.DataType, in ...typespb.DataType) graph.Attrs {
			return graph.Attrs{
				"Tin": graph.Types(in...), "Tout": graph.Types(out...), "f": graph.Function(f),
				"_read_only_resource_inputs": graph.Ints(1), "config_proto": graph.String(""),
			}
		}
		one := []typespb.DataType{dtFloat}
		body := &graph.Builder{}
		body.Node("read", "ReadVariableOp", []string{"matrix"}, read)
		body.Node("product", "MatMul", []string{"x", "read:value:0"}, number())
		body.Node("result", "Identity", []string{"product:product:0", "^read"}, number())
		if inner != nil {
			inner(body)
		}
		multiply := &funcpb.FunctionDef{
			Signature: &oppb.OpDef{
				Name: "multiply", InputArg: []*oppb.OpDef_ArgDef{argument("x", dtFloat), argument("matrix", dtResource)},
				OutputArg: []*oppb.OpDef_ArgDef{argument("y", dtFloat), argument("value", dtFloat)}, IsStateful: true,
			},
			NodeDef:    body.Nodes,
			Ret:        map[string]string{"y": "result:output:0", "value": "read:value:0"},
			ControlRet: map[string]string{"read": "read"},
			Attr:       graph.Attrs{"_input_shapes": graph.Shapes()},
			ArgAttr: map[uint32]*funcpb.FunctionDef_ArgAttrs{
				1: {Attr: graph.Attrs{"_user_specified_name": graph.String("resource")}},
			},
			ResourceArgUniqueId: map[uint32]uint32{1: 0},
		}
		multiply.Signature.ControlOutput = []string{"read"}
		outer := &graph.Builder{}
		outer.Node("times", "StatefulPartitionedCall", []string{"x", "w"}, call("multiply", []typespb.DataType{dtFloat, dtFloat}, dtFloat, dtResource))
		outer.Node("read_b", "ReadVariableOp", []string{"b"}, read)
		outer.Node("sum", "BiasAdd", []string{"times:output:0", "read_b:value:0"}, number())
		network := &funcpb.FunctionDef{
			Signature: &oppb.OpDef{
				Name: "network", InputArg: []*oppb.OpDef_ArgDef{argument("x", dtFloat), argument("w", dtResource), argument("b", dtResource)},
				OutputArg: []*oppb.OpDef_ArgDef{argument("y", dtFloat)}, IsStateful: true,
			},
			NodeDef: outer.Nodes,
			Ret:     map[string]string{"y": "sum:output:0"},
		}
		unused := proto.Clone(network).(*funcpb.FunctionDef) //nolint:errcheck,forcetypeassert // a clone has the type of the original.
		unused.Signature.Name = "unused"
		g.Library = &funcpb.FunctionDefLibrary{Function: []*funcpb.FunctionDef{network, multiply, unused}}
		extend(g, func(b *graph.Builder) {
			b.Node("features", "StatefulPartitionedCall", []string{"mean", "weights", "biases"}, call("network", one, dtFloat, dtResource, dtResource))
		})
	}
}

// squares are two photos of 2 x 2 pixels.
func squares() []float32 {
	values := make([]float32, 2*2*2*3)
	for i := range values {
		values[i] = float32(math.Sin(float64(i)))
	}
	return values
}

// runGraph feeds a tensor of two photos, and gives another tensor.
func runGraph(t *testing.T, session *tf.Session, g *tf.Graph, input, output string) []float32 {
	t.Helper()
	photos, err := floatTensor(squares(), 2, 2, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	in, err := tensor(g, input)
	if err != nil {
		t.Fatal(err)
	}
	out, err := tensor(g, output)
	if err != nil {
		t.Fatal(err)
	}
	got, err := session.Run(map[tf.Output]*tf.Tensor{in: photos}, []tf.Output{out}, nil)
	if err != nil {
		t.Fatal(err)
	}
	values, err := floats(got[0])
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func TestFreeze(t *testing.T) {
	tests := []struct {
		name   string
		edit   func(*graphpb.GraphDef)
		input  string
		output string
		// The tensors that it comes down to.
		wantInput, wantOutput string
	}{
		{"variables beside operations", besides, "", "", "photos:0", "features:0"},
		{"variables as references", references, "images", "vectors", "photos:0", "features:0"},
		{"variables in functions", functions(nil), "photos:0", "features:0", "photos:0", "features:0"},
		{"from the middle", functions(nil), "mean:0", "vectors", "mean:0", "features:0"},
		{"an earlier bottleneck", besides, "images", "product:0", "photos:0", "product:0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := savedNet(t, test.edit)
			reply, err := (&Server{}).Freeze(t.Context(), &enginepb.FreezeRequest{
				SavedModelDir: dir, InputTensor: test.input, BottleneckTensor: test.output,
			})
			if err != nil {
				t.Fatal(err)
			}
			if reply.GetInputTensor() != test.wantInput || reply.GetBottleneckTensor() != test.wantOutput {
				t.Errorf("from %s to %s", reply.GetInputTensor(), reply.GetBottleneckTensor())
			}
			frozen := &graphpb.GraphDef{}
			if err := proto.Unmarshal(reply.GetGraph(), frozen); err != nil {
				t.Fatal(err)
			}
			for _, n := range frozen.GetNode() {
				if slices.Contains([]string{"ReadVariableOp", "VarHandleOp", "VariableV2", "RestoreV2", "SaveV2"}, n.GetOp()) {
					t.Errorf("%s is still there, an operation %s", n.GetName(), n.GetOp())
				}
			}
			for _, fn := range frozen.GetLibrary().GetFunction() {
				if !strings.HasSuffix(fn.GetSignature().GetName(), "_frozen") {
					t.Errorf("the function %s is still there", fn.GetSignature().GetName())
				}
			}
			if test.wantInput == "mean:0" {
				return // Photos do not go in there.
			}

			saved, err := tf.LoadSavedModel(dir, []string{"serve"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := runGraph(t, saved.Session, saved.Graph, test.wantInput, test.wantOutput)
			g := tf.NewGraph()
			if err := g.Import(reply.GetGraph(), ""); err != nil {
				t.Fatal(err)
			}
			session, err := tf.NewSession(g, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := runGraph(t, session, g, test.wantInput, test.wantOutput); !slices.Equal(got, want) || len(got) != 4 || got[0] == 0 {
				t.Errorf("the frozen graph gives %v instead of %v", got, want)
			}
			again, err := (&Server{}).Freeze(t.Context(), &enginepb.FreezeRequest{SavedModelDir: dir, InputTensor: test.input, BottleneckTensor: test.output})
			if err != nil || !bytes.Equal(again.GetGraph(), reply.GetGraph()) {
				t.Errorf("freezing again gives another graph, %v", err)
			}
		})
	}
}

// TestFreezeThenEmbed runs a frozen graph of functions over photos as any other base network.
func TestFreezeThenEmbed(t *testing.T) {
	reply, err := (&Server{}).Freeze(t.Context(), &enginepb.FreezeRequest{SavedModelDir: savedNet(t, functions(nil))})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "graph.pb")
	if err := os.WriteFile(path, reply.GetGraph(), 0o600); err != nil {
		t.Fatal(err)
	}
	described, err := (&Server{}).Describe(t.Context(), &enginepb.DescribeRequest{Network: &enginepb.Network{
		GraphPath: path, InputTensor: reply.GetInputTensor(), BottleneckTensor: reply.GetBottleneckTensor(),
		InputSize: 2, Mean: 127.5, Scale: 127.5, BatchSize: 1,
	}})
	if err != nil || described.GetFeatureLength() != 2 {
		t.Errorf("%d features, %v", described.GetFeatureLength(), err)
	}
}

// table makes a bottleneck need a table.
func table(g *graphpb.GraphDef) {
	besides(g)
	const dtKey = typespb.DataType_DT_INT64
	extend(g, func(b *graph.Builder) {
		b.Node("table", "HashTableV2", nil, graph.Attrs{"key_dtype": graph.Type(dtKey), "value_dtype": graph.Type(dtFloat)})
		b.Node("keys", "Cast", []string{"features"}, graph.Attrs{"SrcT": graph.Type(dtFloat), "DstT": graph.Type(dtKey)})
		b.Const("default", graph.Floats([]float32{0}))
		b.Node("looked_up", "LookupTableFindV2", []string{"table", "keys", "default"}, graph.Attrs{"Tin": graph.Type(dtKey), "Tout": graph.Type(dtFloat)})
	})
}

func TestFreezeRefuses(t *testing.T) {
	plain := savedNet(t, besides)
	noServe := t.TempDir()
	writeSavedModel(t, noServe, &corepb.MetaGraphDef{MetaInfoDef: &corepb.MetaGraphDef_MetaInfoDef{Tags: []string{"train"}}})
	noVariables := savedNet(t, besides)
	if err := os.RemoveAll(filepath.Join(noVariables, "variables")); err != nil {
		t.Fatal(err)
	}
	garbage := t.TempDir()
	if err := os.WriteFile(filepath.Join(garbage, "saved_model.pb"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	changes := savedNet(t, functions(func(b *graph.Builder) {
		b.Node("change", "AssignAddVariableOp", []string{"matrix", "read:value:0"}, graph.Attrs{"dtype": graph.Type(dtFloat)})
	}))
	tests := []struct {
		name    string
		request *enginepb.FreezeRequest
		words   []string
	}{
		{"no folder", &enginepb.FreezeRequest{SavedModelDir: filepath.Join(plain, "missing")}, []string{"no saved_model.pb"}},
		{"an ordinary folder", &enginepb.FreezeRequest{SavedModelDir: t.TempDir()}, []string{"no saved_model.pb"}},
		{"garbage", &enginepb.FreezeRequest{SavedModelDir: garbage}, []string{"does not hold a SavedModel"}},
		{"a graph for training only", &enginepb.FreezeRequest{SavedModelDir: noServe}, []string{`"serve"`}},
		{"no values", &enginepb.FreezeRequest{SavedModelDir: noVariables}, []string{"folder named variables"}},
		{"an unknown key", &enginepb.FreezeRequest{SavedModelDir: plain, InputTensor: "image"}, []string{`"image"`, "which has images"}},
		{"an unknown tensor", &enginepb.FreezeRequest{SavedModelDir: plain, BottleneckTensor: "feature:0"}, []string{`no node "feature"`}},
		{"an output that is not there", &enginepb.FreezeRequest{SavedModelDir: plain, BottleneckTensor: "features:7"}, []string{"no output 7"}},
		{"an unknown signature", &enginepb.FreezeRequest{SavedModelDir: plain, Signature: "other"}, []string{`"other"`, "serving_default"}},
		{"numbers of another type", &enginepb.FreezeRequest{SavedModelDir: plain, InputTensor: "axes/Const:0"}, []string{"DT_INT32 instead of float32"}},
		{"an input that is not needed", &enginepb.FreezeRequest{SavedModelDir: plain, BottleneckTensor: "mean:0", InputTensor: "features:0"}, []string{"does not depend"}},
		{"one tensor for both", &enginepb.FreezeRequest{SavedModelDir: plain, BottleneckTensor: "mean:0", InputTensor: "mean:0"}, []string{"does not depend"}},
		{"a table", &enginepb.FreezeRequest{SavedModelDir: savedNet(t, table), BottleneckTensor: "looked_up:0"}, []string{`"table"`, "HashTableV2", "earlier bottleneck"}},
		{"a variable that is changed", &enginepb.FreezeRequest{SavedModelDir: changes}, []string{"AssignAddVariableOp", "inference only"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := (&Server{}).Freeze(t.Context(), test.request)
			if err == nil {
				t.Fatal("it was frozen")
			}
			for _, words := range test.words {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q does not say %q", err, words)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has more than one line", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&Server{}).Freeze(ctx, &enginepb.FreezeRequest{SavedModelDir: plain}); err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("a cancelled request: %v", err)
	}
}
