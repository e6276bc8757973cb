package grid

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// field is what is scrolled: it holds the cells, and gets what mouse and keyboard do.
type field struct {
	widget.BaseWidget

	g       *Grid
	objects []fyne.CanvasObject // The cells, and the marquee on top.
	marquee *canvas.Rectangle

	focused bool
	shift   bool // Held down.

	pressed fyne.Position // Where the mouse was pressed.
	item    int           // Item that it was pressed on, or -1.
	twice   bool          // As the time before.
	single  bool          // A release without a drag selects that item only.
	last    fyne.Position // Where in the window what is selected is dragged.
	drag    drag
	before  []int // Selected before the marquee.
}

// drag is what the mouse is dragging.
type drag int

const (
	nothing drag = iota
	items
	rectangle
)

var (
	_ fyne.Focusable         = (*field)(nil)
	_ fyne.Draggable         = (*field)(nil)
	_ fyne.DoubleTappable    = (*field)(nil)
	_ fyne.SecondaryTappable = (*field)(nil)
	_ fyne.Shortcutable      = (*field)(nil)
	_ desktop.Mouseable      = (*field)(nil)
	_ desktop.Keyable        = (*field)(nil)
)

func newField(g *Grid) *field {
	f := &field{g: g, marquee: &canvas.Rectangle{StrokeWidth: 1}, item: -1}
	f.marquee.Hide()
	f.objects = []fyne.CanvasObject{f.marquee}
	f.ExtendBaseWidget(f)
	return f
}

// add puts a cell below the marquee.
func (f *field) add(o fyne.CanvasObject) {
	f.objects = append(f.objects[:len(f.objects)-1], o, f.marquee)
}

// CreateRenderer implements fyne.Widget.
func (f *field) CreateRenderer() fyne.WidgetRenderer { return &fieldRenderer{f} }

type fieldRenderer struct{ f *field }

func (r *fieldRenderer) Destroy()                     {}
func (r *fieldRenderer) Layout(fyne.Size)             {}
func (r *fieldRenderer) Objects() []fyne.CanvasObject { return r.f.objects }
func (r *fieldRenderer) Refresh()                     { r.f.g.restyle() }

func (r *fieldRenderer) MinSize() fyne.Size {
	g := r.f.g
	rows := (g.p.Length() + g.columns - 1) / g.columns
	return fyne.NewSize(g.side, float32(rows)*g.size.Height)
}

// MouseDown implements desktop.Mouseable.
func (f *field) MouseDown(ev *desktop.MouseEvent) {
	f.g.TakeFocus()
	item := f.g.at(ev.Position)
	f.pressed, f.item, f.twice, f.single, f.drag = ev.Position, item, item == f.item, false, nothing
	toggle := ev.Modifier&fyne.KeyModifierShortcutDefault != 0
	extend := ev.Modifier&fyne.KeyModifierShift != 0
	plain := !toggle && !extend
	switch {
	case f.item < 0 && plain:
		f.g.sel.none()
	case f.item < 0:
		return
	case f.g.sel.has(f.item) && (plain || ev.Button == desktop.MouseButtonSecondary):
		f.single = ev.Button == desktop.MouseButtonPrimary // All that is selected may be about to be dragged.
		f.g.sel.focus, f.g.sel.anchor = f.item, f.item
	case ev.Button == desktop.MouseButtonSecondary:
		f.g.sel.click(f.item, false, false)
	default:
		f.g.sel.click(f.item, toggle, extend)
	}
	f.g.changed()
}

// MouseUp implements desktop.Mouseable.
func (f *field) MouseUp(*desktop.MouseEvent) {
	if f.single && f.drag == nothing {
		f.g.sel.click(f.item, false, false)
		f.g.changed()
	}
	f.single = false
}

// DoubleTapped implements fyne.DoubleTappable.
func (f *field) DoubleTapped(ev *fyne.PointEvent) {
	if i := f.g.at(ev.Position); i >= 0 && i == f.item && f.twice && f.g.p.Open != nil {
		f.g.p.Open(i)
	}
}

// TappedSecondary implements fyne.SecondaryTappable.
func (f *field) TappedSecondary(ev *fyne.PointEvent) {
	if f.g.at(ev.Position) >= 0 {
		f.g.menuAt(ev.AbsolutePosition)
	}
}

// Dragged implements fyne.Draggable: from a photo it drags what is selected, from between them it draws a rectangle that
// selects what it touches.
func (f *field) Dragged(ev *fyne.DragEvent) {
	g := f.g
	if f.drag == nothing {
		f.drag = rectangle
		if f.item >= 0 && g.sel.has(f.item) {
			f.drag = items
		}
		f.before = g.sel.sorted()
	}
	if f.drag == items {
		f.last = ev.AbsolutePosition
		if g.p.Drag != nil {
			g.p.Drag(ev.AbsolutePosition)
		}
		return
	}
	// Beyond the edge, what is selected there comes into view.
	if y, top := ev.Position.Y, g.scroll.Offset.Y; y < top {
		g.scrollTo(y)
	} else if bottom := top + g.scroll.Size().Height; y > bottom {
		g.scrollTo(top + y - bottom)
	}
	th, variant := f.Theme(), fyne.CurrentApp().Settings().ThemeVariant()
	f.marquee.FillColor, f.marquee.StrokeColor = th.Color(theme.ColorNameSelection, variant), th.Color(theme.ColorNamePrimary, variant)
	f.marquee.Move(fyne.NewPos(min(f.pressed.X, ev.Position.X), min(f.pressed.Y, ev.Position.Y)))
	size := ev.Position.Subtract(f.pressed)
	f.marquee.Resize(fyne.NewSize(max(size.X, -size.X), max(size.Y, -size.Y)))
	f.marquee.Show()
	g.sel.marquee(f.before, g.under(f.pressed, ev.Position))
	g.changed()
}

// DragEnd implements fyne.Draggable.
func (f *field) DragEnd() {
	was := f.drag
	f.drag, f.single = nothing, false
	f.marquee.Hide()
	if was == items && f.g.p.Drop != nil {
		f.g.p.Drop(f.last)
	}
}

// FocusGained implements fyne.Focusable.
func (f *field) FocusGained() {
	f.focused = true
	f.enter()
	f.g.restyle()
}

// enter gives an item the keyboard where none has it, if there are items already.
func (f *field) enter() {
	if f.focused && f.g.sel.focus < 0 && f.g.p.Length() > 0 {
		f.g.sel.move(f.entry(), false)
		f.g.changed()
	}
}

// FocusLost implements fyne.Focusable.
func (f *field) FocusLost() {
	f.focused, f.shift = false, false
	f.g.restyle()
}

// KeyDown implements desktop.Keyable.
func (f *field) KeyDown(ev *fyne.KeyEvent) {
	if ev.Name == desktop.KeyShiftLeft || ev.Name == desktop.KeyShiftRight {
		f.shift = true
	}
}

// KeyUp implements desktop.Keyable.
func (f *field) KeyUp(ev *fyne.KeyEvent) {
	if ev.Name == desktop.KeyShiftLeft || ev.Name == desktop.KeyShiftRight {
		f.shift = false
	}
}

// TypedRune implements fyne.Focusable.
func (f *field) TypedRune(r rune) {
	if r != ' ' && f.g.p.Rune != nil { // The space bar comes as a key, too.
		f.g.p.Rune(r)
	}
}

// TypedShortcut implements fyne.Shortcutable.
func (f *field) TypedShortcut(s fyne.Shortcut) { f.g.shortcut(s) }

// TypedKey implements fyne.Focusable.
func (f *field) TypedKey(ev *fyne.KeyEvent) {
	g := f.g
	length := g.p.Length()
	to, moves := f.target(ev.Name)
	if g.sel.focus < 0 {
		to = f.entry()
	}
	switch {
	case moves && length > 0:
		g.sel.move(min(max(to, 0), length-1), f.shift)
		g.ShowItem(g.sel.focus)
		g.changed()
	case moves:
	case ev.Name == fyne.KeySpace && g.sel.focus >= 0:
		g.sel.toggle(g.sel.focus)
		g.changed()
	case (ev.Name == fyne.KeyReturn || ev.Name == fyne.KeyEnter) && g.sel.focus >= 0:
		if g.p.Open != nil {
			g.p.Open(g.sel.focus)
		}
	case ev.Name == fyne.KeyEscape && len(g.sel.chosen) > 0:
		g.sel.none()
		g.changed()
	case ev.Name == desktop.KeyMenu, ev.Name == fyne.KeyF10 && f.shift:
		f.keyMenu()
	case g.p.Type != nil:
		g.p.Type(ev)
	}
}

// entry is the item at which the keyboard enters the grid.
func (f *field) entry() int { return min(f.g.first(), f.g.p.Length()-1) }

// target gives the item that a key moves the focus to, maybe beyond the first or the last.
func (f *field) target(key fyne.KeyName) (to int, moves bool) {
	g := f.g
	from := max(g.sel.focus, 0)
	page := g.rows() * g.columns
	switch key {
	case fyne.KeyLeft:
		return from - 1, true
	case fyne.KeyRight:
		return from + 1, true
	case fyne.KeyUp:
		return f.row(from, -g.columns), true
	case fyne.KeyDown:
		return f.row(from, g.columns), true
	case fyne.KeyPageUp:
		return f.row(from, -page), true
	case fyne.KeyPageDown:
		return f.row(from, page), true
	case fyne.KeyHome:
		return 0, true
	case fyne.KeyEnd:
		return g.p.Length() - 1, true
	default:
		return 0, false
	}
}

// row moves by whole rows, as far as there are any: upward the column stays, downward the last row may be shorter.
func (f *field) row(from, by int) int {
	columns, length := f.g.columns, f.g.p.Length()
	to := from + by
	if to < 0 {
		to = from % columns
	}
	if to >= length {
		if to = from; from/columns < (length-1)/columns {
			to = min((length-1)/columns*columns+from%columns, length-1)
		}
	}
	return to
}

// keyMenu asks for a menu beside the cell that the keyboard is at.
func (f *field) keyMenu() {
	c := f.g.seen[f.g.sel.focus]
	if c == nil {
		return
	}
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(c.box)
	f.g.menuAt(at.AddXY(f.g.size.Width/2, f.g.size.Height/2))
}
