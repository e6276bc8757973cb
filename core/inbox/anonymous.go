package inbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"kaika/core/picture"
)

// anonymous gives the file of a photo without what cameras and programs write beside the picture: where and when it was
// taken, by whom and with what, thumbnails of what was cut off, and whatever lies behind its end. The pixels stay as they
// are, bit for bit, with their colours and the turn that the photo asks for.
func anonymous(p picture.Encoded) (data []byte, end string, err error) {
	switch {
	case bytes.HasPrefix(p.Data, []byte("\xff\xd8")):
		data, end = bareJPEG(p.Data, p.Orientation), ".jpg"
	case bytes.HasPrefix(p.Data, []byte("\x89PNG\r\n\x1a\n")):
		data, end = barePNG(p.Data, p.Orientation), ".png"
	default:
		return nil, "", errors.New("the photo is neither a JPEG nor a PNG")
	}
	// Should there be a file that is read otherwise than here, it is not kept.
	again, err := picture.Parse(data)
	if err != nil {
		return nil, "", err
	}
	want, got := p, again
	if got.Orientation != max(want.Orientation, 1) || bytes.HasPrefix(p.Data, []byte("\xff\xd8")) && (got.Width != want.Width || got.Height != want.Height) {
		return nil, "", errors.New("what is beside the picture cannot be taken away from it")
	}
	return data, end, nil
}

// orientationOnly is an EXIF block that has the orientation, and nothing else. (TIFF 6.0, sections 2 and 8.)
func orientationOnly(orientation int) []byte {
	return []byte{
		'M', 'M', 0, '*', 0, 0, 0, 8, // The first directory follows.
		0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, byte(orientation), 0, 0, //nolint:gosec // One entry, of one short number, 1 to 8.
		0, 0, 0, 0, // There is no other directory.
	}
}

// bareJPEG leaves out all segments for applications and comments, but those that say what the colours mean.
// (ITU-T T.81, annex B; Adobe TN 5116; ICC.1:2022, annex B.4.)
func bareJPEG(data []byte, orientation int) []byte {
	const (
		tem        = 0x01
		rst0, rst7 = 0xd0, 0xd7
		soi, eoi   = 0xd8, 0xd9
		sos        = 0xda
		app0       = 0xe0
		app1       = 0xe1
		app2       = 0xe2
		app14      = 0xee
		app15      = 0xef
		com        = 0xfe
	)
	bare := make([]byte, 0, len(data))
	bare = append(bare, 0xff, soi)
	turn := func() {}
	if orientation > 1 {
		turn = func() { // In front of the first segment that stays, but behind JFIF's, which wants to be the first.
			block := append([]byte("Exif\x00\x00"), orientationOnly(orientation)...)
			bare = append(bare, 0xff, app1)
			bare = binary.BigEndian.AppendUint16(bare, uint16(2+len(block))) //nolint:gosec // It has 32 bytes.
			bare = append(bare, block...)
		}
	}
	turned := false
	scan := false // In the pixels' own data.
	for rest := data[2:]; len(rest) > 0; {
		at := bytes.IndexByte(rest, 0xff)
		if at < 0 {
			at = len(rest)
		}
		if scan {
			bare = append(bare, rest[:at]...)
		}
		rest = rest[at:]
		for len(rest) > 0 && rest[0] == 0xff { // Fill bytes.
			rest = rest[1:]
		}
		if len(rest) == 0 {
			break
		}
		marker := rest[0]
		rest = rest[1:]
		switch {
		case scan && (marker == 0 || marker >= rst0 && marker <= rst7):
			bare = append(bare, 0xff, marker)
			continue
		case marker <= tem || marker >= rst0 && marker <= soi:
			continue
		case marker == eoi:
			return append(bare, 0xff, eoi)
		case len(rest) < 2:
			return bare
		}
		length := int(binary.BigEndian.Uint16(rest))
		if length < 2 || length > len(rest) {
			return bare
		}
		segment := rest[:length]
		rest = rest[length:]
		scan = marker == sos
		said := segment[2:]
		personal := marker >= app0 && marker <= app15 || marker == com
		switch {
		case marker == app0 && bytes.HasPrefix(said, []byte("JFIF\x00")) && len(said) >= 14:
			// Without the thumbnail that may be in it.
			bare = append(bare, 0xff, app0, 0, 16)
			bare = append(append(bare, said[:12]...), 0, 0)
			continue
		case marker == app2 && bytes.HasPrefix(said, []byte("ICC_PROFILE\x00")), marker == app14 && bytes.HasPrefix(said, []byte("Adobe")):
			personal = false
		}
		if personal {
			continue
		}
		if !turned {
			turned = true
			turn()
		}
		bare = append(bare, 0xff, marker)
		bare = append(bare, segment...)
	}
	return bare
}

// barePNG leaves out all chunks that the picture does not need. (W3C, Portable Network Graphics, third edition, section 11.)
func barePNG(data []byte, orientation int) []byte {
	const head = 8
	bare := append(make([]byte, 0, len(data)), data[:head]...)
	for rest := data[head:]; len(rest) >= 12; {
		length := int64(binary.BigEndian.Uint32(rest))
		if length > int64(len(rest)-12) {
			break
		}
		chunk, name := rest[:12+length], string(rest[4:8])
		rest = rest[12+length:]
		switch name {
		case "IHDR":
			bare = append(bare, chunk...)
			if orientation > 1 {
				bare = appendChunk(bare, "eXIf", orientationOnly(orientation))
			}
		case "PLTE", "IDAT", "tRNS", "gAMA", "cHRM", "sRGB", "iCCP", "sBIT", "cICP":
			bare = append(bare, chunk...)
		case "IEND":
			return append(bare, chunk...)
		}
	}
	return bare
}

func appendChunk(to []byte, name string, content []byte) []byte {
	to = binary.BigEndian.AppendUint32(to, uint32(len(content))) //nolint:gosec // It is small.
	from := len(to)
	to = append(append(to, name...), content...)
	return binary.BigEndian.AppendUint32(to, crc32.ChecksumIEEE(to[from:]))
}
