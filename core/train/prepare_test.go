package train_test

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaika/core/augment"
	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/train"
	"kaika/core/train/traintest"
)

func extractor(t *testing.T) *feature.Extractor {
	t.Helper()
	cache := feature.OpenCache(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
	})
	return &feature.Extractor{Embedder: &traintest.Engine{}, Cache: cache}
}

// sides prepares and divides a dataset, and gives the sides of photos by their digests, and whether each is a copy.
func sides(t *testing.T, dir string) (side map[picture.Digest]dataset.Side, origin map[picture.Digest]picture.Digest) {
	t.Helper()
	f, err := train.Prepare(t.Context(), dir, extractor(t))
	if err != nil {
		t.Fatal(err)
	}
	all, warnings, err := dataset.Split(f.Samples(), f.Labels, 20, 20)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	side, origin = map[picture.Digest]dataset.Side{}, map[picture.Digest]picture.Digest{}
	for i, p := range f.Photos {
		side[p.Digest] = all[i]
		if p.Origin != (picture.Digest{}) {
			origin[p.Digest] = p.Origin
		}
	}
	return side, origin
}

// TestCopiesDoNotStraddle divides a dataset with copies on the disk: each is on the side of its original, and no original is
// on another side than without them.
func TestCopiesDoNotStraddle(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dir string){
		"as they were made": func(*testing.T, string) {},
		"renamed": func(t *testing.T, dir string) {
			t.Helper()
			files, err := filepath.Glob(filepath.Join(dir, "a", "*.augmented-*.jpg"))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			for i, f := range files {
				if err := os.Rename(f, filepath.Join(dir, "a", fmt.Sprintf("写真 %d.jpg", i))); err != nil {
					t.Fatal(err)
				}
			}
		},
		"without the list of sources": func(t *testing.T, dir string) {
			t.Helper()
			if err := os.RemoveAll(filepath.Join(dir, ".kaika")); err != nil {
				t.Fatal(err)
			}
		},
		"without the originals": func(t *testing.T, dir string) {
			t.Helper()
			for n := range 5 {
				if err := os.Remove(filepath.Join(dir, "b", fmt.Sprintf("%d.jpg", n))); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := picturetest.Dataset(t, 10, "a", "b")
			before, none := sides(t, dir)
			if len(none) > 0 {
				t.Errorf("%d photos are taken for copies", len(none))
			}
			l, err := curate.Open(t.Context(), dir, curate.Options{})
			if err != nil {
				t.Fatal(err)
			}
			m := augment.Maker{Library: l, Vary: feature.Augmentation{Views: 2, Flip: true, Rotation: 20, Crop: 10}}
			if r, err := m.Make(t.Context()); err != nil || r.Made != 40 {
				t.Fatal(r, err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			change(t, dir)
			after, origins := sides(t, dir)
			if len(origins) != 40 {
				t.Fatalf("%d copies are known, of 40", len(origins))
			}
			for copied, original := range origins {
				if side, there := after[original]; there && after[copied] != side {
					t.Errorf("a copy is to %s, its original to %s", after[copied], side)
				}
				if _, there := before[original]; !there {
					t.Error("a copy is of no photo")
				}
			}
			if name == "without the originals" {
				return
			}
			maps.DeleteFunc(after, func(d picture.Digest, _ dataset.Side) bool { _, copied := origins[d]; return copied })
			if !maps.Equal(before, after) {
				t.Error("copies move originals to another side")
			}
		})
	}
}

// TestSourcesCannotBeRead divides nothing while copies could be on both sides.
func TestSourcesCannotBeRead(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "a", "b")
	if err := os.MkdirAll(filepath.Join(dir, ".kaika", "sources.jsonl"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := train.Prepare(t.Context(), dir, extractor(t))
	if err == nil || !strings.Contains(err.Error(), "sources.jsonl") {
		t.Errorf("got %v", err)
	}
}
