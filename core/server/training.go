package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/experiment"
	"kaika/core/job"
	"kaika/core/train"
	"kaika/core/trained"
)

// Training is what datasets, trainings and their runs live on.
type Training struct {
	Datasets string            // Folder of datasets; "" where the server keeps none. It is made with the first of them.
	Trainer  Trainer           // Nil where nothing can be trained.
	Runs     *experiment.Store // Where the runs are kept.
}

// Trainer trains. It is declared here, by its user; package app fulfils it.
type Trainer interface {
	// Bases lists the base models that are known, the default first.
	Bases() ([]BaseModel, error)
	// Check says at once what is wrong with what is asked for: an unknown base model, a size that it does not take.
	Check(ctx context.Context, r TrainingRequest) error
	// Train retrains and writes the model folder that the request names. Events come from goroutines of the trainer's.
	// Closing stop ends the fit early: testing and writing go on with the layer as it is then. When ctx is done, nothing
	// is written but the cache of features.
	Train(ctx context.Context, r TrainingRequest, stop <-chan struct{}, observe func(train.Event)) (*train.Report, trained.BaseModel, error)
}

// BaseModel is a base model that can be trained on, or could be if it were there.
type BaseModel struct {
	Name      string `json:"name"`
	GoodFor   string `json:"good_for,omitempty"` // A line for people, in English.
	InputSize int    `json:"input_size"`         // Side in pixels of the squares that the network is given, unless another is asked for.
	Here      bool   `json:"here"`               // It is on the server; else kaika models fetch brings it there.
	Problem   string `json:"problem,omitempty"`  // Why it is there and cannot be used.
}

// Usable tells whether it can be trained on.
func (b BaseModel) Usable() bool { return b.Here && b.Problem == "" }

// TrainingRequest is a training that is asked for.
type TrainingRequest struct {
	Base      string // Name of the base model.
	InputSize int    // Side in pixels of the squares that the network is given; 0 means the base model's own.
	Precision string // "float32" or "bfloat16".
	Params    train.Params
}

// learning is the part of a server that keeps datasets and makes models of them.
type learning struct {
	datasets  *datasets
	imports   *imports
	trainings *trainings
	serving   sync.Mutex // Held while runs are taken into use or deleted.
}

func newLearning(t Training, log *slog.Logger) *learning {
	d := newDatasets(t.Datasets, log)
	return &learning{datasets: d, imports: newImports(d, log), trainings: newTrainings(t, d, log)}
}

// Close cancels the training and the import at work, waits for them, and closes the datasets. It is called when no request
// is answered any more.
func (l *learning) Close() error {
	l.trainings.runner.Close()
	l.imports.runner.Close()
	return l.datasets.close()
}

// trainings trains, one at a time.
type trainings struct {
	Training

	datasets *datasets
	runner   *job.Runner
	log      *slog.Logger
	now      func() time.Time

	mu      sync.Mutex
	current *training // The one at work, or else the last one; nil before the first.
}

func newTrainings(t Training, d *datasets, log *slog.Logger) *trainings {
	return &trainings{
		Training: t, datasets: d, log: log, runner: job.New(context.Background()), now: time.Now,
	}
}

// last gives the training at work, or else the last one, or nil.
func (t *trainings) last() *training {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

// Outcomes of a training, as they stand in its state.
const (
	stateIdle      = "idle"
	stateRunning   = "running"
	stateDone      = "done"
	stateFailed    = "failed"
	stateCancelled = "cancelled"
)

// maxKept is how many points of a training's curves are kept in memory; then every other one goes.
const maxKept = 40_000

// phaseStarting is that of a training before it has told of anything: TensorFlow is being loaded.
const phaseStarting = "starting"

// training is one training, from its start on. Its events come from goroutines of the trainer's; who follows it asks for what
// is new, as fast as they can take it.
type training struct {
	run      experiment.Run // ID and folder.
	settings trainingSettings
	now      func() time.Time
	stop     chan struct{} // Closed to end the fit early.

	mu         sync.Mutex
	changed    chan struct{} // Closed at the next change.
	state      string
	phase      string
	phaseBegan time.Time
	done       int64
	total      int64
	ready      int64 // Of done, what took no time, as it was known.
	stopping   bool
	cancelling bool
	points     []train.Point // What is in it never changes: snapshots share it.
	report     *train.Report // Once it is done.
	failure    *problem      // Once it has failed.
	ended      time.Time
}

func newTraining(run experiment.Run, settings trainingSettings, now func() time.Time) *training {
	return &training{
		run: run, settings: settings, now: now, stop: make(chan struct{}), changed: make(chan struct{}),
		state: stateRunning, phase: phaseStarting, phaseBegan: now(),
	}
}

// change changes the training under its lock, and wakes who waits for that.
func (t *training) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	close(t.changed)
	t.changed = make(chan struct{})
}

// observe takes an event.
func (t *training) observe(e train.Event) {
	t.change(func() {
		if phase := string(e.Phase); t.phase != phase {
			t.phase, t.phaseBegan, t.done, t.total, t.ready = phase, t.now(), 0, 0, 0
		}
		switch {
		case e.Phase == train.Features, e.Phase == train.Views:
			t.done, t.total, t.ready = int64(e.Progress.Done), int64(e.Progress.Total), int64(e.Progress.Cached)
		case e.Phase == train.Training && e.Point != nil:
			t.done, t.total = int64(e.Point.Step), int64(e.Steps)
			if len(t.points) >= maxKept {
				t.points = thinned(t.points, maxKept/2)
			}
			t.points = append(t.points, *e.Point)
		}
	})
}

// finish takes the end.
func (t *training) finish(report *train.Report, err error) {
	t.change(func() {
		t.ended = t.now()
		switch {
		case err == nil:
			t.state, t.report = stateDone, report
		case errors.Is(err, context.Canceled):
			t.state = stateCancelled
			t.failure = &problem{
				status: http.StatusConflict, code: "cancelled", err: err,
				sentence: "the training was cancelled. What was computed of the photos is kept: the next one goes on from there",
			}
		default:
			t.state, t.failure = stateFailed, trainingProblem(err)
		}
	})
}

// stopFit ends the fit early. Before it there is nothing yet that could be kept, and after it, it has ended anyway.
func (t *training) stopFit() error {
	t.mu.Lock()
	phase, running, before := t.phase, t.state == stateRunning, t.stopping
	t.mu.Unlock()
	switch {
	case !running:
		return noTraining()
	case phase != string(train.Training) && phase != string(train.Writing):
		return &problem{
			status: http.StatusConflict, code: "nothing_to_keep",
			sentence: "the photos are still being looked at, so there is nothing to keep yet: wait for the phase \"training\", or cancel it",
		}
	case before:
		return nil
	}
	t.change(func() {
		if !t.stopping {
			t.stopping = true
			close(t.stop)
		}
	})
	return nil
}

func noTraining() error {
	return &problem{status: http.StatusConflict, code: "no_training", sentence: "no training is at work"}
}

// trainingState tells how a training goes on, or how it ended.
type trainingState struct {
	State      string            `json:"state"` // "idle", "running", "done", "failed" or "cancelled".
	Run        string            `json:"run,omitempty"`
	Dataset    string            `json:"dataset,omitempty"`
	Phase      string            `json:"phase,omitempty"` // "starting", "features", "views", "training" or "writing".
	Done       int64             `json:"done"`            // Photos or steps.
	Total      int64             `json:"total"`           // 0 while it is unknown.
	Left       *float64          `json:"seconds_left"`    // Of the phase; null while it cannot be told.
	Stopping   bool              `json:"stopping"`        // It was asked to end early and to keep what is there.
	Cancelling bool              `json:"cancelling"`      // It was asked to end and to keep nothing.
	Began      time.Time         `json:"began,omitzero"`
	Ended      time.Time         `json:"ended,omitzero"`
	Settings   *trainingSettings `json:"settings,omitempty"`
	Point      *train.Point      `json:"point,omitempty"` // The newest of the curves.
	Test       *train.Tested     `json:"test,omitempty"`  // Once it is done.
	Error      string            `json:"error,omitempty"`
	Code       string            `json:"code,omitempty"` // Of the error.
}

// The least that an estimate of the time left is made from.
const (
	estimateAfter = time.Second
	estimateFrom  = 3
)

// snapshot gives the state, the points so far, and a channel that is closed at the next change.
func (t *training) snapshot() (trainingState, []train.Point, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := trainingState{
		State: t.state, Run: t.run.ID, Dataset: t.settings.Dataset, Phase: t.phase, Done: t.done, Total: t.total,
		Stopping: t.stopping, Cancelling: t.cancelling, Began: t.run.Started, Ended: t.ended, Settings: &t.settings,
	}
	elapsed, worked := t.now().Sub(t.phaseBegan), t.done-t.ready
	if t.state == stateRunning && t.done < t.total && elapsed >= estimateAfter && worked >= estimateFrom {
		left := elapsed.Seconds() / float64(worked) * float64(t.total-t.done)
		s.Left = &left
	}
	if n := len(t.points); n > 0 {
		s.Point = &t.points[n-1]
	}
	if t.report != nil {
		s.Test = t.report.Test
	}
	if t.failure != nil {
		s.Error, s.Code = t.failure.sentence, t.failure.code
	}
	return s, slices.Clip(t.points), t.changed
}

// start begins a training with settings that were checked.
func (t *trainings) start(settings trainingSettings, request TrainingRequest) (*training, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil && t.current.running() {
		return nil, &problem{
			status: http.StatusConflict, code: "training_busy",
			sentence: "a training is at work already: wait for its end (GET /api/v1/trainings/current), or cancel it",
		}
	}
	release, err := t.datasets.hold(settings.Dataset)
	if err != nil {
		return nil, err
	}
	run := t.Runs.New()
	request.Params.ImageDir, request.Params.OutputDir = t.datasets.path(settings.Dataset), run.Dir
	begun := newTraining(run, settings, t.now)
	err = startJob(t.runner, "retrain", func(ctx context.Context, _ func(job.Progress)) (err error) {
		var report *train.Report
		err = errBroken // Of a panic, whose words stand in the runner's state.
		defer func() {
			release()
			begun.finish(report, err)
		}()
		report, err = t.train(ctx, begun, request)
		if err != nil && !errors.Is(err, context.Canceled) {
			t.log.WarnContext(ctx, "a training failed", "run", run.ID, "dataset", settings.Dataset, "error", err)
		}
		return err
	})
	if err != nil {
		release()
		return nil, err
	}
	t.current = begun
	t.log.Info("a training begins", "run", run.ID, "dataset", settings.Dataset)
	return begun, nil
}

// startJob starts a job of a runner, whose last one is over as far as anybody knows; its very end is waited for. The error is
// that no more jobs are taken.
func startJob(runner *job.Runner, kind string, run func(context.Context, func(job.Progress)) error) error {
	for {
		ended := make(chan struct{})
		end := sync.OnceFunc(func() { close(ended) })
		unsubscribe := runner.Subscribe(func(s job.State) {
			if !s.Running {
				end()
			}
		})
		err := runner.Start(kind, run)
		if errors.Is(err, job.ErrBusy) {
			<-ended
		}
		unsubscribe()
		if err == nil {
			return nil
		}
		if !errors.Is(err, job.ErrBusy) {
			return stopping(err)
		}
	}
}

// errBroken stands for a panic.
var errBroken = errors.New("a mistake in Kaika stopped this job; the log tells where")

// running tells whether it has not ended yet.
func (t *training) running() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state == stateRunning
}

// train does the work, and keeps the run.
func (t *trainings) train(ctx context.Context, begun *training, request TrainingRequest) (*train.Report, error) {
	report, base, err := t.Trainer.Train(ctx, request, begun.stop, begun.observe)
	if err != nil {
		return nil, err
	}
	run := begun.run
	run.Dataset, run.Params, run.Base, run.Report = request.Params.ImageDir, request.Params, base, report
	if _, err := t.Runs.Keep(run); err != nil {
		return nil, err
	}
	return report, nil
}

// cancel asks the training at work to end.
func (t *trainings) cancel() (*training, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == nil || !t.current.running() {
		return nil, noTraining()
	}
	t.current.change(func() { t.current.cancelling = t.current.state == stateRunning })
	t.runner.Cancel()
	return t.current, nil
}

// fit says what is wrong with a dataset that is to be trained with.
func fit(l *curate.Library) error {
	labels := 0
	for _, label := range l.Labels() {
		if label.Photos > 0 {
			labels++
		}
	}
	const least = 2
	if labels < least {
		return &problem{
			status: http.StatusUnprocessableEntity, code: "too_few_labels",
			sentence: fmt.Sprintf("the dataset has photos of %d labels, and a classifier needs at least 2: add photos of others", labels),
		}
	}
	return nil
}

// trainingProblem finds what to say of a training that failed.
func trainingProblem(err error) *problem {
	failed := func(code, sentence string) *problem {
		return &problem{status: http.StatusUnprocessableEntity, code: code, sentence: sentence, err: err}
	}
	var said *problem
	switch {
	case errors.As(err, &said):
		return said
	case errors.Is(err, dataset.ErrNoFolder):
		return failed("no_dataset", "the dataset is not there any more")
	case errors.Is(err, dataset.ErrNoLabels), errors.Is(err, dataset.ErrOneLabel), errors.Is(err, train.ErrTooFew):
		return failed("too_few", "the dataset has too few photos that can be used: at least two labels need some")
	case errors.Is(err, dataset.ErrLabelName), errors.Is(err, dataset.ErrLabelClash):
		return failed("bad_label", err.Error())
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return failed("disk_full", "the disk of the server is full: make room there, then train again. What was computed of the photos is kept")
	}
	return failed("failed", "the training failed: the server's log says why")
}
