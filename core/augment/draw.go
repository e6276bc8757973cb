package augment

import (
	"image"
	"image/color"
	"math"

	"golang.org/x/image/draw"

	"kaika/core/feature"
)

// maxSide is the side of the largest copy, in pixels. Networks see 224 to 320.
const maxSide = 1024

// Draw draws a view of an upright photo: a square, as training sees the same view. It has the pixels of the photo, up to 1024
// on a side. What lies beyond the rim after a turn is mirrored.
func Draw(photo image.Image, v feature.View) *image.RGBA {
	bounds := photo.Bounds()
	side := max(1, float64(min(bounds.Dx(), bounds.Dy()))/float64(1+max(v.Zoom, 0)))
	corner := func(length int, shift float32) int {
		return int(math.Round((float64(length) - side) / 2 * float64(1+min(max(shift, -1), 1))))
	}
	whole := max(1, int(math.Round(side)))
	from := image.Rect(0, 0, whole, whole).Add(bounds.Min).Add(image.Pt(corner(bounds.Dx(), v.DX), corner(bounds.Dy(), v.DY)))
	from = from.Intersect(bounds)
	n := min(whole, maxSide)
	square := image.NewRGBA(image.Rect(0, 0, n, n))
	draw.Draw(square, square.Rect, image.NewUniform(color.White), image.Point{}, draw.Src) // For photos that are transparent.
	draw.BiLinear.Scale(square, square.Rect, photo, from, draw.Over, nil)
	if v.Flip {
		flip(square)
	}
	if v.Angle != 0 {
		square = turn(square, float64(v.Angle))
	}
	if v.Brightness != 0 {
		brighten(square, v.Brightness)
	}
	return square
}

func flip(m *image.RGBA) {
	n := m.Rect.Dx()
	for y := range m.Rect.Dy() {
		row := m.Pix[y*m.Stride:]
		for x := range n / 2 {
			a, b := row[4*x:4*x+4], row[4*(n-1-x):4*(n-x)]
			for c := range a {
				a[c], b[c] = b[c], a[c]
			}
		}
	}
}

func brighten(m *image.RGBA, by float32) {
	var table [256]uint8
	for i := range table {
		table[i] = uint8(min(max(math.Round(float64(i)*float64(1+by)), 0), 255))
	}
	for i := range m.Pix {
		if i%4 < 3 {
			m.Pix[i] = table[m.Pix[i]]
		}
	}
}

// turn turns a square counter-clockwise about its centre by an angle in degrees.
func turn(m *image.RGBA, degrees float64) *image.RGBA {
	n := m.Rect.Dx()
	turned := image.NewRGBA(m.Rect)
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	centre := float64(n-1) / 2
	for y := range n {
		for x := range n {
			dx, dy := float64(x)-centre, float64(y)-centre // The y axis points down.
			sx, sy := centre+cos*dx-sin*dy, centre+sin*dx+cos*dy
			x0, y0 := int(math.Floor(sx)), int(math.Floor(sy))
			fx, fy := sx-float64(x0), sy-float64(y0)
			a, b := m.PixOffset(mirror(x0, n), mirror(y0, n)), m.PixOffset(mirror(x0+1, n), mirror(y0, n))
			c, d := m.PixOffset(mirror(x0, n), mirror(y0+1, n)), m.PixOffset(mirror(x0+1, n), mirror(y0+1, n))
			to := turned.PixOffset(x, y)
			for i := range 4 {
				above := float64(m.Pix[a+i])*(1-fx) + float64(m.Pix[b+i])*fx
				below := float64(m.Pix[c+i])*(1-fx) + float64(m.Pix[d+i])*fx
				turned.Pix[to+i] = uint8(above*(1-fy) + below*fy + 0.5)
			}
		}
	}
	return turned
}

// mirror brings a coordinate into 0..n-1 by reflecting it at the rims.
func mirror(i, n int) int {
	period := 2 * n
	if i = ((i % period) + period) % period; i >= n {
		i = period - 1 - i
	}
	return i
}
