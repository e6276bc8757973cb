package review

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// lineText is what a line of the list of sections says.
type lineText struct {
	icon             fyne.Resource
	key, name, count string
}

// line draws a line of the list of sections.
type line struct {
	widget.BaseWidget

	mark             *canvas.Rectangle // Drawn while something is dragged over it.
	key, name, count *widget.Label
	icon             *widget.Icon
	marked           bool
}

func newLine() *line {
	l := &line{
		mark: &canvas.Rectangle{FillColor: color.Transparent, StrokeWidth: 2, CornerRadius: 4},
		key:  widget.NewLabel(""), name: widget.NewLabel(""), count: widget.NewLabel(""), icon: widget.NewIcon(nil),
	}
	l.mark.Hide()
	l.key.SizeName = theme.SizeNameCaptionText
	l.key.TextStyle.Monospace = true
	l.count.Alignment = fyne.TextAlignTrailing
	l.name.Truncation = fyne.TextTruncateEllipsis
	l.ExtendBaseWidget(l)
	return l
}

func (l *line) set(t lineText, marked bool) {
	l.icon.SetResource(t.icon)
	l.key.SetText(t.key)
	l.name.SetText(t.name)
	l.count.SetText(t.count)
	l.marked = marked
	l.Refresh()
}

// Refresh implements fyne.CanvasObject.
func (l *line) Refresh() {
	l.mark.StrokeColor = l.Theme().Color(theme.ColorNamePrimary, fyne.CurrentApp().Settings().ThemeVariant())
	show(l.mark, l.marked)
	l.BaseWidget.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (l *line) CreateRenderer() fyne.WidgetRenderer {
	// All number keys are as wide as one, so that the names begin at one place.
	width := canvas.NewRectangle(color.Transparent)
	width.SetMinSize(fyne.NewSize(22, 0))
	left := container.New(layout.NewCustomPaddedLayout(0, 0, theme.Padding(), 0), l.icon)
	right := container.New(layout.NewCustomPaddedHBoxLayout(0), l.count, container.NewStack(width, l.key))
	return widget.NewSimpleRenderer(container.NewStack(l.mark, container.NewBorder(nil, nil, left, right, l.name)))
}
