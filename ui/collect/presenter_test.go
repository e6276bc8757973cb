package collect

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	source "kaika/core/collect"
	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/job"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

// queue runs on the test's goroutine what others dispatch.
type queue struct {
	waiting chan func()
}

func newQueue() *queue { return &queue{make(chan func(), 10_000)} }

func (q *queue) dispatch(f func()) { q.waiting <- f }

// until runs what is dispatched until the condition holds.
func (q *queue) until(t *testing.T, condition func() bool) {
	t.Helper()
	for !condition() {
		select {
		case f := <-q.waiting:
			f()
		case <-t.Context().Done():
			t.Fatal("the test was ended")
		}
	}
}

// library is a dataset in memory.
type library struct {
	mu     sync.Mutex
	dir    string
	labels []string
	photos []curate.Photo
	sums   map[picture.Digest]int
	broken error
	added  func() // Called by Add.
}

func (l *library) Dir() string { return l.dir }

func (l *library) Labels() []curate.LabelCount {
	var all []curate.LabelCount
	for _, name := range l.labels {
		all = append(all, curate.LabelCount{Name: name})
	}
	return all
}

func (l *library) CheckLabel(name string) error {
	if strings.ContainsAny(name, "/") || strings.HasPrefix(name, ".") {
		return fmt.Errorf("%q: %w", name, dataset.ErrLabelName)
	}
	for _, other := range l.labels {
		if strings.EqualFold(other, name) {
			return fmt.Errorf("%q: %w", name, dataset.ErrLabelClash)
		}
	}
	return nil
}

func (l *library) Photo(id curate.ID) (curate.Photo, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if int(id) > len(l.photos) || id < 1 {
		return curate.Photo{}, false
	}
	return l.photos[id-1], true
}

func (l *library) Photos(q curate.Query) []curate.Photo {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q.Trash {
		return nil
	}
	return append([]curate.Photo(nil), l.photos...)
}

func (l *library) Add(ctx context.Context, a curate.Addition) (curate.Photo, error) {
	if l.added != nil {
		l.added()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return curate.Photo{}, err
	}
	if l.broken != nil {
		return curate.Photo{}, l.broken
	}
	sum := picture.Sum(a.Data)
	if i, ok := l.sums[sum]; ok {
		return curate.Photo{}, &curate.DuplicateError{Photo: l.photos[i]}
	}
	if l.sums == nil {
		l.sums = map[picture.Digest]int{}
	}
	l.sums[sum] = len(l.photos)
	p := curate.Photo{
		ID: curate.ID(len(l.photos) + 1), Label: a.Label, Name: a.Name, Path: filepath.Join(l.dir, a.Label, a.Name), Size: int64(len(a.Data)),
		Width: 64, Height: 48, Source: a.Source,
	}
	l.photos = append(l.photos, p)
	return p, nil
}

// Fingerprints implements source.Comparer for a dataset whose photos all look different.
func (l *library) Fingerprints(ctx context.Context, progress func(done, total int)) error {
	total := len(l.Photos(curate.Query{}))
	for done := range total {
		progress(done+1, total)
	}
	return ctx.Err()
}

// preferences keeps choices in memory.
type preferences map[string]string

func (p preferences) String(key string) string { return p[key] }

func (p preferences) SetString(key, value string) { p[key] = value }

// world is a presenter with all that is around it.
type world struct {
	*presenter

	q        *queue
	runner   *job.Runner
	lib      *library
	prefs    preferences
	failures []string
}

func newWorld(t *testing.T, services ...Service) *world {
	t.Helper()
	w := &world{q: newQueue(), runner: job.New(context.Background()), lib: &library{dir: t.TempDir()}, prefs: preferences{}}
	w.presenter = newPresenter(w.runner, services, w.prefs, w.q.dispatch, nil)
	w.failed = func(sentence string, _ error) { w.failures = append(w.failures, sentence) }
	w.setLibrary(w.lib)
	t.Cleanup(func() {
		w.runner.Close()
		w.close()
	})
	return w
}

func photo(n int) []byte { return picturetest.JPEG(n%5, n, 64, 48) }

// folder makes a folder with so many photos of each label, and one bad one of the first.
func folder(t *testing.T, each int, labels ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, label := range labels {
		if err := os.MkdirAll(filepath.Join(dir, label), 0o755); err != nil {
			t.Fatal(err)
		}
		for j := range each {
			write(t, filepath.Join(dir, label, fmt.Sprintf("%03d.jpg", j)), photo(1000*i+j))
		}
	}
	write(t, filepath.Join(dir, labels[0], "bad.jpg"), []byte("<html>"))
	return dir
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// listed chooses a path and waits for the list.
func (w *world) listed(t *testing.T, path string) {
	t.Helper()
	if !w.choose(path) {
		t.Fatal("nothing can be chosen now")
	}
	w.q.until(t, func() bool { return !w.listing })
}

// collected starts a run and waits for its end.
func (w *world) collected(t *testing.T) {
	t.Helper()
	if !w.ready() {
		i, f := w.blocker()
		t.Fatalf("it is not ready: row %d, %s", i, f)
	}
	w.start()
	w.q.until(t, func() bool { return w.stage == finished })
}

// idle waits until the runner can take another job.
func (w *world) idle(t *testing.T) {
	t.Helper()
	done := make(chan struct{}, 1)
	stop := w.runner.Subscribe(func(s job.State) {
		if !s.Running {
			select {
			case done <- struct{}{}:
			default:
			}
		}
	})
	defer stop()
	if w.runner.State().Running {
		<-done
	}
}

func TestFolderFromChoiceToEnd(t *testing.T) {
	w := newWorld(t)
	w.lib.labels = []string{"Tulip"}
	w.listed(t, folder(t, 4, "rose", "tulip"))
	if len(w.rows) != 2 || w.rows[0].keyword != "rose" || w.rows[0].label != "rose" || w.rows[0].available != 5 || w.rows[1].label != "Tulip" {
		t.Fatalf("the rows are %+v %+v", w.rows[0], w.rows[1])
	}
	w.setLabel(0, " バラ ")
	w.setCount(1, "２")
	w.collected(t)
	if o := w.outcome; o.landed != 6 || o.refused != 1 || o.there != 0 || o.err != nil || o.dir != w.lib.dir {
		t.Errorf("the outcome is %+v", o)
	}
	if r := w.rows[0].result; r.Landed != 4 || r.Refused != 1 || w.rows[1].result.Landed != 2 {
		t.Errorf("the results are %+v, %+v", r, w.rows[1].result)
	}
	if len(w.photos) != 6 || w.photos[0].ID != 6 || w.photos[5].ID != 1 || w.photos[5].Label != "バラ" || w.photos[0].Label != "Tulip" {
		t.Errorf("the photos are %+v", w.photos)
	}
	if len(w.refusals) != 1 || w.refusals[0].reason != picture.NotAPicture || w.refused[picture.NotAPicture] != 1 {
		t.Errorf("refused: %+v", w.refusals)
	}
	if len(w.failures) != 0 {
		t.Errorf("failures: %v", w.failures)
	}

	// Once more: all is there already, and the choice is as it was.
	w.idle(t)
	w.again()
	if w.rows[0].label != "バラ" || w.rows[1].countText != "２" {
		t.Errorf("the choice is lost: %+v", w.rows[0])
	}
	w.collected(t)
	if o := w.outcome; o.landed != 0 || o.there != 6 || o.refused != 1 || len(w.photos) != 0 || len(w.refusals) != 1 {
		t.Errorf("again: %+v, %d photos", o, len(w.photos))
	}
}

func TestWhatKeepsItFromStarting(t *testing.T) {
	for name, tc := range map[string]struct {
		do    func(*world)
		row   int
		fault fault
	}{
		"nothing":              {func(*world) {}, -1, noFault},
		"no row":               {func(w *world) { w.setAllOn(false) }, -1, nothingChosen},
		"no label":             {func(w *world) { w.setLabel(1, " ") }, 1, labelMissing},
		"no label, not chosen": {func(w *world) { w.setLabel(1, ""); w.setOn(1, false) }, -1, noFault},
		"bad label":            {func(w *world) { w.setLabel(0, "a/b") }, 0, labelBad},
		"clash with dataset":   {func(w *world) { w.setLabel(0, "LILY") }, 0, labelClash},
		"clash of two":         {func(w *world) { w.setLabel(0, "Iris"); w.setLabel(1, "iris") }, 1, labelClash},
		"two of one label":     {func(w *world) { w.setLabel(0, "iris"); w.setLabel(1, "iris") }, -1, noFault},
		"known label":          {func(w *world) { w.setLabel(0, "lily") }, -1, noFault},
		"count":                {func(w *world) { w.setCount(0, "many") }, 0, countBad},
		"count of none":        {func(w *world) { w.setCount(0, "0") }, 0, countBad},
		"count below none":     {func(w *world) { w.setCount(0, "-1") }, 0, countBad},
		"count of all":         {func(w *world) { w.setCount(0, " ") }, -1, noFault},
		"side":                 {func(w *world) { w.setMinSide("big") }, -1, sideBad},
		"huge side":            {func(w *world) { w.setMinSide("99999999999999999999") }, -1, sideBad},
		"any side":             {func(w *world) { w.setMinSide("") }, -1, noFault},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.lib.labels = []string{"lily"}
			w.listed(t, folder(t, 1, "rose", "tulip"))
			tc.do(w)
			if i, f := w.blocker(); i != tc.row || f != tc.fault || w.ready() != (f == noFault) {
				t.Errorf("row %d, %q, ready %v", i, f, w.ready())
			}
			if w.start(); tc.fault != noFault && w.stage != choosing {
				t.Error("it started all the same")
			}
			if w.stage == running {
				w.q.until(t, func() bool { return w.stage == finished })
			}
		})
	}
}

func TestFlatFolderAsksForLabel(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "1.jpg"), photo(1))
	w.listed(t, dir)
	if i, f := w.blocker(); i != 0 || f != labelMissing || w.ready() {
		t.Errorf("row %d, %q", i, f)
	}
	w.setLabel(0, "rose")
	w.collected(t)
	if len(w.lib.photos) != 1 || w.lib.photos[0].Label != "rose" {
		t.Errorf("landed %+v", w.lib.photos)
	}
}

func TestLists(t *testing.T) {
	w := newWorld(t)
	archive := filepath.Join(t.TempDir(), "x.zip")
	f, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	entry, err := z.Create("flowers/rose/1.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write(photo(1)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "x.tar")
	write(t, bad, []byte("no archive"))
	inside := filepath.Join(w.lib.dir, "rose")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(w.lib.dir, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		archive: "", bad: "archive", t.TempDir(): "none", archive + "x": "failed", w.lib.dir: "own", inside: "own", link: "own", filepath.Join(link, "rose"): "own",
	} {
		w.listed(t, path)
		if w.listKey != want || (w.listErr == nil) != (want == "") || (len(w.rows) > 0) != (want == "") || w.ready() != (want == "") {
			t.Errorf("%s: %q, %v, %d rows", path, w.listKey, w.listErr, len(w.rows))
		}
	}
}

func TestOnlyTheLastListCounts(t *testing.T) {
	w := newWorld(t)
	first, second := folder(t, 1, "rose"), folder(t, 1, "lily", "tulip")
	w.choose(first)
	w.choose(second)
	w.q.until(t, func() bool { return !w.listing })
	w.work.Wait()
	for len(w.q.waiting) > 0 {
		(<-w.q.waiting)()
	}
	if w.path != second || len(w.rows) != 2 {
		t.Errorf("%s has %d rows", w.path, len(w.rows))
	}
}

func TestListingCanBeEnded(t *testing.T) {
	w := newWorld(t)
	w.choose(folder(t, 1, "rose"))
	w.halt()
	w.work.Wait()
	for len(w.q.waiting) > 0 {
		(<-w.q.waiting)()
	}
	if w.listing || w.path != "" || len(w.rows) > 0 || w.listErr != nil {
		t.Errorf("ended, and yet %q with %d rows, %v", w.path, len(w.rows), w.listErr)
	}
}

// TestServiceWhileListing chooses a service while a folder is looked through, which nobody waits for then.
func TestServiceWhileListing(t *testing.T) {
	w := newWorld(t, service(10, nil))
	w.choose(folder(t, 1, "lily"))
	w.useService(0)
	w.setKeyword(0, "rose")
	w.work.Wait()
	for len(w.q.waiting) > 0 {
		(<-w.q.waiting)()
	}
	if len(w.rows) != 1 || w.rows[0].keyword != "rose" || w.listErr != nil || w.listing {
		t.Errorf("%d rows, %v", len(w.rows), w.listErr)
	}
}

// TestLabelsOfAnotherDataset opens another dataset beside a search: its labels count.
func TestLabelsOfAnotherDataset(t *testing.T) {
	w := newWorld(t, service(10, nil))
	w.lib.labels = []string{"Rose"}
	w.useService(0)
	w.setKeyword(0, "rose")
	w.setLabel(0, "ROSE")
	if _, f := w.blocker(); f != labelClash {
		t.Fatalf("the label is %q", f)
	}
	other := &library{dir: t.TempDir()}
	w.setLibrary(other)
	if !w.ready() {
		i, f := w.blocker()
		t.Errorf("row %d is %q in a dataset without labels", i, f)
	}
	w.setLibrary(w.lib)
	if w.ready() {
		t.Error("the label clashes, and nobody says so")
	}
}

func TestStopAndGoOn(t *testing.T) {
	w := newWorld(t)
	w.listed(t, folder(t, 20, "rose", "lily"))
	reached, proceed := make(chan struct{}), make(chan struct{})
	seen := 0
	w.lib.added = func() {
		if seen++; seen == 5 {
			close(reached)
			<-proceed
		}
	}
	w.start()
	<-reached
	if w.choose("elsewhere") {
		t.Error("another folder could be chosen during a run")
	}
	w.halt()
	w.halt()
	if !w.stopping {
		t.Error("it is not said that it stops")
	}
	close(proceed)
	w.q.until(t, func() bool { return w.stage == finished })
	if o := w.outcome; !errors.Is(o.err, context.Canceled) || o.landed != len(w.lib.photos) || o.landed == 40 || len(w.failures) > 0 {
		t.Errorf("the outcome is %+v with %d photos, failures %v", o, len(w.lib.photos), w.failures)
	}
	before := len(w.lib.photos)
	w.idle(t)
	w.again()
	w.collected(t)
	if o := w.outcome; o.err != nil || o.there != before || o.landed != 40-before || len(w.lib.photos) != 40 {
		t.Errorf("going on: %+v", o)
	}
}

func TestErrorsOfARun(t *testing.T) {
	for want, err := range map[string]error{
		"full": fmt.Errorf("writing: %w", syscall.ENOSPC), "readonly": curate.ErrReadOnly, "closed": curate.ErrClosed, "label": dataset.ErrLabelClash,
		"other": errors.New("odd"),
	} {
		w := newWorld(t)
		w.lib.broken = err
		w.listed(t, folder(t, 2, "rose"))
		w.collected(t)
		if len(w.failures) != 1 || w.failures[0] != want || !errors.Is(w.outcome.err, err) {
			t.Errorf("%v: %v, %+v", err, w.failures, w.outcome)
		}
	}
	w := newWorld(t)
	w.lib.added = func() { panic("a mistake") }
	w.listed(t, folder(t, 2, "rose"))
	w.collected(t)
	if w.outcome.err == nil || len(w.failures) != 1 {
		t.Errorf("a panic gave %+v, %v", w.outcome, w.failures)
	}
}

func TestAnotherJobIsAtWork(t *testing.T) {
	w := newWorld(t)
	w.listed(t, folder(t, 1, "rose"))
	proceed := make(chan struct{})
	if err := w.runner.Start("retrain", func(context.Context, func(job.Progress)) error { <-proceed; return nil }); err != nil {
		t.Fatal(err)
	}
	w.start()
	if w.stage != choosing || len(w.failures) != 1 || w.failures[0] != "busy" {
		t.Errorf("stage %d, %v", w.stage, w.failures)
	}
	w.halt()
	if w.runner.State().Cancelling {
		t.Error("the other job was cancelled")
	}
	close(proceed)
	w.idle(t)
	w.collected(t)
}

func TestOtherDatasets(t *testing.T) {
	w := newWorld(t)
	w.setLibrary(nil)
	dir := folder(t, 2, "rose")
	w.listed(t, dir)
	if w.ready() || len(w.rows) != 1 {
		t.Errorf("without a dataset: ready %v, %d rows", w.ready(), len(w.rows))
	}
	w.lib.labels = []string{"Rose"}
	w.setLibrary(w.lib)
	w.q.until(t, func() bool { return !w.listing })
	if w.rows[0].label != "Rose" {
		t.Errorf("the label is %q, though the dataset has Rose", w.rows[0].label)
	}
	w.collected(t)
	w.setLibrary(w.lib) // The same one opened anew.
	if w.stage != finished || len(w.photos) != 2 {
		t.Error("what was done is forgotten")
	}
	w.setLibrary(&library{dir: t.TempDir()})
	if w.stage != choosing || len(w.photos) != 0 || w.outcome.landed != 0 {
		t.Error("what was done in another dataset is shown")
	}
	w.q.until(t, func() bool { return !w.listing })
	if w.idle(t); !w.ready() {
		t.Error("the folder is not ready for the other dataset")
	}
}

func TestWhatIsShownIsBounded(t *testing.T) {
	w := newWorld(t)
	w.inbox.begin(1)
	for i := range 5000 {
		w.inbox.put(source.Event{Photo: &curate.Photo{ID: curate.ID(i)}}, func() {})
		w.inbox.put(source.Event{Refusal: &source.Refusal{Reason: source.Duplicate, Name: strconv.Itoa(i)}}, func() {})
		if i%700 == 0 {
			w.drain()
		}
		if len(w.inbox.news.photos) > 2*keptPhotos || len(w.inbox.news.refusals) > 2*keptRefusals {
			t.Fatal("the inbox grows without end")
		}
	}
	w.drain()
	if len(w.photos) != keptPhotos || w.photos[0].ID != 4999 || w.photos[keptPhotos-1].ID != 5000-keptPhotos {
		t.Errorf("%d photos from %d on", len(w.photos), w.photos[0].ID)
	}
	if len(w.refusals) != keptRefusals || w.refusals[0].name != "4999" || w.refused[source.Duplicate] != 5000 {
		t.Errorf("%d refusals, %d counted", len(w.refusals), w.refused[source.Duplicate])
	}
}

// shelf is a service with photos for each keyword.
type shelf struct{ each int }

func (s shelf) Name() string { return "shelf" }

func (s shelf) Search(_ context.Context, r source.Request) iter.Seq2[source.Item, error] {
	return func(yield func(source.Item, error) bool) {
		for i := range s.each {
			data := photo(len(r.Keyword)*100 + i)
			item := source.Item{
				Keyword: r.Keyword, Name: fmt.Sprintf("%d.jpg", i), Source: curate.Source{Kind: "shelf", ID: fmt.Sprint(r.Keyword, i), Author: "A. Uthor"},
				Open: func(context.Context) (readCloser, error) { return body(data), nil },
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

func service(each int, opened func(source.Wanted) error) Service {
	return Service{
		Service: source.Service{Kind: "shelf", Name: "Shelf", Licenses: []source.Terms{source.BY, source.BYNC, source.CC0}},
		Open: func(_ context.Context, w source.Wanted) (source.Source, error) {
			return shelf{each}, opened(w)
		},
	}
}

func TestService(t *testing.T) {
	var wanted source.Wanted
	w := newWorld(t, service(10, func(w source.Wanted) error { wanted = w; return nil }))
	w.setFilters(func(f *filters) { // The service has no choice of the others.
		*f = filters{exclude: " toy,red  car,絵画、toy ", excludeTags: "bw", sort: source.NewestTaken, origin: "flickr", tagsOnly: true, drawings: true, unsafe: true}
	})
	w.useService(0)
	if i, f := w.blocker(); i != 0 || f != keywordMissing {
		t.Errorf("row %d, %q", i, f)
	}
	w.setKeyword(0, "rose")
	w.setKeyword(0, "rosehip")
	w.addKeyword()
	w.setKeyword(1, "Rosehip ")
	if i, f := w.blocker(); i != 1 || f != keywordTwice {
		t.Errorf("row %d, %q", i, f)
	}
	w.setKeyword(1, "lily")
	w.setLabel(1, "Lilium")
	w.setKeyword(1, "lilium")
	if w.rows[0].label != "rosehip" || w.rows[1].label != "Lilium" {
		t.Errorf("the labels are %q and %q", w.rows[0].label, w.rows[1].label)
	}
	w.addKeyword()
	w.removeRow(2)
	w.setCount(0, "3")
	w.allow(source.BYNC, true)
	w.allow(source.BY, false)
	w.setMinSide("20")
	w.collected(t)
	if o := w.outcome; o.landed != 13 || len(o.short) != 1 || o.short[0] != (shortage{1, "lilium", 10, 20}) {
		t.Errorf("the outcome is %+v", o)
	}
	if !w.rows[1].exhausted || w.rows[0].exhausted {
		t.Error("it is not said which row the source has no more for")
	}
	if want := (source.Wanted{Licenses: []source.Terms{source.BYNC, source.CC0}, MinSide: 20, ExcludeWords: []string{"toy", "red car", "絵画"}}); !reflect.DeepEqual(wanted, want) {
		t.Errorf("it was opened with %+v, want %+v", wanted, want)
	}
	w.idle(t)
	w.again()
	w.listed(t, folder(t, 1, "rose"))
	if w.service != nil || len(w.rows) != 1 {
		t.Errorf("a folder after a service: %+v, %d rows", w.service, len(w.rows))
	}
}

func TestClose(t *testing.T) {
	w := newWorld(t)
	w.listed(t, folder(t, 5, "rose"))
	w.start()
	w.runner.Close()
	w.close()
	w.changed = func() { t.Error("something changes after the end") }
	for len(w.q.waiting) > 0 {
		(<-w.q.waiting)()
	}
}
