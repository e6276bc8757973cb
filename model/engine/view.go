package engine

import (
	"math"

	"kaika/model/enginepb"
)

// orientation is an EXIF orientation, 1..8: how the stored pixels are turned to be upright (EXIF 2.32, tag 0x0112).
// Anything else is taken as 1.
type orientation int32

// source tells where the upright pixel (x, y) of a square of side n is stored.
func (o orientation) source(x, y, n int) (sx, sy int) {
	last := n - 1
	switch o {
	case 2:
		return last - x, y
	case 3:
		return last - x, last - y
	case 4:
		return x, last - y
	case 5:
		return y, x
	case 6:
		return y, last - x
	case 7:
		return last - y, last - x
	case 8:
		return last - y, x
	default:
		return x, y
	}
}

// stored turns a shift of the upright photo, each part in -1..1, into one of the stored pixels.
func (o orientation) stored(dx, dy float32) (sx, sy float32) {
	switch o {
	case 2:
		return -dx, dy
	case 3:
		return -dx, -dy
	case 4:
		return dx, -dy
	case 5:
		return dy, dx
	case 6:
		return dy, -dx
	case 7:
		return -dy, -dx
	case 8:
		return -dy, dx
	default:
		return dx, dy
	}
}

// apply turns a square of side n, row-major [n, n, 3], upright.
func (o orientation) apply(square []float32, n int) {
	if o < 2 || o > 8 {
		return
	}
	remap(square, n, func(x, y int) (int, int) { return o.source(x, y, n) })
}

// remap gives each pixel of the square the value of another.
func remap(square []float32, n int, source func(x, y int) (sx, sy int)) {
	from := make([]float32, len(square))
	copy(from, square)
	for y := range n {
		for x := range n {
			sx, sy := source(x, y)
			copy(square[channels*(y*n+x):channels*(y*n+x+1)], from[channels*(sy*n+sx):])
		}
	}
}

// applyView mirrors, turns and brightens a normalised square of side n; its zoom and shift were applied before.
func applyView(square []float32, n int, v *enginepb.View, mean, scale float32) {
	if v.GetFlip() {
		remap(square, n, func(x, y int) (int, int) { return n - 1 - x, y })
	}
	if v.GetAngle() != 0 {
		rotate(square, n, float64(v.GetAngle()))
	}
	if b := v.GetBrightness(); b != 0 {
		for i, p := range square {
			square[i] = (min(max((p*scale+mean)*(1+b), 0), 255) - mean) / scale
		}
	}
}

// rotate turns a square counter-clockwise by an angle in degrees about its centre, bilinearly. Beyond the rim the
// picture goes on mirrored.
func rotate(square []float32, n int, degrees float64) {
	from := make([]float32, len(square))
	copy(from, square)
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	centre := float64(n-1) / 2
	for y := range n {
		for x := range n {
			// The y axis points down, so a counter-clockwise turn of the picture looks up its source clockwise.
			dx, dy := float64(x)-centre, float64(y)-centre
			sx, sy := centre+cos*dx-sin*dy, centre+sin*dx+cos*dy
			x0, y0 := int(math.Floor(sx)), int(math.Floor(sy))
			fx, fy := float32(sx-float64(x0)), float32(sy-float64(y0))
			left, right, above, below := mirror(x0, n), mirror(x0+1, n), mirror(y0, n), mirror(y0+1, n)
			for c := range channels {
				at := func(x, y int) float32 { return from[channels*(y*n+x)+c] }
				top := at(left, above)*(1-fx) + at(right, above)*fx
				bottom := at(left, below)*(1-fx) + at(right, below)*fx
				square[channels*(y*n+x)+c] = top*(1-fy) + bottom*fy
			}
		}
	}
}

// mirror brings a coordinate into 0..n-1 by reflecting it at the rims.
func mirror(i, n int) int {
	period := 2 * n
	i = ((i % period) + period) % period
	if i >= n {
		i = period - 1 - i
	}
	return i
}
