package collect

import (
	"context"
	"errors"
	"sync"
	"time"

	source "kaika/core/collect"
	"kaika/core/curate"
	"kaika/core/job"
	"kaika/core/picture"
)

// A run is one job. It knows the presenter only by its inbox.
type run struct {
	inbox    *inbox
	tell     func() // Has the presenter look into the inbox.
	library  Library
	dir      string
	open     func(ctx context.Context) (source.Source, error)
	requests []source.Request
	minSide  int
	total    int64 // Photos to be seen to; 0 while unknown.
}

// do is the job.
func (r *run) do(ctx context.Context, report func(job.Progress)) error {
	ended := outcome{dir: r.dir, err: errors.New("a mistake in Kaika stopped this run")} // Unless it comes to its end.
	defer func() {
		r.inbox.end(ended)
		r.tell()
	}()
	from, err := r.open(ctx)
	if err != nil {
		ended.err = err
		return err
	}
	var done int64
	c := source.Collector{Library: r.library, Source: from, MinSide: r.minSide, Observe: func(e source.Event) {
		r.inbox.put(e, r.tell)
		done++
		report(job.Progress{Done: min(done, max(r.total, 1)), Total: r.total})
	}}
	result, err := c.Run(ctx, r.requests)
	ended.err = err
	for _, n := range result.Reasons {
		ended.refused += n
	}
	for _, s := range result.Results {
		ended.landed += s.Landed
		ended.there += s.There
		if s.Exhausted {
			ended.short = append(ended.short, shortage{s.Keyword, s.Landed + s.There, s.Count})
		}
	}
	return err
}

// inbox is where a job leaves what it has done, until the presenter looks, at most ten times a second.
type inbox struct {
	mu       sync.Mutex
	photos   []curate.Photo // The oldest first, not much more than are shown.
	refusals []refusal
	number   int // Of the last refusal.
	reasons  map[picture.Reason]int
	counts   map[int]source.Counts // By request.
	ended    *outcome
	timer    *time.Timer // Has the presenter look; nil while there is nothing new.
	closed   bool
}

// begin empties the inbox for a run.
func (b *inbox) begin(requests int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.photos, b.refusals, b.reasons, b.ended = nil, nil, map[picture.Reason]int{}, nil
	b.counts = make(map[int]source.Counts, requests)
}

// put takes what became of a photo, and has tell called soon.
func (b *inbox) put(e source.Event, tell func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Request >= 0 {
		b.counts[e.Request] = e.Counts
	}
	switch {
	case e.Photo != nil:
		b.photos = lasts(append(b.photos, *e.Photo), keptPhotos)
	case e.Refusal != nil:
		b.number++
		b.refusals = lasts(append(b.refusals, refusal{b.number, e.Refusal.Reason, e.Refusal.Name, e.Refusal.Error()}), keptRefusals)
		b.reasons[e.Refusal.Reason]++
	}
	if b.timer == nil && !b.closed {
		b.timer = time.AfterFunc(interval, tell)
	}
}

// lasts drops the first ones when there are twice as many as needed.
func lasts[T any](all []T, most int) []T {
	if len(all) < 2*most {
		return all
	}
	return append([]T(nil), all[len(all)-most:]...)
}

// end takes how a run ended.
func (b *inbox) end(o outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = &o
}

// take empties the inbox.
func (b *inbox) take() (photos []curate.Photo, refusals []refusal, reasons map[picture.Reason]int, counts map[int]source.Counts, ended *outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	photos, refusals, reasons, counts, ended = b.photos, b.refusals, b.reasons, b.counts, b.ended
	b.photos, b.refusals, b.reasons, b.counts, b.ended = nil, nil, map[picture.Reason]int{}, map[int]source.Counts{}, nil
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	return photos, refusals, reasons, counts, ended
}

// close has nothing told any more.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
}
