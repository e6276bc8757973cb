package curate

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWatch has other programs change a dataset: once with the poll out of reach, once with nothing else.
func TestWatch(t *testing.T) {
	for _, poll := range []bool{false, true} {
		dir := t.TempDir()
		must(t, os.MkdirAll(filepath.Join(dir, "rose", "deep"), 0o755))
		l, err := Open(t.Context(), dir, Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		must(t, err)
		if poll {
			l.quiet, l.most, l.poll = time.Hour, time.Hour, 5*time.Millisecond
		} else {
			l.quiet, l.most, l.poll = 5*time.Millisecond, 20*time.Millisecond, time.Hour
		}
		changes := make(chan Change, 100)
		l.Subscribe(func(c Change) { changes <- c })
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.Watch(ctx)
		}()
		await := func(what string, done func() bool) {
			t.Helper()
			for !done() {
				select {
				case c := <-changes:
					if !c.External {
						t.Errorf("%s: %+v", what, c)
					}
				case <-ctx.Done():
					t.Fatalf("poll %v: %s was not noticed: %v", poll, what, l.Labels())
				}
			}
		}
		photos := func(n int) func() bool { return func() bool { return len(l.Photos(Query{})) == n } }
		put := func(name string) { must(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644)) }
		put("rose/1.jpg")
		await("a photo", photos(1))
		put("rose/deep/2.jpg")
		await("a photo in a folder of the label", photos(2))
		must(t, os.Mkdir(filepath.Join(dir, "tulip"), 0o755))
		await("a label", func() bool { return len(l.Labels()) == 2 })
		put("tulip/3.jpg")
		await("a photo of the new label", photos(3))
		must(t, os.Rename(filepath.Join(dir, "rose"), filepath.Join(dir, "x")))
		await("another name", func() bool { return len(l.Photos(Query{Labels: []string{"x"}})) == 2 })
		put("x/4.jpg")
		await("a photo under the other name", photos(4))
		must(t, os.RemoveAll(filepath.Join(dir, "x")))
		await("a label's end", photos(1))
		if poll {
			cancel()
		} else {
			must(t, l.Close())
		}
		<-ended
		cancel()
		must(t, l.Close())
	}
}

// TestAnotherFileSystem moves photos between a dataset and a label that is a link to a folder elsewhere.
func TestAnotherFileSystem(t *testing.T) {
	other, err := os.MkdirTemp("/dev/shm", "curate")
	if err != nil {
		t.Skip("there is no second file system:", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(other) })
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "rose"), 0o755))
	must(t, os.MkdirAll(filepath.Join(other, "deep"), 0o755))
	must(t, os.Symlink(other, filepath.Join(dir, "far")))
	must(t, os.WriteFile(filepath.Join(dir, "rose", "1.jpg"), []byte("one"), 0o444))
	must(t, os.WriteFile(filepath.Join(other, "deep", "2.jpg"), []byte("two"), 0o644))
	must(t, os.Symlink(filepath.Join(dir, "rose", "1.jpg"), filepath.Join(dir, "rose", "link.jpg")))
	when := time.Unix(1e9, 123)
	must(t, os.Chtimes(filepath.Join(dir, "rose", "1.jpg"), when, when))
	l, err := Open(t.Context(), dir, Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	must(t, err)
	defer l.Close() //nolint:errcheck // A test's.
	at := func(name string) ID {
		t.Helper()
		p, found := l.Find(filepath.Join(dir, name))
		if !found {
			t.Fatalf("no photo %s", name)
		}
		return p.ID
	}
	one, two := at("rose/1.jpg"), at("far/deep/2.jpg")
	must(t, l.Move(t.Context(), []ID{one}, "far"))
	p, _ := l.Photo(one)
	if info, err := os.Stat(filepath.Join(other, "1.jpg")); err != nil || info.Mode().Perm() != 0o444 || !info.ModTime().Equal(when) || p.Label != "far" {
		t.Errorf("moved there: %v, %v, %+v", info, err, p)
	}
	if _, err := os.Lstat(filepath.Join(dir, "rose", "1.jpg")); err == nil {
		t.Error("it was only copied")
	}
	must(t, l.Move(t.Context(), []ID{two}, "rose"))
	must(t, l.Delete(t.Context(), []ID{one}))
	if changed, err := l.Refresh(t.Context()); changed || err != nil {
		t.Errorf("Refresh: %v, %v", changed, err)
	}
	for range 3 {
		_, err := l.Undo(t.Context())
		must(t, err)
	}
	if at("rose/1.jpg") != one || at("far/deep/2.jpg") != two {
		t.Error("not where they were")
	}
	if content, err := os.ReadFile(filepath.Join(dir, "rose", "1.jpg")); err != nil || string(content) != "one" {
		t.Errorf("%q, %v", content, err)
	}
	left, err := filepath.Glob(filepath.Join(other, ".kaika*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// TestRenameNeverOverwrites renames onto names that are taken.
func TestRenameNeverOverwrites(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a", "b"} {
		must(t, os.WriteFile(at(name), []byte(name), 0o644))
		must(t, os.Symlink(name, at(name+" link")))
		must(t, os.Mkdir(at(name+" folder"), 0o755))
	}
	for name, err := range map[string]error{
		"rename":       rename(at("a"), at("b")),
		"renameFolder": renameFolder(at("a folder"), at("b folder")),
		"moveFile":     moveFile(at("a"), at("b"), at("temp")),
		"of a link":    moveFile(at("a link"), at("b link"), at("temp")),
	} {
		if !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"a", "b"} {
		for _, path := range []string{name, name + " link"} {
			if content, err := os.ReadFile(at(path)); err != nil || string(content) != name {
				t.Errorf("%s: %q, %v", path, content, err)
			}
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
