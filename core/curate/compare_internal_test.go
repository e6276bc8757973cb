package curate

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"kaika/core/picture"
)

// TestAlike gives photos fingerprints of its own, and asks which one looks most like another.
func TestAlike(t *testing.T) {
	dir := t.TempDir()
	for _, rel := range []string{"rose/a.jpg", "rose/b.jpg", "tulip/a.jpg", ".kaika/trash/rose/c.jpg"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, rel)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, rel), []byte(rel), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := l.Fingerprints(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	const p, d = 0x0123456789abcdef, 0xfedcba9876543210
	for name, tc := range map[string]struct {
		looks map[string]Fingerprint
		want  string
	}{
		"nobody":             {map[string]Fingerprint{}, ""},
		"itself":             {map[string]Fingerprint{"rose/b.jpg": {p, d}}, "rose/b.jpg"},
		"as far as can be":   {map[string]Fingerprint{"rose/a.jpg": {p ^ 0x3ff, d ^ 0xfff}}, "rose/a.jpg"},
		"one bit too far":    {map[string]Fingerprint{"rose/a.jpg": {p ^ 0x7ff, d}, "rose/b.jpg": {p, d ^ 0x1fff}}, ""},
		"the nearest":        {map[string]Fingerprint{"rose/a.jpg": {p ^ 7, d ^ 1}, "rose/b.jpg": {p ^ 1, d ^ 7}, "tulip/a.jpg": {p ^ 3, d ^ 1}}, "tulip/a.jpg"},
		"the first of two":   {map[string]Fingerprint{"tulip/a.jpg": {p, d}, "rose/b.jpg": {p, d}}, "rose/b.jpg"},
		"the trash":          {map[string]Fingerprint{trashDir + "/rose/c.jpg": {p ^ 1, d}}, trashDir + "/rose/c.jpg"},
		"rather not trash":   {map[string]Fingerprint{trashDir + "/rose/c.jpg": {p, d}, "rose/a.jpg": {p ^ 0x3ff, d ^ 0xfff}}, "rose/a.jpg"},
		"what shows nothing": {map[string]Fingerprint{"rose/a.jpg": {}}, ""},
	} {
		l.index.fingerprints = map[picture.Digest]Fingerprint{picture.Sum([]byte("gone")): {p, d}}
		for rel, f := range tc.looks {
			l.index.fingerprints[picture.Sum([]byte(rel))] = f
		}
		got := ""
		if e := l.alike(Fingerprint{p, d}); e != nil {
			got = e.rel
		}
		if got != tc.want {
			t.Errorf("%s: %q looks like it, not %q", name, got, tc.want)
		}
	}
}

// BenchmarkAlike compares a picture with 20,000 others.
func BenchmarkAlike(b *testing.B) {
	l := &Library{index: newIndex(b.TempDir())}
	l.index.fingerprints = map[picture.Digest]Fingerprint{}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var d picture.Digest
		for i := range d {
			d[i] = byte(r.Uint32())
		}
		l.index.fingerprints[d] = Fingerprint{r.Uint64(), r.Uint64()}
	}
	for b.Loop() {
		if l.alike(Fingerprint{r.Uint64(), r.Uint64()}) != nil {
			b.Fatal("two random pictures look alike")
		}
	}
}
