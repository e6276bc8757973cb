package collect

import (
	"context"
	"errors"
	"log/slog"
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
	near     bool // Leave out photos that look like one that is there.
	progress progress
	log      *slog.Logger
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
	c := source.Collector{Library: r.library, Source: from, MinSide: r.minSide, Observe: func(e source.Event) {
		r.inbox.put(e, r.tell)
		r.progress.put(e)
		report(r.progress.state())
	}}
	c.Waiting = func(service string, until time.Time) { r.inbox.wait(asked{service, until}, r.tell) }
	if r.near {
		c.Comparer = r.library
		c.Compared = func(done, total int) {
			r.inbox.compare(done, total, r.tell)
			report(job.Progress{Phase: phaseComparing, Done: int64(done), Total: int64(total)})
		}
	}
	if c.Refusals, err = source.OpenRefusals(r.dir); err != nil { // It costs no more than downloads.
		r.log.Warn("what was refused before is downloaded again", "error", err)
	}
	c.Forgotten = func(err error) { r.log.Warn("what is refused will be downloaded again", "error", err) }
	result, err := c.Run(ctx, r.requests)
	ended.err = err
	for _, n := range result.Reasons {
		ended.refused += n
	}
	for i, s := range result.Results {
		ended.landed += s.Landed
		ended.there += s.There
		if s.Exhausted {
			ended.short = append(ended.short, shortage{i, s.Keyword, here(s.Counts), s.Count})
		}
	}
	return err
}

// phaseComparing is the phase of a job in which the photos that are there are looked at, to compare others with them.
const phaseComparing = "comparing"

// A share is the part of one request in a run's progress.
type share struct {
	wanted int  // Photos that are to be there at its end; 0 where nobody knows.
	final  bool // Nothing takes the place of a photo that is refused.
	counts source.Counts
}

// here is how many photos of a request the dataset has under its label.
func here(c source.Counts) int { return c.Landed + c.There - c.Moved }

// progress tells how far a run is.
type progress struct {
	shares []share
	inTurn bool // The requests are seen to one after the other,
	turn   int  // now this one: those before it are over.
}

func (p *progress) put(e source.Event) {
	if e.Request >= 0 {
		p.shares[e.Request].counts = e.Counts
		p.turn = max(p.turn, e.Request)
	}
}

// state counts what takes time: photos that were there already do not. The total is 0 where nobody knows it.
func (p *progress) state() job.Progress {
	var done, total int64
	for i, s := range p.shares {
		seen, there := s.counts.Landed, here(s.counts)-s.counts.Landed
		if s.final {
			seen += s.counts.Refused
			there = s.counts.There
		}
		done += int64(seen)
		switch {
		case p.inTurn && i < p.turn:
			total += int64(seen)
		case s.wanted == 0:
			return job.Progress{}
		default:
			total += int64(max(s.wanted-there, seen))
		}
	}
	return job.Progress{Done: done, Total: total}
}

// inbox is where a job leaves what it has done, until the presenter looks, at most ten times a second.
type inbox struct {
	mu     sync.Mutex
	news   news
	number int         // Of the last refusal.
	timer  *time.Timer // Has the presenter look; nil while there is nothing new.
	closed bool
}

// news is what a job has done since the presenter looked.
type news struct {
	photos   []curate.Photo // The oldest first, not much more than are shown.
	refusals []refusal
	reasons  map[picture.Reason]int
	counts   map[int]source.Counts // By request.
	compared compared              // The last of it.
	pause    asked                 // That a service asked for, until the next photo.
	ended    *outcome
}

// compared is how many of the photos that are there were looked at, to compare others with them.
type compared struct{ done, total int }

// under reports whether there are some that were not looked at.
func (c compared) under() bool { return c.done < c.total }

// begin empties the inbox for a run.
func (b *inbox) begin(requests int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.news = news{reasons: map[picture.Reason]int{}, counts: make(map[int]source.Counts, requests)}
}

// put takes what became of a photo, and has tell called soon.
func (b *inbox) put(e source.Event, tell func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.news.pause = asked{}
	if e.Request >= 0 {
		b.news.counts[e.Request] = e.Counts
	}
	switch {
	case e.Photo != nil:
		b.news.photos = lasts(append(b.news.photos, *e.Photo), keptPhotos)
	case e.Refusal != nil:
		b.number++
		b.news.refusals = lasts(append(b.news.refusals, refusal{b.number, e.Refusal.Reason, e.Refusal.Name, e.Refusal.Error()}), keptRefusals)
		b.news.reasons[e.Refusal.Reason]++
	}
	b.soon(tell)
}

// soon has tell called when the interval has passed.
func (b *inbox) soon(tell func()) {
	if b.timer == nil && !b.closed {
		b.timer = time.AfterFunc(interval, tell)
	}
}

// compare takes how many photos were looked at, and has tell called soon.
func (b *inbox) compare(done, total int, tell func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.news.compared = compared{done, total}
	b.soon(tell)
}

// An asked is the pause that a service asks for; the zero value is none.
type asked struct {
	service string
	until   time.Time
}

// wait takes a pause, and has tell called soon.
func (b *inbox) wait(p asked, tell func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.news.pause = p
	b.soon(tell)
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
	b.news.ended = &o
}

// take empties the inbox.
func (b *inbox) take() news {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.news
	b.news = news{reasons: map[picture.Reason]int{}, counts: map[int]source.Counts{}, compared: n.compared, pause: n.pause}
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	return n
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
