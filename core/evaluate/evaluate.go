// Package evaluate measures by cross-validation how good a model of a dataset is: every photo is tested once by a layer
// that was trained without it.
package evaluate

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kaika/core/dataset"
	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/train"
)

// Engine embeds photos and fits layers.
type Engine interface {
	feature.Embedder
	train.Fitter
}

// Params are what an evaluation depends on beside the base network.
type Params struct {
	train.Settings

	ImageDir     string
	Folds        int
	Augmentation feature.Augmentation // Of the training photos of each fold.
}

// Report is what an evaluation gives, also as JSON.
type Report struct {
	Labels          []string        `json:"labels"`
	Photos          int             `json:"photos"` // Each tested once.
	Copies          int             `json:"copies"` // Copies made by package augment, which are trained with and never tested.
	Folds           []Fold          `json:"folds"`
	Accuracy        Accuracy        `json:"accuracy"`
	PerLabel        []LabelFigures  `json:"per_label"`
	ConfusionMatrix train.Confusion `json:"confusion_matrix"`
	Misclassified   []train.Answer  `json:"misclassified"` // The surest mistakes first.
	CrossEntropy    float64         `json:"cross_entropy"` // Mean over all photos, in nats.
	Skipped         []dataset.Skip  `json:"skipped"`
	Notes           []string        `json:"notes"`
	Seconds         train.Seconds   `json:"seconds"`
}

// Accuracy is the mean of the folds' accuracies.
type Accuracy struct {
	Mean              float64 `json:"mean"`
	StandardDeviation float64 `json:"standard_deviation"` // Of the folds' accuracies.
	Low               float64 `json:"low"`                // 95 % interval of the accuracy by the number of photos (Wilson).
	High              float64 `json:"high"`
}

// Fold is the result of one fold.
type Fold struct {
	Accuracy     float64 `json:"accuracy"`
	CrossEntropy float64 `json:"cross_entropy"`
	Train        int     `json:"train"` // Photos trained with.
	Test         int     `json:"test"`  // Photos tested.
}

// LabelFigures tell how well one label is recognised.
type LabelFigures struct {
	Label     string  `json:"label"`
	Photos    int     `json:"photos"`
	Precision float64 `json:"precision"` // Of the photos given this label, the share that has it; 0 if none was given it.
	Recall    float64 `json:"recall"`    // Of the photos of this label, the share that was given it.
}

// Event tells how an evaluation goes on.
type Event struct {
	Phase    train.Phase      // train.Features, train.Views or train.Training.
	Progress feature.Progress // Of photos.
	Folds    int              // Done; in train.Training.
}

// Evaluator evaluates.
type Evaluator struct {
	Engine  Engine
	Cache   *feature.Cache
	Now     func() time.Time
	Observe func(Event) // May be nil.
}

// Run evaluates.
func (e *Evaluator) Run(ctx context.Context, p Params) (*Report, error) {
	began := e.Now()
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if err := p.Augmentation.Validate(); err != nil {
		return nil, err
	}
	f, err := train.Prepare(ctx, p.ImageDir, e.extractor(train.Features))
	if err != nil {
		return nil, err
	}
	folds, warnings, err := divide(f, p)
	if err != nil {
		return nil, fmt.Errorf("dividing the photos: %w", err)
	}
	views, err := train.Augment(ctx, e.extractor(train.Views), f.Photos, p.Augmentation, p.Seed)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Labels: f.Labels, Skipped: append([]dataset.Skip{}, f.Skipped...),
		Notes: append([]string{}, warnings...), Misclassified: []train.Answer{},
	}
	for _, photo := range f.Photos {
		if isCopy(photo) {
			r.Copies++
		} else {
			r.Photos++
		}
	}
	if r.Copies > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d augmented copies were left out of the measuring, which they would make look better than it is: "+
			"they were trained with where their originals were.", r.Copies))
	}
	r.Seconds.Features = e.Now().Sub(began).Seconds()
	trainingBegan := e.Now()
	logits, err := e.crossValidate(ctx, p, f, views, folds, r)
	if err != nil {
		return nil, err
	}
	r.Seconds.Training = e.Now().Sub(trainingBegan).Seconds()
	r.measure(f, logits)
	r.Seconds.Total = e.Now().Sub(began).Seconds()
	return r, nil
}

func isCopy(p train.Photo) bool { return p.Origin != picture.Digest{} }

// divide gives the fold of each photo as it would be if there were no copies. A copy is in that of its original, or in none,
// -1, if that is gone: then no photo that is tested looks like it.
func divide(f *train.Featured, p Params) (folds []int, warnings []string, err error) {
	originals := train.Featured{}
	for _, photo := range f.Photos {
		if !isCopy(photo) {
			originals.Photos = append(originals.Photos, photo)
		}
	}
	divided, warnings, err := dataset.Folds(originals.Samples(), f.Labels, p.Folds, uint64(p.Seed)) //nolint:gosec // any seed will do.
	if err != nil {
		return nil, nil, err
	}
	of := make(map[picture.Digest]int, len(divided))
	for i, fold := range divided {
		of[originals.Photos[i].Digest] = fold
	}
	folds = make([]int, len(f.Photos))
	for i, photo := range f.Photos {
		digest := photo.Digest
		if isCopy(photo) {
			digest = photo.Origin
		}
		fold, known := of[digest]
		if !known {
			fold = -1
		}
		folds[i] = fold
	}
	return folds, warnings, nil
}

func (e *Evaluator) tell(event Event) {
	if e.Observe != nil {
		e.Observe(event)
	}
}

func (e *Evaluator) extractor(phase train.Phase) *feature.Extractor {
	return &feature.Extractor{Embedder: e.Engine, Cache: e.Cache, Progress: func(p feature.Progress) {
		e.tell(Event{Phase: phase, Progress: p})
	}}
}

// crossValidate gives the logits of each photo by the layer that was trained without its fold, nil for those of copies.
func (e *Evaluator) crossValidate(ctx context.Context, p Params, f *train.Featured, views [][][]float32, folds []int, r *Report) ([][]float32, error) {
	logits := make([][]float32, len(f.Photos))
	r.Folds = make([]Fold, p.Folds)
	var mu sync.Mutex
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0)) // A fit uses one core.
	for fold := range p.Folds {
		group.Go(func() error {
			job := train.Fit{Settings: p.Settings, Labels: len(f.Labels)}
			// The layer is not looked at before its end.
			job.EvalStepInterval = p.Steps
			trained := 0
			var tested []int
			for i, photo := range f.Photos {
				if folds[i] == fold {
					if isCopy(photo) {
						continue
					}
					job.Test.Add(photo.Label, photo.Features)
					tested = append(tested, i)
					continue
				}
				job.Train.Add(photo.Label, photo.Features)
				job.Train.Add(photo.Label, views[i]...)
				trained++
			}
			job.ClassWeights = train.ClassWeights(p.ClassWeighting, job.Train.Labels, job.Labels)
			fitted, err := e.Engine.Fit(ctx, job, train.Observer{})
			if err != nil {
				return fmt.Errorf("training fold %d: %w", fold+1, err)
			}
			rows := train.Rows(fitted.TestLogits, job.Labels)
			for i, row := range rows {
				logits[tested[i]] = row
			}
			accuracy, crossEntropy := train.Accuracy(rows, job.Test.Labels, 1)
			r.Folds[fold] = Fold{Accuracy: accuracy, CrossEntropy: crossEntropy, Train: trained, Test: len(tested)}
			mu.Lock()
			defer mu.Unlock()
			done++
			e.tell(Event{Phase: train.Training, Folds: done})
			return nil
		})
	}
	return logits, group.Wait()
}

// measure fills in the figures. Copies have no part in them.
func (r *Report) measure(f *train.Featured, logits [][]float32) {
	r.ConfusionMatrix = train.NewConfusion(f.Labels)
	labels, answers := make([]int, 0, r.Photos), make([][]float32, 0, r.Photos)
	right := 0
	for i, photo := range f.Photos {
		if isCopy(photo) {
			continue
		}
		labels, answers = append(labels, photo.Label), append(answers, logits[i])
		given := train.Best(logits[i])
		r.ConfusionMatrix.Counts[photo.Label][given]++
		if given == photo.Label {
			right++
			continue
		}
		scores := train.Softmax(logits[i], 1)
		r.Misclassified = append(r.Misclassified, train.Answer{
			File: photo.Path, Label: f.Labels[photo.Label], Predicted: f.Labels[given], Score: scores[given], TrueScore: scores[photo.Label],
		})
	}
	slices.SortStableFunc(r.Misclassified, func(a, b train.Answer) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	_, r.CrossEntropy = train.Accuracy(answers, labels, 1)
	var sum, squares float64
	for _, fold := range r.Folds {
		sum += fold.Accuracy
	}
	r.Accuracy.Mean = sum / float64(len(r.Folds))
	for _, fold := range r.Folds {
		squares += (fold.Accuracy - r.Accuracy.Mean) * (fold.Accuracy - r.Accuracy.Mean)
	}
	r.Accuracy.StandardDeviation = math.Sqrt(squares / float64(len(r.Folds)-1))
	r.Accuracy.Low, r.Accuracy.High = train.Wilson(right, r.Photos)
	for l, name := range f.Labels {
		figures := LabelFigures{Label: name}
		given := 0
		for k := range f.Labels {
			figures.Photos += r.ConfusionMatrix.Counts[l][k]
			given += r.ConfusionMatrix.Counts[k][l]
		}
		hits := float64(r.ConfusionMatrix.Counts[l][l])
		figures.Recall = hits / float64(max(1, figures.Photos))
		figures.Precision = hits / float64(max(1, given))
		r.PerLabel = append(r.PerLabel, figures)
	}
}
