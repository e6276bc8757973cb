package chart

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

// fixedWidth measures as if each letter were as wide as half its height.
func fixedWidth(text string, size float32, _ bool) (w, h float32) {
	return float32(utf8.RuneCountInString(text)) * size / 2, size * 1.3
}

var sizes = textSizes{title: 14, legend: 12, tick: 11}

func TestArrange(t *testing.T) {
	for _, width := range []float32{220, 350, 800, 3000} {
		for _, height := range []float32{140, 180, 400, 2000} {
			for _, last := range []float64{1, 2, 37, 4000, 123456789, 1e300} {
				for _, runs := range []int{0, 1, 3, 8, 40} {
					name := fmt.Sprintf("%vx%v, %v steps, %d runs", width, height, last, runs)
					f := Figure{Options: Options{Title: "Accuracy", XLabel: "Step", YLabel: "Share of the photos"}}
					var names []string
					for i := range runs {
						f.Series = append(f.Series, Series{X: []float64{0, last}, Y: []float64{0, last / 3}})
						names = append(names, fmt.Sprint("run ", strings.Repeat("x", 20*i)))
					}
					checkLayout(t, name, arrange(f, names, width, height, sizes, fixedWidth, false), width, height)
				}
			}
		}
	}
}

func checkLayout(t *testing.T, name string, l layout, width, height float32) {
	t.Helper()
	inside := func(b box) bool {
		return b.x >= 0 && b.y >= -0.01 && b.x+b.w <= width+0.01 && b.y+b.h <= height+0.01
	}
	for i, a := range l.labels {
		if !inside(a.at) {
			t.Errorf("%s: %q lies outside: %+v", name, a.text, a.at)
		}
		for _, b := range l.labels[:i] {
			if apart := a.at.x >= b.at.x+b.at.w || b.at.x >= a.at.x+a.at.w || a.at.y >= b.at.y+b.at.h-2 || b.at.y >= a.at.y+a.at.h-2; !apart {
				t.Errorf("%s: %q and %q overlap: %+v %+v", name, a.text, b.text, a.at, b.at)
			}
		}
	}
	if !inside(box{l.plot.x - plotMargin, l.plot.y - plotMargin, l.plot.w + 2*plotMargin, l.plot.h + 2*plotMargin}) || !inside(l.legend) {
		t.Errorf("%s: plot %+v, legend %+v", name, l.plot, l.legend)
	}
	if l.legend.y+l.legend.h > l.plot.y {
		t.Errorf("%s: the legend lies on the curves", name)
	}
	for i, e := range l.entries {
		if e.whole.x < 0 || e.whole.x+e.whole.w > width+0.01 || e.name.at.x+e.name.at.w > e.whole.x+e.whole.w+0.01 {
			t.Errorf("%s: entry %d lies outside: %+v", name, i, e)
		}
		if i > 0 && e.whole.y == l.entries[i-1].whole.y && e.whole.x < l.entries[i-1].whole.x+l.entries[i-1].whole.w {
			t.Errorf("%s: entries %d and %d overlap", name, i-1, i)
		}
	}
	if len(l.xTicks) == 0 || len(l.yTicks) == 0 {
		t.Errorf("%s: axes without ticks", name)
	}
}

func TestShorten(t *testing.T) {
	for width, want := range map[float32]string{100: "正解率です", 25: "正解率です", 24: "正解率…", 10: "正…", 5: "…", 0: "…"} {
		if got := shorten("正解率です", width, 10, false, fixedWidth); got != want {
			t.Errorf("%v wide: %q, want %q", width, got, want)
		}
	}
}

func TestOptionsTexts(t *testing.T) {
	var o Options
	for got, want := range map[string]string{
		o.value(0.123456): "0.1235", o.value(math.NaN()): "–", o.value(math.Inf(1)): "–", o.value(1e12): "1e+12", o.tick(0.5, 1): "0.5", o.tick(1e-12, 13): "1e-12",
		o.step(4000): "4000", o.step(2.5): "2.5", o.step(1e200): "1e+200",
		Options{Decimals: 2}.value(0.126): "0.13",
		Options{Format: func(y float64, d int) string { return fmt.Sprintf("%.*f %%", d-2, 100*y) }}.value(0.126): "12.60 %",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
