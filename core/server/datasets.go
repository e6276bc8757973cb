package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"kaika/core/curate"
	"kaika/core/dataset"
)

// Names in the folder of datasets that are none: hidden, so nobody can ask for them.
const (
	deletedDir     = ".deleted"     // Datasets that were deleted, each under its name and the time.
	receivePattern = ".receiving-*" // Archives that are being received,
	sendPattern    = ".sending-*"   // and those that are being packed and sent, each in a folder.
	removePattern  = ".removing-*"  // Deleted datasets that are being removed for good, among them.
)

// leftOver is how old an archive that was left behind is when nobody can be at work on it any more.
const leftOver = 24 * time.Hour

// lockPatience is the patience of datasets.
const lockPatience = 10 * time.Second

// datasets are the folders in a folder, each of them a dataset. Each is opened when it is first asked for, and shared.
type datasets struct {
	dir      string // "" where the server keeps none.
	log      *slog.Logger
	now      func() time.Time
	patience time.Duration // How long a change waits for another program that changes the same dataset.

	ctx  context.Context // Of those who watch the folders; ends with close.
	stop context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	open   map[string]*openDataset
	held   map[string]int // Long work on a dataset, by its name; below 0 while it is being deleted.
	closed bool
}

// openDataset is one dataset. Its lock is held for reading while the library is used, and for writing by who opens it, closes
// it, or moves its folder.
type openDataset struct {
	lock    sync.RWMutex
	library *curate.Library // Nil until it is opened.
	folder  fs.FileInfo     // What it was opened on.
}

func newDatasets(dir string, log *slog.Logger) *datasets {
	ctx, stop := context.WithCancel(context.Background())
	d := &datasets{
		dir: dir, log: log, now: time.Now, patience: lockPatience, ctx: ctx, stop: stop,
		open: map[string]*openDataset{}, held: map[string]int{},
	}
	d.tidy()
	return d
}

// close closes all datasets, and waits for what is being done with them.
func (d *datasets) close() error {
	d.mu.Lock()
	d.closed = true
	open := d.open
	d.open = map[string]*openDataset{}
	d.mu.Unlock()
	d.stop()
	var err error
	for _, o := range open {
		o.lock.Lock()
		err = errors.Join(err, o.close())
		o.lock.Unlock()
	}
	d.work.Wait()
	return err
}

func (o *openDataset) close() error {
	if o.library == nil {
		return nil
	}
	err := o.library.Close()
	o.library = nil
	return err
}

// tidy removes what a server which was killed left: archives that it received or sent, and datasets that it removed for good.
func (d *datasets) tidy() {
	if d.dir == "" {
		return
	}
	d.clear(d.dir, receivePattern, leftOver)
	d.clear(d.dir, sendPattern, leftOver)
	d.clear(d.path(deletedDir), removePattern, 0)
}

// clear removes what is in a folder under names of a pattern, a beginning and *, and has some age.
func (d *datasets) clear(dir, pattern string, age time.Duration) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // There is no such folder, or who needs it says why.
	}
	for _, e := range entries {
		info, err := e.Info()
		if !strings.HasPrefix(e.Name(), strings.TrimSuffix(pattern, "*")) || err != nil || d.now().Sub(info.ModTime()) < age {
			continue
		}
		at := filepath.Join(dir, e.Name())
		if err := os.RemoveAll(at); err != nil {
			d.log.Warn("what was left behind cannot be removed", "path", at, "error", err)
		}
	}
}

// errNoDatasets answers where the server keeps no datasets.
func errNoDatasets() error {
	return notFound("no_datasets", "this server keeps no datasets: start it with --datasets FOLDER")
}

// checkName says whether a dataset or a model could have a name: one that is a single part of a path and of an address
// everywhere.
func checkName(name string) error {
	const allowed = " -_.()+&'"
	var wrong string
	first, _ := utf8.DecodeRuneInString(name)
	switch {
	case name == "":
		wrong = "is empty: give it at least one letter"
	case !utf8.ValidString(name):
		wrong = "is not UTF-8: write it in UTF-8"
	case len(name) > 200:
		wrong = "is too long: shorten it to 200 bytes"
	case !unicode.IsLetter(first) && !unicode.IsDigit(first):
		wrong = "does not begin with a letter or a digit: let it begin with one"
	case strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune(allowed, r)
	}):
		wrong = "has other characters than letters, digits, spaces and -_.()+&': leave those out"
	case strings.HasSuffix(name, " "), strings.HasSuffix(name, "."):
		wrong = "ends with a space or a dot: leave that out"
	default:
		return nil
	}
	return badRequest("bad_name", fmt.Sprintf("the name %q %s", name, wrong))
}

// names lists the datasets that are there, in bytewise order.
func (d *datasets) names() ([]string, error) {
	if d.dir == "" {
		return nil, errNoDatasets()
	}
	entries, err := os.ReadDir(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // It is made with the first dataset.
	}
	if err != nil {
		return nil, fmt.Errorf("listing the datasets: %w", err)
	}
	var names []string
	for _, e := range entries {
		if checkName(e.Name()) != nil {
			continue
		}
		if info, err := os.Stat(filepath.Join(d.dir, e.Name())); err == nil && info.IsDir() { // Links are followed.
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// find says whether there is a dataset of that name. The error is a problem if there can be none: its name is not possible,
// or not to be told apart from that of another.
func (d *datasets) find(name string) (there bool, err error) {
	names, err := d.names()
	if err != nil {
		return false, err
	}
	if err := checkName(name); err != nil {
		return false, err
	}
	if slices.Contains(names, name) {
		return true, nil
	}
	for _, other := range names {
		if strings.EqualFold(norm.NFC.String(other), norm.NFC.String(name)) {
			return false, &problem{
				status: http.StatusConflict, code: "name_clash",
				sentence: fmt.Sprintf("%q can hardly be told apart from the dataset %q: choose another name", name, other),
			}
		}
	}
	return false, nil
}

func noDataset(name string) error {
	return notFound("no_dataset", fmt.Sprintf("there is no dataset %q: GET /api/v1/datasets lists them", name))
}

// path gives the folder of a dataset.
func (d *datasets) path(name string) string { return filepath.Join(d.dir, name) }

// slot gives the place where a dataset is kept open.
func (d *datasets) slot(name string) (*openDataset, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, curate.ErrClosed
	}
	o := d.open[name]
	if o == nil {
		o = &openDataset{}
		d.open[name] = o
	}
	return o, nil
}

// use calls f with an open dataset, which stays open until f returns. f must not wait for a client.
func (d *datasets) use(ctx context.Context, name string, f func(*curate.Library) error) error {
	there, err := d.find(name)
	if err != nil {
		return err
	}
	if !there {
		return noDataset(name)
	}
	return d.with(ctx, name, func(o *openDataset) error { return d.openIt(ctx, name, o) }, f)
}

// useOrMake is use for a dataset that is made if there is none, once it is known that a label is possible in it.
func (d *datasets) useOrMake(ctx context.Context, name, label string, f func(*curate.Library) error) error {
	there, err := d.find(name)
	if err != nil {
		return err
	}
	return d.with(ctx, name, func(o *openDataset) error {
		if there {
			return d.openIt(ctx, name, o)
		}
		return d.makeIt(ctx, name, label, o)
	}, f)
}

// with calls f with an open dataset; open sees to it that it is one.
func (d *datasets) with(ctx context.Context, name string, open func(*openDataset) error, f func(*curate.Library) error) error {
	o, err := d.slot(name)
	if err != nil {
		return err
	}
	for !o.hold(d.path(name)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		o.lock.Lock()
		err := open(o)
		o.lock.Unlock()
		if err != nil {
			return err
		}
	}
	defer o.lock.RUnlock()
	return f(o.library)
}

// hold takes the lock for reading, if the dataset is open.
func (o *openDataset) hold(path string) bool {
	o.lock.RLock()
	if o.library != nil && o.current(path) {
		return true
	}
	o.lock.RUnlock()
	return false
}

// current says whether the folder of an open dataset is still the one that it was opened on.
func (o *openDataset) current(path string) bool {
	info, err := os.Stat(path)
	return err == nil && os.SameFile(info, o.folder)
}

// openIt opens a dataset, unless it is open. Its caller has the lock.
func (d *datasets) openIt(ctx context.Context, name string, o *openDataset) error {
	if o.library != nil {
		if o.current(d.path(name)) {
			return nil
		}
		if err := o.close(); err != nil { // Its folder was removed, or another put in its place.
			d.log.Warn("a dataset that is gone could not be closed cleanly", "dataset", name, "error", err)
		}
	}
	l, err := curate.Open(ctx, d.path(name), curate.Options{Log: d.log})
	if errors.Is(err, dataset.ErrNoFolder) {
		return noDataset(name)
	}
	if err != nil {
		return fmt.Errorf("opening the dataset %s: %w", name, err)
	}
	return d.keep(name, l, o)
}

// makeIt makes a dataset without photos, unless it is there by now. Its caller has the lock.
func (d *datasets) makeIt(ctx context.Context, name, label string, o *openDataset) error {
	if _, err := os.Stat(d.path(name)); err == nil {
		return d.openIt(ctx, name, o)
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return fmt.Errorf("making the folder of datasets: %w", err)
	}
	l, err := curate.Create(ctx, d.path(name), nil, curate.Options{Log: d.log})
	if err != nil {
		return fmt.Errorf("making the dataset %s: %w", name, err)
	}
	if err := l.CheckLabel(label); err != nil {
		return errors.Join(err, l.Close(), os.Remove(d.path(name))) // It is empty.
	}
	return d.keep(name, l, o)
}

// keep keeps a library open. Its caller has the slot's lock.
func (d *datasets) keep(name string, l *curate.Library, o *openDataset) error {
	info, err := os.Stat(d.path(name))
	d.mu.Lock()
	if d.closed && err == nil {
		err = curate.ErrClosed
	}
	if err == nil {
		d.work.Go(func() { l.Watch(d.ctx) })
	}
	d.mu.Unlock()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	o.library, o.folder = l, info
	return nil
}

// hold keeps a dataset, which need not be there yet, from being deleted until release is called.
func (d *datasets) hold(name string) (release func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held[name] < 0 {
		return nil, &problem{
			status: http.StatusConflict, code: "dataset_busy", sentence: fmt.Sprintf("the dataset %q is being deleted or brought back: try again in a moment", name), retryAfter: time.Second,
		}
	}
	d.held[name]++
	return func() { d.letGo(name) }, nil
}

func (d *datasets) letGo(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch n := d.held[name]; n {
	case 1, -1:
		delete(d.held, name)
	default:
		d.held[name] = n - 1
	}
}

// seize keeps everybody else from long work on a dataset, which need not be there, until release is called.
func (d *datasets) seize(name string) (release func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held[name] != 0 {
		return nil, &problem{
			status: http.StatusConflict, code: "dataset_busy",
			sentence: fmt.Sprintf("the dataset %q is in use by a training, an import, an upload or a download: wait for its end, or cancel it", name),
		}
	}
	d.held[name] = -1
	return func() { d.letGo(name) }, nil
}

// delete takes a dataset from the list, by moving its folder to a hidden one, whose path it gives. Nothing of it is lost.
func (d *datasets) delete(name string) (to string, err error) {
	there, err := d.find(name)
	if err != nil {
		return "", err
	}
	if !there {
		return "", noDataset(name)
	}
	release, err := d.seize(name)
	if err != nil {
		return "", err
	}
	defer release()
	o, err := d.slot(name)
	if err != nil {
		return "", err
	}
	o.lock.Lock()
	defer o.lock.Unlock()
	if err := o.close(); err != nil {
		return "", fmt.Errorf("closing the dataset %s: %w", name, err)
	}
	if err := os.MkdirAll(filepath.Join(d.dir, deletedDir), 0o755); err != nil {
		return "", fmt.Errorf("deleting the dataset %s: %w", name, err)
	}
	to = filepath.Join(d.dir, deletedDir, name+" "+d.now().UTC().Format(deletedTime))
	if err := os.Rename(d.path(name), to); err != nil { //nolint:gosec // The name is that of a folder there, see find.
		return "", fmt.Errorf("deleting the dataset %s: %w", name, err)
	}
	return to, nil
}

// refresh has an open dataset take over what was done to its folder.
func (d *datasets) refresh(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.patience) // Who did it may be gone by now.
	defer cancel()
	err := d.use(ctx, name, func(l *curate.Library) error {
		_, err := l.Refresh(ctx)
		return err
	})
	if err != nil {
		d.log.WarnContext(ctx, "a dataset that was changed could not be read anew", "dataset", name, "error", err)
	}
}

// datasetProblem finds what to say of an error of a dataset. ctx is the request's.
func datasetProblem(ctx context.Context, err error) error {
	var said *problem
	switch {
	case err == nil, errors.As(err, &said):
		return err
	case errors.Is(err, dataset.ErrLabelName):
		return &problem{status: http.StatusBadRequest, code: "bad_label", sentence: err.Error()}
	case errors.Is(err, dataset.ErrLabelClash):
		return &problem{status: http.StatusConflict, code: "label_clash", sentence: err.Error()}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &problem{
			status: http.StatusInsufficientStorage, code: "disk_full", err: err,
			sentence: "the disk of the server is full: make room there, then try again. What has come in stays",
		}
	case errors.Is(err, curate.ErrReadOnly), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &problem{
			status: http.StatusConflict, code: "read_only", err: err,
			sentence: "the server may not write there: give its user the right to write in the folder of datasets",
		}
	case errors.Is(err, curate.ErrNothing):
		return &problem{status: http.StatusConflict, code: "nothing", sentence: "there is nothing to undo"}
	case errors.Is(err, curate.ErrClosed):
		return &problem{status: http.StatusServiceUnavailable, code: "stopping", sentence: "the server is about to stop", retryAfter: time.Second, err: err}
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return &problem{
			status: http.StatusConflict, code: "dataset_busy", retryAfter: lockPatience, err: err,
			sentence: "another program is changing this dataset: try again when it has finished",
		}
	}
	return err
}
