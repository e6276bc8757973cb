package chart

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi, spacing float64
		count           int
		want            []float64
		decimals        int
	}{
		{0, 1, 0, 5, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}, 1},
		{0, 1, 0, 10, []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1}, 1},
		{0, 1, 0, 2, []float64{0, 0.5, 1}, 1},
		{0, 1, 0, 1, []float64{0, 1}, 0},
		{0, 4000, 1, 8, []float64{0, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000}, 0},
		{0, 2, 1, 10, []float64{0, 1, 2}, 0}, // Never half a step.
		{0.93, 0.97, 0, 4, []float64{0.93, 0.94, 0.95, 0.96, 0.97}, 2},
		{-3, 7, 0, 5, []float64{-2, 0, 2, 4, 6}, 0},
		{0, 2.7e-7, 0, 3, []float64{0, 1e-7, 2e-7}, 7},
		{5, 5, 0, 3, []float64{5}, 0},
		{7, 5, 0, 3, nil, 0},
		{math.NaN(), 5, 0, 3, nil, 0},
		{0, math.Inf(1), 0, 3, nil, 0},
		{0, 1, 0, 0, nil, 0},
	} {
		t.Run(fmt.Sprint(c.lo, c.hi, c.count), func(t *testing.T) {
			got, decimals := ticks(c.lo, c.hi, c.count, c.spacing)
			if !slices.Equal(got, c.want) || decimals != c.decimals {
				t.Errorf("got %v with %d decimals; want %v with %d", got, decimals, c.want, c.decimals)
			}
		})
	}
}

func FuzzTicks(f *testing.F) {
	for _, v := range []float64{0, 1, -1, 0.1, 4000, 1e-320, math.SmallestNonzeroFloat64, math.MaxFloat64, 1e300, math.Inf(1), math.Inf(-1), math.NaN()} {
		f.Add(0.0, v, 5, 0.0)
		f.Add(v, v, 5, 1.0)
		f.Add(v, math.Nextafter(v, math.Inf(1)), 10, 0.0)
		f.Add(-v, v, 7, v)
	}
	f.Fuzz(func(t *testing.T, lo, hi float64, count int, spacing float64) {
		count %= 1000
		values, decimals := ticks(lo, hi, count, spacing)
		if len(values) > max(1, count+1) || decimals < 0 {
			t.Fatalf("%d ticks with %d decimals for %v..%v, count %d", len(values), decimals, lo, hi, count)
		}
		for i, v := range values {
			width := hi - lo
			if !finite(v) || v < lo-1e-6*width || v > hi+1e-6*width && math.Abs(hi) <= largest {
				t.Fatalf("tick %v lies outside of %v..%v", v, lo, hi)
			}
			if i > 0 && v <= values[i-1] {
				t.Fatalf("%v does not ascend", values)
			}
		}
		if finite(lo) && finite(hi) && lo <= hi && math.Abs(lo) <= largest && math.Abs(hi) <= largest && count > 0 {
			if up := roundUp(lo, hi, count); !finite(up) || up < hi {
				t.Fatalf("rounded up, %v is %v", hi, up)
			}
		}
	})
}

func FuzzRanges(f *testing.F) {
	f.Add(0.0, 1.0, 0.0, 0.5, 1.0, 0.6, 4000.0)
	f.Add(math.NaN(), math.Inf(1), -math.MaxFloat64, math.MaxFloat64, math.MaxFloat64, -math.MaxFloat64, math.Inf(1))
	f.Add(1e300, math.MaxFloat64, 0.0, 1.0, 2.0, 1e300, 0.0)
	f.Add(math.Inf(-1), math.Inf(1), 0.0, 1.0, 2.0, 3.0, 0.0)
	f.Add(0.0, 0.0, 5.0, 5.0, 5.0, 5.0, math.NaN())
	f.Add(1e300, 0.0, 1e17, 1e-320, 1e17, 0.0, -1.0)
	f.Fuzz(func(t *testing.T, yMin, yMax, x1, y1, x2, y2, steps float64) {
		figure := Figure{Options: Options{YMin: yMin, YMax: yMax}, Series: []Series{Series{X: []float64{x1, x2}, Y: []float64{y1, y2}}.ordered()}, Steps: steps}
		xLo, xHi, yLo, yHi := figure.ranges(5)
		for _, v := range []float64{xLo, xHi, yLo, yHi} {
			if !finite(v) || math.Abs(v) > largest*10 {
				t.Fatalf("ranges %v..%v, %v..%v", xLo, xHi, yLo, yHi)
			}
		}
		if xLo >= xHi || yLo >= yHi {
			t.Fatalf("no width: %v..%v, %v..%v", xLo, xHi, yLo, yHi)
		}
		if p := (scale{yLo, yHi, 100, 0}).at(y1); finite(y1) && p != p {
			t.Fatalf("%v has no place in %v..%v", y1, yLo, yHi)
		}
	})
}
