package serve

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"kaika/core/classify"
	"kaika/core/picture"
)

// How much the engine is given at once, and how many such batches it has: while one is computed, the next travels.
const (
	batchPhotos = 32
	batchBytes  = 16 << 20
	batchesLive = 2
)

// What may wait, unless it is said.
const (
	defaultPhotos = 256
	defaultBytes  = 256 << 20
)

// queue gathers the photos of requests into batches. A batch is of one model and may be of many requests. Models have
// turns of a batch, and the requests for a model turns of a photo.
type queue struct {
	most    amount
	observe Observer

	mu      sync.Mutex
	turns   []*turn // Models with photos that wait, in the order of their turns.
	charged amount  // What requests count for that wait.
	waiting int     // Photos that wait.
	working int     // Photos that are computed.
	lanes   int     // Batches that are computed.
	speed   speed

	batches sync.WaitGroup
}

// amount is a number of photos and of their bytes.
type amount struct {
	photos int
	bytes  int64
}

func (a amount) plus(b amount) amount  { return amount{a.photos + b.photos, a.bytes + b.bytes} }
func (a amount) minus(b amount) amount { return amount{a.photos - b.photos, a.bytes - b.bytes} }

// within tells whether both are at most those of b.
func (a amount) within(b amount) bool { return a.photos <= b.photos && a.bytes <= b.bytes }

// turn is a model with the requests for it whose photos wait, in the order of their turns.
type turn struct {
	model    *Model
	requests []*request
}

// request is a call of Classify.
type request struct {
	model    *Model
	pictures []picture.Encoded
	arrived  time.Time
	next     int   // The first picture that waits.
	bytes    int64 // Of those that wait.

	batches map[*batch]struct{} // In which it has photos that are computed.
	answers []classify.Answer
	open    int // Pictures that have no answer yet.
	err     error
	done    chan struct{} // Closed when all are answered, or one cannot be.
	over    bool          // As done; or nobody waits any more.
}

// rest is what waits of it.
func (r *request) rest() amount { return amount{len(r.pictures) - r.next, r.bytes} }

// batch is what the engine gets at once.
type batch struct {
	model    *Model
	parts    []part
	requests int // That wait for it.
	arrived  time.Time
	cancel   context.CancelFunc
}

// part is a photo of a request.
type part struct {
	request *request
	index   int
}

func newQueue(photos int, bytes int64, observe Observer) *queue {
	if photos <= 0 {
		photos = defaultPhotos
	}
	if bytes <= 0 {
		bytes = defaultBytes
	}
	return &queue{most: amount{photos, bytes}, observe: observe}
}

// wait waits for the batches that are computed. Nobody may call do any more.
func (q *queue) wait() { q.batches.Wait() }

// do answers for pictures, see Model.Classify.
func (q *queue) do(ctx context.Context, model *Model, pictures []picture.Encoded) ([]classify.Answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &request{
		model: model, pictures: pictures, arrived: time.Now(), batches: map[*batch]struct{}{},
		answers: make([]classify.Answer, len(pictures)), open: len(pictures), done: make(chan struct{}),
	}
	if r.open == 0 {
		return r.answers, nil
	}
	for _, p := range pictures {
		r.bytes += int64(len(p.Data))
	}
	q.mu.Lock()
	if charge := q.charge(r.rest()); !q.charged.plus(charge).within(q.most) {
		err := &BusyError{q.free(charge)}
		q.mu.Unlock()
		return nil, err
	}
	q.enter(r)
	q.start() //nolint:contextcheck // A batch is of many requests: none of their contexts may end it.
	q.mu.Unlock()
	select {
	case <-r.done:
	case <-ctx.Done():
		q.mu.Lock()
		q.end(r, ctx.Err())
		q.mu.Unlock()
	}
	if r.err != nil {
		return nil, r.err
	}
	return r.answers, nil
}

// charge is what a rest counts for in the queue: a quarter of it at most. So who sends more than the queue holds is
// answered as well, and leaves room for others. Their memory is whose who calls.
func (q *queue) charge(rest amount) amount {
	return amount{min(rest.photos, max(1, q.most.photos/4)), min(rest.bytes, max(1, q.most.bytes/4))}
}

// enter lets a request wait.
func (q *queue) enter(r *request) {
	rest := r.rest()
	q.charged = q.charged.plus(q.charge(rest))
	q.queued(rest.photos)
	for _, t := range q.turns {
		if t.model == r.model {
			t.requests = append(t.requests, r)
			return
		}
	}
	q.turns = append(q.turns, &turn{r.model, []*request{r}})
}

// queued notes that more photos wait, or less.
func (q *queue) queued(photos int) {
	q.waiting += photos
	if q.observe != nil && photos != 0 {
		q.observe.Queue(q.waiting)
	}
}

// end ends a request, if it has not ended: what waits of it leaves the queue, and a batch that nobody waits for is broken
// off.
func (q *queue) end(r *request, err error) {
	if r.over {
		return
	}
	r.over, r.err = true, err
	close(r.done)
	for b := range r.batches {
		if b.requests--; b.requests == 0 {
			b.cancel()
		}
	}
	rest := r.rest()
	if rest.photos == 0 {
		return
	}
	q.charged = q.charged.minus(q.charge(rest))
	q.queued(-rest.photos)
	i := slices.IndexFunc(q.turns, func(t *turn) bool { return t.model == r.model })
	t := q.turns[i]
	t.requests = slices.DeleteFunc(t.requests, func(other *request) bool { return other == r })
	if len(t.requests) == 0 {
		q.turns = slices.Delete(q.turns, i, i+1)
	}
}

// start has batches computed, as long as there are free lanes and photos that wait.
func (q *queue) start() {
	for q.lanes < batchesLive && len(q.turns) > 0 {
		b := q.gather()
		// No request may end the others' work with its context; who has none left ends it, see end.
		ctx, cancel := context.WithCancel(context.Background())
		b.cancel = cancel
		if q.lanes == 0 {
			q.speed.begin(time.Now())
		}
		q.lanes++
		q.working += len(b.parts)
		q.batches.Go(func() {
			defer cancel()
			q.compute(ctx, b)
		})
	}
}

// gather makes the next batch: the model whose turn it is, and one photo of each of its requests in turn.
func (q *queue) gather() *batch {
	t := q.turns[0]
	q.turns = q.turns[1:]
	b := &batch{model: t.model, arrived: t.requests[0].arrived}
	size := int64(0)
	for len(t.requests) > 0 && len(b.parts) < batchPhotos {
		r := t.requests[0]
		data := int64(len(r.pictures[r.next].Data))
		if len(b.parts) > 0 && size+data > batchBytes {
			break
		}
		size += data
		q.charged = q.charged.minus(q.charge(r.rest()))
		b.parts = append(b.parts, part{r, r.next})
		r.next++
		r.bytes -= data
		q.charged = q.charged.plus(q.charge(r.rest()))
		if _, ok := r.batches[b]; !ok {
			r.batches[b] = struct{}{}
			b.requests++
		}
		if r.arrived.Before(b.arrived) {
			b.arrived = r.arrived
		}
		t.requests = t.requests[1:]
		if r.next < len(r.pictures) {
			t.requests = append(t.requests, r)
		}
	}
	if len(t.requests) > 0 {
		q.turns = append(q.turns, t)
	}
	q.queued(-len(b.parts))
	return b
}

// compute has a batch answered, hands out the answers, and starts the next.
func (q *queue) compute(ctx context.Context, b *batch) {
	began := time.Now()
	outcomes := b.ask(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lanes--
	q.working -= len(b.parts)
	answered := 0
	for i, p := range b.parts {
		r := p.request
		delete(r.batches, b)
		if outcomes[i].err == nil {
			answered++
		}
		switch {
		case r.over:
		case outcomes[i].err != nil:
			q.end(r, outcomes[i].err)
		default:
			r.answers[p.index] = outcomes[i].answer
			if r.open--; r.open == 0 {
				q.end(r, nil)
			}
		}
	}
	now := time.Now()
	q.speed.done(now, answered)
	if q.observe != nil {
		q.observe.Batch(len(b.parts), began.Sub(b.arrived), now.Sub(began))
	}
	q.start() //nolint:contextcheck // The next batch has nothing to do with this one.
}

// outcome is an answer or an error.
type outcome struct {
	answer classify.Answer
	err    error
}

// ask gives the outcomes of a batch's parts. If it fails as a whole, though the engine is well, each request is asked for
// alone: so none fails for what is wrong with another's photo.
func (b *batch) ask(ctx context.Context) []outcome {
	outcomes := make([]outcome, len(b.parts))
	all := make([]int, len(b.parts))
	of := map[*request][]int{}
	for i, p := range b.parts {
		all[i] = i
		of[p.request] = append(of[p.request], i)
	}
	err := b.some(ctx, all, outcomes)
	if err == nil || len(of) == 1 || ctx.Err() != nil || errors.Is(err, classify.ErrUnavailable) {
		return outcomes
	}
	for _, indices := range of {
		_ = b.some(ctx, indices, outcomes) // It is in the outcomes.
	}
	return outcomes
}

// some asks for some parts. The error is that of all their outcomes.
func (b *batch) some(ctx context.Context, indices []int, outcomes []outcome) error {
	pictures := make([]picture.Encoded, len(indices))
	for k, i := range indices {
		p := b.parts[i]
		pictures[k] = p.request.pictures[p.index]
	}
	answers, err := b.model.Pictures(ctx, pictures)
	for k, i := range indices {
		outcomes[i] = outcome{err: err}
		if err == nil {
			outcomes[i].answer = answers[k]
		}
	}
	return err
}

// Limits of what a BusyError says.
const (
	leastRetry = time.Second
	mostRetry  = time.Minute
)

// free estimates when there will be room, if nobody else comes: as each request has its turn, how many photos are computed
// until the others count for so much less, and how long that takes at the speed of late.
func (q *queue) free(charge amount) time.Duration {
	perSecond := q.speed.photosPerSecond()
	if perSecond <= 0 {
		return leastRetry
	}
	rounds := 0 // The largest number that is too few.
	for step := math.MaxInt32/2 + 1; step > 0; step /= 2 {
		if left, _ := q.after(rounds + step); !left.plus(charge).within(q.most) {
			rounds += step
		}
	}
	before, sooner := q.after(rounds)
	after, later := q.after(rounds + 1)
	// It happens in the course of the next round.
	missing, freed := before.plus(charge).minus(q.most), before.minus(after)
	part := max(float64(missing.photos)/float64(max(1, freed.photos)), float64(missing.bytes)/float64(max(1, freed.bytes)))
	photos := float64(q.working+sooner) + part*float64(later-sooner)
	return time.Duration(min(max(photos/perSecond, leastRetry.Seconds()), mostRetry.Seconds()) * float64(time.Second))
}

// after tells what the requests will count for after some rounds, and how many photos of theirs will be computed then.
func (q *queue) after(rounds int) (left amount, photos int) {
	for _, t := range q.turns {
		for _, r := range t.requests {
			rest := r.rest()
			gone := min(rest.photos, rounds)
			photos += gone
			rest.bytes -= rest.bytes * int64(gone) / int64(rest.photos)
			rest.photos -= gone
			left = left.plus(q.charge(rest))
		}
	}
	return left, photos
}

// memory is after how many seconds of work what was measured counts for 1/e.
const memory = 30

// speed measures how many photos a second are answered while there is work.
type speed struct {
	photos, seconds float64 // Of late.
	since           time.Time
}

// begin notes that work begins.
func (s *speed) begin(now time.Time) { s.since = now }

// done notes that photos were answered.
func (s *speed) done(now time.Time, photos int) {
	seconds := now.Sub(s.since).Seconds()
	s.since = now
	keep := math.Exp(-seconds / memory)
	s.photos, s.seconds = s.photos*keep+float64(photos), s.seconds*keep+seconds
}

// photosPerSecond is 0 before anything was answered.
func (s *speed) photosPerSecond() float64 {
	if s.seconds == 0 {
		return 0
	}
	return s.photos / s.seconds
}
