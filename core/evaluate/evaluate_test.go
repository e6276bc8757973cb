package evaluate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kaika/core/dataset"
	"kaika/core/evaluate"
	"kaika/core/feature"
	"kaika/core/picture/picturetest"
	"kaika/core/train"
	"kaika/core/train/traintest"
)

func evaluator(e *traintest.Engine) *evaluate.Evaluator {
	return &evaluate.Evaluator{Engine: e, Cache: &feature.Cache{}, Now: time.Now}
}

// params gives quick settings.
func params(images string, folds int) evaluate.Params {
	p := evaluate.Params{Settings: train.DefaultSettings(), ImageDir: images, Folds: folds}
	p.Steps, p.LearningRate, p.L2 = 15, 1, 0
	return p
}

func run(t *testing.T, e *evaluate.Evaluator, p evaluate.Params) *evaluate.Report {
	t.Helper()
	report, err := e.Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func write(t *testing.T, data []byte, path ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(path...), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// key makes a map's key of a feature vector, which no two different drawn photos share.
func key(features []float32) string { return fmt.Sprint(features) }

// TestEveryPhotoIsTestedOnce looks at what the layers of the folds were given.
func TestEveryPhotoIsTestedOnce(t *testing.T) {
	images := picturetest.Dataset(t, 12, "a", "b", "c")
	write(t, picturetest.JPEG(0, 3, 96, 72), images, "a", "copy.jpg")
	write(t, picturetest.JPEG(0, 4, 96, 72), images, "b", "copy under another label.jpg")
	e := &traintest.Engine{}
	p := params(images, 4)
	p.Augmentation = feature.Augmentation{Views: 2, Brightness: 30}
	report := run(t, evaluator(e), p)
	if report.Photos != 38 || len(report.Folds) != 4 || len(e.Fits()) != 4 {
		t.Fatalf("%d photos, %d folds, %d fits", report.Photos, len(report.Folds), len(e.Fits()))
	}
	tested := map[string]int{}
	for _, fit := range e.Fits() {
		for _, f := range fit.Test.Features {
			tested[key(f)]++
			if slices.ContainsFunc(fit.Train.Features, func(g []float32) bool { return slices.Equal(f, g) }) {
				t.Error("a layer tests a photo that it has trained with")
			}
		}
		if len(fit.Validation.Labels) > 0 {
			t.Error("photos are held back to validate with, and nobody looks")
		}
		if trained := 38 - len(fit.Test.Labels); len(fit.Train.Labels) != 3*trained {
			t.Errorf("%d samples for %d photos with two views each", len(fit.Train.Labels), trained)
		}
		for label := range 3 {
			if !slices.Contains(fit.Test.Labels, label) || !slices.Contains(fit.Train.Labels, label) {
				t.Errorf("label %d is missing in a fold", label)
			}
		}
	}
	copies := 0
	for _, n := range tested {
		if n > 1 {
			copies += n - 1
		}
	}
	if len(tested) != 36 || copies != 2 {
		t.Errorf("%d different photos were tested, %d of them again; want 36 and the 2 copies", len(tested), copies)
	}
	test, trained := 0, 0
	for _, fold := range report.Folds {
		test += fold.Test
		trained += fold.Train
		if fold.Test+fold.Train != 38 {
			t.Errorf("fold %+v", fold)
		}
	}
	if test != 38 || trained != 3*38 {
		t.Errorf("%d tested, %d trained with", test, trained)
	}
	if n := len(e.Photos()); n != 36+2*36 && n != 38+2*38 {
		t.Errorf("%d pictures were embedded", n)
	}
}

// TestFigures has the layers answer by a rule, so that the figures are known.
func TestFigures(t *testing.T) {
	const perLabel, folds = 10, 5
	images := picturetest.Dataset(t, perLabel, "a", "b", "c")
	var mu sync.Mutex
	fits := 0
	e := &traintest.Engine{Change: func(job train.Fit, f *train.Fitted) {
		mu.Lock()
		fits++
		spoilt := fits == 1 // One fold takes every a for a b, a little less surely than others are sure.
		mu.Unlock()
		f.TestLogits = nil
		for _, l := range job.Test.Labels {
			row := []float32{0, 0, 0}
			row[l] = float32(math.Log(8)) // A score of 0.8.
			if spoilt && l == 0 {
				row = []float32{0, float32(math.Log(6)), float32(math.Log(3))} // 0.1, 0.6, 0.3
			}
			f.TestLogits = append(f.TestLogits, row...)
		}
	}}
	report := run(t, evaluator(e), params(images, folds))
	if want := [][]int{{8, 2, 0}, {0, 10, 0}, {0, 0, 10}}; !reflect.DeepEqual(report.ConfusionMatrix.Counts, want) {
		t.Fatalf("confusion matrix %v, want %v", report.ConfusionMatrix.Counts, want)
	}
	// Each fold tests 2 photos of each label: one has 4 of 6 right, four have all.
	a := report.Accuracy
	mean := (4./6 + 4) / 5
	deviation := math.Sqrt(((4./6-mean)*(4./6-mean) + 4*(1-mean)*(1-mean)) / 4)
	if math.Abs(a.Mean-mean) > 1e-9 || math.Abs(a.StandardDeviation-deviation) > 1e-9 {
		t.Errorf("accuracy %+v, want %v ± %v", a, mean, deviation)
	}
	if low, high := train.Wilson(28, 30); a.Low != low || a.High != high {
		t.Errorf("interval %v to %v, want %v to %v", a.Low, a.High, low, high)
	}
	if want := -(28*math.Log(0.8) + 2*math.Log(0.1)) / 30; math.Abs(report.CrossEntropy-want) > 1e-6 {
		t.Errorf("cross-entropy %v, want %v", report.CrossEntropy, want)
	}
	want := []evaluate.LabelFigures{
		{Label: "a", Photos: 10, Precision: 1, Recall: 0.8},
		{Label: "b", Photos: 10, Precision: 10. / 12, Recall: 1},
		{Label: "c", Photos: 10, Precision: 1, Recall: 1},
	}
	if !reflect.DeepEqual(report.PerLabel, want) {
		t.Errorf("figures %+v, want %+v", report.PerLabel, want)
	}
	if len(report.Misclassified) != 2 {
		t.Fatalf("misclassified %+v", report.Misclassified)
	}
	for _, m := range report.Misclassified {
		if m.Label != "a" || m.Predicted != "b" || math.Abs(m.Score-0.6) > 1e-6 || math.Abs(m.TrueScore-0.1) > 1e-6 ||
			filepath.Dir(m.File) != filepath.Join(images, "a") {
			t.Errorf("misclassified %+v", m)
		}
	}
}

// TestSurestMistakesFirst orders the mistakes.
func TestSurestMistakesFirst(t *testing.T) {
	e := &traintest.Engine{Change: func(job train.Fit, f *train.Fitted) {
		for i, l := range job.Test.Labels {
			f.TestLogits[2*i+l], f.TestLogits[2*i+1-l] = 0, float32(i+len(job.Train.Labels)%7)/3
		}
	}}
	report := run(t, evaluator(e), params(picturetest.Dataset(t, 6, "a", "b"), 3))
	if len(report.Misclassified) < 6 || !slices.IsSortedFunc(report.Misclassified, func(a, b train.Answer) int {
		return int(math.Copysign(1, b.Score-a.Score))
	}) {
		t.Errorf("in the order %+v", report.Misclassified)
	}
	// A label that nothing is given has no precision, and JSON has no NaN for it.
	e.Change = func(_ train.Fit, f *train.Fitted) {
		for i := range f.TestLogits {
			f.TestLogits[i] = float32(i % 2)
		}
	}
	report = run(t, evaluator(e), params(picturetest.Dataset(t, 6, "a", "b"), 3))
	if l := report.PerLabel[0]; l.Precision != 0 || l.Recall != 0 || report.PerLabel[1].Precision != 0.5 || report.PerLabel[1].Recall != 1 {
		t.Errorf("figures %+v", report.PerLabel)
	}
	if _, err := json.Marshal(report); err != nil {
		t.Error(err)
	}
}

func TestReportJSON(t *testing.T) {
	e := &traintest.Engine{Change: func(job train.Fit, f *train.Fitted) {
		for i, l := range job.Test.Labels {
			f.TestLogits[2*i], f.TestLogits[2*i+1] = 0, 0
			f.TestLogits[2*i+l] = 5
		}
	}}
	data, err := json.Marshal(run(t, evaluator(e), params(picturetest.Dataset(t, 6, "a", "b"), 2)))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"labels", "folds", "per_label", "misclassified", "skipped", "notes"} {
		if _, ok := m[name].([]any); !ok {
			t.Errorf("%s is %v", name, m[name])
		}
	}
}

func TestSameSeed(t *testing.T) {
	images := picturetest.Dataset(t, 10, "a", "b", "c")
	var reports []*evaluate.Report
	for _, seed := range []int64{1, 1, 2} {
		p := params(images, 3)
		p.Seed = seed
		r := run(t, evaluator(&traintest.Engine{}), p)
		r.Seconds = train.Seconds{}
		reports = append(reports, r)
	}
	if !reflect.DeepEqual(reports[0], reports[1]) {
		t.Error("the same seed gives another report")
	}
	if reports[0].CrossEntropy == reports[2].CrossEntropy {
		t.Error("another seed gives the same report")
	}
}

func TestSettingsReachTheEngine(t *testing.T) {
	images := picturetest.Dataset(t, 8, "few", "many")
	for n := range 8 {
		write(t, picturetest.JPEG(1, 100+n, 96, 72), images, "many", fmt.Sprintf("more %d.jpg", n))
	}
	p := params(images, 2)
	p.ClassWeighting, p.Optimizer = train.WeightBalanced, train.Momentum
	e := &traintest.Engine{}
	run(t, evaluator(e), p)
	for _, fit := range e.Fits() {
		// The curves are not looked at: to measure them would only take time.
		if fit.Optimizer != train.Momentum || fit.Steps != p.Steps || fit.EvalStepInterval < p.Steps {
			t.Errorf("settings %+v", fit.Settings)
		}
		if !slices.Equal(fit.ClassWeights, []float32{1.5, 0.75}) {
			t.Errorf("class weights %v", fit.ClassWeights)
		}
	}
}

func TestEvents(t *testing.T) {
	images := picturetest.Dataset(t, 6, "a", "b")
	write(t, []byte("no photo"), images, "a", "text.jpg")
	var phases []train.Phase
	var folds []int
	e := evaluator(&traintest.Engine{})
	e.Observe = func(ev evaluate.Event) {
		if len(phases) == 0 || phases[len(phases)-1] != ev.Phase {
			phases = append(phases, ev.Phase)
		}
		if ev.Phase == train.Training {
			folds = append(folds, ev.Folds)
		}
	}
	p := params(images, 3)
	p.Augmentation = feature.Augmentation{Views: 1, Flip: true}
	report := run(t, e, p)
	if !slices.Equal(phases, []train.Phase{train.Features, train.Views, train.Training}) || !slices.Equal(folds, []int{1, 2, 3}) {
		t.Errorf("phases %q, folds %v", phases, folds)
	}
	if len(report.Skipped) != 1 || report.Skipped[0].Path != filepath.Join(images, "a", "text.jpg") {
		t.Errorf("skipped %+v", report.Skipped)
	}
}

// TestCache evaluates what has been trained with: no photo is embedded again.
func TestCache(t *testing.T) {
	images := picturetest.Dataset(t, 6, "a", "b")
	dir := t.TempDir()
	for _, want := range []int{12, 0} {
		cache := feature.OpenCache(t.Context(), dir, slog.New(slog.DiscardHandler))
		e := &traintest.Engine{}
		v := evaluator(e)
		v.Cache = cache
		run(t, v, params(images, 3))
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
		if n := len(e.Photos()); n != want {
			t.Errorf("%d photos were embedded, want %d", n, want)
		}
	}
}

func TestErrors(t *testing.T) {
	broken := errors.New("the engine is broken")
	for name, c := range map[string]struct {
		perLabel int
		labels   []string
		change   func(*evaluate.Params)
		fails    traintest.Call
		want     error
		words    string
	}{
		"no folder":         {3, []string{"a", "b"}, func(p *evaluate.Params) { p.ImageDir += "/none" }, "", dataset.ErrNoFolder, "check the path"},
		"one label":         {3, []string{"a"}, nil, "", dataset.ErrOneLabel, "at least two"},
		"one fold":          {3, []string{"a", "b"}, func(p *evaluate.Params) { p.Folds = 1 }, "", nil, "at least 2"},
		"too many folds":    {3, []string{"a", "b"}, func(p *evaluate.Params) { p.Folds = 7 }, "", nil, "ask for fewer folds"},
		"one photo a label": {1, []string{"a", "b"}, func(p *evaluate.Params) { p.Folds = 2 }, "", nil, "collect more"},
		"bad settings":      {3, []string{"a", "b"}, func(p *evaluate.Params) { p.Steps = 0 }, "", nil, "how_many_training_steps"},
		"bad augmentation":  {3, []string{"a", "b"}, func(p *evaluate.Params) { p.Augmentation.Crop = 99 }, "", nil, "random_crop"},
		"no features":       {3, []string{"a", "b"}, nil, traintest.Embed, broken, "computing the features"},
		"no training":       {3, []string{"a", "b"}, nil, traintest.Fit, broken, "training fold"},
	} {
		e := &traintest.Engine{Before: func(_ context.Context, call traintest.Call) error {
			if call == c.fails {
				return broken
			}
			return nil
		}}
		p := params(picturetest.Dataset(t, c.perLabel, c.labels...), 3)
		if c.change != nil {
			c.change(&p)
		}
		_, err := evaluator(e).Run(t.Context(), p)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	images := picturetest.Dataset(t, 6, "a", "b")
	for _, at := range []traintest.Call{traintest.Embed, traintest.Fit} {
		ctx, cancel := context.WithCancel(t.Context())
		e := &traintest.Engine{Before: func(_ context.Context, call traintest.Call) error {
			if call == at {
				cancel()
			}
			return nil
		}}
		if _, err := evaluator(e).Run(ctx, params(images, 3)); !errors.Is(err, context.Canceled) {
			t.Errorf("in %s: the error is %v", at, err)
		}
		cancel()
	}
}
