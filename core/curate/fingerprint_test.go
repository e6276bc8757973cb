package curate_test

import (
	"image"
	"image/color"
	"image/draw"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	xdraw "golang.org/x/image/draw"

	"kaika/core/curate"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

// altered gives a copy of a picture: scaled, with a share of each side cut off, and brighter.
func altered(img image.Image, scale, cut, gain float64) *image.RGBA {
	b := img.Bounds()
	w, h := float64(b.Dx()), float64(b.Dy())
	from := image.Rect(int(w*cut), int(h*cut), int(w*(1-cut)), int(h*(1-cut))).Add(b.Min)
	dst := image.NewRGBA(image.Rect(0, 0, max(1, int(float64(from.Dx())*scale)), max(1, int(float64(from.Dy())*scale))))
	xdraw.CatmullRom.Scale(dst, dst.Rect, img, from, draw.Src, nil)
	for i, v := range dst.Pix {
		if i%4 != 3 {
			dst.Pix[i] = uint8(min(255, float64(v)*gain))
		}
	}
	return dst
}

// looks gives the fingerprint of the picture in the bytes of a file.
func looks(tb testing.TB, data []byte) curate.Fingerprint {
	tb.Helper()
	e, err := picture.Parse(data)
	ok(tb, err)
	img, err := picture.Decode(e)
	ok(tb, err)
	return curate.FingerprintOf(img)
}

func TestFingerprint(t *testing.T) {
	flower := picturetest.Flower(3, 1, 400, 300)
	is := curate.FingerprintOf(flower)
	mirrored := image.NewRGBA(flower.Rect)
	for y := range 300 {
		for x := range 400 {
			mirrored.Set(399-x, y, flower.At(x, y))
		}
	}
	for name, tc := range map[string]struct {
		of, to curate.Fingerprint
		like   bool
	}{
		"itself":          {is, is, true},
		"JPEG":            {is, looks(t, picturetest.EncodeJPEG(flower)), true},
		"JPEG, turned":    {is, looks(t, picturetest.Turned(flower, 6)), true},
		"a third":         {is, curate.FingerprintOf(altered(flower, 0.3, 0, 1)), true},
		"twice as large":  {is, curate.FingerprintOf(altered(flower, 2, 0, 1)), true},
		"an edge cut off": {is, curate.FingerprintOf(altered(flower, 1, 0.01, 1)), true},
		"brighter":        {is, curate.FingerprintOf(altered(flower, 1, 0, 1.2)), true},
		"darker":          {is, curate.FingerprintOf(altered(flower, 1, 0, 0.7)), true},
		"all at once":     {is, curate.FingerprintOf(altered(flower, 0.5, 0.01, 1.1)), true},
		"part of another": {is, curate.FingerprintOf(altered(flower, 1, 0.3, 1).SubImage(image.Rect(20, 20, 140, 100))), false},
		"another flower":  {is, curate.FingerprintOf(picturetest.Flower(4, 1, 400, 300)), false},
		"mirrored":        {is, curate.FingerprintOf(mirrored), false},
		"none":            {curate.Fingerprint{}, curate.Fingerprint{}, false},
		"nothing":         {curate.FingerprintOf(image.NewGray(image.Rect(0, 0, 300, 200))), curate.FingerprintOf(image.White), false},
		"no pixels":       {curate.FingerprintOf(image.NewGray(image.Rectangle{})), is, false},
		"one pixel":       {curate.FingerprintOf(image.NewGray(image.Rect(7, 7, 8, 8))), is, false},
		"an even grey": {
			curate.FingerprintOf(noise(128, 1)), curate.FingerprintOf(noise(130, 1)), false,
		},
	} {
		if tc.of.Like(tc.to) != tc.like || tc.to.Like(tc.of) != tc.like {
			t.Errorf("%s: %x and %x look alike: %v", name, tc.of, tc.to, !tc.like)
		}
	}
}

// noise draws a grey that differs by one level here and there.
func noise(grey, by uint8) image.Image {
	img := image.NewGray(image.Rect(0, 0, 128, 96))
	for i := range img.Pix {
		img.Pix[i] = grey
		if i%3 == 0 {
			img.Pix[i] += by
		}
	}
	return img
}

// TestFingerprintColours holds the fast ways to the grey of a pixel together with the slow one.
func TestFingerprintColours(t *testing.T) {
	rgba := picturetest.Flower(2, 5, 200, 150)
	grey := image.NewGray(image.Rect(10, 20, 210, 170))
	draw.Draw(grey, grey.Rect, rgba, image.Point{}, draw.Src)
	ycbcr := image.NewYCbCr(image.Rect(0, 0, 200, 150), image.YCbCrSubsampleRatio420)
	for y := range 150 {
		for x := range 200 {
			ycbcr.Y[ycbcr.YOffset(x, y)] = grey.GrayAt(10+x, 20+y).Y
		}
	}
	palette := image.NewPaletted(rgba.Rect, color.Palette{})
	for i := range 256 {
		palette.Palette = append(palette.Palette, color.Gray{uint8(i)})
	}
	draw.Draw(palette, palette.Rect, grey, grey.Rect.Min, draw.Src)
	is := curate.FingerprintOf(rgba)
	for _, img := range []image.Image{grey, ycbcr, palette} {
		if of := curate.FingerprintOf(img); of != is {
			t.Errorf("%T: %x, not %x", img, of, is)
		}
	}
}

// TestFingerprintOfRealPhotos looks for photos that look alike among some hundred small real ones of the same thing.
func TestFingerprintOfRealPhotos(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "data", "flower_photos", "sunflowers", "*_[mn].jpg"))
	ok(t, err)
	if len(files) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("the real photos are missing")
		}
		t.Skip("there are no real photos here")
	}
	all := make([]curate.Fingerprint, len(files))
	var alike []string
	for i, file := range files {
		data, err := os.ReadFile(file)
		ok(t, err)
		all[i] = looks(t, data)
		for j, other := range all[:i] {
			if all[i].Like(other) {
				alike = append(alike, filepath.Base(files[j])[:8]+" "+filepath.Base(file)[:8])
			}
		}
	}
	slices.Sort(alike)
	// The first are one photo saved with other colours, the second one photo, the third two of one flower.
	if got, want := strings.Join(alike, ", "), "14741866 14925398, 14889392 15066430, 66068204 66068233"; got != want {
		t.Errorf("of %d photos look alike: %s; not %s", len(files), got, want)
	}
}
