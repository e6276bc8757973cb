package curate

import (
	"context"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch calls Refresh when something changes in the folders, and every half minute where that cannot be noticed. It
// returns when ctx is done or the library is closed, so it wants a goroutine of its own. What goes wrong is written to
// the log. The changes made are told to those who subscribed.
func (l *Library) Watch(ctx context.Context) {
	if !l.beginWatch() {
		return
	}
	defer l.watch.Done()
	w := &watcher{Library: l, watched: map[string]bool{}}
	if notify, err := fsnotify.NewWatcher(); err != nil {
		l.log.Warn("changes of the dataset by other programs are noticed late", "folder", l.dir, "error", err)
	} else {
		defer notify.Close() //nolint:errcheck // It was only listened to.
		w.notify = notify
	}
	w.run(ctx)
}

// beginWatch lets Close wait for Watch, unless it was called already.
func (l *Library) beginWatch() bool {
	l.closing.Lock()
	defer l.closing.Unlock()
	select {
	case <-l.closed:
		return false
	default:
		l.watch.Add(1)
		return true
	}
}

// A watcher listens to the folders of a dataset.
type watcher struct {
	*Library
	notify  *fsnotify.Watcher // Nil where there is none.
	watched map[string]bool
	full    bool // No more folders can be watched.
	failed  bool // The last Refresh failed, which was said.
}

func (w *watcher) run(ctx context.Context) {
	var events chan fsnotify.Event
	var errors chan error
	if w.notify != nil {
		events, errors = w.notify.Events, w.notify.Errors
	}
	w.follow()
	w.check(ctx) // What changed before the folders were watched.
	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	quiet := time.NewTimer(0)
	quiet.Stop()
	defer quiet.Stop()
	var first time.Time // When the first of the events came that nobody looked after yet.
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.closed:
			return
		case event := <-events:
			if event.Op == fsnotify.Chmod {
				continue
			}
			if first.IsZero() {
				first = time.Now()
			}
			quiet.Reset(min(w.quiet, w.most-time.Since(first)))
		case err := <-errors:
			w.log.Debug("listening to the folders of the dataset", "folder", w.dir, "error", err)
			quiet.Reset(w.quiet) // Events may have been lost.
		case <-quiet.C:
			first = time.Time{}
			w.check(ctx)
		case <-poll.C:
			w.check(ctx)
		}
	}
}

// check looks at the folders, and again as long as there are folders that were not watched while it looked: what is put
// into a new folder between the two would else be noticed by no event.
func (w *watcher) check(ctx context.Context) {
	for {
		_, err := w.Refresh(ctx)
		if err != nil && ctx.Err() == nil && !w.failed {
			w.log.Warn("the dataset cannot be looked at", "error", err)
		}
		w.failed = err != nil
		if !w.follow() || err != nil {
			return
		}
	}
}

// follow watches the folders that there are. It reports whether some were not watched before.
func (w *watcher) follow() bool {
	if w.notify == nil {
		return false
	}
	w.mu.RLock()
	folders := slices.Clone(w.folders)
	w.mu.RUnlock()
	keep := make(map[string]bool, len(folders))
	for _, dir := range folders {
		keep[dir] = true
	}
	// Those that are gone first: a folder with another name is to the system the one that is watched already, and ends
	// with its old name.
	for dir := range w.watched {
		if !keep[dir] {
			_ = w.notify.Remove(dir) // Mostly it ended with the folder.
			delete(w.watched, dir)
		}
	}
	more := false
	for _, dir := range folders {
		// A folder that was removed and made again is another one, so all are added each time: it costs little.
		if err := w.notify.Add(dir); err != nil {
			if !w.full {
				w.log.Warn("changes in some folders of the dataset are noticed late", "folder", dir, "error", err)
			}
			w.full = true
			continue
		}
		if !w.watched[dir] {
			w.watched[dir], more = true, true
		}
	}
	return more
}
