package classify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kaika/core/classify"
	"kaika/core/dataset"
	"kaika/core/job"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/trained"
	"kaika/ui/clipboard"
)

func TestOnePhoto(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	p.room(600)
	data := picturetest.JPEG(3, 1, 64, 48)
	w.engine.set(data, 0.0001, 0.0002, 0.00005, 0.99955, 0.0001)
	path := write(t, data, t.TempDir(), "a b 薔薇.jpg")

	p.drop([]string{path})
	w.idle()
	w.until("the photo is decoded", func() bool { return p.shot.img != nil })

	r := p.byPath[path]
	if r == nil || !p.large || p.current != path {
		t.Fatalf("dropped one photo: row %v, large %v, current %q", r, p.large, p.current)
	}
	var got []string
	for i := range r.ranks {
		got = append(got, fmt.Sprintf("%s %.5f", p.label(r, i), r.ranks[i].score))
	}
	want := []string{"sunflower 0.99955", "dandelion 0.00020", "daisy 0.00010", "tulip 0.00010", "rose 0.00005"}
	if !slices.Equal(got, want) || r.unknown || r.failure != "" {
		t.Errorf("answered %q, unknown %v, failure %q; want %q", got, r.unknown, r.failure, want)
	}
	if b := p.shot.img.Bounds(); b.Dx() != 64 || b.Dy() != 48 || p.shot.side != 768 {
		t.Errorf("the large photo is %v for %d pixels", b, p.shot.side)
	}
	if r.key.Size != int64(len(data)) || r.key.ModTime.IsZero() {
		t.Errorf("the key of the thumbnail is %+v", r.key)
	}

	// A second one is shown alone, too, and the first is not lost.
	second := write(t, picturetest.PNG(1, 2, 40, 40), t.TempDir(), "second.png")
	p.drop([]string{second})
	w.idle()
	if !p.large || p.current != second || !slices.Equal(names(p.rows), []string{"a b 薔薇.jpg", "second.png"}) {
		t.Errorf("dropped a second photo: large %v, current %q, rows %q", p.large, p.current, names(p.rows))
	}
	p.move(-1, false)
	if p.current != path {
		t.Errorf("went back to %q", p.current)
	}
	p.enlarge(false)
	if p.large || !p.selected[path] || len(p.selected) != 1 {
		t.Errorf("back in the table: large %v, selected %v", p.large, p.selected)
	}
}

func TestMany(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	dir := t.TempDir()
	for i, s := range [][]float32{{0.9, 0.05, 0.02, 0.02, 0.01}, {0.02, 0.05, 0.9, 0.02, 0.01}, {0.2, 0.21, 0.2, 0.19, 0.2}, {0.7, 0.05, 0.2, 0.03, 0.02}} {
		data := picturetest.JPEG(i, i, 32, 32)
		w.engine.set(data, s...)
		write(t, data, dir, "sub", fmt.Sprintf("%c.jpg", 'd'-rune(i)))
	}
	write(t, []byte("shopping list"), dir, "notes.jpg")
	write(t, nil, dir, "empty.png")
	write(t, []byte("not looked at"), dir, "readme.txt")
	missing := filepath.Join(dir, "gone.jpg")

	p.drop([]string{dir, missing})
	w.idle()

	if p.large {
		t.Error("a folder is shown as one photo")
	}
	if got, want := names(p.shown), []string{"empty.png", "notes.jpg", "a.jpg", "b.jpg", "c.jpg", "d.jpg", "gone.jpg"}; !slices.Equal(got, want) {
		t.Errorf("the rows are %q, want %q", got, want)
	}
	if p.current == "" || len(p.selected) != 1 {
		t.Errorf("nothing is selected: %q, %v", p.current, p.selected)
	}
	reasons := map[string]picture.Reason{}
	for _, r := range p.rows {
		if r.failure != "" {
			reasons[r.name] = r.reason
		}
	}
	if len(reasons) != 3 || reasons["notes.jpg"] != picture.NotAPicture || reasons["empty.png"] != picture.Empty || reasons["gone.jpg"] != picture.Unreadable {
		t.Errorf("the reasons are %v", reasons)
	}
	unknown, failed, labels := p.counts()
	if unknown != 1 || failed != 3 || len(labels) != 2 || labels["daisy"] != 2 || labels["rose"] != 1 {
		t.Errorf("counted %d unknown, %d failed, labels %v", unknown, failed, labels)
	}

	for _, c := range []struct {
		by    column
		times int
		want  string
	}{
		{byName, 1, "a.jpg b.jpg c.jpg d.jpg empty.png gone.jpg notes.jpg"},
		{byName, 2, "notes.jpg gone.jpg empty.png d.jpg c.jpg b.jpg a.jpg"},
		{byLabel, 1, "a.jpg d.jpg b.jpg c.jpg empty.png notes.jpg gone.jpg"},
		{byLabel, 2, "c.jpg b.jpg a.jpg d.jpg gone.jpg notes.jpg empty.png"},
		{byScore, 1, "b.jpg a.jpg c.jpg d.jpg empty.png notes.jpg gone.jpg"},
		{byScore, 2, "c.jpg d.jpg a.jpg b.jpg"},
		{bySecond, 1, "b.jpg c.jpg d.jpg a.jpg"},
	} {
		p.sort, p.down = byArrival, false
		for range c.times {
			p.sortBy(c.by)
		}
		got := strings.Join(names(p.shown), " ")
		if !strings.HasPrefix(got, strings.Fields(c.want)[0]) {
			t.Errorf("sorted by %d, %d times: %s, want %s", c.by, c.times, got, c.want)
		}
		first := names(p.shown)[:4]
		if c.by != byName {
			slices.Sort(first)
			if !slices.Equal(first, []string{"a.jpg", "b.jpg", "c.jpg", "d.jpg"}) {
				t.Errorf("sorted by %d, %d times, what has no answer is not at the end: %s", c.by, c.times, got)
			}
		} else if got != c.want {
			t.Errorf("sorted by name, %d times: %s, want %s", c.times, got, c.want)
		}
	}

	p.sort, p.down = byName, false
	for _, c := range []struct {
		f    filter
		want []string
	}{
		{filter{kind: unknownRows}, []string{"b.jpg"}},
		{filter{kind: failedRows}, []string{"empty.png", "gone.jpg", "notes.jpg"}},
		{filter{kind: oneLabel, label: "daisy"}, []string{"a.jpg", "d.jpg"}},
		{filter{kind: oneLabel, label: "tulip"}, nil},
	} {
		p.show(filter{})
		p.selectAll()
		p.show(c.f)
		if got := names(p.shown); !slices.Equal(got, c.want) {
			t.Errorf("filter %v shows %q, want %q", c.f, got, c.want)
		}
		seen := true
		for path := range p.selected {
			seen = seen && p.index(path) >= 0
		}
		if !seen || (len(p.selected) == 0) != (len(c.want) == 0) || (p.index(p.current) < 0) != (len(c.want) == 0) {
			t.Errorf("filter %v: selected %v, current %q: what is not seen must not be acted on", c.f, p.selected, p.current)
		}
	}
}

func TestSelecting(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	dir, files := folder(t, 10)
	p.drop([]string{dir})
	w.idle()
	selected := func() string {
		var s strings.Builder
		for i, f := range files {
			if p.selected[f] {
				fmt.Fprint(&s, i)
			}
		}
		fmt.Fprintf(&s, " at %d", p.index(p.current))
		return s.String()
	}
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"click", func() { p.pick(3) }, "3 at 3"},
		{"Shift and click", func() { p.extend(5) }, "345 at 5"},
		{"Shift and click, the other way", func() { p.extend(1) }, "123 at 1"},
		{"Ctrl and click", func() { p.toggle(7) }, "1237 at 7"},
		{"Ctrl and click again", func() { p.toggle(2) }, "137 at 2"},
		{"Down", func() { p.move(1, false) }, "3 at 3"},
		{"Shift and Down", func() { p.move(1, true) }, "34 at 4"},
		{"Shift and End", func() { p.move(10, true) }, "3456789 at 9"},
		{"Home", func() { p.move(-10, false) }, "0 at 0"},
		{"Up at the top", func() { p.move(-1, false) }, "0 at 0"},
		{"all", p.selectAll, "0123456789 at 0"},
		{"nowhere", func() { p.pick(10); p.toggle(-1); p.extend(99) }, "0123456789 at 0"},
	} {
		step.do()
		if got := selected(); got != step.want {
			t.Fatalf("%s: %s, want %s", step.name, got, step.want)
		}
	}
}

func TestBeforeThereIsAModel(t *testing.T) {
	w := newWorld(t)
	p := w.present()
	_, files := folder(t, 1)
	p.drop(files)
	w.until("the photo is listed", func() bool { return p.run == nil && len(p.waiting) == 1 })
	if p.current != files[0] || !p.large {
		t.Errorf("without a model, the current photo is %q, large %v", p.current, p.large)
	}
	p.use(ModelChoice{Dir: writeModel(t, w.engine, "flowers", flowers, nil)})
	w.until("the photo is answered", func() bool { return p.byPath[files[0]] != nil })
	if len(p.waiting) != 0 || w.err != nil {
		t.Errorf("waiting %q, error %v", p.waiting, w.err)
	}
}

// stepwise has the engine wait for a word before each batch of photos once it is armed.
func stepwise(w *world) (armed chan struct{}, begun, goOn chan struct{}) {
	armed, begun, goOn = make(chan struct{}), make(chan struct{}, 100), make(chan struct{})
	w.engine.before = func(ctx context.Context, _ int) error {
		select {
		case <-armed:
		default:
			return nil
		}
		begun <- struct{}{}
		select {
		case <-goOn:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return armed, begun, goOn
}

func TestCancelAndContinue(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	proceed := make(chan struct{})
	w.engine.before = func(ctx context.Context, pictures int) error {
		if pictures == 4 { // The last batch of 100.
			select {
			case <-proceed:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	dir, _ := folder(t, 100)
	p.drop([]string{dir})
	w.until("rows have come", func() bool { return len(p.rows) > 0 })
	p.cancel()
	w.until("it has stopped", func() bool { return p.run == nil })
	if n := len(p.rows); n == 0 || n == 100 || n+len(p.waiting) != 100 || w.err != nil {
		t.Fatalf("cancelled: %d rows, %d waiting, error %v", n, len(p.waiting), w.err)
	}
	before := names(p.rows)
	close(proceed)
	p.start()
	w.idle()
	if got := names(p.rows); len(got) != 100 || !slices.Equal(got[:len(before)], before) || !slices.IsSorted(got) {
		t.Errorf("continued: %q", got)
	}
}

func TestTheNewestComesFirst(t *testing.T) {
	w := newWorld(t)
	armed, begun, proceed := stepwise(w)
	p := w.withModel()
	close(armed)
	dir, _ := folder(t, 200)
	_, one := folder(t, 1)
	p.drop([]string{dir})
	<-begun
	p.drop(one)
	w.until("the other job has begun", func() bool { return len(p.waiting) == 201 })
	close(proceed)
	w.until("it is answered", func() bool { return p.byPath[one[0]] != nil })
	if p.current != one[0] || !p.large {
		t.Errorf("the current photo is %q, large %v", p.current, p.large)
	}
	w.idle()
	if len(p.rows) != 201 || p.rows[0].path != one[0] || !slices.IsSorted(names(p.rows)[1:]) {
		t.Errorf("%d rows, the first is %q", len(p.rows), p.rows[0].path)
	}
}

func TestDroppedAgain(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	p.room(300)
	dir, files := folder(t, 3)
	p.drop([]string{dir, files[1], dir})
	w.idle()
	if len(p.rows) != 3 {
		t.Fatalf("the rows are %q", names(p.rows))
	}
	write(t, []byte("no photo any more"), files[1])
	p.drop([]string{files[1]})
	w.idle()
	if len(p.rows) != 3 || p.byPath[files[1]].reason != picture.NotAPicture {
		t.Errorf("dropped again: %q, %+v", names(p.rows), p.byPath[files[1]])
	}
	w.until("the file is decoded anew", func() bool { return p.shot.path == files[1] && p.shot.err != nil })

	// Among others it stays the current one, and is looked at anew.
	p.drop([]string{files[0]})
	w.idle()
	w.until("the photo is decoded", func() bool { return p.shot.path == files[0] && p.shot.img != nil })
	p.drop([]string{dir})
	w.idle()
	w.until("the photo is decoded anew", func() bool { return p.current == files[0] && p.shot.path == files[0] && p.shot.img != nil })
}

func TestClearWhileItRuns(t *testing.T) {
	w := newWorld(t)
	armed, begun, proceed := stepwise(w)
	p := w.withModel()
	close(armed)
	dir, _ := folder(t, 50)
	_, one := folder(t, 1)
	p.drop([]string{dir})
	<-begun
	p.clear()
	p.drop(one)
	close(proceed)
	w.until("the new photo is answered", func() bool { return p.byPath[one[0]] != nil })
	w.idle()
	if len(p.rows) != 1 || len(p.waiting) != 0 {
		t.Errorf("cleared and dropped one: rows %q, %d waiting", names(p.rows), len(p.waiting))
	}
	p.clear()
	if len(p.rows) != 0 || p.current != "" || len(p.selected) != 0 || len(p.shown) != 0 || p.shot.img != nil {
		t.Errorf("cleared: %+v", p)
	}
}

func TestNoPhotos(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	empty := t.TempDir()
	p.drop([]string{empty})
	w.until("it is listed", func() bool { return p.run == nil && p.notice != nil })
	if p.notice.kind != noticeNoPhotos || p.notice.name != filepath.Base(empty) || len(p.inbox) != 0 {
		t.Errorf("an empty folder: %+v, inbox %q", p.notice, p.inbox)
	}
	p.drop(nil)
	p.drop([]string{""})
	if p.run != nil {
		t.Error("nothing was dropped and a job began")
	}
	p.paste("no path at all")
	if p.notice == nil || p.notice.kind != noticeNothingToPaste {
		t.Errorf("pasted words: %+v", p.notice)
	}
	// The name that means the standard input elsewhere.
	t.Chdir(empty)
	write(t, picturetest.JPEG(1, 1, 20, 20), empty, classify.Stdin)
	p.drop([]string{classify.Stdin})
	w.idle()
	if len(p.rows) != 1 || p.rows[0].failure != "" {
		t.Errorf("a file named -: %+v", p.rows)
	}
}

func TestDisplayed(t *testing.T) {
	for in, want := range map[string]string{
		"rose.jpg": "rose.jpg", "薔薇.jpg": "薔薇.jpg", "a\nb\t.jpg": "a␣b␣.jpg", "a\xffb": "a\ufffdb", "": "",
	} {
		if got := displayed(in); got != want {
			t.Errorf("displayed(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestModelOfTheLastTime(t *testing.T) {
	w := newWorld(t)
	dir := writeModel(t, w.engine, "flowers", flowers, nil)
	w.models = []ModelChoice{{Dir: t.TempDir(), Title: "another"}, {Dir: dir + string(filepath.Separator), Title: "Run 7"}}
	w.prefs[modelKey] = dir
	p := w.present()
	if w.engine.calls != 0 || p.opening != nil {
		t.Error("the engine was started before the tab was shown")
	}
	p.shownFirst()
	p.shownFirst()
	if p.opening == nil || p.started {
		t.Errorf("opening %v, started %v", p.opening, p.started)
	}
	w.until("the model is open", func() bool { return p.model != nil })
	if p.model.Title != "Run 7" || p.opening != nil || !p.started {
		t.Errorf("the model is %+v, opening %v, started %v", p.model.ModelChoice, p.opening, p.started)
	}
}

func TestNewestKeptModel(t *testing.T) {
	w := newWorld(t)
	w.models = []ModelChoice{{Dir: writeModel(t, w.engine, "newest", flowers, nil), Title: "Newest"}, {Dir: "/older"}}
	p := w.present()
	p.shownFirst()
	w.until("the model is open", func() bool { return p.model != nil })
	if p.model.Title != "Newest" || w.prefs[modelKey] != w.models[0].Dir {
		t.Errorf("the model is %q, kept %q", p.model.Title, w.prefs[modelKey])
	}
}

// The tab is looked at before there is a model, and again when one was kept.
func TestLooksAgainForAModel(t *testing.T) {
	w := newWorld(t)
	p := w.present()
	p.shownFirst()
	p.shownFirst() // While the first listing goes on.
	w.until("nothing was found", func() bool { return !p.asking })
	w.models = []ModelChoice{{Dir: writeModel(t, w.engine, "newest", flowers, nil), Title: "Newest"}}
	p.shownFirst()
	w.until("the model is open", func() bool { return p.model != nil })
	if p.model.Title != "Newest" {
		t.Errorf("the model is %q", p.model.Title)
	}
}

// A photo is dropped before there is a model; then one is trained.
func TestOffer(t *testing.T) {
	w := newWorld(t)
	p := w.present()
	_, files := folder(t, 3)
	p.drop(files)
	w.until("the photos are listed", func() bool { return p.run == nil && len(p.waiting) == 3 && !p.asking })
	first := writeModel(t, w.engine, "first", flowers, nil)
	p.offer(first)
	w.idle()
	if p.model == nil || p.model.Dir != first || len(p.rows) != 3 || w.err != nil {
		t.Fatalf("the model is %v, %d rows, error %v", p.model, len(p.rows), w.err)
	}
	p.offer(writeModel(t, w.engine, "second", flowers, nil))
	if p.opening != nil {
		t.Error("a new model took the place of one that is in use")
	}
}

// The model of the last time stays in use, though the tab was not looked at yet.
func TestOfferBesideTheModelOfTheLastTime(t *testing.T) {
	w := newWorld(t)
	w.prefs[modelKey] = writeModel(t, w.engine, "last", flowers, nil)
	p := w.present()
	p.offer(writeModel(t, w.engine, "new", flowers, nil))
	if p.opening != nil {
		t.Error("a new model took the place of the one of the last time")
	}
	w.prefs[modelKey] = t.TempDir() // It is gone.
	p.shownFirst()
	w.until("it is found missing", func() bool { return p.fault != nil })
	fresh := writeModel(t, w.engine, "new", flowers, nil)
	p.offer(fresh)
	w.until("the model is open", func() bool { return p.model != nil })
	if p.model.Dir != fresh || p.fault != nil {
		t.Errorf("the model is %v, fault %v", p.model.ModelChoice, p.fault)
	}
}

func TestModelsThatCannotBeUsed(t *testing.T) {
	off := func(m *trained.Model) {
		m.GoldenScores[0].Scores = []float32{0, 0, 0, 0, 1}
		m.GoldenScores[1].Scores = []float32{0, 0, 0, 0, 1}
		m.GoldenScores[2].Scores = []float32{1, 0, 0, 0, 0}
	}
	for _, c := range []struct {
		name  string
		make  func(w *world) string
		fault classify.Fault
	}{
		{"no model", func(*world) string { return t.TempDir() }, classify.Damaged},
		{"damaged", func(w *world) string {
			dir := writeModel(t, w.engine, "m", flowers, nil)
			write(t, []byte("other"), dir, trained.GraphFile)
			return dir
		}, classify.Damaged},
		{"golden check", func(w *world) string { return writeModel(t, w.engine, "m", flowers, off) }, classify.Deviates},
		{"no engine", func(w *world) string {
			w.engine.before = func(context.Context, int) error { return errors.New("kaika-engine is missing") }
			return writeModel(t, w.engine, "m", flowers, nil)
		}, classify.NoEngine},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			p := w.present()
			dir := c.make(w)
			p.use(ModelChoice{Dir: dir})
			w.until("it has failed", func() bool { return p.fault != nil })
			var open *classify.OpenError
			if !errors.As(p.fault, &open) || open.Fault != c.fault || p.faultDir != dir || p.opening != nil {
				t.Errorf("the fault is %v in %q", p.fault, p.faultDir)
			}
			if w.prefs[modelKey] != "" {
				t.Error("a model that does not work is kept for the next start")
			}
		})
	}
}

func TestAnotherModel(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	dir, _ := folder(t, 5)
	p.drop([]string{dir})
	w.idle()
	first := p.model

	p.use(ModelChoice{Dir: t.TempDir()})
	w.until("it has failed", func() bool { return w.err != nil })
	if p.model != first || len(p.rows) != 5 || w.problem != modelProblem || p.fault != nil {
		t.Errorf("after a model that does not work: %d rows, problem %v", len(p.rows), w.problem)
	}

	reversed := slices.Clone(flowers)
	slices.Reverse(reversed)
	second := writeModel(t, w.engine, "reversed", reversed, nil)
	before := p.label(p.rows[0], 0)
	score := p.rows[0].ranks[0].score
	p.pick(2)
	current := p.current
	p.use(ModelChoice{Dir: t.TempDir()}) // Overtaken by the next.
	p.use(ModelChoice{Dir: second})
	w.until("it is open", func() bool { return p.model != first })
	w.idle()
	if len(p.rows) != 5 || p.label(p.rows[0], 0) == before && before != "rose" || p.rows[0].ranks[0].score != score || p.current != current {
		t.Errorf("by the other model: %d rows, %s instead of %s, current %q", len(p.rows), p.label(p.rows[0], 0), before, p.current)
	}
	if p.model.Title != "reversed" || w.prefs[modelKey] != second {
		t.Errorf("the model is %q, kept %q", p.model.Title, w.prefs[modelKey])
	}
}

// A model that is opened while a job runs must not get answers of the one before.
func TestAnotherModelWhileItRuns(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	second := writeModel(t, w.engine, "two", []string{"a", "b"}, func(m *trained.Model) {
		for i := range m.GoldenScores {
			m.GoldenScores[i].Scores = []float32{0.25, 0.75}
		}
	})
	two := &engine{labels: 2, scores: map[picture.Digest][]float32{}}
	for _, g := range golden() {
		two.scores[g.digest] = []float32{0.25, 0.75}
	}
	armed, begun, proceed := stepwise(w)
	close(armed)
	p.open = func(ctx context.Context, dir string) (*classify.Classifier, error) {
		return classify.Open(ctx, dir, "", two)
	}
	dir, _ := folder(t, 100)
	p.drop([]string{dir})
	<-begun
	proceed <- struct{}{}
	p.use(ModelChoice{Dir: second})
	w.until("it is open", func() bool { return p.model.Title == "two" })
	w.idle()
	if len(p.rows) != 100 {
		t.Fatalf("there are %d rows", len(p.rows))
	}
	for _, r := range p.rows {
		if len(r.ranks) != 2 {
			t.Fatalf("%s was answered by the other model: %v", r.name, r.ranks)
		}
	}
}

func TestTheEngineFails(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	broken := errors.New("the engine has died")
	w.engine.before = func(context.Context, int) error { return broken }
	dir, _ := folder(t, 3)
	p.drop([]string{dir})
	w.until("it has failed", func() bool { return w.err != nil })
	if w.problem != classifyProblem || !errors.Is(w.err, broken) || len(p.waiting) != 3 || p.run != nil {
		t.Errorf("problem %v: %v, %d waiting", w.problem, w.err, len(p.waiting))
	}
	if errors.Is(w.err, trained.ErrNoModel) {
		t.Errorf("the model is there, but %v", w.err)
	}
	w.engine.before = nil
	p.start()
	w.idle()
	if len(p.rows) != 3 {
		t.Errorf("continued: %d rows", len(p.rows))
	}
}

// A run that is deleted takes its model with it. The engine may have it still, until it needs room or starts anew.
func TestTheModelIsGone(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	if err := os.RemoveAll(p.model.Dir); err != nil {
		t.Fatal(err)
	}
	w.engine.before = func(context.Context, int) error { return errors.New("loading the model") }
	dir, _ := folder(t, 1)
	p.drop([]string{dir})
	w.until("it has failed", func() bool { return w.err != nil })
	if w.problem != classifyProblem || !errors.Is(w.err, trained.ErrNoModel) {
		t.Errorf("problem %v: %v", w.problem, w.err)
	}
}

func TestExport(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	dir, files := folder(t, 4)
	write(t, []byte("x"), dir, "bad.jpg")
	p.drop([]string{dir})
	w.idle()
	p.sortBy(byName)
	out := write(t, []byte("old"), t.TempDir(), "out.csv")
	p.export(out)
	w.until("it is written", func() bool { return p.notice != nil })
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	// As kaika classify --csv.
	var want bytes.Buffer
	table := classify.NewCSV(&want, 5)
	if err := p.model.Files(context.Background(), append(files, filepath.Join(dir, "bad.jpg")), nil, table.Add); err != nil {
		t.Fatal(err)
	}
	if err := table.End(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("exported\n%s\nwant\n%s", got, want.Bytes())
	}
	if p.notice.kind != noticeExported || p.notice.count != 5 || p.notice.name != "out.csv" {
		t.Errorf("noticed %+v", p.notice)
	}
	p.export(filepath.Join(dir, "nowhere", "out.csv"))
	w.until("it has failed", func() bool { return w.err != nil })
	if w.problem != exportProblem {
		t.Errorf("problem %v: %v", w.problem, w.err)
	}
}

func TestReally(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	dir, files := folder(t, 6)
	write(t, []byte("x"), dir, "bad.jpg")
	p.drop([]string{dir})
	w.idle()
	l := newLibrary("rose", "tulip")

	p.selectAll()
	p.really("tulip")
	if p.adding != nil {
		t.Fatal("added without a dataset")
	}
	p.setLibrary(l)

	p.pick(p.index(files[0]))
	p.really("tulip")
	w.idle()
	a := p.notice.addition
	if len(a.added) != 1 || l.count("tulip") != 1 || p.byPath[files[0]].truth != "tulip" || l.from[0] != "folder:"+files[0] {
		t.Fatalf("added one: %+v, %v", a, l.from)
	}
	p.really("tulip")
	w.idle()
	if a := p.notice.addition; a.there != 1 || a.undoable() != 0 || l.count("tulip") != 1 {
		t.Errorf("added again: %+v", a)
	}
	p.really("rose")
	w.idle()
	a = p.notice.addition
	if len(a.elsewhere) != 1 || a.elsewhere[0].Label != "tulip" || p.byPath[files[0]].truth != "tulip" {
		t.Errorf("added under another label: %+v", a)
	}
	p.moveThere(a)
	w.idle()
	if l.count("rose") != 1 || l.count("tulip") != 0 || p.byPath[files[0]].truth != "rose" || len(p.notice.addition.moved) != 1 {
		t.Errorf("moved: rose %d, tulip %d, %+v", l.count("rose"), l.count("tulip"), p.notice.addition)
	}
	p.undo(p.notice.addition)
	w.idle()
	if l.count("rose") != 0 || l.count("tulip") != 1 || p.notice.kind != noticeUndone || p.notice.count != 1 || p.byPath[files[0]].truth != "" {
		t.Errorf("undone: rose %d, tulip %d, %+v", l.count("rose"), l.count("tulip"), p.notice)
	}

	// Several at once, under a new label; one is no photo, one is there already.
	p.selectAll()
	p.really("lily")
	w.idle()
	a = p.notice.addition
	if len(a.added) != 5 || len(a.elsewhere) != 1 || len(a.failures) != 0 || !a.newLabel || l.count("lily") != 5 {
		t.Errorf("added several: %+v", a)
	}
	p.undo(a)
	w.idle()
	if l.count("lily") != -1 || l.count("tulip") != 1 {
		t.Errorf("undone: lily %d, tulip %d, labels %v", l.count("lily"), l.count("tulip"), l.labels)
	}

	// What is in the trash can be brought back under the label.
	p.pick(p.index(files[2]))
	p.really("rose")
	w.idle()
	a = p.notice.addition
	if len(a.elsewhere) != 1 || a.elsewhere[0].Deleted.IsZero() {
		t.Fatalf("added what is in the trash: %+v", a)
	}
	p.moveThere(a)
	w.idle()
	if l.count("rose") != 1 {
		t.Errorf("brought back: rose %d", l.count("rose"))
	}
	p.undo(p.notice.addition)
	w.idle()
	if l.count("rose") != 0 {
		t.Errorf("undone: rose %d", l.count("rose"))
	}
	p.really("rose") // In the trash, of that very label.
	w.idle()
	if a := p.notice.addition; a.there != 0 || len(a.elsewhere) != 1 || p.byPath[files[2]].truth != "" {
		t.Errorf("added what is in the trash of the label: %+v", a)
	}
}

func TestReallyFails(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	dir, files := folder(t, 4)
	p.drop([]string{dir})
	w.idle()
	l := newLibrary("rose")
	p.setLibrary(l)

	if err := os.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	p.selectAll()
	p.really("rose")
	w.idle()
	if a := p.notice.addition; len(a.added) != 3 || len(a.failures) != 1 || w.err != nil {
		t.Errorf("one file has vanished: %+v, %v", a, w.err)
	}

	l.fail = fmt.Errorf("..: %w", dataset.ErrLabelName)
	p.selectAll()
	p.really("..")
	w.until("it has failed", func() bool { return w.err != nil && p.adding == nil })
	if w.problem != addProblem || !errors.Is(w.err, dataset.ErrLabelName) || p.notice != nil {
		t.Errorf("a bad label: problem %v, %v, notice %+v", w.problem, w.err, p.notice)
	}
}

func TestReallyIsCancelled(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	dir, _ := folder(t, 10)
	p.drop([]string{dir})
	w.idle()
	l := newLibrary("rose")
	n, third, cancelled := 0, make(chan struct{}), make(chan struct{})
	l.before = func() {
		if n++; n == 3 {
			close(third)
			<-cancelled
		}
	}
	p.setLibrary(l)
	p.selectAll()
	p.really("rose")
	<-third
	p.enough()
	close(cancelled)
	w.idle()
	if a := p.notice.addition; len(a.added) != 3 || !errors.Is(a.err, context.Canceled) || l.count("rose") != 3 {
		t.Errorf("cancelled at the third: %+v", p.notice.addition)
	}
	p.undo(p.notice.addition)
	w.idle()
	if l.count("rose") != 0 {
		t.Errorf("undone: %d", l.count("rose"))
	}
	p.selectAll()
	l.before = nil
	p.really("rose")
	p.setLibrary(newLibrary("other")) // Another dataset meanwhile.
	w.idle()
	if p.notice != nil || p.rows[0].truth != "" {
		t.Errorf("another dataset has the notice %+v, truth %q", p.notice, p.rows[0].truth)
	}
}

func TestLabelsBeginWithTheLikely(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	data := picturetest.JPEG(1, 1, 20, 20)
	w.engine.set(data, 0.1, 0.2, 0.05, 0.6, 0.05)
	p.drop([]string{write(t, data, t.TempDir(), "a.jpg")})
	w.idle()
	if p.labels() != nil {
		t.Error("labels without a dataset")
	}
	p.setLibrary(newLibrary("aster", "daisy", "dandelion", "rose", "sunflower"))
	var got []string
	for _, l := range p.labels() {
		got = append(got, l.Name)
	}
	if want := []string{"sunflower", "dandelion", "daisy", "aster", "rose"}; !slices.Equal(got, want) {
		t.Errorf("the labels are %q, want %q", got, want)
	}
}

// However slow the window is, it is never told more than once that there is something new.
func TestTheWindowIsNotFlooded(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	dir, _ := folder(t, 5)
	p.drop([]string{dir})
	for range 10_000 {
		p.observe(job.State{Kind: jobKind, Running: true})
	}
	if n := len(w.queue); n > 10 {
		t.Errorf("%d calls wait for the window", n)
	}
	w.idle()
}

func TestCloseWhileItWorks(t *testing.T) {
	w := newWorld(t)
	armed, begun, _ := stepwise(w)
	p := w.withModel()
	close(armed)
	dir, _ := folder(t, 100)
	p.room(500)
	p.drop([]string{dir})
	p.setLibrary(newLibrary("rose"))
	<-begun
	p.use(ModelChoice{Dir: writeModel(t, w.engine, "m", flowers, nil)})
	p.close()
	changed := false
	p.changed = func() { changed = true }
	for len(w.queue) > 0 {
		(<-w.queue)()
	}
	if changed || w.err != nil {
		t.Errorf("after close: changed %v, error %v", changed, w.err)
	}
	inbox := len(p.inbox)
	opening := p.opening
	p.drop([]string{dir})
	p.use(ModelChoice{Dir: dir})
	if len(p.inbox) != inbox || p.opening != opening {
		t.Error("a closed tab began to work")
	}
}

func TestLargePhotoFollowsQuickly(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	p.room(400)
	dir, files := folder(t, 30)
	p.drop([]string{dir})
	w.idle()
	for i := range files {
		p.pick(i)
	}
	w.until("the last is decoded", func() bool { return p.shot.img != nil && p.shot.path == files[29] })
	p.room(420) // Has room in what is there.
	p.room(300)
	if p.loading != nil || p.shot.img == nil {
		t.Error("decoded anew for a smaller window")
	}
	p.room(900)
	if p.loading == nil || p.shot.img == nil {
		t.Error("not decoded for a larger window, or the small one is gone meanwhile")
	}
	w.until("it is decoded larger", func() bool { return p.shot.side == 1024 })
}

func TestPasteDrops(t *testing.T) {
	w := newWorld(t)
	p := w.withModel()
	_, files := folder(t, 2)
	p.paste("file://" + files[0] + "\r\n" + files[1])
	w.idle()
	if len(p.rows) != 2 {
		t.Errorf("pasted: %q", names(p.rows))
	}
}

// TestPasteFrom pastes what the desktop's clipboard may hold.
func TestPasteFrom(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	w := newWorld(t)
	var content clipboard.Content
	var problem error
	w.params.Clipboard = func(context.Context) (clipboard.Content, error) { return content, problem }
	p := w.withModel()
	_, files := folder(t, 2)
	paste := func(text string) {
		p.pasteFrom(func() string { return text })
		p.pasteFrom(func() string { return "" }) // Pressed twice: once is enough.
		w.until("it is pasted", func() bool { return !p.pasting })
		w.idle()
	}

	content.Picture = picturetest.JPEG(3, 1, 64, 48)
	paste("")
	if len(p.rows) != 1 || !p.large || p.rows[0].failure != "" || filepath.Ext(p.rows[0].path) != ".jpeg" {
		t.Fatalf("a picture gives %q, %q", names(p.rows), p.rows[0].failure)
	}
	first := p.rows[0].path
	l := newLibrary("rose")
	p.setLibrary(l)
	p.really("rose")
	w.idle()
	if len(p.notice.addition.added) != 1 || p.rows[0].truth != "rose" {
		t.Fatalf("put into the dataset: %+v", p.notice)
	}
	if got := p.notice.addition.added[0].Source.From; got != "clipboard" {
		t.Errorf("the dataset says that it comes from %q", got)
	}
	paste("")
	if len(p.rows) != 2 {
		t.Errorf("pasted again: %q", names(p.rows))
	}
	p.clear()
	w.idle()

	content = clipboard.Content{Picture: []byte("no picture")}
	paste("")
	if len(p.rows) != 1 || p.rows[0].reason != picture.NotAPicture {
		t.Errorf("what is no picture gives %q", names(p.rows))
	}
	p.clear()
	w.idle()

	for _, c := range []struct {
		content clipboard.Content
		err     error
		text    string // In Fyne's clipboard.
		rows    int
	}{
		{clipboard.Content{Files: "file://" + files[0] + "\r\nfile://" + files[1] + "\r\n"}, nil, "", 2},
		{clipboard.Content{Text: files[0]}, nil, "", 1},
		{clipboard.Content{}, nil, files[0], 0},
		{clipboard.Content{}, clipboard.ErrNone, files[0], 1},
		{clipboard.Content{}, clipboard.ErrSilent, files[0], 0},
		{clipboard.Content{}, context.Canceled, files[0], 0},
	} {
		content, problem, w.err = c.content, c.err, nil
		paste(c.text)
		if len(p.rows) != c.rows {
			t.Errorf("%+v, %v: %q", c.content, c.err, names(p.rows))
		}
		if told := w.err != nil; told != errors.Is(c.err, clipboard.ErrSilent) {
			t.Errorf("%v: told of %v", c.err, w.err)
		}
		p.clear()
		w.idle()
	}
	p.close()
	if _, err := os.Stat(filepath.Dir(first)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("pasted pictures stay behind: %v", err)
	}
}
