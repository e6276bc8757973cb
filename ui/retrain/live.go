package retrain

import (
	"context"
	"slices"
	"sync"
	"time"

	"kaika/core/job"
	"kaika/core/train"
)

// interval is the least time between two redraws that progress asks for.
const interval = 100 * time.Millisecond

// pulse turns as many wishes for a redraw as come into at most one an interval. It may be used from several goroutines.
type pulse struct {
	fire func() // Called from a timer's goroutine.

	mu      sync.Mutex
	pending bool
	ended   bool
	last    time.Time
	timer   *time.Timer
}

// beat wishes for a redraw.
func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending || p.ended {
		return
	}
	p.pending = true
	p.timer = time.AfterFunc(max(0, interval-time.Since(p.last)), func() {
		p.mu.Lock()
		p.pending, p.last = false, time.Now()
		ended := p.ended
		p.mu.Unlock()
		if !ended {
			p.fire()
		}
	})
}

// end takes no more wishes.
func (p *pulse) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.timer != nil {
		p.timer.Stop()
	}
}

// live is a training, or a fetching, that goes on. Events come from its own goroutines; the window looks at it by snapshots.
type live struct {
	kind string
	stop chan struct{} // Closed to end the fit early.

	mu         sync.Mutex
	cancel     context.CancelFunc
	cancelled  bool
	stopping   bool
	phase      string
	phaseBegan time.Time
	done       int64
	total      int64
	ready      int64 // Of done, what took no time, as it was known.
	step       string
	points     []train.Point // Only grows, and what is in it never changes: snapshots share it.
}

// begin gives the training's own context, which quit ends.
func (l *live) begin(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancel = cancel
	if l.cancelled {
		cancel()
	}
	return ctx, cancel
}

// quit stops it: during the fit, by ending that early; before, by ending everything. Nothing is stopped after the fit: the
// model is about to be there. It tells whether this call did anything.
func (l *live) quit() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping || l.phase == string(train.Writing) {
		return false
	}
	l.stopping = true
	if l.phase == string(train.Training) {
		close(l.stop)
		return true
	}
	l.cancelled = true
	if l.cancel != nil {
		l.cancel()
	}
	return true
}

// advance takes progress, and gives it as that of the job.
func (l *live) advance(phase string, done, total, ready int64) job.Progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enter(phase)
	l.done, l.total, l.ready = done, total, ready
	return job.Progress{Phase: phase, Done: done, Total: total}
}

func (l *live) enter(phase string) {
	if l.phase != phase {
		l.phase, l.phaseBegan, l.done, l.total, l.ready, l.step = phase, time.Now(), 0, 0, 0, ""
	}
}

// observe takes an event of the training.
func (l *live) observe(e train.Event) job.Progress {
	switch e.Phase {
	case train.Features, train.Views:
		return l.advance(string(e.Phase), int64(e.Progress.Done), int64(e.Progress.Total), int64(e.Progress.Cached))
	case train.Training:
		if e.Point != nil {
			l.mu.Lock()
			l.points = append(l.points, *e.Point)
			l.mu.Unlock()
			return l.advance(string(e.Phase), int64(e.Point.Step), int64(e.Steps), 0)
		}
	case train.Writing:
	}
	return l.advance(string(e.Phase), 0, 0, 0)
}

// fetching takes the progress of a download.
func (l *live) fetching(step string, done, total int64) job.Progress {
	p := l.advance(PhaseFetching, done, total, 0)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.step != step {
		l.step, l.phaseBegan = step, time.Now()
	}
	return p
}

// progress is a snapshot of what goes on.
type progress struct {
	kind        string
	phase       string // A phase of package train, PhaseStarting or PhaseFetching.
	done, total int64  // Photos, steps or bytes; total is 0 while it is unknown.
	left        time.Duration
	leftKnown   bool // left is an estimate.
	stopping    bool
	points      []train.Point
}

// The least that an estimate of the time left is made from.
const (
	estimateAfter = time.Second
	estimateFrom  = 3
)

func (l *live) snapshot() progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := progress{
		kind: l.kind, phase: l.phase, done: l.done, total: l.total, stopping: l.stopping, points: slices.Clip(l.points),
	}
	elapsed, worked := time.Since(l.phaseBegan), l.done-l.ready
	if l.total > 0 && l.done < l.total && elapsed >= estimateAfter && worked >= estimateFrom {
		p.left, p.leftKnown = time.Duration(float64(elapsed)/float64(worked)*float64(l.total-l.done)), true
	}
	return p
}
