package filepicker

import (
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/widgets"
)

// rows lists the folder that is looked at. The keyboard's cursor is the row that is chosen.
type rows struct {
	widgets.List

	k      *picker
	cursor int
	tapped time.Time // When a row was tapped last.
}

func newRows(k *picker) *rows {
	r := &rows{k: k}
	r.Length = func() int { return len(k.entries) }
	r.CreateItem = func() fyne.CanvasObject { return newLine() }
	r.UpdateItem = func(i widget.ListItemID, o fyne.CanvasObject) {
		if l, ok := o.(*line); ok && i < len(k.entries) {
			icon := theme.FileImageIcon()
			if e := k.entries[i]; e.dir {
				icon = theme.FolderIcon()
			} else if k.Want == NewFile {
				icon = theme.FileIcon()
			}
			l.set(icon, displayed(k.entries[i].name), i == r.cursor)
		}
	}
	r.HideSeparators = true
	r.OnSelected = r.tap
	r.ExtendBaseWidget(r)
	return r
}

// reset shows another folder.
func (r *rows) reset(cursor int) {
	r.cursor = cursor
	r.Refresh()
	r.ScrollTo(cursor)
}

// current gives the entry at the cursor.
func (r *rows) current() (entry, bool) {
	if r.cursor < 0 || r.cursor >= len(r.k.entries) {
		return entry{}, false
	}
	return r.k.entries[r.cursor], true
}

// tap goes into a folder at once; a file is chosen by the first tap and taken by the second.
func (r *rows) tap(i widget.ListItemID) {
	r.UnselectAll() // So that it can be tapped again.
	now, before, at := time.Now(), r.tapped, r.cursor
	r.tapped = now
	twice := fyne.CurrentApp().Driver().DoubleTapDelay()
	if i >= len(r.k.entries) || now.Sub(r.k.moved) < twice && now.Sub(before) < twice {
		return // The second of two taps, the first of which has gone into the folder.
	}
	r.move(i)
	e := r.k.entries[i]
	if e.dir || r.k.Want == NewFile || at == i && now.Sub(before) < twice {
		r.k.enter(i)
	}
}

func (r *rows) move(to int) {
	to = min(max(to, 0), max(0, len(r.k.entries)-1))
	before := r.cursor
	r.cursor = to
	r.k.path.SetText(r.k.dir) // What is chosen last counts, not what was typed before.
	r.RefreshItem(before)
	r.RefreshItem(to)
	r.ScrollTo(to)
	r.k.show()
}

// TypedKey implements fyne.Focusable.
func (r *rows) TypedKey(ev *fyne.KeyEvent) {
	const page = 10
	switch ev.Name {
	case fyne.KeyDown:
		r.move(r.cursor + 1)
	case fyne.KeyUp:
		r.move(r.cursor - 1)
	case fyne.KeyPageDown:
		r.move(r.cursor + page)
	case fyne.KeyPageUp:
		r.move(r.cursor - page)
	case fyne.KeyHome:
		r.move(0)
	case fyne.KeyEnd:
		r.move(len(r.k.entries))
	case fyne.KeyBackspace, fyne.KeyLeft:
		r.k.look(filepath.Dir(r.k.dir))
	case fyne.KeyRight:
		if e, ok := r.current(); ok && e.dir {
			r.k.enter(r.cursor)
		}
	case fyne.KeySpace:
		r.k.enter(r.cursor)
	case fyne.KeyReturn, fyne.KeyEnter:
		if _, ok := r.current(); ok {
			r.k.enter(r.cursor)
		} else {
			r.k.choose()
		}
	default:
		widgets.TypedKey(r.k.Window, ev)
	}
}

// TypedRune implements fyne.Focusable: it goes to the next name that begins with a letter.
func (r *rows) TypedRune(letter rune) {
	wanted := string(unicode.ToLower(letter))
	for n := 1; n <= len(r.k.entries); n++ {
		i := (r.cursor + n) % len(r.k.entries)
		if strings.HasPrefix(strings.ToLower(r.k.entries[i].name), wanted) {
			r.move(i)
			return
		}
	}
}

// line is a row: an icon and a name, on a ground where the cursor is.
type line struct {
	widget.BaseWidget

	ground *canvas.Rectangle
	icon   *widget.Icon
	name   *widget.Label
}

func newLine() *line {
	l := &line{ground: &canvas.Rectangle{}, icon: widget.NewIcon(nil), name: widget.NewLabel("")}
	l.name.Truncation = fyne.TextTruncateEllipsis
	l.ground.Hide()
	l.ExtendBaseWidget(l)
	return l
}

func (l *line) set(icon fyne.Resource, name string, chosen bool) {
	th := l.Theme()
	l.ground.FillColor = th.Color(theme.ColorNameSelection, fyne.CurrentApp().Settings().ThemeVariant())
	l.ground.CornerRadius = th.Size(theme.SizeNameSelectionRadius)
	l.ground.Hidden = !chosen
	l.icon.SetResource(icon)
	l.name.SetText(name)
	l.ground.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (l *line) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(container.NewStack(l.ground, container.NewBorder(nil, nil, container.NewPadded(l.icon), nil, l.name)))
}
