package ui

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/picture/picturetest"
)

// memory is preferences that last as long as the test.
type memory map[string]string

func (m memory) String(key string) string    { return m[key] }
func (m memory) SetString(key, value string) { m[key] = value }

// queue is a dispatch that the test drains on its own goroutine.
type queue chan func()

func (q queue) dispatch(f func()) { q <- f }

// next runs what was dispatched next.
func (q queue) next(t *testing.T) {
	t.Helper()
	select {
	case f := <-q:
		f()
	case <-time.After(time.Minute):
		t.Fatal("nothing was dispatched")
	}
}

// watched is a session with what it told.
type watched struct {
	*session

	queue  queue
	failed []error
	told   int
	atWork sync.WaitGroup // The jobs.
}

// remembers tells whether a session was left with this dataset, and finds it there or not.
func remembers(s *watched, dir string, there bool) bool {
	d, is := s.Last()
	return d == dir && is == there
}

func newSession(t *testing.T, preferences memory) *watched {
	t.Helper()
	w := &watched{queue: make(queue, 100)}
	options := curate.Options{Log: slog.New(slog.DiscardHandler)}
	w.session = &session{
		ctx: t.Context(), dispatch: w.queue.dispatch, log: slog.New(slog.DiscardHandler), preferences: preferences,
		open: func(ctx context.Context, dir string) (*curate.Library, error) { return curate.Open(ctx, dir, options) },
		create: func(ctx context.Context, dir string, labels []string) (*curate.Library, error) {
			return curate.Create(ctx, dir, labels, options)
		},
		changed: func() { w.told++ },
		failed:  func(_ string, err error) { w.failed = append(w.failed, err) },
		jobs:    func() func() { return w.atWork.Wait },
	}
	t.Cleanup(w.Close)
	return w
}

func TestSessionOpens(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "a", "b")
	preferences := memory{}
	s := newSession(t, preferences)
	s.Open(dir)
	if s.opening != dir || s.library != nil {
		t.Errorf("while it opens: opening %q, library %v", s.opening, s.library)
	}
	s.queue.next(t)
	if s.library == nil || s.library.Dir() != dir || s.opening != "" || len(s.failed) > 0 {
		t.Fatalf("library %v, opening %q, errors %v", s.library, s.opening, s.failed)
	}
	if got := s.Recent(); !slices.Equal(got, []string{dir}) || !remembers(s, dir, true) {
		t.Errorf("recent %v", got)
	}
	s.Leave()
	if s.library != nil || !remembers(s, "", false) || len(s.Recent()) != 1 {
		t.Errorf("after leaving: library %v, recent %v", s.library, s.Recent())
	}

	// The next start remembers.
	later := newSession(t, preferences)
	if got := later.Recent(); !slices.Equal(got, []string{dir}) {
		t.Errorf("the next session remembers %v", got)
	}
}

// TestSessionOpensTheLatest asks for another dataset while one is opened, and leaves while one is.
func TestSessionOpensTheLatest(t *testing.T) {
	s := newSession(t, memory{})
	first, second := picturetest.Dataset(t, 2, "a"), picturetest.Dataset(t, 2, "b")
	s.Open(first)
	s.Open(second)
	s.Open(second) // A second click.
	s.queue.next(t)
	s.queue.next(t)
	if s.library == nil || s.library.Dir() != second || s.opening != "" || len(s.failed) > 0 {
		t.Fatalf("library %v, opening %q, errors %v", s.library, s.opening, s.failed)
	}
	s.Open(first)
	s.Leave()
	s.queue.next(t)
	if s.library != nil || s.opening != "" {
		t.Errorf("after leaving: library %v, opening %q", s.library, s.opening)
	}
	if len(s.queue) > 0 {
		t.Errorf("%d more were opened", len(s.queue))
	}
}

// A job goes on into the dataset that it began with, when another one is opened.
func TestSessionWaitsForJobs(t *testing.T) {
	s := newSession(t, memory{})
	s.Open(picturetest.Dataset(t, 2, "a", "b"))
	s.queue.next(t)
	first := s.library
	s.atWork.Add(1)
	s.Open(picturetest.Dataset(t, 2, "c"))
	s.queue.next(t)
	if s.library == first {
		t.Fatal("the other dataset is not open")
	}
	if err := first.AddLabel(t.Context(), "by the job"); err != nil {
		t.Errorf("while the job runs: %v", err)
	}
	s.atWork.Done()
	s.Close()
	if err := first.AddLabel(t.Context(), "after the job"); !errors.Is(err, curate.ErrClosed) {
		t.Errorf("after the job: %v, want ErrClosed", err)
	}
}

func TestSessionFails(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	s := newSession(t, memory{prefRecent: fmt.Sprintf("[%q]", gone), prefDataset: gone})
	if !remembers(s, gone, false) {
		t.Error("a folder that is gone would be opened, or passed over without a word")
	}
	dir := picturetest.Dataset(t, 2, "a", "b")
	s.Open(dir)
	s.queue.next(t)
	s.Open(gone)
	s.queue.next(t)
	if len(s.failed) != 1 || !errors.Is(s.failed[0], dataset.ErrNoFolder) && !errors.Is(s.failed[0], os.ErrNotExist) {
		t.Errorf("opening a folder that is gone: %v", s.failed)
	}
	if s.library == nil || s.library.Dir() != dir {
		t.Error("the dataset that was open is not any more")
	}
}

func TestSessionCreates(t *testing.T) {
	s := newSession(t, memory{})
	dir := filepath.Join(t.TempDir(), "庭の花")
	s.Create(dir, []string{"バラ", "tulip"})
	s.queue.next(t)
	if s.library == nil {
		t.Fatal(s.failed)
	}
	for _, label := range []string{"バラ", "tulip"} {
		if info, err := os.Stat(filepath.Join(dir, label)); err != nil || !info.IsDir() {
			t.Errorf("the label %s: %v", label, err)
		}
	}
}

func TestRecentIsBounded(t *testing.T) {
	s := newSession(t, memory{prefRecent: "not JSON"})
	for i := range 2 * mostRecent {
		s.remember(fmt.Sprintf("/%d", i))
	}
	s.remember("/9")
	if got := s.Recent(); len(got) != mostRecent || got[0] != "/9" || got[1] != "/15" || slices.Contains(got[1:], "/9") {
		t.Errorf("remembered %v", got)
	}
}

func TestSortDrop(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "folder.tar")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	d := sortDrop([]string{folder, "/x/photos.tar.gz", "/x/photos.zip", "/x/photo.jpg", "/x/no photo.pdf"})
	if !slices.Equal(d.folders, []string{folder}) || len(d.archives) != 2 || len(d.photos) != 2 {
		t.Errorf("sorted as %+v", d)
	}
}

func TestLines(t *testing.T) {
	if got := lines(" rose \n\n tulip\r\nrose\nバラ"); !slices.Equal(got, []string{"rose", "tulip", "バラ"}) {
		t.Errorf("got %q", got)
	}
}

func TestShort(t *testing.T) {
	if got := short("/写真/庭の花/2026", 6); got != "…/2026" {
		t.Errorf("got %q", got)
	}
	if got := short("/a", 6); got != "/a" {
		t.Errorf("got %q", got)
	}
}

func TestSavedSize(t *testing.T) {
	for text, want := range map[string][2]float32{
		"":                {firstWidth, firstHeight},
		"800x600":         {800, 600},
		"1x1":             {smallestWidth, smallestHeight},
		"1e30x1000":       {8192, 1000},
		"NaNxNaN":         {firstWidth, firstHeight},
		"wide and narrow": {firstWidth, firstHeight},
	} {
		if got := savedSize(text); got.Width != want[0] || got.Height != want[1] {
			t.Errorf("%q gives %v, want %v", text, got, want)
		}
	}
}
