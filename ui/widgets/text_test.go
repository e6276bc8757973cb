package widgets

import (
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"

	kaikatheme "kaika/ui/theme"
)

// TestText wants lines by the width, and a height by the lines.
func TestText(t *testing.T) {
	w, _ := window(t)
	text := NewText("写真は全部で1,202枚です。ラベルごとのフォルダー（バラ、チューリップ）に入っています。")
	below := NewText("OK")
	w.SetContent(container.NewVBox(text, below))
	lines := func() []string { return strings.Split(text.label.Text, "\n") }
	line := below.MinSize().Height
	heights := map[float32]int{}
	for _, width := range []float32{640, 200, 1200, 200} {
		w.Resize(fyne.NewSize(width, 600))
		test.WidgetRenderer(text).Refresh()
		heights[width] = len(lines())
		if n := float32(len(lines())); text.MinSize().Height < n*line/2 || n > 1 && text.MinSize().Height <= line {
			t.Errorf("%g lines are %g high, and one %g", n, text.MinSize().Height, line)
		}
		for _, l := range lines() {
			if fyne.MeasureText(l, 14, fyne.TextStyle{}).Width > width {
				t.Errorf("%q is too long for %g", l, width)
			}
		}
	}
	if heights[1200] != 1 || heights[200] < 4 || heights[640] >= heights[200] {
		t.Errorf("lines by the width: %v", heights)
	}
	if text.MinSize().Width > 80 {
		t.Errorf("it wants to be %g wide", text.MinSize().Width)
	}
	text.SetText("短い")
	if text.label.Text != "短い" || text.MinSize().Height != line {
		t.Errorf("another text is shown as %q, %g high", text.label.Text, text.MinSize().Height)
	}
	text.SetText("")
	if text.label.Text != "" {
		t.Errorf("no text is shown as %q", text.label.Text)
	}
}

func BenchmarkText(b *testing.B) {
	test.NewTempApp(b).Settings().SetTheme(kaikatheme.New(kaikatheme.Light))
	text := NewText("写真は全部で1,202枚です。ラベルごとのフォルダー（バラ、チューリップ）に入っています。Retrain the last layer of a network.")
	w := test.NewTempWindow(b, text)
	w.Resize(fyne.NewSize(300, 400))
	for b.Loop() {
		text.Refresh()
	}
}
