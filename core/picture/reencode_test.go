package picture

import (
	"image"
	"testing"

	"golang.org/x/image/draw"

	"kaika/core/picture/picturetest"
)

// Working in bands must not show.
func TestShrinkIsCatmullRom(t *testing.T) {
	for _, size := range []image.Point{{200, 150}, {63, 64}, {64, 65}, {130, 1}, {1, 1}} {
		src := picturetest.Flower(3, 4, 300, 220)
		got := shrink(src, size.X, size.Y)
		want := image.NewRGBA(image.Rectangle{Max: size})
		draw.CatmullRom.Scale(want, want.Rect, src, src.Rect, draw.Src, nil)
		if got.Rect != want.Rect {
			t.Fatalf("got the bounds %v, want %v", got.Rect, want.Rect)
		}
		for i := range want.Pix {
			// It rounds once more than the library does.
			if d := int(got.Pix[i]) - int(want.Pix[i]); d < -2 || d > 2 {
				t.Fatalf("%v: channel %d of pixel %d is %d, want %d", size, i%4, i/4, got.Pix[i], want.Pix[i])
			}
		}
	}
}
