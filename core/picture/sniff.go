package picture

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"strings"
)

// sniff tells the format by the first bytes, "" where it is none of ours.
func sniff(data []byte) Kind {
	has := func(at int, magic string) bool {
		return len(data) >= at && bytes.HasPrefix(data[at:], []byte(magic))
	}
	switch {
	case has(0, "\xff\xd8\xff"):
		return JPEG
	case has(0, "\x89PNG\r\n\x1a\n"):
		return PNG
	case has(0, "GIF87a"), has(0, "GIF89a"):
		return GIF
	case has(0, "RIFF") && has(8, "WEBP"):
		return WebP
	case has(0, "II*\x00"), has(0, "MM\x00*"):
		return TIFF
	// Two letters are little, so the length of the second header, at most 124, has to agree.
	case has(0, "BM") && len(data) >= 18 && binary.LittleEndian.Uint32(data[14:]) <= 124:
		return BMP
	}
	return ""
}

// foreign says what a file is that is none of our formats.
func foreign(data []byte) error {
	const saveAs = "is a %s, which Kaika cannot read yet: save it as JPEG"
	if len(data) == 0 {
		return bad(Empty, "is an empty file: download or copy it again")
	}
	head := data[:min(len(data), 1024)]
	for _, f := range []struct{ magic, name string }{
		{"\xff\x0a", "JPEG XL photo"},
		{"\x00\x00\x00\x0cJXL \r\n", "JPEG XL photo"},
		{"\x00\x00\x00\x0cjP  \r\n", "JPEG 2000 photo"},
		{"\xff\x4f\xff\x51", "JPEG 2000 photo"},
		{"8BPS", "Photoshop document"},
		{"gimp xcf", "GIMP document"},
		{"II+\x00", "BigTIFF"},
		{"MM\x00+", "BigTIFF"},
		{"FUJIFILMCCD-RAW", "raw photo of a Fujifilm camera"},
		{"IIU\x00", "raw photo of a Panasonic camera"},
		{"IIRO", "raw photo of an Olympus camera"},
		{"\x00\x00\x01\x00", "Windows icon"},
	} {
		if strings.HasPrefix(string(head), f.magic) {
			return bad(Unsupported, saveAs, f.name)
		}
	}
	const film = "is a video, not a photo: save one picture of it as JPEG"
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		if name := isoMedia(head); name != "" {
			return bad(Unsupported, saveAs, name)
		}
		return bad(NotAPicture, film)
	}
	is, _, _ := strings.Cut(http.DetectContentType(data), ";")
	group, _, _ := strings.Cut(is, "/")
	switch {
	case is == "text/html":
		return bad(NotAPicture, "is a web page, not a picture: download the photo itself again")
	case group == "text" && bytes.Contains(head, []byte("<svg")):
		return bad(Unsupported, "is an SVG drawing, which Kaika cannot read: save it as PNG")
	case group == "text":
		return bad(NotAPicture, "is a text file, not a picture")
	case is == "application/pdf":
		return bad(NotAPicture, "is a PDF document, not a picture: save the photo in it as JPEG")
	case group == "video":
		return bad(NotAPicture, film)
	case is == "application/zip", is == "application/x-gzip", is == "application/x-rar-compressed":
		return bad(NotAPicture, "is an archive, not a picture: unpack it")
	}
	return bad(NotAPicture, "is not a picture that Kaika knows: use JPEG or PNG")
}

// isoMedia names the picture format of a file of ISO/IEC 14496-12's family by the brands in its first box, "" where it
// is none, such as a film. Brands: ISO/IEC 23008-12 (HEIF), annex B; AVIF 1.1, section 8.
func isoMedia(head []byte) string {
	end := min(uint64(binary.BigEndian.Uint32(head)), uint64(len(head)))
	name := ""
	for at := uint64(8); at+4 <= end; at += 4 {
		switch string(head[at : at+4]) {
		case "avif", "avis":
			return "AVIF photo" // It claims to be mif1 as well.
		case "crx ":
			return "raw photo of a Canon camera"
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "msf1":
			name = "HEIC photo"
		}
	}
	return name
}
