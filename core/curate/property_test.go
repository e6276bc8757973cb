package curate_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kaika/core/curate"
	"kaika/core/picture/picturetest"
)

// FuzzUndo does random things to a dataset, in one or two windows and with restarts between them, and takes all of them
// back: then every photo that was there is where it was, under the number that it had.
func FuzzUndo(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, uint8(25))
	}
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8) {
		random := rand.New(rand.NewPCG(seed, 1))
		dir := plant(t, "rose/1.jpg", "rose/2.jpg", "rose/deep/er/1.jpg", "tulip/1.jpg", "tulip/1 (2).jpg", "daisy/x/y.png", "daisy/é 花.jpg", "empty/")
		outside, err := filepath.Rel(filepath.Join(dir, "tulip"), filepath.Join(plant(t, "1.jpg"), "1.jpg"))
		ok(t, err)
		ok(t, os.Symlink(outside, filepath.Join(dir, "tulip", "link.jpg")))
		before := tree(t, dir)
		l := open(t, dir)
		windows := []*curate.Library{l}
		start := map[curate.ID]string{}
		for _, p := range l.Photos(curate.Query{}) {
			start[p.ID] = p.Path
		}
		ok(t, l.AddLabel(t.Context(), "first")) // Now there is a catalog.
		for i := range int(steps % 60) {
			l = windows[random.IntN(len(windows))]
			refresh := func() {
				_, err := l.Refresh(t.Context())
				ok(t, err)
			}
			stale := len(windows) > 1 && random.IntN(2) == 0
			if !stale {
				refresh()
			}
			// A window that does not know yet what the other did may ask for what cannot be done any more.
			if err := act(t, random, l, i); err != nil && !stale {
				t.Fatal(err)
			}
			refresh()
			check(t, l)
			switch random.IntN(12) {
			case 0: // A restart.
				ok(t, l.Close())
				windows[slices.Index(windows, l)] = open(t, dir)
			case 1:
				if len(windows) == 1 {
					windows = append(windows, open(t, dir))
				}
			}
		}
		l = windows[0]
		for {
			if _, can := l.CanUndo(); !can {
				if changed, err := l.Refresh(t.Context()); err != nil || !changed {
					if _, can := l.CanUndo(); !can {
						break
					}
				}
				continue
			}
			undo(t, l)
			check(t, l)
		}
		after := tree(t, dir)
		if !maps.Equal(after, before) {
			t.Errorf("after undoing everything:\n%v\nwant\n%v", after, before)
		}
		for id, path := range start {
			if p, _ := l.Photo(id); p.Path != path {
				t.Errorf("photo %d is at %q, was at %q", id, p.Path, path)
			}
		}
	})
}

// act does one random thing.
func act(t *testing.T, random *rand.Rand, l *curate.Library, i int) error {
	t.Helper()
	ctx := t.Context()
	some := func(q curate.Query) []curate.ID {
		var ids []curate.ID
		for _, p := range l.Photos(q) {
			if random.IntN(3) == 0 {
				ids = append(ids, p.ID)
			}
		}
		return ids
	}
	labels := l.Labels()
	label := func() string { return labels[random.IntN(len(labels))].Name }
	switch random.IntN(10) {
	case 0, 1:
		return l.Move(ctx, some(curate.Query{}), label())
	case 2:
		return l.Move(ctx, some(curate.Query{Trash: random.IntN(2) == 0}), fmt.Sprintf("label %d", i))
	case 3:
		return l.Delete(ctx, some(curate.Query{}))
	case 4:
		return l.Restore(ctx, some(curate.Query{Trash: true}))
	case 5:
		return l.RenameLabel(ctx, label(), fmt.Sprintf("name %d", i))
	case 6:
		if err := l.RemoveLabel(ctx, label()); !errors.Is(err, curate.ErrLabelInUse) {
			return err
		}
	case 7:
		if _, can := l.CanUndo(); can {
			_, err := l.Undo(ctx)
			return err
		}
	case 8:
		if _, can := l.CanRedo(); can {
			_, err := l.Redo(ctx)
			return err
		}
	case 9:
		_, err := l.Add(ctx, curate.Addition{Label: label(), Name: "1.png", Data: picturetest.PNG(i, i, 4, 4), Batch: "b"})
		if duplicate := (*curate.DuplicateError)(nil); !errors.As(err, &duplicate) {
			return err
		}
	}
	return nil
}
