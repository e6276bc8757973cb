package ui

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaika/core/job"
	"kaika/core/picture/picturetest"
	"kaika/core/train"
	"kaika/core/trained"
	"kaika/ui/retrain"
)

// TestStatusStops stops a training by the status line, which does it as the training itself would, and not once it writes
// its model.
func TestStatusStops(t *testing.T) {
	o := open(t, memory{prefLanguage: "en"})
	stop, on, end := make(chan struct{}), make(chan struct{}), make(chan struct{})
	err := o.jobs.StartStoppable(retrain.JobTrain, func() { close(stop) }, func(ctx context.Context, report func(job.Progress)) error {
		report(job.Progress{Phase: "training", Done: 10, Total: 100})
		<-stop
		<-on
		report(job.Progress{Phase: "writing", Final: true})
		<-end
		return ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	o.until("it can be cancelled", func() bool { return o.status.cancel.Visible() && !o.status.cancel.Disabled() })
	o.cancelJob()
	o.until("it says that it stops", func() bool { return strings.Contains(o.texts(), "Retraining: stopping") && o.status.cancel.Disabled() })
	close(on)
	o.until("it writes", func() bool { return o.jobs.State().Final })
	close(end)
	o.until("it has kept what was there", func() bool { return strings.Contains(o.texts(), "Retraining: done") })

	end = make(chan struct{})
	err = o.jobs.Start(retrain.JobTrain, func(ctx context.Context, report func(job.Progress)) error {
		report(job.Progress{Phase: "writing", Final: true})
		<-end
		return ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	o.until("it writes", func() bool {
		return strings.Contains(o.texts(), "Retraining: ") && o.status.cancel.Visible() && o.status.cancel.Disabled()
	})
	o.cancelJob()
	close(end)
	o.until("it was not stopped", func() bool { return strings.Contains(o.texts(), "Retraining: done") })
}

// TestStatusSpeaks changes the language after a job has ended.
func TestStatusSpeaks(t *testing.T) {
	o := open(t, memory{prefLanguage: "en"})
	err := o.jobs.Start("collect", func(context.Context, func(job.Progress)) error { return errors.New("no network") })
	if err != nil {
		t.Fatal(err)
	}
	o.until("it has failed", func() bool { return strings.Contains(o.texts(), "Collecting photos: failed") })
	o.useLanguage("ja")
	o.sees("写真の収集：失敗しました")
}

// TestTrainedModelIsTaken looks at Classify before there is a model, and trains one.
func TestTrainedModelIsTaken(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "rose", "tulip")
	o := open(t, memory{prefLanguage: "en", prefDataset: dir, prefTab: tabClassify})
	o.train = func(r retrain.Request) (*train.Report, error) {
		model, err := json.Marshal(trained.Model{Format: trained.Format, Dataset: trained.Dataset{Labels: map[string]int{"rose": 3, "tulip": 3}}})
		if err != nil {
			return nil, err
		}
		return &train.Report{Labels: []string{"rose", "tulip"}, Steps: r.Params.Steps},
			errors.Join(trained.WriteFile(filepath.Join(r.Params.OutputDir, trained.ModelFile), model),
				trained.WriteFile(filepath.Join(r.Params.OutputDir, trained.MetricsFile), nil))
	}
	o.until("the dataset is open", func() bool { return o.session.library != nil })
	o.sees("No model yet")
	o.Select(tabRetrain)
	o.until("it can be started", func() bool { return strings.Contains(o.texts(), "Small") })
	o.tap("Start")
	opened := ""
	o.until("Classify takes the model", func() bool {
		select {
		case opened = <-o.models:
			return true
		default:
			return false
		}
	})
	if runs, err := o.p.Experiments.List(t.Context()); err != nil || len(runs) != 1 || runs[0].Dir != opened {
		t.Errorf("the model of %q is taken, of the runs %+v (%v)", opened, runs, err)
	}
}

// TestPhotosGone shows photos of which some were deleted since.
func TestPhotosGone(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "rose", "tulip")
	o := open(t, memory{prefLanguage: "en", prefDataset: dir, prefTab: tabRetrain})
	o.until("the dataset is open", func() bool { return o.session.library != nil })
	photos, err := filepath.Glob(filepath.Join(dir, "rose", "*"))
	if err != nil || len(photos) != 3 {
		t.Fatalf("%d photos: %v", len(photos), err)
	}
	if err := os.Remove(photos[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := o.session.library.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.showPhotos(photos, "3 photos of rose were recognized")
	o.until("they are shown", func() bool {
		return strings.Contains(o.texts(), "3 photos of rose were recognized (1 of them was moved or deleted since)")
	})
	o.showPhotos(photos[1:], "2 photos of rose were recognized")
	o.until("they are shown", func() bool { return strings.Contains(o.texts(), "2 photos of rose were recognized") })
	if strings.Contains(o.texts(), "of them was") {
		t.Errorf("none of these is gone: %q", o.texts())
	}
}
