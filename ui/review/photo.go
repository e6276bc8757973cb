package review

import (
	"image"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"
)

// photo shows one picture that can be zoomed and moved about, and gets the keys while it is shown.
type photo struct {
	widget.BaseWidget

	window fyne.Window // The one that it is in.
	img    *canvas.Image
	clip   *container.Clip
	inside *fyne.Container
	zoom   float32       // Pixels of the screen for one of the picture; 0 fits it into the room, never above 1.
	middle fyne.Position // Of the picture, relative to the middle of the room.

	zoomed  func() // The zoom changed.
	typed   func(ev *fyne.KeyEvent)
	rune    func(r rune)
	command func(s fyne.Shortcut)
}

const (
	zoomStep = 1.25
	maxZoom  = 8
	panStep  = 8 // Part of the room by which an arrow moves the picture.
)

var (
	_ fyne.Focusable    = (*photo)(nil)
	_ fyne.Draggable    = (*photo)(nil)
	_ fyne.Scrollable   = (*photo)(nil)
	_ fyne.Shortcutable = (*photo)(nil)
	_ fyne.Tappable     = (*photo)(nil)
)

func newPhoto(window fyne.Window) *photo {
	p := &photo{window: window, img: &canvas.Image{ScaleMode: canvas.ImageScaleFastest, FillMode: canvas.ImageFillStretch}}
	p.inside = container.NewWithoutLayout(p.img)
	p.clip = container.NewClip(p.inside)
	p.ExtendBaseWidget(p)
	return p
}

// set shows a picture, as large as the one before was, or fitted.
func (p *photo) set(img image.Image, fit bool) {
	p.img.Image = img
	if fit {
		p.zoom, p.middle = 0, fyne.Position{}
	}
	p.arrange()
	p.img.Refresh()
}

// scale is the canvas's pixels for each of Fyne's units.
func (p *photo) scale() float32 {
	if scale := p.window.Canvas().Scale(); scale > 0 {
		return scale
	}
	return 1
}

// fitting is the zoom at which all of the picture is seen.
func (p *photo) fitting() float32 {
	if p.img.Image == nil {
		return 1
	}
	b, s := p.img.Image.Bounds(), p.scale()
	return min(1, p.Size().Width*s/float32(b.Dx()), p.Size().Height*s/float32(b.Dy()))
}

// factor is the zoom as it is.
func (p *photo) factor() float32 {
	if p.zoom == 0 {
		return p.fitting()
	}
	return p.zoom
}

// setZoom sets the zoom, 0 to fit, and keeps what is at a position in the room where it is.
func (p *photo) setZoom(zoom float32, at fyne.Position) {
	before := p.factor()
	if zoom != 0 {
		zoom = min(max(zoom, min(p.fitting(), 0.1)), maxZoom)
	}
	p.zoom = zoom
	from := at.Subtract(fyne.NewPos(p.Size().Width/2, p.Size().Height/2)).Subtract(p.middle)
	grow := p.factor() / before
	p.middle = p.middle.Subtract(fyne.NewPos(from.X*(grow-1), from.Y*(grow-1)))
	p.arrange()
	if p.zoomed != nil {
		p.zoomed()
	}
}

// center is the middle of the room.
func (p *photo) center() fyne.Position { return fyne.NewPos(p.Size().Width/2, p.Size().Height/2) }

// arrange places the picture. It never leaves the room: no side of it is further inside than it has to be.
func (p *photo) arrange() {
	show(p.img, p.img.Image != nil)
	if p.img.Image == nil {
		return
	}
	b, room := p.img.Image.Bounds(), p.Size()
	f := p.factor() / p.scale()
	size := fyne.NewSize(max(1, float32(b.Dx())*f), max(1, float32(b.Dy())*f))
	slackX, slackY := max(0, (size.Width-room.Width)/2), max(0, (size.Height-room.Height)/2)
	p.middle = fyne.NewPos(min(max(p.middle.X, -slackX), slackX), min(max(p.middle.Y, -slackY), slackY))
	p.img.Resize(size)
	p.img.Move(fyne.NewPos((room.Width-size.Width)/2+p.middle.X, (room.Height-size.Height)/2+p.middle.Y))
}

// CreateRenderer implements fyne.Widget.
func (p *photo) CreateRenderer() fyne.WidgetRenderer { return &photoRenderer{p} }

type photoRenderer struct{ p *photo }

func (r *photoRenderer) Destroy()                     {}
func (r *photoRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.p.clip} }
func (r *photoRenderer) MinSize() fyne.Size           { return fyne.NewSquareSize(160) }
func (r *photoRenderer) Refresh()                     { r.p.arrange(); r.p.img.Refresh() }

func (r *photoRenderer) Layout(size fyne.Size) {
	r.p.clip.Resize(size)
	r.p.inside.Resize(size)
	r.p.arrange()
}

// Scrolled implements fyne.Scrollable: the wheel zooms.
func (p *photo) Scrolled(ev *fyne.ScrollEvent) {
	switch {
	case ev.Scrolled.DY > 0:
		p.setZoom(p.factor()*zoomStep, ev.Position)
	case ev.Scrolled.DY < 0:
		p.setZoom(p.factor()/zoomStep, ev.Position)
	}
}

// Dragged implements fyne.Draggable: it moves the picture.
func (p *photo) Dragged(ev *fyne.DragEvent) {
	p.middle = p.middle.Add(ev.Dragged)
	p.arrange()
}

// DragEnd implements fyne.Draggable.
func (p *photo) DragEnd() {}

// Tapped implements fyne.Tappable: a click takes the keyboard's focus.
func (p *photo) Tapped(*fyne.PointEvent) { p.takeFocus() }

// takeFocus gives the photo the keyboard's focus. (The driver does not know the canvas of what was never drawn.)
func (p *photo) takeFocus() { p.window.Canvas().Focus(p) }

// FocusGained implements fyne.Focusable.
func (p *photo) FocusGained() {}

// FocusLost implements fyne.Focusable.
func (p *photo) FocusLost() {}

// TypedRune implements fyne.Focusable.
func (p *photo) TypedRune(r rune) {
	switch r {
	case '+', '=':
		p.setZoom(p.factor()*zoomStep, p.center())
	case '-', '_':
		p.setZoom(p.factor()/zoomStep, p.center())
	default:
		p.rune(r)
	}
}

// TypedKey implements fyne.Focusable.
func (p *photo) TypedKey(ev *fyne.KeyEvent) { p.typed(ev) }

// TypedShortcut implements fyne.Shortcutable: Ctrl and an arrow look at another part of the picture.
func (p *photo) TypedShortcut(s fyne.Shortcut) {
	if custom, ok := s.(*desktop.CustomShortcut); ok && custom.Modifier == fyne.KeyModifierShortcutDefault {
		if to, ok := ways[custom.KeyName]; ok {
			p.middle = p.middle.Subtract(fyne.NewPos(to.X*p.Size().Width/panStep, to.Y*p.Size().Height/panStep))
			p.arrange()
			return
		}
	}
	p.command(s)
}

// ways are those in which the arrows point.
var ways = map[fyne.KeyName]fyne.Position{
	fyne.KeyLeft: {X: -1}, fyne.KeyRight: {X: 1}, fyne.KeyUp: {Y: -1}, fyne.KeyDown: {Y: 1},
}
