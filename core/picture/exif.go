package picture

import (
	"bytes"
	"encoding/binary"
)

// exifOrientation reads the orientation, 1 to 8, out of the first directory of an EXIF block, which is laid out as a
// TIFF file. It is 0 where there is none, a senseless one, or the block is broken: nobody should lose a photo to that.
// (TIFF 6.0, sections 2 and 8; CIPA DC-008, section 4.6.)
func exifOrientation(exif []byte) int {
	const (
		tag       = 0x0112
		typeShort = 3
		entry     = 12 // Bytes of a directory entry: tag, type, count, value.
	)
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(exif, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(exif, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return 0
	}
	if len(exif) < 8 {
		return 0
	}
	at := uint64(order.Uint32(exif[4:]))
	if at+2 > uint64(len(exif)) {
		return 0
	}
	directory := exif[at+2:]
	for range order.Uint16(exif[at:]) {
		if len(directory) < entry {
			return 0
		}
		if order.Uint16(directory) == tag && order.Uint16(directory[2:]) == typeShort {
			if o := int(order.Uint16(directory[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 0
		}
		directory = directory[entry:]
	}
	return 0
}
