package retrain

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"
)

// reveal scrolls as little as is needed to bring what lies from the first of some objects to the last into sight; the
// first, where not all has room. Fyne does not do so with what takes the focus.
func reveal(s *container.Scroll, first, last fyne.CanvasObject) {
	d := fyne.CurrentApp().Driver()
	zero := d.AbsolutePositionForObject(s.Content).Y
	top := d.AbsolutePositionForObject(first).Y - zero
	bottom := d.AbsolutePositionForObject(last).Y - zero + last.Size().Height
	y := s.Offset.Y
	if room := s.Size().Height; bottom > y+room {
		y = bottom - room
	}
	if y = min(y, top); y != s.Offset.Y {
		s.ScrollToOffset(fyne.NewPos(0, y))
	}
}

// wheel lies over what scrolls by itself and hands the wheel on to what that lies in. Without it a page that is scrolled
// would stop where such a thing comes under the pointer. Only the wheel stops at it; the pointer goes through.
type wheel struct {
	widget.BaseWidget

	around, aside fyne.Scrollable // Aside takes what goes to the left and right; it may be nil.
}

func newWheel(around, aside fyne.Scrollable) *wheel {
	w := &wheel{around: around, aside: aside}
	w.ExtendBaseWidget(w)
	return w
}

// Scrolled implements fyne.Scrollable.
func (w *wheel) Scrolled(e *fyne.ScrollEvent) {
	if w.aside != nil && e.Scrolled.DX != 0 {
		w.aside.Scrolled(e)
		return
	}
	w.around.Scrolled(e)
}

// MinSize implements fyne.Widget.
func (w *wheel) MinSize() fyne.Size { return fyne.Size{} }

// CreateRenderer implements fyne.Widget.
func (w *wheel) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(container.NewWithoutLayout())
}

// The form's widgets are Fyne's, but for telling when they take the focus.
type (
	entry struct {
		widget.Entry

		gained func()
	}
	selection struct {
		widget.Select

		gained func()
	}
	check struct {
		widget.Check

		gained func()
	}
	button struct {
		widget.Button

		gained func()
	}
)

func newEntry(gained func()) *entry {
	e := &entry{gained: gained}
	e.ExtendBaseWidget(e)
	return e
}

func newSelection(options []string, changed func(string), gained func()) *selection {
	s := &selection{gained: gained}
	s.Options, s.OnChanged = options, changed
	s.ExtendBaseWidget(s)
	return s
}

func newCheck(text string, changed func(bool), gained func()) *check {
	c := &check{gained: gained}
	c.Text, c.OnChanged = text, changed
	c.ExtendBaseWidget(c)
	return c
}

func newButton(text string, icon fyne.Resource, tapped, gained func()) *button {
	b := &button{gained: gained}
	b.Text, b.Icon, b.OnTapped = text, icon, tapped
	b.ExtendBaseWidget(b)
	return b
}

// FocusGained implements fyne.Focusable.
func (e *entry) FocusGained() {
	e.Entry.FocusGained()
	e.gained()
}

// FocusGained implements fyne.Focusable.
func (s *selection) FocusGained() {
	s.Select.FocusGained()
	s.gained()
}

// FocusGained implements fyne.Focusable.
func (c *check) FocusGained() {
	c.Check.FocusGained()
	c.gained()
}

// FocusGained implements fyne.Focusable.
func (b *button) FocusGained() {
	b.Button.FocusGained()
	b.gained()
}
