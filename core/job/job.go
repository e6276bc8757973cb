// Package job runs long work one at a time, tells how it goes on, and stops it on request.
package job

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrBusy says that a job is at work already.
var ErrBusy = errors.New("another job is at work: wait for it, or cancel it")

// errClosed says that no more jobs are taken.
var errClosed = errors.New("the program is about to end")

// interval is the time between two states of a running job that subscribers are told. All Runners of a program tell at the
// same moments, the multiples of it, so that two of them do not have a window drawn twice as often as one.
const interval = 100 * time.Millisecond

// Progress tells how far a job is.
type Progress struct {
	Phase       string // What is being done, a word of the job's own for programs; it may be empty.
	Part        string // What of the phase is being done, where its parts differ in pace.
	Done, Total int64  // In units of the phase; Total is 0 while it is unknown.
	Ready       int64  // Of Done, what took no time, because it was known from before.
	Final       bool   // The job is about to end and cannot be stopped any more: Cancel does nothing.
}

// The least that an estimate of the time left is made from.
const (
	estimateAfter = time.Second
	estimateFrom  = 3
)

// Left guesses how long the phase goes on, from how long it has taken until now; ok is false while that would be a wild
// guess.
func (p Progress) Left(spent time.Duration) (left time.Duration, ok bool) {
	worked := p.Done - p.Ready
	if p.Done >= p.Total || spent < estimateAfter || worked < estimateFrom {
		return 0, false
	}
	return time.Duration(float64(spent) / float64(worked) * float64(p.Total-p.Done)), true
}

// State tells what a Runner does. The zero value is that of one that has had nothing to do.
type State struct {
	Progress

	Kind       string // Of the last job: a word of its starter's own, for programs.
	Began      time.Time
	PhaseBegan time.Time // When the phase, or its part, began, for estimates of the time left.
	Running    bool
	Cancelling bool  // It was asked to stop and has not stopped yet.
	Err        error // Why the last job failed; nil while it runs. It wraps context.Canceled after its context was ended.
}

// Runner runs one job at a time.
type Runner struct {
	ctx  context.Context // Ends with Close. Jobs outlive the call that starts them, so it cannot come with that call.
	stop context.CancelFunc
	work sync.WaitGroup

	mu          sync.Mutex
	state       State
	cancel      func()        // Stops the job at work.
	ended       chan struct{} // Closed when that has ended.
	closed      bool
	late        *time.Timer              // Tells what came since the last time.
	subscribers map[int]func(State)      // By number.
	next        int                      // Number of the next subscriber.
	telling     sync.Mutex               // Held while subscribers are called, so that states arrive in their order.
	now         func() time.Time         // A clock.
	after       func(func()) *time.Timer // Calls a function at the next multiple of the interval.
}

// New gives a Runner whose jobs end when ctx is done, or by Close.
func New(ctx context.Context) *Runner {
	ctx, stop := context.WithCancel(ctx)
	none := make(chan struct{})
	close(none)
	return &Runner{
		ctx: ctx, stop: stop, ended: none, subscribers: map[int]func(State){}, now: time.Now,
		after: func(f func()) *time.Timer {
			return time.AfterFunc(interval-time.Duration(time.Now().UnixNano())%interval, f)
		},
	}
}

// Start runs a job in a goroutine of the Runner's. The error wraps ErrBusy while another is at work. What the job
// returns, or the words of its panic, stand in the last State.
func (r *Runner) Start(kind string, run func(ctx context.Context, report func(Progress)) error) error {
	return r.StartStoppable(kind, nil, run)
}

// StartStoppable is Start for a job that has a way of its own to stop, which keeps what it has: Cancel calls stop, at most
// once, instead of ending the job's context. Close still ends that. A nil stop makes it Start.
func (r *Runner) StartStoppable(kind string, stop func(), run func(ctx context.Context, report func(Progress)) error) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return errClosed
	}
	if r.state.Running {
		r.mu.Unlock()
		return fmt.Errorf("%w (%s)", ErrBusy, r.state.Kind)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	now := r.now()
	r.ended = make(chan struct{})
	r.state, r.cancel = State{Kind: kind, Began: now, PhaseBegan: now, Running: true}, cancel
	if stop != nil {
		r.cancel = stop
	}
	r.work.Add(1)
	r.mu.Unlock()
	r.tell()

	go func() {
		defer r.work.Done()
		defer cancel()
		err := guarded(ctx, run, r.report)
		r.mu.Lock()
		r.state.Running, r.state.Cancelling, r.state.Err = false, false, err
		close(r.ended)
		r.mu.Unlock()
		r.tell()
	}()
	return nil
}

// guarded turns a panic of a job into an error: a window full of work must not go down with it.
func guarded(ctx context.Context, run func(context.Context, func(Progress)) error, report func(Progress)) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("a mistake in Kaika stopped this job: %v", reason)
		}
	}()
	return run(ctx, report)
}

// report takes a job's progress.
func (r *Runner) report(p Progress) {
	r.mu.Lock()
	entered := p.Phase != r.state.Phase
	if entered || p.Part != r.state.Part {
		r.state.PhaseBegan = r.now()
	}
	r.state.Progress = p
	if !entered {
		if r.late == nil {
			r.late = r.after(r.tell)
		}
		r.mu.Unlock()
		return
	}
	r.mu.Unlock()
	r.tell()
}

// tell calls the subscribers with the state as it is now.
func (r *Runner) tell() {
	r.telling.Lock()
	defer r.telling.Unlock()
	r.mu.Lock()
	if r.late != nil {
		r.late.Stop()
		r.late = nil
	}
	state := r.state
	subscribers := make([]func(State), 0, len(r.subscribers))
	for i := range r.next {
		if f := r.subscribers[i]; f != nil {
			subscribers = append(subscribers, f)
		}
	}
	r.mu.Unlock()
	for _, f := range subscribers {
		f(state)
	}
}

// Cancel asks the job at work to stop, if there is one that still can; it does not wait for it.
func (r *Runner) Cancel() {
	r.mu.Lock()
	if !r.state.Running || r.state.Cancelling || r.state.Final {
		r.mu.Unlock()
		return
	}
	r.state.Cancelling = true
	cancel := r.cancel
	r.mu.Unlock()
	cancel()
	r.tell()
}

// Ended gives a channel that is closed when the job at work has ended, whatever is started after it; it is closed if none is at
// work.
func (r *Runner) Ended() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// State tells what the Runner does now.
func (r *Runner) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// Subscribe has f called, from goroutines of the Runner's and in order, with each new state: at most ten times a
// second while a phase of a job goes on, and always with the first and the last state of a job and of a phase.
// f must not call Start or Cancel. The result ends the subscription; a call that has begun may still come to its end.
func (r *Runner) Subscribe(f func(State)) (unsubscribe func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	number := r.next
	r.next++
	r.subscribers[number] = f
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.subscribers, number)
	}
}

// Close cancels the job at work and waits for it. No other can be started.
func (r *Runner) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop()
	r.work.Wait()
}
