// Package collect is the tab in which photos are brought into a dataset, and the panel in which the key of a service is
// entered.
package collect

import (
	"context"
	"errors"
	"image"
	"log/slog"
	"net/url"

	"fyne.io/fyne/v2"

	source "kaika/core/collect"
	"kaika/core/curate"
	"kaika/core/job"
	"kaika/core/thumb"
	"kaika/ui/i18n"
)

// Jobs runs the collecting, one job at a time for the whole window.
type Jobs interface {
	Start(kind string, run func(ctx context.Context, report func(job.Progress)) error) error
	Cancel()
}

// Thumbs makes small pictures of photos, upright.
type Thumbs interface {
	Peek(key thumb.Key) (image.Image, bool)
	Load(key thumb.Key, done func(image.Image, error)) (cancel func())
}

// Library is the dataset that photos come into.
type Library interface {
	source.Library
	source.Comparer
	Dir() string
	Labels() []curate.LabelCount
	CheckLabel(name string) error
	Photo(id curate.ID) (curate.Photo, bool)
}

// Preferences keep choices across starts. They are called on the window's goroutine only.
type Preferences interface {
	String(key string) string
	SetString(key, value string)
}

var (
	_ Jobs    = (*job.Runner)(nil)
	_ Thumbs  = (*thumb.Loader)(nil)
	_ Library = (*curate.Library)(nil)
)

// Service is a place that is searched for photos by keywords.
type Service struct {
	source.Service

	// FindKey looks for the key of the user's own that the service needs; nil where it needs none. The error wraps
	// secret.ErrNone where there is none, and ErrKeyUnread where it cannot be looked up. It may take as long as a keyring
	// that asks for its password.
	FindKey func(ctx context.Context) error
	// KeyFrom is what gives the key in place of the one that is kept, such as the name of a variable of the environment; or "".
	KeyFrom string
	// Open gives the source for one run. It is called from the run's goroutine. Errors about the key are as those of FindKey.
	Open func(ctx context.Context, w source.Wanted) (source.Source, error)
}

// ErrKeyUnread says that the key of a service cannot be looked up where it is kept.
var ErrKeyUnread = errors.New("the kept key cannot be looked up")

// Params are what the tab needs.
type Params struct {
	Window   fyne.Window
	Texts    func() *i18n.Texts // The texts in the language of the moment; asked at each Content.
	Jobs     Jobs
	Thumbs   Thumbs
	Services []Service    // Beside files of the user's own; may be empty.
	Dispatch func(func()) // Runs a function on the window's goroutine, later; fyne.Do does.
	Log      *slog.Logger // Nil for none.

	Preferences Preferences

	// What the frame does.
	OpenURL     func(*url.URL) error // Has the system show a page of the web; from any goroutine.
	Settings    func()               // Shows the settings, where the key panel is.
	NewDataset  func()               // Asks for a new dataset and opens it.
	OpenDataset func()               // Asks for a dataset to open.
	Review      func()               // Goes to Review.
}

// Tab is the tab. Its methods are for the window's goroutine.
type Tab struct {
	p    *presenter
	view *view
}

// New makes the tab.
func New(p Params) *Tab {
	c := newPresenter(p.Jobs, p.Services, p.Preferences, p.Dispatch, p.Log)
	t := &Tab{c, &view{Params: p, p: c, pages: &pages{window: p.Window, dispatch: p.Dispatch, show: p.OpenURL}, split: 0.56}}
	c.changed, c.failed = t.view.refresh, t.view.failed
	return t
}

// Content gives the tab's widgets, in the language of the moment. Called again, it gives new ones that show the same.
func (t *Tab) Content() fyne.CanvasObject { return t.view.content() }

// SetLibrary tells which dataset is open, nil for none. A run that is under way goes on into the one that it began with.
func (t *Tab) SetLibrary(l *curate.Library) {
	if l == nil { // Not a nil pointer in an interface.
		t.p.setLibrary(nil)
		return
	}
	t.p.setLibrary(l)
}

// KeyChanged has to be called when the key of a service was kept or removed.
func (t *Tab) KeyChanged() { t.p.findKey() }

// Import lists the folder, archive or list of addresses at a path, to be collected from. While a run is under way it says so instead.
func (t *Tab) Import(path string) {
	if !t.p.choose(path) {
		t.view.failed("busy", nil)
	}
}

// Shown has to be called when the tab comes to be seen: it draws what changed meanwhile, and the first time it takes up the
// last search for the dataset.
func (t *Tab) Shown() {
	t.p.recallSearch()
	t.p.findKey() // It may have been kept by another window.
	t.view.shown()
	t.view.focus()
}

// Hidden has to be called when the tab is not seen any more: it draws nothing until it is.
func (t *Tab) Hidden() { t.view.hidden() }

// Close stops what the tab does, and waits for it. A run belongs to Jobs.
func (t *Tab) Close() {
	t.p.close()
	t.view.close()
	t.view.pages.wait()
}
