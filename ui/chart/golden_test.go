package chart

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaika/assets"
)

var update = flag.Bool("update", false, "write the pictures in testdata anew")

// training gives curves as a training run of n steps has them.
func training(n int) []Series {
	r := rand.New(rand.NewPCG(7, 8))
	var xs, ys, steps, validation []float64
	for i := 1; i <= n; i++ {
		share := 0.3 + 0.62*(1-math.Exp(-float64(i)/float64(n)*8))
		xs, ys = append(xs, float64(i)), append(ys, min(1, share+r.NormFloat64()*0.03))
		if i%10 == 0 || i == n {
			steps, validation = append(steps, float64(i)), append(validation, share-0.05+r.NormFloat64()*0.005)
		}
	}
	return []Series{
		{Name: "Train, each batch", X: xs, Y: ys, Style: Raw},
		{Name: "Train, smoothed", X: xs, Y: Smooth(xs, ys, 50), Style: Train},
		{Name: "Validation", X: steps, Y: validation, Style: Validation},
	}
}

// runs gives the curves of n runs.
func runs(n int) []Series {
	var all []Series
	for k := range n {
		s := Series{Name: fmt.Sprintf("%d 枚", 100*(k+1)), Style: StyleOf(k)}
		for i := 0; i <= 4000-300*k; i += 50 {
			s.X = append(s.X, float64(i))
			s.Y = append(s.Y, 0.2+(0.6+0.03*float64(k))*(1-math.Exp(-float64(i)/float64(200+200*k))))
		}
		all = append(all, s)
	}
	return all
}

func percent(y float64, decimals int) string {
	return fmt.Sprintf("%.*f %%", max(0, decimals-2), 100*y)
}

func TestGolden(t *testing.T) {
	accuracy := Options{Title: "Accuracy", XLabel: "Step", YMax: 1, Format: percent, Empty: "Start a training."}
	japanese := Options{Title: "正解率", XLabel: "ステップ", YLabel: "割合", YMax: 1, Format: percent, Empty: "学習を開始してください。"}
	gaps := []Series{{Name: "gaps", X: []float64{0, 1, 2, 3, 4, 5, 6}, Y: []float64{1, 2, math.NaN(), 1.5, math.Inf(1), 0.5, 1.9}, Style: StyleOf(1)}}
	for _, c := range []struct {
		name          string
		figure        Figure
		width, height int
		dark          bool
	}{
		{"training", Figure{accuracy, training(4000), 0}, 480, 270, false},
		{"training-dark", Figure{accuracy, training(1000), 4000}, 480, 270, true},
		{"runs", Figure{japanese, runs(8), 0}, 480, 300, false},
		{"runs-dark", Figure{japanese, runs(8), 0}, 480, 300, true},
		{"gaps", Figure{Options{Title: "Cross-entropy"}, gaps, 0}, 240, 160, false},
		{"one-point", Figure{accuracy, training(1), 0}, 300, 220, false},
		{"empty", Figure{japanese, nil, 0}, 240, 160, false},
		{"large", Figure{accuracy, training(100), 0}, 1000, 563, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := c.figure.PNG(&b, c.width, c.height, c.dark, assets.FontRegular); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", c.name+".png")
			if *update {
				if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := png.Decode(&b)
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, err := png.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if got.Bounds() != want.Bounds() {
				t.Fatalf("%v, want %v", got.Bounds(), want.Bounds())
			}
			// Processors round differently, which moves an edge by a shade, but by no more.
			if pixels := different(got, want); pixels > 5 {
				t.Errorf("%d pixels differ from %s; if they should, look at what `go test ./ui/chart -run Golden -update` writes", pixels, path)
			}
		})
	}
}

// different counts the pixels that clearly differ.
func different(a, b image.Image) int {
	const shade = 16 << 8
	pixels := 0
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			r1, g1, b1, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			if max(r1, r2)-min(r1, r2) > shade || max(g1, g2)-min(g1, g2) > shade || max(b1, b2)-min(b1, b2) > shade {
				pixels++
			}
		}
	}
	return pixels
}

func TestPNGErrors(t *testing.T) {
	for _, size := range [][2]int{{0, 0}, {99, 500}, {500, 99}, {10001, 500}, {500, math.MaxInt}, {-1, 500}} {
		if err := (Figure{}).PNG(io.Discard, size[0], size[1], false, assets.FontRegular); err == nil || !strings.Contains(err.Error(), "choose 100 to 10000") {
			t.Errorf("%v: %v", size, err)
		}
	}
	for name, data := range map[string][]byte{"no font": nil, "a torn font": assets.FontRegular[:1000], "no font at all": []byte("<html>")} {
		if err := (Figure{}).PNG(io.Discard, 200, 200, false, data); err == nil || !strings.Contains(err.Error(), "font") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Figure{}).PNG(full{}, 200, 200, false, assets.FontRegular); err == nil || !strings.Contains(err.Error(), errFull.Error()) {
		t.Errorf("a full disk: %v", err)
	}
}

// No figure, however odd, ends the program.
func TestPNGOfAnything(t *testing.T) {
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 1, -1, 1e-320, 1e300, -math.MaxFloat64, math.MaxFloat64, 4000}
	r := rand.New(rand.NewPCG(9, 10))
	value := func() float64 { return odd[r.IntN(len(odd))] }
	for range 40 {
		f := Figure{Options: Options{Title: strings.Repeat("題", r.IntN(100)), XLabel: strings.Repeat("x", r.IntN(300)), YMin: value(), YMax: value()}, Steps: value()}
		for range r.IntN(12) {
			s := Series{Name: strings.Repeat("\n\xff名", r.IntN(40)), Style: Style{r.IntN(99) - 50, r.IntN(2) == 0, Dash(r.IntN(9) - 3), Marker(r.IntN(9) - 3), float32(value())}}
			for range r.IntN(30) {
				s.X, s.Y = append(s.X, value()), append(s.Y, value())
			}
			f.Series = append(f.Series, s)
		}
		if err := f.PNG(io.Discard, 100+r.IntN(300), 100+r.IntN(300), r.IntN(2) == 0, assets.FontRegular); err != nil {
			t.Fatal(err)
		}
	}
}
