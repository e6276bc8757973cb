package chart

import (
	"image/color"
	"math"
)

// Colors is how many colours of curves there are.
const Colors = 8

// The hues are those of Okabe and Ito (blue, vermillion, green, purple, orange, sky blue, yellow, black), moved so that each stands out from its
// background by at least 3:1, and each from each other also to eyes that lack one kind of cones; the first four most of all. Tests hold both.
var (
	onLight = [Colors]color.NRGBA{
		opaque(0x0e4492), opaque(0xda6801), opaque(0x009c62), opaque(0x7b1b4f),
		opaque(0x9a612d), opaque(0x3575cd), opaque(0x433c00), opaque(0x000000),
	}
	onDark = [Colors]color.NRGBA{
		opaque(0x2c7ee1), opaque(0xd93a1f), opaque(0x61ffae), opaque(0xb65480),
		opaque(0xffac5b), opaque(0xa8cdfb), opaque(0xf4de04), opaque(0xffffff),
	}
)

func opaque(rgb uint32) color.NRGBA {
	return color.NRGBA{R: uint8(rgb >> 16 & 0xff), G: uint8(rgb >> 8 & 0xff), B: uint8(rgb & 0xff), A: 0xff}
}

// Color gives the i-th colour of curves, counted from 0 and around again after [Colors], for a light or a dark background.
func Color(i int, dark bool) color.NRGBA {
	i = (i%Colors + Colors) % Colors
	if dark {
		return onDark[i]
	}
	return onLight[i]
}

// Dash is how a line is interrupted.
type Dash int

// The dashes of lines.
const (
	Solid Dash = iota
	Dashed
	Dotted
	DashDotted
)

// lengths gives drawn and left out lengths in turn, for a line one wide; nil for a solid line.
func (d Dash) lengths() []float32 {
	if d < 0 || int(d) >= len(dashLengths) {
		return nil
	}
	return dashLengths[d]
}

var dashLengths = [...][]float32{
	Solid:      nil,
	Dashed:     {4, 2.5},
	Dotted:     {1.2, 1.8},
	DashDotted: {5, 2, 1.2, 2},
}

// Marker is a sign drawn at points of a curve: at each, or, where they lie close, at every second, fourth and so on.
type Marker int

// The markers of points.
const (
	NoMarker Marker = iota
	Circle
	Square
	Triangle
	Diamond
	DownTriangle
)

// Style is how a curve is drawn. The zero value is a thin solid line of the first colour.
type Style struct {
	Color  int // See [Color].
	Faint  bool
	Dash   Dash
	Marker Marker
	Width  float32 // In device-independent pixels; 0 for 1.5.
}

// The styles of the curves of one training run.
var (
	// Raw is for values that jump, such as the accuracy of each batch, beneath their smoothed curve.
	Raw = Style{Color: 0, Faint: true, Width: 1}
	// Train is for what was measured, or smoothed, on the photos that are learned from.
	Train = Style{Color: 0, Width: 1.5}
	// Validation is for what was measured on photos that are held back.
	Validation = Style{Color: 1, Dash: Dashed, Marker: Circle, Width: 2.5}
)

// StyleOf gives the style of the i-th of several runs laid over each other, counted from 0. The first twenty differ in dash or marker, not in colour alone.
func StyleOf(i int) Style {
	i = max(0, i)
	return Style{Color: i % Colors, Dash: Dash(i % 4), Marker: Marker(1 + i%5), Width: 2}
}

func (s Style) width() float32 {
	if !(s.Width > 0) {
		return 1.5
	}
	return min(s.Width, maxWidth)
}

// Sizes in device-independent pixels.
const (
	maxWidth     = 8
	markerRadius = 4
	markerGap    = 22 // Markers of a curve are at least so far apart.
)

// ink gives the colour of the curve's line.
func (s Style) ink(dark bool) color.NRGBA {
	c := Color(s.Color, dark)
	if s.Faint {
		c.A = 0x66
		if dark {
			c.A = 0x90 // Dark on dark is seen less.
		}
	}
	return c
}

// colors are the colours around the curves.
type colors struct {
	background, foreground, muted, grid color.NRGBA
	dark                                bool // Whether the background is.
}

// fileColors are the colours of an exported picture.
func fileColors(dark bool) colors {
	if dark {
		return colors{opaque(0x171718), opaque(0xf3f3f3), opaque(0xb4b4b4), color.NRGBA{0xff, 0xff, 0xff, 0x24}, true}
	}
	return colors{opaque(0xffffff), opaque(0x202020), opaque(0x595959), color.NRGBA{0, 0, 0, 0x1c}, false}
}

// luminance gives the relative luminance of a colour as the Web Content Accessibility Guidelines define it, 0 to 1; opacity does not count.
func luminance(c color.NRGBA) float64 {
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}

// linear gives the light of a channel of sRGB, 0 to 1.
func linear(channel uint8) float64 {
	c := float64(channel) / 255
	if c <= 0.04045 {
		return c / 12.92
	}
	return math.Pow((c+0.055)/1.055, 2.4)
}
