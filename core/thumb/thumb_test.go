package thumb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

// writeFile writes a file and returns its key.
func writeFile(tb testing.TB, path string, data []byte) Key {
	tb.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		tb.Fatal(err)
	}
	return Key{Path: path, Size: info.Size(), ModTime: info.ModTime()}
}

// open returns a loader that is closed with the test and counts the photos that it reads.
func open(tb testing.TB, p Params) (*Loader, *atomic.Int64) {
	tb.Helper()
	l := New(p)
	reads := &atomic.Int64{}
	l.read = func(ctx context.Context, path string) (picture.Encoded, picture.Digest, error) {
		reads.Add(1)
		return picture.Read(ctx, path)
	}
	tb.Cleanup(l.Close)
	return l, reads
}

type result struct {
	img image.Image
	err error
}

// load waits for a thumbnail.
func load(l *Loader, key Key) (image.Image, error) {
	c := make(chan result, 1)
	l.Load(key, func(img image.Image, err error) { c <- result{img, err} })
	r := <-c
	return r.img, r.err
}

func TestLoadScalesUpright(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		data []byte
		w, h int
	}{
		"wide.jpg":        {picturetest.EncodeJPEG(picturetest.Corners(640, 480)), 64, 48},
		"high.png":        {picturetest.EncodePNG(picturetest.Corners(300, 600)), 32, 64},
		"turned.jpg":      {picturetest.Turned(picturetest.Corners(640, 480), 6), 64, 48},
		"small.jpg":       {picturetest.EncodeJPEG(picturetest.Corners(20, 10)), 20, 10},
		"exact.jpg":       {picturetest.EncodeJPEG(picturetest.Corners(64, 64)), 64, 64},
		"thread.png":      {picturetest.EncodePNG(picturetest.Corners(5000, 2)), 64, 1},
		"名前 と\n改行.webp":   {picturetest.WebPLossless(), 64, 48},
		"invalid\xff.jpg": {picturetest.CMYK(), 64, 48},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := open(t, Params{Dir: t.TempDir(), Side: 64})
			key := writeFile(t, filepath.Join(dir, name), tc.data)
			if _, ok := l.Peek(key); ok {
				t.Error("Peek found what nobody loaded")
			}
			img, err := load(l, key)
			if err != nil {
				t.Fatal(err)
			}
			if img.Bounds() != image.Rect(0, 0, tc.w, tc.h) {
				t.Fatalf("got %v, want %d x %d", img.Bounds(), tc.w, tc.h)
			}
			if rgba, ok := img.(*image.RGBA); !ok || !rgba.Opaque() {
				t.Errorf("got a %T, want an opaque *image.RGBA", img)
			}
			if peeked, ok := l.Peek(key); !ok || peeked != img {
				t.Error("Peek does not find what was loaded")
			}
			if tc.h < 10 || strings.HasSuffix(name, ".webp") {
				return
			}
			for i, at := range []image.Point{{tc.w / 4, tc.h / 4}, {tc.w * 3 / 4, tc.h / 4}, {tc.w / 4, tc.h * 3 / 4}, {tc.w * 3 / 4, tc.h * 3 / 4}} {
				r, g, b, _ := img.At(at.X, at.Y).RGBA()
				bright := [3]bool{r > 0x8000, g > 0x8000, b > 0x8000}
				if want := [...][3]bool{{true, false, false}, {false, true, false}, {false, false, true}, {true, true, true}}[i]; bright != want {
					t.Errorf("quarter %d is %v, want %v", i, bright, want)
				}
			}
		})
	}
}

func TestTransparentIsOnWhite(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 200, 100))
	for y := range 100 {
		for x := range 100 {
			img.SetNRGBA(x, y, color.NRGBA{0, 0, 200, 255})
		}
	}
	l, _ := open(t, Params{Side: 50})
	got, err := load(l, writeFile(t, filepath.Join(t.TempDir(), "a.png"), picturetest.EncodePNG(img)))
	if err != nil {
		t.Fatal(err)
	}
	if c := got.At(45, 10); c != (color.RGBA{255, 255, 255, 255}) {
		t.Errorf("the transparent half is %v, want white", c)
	}
	if c := got.At(5, 10); c != (color.RGBA{0, 0, 200, 255}) {
		t.Errorf("the other half is %v, want blue", c)
	}
}

func TestBadPhotos(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		data   []byte
		reason picture.Reason
		reads  int64 // After two requests.
	}{
		"text.jpg":   {[]byte("text"), picture.NotAPicture, 1},
		"half.jpg":   {picturetest.Truncated(), picture.Truncated, 1},
		"empty.jpg":  {nil, picture.Empty, 1},
		"huge.jpg":   {picturetest.HugeClaim(), picture.TooManyPixels, 1},
		"folder.jpg": {nil, picture.Unreadable, 2},
		"gone.jpg":   {nil, picture.Unreadable, 2},
	} {
		t.Run(name, func(t *testing.T) {
			l, reads := open(t, Params{Dir: t.TempDir()})
			path := filepath.Join(dir, name)
			key := writeFile(t, path, tc.data)
			if tc.reason == picture.Unreadable {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			if name == "folder.jpg" {
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				img, err := load(l, key)
				if img != nil || !strings.HasPrefix(err.Error(), path+" ") {
					t.Errorf("got %v, %v", img, err)
				}
				if got := picture.ReasonOf(err); got != tc.reason && (name != "half.jpg" || got != picture.Damaged) {
					t.Errorf("got the reason %q, want %q", got, tc.reason)
				}
			}
			if reads.Load() != tc.reads {
				t.Errorf("it was read %d times, want %d", reads.Load(), tc.reads)
			}
			if _, ok := l.Peek(key); ok {
				t.Error("Peek gives a bad photo")
			}
		})
	}
}

func TestDiskCache(t *testing.T) {
	cache, dir := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "a.jpg")
	key := writeFile(t, path, picturetest.JPEG(1, 2, 600, 400))
	session := func(key Key, side int, want int64) {
		t.Helper()
		l, reads := open(t, Params{Dir: cache, Side: side})
		if img, err := load(l, key); err != nil || img.Bounds().Dx() != side {
			t.Fatalf("got %v, %v", img, err)
		}
		l.Close()
		if reads.Load() != want {
			t.Errorf("the photo was read %d times, want %d", reads.Load(), want)
		}
	}
	session(key, 100, 1)
	session(key, 100, 0)
	session(key, 50, 1) // Another side is another thumbnail.

	// Whatever happens to the file in the cache, the thumbnail is made again.
	entry := newDisk(cache, 1, slog.New(slog.DiscardHandler)).path(key, 100)
	good, err := os.ReadFile(entry)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)/2] ^= 1
	for name, data := range map[string][]byte{"cut": good[:len(good)/2], "empty": nil, "flipped": flipped, "three bytes": good[:3]} {
		if err := os.WriteFile(entry, data, 0o600); err != nil {
			t.Fatal(err)
		}
		session(key, 100, 1)
		if again, err := os.ReadFile(entry); err != nil || !bytes.Equal(again, good) {
			t.Errorf("%s: the entry was not written anew: %v", name, err)
		}
	}
	session(key, 100, 0)

	later := key
	later.ModTime = key.ModTime.Add(time.Nanosecond)
	session(later, 100, 1)
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "file") // A file where the folder should be stops root, too.
	writeFile(t, blocked, nil)
	var log strings.Builder
	l, _ := open(t, Params{Dir: blocked, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for i := range 3 {
		if _, err := load(l, writeFile(t, filepath.Join(dir, strconv.Itoa(i)+".jpg"), picturetest.JPEG(1, i, 40, 30))); err != nil {
			t.Error(err)
		}
	}
	l.Close()
	if got := strings.Count(log.String(), "thumbnails are not kept on disk"); got != 1 {
		t.Errorf("the log says it %d times, want once:\n%s", got, log.String())
	}
}

func TestPrune(t *testing.T) {
	cache := t.TempDir()
	d := newDisk(cache, 10_000, slog.New(slog.DiscardHandler))
	old := time.Now().Add(-100 * time.Hour)
	for i := range 20 {
		path := d.path(Key{Path: strconv.Itoa(i)}, 10)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, make([]byte, 1000))
		at := old.Add(time.Duration(i) * time.Hour)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	shard := filepath.Dir(d.path(Key{Path: "0"}, 10))
	left, writing := filepath.Join(shard, partial+"1"), filepath.Join(shard, partial+"2")
	writeFile(t, left, nil)
	writeFile(t, writing, nil)
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(cache, "letters", "love.jpg")
	if err := os.Mkdir(filepath.Dir(foreign), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, foreign, make([]byte, 5000))

	d.prune(t.Context())
	for i := range 20 {
		_, err := os.Stat(d.path(Key{Path: strconv.Itoa(i)}, 10))
		if kept := err == nil; kept != (i >= 11) {
			t.Errorf("thumbnail %d: kept is %t", i, kept)
		}
	}
	for path, want := range map[string]bool{left: false, writing: true, foreign: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if d.size.Load() != 9000 {
		t.Errorf("the size is %d, want 9000", d.size.Load())
	}
}

func TestDiskStaysWithinItsBound(t *testing.T) {
	cache, dir := t.TempDir(), t.TempDir()
	const bound = 20_000
	l, _ := open(t, Params{Dir: cache, Side: 64, MaxDisk: bound})
	for i := range 60 {
		if _, err := load(l, writeFile(t, filepath.Join(dir, strconv.Itoa(i)+".jpg"), picturetest.JPEG(i, i, 96, 72))); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	before, size := l.disk.files(t.Context())
	l.disk.prune(t.Context()) // What was still to be done when the loader was closed.
	after, pruned := l.disk.files(t.Context())
	if pruned > bound || len(after) == 0 || size > 2*bound && len(before) == 60 {
		t.Errorf("%d bytes of %d files, then %d of %d", size, len(before), pruned, len(after))
	}
}

func TestUseRenewsTime(t *testing.T) {
	d := newDisk(t.TempDir(), 1<<20, slog.New(slog.DiscardHandler))
	key := Key{Path: "a"}
	d.put(key, 64, picturetest.Flower(1, 1, 64, 48))
	old := time.Now().Add(-2 * fresh)
	if err := os.Chtimes(d.path(key, 64), old, old); err != nil {
		t.Fatal(err)
	}
	if d.get(key, 64) == nil {
		t.Fatal("it was not kept")
	}
	info, err := os.Stat(d.path(key, 64))
	if err != nil || time.Since(info.ModTime()) > time.Hour {
		t.Errorf("it was used at %v, %v", info.ModTime(), err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const bound = 10 * (64*48*4 + 512)
	m := newMemory(bound)
	for i := range 100 {
		m.put(id{path: strconv.Itoa(i)}, entry{img: image.NewRGBA(image.Rect(0, 0, 64, 48))})
		m.get(id{path: "0"}) // It stays, as it is used.
		if m.size > bound || m.used.Len() != len(m.entries) || int64(len(m.entries))*(64*48*4+512) != m.size {
			t.Fatalf("%d entries of %d bytes", len(m.entries), m.size)
		}
	}
	for i := range 100 {
		if _, ok := m.entries[id{path: strconv.Itoa(i)}]; ok != (i == 0 || i > 90) {
			t.Errorf("entry %d: %t", i, ok)
		}
	}
	m.put(id{path: "large"}, entry{img: image.NewRGBA(image.Rect(0, 0, 1000, 1000))})
	if m.size != 0 || len(m.entries) != 0 {
		t.Errorf("one that does not fit left %d entries of %d bytes", len(m.entries), m.size)
	}
}

// gated returns a loader with one worker that reads a photo only when told to, and says which.
func gated(t *testing.T) (l *Loader, begun chan string, proceed chan struct{}) {
	t.Helper()
	l = New(Params{Workers: 1})
	begun, proceed = make(chan string), make(chan struct{})
	l.read = func(_ context.Context, path string) (picture.Encoded, picture.Digest, error) {
		begun <- path
		<-proceed
		e, err := picture.Parse(picturetest.JPEG(1, 1, 20, 10))
		return e, picture.Digest{}, err
	}
	t.Cleanup(l.Close)
	return l, begun, proceed
}

func TestNewestFirstSharedAndCancelled(t *testing.T) {
	l, begun, proceed := gated(t)
	var order []string
	done := make(chan string, 10)
	ask := func(path string) func() {
		return l.Load(Key{Path: path}, func(image.Image, error) { done <- path })
	}
	ask("first")
	<-begun // The rest waits behind it.
	ask("a")
	cancelB := ask("b")
	ask("c")
	cancelA2 := ask("a") // Now a is newer than c.
	ask("first")         // Shares the work that has begun.
	cancelB()
	cancelB() // Twice does no harm.
	cancelA2()
	for i := range 3 {
		proceed <- struct{}{}
		if i < 2 {
			order = append(order, <-begun)
		}
	}
	if got := strings.Join(order, " "); got != "a c" {
		t.Errorf("the order was %q, want %q", got, "a c")
	}
	var got []string
	for range 4 {
		got = append(got, <-done)
	}
	if s := strings.Join(got, " "); s != "first first a c" {
		t.Errorf("answered were %q", s)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.jobs) != 0 || l.queue.Len() != 0 {
		t.Errorf("%d jobs, %d queued are left", len(l.jobs), l.queue.Len())
	}
}

func TestCancelWhileAtWork(t *testing.T) {
	l, begun, proceed := gated(t)
	cancel := l.Load(Key{Path: "a"}, func(image.Image, error) { t.Error("called after it was cancelled") })
	<-begun
	cancel()
	proceed <- struct{}{}
	answered := make(chan bool)
	l.Load(Key{Path: "b"}, func(image.Image, error) { close(answered) })
	<-begun
	proceed <- struct{}{}
	<-answered
	if _, ok := l.Peek(Key{Path: "a"}); !ok {
		t.Error("the work was thrown away")
	}
}

func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	l, begun, proceed := gated(t)
	never := func(image.Image, error) { t.Error("called after Close") }
	l.Load(Key{Path: "a"}, never)
	<-begun
	cancel := l.Load(Key{Path: "b"}, never)
	closed := make(chan bool)
	go func() { l.Close(); close(closed) }()
	<-l.ctx.Done()
	close(proceed)
	<-closed
	cancel()
	l.Load(Key{Path: "c"}, never)()
	l.Close()
	if after := runtime.NumGoroutine(); after > before+1 { // The one that closed it may be about to end.
		t.Errorf("%d goroutines are left over", after-before)
	}
}

func TestFull(t *testing.T) {
	l := New(Params{})
	defer l.Close()
	key := writeFile(t, filepath.Join(t.TempDir(), "a.jpg"), picturetest.JPEG(1, 1, 600, 300))
	for side, want := range map[int]int{0: 600, 150: 150, 9999: 600} {
		img, err := l.Full(t.Context(), key.Path, side)
		if err != nil || img.Bounds() != image.Rect(0, 0, want, want/2) {
			t.Errorf("side %d: got %v, %v", side, img, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if img, err := l.Full(ctx, key.Path, 0); !errors.Is(err, context.Canceled) || img != nil {
		t.Errorf("a cancelled one gave %v, %v", img, err)
	}
}

func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	var keys []Key
	for i := range 12 {
		data := picturetest.JPEG(i, i, 40, 30)
		if i%4 == 3 {
			data = []byte("not a photo")
		}
		keys = append(keys, writeFile(t, filepath.Join(dir, strconv.Itoa(i)+".jpg"), data))
	}
	l, _ := open(t, Params{Dir: t.TempDir(), Side: 16, MaxMemory: 8 << 10, MaxDisk: 8 << 10, Workers: 4})
	var askers, answers sync.WaitGroup
	var cancelled, called atomic.Int64
	for g := range 8 {
		askers.Go(func() {
			for n := range 100 {
				i := (g*7 + n*5) % len(keys)
				answers.Add(1)
				var once sync.Once
				finish := func() { once.Do(answers.Done) }
				cancel := l.Load(keys[i], func(img image.Image, err error) {
					called.Add(1)
					if (err != nil) != (i%4 == 3) || (img == nil) != (err != nil) {
						t.Errorf("photo %d: got %v, %v", i, img, err)
					}
					finish()
				})
				l.Peek(keys[(i+1)%len(keys)])
				if n%3 == 0 {
					cancel()
					cancelled.Add(1)
					finish()
				}
			}
		})
	}
	askers.Wait()
	answers.Wait() // All that were not cancelled are answered.
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.jobs) != 0 || l.queue.Len() != 0 || l.memory.size > 8<<10 {
		t.Errorf("%d jobs, %d queued, %d bytes are left", len(l.jobs), l.queue.Len(), l.memory.size)
	}
	if total := called.Load() + cancelled.Load(); total < 800 {
		t.Errorf("%d answers and cancels for 800 requests", total)
	}
}

// BenchmarkLoad gives the photos per second that all cores make thumbnails of, and that come from disk.
func BenchmarkLoad(b *testing.B) {
	for _, size := range []struct{ w, h int }{{500, 333}, {4000, 3000}} {
		dir, cache := b.TempDir(), b.TempDir()
		var keys []Key
		for i := range 32 {
			keys = append(keys, writeFile(b, filepath.Join(dir, strconv.Itoa(i)+".jpg"), picturetest.JPEG(i%4, i%4, size.w, size.h)))
			if size.w > 1000 && i == 3 {
				break
			}
		}
		run := func(b *testing.B, cache string) {
			b.Helper()
			for b.Loop() {
				l := New(Params{Dir: cache})
				var all sync.WaitGroup
				all.Add(len(keys))
				for _, key := range keys {
					l.Load(key, func(_ image.Image, err error) {
						if err != nil {
							b.Error(err)
						}
						all.Done()
					})
				}
				all.Wait()
				l.Close()
			}
			b.ReportMetric(float64(b.N*len(keys))/b.Elapsed().Seconds(), "photos/s")
		}
		b.Run(fmt.Sprintf("cold/%dx%d", size.w, size.h), func(b *testing.B) { run(b, "") })
		warm := New(Params{Dir: cache})
		for _, key := range keys {
			if _, err := load(warm, key); err != nil {
				b.Fatal(err)
			}
		}
		warm.Close()
		b.Run(fmt.Sprintf("warm/%dx%d", size.w, size.h), func(b *testing.B) { run(b, cache) })
	}
}
