// Package assets holds what is built into the program: the font, the icon and the texts of the window.
package assets

import (
	"embed"
)

// FontRegular and FontBold are M+ 1 (OpenType, SIL Open Font License 1.1: see fonts/OFL.txt), which has Latin, kana and
// kanji: no machine has to have a Japanese font.
var (
	//go:embed fonts/Mplus1-Regular.otf
	FontRegular []byte
	//go:embed fonts/Mplus1-Bold.otf
	FontBold []byte
)

// Icon is the program's icon, a PNG of 512 x 512 pixels.
//
//go:embed icons/icon.png
var Icon []byte

// Translations holds the texts of the window as translations/<room>.<language>.json. Each file is one JSON object: a
// key's text, or its plural forms by their names in the Unicode CLDR.
//
//go:embed translations
var Translations embed.FS
