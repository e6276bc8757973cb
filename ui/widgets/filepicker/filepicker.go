// Package filepicker asks for a file or folder, in the window's language and by mouse or keyboard. What it lists it reads
// beside, so that a slow disk holds up nothing. (Fyne's own dialog speaks English in part, and lists where it draws.)
package filepicker

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
	"github.com/adrg/xdg"

	"kaika/ui/i18n"
	"kaika/ui/widgets"
)

// Params say what is asked for. Window, Texts, Dispatch, Beside, Title, Act and Chosen are needed.
type Params struct {
	Window   fyne.Window
	Texts    *i18n.Texts
	Dispatch func(func()) // Runs a function on the goroutine that draws, later.
	Beside   func(func()) // Runs a function on a goroutine of its own, for which the caller waits at its end.
	Settings Settings

	Title, Act string // Of the dialog, and of the button that chooses.
	Want       Want
	Start      string                 // The folder to begin in; "" is the one where something was chosen last.
	Name       string                 // The name that is proposed for a NewFile.
	Matches    func(name string) bool // Which files can be chosen; nil for all.
	Chosen     func(path string)      // Called on the goroutine that draws, with an absolute path.
}

// Settings remember from one time to the next. They are called on the goroutine that draws.
type Settings interface {
	String(name string) string
	SetString(name, text string)
}

// settingFolder is the setting with the folder where something was chosen last.
const settingFolder = "filepicker.folder"

// picker is the dialog.
type picker struct {
	Params

	dialog *widgets.Dialog
	accept *widgets.Button
	path   *widgets.Entry
	name   *widgets.Entry // Of a NewFile.
	hidden *widgets.Check
	rows   *rows
	word   *widgets.Text // Why nothing is listed, or what went wrong.
	places []place

	dir     string // The folder that is looked at.
	follows bool   // It began where something was chosen last, and the next one is to begin here.
	entries []entry
	reads   int // Number of the last listing begun.
	loading bool
	moved   time.Time // When the last listing came.
	asking  bool      // It is being looked up whether the name is free.
	closed  bool
}

// Show asks.
func Show(p Params) {
	if p.Matches == nil {
		p.Matches = func(string) bool { return true }
	}
	if p.Want == Folder {
		p.Matches = func(string) bool { return false }
	}
	follows := p.Start == ""
	if follows {
		p.Start = cmp.Or(p.Settings.String(settingFolder), xdg.Home)
	}
	k := &picker{Params: p, follows: follows}
	tx := p.Texts
	k.path, k.word = widgets.NewEntry(), widgets.NewCenteredText("")
	k.path.OnSubmitted = k.typed
	k.path.OnChanged = func(string) { k.show() }
	up := widgets.NewButton("", theme.MoveUpIcon(), func() { k.look(filepath.Dir(k.dir)) })
	create := widgets.NewButton(tx.T("kit.files.folder.new"), theme.FolderNewIcon(), k.askFolder)
	k.hidden = widgets.NewCheck(tx.T("kit.files.hidden"), func(bool) { k.look(k.dir) })
	k.rows = newRows(k)
	left := widgets.NewList(func() int { return len(k.places) }, func() fyne.CanvasObject { return newLine() }, func(i int, o fyne.CanvasObject) {
		if l, ok := o.(*line); ok && i < len(k.places) {
			l.set(placeIcon(k.places[i]), k.placeName(k.places[i]), false)
		}
	})
	left.HideSeparators = true
	left.Enter = true // To choose what is looked at is not what it is pressed for there.
	left.OnSelected = func(i int) {
		left.UnselectAll()
		k.look(k.places[i].dir)
		p.Window.Canvas().Focus(k.rows)
	}
	foot := container.NewHBox(k.hidden)
	if p.Want != File {
		foot.Add(create)
	}
	bottom := fyne.CanvasObject(foot)
	if p.Want == NewFile {
		k.name = widgets.NewEntry()
		k.name.SetText(p.Name)
		k.name.OnChanged = func(string) { k.show() }
		bottom = container.NewBorder(nil, foot, widget.NewLabel(tx.T("kit.files.name")), nil, k.name)
	}
	split := container.NewHSplit(left, container.NewStack(k.rows, k.word))
	split.Offset = 0.24
	content := container.NewBorder(container.NewBorder(nil, nil, up, nil, k.path), bottom, nil, nil, split)
	k.dialog = widgets.NewDialog(p.Window, p.Title, tx.T("kit.cancel"), content, 860, 620)
	k.accept = k.dialog.SetAccept(p.Act, theme.ConfirmIcon(), func() {})
	k.accept.OnTapped = k.act
	k.dialog.SetOnClosed(func() { k.closed = true })
	k.look(p.Start)
	p.Beside(func() {
		all := places()
		k.post(func() {
			k.places = all
			left.Refresh()
		})
	})
	if k.name != nil {
		k.dialog.Open(k.name)
		return
	}
	k.dialog.Open(k.rows)
}

// post brings f to the goroutine that draws, unless the dialog is closed by then.
func (k *picker) post(f func()) {
	k.Dispatch(func() {
		if !k.closed {
			f()
		}
	})
}

// placeName gives the name of a place in the window's language.
func (k *picker) placeName(p place) string {
	if p.key == "" {
		return displayed(filepath.Base(p.dir))
	}
	return k.Texts.T("kit.files.place." + p.key)
}

func placeIcon(p place) fyne.Resource {
	switch p.key {
	case "home":
		return theme.HomeIcon()
	case "desktop":
		return theme.DesktopIcon()
	case "documents":
		return theme.DocumentIcon()
	case "downloads":
		return theme.DownloadIcon()
	case "pictures":
		return theme.MediaPhotoIcon()
	case "computer":
		return theme.ComputerIcon()
	}
	return theme.StorageIcon()
}

// look lists a folder, or the nearest above it that is there.
func (k *picker) look(dir string) {
	k.reads++
	number, hidden := k.reads, k.hidden.Checked
	before := k.dir
	k.loading = true
	k.show()
	k.Beside(func() {
		at := nearest(dir)
		entries, err := list(at, hidden, k.Matches)
		k.post(func() {
			if number != k.reads {
				return
			}
			k.loading = false
			if err != nil && before != "" { // It stays where it was.
				k.show()
				k.failed(at, err)
				return
			}
			k.dir, k.entries, k.moved = at, entries, time.Now()
			k.path.SetText(at)
			cursor := 0
			for i, e := range entries { // The folder that one comes up from.
				if filepath.Join(at, e.name) == before {
					cursor = i
				}
			}
			k.rows.reset(cursor)
			k.show()
			if err != nil {
				k.failed(at, err)
			}
		})
	})
}

func (k *picker) failed(dir string, err error) {
	sentence := k.Texts.T("kit.files.unreadable", "Folder", displayed(dir))
	if errors.Is(err, fs.ErrPermission) {
		sentence = k.Texts.T("kit.files.forbidden", "Folder", displayed(dir))
	}
	widgets.ShowError(k.Window, k.Texts, sentence, err)
}

// show shows whether anything is listed and can be chosen.
func (k *picker) show() {
	word := ""
	switch {
	case k.loading && len(k.entries) == 0:
		word = k.Texts.T("kit.files.reading")
	case len(k.entries) == 0 && k.Want == Folder:
		word = k.Texts.T("kit.files.nofolders")
	case len(k.entries) == 0:
		word = k.Texts.T("kit.files.nothing")
	}
	k.word.SetText(word)
	can := k.dir != "" && !k.loading && !k.asking
	switch {
	case k.dir != "" && k.resolve(k.path.Text) != k.dir: // It goes there first.
	case k.Want == File:
		e, ok := k.rows.current()
		can = can && ok && !e.dir
	case k.Want == NewFile:
		_, err := join(k.dir, k.name.Text)
		can = can && err == nil
	}
	if k.accept != nil && can == k.accept.Disabled() {
		if can {
			k.accept.Enable()
		} else {
			k.accept.Disable()
		}
	}
}

// act is what the button does: it takes what is chosen, or goes to a path that was typed and not gone to yet. A folder that
// is there is taken by that.
func (k *picker) act() {
	path := k.resolve(k.path.Text)
	switch {
	case k.accept.Disabled():
	case path == k.dir:
		k.choose()
	case k.Want == Folder:
		k.Beside(func() {
			info, err := os.Stat(path)
			k.post(func() {
				if err != nil || !info.IsDir() {
					k.look(path)
					return
				}
				k.dir = path
				k.finish(path)
			})
		})
	default:
		k.typed(k.path.Text)
	}
}

// resolve gives the path that a text means.
func (k *picker) resolve(text string) string {
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "~"); ok && (rest == "" || rest[0] == filepath.Separator) {
		text = xdg.Home + rest
	}
	if !filepath.IsAbs(text) {
		text = filepath.Join(k.dir, text)
	}
	return filepath.Clean(text)
}

// typed goes to a path that was typed, or to the folder of a file, which it then chooses.
func (k *picker) typed(text string) {
	text = k.resolve(text)
	if text == k.dir {
		if k.Want == Folder {
			k.choose()
		}
		return
	}
	if k.Want != File {
		k.look(text)
		return
	}
	k.Beside(func() {
		info, err := os.Stat(text)
		k.post(func() {
			if err == nil && info.Mode().IsRegular() && k.Matches(filepath.Base(text)) {
				k.finish(text)
				return
			}
			k.look(text)
		})
	})
}

// enter goes into a folder of the list, or has a file be the one that is chosen.
func (k *picker) enter(i int) {
	if i < 0 || i >= len(k.entries) || k.loading {
		return
	}
	e := k.entries[i]
	switch {
	case e.dir:
		k.look(filepath.Join(k.dir, e.name))
	case k.Want == NewFile:
		k.name.SetText(e.name)
	default:
		k.choose()
	}
}

// choose gives what is chosen; a file that would be written over is asked about.
func (k *picker) choose() {
	if k.accept.Disabled() {
		return
	}
	switch k.Want {
	case Folder:
		k.finish(k.dir)
	case File:
		if e, ok := k.rows.current(); ok && !e.dir {
			k.finish(filepath.Join(k.dir, e.name))
		}
	case NewFile:
		path, err := join(k.dir, k.name.Text)
		if err != nil {
			return
		}
		k.asking = true
		k.show()
		k.Beside(func() {
			info, err := os.Stat(path)
			k.post(func() {
				k.asking = false
				k.show()
				name := displayed(filepath.Base(path))
				switch {
				case err != nil:
					k.finish(path)
				case info.IsDir():
					widgets.ShowMessage(k.Window, k.Texts, k.Title, k.Texts.T("kit.files.isfolder", "Name", name))
				default:
					widgets.ConfirmDanger(k.Window, k.Texts, k.Texts.T("kit.files.replace.title"),
						k.Texts.T("kit.files.replace.text", "Name", name), k.Texts.T("kit.files.replace"), func() { k.finish(path) })
				}
			})
		})
	}
}

func (k *picker) finish(path string) {
	if k.follows { // Else, what is written next would lie in the dataset that was opened here.
		k.Settings.SetString(settingFolder, k.dir)
	}
	k.dialog.Close()
	k.Chosen(path)
}

// askFolder makes a folder and goes into it.
func (k *picker) askFolder() {
	tx := k.Texts
	name := widgets.NewEntry()
	d := widgets.NewDialog(k.Window, tx.T("kit.files.folder.title"), tx.T("kit.cancel"), name, 420, 0)
	accept := d.SetAccept(tx.T("kit.files.folder.act"), theme.FolderNewIcon(), func() {
		path, err := join(k.dir, name.Text)
		if err != nil {
			return
		}
		k.Beside(func() {
			err := os.Mkdir(path, 0o755)
			k.post(func() {
				if err != nil && !errors.Is(err, fs.ErrExist) {
					widgets.ShowError(k.Window, tx, tx.T("kit.files.folder.failed", "Name", displayed(filepath.Base(path))), err)
					return
				}
				k.look(path)
			})
		})
	})
	accept.Disable()
	name.OnChanged = func(text string) {
		if _, err := join(k.dir, text); err == nil {
			accept.Enable()
		} else {
			accept.Disable()
		}
	}
	d.Open(name)
}

// displayed gives a name as one line of text, whatever bytes it has.
func displayed(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '␣'
		}
		return r
	}, strings.ToValidUTF8(name, "\ufffd"))
}
