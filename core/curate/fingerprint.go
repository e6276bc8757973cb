package curate

import (
	"encoding/binary"
	"image"
	"image/color"
	"math/bits"

	"github.com/corona10/goimagehash"
)

// A Fingerprint says in 128 bits what a picture looks like; those of pictures that look alike differ in few of them. It is
// the perceptual hash and the difference hash of the upright picture in greys: copies that were saved again, in another size
// or brightness, or with a narrow edge cut off have nearly the same one, mirrored or turned ones do not. The zero value is
// that of a picture that nobody looked at, or that shows nothing; it is like no other.
type Fingerprint struct{ perception, difference uint64 }

// How many bits of the fingerprints of two photos that look alike differ at most. docs/benchmarks.md tells how often that is
// wrong, and what it misses.
const (
	mostPerception = 10
	mostDifference = 12
)

// FingerprintOf returns the fingerprint of an upright picture.
func FingerprintOf(img image.Image) Fingerprint {
	small, contrast := shrink(img)
	const flat = 2 // Levels. What is left of such a picture is noise.
	if contrast < flat {
		return Fingerprint{}
	}
	// Their errors are about a picture that is nil.
	perception, err := goimagehash.PerceptionHash(small)
	if err != nil {
		return Fingerprint{}
	}
	difference, err := goimagehash.DifferenceHash(small)
	if err != nil {
		return Fingerprint{}
	}
	return Fingerprint{perception.GetHash(), difference.GetHash()}
}

// Like reports whether two pictures look alike.
func (f Fingerprint) Like(other Fingerprint) bool {
	return f != Fingerprint{} && other != Fingerprint{} &&
		bits.OnesCount64(f.perception^other.perception) <= mostPerception && bits.OnesCount64(f.difference^other.difference) <= mostDifference
}

// distance gives the number of bits that differ, at most farthest.
func (f Fingerprint) distance(other Fingerprint) int {
	return bits.OnesCount64(f.perception^other.perception) + bits.OnesCount64(f.difference^other.difference)
}

const farthest = 128

// fingerprintBytes is the length of a fingerprint in the catalog.
const fingerprintBytes = 16

// bytes gives a fingerprint as the catalog keeps it.
func (f Fingerprint) bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, f.perception), f.difference)
}

// fingerprintIn undoes bytes.
func fingerprintIn(b []byte) Fingerprint {
	return Fingerprint{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// shrink gives the greys of a picture in 64 x 64 pixels, whatever its proportions, each the mean of up to 8 x 8 samples of its
// place; and how far, in levels of 256, they are from their own mean on average.
func shrink(img image.Image) (small *image.Gray, contrast float64) {
	const side, samples = 64, 8
	b := img.Bounds()
	small = image.NewGray(image.Rect(0, 0, side, side))
	if b.Empty() {
		return small, 0
	}
	grey := greys(img)
	sum := 0
	for y := range side {
		top, bottom := b.Dy()*y/side, max(b.Dy()*(y+1)/side, b.Dy()*y/side+1)
		for x := range side {
			left, right := b.Dx()*x/side, max(b.Dx()*(x+1)/side, b.Dx()*x/side+1)
			total, count := 0, 0
			for v := top; v < bottom; v += max(1, (bottom-top)/samples) {
				for u := left; u < right; u += max(1, (right-left)/samples) {
					total += int(grey(b.Min.X+u, b.Min.Y+v))
					count++
				}
			}
			small.Pix[y*side+x] = uint8(total / count) //nolint:gosec // A mean of bytes.
			sum += total / count
		}
	}
	mean := sum / len(small.Pix)
	off := 0
	for _, g := range small.Pix {
		off += max(int(g)-mean, mean-int(g))
	}
	return small, float64(off) / float64(len(small.Pix))
}

// greys gives a function for the grey of a pixel.
func greys(img image.Image) func(x, y int) uint8 {
	switch img := img.(type) {
	case *image.YCbCr:
		return func(x, y int) uint8 { return img.Y[img.YOffset(x, y)] }
	case *image.Gray:
		return func(x, y int) uint8 { return img.Pix[img.PixOffset(x, y)] }
	}
	return func(x, y int) uint8 { return color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y } //nolint:errcheck // That model has no other.
}
