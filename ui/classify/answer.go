package classify

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/widgets"
)

// fewBars is how many labels are shown of a photo before all are asked for.
const fewBars = 5

// An answerPanel shows what is on the current photo: the answer in large letters, and the labels as bars.
type answerPanel struct {
	v       *view
	name    *widget.RichText
	heading *widget.Label
	text    *widgets.Text
	truth   *fyne.Container
	truthIs *widget.Label
	bars    *widget.List
	more    *widgets.Button
	really  *widgets.Button
	box     *fyne.Container

	all   bool // All labels are shown.
	row   *row
	shown answerState
}

// answerState is what an answerPanel shows, to see whether that has changed.
type answerState struct {
	row     *row
	current string
	truth   string
	scene   scene
	targets int
	all     bool
	running bool
	adding  bool
	opening *ModelChoice
}

func newAnswerPanel(v *view) *answerPanel {
	a := &answerPanel{
		v: v, name: newCaption(), heading: widget.NewLabel(""), text: widgets.NewText(""),
		truthIs: widget.NewLabel(""),
	}
	a.name.Truncation, a.heading.Truncation = fyne.TextTruncateEllipsis, fyne.TextTruncateEllipsis
	a.heading.TextStyle.Bold = true
	a.truthIs.Truncation = fyne.TextTruncateEllipsis
	a.truth = container.NewBorder(nil, nil, container.New(layout.NewCustomPaddedLayout(0, 0, theme.InnerPadding(), 0),
		widget.NewIcon(theme.NewSuccessThemedResource(theme.ConfirmIcon()))), nil, a.truthIs)
	a.bars = widget.NewList(a.length, func() fyne.CanvasObject { return widgets.NewBar() }, a.bar)
	a.bars.HideSeparators = true
	a.bars.OnSelected = func(widget.ListItemID) { a.bars.UnselectAll() } // Nothing follows from it.
	a.more = widgets.NewButton("", nil, func() {
		a.all = !a.all
		a.bars.ScrollToOffset(0)
		a.update()
	})
	a.more.Importance = widget.LowImportance
	a.really = widgets.NewButton("", theme.FolderNewIcon(), v.askLabel)
	a.box = container.NewBorder(
		container.NewVBox(a.name, a.heading, a.text, a.truth),
		container.NewVBox(container.NewHBox(a.more, layout.NewSpacer()), a.really),
		nil, nil, a.bars)
	return a
}

func (a *answerPanel) length() int {
	switch {
	case a.row == nil || a.v.p.model == nil:
		return 0
	case a.all:
		return len(a.row.ranks)
	}
	return min(fewBars, len(a.row.ranks))
}

func (a *answerPanel) bar(i widget.ListItemID, o fyne.CanvasObject) {
	if b, ok := o.(*widgets.Bar); ok && a.row != nil && i < len(a.row.ranks) {
		share := float64(a.row.ranks[i].score)
		b.Set(a.v.p.label(a.row, i), share, a.v.tx.Percent(share, 2), i == 0 && !a.row.unknown)
	}
}

// update shows the presenter's current photo.
func (a *answerPanel) update() {
	p, tx := a.v.p, a.v.tx
	state := answerState{
		row: p.byPath[p.current], current: p.current, scene: a.v.scene, targets: p.countTargets(), all: a.all,
		running: p.run != nil, adding: p.adding != nil, opening: p.opening,
	}
	if state.row != nil {
		state.truth = state.row.truth
	}
	if a.shown == state {
		return
	}
	a.shown = state
	if r := p.byPath[p.current]; r != a.row {
		a.row = r
		if r != nil {
			a.bars.ScrollToOffset(0)
		}
	}
	r := a.row
	name, heading, text := displayed(base(p.current)), "", ""
	switch {
	case p.current == "":
		text = tx.T("classify.answer.none")
	case r == nil && p.opening != nil:
		text = a.v.openingSentence()
	case r == nil && p.run == nil:
		text = tx.T("classify.answer.stopped")
	case r == nil:
		text = tx.T("classify.answer.waiting")
	case r.failure != "":
		heading = tx.T("classify.answer.failed")
		text = a.v.failureSentence(r)
	case r.unknown:
		heading = tx.T("classify.answer.unknown")
		text = tx.T("classify.answer.unknown.text", "Share", tx.Percent(float64(score(r)), 2))
	case a.v.scene == onePhoto: // In the table, the row says it.
		heading = p.label(r, 0)
	}
	setCaption(a.name, name)
	a.name.Hidden = a.v.scene == manyPhotos // Its row says it.
	a.heading.SizeName = theme.SizeNameHeadingText
	if a.v.scene == manyPhotos {
		a.heading.SizeName = theme.SizeNameSubHeadingText
	}
	setText(a.heading, heading)
	a.heading.Hidden = heading == ""
	setText(a.text, text)
	a.text.Hidden = text == ""
	a.truth.Hidden = r == nil || r.truth == "" || a.v.scene != onePhoto
	if r != nil {
		setText(a.truthIs, tx.T("classify.answer.truth", "Label", r.truth))
	}
	a.more.Hidden = r == nil || len(r.ranks) <= fewBars
	if a.all {
		setText(a.more, tx.T("classify.answer.few"))
		a.more.SetIcon(theme.MenuDropUpIcon())
	} else if r != nil {
		setText(a.more, tx.N("classify.answer.all", len(r.ranks)))
		a.more.SetIcon(theme.MenuDropDownIcon())
	}
	really := tx.T("classify.really")
	if state.targets > 1 {
		really = tx.N("classify.really.several", state.targets)
	}
	setText(a.really, really)
	able(a.really, state.targets > 0 && p.adding == nil)
	a.box.Refresh()
}
