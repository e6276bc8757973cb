//go:build linux

package story_test

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/image/draw"
)

// kept is the folder for what was on the screen.
var kept = flag.String("kept", filepath.Join("..", "..", "build", "screenshots"), "folder for pictures of the screen")

// keep writes what is on the screen to a PNG of this name.
func (s *screen) keep(name string) {
	s.Helper()
	s.write(name, s.look())
}

// write writes a PNG of this name, and gives its size in bytes.
func (s *screen) write(name string, img image.Image) int {
	s.Helper()
	var b bytes.Buffer
	err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, img)
	if err == nil {
		err = os.MkdirAll(*kept, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(*kept, name+".png"), b.Bytes(), 0o644)
	}
	if err != nil {
		s.Fatalf("keeping what is on the screen: %v", err)
	}
	return b.Len()
}

// word is a word on the screen.
type word struct {
	text  string
	place image.Rectangle
	line  string // words of one line have the same
}

// read reads the English words on the screen, line by line. Tesseract is trained on print at 300 dots an inch, so letters
// are made so many times larger for it.
func (s *screen) read(img *image.RGBA, enlarged int) []word {
	s.Helper()
	tesseract, err := exec.LookPath("tesseract")
	needs(s, err, "words on the screen are read by tesseract (on Debian: apt-get install tesseract-ocr)")
	large := image.NewGray(image.Rectangle{Max: img.Rect.Max.Mul(enlarged)})
	draw.CatmullRom.Scale(large, large.Rect, blackOnWhite(img), img.Rect, draw.Src, nil)
	var picture, answer, complaints bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&picture, large); err != nil {
		s.Fatal(err)
	}
	const sparse = "11" // Words anywhere, in no order.
	cmd := exec.CommandContext(s.Context(), tesseract, "-", "-", "--dpi", "300", "--psm", sparse, "-l", "eng", "tsv")
	cmd.Env = append(os.Environ(), "OMP_THREAD_LIMIT=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &picture, &answer, &complaints
	if err := cmd.Run(); err != nil {
		s.Fatalf("tesseract: %v\n%s", err, complaints.String())
	}
	table := csv.NewReader(&answer)
	table.Comma, table.LazyQuotes, table.FieldsPerRecord = '\t', true, -1
	rows, err := table.ReadAll()
	if err != nil {
		s.Fatalf("tesseract's answer: %v", err)
	}
	var words []word
	for _, row := range rows {
		const level, block, paragraph, line, left, text = 0, 2, 3, 4, 6, 11
		if len(row) <= text || row[level] != "5" || strings.TrimSpace(row[text]) == "" {
			continue
		}
		var box [4]int
		for i := range box {
			if box[i], err = strconv.Atoi(row[left+i]); err != nil {
				s.Fatal(err)
			}
		}
		place := image.Rectangle{Min: image.Pt(box[0], box[1]).Div(enlarged), Max: image.Pt(box[0]+box[2], box[1]+box[3]).Div(enlarged)}
		words = append(words, word{row[text], place, strings.Join(row[block:line+1], " ")})
	}
	return words
}

// blackOnWhite gives a picture as print: what stands out from the colour around it is black, whether it was
// light on dark, dark on light, or on a button. Tesseract by itself overlooks letters on a ground that is not the page's.
func blackOnWhite(img *image.RGBA) *image.Gray {
	grey := image.NewGray(img.Rect)
	draw.Draw(grey, grey.Rect, img, image.Point{}, draw.Src)
	page := image.NewGray(grey.Rect)
	const across, down = 12, 8 // So far around a pixel less than half is letters.
	for y := range grey.Rect.Max.Y {
		// The ground is the median around the pixel, from a histogram that slides along the line.
		var histogram [256]int
		count, below, median := 0, 0, 0 // below counts what is darker than median.
		column := func(x, change int) {
			for v := max(y-down, 0); v <= min(y+down, grey.Rect.Max.Y-1) && x >= 0 && x < grey.Rect.Max.X; v++ {
				shade := int(grey.Pix[v*grey.Stride+x])
				histogram[shade] += change
				count += change
				if shade < median {
					below += change
				}
			}
		}
		for x := range across {
			column(x, 1)
		}
		for x := range grey.Rect.Max.X {
			column(x+across, 1)
			column(x-across-1, -1)
			for below > count/2 {
				median--
				below -= histogram[median]
			}
			for below+histogram[median] <= count/2 {
				below += histogram[median]
				median++
			}
			const faint, plain = 16, 190 // Differences in brightness.
			difference := int(grey.Pix[y*grey.Stride+x]) - median
			page.Pix[y*page.Stride+x] = uint8(255 - 255*max(0, min(max(difference, -difference), plain)-faint)/(plain-faint))
		}
	}
	return page
}

// letters gives a text as it is compared, without blanks and marks: small ones are often misread. Points in numbers stay.
func letters(s string) string {
	runes := []rune(s)
	digit := func(i int) bool { return i >= 0 && i < len(runes) && unicode.IsDigit(runes[i]) }
	var b strings.Builder
	for i, r := range runes {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '%' || r == '.' && digit(i-1) && digit(i+1) {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// find gives the places where words that stand beside each other on a line say this.
func find(words []word, text string) []image.Rectangle {
	wanted := letters(text)
	var places []image.Rectangle
	for i := range words {
		place, said := image.Rectangle{}, ""
		for _, w := range words[i:] {
			if w.line != words[i].line {
				break
			}
			said += letters(w.text)
			place = place.Union(w.place)
			if said == wanted {
				places = append(places, place)
			}
			if !strings.HasPrefix(wanted, said) || said == wanted {
				break
			}
		}
	}
	return places
}

// text gives words as lines.
func text(words []word) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 && w.line != words[i-1].line {
			b.WriteByte('\n')
		} else if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
	}
	return b.String()
}

// sees waits until words are on the screen, and gives the place of the topmost.
func (s *screen) sees(phrase string) image.Rectangle {
	s.Helper()
	var places []image.Rectangle
	s.seesWhere(fmt.Sprintf("%q", phrase), func(words []word) bool {
		places = find(words, phrase)
		return len(places) > 0
	})
	return slices.MinFunc(places, func(a, b image.Rectangle) int { return a.Min.Y - b.Min.Y })
}

// seesWhere waits until what is written on the screen is as wanted. It reads when the screen has changed and stands still,
// and twice, in two sizes: what is misread in one is seldom misread in the other.
func (s *screen) seesWhere(what string, wanted func([]word) bool) {
	s.Helper()
	var words []word
	var seen, read []byte
	found := false
	defer func() {
		if !found {
			s.Logf("the screen said:\n%s", text(words))
		}
	}()
	s.until("the screen says "+what, func() bool {
		img := s.look()
		still := bytes.Equal(img.Pix, seen)
		seen = img.Pix
		if !still || bytes.Equal(img.Pix, read) {
			return false
		}
		read = img.Pix
		for _, enlarged := range []int{2, 3} {
			words = s.read(img, enlarged)
			if found = wanted(words); found {
				return true
			}
		}
		return false
	})
}

// seesBeside waits until two words are on the screen, the second to the right of the first, in one row of a list.
func (s *screen) seesBeside(first, second string) {
	s.Helper()
	s.seesWhere(fmt.Sprintf("%q beside %q", second, first), func(words []word) bool {
		for _, a := range find(words, first) {
			for _, b := range find(words, second) {
				if b.Min.X >= a.Max.X && b.Min.X < a.Max.X+farthest && b.Min.Y < a.Max.Y && a.Min.Y < b.Max.Y {
					return true
				}
			}
		}
		return false
	})
}

// farthest is how far two things are apart at most that are beside each other, in pixels.
const farthest = 500

// flowers gives the places of the drawn flowers on the screen, row by row: each is on a dark green ground, which is on
// nothing else there.
func flowers(img *image.RGBA) []image.Rectangle {
	const step = 4 // One pixel of so many is looked at, across and down.
	columns, rows := img.Rect.Dx()/step, img.Rect.Dy()/step
	green := make([]bool, columns*rows)
	for i := range green {
		c := img.RGBAAt(i%columns*step, i/columns*step)
		r, g, b := int(c.R), int(c.G), int(c.B)
		green[i] = 2*g > 3*r && 2*g > 3*b && g > 40 && g < 140
	}
	var places []image.Rectangle
	for i := range green {
		if !green[i] {
			continue
		}
		place := image.Rectangle{}
		next := []int{i}
		green[i] = false
		for len(next) > 0 {
			at := next[len(next)-1]
			next = next[:len(next)-1]
			x, y := at%columns, at/columns
			place = place.Union(image.Rect(x, y, x+1, y+1))
			for _, n := range [][2]int{{x - 1, y}, {x + 1, y}, {x, y - 1}, {x, y + 1}} {
				if j := n[1]*columns + n[0]; n[0] >= 0 && n[0] < columns && n[1] >= 0 && n[1] < rows && green[j] {
					green[j] = false
					next = append(next, j)
				}
			}
		}
		if place.Dx() >= 64/step && place.Dy() >= 48/step {
			places = append(places, image.Rectangle{Min: place.Min.Mul(step), Max: place.Max.Mul(step)})
		}
	}
	return places
}

// seesFlowers waits until a grid of flowers is on the screen, and gives their places.
func (s *screen) seesFlowers() []image.Rectangle {
	s.Helper()
	const few = 8
	s.until("a grid of flowers is on the screen", func() bool { return len(flowers(s.look())) >= few })
	return flowers(s.still())
}
