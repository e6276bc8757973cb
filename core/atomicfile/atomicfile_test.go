package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	for _, c := range []struct {
		data string
		mode fs.FileMode
	}{{"first", 0o644}, {"", 0o600}, {"and a longer one", 0o666}} {
		if err := Write(path, c.mode, []byte(c.data)); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil || string(data) != c.data {
			t.Errorf("the file holds %q (%v), want %q", data, err, c.data)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != c.mode {
			t.Errorf("the mode is %v (%v), want %v", info.Mode(), err, c.mode)
		}
	}
	if n := names(t, path); len(n) != 1 {
		t.Errorf("in the folder are %v", n)
	}
}

func TestFailures(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	if err := Write(path, 0o644, []byte("before")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the cable")
	err := Create(path, 0o644, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half of"); err != nil {
			t.Error(err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != "before" {
			t.Errorf("meanwhile the file holds %q (%v)", data, err)
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "before" {
		t.Errorf("the file holds %q (%v)", data, err)
	}
	if n := names(t, path); len(n) != 1 {
		t.Errorf("in the folder are %v", n)
	}

	if err := Write(filepath.Join(filepath.Dir(path), "none", "a.json"), 0o644, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
	folder := filepath.Join(filepath.Dir(path), "folder")
	if err := os.MkdirAll(filepath.Join(folder, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(folder, 0o644, nil); err == nil {
		t.Error("a folder was written over")
	}
	if n := names(t, path); len(n) != 2 {
		t.Errorf("in the folder are %v", n)
	}
}

// names gives the names in the folder of a file.
func names(t *testing.T, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
