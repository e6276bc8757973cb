package client

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestLibraryFolder(t *testing.T) {
	linked, others := libraryNames()
	dir := t.TempDir()
	file := func(parts ...string) string {
		path := filepath.Join(append([]string{dir}, parts...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	proper := file("proper", linked)
	file("both", linked)
	file("both", others[0])
	other := file("日本 語", others[1])
	odd := file("odd", "my-tensorflow")
	tests := []struct {
		name, library string
		folder        string // "" where links are needed,
		file          string // to this file.
	}{
		{"a file", proper, filepath.Dir(proper), ""},
		{"a folder", filepath.Dir(proper), filepath.Dir(proper), ""},
		{"a folder with more than one", filepath.Join(dir, "both"), filepath.Join(dir, "both"), ""},
		{"a folder of another name", filepath.Dir(other), "", other},
		{"a file of another name", other, "", other},
		{"a file of an odd name", odd, "", odd},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cache := filepath.Join(t.TempDir(), "not", "there")
			for range 2 { // The second time the links are there.
				got, err := libraryFolder(test.library, cache)
				if err != nil {
					t.Fatal(err)
				}
				if test.folder != "" {
					if got != test.folder {
						t.Errorf("got %q, want %q", got, test.folder)
					}
					continue
				}
				folders := filepath.SplitList(got)
				if len(folders) != 2 || !strings.HasPrefix(folders[0], cache) || folders[1] != filepath.Dir(test.file) {
					t.Fatalf("got %q", folders)
				}
				if target, err := os.Readlink(filepath.Join(folders[0], linked)); err != nil || target != test.file {
					t.Errorf("the link leads to %q, error %v; want %q", target, err, test.file)
				}
			}
		})
	}
	t.Run("links of two libraries", func(t *testing.T) {
		cache := t.TempDir()
		one, err := libraryFolder(other, cache)
		if err != nil {
			t.Fatal(err)
		}
		two, err := libraryFolder(odd, cache)
		if err != nil || one == two {
			t.Errorf("got %q twice, error %v", two, err)
		}
	})
	for name, library := range map[string]string{"missing": filepath.Join(dir, "missing"), "a folder without": t.TempDir()} {
		if got, err := libraryFolder(library, t.TempDir()); err == nil || !strings.Contains(err.Error(), "KAIKA_LIBTENSORFLOW") || !strings.Contains(err.Error(), library) {
			t.Errorf("%s: got %q and the error %v", name, got, err)
		}
	}
	if _, err := libraryFolder(odd, proper); err == nil {
		t.Error("a cache that is a file gave no error")
	}
}

func TestLibraryPathVariable(t *testing.T) {
	if got := libraryPathVariable(); (got == "DYLD_LIBRARY_PATH") != (runtime.GOOS == "darwin") {
		t.Errorf("got %q", got)
	}
}

func TestLineLogger(t *testing.T) {
	var out bytes.Buffer
	l := &lineLogger{log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "says" {
			return a
		}
		return slog.Attr{}
	}}))}
	for _, part := range []string{"o", "ne\ntwo\nthr", "ee", "\n", "\n", "left"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", part, n, err)
		}
	}
	if got := strings.Fields(out.String()); !slices.Equal(got, []string{"says=one", "says=two", "says=three", `says=""`}) {
		t.Errorf("the log is %q", got)
	}
}

func TestTail(t *testing.T) {
	l := &tail{}
	if got := l.words(); got != "" {
		t.Errorf("words = %q of nothing", got)
	}
	for i := range 1000 {
		if _, err := fmt.Fprintf(l, "line %d\n", i); err != nil {
			t.Fatal(err)
		}
	}
	got := l.words()
	if len(got) > tailSize || strings.HasPrefix(got, "\n") || !strings.HasSuffix(got, "line 999") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
