package chart

import (
	"fmt"
	"image/color"
	"math"
	"testing"
)

func contrast(a, b color.NRGBA) float64 {
	lighter, darker := max(luminance(a), luminance(b)), min(luminance(a), luminance(b))
	return (lighter + 0.05) / (darker + 0.05)
}

// Each colour stands out by 3:1 (WCAG 2.2, 1.4.11), also from grounds a bit off the plain ones.
func TestContrast(t *testing.T) {
	for dark, grounds := range map[bool][]color.NRGBA{
		false: {opaque(0xffffff), opaque(0xf3f3f3), fileColors(false).background},
		true:  {opaque(0x000000), opaque(0x171718), opaque(0x28292e), fileColors(true).background},
	} {
		for i := range Colors {
			for _, ground := range grounds {
				if c := contrast(Color(i, dark), ground); c < 3 {
					t.Errorf("colour %d on %v: %.2f:1", i, ground, c)
				}
			}
		}
		c := fileColors(dark)
		if contrast(c.foreground, c.background) < 7 || contrast(c.muted, c.background) < 4.5 {
			t.Errorf("texts of files, dark %v, are hard to read", dark)
		}
	}
}

// cones are what normal eyes and those that lack a kind of cones make of linear sRGB (Machado, Oliveira and Fernandes 2009, severity 1).
var cones = map[string][9]float64{
	"normal":       {1, 0, 0, 0, 1, 0, 0, 0, 1},
	"protanopia":   {0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998},
	"deuteranopia": {0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881},
	"tritanopia":   {1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900},
}

// lab gives a colour in CIE L*a*b* as eyes with such cones see it.
func lab(c color.NRGBA, m [9]float64) [3]float64 {
	rgb := [3]float64{linear(c.R), linear(c.G), linear(c.B)}
	var seen [3]float64
	for i := range 3 {
		seen[i] = min(1, max(0, m[3*i]*rgb[0]+m[3*i+1]*rgb[1]+m[3*i+2]*rgb[2]))
	}
	f := func(v float64) float64 {
		if v > 0.008856 {
			return math.Cbrt(v)
		}
		return 7.787*v + 16.0/116
	}
	x := f((0.4124564*seen[0] + 0.3575761*seen[1] + 0.1804375*seen[2]) / 0.95047)
	y := f(0.2126729*seen[0] + 0.7151522*seen[1] + 0.0721750*seen[2])
	z := f((0.0193339*seen[0] + 0.1191920*seen[1] + 0.9503041*seen[2]) / 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

func TestColorsDifferToAllEyes(t *testing.T) {
	for _, dark := range []bool{false, true} {
		for name, m := range cones {
			for i := range Colors {
				for j := range i {
					a, b := lab(Color(i, dark), m), lab(Color(j, dark), m)
					distance := math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
					least := 17.0
					if i < 4 {
						least = 29
					}
					if distance < least {
						t.Errorf("dark %v, %s: colours %d and %d are %.1f apart, want %v", dark, name, j, i, distance, least)
					}
				}
			}
		}
	}
}

func TestColorGoesAround(t *testing.T) {
	for _, i := range []int{-8, 8, 16} {
		if Color(i, true) != Color(0, true) {
			t.Errorf("colour %d is not colour 0", i)
		}
	}
	if Color(-1, false) != Color(7, false) {
		t.Error("colour -1 is not colour 7")
	}
}

// Runs laid over each other can be told apart in print without colours.
func TestStylesDifferWithoutColor(t *testing.T) {
	seen := map[string]int{}
	for i := range 20 {
		s := StyleOf(i)
		key := fmt.Sprint(s.Dash, s.Marker)
		if other, twice := seen[key]; twice {
			t.Errorf("runs %d and %d look alike", other, i)
		}
		seen[key] = i
		if s.Marker == NoMarker || s.Faint {
			t.Errorf("style %d: %+v", i, s)
		}
	}
	if Train.Dash == Validation.Dash || Train.Marker == Validation.Marker || Train.Color == Validation.Color || !Raw.Faint {
		t.Error("training and validation look alike")
	}
	if (Style{Width: float32(math.NaN())}).width() != 1.5 || (Style{Width: 1e9}).width() != maxWidth || Dash(99).lengths() != nil || Dash(-1).lengths() != nil {
		t.Error("odd styles are not bounded")
	}
}
