package picturetest

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"math/rand/v2"
)

// Flower draws a flower of w x h pixels on a green ground. The class decides its colour and its number of petals; the
// seed decides its place, size, turn, light and noise. Any class and seed will do, and the same arguments always give
// the same pixels.
func Flower(class, seed, w, h int) *image.RGBA {
	r := rand.New(rand.NewPCG(uint64(class), uint64(seed))) //nolint:gosec // The pictures must be the same in each run.
	var (
		petals = float64(3 + mod(class, 6))
		colour = hue(float64(mod(class, 1000)) * 0.381966) // The golden angle keeps neighbouring classes far apart.
		size   = float64(min(w, h)) * (0.34 + 0.1*r.Float64())
		cx     = float64(w) * (0.45 + 0.1*r.Float64())
		cy     = float64(h) * (0.45 + 0.1*r.Float64())
		turn   = 2 * math.Pi * r.Float64()
		light  = 0.8 + 0.2*r.Float64()
	)
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			dx, dy := float64(x)+0.5-cx, float64(y)+0.5-cy
			radius, angle := math.Hypot(dx, dy), math.Atan2(dy, dx)
			edge := size * (0.65 + 0.35*math.Cos(petals*(angle+turn)))
			c := [3]float64{0.15, 0.3 + 0.15*float64(y)/float64(h), 0.12}
			switch {
			case radius < size*0.2:
				c = [3]float64{0.9, 0.75, 0.1}
			case radius < edge:
				c = colour
			}
			noise := 0.94 + 0.12*r.Float64()
			var p [3]uint8
			for i := range p {
				p[i] = uint8(255 * min(1, c[i]*light*noise))
			}
			img.SetRGBA(x, y, color.RGBA{p[0], p[1], p[2], 255})
		}
	}
	return img
}

// Corners draws a picture of w x h pixels whose quarters are red and green above, blue and white below, so that each
// of the eight turns of it looks different.
func Corners(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	quarters := []struct {
		rect   image.Rectangle
		colour color.RGBA
	}{
		{image.Rect(0, 0, w/2, h/2), color.RGBA{255, 0, 0, 255}},
		{image.Rect(w/2, 0, w, h/2), color.RGBA{0, 255, 0, 255}},
		{image.Rect(0, h/2, w/2, h), color.RGBA{0, 0, 255, 255}},
		{image.Rect(w/2, h/2, w, h), color.RGBA{255, 255, 255, 255}},
	}
	for _, q := range quarters {
		draw.Draw(img, q.rect, image.NewUniform(q.colour), image.Point{}, draw.Src)
	}
	return img
}

// hue gives the red, green and blue of a bright colour; its argument is in turns of the colour wheel.
func hue(turns float64) (c [3]float64) {
	for i := range c {
		c[i] = 0.55 + 0.45*math.Cos(2*math.Pi*(turns-float64(i)/3))
	}
	return c
}

func mod(a, n int) int { return ((a % n) + n) % n }
