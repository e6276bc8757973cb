package evaluate_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kaika/core/augment"
	"kaika/core/curate"
	"kaika/core/evaluate"
	"kaika/core/feature"
	"kaika/core/picture/picturetest"
	"kaika/core/train/traintest"
)

// TestCopiesAreOnlyTrainedWith evaluates with and without augmented copies: the same photos are tested in the same folds, and
// no copy is tested, nor trained with where its original is tested.
func TestCopiesAreOnlyTrainedWith(t *testing.T) {
	images := picturetest.Dataset(t, 10, "a", "b")
	plain, mixed := &traintest.Engine{}, &traintest.Engine{}
	before := run(t, evaluator(plain), params(images, 3))
	if before.Copies != 0 || len(before.Notes) != 0 {
		t.Errorf("without copies: %+v", before)
	}
	l, err := curate.Open(t.Context(), images, curate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := augment.Maker{Library: l, Vary: feature.Augmentation{Views: 2, Flip: true, Rotation: 20, Crop: 10}}
	if r, err := m.Make(t.Context()); err != nil || r.Made != 40 {
		t.Fatalf("made %+v, %v", r, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	check := func(originals, copies int) *evaluate.Report {
		t.Helper()
		*mixed = traintest.Engine{}
		r := run(t, evaluator(mixed), params(images, 3))
		if r.Photos != originals || r.Copies != copies {
			t.Errorf("%d photos and %d copies, want %d and %d", r.Photos, r.Copies, originals, copies)
		}
		if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "copies were left out") }) {
			t.Errorf("it says %q", r.Notes)
		}
		tested := 0
		for _, f := range r.Folds {
			tested += f.Test
		}
		if tested != originals {
			t.Errorf("%d were tested", tested)
		}
		total := 0
		for _, row := range r.ConfusionMatrix.Counts {
			for _, n := range row {
				total += n
			}
		}
		if total != originals {
			t.Errorf("the confusion matrix has %d photos", total)
		}
		for _, a := range r.Misclassified {
			if strings.Contains(a.File, ".augmented-") {
				t.Errorf("%s was measured with", a.File)
			}
		}
		return r
	}
	after := check(20, 40)
	for i, fold := range after.Folds {
		if was := before.Folds[i]; fold.Test != was.Test || fold.Train != 3*was.Train {
			t.Errorf("fold %d was %+v, and is %+v", i, was, fold)
		}
	}
	var was, is [][]string
	for _, pair := range []struct {
		e   *traintest.Engine
		all *[][]string
	}{{plain, &was}, {mixed, &is}} {
		for _, fit := range pair.e.Fits() {
			var keys []string
			for _, f := range fit.Test.Features {
				keys = append(keys, key(f))
			}
			slices.Sort(keys)
			*pair.all = append(*pair.all, keys)
		}
		slices.SortFunc(*pair.all, slices.Compare)
	}
	if !reflect.DeepEqual(was, is) {
		t.Error("with copies, other photos are tested together")
	}

	// A copy whose original is gone is trained with in all folds.
	if err := os.Remove(filepath.Join(images, "a", first(t, filepath.Join(images, "a")))); err != nil {
		t.Fatal(err)
	}
	r := check(19, 40)
	trained := 0
	for _, f := range r.Folds {
		trained += f.Train
	}
	if want := 2*19*3 + 3*2; trained != want {
		t.Errorf("%d were trained with, want %d", trained, want)
	}

	// A label of nothing but copies cannot be measured.
	originals, err := filepath.Glob(filepath.Join(images, "a", "*.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range originals {
		if !strings.Contains(path, ".augmented-") {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := evaluator(&traintest.Engine{}).Run(t.Context(), params(images, 3)); err == nil || !strings.Contains(err.Error(), `label "a"`) {
		t.Errorf("the error is %v", err)
	}
}

// first gives the name of the first photo in a folder that is no copy.
func first(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.Contains(e.Name(), ".augmented-") {
			return e.Name()
		}
	}
	t.Fatal("there is none")
	return ""
}
