package chart

import (
	"image"
	"image/color"
	"image/draw"
	"math"
)

// plotter draws curves. It keeps what it needs for the next drawing.
type plotter struct {
	pen    pen
	points []point
	dashes []float32
	line   image.Uniform
	color  color.NRGBA
}

// draw draws the grid and the curves of a layout into a picture of the plot with a margin of plotMargin around it, pixels being the
// pixels of a device-independent one. The picture's background stays.
func (p *plotter) draw(picture *image.RGBA, l layout, series []Series, c colors, pixels float32) {
	margin := plotMargin * pixels
	x, y := l.x.scaled(pixels, margin), l.y.scaled(pixels, margin)
	left, right := round(margin), round(margin+l.plot.w*pixels)
	top, bottom := round(margin), round(margin+l.plot.h*pixels)
	thin := max(1, round(pixels))
	for _, v := range l.xTicks {
		p.rectangle(picture, image.Rect(round(x.at(v)), top, round(x.at(v))+thin, bottom), c.grid)
	}
	for _, v := range l.yTicks {
		p.rectangle(picture, image.Rect(left, round(y.at(v)), right, round(y.at(v))+thin), c.grid)
	}
	p.rectangle(picture, image.Rect(left, bottom, right, bottom+thin), c.muted)

	for _, faint := range []bool{true, false} { // Faint curves lie beneath the others.
		for i, s := range series {
			if s.Style.Faint == faint {
				p.curve(picture, i, s, x, y, c, pixels)
			}
		}
	}
}

func (p *plotter) curve(picture *image.RGBA, i int, s Series, x, y scale, c colors, pixels float32) {
	p.points = decimate(p.points[:0], s.X, s.Y, x, y)
	p.stroke(p.points, s.Style, pixels, float32(picture.Bounds().Dy()))
	ink := s.Style.ink(c.dark)
	p.pen.fill(picture, ink)
	if s.Style.Marker == NoMarker || len(s.X) == 0 {
		return
	}
	// A power of two, so that of all markers every second one stays when there are too many.
	every := 1
	room := (x.at(s.X[len(s.X)-1]) - x.at(s.X[0])) / (markerGap * pixels)
	for float32(len(s.X)/every) > max(1, room) && every < len(s.X) {
		every *= 2
	}
	for at := i * every / 8 % every; at < len(s.X); at += every { // Curves that lie on each other have their markers at different places.
		if finite(s.Y[at]) {
			p.mark(point{x.at(s.X[at]), y.at(s.Y[at])}, s.Style.Marker, markerRadius*pixels)
		}
	}
	p.pen.fill(picture, ink)
}

// sample draws a piece of a curve, as the legend shows it, over the whole picture.
func (p *plotter) sample(picture *image.RGBA, s Style, c colors, pixels float32) {
	w, h := float32(picture.Bounds().Dx()), float32(picture.Bounds().Dy())
	middle := floor(h / 2)
	if round(s.width()*pixels)%2 == 1 { // A line of an odd width fills whole pixels if its middle lies in one's middle.
		middle += 0.5
	}
	p.points = append(p.points[:0], point{0, middle}, point{w, middle})
	p.stroke(p.points, s, pixels, h)
	p.pen.fill(picture, s.ink(c.dark))
	if s.Marker != NoMarker {
		p.mark(point{w / 2, middle}, s.Marker, markerRadius*pixels)
		p.pen.fill(picture, s.ink(c.dark))
	}
}

func (p *plotter) stroke(points []point, s Style, pixels, height float32) {
	width := s.width() * pixels
	p.dashes = p.dashes[:0]
	for _, length := range s.Dash.lengths() {
		p.dashes = append(p.dashes, length*max(width, 1.5*pixels))
	}
	p.pen.curve(points, width, p.dashes, height)
}

func (p *plotter) mark(at point, marker Marker, radius float32) {
	switch marker {
	case Circle:
		p.pen.dot(at, radius)
	case Square:
		p.pen.regular(at, radius*1.2, 4, math.Pi/4)
	case Triangle:
		p.pen.regular(at, radius*1.3, 3, -math.Pi/2)
	case Diamond:
		p.pen.regular(at, radius*1.35, 4, 0)
	case DownTriangle:
		p.pen.regular(at, radius*1.3, 3, math.Pi/2)
	case NoMarker:
	}
}

// rectangle lays a colour over a rectangle, counted from the picture's upper left corner.
func (p *plotter) rectangle(picture *image.RGBA, r image.Rectangle, c color.NRGBA) {
	p.color = c
	p.line.C = &p.color
	draw.Draw(picture, r.Add(picture.Bounds().Min).Intersect(picture.Bounds()), &p.line, image.Point{}, draw.Over)
}

func round(v float32) int {
	return int(math.Round(float64(v)))
}
