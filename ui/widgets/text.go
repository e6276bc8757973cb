package widgets

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// Text is a label of one or several sentences that breaks its lines as its language does. (Fyne's own label breaks Japanese
// anywhere: inside of numbers, and before a full stop.) Its height is that of its lines at the width that it has got.
type Text struct {
	widget.BaseWidget

	// What is shown and how, as with a label of Fyne's; Refresh shows a change.
	Text       string
	Alignment  fyne.TextAlign
	TextStyle  fyne.TextStyle
	SizeName   fyne.ThemeSizeName
	Importance widget.Importance

	label *widget.Label // Shows the lines.
}

var _ fyne.Widget = (*Text)(nil)

// NewText gives a text at the leading side.
func NewText(text string) *Text {
	t := &Text{Text: text, label: widget.NewLabel("")}
	t.ExtendBaseWidget(t)
	return t
}

// NewCenteredText gives a text in the middle.
func NewCenteredText(text string) *Text {
	t := NewText(text)
	t.Alignment = fyne.TextAlignCenter
	return t
}

// SetText shows another text.
func (t *Text) SetText(text string) {
	if text != t.Text {
		t.Text = text
		t.Refresh()
	}
}

// Resize implements fyne.CanvasObject.
func (t *Text) Resize(size fyne.Size) {
	again := size.Width != t.Size().Width
	t.BaseWidget.Resize(size)
	if again {
		t.Refresh()
	}
}

// CreateRenderer implements fyne.Widget.
func (t *Text) CreateRenderer() fyne.WidgetRenderer {
	r := &textRenderer{t}
	r.arrange()
	return r
}

type textRenderer struct{ t *Text }

func (r *textRenderer) Destroy()                     {}
func (r *textRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.t.label} }
func (r *textRenderer) Layout(size fyne.Size)        { r.t.label.Resize(size) }

// MinSize is that of the lines, and as wide as a few letters: how wide it is, is for others to say.
func (r *textRenderer) MinSize() fyne.Size {
	th := r.t.Theme()
	few := 2 * (th.Size(theme.SizeNameInnerPadding) + th.Size(r.sizeName()))
	return fyne.NewSize(few, r.t.label.MinSize().Height)
}

func (r *textRenderer) Refresh() {
	r.arrange()
	r.t.label.Refresh()
}

func (r *textRenderer) sizeName() fyne.ThemeSizeName {
	if r.t.SizeName == "" {
		return theme.SizeNameText
	}
	return r.t.SizeName
}

// arrange breaks the text into lines. Before the first layout it is one line, or those that it has of its own.
func (r *textRenderer) arrange() {
	t, l := r.t, r.t.label
	l.Alignment, l.TextStyle, l.SizeName, l.Importance, l.Text = t.Alignment, t.TextStyle, r.sizeName(), t.Importance, t.Text
	th := t.Theme()
	width := t.Size().Width - 2*th.Size(theme.SizeNameInnerPadding)
	if width <= 0 {
		return
	}
	size := th.Size(r.sizeName())
	known := map[string]float32{} // Measuring is slow, and most characters come again.
	l.Text = strings.Join(breakLines(t.Text, width, func(s string) float32 {
		w, ok := known[s]
		if !ok {
			w = fyne.MeasureText(s, size, t.TextStyle).Width
			known[s] = w
		}
		return w
	}), "\n")
}
