package widgets

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/i18n"
	kaikatheme "kaika/ui/theme"
)

func window(t *testing.T) (fyne.Window, *i18n.Texts) {
	t.Helper()
	test.NewTempApp(t).Settings().SetTheme(kaikatheme.New(kaikatheme.Light))
	w := test.NewTempWindow(t, container.NewStack())
	w.Resize(fyne.NewSize(800, 600))
	tx, err := i18n.Load("en")
	if err != nil {
		t.Fatal(err)
	}
	return w, tx
}

// find gives the objects of a kind that can be seen in a window's top overlay.
func find[T fyne.CanvasObject](w fyne.Window) []T {
	var found []T
	var walk func(o fyne.CanvasObject)
	walk = func(o fyne.CanvasObject) {
		if !o.Visible() {
			return
		}
		if of, ok := o.(T); ok {
			found = append(found, of)
		}
		switch o := o.(type) {
		case *fyne.Container:
			for _, child := range o.Objects {
				walk(child)
			}
		case fyne.Widget:
			for _, child := range test.WidgetRenderer(o).Objects() {
				walk(child)
			}
		}
	}
	if top := w.Canvas().Overlays().Top(); top != nil {
		walk(top)
	}
	return found
}

func button(t *testing.T, w fyne.Window, text string) *Button {
	t.Helper()
	for _, b := range find[*Button](w) {
		if b.Text == text {
			return b
		}
	}
	t.Fatalf("there is no button %q", text)
	return nil
}

func TestShowError(t *testing.T) {
	w, tx := window(t)
	ShowError(w, tx, "never seen", fmt.Errorf("moving: %w", context.Canceled))
	if w.Canvas().Overlays().Top() != nil {
		t.Fatal("what the user cancelled is shown as an error")
	}
	ShowError(w, tx, "never seen", fmt.Errorf("moving: %w", errors.Join(context.Canceled, fmt.Errorf("b: %w", context.Canceled))))
	if w.Canvas().Overlays().Top() != nil {
		t.Fatal("what the user cancelled twice is shown as an error")
	}
	ShowError(w, tx, "Only a part was moved.", fmt.Errorf("moving: %w", errors.Join(context.Canceled, errors.New("no space"))))
	if w.Canvas().Overlays().Top() == nil {
		t.Fatal("an error is not told because the user cancelled, too")
	}
	test.Tap(button(t, w, "Close"))
	ShowError(w, tx, "The photo could not be moved. Try again.", errors.New("rename a b: no space"))
	test.Tap(button(t, w, "Details"))
	test.Tap(button(t, w, "Copy details"))
	if got := fyne.CurrentApp().Clipboard().Content(); got != "The photo could not be moved. Try again.\n\nrename a b: no space" {
		t.Errorf("copied %q", got)
	}
	test.Tap(button(t, w, "Close"))
	if w.Canvas().Overlays().Top() != nil {
		t.Error("the error stays after Close")
	}
}

func TestConfirmDanger(t *testing.T) {
	w, tx := window(t)
	confirmed := 0
	ask := func() {
		ConfirmDanger(w, tx, "Empty the trash?", "3 files go for good.", "Delete 3 files", func() { confirmed++ })
	}
	ask()
	if focused, ok := w.Canvas().Focused().(*Button); !ok || focused.Text != "Cancel" {
		t.Errorf("the keyboard's focus is on %v", w.Canvas().Focused())
	}
	test.Tap(button(t, w, "Cancel"))
	if confirmed != 0 {
		t.Fatal("Cancel confirms")
	}
	ask()
	test.Tap(button(t, w, "Delete 3 files"))
	if confirmed != 1 || w.Canvas().Overlays().Top() != nil {
		t.Errorf("confirmed %d times", confirmed)
	}
}

func TestEmpty(t *testing.T) {
	w, _ := window(t)
	tapped := ""
	w.SetContent(Empty(theme.GridIcon(), "No photos yet", "Collect some.",
		Action{"Collect", theme.DownloadIcon(), func() { tapped = "collect" }},
		Action{"Open", theme.FolderOpenIcon(), func() { tapped = "open" }}))
	w.Resize(fyne.NewSize(300, 200)) // Smaller than it would like.
	w.Canvas().FocusNext()
	if b, ok := w.Canvas().Focused().(*Button); !ok || b.Text != "Collect" || b.Importance != widget.HighImportance {
		t.Fatalf("the keyboard reaches %v first", w.Canvas().Focused())
	} else {
		b.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
	}
	if tapped != "collect" {
		t.Errorf("did %q", tapped)
	}
}

func TestBar(t *testing.T) {
	w, _ := window(t)
	b := NewBar()
	w.SetContent(b)
	w.Resize(fyne.NewSize(800, 60))
	room := func() float32 { return b.track.Size().Width }
	for _, share := range []float64{0, 0.25, 1, 1.5, -1} {
		b.Set("rose", share, "…", share == 1)
		want := room() * float32(min(max(share, 0), 1))
		if got := b.fill.Size().Width; got != want {
			t.Errorf("a share of %g is %g long of %g", share, got, room())
		}
	}
	if room() < 300 {
		t.Errorf("the bar has only %g of 800", room())
	}
	var strong, weak canvas.Rectangle
	b.Set("rose", 0.9, "90 %", true)
	strong.FillColor = b.fill.FillColor
	b.Set("rose", 0.9, "90 %", false)
	weak.FillColor = b.fill.FillColor
	if strong.FillColor == weak.FillColor {
		t.Error("the answer's bar does not stand out")
	}
}
