package picture

import (
	"bytes"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/bmp"
	"golang.org/x/image/draw"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// Decode returns the upright pixels of e, with bounds that begin at (0, 0), for windows and thumbnails. The error is an
// *Error; it may come for a picture that the engine can decode, because Go's decoders know fewer kinds of JPEG.
//
// The pixels differ slightly from those that the engine sees: nothing that is trained or classified goes through here.
func Decode(e Encoded) (image.Image, error) {
	kind := sniff(e.Data)
	if _, err := readHeader(kind, e.Data); err != nil {
		return nil, err
	}
	img, err := decode(kind, e.Data)
	if err != nil {
		return nil, err
	}
	return upright(img, e.Orientation), nil
}

// decode decodes data of the kind given.
func decode(kind Kind, data []byte) (image.Image, error) {
	decoders := map[Kind]func(io.Reader) (image.Image, error){
		JPEG: jpeg.Decode, PNG: png.Decode, GIF: gif.Decode, WebP: decodeWebP, BMP: bmp.Decode, TIFF: tiff.Decode,
	}
	return guard(kind, data, decoders[kind])
}

// decodeWebP decodes a WebP. A lossy one holds the luma from 16 to 235 and the chroma from 16 to 240 of ITU-R BT.601
// (RFC 6386, section 9.2), but the decoder gives them as if they were a JPEG's, from 0 to 255: too pale, until they are
// stretched.
func decodeWebP(r io.Reader) (image.Image, error) {
	img, err := webp.Decode(r)
	if err != nil {
		return nil, err
	}
	var planes *image.YCbCr
	switch img := img.(type) {
	case *image.YCbCr:
		planes = img
	case *image.NYCbCrA:
		planes = &img.YCbCr
	default:
		return img, nil
	}
	stretch(planes.Y, 16, 219, 0)
	stretch(planes.Cb, 128, 224, 128)
	stretch(planes.Cr, 128, 224, 128)
	return img, nil
}

// stretch scales samples by 255/span about the value from, which becomes the value to.
func stretch(samples []uint8, from, span, to int) {
	var table [256]uint8
	for i := range table {
		v := math.Round(float64((i-from)*255)/float64(span)) + float64(to)
		table[i] = uint8(min(max(v, 0), 255))
	}
	for i, s := range samples {
		samples[i] = table[s]
	}
}

// guard runs a decoder on data and gives the reason behind its error. A panic, too, is the fault of the file.
func guard[T any](kind Kind, data []byte, decoder func(io.Reader) (T, error)) (result T, err error) {
	damaged := func(cause error, what any) error {
		return badBy(cause, Damaged, "is a damaged %s (%v): download or copy it again", kind, what)
	}
	defer func() {
		if p := recover(); p != nil {
			err = damaged(nil, p)
		}
	}()
	r := bytes.NewReader(data)
	result, err = decoder(r)

	var (
		jpegUnsupported jpeg.UnsupportedError
		pngUnsupported  png.UnsupportedError
		tiffUnsupported tiff.UnsupportedError
	)
	switch {
	case err == nil:
		return result, nil
	case errors.As(err, &jpegUnsupported), errors.As(err, &pngUnsupported), errors.As(err, &tiffUnsupported),
		errors.Is(err, bmp.ErrUnsupported):
		return result, badBy(err, Unsupported, "is a %s of a kind that Kaika cannot read (%v): save it as an ordinary JPEG", kind, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		kind == GIF && r.Len() == 0: // Its decoder hides the cause.
		return result, cutOff(kind)
	}
	return result, damaged(err, err)
}

// upright undoes the turn of an EXIF orientation; 1 and senseless ones give img itself.
func upright(img image.Image, orientation int) image.Image {
	if orientation < 2 || orientation > 8 {
		return img
	}
	b := img.Bounds()
	src := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(src, src.Rect, img, b.Min, draw.Src)

	// The place in src of the upright picture's first pixel, and the steps there to its next column and next row.
	const column = 4
	row := src.Stride
	right, bottom := column*(b.Dx()-1), row*(b.Dy()-1)
	turn := [...]struct{ start, nextColumn, nextRow int }{
		2: {right, -column, row},
		3: {right + bottom, -column, -row},
		4: {bottom, column, -row},
		5: {0, row, column},
		6: {bottom, -row, column},
		7: {right + bottom, -row, -column},
		8: {right, row, -column},
	}[orientation]

	w, h := b.Dx(), b.Dy()
	if orientation >= 5 {
		w, h = h, w
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		to := dst.Pix[y*dst.Stride:]
		from := turn.start + y*turn.nextRow
		for x := range w {
			copy(to[4*x:4*x+4], src.Pix[from:from+4])
			from += turn.nextColumn
		}
	}
	return dst
}
