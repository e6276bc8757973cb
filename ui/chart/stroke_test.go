package chart

import (
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"testing"
)

var red = color.NRGBA{0xff, 0, 0, 0xff}

func stroked(points []point, width float32, dashes []float32) *image.RGBA {
	picture := image.NewRGBA(image.Rect(0, 0, 300, 200))
	var p pen
	p.curve(points, width, dashes, 200)
	p.fill(picture, red)
	return picture
}

// All along a curve, and nowhere far from it, there is ink: no turn and no overlap leaves a hole.
func TestCurveCoversItsLine(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 30 {
		width := 2 + r.Float32()*4
		var points []point
		stride := []float32{0.3, 3, 30}[round%3]
		for x := float32(10); x < 290; x += r.Float32() * stride {
			points = append(points, point{x, 10 + r.Float32()*180})
		}
		picture := stroked(points, width, nil)
		near := make([]bool, 300*200)
		for i := 1; i < len(points); i++ {
			a, b := points[i-1], points[i]
			pieces := int(hypot(b.x-a.x, b.y-a.y)*2) + 1
			for k := range pieces + 1 {
				share := float32(k) / float32(pieces)
				x, y := a.x+(b.x-a.x)*share, a.y+(b.y-a.y)*share
				if i > 1 && i < len(points)-1 || k > 2 && k < pieces-2 { // The ends are cut off straight.
					if cover := picture.RGBAAt(int(x), int(y)).A; cover < 0x70 {
						t.Fatalf("round %d: ink of %#x at %v,%v on the line from %v to %v, width %v", round, cover, x, y, a, b, width)
					}
				}
				reach := int(width) + 2
				for dy := -reach; dy <= reach; dy++ {
					for dx := -reach; dx <= reach; dx++ {
						if px, py := int(x)+dx, int(y)+dy; px >= 0 && px < 300 && py >= 0 && py < 200 {
							near[py*300+px] = true
						}
					}
				}
			}
		}
		for i, close := range near {
			if !close && picture.Pix[4*i+3] != 0 {
				t.Fatalf("round %d: ink at %d,%d, far from the curve", round, i%300, i/300)
			}
		}
	}
}

func TestCurveParts(t *testing.T) {
	inked := func(picture *image.RGBA, x, y int) bool { return picture.RGBAAt(x, y).A > 0x80 }
	t.Run("gap", func(t *testing.T) {
		picture := stroked([]point{{10, 100}, {50, 100}, gap(), {100, 100}, {150, 100}, gap(), {200, 100}}, 3, nil)
		for x, want := range map[int]bool{30: true, 75: false, 120: true, 175: false, 200: true, 210: false} {
			if inked(picture, x, 100) != want {
				t.Errorf("ink at %d: %v", x, !want)
			}
		}
	})
	t.Run("dashes", func(t *testing.T) {
		picture := stroked([]point{{0, 100}, {43, 100}, {300, 100}}, 3, []float32{10, 10})
		for x := 5; x < 300; x += 10 {
			if want := x/10%2 == 0; inked(picture, x, 100) != want {
				t.Errorf("ink at %d: %v", x, !want)
			}
		}
	})
	t.Run("dashes of a zigzag", func(t *testing.T) {
		var points []point
		for x := float32(0); x < 300; x += 0.5 {
			points = append(points, point{x, 50 + 100*float32(int(2*x)%2)})
		}
		picture := stroked(points, 1, []float32{10, 10})
		for x := 5; x < 300; x += 10 {
			if want := x/10%2 == 0; inked(picture, x, 100) != want {
				t.Errorf("ink at %d: %v", x, !want)
			}
		}
	})
	t.Run("out of sight", func(t *testing.T) {
		picture := stroked([]point{{0, 100}, {100, 100}, {101, -farthest}, {199, -farthest}, {200, 100}, {300, 100}}, 3, nil)
		for x, want := range map[int]bool{50: true, 150: false, 250: true} {
			if inked(picture, x, 100) != want {
				t.Errorf("ink at %d: %v", x, !want)
			}
		}
	})
	t.Run("out of sight and back, steeply", func(t *testing.T) {
		picture := stroked([]point{{10, 0}, {10.5, 150}, {150, 500000}, {250, 500000}, {290, 100}, {291, 0}}, 2, nil)
		for x, want := range map[int]bool{10: true, 100: false, 200: false, 290: true} {
			if inked(picture, x, 100) != want {
				t.Errorf("ink at %d: %v", x, !want)
			}
		}
	})
	t.Run("twice the same point", func(t *testing.T) {
		picture := stroked([]point{{10, 100}, {10, 100}, {100, 100}}, 3, nil)
		if !inked(picture, 50, 100) {
			t.Error("no line")
		}
	})
	t.Run("a picture within a picture", func(t *testing.T) {
		whole := image.NewRGBA(image.Rect(0, 0, 300, 200))
		part, ok := whole.SubImage(image.Rect(100, 50, 200, 150)).(*image.RGBA)
		if !ok {
			t.Fatal("no picture")
		}
		var p pen
		p.curve([]point{{-20, 50}, {400, 50}}, 3, nil, 100)
		p.fill(part, red)
		for x, want := range map[int]bool{99: false, 100: true, 199: true, 200: false} {
			if inked(whole, x, 100) != want {
				t.Errorf("ink at %d: %v", x, !want)
			}
		}
	})
}

// lay does what package draw does.
func TestLay(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	mask := image.NewAlpha(image.Rect(0, 0, 37, 11))
	for i := range mask.Pix {
		mask.Pix[i] = []uint8{0, 0, 0, 0xff, uint8(r.IntN(256))}[r.IntN(5)]
	}
	clear(mask.Pix[:40])
	for _, ink := range []color.NRGBA{red, {10, 200, 30, 0x66}, {0, 0, 0, 0xff}, {0xff, 0xff, 0xff, 1}, {}} {
		got, want := image.NewRGBA(image.Rect(5, 7, 60, 30)), image.NewRGBA(image.Rect(5, 7, 60, 30))
		for i := 0; i < len(got.Pix); i += 4 {
			a := r.IntN(256)
			for k := range 3 {
				got.Pix[i+k] = uint8(r.IntN(a + 1))
			}
			got.Pix[i+3] = uint8(a)
		}
		copy(want.Pix, got.Pix)
		at := image.Pt(9, 12)
		lay(got, mask, at, ink)
		draw.DrawMask(want, mask.Rect.Add(at), image.NewUniform(ink), image.Point{}, mask, image.Point{}, draw.Over)
		for i := range got.Pix {
			if d := int(got.Pix[i]) - int(want.Pix[i]); d < -1 || d > 1 {
				t.Fatalf("ink %v: byte %d is %d, want %d", ink, i, got.Pix[i], want.Pix[i])
			}
		}
	}
}
