package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kaika/core/picture/picturetest"
	"kaika/core/train"
	"kaika/core/trained"
)

func TestRetrainWritesAModel(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images := picturetest.Dataset(t, 10, labels...)
	model := filepath.Join(t.TempDir(), "models of mine", "花")
	report := u.retrain(images, model, "--seed", "3")
	if report.Model != model || !slices.Equal(report.Labels, labels) || report.Photos.Total != 30 || report.Photos.Cached != 0 ||
		report.Photos.Train != 24 || report.Photos.Validation != 3 || report.Photos.Test != 3 || report.Steps != 40 {
		t.Errorf("the report says %+v", report)
	}
	if report.Train.Accuracy < 0.9 {
		t.Errorf("drawn flowers are learnt with an accuracy of %v", report.Train.Accuracy)
	}
	entries, err := os.ReadDir(model)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"metrics.jsonl", "model.json", "retrained_graph.pb", "retrained_labels.txt"}) {
		t.Errorf("the model folder holds %q", names)
	}
	folder, err := trained.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	if folder.BaseModel.Name != "efficientnet_lite0" || folder.BaseModel.InputSize != 64 || folder.Parameters["seed"] != 3. || len(folder.GoldenScores) == 0 {
		t.Errorf("model.json says %+v", folder.Model)
	}
	if string(read(t, model, trained.LabelsFile)) != strings.Join(labels, "\n")+"\n" {
		t.Errorf("labels %q", read(t, model, trained.LabelsFile))
	}
	var last train.Point
	lines := bytes.Split(bytes.TrimSpace(read(t, model, trained.MetricsFile)), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil || last.Step != 40 || len(lines) != 5 || last.ValidationAccuracy == nil {
		t.Errorf("%d points, the last %+v: %v", len(lines), last, err)
	}
	u.nothingElse(filepath.Dir(model), "花")
}

// nothingElse sees to it that a folder holds what it should, and no temporary files.
func (u *user) nothingElse(dir string, names ...string) {
	u.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		u.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(names, e.Name()) {
			u.Errorf("%s was left behind in %s", e.Name(), dir)
		}
	}
	if len(entries) < len(names) {
		u.Errorf("%s holds %v instead of %q", dir, entries, names)
	}
}

// TestRetrainInWords is what somebody sees who does not ask for JSON.
func TestRetrainInWords(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images := picturetest.Dataset(t, 20, "a", "b")
	write(t, []byte("hello"), images, "a", "note.jpg")
	model := filepath.Join(t.TempDir(), "m")
	args := append([]string{"retrain", "--image-dir", images, "--output-dir=" + model, "--print-misclassified-test-images"}, quick...)
	a := u.kaika(args...).ends(exitDone, "features: 41 of 41 photos", "1 cannot be used", "step 40 of 40: train ", "loss ", "validation ")
	a.says("40 photos of 2 labels: 32 to train with, 4 to validate, 4 to test", "Not used (1):", "note.jpg is a text file, not a picture",
		"Test accuracy: ", " of 4 photos; 95 % interval", `is \ taken for  a  b`, "Only 4 photos were there to test with", "kaika classify --model ")
	// The second time over the older model, which is replaced.
	u.kaika(args...).ends(exitDone, "40 known")
	u.nothingElse(filepath.Dir(model), "m")
}

// TestDefaultOutput names the model after the photos, wherever they are given from.
func TestDefaultOutput(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images := filepath.Join(t.TempDir(), "flowers")
	if err := os.Rename(picturetest.Dataset(t, 4, "a", "b"), images); err != nil {
		t.Fatal(err)
	}
	for _, given := range []string{".", images + "/"} {
		work := t.TempDir()
		if given == "." {
			work = images
		}
		cmd := u.command(append([]string{"retrain", "--image_dir", given}, quick...)...)
		cmd.Dir = work
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if _, err := trained.Open(filepath.Join(work, "flowers-model")); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(filepath.Join(work, "flowers-model")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFilesBeside asks for all the files that retrain.py could write.
func TestFilesBeside(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	out := t.TempDir()
	at := func(name ...string) string { return filepath.Join(append([]string{out}, name...)...) }
	u.retrain(picturetest.Dataset(t, 10, "a", "b"), at("model"), "--output_graph", at("tf_files", "graph.pb"), "--output_labels", at("tf_files", "labels.txt"),
		"--saved_model_dir", at("saved", "1"), "--summaries_dir", at("logs"), "--final_tensor_name", "flower_score",
		"--intermediate_output_graphs_dir", at("way"), "--intermediate_store_frequency", "20", "--bottleneck_dir", at("bottlenecks"),
		"--optimizer", "adam", "--class_weighting", "balanced", "--early_stopping", "50", "--test_batch_size", "1", "--validation_batch_size", "1",
		"--train_batch_size", "-1", "--l2", "0.1", "--eval_step_interval", "20")
	if !bytes.Equal(read(t, at("model", "retrained_graph.pb")), read(t, at("tf_files", "graph.pb"))) {
		t.Error("output_graph is another graph")
	}
	if string(read(t, at("tf_files", "labels.txt"))) != "a\nb\n" {
		t.Error("output_labels are other labels")
	}
	for _, name := range []string{"saved/1/saved_model.pb", "way/intermediate_20.pb", "bottlenecks/features.db"} {
		if len(read(t, at(name))) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	for _, split := range []string{"train", "validation"} {
		if found, err := filepath.Glob(at("logs", split, "events.out.tfevents.*")); err != nil || len(found) != 1 {
			t.Errorf("event files of %s: %q, %v", split, found, err)
		}
	}
	u.nothingElse(out, "model", "tf_files", "saved", "logs", "way", "bottlenecks")
	u.nothingElse(u.home, "state") // The cache is where it was asked for.
	// The other name of the scores is in model.json, so that the model still classifies.
	u.kaika("classify", "--model", at("model"), filepath.Join(picturetest.Dataset(t, 1, "a", "b"), "a", "0.jpg")).ends(exitDone)
}

// TestSameSeedSameModel trains with cold caches on files of other names, in other folders and orders, and on another
// number of cores: the graph must be the same, bit for bit.
func TestSameSeedSameModel(t *testing.T) {
	t.Parallel()
	images, renamed := picturetest.Dataset(t, 15, "a", "b"), t.TempDir()
	for class, label := range []string{"a", "b"} {
		for n := range 15 {
			write(t, picturetest.JPEG(class, n, 96, 72), renamed, label, strconv.Itoa(n%3), fmt.Sprintf("写真 %02d.JPG", 14-n))
		}
	}
	sameGraphs(t, images, renamed, images)
}

func TestSameSeedSameModelOfRealPhotos(t *testing.T) {
	t.Parallel()
	images, renamed := realPhotos(t, "rose_sunflower_lilium"), t.TempDir()
	for _, label := range []string{"rose", "sunflower", "lilium"} {
		entries, err := os.ReadDir(filepath.Join(images, label))
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range entries {
			write(t, read(t, images, label, e.Name()), renamed, label, fmt.Sprintf("%d.jpg", len(entries)-i))
		}
	}
	sameGraphs(t, images, renamed)
}

// sameGraphs trains on each folder with a cold cache, on one core the last time, and compares the graphs.
func sameGraphs(t *testing.T, folders ...string) {
	t.Helper()
	var graphs [][]byte
	var digests []string
	for i, images := range folders {
		u := newUser(t)
		if i == len(folders)-1 {
			u.env = []string{"GOMAXPROCS=1"}
		}
		model := filepath.Join(t.TempDir(), "m")
		if report := u.retrain(images, model, "--train_batch_size", "10"); report.Photos.Cached != 0 {
			t.Fatalf("the cache is not cold: %+v", report.Photos)
		}
		graphs = append(graphs, read(t, model, trained.GraphFile))
		f, err := trained.Open(model)
		if err != nil {
			t.Fatal(err)
		}
		if digests = append(digests, f.Dataset.SHA256); digests[i] != digests[0] {
			t.Error("other names of the photos make another dataset")
		}
		if !bytes.Equal(graphs[i], graphs[0]) {
			t.Errorf("run %d trains another model", i+1)
		}
		if i == 0 {
			u.retrain(images, model, "--train_batch_size", "10", "--seed", "1")
			if bytes.Equal(graphs[0], read(t, model, trained.GraphFile)) {
				t.Error("another seed makes the same model")
			}
		}
	}
}

// TestSecondRun reads no photo twice, and notices one that was replaced, however alike the files look.
func TestSecondRun(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images := picturetest.Dataset(t, 10, "a", "b")
	victim := filepath.Join(images, "a", "0.jpg")
	picture := picturetest.JPEG(0, 999, 96, 72)
	size := max(len(read(t, victim)), len(picture)) + 1
	pad := func(data []byte) []byte { return append(data, make([]byte, size-len(data))...) }
	then := time.Now().Add(-time.Hour).Truncate(time.Second)
	put := func(data []byte) {
		write(t, pad(data), victim)
		if err := os.Chtimes(victim, then, then); err != nil {
			t.Fatal(err)
		}
	}
	put(read(t, victim))
	model := filepath.Join(t.TempDir(), "m")
	first := u.retrain(images, model)
	second := u.retrain(images, model)
	if first.Photos.Cached != 0 || second.Photos.Cached != 20 || second.GraphSHA256 != first.GraphSHA256 {
		t.Errorf("first %+v, second %+v", first.Photos, second.Photos)
	}
	put(picture) // Of the same name, size and time.
	if third := u.retrain(images, model); third.Photos.Cached != 19 {
		t.Errorf("with a photo replaced: %+v", third.Photos)
	}
	// The place does not count, the content does.
	if err := os.Rename(victim, filepath.Join(images, "a", "another name.jpg")); err != nil {
		t.Fatal(err)
	}
	if fourth := u.retrain(images, model); fourth.Photos.Cached != 20 {
		t.Errorf("with a photo renamed: %+v", fourth.Photos)
	}
	// Evaluating works on the same features.
	u.kaika("evaluate", "--image_dir", images, "--folds", "2", "--input_size", "64").ends(exitDone, "20 of 20 photos (20 known)")
}

// TestAugmentation keeps the features of the views as well.
func TestAugmentation(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images, model := picturetest.Dataset(t, 10, "a", "b"), filepath.Join(t.TempDir(), "m")
	flags := []string{
		"--flip_left_right", "--random_crop", "20", "--random_scale", "20", "--random_brightness", "20", "--random_rotation", "10",
		"--augmented_views", "3",
	}
	args := append(append([]string{"retrain", "--image_dir", images, "--output_dir", model, "--json"}, quick...), flags...)
	first := parse[train.Report](u.kaika(args...).ends(exitDone, "features of augmented photos: 16 of 16 photos (0 known)"))
	second := parse[train.Report](u.kaika(args...).ends(exitDone, "features of augmented photos: 16 of 16 photos (16 known)"))
	if first.Photos.Views != 48 || second.Photos.Views != 48 || second.Photos.Cached != 20 || first.GraphSHA256 != second.GraphSHA256 {
		t.Errorf("first %+v, second %+v", first.Photos, second.Photos)
	}
}

// TestTwoAtOnce has two programs fill one cache.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images := picturetest.Dataset(t, 30, "a", "b")
	var models []string
	var runs []*running
	for i := range 2 {
		models = append(models, filepath.Join(t.TempDir(), strconv.Itoa(i)))
		runs = append(runs, u.start(append([]string{"retrain", "--image_dir", images, "--output_dir", models[i], "--json"}, quick...)...))
	}
	for _, r := range runs {
		if report := parse[train.Report](r.wait().ends(exitDone)); report.Photos.Total != 60 || report.Photos.Skipped != 0 {
			t.Errorf("counted %+v", report.Photos)
		}
	}
	if !bytes.Equal(read(t, models[0], trained.GraphFile), read(t, models[1], trained.GraphFile)) {
		t.Error("two at once train different models")
	}
	if after := u.retrain(images, models[0]); after.Photos.Cached != 60 {
		t.Errorf("then %+v", after.Photos)
	}
}

// TestRealPhotos is the example of the first page: three kinds of flowers, 40 photos each.
func TestRealPhotos(t *testing.T) {
	t.Parallel()
	images := realPhotos(t, "rose_sunflower_lilium")
	u := newUser(t)
	model := filepath.Join(t.TempDir(), "m")
	report := parse[train.Report](u.kaika("retrain", "--image_dir", images, "--output_dir", model, "--how_many_training_steps", "500", "--json").ends(exitDone))
	if report.Photos.Total != 120 || report.Test == nil || report.Test.Accuracy < 0.9 || report.Validation.Accuracy < 0.9 {
		t.Errorf("the report says %+v, test %+v", report, report.Test)
	}
	for _, label := range report.Labels {
		entries, err := os.ReadDir(filepath.Join(images, label))
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range u.ask(model, filepath.Join(images, label, entries[0].Name())) {
			if a.Predictions[0].Label != label {
				t.Errorf("%s is taken for %v", a.File, a.Predictions)
			}
		}
	}
	if again := u.retrain(images, model, "--input_size", "288"); again.Photos.Cached != 120 {
		t.Errorf("then %+v", again.Photos)
	}
}
