package chart

import (
	"image/color"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"
)

// shown gives a chart in a window.
func shown(t *testing.T, o Options, width, height float32) (*Chart, fyne.Window) {
	t.Helper()
	test.NewTempApp(t)
	c := New(o)
	w := test.NewTempWindow(t, c)
	c.Focus = w.Canvas().Focus
	w.SetPadded(false)
	w.Resize(fyne.NewSize(width, height))
	return c, w
}

// hover moves the pointer over the plot of a chart, from its upper left corner.
func hover(c *Chart, x, y float32) {
	c.plot.MouseMoved(&desktop.MouseEvent{PointEvent: fyne.PointEvent{Position: fyne.NewPos(x+plotMargin, y+plotMargin)}})
}

// texts gives the visible texts of a widget, in the order of drawing.
func texts(o fyne.CanvasObject) []string {
	if !o.Visible() {
		return nil
	}
	switch o := o.(type) {
	case *canvas.Text:
		return []string{o.Text}
	case *fyne.Container:
		var all []string
		for _, child := range o.Objects {
			all = append(all, texts(child)...)
		}
		return all
	case fyne.Widget:
		var all []string
		for _, child := range test.WidgetRenderer(o).Objects() {
			all = append(all, texts(child)...)
		}
		return all
	}
	return nil
}

// tip gives the texts of the values at the cursor, each name and value in one; nil if none are shown.
func tip(c *Chart) []string {
	all := texts(c.tip)
	if len(all) == 0 {
		return nil
	}
	lines := all[:1]
	for i := 1; i+1 < len(all); i += 2 {
		lines = append(lines, all[i]+": "+all[i+1])
	}
	return slices.Clone(lines)
}

func wantTip(t *testing.T, c *Chart, want ...string) {
	t.Helper()
	if got := tip(c); !slices.Equal(got, want) {
		t.Errorf("shows %q, want %q", got, want)
	}
	if c.plot.line.Visible() != (want != nil) {
		t.Errorf("the cursor's line is visible: %v", c.plot.line.Visible())
	}
}

func press(c *Chart, keys ...fyne.KeyName) {
	for _, key := range keys {
		c.plot.TypedKey(&fyne.KeyEvent{Name: key})
	}
}

// few are curves with values at different steps: a at 0, 10, 20, 30, 40 with a gap at 20, b at 10 and 15.
func few() []Series {
	return []Series{
		{Name: "a", X: []float64{0, 10, 20, 30, 40}, Y: []float64{0, 0.1, math.NaN(), 0.3, 0.4}},
		{Name: "b", X: []float64{10, 15}, Y: []float64{0.5, 0.6}, Style: StyleOf(1)},
	}
}

func TestTexts(t *testing.T) {
	c, _ := shown(t, Options{Title: "Accuracy", XLabel: "Step", YLabel: "Share", YMax: 1, Format: percent, Empty: "Nothing yet."}, 600, 400)
	if got := texts(c); !slices.Contains(got, "Accuracy") || !c.sentence.Visible() || slices.Contains(got, "20 %") {
		t.Errorf("without curves: %q, sentence visible %v", got, c.sentence.Visible())
	}
	c.SetSeries(few())
	got := texts(c)
	for _, want := range []string{"Accuracy", "Step", "Share", "a", "b", "0 %", "20 %", "100 %", "0", "20", "40"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	if c.sentence.Visible() {
		t.Error("the sentence for no curves is shown over curves")
	}
	c.SetSteps(4000)
	if got := texts(c); !slices.Contains(got, "4000") || slices.Contains(got, "40") {
		t.Errorf("with 4000 steps: %q", got)
	}
	c.SetSeries([]Series{{Name: "a", X: []float64{1}, Y: []float64{math.NaN()}}})
	if !c.sentence.Visible() {
		t.Error("no sentence for a curve without values")
	}
	c.SetSeries(nil)
	if slices.Contains(texts(c), "a") {
		t.Error("the legend still names a curve that is gone")
	}
}

func TestHover(t *testing.T) {
	c, _ := shown(t, Options{XLabel: "Step", YMax: 1, Decimals: 2}, 600, 400)
	c.SetSeries(few())
	wantTip(t, c)
	at := func(step float64) float32 { return c.layout.x.at(step) }
	hover(c, at(10.9), 50)
	wantTip(t, c, "Step 10", "a: 0.10", "b: 0.50")
	hover(c, at(14), 50)
	wantTip(t, c, "Step 15", "a: 0.10 (10)", "b: 0.60")
	hover(c, at(20), 50)
	wantTip(t, c, "Step 20", "a: –", "b: 0.60 (15)")
	hover(c, at(38), 50)
	wantTip(t, c, "Step 40", "a: 0.40", "b: –")
	hover(c, -5, 50) // In the margin.
	wantTip(t, c, "Step 0", "a: 0.00", "b: –")
	hover(c, at(40), 50)
	if c.tip.Position().X < 0 || c.tip.Position().X+c.tip.Size().Width > at(40)+c.layout.plot.x {
		t.Errorf("the values at the right end lie at %v, %v wide", c.tip.Position(), c.tip.Size())
	}
	// What comes in is shown where the pointer rests.
	more := few()
	more[1].X, more[1].Y = append(more[1].X, 40), append(more[1].Y, 0.7)
	c.SetSeries(more)
	wantTip(t, c, "Step 40", "a: 0.40", "b: 0.70")
	c.toggle(0)
	wantTip(t, c, "Step 40", "b: 0.70")
	c.plot.MouseOut()
	wantTip(t, c)
	c.SetSeries(nil)
	hover(c, 50, 50)
	wantTip(t, c)
}

func TestHoverDots(t *testing.T) {
	c, _ := shown(t, Options{YMax: 1}, 600, 400)
	c.SetSeries(few())
	visible := func() (n int) {
		for _, dot := range c.plot.dots {
			if dot.Visible() {
				n++
			}
		}
		return n
	}
	hover(c, c.layout.x.at(10), 0)
	if visible() != 2 {
		t.Errorf("%d dots for two values", visible())
	}
	dot := c.plot.dots[0]
	if x, y := dot.Position().X+dot.Size().Width/2-plotMargin, dot.Position().Y+dot.Size().Height/2-plotMargin; abs(x-c.layout.x.at(10)) > 0.01 || abs(y-c.layout.y.at(0.1)) > 0.01 {
		t.Errorf("the dot of a lies at %v,%v", x, y)
	}
	hover(c, c.layout.x.at(40), 0)
	if visible() != 1 {
		t.Errorf("%d dots for one value", visible())
	}
	c.plot.MouseOut()
	if visible() != 0 {
		t.Errorf("%d dots without the pointer", visible())
	}
}

func TestKeys(t *testing.T) {
	c, w := shown(t, Options{XLabel: "Step", YMax: 1, Decimals: 1}, 600, 400)
	c.SetSeries(few())
	test.Tap(c.plot)
	if w.Canvas().Focused() != fyne.Focusable(c.plot) || !c.plot.ring.Visible() {
		t.Fatal("a click does not focus the curves")
	}
	step := func() string { return strings.Join(tip(c)[:1], "") }
	for _, c2 := range []struct {
		key  fyne.KeyName
		want string
	}{
		{"", "Step 40"},
		{fyne.KeyRight, "Step 40"},
		{fyne.KeyLeft, "Step 30"},
		{fyne.KeyLeft, "Step 20"},
		{fyne.KeyLeft, "Step 15"}, // Of b alone.
		{fyne.KeyLeft, "Step 10"},
		{fyne.KeyRight, "Step 15"},
		{fyne.KeyHome, "Step 0"},
		{fyne.KeyLeft, "Step 0"},
		{fyne.KeyEnd, "Step 40"},
		{fyne.KeyPageUp, "Step 40"}, // 36 is nearer to 40 than to 30.
	} {
		press(c, c2.key)
		if step() != c2.want {
			t.Errorf("%q goes to %q, want %q", c2.key, step(), c2.want)
		}
	}
	press(c, fyne.KeyEscape)
	wantTip(t, c)
	press(c, fyne.KeyRight)
	if step() != "Step 0" {
		t.Errorf("from nowhere, Right goes to %s", step())
	}
	press(c, fyne.KeyEscape, fyne.KeyLeft)
	if step() != "Step 40" {
		t.Errorf("from nowhere, Left goes to %s", step())
	}
	w.Canvas().Unfocus()
	wantTip(t, c)
	if c.plot.ring.Visible() {
		t.Error("the mark of the focus stays")
	}
	c.SetSeries(nil)
	w.Canvas().Focus(c.plot)
	press(c, fyne.KeyLeft, fyne.KeyRight, fyne.KeyHome, fyne.KeyEnd, fyne.KeyPageUp, fyne.KeyPageDown)
	wantTip(t, c)
}

// A key a tenth of the axis far gets through 4,000 steps in ten strokes.
func TestPageKeys(t *testing.T) {
	c, w := shown(t, Options{}, 600, 400)
	c.SetSeries(training(4000))
	w.Canvas().Focus(c.plot)
	press(c, fyne.KeyHome)
	for range 10 {
		press(c, fyne.KeyPageDown)
	}
	if got := tip(c)[0]; got != "4000" {
		t.Errorf("ten pages on is step %s", got)
	}
	press(c, fyne.KeyPageUp)
	if got := tip(c)[0]; got != "3600" {
		t.Errorf("a page back is step %s", got)
	}
}

func names(f Figure) string {
	var all []string
	for _, s := range f.Series {
		all = append(all, s.Name)
	}
	return strings.Join(all, ",")
}

func TestLegend(t *testing.T) {
	c, w := shown(t, Options{}, 600, 400)
	series := []Series{
		{Name: "a", X: []float64{0, 1}, Y: []float64{0, 1}},
		{Name: "same", X: []float64{0, 1}, Y: []float64{0, 1}},
		{Name: "same", X: []float64{0, 1}, Y: []float64{0, 1000}},
	}
	c.SetSeries(series)
	if c.layout.y.hi != 1000 {
		t.Errorf("the axis ends at %v", c.layout.y.hi)
	}
	test.Tap(c.entries[2])
	if names(c.Figure()) != "a,same" || c.layout.y.hi != 1 || !c.entries[2].strike.Visible() || c.entries[1].strike.Visible() {
		t.Errorf("the last one hidden, %q are left and the axis ends at %v", names(c.Figure()), c.layout.y.hi)
	}
	if len(c.entries) != 3 || !slices.Contains(texts(c.legend.Content), "same") {
		t.Error("a hidden curve is gone from the legend")
	}
	c.SetSeries(series) // As when they have grown.
	if names(c.Figure()) != "a,same" {
		t.Errorf("after more came in, %q are visible", names(c.Figure()))
	}

	// By keys: the legend comes before the curves.
	var reached []fyne.Focusable
	for range 4 {
		w.Canvas().FocusNext()
		reached = append(reached, w.Canvas().Focused())
	}
	if want := []fyne.Focusable{c.entries[0], c.entries[1], c.entries[2], c.plot}; !slices.Equal(reached, want) {
		t.Fatalf("Tab goes through %v", reached)
	}
	w.Canvas().Focus(c.entries[0])
	if !c.entries[0].back.Visible() {
		t.Error("the focus is not to be seen")
	}
	c.entries[0].TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
	c.entries[2].TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	if names(c.Figure()) != "same,same" {
		t.Errorf("by keys, %q are visible", names(c.Figure()))
	}
	w.Canvas().Unfocus()
	if c.entries[0].back.Visible() {
		t.Error("the mark of the focus stays")
	}

	c.toggle(1)
	c.toggle(2)
	if names(c.Figure()) != "" || c.sentence.Visible() || len(c.layout.yTicks) == 0 {
		t.Error("with all curves hidden the axes are gone")
	}
	c.SetSeries(nil)
	c.SetSeries(series)
	if names(c.Figure()) != "a,same,same" {
		t.Errorf("of new curves %q are visible", names(c.Figure()))
	}
}

// A legend that has room does not scroll: it would keep the wheel from the page that the chart lies in.
func TestLegendLeavesTheWheel(t *testing.T) {
	c, _ := shown(t, Options{}, 350, 180)
	for _, n := range []int{0, 2, 8, 2} {
		c.SetSeries(runs(n))
		objects := test.WidgetRenderer(c).Objects()
		if scrolls := slices.Contains(objects, fyne.CanvasObject(c.legend)); scrolls != (n == 8) {
			t.Errorf("with %d curves, that the legend scrolls is %v", n, scrolls)
		}
		if n == 2 && !slices.Contains(texts(c), c.figure.Series[1].Name) {
			t.Errorf("the legend of two curves is gone: %q", texts(c))
		}
	}
}

// The legend of many runs scrolls, and follows the focus.
func TestLegendScrolls(t *testing.T) {
	c, w := shown(t, Options{}, 350, 180)
	c.SetSeries(runs(8))
	last := c.entries[7]
	if c.legend.Size().Height > 180*legendShare || last.Position().Y < c.legend.Size().Height {
		t.Fatalf("the legend takes %v, its last entry is at %v", c.legend.Size(), last.Position())
	}
	w.Canvas().Focus(last)
	if c.legend.Offset.Y+c.legend.Size().Height < last.Position().Y+last.Size().Height {
		t.Errorf("the focused entry is out of sight: scrolled to %v", c.legend.Offset)
	}
	w.Canvas().Focus(c.entries[0])
	if c.legend.Offset.Y != 0 {
		t.Errorf("the first entry is out of sight: scrolled to %v", c.legend.Offset)
	}
}

type variant struct {
	fyne.Theme
	dark bool
}

func (v variant) Color(name fyne.ThemeColorName, _ fyne.ThemeVariant) color.Color {
	if v.dark {
		return v.Theme.Color(name, theme.VariantDark)
	}
	return v.Theme.Color(name, theme.VariantLight)
}

func TestTheme(t *testing.T) {
	c, w := shown(t, Options{Title: "T", YMax: 1}, 400, 300)
	c.SetSeries([]Series{{Name: "a", X: []float64{0, 100}, Y: []float64{0.5, 0.5}, Style: Style{Width: 4}}})
	for _, dark := range []bool{true, false} {
		test.ApplyTheme(t, variant{theme.DefaultTheme(), dark})
		if c.plot.ink.dark != dark {
			t.Errorf("dark %v: draws for the other", dark)
		}
		x, y := int(c.layout.plot.x+c.layout.plot.w/3), int(c.layout.plot.y+c.layout.plot.h/2)
		if got, want := color.NRGBAModel.Convert(w.Canvas().Capture().At(x, y)), color.Color(Color(0, dark)); got != want {
			t.Errorf("dark %v: the curve has the colour %v, want %v", dark, got, want)
		}
	}
}

// The curve is drawn where the axes say, also on dense screens.
func TestCurveIsInItsPlace(t *testing.T) {
	c, w := shown(t, Options{YMax: 1}, 400, 300)
	c.SetSeries([]Series{{Name: "a", X: []float64{0, 100}, Y: []float64{0, 1}, Style: Style{Width: 4}}})
	for _, density := range []float32{1, 1.5, 2} {
		scaled, ok := w.Canvas().(interface{ SetScale(scale float32) })
		if !ok {
			t.Fatal("the test canvas has no scale")
		}
		scaled.SetScale(density)
		picture := w.Canvas().Capture()
		ink := color.Color(Color(0, c.plot.ink.dark))
		for _, v := range []float64{0.1, 0.37, 0.9} {
			x, y := (c.layout.plot.x+c.layout.x.at(100*v))*density, (c.layout.plot.y+c.layout.y.at(v))*density
			if got := color.NRGBAModel.Convert(picture.At(int(x), int(y))); got != ink {
				t.Errorf("density %v: at %v,%v is %v", density, x, y, got)
			}
			if got := color.NRGBAModel.Convert(picture.At(int(x), int(y-20*density))); got == ink {
				t.Errorf("density %v: ink above the curve", density)
			}
		}
	}
}

// Nothing that is set, in whatever order and size, ends the program.
func TestAnything(t *testing.T) {
	c, w := shown(t, Options{Title: "題", XLabel: "x", Empty: "e"}, 400, 300)
	r := rand.New(rand.NewPCG(11, 12))
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 1, -1, 1e-320, 1e300, math.MaxFloat64, -math.MaxFloat64}
	for range 80 {
		switch r.IntN(7) {
		case 0:
			w.Resize(fyne.NewSize(float32(r.IntN(500)), float32(r.IntN(400))))
		case 1:
			c.Resize(fyne.NewSize(float32(r.IntN(500)), float32(r.IntN(400)))) // Also below the least size.
		case 2:
			var series []Series
			for range r.IntN(10) {
				s := Series{Name: strconv.Itoa(r.IntN(3)), Style: StyleOf(r.IntN(30))}
				for range r.IntN(20) {
					s.X, s.Y = append(s.X, odd[r.IntN(len(odd))]), append(s.Y, odd[r.IntN(len(odd))])
				}
				series = append(series, s)
			}
			c.SetSeries(series)
		case 3:
			c.SetSteps(odd[r.IntN(len(odd))])
		case 4:
			hover(c, r.Float32()*900-50, r.Float32()*700-50)
		case 5:
			press(c, []fyne.KeyName{fyne.KeyLeft, fyne.KeyRight, fyne.KeyHome, fyne.KeyEnd, fyne.KeyPageUp, fyne.KeyPageDown, fyne.KeyEscape}[r.IntN(7)])
		case 6:
			if len(c.entries) > 0 {
				test.Tap(c.entries[r.IntN(len(c.entries))])
			}
		}
		w.Canvas().Capture()
	}
}

// A chart can be filled before it is shown.
func TestBeforeShown(t *testing.T) {
	test.NewTempApp(t)
	c := New(Options{Title: "T"})
	c.SetSteps(10)
	c.SetSeries(few())
	c.plot.MouseOut()
	if names(c.Figure()) != "a,b" {
		t.Errorf("the figure has %q", names(c.Figure()))
	}
	w := test.NewTempWindow(t, c)
	w.Resize(fyne.NewSize(500, 300))
	if !slices.Contains(texts(c), "b") {
		t.Errorf("shows %q", texts(c))
	}
}
