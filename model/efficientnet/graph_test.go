package efficientnet_test

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	"google.golang.org/protobuf/proto"

	"kaika/model/efficientnet"
	"kaika/model/efficientnet/efficientnettest"
)

func build(t *testing.T, v efficientnet.Variant, w efficientnet.Weights) *graph_go_proto.GraphDef {
	t.Helper()
	graph, err := efficientnet.Build(v, w)
	if err != nil {
		t.Fatal(err)
	}
	return graph
}

// TestBuildMatchesForward compares the graph, its batch norms folded, with a computation from the same weights that knows
// nothing of graphs; the heights and widths are even, odd, and smaller than the network's stride of 32.
func TestBuildMatchesForward(t *testing.T) {
	tiny := efficientnettest.Tiny()
	w := efficientnettest.Weights(tiny, 1)
	graph := build(t, tiny, w)
	for _, size := range [][2]int{{32, 32}, {37, 50}, {1, 7}} {
		height, width := size[0], size[1]
		pixels := efficientnettest.Pixels(height, width)
		feature, logits := efficientnettest.Forward(tiny, w, pixels, height, width)
		outputs := evaluate(t, graph, pixels, height, width)
		if err := differ(outputs[efficientnet.FeatureName].data, feature); err != nil {
			t.Errorf("%dx%d: feature: %v", height, width, err)
		}
		if err := differ(outputs[efficientnet.LogitsName].data, logits); err != nil {
			t.Errorf("%dx%d: logits: %v", height, width, err)
		}
	}
}

func TestBuildFoldsBatchNorms(t *testing.T) {
	tiny := efficientnettest.Tiny()
	w := efficientnettest.Weights(tiny, 1)
	// (x - 2) / sqrt(0.249 + 0.001) * 3 + 1  =  6 x - 11
	for name, value := range map[string]float32{"weight": 3, "bias": 1, "running_mean": 2, "running_var": 0.249} {
		for _, norm := range []string{"_bn0", "_blocks.0._bn1"} {
			w[norm+"."+name] = efficientnet.NewTensor(slices.Repeat([]float32{value}, efficientnet.StemChannels), efficientnet.StemChannels)
		}
	}
	outputs := evaluate(t, build(t, tiny, w), efficientnettest.Pixels(8, 8), 8, 8)
	for _, name := range []string{"stem/bias", "block_0/depthwise/bias"} {
		for c, got := range outputs[name].data {
			if math.Abs(float64(got)+11) > 1e-5 {
				t.Fatalf("%s of channel %d is %g, want -11", name, c, got)
			}
		}
	}
	tests := map[string]struct {
		kernel string
		shape  []int
		index  []int // in PyTorch's order
		at     int   // in TensorFlow's
	}{
		"stem/kernel":              {"_conv_stem.weight", []int{3, 3, 3, 32}, []int{5, 2, 0, 1}, ((0*3+1)*3+2)*32 + 5},
		"block_0/depthwise/kernel": {"_blocks.0._depthwise_conv.weight", []int{3, 3, 32, 1}, []int{7, 0, 2, 1}, (2*3+1)*32 + 7},
	}
	for name, test := range tests {
		if !slices.Equal(outputs[name].shape, test.shape) {
			t.Errorf("%s has the shape %v, want %v", name, outputs[name].shape, test.shape)
			continue
		}
		if got, want := outputs[name].data[test.at], 6*w[test.kernel].At(test.index...); math.Abs(float64(got-want)) > 1e-5 {
			t.Errorf("%s: %g, want %g", name, got, want)
		}
	}
}

func TestBuildStructure(t *testing.T) {
	v, _ := efficientnet.Lookup("efficientnet_lite0")
	w := efficientnettest.Weights(v, 1)
	graph := build(t, v, w)
	nodes := make(map[string]string)
	operations := make(map[string]int)
	for _, node := range graph.GetNode() {
		nodes[node.GetName()] = node.GetOp()
		operations[node.GetOp()]++
		for _, input := range node.GetInput() {
			if _, ok := nodes[input]; !ok {
				t.Errorf("node %s comes before its input %s", node.GetName(), input)
			}
		}
	}
	if len(nodes) != len(graph.GetNode()) {
		t.Errorf("%d nodes have %d names", len(graph.GetNode()), len(nodes))
	}
	// 1 stem, 16 blocks of which one has no first convolution, 1 head, 1 classifier.
	want := map[string]int{
		"Placeholder": 1, "Conv2D": 1 + 15 + 16 + 1, "DepthwiseConv2dNative": 16, "BiasAdd": 1 + 15 + 16 + 16 + 1 + 1,
		"Relu6": 1 + 15 + 16 + 1, "AddV2": 9, "Mean": 1, "MatMul": 1, "Const": 2*50 + 1,
	}
	if !maps.Equal(operations, want) {
		t.Errorf("operations %v, want %v", operations, want)
	}
	for name, op := range map[string]string{
		"input": "Placeholder", "stem/conv": "Conv2D", "block_0/depthwise/conv": "DepthwiseConv2dNative", "block_2/add": "AddV2",
		"block_15/project/bias_add": "BiasAdd", "head/relu6": "Relu6", "feature": "Mean", "logits": "BiasAdd",
	} {
		if nodes[name] != op {
			t.Errorf("node %s is %q, want %s", name, nodes[name], op)
		}
	}
	if _, ok := nodes["block_0/expand/conv"]; ok {
		t.Error("block 0 expands by 1 and yet has a convolution for it")
	}

	marshal := proto.MarshalOptions{Deterministic: true}
	first, err := marshal.Marshal(graph)
	if err != nil {
		t.Fatal(err)
	}
	second, err := marshal.Marshal(build(t, v, w))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("the same weights gave other bytes")
	}
}

func TestBuildRefusesWrongWeights(t *testing.T) {
	tiny := efficientnettest.Tiny()
	tests := map[string]struct {
		change func(efficientnet.Weights)
		want   string
	}{
		"missing": {
			func(w efficientnet.Weights) { delete(w, "_blocks.1._bn0.running_var") },
			`lack the tensor "_blocks.1._bn0.running_var"`,
		},
		"shape": {
			func(w efficientnet.Weights) { w["_fc.bias"] = efficientnet.NewTensor(make([]float32, 5), 5) },
			`"_fc.bias" has the shape [5] in place of [1000]`,
		},
		"empty": {func(w efficientnet.Weights) { clear(w) }, "building tiny: "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := efficientnettest.Weights(tiny, 1)
			test.change(w)
			graph, err := efficientnet.Build(tiny, w)
			if graph != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("graph %v, error %v; want the error %q", graph != nil, err, test.want)
			}
		})
	}
}

// TestPublished runs the published networks and compares with TensorFlow's answer for the same weights and picture.
func TestPublished(t *testing.T) {
	tests := []struct {
		name     string
		feature  map[int]float64
		sum      float64
		largest  int
		topClass []int
		topLogit []float64
	}{
		{
			"efficientnet_lite0",
			map[int]float64{0: 0.041073, 1: 0, 6: 1.223064, 7: 0.052257},
			171.789810, 113,
			[]int{807, 753, 905, 687, 743},
			[]float64{9.5872, 4.6864, 4.6798, 4.4225, 4.1268},
		},
		{
			"efficientnet_lite2",
			map[int]float64{0: 0, 1: 0.04195, 5: 2.139702, 7: 0.636248},
			179.846237, 748,
			[]int{807, 753, 581, 401, 754},
			[]float64{6.5036, 5.8215, 5.6365, 4.7629, 4.4973},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := efficientnettest.Published(t, test.name)
			v, _ := efficientnet.Lookup(test.name)
			outputs := evaluate(t, build(t, v, w), efficientnettest.Pixels(v.Size, v.Size), v.Size, v.Size)
			feature, logits := outputs[efficientnet.FeatureName].data, outputs[efficientnet.LogitsName].data
			near := func(what string, got, want float64) {
				t.Helper()
				if math.Abs(got-want) > 1e-4*max(1, math.Abs(want)) {
					t.Errorf("%s: %g, want %g", what, got, want)
				}
			}
			var sum float64
			for _, value := range feature {
				sum += float64(value)
			}
			near("sum of the feature", sum, test.sum)
			for i, want := range test.feature {
				near("feature", float64(feature[i]), want)
			}
			if got := slices.Index(feature, slices.Max(feature)); got != test.largest {
				t.Errorf("the largest of the feature is at %d, want %d", got, test.largest)
			}
			for i, class := range test.topClass {
				near("logit", float64(logits[class]), test.topLogit[i])
			}
			if got := slices.Index(logits, slices.Max(logits)); got != test.topClass[0] {
				t.Errorf("class %d is the first, want %d", got, test.topClass[0])
			}
		})
	}
}

// TestPublishedMatchesForward does what TestBuildMatchesForward does, with the published weights.
func TestPublishedMatchesForward(t *testing.T) {
	const name, size = "efficientnet_lite0", 32
	w := efficientnettest.Published(t, name)
	v, _ := efficientnet.Lookup(name)
	pixels := efficientnettest.Pixels(size, size)
	feature, logits := efficientnettest.Forward(v, w, pixels, size, size)
	outputs := evaluate(t, build(t, v, w), pixels, size, size)
	if err := differ(outputs[efficientnet.FeatureName].data, feature); err != nil {
		t.Errorf("feature: %v", err)
	}
	if err := differ(outputs[efficientnet.LogitsName].data, logits); err != nil {
		t.Errorf("logits: %v", err)
	}
}
