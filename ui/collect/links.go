package collect

import (
	"context"
	"net/url"
	"sync"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/i18n"
	"kaika/ui/widgets"
)

// pages has the system show pages of the web. Its methods but wait are for the window's goroutine.
type pages struct {
	window   fyne.Window
	dispatch func(func())
	show     func(*url.URL) error
	work     sync.WaitGroup
}

// open shows a page, beside: to start another program takes long. ctx ends with who wants to be told of a failure.
func (p *pages) open(ctx context.Context, tx *i18n.Texts, page *url.URL) {
	p.work.Go(func() {
		if err := p.show(page); err != nil {
			p.dispatch(func() {
				if ctx.Err() == nil {
					widgets.ShowError(p.window, tx, tx.T("collect.error.link", "Address", page.String()), err)
				}
			})
		}
	})
}

// wait waits until no page is being opened.
func (p *pages) wait() { p.work.Wait() }

// webPage gives the page of the web that a text is the address of. What others wrote is not to start other programs.
func webPage(address string) (*url.URL, bool) {
	page, err := url.Parse(address)
	return page, err == nil && page.Host != "" && (page.Scheme == "https" || page.Scheme == "http")
}

// pageLink is a text that opens a page when it is clicked, or chosen with the keyboard. What other keys are for is for the
// dialog that it is in.
type pageLink struct{ widget.Hyperlink }

func link(text string, page *url.URL, open func(*url.URL)) *pageLink {
	l := &pageLink{}
	l.Text, l.URL, l.OnTapped = text, page, func() { open(page) }
	l.ExtendBaseWidget(l)
	return l
}

// FocusGained implements fyne.Focusable.
func (l *pageLink) FocusGained() {
	l.Hyperlink.FocusGained()
	widgets.TookFocus(l)
}

// TypedKey implements fyne.Focusable.
func (l *pageLink) TypedKey(ev *fyne.KeyEvent) {
	switch {
	case ev.Name == fyne.KeyReturn, ev.Name == fyne.KeyEnter:
		l.OnTapped()
	case !widgets.HandOn(l, ev):
		l.Hyperlink.TypedKey(ev)
	}
}
