// Package ui is Kaika's window: the frame with its four tabs, the dataset at work, the jobs' progress, the settings and
// the help. What it does goes through package core; what it needs of the engine is handed in.
package ui

import (
	"context"
	"log/slog"

	"fyne.io/fyne/v2"

	"kaika/core/classify"
	"kaika/core/experiment"
	"kaika/core/secret"
	"kaika/core/thumb"
	"kaika/ui/collect"
	"kaika/ui/retrain"
)

// Params are what the window is made of.
type Params struct {
	App      fyne.App
	Dispatch func(func()) // Runs a function on the goroutine that draws.
	Log      *slog.Logger
	Settings Settings
	Version  string

	Trainer     retrain.Trainer
	OpenModel   func(ctx context.Context, dir string) (*classify.Classifier, error)
	Experiments *experiment.Store
	Thumbs      *thumb.Loader
	Secrets     *secret.Store
	Services    []collect.Service // That photos can be collected from.

	// FetchExample loads the example dataset into a folder; the counts are bytes.
	FetchExample func(ctx context.Context, dir string, progress func(done, total int64)) error
	Example      Example
	Pictures     string // The user's folder of pictures, where new datasets are proposed.
}

// Example tells of the example dataset.
type Example struct {
	Name, Licence string
	Bytes         int64
}
