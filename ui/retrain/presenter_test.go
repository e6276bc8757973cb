package retrain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"image"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/experiment"
	"kaika/core/feature"
	"kaika/core/job"
	"kaika/core/thumb"
	"kaika/core/train"
	"kaika/core/trained"
	"kaika/ui/i18n"
)

// queue runs on the test's goroutine what is meant for the window's.
type queue struct {
	mu      sync.Mutex
	waiting []func()
}

func (q *queue) dispatch(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, f)
}

// drain runs what waits, and what comes of it. It tells whether anything did.
func (q *queue) drain() (ran bool) {
	for {
		q.mu.Lock()
		waiting := q.waiting
		q.waiting = nil
		q.mu.Unlock()
		if len(waiting) == 0 {
			return ran
		}
		ran = true
		for _, f := range waiting {
			f()
		}
	}
}

// preferences are kept in memory.
type preferences map[string]string

func (p preferences) String(key string) string    { return p[key] }
func (p preferences) SetString(key, value string) { p[key] = value }

// library is a dataset of which only labels are known.
type library struct {
	dir         string
	labels      []curate.LabelCount
	subscribers map[int]func(curate.Change)
}

func newLibrary(dir string, photos ...int) *library {
	l := &library{dir: dir, subscribers: map[int]func(curate.Change){}}
	for i, n := range photos {
		l.labels = append(l.labels, curate.LabelCount{Name: []string{"rose", "tulip", "菊 花", "d", "e"}[i], Photos: n})
	}
	return l
}

func (l *library) Dir() string                 { return l.dir }
func (l *library) Labels() []curate.LabelCount { return l.labels }

func (l *library) Subscribe(f func(curate.Change)) func() {
	n := len(l.subscribers)
	l.subscribers[n] = f
	return func() { delete(l.subscribers, n) }
}

// trainer does what a test says.
type trainer struct {
	bases    []Base
	basesErr error
	train    func(ctx context.Context, r Request, stop <-chan struct{}, observe func(train.Event)) (*train.Report, error)
	fetch    func(ctx context.Context, name string, progress func(step string, done, total int64)) error
	requests []Request
}

func (f *trainer) Bases(context.Context) ([]Base, error) { return f.bases, f.basesErr }

func (f *trainer) FetchBase(ctx context.Context, name string, progress func(step string, done, total int64)) error {
	return f.fetch(ctx, name, progress)
}

func (f *trainer) Train(ctx context.Context, r Request, stop <-chan struct{}, observe func(train.Event)) (*train.Report, trained.BaseModel, error) {
	f.requests = append(f.requests, r)
	report, err := f.train(ctx, r, stop, observe)
	return report, trained.BaseModel{Name: r.Base, InputSize: 288, Precision: r.Precision}, err
}

var testBases = []Base{
	{Name: "efficientnet_lite0", Title: "EfficientNet-Lite0", GoodFor: "the usual one", Installed: true, InputSize: 288, AnySize: true},
	{Name: "mobilenet_1.0_224", Title: "MobileNet v1, 224 px", GoodFor: "small", InputSize: 224},
	{Name: "mine", Title: "Mine", GoodFor: "my own network", Installed: true, Problem: "its graph is damaged", InputSize: 100},
}

// write writes what package train writes, as far as a kept run needs it.
func write(t testing.TB, dir string, points []train.Point, labels map[string]int) {
	t.Helper()
	model, err := json.Marshal(trained.Model{Format: 1, Dataset: trained.Dataset{Labels: labels}})
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, p := range points {
		line, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	for name, data := range map[string][]byte{trained.ModelFile: model, trained.MetricsFile: []byte(lines.String())} {
		if err := trained.WriteFile(filepath.Join(dir, name), data); err != nil {
			t.Fatal(err)
		}
	}
}

// point gives the point of a step of a training that gets better.
func point(step int) train.Point {
	accuracy, loss := 1-1/(1+float64(step)/100), 1.6/(1+float64(step)/100)
	p := train.Point{Step: step, TrainAccuracy: accuracy, TrainCrossEntropy: loss}
	validation, validationLoss := 0.95*accuracy, loss+0.1
	p.ValidationAccuracy, p.ValidationCrossEntropy = &validation, &validationLoss
	return p
}

// report gives the report of a training of three labels that took a rose for a tulip twice, and a tulip for a rose.
func report(steps int) *train.Report {
	matrix := train.Confusion{Labels: []string{"rose", "tulip", "菊 花"}, Counts: [][]int{{38, 2, 0}, {1, 39, 0}, {0, 0, 41}}}
	r := &train.Report{
		Labels: matrix.Labels, Steps: steps, ConfusionMatrix: &matrix,
		Photos:     train.PhotoCounts{Total: 1202, Train: 960, Validation: 121, Test: 121},
		Train:      train.Figures{Accuracy: 0.97, CrossEntropy: 0.1},
		Validation: &train.Figures{Accuracy: 0.95, CrossEntropy: 0.2},
		Test:       &train.Tested{Correct: 118, Count: 121, Accuracy: 118. / 121},
	}
	r.Test.Low, r.Test.High = train.Wilson(118, 121)
	for i, row := range matrix.Counts {
		for k, n := range row {
			for range n {
				a := train.Answer{File: fmt.Sprintf("/photos/%s/%d.jpg", matrix.Labels[i], len(r.Answers)), Label: matrix.Labels[i], Predicted: matrix.Labels[k], Score: 0.6 + 0.003*float64(len(r.Answers)), TrueScore: 0.2}
				r.Answers = append(r.Answers, a)
				if i != k {
					r.Misclassified = append(r.Misclassified, a)
				}
			}
		}
	}
	return r
}

var labelCounts = map[string]int{"rose": 400, "tulip": 400, "菊 花": 402}

// bench is a presenter with all that it needs.
type bench struct {
	t       testing.TB
	p       *presenter
	params  Params
	queue   *queue
	trainer *trainer
	jobs    *job.Runner
	prefs   preferences
	changes map[part]int
	errors  []string // Keys of the sentences.
	details []error
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, queue: &queue{}, prefs: preferences{}, changes: map[part]int{}, jobs: job.New(t.Context())}
	quiet := slog.New(slog.DiscardHandler)
	b.trainer = &trainer{bases: slices.Clone(testBases)}
	b.trainer.train = b.short
	b.params = Params{
		Trainer: b.trainer, Jobs: b.jobs, Preferences: b.prefs, Dispatch: b.queue.dispatch, Log: quiet, Thumbs: noThumbs{},
		Store: &experiment.Store{Dir: filepath.Join(t.TempDir(), "runs"), Log: quiet, Now: time.Now},
	}
	b.p = newPresenter(b.params)
	b.p.redraw, b.p.seen = func(p part) { b.changes[p]++ }, true
	b.p.failed = func(m message, err error) { b.errors, b.details = append(b.errors, m.key), append(b.details, err) }
	return b
}

// noThumbs know no picture.
type noThumbs struct{}

func (noThumbs) Peek(thumb.Key) (image.Image, bool)                  { return nil, false }
func (noThumbs) Load(thumb.Key, func(image.Image, error)) (_ func()) { return func() {} }

// settle waits until nothing goes on any more. It is for a bubble of synctest.
func (b *bench) settle() {
	for again := true; again; again = b.queue.drain() {
		synctest.Wait()
	}
}

// ready is a presenter with a dataset and base models.
func (b *bench) ready() {
	b.p.setLibrary(newLibrary("/photos of mine", 400, 400, 402))
	b.p.shown()
	b.settle()
}

func (b *bench) close() {
	b.jobs.Close()
	b.settle()
	b.p.close()
	b.queue.drain()
}

// short is a training of all phases that takes no time.
func (b *bench) short(_ context.Context, r Request, _ <-chan struct{}, observe func(train.Event)) (*train.Report, error) {
	observe(train.Event{Phase: train.Features, Progress: feature.Progress{Done: 1202, Total: 1202}})
	var points []train.Point
	for step := r.Params.EvalStepInterval; step <= r.Params.Steps; step += r.Params.EvalStepInterval {
		points = append(points, point(step))
		observe(train.Event{Phase: train.Training, Point: &points[len(points)-1], Steps: r.Params.Steps})
	}
	observe(train.Event{Phase: train.Writing})
	write(b.t, r.Params.OutputDir, points, labelCounts)
	return report(r.Params.Steps), nil
}

// kept gives the names of what lies in the store.
func (b *bench) kept() []string {
	entries, err := os.ReadDir(b.params.Store.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestTraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		b.p.setNumber("how_many_training_steps", "500")
		b.p.start()
		if b.p.live == nil || b.p.notice.key != "" {
			t.Fatal("nothing began")
		}
		b.settle()
		if len(b.errors) > 0 || b.p.live != nil || b.p.notice.key != "retrain.notice.done" {
			t.Fatalf("errors %v, %v, notice %+v", b.errors, b.details, b.p.notice)
		}
		r := b.trainer.requests[0]
		if r.Base != "efficientnet_lite0" || r.Params.ImageDir != "/photos of mine" || r.Params.Steps != 500 || r.InputSize != 0 || r.Precision != "float32" {
			t.Errorf("asked for %+v", r)
		}
		if b.p.result == nil || len(b.p.result.Points) != 50 || len(b.p.result.Answers) != 121 || b.p.result.Dataset != "/photos of mine" {
			t.Errorf("result %+v", b.p.result)
		}
		if len(b.p.runs) != 1 || !slices.Equal(b.kept(), []string{b.p.runs[0].ID}) || r.Params.OutputDir != b.p.runs[0].Dir {
			t.Errorf("runs %+v; on disk %v", b.p.runs, b.kept())
		}
		if s := b.jobs.State(); s.Kind != JobTrain || s.Err != nil || s.Phase != string(train.Writing) {
			t.Errorf("the job: %+v", s)
		}
		if !b.p.started {
			t.Error("TensorFlow did not start")
		}
		b.close()
	})
}

// TestManyPoints sends 4,000 points, first as fast as it can, then in four seconds.
func TestManyPoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		for _, pause := range []time.Duration{0, time.Millisecond} {
			b.changes[progressPart] = 0
			most := 0
			b.trainer.train = func(_ context.Context, r Request, _ <-chan struct{}, observe func(train.Event)) (*train.Report, error) {
				var points []train.Point
				for step := 1; step <= 4000; step++ {
					time.Sleep(pause)
					pt := point(step)
					points = append(points, pt)
					observe(train.Event{Phase: train.Training, Point: &pt, Steps: 4000})
					b.queue.mu.Lock()
					most = max(most, len(b.queue.waiting))
					b.queue.mu.Unlock()
				}
				write(t, r.Params.OutputDir, points, labelCounts)
				return report(4000), nil
			}
			b.p.start()
			for range 500 { // The window draws all that waits, again and again.
				time.Sleep(10 * time.Millisecond)
				b.queue.drain()
				if now, running := b.p.progress(); running {
					for i, pt := range now.points {
						if pt.Step != i+1 {
							t.Fatalf("point %d is of step %d", i, pt.Step)
						}
					}
				}
			}
			b.settle()
			if n := b.changes[progressPart]; n < 1 || n > 43 {
				t.Errorf("pause %s: drawn %d times", pause, n)
			}
			if pause > 0 && b.changes[progressPart] < 30 {
				t.Errorf("in four seconds drawn %d times", b.changes[progressPart])
			}
			if most > 2 {
				t.Errorf("pause %s: %d functions waited for the window", pause, most)
			}
			if n := len(b.p.points()); n != 4000 {
				t.Errorf("%d points", n)
			}
		}
		b.close()
	})
}

// TestStop stops in each phase.
func TestStop(t *testing.T) {
	tests := []struct {
		name   string
		phase  train.Phase
		notice string
		kept   int
	}{
		{"starting", "", "retrain.notice.not_begun", 0},
		{"features", train.Features, "retrain.notice.features_kept", 0},
		{"views", train.Views, "retrain.notice.features_kept", 0},
		{"training", train.Training, "retrain.notice.stopped", 1},
		{"writing", train.Writing, "retrain.notice.done", 1}, // Too late: the model is about to be there.
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.ready()
				on := make(chan struct{})
				b.trainer.train = func(ctx context.Context, r Request, stop <-chan struct{}, observe func(train.Event)) (*train.Report, error) {
					pt := point(10)
					switch test.phase {
					case train.Features, train.Views:
						observe(train.Event{Phase: test.phase, Progress: feature.Progress{Done: 10, Total: 100}})
					case train.Training:
						observe(train.Event{Phase: test.phase, Point: &pt, Steps: 4000})
					case train.Writing:
						observe(train.Event{Phase: test.phase})
					}
					steps := 4000
					select {
					case <-ctx.Done():
						return nil, fmt.Errorf("training: %w", ctx.Err())
					case <-stop:
						steps = 10
					case <-on:
					}
					write(t, r.Params.OutputDir, []train.Point{pt}, labelCounts)
					return report(steps), nil
				}
				b.p.start()
				b.settle()
				b.p.stop()
				b.p.stop() // Once more does no harm.
				if now, running := b.p.progress(); !running || now.stopping != (test.phase != train.Writing) {
					t.Errorf("running %v, %+v", running, now)
				}
				if test.phase == train.Writing {
					close(on)
				}
				b.settle()
				if b.p.live != nil || b.p.notice.key != test.notice || len(b.errors) > 0 {
					t.Errorf("notice %q, errors %v %v", b.p.notice.key, b.errors, b.details)
				}
				if len(b.kept()) != test.kept || len(b.p.runs) != test.kept {
					t.Errorf("kept %v", b.kept())
				}
				if test.phase == train.Training && (b.p.result.Report.Steps != 10 || findings(*b.p.result)[0].key != "retrain.finding.stopped") {
					t.Errorf("%+v", b.p.result.Report)
				}
				b.close()
			})
		})
	}
}

// TestCancelledByTheWindow cancels the job from outside of the tab while it trains, and again when it is too late: this
// does what the tab's own button does.
func TestCancelledByTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		write1 := make(chan struct{})
		b.trainer.train = func(ctx context.Context, r Request, stop <-chan struct{}, observe func(train.Event)) (*train.Report, error) {
			pt := point(10)
			observe(train.Event{Phase: train.Training, Point: &pt, Steps: 4000})
			<-stop
			<-write1
			observe(train.Event{Phase: train.Writing})
			<-write1
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			write(t, r.Params.OutputDir, []train.Point{pt}, labelCounts)
			return report(10), nil
		}
		b.p.start()
		b.settle()
		clear(b.changes)
		b.jobs.Cancel()
		b.settle()
		if now, running := b.p.progress(); !running || !now.stopping || b.changes[progressPart] == 0 || !b.jobs.State().Cancelling {
			t.Errorf("the tab does not show that it stops: %+v, drawn %v", now, b.changes)
		}
		write1 <- struct{}{}
		b.settle()
		b.jobs.Cancel()
		write1 <- struct{}{}
		b.settle()
		if b.p.live != nil || b.p.notice.key != "retrain.notice.stopped" || len(b.errors) > 0 || len(b.kept()) != 1 {
			t.Errorf("notice %q, errors %v, kept %v", b.p.notice.key, b.errors, b.kept())
		}
		b.close()
	})
}

// TestTooLateToStop stops a training that writes its model, by the tab and by the window.
func TestTooLateToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		on := make(chan struct{})
		b.trainer.train = func(ctx context.Context, r Request, _ <-chan struct{}, observe func(train.Event)) (*train.Report, error) {
			observe(train.Event{Phase: train.Writing})
			<-on
			write(t, r.Params.OutputDir, nil, labelCounts)
			return report(4000), ctx.Err()
		}
		b.p.start()
		b.settle()
		b.p.stop()
		b.jobs.Cancel()
		if now, _ := b.p.progress(); now.stopping || b.jobs.State().Cancelling {
			t.Errorf("it says that it stops: %+v", now)
		}
		close(on)
		b.settle()
		if b.p.notice.key != "retrain.notice.done" || len(b.kept()) != 1 {
			t.Errorf("notice %q, kept %v", b.p.notice.key, b.kept())
		}
		b.close()
	})
}

// TestOnePulse trains for a while: the tab is drawn at the moments at which the runner tells the window's status line.
func TestOnePulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		var mu sync.Mutex
		told, drawn := map[time.Time]bool{}, map[time.Time]bool{}
		note := func(moments map[time.Time]bool) {
			mu.Lock()
			defer mu.Unlock()
			moments[time.Now()] = true
		}
		defer b.jobs.Subscribe(func(job.State) { note(told) })()
		later := b.p.dispatch
		b.p.dispatch = func(f func()) {
			if b.jobs.State().Running { // What follows the end is no progress.
				note(drawn)
			}
			later(f)
		}
		b.trainer.train = func(_ context.Context, _ Request, _ <-chan struct{}, observe func(train.Event)) (*train.Report, error) {
			for step := range 3000 {
				time.Sleep(time.Millisecond)
				pt := point(step + 1)
				observe(train.Event{Phase: train.Training, Point: &pt, Steps: 4000})
			}
			return nil, errStopped
		}
		b.p.start()
		for range 400 {
			time.Sleep(10 * time.Millisecond)
			b.queue.drain()
		}
		b.settle()
		mu.Lock()
		defer mu.Unlock()
		for moment := range drawn {
			if !told[moment] {
				t.Errorf("drawn %v after the beginning, when the status line was not", moment.Sub(b.jobs.State().Began))
			}
		}
		if len(drawn) < 20 || len(drawn) > 36 {
			t.Errorf("drawn at %d moments in three seconds", len(drawn))
		}
		b.close()
	})
}

var errStopped = errors.New("stopped")

// TestReady reports photos that were known, so that the status line estimates as the tab does.
func TestReady(t *testing.T) {
	l := &live{stop: make(chan struct{})}
	p := l.observe(train.Event{Phase: train.Features, Progress: feature.Progress{Done: 140, Total: 200, Cached: 100}})
	if p != (job.Progress{Phase: "features", Done: 140, Total: 200, Ready: 100}) {
		t.Errorf("reported %+v", p)
	}
}

// TestKept tells of a new model, and of none where there is none.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		var told []string
		b.p.kept = func(dir string) { told = append(told, dir) }
		b.p.start()
		b.settle()
		b.trainer.train = func(context.Context, Request, <-chan struct{}, func(train.Event)) (*train.Report, error) {
			return nil, errStopped
		}
		b.p.start()
		b.settle()
		if len(told) != 1 || len(b.p.runs) != 1 || told[0] != b.p.runs[0].Dir {
			t.Errorf("told of %q", told)
		}
		b.close()
	})
}

// TestEndedByTheWindow closes the window while it trains.
func TestEndedByTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		b.trainer.train = func(ctx context.Context, _ Request, _ <-chan struct{}, observe func(train.Event)) (*train.Report, error) {
			pt := point(10)
			observe(train.Event{Phase: train.Training, Point: &pt, Steps: 4000})
			<-ctx.Done()
			return nil, ctx.Err()
		}
		b.p.start()
		b.settle()
		b.jobs.Close()
		b.settle()
		if b.p.live != nil || b.p.notice.key != "retrain.notice.cancelled" || len(b.errors) > 0 || len(b.kept()) > 0 {
			t.Errorf("notice %q, errors %v, kept %v", b.p.notice.key, b.errors, b.kept())
		}
		b.close()
	})
}

func TestFailures(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{errors.New("the engine died"), "retrain.error.failed"},
		{fmt.Errorf("x: %w", dataset.ErrNoFolder), "retrain.error.no_folder"},
		{fmt.Errorf("x: %w", dataset.ErrNoLabels), "retrain.unfit.no_labels"},
		{fmt.Errorf("x: %w", dataset.ErrOneLabel), "retrain.unfit.one_label"},
		{fmt.Errorf("x: %w", dataset.ErrLabelName), "retrain.error.label_name"},
		{fmt.Errorf("x: %w", dataset.ErrLabelClash), "retrain.error.label_clash"},
		{fmt.Errorf("x: %w", train.ErrTooFew), "retrain.error.too_few"},
		{fmt.Errorf("x: %w", syscall.ENOSPC), "retrain.error.full"},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.ready()
				b.trainer.train = func(context.Context, Request, <-chan struct{}, func(train.Event)) (*train.Report, error) {
					return nil, test.err
				}
				b.p.start()
				b.settle()
				if !slices.Equal(b.errors, []string{test.want}) || !errors.Is(b.details[0], test.err) || b.p.live != nil || b.p.result != nil {
					t.Errorf("errors %v %v", b.errors, b.details)
				}
				if _, ok := b.p.startable(); !ok {
					t.Error("it cannot be started again")
				}
				b.close()
			})
		})
	}
}

// TestPanic has the trainer break down.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		b.trainer.train = func(context.Context, Request, <-chan struct{}, func(train.Event)) (*train.Report, error) { panic("oh") }
		b.p.start()
		b.settle()
		if b.p.live != nil || !slices.Equal(b.errors, []string{"retrain.error.failed"}) || b.jobs.State().Err == nil {
			t.Errorf("errors %v, job %+v", b.errors, b.jobs.State())
		}
		b.close()
	})
}

// TestNotKept trains where the run cannot be added to the list: the result is shown all the same.
func TestNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		b.trainer.train = func(_ context.Context, _ Request, _ <-chan struct{}, observe func(train.Event)) (*train.Report, error) {
			pt := point(10)
			observe(train.Event{Phase: train.Training, Point: &pt, Steps: 10})
			return report(10), nil // Without a model.
		}
		b.p.start()
		b.settle()
		if !slices.Equal(b.errors, []string{"retrain.error.not_kept"}) || b.p.result == nil || len(b.p.result.Points) != 1 || len(b.p.result.Answers) != 121 {
			t.Errorf("errors %v, result %+v", b.errors, b.p.result)
		}
		b.close()
	})
}

func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		end := make(chan struct{})
		if err := b.jobs.Start("collect", func(context.Context, func(job.Progress)) error { <-end; return nil }); err != nil {
			t.Fatal(err)
		}
		b.p.start()
		if b.p.live != nil || !slices.Equal(b.errors, []string{"retrain.error.busy"}) {
			t.Errorf("errors %v", b.errors)
		}
		close(end)
		b.settle()
		b.p.start()
		b.settle()
		if b.p.result == nil {
			t.Error("it cannot be started afterwards")
		}
		b.close()
	})
}

// TestFetch chooses a base model that is not on this machine.
func TestFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		b.p.setBase("mobilenet_1.0_224")
		failure := errors.New("no network")
		var fetched []string
		b.trainer.fetch = func(_ context.Context, name string, progress func(string, int64, int64)) error {
			progress("downloading", 5, 17)
			if fetched = append(fetched, name); len(fetched) == 1 {
				return failure
			}
			b.trainer.bases[1].Installed = true
			return nil
		}
		b.p.start()
		b.settle()
		if !slices.Equal(b.errors, []string{"retrain.error.fetch"}) || !errors.Is(b.details[0], failure) || len(b.trainer.requests) > 0 {
			t.Errorf("errors %v, %d trainings", b.errors, len(b.trainer.requests))
		}
		b.p.setNumber("input_size", "300")
		b.p.start()
		b.settle()
		if len(fetched) != 2 || len(b.trainer.requests) != 1 || b.trainer.requests[0].Base != "mobilenet_1.0_224" || b.trainer.requests[0].InputSize != 0 {
			t.Errorf("fetched %v, asked for %+v", fetched, b.trainer.requests)
		}
		b.p.start()
		b.settle()
		if len(fetched) != 2 || len(b.trainer.requests) != 2 {
			t.Errorf("fetched %v again", fetched)
		}
		b.p.fetchBase()
		b.settle()
		if len(fetched) != 3 || b.p.notice.key != "retrain.notice.fetched" || b.jobs.State().Kind != JobFetch {
			t.Errorf("fetched %v, notice %+v", fetched, b.p.notice)
		}
		b.close()
	})
}

func TestStartable(t *testing.T) {
	tests := []struct {
		name string
		set  func(*bench)
		want string // "" where it can be started.
	}{
		{"ready", func(*bench) {}, ""},
		{"no dataset", func(b *bench) { b.p.setLibrary(nil) }, "retrain.unfit.none"},
		{"empty", func(b *bench) { b.p.setLibrary(newLibrary("x", 0, 0)) }, "retrain.unfit.no_labels"},
		{"one label", func(b *bench) { b.p.setLibrary(newLibrary("x", 9, 0)) }, "retrain.unfit.one_label"},
		{"few photos", func(b *bench) { b.p.setLibrary(newLibrary("x", 9, 1)) }, ""},
		{"wrong steps", func(b *bench) { b.p.setNumber("how_many_training_steps", "many") }, "retrain.unfit.settings"},
		{"corrected", func(b *bench) { b.p.setNumber("seed", "?"); b.p.setNumber("seed", "7") }, ""},
		{"wrong, and not of this base", func(b *bench) {
			b.trainer.bases[2].Problem = ""
			b.p.shown()
			b.settle()
			b.p.setNumber("input_size", "8")
			b.p.setBase("mine")
		}, ""},
		{"wrong, and of this base", func(b *bench) { b.p.setNumber("input_size", "8") }, "retrain.unfit.settings"},
		{"reset", func(b *bench) { b.p.setNumber("seed", "?"); b.p.reset() }, ""},
		{"nothing left to train with", func(b *bench) {
			b.p.setNumber("testing_percentage", "60")
			b.p.setNumber("validation_percentage", "40")
		}, "retrain.unfit.settings"},
		{"damaged base", func(b *bench) { b.p.setBase("mine") }, "retrain.base.damaged"},
		{"no bases", func(b *bench) { b.trainer.bases = nil; b.p.shown() }, "retrain.bases.none"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.ready()
				test.set(b)
				b.settle()
				reason, ok := b.p.startable()
				if ok != (test.want == "") || reason.key != test.want {
					t.Errorf("can be started: %v, %q, want %q", ok, reason.key, test.want)
				}
				b.p.start()
				b.settle()
				if len(b.trainer.requests) > 0 != ok {
					t.Errorf("asked for %+v", b.trainer.requests)
				}
				b.close()
			})
		})
	}
}

// TestLibraryChanges has a dataset change many times at once, and another one opened.
func TestLibraryChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		first := newLibrary("x", 10, 0)
		b.p.setLibrary(first)
		first.labels[1].Photos = 3
		b.changes[datasetPart] = 0
		for range 1000 {
			for _, tell := range first.subscribers {
				tell(curate.Change{})
			}
		}
		time.Sleep(time.Second)
		b.settle()
		// Once at once, and once for all that came since.
		if n := b.changes[datasetPart]; n < 1 || n > 2 || b.p.fitness != fewPhotos || len(b.p.few) != 1 || b.p.few[0].Name != "tulip" {
			t.Errorf("counted %d times: %v, %+v", b.changes[datasetPart], b.p.fitness, b.p.few)
		}
		b.p.setLibrary(nil)
		if len(first.subscribers) > 0 || b.p.fitness != noDataset {
			t.Errorf("%d subscribers, %v", len(first.subscribers), b.p.fitness)
		}
		b.close()
	})
}

// TestTimeLeft lets features be computed at a known pace, of which the first half were known.
func TestTimeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &live{stop: make(chan struct{})}
		at := func(done, cached int) progress {
			l.observe(train.Event{Phase: train.Features, Progress: feature.Progress{Done: done, Total: 200, Cached: cached}})
			return l.snapshot()
		}
		if p := at(100, 100); p.leftKnown {
			t.Errorf("%+v", p)
		}
		time.Sleep(500 * time.Millisecond)
		if p := at(110, 100); p.leftKnown {
			t.Errorf("after half a second: %+v", p)
		}
		time.Sleep(1500 * time.Millisecond)
		if p := at(140, 100); !p.leftKnown || p.left != 3*time.Second {
			t.Errorf("%+v", p)
		}
		if p := at(200, 100); p.leftKnown {
			t.Errorf("at the end: %+v", p)
		}
		pt := point(1)
		l.observe(train.Event{Phase: train.Training, Point: &pt, Steps: 100})
		if p := l.snapshot(); p.leftKnown || p.Done != 1 || p.Total != 100 || p.Phase != string(train.Training) {
			t.Errorf("%+v", p)
		}
	})
}

// TestBusyWithAnExport exports curves: closing the window meanwhile is worth a question.
func TestBusyWithAnExport(t *testing.T) {
	b := newBench(t)
	tx, err := i18n.Load("en")
	if err != nil {
		t.Fatal(err)
	}
	tab := &Tab{p: b.p, params: Params{Texts: func() *i18n.Texts { return tx }}}
	on := make(chan struct{})
	b.p.save(t.TempDir(), []file{{"curves", ".csv", func() ([]byte, error) { <-on; return nil, nil }}})
	if what, busy := tab.Busy(); !busy || !strings.Contains(what, "still being exported") {
		t.Errorf("busy: %v, %q", busy, what)
	}
	close(on)
	b.p.work.Wait()
	b.queue.drain()
	if what, busy := tab.Busy(); busy || b.p.notice.key != "retrain.notice.saved" {
		t.Errorf("busy: %v, %q; notice %q", busy, what, b.p.notice.key)
	}
	b.p.export(experiment.Run{ID: "none", Dataset: "/x"}, t.TempDir())
	if _, busy := tab.Busy(); !busy || b.p.notice.key != "retrain.notice.exporting" {
		t.Errorf("a model is copied; busy: %v, notice %q", busy, b.p.notice.key)
	}
	b.p.work.Wait()
	b.queue.drain()
	if _, busy := tab.Busy(); busy || b.p.notice.key != "" || len(b.errors) != 1 {
		t.Errorf("after a failure, busy: %v, notice %q, errors %v", busy, b.p.notice.key, b.errors)
	}
	b.jobs.Close()
	b.p.close()
}

// TestClose closes the tab while it trains, and with work waiting for the window.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		l := newLibrary("x", 10, 10)
		b.p.setLibrary(l)
		b.p.shown()
		b.settle()
		b.trainer.train = func(ctx context.Context, _ Request, _ <-chan struct{}, observe func(train.Event)) (*train.Report, error) {
			for step := 1; ctx.Err() == nil; step++ {
				pt := point(step)
				observe(train.Event{Phase: train.Training, Point: &pt, Steps: 4000})
				time.Sleep(time.Millisecond)
			}
			return nil, ctx.Err()
		}
		b.p.start()
		time.Sleep(time.Second)
		b.p.shown()
		b.jobs.Close()
		b.p.close()
		b.p.close()
		clear(b.changes)
		time.Sleep(time.Second)
		b.settle()
		b.p.shown()
		b.settle()
		if len(b.changes) > 0 || len(l.subscribers) > 0 {
			t.Errorf("after the end: %v, %d subscribers", b.changes, len(l.subscribers))
		}
	})
}

// keep trains n runs with different steps.
func (b *bench) keep(steps ...int) {
	b.t.Helper()
	for _, n := range steps {
		time.Sleep(time.Minute)
		b.p.setNumber("how_many_training_steps", strconv.Itoa(n))
		b.p.start()
		b.settle()
	}
	if len(b.errors) > 0 {
		b.t.Fatal(b.errors, b.details)
	}
}

func TestRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		b.keep(100, 200, 300)
		steps := func(runs []experiment.Run) (n []int) {
			for _, r := range runs {
				n = append(n, r.Report.Steps)
			}
			return n
		}
		if got := steps(b.p.runs); !slices.Equal(got, []int{300, 200, 100}) {
			t.Fatalf("runs of %v steps", got)
		}
		newest, middle, oldest := b.p.runs[0], b.p.runs[1], b.p.runs[2]

		b.p.choose(newest.ID, true)
		b.p.choose(oldest.ID, true)
		b.p.choose(oldest.ID, true)
		b.settle()
		if got := b.p.compared(); !slices.Equal(steps(got), []int{100, 300}) || len(got[0].Points) != 10 || len(got[1].Points) != 30 {
			t.Errorf("compared: %v", steps(got))
		}
		b.p.rename(oldest.ID, "first try")
		b.settle()
		if b.p.runs[2].Name != "first try" || b.p.compared()[0].Name != "first try" {
			t.Errorf("renamed: %q", b.p.runs[2].Name)
		}
		b.p.showRun(middle.ID)
		b.settle()
		if b.p.result.ID != middle.ID || len(b.p.points()) != 20 || len(b.p.thumbs) > 0 || b.p.thumbs == nil {
			t.Errorf("shown: %s", b.p.result.ID)
		}
		b.p.remove([]string{middle.ID, oldest.ID})
		b.settle()
		if !slices.Equal(b.kept(), []string{newest.ID}) || b.p.result != nil || !reflect.DeepEqual(b.p.chosen, map[string]bool{newest.ID: true}) || len(b.p.opened) != 1 {
			t.Errorf("left %v, chosen %v", b.kept(), b.p.chosen)
		}
		// Another program deletes the last one.
		if err := os.RemoveAll(newest.Dir); err != nil {
			t.Fatal(err)
		}
		b.p.showRun(newest.ID)
		b.settle()
		if !slices.Equal(b.errors, []string{"retrain.error.open"}) || len(b.p.runs) > 0 || len(b.p.chosen) > 0 {
			t.Errorf("errors %v, runs %v", b.errors, b.p.runs)
		}
		b.close()
	})
}

func TestManyRunsCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		b.keep(10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
		for _, r := range b.p.runs {
			b.p.choose(r.ID, true)
		}
		b.settle()
		got := b.p.compared()
		if len(got) != mostCompared || got[0].Report.Steps != 30 || got[7].Report.Steps != 100 {
			t.Errorf("compared %d runs, from %d to %d steps", len(got), got[0].Report.Steps, got[len(got)-1].Report.Steps)
		}
		b.close()
	})
}

func TestPlaceFor(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []string{"", "花-model", "花-model-2", "花-model-3"} {
		got, err := placeFor(dir, "花-model")
		if err != nil || got != filepath.Join(dir, want) {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
		if want == "" {
			want = "something"
		}
		if err := os.Mkdir(filepath.Join(dir, want), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := placeFor(filepath.Join(dir, "gone"), "x"); err == nil {
		t.Error("a place in a folder that is not there")
	}
}

func TestSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		b.keep(20)
		dir := t.TempDir()
		runs := []experiment.Run{*b.p.result}
		files := []file{
			{"a", ".csv", func() ([]byte, error) { return curvesCSV(runs) }},
			{"b", ".csv", func() ([]byte, error) { return runsCSV(runs) }},
		}
		for range 2 {
			b.p.save(dir, files)
			b.settle()
		}
		for _, name := range []string{"a.csv", "b.csv", "a-2.csv", "b-2.csv"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Error(err)
			}
		}
		if len(b.errors) > 0 || b.p.notice.key != "retrain.notice.saved" {
			t.Errorf("errors %v, notice %+v", b.errors, b.p.notice)
		}
		failure := errors.New("no font")
		b.p.save(dir, append(files, file{"c", ".png", func() ([]byte, error) { return nil, failure }}))
		b.settle()
		if !slices.Equal(b.errors, []string{"retrain.error.save"}) || !errors.Is(b.details[0], failure) {
			t.Errorf("errors %v", b.errors)
		}
		b.close()
	})
}

func TestCSV(t *testing.T) {
	r := experiment.Run{ID: "1", Name: `=cmd|" /C calc"`, Dataset: "/花, my", Params: train.DefaultParams(), Report: report(20)}
	r.Points = []train.Point{point(10), {Step: 20, TrainAccuracy: 1, TrainCrossEntropy: 0.25}}
	bare := experiment.Run{ID: "2", Report: &train.Report{Steps: 5}}
	curves, err := curvesCSV([]experiment.Run{r, bare})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(curves)), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[1], `1,"'=cmd|"" /C calc""",10,0.0909`) || !strings.HasSuffix(lines[2], ",20,1,0.25,,") {
		t.Errorf("curves:\n%s", curves)
	}
	table, err := runsCSV([]experiment.Run{r, bare})
	if err != nil {
		t.Fatal(err)
	}
	lines = strings.Split(strings.TrimSpace(string(table)), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "how_many_training_steps") || !strings.Contains(lines[1], `"/花, my"`) || !strings.Contains(lines[1], ",121,0") {
		t.Errorf("runs:\n%s", table)
	}
	if strings.Count(lines[0], ",") != strings.Count(lines[2], ",") {
		t.Errorf("%d columns, and a line of %d", strings.Count(lines[0], ","), strings.Count(lines[2], ","))
	}
}

// TestPresenterHasNoWindow holds that what is not the view needs no Fyne.
func TestPresenterHasNoWindow(t *testing.T) {
	for _, name := range []string{"presenter.go", "runs.go", "live.go", "settings.go", "findings.go", "thumbs.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			if path := strings.Trim(i.Path.Value, `"`); strings.HasPrefix(path, "fyne.io/") || strings.HasPrefix(path, "kaika/ui/") {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// TestHidden has a dataset change and a training go on while the tab is not seen.
func TestHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ready()
		b.p.hidden()
		clear(b.changes)
		photos := newLibrary("x", 10, 0)
		b.p.setLibrary(photos)
		for range 100 {
			for _, tell := range photos.subscribers {
				tell(curate.Change{})
			}
			time.Sleep(interval)
			b.settle()
		}
		photos.labels[1].Photos = 3
		for _, tell := range photos.subscribers {
			tell(curate.Change{})
		}
		time.Sleep(interval)
		b.settle()
		if len(b.changes) > 0 {
			t.Errorf("out of sight it was drawn: %v", b.changes)
		}
		b.p.shown()
		if b.changes[datasetPart] != 1 || b.p.fitness != fewPhotos {
			t.Errorf("in sight again, it was drawn %v; the dataset is %v", b.changes, b.p.fitness)
		}
		b.settle()

		b.p.hidden()
		clear(b.changes)
		b.p.start()
		time.Sleep(time.Minute)
		b.settle()
		if len(b.changes) > 0 || b.p.result == nil {
			t.Errorf("a training out of sight was drawn: %v; it has a result: %v", b.changes, b.p.result != nil)
		}
		b.p.shown()
		if b.changes[resultPart] != 1 || b.changes[runningPart] != 1 || b.changes[noticePart] != 1 {
			t.Errorf("of a training out of sight, this is drawn: %v", b.changes)
		}
		b.settle()
		b.close()
	})
}
