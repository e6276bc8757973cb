package curate

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A stepState says how far a step got. It is written before files are moved and after, so one that is under way while
// nobody holds the lock belongs to a process that died.
type stepState int

const (
	doing stepState = iota + 1
	done
	undoing
	undone
	redoing
)

// An itemState says where the file of an item is.
type itemState int

const (
	pending   itemState = iota // As before the step, which is being done.
	inEffect                   // As after the step.
	takenBack                  // As before the step again.
	dropped                    // Neither can be said, and nobody will try any more.
)

// An opKind is what an item does.
type opKind int

const (
	moveFileOp opKind = iota + 1
	makeDirOp
	removeDirOp
	renameDirOp
)

// An item is one thing that a step does to the files.
type item struct {
	n        int
	op       opKind
	photo    ID
	from, to string // Paths below the dataset's folder. Making a folder has no from, and removing one no to.
	state    itemState
}

// A step is an entry of the journal.
type step struct {
	id     int64
	kind   ActionKind
	label  string
	former string
	batch  string
	at     time.Time
	state  stepState
	items  []item
	joined int // Photos that were in it before these items joined them.
}

func (s *step) action(count int) Action {
	return Action{Kind: s.kind, Count: s.joined + count, Label: s.label, From: s.former, At: s.at}
}

// severalLabels is what the names of batches begin with that are one step whatever the labels of their photos.
const severalLabels = "several labels "

// NewBatch returns a new name for Addition.Batch: one that makes one step also of what is added under several labels. With any
// other name, the photos of each label are a step.
func NewBatch() string { return severalLabels + rand.Text() }

// insertStep writes a step with its items, and gives it its number. It may be that of a step that the items join.
func insertStep(ctx context.Context, tx *sql.Tx, s *step) error {
	if s.kind == Added && strings.HasPrefix(s.batch, severalLabels) {
		if joined, err := joinBatch(ctx, tx, s); joined || err != nil {
			return err
		}
	}
	result, err := tx.ExecContext(ctx, "INSERT INTO step (kind, label, former, batch, at, state) VALUES (?, ?, ?, ?, ?, ?)",
		string(s.kind), []byte(s.label), []byte(s.former), s.batch, s.at.UnixNano(), int(s.state))
	if err != nil {
		return err
	}
	if s.id, err = result.LastInsertId(); err != nil {
		return err
	}
	return saveItems(ctx, tx, s)
}

// joinBatch puts the items of a step into the newest one that is in effect, if that is of the same batch. It says whether it is.
func joinBatch(ctx context.Context, tx *sql.Tx, s *step) (bool, error) {
	var newest step
	var label []byte
	var at int64
	err := tx.QueryRowContext(ctx, "SELECT id, kind, label, batch, at FROM step WHERE state = ? ORDER BY id DESC LIMIT 1", int(done)).
		Scan(&newest.id, &newest.kind, &label, &newest.batch, &at)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case newest.kind != Added || newest.batch != s.batch:
		return false, nil
	}
	const counts = "SELECT max(n) + 1, coalesce(sum(op = ? AND state = ?), 0) FROM item WHERE step = ?"
	var n int
	if err := tx.QueryRowContext(ctx, counts, int(moveFileOp), int(inEffect), newest.id).Scan(&n, &s.joined); err != nil {
		return false, err
	}
	s.id, s.at = newest.id, moment(at)
	for i := range s.items {
		s.items[i].n = n + i
	}
	if string(label) != s.label {
		s.label = ""
		if _, err := tx.ExecContext(ctx, "UPDATE step SET label = x'' WHERE id = ?", s.id); err != nil {
			return false, err
		}
	}
	return true, saveItems(ctx, tx, s)
}

func saveItems(ctx context.Context, tx *sql.Tx, s *step) error {
	insert, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer insert.Close() //nolint:errcheck // It ends with the transaction anyway.
	for _, it := range s.items {
		if _, err := insert.ExecContext(ctx, s.id, it.n, int(it.op), int64(it.photo), []byte(it.from), []byte(it.to), int(it.state)); err != nil {
			return err
		}
	}
	return nil
}

// saveStep writes what became of a step. One of which nothing is left is deleted.
func saveStep(ctx context.Context, tx *sql.Tx, s *step) error {
	if s.state == 0 {
		if _, err := tx.ExecContext(ctx, "DELETE FROM item WHERE step = ?", s.id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM step WHERE id = ?", s.id)
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE step SET state = ? WHERE id = ?", int(s.state), s.id); err != nil {
		return err
	}
	return saveItems(ctx, tx, s)
}

// forgetUndone deletes the steps that could be done again: something else was done instead.
func forgetUndone(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM item WHERE step IN (SELECT id FROM step WHERE state = ?)", int(undone)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM step WHERE state = ?", int(undone))
	return err
}

// settle gives the state of a step by those of its items, 0 when nothing is left of it.
func (s *step) settle() {
	var left, back bool
	for _, it := range s.items {
		left = left || it.state == inEffect
		back = back || it.state == takenBack
	}
	switch {
	case left:
		s.state = done
	case back:
		s.state = undone
	default:
		s.state = 0
	}
}

// loadSteps returns the steps that a condition is true of, without their items.
func (l *Library) loadSteps(ctx context.Context, where string, args ...any) ([]*step, error) {
	rows, err := l.catalog.db.QueryContext(ctx, "SELECT id, kind, label, former, batch, at, state FROM step WHERE "+where, args...) //nolint:gosec // The conditions are constants.
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err below says what went wrong.
	var steps []*step
	for rows.Next() {
		var s step
		var label, former sql.RawBytes
		var at int64
		if err := rows.Scan(&s.id, &s.kind, &label, &former, &s.batch, &at, &s.state); err != nil {
			return nil, err
		}
		s.label, s.former, s.at = string(label), string(former), moment(at)
		steps = append(steps, &s)
	}
	return steps, rows.Err()
}

// loadItems fills in the items of a step.
func (l *Library) loadItems(ctx context.Context, s *step) error {
	rows, err := l.catalog.db.QueryContext(ctx, "SELECT n, op, photo, source, target, state FROM item WHERE step = ? ORDER BY n", s.id)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err below says what went wrong.
	for rows.Next() {
		var it item
		var from, to sql.RawBytes
		if err := rows.Scan(&it.n, &it.op, &it.photo, &from, &to, &it.state); err != nil {
			return err
		}
		it.from, it.to = string(from), string(to)
		s.items = append(s.items, it)
	}
	return rows.Err()
}

// usable is the condition on an item of a step that there is something to take back, or to do again. The argument is
// the state that it then has. What belongs to photos that are gone is no use.
const usable = `FROM item LEFT JOIN photo ON photo.id = item.photo WHERE item.step = step.id AND item.state = ?
	AND (item.photo = 0 AND step.kind IN ('label_added', 'label_renamed', 'label_removed') OR photo.id IS NOT NULL AND photo.gone = 0)`

// newest returns the step that Undo takes back, or nil.
func (l *Library) newest(ctx context.Context) (*step, error) {
	return one(l.loadSteps(ctx, "state = ? AND EXISTS (SELECT 1 "+usable+") ORDER BY id DESC LIMIT 1", int(done), int(inEffect)))
}

// lastUndone returns the step that Redo does again, or nil.
func (l *Library) lastUndone(ctx context.Context) (*step, error) {
	return one(l.loadSteps(ctx, "state = ? AND EXISTS (SELECT 1 "+usable+") ORDER BY id LIMIT 1", int(undone), int(takenBack)))
}

func one(steps []*step, err error) (*step, error) {
	if err != nil || len(steps) == 0 {
		return nil, err
	}
	return steps[0], nil
}

// findSteps finds out what can be undone and done again.
func (l *Library) findSteps(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	undo := l.offer(ctx, l.newest, inEffect)
	redo := l.offer(ctx, l.lastUndone, takenBack)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.undo, l.redo = undo, redo
}

// An offer is a step that can be undone or done again.
type offer struct {
	Action
	id    int64
	batch string
}

// offer finds a step, and counts its photos that are still there and in the given state.
func (l *Library) offer(ctx context.Context, find func(context.Context) (*step, error), state itemState) *offer {
	if l.catalog == nil {
		return nil
	}
	s, err := find(ctx)
	if err == nil && s == nil {
		return nil
	}
	count := 0
	if err == nil {
		err = l.catalog.db.QueryRowContext(ctx, "SELECT (SELECT count(*) "+usable+" AND item.op = ?) FROM step WHERE id = ?",
			int(state), int(moveFileOp), s.id).Scan(&count)
	}
	if err != nil {
		l.examine(err)
		l.log.Warn("what was done before cannot be read, and so not be undone", "folder", l.dir, "error", err)
		return nil
	}
	if s.kind == LabelRenamed {
		name := s.label
		if state == takenBack {
			name = s.former
		}
		count += l.index.labels[name]
	}
	return &offer{s.action(count), s.id, s.batch}
}

// A runner does a step, or takes it back.
type runner struct {
	*Library
	step     *step
	back     bool
	touched  map[ID]bool
	emptied  map[string]bool // Folders of the trash that a photo came out of.
	done     int             // Photos.
	failures []Failure
	broken   error // Why nothing could be done: a folder could not be made, renamed or removed.
}

// errChanged says that another program was there before.
var errChanged = errors.New("another program changed it since")

// perform journals a new step, does it, and journals what became of it.
func (l *Library) perform(ctx context.Context, s *step, failures []Failure) error {
	s.at, s.state = l.now(), doing
	for i := range s.items {
		s.items[i].n = i
	}
	if len(s.items) == 0 {
		return partial(s.kind, false, 0, failures)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := l.record(ctx, func(tx *sql.Tx) error { return insertStep(context.WithoutCancel(ctx), tx, s) })
	if err != nil {
		return l.unwritten(err)
	}
	r := &runner{Library: l, step: s, failures: failures}
	err = r.run(ctx, pending)
	r.finish(ctx, true)
	return r.result(err)
}

// turnBack takes a step back, or does it again.
func (l *Library) turnBack(ctx context.Context, s *step, back bool) (Action, error) {
	r := &runner{Library: l, step: s, back: back}
	candidates := takenBack
	s.state = redoing
	if back {
		candidates = inEffect
		s.state = undoing
	}
	r.plan(candidates)
	if err := ctx.Err(); err != nil {
		return Action{}, err
	}
	if err := l.record(ctx, func(tx *sql.Tx) error { return saveStep(context.WithoutCancel(ctx), tx, s) }); err != nil {
		l.adrift = true
		return Action{}, l.unwritten(err)
	}
	err := r.run(ctx, candidates)
	r.finish(ctx, false)
	return s.action(r.done), r.result(err)
}

// unwritten explains why a step was not begun.
func (l *Library) unwritten(err error) error {
	const full = 13
	l.examine(err)
	if sqliteCode(err) == full {
		return fmt.Errorf("the disk that holds %s is full, so nothing was changed: make room there, such as by emptying the trash: %w", l.dir, err)
	}
	return fmt.Errorf("nothing was changed, because the catalog of %s cannot be written: %w", l.dir, err)
}

// plan finds out which items can still be turned round, and where their files will lie.
func (r *runner) plan(candidates itemState) {
	names := r.newNames()
	for i := range r.step.items {
		it := &r.step.items[i]
		if it.state != candidates || it.op != moveFileOp {
			continue
		}
		e := r.index.byID[it.photo]
		lies, goal := &it.from, &it.to
		if r.back {
			lies, goal = goal, lies
		}
		switch {
		case e == nil || !e.gone.IsZero() && !r.exists(e.rel): // A link that leads nowhere is gone, and can be moved.
			it.state = dropped
			r.fail(*it, *lies, fs.ErrNotExist)
		case !samePlace(e.rel, *lies):
			it.state = dropped
			r.fail(*it, e.rel, errChanged)
		default:
			*lies = e.rel
			*goal = names.free(*goal)
		}
	}
}

func (r *runner) fail(it item, rel string, err error) {
	r.failures = append(r.failures, Failure{ID: it.photo, Path: r.abs(rel), Err: err})
}

// run does the items in the given state, in order, or the other way round when they are taken back. The error is the
// context's, or says what stopped it; failures of single photos do not.
func (r *runner) run(ctx context.Context, candidates itemState) error {
	r.touched, r.emptied = map[ID]bool{}, map[string]bool{}
	order := make([]*item, 0, len(r.step.items))
	for i := range r.step.items {
		if r.step.items[i].state == candidates {
			order = append(order, &r.step.items[i])
		}
	}
	if r.back {
		slices.Reverse(order)
	}
	parents := map[string]bool{}
	for i, it := range order {
		err := ctx.Err()
		if err == nil {
			err = r.broken
		}
		if err != nil {
			for _, rest := range order[i:] {
				if rest.state == pending {
					rest.state = dropped
				}
			}
			return err
		}
		switch it.op {
		case moveFileOp:
			err = r.moveOne(it, parents)
		case makeDirOp:
			err = r.makeDir(it)
		case removeDirOp:
			err = r.removeDir(it)
		case renameDirOp:
			err = r.renameDir(it)
		}
		switch {
		case err == nil && r.back:
			it.state = takenBack
		case err == nil:
			it.state = inEffect
		case it.state == pending, errors.Is(err, errChanged), errors.Is(err, fs.ErrNotExist):
			it.state = dropped
		}
	}
	return r.broken
}

// moveOne moves the file of a photo.
func (r *runner) moveOne(it *item, parents map[string]bool) error {
	from, to := &it.from, &it.to
	if r.back {
		from, to = to, from
	}
	e := r.index.byID[it.photo]
	if parent := path.Dir(*to); !parents[parent] {
		if err := os.MkdirAll(r.abs(parent), 0o755); err != nil {
			r.fail(*it, *from, err)
			return keepKind(err)
		}
		parents[parent] = true
	}
	temp := r.temp(r.step.id, it.n, *to)
	err := moveFile(r.abs(*from), r.abs(*to), temp)
	for attempts := 0; errors.Is(err, fs.ErrExist) && attempts < 100; attempts++ { // Another program was quicker.
		*to = r.newNames().free(*to)
		err = moveFile(r.abs(*from), r.abs(*to), temp)
	}
	if err != nil {
		r.stale = true
		r.fail(*it, *from, err)
		return keepKind(err)
	}
	f, err := statFile(r.dir, *to)
	if err != nil { // A link that leads nowhere, or another program was quicker once more.
		r.stale = true
		f = e.file
		f.rel = *to
	}
	r.mu.Lock()
	r.index.put(e.at(f, r.now()))
	r.mu.Unlock()
	r.touched[e.id] = true
	if inTrash(*from) {
		r.emptied[path.Dir(*from)] = true
	}
	r.done++
	return nil
}

// keepKind returns an error that is fs.ErrNotExist only if it says so of the file that was to be moved, which was looked
// at first.
func keepKind(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) && e.Op == "lstat" || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.New(err.Error()) //nolint:err113 // The kind is what has to go.
}

// temp is where a file that comes from another file system is written first.
func (l *Library) temp(step int64, n int, to string) string {
	return l.abs(path.Dir(to) + fmt.Sprintf("/.kaika-%d-%d.tmp", step, n))
}

func (r *runner) makeDir(it *item) error {
	at := r.abs(it.to)
	if !r.back {
		err := os.Mkdir(at, 0o755)
		if errors.Is(err, fs.ErrExist) {
			if info, statErr := os.Stat(at); statErr == nil && info.IsDir() {
				return errChanged // Somebody else made it, so it stays when the step is taken back.
			}
		}
		if err != nil {
			r.broken = err
			return err
		}
		r.labelMade(it.to)
		return nil
	}
	err := os.Remove(at)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		if r.step.kind != LabelAdded {
			return nil // There is more in it now than what the step put there.
		}
		r.broken = fmt.Errorf("%w: %w", errChanged, err)
		return errChanged
	}
	r.labelRemoved(it.to)
	return nil
}

func (r *runner) removeDir(it *item) error {
	at := r.abs(it.from)
	if r.back {
		err := os.Mkdir(at, 0o755)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			r.broken = err
			return err
		}
		r.labelMade(it.from)
		return nil
	}
	if err := os.Remove(at); err != nil {
		r.broken = err
		return err
	}
	r.labelRemoved(it.from)
	return nil
}

func (r *runner) renameDir(it *item) error {
	from, to := it.from, it.to
	if r.back {
		from, to = to, from
	}
	before := r.index.labels[from]
	if err := renameFolder(r.abs(from), r.abs(to)); err != nil {
		r.broken = err
		if errors.Is(err, fs.ErrExist) {
			return errChanged // It would be so the next time too, and no older step could ever be taken back.
		}
		return err
	}
	for _, e := range r.relabel(from, to) {
		r.touched[e.id] = true
	}
	r.done += before
	return nil
}

// relabel tells memory that the folder of a label was renamed, and returns the photos in it.
func (l *Library) relabel(from, to string) []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var moved []*entry
	for _, e := range l.index.byRel {
		if below, inside := strings.CutPrefix(e.rel, from+"/"); inside {
			f := e.file
			f.rel = to + "/" + below
			moved = append(moved, e.at(f, l.now()))
		}
	}
	for _, e := range moved {
		l.index.put(e)
	}
	l.index.removeLabel(from)
	l.index.addLabel(to)
	return moved
}

func (r *runner) labelMade(rel string) {
	if !strings.Contains(rel, "/") {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.index.addLabel(rel)
	}
}

func (r *runner) labelRemoved(rel string) {
	if !strings.Contains(rel, "/") {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.index.removeLabel(rel)
	}
}

// finish journals what became of the step. If that fails, the files tell it to whoever has the next turn.
func (r *runner) finish(ctx context.Context, isNew bool) {
	r.prune()
	r.step.settle()
	var entries []*entry
	for id := range r.touched {
		entries = append(entries, r.index.byID[id])
	}
	ctx = context.WithoutCancel(ctx)
	err := r.record(ctx, func(tx *sql.Tx) error {
		if isNew && r.step.state == done {
			if err := forgetUndone(ctx, tx); err != nil {
				return err
			}
		}
		if err := saveStep(ctx, tx, r.step); err != nil {
			return err
		}
		return savePhotos(ctx, tx, entries)
	})
	if err != nil {
		r.adrift = true
		r.examine(err)
		r.log.Warn("what was done cannot be written to the catalog yet", "folder", r.dir, "error", err)
	}
}

// prune removes folders of the trash that have become empty.
func (r *runner) prune() {
	for dir := range r.emptied {
		for dir != trashDir && os.Remove(r.abs(dir)) == nil {
			dir = path.Dir(dir)
		}
	}
}

// result returns the error of a step: what stopped it, and what else could not be done.
func (r *runner) result(err error) error {
	failed := partial(r.step.kind, r.back, r.done, r.failures)
	switch {
	case err == nil:
		return failed
	case r.broken != nil:
		err = r.refused(err)
	default:
		err = fmt.Errorf("stopped after %d photos: %w", r.done, err)
	}
	if failed != nil {
		err = errors.Join(err, failed)
	}
	return err
}

// partial returns a *PartialError, or nil if nothing failed.
func partial(kind ActionKind, undo bool, done int, failures []Failure) error {
	if len(failures) == 0 {
		return nil
	}
	return &PartialError{Kind: kind, Undo: undo, Done: done, Failures: failures}
}

// reconcile finds out what became of steps whose process died, from the files. It has the lock, so nobody is at work on
// them.
func (l *Library) reconcile(ctx context.Context) error {
	steps, err := l.loadSteps(ctx, "state IN (?, ?, ?) ORDER BY id", int(doing), int(undoing), int(redoing))
	if err != nil {
		return err
	}
	for _, s := range steps {
		if err := l.loadItems(ctx, s); err != nil {
			return err
		}
		l.log.Info("a step was not ended: what became of it is read off the files", "folder", l.dir, "step", string(s.kind))
		began := s.state
		touched := l.repair(context.WithoutCancel(ctx), s)
		s.settle()
		err := l.record(ctx, func(tx *sql.Tx) error {
			if began == doing && s.state == done {
				if err := forgetUndone(ctx, tx); err != nil {
					return err
				}
			}
			if err := saveStep(ctx, tx, s); err != nil {
				return err
			}
			return savePhotos(ctx, tx, touched)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// repair sets the states of the items of a step by where the files are, and tells memory.
func (l *Library) repair(ctx context.Context, s *step) (touched []*entry) {
	candidate := func(it *item) bool {
		return it.state == pending || s.state == undoing && it.state == inEffect || s.state == redoing && it.state == takenBack
	}
	settle := func(it *item, there bool) {
		switch {
		case there:
			it.state = inEffect
		case s.state == doing:
			it.state = dropped
		default:
			it.state = takenBack
		}
	}
	moved := false
	for i := range s.items {
		it := &s.items[i]
		if it.op != moveFileOp || !candidate(it) {
			moved = moved || it.op == moveFileOp && it.state == inEffect
			continue
		}
		l.removeTemporary(s.id, it)
		rel := l.whereIs(ctx, it, s.state == undoing)
		if rel == "" {
			it.state = dropped
			continue
		}
		settle(it, rel == it.to)
		moved = moved || it.state == inEffect
		if e := l.index.byID[it.photo]; e != nil && e.rel != rel {
			f, err := statFile(l.dir, rel)
			if err != nil {
				f = e.file
				f.rel = rel
			}
			e = e.at(f, l.now())
			l.mu.Lock()
			l.index.put(e)
			l.mu.Unlock()
			touched = append(touched, e)
		}
	}
	for i := range slices.Backward(s.items) {
		it := &s.items[i]
		if it.op == moveFileOp || !candidate(it) {
			continue
		}
		switch it.op {
		case makeDirOp:
			if !moved && (s.kind != LabelAdded || s.state == undoing) {
				// It was made for photos that are not there. It stays if there is anything else in it.
				_ = os.Remove(l.abs(it.to))
			}
			settle(it, l.exists(it.to) && (moved || s.kind == LabelAdded))
		case removeDirOp:
			settle(it, !l.exists(it.from))
		case renameDirOp:
			there := l.exists(it.to) && !l.exists(it.from)
			settle(it, there)
			if there {
				touched = append(touched, l.relabel(it.from, it.to)...)
			} else {
				touched = append(touched, l.relabel(it.to, it.from)...)
			}
		default:
		}
	}
	return touched
}

// whereIs returns at which of its two paths the file of an item is, or "" if at none. Where a move to another file system
// was cut off after the file had been copied, it is ended.
func (l *Library) whereIs(ctx context.Context, it *item, back bool) string {
	src, dst := it.from, it.to
	if back {
		src, dst = dst, src
	}
	e := l.index.byID[it.photo]
	switch atSrc, atDst := l.holds(src, e), l.holds(dst, e); {
	case atSrc && atDst:
		if l.isCopy(ctx, src, dst) && os.Remove(l.abs(src)) == nil {
			return dst
		}
		return src
	case atSrc:
		return src
	case atDst:
		return dst
	}
	return ""
}

// holds says whether the file of a photo seems to lie at a path.
func (l *Library) holds(rel string, e *entry) bool {
	f, err := statFile(l.dir, rel)
	return err == nil && (e == nil || f.sameStamp(e.file))
}

// isCopy says whether two different files hold the same bytes, or two links lead to the same file.
func (l *Library) isCopy(ctx context.Context, a, b string) bool {
	infoA, errA := os.Lstat(l.abs(a))
	infoB, errB := os.Lstat(l.abs(b))
	if errA != nil || errB != nil || os.SameFile(infoA, infoB) || infoA.Mode().Type() != infoB.Mode().Type() {
		return false
	}
	if infoA.Mode()&fs.ModeSymlink != 0 {
		realA, errA := filepath.EvalSymlinks(l.abs(a))
		realB, errB := filepath.EvalSymlinks(l.abs(b))
		return errA == nil && errB == nil && realA == realB
	}
	sumA, errA := sum(ctx, l.abs(a))
	sumB, errB := sum(ctx, l.abs(b))
	return errA == nil && errB == nil && sumA == sumB
}

func (l *Library) removeTemporary(step int64, it *item) {
	for _, rel := range []string{it.from, it.to} {
		if err := ignoreMissing(os.Remove(l.temp(step, it.n, rel))); err != nil {
			l.log.Warn("a photo that was half written cannot be removed", "error", err)
		}
	}
}

func (l *Library) exists(rel string) bool {
	_, err := os.Lstat(l.abs(rel))
	return err == nil
}
