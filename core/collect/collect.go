// Package collect brings photos into a dataset: it asks a source for them, looks at each, and hands those that are good to
// the dataset, with a word about where they came from.
//
// A source is one file of this package that implements Source: the photos of a folder, of an archive, or of a service. What
// a source gives is not trusted. The Collector decides what lands, counts what does not by its reason, and has the next
// photo take the place of a refused one.
package collect

import (
	"context"
	"fmt"
	"io"
	"iter"

	"kaika/core/curate"
	"kaika/core/picture"
)

// A Request asks a source for photos.
type Request struct {
	Keyword string `json:"keyword"` // What to look for: words, or the name of a label folder, "" for the photos that lie in none.
	Label   string `json:"label"`   // The label that they get in the dataset.
	Count   int    `json:"count"`   // The photos wanted under the label, those that an earlier run brought included; 0 for all there are.
}

// A Source gives photos, the best first.
//
// What a user chooses for all requests alike, such as licences or an account, is a field of the source. Paging, the pace
// that a service asks for, and trying again after passing troubles are the source's own business.
type Source interface {
	// Name is what a user calls the source, such as the path of a folder.
	Name() string
	// Search gives the photos of a request one by one, as long as the caller wants more and there are any. How many the
	// request asks for, only the caller counts, because it refuses some.
	//
	// An error that is a *Refusal is about one photo, and the next one follows. Any other error is the last thing that
	// comes; it says what to do. When ctx is done it comes soon, and wraps the context's error.
	Search(ctx context.Context, r Request) iter.Seq2[Item, error]
}

// A OnePass is a Source that gives the photos of several requests in one go, in an order of its own. Unpacking an archive
// once for each label would take long.
type OnePass interface {
	Source
	// SearchAll is Search for several requests, no two of which have the same keyword. It gives each photo that fits one of
	// them, and refusals also of what fits none.
	SearchAll(ctx context.Context, requests []Request) iter.Seq2[Item, error]
}

// A Local is a source that is all at hand, and so knows what it holds.
type Local interface {
	OnePass
	// Contents lists the keywords that can be asked for with the number of photos behind each, by their names: nobody has
	// looked inside yet. The order is bytewise.
	Contents(ctx context.Context) ([]curate.LabelCount, error)
}

// An Item is a photo that a source offers.
type Item struct {
	Keyword string        // Of the request that it belongs to.
	Source  curate.Source // What the source knows of it. It is known again in later runs by Kind and ID, or where that is none, by From.
	Name    string        // The base name of its file as it is at the source.
	Size    int64         // In bytes; 0 while unknown.
	// Open gives the bytes of its file. It is called before the next item is asked for, and may be called only then, at
	// most once. Errors, also those of reading, are as those of Search.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// The reasons for a refusal beside those of package picture.
const (
	Duplicate picture.Reason = "duplicate"   // The dataset has a photo with the same bytes.
	Deleted   picture.Reason = "deleted"     // It was collected before and lies in the dataset's trash.
	TooSmall  picture.Reason = "too_small"   // Its shorter side is below Collector.MinSide.
	Link      picture.Reason = "link"        // A link in an archive, which could lead anywhere.
	Unsafe    picture.Reason = "unsafe_name" // A name in an archive that leads out of the folder.
	Encrypted picture.Reason = "encrypted"   // It needs a password.

	// NearDuplicate is for a photo that looks like one of the dataset, or of its trash.
	NearDuplicate picture.Reason = "near_duplicate"
)

// A Refusal says why one photo does not come into the dataset. It is an answer about one photo, never a cause to stop.
type Refusal struct { //nolint:errname // It is an answer more often than an error.
	Reason picture.Reason
	Name   string // What was refused, as its source calls it: a path or an address.
	Detail string // The rest of a sentence that begins with the name, and where there is one, a way out.
	Err    error  // What the operating system or a decoder said, or nil.
}

// Error returns name and detail as one sentence.
func (r *Refusal) Error() string { return r.Name + " " + r.Detail }

// Unwrap returns Err.
func (r *Refusal) Unwrap() error { return r.Err }

func refuse(reason picture.Reason, name, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Name: name, Detail: fmt.Sprintf(format, args...)}
}

// refuseBy refuses what cannot be read, in the words of package picture where the error has some.
func refuseBy(err error, name string) *Refusal {
	return &Refusal{Reason: picture.Unreadable, Name: name, Detail: "cannot be read: " + explain(err), Err: err}
}
