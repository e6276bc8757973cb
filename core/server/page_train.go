package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"kaika/core/curate"
)

// labelsInRow is how many labels of a dataset its row names, those with most photos first.
const labelsInRow = 12

// trainData is what the page is made of on which models are trained. Its script asks for the page anew when something has
// changed, and takes the lists out of it.
type trainData struct {
	*frame

	Keeps    bool // The server keeps datasets,
	Trains   bool // and trains with them.
	Datasets []datasetOnPage
	Models   []servedOnPage
	Runs     []runOnPage
	Bases    []baseOnPage // Those that can be trained on.
	Steps    int
}

// baseOnPage is a base model.
type baseOnPage struct{ Name, Title string }

// datasetOnPage is a dataset with its largest labels.
type datasetOnPage struct {
	Name   string
	Photos int
	Labels []curate.LabelCount
	More   int  // Labels that are left out.
	Broken bool // It cannot be opened.
}

// servedOnPage is a model that photos are classified by.
type servedOnPage struct {
	Name            string
	Version, Before int // 0 for none.
}

// runOnPage is a training that was kept.
type runOnPage struct {
	runSummary

	InUse bool   // It is the active version of a model.
	Model string // Of which it would be the next version, unless its user says another.
}

// Texts are those that the script needs.
func (d trainData) Texts() map[string]json.RawMessage {
	return d.texts.forScript("work.", "photo.", "live.offline", "problem.text.")
}

// trainPage shows the datasets, models and runs, and what a training needs.
func (s *Server) trainPage(w http.ResponseWriter, r *http.Request) error {
	f, err := frameFor(r, "/train", "train.page", "train.js")
	if err != nil {
		return err
	}
	d := trainData{frame: f, Steps: defaultTraining().Steps}
	if d.Datasets, d.Keeps, err = s.datasetsOnPage(r.Context()); err != nil {
		return err
	}
	d.Trains = d.Keeps && s.trainings.Trainer != nil && s.trainings.Runs != nil
	if d.Trains {
		if d.Bases, err = s.basesOnPage(f.texts); err != nil {
			return err
		}
	}
	for _, m := range s.Models.List() {
		d.Models = append(d.Models, servedOnPage{m.Name, m.Active, m.Before})
	}
	if s.trainings.Runs != nil {
		runs, err := s.trainings.Runs.List(r.Context())
		if err != nil {
			return err
		}
		models := map[string]string{} // By the dataset whose runs they are.
		for _, run := range runs {
			one := runOnPage{runSummary: s.runOf(run)}
			one.InUse = slices.ContainsFunc(one.Served, func(as servedAs) bool { return as.Active })
			for _, as := range one.Served {
				if as.Active || models[one.Dataset] == "" {
					models[one.Dataset] = as.Model
				}
			}
			d.Runs = append(d.Runs, one)
		}
		for i := range d.Runs {
			d.Runs[i].Model = cmp.Or(models[d.Runs[i].Dataset], d.Runs[i].Dataset)
		}
	}
	return f.write(w, http.StatusOK, "train", d)
}

// basesOnPage lists the base models that can be trained on. Those that Kaika knows well have a title in the visitor's language.
func (s *Server) basesOnPage(t *texts) ([]baseOnPage, error) {
	bases, err := s.trainings.Trainer.Bases()
	if err != nil {
		return nil, fmt.Errorf("listing the base models: %w", err)
	}
	var list []baseOnPage
	for _, b := range bases {
		if !b.Usable() {
			continue
		}
		title := b.Name
		if key := "train.base." + b.Name; t.Has(key) {
			title = t.T(key)
		}
		list = append(list, baseOnPage{b.Name, title})
	}
	return list, nil
}

// datasetsOnPage lists the datasets, if the server keeps any. One that cannot be opened is listed, too.
func (s *Server) datasetsOnPage(ctx context.Context) (list []datasetOnPage, keeps bool, err error) {
	names, err := s.datasets.names()
	if p := (*problem)(nil); errors.As(err, &p) && p.status == http.StatusNotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	for _, name := range names {
		row := datasetOnPage{Name: name}
		err := s.library(ctx, name, func(_ context.Context, l *curate.Library) error {
			row.Labels = l.Labels()
			row.Photos = count(row.Labels)
			return nil
		})
		switch p := (*problem)(nil); {
		case errors.As(err, &p) && p.status == http.StatusNotFound: // It went meanwhile.
			continue
		case ctx.Err() != nil:
			return nil, true, ctx.Err()
		case err != nil:
			s.Log.WarnContext(ctx, "a dataset cannot be opened", "dataset", name, "error", err)
			row.Broken = true
		}
		if row.More = len(row.Labels) - labelsInRow; row.More > 0 {
			slices.SortStableFunc(row.Labels, func(a, b curate.LabelCount) int { return b.Photos - a.Photos })
			row.Labels = row.Labels[:labelsInRow]
		}
		row.More = max(0, row.More)
		list = append(list, row)
	}
	return list, true, nil
}
