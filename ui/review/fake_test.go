package review

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"slices"
	"sync"
	"testing"
	"time"

	"kaika/core/curate"
	"kaika/core/thumb"
)

// fakeLibrary is a dataset in memory. What changes it waits at a gate, if there is one.
type fakeLibrary struct {
	mu      sync.Mutex
	labels  []string
	states  [][]curate.Photo // The present one is at; those after it can be done again.
	steps   []curate.Action  // The step to states[i+1].
	at      int
	changed []func(curate.Change)
	calls   []string

	gate chan error // A task ends with what comes through; nil lets all pass.
}

// newFake has photos 1 to count dealt to the labels in turn.
func newFake(count int, labels ...string) *fakeLibrary {
	f := &fakeLibrary{labels: labels, states: [][]curate.Photo{{}}}
	for i := range count {
		name := fmt.Sprintf("%05d.jpg", i+1)
		label := labels[i%len(labels)]
		f.states[0] = append(f.states[0], curate.Photo{
			ID: curate.ID(i + 1), Name: name, Label: label, Path: "/" + label + "/" + name, Size: int64(1000 - i),
		})
	}
	return f
}

func (f *fakeLibrary) Labels() []curate.LabelCount {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]curate.LabelCount, len(f.labels))
	for i, name := range f.labels {
		list[i].Name = name
		for _, p := range f.states[f.at] {
			if p.Label == name && p.Deleted.IsZero() {
				list[i].Photos++
			}
		}
	}
	return list
}

func (f *fakeLibrary) Photos(q curate.Query) []curate.Photo {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []curate.Photo
	for _, p := range f.states[f.at] {
		if p.Deleted.IsZero() != q.Trash && (q.Labels == nil || slices.Contains(q.Labels, p.Label)) && (q.IDs == nil || slices.Contains(q.IDs, p.ID)) {
			list = append(list, p)
		}
	}
	if q.Sort == curate.BySize {
		slices.SortStableFunc(list, func(a, b curate.Photo) int { return cmp.Compare(a.Size, b.Size) })
	}
	return list
}

// change changes photos as one step.
func (f *fakeLibrary) change(ctx context.Context, call string, a curate.Action, ids []curate.ID, do func(*curate.Photo)) error {
	if f.gate != nil {
		if err := <-f.gate; err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	f.calls = append(f.calls, call)
	next := slices.Clone(f.states[f.at])
	for i := range next {
		if slices.Contains(ids, next[i].ID) {
			do(&next[i])
			next[i].Path = "/" + next[i].Label + "/" + next[i].Name
		}
	}
	a.Count = len(ids)
	f.states, f.steps = append(f.states[:f.at+1], next), append(f.steps[:f.at], a)
	f.at++
	tell := slices.Clone(f.changed)
	f.mu.Unlock()
	for _, f := range tell {
		f(curate.Change{})
	}
	return nil
}

func (f *fakeLibrary) Move(ctx context.Context, ids []curate.ID, label string) error {
	f.mu.Lock()
	if !slices.Contains(f.labels, label) {
		f.labels = append(f.labels, label)
	}
	f.mu.Unlock()
	return f.change(ctx, fmt.Sprint("move ", ids, " ", label), curate.Action{Kind: curate.Moved, Label: label}, ids, func(p *curate.Photo) {
		p.Label, p.Deleted = label, time.Time{}
	})
}

func (f *fakeLibrary) Delete(ctx context.Context, ids []curate.ID) error {
	return f.change(ctx, fmt.Sprint("delete ", ids), curate.Action{Kind: curate.Deleted}, ids, func(p *curate.Photo) { p.Deleted = time.Unix(1, 0) })
}

func (f *fakeLibrary) Restore(ctx context.Context, ids []curate.ID) error {
	return f.change(ctx, fmt.Sprint("restore ", ids), curate.Action{Kind: curate.Restored}, ids, func(p *curate.Photo) { p.Deleted = time.Time{} })
}

func (f *fakeLibrary) EmptyTrash(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "empty")
	f.states[f.at] = slices.DeleteFunc(slices.Clone(f.states[f.at]), func(p curate.Photo) bool { return !p.Deleted.IsZero() })
	return nil
}

func (f *fakeLibrary) AddLabel(_ context.Context, name string) error {
	f.mu.Lock()
	f.labels = append(f.labels, name)
	f.mu.Unlock()
	return nil
}

func (f *fakeLibrary) RenameLabel(ctx context.Context, from, to string) error {
	f.mu.Lock()
	f.labels[slices.Index(f.labels, from)] = to
	var ids []curate.ID
	for _, p := range f.states[f.at] {
		if p.Label == from {
			ids = append(ids, p.ID)
		}
	}
	f.mu.Unlock()
	return f.change(ctx, "rename "+from+" "+to, curate.Action{Kind: curate.LabelRenamed, Label: to}, ids, func(p *curate.Photo) { p.Label = to })
}

func (f *fakeLibrary) RemoveLabel(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.labels = slices.DeleteFunc(f.labels, func(l string) bool { return l == name })
	return nil
}

func (f *fakeLibrary) Undo(context.Context) (curate.Action, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == 0 {
		return curate.Action{}, curate.ErrNothing
	}
	f.at--
	f.calls = append(f.calls, "undo")
	return f.steps[f.at], nil
}

func (f *fakeLibrary) Redo(context.Context) (curate.Action, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == len(f.steps) {
		return curate.Action{}, curate.ErrNothing
	}
	f.at++
	f.calls = append(f.calls, "redo")
	return f.steps[f.at-1], nil
}

func (f *fakeLibrary) CanUndo() (curate.Action, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == 0 {
		return curate.Action{}, false
	}
	return f.steps[f.at-1], true
}

func (f *fakeLibrary) CanRedo() (curate.Action, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == len(f.steps) {
		return curate.Action{}, false
	}
	return f.steps[f.at], true
}

func (f *fakeLibrary) Subscribe(g func(curate.Change)) (unsubscribe func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed = append(f.changed, g)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.changed = nil
	}
}

// external is what another program does to the photos.
func (f *fakeLibrary) external(do func([]curate.Photo) []curate.Photo) {
	f.mu.Lock()
	f.states[f.at] = do(slices.Clone(f.states[f.at]))
	tell := slices.Clone(f.changed)
	f.mu.Unlock()
	for _, g := range tell {
		g(curate.Change{External: true})
	}
}

func (f *fakeLibrary) said() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// fakeThumbs gives each photo a picture as wide as its name is long.
type fakeThumbs struct {
	hold map[string]chan struct{} // Large photos wait for that of their path, if there is one, and hear of no cancel.
}

func (*fakeThumbs) Peek(thumb.Key) (image.Image, bool) { return nil, false }

func (*fakeThumbs) Load(thumb.Key, func(image.Image, error)) (cancel func()) { return func() {} }

func (f *fakeThumbs) Full(_ context.Context, path string, _ int) (image.Image, error) {
	if hold := f.hold[path]; hold != nil {
		<-hold
	}
	return image.NewRGBA(image.Rect(0, 0, 300, 200)), nil
}

type fakePreferences map[string]string

func (f fakePreferences) String(key string) string    { return f[key] }
func (f fakePreferences) SetString(key, value string) { f[key] = value }

// desk is a presenter whose window's goroutine is that of the test.
type desk struct {
	*presenter
	t       *testing.T
	library *fakeLibrary
	thumbs  *fakeThumbs
	queue   chan func()
	drawn   []string
	failed  []outcome
}

func (d *desk) drawAll()       { d.drawn = append(d.drawn, "all") }
func (d *desk) drawSelection() { d.drawn = append(d.drawn, "selection") }
func (d *desk) drawPicked()    { d.drawn = append(d.drawn, "picked") }
func (d *desk) drawNote()      { d.drawn = append(d.drawn, "note") }
func (d *desk) drawLarge()     { d.drawn = append(d.drawn, "large") }
func (d *desk) fail(o outcome) { d.failed = append(d.failed, o) }
func (d *desk) reveal(i int)   { d.drawn = append(d.drawn, fmt.Sprint("reveal ", i)) }

func newDesk(t *testing.T, count int, labels ...string) *desk {
	t.Helper()
	d := &desk{t: t, library: newFake(count, labels...), thumbs: &fakeThumbs{}, queue: make(chan func(), 1000)}
	d.presenter = newPresenter(d.thumbs, fakePreferences{}, func(f func()) { d.queue <- f })
	d.screen = d
	t.Cleanup(d.close)
	d.shown()
	d.setLibrary(d.library)
	d.until("the dataset to be read", func() bool { return d.loaded })
	return d
}

// until runs what comes to the window's goroutine until something is so.
func (d *desk) until(what string, so func() bool) {
	d.t.Helper()
	patience := time.After(20 * time.Second)
	for !so() {
		select {
		case f := <-d.queue:
			f()
		case <-patience:
			d.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// idle waits until all that was asked for is done and shown.
func (d *desk) idle() {
	d.t.Helper()
	done := make(chan struct{})
	d.tasks.add(func() { close(done) })
	<-done
	for len(d.queue) > 0 {
		(<-d.queue)()
	}
}

// ids lists the photos that are shown.
func (d *desk) ids() []curate.ID {
	var list []curate.ID
	for _, p := range d.photos {
		list = append(list, p.ID)
	}
	return list
}

// at selects photos by their numbers; the focus is on the last.
func (d *desk) at(ids ...curate.ID) {
	d.t.Helper()
	var places []int
	for _, id := range ids {
		i, ok := d.place[id]
		if !ok {
			d.t.Fatalf("photo %d is not shown", id)
		}
		places = append(places, i)
	}
	d.pick(places, places[len(places)-1])
}
