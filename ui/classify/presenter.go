package classify

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"kaika/core/classify"
	"kaika/ui/clipboard"
)

// A problem is what did not work, for the sentence about it.
type problem int

const (
	modelProblem problem = iota
	modelsProblem
	classifyProblem
	exportProblem
	addProblem
	undoProblem
	pasteProblem
)

// A presenter is the state of the tab, without widgets. Its methods are for one goroutine, that of the window, to which
// dispatch brings what other goroutines find.
type presenter struct {
	open        func(ctx context.Context, dir string) (*classify.Classifier, error)
	models      func(ctx context.Context) ([]ModelChoice, error)
	jobs        Jobs
	thumbs      Thumbs
	preferences Preferences
	log         *slog.Logger
	dispatch    func(func())
	changed     func()               // Something that is shown has changed.
	failed      func(problem, error) // Something did not work.

	ctx     context.Context // Ends with close. Work outlives the call that starts it.
	stop    context.CancelFunc
	work    sync.WaitGroup
	closed  bool
	forget  func()      // Ends the subscription to jobs.
	drained atomic.Bool // Whether a drain is dispatched and has not run yet.

	model    *inUse
	opening  *ModelChoice // The model that is being opened.
	giveUp   context.CancelFunc
	started  bool // Whether a model was ever opened, and TensorFlow started for it.
	chosen   bool // Whether a model was ever chosen, by the user or for want of another.
	asking   bool // The kept models are being listed, to choose one.
	fault    error
	faultDir string

	inbox   []string // Files and folders that were dropped and not listed yet.
	waiting []string // Photos without an answer.
	run     *run     // The job at work.
	again   bool     // Another job is to follow the one at work.

	rows     []*row // In the order of arrival.
	byPath   map[string]*row
	arrivals int
	shown    []*row // Filtered and sorted.
	filter   filter
	sort     column
	down     bool // Sorted the highest first.

	large    bool            // One photo is shown rather than the table.
	current  string          // Path of the photo that is shown large, or beside the table; or empty.
	selected map[string]bool // Paths of rows.
	anchor   string          // Where a range of rows begins.
	side     int             // Pixels of the place for the large photo.
	shot     shot
	loading  *loading

	clipboard func(ctx context.Context) (clipboard.Content, error)
	pasting   bool // The clipboard is being read.
	pasted    pasted
	fileless  map[string]bool // Paths of the pictures that were pasted: no files of the user's.

	library Library
	adding  *progress
	settled chan struct{} // Closed while nothing is done to the dataset.
	enough  context.CancelFunc
	notice  *notice
}

type progress struct{ done, total int }

func newPresenter(p Params) *presenter {
	log := p.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &presenter{
		open: p.Open, models: p.Models, jobs: p.Jobs, thumbs: p.Thumbs, preferences: p.Preferences, log: log,
		dispatch: p.Dispatch, changed: func() {}, failed: func(problem, error) {},
		ctx: ctx, stop: stop, byPath: map[string]*row{}, selected: map[string]bool{}, settled: make(chan struct{}),
	}
	close(c.settled)
	c.clipboard = p.Clipboard
	if c.clipboard == nil {
		c.clipboard = clipboard.Read
	}
	c.pasted.now, c.fileless = time.Now, map[string]bool{}
	c.forget = p.Jobs.Subscribe(c.observe)
	return c
}

// close stops all work and waits for it.
func (p *presenter) close() {
	p.closed = true
	p.forget()
	p.stop()
	p.jobs.Cancel()
	p.work.Wait()
	if err := p.pasted.remove(); err != nil {
		p.log.Warn("pasted pictures stay behind", "folder", p.pasted.dir, "error", err)
	}
}

// post brings f to the window's goroutine, unless the tab is closed by then.
func (p *presenter) post(f func()) {
	p.dispatch(func() {
		if !p.closed {
			f()
		}
	})
}

// beside runs f in a goroutine that close waits for. The result breaks it off.
func (p *presenter) beside(f func(ctx context.Context)) context.CancelFunc {
	ctx, cancel := context.WithCancel(p.ctx)
	p.work.Go(func() {
		defer cancel()
		f(ctx)
	})
	return cancel
}
