package review

import (
	"errors"
	"io/fs"
	"math"
	"net/url"
	"path/filepath"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/collect"
	"kaika/core/credit"
	"kaika/core/curate"
	"kaika/core/thumb"
	"kaika/ui/widgets"
)

// largeView shows one photo, and beside it where it is from.
type largeView struct {
	v     *view
	root  *fyne.Container
	photo *photo
	name  *widget.Label
	zoom  *widget.Label
	word  *widget.Label
	facts *fyne.Container

	broken    *fyne.Container // Stands in the place of a photo that cannot be shown,
	isBroken  curate.ID       // namely this one.
	folder    *fyne.Container // Holds the button that leads to the photo's folder.
	top, foot *fyne.Container

	move, remove, restore *widgets.Button
	prev, next            *widgets.Button
	shown                 curate.ID // Photo whose picture or thumbnail is drawn.
	whole                 bool      // It is the picture itself.
}

func newLargeView(v *view) *largeView {
	l := &largeView{v: v, photo: newPhoto(v.Window), facts: container.New(layout.NewCustomPaddedVBoxLayout(-6)), broken: container.NewStack()}
	l.photo.zoomed = l.drawZoom
	l.photo.typed = l.typed
	l.photo.rune = l.rune
	l.photo.command = func(s fyne.Shortcut) {
		if v.command(s) {
			return
		}
		if window, ok := v.Window.Canvas().(fyne.Shortcutable); ok {
			window.TypedShortcut(s)
		}
	}
	l.name = widget.NewLabelWithStyle("", fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	l.name.Truncation = fyne.TextTruncateEllipsis
	l.zoom = widget.NewLabel("")
	l.word = widget.NewLabel("")
	l.word.Truncation = fyne.TextTruncateEllipsis

	tool := func(icon fyne.Resource, text string, do func()) *widgets.Button {
		return widgets.NewButton(text, icon, func() {
			if v.p.large.open {
				l.photo.takeFocus() // First: a menu gives it back when it closes.
			}
			do()
		})
	}
	back := tool(theme.NavigateBackIcon(), v.tx.T("review.large.back"), v.p.closeLarge)
	l.prev = tool(theme.MediaSkipPreviousIcon(), "", func() { v.p.step(-1) })
	l.next = tool(theme.MediaSkipNextIcon(), "", func() { v.p.step(1) })
	l.move = tool(theme.FolderIcon(), v.tx.T("review.move"), func() { v.showMenu(v.labelMenu(), below(l.move)) })
	l.remove = tool(theme.DeleteIcon(), v.tx.T("review.delete"), v.p.remove)
	l.restore = tool(theme.MailReplyIcon(), v.tx.T("review.restore"), func() { v.p.restore(false) })
	fit := tool(theme.ZoomFitIcon(), "", func() { l.photo.setZoom(0, l.photo.center()) })
	full := tool(nil, v.tx.T("review.large.full"), func() { l.photo.setZoom(1, l.photo.center()) })
	out := tool(theme.ZoomOutIcon(), "", func() { l.photo.setZoom(l.photo.factor()/zoomStep, l.photo.center()) })
	in := tool(theme.ZoomInIcon(), "", func() { l.photo.setZoom(l.photo.factor()*zoomStep, l.photo.center()) })

	l.folder = container.NewHBox(widgets.NewButton(v.tx.T("review.large.folder"), theme.FolderOpenIcon(), func() {
		v.OpenFolder(filepath.Dir(v.p.large.photo.Path))
	}), layout.NewSpacer())

	l.top = container.NewBorder(nil, nil, container.NewHBox(back, l.prev, l.next), container.NewHBox(l.move, l.remove, l.restore), l.name)
	l.foot = container.NewBorder(nil, nil, nil, container.NewHBox(l.zoom, out, in, fit, full), l.word)
	l.root = container.NewBorder(l.top, l.foot, nil, container.New(&fixedWidth{232}, container.NewVScroll(l.facts)),
		container.NewStack(l.photo, l.broken))
	l.root.Hide()
	return l
}

// fixedWidth lays its one object out with a width.
type fixedWidth struct{ width float32 }

func (f *fixedWidth) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(f.width, 0) }

func (f *fixedWidth) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	objects[0].Move(fyne.Position{})
	objects[0].Resize(size)
}

// draw draws the photo that the presenter has.
func (l *largeView) draw() {
	v, p := l.v, l.v.p.large.photo
	place := v.p.place[p.ID]
	l.name.SetText(v.tx.T("review.large.place", "Name", p.Name, "Place", v.tx.Number(place+1), "Count", v.tx.Number(len(v.p.photos))))
	enable(l.prev, place > 0)
	enable(l.next, place < len(v.p.photos)-1)
	trash := v.p.current.kind == inTrash
	show(l.remove, !trash)
	show(l.restore, trash)
	l.top.Refresh()
	l.drawBroken()

	fresh := l.shown != p.ID
	img := v.p.large.img
	switch {
	case img != nil && (fresh || !l.whole):
		l.photo.set(img, fresh || !l.whole)
		l.shown, l.whole = p.ID, true
	case fresh && v.p.large.err == nil:
		small, _ := v.Thumbs.Peek(thumb.Key{Path: p.Path, Size: p.Size, ModTime: p.ModTime}) // Until the photo is decoded.
		l.photo.set(small, true)
		l.shown, l.whole = p.ID, false
	case v.p.large.err != nil:
		l.photo.set(nil, true)
		l.shown, l.whole = p.ID, false
	}
	l.drawZoom()
	l.drawFacts()
	l.drawNote()
}

// drawBroken says why a photo cannot be shown, and what to do about it.
func (l *largeView) drawBroken() {
	tx, err := l.v.tx, l.v.p.large.err
	isBroken := curate.ID(0)
	if err != nil {
		isBroken = l.v.p.large.photo.ID
	}
	if isBroken == l.isBroken { // It is said already, and the button may have the focus.
		return
	}
	l.isBroken = isBroken
	l.broken.RemoveAll()
	if err == nil {
		return
	}
	text := tx.T("review.large.damaged")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text = tx.T("review.large.gone")
	case errors.Is(err, fs.ErrPermission):
		text = tx.T("review.large.forbidden")
	}
	title := tx.T("review.large.broken")
	l.broken.Add(widgets.Empty(theme.BrokenImageIcon(), title, text, widgets.Action{Text: tx.T("kit.error.details"), Do: func() {
		widgets.ShowError(l.v.Window, tx, tx.Sentences(title, text), err)
	}}))
}

// clear forgets the picture.
func (l *largeView) clear() {
	l.shown, l.whole, l.isBroken = 0, false, 0
	l.broken.RemoveAll()
	l.photo.set(nil, true)
	l.facts.RemoveAll()
}

func (l *largeView) drawZoom() {
	text := ""
	if l.whole {
		text = l.v.tx.Number(int(math.Round(100*float64(l.photo.factor())))) + " %"
	}
	l.zoom.SetText(text)
	l.foot.Refresh() // The number is as wide as it is.
}

func (l *largeView) drawNote() {
	text := ""
	if l.v.p.note.shown {
		text = l.v.said(l.v.p.note.outcome)
	}
	l.word.SetText(text)
}

// drawFacts lists what is known of the photo.
func (l *largeView) drawFacts() {
	v, p := l.v, l.v.p.large.photo
	if link, ok := v.Window.Canvas().Focused().(*factLink); ok && link.l == l {
		l.photo.takeFocus() // The link goes.
	}
	l.facts.RemoveAll()
	l.fact(v.tx.T("review.fact.label"), p.Label, "")
	if width, height := l.pixels(); width > 0 {
		l.fact(v.tx.T("review.fact.size"), v.tx.T("review.fact.size.text",
			"Width", v.tx.Number(width), "Height", v.tx.Number(height), "Bytes", v.tx.Bytes(p.Size)), "")
	} else {
		l.fact(v.tx.T("review.fact.size"), v.tx.Bytes(p.Size), "")
	}
	s := p.Source
	l.fact(v.tx.T("review.fact.title"), s.Title, "")
	l.fact(v.tx.T("review.fact.author"), s.Author, s.AuthorURL)
	l.fact(v.tx.T("review.fact.license"), s.License, s.LicenseURL)
	if s.PageURL != "" {
		l.fact(v.tx.T("review.fact.page"), s.PageURL, s.PageURL)
	}
	l.fact(v.tx.T("review.fact.source"), l.source(s.Kind), "")
	l.fact(v.tx.T("review.fact.from"), s.From, "")
	if !s.Taken.IsZero() {
		l.fact(v.tx.T("review.fact.taken"), v.tx.Time(s.Taken), "")
	}
	l.fact(v.tx.T("review.fact.added"), v.tx.Time(p.Added), "")
	if !p.Deleted.IsZero() {
		l.fact(v.tx.T("review.fact.deleted"), v.tx.Time(p.Deleted), "")
	}
	l.fact(v.tx.T("review.fact.path"), p.Path, "")
	l.facts.Add(l.folder)
	if credit.FromFlickr(s) {
		notice := widgets.NewText(v.tx.T("collect.flickr.notice"))
		notice.SizeName, notice.Importance = theme.SizeNameCaptionText, widget.LowImportance
		l.facts.Add(notice)
		l.facts.Refresh() // A text knows its height only when it knows its width.
	}
}

// source names what a photo came from, by its kind.
func (l *largeView) source(kind string) string {
	if s, ok := collect.ServiceOf(kind); ok {
		return s.Name
	}
	switch kind {
	case "folder", "archive", "address":
		return l.v.tx.T("review.source." + kind)
	}
	return kind
}

// pixels gives the size of the photo, 0 where it is not known.
func (l *largeView) pixels() (width, height int) {
	p := l.v.p.large
	if p.photo.Width > 0 {
		return p.photo.Width, p.photo.Height
	}
	if p.img != nil {
		b := p.img.Bounds()
		if max(b.Dx(), b.Dy()) < largeSide { // Else it may have been scaled down.
			return b.Dx(), b.Dy()
		}
	}
	return 0, 0
}

// fact adds a fact, if it is known. Only addresses of the web become links: others could start programs.
func (l *largeView) fact(name, value, address string) {
	if value == "" {
		return
	}
	heading := widget.NewLabelWithStyle(name, fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	heading.SizeName = theme.SizeNameCaptionText
	l.facts.Add(heading)
	if at, err := url.Parse(address); err == nil && (at.Scheme == "https" || at.Scheme == "http") {
		l.facts.Add(l.newLink(value, at))
		return
	}
	text := widget.NewLabel(value)
	text.Wrapping = fyne.TextWrapBreak
	text.Selectable = true
	l.facts.Add(text)
}

// factLink is a fact with a page of the web behind it. The keys that it has no use for are those of the large photo.
type factLink struct {
	widget.Hyperlink

	l *largeView
}

func (l *largeView) newLink(text string, page *url.URL) *factLink {
	f := &factLink{l: l}
	f.Text, f.URL, f.Truncation = text, page, fyne.TextTruncateEllipsis
	f.ExtendBaseWidget(f)
	return f
}

// TypedKey implements fyne.Focusable.
func (f *factLink) TypedKey(ev *fyne.KeyEvent) {
	switch ev.Name {
	case fyne.KeySpace:
		f.Hyperlink.TypedKey(ev)
	case fyne.KeyReturn, fyne.KeyEnter:
		f.Hyperlink.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
	default:
		f.l.typed(ev)
	}
}

// TypedRune implements fyne.Focusable.
func (f *factLink) TypedRune(r rune) {
	if r != ' ' {
		f.l.rune(r)
	}
}

// typed does what a key is for while the photo is large.
func (l *largeView) typed(ev *fyne.KeyEvent) {
	switch ev.Name {
	case fyne.KeyLeft, fyne.KeyUp, fyne.KeyPageUp:
		l.v.p.step(-1)
	case fyne.KeyRight, fyne.KeyDown, fyne.KeyPageDown, fyne.KeySpace:
		l.v.p.step(1)
	case fyne.KeyHome:
		l.v.p.step(-len(l.v.p.photos))
	case fyne.KeyEnd:
		l.v.p.step(len(l.v.p.photos))
	case fyne.KeyEscape, fyne.KeyReturn, fyne.KeyEnter:
		l.v.p.closeLarge()
	default:
		l.v.typed(ev)
	}
}

// rune does what a character is for while the photo is large: 0 fits it into the room where there is no tenth label.
func (l *largeView) rune(r rune) {
	if _, tenth := l.v.p.labelOf(0); r == '0' && !tenth || r == 'f' || r == 'F' {
		l.photo.setZoom(0, l.photo.center())
		return
	}
	l.v.rune(r)
}
