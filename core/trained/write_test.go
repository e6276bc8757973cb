package trained

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestCheckPlace(t *testing.T) {
	for name, c := range map[string]struct {
		make  func(t *testing.T, dir string)
		words string // "" where a model may be written.
	}{
		"missing": {func(*testing.T, string) {}, ""},
		"empty": {func(t *testing.T, dir string) {
			t.Helper()
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"a model": {func(t *testing.T, dir string) { t.Helper(); commit(t, dir, "a", "b") }, ""},
		"a model and notes": {func(t *testing.T, dir string) {
			t.Helper()
			commit(t, dir, "a", "b")
			write(t, "notes", dir, "notes.txt")
		}, ""},
		"photos":                     {func(t *testing.T, dir string) { t.Helper(); write(t, "photo", dir, "rose", "1.jpg") }, "already holds other files"},
		"a hidden file":              {func(t *testing.T, dir string) { t.Helper(); write(t, "", dir, ".git", "HEAD") }, "already holds other files"},
		"a graph without model.json": {func(t *testing.T, dir string) { t.Helper(); write(t, "", dir, GraphFile) }, "already holds other files"},
		"another program's model": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, `{"format": "layers-model", "modelTopology": {}}`, dir, ModelFile)
			write(t, "weights", dir, "group1-shard1of1.bin")
		}, "already holds other files"},
		"any model.json":        {func(t *testing.T, dir string) { t.Helper(); write(t, `{"name": "train set"}`, dir, ModelFile) }, "already holds other files"},
		"a folder of that name": {func(t *testing.T, dir string) { t.Helper(); write(t, "", dir, ModelFile, "x") }, "already holds other files"},
		"a file":                {func(t *testing.T, dir string) { t.Helper(); write(t, "text", dir) }, "cannot be written"},
		"in a file":             {func(t *testing.T, dir string) { t.Helper(); write(t, "text", filepath.Dir(dir)) }, "cannot be written"},
		"a link to foreign files": {func(t *testing.T, dir string) {
			t.Helper()
			foreign := t.TempDir()
			write(t, "photo", foreign, "1.jpg")
			if err := errors.Join(os.MkdirAll(filepath.Dir(dir), 0o755), os.Symlink(foreign, dir)); err != nil {
				t.Fatal(err)
			}
		}, "already holds other files"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, "models", "花")
			c.make(t, dir)
			before := tree(t, root)
			err := CheckPlace(dir)
			if (err == nil) != (c.words == "") || err != nil && (!strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), dir)) {
				t.Errorf("got %v", err)
			}
			w, err := NewWriter(dir)
			if (err == nil) != (c.words == "") {
				t.Errorf("the writer says %v", err)
			}
			if err == nil {
				err = w.Discard()
			} else {
				err = nil
			}
			if err != nil || !maps.Equal(tree(t, root), before) {
				t.Errorf("%v; there is now %v", err, tree(t, root))
			}
		})
	}
}

func TestCommitReplacesAModel(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "m")
	commit(t, dir, "old", "older")
	write(t, "old points", dir, MetricsFile)
	write(t, "notes", dir, "notes.txt")
	write(t, "curve", dir, "summaries", "train", "events")

	w := writer(t, dir)
	if err := w.File(GraphFile, []byte("half a graph")); err != nil {
		t.Fatal(err)
	}
	if f, err := Open(dir); err != nil || f.Labels[0] != "old" {
		t.Errorf("while the new model is written, the old one is not there: %v", err)
	}
	if err := w.Discard(); err != nil {
		t.Fatal(err)
	}
	if f, err := Open(dir); err != nil || f.Labels[0] != "old" {
		t.Errorf("after the new model was given up, the old one is not there: %v", err)
	}
	commit(t, dir, "new", "newer")
	f, err := Open(dir)
	if err != nil || f.Labels[0] != "new" {
		t.Fatal(f, err)
	}
	files := tree(t, root)
	if len(files) != 5 || files["m/notes.txt"] != "notes" || files["m/summaries/train/events"] != "curve" {
		t.Errorf("there are %q", files)
	}
	if _, there := files["m/"+MetricsFile]; there {
		t.Error("the points of the old model are in the new one")
	}
	if err := w.Discard(); err != nil {
		t.Error(err)
	}
}

func TestDiscardAfterCommit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	m, graph := example("a", "b")
	w := writer(t, dir)
	if err := errors.Join(w.File(GraphFile, graph), w.File(LabelsFile, Labels(m.Labels)), w.Commit(m), w.Discard()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

// What appears in the place in the meantime, as the curves of the training do, is kept.
func TestCommitBesideWhatCameMeanwhile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	m, graph := example("a", "b")
	w := writer(t, dir)
	write(t, "curve", dir, "summaries", "events")
	if err := errors.Join(w.File(GraphFile, graph), w.File(LabelsFile, Labels(m.Labels)), w.Commit(m)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err != nil || tree(t, dir)["summaries/events"] != "curve" {
		t.Errorf("%v; there is %q", err, tree(t, dir))
	}
}

func TestCommitThatFailsKeepsTheOldModel(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, w *Writer){
		"the new folder is gone": func(t *testing.T, w *Writer) {
			t.Helper()
			if err := os.RemoveAll(w.stage); err != nil {
				t.Fatal(err)
			}
		},
		"model.json cannot be written": func(t *testing.T, w *Writer) { t.Helper(); write(t, "", w.Path(ModelFile), "x") },
		"the old one cannot be moved":  func(t *testing.T, w *Writer) { t.Helper(); write(t, "", w.stage+"-old", "x") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "m")
			commit(t, dir, "old", "older")
			m, graph := example("new", "newer")
			w := writer(t, dir)
			if err := errors.Join(w.File(GraphFile, graph), w.File(LabelsFile, Labels(m.Labels))); err != nil {
				t.Fatal(err)
			}
			before := tree(t, dir)
			spoil(t, w)
			if err := w.Commit(m); err == nil {
				t.Error("it did not fail")
			}
			if !maps.Equal(tree(t, dir), before) {
				t.Errorf("there is now %q", tree(t, dir))
			}
			if f, err := Open(dir); err != nil || f.Labels[0] != "old" {
				t.Errorf("the old model is gone: %v", err)
			}
			if err := w.Discard(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, name := range []string{GraphFile, ModelFile} {
		t.Run("the disk is full at "+name, func(t *testing.T) {
			if _, err := os.Stat("/dev/full"); err != nil {
				t.Skip("this system has no full disk to try")
			}
			dir := filepath.Join(t.TempDir(), "m")
			commit(t, dir, "old", "older")
			m, graph := example("new", "newer")
			w := writer(t, dir)
			if err := os.Symlink("/dev/full", w.Path(name)); err != nil {
				t.Fatal(err)
			}
			err := w.File(GraphFile, graph)
			if err == nil {
				err = w.Commit(m)
			}
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "writing the model") {
				t.Errorf("got %v", err)
			}
			if err := w.Discard(); err != nil {
				t.Error(err)
			}
			if f, err := Open(dir); err != nil || f.Labels[0] != "old" {
				t.Errorf("the old model is gone: %v", err)
			}
			if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) != 1 {
				t.Errorf("there is %v, %v", entries, err)
			}
		})
	}
	t.Run("the new one cannot be moved", func(t *testing.T) {
		above := filepath.Join(t.TempDir(), "above")
		dir := filepath.Join(above, "m")
		commit(t, dir, "old", "older")
		m, _ := example("new", "newer")
		w := &Writer{dir: dir, stage: above} // No folder can be moved into itself.
		if err := w.Commit(m); err == nil || !strings.Contains(err.Error(), "putting the model into "+dir) {
			t.Errorf("got %v", err)
		}
		if f, err := Open(dir); err != nil || f.Labels[0] != "old" {
			t.Errorf("the old model is gone: %v", err)
		}
	})
}

func TestModelBehindALink(t *testing.T) {
	target, link := filepath.Join(t.TempDir(), "real"), filepath.Join(t.TempDir(), "link")
	commit(t, target, "old", "older")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	commit(t, link, "new", "newer")
	if f, err := Open(target); err != nil || f.Labels[0] != "new" {
		t.Errorf("the model behind the link is %v, %v", f, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(link)); err != nil || len(entries) != 1 {
		t.Errorf("beside the link are %v, %v", entries, err)
	}

	nowhere := filepath.Join(t.TempDir(), "nowhere")
	if err := os.Symlink(filepath.Join(target, "no", "where"), nowhere); err != nil {
		t.Fatal(err)
	}
	commit(t, nowhere, "a", "b")
	if _, err := Open(nowhere); err != nil {
		t.Error(err)
	}
}

func TestRelativePlace(t *testing.T) {
	t.Chdir(t.TempDir())
	w := writer(t, "m")
	elsewhere := t.TempDir()
	place, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(elsewhere) // The place was named before.
	m, graph := example("a", "b")
	if err := errors.Join(w.File(GraphFile, graph), w.File(LabelsFile, Labels(m.Labels)), w.Commit(m)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(place, "m")); err != nil {
		t.Error(err)
	}
}

func TestManyWriteOneModel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	commit(t, dir, "old", "older")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			m, graph := example(fmt.Sprint("new ", i), "b")
			w, err := NewWriter(dir)
			if err != nil {
				return // Another was about to put its model there.
			}
			// One may fail because of another; none may leave half a model.
			err = errors.Join(w.File(GraphFile, graph), w.File(LabelsFile, Labels(m.Labels)), w.Commit(m))
			if err := w.Discard(); err != nil {
				t.Error(err)
			}
			_ = err
		})
	}
	all.Wait()
	if f, err := Open(dir); err != nil || !strings.HasPrefix(f.Labels[0], "new ") {
		t.Errorf("there is %v, %v", f, err)
	}
}

func TestWriteFile(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "new", "花", "graph 1.pb")
	for _, text := range []string{"first", "second, which is longer", ""} {
		if err := WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if files := tree(t, root); len(files) != 1 || files["new/花/graph 1.pb"] != text {
			t.Errorf("there is %q", files)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("it has mode %v, %v", info.Mode(), err)
	}
	for name, bad := range map[string]string{
		"below a file": filepath.Join(path, "below"),
		"a folder":     filepath.Join(root, "new"),
		"too long":     filepath.Join(root, strings.Repeat("x", 300)),
	} {
		before := tree(t, root)
		err := WriteFile(bad, []byte("text"))
		if err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", name, err)
		}
		if !maps.Equal(tree(t, root), before) {
			t.Errorf("%s: there is now %q", name, tree(t, root))
		}
	}
}
