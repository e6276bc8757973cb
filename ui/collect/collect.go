// Package collect is the tab in which photos are brought into a dataset, and the panel in which the key of a service is
// entered.
package collect

import (
	"context"
	"image"
	"log/slog"

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
	Dir() string
	Labels() []curate.LabelCount
	CheckLabel(name string) error
	Photo(id curate.ID) (curate.Photo, bool)
}

var (
	_ Jobs    = (*job.Runner)(nil)
	_ Thumbs  = (*thumb.Loader)(nil)
	_ Library = (*curate.Library)(nil)
)

// Service is a place that is searched for photos by keywords.
type Service struct {
	Name     string    // Its own, such as "Flickr".
	Licenses []License // Those that can be chosen from; none where photos have none.
	NeedsKey bool      // Whether the key panel is for it.
	// Open gives the source for one run: photos under the licences with these IDs, whose shorter side has minSide pixels or
	// more. It is called from the run's goroutine. The error wraps secret.ErrNone where a key is missing.
	Open func(ctx context.Context, licenses []string, minSide int) (source.Source, error)
}

// License is a licence of photos of a service.
type License struct {
	ID, Name string
	Allowed  bool // Until its user changes it.
}

// Params are what the tab needs.
type Params struct {
	Window   fyne.Window
	Texts    func() *i18n.Texts // The texts in the language of the moment; asked at each Content.
	Jobs     Jobs
	Thumbs   Thumbs
	Services []Service    // Beside folders and archives; may be empty.
	Dispatch func(func()) // Runs a function on the window's goroutine, later; fyne.Do does.
	Log      *slog.Logger // Nil for none.

	// What the frame does.
	NewDataset  func() // Asks for a new dataset and opens it.
	OpenDataset func() // Asks for a dataset to open.
	Review      func() // Goes to Review.
}

// Tab is the tab. Its methods are for the window's goroutine.
type Tab struct {
	p    *presenter
	view *view
}

// New makes the tab.
func New(p Params) *Tab {
	c := newPresenter(p.Jobs, p.Services, p.Dispatch, p.Log)
	t := &Tab{c, &view{Params: p, p: c, split: 0.56}}
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

// Import lists the folder or archive at a path, to be collected from. While a run is under way it says so instead.
func (t *Tab) Import(path string) {
	if !t.p.choose(path) {
		t.view.failed("busy", nil)
	}
}

// Shown has to be called when the tab comes to be seen.
func (t *Tab) Shown() { t.view.focus() }

// Close stops what the tab does, and waits for it. A run belongs to Jobs.
func (t *Tab) Close() {
	t.p.close()
	t.view.close()
}
