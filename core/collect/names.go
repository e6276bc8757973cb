package collect

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/unicode/norm"

	"kaika/core/picture"
)

// unread are the endings of photos that Kaika cannot read. They are offered all the same, and refused with the reason,
// because their owner would miss them.
var unread = []string{
	".heic", ".heif", ".avif", ".jxl", ".jp2",
	".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw",
}

// isPhoto reports whether a file of this slash-separated path is a photo by its name, and nothing of the path is hidden, as
// what a file manager leaves beside the photos is.
func isPhoto(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || part == "__MACOSX" {
			return false
		}
	}
	return picture.IsName(name) || slices.Contains(unread, strings.ToLower(path.Ext(name)))
}

// A layout knows which folders of a tree are the labels: the first ones, going down, that are several, or the only one if it
// holds photos itself and no two folders of them. "flowers/rose/1.jpg" and "flowers/tulip/1.jpg" have the labels rose and tulip, and
// "flowers/cover.jpg" beside them has none.
type layout struct {
	within string // The folder that the label folders lie in: "" or a path with "/" at its end.
}

// arrange gives the layout of a tree with photos at these slash-separated paths.
func arrange(photos []string) layout {
	var l layout
	for {
		only, below, photosInside := "", map[string]bool{}, false
		for _, p := range photos {
			rest, inside := strings.CutPrefix(p, l.within)
			if !inside {
				continue // It is loose, higher up.
			}
			first, rest, deeper := strings.Cut(rest, "/")
			if !deeper || only != "" && first != only {
				return l
			}
			only = first
			if folder, _, deeper := strings.Cut(rest, "/"); deeper {
				below[folder] = true
			} else {
				photosInside = true
			}
		}
		if only == "" || photosInside && len(below) < 2 {
			return l
		}
		l.within += only + "/"
	}
}

// keyword gives the label folder of a photo of the tree, "" where it lies in none.
func (l layout) keyword(photo string) string {
	rest, inside := strings.CutPrefix(photo, l.within)
	first, _, deeper := strings.Cut(rest, "/")
	if !inside || !deeper {
		return ""
	}
	return first
}

// Label gives the name of a label for a keyword: what no label may have in it is left out. It is "" where nothing is left.
func Label(keyword string) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return -1
		}
		if r == '/' || r == '\\' {
			return '-'
		}
		return r
	}, norm.NFC.String(strings.ToValidUTF8(keyword, "�")))
	return strings.TrimRightFunc(strings.TrimLeftFunc(name, func(r rune) bool { return r == '.' || unicode.IsSpace(r) }), unicode.IsSpace)
}

// fileName gives the name under which a picture of a kind lands: its own as far as every system can hold it, with an ending
// by which it is known for a picture.
func fileName(name string, kind picture.Kind) string {
	const longest = 200 // Bytes; file systems take 255, and a number may have to go in.
	ending := path.Ext(name)
	if !picture.IsName("x" + ending) {
		ending = "." + strings.ToLower(string(kind))
		if kind == picture.JPEG {
			ending = ".jpg"
		}
	}
	stem := Label(strings.TrimSuffix(name, path.Ext(name)))
	for len(stem) > longest {
		_, size := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-size]
	}
	if stem == "" {
		stem = "photo"
	}
	return stem + ending
}

// decoder gives a function that turns the names of an archive into text. Old archives do not say in which encoding their
// names are: they are UTF-8 if they can be, else Shift_JIS if they look like Japanese, else that of old PCs (code page 437).
func decoder(names []string) func(string) string {
	return decoderOf(names, charmap.CodePage437)
}

// oldText turns the lines of a text that are not in UTF-8 into such ones: they are in Shift_JIS if they look like Japanese, else
// in what Windows used in the west (code page 1252). Spreadsheets still save tables so.
func oldText(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	decode := decoderOf(lines, charmap.Windows1252)
	for i, line := range lines {
		lines[i] = decode(line)
	}
	return strings.Join(lines, "")
}

func decoderOf(names []string, otherwise encoding.Encoding) func(string) string {
	japaneseText := false
	for _, name := range names {
		if utf8.ValidString(name) {
			continue
		}
		text, err := japanese.ShiftJIS.NewDecoder().String(name)
		if err != nil || strings.ContainsRune(text, utf8.RuneError) {
			japaneseText = false
			break
		}
		japaneseText = japaneseText || looksJapanese(text)
	}
	return func(name string) string {
		if utf8.ValidString(name) {
			return name
		}
		from := otherwise
		if japaneseText {
			from = japanese.ShiftJIS
		}
		text, err := from.NewDecoder().String(name)
		if err != nil {
			return strings.ToValidUTF8(name, "�")
		}
		return text
	}
}

// looksJapanese reports whether two letters of Japanese stand side by side. A single accented letter of another language
// with the letter behind it can be read as one.
func looksJapanese(text string) bool {
	run := 0
	for _, r := range text {
		if !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) {
			run = 0
			continue
		}
		if run++; run == 2 {
			return true
		}
	}
	return false
}

// explain returns what went wrong without the path, which stands beside it.
func explain(err error) string {
	var at *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "it does not exist any more"
	case errors.Is(err, fs.ErrPermission):
		return "this user may not read it"
	case errors.As(err, &at):
		return at.Err.Error()
	}
	return err.Error()
}
