package graph

import (
	"strings"

	funcpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	oppb "github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	metapb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

// photoFunction is the function of the graph's library that makes one photo ready.
const photoFunction = "kaika_photo"

// SavedModel wraps base and head as a SavedModel without variables. Its signature serving_default takes image_bytes,
// strings of shape [batch], and key, strings of shape [batch]; it gives scores, float32 [batch, labels], prediction,
// the int64 [batch] indices of the best label, and key unchanged, as TensorFlow Serving's clients of Google's flowers
// sample expect.
func SavedModel(base *graphpb.GraphDef, n Network, h Head) (*metapb.SavedModel, error) {
	const (
		dtFloat  = typespb.DataType_DT_FLOAT
		dtString = typespb.DataType_DT_STRING
		dtInt64  = typespb.DataType_DT_INT64
	)
	size := int64(n.Size)
	b := &Builder{}
	strings1D := Attrs{"dtype": Type(dtString), "shape": Shape(-1)}
	keyIn := b.Node("key", "Placeholder", nil, strings1D)
	bytesIn := b.Node("image_bytes", "Placeholder", nil, strings1D)
	photos := b.Node("photos", "MapDefun", []string{bytesIn}, Attrs{
		"Targuments": Types(dtString), "Tcaptured": Types(), "output_types": Types(dtFloat),
		"output_shapes": Shapes(size, size, 3), "f": Function(photoFunction), "max_intra_op_parallelism": Int(1),
	})
	g, err := assemble(base, n, b, photos)
	if err != nil {
		return nil, err
	}
	if g, err = WithHead(g, n.Bottleneck, h, "scores"); err != nil {
		return nil, err
	}
	tail := &Builder{Nodes: g.GetNode()}
	tail.Node("prediction", "ArgMax", []string{"scores", tail.Const("prediction/axis", Int32s([]int32{1}))}, Attrs{
		"T": Type(dtFloat), "Tidx": Type(typespb.DataType_DT_INT32), "output_type": Type(dtInt64),
	})
	tail.Node("key_out", "Identity", []string{keyIn}, Attrs{"T": Type(dtString)})
	if err := distinct(tail.Nodes); err != nil {
		return nil, err
	}
	g.Node = tail.Nodes
	library := &funcpb.FunctionDefLibrary{}
	if l := g.GetLibrary(); l != nil {
		proto.Merge(library, l)
	}
	library.Function = append(library.Function, photoFunctionDef(n))
	g.Library = library

	tensor := func(name string, t typespb.DataType, dims ...int64) *metapb.TensorInfo {
		return &metapb.TensorInfo{
			Encoding: &metapb.TensorInfo_Name{Name: name + ":0"}, Dtype: t, TensorShape: shapeProto(dims),
		}
	}
	return &metapb.SavedModel{
		SavedModelSchemaVersion: 1,
		MetaGraphs: []*metapb.MetaGraphDef{{
			MetaInfoDef: &metapb.MetaGraphDef_MetaInfoDef{Tags: []string{"serve"}},
			GraphDef:    g,
			SignatureDef: map[string]*metapb.SignatureDef{"serving_default": {
				MethodName: "tensorflow/serving/predict",
				Inputs: map[string]*metapb.TensorInfo{
					"image_bytes": tensor(bytesIn, dtString, -1), "key": tensor(keyIn, dtString, -1),
				},
				Outputs: map[string]*metapb.TensorInfo{
					"scores":     tensor("scores", dtFloat, -1, int64(len(h.Bias))),
					"prediction": tensor("prediction", dtInt64, -1),
					"key":        tensor("key_out", dtString, -1),
				},
			}},
		}},
	}, nil
}

// photoFunctionDef is the preparation of one photo as a function: contents, a string, to photo, float32 [size, size, 3].
func photoFunctionDef(n Network) *funcpb.FunctionDef {
	b := &Builder{}
	inFunction := func(name, arg string) string { return name + ":" + arg + ":0" }
	photo := square(b, n, "contents", inFunction)
	b.Node("photo", "Squeeze", []string{photo}, Attrs{"T": Type(typespb.DataType_DT_FLOAT), "squeeze_dims": Ints(0)})
	// A function's nodes may not hold a slash in TensorFlow versions before 2.
	for _, node := range b.Nodes {
		node.Name = strings.ReplaceAll(node.GetName(), "/", "_")
		for i := range node.GetInput() {
			node.Input[i] = strings.ReplaceAll(node.GetInput()[i], "/", "_")
		}
	}
	return &funcpb.FunctionDef{
		Signature: &oppb.OpDef{
			Name:      photoFunction,
			InputArg:  []*oppb.OpDef_ArgDef{{Name: "contents", Type: typespb.DataType_DT_STRING}},
			OutputArg: []*oppb.OpDef_ArgDef{{Name: "image", Type: typespb.DataType_DT_FLOAT}},
		},
		NodeDef: b.Nodes,
		Ret:     map[string]string{"image": "photo:output:0"},
	}
}
