package curate_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kaika/core/curate"
	"kaika/core/dataset"
)

// plant writes files into a new folder: names, with slashes, and what is in them. A name that ends in a slash is a folder.
func plant(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		if strings.HasSuffix(name, "/") {
			mkdir(t, filepath.Join(dir, name))
			continue
		}
		write(t, filepath.Join(dir, name), "content of "+name)
	}
	return dir
}

func write(t testing.TB, path, content string) {
	t.Helper()
	mkdir(t, filepath.Dir(path))
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t testing.TB, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string) *curate.Library {
	t.Helper()
	l, err := curate.Open(t.Context(), dir, curate.Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// tree returns what lies in a folder, but for what is hidden: folders with a slash, files with what is in them.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		switch {
		case err != nil:
			return err
		case rel == ".kaika":
			return filepath.SkipDir
		case e.IsDir():
			found[rel+"/"] = ""
			return nil
		}
		content, err := os.ReadFile(path)
		found[rel] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// paths returns where photos lie, below the dataset.
func paths(t testing.TB, l *curate.Library, q curate.Query) []string {
	t.Helper()
	var all []string
	for _, p := range l.Photos(q) {
		rel, err := filepath.Rel(l.Dir(), p.Path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rel)
	}
	return all
}

// find returns the ID of the photo at a path below the dataset.
func find(t testing.TB, l *curate.Library, names ...string) []curate.ID {
	t.Helper()
	var ids []curate.ID
	for _, name := range names {
		p, ok := l.Find(filepath.Join(l.Dir(), name))
		if !ok {
			t.Fatalf("no photo %s", name)
		}
		ids = append(ids, p.ID)
	}
	return ids
}

// check compares memory with the folders, and with what a fresh look would say.
func check(t testing.TB, l *curate.Library) {
	t.Helper()
	counts := map[string]int{}
	for _, p := range l.Photos(curate.Query{}) {
		counts[p.Label]++
		if info, err := os.Stat(p.Path); err != nil || info.Size() != p.Size {
			t.Errorf("%s: %v", p.Path, err)
		}
		if same, ok := l.Photo(p.ID); !ok || same.Path != p.Path {
			t.Errorf("photo %d is %v, %v", p.ID, same, ok)
		}
	}
	for _, p := range l.Photos(curate.Query{Trash: true}) {
		if _, err := os.Stat(p.Path); err != nil || p.Deleted.IsZero() {
			t.Errorf("in the trash: %+v, %v", p, err)
		}
	}
	for _, label := range l.Labels() {
		if counts[label.Name] != label.Photos {
			t.Errorf("%q is said to have %d photos, and has %d", label.Name, label.Photos, counts[label.Name])
		}
		delete(counts, label.Name)
	}
	if len(counts) > 0 {
		t.Errorf("photos of no label: %v", counts)
	}
	if changed, err := l.Refresh(t.Context()); changed || err != nil {
		t.Errorf("Refresh found a change that nobody made (%v, %v)", changed, err)
	}
}

func equal[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func undo(t testing.TB, l *curate.Library) curate.Action {
	t.Helper()
	a, err := l.Undo(t.Context())
	ok(t, err)
	return a
}

func TestOpenWritesNothing(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "tulip/a/2.jpg", "daisy/", "loose.jpg", "rose/x.heic")
	l := open(t, dir)
	want := []curate.LabelCount{{"daisy", 0}, {"rose", 1}, {"tulip", 1}}
	equal(t, "labels", l.Labels(), want)
	equal(t, "photos", paths(t, l, curate.Query{}), []string{"rose/1.jpg", "tulip/a/2.jpg"})
	var skipped []string
	for _, s := range l.Skipped() {
		skipped = append(skipped, filepath.Base(s.Path)+" "+string(s.Reason))
	}
	equal(t, "skipped", skipped, []string{"loose.jpg no_label", "x.heic unsupported"})
	check(t, l)
	if _, err := os.Lstat(filepath.Join(dir, ".kaika")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking at a dataset made .kaika: %v", err)
	}
	if _, can := l.CanUndo(); can {
		t.Error("there is something to undo")
	}
	if _, err := l.Undo(t.Context()); !errors.Is(err, curate.ErrNothing) {
		t.Errorf("Undo says %v", err)
	}
}

func TestOpenEmpty(t *testing.T) {
	l := open(t, t.TempDir())
	if labels, photos := l.Labels(), l.Photos(curate.Query{}); len(labels) != 0 || len(photos) != 0 {
		t.Errorf("got %v, %v", labels, photos)
	}
	check(t, l)
}

func TestOpenErrors(t *testing.T) {
	dir := plant(t, "file")
	for name, path := range map[string]string{"missing": filepath.Join(dir, "none"), "a file": filepath.Join(dir, "file")} {
		if _, err := curate.Open(t.Context(), path, curate.Options{}); !errors.Is(err, dataset.ErrNoFolder) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := curate.Open(ctx, plant(t, "a/1.jpg"), curate.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "flowers")
	l, err := curate.Create(t.Context(), dir, []string{"tulip", "rose"}, curate.Options{})
	ok(t, err)
	equal(t, "labels", l.Labels(), []curate.LabelCount{{"rose", 0}, {"tulip", 0}})
	ok(t, l.Close())
	if _, err := curate.Create(t.Context(), dir, nil, curate.Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a folder that is not empty: %v", err)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	if _, err := curate.Create(t.Context(), bad, []string{"rose", "Rose"}, curate.Options{}); !errors.Is(err, dataset.ErrLabelClash) {
		t.Errorf("two labels that clash: %v", err)
	}
	if _, err := os.Stat(bad); err == nil {
		t.Error("a folder was made all the same")
	}
}

func TestMoveDeleteRestore(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "rose/2.jpg", "rose/deep/1.jpg", "tulip/1.jpg", "tulip/1 (2).jpg")
	before := tree(t, dir)
	l := open(t, dir)
	all := map[curate.ID]string{}
	for _, p := range l.Photos(curate.Query{}) {
		all[p.ID] = p.Path
	}

	one := find(t, l, "rose/1.jpg", "rose/deep/1.jpg")
	ok(t, l.Move(t.Context(), one, "tulip"))
	equal(t, "after the move", paths(t, l, curate.Query{Labels: []string{"tulip"}}),
		[]string{"tulip/1.jpg", "tulip/1 (2).jpg", "tulip/1 (3).jpg", "tulip/1 (4).jpg"})
	if a, can := l.CanUndo(); !can || a.Kind != curate.Moved || a.Count != 2 || a.Label != "tulip" {
		t.Errorf("CanUndo: %+v, %v", a, can)
	}
	check(t, l)

	ok(t, l.Delete(t.Context(), append(one, find(t, l, "rose/2.jpg")...)))
	equal(t, "labels", l.Labels(), []curate.LabelCount{{"rose", 0}, {"tulip", 2}})
	equal(t, "trash", paths(t, l, curate.Query{Trash: true}),
		[]string{".kaika/trash/tulip/1 (3).jpg", ".kaika/trash/tulip/1 (4).jpg", ".kaika/trash/rose/2.jpg"})
	check(t, l)

	ok(t, l.Restore(t.Context(), one[:1]))
	if p, found := l.Photo(one[0]); !found || p.Label != "tulip" || !p.Deleted.IsZero() {
		t.Errorf("restored: %+v", p)
	}
	ok(t, l.Move(t.Context(), one[1:], "new label"))
	if p, found := l.Photo(one[1]); !found || p.Label != "new label" || !p.Deleted.IsZero() {
		t.Errorf("moved out of the trash: %+v", p)
	}
	check(t, l)
	ok(t, l.Move(t.Context(), one[1:], "new label")) // Is there already.

	kinds := []curate.ActionKind{curate.Moved, curate.Restored, curate.Deleted, curate.Moved}
	for _, kind := range kinds {
		if a := undo(t, l); a.Kind != kind {
			t.Errorf("undone: %+v, want %s", a, kind)
		}
		check(t, l)
	}
	if after := tree(t, dir); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("after undoing everything:\n%v\nwant\n%v", after, before)
	}
	for id, path := range all {
		if p, _ := l.Photo(id); p.Path != path {
			t.Errorf("photo %d is at %s, was at %s", id, p.Path, path)
		}
	}
	if _, can := l.CanUndo(); can {
		t.Error("there is more to undo")
	}
	for range kinds {
		if _, err := l.Redo(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(t, l)
	}
	equal(t, "after doing it all again", paths(t, l, curate.Query{}), []string{"tulip/1.jpg", "tulip/1 (2).jpg", "tulip/1 (3).jpg", "new label/1 (4).jpg"})
}

func TestCheckLabels(t *testing.T) {
	l := open(t, plant(t, "rose/1.jpg", "Tulip/1.jpg"))
	for _, test := range []struct {
		names []string
		want  error
	}{
		{nil, nil},
		{[]string{"rose", "Tulip", "lily", "rose"}, nil},
		{[]string{"lily", "Lily"}, dataset.ErrLabelClash},
		{[]string{"tulip"}, dataset.ErrLabelClash},
		{[]string{"lily", "../lily"}, dataset.ErrLabelName},
		{[]string{""}, dataset.ErrLabelName},
	} {
		if err := l.CheckLabels(test.names); !errors.Is(err, test.want) {
			t.Errorf("%q: %v, want %v", test.names, err, test.want)
		}
	}
}
