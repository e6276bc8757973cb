package model

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"

	"kaika/model/graph"
)

func TestAddGraph(t *testing.T) {
	s := newStore(t, "")
	data := marshal(t, mobilenetGraph())
	file := write(t, filepath.Join(t.TempDir(), "my net.pb"), data)
	b := ownBase("mine")
	b.FeatureLength = 0
	got, err := s.Add(t.Context(), file, b, &fakeEngine{length: 3})
	if err != nil {
		t.Fatal(err)
	}
	if got.FeatureLength != 3 || got.DefaultSize != 224 || got.Digest != digest(data) || got.Origin != file {
		t.Errorf("got %+v", got)
	}
	if opened, err := s.Verify(t.Context(), "mine"); err != nil || !reflect.DeepEqual(opened, got) {
		t.Errorf("opened %+v, %v", opened, err)
	}
	if _, err := s.Add(t.Context(), file, b, &fakeEngine{length: 3}); err == nil || !strings.Contains(err.Error(), "choose another name") {
		t.Errorf("twice: %v", err)
	}
	if _, err := s.Fetch(t.Context(), "mine", FetchOptions{}); err == nil || !strings.Contains(err.Error(), "added by hand") {
		t.Errorf("fetched: %v", err)
	}
	if _, err := s.Add(t.Context(), file, ownBase("no-engine"), nil); err != nil {
		t.Errorf("without an engine: %v", err)
	}
	holdsOnly(t, s.Dir, "mine", "no-engine")
}

func TestAddRefuses(t *testing.T) {
	variable := mobilenetGraph()
	variable.Node[2].Op = "VariableV2"
	variable.Node[2].Attr = nil
	if variable.Node[2].GetName() != "MobilenetV1/Predictions/Reshape/shape" {
		t.Fatal("the graph has changed")
	}
	good := marshal(t, mobilenetGraph())
	tests := []struct {
		name   string
		data   []byte
		change func(*Base)
		engine *fakeEngine
		words  []string
	}{
		{"a wrong input", good, func(b *Base) { b.InputTensor = "images:0" }, nil, []string{`no node "images"`, "input"}},
		{
			"a wrong bottleneck", good, func(b *Base) { b.BottleneckTensor = "V1/Reshape:0" }, nil,
			[]string{`no node "V1/Reshape"`, "MobilenetV1/Predictions/Reshape"},
		},
		{"ends that are exchanged", good, func(b *Base) { b.InputTensor, b.BottleneckTensor = b.BottleneckTensor, b.InputTensor }, nil, []string{"bottleneck"}},
		{"no graph", []byte("hello"), nil, nil, []string{"frozen GraphDef", "net.pb"}},
		{"no bytes", nil, nil, nil, []string{"frozen GraphDef", "net.pb"}},
		{"a graph that is not frozen", marshal(t, variable), nil, nil, []string{"not frozen", "SavedModel"}},
		{"no scale", good, func(b *Base) { b.Scale = 0 }, &fakeEngine{length: 3}, []string{"scale"}},
		{"no features and no engine", good, func(b *Base) { b.FeatureLength = 0 }, nil, []string{"feature_length"}},
		{"other features", good, nil, &fakeEngine{length: 1001}, []string{"1001", "says 3"}},
		{"a network that does not run", good, nil, &fakeEngine{err: errors.New("no kernel")}, []string{"test picture", "no kernel"}},
		{"a name of the catalogue", good, func(b *Base) { b.Name = "inception_v3" }, nil, []string{"choose another"}},
		{"no name", good, func(b *Base) { b.Name = "" }, nil, []string{"a-z"}},
		{"a name that leads elsewhere", good, func(b *Base) { b.Name = "../x" }, nil, []string{"a-z"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t, "")
			b := ownBase("mine")
			if test.change != nil {
				test.change(&b)
			}
			var engine Engine
			if test.engine != nil {
				engine = test.engine
			}
			_, err := s.Add(t.Context(), write(t, filepath.Join(t.TempDir(), "net.pb"), test.data), b, engine)
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, words := range test.words {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q does not say %q", err, words)
				}
			}
			if strings.Contains(err.Error(), s.Dir) {
				t.Errorf("%q names a file that is gone", err)
			}
			holdsOnly(t, s.Dir)
		})
	}
}

func TestAddSavedModel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "saved")
	write(t, filepath.Join(dir, "saved_model.pb"), []byte("a SavedModel"))
	engine := &fakeEngine{length: 3, frozen: Frozen{
		Graph: marshal(t, mobilenetGraph()), InputTensor: "input:0", BottleneckTensor: "MobilenetV1/Predictions/Reshape:0",
	}}
	s := newStore(t, "")
	b := Base{Name: "mine", InputTensor: "images", InputSize: 224, Scale: 255}
	got, err := s.Add(t.Context(), dir, b, engine)
	if err != nil {
		t.Fatal(err)
	}
	if got.InputTensor != "input:0" || got.BottleneckTensor != "MobilenetV1/Predictions/Reshape:0" || !slices.Equal(engine.asked, []string{"images", ""}) {
		t.Errorf("got %+v after asking for %q", got, engine.asked)
	}
	b.Name = "other"
	for _, test := range []struct {
		name, dir string
		engine    Engine
		words     string
	}{
		{"no engine", dir, nil, "engine"},
		{"an ordinary folder", t.TempDir(), engine, "no SavedModel"},
		{"nothing there", dir + "x", engine, "no such file"},
		{"a table", dir, &fakeEngine{err: errors.New("it needs a table")}, "it needs a table"},
	} {
		if _, err := s.Add(t.Context(), test.dir, b, test.engine); err == nil || !strings.Contains(err.Error(), test.words) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	holdsOnly(t, s.Dir, "mine")
}

func TestAddStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newStore(t, "")
	file := write(t, filepath.Join(t.TempDir(), "net.pb"), marshal(t, mobilenetGraph()))
	if _, err := s.Add(ctx, file, ownBase("mine"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	holdsOnly(t, s.Dir)
}

func TestVerifyFindsDamage(t *testing.T) {
	other := mobilenetGraph()
	other.Node[0].Attr["dtype"] = graph.Type(typespb.DataType_DT_HALF) // As long as before.
	tests := []struct {
		name   string
		damage func(t *testing.T, i Installed)
		opens  bool
		words  string
	}{
		{"none", func(*testing.T, Installed) {}, true, ""},
		{"a graph that is gone", func(t *testing.T, i Installed) {
			t.Helper()
			if err := os.Remove(i.GraphPath); err != nil {
				t.Fatal(err)
			}
		}, false, "graph.pb: no such file"},
		{"a graph cut short", func(t *testing.T, i Installed) { t.Helper(); write(t, i.GraphPath, []byte("x")) }, false, "1 bytes instead of"},
		{"another graph", func(t *testing.T, i Installed) { t.Helper(); write(t, i.GraphPath, marshal(t, other)) }, true, "digest"},
		{"no description", func(t *testing.T, i Installed) { t.Helper(); write(t, filepath.Join(i.Dir, recordFile), []byte("{")) }, false, "base_model.json"},
		{"another's description", func(t *testing.T, i Installed) {
			t.Helper()
			if err := os.Rename(i.Dir, filepath.Join(filepath.Dir(i.Dir), "renamed")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("renamed", i.Dir); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(i.Dir, recordFile), []byte(`{"name": "renamed", "graph_sha256": "x", "graph_bytes": `+size(t, i.GraphPath)+`}`))
		}, false, "another model"},
		{"a description that says too little", func(t *testing.T, i Installed) {
			t.Helper()
			write(t, filepath.Join(i.Dir, recordFile), []byte(`{"name": "mine", "graph_sha256": "x", "graph_bytes": `+size(t, i.GraphPath)+`}`))
		}, false, "scale"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t, "")
			file := write(t, filepath.Join(t.TempDir(), "net.pb"), marshal(t, mobilenetGraph()))
			installed, err := s.Add(t.Context(), file, ownBase("mine"), nil)
			if err != nil {
				t.Fatal(err)
			}
			test.damage(t, installed)
			if _, err := s.Open("mine"); (err == nil) != test.opens {
				t.Errorf("opening: %v", err)
			}
			_, err = s.Verify(t.Context(), "mine")
			if (err == nil) != (test.words == "") {
				t.Fatalf("verifying: %v", err)
			}
			if err != nil && (!errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), test.words) || !strings.Contains(err.Error(), "Remove that folder")) {
				t.Errorf("verifying: %v", err)
			}
		})
	}
}

func size(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(len(data))
}

func TestList(t *testing.T) {
	p := newPublisher(t, published(t))
	s := newStore(t, p.URL)
	if _, err := s.Fetch(t.Context(), "inception_v3", FetchOptions{}); err != nil {
		t.Fatal(err)
	}
	file := write(t, filepath.Join(t.TempDir(), "net.pb"), marshal(t, mobilenetGraph()))
	for _, name := range []string{"zinnia", "aster"} {
		if _, err := s.Add(t.Context(), file, ownBase(name), nil); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(s.Dir, "zinnia", graphFile), []byte("x"))
	write(t, filepath.Join(s.Dir, ".aster-123", recordFile), []byte("{}"))
	write(t, filepath.Join(s.Dir, "no model", "file"), nil)
	// A folder that is searched later also has one, which is sound.
	second := newStore(t, "")
	if _, err := second.Add(t.Context(), file, ownBase("zinnia"), nil); err != nil {
		t.Fatal(err)
	}
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	known := len(Catalogue())
	if len(list) != known+2 {
		t.Fatalf("%d are listed", len(list))
	}
	for i, l := range list[:known] {
		if l.Name != Catalogue()[i].Name || l.Own || l.Problem != "" || (l.Dir != "") != (l.Name == "inception_v3") {
			t.Errorf("%+v", l)
		}
	}
	if a := list[known]; a.Name != "aster" || !a.Own || a.Dir == "" || a.FeatureLength != 3 || a.Problem != "" {
		t.Errorf("%+v", a)
	}
	if z := list[known+1]; z.Name != "zinnia" || !z.Own || z.Dir != "" || z.Problem == "" {
		t.Errorf("%+v", z)
	}
	s.Dirs = []string{s.Dir, second.Dir}
	if list, err = s.List(); err != nil || list[known+1].Problem != "" || filepath.Dir(list[known+1].Dir) != second.Dir {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestInstallAtOnce lets several installations of one model go on at the same time.
func TestInstallAtOnce(t *testing.T) {
	p := newPublisher(t, published(t))
	s := newStore(t, p.URL)
	results := make(chan error)
	const times = 4
	for range times {
		go func() {
			_, err := s.Fetch(t.Context(), "inception_v3", FetchOptions{})
			results <- err
		}()
	}
	for range times {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Verify(t.Context(), "inception_v3"); err != nil {
		t.Error(err)
	}
	holdsOnly(t, s.Dir, "inception_v3")
}
