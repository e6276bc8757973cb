package review

import (
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/widgets"
)

// showMenu shows a menu at a position in the window. The keyboard's focus comes back when it closes.
func (v *view) showMenu(menu *fyne.Menu, at fyne.Position) {
	widget.ShowPopUpMenuAtPosition(menu, v.Window.Canvas(), at)
}

// labelMenu lists the labels that photos can be moved to.
func (v *view) labelMenu() *fyne.Menu {
	menu := fyne.NewMenu("")
	for i, l := range v.p.snap.labels {
		name := l.Name
		if i < 10 {
			name = v.tx.T("review.move.key", "Label", l.Name, "Key", strconv.Itoa((i+1)%10))
		}
		menu.Items = append(menu.Items, &fyne.MenuItem{Label: name, Icon: theme.FolderIcon(), Action: func() { v.p.move(l.Name) }})
	}
	if len(menu.Items) > 0 {
		menu.Items = append(menu.Items, fyne.NewMenuItemSeparator())
	}
	menu.Items = append(menu.Items, fyne.NewMenuItem(v.tx.T("review.move.new"), func() {
		v.ask(v.tx.T("review.move.new.title"), v.tx.T("review.move.new.act"), "", v.p.move)
	}))
	return menu
}

// photoMenu is the menu of the selected photos.
func (v *view) photoMenu() *fyne.Menu {
	_, focus := v.p.picked()
	open := fyne.NewMenuItem(v.tx.T("review.menu.open"), func() { v.p.enlarge(focus) })
	open.Disabled = focus < 0
	move := fyne.NewMenuItem(v.tx.T("review.move"), nil)
	move.ChildMenu = v.labelMenu()
	all := fyne.NewMenuItem(v.tx.T("review.menu.all"), v.grid.SelectAll)
	if v.p.current.kind == inTrash {
		return fyne.NewMenu("", fyne.NewMenuItem(v.tx.T("review.restore"), func() { v.p.restore(false) }), move, open,
			fyne.NewMenuItemSeparator(), all)
	}
	remove := fyne.NewMenuItem(v.tx.T("review.delete"), v.p.remove)
	return fyne.NewMenu("", open, move, remove, fyne.NewMenuItemSeparator(), all)
}

// ask asks for the name of a label.
func (v *view) ask(title, act, name string, answered func(name string)) {
	entry := widgets.NewEntry()
	entry.SetText(name)
	entry.SetPlaceHolder(v.tx.T("review.label.placeholder"))
	d := widgets.NewDialog(v.Window, title, v.tx.T("kit.cancel"), entry, 420, 0)
	yes := d.SetAccept(act, theme.ConfirmIcon(), v.ofThis(func() { answered(strings.TrimSpace(entry.Text)) }))
	entry.OnChanged = func(text string) { enable(yes, strings.TrimSpace(text) != "") }
	entry.OnChanged(name)
	d.SetOnClosed(v.focus)
	d.Open(entry)
	entry.TypedShortcut(&fyne.ShortcutSelectAll{}) // What is typed takes the place of the old name.
}

// askToEmpty empties the trash if the user says so.
func (v *view) askToEmpty() {
	widgets.ConfirmDanger(v.Window, v.tx, v.tx.T("review.empty.title"), v.tx.N("review.empty.text", v.p.snap.trash),
		v.tx.N("review.empty.act", v.p.snap.trash), v.ofThis(v.p.emptyTrash))
}

// ofThis gives what does something to the dataset that is open now, and nothing to another that is by then.
func (v *view) ofThis(do func()) func() {
	asked := v.p.library
	return func() {
		if v.p.library == asked {
			do()
		}
	}
}

// lineAt gives the line of the list at a position in the window to which photos can be dropped, or -1.
func (v *view) lineAt(at fyne.Position) int {
	origin := fyne.CurrentApp().Driver().AbsolutePositionForObject(v.list)
	at = at.Subtract(origin)
	if at.X < 0 || at.Y < 0 || at.X >= v.list.Size().Width || at.Y >= v.list.Size().Height {
		return -1
	}
	i := int((at.Y + v.list.GetScrollOffset()) / v.line)
	if i >= len(v.lines) {
		return -1
	}
	switch s := v.lines[i]; {
	case s.kind == ofLabel, s.kind == inTrash && v.p.current.kind != inTrash:
		return i
	}
	return -1
}

// scrollTo scrolls the list by a line where something is dragged over its first or last one, so that the labels beyond come
// into sight.
func (v *view) scrollTo(at fyne.Position) {
	at = at.Subtract(fyne.CurrentApp().Driver().AbsolutePositionForObject(v.list))
	size, offset := v.list.Size(), v.list.GetScrollOffset()
	switch {
	case at.X < 0 || at.X >= size.Width || size.Height < 3*v.line:
	case at.Y < v.line:
		v.list.ScrollToOffset(max(0, offset-v.line))
	case at.Y >= size.Height-v.line:
		v.list.ScrollToOffset(offset + v.line)
	}
}

// dragged shows what is dragged, and what a drop would do.
func (v *view) dragged(at fyne.Position) {
	v.scrollTo(at)
	v.hoverOver(v.lineAt(at))
	count := len(v.p.targets())
	text := v.tx.N("review.drag", count)
	if v.hover >= 0 {
		text = v.tx.N("review.drag.trash", count)
		if s := v.lines[v.hover]; s.kind == ofLabel {
			text = v.tx.N("review.drag.label", count, "Label", s.label)
		}
	}
	th, variant := v.root.Objects[0], fyne.CurrentApp().Settings().ThemeVariant()
	look := fyne.CurrentApp().Settings().Theme()
	v.ghostText.Text, v.ghostText.TextSize = text, look.Size(theme.SizeNameText)
	v.ghostText.Color = look.Color(theme.ColorNameForegroundOnPrimary, variant)
	v.ghostBack.FillColor = look.Color(theme.ColorNamePrimary, variant)
	size := v.ghostText.MinSize()
	corner := at.Subtract(fyne.CurrentApp().Driver().AbsolutePositionForObject(v.root)).AddXY(12, 12)
	corner.X = min(corner.X, th.Size().Width-size.Width-16)
	v.ghostBack.Move(corner)
	v.ghostBack.Resize(size.AddWidthHeight(16, 8))
	v.ghostText.Move(corner.AddXY(8, 4))
	v.ghostText.Resize(size)
	v.ghost.Show()
	v.ghost.Refresh()
}

// dropped moves what was dragged.
func (v *view) dropped(at fyne.Position) {
	i := v.lineAt(at)
	v.hoverOver(-1)
	v.ghost.Hide()
	if i < 0 {
		return
	}
	if s := v.lines[i]; s.kind == ofLabel {
		v.p.move(s.label)
	} else {
		v.p.remove()
	}
}

// hoverOver marks a line of the list, -1 for none.
func (v *view) hoverOver(i int) {
	before := v.hover
	v.hover = i
	for _, n := range []int{before, i} {
		if n >= 0 && before != i {
			v.list.RefreshItem(n)
		}
	}
}
