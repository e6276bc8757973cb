package job

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// record collects states.
type record struct {
	mu     sync.Mutex
	states []State
}

func (r *record) add(s State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states = append(r.states, s)
}

func TestRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(t.Context())
		defer r.Close()
		var told record
		defer r.Subscribe(told.add)()
		err := r.Start("count", func(_ context.Context, report func(Progress)) error {
			for i := range int64(1000) {
				report(Progress{Phase: "counting", Done: i + 1, Total: 1000})
				time.Sleep(time.Millisecond)
			}
			report(Progress{Phase: "resting"})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Start("count again", nil); !errors.Is(err, ErrBusy) {
			t.Errorf("a second job at once gives %v, want ErrBusy", err)
		}
		r.work.Wait()
		synctest.Wait() // The last progress may be told beside the end.

		first, last := told.states[0], told.states[len(told.states)-1]
		if first.Kind != "count" || !first.Running {
			t.Errorf("first state is %+v", first)
		}
		if last.Running || last.Err != nil || last.Phase != "resting" {
			t.Errorf("last state is %+v", last)
		}
		if n := len(told.states); n < 10 || n > 15 {
			t.Errorf("a second of work was told in %d states, want about ten", n)
		}
		if first.PhaseBegan.Equal(last.PhaseBegan) {
			t.Error("the phase began when the job did")
		}
	})
}

// The last progress before a long silence must be told, though it came too soon after the one before.
func TestLateProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(t.Context())
		defer r.Close()
		var told record
		defer r.Subscribe(told.add)()
		err := r.Start("wait", func(ctx context.Context, report func(Progress)) error {
			report(Progress{Phase: "p", Done: 1, Total: 3})
			report(Progress{Phase: "p", Done: 2, Total: 3})
			<-ctx.Done()
			return ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		told.mu.Lock()
		if last := told.states[len(told.states)-1]; last.Done != 2 {
			t.Errorf("told until %d, want 2", last.Done)
		}
		told.mu.Unlock()

		r.Cancel()
		synctest.Wait()
		states := told.states
		if s := states[len(states)-2]; !s.Cancelling || !s.Running {
			t.Errorf("while it stops, the state is %+v", s)
		}
		if s := r.State(); s.Running || s.Cancelling || !errors.Is(s.Err, context.Canceled) {
			t.Errorf("after it stopped, the state is %+v", s)
		}
		r.Cancel() // Nothing to cancel: must do nothing.
		if err := r.Start("next", func(context.Context, func(Progress)) error { return nil }); err != nil {
			t.Errorf("after a job was cancelled: %v", err)
		}
	})
}

func TestPanic(t *testing.T) {
	r := New(t.Context())
	if err := r.Start("fall", func(context.Context, func(Progress)) error { panic("over a stone") }); err != nil {
		t.Fatal(err)
	}
	r.work.Wait()
	if err := r.State().Err; err == nil || !strings.Contains(err.Error(), "over a stone") {
		t.Errorf("a panic is told as %v", err)
	}
	r.Close()
	if err := r.Start("late", nil); err == nil {
		t.Error("a job was taken after Close")
	}
}

func TestUnsubscribe(t *testing.T) {
	r := New(t.Context())
	var told record
	unsubscribe := r.Subscribe(told.add)
	unsubscribe()
	if err := r.Start("quiet", func(context.Context, func(Progress)) error { return nil }); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if len(told.states) > 0 {
		t.Errorf("told %d states after the subscription ended", len(told.states))
	}
}

func TestEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(t.Context())
		defer r.Close()
		<-r.Ended() // Nothing is at work.
		finish := make(chan struct{})
		wait := func(context.Context, func(Progress)) error { <-finish; return nil }
		if err := r.Start("first", wait); err != nil {
			t.Fatal(err)
		}
		first := r.Ended()
		synctest.Wait()
		select {
		case <-first:
			t.Fatal("a job that runs has ended")
		default:
		}
		finish <- struct{}{}
		<-first
		if err := r.Start("second", wait); err != nil {
			t.Fatal(err)
		}
		<-first // Is the first one's for ever.
		select {
		case <-r.Ended():
			t.Error("the second job has ended with the first")
		default:
		}
		close(finish)
	})
}

// A job that has its own way to stop is stopped by it, and by its context only at the end of the Runner.
func TestStoppable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(t.Context())
		stop, on := make(chan struct{}), make(chan struct{})
		run := func(ctx context.Context, report func(Progress)) error {
			report(Progress{Phase: "fitting"})
			select {
			case <-stop:
				report(Progress{Phase: "writing", Final: true})
				<-on
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := r.StartStoppable("train", func() { close(stop) }, run); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.Cancel()
		r.Cancel() // A second stop would panic.
		synctest.Wait()
		if s := r.State(); !s.Running || !s.Cancelling || s.Phase != "writing" {
			t.Errorf("while it stops, the state is %+v", s)
		}
		close(on)
		synctest.Wait()
		if s := r.State(); s.Running || s.Err != nil {
			t.Errorf("what it kept is told as %+v", s)
		}

		stop = make(chan struct{})
		if err := r.StartStoppable("train", func() { t.Error("Close does not wait for a stop") }, run); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.Close()
		if s := r.State(); !errors.Is(s.Err, context.Canceled) {
			t.Errorf("after Close the state is %+v", s)
		}
	})
}

// What is about to end is not stopped.
func TestFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(t.Context())
		defer r.Close()
		on := make(chan struct{})
		err := r.Start("train", func(ctx context.Context, report func(Progress)) error {
			report(Progress{Phase: "writing", Final: true})
			<-on
			return ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.Cancel()
		if s := r.State(); s.Cancelling {
			t.Errorf("too late to stop, the state is %+v", s)
		}
		close(on)
		synctest.Wait()
		if s := r.State(); s.Running || s.Err != nil {
			t.Errorf("it ended as %+v", s)
		}
	})
}

// Two Runners tell of their jobs at the same moments, ten times a second together.
func TestRunnersTellTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		moments := map[time.Time]bool{}
		work := func(_ context.Context, report func(Progress)) error {
			for i := range int64(1000) {
				report(Progress{Done: i + 1, Total: 1000})
				time.Sleep(time.Millisecond)
			}
			return nil
		}
		begin := func() (end func()) {
			r := New(t.Context())
			unsubscribe := r.Subscribe(func(State) {
				mu.Lock()
				defer mu.Unlock()
				moments[time.Now()] = true
			})
			if err := r.Start("count", work); err != nil {
				t.Fatal(err)
			}
			return func() {
				unsubscribe()
				r.Close()
			}
		}
		defer begin()()
		time.Sleep(37 * time.Millisecond)
		defer begin()()
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if n := len(moments); n > 15 { // Two beginnings and two ends are among them.
			t.Errorf("a second of work of two was told at %d moments", n)
		}
	})
}

func TestLeft(t *testing.T) {
	for _, c := range []struct {
		p     Progress
		spent time.Duration
		want  time.Duration // 0: none.
	}{
		{Progress{}, time.Minute, 0},
		{Progress{Done: 10, Total: 100}, time.Second / 2, 0},
		{Progress{Done: 2, Total: 100}, time.Minute, 0},
		{Progress{Done: 50, Total: 100}, 10 * time.Second, 10 * time.Second},
		{Progress{Done: 140, Total: 200, Ready: 100}, 2 * time.Second, 3 * time.Second},
		{Progress{Done: 101, Total: 200, Ready: 100}, time.Minute, 0},
		{Progress{Done: 100, Total: 100}, time.Minute, 0},
		{Progress{Done: 100}, time.Minute, 0},
	} {
		left, ok := c.p.Left(c.spent)
		if left != c.want || ok != (c.want > 0) {
			t.Errorf("%+v after %v: %v, %v; want %v", c.p, c.spent, left, ok, c.want)
		}
	}
}
