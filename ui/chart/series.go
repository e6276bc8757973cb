package chart

import (
	"math"
	"slices"
	"sort"
)

// Series is one curve. What is handed over must not be changed afterwards; appending behind the length of its slices is fine.
type Series struct {
	Name  string    // In the legend; it also tells series apart when they are replaced by longer ones.
	X     []float64 // Steps, ascending.
	Y     []float64 // The value at each step. What is not finite is not drawn and makes a gap.
	Style Style
}

// ordered gives the series with X and Y of the same length, X finite and ascending: nearly always itself.
func (s Series) ordered() Series {
	n := min(len(s.X), len(s.Y))
	s.X, s.Y = s.X[:n:n], s.Y[:n:n]
	last, good := math.Inf(-1), true
	for _, x := range s.X {
		if !finite(x) || x < last {
			good = false
			break
		}
		last = x
	}
	if good {
		return s
	}
	order := make([]int, 0, n)
	for i, x := range s.X {
		if finite(x) {
			order = append(order, i)
		}
	}
	sort.SliceStable(order, func(a, b int) bool { return s.X[order[a]] < s.X[order[b]] })
	xs, ys := make([]float64, len(order)), make([]float64, len(order))
	for to, from := range order {
		xs[to], ys[to] = s.X[from], s.Y[from]
	}
	s.X, s.Y = xs, ys
	return s
}

// nearest gives the index of the point whose step is nearest to x, the earlier one of two as near; -1 if x lies further
// outside of the curve than the two points at that end lie apart, or if there is no point.
func (s Series) nearest(x float64) int {
	n := len(s.X)
	if n == 0 {
		return -1
	}
	i := sort.SearchFloat64s(s.X, x)
	switch {
	case i == n:
		i--
		if n > 1 && x-s.X[i] > s.X[i]-s.X[i-1] || n == 1 && x != s.X[i] {
			return -1
		}
	case i == 0:
		if n > 1 && s.X[0]-x > s.X[1]-s.X[0] || n == 1 && x != s.X[0] {
			return -1
		}
	case x-s.X[i-1] <= s.X[i]-x:
		i--
	}
	return i
}

// after gives the first step behind x, and before the last one in front of it.
func (s Series) after(x float64) (step float64, found bool) {
	i := sort.Search(len(s.X), func(i int) bool { return s.X[i] > x })
	if i == len(s.X) {
		return 0, false
	}
	return s.X[i], true
}

func (s Series) before(x float64) (step float64, found bool) {
	i := sort.SearchFloat64s(s.X, x)
	if i == 0 {
		return 0, false
	}
	return s.X[i-1], true
}

// empty tells whether there is no point to be drawn.
func (s Series) empty() bool {
	return !slices.ContainsFunc(s.Y, finite)
}
