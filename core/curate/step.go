package curate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kaika/core/dataset"
)

// An ActionKind is what a step did.
type ActionKind string

// The kinds of steps.
const (
	Moved        ActionKind = "moved"
	Deleted      ActionKind = "deleted"
	Restored     ActionKind = "restored"
	Added        ActionKind = "added"
	LabelAdded   ActionKind = "label_added"
	LabelRenamed ActionKind = "label_renamed"
	LabelRemoved ActionKind = "label_removed"
)

// An Action is a step that was done, undone or done again.
type Action struct {
	Kind  ActionKind
	Count int    // Photos that it moves; 0 for a label that is added or removed.
	Label string // The label that photos were moved or added to, "" for several, or that was added, removed, or given a new name.
	From  string // The name that a renamed label had.
	At    time.Time
}

// Errors of what changes a dataset, by errors.Is.
var (
	ErrReadOnly   = errors.New("the dataset cannot be changed")
	ErrNothing    = errors.New("there is nothing to undo or to do again")
	ErrClosed     = errors.New("the dataset is closed")
	ErrNoLabel    = errors.New("there is no such label")
	ErrLabelInUse = errors.New("the label is not empty")
)

// A PartialError says that a step was done for some of its photos only. What was done can be undone.
type PartialError struct {
	Kind     ActionKind
	Undo     bool // Whether the step was being undone.
	Done     int
	Failures []Failure // At least one.
}

// A Failure is a photo of a step that could not be done for it.
type Failure struct {
	ID   ID
	Path string // Where it was, or was thought to be.
	Err  error
}

// Error says how many photos were left out, and names the first few.
func (e *PartialError) Error() string {
	const most = 3
	verb := map[ActionKind]string{Moved: "moved", Deleted: "deleted", Restored: "restored", Added: "added"}[e.Kind]
	switch {
	case e.Undo:
		verb = "put back"
	case verb == "":
		verb = "moved"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d of %d photos could not be %s: ", len(e.Failures), e.Done+len(e.Failures), verb)
	for i, f := range e.Failures[:min(most, len(e.Failures))] {
		if i > 0 {
			text.WriteString("; ")
		}
		fmt.Fprintf(&text, "%q (%v)", f.Path, cause(f.Err))
	}
	if more := len(e.Failures) - most; more > 0 {
		fmt.Fprintf(&text, "; and %d more", more)
	}
	return text.String()
}

// Unwrap returns the errors of the failures.
func (e *PartialError) Unwrap() []error {
	all := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		all[i] = f.Err
	}
	return all
}

// Move gives photos another label, by moving their files into its folder, which is made if there is none, as LabelNamed says. A
// photo in the trash comes back. A name that is taken there gets a number, as in "rose (2).jpg". Photos that have the label already
// are left where they are.
//
// The error is a *PartialError if some could not be moved, [dataset.ErrLabelName] or [dataset.ErrLabelClash] if the label
// cannot be made, ErrReadOnly, or the context's; a cancelled move is a step as far as it went.
func (l *Library) Move(ctx context.Context, ids []ID, label string) error {
	return l.change(ctx, fmt.Sprintf("move photos to %q", label), func() error {
		label := l.index.named(label)
		if _, known := l.index.labels[label]; !known {
			if err := checkLabel(label, l.index.labels); err != nil {
				return err
			}
		}
		return l.rearrange(ctx, Moved, ids, func(e *entry) (to string, wanted bool) {
			return label + "/" + path.Base(e.rel), inTrash(e.rel) || labelOf(e.rel) != label
		})
	})
}

// Delete moves photos to the trash. Errors are as those of Move.
func (l *Library) Delete(ctx context.Context, ids []ID) error {
	return l.change(ctx, "move photos to the trash", func() error {
		return l.rearrange(ctx, Deleted, ids, func(e *entry) (to string, wanted bool) {
			return trashDir + "/" + e.rel, !inTrash(e.rel)
		})
	})
}

// Restore moves photos from the trash back to the label that they had, which is made if it is gone. Errors are as those
// of Move.
func (l *Library) Restore(ctx context.Context, ids []ID) error {
	return l.change(ctx, "restore photos from the trash", func() error {
		return l.rearrange(ctx, Restored, ids, func(e *entry) (to string, wanted bool) {
			return strings.TrimPrefix(e.rel, trashDir+"/"), inTrash(e.rel)
		})
	})
}

// rearrange moves photos to where goal says.
func (l *Library) rearrange(ctx context.Context, kind ActionKind, ids []ID, goal func(*entry) (to string, wanted bool)) error {
	s := &step{kind: kind}
	var failures []Failure
	names := l.newNames()
	folders := l.newFolders()
	seen := make(map[ID]bool, len(ids))
	for _, id := range ids {
		e := l.index.byID[l.resolve(id)]
		switch {
		case e == nil:
			failures = append(failures, Failure{ID: id, Err: fs.ErrNotExist})
			continue
		case !e.gone.IsZero():
			failures = append(failures, Failure{ID: id, Path: l.abs(e.rel), Err: fs.ErrNotExist})
			continue
		}
		to, wanted := goal(e)
		if !wanted || seen[e.id] {
			continue
		}
		seen[e.id] = true
		label := labelOf(to)
		if len(s.items) == 0 {
			s.label = label
		} else if s.label != label {
			s.label = "" // Several.
		}
		folders.need(path.Dir(to))
		s.items = append(s.items, item{op: moveFileOp, photo: e.id, from: e.rel, to: names.free(to)})
	}
	s.items = append(folders.items, s.items...)
	return l.perform(ctx, s, failures)
}

// folders plans the folders that a step has to make.
type folders struct {
	l     *Library
	known map[string]bool
	items []item
}

func (l *Library) newFolders() *folders { return &folders{l: l, known: map[string]bool{".": true}} }

// need plans a folder below a label, and those that it lies in. Those of the trash are nobody's concern.
func (f *folders) need(rel string) {
	if f.known[rel] || inTrash(rel+"/") {
		return
	}
	f.known[rel] = true
	f.need(path.Dir(rel))
	if _, err := os.Stat(f.l.abs(rel)); errors.Is(err, fs.ErrNotExist) {
		f.items = append(f.items, item{op: makeDirOp, to: rel})
	}
}

// EmptyTrash removes the photos in the trash for good. It cannot be undone, and neither can any longer what was done to
// these photos before. The error is a *PartialError if some could not be removed.
func (l *Library) EmptyTrash(ctx context.Context) error {
	return l.change(ctx, "empty the trash", func() error {
		if err := l.relist(ctx); err != nil { // Another program may have taken something out of it.
			return err
		}
		var failures []Failure
		var removed []ID
		var stopped error
		r := &runner{Library: l, emptied: map[string]bool{}}
		for _, e := range l.entries(Query{Trash: true}) {
			if stopped = ctx.Err(); stopped != nil {
				break
			}
			if err := ignoreMissing(os.Remove(l.abs(e.rel))); err != nil {
				failures = append(failures, Failure{ID: e.id, Path: l.abs(e.rel), Err: err})
				continue
			}
			removed = append(removed, e.id)
			r.emptied[path.Dir(e.rel)] = true
		}
		r.prune()
		l.mu.Lock()
		for _, id := range removed {
			l.index.drop(id)
		}
		l.mu.Unlock()
		if err := l.forget(ctx, removed); err != nil {
			l.adrift = true
			l.examine(err)
			l.log.Warn("that the trash was emptied cannot be written to the catalog yet", "folder", l.dir, "error", err)
		}
		if err := partial(Deleted, false, len(removed), failures); err != nil || stopped == nil {
			return err
		}
		return fmt.Errorf("stopped after %d photos: %w", len(removed), stopped)
	})
}

// forget deletes photos from the catalog, and the steps that are of no use without them.
func (l *Library) forget(ctx context.Context, ids []ID) error {
	ctx = context.WithoutCancel(ctx)
	return l.record(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, "DELETE FROM photo WHERE id = ?", int64(id)); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM item WHERE photo = ?", int64(id)); err != nil {
				return err
			}
		}
		const useless = `kind NOT IN ('label_added', 'label_renamed', 'label_removed') AND state IN (?, ?)
			AND NOT EXISTS (SELECT 1 FROM item WHERE item.step = step.id AND item.photo != 0)`
		if _, err := tx.ExecContext(ctx, "DELETE FROM item WHERE step IN (SELECT id FROM step WHERE "+useless+")", int(done), int(undone)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM step WHERE "+useless, int(done), int(undone))
		return err
	})
}

// AddLabel makes an empty label.
func (l *Library) AddLabel(ctx context.Context, name string) error {
	return l.change(ctx, fmt.Sprintf("add the label %q", name), func() error {
		if err := checkLabel(name, l.index.labels); err != nil {
			return err
		}
		if l.exists(name) {
			l.stale = true // Another program made it just now; or it is a file, and then the name is taken.
			return &changeError{dataset.ErrLabelClash, nil, fmt.Sprintf("there is something of the name %q in the folder already: choose another name", name)}
		}
		return l.perform(ctx, &step{kind: LabelAdded, label: name, items: []item{{op: makeDirOp, to: name}}}, nil)
	})
}

// RenameLabel gives a label another name, also for its photos in the trash.
func (l *Library) RenameLabel(ctx context.Context, from, to string) error {
	return l.change(ctx, fmt.Sprintf("rename the label %q to %q", from, to), func() error {
		if _, known := l.index.labels[from]; !known {
			return l.noLabel(from)
		}
		if from == to {
			return nil
		}
		others := maps.Clone(l.index.labels)
		delete(others, from)
		if err := checkLabel(to, others); err != nil {
			return err
		}
		s := &step{kind: LabelRenamed, label: to, former: from, items: []item{{op: renameDirOp, from: from, to: to}}}
		names := l.newNames()
		for _, e := range l.entries(Query{Trash: true, Labels: []string{from}}) {
			below := strings.TrimPrefix(e.rel, trashDir+"/"+from+"/")
			s.items = append(s.items, item{op: moveFileOp, photo: e.id, from: e.rel, to: names.free(trashDir + "/" + to + "/" + below)})
		}
		return l.perform(ctx, s, nil)
	})
}

func (l *Library) noLabel(name string) error {
	return &changeError{ErrNoLabel, nil, fmt.Sprintf("there is no label %q: it may have been renamed or removed", name)}
}

// RemoveLabel removes a label whose folder holds nothing but empty folders. Otherwise the error is ErrLabelInUse.
func (l *Library) RemoveLabel(ctx context.Context, name string) error {
	return l.change(ctx, fmt.Sprintf("remove the label %q", name), func() error {
		if _, known := l.index.labels[name]; !known {
			return l.noLabel(name)
		}
		s := &step{kind: LabelRemoved, label: name}
		err := filepath.WalkDir(l.abs(name), func(at string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if !e.IsDir() {
				return &changeError{ErrLabelInUse, nil, fmt.Sprintf("the label %q is not empty: move or delete %q first", name, at)}
			}
			rel, err := filepath.Rel(l.dir, at)
			s.items = append(s.items, item{op: removeDirOp, from: filepath.ToSlash(rel)})
			return err
		})
		if err != nil {
			return err
		}
		slices.Reverse(s.items) // What lies inside goes first.
		return l.perform(ctx, s, nil)
	})
}

// Undo takes back the newest step that was not taken back yet. A photo that another program removed or moved since is
// left as it is, and named in a *PartialError. A photo that was added goes to the trash. The error is ErrNothing if there
// is no step.
func (l *Library) Undo(ctx context.Context) (Action, error) {
	return l.again(ctx, "undo the last step", true, l.newest)
}

// Redo does the step again that was undone last. Any new step ends that possibility.
func (l *Library) Redo(ctx context.Context) (Action, error) {
	return l.again(ctx, "do the last step again", false, l.lastUndone)
}

func (l *Library) again(ctx context.Context, what string, back bool, find func(context.Context) (*step, error)) (Action, error) {
	var a Action
	if !l.hasHidden() {
		return a, fmt.Errorf("%s: %w", what, ErrNothing) // And no catalog is made for that.
	}
	err := l.change(ctx, what, func() error {
		s, err := find(ctx)
		if err == nil && s == nil {
			err = ErrNothing
		}
		if err == nil {
			err = l.loadItems(ctx, s)
		}
		if err == nil {
			a, err = l.turnBack(ctx, s, back)
		}
		return err
	})
	return a, err
}

// CanUndo returns the step that Undo would take back.
func (l *Library) CanUndo() (Action, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.undo.get()
}

// CanRedo returns the step that Redo would do again.
func (l *Library) CanRedo() (Action, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.redo.get()
}

func (o *offer) get() (Action, bool) {
	if o == nil {
		return Action{}, false
	}
	return o.Action, true
}
