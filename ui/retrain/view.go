package retrain

import (
	"fmt"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/experiment"
	"kaika/core/train"
	"kaika/ui/i18n"
	"kaika/ui/widgets"
	"kaika/ui/widgets/filepicker"
)

// view is the tab's widgets in one language. It reads the presenter's state and calls its methods.
type view struct {
	params Params
	p      *presenter
	tx     *i18n.Texts

	content  *fyne.Container // Holds either what is missing, or the panes.
	panes    *container.Split
	left     *fyne.Container // The settings, and below them the controls.
	controls *fyne.Container

	form   *form
	start  *widgets.Button
	stop   *widgets.Button
	why    *warning // Why nothing can be started.
	notice *widgets.Text
	phase  *widgets.Text
	bar    *widget.ProgressBar

	pages    *widgets.Pages
	curves   *curvesPage
	result   *resultPage
	mistakes *mistakesPage
	runs     *runsPage
	compare  *comparePage
}

func newView(params Params, p *presenter) *view {
	v := &view{params: params, p: p, tx: params.Texts()}
	v.form = newForm(v)
	v.curves, v.result, v.mistakes, v.runs, v.compare = newCurvesPage(v), newResultPage(v), newMistakesPage(v), newRunsPage(v), newComparePage(v)
	v.pages = widgets.NewPages(v.curves.page, v.result.page, v.mistakes.page, v.runs.page, v.compare.page)
	v.controls = v.newControls()
	v.left = container.New(footed{}, v.form.scroll, v.controls)
	v.panes = container.NewHSplit(v.left, container.NewPadded(v.pages.Content))
	v.panes.Offset = 0.36
	v.content = container.NewStack(v.panes)
	p.redraw, p.failed = v.changed, v.failed
	for what := range parts {
		v.changed(part(what))
	}
	p.stale = [parts]bool{}
	if p.result == nil && p.live == nil && len(p.runs) > 0 {
		v.pages.Choose(v.runs.page)
	}
	return v
}

// words puts a message into the view's language.
func (v *view) words(m message) string {
	if m.key == "" {
		return ""
	}
	pairs := make([]any, len(m.pairs))
	for i, value := range m.pairs {
		switch value := value.(type) {
		case share:
			pairs[i] = v.tx.Percent(float64(value), 1)
		case byteSize:
			pairs[i] = v.tx.Bytes(int64(value))
		case decimal:
			pairs[i] = v.decimal(float64(value))
		case baseName:
			pairs[i] = v.baseTitle(string(value))
		case int:
			pairs[i] = v.tx.Number(value)
		default:
			pairs[i] = value
		}
	}
	if m.plural {
		return v.tx.N(m.key, m.count, pairs...)
	}
	return v.tx.T(m.key, pairs...)
}

func (v *view) decimal(d float64) string {
	if d == float64(int(d)) {
		return v.tx.Number(int(d))
	}
	return strconv.FormatFloat(d, 'g', -1, 64)
}

// newControls makes Start and Stop, and what goes on.
func (v *view) newControls() *fyne.Container {
	v.start = widgets.NewButton("", theme.MediaPlayIcon(), v.p.start)
	v.start.Importance = widget.HighImportance
	v.stop = widgets.NewButton(v.tx.T("retrain.stop"), theme.MediaStopIcon(), v.p.stop)
	v.why, v.notice, v.phase = newWarning(), widgets.NewText(""), widgets.NewText("")
	v.bar = widgets.NewProgressBar()
	return container.NewVBox(widget.NewSeparator(), v.notice, v.phase, v.bar, v.why.box, v.start, v.stop)
}

// warning is a sentence with a sign; without a sentence there is no sign.
type warning struct {
	box  *fyne.Container
	text *widgets.Text
}

func newWarning() *warning {
	text := widgets.NewText("")
	return &warning{container.NewBorder(nil, nil, container.NewCenter(widget.NewIcon(theme.WarningIcon())), nil, text), text}
}

func (w *warning) set(text string) {
	w.text.SetText(text)
	if text == "" {
		w.box.Hide()
	} else {
		w.box.Show()
	}
}

// setText shows a label only while it says something.
func setText(l interface {
	SetText(text string)
	Show()
	Hide()
}, text string,
) {
	l.SetText(text)
	if text == "" {
		l.Hide()
	} else {
		l.Show()
	}
}

// changed shows a part of the state as it is now.
func (v *view) changed(p part) {
	switch p {
	case settingsPart:
		v.form.showSettings()
		v.showControls()
	case datasetPart:
		v.form.showDataset()
		v.showControls()
		v.showMissing()
	case basesPart:
		v.form.showBases()
		v.form.showSettings()
		v.showControls()
	case runningPart:
		v.showControls()
		v.showProgress()
		v.form.showBases()
		if v.p.live != nil && v.p.live.kind == JobTrain {
			v.pages.Choose(v.curves.page)
		}
		v.curves.refresh()
		v.showMissing()
	case progressPart:
		v.showProgress()
		v.curves.refresh()
	case resultPart:
		v.curves.refresh()
		v.result.refresh()
		v.mistakes.refresh()
		if v.p.result != nil {
			v.pages.Choose(v.result.page)
		}
		v.showMissing()
	case runsPart:
		v.runs.refresh()
		v.showMissing()
	case comparePart:
		v.compare.refresh()
	case thumbsPart:
		v.mistakes.list.Refresh()
	case noticePart:
		setText(v.notice, v.words(v.p.notice))
		v.arrange()
	}
}

// failed tells of an error.
func (v *view) failed(sentence message, err error) {
	widgets.ShowError(v.params.Window, v.tx, v.words(sentence), err)
}

// showMissing shows what is missing instead of the panes, as long as there is nothing else to look at.
func (v *view) showMissing() {
	p := v.p
	open := widgets.Action{Text: v.tx.T("retrain.open"), Icon: theme.FolderOpenIcon(), Do: v.params.OpenDataset}
	collect := widgets.Action{Text: v.tx.T("retrain.collect"), Icon: theme.DownloadIcon(), Do: v.params.Collect}
	var shown fyne.CanvasObject = v.panes
	if len(p.runs) == 0 && p.live == nil && p.result == nil {
		empty := func(title string, m message, actions ...widgets.Action) fyne.CanvasObject {
			return widgets.Empty(theme.MediaPlayIcon(), title, v.words(m), actions...)
		}
		switch p.fitness {
		case noDataset:
			shown = empty(v.tx.T("retrain.empty.title"), say("retrain.unfit.none"), open, collect)
		case noLabels:
			shown = empty(v.tx.T("retrain.empty.no_labels"), say("retrain.unfit.no_labels"), collect, open)
		case oneLabel:
			shown = empty(v.tx.T("retrain.empty.one_label"), say("retrain.unfit.one_label"), collect, open)
		case fit, fewPhotos:
		}
	}
	if v.content.Objects[0] != shown {
		v.content.Objects = []fyne.CanvasObject{shown}
		v.content.Refresh()
	}
}

func (v *view) showControls() {
	running := v.p.live != nil
	reason, ok := v.p.startable()
	base, _ := v.p.base()
	switch {
	case base.Installed || base.Name == "":
		v.start.SetText(v.tx.T("retrain.start"))
	default:
		v.start.SetText(v.tx.T("retrain.start.fetch"))
	}
	if ok {
		v.start.Enable()
	} else {
		v.start.Disable()
	}
	v.why.set(v.words(reason))
	if running {
		v.start.Hide()
		v.stop.Show()
	} else {
		v.start.Show()
		v.stop.Hide()
	}
	v.form.enable(!running)
	v.arrange()
}

// showProgress shows what is at work.
func (v *view) showProgress() {
	defer v.arrange()
	now, running := v.p.progress()
	if !running {
		setText(v.phase, "")
		v.bar.Hide()
		return
	}
	setText(v.phase, v.phaseWords(now))
	if now.stopping || now.Final {
		v.stop.Disable()
	} else {
		v.stop.Enable()
	}
	if now.Total <= 0 {
		v.bar.Hide() // Words are enough, see the status line.
		return
	}
	v.bar.Max = float64(now.Total)
	v.bar.SetValue(float64(min(now.Done, now.Total)))
	v.bar.Show()
}

// arrange lays the controls out anew after some of them came or went.
func (v *view) arrange() {
	for _, c := range []*fyne.Container{v.controls, v.left} {
		c.Layout.Layout(c.Objects, c.Size())
	}
}

// phaseWords tells what is being done, how far it is and how long it will take.
func (v *view) phaseWords(now progress) string {
	if now.stopping && !now.Final {
		if now.Phase == string(train.Training) {
			return v.tx.T("retrain.phase.ending")
		}
		return v.tx.T("retrain.phase.stopping")
	}
	done, total := v.tx.Number(int(now.Done)), v.tx.Number(int(now.Total))
	var words string
	switch now.Phase {
	case PhaseFetching:
		words = v.tx.T("retrain.phase.fetching")
		if now.Total > 0 {
			words = v.tx.T("retrain.phase.fetching.of", "Done", v.tx.Bytes(now.Done), "Total", v.tx.Bytes(now.Total))
		}
	case string(train.Features):
		words = v.tx.T("retrain.phase.features", "Done", done, "Total", total)
	case string(train.Views):
		words = v.tx.T("retrain.phase.views", "Done", done, "Total", total)
	case string(train.Training):
		words = v.tx.T("retrain.phase.training", "Done", done, "Total", total)
	case string(train.Writing):
		words = v.tx.T("retrain.phase.writing")
	default:
		words = v.tx.T("retrain.phase.starting")
		if v.p.started {
			words = v.tx.T("retrain.phase.preparing")
		}
	}
	if now.leftKnown {
		words = v.tx.Sentences(words, v.tx.T("retrain.left", "Time", v.tx.Duration(now.left)))
	}
	return words
}

// title names a run: by the user's words, or by when it began.
func (v *view) title(r experiment.Run) string {
	if r.Name != "" {
		return r.Name
	}
	return v.tx.Time(r.Started)
}

// baseTitle names a base model.
func (v *view) baseTitle(name string) string {
	for _, b := range v.p.bases {
		if b.Name == name {
			return widgets.BaseTitle(v.tx, name, b.Title)
		}
	}
	return widgets.BaseTitle(v.tx, name, "")
}

// accuracy writes a test accuracy with its interval, or that there is none.
func (v *view) accuracy(t *train.Tested) string {
	if t == nil {
		return v.tx.T("retrain.untested")
	}
	low, high := v.interval(t)
	return v.tx.T("retrain.accuracy.short", "Accuracy", v.tx.Percent(t.Accuracy, 1), "Low", low, "High", high)
}

// interval writes the ends of the interval of a test accuracy. That of none or of all right reaches to 0 or 1, but for what
// computing with fractions leaves of it.
func (v *view) interval(t *train.Tested) (low, high string) {
	from, to := t.Low, t.High
	if t.Correct == 0 {
		from = 0
	}
	if t.Correct == t.Count {
		to = 1
	}
	return v.tx.Percent(from, 1), v.tx.Percent(to, 1)
}

// chooseFolder asks for a folder.
func (v *view) chooseFolder(title string, chosen func(dir string)) {
	filepicker.Show(filepicker.Params{
		Window: v.params.Window, Texts: v.tx, Dispatch: v.params.Dispatch, Beside: v.p.work.Go, Settings: v.params.Preferences,
		Title: title, Act: v.tx.T("retrain.folder.choose"), Want: filepicker.Folder, Chosen: chosen,
	})
}

// useRun takes a run's model into use.
func (v *view) useRun(r experiment.Run) { v.params.UseModel(r.Dir) }

// exportModel asks where a run's model is to be copied.
func (v *view) exportModel(r experiment.Run) {
	v.chooseFolder(v.tx.T("retrain.export.model.title"), func(dir string) { v.p.export(r, dir) })
}

// heading is a line of bold text.
func heading(text string) *widget.Label {
	l := widget.NewLabelWithStyle(text, fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	l.Truncation = fyne.TextTruncateEllipsis
	return l
}

// caption is a small text of as many lines as it needs.
func caption(text string) *widgets.Text {
	t := widgets.NewText(text)
	t.SizeName = theme.SizeNameCaptionText
	return t
}

// small is one line of small text, cut off where there is no room.
func small() *widget.Label {
	l := widget.NewLabel("")
	l.SizeName, l.Truncation = theme.SizeNameCaptionText, fyne.TextTruncateEllipsis
	return l
}

// fixed gives an object a width.
func fixed(o fyne.CanvasObject, width float32) fyne.CanvasObject {
	return container.New(&fixedWidth{width}, o)
}

// fixedWidth lays one object out in a width.
type fixedWidth struct{ width float32 }

func (f *fixedWidth) MinSize(objects []fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(f.width, objects[0].MinSize().Height)
}

func (f *fixedWidth) Layout(objects []fyne.CanvasObject, size fyne.Size) { objects[0].Resize(size) }

// snug lays objects out below each other, closer than texts stand by themselves.
type snug struct{}

// closer is by how much.
const closer float32 = 9

func (snug) MinSize(objects []fyne.CanvasObject) fyne.Size {
	size := fyne.NewSize(0, 0)
	for _, o := range objects {
		if o.Visible() {
			least := o.MinSize()
			size = fyne.NewSize(max(size.Width, least.Width), size.Height+least.Height-closer)
		}
	}
	return size.AddWidthHeight(0, closer)
}

func (snug) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	y := float32(0)
	for _, o := range objects {
		if o.Visible() {
			height := o.MinSize().Height
			o.Move(fyne.NewPos(0, y))
			o.Resize(fyne.NewSize(size.Width, height))
			y += height - closer
		}
	}
}

// atLeast gives one object all room, and asks for some.
type atLeast struct{ size fyne.Size }

func (a *atLeast) MinSize([]fyne.CanvasObject) fyne.Size { return a.size }

func (a *atLeast) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		o.Resize(size)
	}
}

// footed lays one object out above another, which gets the height that its texts need at the width that there is.
type footed struct{}

func (footed) MinSize(objects []fyne.CanvasObject) fyne.Size {
	body, foot := objects[0].MinSize(), objects[1].MinSize()
	return fyne.NewSize(max(body.Width, foot.Width), body.Height+theme.Padding()+foot.Height)
}

func (footed) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	body, foot := objects[0], objects[1]
	foot.Resize(fyne.NewSize(size.Width, foot.Size().Height)) // Only now its texts know how high they are.
	height := foot.MinSize().Height
	foot.Resize(fyne.NewSize(size.Width, height))
	foot.Move(fyne.NewPos(0, size.Height-height))
	body.Resize(fyne.NewSize(size.Width, size.Height-height-theme.Padding()))
}

// beside lays two objects out beside each other where there is room, otherwise below each other.
type beside struct{ min fyne.Size } // Of each.

func (b *beside) MinSize([]fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(b.min.Width, 2*b.min.Height)
}

func (b *beside) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	if size.Width > 2*size.Height {
		half := fyne.NewSize(size.Width/2, size.Height)
		objects[0].Resize(half)
		objects[1].Resize(half)
		objects[0].Move(fyne.NewPos(0, 0))
		objects[1].Move(fyne.NewPos(half.Width, 0))
		return
	}
	half := fyne.NewSize(size.Width, size.Height/2)
	objects[0].Resize(half)
	objects[1].Resize(half)
	objects[0].Move(fyne.NewPos(0, 0))
	objects[1].Move(fyne.NewPos(0, half.Height))
}

// row lays buttons out in a row.
func row(objects ...fyne.CanvasObject) fyne.CanvasObject {
	return container.NewHBox(append(objects, layout.NewSpacer())...)
}

// menu shows a menu below a button.
func (v *view) menu(below *widgets.Button, items ...*fyne.MenuItem) {
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(below).Add(fyne.NewPos(0, below.Size().Height))
	widget.ShowPopUpMenuAtPosition(fyne.NewMenu("", items...), v.params.Window.Canvas(), at)
}

// value writes a setting of a comparison.
func (v *view) value(name string, value any) string {
	switch value := value.(type) {
	case bool:
		if value {
			return v.tx.T("retrain.yes")
		}
		return v.tx.T("retrain.no")
	case int:
		if value == -1 {
			return v.tx.T("retrain.all")
		}
		return v.tx.Number(value)
	case int64:
		return strconv.FormatInt(value, 10)
	case float64:
		return strconv.FormatFloat(value, 'g', -1, 64)
	case string:
		switch name {
		case "architecture":
			return v.baseTitle(value)
		case "optimizer", "class_weighting":
			return v.tx.T("retrain.option." + value)
		}
		return value
	}
	return fmt.Sprint(value)
}
