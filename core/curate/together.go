package curate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// unfinished is what the names of files in the hidden folder begin with that stand for photos which come in together. The rest
// is that of the batch. Such a file is locked while its process lives, and goes when all of them are there.
const unfinished = "unfinished-"

// A gathering is what came in of photos that are to come together.
type gathering struct {
	photos  []ID
	folders []string // Labels that were made for them.
}

// Together has photos come into the dataset all or not at all: those that f adds with the Batch that it is given, which are one
// step for Undo. Where f fails they are taken back, for good and not into the trash, so that they can be added again. If the
// process dies meanwhile, whoever opens the dataset next does it. A photo that was moved to another label or deleted since
// stays where it is.
func (l *Library) Together(ctx context.Context, f func(batch string) error) (err error) {
	const what = "add photos together"
	name := rand.Text()
	batch := severalLabels + name
	path := l.abs(hiddenDir + "/" + unfinished + name)
	var mark *os.File
	err = l.change(ctx, what, func() error { // Nobody looks for marks before this one is locked.
		var err error
		if mark, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
			return l.refused(err)
		}
		claim(mark)
		l.together[batch] = &gathering{}
		return nil
	})
	if mark != nil {
		defer func() { err = errors.Join(err, mark.Close()) }()
	}
	if err == nil {
		err = f(batch)
	}
	if mark == nil {
		return err
	}
	if err == nil {
		if err = os.Remove(path); err == nil {
			return l.change(context.WithoutCancel(ctx), what, func() error { delete(l.together, batch); return nil })
		}
	}
	const patience = time.Minute // Others may hold the lock, but not for ever.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	undone := l.change(ctx, "take back what was added", func() error {
		came := l.together[batch]
		delete(l.together, batch)
		if err := l.takeBack(ctx, batch, *came); err != nil {
			return err
		}
		return ignoreMissing(os.Remove(path))
	})
	if undone != nil {
		err = fmt.Errorf("%w. A part came in and is still there; it goes when the dataset is opened the next time: %w", err, undone)
	}
	return err
}

// takeBackUnfinished takes back what came in of photos that were to come together when the process died that added them.
func (l *Library) takeBackUnfinished(ctx context.Context) {
	entries, err := os.ReadDir(l.abs(hiddenDir))
	if err != nil {
		return
	}
	for _, e := range entries {
		name, is := strings.CutPrefix(e.Name(), unfinished)
		if !is || !e.Type().IsRegular() {
			continue
		}
		at := l.abs(hiddenDir + "/" + e.Name())
		mark, err := os.OpenFile(at, os.O_RDWR, 0)
		if err == nil {
			if claim(mark) {
				l.log.Info("photos that were to come in together did not all come, so they are taken back", "folder", l.dir)
				if err = l.takeBack(ctx, severalLabels+name, gathering{}); err == nil {
					err = os.Remove(at)
				}
			}
			err = errors.Join(err, mark.Close())
		}
		if ignoreMissing(err) != nil {
			l.log.Warn("photos that came in only in part cannot be taken back yet", "folder", l.dir, "error", err)
		}
	}
}

// takeBack removes the photos of a batch, and the labels that were made for them: those of the journal, and what this process
// knows of, because on a full disk the journal may not. Its caller has the lock.
func (l *Library) takeBack(ctx context.Context, batch string, came gathering) error {
	steps, err := l.loadSteps(ctx, "kind = ? AND batch = ? AND state = ? ORDER BY id", string(Added), batch, int(done))
	if err != nil {
		return err
	}
	given := map[ID]string{} // The paths that the photos were given.
	for _, id := range came.photos {
		if e := l.index.byID[id]; e != nil {
			given[id] = e.rel
		}
	}
	for _, s := range steps {
		if err := l.loadItems(ctx, s); err != nil {
			return err
		}
		for _, it := range s.items {
			switch {
			case it.state != inEffect:
			case it.op == makeDirOp:
				came.folders = append(came.folders, it.to)
			case it.op == moveFileOp:
				given[it.photo] = it.to
			}
		}
	}
	removed, failed := l.removeGiven(given)
	for _, label := range came.folders {
		if os.Remove(l.abs(label)) == nil { // It stays if there is anything else in it.
			l.mu.Lock()
			l.index.removeLabel(label)
			l.mu.Unlock()
		}
	}
	return errors.Join(failed, l.forget(ctx, removed))
}

// removeGiven removes the files of photos that are still what and where they were given to be, and returns whose those were.
func (l *Library) removeGiven(given map[ID]string) (removed []ID, err error) {
	for id, rel := range given {
		e := l.index.byID[id]
		if e == nil || !e.gone.IsZero() || !samePlace(e.rel, rel) {
			continue
		}
		if f, err := statFile(l.dir, e.rel); err != nil || !f.sameStamp(e.file) {
			l.stale = true // Another program has put something else there.
			continue
		}
		if failed := ignoreMissing(os.Remove(l.abs(e.rel))); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		removed = append(removed, id)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range removed {
		l.index.drop(id)
	}
	return removed, err
}
