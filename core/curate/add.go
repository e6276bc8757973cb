package curate

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kaika/core/picture"
)

// A Source says where a photo came from. Any part may be missing.
type Source struct {
	Kind       string    `json:"kind,omitempty"` // "folder", "tar", "flickr", "openverse" and the like.
	ID         string    `json:"id,omitempty"`   // At that source.
	Title      string    `json:"title,omitempty"`
	Author     string    `json:"author,omitempty"`
	AuthorURL  string    `json:"author_url,omitempty"`
	PageURL    string    `json:"page_url,omitempty"`
	License    string    `json:"license,omitempty"`
	LicenseURL string    `json:"license_url,omitempty"`
	Taken      time.Time `json:"taken,omitzero"`
	Retrieved  time.Time `json:"retrieved,omitzero"`
	From       string    `json:"from,omitempty"` // The file or the address that the bytes were read from.
}

// An Addition is a new photo.
type Addition struct {
	Label  string // Is made if there is none, as LabelNamed says.
	Name   string // The file's base name, with the ending of a picture; gets a number if it is taken.
	Data   []byte // The file's bytes.
	Source Source
	Batch  string // Additions one after the other with the same name here, if any, are one step for Undo.

	// Distinct asks to refuse the photo where one that is there, or in the trash, looks like it. Fingerprints must have been
	// called: others are not compared.
	Distinct    bool
	Fingerprint Fingerprint // Of its upright picture; needed only then.
}

// A DuplicateError says that the bytes of an added photo are in the dataset already.
type DuplicateError struct {
	Photo Photo // The one that is there, maybe in the trash.
}

// Error names the photo that is there.
func (e *DuplicateError) Error() string {
	if !e.Photo.Deleted.IsZero() {
		return fmt.Sprintf("the same photo is in the trash, as %q of the label %q: restore it from there, or empty the trash first", e.Photo.Name, e.Photo.Label)
	}
	return fmt.Sprintf("the same photo is in the dataset already, as %q of the label %q", e.Photo.Name, e.Photo.Label)
}

// Add writes a new photo under a label: all of it or nothing. The error is a *DuplicateError if a photo with the same
// bytes is there, a *NearDuplicateError if one looks like it and that is asked for, a *picture.Error if the bytes are none, and otherwise as those of Move.
func (l *Library) Add(ctx context.Context, a Addition) (Photo, error) {
	what := fmt.Sprintf("add %q to the label %q", a.Name, a.Label)
	if a.Name != filepath.Base(a.Name) || strings.ContainsAny(a.Name, "/\\\x00") || !picture.IsName(a.Name) {
		return Photo{}, fmt.Errorf("%s: a photo needs a name like rose.jpg", what)
	}
	encoded, err := picture.Parse(a.Data)
	if err != nil {
		return Photo{}, fmt.Errorf("%s: it %w", what, err)
	}
	e := entry{digest: picture.Sum(a.Data), hashed: true, source: a.Source}
	e.width, e.height = upright(encoded)
	var added *entry
	err = l.change(ctx, what, func() error {
		added, err = l.add(ctx, a, e)
		return err
	})
	if err != nil {
		return Photo{}, err
	}
	return added.photo(), nil
}

func (l *Library) add(ctx context.Context, a Addition, e entry) (*entry, error) {
	a.Label = l.index.named(a.Label)
	if _, known := l.index.labels[a.Label]; !known {
		if err := checkLabel(a.Label, l.index.labels); err != nil {
			return nil, err
		}
	}
	if same := l.duplicate(ctx, int64(len(a.Data)), e.digest); same != nil {
		return nil, &DuplicateError{same.photo()}
	}
	if a.Distinct {
		if err := l.loadFingerprints(ctx); err != nil {
			return nil, err
		}
		if alike := l.alike(a.Fingerprint); alike != nil {
			return nil, &NearDuplicateError{alike.photo()}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(l.abs(temporary), 0o755); err != nil {
		return nil, l.refused(err)
	}
	temp := fmt.Sprintf("%s/%d%s", temporary, l.next, path.Ext(a.Name))
	if err := ignoreMissing(os.Remove(l.abs(temp))); err != nil {
		return nil, l.refused(err)
	}
	if err := writeFile(l.abs(temp), a.Data); err != nil {
		return nil, errors.Join(l.refused(err), ignoreMissing(os.Remove(l.abs(temp))))
	}
	kept, err := l.place(ctx, a, e, temp)
	if err != nil {
		return nil, errors.Join(l.refused(err), ignoreMissing(os.Remove(l.abs(temp))))
	}
	return kept, nil
}

// place gives a photo that was written its name, and notes that it was added.
func (l *Library) place(ctx context.Context, a Addition, e entry, temp string) (kept *entry, err error) {
	s := &step{kind: Added, label: a.Label, batch: a.Batch, at: l.now(), state: done}
	made := os.Mkdir(l.abs(a.Label), 0o755)
	if made == nil {
		s.items = append(s.items, item{op: makeDirOp, to: a.Label, state: inEffect})
		defer func() {
			if err != nil {
				err = errors.Join(err, os.Remove(l.abs(a.Label)))
			}
		}()
	} else if !errors.Is(made, fs.ErrExist) {
		return nil, made
	}
	e.id, e.added = l.next, l.now()
	if a.Source != (Source{}) {
		r := SourceRecord{Digest: e.digest, Size: int64(len(a.Data)), File: a.Label + "/" + a.Name, Added: e.added, Source: a.Source}
		if err := l.appendSource(r); err != nil {
			return nil, err
		}
	}
	rel := a.Label + "/" + a.Name
	err = fs.ErrExist
	for attempts := 0; errors.Is(err, fs.ErrExist) && attempts < 100; attempts++ {
		rel = l.newNames().free(a.Label + "/" + a.Name)
		err = moveFile(l.abs(temp), l.abs(rel), l.temp(0, 0, rel))
	}
	if err != nil {
		return nil, err
	}
	f, err := statFile(l.dir, rel)
	if err != nil {
		return nil, err
	}
	e.file = f
	kept = e.at(f, e.added)
	l.next++
	l.mu.Lock()
	l.index.put(kept)
	l.mu.Unlock()
	if g := l.together[a.Batch]; g != nil {
		g.photos = append(g.photos, kept.id)
		if made == nil {
			g.folders = append(g.folders, a.Label)
		}
	}
	s.items = append(s.items, item{op: moveFileOp, photo: kept.id, from: trashDir + "/" + rel, to: rel, state: inEffect})
	l.noteAdded(ctx, s, kept, a)
	return kept, nil
}

// noteAdded journals that a photo was added. If that cannot be done, it cannot be undone.
func (l *Library) noteAdded(ctx context.Context, s *step, e *entry, a Addition) {
	ctx = context.WithoutCancel(ctx) // It has happened, whatever becomes of who wanted it.
	if a.Distinct {
		l.index.fingerprints[e.digest] = a.Fingerprint
	}
	count := 1
	err := l.record(ctx, func(tx *sql.Tx) error {
		last := l.undo
		if s.batch != "" && last != nil && last.Kind == Added && last.batch == s.batch && last.Label == s.label {
			s.id = last.id
			count += last.Count
			var n int
			if err := tx.QueryRowContext(ctx, "SELECT max(n) + 1 FROM item WHERE step = ?", s.id).Scan(&n); err != nil {
				return err
			}
			for i := range s.items {
				s.items[i].n = n + i
			}
			if err := saveItems(ctx, tx, s); err != nil {
				return err
			}
		} else {
			for i := range s.items {
				s.items[i].n = i
			}
			if err := insertStep(ctx, tx, s); err != nil {
				return err
			}
		}
		if err := forgetUndone(ctx, tx); err != nil {
			return err
		}
		if a.Distinct {
			if err := saveFingerprint(ctx, tx, e.digest, a.Fingerprint); err != nil {
				return err
			}
		}
		return savePhotos(ctx, tx, []*entry{e})
	})
	if err != nil {
		l.adrift = true
		l.examine(err)
		l.log.Warn("a photo was added that cannot be written to the catalog yet", "folder", l.dir, "error", err)
		return
	}
	l.mu.Lock()
	l.undo, l.redo = &offer{s.action(count), s.id, s.batch}, nil
	l.mu.Unlock()
	l.known = true
}

// duplicate returns a photo with the same bytes, or nil. Only files of the same size are read, and those only once.
func (l *Library) duplicate(ctx context.Context, size int64, digest picture.Digest) *entry {
	var inLabel, deleted *entry
	for _, e := range l.sameSize(size) {
		if f, err := statFile(l.dir, e.rel); err != nil || !f.sameStamp(e.file) {
			l.stale = true
			continue // What it was is no more. What it is now, the end of this turn finds out.
		}
		if !e.hashed {
			read, err := sum(ctx, l.abs(e.rel))
			if err != nil {
				continue
			}
			known := *e
			known.digest, known.hashed = read, true
			l.learn(ctx, []*entry{&known})
			e = &known
		}
		switch {
		case e.digest != digest:
		case inTrash(e.rel):
			deleted = e
		default:
			inLabel = e
		}
	}
	if inLabel != nil {
		return inLabel
	}
	return deleted
}

func (l *Library) sameSize(size int64) []*entry {
	var same []*entry
	for _, e := range l.index.byRel {
		if e.size == size {
			same = append(same, e)
		}
	}
	return same
}

// Digest returns the digest of a photo's bytes. It is kept until the file changes.
func (l *Library) Digest(ctx context.Context, id ID) (picture.Digest, error) {
	l.mu.RLock()
	e := l.index.byID[l.resolve(id)]
	l.mu.RUnlock()
	if e == nil {
		return picture.Digest{}, fmt.Errorf("find the digest of photo %d: %w", id, fs.ErrNotExist)
	}
	at := l.abs(e.rel)
	f, err := statFile(l.dir, e.rel)
	if err != nil {
		return picture.Digest{}, fmt.Errorf("find the digest of %s: %w", at, cause(err))
	}
	if e.hashed && e.sameStamp(f) {
		return e.digest, nil
	}
	read, _, err := l.look(ctx, e)
	if err != nil {
		return picture.Digest{}, fmt.Errorf("find the digest of %s: %w", at, cause(err))
	}
	if e.sameStamp(f) && l.take(ctx) == nil {
		l.learn(ctx, []*entry{read})
		<-l.turn
	}
	return read.digest, nil
}

// Hash reads all photos whose digest is not known, and keeps it and the size in pixels in the catalog. It calls progress,
// which may be nil, with the number of photos read and to read, from one goroutine at a time. A photo that cannot be
// read is left out. The error is the context's, or that of the catalog.
func (l *Library) Hash(ctx context.Context, progress func(done, total int)) error {
	const what = "find the digests of the photos"
	if err := l.change(ctx, what, func() error { return nil }); err != nil && !errors.Is(err, ErrReadOnly) {
		return err // A dataset that can only be looked at keeps them in memory.
	}
	var unknown []*entry
	l.mu.RLock()
	for _, e := range l.index.byRel {
		if !e.hashed {
			unknown = append(unknown, e)
		}
	}
	l.mu.RUnlock()
	slices.SortFunc(unknown, func(a, b *entry) int { return strings.Compare(a.rel, b.rel) })
	if progress == nil {
		progress = func(int, int) {}
	}
	const batch = 128
	done := 0
	progress(done, len(unknown))
	for some := range slices.Chunk(unknown, batch) {
		read := make([]*entry, len(some))
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(readers())
		var mu sync.Mutex
		for i, e := range some {
			group.Go(func() error {
				read[i], _, _ = l.look(groupCtx, e) // Nil for one that cannot be read.
				mu.Lock()
				defer mu.Unlock()
				done++
				progress(done, len(unknown))
				return groupCtx.Err()
			})
		}
		stopped := group.Wait()
		if err := l.take(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		l.learn(ctx, slices.DeleteFunc(read, func(e *entry) bool { return e == nil }))
		<-l.turn
		if stopped != nil {
			return fmt.Errorf("%s: %w", what, stopped)
		}
	}
	return nil
}

// look reads a photo, and returns what is known of it then, and the picture in it, whose Data is nil where there is none.
func (l *Library) look(ctx context.Context, e *entry) (*entry, picture.Encoded, error) {
	known := *e
	encoded, digest, err := picture.Read(ctx, l.abs(e.rel))
	switch {
	case err == nil:
		known.width, known.height = upright(encoded)
	case ctx.Err() != nil:
		return nil, encoded, ctx.Err()
	case digest == picture.Digest{}:
		if digest, err = sum(ctx, l.abs(e.rel)); err != nil {
			return nil, encoded, err
		}
	}
	known.digest, known.hashed = digest, true
	return &known, encoded, nil
}

// learn keeps what was found out about photos, unless they are not what they were by now, in memory or on the disk. Its caller has the turn. The
// lock need not be held: nothing is said that others would have to know.
func (l *Library) learn(ctx context.Context, read []*entry) {
	read = slices.DeleteFunc(read, func(e *entry) bool {
		f, err := statFile(l.dir, e.rel)
		return err != nil || !f.sameStamp(e.file)
	})
	l.mu.Lock()
	read = slices.DeleteFunc(read, func(e *entry) bool {
		now := l.index.byID[e.id]
		if now == nil || now.rel != e.rel || !now.sameStamp(e.file) {
			return true
		}
		known := *now
		known.digest, known.hashed, known.width, known.height = e.digest, true, e.width, e.height
		l.index.know(&known)
		return false
	})
	l.mu.Unlock()
	if l.catalog == nil || len(read) == 0 {
		return
	}
	ctx = context.WithoutCancel(ctx)
	err := l.catalog.write(ctx, func(tx *sql.Tx) error {
		for _, e := range read {
			if _, err := tx.ExecContext(ctx, "UPDATE photo SET digest = ?, width = ?, height = ? WHERE id = ? AND size = ? AND mtime = ?",
				e.digest[:], e.width, e.height, int64(e.id), e.size, e.mtime); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.examine(err)
		l.log.Warn("digests of photos cannot be kept, and will be computed again", "folder", l.dir, "error", err)
	}
}

// upright returns the width and height of a picture after the turn that it asks for.
func upright(e picture.Encoded) (width, height int) {
	const firstTurned = 5 // TIFF 6.0, tag 274: 5 to 8 lie on their side.
	if e.Orientation >= firstTurned {
		return e.Height, e.Width
	}
	return e.Width, e.Height
}

// readers is the number of files that are read at once.
func readers() int { return min(runtime.GOMAXPROCS(0), 8) }

// sum returns the digest of a file's bytes.
func sum(ctx context.Context, path string) (digest picture.Digest, err error) {
	f, err := os.Open(path)
	if err != nil {
		return digest, err
	}
	defer f.Close() //nolint:errcheck // It was only read.
	hash := sha256.New()
	for {
		if err := ctx.Err(); err != nil {
			return digest, err
		}
		const piece = 4 << 20
		if _, err := io.CopyN(hash, f, piece); errors.Is(err, io.EOF) {
			hash.Sum(digest[:0])
			return digest, nil
		} else if err != nil {
			return digest, err
		}
	}
}
