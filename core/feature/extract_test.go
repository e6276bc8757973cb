package feature

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

func TestExtractAnswersEveryJobInOrder(t *testing.T) {
	jobs := album(t, 150)
	dir := t.TempDir()
	bad := map[int]picture.Reason{}
	put := func(place int, name string, data []byte, reason picture.Reason) {
		job := Job{Path: filepath.Join(dir, name), Views: []View{{}}}
		if data != nil {
			write(t, data, job.Path)
		}
		jobs = slices.Insert(jobs, place, job)
		bad[place] = reason
	}
	// By place, so that none moves another.
	put(0, "empty.jpg", []byte{}, picture.Empty)
	put(1, "text.jpg", []byte("not a photo at all"), picture.NotAPicture)
	put(20, "missing.jpg", nil, picture.Unreadable)
	put(21, "薔薇 cut.png", picturetest.PNG(1, 1, 8, 8)[:30], picture.Truncated)
	put(77, "huge.jpg", picturetest.HugeClaim(), picture.TooManyPixels)
	put(78, "undecodable.jpg", append(photo(1000), refused...), picture.Damaged)
	put(79, "animated.webp", picturetest.WebPAnimated(), picture.Unsupported)
	put(156, ".", nil, picture.Unreadable) // The folder.
	put(157, "web page.jpg", []byte("<!DOCTYPE html><html></html>"), picture.NotAPicture)

	c := openCache(t, t.TempDir())
	var seen []Progress
	embedder := &fake{}
	x := &Extractor{Embedder: embedder, Cache: c, Progress: func(p Progress) { seen = append(seen, p) }}
	check := func(cached int) {
		t.Helper()
		seen = nil
		results := extract(t, x, jobs)
		for i, r := range results {
			reason, isBad := bad[i]
			switch {
			case !isBad:
				right(t, jobs[i], r)
			case r.Err == nil || picture.ReasonOf(r.Err) != reason || r.Vectors != nil:
				t.Errorf("%s: %v, %d vectors; the reason is to be %s", jobs[i].Path, r.Err, len(r.Vectors), reason)
			}
		}
		if len(seen) != len(jobs) {
			t.Fatalf("progress was told %d times of %d photos", len(seen), len(jobs))
		}
		last := Progress{}
		for i, p := range seen {
			if p.Done != i+1 || p.Total != len(jobs) || p.Bad < last.Bad || p.Cached < last.Cached || p.Bad+p.Cached > p.Done {
				t.Fatalf("progress %+v comes after %+v", p, last)
			}
			last = p
		}
		if last.Bad != len(bad) || last.Cached != cached {
			t.Errorf("in the end progress is %+v; %d are bad and %d cached", last, len(bad), cached)
		}
	}
	check(0)
	if n := embedder.embedded(); n != 151 {
		t.Errorf("%d photos were embedded", n)
	}
	check(150)
	if n := embedder.embedded(); n != 152 {
		t.Errorf("%d photos were embedded in the second run, and one was to", n-151)
	}
}

func TestExtractKindsOfPictures(t *testing.T) {
	dir := t.TempDir()
	var jobs []Job
	for name, data := range map[string][]byte{
		"a.jpg": picturetest.Progressive(), "b.jpg": picturetest.CMYK(), "c.jpg": picturetest.Grey(9, 9), "d.png": picturetest.PNG16(9, 9),
		"e.jpg": picturetest.WithOrientation(photo(1), 6),
	} {
		jobs = append(jobs, Job{Path: write(t, data, dir, name), Views: []View{{}}})
	}
	for i, r := range extract(t, &Extractor{Embedder: &fake{}, Cache: &Cache{}}, jobs) {
		right(t, jobs[i], r)
	}
	// What is turned into a PNG is kept by the bytes of the file.
	webp := Job{Path: write(t, picturetest.WebP(), dir, "f.webp"), Views: []View{{}}}
	c := openCache(t, t.TempDir())
	first := extract(t, &Extractor{Embedder: &fake{}, Cache: c}, []Job{webp})[0]
	embedder := &fake{}
	second := extract(t, &Extractor{Embedder: embedder, Cache: c}, []Job{webp})[0]
	if first.Err != nil || first.Digest != picture.Sum(picturetest.WebP()) || embedder.embedded() != 0 ||
		second.Digest != first.Digest || !slices.Equal(first.Vectors[0], second.Vectors[0]) {
		t.Errorf("first %v, then %v", first, second)
	}
}

func TestExtractNothing(t *testing.T) {
	told := false
	x := &Extractor{Embedder: &fake{}, Cache: &Cache{}, Progress: func(Progress) { told = true }}
	if results := extract(t, x, nil); len(results) != 0 || told {
		t.Errorf("%d results, progress told: %v", len(results), told)
	}
}

// The content of the photos is replaced by rubbish, and the cache is made to believe that nothing happened. Whoever reads
// a photo all the same finds the rubbish.
func TestExtractReadsNoPhotoTwice(t *testing.T) {
	jobs := album(t, 30)
	c := openCache(t, t.TempDir())
	first := extract(t, &Extractor{Embedder: &fake{}, Cache: c}, jobs)
	for _, job := range jobs {
		write(t, []byte("rubbish"), job.Path)
		if _, err := c.db.ExecContext(t.Context(), "UPDATE file SET stamp = ? WHERE path = ?", stamp(stat(t, job.Path)), job.Path); err != nil {
			t.Fatal(err)
		}
	}
	embedder := &fake{}
	second := extract(t, &Extractor{Embedder: embedder, Cache: c}, jobs)
	for i := range jobs {
		if second[i].Err != nil || second[i].Digest != first[i].Digest || !slices.Equal(second[i].Vectors[0], first[i].Vectors[0]) {
			t.Errorf("%s: first %v, then %v", jobs[i].Path, first[i], second[i])
		}
	}
	if embedder.embedded() != 0 {
		t.Errorf("%d photos were embedded again", embedder.embedded())
	}
}

func TestExtractNoticesWhatChanged(t *testing.T) {
	a := func() []byte { return slices.Concat(photo(1), []byte("A")) }
	b := func() []byte { return slices.Concat(photo(1), []byte("B")) }
	replace := func(t *testing.T, path string, data []byte) {
		t.Helper()
		before := stat(t, path)
		beside := write(t, data, path+".new")
		if err := os.Chtimes(beside, before.ModTime(), before.ModTime()); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(beside, path); err != nil {
			t.Fatal(err)
		}
		if inode(before) == "" {
			t.Skip("this system tells nothing but size and time of a file")
		}
	}
	for name, change := range map[string]func(t *testing.T, path string){
		"another size":                         func(t *testing.T, path string) { t.Helper(); write(t, append(b(), "longer"...), path) },
		"written in place, same size and time": func(t *testing.T, path string) { t.Helper(); rewrite(t, path, b()) },
		"replaced, same size and time":         func(t *testing.T, path string) { t.Helper(); replace(t, path, b()) },
		"a link to another photo": func(t *testing.T, path string) {
			t.Helper()
			other := write(t, b(), filepath.Dir(path), "other")
			if err := errors.Join(os.Remove(path), os.Symlink(other, path)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			job := Job{Path: write(t, a(), t.TempDir(), "a.jpg"), Views: []View{{}}}
			x := &Extractor{Embedder: &fake{}, Cache: openCache(t, t.TempDir())}
			right(t, job, extract(t, x, []Job{job})[0])
			change(t, job.Path)
			right(t, job, extract(t, x, []Job{job})[0])
			right(t, job, extract(t, x, []Job{job})[0])
		})
	}
	t.Run("the photo behind a link", func(t *testing.T) {
		dir := t.TempDir()
		target := write(t, a(), dir, "target.jpg")
		job := Job{Path: filepath.Join(dir, "link.jpg"), Views: []View{{}}}
		if err := os.Symlink(target, job.Path); err != nil {
			t.Fatal(err)
		}
		x := &Extractor{Embedder: &fake{}, Cache: openCache(t, t.TempDir())}
		right(t, job, extract(t, x, []Job{job})[0])
		replace(t, target, b())
		right(t, job, extract(t, x, []Job{job})[0])
	})
	t.Run("now it is bad", func(t *testing.T) {
		job := Job{Path: write(t, a(), t.TempDir(), "a.jpg"), Views: []View{{}}}
		x := &Extractor{Embedder: &fake{}, Cache: openCache(t, t.TempDir())}
		extract(t, x, []Job{job})
		write(t, []byte("text"), job.Path)
		if r := extract(t, x, []Job{job})[0]; picture.ReasonOf(r.Err) != picture.NotAPicture || r.Vectors != nil {
			t.Errorf("got %v", r)
		}
		if err := os.Remove(job.Path); err != nil {
			t.Fatal(err)
		}
		if r := extract(t, x, []Job{job})[0]; picture.ReasonOf(r.Err) != picture.Unreadable || r.Vectors != nil {
			t.Errorf("got %v", r)
		}
	})
}

func TestExtractMovedPhotos(t *testing.T) {
	jobs := album(t, 40)
	c := openCache(t, t.TempDir())
	extract(t, &Extractor{Embedder: &fake{}, Cache: c}, jobs)
	elsewhere := t.TempDir()
	for i := range jobs {
		to := filepath.Join(elsewhere, fmt.Sprintf("薔薇 %d.jpeg", i))
		if err := os.Rename(jobs[i].Path, to); err != nil {
			t.Fatal(err)
		}
		jobs[i].Path = to
	}
	var last Progress
	embedder := &fake{}
	x := &Extractor{Embedder: embedder, Cache: c, Progress: func(p Progress) { last = p }}
	for i, r := range extract(t, x, jobs) {
		right(t, jobs[i], r)
		if d, ok := c.digest(t.Context(), jobs[i].Path, stat(t, jobs[i].Path)); !ok || d != r.Digest {
			t.Errorf("the new place of %s is not known", jobs[i].Path)
		}
	}
	if embedder.embedded() != 0 || last.Cached != 40 {
		t.Errorf("%d photos were embedded again, progress %+v", embedder.embedded(), last)
	}
}

func TestExtractRelativePaths(t *testing.T) {
	c := openCache(t, t.TempDir())
	one, other := t.TempDir(), t.TempDir()
	job := Job{Path: "a.jpg", Views: []View{{}}}
	for i, dir := range []string{one, other} {
		write(t, photo(i), dir, "a.jpg")
		t.Chdir(dir)
		right(t, job, extract(t, &Extractor{Embedder: &fake{}, Cache: c}, []Job{job})[0])
	}
	embedder := &fake{}
	job.Path = filepath.Join(one, "a.jpg")
	right(t, job, extract(t, &Extractor{Embedder: embedder, Cache: c}, []Job{job})[0])
	if embedder.embedded() != 0 {
		t.Error("the absolute path is another photo than the relative one")
	}
}

func TestExtractDuplicates(t *testing.T) {
	dir := t.TempDir()
	var jobs []Job
	for i := range 100 {
		jobs = append(jobs, Job{Path: write(t, photo(i%3), dir, strconv.Itoa(i)), Views: []View{{}, {Flip: true}}})
	}
	jobs = append(jobs, jobs[0]) // The same file twice.
	c := openCache(t, t.TempDir())
	x := &Extractor{Embedder: &fake{}, Cache: c}
	for range 2 {
		for i, r := range extract(t, x, jobs) {
			right(t, jobs[i], r)
		}
	}
	if n := count(t, c, "feature"); n != 6 {
		t.Errorf("3 photos with 2 views have %d vectors", n)
	}
	if n := count(t, c, "file"); n != 100 {
		t.Errorf("%d of 100 files are known", n)
	}
}

// count counts the rows of a table.
func count(t *testing.T, c *Cache, table string) (n int) {
	t.Helper()
	if err := c.db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestExtractViews(t *testing.T) {
	job := Job{Path: write(t, photo(1), t.TempDir(), "a.jpg")}
	c := openCache(t, t.TempDir())
	for _, step := range []struct {
		views    []View
		embedded int
	}{
		{[]View{{}}, 1},
		{[]View{{}, {Flip: true}, {Angle: 3}}, 2},
		{[]View{{Angle: 3}, {Zoom: 0.5}, {}, {Brightness: 0.1}, {Flip: true}}, 2},
		{[]View{{Flip: true}, {Angle: 3}, {Zoom: 0.5}}, 0},
	} {
		embedder := &fake{}
		job.Views = step.views
		right(t, job, extract(t, &Extractor{Embedder: embedder, Cache: c}, []Job{job})[0])
		if embedder.embedded() != step.embedded {
			t.Errorf("%v: %d views were embedded, not %d", step.views, embedder.embedded(), step.embedded)
		}
	}
	embedder := &fake{space: "other"}
	right(t, job, extract(t, &Extractor{Embedder: embedder, Cache: c}, []Job{job})[0])
	if embedder.embedded() != len(job.Views) {
		t.Error("another space took the vectors of the first one")
	}
}

func TestExtractViewsOfABadPhoto(t *testing.T) {
	job := Job{Path: write(t, append(photo(1), refused...), t.TempDir(), "a.jpg"), Views: []View{{}, {Flip: true}}}
	c := openCache(t, t.TempDir())
	r := extract(t, &Extractor{Embedder: &fake{}, Cache: c}, []Job{job})[0]
	if picture.ReasonOf(r.Err) != picture.Damaged || r.Vectors != nil {
		t.Errorf("got %v", r)
	}
	if n := count(t, c, "feature") + count(t, c, "file"); n != 0 {
		t.Errorf("%d things are kept of it", n)
	}
}

func TestExtractPhotoThatChangesInTheMiddle(t *testing.T) {
	job := Job{Path: write(t, photo(1), t.TempDir(), "a.jpg"), Views: []View{{}}}
	c := openCache(t, t.TempDir())
	x := &Extractor{Embedder: &fake{}, Cache: c}
	job.Digest = extract(t, x, []Job{job})[0].Digest
	write(t, photo(2), job.Path)
	r := extract(t, x, []Job{job})[0]
	if r.Err != nil || !slices.Equal(r.Vectors[0], fakeVector(photo(1), View{})) {
		t.Errorf("what is known of the photo that was meant is not taken: %v", r)
	}
	job.Views = []View{{Flip: true}}
	r = extract(t, x, []Job{job})[0]
	if r.Err == nil || !strings.Contains(r.Err.Error(), "was changed by another program") || r.Vectors != nil {
		t.Errorf("got %v", r)
	}

	// While it is embedded: the next run must see the new photo.
	job = Job{Path: job.Path, Views: []View{{Angle: 1}}}
	x.Embedder = &fake{before: func(context.Context, int, []Photo) error { write(t, photo(3), job.Path); return nil }}
	if r := extract(t, x, []Job{job})[0]; r.Digest != picture.Sum(photo(2)) {
		t.Errorf("the photo was read late: %v", r)
	}
	right(t, job, extract(t, &Extractor{Embedder: &fake{}, Cache: c}, []Job{job})[0])
}

func TestExtractRequestsAreBounded(t *testing.T) {
	const mib = 1 << 20
	sized := func(n, size int) []byte { return append(photo(n), make([]byte, size)...) }
	dir := t.TempDir()
	var jobs []Job
	for i := range 200 {
		jobs = append(jobs, Job{Path: write(t, photo(i), dir, strconv.Itoa(i)), Views: []View{{}}})
	}
	for i := range 4 {
		jobs = append(jobs, Job{Path: write(t, sized(200+i, 7*mib), dir, fmt.Sprint("big", i)), Views: []View{{}, {Flip: true}, {Angle: 1}}})
	}
	jobs = append(jobs, Job{Path: write(t, sized(300, 20*mib), dir, "giant"), Views: []View{{}, {Flip: true}}})
	many := Job{Path: write(t, photo(301), dir, "many"), Views: make([]View, 100)}
	for i := range many.Views {
		many.Views[i].Angle = float32(i)
	}
	jobs = append(jobs, many)
	embedder := &fake{}
	for i, r := range extract(t, &Extractor{Embedder: embedder, Cache: &Cache{}}, jobs) {
		right(t, jobs[i], r)
	}
	if embedder.embedded() != 200+12+2+100 {
		t.Errorf("%d photos were embedded", embedder.embedded())
	}
	if embedder.mostLive > requests {
		t.Errorf("%d requests at once", embedder.mostLive)
	}
	for _, sizes := range embedder.requests {
		total := 0
		for _, s := range sizes {
			total += s
		}
		if len(sizes) == 0 || len(sizes) > requestPhotos || total > requestBytes && len(sizes) > 1 {
			t.Errorf("a request of %d photos with %d bytes", len(sizes), total)
		}
	}
}

// While the embedder is busy, only so many photos may be read ahead.
func TestExtractReadsLittleAhead(t *testing.T) {
	const most = (requests+1)*requestPhotos + 64
	jobs := album(t, most+200)
	read := 0
	synctest.Test(t, func(t *testing.T) {
		wait := make(chan struct{})
		embedder := &fake{before: func(context.Context, int, []Photo) error { <-wait; return nil }}
		go func() {
			synctest.Wait()
			for _, job := range jobs {
				if err := os.Remove(job.Path); err != nil {
					t.Error(err)
				}
			}
			close(wait)
		}()
		results, err := (&Extractor{Embedder: embedder, Cache: &Cache{}}).Extract(t.Context(), jobs)
		if err != nil {
			t.Error(err)
		}
		for _, r := range results {
			if r.Err == nil {
				read++
			}
		}
	})
	if limit := requests*requestPhotos + runtime.GOMAXPROCS(0); read < requestPhotos || read > limit {
		t.Errorf("%d photos were read ahead, and at most %d may be", read, limit)
	}
}

func TestExtractEndsWithTheEmbedder(t *testing.T) {
	broken := errors.New("the engine is gone")
	jobs := album(t, 220)
	for name, c := range map[string]struct {
		embedder *fake
		words    string
	}{
		"at once":   {&fake{before: func(context.Context, int, []Photo) error { return broken }}, broken.Error()},
		"later":     {&fake{before: func(_ context.Context, call int, _ []Photo) error { return errAfter(call, 3, broken) }}, broken.Error()},
		"too few":   {&fake{spoil: func(v []Vector) []Vector { return v[1:] }}, "vectors for"},
		"too many":  {&fake{spoil: func(v []Vector) []Vector { return append(v, v...) }}, "vectors for"},
		"too short": {&fake{spoil: func(v []Vector) []Vector { v[0].Values = v[0].Values[1:]; return v }}, "4 features instead of 5"},
		"none":      {&fake{spoil: func(v []Vector) []Vector { v[0].Values = nil; return v }}, "0 features instead of 5"},
	} {
		t.Run(name, func(t *testing.T) {
			kept := 0
			dir := t.TempDir()
			// All goroutines must have ended: synctest panics otherwise.
			synctest.Test(t, func(t *testing.T) {
				cache := openCache(t, dir)
				var last Progress
				x := &Extractor{Embedder: c.embedder, Cache: cache, Progress: func(p Progress) { last = p }}
				_, err := x.Extract(t.Context(), jobs)
				if err == nil || !strings.Contains(err.Error(), c.words) {
					t.Errorf("the error is %v", err)
				}
				kept = count(t, cache, "feature")
				if last.Done != kept || last.Bad != 0 {
					t.Errorf("progress is %+v, and %d vectors were kept", last, kept)
				}
			})
			calls := len(c.embedder.requests)
			switch name {
			case "later":
				// The third call fails; whichever of the two others ends is kept.
				if calls > 5 || kept < requestPhotos {
					t.Errorf("%d calls, %d vectors kept", calls, kept)
				}
			default:
				if calls > requests+1 || kept != 0 {
					t.Errorf("%d calls, %d vectors kept", calls, kept)
				}
			}
		})
	}
}

// errAfter gives err from the call after so many.
func errAfter(call, good int, err error) error {
	if call < good {
		return nil
	}
	return err
}

func TestExtractCancelled(t *testing.T) {
	jobs := album(t, 220)
	for name, obedient := range map[string]bool{"the embedder stops": true, "the embedder goes on": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			kept := 0
			synctest.Test(t, func(t *testing.T) {
				cache := openCache(t, dir)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var last Progress
				embedder := &fake{before: func(ctx context.Context, call int, _ []Photo) error {
					if call < 3 {
						return nil
					}
					cancel()
					if obedient {
						<-ctx.Done()
						return ctx.Err()
					}
					return nil
				}}
				x := &Extractor{Embedder: embedder, Cache: cache, Progress: func(p Progress) { last = p }}
				_, err := x.Extract(ctx, jobs)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the error is %v", err)
				}
				kept = count(t, cache, "feature")
				if last.Bad != 0 || last.Done != kept || len(embedder.requests) > 5 {
					t.Errorf("progress is %+v after %d calls, %d vectors were kept", last, len(embedder.requests), kept)
				}
			})
			if kept < requestPhotos {
				t.Errorf("only %d vectors were kept", kept)
			}
			embedder := &fake{}
			for i, r := range extract(t, &Extractor{Embedder: embedder, Cache: openCache(t, dir)}, jobs) {
				right(t, jobs[i], r)
			}
			if embedder.embedded() != len(jobs)-kept {
				t.Errorf("%d photos were embedded, though %d were kept", embedder.embedded(), kept)
			}
		})
	}
	t.Run("while photos are read", func(t *testing.T) {
		dir := t.TempDir()
		jobs := make([]Job, 200)
		for i := range jobs {
			jobs[i] = Job{Path: write(t, []byte("text"), dir, fmt.Sprintf("%d.jpg", i)), Views: []View{{}}}
		}
		for stop := range 10 {
			ctx, cancel := context.WithCancel(t.Context())
			var last Progress
			x := &Extractor{Embedder: &fake{}, Cache: &Cache{}, Progress: func(p Progress) {
				if last = p; p.Done > stop {
					cancel()
				}
			}}
			results, err := x.Extract(ctx, jobs)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the error is %v", err)
			}
			bad := 0
			for _, r := range results {
				if picture.ReasonOf(r.Err) != "" {
					bad++
				}
			}
			if last.Bad > bad {
				t.Errorf("%d photos are bad, and %d are counted", bad, last.Bad)
			}
			cancel()
		}
	})
	t.Run("before it began", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		log := &diary{}
		c := OpenCache(ctx, t.TempDir(), log.log())
		results, err := (&Extractor{Embedder: &fake{}, Cache: c}).Extract(ctx, album(t, 3))
		if !errors.Is(err, context.Canceled) || len(results) != 3 {
			t.Errorf("%d results, %v", len(results), err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestExtractLeavesTheCacheAloneForUnreadPhotos(t *testing.T) {
	c := openCache(t, t.TempDir())
	folder := t.TempDir()
	text := write(t, bytes.Repeat([]byte("text "), 10), folder, "a.jpg")
	extract(t, &Extractor{Embedder: &fake{}, Cache: c}, []Job{{Path: folder, Views: []View{{}}}, {Path: text, Views: []View{{}}}})
	if n := count(t, c, "feature") + count(t, c, "file"); n != 0 {
		t.Errorf("%d things are kept of what is no photo", n)
	}
}
