package widgets

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// press presses a key as the driver does: the widget with the focus gets it, or else the window.
func press(w fyne.Window, key fyne.KeyName) {
	ev := &fyne.KeyEvent{Name: key}
	if focused := w.Canvas().Focused(); focused != nil {
		focused.TypedKey(ev)
		return
	}
	TypedKey(w, ev)
}

// TestDialogKeys presses Escape and Enter wherever the focus can be in a dialog.
func TestDialogKeys(t *testing.T) {
	w, _ := window(t)
	behind := NewEntry()
	w.SetContent(behind)
	w.Canvas().Focus(behind)
	accepted, closed := 0, 0
	open := func() {
		list := NewList(func() int { return 3 }, func() fyne.CanvasObject { return widget.NewLabel("") }, func(int, fyne.CanvasObject) {})
		d := NewDialog(w, "Title", "Cancel", container.NewGridWithRows(5,
			NewEntry(), NewMultiLineEntry(), NewSelect([]string{"a", "b"}, func(string) {}), NewCheck("c", func(bool) {}), list), 400, 500)
		d.SetOnClosed(func() { closed++ })
		d.SetAccept("Do it", theme.ConfirmIcon(), func() { accepted++ })
		d.Open(nil)
	}
	open()
	if b, ok := w.Canvas().Focused().(*Button); !ok || b.Text != "Do it" {
		t.Errorf("the focus begins at %v", w.Canvas().Focused())
	}
	const places = 7 // Five in the content and two buttons.
	var stops []fyne.Focusable
	for range places {
		w.Canvas().FocusNext()
		stops = append(stops, w.Canvas().Focused())
	}
	w.Canvas().FocusNext()
	if w.Canvas().Focused() != stops[0] {
		t.Fatalf("Tab comes to other places than %v", stops)
	}
	w.Canvas().Focus(nil)
	press(w, fyne.KeyEscape)
	if w.Canvas().Overlays().Top() != nil || accepted != 0 || closed != 1 {
		t.Fatalf("without a focus Escape leaves the dialog open; agreed %d times, closed %d times", accepted, closed)
	}
	if w.Canvas().Focused() != behind {
		t.Errorf("afterwards the focus is on %v", w.Canvas().Focused())
	}
	for i := range places {
		for _, key := range []fyne.KeyName{fyne.KeyEscape, fyne.KeyReturn, fyne.KeyEnter} {
			open()
			w.Canvas().Focus(nil)
			for range i + 1 {
				w.Canvas().FocusNext()
			}
			focused := w.Canvas().Focused()
			accepted = 0
			press(w, key)
			want := 0
			switch b, isButton := focused.(*Button); {
			case key == fyne.KeyEscape:
			case isButton && b.Text == "Cancel":
			default:
				want = 1
			}
			if e, ok := focused.(*Entry); ok && e.MultiLine && key != fyne.KeyEscape {
				if e.Text != "\n" || accepted != 0 {
					t.Errorf("in an entry of several lines %s gives %q", key, e.Text)
				}
				press(w, fyne.KeyEscape)
				continue
			}
			if accepted != want || w.Canvas().Overlays().Top() != nil {
				t.Errorf("%s at %T: agreed %d times, want %d; open: %v", key, focused, accepted, want, w.Canvas().Overlays().Top() != nil)
			}
		}
	}
}

// TestEnterInLists presses Enter in a list that can be chosen from, in a dialog that is for nothing else and in one that is.
func TestEnterInLists(t *testing.T) {
	for _, c := range []struct {
		name           string
		accepts, enter bool
		chosen, agreed int
	}{
		{"nothing to agree to", false, false, 1, 0},
		{"something to agree to", true, false, 0, 1},
		{"something to agree to, and a list that takes Enter", true, true, 1, 0},
	} {
		w, _ := window(t)
		chosen, agreed := 0, 0
		list := NewList(func() int { return 3 }, func() fyne.CanvasObject { return widget.NewLabel("") }, func(int, fyne.CanvasObject) {})
		list.OnSelected = func(int) { chosen++ }
		list.Enter = c.enter
		d := NewDialog(w, "Title", "Cancel", list, 400, 500)
		if c.accepts {
			d.SetAccept("Do it", nil, func() { agreed++ })
		}
		d.Open(list)
		press(w, fyne.KeyReturn)
		if chosen != c.chosen || agreed != c.agreed || (w.Canvas().Overlays().Top() == nil) != (agreed > 0) {
			t.Errorf("%s: chosen %d times, agreed %d times", c.name, chosen, agreed)
		}
	}
}

// TestCloseAll closes dialogs that lie over each other.
func TestCloseAll(t *testing.T) {
	w, _ := window(t)
	closed := 0
	for range 3 {
		d := NewDialog(w, "Title", "Cancel", NewEntry(), 400, 0)
		d.SetOnClosed(func() { closed++ })
		d.Open(nil)
	}
	w.Canvas().Overlays().Add(widget.NewLabel("a menu"))
	CloseAll(w)
	if closed != 3 || w.Canvas().Overlays().Top() != nil {
		t.Errorf("%d of 3 are closed", closed)
	}
}

// TestDialogCannotAgree has nothing to agree to yet, or something dangerous.
func TestDialogCannotAgree(t *testing.T) {
	w, tx := window(t)
	accepted := 0
	entry := NewEntry()
	d := NewDialog(w, "Name", "Cancel", entry, 400, 0)
	accept := d.SetAccept("Create", nil, func() { accepted++ })
	accept.Disable()
	d.Open(entry)
	press(w, fyne.KeyReturn)
	if accepted != 0 || w.Canvas().Overlays().Top() == nil {
		t.Error("Enter agrees to what cannot be done yet")
	}
	accept.Enable()
	press(w, fyne.KeyReturn)
	if accepted != 1 || w.Canvas().Overlays().Top() != nil {
		t.Errorf("Enter agrees %d times", accepted)
	}

	Confirm(w, tx, "Fetch?", "A download.", "Download", func() { accepted++ })
	press(w, fyne.KeyReturn)
	if accepted != 2 {
		t.Errorf("Enter agrees to a question %d times", accepted-1)
	}

	danger := 0
	for _, away := range []bool{false, true} {
		ConfirmDanger(w, tx, "Empty?", "For good.", "Empty", func() { danger++ })
		if away {
			w.Canvas().Focus(nil)
		}
		press(w, fyne.KeyReturn)
		press(w, fyne.KeyEscape)
		if danger != 0 || w.Canvas().Overlays().Top() != nil {
			t.Errorf("Enter confirms what is dangerous %d times", danger)
		}
	}
}

// TestButtonByKey taps a button beside any dialog.
func TestButtonByKey(t *testing.T) {
	w, tx := window(t)
	tapped := 0
	b := NewButton("Ask", nil, func() { tapped++ })
	w.SetContent(b)
	w.Canvas().Focus(b)
	for _, key := range []fyne.KeyName{fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter} {
		press(w, key)
		if w.Canvas().Focused() != b {
			t.Fatalf("after %s, the focus is on %v", key, w.Canvas().Focused())
		}
	}
	press(w, fyne.KeyA)
	b.Disable()
	press(w, fyne.KeySpace)
	if tapped != 3 {
		t.Errorf("tapped %d times", tapped)
	}
	b.Enable()
	b.OnTapped = func() { ShowMessage(w, tx, "Title", "Text.") }
	press(w, fyne.KeySpace)
	press(w, fyne.KeyEscape)
	if w.Canvas().Overlays().Top() != nil || w.Canvas().Focused() != b {
		t.Errorf("after a message, the focus is on %v", w.Canvas().Focused())
	}
}

// TestDialogScrolls reads a long text by the keyboard alone.
func TestDialogScrolls(t *testing.T) {
	w, _ := window(t)
	w.Resize(fyne.NewSize(640, 480))
	text := strings.Repeat("A line of many.\n", 100)
	inner := container.NewVScroll(widget.NewLabel(text))
	NewDialog(w, "Scrolls itself", "Close", inner, 400, 400).Open(nil)
	press(w, fyne.KeyPageDown)
	if inner.Offset.Y < 100 || inner.Offset.Y > inner.Size().Height {
		t.Errorf("Page Down scrolls to %v of %v", inner.Offset.Y, inner.Size().Height)
	}
	press(w, fyne.KeyPageUp)
	press(w, fyne.KeyPageUp)
	if inner.Offset.Y != 0 {
		t.Errorf("Page Up scrolls to %v", inner.Offset.Y)
	}
	for range 100 {
		press(w, fyne.KeyPageDown)
	}
	if end := inner.Content.MinSize().Height - inner.Size().Height; inner.Offset.Y != end {
		t.Errorf("the end is at %v, want %v", inner.Offset.Y, end)
	}
	press(w, fyne.KeyEscape)

	d := NewDialog(w, "Is scrolled", "Close", NewText(text), 400, 0)
	d.Open(nil)
	press(w, fyne.KeyPageDown)
	if d.scroll.Offset.Y == 0 {
		t.Error("Page Down does not scroll a long text")
	}
	press(w, fyne.KeyEscape)
}

// TestDialogUnderAnother closes a dialog by itself while another one is open over it.
func TestDialogUnderAnother(t *testing.T) {
	w, tx := window(t)
	below := NewDialog(w, "Close?", "Go on", NewText("A job is at work."), 400, 0)
	below.SetDanger("Stop", func() {})
	below.Open(nil)
	ShowError(w, tx, "The job failed.", errors.New("no space"))
	below.Close()
	below.Close()
	if n := len(w.Canvas().Overlays().List()); n != 1 {
		t.Fatalf("%d dialogs are open", n)
	}
	if len(find[*Text](w)) == 0 || find[*Text](w)[0].Text != "The job failed." {
		t.Error("the error went with the question below it")
	}
	press(w, fyne.KeyEscape)
	if w.Canvas().Overlays().Top() != nil {
		t.Error("the error cannot be closed any more")
	}
}

// TestDialogFits shows long texts in a small window.
func TestDialogFits(t *testing.T) {
	w, tx := window(t)
	for _, size := range []fyne.Size{{Width: 640, Height: 480}, {Width: 1600, Height: 1000}} {
		w.Resize(size)
		for _, n := range []int{0, 1, 40, 400} {
			ShowError(w, tx, strings.Repeat("写真を読み取れませんでした。", n), errors.New(strings.Repeat("no space left ", min(n, 40))))
			test.Tap(button(t, w, "Details"))
			popup, ok := w.Canvas().Overlays().Top().(*widget.PopUp)
			if !ok {
				t.Fatal("there is no dialog")
			}
			room := w.Canvas().Size()
			if got := popup.Content.Size(); got.Width > room.Width || got.Height > room.Height {
				t.Errorf("%d sentences: the dialog is %v in a window of %v", n, got, room)
			}
			closing := button(t, w, "Close")
			at := fyne.CurrentApp().Driver().AbsolutePositionForObject(closing)
			if at.Y < 0 || at.Y+closing.Size().Height > room.Height {
				t.Errorf("%d sentences: Close is at %v", n, at)
			}
			press(w, fyne.KeyEscape)
		}
	}
}

// TestFocusComesIntoSight goes by Tab through a dialog that is higher than the window.
func TestFocusComesIntoSight(t *testing.T) {
	w, _ := window(t)
	w.Resize(fyne.NewSize(640, 480))
	for name, wrap := range map[string]func(fyne.CanvasObject) (content fyne.CanvasObject, height float32){
		"scrolls itself": func(o fyne.CanvasObject) (fyne.CanvasObject, float32) { return container.NewVScroll(o), 400 },
		"is scrolled":    func(o fyne.CanvasObject) (fyne.CanvasObject, float32) { return o, 0 },
	} {
		column := container.NewVBox()
		for range 6 {
			column.Add(NewEntry())
			column.Add(NewText(strings.Repeat("A sentence. ", 40)))
			column.Add(NewSelect([]string{"a"}, func(string) {}))
			column.Add(NewCheck("c", func(bool) {}))
			column.Add(NewRadioGroup([]string{"one", "two"}, func(string) {}))
			column.Add(NewButton("b", nil, func() {}))
		}
		content, height := wrap(column)
		d := NewDialog(w, name, "Close", content, 400, height)
		d.Open(nil)
		scroll, driver := d.scroller(), fyne.CurrentApp().Driver()
		offset, stops := map[float32]bool{}, 0
		for _, next := range []func(){w.Canvas().FocusNext, w.Canvas().FocusPrevious} {
			for range 37 {
				next()
				o, ok := w.Canvas().Focused().(fyne.CanvasObject)
				if !ok {
					t.Fatalf("%s: nothing has the focus", name)
				}
				offset[scroll.Offset.Y] = true
				if o == d.dismiss {
					continue
				}
				stops++
				y := driver.AbsolutePositionForObject(o).Y - driver.AbsolutePositionForObject(scroll).Y
				if y < -1 || y+o.Size().Height > scroll.Size().Height+1 {
					t.Errorf("%s: %T has the focus at %v of %v", name, o, y, scroll.Size().Height)
				}
			}
		}
		if stops < 70 || len(offset) < 5 {
			t.Errorf("%s: %d widgets had the focus, at %d places", name, stops, len(offset))
		}
		w.Canvas().Focus(nil)
		scroll.ScrollToTop()
		w.Canvas().Focus(d.dismiss)
		if scroll.Offset.Y != 0 {
			t.Errorf("%s: the focus on the dialog's button scrolls to %v", name, scroll.Offset)
		}
		press(w, fyne.KeyEscape)
	}
}

// TestRadioGroup chooses by keys and by the mouse.
func TestRadioGroup(t *testing.T) {
	w, _ := window(t)
	var told []string
	gained := 0
	g := NewRadioGroup([]string{"one", "two"}, func(s string) { told = append(told, s) })
	g.Gained = func() { gained++ }
	w.SetContent(g)
	helped := 0
	w.Canvas().SetOnTypedKey(func(*fyne.KeyEvent) { helped++ })
	w.Canvas().FocusNext()
	w.Canvas().FocusNext()
	press(w, fyne.KeySpace)
	press(w, fyne.KeySpace) // It is chosen already.
	test.Tap(g.items[0])
	w.Canvas().FocusNext()
	press(w, fyne.KeyReturn)
	if want := []string{"two", "one", "two"}; !slices.Equal(told, want) || gained != 4 {
		t.Errorf("told of %q, want %q; the focus came %d times", told, want, gained)
	}
	press(w, fyne.KeyF1)
	press(w, fyne.KeyA)
	if helped != 1 {
		t.Errorf("the window gets %d keys", helped)
	}
	g.Options = append(g.Options, "three")
	g.Selected = "three"
	g.Refresh()
	if len(g.items) != 3 || g.items[2].option != "three" || w.Canvas().Focused() != g.items[1] {
		t.Errorf("with another option: %d, the focus is on %v", len(g.items), w.Canvas().Focused())
	}
	g.Disable()
	test.Tap(g.items[0])
	if g.Selected != "three" || !g.items[0].Disabled() {
		t.Errorf("disabled, it chose %q", g.Selected)
	}
	g.Enable()
	test.Tap(g.items[0])
	if g.Selected != "one" {
		t.Errorf("enabled again, it chose %q", g.Selected)
	}
	g.Options = g.Options[:1]
	g.Refresh()
	if len(g.items) != 1 || len(g.box.Objects) != 1 {
		t.Errorf("with one option there are %d", len(g.items))
	}
}
