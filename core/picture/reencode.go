package picture

import (
	"bytes"
	"image"
	"image/png"
	"math"

	"golang.org/x/image/draw"
)

// The size of a PNG that is made here: far more than a network looks at, and little enough to hold many at once.
const (
	maxShortSide = 1024
	maxLongSide  = 8 * maxShortSide
)

// toPNG decodes a file of a kind that the engine cannot read, and encodes its w x h pixels as a PNG, scaled down to
// the limits above, and on white where they are transparent. The decoded picture takes at most 8 bytes a pixel.
func toPNG(kind Kind, data []byte, w, h int) (encoded []byte, err error) {
	// The decoders make room for all that is claimed before they read on. A photo of a few megapixels is never so small
	// that it gives 4,096 pixels a byte; a lie is.
	const freePixels, pixelsPerByte = 4 << 20, 4096
	if w*h > freePixels+pixelsPerByte*len(data) {
		return nil, bad(Truncated, "claims %d x %d pixels but has only %d bytes: download or copy it again", w, h, len(data))
	}
	img, err := decode(kind, data)
	if err != nil {
		return nil, err
	}
	canvas := image.Rect(0, 0, w, h)
	if img.Bounds() != canvas { // The first frame of a GIF may fill only a part.
		img = onWhite(img, canvas)
	}
	scale := min(1, maxShortSide/float64(min(w, h)), maxLongSide/float64(max(w, h)))
	if scale < 1 {
		size := func(side int) int { return max(1, int(math.Round(float64(side)*scale))) }
		img = shrink(img, size(w), size(h))
	} else {
		img = onWhite(img, canvas)
	}
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(&b, img); err != nil {
		return nil, badBy(err, Damaged, "cannot be turned into a PNG (%v)", err)
	}
	return b.Bytes(), nil
}

// onWhite draws img at its own place on a white canvas.
func onWhite(img image.Image, canvas image.Rectangle) *image.RGBA {
	dst := white(canvas)
	draw.Draw(dst, img.Bounds(), img, img.Bounds().Min, draw.Over)
	return dst
}

func white(canvas image.Rectangle) *image.RGBA {
	dst := image.NewRGBA(canvas)
	draw.Draw(dst, canvas, image.White, image.Point{}, draw.Src)
	return dst
}

// shrink scales img, whose bounds begin at (0, 0), to w x h pixels on white by Catmull-Rom's cubic.
//
// The scaler keeps 32 bytes for each pixel of (new width) x (old height), which is more than the photo itself takes.
// So it is used for one axis at a time, on a band of the other axis, along which it changes nothing.
func shrink(img image.Image, w, h int) *image.RGBA {
	const band = 64
	from := img.Bounds()
	narrow := white(image.Rect(0, 0, w, from.Dy()))
	horizontal := draw.CatmullRom.NewScaler(w, band, from.Dx(), band)
	for y := 0; y < from.Dy(); y += band {
		end := min(y+band, from.Dy())
		horizontal.Scale(narrow, image.Rect(0, y, w, end), img, image.Rect(0, y, from.Dx(), end), draw.Over, nil)
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	vertical := draw.CatmullRom.NewScaler(band, h, band, from.Dy())
	for x := 0; x < w; x += band {
		end := min(x+band, w)
		vertical.Scale(dst, image.Rect(x, 0, end, h), narrow, image.Rect(x, 0, end, from.Dy()), draw.Src, nil)
	}
	return dst
}
