package chart

import (
	"fmt"
	"image"
	"math/rand/v2"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
)

// noisy gives four curves of n points that jump by a deviation.
func noisy(n int, deviation float64) []Series {
	r := rand.New(rand.NewPCG(1, 1))
	var all []Series
	for k := range 4 {
		s := Series{Name: fmt.Sprint("curve ", k), Style: StyleOf(k)}
		for i := range n {
			s.X = append(s.X, float64(i))
			s.Y = append(s.Y, min(1, max(0, 0.3+0.15*float64(k)+r.NormFloat64()*deviation)))
		}
		all = append(all, s)
	}
	return all
}

// drawing gives what draws series in a chart of a size, as the raster of a window does.
func drawing(series []Series, width, height float32) func() {
	l := arrange(Figure{Options: Options{YMax: 1}, Series: series}, nil, width, height, sizes, fixedWidth, false)
	var p plotter
	var kept picture
	w, h := round(l.plot.w+2*plotMargin), round(l.plot.h+2*plotMargin)
	c := fileColors(false)
	return func() { p.draw(kept.blank(w, h), l, series, c, 1) }
}

func BenchmarkDraw(b *testing.B) {
	for _, size := range []image.Point{{800, 400}, {1600, 800}} {
		for _, n := range []int{4000, 400000} {
			for _, deviation := range []float64{0.03, 0.3} {
				b.Run(fmt.Sprintf("%dx%d/steps=%d/deviation=%v", size.X, size.Y, n, deviation), func(b *testing.B) {
					draw := drawing(noisy(n, deviation), float32(size.X), float32(size.Y))
					draw()
					b.ReportAllocs()
					for b.Loop() {
						draw()
					}
				})
			}
		}
	}
}

func BenchmarkSetSeries(b *testing.B) {
	test.NewTempApp(b)
	c := New(Options{Title: "Accuracy", XLabel: "Step", YMax: 1, Format: percent})
	w := test.NewTempWindow(b, c)
	w.Resize(fyne.NewSize(800, 400))
	for _, n := range []int{4000, 400000} {
		b.Run(fmt.Sprintf("steps=%d", n), func(b *testing.B) {
			series := noisy(n, 0.03)
			c.SetSeries(series)
			b.ReportAllocs()
			for b.Loop() {
				c.SetSeries(series)
			}
		})
	}
}

func BenchmarkHover(b *testing.B) {
	test.NewTempApp(b)
	c := New(Options{Title: "Accuracy", XLabel: "Step", YMax: 1, Format: percent})
	w := test.NewTempWindow(b, c)
	w.Resize(fyne.NewSize(800, 400))
	c.SetSeries(noisy(4000, 0.03))
	i := float32(0)
	for b.Loop() {
		i++
		hover(c, float32(int(i)%700)+20, 100)
	}
}

// Drawing again, as it is done ten times a second, allocates nothing.
func TestDrawAllocatesNothing(t *testing.T) {
	for _, deviation := range []float64{0.003, 0.03, 0.3} {
		draw := drawing(append(noisy(4000, deviation), training(4000)...), 800, 400)
		if n := testing.AllocsPerRun(5, draw); n != 0 {
			t.Errorf("%v allocations at a deviation of %v", n, deviation)
		}
	}
}
