package chart

import "math"

// largest is the greatest magnitude that an axis shows, and smallest the least distance of its ticks: far from where numbers overflow and
// lose their precision.
const (
	largest  = 1e300
	smallest = 1e-290
)

// finite tells whether v is a number that can be drawn.
func finite(v float64) bool {
	return v-v == 0
}

// ticks gives the multiples of 1, 2 or 5 times a power of ten that lie in lo..hi, about count of them and at most count+1, ascending, and the
// number of decimal places needed to write them. They are at least spacing apart. It gives one tick or none where the range has no width.
func ticks(lo, hi float64, count int, spacing float64) (values []float64, decimals int) {
	if !finite(lo) || !finite(hi) || lo > hi || count < 1 {
		return nil, 0
	}
	lo, hi = max(lo, -largest), min(hi, largest)
	step := newStep(max(hi/float64(count)-lo/float64(count), spacing))
	if lo >= hi || step.size() <= 0 {
		return []float64{lo}, 0
	}
	first := math.Ceil(lo/step.size() - 1e-9)
	slack := (hi - lo) * 1e-9 // For rounding.
	for i := range count + 1 {
		value := step.times(first + float64(i))
		if value > hi+slack || len(values) > 0 && value <= values[len(values)-1] {
			break
		}
		if value >= lo-slack {
			values = append(values, value)
		}
	}
	return values, max(0, -step.exponent)
}

// roundUp gives the smallest multiple of the ticks' spacing in lo..hi that is not below hi, so that an axis ends with a tick.
func roundUp(lo, hi float64, count int) float64 {
	step := newStep(hi/float64(count) - lo/float64(count))
	if step.size() <= 0 {
		return hi
	}
	up := step.times(math.Ceil(hi/step.size() - 1e-9))
	if !finite(up) || up < hi {
		return hi
	}
	return up
}

// step is a distance of ticks, mantissa times ten to the power of exponent.
type step struct {
	mantissa float64
	exponent int
}

// newStep gives the smallest step of 1, 2 or 5 times a power of ten that is not smaller than least; a step of no size
// if there is none or it would be too small.
func newStep(least float64) step {
	if !finite(least) || least < smallest {
		return step{}
	}
	exponent := int(math.Floor(math.Log10(least)))
	for _, s := range []step{{1, exponent}, {2, exponent}, {5, exponent}, {1, exponent + 1}} {
		if size := s.size(); finite(size) && size >= least*(1-1e-9) {
			return s
		}
	}
	return step{}
}

func (s step) size() float64 {
	return s.times(1)
}

// times gives k steps, rounded once only: 3 steps of 0.1 are 0.3.
func (s step) times(k float64) float64 {
	if s.exponent < 0 {
		return k * s.mantissa / math.Pow10(-s.exponent)
	}
	return k * s.mantissa * math.Pow10(s.exponent)
}
