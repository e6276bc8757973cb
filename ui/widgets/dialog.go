package widgets

import (
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// Dialog is a question or a message over a window. Escape closes it without an answer, Enter does what it is for, Tab goes
// through its widgets, and Page Up and Page Down scroll what does not fit; afterwards the keyboard's focus is where it was. (The dialogs of Fyne 2.7 know neither key.)
//
// A key goes to the widget with the focus alone, so what can have it in a dialog has to be one of this package: [Button],
// [Entry], [Select], [Check], [RadioGroup] and [List] hand on what they have no use for, and come into sight when they take the focus.
type Dialog struct {
	widget.BaseWidget

	window        fyne.Window
	popup         *widget.PopUp
	icon          *widget.Icon
	content       fyne.CanvasObject
	scroll        *container.Scroll // Around the content where its height is its own; else nil.
	buttons       *fyne.Container
	box           *fyne.Container
	width, height float32
	dismiss       *Button
	accept        *Button // Nil where there is nothing to agree to.
	careful       bool    // Enter agrees only where the focus is on that button.
	opened        bool
	onClosed      func()
}

// NewDialog makes a dialog of a title, a content and a button that closes it. Its width is at most that of the window; a
// height of 0 is what the content needs, or less, and then it scrolls. Open shows it.
func NewDialog(w fyne.Window, title, dismiss string, content fyne.CanvasObject, width, height float32) *Dialog {
	d := &Dialog{window: w, icon: widget.NewIcon(nil), content: content, width: width, height: height}
	d.dismiss = NewButton(dismiss, nil, d.Close)
	d.buttons = container.NewGridWithRows(1, d.dismiss)
	heading := widget.NewLabelWithStyle(title, fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	heading.Truncation = fyne.TextTruncateEllipsis
	d.icon.Hide()
	middle := content
	if height == 0 {
		d.scroll = container.NewVScroll(content)
		middle = d.scroll
	}
	d.box = container.NewBorder(
		container.NewBorder(nil, nil, nil, container.NewGridWrap(fyne.NewSquareSize(theme.IconInlineSize()*1.5), d.icon), heading),
		container.NewPadded(container.NewHBox(layout.NewSpacer(), d.buttons, layout.NewSpacer())), nil, nil, container.NewPadded(middle))
	d.ExtendBaseWidget(d)
	d.popup = widget.NewModalPopUp(d, w.Canvas())
	return d
}

// SetIcon shows an icon beside the title.
func (d *Dialog) SetIcon(icon fyne.Resource) {
	d.icon.SetResource(icon)
	d.icon.Show()
}

// SetAccept adds the button for what the dialog is for. It closes the dialog and then does that; Enter does the same, also
// in an entry. While the button is disabled there is nothing to agree to.
func (d *Dialog) SetAccept(text string, icon fyne.Resource, do func()) *Button {
	d.dismiss.SetIcon(theme.CancelIcon())
	d.accept = d.Add(text, icon, do)
	d.accept.Importance = widget.HighImportance
	return d.accept
}

// SetDanger adds the button for what cannot be undone, as SetAccept does. Enter taps it only where the focus is on it, which
// begins at the other one.
func (d *Dialog) SetDanger(text string, do func()) {
	d.SetAccept(text, theme.WarningIcon(), do).Importance = widget.DangerImportance
	d.careful = true
}

// Add adds another button that closes the dialog and then does something.
func (d *Dialog) Add(text string, icon fyne.Resource, do func()) *Button {
	b := NewButton(text, icon, func() {
		d.Close()
		do()
	})
	d.buttons.Add(b)
	return b
}

// SetOnClosed has a function called when the dialog has closed, however it did, and before what a button then does.
func (d *Dialog) SetOnClosed(closed func()) { d.onClosed = closed }

// Open shows the dialog and gives the keyboard's focus to one of its widgets; nil is the button that Enter is for.
func (d *Dialog) Open(first fyne.Focusable) {
	d.opened = true
	d.Fit()
	d.popup.Show()
	if first == nil {
		first = d.dismiss
		if d.accept != nil && !d.careful && !d.accept.Disabled() {
			first = d.accept
		}
	}
	d.window.Canvas().Focus(first)
}

// Close closes the dialog, if it is open. What was opened over it stays.
func (d *Dialog) Close() {
	if !d.opened {
		return
	}
	d.opened = false
	overlays := d.window.Canvas().Overlays()
	var above []fyne.CanvasObject
	if i := slices.Index(overlays.List(), fyne.CanvasObject(d.popup)); i >= 0 {
		above = slices.Clone(overlays.List()[i+1:]) // Fyne takes them away, too.
	}
	d.popup.Hide()
	for _, o := range above {
		overlays.Add(o)
	}
	if d.onClosed != nil {
		d.onClosed()
	}
}

// Fit gives the dialog the size that it needs; for when its content has become larger or smaller.
func (d *Dialog) Fit() {
	room := Fit(d.window, d.width, max(d.height, 4096))
	height := d.height
	if d.scroll != nil {
		inner := room.Width - 6*theme.Padding()
		d.content.Resize(fyne.NewSize(inner, d.content.MinSize().Height)) // Texts have their height by their width.
		d.content.Resize(fyne.NewSize(inner, d.content.MinSize().Height))
		height = d.box.MinSize().Height - d.scroll.MinSize().Height + d.content.MinSize().Height + 4*theme.Padding()
	}
	d.popup.Resize(fyne.NewSize(room.Width, min(height, room.Height)))
}

// CreateRenderer implements fyne.Widget.
func (d *Dialog) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(d.box) }

// typed does what a key is for; false where it is for nothing here.
func (d *Dialog) typed(key fyne.KeyName) bool {
	switch key {
	case fyne.KeyEscape:
		d.dismiss.OnTapped()
	case fyne.KeyReturn, fyne.KeyEnter:
		switch {
		case d.accept == nil:
			d.dismiss.OnTapped()
		case !d.careful && !d.accept.Disabled():
			d.accept.OnTapped()
		}
	case fyne.KeyPageUp:
		return d.page(-1)
	case fyne.KeyPageDown:
		return d.page(1)
	default:
		return false
	}
	return true
}

// scroller gives what scrolls the content, or nil.
func (d *Dialog) scroller() *container.Scroll {
	if own, ok := d.content.(*container.Scroll); ok {
		return own
	}
	return d.scroll
}

// page scrolls the content by so many pages; false where all of it is seen.
func (d *Dialog) page(pages float32) bool {
	scroll := d.scroller()
	if scroll == nil {
		return false
	}
	height := scroll.Size().Height
	hidden := scroll.Content.MinSize().Height - height
	if hidden <= 0 {
		return false
	}
	const most = 0.9 // Of a page: what was last is seen again.
	scroll.ScrollToOffset(fyne.NewPos(0, min(max(0, scroll.Offset.Y+pages*most*height), hidden)))
	return true
}

// TypedKey hands a key that no widget has taken to the dialog in front of a window; false where there is none, or where it
// has no use for the key, either.
func TypedKey(w fyne.Window, ev *fyne.KeyEvent) bool {
	d := dialogOf(w)
	return d != nil && d.typed(ev.Name)
}

// dialogOf gives the dialog in front of a window, or nil.
func dialogOf(w fyne.Window) *Dialog {
	if popup, ok := w.Canvas().Overlays().Top().(*widget.PopUp); ok {
		if d, ok := popup.Content.(*Dialog); ok {
			return d
		}
	}
	return nil
}

// CloseAll closes all dialogs of a window, and what else lies over it, the foremost first.
func CloseAll(w fyne.Window) {
	for top := w.Canvas().Overlays().Top(); top != nil; top = w.Canvas().Overlays().Top() {
		if d := dialogOf(w); d != nil {
			d.Close()
		}
		w.Canvas().Overlays().Remove(top)
	}
}

// accepts tells whether a widget is in a dialog that is for something.
func accepts(o fyne.Focusable) bool {
	w := windowOf(o)
	if w == nil {
		return false
	}
	d := dialogOf(w)
	return d != nil && d.accept != nil
}

// ToWindow hands a key that no widget has taken to a window; false where a dialog or menu is in front of it, or where it takes
// no keys. (The driver does so only while nothing has the focus.)
func ToWindow(w fyne.Window, ev *fyne.KeyEvent) bool {
	typed := w.Canvas().OnTypedKey()
	if typed == nil || w.Canvas().Overlays().Top() != nil {
		return false
	}
	typed(ev)
	return true
}

// HandOn hands a key of the widget with the focus to its dialog, and F1, which no widget has a use for, to its window.
func HandOn(o fyne.Focusable, ev *fyne.KeyEvent) bool {
	w := windowOf(o)
	return w != nil && (TypedKey(w, ev) || ev.Name == fyne.KeyF1 && ToWindow(w, ev))
}

func isEnter(ev *fyne.KeyEvent) bool { return ev.Name == fyne.KeyReturn || ev.Name == fyne.KeyEnter }

// Button is a button that Enter taps, too, and that keeps the keyboard's focus when a key has tapped it: that of Fyne gives it
// away, and whoever works by keyboard begins anew at the first widget.
type Button struct {
	widget.Button

	Gained func() // It has taken the focus; nil is [TookFocus].
}

// NewButton gives a button; its icon may be nil.
func NewButton(text string, icon fyne.Resource, tapped func()) *Button {
	b := &Button{}
	b.Text, b.Icon, b.OnTapped = text, icon, tapped
	b.ExtendBaseWidget(b)
	return b
}

// FocusGained implements fyne.Focusable.
func (b *Button) FocusGained() {
	b.Button.FocusGained()
	gained(b, b.Gained)
}

// TypedKey implements fyne.Focusable.
func (b *Button) TypedKey(ev *fyne.KeyEvent) {
	switch {
	case !isEnter(ev) && ev.Name != fyne.KeySpace:
		HandOn(b, ev)
	case !b.Disabled() && b.OnTapped != nil:
		b.OnTapped()
	}
}

// TypedRune implements fyne.Focusable: a button has no use for letters, but the window may.
func (b *Button) TypedRune(r rune) {
	if w := windowOf(b); w != nil && w.Canvas().Overlays().Top() == nil {
		if typed := w.Canvas().OnTypedRune(); typed != nil {
			typed(r)
		}
	}
}

// Entry is an entry whose Tab always goes on to the next widget. In one of a single line, Enter is for the dialog.
type Entry struct {
	widget.Entry

	Gained func() // It has taken the focus; nil is [TookFocus].
}

// NewEntry gives an entry of one line.
func NewEntry() *Entry {
	e := &Entry{}
	e.ExtendBaseWidget(e)
	return e
}

// NewMultiLineEntry gives an entry of several lines, which do not wrap.
func NewMultiLineEntry() *Entry {
	e := &Entry{}
	e.MultiLine, e.Wrapping = true, fyne.TextWrapOff
	e.ExtendBaseWidget(e)
	return e
}

// AcceptsTab implements fyne.Tabbable.
func (*Entry) AcceptsTab() bool { return false }

// FocusGained implements fyne.Focusable.
func (e *Entry) FocusGained() {
	e.Entry.FocusGained()
	gained(e, e.Gained)
}

// TypedKey implements fyne.Focusable.
func (e *Entry) TypedKey(ev *fyne.KeyEvent) {
	taken := isEnter(ev) && (e.MultiLine || e.OnSubmitted != nil)
	if taken || !HandOn(e, ev) {
		e.Entry.TypedKey(ev)
	}
}

// Select is a choice of one of several options.
type Select struct {
	widget.Select

	Gained func() // It has taken the focus; nil is [TookFocus].
}

// NewSelect gives a choice.
func NewSelect(options []string, changed func(string)) *Select {
	s := &Select{}
	s.Options, s.OnChanged = options, changed
	s.ExtendBaseWidget(s)
	return s
}

// FocusGained implements fyne.Focusable.
func (s *Select) FocusGained() {
	s.Select.FocusGained()
	gained(s, s.Gained)
}

// TypedKey implements fyne.Focusable.
func (s *Select) TypedKey(ev *fyne.KeyEvent) {
	if !HandOn(s, ev) {
		s.Select.TypedKey(ev)
	}
}

// Check is a check box.
type Check struct {
	widget.Check

	Gained func() // It has taken the focus; nil is [TookFocus].
}

// NewCheck gives a check box.
func NewCheck(text string, changed func(bool)) *Check {
	c := &Check{}
	c.Text, c.OnChanged = text, changed
	c.ExtendBaseWidget(c)
	return c
}

// FocusGained implements fyne.Focusable.
func (c *Check) FocusGained() {
	c.Check.FocusGained()
	gained(c, c.Gained)
}

// TypedKey implements fyne.Focusable.
func (c *Check) TypedKey(ev *fyne.KeyEvent) {
	if !HandOn(c, ev) {
		c.Check.TypedKey(ev)
	}
}

// List is a list. Enter selects an item, as Space does, where it is not for what its dialog is for.
type List struct {
	widget.List

	Enter bool // Enter is the list's there, too.
}

// NewList gives a list, see [widget.NewList].
func NewList(length func() int, create func() fyne.CanvasObject, update func(widget.ListItemID, fyne.CanvasObject)) *List {
	l := &List{}
	l.Length, l.CreateItem, l.UpdateItem = length, create, update
	l.ExtendBaseWidget(l)
	return l
}

// FocusGained implements fyne.Focusable.
func (l *List) FocusGained() {
	l.List.FocusGained()
	TookFocus(l)
}

// TypedKey implements fyne.Focusable.
func (l *List) TypedKey(ev *fyne.KeyEvent) {
	selects := isEnter(ev) && l.OnSelected != nil && (l.Enter || !accepts(l))
	switch {
	case !selects && HandOn(l, ev):
	case isEnter(ev):
		l.List.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
	default:
		l.List.TypedKey(ev)
	}
}

// Tree is a tree. Enter selects a node, as Space does.
type Tree struct{ widget.Tree }

// NewTree gives a tree, see [widget.NewTree].
func NewTree(below func(widget.TreeNodeID) []widget.TreeNodeID, isBranch func(widget.TreeNodeID) bool,
	create func(branch bool) fyne.CanvasObject, update func(id widget.TreeNodeID, branch bool, o fyne.CanvasObject),
) *Tree {
	t := &Tree{}
	t.ChildUIDs, t.IsBranch, t.CreateNode, t.UpdateNode = below, isBranch, create, update
	t.ExtendBaseWidget(t)
	return t
}

// TypedKey implements fyne.Focusable.
func (t *Tree) TypedKey(ev *fyne.KeyEvent) {
	switch {
	case HandOn(t, ev):
	case isEnter(ev):
		t.Tree.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
	default:
		t.Tree.TypedKey(ev)
	}
}

// GridWrap is a list in several columns. Enter selects an item, as Space does.
type GridWrap struct{ widget.GridWrap }

// NewGridWrap gives such a list, see [widget.NewGridWrap].
func NewGridWrap(length func() int, create func() fyne.CanvasObject, update func(widget.GridWrapItemID, fyne.CanvasObject)) *GridWrap {
	g := &GridWrap{}
	g.Length, g.CreateItem, g.UpdateItem = length, create, update
	g.ExtendBaseWidget(g)
	return g
}

// TypedKey implements fyne.Focusable.
func (g *GridWrap) TypedKey(ev *fyne.KeyEvent) {
	switch {
	case HandOn(g, ev):
	case isEnter(ev):
		g.GridWrap.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
	default:
		g.GridWrap.TypedKey(ev)
	}
}
