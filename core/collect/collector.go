package collect

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

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

var _ Library = (*curate.Library)(nil)

// A Collector brings the photos of a source into a dataset.
type Collector struct {
	Library Library
	Source  Source
	MinSide int              // The least length of a photo's shorter side, in pixels.
	Observe func(Event)      // Is told of each photo, from the goroutine that calls Run; may be nil.
	Now     func() time.Time // A clock; nil for the real one.
}

// Counts say what became of the photos of a request.
type Counts struct {
	Landed  int // New in the dataset.
	There   int // In the dataset since an earlier run.
	Refused int
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

	Reasons   map[picture.Reason]int // Refusals by their reasons.
	Exhausted bool                   // Whether the source had no more before Count was reached. Never for a Count of 0.
}

// A Report is what became of all requests.
type Report struct {
	Results []Result               // In the order of the requests.
	Reasons map[picture.Reason]int // All refusals by their reasons, also those that belong to no request.
}

// Run collects until each request has its photos or the source has no more. Photos that an earlier run brought from the same
// place are not read again and count as well, so a run that was stopped, or killed, goes on where it was. One that the user
// has deleted since does not come again.
//
// The report holds what was done in any case. The error is the context's, or says in a sentence why the source or the
// dataset cannot go on; what has landed stays.
func (c *Collector) Run(ctx context.Context, requests []Request) (Report, error) {
	r := run{Collector: c, byKeyword: map[string]int{}, known: map[place]known{}, batch: "collect " + rand.Text()}
	r.report.Reasons = map[picture.Reason]int{}
	for i, request := range requests {
		if _, twice := r.byKeyword[request.Keyword]; twice {
			return Report{}, fmt.Errorf("the photos of %q are asked for twice: once is enough", request.Keyword)
		}
		r.byKeyword[request.Keyword] = i
		r.report.Results = append(r.report.Results, Result{Request: request, Reasons: map[picture.Reason]int{}})
	}
	r.filled = make([]int, len(requests))
	for _, trash := range []bool{false, true} {
		for _, p := range c.Library.Photos(curate.Query{Trash: trash}) {
			if p.Source.Kind != "" {
				r.known[placeOf(p.Source)] = known{p.Size, p.Label, trash}
			}
		}
	}
	err := r.all(ctx, requests)
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
	byKeyword map[string]int  // Indices of the requests.
	filled    []int           // By request: the photos that count for it.
	known     map[place]known // Photos of the dataset by where they came from.
	batch     string          // Makes one step for Undo of the photos of a label.
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
}

// wants reports whether request i needs more photos.
func (r *run) wants(i int) bool {
	count := r.report.Results[i].Count
	return count <= 0 || r.filled[i] < count
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

// take takes items while more are wanted.
func (r *run) take(ctx context.Context, items iter.Seq2[Item, error], more func() bool) error {
	for item, err := range items {
		if err == nil {
			err = ctx.Err()
		}
		i, ok := r.byKeyword[item.Keyword]
		if !ok {
			i = -1
		}
		switch {
		case err != nil:
			err = r.settle(i, Event{}, err)
		case i >= 0 && r.wants(i):
			err = r.one(ctx, i, item)
		}
		if err != nil {
			return err
		}
		if !more() {
			return nil
		}
	}
	return ctx.Err()
}

// one sees to one item of request i.
func (r *run) one(ctx context.Context, i int, item Item) error {
	at := placeOf(item.Source)
	k, ok := r.known[at]
	if ok && (item.Size == 0 || item.Size == k.size) {
		if k.deleted {
			return r.settle(i, Event{}, refuse(Deleted, item.path(), "was deleted from this dataset: restore it from the trash if you want it back"))
		}
		if k.label == r.report.Results[i].Label {
			r.filled[i]++
		}
		return r.settle(i, Event{}, nil)
	}
	photo, err := r.land(ctx, r.report.Results[i].Label, item)
	if err != nil {
		return r.settle(i, Event{}, err)
	}
	r.known[at] = known{photo.Size, photo.Label, false}
	r.filled[i]++
	return r.settle(i, Event{Photo: &photo}, nil)
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

// land reads an item, looks at it and adds it to the dataset. The error may be a *Refusal.
func (r *run) land(ctx context.Context, label string, item Item) (curate.Photo, error) {
	data, err := read(ctx, item)
	if err != nil {
		return curate.Photo{}, err
	}
	e, err := picture.Parse(data)
	if err == nil {
		err = whole(e)
	}
	if err != nil {
		return curate.Photo{}, badPicture(err, item)
	}
	if min(e.Width, e.Height) < r.MinSide {
		return curate.Photo{}, refuse(TooSmall, item.path(), "has %d x %d pixels, and its shorter side is below the least of %d", e.Width, e.Height, r.MinSide)
	}
	if item.Source.Retrieved.IsZero() {
		item.Source.Retrieved = r.time().UTC().Truncate(time.Second)
	}
	photo, err := r.Library.Add(ctx, curate.Addition{
		Label: label, Name: fileName(item.Name, e.Kind), Data: data, Source: item.Source, Batch: r.batch,
	})
	var twice *curate.DuplicateError
	switch {
	case err == nil:
		return photo, nil
	case errors.As(err, &twice) && !twice.Photo.Deleted.IsZero():
		return photo, refuse(Deleted, item.path(), "is the same photo as %s, which was deleted from this dataset: restore it from the trash if you want it back",
			twice.Photo.Name)
	case errors.As(err, &twice):
		return photo, refuse(Duplicate, item.path(), "is the same photo as %s of %s, which is in the dataset already", twice.Photo.Name, twice.Photo.Label)
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

// whole finds a JPEG that was cut off among its pixels, which its header does not show. Only one without an end (ITU-T T.81,
// B.2.1: the marker EOI) near its last bytes is decoded to find out: decoding all would take longer than all the rest.
func whole(e picture.Encoded) error {
	const near = 4096 // Some programs put something of their own behind the picture.
	if e.Kind != picture.JPEG || bytes.Contains(e.Data[max(0, len(e.Data)-near):], []byte("\xff\xd9")) {
		return nil
	}
	_, err := picture.Decode(e)
	if err == nil || picture.ReasonOf(err) == picture.Unsupported { // The engine knows more kinds than Go does.
		return nil
	}
	return &picture.Error{Reason: picture.Truncated, Detail: "is a JPEG that ends too early: download or copy it again", Err: err}
}

// badPicture makes a refusal of an error of package picture.
func badPicture(err error, item Item) *Refusal {
	return &Refusal{Reason: picture.ReasonOf(err), Name: item.path(), Detail: err.Error(), Err: err}
}
