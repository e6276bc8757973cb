package filepicker

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/i18n"
	"kaika/ui/theme"
	"kaika/ui/widgets"
)

// asked is a dialog in a test, in a tree of files.
type asked struct {
	t      *testing.T
	window fyne.Window
	root   string
	chosen []string

	work  sync.WaitGroup
	mu    sync.Mutex
	queue []func()
}

// texts are settings that last as long as the test.
type texts map[string]string

func (x texts) String(name string) string   { return x[name] }
func (x texts) SetString(name, text string) { x[name] = text }

// ask opens a dialog over a folder with a few things in it.
func ask(t *testing.T, language string, p Params) *asked {
	t.Helper()
	test.NewTempApp(t).Settings().SetTheme(theme.New(theme.Light))
	a := &asked{t: t, window: test.NewTempWindow(t, container.NewStack()), root: t.TempDir()}
	a.window.Resize(fyne.NewSize(800, 600))
	for _, dir := range []string{"b/inner", "A", ".hidden", "空 の folder"} {
		if err := os.MkdirAll(filepath.Join(a.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"rose.jpg", "Lily.JPG", "notes.txt", ".secret.jpg"} {
		if err := os.WriteFile(filepath.Join(a.root, file), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("b", filepath.Join(a.root, "link")), os.Symlink("nowhere", filepath.Join(a.root, "broken.jpg"))); err != nil {
		t.Fatal(err)
	}
	tx, err := i18n.Load(language)
	if err != nil {
		t.Fatal(err)
	}
	p.Window, p.Texts = a.window, tx
	p.Dispatch = func(f func()) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.queue = append(a.queue, f)
	}
	p.Beside = a.work.Go
	p.Settings = texts{}
	p.Chosen = func(path string) { a.chosen = append(a.chosen, path) }
	if p.Title == "" {
		p.Title, p.Act = "Title", "Choose"
	}
	p.Start = filepath.Join(a.root, p.Start)
	Show(p)
	a.settle()
	return a
}

// settle waits for what goes on beside, and shows what came of it.
func (a *asked) settle() {
	for {
		a.work.Wait()
		a.mu.Lock()
		queue := a.queue
		a.queue = nil
		a.mu.Unlock()
		if len(queue) == 0 {
			return
		}
		for _, f := range queue {
			f()
		}
	}
}

func (a *asked) press(keys ...fyne.KeyName) {
	a.t.Helper()
	for _, key := range keys {
		a.window.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: key})
		a.settle()
	}
}

// find gives the visible objects of a kind in the dialog on top.
func find[T any](a *asked) []T {
	var found []T
	var walk func(o fyne.CanvasObject)
	walk = func(o fyne.CanvasObject) {
		if !o.Visible() {
			return
		}
		if of, ok := o.(T); ok {
			found = append(found, of)
		}
		switch o := o.(type) {
		case *fyne.Container:
			for _, child := range o.Objects {
				walk(child)
			}
		case fyne.Widget:
			for _, child := range test.WidgetRenderer(o).Objects() {
				walk(child)
			}
		}
	}
	if top := a.window.Canvas().Overlays().Top(); top != nil {
		walk(top)
	}
	return found
}

func (a *asked) rows() *rows {
	a.t.Helper()
	found := find[*rows](a)
	if len(found) != 1 {
		a.t.Fatal("nothing is listed")
	}
	return found[0]
}

func (a *asked) names() string {
	a.t.Helper()
	var names []string
	for _, e := range a.rows().k.entries {
		names = append(names, e.name)
	}
	return strings.Join(names, " ")
}

func (a *asked) tap(text string) {
	a.t.Helper()
	for _, b := range find[*widgets.Button](a) {
		if b.Text == text {
			test.Tap(b)
			a.settle()
			return
		}
	}
	a.t.Fatalf("there is no button %q", text)
}

func (a *asked) isOpen() bool { return a.window.Canvas().Overlays().Top() != nil }

func isPhoto(name string) bool { return strings.EqualFold(filepath.Ext(name), ".jpg") }

func TestLists(t *testing.T) {
	a := ask(t, "en", Params{Want: File, Matches: isPhoto})
	if got := a.names(); got != "A b link 空 の folder broken.jpg Lily.JPG rose.jpg" {
		t.Errorf("listed: %s", got)
	}
	find[*widgets.Check](a)[0].SetChecked(true)
	a.settle()
	if got := a.names(); got != ".hidden A b link 空 の folder .secret.jpg broken.jpg Lily.JPG rose.jpg" {
		t.Errorf("with hidden files: %s", got)
	}
	a = ask(t, "en", Params{Want: Folder})
	if got := a.names(); got != "A b link 空 の folder" {
		t.Errorf("folders: %s", got)
	}
	a = ask(t, "en", Params{Want: Folder, Start: "A"})
	if got := a.rows().k.word.Text; got != "No folders here." {
		t.Errorf("an empty folder says %q", got)
	}
	a = ask(t, "en", Params{Want: Folder, Start: "b/gone/deeper"})
	if got := a.rows().k.dir; got != filepath.Join(a.root, "b") {
		t.Errorf("in place of a folder that is gone it lists %s", got)
	}
}

// TestKeyboard goes about and chooses with the keyboard alone.
func TestKeyboard(t *testing.T) {
	a := ask(t, "en", Params{Want: Folder})
	if a.window.Canvas().Focused() != fyne.Focusable(a.rows()) {
		t.Fatalf("the focus is on %v", a.window.Canvas().Focused())
	}
	a.press(fyne.KeyDown, fyne.KeyReturn)
	if a.rows().k.dir != filepath.Join(a.root, "b") || a.names() != "inner" {
		t.Errorf("Enter goes into %s", a.rows().k.dir)
	}
	a.press(fyne.KeyBackspace)
	if e, _ := a.rows().current(); a.rows().k.dir != a.root || e.name != "b" {
		t.Errorf("Backspace goes to %s at %s", a.rows().k.dir, e.name)
	}
	a.rows().TypedRune('A')
	a.press(fyne.KeyReturn, fyne.KeyReturn) // Into A, where nothing is but A itself to choose.
	if !slices.Equal(a.chosen, []string{filepath.Join(a.root, "A")}) || a.isOpen() {
		t.Errorf("chosen: %q", a.chosen)
	}

	a = ask(t, "en", Params{Want: File, Matches: isPhoto})
	a.press(fyne.KeyEnd)
	a.press(fyne.KeyReturn)
	if !slices.Equal(a.chosen, []string{filepath.Join(a.root, "rose.jpg")}) || a.isOpen() {
		t.Errorf("chosen: %q", a.chosen)
	}

	a = ask(t, "en", Params{Want: File, Matches: isPhoto})
	a.press(fyne.KeyEscape)
	if a.isOpen() || a.chosen != nil {
		t.Errorf("Escape chooses %q", a.chosen)
	}
}

// A dataset that was opened is no place for what is written next, such as charts: it would be in the dataset.
func TestWhereTheNextBegins(t *testing.T) {
	a := ask(t, "en", Params{Want: Folder})
	next := a.rows().k.Params
	next.Start = ""
	remembered := func() string { return next.Settings.String(settingFolder) }
	a.press(fyne.KeyReturn, fyne.KeyReturn) // Into A, and A itself.
	if len(a.chosen) != 1 || remembered() != "" {
		t.Fatalf("chosen: %q, and the next begins in %q", a.chosen, remembered())
	}
	next.Settings.SetString(settingFolder, a.root)
	Show(next)
	a.settle()
	a.press(fyne.KeyReturn, fyne.KeyReturn)
	if want := filepath.Join(a.root, "A"); len(a.chosen) != 2 || a.chosen[1] != want || remembered() != want {
		t.Errorf("chosen: %q, and the next begins in %q", a.chosen, remembered())
	}
}

func TestTypedPath(t *testing.T) {
	for _, c := range []struct {
		want  Want
		typed string // Below the root.
		dir   string
		file  string // That is chosen.
	}{
		{Folder, "b/inner", "b/inner", ""},
		{File, "b", "b", ""},
		{File, "rose.jpg", "", "rose.jpg"},
		{File, "notes.txt", "", ""},
		{File, "gone/gone.jpg", "", ""},
	} {
		a := ask(t, "en", Params{Want: c.want, Matches: isPhoto})
		path := a.rows().k.path
		a.window.Canvas().Focus(path)
		path.SetText(" " + filepath.Join(a.root, c.typed))
		a.press(fyne.KeyReturn)
		switch {
		case c.file != "":
			if !slices.Equal(a.chosen, []string{filepath.Join(a.root, c.file)}) || a.isOpen() {
				t.Errorf("%s: chosen %q", c.typed, a.chosen)
			}
		case a.rows().k.dir != filepath.Join(a.root, c.dir) || a.chosen != nil:
			t.Errorf("%s: at %s, chosen %q", c.typed, a.rows().k.dir, a.chosen)
		}
	}
}

// TestTypedPathByButton taps the button after a path was typed: what was listed before must not be taken.
func TestTypedPathByButton(t *testing.T) {
	for _, c := range []struct {
		want   Want
		typed  string
		dir    string // Where it is then.
		chosen string // "" for nothing yet.
	}{
		{Folder, "b/inner", "b/inner", "b/inner"},
		{Folder, "gone", "", ""},
		{File, "rose.jpg", "", "rose.jpg"},
		{File, "b", "b", ""},
		{NewFile, "b", "b", ""},
	} {
		a := ask(t, "en", Params{Want: c.want, Matches: isPhoto, Name: "kaika.csv"})
		k := a.rows().k
		k.path.SetText(filepath.Join(a.root, c.typed))
		a.tap("Choose")
		a.settle()
		var want []string
		if c.chosen != "" {
			want = []string{filepath.Join(a.root, c.chosen)}
		}
		if !slices.Equal(a.chosen, want) || k.dir != filepath.Join(a.root, c.dir) {
			t.Errorf("%v: %s typed, at %s, chosen %q", c.want, c.typed, k.dir, a.chosen)
		}
		if c.want == NewFile {
			a.tap("Choose")
			a.settle()
			if want := filepath.Join(a.root, "b", "kaika.csv"); !slices.Equal(a.chosen, []string{want}) {
				t.Errorf("then it writes %q, not %s", a.chosen, want)
			}
		}
	}

	// A row that is chosen after that counts.
	a := ask(t, "en", Params{Want: File, Matches: isPhoto})
	a.rows().k.path.SetText(filepath.Join(a.root, "b"))
	a.rows().move(len(a.rows().k.entries) - 1)
	a.tap("Choose")
	a.settle()
	if len(a.chosen) != 1 || filepath.Dir(a.chosen[0]) != a.root {
		t.Errorf("chosen: %q", a.chosen)
	}
}

func TestNewFile(t *testing.T) {
	a := ask(t, "en", Params{Want: NewFile, Name: "kaika.csv"})
	a.press(fyne.KeyReturn)
	if !slices.Equal(a.chosen, []string{filepath.Join(a.root, "kaika.csv")}) || a.isOpen() {
		t.Errorf("chosen: %q", a.chosen)
	}

	a = ask(t, "en", Params{Want: NewFile, Name: "notes.txt"})
	a.press(fyne.KeyReturn, fyne.KeyEscape) // Asks, and is told no.
	if a.chosen != nil || !a.isOpen() {
		t.Fatalf("chosen: %q", a.chosen)
	}
	a.tap("Choose")
	a.tap("Replace")
	if !slices.Equal(a.chosen, []string{filepath.Join(a.root, "notes.txt")}) || a.isOpen() {
		t.Errorf("chosen: %q", a.chosen)
	}

	for _, name := range []string{"", "  ", "..", "a/b", "A"} {
		a = ask(t, "en", Params{Want: NewFile, Name: name})
		a.press(fyne.KeyReturn)
		if a.chosen != nil || !a.isOpen() {
			t.Errorf("%q can be chosen: %q", name, a.chosen)
		}
	}
}

func TestNewFolder(t *testing.T) {
	a := ask(t, "en", Params{Want: Folder, Start: "A"})
	a.tap("New folder…")
	name, ok := a.window.Canvas().Focused().(*widgets.Entry)
	if !ok {
		t.Fatal("no name is asked for")
	}
	name.SetText("a/b")
	a.press(fyne.KeyReturn)
	name.SetText("花")
	a.press(fyne.KeyReturn)
	if at := a.rows().k.dir; at != filepath.Join(a.root, "A", "花") {
		t.Errorf("it is at %s", at)
	}
}

// TestUnreadable asks to look where one may not, and stays where it is.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	a := ask(t, "en", Params{Want: Folder})
	if err := os.Chmod(filepath.Join(a.root, "A"), 0); err != nil {
		t.Fatal(err)
	}
	a.press(fyne.KeyReturn)
	if texts := find[*widgets.Text](a); len(texts) == 0 || !strings.HasPrefix(texts[0].Text, "You may not look into") {
		t.Error("nothing is said of a folder that cannot be read")
	}
	a.press(fyne.KeyEscape)
	if a.rows().k.dir != a.root {
		t.Errorf("it is at %s", a.rows().k.dir)
	}
}

// TestClosedMeanwhile cancels while a folder is being listed and a name looked up.
func TestClosedMeanwhile(t *testing.T) {
	a := ask(t, "en", Params{Want: NewFile, Name: "new.csv"})
	k := a.rows().k
	k.choose()
	k.look("/")
	k.dialog.Close()
	a.settle()
	if a.chosen != nil || a.isOpen() {
		t.Errorf("after Cancel %q is chosen", a.chosen)
	}
}

// TestJapanese looks for English in the Japanese dialog.
func TestJapanese(t *testing.T) {
	a := ask(t, "ja", Params{Want: NewFile, Name: "a.csv", Title: "保存", Act: "保存する"})
	var seen []string
	for _, l := range find[*widget.Label](a) {
		seen = append(seen, l.Text)
	}
	for _, b := range find[*widget.Button](a) {
		seen = append(seen, b.Text)
	}
	for _, c := range find[*widgets.Check](a) {
		seen = append(seen, c.Text)
	}
	for _, text := range []string{"ホーム", "コンピューター", "隠しファイルを表示", "ファイル名"} {
		if !slices.Contains(seen, text) {
			t.Errorf("%q is not among %q", text, seen)
		}
	}
	for _, text := range seen {
		if strings.Contains(text, "Home") || strings.Contains(text, "Computer") || strings.Contains(text, "Cancel") {
			t.Errorf("%q is English", text)
		}
	}
}
