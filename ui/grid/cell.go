package grid

import (
	"image"
	"image/color"
	"strings"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"kaika/core/thumb"
)

// A cell draws one item. Cells are used again for other items as the grid is scrolled.
type cell struct {
	index  int // Of the item it shows.
	key    thumb.Key
	state  state
	load   uint64 // Number of the load under way, to tell its answer from one that comes too late.
	cancel func()

	box                       *fyne.Container
	ground, frame, focus, tag *canvas.Rectangle
	photo, broken, check      *canvas.Image
	round                     *canvas.Circle
	caption, badge            *canvas.Text
	text, word                string // Of the caption and the badge, in full.
	look                      look   // Of what is drawn.
}

// state is how far the picture of a cell is.
type state int

const (
	waiting state = iota // Nothing was asked for yet.
	loading
	shown
	bad
)

func newCell() *cell {
	c := &cell{
		index:  -1,
		ground: &canvas.Rectangle{}, frame: &canvas.Rectangle{}, focus: &canvas.Rectangle{}, tag: &canvas.Rectangle{},
		photo: &canvas.Image{}, round: &canvas.Circle{}, caption: &canvas.Text{}, badge: &canvas.Text{},
		broken: canvas.NewImageFromResource(theme.NewThemedResource(theme.BrokenImageIcon())),
		check:  canvas.NewImageFromResource(theme.NewColoredResource(theme.ConfirmIcon(), theme.ColorNameForegroundOnPrimary)),
	}
	// The thumbnail is about as large as the cell: the graphics card scales it, and nothing is copied.
	c.photo.ScaleMode, c.photo.FillMode = canvas.ImageScaleFastest, canvas.ImageFillContain
	c.broken.FillMode, c.check.FillMode = canvas.ImageFillContain, canvas.ImageFillContain
	c.caption.Alignment = fyne.TextAlignCenter
	c.ground.CornerRadius, c.frame.CornerRadius, c.focus.CornerRadius, c.tag.CornerRadius = 4, 6, 8, 4
	c.box = container.NewWithoutLayout(c.ground, c.photo, c.broken, c.frame, c.focus, c.tag, c.badge, c.round, c.check, c.caption)
	return c
}

// layout places what is in the cell, which is size large and has a photo of side x side.
func (c *cell) layout(size fyne.Size, side float32) {
	const edge, mark = 4, 22 // Of the frames; of the check mark.
	c.box.Resize(size)
	left, top := (size.Width-side)/2, float32(edge+2)
	place := func(o fyne.CanvasObject, x, y, w, h float32) {
		o.Move(fyne.NewPos(x, y))
		o.Resize(fyne.NewSize(w, h))
	}
	place(c.ground, left, top, side, side)
	place(c.photo, left, top, side, side)
	place(c.broken, left+side/3, top+side/3, side/3, side/3)
	place(c.frame, left-edge/2, top-edge/2, side+edge, side+edge)
	place(c.focus, left-edge-1, top-edge-1, side+2*edge+2, size.Height-top+edge-1)
	place(c.round, left+4, top+4, mark, mark)
	place(c.check, left+7, top+7, mark-6, mark-6)
	height := c.caption.MinSize().Height
	c.caption.Text = ellipsis(c.text, side, c.caption)
	place(c.caption, left, top+side+edge, side, height)
	c.badge.Text = ellipsis(c.word, side-16, c.badge)
	tag := c.badge.MinSize()
	place(c.tag, left+4, top+side-tag.Height-6, tag.Width+8, tag.Height+2)
	place(c.badge, left+8, top+side-tag.Height-5, tag.Width, tag.Height)
}

// A look is what the theme gives to the cells.
type look struct {
	ground, text, ring, faint, primary, onPrimary, tag, onTag color.Color
	size                                                      float32 // Of the texts.
}

func lookOf(th fyne.Theme, variant fyne.ThemeVariant) look {
	return look{
		ground:  th.Color(theme.ColorNameInputBackground, variant),
		text:    th.Color(theme.ColorNameForeground, variant),
		ring:    th.Color(theme.ColorNameForeground, variant),
		faint:   th.Color(theme.ColorNamePlaceHolder, variant),
		primary: th.Color(theme.ColorNamePrimary, variant), onPrimary: th.Color(theme.ColorNameForegroundOnPrimary, variant),
		tag: th.Color(theme.ColorNameWarning, variant), onTag: th.Color(theme.ColorNameForegroundOnWarning, variant),
		size: th.Size(theme.SizeNameCaptionText),
	}
}

// marks say what of a cell stands out.
type marks struct {
	selected, focused bool
	keyboard          bool // The grid has the keyboard: the ring at the focus is strong.
}

// style gives the cell its colours and shows what belongs to its state. Nothing is drawn anew that stays as it is.
func (c *cell) style(l look, m marks) {
	if c.look != l {
		c.look = l
		c.ground.FillColor, c.tag.FillColor, c.round.FillColor = l.ground, l.tag, l.primary
		c.frame.StrokeColor, c.frame.StrokeWidth = l.primary, 4
		c.round.StrokeColor, c.round.StrokeWidth = l.onPrimary, 1
		c.caption.Color, c.badge.Color = l.text, l.onTag
		c.caption.TextSize, c.badge.TextSize = l.size, l.size
		c.box.Refresh()
	}
	ring, width := l.faint, float32(1)
	if m.keyboard {
		ring, width = l.ring, 2
	}
	if m.focused && (c.focus.StrokeColor != ring || c.focus.StrokeWidth != width) {
		c.focus.StrokeColor, c.focus.StrokeWidth = ring, width
		c.focus.Refresh()
	}
	if c.caption.TextStyle.Bold != m.selected {
		c.caption.TextStyle.Bold = m.selected
		c.caption.Refresh()
	}
	show(c.frame, m.selected)
	show(c.round, m.selected)
	show(c.check, m.selected)
	show(c.focus, m.focused)
	show(c.photo, c.state == shown)
	show(c.broken, c.state == bad)
	show(c.ground, c.state != shown)
	show(c.tag, c.word != "")
	show(c.badge, c.word != "")
}

func show(o fyne.CanvasObject, visible bool) {
	switch {
	case visible && !o.Visible():
		o.Show()
	case !visible && o.Visible():
		o.Hide()
	}
}

// picture shows a thumbnail.
func (c *cell) picture(img image.Image) {
	c.state, c.photo.Image = shown, img
	c.photo.Refresh()
}

// forget drops the picture and what is under way.
func (c *cell) forget() {
	if c.cancel != nil {
		c.cancel()
	}
	c.cancel, c.state, c.load = nil, waiting, 0
	c.photo.Image = nil
	c.photo.Refresh()
}

// ellipsis cuts text so that it fits into a width as like would draw it. Line breaks and what is no text are replaced.
func ellipsis(text string, width float32, like *canvas.Text) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
	fits := func(n int) bool {
		s := string(runes[:n])
		if n < len(runes) {
			s += "…"
		}
		return fyne.MeasureText(s, like.TextSize, like.TextStyle).Width <= width
	}
	if len(runes) == 0 || fits(len(runes)) {
		return string(runes)
	}
	low, high := 0, min(len(runes), 256)
	for low < high-1 {
		if middle := (low + high) / 2; fits(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return string(runes[:low]) + "…"
}
