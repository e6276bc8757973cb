package inbox

import (
	"context"
	"slices"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"kaika/core/curate"
	"kaika/core/inbox/remote"
	"kaika/core/secret"
	"kaika/ui/i18n"
	"kaika/ui/theme"
	"kaika/ui/widgets"
)

type shown struct {
	*stand

	view *view
	win  fyne.Window
}

// newShown opens the dialog in a window of 800 by 600.
func newShown(t *testing.T, language string) *shown {
	t.Helper()
	app := test.NewTempApp(t)
	app.Settings().SetTheme(theme.New(theme.Light))
	tx, err := i18n.Load(language)
	if err != nil {
		t.Fatal(err)
	}
	win := app.NewWindow("")
	win.Resize(fyne.NewSize(800, 600))
	win.Show()
	s := newStand(t, preferences{})
	v := &view{Params: Params{Window: win, Texts: func() *i18n.Texts { return tx }, Secrets: secret.Open(t.TempDir()), Dispatch: s.window.dispatch}, p: s.presenter}
	s.presenter.screen = v
	v.open()
	t.Cleanup(v.close)
	return &shown{s, v, win}
}

// say types characters where the focus is.
func (s *shown) say(text string) {
	s.Helper()
	focused := s.win.Canvas().Focused()
	if focused == nil {
		s.Fatal("nothing has the focus")
	}
	for _, r := range text {
		focused.TypedRune(r)
	}
}

func (s *shown) key(name fyne.KeyName) {
	s.Helper()
	s.win.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: name})
}

// words are all texts of the top dialog.
func (s *shown) words() string {
	var all []string
	for _, o := range test.LaidOutObjects(s.win.Canvas().Overlays().Top()) {
		switch o := o.(type) {
		case *widget.Label:
			all = append(all, o.Text)
		case *widgets.Text:
			all = append(all, o.Text)
		case *widgets.Button:
			all = append(all, o.Text)
		}
	}
	return strings.Join(all, "\n")
}

func TestViewByKeyboard(t *testing.T) {
	s := newShown(t, "en")
	if !strings.Contains(s.words(), "--uploads") {
		t.Errorf("an inbox without a place does not say what to do: %s", s.words())
	}
	l := s.garden()
	m := withPhotos(5)
	s.show(m)
	if s.win.Canvas().Focused() == nil || !strings.Contains(s.words(), "Add to “rose” (A)") || !strings.Contains(s.words(), "1  lily") || !strings.Contains(s.words(), "rose 60.0 %") {
		t.Errorf("it says %s", s.words())
	}
	s.say("1")
	s.say("a")
	s.say("２") // As a Japanese keyboard types it.
	s.idle()
	if m.left() != 2 || !strings.Contains(s.view.status.Text, "2 of 2 photos") {
		t.Errorf("%d left: %s", m.left(), s.view.status.Text)
	}
	var labels []string
	for _, p := range l.Photos(curate.Query{}) {
		labels = append(labels, p.Label)
	}
	slices.Sort(labels)
	if !slices.Equal(labels, []string{"lily", "rose", "rose"}) {
		t.Errorf("they went to %v", labels)
	}
	s.key(fyne.KeyDelete)
	if !strings.Contains(s.words(), "cannot be undone") {
		t.Errorf("it does not ask: %s", s.words())
	}
	s.key(fyne.KeyEscape)
	if m.left() != 2 {
		t.Error("it was removed without a yes")
	}
	s.key(fyne.KeyReturn) // The photo, larger.
	if !strings.Contains(s.words(), "60.00 %") {
		t.Errorf("the large photo says %s", s.words())
	}
	s.key(fyne.KeyEscape)
	s.key(fyne.KeyEscape)
	if s.view.dialog != nil || s.win.Canvas().Overlays().Top() != nil {
		t.Error("Escape does not close it")
	}
	s.view.open()
	s.until("it is listed again", func() bool { return len(s.records) == 2 && !s.loading })
}

func TestViewServer(t *testing.T) {
	s := newShown(t, "en")
	s.view.askServer()
	s.say("http://192.0.2.1:8080")
	if !strings.Contains(s.words(), "Without HTTPS") {
		t.Errorf("it does not warn: %s", s.words())
	}
	s.key(fyne.KeyEscape)
	s.open("http://192.0.2.1:8080", func(context.Context) (Source, error) { return nil, remote.ErrPassword }, nil)
	s.until("it says what is wrong", func() bool { return strings.Contains(s.words(), "does not take this name and password") })
	s.view.close()
}

// TestViewFits wants all of the dialog in a small window, in each language.
func TestViewFits(t *testing.T) {
	for _, language := range i18n.Languages() {
		s := newShown(t, language)
		s.garden()
		s.show(withPhotos(30))
		if b := s.view.suggest; b.Size().Width < b.MinSize().Width || !b.Visible() {
			t.Errorf("%s: the suggestion is %v wide, and needs %v", language, b.Size().Width, b.MinSize().Width)
		}
		dialog := s.win.Canvas().Overlays().Top()
		for _, o := range test.LaidOutObjects(dialog) {
			if b, ok := o.(*widgets.Button); ok && b.Visible() {
				at := fyne.CurrentApp().Driver().AbsolutePositionForObject(b)
				if at.X+b.Size().Width > 800 || at.Y+b.Size().Height > 600 || b.Size().Width < b.MinSize().Width-1 {
					t.Errorf("%s: %q lies at %v with the size %v", language, b.Text, at, b.Size())
				}
			}
		}
		s.view.close()
	}
}
