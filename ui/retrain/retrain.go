// Package retrain is the window's Retrain tab: settings, a training that is drawn as it goes on, its result, and the runs
// that were kept, to be compared.
package retrain

import (
	"context"
	"log/slog"

	"fyne.io/fyne/v2"

	"kaika/core/curate"
	"kaika/core/experiment"
	"kaika/core/job"
	"kaika/core/train"
	"kaika/core/trained"
	"kaika/ui/i18n"
)

// Trainer trains. It is declared here, by its user; package app fulfils it.
type Trainer interface {
	// Train retrains and writes the model folder that the request names. Events come from goroutines of the trainer's.
	// Closing stop ends the fit early: testing and writing go on with the layer as it is then. When ctx is done, nothing
	// is written but the cache of features.
	Train(ctx context.Context, r Request, stop <-chan struct{}, observe func(train.Event)) (*train.Report, trained.BaseModel, error)
	// Bases lists the base models that can be used, the usual one first.
	Bases(ctx context.Context) ([]Base, error)
	// FetchBase brings a base model to this machine. Total is 0 while it is unknown.
	FetchBase(ctx context.Context, name string, progress func(step string, done, total int64)) error
}

// Request is a training that is asked for.
type Request struct {
	Base      string // Name of the base model.
	InputSize int    // Side in pixels of the squares that the network is given; 0 means the base model's own.
	Precision string // "float32" or "bfloat16".
	Params    train.Params
}

// Base is a base model as a user chooses it.
type Base struct {
	Name, Title, GoodFor string
	Installed            bool
	Problem              string // What is wrong with the installed one, or "".
	InputSize            int    // Side in pixels that is used unless another is asked for.
	AnySize              bool   // Another may be asked for.
}

// Library is what the tab needs of a *curate.Library.
type Library interface {
	Dir() string
	Labels() []curate.LabelCount
	Subscribe(func(curate.Change)) (unsubscribe func())
}

// Preferences keep the settings from one start to the next. They are called on the window's goroutine only.
type Preferences interface {
	String(key string) string
	SetString(key, value string)
}

// Jobs run one job of the window at a time; a *job.Runner does.
type Jobs interface {
	StartStoppable(kind string, stop func(), run func(ctx context.Context, report func(job.Progress)) error) error
	Cancel()
	Subscribe(f func(job.State)) (unsubscribe func())
}

// Kinds of the jobs that this tab starts, as they stand in job.State. The phases of a training are those of package train,
// before them [PhaseStarting], and [PhaseFetching] where the base model is fetched first.
const (
	JobTrain = "retrain"
	JobFetch = "fetch_base"

	PhaseStarting = "starting"
	PhaseFetching = "fetching"
)

// Params are what a tab works with.
type Params struct {
	Window      fyne.Window
	Texts       func() *i18n.Texts // The texts in the language of the moment; asked at each Content.
	Trainer     Trainer
	Jobs        Jobs
	Store       *experiment.Store
	Preferences Preferences
	Thumbs      Thumbs
	Dispatch    func(func()) // Runs a function on the window's goroutine, later; fyne.Do does.
	Log         *slog.Logger // Nil for none.

	// What other tabs do.
	Kept        func(dir string)                   // Is told of each new model.
	ShowPhotos  func(paths []string, title string) // Shows photos in Review.
	UseModel    func(dir string)                   // Takes a model into use in Classify.
	OpenFolder  func(dir string)                   // Shows a folder in the system's file manager.
	Collect     func()                             // Goes to Collect.
	OpenDataset func()                             // Asks for a folder to open.
}
