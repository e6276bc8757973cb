package chart

import "math"

// point is a place in a picture, in pixels from its upper left corner.
type point struct {
	x, y float32
}

// gap stands between two points that no line connects.
func gap() point {
	return point{float32(math.NaN()), float32(math.NaN())}
}

func (p point) isGap() bool {
	return p.x != p.x // NaN alone differs from itself.
}

// decimate appends the curve through (xs, ys) to points: of all values within a pixel column only the least and the greatest, in their order,
// so no extreme gets lost and what has to be drawn depends on the picture's width alone. xs must be ascending. A value that is not finite
// makes a gap, unless other points of its own pixel column lie on both of its sides.
func decimate(points []point, xs, ys []float64, x, y scale) []point {
	var (
		least, most = -1, -1 // Indices of the extremes in the column; negative before the first column.
		end         float64  // A value of x that, with all between, lies in the column for sure.
		column      float32
		broken      bool // A gap lies between the column and what follows.
	)
	flush := func() {
		if least < 0 {
			return
		}
		first, second := min(least, most), max(least, most)
		p, q := point{x.at(xs[first]), y.at(ys[first])}, point{x.at(xs[second]), y.at(ys[second])}
		points = append(points, p)
		if p.y != q.y {
			points = append(points, q)
		}
	}
	for i, v := range ys {
		if !finite(v) {
			broken = true
			continue
		}
		switch {
		case least < 0 || xs[i] > end && floor(x.at(xs[i])) != column:
			flush()
			if broken && least >= 0 {
				points = append(points, gap())
			}
			least, most = i, i
			column = floor(x.at(xs[i]))
			end = x.value(column + 0.99) // Short of the next column, whatever the rounding.
		case v < ys[least]:
			least = i
		case v > ys[most]:
			most = i
		}
		broken = false
	}
	flush()
	return points
}

func floor(v float32) float32 {
	return float32(math.Floor(float64(v)))
}

func ceil(v float32) float32 {
	return float32(math.Ceil(float64(v)))
}
