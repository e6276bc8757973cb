package dataset

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kaika/core/fetch"
)

// exampleServer offers the files as an archive, the way flower_photos is offered, and returns the example that describes it
// and the Range headers of the requests so far.
func exampleServer(t *testing.T, files map[string]string) (Example, *[]string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o640, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []interface{ Close() error }{w, z} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	archive := b.Bytes()
	ranges := &[]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/example_images/flowers.tgz" {
			http.NotFound(w, r)
			return
		}
		*ranges = append(*ranges, r.Header.Get("Range"))
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Type", "application/x-tar")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(archive))
	}))
	t.Cleanup(s.Close)
	digest := sha256.Sum256(archive)
	return Example{
		Name: "flowers", URL: s.URL + "/example_images/flowers.tgz", Size: int64(len(archive)), SHA256: hex.EncodeToString(digest[:]),
		Root: "flower_photos", Credits: "LICENSE.txt", Photos: 3,
	}, ranges
}

// flowers is what an archive of photos holds, some of it not wanted. The photos are large enough for a download in pieces.
func flowers() map[string]string {
	photo := make([]byte, 600_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(photo)
	return map[string]string{
		"flower_photos/LICENSE.txt":         "credits",
		"flower_photos/README":              "not wanted",
		"flower_photos/daisy/1.jpg":         string(photo),
		"flower_photos/daisy/2.jpg":         string(photo[:1000]),
		"flower_photos/daisy/._1.jpg":       "not wanted",
		"flower_photos/.cache/1.jpg":        "not wanted",
		"flower_photos/roses/1.jpg":         string(photo[:2000]),
		"flower_photos/roses/more/deep.jpg": "not wanted",
		"elsewhere/roses/1.jpg":             "not wanted",
	}
}

func wantFlowers(t *testing.T, dir string) {
	t.Helper()
	all := flowers()
	want := map[string]string{}
	for _, name := range []string{"LICENSE.txt", "daisy/1.jpg", "daisy/2.jpg", "roses/1.jpg"} {
		want[name] = all["flower_photos/"+name]
	}
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		got[strings.TrimPrefix(filepath.ToSlash(path), filepath.ToSlash(dir)+"/")] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("the folder holds %q, want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	held, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if len(held) > 0 {
		t.Errorf("%s holds %v, want nothing", dir, held)
	}
}

func TestFetchExample(t *testing.T) {
	e, ranges := exampleServer(t, flowers())
	dir, cache := filepath.Join(t.TempDir(), "my flowers"), t.TempDir()
	var done, total int64
	o := ExampleOptions{CacheDir: cache, Progress: func(d, n int64) { done, total = d, n }}
	if err := FetchExample(t.Context(), e, dir, o); err != nil {
		t.Fatal(err)
	}
	wantFlowers(t, dir)
	wantEmpty(t, cache)
	if done != e.Size || total != e.Size {
		t.Errorf("progress ended at %d of %d, want %d", done, total, e.Size)
	}

	if err := FetchExample(t.Context(), e, dir, o); !errors.Is(err, ErrExamplePresent) {
		t.Errorf("again: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "daisy", "2.jpg")); err != nil {
		t.Fatal(err)
	}
	if err := FetchExample(t.Context(), e, dir, o); !errors.Is(err, fs.ErrExist) || errors.Is(err, ErrExamplePresent) {
		t.Errorf("into a part of it: %v", err)
	}
	if len(*ranges) != 1 {
		t.Errorf("%d requests, want 1", len(*ranges))
	}
}

func TestFetchExampleGoesOn(t *testing.T) {
	e, ranges := exampleServer(t, flowers())
	dir, cache := filepath.Join(t.TempDir(), "flowers"), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	o := ExampleOptions{CacheDir: cache, Progress: func(int64, int64) { cancel() }}
	if err := FetchExample(ctx, e, dir, o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	wantEmpty(t, filepath.Dir(dir))
	o.Progress = nil
	if err := FetchExample(t.Context(), e, dir, o); err != nil {
		t.Fatal(err)
	}
	wantFlowers(t, dir)
	wantEmpty(t, cache)
	if len(*ranges) != 2 || (*ranges)[1] == "" {
		t.Errorf("ranges asked for %q: the second run began anew", *ranges)
	}
}

func TestFetchExampleFails(t *testing.T) {
	for name, c := range map[string]struct {
		files  map[string]string
		change func(e *Example)
		want   error
		says   string
	}{
		"no such file": {flowers(), func(e *Example) { e.URL += "x" }, nil, "no such file (404"},
		"wrong digest": {flowers(), func(e *Example) { e.SHA256 = strings.Repeat("0", 64) }, fetch.ErrDigest, "expected was 000"},
		"wrong size":   {flowers(), func(e *Example) { e.Size++ }, fetch.ErrDigest, "expected were"},
		"other folder": {flowers(), func(e *Example) { e.Root = "photos" }, fetch.ErrArchive, "none of the files"},
		"an attack":    {map[string]string{"flower_photos/../../x": "x"}, func(*Example) {}, fetch.ErrArchive, "leads out"},
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := exampleServer(t, c.files)
			c.change(&e)
			room, cache := t.TempDir(), t.TempDir()
			err := FetchExample(t.Context(), e, filepath.Join(room, "flowers"), ExampleOptions{CacheDir: cache})
			if err == nil || !strings.Contains(err.Error(), c.says) || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v, %q", err, c.want, c.says)
			}
			wantEmpty(t, room)
			wantEmpty(t, cache)
		})
	}
	t.Run("the folder is a file", func(t *testing.T) {
		e, ranges := exampleServer(t, flowers())
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := FetchExample(t.Context(), e, file, ExampleOptions{CacheDir: t.TempDir()}); err == nil || len(*ranges) > 0 {
			t.Errorf("got %v after %d requests", err, len(*ranges))
		}
	})
	t.Run("no room for the folder", func(t *testing.T) {
		e, _ := exampleServer(t, flowers())
		file, cache := filepath.Join(t.TempDir(), "f"), t.TempDir()
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		// The parent is a link that leads nowhere, which shows only when the folder is to be made.
		parent := filepath.Join(t.TempDir(), "parent")
		if err := os.Symlink(filepath.Join(file, "x"), parent); err != nil {
			t.Fatal(err)
		}
		if err := FetchExample(t.Context(), e, filepath.Join(parent, "flowers"), ExampleOptions{CacheDir: cache}); err == nil {
			t.Error("no error")
		}
	})
}

func TestExamples(t *testing.T) {
	for _, e := range Examples() {
		found, err := ExampleNamed(e.Name)
		if err != nil || found != e {
			t.Errorf("%s: %v, %v", e.Name, found, err)
		}
		if digest, err := hex.DecodeString(e.SHA256); err != nil || len(digest) != sha256.Size {
			t.Errorf("%s: %q is not a SHA-256 digest", e.Name, e.SHA256)
		}
		if !filepath.IsLocal(e.Name) || e.About == "" || e.Licence == "" || e.Root == "" || e.Credits == "" || e.Size <= 0 || e.Photos <= 0 {
			t.Errorf("%+v: something is missing", e)
		}
	}
	if _, err := ExampleNamed("roses"); err == nil || !strings.Contains(err.Error(), "flower_photos") {
		t.Errorf("got %v", err)
	}
}
