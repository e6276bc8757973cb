package chart

import (
	"image"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/widgets"
)

var (
	_ fyne.Tappable      = (*legendEntry)(nil)
	_ fyne.Focusable     = (*legendEntry)(nil)
	_ desktop.Hoverable  = (*legendEntry)(nil)
	_ desktop.Cursorable = (*legendEntry)(nil)
)

// legendEntry is a sample of a curve and its name. A click, Space or Return hides the curve, or shows it again.
type legendEntry struct {
	widget.BaseWidget
	chart  *Chart
	index  int
	sample *sample
	name   *canvas.Text
	strike *canvas.Line      // Through the name of a hidden curve.
	back   *canvas.Rectangle // Tells that the entry is hovered or focused.

	focused, hovered bool
}

func newLegendEntry(c *Chart, index int) *legendEntry {
	e := &legendEntry{chart: c, index: index, sample: newSample(), name: canvas.NewText("", nil), strike: canvas.NewLine(nil), back: canvas.NewRectangle(nil)}
	e.ExtendBaseWidget(e)
	return e
}

// show sets what the entry shows; its place is that of its chart's layout.
func (e *legendEntry) show(at entry, style Style, hidden bool, ink colors) {
	at.name.muted = hidden
	at.name.at.x -= at.whole.x
	at.name.at.y -= at.whole.y
	place(e.name, at.name, ink)
	style.Faint = style.Faint || hidden
	e.sample.show(style, ink)
	e.sample.raster.Move(fyne.NewPos(at.sample.x-at.whole.x, 0))
	e.sample.raster.Resize(fyne.NewSize(at.sample.w, at.sample.h))
	e.strike.Hidden = !hidden
	e.strike.StrokeColor, e.strike.StrokeWidth = ink.foreground, 1
	middle := at.name.at.y + at.name.at.h/2
	e.strike.Position1 = fyne.NewPos(at.name.at.x, middle)
	e.strike.Position2 = fyne.NewPos(at.name.at.x+at.name.at.w, middle)
	e.strike.Refresh()
	e.back.Resize(fyne.NewSize(at.whole.w, at.whole.h))
	e.mark()
}

// mark shows whether the entry is hovered or focused.
func (e *legendEntry) mark() {
	e.back.Hidden = !e.focused && !e.hovered
	e.back.FillColor, e.back.CornerRadius = theme.Color(theme.ColorNameHover), theme.InputRadiusSize()
	e.back.StrokeColor, e.back.StrokeWidth = theme.Color(theme.ColorNamePrimary), 0
	if e.focused {
		e.back.StrokeWidth = 2
	}
	e.back.Refresh()
}

// CreateRenderer makes what draws the widget.
func (e *legendEntry) CreateRenderer() fyne.WidgetRenderer {
	return &placed{objects: []fyne.CanvasObject{e.back, e.sample.raster, e.name, e.strike}}
}

// Tapped hides the curve or shows it.
func (e *legendEntry) Tapped(*fyne.PointEvent) {
	e.chart.toggle(e.index)
}

// FocusGained brings the entry into sight.
func (e *legendEntry) FocusGained() {
	e.focused = true
	e.mark()
	scroll, top := e.chart.legend, e.Position().Y
	switch bottom := top + e.Size().Height; {
	case top < scroll.Offset.Y:
		scroll.ScrollToOffset(fyne.NewPos(0, top))
	case bottom > scroll.Offset.Y+scroll.Size().Height:
		scroll.ScrollToOffset(fyne.NewPos(0, bottom-scroll.Size().Height))
	}
}

// FocusLost takes the mark of the focus away.
func (e *legendEntry) FocusLost() {
	e.focused = false
	e.mark()
}

// TypedRune does nothing: Space comes as a key.
func (e *legendEntry) TypedRune(rune) {}

// TypedKey hides the curve or shows it.
func (e *legendEntry) TypedKey(key *fyne.KeyEvent) {
	if key.Name == fyne.KeySpace || key.Name == fyne.KeyReturn || key.Name == fyne.KeyEnter {
		e.chart.toggle(e.index)
		return
	}
	widgets.HandOn(e, key)
}

// MouseIn marks the entry.
func (e *legendEntry) MouseIn(*desktop.MouseEvent) {
	e.hovered = true
	e.mark()
}

// MouseMoved does nothing.
func (e *legendEntry) MouseMoved(*desktop.MouseEvent) {}

// MouseOut takes the mark away.
func (e *legendEntry) MouseOut() {
	e.hovered = false
	e.mark()
}

// Cursor tells that the entry can be clicked.
func (e *legendEntry) Cursor() desktop.Cursor {
	return desktop.PointerCursor
}

// sample is a short piece of a curve.
type sample struct {
	raster  *canvas.Raster
	picture picture
	plotter plotter
	style   Style
	ink     colors
}

func newSample() *sample {
	s := &sample{}
	s.raster = canvas.NewRaster(func(w, h int) image.Image {
		picture := s.picture.blank(w, h)
		s.plotter.sample(picture, s.style, s.ink, float32(w)/max(1, s.raster.Size().Width))
		return picture
	})
	return s
}

// show sets the style, and draws it anew if it changed.
func (s *sample) show(style Style, ink colors) {
	if s.style != style || s.ink != ink {
		s.style, s.ink = style, ink
		s.raster.Refresh()
	}
}

// placed is the renderer of widgets whose chart places their parts.
type placed struct {
	objects []fyne.CanvasObject
}

// Layout has nothing to do: the chart has done it.
func (p *placed) Layout(fyne.Size) {}

// MinSize is zero: the chart knows the widget's size.
func (p *placed) MinSize() fyne.Size {
	return fyne.Size{}
}

// Objects are the widget's parts.
func (p *placed) Objects() []fyne.CanvasObject {
	return p.objects
}

// Refresh has nothing to do: the chart refreshes what changes.
func (p *placed) Refresh() {}

// Destroy has nothing to do.
func (p *placed) Destroy() {}
