package collect

import (
	"cmp"
	"fmt"
	"image"
	"net/url"
	"path/filepath"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/curate"
	"kaika/core/thumb"
	"kaika/ui/widgets"
)

// arrivals shows the photos that have come, the newest first, and all that is known of one of them.
type arrivals struct {
	v       *view
	content *fyne.Container

	grid   *widgets.GridWrap
	empty  *fyne.Container
	noKey  bool                // What empty says.
	cells  map[*photoCell]bool // Those that await a picture. GridWrap makes more than it shows, and forgets them.
	newest curate.ID           // Of the photos that the grid shows.
	number int
	opened *photoCell      // In the panel.
	source string          // The kind of the source of the photo in the panel.
	panel  *fyne.Container // What is known of one photo.

	after func(d time.Duration, f func()) (stop func()) // Calls f on any goroutine when d has passed.
	rest  func()                                        // Ends the pause after a drawing, nil when there is none.
	due   bool                                          // Something came in the pause.
}

// pause is the least time between two drawings of the grid while photos come. Each moves all others on by a place, so that
// thumbnails would not be loaded in time for the places that they are asked for.
const pause = 500 * time.Millisecond

func newArrivals(v *view) *arrivals {
	a := &arrivals{v: v, cells: map[*photoCell]bool{}, panel: container.NewStack()}
	a.after = func(d time.Duration, f func()) func() {
		timer := time.AfterFunc(d, f)
		return func() { timer.Stop() }
	}
	a.grid = widgets.NewGridWrap(
		func() int { return len(v.p.photos) },
		func() fyne.CanvasObject { return newPhotoCell(a, 88) },
		func(i widget.GridWrapItemID, o fyne.CanvasObject) {
			if c, ok := o.(*photoCell); ok && i < len(v.p.photos) {
				c.show(v.current(v.p.photos[i]))
			}
		})
	a.grid.OnSelected = func(i widget.GridWrapItemID) {
		a.grid.UnselectAll() // Newer photos move it on.
		if i < len(v.p.photos) {
			a.open(v.p.photos[i])
		}
	}
	a.empty = container.NewStack(a.whatToDo())
	a.panel.Hide()
	a.content = container.NewBorder(nil, a.panel, nil, nil, container.NewStack(a.empty, a.grid))
	return a
}

// whatToDo says how photos come: a key first, where one is missing.
func (a *arrivals) whatToDo() fyne.CanvasObject {
	v, p := a.v, a.v.p
	a.noKey = p.noKey
	switch {
	case p.service == nil:
		return widgets.Empty(theme.DownloadIcon(), v.tx.T("collect.empty.title"), v.tx.T("collect.empty.text"))
	case !p.noKey:
		return widgets.Empty(theme.DownloadIcon(), v.tx.T("collect.empty.title"), v.tx.T("collect.empty.service", "Service", p.service.Name))
	}
	actions := []widgets.Action{{Text: v.tx.T("collect.key.settings"), Icon: theme.SettingsIcon(), Do: v.Settings}}
	for i := range p.services {
		if p.services[i].FindKey == nil {
			actions = append(actions, widgets.Action{Text: v.tx.T("collect.key.instead", "Service", p.services[i].Name), Do: func() { p.useService(i) }})
			break
		}
	}
	ask := widgets.Empty(theme.AccountIcon(), v.tx.T("collect.key.title", "Service", p.service.Name), v.tx.T("collect.key.how"), actions...)
	if page, ok := webPage(keyPage); ok {
		return container.NewBorder(nil, container.NewCenter(link(v.tx.T("collect.key.page"), page, v.open)), nil, nil, ask)
	}
	return ask
}

// from names where a photo came from, with the address of that where it is on the web.
func (v *view) from(s curate.Source) (name, address string) {
	for i := range v.p.services {
		if v.p.services[i].Kind == s.Kind {
			return v.p.services[i].Name, ""
		}
	}
	if s.Kind == "archive" {
		return filepath.Base(s.From) + ": " + s.ID, ""
	}
	return s.From, s.From
}

// webOnly gives an address if it is one of the web.
func webOnly(address string) string {
	if _, ok := webPage(address); ok {
		return address
	}
	return ""
}

// open has the system show a page of the web.
func (v *view) open(page *url.URL) { v.pages.open(v.p.ctx, v.tx, page) }

// current gives a photo as it is now: it may have been moved since it came.
func (v *view) current(p curate.Photo) curate.Photo {
	if v.p.library != nil && v.p.dir == v.p.ranIn {
		if now, ok := v.p.library.Photo(p.ID); ok {
			return now
		}
	}
	return p
}

func (a *arrivals) refresh() {
	photos := a.v.p.photos
	if a.noKey != a.v.p.noKey {
		a.empty.Objects = []fyne.CanvasObject{a.whatToDo()}
		a.empty.Refresh()
	}
	show(a.empty, len(photos) == 0)
	show(a.grid, len(photos) > 0)
	var newest curate.ID
	if len(photos) > 0 {
		newest = photos[0].ID
	}
	if newest != a.newest || len(photos) != a.number {
		a.newest, a.number = newest, len(photos)
		a.draw()
	}
	if len(photos) == 0 {
		a.shut()
	}
}

// draw draws the grid, now or at the end of the pause.
func (a *arrivals) draw() {
	running := a.v.p.stage == running
	if a.due = running && a.rest != nil; a.due {
		return
	}
	a.grid.Refresh()
	if running {
		a.rest = a.after(pause, func() { a.v.Dispatch(a.rested) })
	}
}

// rested ends the pause.
func (a *arrivals) rested() {
	if a.rest == nil {
		return // The widgets are closed.
	}
	if a.rest = nil; a.due {
		a.draw()
	}
}

func (a *arrivals) close() {
	if a.rest != nil {
		a.rest()
		a.rest = nil
	}
	for c := range a.cells {
		c.close()
	}
	a.cells, a.opened, a.source = map[*photoCell]bool{}, nil, ""
}

// open shows what is known of a photo.
func (a *arrivals) open(p curate.Photo) {
	tx := a.v.tx
	a.shut()
	p = a.v.current(p)
	picture := newPhotoCell(a, 96)
	picture.picture.FillMode = canvas.ImageFillContain // All of it.
	a.opened, a.source = picture, p.Source.Kind
	picture.show(p)
	unknown := tx.T("collect.photo.unknown")
	facts := container.New(&factsLayout{})
	add := func(name, text, address string) {
		caption := widget.NewLabel(tx.T("collect.photo." + name))
		caption.SizeName, caption.Importance = theme.SizeNameCaptionText, widget.LowImportance
		facts.Add(caption)
		facts.Add(a.v.value(text, address))
	}
	if p.Source.Title != "" {
		add("title", p.Source.Title, "")
	}
	add("author", cmp.Or(p.Source.Author, webOnly(p.Source.AuthorURL), unknown), p.Source.AuthorURL)
	add("license", cmp.Or(p.Source.License, webOnly(p.Source.LicenseURL), unknown), p.Source.LicenseURL)
	if p.Source.PageURL != "" {
		add("page", p.Source.PageURL, p.Source.PageURL)
	}
	if from, address := a.v.from(p.Source); from != "" {
		add("from", from, address)
	}
	add("label", p.Label, "")
	add("file", p.Name, "")
	if !p.Source.Taken.IsZero() {
		add("taken", p.Source.Taken.Format(time.DateOnly), "")
	}
	add("size", tx.T("collect.photo.measures", "Width", tx.Number(p.Width), "Height", tx.Number(p.Height), "Bytes", tx.Bytes(p.Size)), "")
	shut := widgets.NewButton("", theme.CancelIcon(), a.shut)
	shut.Importance = widget.LowImportance
	scroll := container.NewVScroll(facts)
	scroll.SetMinSize(fyne.NewSize(0, 176))
	a.panel.Objects = []fyne.CanvasObject{container.NewBorder(widget.NewSeparator(), nil, container.NewVBox(picture), container.NewVBox(shut), scroll)}
	a.panel.Show()
	a.content.Refresh()
	a.v.refreshNotice()
}

// shut closes what open has shown.
func (a *arrivals) shut() {
	if a.opened != nil {
		a.opened.close()
		a.opened, a.source = nil, ""
		a.panel.Hide()
		a.content.Refresh()
		a.v.refreshNotice()
	}
}

// value shows a text with the address behind it, if that is one of the web.
func (v *view) value(text, address string) fyne.CanvasObject {
	text = visible(text)
	if page, ok := webPage(address); ok {
		l := link(text, page, v.open)
		if l.Wrapping = fyne.TextWrapWord; text == address {
			l.Wrapping, l.Truncation = fyne.TextWrapOff, fyne.TextTruncateEllipsis // Its whole length is of little use.
		}
		return l
	}
	return widgets.NewText(text)
}

// factsLayout lays out captions with what they are about, pair by pair, the lines close to each other.
type factsLayout struct{}

const captionWidth = 68

// closer is how much of the room around lines of text is left out.
const closer = 12

// MinSize implements fyne.Layout.
func (*factsLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	height := float32(closer)
	for i := 1; i < len(objects); i += 2 {
		height += objects[i].MinSize().Height - closer
	}
	return fyne.NewSize(2*captionWidth, height)
}

// Layout implements fyne.Layout.
func (*factsLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	y := float32(0)
	for i := 1; i < len(objects); i += 2 {
		caption, value := objects[i-1], objects[i]
		value.Resize(fyne.NewSize(size.Width-captionWidth, value.Size().Height)) // First, because a text has its height by its width.
		height := value.MinSize().Height
		value.Resize(fyne.NewSize(size.Width-captionWidth, height))
		value.Move(fyne.NewPos(captionWidth, y))
		small := caption.MinSize().Height
		caption.Resize(fyne.NewSize(captionWidth, small))
		caption.Move(fyne.NewPos(0, y+(theme.TextSize()-theme.CaptionTextSize())))
		y += height - closer
	}
}

// photoCell shows one photo, small, as soon as it is loaded.
type photoCell struct {
	widget.BaseWidget

	a       *arrivals
	side    float32
	picture *canvas.Image
	icon    *widget.Icon
	caption *widget.Label
	key     thumb.Key // Of the photo that is shown or awaited.
	cancel  func()    // Stops the awaiting.
}

func newPhotoCell(a *arrivals, side float32) *photoCell {
	c := &photoCell{
		a: a, side: side, picture: canvas.NewImageFromImage(nil), icon: widget.NewIcon(theme.FileImageIcon()), caption: widget.NewLabel(""), cancel: func() {},
	}
	c.picture.FillMode, c.picture.ScaleMode = canvas.ImageFillCover, canvas.ImageScaleFastest
	c.caption.Truncation, c.caption.Alignment, c.caption.SizeName = fyne.TextTruncateEllipsis, fyne.TextAlignCenter, theme.SizeNameCaptionText
	c.ExtendBaseWidget(c)
	return c
}

// CreateRenderer implements fyne.Widget.
func (c *photoCell) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(container.New(&cellLayout{c.side}, container.NewStack(container.NewCenter(c.icon), c.picture), c.caption))
}

// cellLayout lays out a square with a line of small text close below.
type cellLayout struct{ side float32 }

const captionHeight = 22

// MinSize implements fyne.Layout.
func (l *cellLayout) MinSize([]fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(l.side, l.side+captionHeight)
}

// Layout implements fyne.Layout.
func (l *cellLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	objects[0].Move(fyne.NewPos((size.Width-l.side)/2, 0))
	objects[0].Resize(fyne.NewSquareSize(l.side))
	height := objects[1].MinSize().Height
	objects[1].Move(fyne.NewPos(0, l.side+(captionHeight-height)/2))
	objects[1].Resize(fyne.NewSize(size.Width, height))
}

// show shows a photo.
func (c *photoCell) show(p curate.Photo) {
	say(c.caption, visible(p.Label))
	key := thumb.Key{Path: p.Path, Size: p.Size, ModTime: p.ModTime}
	if key == c.key && c.picture.Image != nil {
		return
	}
	c.stop()
	c.key = key
	if img, ok := c.a.v.Thumbs.Peek(key); ok {
		c.set(img, nil)
		return
	}
	c.picture.Image = nil
	c.icon.SetResource(theme.FileImageIcon())
	c.icon.Show()
	c.picture.Refresh()
	c.a.cells[c] = true
	c.cancel = c.a.v.Thumbs.Load(key, func(img image.Image, err error) {
		c.a.v.Dispatch(func() {
			if c.key == key {
				c.stop()
				c.set(img, err)
			}
		})
	})
}

// set shows what was loaded.
func (c *photoCell) set(img image.Image, err error) {
	if err != nil {
		c.icon.SetResource(theme.BrokenImageIcon())
		return
	}
	c.icon.Hide()
	c.picture.Image = img
	c.picture.Refresh()
}

// stop awaits nothing more.
func (c *photoCell) stop() {
	c.cancel()
	c.cancel = func() {}
	delete(c.a.cells, c)
}

// close has the cell show nothing new.
func (c *photoCell) close() {
	c.stop()
	c.key = thumb.Key{Path: fmt.Sprintf("closed %p", c)} // What comes late is for nobody.
}
