package classify

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/ui/i18n"
	"kaika/ui/theme"
	"kaika/ui/widgets"
)

// screen is a world with a window.
type screen struct {
	*world

	tab  *Tab
	v    *view
	win  fyne.Window
	lang string
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	test.NewTempApp(t).Settings().SetTheme(theme.New(theme.Light))
	s := &screen{world: newWorld(t), win: test.NewTempWindow(t, nil), lang: "en"}
	s.params.Window = s.win
	s.params.Texts = func() *i18n.Texts {
		tx, err := i18n.Load(s.lang)
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	s.tab = New(s.params)
	s.p, s.v = s.tab.p, s.tab.view
	s.v.seen = true
	t.Cleanup(s.tab.Close)
	s.show()
	return s
}

// show puts the content into the window.
func (s *screen) show() {
	s.win.SetContent(s.tab.Content())
	s.win.Resize(fyne.NewSize(800, 560))
}

// model has a model opened.
func (s *screen) model() {
	s.t.Helper()
	s.tab.UseModel(writeModel(s.t, s.engine, "flowers", flowers, nil))
	s.until("the model is open", func() bool { return s.p.model != nil })
}

// dialog gives the objects of a kind in the dialog on top.
func find[T fyne.CanvasObject](s *screen) (found []T) {
	s.t.Helper()
	top := s.win.Canvas().Overlays().Top()
	if top == nil {
		s.t.Fatal("there is no dialog")
	}
	for _, o := range test.LaidOutObjects(top) {
		if w, ok := o.(T); ok {
			found = append(found, w)
		}
	}
	return found
}

func (s *screen) closeDialogs() {
	for s.win.Canvas().Overlays().Top() != nil {
		s.win.Canvas().Overlays().Remove(s.win.Canvas().Overlays().Top())
	}
}

func (s *screen) press(keys ...fyne.KeyName) {
	s.t.Helper()
	focused := s.win.Canvas().Focused()
	if focused == nil {
		s.t.Fatal("nothing has the focus")
	}
	for _, key := range keys {
		focused.TypedKey(&fyne.KeyEvent{Name: key})
	}
}

func TestScenes(t *testing.T) {
	s := newScreen(t)
	retrained := false
	s.v.Retrain = func() { retrained = true }
	s.show()
	s.tab.Shown()
	if s.v.scene != noModel || s.v.modelTitle.Text != "No model in use" {
		t.Errorf("at first: scene %d, %q", s.v.scene, s.v.modelTitle.Text)
	}
	for _, o := range test.LaidOutObjects(s.v.body) {
		if b, ok := o.(*widgets.Button); ok && b.Text == "Train a model" {
			test.Tap(b)
		}
	}
	if !retrained {
		t.Error("no button leads to Retrain")
	}
	dir := writeModel(t, s.engine, "flowers", flowers, nil)
	s.tab.UseModel(dir)
	if s.v.scene != openingModel || !strings.Contains(s.v.openingSentence(), "TensorFlow") {
		t.Errorf("opening: scene %d, %q", s.v.scene, s.v.openingSentence())
	}
	s.until("the model is open", func() bool { return s.p.model != nil })
	caption, ok := s.v.modelDetail.Segments[0].(*widget.TextSegment)
	if want := "Trained 2026-11-23 20:02  ·  efficientnet-lite0  ·  Test accuracy 93.5 %  ·  5 labels"; !ok || caption.Text != want {
		t.Errorf("the model is %q, want %q", caption.Text, want)
	}
	if s.v.scene != noPhoto || s.v.modelTitle.Text != "Model: flowers" {
		t.Errorf("open: scene %d, %q", s.v.scene, s.v.modelTitle.Text)
	}
	data := picturetest.JPEG(3, 1, 64, 48)
	s.engine.set(data, 0.0001, 0.0002, 0.00005, 0.99955, 0.0001)
	s.tab.Drop([]string{write(t, data, t.TempDir(), "one.jpg")})
	s.idle()
	if s.v.scene != onePhoto || s.v.answer.heading.Text != "sunflower" || s.v.answer.length() != 5 || s.v.answer.more.Visible() {
		t.Errorf("one photo: scene %d, %q, %d bars", s.v.scene, s.v.answer.heading.Text, s.v.answer.length())
	}
	odd := picturetest.JPEG(4, 9, 50, 70)
	s.engine.set(odd, 0.2, 0.31, 0.19, 0.2, 0.1)
	s.tab.Drop([]string{write(t, odd, t.TempDir(), "odd.jpg")})
	s.idle()
	if s.v.answer.heading.Text != "Unknown" || !strings.Contains(s.v.answer.text.Text, "31.00 %") {
		t.Errorf("unknown: %q, %q", s.v.answer.heading.Text, s.v.answer.text.Text)
	}
	s.tab.Drop([]string{write(t, []byte("x"), t.TempDir(), "x.jpg")})
	s.idle()
	if s.v.answer.heading.Text != "No answer" || s.v.answer.text.Text != "This is no photo, whatever its name says." || !s.v.answer.really.Disabled() {
		t.Errorf("no photo: %q, %q", s.v.answer.heading.Text, s.v.answer.text.Text)
	}
	files, _ := folder(t, 3)
	s.tab.Drop([]string{files})
	s.idle()
	if s.v.scene != manyPhotos || s.v.table.Length() != 6 || s.v.filtered.Text != "All (6)" {
		t.Errorf("many: scene %d, %d rows, %q", s.v.scene, s.v.table.Length(), s.v.filtered.Text)
	}
	s.p.clear()
	if s.v.scene != noPhoto {
		t.Errorf("cleared: scene %d", s.v.scene)
	}
}

func TestBrokenModelIsShown(t *testing.T) {
	s := newScreen(t)
	s.tab.UseModel(t.TempDir())
	s.until("it has failed", func() bool { return s.p.fault != nil })
	if s.v.scene != brokenModel {
		t.Errorf("scene %d", s.v.scene)
	}
	s.model()
	s.tab.UseModel(t.TempDir())
	s.until("it has failed", func() bool { return s.p.opening == nil })
	if s.v.scene != noPhoto || !strings.HasPrefix(find[*widget.Label](s)[0].Text, "T") {
		t.Errorf("with another model in use: scene %d", s.v.scene)
	}
}

func TestKeyboard(t *testing.T) {
	s := newScreen(t)
	s.model()
	dir, files := folder(t, 8)
	s.tab.Drop([]string{dir})
	s.idle()
	at := func() string { return fmt.Sprintf("%d of %d", s.p.index(s.p.current), len(s.p.selected)) }
	if s.win.Canvas().Focused() != fyne.Focusable(s.v.table) {
		t.Fatalf("%T has the focus", s.win.Canvas().Focused())
	}
	s.press(fyne.KeyDown, fyne.KeyDown)
	if at() != "2 of 1" {
		t.Errorf("Down, Down: %s", at())
	}
	s.v.table.KeyDown(&fyne.KeyEvent{Name: desktop.KeyShiftLeft})
	s.press(fyne.KeyDown, fyne.KeyDown)
	s.v.table.KeyUp(&fyne.KeyEvent{Name: desktop.KeyShiftLeft})
	if at() != "4 of 3" {
		t.Errorf("Shift, Down, Down: %s", at())
	}
	s.press(fyne.KeyEnd)
	if at() != "7 of 1" {
		t.Errorf("End: %s", at())
	}
	s.v.table.TypedShortcut(&fyne.ShortcutSelectAll{})
	if at() != "7 of 8" || s.v.answer.really.Text != "These 8 are really a …" {
		t.Errorf("Ctrl+A: %s, %q", at(), s.v.answer.really.Text)
	}
	s.press(fyne.KeyReturn)
	if s.v.answer.really.Text != "It is really a …" || len(s.p.selected) != 1 {
		t.Errorf("one photo is seen, and %d are selected: %q", len(s.p.selected), s.v.answer.really.Text)
	}
	s.press(fyne.KeyEscape, fyne.KeyHome)
	s.press(fyne.KeyReturn)
	if s.v.scene != onePhoto || s.win.Canvas().Focused() != fyne.Focusable(s.v.stage) {
		t.Fatalf("Return: scene %d, %T has the focus", s.v.scene, s.win.Canvas().Focused())
	}
	s.press(fyne.KeyRight, fyne.KeyRight, fyne.KeyLeft)
	if s.p.current != files[1] {
		t.Errorf("Right, Right, Left: %s", s.p.current)
	}
	s.press(fyne.KeyEscape)
	if s.v.scene != manyPhotos || at() != "1 of 1" || s.win.Canvas().Focused() != fyne.Focusable(s.v.table) {
		t.Errorf("Escape: scene %d, %s", s.v.scene, at())
	}
	one := write(t, picturetest.JPEG(1, 1, 20, 20), t.TempDir(), "pasted.jpg")
	fyne.CurrentApp().Clipboard().SetContent("file://" + one)
	s.v.table.TypedShortcut(&fyne.ShortcutPaste{})
	s.until("it is pasted", func() bool { return !s.p.pasting })
	s.idle()
	if s.p.current != one || s.v.scene != onePhoto {
		t.Errorf("Ctrl+V: %q, scene %d", s.p.current, s.v.scene)
	}
}

func TestMouse(t *testing.T) {
	s := newScreen(t)
	s.model()
	dir, _ := folder(t, 8)
	s.tab.Drop([]string{dir})
	s.idle()
	rows := map[int]*rowView{}
	for _, o := range test.LaidOutObjects(s.v.table) {
		if r, ok := o.(*rowView); ok {
			rows[r.index] = r
		}
	}
	click := func(i int, m fyne.KeyModifier) {
		rows[i].MouseDown(&desktop.MouseEvent{Button: desktop.MouseButtonPrimary, Modifier: m})
	}
	click(1, 0)
	click(3, fyne.KeyModifierShift)
	click(2, fyne.KeyModifierShortcutDefault)
	if len(s.p.selected) != 2 || s.p.index(s.p.current) != 2 {
		t.Errorf("selected %v, current %q", s.p.selected, s.p.current)
	}
	rows[3].MouseDown(&desktop.MouseEvent{Button: desktop.MouseButtonSecondary})
	if len(s.p.selected) != 2 {
		t.Error("the menu took the selection away")
	}
	rows[3].TappedSecondary(&fyne.PointEvent{})
	if s.win.Canvas().Overlays().Top() == nil {
		t.Error("there is no menu")
	}
	s.closeDialogs()
	click(0, 0)
	rows[0].DoubleTapped(&fyne.PointEvent{})
	if s.v.scene != onePhoto {
		t.Error("a double click does not show the photo large")
	}
}

func TestReallyByTheMenu(t *testing.T) {
	s := newScreen(t)
	s.model()
	dir, _ := folder(t, 3)
	s.tab.Drop([]string{dir})
	s.idle()
	asked := false
	s.v.OpenDataset = func() { asked = true }
	s.v.askLabel()
	for _, b := range find[*widgets.Button](s) {
		if b.Text == "Open a dataset…" {
			test.Tap(b)
		}
	}
	if !asked {
		t.Error("without a dataset, no way leads to one")
	}
	s.closeDialogs()

	l := newLibrary("rose", "sunflower", "tulip")
	s.tab.SetLibrary(l)
	s.p.selectAll()
	s.v.askLabel()
	entry := find[*pickerEntry](s)[0]
	test.Type(entry, "U") // sUnflower, tUlip.
	entry.TypedKey(&fyne.KeyEvent{Name: fyne.KeyDown})
	entry.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	s.idle()
	if l.count("tulip") != 3 || s.v.noticeText.Text != "Put 3 photos into the dataset as “tulip”." || !s.v.noticeBar.Visible() {
		t.Fatalf("tulip has %d photos; notice %q", l.count("tulip"), s.v.noticeText.Text)
	}
	s.v.askLabel()
	entry = find[*pickerEntry](s)[0]
	test.Type(entry, "lily")
	entry.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	s.idle()
	if s.v.noticeText.Text != "3 are already in the dataset, under other labels or in the trash." || !s.v.noticeMove.Visible() || s.v.noticeUndo.Visible() {
		t.Errorf("notice %q", s.v.noticeText.Text)
	}
	test.Tap(s.v.noticeMove)
	s.idle()
	if l.count("lily") != 3 {
		t.Errorf("lily has %d photos", l.count("lily"))
	}
	test.Tap(s.v.noticeUndo)
	s.idle()
	if l.count("tulip") != 3 || s.v.noticeText.Text != "Undone: 3 photos are as they were before." {
		t.Errorf("undone: tulip %d, %q", l.count("tulip"), s.v.noticeText.Text)
	}
	s.v.askLabel()
	entry = find[*pickerEntry](s)[0]
	entry.TypedKey(&fyne.KeyEvent{Name: fyne.KeyEscape})
	if s.win.Canvas().Overlays().Top() != nil {
		t.Error("Escape does not close the menu")
	}
}

func TestPickerMatching(t *testing.T) {
	p := picker{
		options: []option{{text: "Rose"}, {text: "primrose"}, {text: "tulip"}},
		create:  func(text string) (option, bool) { return option{text: "new " + text}, true },
	}
	for _, c := range []struct{ text, want string }{
		{"", "Rose primrose tulip"},
		{"rose", "Rose primrose new rose"},
		{"Rose", "Rose primrose"},
		{" tulip ", "tulip"},
		{"x", "new x"},
	} {
		var got []string
		for _, o := range p.matching(c.text) {
			got = append(got, o.text)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("matching(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

func TestFilterAndSortByTheWidgets(t *testing.T) {
	s := newScreen(t)
	s.model()
	dir, _ := folder(t, 5)
	write(t, []byte("x"), dir, "x.jpg")
	s.tab.Drop([]string{dir})
	s.idle()
	test.Tap(s.v.sorters[0])
	test.Tap(s.v.sorters[0])
	if s.p.sort != byName || !s.p.down || s.v.sorters[0].Icon == nil {
		t.Errorf("sorted by %d, down %v", s.p.sort, s.p.down)
	}
	test.Tap(s.v.filtered)
	entry := find[*pickerEntry](s)[0]
	test.Type(entry, "no ans")
	entry.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	if len(s.p.shown) != 1 || s.v.filtered.Text != "No answer (1)" {
		t.Errorf("filtered: %q, %q", names(s.p.shown), s.v.filtered.Text)
	}
}

func TestChooseModel(t *testing.T) {
	s := newScreen(t)
	s.models = []ModelChoice{{Dir: writeModel(t, s.engine, "a", flowers, nil), Title: "First"}, {Dir: writeModel(t, s.engine, "b", flowers, nil), Title: "Second", Detail: "91 %"}}
	s.tab.Shown()
	s.until("the model is open", func() bool { return s.p.model != nil })
	if s.v.modelTitle.Text != "Model: First" {
		t.Errorf("the newest kept model is not in use: %q", s.v.modelTitle.Text)
	}
	s.v.chooseModel()
	s.until("the models are listed", func() bool { return s.win.Canvas().Overlays().Top() != nil })
	entry := find[*pickerEntry](s)[0]
	entry.TypedKey(&fyne.KeyEvent{Name: fyne.KeyDown})
	entry.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	s.until("the model is open", func() bool { return s.p.model.Title == "Second" })
	if s.prefs[modelKey] != s.models[1].Dir {
		t.Errorf("kept %q", s.prefs[modelKey])
	}
}

func TestManyLabels(t *testing.T) {
	s := newScreen(t)
	labels := make([]string, 1000)
	for i := range labels {
		labels[i] = fmt.Sprintf("label %03d", i)
	}
	s.engine.labels = len(labels)
	s.tab.UseModel(writeModel(t, s.engine, "many", labels, nil))
	s.until("the model is open", func() bool { return s.p.model != nil })
	_, files := folder(t, 1)
	s.tab.Drop(files)
	s.idle()
	if s.v.answer.length() != 5 || s.v.answer.more.Text != "Show all 1,000 labels" {
		t.Errorf("%d bars, %q", s.v.answer.length(), s.v.answer.more.Text)
	}
	test.Tap(s.v.answer.more)
	if s.v.answer.length() != 1000 || s.v.answer.more.Text != "Show the first 5" {
		t.Errorf("%d bars, %q", s.v.answer.length(), s.v.answer.more.Text)
	}
}

// The state is the presenter's: a change of language only makes new widgets.
func TestAnotherLanguage(t *testing.T) {
	s := newScreen(t)
	s.model()
	dir, _ := folder(t, 5)
	s.tab.Drop([]string{dir})
	s.idle()
	s.p.pick(1)
	s.p.extend(3)
	s.lang = "ja"
	content := s.tab.Content() // Not in a window yet.
	s.win.SetContent(content)
	if s.v.scene != manyPhotos || s.v.table.Length() != 5 || s.v.filtered.Text != "すべて(5)" || s.v.modelTitle.Text != "モデル：flowers" {
		t.Errorf("scene %d, %d rows, %q, %q", s.v.scene, s.v.table.Length(), s.v.filtered.Text, s.v.modelTitle.Text)
	}
	if s.v.answer.really.Text != "3枚の正しいラベルは…" {
		t.Errorf("selected: %q", s.v.answer.really.Text)
	}
}

// The colours follow the theme while the window is open.
func TestZoneFollowsTheTheme(t *testing.T) {
	test.NewTempApp(t)
	z := newZone()
	test.NewTempWindow(t, z)
	test.ApplyTheme(t, theme.New(theme.Light))
	light := z.ground.FillColor
	test.ApplyTheme(t, theme.New(theme.Dark))
	if z.ground.FillColor == light {
		t.Error("the zone is light in the dark")
	}
}

// It fits into a window of 800 x 600, beside the frame's own lines, in each language and whatever it shows.
func TestFits(t *testing.T) {
	for _, lang := range i18n.Languages() {
		t.Run(lang, func(t *testing.T) {
			s := newScreen(t)
			s.lang = lang
			s.show()
			long := strings.Repeat("very long ", 20)
			fits := func(what string) {
				t.Helper()
				if size := s.v.whole.MinSize(); size.Width > 790 || size.Height > 460 {
					t.Errorf("%s takes %v", what, size)
				}
			}
			fits("no model")
			labels := slices.Clone(flowers)
			labels[0] = long
			s.tab.UseModel(writeModel(t, s.engine, "m", labels, nil))
			fits("opening")
			s.until("the model is open", func() bool { return s.p.model != nil })
			fits("no photo")
			dir, files := folder(t, 3)
			s.tab.SetLibrary(newLibrary())
			s.tab.Drop(files[:1])
			s.idle()
			s.tab.Drop(files[1:2])
			s.idle()
			s.p.really(long)
			s.idle()
			s.p.really("another " + long)
			s.idle()
			fits("one photo")
			write(t, []byte("x"), dir, long+".jpg")
			s.tab.Drop([]string{dir})
			s.idle()
			s.p.notice = &notice{kind: noticeNothingToPaste}
			s.p.show(filter{kind: oneLabel, label: long})
			fits("many photos")
		})
	}
}

// Only what is in sight has widgets, and showing it anew is quick.
func TestTenThousandRows(t *testing.T) {
	s := newScreen(t)
	s.model()
	made := 0
	create := s.v.table.CreateItem
	s.v.table.CreateItem = func() fyne.CanvasObject { made++; return create() }
	rows := make([]*row, 10_000)
	for i := range rows {
		path := fmt.Sprintf("/nowhere/%05d.jpg", (i*7919)%10_000)
		share := float32(i%977) / 977
		rows[i] = &row{path: path, name: filepath.Base(path), ranks: []rank{{int32(i % 5), share}, {int32((i + 1) % 5), 1 - share}}, failure: map[bool]string{true: "is bad"}[i%100 == 0]}
		s.p.waiting = append(s.p.waiting, path)
	}
	s.p.answered(rows)
	s.p.changed()
	made = 0
	var slowest time.Duration
	for i := range 100 {
		began := time.Now()
		s.v.table.ScrollToOffset(float32(i * 4000))
		s.p.changed()
		slowest = max(slowest, time.Since(began))
	}
	if made > 300 { // Each refresh of Fyne's list makes one to measure it.
		t.Errorf("%d rows were made", made)
	}
	for by := byName; by <= bySecond; by++ {
		began := time.Now()
		s.p.sortBy(by)
		t.Logf("sorted by %d and shown in %v", by, time.Since(began))
	}
	t.Logf("scrolled and shown in %v at most", slowest)
	for _, large := range []bool{true, false, true} {
		began := time.Now()
		s.v.enlarge(large)
		t.Logf("large %v: shown in %v", large, time.Since(began))
	}
	s.v.enlarge(false)
	began := time.Now()
	s.p.selectAll()
	t.Logf("all selected and shown in %v", time.Since(began))
	began = time.Now()
	s.p.show(filter{kind: failedRows})
	t.Logf("filtered and shown in %v", time.Since(began))
	if n := len(s.p.selected); n != 100 {
		t.Errorf("of the rows that are shown, %d are selected", n)
	}
}

// Each text that the code asks for is there in each language, and no other.
func TestTexts(t *testing.T) {
	used := map[string]bool{}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`"(classify\.[a-z0-9_.]+)"`)
	for _, file := range sources {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range key.FindAllStringSubmatch(string(data), -1) {
			if match[1] != modelKey {
				used[match[1]] = true
			}
		}
	}
	for _, lang := range i18n.Languages() {
		data, err := os.ReadFile(filepath.Join("..", "..", "assets", "translations", "classify."+lang+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]any
		if err := json.Unmarshal(data, &texts); err != nil {
			t.Fatal(err)
		}
		for k := range used {
			if texts[k] == nil {
				t.Errorf("%s has no text %s", lang, k)
			}
		}
		for k := range texts {
			if !used[k] {
				t.Errorf("the text %s in %s is not used", k, lang)
			}
		}
	}
}

func TestReasonsHaveSentences(t *testing.T) {
	s := newScreen(t)
	for _, reason := range []picture.Reason{
		picture.Empty, picture.NotAPicture, picture.TooLarge, picture.TooManyPixels, picture.Truncated, picture.Damaged,
		picture.Unsupported, picture.Unreadable, "",
	} {
		got := s.v.failureSentence(&row{failure: "has a fault", reason: reason})
		if strings.HasPrefix(got, "classify.") || strings.Contains(got, "has a fault") != (reason == "") {
			t.Errorf("%q: %q", reason, got)
		}
	}
}

// TestPickerIsWideEnough gives a picker names that are told apart by their ends.
func TestPickerIsWideEnough(t *testing.T) {
	test.NewTempApp(t)
	few := picker{options: []option{{text: "rose", detail: "240 photos"}}}
	many := picker{options: []option{{text: "flowers, 2026-11-23 21:49", detail: "efficientnet_lite0 · 1,203 photos · 89.7 % right in the test"}}}
	endless := picker{options: []option{{text: strings.Repeat("flower ", 100)}}}
	if few.width() != leastWidth || endless.width() != mostWidth || many.width() <= leastWidth {
		t.Errorf("widths %v, %v, %v", few.width(), many.width(), endless.width())
	}
}

// Nothing moves while a model is opened or an answer awaited: what moves has the whole window drawn all the time.
func TestNothingMoves(t *testing.T) {
	s := newScreen(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	s.engine.before = func(context.Context, int) error {
		began <- struct{}{}
		<-goOn
		return nil
	}
	moves := func() bool {
		for _, o := range test.LaidOutObjects(s.win.Content()) {
			switch o.(type) {
			case *widget.Activity, *widget.ProgressBarInfinite:
				return true
			}
		}
		return false
	}
	s.tab.Drop([]string{write(t, picturetest.JPEG(1, 1, 20, 20), t.TempDir(), "a.jpg")})
	s.tab.UseModel(writeModel(t, s.engine, "flowers", flowers, nil))
	<-began
	if s.p.opening == nil || s.v.modelDetail.String() != "Starting TensorFlow and checking the model “flowers”…" || moves() {
		t.Errorf("while a model is opened the tab says %q, and moves: %v", s.v.modelDetail.String(), moves())
	}
	s.engine.before = nil
	close(goOn)
	s.idle()
}

// Closing the window while photos are put into the dataset is worth a question.
func TestBusy(t *testing.T) {
	s := newScreen(t)
	s.model()
	_, files := folder(t, 2)
	s.tab.Drop(files)
	s.idle()
	l := newLibrary("rose")
	adding, goOn := make(chan struct{}, 2), make(chan struct{})
	l.before = func() {
		adding <- struct{}{}
		<-goOn
	}
	s.tab.SetLibrary(l)
	if what, busy := s.tab.Busy(); busy {
		t.Errorf("busy with nothing: %q", what)
	}
	s.p.selectAll()
	s.p.really("rose")
	<-adding
	if what, busy := s.tab.Busy(); !busy || !strings.Contains(what, "still being put into the dataset") {
		t.Errorf("busy: %v, %q", busy, what)
	}
	close(goOn)
	s.idle()
	if what, busy := s.tab.Busy(); busy {
		t.Errorf("still busy: %q", what)
	}
}

// TestHidden opens a model while the tab is not seen.
func TestHidden(t *testing.T) {
	s := newScreen(t)
	s.tab.Shown()
	s.tab.Hidden()
	s.model()
	if s.v.scene != noModel {
		t.Errorf("out of sight, scene %d was drawn", s.v.scene)
	}
	s.tab.Shown()
	if s.v.scene != noPhoto || s.v.modelTitle.Text != "Model: flowers" {
		t.Errorf("in sight again: scene %d, %q", s.v.scene, s.v.modelTitle.Text)
	}
}
