package trained

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// example is a model as kaika retrain writes it, but for its graph.
func example(labels ...string) (Model, []byte) {
	graph := []byte("graph of " + strings.Join(labels, ", "))
	accuracy := 0.9375
	scores := make([]float32, len(labels))
	for i := range scores {
		scores[i] = 1 / float32(len(scores))
	}
	return Model{
		Format: Format, Kaika: "1.2.3", Created: time.Date(2026, 4, 5, 6, 7, 8, 0, time.UTC), Labels: labels,
		Graph: Graph{File: GraphFile, SHA256: DigestBytes(graph), Contents: "DecodeJpeg/contents:0", Output: "final_result:0"},
		BaseModel: BaseModel{
			Name: "efficientnet_lite0", SHA256: "0123", InputSize: 288, Mean: 127, Scale: 128,
			Input: "input:0", Bottleneck: "feature:0", FeatureLength: 1280, Precision: "float32",
		},
		Dataset:     Dataset{SHA256: "4567", Photos: 3, Labels: map[string]int{labels[0]: 3}},
		Split:       Split{TestingPercentage: 10, ValidationPercentage: 10, Train: 2, Test: 1},
		Parameters:  map[string]any{"learning_rate": 0.01, "seed": "x"},
		Metrics:     Metrics{Steps: 500, TrainAccuracy: 1, TestAccuracy: &accuracy, TestCount: 1},
		Temperature: 1.25, UnknownBelow: 0.1, GoldenScores: []GoldenScore{{"89ab", scores}}, Preprocessing: "in words",
	}, graph
}

// commit writes an example model.
func commit(t *testing.T, dir string, labels ...string) Model {
	t.Helper()
	m, graph := example(labels...)
	w := writer(t, dir)
	if err := errors.Join(w.File(GraphFile, graph), w.File(LabelsFile, Labels(labels)), w.Commit(m)); err != nil {
		t.Fatal(err)
	}
	return m
}

func writer(t *testing.T, dir string) *Writer {
	t.Helper()
	w, err := NewWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// tree gives the files below a folder with their contents.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if e.Type()&fs.ModeSymlink != 0 {
			files[name], err = os.Readlink(path)
			return err
		}
		data, err := os.ReadFile(path)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func write(t *testing.T, text string, elem ...string) {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestModelRoundTrip(t *testing.T) {
	for name, labels := range map[string][]string{
		"plain":       {"daisy", "rose"},
		"Japanese":    {"たんぽぽ", "薔薇", "ﾊﾞﾗ", "ば\u3099ら"},
		"with spaces": {" leading", "lily of the valley", "tabs\tinside", "trailing "},
		"odd":         {"#", "-", "\"quoted\"", "<b>&amp;", "a,b;c", "\u2028", "\ufeffBOM", "💐"},
		"long":        {strings.Repeat("x", 255), strings.Repeat("y", 255)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "models", "花 1")
			want := commit(t, dir, labels...)
			f, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(f.Model, want) {
				t.Errorf("%+v became %+v", want, f.Model)
			}
			if f.Dir != dir || f.GraphPath != filepath.Join(dir, GraphFile) {
				t.Errorf("it lies in %s, %s", f.Dir, f.GraphPath)
			}
			files := tree(t, filepath.Dir(dir))
			if names := slices.Sorted(maps.Keys(files)); len(names) != 3 {
				t.Errorf("there are %q", names)
			}
			if text := files[filepath.Join("花 1", LabelsFile)]; text != strings.Join(labels, "\n")+"\n" {
				t.Errorf("the file of labels is %q", text)
			}
		})
	}
}

// Others read the folder by these names.
func TestModelFolderIsAsPromised(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	commit(t, dir, "a", "b")
	var m map[string]any
	data, err := os.ReadFile(filepath.Join(dir, "model.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"format", "kaika", "created", "labels", "graph", "base_model", "dataset", "split", "parameters", "metrics", "temperature",
		"unknown_threshold", "golden", "preprocessing",
	} {
		if _, there := m[name]; !there {
			t.Errorf("model.json has no %s", name)
		}
	}
	for _, name := range []string{"retrained_graph.pb", "retrained_labels.txt"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm()&0o400 == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	change := func(do func(m map[string]any)) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			path := filepath.Join(dir, ModelFile)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var m map[string]any
			if err := json.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			do(m)
			if data, err = json.Marshal(m); err != nil {
				t.Fatal(err)
			}
			write(t, string(data), path)
		}
	}
	graphFile := func(name string) func(t *testing.T, dir string) {
		return change(func(m map[string]any) {
			m["graph"] = map[string]any{"file": name, "sha256": DigestBytes([]byte("outside"))}
		})
	}
	put := func(name, text string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) { t.Helper(); write(t, text, dir, name) }
	}
	remove := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		words []string
		is    error
	}{
		"no folder":      {remove("."), []string{"holds no trained model", "there is no model.json", "--output_dir"}, ErrNoModel},
		"no model.json":  {remove(ModelFile), []string{"holds no trained model"}, ErrNoModel},
		"garbage":        {put(ModelFile, "{\x00garbage"), []string{"model.json is damaged", "Train the model again"}, nil},
		"empty":          {put(ModelFile, ""), []string{"model.json is damaged"}, nil},
		"cut off":        {put(ModelFile, `{"format": 1, "labels": ["a", "b"`), []string{"model.json is damaged"}, nil},
		"another type":   {put(ModelFile, `[1, 2]`), []string{"model.json is damaged"}, nil},
		"another's":      {put(ModelFile, `{"format": "layers-model"}`), []string{"model.json is damaged"}, nil},
		"nothing in it":  {put(ModelFile, `{}`), []string{"model.json is damaged", "names no graph"}, nil},
		"null":           {put(ModelFile, `null`), []string{"model.json is damaged"}, nil},
		"newer format":   {change(func(m map[string]any) { m["format"] = Format + 1 }), []string{"has format 2", "formats up to 1", "use a newer Kaika"}, nil},
		"odd format":     {change(func(m map[string]any) { m["format"] = -1 }), []string{"model.json is damaged"}, nil},
		"no labels":      {change(func(m map[string]any) { m["labels"] = []string{} }), []string{"names no graph or no labels"}, nil},
		"no graph named": {graphFile(""), []string{"names no graph"}, nil},
		"outside":        {graphFile("../outside"), []string{"names no graph"}, nil},
		"absolute":       {graphFile("/etc/hostname"), []string{"names no graph"}, nil},
		"below":          {graphFile("sub/graph.pb"), []string{"names no graph"}, nil},
		"the folder":     {graphFile("."), []string{"is not whole"}, nil},
		"above":          {graphFile(".."), []string{"is not whole"}, nil},
		"no graph":       {remove(GraphFile), []string{"is not whole", GraphFile, "no such file"}, fs.ErrNotExist},
		"graph changed": {
			put(GraphFile, "another graph"),
			[]string{"does not fit together", GraphFile, DigestBytes([]byte("another graph"))[:12], "Copy the whole folder again"},
			nil,
		},
		"no digest":      {change(func(m map[string]any) { m["graph"] = map[string]any{"file": GraphFile} }), []string{"does not fit together"}, nil},
		"no labels file": {remove(LabelsFile), []string{"is not whole", LabelsFile}, fs.ErrNotExist},
		"labels swapped": {put(LabelsFile, "rose\ndaisy\n"), []string{"does not fit together", "lists other labels"}, nil},
		"label missing":  {put(LabelsFile, "daisy\n"), []string{"lists other labels"}, nil},
		"label added":    {put(LabelsFile, "daisy\nrose\ntulip\n"), []string{"lists other labels"}, nil},
		"empty line":     {put(LabelsFile, "daisy\n\nrose\n"), []string{"lists other labels"}, nil},
		"endless line":   {put(LabelsFile, strings.Repeat("x", 1<<20)), []string{"is not whole", LabelsFile}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "m")
			commit(t, dir, "daisy", "rose")
			write(t, "outside", filepath.Dir(dir), "outside")
			c.spoil(t, dir)
			f, err := Open(dir)
			if err == nil || f != nil {
				t.Fatalf("it was opened: %+v", f)
			}
			for _, words := range append(c.words, dir) {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("the error does not say %q: %v", words, err)
				}
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("the error is not %v: %v", c.is, err)
			}
		})
	}
}

// An editor of Windows ends lines otherwise, and others leave out the last end. The labels are the same.
func TestOpenReadsLabelsOfOtherEditors(t *testing.T) {
	for _, text := range []string{"daisy\r\nrose\r\n", "daisy\nrose"} {
		dir := filepath.Join(t.TempDir(), "m")
		commit(t, dir, "daisy", "rose")
		write(t, text, dir, LabelsFile)
		if _, err := Open(dir); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A label with the end of a line in it cannot be written. The dataset refuses it; should one come all the same, the model
// is refused instead of giving the scores to other labels.
func TestLabelWithTheEndOfALine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	commit(t, dir, "daisy", "ro\nse")
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "lists other labels") {
		t.Errorf("got %v", err)
	}
}

func TestModelThatIsNoJSON(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	commit(t, dir, "old", "older")
	m, graph := example("new", "newer")
	m.GoldenScores[0].Scores[0] = float32(math.NaN())
	w := writer(t, dir)
	if err := errors.Join(w.File(GraphFile, graph), w.File(LabelsFile, Labels(m.Labels))); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(m); err == nil {
		t.Error("a score that is not a number was written")
	}
	if f, err := Open(dir); err != nil || f.Labels[0] != "old" {
		t.Errorf("the old model is gone: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	m, graph := example("daisy", "薔薇")
	good, err := json.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, Labels(m.Labels))
	f.Add([]byte(`{"format":1,"labels":["a"],"graph":{"file":"../x"},"golden":[{"scores":[1e39]}]}`), []byte("a\n"))
	f.Add([]byte(`{"format":1,"labels":[""],"graph":{"file":"retrained_graph.pb"}}`), []byte("\n"))
	f.Add([]byte(`{"format":1e400}`), []byte{})
	f.Add([]byte("null"), []byte("\xff\r\n\r\n"))
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, GraphFile), graph, 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, model, labels []byte) {
		write(t, string(model), dir, ModelFile)
		write(t, string(labels), dir, LabelsFile)
		folder, err := Open(dir)
		if err != nil {
			if folder != nil || err.Error() == "" {
				t.Errorf("got %v and %v", folder, err)
			}
			return
		}
		if folder.GraphPath != filepath.Join(dir, GraphFile) || len(folder.Labels) == 0 || folder.Format != Format {
			t.Errorf("got %+v", folder)
		}
		// Whatever else it says, it must not stop the program.
		_ = folder.CheckGolden([]string{"89ab"}, [][]float32{{0.5, 0.5}}, "")
	})
}
