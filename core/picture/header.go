package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// A header is what a file says about its picture before the pixels. The orientation is 0 where it says none.
type header struct {
	width, height int
	orientation   int
}

// readHeader reads the header and refuses a picture without pixels or with too many. It allocates nothing by what the
// file claims.
func readHeader(kind Kind, data []byte) (header, error) {
	var (
		h   header
		err error
	)
	switch kind {
	case JPEG:
		h, err = jpegHeader(data)
	case PNG:
		h, err = pngHeader(data)
	case GIF:
		h, err = configHeader(kind, data, gif.DecodeConfig)
	case WebP:
		h, err = webpHeader(data)
	case BMP:
		h, err = configHeader(kind, data, bmp.DecodeConfig)
	case TIFF:
		h, err = configHeader(kind, data, tiff.DecodeConfig)
		h.orientation = exifOrientation(data)
	default:
		err = foreign(data)
	}
	if err != nil {
		return header{}, err
	}
	switch w, h := h.width, h.height; {
	case w <= 0 || h <= 0:
		err = bad(Empty, "is a %s without pixels (%d x %d)", kind, w, h)
	case w > MaxPixels/h:
		err = bad(TooManyPixels, "claims %d x %d pixels, more than %d megapixels: save it smaller", w, h, MaxPixels/1_000_000)
	case w > MaxSide || h > MaxSide:
		err = bad(TooManyPixels, "claims %d x %d pixels, more than %d on a side: save it smaller", w, h, MaxSide)
	}
	return h, err
}

// jpegHeader reads the markers of a JPEG (ITU-T T.81, annex B) up to its first scan. It is not image/jpeg's
// DecodeConfig, because that refuses kinds of JPEG that the engine's decoder takes.
func jpegHeader(data []byte) (header, error) {
	const (
		sof0, sof15   = 0xc0, 0xcf // The start of a frame, but for the three between that are not.
		dht, jpg, dac = 0xc4, 0xc8, 0xcc
		rst0, eoi     = 0xd0, 0xd9
		sos, app1     = 0xda, 0xe1
		tem           = 0x01
	)
	var h header
	framed := false
	for rest := data[2:]; ; {
		// Junk before a marker and fill bytes are skipped, as libjpeg does.
		at := bytes.IndexByte(rest, 0xff)
		if at < 0 {
			return h, cutOff(JPEG)
		}
		for rest = rest[at:]; len(rest) > 0 && rest[0] == 0xff; {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return h, cutOff(JPEG)
		}
		marker := rest[0]
		rest = rest[1:]
		if marker <= tem || marker >= rst0 && marker < eoi {
			continue // No segment follows.
		}
		if marker == eoi || len(rest) < 2 {
			return h, cutOff(JPEG)
		}
		length := int(binary.BigEndian.Uint16(rest))
		if length < 2 {
			return h, bad(Damaged, "is a damaged JPEG: download or copy it again")
		}
		if length >= len(rest) {
			return h, cutOff(JPEG)
		}
		segment := rest[2:length]
		rest = rest[length:]
		switch {
		case marker == dht || marker == jpg || marker == dac:
		case marker >= sof0 && marker <= sof15 && !framed && len(segment) >= 5:
			h.height = int(binary.BigEndian.Uint16(segment[1:]))
			h.width = int(binary.BigEndian.Uint16(segment[3:]))
			framed = true
		case marker == app1 && h.orientation == 0:
			if exif, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok {
				h.orientation = exifOrientation(exif)
			}
		case marker == sos && !framed:
			return h, bad(Damaged, "is a damaged JPEG: it has pixels but no size")
		case marker == sos:
			return h, nil
		}
	}
}

// pngHeader reads the header of a PNG and walks its chunks, of which any may be the eXIf one.
// (W3C, Portable Network Graphics, third edition, sections 5 and 11.)
func pngHeader(data []byte) (header, error) {
	const ihdr = "\x00\x00\x00\x0dIHDR"
	rest := data[8:]
	if len(rest) < len(ihdr)+13+4 {
		return header{}, cutOff(PNG)
	}
	if !bytes.HasPrefix(rest, []byte(ihdr)) {
		return header{}, bad(Damaged, "is a PNG that does not begin with its size: save it again")
	}
	h := header{width: int(binary.BigEndian.Uint32(rest[8:])), height: int(binary.BigEndian.Uint32(rest[12:]))}
	for {
		if len(rest) < 12 {
			return h, cutOff(PNG)
		}
		length, name := int64(binary.BigEndian.Uint32(rest)), string(rest[4:8])
		if name == "IEND" {
			return h, nil
		}
		if length > int64(len(rest)-12) {
			return h, cutOff(PNG)
		}
		if name == "eXIf" && h.orientation == 0 {
			h.orientation = exifOrientation(rest[8 : 8+length])
		}
		rest = rest[12+length:]
	}
}

// webpHeader reads the size of a WebP, and the orientation from its EXIF chunk.
// (Google, WebP container specification, "Extended file format".)
func webpHeader(data []byte) (header, error) {
	const animation = 1 << 1
	orientation := 0
	for rest := data[12:]; len(rest) >= 8; {
		name, length := string(rest[:4]), int64(binary.LittleEndian.Uint32(rest[4:]))
		if length > int64(len(rest)-8) {
			return header{}, cutOff(WebP)
		}
		chunk := rest[8 : 8+length]
		switch {
		case name == "VP8X" && length > 0 && chunk[0]&animation != 0:
			return header{}, bad(Unsupported, "is an animated WebP, which Kaika cannot read: save one picture of it as JPEG")
		case name == "EXIF" && orientation == 0:
			orientation = exifOrientation(bytes.TrimPrefix(chunk, []byte("Exif\x00\x00")))
		}
		rest = rest[min(8+length+length%2, int64(len(rest))):]
	}
	h, err := configHeader(WebP, data, webp.DecodeConfig)
	h.orientation = orientation
	return h, err
}

// configHeader reads the size with the decoder's own function.
func configHeader(kind Kind, data []byte, config func(io.Reader) (image.Config, error)) (header, error) {
	c, err := guard(kind, data, config)
	return header{width: c.Width, height: c.Height}, err
}
