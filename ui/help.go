package ui

import (
	"runtime"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/i18n"
	"kaika/ui/widgets"
)

// A helpSection is a part of the list of shortcuts: keys, and what each is for.
type helpSection struct {
	title string
	keys  [][2]string
}

// shortcuts lists all keys, by where they work. On macOS the modifier is Command.
func shortcuts(tx *i18n.Texts, mac bool) []helpSection {
	space := tx.T("frame.help.key.space")
	sections := []helpSection{
		{tx.T("frame.help.everywhere"), [][2]string{
			{"Ctrl+1 … Ctrl+4", tx.T("frame.help.tabs")},
			{"Ctrl+O", tx.T("frame.menu.open")},
			{"Ctrl+N", tx.T("frame.menu.new")},
			{"Ctrl+I", tx.T("frame.menu.import")},
			{"Ctrl+,", tx.T("frame.menu.settings")},
			{"Ctrl+.", tx.T("frame.menu.cancel")},
			{"F1, Ctrl+/", tx.T("frame.menu.shortcuts")},
			{"Ctrl+Q", tx.T("frame.menu.quit")},
			{"Tab, Shift+Tab", tx.T("frame.help.focus")},
			{space + ", Enter", tx.T("frame.help.press")},
			{"Alt", tx.T("frame.help.menubar")},
			{"Esc", tx.T("frame.help.escape")},
			{"Page ↑, Page ↓", tx.T("frame.help.scroll")},
		}},
		{tx.T("frame.tab.collect"), [][2]string{
			{"Enter", tx.T("frame.help.keyword")},
			{"← ↑ → ↓", tx.T("frame.help.came")},
			{space + ", Enter", tx.T("frame.help.about")},
		}},
		{tx.T("frame.tab.review"), [][2]string{
			{"← ↑ → ↓, Page ↑ ↓", tx.T("frame.help.move")},
			{"Home, End", tx.T("frame.help.ends")},
			{"Shift+← …, Ctrl+A", tx.T("frame.help.select")},
			{space, tx.T("frame.help.toggle")},
			{"Esc", tx.T("frame.help.deselect")},
			{"Enter", tx.T("frame.help.large")},
			{"1 … 9, 0", tx.T("frame.help.label")},
			{"Delete", tx.T("frame.help.delete")},
			{"U, Ctrl+Z", tx.T("frame.help.undo")},
			{"Ctrl+Y, Ctrl+Shift+Z", tx.T("frame.help.redo")},
			{tx.T("frame.help.key.menu") + ", Shift+F10", tx.T("frame.help.menu")},
		}},
		{tx.T("frame.help.enlarged"), [][2]string{
			{"← ↑ → ↓, " + space, tx.T("frame.help.step")},
			{"Home, End", tx.T("frame.help.ends")},
			{"+, −, F", tx.T("frame.help.zoom")},
			{"Ctrl+← …", tx.T("frame.help.pan")},
			{"Esc, Enter", tx.T("frame.help.back")},
		}},
		{tx.T("frame.tab.retrain"), [][2]string{
			{"← →, Page ↑ ↓", tx.T("frame.help.chart")},
			{"Home, End", tx.T("frame.help.chart.ends")},
			{"Esc", tx.T("frame.help.chart.hide")},
			{space + ", Enter", tx.T("frame.help.curve")},
			{"← ↑ → ↓, Home, End", tx.T("frame.help.cell")},
			{space + ", Enter", tx.T("frame.help.cell.open")},
		}},
		{tx.T("frame.tab.classify"), [][2]string{
			{"Ctrl+V", tx.T("frame.help.paste")},
			{"↑ ↓, Page ↑ ↓", tx.T("frame.help.step")},
			{"Home, End", tx.T("frame.help.ends")},
			{"Shift+↑ …, Ctrl+A", tx.T("frame.help.select")},
			{space, tx.T("frame.help.toggle")},
			{"Enter", tx.T("frame.help.enlarge")},
			{"Esc", tx.T("frame.help.table")},
			{"Ctrl+Z", tx.T("frame.help.really")},
		}},
	}
	if !mac {
		return sections
	}
	signs := strings.NewReplacer("Ctrl+Shift+", "Shift+⌘", "Ctrl+", "⌘", tx.T("frame.help.key.menu")+", ", "")
	for i := range sections {
		s := &sections[i]
		s.keys = slices.DeleteFunc(s.keys, func(k [2]string) bool { return k[0] == "Alt" }) // The menu is not in the window.
		for i := range s.keys {
			s.keys[i][0] = signs.Replace(s.keys[i][0])
		}
	}
	return sections
}

// showHelp lists the keyboard's shortcuts.
func (f *Frame) showHelp() {
	content := container.New(layout.NewFormLayout())
	for _, s := range shortcuts(f.tx, runtime.GOOS == "darwin") {
		content.Add(widget.NewLabelWithStyle(s.title, fyne.TextAlignLeading, fyne.TextStyle{Bold: true}))
		content.Add(widget.NewLabel(""))
		for _, k := range s.keys {
			content.Add(widget.NewLabel(k[0]))
			content.Add(widgets.NewText(k[1]))
		}
	}
	d := widgets.NewDialog(f.window, f.tx.T("frame.menu.shortcuts"), f.tx.T("kit.close"), container.NewVScroll(content), 640, 560)
	d.Open(nil)
	content.Refresh() // A text that wraps knows its height only when it knows its width.
}
