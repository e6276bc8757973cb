// Package review is the tab in which a person looks through the photos of a dataset and corrects it: moves photos to
// other labels, deletes them to the trash, brings them back, and undoes any of it.
package review

import (
	"context"
	"image"

	"fyne.io/fyne/v2"

	"kaika/core/curate"
	"kaika/core/thumb"
	"kaika/ui/i18n"
)

// Library is what the tab needs of a *curate.Library.
type Library interface {
	Labels() []curate.LabelCount
	Photos(q curate.Query) []curate.Photo
	Move(ctx context.Context, ids []curate.ID, label string) error
	Delete(ctx context.Context, ids []curate.ID) error
	Restore(ctx context.Context, ids []curate.ID) error
	EmptyTrash(ctx context.Context) error
	AddLabel(ctx context.Context, name string) error
	RenameLabel(ctx context.Context, from, to string) error
	RemoveLabel(ctx context.Context, name string) error
	Undo(ctx context.Context) (curate.Action, error)
	Redo(ctx context.Context) (curate.Action, error)
	CanUndo() (curate.Action, bool)
	CanRedo() (curate.Action, bool)
	Subscribe(f func(curate.Change)) (unsubscribe func())
}

// Thumbs makes pictures of photos, upright.
type Thumbs interface {
	Peek(key thumb.Key) (image.Image, bool)
	Load(key thumb.Key, done func(image.Image, error)) (cancel func())
	Full(ctx context.Context, path string, maxSide int) (image.Image, error)
}

// Preferences keep the order and the size of the photos across starts. They are called on the window's goroutine only.
type Preferences interface {
	String(key string) string
	SetString(key, value string)
}

var (
	_ Library = (*curate.Library)(nil)
	_ Thumbs  = (*thumb.Loader)(nil)
)

// Params are what the tab needs.
type Params struct {
	Window      fyne.Window
	Texts       func() *i18n.Texts // The texts in the language of the moment; asked at each Content.
	Thumbs      Thumbs
	Preferences Preferences
	Dispatch    func(func()) // Runs a function on the window's goroutine, later; fyne.Do does.

	// What the frame does.
	Collect     func()           // Goes to Collect.
	Inbox       func()           // Opens the photos that servers have kept.
	OpenDataset func()           // Asks for a dataset to open.
	OpenFolder  func(dir string) // Shows a folder in the system's file manager.
}

// Tab is the tab. Its methods are for the window's goroutine.
type Tab struct {
	p    *presenter
	view *view
}

// New makes the tab, without a dataset.
func New(p Params) *Tab {
	c := newPresenter(p.Thumbs, p.Preferences, p.Dispatch)
	v := &view{Params: p, p: c}
	c.screen = v
	return &Tab{c, v}
}

// Content gives the tab's widgets, in the language of the moment. Called again, it gives new ones that show the same.
func (t *Tab) Content() fyne.CanvasObject { return t.view.content() }

// SetLibrary tells which dataset is open, nil for none. Where the tab is seen, Shown has to be called after it.
func (t *Tab) SetLibrary(l *curate.Library) {
	if l == nil {
		t.p.setLibrary(nil)
		return
	}
	t.p.setLibrary(l)
}

// Shown has to be called when the tab, or another dataset in it, comes to be seen: it draws what changed meanwhile, and takes
// the keyboard's focus.
func (t *Tab) Shown() {
	t.p.shown()
	t.view.focus()
}

// Focus gives the keyboard's focus to the photos, or to the one that is shown large.
func (t *Tab) Focus() { t.view.focus() }

// TypedRune does what a character is for, whatever has the keyboard's focus.
func (t *Tab) TypedRune(r rune) { t.view.rune(r) }

// TypedShortcut does what a shortcut is for, whatever has the keyboard's focus.
func (t *Tab) TypedShortcut(s fyne.Shortcut) { t.view.command(s) }

// Hidden has to be called when the tab is not seen any more: it reads and draws nothing until it is.
func (t *Tab) Hidden() { t.p.hidden() }

// Show shows only these photos, with a title that says which they are, until the user goes back to all.
func (t *Tab) Show(ids []curate.ID, title string) {
	t.p.show(ids, title)
	t.view.focus()
}

// Settled gives a channel that is closed when all has been done that was asked for until now, such as to move photos: until
// then the dataset must not be closed.
func (t *Tab) Settled() <-chan struct{} { return t.p.settled() }

// Close ends what is under way and waits for it. What was asked for before, such as to move photos, is done.
func (t *Tab) Close() {
	t.p.close()
	t.view.close()
}
