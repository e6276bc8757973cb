package collect

import (
	"context"
	"sync"
	"time"
)

// A Clock tells the time and waits. The zero value is the real one; tests have one that does not wait.
type Clock struct {
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error // The error is the context's, as soon as that is done.
}

func (c Clock) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c Clock) sleep(ctx context.Context, d time.Duration) error {
	if c.Sleep != nil {
		return c.Sleep(ctx, d)
	}
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// pace keeps the requests to a host apart. No burst is allowed, so in any hour there are at most an hour divided by the
// shortest gap. Several goroutines may share it.
type pace struct {
	shortest, longest time.Duration // Bounds of the gap; equal where the host's rule is known.

	turns *turns // Keeps other programs apart, too; nil for none.

	mu   sync.Mutex
	gap  time.Duration // Between the beginnings of two requests; shortest if less.
	next time.Time     // No request begins before.
}

// turn takes the next turn, and gives the time until then.
func (p *pace) turn(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	turn, gap := now, max(p.gap, p.shortest)
	if p.next.After(turn) {
		turn = p.next
	}
	if p.turns != nil {
		turn = p.turns.take(now, turn, gap)
	}
	p.next = turn.Add(gap)
	return turn.Sub(now)
}

// slower doubles the gap, because the host complained, and keeps everybody off it until a time.
func (p *pace) slower(until time.Time) {
	const first = 500 * time.Millisecond
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gap = min(max(2*p.gap, first, p.shortest), p.longest)
	if until.After(p.next) {
		p.next = until
	}
}

// faster makes the gap a little shorter, because the host gave what was asked for.
func (p *pace) faster() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gap = max(p.gap-p.gap/16, p.shortest)
}

// set takes over the gap that a host asks for, within the bounds.
func (p *pace) set(gap time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gap = min(max(gap, p.shortest), p.longest)
}
