package retrain

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/experiment"
	"kaika/ui/widgets"
)

// runsPage lists the kept runs.
type runsPage struct {
	v    *view
	page *widgets.Page
	list *widgets.List
	none *widgets.Text
	hint *widgets.Text

	show, compare, use, more *widgets.Button
}

func newRunsPage(v *view) *runsPage {
	tx := v.tx
	p := &runsPage{v: v, none: widgets.NewCenteredText(""), hint: caption("")}
	p.show = widgets.NewButton(tx.T("retrain.runs.show"), theme.VisibilityIcon(), func() { p.one(func(r experiment.Run) { v.p.showRun(r.ID) }) })
	p.compare = widgets.NewButton(tx.T("retrain.runs.compare"), theme.ListIcon(), func() { v.pages.Choose(v.compare.page) })
	p.use = widgets.NewButton(tx.T("retrain.use"), theme.SearchIcon(), func() { p.one(v.useRun) })
	p.more = widgets.NewButton(tx.T("retrain.runs.more"), theme.MoreVerticalIcon(), p.showMore)
	p.list = widgets.NewList(
		func() int { return len(v.p.runs) },
		func() fyne.CanvasObject { return newRunRow(v) },
		func(i widget.ListItemID, o fyne.CanvasObject) {
			if row, ok := o.(*runRow); ok {
				row.set(v.p.runs[i])
			}
		})
	p.list.OnSelected = func(i widget.ListItemID) {
		p.list.UnselectAll() // The check marks are the selection: several can be chosen.
		id := v.p.runs[i].ID
		v.p.choose(id, !v.p.chosen[id])
	}
	buttons := container.NewGridWithColumns(2, p.show, p.compare, p.use, p.more)
	p.page = widgets.NewPage(tx.T("retrain.page.runs"),
		container.NewBorder(container.NewVBox(buttons, p.hint), nil, nil, nil, container.NewStack(p.list, p.none)))
	return p
}

// one does something with the chosen run, if it is one.
func (p *runsPage) one(do func(experiment.Run)) {
	if chosen := p.v.p.chosenRuns(); len(chosen) == 1 {
		do(chosen[0])
	}
}

// showMore shows the menu of what is done less often.
func (p *runsPage) showMore() {
	v := p.v
	item := func(text string, icon fyne.Resource, enabled bool, do func()) *fyne.MenuItem {
		i := fyne.NewMenuItem(text, do)
		i.Icon, i.Disabled = icon, !enabled
		return i
	}
	n := len(v.p.chosenRuns())
	v.menu(p.more,
		item(v.tx.T("retrain.runs.rename"), theme.DocumentCreateIcon(), n == 1, func() { p.one(p.rename) }),
		item(v.tx.T("retrain.export.model"), theme.DocumentSaveIcon(), n == 1, func() { p.one(v.exportModel) }),
		item(v.tx.T("retrain.runs.folder"), theme.FolderOpenIcon(), n == 1, func() { p.one(func(r experiment.Run) { v.params.OpenFolder(r.Dir) }) }),
		item(v.tx.T("retrain.runs.delete"), theme.DeleteIcon(), n > 0, p.remove),
	)
}

func (p *runsPage) rename(r experiment.Run) {
	v := p.v
	entry := widgets.NewEntry()
	entry.SetText(r.Name)
	entry.SetPlaceHolder(v.tx.Time(r.Started))
	d := widgets.NewDialog(v.params.Window, v.tx.T("retrain.runs.rename.title"), v.tx.T("kit.cancel"),
		container.NewBorder(nil, nil, widget.NewLabel(v.tx.T("retrain.runs.name")), nil, entry), 420, 0)
	d.SetAccept(v.tx.T("retrain.runs.rename.do"), theme.ConfirmIcon(), func() { v.p.rename(r.ID, entry.Text) })
	d.Open(entry)
}

func (p *runsPage) remove() {
	v := p.v
	chosen := v.p.chosenRuns()
	if len(chosen) == 0 {
		return
	}
	ids := make([]string, len(chosen))
	for i, r := range chosen {
		ids[i] = r.ID
	}
	widgets.ConfirmDanger(v.params.Window, v.tx, v.tx.T("retrain.runs.delete.title"),
		v.tx.N("retrain.runs.delete.text", len(chosen), "Run", v.title(chosen[0])), v.tx.T("retrain.runs.delete"), func() { v.p.remove(ids) })
}

func (p *runsPage) refresh() {
	v := p.v
	chosen := len(v.p.chosenRuns())
	enable(p.show, chosen == 1)
	enable(p.use, chosen == 1)
	enable(p.more, chosen > 0)
	enable(p.compare, chosen > 1)
	if len(v.p.runs) == 0 {
		p.none.SetText(v.tx.T("retrain.runs.none"))
		p.none.Show()
		setText(p.hint, "")
	} else {
		p.none.Hide()
		setText(p.hint, v.tx.T("retrain.runs.hint"))
	}
	p.list.Refresh()
}

func enable(b *widgets.Button, on bool) {
	if on {
		b.Enable()
	} else {
		b.Disable()
	}
}

// runRow is a row of the list: a check mark, the run's name and accuracy, and below them what it was made of.
type runRow struct {
	widget.BaseWidget

	v                     *view
	id                    string
	showing               bool
	check                 *widgets.Check
	title, accuracy, text *widget.Label
}

func newRunRow(v *view) *runRow {
	r := &runRow{v: v, title: widget.NewLabel(""), accuracy: widget.NewLabel(""), text: small()}
	r.check = widgets.NewCheck("", func(on bool) {
		if !r.showing {
			v.p.choose(r.id, on)
		}
	})
	r.title.TextStyle.Bold = true
	r.title.Truncation = fyne.TextTruncateEllipsis
	r.accuracy.Alignment = fyne.TextAlignTrailing
	r.ExtendBaseWidget(r)
	return r
}

// CreateRenderer implements fyne.Widget.
func (r *runRow) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(container.NewBorder(nil, nil, r.check, nil,
		container.New(snug{}, container.NewBorder(nil, nil, nil, r.accuracy, r.title), r.text)))
}

func (r *runRow) set(run experiment.Run) {
	v := r.v
	r.id = run.ID
	r.showing = true
	r.check.SetChecked(v.p.chosen[run.ID])
	r.showing = false
	r.title.SetText(v.title(run))
	r.accuracy.SetText(v.accuracy(run.Report.Test))
	text := v.tx.T("retrain.runs.row", "Base", v.baseTitle(run.Base.Name), "Dataset", datasetName(run),
		"Photos", v.tx.N("retrain.photos", run.Report.Photos.Total), "Steps", v.tx.N("retrain.steps", run.Report.Steps))
	if run.Name != "" {
		text = v.tx.T("retrain.runs.row.dated", "Row", text, "Date", v.tx.Time(run.Started))
	}
	r.text.SetText(text)
}
