package ui

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"kaika/core/classify"
	"kaika/core/dataset"
	"kaika/core/experiment"
	"kaika/core/job"
	"kaika/core/picture/picturetest"
	"kaika/core/secret"
	"kaika/core/thumb"
	"kaika/core/train"
	"kaika/core/trained"
	"kaika/ui/retrain"
	"kaika/ui/widgets"
)

// stillTrainer has base models and trains nothing, or what a test says.
type stillTrainer struct{ o *opened }

var errStill = errors.New("nothing is trained here")

func (s stillTrainer) Train(_ context.Context, r retrain.Request, _ <-chan struct{}, _ func(train.Event)) (*train.Report, trained.BaseModel, error) {
	if s.o.train == nil {
		return nil, trained.BaseModel{}, errStill
	}
	report, err := s.o.train(r)
	return report, trained.BaseModel{Name: r.Base}, err
}

func (stillTrainer) Bases(context.Context) ([]retrain.Base, error) {
	return []retrain.Base{{Name: "small", Title: "Small", Installed: true, InputSize: 32}}, nil
}

func (stillTrainer) FetchBase(context.Context, string, func(string, int64, int64)) error {
	return errStill
}

// opened is a frame, and the functions that it dispatched.
type opened struct {
	*Frame

	t       *testing.T
	queue   queue
	example func(ctx context.Context, dir string, progress func(done, total int64)) error
	train   func(r retrain.Request) (*train.Report, error) // Nil trains nothing.
	models  chan string                                    // Folders of models that are to be opened.
}

func open(t *testing.T, settings memory) *opened {
	t.Helper()
	app := test.NewTempApp(t)
	if settings == nil {
		settings = memory{}
	}
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	thumbs := thumb.New(thumb.Params{Dir: filepath.Join(dir, "thumbnails"), Side: 64, MaxMemory: 1 << 20, MaxDisk: 1 << 20, Workers: 1, Log: log})
	o := &opened{t: t, queue: make(queue, 10_000), models: make(chan string, 10)}
	frame, err := New(t.Context(), Params{
		App: app, Dispatch: o.queue.dispatch, Log: log, Settings: settings, Version: "test", Trainer: stillTrainer{o},
		OpenModel: func(_ context.Context, dir string) (*classify.Classifier, error) {
			o.models <- dir
			return nil, trained.ErrNoModel
		},
		Experiments: &experiment.Store{Dir: filepath.Join(dir, "runs"), Log: log}, Thumbs: thumbs,
		Secrets: secret.Open(filepath.Join(dir, "config")),
		FetchExample: func(ctx context.Context, dir string, progress func(done, total int64)) error {
			return o.example(ctx, dir, progress)
		},
		Example: Example{Name: "flowers", Licence: "CC BY", Bytes: 229_000_000}, Pictures: dir,
	})
	if err != nil {
		t.Fatal(err)
	}
	o.Frame = frame
	frame.window.Resize(fyne.NewSize(800, 600))
	frame.window.Show()
	t.Cleanup(func() {
		frame.Close()
		thumbs.Close()
	})
	return o
}

// until runs what is dispatched until something is so.
func (o *opened) until(what string, so func() bool) {
	o.t.Helper()
	late := time.After(time.Minute)
	for !so() {
		select {
		case f := <-o.queue:
			f()
		case <-late:
			o.t.Fatalf("waited in vain until %s; the window shows %q", what, o.texts())
		}
	}
}

// objects are all that can be seen, dialogs last.
func (o *opened) objects() []fyne.CanvasObject {
	var all []fyne.CanvasObject
	var walk func(c fyne.CanvasObject)
	walk = func(c fyne.CanvasObject) {
		if !c.Visible() {
			return
		}
		all = append(all, c)
		switch c := c.(type) {
		case *fyne.Container:
			for _, child := range c.Objects {
				walk(child)
			}
		case fyne.Widget:
			for _, child := range test.WidgetRenderer(c).Objects() {
				walk(child)
			}
		}
	}
	walk(o.window.Content())
	for _, overlay := range o.window.Canvas().Overlays().List() {
		walk(overlay)
	}
	return all
}

func (o *opened) texts() string {
	var b strings.Builder
	for _, c := range o.objects() {
		switch c := c.(type) {
		case *widget.Label:
			fmt.Fprintln(&b, c.Text)
		case *widgets.Text:
			fmt.Fprintln(&b, c.Text)
		case *widget.Button:
			fmt.Fprintln(&b, c.Text)
		case *widgets.Button:
			fmt.Fprintln(&b, c.Text)
		case *canvas.Text:
			fmt.Fprintln(&b, c.Text)
		}
	}
	return b.String()
}

func (o *opened) tap(text string) {
	o.t.Helper()
	for _, c := range o.objects() {
		switch b := c.(type) {
		case *widget.Button:
			if b.Text == text {
				test.Tap(b)
				return
			}
		case *widgets.Button:
			if b.Text == text {
				test.Tap(b)
				return
			}
		}
	}
	o.t.Fatalf("there is no button %q among %q", text, o.texts())
}

func (o *opened) sees(texts ...string) {
	o.t.Helper()
	seen := o.texts()
	for _, text := range texts {
		if !strings.Contains(seen, text) {
			o.t.Errorf("%q is not seen in %q", text, seen)
		}
	}
}

func TestGreeting(t *testing.T) {
	o := open(t, memory{prefLanguage: "en"})
	o.sees("Welcome to Kaika", "Open a folder", "Collect photos", "Fetch the example", "229 MB")
	o.tap("Look around first")
	if strings.Contains(o.texts(), "Welcome") || o.selected() != tabReview {
		t.Errorf("after the greeting the tab %q is shown: %q", o.selected(), o.texts())
	}
	for _, name := range o.names {
		o.Select(name)
		if o.selected() != name || o.p.Settings.String(prefTab) != name {
			t.Errorf("%s is not in front", name)
		}
	}
}

func TestGreetsInJapanese(t *testing.T) {
	o := open(t, memory{prefLanguage: "ja"})
	o.sees("Kaikaへようこそ", "フォルダーを開く", "写真を集める", "サンプルを入手", "データセットを選択")
}

func TestReopens(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "rose", "tulip")
	o := open(t, memory{prefLanguage: "en", prefDataset: dir, prefTab: tabRetrain, prefSize: "900x700"})
	o.until("the dataset is open", func() bool { return o.session.library != nil })
	o.sees(dir)
	if o.selected() != tabRetrain {
		t.Errorf("the tab %s is in front", o.selected())
	}
	o.session.Leave()
	o.sees("Choose a dataset")
}

func TestLanguageChanges(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "rose", "tulip")
	o := open(t, memory{prefLanguage: "en", prefDataset: dir, prefTab: tabReview})
	o.until("the dataset is open", func() bool { return o.session.library != nil })
	o.showSettings()
	o.sees("Language", "Appearance")
	o.useLanguage("ja")
	o.sees("言語", "見直す", "学習")
	if o.selected() != tabReview || o.session.library == nil {
		t.Errorf("after the change, %s is in front and the dataset is %v", o.selected(), o.session.library)
	}
	if strings.Contains(o.texts(), "Settings") {
		t.Errorf("still in English: %q", o.texts())
	}
}

// TestLanguageChangesOverDialogs changes the language over a question and with a key half typed.
func TestLanguageChangesOverDialogs(t *testing.T) {
	o := open(t, memory{prefLanguage: "en"})
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	if err := o.jobs.Start("other", func(context.Context, func(job.Progress)) error { <-ended; return nil }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.left = true }) // Nobody waits for that job.
	o.askToClose()
	o.showSettings()
	key := func() *widgets.Entry {
		for _, c := range o.objects() {
			if e, ok := c.(*widgets.Entry); ok && e.Password {
				return e
			}
		}
		t.Fatal("there is no entry for the key")
		return nil
	}
	test.Type(key(), "half of")
	o.useLanguage("ja")
	if got := key().Text; got != "half of" {
		t.Errorf("of the key, %q is left", got)
	}
	if o.question != nil {
		t.Error("the question is gone, and the window takes it for open: it can never be closed")
	}
}

func TestDrops(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "rose", "tulip")
	photo := filepath.Join(dir, "rose")
	entries, err := os.ReadDir(photo)
	if err != nil {
		t.Fatal(err)
	}
	photo = filepath.Join(photo, entries[0].Name())

	o := open(t, memory{prefLanguage: "en"})
	web, err := storage.ParseURI("https://example.org/x.jpg")
	if err != nil {
		t.Fatal(err)
	}
	o.dropped([]fyne.URI{web}) // Not a file: nothing happens.
	o.dropped([]fyne.URI{storage.NewFileURI(dir)})
	o.until("it is asked what to do", func() bool { return strings.Contains(o.texts(), "What shall be done") })
	o.tap("Open it as a dataset")
	o.until("the dataset is open", func() bool { return o.session.library != nil })

	o.Select(tabReview)
	o.dropped([]fyne.URI{storage.NewFileURI(photo)})
	o.until("the photo goes to Classify", func() bool { return o.selected() == tabClassify })

	o.Select(tabReview)
	o.dropped([]fyne.URI{storage.NewFileURI(dir)})
	o.until("it is asked again", func() bool { return strings.Contains(o.texts(), "Import its photos into") })
	o.tap("Import its photos into " + filepath.Base(dir))
	o.until("the folder is listed in Collect", func() bool { return o.selected() == tabCollect })

	list := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(list, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		on, to string
		paths  []string
	}{
		{tabReview, tabCollect, []string{list}},
		{tabClassify, tabClassify, []string{list}}, // It gets a sentence there.
		{tabReview, tabClassify, []string{list, photo}},
		{tabReview, tabClassify, []string{dir, list}},
		{tabReview, tabClassify, []string{"/x/photos.zip", photo}},
		{tabReview, tabCollect, []string{"/x/photos.zip"}},
	} {
		o.Select(c.on)
		o.take(sortDrop(c.paths))
		if o.selected() != c.to {
			t.Errorf("%v dropped on %s goes to %s", c.paths, c.on, o.selected())
		}
	}
	o.Select(tabClassify)
	o.until("Classify says that it waits", func() bool { return strings.Contains(o.texts(), "as soon as there is a model") })
}

func TestCloses(t *testing.T) {
	o := open(t, memory{prefLanguage: "en"})
	stopped := make(chan struct{})
	err := o.jobs.Start("retrain", func(ctx context.Context, _ func(job.Progress)) error {
		<-ctx.Done()
		close(stopped)
		return ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	o.until("the job is shown", func() bool { return strings.Contains(o.texts(), "Retraining") })
	o.askToClose()
	o.sees("Retraining has not ended.")
	o.tap("Go on")
	if !o.jobs.State().Running {
		t.Fatal("the job was stopped though the user said no")
	}
	o.askToClose()
	o.tap("Stop and close")
	o.until("the window is closed", o.over.Load)
	<-stopped
}

// TestLeaves closes the window though a job does not stop, after it was asked to.
func TestLeaves(t *testing.T) {
	o := open(t, memory{prefLanguage: "en"})
	ended := make(chan struct{})
	if err := o.jobs.Start("other", func(context.Context, func(job.Progress)) error { <-ended; return nil }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(ended) })
	o.askToClose()
	o.tap("Stop and close")
	o.until("it waits", func() bool { return strings.Contains(o.texts(), "Putting the work away") })
	o.askToClose()
	o.sees("has not stopped yet")
	o.tap("Wait")
	if o.over.Load() {
		t.Fatal("the window is closed though the user said to wait")
	}
	o.askToClose()
	o.tap("Close at once")
	if !o.over.Load() {
		t.Fatal("the window is not closed")
	}
	o.Close() // It does not wait for the job, which ends after it.
}

// TestDispatchAfterClosing has things dispatched when the window is closed: nobody is there to run them one at a time.
func TestDispatchAfterClosing(t *testing.T) {
	o := open(t, memory{prefLanguage: "en"})
	ran := 0
	dispatch := o.whileOpen(func(do func()) { do() })
	dispatch(func() { ran++ })
	o.window.Close()
	dispatch(func() { ran++ })
	if ran != 1 {
		t.Errorf("%d of 2 functions ran, want the one before the window was closed", ran)
	}
}

// TestCloseQuestion asks to close while jobs run, which then end by themselves.
func TestCloseQuestion(t *testing.T) {
	o := open(t, memory{prefLanguage: "en"})
	begin := func(r *job.Runner, kind string) (end func()) {
		ended := make(chan struct{})
		if err := r.Start(kind, func(context.Context, func(job.Progress)) error { <-ended; return nil }); err != nil {
			t.Fatal(err)
		}
		return func() { close(ended) }
	}
	asks := func() bool { return strings.Contains(o.texts(), "Work is going on") }
	endClassify, endRetrain := begin(o.answers, "classify"), begin(o.jobs, "retrain")
	o.askToClose()
	o.askToClose() // The close button again.
	if n := len(o.window.Canvas().Overlays().List()); n != 1 {
		t.Fatalf("%d questions are asked", n)
	}
	o.sees("gives no model", "the answers are not kept")
	endRetrain()
	o.until("the question is about what still runs", func() bool { return !strings.Contains(o.texts(), "gives no model") })
	o.sees("the answers are not kept")
	endClassify()
	o.until("the question is gone", func() bool { return !asks() })
	if o.over.Load() || o.closing {
		t.Error("the window closes though nobody said so")
	}
	for kind, word := range map[string]string{
		"collect": "Photos that have arrived stay", "fetch_base": "goes on from there", jobExample: "goes on from there", "other": "it stops.",
	} {
		end := begin(o.jobs, kind)
		o.askToClose()
		o.sees(word)
		o.press(fyne.KeyReturn) // The focus is on going on.
		if asks() || o.closing {
			t.Errorf("%s: after Enter the question is there: %v; closing: %v", kind, asks(), o.closing)
		}
		end()
		o.until("the job has ended", func() bool { return !o.jobs.State().Running })
	}
	o.askToClose()
	o.until("the window is closed", o.over.Load)
}

// press presses a key as the driver does.
func (o *opened) press(key fyne.KeyName) {
	ev := &fyne.KeyEvent{Name: key}
	if focused := o.window.Canvas().Focused(); focused != nil {
		focused.TypedKey(ev)
		return
	}
	o.window.Canvas().OnTypedKey()(ev)
}

// TestEscape opens each dialog of the frame, and closes it by Escape from each widget that Tab comes to.
func TestEscape(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "rose", "tulip")
	o := open(t, memory{prefLanguage: "en", prefDataset: dir, prefTab: tabReview})
	o.until("the dataset is open", func() bool { return o.session.library != nil })
	overlays := o.window.Canvas().Overlays()
	for name, show := range map[string]func(){
		"help": o.showHelp, "about": o.showAbout, "new": func() { o.newDataset(func() {}) }, "folder": o.chooseDataset,
		"drop": func() { o.askAboutFolder(dir) }, "example": o.fetchExample,
	} {
		o.window.Canvas().Focus(nil)
		before := o.window.Canvas().Focused()
		show()
		for stop := 0; ; stop++ {
			if overlays.Top() == nil {
				t.Fatalf("%s: there is no dialog", name)
			}
			for range stop {
				o.window.Canvas().FocusNext()
			}
			o.press(fyne.KeyEscape)
			if overlays.Top() != nil {
				t.Errorf("%s: Escape at %T leaves it open", name, o.window.Canvas().Focused())
				overlays.Remove(overlays.Top())
			}
			if stop == 12 {
				break
			}
			show()
		}
		if o.window.Canvas().Focused() != before {
			t.Errorf("%s: afterwards the focus is on %T", name, o.window.Canvas().Focused())
		}
	}
	o.showHelp()
	o.window.Canvas().Focus(nil)
	o.press(fyne.KeyEscape)
	if overlays.Top() != nil {
		t.Error("without a focus Escape leaves a dialog open")
	}
	o.press(fyne.KeyF1)
	o.press(fyne.KeyF1)
	if n := len(overlays.List()); n != 1 {
		t.Errorf("F1 twice opens %d dialogs", n)
	}
}

// TestKeysGoToWhatIsSeen presses keys after Ctrl+1 to 4, which change the tab under whatever has the focus.
func TestKeysGoToWhatIsSeen(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "rose", "tulip")
	o := open(t, memory{prefLanguage: "en", prefDataset: dir, prefTab: tabReview})
	o.until("the photos have the focus", func() bool {
		return o.session.library != nil && o.window.Canvas().Focused() != nil && strings.Contains(o.texts(), "6 photos")
	})
	review := o.window.Canvas().Focused()
	overlays := o.window.Canvas().Overlays()
	for _, name := range o.names {
		o.Select(name)
		if focused := o.window.Canvas().Focused(); name != tabReview && focused == review {
			t.Errorf("%s is shown, and the keys go to the photos of Review", name)
		}
		if name == tabCollect {
			continue // What has the focus there hands no key on; Ctrl+/ is the menu's.
		}
		o.press(fyne.KeyF1)
		if len(overlays.List()) != 1 {
			t.Errorf("%s: F1 opens %d dialogs", name, len(overlays.List()))
		}
		for _, overlay := range overlays.List() {
			overlays.Remove(overlay)
		}
	}
}

// TestNewDataset makes a dataset by the keyboard alone.
func TestNewDataset(t *testing.T) {
	o := open(t, memory{prefLanguage: "en"})
	next := false
	o.newDataset(func() { next = true })
	name, ok := o.window.Canvas().Focused().(*widgets.Entry)
	if !ok {
		t.Fatalf("the focus is on %T", o.window.Canvas().Focused())
	}
	if strings.Contains(o.texts(), "without slashes") {
		t.Error("there is a complaint before anything was typed")
	}
	o.press(fyne.KeyReturn)
	name.SetText("a/b")
	o.sees("without slashes")
	o.press(fyne.KeyReturn)
	if next {
		t.Fatal("a dataset is made of a name with a slash")
	}
	name.SetText(" 庭の花 ")
	o.press(fyne.KeyReturn)
	o.until("it is open", func() bool { return o.session.library != nil })
	if !next || filepath.Base(o.session.library.Dir()) != "庭の花" {
		t.Errorf("made %s; went on: %v", o.session.library.Dir(), next)
	}
	for _, c := range []struct{ name, parent, labels, want string }{
		{"x", "/tmp", "", ""},
		{"x", "/tmp", "rose\n\n tulip ", ""},
		{" ", "/tmp", "", "without slashes"},
		{".x", "/tmp", "", "without slashes"},
		{"x", "relative", "", "full path"},
		{"x", "", "", "full path"},
		{"x", "/tmp", "rose\na/b", "“a/b” cannot be a label"},
	} {
		if got := o.newProblem(c.name, c.parent, c.labels); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%q in %q with %q: %q, want %q", c.name, c.parent, c.labels, got, c.want)
		}
	}
}

func TestExample(t *testing.T) {
	o := open(t, memory{prefLanguage: "en"})
	o.example = func(_ context.Context, dir string, progress func(done, total int64)) error {
		progress(1, 2)
		if err := os.Rename(picturetest.Dataset(t, 2, "rose", "tulip"), dir); err != nil {
			return err
		}
		return nil
	}
	o.tap("Fetch the example")
	o.sees("will be downloaded into", "CC BY")
	o.tap("Download")
	o.until("the example is open", func() bool { return o.session.library != nil })
	if filepath.Base(o.session.library.Dir()) != "flowers" || o.selected() != tabReview {
		t.Errorf("%s is open, %s in front", o.session.library.Dir(), o.selected())
	}
	// A second time it is there already.
	o.example = func(context.Context, string, func(done, total int64)) error { return dataset.ErrExamplePresent }
	o.until("the first job has ended", func() bool { return !o.jobs.State().Running })
	o.session.Leave()
	o.loadExample(filepath.Join(o.p.Pictures, "flowers"))
	o.until("it is opened again", func() bool { return o.session.library != nil })
	// A failure is told, with a way out.
	o.until("the second job has ended", func() bool { return !o.jobs.State().Running })
	o.example = func(context.Context, string, func(done, total int64)) error { return errStill }
	o.loadExample("elsewhere")
	o.until("the failure is told", func() bool { return strings.Contains(o.texts(), "could not be fetched") })
}

func TestMenuAndHelp(t *testing.T) {
	o := open(t, memory{prefLanguage: "en"})
	seen := map[string]bool{}
	for _, menu := range o.menu().Items {
		for _, item := range menu.Items {
			if item.Shortcut == nil {
				continue
			}
			if name := item.Shortcut.ShortcutName(); seen[name] {
				t.Errorf("%s: the shortcut %s is taken", item.Label, name)
			} else {
				seen[name] = true
			}
		}
	}
	o.showHelp()
	o.sees("Keyboard shortcuts", "Ctrl+1", "Move to the trash")
	o.showAbout()
	o.sees("Open Font License")
}

// The window must fit on a small screen in each language, whatever is in it.
func TestSmallestSize(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "rose", "a label with a very long name that goes on and on and on")
	for _, language := range []string{"en", "ja"} {
		o := open(t, memory{prefLanguage: language, prefDataset: dir})
		o.until("the dataset is open", func() bool { return o.session.library != nil })
		for i, name := range o.names {
			o.Select(name)
			item := o.tabs.Items[i]
			if least := item.Content.MinSize(); least.Width > 800 || least.Height > 470 {
				t.Errorf("%s: %s needs %v, there are about 800 x 470", language, name, least)
			}
		}
	}
}

// TestSettingsInSight goes by Tab through the settings in a small window: what has the focus is in sight.
func TestSettingsInSight(t *testing.T) {
	for language, size := range map[string]fyne.Size{"en": fyne.NewSize(640, 480), "ja": fyne.NewSize(800, 600)} {
		o := open(t, memory{prefLanguage: language})
		o.window.Resize(size)
		o.showSettings()
		popup, ok := o.window.Canvas().Overlays().Top().(*widget.PopUp)
		if !ok {
			t.Fatal("there is no dialog")
		}
		bottom := o.window.Canvas().Size().Height
		driver := fyne.CurrentApp().Driver()
		entries := 0
		for range 8 {
			o.window.Canvas().FocusNext()
			focused, ok := o.window.Canvas().Focused().(fyne.CanvasObject)
			if !ok {
				t.Fatal("nothing has the focus")
			}
			if _, ok := focused.(*widgets.Entry); ok {
				entries++
			}
			for _, s := range scrolls(popup) {
				if !s.Visible() || !holds(s.Content, focused) {
					continue
				}
				y := driver.AbsolutePositionForObject(focused).Y - driver.AbsolutePositionForObject(s).Y
				if y < 0 || y+focused.Size().Height > s.Size().Height {
					t.Errorf("%s: %T has the focus at %v of %v", language, focused, y, s.Size().Height)
				}
			}
			if y := driver.AbsolutePositionForObject(focused).Y; y < 0 || y+focused.Size().Height > bottom {
				t.Errorf("%s: %T has the focus at %v of the window", language, focused, y)
			}
		}
		if entries < 2 {
			t.Errorf("%s: Tab came to %d entries", language, entries)
		}
	}
}

// scrolls are what scrolls in an object.
func scrolls(o fyne.CanvasObject) (found []*container.Scroll) {
	within(o, func(o fyne.CanvasObject) {
		if s, ok := o.(*container.Scroll); ok {
			found = append(found, s)
		}
	})
	return found
}

func holds(o, what fyne.CanvasObject) (yes bool) {
	within(o, func(o fyne.CanvasObject) { yes = yes || o == what })
	return yes
}

// within goes through an object and all in it.
func within(o fyne.CanvasObject, do func(fyne.CanvasObject)) {
	do(o)
	switch o := o.(type) {
	case *fyne.Container:
		for _, child := range o.Objects {
			within(child, do)
		}
	case fyne.Widget:
		for _, child := range test.WidgetRenderer(o).Objects() {
			within(child, do)
		}
	}
}

// watchedTab is a tab that counts what it is told.
type watchedTab struct {
	tab

	shown, hidden int
}

func (w *watchedTab) Shown()  { w.shown++ }
func (w *watchedTab) Hidden() { w.hidden++ }

// TestOneTabIsSeen changes tabs and datasets: one tab is told that it is seen, and each that it is no more.
func TestOneTabIsSeen(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "rose", "tulip")
	o := open(t, memory{prefLanguage: "en", prefDataset: dir, prefTab: tabReview})
	o.until("the dataset is open", func() bool { return o.session.library != nil && strings.Contains(o.texts(), "6 photos") })
	if o.front != tab(o.review) {
		t.Fatalf("at first, %T is seen", o.front)
	}
	before := &watchedTab{}
	o.front = before
	o.Select(tabRetrain)
	o.Select(tabClassify)
	if before.hidden != 1 || before.shown != 0 || o.front != tab(o.classify) {
		t.Errorf("told %d times that it is hidden; %T is seen", before.hidden, o.front)
	}
	// What is not seen knows of another dataset when it comes to be seen.
	other := picturetest.Dataset(t, 5, "a", "b", "c")
	o.session.Open(other)
	o.until("the other dataset is open", func() bool { return o.session.library.Dir() == other })
	o.Select(tabRetrain)
	o.sees("15 photos")
	o.Select(tabReview)
	o.until("Review shows it", func() bool { return strings.Contains(o.texts(), "15 photos") })
}

// A dataset that was open and is not there, say on a drive, is told of and not forgotten.
func TestDatasetIsGone(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "drive", "flowers")
	o := open(t, memory{prefLanguage: "en", prefDataset: gone, prefRecent: fmt.Sprintf("[%q]", gone)})
	o.until("it is said", func() bool { return strings.Contains(o.texts(), gone+" is not there any more") })
	if got := o.session.Recent(); len(got) != 1 {
		t.Errorf("the recent datasets are %q", got)
	}
}

func TestNewDatasetIsThere(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "rose", "tulip")
	o := open(t, memory{prefLanguage: "en"})
	o.newDataset(func() {})
	fill := func(texts ...string) {
		t.Helper()
		for _, c := range o.objects() {
			if e, ok := c.(*widgets.Entry); ok && len(texts) > 0 {
				e.SetText(texts[0])
				texts = texts[1:]
			}
		}
		if len(texts) > 0 {
			t.Fatalf("no entry is left for %q", texts)
		}
	}
	fill(filepath.Base(dir), filepath.Dir(dir), "bee\nwasp")
	o.tap("Create")
	o.until("it is said", func() bool { return strings.Contains(o.texts(), "what you have entered is kept") })
	o.press(fyne.KeyEscape)
	var entered []string
	o.newDataset(func() {})
	for _, c := range o.objects() {
		if e, ok := c.(*widgets.Entry); ok {
			entered = append(entered, e.Text)
		}
	}
	if want := []string{filepath.Base(dir), filepath.Dir(dir), "bee\nwasp"}; !slices.Equal(entered, want) {
		t.Errorf("entered is %q, want %q", entered, want)
	}
	fill("another")
	o.tap("Create")
	o.until("it is open", func() bool { return o.session.library != nil })
	o.newDataset(func() {})
	if strings.Contains(o.texts(), "wasp") {
		t.Error("the labels of the dataset that was made are proposed again")
	}
}

// What is dropped while a question is open changes nothing behind it.
func TestDropOnDialog(t *testing.T) {
	o := open(t, memory{prefLanguage: "en", prefTab: tabReview})
	o.tap("Look around first")
	o.showSettings()
	o.take(dropped{photos: []string{"/x/rose.jpg"}})
	o.sees("then drop again")
	if o.selected() != tabReview {
		t.Errorf("the tab %s came to the front behind the dialog", o.selected())
	}
}

// The window has its size again, however it ended.
func TestSizeIsKept(t *testing.T) {
	settings := memory{prefLanguage: "en"}
	t.Run("a session", func(t *testing.T) { open(t, settings).window.Resize(fyne.NewSize(900, 700)) })
	if got := savedSize(settings.String(prefSize)); got != fyne.NewSize(900, 700) {
		t.Errorf("the size that was kept is %v", got)
	}
}
