package app

import (
	"context"

	"kaika/core/server"
	"kaika/core/train"
	"kaika/core/trained"
)

// serverTrainer trains for the server.
type serverTrainer struct{ e *environment }

var _ server.Trainer = serverTrainer{}

// Bases implements server.Trainer.
func (t serverTrainer) Bases() ([]server.BaseModel, error) {
	listed, err := t.e.store("").List()
	if err != nil {
		return nil, err
	}
	bases := make([]server.BaseModel, len(listed))
	for i, l := range listed {
		bases[i] = server.BaseModel{Name: l.Name, GoodFor: l.GoodFor, InputSize: l.DefaultSize, Here: l.Dir != "" || l.Problem != ""}
		if l.Problem != "" {
			bases[i].Problem = "its files are damaged: kaika models verify says more"
		}
	}
	return bases, nil
}

// Check implements server.Trainer.
func (t serverTrainer) Check(_ context.Context, r server.TrainingRequest) error {
	_, err := t.e.base("", r.Base, r.InputSize, r.Precision)
	return err
}

// Train implements server.Trainer.
func (t serverTrainer) Train(
	ctx context.Context, r server.TrainingRequest, stop <-chan struct{}, observe func(train.Event),
) (*train.Report, trained.BaseModel, error) {
	base, err := t.e.base("", r.Base, r.InputSize, r.Precision)
	if err != nil {
		return nil, trained.BaseModel{}, err
	}
	cache := t.e.cache(ctx, "")
	defer cache.Close() //nolint:errcheck // What was to be kept was committed.
	report, err := t.e.retrainer(base, cache, observe, stop).Run(ctx, r.Params)
	return report, base.Base(), err
}
