package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"kaika/core/classify"
	"kaika/core/trained"
)

// answersBy fails unless the active version of a model is of a number, and answers as a model folder of a name does.
func answersBy(t *testing.T, m *Models, name string, version int, folder string) {
	t.Helper()
	model := served(t, m, name)
	if model.Version != version {
		t.Errorf("version %d of %s is active, want %d", model.Version, name, version)
	}
	pictures := photos("asked", 3)
	answers, err := model.Classify(t.Context(), pictures)
	if err := errors.Join(err, check(folder, pictures, answers)); err != nil {
		t.Errorf("version %d of %s: %v", model.Version, name, err)
	}
}

// status gives that of a model.
func status(t *testing.T, m *Models, name string) Status {
	t.Helper()
	all := m.List()
	i := slices.IndexFunc(all, func(s Status) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("%s is not listed in %v", name, all)
	}
	return all[i]
}

// numberedFolder gives a folder with versions in folders named by numbers.
func (f *fake) numberedFolder(name string, versions ...string) string {
	f.Helper()
	for _, v := range versions {
		f.model(filepath.Join(name, v), "of "+name)
	}
	return filepath.Join(f.root, name)
}

func TestServe(t *testing.T) {
	log, said := logged()
	f, m := newFake(t, Config{Log: log})
	if m.Ready() || m.List() != nil {
		t.Error("it is ready with no model")
	}
	if _, err := m.Get("", 0); !errors.Is(err, ErrNoModel) {
		t.Errorf("no model: %v", err)
	}
	numbered := f.numberedFolder("numbered", "1", "2", "00000010", "x", "0", "-4", "+5", ".6", "9999999999999999999999")
	if err := os.WriteFile(filepath.Join(numbered, "7"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(f.model("elsewhere", "none"), filepath.Join(numbered, "8")); err != nil {
		t.Fatal(err)
	}
	plain := f.model("plain", "none")
	for name, dirs := range map[string][]string{"薔薇 1": {numbered}} {
		if err := m.Serve(t.Context(), name, dirs...); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Serve(t.Context(), "two", plain, f.model("other", "none"), plain); err != nil {
		t.Fatal(err)
	}
	if s := status(t, m, "薔薇 1"); !slices.Equal(numbers(s), []int{1, 2, 8, 10}) || s.Active != 10 || s.Before != 8 ||
		!slices.Equal(states(s), []string{"END", "END", "AVAILABLE", "AVAILABLE"}) || s.Versions[3].Labels[0] != "by numbered/00000010" {
		t.Errorf("listed as %+v", s)
	}
	if s := status(t, m, "two"); !slices.Equal(numbers(s), []int{1, 2}) || s.Active != 2 || s.Versions[0].Dir != plain {
		t.Errorf("listed as %+v", s)
	}
	if !m.Ready() {
		t.Error("it is not ready")
	}
	answersBy(t, m, "薔薇 1", 10, "numbered/00000010")
	if first, err := m.Get("", 0); err != nil || first.Name != "薔薇 1" {
		t.Errorf("the first is %v, error %v", first, err)
	}
	if v8, err := m.Get("薔薇 1", 8); err != nil || v8.Version != 8 {
		t.Errorf("version 8 is %v, error %v", v8, err)
	}
	for version, word := range map[int]string{1: "not loaded", 3: "no such version", -1: "no such version"} {
		if _, err := m.Get("薔薇 1", version); !errors.Is(err, ErrNoVersion) || !strings.Contains(err.Error(), word) {
			t.Errorf("version %d: %v", version, err)
		}
	}
	if _, err := m.Get("missing", 0); !errors.Is(err, ErrNoModel) {
		t.Errorf("a missing model: %v", err)
	}
	for _, name := range []string{"", ".", ".hidden", "a/b", `a\b`, "a:predict", "a\nb", "\xff", strings.Repeat("x", 101)} {
		if err := m.Serve(t.Context(), name, plain); !errors.Is(err, ErrName) {
			t.Errorf("the name %q: %v", name, err)
		}
		if _, err := m.Activate(t.Context(), name, plain); !errors.Is(err, ErrName) {
			t.Errorf("the name %q: %v", name, err)
		}
	}
	if err := m.Serve(t.Context(), "two", plain); err == nil || !strings.Contains(err.Error(), "another name") {
		t.Errorf("one name for two: %v", err)
	}
	if strings.Contains(said(), "WARN") {
		t.Error(said())
	}
}

func TestServeWhatIsBroken(t *testing.T) {
	log, said := logged()
	f, m := newFake(t, Config{Log: log})
	numbered := f.numberedFolder("numbered", "1", "2", "3", "4")
	f.model("numbered/4", "deviates")
	if err := os.Remove(filepath.Join(numbered, "3", trained.GraphFile)); err != nil {
		t.Fatal(err)
	}
	if err := m.Serve(t.Context(), "flowers", numbered); err != nil {
		t.Fatal(err)
	}
	answersBy(t, m, "flowers", 2, "numbered/2")
	s := status(t, m, "flowers")
	var deviates *classify.OpenError
	if !slices.Equal(states(s), []string{"AVAILABLE", "AVAILABLE", "END", "END"}) || s.Versions[2].Err == nil ||
		!errors.As(s.Versions[3].Err, &deviates) || deviates.Fault != classify.Deviates || s.Versions[1].Err != nil {
		t.Errorf("listed as %+v", s)
	}
	contains(t, said(), "cannot be used", "version=3", "version=4", "not whole")

	// One of which nothing can be used is listed, and not ready until something is activated.
	err := m.Serve(t.Context(), "broken", filepath.Join(f.root, "missing"))
	if !errors.As(err, &deviates) || !errors.Is(err, trained.ErrNoModel) {
		t.Errorf("a missing folder: %v", err)
	}
	if _, err := m.Get("broken", 0); !errors.Is(err, ErrNoVersion) || m.Ready() {
		t.Errorf("a missing folder: %v, ready %v", err, m.Ready())
	}
	if version, err := m.Activate(t.Context(), "broken", f.model("good", "none")); err != nil || version != 2 || !m.Ready() {
		t.Errorf("it was healed to version %d, error %v", version, err)
	}
	answersBy(t, m, "broken", 2, "good")

	// Away is not broken: no other version is tried, and the list blames none.
	f.open = func(context.Context, string) (*classify.Classifier, error) {
		return nil, fmt.Errorf("the engine could not be started: %w", classify.ErrUnavailable)
	}
	if err := m.Serve(t.Context(), "third", numbered); !errors.Is(err, classify.ErrUnavailable) {
		t.Errorf("without an engine: %v", err)
	}
	if err := m.Serve(t.Context(), "fourth"); !errors.Is(err, ErrNoVersion) {
		t.Errorf("without a folder: %v", err)
	}
}

func TestActivateRollBackSelect(t *testing.T) {
	f, m := newFake(t, Config{})
	if err := m.Serve(t.Context(), "flowers", f.model("a", "none")); err != nil {
		t.Fatal(err)
	}
	if _, err := m.RollBack(t.Context(), "flowers"); !errors.Is(err, ErrNoVersion) {
		t.Errorf("rolled back to nothing: %v", err)
	}
	steps := []struct {
		do      string
		version int
		folder  string
		before  int
		loaded  []int
	}{
		{"activate b", 2, "b", 1, []int{1, 2}},
		{"activate c", 3, "c", 2, []int{2, 3}},
		{"activate d", 4, "d", 3, []int{3, 4}},
		{"back", 3, "c", 2, []int{2, 3}},
		{"back", 2, "b", 1, []int{1, 2}},
		{"select 4", 4, "d", 2, []int{2, 4}},
		{"select 4", 4, "d", 2, []int{2, 4}},
		{"activate d", 4, "d", 2, []int{2, 4}},
		{"activate a", 1, "a", 4, []int{1, 4}},
		{"activate e", 5, "e", 1, []int{1, 5}},
		{"back", 1, "a", 4, []int{1, 4}},
		{"back", 4, "d", 2, []int{2, 4}},
		{"back", 2, "b", 1, []int{1, 2}},
		{"back", 1, "a", 0, []int{1}},
	}
	for i, s := range steps {
		var version int
		var err error
		switch word, arg, _ := strings.Cut(s.do, " "); word {
		case "activate":
			dir := filepath.Join(f.root, arg)
			if _, missing := os.Stat(dir); missing != nil {
				f.model(arg, "none")
			}
			version, err = m.Activate(t.Context(), "flowers", dir)
		case "back":
			version, err = m.RollBack(t.Context(), "flowers")
		case "select":
			version, err = s.version, m.Select(t.Context(), "flowers", s.version)
		}
		if err != nil || version != s.version {
			t.Fatalf("step %d, %s: version %d, error %v", i, s.do, version, err)
		}
		answersBy(t, m, "flowers", s.version, s.folder)
		got := status(t, m, "flowers")
		var loaded []int
		for _, v := range got.Versions {
			if v.State == StateAvailable {
				loaded = append(loaded, v.Version)
			}
		}
		if got.Active != s.version || got.Before != s.before || !slices.Equal(loaded, s.loaded) {
			t.Errorf("step %d, %s: active %d, before %d, loaded %v; want %+v", i, s.do, got.Active, got.Before, loaded, s)
		}
	}
	if _, err := m.RollBack(t.Context(), "flowers"); !errors.Is(err, ErrNoVersion) {
		t.Errorf("rolled back too far: %v", err)
	}
	if err := m.Select(t.Context(), "flowers", 9); !errors.Is(err, ErrNoVersion) {
		t.Errorf("selected what is not there: %v", err)
	}
	if err := m.Select(t.Context(), "missing", 1); !errors.Is(err, ErrNoModel) {
		t.Errorf("selected of no model: %v", err)
	}
	if _, err := m.RollBack(t.Context(), "missing"); !errors.Is(err, ErrNoModel) {
		t.Errorf("rolled back no model: %v", err)
	}
}

func TestBrokenNeverReplacesGood(t *testing.T) {
	f, m := newFake(t, Config{State: filepath.Join(t.TempDir(), "state.json")})
	if err := m.Serve(t.Context(), "flowers", f.model("a", "none"), f.model("b", "none")); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(m.config.State)
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	f.open = func(ctx context.Context, _ string) (*classify.Classifier, error) { return nil, ctx.Err() }
	bad := f.model("bad", "deviates")
	if err := os.RemoveAll(filepath.Join(f.root, "a")); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() error{
		"one that deviates":    func() error { _, err := m.Activate(t.Context(), "flowers", bad); return err },
		"a missing one":        func() error { _, err := m.Activate(t.Context(), "flowers", f.root+"/missing"); return err },
		"a new name":           func() error { _, err := m.Activate(t.Context(), "new", bad); return err },
		"the gone one before":  func() error { _, err := m.RollBack(t.Context(), "flowers"); return err },
		"a gone one by number": func() error { return m.Select(t.Context(), "flowers", 1) },
		"a cancelled one":      func() error { _, err := m.Activate(cancelled, "flowers", f.root+"/b"); return err },
	} {
		if err := try(); err == nil {
			t.Errorf("%s was made active", name)
		}
		answersBy(t, m, "flowers", 2, "b")
		if all := m.List(); len(all) != 1 || !slices.Equal(numbers(all[0]), []int{1, 2}) || !m.Ready() {
			t.Errorf("after %s the list is %+v", name, all)
		}
	}
	if s := status(t, m, "flowers"); s.Versions[0].Err == nil || s.Versions[1].Err != nil {
		t.Errorf("the list is %+v", s)
	}
	if after, err := os.ReadFile(m.config.State); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the state has changed: %s, %v", after, err)
	}
}

// TestRescan puts versions into the folder of a model while it is served.
func TestRescan(t *testing.T) {
	log, said := logged()
	f, m := newFake(t, Config{Log: log, State: filepath.Join(t.TempDir(), "state.json")})
	folder := f.numberedFolder("flowers", "2", "3")
	if err := m.Serve(t.Context(), "flowers", folder); err != nil {
		t.Fatal(err)
	}
	rescan := func(active int, listed ...int) {
		t.Helper()
		if err := m.Rescan(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := status(t, m, "flowers"); s.Active != active || !slices.Equal(numbers(s), listed) || served(t, m, "flowers").Version != active {
			t.Errorf("the list is %+v", s)
		}
	}
	rescan(3, 2, 3)
	f.numberedFolder("flowers", "1") // An older one is none that was retrained.
	rescan(3, 2, 3)
	f.numberedFolder("flowers", "5")
	rescan(5, 2, 3, 5)
	if s := status(t, m, "flowers"); s.Before != 3 {
		t.Errorf("one would go back to %d", s.Before)
	}
	// One that is broken, or copied by half, changes nothing, and is tried again.
	broken := filepath.Join(folder, "7")
	if err := os.Mkdir(broken, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Rescan(t.Context()); err == nil || !strings.Contains(err.Error(), "version 7") {
			t.Errorf("of a broken version it says %v", err)
		}
		if s := status(t, m, "flowers"); s.Active != 5 || !slices.Equal(numbers(s), []int{2, 3, 5}) || !m.Ready() {
			t.Errorf("the list is %+v", s)
		}
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	f.numberedFolder("flowers", "7")
	rescan(7, 2, 3, 5, 7)
	// Who went back stays there.
	if _, err := m.RollBack(t.Context(), "flowers"); err != nil {
		t.Fatal(err)
	}
	rescan(5, 2, 3, 5, 7)
	// By its number, any can be chosen.
	if err := m.Select(t.Context(), "flowers", 1); err != nil {
		t.Fatal(err)
	}
	if v := served(t, m, "flowers").Version; v != 1 {
		t.Errorf("version %d is active", v)
	}
	if err := m.Select(t.Context(), "flowers", 9); !errors.Is(err, ErrNoVersion) {
		t.Error(err)
	}
	// A number that another folder has is said.
	if _, err := m.Activate(t.Context(), "flowers", f.model("run", "none")); err != nil { // As version 8.
		t.Fatal(err)
	}
	if err := m.Select(t.Context(), "flowers", 7); err != nil {
		t.Fatal(err)
	}
	f.numberedFolder("flowers", "8")
	rescan(7, 1, 2, 3, 5, 7, 8)
	contains(t, said(), "another has the same number")
}

// TestRemove takes models out of service, of which one is broken after a restart.
func TestRemove(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	f, m := newFake(t, Config{State: state})
	if err := m.Remove(t.Context(), "flowers"); !errors.Is(err, ErrNoModel) {
		t.Error(err)
	}
	for _, name := range []string{"birds", "trees"} {
		if _, err := m.Activate(t.Context(), name, f.model(name, "none")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(f.root, "birds")); err != nil {
		t.Fatal(err)
	}
	m = f.models(Config{State: state})
	if err := m.Restore(t.Context()); err == nil {
		t.Error("a model that is gone was restored")
	}
	// The others answer, also who names none.
	if first, err := m.Get("", 0); err != nil || first.Name != "trees" || !m.Ready() {
		t.Errorf("%v, %v, ready %t", first, err, m.Ready())
	}
	if err := m.Serve(t.Context(), "flowers", f.model("flowers", "none")); err != nil {
		t.Fatal(err)
	}
	if err := m.Remove(t.Context(), "flowers"); !errors.Is(err, ErrGiven) {
		t.Error(err)
	}
	if err := m.Remove(t.Context(), "birds"); err != nil {
		t.Fatal(err)
	}
	if all := m.List(); len(all) != 2 || all[0].Name != "trees" {
		t.Errorf("%+v", all)
	}
	m = f.models(Config{State: state})
	if err := m.Restore(t.Context()); err != nil {
		t.Error(err)
	}
	// One that was asked for has to answer.
	if err := m.Serve(t.Context(), "missing", filepath.Join(f.root, "missing")); err == nil || m.Ready() {
		t.Errorf("%v, ready %t", err, m.Ready())
	}
}

// Another model in the folder of a listed version is never taken for it.
func TestReplacedInItsFolder(t *testing.T) {
	f, m := newFake(t, Config{State: filepath.Join(t.TempDir(), "state.json")})
	dir := f.model("a", "first")
	if err := m.Serve(t.Context(), "flowers", f.model("z", "none"), dir); err != nil {
		t.Fatal(err)
	}
	f.model("a", "second")
	if err := m.Select(t.Context(), "flowers", 2); err == nil || !strings.Contains(err.Error(), "another model") {
		t.Errorf("it was taken for the old one: %v", err)
	}
	if version, err := m.Activate(t.Context(), "flowers", dir); err != nil || version != 3 || served(t, m, "flowers").Labels[1] != "second" {
		t.Errorf("it is version %d, error %v", version, err)
	}
	if _, err := m.RollBack(t.Context(), "flowers"); err == nil {
		t.Error("one could roll back to what is gone")
	}
	answersBy(t, m, "flowers", 3, "a")
	// The same after another start.
	m = f.models(m.config)
	if err := m.Serve(t.Context(), "flowers", filepath.Join(f.root, "z"), dir); err != nil {
		t.Fatal(err)
	}
	answersBy(t, m, "flowers", 3, "a")
	if err := m.Select(t.Context(), "flowers", 1); err != nil {
		t.Error(err)
	}
}

// TestGone takes the graph of a model away while it is served, and puts another into its place. The engine has it still; when
// it is started again, it has not, and whoever asks is told why. With the graph back all is well.
func TestGone(t *testing.T) {
	f, m := newFake(t, Config{})
	defer m.Close()
	dir := f.model("a", "first")
	if err := errors.Join(m.Serve(t.Context(), "flowers", dir), m.Serve(t.Context(), "other", f.model("b", "x"))); err != nil {
		t.Fatal(err)
	}
	restarted := false
	f.before = func(_ context.Context, number int, _ [][]byte) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if data, err := os.ReadFile(filepath.Join(f.root, f.calls[number-1].model, trained.GraphFile)); restarted && (err != nil || strings.Contains(string(data), "second")) {
			return errors.New("the network cannot be loaded")
		}
		return nil
	}
	stands := func(model string, want error, ready bool) {
		t.Helper()
		pictures := photos("x", 2)
		answers, err := served(t, m, model).Classify(t.Context(), pictures)
		if !errors.Is(err, want) || want == nil && check(map[string]string{"flowers": "a", "other": "b"}[model], pictures, answers) != nil {
			t.Errorf("%s: %+v, %v, want %v", model, answers, err, want)
		}
		status := m.List()[0].Versions[0]
		if m.Ready() != ready || status.State != StateAvailable || errors.Is(status.Err, ErrGone) == ready {
			t.Errorf("%s: ready is %t, %+v", model, m.Ready(), status)
		}
	}
	graph := filepath.Join(dir, trained.GraphFile)
	whole, err := os.ReadFile(graph)
	if err != nil {
		t.Fatal(err)
	}
	for _, lose := range []func() error{
		func() error { return os.Remove(graph) },
		func() error { return os.WriteFile(graph, []byte("second"), 0o644) },
	} {
		restarted = false
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		stands("flowers", nil, true)
		restarted = true
		stands("flowers", ErrGone, false)
		stands("other", nil, false)
		if err := os.WriteFile(graph, whole, 0o644); err != nil {
			t.Fatal(err)
		}
		if !m.Ready() { // Also if nobody asks for it, who ask only where it is ready.
			t.Error("it is not ready with its graph back")
		}
		stands("flowers", nil, true)
	}
	f.before = func(context.Context, int, [][]byte) error { return errors.New("another mistake") }
	if _, err := served(t, m, "flowers").Classify(t.Context(), photos("x", 1)); err == nil || errors.Is(err, ErrGone) || !m.Ready() {
		t.Errorf("what has nothing to do with the graph: %v", err)
	}
}

func TestState(t *testing.T) {
	log, said := logged()
	f, m := newFake(t, Config{Log: log, State: filepath.Join(t.TempDir(), "folder", "state.json")})
	ctx := t.Context()
	plain, numbered := f.model("plain", "none"), f.numberedFolder("numbered", "3", "5")
	start := func(dirs ...string) {
		t.Helper()
		m.Close()
		m = f.models(m.config)
		if err := errors.Join(m.Serve(ctx, "flowers", append([]string{plain}, dirs...)...), m.Serve(ctx, "numbered", numbered), m.Restore(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	activate := func(name, dir string) int {
		t.Helper()
		version, err := m.Activate(ctx, name, dir)
		if err != nil {
			t.Fatal(err)
		}
		return version
	}
	start()
	activate("flowers", f.model("run1", "none"))
	activate("flowers", f.model("run2", "none"))
	activate("flowers", f.model("run3", "none"))
	if _, err := m.RollBack(ctx, "flowers"); err != nil {
		t.Fatal(err)
	}
	activate("added", f.model("run4", "none"))
	if err := m.Select(ctx, "numbered", 3); err != nil {
		t.Fatal(err)
	}
	was := m.List()
	start()
	answersBy(t, m, "flowers", 3, "run2")
	answersBy(t, m, "numbered", 3, "numbered/3")
	answersBy(t, m, "added", 1, "run4")
	for i, s := range m.List() {
		if s.Name != was[i].Name || !slices.Equal(numbers(s), numbers(was[i])) || s.Active != was[i].Active || s.Before != was[i].Before || !slices.Equal(states(s), states(was[i])) {
			t.Errorf("after another start it is listed as %+v, before as %+v", s, was[i])
		}
	}
	if version, err := m.RollBack(ctx, "flowers"); err != nil || version != 2 {
		t.Errorf("rolled back to version %d, error %v", version, err)
	}
	if version := activate("flowers", f.model("run5", "none")); version != 5 {
		t.Errorf("the next version is %d; numbers must not be given twice", version)
	}

	// A folder with a number, and one on the command line, that are new are newer than what was chosen.
	f.model("numbered/9", "none")
	start(f.model("new", "none"))
	answersBy(t, m, "numbered", 9, "numbered/9")
	answersBy(t, m, "flowers", 6, "new")
	if s := status(t, m, "flowers"); s.Before != 5 {
		t.Errorf("one would roll back to %d", s.Before)
	}
	start(filepath.Join(f.root, "new"))
	answersBy(t, m, "flowers", 6, "new")
	if strings.Contains(said(), "WARN") {
		t.Error(said())
	}

	// What is gone is fallen back from, and not forgotten.
	if err := m.Select(ctx, "flowers", 5); err != nil {
		t.Fatal(err)
	}
	away := filepath.Join(f.root, "away")
	if err := os.Rename(filepath.Join(f.root, "run5"), away); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(numbered, "9")); err != nil {
		t.Fatal(err)
	}
	start(filepath.Join(f.root, "new"))
	answersBy(t, m, "flowers", 6, "new")
	answersBy(t, m, "numbered", 3, "numbered/3")
	contains(t, said(), "no longer there", "version=9", "cannot be used", "version=5")
	if err := m.Select(ctx, "numbered", 5); err != nil { // Writes the state.
		t.Fatal(err)
	}
	if err := os.Rename(away, filepath.Join(f.root, "run5")); err != nil {
		t.Fatal(err)
	}
	start(filepath.Join(f.root, "new"))
	answersBy(t, m, "flowers", 5, "run5")
	answersBy(t, m, "numbered", 5, "numbered/5")

	// The folder on the command line is gone, what was activated is not.
	if err := os.RemoveAll(plain); err != nil {
		t.Fatal(err)
	}
	start()
	answersBy(t, m, "flowers", 5, "run5")

	// One that is not named on the command line any more is not served, but what was activated there is kept in mind.
	m = f.models(m.config)
	if err := m.Restore(ctx); err != nil {
		t.Fatal(err)
	}
	if all := m.List(); len(all) != 1 || all[0].Name != "added" {
		t.Errorf("listed are %+v", all)
	}
	activate("added", f.model("run6", "none"))
	start()
	answersBy(t, m, "flowers", 5, "run5")
	answersBy(t, m, "added", 2, "run6")
}

func TestStateThatCannotBeUsed(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "no JSON": "{", "another format": `{"format":2,"models":[]}`,
		"a list": "[]", "bad name": `{"format":1,"models":[{"name":"a/b","active":1,"last":1,"versions":[{"version":1,"dir":"/a"}]}]}`,
		"nothing active":  `{"format":1,"models":[{"name":"a","active":2,"last":2,"versions":[{"version":1,"dir":"/a"}]}]}`,
		"no such before":  `{"format":1,"models":[{"name":"a","active":1,"before":[7],"last":2,"versions":[{"version":1,"dir":"/a"}]}]}`,
		"relative":        `{"format":1,"models":[{"name":"a","active":1,"last":1,"versions":[{"version":1,"dir":"a"}]}]}`,
		"twice":           `{"format":1,"models":[{"name":"a","active":1,"last":1,"versions":[{"version":1,"dir":"/a"},{"version":1,"dir":"/b"}]}]}`,
		"the same twice":  `{"format":1,"models":[{"name":"a","active":1,"last":1,"versions":[{"version":1,"dir":"/a"}]},{"name":"a","active":1,"last":1,"versions":[{"version":1,"dir":"/a"}]}]}`,
		"too large":       `{"format":1,"models":[{"name":"a","active":1,"last":9223372036854775807,"versions":[{"version":1,"dir":"/a"}]}]}`,
		"last is too low": `{"format":1,"models":[{"name":"a","active":3,"last":1,"versions":[{"version":3,"dir":"/a"}]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.json")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			log, said := logged()
			f, m := newFake(t, Config{Log: log, State: path})
			if err := errors.Join(m.Serve(t.Context(), "flowers", f.model("a", "none")), m.Restore(t.Context())); err != nil {
				t.Fatal(err)
			}
			answersBy(t, m, "flowers", 1, "a")
			contains(t, said(), "put aside")
			if aside, err := os.ReadFile(path + ".damaged"); err != nil || string(aside) != content {
				t.Errorf("put aside is %q, error %v", aside, err)
			}
			if data, err := os.ReadFile(path); err != nil || !json.Valid(data) {
				t.Errorf("the new state is %q, error %v", data, err)
			}
		})
	}
}

// What cannot be remembered is not done: after another start, it would be undone.
func TestStateThatCannotBeWritten(t *testing.T) {
	log, said := logged()
	place := filepath.Join(t.TempDir(), "place")
	if err := os.WriteFile(place, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, m := newFake(t, Config{Log: log, State: filepath.Join(place, "state.json")})
	if err := m.Serve(t.Context(), "flowers", f.model("a", "none")); err != nil {
		t.Fatal(err)
	}
	contains(t, said(), "not remembered")
	if version, err := m.Activate(t.Context(), "flowers", f.model("b", "none")); err == nil || version != 0 {
		t.Errorf("version %d was activated", version)
	}
	answersBy(t, m, "flowers", 1, "a")
	if all := numbers(status(t, m, "flowers")); !slices.Equal(all, []int{1}) {
		t.Errorf("listed are %v", all)
	}
}

func TestVersionsAreBounded(t *testing.T) {
	f, m := newFake(t, Config{State: filepath.Join(t.TempDir(), "state.json")})
	first := f.model("0", "none")
	if err := m.Serve(t.Context(), "flowers", first); err != nil {
		t.Fatal(err)
	}
	for i := range maxVersions + 10 {
		dir := filepath.Join(f.root, fmt.Sprint("run", i))
		if err := os.Symlink(first, dir); err != nil {
			t.Fatal(err)
		}
		if version, err := m.Activate(t.Context(), "flowers", dir); err != nil || version != i+2 {
			t.Fatal(version, err)
		}
	}
	all := numbers(status(t, m, "flowers"))
	if len(all) != maxVersions || all[len(all)-1] != maxVersions+11 {
		t.Errorf("listed are %v", all)
	}
	back := 0
	for ; ; back++ {
		if _, err := m.RollBack(t.Context(), "flowers"); err != nil {
			break
		}
	}
	if back < maxBefore || served(t, m, "flowers").Version != all[0] {
		t.Errorf("rolled back %d times, to version %d", back, served(t, m, "flowers").Version)
	}
	m = f.models(m.config)
	if err := m.Serve(t.Context(), "flowers", first); err != nil {
		t.Fatal(err)
	}
}

// The states that others see while something goes on.
func TestStates(t *testing.T) {
	f, m := newFake(t, Config{})
	if err := m.Serve(t.Context(), "flowers", f.model("a", "none"), f.model("b", "none"), f.model("c", "none")); err != nil {
		t.Fatal(err)
	}
	opening, open := make(chan string), make(chan struct{})
	f.open = func(_ context.Context, dir string) (*classify.Classifier, error) {
		opening <- filepath.Base(dir)
		<-open
		return nil, nil
	}
	computing, compute := make(chan struct{}), make(chan struct{})
	f.before = func(context.Context, int, [][]byte) error {
		computing <- struct{}{}
		<-compute
		return nil
	}
	v2, err := m.Get("flowers", 2)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		pictures := photos("slow", 1)
		answers, err := v2.Classify(t.Context(), pictures)
		if err := errors.Join(err, check("b", pictures, answers)); err != nil {
			t.Error(err)
		}
	})
	<-computing
	group.Go(func() {
		if _, err := m.Activate(t.Context(), "flowers", f.model("d", "none")); err != nil {
			t.Error(err)
		}
	})
	<-opening
	if s := status(t, m, "flowers"); !slices.Equal(states(s), []string{StateEnd, StateAvailable, StateAvailable, StateLoading}) || !m.Ready() {
		t.Errorf("while one is loaded: %v", states(s))
	}
	impatient, cancel := context.WithCancel(t.Context())
	group.Go(func() {
		if err := m.Select(impatient, "flowers", 1); !errors.Is(err, context.Canceled) {
			t.Errorf("who does not wait for a change to end got the error %v", err)
		}
	})
	cancel()
	open <- struct{}{}
	for status(t, m, "flowers").Active != 4 {
		runtime.Gosched()
	}
	if s := status(t, m, "flowers"); !slices.Equal(states(s), []string{StateEnd, StateUnloading, StateAvailable, StateAvailable}) {
		t.Errorf("while an old one answers: %v", states(s))
	}
	if _, err := m.Get("flowers", 2); !errors.Is(err, ErrNoVersion) {
		t.Errorf("the old one: %v", err)
	}
	compute <- struct{}{}
	group.Wait()
	if s := status(t, m, "flowers"); !slices.Equal(states(s), []string{StateEnd, StateEnd, StateAvailable, StateAvailable}) {
		t.Errorf("in the end: %v", states(s))
	}
	m.Close()
}

// TestSwapUnderLoad wants each of many thousand requests to be answered, by a version that was active at some moment
// between its begin and its end.
func TestSwapUnderLoad(t *testing.T) {
	f, m := newFake(t, Config{MaxQueue: 1 << 20, State: filepath.Join(t.TempDir(), "state.json")})
	const folders = 5
	var dirs []string
	for i := range folders {
		dirs = append(dirs, f.model(fmt.Sprint("folder", i), "none"))
	}
	if err := m.Serve(t.Context(), "flowers", dirs[0]); err != nil {
		t.Fatal(err)
	}
	// Each change begins and ends at a moment; a version may be active from the begin of the change to it until the end of
	// the next change.
	type change struct{ begin, end, version int64 }
	const requests, swaps = 500, 40 // Each caller asks as often, and until there were so many changes.
	var swapped atomic.Int64
	var clock atomic.Int64
	changes := []change{{version: 1}}
	stop := make(chan struct{})
	var changer, callers sync.WaitGroup
	var asked atomic.Int64
	changer.Go(func() {
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			c := change{begin: clock.Add(1)}
			var version int
			var err error
			if i%3 == 0 {
				version, err = m.RollBack(t.Context(), "flowers")
			} else {
				version, err = m.Activate(t.Context(), "flowers", dirs[i%folders])
			}
			if err != nil {
				t.Error(err)
				return
			}
			c.version, c.end = int64(version), clock.Add(1)
			changes = append(changes, c)
			swapped.Add(1)
		}
	})
	type asking struct{ begin, end, version int64 }
	all := make([][]asking, 16)
	for i := range all {
		callers.Go(func() {
			for k := 0; k < requests || swapped.Load() < swaps && !t.Failed(); k++ {
				a := asking{begin: clock.Add(1)}
				model, err := m.Get("flowers", 0)
				if err != nil {
					t.Error(err)
					return
				}
				pictures := photos(fmt.Sprintf("photo %d %d", i, k), 1+k%3)
				answers, err := model.Classify(t.Context(), pictures)
				a.end, a.version = clock.Add(1), int64(model.Version)
				if err := errors.Join(err, check(filepath.Base(model.Dir), pictures, answers)); err != nil {
					t.Error(err)
					return
				}
				asked.Add(1)
				all[i] = append(all[i], a)
			}
		})
	}
	callers.Wait()
	close(stop)
	changer.Wait()
	if asked.Load() < int64(len(all)*requests) || len(changes) < swaps {
		t.Errorf("%d requests were answered, %d changes made", asked.Load(), len(changes))
	}
	t.Logf("%d requests were answered, %d changes made", asked.Load(), len(changes))
	for _, caller := range all {
		for _, a := range caller {
			if !slices.ContainsFunc(changes, func(c change) bool {
				next := int64(1 << 62)
				if i := slices.Index(changes, c); i+1 < len(changes) {
					next = changes[i+1].end
				}
				return c.version == a.version && c.begin <= a.end && next >= a.begin
			}) {
				t.Fatalf("a request from %d to %d was answered by version %d, which was not active", a.begin, a.end, a.version)
			}
		}
	}
	m.Close()
	m.queue.unchanged(t)
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"format":1,"models":[{"name":"a","added":true,"active":2,"before":[1],"last":3,"versions":[{"version":1,"dir":"/a"},{"version":2,"dir":"/b","graph":"00","added":true}]}]}`))
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, m := newFake(t, Config{State: path})
		for _, r := range m.records {
			if err := m.Serve(t.Context(), r.Name); err == nil {
				t.Errorf("%q is served, and there is no model", r.Name)
			}
		}
		_ = m.Restore(t.Context()) // It has no model either.
		if m.Ready() {
			t.Error("it is ready")
		}
	})
}

// TestRestartKeepsTheVersion starts again with versions that were passed over before: none of them takes the active one's place.
func TestRestartKeepsTheVersion(t *testing.T) {
	f, m := newFake(t, Config{State: filepath.Join(t.TempDir(), "state.json")})
	folder := f.numberedFolder("flowers", "2", "3")
	restart := func(want int) {
		t.Helper()
		m.Close()
		m = f.models(m.config)
		if err := m.Serve(t.Context(), "flowers", folder); err != nil {
			t.Fatal(err)
		}
		if v := served(t, m, "flowers").Version; v != want {
			t.Errorf("version %d is active, want %d", v, want)
		}
	}
	restart(3)
	f.numberedFolder("flowers", "8", "9")
	if err := m.Rescan(t.Context()); err != nil {
		t.Fatal(err)
	}
	restart(9)
	f.numberedFolder("flowers", "1", "7")
	restart(9)
	f.numberedFolder("flowers", "10")
	restart(10)
}

// TestRestoreAgain has an engine that does not start at first.
func TestRestoreAgain(t *testing.T) {
	f, m := newFake(t, Config{State: filepath.Join(t.TempDir(), "state.json")})
	if _, err := m.Activate(t.Context(), "flowers", f.model("run", "none")); err != nil {
		t.Fatal(err)
	}
	m.Close()
	m = f.models(m.config)
	f.open = func(context.Context, string) (*classify.Classifier, error) {
		return nil, fmt.Errorf("starting: %w", classify.ErrUnavailable)
	}
	if err := m.Restore(t.Context()); !errors.Is(err, classify.ErrUnavailable) {
		t.Errorf("without an engine it says %v", err)
	}
	f.open = nil
	if err := m.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	answersBy(t, m, "flowers", 1, "run")
	if err := m.Restore(t.Context()); err != nil || len(m.List()) != 1 {
		t.Errorf("once more: %v, %+v", err, m.List())
	}
}
