package classify

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"kaika/core/curate"
	"kaika/core/picture/picturetest"
)

// With a real dataset, on the disk.
func TestReallyInADataset(t *testing.T) {
	dir := t.TempDir()
	known := picturetest.JPEG(2, 2, 40, 30)
	write(t, known, dir, "tulip", "t.jpg")
	write(t, picturetest.JPEG(3, 3, 40, 30), dir, "rose", "r.jpg")
	l, err := curate.Open(t.Context(), dir, curate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})

	w := newWorld(t)
	p := w.withModel()
	p.setLibrary(l)
	photos := t.TempDir()
	one := picturetest.JPEG(1, 1, 40, 30)
	files := []string{
		write(t, one, photos, "one.jpg"), write(t, known, photos, "known.jpg"),
		write(t, picturetest.PNG(1, 4, 40, 30), photos, "without an ending"), write(t, picturetest.JPEG(1, 5, 40, 30), photos, ".hidden.jpg"),
	}
	p.drop(files)
	w.idle()
	if len(p.rows) != 4 {
		t.Fatalf("rows %q", names(p.rows))
	}
	p.selectAll()
	p.really("peony")
	w.idle()
	if w.err != nil {
		t.Fatal(w.err)
	}
	a := p.notice.addition
	if len(a.added) != 3 || len(a.elsewhere) != 1 || a.elsewhere[0].Label != "tulip" || len(a.failures) != 0 {
		t.Fatalf("added %+v", a)
	}
	for name, there := range map[string]bool{"one.jpg": true, "without an ending.png": true, "hidden.jpg": true, "known.jpg": false} {
		if _, err := os.Stat(filepath.Join(dir, "peony", name)); (err == nil) != there {
			t.Errorf("peony/%s: %v", name, err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(dir, "peony", "one.jpg")); err != nil || !bytes.Equal(data, one) {
		t.Errorf("the photo is not what it was: %v", err)
	}
	photo, ok := l.Photo(a.added[0].ID)
	if !ok || photo.Source.Kind != "folder" || photo.Source.From != files[0] {
		t.Errorf("the source is %+v", photo.Source)
	}
	p.moveThere(a)
	w.idle()
	if _, err := os.Stat(filepath.Join(dir, "peony", "t.jpg")); err != nil {
		t.Errorf("moved: %v", err)
	}
	p.undo(p.notice.addition)
	w.idle()
	if _, err := os.Stat(filepath.Join(dir, "peony")); !os.IsNotExist(err) {
		t.Errorf("undone, the new label is still there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "tulip", "t.jpg")); err != nil {
		t.Errorf("undone: %v", err)
	}
	if n := len(l.Photos(curate.Query{})); n != 2 {
		t.Errorf("undone: %d photos", n)
	}
}
