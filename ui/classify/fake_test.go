package classify

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"kaika/core/classify"
	"kaika/core/curate"
	"kaika/core/feature"
	"kaika/core/job"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/thumb"
	"kaika/core/trained"
	"kaika/ui/clipboard"
)

// engine computes scores from the bytes of a picture alone.
type engine struct {
	labels int
	before func(ctx context.Context, pictures int) error // May be nil.

	mu     sync.Mutex
	scores map[picture.Digest][]float32 // Set by tests; other pictures get some that follow from their digest.
	calls  int
}

func (e *engine) Classify(ctx context.Context, _ trained.Graph, _, _ string, pictures []picture.Encoded) ([]feature.Vector, error) {
	e.mu.Lock()
	e.calls++
	e.mu.Unlock()
	if e.before != nil {
		if err := e.before(ctx, len(pictures)); err != nil {
			return nil, err
		}
	}
	vectors := make([]feature.Vector, len(pictures))
	for i, p := range pictures {
		if len(p.Data) < 1<<13 { // Not the golden pictures: they take their time.
			if _, err := picture.Decode(p); err != nil {
				vectors[i].Err = err
				continue
			}
		}
		vectors[i].Values = e.of(picture.Sum(p.Data))
	}
	return vectors, nil
}

func (e *engine) of(d picture.Digest) []float32 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.scores[d]; s != nil {
		return s
	}
	scores := make([]float32, e.labels)
	rest := float32(1)
	best := int(d[0]) % e.labels
	for i := range scores {
		k := (best + i) % e.labels
		share := 0.6 + float32(d[1])/255*0.39
		if i == e.labels-1 {
			share = 1
		}
		scores[k] = rest * share
		rest -= scores[k]
	}
	return scores
}

// set makes the scores of a photo.
func (e *engine) set(data []byte, scores ...float32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.scores[picture.Sum(data)] = scores
}

// writeModel writes a model folder that fits the engine, after it was changed.
func writeModel(t testing.TB, e *engine, name string, labels []string, change func(m *trained.Model)) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	graph := []byte("graph")
	accuracy := 0.935
	m := trained.Model{
		Format: trained.Format, Labels: labels, Created: time.Date(2026, 11, 23, 20, 2, 0, 0, time.Local),
		Graph:     trained.Graph{File: trained.GraphFile, SHA256: trained.DigestBytes(graph), Output: "final_result:0"},
		BaseModel: trained.BaseModel{Name: "efficientnet-lite0", Precision: "float32"},
		Metrics:   trained.Metrics{TestAccuracy: &accuracy, TestCount: 370}, UnknownBelow: 0.5,
	}
	for _, g := range golden() {
		m.GoldenScores = append(m.GoldenScores, trained.GoldenScore{Picture: g.name, Scores: e.of(g.digest)})
	}
	if change != nil {
		change(&m)
	}
	w, err := trained.NewWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.File(trained.GraphFile, graph), w.File(trained.LabelsFile, trained.Labels(m.Labels)), w.Commit(m)); err != nil {
		t.Fatal(err)
	}
	return dir
}

type goldenPicture struct {
	name   string
	digest picture.Digest
}

var golden = sync.OnceValue(func() (all []goldenPicture) {
	pictures, names, err := trained.Golden()
	if err != nil {
		panic(err)
	}
	for i, p := range pictures {
		all = append(all, goldenPicture{names[i], picture.Sum(p.Data)})
	}
	return all
})

// preferences keeps settings in memory.
type preferences map[string]string

func (p preferences) String(key string) string    { return p[key] }
func (p preferences) SetString(key, value string) { p[key] = value }

// library is a dataset in memory.
type library struct {
	mu     sync.Mutex
	labels []string
	photos map[curate.ID]curate.Photo
	bytes  map[picture.Digest]curate.ID
	from   []string // Of what was added.
	fail   error    // Of Add, if not nil.
	before func()   // Called by Add; may be nil.
}

func newLibrary(labels ...string) *library {
	return &library{labels: labels, photos: map[curate.ID]curate.Photo{}, bytes: map[picture.Digest]curate.ID{}}
}

func (l *library) Labels() []curate.LabelCount {
	l.mu.Lock()
	defer l.mu.Unlock()
	var counts []curate.LabelCount
	for _, name := range l.labels {
		c := curate.LabelCount{Name: name}
		for _, p := range l.photos {
			if p.Label == name && p.Deleted.IsZero() {
				c.Photos++
			}
		}
		counts = append(counts, c)
	}
	return counts
}

func (l *library) Add(_ context.Context, a curate.Addition) (curate.Photo, error) {
	if l.before != nil {
		l.before()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return curate.Photo{}, l.fail
	}
	digest := picture.Sum(a.Data)
	if id, ok := l.bytes[digest]; ok {
		return curate.Photo{}, &curate.DuplicateError{Photo: l.photos[id]}
	}
	if _, err := picture.Parse(a.Data); err != nil {
		return curate.Photo{}, err
	}
	if !slices.Contains(l.labels, a.Label) {
		l.labels = append(l.labels, a.Label)
	}
	p := curate.Photo{ID: curate.ID(len(l.photos) + 1), Label: a.Label, Name: a.Name, Source: a.Source}
	l.photos[p.ID], l.bytes[digest] = p, p.ID
	l.from = append(l.from, a.Source.Kind+":"+a.Source.From)
	return p, nil
}

func (l *library) Move(_ context.Context, ids []curate.ID, label string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.labels, label) {
		l.labels = append(l.labels, label)
	}
	for _, id := range ids {
		p := l.photos[id]
		p.Label, p.Deleted = label, time.Time{}
		l.photos[id] = p
	}
	return nil
}

func (l *library) Delete(_ context.Context, ids []curate.ID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		p := l.photos[id]
		p.Deleted = time.Now()
		l.photos[id] = p
	}
	return nil
}

func (l *library) RemoveLabel(_ context.Context, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.photos {
		if p.Label == name && p.Deleted.IsZero() {
			return curate.ErrLabelInUse
		}
	}
	l.labels = slices.DeleteFunc(l.labels, func(s string) bool { return s == name })
	return nil
}

// count gives the photos under a label.
func (l *library) count(label string) int {
	for _, c := range l.Labels() {
		if c.Name == label {
			return c.Photos
		}
	}
	return -1
}

// thumbs counts what is decoded.
type thumbs struct {
	*thumb.Loader

	mu   sync.Mutex
	full []string // The base names of photos that were decoded large, with their side.
}

func (f *thumbs) Full(ctx context.Context, path string, side int) (image.Image, error) {
	f.mu.Lock()
	f.full = append(f.full, fmt.Sprintf("%s@%d", filepath.Base(path), side))
	f.mu.Unlock()
	return f.Loader.Full(ctx, path, side)
}

// world is a presenter with all that it needs, and the goroutine of its window, which is that of the test.
type world struct {
	t       testing.TB
	params  Params
	engine  *engine
	jobs    *job.Runner
	thumbs  *thumbs
	prefs   preferences
	models  []ModelChoice
	queue   chan func()
	p       *presenter
	problem problem
	err     error // Of the last problem.
}

var flowers = []string{"daisy", "dandelion", "rose", "sunflower", "tulip"}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		t: t, engine: &engine{labels: len(flowers), scores: map[picture.Digest][]float32{}}, jobs: job.New(context.Background()),
		thumbs: &thumbs{Loader: thumb.New(thumb.Params{Workers: 1})}, prefs: preferences{}, queue: make(chan func(), 1<<16),
	}
	t.Cleanup(w.jobs.Close)
	t.Cleanup(w.thumbs.Close)
	w.params = Params{
		Open: func(ctx context.Context, dir string) (*classify.Classifier, error) {
			return classify.Open(ctx, dir, "", w.engine)
		},
		Models: func(context.Context) ([]ModelChoice, error) { return w.models, nil },
		Jobs:   w.jobs, Thumbs: w.thumbs, Preferences: w.prefs, Dispatch: func(f func()) { w.queue <- f },
		Clipboard: func(context.Context) (clipboard.Content, error) { return clipboard.Content{}, clipboard.ErrNone },
	}
	return w
}

// present makes the presenter.
func (w *world) present() *presenter {
	w.t.Helper()
	w.p = newPresenter(w.params)
	w.p.failed = func(what problem, err error) { w.problem, w.err = what, err }
	w.t.Cleanup(w.p.close)
	return w.p
}

// withModel makes the presenter and has it open a model.
func (w *world) withModel() *presenter {
	w.t.Helper()
	p := w.present()
	p.use(ModelChoice{Dir: writeModel(w.t, w.engine, "flowers", flowers, nil)})
	w.until("the model is open", func() bool { return p.model != nil })
	return p
}

// until runs what comes to the window's goroutine until something is so.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	late := time.After(20 * time.Second)
	for !is() {
		select {
		case f := <-w.queue:
			f()
		case <-late:
			w.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// idle waits until everything dropped is answered.
func (w *world) idle() {
	w.t.Helper()
	w.until("all is answered", func() bool {
		return w.p.run == nil && len(w.p.inbox) == 0 && len(w.p.waiting) == 0 && w.p.adding == nil
	})
}

// write writes a file into a folder, which is made.
func write(t testing.TB, data []byte, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// folder writes n photos into a new folder.
func folder(t testing.TB, n int) (dir string, files []string) {
	t.Helper()
	dir = t.TempDir()
	for i := range n {
		files = append(files, write(t, picturetest.JPEG(i%5, i, 48, 36), dir, fmt.Sprintf("%04d.jpg", i)))
	}
	return dir, files
}

func names(rows []*row) []string {
	var all []string
	for _, r := range rows {
		all = append(all, r.name)
	}
	return all
}
