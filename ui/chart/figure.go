package chart

import (
	"math"
	"strconv"
)

// Options are what a chart shows besides its curves. Texts come in the reader's language.
type Options struct {
	Title  string // Above the chart, such as "Accuracy".
	XLabel string // Such as "Step"; also in front of the step whose values are shown.
	YLabel string // Above the vertical axis; often empty, for the title says it.
	Empty  string // A sentence in place of curves while there are none.

	// The vertical axis begins at YMin and ends at YMax; with YMax not above YMin it ends at a round number above the visible curves, and
	// begins lower if they do.
	YMin, YMax float64

	// Format writes a value with a number of decimal places of the value itself: 0.2 with 1 may become "0.2" or "20 %". Nil for plain numbers.
	Format func(y float64, decimals int) string
	// FormatX writes a step. Nil for plain numbers.
	FormatX func(x float64) string
	// Decimals are the places of the values under the pointer; 0 for 4.
	Decimals int
}

func (o Options) value(y float64) string {
	if !finite(y) {
		return "–"
	}
	decimals := o.Decimals
	if decimals <= 0 {
		decimals = 4
	}
	return o.tick(y, decimals)
}

func (o Options) tick(y float64, decimals int) string {
	if o.Format != nil {
		return o.Format(y, decimals)
	}
	return plain(y, decimals)
}

func (o Options) step(x float64) string {
	if o.FormatX != nil {
		return o.FormatX(x)
	}
	if math.Abs(x) >= 1e15 {
		return plain(x, 0)
	}
	return strconv.FormatFloat(x, 'f', -1, 64)
}

// plain writes a number without its digits filling a line.
func plain(v float64, decimals int) string {
	if size := math.Abs(v); decimals > 8 || size >= 1e9 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// Figure is a chart with its curves, to be drawn or written without a window. It is a snapshot: any goroutine may use it.
type Figure struct {
	Options Options
	Series  []Series
	Steps   float64 // The horizontal axis reaches at least so far.
}

// empty tells whether there is nothing to be drawn.
func (f Figure) empty() bool {
	for _, s := range f.Series {
		if !s.empty() {
			return false
		}
	}
	return true
}

// ranges gives what the axes show, for about so many ticks on the vertical one: finite numbers, each range of a width.
func (f Figure) ranges(yTicks int) (xLo, xHi, yLo, yHi float64) {
	least, most := math.Inf(1), math.Inf(-1)
	if finite(f.Steps) {
		xHi = f.Steps // May lie left of the curves, which then decide.
	}
	for _, s := range f.Series {
		if n := len(s.X); n > 0 {
			xLo, xHi = min(xLo, s.X[0]), max(xHi, s.X[n-1])
		}
		for _, y := range s.Y {
			if finite(y) {
				least, most = min(least, y), max(most, y)
			}
		}
	}
	xLo, xHi = bounded(xLo), bounded(xHi)
	if xHi-xLo < 1 {
		xHi = xLo + max(1, math.Abs(xLo)*1e-9)
	}

	yLo, yHi = bounded(f.Options.YMin), bounded(f.Options.YMax)
	if yHi-yLo >= smallest {
		return xLo, xHi, yLo, yHi
	}
	yLo = bounded(min(yLo, least))
	if yHi = bounded(most); yHi-yLo < smallest {
		return xLo, xHi, yLo, yLo + max(1, math.Abs(yLo)*1e-9)
	}
	return xLo, xHi, yLo, roundUp(yLo, yHi, yTicks)
}

// bounded gives a number that an axis can show: NaN becomes 0.
func bounded(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return min(max(v, -largest), largest)
}
