package chart

import "math"

// Smooth gives the exponential moving average of ys along xs (ascending): a value loses its weight by a factor of e in each span of xs. The
// average starts unbiased at the first value. Where a value is not finite the average is NaN, and goes on behind it as before.
// A span that is not positive gives ys as they are. The result is a new slice of the length of the shorter one.
func Smooth(xs, ys []float64, span float64) []float64 {
	smooth := make([]float64, min(len(xs), len(ys)))
	var sum, weight float64
	last := math.NaN()
	for i := range smooth {
		y := ys[i]
		switch {
		case !(span > 0):
			smooth[i] = y
			continue
		case !finite(y) || !finite(xs[i]):
			smooth[i] = math.NaN()
			continue
		}
		keep := 1.0
		if finite(last) {
			keep = math.Exp(-max(0, xs[i]-last) / span)
		}
		// The weight of the newest value is what the others lose in one step of x, so dense and sparse values count alike.
		sum, weight, last = sum*keep+y, weight*keep+1, xs[i]
		smooth[i] = sum / weight
	}
	return smooth
}
