package chart

import (
	"math"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// tooltip shows the values of all curves at a step.
type tooltip struct {
	widget.BaseWidget
	back  *canvas.Rectangle
	title *canvas.Text
	rows  []*tooltipRow
	parts *placed
}

// tooltipRow is a curve and its value.
type tooltipRow struct {
	sample      *sample
	name, value *canvas.Text
}

// reading is what a row says.
type reading struct {
	name, value string
	style       Style
}

func newTooltip() *tooltip {
	t := &tooltip{back: canvas.NewRectangle(nil), title: canvas.NewText("", nil)}
	t.parts = &placed{objects: []fyne.CanvasObject{t.back, t.title}}
	t.ExtendBaseWidget(t)
	t.Hidden = true
	return t
}

// CreateRenderer makes what draws the widget.
func (t *tooltip) CreateRenderer() fyne.WidgetRenderer {
	return t.parts
}

// Sizes in device-independent pixels.
const (
	tipPadding = 6
	tipSample  = 22
	tipAway    = 12 // From the cursor's line.
)

// show sets the texts and gives the size for them, in several columns if they do not fit into the height of the room.
func (t *tooltip) show(title string, readings []reading, room fyne.Size, ink colors) fyne.Size {
	sizes := screenSizes()
	for len(t.rows) < len(readings) {
		row := &tooltipRow{sample: newSample(), name: canvas.NewText("", nil), value: canvas.NewText("", nil)}
		t.rows = append(t.rows, row)
		t.parts.objects = append(t.parts.objects, row.sample.raster, row.name, row.value)
	}
	for i, row := range t.rows {
		row.sample.raster.Hidden = i >= len(readings)
		row.name.Hidden, row.value.Hidden = row.sample.raster.Hidden, row.sample.raster.Hidden
	}

	title = shorten(title, room.Width-2*tipPadding, sizes.tick, true, measureText)
	titleWidth, rowHeight := measureText(title, sizes.tick, true)
	place(t.title, label{text: title, at: box{tipPadding, tipPadding, titleWidth, rowHeight}, size: sizes.tick, bold: true}, ink)

	perColumn := max(1, int((room.Height-2*tipPadding)/rowHeight)-1)
	columns := max(1, (len(readings)+perColumn-1)/perColumn)
	perColumn = (len(readings) + columns - 1) / columns
	left, bottom := float32(tipPadding), rowHeight+tipPadding
	for first := 0; first < len(readings); first += perColumn {
		last := min(first+perColumn, len(readings))
		var nameWidth, valueWidth float32
		for _, r := range readings[first:last] {
			w, _ := measureText(r.value, sizes.tick, true)
			valueWidth = max(valueWidth, w)
		}
		most := max(24, room.Width/float32(columns)-valueWidth-tipSample-5*tipPadding)
		names := make([]string, last-first)
		for i, r := range readings[first:last] {
			names[i] = shorten(r.name, most, sizes.tick, false, measureText)
			w, _ := measureText(names[i], sizes.tick, false)
			nameWidth = max(nameWidth, w)
		}
		top := rowHeight + tipPadding
		for i, r := range readings[first:last] {
			row := t.rows[first+i]
			row.sample.show(r.style, ink)
			row.sample.raster.Move(fyne.NewPos(left, top))
			row.sample.raster.Resize(fyne.NewSize(tipSample, rowHeight))
			place(row.name, label{text: names[i], at: box{left + tipSample + tipPadding, top, nameWidth, rowHeight}, size: sizes.tick}, ink)
			w, _ := measureText(r.value, sizes.tick, true)
			place(row.value, label{text: r.value, at: box{left + tipSample + 3*tipPadding + nameWidth + valueWidth - w, top, w, rowHeight}, size: sizes.tick, bold: true}, ink)
			top += rowHeight
		}
		left += tipSample + 3*tipPadding + nameWidth + valueWidth + 2*tipPadding
		bottom = max(bottom, top)
	}
	size := fyne.NewSize(max(left-tipPadding, titleWidth+2*tipPadding), bottom+tipPadding)
	t.back.FillColor, t.back.StrokeColor, t.back.StrokeWidth = theme.Color(theme.ColorNameOverlayBackground), ink.muted, 1
	t.back.CornerRadius = theme.InputRadiusSize()
	t.back.Resize(size)
	t.back.Refresh()
	return size
}

// showCursor shows the values at the cursor of the plot, or takes them away.
func (c *Chart) showCursor() {
	a := c.plot
	l, x := a.layout, a.cursor
	shown := finite(x) && len(a.series) > 0 && x >= l.x.lo && x <= l.x.hi
	a.line.Hidden = !shown
	c.tip.Hidden = !shown
	dots := 0
	if shown {
		at := l.x.at(x) + plotMargin
		a.line.StrokeColor, a.line.StrokeWidth = a.ink.muted, 1
		a.line.Position1, a.line.Position2 = fyne.NewPos(at, plotMargin), fyne.NewPos(at, plotMargin+l.plot.h)
		readings := make([]reading, len(a.series))
		for i, s := range a.series {
			readings[i] = reading{name: s.Name, value: c.figure.Options.value(math.NaN()), style: s.Style}
			near := s.nearest(x)
			if near < 0 || !finite(s.Y[near]) {
				continue
			}
			readings[i].value = c.figure.Options.value(s.Y[near])
			if s.X[near] != x { // The curve has no value just here.
				readings[i].value += " (" + c.figure.Options.step(s.X[near]) + ")"
			}
			if y := l.y.at(s.Y[near]); y >= -1 && y <= l.plot.h+1 {
				a.dot(dots, l.x.at(s.X[near])+plotMargin, y+plotMargin, s.Style)
				dots++
			}
		}
		title := c.figure.Options.step(x)
		if c.figure.Options.XLabel != "" {
			title = c.figure.Options.XLabel + " " + title
		}
		c.placeTip(c.tip.show(title, readings, c.Size(), a.ink))
	}
	for _, dot := range a.dots[dots:] {
		dot.Hide()
	}
	a.line.Refresh()
	c.tip.Refresh()
}

// dot marks the value of a curve by the i-th circle.
func (a *plotArea) dot(i int, x, y float32, s Style) {
	const size = 9
	if i == len(a.dots) {
		a.dots = append(a.dots, canvas.NewCircle(nil))
		a.parts.objects = append(a.parts.objects, a.dots[i])
	}
	dot := a.dots[i]
	dot.FillColor, dot.StrokeColor, dot.StrokeWidth = a.ink.background, Color(s.Color, a.ink.dark), 2
	dot.Move(fyne.NewPos(x-size/2.0, y-size/2.0))
	dot.Resize(fyne.NewSize(size, size))
	dot.Show()
	dot.Refresh()
}

// placeTip puts the tooltip beside the cursor's line, where there is more room, and within the chart.
func (c *Chart) placeTip(size fyne.Size) {
	whole := c.Size()
	at := c.layout.plot.x + c.layout.x.at(c.plot.cursor)
	x := at + tipAway
	if x+size.Width > whole.Width {
		x = at - tipAway - size.Width
	}
	y := c.layout.plot.y + plotMargin
	if c.plot.pointer >= 0 {
		y = c.layout.plot.y + c.plot.pointer - size.Height/2
	}
	c.tip.Move(fyne.NewPos(max(0, min(x, whole.Width-size.Width)), max(0, min(y, whole.Height-size.Height))))
	c.tip.Resize(size)
}
