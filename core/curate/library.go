package curate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"kaika/core/dataset"
)

// A Library is an open dataset. Its methods may be called from any goroutine. Labels, Photos, Photo, Find, Skipped,
// CanUndo and CanRedo answer from memory; the others read and write files.
type Library struct {
	dir string
	log *slog.Logger
	now func() time.Time

	quiet, most, poll time.Duration // How Watch waits.

	turn    chan struct{} // Holds one element while something is being changed here.
	closed  chan struct{}
	closer  sync.Once
	closing sync.Mutex // So that no Watch begins while Close waits for them.
	watch   sync.WaitGroup

	// These belong to whoever has the turn.
	catalog *catalog // Nil as long as there is none.
	stale   bool     // The folders are not, or may not be, what memory says.
	adrift  bool     // The catalog is not what memory says.
	known   bool     // Undo and redo are what the catalog says.
	listed  bool     // Memory holds what was in the folders at some time.
	next    ID
	former  map[string]*entry // By path, the photos that were known before a catalog was taken over.

	together map[string]*gathering // By batch, what came in until now of photos that are to come together.

	mu         sync.RWMutex // Guards what follows; only who has the turn changes it.
	sorting    sync.Mutex   // Guards the index's order of photos among those who read.
	index      *index
	folders    []string
	alias      map[ID]ID // IDs given out before another process made the catalog.
	undo, redo *offer

	subscribing sync.Mutex
	subscribers map[*func(Change)]bool
}

func open(ctx context.Context, dir string, o Options) (*Library, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &folderError{dataset.ErrNoFolder, err, fmt.Sprintf("there is no folder %q: check the path", dir)}
	case err != nil:
		return nil, &folderError{dataset.ErrNoFolder, err, fmt.Sprintf("the folder %q cannot be read (%v): check who may read it", dir, cause(err))}
	case !info.IsDir():
		return nil, &folderError{dataset.ErrNoFolder, nil, fmt.Sprintf("%q is a file: give the folder that holds the label folders", dir)}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open the dataset %s: %w", dir, err)
	}
	l := &Library{
		dir:         abs,
		log:         o.Log,
		now:         func() time.Time { return time.Now().Round(0) }, // As the catalog gives it back.
		quiet:       300 * time.Millisecond,
		most:        2 * time.Second,
		poll:        30 * time.Second,
		turn:        make(chan struct{}, 1),
		closed:      make(chan struct{}),
		index:       newIndex(abs),
		alias:       map[ID]ID{},
		together:    map[string]*gathering{},
		subscribers: map[*func(Change)]bool{},
		stale:       true,
		// Two processes that open a dataset without a catalog give out different IDs, so that none of one can ever be taken
		// for a photo of the other.
		next: 1 + ID(rand.Int64N(1<<31))<<20, //nolint:gosec // Nothing secret.
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if err := l.begin(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// begin fills memory for the first time.
func (l *Library) begin(ctx context.Context) error {
	if l.hasHidden() {
		err := l.locked(ctx, func() error { return nil })
		if err == nil || ctx.Err() != nil || errors.Is(err, dataset.ErrNoFolder) {
			l.ready()
			return err
		}
		l.log.Warn("the dataset can be looked at but not changed", "folder", l.dir, "error", err)
		if err := l.readOnly(ctx); err != nil {
			l.log.Warn("the dataset's catalog cannot be read", "folder", l.dir, "error", err)
		}
	}
	err := l.relist(ctx)
	l.ready()
	return err
}

// ready ends what there is to do before others see the library.
func (l *Library) ready() {
	l.index.changes(nil)
	l.index.sorted()
}

// hasHidden says whether there is something to take over beside the label folders.
func (l *Library) hasHidden() bool {
	for _, rel := range []string{hiddenDir + "/" + catalogFile, hiddenDir + "/" + sourcesFile, trashDir} {
		if _, err := os.Stat(l.abs(rel)); err == nil {
			return true
		}
	}
	return false
}

// readOnly takes over the catalog of a dataset that cannot be changed.
func (l *Library) readOnly(ctx context.Context) error {
	path := l.abs(hiddenDir + "/" + catalogFile)
	if _, err := os.Stat(path); err != nil {
		return ignoreMissing(err)
	}
	db, err := openDatabase(path, "ro")
	if err != nil {
		return err
	}
	entries, next, _, err := load(ctx, db)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	l.replaceAll(entries)
	l.next = max(l.next, next)
	return nil
}

// take waits for the turn to change something. Who has it gives it back with give.
func (l *Library) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.turn <- struct{}{}:
		select {
		case <-l.closed:
			<-l.turn
			return ErrClosed
		default:
			return nil
		}
	case <-l.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// give ends the turn and tells the subscribers what has changed in it since counts were taken.
func (l *Library) give(counts []LabelCount, external bool) Change {
	l.mu.Lock()
	change := l.index.changes(counts)
	l.mu.Unlock()
	change.External = external
	<-l.turn
	if !change.empty() {
		l.notify(change)
	}
	return change
}

func (c Change) empty() bool {
	return len(c.Added)+len(c.Changed)+len(c.Removed) == 0 && !c.Labels
}

// change runs f while neither another goroutine nor another process changes the dataset, with memory and catalog up to
// date. The error says what was to be done.
func (l *Library) change(ctx context.Context, what string, f func() error) error {
	if err := l.take(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	counts := l.Labels()
	defer func() { l.give(counts, false) }()
	if err := l.locked(ctx, f); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// locked runs f under the lock. Its caller has the turn.
func (l *Library) locked(ctx context.Context, f func() error) error {
	// Only this one folder: where that of the dataset is gone, such as with its drive, a new one would be in its way.
	switch err := os.Mkdir(l.abs(hiddenDir), 0o755); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the folder %s is not there any more: connect its drive or put it back, then try again: %w", l.dir, fs.ErrNotExist)
	case err != nil && !errors.Is(err, fs.ErrExist):
		return l.refused(err)
	}
	lock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // Nothing was written; closing gives the lock back.
	if err := l.attach(ctx); err != nil {
		return err
	}
	l.known = false
	err = f()
	if l.stale || l.index.links {
		err = errors.Join(err, l.relist(context.WithoutCancel(ctx)))
	}
	l.examine(err)
	if !l.known {
		l.findSteps(ctx)
	}
	return err
}

// lock waits for the lock on the dataset.
func (l *Library) lock(ctx context.Context) (*os.File, error) {
	const pause = 20 * time.Millisecond
	path := l.abs(hiddenDir + "/lock")
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, l.refused(err)
		}
		held, err := tryLock(f)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		if held && sameOpen(f, path) { // Otherwise somebody removed the file, and others lock another one.
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func sameOpen(f *os.File, path string) bool {
	opened, err := f.Stat()
	return err == nil && sameNamed(opened, path)
}

// sameNamed says whether a path leads to the file that info is of.
func sameNamed(info fs.FileInfo, path string) bool {
	named, err := os.Stat(path)
	return err == nil && os.SameFile(info, named)
}

// refused explains why nothing can be written.
func (l *Library) refused(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &changeError{ErrReadOnly, err, fmt.Sprintf("the dataset in %q cannot be changed (%v): give yourself the right to write there, or work on a copy", l.dir, cause(err))}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk that holds %s is full: make room there, such as by emptying the trash: %w", l.dir, err)
	}
	return err
}

// changeError is an error of one of this package's kinds, with a text of its own.
type changeError struct {
	kind  error
	cause error
	text  string
}

func (e *changeError) Error() string { return e.text }

func (e *changeError) Unwrap() []error { return []error{e.kind, e.cause} }

// attach makes memory and catalog agree with each other, and with the folders as far as Kaika changed them.
func (l *Library) attach(ctx context.Context) error {
	path := l.abs(hiddenDir + "/" + catalogFile)
	if l.catalog != nil && !sameNamed(l.catalog.info, path) {
		l.log.Warn("the catalog was removed or replaced while it was in use", "file", path)
		l.detach()
	}
	var err error
	for range 2 {
		if err = l.synchronize(ctx, path); !damaged(err) {
			break
		}
		l.log.Warn("the catalog of the dataset is damaged and is made anew: what was done before cannot be undone", "file", path, "error", err)
		l.detach()
		if err := setAside(path); err != nil {
			return l.refused(err)
		}
	}
	if err != nil && ctx.Err() == nil {
		const readOnly, cannotOpen, full = 8, 14, 13
		switch sqliteCode(err) {
		case readOnly, cannotOpen:
			err = l.refused(errors.Join(fs.ErrPermission, err))
		case full:
			err = l.refused(errors.Join(syscall.ENOSPC, err))
		}
		return fmt.Errorf("open the catalog %s: %w", path, err)
	}
	return err
}

// synchronize opens the catalog if it is not open, and takes over what is new in it.
func (l *Library) synchronize(ctx context.Context, path string) error {
	const keepGone = 30 * 24 * time.Hour
	opened := l.catalog == nil
	if opened {
		c, err := openCatalog(ctx, path, rand.Int64N(1<<62)) //nolint:gosec // Nothing secret.
		if err != nil {
			return err
		}
		l.catalog = c
		l.clearTemporary()
		if _, err := c.db.ExecContext(ctx, "DELETE FROM photo WHERE gone != 0 AND gone < ?", l.now().Add(-keepGone).UnixNano()); err != nil {
			return err
		}
	}
	generation, err := l.catalog.current(ctx)
	if err != nil {
		return err
	}
	if !opened && !l.adrift && generation == l.catalog.generation {
		return nil
	}
	entries, next, generation, err := load(ctx, l.catalog.db)
	if err != nil {
		return err
	}
	l.catalog.generation = generation
	l.next = max(l.next, next)
	if opened && len(entries) == 0 { // A new one: memory is all there is.
		if err := l.save(ctx, slices.Collect(maps.Values(l.index.byID))); err != nil {
			return err
		}
	} else {
		l.former = maps.Clone(l.index.byRel)
		l.replaceAll(entries)
	}
	if err := l.reconcile(ctx); err != nil {
		return err
	}
	l.adrift = false // Before, as it is set again if what is found cannot be saved.
	if err := l.relist(ctx); err != nil {
		l.adrift = true
		return err
	}
	l.keepAliases()
	if opened {
		l.takeBackUnfinished(context.WithoutCancel(ctx))
	}
	l.findSteps(ctx)
	return nil
}

// replaceAll puts the photos of a catalog in the place of those in memory.
func (l *Library) replaceAll(entries []*entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	keep := make(map[ID]bool, len(entries))
	for _, e := range entries {
		keep[e.id] = true
		if old := l.index.byID[e.id]; old != nil && old.looksLike(e) {
			l.index.know(e)
		} else {
			l.index.put(e)
		}
		if e.gone.IsZero() && !inTrash(e.rel) {
			l.index.addLabel(labelOf(e.rel))
		}
	}
	for id := range l.index.byID {
		if !keep[id] {
			l.index.drop(id)
		}
	}
	l.listed = l.listed || len(entries) > 0
}

// keepAliases lets the IDs that photos had before a catalog was taken over stand for those that they have in it. It has
// to be the same file, wherever the process that made the catalog has moved it.
func (l *Library) keepAliases() {
	l.mu.Lock()
	defer l.mu.Unlock()
	type stamp struct {
		size, mtime int64
		inode       uint64
	}
	moved := map[stamp]*entry{}
	if len(l.former) > 0 {
		for _, e := range l.index.byRel {
			moved[stamp{e.size, e.mtime, e.inode}] = e
		}
	}
	for rel, old := range l.former {
		e := l.index.byRel[rel]
		if (e == nil || !e.sameFile(old.file)) && old.inode != 0 {
			e = moved[stamp{old.size, old.mtime, old.inode}]
		}
		if e != nil && e.sameFile(old.file) && e.id != old.id && l.index.byID[old.id] == nil {
			l.alias[old.id] = e.id
		}
	}
	l.former = nil
}

// resolve returns the ID in use for one that was given out. Its caller has the turn, or holds mu.
func (l *Library) resolve(id ID) ID {
	if other, renamed := l.alias[id]; renamed {
		return other
	}
	return id
}

// detach closes the catalog. It will be opened again, or made anew.
func (l *Library) detach() {
	if l.catalog == nil {
		return
	}
	if err := l.catalog.close(); err != nil {
		l.log.Warn("closing the catalog of the dataset", "folder", l.dir, "error", err)
	}
	l.catalog = nil
}

// examine gives up the catalog if an error says that it is damaged: it will be opened again, and then found so.
func (l *Library) examine(err error) {
	if damaged(err) {
		l.log.Warn("the catalog of the dataset is damaged", "folder", l.dir, "error", err)
		l.detach()
		if err := setAside(l.abs(hiddenDir + "/" + catalogFile)); err != nil {
			l.log.Warn("a damaged catalog cannot be moved out of the way", "folder", l.dir, "error", err)
		}
	}
}

// save writes photos to the catalog, if there is one.
func (l *Library) save(ctx context.Context, entries []*entry) error {
	if l.catalog == nil {
		return nil
	}
	return l.record(ctx, func(tx *sql.Tx) error { return savePhotos(ctx, tx, entries) })
}

// record changes the catalog, so that other processes notice.
func (l *Library) record(ctx context.Context, f func(*sql.Tx) error) error {
	err := l.catalog.write(ctx, func(tx *sql.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE meta SET generation = generation + 1, next = ?", int64(l.next))
		return err
	})
	if err == nil {
		l.catalog.generation++
	}
	return err
}

// temporary is the folder of photos that are being written.
const temporary = hiddenDir + "/tmp"

// clearTemporary removes what processes left behind that died while they wrote a photo.
func (l *Library) clearTemporary() {
	left, err := os.ReadDir(l.abs(temporary))
	if err != nil {
		return // Mostly there is none.
	}
	for _, e := range left {
		if err := os.Remove(l.abs(temporary + "/" + e.Name())); err != nil {
			l.log.Warn("a photo that was half written cannot be removed", "error", err)
		}
	}
}

func (l *Library) notify(c Change) {
	l.subscribing.Lock()
	subscribers := slices.Collect(maps.Keys(l.subscribers))
	l.subscribing.Unlock()
	for _, f := range subscribers {
		l.subscribing.Lock()
		wanted := l.subscribers[f]
		l.subscribing.Unlock()
		if wanted {
			(*f)(c)
		}
	}
}
