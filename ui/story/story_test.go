//go:build linux

// Package story_test drives the real program on an X server of its own, with keys, clicks and drops as a user's, through
// the whole story of a dataset, and looks at what the screen shows and what the disk holds.
package story_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kaika/core/picture/picturetest"
)

// TestStory opens a folder, looks through it, deletes a photo, brings it back in the next session, retrains for 500 steps,
// drops a photo and sees the answer. The photos are drawn.
func TestStory(t *testing.T) {
	home := t.TempDir()
	labels := []string{"daisy", "lily", "rose", "tulip"}
	dataset := filepath.Join(home, "Pictures", "my flowers")
	plant(t, dataset, labels, func(label, n int) image.Image { return picturetest.Flower(label, n, 320, 240) })
	planted := photosIn(t, dataset)

	s := newScreen(t, 1280, 800)
	p := s.start(home)
	p.sees("Welcome to Kaika")
	p.keep("story-1-welcome")

	p.open(dataset)
	for _, label := range labels {
		p.seesBeside(label, strconv.Itoa(perLabel))
	}
	flowers := p.seesFlowers()
	atFirst := p.still()
	p.keep("story-2-review")

	p.click(flowers[0])
	p.press("delete")
	p.until("a photo is in the trash", func() bool { return len(photosIn(t, filepath.Join(dataset, ".kaika", "trash"))) == 1 })
	left := photosIn(t, dataset)
	gone := slices.Collect(maps.Keys(planted))
	gone = slices.DeleteFunc(gone, func(name string) bool { return left[name] != nil })
	if len(gone) != 1 || len(left) != len(planted)-1 {
		t.Fatalf("%d of %d photos are left, and %q are gone; one should be", len(left), len(planted), gone)
	}
	p.seesBeside(filepath.Dir(gone[0]), strconv.Itoa(perLabel-1))
	if alike(atFirst, p.still(), flowers) {
		t.Error("the grid looks as if no photo had been deleted")
	}
	p.keep("story-3-deleted")

	p.close()
	p = s.start(home)
	p.seesBeside(filepath.Dir(gone[0]), strconv.Itoa(perLabel-1))
	p.press("ctrl+z")
	p.seesBeside(filepath.Dir(gone[0]), strconv.Itoa(perLabel))
	if restored := photosIn(t, dataset); !maps.EqualFunc(restored, planted, bytes.Equal) {
		t.Errorf("after undo there are %d photos that are not, bit for bit, the %d of before", len(restored), len(planted))
	}
	if len(photosIn(t, filepath.Join(dataset, ".kaika", "trash"))) != 0 {
		t.Error("after undo there is something in the trash")
	}
	if !alike(atFirst, p.still(), flowers) {
		t.Error("after undo the grid does not look as it did before")
	}
	p.keep("story-4-undone")

	model := p.retrain("story-5")
	photo := filepath.Join(home, "バラ & co.jpg")
	if err := os.WriteFile(photo, picturetest.JPEG(slices.Index(labels, "rose"), 1000, 640, 480), 0o644); err != nil {
		t.Fatal(err)
	}
	if answer := p.classify(model, photo); answer != "rose" {
		t.Errorf("the drawn rose is called a %s", answer)
	}
	p.keep("story-6-answer")
	p.close()
	if now := photosIn(t, dataset); !maps.EqualFunc(now, planted, bytes.Equal) {
		t.Error("retraining or classifying changed the photos")
	}
}

// TestStoryOfPhotos opens a folder of real photos, retrains, drops one that it has not seen, and sees the answer.
func TestStoryOfPhotos(t *testing.T) {
	flowers := filepath.Join("..", "..", "..", "shared", "data", "rose_sunflower_lilium")
	_, err := os.Stat(flowers)
	needs(t, err, "the real photos must be there")
	home := t.TempDir()
	dataset := filepath.Join(home, "rose sunflower lilium")
	if err := os.CopyFS(dataset, os.DirFS(flowers)); err != nil {
		t.Fatal(err)
	}
	sunflowers, err := filepath.Glob(filepath.Join(dataset, "sunflower", "*.jpg"))
	if err != nil || len(sunflowers) == 0 {
		t.Fatalf("there are no sunflowers: %v", err)
	}
	photo := filepath.Join(home, "what is it.jpg")
	if err := os.Rename(sunflowers[0], photo); err != nil {
		t.Fatal(err)
	}

	p := newScreen(t, 1280, 800).start(home)
	p.open(dataset)
	p.seesBeside("sunflower", strconv.Itoa(len(sunflowers)-1))
	p.still()
	p.keep("photos-1-review")
	model := p.retrain("photos-2")
	if answer := p.classify(model, photo); answer != "sunflower" {
		t.Errorf("a sunflower is called a %s", answer)
	}
	p.keep("photos-3-answer")
}

// open drops a folder on the window and opens it as a dataset.
func (p *program) open(dataset string) {
	p.Helper()
	p.drop(middle(image.Rectangle{Max: p.size}), dataset)
	p.click(p.sees("Open it as a dataset"))
	p.sees(filepath.Base(dataset))
}

// retrain retrains for 500 steps with the other settings as they are, and gives the folder of the model. The result and
// the curves are kept under names that begin with this.
func (p *program) retrain(kept string) (model string) {
	p.Helper()
	p.press("ctrl+3")
	p.click(p.sees("4000"))
	p.press("ctrl+a")
	p.enter("500")
	p.click(p.sees("Start"))
	p.until("the run is kept", func() bool {
		files, err := filepath.Glob(filepath.Join(p.home, "data", "kaika", "runs", "*", "run.json"))
		if err != nil {
			p.Fatal(err)
		}
		if len(files) > 0 {
			model = filepath.Dir(files[0])
		}
		return model != ""
	})
	run := readJSON[struct {
		Report struct {
			Steps int
			Test  struct{ Correct, Count int }
		}
	}](p, filepath.Join(model, "run.json"))
	if run.Report.Steps != 500 || run.Report.Test.Count == 0 {
		p.Fatalf("the run was not 500 steps and a test: %+v", run)
	}
	for _, name := range []string{"retrained_graph.pb", "retrained_labels.txt", "model.json", "metrics.jsonl"} {
		if info, err := os.Stat(filepath.Join(model, name)); err != nil || info.Size() == 0 {
			p.Errorf("the model lacks %s: %v", name, err)
		}
	}
	p.sees(fmt.Sprintf("%d of %d test photos", run.Report.Test.Correct, run.Report.Test.Count))
	p.keep(kept + "-result")
	p.click(p.sees("Curves"))
	p.sees("Training, single steps")
	p.keep(kept + "-curves")
	return model
}

// classify drops a photo on the window, whichever tab is open, and checks that what the window answers is what the command
// answers. It gives the label.
func (p *program) classify(model, photo string) string {
	p.Helper()
	p.drop(middle(image.Rectangle{Max: p.size}), photo)
	p.sees("It is really a")
	best := p.answers(model, photo)[0]
	p.seesBeside(best.Label, fmt.Sprintf("%.2f%%", min(100*best.Score, 99.99))) // The window never says 100 %: that would be certain.
	p.seesWhere(fmt.Sprintf("%q in large letters and beside its bar", best.Label), func(words []word) bool {
		places := find(words, best.Label)
		slices.SortFunc(places, func(a, b image.Rectangle) int { return b.Dx() - a.Dx() })
		return len(places) >= 2 && 4*places[0].Dx() > 5*places[1].Dx()
	})
	return best.Label
}

// rank is one label of an answer and its share, 0 to 1.
type rank struct {
	Label string
	Score float64
}

// answers gives what the command says is on a photo, the likeliest first.
func (p *program) answers(model, photo string) []rank {
	p.Helper()
	cmd := exec.CommandContext(p.Context(), p.cmd.Path, "classify", "--json", "--top", "0", "--model", model, photo)
	cmd.Env = p.environment(p.home)
	out, err := cmd.Output()
	if err != nil {
		p.Fatalf("kaika classify: %v\n%s", err, out)
	}
	var answers []struct{ Predictions []rank }
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != 1 || len(answers[0].Predictions) == 0 {
		p.Fatalf("kaika classify says %s: %v", out, err)
	}
	return answers[0].Predictions
}

// perLabel is how many photos of each label are drawn: so many that some are there to test with.
const perLabel = 24

// plant writes drawn photos into a folder for each label.
func plant(tb testing.TB, dataset string, labels []string, draw func(label, n int) image.Image) {
	tb.Helper()
	for i, label := range labels {
		if err := os.MkdirAll(filepath.Join(dataset, label), 0o755); err != nil {
			tb.Fatal(err)
		}
		for n := range perLabel {
			name := filepath.Join(dataset, label, fmt.Sprintf("%s %02d.jpg", label, n+1))
			if err := os.WriteFile(name, picturetest.EncodeJPEG(draw(i, n)), 0o644); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// photosIn gives the photos below a folder by their names there; what Kaika keeps for itself is left out.
func photosIn(tb testing.TB, dir string) map[string][]byte {
	tb.Helper()
	photos := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == ".kaika":
			return filepath.SkipDir
		case filepath.Ext(path) != ".jpg":
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		photos[strings.TrimPrefix(path, dir+"/")] = content
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		tb.Fatal(err)
	}
	return photos
}

// readJSON reads a file of JSON.
func readJSON[T any](tb testing.TB, path string) (v T) {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// alike tells whether the pictures at these places are the same on two looks at the screen, but for their edges, where a
// selection shows, and for what it costs to keep a thumbnail as JPEG.
func alike(a, b *image.RGBA, places []image.Rectangle) bool {
	const little = 8 // Mean difference of a channel, of 255.
	for _, place := range places {
		place = place.Inset(min(place.Dx(), place.Dy()) / 4)
		sum, count := 0, 0
		for y := place.Min.Y; y < place.Max.Y; y++ {
			for i := a.PixOffset(place.Min.X, y); i < a.PixOffset(place.Max.X, y); i++ {
				difference := int(a.Pix[i]) - int(b.Pix[i])
				sum, count = sum+max(difference, -difference), count+1
			}
		}
		if sum > little*count {
			return false
		}
	}
	return true
}
