package widgets

import (
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"
)

// Page is one of several that share a place.
type Page struct {
	title   string
	content *fyne.Container
	titled  func() // The title has changed.
}

// NewPage gives a page of a title and what is on it.
func NewPage(title string, content ...fyne.CanvasObject) *Page {
	return &Page{title, container.NewStack(content...), func() {}}
}

// Show fills the page.
func (p *Page) Show(o fyne.CanvasObject) {
	p.content.Objects = []fyne.CanvasObject{o}
	p.content.Refresh()
}

// Title gives the page's title.
func (p *Page) Title() string { return p.title }

// SetTitle gives the page another title.
func (p *Page) SetTitle(title string) {
	if title != p.title {
		p.title = title
		p.titled()
	}
}

// Pages show one page at a time, chosen by buttons above it. Unlike Fyne's tabs they are reached by the keyboard.
type Pages struct {
	Content *fyne.Container // What is to be shown.

	all     []*Page
	buttons []*Button
	row     *fyne.Container // Holds them.
	place   *fyne.Container
	chosen  *Page
}

// NewPages gives a place for pages. The first one is shown.
func NewPages(all ...*Page) *Pages {
	p := &Pages{all: all, row: container.NewHBox(), place: container.NewStack()}
	for _, one := range all {
		b := NewButton("", nil, func() { p.Choose(one) })
		p.buttons = append(p.buttons, b)
		p.row.Add(b)
		one.titled = p.refresh
	}
	p.Content = container.NewBorder(container.NewVBox(p.row, widget.NewSeparator()), nil, nil, nil, p.place)
	p.Choose(all[0])
	return p
}

// All gives the pages in their order.
func (p *Pages) All() []*Page { return slices.Clone(p.all) }

// Chosen gives the page that is shown.
func (p *Pages) Chosen() *Page { return p.chosen }

// Choose shows a page.
func (p *Pages) Choose(one *Page) {
	p.chosen = one
	p.place.Objects = []fyne.CanvasObject{one.content}
	p.place.Refresh()
	p.refresh()
}

// refresh shows the titles as they are now.
func (p *Pages) refresh() {
	for i, b := range p.buttons {
		importance := widget.LowImportance
		if p.all[i] == p.chosen {
			importance = widget.HighImportance
		}
		if b.Text != p.all[i].title || b.Importance != importance {
			b.Text, b.Importance = p.all[i].title, importance
			b.Refresh()
		}
	}
	p.row.Layout.Layout(p.row.Objects, p.row.Size())
}
