package classify

import (
	"errors"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/i18n"
	"kaika/ui/widgets"
)

// scene is what the tab shows below the model in use.
type scene int

const (
	noScene scene = iota
	noModel
	openingModel
	brokenModel
	noPhoto
	onePhoto
	manyPhotos
)

// A view is the widgets of the tab.
type view struct {
	Params

	p  *presenter
	tx *i18n.Texts

	seen  bool // The tab is at the front.
	stale bool // What is drawn is not what there is.

	scene scene
	waits bool // It says that what was dropped waits for a model.
	body  *fyne.Container
	foot  *fyne.Container
	whole *fyne.Container

	modelTitle  *widget.Label
	modelDetail *widget.RichText

	stage  *stage
	answer *answerPanel
	table  *table

	split                    *container.Split
	photoOffset, tableOffset float64 // Where the user put the dividers.

	tools, tableTools, photoTools *fyne.Container
	filtered, listed              *widgets.Button
	previous, next                *widgets.Button
	sorters                       []*widgets.Button // By column, from byName on.

	progress     *widget.ProgressBar
	progressText *widget.Label
	stop, goOn   *widgets.Button
	strip        *fyne.Container // Of the progress.

	noticeText                *widgets.Text
	noticeUndo, noticeMove    *widgets.Button
	noticeDetails, noticeHide *widgets.Button
	noticeBar                 *fyne.Container
}

// content makes the widgets.
func (v *view) content() fyne.CanvasObject {
	v.keepOffsets()
	v.tx, v.scene, v.split = v.Texts(), noScene, nil
	tx := v.tx
	button := func(key string, icon fyne.Resource, do func()) *widgets.Button {
		return widgets.NewButton(tx.T(key), icon, do)
	}

	v.modelTitle, v.modelDetail = widget.NewLabel(""), newCaption()
	v.modelTitle.TextStyle.Bold = true
	v.modelTitle.Truncation, v.modelDetail.Truncation = fyne.TextTruncateEllipsis, fyne.TextTruncateEllipsis
	model := container.NewBorder(nil, nil,
		container.NewHBox(container.NewCenter(container.NewGridWrap(fyne.NewSquareSize(28), widget.NewIcon(theme.ComputerIcon())))),
		container.NewCenter(button("classify.model.choose", theme.MenuDropDownIcon(), v.chooseModel)),
		container.New(layout.NewCustomPaddedVBoxLayout(-10), v.modelTitle, v.modelDetail))

	v.stage = newStage(v.Window)
	v.stage.onRoom, v.stage.onKey, v.stage.onShortcut = v.p.room, v.key, v.shortcut
	v.answer = newAnswerPanel(v)
	v.table = newTable(v)
	v.table.onShortcut = v.shortcut
	v.table.onOpen = func() { v.enlarge(true) }
	v.table.onMenu = v.menu

	v.filtered = button("classify.filter.all", theme.MenuDropDownIcon(), v.chooseFilter)
	v.listed = button("classify.list", theme.ListIcon(), func() { v.enlarge(false) })
	v.previous = widgets.NewButton("", theme.NavigateBackIcon(), func() { v.p.move(-1, false) })
	v.next = widgets.NewButton("", theme.NavigateNextIcon(), func() { v.p.move(1, false) })
	v.tableTools = container.NewHBox(v.filtered, button("classify.export", theme.DocumentSaveIcon(), v.export))
	v.photoTools = container.NewHBox(v.previous, v.next, v.listed)
	v.tools = container.NewHBox(
		button("classify.open", theme.FileImageIcon(), v.openFile),
		button("classify.folder", theme.FolderOpenIcon(), v.openFolder),
		button("classify.paste", theme.ContentPasteIcon(), v.paste),
		layout.NewSpacer(), v.photoTools, v.tableTools,
		button("classify.clear", theme.ContentClearIcon(), v.p.clear))

	v.progress, v.progressText = widget.NewProgressBar(), widget.NewLabel("")
	v.progress.TextFormatter = func() string { return "" }
	v.stop = button("kit.cancel", theme.CancelIcon(), func() {
		if v.p.enough != nil {
			v.p.enough()
		}
		if v.p.run != nil {
			v.p.cancel()
		}
	})
	v.goOn = button("classify.continue", theme.MediaPlayIcon(), func() {
		v.p.start()
		v.update()
	})
	v.strip = container.NewBorder(nil, nil, container.NewCenter(v.progressText), container.NewHBox(v.goOn, v.stop),
		container.New(thin{}, v.progress))

	v.noticeText = widgets.NewText("")
	v.noticeUndo = button("classify.undo", theme.ContentUndoIcon(), func() {
		if n := v.p.notice; n != nil && n.addition != nil {
			v.p.undo(n.addition)
		}
	})
	v.noticeMove = widgets.NewButton("", theme.MailForwardIcon(), func() {
		if n := v.p.notice; n != nil && n.addition != nil {
			v.p.moveThere(n.addition)
		}
	})
	v.noticeDetails = button("kit.error.details", theme.InfoIcon(), func() {
		if n := v.p.notice; n != nil && n.addition != nil {
			widgets.ShowError(v.Window, v.tx, v.tx.N("classify.added.failed", len(n.addition.failures)), errors.Join(n.addition.failures...))
		}
	})
	v.noticeHide = widgets.NewButton("", theme.CancelIcon(), func() {
		v.p.notice = nil
		v.update()
	})
	v.noticeHide.Importance = widget.LowImportance
	v.noticeBar = container.NewBorder(nil, nil, container.NewCenter(widget.NewIcon(theme.InfoIcon())),
		container.NewCenter(container.NewHBox(v.noticeUndo, v.noticeMove, v.noticeDetails, v.noticeHide)), v.noticeText)

	v.body = container.NewStack()
	v.foot = container.NewVBox(v.strip, v.noticeBar)
	v.whole = container.NewPadded(container.NewBorder(container.NewVBox(model, widget.NewSeparator()), v.foot, nil, nil, v.body))
	v.p.changed, v.p.failed = v.update, v.failed
	v.update()
	return v.whole
}

// thin lays its one object out in the middle, as a bar of 10 high.
type thin struct{}

func (thin) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(60, 10) }

func (thin) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	objects[0].Resize(fyne.NewSize(size.Width, 10))
	objects[0].Move(fyne.NewPos(0, (size.Height-10)/2))
}

// newCaption makes a small and quiet line of text, cut off where there is no room.
func newCaption() *widget.RichText {
	return widget.NewRichText(&widget.TextSegment{Style: widget.RichTextStyle{
		ColorName: theme.ColorNamePlaceHolder, SizeName: theme.SizeNameCaptionText,
	}})
}

func setCaption(c *widget.RichText, text string) {
	if s, ok := c.Segments[0].(*widget.TextSegment); ok && s.Text != text {
		s.Text = text
		c.Refresh()
	}
}

// short cuts a label that would make a button too wide.
func short(label string) string {
	const most = 18
	if runes := []rune(label); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return label
}

// shown draws what changed while the tab was out of sight.
func (v *view) shown() {
	v.seen = true
	if v.stale {
		v.update()
	}
}

// hidden draws nothing any more.
func (v *view) hidden() { v.seen = false }

// update shows the state of the presenter, or has it shown when the tab comes into sight.
func (v *view) update() {
	if v.stale = !v.seen; v.stale {
		return
	}
	v.updateModel()
	v.updateScene()
	height := v.foot.MinSize().Height
	v.updateProgress()
	v.updateNotice()
	if v.foot.MinSize().Height != height {
		v.whole.Refresh()
	}
	if v.scene != onePhoto && v.scene != manyPhotos {
		return
	}
	p := v.p
	icon := theme.FileImageIcon()
	if r := p.byPath[p.current]; p.shot.err != nil || r != nil && r.failure != "" {
		icon = theme.BrokenImageIcon()
	}
	img := p.shot.img
	if img == nil && p.shot.err == nil {
		if r := p.byPath[p.current]; r != nil { // The small one until the large one is there.
			img, _ = p.thumbs.Peek(r.key)
		}
	}
	v.stage.set(img, icon)
	v.answer.update()
	if v.scene == manyPhotos {
		v.updateTable()
	} else {
		several := len(p.rows)+len(p.waiting) > 1
		v.previous.Hidden, v.next.Hidden, v.listed.Hidden = !several, !several, !several
		setText(v.listed, v.tx.N("classify.list", len(p.rows)+len(p.waiting)))
		v.tools.Refresh()
		i := p.index(p.current)
		able(v.previous, i > 0)
		able(v.next, i < len(p.shown)-1)
	}
}

func able(b *widgets.Button, yes bool) {
	if yes == b.Disabled() { // Else it would be drawn anew each time.
		if yes {
			b.Enable()
		} else {
			b.Disable()
		}
	}
}

// setText sets the text of a label or button, which is costly, unless it is that already.
func setText(w interface{ SetText(text string) }, text string) {
	old := ""
	switch w := w.(type) {
	case *widget.Label:
		old = w.Text
	case *widgets.Button:
		old = w.Text
	}
	if old != text {
		w.SetText(text)
	}
}

func (v *view) updateModel() {
	p, tx := v.p, v.tx
	title, detail := tx.T("classify.model.none"), tx.T("classify.model.none.detail")
	if m := p.model; m != nil {
		title = tx.T("classify.model", "Name", m.Title)
		facts := []string{tx.T("classify.model.trained", "Time", tx.Time(m.Created)), widgets.BaseTitle(tx, m.BaseModel.Name, "")}
		if a := m.Metrics.TestAccuracy; a != nil {
			facts = append(facts, tx.T("classify.model.accuracy", "Share", tx.Percent(*a, 1)))
		} else {
			facts = append(facts, tx.T("classify.model.untested"))
		}
		facts = append(facts, tx.N("classify.model.labels", len(m.Labels)))
		facts = slices.DeleteFunc(facts, func(s string) bool { return s == "" })
		detail = strings.Join(facts, "  ·  ")
	}
	if p.opening != nil {
		// Words are enough: what moves has the whole window drawn sixty times a second, while the processor is needed.
		detail = v.openingSentence()
	}
	setText(v.modelTitle, title)
	setCaption(v.modelDetail, detail)
}

func (v *view) openingSentence() string {
	name := v.p.opening.Title
	if name == "" {
		name = displayed(base(v.p.opening.Dir))
	}
	if v.p.started {
		return v.tx.T("classify.model.opening", "Name", name)
	}
	return v.tx.T("classify.model.starting", "Name", name)
}

// updateScene puts up the widgets for what there is to show.
func (v *view) updateScene() {
	p := v.p
	is := manyPhotos
	switch {
	case p.model == nil && p.opening != nil:
		is = openingModel
	case p.model == nil && p.fault != nil:
		is = brokenModel
	case p.model == nil:
		is = noModel
	case len(p.rows)+len(p.waiting) == 0:
		is = noPhoto
	case p.large:
		is = onePhoto
	}
	if is == openingModel && p.current != "" { // The photo need not wait for TensorFlow.
		is = onePhoto
	}
	waits := is == noModel && len(p.inbox)+len(p.waiting) > 0
	if is == v.scene && waits == v.waits {
		return
	}
	v.keepOffsets()
	v.scene, v.waits, v.split = is, waits, nil
	var o fyne.CanvasObject
	switch is {
	case onePhoto:
		v.split = container.NewHSplit(v.stage, container.New(layout.NewCustomPaddedLayout(0, 0, 8, 0), v.answer.box))
		v.split.Offset = v.photoOffset
		o = container.NewBorder(v.tools, nil, nil, nil, v.split)
	case manyPhotos:
		detail := container.NewVSplit(v.stage, v.answer.box)
		detail.Offset = 0.42
		v.split = container.NewHSplit(container.NewBorder(v.newHeader(), nil, nil, nil, v.table), detail)
		v.split.Offset = v.tableOffset
		o = container.NewBorder(v.tools, nil, nil, nil, v.split)
	default:
		o = v.empty(is)
	}
	v.tableTools.Hidden, v.photoTools.Hidden = is != manyPhotos, is != onePhoto
	v.body.Objects = []fyne.CanvasObject{o}
	v.body.Refresh()
	v.focus()
}

// keepOffsets remembers where the user put the divider.
func (v *view) keepOffsets() {
	switch {
	case v.split == nil:
	case v.scene == onePhoto:
		v.photoOffset = v.split.Offset
	case v.scene == manyPhotos:
		v.tableOffset = v.split.Offset
	}
}

// empty gives what stands where there is no answer yet.
func (v *view) empty(is scene) fyne.CanvasObject {
	tx, p := v.tx, v.p
	action := func(key string, icon fyne.Resource, do func()) widgets.Action {
		return widgets.Action{Text: tx.T(key), Icon: icon, Do: do}
	}
	retrain := action("classify.retrain", theme.MediaPlayIcon(), v.Retrain)
	choose := action("classify.model.choose", theme.ComputerIcon(), v.chooseModel)
	switch is {
	case openingModel:
		return widgets.Empty(theme.ComputerIcon(), tx.T("classify.opening.title"), v.openingSentence())
	case brokenModel:
		return widgets.Empty(theme.WarningIcon(), tx.T("classify.broken.title"), v.modelSentence(p.fault, p.faultDir), choose, retrain,
			action("kit.error.details", theme.InfoIcon(), func() { v.failed(modelProblem, p.fault) }))
	case noPhoto:
		return container.NewStack(newZone(), widgets.Empty(theme.FileImageIcon(), tx.T("classify.drop.title"), tx.T("classify.drop.text"),
			action("classify.open", theme.FileImageIcon(), v.openFile),
			action("classify.folder", theme.FolderOpenIcon(), v.openFolder),
			action("classify.paste", theme.ContentPasteIcon(), v.paste)))
	default:
		text := tx.T("classify.none.text")
		if v.waits {
			text = tx.Sentences(text, tx.N("classify.none.waiting", len(p.inbox)+len(p.waiting)))
		}
		return widgets.Empty(theme.ComputerIcon(), tx.T("classify.none.title"), text, retrain, choose)
	}
}

// newHeader makes the buttons that sort the table.
func (v *view) newHeader() fyne.CanvasObject {
	v.sorters = nil
	bar := container.New(header{})
	for c := byName; c <= bySecond; c++ {
		b := widgets.NewButton("", nil, func() { v.p.sortBy(c) })
		b.Importance, b.IconPlacement = widget.LowImportance, widget.ButtonIconTrailingText
		b.Alignment = widget.ButtonAlignLeading
		if c == byScore {
			b.Alignment = widget.ButtonAlignTrailing
		}
		v.sorters = append(v.sorters, b)
		bar.Add(b)
	}
	return bar
}

func (v *view) updateTable() {
	for i, key := range []string{"classify.column.name", "classify.column.label", "classify.column.score", "classify.column.second"} {
		b, icon := v.sorters[i], fyne.Resource(nil)
		if v.p.sort == byName+column(i) {
			icon = theme.MenuDropUpIcon()
			if v.p.down {
				icon = theme.MenuDropDownIcon()
			}
		}
		setText(b, v.tx.T(key))
		if b.Icon != icon {
			b.SetIcon(icon)
		}
	}
	setText(v.filtered, v.filterName(v.p.filter, len(v.p.shown)))
	v.table.update()
}

// filterName gives what a filter lets through in words, with the number of rows.
func (v *view) filterName(f filter, count int) string {
	switch f.kind {
	case unknownRows:
		return v.tx.N("classify.filter.unknown", count)
	case failedRows:
		return v.tx.N("classify.filter.failed", count)
	case oneLabel:
		return v.tx.T("classify.filter.label", "Label", short(f.label), "Count", v.tx.Number(count))
	default:
		return v.tx.N("classify.filter.all", count)
	}
}

func (v *view) updateProgress() {
	p, tx := v.p, v.tx
	done, total := len(p.rows), len(p.rows)+len(p.waiting)
	working := p.run != nil && (len(p.inbox) > 0 || len(p.waiting) > 1)
	paused := p.run == nil && p.model != nil && len(p.inbox)+len(p.waiting) > 0
	v.strip.Hidden = !working && !paused && p.adding == nil
	v.stop.Hidden, v.goOn.Hidden = paused && p.adding == nil, !paused || p.adding != nil
	able(v.stop, p.run == nil || !p.run.ending || p.adding != nil)
	switch {
	case p.adding != nil:
		done, total = p.adding.done, p.adding.total
		setText(v.progressText, tx.T("classify.progress.adding", "Done", tx.Number(done), "Total", tx.Number(total)))
	case len(p.inbox) > 0:
		setText(v.progressText, tx.T("classify.progress.listing"))
	default:
		setText(v.progressText, tx.T("classify.progress", "Done", tx.Number(done), "Total", tx.Number(total)))
	}
	v.progress.Max = max(1, float64(total))
	v.progress.SetValue(float64(done))
	v.strip.Refresh()
}

func (v *view) updateNotice() {
	n := v.p.notice
	v.noticeBar.Hidden = n == nil
	if n == nil {
		v.noticeBar.Refresh()
		return
	}
	setText(v.noticeText, v.noticeSentence(n))
	a := n.addition
	v.noticeUndo.Hidden = a == nil || a.undoable() == 0
	v.noticeMove.Hidden = a == nil || len(a.elsewhere) == 0
	v.noticeDetails.Hidden = a == nil || len(a.failures) == 0
	if a != nil {
		setText(v.noticeMove, v.tx.T("classify.move", "Label", short(a.label)))
	}
	v.noticeBar.Refresh()
}
