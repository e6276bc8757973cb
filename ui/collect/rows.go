package collect

import (
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/widgets"
)

// rowView shows a row: while it is chosen with entries, later with a bar.
type rowView struct {
	widget.BaseWidget

	v       *view
	edit    *fyne.Container
	on      *widgets.Check
	remove  *widgets.Button
	name    *widget.Label
	keyword *widgets.Entry
	label   *labelEntry
	count   *widgets.Entry
	of      *widget.Label

	known []string // The options of label.

	bar   *widgets.Bar
	drawn drawn // In bar.
}

func (v *view) rowList() *widgets.List {
	v.rowOf = map[int]*rowView{}
	return widgets.NewList(
		func() int { return len(v.p.rows) },
		func() fyne.CanvasObject { return v.newRow() },
		func(i widget.ListItemID, o fyne.CanvasObject) {
			if r, ok := o.(*rowView); ok {
				r.set(i)
			}
		})
}

func (v *view) newRow() *rowView {
	r := &rowView{
		v: v, on: widgets.NewCheck("", nil), name: widget.NewLabel(""), keyword: widgets.NewEntry(), label: newLabelEntry(),
		count: widgets.NewEntry(), of: widget.NewLabel(""), bar: widgets.NewBar(),
	}
	r.remove = widgets.NewButton("", theme.DeleteIcon(), nil)
	r.remove.Importance = widget.LowImportance
	r.name.Truncation, r.of.Truncation = fyne.TextTruncateEllipsis, fyne.TextTruncateEllipsis
	r.keyword.SetPlaceHolder(v.tx.T("collect.keyword"))
	r.label.SetPlaceHolder(v.tx.T("collect.label"))
	r.count.SetPlaceHolder(v.tx.T("collect.count.all"))
	var first, last, keyword fyne.CanvasObject = r.on, r.of, r.name
	if v.p.service != nil {
		last, keyword = r.remove, r.keyword
	}
	r.edit = container.New(&rowLayout{}, first, keyword, r.label, r.count, last)
	r.keyword.OnSubmitted = func(string) { v.addKeyword() }
	r.ExtendBaseWidget(r)
	return r
}

// CreateRenderer implements fyne.Widget.
func (r *rowView) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(container.NewStack(r.edit, r.bar))
}

// set shows the row with a number.
func (r *rowView) set(i int) {
	if i >= len(r.v.p.rows) {
		return
	}
	r.v.rowOf[i] = r
	row, p, tx := r.v.p.rows[i], r.v.p, r.v.tx
	choice := p.stage == choosing
	show(r.edit, choice)
	show(r.bar, !choice)
	if !choice {
		r.setBar(row)
		return
	}
	r.on.OnChanged = nil
	r.on.SetChecked(row.on)
	r.on.OnChanged = func(on bool) { p.setOn(i, on) }
	name := visible(row.keyword)
	if name == "" {
		name = tx.T("collect.loose")
	}
	say(r.name, name)
	r.keyword.OnChanged, r.label.OnChanged, r.count.OnChanged = nil, nil, nil
	setText(&r.keyword.Entry, row.keyword)
	setText(&r.label.Entry, row.label)
	setText(&r.count.Entry, row.countText)
	r.keyword.OnChanged = func(text string) { p.setKeyword(i, text) }
	r.label.OnChanged = func(text string) { p.setLabel(i, text) }
	r.count.OnChanged = func(text string) { p.setCount(i, text) }
	if !slices.Equal(r.known, r.v.known) {
		r.known = r.v.known
		r.label.SetOptions(r.known)
	}
	if row.available >= 0 {
		say(r.of, tx.T("collect.of", "Count", tx.Number(row.available)))
	}
	r.remove.OnTapped = func() { p.removeRow(i) }
	for _, d := range []fyne.Disableable{r.label, r.count, r.keyword} {
		enable(d, row.on)
	}
}

// labelEntry takes a label: one that the dataset has, or a new one.
type labelEntry struct{ widget.SelectEntry }

func newLabelEntry() *labelEntry {
	e := &labelEntry{}
	e.Wrapping = fyne.TextWrap(fyne.TextTruncateClip)
	e.ExtendBaseWidget(e)
	return e
}

// TypedKey implements fyne.Focusable.
func (e *labelEntry) TypedKey(ev *fyne.KeyEvent) {
	if !widgets.HandOn(e, ev) {
		e.SelectEntry.TypedKey(ev)
	}
}

// setBar shows what became of the row.
func (r *rowView) setBar(row *row) {
	tx := r.v.tx
	name := visible(row.keyword)
	if name == "" {
		name = tx.T("collect.loose")
	}
	title := row.label
	if name != row.label {
		title = tx.T("collect.row", "Keyword", name, "Label", row.label)
	}
	if !row.part {
		r.draw(drawn{title, 0, tx.T("collect.bar.none"), false})
		return
	}
	seen, wanted := here(row.result), row.wanted()
	share, text := 0.0, tx.T("collect.bar.all", "Here", tx.Number(seen))
	if wanted > 0 {
		text = tx.T("collect.bar", "Here", tx.Number(seen), "Wanted", tx.Number(wanted))
		if row.final() {
			seen += row.result.Refused + row.result.Moved
		}
		share = float64(seen) / float64(wanted)
	}
	if row.result.Refused > 0 {
		text += tx.T("collect.comma") + tx.T("collect.bar.refused", "Refused", tx.Number(row.result.Refused))
	}
	if row.exhausted {
		text += tx.T("collect.comma") + tx.T("collect.bar.exhausted")
	}
	r.draw(drawn{title, share, text, r.v.p.stage == running && share > 0 && share < 1})
}

// drawn is what a bar shows.
type drawn struct {
	title  string
	share  float64
	text   string
	strong bool
}

// draw has the bar show something, unless it does.
func (r *rowView) draw(d drawn) {
	if d != r.drawn {
		r.drawn = d
		r.bar.Set(d.title, d.share, d.text, d.strong)
	}
}

// setText sets what an entry holds, unless that differs by spaces only, which may just be typed.
func setText(e *widget.Entry, text string) {
	if strings.TrimSpace(e.Text) != strings.TrimSpace(text) {
		e.SetText(text)
	}
}

// rowLayout lays out a check, a keyword, a label, a number and something small behind it. Keyword and label share what is
// left.
type rowLayout struct{}

const (
	checkWidth = 36
	countWidth = 68
	lastWidth  = 96 // Enough for "of 100,000".
)

// MinSize implements fyne.Layout.
func (*rowLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	height := float32(0)
	for _, o := range objects {
		height = max(height, o.MinSize().Height)
	}
	return fyne.NewSize(checkWidth+countWidth+lastWidth+2*72, height)
}

// Layout implements fyne.Layout.
func (*rowLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	flexible := size.Width - checkWidth - countWidth - lastWidth
	x := float32(0)
	for i, width := range []float32{checkWidth, 0.45 * flexible, 0.55 * flexible, countWidth, lastWidth} {
		height := objects[i].MinSize().Height
		objects[i].Move(fyne.NewPos(x, (size.Height-height)/2))
		objects[i].Resize(fyne.NewSize(width, height))
		x += width
	}
}
