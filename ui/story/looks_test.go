//go:build linux

package story_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"kaika/core/picture/picturetest"
)

// every asks for all pictures of docs/screenshots; two looks out of four find what can go wrong.
var every = flag.Bool("every", false, "look at every language in every brightness")

// TestLooks looks at each tab with something in it, in English and Japanese, light and dark.
func TestLooks(t *testing.T) {
	marks := landmarks{}
	seen := map[string]string{} // Names of pictures by their pixels.
	for _, language := range []struct {
		code, dataset, photo string
		labels               []string
	}{
		{"en", "garden", "What is this.jpg", []string{"crocus", "daisy", "lily", "rose", "tulip"}},
		{"ja", "庭の花", "これは何.jpg", []string{"クロッカス", "ヒナギク", "百合", "薔薇", "チューリップ"}},
	} {
		for _, brightness := range []string{"light", "dark"} {
			if !*every && (language.code == "en") != (brightness == "light") {
				continue
			}
			t.Run(language.code+"-"+brightness, func(t *testing.T) {
				home := shortTemp(t)
				dataset := filepath.Join(home, language.dataset)
				plant(t, dataset, language.labels, petals)
				archive := filepath.Join(home, "more.tar")
				more := pack(t, archive, language.labels)
				photo := filepath.Join(home, language.photo)
				if err := os.WriteFile(photo, picturetest.EncodeJPEG(petals(3, 1000)), 0o644); err != nil {
					t.Fatal(err)
				}
				prefer(t, home, map[string]string{"language": language.code, "brightness": brightness, "dataset": dataset, "collect.near": "off"})

				p := newScreen(t, 1280, 800).start(home)
				at := func(phrase string) image.Rectangle { return marks.find(p, language.code, phrase) }
				keep := func(tab string, img *image.RGBA) {
					t.Helper()
					name := language.code + "-" + brightness + "-" + tab
					if other, known := seen[string(img.Pix)]; known {
						t.Errorf("%s and %s are the same", name, other)
					}
					seen[string(img.Pix)] = name
					if light := brightnessOf(img); light > 0.5 != (brightness == "light") {
						t.Errorf("%s has a brightness of %.2f", name, light)
					}
					const most = 200 << 10 // Bytes that a picture in docs may have.
					if size := p.write(name, fewColours(img)); size > most {
						t.Errorf("%s has %d bytes", name, size)
					}
				}

				p.seesFlowers()
				keep("review", p.still())

				p.drop(middle(image.Rectangle{Max: p.size}), archive)
				collect := at(fmt.Sprintf("Collect %d photos", more))
				p.click(collect)
				p.until("the photos were collected", func() bool { return len(photosIn(t, dataset)) == perLabel*len(language.labels)+more })
				p.seesFlowers()
				keep("collect", p.still())

				p.turns(func() { p.press("ctrl+3") })
				p.click(at("Start"))
				p.until("the run is kept", func() bool {
					runs, err := filepath.Glob(filepath.Join(home, "data", "kaika", "runs", "*", "run.json"))
					return err == nil && len(runs) == 1
				})
				p.still()
				keep("retrain", p.turns(func() { p.click(at("Curves")) }))

				p.drop(middle(image.Rectangle{Max: p.size}), photo)
				p.seesWhere("a percentage of each label", func(words []word) bool {
					shares := slices.DeleteFunc(words, func(w word) bool { return !share.MatchString(w.text) })
					return len(shares) >= len(language.labels)
				})
				keep("classify", p.still())
			})
		}
	}
}

// landmarks are places of what is written on the screen in English. In Japanese, which is not read, the same is there.
type landmarks map[string]image.Rectangle

func (l landmarks) find(p *program, language, phrase string) image.Rectangle {
	p.Helper()
	if language == "en" {
		l[phrase] = p.sees(phrase)
	} else {
		p.still()
	}
	return l[phrase]
}

// share is a percentage as it stands beside a bar.
var share = regexp.MustCompile(`^\d+\.\d\d%?$`)

// shortTemp gives a folder whose path is short enough for pictures.
func shortTemp(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "") //nolint:usetesting // Its path would name the test.
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return dir
}

// petals draws a flower whose label is told by the number of its petals alone.
func petals(label, n int) image.Image { return picturetest.Flower(label+6*n, n, 480, 360) }

// prefer writes the settings of a user, as the window keeps them.
func prefer(tb testing.TB, home string, preferences map[string]string) {
	tb.Helper()
	dir := filepath.Join(home, "config", "kaika")
	data, err := json.Marshal(preferences)
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "settings.json"), data, 0o644); err != nil {
		tb.Fatal(err)
	}
}

// pack writes an archive of a few photos in label folders, and tells how many they are.
func pack(tb testing.TB, path string, labels []string) (photos int) {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, label := range labels {
		for n := range 4 + i {
			photo := picturetest.EncodeJPEG(petals(i, 100+n))
			header := &tar.Header{Name: fmt.Sprintf("flowers/%s/%d.jpg", label, n), Mode: 0o644, Size: int64(len(photo))}
			if err := w.WriteHeader(header); err != nil {
				tb.Fatal(err)
			}
			if _, err := w.Write(photo); err != nil {
				tb.Fatal(err)
			}
			photos++
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		tb.Fatal(err)
	}
	return photos
}

// brightnessOf gives the mean brightness of a picture, 0 to 1.
func brightnessOf(img *image.RGBA) float64 {
	sum := 0
	for _, v := range img.Pix {
		sum += int(v)
	}
	alpha := 255 * len(img.Pix) / 4
	return float64(sum-alpha) / float64(3*alpha)
}

// fewColours gives a picture in 256 colours, which is a third of its size as a file: colours are put into boxes, of which
// the one with most pixels times its longest side is cut in two at its median, again and again (median cut).
func fewColours(img *image.RGBA) *image.Paletted {
	type shade struct {
		colour color.RGBA
		pixels int
	}
	counts := map[color.RGBA]int{}
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			counts[img.RGBAAt(x, y)]++
		}
	}
	channels := []func(color.RGBA) uint8{
		func(c color.RGBA) uint8 { return c.R }, func(c color.RGBA) uint8 { return c.G }, func(c color.RGBA) uint8 { return c.B },
	}
	type box struct {
		shades       []shade
		pixels, side int
		longest      func(color.RGBA) uint8
	}
	measured := func(shades []shade) box {
		b := box{shades: shades, side: -1}
		for _, s := range shades {
			b.pixels += s.pixels
		}
		for _, channel := range channels {
			low, high := 255, 0
			for _, s := range shades {
				low, high = min(low, int(channel(s.colour))), max(high, int(channel(s.colour)))
			}
			if high-low > b.side {
				b.side, b.longest = high-low, channel
			}
		}
		return b
	}
	var all []shade
	for c, n := range counts {
		all = append(all, shade{c, n})
	}
	boxes := []box{measured(all)}
	for len(boxes) < 256 {
		weight := func(b box) int { return b.pixels * b.side }
		largest := slices.MaxFunc(boxes, func(a, b box) int { return cmp.Compare(weight(a), weight(b)) })
		if largest.side == 0 {
			break
		}
		i := slices.IndexFunc(boxes, func(b box) bool { return &b.shades[0] == &largest.shades[0] })
		slices.SortFunc(largest.shades, func(a, b shade) int { return cmp.Compare(largest.longest(a.colour), largest.longest(b.colour)) })
		cut, pixels := 1, largest.shades[0].pixels
		for cut < len(largest.shades)-1 && pixels < largest.pixels/2 {
			pixels += largest.shades[cut].pixels
			cut++
		}
		boxes[i] = measured(largest.shades[:cut])
		boxes = append(boxes, measured(largest.shades[cut:]))
	}
	palette := make(color.Palette, len(boxes))
	index := map[color.RGBA]uint8{}
	for i, b := range boxes {
		sums := [3]int{}
		for _, s := range b.shades {
			for k, channel := range channels {
				sums[k] += s.pixels * int(channel(s.colour))
			}
			index[s.colour] = uint8(i)
		}
		palette[i] = color.RGBA{uint8(sums[0] / b.pixels), uint8(sums[1] / b.pixels), uint8(sums[2] / b.pixels), 255}
	}
	out := image.NewPaletted(img.Rect, palette)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			out.Pix[y*out.Stride+x] = index[img.RGBAAt(x, y)]
		}
	}
	return out
}
