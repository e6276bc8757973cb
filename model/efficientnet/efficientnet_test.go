package efficientnet_test

import (
	"fmt"
	"slices"
	"testing"

	"kaika/model/efficientnet"
)

func TestBlocks(t *testing.T) {
	type block = efficientnet.Block
	tests := map[string][]block{
		"efficientnet_lite0": slices.Concat(
			[]block{{3, 1, 1, 32, 16}},
			[]block{{3, 2, 6, 16, 24}, {3, 1, 6, 24, 24}},
			[]block{{5, 2, 6, 24, 40}, {5, 1, 6, 40, 40}},
			[]block{{3, 2, 6, 40, 80}, {3, 1, 6, 80, 80}, {3, 1, 6, 80, 80}},
			[]block{{5, 1, 6, 80, 112}, {5, 1, 6, 112, 112}, {5, 1, 6, 112, 112}},
			[]block{{5, 2, 6, 112, 192}, {5, 1, 6, 192, 192}, {5, 1, 6, 192, 192}, {5, 1, 6, 192, 192}},
			[]block{{3, 1, 6, 192, 320}},
		),
		"efficientnet_lite2": slices.Concat(
			[]block{{3, 1, 1, 32, 16}},
			[]block{{3, 2, 6, 16, 24}, {3, 1, 6, 24, 24}, {3, 1, 6, 24, 24}},
			[]block{{5, 2, 6, 24, 48}, {5, 1, 6, 48, 48}, {5, 1, 6, 48, 48}},
			[]block{{3, 2, 6, 48, 88}, {3, 1, 6, 88, 88}, {3, 1, 6, 88, 88}, {3, 1, 6, 88, 88}},
			[]block{{5, 1, 6, 88, 120}, {5, 1, 6, 120, 120}, {5, 1, 6, 120, 120}, {5, 1, 6, 120, 120}},
			[]block{{5, 2, 6, 120, 208}, {5, 1, 6, 208, 208}, {5, 1, 6, 208, 208}, {5, 1, 6, 208, 208}, {5, 1, 6, 208, 208}},
			[]block{{3, 1, 6, 208, 352}},
		),
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			v, ok := efficientnet.Lookup(name)
			if !ok {
				t.Fatal("there is no such variant")
			}
			got := v.Blocks()
			if !slices.Equal(got, want) {
				t.Errorf("blocks:\n%v\nwant:\n%v", got, want)
			}
			for i, b := range got {
				// In both, the first block of each stage changes the channels, and no other does.
				if residual := b.In == b.Out; b.Residual() != residual {
					t.Errorf("block %d %+v: residual %t, want %t", i, b, b.Residual(), residual)
				}
			}
		})
	}
}

// TestPublishedSizes compares every variant with the parameters and multiplications in the table of TensorFlow's TPU
// repository (models/official/efficientnet/lite/README.md).
func TestPublishedSizes(t *testing.T) {
	published := []struct {
		parameters      string
		multiplications float64
	}{{"4.7M", 407e6}, {"5.4M", 631e6}, {"6.1M", 899e6}, {"8.2M", 1.44e9}, {"13.0M", 2.64e9}}
	variants := efficientnet.Variants()
	if len(variants) != len(published) {
		t.Fatalf("%d variants, want %d", len(variants), len(published))
	}
	for i, v := range variants {
		parameters, multiplications := 0, 0
		side := v.Size
		convolve := func(size, stride, in, out int) {
			side = (side + stride - 1) / stride
			parameters += size*size*in*out + 2*out
			multiplications += size * size * in * out * side * side
		}
		convolve(3, 2, 3, efficientnet.StemChannels)
		last := efficientnet.StemChannels
		for _, b := range v.Blocks() {
			wide := b.In * b.Expand
			if b.Expand > 1 {
				convolve(1, 1, b.In, wide)
			}
			convolve(b.Kernel, b.Stride, 1, wide)
			convolve(1, 1, wide, b.Out)
			last = b.Out
		}
		convolve(1, 1, last, efficientnet.FeatureLength)
		parameters += (efficientnet.FeatureLength + 1) * efficientnet.Classes
		multiplications += efficientnet.FeatureLength * efficientnet.Classes

		if got := fmt.Sprintf("%.1fM", float64(parameters)/1e6); got != published[i].parameters {
			t.Errorf("%s has %s parameters, want %s", v.Name, got, published[i].parameters)
		}
		// The published counts have the few operations for each value between the convolutions as well.
		if share := float64(multiplications) / published[i].multiplications; share < 0.94 || share > 1 {
			t.Errorf("%s multiplies %d times, which is %.2f of the published count", v.Name, multiplications, share)
		}
	}
}

func TestLookupUnknown(t *testing.T) {
	if v, ok := efficientnet.Lookup("efficientnet_lite9"); ok {
		t.Errorf("found %+v", v)
	}
}
