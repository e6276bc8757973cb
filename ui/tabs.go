package ui

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"kaika/core/curate"
	"kaika/core/experiment"
	"kaika/ui/classify"
	"kaika/ui/collect"
	"kaika/ui/i18n"
	"kaika/ui/inbox"
	"kaika/ui/retrain"
	"kaika/ui/review"
	"kaika/ui/widgets"
)

// makeTabs makes the tabs. They do not know each other: what one wants of another goes through the frame.
func (f *Frame) makeTabs() {
	texts := func() *i18n.Texts { return f.tx }
	preferences := f.p.Settings
	toCollect := func() { f.Select(tabCollect) }
	f.collect = collect.New(collect.Params{
		Window: f.window, Texts: texts, Jobs: f.jobs, Thumbs: f.p.Thumbs, Services: f.p.Services, Preferences: preferences,
		Dispatch: f.p.Dispatch, Log: f.p.Log, OpenURL: f.p.App.OpenURL, Settings: f.showSettings,
		NewDataset: func() { f.newDataset(func() {}) }, OpenDataset: f.chooseDataset, Review: func() { f.Select(tabReview) },
	})
	f.review = review.New(review.Params{
		Window: f.window, Texts: texts, Thumbs: f.p.Thumbs, Preferences: preferences, Dispatch: f.p.Dispatch,
		Collect: toCollect, Inbox: f.showInbox, OpenDataset: f.chooseDataset, OpenFolder: f.openFolder,
	})
	f.inbox = inbox.New(inbox.Params{Window: f.window, Texts: texts, Secrets: f.p.Secrets, Preferences: preferences, Dispatch: f.p.Dispatch})
	f.retrain = retrain.New(retrain.Params{
		Window: f.window, Texts: texts, Trainer: f.p.Trainer, Jobs: f.jobs, Store: f.p.Experiments, Preferences: preferences,
		Thumbs: f.p.Thumbs, Dispatch: f.p.Dispatch, Log: f.p.Log,
		Kept:       func(dir string) { f.classify.Offer(dir) },
		ShowPhotos: f.showPhotos,
		UseModel: func(dir string) {
			f.Select(tabClassify)
			f.classify.UseModel(dir)
		},
		OpenFolder: f.openFolder, Collect: toCollect, OpenDataset: f.chooseDataset,
	})
	f.classify = classify.New(classify.Params{
		Window: f.window, Texts: texts, Open: f.p.OpenModel, Models: f.models, Jobs: f.answers, Thumbs: f.p.Thumbs,
		Preferences: preferences, Dispatch: f.p.Dispatch, Log: f.p.Log,
		Retrain: func() { f.Select(tabRetrain) }, OpenDataset: f.chooseDataset,
	})
	f.keys = collect.NewKeyPanel(collect.KeyParams{
		Window: f.window, Texts: texts, Keys: f.p.Secrets, Services: f.p.Services, Dispatch: f.p.Dispatch,
		OpenURL: f.p.App.OpenURL, Changed: f.collect.KeyChanged,
	})
}

// tellTabs tells the tabs which dataset is at work.
func (f *Frame) tellTabs(library *curate.Library) {
	f.collect.SetLibrary(library)
	f.review.SetLibrary(library)
	f.inbox.SetLibrary(library)
	f.retrain.SetLibrary(library)
	if library == nil {
		f.classify.SetLibrary(nil) // Not a nil pointer in an interface.
		return
	}
	f.classify.SetLibrary(library)
}

// showInbox shows the photos that servers have kept.
func (f *Frame) showInbox() { f.inbox.Open() }

// showPhotos shows photos of the dataset at work in Review, by their files.
func (f *Frame) showPhotos(paths []string, title string) {
	var ids []curate.ID
	if f.session.library != nil {
		for _, path := range paths {
			if photo, found := f.session.library.Find(path); found {
				ids = append(ids, photo.ID)
			}
		}
	}
	if len(ids) == 0 {
		widgets.ShowMessage(f.window, f.tx, title, f.tx.T("frame.photos.gone"))
		return
	}
	if gone := len(paths) - len(ids); gone > 0 {
		title = f.tx.N("frame.photos.some_gone", gone, "Title", title)
	}
	f.Select(tabReview)
	f.review.Show(ids, title)
}

// models lists the models of the kept runs, newest first.
func (f *Frame) models(ctx context.Context) ([]classify.ModelChoice, error) {
	runs, err := f.p.Experiments.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the kept runs: %w", err)
	}
	choices := make([]classify.ModelChoice, 0, len(runs))
	for _, run := range runs {
		choices = append(choices, classify.ModelChoice{Dir: run.Dir, Title: f.runTitle(run), Detail: f.runDetail(run)})
	}
	return choices, nil
}

// runTitle is the name that the user gave a run, or that of its dataset.
func (f *Frame) runTitle(run experiment.Run) string {
	if run.Name != "" {
		return run.Name
	}
	return f.tx.T("frame.model.title", "Dataset", filepath.Base(run.Dataset), "Time", f.tx.Time(run.Started))
}

// runDetail tells what is worth knowing of a model before it is chosen.
func (f *Frame) runDetail(run experiment.Run) string {
	details := []string{widgets.BaseTitle(f.tx, run.Base.Name, "")}
	if r := run.Report; r != nil {
		details = append(details, f.tx.N("frame.model.photos", r.Photos.Total))
		if r.Test != nil {
			details = append(details, f.tx.T("frame.model.accuracy", "Accuracy", f.tx.Percent(r.Test.Accuracy, 1)))
		}
	}
	return strings.Join(details, " · ")
}
