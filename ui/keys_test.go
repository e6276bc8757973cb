package ui

import (
	"strings"
	"testing"

	"fyne.io/fyne/v2"

	"kaika/core/picture/picturetest"
	"kaika/ui/i18n"
	"kaika/ui/widgets"
)

// TestKeysOfNobody types while nothing has the keyboard's focus, as after a click on a button or beside everything: the
// photos of Review take it.
func TestKeysOfNobody(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "rose", "tulip")
	o := open(t, memory{prefLanguage: "en", prefDataset: dir, prefTab: tabReview})
	canvas := o.window.Canvas()
	sees := func(text string) {
		t.Helper()
		o.until("it says "+text, func() bool { return strings.Contains(o.texts(), text) })
	}
	o.until("the photos have the focus", func() bool {
		return o.session.library != nil && canvas.Focused() != nil && strings.Contains(o.texts(), "6 photos")
	})
	photos := canvas.Focused()
	typed := func(r rune) {
		if focused := canvas.Focused(); focused != nil {
			focused.TypedRune(r)
			return
		}
		canvas.OnTypedRune()(r)
	}
	shortcut := func(s fyne.Shortcut) {
		handler, ok := canvas.Focused().(fyne.Shortcutable)
		if !ok {
			handler, ok = canvas.(fyne.Shortcutable)
		}
		if !ok {
			t.Fatal("the window knows no shortcuts")
		}
		handler.TypedShortcut(s)
	}

	canvas.Unfocus()
	o.press(fyne.KeyDelete)
	sees("1 photo moved to the trash")
	if canvas.Focused() != photos {
		t.Errorf("after Delete the focus is on %T", canvas.Focused())
	}
	canvas.Unfocus()
	typed('u')
	sees("Undone")
	canvas.Unfocus()
	shortcut(&fyne.ShortcutRedo{})
	sees("Done again")
	canvas.Unfocus()
	shortcut(&fyne.ShortcutSelectAll{})
	sees("5 selected")

	// With the focus on a button, what was done can be undone, too.
	canvas.Focus(o.dataset)
	shortcut(&fyne.ShortcutUndo{})
	sees("Undone")
	shortcut(&fyne.ShortcutRedo{})
	sees("Done again")
	typed('U')
	sees("Undone")
	if canvas.Focused() != o.dataset {
		t.Errorf("then the focus is on %T", canvas.Focused())
	}

	// A dialog keeps all to itself.
	o.showAbout()
	canvas.Focus(nil)
	o.press(fyne.KeyDelete)
	typed('u')
	shortcut(&fyne.ShortcutRedo{})
	canvas.Overlays().Remove(canvas.Overlays().Top())
	o.review.TypedShortcut(&fyne.ShortcutSelectAll{})
	sees("6 selected")

	// So does another tab.
	o.Select(tabRetrain)
	o.press(fyne.KeyDelete)
	typed('u')
	shortcut(&fyne.ShortcutRedo{})
	o.Select(tabReview)
	sees("6 selected")
}

// TestHelpFits shows the shortcuts in the smallest window: all of it can be scrolled to, and nothing is cut off.
func TestHelpFits(t *testing.T) {
	for _, language := range []string{"en", "ja"} {
		o := open(t, memory{prefLanguage: language})
		o.window.Resize(fyne.NewSize(800, 600))
		o.showHelp()
		for _, s := range scrolls(o.window.Canvas().Overlays().Top()) {
			if s.Content.MinSize().Width > s.Size().Width {
				t.Errorf("%s: the list needs a width of %v and has %v", language, s.Content.MinSize().Width, s.Size().Width)
			}
			within(s.Content, func(object fyne.CanvasObject) {
				if text, ok := object.(*widgets.Text); ok && text.MinSize().Height > text.Size().Height {
					t.Errorf("%s: %q needs a height of %v and has %v", language, text.Text, text.MinSize().Height, text.Size().Height)
				}
			})
		}
	}
}

// TestHelpOnMac wants Command in the place of Ctrl.
func TestHelpOnMac(t *testing.T) {
	tx, err := i18n.Load("en")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[bool]string{}
	for _, mac := range []bool{false, true} {
		for _, s := range shortcuts(tx, mac) {
			for _, k := range s.keys {
				keys[mac] += k[0] + "\n"
			}
		}
	}
	if !strings.Contains(keys[false], "Ctrl+Shift+Z") || strings.Contains(keys[false], "⌘") {
		t.Errorf("elsewhere the keys are %s", keys[false])
	}
	if strings.Contains(keys[true], "Ctrl") || strings.Contains(keys[true], "Alt") || !strings.Contains(keys[true], "Shift+⌘Z") || !strings.Contains(keys[true], "⌘1 … ⌘4") {
		t.Errorf("on macOS the keys are %s", keys[true])
	}
}
