package inbox

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"kaika/core/classify"
	"kaika/core/curate"
	"kaika/core/inbox"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/secret"
)

// window stands for the goroutine that draws: what is dispatched runs when a test waits.
type window struct {
	testing.TB

	queue chan func()
}

func newWindow(t testing.TB) *window {
	t.Helper()
	return &window{t, make(chan func(), 10_000)}
}

func (w *window) dispatch(f func()) { w.queue <- f }

// until runs what is dispatched until something holds.
func (w *window) until(what string, holds func() bool) {
	w.Helper()
	timeout := time.After(20 * time.Second)
	for !holds() {
		select {
		case f := <-w.queue:
			f()
		case <-timeout:
			w.Fatalf("never: %s", what)
		}
	}
}

// memory is a source with photos in memory.
type memory struct {
	mu      sync.Mutex
	records []inbox.Record
	photos  map[string][]byte
	fail    map[string]error // By the name of the call.
	closed  bool
	orders  []inbox.Order // Of the lists that were asked for.
}

func (m *memory) List(_ context.Context, q inbox.Query) (inbox.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orders = append(m.orders, q.Order)
	from := min(q.Offset, len(m.records))
	return inbox.Page{Total: len(m.records), Offset: q.Offset, Uploads: slices.Clone(m.records[from:min(from+q.Limit, len(m.records))])}, m.fail["list"]
}

func (m *memory) Photo(_ context.Context, id string) ([]byte, string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.photos[id]
	if !ok {
		return nil, "", fs.ErrNotExist
	}
	return data, "image/jpeg", m.fail["photo"]
}

func (m *memory) Remove(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["remove"]; err != nil {
		return err
	}
	i := slices.IndexFunc(m.records, func(r inbox.Record) bool { return r.ID == id })
	if i < 0 {
		return fs.ErrNotExist
	}
	m.records = slices.Delete(m.records, i, i+1)
	return nil
}

func (m *memory) Place() string { return "memory" }

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

func (m *memory) left() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.records)
}

func (m *memory) broken(call string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail[call] = err
}

func withPhotos(count int) *memory {
	m := &memory{photos: map[string][]byte{}, fail: map[string]error{}}
	for i := range count {
		r := inbox.Record{
			ID: fmt.Sprintf("20261123T2337%05d-%04d-%032x", i%60*1000, i%10_000, i), Kept: time.Date(2026, 11, 23, 23, 37, i%60, 0, time.UTC), Type: "image/jpeg",
			Predictions: []classify.Prediction{{Label: "rose", Score: .6}, {Label: "lily", Score: .4}},
		}
		m.records = append(m.records, r)
		m.photos[r.ID] = picturetest.JPEG(i%7, i, 16, 12)
	}
	return m
}

type preferences map[string]string

func (p preferences) String(key string) string    { return p[key] }
func (p preferences) SetString(key, value string) { p[key] = value }

// recorder is a screen that remembers what failed.
type recorder struct {
	what []failure
	errs []error
}

func (r *recorder) draw()       {}
func (r *recorder) drawPicked() {}
func (r *recorder) fail(what failure, err error) {
	r.what, r.errs = append(r.what, what), append(r.errs, err)
}

type stand struct {
	*window
	*presenter

	screen *recorder
}

func newStand(t *testing.T, prefs preferences) *stand {
	t.Helper()
	w := newWindow(t)
	s := &stand{w, newPresenter(prefs, secret.Open(t.TempDir()), w.dispatch), &recorder{}}
	s.presenter.screen = s.screen
	t.Cleanup(s.close)
	return s
}

// show opens a source in memory.
func (s *stand) show(m Source) {
	s.Helper()
	s.open("memory", func(context.Context) (Source, error) { return m, nil }, nil)
	s.until("it is open", func() bool { return s.source != nil && s.source.Source == m && !s.loading })
}

// garden opens a dataset with two labels.
func (s *stand) garden() *curate.Library {
	s.Helper()
	l, err := curate.Create(s.Context(), filepath.Join(s.TempDir(), "garden"), []string{"lily", "rose"}, curate.Options{})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = l.Close() })
	s.setDataset(l)
	s.until("the labels are known", func() bool { return len(s.labels) == 2 })
	return l
}

func (s *stand) idle() {
	s.Helper()
	s.until("nothing is under way", func() bool { return s.busy == 0 })
}

func TestAdd(t *testing.T) {
	s := newStand(t, preferences{})
	l := s.garden()
	m := withPhotos(6)
	s.show(m)
	if s.suggestion() != "rose" || len(s.records) != 6 {
		t.Fatalf("%+v", s.records)
	}
	second := s.records[1].ID
	s.add("lily") // The one at the focus.
	if s.focus != second || len(s.records) != 5 {
		t.Errorf("the focus is on %s, with %d photos", s.focus, len(s.records))
	}
	s.pick([]int{1, 3}, 3)
	s.add("rose")
	s.idle()
	if s.last.added != 2 || m.left() != 3 || s.total != 3 || len(s.records) != 3 || s.hasMore() {
		t.Errorf("%+v, %d left, total %d", s.last, m.left(), s.total)
	}
	photos := l.Photos(curate.Query{})
	if len(photos) != 3 || photos[0].Label != "lily" || photos[0].Source.Kind != "upload" || photos[0].Source.From != "memory" || photos[0].Source.ID == "" {
		t.Errorf("the dataset has %+v", photos)
	}
	if a, err := l.Undo(t.Context()); err != nil || a.Count != 2 { // Two photos were one step.
		t.Error(a, err)
	}
	s.setStays(true)
	s.add("a new label")
	s.idle()
	if m.left() != 3 || len(s.records) != 2 || s.last.added != 1 || s.last.removed != 0 {
		t.Errorf("%+v, %d left", s.last, m.left())
	}
	s.until("the new label is known", func() bool { return slices.Contains(s.labels, "a new label") })
	s.list() // It comes back, and is a photo that is there already.
	s.until("it is listed", func() bool { return len(s.records) == 3 && !s.loading })
	s.setStays(false)
	s.pick([]int{0, 1, 2}, 0)
	s.add("rose")
	s.idle()
	if s.last.already != 1 || s.last.added != 2 || m.left() != 0 || len(s.screen.errs) > 0 {
		t.Errorf("%+v, %d left, %v", s.last, m.left(), s.screen.errs)
	}
	s.add("rose")
	s.remove()
	if _, ok := s.number(9); ok || s.busy != 0 {
		t.Error("something is done with nothing")
	}
}

// TestFailures wants each photo in the dataset or in the inbox, whatever fails, and no word of a photo that is gone.
func TestFailures(t *testing.T) {
	s := newStand(t, preferences{})
	l := s.garden()
	m := withPhotos(4)
	s.show(m)
	gone := errors.New("the network is gone")
	m.broken("photo", gone)
	s.pick([]int{0, 1, 2, 3}, 0)
	s.add("rose")
	s.idle()
	if len(s.records) != 4 || m.left() != 4 || !slices.Equal(s.screen.what, []failure{failedAdd}) || s.focus != s.records[0].ID {
		t.Errorf("%d photos, %v", len(s.records), s.screen.errs)
	}
	m.broken("photo", nil)
	m.broken("remove", gone)
	s.add("rose")
	s.idle()
	if len(s.records) != 3 || m.left() != 4 || s.screen.what[1] != failedRemove || len(l.Photos(curate.Query{})) != 1 || s.last.added != 1 {
		t.Errorf("%d photos, %v", len(s.records), s.screen.what)
	}
	m.broken("remove", nil)
	delete(m.photos, s.records[0].ID)
	s.add("rose")
	s.idle()
	if s.last.gone != 1 || len(s.records) != 2 || len(s.screen.what) != 2 {
		t.Errorf("%+v, %v", s.last, s.screen.errs)
	}
	s.add("bad/label")
	s.idle()
	if len(s.records) != 2 || s.screen.what[2] != failedAdd {
		t.Errorf("%d photos, %v", len(s.records), s.screen.errs)
	}
	s.add("rose")
	s.idle()
	ids := []curate.ID{}
	for _, p := range l.Photos(curate.Query{}) {
		ids = append(ids, p.ID)
	}
	if err := l.Delete(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	s.show(withPhotos(1)) // Its photo is in the trash now.
	s.add("rose")
	s.idle()
	if len(s.records) != 1 || s.screen.what[len(s.screen.what)-1] != failedTrash {
		t.Errorf("%d photos, %v", len(s.records), s.screen.errs)
	}
}

func TestListing(t *testing.T) {
	s := newStand(t, preferences{})
	m := withPhotos(1234)
	s.show(m)
	s.until("a portion is listed", func() bool { return len(s.records) == portion && !s.loading })
	if !s.hasMore() {
		t.Error("there is no more")
	}
	s.pick([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0)
	s.remove()
	s.idle()
	for s.hasMore() {
		s.more()
		s.until("it is listed", func() bool { return !s.loading })
	}
	seen := map[string]bool{}
	for _, r := range s.records {
		seen[r.ID] = true
	}
	if len(s.records) != 1224 || len(seen) != 1224 || m.left() != 1224 {
		t.Errorf("%d photos, %d different ones", len(s.records), len(seen))
	}
	m.broken("list", errors.New("no"))
	s.sortBy(inbox.Newest)
	s.until("it has failed", func() bool { return len(s.screen.what) == 1 })
	other := withPhotos(0)
	s.show(other)
	s.until("the first is closed", func() bool {
		s.window.dispatch(func() {})
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.closed
	})
	if len(s.records) != 0 || s.focus != "" || s.hasMore() {
		t.Error("an empty inbox is not empty")
	}
}

// TestListedAnewMeanwhile changes the order while the place is being opened, and while photos are on their way.
func TestListedAnewMeanwhile(t *testing.T) {
	s := newStand(t, preferences{})
	m := withPhotos(9)
	s.open("memory", func(context.Context) (Source, error) { return m, nil }, nil)
	s.sortBy(inbox.Newest)
	s.until("it is open", func() bool { return s.source != nil && !s.loading })
	if last := m.orders[len(m.orders)-1]; last != inbox.Newest || len(s.records) != 9 {
		t.Errorf("%d photos are listed by %q", len(s.records), last)
	}
	s.pick([]int{0, 1, 2, 3}, 0)
	s.remove()
	s.sortBy(inbox.ByConfidence)
	s.idle()
	s.until("it is listed", func() bool { return !s.loading })
	if len(s.records) != 5 || s.there != 5 || s.total != 5 || m.left() != 5 || s.last.removed != 4 {
		t.Errorf("%d photos of %d are listed, %d are left; %+v", len(s.records), s.total, m.left(), s.last)
	}
}

// TestFolder opens a real folder, and again at the next start.
func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "写真")
	b, err := inbox.Open(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	k := inbox.NewKeeper(b, inbox.Limits{}, nil)
	photo, err := picture.Parse(picturetest.JPEG(1, 1, 400, 300))
	if err != nil {
		t.Fatal(err)
	}
	k.Keep(inbox.Photo{Picture: photo, Answer: classify.Answer{Predictions: []classify.Prediction{{Label: "rose", Score: .5}}}, At: time.Now()})
	if err := k.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	prefs := preferences{}
	s := newStand(t, prefs)
	s.openFolder(filepath.Join(dir, "none"))
	s.until("it fails", func() bool { return len(s.screen.what) == 1 })
	if !errors.Is(s.screen.errs[0], fs.ErrNotExist) || s.loading || prefs[prefPlace] != "" {
		t.Error(s.screen.errs, prefs)
	}
	s.openFolder(dir)
	s.until("it is open", func() bool { return len(s.records) == 1 })
	got := make(chan error, 1)
	s.thumbs.Load(keyOf(s.records[0]), func(_ image.Image, err error) { got <- err })
	if err := <-got; err != nil {
		t.Error(err)
	}
	img, ok := s.thumbs.Peek(keyOf(s.records[0]))
	if !ok || img.Bounds().Dx() != thumbSide {
		t.Error("there is no thumbnail")
	}
	again := newStand(t, prefs)
	again.reopen()
	again.until("it is open again", func() bool { return len(again.records) == 1 })
	again.openServer("no address at all", secret.Credentials{})
	if len(again.screen.what) != 1 || len(again.records) != 1 {
		t.Error("a bad address is no error, or took what was there")
	}
}
