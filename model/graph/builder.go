package graph

import (
	"encoding/binary"
	"math"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

// Attrs holds the attributes of a node by name; see the functions that make an [attrpb.AttrValue].
type Attrs map[string]*attrpb.AttrValue

// Type is an attribute that holds an element type.
func Type(t typespb.DataType) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_Type{Type: t}}
}

// Types is an attribute that holds a list of element types.
func Types(t ...typespb.DataType) *attrpb.AttrValue {
	return list(&attrpb.AttrValue_ListValue{Type: t})
}

// Int is an attribute that holds an integer.
func Int(i int64) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_I{I: i}}
}

// Ints is an attribute that holds a list of integers.
func Ints(i ...int64) *attrpb.AttrValue {
	return list(&attrpb.AttrValue_ListValue{I: i})
}

// Float is an attribute that holds a float32.
func Float(f float32) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_F{F: f}}
}

// Bool is an attribute that holds a boolean.
func Bool(b bool) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_B{B: b}}
}

// String is an attribute that holds a string.
func String(s string) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_S{S: []byte(s)}}
}

// Shape is an attribute that holds a shape; -1 stands for an unknown dimension.
func Shape(dims ...int64) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_Shape{Shape: shapeProto(dims)}}
}

// Shapes is an attribute that holds a list of one shape.
func Shapes(dims ...int64) *attrpb.AttrValue {
	return list(&attrpb.AttrValue_ListValue{Shape: []*shapepb.TensorShapeProto{shapeProto(dims)}})
}

// Function is an attribute that names a function of the graph's library.
func Function(name string) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_Func{Func: &attrpb.NameAttrList{Name: name}}}
}

// Floats is an attribute that holds a float32 tensor with the given values in row-major order.
func Floats(values []float32, dims ...int64) *attrpb.AttrValue {
	content := make([]byte, 4*len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint32(content[4*i:], math.Float32bits(v))
	}
	return tensorAttr(typespb.DataType_DT_FLOAT, content, dims)
}

// Int32s is an attribute that holds an int32 tensor with the given values in row-major order.
func Int32s(values []int32, dims ...int64) *attrpb.AttrValue {
	content := make([]byte, 0, 4*len(values))
	for _, v := range values {
		content = binary.LittleEndian.AppendUint32(content, uint32(v)) //nolint:gosec // the bits of v, as they are.
	}
	return tensorAttr(typespb.DataType_DT_INT32, content, dims)
}

func tensorAttr(t typespb.DataType, content []byte, dims []int64) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_Tensor{Tensor: &tensorpb.TensorProto{
		Dtype: t, TensorShape: shapeProto(dims), TensorContent: content,
	}}}
}

func list(l *attrpb.AttrValue_ListValue) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_List{List: l}}
}

func shapeProto(dims []int64) *shapepb.TensorShapeProto {
	s := &shapepb.TensorShapeProto{}
	for _, d := range dims {
		s.Dim = append(s.Dim, &shapepb.TensorShapeProto_Dim{Size: d})
	}
	return s
}

// Builder collects the nodes of a graph, or of a function, in the order in which they are added.
type Builder struct {
	Nodes []*nodepb.NodeDef
}

// Node adds a node and returns its name, which stands for its first output.
func (b *Builder) Node(name, op string, inputs []string, attrs Attrs) string {
	b.Nodes = append(b.Nodes, &nodepb.NodeDef{Name: name, Op: op, Input: inputs, Attr: attrs})
	return name
}

// Const adds a constant, whose value is made by [Floats] or [Int32s], and returns its name.
func (b *Builder) Const(name string, value *attrpb.AttrValue) string {
	return b.Node(name, "Const", nil, Attrs{"value": value, "dtype": Type(value.GetTensor().GetDtype())})
}

// find returns the node of a name, or nil.
func find(g *graphpb.GraphDef, name string) *nodepb.NodeDef {
	for _, n := range g.GetNode() {
		if n.GetName() == name {
			return n
		}
	}
	return nil
}
