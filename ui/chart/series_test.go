package chart

import (
	"errors"
	"math"
	"slices"
	"testing"
)

func TestOrdered(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name           string
		xs, ys         []float64
		wantXs, wantYs []float64
	}{
		{"nothing", nil, nil, nil, nil},
		{"as it is", []float64{1, 2, 2, 3}, []float64{4, nan, 5, inf}, []float64{1, 2, 2, 3}, []float64{4, nan, 5, inf}},
		{"unequal", []float64{1, 2, 3}, []float64{4, 5}, []float64{1, 2}, []float64{4, 5}},
		{"back", []float64{3, 1, 2, 1}, []float64{30, 10, 20, 11}, []float64{1, 1, 2, 3}, []float64{10, 11, 20, 30}},
		{"steps that are none", []float64{1, nan, inf, 2}, []float64{1, 2, 3, 4}, []float64{1, 2}, []float64{1, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
			got := Series{X: c.xs, Y: c.ys}.ordered()
			if !slices.EqualFunc(got.X, c.wantXs, same) || !slices.EqualFunc(got.Y, c.wantYs, same) {
				t.Errorf("got %v %v", got.X, got.Y)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	s := Series{X: []float64{10, 20, 40}}
	for x, want := range map[float64]int{10: 0, 14: 0, 15: 0, 16: 1, 30: 1, 31: 2, 40: 2, 60: 2, 61: -1, 0: 0, -1: -1} {
		if got := s.nearest(x); got != want {
			t.Errorf("nearest to %v: %d, want %d", x, got, want)
		}
	}
	if (Series{}).nearest(1) != -1 || (Series{X: []float64{5}}).nearest(5) != 0 || (Series{X: []float64{5}}).nearest(6) != -1 {
		t.Error("curves of no and of one point")
	}
}

func TestSmooth(t *testing.T) {
	xs := make([]float64, 2000)
	ys := make([]float64, 2000)
	for i := range xs {
		xs[i], ys[i] = float64(i), 5
	}
	for i, y := range Smooth(xs, ys, 50) {
		if math.Abs(y-5) > 1e-12 {
			t.Fatalf("a constant becomes %v at %d", y, i)
		}
	}
	for i := range ys {
		ys[i] = float64(i % 2)
	}
	if y := Smooth(xs, ys, 50)[1999]; math.Abs(y-0.5) > 0.01 {
		t.Errorf("0 and 1 in turn become %v", y)
	}
	ys = []float64{1, math.NaN(), math.Inf(1), 1}
	got := Smooth([]float64{0, 1, 2, 3}, ys, 10)
	if got[0] != 1 || !math.IsNaN(got[1]) || !math.IsNaN(got[2]) || math.Abs(got[3]-1) > 1e-12 {
		t.Errorf("gaps: %v", got)
	}
	// One span further the old value weighs 1/e of the new one.
	got = Smooth([]float64{0, 10}, []float64{1, 0}, 10)
	if want := math.Exp(-1) / (1 + math.Exp(-1)); math.Abs(got[1]-want) > 1e-12 {
		t.Errorf("one span further: %v, want %v", got[1], want)
	}
	if got := Smooth([]float64{0, 1}, []float64{3, 4, 5}, 0); !slices.Equal(got, []float64{3, 4}) {
		t.Errorf("without a span: %v", got)
	}
	if got := Smooth(nil, nil, math.NaN()); len(got) != 0 {
		t.Errorf("nothing: %v", got)
	}
}

// full is a disk without room.
type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }
