package collect

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"
	"github.com/zalando/go-keyring"

	source "kaika/core/collect"
	"kaika/core/curate"
	"kaika/core/job"
	"kaika/core/picture/picturetest"
	"kaika/core/secret"
	"kaika/core/thumb"
	"kaika/ui/i18n"
	"kaika/ui/theme"
	"kaika/ui/widgets"
)

// thumbs draws a flower for each photo, on request at once.
type thumbs struct {
	loads, cancels int
	same           image.Image // For all photos, if set.
}

func (th *thumbs) Peek(thumb.Key) (image.Image, bool) { return nil, false }

func (th *thumbs) Load(key thumb.Key, done func(image.Image, error)) func() {
	if th.loads++; th.same != nil {
		done(th.same, nil)
		return func() {}
	}
	seed := 0
	for _, r := range key.Path {
		seed = seed*31 + int(r)
	}
	if strings.HasSuffix(key.Path, "gone.jpg") {
		done(nil, errors.New("gone"))
	} else {
		done(picturetest.Flower(len(key.Path)%5, seed%1000, 160, 120), nil)
	}
	return func() { th.cancels++ }
}

// stageView is a tab in a window.
type stageView struct {
	*Tab

	t        *testing.T
	q        *queue
	runner   *job.Runner
	lib      *library
	thumbs   *thumbs
	window   fyne.Window
	language string
	asked    []string // What the frame was asked to do.

	opened    chan string // Pages of the web.
	noBrowser error       // Of opening one.
}

func newTab(t *testing.T, language string, brightness theme.Brightness, services ...Service) *stageView {
	t.Helper()
	app := test.NewTempApp(t)
	app.Settings().SetTheme(theme.New(brightness))
	s := &stageView{t: t, q: newQueue(), runner: job.New(context.Background()), lib: &library{dir: "/home/hana/Pictures/garden"}, thumbs: &thumbs{}, language: language, opened: make(chan string, 10)}
	s.window = test.NewTempWindow(t, widget.NewLabel(""))
	s.Tab = New(Params{
		Window: s.window, Texts: s.texts, Jobs: s.runner, Thumbs: s.thumbs, Services: services, Dispatch: s.q.dispatch,
		Preferences: preferences{},
		OpenURL: func(page *url.URL) error {
			err := s.noBrowser // Before the test may set another one.
			s.opened <- page.String()
			return err
		},
		Settings:    func() { s.asked = append(s.asked, "settings") },
		NewDataset:  func() { s.asked = append(s.asked, "new") },
		OpenDataset: func() { s.asked = append(s.asked, "open") },
		Review:      func() { s.asked = append(s.asked, "review") },
	})
	s.view.seen = true
	s.window.SetContent(s.Content())
	s.window.Resize(fyne.NewSize(800, 424)) // What the frame leaves of 800 x 600.
	t.Cleanup(func() {
		s.runner.Close()
		s.Close()
	})
	return s
}

func (s *stageView) texts() *i18n.Texts {
	tx, err := i18n.Load(s.language)
	if err != nil {
		s.t.Fatal(err)
	}
	return tx
}

// drain runs what was dispatched until now.
func (s *stageView) drain() {
	for len(s.q.waiting) > 0 {
		(<-s.q.waiting)()
	}
}

// look keeps a picture of the window for a person to look at, where KAIKA_LOOK names a folder.
func (s *stageView) look(name string) {
	s.drain()
	dir := os.Getenv("KAIKA_LOOK")
	if dir == "" {
		return
	}
	f, err := os.Create(filepath.Join(dir, name+".png"))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(png.Encode(f, s.window.Canvas().Capture()), f.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// says fails unless a text is seen.
func (s *stageView) says(text string) {
	s.t.Helper()
	if all := seen(s.window.Canvas().Content()); !says(all, text) {
		s.t.Errorf("%q is not among what is seen:\n%s", text, all)
	}
}

// says reports whether a text is there, whatever the lines that it is broken into.
func says(all, text string) bool {
	plain := func(s string) string { return strings.Join(strings.Fields(s), "") }
	return strings.Contains(plain(all), plain(text))
}

// button gives the button with a text that is seen in a window, or in the dialog over it.
func (s *stageView) button(text string) fyne.Tappable {
	s.t.Helper()
	var found fyne.Tappable
	for _, o := range append([]fyne.CanvasObject{s.window.Content()}, s.window.Canvas().Overlays().List()...) {
		walk(o, func(o fyne.CanvasObject) {
			switch b := o.(type) {
			case *widgets.Button:
				if b.Text == text {
					found = b
				}
			case *pageLink:
				if b.Text == text {
					found = b
				}
			}
		})
	}
	if found == nil {
		s.t.Fatalf("there is no button %q", text)
	}
	return found
}

// seen gives the texts of the labels, buttons and tabs that are visible.
func seen(o fyne.CanvasObject) string {
	var b strings.Builder
	walk(o, func(o fyne.CanvasObject) {
		switch o := o.(type) {
		case *widget.Label:
			fmt.Fprintln(&b, o.Text)
		case *widgets.Button:
			fmt.Fprintln(&b, "["+o.Text+"]")
		case *pageLink:
			fmt.Fprintln(&b, "<"+o.Text+">")
		case *widgets.Check:
			fmt.Fprintln(&b, o.Text)
		case *widget.RichText:
			fmt.Fprintln(&b, o.String())
		}
	})
	return b.String()
}

func walk(o fyne.CanvasObject, visit func(fyne.CanvasObject)) {
	if o == nil || !o.Visible() {
		return
	}
	visit(o)
	switch o := o.(type) {
	case *fyne.Container:
		for _, child := range o.Objects {
			walk(child, visit)
		}
	case fyne.Widget:
		for _, child := range test.WidgetRenderer(o).Objects() {
			walk(child, visit)
		}
	}
}

func (s *stageView) list(path string) {
	s.t.Helper()
	s.Import(path)
	s.q.until(s.t, func() bool { return !s.p.listing })
}

func (s *stageView) run() {
	s.t.Helper()
	if s.view.start.Disabled() {
		s.t.Fatalf("it cannot be started: %s", s.view.blocker.Text)
	}
	test.Tap(s.view.start)
	s.q.until(s.t, func() bool { return s.p.stage == finished })
	s.drain()
}

func TestWithoutDataset(t *testing.T) {
	s := newTab(t, "en", theme.Light)
	s.says("Where should the photos go?")
	s.look("nodataset")
	walk(s.window.Content(), func(o fyne.CanvasObject) {
		if b, ok := o.(*widgets.Button); ok {
			test.Tap(b)
		}
	})
	if strings.Join(s.asked, " ") != "new open" {
		t.Errorf("the frame was asked for %v", s.asked)
	}
	s.p.setLibrary(s.lib)
	s.says("Bring in your photos")
	s.SetLibrary((*curate.Library)(nil))
	s.says("Where should the photos go?")
}

func TestStory(t *testing.T) {
	for _, tc := range []struct {
		language string
		theme    theme.Brightness
	}{{"en", theme.Light}, {"ja", theme.Dark}} {
		t.Run(tc.language+string(tc.theme), func(t *testing.T) {
			s := newTab(t, tc.language, tc.theme)
			name := func(stage string) string { return stage + "-" + tc.language + "-" + string(tc.theme) }
			tx := s.texts()
			s.p.setLibrary(s.lib)
			s.Shown()
			if s.window.Canvas().Focused() != s.view.firstPick {
				t.Error("the focus is not on the first choice")
			}
			s.says(tx.T("collect.target", "Dataset", "garden", "Folder", "/home/hana/Pictures"))
			if !s.view.start.Disabled() {
				t.Error("nothing can be started")
			}
			s.look(name("empty"))

			s.lib.labels = []string{"Rose"}
			s.list(folder(t, 30, "rose", "sunflower", "lilium"))
			write(t, filepath.Join(s.p.path, "lilium", "copy.jpg"), photo(1))
			s.p.list(s.p.path)
			s.q.until(t, func() bool { return !s.p.listing })
			s.says(tx.N("collect.start.photos", 92))
			s.says("sunflower")
			s.look(name("chosen"))
			s.p.setLabel(2, "")
			s.says(tx.T("collect.fault.label.missing", "Keyword", "sunflower"))
			s.look(name("blocked"))
			s.p.setLabel(2, "sunflower")

			reached, proceed := make(chan struct{}), make(chan struct{})
			landed := 0
			s.lib.added = func() {
				if landed++; landed == 45 {
					close(reached)
					<-proceed
				}
			}
			test.Tap(s.view.start)
			<-reached
			s.q.until(t, func() bool { return len(s.p.photos) >= 40 })
			if s.view.start.Visible() || !s.view.stop.Visible() {
				t.Error("it cannot be stopped")
			}
			s.look(name("running"))
			test.Tap(s.view.stop)
			s.says(tx.T("collect.stopping"))
			close(proceed)
			s.q.until(t, func() bool { return s.p.stage == finished })
			s.says(tx.T("collect.done.stopped"))
			test.Tap(s.view.again)
			s.lib.added = nil
			for s.runner.State().Running {
				s.drain()
			}
			s.run()
			s.says(tx.N("collect.done.there", len(s.lib.photos)-s.p.outcome.landed))
			s.look(name("finished"))

			// What is known of a photo.
			s.view.arrived.grid.Select(0)
			s.says(s.p.photos[0].Name)
			s.says(tx.T("collect.photo.unknown"))
			s.look(name("photo"))

			// What was refused.
			s.view.results.Choose(s.view.stayed)
			s.says(tx.T("collect.reason.duplicate"))
			s.view.refusals.tree.OpenAllBranches()
			id := s.view.refusals.children["duplicate"][0]
			s.view.refusals.tree.Select(id)
			s.says(tx.T("collect.way.duplicate"))
			s.look(name("refused"))

			test.Tap(s.view.review)
			if strings.Join(s.asked, " ") != "review" {
				t.Errorf("the frame was asked for %v", s.asked)
			}

			// The same in another language.
			s.language = map[string]string{"en": "ja", "ja": "en"}[tc.language]
			s.window.SetContent(s.Content())
			s.says(s.texts().T("collect.again"))
			if size := s.window.Content().MinSize(); size.Width > 800 || size.Height > 424 {
				t.Errorf("it takes %v, more than there is", size)
			}
		})
	}
}

func TestTypedIntoRows(t *testing.T) {
	s := newTab(t, "en", theme.Light)
	s.p.setLibrary(s.lib)
	s.list(folder(t, 2, "lilium", "rose"))
	var entries []*widget.Entry
	walk(s.view.rows, func(o fyne.CanvasObject) {
		switch o := o.(type) {
		case *labelEntry:
			entries = append(entries, &o.Entry)
		case *widgets.Entry:
			entries = append(entries, &o.Entry)
		}
	})
	if len(entries) != 4 {
		t.Fatalf("there are %d entries", len(entries))
	}
	s.window.Canvas().Focus(entries[0])
	entries[0].SetText("")
	test.Type(entries[0], "white lily ")
	if entries[0].Text != "white lily " || s.p.rows[0].label != "white lily" {
		t.Errorf("the entry has %q, the row %q", entries[0].Text, s.p.rows[0].label)
	}
	test.Type(entries[1], "1")
	test.Type(entries[3], "x")
	if s.p.rows[0].count != 1 || s.p.rows[1].count != -1 || !s.view.start.Disabled() {
		t.Errorf("the rows are %+v, %+v", s.p.rows[0], s.p.rows[1])
	}
	s.says("How many photos of “rose”?")
	s.p.setOn(1, false)
	s.run()
	if len(s.lib.photos) != 1 || s.lib.photos[0].Label != "white lily" {
		t.Errorf("landed %+v", s.lib.photos)
	}
}

func TestKeyboardReachesAll(t *testing.T) {
	s := newTab(t, "en", theme.Light, service(1, func(source.Wanted) error { return nil }))
	s.p.setLibrary(s.lib)
	s.list(folder(t, 2, "lilium", "rose"))
	reached := map[fyne.Focusable]bool{}
	entries, helped := 0, 0
	s.window.Canvas().SetOnTypedKey(func(ev *fyne.KeyEvent) {
		if ev.Name == fyne.KeyF1 {
			helped++
		}
	})
	for range 60 {
		s.window.Canvas().FocusNext()
		f := s.window.Canvas().Focused()
		f.TypedKey(&fyne.KeyEvent{Name: fyne.KeyF1})
		if _, fynes := f.(*widget.Button); helped == 0 && !fynes { // That of SelectEntry, which opens its list.
			t.Errorf("%T keeps F1 to itself", f)
		}
		helped = 0
		if _, ok := f.(*labelEntry); ok && !reached[f] {
			entries++
		}
		reached[f] = true
	}
	for name, f := range map[string]fyne.Focusable{"folder": s.view.firstPick, "all": s.view.all, "size": s.view.side, "start": s.view.start} {
		if !reached[f] {
			t.Errorf("the keyboard does not reach %s", name)
		}
	}
	if entries != 2 {
		t.Errorf("the keyboard reaches the labels of %d rows", entries)
	}
	s.run()
	clear(reached)
	for range 60 {
		s.window.Canvas().FocusNext()
		reached[s.window.Canvas().Focused()] = true
	}
	if !reached[s.view.again] || !reached[s.view.review] || !reached[s.view.arrived.grid] {
		t.Error("the keyboard does not reach what has come")
	}

	// What was refused, and why, by keys alone.
	press := func(until func(fyne.Focusable) bool, keys ...fyne.KeyName) {
		t.Helper()
		for n := 0; !until(s.window.Canvas().Focused()); n++ {
			if n == 60 {
				t.Fatal("Tab does not lead there")
			}
			s.window.Canvas().FocusNext()
		}
		for _, key := range keys {
			s.window.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: key})
		}
	}
	press(func(f fyne.Focusable) bool {
		b, ok := f.(*widgets.Button)
		return ok && strings.Contains(b.Text, "Refused")
	}, fyne.KeySpace)
	helped = 0
	press(func(f fyne.Focusable) bool { return f == s.view.refusals.tree },
		fyne.KeyReturn, fyne.KeyDown, fyne.KeySpace, fyne.KeyF1)
	s.says(s.texts().T("collect.way." + string(s.p.refusals[0].reason)))
	if helped != 1 {
		t.Error("the list of what was refused keeps F1 to itself")
	}
}

func TestBadChoices(t *testing.T) {
	s := newTab(t, "en", theme.Dark)
	s.p.setLibrary(s.lib)
	bad := filepath.Join(t.TempDir(), "x.zip")
	write(t, bad, []byte("PK\x03\x04 and no more"))
	s.list(bad)
	s.says("This archive cannot be read")
	s.look("bad-en-dark")
	test.Tap(s.view.details)
	if s.window.Canvas().Overlays().Top() == nil {
		t.Error("there are no details")
	}
	s.list(t.TempDir())
	s.says("No photos were found there")
	if s.view.details.Visible() {
		t.Error("there are details of nothing")
	}
}

func TestFlatFolderAndManyLabels(t *testing.T) {
	s := newTab(t, "en", theme.Light)
	s.p.setLibrary(s.lib)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "1.jpg"), photo(1))
	s.list(dir)
	s.says("Which label do these photos get?")
	s.look("flat-en-light")
	same := photo(1)
	for i := range 300 {
		label := filepath.Join(dir, fmt.Sprintf("label %03d", i))
		if err := os.Mkdir(label, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(label, "1.jpg"), same)
	}
	s.list(dir)
	s.says("label 000")
	rows := 0
	walk(s.view.rows, func(o fyne.CanvasObject) {
		if _, ok := o.(*rowView); ok {
			rows++
		}
	})
	if len(s.p.rows) != 301 || rows > 20 {
		t.Errorf("%d rows, of which %d were made", len(s.p.rows), rows)
	}
	s.look("many-en-light")
}

func TestServices(t *testing.T) {
	s := newTab(t, "en", theme.Light, service(30, func(source.Wanted) error { return nil }))
	s.p.setLibrary(s.lib)
	s.says("Bring in your photos")
	s.p.useService(0)
	s.says("Enter what to look for on Shelf")
	test.Tap(s.view.add)
	if len(s.p.rows) != 1 || s.window.Canvas().Focused() != s.view.rowOf[0].keyword {
		t.Errorf("there are %d rows, though the first one is empty", len(s.p.rows))
	}
	s.p.setKeyword(0, "rose")
	test.Tap(s.view.add)
	s.p.setKeyword(1, "sunflower")
	s.view.side.SetText("10")
	s.says("Collect 40 photos")
	s.look("service-en-light")
	s.run()
	s.says("40 new photos")
	s.view.arrived.grid.Select(3)
	s.says("A. Uthor")
	s.look("service-photo-en-light")
	test.Tap(s.view.again)
	s.p.useService(-1)
	s.says("Choose folder")
}

func TestServiceWithoutKey(t *testing.T) {
	s := newTab(t, "en", theme.Light, service(1, func(source.Wanted) error { return fmt.Errorf("flickr: %w", secret.ErrNone) }))
	s.p.setLibrary(s.lib)
	s.p.useService(0)
	s.p.setKeyword(0, "rose")
	test.Tap(s.view.start)
	s.q.until(t, func() bool { return s.p.stage == finished })
	if top := s.window.Canvas().Overlays().Top(); top == nil || !says(seen(top), "Shelf needs a key of yours. Enter it in Settings") {
		t.Error("nobody says that a key is missing")
	}
	test.Tap(s.button("Settings"))
	if strings.Join(s.asked, " ") != "settings" || s.window.Canvas().Overlays().Top() != nil {
		t.Errorf("the frame was asked for %v", s.asked)
	}
}

func TestThumbnailsOfClosedWidgetsAreDropped(t *testing.T) {
	s := newTab(t, "en", theme.Light)
	s.p.setLibrary(s.lib)
	s.list(folder(t, 3, "rose"))
	s.run()
	if s.thumbs.loads == 0 {
		t.Fatal("nothing was loaded")
	}
	old := s.view.arrived
	s.window.SetContent(s.Content())
	if len(old.cells) != 0 || s.thumbs.cancels == 0 {
		t.Errorf("%d cells of the old widgets still load", len(old.cells))
	}
	s.drain()
}

func TestArrivalsAreDrawnNowAndThen(t *testing.T) {
	s := newTab(t, "en", theme.Light)
	s.p.setLibrary(s.lib)
	var timers []func()
	s.view.arrived.after = func(_ time.Duration, f func()) func() {
		timers = append(timers, f)
		return func() { timers = nil }
	}
	come := func() {
		n := len(s.p.photos) + 1
		s.p.photos = append([]curate.Photo{{ID: curate.ID(n), Path: fmt.Sprintf("%d.jpg", n)}}, s.p.photos...)
		s.view.refresh()
	}
	newest := func() string {
		path := ""
		walk(s.view.arrived.grid, func(o fyne.CanvasObject) {
			if c, ok := o.(*photoCell); ok && c.key.Path == s.p.photos[0].Path {
				path = c.key.Path
			}
		})
		return path
	}
	s.p.stage = running
	come()
	if newest() == "" || len(timers) != 1 {
		t.Fatalf("the first one is not shown at once, or %d pauses began", len(timers))
	}
	come()
	come()
	if newest() != "" {
		t.Error("it is drawn in the pause")
	}
	timers[0]()
	s.drain()
	if newest() != "3.jpg" || len(timers) != 2 {
		t.Errorf("after the pause the newest one is not shown, or %d pauses began", len(timers))
	}
	for range 50 { // Each drawing makes a cell more than it shows.
		s.view.arrived.grid.Refresh()
	}
	s.drain()
	if n := len(s.view.arrived.cells); n != 0 {
		t.Errorf("%d cells are kept that await nothing", n)
	}
	come()
	s.p.stage = finished
	come()
	if newest() != "5.jpg" {
		t.Error("at the end the newest one is not shown")
	}
	timers[1]()
	s.view.close()
	s.drain()
	if len(timers) != 0 {
		t.Error("a pause outlives the widgets")
	}
}

// fullKeys has no room for another key while it is full.
type fullKeys struct {
	Keys

	full bool
}

func (k *fullKeys) Keep(ctx context.Context, name string, c secret.Credentials) (secret.Place, error) {
	if k.full {
		return "", errors.New("no space left")
	}
	return k.Keys.Keep(ctx, name, c)
}

func TestKeyPanel(t *testing.T) {
	for language, brightness := range map[string]theme.Brightness{"en": theme.Light, "ja": theme.Dark} {
		keyring.MockInitWithError(errors.New("no bus"))
		app := test.NewTempApp(t)
		app.Settings().SetTheme(theme.New(brightness))
		s := &stageView{t: t, q: newQueue(), language: language, window: test.NewTempWindow(t, widget.NewLabel(""))}
		changes, opened := 0, 0
		outside := map[string]string{"ja": "FLICKR_KEY"}[language]
		saysNone := func() {
			t.Helper()
			if outside == "" {
				s.says(s.texts().T("collect.key.none"))
				return
			}
			s.says(s.texts().T("collect.key.outside", "Service", "Flickr", "Variable", outside))
			if says(seen(s.window.Content()), s.texts().T("collect.key.none")) {
				t.Error("it says that there is no key")
			}
		}
		keys := &fullKeys{Keys: secret.Open(filepath.Join(t.TempDir(), "config"))}
		panel := NewKeyPanel(KeyParams{
			Window: s.window, Texts: s.texts, Keys: keys, Dispatch: s.q.dispatch,
			OpenURL: func(*url.URL) error { opened++; return nil }, Changed: func() { changes++ },
			Services: []Service{{Service: source.Service{Name: "Flickr"}, KeyFrom: outside}},
		})
		t.Cleanup(panel.Close)
		s.window.SetContent(panel.Content())
		s.window.Resize(fyne.NewSize(520, 420))
		panel.Shown()
		settle(t, s.q, panel.k)
		saysNone()
		if !panel.keep.Disabled() || panel.remove.Visible() {
			t.Error("there is something to keep or to remove")
		}
		s.look("key-none-" + language)
		test.Type(panel.key, "0123456789abcdef")
		test.Type(panel.secret, "very secret")
		test.Tap(panel.keep)
		settle(t, s.q, panel.k)
		s.says(s.texts().T("collect.key.kept", "Mask", "…def"))
		if panel.key.Text != "" || panel.secret.Text != "" {
			t.Error("the key is still there to be seen")
		}
		s.look("key-kept-" + language)

		// A new key that cannot be kept is not lost.
		keys.full = true
		test.Type(panel.key, "fedcba9876543210")
		test.Type(panel.secret, "another secret")
		test.Tap(panel.keep)
		settle(t, s.q, panel.k)
		keys.full = false
		s.says(s.texts().T("collect.key.kept", "Mask", "…def"))
		if panel.key.Text != "fedcba9876543210" || panel.secret.Text != "another secret" {
			t.Error("what was typed is gone, and was not kept")
		}
		s.window.Canvas().Overlays().Remove(s.window.Canvas().Overlays().Top())
		test.Tap(panel.remove)
		var yes *widgets.Button
		walk(s.window.Canvas().Overlays().Top(), func(o fyne.CanvasObject) {
			if b, ok := o.(*widgets.Button); ok && b.Importance == widget.DangerImportance {
				yes = b
			}
		})
		if yes == nil {
			t.Fatal("nobody asks before it is removed")
		}
		test.Tap(yes)
		settle(t, s.q, panel.k)
		saysNone()
		if changes != 3 { // The one that failed, too.
			t.Errorf("others were told of %d changes, want 3", changes)
		}

		// In a dialog, Escape closes that from everywhere, and Enter on the link opens the page.
		s.window.SetContent(widget.NewLabel(""))
		d := widgets.NewDialog(s.window, "", "", panel.Content(), 520, 0)
		link, isLink := s.opens(d, s.texts().T("collect.key.page"))
		if !isLink {
			t.Fatal("there is no link")
		}
		for _, first := range []fyne.Focusable{panel.key, panel.secret, panel.keep, link} {
			enable(panel.keep, true)
			d.Open(first)
			if s.window.Canvas().Focused() != first {
				t.Fatalf("the focus is on %T", s.window.Canvas().Focused())
			}
			if first == fyne.Focusable(link) {
				link.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
				panel.pages.wait()
			}
			first.TypedKey(&fyne.KeyEvent{Name: fyne.KeyEscape})
			if s.window.Canvas().Overlays().Top() != nil {
				t.Errorf("Escape does not close the dialog from %T", first)
			}
		}
		if opened != 1 {
			t.Errorf("%d pages were opened", opened)
		}

		// Enter goes to the entry that is empty, and keeps what both hold. The dialog stays.
		enter := &fyne.KeyEvent{Name: fyne.KeyReturn}
		panel.key.SetText("")
		panel.secret.SetText("")
		d.Open(panel.key)
		test.Type(panel.key, "0123456789abcdef")
		panel.key.TypedKey(enter)
		if s.window.Canvas().Focused() != panel.secret {
			t.Error("Enter does not go on to the secret")
		}
		test.Type(panel.secret, "very secret")
		panel.secret.TypedKey(enter)
		settle(t, s.q, panel.k)
		if panel.k.mask != "…def" {
			t.Errorf("%q is kept", panel.k.mask)
		}
		if s.window.Canvas().Overlays().Top() == nil {
			t.Error("Enter has closed the dialog")
		}
		d.Close()
	}
}

// opens gives the link with a text in an object.
func (s *stageView) opens(o fyne.CanvasObject, text string) (link *pageLink, found bool) {
	walk(o, func(o fyne.CanvasObject) {
		if l, ok := o.(*pageLink); ok && l.Text == text {
			link, found = l, true
		}
	})
	return link, found
}

// TestChoosing chooses a folder and a file by the keyboard.
func TestChoosing(t *testing.T) {
	s := newTab(t, "en", theme.Light)
	s.p.setLibrary(s.lib)
	dir := folder(t, 2, "rose")
	settled := func() {
		s.p.work.Wait()
		s.drain()
	}
	enter := func(path string) {
		t.Helper()
		settled()
		var at *widgets.Entry
		walk(s.window.Canvas().Overlays().Top(), func(o fyne.CanvasObject) {
			if e, ok := o.(*widgets.Entry); ok {
				at = e
			}
		})
		if at == nil {
			t.Fatal("nothing is asked")
		}
		s.window.Canvas().Focus(at)
		for range 2 { // To it, and then it is it.
			at.SetText(path)
			at.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
			for range 3 {
				settled()
			}
			if s.window.Canvas().Overlays().Top() == nil {
				break
			}
		}
	}
	test.Tap(s.button("Choose folder…"))
	enter(dir)
	s.q.until(t, func() bool { return !s.p.listing })
	if s.p.path != dir || len(s.p.rows) != 1 {
		t.Errorf("chosen is %q with %d rows", s.p.path, len(s.p.rows))
	}
	test.Tap(s.button("Choose file…"))
	list := filepath.Join(t.TempDir(), "list.CSV")
	write(t, list, []byte("https://example.com/rose.jpg\n"))
	enter(list)
	s.q.until(t, func() bool { return !s.p.listing })
	if s.p.path != list {
		t.Errorf("chosen is %q", s.p.path)
	}
	test.Tap(s.button("Choose folder…"))
	settled()
	s.window.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: fyne.KeyEscape})
	if s.window.Canvas().Overlays().Top() != nil || s.p.path != list {
		t.Error("Escape does not take it back")
	}
}

// TestTexts asks for the texts of each reason, fault and sentence, which are not written out in the code.
func TestTexts(t *testing.T) {
	for _, language := range i18n.Languages() {
		tx, err := i18n.Load(language)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, r := range reasons {
			keys = append(keys, "reason."+string(r), "way."+string(r))
		}
		keys = append(keys, "reason.other", "way.other")
		for _, f := range []fault{
			nothingChosen, labelMissing, labelBad, labelClash, countBad, keywordMissing, keywordTwice, keywordLong, sideBad, keyMissing, noLicense,
		} {
			keys = append(keys, "fault."+string(f))
		}
		for _, s := range []string{"own", "none", "archive", "addresses", "failed"} {
			keys = append(keys, "list."+s)
		}
		for _, s := range []string{"busy", "full", "readonly", "closed", "label", "archive", "other"} {
			keys = append(keys, "error."+s)
		}
		for s := range sentences {
			keys = append(keys, "error."+s)
		}
		for _, l := range source.AllTerms() {
			keys = append(keys, "license."+string(l))
		}
		for _, s := range source.FlickrSorts() {
			keys = append(keys, "sort."+string(s))
		}
		for _, s := range []string{"words", "words.hint", "tags", "tags.hint", "sort", "origin", "tagsonly", "drawings", "unsafe"} {
			keys = append(keys, "filter."+s)
		}
		for _, s := range []string{"find", "keep", "remove"} {
			keys = append(keys, "key.error."+s)
		}
		for _, key := range keys {
			if text := tx.T("collect." + key); text == "" || text == "collect."+key {
				t.Errorf("there is no %s text of %s", language, key)
			}
		}
	}
}

// BenchmarkRefresh is what the window's goroutine has to do, at most ten times a second, during a run of 1,000 labels.
func BenchmarkRefresh(b *testing.B) {
	app := test.NewTempApp(b)
	app.Settings().SetTheme(theme.New(theme.Light))
	tx, err := i18n.Load("en")
	if err != nil {
		b.Fatal(err)
	}
	window := test.NewTempWindow(b, widget.NewLabel(""))
	runner := job.New(b.Context())
	defer runner.Close()
	tab := New(Params{
		Window: window, Texts: func() *i18n.Texts { return tx }, Jobs: runner, Thumbs: &thumbs{same: picturetest.Flower(1, 1, 160, 120)}, Dispatch: func(func()) {}, Preferences: preferences{},
	})
	defer tab.Close()
	tab.view.seen = true
	window.SetContent(tab.Content())
	window.Resize(fyne.NewSize(1600, 1000))
	lib := &library{dir: b.TempDir()}
	tab.p.setLibrary(lib)
	for i := range 1000 {
		lib.labels = append(lib.labels, fmt.Sprintf("label %d", i))
		tab.p.rows = append(tab.p.rows, &row{keyword: "k", label: lib.labels[i], available: 100, on: true, part: true})
		tab.p.order = append(tab.p.order, i)
	}
	for _, stage := range []struct {
		name  string
		stage stage
	}{{"choosing", choosing}, {"running", running}} {
		b.Run(stage.name, func(b *testing.B) {
			tab.p.stage = stage.stage
			tab.p.inbox.begin(1000)
			id := 0
			for b.Loop() {
				for range 10 {
					id++
					tab.p.inbox.put(source.Event{Request: id % 1000, Photo: &curate.Photo{ID: curate.ID(id), Label: "x", Path: strconv.Itoa(id)}}, func() {})
					tab.p.inbox.put(source.Event{Request: -1, Refusal: &source.Refusal{Reason: source.Duplicate, Name: strconv.Itoa(id)}}, func() {})
				}
				tab.p.drain()
			}
		})
	}
}

// TestHidden has another dataset opened while the tab is not seen.
func TestHidden(t *testing.T) {
	s := newTab(t, "en", theme.Light)
	s.Shown()
	s.Hidden()
	s.p.setLibrary(s.lib)
	s.says("Where should the photos go?")
	s.Shown()
	s.says("Bring in your photos")
}
