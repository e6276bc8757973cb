package curate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kaika/core/curate"
	"kaika/core/picture/picturetest"
)

// large makes a dataset of 20,000 photos under ten labels.
func large(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	for i := range 20_000 {
		at := filepath.Join(dir, fmt.Sprintf("label %d", i%10), fmt.Sprintf("photo %d.jpg", i))
		if i < 10 {
			mkdir(tb, filepath.Dir(at))
		}
		ok(tb, os.WriteFile(at, []byte(at), 0o644))
	}
	return dir
}

func TestLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 20,000 files")
	}
	dir := large(t)
	l := open(t, dir)
	photos := l.Photos(curate.Query{})
	if len(photos) != 20_000 || photos[19_999].Name != "photo 19999.jpg" {
		t.Fatalf("%d photos, the last %v", len(photos), photos[len(photos)-1])
	}
	var ids []curate.ID
	for _, p := range photos {
		ids = append(ids, p.ID)
	}
	ok(t, l.Move(t.Context(), ids, "label 0"))
	if c := l.Labels()[0]; c.Photos != 20_000 {
		t.Errorf("labels: %v", l.Labels())
	}
	ok(t, l.Delete(t.Context(), ids))
	undo(t, l)
	undo(t, l)
	for i, c := range l.Labels() {
		if c.Photos != 2000 {
			t.Errorf("%d: %+v", i, c)
		}
	}
	check(t, l)
	ok(t, l.Close())
	l = open(t, dir)
	if p, _ := l.Photo(ids[7]); p.Path != photos[7].Path {
		t.Errorf("photo %d: %+v", ids[7], p)
	}
}

func BenchmarkLibrary(b *testing.B) {
	dir := large(b)
	l := open(b, dir)
	ok(b, l.AddLabel(b.Context(), "other"))
	var ids []curate.ID
	for _, p := range l.Photos(curate.Query{})[:1000] {
		ids = append(ids, p.ID)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			l, err := curate.Open(b.Context(), dir, curate.Options{})
			ok(b, err)
			ok(b, l.Close())
		}
	})
	for name, q := range map[string]curate.Query{"name": {}, "added": {Sort: curate.ByAdded}, "one label": {Labels: []string{"label 3"}}} {
		b.Run("photos by "+name, func(b *testing.B) {
			for b.Loop() {
				l.Photos(q)
			}
		})
	}
	b.Run("labels", func(b *testing.B) {
		for b.Loop() {
			l.Labels()
		}
	})
	b.Run("refresh", func(b *testing.B) {
		for b.Loop() {
			_, err := l.Refresh(b.Context())
			ok(b, err)
		}
	})
	b.Run("move and undo 1000", func(b *testing.B) {
		for b.Loop() {
			ok(b, l.Move(b.Context(), ids, "other"))
			_, err := l.Undo(b.Context())
			ok(b, err)
		}
	})
	b.Run("delete one", func(b *testing.B) {
		var slowest time.Duration
		for b.Loop() {
			began := time.Now()
			ok(b, l.Delete(b.Context(), ids[:1]))
			slowest = max(slowest, time.Since(began))
			_, err := l.Undo(b.Context())
			ok(b, err)
		}
		b.ReportMetric(float64(slowest.Milliseconds()), "ms-slowest")
	})
}

func BenchmarkAdd(b *testing.B) {
	l := open(b, b.TempDir())
	source := curate.Source{Kind: "folder", ID: "1"}
	n := 0
	for b.Loop() {
		n++
		_, err := l.Add(b.Context(), curate.Addition{Label: "rose", Name: "1.jpg", Data: picturetest.PNG(n, n, 8, 8), Source: source, Batch: "b"})
		ok(b, err)
	}
}
