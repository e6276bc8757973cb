package retrain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/experiment"
	"kaika/core/feature"
	"kaika/core/picture/picturetest"
	"kaika/core/thumb"
	"kaika/core/train"
	"kaika/core/train/traintest"
	"kaika/core/trained"
	"kaika/ui/i18n"
	kaikatheme "kaika/ui/theme"
	"kaika/ui/widgets"
)

// stage is a tab in a window.
type stage struct {
	*bench

	tab    *Tab
	window fyne.Window
	tx     *i18n.Texts
	did    []string // What other tabs were asked to do.
}

func newStage(t testing.TB) *stage {
	t.Helper()
	app := test.NewTempApp(t)
	app.Settings().SetTheme(kaikatheme.New(kaikatheme.Light))
	s := &stage{bench: newBench(t)}
	s.p.close()
	s.load("en")
	p := s.params
	p.Window = test.NewTempWindow(t, widget.NewLabel(""))
	p.Texts = func() *i18n.Texts { return s.tx }
	did := func(what ...string) { s.did = append(s.did, strings.Join(what, " ")) }
	p.ShowPhotos = func(paths []string, title string) { did(strconv.Itoa(len(paths)), title) }
	p.UseModel = func(dir string) { did("use", filepath.Base(dir)) }
	p.OpenFolder = func(dir string) { did("folder", filepath.Base(dir)) }
	p.Collect = func() { did("collect") }
	p.OpenDataset = func() { did("open") }
	s.window, s.tab = p.Window, New(p)
	s.p = s.tab.p
	s.p.seen = true
	s.window.SetContent(container.NewStack(s.tab.Content()))
	s.window.Resize(fyne.NewSize(800, 480))
	t.Cleanup(func() { s.jobs.Close(); s.queue.drain(); s.tab.Close() })
	return s
}

func (s *stage) load(language string) {
	s.t.Helper()
	tx, err := i18n.Load(language)
	if err != nil {
		s.t.Fatal(err)
	}
	s.tx = tx
}

// until runs what is meant for the window until something is so.
func (s *stage) until(what string, so func() bool) {
	s.t.Helper()
	deadline := time.After(20 * time.Second)
	for !so() {
		if !s.queue.drain() {
			select {
			case <-deadline:
				s.t.Fatalf("it did not come to this: %s", what)
			case <-time.After(time.Millisecond): // Nobody tells when another goroutine has something for the window.
			}
		}
	}
}

func (s *stage) ready() {
	s.t.Helper()
	s.p.setLibrary(newLibrary("/photos of mine", 400, 400, 402))
	s.tab.Shown()
	s.until("base models and runs are there", func() bool { return s.p.basesLoaded && s.p.runsLoaded })
}

// train trains by the settings, to the end.
func (s *stage) train() {
	s.t.Helper()
	n := len(s.p.runs)
	test.Tap(s.tab.view.start)
	s.until("one more run is kept", func() bool { return len(s.p.runs) == n+1 })
}

// objects gives all widgets of a kind that can be seen in the window.
func objects[T any](o fyne.CanvasObject) (found []T) {
	if !o.Visible() {
		return nil
	}
	if w, ok := o.(T); ok {
		found = append(found, w)
	}
	switch o := o.(type) {
	case *fyne.Container:
		for _, child := range o.Objects {
			found = append(found, objects[T](child)...)
		}
	case fyne.Widget:
		for _, child := range test.WidgetRenderer(o).Objects() {
			found = append(found, objects[T](child)...)
		}
	}
	return found
}

// says tells whether the window says something.
func (s *stage) says(text string) bool {
	top := s.window.Canvas().Overlays().Top()
	if top == nil {
		top = s.window.Content()
	}
	return slices.ContainsFunc(objects[*widget.Label](top), func(l *widget.Label) bool { return strings.Contains(l.Text, text) }) ||
		slices.ContainsFunc(objects[*widgets.Text](top), func(l *widgets.Text) bool { return strings.Contains(l.Text, text) })
}

// tap taps the button with a text, in a dialog if there is one.
func (s *stage) tap(text string) {
	s.t.Helper()
	top := s.window.Canvas().Overlays().Top()
	if top == nil {
		top = s.window.Content()
	}
	for _, b := range objects[*widget.Button](top) {
		if b.Text == text {
			if b.Disabled() {
				s.t.Fatalf("the button %q is disabled", text)
			}
			test.Tap(b)
			return
		}
	}
	for _, b := range objects[*widgets.Button](top) {
		if b.Text == text && !b.Disabled() {
			test.Tap(b)
			return
		}
	}
	s.t.Fatalf("there is no button %q", text)
}

// BenchmarkProgress draws a training at its 4,000th point: what happens ten times a second.
func BenchmarkProgress(b *testing.B) {
	s := newStage(b)
	s.ready()
	l := &live{kind: JobTrain, stop: make(chan struct{})}
	for step := 1; step <= 4000; step++ {
		pt := point(step)
		l.observe(train.Event{Phase: train.Training, Point: &pt, Steps: 4000})
	}
	s.p.live = l
	s.p.changed(runningPart)
	s.window.Canvas().Capture()
	for b.Loop() {
		s.p.changed(progressPart)
	}
}

// BenchmarkKey types a digit of a setting.
func BenchmarkKey(b *testing.B) {
	s := newStage(b)
	s.ready()
	steps := s.tab.view.form.entries["how_many_training_steps"].entry
	n := 0
	for b.Loop() {
		n++
		steps.SetText(strconv.Itoa(n))
	}
}

// BenchmarkResult shows the result of a training of 100 labels.
func BenchmarkResult(b *testing.B) {
	s := newStage(b)
	s.ready()
	r := hundredLabels()
	for b.Loop() {
		s.p.show(experiment.Run{ID: "x", Params: train.DefaultParams(), Report: r})
	}
}

// hundredLabels gives the report of a training of 100 labels with long names.
func hundredLabels() *train.Report {
	r := report(10)
	var labels []string
	for i := range 100 {
		labels = append(labels, fmt.Sprintf("a rather long label of number %d", i))
	}
	matrix := train.NewConfusion(labels)
	for i := range 100 {
		matrix.Counts[i][(7*i)%100] = i
	}
	r.ConfusionMatrix = &matrix
	return r
}

func TestEmpty(t *testing.T) {
	s := newStage(t)
	if !s.says("No dataset is open") {
		t.Error("it does not say that there is no dataset")
	}
	s.tap("Open a dataset")
	s.tap("Collect photos")
	s.p.setLibrary(newLibrary("x", 3, 0))
	if !s.says("There is only one label") {
		t.Error("it does not say that there is only one label")
	}
	s.tap("Collect photos")
	s.p.setLibrary(newLibrary("x", 0))
	if !s.says("no photos to learn from") {
		t.Error("it does not say that there are no photos")
	}
	if want := []string{"open", "collect", "collect"}; !slices.Equal(s.did, want) {
		t.Errorf("did %v, want %v", s.did, want)
	}
	s.p.setLibrary(newLibrary("x", 30, 3))
	if !s.says("33 photos, 2 labels") || !s.says("tulip has fewer than 5 photos (3)") {
		t.Error("it does not say that there are few photos")
	}
}

func TestEntries(t *testing.T) {
	s := newStage(t)
	s.ready()
	v := s.tab.view
	steps := v.form.entries["how_many_training_steps"]
	steps.entry.SetText("")
	if steps.hint.Text != "Please enter a whole number from 1 to 10,000,000." || !v.start.Disabled() || !s.says("Please correct") {
		t.Errorf("hint %q, start disabled: %v", steps.hint.Text, v.start.Disabled())
	}
	if s.prefs[preferencesKey] != "" {
		t.Error("wrong settings were kept")
	}
	test.Type(steps.entry, "5")
	if steps.entry.Text != "5" || v.start.Disabled() || s.says("Please correct") || !strings.HasPrefix(steps.hint.Text, "How long") {
		t.Errorf("after a correction: %q, hint %q", steps.entry.Text, steps.hint.Text)
	}
	rate := v.form.entries["learning_rate"].entry
	for _, text := range []string{"0.", "0.10", "0.105"} { // As it is typed: what is typed stays as it is.
		rate.SetText(text)
		if rate.Text != text {
			t.Errorf("%q became %q", text, rate.Text)
		}
	}
	v.form.selects["optimizer"].SetSelected("Adam")
	v.form.presets.SetSelected("Mirrored, cropped, brighter and darker")
	if a := s.p.settings.Params.Augmentation; a != presets[presetLight] || v.form.entries["random_crop"].entry.Text != "10" || !v.form.flip.Checked {
		t.Errorf("augmentation %+v", a)
	}
	v.form.entries["random_rotation"].entry.SetText("5")
	if v.form.presets.Selected != "As set below" || len(v.form.presets.Options) != 4 {
		t.Errorf("chosen: %q of %q", v.form.presets.Selected, v.form.presets.Options)
	}
	kept := loadSettings(s.prefs[preferencesKey])
	if kept.Params.Steps != 5 || kept.Params.LearningRate != 0.105 || kept.Params.Optimizer != train.Adam || kept.Params.Augmentation.Rotation != 5 {
		t.Errorf("kept: %+v", kept)
	}
	v.form.entries["testing_percentage"].entry.SetText("60")
	v.form.entries["validation_percentage"].entry.SetText("50")
	if !v.start.Disabled() || !v.form.both.box.Visible() {
		t.Error("all photos may be kept back")
	}
	test.Tap(v.form.reset)
	if d := defaultSettings(); s.p.settings.Params != d.Params || v.form.entries["seed"].entry.Text != "0" || v.start.Disabled() || v.form.presets.Selected != "None" {
		t.Errorf("after a reset: %+v", s.p.settings)
	}
}

func TestBases(t *testing.T) {
	s := newStage(t)
	s.ready()
	v := s.tab.view
	if want := []string{"EfficientNet-Lite0", "MobileNet v1, 224 px (to be fetched)", "Mine"}; !slices.Equal(v.form.bases.Options, want) {
		t.Errorf("bases: %q", v.form.bases.Options)
	}
	if v.form.goodFor.Text != "The usual choice: quick on any processor, and accurate." || v.form.fetch.Visible() {
		t.Errorf("it is good for %q", v.form.goodFor.Text)
	}
	v.form.bases.SetSelectedIndex(1)
	if v.start.Text != "Fetch the base model and start" || !v.form.fetch.Visible() || v.form.entries["input_size"].row.Visible() ||
		!strings.HasPrefix(v.form.goodFor.Text, "Small and quick") {
		t.Errorf("%q; good for %q", v.start.Text, v.form.goodFor.Text)
	}
	v.form.bases.SetSelectedIndex(2)
	if !v.start.Disabled() || !s.says("files are damaged") || v.form.goodFor.Text != "my own network" {
		t.Error("a damaged base model can be used")
	}
}

// TestWholeStory trains, looks at the result, opens photos, compares, renames and deletes.
func TestWholeStory(t *testing.T) {
	s := newStage(t)
	s.ready()
	v := s.tab.view
	for _, steps := range []string{"500", "100"} {
		v.form.entries["how_many_training_steps"].entry.SetText(steps)
		s.train()
	}
	if v.pages.Chosen() != v.result.page || !s.says("97.5 % right") || !s.says("118 of 121 test photos") || !s.says("between 93.0 % and 99.2 % is likely") {
		t.Error("the result does not say how good the model is")
	}

	// The matrix, by keyboard.
	m := v.result.matrix
	s.window.Canvas().Focus(m)
	key := func(name fyne.KeyName) { m.TypedKey(&fyne.KeyEvent{Name: name}) }
	key(fyne.KeyLeft)
	key(fyne.KeyRight)
	if !s.says("2 photos of rose were taken for tulip") {
		t.Error("it does not say what the cell counts")
	}
	key(fyne.KeyReturn)
	key(fyne.KeyEnd)
	key(fyne.KeySpace) // Nothing lies behind 0.
	m.Select(widget.TableCellID{Row: 2, Col: 2})
	m.Select(widget.TableCellID{Row: 2, Col: 2})
	want := []string{"2 2 photos of rose were taken for tulip", "41 41 photos of 菊 花 were recognized", "41 41 photos of 菊 花 were recognized"}
	if !slices.Equal(s.did, want) {
		t.Errorf("opened %q, want %q", s.did, want)
	}
	s.did = nil

	v.pages.Choose(v.mistakes.page)
	if v.mistakes.page.Title() != "Mistakes (3)" || !s.says("is tulip, taken for rose 72.0 %") || !s.says("0.jpg is not there any more") {
		s.until("the files were looked up", func() bool { return s.says("is not there any more") })
	}
	v.mistakes.list.Select(0)
	v.mistakes.list.Select(0)
	v.mistakes.pairs.SetSelectedIndex(1)
	if v.mistakes.pairs.Selected != "rose → tulip: 2" || len(v.mistakes.listed) != 2 {
		t.Errorf("%q: %d photos", v.mistakes.pairs.Selected, len(v.mistakes.listed))
	}
	test.Tap(v.mistakes.show)
	if want := []string{"1 is tulip, taken for rose 72.0 %", "1 is tulip, taken for rose 72.0 %", "2 rose → tulip: 2"}; !slices.Equal(s.did, want) {
		t.Errorf("opened %q, want %q", s.did, want)
	}
	s.did = nil

	v.pages.Choose(v.runs.page)
	if !v.runs.show.Disabled() || !v.runs.compare.Disabled() || !v.runs.more.Disabled() {
		t.Error("something can be done with no run")
	}
	v.runs.list.Select(0)
	test.Tap(v.runs.use)
	if want := []string{"use " + s.p.runs[0].ID}; !slices.Equal(s.did, want) {
		t.Errorf("did %v, want %v", s.did, want)
	}
	v.runs.rename(s.p.runs[0])
	for _, e := range objects[*widgets.Entry](s.window.Canvas().Overlays().Top()) {
		test.Type(e, "quick one")
	}
	s.tap("Rename")
	s.until("the run has its name", func() bool { return s.p.runs[0].Name == "quick one" })
	if !s.says("quick one") || !s.says("EfficientNet-Lite0 | photos of mine | 1,202 photos | 100 steps") {
		t.Error("the list does not show the run")
	}
	v.runs.list.Select(1)
	s.until("the curves of both were read", func() bool { return len(s.p.compared()) == 2 })
	test.Tap(v.runs.compare)
	if v.pages.Chosen() != v.compare.page || !s.says("≠ Steps") || s.says("≠ Learning rate") || !s.says("Learning rate") || v.compare.byPhotos != nil || v.compare.bySteps == nil {
		t.Error("the comparison does not mark what differs")
	}
	if series := v.compare.accuracy.Figure().Series; len(series) != 2 || series[1].Name != "quick one" || len(series[1].X) != 10 || len(series[0].X) != 50 {
		t.Errorf("%d curves", len(series))
	}

	v.pages.Choose(v.runs.page)
	v.runs.list.Select(1) // No longer.
	test.Tap(v.runs.more)
	if top := s.window.Canvas().Overlays().Top(); top == nil {
		t.Error("there is no menu")
	} else {
		s.window.Canvas().Overlays().Remove(top)
	}
	v.runs.remove()
	s.tap("Cancel")
	v.runs.remove()
	if !s.says("The run quick one and its model will be deleted") {
		t.Error("it does not say what will be deleted")
	}
	s.tap("Delete")
	s.until("it is deleted", func() bool { return len(s.p.runs) == 1 })
	if s.p.result != nil || !slices.Equal(s.kept(), []string{s.p.runs[0].ID}) {
		t.Error("what was deleted is still shown, or the other is gone")
	}
	v.pages.Choose(v.runs.page)
	v.runs.list.Select(0)
	test.Tap(v.runs.show)
	s.until("the other run is shown", func() bool { return s.p.result != nil })
	if series := v.curves.accuracy.Figure().Series; len(series) != 3 || len(series[2].X) != 50 {
		t.Errorf("%d curves", len(series))
	}
}

// TestRealTraining trains by package train, on drawn photos, and exports the model.
func TestRealTraining(t *testing.T) {
	photos := picturetest.Dataset(t, 40, "rose", "tulip", "菊 花")
	s := newStage(t)
	s.trainer.train = func(ctx context.Context, r Request, stop <-chan struct{}, observe func(train.Event)) (*train.Report, error) {
		cache := feature.OpenCache(ctx, t.TempDir(), s.params.Log)
		defer cache.Close() //nolint:errcheck // Nothing of it is needed afterwards.
		retrainer := train.Retrainer{
			Engine: &traintest.Engine{}, Cache: cache, Log: s.params.Log, Version: "test", Now: time.Now, Observe: observe, Stop: stop,
		}
		return retrainer.Run(ctx, r.Params)
	}
	s.p.setLibrary(newLibrary(photos, 40, 40, 40))
	s.p.shown()
	s.until("base models are there", func() bool { return s.p.basesLoaded && s.p.runsLoaded })
	s.p.setPreset(presetFlip)
	s.p.setNumber("how_many_training_steps", "30")
	s.train()
	s.until("the thumbnails were looked up", func() bool { return s.p.thumbs != nil })
	r := s.p.result
	if r.Report.Photos.Views == 0 || len(r.Points) == 0 || len(r.Answers) != r.Report.Test.Count || r.Labels["菊 花"] != 40 {
		t.Errorf("%+v", r)
	}
	files := 0
	for _, label := range r.Report.Labels {
		for _, given := range r.Report.Labels {
			for _, file := range behind(r.Answers, label, given) {
				if files++; filepath.Base(filepath.Dir(file)) != label {
					t.Errorf("%s is behind %s", file, label)
				}
			}
		}
	}
	if files != r.Report.Test.Count || len(s.p.thumbs) != len(r.Report.Misclassified) {
		t.Errorf("%d photos behind the matrix, %d of %d thumbnails", files, len(s.p.thumbs), len(r.Report.Misclassified))
	}
	folder := t.TempDir()
	for range 2 {
		s.p.notice = message{}
		s.p.export(*r, folder)
		s.until("the model is exported", func() bool { return s.p.notice.key == "retrain.notice.exported" })
	}
	for _, place := range []string{folder, filepath.Join(folder, filepath.Base(photos)+"-model")} {
		if _, err := trained.Open(place); err != nil {
			t.Error(err)
		}
	}
}

// TestWhileItTrains looks at the tab at work, changes the language and stops.
func TestWhileItTrains(t *testing.T) {
	s := newStage(t)
	s.ready()
	s.trainer.train = func(_ context.Context, r Request, stop <-chan struct{}, observe func(train.Event)) (*train.Report, error) {
		var points []train.Point
		for step := 10; step <= 1000; step += 10 {
			points = append(points, point(step))
			observe(train.Event{Phase: train.Training, Point: &points[len(points)-1], Steps: 4000})
		}
		<-stop
		write(t, r.Params.OutputDir, points, labelCounts)
		return report(1000), nil
	}
	test.Tap(s.tab.view.start)
	s.until("the curves are drawn", func() bool {
		return len(s.tab.view.curves.accuracy.Figure().Series) == 3 && s.says("step 1,000 of 4,000")
	})
	v := s.tab.view
	if v.start.Visible() || !v.stop.Visible() || !v.form.entries["seed"].entry.Disabled() || v.pages.Chosen() != v.curves.page {
		t.Error("it does not look like at work")
	}
	if f := v.curves.accuracy.Figure(); f.Steps != 4000 || len(f.Series[0].X) != 100 || len(f.Series[1].Y) != 100 || len(f.Series[2].X) != 100 {
		t.Errorf("to %v steps, %d points", f.Steps, len(f.Series[0].X))
	}
	s.load("ja")
	s.window.SetContent(s.tab.Content())
	if !s.says("4,000ステップ中1,000") {
		t.Error("it does not speak Japanese")
	}
	v = s.tab.view
	if series := v.curves.accuracy.Figure().Series; len(series) != 3 || len(series[0].X) != 100 {
		t.Error("the curves got lost")
	}
	s.tap("停止")
	if !v.stop.Disabled() || !s.says("学習を終えています") {
		t.Error("it does not say that it stops")
	}
	s.until("it has stopped", func() bool { return s.p.live == nil })
	if !s.says("ステップ1,000で停止しました") || !s.says("4,000ステップ中1,000で停止しました") || v.form.entries["seed"].entry.Disabled() {
		t.Error("it does not say that it has stopped")
	}
}

func TestErrorIsShown(t *testing.T) {
	s := newStage(t)
	s.ready()
	s.trainer.train = func(context.Context, Request, <-chan struct{}, func(train.Event)) (*train.Report, error) {
		return nil, errors.New("the engine died ten times")
	}
	test.Tap(s.tab.view.start)
	s.until("the error is shown", func() bool { return s.window.Canvas().Overlays().Top() != nil })
	if !s.says("The training did not come to its end") {
		t.Error("the sentence is missing")
	}
}

func TestSkippedAndUntested(t *testing.T) {
	s := newStage(t)
	s.ready()
	r := report(10)
	if err := json.Unmarshal([]byte(`[{"path": "/p/a.jpg", "reason": "truncated", "detail": "ends too early"}, {"path": "/p/b.heic", "reason": "new_reason"}]`), &r.Skipped); err != nil {
		t.Fatal(err)
	}
	r.Test, r.ConfusionMatrix, r.Misclassified = nil, nil, nil
	s.p.show(experiment.Run{ID: "x", Params: train.DefaultParams(), Report: r})
	if !s.says("Not tested") || !s.says("Collect at least 5 photos for each label") || s.tab.view.result.matrixBox.Visible() {
		t.Error("it does not say that nothing was tested")
	}
	s.tap("2 files were not used")
	if !s.says("/p/a.jpg") || !s.says("The file ends too early.") || !s.says("new_reason") {
		t.Error("it does not say what was not used, and why")
	}
}

// TestHundredLabels shows a matrix of 10,000 cells: only those in sight have widgets.
func TestHundredLabels(t *testing.T) {
	s := newStage(t)
	s.ready()
	r := hundredLabels()
	began := time.Now()
	s.p.show(experiment.Run{ID: "x", Params: train.DefaultParams(), Report: r})
	t.Logf("shown in %s", time.Since(began))
	m := s.tab.view.result.matrix
	if n := len(objects[*cell](m)); n == 0 || n > 400 {
		t.Errorf("%d cells have widgets", n)
	}
	s.window.Canvas().Focus(m)
	m.at.Row = 90
	for range 12 {
		m.TypedKey(&fyne.KeyEvent{Name: fyne.KeyDown})
	}
	if m.at.Row != 99 || !s.says("0 photos of a rather long label of number 99") {
		t.Errorf("the keyboard is at %v", m.at)
	}
	cells := objects[*cell](m)
	cells[0].MouseIn(&desktop.MouseEvent{})
	if len(s.tab.view.mistakes.kinds) != mostPairs {
		t.Errorf("%d pairs", len(s.tab.view.mistakes.kinds))
	}
	// A smaller matrix afterwards.
	s.p.show(experiment.Run{ID: "y", Params: train.DefaultParams(), Report: report(10)})
	m = s.tab.view.result.matrix
	if m.at != (widget.TableCellID{}) || len(objects[*cell](m)) > 9 {
		t.Errorf("at %v, %d cells", m.at, len(objects[*cell](m)))
	}
}

// slowThumbs keep what they are to load.
type slowThumbs struct {
	noThumbs

	done      []func(image.Image, error)
	cancelled int
}

func (s *slowThumbs) Load(_ thumb.Key, done func(image.Image, error)) func() {
	s.done = append(s.done, done)
	return func() { s.cancelled++ }
}

// TestThumbnails has a row show another photo before the picture of the first is there.
func TestThumbnails(t *testing.T) {
	s := newStage(t)
	slow := &slowThumbs{}
	s.tab.view.params.Thumbs = slow
	s.p.thumbs = map[string]thumb.Key{"a": {Path: "a"}, "b": {Path: "b"}}
	row := newMistake(s.tab.view)
	row.set(train.Answer{File: "a"})
	row.set(train.Answer{File: "a"})
	row.set(train.Answer{File: "b"})
	if len(slow.done) != 2 || slow.cancelled != 1 {
		t.Fatalf("%d pictures asked for, %d cancelled", len(slow.done), slow.cancelled)
	}
	picture := image.NewRGBA(image.Rect(0, 0, 2, 2))
	slow.done[0](picture, nil)
	s.queue.drain()
	if row.picture.Image != blank {
		t.Error("the row shows the picture of another photo")
	}
	slow.done[1](picture, nil)
	s.queue.drain()
	if row.picture.Image != picture {
		t.Error("the row does not show its picture")
	}
	row.set(train.Answer{File: "gone"})
	if row.picture.Image != blank || !strings.Contains(row.scores.Text, "not there any more") {
		t.Errorf("a photo that is gone: %q", row.scores.Text)
	}
}

// TestExportedFiles writes the charts and tables of a run.
func TestExportedFiles(t *testing.T) {
	s := newStage(t)
	s.ready()
	s.train()
	dir := t.TempDir()
	v := s.tab.view
	s.p.save(dir, exported("one", []experiment.Run{*s.p.result}, []figure{
		{"accuracy", v.curves.accuracy.Figure()}, {"cross-entropy", v.curves.crossEntropy.Figure()},
	}))
	s.until("the files are written", func() bool { return s.p.notice.key == "retrain.notice.saved" })
	for _, name := range []string{"one-accuracy.png", "one-cross-entropy.png"} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(f)
		if err := errors.Join(err, f.Close()); err != nil || picture.Bounds().Dx() != exportWidth || picture.Bounds().Dy() != exportHeight {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, lines := range map[string]int{"one-curves.csv": 401, "one-runs.csv": 2} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || strings.Count(string(data), "\n") != lines {
			t.Errorf("%s: %d lines, %v", name, strings.Count(string(data), "\n"), err)
		}
	}
}

func TestColumns(t *testing.T) {
	var points []train.Point
	for step := 1; step <= 100; step++ {
		points = append(points, point(step))
	}
	points[50].ValidationAccuracy, points[50].ValidationCrossEntropy = nil, nil
	var c columns
	c.take(points[:40])
	first := c.accuracy
	c.take(points)
	if len(c.steps) != 100 || len(c.validationSteps) != 99 || len(c.smooth(c.accuracy)) != 100 || first[39] != c.accuracy[39] || len(first) != 40 {
		t.Errorf("%d steps, %d validations", len(c.steps), len(c.validationSteps))
	}
	c.take(points[10:30]) // Those of another run.
	if len(c.steps) != 20 || c.steps[0] != 11 {
		t.Errorf("%v", c.steps)
	}
	c.take(points[50:90]) // And of a third.
	if len(c.steps) != 40 || c.steps[0] != 51 {
		t.Errorf("%v", c.steps)
	}
	c.take(nil)
	if len(c.steps) != 0 || c.smooth(c.accuracy) != nil {
		t.Errorf("%v", c.steps)
	}
}

// TestTexts wants a text for each key in the code, in each language, and no text that nobody shows.
func TestTexts(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used, begun := map[string]bool{}, []string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			switch text, err := strconv.Unquote(literal.Value); {
			case err != nil || !strings.HasPrefix(text, "retrain.") || text == preferencesKey:
			case strings.HasSuffix(text, "."):
				begun = append(begun, text)
			default:
				used[text] = true
			}
			return true
		})
	}
	// Keys that are put together.
	for _, n := range numbers {
		used["retrain.field."+n.key], used["retrain.hint."+n.key] = true, true
	}
	for _, c := range choices {
		used["retrain.field."+c.key], used["retrain.hint."+c.key] = true, true
		for _, o := range c.options {
			used["retrain.option."+o] = true
		}
	}
	for _, p := range []preset{presetNone, presetFlip, presetLight, presetCustom} {
		used["retrain.preset."+string(p)] = true
	}
	for _, name := range described {
		used["retrain.good_for."+name] = true
	}
	for _, s := range experiment.Compare(nil) {
		used["retrain.setting."+s.Name] = true
	}
	for _, language := range i18n.Languages() {
		data, err := os.ReadFile("../../assets/translations/retrain." + language + ".json")
		if err != nil {
			t.Fatal(err)
		}
		texts := map[string]any{}
		if err := json.Unmarshal(data, &texts); err != nil {
			t.Fatal(err)
		}
		for key := range used {
			if texts[key] == nil {
				t.Errorf("%s: no text for %s", language, key)
			}
		}
		for key := range texts {
			if !used[key] {
				t.Errorf("%s: nobody shows %s", language, key)
			}
		}
	}
	if len(begun) == 0 {
		t.Error("no key is put together any more: simplify this test")
	}
}

// TestBasesAreDescribed wants a line in each language for each base model of the catalogue.
func TestBasesAreDescribed(t *testing.T) {
	data, err := os.ReadFile("../../model/catalogue.json")
	if err != nil {
		t.Fatal(err)
	}
	var bases []struct{ Name, Title string }
	if err := json.Unmarshal(data, &bases); err != nil {
		t.Fatal(err)
	}
	s := newStage(t)
	for _, b := range bases {
		if s.tab.view.form.goodForWords(Base{Name: b.Name}) == "" {
			t.Errorf("%s is not described", b.Name)
		}
	}
}

// TestFocusIsInSight goes through the form by the keyboard, in a low window: what has the focus is in sight.
func TestFocusIsInSight(t *testing.T) {
	s := newStage(t)
	s.ready()
	f := s.tab.view.form
	f.scroll.ScrollToOffset(fyne.NewPos(0, f.content.Size().Height)) // As far as it goes.
	test.Tap(f.more)
	if !f.rest.Visible() {
		t.Fatal("the settings were not folded out")
	}
	inSight := func(o fyne.CanvasObject) bool {
		d := fyne.CurrentApp().Driver()
		y := d.AbsolutePositionForObject(o).Y - d.AbsolutePositionForObject(f.scroll).Y
		return y >= 0 && y+o.Size().Height <= f.scroll.Size().Height+1
	}
	if !inSight(f.entries["random_crop"].row) {
		t.Error("what was folded out is out of sight")
	}
	seen := 0
	for range 60 {
		s.window.Canvas().FocusNext()
		o, ok := s.window.Canvas().Focused().(fyne.CanvasObject)
		if !ok {
			t.Fatal("nothing has the focus")
		}
		if slices.Contains(objects[fyne.Focusable](f.scroll), s.window.Canvas().Focused()) {
			seen++
			if !inSight(o) {
				t.Errorf("%T at scroll %v has the focus, out of sight", o, f.scroll.Offset)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d of the form's widgets took the focus", seen)
	}
	f.more.OnTapped()
	if f.rest.Visible() {
		t.Error("the settings were not folded in")
	}
}

// TestVariationsMakeCopies asks for variations without saying how many copies: without any, nothing would come of them.
func TestVariationsMakeCopies(t *testing.T) {
	s := newStage(t)
	s.ready()
	f := s.tab.view.form
	f.flip.SetChecked(true)
	if f.presets.Selected != "Mirrored" {
		t.Errorf("mirroring was chosen; the preset is %q", f.presets.Selected)
	}
	f.flip.SetChecked(false)
	f.entries["augmented_views"].entry.SetText("0")
	f.entries["random_rotation"].entry.SetText("5")
	if a := s.p.settings.Params.Augmentation; a.Views != feature.DefaultViews || f.entries["augmented_views"].entry.Text != "4" {
		t.Errorf("turning was chosen: %+v, copies %q", a, f.entries["augmented_views"].entry.Text)
	}
	f.entries["augmented_views"].entry.SetText("0")
	f.entries["learning_rate"].entry.SetText("0.02")
	if s.p.settings.Params.Augmentation.Views != 0 {
		t.Error("copies were switched off, and came back with another setting")
	}
}

// TestMatrixFits looks at a matrix in a low window.
func TestMatrixFits(t *testing.T) {
	s := newStage(t)
	s.ready()
	s.train()
	s.window.Resize(fyne.NewSize(800, 260))
	m := s.tab.view.result.matrix
	if rows := float32(len(m.counts.Labels)); m.Size().Height < (rows+1)*m.CreateHeader().MinSize().Height {
		t.Errorf("%v labels in a height of %v", rows, m.Size().Height)
	}
	shown := s.tab.view.result.shown
	shown.ScrollToTop()
	w := objects[*wheel](s.tab.view.result.place)
	if len(w) != 1 {
		t.Fatalf("%d widgets hand on the wheel", len(w))
	}
	w[0].Scrolled(&fyne.ScrollEvent{Scrolled: fyne.NewDelta(0, -20)})
	if shown.Offset.Y == 0 {
		t.Error("the page does not scroll over the matrix")
	}
	m.FocusGained()
	if bottom := shown.Offset.Y + shown.Size().Height; bottom < shown.Content.Size().Height-theme.Padding() {
		t.Errorf("the matrix has the focus; the page shows up to %v of %v", bottom, shown.Content.Size().Height)
	}
}

// TestHelpFromEverywhere presses F1 at all that Tab comes to, on each page: the window gets it.
func TestHelpFromEverywhere(t *testing.T) {
	s := newStage(t)
	s.ready()
	s.train()
	s.train()
	f := s.tab.view.form
	test.Tap(f.more)
	helped := 0
	s.window.Canvas().SetOnTypedKey(func(e *fyne.KeyEvent) {
		if e.Name == fyne.KeyF1 {
			helped++
		}
	})
	met := map[string]bool{}
	for _, page := range s.tab.view.pages.All() {
		s.tab.view.pages.Choose(page)
		s.window.Canvas().Focus(nil)
		s.window.Canvas().FocusNext()
		for first := s.window.Canvas().Focused(); ; {
			focused := s.window.Canvas().Focused()
			met[fmt.Sprintf("%T", focused)] = true
			helped = 0
			focused.TypedKey(&fyne.KeyEvent{Name: fyne.KeyF1})
			if helped != 1 {
				t.Errorf("%s: F1 at %T comes to the window %d times", page.Title(), focused, helped)
			}
			if s.window.Canvas().FocusNext(); s.window.Canvas().Focused() == first {
				break
			}
		}
	}
	for _, kind := range []string{"*widgets.radio", "*retrain.matrix", "*widgets.Check", "*chart.legendEntry", "*chart.plotArea", "*widgets.Entry"} {
		if !met[kind] {
			t.Errorf("Tab does not come to a %s: %v", kind, met)
		}
	}
}

// TestInterval writes the ends of intervals.
func TestInterval(t *testing.T) {
	s := newStage(t)
	for _, c := range []struct {
		right, count int
		low, high    string
	}{{0, 10, "0.0 %", "27.8 %"}, {10, 10, "72.2 %", "100.0 %"}, {0, 3, "0.0 %", "56.1 %"}, {0, 41, "0.0 %", "8.6 %"}, {0, 100_000, "0.0 %", "< 0.1 %"}, {1, 100_000, "< 0.1 %", "< 0.1 %"}} {
		tested := &train.Tested{Correct: c.right, Count: c.count}
		tested.Low, tested.High = train.Wilson(c.right, c.count)
		if low, high := s.tab.view.interval(tested); low != c.low || high != c.high {
			t.Errorf("%d of %d: %s to %s, want %s to %s", c.right, c.count, low, high, c.low, c.high)
		}
	}
}

// TestNothingMoves looks at the tab while nobody knows how much there is to do: words say so, and nothing moves.
func TestNothingMoves(t *testing.T) {
	s := newStage(t)
	s.ready()
	end := make(chan struct{})
	s.trainer.train = func(context.Context, Request, <-chan struct{}, func(train.Event)) (*train.Report, error) {
		<-end
		return nil, errors.New("ended")
	}
	test.Tap(s.tab.view.start)
	s.until("it begins", func() bool { return s.says("Starting TensorFlow") })
	if s.tab.view.bar.Visible() || len(objects[*widget.ProgressBarInfinite](s.window.Content())) > 0 {
		t.Error("a bar is shown though nobody knows how far it is")
	}
	close(end)
	s.until("it has ended", func() bool { return s.p.live == nil })
}

// TestControlsFit changes the language and the width while the tab says more than fits into a line.
func TestControlsFit(t *testing.T) {
	s := newStage(t)
	s.ready()
	on := make(chan struct{})
	s.trainer.train = func(ctx context.Context, _ Request, stop <-chan struct{}, observe func(train.Event)) (*train.Report, error) {
		pt := point(10)
		observe(train.Event{Phase: train.Training, Point: &pt, Steps: 4000})
		<-stop
		for range 2 {
			select {
			case <-on:
			case <-ctx.Done():
			}
			observe(train.Event{Phase: train.Writing})
		}
		return nil, errors.New("ended")
	}
	test.Tap(s.tab.view.start)
	fits := func(when string) {
		t.Helper()
		v := s.tab.view
		if bottom, top := v.phase.Position().Y+v.phase.MinSize().Height, v.stop.Position().Y; bottom > top+1 {
			t.Errorf("%s: the words reach down to %v, and Stop begins at %v", when, bottom, top)
		}
		if bottom, room := v.controls.Position().Y+v.controls.MinSize().Height, v.left.Size().Height; bottom > room+1 {
			t.Errorf("%s: the controls reach down to %v of %v", when, bottom, room)
		}
	}
	s.until("it trains", func() bool { now, _ := s.p.progress(); return now.Total > 0 })
	s.p.stop()
	for _, language := range []string{"ja", "en"} {
		s.load(language)
		s.window.SetContent(s.tab.Content())
		fits(language)
		s.window.Resize(fyne.NewSize(660, 480))
		fits(language + ", narrow")
		s.window.Resize(fyne.NewSize(800, 480))
		fits(language + ", wide")
	}
	on <- struct{}{}
	s.until("it writes", func() bool { now, _ := s.p.progress(); return now.Final && s.says("testing, and writing") })
	on <- struct{}{}
	s.until("it has ended", func() bool { return s.p.live == nil })
}

// TestWrongEntrySurvivesTheLanguage changes the language while something wrong is typed.
func TestWrongEntrySurvivesTheLanguage(t *testing.T) {
	s := newStage(t)
	s.ready()
	s.tab.view.form.entries["how_many_training_steps"].entry.SetText("many")
	if !s.tab.view.start.Disabled() {
		t.Fatal("it can be started with a wrong setting")
	}
	s.load("ja")
	s.window.SetContent(s.tab.Content())
	e := s.tab.view.form.entries["how_many_training_steps"]
	if e.entry.Text != "many" || e.hint.Importance != widget.DangerImportance || !s.tab.view.start.Disabled() {
		t.Errorf("the entry shows %q, its line is %v %q", e.entry.Text, e.hint.Importance, e.hint.Text)
	}
	e.entry.SetText("500")
	if s.tab.view.start.Disabled() || s.p.settings.Params.Steps != 500 {
		t.Errorf("after it was put right there are %d steps, and it can be started: %v", s.p.settings.Params.Steps, !s.tab.view.start.Disabled())
	}
}

// TestFetchedInJapanese names the base model that was fetched in the language of the moment.
func TestFetchedInJapanese(t *testing.T) {
	s := newStage(t)
	s.ready()
	s.trainer.fetch = func(context.Context, string, func(string, int64, int64)) error { return nil }
	s.p.setBase("mobilenet_1.0_224")
	s.p.fetchBase()
	s.until("it is fetched", func() bool { return s.p.notice.key == "retrain.notice.fetched" })
	s.load("ja")
	s.window.SetContent(s.tab.Content())
	want := s.tx.T("retrain.notice.fetched", "Title", s.tab.view.baseTitle("mobilenet_1.0_224"))
	if !s.says(want) {
		t.Errorf("it does not say %q", want)
	}
	if title := s.tab.view.words(say("retrain.notice.fetched", "Title", baseName("efficientnet_lite0"))); !strings.Contains(title, widgets.BaseTitle(s.tx, "efficientnet_lite0", "")) {
		t.Errorf("the title is that of another language: %q", title)
	}
}

// TestComparedByNumbersTakesTheFocus clicks the charts of accuracy by photos and steps, whose values the keyboard then tells.
func TestComparedByNumbersTakesTheFocus(t *testing.T) {
	s := newStage(t)
	s.ready()
	for _, steps := range []string{"500", "1000"} {
		s.p.setNumber("how_many_training_steps", steps)
		s.train()
	}
	for _, r := range s.p.runs {
		s.p.choose(r.ID, true)
	}
	s.until("they are compared", func() bool { return s.tab.view.compare.bySteps != nil })
	s.tab.view.pages.Choose(s.tab.view.compare.page)
	focused := false
	for _, o := range objects[interface {
		fyne.Tappable
		fyne.Focusable
	}](s.tab.view.compare.bySteps) { // The plot, and the entries of the legend.
		test.Tap(o)
		focused = focused || s.window.Canvas().Focused() == fyne.Focusable(o)
	}
	if !focused {
		t.Error("a click on the chart gives it no focus")
	}
}
