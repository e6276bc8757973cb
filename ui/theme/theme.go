// Package theme is the look of the window: its colours in light and dark, and its fonts, which know Japanese.
package theme

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"kaika/assets"
)

// Brightness is the user's choice between light and dark.
type Brightness string

// The choices.
const (
	System Brightness = "system" // As the user's system has it.
	Light  Brightness = "light"
	Dark   Brightness = "dark"
)

// Theme is Fyne's own theme with Kaika's colours and fonts.
type Theme struct {
	fyne.Theme

	brightness    Brightness
	regular, bold fyne.Resource
}

var _ fyne.Theme = (*Theme)(nil)

// New gives the theme in a brightness; an unknown one is that of the system.
func New(b Brightness) *Theme {
	return &Theme{
		Theme: theme.DefaultTheme(), brightness: b,
		regular: fyne.NewStaticResource("Mplus1-Regular.otf", assets.FontRegular),
		bold:    fyne.NewStaticResource("Mplus1-Bold.otf", assets.FontBold),
	}
}

// Names of the colours that Kaika adds to Fyne's.
const (
	ColorNameBarTrack fyne.ThemeColorName = "kaikaBarTrack" // Behind a bar of probability.
)

// palette holds the colours that differ from Fyne's, light and dark. Texts on them have a contrast of at least 4.5 : 1
// (WCAG 2.2, 1.4.3); what is disabled need not, but can be read.
var palette = map[fyne.ThemeColorName][2]color.NRGBA{
	theme.ColorNamePrimary:             {{0x1f, 0x6b, 0x90, 0xff}, {0x6c, 0xb8, 0xdc, 0xff}},
	theme.ColorNameForegroundOnPrimary: {{0xff, 0xff, 0xff, 0xff}, {0x0b, 0x22, 0x2e, 0xff}},
	theme.ColorNameHyperlink:           {{0x1f, 0x6b, 0x90, 0xff}, {0x6c, 0xb8, 0xdc, 0xff}},
	// Blended over whatever has the focus, also over a button in the primary colour: it must stand out there, too.
	theme.ColorNameFocus:       {{0xf2, 0xa9, 0x00, 0x99}, {0xff, 0x8f, 0x00, 0x99}},
	theme.ColorNameSelection:   {{0x1f, 0x6b, 0x90, 0x40}, {0x6c, 0xb8, 0xdc, 0x40}},
	theme.ColorNameBackground:  {{0xfb, 0xfb, 0xfa, 0xff}, {0x1b, 0x1f, 0x22, 0xff}},
	theme.ColorNameForeground:  {{0x1d, 0x24, 0x29, 0xff}, {0xee, 0xf1, 0xf3, 0xff}},
	theme.ColorNamePlaceHolder: {{0x5b, 0x64, 0x6b, 0xff}, {0xa3, 0xad, 0xb4, 0xff}},
	theme.ColorNameDisabled:    {{0x8b, 0x93, 0x99, 0xff}, {0x77, 0x81, 0x88, 0xff}},
	theme.ColorNameInputBorder: {{0x7d, 0x86, 0x8d, 0xff}, {0x75, 0x80, 0x88, 0xff}},
	theme.ColorNameError:       {{0xb3, 0x26, 0x1e, 0xff}, {0xf2, 0x8b, 0x82, 0xff}},
	ColorNameBarTrack:          {{0xe3, 0xe6, 0xe8, 0xff}, {0x33, 0x3a, 0x40, 0xff}},
}

// Color implements fyne.Theme.
func (t *Theme) Color(name fyne.ThemeColorName, variant fyne.ThemeVariant) color.Color {
	switch t.brightness {
	case Light:
		variant = theme.VariantLight
	case Dark:
		variant = theme.VariantDark
	case System:
	}
	if c, ours := palette[name]; ours {
		if variant == theme.VariantDark {
			return c[1]
		}
		return c[0]
	}
	return t.Theme.Color(name, variant)
}

// Font implements fyne.Theme. Cursive is not in the font: italic text is upright. Code and symbols stay Fyne's.
func (t *Theme) Font(style fyne.TextStyle) fyne.Resource {
	switch {
	case style.Monospace, style.Symbol:
		return t.Theme.Font(style)
	case style.Bold:
		return t.bold
	default:
		return t.regular
	}
}
