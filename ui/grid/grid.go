// Package grid is a grid of photos that stays smooth with tens of thousands of them: only the cells that are seen exist,
// thumbnails come from beside, and several photos can be selected by mouse and keyboard.
//
// Fyne's own GridWrap selects one item only and, when the picture of one cell arrives, updates all that are seen.
package grid

import (
	"image"
	"sync"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/thumb"
)

// Sides of the photo in a cell.
const (
	Small  float32 = 96
	Medium float32 = 144
	Large  float32 = 224
)

// Thumbs is what the grid needs of a *thumb.Loader.
type Thumbs interface {
	Peek(key thumb.Key) (image.Image, bool)
	Load(key thumb.Key, done func(image.Image, error)) (cancel func())
}

// Params say what a Grid shows and whom it tells. Window, Thumbs, Dispatch, Length and Key are needed; all functions are
// called on the goroutine that draws.
type Params struct {
	Window   fyne.Window // The one that the grid is in.
	Thumbs   Thumbs
	Dispatch func(func()) // Runs a function on the goroutine that draws; from any goroutine.
	// After calls f on any goroutine when d has passed, unless stop is called before. Nil is the real clock.
	After func(d time.Duration, f func()) (stop func())

	Length  func() int                 // Number of items.
	Key     func(i int) thumb.Key      // Photo of item i.
	Caption func(i int) string         // Text below the photo, or nil.
	Badge   func(i int) string         // Few words on the photo where there is something to say of it, or nil.
	Select  func()                     // The user changed the selection or the focus; or nil.
	Open    func(i int)                // Double click or Enter; or nil.
	Menu    func(at fyne.Position)     // A menu is wanted for the selection at a position in the window; or nil.
	Drag    func(at fyne.Position)     // The selection is being dragged, now over a position in the window; or nil.
	Drop    func(at fyne.Position)     // It was dropped there; or nil.
	Type    func(ev *fyne.KeyEvent)    // A key that the grid has no use for; or nil.
	Rune    func(r rune)               // A character was typed; or nil.
	Command func(s fyne.Shortcut) bool // A shortcut that the grid has no use for; false hands it on to the window. Or nil.
}

// settle is how often the grid looks whether scrolling is slow enough for thumbnails to be asked for.
const settle = 80 * time.Millisecond

// A Grid is the widget. Its methods are called on the goroutine that draws.
type Grid struct {
	widget.BaseWidget

	p      Params
	scroll *container.Scroll
	field  *field
	side   float32
	sel    selection

	columns int
	size    fyne.Size // Of a cell.
	seen    map[int]*cell
	spare   []*cell
	loads   uint64 // Number of the last load.

	rest     func()  // Stops the timer, nil when none runs.
	restedAt float32 // Offset when it ran out the last time.
	closed   bool

	mu      sync.Mutex
	arrived []arrival
}

// An arrival is the answer to a load.
type arrival struct {
	cell *cell
	load uint64
	img  image.Image
	err  error
}

var _ fyne.Widget = (*Grid)(nil)

// New gives a grid with cells of Medium size.
func New(p Params) *Grid {
	if p.After == nil {
		p.After = func(d time.Duration, f func()) func() {
			timer := time.AfterFunc(d, f)
			return func() { timer.Stop() }
		}
	}
	g := &Grid{p: p, side: Medium, sel: newSelection(), seen: make(map[int]*cell), columns: 1}
	g.field = newField(g)
	g.scroll = container.NewVScroll(g.field)
	g.scroll.OnScrolled = func(fyne.Position) { g.scrolled() }
	g.ExtendBaseWidget(g)
	return g
}

// CreateRenderer implements fyne.Widget.
func (g *Grid) CreateRenderer() fyne.WidgetRenderer { return &renderer{g} }

type renderer struct{ g *Grid }

func (r *renderer) Destroy()                     {}
func (r *renderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.g.scroll} }
func (r *renderer) MinSize() fyne.Size           { return fyne.NewSize(Small+24, Small+24) }
func (r *renderer) Refresh()                     { r.g.reload() }

func (r *renderer) Layout(size fyne.Size) {
	top := r.g.first()
	r.g.measure(size.Width)
	r.g.scroll.Resize(size)
	r.g.scroll.Refresh()
	r.g.offset(top)
	r.g.place()
	r.g.request()
}

// Reload shows the items anew after their number, order or content changed. The scroll position stays where it is, as far
// as there still is something; selected stay the same numbers: see [Grid.SetSelection].
func (g *Grid) Reload() { g.Refresh() }

func (g *Grid) reload() {
	length := g.p.Length()
	g.sel.shorten(length)
	g.measure(g.scroll.Size().Width)
	for i, c := range g.seen {
		if i >= length {
			g.release(c)
		}
	}
	g.scroll.Refresh()
	g.place()
	for _, c := range g.seen {
		g.bind(c, c.index)
	}
	g.field.enter()
	g.request()
}

// Update shows item i anew, if it is seen.
func (g *Grid) Update(i int) {
	if c := g.seen[i]; c != nil {
		g.bind(c, i)
		g.request()
	}
}

// Close ends what is under way; the grid shows nothing new any more.
func (g *Grid) Close() {
	g.closed = true
	if g.rest != nil {
		g.rest()
		g.rest = nil
	}
	for _, c := range g.seen {
		if c.state == loading {
			c.forget()
		}
	}
}

// SetSide sets the size of the photos in the cells to one of Small, Medium and Large. The photo at the top stays there.
func (g *Grid) SetSide(side float32) {
	if side == g.side {
		return
	}
	top := g.first()
	g.side = side
	g.measure(g.scroll.Size().Width)
	g.scroll.Refresh()
	g.offset(top)
	g.restyle()
	g.place()
	g.request()
}

// Selected gives the selected items in their order.
func (g *Grid) Selected() []int { return g.sel.sorted() }

// Focused gives the item that the keyboard is at, or -1.
func (g *Grid) Focused() int { return g.sel.focus }

// SetSelection selects these items and no others, and moves the focus to one of them or another; -1 is none. It does not
// scroll, and does not call Select.
func (g *Grid) SetSelection(items []int, focus int) {
	g.sel.set(items, focus, g.p.Length())
	g.restyle()
}

// SelectAll selects all items.
func (g *Grid) SelectAll() {
	g.sel.all(g.p.Length())
	g.changed()
}

// TakeFocus gives the grid the keyboard's focus. (The driver is not asked for the canvas: it does not know that of an object
// that was not drawn yet, and forgets it when the object was hidden for a minute.)
func (g *Grid) TakeFocus() { g.p.Window.Canvas().Focus(g.field) }

// ShowItem scrolls as little as is needed to see all of item i.
func (g *Grid) ShowItem(i int) {
	if i < 0 || i >= g.p.Length() {
		return
	}
	top := float32(i/g.columns) * g.size.Height
	switch y, height := g.scroll.Offset.Y, g.scroll.Size().Height; {
	case top < y:
		g.scrollTo(top)
	case top+g.size.Height > y+height:
		g.scrollTo(top + g.size.Height - height)
	}
}

// Offset gives how far the grid is scrolled down.
func (g *Grid) Offset() float32 { return g.scroll.Offset.Y }

// SetOffset scrolls to where Offset was.
func (g *Grid) SetOffset(y float32) { g.scrollTo(y) }

func (g *Grid) scrollTo(y float32) {
	g.scroll.ScrollToOffset(fyne.NewPos(0, min(max(y, 0), max(0, g.field.MinSize().Height-g.scroll.Size().Height))))
	g.scrolled()
}

// measure computes the columns for a width, and the size of a cell.
func (g *Grid) measure(width float32) {
	caption := fyne.MeasureText("開", g.Theme().Size(theme.SizeNameCaptionText), fyne.TextStyle{}).Height
	g.columns = max(1, int(width/(g.side+16)))
	g.size = fyne.NewSize(max(width/float32(g.columns), g.side+12), g.side+caption+20)
}

// first gives the number of the first item that is seen in full.
func (g *Grid) first() int {
	if g.size.Height == 0 {
		return 0
	}
	return int((g.scroll.Offset.Y+g.size.Height/2)/g.size.Height) * g.columns
}

// offset scrolls so that item i is in the topmost row, where the position would not be the same anyway.
func (g *Grid) offset(i int) {
	if i != g.first() {
		g.scrollTo(float32(i/g.columns) * g.size.Height)
	}
}

// rows is how many rows fit into the window, at least 1.
func (g *Grid) rows() int { return max(1, int(g.scroll.Size().Height/g.size.Height)) }

// span gives the first item that is drawn and the one after the last, one row beyond what is seen on either side.
func (g *Grid) span() (from, to int) {
	if g.size.Height == 0 || g.scroll.Size().Height == 0 {
		return 0, 0
	}
	top := int(g.scroll.Offset.Y/g.size.Height) - 1
	bottom := int((g.scroll.Offset.Y+g.scroll.Size().Height)/g.size.Height) + 2
	length := g.p.Length()
	return min(max(top, 0)*g.columns, length), min(bottom*g.columns, length)
}

// place has a cell for each item that is seen, and none for the others.
func (g *Grid) place() {
	from, to := g.span()
	for i, c := range g.seen {
		if i < from || i >= to {
			g.release(c)
		}
	}
	for i := from; i < to; i++ {
		c := g.seen[i]
		if c == nil {
			c = g.take()
			g.seen[i] = c
			g.bind(c, i)
		}
		c.box.Move(g.position(i))
		if c.box.Size() != g.size {
			c.layout(g.size, g.side)
		}
	}
}

// position is where the cell of item i begins.
func (g *Grid) position(i int) fyne.Position {
	return fyne.NewPos(float32(i%g.columns)*g.size.Width, float32(i/g.columns)*g.size.Height)
}

func (g *Grid) take() *cell {
	if last := len(g.spare) - 1; last >= 0 {
		c := g.spare[last]
		g.spare = g.spare[:last]
		c.box.Show()
		return c
	}
	c := newCell()
	g.field.add(c.box)
	return c
}

func (g *Grid) release(c *cell) {
	delete(g.seen, c.index)
	c.forget()
	c.index, c.key = -1, thumb.Key{}
	c.box.Hide()
	g.spare = append(g.spare, c)
}

// bind has a cell show item i, with the picture if that is at hand.
func (g *Grid) bind(c *cell, i int) {
	key := g.p.Key(i)
	if c.index != i || c.key != key {
		c.forget()
		c.index, c.key = i, key
	}
	if c.state == waiting {
		if img, ok := g.p.Thumbs.Peek(key); ok {
			c.picture(img)
		}
	}
	c.text, c.word = "", ""
	if g.p.Caption != nil {
		c.text = g.p.Caption(i)
	}
	if g.p.Badge != nil {
		c.word = g.p.Badge(i)
	}
	g.style(c)
	c.layout(g.size, g.side)
	c.caption.Refresh()
	c.badge.Refresh()
}

func (g *Grid) style(c *cell) { c.style(g.look(), g.marks(c.index)) }

func (g *Grid) look() look { return lookOf(g.Theme(), fyne.CurrentApp().Settings().ThemeVariant()) }

func (g *Grid) marks(i int) marks {
	return marks{selected: g.sel.has(i), focused: i == g.sel.focus, keyboard: g.field.focused}
}

// restyle draws the marks of all cells anew.
func (g *Grid) restyle() {
	l := g.look()
	for i, c := range g.seen {
		c.style(l, g.marks(i))
	}
}

// request asks for the pictures of the cells that are seen. The last is asked for first, because the newest request is
// served first.
func (g *Grid) request() {
	if g.closed {
		return
	}
	from, to := g.span()
	for i := to - 1; i >= from; i-- {
		c := g.seen[i]
		if c == nil || c.state != waiting {
			continue
		}
		g.loads++
		number := g.loads
		c.state, c.load = loading, number
		c.cancel = g.p.Thumbs.Load(c.key, func(img image.Image, err error) { g.arrive(arrival{c, number, img, err}) })
	}
}

// arrive is called by a worker. Whatever arrives until the goroutine that draws has time for it is shown at once.
func (g *Grid) arrive(a arrival) {
	g.mu.Lock()
	g.arrived = append(g.arrived, a)
	first := len(g.arrived) == 1
	g.mu.Unlock()
	if first {
		g.p.Dispatch(g.deliver)
	}
}

func (g *Grid) deliver() {
	g.mu.Lock()
	arrived := g.arrived
	g.arrived = nil
	g.mu.Unlock()
	for _, a := range arrived {
		if a.cell.load != a.load || a.cell.state != loading {
			continue // The cell shows another photo by now.
		}
		a.cell.cancel = nil
		if a.err != nil {
			a.cell.state = bad
		} else {
			a.cell.picture(a.img)
		}
		g.style(a.cell)
	}
}

// scrolled places the cells. Pictures that are not at hand are asked for when scrolling is slower than a screen in the
// time of settle.
func (g *Grid) scrolled() {
	g.place()
	if g.rest == nil && !g.closed {
		g.wait()
	}
}

func (g *Grid) wait() {
	g.rest = g.p.After(settle, func() { g.p.Dispatch(g.settled) })
}

func (g *Grid) settled() {
	if g.rest == nil {
		return // It was stopped while this was on its way.
	}
	g.rest = nil
	moved := max(g.scroll.Offset.Y-g.restedAt, g.restedAt-g.scroll.Offset.Y)
	g.restedAt = g.scroll.Offset.Y
	if moved <= g.scroll.Size().Height {
		g.request()
	}
	if moved > 0 {
		g.wait()
	}
}

// changed shows a selection that the user made, and tells of it.
func (g *Grid) changed() {
	g.restyle()
	if g.p.Select != nil {
		g.p.Select()
	}
}

// at gives the item at a position in the field, or -1 between the cells.
func (g *Grid) at(pos fyne.Position) int {
	if g.size.Height == 0 || pos.X < 0 || pos.Y < 0 {
		return -1
	}
	column, row := int(pos.X/g.size.Width), int(pos.Y/g.size.Height)
	i := row*g.columns + column
	left := float32(column)*g.size.Width + (g.size.Width-g.side)/2
	if column >= g.columns || i >= g.p.Length() || pos.X < left || pos.X > left+g.side || pos.Y > float32(row+1)*g.size.Height-4 {
		return -1
	}
	return i
}

// under gives the items whose photos touch a rectangle in the field.
func (g *Grid) under(a, b fyne.Position) []int {
	left, right := min(a.X, b.X), max(a.X, b.X)
	top, bottom := min(a.Y, b.Y), max(a.Y, b.Y)
	margin := (g.size.Width - g.side) / 2
	var items []int
	length := g.p.Length()
	for row := max(0, int(top/g.size.Height)); row <= int(max(bottom, 0)/g.size.Height); row++ {
		for column := range g.columns {
			i := row*g.columns + column
			if i >= length {
				return items
			}
			x := float32(column)*g.size.Width + margin
			if x <= right && x+g.side >= left {
				items = append(items, i)
			}
		}
	}
	return items
}

// menuAt asks for a menu at the focus.
func (g *Grid) menuAt(at fyne.Position) {
	if g.p.Menu != nil && (len(g.sel.chosen) > 0 || g.sel.focus >= 0) {
		g.p.Menu(at)
	}
}

// shortcut is one that the grid knows, or that its user or the window may know.
func (g *Grid) shortcut(s fyne.Shortcut) {
	if _, ok := s.(*fyne.ShortcutSelectAll); ok {
		g.SelectAll()
		return
	}
	if custom, ok := s.(*desktop.CustomShortcut); ok && custom.KeyName == fyne.KeyF10 && custom.Modifier == fyne.KeyModifierShift {
		g.field.keyMenu()
		return
	}
	if g.p.Command != nil && g.p.Command(s) {
		return
	}
	if handler, ok := g.p.Window.Canvas().(fyne.Shortcutable); ok {
		handler.TypedShortcut(s)
	}
}
