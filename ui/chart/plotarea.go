package chart

import (
	"image"
	"math"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/widgets"
)

var (
	_ fyne.Tappable      = (*plotArea)(nil)
	_ fyne.Focusable     = (*plotArea)(nil)
	_ desktop.Hoverable  = (*plotArea)(nil)
	_ desktop.Cursorable = (*plotArea)(nil)
)

// plotArea is the part of a chart between its axes, with a margin around it: the curves, and the cursor at the step whose values are shown.
type plotArea struct {
	widget.BaseWidget
	chart  *Chart
	raster *canvas.Raster
	line   *canvas.Line
	dots   []*canvas.Circle
	ring   *canvas.Rectangle // Tells that the area is focused.
	parts  *placed

	// What the raster draws.
	picture picture
	plotter plotter
	layout  layout
	series  []Series
	ink     colors

	cursor           float64 // The step whose values are shown; NaN for none.
	pointer          float32 // Where the pointer is, from the upper end; negative when keys moved the cursor.
	focused, hovered bool
}

func newPlotArea(c *Chart) *plotArea {
	a := &plotArea{chart: c, line: canvas.NewLine(nil), ring: canvas.NewRectangle(nil), cursor: math.NaN(), pointer: -1}
	a.raster = canvas.NewRaster(a.draw)
	a.line.Hidden, a.ring.Hidden = true, true
	a.parts = &placed{objects: []fyne.CanvasObject{a.raster, a.ring, a.line}}
	a.ExtendBaseWidget(a)
	return a
}

// CreateRenderer makes what draws the widget.
func (a *plotArea) CreateRenderer() fyne.WidgetRenderer {
	return a.parts
}

func (a *plotArea) draw(w, h int) image.Image {
	picture := a.picture.blank(w, h)
	a.plotter.draw(picture, a.layout, a.series, a.ink, float32(w)/max(1, a.raster.Size().Width))
	return picture
}

// show draws other curves.
func (a *plotArea) show(l layout, series []Series, ink colors) {
	a.layout, a.series, a.ink = l, series, ink
	size := fyne.NewSize(l.plot.w+2*plotMargin, l.plot.h+2*plotMargin)
	if a.raster.Size() == size {
		a.raster.Refresh()
	} else {
		a.raster.Resize(size) // Draws it too.
	}
	a.ring.Move(fyne.NewPos(plotMargin-1, plotMargin-1))
	a.ring.Resize(fyne.NewSize(l.plot.w+2, l.plot.h+2))
	a.ring.StrokeColor, a.ring.StrokeWidth = theme.Color(theme.ColorNamePrimary), 2
	a.ring.Refresh()
}

// Tapped takes the focus, so that the arrow keys go on from here.
func (a *plotArea) Tapped(*fyne.PointEvent) {
	if a.chart.Focus != nil {
		a.chart.Focus(a)
	}
}

// FocusGained shows the values at the last step, unless those at another are shown.
func (a *plotArea) FocusGained() {
	a.focused, a.ring.Hidden = true, false
	a.ring.Refresh()
	if math.IsNaN(a.cursor) {
		a.setCursor(a.nearest(math.Inf(1)), -1)
	}
}

// FocusLost takes the cursor away, unless the pointer is here.
func (a *plotArea) FocusLost() {
	a.focused, a.ring.Hidden = false, true
	a.ring.Refresh()
	if !a.hovered {
		a.setCursor(math.NaN(), -1)
	}
}

// TypedRune does nothing.
func (a *plotArea) TypedRune(rune) {}

// TypedKey moves the cursor: the arrows by a step that any curve has, Page Up and Page Down by a tenth of the axis, Home and End to its ends.
func (a *plotArea) TypedKey(key *fyne.KeyEvent) {
	x, tenth := a.cursor, (a.layout.x.hi-a.layout.x.lo)/10
	none := math.IsNaN(x)
	switch {
	case key.Name == fyne.KeyEscape:
		a.setCursor(math.NaN(), -1)
	case key.Name == fyne.KeyHome:
		a.setCursor(a.nearest(math.Inf(-1)), -1)
	case key.Name == fyne.KeyEnd || none && (key.Name == fyne.KeyLeft || key.Name == fyne.KeyPageDown):
		a.setCursor(a.nearest(math.Inf(1)), -1)
	case none && (key.Name == fyne.KeyRight || key.Name == fyne.KeyPageUp):
		a.setCursor(a.nearest(math.Inf(-1)), -1)
	case key.Name == fyne.KeyLeft:
		a.setCursor(a.neighbour(Series.before, math.Max), -1)
	case key.Name == fyne.KeyRight:
		a.setCursor(a.neighbour(Series.after, math.Min), -1)
	case key.Name == fyne.KeyPageDown:
		a.setCursor(a.nearest(x+tenth), -1)
	case key.Name == fyne.KeyPageUp:
		a.setCursor(a.nearest(x-tenth), -1)
	default:
		widgets.HandOn(a, key)
	}
}

// neighbour gives the step next to the cursor on one side, of all curves the nearest; the cursor's own if there is none.
func (a *plotArea) neighbour(of func(Series, float64) (float64, bool), nearer func(x, y float64) float64) float64 {
	next, known := a.cursor, false
	for _, s := range a.series {
		if step, found := of(s, a.cursor); found {
			if known {
				step = nearer(step, next)
			}
			next, known = step, true
		}
	}
	return next
}

// nearest gives the step of any curve that is nearest to x, NaN if there is none.
func (a *plotArea) nearest(x float64) float64 {
	nearest := math.NaN()
	x = min(max(x, a.layout.x.lo), a.layout.x.hi)
	for _, s := range a.series {
		n := len(s.X)
		if n == 0 {
			continue
		}
		step := s.X[s.nearest(min(max(x, s.X[0]), s.X[n-1]))]
		if math.IsNaN(nearest) || math.Abs(step-x) < math.Abs(nearest-x) {
			nearest = step
		}
	}
	return nearest
}

// MouseIn shows the values under the pointer.
func (a *plotArea) MouseIn(e *desktop.MouseEvent) {
	a.MouseMoved(e)
}

// MouseMoved shows the values under the pointer.
func (a *plotArea) MouseMoved(e *desktop.MouseEvent) {
	a.hovered = true
	a.setCursor(a.nearest(a.layout.x.value(e.Position.X-plotMargin)), max(0, e.Position.Y-plotMargin))
}

// MouseOut takes the values away, unless keys have the focus here.
func (a *plotArea) MouseOut() {
	a.hovered = false
	if !a.focused {
		a.setCursor(math.NaN(), -1)
	}
}

// Cursor is a cross over the curves.
func (a *plotArea) Cursor() desktop.Cursor {
	return desktop.CrosshairCursor
}

// setCursor shows the values at a step, or none at NaN.
func (a *plotArea) setCursor(x float64, pointer float32) {
	same := a.cursor == x || math.IsNaN(a.cursor) && math.IsNaN(x)
	if same && a.pointer == pointer {
		return
	}
	a.cursor, a.pointer = x, pointer
	a.chart.showCursor()
}
