package collect

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	source "kaika/core/collect"
	"kaika/ui/i18n"
	"kaika/ui/widgets"
	"kaika/ui/widgets/filepicker"
)

// view shows a presenter.
type view struct {
	Params

	p     *presenter
	tx    *i18n.Texts
	pages *pages
	split float64 // Between the choice and what it brings.

	seen  bool // The tab is at the front.
	stale bool // What is drawn is not what there is.

	root  *fyne.Container
	shape shape // Of what root holds.

	target    *widget.Label
	sources   *widgets.RadioGroup // Nil without services. It outlives a choice, which the keyboard's focus lies on.
	path      *widget.Label
	pick      []fyne.Disableable // What chooses the source.
	licenses  *drawer            // Which are allowed.
	filters   *widgets.Button    // Leads to the rarer choices.
	problem   *widgets.Text
	details   *widgets.Button
	looking   *widget.Label // Says that the place is being looked through.
	all       *widgets.Check
	rows      *widgets.List
	rowOf     map[int]*rowView // Shows the row with a number, or did so last.
	side      *widgets.Entry
	near      *widgets.Check
	blocker   *widgets.Text
	start     *widgets.Button
	stop      *widgets.Button
	again     *widgets.Button
	review    *widgets.Button
	add       *widgets.Button
	summary   *widgets.Text
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
	results  *widgets.Pages // What has come, and what has not.
	came     *widgets.Page
	stayed   *widgets.Page
	notice   *widgets.Text
	brought  *fyne.Container // Holds results and notice.
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
	v.root, v.shape, v.sources = container.NewStack(), shape{}, nil
	if len(v.Services) > 0 {
		v.sources = v.sourceChoice()
	}
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
	if v.tx == nil {
		return
	}
	service, wait := "", ""
	if v.p.service != nil {
		service = v.p.service.Name
	}
	if e := (*source.ServiceError)(nil); errors.As(err, &e) {
		service, wait = e.Service, v.tx.Duration(e.RetryAfter)
	}
	text := v.tx.T("collect.error."+sentence, "Service", service, "Wait", wait)
	if aboutKey(sentence) {
		v.askForKey(text, err)
		return
	}
	widgets.ShowError(v.Window, v.tx, text, err)
}

// askForKey tells what is wrong with a key, and leads to where it is entered.
func (v *view) askForKey(text string, err error) {
	d := widgets.NewDialog(v.Window, v.tx.T("kit.error.title"), v.tx.T("kit.close"), widgets.NewText(text), 520, 0)
	d.SetIcon(theme.ErrorIcon())
	d.Add(v.tx.T("kit.error.details"), nil, func() { widgets.ShowError(v.Window, v.tx, text, err) })
	d.SetAccept(v.tx.T("collect.key.settings"), theme.SettingsIcon(), v.Settings)
	d.Open(nil)
}

// focus puts the keyboard's focus where one begins.
func (v *view) focus() {
	if v.firstPick != nil && v.p.library != nil && v.p.stage == choosing && v.p.path == "" && v.p.service == nil {
		v.Window.Canvas().Focus(v.firstPick)
	}
}

// shown draws what changed while the tab was out of sight.
func (v *view) shown() {
	v.seen = true
	if v.stale {
		v.refresh()
	}
}

// hidden draws nothing any more.
func (v *view) hidden() { v.seen = false }

// refresh shows the presenter's state, or has it shown when the tab comes into sight.
func (v *view) refresh() {
	if v.root == nil {
		return
	}
	if v.stale = !v.seen; v.stale {
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
	v.refreshTitles()
	v.refreshNotice()
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
	v.splitView = container.NewHSplit(v.choice(), v.makeResults())
	v.splitView.Offset = v.split
	return v.splitView
}

// choice makes the left side: what is to be collected, and where it goes.
func (v *view) choice() fyne.CanvasObject {
	v.target = widget.NewLabel("")
	v.target.Truncation = fyne.TextTruncateEllipsis
	top := container.NewVBox(container.NewBorder(nil, nil, widget.NewIcon(theme.FolderIcon()), nil, v.target))
	v.pick = nil
	if v.sources != nil {
		top.Add(v.sources)
		v.pick = append(v.pick, v.sources)
	}
	v.picks = container.NewVBox()
	v.licenses, v.filters = nil, nil
	if v.p.service == nil {
		v.picks = v.localChoice()
	} else {
		v.picks = v.serviceChoice()
	}
	top.Add(v.picks)
	v.path = widget.NewLabel("")
	v.path.Truncation = fyne.TextTruncateEllipsis
	top.Add(v.path)
	v.problem = widgets.NewText("")
	v.details = widgets.NewButton(v.tx.T("kit.error.details"), nil, func() {
		widgets.ShowError(v.Window, v.tx, v.problem.Text, v.p.listErr)
	})
	v.looking = widget.NewLabel(v.tx.T("collect.looking"))
	top.Add(container.NewBorder(nil, nil, nil, container.NewVBox(v.details), v.problem))
	top.Add(v.looking)
	v.all = widgets.NewCheck("", v.p.setAllOn)
	from := v.tx.T("collect.head.keyword")
	if v.p.service != nil {
		from = v.tx.T("collect.keyword")
	}
	v.head = container.New(&rowLayout{}, v.all, heading(from), heading(v.tx.T("collect.head.label")),
		heading(v.tx.T("collect.head.count")), widget.NewLabel(""))
	top.Add(v.head)
	v.rows = v.rowList()

	v.side = widgets.NewEntry()
	v.side.SetText(v.p.sideText)
	v.side.OnChanged = v.p.setMinSide
	v.near = widgets.NewCheck(v.tx.T("collect.near"), nil)
	v.near.SetChecked(v.p.near)
	v.near.OnChanged = v.p.setNear
	v.options = container.NewVBox(
		container.NewHBox(widget.NewLabel(v.tx.T("collect.side")), container.NewGridWrap(fyne.NewSize(72, v.side.MinSize().Height), v.side),
			widget.NewLabel(v.tx.T("collect.pixels"))),
		v.near)
	v.blocker = widgets.NewText("")
	v.summary = widgets.NewText("")
	v.start = widgets.NewButton("", theme.DownloadIcon(), v.p.start)
	v.start.Importance = widget.HighImportance
	v.stop = widgets.NewButton(v.tx.T("collect.stop"), theme.MediaStopIcon(), v.p.halt)
	v.again = widgets.NewButton(v.tx.T("collect.again"), theme.NavigateBackIcon(), v.p.again)
	v.review = widgets.NewButton(v.tx.T("collect.review"), theme.GridIcon(), v.Review)
	v.review.Importance = widget.HighImportance
	v.add = widgets.NewButton(v.tx.T("collect.keyword.add"), theme.ContentAddIcon(), v.addKeyword)
	bottom := container.NewVBox(v.options, v.blocker, v.summary,
		container.NewHBox(v.add, layout.NewSpacer(), v.again, v.stop, v.start, v.review))
	v.left, v.layoutOf = container.NewPadded(container.NewBorder(top, bottom, nil, nil, v.rows)), ""
	return v.left
}

// relayout lays the left side out anew if something in it appeared, went or needs another room. Containers do not notice that
// by themselves, and a wrapped text knows its height only when it knows its width.
func (v *view) relayout() {
	var now strings.Builder
	for _, o := range []fyne.CanvasObject{
		v.picks, v.path, v.problem, v.details, v.looking, v.head, v.options, v.blocker, v.summary, v.add, v.again, v.stop, v.start, v.review,
	} {
		fmt.Fprint(&now, o.Visible(), " ")
	}
	for _, o := range []fyne.CanvasObject{v.problem, v.blocker, v.summary, v.start} { // A count in them changes all the time.
		fmt.Fprint(&now, o.MinSize(), " ")
	}
	fmt.Fprint(&now, v.licenses.open())
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

// sourceChoice chooses between files of the user's own and the services.
func (v *view) sourceChoice() *widgets.RadioGroup {
	names := []string{v.tx.T("collect.local")}
	for i := range v.Services {
		names = append(names, v.Services[i].Name)
	}
	choice := widgets.NewRadioGroup(names, nil)
	choice.Horizontal = true
	return choice
}

// refreshSources shows which source is chosen.
func (v *view) refreshSources() {
	if v.sources == nil {
		return
	}
	selected := 0
	for i := range v.p.services {
		if v.p.service == &v.p.services[i] {
			selected = i + 1
		}
	}
	v.sources.OnChanged = nil
	v.sources.SetSelected(v.sources.Options[selected])
	v.sources.OnChanged = func(name string) { v.p.useService(slices.Index(v.sources.Options, name) - 1) }
}

// localChoice chooses a folder, an archive or a list.
func (v *view) localChoice() fyne.CanvasObject {
	folder := widgets.NewButton(v.tx.T("collect.folder"), theme.FolderOpenIcon(), v.chooseFolder)
	file := widgets.NewButton(v.tx.T("collect.file"), theme.FileIcon(), v.chooseFile)
	v.firstPick = folder
	v.pick = append(v.pick, folder, file)
	return container.NewGridWithColumns(2, folder, file)
}

// serviceChoice says which licences photos may have, and leads to rarer choices.
func (v *view) serviceChoice() *fyne.Container {
	titles, contents := container.NewHBox(), container.NewVBox()
	if len(v.p.service.Licenses) > 0 {
		boxes := v.licenseBoxes()
		v.licenses = newDrawer(boxes, v.relayout)
		titles.Add(v.licenses.title)
		contents.Add(boxes)
	}
	titles.Add(v.filterButton())
	return container.NewVBox(titles, contents)
}

// licenseBoxes has a box to tick for each licence.
func (v *view) licenseBoxes() fyne.CanvasObject {
	boxes := container.NewVBox()
	for _, l := range v.p.service.Licenses {
		box := widgets.NewCheck(v.tx.T("collect.license."+string(l)), nil)
		box.SetChecked(slices.Contains(v.p.licenses, l))
		box.OnChanged = func(yes bool) { v.p.allow(l, yes) }
		v.pick = append(v.pick, box)
		boxes.Add(box)
	}
	const little, most = 76, 200
	scroll := container.NewVScroll(boxes)
	height := v.Window.Canvas().Size().Height - 600 + little // In a window of the least height, there is little room.
	scroll.SetMinSize(fyne.NewSize(0, min(max(height, little), most, boxes.MinSize().Height)))
	return scroll
}

// A drawer is a title that shows and hides what is below it.
type drawer struct {
	title   *widgets.Button
	content fyne.CanvasObject
}

// newDrawer gives a drawer that is closed, and tells when it was opened or closed.
func newDrawer(content fyne.CanvasObject, turned func()) *drawer {
	content.Hide()
	d := &drawer{content: content}
	d.title = widgets.NewButton("", theme.MenuDropDownIcon(), func() {
		d.turn(!d.open())
		turned()
	})
	d.title.Importance, d.title.Alignment = widget.LowImportance, widget.ButtonAlignLeading
	return d
}

// turn opens or closes the drawer.
func (d *drawer) turn(open bool) {
	show(d.content, open)
	d.title.SetIcon(map[bool]fyne.Resource{true: theme.MenuDropUpIcon(), false: theme.MenuDropDownIcon()}[open])
}

// open reports whether the drawer is there and open.
func (d *drawer) open() bool { return d != nil && d.content.Visible() }

// say has the title say something.
func (d *drawer) say(title string) {
	if title != d.title.Text {
		d.title.SetText(title)
	}
}

// addKeyword puts the keyboard's focus into the last row, and before that adds one unless it is still empty.
func (v *view) addKeyword() {
	last := len(v.p.rows) - 1
	if last < 0 || strings.TrimSpace(v.p.rows[last].keyword) != "" {
		v.p.addKeyword()
		last++
	}
	v.rows.ScrollTo(last)
	if r := v.rowOf[last]; r != nil {
		v.Window.Canvas().Focus(r.keyword)
	}
}

func (v *view) chooseFolder() {
	v.choosePath("collect.folder.title", filepicker.Params{Want: filepicker.Folder})
}

func (v *view) chooseFile() {
	endings := append([]string{".tar", ".tgz", ".gz", ".zip"}, source.ListEndings()...)
	v.choosePath("collect.file.title", filepicker.Params{Want: filepicker.File, Matches: func(name string) bool {
		return slices.Contains(endings, strings.ToLower(filepath.Ext(name)))
	}})
}

// choosePath asks for a source of photos on this computer.
func (v *view) choosePath(title string, p filepicker.Params) {
	p.Window, p.Texts, p.Dispatch, p.Beside, p.Settings = v.Window, v.tx, v.Dispatch, v.p.work.Go, v.Preferences
	p.Title, p.Act = v.tx.T(title), v.tx.T("collect.choose")
	p.Chosen = func(path string) {
		if !v.p.choose(path) {
			v.failed("busy", nil)
		}
	}
	filepicker.Show(p)
}

// refreshChoice shows what is chosen.
func (v *view) refreshChoice() {
	p := v.p
	into := p.dir
	if p.stage != choosing {
		into = p.ranIn // Another dataset may have been opened since.
	}
	say(v.target, v.tx.T("collect.target", "Dataset", visible(filepath.Base(into)), "Folder", visible(filepath.Dir(into))))
	v.refreshSources()
	for _, d := range v.pick {
		enable(d, p.stage == choosing)
	}
	if v.licenses != nil {
		v.licenses.say(v.tx.T("collect.licenses", "Count", v.tx.Number(len(p.licenses)), "All", v.tx.Number(len(p.service.Licenses))))
	}
	if v.filters != nil {
		text := v.tx.T("collect.filter.more")
		if n := p.filtered(); n > 0 {
			text = v.tx.T("collect.filter.some", "Count", v.tx.Number(n))
		}
		if text != v.filters.Text {
			v.filters.SetText(text)
		}
	}
	say(v.path, visible(p.path))
	show(v.path, p.path != "")
	show(v.picks, p.stage == choosing)
	show(v.problem, p.listErr != nil)
	show(v.details, p.listErr != nil && !errors.Is(p.listErr, errNoPhotos) && !errors.Is(p.listErr, errOwn))
	if p.listErr != nil {
		v.problem.SetText(v.tx.T("collect.list." + p.listKey))
	}
	show(v.looking, p.listing)
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
	v.blocker.SetText(text)
	text = v.summaryText()
	show(v.summary, text != "")
	v.summary.SetText(text)
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
	case f == keyMissing:
		return v.tx.T("collect.fault.key", "Service", p.service.Name)
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
	case p.stage == running && p.compared.under():
		return v.tx.T("collect.comparing", "Done", v.tx.Number(p.compared.done), "Total", v.tx.Number(p.compared.total))
	case p.stage == running && p.pause.service != "":
		return v.tx.T("collect.waiting", "Service", p.pause.service, "Time", v.tx.Time(p.pause.until))
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

// makeResults makes the right side: what has come, and what has not.
func (v *view) makeResults() fyne.CanvasObject {
	v.arrived = newArrivals(v)
	v.refusals = newRefusalTree(v)
	v.came, v.stayed = widgets.NewPage("", v.arrived.content), widgets.NewPage("", v.refusals.content)
	v.results = widgets.NewPages(v.came, v.stayed)
	v.notice = widgets.NewText("")
	v.notice.SizeName, v.notice.Importance = theme.SizeNameCaptionText, widget.LowImportance
	v.brought = container.NewBorder(nil, v.notice, nil, nil, v.results.Content)
	return v.brought
}

// refreshNotice shows what a service wants to be said where its photos are.
func (v *view) refreshNotice() {
	kinds := []string{v.arrived.source}
	if v.p.service != nil {
		kinds = append(kinds, v.p.service.Kind)
	}
	text := ""
	for _, kind := range kinds {
		if s, ok := source.ServiceOf(kind); ok && s.Notice != "" {
			text = v.tx.T("collect." + kind + ".notice")
		}
	}
	if needed := text != ""; needed != v.notice.Visible() || text != v.notice.Text {
		v.notice.SetText(text)
		show(v.notice, needed)
		v.brought.Refresh()
	}
}

// refreshTitles says how many have come and how many have not.
func (v *view) refreshTitles() {
	landed, refused := 0, 0
	for _, r := range v.p.rows {
		landed += r.result.Landed
	}
	for _, n := range v.p.refused {
		refused += n
	}
	v.came.SetTitle(v.tx.T("collect.tab.arrived", "Count", v.tx.Number(landed)))
	v.stayed.SetTitle(v.tx.T("collect.tab.refused", "Count", v.tx.Number(refused)))
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
