package collect

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/text/unicode/norm"

	"kaika/core/curate"
	"kaika/core/picture"
)

// A Library is the dataset that photos come into; a *curate.Library is one.
type Library interface {
	// Add writes a photo whole or not at all; a *curate.DuplicateError says that it is there already.
	Add(ctx context.Context, a curate.Addition) (curate.Photo, error)
	// Photos gives the photos that are there.
	Photos(q curate.Query) []curate.Photo
}

// A Comparer knows what the photos of a dataset look like; a *curate.Library does.
type Comparer interface {
	// Fingerprints looks at the photos that it has not looked at before, and tells progress how many of them it has.
	Fingerprints(ctx context.Context, progress func(done, total int)) error
}

var (
	_ Library  = (*curate.Library)(nil)
	_ Comparer = (*curate.Library)(nil)
)

// A Collector brings the photos of a source into a dataset.
type Collector struct {
	Library Library
	Source  Source
	MinSide int              // The least length of a photo's shorter side, in pixels.
	Observe func(Event)      // Is told of each photo, from the goroutine that calls Run; may be nil.
	Now     func() time.Time // A clock; nil for the real one.

	// Waiting is told that a service wants to be left alone until a time, if that is more than a few seconds from now, from the
	// goroutine that calls Run; it may be nil. What comes next says that the time is over.
	Waiting func(service string, until time.Time)

	// Comparer is that of Library, to have photos refused that look like one of it or of its trash; nil to take them.
	Comparer Comparer
	// Refusals remember what no run has to download again; nil for none. That one cannot be kept is told to Forgotten, which may
	// be nil: it costs no more than a download.
	Refusals  *Refusals
	Forgotten func(error)

	// Compared is told of how many photos of the dataset the looks were found out, before the first photo is read, if they were
	// not known of all: it may take minutes the first time. It may be nil.
	Compared func(done, total int)
}

// Counts say what became of the photos of a request.
type Counts struct {
	Landed  int `json:"landed"` // New in the dataset.
	There   int `json:"there"`  // In the dataset since an earlier run. A photo that several keywords find counts for the first one.
	Moved   int `json:"moved"`  // Those of There that have another label than the request's by now: others take their places.
	Refused int `json:"refused"`
}

// An Event tells what became of one photo: Photo is set if it landed, Refusal if it was refused, and neither if it was
// there already.
type Event struct {
	Request int    // The index of its request, or -1 for a refusal that belongs to none.
	Counts  Counts // Of the request, this photo included.
	Photo   *curate.Photo
	Refusal *Refusal
}

// A Result is what became of one request.
type Result struct {
	Request
	Counts

	Reasons   map[picture.Reason]int `json:"reasons"`   // Refusals by their reasons.
	Exhausted bool                   `json:"exhausted"` // Whether the source had no more before Count was reached. Never for a Count of 0.
}

// A Report is what became of all requests.
type Report struct {
	Results []Result               `json:"results"` // In the order of the requests.
	Reasons map[picture.Reason]int `json:"reasons"` // All refusals by their reasons, also those that belong to no request.
}

// Run collects until each request has its photos or the source has no more. Photos that an earlier run brought from the same
// place are not read again and count as well, so a run that was stopped, or killed, goes on where it was. One that the user
// has deleted since, or moved to another label, neither comes again nor counts.
//
// The report holds what was done in any case. The error is the context's, or says in a sentence why the source or the
// dataset cannot go on; what has landed stays.
func (c *Collector) Run(ctx context.Context, requests []Request) (Report, error) {
	r := run{Collector: c, byKeyword: map[string]int{}, known: map[place]known{}, present: map[named]bool{}, batch: "collect " + rand.Text(), pixels: semaphore.NewWeighted(picture.MaxPixels)}
	r.report.Reasons = map[picture.Reason]int{}
	for i, request := range requests {
		if _, twice := r.byKeyword[request.Keyword]; twice {
			return Report{}, fmt.Errorf("the photos of %q are asked for twice: once is enough", request.Keyword)
		}
		r.byKeyword[request.Keyword] = i
		r.report.Results = append(r.report.Results, Result{Request: request, Reasons: map[picture.Reason]int{}})
	}
	r.filled, r.pending = make([]int, len(requests)), make([]int, len(requests))
	for _, trash := range []bool{true, false} { // What is there counts, although another copy of it was thrown away.
		for _, p := range c.Library.Photos(curate.Query{Trash: trash}) {
			if p.Source.Kind != "" {
				r.known[placeOf(p.Source)] = known{size: p.Size, label: p.Label, deleted: trash}
			}
			if c.Refusals != nil {
				r.present[named{p.Name, p.Size}] = true
			}
		}
	}
	err := r.all(withWaiting(ctx, c.Waiting), requests)
	if err == nil {
		for i := range r.report.Results {
			r.report.Results[i].Exhausted = r.wants(i) && requests[i].Count > 0
		}
	}
	return r.report, err
}

// run is one call of Run.
type run struct {
	*Collector

	report    Report
	byKeyword map[string]int // Indices of the requests.
	filled    []int          // By request: the photos that count for it.
	pending   []int          // By request: those in the queue.
	queue     []*candidate   // Photos that are being looked at, in their order.
	looking   sync.WaitGroup
	known     map[place]known     // Photos of the dataset by where they came from.
	present   map[named]bool      // Those that refusals may be about.
	batch     string              // Makes one step for Undo of the photos of a label.
	compared  bool                // Whether it is known what the photos of the dataset look like.
	pixels    *semaphore.Weighted // Of the pictures that are decoded at once: they take much more memory than their files.
}

// place names a photo of a source.
type place struct{ kind, id, from string }

// placeOf gives the place of a photo. The number that a service gives it is enough: the address of its bytes changes with
// the size that is asked for. A name in an archive counts only inside of that.
func placeOf(s curate.Source) place {
	if s.ID != "" && s.Kind != inArchive {
		return place{s.Kind, s.ID, ""}
	}
	return place{s.Kind, s.ID, s.From}
}

// known is a photo that came from a place.
type known struct {
	size    int64
	label   string
	deleted bool
	counted bool // For a request of this run.
}

// wants reports whether request i needs more photos, if all in the queue are good.
func (r *run) wants(i int) bool {
	count := r.report.Results[i].Count
	return count <= 0 || r.filled[i]+r.pending[i] < count
}

func (r *run) wantsAny() bool {
	for i := range r.filled {
		if r.wants(i) {
			return true
		}
	}
	return false
}

func (r *run) all(ctx context.Context, requests []Request) error {
	if p, ok := r.Source.(OnePass); ok {
		return r.take(ctx, p.SearchAll(ctx, requests), r.wantsAny)
	}
	for i, request := range requests {
		if err := r.take(ctx, r.Source.Search(ctx, request), func() bool { return r.wants(i) }); err != nil {
			return err
		}
	}
	return nil
}

// take takes items while more are wanted. Its goroutine reads one after the other and adds them in their order, while others
// look at those in the queue: decoding takes longer than all the rest.
func (r *run) take(ctx context.Context, items iter.Seq2[Item, error], more func() bool) error {
	defer r.looking.Wait()
	for item, err := range items {
		if err == nil {
			err = ctx.Err()
		}
		i, ok := r.byKeyword[item.Keyword]
		if !ok {
			i = -1
		}
		if err != nil {
			err = r.settleAll(ctx, i, err)
		} else if i >= 0 {
			err = r.one(ctx, i, item)
		}
		for err == nil && !more() && len(r.queue) > 0 { // They may be refused.
			err = r.next(ctx)
		}
		if err != nil {
			return err
		}
		if !more() {
			return nil
		}
	}
	if err := r.settleQueue(ctx); err != nil {
		return err
	}
	return ctx.Err()
}

// settleQueue settles what is in the queue.
func (r *run) settleQueue(ctx context.Context) error {
	for len(r.queue) > 0 {
		if err := r.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settleAll settles what is in the queue, and then an error.
func (r *run) settleAll(ctx context.Context, i int, err error) error {
	if err := r.settleQueue(ctx); err != nil {
		return err
	}
	return r.settle(i, Event{}, err)
}

// one sees to one item of request i.
func (r *run) one(ctx context.Context, i int, item Item) error {
	at := placeOf(item.Source)
	for r.pending[i] > 0 && !r.wants(i) || slices.ContainsFunc(r.queue, func(c *candidate) bool { return c.at == at }) {
		if err := r.next(ctx); err != nil {
			return err
		}
	}
	if !r.wants(i) {
		return nil
	}
	if k, ok := r.known[at]; ok && (item.Size == 0 || item.Size == k.size) {
		if k.deleted {
			return r.settleAll(ctx, i, refuse(Deleted, item.path(), "was deleted from this dataset: restore it from the trash if you want it back"))
		}
		if err := r.settleQueue(ctx); err != nil {
			return err
		}
		return r.there(i, at)
	}
	if remembers(r.Refusals, item) {
		if refusal := r.Refusals.recall(at, item.path(), r.MinSide, r.Comparer != nil, r.present); refusal != nil {
			return r.settleAll(ctx, i, refusal)
		}
	}
	if r.Comparer != nil && !r.compared {
		if err := r.Comparer.Fingerprints(ctx, r.Compared); err != nil {
			return fmt.Errorf("comparing photos with those of the dataset: %w", err)
		}
		r.compared = true
	}
	data, err := read(ctx, item)
	if err != nil {
		r.keep(item, at, err, nil)
		return r.settleAll(ctx, i, err)
	}
	c := &candidate{request: i, item: item, at: at, data: data, looked: make(chan struct{})}
	r.queue = append(r.queue, c)
	r.pending[i]++
	r.looking.Go(func() {
		defer close(c.looked)
		c.err = c.look(ctx, r.MinSide, r.Comparer != nil, r.pixels)
	})
	for len(r.queue) > lookers() || r.queued() > picture.MaxFileBytes {
		if err := r.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// there counts a photo of a place for request i, which is in the dataset. If another request that has the same label counts
// it already, it is no news: that each of them gets its number, it must not count for both.
func (r *run) there(i int, at place) error {
	k, result := r.known[at], &r.report.Results[i]
	switch {
	case norm.NFC.String(k.label) != norm.NFC.String(result.Label): // Folders of macOS may be written in the other form.
		result.Moved++
	case k.counted:
		return nil
	default:
		k.counted = true
		r.known[at] = k
		r.filled[i]++
	}
	return r.settle(i, Event{}, nil)
}

// lookers is the number of photos that are looked at at once.
func lookers() int { return min(runtime.GOMAXPROCS(0), 8) }

// queued gives the bytes of the photos in the queue.
func (r *run) queued() int {
	bytes := 0
	for _, c := range r.queue {
		bytes += len(c.data)
	}
	return bytes
}

// next settles the first photo of the queue.
func (r *run) next(ctx context.Context) error {
	c := r.queue[0]
	<-c.looked
	r.queue = r.queue[1:]
	r.pending[c.request]--
	if c.err != nil {
		r.keep(c.item, c.at, c.err, nil)
		return r.settle(c.request, Event{}, c.err)
	}
	photo, err := r.land(ctx, r.report.Results[c.request].Label, c)
	if twice := (*curate.DuplicateError)(nil); errors.As(err, &twice) && twice.Photo.Deleted.IsZero() && placeOf(twice.Photo.Source) == c.at {
		r.known[c.at] = known{size: twice.Photo.Size, label: twice.Photo.Label}
		return r.there(c.request, c.at) // Another run has brought it meanwhile.
	}
	if err != nil {
		r.keep(c.item, c.at, err, &photo)
		return r.settle(c.request, Event{}, err)
	}
	if r.Refusals != nil {
		r.present[named{photo.Name, photo.Size}] = true
	}
	r.known[c.at] = known{size: photo.Size, label: photo.Label, counted: true}
	r.filled[c.request]++
	return r.settle(c.request, Event{Photo: &photo}, nil)
}

// remembers reports whether it is kept that an item is refused. Those at hand are looked at each time: that costs little, and
// their owner may have mended them.
func remembers(r *Refusals, item Item) bool { return r != nil && item.Size == 0 }

// keep keeps why an item is refused, if it is for good.
func (r *run) keep(item Item, at place, err error, like *curate.Photo) {
	var why *Refusal
	if !remembers(r.Refusals, item) || !errors.As(err, &why) {
		return
	}
	if err := r.Refusals.keep(at, why, r.MinSide, like); err != nil && r.Forgotten != nil {
		r.Forgotten(err)
	}
}

// A candidate is a photo that was read.
type candidate struct {
	request int
	item    Item
	at      place
	data    []byte

	looked chan struct{} // Closed when what follows is known.
	kind   picture.Kind
	looks  curate.Fingerprint
	err    error // A *Refusal, or the context's.
}

// look finds out whether a candidate is a good photo, and what it looks like if that is wanted.
// It is decoded in any case: a photo that is damaged in its middle has a good header, and may have a good end.
func (c *candidate) look(ctx context.Context, minSide int, compared bool, pixels *semaphore.Weighted) error {
	e, err := picture.Parse(c.data)
	if err != nil {
		return badPicture(err, c.item)
	}
	c.kind = e.Kind
	if min(e.Width, e.Height) < minSide {
		return refuse(TooSmall, c.item.path(), "has %d x %d pixels, and its shorter side is below the least of %d", e.Width, e.Height, minSide)
	}
	size := int64(e.Width) * int64(e.Height)
	if err := pixels.Acquire(ctx, size); err != nil {
		return fmt.Errorf("looking at %s: %w", c.item.path(), err)
	}
	defer pixels.Release(size)
	img, err := picture.Decode(e)
	switch {
	case picture.ReasonOf(err) == picture.Unsupported: // The engine knows more kinds than Go does.
	case err != nil && cutOff(e):
		return badPicture(&picture.Error{Reason: picture.Truncated, Detail: "is a JPEG that ends too early: download or copy it again", Err: err}, c.item)
	case err != nil:
		return badPicture(err, c.item)
	case compared:
		c.looks = curate.FingerprintOf(img)
	}
	return nil
}

// path is what a user calls the item.
func (i Item) path() string {
	if i.Source.ID != "" {
		return i.Source.ID
	}
	return i.Source.From
}

// settle counts what became of an item and tells of it. The result is err unless that is a refusal.
func (r *run) settle(i int, e Event, err error) error {
	if err != nil && !errors.As(err, &e.Refusal) {
		return err
	}
	e.Request = i
	var none Result
	result := &none
	if i >= 0 {
		result = &r.report.Results[i]
	}
	switch {
	case e.Refusal != nil:
		result.Refused++
		r.report.Reasons[e.Refusal.Reason]++
		if i >= 0 {
			result.Reasons[e.Refusal.Reason]++
		}
	case e.Photo != nil:
		result.Landed++
	default:
		result.There++
	}
	e.Counts = result.Counts
	if r.Observe != nil {
		r.Observe(e)
	}
	return nil
}

// land adds a photo that was found good to the dataset. The error may be a *Refusal; where that is because of a photo that is
// there, it gives that one.
func (r *run) land(ctx context.Context, label string, c *candidate) (curate.Photo, error) {
	item := c.item
	if item.Source.Retrieved.IsZero() {
		item.Source.Retrieved = r.time().UTC().Truncate(time.Second)
	}
	photo, err := r.Library.Add(ctx, curate.Addition{
		Label: label, Name: fileName(item.Name, c.kind), Data: c.data, Source: item.Source, Batch: r.batch,
		Distinct: r.Comparer != nil, Fingerprint: c.looks,
	})
	var (
		twice *curate.DuplicateError
		near  *curate.NearDuplicateError
	)
	switch {
	case err == nil:
		return photo, nil
	case errors.As(err, &twice) && !twice.Photo.Deleted.IsZero():
		return twice.Photo, refuse(Deleted, item.path(), "is the same photo as %s, which was deleted from this dataset: restore it from the trash if you want it back",
			twice.Photo.Name)
	case errors.As(err, &twice):
		refusal := refuse(Duplicate, item.path(), "is the same photo as %s of %s, which is in the dataset already", twice.Photo.Name, twice.Photo.Label)
		refusal.Err = err
		return twice.Photo, refusal
	case errors.As(err, &near) && !near.Photo.Deleted.IsZero():
		return near.Photo, refuse(NearDuplicate, item.path(), "looks like %s of %s, which was deleted from this dataset: restore that from the trash if you want it back",
			near.Photo.Name, near.Photo.Label)
	case errors.As(err, &near):
		return near.Photo, refuse(NearDuplicate, item.path(), "looks like %s of %s, which is in the dataset already", near.Photo.Name, near.Photo.Label)
	case picture.ReasonOf(err) != "":
		return photo, badPicture(err, item)
	}
	return photo, fmt.Errorf("adding %s to the dataset: %w", item.path(), err)
}

func (r *run) time() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

// read reads the bytes of an item, of which there may not be too many.
func read(ctx context.Context, item Item) ([]byte, error) {
	body, err := item.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer body.Close() //nolint:errcheck // It was only read.
	data, err := io.ReadAll(io.LimitReader(body, picture.MaxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > picture.MaxFileBytes {
		return nil, tooLarge(item.path())
	}
	return data, nil
}

// cutOff reports whether a JPEG that cannot be decoded has no end (ITU-T T.81, B.2.1: the marker EOI) near its last bytes.
func cutOff(e picture.Encoded) bool {
	const near = 4096 // Some programs put something of their own behind the picture.
	return e.Kind == picture.JPEG && !bytes.Contains(e.Data[max(0, len(e.Data)-near):], []byte("\xff\xd9"))
}

// badPicture makes a refusal of an error of package picture.
func badPicture(err error, item Item) *Refusal {
	return &Refusal{Reason: picture.ReasonOf(err), Name: item.path(), Detail: err.Error(), Err: err}
}
