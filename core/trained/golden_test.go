package trained

import (
	"crypto/sha256"
	"encoding/hex"
	"image/color"
	"math"
	"slices"
	"strings"
	"testing"

	"kaika/core/picture"
)

// The digests are in every model that was ever trained: with other pictures, all of those are refused.
func TestGoldenPicturesAreTheSameEverywhere(t *testing.T) {
	want := []string{
		"d1950d17b8567d98ddce1a92ad6530dca57dcb16f3bb13795fd42ec4017ec0d7",
		"07699e9fce2b2024927b1080b0b2f6169d007746d27c6a05518d306aa3c0de62",
		"23f7d4c01bbb20ef66599cc1fff22755ced1da87edfe259d5ed4b439e2925cc3",
	}
	pictures, digests, err := Golden()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(digests, want) {
		t.Errorf("the golden pictures are %q", digests)
	}
	for i, e := range pictures {
		if e.Kind != picture.PNG || e.Orientation != 1 {
			t.Errorf("golden picture %d is a %s, orientation %d", i, e.Kind, e.Orientation)
		}
		img, err := picture.Decode(e)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		b := img.Bounds()
		for y := range b.Dy() {
			for x := range b.Dx() {
				r, g, b, _ := img.At(x, y).RGBA()
				sum.Write([]byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)})
			}
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != digests[i] {
			t.Errorf("golden picture %d has other pixels in its file", i)
		}
	}
}

// Processors and versions of Go differ in the last bits of a sine or a product. No pixel may depend on them.
func TestGoldenPicturesDoNotDependOnTheLastBit(t *testing.T) {
	const off = 3e-8 // Pixels; about 1e-10 of a side, a million times what rounding does.
	for i, d := range drawings() {
		for y := range d.height {
			for x := range d.width {
				at := func(dx, dy float64) [4]uint8 {
					c := d.colour(float64(x)+0.37+dx, float64(y)+0.61+dy)
					return [4]uint8{c.R, c.G, c.B, c.A}
				}
				here := at(0, 0)
				if at(off, off) != here || at(-off, off) != here || at(off, -off) != here || at(-off, -off) != here {
					t.Fatalf("pixel (%d, %d) of golden picture %d lies on a border of two colours", x, y, i)
				}
			}
		}
	}
}

func TestGoldenPicturesDiffer(t *testing.T) {
	for i, d := range drawings() {
		colours := map[color.RGBA]int{}
		for y := range d.height {
			for x := range d.width {
				colours[d.colour(float64(x), float64(y))]++
			}
		}
		for c, n := range colours {
			if n > d.width*d.height*9/10 {
				t.Errorf("golden picture %d is almost everywhere %v", i, c)
			}
		}
		if len(colours) < 6 {
			t.Errorf("golden picture %d has only %d colours", i, len(colours))
		}
	}
}

func TestCheckGolden(t *testing.T) {
	digests := []string{"a", "b"}
	nan := float32(math.NaN())
	model := func(change ...func(*Model)) *Model {
		m := &Model{
			Labels:       []string{"rose", "薔薇"},
			BaseModel:    BaseModel{Precision: "float32"},
			GoldenScores: []GoldenScore{{"a", []float32{0.9, 0.1}}, {"b", []float32{0.4, 0.6}}},
		}
		for _, c := range change {
			c(m)
		}
		return m
	}
	for name, c := range map[string]struct {
		model     *Model
		scores    [][]float32
		precision string
		words     string // "" where the model is accepted.
	}{
		"same":                       {model(), [][]float32{{0.9, 0.1}, {0.4, 0.6}}, "", ""},
		"rounded otherwise":          {model(), [][]float32{{0.8985, 0.1015}, {0.4015, 0.5985}}, "float32", ""},
		"a little off":               {model(), [][]float32{{0.9, 0.1}, {0.403, 0.597}}, "", `golden picture 2 for "rose" is 0.4030 instead of 0.4000 (tolerance 0.002)`},
		"off in the other direction": {model(), [][]float32{{0.897, 0.103}, {0.4, 0.6}}, "", "golden picture 1"},
		"another answer":             {model(), [][]float32{{0.1, 0.9}, {0.4, 0.6}}, "bfloat16", `golden picture 1 for "rose" is 0.1000 instead of 0.9000 (tolerance 0.100)`},
		"bfloat16 may be more off":   {model(), [][]float32{{0.88, 0.12}, {0.42, 0.58}}, "bfloat16", ""},
		"but not in float32":         {model(), [][]float32{{0.88, 0.12}, {0.42, 0.58}}, "float32", "does not compute on this machine"},
		"trained in bfloat16": {
			model(func(m *Model) { m.BaseModel.Precision = "bfloat16" }), [][]float32{{0.88, 0.12}, {0.42, 0.58}}, "float32", "",
		},
		"not a number":    {model(), [][]float32{{nan, 0.1}, {0.4, 0.6}}, "bfloat16", "is NaN instead of 0.9000"},
		"too few scores":  {model(), [][]float32{{0.9}, {0.4, 0.6}}, "", "1 scores for 2 labels"},
		"too many scores": {model(), [][]float32{{0.9, 0.1}, {0.4, 0.6, 0}}, "", "3 scores for 2 labels"},
		"no scores":       {model(), [][]float32{nil, {0.4, 0.6}}, "", "0 scores for 2 labels"},
		"no pictures":     {model(), nil, "", "0 pictures instead of 2"},
		"too few labels": {
			model(func(m *Model) { m.Labels = m.Labels[:1] }), [][]float32{{0.9, 0.1}, {0.4, 0.6}}, "", "do not fit together",
		},
		"scores of another graph in the model": {
			model(func(m *Model) { m.GoldenScores[1].Scores = []float32{1} }), [][]float32{{0.9, 0.1}, {0.4, 0.6}}, "", "do not fit together",
		},
		"another picture": {
			model(func(m *Model) { m.GoldenScores[1].Picture = "c" }), [][]float32{{0.9, 0.1}, {0.4, 0.6}}, "", "drawn by another version of Kaika",
		},
		"fewer pictures": {
			model(func(m *Model) { m.GoldenScores = m.GoldenScores[:1] }), [][]float32{{0.9, 0.1}, {0.4, 0.6}}, "", "drawn by another version",
		},
		"more pictures": {
			model(func(m *Model) { m.GoldenScores = append(m.GoldenScores, GoldenScore{Picture: "c"}) }),
			[][]float32{{0.9, 0.1}, {0.4, 0.6}},
			"", "drawn by another version",
		},
		"nothing to check by": {
			model(func(m *Model) { m.GoldenScores = nil }), [][]float32{{0.9, 0.1}, {0.4, 0.6}}, "", "drawn by another version",
		},
	} {
		err := c.model.CheckGolden(digests, c.scores, c.precision)
		if (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
