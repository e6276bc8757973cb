package inbox

import (
	"errors"
	"fmt"
	"image"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/dataset"
	"kaika/core/inbox"
	"kaika/core/inbox/remote"
	"kaika/core/secret"
	"kaika/core/thumb"
	"kaika/ui/grid"
	"kaika/ui/i18n"
	"kaika/ui/widgets"
	"kaika/ui/widgets/filepicker"
)

// view is the dialog. Its widgets are there while it is open.
type view struct {
	Params

	p  *presenter
	tx *i18n.Texts

	dialog  *widgets.Dialog // Nil while it is closed.
	place   *widget.Label
	grid    *grid.Grid
	empty   *widgets.Text
	labels  *widgets.List
	answer  *widget.Label
	status  *widget.Label
	suggest *widgets.Button
	other   *widgets.Button
	remove  *widgets.Button
	more    *widgets.Button
	again   *widgets.Button
	acts    *fyne.Container // Holds buttons.
	foot    *fyne.Container // Holds the status.

	asked struct{ address, name string } // For which server, and for whom, the last time.
}

// orders are the orders that can be chosen.
var orders = []inbox.Order{inbox.ByConfidence, inbox.Newest}

func (v *view) open() {
	if v.dialog != nil {
		return
	}
	v.tx = v.Texts()
	tx := v.tx
	folder := widgets.NewButton(tx.T("inbox.folder"), theme.FolderOpenIcon(), v.askFolder)
	server := widgets.NewButton(tx.T("inbox.server"), theme.ComputerIcon(), v.askServer)
	order := widgets.NewSelect([]string{tx.T("inbox.order.confidence"), tx.T("inbox.order.newest")}, nil)
	order.SetSelectedIndex(max(0, slices.Index(orders, v.p.order)))
	order.OnChanged = func(string) { v.p.sortBy(orders[order.SelectedIndex()]) }
	v.again = widgets.NewButton("", theme.ViewRefreshIcon(), v.p.list)
	v.place = widget.NewLabel("")
	v.place.Truncation = fyne.TextTruncateEllipsis
	wide := container.NewGridWrap(fyne.NewSize(196, order.MinSize().Height), order) // Of itself it would be as wide as a few letters.
	top := container.NewBorder(nil, nil, container.NewHBox(folder, server), container.NewHBox(wide, v.again), v.place)

	v.grid = grid.New(grid.Params{
		Window: v.Window, Thumbs: v.p.thumbs, Dispatch: v.Dispatch,
		Length:  func() int { return len(v.p.records) },
		Key:     func(i int) thumb.Key { return keyOf(v.p.records[i]) },
		Caption: func(i int) string { return v.caption(v.p.records[i]) },
		Select:  func() { v.p.pick(v.grid.Selected(), v.grid.Focused()) },
		Open:    v.enlarge,
		Type: func(ev *fyne.KeyEvent) {
			if ev.Name == fyne.KeyDelete || ev.Name == fyne.KeyBackspace {
				v.askToRemove()
				return
			}
			widgets.TypedKey(v.Window, ev)
		},
		Rune: v.typed,
	})
	v.empty = widgets.NewCenteredText("")

	v.labels = widgets.NewList(func() int { return len(v.p.labels) }, func() fyne.CanvasObject {
		l := widget.NewLabel("")
		l.Truncation = fyne.TextTruncateEllipsis
		return l
	}, func(i int, o fyne.CanvasObject) {
		if l, ok := o.(*widget.Label); ok && i < len(v.p.labels) {
			l.SetText(v.line(i))
		}
	})
	v.labels.OnSelected = func(i int) {
		v.labels.UnselectAll()
		v.p.add(v.p.labels[i])
		v.grid.TakeFocus()
	}
	v.other = widgets.NewButton(tx.T("inbox.other"), theme.ContentAddIcon(), v.askLabel)
	heading := widget.NewLabelWithStyle(tx.T("inbox.labels"), fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	right := container.NewBorder(heading, v.other, nil, nil, v.labels)
	split := container.NewHSplit(container.NewStack(v.grid, container.NewCenter(container.NewGridWrap(fyne.NewSize(360, 120), v.empty))), right)
	split.Offset = 0.74

	v.answer = widget.NewLabel("")
	v.answer.Truncation = fyne.TextTruncateEllipsis
	v.status = widget.NewLabel("")
	v.status.Truncation = fyne.TextTruncateEllipsis
	v.suggest = widgets.NewButton("", theme.ConfirmIcon(), func() {
		v.p.add(v.p.suggestion())
		v.grid.TakeFocus()
	})
	v.suggest.Importance = widget.HighImportance
	v.remove = widgets.NewButton(tx.T("inbox.remove"), theme.DeleteIcon(), v.askToRemove)
	v.more = widgets.NewButton(tx.T("inbox.more"), nil, v.p.more)
	leaves := widgets.NewCheck(tx.T("inbox.leaves"), func(on bool) { v.p.setStays(!on) })
	leaves.Checked = !v.p.stays()
	v.acts = container.NewHBox(v.suggest, v.remove, layout.NewSpacer(), leaves)
	v.foot = container.NewBorder(nil, nil, nil, v.more, v.status)
	bottom := container.NewVBox(v.answer, v.acts, v.foot)
	v.dialog = widgets.NewDialog(v.Window, tx.T("inbox.title"), tx.T("kit.close"), container.NewBorder(top, bottom, nil, nil, split), 1000, 720)
	v.dialog.SetOnClosed(v.closed)
	v.p.reopen()
	v.dialog.Open(folder)
	v.draw()
	v.grid.TakeFocus()
}

// close closes the dialog, if it is open.
func (v *view) close() {
	if v.dialog != nil {
		v.dialog.Close()
	}
}

// closed is called when the dialog has closed.
func (v *view) closed() {
	v.grid.Close()
	v.dialog = nil
}

// caption says what the model took a photo for, and how sure it was.
func (v *view) caption(r inbox.Record) string {
	if len(r.Predictions) == 0 {
		return v.tx.T("inbox.unknown")
	}
	return v.tx.T("inbox.caption", "Label", r.Predictions[0].Label, "Share", v.tx.Percent(float64(r.Predictions[0].Score), 1))
}

// line is a label in the list, with its key.
func (v *view) line(i int) string {
	if i < 10 {
		return v.tx.T("inbox.label.key", "Key", strconv.Itoa((i+1)%10), "Label", v.p.labels[i])
	}
	return v.p.labels[i]
}

// draw implements screen.
func (v *view) draw() {
	if v.dialog == nil {
		return
	}
	v.place.SetText(v.p.place)
	v.grid.Reload()
	v.labels.Refresh()
	switch {
	case len(v.p.records) > 0:
		v.empty.SetText("")
	case v.p.loading:
		v.empty.SetText(v.tx.T("inbox.loading"))
	case v.p.source == nil:
		v.empty.SetText(v.tx.T("inbox.none"))
	case v.p.hasMore():
		v.empty.SetText(v.tx.T("inbox.rest"))
	default:
		v.empty.SetText(v.tx.T("inbox.empty"))
	}
	show(v.more, v.p.hasMore() && !v.p.loading)
	v.foot.Refresh()
	enable(v.again, v.p.source != nil && !v.p.loading)
	v.drawPicked()
	places, focus := v.p.picked()
	v.grid.SetSelection(places, focus)
	if focus >= 0 {
		v.grid.ShowItem(focus)
	}
}

// drawPicked implements screen.
func (v *view) drawPicked() {
	if v.dialog == nil {
		return
	}
	text := ""
	if r, ok := v.p.focused(); ok {
		var parts []string
		for _, p := range r.Predictions[:min(len(r.Predictions), 4)] {
			parts = append(parts, v.tx.T("inbox.caption", "Label", p.Label, "Share", v.tx.Percent(float64(p.Score), 1)))
		}
		text = strings.Join(append(parts, v.tx.Time(r.Kept)), " · ")
	}
	v.answer.SetText(text)
	label := v.p.suggestion()
	v.suggest.SetText(v.tx.T("inbox.add", "Label", shortened(label)))
	show(v.suggest, label != "")
	v.acts.Refresh() // The button is as wide as its text.
	_, focus := v.p.picked()
	some := focus >= 0 || len(v.p.selected) > 0
	enable(v.suggest, some && v.p.dataset != nil)
	enable(v.other, some && v.p.dataset != nil)
	enable(v.remove, some)
	v.status.SetText(v.said())
}

// said is the word about what is there, and what was done.
func (v *view) said() string {
	var parts []string
	switch so := v.p.last; {
	case v.p.busy > 0:
		parts = append(parts, v.tx.N("inbox.busy", v.p.busy))
	case so.added > 0 || so.already > 0:
		if so.added > 0 {
			parts = append(parts, v.tx.N("inbox.added", so.added, "Label", so.label))
		}
		if so.already > 0 {
			parts = append(parts, v.tx.N("inbox.already", so.already))
		}
	case so.removed > 0:
		parts = append(parts, v.tx.N("inbox.removed", so.removed))
	}
	if v.p.last.gone > 0 {
		parts = append(parts, v.tx.N("inbox.gone", v.p.last.gone))
	}
	if v.p.source != nil {
		parts = append(parts, v.tx.T("inbox.count", "Shown", v.tx.Number(len(v.p.records)), "Total", v.tx.Number(max(v.p.total, len(v.p.records)))))
	}
	if n := len(v.p.selected); n > 1 {
		parts = append(parts, v.tx.N("inbox.selected", n))
	}
	if v.p.dataset == nil {
		parts = append(parts, v.tx.T("inbox.nodataset"))
	}
	return strings.Join(parts, " · ")
}

// shortened makes a label fit on a button.
func shortened(label string) string {
	const most = 24
	if r := []rune(label); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return label
}

// typed does what a character is for. Full-width ones are what a Japanese keyboard types.
func (v *view) typed(r rune) {
	if r >= '！' && r <= '～' {
		r -= '！' - '!'
	}
	switch {
	case r >= '0' && r <= '9':
		if label, ok := v.p.number(int(r - '0')); ok {
			v.p.add(label)
		}
	case r == 'a' || r == 'A':
		v.p.add(v.p.suggestion())
	}
}

// askFolder asks for a folder of kept photos.
func (v *view) askFolder() {
	filepicker.Show(filepicker.Params{
		Window: v.Window, Texts: v.tx, Dispatch: v.Dispatch, Beside: v.p.work.Go, Settings: v.Preferences, Title: v.tx.T("inbox.folder.title"), Act: v.tx.T("inbox.open"),
		Want: filepicker.Folder, Chosen: v.p.openFolder,
	})
}

// askServer asks for a server's address, and who may see its photos. A password that is kept is never shown.
func (v *view) askServer() {
	tx := v.tx
	address, name, password := widgets.NewEntry(), widgets.NewEntry(), widgets.NewEntry()
	password.Password = true
	address.SetPlaceHolder("https://photos.example.org")
	password.SetPlaceHolder(tx.T("inbox.server.kept"))
	address.SetText(v.asked.address)
	name.SetText(v.asked.name)
	if v.asked.address == "" && isServer(v.p.place) {
		address.SetText(v.p.place)
	}
	warning := widgets.NewText("")
	warning.Importance = widget.WarningImportance
	form := widget.NewForm(
		widget.NewFormItem(tx.T("inbox.server.address"), address),
		widget.NewFormItem(tx.T("inbox.server.name"), name),
		widget.NewFormItem(tx.T("inbox.server.password"), password),
	)
	d := widgets.NewDialog(v.Window, tx.T("inbox.server.title"), tx.T("kit.cancel"), container.NewVBox(widgets.NewText(tx.T("inbox.server.text")), form, warning), 520, 0)
	yes := d.SetAccept(tx.T("inbox.open"), theme.ConfirmIcon(), func() {
		v.asked.address, v.asked.name = address.Text, name.Text // To be corrected, if the server does not take them.
		v.p.openServer(address.Text, secret.Credentials{Key: secret.New(name.Text), Secret: secret.New(password.Text)})
	})
	address.OnChanged = func(text string) {
		at, err := remote.Parse(text)
		enable(yes, err == nil)
		warning.SetText("")
		if err == nil && remote.Readable(at) {
			warning.SetText(tx.T("inbox.server.readable"))
		}
		d.Fit()
	}
	address.OnChanged(address.Text)
	d.Open(address)
}

// askLabel asks for a label that is not in the list yet.
func (v *view) askLabel() {
	entry := widgets.NewEntry()
	d := widgets.NewDialog(v.Window, v.tx.T("inbox.other.title"), v.tx.T("kit.cancel"), entry, 420, 0)
	yes := d.SetAccept(v.tx.T("inbox.other.act"), theme.ConfirmIcon(), func() {
		v.p.add(strings.TrimSpace(entry.Text))
		v.grid.TakeFocus()
	})
	entry.OnChanged = func(text string) { enable(yes, strings.TrimSpace(text) != "") }
	entry.OnChanged("")
	d.Open(entry)
}

// askToRemove removes photos for good if the user says so.
func (v *view) askToRemove() {
	places, focus := v.p.picked()
	n := len(places)
	if n == 0 && focus >= 0 {
		n = 1
	}
	if n == 0 {
		return
	}
	widgets.ConfirmDanger(v.Window, v.tx, v.tx.T("inbox.remove.title"), v.tx.N("inbox.remove.text", n), v.tx.T("inbox.remove"), func() {
		v.p.remove()
		if v.dialog != nil {
			v.grid.TakeFocus()
		}
	})
}

// enlarge shows a photo larger, with all that the model said of it.
func (v *view) enlarge(i int) {
	if i < 0 || i >= len(v.p.records) {
		return
	}
	r := v.p.records[i]
	photo := &canvas.Image{FillMode: canvas.ImageFillContain, ScaleMode: canvas.ImageScaleFastest}
	photo.SetMinSize(fyne.NewSize(240, 180))
	word := widgets.NewCenteredText(v.tx.T("inbox.loading"))
	bars := container.NewVBox()
	for n, p := range r.Predictions {
		b := widgets.NewBar()
		b.Set(p.Label, float64(p.Score), v.tx.Percent(float64(p.Score), 2), n == 0)
		bars.Add(b)
	}
	split := container.NewHSplit(container.NewStack(photo, word), container.NewVScroll(bars))
	split.Offset = 0.6
	d := widgets.NewDialog(v.Window, v.caption(r), v.tx.T("kit.close"), split, 960, 640)
	stop := v.p.thumbs.load(r.ID, func(img image.Image, err error) {
		word.SetText("")
		if err != nil {
			word.SetText(v.tx.T("inbox.unreadable"))
			return
		}
		photo.Image = img
		photo.Refresh()
	})
	d.SetOnClosed(stop)
	d.Open(nil)
}

// fail implements screen.
func (v *view) fail(what failure, err error) {
	if v.tx == nil {
		return
	}
	sentence := ""
	switch {
	case errors.Is(err, remote.ErrPassword):
		sentence = v.tx.T("inbox.failed.password")
	case what == failedOpen && errors.Is(err, fs.ErrNotExist):
		sentence = v.tx.T("inbox.failed.nofolder")
	case what == failedOpen:
		sentence = v.tx.T("inbox.failed.open")
	case what == failedList:
		sentence = v.tx.T("inbox.failed.list")
	case what == failedTrash:
		sentence = v.tx.T("inbox.failed.trash")
	case what == failedAdd && (errors.Is(err, dataset.ErrLabelName) || errors.Is(err, dataset.ErrLabelClash)):
		sentence = v.tx.T("inbox.failed.label")
	case what == failedAdd:
		sentence = v.tx.T("inbox.failed.add")
	case what == failedRemove:
		sentence = v.tx.T("inbox.failed.remove")
	case what == failedKeep:
		sentence = v.tx.T("inbox.failed.keep")
	default:
		sentence = fmt.Sprint(err)
	}
	widgets.ShowError(v.Window, v.tx, sentence, err)
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
