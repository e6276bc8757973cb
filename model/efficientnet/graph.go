package efficientnet

import (
	"fmt"
	"math"
	"slices"

	"github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/versions_go_proto"

	"kaika/model/graph"
)

// graphVersion is the version of graphs that TensorFlow 2.11 writes. The operations used are older, and later versions read it.
const graphVersion = 1286

// float is the type of the pixels, the weights and everything between.
const float = types_go_proto.DataType_DT_FLOAT

// Build returns the frozen graph of the variant with those weights, the batch norms folded into the convolutions. A
// convolution becomes the nodes Conv2D (or DepthwiseConv2dNative), BiasAdd and Relu6, which TensorFlow's optimizer can fuse;
// they are named as in "stem/conv", "stem/bias_add" and "stem/relu6", or "block_3/depthwise/conv".
//
// The error names the first tensor that w lacks, or that has another shape than the variant needs. The same variant and weights
// give the same graph, and the same bytes where it is marshalled deterministically.
func Build(v Variant, w Weights) (*graph_go_proto.GraphDef, error) {
	b := &builder{weights: w}
	channels := StemChannels
	x := b.Node(InputName, "Placeholder", nil, graph.Attrs{"dtype": graph.Type(float), "shape": graph.Shape(-1, -1, -1, 3)})
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
	axes := b.Const(FeatureName+"/axes", graph.Int32s([]int32{1, 2}, 2)) // height and width
	x = b.Node(FeatureName, "Mean", []string{x, axes}, graph.Attrs{
		"T": graph.Type(float), "Tidx": graph.Type(types_go_proto.DataType_DT_INT32), "keep_dims": graph.Bool(false),
	})
	b.classifier(x)
	if b.err != nil {
		return nil, fmt.Errorf("building %s: %w", v.Name, b.err)
	}
	return &graph_go_proto.GraphDef{
		Node:     b.Nodes,
		Versions: &versions_go_proto.VersionDef{Producer: graphVersion},
	}, nil
}

// builder collects the nodes of a graph in an order in which each follows its inputs. After an error it goes on, with zeros
// for the weights it could not have, and keeps the first.
type builder struct {
	graph.Builder

	weights Weights
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
		x = b.Node(name+"add", "AddV2", []string{x, in}, graph.Attrs{"T": graph.Type(float)})
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
	size, channels := int64(c.size), int64(c.out)
	shape := []int64{size, size, int64(perGroup), channels}
	if c.depthwise {
		shape = []int64{size, size, channels, 1}
	}

	kernels := b.Const(c.name+"/kernel", graph.Floats(kernel, shape...))
	x := b.Node(c.name+"/conv", op, []string{in, kernels}, graph.Attrs{
		"T": graph.Type(float), "strides": graph.Ints(1, int64(c.stride), int64(c.stride), 1), "dilations": graph.Ints(1, 1, 1, 1),
		"padding": graph.String("SAME"), "explicit_paddings": graph.Ints(), "data_format": graph.String("NHWC"),
	})
	x = b.addBias(c.name+"/bias_add", x, b.Const(c.name+"/bias", graph.Floats(bias, int64(c.out))))
	if c.relu6 {
		x = b.Node(c.name+"/relu6", "Relu6", []string{x}, graph.Attrs{"T": graph.Type(float)})
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
	kernels := b.Const(name+"/kernel", graph.Floats(kernel, FeatureLength, Classes))
	x := b.Node(name+"/matmul", "MatMul", []string{in, kernels}, graph.Attrs{
		"T": graph.Type(float), "transpose_a": graph.Bool(false), "transpose_b": graph.Bool(false),
	})
	b.addBias(name, x, b.Const(name+"/bias", graph.Floats(bias, Classes)))
}

func (b *builder) addBias(name, in, bias string) string {
	return b.Node(name, "BiasAdd", []string{in, bias}, graph.Attrs{"T": graph.Type(float), "data_format": graph.String("NHWC")})
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
