package curate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"kaika/core/curate"
	"kaika/core/picture/picturetest"
)

// TestBatchOfLabels adds photos under several labels, in turns: they are one step, whatever is done before and after.
func TestBatchOfLabels(t *testing.T) {
	dir := plant(t, "rose/1.png")
	l := open(t, dir)
	n := 0
	add := func(l *curate.Library, label, batch string) {
		t.Helper()
		n++
		_, err := l.Add(t.Context(), curate.Addition{Label: label, Name: "a.png", Data: picturetest.PNG(n, n, 6, 6), Batch: batch})
		ok(t, err)
	}
	want := func(count int, label string) {
		t.Helper()
		a, can := l.CanUndo()
		if !can || a.Kind != curate.Added || a.Count != count || a.Label != label {
			t.Errorf("%d photos under %q: %+v, %v", count, label, a, can)
		}
	}
	one, two, three := curate.NewBatch(), curate.NewBatch(), curate.NewBatch()
	add(l, "rose", "")
	add(l, "tulip", one)
	want(1, "tulip")
	add(l, "tulip", one)
	want(2, "tulip")
	for i, label := range []string{"lily", "tulip", "tulip", "aster", "rose", "lily"} {
		add(l, label, one)
		want(3+i, "")
	}
	add(l, "tulip", two)
	want(1, "tulip")
	check(t, l)
	if a := undo(t, l); a.Count != 1 || a.Label != "tulip" {
		t.Errorf("undone %+v", a)
	}
	promised, _ := l.CanUndo()
	if a := undo(t, l); a.Count != 8 || a != promised {
		t.Errorf("undone %+v, promised %+v", a, promised)
	}
	equal(t, "labels", l.Labels(), []curate.LabelCount{{"rose", 2}})
	check(t, l)
	a, err := l.Redo(t.Context())
	ok(t, err)
	if a.Count != 8 {
		t.Errorf("done again %+v", a)
	}
	equal(t, "labels", l.Labels(), []curate.LabelCount{{"aster", 1}, {"lily", 2}, {"rose", 3}, {"tulip", 4}})

	// A batch that goes on after all of it was taken back is another step, and so is one after what another window did.
	undo(t, l)
	add(l, "lily", one)
	want(1, "lily")
	other := open(t, dir)
	ok(t, other.Move(t.Context(), find(t, other, "rose/1.png"), "lily"))
	add(l, "aster", one)
	want(1, "aster")
	undo(t, l)
	if a := undo(t, l); a.Kind != curate.Moved {
		t.Errorf("undone %+v", a)
	}
	if a := undo(t, l); a.Count != 1 || a.Label != "lily" {
		t.Errorf("undone %+v", a)
	}
	check(t, l)

	// Any other name makes a step of each label.
	add(l, "x", "other")
	add(l, "y", "other")
	want(1, "y")
	undo(t, l)
	undo(t, l)

	// It can be undone after a restart.
	add(l, "x", three)
	add(l, "y", three)
	ok(t, l.Close())
	l = open(t, dir)
	want(2, "")
	undo(t, l)
	equal(t, "labels", l.Labels(), []curate.LabelCount{{"rose", 2}})
}

// TestCrashInBatchOfLabels dies at each point while a step of several labels is undone, or done again.
func TestCrashInBatchOfLabels(t *testing.T) {
	for _, state := range []int{undoing, redoing} {
		for at := 0; ; at++ {
			dir := plant(t, "rose/1.png")
			l := open(t, dir)
			batch := curate.NewBatch()
			for i, label := range []string{"lily", "tulip", "lily", "rose", "tulip"} {
				_, err := l.Add(t.Context(), curate.Addition{Label: label, Name: fmt.Sprintf("%d.png", i), Data: picturetest.PNG(i, i, 6, 6), Batch: batch})
				ok(t, err)
			}
			if state == undoing {
				undo(t, l)
			} else {
				undo(t, l)
				_, err := l.Redo(t.Context())
				ok(t, err)
			}
			ok(t, l.Close())
			items := crash(t, dir, state, at)
			l = open(t, dir)
			check(t, l)
			if all := len(l.Photos(curate.Query{})) + len(l.Photos(curate.Query{Trash: true})); all != 6 {
				t.Fatalf("%d of %d, state %d: there are %d photos", at, items, state, all)
			}
			// Whatever is left of it can be taken back.
			if a, can := l.CanUndo(); can {
				if got := undo(t, l); got.Count != a.Count {
					t.Errorf("%d of %d, state %d: undone %+v, promised %+v", at, items, state, got, a)
				}
			}
			if photos := l.Photos(curate.Query{}); len(photos) != 1 {
				t.Errorf("%d of %d, state %d: there are %v", at, items, state, photos)
			}
			for _, label := range []string{"lily", "tulip"} {
				if _, err := os.Stat(filepath.Join(dir, label)); err == nil {
					t.Errorf("%d of %d, state %d: the folder %s is left", at, items, state, label)
				}
			}
			check(t, l)
			if at >= items {
				break
			}
		}
	}
}
