package thumb

import (
	"image"
	"math"

	"golang.org/x/image/draw"
)

// fit scales img down to fit into side x side pixels, on white; 0 leaves its size.
func fit(img image.Image, side int) *image.RGBA {
	b := img.Bounds()
	w, h := fitted(b.Dx(), b.Dy(), side)
	// A scaler that looks at every pixel of a large photo takes longer than to decode it. Four samples for each of 4 x 4
	// places of a new pixel are enough.
	const coarse = 4
	scaled := img
	if b.Dx() > 2*coarse*w || b.Dy() > 2*coarse*h {
		rough := image.NewRGBA(image.Rect(0, 0, min(coarse*w, b.Dx()), min(coarse*h, b.Dy())))
		draw.ApproxBiLinear.Scale(rough, rough.Rect, img, b, draw.Src, nil)
		scaled = rough
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	if opaque(img) {
		if w == b.Dx() && h == b.Dy() {
			draw.Draw(dst, dst.Rect, img, b.Min, draw.Src)
			return dst
		}
		draw.BiLinear.Scale(dst, dst.Rect, scaled, scaled.Bounds(), draw.Src, nil)
		return dst
	}
	draw.Draw(dst, dst.Rect, image.White, image.Point{}, draw.Src)
	draw.BiLinear.Scale(dst, dst.Rect, scaled, scaled.Bounds(), draw.Over, nil)
	return dst
}

// opaque reports whether img says that it has no transparent pixel.
func opaque(img image.Image) bool {
	o, ok := img.(interface{ Opaque() bool })
	return ok && o.Opaque()
}

// fitted returns the largest size of the proportions w to h that is at most side on each side and at most w x h.
func fitted(w, h, side int) (int, int) {
	if side <= 0 || max(w, h) <= side {
		return w, h
	}
	scale := float64(side) / float64(max(w, h))
	shrunk := func(n int) int { return max(1, int(math.Round(float64(n)*scale))) }
	return shrunk(w), shrunk(h)
}
