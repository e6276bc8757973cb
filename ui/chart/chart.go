package chart

import (
	"image"
	"image/color"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/widgets"
)

// Chart is a widget that shows a [Figure]. The legend's entries hide and show their curves. The values at a step stand beside the pointer, or
// beside the step that the arrow keys choose. All methods are for the goroutine of the window.
type Chart struct {
	widget.BaseWidget
	figure Figure
	hidden map[string]bool // By the key of a series.

	plot      *plotArea
	legend    *container.Scroll // In the chart only where the entries have no room: it would keep the wheel from what the chart lies in.
	entries   []*legendEntry
	box       *fyne.Container // Of the entries.
	sentence  *widgets.Text   // For a chart without curves.
	tip       *tooltip
	layout    layout
	relayouts func() // Of the renderer; nil before there is one.

	// Focus gives the keyboard's focus to the chart when it is clicked; nil for none.
	Focus func(fyne.Focusable)
}

// New makes a chart without curves.
func New(o Options) *Chart {
	c := &Chart{figure: Figure{Options: o}, hidden: map[string]bool{}}
	c.plot = newPlotArea(c)
	c.box = container.NewWithoutLayout()
	c.legend = container.NewVScroll(c.box)
	c.sentence = widgets.NewCenteredText(o.Empty)
	c.tip = newTooltip()
	c.ExtendBaseWidget(c)
	return c
}

// SetSeries shows other curves, or the same ones grown longer. It keeps the slices, which must not change any more. A hidden series stays hidden
// as long as one of its name is there.
func (c *Chart) SetSeries(series []Series) {
	c.figure.Series = make([]Series, len(series))
	hidden := map[string]bool{}
	seen := map[string]int{}
	for i, s := range series {
		c.figure.Series[i] = s.ordered()
		if key := keyOf(s, seen); c.hidden[key] {
			hidden[key] = true
		}
	}
	c.hidden = hidden
	c.update()
}

// SetSteps makes the horizontal axis reach at least to a step, such as the last one of a training run at work, so that curves grow into their
// place instead of being pressed together. 0 ends it with the curves.
func (c *Chart) SetSteps(steps float64) {
	c.figure.Steps = steps
	c.update()
}

// Figure gives what the chart shows, without the hidden curves: for export.
func (c *Chart) Figure() Figure {
	f := c.figure
	f.Series = c.visible()
	return f
}

// CreateRenderer makes what draws the widget.
func (c *Chart) CreateRenderer() fyne.WidgetRenderer {
	r := &renderer{chart: c}
	c.relayouts = r.arrange
	r.arrange()
	return r
}

// keyOf gives what a series is remembered by: its name, and for a name that other series have too, which of them it is.
func keyOf(s Series, seen map[string]int) string {
	seen[s.Name]++
	return s.Name + "\x00" + strconv.Itoa(seen[s.Name])
}

// isHidden tells which series are hidden.
func (c *Chart) isHidden() []bool {
	hidden := make([]bool, len(c.figure.Series))
	seen := map[string]int{}
	for i, s := range c.figure.Series {
		hidden[i] = c.hidden[keyOf(s, seen)]
	}
	return hidden
}

func (c *Chart) visible() []Series {
	series := make([]Series, 0, len(c.figure.Series))
	for i, hidden := range c.isHidden() {
		if !hidden {
			series = append(series, c.figure.Series[i])
		}
	}
	return series
}

// toggle hides the i-th series or shows it again.
func (c *Chart) toggle(i int) {
	seen := map[string]int{}
	var key string
	for _, s := range c.figure.Series[:i+1] {
		key = keyOf(s, seen)
	}
	c.hidden[key] = !c.hidden[key]
	c.update()
}

// update draws anew what has changed.
func (c *Chart) update() {
	if c.relayouts != nil {
		c.relayouts()
	}
}

// renderer lays out a chart's parts.
type renderer struct {
	chart   *Chart
	labels  []*canvas.Text
	objects []fyne.CanvasObject
}

// Layout is called when the widget's size changed.
func (r *renderer) Layout(fyne.Size) {
	r.arrange()
}

// MinSize is the least size at which a chart tells anything.
func (r *renderer) MinSize() fyne.Size {
	return fyne.NewSize(220, 140)
}

// Objects are all parts, the lower ones first.
func (r *renderer) Objects() []fyne.CanvasObject {
	return r.objects
}

// Refresh is called when the theme changed.
func (r *renderer) Refresh() {
	for _, text := range r.labels {
		text.Refresh() // A font may have changed although the text has not.
	}
	r.chart.sentence.Refresh()
	for _, e := range r.chart.entries {
		e.name.Refresh()
	}
	r.arrange()
	canvas.Refresh(r.chart)
}

// Destroy ends the renderer.
func (r *renderer) Destroy() {
	r.chart.relayouts = nil
}

// arrange lays out all parts for the chart's size, curves and theme.
func (r *renderer) arrange() {
	c := r.chart
	size := c.Size()
	if size.Width < 1 || size.Height < 1 {
		return
	}
	shown := c.Figure()
	names := make([]string, len(c.figure.Series))
	for i, s := range c.figure.Series {
		names[i] = s.Name
	}
	c.layout = arrange(shown, names, size.Width, size.Height, screenSizes(), measureText, false)
	ink := screenColors()

	for len(r.labels) < len(c.layout.labels) {
		r.labels = append(r.labels, canvas.NewText("", color.Transparent))
	}
	for i, text := range r.labels {
		if i >= len(c.layout.labels) {
			text.Hide()
			continue
		}
		place(text, c.layout.labels[i], ink)
	}
	c.arrangeLegend(ink)
	c.plot.show(c.layout, shown.Series, ink)
	c.plot.Move(fyne.NewPos(c.layout.plot.x-plotMargin, c.layout.plot.y-plotMargin))
	c.plot.Resize(fyne.NewSize(c.layout.plot.w+2*plotMargin, c.layout.plot.h+2*plotMargin))

	c.sentence.Hidden = !c.figure.empty() || c.figure.Options.Empty == ""
	if !c.sentence.Hidden {
		c.sentence.Resize(fyne.NewSize(c.layout.plot.w, c.sentence.MinSize().Height))
		height := c.sentence.MinSize().Height // Known only after the width, for the sentence may take several lines.
		c.sentence.Resize(fyne.NewSize(c.layout.plot.w, height))
		c.sentence.Move(fyne.NewPos(c.layout.plot.x, c.layout.plot.y+max(0, c.layout.plot.h-height)/2))
	}
	c.showCursor()

	r.objects = r.objects[:0]
	for _, text := range r.labels {
		r.objects = append(r.objects, text)
	}
	if c.box.Size().Height > c.layout.legend.h {
		r.objects = append(r.objects, c.legend)
	} else {
		r.objects = append(r.objects, c.box)
	}
	r.objects = append(r.objects, c.plot, c.sentence, c.tip)
}

func (c *Chart) arrangeLegend(ink colors) {
	hidden := c.isHidden()
	if n := len(hidden); n != len(c.entries) {
		for len(c.entries) < n {
			c.entries = append(c.entries, newLegendEntry(c, len(c.entries)))
		}
		c.entries = c.entries[:n]
		c.box.Objects = c.box.Objects[:0]
		for _, e := range c.entries {
			c.box.Objects = append(c.box.Objects, e)
		}
	}
	var height float32
	for i, e := range c.entries {
		at := c.layout.entries[i]
		e.show(at, c.figure.Series[i].Style, hidden[i], ink)
		e.Move(fyne.NewPos(at.whole.x, at.whole.y))
		e.Resize(fyne.NewSize(at.whole.w, at.whole.h))
		height = max(height, at.whole.y+at.whole.h)
	}
	c.box.Layout = fixedSize{fyne.NewSize(1, height)}
	if len(c.entries) == 0 {
		c.legend.Hide()
		c.box.Resize(fyne.Size{})
		return
	}
	if height <= c.layout.legend.h {
		c.legend.Offset = fyne.Position{}
		c.box.Move(fyne.NewPos(c.layout.legend.x, c.layout.legend.y))
		c.box.Resize(fyne.NewSize(c.layout.legend.w, height))
		return
	}
	c.legend.Show()
	c.legend.Move(fyne.NewPos(c.layout.legend.x, c.layout.legend.y))
	c.legend.Resize(fyne.NewSize(c.layout.legend.w, c.layout.legend.h))
	c.legend.Refresh()
	c.box.Resize(fyne.NewSize(c.layout.legend.w, height))
}

// fixedSize is a layout for objects that are placed already.
type fixedSize struct {
	size fyne.Size
}

// Layout leaves the objects where they are.
func (fixedSize) Layout([]fyne.CanvasObject, fyne.Size) {}

// MinSize is the size that is fixed.
func (f fixedSize) MinSize([]fyne.CanvasObject) fyne.Size {
	return f.size
}

// place puts a text where it belongs, and draws it anew only if it changed.
func place(text *canvas.Text, l label, ink colors) {
	c := ink.foreground
	if l.muted {
		c = ink.muted
	}
	if text.Text != l.text || text.TextSize != l.size || text.Color != color.Color(c) || text.TextStyle.Bold != l.bold {
		text.Text, text.TextSize, text.Color, text.TextStyle.Bold = l.text, l.size, c, l.bold
		text.Refresh()
	}
	text.Show()
	text.Move(fyne.NewPos(l.at.x, l.at.y))
	text.Resize(fyne.NewSize(l.at.w, l.at.h))
}

func measureText(text string, size float32, bold bool) (w, h float32) {
	s := fyne.MeasureText(text, size, fyne.TextStyle{Bold: bold})
	return s.Width, s.Height
}

func screenSizes() textSizes {
	return textSizes{title: theme.TextSize(), legend: theme.CaptionTextSize() + 1, tick: theme.CaptionTextSize()}
}

// screenColors gives the theme's colours.
func screenColors() colors {
	background := themeColor(theme.ColorNameBackground)
	foreground := themeColor(theme.ColorNameForeground)
	muted, grid := foreground, foreground
	muted.A, grid.A = 0xe0, 0x20
	return colors{background, foreground, muted, grid, luminance(background) < 0.18}
}

func themeColor(name fyne.ThemeColorName) color.NRGBA {
	return color.NRGBAModel.Convert(theme.Color(name)).(color.NRGBA) //nolint:errcheck,forcetypeassert // What the model converts to.
}

// picture is a reused picture for a canvas.Raster, which is done with it before the next one is asked for.
type picture struct {
	image *image.RGBA
}

// blank gives a transparent picture of a size in pixels.
func (p *picture) blank(w, h int) *image.RGBA {
	if p.image == nil || p.image.Rect.Dx() != w || p.image.Rect.Dy() != h {
		p.image = image.NewRGBA(image.Rect(0, 0, w, h))
		return p.image
	}
	clear(p.image.Pix)
	return p.image
}
