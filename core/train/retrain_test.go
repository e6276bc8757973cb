package train_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kaika/core/dataset"
	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/train"
	"kaika/core/train/traintest"
	"kaika/core/trained"
)

// started is the time of all runs.
var started = time.Date(2026, 4, 1, 12, 0, 0, 123, time.UTC)

func retrainer(e *traintest.Engine) *train.Retrainer {
	return &train.Retrainer{
		Engine: e, Cache: &feature.Cache{}, Log: slog.New(slog.DiscardHandler), Version: "test", Host: "host",
		Now: func() time.Time { return started },
	}
}

// params gives quick settings for a dataset, with a new place for the model.
func params(t *testing.T, images string) train.Params {
	t.Helper()
	p := train.DefaultParams()
	p.ImageDir, p.OutputDir = images, filepath.Join(t.TempDir(), "model")
	p.Steps, p.EvalStepInterval, p.LearningRate, p.L2 = 25, 10, 1, 0
	return p
}

func run(t *testing.T, r *train.Retrainer, p train.Params) *train.Report {
	t.Helper()
	report, err := r.Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, data []byte, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// tree gives the files below a folder with their contents, and the folders with nothing.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == dir:
		case entry.IsDir():
			found[path[len(dir)+1:]+"/"] = ""
		default:
			found[path[len(dir)+1:]] = read(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRetrain(t *testing.T) {
	images := picturetest.Dataset(t, 20, "aster", "bellis", "椿")
	p := params(t, images)
	e := &traintest.Engine{}
	r := retrainer(e)
	var events []train.Event
	r.Observe = func(ev train.Event) { events = append(events, ev) }
	report := run(t, r, p)

	if report.Model != p.OutputDir || !slices.Equal(report.Labels, []string{"aster", "bellis", "椿"}) || report.Steps != 25 || report.StoppedEarly {
		t.Errorf("model %s, labels %q, %d steps, stopped early: %v", report.Model, report.Labels, report.Steps, report.StoppedEarly)
	}
	// 20 photos of each label are divided 16/2/2: see dataset.Split.
	if want := (train.PhotoCounts{Total: 60, Train: 48, Validation: 6, Test: 6}); report.Photos != want {
		t.Errorf("counted %+v, want %+v", report.Photos, want)
	}
	if report.Train.Accuracy < 0.9 || report.Validation == nil || report.Test == nil || report.Test.Count != 6 {
		t.Fatalf("train %+v, validation %+v, test %+v", report.Train, report.Validation, report.Test)
	}
	if low, high := train.Wilson(report.Test.Correct, 6); report.Test.Low != low || report.Test.High != high ||
		report.Test.Accuracy != float64(report.Test.Correct)/6 {
		t.Errorf("test %+v", report.Test)
	}
	for l, row := range report.ConfusionMatrix.Counts {
		if len(row) != 3 || row[0]+row[1]+row[2] != 2 {
			t.Errorf("row %d of the confusion matrix is %v", l, row)
		}
	}
	if !slices.ContainsFunc(report.Notes, func(n string) bool { return strings.Contains(n, "Only 6 photos") }) {
		t.Errorf("notes %q", report.Notes)
	}

	if left := tree(t, filepath.Dir(p.OutputDir)); len(left) != 5 {
		t.Errorf("beside the model there is something else: %q", slices.Collect(func(yield func(string) bool) {
			for name := range left {
				yield(name)
			}
		}))
	}
	checkFolder(t, e, p, report)
	checkEvents(t, events, read(t, p.OutputDir, trained.MetricsFile))
}

// checkFolder compares the model folder with the report.
func checkFolder(t *testing.T, e *traintest.Engine, p train.Params, report *train.Report) {
	t.Helper()
	f, err := trained.Open(p.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	if read(t, p.OutputDir, trained.LabelsFile) != "aster\nbellis\n椿\n" || f.Graph.SHA256 != report.GraphSHA256 ||
		f.Graph.Output != "final_result:0" || f.Graph.Contents != "DecodeJpeg/contents:0" {
		t.Errorf("labels or graph are wrong: %+v", f.Graph)
	}
	if f.BaseModel != e.Base() || f.Kaika != "test" || !f.Created.Equal(started.Truncate(time.Second)) {
		t.Errorf("base model %+v, made by %s at %s", f.BaseModel, f.Kaika, f.Created)
	}
	if f.Split.Train != 48 || f.Split.Validation != 6 || f.Split.Test != 6 || f.Split.TestingPercentage != 10 {
		t.Errorf("split %+v", f.Split)
	}
	if f.Dataset.Photos != 60 || f.Dataset.Labels["椿"] != 20 || len(f.Dataset.SHA256) != 64 {
		t.Errorf("dataset %+v", f.Dataset)
	}
	if f.Metrics.TestAccuracy == nil || *f.Metrics.TestAccuracy != report.Test.Accuracy || f.Metrics.TestCount != 6 ||
		*f.Metrics.ValidationAccuracy != report.Validation.Accuracy || f.Metrics.Steps != 25 {
		t.Errorf("metrics %+v", f.Metrics)
	}
	if f.Parameters["how_many_training_steps"] != 25. || f.Parameters["final_tensor_name"] != "final_result" || f.Parameters["image_dir"] != p.ImageDir {
		t.Errorf("parameters %v", f.Parameters)
	}
	// 6 validation photos say nothing about temperature and threshold.
	if f.Temperature != 1 || f.UnknownBelow != 0 {
		t.Errorf("temperature %v, unknown below %v", f.Temperature, f.UnknownBelow)
	}
	pictures, digests, err := trained.Golden()
	if err != nil {
		t.Fatal(err)
	}
	scores, err := e.Classify(t.Context(), f.Graph, f.GraphPath, "float32", pictures)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.GoldenScores) != len(digests) || len(digests) == 0 {
		t.Fatalf("%d golden scores", len(f.GoldenScores))
	}
	for i, g := range f.GoldenScores {
		if g.Picture != digests[i] || !slices.Equal(g.Scores, scores[i].Values) {
			t.Errorf("golden picture %d: %v instead of %v", i, g.Scores, scores[i].Values)
		}
	}
}

// checkEvents compares what was told on the way with the points that were written.
func checkEvents(t *testing.T, events []train.Event, metrics string) {
	t.Helper()
	var phases []train.Phase
	var told, written []train.Point
	for _, e := range events {
		if len(phases) == 0 || phases[len(phases)-1] != e.Phase {
			phases = append(phases, e.Phase)
		}
		if e.Phase == train.Features && e.Progress.Done == e.Progress.Total && e.Progress.Total != 60 {
			t.Errorf("told of %d photos", e.Progress.Total)
		}
		if e.Point != nil {
			told = append(told, *e.Point)
		}
		if e.Phase == train.Training && e.Steps != 25 {
			t.Errorf("told of %d steps", e.Steps)
		}
	}
	if !slices.Equal(phases, []train.Phase{train.Features, train.Training, train.Writing}) {
		t.Errorf("phases %q", phases)
	}
	for line := range strings.Lines(metrics) {
		var p train.Point
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		written = append(written, p)
	}
	var steps []int
	for _, p := range written {
		steps = append(steps, p.Step)
		if p.ValidationAccuracy == nil || p.ValidationCrossEntropy == nil {
			t.Errorf("step %d has no validation", p.Step)
		}
	}
	if !slices.Equal(steps, []int{1, 11, 21, 25}) || !reflect.DeepEqual(told, written) {
		t.Errorf("points at %v: told %v, written %v", steps, told, written)
	}
	if last := written[len(written)-1]; last.TrainCrossEntropy >= written[0].TrainCrossEntropy {
		t.Errorf("nothing was learnt: %v", written)
	}
}

// TestReportJSON sees to it that a script finds lists where lists are, even without an entry.
func TestReportJSON(t *testing.T) {
	p := params(t, picturetest.Dataset(t, 60, "a", "b"))
	report := run(t, retrainer(&traintest.Engine{Change: perfect}), p)
	data, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"labels", "misclassified", "skipped", "notes"} {
		if _, ok := m[name].([]any); !ok {
			t.Errorf("%s is %v", name, m[name])
		}
	}
	for _, name := range []string{"model", "photos", "steps", "stopped_early", "train", "validation", "test", "confusion_matrix", "seconds", "graph_sha256"} {
		if m[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

// rows gives logits by which a sample is given a label with a score of 0.8; the others share the rest.
func rows(labels int, given []int) []float32 {
	var out []float32
	for _, g := range given {
		for k := range labels {
			if k == g {
				out = append(out, float32(math.Log(0.8*float64(labels-1)/0.2)))
			} else {
				out = append(out, 0)
			}
		}
	}
	return out
}

// perfect has the layer know every photo.
func perfect(job train.Fit, f *train.Fitted) {
	f.TrainLogits = rows(job.Labels, job.Train.Labels)
	f.ValidationLogits = rows(job.Labels, job.Validation.Labels)
	f.TestLogits = rows(job.Labels, job.Test.Labels)
}

func TestFigures(t *testing.T) {
	images := picturetest.Dataset(t, 20, "a", "b", "c")
	p := params(t, images)
	e := &traintest.Engine{Change: func(job train.Fit, f *train.Fitted) {
		if !slices.Equal(job.Test.Labels, []int{0, 0, 1, 1, 2, 2}) || !slices.Equal(job.Validation.Labels, []int{0, 0, 1, 1, 2, 2}) {
			t.Errorf("test labels %v, validation labels %v", job.Test.Labels, job.Validation.Labels)
		}
		perfect(job, f)
		f.TestLogits = rows(3, []int{0, 1, 1, 1, 2, 0})
		f.ValidationLogits = rows(3, []int{1, 0, 1, 1, 2, 2})
	}}
	report := run(t, retrainer(e), p)
	if want := [][]int{{1, 1, 0}, {0, 2, 0}, {1, 0, 1}}; !reflect.DeepEqual(report.ConfusionMatrix.Counts, want) {
		t.Errorf("confusion matrix %v, want %v", report.ConfusionMatrix.Counts, want)
	}
	if report.Test.Correct != 4 || report.Test.Count != 6 || math.Abs(report.Test.Accuracy-4./6) > 1e-9 {
		t.Errorf("test %+v", report.Test)
	}
	if report.Train.Accuracy != 1 || math.Abs(report.Train.CrossEntropy+math.Log(0.8)) > 1e-6 {
		t.Errorf("train %+v", report.Train)
	}
	if want := -(5*math.Log(0.8) + math.Log(0.1)) / 6; math.Abs(report.Validation.CrossEntropy-want) > 1e-6 || math.Abs(report.Validation.Accuracy-5./6) > 1e-9 {
		t.Errorf("validation %+v, want a cross-entropy of %v", report.Validation, want)
	}
	if len(report.Misclassified) != 2 {
		t.Fatalf("misclassified %v", report.Misclassified)
	}
	for i, want := range []struct{ label, predicted string }{{"a", "b"}, {"c", "a"}} {
		m := report.Misclassified[i]
		if m.Label != want.label || m.Predicted != want.predicted || filepath.Dir(m.File) != filepath.Join(images, want.label) ||
			math.Abs(m.Score-0.8) > 1e-6 || math.Abs(m.TrueScore-0.1) > 1e-6 {
			t.Errorf("misclassified %+v, want %+v", m, want)
		}
	}
}

// TestCalibration has a layer that is too sure of itself: what is written must be cooler.
func TestCalibration(t *testing.T) {
	p := params(t, picturetest.Dataset(t, 120, "a", "b"))
	p.ValidationPercentage = 50
	e := &traintest.Engine{Change: func(job train.Fit, f *train.Fitted) {
		perfect(job, f)
		given := slices.Clone(job.Validation.Labels)
		for i := range given {
			if i%4 == 0 {
				given[i] = 1 - given[i] // A quarter wrong, with a score of 0.95.
			}
		}
		f.ValidationLogits = nil
		for _, g := range given {
			row := []float32{0, 0}
			row[g] = float32(math.Log(19))
			f.ValidationLogits = append(f.ValidationLogits, row...)
		}
		f.Head = train.Head{Step: 25, Weights: make([]float32, len(f.Head.Weights)), Bias: []float32{3, -3}}
	}}
	report := run(t, retrainer(e), p)
	f, err := trained.Open(p.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	wrong := 1 - report.Validation.Accuracy
	want := math.Log(19) / math.Log((1-wrong)/wrong) // So that the score is what it should be.
	if math.Abs(f.Temperature-want) > 0.01 {
		t.Errorf("temperature %v, want %v", f.Temperature, want)
	}
	if math.Abs(float64(f.UnknownBelow)-(1-wrong)) > 0.01 {
		t.Errorf("unknown below %v, want %v", f.UnknownBelow, 1-wrong)
	}
	var graph traintest.Exported
	if err := json.Unmarshal([]byte(read(t, f.GraphPath)), &graph); err != nil {
		t.Fatal(err)
	}
	if math.Abs(float64(graph.Head.Bias[0])-3/f.Temperature) > 1e-5 {
		t.Errorf("the exported bias is %v: it was not divided by the temperature %v", graph.Head.Bias, f.Temperature)
	}
}

func TestOverfittingNote(t *testing.T) {
	p := params(t, picturetest.Dataset(t, 60, "a", "b"))
	e := &traintest.Engine{Change: func(job train.Fit, f *train.Fitted) {
		perfect(job, f)
		f.ValidationLogits = rows(2, make([]int, len(job.Validation.Labels)))
	}}
	if notes := run(t, retrainer(e), p).Notes; len(notes) == 0 || !strings.Contains(notes[0], "overfitting") {
		t.Errorf("notes %q", notes)
	}
}

func TestContradictionNote(t *testing.T) {
	images := picturetest.Dataset(t, 10, "a", "b")
	write(t, picturetest.JPEG(0, 3, 96, 72), images, "b", "of a.jpg")
	write(t, picturetest.JPEG(0, 4, 96, 72), images, "a", "twice in one label.jpg")
	e := &traintest.Engine{}
	report := run(t, retrainer(e), params(t, images))
	if notes := strings.Join(report.Notes, "\n"); report.Contradictions != 1 || !strings.Contains(notes, "1 photo lies under more than one label") {
		t.Errorf("%d contradictions, notes %q", report.Contradictions, notes)
	}
	// The same photo never trains and tests.
	fit := e.Fits()[0]
	for _, f := range fit.Test.Features {
		for _, other := range slices.Concat(fit.Train.Features, fit.Validation.Features) {
			if slices.Equal(f, other) {
				t.Error("a photo is tested and trained or validated with")
			}
		}
	}
}

// TestNamesDoNotMatter moves and renames every photo: the model must be the same, bit for bit.
func TestNamesDoNotMatter(t *testing.T) {
	images, moved := picturetest.Dataset(t, 12, "a", "b", "c"), t.TempDir()
	for label, class := range map[string]int{"a": 0, "b": 1, "c": 2} {
		for n := range 12 {
			write(t, picturetest.JPEG(class, n, 96, 72), moved, label, strconv.Itoa((n*7)%5), fmt.Sprintf("写真 %d.jpeg", (n*5+3)%12))
		}
	}
	var reports []*train.Report
	var engines []*traintest.Engine
	for i, dir := range []string{images, moved, images} {
		p := params(t, dir)
		p.Augmentation = feature.Augmentation{Views: 2, Brightness: 20}
		p.Seed = int64(max(0, i-1)) // The last one has another.
		e := &traintest.Engine{}
		reports = append(reports, run(t, retrainer(e), p))
		engines = append(engines, e)
	}
	if reports[0].GraphSHA256 != reports[1].GraphSHA256 || !reflect.DeepEqual(engines[0].Fits(), engines[1].Fits()) {
		t.Error("other names of the files make another model")
	}
	if reports[0].GraphSHA256 == reports[2].GraphSHA256 {
		t.Error("another seed makes the same model")
	}
	if a, b := engines[0].Fits()[0], engines[2].Fits()[0]; !reflect.DeepEqual(a.Test, b.Test) {
		t.Error("another seed divides the photos otherwise")
	}
	if a, b := engines[0].Fits()[0], engines[2].Fits()[0]; reflect.DeepEqual(a.Train, b.Train) {
		t.Error("another seed makes the same views")
	}
	f := [2]*trained.Folder{}
	for i := range f {
		var err error
		if f[i], err = trained.Open(reports[i].Model); err != nil {
			t.Fatal(err)
		}
	}
	if f[0].Dataset.SHA256 != f[1].Dataset.SHA256 {
		t.Error("other names of the files make another dataset")
	}
}

func TestSettingsReachTheEngine(t *testing.T) {
	images := picturetest.Dataset(t, 10, "few", "many")
	for n := range 10 {
		write(t, picturetest.JPEG(1, 100+n, 96, 72), images, "many", fmt.Sprintf("more %d.jpg", n))
	}
	p := params(t, images)
	p.ClassWeighting, p.Optimizer, p.L2, p.Seed, p.EarlyStopping, p.TrainBatchSize = train.WeightBalanced, train.Adam, 0.5, 7, 3, 11
	p.Augmentation = feature.Augmentation{Views: 3, Flip: true}
	e := &traintest.Engine{}
	report := run(t, retrainer(e), p)
	fit := e.Fits()[0]
	if fit.Settings != p.Settings || fit.Labels != 2 {
		t.Errorf("settings %+v, labels %d", fit.Settings, fit.Labels)
	}
	// 8 of 10 and 16 of 20 photos train, each with three views.
	if report.Photos.Train != 24 || report.Photos.Views != 72 || len(fit.Train.Labels) != 96 || len(fit.Train.Features) != 96 {
		t.Errorf("counted %+v; %d samples", report.Photos, len(fit.Train.Labels))
	}
	if !slices.Equal(fit.ClassWeights, []float32{1.5, 0.75}) {
		t.Errorf("class weights %v", fit.ClassWeights)
	}
	for _, photo := range e.Photos() {
		if photo.View.Brightness != 0 {
			t.Errorf("a view that was not asked for: %+v", photo.View)
		}
	}
	if n := len(e.Photos()); n != 30+72 {
		t.Errorf("%d pictures were embedded: only photos to train with need views", n)
	}
}

func TestEarlyStopping(t *testing.T) {
	p := params(t, picturetest.Dataset(t, 20, "a", "b"))
	p.EarlyStopping, p.Steps = 2, 500
	e := &traintest.Engine{Change: func(_ train.Fit, f *train.Fitted) { f.StoppedEarly, f.Head.Step = true, 41 }}
	report := run(t, retrainer(e), p)
	f, err := trained.Open(p.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	if !report.StoppedEarly || report.Steps != 41 || f.Metrics.Steps != 41 {
		t.Errorf("stopped early: %v, after %d steps; model.json says %d", report.StoppedEarly, report.Steps, f.Metrics.Steps)
	}
}

// TestTestBatch thins the test photos out, and leaves the rest as it is.
func TestTestBatch(t *testing.T) {
	images := picturetest.Dataset(t, 20, "a", "b", "c")
	files := map[int64]string{}
	for size, seeds := range map[int][]int64{4: {1, 1, 2}, 6: {1}, 1000: {1}} {
		for _, seed := range seeds {
			p := params(t, images)
			p.TestBatchSize, p.Seed = size, seed
			e := &traintest.Engine{Change: func(job train.Fit, f *train.Fitted) {
				wrong := make([]int, len(job.Test.Labels))
				for i, l := range job.Test.Labels {
					wrong[i] = (l + 1) % 3
				}
				f.TestLogits = rows(3, wrong)
			}}
			report := run(t, retrainer(e), p)
			kept := e.Fits()[0]
			want := min(6, size)
			if report.Test.Count != want || report.Photos.Test != want || len(kept.Test.Labels) != want || len(kept.Test.Features) != want {
				t.Errorf("size %d: %d photos were tested", size, report.Test.Count)
			}
			if report.Photos.Train != 48 || report.Photos.Validation != 6 || report.Photos.Total != 60 {
				t.Errorf("size %d: counted %+v", size, report.Photos)
			}
			if len(report.Misclassified) != want {
				t.Errorf("size %d: %d of %d wrong photos are named", size, len(report.Misclassified), want)
			}
			var names []string
			for i, m := range report.Misclassified {
				names = append(names, m.File)
				if m.Label != report.Labels[kept.Test.Labels[i]] || !strings.Contains(m.File, string(filepath.Separator)+m.Label+string(filepath.Separator)) {
					t.Errorf("size %d: photo %d is %+v, and its sample has label %d", size, i, m, kept.Test.Labels[i])
				}
			}
			if size == 4 {
				if now := strings.Join(names, "\n"); files[seed] != "" && files[seed] != now {
					t.Error("the same seed draws others")
				} else {
					files[seed] = now
				}
			}
		}
	}
	if files[1] == files[2] {
		t.Error("another seed draws the same")
	}
}

func TestFilesBesideTheModel(t *testing.T) {
	p := params(t, picturetest.Dataset(t, 10, "a", "b"))
	out := t.TempDir()
	p.OutputGraph, p.OutputLabels = filepath.Join(out, "tf_files", "g.pb"), filepath.Join(out, "tf_files", "l.txt")
	p.SavedModelDir, p.SummariesDir = filepath.Join(out, "saved", "1"), filepath.Join(out, "logs")
	p.IntermediateDir, p.IntermediateFrequency, p.FinalTensorName = filepath.Join(out, "on the way"), 10, "scores"
	report := run(t, retrainer(&traintest.Engine{}), p)

	left := tree(t, out)
	if graph := left["tf_files/g.pb"]; graph != read(t, p.OutputDir, trained.GraphFile) || trained.DigestBytes([]byte(graph)) != report.GraphSHA256 {
		t.Error("output_graph is another graph")
	}
	if left["tf_files/l.txt"] != "a\nb\n" || left["saved/1/assets.extra/labels.txt"] != "a\nb\n" {
		t.Error("output_labels are other labels")
	}
	var saved, graph, step traintest.Exported
	for name, to := range map[string]*traintest.Exported{
		"saved/1/saved_model.pb": &saved, "tf_files/g.pb": &graph, "on the way/intermediate_10.pb": &step,
	} {
		if err := json.Unmarshal([]byte(left[name]), to); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if graph.Final != "scores" || step.Final != "scores" || !reflect.DeepEqual(saved.Head, graph.Head) || step.Head.Step != 10 {
		t.Errorf("graph %q, intermediate %q of step %d, SavedModel %v", graph.Final, step.Final, step.Head.Step, saved.Head.Step)
	}
	for _, name := range []string{"on the way/intermediate_20.pb", "on the way/", "logs/train/", "logs/validation/"} {
		if _, there := left[name]; !there {
			t.Errorf("%s is missing", name)
		}
	}
	events := 0
	for name, data := range left {
		if strings.HasPrefix(name, "logs/") && !strings.HasSuffix(name, "/") {
			events++
			// Both curves, by the names that retrain.py gives them.
			if !strings.Contains(data, "accuracy_1") || !strings.Contains(data, "cross_entropy_1") {
				t.Errorf("%s has no curves", name)
			}
		}
		if base := filepath.Base(name); strings.HasPrefix(base, ".") {
			t.Errorf("%s was left behind", name)
		}
	}
	if events != 2 {
		t.Errorf("%d event files", events)
	}
	if f, err := trained.Open(p.OutputDir); err != nil || f.Graph.Output != "scores:0" {
		t.Errorf("%v, %v", f, err)
	}
}

// TestCopyFails has the model in its place, and says so.
func TestCopyFails(t *testing.T) {
	p := params(t, picturetest.Dataset(t, 5, "a", "b"))
	p.OutputLabels = filepath.Join(p.ImageDir, "a", "0.jpg", "labels.txt") // Below a file.
	_, err := retrainer(&traintest.Engine{}).Run(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), "the model is in "+p.OutputDir) {
		t.Errorf("the error is %v", err)
	}
	if _, err := trained.Open(p.OutputDir); err != nil {
		t.Error(err)
	}
}

// TestUnfinished fails or stops a run in each of its phases: nothing may be left behind, and an older model stays.
func TestUnfinished(t *testing.T) {
	images := picturetest.Dataset(t, 8, "a", "b")
	older := params(t, images)
	run(t, retrainer(&traintest.Engine{}), older)
	broken := errors.New("the engine is broken")
	for _, c := range []struct {
		name  string
		phase train.Phase
		call  traintest.Call
		words string // Say what was being done.
	}{
		{"features", train.Features, traintest.Embed, "computing the features of the photos"},
		{"views", train.Views, traintest.Embed, "computing the features of augmented photos"},
		{"training", train.Training, traintest.Fit, "training"},
		{"intermediate graph", train.Training, traintest.Export, "making the graph of step 10"},
		{"graph", train.Writing, traintest.Export, "making the model's graph"},
		{"golden pictures", train.Writing, traintest.Classify, "trying out the model"},
		{"SavedModel", train.Writing, traintest.ExportSavedModel, "making the SavedModel"},
	} {
		for _, replaces := range []bool{false, true} {
			for _, cancels := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s replaces=%v cancels=%v", c.name, replaces, cancels), func(t *testing.T) {
					p := params(t, images)
					p.Augmentation = feature.Augmentation{Views: 1, Flip: true}
					if replaces {
						if err := os.CopyFS(p.OutputDir, os.DirFS(older.OutputDir)); err != nil {
							t.Fatal(err)
						}
					}
					before := tree(t, filepath.Dir(p.OutputDir))
					out := t.TempDir()
					p.OutputGraph, p.SavedModelDir = filepath.Join(out, "g.pb"), filepath.Join(out, "saved")
					p.IntermediateDir, p.IntermediateFrequency = filepath.Join(out, "on the way"), 10
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					var phase atomic.Value
					phase.Store(train.Features)
					e := &traintest.Engine{Before: func(_ context.Context, call traintest.Call) error {
						if call != c.call || phase.Load() != c.phase {
							return nil
						}
						if !cancels {
							return broken
						}
						cancel()
						return nil
					}}
					r := retrainer(e)
					r.Observe = func(ev train.Event) {
						switch {
						case ev.Phase == train.Writing:
							phase.Store(train.Writing)
						case ev.Phase == train.Views && ev.Progress.Done == ev.Progress.Total:
							phase.Store(train.Training)
						case ev.Phase == train.Features && ev.Progress.Done == ev.Progress.Total:
							phase.Store(train.Views)
						}
					}
					_, err := r.Run(ctx, p)
					switch {
					case cancels && !errors.Is(err, context.Canceled):
						t.Errorf("the error is %v", err)
					case !cancels && (!errors.Is(err, broken) || !strings.Contains(err.Error(), c.words)):
						t.Errorf("the error %v does not say %q", err, c.words)
					}
					if after := tree(t, filepath.Dir(p.OutputDir)); !reflect.DeepEqual(before, after) {
						t.Errorf("the model's folder or its neighbours changed")
					}
					if left := tree(t, out); left["g.pb"] != "" || left["saved/saved_model.pb"] != "" {
						t.Error("a copy of a model was written that is not finished")
					}
				})
			}
		}
	}
}

// TestStoppedInTraining stops between two points.
func TestStoppedInTraining(t *testing.T) {
	p := params(t, picturetest.Dataset(t, 8, "a", "b"))
	p.Steps, p.SummariesDir = 1_000_000, filepath.Join(t.TempDir(), "logs")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := retrainer(&traintest.Engine{})
	r.Observe = func(e train.Event) {
		if e.Point != nil && e.Point.Step > 50 {
			cancel()
		}
	}
	if _, err := r.Run(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if left := tree(t, filepath.Dir(p.OutputDir)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestStopKeepsWhatIsThere(t *testing.T) {
	p := params(t, picturetest.Dataset(t, 8, "a", "b"))
	p.Steps, p.EarlyStopping = 1_000_000, 0
	stop := make(chan struct{})
	r := retrainer(&traintest.Engine{})
	r.Stop = stop
	var last int
	r.Observe = func(e train.Event) {
		if e.Point == nil {
			return
		}
		if last == 0 {
			close(stop)
		}
		last = e.Point.Step
	}
	report, err := r.Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if report.Steps < 1 || report.Steps >= p.Steps || report.Test == nil || len(report.Answers) != report.Test.Count {
		t.Errorf("stopped in the training, the report tells of %d steps, %d answers and the test %+v", report.Steps, len(report.Answers), report.Test)
	}
	if _, err := trained.Open(p.OutputDir); err != nil {
		t.Errorf("the model of a stopped training: %v", err)
	}
}

// TestMetricsCannotBeWritten has an observer fail.
func TestSummariesCannotBeWritten(t *testing.T) {
	p := params(t, picturetest.Dataset(t, 8, "a", "b"))
	p.SummariesDir = filepath.Join(p.ImageDir, "a", "0.jpg")
	_, err := retrainer(&traintest.Engine{}).Run(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), "summaries") {
		t.Errorf("the error is %v", err)
	}
	if left := tree(t, filepath.Dir(p.OutputDir)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestPlace refuses a place with something else in it before any work is done.
func TestPlace(t *testing.T) {
	images := picturetest.Dataset(t, 8, "a", "b")
	for name, make := range map[string]func(p *train.Params){
		"a folder of other things": func(p *train.Params) { p.OutputDir = images },
		"a file":                   func(p *train.Params) { p.OutputDir = filepath.Join(images, "a", "0.jpg") },
		"below a file":             func(p *train.Params) { p.OutputDir = filepath.Join(images, "a", "0.jpg", "model") },
		"no place":                 func(p *train.Params) { p.OutputDir = "" },
	} {
		p := params(t, images)
		make(&p)
		before := tree(t, images)
		e := &traintest.Engine{}
		if _, err := retrainer(e).Run(t.Context(), p); err == nil {
			t.Errorf("%s: no error", name)
		}
		if len(e.Photos()) > 0 {
			t.Errorf("%s: photos were embedded before it was found out", name)
		}
		if !reflect.DeepEqual(before, tree(t, images)) {
			t.Errorf("%s: something was written", name)
		}
	}
}

func TestBadPhotos(t *testing.T) {
	images := picturetest.Dataset(t, 10, "a", "b", "lost", "one")
	for n := range 10 {
		write(t, []byte("no photo"), images, "lost", fmt.Sprintf("%d.jpg", n))
		if n > 0 {
			if err := os.Remove(filepath.Join(images, "one", fmt.Sprintf("%d.jpg", n))); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(t, picturetest.Truncated(), images, "a", "broken.jpg")
	write(t, nil, images, "a", "empty.jpg")
	write(t, picturetest.JPEG(7, 7, 32, 32), images, "loose.jpg")
	if err := os.Mkdir(filepath.Join(images, "nothing"), 0o750); err != nil {
		t.Fatal(err)
	}
	p := params(t, images)
	report := run(t, retrainer(&traintest.Engine{}), p)
	if !slices.Equal(report.Labels, []string{"a", "b", "one"}) {
		t.Errorf("labels %q", report.Labels)
	}
	if report.Photos.Total != 21 || report.Photos.Skipped != len(report.Skipped) || report.Photos.Train+report.Photos.Validation+report.Photos.Test != 21 {
		t.Errorf("counted %+v", report.Photos)
	}
	reasons := map[string]picture.Reason{}
	for _, s := range report.Skipped {
		rel, err := filepath.Rel(images, s.Path)
		if err != nil || !filepath.IsLocal(rel) {
			t.Errorf("the path %s is not in the dataset", s.Path)
		}
		reasons[rel] = s.Reason
		if s.Detail == "" {
			t.Errorf("%s: nothing is said", rel)
		}
	}
	want := map[string]picture.Reason{
		"a/broken.jpg": picture.Damaged, "a/empty.jpg": picture.Empty, "loose.jpg": dataset.NoLabel,
		"nothing": dataset.EmptyLabel, "lost": dataset.EmptyLabel,
	}
	for n := range 10 {
		want[fmt.Sprintf("lost/%d.jpg", n)] = picture.NotAPicture
	}
	if !reflect.DeepEqual(reasons, want) {
		t.Errorf("skipped %v, want %v", reasons, want)
	}
	if !slices.IsSortedFunc(report.Skipped, func(a, b dataset.Skip) int { return strings.Compare(a.Path, b.Path) }) {
		t.Error("skipped files are in no order")
	}
	if notes := strings.Join(report.Notes, "\n"); !strings.Contains(notes, `label "one" has 1 photo`) {
		t.Errorf("notes %q", notes)
	}
	f, err := trained.Open(p.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	if f.Dataset.Photos != 21 || f.Dataset.Labels["one"] != 1 || len(f.Dataset.Labels) != 3 {
		t.Errorf("dataset %+v", f.Dataset)
	}
}

func TestTooFew(t *testing.T) {
	for name, c := range map[string]struct {
		labels []string
		spoil  string // The label whose photos are no photos.
		want   error
		words  string
	}{
		"one label":                      {[]string{"a"}, "", dataset.ErrOneLabel, "needs at least two"},
		"no label":                       {nil, "", dataset.ErrNoLabels, "make a folder in it for each label"},
		"one label with usable photos":   {[]string{"a", "b"}, "b", train.ErrTooFew, "is a text file"},
		"two labels that differ in case": {[]string{"Rose", "rose"}, "", dataset.ErrLabelClash, "rename one of the folders"},
	} {
		images := picturetest.Dataset(t, 5, c.labels...)
		for n := range 5 {
			if c.spoil != "" {
				write(t, []byte("text"), images, c.spoil, fmt.Sprintf("%d.jpg", n))
			}
		}
		_, err := retrainer(&traintest.Engine{}).Run(t.Context(), params(t, images))
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.words) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

// TestPercentages divides as asked.
func TestPercentages(t *testing.T) {
	images := picturetest.Dataset(t, 20, "a", "b")
	for _, c := range []struct{ testing, validation int }{{0, 10}, {10, 0}, {40, 40}} {
		p := params(t, images)
		p.TestingPercentage, p.ValidationPercentage = c.testing, c.validation
		report := run(t, retrainer(&traintest.Engine{}), p)
		if (report.Test == nil) != (c.testing == 0) || (report.Validation == nil) != (c.validation == 0) || (report.ConfusionMatrix == nil) != (c.testing == 0) {
			t.Errorf("%+v: test %v, validation %v, matrix %v", c, report.Test, report.Validation, report.ConfusionMatrix)
		}
		f, err := trained.Open(p.OutputDir)
		if err != nil {
			t.Fatal(err)
		}
		if (f.Metrics.TestAccuracy == nil) != (c.testing == 0) || (f.Metrics.ValidationAccuracy == nil) != (c.validation == 0) {
			t.Errorf("%+v: metrics %+v", c, f.Metrics)
		}
		if metrics := read(t, p.OutputDir, trained.MetricsFile); strings.Contains(metrics, "validation") != (c.validation > 0) {
			t.Errorf("%+v: %s", c, metrics)
		}
	}
}

// TestCache runs twice on one cache: the second time no photo is embedded, augmented or not.
func TestCache(t *testing.T) {
	images := picturetest.Dataset(t, 10, "a", "b")
	dir := t.TempDir()
	again := func(change func(*train.Params)) (*train.Report, int) {
		cache := feature.OpenCache(t.Context(), dir, slog.New(slog.DiscardHandler))
		defer func() {
			if err := cache.Close(); err != nil {
				t.Error(err)
			}
		}()
		p := params(t, images)
		change(&p)
		e := &traintest.Engine{}
		r := retrainer(e)
		r.Cache = cache
		return run(t, r, p), len(e.Photos())
	}
	plain := func(*train.Params) {}
	augmented := func(p *train.Params) { p.Augmentation = feature.Augmentation{Views: 2, Crop: 10} }
	first, embedded := again(plain)
	if first.Photos.Cached != 0 || embedded != 20 {
		t.Errorf("at first %d known, %d embedded", first.Photos.Cached, embedded)
	}
	second, embedded := again(plain)
	if second.Photos.Cached != 20 || embedded != 0 || second.GraphSHA256 != first.GraphSHA256 {
		t.Errorf("then %d known, %d embedded", second.Photos.Cached, embedded)
	}
	third, embedded := again(augmented)
	if third.Photos.Cached != 20 || embedded != third.Photos.Views || embedded == 0 {
		t.Errorf("augmented: %d known, %d embedded, %d views", third.Photos.Cached, embedded, third.Photos.Views)
	}
	fourth, embedded := again(augmented)
	if embedded != 0 || fourth.GraphSHA256 != third.GraphSHA256 {
		t.Errorf("augmented again: %d embedded", embedded)
	}
	write(t, picturetest.JPEG(0, 999, 96, 72), images, "a", "0.jpg")
	fifth, embedded := again(plain)
	if fifth.Photos.Cached != 19 || embedded != 1 {
		t.Errorf("with a photo replaced: %d known, %d embedded", fifth.Photos.Cached, embedded)
	}
}

// TestChangedInTheMiddle replaces a photo between its features and those of its views.
func TestChangedInTheMiddle(t *testing.T) {
	images := picturetest.Dataset(t, 4, "a", "b") // Too few to be divided: all are trained with.
	p := params(t, images)
	p.Augmentation = feature.Augmentation{Views: 1, Flip: true}
	calls := 0
	e := &traintest.Engine{Before: func(_ context.Context, c traintest.Call) error {
		if c == traintest.Embed {
			if calls++; calls == 1 {
				write(t, picturetest.JPEG(0, 999, 96, 72), images, "a", "0.jpg")
			}
		}
		return nil
	}}
	_, err := retrainer(e).Run(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), filepath.Join("a", "0.jpg")) || !strings.Contains(err.Error(), "run again") {
		t.Errorf("the error is %v", err)
	}
}

// TestSameSeed repeats a run: all files but the one with the time are the same.
func TestSameSeed(t *testing.T) {
	images := picturetest.Dataset(t, 10, "a", "b")
	var folders [2]map[string]string
	p := params(t, images)
	for i := range folders {
		run(t, retrainer(&traintest.Engine{}), p)
		folders[i] = tree(t, p.OutputDir)
	}
	if !reflect.DeepEqual(folders[0], folders[1]) {
		for name, data := range folders[0] {
			if !bytes.Equal([]byte(data), []byte(folders[1][name])) {
				t.Errorf("%s differs", name)
			}
		}
	}
}
