// Package picturetest makes small pictures of every kind for tests: good ones, turned ones and bad ones. All are drawn
// here and are the same in each run, so no test needs a photo of anybody's.
//
// Its functions panic where a picture cannot be made, which only a mistake in the test can cause.
package picturetest

import (
	"bytes"
	_ "embed" // For the fixtures that Go cannot encode.
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// JPEG returns a baseline JPEG of Flower(class, seed, w, h).
func JPEG(class, seed, w, h int) []byte {
	return EncodeJPEG(Flower(class, seed, w, h))
}

// PNG returns a PNG of Flower(class, seed, w, h), 8 bits a channel.
func PNG(class, seed, w, h int) []byte {
	return EncodePNG(Flower(class, seed, w, h))
}

// PNG16 returns a PNG of Flower(0, 0, w, h) with 16 bits a channel.
func PNG16(w, h int) []byte {
	img := image.NewRGBA64(image.Rect(0, 0, w, h))
	draw.Draw(img, img.Bounds(), Flower(0, 0, w, h), image.Point{}, draw.Src)
	return EncodePNG(img)
}

// GIF returns a GIF of two frames, the first Flower(class, seed, w, h), the second black.
func GIF(class, seed, w, h int) []byte {
	palette := color.Palette{color.Black}
	for r := range uint8(6) {
		for g := range uint8(6) {
			for b := range uint8(6) {
				palette = append(palette, color.RGBA{51 * r, 51 * g, 51 * b, 255})
			}
		}
	}
	frame := image.NewPaletted(image.Rect(0, 0, w, h), palette)
	draw.Draw(frame, frame.Bounds(), Flower(class, seed, w, h), image.Point{}, draw.Src)
	black := image.NewPaletted(frame.Bounds(), palette)
	return encode(func(b *bytes.Buffer) error {
		return gif.EncodeAll(b, &gif.GIF{Image: []*image.Paletted{frame, black}, Delay: []int{10, 10}})
	})
}

// BMP returns a BMP of Flower(class, seed, w, h).
func BMP(class, seed, w, h int) []byte {
	return encode(func(b *bytes.Buffer) error { return bmp.Encode(b, Flower(class, seed, w, h)) })
}

// TIFF returns an uncompressed TIFF of Flower(class, seed, w, h).
func TIFF(class, seed, w, h int) []byte {
	return encode(func(b *bytes.Buffer) error { return tiff.Encode(b, Flower(class, seed, w, h), nil) })
}

// Grey returns a JPEG of one channel, of the grey of Flower(0, 0, w, h).
func Grey(w, h int) []byte {
	img := image.NewGray(image.Rect(0, 0, w, h))
	draw.Draw(img, img.Bounds(), Flower(0, 0, w, h), image.Point{}, draw.Src)
	return EncodeJPEG(img)
}

// The fixtures of the formats that Go cannot write hold Corners(64, 48).
var (
	//go:embed testdata/progressive.jpg
	progressive []byte
	//go:embed testdata/cmyk.jpg
	cmyk []byte
	//go:embed testdata/lossy.webp
	webpLossy []byte
	//go:embed testdata/lossless.webp
	webpLossless []byte
	//go:embed testdata/animated.webp
	webpAnimated []byte
)

// Progressive returns a progressive JPEG of Corners(64, 48).
func Progressive() []byte { return slices.Clone(progressive) }

// CMYK returns a JPEG of Corners(64, 48) in four inverted channels with an Adobe marker, as Photoshop writes them.
func CMYK() []byte { return slices.Clone(cmyk) }

// WebP returns a lossy WebP of Corners(64, 48) whose EXIF chunk says orientation 6.
func WebP() []byte { return slices.Clone(webpLossy) }

// WebPLossless returns a lossless WebP of Corners(64, 48) whose red quarter is transparent.
func WebPLossless() []byte { return slices.Clone(webpLossless) }

// WebPAnimated returns a WebP of two frames.
func WebPAnimated() []byte { return slices.Clone(webpAnimated) }

// HugeClaim returns a JPEG of about 20 KB whose header claims 65535 x 65535 pixels.
func HugeClaim() []byte {
	return claim(JPEG(1, 1, 400, 300), 65535, 65535)
}

// claim rewrites the size in the header of a baseline JPEG.
func claim(jpeg []byte, w, h uint16) []byte {
	at := bytes.Index(jpeg, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(jpeg[at+5:], h)
	binary.BigEndian.PutUint16(jpeg[at+7:], w)
	return jpeg
}

// Truncated returns the first half of a JPEG: its header is whole, its pixels are not.
func Truncated() []byte {
	whole := JPEG(1, 1, 160, 120)
	return whole[:len(whole)/2]
}

// Turned returns a JPEG of img that is stored turned and says so in its EXIF: whoever obeys orientation o sees img.
func Turned(img image.Image, o int) []byte {
	return WithOrientation(EncodeJPEG(Turn(img, o)), o)
}

// Turn returns the pixels that a camera stores with EXIF orientation o, 1 to 8, so that img is seen. (TIFF 6.0, tag
// 274: which edges of the scene the first row and the first column are.)
func Turn(img image.Image, o int) *image.RGBA {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	stored := image.NewRGBA(image.Rect(0, 0, w, h))
	if o >= 5 {
		stored = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			right, down := w-1-x, h-1-y
			// Where the seen pixel (x, y) is stored: column, row.
			at := [...]image.Point{
				1: {x, y},        // row 0 is the top, column 0 the left side
				2: {right, y},    // top, right
				3: {right, down}, // bottom, right
				4: {x, down},     // bottom, left
				5: {y, x},        // left, top
				6: {y, right},    // right, top
				7: {down, right}, // right, bottom
				8: {down, x},     // left, bottom
			}[o]
			stored.Set(at.X, at.Y, img.At(b.Min.X+x, b.Min.Y+y))
		}
	}
	return stored
}

// WithOrientation returns a JPEG or PNG with the EXIF orientation o added to it. The pixels stay as they are; o may be
// any number of 16 bits, also a senseless one.
func WithOrientation(picture []byte, o int) []byte {
	exif := Exif(o)
	if bytes.HasPrefix(picture, []byte("\x89PNG")) {
		const afterHeader = 8 + 25 // The signature and the IHDR chunk.
		chunk := append([]byte("eXIf"), exif...)
		chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk))
		return slices.Concat(picture[:afterHeader], []byte{0, 0, 0, exifSize}, chunk, picture[afterHeader:])
	}
	segment := append([]byte{0xff, 0xe1, 0, 2 + 6 + exifSize}, "Exif\x00\x00"...)
	return slices.Concat(picture[:2], segment, exif, picture[2:])
}

const exifSize = 26

// Exif returns a minimal EXIF block, a TIFF header and one directory, that holds orientation o and nothing else.
func Exif(o int) []byte {
	b := []byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01")
	b = binary.BigEndian.AppendUint16(b, uint16(o)) //nolint:gosec // Senseless numbers are welcome.
	return append(b, make([]byte, exifSize-len(b))...)
}

// Dataset writes perLabel JPEGs of 96 x 72 pixels for each label into a new folder, as <folder>/<label>/<n>.jpg, and
// returns the folder. Each label has its own class of flower, so that a classifier can learn them.
func Dataset(tb testing.TB, perLabel int, labels ...string) string {
	tb.Helper()
	dir := tb.TempDir()
	for class, label := range labels {
		if err := os.MkdirAll(filepath.Join(dir, label), 0o750); err != nil {
			tb.Fatal(err)
		}
		for n := range perLabel {
			name := filepath.Join(dir, label, fmt.Sprintf("%d.jpg", n))
			if err := os.WriteFile(name, JPEG(class, n, 96, 72), 0o600); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return dir
}

// EncodeJPEG returns img as a baseline JPEG of quality 90.
func EncodeJPEG(img image.Image) []byte {
	return encode(func(b *bytes.Buffer) error { return jpeg.Encode(b, img, &jpeg.Options{Quality: 90}) })
}

// EncodePNG returns img as a PNG.
func EncodePNG(img image.Image) []byte {
	return encode(func(b *bytes.Buffer) error { return png.Encode(b, img) })
}

func encode(write func(*bytes.Buffer) error) []byte {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}
