package classify

import (
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/picture"
	"kaika/ui/widgets"
	"kaika/ui/widgets/filepicker"
)

// focus gives the keyboard to what is shown, unless another widget has it, maybe of another tab.
func (v *view) focus() {
	if v.whole == nil || !v.whole.Visible() {
		return
	}
	switch v.Window.Canvas().Focused() {
	case nil, v.stage, v.table:
	default:
		return
	}
	switch v.scene {
	case onePhoto:
		v.Window.Canvas().Focus(v.stage) // By the window: what was never drawn has no canvas yet.
	case manyPhotos:
		v.Window.Canvas().Focus(v.table)
	default:
	}
}

// enlarge shows the current photo alone, or the table.
func (v *view) enlarge(large bool) {
	v.p.enlarge(large)
	if v.scene == manyPhotos {
		v.table.reveal(v.p.index(v.p.current))
	}
}

// key takes a key while the photo has the focus.
func (v *view) key(key fyne.KeyName) {
	switch key {
	case fyne.KeyLeft, fyne.KeyUp, fyne.KeyPageUp:
		v.p.move(-1, false)
	case fyne.KeyRight, fyne.KeyDown, fyne.KeyPageDown:
		v.p.move(1, false)
	case fyne.KeyHome:
		v.p.move(-len(v.p.shown), false)
	case fyne.KeyEnd:
		v.p.move(len(v.p.shown), false)
	case fyne.KeyReturn, fyne.KeyEnter:
		v.enlarge(v.scene == manyPhotos)
	case fyne.KeyEscape:
		if len(v.p.rows)+len(v.p.waiting) > 1 {
			v.enlarge(false)
		}
	default:
	}
}

// shortcut takes a shortcut while the photo or the table has the focus.
func (v *view) shortcut(s fyne.Shortcut) {
	switch s.(type) {
	case *fyne.ShortcutPaste:
		v.paste()
	case *fyne.ShortcutUndo:
		if n := v.p.notice; n != nil && n.addition != nil && n.addition.undoable() > 0 {
			v.p.undo(n.addition)
		}
	}
}

// menu is what the secondary mouse button opens over the table.
func (v *view) menu(at fyne.Position) {
	really := fyne.NewMenuItem(v.answer.really.Text, v.askLabel)
	really.Disabled = v.answer.really.Disabled()
	large := fyne.NewMenuItem(v.tx.T("classify.enlarge"), func() { v.enlarge(true) })
	widget.ShowPopUpMenuAtPosition(fyne.NewMenu("", really, large), v.Window.Canvas(), at)
}

// paste takes what is in the clipboard, from Fyne's where the desktop's is not known.
func (v *view) paste() {
	v.p.pasteFrom(func() string { return fyne.CurrentApp().Clipboard().Content() })
}

// openFile asks for a photo.
func (v *view) openFile() {
	v.pick("classify.open.title", "classify.open.act", filepicker.Params{
		Want: filepicker.File, Matches: picture.IsName, Chosen: func(path string) { v.p.drop([]string{path}) },
	})
}

// openFolder asks for a folder of photos.
func (v *view) openFolder() {
	v.pick("classify.folder.title", "classify.folder.act", filepicker.Params{
		Want: filepicker.Folder, Chosen: func(path string) { v.p.drop([]string{path}) },
	})
}

// export asks for the file to write the table to.
func (v *view) export() {
	v.pick("classify.export.title", "classify.export.act", filepicker.Params{
		Want: filepicker.NewFile, Name: "kaika.csv", Chosen: v.p.export,
		Matches: func(name string) bool { return strings.EqualFold(filepath.Ext(name), ".csv") },
	})
}

// pick asks for a file or folder.
func (v *view) pick(title, act string, p filepicker.Params) {
	p.Window, p.Texts, p.Dispatch, p.Beside, p.Settings = v.Window, v.tx, v.Dispatch, v.p.work.Go, v.Preferences
	p.Title, p.Act = v.tx.T(title), v.tx.T(act)
	filepicker.Show(p)
}

// chooseModel asks which model to use.
func (v *view) chooseModel() {
	v.p.listModels(func(choices []ModelChoice) {
		folder := widgets.Action{Text: v.tx.T("classify.model.folder"), Icon: theme.FolderOpenIcon(), Do: func() {
			v.pick("classify.model.choose.title", "classify.model.choose.act", filepicker.Params{
				Want: filepicker.Folder, Chosen: func(path string) { v.p.use(ModelChoice{Dir: path}) },
			})
		}}
		p := picker{title: v.tx.T("classify.model.choose.title"), hint: v.tx.T("classify.model.choose.hint"), actions: []widgets.Action{folder}}
		if len(choices) == 0 {
			p.hint = v.tx.T("classify.model.choose.none")
		}
		for _, c := range choices {
			text := c.Title
			if text == "" {
				text = displayed(base(c.Dir))
			}
			if v.p.model != nil && filepath.Clean(v.p.model.Dir) == filepath.Clean(c.Dir) {
				text = v.tx.T("classify.model.current", "Name", text)
			}
			p.options = append(p.options, option{text, c.Detail, func() { v.p.use(c) }})
		}
		p.show(v)
	})
}

// chooseFilter asks which rows to show.
func (v *view) chooseFilter() {
	unknown, failed, labels := v.p.counts()
	p := picker{title: v.tx.T("classify.filter.title"), hint: v.tx.T("classify.filter.hint")}
	add := func(f filter, count int) {
		p.options = append(p.options, option{text: v.filterName(f, count), do: func() { v.p.show(f) }})
	}
	add(filter{}, len(v.p.rows))
	add(filter{kind: unknownRows}, unknown)
	add(filter{kind: failedRows}, failed)
	if v.p.model != nil {
		for _, label := range v.p.model.Labels {
			if labels[label] > 0 {
				add(filter{kind: oneLabel, label: label}, labels[label])
			}
		}
	}
	p.show(v)
}

// askLabel asks what the selected photos really are.
func (v *view) askLabel() {
	count := v.p.countTargets()
	if count == 0 || v.p.adding != nil {
		return
	}
	if v.p.library == nil {
		widgets.Confirm(v.Window, v.tx, v.tx.T("classify.nodataset.title"), v.tx.T("classify.nodataset.text"),
			v.tx.T("classify.nodataset.open"), v.OpenDataset)
		return
	}
	asked := v.p.library
	really := func(label string) {
		if v.p.library == asked { // And not another dataset that was opened meanwhile.
			v.p.really(label)
		}
	}
	p := picker{title: v.tx.N("classify.really.title", count), hint: v.tx.T("classify.really.hint")}
	for _, l := range v.p.labels() {
		p.options = append(p.options, option{l.Name, v.tx.N("classify.photos", l.Photos), func() { really(l.Name) }})
	}
	p.create = func(text string) (option, bool) {
		return option{v.tx.T("classify.really.new", "Label", text), "", func() { really(text) }}, true
	}
	p.show(v)
}

func base(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Base(path)
}
