package engine_test

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"math/rand/v2"
	"testing"

	"kaika/core/picture/picturetest"
	"kaika/model/engine"
	"kaika/model/enginepb"
)

// noise draws a picture in which every pixel differs.
func noise(w, h int) *image.RGBA {
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255})
		}
	}
	return img
}

// smooth draws a picture that has no edges, so that resizing it in other ways gives about the same.
func smooth(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			u, v := float64(x)/float64(w), float64(y)/float64(h)
			img.SetRGBA(x, y, color.RGBA{uint8(250 * u), uint8(250 * v), uint8(125 + 120*math.Sin(4*u+2*v)), 255})
		}
	}
	return img
}

// rgb gives the pixels of a part of a picture, by rows.
func rgb(img *image.RGBA, r image.Rectangle) []float32 {
	var pixels []float32
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c := img.RGBAAt(x, y)
			pixels = append(pixels, float32(c.R), float32(c.G), float32(c.B))
		}
	}
	return pixels
}

func png(img *image.RGBA, v *enginepb.View) *enginepb.Picture {
	return &enginepb.Picture{Data: picturetest.EncodePNG(img), View: v}
}

// Where the square has the size of the network's input, every pixel enters as it is.
func TestSquares(t *testing.T) {
	const side = 12
	n := mirror(t, side)
	s := &engine.Server{}
	square := func(x, y int) image.Rectangle { return image.Rect(x, y, x+side, y+side) }
	tests := []struct {
		name string
		w, h int
		view *enginepb.View
		want image.Rectangle
	}{
		{"the whole", side, side, nil, square(0, 0)},
		{"the centre of a wide one", 3 * side, side, nil, square(side, 0)},
		{"the centre of a high one", side, 2 * side, &enginepb.View{}, square(0, side/2)},
		{"the left of a wide one", 3 * side, side, &enginepb.View{Dx: -1}, square(0, 0)},
		{"the right of a wide one", 3 * side, side, &enginepb.View{Dx: 1}, square(2*side, 0)},
		{"no room above", 3 * side, side, &enginepb.View{Dy: 1}, square(side, 0)},
		{"half way down", side, 5 * side, &enginepb.View{Dy: 0.5}, square(0, 3*side)},
		{"the centre enlarged", 2 * side, 2 * side, &enginepb.View{Zoom: 1}, square(side/2, side/2)},
		{"the upper left corner", 2 * side, 2 * side, &enginepb.View{Zoom: 1, Dx: -1, Dy: -1}, square(0, 0)},
		{"the lower left corner", 2 * side, 2 * side, &enginepb.View{Zoom: 1, Dx: -1, Dy: 1}, square(0, side)},
		{"a corner of a wide one", 4 * side, 2 * side, &enginepb.View{Zoom: 1, Dx: 1, Dy: -1}, square(3*side, 0)},
		{"enlarged thrice", 3 * side, 3 * side, &enginepb.View{Zoom: 2, Dx: 0, Dy: 1}, square(side, 2*side)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			img := noise(test.w, test.h)
			got := embed(t, s, n, png(img, test.view))[0]
			if d := distance(got, rgb(img, test.want)); d > 0.01 {
				t.Errorf("some pixel is %g off", d)
			}
		})
	}
}

// triangle resizes one row or column of count numbers to side, as the mean of what lies beneath each pixel, weighted by
// a triangle as wide as two pixels of the larger grid.
func triangle(from func(i int) float64, count, side int) []float64 {
	to := make([]float64, side)
	scale := float64(count) / float64(side)
	width := max(scale, 1)
	for i := range to {
		centre := (float64(i) + 0.5) * scale
		var sum, weights float64
		for j := range count {
			w := max(0, 1-math.Abs(float64(j)+0.5-centre)/width)
			sum += w * from(j)
			weights += w
		}
		to[i] = sum / weights
	}
	return to
}

func TestResizing(t *testing.T) {
	const side = 10
	n := mirror(t, side)
	s := &engine.Server{}
	for _, size := range []int{10, 17, 40, 97, 7, 3, 1} {
		t.Run(fmt.Sprintf("from %d", size), func(t *testing.T) {
			img := noise(size, size)
			got := embed(t, s, n, png(img, nil))[0]
			pixels := rgb(img, img.Bounds())
			want := make([]float32, side*side*3)
			for c := range 3 {
				rows := make([][]float64, size)
				for y := range rows {
					rows[y] = triangle(func(x int) float64 { return float64(pixels[(y*size+x)*3+c]) }, size, side)
				}
				for x := range side {
					for y, v := range triangle(func(y int) float64 { return rows[y][x] }, size, side) {
						want[(y*side+x)*3+c] = float32(v)
					}
				}
			}
			if d := distance(got, want); d > 0.01 {
				t.Errorf("some pixel is %g off", d)
			}
		})
	}
}

func TestNormalising(t *testing.T) {
	n := mirror(t, 6)
	s := &engine.Server{}
	photo := png(noise(6, 6), nil)
	raw := embed(t, s, n, photo)[0]
	n.Mean, n.Scale = 127.5, 64
	for i, got := range embed(t, s, n, photo)[0] {
		if want := (raw[i] - 127.5) / 64; math.Abs(float64(got-want)) > 1e-5 {
			t.Fatalf("pixel %g enters as %g, want %g", raw[i], got, want)
		}
	}
}

// A photo that is stored turned gives what the upright one gives, in every view.
func TestOrientation(t *testing.T) {
	n := mirror(t, 12)
	s := &engine.Server{}
	views := []*enginepb.View{
		nil,
		{Zoom: 0.5, Dx: 0.7, Dy: -0.3},
		{Zoom: 0.2, Dx: -1, Dy: 1, Flip: true},
		{Angle: 20, Brightness: 0.3},
		{Flip: true, Angle: -35, Zoom: 0.7, Dx: 0.2, Dy: 0.9, Brightness: -0.2},
	}
	for _, size := range []image.Point{{40, 27}, {23, 31}} {
		img := noise(size.X, size.Y)
		for i, v := range views {
			want := embed(t, s, n, png(img, v))[0]
			for o := 1; o <= 8; o++ {
				turned := png(picturetest.Turn(img, o), v)
				turned.Orientation = int32(o)
				if d := distance(embed(t, s, n, turned)[0], want); d > 0.01 {
					t.Errorf("%v, view %d, orientation %d: some pixel is %g off", size, i, o, d)
				}
			}
			for _, o := range []int32{0, 9, -3} {
				odd := png(img, v)
				odd.Orientation = o
				if d := distance(embed(t, s, n, odd)[0], want); d != 0 {
					t.Errorf("%v, view %d: the senseless orientation %d changed a pixel by %g", size, i, o, d)
				}
			}
		}
	}
}

func TestViews(t *testing.T) {
	const side = 16
	n := mirror(t, side)
	s := &engine.Server{}
	img := smooth(48, 32)
	plain := embed(t, s, n, png(img, nil))[0]
	at := func(pixels []float32, x, y, c int) float32 { return pixels[(y*side+x)*3+c] }
	tests := []struct {
		name string
		view *enginepb.View
		want func(x, y, c int) float32
	}{
		{"nothing", &enginepb.View{}, func(x, y, c int) float32 { return at(plain, x, y, c) }},
		{"a flip", &enginepb.View{Flip: true}, func(x, y, c int) float32 { return at(plain, side-1-x, y, c) }},
		{"a quarter counter-clockwise", &enginepb.View{Angle: 90}, func(x, y, c int) float32 { return at(plain, side-1-y, x, c) }},
		{"a quarter clockwise", &enginepb.View{Angle: -90}, func(x, y, c int) float32 { return at(plain, y, side-1-x, c) }},
		{"a half turn", &enginepb.View{Angle: 180}, func(x, y, c int) float32 { return at(plain, side-1-x, side-1-y, c) }},
		{"a whole turn", &enginepb.View{Angle: 360}, func(x, y, c int) float32 { return at(plain, x, y, c) }},
		{"a flip before a turn", &enginepb.View{Flip: true, Angle: 90}, func(x, y, c int) float32 { return at(plain, y, x, c) }},
		{"brighter", &enginepb.View{Brightness: 0.5}, func(x, y, c int) float32 { return min(255, 1.5*at(plain, x, y, c)) }},
		{"darker", &enginepb.View{Brightness: -0.25}, func(x, y, c int) float32 { return 0.75 * at(plain, x, y, c) }},
		{"black", &enginepb.View{Brightness: -1}, func(int, int, int) float32 { return 0 }},
		{"darker than black", &enginepb.View{Brightness: -2}, func(int, int, int) float32 { return 0 }},
	}
	for _, normalised := range []bool{false, true} {
		n.Mean, n.Scale = 0, 1
		if normalised {
			n.Mean, n.Scale = 127, 128
		}
		for _, test := range tests {
			t.Run(fmt.Sprintf("%s, normalised %t", test.name, normalised), func(t *testing.T) {
				got := embed(t, s, n, png(img, test.view))[0]
				for y := range side {
					for x := range side {
						for c := range 3 {
							v := float64(at(got, x, y, c)*n.GetScale() + n.GetMean())
							if want := float64(test.want(x, y, c)); math.Abs(v-want) > 0.05 {
								t.Fatalf("the pixel %d, %d, %d is %g, want %g", x, y, c, v, want)
							}
						}
					}
				}
			})
		}
	}
	t.Run("a flip is that of the mirrored photo", func(t *testing.T) {
		mirrored := picturetest.Turn(img, 2)
		view := &enginepb.View{Zoom: 0.4, Dx: 0.5, Dy: 0.5}
		flipped := &enginepb.View{Zoom: 0.4, Dx: -0.5, Dy: 0.5, Flip: true}
		if d := distance(embed(t, s, n, png(mirrored, view))[0], embed(t, s, n, png(img, flipped))[0]); d > 0.01 {
			t.Errorf("some pixel is %g off", d)
		}
	})
	t.Run("a turn fills the corners with photo", func(t *testing.T) {
		one := image.NewRGBA(image.Rect(0, 0, 20, 20))
		draw.Draw(one, one.Bounds(), image.NewUniform(color.RGBA{200, 100, 50, 255}), image.Point{}, draw.Src)
		n := mirror(t, side)
		for _, angle := range []float32{1, 45, 133, -89.5, 720.5, 1e6} {
			got := embed(t, s, n, png(one, &enginepb.View{Angle: angle}))[0]
			for i, want := range []float32{200, 100, 50} {
				for p := i; p < len(got); p += 3 {
					if math.Abs(float64(got[p]-want)) > 0.01 {
						t.Fatalf("turned by %g, pixel %d of colour %d is %g, want %g", angle, p/3, i, got[p], want)
					}
				}
			}
		}
	})
	t.Run("a small turn changes little", func(t *testing.T) {
		n := mirror(t, side)
		plain := embed(t, s, n, png(img, nil))[0]
		got := embed(t, s, n, png(img, &enginepb.View{Angle: 0.01}))[0]
		if d := distance(got, plain); d == 0 || d > 1 {
			t.Errorf("a turn by 0.01 degrees changes a pixel by %g", d)
		}
	})
}
