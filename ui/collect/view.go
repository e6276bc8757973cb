package collect

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/i18n"
	"kaika/ui/widgets"
)

// view shows a presenter.
type view struct {
	Params

	p     *presenter
	tx    *i18n.Texts
	split float64 // Between the choice and what it brings.

	root  *fyne.Container
	shape shape // Of what root holds.

	target    *widget.Label
	path      *widget.Label
	pick      []fyne.Disableable // What chooses the source.
	problem   *widget.Label
	details   *widget.Button
	looking   *widget.ProgressBarInfinite
	all       *widget.Check
	rows      *widget.List
	side      *widget.Entry
	blocker   *widget.Label
	start     *widget.Button
	stop      *widget.Button
	again     *widget.Button
	review    *widget.Button
	add       *widget.Button
	summary   *widget.Label
	head      fyne.CanvasObject
	picks     fyne.CanvasObject // The buttons and licences that choose.
	left      *fyne.Container
	layoutOf  string   // What the left side was laid out for.
	known     []string // The labels of the dataset.
	options   fyne.CanvasObject
	splitView *container.Split
	firstPick fyne.Focusable

	arrived  *arrivals
	refusals *refusalTree
	tabs     *container.AppTabs
}

// shape tells which widgets there are. Another one needs other widgets.
type shape struct {
	made    bool
	library bool
	service *Service
}

// content makes the widgets anew.
func (v *view) content() fyne.CanvasObject {
	v.close()
	v.tx = v.Texts()
	v.root, v.shape = container.NewStack(), shape{}
	v.refresh()
	return v.root
}

// close stops what widgets load.
func (v *view) close() {
	if v.arrived != nil {
		v.arrived.close()
	}
}

// failed tells of an error of a run.
func (v *view) failed(sentence string, err error) {
	if v.tx != nil {
		widgets.ShowError(v.Window, v.tx, v.tx.T("collect.error."+sentence), err)
	}
}

// focus puts the keyboard's focus where one begins.
func (v *view) focus() {
	if v.firstPick != nil && v.p.library != nil && v.p.stage == choosing && v.p.path == "" && v.p.service == nil {
		v.Window.Canvas().Focus(v.firstPick)
	}
}

// refresh shows the presenter's state.
func (v *view) refresh() {
	if v.root == nil {
		return
	}
	if now := (shape{true, v.p.library != nil, v.p.service}); now != v.shape {
		v.close()
		v.shape = now
		v.root.Objects = []fyne.CanvasObject{v.build()}
		v.root.Refresh()
	}
	if v.p.library == nil {
		return
	}
	v.refreshChoice()
	v.refreshStage()
	v.relayout()
	v.arrived.refresh()
	v.refusals.refresh()
	v.refreshTabs()
}

// build makes the widgets for the shape.
func (v *view) build() fyne.CanvasObject {
	if v.p.library == nil {
		v.firstPick, v.arrived = nil, nil
		return widgets.Empty(theme.DownloadIcon(), v.tx.T("collect.nodataset.title"), v.tx.T("collect.nodataset.text"),
			widgets.Action{Text: v.tx.T("collect.nodataset.new"), Icon: theme.FolderNewIcon(), Do: v.NewDataset},
			widgets.Action{Text: v.tx.T("collect.nodataset.open"), Icon: theme.FolderOpenIcon(), Do: v.OpenDataset})
	}
	if v.splitView != nil {
		v.split = v.splitView.Offset
	}
	v.splitView = container.NewHSplit(v.choice(), v.results())
	v.splitView.Offset = v.split
	return v.splitView
}

// choice makes the left side: what is to be collected, and where it goes.
func (v *view) choice() fyne.CanvasObject {
	v.target = widget.NewLabel("")
	v.target.Truncation = fyne.TextTruncateEllipsis
	top := container.NewVBox(container.NewBorder(nil, nil, widget.NewIcon(theme.FolderIcon()), nil, v.target))
	v.pick = nil
	if len(v.Services) > 0 {
		top.Add(v.serviceChoice())
	}
	v.picks = container.NewVBox()
	if v.p.service == nil {
		v.picks = v.localChoice()
	} else if len(v.p.service.Licenses) > 0 {
		v.picks = v.licenseChoice()
	}
	top.Add(v.picks)
	v.path = widget.NewLabel("")
	v.path.Truncation = fyne.TextTruncateEllipsis
	top.Add(v.path)
	v.problem = widget.NewLabel("")
	v.problem.Wrapping = fyne.TextWrapWord
	v.details = widget.NewButton(v.tx.T("kit.error.details"), func() {
		widgets.ShowError(v.Window, v.tx, v.problem.Text, v.p.listErr)
	})
	v.looking = widget.NewProgressBarInfinite()
	v.looking.Stop()
	top.Add(container.NewBorder(nil, nil, nil, container.NewVBox(v.details), v.problem))
	top.Add(v.looking)
	v.all = widget.NewCheck("", v.p.setAllOn)
	v.head = container.New(&rowLayout{}, v.all, heading(v.tx.T("collect.head.keyword")), heading(v.tx.T("collect.head.label")),
		heading(v.tx.T("collect.head.count")), widget.NewLabel(""))
	top.Add(v.head)
	v.rows = v.rowList()

	v.side = widget.NewEntry()
	v.side.SetText(v.p.sideText)
	v.side.OnChanged = v.p.setMinSide
	v.options = container.NewHBox(widget.NewLabel(v.tx.T("collect.side")), container.NewGridWrap(fyne.NewSize(72, v.side.MinSize().Height), v.side),
		widget.NewLabel(v.tx.T("collect.pixels")))
	v.blocker = widget.NewLabel("")
	v.blocker.Wrapping = fyne.TextWrapWord
	v.summary = widget.NewLabel("")
	v.summary.Wrapping = fyne.TextWrapWord
	v.start = widget.NewButtonWithIcon("", theme.DownloadIcon(), v.p.start)
	v.start.Importance = widget.HighImportance
	v.stop = widget.NewButtonWithIcon(v.tx.T("collect.stop"), theme.MediaStopIcon(), v.p.halt)
	v.again = widget.NewButtonWithIcon(v.tx.T("collect.again"), theme.NavigateBackIcon(), v.p.again)
	v.review = widget.NewButtonWithIcon(v.tx.T("collect.review"), theme.GridIcon(), v.Review)
	v.review.Importance = widget.HighImportance
	v.add = widget.NewButtonWithIcon(v.tx.T("collect.keyword.add"), theme.ContentAddIcon(), v.p.addKeyword)
	bottom := container.NewVBox(v.options, v.blocker, v.summary,
		container.NewHBox(v.add, layout.NewSpacer(), v.again, v.stop, v.start, v.review))
	v.left, v.layoutOf = container.NewPadded(container.NewBorder(top, bottom, nil, nil, v.rows)), ""
	return v.left
}

// relayout lays the left side out anew if something in it appeared, went or has another text. Containers do not notice that
// by themselves, and a wrapped text knows its height only when it knows its width.
func (v *view) relayout() {
	var now strings.Builder
	for _, o := range []fyne.CanvasObject{
		v.picks, v.path, v.problem, v.details, v.looking, v.head, v.options, v.blocker, v.summary, v.add, v.again, v.stop, v.start, v.review,
	} {
		fmt.Fprint(&now, o.Visible(), " ")
	}
	fmt.Fprint(&now, v.problem.Text, "\n", v.blocker.Text, "\n", v.summary.Text, "\n", v.start.Text)
	if now.String() == v.layoutOf {
		return
	}
	v.layoutOf = now.String()
	v.left.Refresh()
	v.splitView.Refresh() // The left side may need less room now.
	v.left.Refresh()
}

func heading(text string) *widget.Label {
	l := widget.NewLabelWithStyle(text, fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	l.Truncation = fyne.TextTruncateEllipsis
	return l
}

// serviceChoice chooses between folders, archives and the services.
func (v *view) serviceChoice() fyne.CanvasObject {
	names := []string{v.tx.T("collect.local")}
	selected := names[0]
	for i := range v.Services {
		names = append(names, v.Services[i].Name)
		if v.p.service == &v.p.services[i] {
			selected = v.Services[i].Name
		}
	}
	choice := widget.NewRadioGroup(names, nil)
	choice.Horizontal, choice.Required = true, true
	choice.SetSelected(selected)
	choice.OnChanged = func(name string) {
		for i, n := range names {
			if n == name {
				v.p.useService(i - 1)
			}
		}
	}
	v.pick = append(v.pick, choice)
	return choice
}

// localChoice chooses a folder or an archive.
func (v *view) localChoice() fyne.CanvasObject {
	folder := widget.NewButtonWithIcon(v.tx.T("collect.folder"), theme.FolderOpenIcon(), v.chooseFolder)
	archive := widget.NewButtonWithIcon(v.tx.T("collect.archive"), theme.FileIcon(), v.chooseArchive)
	v.firstPick = folder
	v.pick = append(v.pick, folder, archive)
	return container.NewGridWithColumns(2, folder, archive)
}

// licenseChoice says which licences photos may have.
func (v *view) licenseChoice() fyne.CanvasObject {
	boxes := container.NewVBox()
	for _, l := range v.p.service.Licenses {
		box := widget.NewCheck(l.Name, nil)
		box.SetChecked(v.p.licenses[l.ID])
		box.OnChanged = func(yes bool) { v.p.allow(l.ID, yes) }
		v.pick = append(v.pick, box)
		boxes.Add(box)
	}
	scroll := container.NewVScroll(boxes)
	scroll.SetMinSize(fyne.NewSize(0, min(120, boxes.MinSize().Height)))
	return widget.NewAccordion(widget.NewAccordionItem(v.tx.T("collect.licenses"), scroll))
}

func (v *view) chooseFolder() {
	d := dialog.NewFolderOpen(func(dir fyne.ListableURI, err error) {
		switch {
		case err != nil:
			v.failed("choose", err)
		case dir != nil:
			v.p.choose(dir.Path())
		}
	}, v.Window)
	v.showPicker(d, v.tx.T("collect.folder.title"))
}

func (v *view) chooseArchive() {
	d := dialog.NewFileOpen(func(file fyne.URIReadCloser, err error) {
		switch {
		case err != nil:
			v.failed("choose", err)
		case file != nil:
			path := file.URI().Path()
			if err := file.Close(); err != nil {
				v.p.log.Info("closing a file that was only looked at", "error", err)
			}
			v.p.choose(path)
		}
	}, v.Window)
	d.SetFilter(storage.NewExtensionFileFilter([]string{".tar", ".tgz", ".gz", ".zip"}))
	v.showPicker(d, v.tx.T("collect.archive.title"))
}

// showPicker shows a dialog with a title: Fyne's own is made of two words, in the order of English.
func (v *view) showPicker(d *dialog.FileDialog, title string) {
	d.SetTitleText(title)
	d.Resize(widgets.Fit(v.Window, 900, 640))
	d.Show()
}

// refreshChoice shows what is chosen.
func (v *view) refreshChoice() {
	p := v.p
	into := p.dir
	if p.stage != choosing {
		into = p.ranIn // Another dataset may have been opened since.
	}
	say(v.target, v.tx.T("collect.target", "Dataset", visible(filepath.Base(into)), "Folder", visible(filepath.Dir(into))))
	for _, d := range v.pick {
		enable(d, p.stage == choosing)
	}
	say(v.path, visible(p.path))
	show(v.path, p.path != "")
	show(v.picks, p.stage == choosing)
	show(v.problem, p.listErr != nil)
	show(v.details, p.listErr != nil && !errors.Is(p.listErr, errNoPhotos) && !errors.Is(p.listErr, errOwn))
	if p.listErr != nil {
		say(v.problem, v.tx.T("collect.list."+p.listKey))
	}
	show(v.looking, p.listing)
	if p.listing {
		v.looking.Start()
	} else {
		v.looking.Stop()
	}
	on := 0
	for _, r := range p.rows {
		if r.on {
			on++
		}
	}
	v.all.OnChanged = nil
	v.all.Checked, v.all.Partial = on > 0 && on == len(p.rows), on > 0 && on < len(p.rows)
	v.all.OnChanged = p.setAllOn
	v.all.Refresh()
	show(v.head, len(p.rows) > 0 && p.stage == choosing)
	v.known = nil
	for _, l := range p.library.Labels() {
		v.known = append(v.known, l.Name)
	}
	v.rows.Refresh()
}

// refreshStage shows how far it is.
func (v *view) refreshStage() {
	p := v.p
	some := len(p.rows) > 0
	show(v.options, p.stage == choosing && some)
	show(v.add, p.stage == choosing && p.service != nil)
	show(v.start, p.stage == choosing)
	show(v.stop, p.stage == running || p.listing)
	show(v.again, p.stage == finished)
	show(v.review, p.stage == finished && len(p.photos) > 0)
	enable(v.start, p.ready())
	enable(v.stop, !p.stopping)
	if text := v.startText(); text != v.start.Text {
		v.start.SetText(text)
	}
	text := v.blockerText()
	show(v.blocker, text != "")
	say(v.blocker, text)
	text = v.summaryText()
	show(v.summary, text != "")
	say(v.summary, text)
}

// startText says how many photos come.
func (v *view) startText() string {
	sum := 0
	for _, r := range v.p.rows {
		if r.on && r.count >= 0 {
			sum += r.wanted()
		}
	}
	if sum == 0 {
		return v.tx.T("collect.start")
	}
	return v.tx.N("collect.start.photos", sum)
}

// blockerText says what is still to be done before it can start.
func (v *view) blockerText() string {
	p := v.p
	i, f := p.blocker()
	switch {
	case p.stage != choosing || len(p.rows) == 0 || f == noFault:
		return ""
	case i >= 0 && p.rows[i].keyword != "":
		return v.tx.T("collect.fault."+string(f), "Keyword", visible(p.rows[i].keyword), "Label", p.rows[i].label)
	case i >= 0 && f == labelMissing:
		return v.tx.T("collect.fault.label.flat")
	}
	return v.tx.T("collect.fault."+string(f), "Keyword", v.tx.T("collect.loose"), "Label", "")
}

// summaryText says how a run goes, and how it went.
func (v *view) summaryText() string {
	p := v.p
	switch {
	case p.stage == running && p.stopping:
		return v.tx.T("collect.stopping")
	case p.stage == running:
		return v.tx.T("collect.running")
	case p.stage == choosing:
		return ""
	}
	o := p.outcome
	sentences := []string{v.tx.N("collect.done.landed", o.landed, "Dataset", visible(filepath.Base(o.dir)))}
	if o.there > 0 {
		sentences = append(sentences, v.tx.N("collect.done.there", o.there))
	}
	if o.refused > 0 {
		sentences = append(sentences, v.tx.N("collect.done.refused", o.refused))
	}
	if o.err != nil {
		sentences = append(sentences, v.tx.T("collect.done.stopped"))
	}
	const most = 3
	for i, s := range o.short {
		if i == most {
			sentences = append(sentences, v.tx.N("collect.done.shorter", len(o.short)-most))
			break
		}
		sentences = append(sentences, v.tx.T("collect.done.short", "Keyword", visible(s.keyword), "Found", v.tx.Number(s.found), "Count", v.tx.Number(s.count)))
	}
	return v.tx.Sentences(sentences...)
}

// results makes the right side: what has come, and what has not.
func (v *view) results() fyne.CanvasObject {
	v.arrived = newArrivals(v)
	v.refusals = newRefusalTree(v)
	v.tabs = container.NewAppTabs(container.NewTabItem("", v.arrived.content), container.NewTabItem("", v.refusals.content))
	return v.tabs
}

func (v *view) refreshTabs() {
	landed, refused := 0, 0
	for _, r := range v.p.rows {
		landed += r.result.Landed
	}
	for _, n := range v.p.refused {
		refused += n
	}
	texts := []string{v.tx.T("collect.tab.arrived", "Count", v.tx.Number(landed)), v.tx.T("collect.tab.refused", "Count", v.tx.Number(refused))}
	changed := false
	for i, text := range texts {
		changed = changed || v.tabs.Items[i].Text != text
		v.tabs.Items[i].Text = text
	}
	if changed {
		v.tabs.Refresh()
	}
}

// say has a label show a text. Laying out the one that it shows already would take as long as another.
func say(l *widget.Label, text string) {
	if l.Text != text {
		l.SetText(text)
	}
}

func enable(d fyne.Disableable, yes bool) {
	if yes == !d.Disabled() {
		return
	}
	if yes {
		d.Enable()
	} else {
		d.Disable()
	}
}

func show(o fyne.CanvasObject, yes bool) {
	if yes == o.Visible() {
		return
	}
	if yes {
		o.Show()
	} else {
		o.Hide()
	}
}

// visible gives a path or a name as it can be shown: no control characters, no broken letters.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '�'
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
}
