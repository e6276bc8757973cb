package efficientnet

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/versions_go_proto"
)

// graphVersion is the version of graphs that TensorFlow 2.11 writes. The operations used are older, and later versions read it.
const graphVersion = 1286

// The types of a graph's tensors here.
const (
	float   = types_go_proto.DataType_DT_FLOAT
	integer = types_go_proto.DataType_DT_INT32
)

// Build returns the frozen graph of the variant with those weights, the batch norms folded into the convolutions. A
// convolution becomes the nodes Conv2D (or DepthwiseConv2dNative), BiasAdd and Relu6, which TensorFlow's optimizer can fuse;
// they are named as in "stem/conv", "stem/bias_add" and "stem/relu6", or "block_3/depthwise/conv".
//
// The error names the first tensor that w lacks, or that has another shape than the variant needs. The same variant and weights
// give the same graph, and the same bytes where it is marshalled deterministically.
func Build(v Variant, w Weights) (*graph_go_proto.GraphDef, error) {
	b := &builder{weights: w}
	channels := StemChannels
	x := b.node("Placeholder", InputName, attributes{"dtype": dataType(float), "shape": shapeOf(-1, -1, -1, 3)})
	x = b.convolution(x, convolution{
		name: "stem", kernel: "_conv_stem", norm: "_bn0", size: 3, stride: 2, in: 3, out: channels, relu6: true,
	})
	for i, block := range v.Blocks() {
		x = b.block(x, fmt.Sprintf("block_%d/", i), fmt.Sprintf("_blocks.%d.", i), block)
		channels = block.Out
	}
	x = b.convolution(x, convolution{
		name: "head", kernel: "_conv_head", norm: "_bn1", size: 1, stride: 1, in: channels, out: FeatureLength, relu6: true,
	})
	axes := b.constant(FeatureName+"/axes", integer, []int{2}, int32Bytes(1, 2)) // height and width
	x = b.node("Mean", FeatureName, attributes{"T": dataType(float), "Tidx": dataType(integer), "keep_dims": boolean(false)}, x, axes)
	b.classifier(x)
	if b.err != nil {
		return nil, fmt.Errorf("building %s: %w", v.Name, b.err)
	}
	return &graph_go_proto.GraphDef{
		Node:     b.nodes,
		Versions: &versions_go_proto.VersionDef{Producer: graphVersion},
	}, nil
}

// builder collects the nodes of a graph in an order in which each follows its inputs. After an error it goes on, with zeros
// for the weights it could not have, and keeps the first.
type builder struct {
	weights Weights
	nodes   []*node_def_go_proto.NodeDef
	err     error
}

// block adds the nodes of one block, whose names begin with name and whose weights' names begin with weights.
func (b *builder) block(in, name, weights string, block Block) string {
	x, wide := in, block.In*block.Expand
	if block.Expand > 1 {
		x = b.convolution(x, convolution{
			name: name + "expand", kernel: weights + "_expand_conv", norm: weights + "_bn0",
			size: 1, stride: 1, in: block.In, out: wide, relu6: true,
		})
	}
	x = b.convolution(x, convolution{
		name: name + "depthwise", kernel: weights + "_depthwise_conv", norm: weights + "_bn1",
		size: block.Kernel, stride: block.Stride, in: wide, out: wide, depthwise: true, relu6: true,
	})
	x = b.convolution(x, convolution{
		name: name + "project", kernel: weights + "_project_conv", norm: weights + "_bn2",
		size: 1, stride: 1, in: wide, out: block.Out,
	})
	if block.Residual() {
		x = b.node("AddV2", name+"add", attributes{"T": dataType(float)}, x, in)
	}
	return x
}

// convolution describes a convolution with its batch norm and its activation.
type convolution struct {
	name         string // of the nodes
	kernel, norm string // of the weights
	size, stride int
	in, out      int
	depthwise    bool // one kernel of a single channel for each channel; in and out are the same
	relu6        bool
}

// convolution adds the nodes of c, whose padding is TensorFlow's SAME: the output is the input divided by the stride, rounded
// up, and of an odd number of rows or columns of padding the one more goes to the end.
func (b *builder) convolution(in string, c convolution) string {
	op, perGroup := "Conv2D", c.in
	if c.depthwise {
		op, perGroup = "DepthwiseConv2dNative", 1
	}
	gamma, beta := b.tensor(c.norm+".weight", c.out), b.tensor(c.norm+".bias", c.out)
	mean, variance := b.tensor(c.norm+".running_mean", c.out), b.tensor(c.norm+".running_var", c.out)
	scale, bias := foldNorm(gamma.values(0), beta.values(0), mean.values(0), variance.values(0))

	// PyTorch's [out, in, height, width] becomes [height, width, in, out]; a depthwise kernel [height, width, channels, 1].
	// The output channel, by which the batch norm scales, is in both the last axis that is longer than 1.
	kernel := b.tensor(c.kernel+".weight", c.out, perGroup, c.size, c.size).values(2, 3, 1, 0)
	for i := range kernel {
		kernel[i] = float32(float64(kernel[i]) * scale[i%c.out])
	}
	shape := []int{c.size, c.size, perGroup, c.out}
	if c.depthwise {
		shape = []int{c.size, c.size, c.out, 1}
	}

	x := b.node(op, c.name+"/conv", attributes{
		"T": dataType(float), "strides": integers(1, c.stride, c.stride, 1), "dilations": integers(1, 1, 1, 1),
		"padding": text("SAME"), "explicit_paddings": integers(), "data_format": text("NHWC"),
	}, in, b.floats(c.name+"/kernel", shape, kernel))
	x = b.addBias(c.name+"/bias_add", x, b.floats(c.name+"/bias", []int{c.out}, bias))
	if c.relu6 {
		x = b.node("Relu6", c.name+"/relu6", attributes{"T": dataType(float)}, x)
	}
	return x
}

// foldNorm returns by what a batch norm multiplies each channel and what it adds then. In 64 bits, so that only the result is
// rounded; and the product is rounded before the subtraction, so that a machine that would fuse them gives the same bits.
func foldNorm(gamma, beta, mean, variance []float32) (scale []float64, bias []float32) {
	scale, bias = make([]float64, len(gamma)), make([]float32, len(gamma))
	for i := range gamma {
		scale[i] = float64(gamma[i]) / math.Sqrt(float64(variance[i])+BatchNormEpsilon)
		bias[i] = float32(float64(beta[i]) - float64(float64(mean[i])*scale[i]))
	}
	return scale, bias
}

// classifier adds the layer that scores the classes of ImageNet.
func (b *builder) classifier(in string) {
	const name = LogitsName
	kernel := b.tensor("_fc.weight", Classes, FeatureLength).values(1, 0)
	bias := b.tensor("_fc.bias", Classes).values(0)
	x := b.node("MatMul", name+"/matmul", attributes{
		"T": dataType(float), "transpose_a": boolean(false), "transpose_b": boolean(false),
	}, in, b.floats(name+"/kernel", []int{FeatureLength, Classes}, kernel))
	b.addBias(name, x, b.floats(name+"/bias", []int{Classes}, bias))
}

func (b *builder) addBias(name, in, bias string) string {
	return b.node("BiasAdd", name, attributes{"T": dataType(float), "data_format": text("NHWC")}, in, bias)
}

// tensor returns the weights of that name, which must have that shape.
func (b *builder) tensor(name string, shape ...int) Tensor {
	t, ok := b.weights[name]
	switch {
	case !ok:
		b.fail(fmt.Errorf("the weights lack the tensor %q: they may be another network's", name))
	case !slices.Equal(t.Shape(), shape):
		b.fail(fmt.Errorf("the tensor %q has the shape %v in place of %v: the weights may be another network's", name, t.Shape(), shape))
	default:
		return t
	}
	size := 1
	for _, length := range shape {
		size *= length
	}
	return NewTensor(make([]float32, size), shape...)
}

func (b *builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// node adds a node and returns its name.
func (b *builder) node(op, name string, attrs attributes, inputs ...string) string {
	b.nodes = append(b.nodes, &node_def_go_proto.NodeDef{Name: name, Op: op, Input: inputs, Attr: attrs})
	return name
}

// floats adds a constant of float32.
func (b *builder) floats(name string, shape []int, values []float32) string {
	content := make([]byte, 0, floatSize*len(values))
	for _, v := range values {
		content = binary.LittleEndian.AppendUint32(content, math.Float32bits(v))
	}
	return b.constant(name, float, shape, content)
}

// constant adds a constant whose elements lie in content, little-endian and the last axis running fastest.
func (b *builder) constant(name string, dtype types_go_proto.DataType, shape []int, content []byte) string {
	return b.node("Const", name, attributes{
		"dtype": dataType(dtype),
		"value": {Value: &attr_value_go_proto.AttrValue_Tensor{Tensor: &tensor_go_proto.TensorProto{
			Dtype: dtype, TensorShape: shapeOf(shape...).GetShape(), TensorContent: content,
		}}},
	})
}

// attributes are what a node's operation is parametrised with.
type attributes = map[string]*attr_value_go_proto.AttrValue

func dataType(t types_go_proto.DataType) *attr_value_go_proto.AttrValue {
	return &attr_value_go_proto.AttrValue{Value: &attr_value_go_proto.AttrValue_Type{Type: t}}
}

func boolean(v bool) *attr_value_go_proto.AttrValue {
	return &attr_value_go_proto.AttrValue{Value: &attr_value_go_proto.AttrValue_B{B: v}}
}

func text(s string) *attr_value_go_proto.AttrValue {
	return &attr_value_go_proto.AttrValue{Value: &attr_value_go_proto.AttrValue_S{S: []byte(s)}}
}

func integers(values ...int) *attr_value_go_proto.AttrValue {
	list := &attr_value_go_proto.AttrValue_ListValue{}
	for _, v := range values {
		list.I = append(list.I, int64(v))
	}
	return &attr_value_go_proto.AttrValue{Value: &attr_value_go_proto.AttrValue_List{List: list}}
}

// shapeOf is the shape with those lengths, -1 for any.
func shapeOf(lengths ...int) *attr_value_go_proto.AttrValue {
	shape := &tensor_shape_go_proto.TensorShapeProto{}
	for _, length := range lengths {
		shape.Dim = append(shape.Dim, &tensor_shape_go_proto.TensorShapeProto_Dim{Size: int64(length)})
	}
	return &attr_value_go_proto.AttrValue{Value: &attr_value_go_proto.AttrValue_Shape{Shape: shape}}
}

func int32Bytes(values ...int32) []byte {
	var content []byte
	for _, v := range values {
		content = binary.LittleEndian.AppendUint32(content, uint32(v)) //nolint:gosec // the bits are what is wanted.
	}
	return content
}
