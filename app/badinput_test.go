package app

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kaika/core/dataset"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/train"
)

// kind is a kind of file that somebody may have among their photos.
type kind struct {
	data   []byte
	reason string         // Part of what is said, if it cannot be used.
	code   picture.Reason // In the JSON.
}

// kinds gives one file of each kind, by its name.
func kinds() map[string]kind {
	half := picturetest.PNG(0, 8, 96, 72)
	progressive := picturetest.Progressive()
	k := map[string]kind{
		"cmyk.jpg":                  {data: picturetest.CMYK()},
		"grey.jpg":                  {data: picturetest.Grey(96, 72)},
		"16 bits.png":               {data: picturetest.PNG16(96, 72)},
		"progressive.jpg":           {data: progressive},
		"one pixel.jpg":             {data: picturetest.JPEG(0, 9, 1, 1)},
		"long and narrow.jpg":       {data: picturetest.JPEG(0, 9, 3000, 3)},
		"gif.gif":                   {data: picturetest.GIF(0, 9, 96, 72)},
		"bmp.bmp":                   {data: picturetest.BMP(0, 9, 96, 72)},
		"tiff.tiff":                 {data: picturetest.TIFF(0, 9, 96, 72)},
		"webp.webp":                 {data: picturetest.WebP()},
		"a PNG by another name.jpg": {data: picturetest.PNG(0, 10, 96, 72)},
		"花 と 空白.JPEG":               {data: picturetest.JPEG(0, 11, 96, 72)},
		"-leading hyphen.jpg":       {data: picturetest.JPEG(0, 12, 96, 72)},
		"%s %d\\n.jpg":              {data: picturetest.JPEG(0, 13, 96, 72)},
		"truncated.jpg":             {picturetest.Truncated(), "truncated", picture.Damaged},
		"truncated.png":             {half[:len(half)/2], "ends too early", picture.Truncated},
		"truncated progressive.jpg": {progressive[:len(progressive)-200], "truncated", picture.Damaged},
		"header only.jpg":           {picturetest.JPEG(0, 9, 96, 72)[:20], "ends too early", picture.Truncated},
		"text.jpg":                  {[]byte("This is a text.\n"), "is a text file, not a picture", picture.NotAPicture},
		"page.jpg":                  {[]byte("<!DOCTYPE html><html><body>Not found</body></html>"), "web page", picture.NotAPicture},
		"nothing.jpg":               {nil, "empty", picture.Empty},
		"bomb.jpg":                  {picturetest.HugeClaim(), "65535 x 65535", picture.TooManyPixels},
		"noise.jpg":                 {bytes.Repeat([]byte{0xff, 0xd8, 0xff, 0x17, 0x80}, 50), "", ""},
		"animated.webp":             {picturetest.WebPAnimated(), "save one picture of it as JPEG", picture.Unsupported},
	}
	k["noise.jpg"] = kind{append([]byte{0x80, 0x81, 0}, bytes.Repeat([]byte{0xfe, 0x17, 0x80}, 50)...), "not a picture", picture.NotAPicture}
	return k
}

// TestBadPhotosAreListed trains among files of every kind: the good ones are used, the bad ones listed, and it goes on.
func TestBadPhotosAreListed(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images := picturetest.Dataset(t, 8, "a", "b", "one")
	for n := 1; n < 8; n++ {
		if err := os.Remove(filepath.Join(images, "one", fmt.Sprintf("%d.jpg", n))); err != nil {
			t.Fatal(err)
		}
	}
	good := 0
	for name, k := range kinds() {
		write(t, k.data, images, "a", name)
		if k.reason == "" {
			good++
		}
	}
	for o := 1; o <= 8; o++ {
		write(t, picturetest.Turned(picturetest.Flower(1, 800+o, 96, 64), o), images, "b", fmt.Sprintf("turned %d.jpg", o))
	}
	write(t, picturetest.JPEG(0, 20, 96, 72), images, "loose.jpg")
	write(t, []byte("x"), images, "a", "raw.heic")
	if err := os.Mkdir(filepath.Join(images, "empty label"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"circle": ".", "a/circle": "..", "b/dangling.jpg": "nowhere.jpg"} {
		if err := os.Symlink(target, filepath.Join(images, link)); err != nil {
			t.Fatal(err)
		}
	}
	report := u.retrain(images, filepath.Join(t.TempDir(), "m"))
	if !slices.Equal(report.Labels, []string{"a", "b", "one"}) || report.Photos.Total != 8+good+16+1 || report.Photos.Skipped != len(report.Skipped) {
		t.Errorf("labels %q, counted %+v, and %d good files", report.Labels, report.Photos, good)
	}
	skipped := map[string]dataset.Skip{}
	for _, s := range report.Skipped {
		rel, err := filepath.Rel(images, s.Path)
		if err != nil {
			t.Fatal(err)
		}
		skipped[rel] = s
	}
	want := map[string]kind{
		"loose.jpg":      {nil, "move it to the folder of its label", dataset.NoLabel},
		"empty label":    {nil, "has no photos in it", dataset.EmptyLabel},
		"circle":         {nil, "is a link to a folder that it lies in", dataset.CircularLink},
		"a/circle":       {nil, "is a link to a folder that it lies in", dataset.CircularLink},
		"b/dangling.jpg": {nil, "does not exist", picture.Unreadable},
		"a/raw.heic":     {nil, "save it as JPEG", picture.Unsupported},
	}
	for name, k := range kinds() {
		want["a/"+name] = k
	}
	for name, k := range want {
		t.Run(name, func(t *testing.T) {
			s, found := skipped[name]
			if found != (k.reason != "") || !strings.Contains(s.Detail, k.reason) || s.Reason != k.code {
				t.Errorf("%+v, want %q (%s)", s, k.reason, k.code)
			}
			delete(skipped, name)
		})
	}
	if len(skipped) > 0 {
		t.Errorf("also skipped: %+v", skipped)
	}
	if notes := strings.Join(report.Notes, "\n"); !strings.Contains(notes, `label "one" has 1 photo: it can be trained but not tested; collect at least 5`) {
		t.Errorf("notes %q", notes)
	}
}

// TestNoDataset gives folders that no classifier can come of.
func TestNoDataset(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for name, c := range map[string]struct {
		make  func(t *testing.T) string
		words string
	}{
		"no folder": {func(t *testing.T) string { t.Helper(); return filepath.Join(t.TempDir(), "none") }, "check the path"},
		"a file":    {aRoseOf, "is a file: give the folder that holds the label folders"},
		"nothing":   {func(t *testing.T) string { t.Helper(); return t.TempDir() }, "make a folder in it for each label"},
		"loose photos": {func(t *testing.T) string {
			t.Helper()
			return filepath.Join(picturetest.Dataset(t, 3, "a"), "a")
		}, "put the photos of each label in a folder of its own"},
		"one label": {func(t *testing.T) string { t.Helper(); return picturetest.Dataset(t, 3, "a") }, "holds only one label"},
		"one folder too high": {func(t *testing.T) string {
			t.Helper()
			dir := t.TempDir()
			if err := os.Rename(picturetest.Dataset(t, 3, "a", "b"), filepath.Join(dir, "flowers")); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "are the labels, give that folder"},
		"one label and an empty one": {func(t *testing.T) string {
			t.Helper()
			dir := picturetest.Dataset(t, 3, "a")
			if err := os.Mkdir(filepath.Join(dir, "b"), 0o755); err != nil {
				t.Fatal(err)
			}
			return dir
		}, `without photos: "b"`},
		"labels that differ only in case": {func(t *testing.T) string {
			t.Helper()
			return picturetest.Dataset(t, 3, "Rose", "rose")
		}, "rename one of the folders"},
		"one label of texts": {func(t *testing.T) string {
			t.Helper()
			dir := picturetest.Dataset(t, 3, "a", "b")
			for n := range 3 {
				write(t, []byte("text"), dir, "b", fmt.Sprintf("%d.jpg", n))
			}
			return dir
		}, "at least two labels are needed"},
	} {
		t.Run(name, func(t *testing.T) {
			images := c.make(t)
			for _, command := range []string{"retrain", "evaluate"} {
				args := append([]string{command, "--image_dir", images, "--json"}, quick...)
				model := filepath.Join(t.TempDir(), "m")
				if command == "retrain" {
					args = append(args, "--output_dir", model)
				}
				if a := u.kaika(args...).ends(exitFailed, c.words); a.stdout != "" {
					t.Errorf("it prints %s", a.stdout)
				}
				u.nothingElse(filepath.Dir(model))
			}
		})
	}
}

func aRoseOf(t *testing.T) string { t.Helper(); return aRose(t) }

// TestOutputIsTaken refuses to write a model among other files.
func TestOutputIsTaken(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images := picturetest.Dataset(t, 3, "a", "b")
	u.kaika("retrain", "--image_dir", images, "--output_dir", images).ends(exitFailed, "choose another --output_dir")
	u.kaika("retrain", "--image_dir", images, "--output_dir", filepath.Join(images, "a", "0.jpg")).ends(exitFailed, "cannot be written to")
	u.nothingElse(images, "a", "b")
}

// TestOwnFilesStay trains twice into a folder where somebody keeps notes, and has Kaika write its other files there.
func TestOwnFilesStay(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images, model := picturetest.Dataset(t, 6, "a", "b"), filepath.Join(t.TempDir(), "m")
	u.retrain(images, model, "--summaries_dir", filepath.Join(model, "logs"))
	write(t, []byte("mine"), model, "notes.txt")
	u.retrain(images, model)
	if _, err := os.Stat(filepath.Join(model, "notes.txt")); err != nil {
		t.Errorf("the notes in the model's folder are gone: %v", err)
	}
	if _, err := os.Stat(filepath.Join(model, "logs", "train")); err != nil {
		t.Errorf("the summaries in the model's folder are gone: %v", err)
	}
}

// TestCacheCannotBeWritten computes the features all the same.
func TestCacheCannotBeWritten(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images := picturetest.Dataset(t, 6, "a", "b")
	file := write(t, []byte("x"), t.TempDir(), "file")
	args := append([]string{"retrain", "--image_dir", images, "--output_dir", filepath.Join(t.TempDir(), "m"), "--json", "--bottleneck_dir", filepath.Join(file, "cache")}, quick...)
	for range 2 {
		report := parse[train.Report](u.kaika(args...).ends(exitDone, "there is no cache of features", "Choose another folder with --bottleneck_dir"))
		if report.Photos.Total != 12 || report.Photos.Cached != 0 {
			t.Errorf("counted %+v", report.Photos)
		}
	}
}

// TestCacheIsDamaged begins it anew.
func TestCacheIsDamaged(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images, model := picturetest.Dataset(t, 6, "a", "b"), filepath.Join(t.TempDir(), "m")
	write(t, []byte(strings.Repeat("this is no database. ", 100)), u.home, "cache", "kaika", "features.db")
	args := append([]string{"retrain", "--image_dir", images, "--output_dir", model, "--json"}, quick...)
	u.kaika(args...).ends(exitDone, "the cache of features is damaged and is begun anew")
	if again := u.retrain(images, model); again.Photos.Cached != 12 {
		t.Errorf("then %+v", again.Photos)
	}
}
