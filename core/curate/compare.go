package curate

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"kaika/core/picture"
)

// A NearDuplicateError says that a photo of the dataset looks like an added one.
type NearDuplicateError struct {
	Photo Photo // The one that is there, maybe in the trash.
}

// Error names the photo that is there.
func (e *NearDuplicateError) Error() string {
	if !e.Photo.Deleted.IsZero() {
		return fmt.Sprintf("it looks like a photo that is in the trash, as %q of the label %q: restore that, or empty the trash first", e.Photo.Name, e.Photo.Label)
	}
	return fmt.Sprintf("it looks like a photo that is in the dataset already, %q of the label %q", e.Photo.Name, e.Photo.Label)
}

// Fingerprints looks at all photos, those in the trash too, whose fingerprint is not known, and keeps it in the catalog, so that
// Add can tell what looks alike. It calls progress, which may be nil, with the number of photos looked at and to look at, if
// there are any, from one goroutine at a time. A photo that cannot be decoded looks like no other. The error is the
// context's, or that of the catalog; what was found out until then is kept.
func (l *Library) Fingerprints(ctx context.Context, progress func(done, total int)) error {
	const what = "find out what the photos look like"
	var unknown []*entry
	err := l.change(ctx, what, func() error {
		if err := l.loadFingerprints(ctx); err != nil {
			return err
		}
		for _, e := range l.index.byRel {
			if _, known := l.index.fingerprints[e.digest]; !e.hashed || !known {
				unknown = append(unknown, e)
			}
		}
		return nil
	})
	if err != nil || len(unknown) == 0 {
		return err
	}
	slices.SortFunc(unknown, func(a, b *entry) int { return strings.Compare(a.rel, b.rel) })
	if progress == nil {
		progress = func(int, int) {}
	}
	done := 0
	progress(done, len(unknown))
	v := viewer{Library: l, pixels: semaphore.NewWeighted(picture.MaxPixels), seen: func() {
		done++
		progress(done, len(unknown))
	}}
	const batch = 128
	for some := range slices.Chunk(unknown, batch) {
		if err := v.look(ctx, some); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// A viewer finds out what photos look like.
type viewer struct {
	*Library

	pixels *semaphore.Weighted // Of the pictures that are decoded at once: they take much more memory than their files.

	mu   sync.Mutex
	seen func() // Is told of each photo.
}

// look looks at some photos, and keeps what it found. The error is the context's, or says that the dataset is closed.
func (v *viewer) look(ctx context.Context, some []*entry) error {
	read := make([]*entry, len(some)) // Nil for one that cannot be read.
	found := make([]Fingerprint, len(some))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(readers())
	for i, e := range some {
		group.Go(func() error {
			var encoded picture.Encoded
			if read[i], encoded, _ = v.Library.look(groupCtx, e); encoded.Data != nil {
				size := int64(encoded.Width) * int64(encoded.Height)
				if err := v.pixels.Acquire(groupCtx, size); err != nil {
					read[i] = nil
					return err
				}
				if img, err := picture.Decode(encoded); err == nil {
					found[i] = FingerprintOf(img)
				}
				v.pixels.Release(size)
			}
			v.mu.Lock()
			defer v.mu.Unlock()
			v.seen()
			return groupCtx.Err()
		})
	}
	stopped := group.Wait()
	if err := v.take(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	defer func() { <-v.turn }()
	fingerprints := map[picture.Digest]Fingerprint{}
	var unhashed []*entry
	for i, e := range read {
		if e == nil {
			continue
		}
		fingerprints[e.digest] = found[i]
		if !some[i].hashed {
			unhashed = append(unhashed, e)
		}
	}
	v.learn(ctx, unhashed)
	v.keepFingerprints(ctx, fingerprints)
	return stopped
}

// keepFingerprints keeps what photos look like in memory and in the catalog. Its caller has the turn. The lock need not be held:
// nothing is said that others would have to know.
func (l *Library) keepFingerprints(ctx context.Context, found map[picture.Digest]Fingerprint) {
	maps.Copy(l.index.fingerprints, found)
	if l.catalog == nil || len(found) == 0 {
		return
	}
	err := l.catalog.write(ctx, func(tx *sql.Tx) error {
		for digest, f := range found {
			if err := saveFingerprint(ctx, tx, digest, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.examine(err)
		l.log.Warn("what photos look like cannot be kept, and will be found out again", "folder", l.dir, "error", err)
	}
}

// loadFingerprints reads the fingerprints in the catalog when they are needed for the first time. Its caller has the turn.
func (l *Library) loadFingerprints(ctx context.Context) error {
	if l.index.fingerprints != nil {
		return nil
	}
	known, err := l.catalog.fingerprints(ctx)
	if err != nil {
		return fmt.Errorf("read the catalog of %s: %w", l.dir, err)
	}
	l.index.fingerprints = known
	return nil
}

// alike returns the photo that looks most like a picture, or nil. Those in the trash come after the others.
func (l *Library) alike(f Fingerprint) *entry {
	near := map[picture.Digest]Fingerprint{}
	for digest, other := range l.index.fingerprints {
		if f.Like(other) {
			near[digest] = other
		}
	}
	if len(near) == 0 {
		return nil
	}
	var found []*entry
	for _, e := range l.index.byRel {
		if _, is := near[e.digest]; !is || !e.hashed {
			continue
		}
		if now, err := statFile(l.dir, e.rel); err != nil || !now.sameStamp(e.file) {
			l.stale = true
			continue // What it was is no more. What it is now, the end of this turn finds out.
		}
		found = append(found, e)
	}
	if len(found) == 0 {
		return nil
	}
	distance := func(e *entry) int {
		if inTrash(e.rel) {
			return f.distance(near[e.digest]) + farthest
		}
		return f.distance(near[e.digest])
	}
	return slices.MinFunc(found, func(a, b *entry) int { return cmp.Or(distance(a)-distance(b), strings.Compare(a.rel, b.rel)) })
}

// fingerprintMethod is the way in which fingerprints are made. Those made in another way cannot be compared, and are dropped.
const fingerprintMethod = 1

// fingerprintSchema is made in catalogs of earlier versions as well, which do not mind it.
const fingerprintSchema = `
CREATE TABLE IF NOT EXISTS fingerprint (
	digest BLOB PRIMARY KEY,     -- As that of photo.
	method INTEGER NOT NULL,
	bits BLOB NOT NULL           -- All zero where there is nothing to be seen.
) WITHOUT ROWID;
`

// saveFingerprint writes a fingerprint in a transaction.
func saveFingerprint(ctx context.Context, tx *sql.Tx, digest picture.Digest, f Fingerprint) error {
	_, err := tx.ExecContext(context.WithoutCancel(ctx), "INSERT OR REPLACE INTO fingerprint VALUES (?, ?, ?)", digest[:], fingerprintMethod, f.bytes())
	return err
}

// fingerprints returns all fingerprints of photos that there are, and deletes the others.
func (c *catalog) fingerprints(ctx context.Context) (map[picture.Digest]Fingerprint, error) {
	const useless = "DELETE FROM fingerprint WHERE method != ? OR digest NOT IN (SELECT digest FROM photo WHERE digest IS NOT NULL)"
	if _, err := c.db.ExecContext(ctx, useless, fingerprintMethod); err != nil {
		return nil, err
	}
	rows, err := c.db.QueryContext(ctx, "SELECT digest, bits FROM fingerprint")
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err below says what went wrong.
	known := map[picture.Digest]Fingerprint{}
	for rows.Next() {
		var digest, bits sql.RawBytes
		if err := rows.Scan(&digest, &bits); err != nil {
			return nil, err
		}
		if len(digest) != len(picture.Digest{}) || len(bits) != fingerprintBytes {
			return nil, fmt.Errorf("%w: a fingerprint has the wrong length", errForeign)
		}
		known[picture.Digest(digest)] = fingerprintIn(bits)
	}
	return known, rows.Err()
}
