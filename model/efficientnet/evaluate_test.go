package efficientnet_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
)

// array is a tensor of float32 while a graph is evaluated.
type array struct {
	shape []int
	data  []float32
}

// evaluate runs a graph of the few operations that Build uses, for one picture of [height, width, 3], and returns the outputs
// of all nodes.
func evaluate(t *testing.T, graph *graph_go_proto.GraphDef, pixels []float32, height, width int) map[string]array {
	t.Helper()
	outputs := make(map[string]array)
	for _, node := range graph.GetNode() {
		inputs := make([]array, len(node.GetInput()))
		for i, name := range node.GetInput() {
			in, ok := outputs[name]
			if !ok {
				t.Fatalf("node %s comes before its input %s", node.GetName(), name)
			}
			inputs[i] = in
		}
		if _, twice := outputs[node.GetName()]; twice {
			t.Fatalf("two nodes are named %s", node.GetName())
		}
		var out array
		switch node.GetOp() {
		case "Placeholder":
			out = array{[]int{1, height, width, 3}, pixels}
		case "Const":
			out = constant(t, node.GetAttr()["value"].GetTensor())
		case "Conv2D":
			out = convolve(node, inputs[0], inputs[1])
		case "DepthwiseConv2dNative":
			out = convolveDepthwise(node, inputs[0], inputs[1])
		case "BiasAdd":
			out = each(inputs[0], func(i int, v float32) float32 { return v + inputs[1].data[i%len(inputs[1].data)] })
		case "AddV2":
			out = each(inputs[0], func(i int, v float32) float32 { return v + inputs[1].data[i] })
		case "Relu6":
			out = each(inputs[0], func(_ int, v float32) float32 { return min(max(v, 0), 6) })
		case "Mean":
			out = mean(inputs[0])
		case "MatMul":
			out = convolve(nil, array{[]int{1, 1, 1, inputs[0].shape[1]}, inputs[0].data}, array{append([]int{1, 1}, inputs[1].shape...), inputs[1].data})
		default:
			t.Fatalf("node %s has the operation %s", node.GetName(), node.GetOp())
		}
		outputs[node.GetName()] = out
	}
	return outputs
}

func constant(t *testing.T, tensor *tensor_go_proto.TensorProto) array {
	t.Helper()
	var out array
	size := 1
	for _, d := range tensor.GetTensorShape().GetDim() {
		out.shape = append(out.shape, int(d.GetSize()))
		size *= int(d.GetSize())
	}
	content := tensor.GetTensorContent()
	if len(content) != 4*size {
		t.Fatalf("a constant of shape %v has %d bytes", out.shape, len(content))
	}
	out.data = make([]float32, size)
	for i := range out.data {
		out.data[i] = math.Float32frombits(binary.LittleEndian.Uint32(content[4*i:]))
	}
	return out
}

func each(in array, f func(int, float32) float32) array {
	out := array{in.shape, make([]float32, len(in.data))}
	for i, v := range in.data {
		out.data[i] = f(i, v)
	}
	return out
}

// mean is over height and width.
func mean(in array) array {
	channels := in.shape[3]
	sums := make([]float64, channels)
	for i, v := range in.data {
		sums[i%channels] += float64(v)
	}
	out := array{[]int{1, channels}, make([]float32, channels)}
	for c, sum := range sums {
		out.data[c] = float32(sum / float64(in.shape[1]*in.shape[2]))
	}
	return out
}

func stride(node *node_def_go_proto.NodeDef) int {
	if list := node.GetAttr()["strides"].GetList().GetI(); len(list) == 4 {
		return int(list[1])
	}
	return 1
}

// taps calls f for each element of a kernel that falls on the picture: from is its pixel there, to the pixel of the output,
// both as indices of pixels, and tap its place in the kernel.
func taps(in, kernel array, stride int, f func(from, to, tap int)) (height, width int) {
	height, width = (in.shape[1]+stride-1)/stride, (in.shape[2]+stride-1)/stride
	size := kernel.shape[0]
	before := func(in, out int) int { return max(0, (out-1)*stride+size-in) / 2 }
	top, left := before(in.shape[1], height), before(in.shape[2], width)
	for y := range height {
		for x := range width {
			for tap := range size * size {
				fromY, fromX := y*stride-top+tap/size, x*stride-left+tap%size
				if fromY >= 0 && fromY < in.shape[1] && fromX >= 0 && fromX < in.shape[2] {
					f(fromY*in.shape[2]+fromX, y*width+x, tap)
				}
			}
		}
	}
	return height, width
}

func convolve(node *node_def_go_proto.NodeDef, in, kernel array) array {
	step, deep, wide := stride(node), kernel.shape[2], kernel.shape[3]
	data := make([]float32, len(in.data)/in.shape[3]*wide)
	height, width := taps(in, kernel, step, func(from, to, tap int) {
		row := data[to*wide : (to+1)*wide]
		for i, v := range in.data[from*deep : (from+1)*deep] {
			if v == 0 {
				continue
			}
			for o, k := range kernel.data[(tap*deep+i)*wide : (tap*deep+i+1)*wide] {
				row[o] += v * k
			}
		}
	})
	return array{[]int{1, height, width, wide}, data[:height*width*wide]}
}

func convolveDepthwise(node *node_def_go_proto.NodeDef, in, kernel array) array {
	channels := in.shape[3]
	data := make([]float32, len(in.data))
	height, width := taps(in, kernel, stride(node), func(from, to, tap int) {
		row, pixel := data[to*channels:(to+1)*channels], in.data[from*channels:(from+1)*channels]
		for c, k := range kernel.data[tap*channels : (tap+1)*channels] {
			row[c] += pixel[c] * k
		}
	})
	return array{[]int{1, height, width, channels}, data[:height*width*channels]}
}

// differ says by how much two vectors differ, relative to the largest element of want.
func differ(got []float32, want []float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d elements, want %d", len(got), len(want))
	}
	var largest, difference float64
	for i, w := range want {
		largest = max(largest, math.Abs(w))
		difference = max(difference, math.Abs(float64(got[i])-w))
	}
	if largest == 0 || math.IsNaN(difference) || difference > 1e-4*largest {
		return fmt.Errorf("they differ by %g, and the largest is %g", difference, largest)
	}
	return nil
}
