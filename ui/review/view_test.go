package review

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"kaika/core/curate"
	"kaika/core/picture/picturetest"
	"kaika/core/thumb"
	"kaika/ui/i18n"
	"kaika/ui/theme"
	"kaika/ui/widgets"
)

// room is the tab in a window of 800 x 600 over a real dataset on disk.
type room struct {
	*Tab
	t       *testing.T
	library *curate.Library
	dir     string
	window  fyne.Window
	queue   chan func()
	called  []string
	tx      *i18n.Texts
}

func newRoom(t *testing.T, dir string) *room {
	t.Helper()
	app := test.NewTempApp(t)
	app.Settings().SetTheme(theme.New(theme.Light))
	tx, err := i18n.Load("en")
	if err != nil {
		t.Fatal(err)
	}
	r := &room{t: t, dir: dir, queue: make(chan func(), 10_000), tx: tx}
	thumbs := thumb.New(thumb.Params{Workers: 1})
	t.Cleanup(thumbs.Close)
	r.window = test.NewTempWindow(t, nil)
	r.window.SetPadded(false)
	r.window.Resize(fyne.NewSize(800, 600))
	r.Tab = New(Params{
		Window: r.window, Texts: func() *i18n.Texts { return tx }, Thumbs: thumbs, Preferences: fakePreferences{},
		Dispatch:    func(f func()) { r.queue <- f },
		Collect:     func() { r.called = append(r.called, "collect") },
		OpenDataset: func() { r.called = append(r.called, "open") },
		OpenFolder:  func(dir string) { r.called = append(r.called, "folder "+dir) },
	})
	t.Cleanup(r.Close)
	r.window.SetContent(r.Content())
	r.Shown()
	if dir != "" {
		if r.library, err = curate.Open(t.Context(), dir, curate.Options{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			r.SetLibrary(nil)
			if err := r.library.Close(); err != nil {
				t.Error(err)
			}
		})
		r.SetLibrary(r.library)
		r.until("the photos", func() bool { return r.p.loaded })
	}
	r.Shown()
	return r
}

// until runs what comes to the window's goroutine until something is so.
func (r *room) until(what string, so func() bool) {
	r.t.Helper()
	patience := time.After(30 * time.Second)
	for !so() {
		select {
		case f := <-r.queue:
			f()
		case <-patience:
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// idle waits until all that was asked for is done and shown.
func (r *room) idle() {
	r.t.Helper()
	done := make(chan struct{})
	r.p.tasks.add(func() { close(done) })
	<-done
	for len(r.queue) > 0 {
		(<-r.queue)()
	}
}

// press has the focused widget get keys.
func (r *room) press(keys ...fyne.KeyName) {
	r.t.Helper()
	for _, key := range keys {
		focused := r.window.Canvas().Focused()
		if focused == nil {
			r.t.Fatalf("nothing has the focus for %s", key)
		}
		focused.TypedKey(&fyne.KeyEvent{Name: key})
	}
}

// hold presses keys while Shift is held down.
func (r *room) hold(keys ...fyne.KeyName) {
	r.t.Helper()
	focused, ok := r.window.Canvas().Focused().(desktop.Keyable)
	if !ok {
		r.t.Fatal("nothing knows of Shift")
	}
	focused.KeyDown(&fyne.KeyEvent{Name: desktop.KeyShiftLeft})
	r.press(keys...)
	focused.KeyUp(&fyne.KeyEvent{Name: desktop.KeyShiftLeft})
}

// pick selects photos by their places.
func (r *room) pick(focus int, places ...int) {
	r.view.grid.SetSelection(places, focus)
	r.p.pick(places, focus)
}

func (r *room) runes(runes string) {
	for _, c := range runes {
		r.window.Canvas().Focused().TypedRune(c)
	}
}

func (r *room) shortcut(s fyne.Shortcut) {
	r.t.Helper()
	focused, ok := r.window.Canvas().Focused().(fyne.Shortcutable)
	if !ok {
		r.t.Fatal("the focused widget takes no shortcut")
	}
	focused.TypedShortcut(s)
}

// on lists the files on disk, without hidden folders.
func (r *room) on() string {
	var list []string
	files, err := filepath.Glob(filepath.Join(r.dir, "[^.]*", "*"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range files {
		name, err := filepath.Rel(r.dir, f)
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// texts collects all that can be read on the screen.
func texts(o fyne.CanvasObject) string {
	var b strings.Builder
	var walk func(o fyne.CanvasObject)
	walk = func(o fyne.CanvasObject) {
		if !o.Visible() {
			return
		}
		switch o := o.(type) {
		case *widget.Label:
			fmt.Fprintln(&b, o.Text)
		case *widget.Button:
			fmt.Fprintln(&b, o.Text)
		case *widgets.Button:
			fmt.Fprintln(&b, o.Text)
		case *widgets.Text:
			fmt.Fprintln(&b, o.Text)
		case *factLink:
			fmt.Fprintln(&b, o.Text, o.URL)
		case *fyne.Container:
			for _, c := range o.Objects {
				walk(c)
			}
		case *container.Scroll:
			walk(o.Content)
		case fyne.Widget:
			for _, c := range test.WidgetRenderer(o).Objects() {
				walk(c)
			}
		}
	}
	walk(o)
	return b.String()
}

func (r *room) reads(want ...string) {
	r.t.Helper()
	shown := texts(r.window.Content())
	for _, w := range want {
		if !strings.Contains(shown, w) {
			r.t.Errorf("the screen does not say %q; it says:\n%s", w, shown)
		}
	}
}

func TestByKeyboardAlone(t *testing.T) {
	r := newRoom(t, picturetest.Dataset(t, 3, "lily", "rose", "tulip"))
	r.reads("9 photos", "All photos", "Trash")
	all := r.on()

	r.p.choose(section{kind: ofLabel, label: "rose"})
	r.until("the roses", func() bool { return r.p.loaded })
	r.press(fyne.KeyRight, fyne.KeyDelete) // The keyboard is at the first one.
	r.idle()
	r.reads("1 photo moved to the trash.", "Undo: delete (1)")
	if got, want := r.on(), strings.Replace(all, " rose/1.jpg", "", 1); got != want {
		t.Errorf("after Delete there are %s", got)
	}
	r.runes("3") // The neighbour goes to the third label.
	r.idle()
	r.reads("1 photo moved to “tulip”.", "Undo: move (1)")
	if got := r.on(); !strings.Contains(got, "tulip/2 (2).jpg") || strings.Contains(got, "rose/2.jpg") {
		t.Errorf("after 3 there are %s", got)
	}
	r.runes("u")
	r.shortcut(&fyne.ShortcutUndo{})
	r.idle()
	r.reads("Undone: delete (1).", "Redo: delete (1)")
	if got := r.on(); got != all {
		t.Errorf("after two steps back there are %s, want %s", got, all)
	}
	r.shortcut(&fyne.ShortcutRedo{})
	r.shortcut(&desktop.CustomShortcut{KeyName: fyne.KeyZ, Modifier: fyne.KeyModifierShortcutDefault | fyne.KeyModifierShift})
	r.idle()
	if got := r.on(); strings.Contains(got, "rose/1.jpg") || strings.Contains(got, "rose/2.jpg") {
		t.Errorf("after both again there are %s", got)
	}
	r.runes("ｕＵ１") // As a Japanese keyboard types them: two undos, and the photo at the focus to the first label.
	r.idle()
	if got := r.on(); !strings.Contains(got, "rose/1.jpg") || !strings.Contains(got, " (2).jpg") {
		t.Errorf("after full-width keys there are %s", got)
	}

	r.p.choose(section{})
	r.until("all photos", func() bool { return r.p.loaded })
	r.press(fyne.KeyHome)
	r.hold(fyne.KeyRight, fyne.KeyRight)
	r.reads("9 photos · 3 selected")
	r.press(fyne.KeyReturn)
	if !r.p.large.open || !r.view.large.root.Visible() || r.view.main.Visible() {
		t.Fatal("Enter does not show a photo large")
	}
	r.until("the picture", func() bool { return r.view.large.whole })
	r.reads("(3 of 9)", "96 × 72 pixels", "Show in file manager", r.p.photos[2].Path)
	r.press(fyne.KeyRight)
	r.reads("(4 of 9)")
	r.press(fyne.KeyDelete)
	r.idle()
	r.reads("(4 of 8)", "1 photo moved to the trash.")
	r.press(fyne.KeyEscape)
	if r.p.large.open || !r.view.main.Visible() {
		t.Error("Escape does not go back")
	}
	r.press(fyne.KeyRight)
	r.reads("8 photos\n")

	r.shortcut(&fyne.ShortcutSelectAll{})
	r.press(fyne.KeyBackspace)
	r.idle()
	if got := r.on(); got != "" {
		t.Errorf("after deleting all there are %s", got)
	}
	r.reads("No photos yet", "Collect photos")
	r.runes("u") // Also where there is nothing to see.
	r.idle()
	r.reads("Undone: delete (8).")
}

// The driver on a screen does not know the canvas of what was never drawn, or not for a minute. The one in memory answers
// with the newest window's: here it is another one.
func TestFocusGoesToWhatIsShown(t *testing.T) {
	r := newRoom(t, picturetest.Dataset(t, 3, "rose"))
	test.NewTempWindow(t, nil)
	r.window.Canvas().Unfocus()
	r.SetLibrary(r.library)
	r.Shown()
	r.until("the photos", func() bool { return r.p.loaded })
	r.press(fyne.KeyReturn)
	if got := r.window.Canvas().Focused(); got != r.view.large.photo {
		t.Fatalf("a photo is large, and the keys go to %T", got)
	}
	r.press(fyne.KeyRight)
	r.reads("(2 of 3)")
	if err := r.library.Delete(t.Context(), []curate.ID{r.p.photos[0].ID}); err != nil { // As from another window.
		t.Fatal(err)
	}
	r.until("the change", func() bool { return len(r.p.photos) == 2 })
	r.reads("(1 of 2)")
	r.press(fyne.KeyEscape, fyne.KeyEnd, fyne.KeyDelete) // In the grid again.
	r.idle()
	if got := r.on(); got != "rose/1.jpg" {
		t.Errorf("there are %s", got)
	}
}

// A click on a button takes the keyboard's focus from the photos, in the window of a screen, and gives it to nobody.
func TestKeysAreForThePhotosAfterAClick(t *testing.T) {
	r := newRoom(t, picturetest.Dataset(t, 3, "rose"))
	click := func(b *widgets.Button) {
		t.Helper()
		r.window.Canvas().Unfocus()
		test.Tap(b)
		r.idle()
	}
	click(r.view.remove)
	r.shortcut(&fyne.ShortcutUndo{})
	r.idle()
	if got := r.on(); got != "rose/0.jpg rose/1.jpg rose/2.jpg" {
		t.Errorf("after Delete by a click, Ctrl+Z leaves %s", got)
	}
	click(r.view.moveTo)
	r.press(fyne.KeyEscape, fyne.KeyDelete) // The menu, and then the photo.
	r.idle()
	if got := r.on(); got != "rose/0.jpg rose/2.jpg" {
		t.Errorf("after a menu that was closed, Delete leaves %s", got)
	}
	r.press(fyne.KeyReturn)
	click(r.view.large.move)
	r.press(fyne.KeyEscape)
	if got := r.window.Canvas().Focused(); got != r.view.large.photo {
		t.Errorf("after the menu of the large photo, the keys go to %T", got)
	}
	r.press(fyne.KeyEscape)
	r.idle()
	r.window.Canvas().Focus(r.view.undo)
	r.press(fyne.KeySpace)
	r.idle()
	if got := r.window.Canvas().Focused(); got != r.view.undo {
		t.Errorf("a button that was reached by the keyboard loses it to %T", got)
	}
}

func TestStepsSurviveARestart(t *testing.T) {
	dir := picturetest.Dataset(t, 2, "rose")
	r := newRoom(t, dir)
	all := r.on()
	r.press(fyne.KeyDelete)
	r.press(fyne.KeyDelete)
	r.idle()
	if r.on() != "" {
		t.Fatalf("there are %s", r.on())
	}
	again := newRoom(t, dir)
	again.reads("No photos yet", "Undo: delete (1)")
	again.view.undo.OnTapped()
	again.view.undo.OnTapped()
	again.idle()
	if got := again.on(); got != all {
		t.Errorf("there are %q, want %q", got, all)
	}
	again.reads("Undone: delete (1).")
}

func TestTrashIsEmptiedOnlyOnAYes(t *testing.T) {
	r := newRoom(t, picturetest.Dataset(t, 3, "rose"))
	r.shortcut(&fyne.ShortcutSelectAll{})
	r.press(fyne.KeyDelete)
	r.idle()
	r.view.list.Select(2) // The trash.
	r.until("the trash", func() bool { return r.p.loaded })
	r.reads("Restore all", "3 photos")
	test.Tap(r.view.clear)
	dialog := texts(r.window.Canvas().Overlays().Top())
	if !strings.Contains(dialog, "3 photos are removed from this computer for good") || !strings.Contains(dialog, "Remove 3 photos") {
		t.Errorf("the question is %s", dialog)
	}
	focused, ok := r.window.Canvas().Focused().(*widgets.Button)
	if !ok || focused.Text != "Cancel" {
		t.Errorf("the focus is on %v", r.window.Canvas().Focused())
	}
	focused.Tapped(nil)
	r.idle()
	r.reads("3 photos")
	r.pick(0, []int{0}...)
	test.Tap(r.view.restore)
	r.idle()
	if got := r.on(); got != "rose/0.jpg" {
		t.Errorf("restored are %s", got)
	}
	r.p.emptyTrash()
	r.idle()
	r.reads("2 photos removed for good.", "The trash is empty")
	files, err := filepath.Glob(filepath.Join(r.dir, ".kaika", "trash", "*", "*"))
	if err != nil || len(files) != 0 {
		t.Errorf("in the trash there are %v, %v", files, err)
	}
}

func TestTheFolderIsGone(t *testing.T) {
	r := newRoom(t, picturetest.Dataset(t, 2, "rose"))
	if err := os.Rename(r.dir, r.dir+" away"); err != nil {
		t.Fatal(err)
	}
	r.press(fyne.KeyDelete)
	r.idle()
	if top := r.window.Canvas().Overlays().Top(); top == nil || !strings.Contains(texts(top), "no longer where it was") {
		t.Error("nothing says that the folder is gone")
	}
	if err := os.Rename(r.dir+" away", r.dir); err != nil { // It has to be there when it is closed.
		t.Fatal(err)
	}
}

func TestDragToALabel(t *testing.T) {
	r := newRoom(t, picturetest.Dataset(t, 3, "lily", "rose"))
	r.pick(0, []int{0, 2}...)
	origin := fyne.CurrentApp().Driver().AbsolutePositionForObject(r.view.list)
	at := func(i int) fyne.Position { return origin.AddXY(40, (float32(i)+0.5)*r.view.line) }
	for i, want := range []int{-1, 1, 2, 3} {
		if got := r.view.lineAt(at(i)); got != want {
			t.Errorf("line %d takes a drop as line %d, want %d", i, got, want)
		}
	}
	for _, out := range []fyne.Position{at(4), at(100), origin.AddXY(-5, 60), origin.AddXY(500, 60)} {
		if got := r.view.lineAt(out); got != -1 {
			t.Errorf("a drop at %v goes to line %d", out, got)
		}
	}
	r.view.dragged(at(2))
	if !r.view.ghost.Visible() || r.view.ghostText.Text != "Move 2 photos to “rose”" || r.view.hover != 2 {
		t.Errorf("the drag says %q", r.view.ghostText.Text)
	}
	r.view.dropped(at(2))
	r.idle()
	if r.view.ghost.Visible() || r.view.hover != -1 {
		t.Error("the drag is still drawn")
	}
	if got := strings.Count(r.on(), "rose/"); got != 5 {
		t.Errorf("%d roses: %s", got, r.on())
	}
	r.pick(0, []int{0}...)
	r.view.dropped(fyne.NewPos(700, 400)) // Nowhere.
	r.view.dropped(at(3))
	r.idle()
	r.reads("1 photo moved to the trash.")
}

// TestDragScrollsTheList drags over the last line of a list that is longer than the window: the labels beyond take a drop, too.
func TestDragScrollsTheList(t *testing.T) {
	var labels []string
	for i := range 30 {
		labels = append(labels, fmt.Sprintf("label %02d", i))
	}
	r := newRoom(t, picturetest.Dataset(t, 1, labels...))
	list := r.view.list
	edge := fyne.CurrentApp().Driver().AbsolutePositionForObject(list).AddXY(40, list.Size().Height-3)
	for range 40 {
		r.view.dragged(edge)
	}
	if r.view.hover < len(r.view.lines)-2 {
		t.Errorf("the drag comes to line %d of %d", r.view.hover, len(r.view.lines))
	}
	for range 40 {
		r.view.dragged(edge.AddXY(0, 6-list.Size().Height))
	}
	if list.GetScrollOffset() != 0 {
		t.Errorf("it comes back to %v", list.GetScrollOffset())
	}
}

// TestRangeAfterAnotherOrder extends a range after the photos have changed their places.
func TestRangeAfterAnotherOrder(t *testing.T) {
	r := newRoom(t, picturetest.Dataset(t, 5, "rose"))
	r.press(fyne.KeyHome)
	r.hold(fyne.KeyRight, fyne.KeyRight) // The range of 0 to 2; the middle one of five stays where it is.
	r.p.sortBy(curate.ByName | curate.Descending)
	r.until("the order", func() bool { return r.p.snap.order == curate.ByName|curate.Descending })
	_, focus := r.p.picked()
	r.hold(fyne.KeyEnd)
	if places, _ := r.p.picked(); len(places) != 5-focus || places[0] != focus {
		t.Errorf("from %d to the end the range is %v", focus, places)
	}
}

// TestBrokenPhoto opens a photo that is no picture: it says what to do, and has details to copy.
func TestBrokenPhoto(t *testing.T) {
	dir := picturetest.Dataset(t, 2, "rose")
	if err := os.WriteFile(filepath.Join(dir, "rose", "0.jpg"), []byte("not a picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRoom(t, dir)
	r.press(fyne.KeyHome, fyne.KeyReturn)
	r.until("the reason", func() bool { return r.p.large.err != nil })
	r.reads("This photo cannot be shown.", "Put a good copy in its place")
	details := r.view.large.broken
	if strings.Contains(texts(details), r.p.large.err.Error()) {
		t.Error("the error's own words are shown to everybody")
	}
	for _, b := range buttons(details) {
		test.Tap(b)
	}
	if top := r.window.Canvas().Overlays().Top(); top == nil || !strings.Contains(texts(top), "Details") {
		t.Error("there are no details")
	}
	r.window.Canvas().Overlays().Remove(r.window.Canvas().Overlays().Top())
	r.view.focus()
	r.press(fyne.KeyRight)
	if len(details.Objects) != 0 {
		t.Error("the next one cannot be shown, either")
	}
}

// TestHelpFromEverywhere goes through Review by Tab: what has the focus hands F1 on to the window.
func TestHelpFromEverywhere(t *testing.T) {
	r := newRoom(t, picturetest.Dataset(t, 2, "rose"))
	helped := 0
	r.window.Canvas().SetOnTypedKey(func(*fyne.KeyEvent) { helped++ })
	for n := range 20 {
		r.window.Canvas().FocusNext()
		r.press(fyne.KeyF1)
		if helped != n+1 {
			t.Fatalf("%T keeps F1 to itself", r.window.Canvas().Focused())
		}
	}
}

func TestLabelsByDialog(t *testing.T) {
	r := newRoom(t, picturetest.Dataset(t, 1, "rose"))
	r.view.ask("New label", "Add", "", r.p.addLabel)
	entry, ok := r.window.Canvas().Focused().(*widgets.Entry)
	if !ok {
		t.Fatal("the entry is not focused")
	}
	entry.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn}) // Empty: the question stays.
	if r.window.Canvas().Overlays().Top() == nil {
		t.Error("an empty name was taken")
	}
	entry.SetText("  野ばら ")
	entry.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	r.idle()
	r.reads("野ばら", "Label “野ばら” added.")
	if info, err := os.Stat(filepath.Join(r.dir, "野ばら")); err != nil || !info.IsDir() {
		t.Errorf("there is no folder: %v", err)
	}
	r.p.addLabel("a/b")
	r.idle()
	if top := r.window.Canvas().Overlays().Top(); top == nil || !strings.Contains(texts(top), "cannot be the name of a label") {
		t.Error("a bad name gives no sentence")
	}
	r.window.Canvas().Overlays().Remove(r.window.Canvas().Overlays().Top())

	r.view.list.Select(1) // The rose.
	r.until("the rose", func() bool { return r.p.loaded })
	test.Tap(r.view.rename)
	if entry, ok = r.window.Canvas().Focused().(*widgets.Entry); !ok || entry.Text != "rose" {
		t.Fatal("the old name is not there to be changed")
	}
	test.Type(entry, "tulip")
	entry.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	r.idle()
	r.until("the tulip", func() bool { return r.p.loaded && r.p.current.label == "tulip" })
	r.reads("The label is now “tulip”.")
}

func TestEmptyTab(t *testing.T) {
	r := newRoom(t, "")
	r.reads("No dataset is open")
	for _, b := range buttons(r.window.Content()) {
		b.OnTapped()
	}
	if strings.Join(r.called, " ") != "open collect" {
		t.Errorf("the buttons did %v", r.called)
	}
	empty := newRoom(t, t.TempDir())
	empty.reads("No photos yet", "Collect photos")
	empty.press(fyne.KeyDown, fyne.KeyDelete, fyne.KeyReturn)
	empty.runes("1u")
	empty.idle()
}

// buttons lists the buttons that are seen.
func buttons(o fyne.CanvasObject) []*widget.Button {
	if !o.Visible() {
		return nil
	}
	switch b := o.(type) {
	case *widget.Button:
		return []*widget.Button{b}
	case *widgets.Button:
		return []*widget.Button{&b.Button}
	}
	var list []*widget.Button
	if c, ok := o.(*fyne.Container); ok {
		for _, o := range c.Objects {
			list = append(list, buttons(o)...)
		}
	}
	return list
}

func TestContentAnewInAnotherLanguage(t *testing.T) {
	r := newRoom(t, picturetest.Dataset(t, 2, "rose", "tulip"))
	r.pick(2, []int{1, 2}...)
	if err := r.tx.Use("ja"); err != nil {
		t.Fatal(err)
	}
	r.window.SetContent(r.Content())
	r.reads("すべて", "ゴミ箱", "4枚の写真 · 2枚を選択中")
	if got := r.view.grid.Selected(); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("selected are %v", got)
	}
	r.p.enlarge(0)
	r.window.SetContent(r.Content())
	if !r.view.large.root.Visible() || r.view.main.Visible() {
		t.Error("the large photo is gone")
	}
	r.reads("戻る")
}

func TestShowPhotosThatAreGone(t *testing.T) {
	r := newRoom(t, picturetest.Dataset(t, 2, "rose"))
	r.Show([]curate.ID{r.p.photos[0].ID}, "rose taken for tulip")
	r.until("the photo", func() bool { return r.p.loaded })
	r.reads("rose taken for tulip", "1 photo\n")
	r.press(fyne.KeyRight, fyne.KeyDelete)
	r.idle()
	r.reads("None of these photos is in the dataset any more")
	r.press(fyne.KeyEscape) // Back to all.
	r.until("all", func() bool { return r.p.loaded })
	r.reads("1 photo\n")
}

// TestNoticeOfFlickr shows Flickr's sentence with its photos, whoever found them, and with copies of them.
func TestNoticeOfFlickr(t *testing.T) {
	for kind, want := range map[string]bool{"openverse": true, "augmented": true, "folder": false} {
		r := newRoom(t, picturetest.Dataset(t, 1, "rose"))
		s := curate.Source{Kind: kind}
		if want {
			s.PageURL = "https://www.flickr.com/photos/jane/1"
		}
		if _, err := r.library.Add(t.Context(), curate.Addition{Label: "rose", Name: "from.jpg", Data: picturetest.JPEG(1, 1, 120, 90), Source: s}); err != nil {
			t.Fatal(err)
		}
		r.until("the new photo", func() bool { return len(r.p.photos) == 2 })
		r.p.enlarge(1)
		if got := strings.Contains(texts(r.window.Content()), "is not endorsed"); got != want {
			t.Errorf("%s: the notice is shown: %t", kind, got)
		}
	}
}

func TestProvenance(t *testing.T) {
	r := newRoom(t, picturetest.Dataset(t, 1, "rose"))
	if _, err := r.library.Add(t.Context(), curate.Addition{
		Label: "rose", Name: "from.jpg", Data: picturetest.JPEG(1, 1, 120, 90),
		Source: curate.Source{
			Kind: "flickr", Title: "A rose", Author: "Jane", AuthorURL: "javascript:alert(1)", License: "CC BY 2.0",
			LicenseURL: "https://example.org/by", PageURL: "https://example.org/page", Taken: time.Now(),
		},
	}); err != nil {
		t.Fatal(err)
	}
	r.until("the new photo", func() bool { return len(r.p.photos) == 2 })
	r.p.enlarge(1)
	r.reads("Jane\n", "CC BY 2.0 https://example.org/by", "https://example.org/page https://example.org/page", "Flickr", "A rose", "120 × 90 pixels", "is not endorsed")
	if strings.Contains(texts(r.window.Content()), "javascript") {
		t.Error("an address that is not of the web became a link")
	}
	for _, b := range buttons(r.view.large.facts) {
		b.OnTapped()
	}
	for _, o := range r.view.large.facts.Objects {
		for _, b := range buttons(o) {
			b.OnTapped()
		}
	}
	if !slices.Contains(r.called, "folder "+filepath.Join(r.dir, "rose")) {
		t.Errorf("called was %v", r.called)
	}

	// The keyboard reaches the links; from there, the keys do what they do elsewhere.
	r.until("the picture", func() bool { return r.view.large.whole })
	links := 0
	for range 40 {
		r.window.Canvas().FocusNext()
		if _, ok := r.window.Canvas().Focused().(*factLink); ok {
			links++
		}
	}
	if links < 2 {
		t.Errorf("the keyboard reaches %d links", links)
	}
	for range 40 {
		if _, ok := r.window.Canvas().Focused().(*factLink); !ok {
			r.window.Canvas().FocusNext()
		}
	}
	if err := os.Remove(r.p.photos[0].Path); err != nil {
		t.Fatal(err)
	}
	r.window.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: fyne.KeyLeft})
	if r.window.Canvas().Focused() != r.view.large.photo {
		t.Errorf("the focus is on %T", r.window.Canvas().Focused())
	}
	r.until("the reason", func() bool { return r.p.large.err != nil })
	r.reads("This photo cannot be shown.", "not there any more")
	if strings.Contains(texts(r.window.Content()), "Flickr") {
		t.Error("a photo of one's own is said to be of Flickr")
	}
}

// TestZoomLabel wants the zoom as it is: it is no share of something.
func TestZoomLabel(t *testing.T) {
	r := newRoom(t, picturetest.Dataset(t, 1, "rose"))
	r.press(fyne.KeyHome, fyne.KeyReturn)
	r.until("the photo", func() bool { return r.p.large.img != nil })
	for zoom, want := range map[float32]string{0.996: "100 %", 1: "100 %", 2.5: "250 %"} {
		r.view.large.photo.setZoom(zoom, fyne.Position{})
		if got := r.view.large.zoom.Text; got != want {
			t.Errorf("%v is called %q, want %q", zoom, got, want)
		}
	}
}

func TestZoom(t *testing.T) {
	test.NewTempApp(t)
	w := test.NewTempWindow(t, nil)
	p := newPhoto(w)
	w.SetContent(p)
	w.SetPadded(false)
	w.Resize(fyne.NewSize(400, 400))
	p.rune = func(rune) {}
	img := image.NewRGBA(image.Rect(0, 0, 1600, 800))
	p.set(img, true)
	if p.factor() != 0.25 || p.img.Size() != fyne.NewSize(400, 200) || p.img.Position() != fyne.NewPos(0, 100) {
		t.Errorf("fitted it is %v at %v", p.img.Size(), p.img.Position())
	}
	p.setZoom(1, p.center())
	if p.img.Size() != fyne.NewSize(1600, 800) || p.img.Position() != fyne.NewPos(-600, -200) {
		t.Errorf("at 100 %% it is %v at %v", p.img.Size(), p.img.Position())
	}
	p.Dragged(&fyne.DragEvent{Dragged: fyne.NewDelta(50, -30)})
	if p.img.Position() != fyne.NewPos(-550, -230) {
		t.Errorf("dragged it is at %v", p.img.Position())
	}
	p.Dragged(&fyne.DragEvent{Dragged: fyne.NewDelta(9999, 9999)})
	if p.img.Position() != fyne.NewPos(0, 0) {
		t.Errorf("dragged too far it is at %v", p.img.Position())
	}
	pan := func(key fyne.KeyName) {
		p.TypedShortcut(&desktop.CustomShortcut{KeyName: key, Modifier: fyne.KeyModifierShortcutDefault})
	}
	pan(fyne.KeyRight)
	pan(fyne.KeyDown)
	if p.img.Position() != fyne.NewPos(-50, -50) {
		t.Errorf("by Ctrl and the arrows it is at %v", p.img.Position())
	}
	pan(fyne.KeyLeft)
	pan(fyne.KeyLeft)
	pan(fyne.KeyUp)
	if p.img.Position() != fyne.NewPos(0, 0) {
		t.Errorf("moved back too far it is at %v", p.img.Position())
	}
	p.setZoom(0.5, fyne.NewPos(0, 0))
	p.Scrolled(&fyne.ScrollEvent{PointEvent: fyne.PointEvent{Position: fyne.NewPos(100, 100)}, Scrolled: fyne.NewDelta(0, 10)})
	if p.factor() != 0.625 || p.img.Position() != fyne.NewPos(-25, -25) {
		t.Errorf("after the wheel it is %v times at %v: what is under the pointer has to stay there", p.factor(), p.img.Position())
	}
	for range 50 {
		p.TypedRune('+')
	}
	if p.factor() != maxZoom {
		t.Errorf("the largest zoom is %v", p.factor())
	}
	for range 50 {
		p.TypedRune('-')
	}
	if p.factor() > 0.25 || p.factor() < 0.1 {
		t.Errorf("the smallest zoom is %v", p.factor())
	}
	p.set(image.NewRGBA(image.Rect(0, 0, 20, 10)), true)
	if p.factor() != 1 {
		t.Errorf("a small picture is blown up to %v", p.factor())
	}
	p.set(nil, true)
	p.TypedRune('+')
	w.Canvas().Capture()
}

func TestTwentyThousandPhotos(t *testing.T) {
	fake := newFake(20_000, "rose", "tulip", "lily")
	r := newRoom(t, "")
	r.p.setLibrary(fake)
	r.until("the photos", func() bool { return r.p.loaded })
	r.Shown()
	r.reads("20,000 photos")
	began := time.Now()
	r.press(fyne.KeyEnd)
	r.shortcut(&fyne.ShortcutSelectAll{})
	t.Logf("selecting all took %v", time.Since(began))
	r.reads("20,000 selected")
	began = time.Now()
	r.p.list()
	t.Logf("listing took %v", time.Since(began))
	r.press(fyne.KeyEscape, fyne.KeyDelete)
	r.idle()
	r.reads("1 photo moved to the trash.")
	if r.p.focus != 19_999 || r.view.grid.Offset() == 0 {
		t.Errorf("the focus is on %d, the grid at %v", r.p.focus, r.view.grid.Offset())
	}
}

// BenchmarkList is what the window's goroutine does for each change of a dataset of 20,000 photos, and for each change of
// a selection, with nothing and with all of it selected.
func BenchmarkList(b *testing.B) {
	app := test.NewTempApp(b)
	app.Settings().SetTheme(theme.New(theme.Light))
	tx, err := i18n.Load("en")
	if err != nil {
		b.Fatal(err)
	}
	queue := make(chan func(), 1000)
	tab := New(Params{
		Window: test.NewTempWindow(b, nil), Texts: func() *i18n.Texts { return tx }, Thumbs: &fakeThumbs{},
		Preferences: fakePreferences{}, Dispatch: func(f func()) { queue <- f },
	})
	defer tab.Close()
	tab.view.Window.SetContent(tab.Content())
	tab.view.Window.Resize(fyne.NewSize(1280, 900))
	tab.p.setLibrary(newFake(20_000, "rose", "tulip", "lily"))
	for !tab.p.loaded {
		(<-queue)()
	}
	for _, what := range []string{"nothing", "all"} {
		if what == "all" {
			tab.view.grid.SelectAll()
		}
		b.Run("change/"+what, func(b *testing.B) {
			for b.Loop() {
				tab.p.list()
			}
		})
		b.Run("select/"+what, func(b *testing.B) {
			for b.Loop() {
				tab.p.pick(tab.view.grid.Selected(), 5)
			}
		})
	}
}

// TestQuestionsAreOfTheirDataset answers a question when another dataset has been opened since: nothing is done to that.
func TestQuestionsAreOfTheirDataset(t *testing.T) {
	r := newRoom(t, "")
	first, other := newFake(3, "rose"), newFake(3, "tulip")
	r.p.setLibrary(first)
	r.until("the photos", func() bool { return r.p.loaded })
	done := 0
	question := r.view.ofThis(func() { done++ })
	question()
	r.p.setLibrary(other)
	r.until("the other photos", func() bool { return r.p.loaded })
	question()
	if done != 1 {
		t.Errorf("it was done %d times, want once, to the first", done)
	}
}
