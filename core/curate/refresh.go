package curate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"kaika/core/picture"
)

// Refresh looks at the folders and takes over what other programs changed there. It says whether anything was. A photo
// that was renamed or moved keeps its ID and its source: it is known by its inode, or where there is none by its digest,
// together with size and time.
func (l *Library) Refresh(ctx context.Context) (changed bool, err error) {
	if err := l.take(ctx); err != nil {
		return false, fmt.Errorf("look at %s again: %w", l.dir, err)
	}
	counts := l.Labels()
	skipped := l.Skipped()
	err = l.refresh(ctx)
	changed = !slices.Equal(skipped, l.Skipped())
	changed = !l.give(counts, true).empty() || changed
	if err != nil {
		return changed, fmt.Errorf("look at %s again: %w", l.dir, err)
	}
	return changed, nil
}

func (l *Library) refresh(ctx context.Context) error {
	found, err := list(ctx, l.dir)
	if err != nil {
		return err
	}
	if l.catalog == nil && !l.hasHidden() {
		return l.merge(ctx, found)
	}
	if l.catalog != nil && !l.adrift {
		generation, err := l.catalog.current(ctx)
		if err == nil && generation == l.catalog.generation && !l.differs(found) && sameNamed(l.catalog.info, l.abs(hiddenDir+"/"+catalogFile)) {
			l.adopt(found)
			return nil
		}
	}
	l.stale = true
	err = l.locked(ctx, func() error { return nil })
	if err == nil || ctx.Err() != nil {
		return err
	}
	if errors.Is(err, ErrReadOnly) {
		err = nil
	}
	return errors.Join(err, l.merge(ctx, found)) // What is there is there, though it cannot be written down.
}

// differs says whether the photos or labels found are other than those in memory.
func (l *Library) differs(found *listing) bool {
	if len(found.photos) != len(l.index.byRel) || len(found.labels) != len(l.index.labels) {
		return true
	}
	for _, f := range found.photos {
		if e := l.index.byRel[f.rel]; e == nil || !e.sameFile(f) {
			return true
		}
	}
	return slices.ContainsFunc(found.labels, func(name string) bool { _, known := l.index.labels[name]; return !known })
}

// relist reads the folders into memory and the catalog.
func (l *Library) relist(ctx context.Context) error {
	found, err := list(ctx, l.dir)
	if err != nil {
		return err
	}
	return l.merge(ctx, found)
}

// adopt takes over the rest of a listing, beside the photos.
func (l *Library) adopt(found *listing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.folders = found.folders
	l.index.skipped = found.skipped
	l.index.links = found.links
	keep := make(map[string]bool, len(found.labels))
	for _, name := range found.labels {
		keep[name] = true
		l.index.addLabel(name)
	}
	for name := range l.index.labels {
		if !keep[name] {
			l.index.removeLabel(name)
		}
	}
}

// A match is a file that was found, and the photo that it is; nil for a new one.
type match struct {
	file file
	was  *entry
}

// merge makes memory and the catalog hold what was found in the folders.
func (l *Library) merge(ctx context.Context, found *listing) error {
	matches, missing, err := l.match(ctx, found.photos)
	if err != nil {
		return err
	}
	now := l.now()
	var changed []*entry  // What others get to see.
	var replaced []*entry // Only the inode is another.
	for _, m := range matches {
		switch {
		case m.was == nil:
			continue
		case m.was.rel == m.file.rel && m.was.sameStamp(m.file) && m.was.gone.IsZero():
			replaced = append(replaced, m.was.at(m.file, now))
		default:
			changed = append(changed, m.was.at(m.file, now))
		}
	}
	fresh, err := l.welcome(ctx, matches, now)
	if err != nil {
		return err
	}
	for _, e := range missing {
		lost := *e
		lost.gone = now
		changed = append(changed, &lost)
	}
	changed = append(changed, fresh...)

	l.mu.Lock()
	for _, e := range replaced {
		l.index.know(e)
	}
	for _, e := range changed { // First all out, then all in: two may have changed places.
		l.index.drop(e.id)
	}
	for _, e := range changed {
		l.index.put(e)
	}
	l.mu.Unlock()
	l.adopt(found)
	l.stale, l.listed = false, true
	if len(changed)+len(replaced) > 0 {
		if err := l.save(ctx, append(changed, replaced...)); err != nil {
			l.adrift = true
			l.examine(err)
			l.log.Warn("what other programs changed in the dataset cannot be written to its catalog", "folder", l.dir, "error", err)
		}
	}
	return nil
}

// match finds out which photos the files are. It leaves out those that are what they were, and returns the photos that
// are there no more.
func (l *Library) match(ctx context.Context, files []file) (matches []match, missing []*entry, err error) {
	left := maps.Clone(l.index.byID)
	rest := make([]file, 0, 16)
	for _, f := range files {
		if e := l.index.byRel[f.rel]; e != nil && e.sameFile(f) {
			delete(left, e.id)
		} else {
			rest = append(rest, f)
		}
	}
	if len(rest) == 0 && len(left) == 0 {
		return nil, nil, nil
	}
	pair := func(candidates func(file) []*entry) {
		rest = slices.DeleteFunc(rest, func(f file) bool {
			for _, e := range candidates(f) {
				if left[e.id] == e {
					delete(left, e.id)
					matches = append(matches, match{f, e})
					return true
				}
			}
			return false
		})
	}
	// The same file under another name.
	type stamp struct {
		size, mtime int64
		inode       uint64
	}
	byInode := map[stamp][]*entry{}
	gone := map[string][]*entry{}
	byStamp := map[stamp][]*entry{}
	for _, id := range slices.Sorted(maps.Keys(left)) {
		e := left[id]
		if e.inode != 0 {
			key := stamp{e.size, e.mtime, e.inode}
			byInode[key] = append(byInode[key], e)
		}
		if !e.gone.IsZero() {
			gone[e.rel] = append(gone[e.rel], e)
		}
		if e.hashed {
			key := stamp{e.size, e.mtime, 0}
			byStamp[key] = append(byStamp[key], e)
		}
	}
	pair(func(f file) []*entry {
		if f.inode == 0 {
			return nil
		}
		return byInode[stamp{f.size, f.mtime, f.inode}]
	})
	// Another file of the same name, as most programs save one; or one that had gone and came back.
	pair(func(f file) []*entry {
		if e := l.index.byRel[f.rel]; e != nil {
			return []*entry{e}
		}
		return slices.DeleteFunc(slices.Clone(gone[f.rel]), func(e *entry) bool { return !e.sameStamp(f) })
	})
	// The same bytes under another name.
	var copies []file
	for _, f := range rest {
		if len(byStamp[stamp{f.size, f.mtime, 0}]) > 0 {
			copies = append(copies, f)
		}
	}
	digests, err := l.hashFiles(ctx, copies)
	if err != nil {
		return nil, nil, err
	}
	pair(func(f file) []*entry {
		digest, known := digests[f.rel]
		return slices.DeleteFunc(slices.Clone(byStamp[stamp{f.size, f.mtime, 0}]), func(e *entry) bool { return !known || e.digest != digest })
	})
	for _, f := range rest {
		matches = append(matches, match{file: f})
	}
	for _, id := range slices.Sorted(maps.Keys(left)) {
		if left[id].gone.IsZero() {
			missing = append(missing, left[id])
		}
	}
	return matches, missing, nil
}

// welcome makes photos of the files that are new, with the sources that are known of them.
func (l *Library) welcome(ctx context.Context, matches []match, now time.Time) ([]*entry, error) {
	var files []file
	for _, m := range matches {
		if m.was == nil {
			files = append(files, m.file)
		}
	}
	if len(files) == 0 {
		return nil, nil
	}
	known, err := l.readSources()
	if err != nil {
		l.log.Warn("where photos came from cannot be read", "file", l.abs(hiddenDir+"/"+sourcesFile), "error", err)
	}
	var sourced []file
	for _, f := range files {
		if len(known[f.size]) > 0 {
			sourced = append(sourced, f)
		}
	}
	digests, err := l.hashFiles(ctx, sourced)
	if err != nil {
		return nil, err
	}
	entries := make([]*entry, 0, len(files))
	for _, f := range files {
		e := entry{file: f, added: now}
		if !l.listed {
			e.added = time.Unix(0, f.mtime)
		}
		if old := l.former[f.rel]; old != nil && old.sameStamp(f) && l.index.byID[old.id] == nil {
			e = *old
		} else {
			e.id = l.next
			l.next++
		}
		if digest, hashed := digests[f.rel]; hashed {
			e.digest, e.hashed = digest, true
			if r, sourced := known[f.size][digest]; sourced {
				e.source, e.added = r.Source, r.Added
			}
		}
		entries = append(entries, e.at(f, now))
	}
	return entries, nil
}

// hashFiles returns the digests of files by their paths. Those that cannot be read are left out.
func (l *Library) hashFiles(ctx context.Context, files []file) (map[string]picture.Digest, error) {
	digests := make([]picture.Digest, len(files))
	read := make([]bool, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers())
	for i, f := range files {
		group.Go(func() error {
			digest, err := sum(ctx, l.abs(f.rel))
			digests[i], read[i] = digest, err == nil
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	byRel := make(map[string]picture.Digest, len(files))
	for i, f := range files {
		if read[i] {
			byRel[f.rel] = digests[i]
		}
	}
	return byRel, nil
}
