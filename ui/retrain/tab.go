package retrain

import (
	"fyne.io/fyne/v2"

	"kaika/core/curate"
)

// Tab is the tab. Its methods are for the window's goroutine.
type Tab struct {
	params Params
	p      *presenter
	view   *view // The newest.
}

// New makes the tab. It reads nothing yet, and starts no engine.
func New(p Params) *Tab {
	return &Tab{params: p, p: newPresenter(p)}
}

// Content builds the tab's widgets anew, in the language of the moment. What the tab holds stays, also while it trains.
func (t *Tab) Content() fyne.CanvasObject {
	t.view = newView(t.params, t.p)
	return t.view.content
}

// SetLibrary tells the tab which dataset is at work, nil for none.
func (t *Tab) SetLibrary(l *curate.Library) {
	if l == nil {
		t.p.setLibrary(nil)
		return
	}
	t.p.setLibrary(l)
}

// Shown tells the tab that it came to the front: it draws what changed meanwhile, and reads base models and kept runs anew.
func (t *Tab) Shown() { t.p.shown() }

// Hidden tells the tab that it is not seen any more: it draws nothing until it is.
func (t *Tab) Hidden() { t.p.hidden() }

// Busy tells of work that is no job and that closing the window would break off, in a sentence about what becomes of it.
func (t *Tab) Busy() (what string, ok bool) {
	if t.p.exports == 0 {
		return "", false
	}
	return t.params.Texts().T("retrain.close"), true
}

// Close ends what the tab has in the background and waits for it. A training is ended by the runner of the jobs, which is
// to be closed first.
func (t *Tab) Close() { t.p.close() }
