package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"

	"kaika/ui/widgets"
)

// keyed is a tab with something that the keys are for while nothing has the keyboard's focus, such as photos.
type keyed interface {
	// Focus gives that the focus, if it is there.
	Focus()
}

// takeKeys has the frame get the keys, letters and shortcuts that no widget has taken. Nothing has the focus after a click
// on empty ground or on most buttons; without this the keyboard would be dead then.
func (f *Frame) takeKeys() {
	canvas := f.window.Canvas()
	canvas.SetOnTypedKey(func(e *fyne.KeyEvent) {
		switch {
		case widgets.TypedKey(f.window, e), canvas.Overlays().Top() != nil:
		case e.Name == fyne.KeyF1:
			f.showHelp()
		default:
			if focused := f.focusFront(); focused != nil {
				focused.TypedKey(e)
			}
		}
	})
	canvas.SetOnTypedRune(func(r rune) {
		if focused := f.focusFront(); focused != nil {
			focused.TypedRune(r)
		} else if f.reviews() {
			f.review.TypedRune(r)
		}
	})
	again := &desktop.CustomShortcut{KeyName: fyne.KeyZ, Modifier: fyne.KeyModifierShortcutDefault | fyne.KeyModifierShift}
	for _, s := range []fyne.Shortcut{&fyne.ShortcutUndo{}, &fyne.ShortcutRedo{}, again, &fyne.ShortcutSelectAll{}} {
		canvas.AddShortcut(s, func(s fyne.Shortcut) {
			if focused, ok := f.focusFront().(fyne.Shortcutable); ok {
				focused.TypedShortcut(s)
			} else if f.reviews() {
				f.review.TypedShortcut(s)
			}
		})
	}
}

// focusFront gives the keyboard's focus to the tab at the front, if nothing has it and no dialog or menu is open, and tells
// what has it then; else nil.
func (f *Frame) focusFront() fyne.Focusable {
	canvas := f.window.Canvas()
	front, ok := f.front.(keyed)
	if !ok || f.greets() || canvas.Focused() != nil || canvas.Overlays().Top() != nil {
		return nil
	}
	front.Focus()
	return canvas.Focused()
}

// reviews tells whether Review is at the front, with nothing over it.
func (f *Frame) reviews() bool {
	return f.selected() == tabReview && f.window.Canvas().Overlays().Top() == nil
}
