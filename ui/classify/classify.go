// Package classify is the tab in which a trained model says what is on photos.
package classify

import (
	"context"
	"image"
	"log/slog"

	"fyne.io/fyne/v2"

	"kaika/core/classify"
	"kaika/core/curate"
	"kaika/core/job"
	"kaika/core/thumb"
	"kaika/ui/clipboard"
	"kaika/ui/i18n"
)

// Jobs runs the classifying, one job at a time. It is the tab's own, so that a photo can be classified beside a training.
type Jobs interface {
	Start(kind string, run func(ctx context.Context, report func(job.Progress)) error) error
	Cancel()
	State() job.State
	Subscribe(f func(job.State)) (unsubscribe func())
}

// Thumbs makes pictures of photos, upright.
type Thumbs interface {
	Peek(key thumb.Key) (image.Image, bool)
	Load(key thumb.Key, done func(image.Image, error)) (cancel func())
	Full(ctx context.Context, path string, maxSide int) (image.Image, error)
}

// Library is the dataset that photos are put into.
type Library interface {
	Labels() []curate.LabelCount
	Add(ctx context.Context, a curate.Addition) (curate.Photo, error)
	Move(ctx context.Context, ids []curate.ID, label string) error
	Delete(ctx context.Context, ids []curate.ID) error
	RemoveLabel(ctx context.Context, name string) error
}

// Preferences keeps settings across starts.
type Preferences interface {
	String(key string) string
	SetString(key, value string)
}

var (
	_ Jobs    = (*job.Runner)(nil)
	_ Thumbs  = (*thumb.Loader)(nil)
	_ Library = (*curate.Library)(nil)
)

// ModelChoice is a model that can be taken into use.
type ModelChoice struct {
	Dir    string // Its folder.
	Title  string // What its user knows it by. The name of the folder stands in for an empty one.
	Detail string // A line more about it.
}

// Params are what the tab needs.
type Params struct {
	Window fyne.Window
	Texts  func() *i18n.Texts // The texts in the language of the moment; asked at each Content.
	// Open opens a model folder and tries it out; it starts the engine if it does not run. See [classify.Open], whose
	// error it gives.
	Open func(ctx context.Context, dir string) (*classify.Classifier, error)
	// Models lists the kept models, the newest first. It is called from any goroutine.
	Models      func(ctx context.Context) ([]ModelChoice, error)
	Jobs        Jobs
	Thumbs      Thumbs
	Preferences Preferences
	// Clipboard reads what was copied, beside; nil is the desktop's.
	Clipboard func(ctx context.Context) (clipboard.Content, error)
	Dispatch  func(func()) // Runs a function on the window's goroutine, later; fyne.Do does.
	Log       *slog.Logger // Nil for none.

	// What the frame and other tabs do.
	Retrain     func() // Goes to Retrain.
	OpenDataset func() // Asks for a dataset to open.
}

// Tab is the tab. Its methods are for the window's goroutine.
type Tab struct {
	p    *presenter
	view *view
}

// New makes the tab. It loads nothing yet, and starts no engine.
func New(p Params) *Tab {
	c := newPresenter(p)
	return &Tab{c, &view{Params: p, p: c, tx: p.Texts(), photoOffset: 0.62, tableOffset: 0.6}}
}

// Content gives the tab's widgets, in the language of the moment. Called again, it gives new ones that show the same.
func (t *Tab) Content() fyne.CanvasObject { return t.view.content() }

// Shown has to be called when the tab comes to be seen: it draws what changed meanwhile, and the first time it opens the
// model in use, in the background.
func (t *Tab) Shown() {
	t.p.shownFirst()
	t.view.shown()
	t.view.focus()
}

// Focus gives the keyboard's focus to the photo or the table, if nothing else has it.
func (t *Tab) Focus() { t.view.focus() }

// Hidden has to be called when the tab is not seen any more: it draws nothing until it is.
func (t *Tab) Hidden() { t.view.hidden() }

// Drop classifies files and folders, as they were dropped on the window.
func (t *Tab) Drop(paths []string) { t.p.drop(paths) }

// Paste classifies the picture or the files in the clipboard. It is for Ctrl+V while the tab is seen.
func (t *Tab) Paste() { t.view.paste() }

// UseModel takes the model in a folder into use, and classifies the photos that are shown anew by it.
func (t *Tab) UseModel(dir string) { t.p.use(ModelChoice{Dir: dir}) }

// Offer takes the model in a folder into use if there is none yet: it was just trained.
func (t *Tab) Offer(dir string) { t.p.offer(dir) }

// SetLibrary tells which dataset is open; nil, and no nil pointer in it, for none.
func (t *Tab) SetLibrary(l Library) { t.p.setLibrary(l) }

// Busy tells of work that is no job and that closing the window would break off, in a sentence about what becomes of it.
func (t *Tab) Busy() (what string, ok bool) {
	if t.p.adding == nil {
		return "", false
	}
	return t.view.tx.T("classify.close"), true
}

// Settled gives a channel that is closed when photos are in the dataset that are being added to it: until then it must not be
// closed.
func (t *Tab) Settled() <-chan struct{} { return t.p.settled }

// Close stops all work and waits for it.
func (t *Tab) Close() { t.p.close() }
