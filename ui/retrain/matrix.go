package retrain

import (
	"image/color"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/train"
	"kaika/ui/widgets"
)

// matrix shows a confusion matrix: a row for each label, a column for each label that was given. A cell is a button: by a
// click, or by Space or Enter on the one that the arrow keys chose. Only the cells in sight have widgets.
type matrix struct {
	widget.Table

	counts  train.Confusion // Does not change.
	totals  []int
	width   float32            // Of a column.
	at      widget.TableCellID // Where the keyboard is.
	focused bool
	gained  func() // It took the focus.
	open    func(label, given string)
	point   func(label, given string, photos int) // The pointer, or the keyboard, is at a cell.
}

// Sizes of the matrix's parts.
const (
	leastCell, mostCell     float32 = 52, 120
	leastHeader, mostHeader float32 = 64, 170

	slack float32 = 2 // A label that has just as much room as it takes is cut off all the same.
)

// mostRows are shown without scrolling, however low the window is.
const mostRows = 8

func newMatrix(c train.Confusion, open func(label, given string), point func(label, given string, photos int)) *matrix {
	m := &matrix{counts: c, totals: make([]int, len(c.Labels)), gained: func() {}, open: open, point: point}
	var widest float32
	for i, row := range c.Counts {
		for _, n := range row {
			m.totals[i] += n
		}
		widest = max(widest, fyne.MeasureText(c.Labels[i], theme.TextSize(), fyne.TextStyle{Bold: true}).Width+2*theme.InnerPadding()+slack)
	}
	m.width = min(max(widest, leastCell), mostCell)
	m.Length = func() (rows, columns int) { return len(m.counts.Labels), len(m.counts.Labels) }
	m.CreateCell = func() fyne.CanvasObject { return newCell(m) }
	m.UpdateCell = func(id widget.TableCellID, o fyne.CanvasObject) {
		if c, ok := o.(*cell); ok {
			c.set(id)
		}
	}
	m.ShowHeaderRow, m.ShowHeaderColumn = true, true
	m.CreateHeader = func() fyne.CanvasObject {
		l := widget.NewLabel("")
		l.Truncation = fyne.TextTruncateEllipsis
		return l
	}
	m.UpdateHeader = func(id widget.TableCellID, o fyne.CanvasObject) {
		l, ok := o.(*widget.Label)
		if !ok {
			return
		}
		l.TextStyle.Bold = true
		switch {
		case id.Row >= 0 && id.Row < len(m.counts.Labels):
			l.Alignment = fyne.TextAlignTrailing
			l.SetText(m.counts.Labels[id.Row])
		case id.Col >= 0 && id.Col < len(m.counts.Labels):
			l.Alignment = fyne.TextAlignCenter
			l.SetText(m.counts.Labels[id.Col])
		default:
			l.SetText("")
		}
	}
	m.OnSelected = func(id widget.TableCellID) {
		m.at = id
		m.UnselectAll() // So that it can be chosen again.
		m.do(id)
	}
	m.ExtendBaseWidget(m)
	m.SetColumnWidth(-1, min(max(widest, leastHeader), mostHeader))
	return m
}

// room gives the height that the header and the rows take, up to mostRows.
func (m *matrix) room() float32 {
	header := m.CreateHeader().MinSize().Height
	rows := float32(min(len(m.counts.Labels), mostRows))
	return header + rows*(max(header, newCell(m).MinSize().Height)+theme.Padding()) + theme.Padding()
}

func (m *matrix) do(id widget.TableCellID) {
	if m.counts.Counts[id.Row][id.Col] > 0 {
		m.open(m.counts.Labels[id.Row], m.counts.Labels[id.Col])
	}
}

func (m *matrix) pointTo(id widget.TableCellID) {
	m.point(m.counts.Labels[id.Row], m.counts.Labels[id.Col], m.counts.Counts[id.Row][id.Col])
}

// FocusGained implements fyne.Focusable.
func (m *matrix) FocusGained() {
	m.focused = true
	m.Table.FocusGained()
	m.gained()
	m.moved()
}

// FocusLost implements fyne.Focusable.
func (m *matrix) FocusLost() {
	m.focused = false
	m.Table.FocusLost()
	m.RefreshItem(m.at)
}

// TypedKey implements fyne.Focusable.
func (m *matrix) TypedKey(e *fyne.KeyEvent) {
	last, from := len(m.counts.Labels)-1, m.at
	switch e.Name {
	case fyne.KeyReturn, fyne.KeyEnter, fyne.KeySpace:
		if last >= 0 {
			m.do(m.at)
		}
		return
	case fyne.KeyUp:
		m.at.Row--
	case fyne.KeyDown:
		m.at.Row++
	case fyne.KeyLeft:
		m.at.Col--
	case fyne.KeyRight:
		m.at.Col++
	case fyne.KeyHome:
		m.at.Col = 0
	case fyne.KeyEnd:
		m.at.Col = last
	default:
		widgets.HandOn(m, e)
		return
	}
	m.at.Row, m.at.Col = max(0, min(m.at.Row, last)), max(0, min(m.at.Col, last))
	m.RefreshItem(from)
	m.moved()
}

// moved shows where the keyboard is.
func (m *matrix) moved() {
	if len(m.counts.Labels) == 0 {
		return
	}
	m.ScrollTo(m.at)
	m.RefreshItem(m.at)
	m.pointTo(m.at)
}

// cell is one cell: its number on a shade as deep as its share of its row. What is right and what is wrong differ in
// colour, and by place.
type cell struct {
	widget.BaseWidget

	m     *matrix
	id    widget.TableCellID
	shade *canvas.Rectangle
	text  *canvas.Text
}

var _ desktop.Hoverable = (*cell)(nil)

func newCell(m *matrix) *cell {
	c := &cell{m: m, shade: canvas.NewRectangle(color.Transparent), text: canvas.NewText("", color.Transparent)}
	c.text.Alignment = fyne.TextAlignCenter
	c.ExtendBaseWidget(c)
	return c
}

// deepest is the opacity of the shade of a whole row: the number stays legible on it.
const deepest = 0.5

func (c *cell) set(id widget.TableCellID) {
	c.id = id
	c.show()
	c.Refresh()
}

func (c *cell) show() {
	m := c.m
	if len(m.totals) == 0 {
		return
	}
	th, variant := c.Theme(), fyne.CurrentApp().Settings().ThemeVariant()
	n, right := m.counts.Counts[c.id.Row][c.id.Col], c.id.Row == c.id.Col
	name := theme.ColorNameError
	if right {
		name = theme.ColorNamePrimary
	}
	c.shade.FillColor = color.Transparent
	c.text.Text, c.text.Color = "0", th.Color(theme.ColorNamePlaceHolder, variant)
	if n > 0 {
		// Even one photo of many is to be seen.
		depth := 0.12 + (deepest-0.12)*float64(n)/float64(m.totals[c.id.Row])
		c.shade.FillColor = faded(th.Color(name, variant), depth)
		c.text.Text, c.text.Color = strconv.Itoa(n), th.Color(theme.ColorNameForeground, variant)
	}
	c.text.TextSize = th.Size(theme.SizeNameText)
	c.text.TextStyle.Bold = right
	c.shade.StrokeWidth = 0
	if m.focused && c.id == m.at {
		c.shade.StrokeWidth, c.shade.StrokeColor = 2, th.Color(theme.ColorNameForeground, variant)
	}
}

// faded gives a colour with an opacity of 0 to 1.
func faded(c color.Color, opacity float64) color.Color {
	opaque := color.NRGBAModel.Convert(c)
	if n, ok := opaque.(color.NRGBA); ok {
		n.A = uint8(255 * opacity)
		return n
	}
	return opaque
}

// MouseIn implements desktop.Hoverable.
func (c *cell) MouseIn(*desktop.MouseEvent) {
	c.m.pointTo(c.id)
}

// MouseMoved implements desktop.Hoverable.
func (c *cell) MouseMoved(*desktop.MouseEvent) {}

// MouseOut implements desktop.Hoverable.
func (c *cell) MouseOut() {}

// MinSize implements fyne.Widget.
func (c *cell) MinSize() fyne.Size {
	return fyne.NewSize(c.m.width, theme.TextSize()+3*theme.Padding())
}

// CreateRenderer implements fyne.Widget.
func (c *cell) CreateRenderer() fyne.WidgetRenderer {
	return &cellRenderer{widget.NewSimpleRenderer(container.NewStack(c.shade, c.text)), c}
}

// cellRenderer takes the theme's colours anew when it is refreshed.
type cellRenderer struct {
	fyne.WidgetRenderer

	c *cell
}

// Refresh implements fyne.WidgetRenderer.
func (r *cellRenderer) Refresh() {
	r.c.show()
	r.WidgetRenderer.Refresh()
}
