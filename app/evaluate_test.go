package app

import (
	"testing"

	"kaika/core/evaluate"
	"kaika/core/picture/picturetest"
)

func TestEvaluate(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images := picturetest.Dataset(t, 12, labels...)
	write(t, []byte("text"), images, "rose", "note.jpg")
	args := append([]string{"evaluate", "--image-dir", images, "--folds", "3"}, quick...)
	report := parse[evaluate.Report](u.kaika(append(args, "--json")...).ends(exitDone, "training: 3 of 3 folds"))
	tested, counted := 0, 0
	for _, f := range report.Folds {
		tested += f.Test
	}
	for _, row := range report.ConfusionMatrix.Counts {
		for _, n := range row {
			counted += n
		}
	}
	if report.Photos != 36 || len(report.Folds) != 3 || tested != 36 || counted != 36 || len(report.PerLabel) != 3 || len(report.Skipped) != 1 {
		t.Errorf("the report says %+v", report)
	}
	if a := report.Accuracy; a.Mean < 0.8 || a.Mean > 1 || a.Low > a.Mean || a.High < a.Mean {
		t.Errorf("drawn flowers are known with an accuracy of %+v", a)
	}
	again := parse[evaluate.Report](u.kaika(append(args, "--json", "--seed", "0")...).ends(exitDone, "(36 known"))
	if again.CrossEntropy != report.CrossEntropy {
		t.Errorf("the same seed gives %v and %v", report.CrossEntropy, again.CrossEntropy)
	}
	u.kaika(args...).ends(exitDone).says("Accuracy: ", "mean and standard deviation of 3 folds; 36 photos, 95 % interval", "precision", "recall",
		`is \ taken for  rose`, "Not used (1):", "note.jpg is a text file, not a picture")
	u.kaika("evaluate", "--image_dir", images, "--folds", "37", "--input_size", "64").ends(exitFailed, "ask for fewer folds")
}

// TestEvaluateRealPhotos takes seconds, not minutes: the features are computed once.
func TestEvaluateRealPhotos(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images := realPhotos(t, "rose_sunflower_lilium")
	report := parse[evaluate.Report](u.kaika("evaluate", "--image_dir", images, "--how_many_training_steps", "500", "--json").ends(exitDone))
	if report.Photos != 120 || len(report.Folds) != 5 || report.Accuracy.Mean < 0.9 {
		t.Errorf("the report says %+v", report)
	}
}
