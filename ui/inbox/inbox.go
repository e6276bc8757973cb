// Package inbox is the dialog in which a person brings photos that a server has kept into the dataset, those that the model
// was least sure of first: out of a folder, or from a server's address.
package inbox

import (
	"fyne.io/fyne/v2"

	"kaika/core/curate"
	"kaika/ui/i18n"
)

// Params are what the inbox needs.
type Params struct {
	Window      fyne.Window
	Texts       func() *i18n.Texts // The texts in the language of the moment; asked whenever it is opened.
	Secrets     Secrets
	Preferences Preferences
	Dispatch    func(func()) // Runs a function on the window's goroutine, later; fyne.Do does.
}

// Panel is the inbox. Its methods are for the window's goroutine.
type Panel struct {
	p    *presenter
	view *view
}

// New makes it, without a dataset. Nothing is opened yet.
func New(p Params) *Panel {
	c := newPresenter(p.Preferences, p.Secrets, p.Dispatch)
	v := &view{Params: p, p: c}
	c.screen = v
	return &Panel{c, v}
}

// SetLibrary tells which dataset photos are brought into, nil for none.
func (p *Panel) SetLibrary(l *curate.Library) {
	if l == nil {
		p.p.setDataset(nil) // Not a nil pointer in an interface.
		return
	}
	p.p.setDataset(l)
}

// Open shows the kept photos of the place that was used last, or asks for one.
func (p *Panel) Open() { p.view.open() }

// Busy says what becomes of the photos that are being brought into the dataset if the window closes now; and whether there are
// any.
func (p *Panel) Busy() (what string, is bool) {
	return p.view.Texts().T("inbox.close"), p.p.busy > 0
}

// Close ends what is under way and waits for it. A photo is in the dataset by then, or still in the inbox.
func (p *Panel) Close() {
	p.view.close()
	p.p.close()
}
