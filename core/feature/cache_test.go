package feature

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kaika/core/picture"
)

// numbered is a vector that tells its number, long enough to need a page of its own.
func numbered(n int) []float32 {
	values := make([]float32, numberedLength)
	for i := range values {
		values[i] = float32(n) + float32(i)/numberedLength
	}
	return values
}

const numberedLength = 1280

func digestOf(n int) picture.Digest { return picture.Sum(fmt.Append(nil, n)) }

// fill keeps the numbered vectors from..to.
func fill(ctx context.Context, c *Cache, from, to int) {
	var entries []entry
	for n := from; n < to; n++ {
		entries = append(entries, entry{digestOf(n), View{}, numbered(n)})
	}
	c.keep(ctx, "space", entries, nil)
}

// found counts the numbered vectors that are there, and wants them to be right.
func found(t *testing.T, c *Cache, count int) (there int) {
	t.Helper()
	for n := range count {
		values, ok := c.vector(t.Context(), "space", digestOf(n), View{}, numberedLength)
		if !ok {
			continue
		}
		there++
		if !slices.Equal(values, numbered(n)) {
			t.Errorf("vector %d is wrong", n)
		}
	}
	return there
}

func stat(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestCacheSurvives(t *testing.T) {
	for _, name := range []string{"plain", "with spaces", "花 キャッシュ", "100%", "a?mode=ro#b&c=%41"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name, "deeper")
			photo := write(t, []byte("photo"), dir, "薔薇 1.jpg")
			odd := []float32{
				0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, -math.MaxFloat32,
				float32(math.Inf(1)), math.Float32frombits(0x7fc01234),
			}
			first := openCache(t, dir)
			if first.Path() != filepath.Join(dir, CacheFile) {
				t.Errorf("the cache is in %s", first.Path())
			}
			first.keep(t.Context(), "space", []entry{{digestOf(1), View{Flip: true}, odd}}, []file{{photo, stat(t, photo), digestOf(1)}})
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			second := openCache(t, dir)
			got, ok := second.vector(t.Context(), "space", digestOf(1), View{Flip: true}, len(odd))
			if !ok {
				t.Fatal("the vector is gone")
			}
			for i := range odd {
				if math.Float32bits(got[i]) != math.Float32bits(odd[i]) {
					t.Errorf("%g became %g", odd[i], got[i])
				}
			}
			if d, ok := second.digest(t.Context(), photo, stat(t, photo)); !ok || d != digestOf(1) {
				t.Errorf("the digest became %v, %v", d, ok)
			}
			if _, err := os.Stat(filepath.Join(dir, CacheFile)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCacheMixesNothing(t *testing.T) {
	ctx := t.Context()
	c := openCache(t, t.TempDir())
	c.keep(ctx, "lite0", []entry{{digestOf(1), View{}, []float32{1, 2}}}, nil)
	for name, ask := range map[string]func() ([]float32, bool){
		"another space":   func() ([]float32, bool) { return c.vector(ctx, "lite0 bfloat16", digestOf(1), View{}, 2) },
		"another photo":   func() ([]float32, bool) { return c.vector(ctx, "lite0", digestOf(2), View{}, 2) },
		"another view":    func() ([]float32, bool) { return c.vector(ctx, "lite0", digestOf(1), View{Flip: true}, 2) },
		"a longer vector": func() ([]float32, bool) { return c.vector(ctx, "lite0", digestOf(1), View{}, 3) },
		"a shorter one":   func() ([]float32, bool) { return c.vector(ctx, "lite0", digestOf(1), View{}, 1) },
	} {
		if values, ok := ask(); ok {
			t.Errorf("%s has %v", name, values)
		}
	}
	// The first vector stays, unless it is of no use.
	c.keep(ctx, "lite0", []entry{{digestOf(1), View{}, []float32{3, 4}}}, nil)
	if values, _ := c.vector(ctx, "lite0", digestOf(1), View{}, 2); !slices.Equal(values, []float32{1, 2}) {
		t.Errorf("the first vector was replaced by %v", values)
	}
	c.keep(ctx, "lite0", []entry{{digestOf(1), View{}, []float32{5, 6, 7}}}, nil)
	if values, _ := c.vector(ctx, "lite0", digestOf(1), View{}, 3); !slices.Equal(values, []float32{5, 6, 7}) {
		t.Errorf("a vector of the wrong length was not replaced: %v", values)
	}
	if _, err := c.db.ExecContext(ctx, "UPDATE feature SET vector = x'00'"); err != nil {
		t.Fatal(err)
	}
	if values, ok := c.vector(ctx, "lite0", digestOf(1), View{}, 3); ok {
		t.Errorf("a torn vector is read as %v", values)
	}
}

func TestCacheKeepsWhatWasComputedBeforeCancel(t *testing.T) {
	c := openCache(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fill(ctx, c, 0, 3)
	if there := found(t, c, 3); there != 3 {
		t.Errorf("%d of 3 vectors are there", there)
	}
}

func TestNoCache(t *testing.T) {
	var c Cache
	fill(t.Context(), &c, 0, 1)
	if found(t, &c, 1) != 0 {
		t.Error("the zero cache keeps something")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestCacheThatCannotBeMade(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"its folder would lie in a file": func(t *testing.T, dir string) { t.Helper(); write(t, nil, filepath.Dir(dir)) },
		"its folder is a file":           func(t *testing.T, dir string) { t.Helper(); write(t, nil, dir) },
		"its file is a folder":           func(t *testing.T, dir string) { t.Helper(); write(t, nil, dir, CacheFile, "x") },
		"its file is a link to nowhere": func(t *testing.T, dir string) {
			t.Helper()
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(dir, "no", "where"), filepath.Join(dir, CacheFile)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache", "kaika")
			spoil(t, dir)
			log := &diary{}
			c := OpenCache(t.Context(), dir, log.log())
			works(t, c)
			if log.warnings("there is no cache of features") != 1 || log.warnings("") != 1 || log.warnings("--bottleneck_dir") != 1 {
				t.Errorf("the log says: %s", log)
			}
		})
	}
}

// works wants a run with a cache to give all the right vectors, and the cache to close.
func works(t *testing.T, c *Cache) {
	t.Helper()
	jobs := album(t, 5)
	for range 2 {
		for i, r := range extract(t, &Extractor{Embedder: &fake{}, Cache: c}, jobs) {
			right(t, jobs[i], r)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestDamagedCacheIsBegunAnew(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole")
	c := openCache(t, whole)
	fill(t.Context(), c, 0, 40)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(whole, CacheFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"garbage":                 bytes.Repeat([]byte("garbage "), 2000),
		"text":                    []byte("SQLite format 3"),
		"cut in the first page":   data[:1000],
		"cut in the middle":       data[:len(data)/2/4096*4096],
		"first page overwritten":  slices.Concat(make([]byte, 4096), data[4096:]),
		"only the header is left": slices.Concat(data[:100], bytes.Repeat([]byte{0xff}, len(data)-100)),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, damaged, dir, CacheFile)
			write(t, bytes.Repeat([]byte{1}, 5000), dir, CacheFile+"-wal")
			log := &diary{}
			c := OpenCache(t.Context(), dir, log.log())
			if log.warnings("damaged and is begun anew") != 1 || log.warnings("") != 1 {
				t.Errorf("the log says: %s", log)
			}
			if old, err := os.ReadFile(c.Path() + ".damaged"); err != nil || !bytes.Equal(old, damaged) {
				t.Errorf("the damaged file is not there to be looked at: %v", err)
			}
			if there := found(t, c, 40); there != 0 {
				t.Errorf("%d vectors in a new cache", there)
			}
			fill(t.Context(), c, 0, 40)
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if there := found(t, openCache(t, dir), 40); there != 40 {
				t.Errorf("the new cache has %d of 40 vectors", there)
			}
		})
	}
}

// A cache whose first page is whole shows its damage only when it is used.
func TestDamageInTheMiddleOfTheCache(t *testing.T) {
	const page = 4096
	for name, damage := range map[string]func([]byte) []byte{
		"cut in a page": func(data []byte) []byte { return data[:len(data)-100] },
		"pages overwritten": func(data []byte) []byte {
			for at := 8 * page; at+page <= len(data); at += page {
				copy(data[at:at+16], bytes.Repeat([]byte{0xee}, 16)) // The page's header.
			}
			return data
		},
		"pages of zeros": func(data []byte) []byte {
			clear(data[8*page:])
			return data
		},
		"a page of a long vector": func(data []byte) []byte {
			at := bytes.LastIndex(data, encode(numbered(50))[4000:4100])
			clear(data[at/page*page : at/page*page+page])
			return data
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := openCache(t, dir)
			fill(t.Context(), c, 0, 100)
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(c.Path())
			if err != nil {
				t.Fatal(err)
			}
			write(t, damage(data), c.Path())

			log := &diary{}
			c = OpenCache(t.Context(), dir, log.log())
			if log.String() != "" {
				t.Fatalf("the log says at once: %s", log)
			}
			found(t, c, 100)
			fill(t.Context(), c, 100, 110)
			works(t, c)
			if log.warnings("damaged") != 1 || log.warnings("") != 1 {
				t.Errorf("the log says: %s", log)
			}
			c = openCache(t, dir)
			fill(t.Context(), c, 0, 40)
			if there := found(t, c, 40); there != 40 {
				t.Errorf("the new cache has %d of 40 vectors", there)
			}
		})
	}
}

func TestFullCache(t *testing.T) {
	log := &diary{}
	dir := t.TempDir()
	c := OpenCache(t.Context(), dir, log.log())
	c.db.SetMaxOpenConns(1) // The limit is one connection's.
	if _, err := c.db.ExecContext(t.Context(), "PRAGMA max_page_count = 40"); err != nil {
		t.Fatal(err)
	}
	for n := range 60 {
		fill(t.Context(), c, n, n+1)
	}
	there := found(t, c, 60)
	if there < 5 || there >= 60 {
		t.Errorf("%d vectors are there", there)
	}
	if log.warnings("is the disk full?") != 1 || log.warnings("") != 1 {
		t.Errorf("the log says: %s", log)
	}
	works(t, c)
	if again := found(t, openCache(t, dir), 60); again != there {
		t.Errorf("%d vectors, and after opening again %d", there, again)
	}
}

func TestCacheThatIsOnlyRead(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir)
	fill(t.Context(), c, 0, 3)

	// While another process uses it.
	reader := &Cache{path: c.Path(), log: c.log}
	if err := reader.openToRead(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t.Context(), c, 3, 5)
	if there := found(t, reader, 5); there != 5 {
		t.Errorf("%d of 5 vectors are there", there)
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}

	// When nobody does.
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	reader = &Cache{path: c.Path(), log: c.log}
	if err := reader.open(t.Context(), "ro", true); err != nil {
		t.Fatal(err)
	}
	reader.stuck.Store(true)
	fill(t.Context(), reader, 5, 6)
	if there := found(t, reader, 6); there != 5 {
		t.Errorf("%d of 5 vectors are there", there)
	}
	works(t, reader)
}

func TestManyUseOneCache(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for user := range 4 {
		all.Go(func() {
			log := &diary{}
			c := OpenCache(t.Context(), dir, log.log())
			for n := 0; n < 40; n += 4 {
				fill(t.Context(), c, n+user, n+user+4)
			}
			found(t, c, 44)
			if err := c.Close(); err != nil || log.String() != "" {
				t.Errorf("%v; the log says: %s", err, log)
			}
		})
	}
	all.Wait()
	if there := found(t, openCache(t, dir), 43); there != 43 {
		t.Errorf("%d of 43 vectors are there", there)
	}
}

func TestStampTellsFilesApart(t *testing.T) {
	path := write(t, []byte("1"), t.TempDir(), "a.jpg")
	before := stamp(stat(t, path))
	if stamp(stat(t, path)) != before {
		t.Error("the stamp of a file that nobody touched changes")
	}
	rewrite(t, path, []byte("2"))
	if stamp(stat(t, path)) == before {
		t.Error("a file that was written in place has the same stamp")
	}
	if strings.Contains(before, path) {
		t.Error("the stamp holds the name")
	}
}

// rewrite writes other bytes of the same number into a file and sets its time back. It does so until the clock of the
// file system has moved on since the file was stamped.
func rewrite(t *testing.T, path string, data []byte) {
	t.Helper()
	before := stat(t, path)
	if int(before.Size()) != len(data) {
		t.Fatalf("%s has %d bytes, and is to have %d", path, before.Size(), len(data))
	}
	began := time.Now()
	for first := true; first || stamp(stat(t, path)) == stamp(before); first = false {
		if time.Since(began) > 5*time.Second {
			t.Fatal("the stamp does not change")
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
			t.Fatal(err)
		}
		if inode(before) == "" {
			t.Skip("this system tells nothing but size and time of a file")
		}
	}
	after := stat(t, path)
	if !after.ModTime().Equal(before.ModTime()) || after.Size() != before.Size() {
		t.Fatal("the file was to look the same")
	}
}
