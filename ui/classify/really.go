package classify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kaika/core/curate"
	"kaika/core/picture"
)

// noticeKind is what a notice tells.
type noticeKind int

const (
	noticeAdded noticeKind = iota
	noticeUndone
	noticeExported
	noticeNoPhotos
	noticeNothingToPaste
)

// A notice tells what was done, or why nothing was, in a line that stays until the next one.
type notice struct {
	kind  noticeKind
	count int
	name  string // Of a file, or a label.

	addition *addition // With noticeAdded.
}

// An addition is what became of the photos that were to be put into the dataset under a label.
type addition struct {
	library  Library
	label    string
	newLabel bool            // The label did not exist before.
	fileless map[string]bool // Paths of pictures that were pasted.

	added     []curate.Photo       // New in the dataset.
	moved     []curate.Photo       // As they were before they were moved to the label.
	there     int                  // Were under the label already.
	elsewhere []curate.Photo       // The same photos, under other labels or in the trash.
	failures  []error              // Why others could not be put there.
	paths     map[string]curate.ID // The rows' files by what they are in the dataset.
	err       error                // What ended it early; the context's if the user did.
}

// undoable gives the number of photos that are where they were not before.
func (a *addition) undoable() int { return len(a.added) + len(a.moved) }

// setLibrary takes the dataset that photos are put into, or nil for none.
func (p *presenter) setLibrary(l Library) {
	p.library = l
	for _, r := range p.rows {
		r.truth = ""
	}
	if p.notice != nil && p.notice.kind == noticeAdded {
		p.notice = nil
	}
	p.changed()
}

// targets gives the rows that "It is really a ..." is about: those selected, without those that are no photo.
func (p *presenter) targets() []*row {
	var rows []*row
	for path := range p.selected {
		if r := p.byPath[path]; r != nil && r.failure == "" {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(a.arrived, b.arrived) })
	return rows
}

// countTargets gives the number of targets.
func (p *presenter) countTargets() (n int) {
	for path := range p.selected {
		if r := p.byPath[path]; r != nil && r.failure == "" {
			n++
		}
	}
	return n
}

// labels gives the labels of the dataset, with the answers for the current photo first.
func (p *presenter) labels() []curate.LabelCount {
	if p.library == nil {
		return nil
	}
	labels := p.library.Labels()
	likely := map[string]int{}
	if r := p.byPath[p.current]; r != nil && p.countTargets() == 1 {
		for i := range min(len(r.ranks), 3) {
			likely[p.label(r, i)] = 3 - i
		}
	}
	slices.SortStableFunc(labels, func(a, b curate.LabelCount) int { return likely[b.Name] - likely[a.Name] })
	return labels
}

// really puts the photos of the selected rows into the dataset under a label.
func (p *presenter) really(label string) {
	rows := p.targets()
	if len(rows) == 0 || p.library == nil || p.adding != nil {
		return
	}
	a := &addition{library: p.library, label: label, newLabel: !hasLabel(p.library, label), paths: map[string]curate.ID{}, fileless: maps.Clone(p.fileless)}
	paths := make([]string, len(rows))
	for i, r := range rows {
		paths[i] = r.path
	}
	p.change(a, len(paths), func(ctx context.Context, report func(int)) {
		batch := fmt.Sprintf("classify %d", time.Now().UnixNano())
		for i, path := range paths {
			if a.err = ctx.Err(); a.err != nil {
				return
			}
			if a.add(ctx, path, batch); a.err != nil {
				return
			}
			report(i + 1)
		}
	})
}

// moveThere moves the photos that are in the dataset under other labels to the one of the addition.
func (p *presenter) moveThere(a *addition) {
	if p.adding != nil || a.library != p.library || len(a.elsewhere) == 0 {
		return
	}
	ids := make([]curate.ID, len(a.elsewhere))
	for i, photo := range a.elsewhere {
		ids[i] = photo.ID
	}
	p.change(a, len(ids), func(ctx context.Context, _ func(int)) {
		if a.err = a.library.Move(ctx, ids, a.label); a.err == nil {
			a.moved, a.elsewhere = append(a.moved, a.elsewhere...), nil
			return
		}
		var partial *curate.PartialError
		if !errors.As(a.err, &partial) {
			return
		}
		stayed := map[curate.ID]bool{}
		for _, f := range partial.Failures {
			stayed[f.ID] = true
			a.failures = append(a.failures, f.Err)
		}
		for _, photo := range a.elsewhere {
			if !stayed[photo.ID] {
				a.moved = append(a.moved, photo)
			}
		}
		a.elsewhere, a.err = nil, nil
	})
}

// change runs what changes the dataset, in the background, and tells what came of it.
func (p *presenter) change(a *addition, total int, do func(ctx context.Context, report func(done int))) {
	p.adding, p.notice = &progress{total: total}, nil
	last := time.Now()
	p.alter(func(ctx context.Context) {
		do(ctx, func(done int) {
			if now := time.Now(); now.Sub(last) >= 100*time.Millisecond {
				last = now
				p.post(func() {
					if p.adding != nil {
						p.adding.done = done
						p.changed()
					}
				})
			}
		})
		p.post(func() {
			p.adding, p.enough = nil, nil
			if a.library == p.library {
				p.mark(a)
				if a.undoable()+a.there+len(a.elsewhere)+len(a.failures) > 0 {
					p.notice = &notice{kind: noticeAdded, addition: a}
				}
			}
			if a.err != nil {
				p.failed(addProblem, a.err)
			}
			p.changed()
		})
	})
	p.changed()
}

// alter does something to the dataset, beside.
func (p *presenter) alter(do func(ctx context.Context)) {
	done := make(chan struct{})
	p.settled = done
	p.enough = p.beside(func(ctx context.Context) {
		defer close(done)
		do(ctx)
	})
}

// mark notes on the rows under what label their photos are now.
func (p *presenter) mark(a *addition) {
	elsewhere := map[curate.ID]bool{}
	for _, photo := range a.elsewhere {
		elsewhere[photo.ID] = true
	}
	for path, id := range a.paths {
		if r := p.byPath[path]; r != nil && !elsewhere[id] {
			r.truth = a.label
		}
	}
}

// undo takes back an addition, and nothing else: what was added goes to the trash, what was moved goes back.
func (p *presenter) undo(a *addition) {
	if p.adding != nil || a.library != p.library {
		return
	}
	p.adding, p.notice = &progress{total: a.undoable()}, nil
	p.alter(func(ctx context.Context) {
		err := a.takeBack(ctx)
		p.post(func() {
			p.adding, p.enough = nil, nil
			if err != nil {
				p.failed(undoProblem, err)
			} else {
				p.notice = &notice{kind: noticeUndone, count: a.undoable()}
			}
			for path := range a.paths {
				if r := p.byPath[path]; r != nil {
					r.truth = ""
				}
			}
			p.changed()
		})
	})
	p.changed()
}

// add puts one file into the dataset.
func (a *addition) add(ctx context.Context, path, batch string) {
	data, err := readFile(path)
	if err != nil {
		a.failures = append(a.failures, err)
		return
	}
	from, err := filepath.Abs(path)
	if err != nil {
		from = path
	}
	if a.fileless[path] {
		from = "clipboard"
	}
	photo, err := a.library.Add(ctx, curate.Addition{
		Label: a.label, Name: photoName(path, data), Data: data, Batch: batch,
		Source: curate.Source{Kind: "folder", From: from, Retrieved: time.Now()},
	})
	var duplicate *curate.DuplicateError
	var bad *picture.Error
	switch {
	case err == nil:
		a.added = append(a.added, photo)
		a.paths[path] = photo.ID
	case errors.As(err, &duplicate):
		a.paths[path] = duplicate.Photo.ID
		if duplicate.Photo.Label == a.label && duplicate.Photo.Deleted.IsZero() {
			a.there++
		} else if !slices.ContainsFunc(a.elsewhere, func(p curate.Photo) bool { return p.ID == duplicate.Photo.ID }) {
			a.elsewhere = append(a.elsewhere, duplicate.Photo)
		}
	case errors.As(err, &bad):
		a.failures = append(a.failures, fmt.Errorf("%s %w", path, err))
	default: // It concerns the label or the dataset, and so all of them.
		a.err = err
	}
}

// takeBack undoes what the addition did.
func (a *addition) takeBack(ctx context.Context) error {
	var added []curate.ID
	for _, photo := range a.added {
		added = append(added, photo.ID)
	}
	back := map[string][]curate.ID{} // By the label that they had.
	for _, photo := range a.moved {
		if photo.Deleted.IsZero() {
			back[photo.Label] = append(back[photo.Label], photo.ID)
		} else {
			added = append(added, photo.ID) // It was in the trash.
		}
	}
	var errs []error
	if len(added) > 0 {
		errs = append(errs, a.library.Delete(ctx, added))
	}
	for _, label := range slices.Sorted(maps.Keys(back)) {
		errs = append(errs, a.library.Move(ctx, back[label], label))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if a.newLabel {
		if err := a.library.RemoveLabel(ctx, a.label); err != nil && !errors.Is(err, curate.ErrLabelInUse) {
			return err
		}
	}
	return nil
}

// hasLabel says whether a dataset has a label.
func hasLabel(l Library, label string) bool {
	return slices.ContainsFunc(l.Labels(), func(c curate.LabelCount) bool { return c.Name == label })
}

// photoName gives the name of a file's photo in a dataset: that of the file, with the ending of a picture, which it may
// lack, and not hidden.
func photoName(path string, data []byte) string {
	name := filepath.Base(path)
	if picture.IsName(name) {
		return name
	}
	if name = strings.TrimLeft(name, "."); picture.IsName(name) {
		return name
	}
	e, err := picture.Parse(data)
	if err != nil { // It is refused whatever it is called.
		return "photo.jpg"
	}
	return cmp.Or(name, "photo") + "." + strings.ToLower(string(e.Kind))
}

// readFile reads the bytes of a photo, which are at most picture.MaxFileBytes.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path) // Before it is opened: opening a pipe would wait for somebody to write into it.
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading a photo: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", path)
	case info.Size() > picture.MaxFileBytes:
		return nil, fmt.Errorf("%s has more than %d MiB: save it smaller", path, picture.MaxFileBytes>>20)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading a photo: %w", err)
	}
	defer f.Close() //nolint:errcheck // It was only read.
	data, err := io.ReadAll(io.LimitReader(f, picture.MaxFileBytes))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}
