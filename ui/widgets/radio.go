package widgets

import (
	"image/color"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// RadioGroup is a choice of one of a few options, which are all seen. Tab goes through them; Space and Enter choose. (Those of
// Fyne's keep the keys that they have no use for to themselves, and do not tell when they take the focus.)
type RadioGroup struct {
	widget.DisableableWidget

	Options    []string
	Selected   string
	OnChanged  func(string)
	Horizontal bool   // They stand beside each other. It is set before the group is shown.
	Gained     func() // One of them has taken the focus; nil is [TookFocus].

	items []*radio
	box   *fyne.Container // Holds them.
}

// NewRadioGroup gives a choice, of which none is chosen yet.
func NewRadioGroup(options []string, changed func(string)) *RadioGroup {
	g := &RadioGroup{Options: options, OnChanged: changed, box: container.NewWithoutLayout()}
	g.ExtendBaseWidget(g)
	g.fill()
	return g
}

// SetSelected chooses an option.
func (g *RadioGroup) SetSelected(option string) {
	if option == g.Selected || !slices.Contains(g.Options, option) {
		return
	}
	g.Selected = option
	g.Refresh()
	if g.OnChanged != nil {
		g.OnChanged(option)
	}
}

// Refresh implements fyne.CanvasObject.
func (g *RadioGroup) Refresh() {
	g.fill()
	g.BaseWidget.Refresh()
}

// fill has an item for each option. Those that are there stay: one of them may have the focus.
func (g *RadioGroup) fill() {
	for len(g.items) < len(g.Options) {
		g.items = append(g.items, newRadio(g))
	}
	g.items = g.items[:len(g.Options)]
	g.box.Layout = layout.NewVBoxLayout()
	if g.Horizontal {
		g.box.Layout = layout.NewHBoxLayout()
	}
	if len(g.box.Objects) != len(g.items) {
		g.box.RemoveAll()
		for _, r := range g.items {
			g.box.Add(r)
		}
	}
	for i, r := range g.items {
		r.option = g.Options[i]
		switch {
		case g.Disabled() == r.Disabled():
			r.Refresh()
		case g.Disabled():
			r.Disable()
		default:
			r.Enable()
		}
	}
}

// CreateRenderer implements fyne.Widget.
func (g *RadioGroup) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(g.box) }

// radio is one option.
type radio struct {
	widget.DisableableWidget

	group            *RadioGroup
	option           string
	focused, hovered bool

	glow      *canvas.Circle // Around the circle while it has the focus, or the pointer is there.
	fill, rim *widget.Icon
	text      *canvas.Text
}

var (
	_ fyne.Focusable    = (*radio)(nil)
	_ fyne.Tappable     = (*radio)(nil)
	_ desktop.Hoverable = (*radio)(nil)
)

func newRadio(g *RadioGroup) *radio {
	r := &radio{group: g, glow: &canvas.Circle{}, fill: widget.NewIcon(nil), rim: widget.NewIcon(nil), text: &canvas.Text{}}
	r.ExtendBaseWidget(r)
	return r
}

// Tapped implements fyne.Tappable.
func (r *radio) Tapped(*fyne.PointEvent) {
	if c := fyne.CurrentApp().Driver().CanvasForObject(r); c != nil {
		c.Focus(r)
	}
	r.choose()
}

func (r *radio) choose() {
	if !r.Disabled() {
		r.group.SetSelected(r.option)
	}
}

// FocusGained implements fyne.Focusable.
func (r *radio) FocusGained() {
	r.focused = true
	r.Refresh()
	gained(r, r.group.Gained)
}

// FocusLost implements fyne.Focusable.
func (r *radio) FocusLost() {
	r.focused = false
	r.Refresh()
}

// TypedRune implements fyne.Focusable. Space comes as a key, too.
func (*radio) TypedRune(rune) {}

// TypedKey implements fyne.Focusable.
func (r *radio) TypedKey(ev *fyne.KeyEvent) {
	if ev.Name == fyne.KeySpace || isEnter(ev) {
		r.choose()
		return
	}
	HandOn(r, ev)
}

// MouseIn implements desktop.Hoverable.
func (r *radio) MouseIn(*desktop.MouseEvent) {
	r.hovered = true
	r.Refresh()
}

// MouseMoved implements desktop.Hoverable.
func (*radio) MouseMoved(*desktop.MouseEvent) {}

// MouseOut implements desktop.Hoverable.
func (r *radio) MouseOut() {
	r.hovered = false
	r.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (r *radio) CreateRenderer() fyne.WidgetRenderer {
	rr := &radioRenderer{r}
	rr.update()
	return rr
}

type radioRenderer struct{ r *radio }

func (*radioRenderer) Destroy() {}

func (rr *radioRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{rr.r.glow, rr.r.fill, rr.r.rim, rr.r.text}
}

func (rr *radioRenderer) MinSize() fyne.Size {
	text := rr.r.text.MinSize()
	mark := theme.IconInlineSize() + theme.InnerPadding()
	return fyne.NewSize(mark+2*theme.Padding()+text.Width, max(mark, text.Height)+theme.Padding())
}

func (rr *radioRenderer) Layout(size fyne.Size) {
	icon, inner := theme.IconInlineSize(), theme.InnerPadding()
	mark := icon + inner
	rr.r.glow.Resize(fyne.NewSquareSize(mark))
	rr.r.glow.Move(fyne.NewPos(0, (size.Height-mark)/2))
	for _, o := range []fyne.CanvasObject{rr.r.fill, rr.r.rim} {
		o.Resize(fyne.NewSquareSize(icon))
		o.Move(fyne.NewPos(inner/2, (size.Height-icon)/2))
	}
	rr.r.text.Resize(size)
	rr.r.text.Move(fyne.NewPos(mark+theme.Padding(), 0))
}

func (rr *radioRenderer) Refresh() {
	rr.update()
	canvas.Refresh(rr.r)
}

func (rr *radioRenderer) update() {
	r := rr.r
	th, variant := r.Theme(), fyne.CurrentApp().Settings().ThemeVariant()
	fill, rim, text := theme.ColorNameInputBackground, theme.ColorNameInputBorder, theme.ColorNameForeground
	if chosen := r.option == r.group.Selected; chosen {
		fill, rim = theme.ColorNamePrimary, theme.ColorNameForeground
		if r.Disabled() {
			fill = theme.ColorNameDisabled
		}
	}
	if r.Disabled() {
		rim, text = theme.ColorNameDisabled, theme.ColorNameDisabled
	}
	r.glow.FillColor = color.Transparent
	switch {
	case r.Disabled():
	case r.focused:
		r.glow.FillColor = th.Color(theme.ColorNameFocus, variant)
	case r.hovered:
		r.glow.FillColor = th.Color(theme.ColorNameHover, variant)
	}
	r.text.Text, r.text.TextSize, r.text.Color = r.option, th.Size(theme.SizeNameText), th.Color(text, variant)
	r.fill.SetResource(theme.NewColoredResource(th.Icon(theme.IconNameRadioButtonFill), fill))
	r.rim.SetResource(theme.NewColoredResource(th.Icon(theme.IconNameRadioButton), rim))
}
