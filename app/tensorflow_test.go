package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/train"
	"kaika/core/trained"
	"kaika/model/client"
)

// elsewhere is how far scores may be apart that other programs compute with the same graph.
const elsewhere = 1e-4

// exported trains a model with all that other programs read, on real photos if they are there, and gives a few photos.
func exported(t *testing.T, u *user) (dir string, photos []string) {
	t.Helper()
	images := filepath.Join("..", "..", "shared", "data", "rose_sunflower_lilium")
	args := []string{"--input_size", "64", "--eval_step_interval", "10"}
	if _, err := os.Stat(images); err != nil {
		images = picturetest.Dataset(t, 10, "rose", "sunflower")
	} else {
		args[1] = "288"
	}
	dir = t.TempDir()
	u.retrain(images, filepath.Join(dir, "model"), append(args, "--saved_model_dir", filepath.Join(dir, "saved"), "--summaries_dir", filepath.Join(dir, "logs"))...)
	for _, label := range []string{"rose", "sunflower"} {
		found, err := filepath.Glob(filepath.Join(images, label, "*.jpg"))
		if err != nil || len(found) < 3 {
			t.Fatalf("%d photos: %v", len(found), err)
		}
		photos = append(photos, found[:3]...)
	}
	return dir, append(photos, write(t, picturetest.PNG(0, 3, 200, 300), dir, "a.png"), write(t, picturetest.Grey(96, 72), dir, "grey.jpg"))
}

// inOrder gives the scores of each photo as kaika classify says them, in the order of the labels file.
func (u *user) inOrder(model string, photos []string) [][]float64 {
	u.Helper()
	f, err := trained.Open(model)
	if err != nil {
		u.Fatal(err)
	}
	var all [][]float64
	for _, a := range u.ask(model, photos...) {
		var row []float64
		for _, label := range f.Labels {
			row = append(row, scores(a)[label])
		}
		all = append(all, row)
	}
	return all
}

func compare(t *testing.T, what string, photos []string, got, want [][]float64) {
	t.Helper()
	if len(got) != len(want) || len(got) != len(photos) {
		t.Fatalf("%s: %d answers for %d photos", what, len(got), len(photos))
	}
	for i := range want {
		for k := range want[i] {
			if len(got[i]) != len(want[i]) || !(math.Abs(got[i][k]-want[i][k]) <= elsewhere) {
				t.Errorf("%s: %s has the scores %v, and kaika classify says %v", what, filepath.Base(photos[i]), got[i], want[i])
				break
			}
		}
	}
}

// TestGraphThroughTheEngine runs the graph alone, away from its folder, on the bytes of one photo at a time.
func TestGraphThroughTheEngine(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	dir, photos := exported(t, u)
	want := u.inOrder(filepath.Join(dir, "model"), photos)
	graph := read(t, dir, "model", trained.GraphFile)
	alone := write(t, graph, t.TempDir(), "graph.pb")
	engine := client.New(client.Config{Program: filepath.Join(filepath.Dir(u.program), "kaika-engine"), CacheDir: t.TempDir()})
	defer func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	}()
	var got [][]float64
	for _, photo := range photos {
		vectors, err := engine.Classify(t.Context(), trained.Graph{SHA256: trained.DigestBytes(graph), Output: "final_result:0"}, alone, "float32",
			[]picture.Encoded{{Data: read(t, photo), Orientation: 1}})
		if err != nil || vectors[0].Err != nil {
			t.Fatal(err, vectors)
		}
		var row []float64
		for _, v := range vectors[0].Values {
			row = append(row, float64(v))
		}
		got = append(got, row)
	}
	compare(t, "the graph alone", photos, got, want)
}

// TestTensorFlowReadsIt has TensorFlow's own Python read the model; it is run where there is one.
func TestTensorFlowReadsIt(t *testing.T) {
	t.Parallel()
	python := os.Getenv("KAIKA_TEST_PYTHON")
	if python == "" {
		python = "python3"
	}
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import tensorflow").CombinedOutput(); err != nil {
		t.Skipf("TensorFlow's Python is not on this machine (KAIKA_TEST_PYTHON may name it): %v\n%s", err, lastLine(out))
	}
	u := newUser(t)
	dir, photos := exported(t, u)
	model := filepath.Join(dir, "model")
	args := append([]string{filepath.Join("testdata", "read_model.py"), filepath.Join(model, trained.GraphFile), filepath.Join(dir, "saved"), filepath.Join(dir, "logs")}, photos...)
	cmd := exec.CommandContext(t.Context(), python, args...)
	cmd.Env = append(os.Environ(), "TF_CPP_MIN_LOG_LEVEL=3")
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		t.Fatalf("TensorFlow's Python: %v\n%s", err, exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Graph, Scores [][]float64
		Prediction    []int
		Key           []string
		Curves        map[string]map[string][][2]float64
	}
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := u.inOrder(model, photos)
	compare(t, "DecodeJpeg/contents:0 to final_result:0", photos, said.Graph, want)
	compare(t, "the SavedModel", photos, said.Scores, want)
	for i, row := range said.Scores {
		if said.Prediction[i] != train.Best(row) {
			t.Errorf("%s: prediction %d of %v", photos[i], said.Prediction[i], row)
		}
	}
	if !slices.Equal(said.Key[:2], []string{"key 0", "key 1"}) {
		t.Errorf("keys %q", said.Key)
	}
	if said.Curves == nil {
		t.Log("TensorBoard is not on this machine: the summaries were not read")
		return
	}
	checkCurves(t, said.Curves, read(t, model, trained.MetricsFile))
}

// checkCurves compares what TensorBoard reads with metrics.jsonl.
func checkCurves(t *testing.T, curves map[string]map[string][][2]float64, metrics []byte) {
	t.Helper()
	want := map[string]map[string][][2]float64{"train": {}, "validation": {}}
	add := func(split, tag string, step int, value float64) {
		want[split][tag] = append(want[split][tag], [2]float64{float64(step), value})
	}
	for line := range bytes.Lines(metrics) {
		var p train.Point
		if err := json.Unmarshal(line, &p); err != nil {
			t.Fatal(err)
		}
		add("train", "accuracy_1", p.Step, p.TrainAccuracy)
		add("train", "cross_entropy_1", p.Step, p.TrainCrossEntropy)
		add("validation", "accuracy_1", p.Step, *p.ValidationAccuracy)
		add("validation", "cross_entropy_1", p.Step, *p.ValidationCrossEntropy)
	}
	for split := range want {
		for tag, points := range want[split] {
			got := curves[split][tag]
			if !slices.EqualFunc(got, points, func(a, b [2]float64) bool { return a[0] == b[0] && math.Abs(a[1]-b[1]) < 1e-6 }) {
				t.Errorf("TensorBoard reads of %s, %s: %v, and metrics.jsonl has %v", split, tag, got, points)
			}
		}
	}
}

func lastLine(out []byte) string {
	text := strings.TrimSpace(string(out))
	return text[strings.LastIndex(text, "\n")+1:]
}
