package review

import (
	"slices"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/curate"
	"kaika/ui/grid"
	"kaika/ui/i18n"
	"kaika/ui/widgets"
)

// view draws what the presenter holds. Its widgets are made anew by each call of content.
type view struct {
	Params

	p  *presenter
	tx *i18n.Texts

	root    *fyne.Container // The main part, the placeholder or the large photo; above it what is being dragged.
	main    fyne.CanvasObject
	nothing *fyne.Container
	right   *fyne.Container
	split   *container.Split
	offset  float64

	lines   []section
	list    *widgets.List
	line    float32 // Height of a line in the list.
	hover   int     // Line under what is being dragged, or -1.
	quiet   bool    // The list is being set, not clicked.
	rename  *widgets.Button
	discard *widgets.Button

	grid    *grid.Grid
	drawn   section // Section that the grid shows,
	ordered curate.Sort
	empty   *fyne.Container
	why     emptiness
	title   *widget.Label
	chosen  *fyne.Container
	orders  *widgets.Select
	ofTrash *fyne.Container
	ofRest  *fyne.Container
	moveTo  *widgets.Button
	remove  *widgets.Button
	restore *widgets.Button
	all     *widgets.Button
	clear   *widgets.Button
	toolbar *fyne.Container
	counts  *widget.Label // How many photos there are, or what was done.
	undo    *widgets.Button
	redo    *widgets.Button
	foot    *fyne.Container

	ghost     *fyne.Container
	ghostBack *canvas.Rectangle
	ghostText *canvas.Text

	large *largeView
}

// emptiness is why no photo is shown.
type emptiness int

const (
	notEmpty emptiness = iota
	noDataset
	noPhotos // In the whole dataset.
	noneHere // Of the label.
	noneLeft // Of those that were chosen.
	noTrash
	reading // Not known yet.
)

// orders are the orders that can be chosen, by their texts.
var orders = []struct {
	key   string
	order curate.Sort
}{
	{"review.sort.name", curate.ByName},
	{"review.sort.newest", curate.ByAdded | curate.Descending},
	{"review.sort.oldest", curate.ByAdded},
	{"review.sort.modified", curate.ByModified | curate.Descending},
	{"review.sort.largest", curate.BySize | curate.Descending},
	{"review.sort.smallest", curate.BySize},
	{"review.sort.label", curate.ByLabel},
	{"review.sort.deleted", curate.ByDeleted | curate.Descending},
}

// sides are the sizes of the photos in the grid, by their texts.
var sides = []struct {
	key  string
	side float32
}{{"review.size.small", grid.Small}, {"review.size.medium", grid.Medium}, {"review.size.large", grid.Large}}

// content makes the widgets.
func (v *view) content() fyne.CanvasObject {
	v.close()
	v.tx = v.Texts()
	v.hover = -1
	if v.split != nil {
		v.offset = v.split.Offset
	} else {
		v.offset = 0.26
	}
	v.right = container.NewBorder(container.NewVBox(v.makeChosen(), v.makeToolbar()), v.makeFoot(), nil, nil, v.makeGrid())
	v.split = container.NewHSplit(v.makeSections(), v.right)
	v.split.Offset = v.offset
	v.main = v.split
	v.nothing = container.NewStack()
	v.large = newLargeView(v)

	v.ghostBack, v.ghostText = &canvas.Rectangle{CornerRadius: 6}, &canvas.Text{}
	v.ghost = container.NewWithoutLayout(v.ghostBack, v.ghostText)
	v.ghost.Hide()
	v.root = container.NewStack(v.main, v.nothing, v.large.root, v.ghost)
	v.drawn = section{kind: -1}
	v.why = notEmpty
	v.drawAll()
	v.drawNote()
	v.drawLarge()
	return v.root
}

// close ends what the widgets have under way.
func (v *view) close() {
	if v.grid != nil {
		v.grid.Close()
	}
}

// focus gives the keyboard's focus to the large photo or to the grid.
func (v *view) focus() {
	switch {
	case v.root == nil || v.p.library == nil:
	case v.p.large.open:
		v.large.photo.takeFocus()
	default:
		v.grid.TakeFocus()
	}
}

// keeping gives what a button does, with the keys still for the photos: a click beside them takes the keyboard's focus from
// them and gives it to nobody. A button that a key has tapped keeps it.
func (v *view) keeping(do func()) func() {
	return func() {
		if v.Window.Canvas().Focused() == nil {
			v.focus()
		}
		do() // A menu or dialog that this opens gives the focus back when it closes.
	}
}

// makeSections makes the list at the left.
func (v *view) makeSections() fyne.CanvasObject {
	v.list = widgets.NewList(
		func() int { return len(v.lines) },
		func() fyne.CanvasObject { return newLine() },
		func(i widget.ListItemID, o fyne.CanvasObject) {
			if l, ok := o.(*line); ok && i < len(v.lines) {
				l.set(v.lineText(i), i == v.hover)
			}
		})
	v.line = newLine().MinSize().Height + theme.Padding()
	v.list.OnSelected = func(i widget.ListItemID) {
		if v.quiet || i >= len(v.lines) {
			return
		}
		v.p.choose(v.lines[i])
		v.grid.TakeFocus()
	}
	add := widgets.NewButton(v.tx.T("review.label.new"), theme.ContentAddIcon(), func() {
		v.ask(v.tx.T("review.label.new.title"), v.tx.T("review.label.new.act"), "", v.p.addLabel)
	})
	v.rename = widgets.NewButton(v.tx.T("review.label.rename"), theme.DocumentCreateIcon(), func() {
		from := v.p.current.label
		v.ask(v.tx.T("review.label.rename.title", "Label", from), v.tx.T("review.label.rename.act"), from, func(to string) {
			v.p.renameLabel(from, to)
		})
	})
	v.discard = widgets.NewButton(v.tx.T("review.label.remove"), theme.ContentRemoveIcon(), v.keeping(func() {
		v.p.removeLabel(v.p.current.label)
	}))
	kept := widgets.NewButton(v.tx.T("inbox.menu"), theme.DownloadIcon(), v.Inbox)
	for _, b := range []*widgets.Button{add, v.rename, v.discard, kept} {
		b.Importance, b.Alignment = widget.LowImportance, widget.ButtonAlignLeading
	}
	return container.NewBorder(nil, container.NewVBox(widget.NewSeparator(), add, v.rename, v.discard, kept), nil, nil, v.list)
}

// lineText gives what line i of the list says.
func (v *view) lineText(i int) lineText {
	s := v.lines[i]
	t := lineText{count: v.tx.Number(s.count)}
	switch s.kind {
	case everything:
		t.icon, t.name = theme.GridIcon(), v.tx.T("review.all")
	case inTrash:
		t.icon, t.name = theme.DeleteIcon(), v.tx.T("review.trash")
	case chosen:
		t.icon, t.name = theme.SearchIcon(), s.title
	case ofLabel:
		t.icon, t.name = theme.FolderIcon(), s.label
		if i >= 1 && i <= 10 {
			t.key = strconv.Itoa(i % 10)
		}
	}
	return t
}

// makeChosen makes the line above photos that were chosen elsewhere.
func (v *view) makeChosen() fyne.CanvasObject {
	v.title = widget.NewLabelWithStyle("", fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	v.title.Truncation = fyne.TextTruncateEllipsis
	back := widgets.NewButton(v.tx.T("review.back"), theme.NavigateBackIcon(), func() {
		v.p.back()
		v.grid.TakeFocus()
	})
	v.chosen = container.NewBorder(nil, nil, nil, back, v.title)
	return v.chosen
}

// makeToolbar makes the line above the grid.
func (v *view) makeToolbar() fyne.CanvasObject {
	v.orders = widgets.NewSelect(nil, nil)
	for _, o := range orders {
		v.orders.Options = append(v.orders.Options, v.tx.T(o.key))
	}
	v.orders.OnChanged = func(string) {
		if i := v.orders.SelectedIndex(); i >= 0 {
			v.p.sortBy(orders[i].order)
			v.grid.TakeFocus()
		}
	}
	size := widgets.NewSelect(nil, nil)
	for _, s := range sides {
		size.Options = append(size.Options, v.tx.T(s.key))
	}
	size.SetSelectedIndex(v.side())
	size.OnChanged = func(string) {
		i := size.SelectedIndex()
		v.Preferences.SetString(prefSide, strconv.Itoa(i))
		v.grid.SetSide(sides[i].side)
		v.grid.TakeFocus()
	}
	v.moveTo = widgets.NewButton(v.tx.T("review.move"), theme.FolderIcon(), nil)
	v.moveTo.OnTapped = v.keeping(func() { v.showMenu(v.labelMenu(), below(v.moveTo)) })
	v.remove = widgets.NewButton(v.tx.T("review.delete"), theme.DeleteIcon(), v.keeping(v.p.remove))
	v.ofRest = container.NewHBox(v.moveTo, v.remove)

	v.restore = widgets.NewButton(v.tx.T("review.restore"), theme.MailReplyIcon(), v.keeping(func() { v.p.restore(false) }))
	v.all = widgets.NewButton(v.tx.T("review.restore.all"), theme.MailReplyAllIcon(), v.keeping(func() { v.p.restore(true) }))
	v.clear = widgets.NewButton(v.tx.T("review.empty"), theme.DeleteIcon(), v.keeping(v.askToEmpty))
	v.ofTrash = container.NewHBox(v.restore, v.all, v.clear)
	v.toolbar = container.NewHBox(v.orders, size, layout.NewSpacer(), v.ofRest, v.ofTrash)
	return v.toolbar
}

// side gives which of the sizes is chosen.
func (v *view) side() int {
	if i, err := strconv.Atoi(v.Preferences.String(prefSide)); err == nil && i >= 0 && i < len(sides) {
		return i
	}
	return slices.IndexFunc(sides, func(s struct {
		key  string
		side float32
	},
	) bool {
		return s.side == grid.Medium
	})
}

// makeGrid makes the grid, and what stands in its place.
func (v *view) makeGrid() fyne.CanvasObject {
	v.grid = grid.New(grid.Params{
		Window: v.Window, Thumbs: v.Thumbs, Dispatch: v.Dispatch,
		Length:  func() int { return len(v.p.photos) },
		Key:     v.p.key,
		Caption: func(i int) string { return v.p.photos[i].Name },
		Select:  func() { v.p.pick(v.grid.Selected(), v.grid.Focused()) },
		Open:    v.p.enlarge,
		Menu:    func(at fyne.Position) { v.showMenu(v.photoMenu(), at) },
		Drag:    v.dragged,
		Drop:    v.dropped,
		Type:    v.typed,
		Rune:    v.rune,
		Command: v.command,
	})
	v.grid.SetSide(sides[v.side()].side)
	v.empty = container.NewStack()
	return container.NewStack(v.grid, v.empty) // An empty grid still gets the keys, such as that to undo.
}

// makeFoot makes the line below the grid.
func (v *view) makeFoot() fyne.CanvasObject {
	v.counts = widget.NewLabel("")
	v.counts.Truncation = fyne.TextTruncateEllipsis
	v.undo = widgets.NewButton("", theme.ContentUndoIcon(), v.keeping(v.p.undo))
	v.redo = widgets.NewButton("", theme.ContentRedoIcon(), v.keeping(v.p.redo))
	v.undo.Importance, v.redo.Importance = widget.LowImportance, widget.LowImportance
	v.foot = container.NewBorder(nil, nil, nil, container.NewHBox(v.undo, v.redo), v.counts)
	return v.foot
}

// below is the position at which a menu of a button begins.
func below(o fyne.CanvasObject) fyne.Position {
	return fyne.CurrentApp().Driver().AbsolutePositionForObject(o).AddXY(0, o.Size().Height)
}

// drawAll implements screen.
func (v *view) drawAll() {
	if v.root == nil {
		return // The window has not asked for the content yet.
	}
	v.drawSections()
	current := v.p.current
	if of := current.kind == chosen; of != v.chosen.Visible() {
		show(v.chosen, of)
		v.right.Refresh()
	}
	v.title.SetText(current.title)
	if trash := current.kind == inTrash; trash != v.ofTrash.Visible() || trash == v.ofRest.Visible() {
		show(v.ofTrash, trash)
		show(v.ofRest, !trash)
		v.toolbar.Refresh() // The buttons that come need their places.
	}
	if i := slices.IndexFunc(orders, func(o struct {
		key   string
		order curate.Sort
	},
	) bool {
		return o.order == v.p.order
	}); i >= 0 && v.orders.SelectedIndex() != i {
		v.orders.Selected = v.orders.Options[i]
		v.orders.Refresh()
	}
	v.grid.Reload()
	if v.ordered != v.p.snap.order {
		v.ordered = v.p.snap.order
		v.grid.SetSelection(nil, -1) // A range that began at a place began at another photo.
	}
	if !v.drawn.same(current) {
		v.drawn = current
		v.grid.SetOffset(0)
	}
	v.drawEmpty()
	v.drawSelection()
	v.drawSteps()
}

// drawSections draws the list at the left.
func (v *view) drawSections() {
	v.lines = v.p.sections()
	v.list.Refresh()
	v.quiet = true
	if i := slices.IndexFunc(v.lines, v.p.current.same); i >= 0 {
		v.list.Select(i)
	} else {
		v.list.UnselectAll()
	}
	v.quiet = false
	empty := false
	for _, s := range v.lines {
		empty = empty || s.kind == ofLabel && s.same(v.p.current) && s.count == 0
	}
	enable(v.rename, v.p.current.kind == ofLabel)
	show(v.discard, empty)
}

// drawSelection implements screen.
func (v *view) drawSelection() {
	if v.root == nil {
		return
	}
	v.grid.SetSelection(v.p.picked())
	v.drawPicked()
}

// drawPicked implements screen.
func (v *view) drawPicked() {
	if v.root == nil {
		return
	}
	v.drawCounts()
	_, focus := v.p.place[v.p.focus]
	some := len(v.p.selected) > 0 || focus
	for _, b := range []*widgets.Button{v.moveTo, v.remove, v.restore} {
		enable(b, some)
	}
	enable(v.all, len(v.p.photos) > 0)
	enable(v.clear, v.p.snap.trash > 0)
}

// drawCounts says what was done last, or how many photos there are and are selected.
func (v *view) drawCounts() {
	text := ""
	switch {
	case v.p.note.shown:
		text = v.said(v.p.note.outcome)
	case v.p.loaded:
		text = v.tx.N("review.photos", len(v.p.photos))
		if n := len(v.p.selected); n > 0 {
			text += " · " + v.tx.N("review.selected", n)
		}
	}
	v.counts.SetText(text)
}

// drawSteps says what Undo and Redo would do.
func (v *view) drawSteps() {
	undo, redo := v.tx.T("review.undo"), v.tx.T("review.redo")
	if v.p.snap.canUndo {
		undo = v.tx.T("review.undo.step", "Step", v.step(v.p.snap.undo))
	}
	if v.p.snap.canRedo {
		redo = v.tx.T("review.redo.step", "Step", v.step(v.p.snap.redo))
	}
	v.undo.SetText(undo)
	v.redo.SetText(redo)
	enable(v.undo, v.p.snap.canUndo)
	enable(v.redo, v.p.snap.canRedo)
	v.foot.Refresh() // The buttons are as wide as their texts.
}

// emptiness says why there is no photo to show.
func (v *view) emptiness() emptiness {
	switch {
	case v.p.library == nil:
		return noDataset
	case len(v.p.photos) > 0:
		return notEmpty
	case !v.p.loaded:
		return reading
	case v.p.current.kind == inTrash:
		return noTrash
	case v.p.current.kind == everything:
		return noPhotos
	case v.p.current.kind == chosen:
		return noneLeft
	}
	return noneHere
}

// drawEmpty says what to do where there is no photo.
func (v *view) drawEmpty() {
	why := v.emptiness()
	show(v.main, why != noDataset && !v.p.large.open)
	show(v.nothing, why == noDataset)
	show(v.empty, why != notEmpty && why != noDataset)
	if why == v.why {
		return
	}
	v.why = why
	v.nothing.RemoveAll()
	v.empty.RemoveAll()
	collect := widgets.Action{Text: v.tx.T("review.none.collect"), Icon: theme.DownloadIcon(), Do: v.Collect}
	open := widgets.Action{Text: v.tx.T("review.none.open"), Icon: theme.FolderOpenIcon(), Do: v.OpenDataset}
	switch why {
	case noDataset:
		v.nothing.Add(widgets.Empty(theme.MediaPhotoIcon(), v.tx.T("review.none.title"), v.tx.T("review.none.text"), open, collect))
	case noPhotos:
		v.empty.Add(widgets.Empty(theme.MediaPhotoIcon(), v.tx.T("review.nophotos.title"), v.tx.T("review.nophotos.text"), collect, open))
	case noTrash:
		v.empty.Add(widgets.Empty(theme.DeleteIcon(), v.tx.T("review.notrash.title"), v.tx.T("review.notrash.text")))
	case noneHere:
		v.empty.Add(widgets.Empty(theme.FolderIcon(), v.tx.T("review.nonehere.title"), v.tx.T("review.nonehere.text")))
	case noneLeft:
		v.empty.Add(widgets.Empty(theme.SearchIcon(), v.tx.T("review.nonehere.title"), v.tx.T("review.noneleft.text")))
	case notEmpty, reading:
	}
}

// drawNote implements screen.
func (v *view) drawNote() {
	if v.root == nil {
		return
	}
	v.drawCounts()
	v.large.drawNote()
}

// drawLarge implements screen.
func (v *view) drawLarge() {
	if v.root == nil {
		return
	}
	open := v.p.large.open
	was := v.large.root.Visible()
	show(v.large.root, open)
	show(v.main, !open && v.p.library != nil)
	if open {
		v.large.draw()
	} else {
		v.large.clear()
	}
	if open != was {
		v.focus()
	}
}

// reveal implements screen.
func (v *view) reveal(i int) {
	if v.root != nil {
		v.grid.ShowItem(i)
	}
}

// typed does what a key is for that neither the grid nor the large photo knows.
func (v *view) typed(ev *fyne.KeyEvent) {
	switch ev.Name {
	case fyne.KeyDelete, fyne.KeyBackspace:
		v.p.remove()
	case fyne.KeyEscape:
		if v.p.current.kind == chosen {
			v.p.back()
		}
	default:
		widgets.ToWindow(v.Window, ev)
	}
}

// rune does what a character is for. Full-width ones are what a Japanese keyboard types.
func (v *view) rune(r rune) {
	if r >= '！' && r <= '～' {
		r -= '！' - '!'
	}
	switch {
	case r >= '0' && r <= '9':
		if label, ok := v.p.labelOf(int(r - '0')); ok {
			v.p.move(label)
		}
	case r == 'u' || r == 'U':
		v.p.undo()
	}
}

// command does what a shortcut is for; false where it is for none of this tab.
func (v *view) command(s fyne.Shortcut) bool {
	switch s := s.(type) {
	case *fyne.ShortcutUndo:
		v.p.undo()
		return true
	case *fyne.ShortcutRedo:
		v.p.redo()
		return true
	case *fyne.ShortcutSelectAll:
		if v.root != nil && v.p.library != nil && !v.p.large.open {
			v.grid.SelectAll()
			return true
		}
	case *desktop.CustomShortcut:
		if s.KeyName == fyne.KeyZ && s.Modifier == fyne.KeyModifierShortcutDefault|fyne.KeyModifierShift {
			v.p.redo()
			return true
		}
	}
	return false
}

func show(o fyne.CanvasObject, visible bool) {
	switch {
	case visible && !o.Visible():
		o.Show()
	case !visible && o.Visible():
		o.Hide()
	}
}

func enable(b *widgets.Button, on bool) {
	switch {
	case on && b.Disabled():
		b.Enable()
	case !on && !b.Disabled():
		b.Disable()
	}
}
