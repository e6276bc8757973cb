package curate_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaika/core/curate"
	"kaika/core/picture/picturetest"
)

// TestTogether fails while photos come in together: what came goes again, but not what others did with it meanwhile.
func TestTogether(t *testing.T) {
	l := open(t, plant(t, "rose/1.jpg", "daisy/"))
	ok(t, l.AddLabel(t.Context(), "tulip"))
	add := func(batch, label string, seed int) curate.Photo {
		t.Helper()
		p, err := l.Add(t.Context(), curate.Addition{Label: label, Name: "new.png", Data: picturetest.PNG(seed, seed, 8, 8), Batch: batch})
		ok(t, err)
		return p
	}
	before := tree(t, l.Dir())
	failed := errors.New("it failed")
	ctx, cancel := context.WithCancel(t.Context())
	err := l.Together(ctx, func(batch string) error {
		add(batch, "rose", 1)
		add(batch, "lily", 2)
		add(batch, "daisy", 3)
		cancel()
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	after := tree(t, l.Dir())
	for name := range after {
		if _, was := before[name]; !was && !strings.HasPrefix(name, ".kaika") || strings.Contains(name, "unfinished") {
			t.Errorf("there is %s", name)
		}
	}
	if a, _ := l.CanUndo(); a.Kind != curate.LabelAdded {
		t.Errorf("to undo is %+v", a)
	}
	check(t, l)

	ok(t, l.Together(t.Context(), func(batch string) error { add(batch, "rose", 1); add(batch, "lily", 2); return nil }))
	if a := undo(t, l); a.Kind != curate.Added || a.Count != 2 {
		t.Errorf("undone %+v", a)
	}
	err = l.Together(t.Context(), func(batch string) error {
		ok(t, l.Move(t.Context(), []curate.ID{add(batch, "rose", 4).ID}, "tulip"))
		ok(t, l.Delete(t.Context(), []curate.ID{add(batch, "rose", 5).ID}))
		ok(t, os.WriteFile(add(batch, "rose", 6).Path, []byte("mine"), 0o644))
		add(batch, "rose", 7)
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if _, err := l.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	equal(t, "photos", paths(t, l, curate.Query{Sort: curate.ByLabel}), []string{"rose/1.jpg", "rose/new.png", "tulip/new.png"})
	if data, err := os.ReadFile(filepath.Join(l.Dir(), "rose", "new.png")); err != nil || string(data) != "mine" {
		t.Errorf("%q, %v", data, err)
	}
	check(t, l)
}
