package widgets

import (
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
)

// Reveal scrolls as little as is needed to bring what lies from the first of some objects to the last into sight; the
// first, where not all has room. Fyne does not do so with what takes the focus.
func Reveal(s *container.Scroll, first, last fyne.CanvasObject) {
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

// TookFocus has to be called when a widget has taken the keyboard's focus: in a dialog that scrolls, it comes into sight. The
// widgets of this package call it by themselves.
func TookFocus(o fyne.Focusable) {
	w := windowOf(o)
	if w == nil {
		return
	}
	if d := dialogOf(w); d != nil {
		d.reveal(o)
	}
}

// reveal brings a widget of the content into sight.
func (d *Dialog) reveal(o fyne.Focusable) {
	object, ok := o.(fyne.CanvasObject)
	if s := d.scroller(); s != nil && ok && !slices.Contains(d.buttons.Objects, object) {
		Reveal(s, object, object)
	}
}

// gained does what is to be done when a widget has taken the focus: what its user said, or that of TookFocus.
func gained(o fyne.Focusable, does func()) {
	if does != nil {
		does()
		return
	}
	TookFocus(o)
}

// windowOf gives the window in which a widget has the focus, nil where there is none. (The driver is not asked: it does not
// know the canvas of what was never drawn.)
func windowOf(o fyne.Focusable) fyne.Window {
	for _, w := range fyne.CurrentApp().Driver().AllWindows() {
		if w.Canvas().Focused() == o {
			return w
		}
	}
	return nil
}
