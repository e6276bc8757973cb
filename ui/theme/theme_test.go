package theme

import (
	"bytes"
	"image/color"
	"math"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"

	"kaika/assets"
)

// luminance is the relative luminance of WCAG 2.2.
func luminance(c color.Color) float64 {
	r, g, b, _ := c.RGBA()
	linear := func(v uint32) float64 {
		s := float64(v) / 0xffff
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

func contrast(a, b color.Color) float64 {
	high, low := luminance(a), luminance(b)
	if high < low {
		high, low = low, high
	}
	return (high + 0.05) / (low + 0.05)
}

func TestContrast(t *testing.T) {
	for name, variant := range map[string]fyne.ThemeVariant{"light": theme.VariantLight, "dark": theme.VariantDark} {
		th := New(System)
		background := th.Color(theme.ColorNameBackground, variant)
		for what, tc := range map[string]struct {
			text, on color.Color
			least    float64
		}{
			"text":              {th.Color(theme.ColorNameForeground, variant), background, 7},
			"quiet text":        {th.Color(theme.ColorNamePlaceHolder, variant), background, 4.5},
			"links":             {th.Color(theme.ColorNameHyperlink, variant), background, 4.5},
			"text on a button":  {th.Color(theme.ColorNameForegroundOnPrimary, variant), th.Color(theme.ColorNamePrimary, variant), 4.5},
			"errors":            {th.Color(theme.ColorNameError, variant), background, 4.5},
			"frames of entries": {th.Color(theme.ColorNameInputBorder, variant), background, 3},
			"disabled text":     {th.Color(theme.ColorNameDisabled, variant), background, 2.5},
			"bars on a track":   {th.Color(theme.ColorNamePrimary, variant), th.Color(ColorNameBarTrack, variant), 3},
			"bars, not so good": {th.Color(theme.ColorNamePlaceHolder, variant), th.Color(ColorNameBarTrack, variant), 3},
		} {
			if got := contrast(tc.text, tc.on); got < tc.least {
				t.Errorf("%s: the contrast of %s is %.1f, want %.1f", name, what, got, tc.least)
			}
		}
	}
}

func TestBrightness(t *testing.T) {
	test.NewTempApp(t)
	system, light, dark := New(System), New(Light), New(Dark)
	for _, name := range []fyne.ThemeColorName{theme.ColorNameBackground, theme.ColorNameButton} {
		if light.Color(name, theme.VariantDark) != system.Color(name, theme.VariantLight) {
			t.Errorf("light, on a dark system, has another %s than a light system", name)
		}
		if dark.Color(name, theme.VariantLight) != system.Color(name, theme.VariantDark) {
			t.Errorf("dark, on a light system, has another %s than a dark system", name)
		}
	}
}

func TestFonts(t *testing.T) {
	th := New(System)
	for _, tc := range []struct {
		style fyne.TextStyle
		want  []byte
	}{
		{fyne.TextStyle{}, assets.FontRegular},
		{fyne.TextStyle{Italic: true}, assets.FontRegular},
		{fyne.TextStyle{Bold: true}, assets.FontBold},
	} {
		if !bytes.Equal(th.Font(tc.style).Content(), tc.want) {
			t.Errorf("%+v has another font", tc.style)
		}
	}
	if bytes.Equal(th.Font(fyne.TextStyle{Monospace: true}).Content(), assets.FontRegular) {
		t.Error("code is not in a font of its own")
	}
}
