package retrain

import (
	"context"
	"slices"
	"sync"
	"time"

	"kaika/core/job"
	"kaika/core/train"
)

// interval is the least time between two looks at a dataset that changes.
const interval = 100 * time.Millisecond

// pulse turns as many wishes as come into at most one an interval. It may be used from several goroutines.
type pulse struct {
	fire func() // Called from a timer's goroutine.

	mu      sync.Mutex
	pending bool
	ended   bool
	last    time.Time
	timer   *time.Timer
}

// beat wishes.
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

	mu        sync.Mutex
	cancel    context.CancelFunc
	cancelled bool
	stopping  bool
	now       job.Progress
	began     time.Time     // When the phase, or its part, began.
	points    []train.Point // Only grows, and what is in it never changes: snapshots share it.
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
// model is about to be there.
func (l *live) quit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stopping || l.now.Final:
	case l.now.Phase == string(train.Training):
		l.stopping = true
		close(l.stop)
	default:
		l.stopping, l.cancelled = true, true
		if l.cancel != nil {
			l.cancel()
		}
	}
}

// advance takes progress, and gives it back to be reported.
func (l *live) advance(p job.Progress) job.Progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.Phase != l.now.Phase || p.Part != l.now.Part {
		l.began = time.Now()
	}
	l.now = p
	return p
}

// observe takes an event of the training.
func (l *live) observe(e train.Event) job.Progress {
	p := job.Progress{Phase: string(e.Phase)}
	switch e.Phase {
	case train.Features, train.Views:
		p.Done, p.Total, p.Ready = int64(e.Progress.Done), int64(e.Progress.Total), int64(e.Progress.Cached)
	case train.Training:
		if e.Point != nil {
			l.mu.Lock()
			l.points = append(l.points, *e.Point)
			l.mu.Unlock()
			p.Done, p.Total = int64(e.Point.Step), int64(e.Steps)
		}
	case train.Writing:
		p.Final = true
	}
	return l.advance(p)
}

// progress is a snapshot of what goes on.
type progress struct {
	job.Progress

	kind      string
	left      time.Duration
	leftKnown bool // left is an estimate.
	stopping  bool
	points    []train.Point
}

func (l *live) snapshot() progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := progress{Progress: l.now, kind: l.kind, stopping: l.stopping, points: slices.Clip(l.points)}
	p.left, p.leftKnown = l.now.Left(time.Since(l.began))
	return p
}
