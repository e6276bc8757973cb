package experiment_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"kaika/core/experiment"
	"kaika/core/feature"
	"kaika/core/picture/picturetest"
	"kaika/core/train"
	"kaika/core/train/traintest"
	"kaika/core/trained"
)

// start is when the first run of a test begins; each other begins a minute later.
var start = time.Date(2026, 11, 23, 19, 57, 30, 0, time.UTC)

func newStore(t *testing.T) (*experiment.Store, *strings.Builder) {
	t.Helper()
	log, at := &strings.Builder{}, start.Add(-time.Minute)
	return &experiment.Store{
		Dir: filepath.Join(t.TempDir(), "runs 実験"),
		Log: slog.New(slog.NewTextHandler(log, nil)),
		Now: func() time.Time { at = at.Add(time.Minute); return at },
	}, log
}

// trainRun trains for real, by the engine of traintest, and keeps the run.
func trainRun(t *testing.T, s *experiment.Store, photos string, steps int) experiment.Run {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	cache := feature.OpenCache(t.Context(), filepath.Join(t.TempDir(), "cache"), quiet)
	defer cache.Close() //nolint:errcheck // Nothing of it is needed afterwards.
	engine := &traintest.Engine{}
	r := train.Retrainer{Engine: engine, Cache: cache, Log: quiet, Version: "test", Now: time.Now}
	run := s.New()
	run.Params = train.DefaultParams()
	run.Params.ImageDir, run.Params.OutputDir, run.Params.Steps, run.Params.EvalStepInterval = photos, run.Dir, steps, 1
	report, err := r.Run(t.Context(), run.Params)
	if err != nil {
		t.Fatal(err)
	}
	run.Dataset, run.Base, run.Report = photos, engine.Base(), report
	kept, err := s.Keep(run)
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// tree gives the paths below a folder, hidden ones too.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if path != dir {
			rel, _ := filepath.Rel(dir, path)
			paths = append(paths, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func ids(runs []experiment.Run) []string {
	var out []string
	for _, r := range runs {
		out = append(out, r.ID)
	}
	return out
}

func TestKeptRun(t *testing.T) {
	s, log := newStore(t)
	photos := picturetest.Dataset(t, 20, "rose", "tulip", "菊 花")
	kept := trainRun(t, s, photos, 7)
	if want := filepath.Join(s.Dir, kept.ID); kept.Dir != want || kept.Report.Model != want {
		t.Errorf("the run is in %s, its model in %s, want %s", kept.Dir, kept.Report.Model, want)
	}
	if !strings.HasPrefix(kept.ID, "20261123-195730000-") {
		t.Errorf("ID %s", kept.ID)
	}
	again, err := s.Open(kept.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, kept) {
		t.Errorf("opened again it is\n%+v, kept was\n%+v", again, kept)
	}
	if len(again.Points) != 7 || again.Points[6].Step != 7 || again.Points[0].ValidationAccuracy == nil {
		t.Errorf("points %+v", again.Points)
	}
	if len(again.Answers) != again.Report.Test.Count || len(again.Answers) == 0 || !reflect.DeepEqual(again.Report.Answers, again.Answers) {
		t.Errorf("%d answers to %d test photos", len(again.Answers), again.Report.Test.Count)
	}
	if want := map[string]int{"rose": 20, "tulip": 20, "菊 花": 20}; !reflect.DeepEqual(again.Labels, want) {
		t.Errorf("photos a label: %v", again.Labels)
	}
	if again.Dataset != photos || again.Params.Steps != 7 || again.Base.Name != "traintest" || !again.Started.Equal(start) {
		t.Errorf("%+v", again)
	}
	if _, err := trained.Open(kept.Dir); err != nil {
		t.Error(err)
	}
	if log.Len() > 0 {
		t.Error(log)
	}
}

func TestList(t *testing.T) {
	s, log := newStore(t)
	if runs, err := s.List(t.Context()); len(runs) != 0 || err != nil {
		t.Errorf("before the first run: %v, %v", runs, err)
	}
	photos := picturetest.Dataset(t, 5, "a", "b")
	first, second := trainRun(t, s, photos, 1), trainRun(t, s, photos, 2)

	// What others left there, each of them to be left alone.
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(s.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("notes.txt", "mine")
	write("someone's/run.json", "{}")
	write("20261123-195730000-00000000/model.json", "{}") // No run.json.
	write("20261123-195730000-00000001/run.json", "{")
	write("20261123-195730000-00000002/run.json", `{"format": 2, "report": {}}`)
	write("20261123-195730000-00000003/run.json", `{"format": 1}`)
	write("20261123-195730000-00000004/run.json", `{"format": 1, "report": {"confusion_matrix": {"labels": ["a"], "counts": []}}}`)
	write(".20261123-195730000-00000005-123/metrics.jsonl", "")
	if err := os.Mkdir(filepath.Join(s.Dir, "20261123-195730000-00000006"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := tree(t, s.Dir)

	runs, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{second.ID, first.ID}; !slices.Equal(ids(runs), want) {
		t.Errorf("listed %v, want %v", ids(runs), want)
	}
	if runs[0].Answers != nil || runs[0].Points != nil || runs[0].Report.Test == nil && second.Report.Test != nil {
		t.Errorf("%+v", runs[0])
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 8 {
		t.Errorf("%d warnings:\n%s", n, log)
	}
	if after := tree(t, s.Dir); !slices.Equal(before, after) {
		t.Errorf("before: %v\nafter: %v", before, after)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestFailedRunLeavesNothing trains where a photo's features cannot be computed.
func TestFailedRunLeavesNothing(t *testing.T) {
	s, _ := newStore(t)
	quiet := slog.New(slog.DiscardHandler)
	cache := feature.OpenCache(t.Context(), t.TempDir(), quiet)
	defer cache.Close() //nolint:errcheck // Nothing of it is needed afterwards.
	failure := errors.New("the engine died")
	for _, at := range []traintest.Call{traintest.Embed, traintest.Fit, traintest.Export, traintest.Classify} {
		r := train.Retrainer{Cache: cache, Log: quiet, Now: time.Now, Engine: &traintest.Engine{Before: func(_ context.Context, call traintest.Call) error {
			if call == at {
				return failure
			}
			return nil
		}}}
		run := s.New()
		p := train.DefaultParams()
		p.Steps, p.ImageDir, p.OutputDir = 2, picturetest.Dataset(t, 10, "a", "b"), run.Dir
		if _, err := r.Run(t.Context(), p); !errors.Is(err, failure) {
			t.Fatalf("%s: %v", at, err)
		}
		if entries, err := os.ReadDir(s.Dir); len(entries) > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: it left %v, %v", at, entries, err)
		}
	}
}

func TestKeepWithoutModel(t *testing.T) {
	s, _ := newStore(t)
	run := s.New()
	run.Report = &train.Report{}
	if _, err := s.Keep(run); err == nil || !strings.Contains(err.Error(), run.Dir) {
		t.Errorf("kept a run without a model: %v", err)
	}
	run.Report = nil
	if _, err := s.Keep(run); err == nil {
		t.Error("kept a run without a report")
	}
	if entries, _ := os.ReadDir(s.Dir); len(entries) > 0 {
		t.Error(entries)
	}
}

func TestRename(t *testing.T) {
	s, _ := newStore(t)
	run := trainRun(t, s, picturetest.Dataset(t, 10, "a", "b"), 2)
	const name = "more 薔薇 \"quoted\""
	if err := s.Rename(run.ID, " "+name+"\n"); err != nil {
		t.Fatal(err)
	}
	got, err := s.Open(run.ID)
	if err != nil {
		t.Fatal(err)
	}
	run.Name = name
	if !reflect.DeepEqual(got, run) {
		t.Errorf("renamed it is\n%+v, want\n%+v", got, run)
	}
}

func TestUnknownRuns(t *testing.T) {
	s, _ := newStore(t)
	run := trainRun(t, s, picturetest.Dataset(t, 10, "a", "b"), 2)
	outside := filepath.Join(filepath.Dir(s.Dir), "20261123-195730000-00000000")
	if err := os.Rename(run.Dir, outside); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", ".", "..", "../" + filepath.Base(outside), run.ID, run.ID + "/", "20261123-195730000-0000000G"} {
		_, err := s.Open(id)
		for _, err := range []error{err, s.Rename(id, "x"), s.Delete(id), s.Export(t.Context(), id, filepath.Join(t.TempDir(), "x"))} {
			if !errors.Is(err, experiment.ErrNoRun) {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
	if _, err := trained.Open(outside); err != nil {
		t.Error(err)
	}
}

// TestMovedStore moves the folder of all runs.
func TestMovedStore(t *testing.T) {
	s, _ := newStore(t)
	run := trainRun(t, s, picturetest.Dataset(t, 10, "a", "b"), 2)
	place := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(s.Dir, place); err != nil {
		t.Fatal(err)
	}
	s.Dir = place
	got, err := s.Open(run.ID)
	if want := filepath.Join(place, run.ID); err != nil || got.Dir != want || got.Report.Model != want || got.Params.OutputDir != want {
		t.Errorf("%s, %s, %s, %v; want %s", got.Dir, got.Report.Model, got.Params.OutputDir, err, want)
	}
}

func TestDelete(t *testing.T) {
	s, _ := newStore(t)
	photos := picturetest.Dataset(t, 10, "a", "b")
	gone, stays := trainRun(t, s, photos, 1), trainRun(t, s, photos, 1)
	if err := s.Delete(gone.ID); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(s.Dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != stays.ID {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestExport(t *testing.T) {
	s, _ := newStore(t)
	photos := picturetest.Dataset(t, 10, "a", "b")
	run, other := trainRun(t, s, photos, 3), trainRun(t, s, photos, 4)
	to := filepath.Join(t.TempDir(), "new", "my model")
	for range 2 { // The second time it replaces the first.
		if err := s.Export(t.Context(), run.ID, to); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := tree(t, to), []string{trained.MetricsFile, trained.ModelFile, trained.GraphFile, trained.LabelsFile}; !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("exported %v", got)
	}
	for _, name := range tree(t, to) {
		got, err := os.ReadFile(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(run.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s changed on its way:\n%s\n%s", name, got, want)
		}
	}
	if _, err := trained.Open(to); err != nil {
		t.Error(err)
	}
	if got := tree(t, filepath.Dir(to)); len(got) != 5 {
		t.Errorf("beside it lie %v", got)
	}

	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "letter.txt"), []byte("dear"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(s.Dir, filepath.Join(filepath.Dir(s.Dir), "link")); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{
		full, s.Dir, other.Dir, run.Dir, filepath.Join(s.Dir, "new"), filepath.Join(filepath.Dir(s.Dir), "link", other.ID), filepath.Join(full, "letter.txt"),
	} {
		if err := s.Export(t.Context(), run.ID, place); err == nil {
			t.Errorf("exported to %s", place)
		}
	}
	if got := tree(t, full); !slices.Equal(got, []string{"letter.txt"}) {
		t.Error(got)
	}
	again, err := s.Open(other.ID)
	if err != nil || !reflect.DeepEqual(again, other) {
		t.Errorf("the other run is now %+v, %v", again, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	place := filepath.Join(t.TempDir(), "never")
	if err := s.Export(ctx, run.ID, place); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got := tree(t, filepath.Dir(place)); len(got) > 0 {
		t.Errorf("a cancelled export left %v", got)
	}
}

// TestExportOfDamagedModel finds the damage before it is copied.
func TestExportOfDamagedModel(t *testing.T) {
	s, _ := newStore(t)
	run := trainRun(t, s, picturetest.Dataset(t, 10, "a", "b"), 3)
	if err := os.WriteFile(filepath.Join(run.Dir, trained.GraphFile), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "out")
	if err := s.Export(t.Context(), run.ID, to); err == nil {
		t.Error("exported")
	}
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestDamagedCurves opens a run whose curves are damaged, or gone like its answers: the rest is worth having.
func TestDamagedCurves(t *testing.T) {
	s, log := newStore(t)
	run := trainRun(t, s, picturetest.Dataset(t, 10, "a", "b"), 3)
	path := filepath.Join(run.Dir, trained.MetricsFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte("{\n\nnull 1\n"), data[:len(data)-5]...), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := s.Open(run.ID)
	if err != nil || !reflect.DeepEqual(got.Points, run.Points[:2]) || !strings.Contains(log.String(), "lines=3") {
		t.Errorf("points %+v, %v\n%s", got.Points, err, log)
	}
	for _, name := range []string{trained.MetricsFile, experiment.AnswersFile} {
		if err := os.Remove(filepath.Join(run.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Open(run.ID); err != nil || got.Points != nil || got.Answers != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// BenchmarkList lists 200 runs, each with 2,000 answers.
func BenchmarkList(b *testing.B) {
	s := &experiment.Store{Dir: b.TempDir(), Log: slog.New(slog.DiscardHandler), Now: time.Now}
	labels := make([]string, 20)
	for i := range labels {
		labels[i] = fmt.Sprintf("chrysanthemum %d", i)
	}
	matrix := train.NewConfusion(labels)
	answer := train.Answer{File: "/home/someone/Pictures/flowers/chrysanthemum/12345678_4f5a.jpg", Label: "chrysanthemum 1", Predicted: "chrysanthemum 2", Score: 0.123456789}
	report := &train.Report{Labels: labels, ConfusionMatrix: &matrix, Answers: slices.Repeat([]train.Answer{answer}, 2000), Misclassified: slices.Repeat([]train.Answer{answer}, 200)}
	for range 200 {
		run := s.New()
		run.Report = report
		if err := trained.WriteFile(filepath.Join(run.Dir, trained.ModelFile), []byte("{}")); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Keep(run); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if runs, err := s.List(b.Context()); err != nil || len(runs) != 200 {
			b.Fatal(len(runs), err)
		}
	}
}

func TestCompare(t *testing.T) {
	run := func(change func(*experiment.Run)) experiment.Run {
		r := experiment.Run{Dataset: "/flowers", Params: train.DefaultParams(), Report: &train.Report{Steps: 4000}}
		r.Base.Name, r.Base.InputSize = "lite0", 288
		change(&r)
		return r
	}
	plain := run(func(*experiment.Run) {})
	tests := []struct {
		name string
		runs []experiment.Run
		want []string // Settings that differ.
	}{
		{"nothing", nil, nil},
		{"one", []experiment.Run{plain}, nil},
		{"equal", []experiment.Run{plain, plain}, nil},
		{"steps", []experiment.Run{plain, plain, run(func(r *experiment.Run) { r.Params.Steps, r.Report.Steps = 500, 500 })}, []string{"how_many_training_steps", "steps_done"}},
		{"stopped", []experiment.Run{plain, run(func(r *experiment.Run) { r.Report.Steps = 17 })}, []string{"steps_done"}},
		{"base", []experiment.Run{run(func(r *experiment.Run) { r.Base.Name, r.Base.InputSize = "inception_v3", 299 }), plain}, []string{"architecture", "input_size"}},
		{"photos", []experiment.Run{plain, run(func(r *experiment.Run) { r.Report.Photos.Total, r.Report.Labels = 10, []string{"a", "b"} })}, []string{"photos", "labels"}},
		{"no views, so no augmentation", []experiment.Run{plain, run(func(r *experiment.Run) { r.Params.Augmentation.Flip = true })}, nil},
		{"augmentation", []experiment.Run{plain, run(func(r *experiment.Run) {
			r.Params.Augmentation = feature.Augmentation{Views: 4, Flip: true, Crop: 10}
		})}, []string{"augmented_views", "flip_left_right", "random_crop"}},
		{"rates", []experiment.Run{plain, run(func(r *experiment.Run) { r.Params.LearningRate, r.Params.Seed = 0.02, 1 })}, []string{"learning_rate", "seed"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, s := range experiment.Compare(test.runs) {
				if len(s.Values) != len(test.runs) {
					t.Errorf("%s has %d values", s.Name, len(s.Values))
				}
				if s.Differs {
					got = append(got, s.Name)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("differ: %v, want %v", got, test.want)
			}
		})
	}
}

// TestCompareKnowsAllParams fails when a parameter of a training is added and forgotten here.
func TestCompareKnowsAllParams(t *testing.T) {
	data, err := json.Marshal(train.DefaultParams())
	if err != nil {
		t.Fatal(err)
	}
	params := map[string]any{}
	if err := json.Unmarshal(data, &params); err != nil {
		t.Fatal(err)
	}
	// Folders and names of files change no model; the augmentation is compared in its parts.
	for _, name := range []string{"image_dir", "output_dir", "final_tensor_name", "augmentation"} {
		delete(params, name)
	}
	for _, s := range experiment.Compare(nil) {
		delete(params, s.Name)
	}
	if len(params) > 0 {
		t.Errorf("not compared: %v", params)
	}
}
