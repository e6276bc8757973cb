package feature

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

const fakeLength = 5

// fake is an embedder whose vectors follow from the photo and the view alone.
type fake struct {
	space  string
	before func(ctx context.Context, call int, photos []Photo) error // Calls count from 1; may be nil.
	spoil  func([]Vector) []Vector                                   // Changes the answer; may be nil.

	mu       sync.Mutex
	requests [][]int // The bytes of each photo of each request.
	live     int
	mostLive int
}

func (f *fake) Space() string { return f.space }
func (f *fake) Length() int   { return fakeLength }

func (f *fake) Embed(ctx context.Context, photos []Photo) ([]Vector, error) {
	f.mu.Lock()
	var sizes []int
	for _, p := range photos {
		sizes = append(sizes, len(p.Data))
	}
	f.requests = append(f.requests, sizes)
	call := len(f.requests)
	f.live++
	f.mostLive = max(f.mostLive, f.live)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.live--
		f.mu.Unlock()
	}()
	if f.before != nil {
		if err := f.before(ctx, call, photos); err != nil {
			return nil, err
		}
	}
	vectors := make([]Vector, len(photos))
	for i, p := range photos {
		if bytes.Contains(p.Data, []byte(refused)) {
			vectors[i].Err = &picture.Error{Reason: picture.Damaged, Detail: "is damaged inside"}
			continue
		}
		vectors[i].Values = fakeVector(p.Data, p.View)
	}
	if f.spoil != nil {
		vectors = f.spoil(vectors)
	}
	return vectors, nil
}

// refused marks a photo that the fake cannot decode, as a word behind its pixels.
const refused = "REFUSED"

// fakeVector gives the vector of a photo.
func fakeVector(data []byte, view View) []float32 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %s", sha256.Sum256(data), view))
	values := make([]float32, fakeLength)
	for i := range values {
		values[i] = float32(sum[i]) / 256
	}
	return values
}

// embedded counts the photos that were embedded.
func (f *fake) embedded() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		n += len(r)
	}
	return n
}

// diary is a log that a test can read.
type diary struct {
	mu   sync.Mutex
	text strings.Builder
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

func (d *diary) log() *slog.Logger { return slog.New(slog.NewTextHandler(d, nil)) }

// warnings counts the warnings that hold a word.
func (d *diary) warnings(word string) int {
	n := 0
	for line := range strings.Lines(d.String()) {
		if strings.Contains(line, "level=WARN") && strings.Contains(line, word) {
			n++
		}
	}
	return n
}

// openCache opens a cache that must have nothing to complain about, and closes it with the test.
func openCache(t *testing.T, dir string) *Cache {
	t.Helper()
	log := &diary{}
	c := OpenCache(t.Context(), dir, log.log())
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if log.String() != "" {
			t.Errorf("the cache complains: %s", log)
		}
	})
	return c
}

// write writes a file with its folder, and gives its path.
func write(t *testing.T, data []byte, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// photo is a small JPEG that differs with its number.
func photo(n int) []byte {
	return append(slices.Clip(small()), fmt.Sprintf("photo %d.", n)...)
}

var small = sync.OnceValue(func() []byte { return picturetest.JPEG(1, 1, 8, 8) })

// album writes n photos and gives a job for each.
func album(t *testing.T, n int) []Job {
	t.Helper()
	dir := t.TempDir()
	jobs := make([]Job, n)
	for i := range jobs {
		jobs[i] = Job{Path: write(t, photo(i), dir, fmt.Sprintf("%04d.jpg", i)), Views: []View{{}}}
	}
	return jobs
}

// extract extracts and wants no error of the call.
func extract(t *testing.T, x *Extractor, jobs []Job) []Result {
	t.Helper()
	results, err := x.Extract(t.Context(), jobs)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// right wants the vectors that belong to the file as it is now.
func right(t *testing.T, job Job, r Result) {
	t.Helper()
	data, err := os.ReadFile(job.Path)
	if err != nil {
		t.Fatal(err)
	}
	if r.Err != nil {
		t.Errorf("%s %v", job.Path, r.Err)
		return
	}
	if r.Digest != picture.Sum(data) {
		t.Errorf("%s has another digest than its content", job.Path)
	}
	if len(r.Vectors) != len(job.Views) {
		t.Fatalf("%s: %d vectors for %d views", job.Path, len(r.Vectors), len(job.Views))
	}
	for i, v := range job.Views {
		if !slices.Equal(r.Vectors[i], fakeVector(data, v)) {
			t.Errorf("%s: view %d is %v, not %v", job.Path, i, r.Vectors[i], fakeVector(data, v))
		}
	}
}
