package chart

import (
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// The sizes of exported pictures in pixels, each way.
const (
	minSide = 100
	maxSide = 10000
)

// PNG writes a picture of the figure, width by height pixels, with all that a chart on the screen has. Texts and lines grow with the picture. fontData
// is an OpenType font for the texts. It takes a moment: a goroutine other than that of the window should do it.
func (f Figure) PNG(w io.Writer, width, height int, dark bool, fontData []byte) error {
	if width < minSide || height < minSide || width > maxSide || height > maxSide {
		return fmt.Errorf("drawing the chart: %d x %d pixels: choose %d to %d each way", width, height, minSide, maxSide)
	}
	picture, err := f.draw(width, height, dark, fontData)
	if err != nil {
		return fmt.Errorf("drawing the chart: %w", err)
	}
	if err := png.Encode(w, picture); err != nil {
		return fmt.Errorf("writing the picture of the chart: %w", err)
	}
	return nil
}

func (f Figure) draw(width, height int, dark bool, fontData []byte) (picture *image.RGBA, err error) {
	series := make([]Series, len(f.Series))
	names := make([]string, len(f.Series))
	for i, s := range f.Series {
		series[i], names[i] = s.ordered(), s.Name
	}
	f.Series = series

	// A chart of 800 x 450 has texts of the size they have on a screen.
	pixels := float32(max(1, min(float64(width)/800, float64(height)/450)))
	texts, err := newTypesetter(fontData, pixels)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, texts.close()) }()

	const border = 12
	c := fileColors(dark)
	var p plotter
	picture = image.NewRGBA(image.Rect(0, 0, width, height))
	p.rectangle(picture, picture.Bounds(), c.background)
	inner := picture.SubImage(picture.Bounds().Inset(round(border * pixels))).(*image.RGBA) //nolint:errcheck,forcetypeassert // A part of an *image.RGBA is one.
	w, h := float32(inner.Bounds().Dx())/pixels, float32(inner.Bounds().Dy())/pixels

	l := arrange(f, names, w, h, textSizes{title: 15, legend: 12, tick: 11}, texts.measure, true)
	part := func(b box, margin float32) *image.RGBA {
		r := image.Rect(round((b.x-margin)*pixels), round((b.y-margin)*pixels), round((b.x+b.w+margin)*pixels), round((b.y+b.h+margin)*pixels))
		return picture.SubImage(r.Add(inner.Bounds().Min)).(*image.RGBA) //nolint:errcheck,forcetypeassert // As above.
	}
	for i, e := range l.entries {
		e.sample.y += l.legend.y
		e.name.at.y += l.legend.y
		p.sample(part(e.sample, 0), series[i].Style, c, pixels)
		texts.draw(inner, e.name, c)
	}
	p.draw(part(l.plot, plotMargin), l, series, c, pixels)
	for _, label := range l.labels {
		texts.draw(inner, label, c)
	}
	if f.empty() && f.Options.Empty != "" {
		text := label{text: shorten(f.Options.Empty, l.plot.w, 12, false, texts.measure), size: 12}
		text.at.w, text.at.h = texts.measure(text.text, text.size, false)
		text.at.x, text.at.y = l.plot.x+(l.plot.w-text.at.w)/2, l.plot.y+(l.plot.h-text.at.h)/2
		texts.draw(inner, text, c)
	}
	return picture, nil
}

// typesetter draws texts by an OpenType font, each size by a face of its own.
type typesetter struct {
	font   *opentype.Font
	faces  map[float32]font.Face
	pixels float32
}

func newTypesetter(fontData []byte, pixels float32) (*typesetter, error) {
	parsed, err := opentype.Parse(fontData)
	if err != nil {
		return nil, fmt.Errorf("reading the font: %w", err)
	}
	t := &typesetter{font: parsed, faces: map[float32]font.Face{}, pixels: pixels}
	for _, size := range []float32{11, 12, 15} {
		face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: float64(size * pixels), DPI: 72, Hinting: font.HintingNone})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("opening the font: %w", err), t.close())
		}
		t.faces[size] = face
	}
	return t, nil
}

func (t *typesetter) close() error {
	var all error
	for _, face := range t.faces {
		all = errors.Join(all, face.Close())
	}
	return all
}

// measure gives the size of a text in device-independent pixels.
func (t *typesetter) measure(text string, size float32, _ bool) (w, h float32) {
	face := t.faces[size]
	m := face.Metrics()
	return float32(font.MeasureString(face, text)) / 64 / t.pixels, float32(m.Ascent+m.Descent) / 64 / t.pixels
}

func (t *typesetter) draw(picture *image.RGBA, l label, c colors) {
	face := t.faces[l.size]
	ink := c.foreground
	if l.muted {
		ink = c.muted
	}
	to26 := func(v float32) fixed.Int26_6 { return fixed.Int26_6(math.Round(float64(v * t.pixels * 64))) }
	d := font.Drawer{Dst: picture, Src: image.NewUniform(ink), Face: face}
	origin := picture.Bounds().Min
	d.Dot = fixed.Point26_6{X: fixed.I(origin.X) + to26(l.at.x), Y: fixed.I(origin.Y) + to26(l.at.y) + face.Metrics().Ascent}
	d.DrawString(l.text)
}
