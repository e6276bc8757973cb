package chart

import (
	"math"
	"math/rand/v2"
	"testing"
)

// randomCurve gives n points at random, some of them gaps.
func randomCurve(r *rand.Rand, n int) (xs, ys []float64) {
	x := 0.0
	for range n {
		x += r.Float64() * 3
		y := r.NormFloat64()
		switch r.IntN(100) {
		case 0, 1, 2, 3, 4:
			y = math.NaN()
		case 5, 6:
			y = math.Inf(1 - 2*r.IntN(2))
		case 7, 8:
			y *= 1e6 // Far out of sight.
		}
		xs, ys = append(xs, x), append(ys, y)
	}
	return xs, ys
}

// In each pixel column the extremes are those of the values there, nothing is added, and points stay in order.
func TestDecimateKeepsExtremes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		xs, ys := randomCurve(r, r.IntN(3000))
		width := float32(1 + r.IntN(900))
		last := 1.0
		if len(xs) > 0 {
			last = xs[len(xs)-1]
		}
		x, y := scale{0, last, 0, width}, scale{-3, 3, 300, 0}
		got := decimate(nil, xs, ys, x, y)

		type extremes struct{ least, most float32 }
		columns := func(points []point) map[float32]extremes {
			all := map[float32]extremes{}
			for _, p := range points {
				if p.isGap() {
					continue
				}
				e, seen := all[floor(p.x)]
				if !seen {
					e = extremes{p.y, p.y}
				}
				all[floor(p.x)] = extremes{min(e.least, p.y), max(e.most, p.y)}
			}
			return all
		}
		var raw []point
		known := map[point]bool{}
		for i := range xs {
			if finite(ys[i]) {
				p := point{x.at(xs[i]), y.at(ys[i])}
				raw, known[p] = append(raw, p), true
			}
		}
		want, have := columns(raw), columns(got)
		if len(want) != len(have) {
			t.Fatalf("round %d: %d columns, want %d", round, len(have), len(want))
		}
		for column, e := range want {
			if have[column] != e {
				t.Fatalf("round %d: column %v has %v, want %v", round, column, have[column], e)
			}
		}
		if most := 3 * (int(width) + 1); len(got) > most {
			t.Fatalf("round %d: %d points for %v columns", round, len(got), width)
		}
		before := float32(-1)
		for i, p := range got {
			if p.isGap() {
				if i == 0 || i == len(got)-1 || got[i-1].isGap() {
					t.Fatalf("round %d: a gap at %d of %d that separates nothing", round, i, len(got))
				}
				continue
			}
			if !known[p] {
				t.Fatalf("round %d: %v is no point of the curve", round, p)
			}
			if p.x < before {
				t.Fatalf("round %d: goes back from %v to %v", round, before, p.x)
			}
			before = p.x
		}
	}
}

func TestDecimateGaps(t *testing.T) {
	nan := math.NaN()
	x, y := scale{0, 10, 0, 10}, scale{0, 1, 100, 0}
	for _, c := range []struct {
		name   string
		xs, ys []float64
		want   []bool // Whether each point is a gap.
	}{
		{"none", nil, nil, nil},
		{"only gaps", []float64{1, 2}, []float64{nan, nan}, nil},
		{"at both ends", []float64{1, 2, 3}, []float64{nan, 0.5, nan}, []bool{false}},
		{"between", []float64{1, 2, 3, 4}, []float64{0.1, nan, math.Inf(1), 0.2}, []bool{false, true, false}},
		{"within a column", []float64{1.1, 1.2, 1.3, 4}, []float64{0.1, nan, 0.2, 0.3}, []bool{false, false, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := decimate(nil, c.xs, c.ys, x, y)
			if len(got) != len(c.want) {
				t.Fatalf("got %v", got)
			}
			for i, p := range got {
				if p.isGap() != c.want[i] {
					t.Errorf("point %d of %v", i, got)
				}
			}
		})
	}
}

func TestScale(t *testing.T) {
	s := scale{10, 20, 100, 0}
	for v, want := range map[float64]float32{10: 100, 20: 0, 15: 50, 25: -50, 1e200: -farthest, -1e200: farthest} {
		if got := s.at(v); got != want {
			t.Errorf("%v is at %v, want %v", v, got, want)
		}
	}
	if got := s.scaled(2, 5).at(15); got != 105 {
		t.Errorf("scaled, 15 is at %v, want 105", got)
	}
	for _, place := range []float32{0, 33, 100} {
		if got := s.at(s.value(place)); abs(got-place) > 1e-3 {
			t.Errorf("the value at %v is at %v", place, got)
		}
	}
}
