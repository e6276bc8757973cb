package classify

import (
	"image"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/thumb"
	"kaika/ui/widgets"
)

// thumbSide is the side of a thumbnail in the table.
const thumbSide = 44

// columns gives where the columns of the table begin and how wide they are: thumbnail, name, label, percentage, second
// label.
func columns(width float32) (x, w [5]float32) {
	const score, gap = 92, 4
	room := max(0, width-thumbSide-score-6*gap)
	w = [5]float32{thumbSide, room * 0.4, room * 0.32, score, room * 0.28}
	at := float32(gap)
	for i := range w {
		x[i] = at
		at += w[i] + gap
	}
	return x, w
}

// header lays its four objects out over the columns; the thumbnails have none.
type header struct{}

func (header) MinSize(objects []fyne.CanvasObject) fyne.Size {
	size := fyne.NewSize(360, 0)
	for _, o := range objects {
		size.Height = max(size.Height, o.MinSize().Height)
	}
	return size
}

func (header) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	x, w := columns(size.Width)
	for i, o := range objects {
		o.Move(fyne.NewPos(x[i+1], 0))
		o.Resize(fyne.NewSize(w[i+1], size.Height))
	}
}

// A table is the list of rows. Only those in sight have widgets. Several can be selected, which Fyne's own list cannot,
// so it handles mouse and keyboard itself.
type table struct {
	widget.List

	p          *presenter
	v          *view
	onOpen     func() // The current row is to be shown large.
	onMenu     func(at fyne.Position)
	onShortcut func(fyne.Shortcut)

	focused, shift bool
	length         int              // As Fyne's list knows it.
	views          map[int]*rowView // By their rows; those in sight are among them.
}

var (
	_ fyne.Focusable    = (*table)(nil)
	_ fyne.Shortcutable = (*table)(nil)
	_ desktop.Keyable   = (*table)(nil)
)

func newTable(v *view) *table {
	t := &table{p: v.p, v: v, views: map[int]*rowView{}}
	t.Length = func() int { return len(t.p.shown) }
	t.CreateItem = func() fyne.CanvasObject { return newRowView(t) }
	t.UpdateItem = func(i widget.ListItemID, o fyne.CanvasObject) {
		if r, ok := o.(*rowView); ok && i < len(t.p.shown) {
			if t.views[r.index] == r {
				delete(t.views, r.index)
			}
			t.views[i] = r
			r.set(i, t.p.shown[i])
		}
	}
	t.HideSeparators = true
	t.ExtendBaseWidget(t)
	return t
}

// update shows the rows as they are now. Fyne's own Refresh throws away all widgets out of sight, and makes them anew
// with the next scrolling.
func (t *table) update() {
	if n := len(t.p.shown); n != t.length {
		t.length = n
		clear(t.views)
		t.Refresh()
		return
	}
	first := int(t.GetScrollOffset() / t.pitch())
	for i := first; i <= first+int(t.Size().Height/t.pitch())+1 && i < t.length; i++ {
		if r := t.views[i]; r != nil {
			r.set(i, t.p.shown[i])
		}
	}
}

// pitch is the distance of two rows.
func (t *table) pitch() float32 { return thumbSide + 4 + t.Theme().Size(theme.SizeNamePadding) }

// reveal scrolls to a row if it is out of sight.
func (t *table) reveal(i int) {
	if i < 0 || i >= len(t.p.shown) {
		return
	}
	top := float32(i) * t.pitch()
	offset := t.GetScrollOffset()
	switch {
	case top < offset:
		t.ScrollToOffset(top)
	case top+t.pitch() > offset+t.Size().Height:
		t.ScrollToOffset(top + t.pitch() - t.Size().Height)
	}
}

// FocusGained implements fyne.Focusable.
func (t *table) FocusGained() {
	t.focused = true
	t.update()
}

// FocusLost implements fyne.Focusable.
func (t *table) FocusLost() {
	t.focused, t.shift = false, false
	t.update()
}

// KeyDown implements desktop.Keyable.
func (t *table) KeyDown(e *fyne.KeyEvent) { t.hold(e.Name, true) }

// KeyUp implements desktop.Keyable.
func (t *table) KeyUp(e *fyne.KeyEvent) { t.hold(e.Name, false) }

func (t *table) hold(key fyne.KeyName, down bool) {
	if key == desktop.KeyShiftLeft || key == desktop.KeyShiftRight {
		t.shift = down
	}
}

// TypedKey implements fyne.Focusable.
func (t *table) TypedKey(e *fyne.KeyEvent) {
	page := max(1, int(t.Size().Height/t.pitch())-1)
	switch e.Name {
	case fyne.KeyDown:
		t.p.move(1, t.shift)
	case fyne.KeyUp:
		t.p.move(-1, t.shift)
	case fyne.KeyPageDown:
		t.p.move(page, t.shift)
	case fyne.KeyPageUp:
		t.p.move(-page, t.shift)
	case fyne.KeyHome:
		t.p.move(-len(t.p.shown), t.shift)
	case fyne.KeyEnd:
		t.p.move(len(t.p.shown), t.shift)
	case fyne.KeySpace:
		t.p.toggle(t.p.index(t.p.current))
	case fyne.KeyReturn, fyne.KeyEnter:
		t.onOpen()
	default:
		widgets.HandOn(t, e)
		return
	}
	t.reveal(t.p.index(t.p.current))
}

// TypedShortcut implements fyne.Shortcutable.
func (t *table) TypedShortcut(s fyne.Shortcut) {
	if _, all := s.(*fyne.ShortcutSelectAll); all {
		t.p.selectAll()
		return
	}
	t.onShortcut(s)
}

// A rowView shows one row of the table.
type rowView struct {
	widget.BaseWidget

	table  *table
	index  int
	row    *row
	truth  string // Of the row, as it is shown.
	key    thumb.Key
	cancel func() // Ends the wait for the thumbnail.

	ground                     *canvas.Rectangle
	photo                      *canvas.Image
	icon                       *widget.Icon // Instead of the photo.
	name, label, score, second *widget.Label
	failure                    *widget.Label // Instead of the last three.
}

var (
	_ desktop.Mouseable      = (*rowView)(nil)
	_ fyne.DoubleTappable    = (*rowView)(nil)
	_ fyne.SecondaryTappable = (*rowView)(nil)
)

func newRowView(t *table) *rowView {
	cell := func() *widget.Label {
		l := widget.NewLabel("")
		l.Truncation = fyne.TextTruncateEllipsis
		return l
	}
	r := &rowView{
		table: t, index: -1, cancel: func() {}, ground: canvas.NewRectangle(color.Transparent),
		photo: &canvas.Image{FillMode: canvas.ImageFillCover, ScaleMode: canvas.ImageScaleFastest, CornerRadius: 4},
		icon:  widget.NewIcon(nil), name: cell(), label: cell(), score: cell(), second: cell(), failure: cell(),
	}
	r.ground.CornerRadius = 6
	r.score.Alignment = fyne.TextAlignTrailing
	r.ExtendBaseWidget(r)
	return r
}

// set shows a row of the presenter's.
func (r *rowView) set(index int, row *row) {
	r.index = index
	if r.row != row || r.truth != row.truth {
		r.row, r.truth = row, row.truth
		r.write(row)
		r.thumbnail(row)
	}
	p := r.table.p
	th, variant := r.Theme(), fyne.CurrentApp().Settings().ThemeVariant()
	fill, stroke, width := color.Color(color.Transparent), color.Color(color.Transparent), float32(0)
	if p.selected[row.path] {
		fill = th.Color(theme.ColorNameSelection, variant)
	}
	if r.table.focused && p.current == row.path {
		stroke, width = th.Color(theme.ColorNamePrimary, variant), 1.5
	}
	if g := r.ground; g.FillColor != fill || g.StrokeColor != stroke {
		g.FillColor, g.StrokeColor, g.StrokeWidth = fill, stroke, width
		g.Refresh()
	}
}

// write writes the texts of a row.
func (r *rowView) write(row *row) {
	v := r.table.v
	r.name.SetText(row.name)
	if row.failure != "" {
		r.failure.SetText(v.failureSentence(row))
		r.icon.SetResource(theme.NewWarningThemedResource(theme.WarningIcon()))
		r.Refresh()
		return
	}
	label := v.p.label(row, 0)
	switch {
	case row.truth != "":
		label = v.tx.T("classify.row.truth", "Label", row.truth)
	case row.unknown:
		label = v.tx.T("classify.row.unknown", "Label", label)
	}
	r.failure.SetText("")
	r.label.TextStyle.Bold = row.truth != ""
	r.label.SetText(label)
	r.score.SetText(v.tx.Percent(float64(score(row)), 2))
	r.second.SetText(v.p.label(row, 1))
	r.icon.SetResource(theme.FileImageIcon())
	r.Refresh()
}

// thumbnail shows the thumbnail, or asks for it.
func (r *rowView) thumbnail(row *row) {
	p := r.table.p
	if r.key == row.key {
		return
	}
	r.cancel()
	r.cancel, r.key = func() {}, row.key
	if row.failure != "" {
		r.show(nil)
		return
	}
	if img, ok := p.thumbs.Peek(row.key); ok {
		r.show(img)
		return
	}
	r.show(nil)
	key := row.key
	r.cancel = p.thumbs.Load(key, func(img image.Image, err error) {
		if err != nil { // The icon stays.
			return
		}
		p.post(func() {
			if r.key == key { // The row may show another photo by now.
				r.show(img)
			}
		})
	})
}

func (r *rowView) show(img image.Image) {
	r.photo.Image = img
	r.photo.Hidden = img == nil
	r.icon.Hidden = img != nil
	r.photo.Refresh()
	r.ground.Refresh() // A photo that was hidden until now has never been drawn, so that its own Refresh reaches no window.
}

// MouseDown implements desktop.Mouseable. (With Tapped, a double click would delay each click.)
func (r *rowView) MouseDown(e *desktop.MouseEvent) {
	p := r.table.p
	switch {
	case e.Button == desktop.MouseButtonSecondary && r.index < len(p.shown) && p.selected[p.shown[r.index].path]:
		// The menu is about all of them.
	case e.Modifier&fyne.KeyModifierShift != 0:
		p.extend(r.index)
	case e.Modifier&fyne.KeyModifierShortcutDefault != 0:
		p.toggle(r.index)
	default:
		p.pick(r.index)
	}
	r.table.v.Window.Canvas().Focus(r.table)
}

// MouseUp implements desktop.Mouseable.
func (r *rowView) MouseUp(*desktop.MouseEvent) {}

// DoubleTapped implements fyne.DoubleTappable.
func (r *rowView) DoubleTapped(*fyne.PointEvent) { r.table.onOpen() }

// TappedSecondary implements fyne.SecondaryTappable.
func (r *rowView) TappedSecondary(e *fyne.PointEvent) { r.table.onMenu(e.AbsolutePosition) }

// CreateRenderer implements fyne.Widget.
func (r *rowView) CreateRenderer() fyne.WidgetRenderer { return &rowRenderer{r} }

type rowRenderer struct{ r *rowView }

func (w *rowRenderer) Destroy() { w.r.cancel() }

func (w *rowRenderer) Objects() []fyne.CanvasObject {
	r := w.r
	return []fyne.CanvasObject{r.ground, r.photo, r.icon, r.name, r.label, r.score, r.second, r.failure}
}

func (w *rowRenderer) MinSize() fyne.Size { return fyne.NewSize(360, thumbSide+4) }

func (w *rowRenderer) Layout(size fyne.Size) {
	r := w.r
	r.ground.Resize(fyne.NewSize(size.Width-4, size.Height)) // The scroll bar lies over the rest.
	xs, ws := columns(size.Width)
	r.photo.Move(fyne.NewPos(xs[0], 2))
	r.photo.Resize(fyne.NewSquareSize(thumbSide))
	r.icon.Move(fyne.NewPos(xs[0]+10, 12))
	r.icon.Resize(fyne.NewSquareSize(thumbSide - 20))
	height := r.name.MinSize().Height
	y := (size.Height - height) / 2
	for i, l := range []*widget.Label{r.name, r.label, r.score, r.second} {
		l.Move(fyne.NewPos(xs[i+1], y))
		l.Resize(fyne.NewSize(ws[i+1], height))
	}
	r.failure.Move(fyne.NewPos(xs[2], y))
	r.failure.Resize(fyne.NewSize(max(0, size.Width-xs[2]), height))
}

func (w *rowRenderer) Refresh() {
	r := w.r
	failed := r.failure.Text != ""
	r.failure.Hidden = !failed
	r.label.Hidden, r.score.Hidden, r.second.Hidden = failed, failed, failed
	r.ground.Refresh()
	r.icon.Refresh()
}
