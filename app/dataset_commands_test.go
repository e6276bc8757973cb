package app

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kaika/core/augment"
	"kaika/core/curate"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/transfer"
)

// here runs a command in this process, which is enough where no engine is needed.
func here(t *testing.T, args ...string) answer {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return answer{TB: t, args: args, code: code, stdout: stdout.String(), stderr: stderr.String()}
}

// sourced makes a dataset of which one photo has a source, and one is no photo.
func sourced(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "花")
	if err := os.CopyFS(dir, os.DirFS(picturetest.Dataset(t, 2, "rose", "百合"))); err != nil {
		t.Fatal(err)
	}
	write(t, []byte("no photo"), dir, "rose", "bad.jpg")
	write(t, picturetest.WithOrientation(picturetest.JPEG(7, 7, 50, 20), 6), dir, "rose", "turned.jpg")
	write(t, picturetest.PNG(8, 8, 300, 200), dir, "百合", "大 きい.png")
	l, err := curate.Open(t.Context(), dir, curate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Add(t.Context(), curate.Addition{Label: "rose", Name: "f.jpg", Data: picturetest.JPEG(9, 9, 60, 60), Source: curate.Source{
		Kind: "flickr", ID: "9", Title: "A rose", Author: "花子", PageURL: "https://www.flickr.com/photos/h/9", License: "CC BY 2.0",
	}})
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDatasetUsage(t *testing.T) {
	for args, words := range map[string]string{
		"dataset stats":                           "give the folder of the dataset: kaika dataset stats --help",
		"dataset stats a b":                       `takes no argument "b"`,
		"dataset export":                          "give the folder of the dataset",
		"dataset export a":                        "give the file to write",
		"dataset export a b.zip":                  "end in .tar or .tar.gz",
		"dataset import":                          "give the archive or folder to import",
		"dataset import a":                        "dataset is missing",
		"dataset import a --dataset b --rename c": "write OLD=NEW",
		"dataset credits":                         "give the folder of the dataset",
		"dataset augment":                         "give the folder of the dataset",
		"dataset augment a":                       "say how the copies differ",

		"dataset augment a --flip_left_right --copies 0":        "copies must be 1 to 100",
		"dataset augment a --flip_left_right --copies 101":      "copies must be 1 to 100",
		"dataset augment a --random_crop 91":                    "random_crop must be 0 to 90",
		"dataset augment a --remove --copies 2 --random_crop 5": "remove and --copies, --random_crop cannot both be asked for",
	} {
		here(t, strings.Fields(args)...).ends(exitUsage, words)
		here(t, strings.Fields(strings.ReplaceAll(args, "_", "-"))...).ends(exitUsage)
	}
	for args, words := range map[string]string{
		"dataset --help":         "augment credits export fetch import stats",
		"dataset augment --help": "kaika retrain with the same flags does better --flip_left_right --random_crop --random_scale --random_brightness --random_rotation --copies --seed --remove",
		"dataset import --help":  "--dataset --rename --json",
		"dataset export --help":  "--overwrite --json",
		"dataset credits --help": "--output --json",
	} {
		a := here(t, strings.Fields(args)...).ends(exitDone)
		for word := range strings.SplitSeq(words, " ") {
			a.says(word)
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	for _, args := range [][]string{{"stats", none}, {"export", none, none + ".tar"}, {"credits", none}, {"augment", none, "--flip_left_right"}, {"augment", none, "--remove"}} {
		here(t, append([]string{"dataset"}, args...)...).ends(exitFailed, "there is no folder")
	}
	here(t, "dataset", "import", none, "--dataset", none).ends(exitFailed, "there is nothing to read at")
	if _, err := os.Stat(none); err == nil {
		t.Error("it made a folder")
	}
}

func TestDatasetStats(t *testing.T) {
	dir := sourced(t)
	s := parse[datasetStats](here(t, "dataset", "stats", dir, "--json").ends(exitDone))
	if s.Photos != 8 || len(s.Labels) != 2 || s.Labels[0].Label != "rose" || s.Labels[0].Photos != 5 || s.Labels[1].Photos != 3 ||
		s.Bytes != s.Labels[0].Bytes+s.Labels[1].Bytes || s.Ratio == nil || *s.Ratio < 1.66 || *s.Ratio > 1.67 {
		t.Errorf("%+v", s)
	}
	if s.Formats["JPEG"] != 6 || s.Formats["PNG"] != 1 || s.Sources["flickr"] != 1 || s.Sources[""] != 7 || s.Licenses["CC BY 2.0"] != 1 {
		t.Errorf("%+v", s)
	}
	if *s.Smallest != (pixels{filepath.Join("rose", "turned.jpg"), 20, 50}) || s.Median.Width != 96 || s.Median.Height != 72 {
		t.Errorf("smallest %+v, median %+v", s.Smallest, s.Median)
	}
	if len(s.Skipped) != 1 || s.Skipped[0].Reason != picture.NotAPicture {
		t.Errorf("skipped %+v", s.Skipped)
	}
	here(t, "dataset", "stats", dir).ends(exitDone).says("rose", "百合", "in all", "1.7 : 1", "96 x 72 pixels", "20 x 50 pixels", "JPEG 6, PNG 1",
		"unknown 7, flickr 1", "unknown 7, CC BY 2.0 1", "Not used (1)", "bad.jpg is a text file")
	empty := t.TempDir()
	s = parse[datasetStats](here(t, "dataset", "stats", empty, "--json").ends(exitDone))
	if s.Photos != 0 || s.Ratio != nil || s.Median != nil || s.Labels == nil || s.Skipped == nil {
		t.Errorf("nothing: %+v", s)
	}
	here(t, "dataset", "stats", empty).ends(exitDone).says("in all")
	if files, err := os.ReadDir(empty); err != nil || len(files) > 0 {
		t.Errorf("it wrote %v, %v", files, err)
	}
}

func TestDatasetThereAndBack(t *testing.T) {
	dir, out := sourced(t), t.TempDir()
	file, to := filepath.Join(out, "花.tar.gz"), filepath.Join(out, "new")
	a := here(t, "dataset", "export", dir, file).ends(exitDone, "exporting: 8 of 8 photos")
	a.says("has 8 photos of 2 labels", "Credits of 1 photo. Of 7 it is not known whom to credit.")
	here(t, "dataset", "export", dir, file).ends(exitFailed, "is there already", "--overwrite")
	x := parse[transfer.Exported](here(t, "dataset", "export", dir, file, "--overwrite", "--json").ends(exitDone))
	if x.Photos != 8 || x.Bytes == 0 {
		t.Errorf("%+v", x)
	}
	here(t, "dataset", "import", file, "--dataset", to).ends(exitDone, "importing: 8 of 8 photos").
		says("rose: 4 new, 1 refused", "百合: 3 new", "7 photos are in the new dataset "+to, "of 1 it is known where they came from", "not a picture 1", "bad.jpg is a text file")
	r := parse[transfer.Imported](here(t, "dataset", "import", dir, "--dataset", to, "--rename", "rose=薔薇", "--json").ends(exitDone))
	if r.New || r.Added != 0 || r.Duplicates != 7 {
		t.Errorf("%+v", r)
	}
	here(t, "dataset", "import", picturetest.Dataset(t, 1, "Rose"), "--dataset", to).ends(exitFailed, "can hardly be told apart", "(rename)")
}

func TestDatasetCredits(t *testing.T) {
	dir, out := sourced(t), t.TempDir()
	here(t, "dataset", "credits", dir).ends(exitDone).says("Credits of 1 photo. Of 7 it is not known whom to credit.", "ATTRIBUTION.csv", "Flickr API")
	if page := string(read(t, dir, "ATTRIBUTION.html")); !strings.Contains(page, "花子") {
		t.Errorf("the page: %s", page)
	}
	c := parse[creditsReport](here(t, "dataset", "credits", dir, "--output", out, "--json").ends(exitDone))
	if c.Credited != 1 || c.Uncredited != 7 || len(c.Notices) != 1 || len(c.Files) != 2 || filepath.Dir(c.Files[0]) != out {
		t.Errorf("%+v", c)
	}
	if !bytes.Equal(read(t, dir, "ATTRIBUTION.csv"), read(t, out, "ATTRIBUTION.csv")) {
		t.Error("the files differ")
	}
	write(t, []byte("mine"), out, "ATTRIBUTION.csv")
	here(t, "dataset", "credits", dir, "--output", out).ends(exitFailed, "was not written by Kaika", "--output")
}

func TestDatasetAugment(t *testing.T) {
	dir := sourced(t)
	args := []string{"dataset", "augment", dir, "--copies", "2", "--flip-left-right", "--random_rotation", "10"}
	here(t, args...).ends(exitDone, "copies: 8 of 8 photos").says("14 new copies of 8 photos", "Not used (1)", "kaika retrain with the same flags does better", "--remove")
	r := parse[augment.Report](here(t, append(args, "--json")...).ends(exitDone))
	if r.Made != 0 || r.There != 14 || len(r.Skipped) != 1 {
		t.Errorf("%+v", r)
	}
	here(t, "dataset", "augment", dir, "--remove").ends(exitDone).says("14 copies moved to the trash")
	if removed := parse[removedCopies](here(t, "dataset", "augment", dir, "--remove", "--json").ends(exitDone)); removed.Removed != 0 {
		t.Errorf("%+v", removed)
	}
	here(t, args...).ends(exitDone).says("14 back from the trash")
}

// TestDatasetAugmentForbidden names the licences that allow no changed copies.
func TestDatasetAugmentForbidden(t *testing.T) {
	dir := sourced(t)
	l, err := curate.Open(t.Context(), dir, curate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Add(t.Context(), curate.Addition{Label: "rose", Name: "nd.jpg", Data: picturetest.JPEG(11, 11, 60, 60), Source: curate.Source{
		Kind: "flickr", ID: "11", License: "CC BY-NC-ND 2.0", LicenseURL: "https://creativecommons.org/licenses/by-nc-nd/2.0/",
	}})
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	args := []string{"dataset", "augment", dir, "--copies", "1", "--flip_left_right"}
	here(t, args...).ends(exitDone).says("7 new copies of 8 photos", "No copies of 1 photo, whose licence allows no changed ones: CC BY-NC-ND 2.0 (1). --any_license")
	r := parse[augment.Report](here(t, append(args, "--json")...).ends(exitDone))
	if r.Forbidden["CC BY-NC-ND 2.0"] != 1 || r.There != 7 {
		t.Errorf("%+v", r)
	}
	a := here(t, append(args, "--any-license")...).ends(exitDone)
	a.says("1 new copy of 9 photos")
	if strings.Contains(a.stdout, "No copies") {
		t.Error(a.stdout)
	}
	here(t, "dataset", "augment", dir, "--remove", "--any_license").ends(exitUsage, "cannot both be asked for")
}

// TestDatasetStopped ends the commands before they are done: they say what became of it.
func TestDatasetStopped(t *testing.T) {
	dir, out := sourced(t), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for words, args := range map[string][]string{
		"No file was written":      {"export", dir, filepath.Join(out, "x.tar")},
		"new dataset was not made": {"import", dir, "--dataset", filepath.Join(out, "new")},
		"are kept":                 {"augment", dir, "--flip_left_right"},
		"stay there":               {"augment", dir, "--remove"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(ctx, append([]string{"dataset"}, args...), strings.NewReader(""), &stdout, &stderr); code != exitFailed ||
			strings.Count(stderr.String(), "kaika: ") != 1 || !strings.Contains(stderr.String(), words) {
			t.Errorf("%q: exit code %d\n%s", args, code, &stderr)
		}
	}
	if files, err := os.ReadDir(out); err != nil || len(files) > 0 {
		t.Errorf("there is %v, %v", files, err)
	}
}

// TestDatasetInterrupted presses Ctrl-C while the real program imports many photos.
func TestDatasetInterrupted(t *testing.T) {
	u := newUser(t)
	images, out := many(t, 3000), t.TempDir()
	r := u.start("dataset", "import", images, "--dataset", filepath.Join(out, "new"))
	r.until("importing: 1 of 3000")
	r.signal(syscall.SIGINT)
	r.wait().ends(exitFailed, "stopped. A new dataset was not made")
	u.nothingElse(out)
}

// TestCopiesAreNotTestedWith trains with copies on the disk, through the real engine: the photos that measure are those that
// would without them, with their copies.
func TestCopiesAreNotTestedWith(t *testing.T) {
	u := newUser(t)
	images := picturetest.Dataset(t, 10, "a", "b")
	model := filepath.Join(t.TempDir(), "model")
	before := u.retrain(images, model)
	u.kaika("dataset", "augment", images, "--copies", "1", "--flip_left_right").ends(exitDone)
	after := u.retrain(images, model)
	if after.Photos.Total != 2*before.Photos.Total || after.Photos.Test != before.Photos.Test || after.Photos.Train != 2*before.Photos.Train {
		t.Errorf("%+v became %+v", before.Photos, after.Photos)
	}
}
