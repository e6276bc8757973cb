// Package efficientnet builds the frozen TensorFlow graph of an EfficientNet-Lite from the published architecture and its
// published ImageNet weights.
//
// The sources are the paper (Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
// arXiv:1905.11946: the table of blocks, and the scaling of width and depth) and the description of the Lite variants in
// TensorFlow's TPU repository (models/official/efficientnet/lite). Lite takes the squeeze-and-excitation out, has ReLU6 as its
// only activation, and keeps the width of the stem and the head and the depth of the first and the last stage when it scales.
//
// The graph takes pictures in TensorFlow's layout, float32 [batch, height, width, RGB], with (value-127)/128 for every value of
// 0..255. Any height and width will do; [Variant.Size] is what the network was trained at. Its "feature" is the mean over the
// picture of the last convolution, [batch, 1280], and its "logits" are the unscaled scores of the 1000 classes of ImageNet
// (ILSVRC 2012, in the usual order: 0 is the tench, 985 the daisy), [batch, 1000].
package efficientnet

import "math"

// The names of the graph's nodes that a user of it feeds or fetches; each has one output, number 0.
const (
	InputName   = "input"   // float32 [batch, height, width, 3]
	FeatureName = "feature" // float32 [batch, FeatureLength]
	LogitsName  = "logits"  // float32 [batch, Classes]
)

// The sizes that all variants share.
const (
	StemChannels  = 32   // channels behind the first convolution
	FeatureLength = 1280 // channels behind the last convolution
	Classes       = 1000 // classes of ImageNet
)

// BatchNormEpsilon is what the networks were trained with: it is added to the variance before the root is taken.
const BatchNormEpsilon = 1e-3

// Variant is one size of EfficientNet-Lite, as factors of the smallest.
type Variant struct {
	Name  string  // as in "efficientnet_lite0"
	Width float64 // factor of the channels
	Depth float64 // factor of the blocks in a stage
	Size  int     // height and width, in pixels, of the pictures it was trained with
}

// Variants returns the published variants, the smallest first.
func Variants() []Variant {
	return []Variant{
		{Name: "efficientnet_lite0", Width: 1.0, Depth: 1.0, Size: 224},
		{Name: "efficientnet_lite1", Width: 1.0, Depth: 1.1, Size: 240},
		{Name: "efficientnet_lite2", Width: 1.1, Depth: 1.2, Size: 260},
		{Name: "efficientnet_lite3", Width: 1.2, Depth: 1.4, Size: 280},
		{Name: "efficientnet_lite4", Width: 1.4, Depth: 1.8, Size: 300},
	}
}

// Lookup returns the published variant of that name, and whether there is one.
func Lookup(name string) (Variant, bool) {
	for _, v := range Variants() {
		if v.Name == name {
			return v, true
		}
	}
	return Variant{}, false
}

// Block is one inverted bottleneck (MBConv): a 1x1 convolution that widens In channels by Expand, left out where Expand is 1;
// a depthwise convolution of Kernel x Kernel; and a 1x1 convolution to Out channels, which has no activation behind it.
type Block struct {
	Kernel, Stride, Expand, In, Out int
}

// Residual says whether the block's input is added to its output.
func (b Block) Residual() bool {
	return b.Stride == 1 && b.In == b.Out
}

// Blocks returns the variant's blocks in order, from the stem to the head.
func (v Variant) Blocks() []Block {
	stages := [...]struct{ repeats, kernel, stride, expand, out int }{
		{1, 3, 1, 1, 16},
		{2, 3, 2, 6, 24},
		{2, 5, 2, 6, 40},
		{3, 3, 2, 6, 80},
		{3, 5, 1, 6, 112},
		{4, 5, 2, 6, 192},
		{1, 3, 1, 6, 320},
	}
	var blocks []Block
	in := StemChannels
	for i, s := range stages {
		repeats := s.repeats
		if i > 0 && i < len(stages)-1 {
			repeats = int(math.Ceil(v.Depth * float64(repeats)))
		}
		out := scaleChannels(s.out, v.Width)
		for r := range repeats {
			stride := s.stride
			if r > 0 {
				stride = 1
			}
			blocks = append(blocks, Block{Kernel: s.kernel, Stride: stride, Expand: s.expand, In: in, Out: out})
			in = out
		}
	}
	return blocks
}

// scaleChannels multiplies and rounds to the nearest multiple of 8, but never down by more than a tenth.
func scaleChannels(channels int, width float64) int {
	const divisor = 8
	exact := float64(channels) * width
	rounded := max(divisor, int(exact+divisor/2)/divisor*divisor)
	if float64(rounded) < 0.9*exact {
		rounded += divisor
	}
	return rounded
}
