package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kaika/core/classify"
	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/trained"
)

// fake is an engine without a network. Its scores follow from the photo.
type fake struct {
	testing.TB

	root   string                                                              // Folder of its models.
	took   func(photos int) time.Duration                                      // How long a batch takes; nil is no time.
	before func(ctx context.Context, call int, data [][]byte) error            // Calls count from 1; may be nil.
	open   func(ctx context.Context, dir string) (*classify.Classifier, error) // In the place of the fake's own; may be nil.

	mu      sync.Mutex
	calls   []call
	working int
	most    int // As many calls were under way at once.
}

// call is a batch that the engine got.
type call struct {
	at     time.Time
	model  string // Base name of its folder.
	photos []string
	bytes  int
}

// engines are the fakes of all tests, by their roots: the engine in a Classifier cannot be another than that which it was
// opened with, and to draw golden pictures for each would take too long.
var engines sync.Map

type router struct{}

func (router) Classify(ctx context.Context, _ trained.Graph, path, _ string, pictures []picture.Encoded) ([]feature.Vector, error) {
	var f *fake
	engines.Range(func(root, value any) bool {
		if strings.HasPrefix(path, fmt.Sprint(root, "/")) {
			f, _ = value.(*fake)
		}
		return f == nil
	})
	if f == nil {
		return golden(pictures), nil
	}
	return f.classify(ctx, path, pictures)
}

// newFake gives an engine and Models that use it, which are closed when the test ends.
func newFake(t testing.TB, c Config) (*fake, *Models) {
	t.Helper()
	f := &fake{TB: t, root: t.TempDir()}
	engines.Store(f.root, f)
	t.Cleanup(func() { engines.Delete(f.root) })
	m := f.models(c)
	return f, m
}

// models gives Models that use the engine.
func (f *fake) models(c Config) *Models {
	f.Helper()
	c.Open = func(ctx context.Context, dir string) (*classify.Classifier, error) {
		if f.open != nil {
			if c, err := f.open(ctx, dir); c != nil || err != nil {
				return c, err
			}
		}
		return opened(dir)
	}
	return New(c)
}

// opened opens a model folder without a check.
func opened(dir string) (*classify.Classifier, error) {
	folder, err := trained.Open(dir)
	if err != nil {
		return nil, &classify.OpenError{Fault: classify.Damaged, Err: err}
	}
	if strings.Contains(folder.Labels[1], "deviates") {
		return nil, &classify.OpenError{Fault: classify.Deviates, Err: errors.New("the model does not compute as it did")}
	}
	c := *classifier()
	c.Folder = folder
	return &c, nil
}

// classifier gives one that was opened as the program does it.
var classifier = sync.OnceValue(func() *classify.Classifier {
	dir, err := os.MkdirTemp("", "kaika-serve-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	dir = filepath.Join(dir, "model")
	pictures, digests, err := trained.Golden()
	if err != nil {
		panic(err)
	}
	var scores []trained.GoldenScore
	for i, v := range golden(pictures) {
		scores = append(scores, trained.GoldenScore{Picture: digests[i], Scores: v.Values})
	}
	if err := writeModel(dir, []string{"a", "b"}, scores); err != nil {
		panic(err)
	}
	c, err := classify.Open(context.Background(), dir, "", router{})
	if err != nil {
		panic(err)
	}
	return c
})

func golden(pictures []picture.Encoded) []feature.Vector {
	var all []feature.Vector
	for _, p := range pictures {
		all = append(all, feature.Vector{Values: scores(p.Data)})
	}
	return all
}

// scores gives two that follow from the photo. The first is the higher.
func scores(data []byte) []float32 {
	low := float32(crc32.ChecksumIEEE(data[:min(len(data), 100)])%1000) / 2001
	return []float32{1 - low, low}
}

// model writes a model folder below that of the fake, by which its answers can be known. Another name for the second label
// makes another model of it.
func (f *fake) model(name, second string) string {
	f.Helper()
	dir := filepath.Join(f.root, name)
	if err := writeModel(dir, []string{"by " + name, second}, nil); err != nil {
		f.Fatal(err)
	}
	return dir
}

func writeModel(dir string, labels []string, golden []trained.GoldenScore) error {
	graph := []byte(strings.Join(labels, "\n"))
	w, err := trained.NewWriter(dir)
	if err != nil {
		return err
	}
	return errors.Join(w.File(trained.GraphFile, graph), w.File(trained.LabelsFile, trained.Labels(labels)), w.Commit(trained.Model{
		Format: trained.Format, Labels: labels, GoldenScores: golden, BaseModel: trained.BaseModel{Precision: "float32"},
		Graph: trained.Graph{File: trained.GraphFile, SHA256: trained.DigestBytes(graph), Output: "final_result:0"},
	}))
}

func (f *fake) classify(ctx context.Context, path string, pictures []picture.Encoded) ([]feature.Vector, error) {
	var data [][]byte
	c := call{at: time.Now(), model: filepath.Base(filepath.Dir(path))}
	for _, p := range pictures {
		data = append(data, p.Data)
		c.photos = append(c.photos, string(p.Data[:min(len(p.Data), 20)]))
		c.bytes += len(p.Data)
	}
	f.mu.Lock()
	f.calls = append(f.calls, c)
	f.working++
	f.most = max(f.most, f.working)
	number := len(f.calls)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.working--
	}()
	if f.before != nil {
		if err := f.before(ctx, number, data); err != nil {
			return nil, err
		}
	}
	if f.took != nil {
		select {
		case <-time.After(f.took(len(pictures))):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	vectors := make([]feature.Vector, len(data))
	for i, d := range data {
		vectors[i].Values = scores(d)
		if bytes.HasPrefix(d, []byte("damaged")) {
			vectors[i] = feature.Vector{Err: &picture.Error{Reason: picture.Damaged, Detail: "is damaged"}}
		}
	}
	return vectors, nil
}

// batches gives how many photos each call had.
func (f *fake) batches() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []int
	for _, c := range f.calls {
		all = append(all, len(c.photos))
	}
	return all
}

// photos makes n photos that differ, beginning with a word.
func photos(word string, n int) []picture.Encoded {
	var all []picture.Encoded
	for i := range n {
		all = append(all, picture.Encoded{Data: fmt.Appendf(nil, "%s %d", word, i), Orientation: 1})
	}
	return all
}

// check tells what is wrong with the answers of a model of a name.
func check(name string, pictures []picture.Encoded, answers []classify.Answer) error {
	if len(answers) != len(pictures) {
		return fmt.Errorf("%d answers for %d photos", len(answers), len(pictures))
	}
	for i, a := range answers {
		if bytes.HasPrefix(pictures[i].Data, []byte("damaged")) {
			if a.Error == nil || a.Reason != picture.Damaged {
				return fmt.Errorf("photo %d is damaged, and the answer is %+v", i, a)
			}
			continue
		}
		want := scores(pictures[i].Data)
		if a.Error != nil || len(a.Predictions) != 2 || a.Predictions[0].Score != want[0] || a.Predictions[0].Label != "by "+name {
			return fmt.Errorf("the answer to photo %d by %s is %+v, want the scores %v", i, name, a, want)
		}
	}
	return nil
}

// served gives the active version of a model.
func served(t testing.TB, m *Models, name string) *Model {
	t.Helper()
	model, err := m.Get(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// only serves one model and gives it.
func (f *fake) only(m *Models) *Model {
	f.Helper()
	if err := m.Serve(context.Background(), "flowers", f.model("flowers", "none")); err != nil {
		f.Fatal(err)
	}
	return served(f, m, "flowers")
}

// observed is an Observer that remembers.
type observed struct {
	mu      sync.Mutex
	batches []int
	waited  []time.Duration
	took    []time.Duration
	queue   []int
}

func (o *observed) Batch(photos int, waited, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.batches, o.waited, o.took = append(o.batches, photos), append(o.waited, waited), append(o.took, took)
}

func (o *observed) Queue(photos int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, photos)
}

// waiting gives how many photos wait.
func (o *observed) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.queue[len(o.queue)-1]
}

// logged gives a log and what was written to it.
func logged() (*slog.Logger, func() string) {
	var w lines
	return slog.New(slog.NewTextHandler(&w, nil)), w.String
}

type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// unchanged fails unless nothing is left in the queue.
func (q *queue) unchanged(t testing.TB) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.charged != (amount{}) || q.waiting != 0 || q.working != 0 || q.lanes != 0 || len(q.turns) != 0 {
		t.Errorf("left in the queue: counted %+v, waiting %d, working %d in %d batches, %d turns", q.charged, q.waiting, q.working, q.lanes, len(q.turns))
	}
}

// each gives a function's value for each element.
func each[T, V any](all []T, of func(T) V) []V {
	var values []V
	for _, x := range all {
		values = append(values, of(x))
	}
	return values
}

func numbers(s Status) []int { return each(s.Versions, func(v VersionStatus) int { return v.Version }) }

func states(s Status) []string {
	return each(s.Versions, func(v VersionStatus) string { return v.State })
}

func contains(t testing.TB, text string, words ...string) {
	t.Helper()
	if i := slices.IndexFunc(words, func(w string) bool { return !strings.Contains(text, w) }); i >= 0 {
		t.Errorf("%q is missing in:\n%s", words[i], text)
	}
}
