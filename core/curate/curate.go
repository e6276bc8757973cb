// Package curate is a dataset as a person looks through it and corrects it: photos are moved to another label, deleted
// to a trash, brought back and added, and every step can be undone, also after a restart.
//
// The folders are the truth, as package dataset reads them: one folder for each label, photos anywhere below it. What a
// folder cannot hold lies beside it in the hidden folder .kaika:
//
//	.kaika/catalog.db     what is known of each photo (its number, digest, size, source) and the journal of steps
//	.kaika/sources.jsonl  where photos came from, by the digest of their bytes, one JSON object a line
//	.kaika/trash/         deleted photos, each below a folder with the name of its label
//	.kaika/tmp/           photos that are being written
//	.kaika/lock           is locked while a process changes the dataset
//	.kaika/unfinished-*   stands for photos that come in together, such as of an import, and is locked until all are there
//
// The catalog may be deleted at any time; it is made anew from the rest, and only the steps to undo are lost. Nothing is
// written, and .kaika is not made, before something has to be.
//
// Several processes may have one dataset open. They take turns: who changes something holds the lock, and first takes
// over what the others did. The journal is shared, so Undo takes back the newest step of whoever made it. A step that
// was begun and not ended by the one who now holds the lock belongs to a process that died; what became of it is read
// off the folders.
package curate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"kaika/core/dataset"
)

// An ID is the number of a photo. It stays the same as long as the catalog lives: also when the photo is moved, deleted
// and brought back, and when another program renames it.
type ID int64

// A Photo is what is known of one photo.
type Photo struct {
	ID            ID
	Label         string // The name of its label folder; in the trash the one that it had.
	Path          string // Absolute; in the trash its place there.
	Name          string // The base name of Path.
	Size          int64  // Bytes.
	ModTime       time.Time
	Added         time.Time // When it came into the dataset; its ModTime where nobody saw it come.
	Width, Height int       // In pixels, upright; 0 where unknown.
	Deleted       time.Time // When it went to the trash; zero for a photo that is not there.
	Source        Source
}

// A LabelCount is a label, and how many photos it has, those in the trash left out.
type LabelCount struct {
	Name   string
	Photos int
}

// A Query says which photos are wanted, and in what order.
type Query struct {
	Labels []string // Photos of these labels; nil for all.
	Trash  bool     // The photos in the trash instead of the others.
	Sort   Sort
	IDs    []ID // Only these, such as the photos behind a cell of a confusion matrix; nil for all.
}

// A Sort is an order of photos, such as ByAdded or ByName|Descending. Photos that are equal in it are in the natural
// order of their names.
type Sort int

// The orders. ByName is the natural one: "img2" comes before "img10", and case does not count.
const (
	ByName Sort = iota
	ByAdded
	ByModified
	BySize // In bytes.
	ByLabel
	ByDeleted

	Descending Sort = 1 << 8 // Turns an order round.
)

// Options are the parts of a Library that its user hands in.
type Options struct {
	Log *slog.Logger // Nil for none.
}

// A Change says what has changed since the last one.
type Change struct {
	Added    []ID // New photos.
	Changed  []ID // Photos that were moved, renamed, deleted to the trash, brought back, or are not what they were.
	Removed  []ID // Photos that are not there any more, neither with a label nor in the trash.
	Labels   bool // Whether a label came, went or has another number of photos.
	External bool // Whether another program, or another window of this one, did it.
}

// Open opens the dataset in the folder dir, which has to exist and may be empty. Which folders are labels and which
// files are photos is what [dataset.Open] says, but labels may be empty, and there may be any number of them. Nothing is
// written in a folder that has no catalog. A folder that may not be written can be looked at all the same.
//
// The error is [dataset.ErrNoFolder] by errors.Is, or the context's.
func Open(ctx context.Context, dir string, o Options) (*Library, error) { return open(ctx, dir, o) }

// Create makes the folder dir with a folder for each label, and opens it. The folder may exist, if it is empty.
func Create(ctx context.Context, dir string, labels []string, o Options) (*Library, error) {
	known := make(map[string]int, len(labels))
	for _, name := range labels {
		if err := checkLabel(name, known); err != nil {
			return nil, fmt.Errorf("make the dataset %s: %w", dir, err)
		}
		known[name] = 0
	}
	switch entries, err := os.ReadDir(dir); {
	case err == nil && len(entries) > 0:
		return nil, fmt.Errorf("make the dataset %s: the folder is there and not empty: open it, or choose another name: %w", dir, fs.ErrExist)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("make the dataset: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the dataset: %w", err)
	}
	for _, name := range labels {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return nil, fmt.Errorf("make the dataset: %w", err)
		}
	}
	return Open(ctx, dir, o)
}

// Dir returns the absolute path of the dataset's folder.
func (l *Library) Dir() string { return l.dir }

// Close waits for what is being done, ends Watch, and closes the catalog. After it nothing can be changed.
func (l *Library) Close() error {
	l.closing.Lock()
	l.closer.Do(func() { close(l.closed) })
	l.closing.Unlock()
	l.watch.Wait()
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	if l.catalog == nil {
		return nil
	}
	err := l.catalog.close()
	l.catalog = nil
	if err != nil {
		return fmt.Errorf("close the catalog of %s: %w", l.dir, err)
	}
	return nil
}

// Labels returns all labels in bytewise order, also those without photos.
func (l *Library) Labels() []LabelCount {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.index.counts()
}

// Photos returns the photos that are asked for, in the order that is asked for.
func (l *Library) Photos(q Query) []Photo {
	entries := l.entries(q)
	photos := make([]Photo, len(entries))
	for i, e := range entries {
		photos[i] = e.photo()
	}
	return photos
}

// entries returns what is known of the photos that are asked for.
func (l *Library) entries(q Query) []*entry {
	l.mu.RLock()
	var ids map[ID]bool
	if q.IDs != nil {
		ids = make(map[ID]bool, len(q.IDs))
		for _, id := range q.IDs {
			ids[l.resolve(id)] = true
		}
	}
	l.sorting.Lock()
	all := l.index.sorted()
	l.sorting.Unlock()
	l.mu.RUnlock()
	found := make([]*entry, 0, len(all))
	for _, e := range all {
		if (ids == nil || ids[e.id]) && q.wants(e) {
			found = append(found, e)
		}
	}
	return q.Sort.arrange(found)
}

// Photo returns one photo.
func (l *Library) Photo(id ID) (Photo, bool) {
	l.mu.RLock()
	e := l.index.byID[l.resolve(id)]
	l.mu.RUnlock()
	if e == nil || !e.gone.IsZero() {
		return Photo{}, false
	}
	return e.photo(), true
}

// Find returns the photo with a path, absolute or relative to the working folder.
func (l *Library) Find(path string) (Photo, bool) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Photo{}, false
	}
	rel, err := filepath.Rel(l.dir, abs)
	if err != nil {
		return Photo{}, false
	}
	l.mu.RLock()
	e := l.index.byRel[filepath.ToSlash(rel)]
	l.mu.RUnlock()
	if e == nil {
		return Photo{}, false
	}
	return e.photo(), true
}

// Skipped returns what lies in the folder and is no part of the dataset though its owner may have meant it to be, in the
// order of path, with the reasons of [dataset.Open]. A label without photos is not among them.
func (l *Library) Skipped() []dataset.Skip {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.index.skipped)
}

// Subscribe calls f after every change, from the goroutine that made it, while no lock is held: f may call any method
// but Close. Two changes made at the same time may be told in any order, so f best asks anew for what it shows. Once
// unsubscribe has returned, at most a call that was about to begin comes.
func (l *Library) Subscribe(f func(Change)) (unsubscribe func()) {
	key := &f
	l.subscribing.Lock()
	defer l.subscribing.Unlock()
	l.subscribers[key] = true
	return func() {
		l.subscribing.Lock()
		defer l.subscribing.Unlock()
		delete(l.subscribers, key)
	}
}
