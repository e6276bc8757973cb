package classify

import (
	"image"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/widgets"
)

// A stage shows one photo as large as there is room. With the keyboard's focus it takes the keys of the tab.
type stage struct {
	widget.BaseWidget

	window     fyne.Window    // The one that it is in. (The driver does not know the canvas of what was never drawn.)
	onRoom     func(side int) // Called with the pixels that there are for the photo.
	onKey      func(fyne.KeyName)
	onShortcut func(fyne.Shortcut)

	photo   *canvas.Image
	ground  *canvas.Rectangle
	ring    *canvas.Rectangle // Shows the focus.
	icon    *widget.Icon
	focused bool
}

var (
	_ fyne.Focusable    = (*stage)(nil)
	_ fyne.Shortcutable = (*stage)(nil)
	_ fyne.Tappable     = (*stage)(nil)
)

func newStage(window fyne.Window) *stage {
	s := &stage{
		window: window,
		photo:  &canvas.Image{FillMode: canvas.ImageFillContain, ScaleMode: canvas.ImageScaleFastest},
		ground: canvas.NewRectangle(color.Transparent), ring: canvas.NewRectangle(color.Transparent),
		icon: widget.NewIcon(nil),
	}
	s.ground.CornerRadius, s.ring.CornerRadius, s.photo.CornerRadius = 8, 8, 4
	s.ring.StrokeWidth = 2
	s.photo.Hide()
	s.ExtendBaseWidget(s)
	return s
}

// set shows a picture, or an icon where there is none.
func (s *stage) set(img image.Image, icon fyne.Resource) {
	if img != nil {
		if s.photo.Image != img {
			s.photo.Image = img
			s.photo.Refresh()
		}
		s.photo.Show()
		s.icon.Hide()
		return
	}
	s.photo.Image = nil
	s.photo.Hide()
	s.icon.SetResource(icon)
	s.icon.Show()
}

// Resize implements fyne.CanvasObject.
func (s *stage) Resize(size fyne.Size) {
	s.BaseWidget.Resize(size)
	scale := s.window.Canvas().Scale()
	if s.onRoom != nil && size.Width > 0 && size.Height > 0 {
		s.onRoom(int(max(size.Width, size.Height) * scale))
	}
}

// FocusGained implements fyne.Focusable.
func (s *stage) FocusGained() { s.focused = true; s.Refresh() }

// FocusLost implements fyne.Focusable.
func (s *stage) FocusLost() { s.focused = false; s.Refresh() }

// TypedRune implements fyne.Focusable.
func (s *stage) TypedRune(rune) {}

// TypedKey implements fyne.Focusable.
func (s *stage) TypedKey(e *fyne.KeyEvent) {
	if !widgets.HandOn(s, e) {
		s.onKey(e.Name)
	}
}

// TypedShortcut implements fyne.Shortcutable.
func (s *stage) TypedShortcut(shortcut fyne.Shortcut) { s.onShortcut(shortcut) }

// Tapped implements fyne.Tappable: a click gives the stage the focus.
func (s *stage) Tapped(*fyne.PointEvent) { s.window.Canvas().Focus(s) }

// CreateRenderer implements fyne.Widget.
func (s *stage) CreateRenderer() fyne.WidgetRenderer {
	r := &stageRenderer{s}
	r.Refresh()
	return r
}

// A zone is the ground on which photos are to be dropped. It takes its colours anew when the theme changes.
type zone struct {
	widget.BaseWidget

	ground *canvas.Rectangle
}

func newZone() *zone {
	z := &zone{ground: canvas.NewRectangle(color.Transparent)}
	z.ground.CornerRadius, z.ground.StrokeWidth = 12, 1.5
	z.ExtendBaseWidget(z)
	return z
}

// Refresh implements fyne.CanvasObject.
func (z *zone) Refresh() {
	z.paint()
	z.BaseWidget.Refresh()
}

func (z *zone) paint() {
	th, variant := z.Theme(), fyne.CurrentApp().Settings().ThemeVariant()
	z.ground.FillColor = th.Color(theme.ColorNameInputBackground, variant)
	z.ground.StrokeColor = th.Color(theme.ColorNameInputBorder, variant)
}

// CreateRenderer implements fyne.Widget.
func (z *zone) CreateRenderer() fyne.WidgetRenderer {
	z.paint()
	return widget.NewSimpleRenderer(z.ground)
}

type stageRenderer struct{ s *stage }

func (r *stageRenderer) Destroy() {}

func (r *stageRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.s.ground, r.s.photo, r.s.icon, r.s.ring}
}

func (r *stageRenderer) MinSize() fyne.Size { return fyne.NewSize(160, 120) }

func (r *stageRenderer) Layout(size fyne.Size) {
	r.s.ground.Resize(size)
	r.s.ring.Resize(size)
	pad := r.s.Theme().Size(theme.SizeNamePadding)
	r.s.photo.Move(fyne.NewPos(pad, pad))
	r.s.photo.Resize(fyne.NewSize(max(0, size.Width-2*pad), max(0, size.Height-2*pad)))
	side := min(56, size.Height)
	r.s.icon.Resize(fyne.NewSquareSize(side))
	r.s.icon.Move(fyne.NewPos((size.Width-side)/2, (size.Height-side)/2))
}

func (r *stageRenderer) Refresh() {
	th, variant := r.s.Theme(), fyne.CurrentApp().Settings().ThemeVariant()
	r.s.ground.FillColor = th.Color(theme.ColorNameInputBackground, variant)
	r.s.ring.StrokeColor = color.Transparent
	if r.s.focused {
		r.s.ring.StrokeColor = th.Color(theme.ColorNameFocus, variant)
	}
	r.s.ground.Refresh()
	r.s.ring.Refresh()
	r.s.icon.Refresh()
}
