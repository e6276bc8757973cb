// Package widgets holds what several tabs show alike: dialogs, sentences, placeholders and bars of probability.
package widgets

import (
	"context"
	"errors"
	"image/color"
	"slices"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/i18n"
	kaikatheme "kaika/ui/theme"
)

// ShowError tells of an error in a dialog: what did not work and what to do, in the user's language; the error's own
// text lies folded away below, to be copied. What the user cancelled is no error and shows nothing.
func ShowError(w fyne.Window, tx *i18n.Texts, sentence string, err error) {
	if cancelled(err) {
		return
	}
	content := container.NewVBox(NewText(sentence))
	d := NewDialog(w, tx.T("kit.error.title"), tx.T("kit.close"), content, 520, 0)
	d.SetIcon(theme.ErrorIcon())
	if err != nil {
		details := widget.NewLabel(err.Error())
		details.Wrapping = fyne.TextWrapBreak
		scroll := container.NewVScroll(details)
		scroll.SetMinSize(fyne.NewSize(0, 96))
		copied := NewButton(tx.T("kit.error.copy"), theme.ContentCopyIcon(), func() {
			fyne.CurrentApp().Clipboard().SetContent(sentence + "\n\n" + err.Error())
		})
		folded := container.NewVBox(scroll, container.NewHBox(layout.NewSpacer(), copied))
		folded.Hide()
		fold := NewButton(tx.T("kit.error.details"), theme.MenuDropDownIcon(), nil)
		fold.OnTapped = func() {
			if folded.Hidden {
				folded.Show()
				fold.SetIcon(theme.MenuDropUpIcon())
			} else {
				folded.Hide()
				fold.SetIcon(theme.MenuDropDownIcon())
			}
			d.Fit()
		}
		fold.Importance = widget.LowImportance
		content.Add(container.NewHBox(fold, layout.NewSpacer()))
		content.Add(folded)
	}
	d.Open(nil)
}

// cancelled tells whether an error says only that the user cancelled: of several that were joined, each has to.
func cancelled(err error) bool {
	if !errors.Is(err, context.Canceled) {
		return false
	}
	for err != nil {
		if joined, ok := err.(interface{ Unwrap() []error }); ok { // This goes down the chain itself.
			return !slices.ContainsFunc(joined.Unwrap(), func(err error) bool { return !cancelled(err) })
		}
		err = errors.Unwrap(err)
	}
	return true
}

// ShowMessage tells something in a dialog.
func ShowMessage(w fyne.Window, tx *i18n.Texts, title, text string) {
	NewDialog(w, title, tx.T("kit.close"), NewText(text), 460, 0).Open(nil)
}

// Confirm asks whether something is to be done. act says what, as the words of the button, which Enter is for.
func Confirm(w fyne.Window, tx *i18n.Texts, title, text, act string, confirmed func()) {
	d := NewDialog(w, title, tx.T("kit.cancel"), NewText(text), 460, 0)
	d.SetIcon(theme.QuestionIcon())
	d.SetAccept(act, theme.ConfirmIcon(), confirmed)
	d.Open(nil)
}

// ConfirmDanger asks before something that cannot be undone. act says what will be done, as the words of the button;
// the keyboard's focus lies on the other one.
func ConfirmDanger(w fyne.Window, tx *i18n.Texts, title, text, act string, confirmed func()) {
	d := NewDialog(w, title, tx.T("kit.cancel"), NewText(text), 460, 0)
	d.SetIcon(theme.WarningIcon())
	d.SetDanger(act, confirmed)
	d.Open(nil)
}

// Fit gives a size for a dialog: as wanted, but smaller than the window.
func Fit(w fyne.Window, width, height float32) fyne.Size {
	room := w.Canvas().Size()
	return fyne.NewSize(min(width, room.Width*0.92), min(height, room.Height*0.92))
}

// Action is a button of a placeholder.
type Action struct {
	Text string
	Icon fyne.Resource
	Do   func()
}

// Empty is what a tab shows when there is nothing to show yet: what it is for, and what to do. The first action is the
// usual one.
func Empty(icon fyne.Resource, title, text string, actions ...Action) fyne.CanvasObject {
	picture := widget.NewIcon(icon)
	heading, words := NewCenteredText(title), NewCenteredText(text)
	heading.TextStyle.Bold, heading.SizeName = true, theme.SizeNameSubHeadingText
	buttons := container.NewHBox(layout.NewSpacer())
	for i, a := range actions {
		b := NewButton(a.Text, a.Icon, a.Do)
		if i == 0 {
			b.Importance = widget.HighImportance
		}
		buttons.Add(b)
	}
	buttons.Add(layout.NewSpacer())
	column := container.NewVBox(container.NewCenter(container.NewGridWrap(fyne.NewSquareSize(64), picture)), heading, words, buttons)
	return container.New(&column520{}, column)
}

// column520 lays its one object out in the middle, at most 520 wide.
type column520 struct{}

func (*column520) MinSize(objects []fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(280, objects[0].MinSize().Height)
}

func (*column520) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	width := min(520, size.Width)
	objects[0].Resize(fyne.NewSize(width, size.Height)) // First, because wrapped text has its height by its width.
	height := min(objects[0].MinSize().Height, size.Height)
	objects[0].Resize(fyne.NewSize(width, height))
	objects[0].Move(fyne.NewPos((size.Width-width)/2, (size.Height-height)/2))
}

// NewProgressBar gives a bar that writes percents as texts do. It says 100 % only at the end.
func NewProgressBar() *widget.ProgressBar {
	b := widget.NewProgressBar()
	b.TextFormatter = func() string { return strconv.Itoa(int(100*(b.Value-b.Min)/(b.Max-b.Min))) + " %" }
	return b
}

// Bar is a bar as long as a share: a label, the bar, and the share in words.
type Bar struct {
	widget.BaseWidget

	label, value *widget.Label
	track, fill  *canvas.Rectangle
	share        float64
	strong       bool
}

// NewBar gives a bar without content.
func NewBar() *Bar {
	b := &Bar{label: widget.NewLabel(""), value: widget.NewLabel(""), track: canvas.NewRectangle(color.Transparent), fill: canvas.NewRectangle(color.Transparent)}
	b.label.Truncation = fyne.TextTruncateEllipsis
	b.value.Alignment = fyne.TextAlignTrailing
	b.track.CornerRadius, b.fill.CornerRadius = 4, 4
	b.ExtendBaseWidget(b)
	return b
}

// Set sets the label, the share of 0 to 1 and the share in words; a strong bar stands out, as that of the answer does.
func (b *Bar) Set(label string, share float64, value string, strong bool) {
	b.share, b.strong = min(max(share, 0), 1), strong
	b.label.TextStyle.Bold, b.value.TextStyle.Bold = strong, strong
	b.label.SetText(label)
	b.value.SetText(value)
	b.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (b *Bar) CreateRenderer() fyne.WidgetRenderer {
	r := &barRenderer{b}
	r.Refresh()
	return r
}

type barRenderer struct{ b *Bar }

func (r *barRenderer) Destroy() {}

func (r *barRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.b.track, r.b.fill, r.b.label, r.b.value}
}

func (r *barRenderer) MinSize() fyne.Size {
	return fyne.NewSize(180, max(r.b.label.MinSize().Height, r.b.value.MinSize().Height))
}

// Layout gives the label a third, the value what it needs and the bar the rest.
func (r *barRenderer) Layout(size fyne.Size) {
	const thick = 12
	label := min(max(96, size.Width/3), 240)
	value := max(r.b.value.MinSize().Width, 84)
	r.b.label.Resize(fyne.NewSize(label, size.Height))
	r.b.label.Move(fyne.NewPos(0, 0))
	r.b.value.Resize(fyne.NewSize(value, size.Height))
	r.b.value.Move(fyne.NewPos(size.Width-value, 0))
	room := max(0, size.Width-label-value)
	at := fyne.NewPos(label, (size.Height-thick)/2)
	r.b.track.Move(at)
	r.b.track.Resize(fyne.NewSize(room, thick))
	r.b.fill.Move(at)
	r.b.fill.Resize(fyne.NewSize(room*float32(r.b.share), thick))
}

func (r *barRenderer) Refresh() {
	th, variant := r.b.Theme(), fyne.CurrentApp().Settings().ThemeVariant()
	r.b.track.FillColor = th.Color(kaikatheme.ColorNameBarTrack, variant)
	r.b.fill.FillColor = th.Color(theme.ColorNamePlaceHolder, variant)
	if r.b.strong {
		r.b.fill.FillColor = th.Color(theme.ColorNamePrimary, variant)
	}
	r.Layout(r.b.Size())
	r.b.track.Refresh()
	r.b.fill.Refresh()
	r.b.label.Refresh()
	r.b.value.Refresh()
}
