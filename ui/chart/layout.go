package chart

// box is a rectangle, in device-independent pixels from the chart's upper left corner.
type box struct {
	x, y, w, h float32
}

// label is a text of a chart.
type label struct {
	text  string
	at    box
	size  float32
	bold  bool
	muted bool
}

// entry is a curve in the legend: a sample of its line, then its name.
type entry struct {
	sample box
	name   label
	whole  box // What can be clicked.
}

// measure gives the size of a text.
type measure func(text string, size float32, bold bool) (w, h float32)

// textSizes are the sizes of a chart's texts, in device-independent pixels.
type textSizes struct {
	title, legend, tick float32
}

// layout says where everything of a chart is.
type layout struct {
	labels         []label
	legend         box // Where the legend is seen; its entries may be higher and then scroll.
	entries        []entry
	plot           box   // Between the axes.
	x, y           scale // To places within the plot, from its upper left corner.
	xTicks, yTicks []float64
}

// Sizes in device-independent pixels.
const (
	sampleWidth  = 30
	entryGap     = 12
	entryPadding = 4
	tickGap      = 5
	plotMargin   = markerRadius + 3 // Curves at the border are drawn whole.
	leastPlot    = 40
	lowChart     = 260
	// The largest share of a chart's height that its legend takes before it scrolls.
	legendShare = 0.25
)

// arrange lays out a figure of a size. names are the entries of the legend, of hidden series too. whole keeps the legend from scrolling.
func arrange(f Figure, names []string, width, height float32, sizes textSizes, m measure, whole bool) layout {
	var l layout
	o := f.Options
	top := float32(0)
	var right float32 // Of the title.
	if o.Title != "" {
		w, h := m(o.Title, sizes.title, true)
		l.labels = append(l.labels, label{text: shorten(o.Title, width, sizes.title, true, m), at: box{0, 0, min(w, width), h}, size: sizes.title, bold: true})
		top += h + 2
		right = min(w, width) + entryGap
	}
	unitWidth, unitHeight := m(o.YLabel, sizes.tick, false)
	// In a low chart what the values are stands beside the title, if there is room, so that the curves keep theirs.
	beside := right > 0 && height < lowChart && right+unitWidth <= width
	if o.YLabel != "" && beside {
		l.labels = append(l.labels, label{text: o.YLabel, at: box{right, max(0, top-4-unitHeight), unitWidth, unitHeight}, size: sizes.tick, muted: true})
	}

	legendHeight := l.arrangeLegend(names, width, sizes.legend, m)
	if len(names) > 0 {
		seen := legendHeight
		if row := l.entries[0].whole.h; !whole && seen > height*legendShare {
			seen = max(row, floor(height*legendShare/row)*row)
		}
		l.legend = box{0, top, width, seen}
		top += seen
	}
	if o.YLabel != "" && !beside {
		text := shorten(o.YLabel, width, sizes.tick, false, m)
		l.labels = append(l.labels, label{text: text, at: box{0, top + 2, min(unitWidth, width), unitHeight}, size: sizes.tick, muted: true})
		top += unitHeight + 2
	}

	_, tickHeight := m("0", sizes.tick, false)
	top += tickHeight/2 + 2
	bottom := height - tickHeight - tickGap
	if o.XLabel != "" {
		text := shorten(o.XLabel, width, sizes.tick, false, m)
		w, h := m(text, sizes.tick, false)
		bottom -= h
		l.labels = append(l.labels, label{text: text, at: box{max(0, width-w-plotMargin), height - h, w, h}, size: sizes.tick, muted: true})
	}
	l.plot = box{y: top, h: max(leastPlot, bottom-top)}
	before := len(l.labels)
	l.arrangeAxes(f, width, sizes.tick, tickHeight, m)
	if o.Empty != "" && f.empty() && len(f.Series) == len(names) {
		l.labels, l.xTicks, l.yTicks = l.labels[:before], nil, nil // The sentence stands alone. Where curves are only hidden, the axes stay.
	}
	return l
}

// arrangeLegend sets the entries in rows, from the legend's upper left corner, and gives their height.
func (l *layout) arrangeLegend(names []string, width, size float32, m measure) float32 {
	x, y, row := float32(0), float32(0), float32(0)
	for _, name := range names {
		text := shorten(name, width-sampleWidth-3*entryPadding, size, false, m)
		w, h := m(text, size, false)
		row = h + 2*entryPadding
		whole := sampleWidth + 3*entryPadding + w
		if x > 0 && x+whole > width {
			x, y = 0, y+row
		}
		l.entries = append(l.entries, entry{
			sample: box{x + entryPadding, y, sampleWidth, row},
			name:   label{text: text, at: box{x + sampleWidth + 2*entryPadding, y + entryPadding, w, h}, size: size},
			whole:  box{x, y, whole, row},
		})
		x += whole + entryGap
	}
	return y + row
}

// arrangeAxes finds the ticks and, by the width of their texts, the left and right ends of the plot.
func (l *layout) arrangeAxes(f Figure, width, size, tickHeight float32, m measure) {
	count := max(1, int(l.plot.h/(2.2*tickHeight)))
	count = min(count, 10)
	xLo, xHi, yLo, yHi := f.ranges(count)
	var decimals int
	l.yTicks, decimals = ticks(yLo, yHi, count, 0)
	texts := make([]string, len(l.yTicks))
	var left float32
	for i, v := range l.yTicks {
		texts[i] = f.Options.tick(v, decimals)
		w, _ := m(texts[i], size, false)
		left = max(left, w)
	}
	left += tickGap
	last, _ := m(f.Options.step(xHi), size, false)
	l.plot.x = max(left, plotMargin)
	l.plot.w = max(leastPlot, width-l.plot.x-max(last/2, plotMargin))
	l.x = scale{xLo, xHi, 0, l.plot.w}
	l.y = scale{yLo, yHi, l.plot.h, 0}

	for i, v := range l.yTicks {
		w, h := m(texts[i], size, false)
		l.labels = append(l.labels, label{text: texts[i], at: box{l.plot.x - tickGap - w, l.plot.y + l.y.at(v) - h/2, w, h}, size: size, muted: true})
	}
	l.xTicks, _ = ticks(xLo, xHi, min(10, max(1, int(l.plot.w/(1.6*last+8)))), 1)
	for _, v := range l.xTicks {
		text := f.Options.step(v)
		w, h := m(text, size, false)
		l.labels = append(l.labels, label{text: text, at: box{l.plot.x + l.x.at(v) - w/2, l.plot.y + l.plot.h + tickGap, w, h}, size: size, muted: true})
	}
}

// shorten cuts a text that is wider than there is room, and says so by an ellipsis.
func shorten(text string, width, size float32, bold bool, m measure) string {
	if w, _ := m(text, size, bold); w <= width {
		return text
	}
	runes := []rune(text)
	short, long := 0, len(runes) // How much fits, and how much does not.
	for long-short > 1 {
		middle := (short + long) / 2
		if w, _ := m(string(runes[:middle])+"…", size, bold); w <= width {
			short = middle
		} else {
			long = middle
		}
	}
	return string(runes[:short]) + "…"
}
