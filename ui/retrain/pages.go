package retrain

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/widgets"
)

// page is one of several that share a place.
type page struct {
	title   string
	content *fyne.Container
}

func newPage(title string, content ...fyne.CanvasObject) *page {
	return &page{title, container.NewStack(content...)}
}

// show fills the page.
func (p *page) show(o fyne.CanvasObject) {
	p.content.Objects = []fyne.CanvasObject{o}
	p.content.Refresh()
}

// pages show one page at a time, chosen by buttons above it. Unlike Fyne's tabs they are reached by the keyboard.
type pages struct {
	content *fyne.Container
	all     []*page
	buttons []*widgets.Button
	row     *fyne.Container // Holds them.
	place   *fyne.Container
	chosen  *page
}

func newPages(all ...*page) *pages {
	p := &pages{all: all, row: container.NewHBox(), place: container.NewStack()}
	for _, one := range all {
		b := widgets.NewButton("", nil, func() { p.choose(one) })
		p.buttons = append(p.buttons, b)
		p.row.Add(b)
	}
	p.content = container.NewBorder(container.NewVBox(p.row, widget.NewSeparator()), nil, nil, nil, p.place)
	p.choose(all[0])
	return p
}

// choose shows a page.
func (p *pages) choose(one *page) {
	p.chosen = one
	p.place.Objects = []fyne.CanvasObject{one.content}
	p.place.Refresh()
	p.refresh()
}

// refresh shows the titles as they are now.
func (p *pages) refresh() {
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
