package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A host serves content as the fields say, and remembers what it was asked.
type host struct {
	content  []byte
	etag     string
	modified time.Time // sent as Last-Modified when set
	noRanges bool
	cuts     []int // after how many bytes of the body each answer is cut; answers beyond the list are whole

	mu     sync.Mutex
	ranges []string // the Range header of each request
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	n := len(h.ranges)
	h.ranges = append(h.ranges, r.Header.Get("Range"))
	h.mu.Unlock()
	if h.noRanges {
		r.Header.Del("Range")
	}
	if h.etag != "" {
		w.Header().Set("ETag", h.etag)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if n < len(h.cuts) {
		w = &cutter{w, h.cuts[n]}
	}
	http.ServeContent(w, r, "", h.modified, bytes.NewReader(h.content))
}

func (h *host) start(t *testing.T) string {
	t.Helper()
	return serve(t, h)
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/file.tgz"
}

// A cutter closes the connection in the middle of the body.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if c.left >= len(p) {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	if _, err := c.ResponseWriter.Write(p[:c.left]); err != nil {
		return 0, err
	}
	if err := http.NewResponseController(c.ResponseWriter).Flush(); err != nil {
		return 0, err
	}
	panic(http.ErrAbortHandler)
}

func content(n int, seed byte) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func digestOf(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// atOnce waits for nothing, but lets others run.
func atOnce(ctx context.Context, _ time.Duration) error {
	runtime.Gosched()
	return ctx.Err()
}

var errStop = errors.New("stopped by the test")

// never ends a run at the first trouble, as a user would who presses Ctrl-C then.
func never(context.Context, time.Duration) error { return errStop }

func request(t *testing.T, url string) Request {
	t.Helper()
	return Request{URL: url, Path: filepath.Join(t.TempDir(), "models", "file.tgz"), Wait: atOnce}
}

// wantFile checks that the file is there and nothing else is.
func wantFile(t *testing.T, r Request, want []byte) {
	t.Helper()
	got, err := os.ReadFile(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the file holds %d bytes, digest %s; want %d, %s", len(got), digestOf(got), len(want), digestOf(want))
	}
	wantOnly(t, filepath.Dir(r.Path), filepath.Base(r.Path))
}

func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, names) {
		t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}

func TestFile(t *testing.T) {
	h := &host{content: content(300_000, 1), etag: `"a"`}
	r := request(t, h.start(t))
	var last, total int64
	r.Progress = func(d, n int64) {
		if d < last {
			t.Errorf("progress went back from %d to %d", last, d)
		}
		last, total = d, n
	}
	digest, err := File(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if want := digestOf(h.content); digest != want {
		t.Errorf("digest %s, want %s", digest, want)
	}
	if last != 300_000 || total != 300_000 {
		t.Errorf("progress ended at %d of %d", last, total)
	}
	wantFile(t, r, h.content)

	// What is there is not loaded again, with the digest known or not.
	for _, known := range []string{"", digest, strings.ToUpper(digest)} {
		r.SHA256 = known
		if again, err := File(t.Context(), r); err != nil || again != digest {
			t.Errorf("again with %q: %s, %v", known, again, err)
		}
	}
	if len(h.ranges) != 1 {
		t.Errorf("%d requests, want 1", len(h.ranges))
	}
}

func TestFileReplacesAWrongOne(t *testing.T) {
	h := &host{content: content(1000, 1)}
	for name, r := range map[string]Request{
		"digest": {SHA256: digestOf(h.content)},
		"size":   {Size: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			r.URL, r.Path = h.start(t), filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(r.Path, []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := File(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			wantFile(t, r, h.content)
		})
	}
}

func TestFileOfNothing(t *testing.T) {
	h := &host{etag: `"empty"`}
	r := request(t, h.start(t))
	if _, err := File(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	wantFile(t, r, nil)
}

// The bytes that count are those of the file on the server, whatever encodings client and server could agree on.
func TestFileAsksForNoEncoding(t *testing.T) {
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Accept-Encoding"))
	}))
	r := request(t, url)
	if _, err := File(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	wantFile(t, r, []byte("identity"))
}

func TestResume(t *testing.T) {
	old, changed := content(400_000, 1), content(350_000, 2)
	date := time.Date(2016, 2, 10, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		first, second *host
		goesOn        bool // the second run asks for the rest and gets it
	}{
		"ETag":                {&host{content: old, etag: `"a"`}, &host{content: old, etag: `"a"`}, true},
		"date":                {&host{content: old, modified: date}, &host{content: old, modified: date}, true},
		"weak ETag and date":  {&host{content: old, etag: `W/"a"`, modified: date}, &host{content: old, modified: date}, true},
		"no validator":        {&host{content: old}, &host{content: old}, false},
		"weak ETag":           {&host{content: old, etag: `W/"a"`}, &host{content: old, etag: `W/"a"`}, false},
		"no ranges":           {&host{content: old, etag: `"a"`, noRanges: true}, &host{content: old, etag: `"a"`, noRanges: true}, false},
		"ETag has changed":    {&host{content: old, etag: `"a"`}, &host{content: changed, etag: `"b"`}, false},
		"date has changed":    {&host{content: old, modified: date}, &host{content: changed, modified: date.Add(time.Hour)}, false},
		"ETag no longer sent": {&host{content: old, etag: `"a"`}, &host{content: old}, false},
	} {
		for _, cut := range []int{1, 1000, pieceSize, len(old) - 1} {
			t.Run(fmt.Sprintf("%s after %d", name, cut), func(t *testing.T) {
				current := &host{content: c.first.content, etag: c.first.etag, modified: c.first.modified, noRanges: c.first.noRanges, cuts: []int{cut}}
				r := request(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.ServeHTTP(w, r) })))
				r.Wait = never
				_, err := File(t.Context(), r)
				if !errors.Is(err, errStop) {
					t.Fatalf("first run: %v", err)
				}
				kept := validator(http.Header{"Etag": {c.first.etag}}) != "" || !c.first.modified.IsZero()
				if kept {
					wantOnly(t, filepath.Dir(r.Path), "file.tgz.part", "file.tgz.part.json")
					if !strings.Contains(err.Error(), "run it again to go on") {
						t.Errorf("the error does not say that running again goes on: %v", err)
					}
				} else {
					wantOnly(t, filepath.Dir(r.Path))
				}

				current = &host{content: c.second.content, etag: c.second.etag, modified: c.second.modified, noRanges: c.second.noRanges}
				least := int64(-1)
				r.Progress = func(done, _ int64) {
					if least < 0 {
						least = done
					}
				}
				digest, err := File(t.Context(), r)
				if err != nil {
					t.Fatalf("second run: %v", err)
				}
				if want := digestOf(c.second.content); digest != want {
					t.Errorf("digest %s, want %s", digest, want)
				}
				wantFile(t, r, c.second.content)
				want := []string{""}
				if kept {
					want = []string{fmt.Sprintf("bytes=%d-", cut)}
				}
				if !slices.Equal(current.ranges, want) {
					t.Errorf("ranges asked for %q, want %q", current.ranges, want)
				}
				if c.goesOn && least <= int64(cut) {
					t.Errorf("progress began at %d, want more than %d", least, cut)
				}
			})
		}
	}
}

// A server that cuts each answer still gets the file across, as long as each brings something.
func TestFileThroughManyCuts(t *testing.T) {
	h := &host{content: content(100_000, 1), etag: `"a"`, cuts: slices.Repeat([]int{7001}, 14)}
	r := request(t, h.start(t))
	if _, err := File(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	wantFile(t, r, h.content)
	if len(h.ranges) != 15 {
		t.Errorf("%d requests, want 15", len(h.ranges))
	}
}

func TestFileGivesUp(t *testing.T) {
	h := &host{content: content(100_000, 1), etag: `"a"`, noRanges: true, cuts: slices.Repeat([]int{50_000}, 100)}
	r := request(t, h.start(t))
	var waits []time.Duration
	r.Wait = func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}
	_, err := File(t.Context(), r)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "run it again") {
		t.Errorf("got %v", err)
	}
	// The first try brought something, so it does not count.
	want := []time.Duration{500 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}
	if !slices.Equal(waits, want) {
		t.Errorf("waits %v, want %v", waits, want)
	}
	wantOnly(t, filepath.Dir(r.Path), "file.tgz.part", "file.tgz.part.json")
}

func TestFileNobodyThere(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	r := request(t, s.URL)
	if _, err := File(t.Context(), r); err == nil || !strings.Contains(err.Error(), "5 tries") {
		t.Errorf("got %v", err)
	}
	wantOnly(t, filepath.Dir(r.Path))
}

func TestFileStaleState(t *testing.T) {
	want := content(5000, 1)
	for name, c := range map[string]struct{ part, state string }{
		"no state":            {"some bytes", ""},
		"torn state":          {"some bytes", `{"url":"ht`},
		"other address":       {"some bytes", `{"url":"http://elsewhere/","validator":"\"a\""}`},
		"no validator":        {"some bytes", `{"url":"URL"}`},
		"part gone":           {"", `{"url":"URL","validator":"\"a\""}`},
		"longer than allowed": {strings.Repeat("x", 9000), `{"url":"URL","validator":"\"a\""}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := &host{content: want, etag: `"a"`}
			r := request(t, h.start(t))
			r.MaxBytes = 8000
			plant(t, r, c.part, c.state)
			if _, err := File(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			wantFile(t, r, want)
			if !slices.Equal(h.ranges, []string{""}) {
				t.Errorf("ranges asked for: %q", h.ranges)
			}
		})
	}
}

// plant lays down what an earlier run would have left. URL in state stands for the request's.
func plant(t *testing.T, r Request, part, state string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(r.Path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.partPath(), []byte(part), 0o644); err != nil {
		t.Fatal(err)
	}
	if state == "" {
		return
	}
	if err := os.WriteFile(r.statePath(), []byte(strings.ReplaceAll(state, "URL", r.URL)), 0o644); err != nil {
		t.Fatal(err)
	}
}

const goodState = `{"url":"URL","validator":"\"a\""}`

func TestRangeNotSatisfiable(t *testing.T) {
	want := content(5000, 1)
	t.Run("the part is complete", func(t *testing.T) {
		h := &host{content: want, etag: `"a"`}
		r := request(t, h.start(t))
		plant(t, r, string(want), goodState)
		if digest, err := File(t.Context(), r); err != nil || digest != digestOf(want) {
			t.Fatal(digest, err)
		}
		wantFile(t, r, want)
	})
	t.Run("the part is longer than the file", func(t *testing.T) {
		h := &host{content: want, etag: `"a"`}
		r := request(t, h.start(t))
		plant(t, r, string(want)+"more", goodState)
		if _, err := File(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		wantFile(t, r, want)
		if len(h.ranges) != 2 || h.ranges[1] != "" {
			t.Errorf("ranges asked for: %q", h.ranges)
		}
	})
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		_, _ = w.Write(want)
	})
	t.Run("without a size, complete by the size that is known", func(t *testing.T) {
		r := request(t, serve(t, bare))
		r.Size, r.SHA256 = int64(len(want)), digestOf(want)
		plant(t, r, string(want), goodState)
		if _, err := File(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		wantFile(t, r, want)
	})
	t.Run("without a size, start anew", func(t *testing.T) {
		r := request(t, serve(t, bare))
		plant(t, r, "wrong", goodState)
		if _, err := File(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		wantFile(t, r, want)
	})
	t.Run("always", func(t *testing.T) {
		r := request(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		})))
		if _, err := File(t.Context(), r); err == nil || !strings.Contains(err.Error(), "416") {
			t.Error(err)
		}
		wantOnly(t, filepath.Dir(r.Path))
	})
}

// Servers that answer a range with something else must not spoil the file.
func TestPartialContentThatDoesNotFit(t *testing.T) {
	want := content(5000, 1)
	for name, head := range map[string]map[string]string{
		"no Content-Range":    {},
		"nonsense":            {"Content-Range": "bytes what"},
		"another start":       {"Content-Range": "bytes 50-4999/5000"},
		"end beyond the size": {"Content-Range": "bytes 100-5000/5000"},
		"end before start":    {"Content-Range": "bytes 100-99/5000"},
		"overflowing":         {"Content-Range": "bytes 100-4999/99999999999999999999999"},
		"another version":     {"Content-Range": "bytes 100-4999/5000", "ETag": `"b"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Range") == "" {
					_, _ = w.Write(want)
					return
				}
				for k, v := range head {
					w.Header().Set(k, v)
				}
				w.WriteHeader(http.StatusPartialContent)
				_, _ = w.Write(bytes.Repeat([]byte("x"), 4900))
			})))
			plant(t, r, string(want[:100]), goodState)
			if _, err := File(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			wantFile(t, r, want)
		})
	}
	t.Run("without having been asked", func(t *testing.T) {
		r := request(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-4999/5000")
			w.WriteHeader(http.StatusPartialContent)
		})))
		if _, err := File(t.Context(), r); err == nil {
			t.Error("no error")
		}
	})
	t.Run("more than announced", func(t *testing.T) {
		r := request(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 100-4999/5000")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(make([]byte, 6000))
		})))
		plant(t, r, string(want[:100]), goodState)
		if _, err := File(t.Context(), r); err == nil || !strings.Contains(err.Error(), "announced 5000") {
			t.Error(err)
		}
		wantOnly(t, filepath.Dir(r.Path))
	})
	t.Run("in small pieces of unknown whole", func(t *testing.T) {
		r := request(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var start int
			if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &start); err != nil {
				t.Error(err)
			}
			end := min(start+999, 4999)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/*", start, end))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(want[start : end+1])
		})))
		r.Size = 5000
		plant(t, r, string(want[:100]), goodState)
		if _, err := File(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		wantFile(t, r, want)
	})
}

func TestFileTooLarge(t *testing.T) {
	big := content(50_000, 1)
	chunked := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"a"`)
		for piece := range slices.Chunk(big, 1000) {
			_, _ = w.Write(piece)
			_ = http.NewResponseController(w).Flush()
		}
	}
	claimed := &host{content: big, etag: `"a"`}
	for name, c := range map[string]struct {
		h       http.Handler
		r       Request
		want    error
		planted bool
	}{
		"claimed":                   {claimed, Request{MaxBytes: 49_999}, ErrTooLarge, false},
		"claimed on the way":        {claimed, Request{MaxBytes: 49_999}, ErrTooLarge, true},
		"streamed":                  {http.HandlerFunc(chunked), Request{MaxBytes: 49_999}, ErrTooLarge, false},
		"streamed beyond the size":  {http.HandlerFunc(chunked), Request{Size: 40_000, MaxBytes: 1e9}, ErrTooLarge, false},
		"other size than expected":  {claimed, Request{Size: 60_000}, ErrDigest, false},
		"other size on the way":     {claimed, Request{Size: 60_000}, ErrDigest, true},
		"smaller than was expected": {claimed, Request{Size: 49_000}, ErrDigest, false},
		"just fits":                 {claimed, Request{MaxBytes: 50_000}, nil, false},
		"just fits, streamed":       {http.HandlerFunc(chunked), Request{MaxBytes: 50_000, Size: 50_000}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, serve(t, c.h))
			r.Size, r.MaxBytes = c.r.Size, c.r.MaxBytes
			if c.planted {
				plant(t, r, string(big[:100]), goodState)
			}
			_, err := File(t.Context(), r)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if c.want == nil {
				wantFile(t, r, big)
			} else {
				wantOnly(t, filepath.Dir(r.Path))
			}
		})
	}
}

// Streamed without a length, an end that comes too early can be seen by the expected size only.
func TestFileTooShort(t *testing.T) {
	r := request(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "short")
	})))
	r.Size = 10
	if _, err := File(t.Context(), r); err == nil || !strings.Contains(err.Error(), "after 5 of 10 bytes") {
		t.Error(err)
	}
	wantOnly(t, filepath.Dir(r.Path))
}

func TestFileWrongDigest(t *testing.T) {
	h := &host{content: content(5000, 1), etag: `"a"`}
	wanted := digestOf([]byte("another"))
	for _, resumed := range []bool{false, true} {
		t.Run(fmt.Sprint("resumed ", resumed), func(t *testing.T) {
			r := request(t, h.start(t))
			r.SHA256 = wanted
			arrived := slices.Clone(h.content)
			if resumed {
				arrived[0]++
				plant(t, r, string(arrived[:100]), goodState)
			}
			_, err := File(t.Context(), r)
			if !errors.Is(err, ErrDigest) {
				t.Fatal(err)
			}
			for _, want := range []string{wanted, digestOf(arrived), "run it again"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			wantOnly(t, filepath.Dir(r.Path))
		})
	}
}

func TestFileStalls(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	want := content(5000, 1)
	for _, sent := range []int{0, 3000} { // silent before the head of the answer, and in the body
		t.Run(fmt.Sprint("after ", sent), func(t *testing.T) {
			var requests atomic.Int32
			h := &host{content: want, etag: `"a"`}
			r := request(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1) > 1 {
					h.ServeHTTP(w, r)
					return
				}
				if sent > 0 {
					w.Header().Set("ETag", `"a"`)
					w.Header().Set("Content-Length", "5000")
					_, _ = w.Write(want[:sent])
					_ = http.NewResponseController(w).Flush()
				}
				select {
				case <-r.Context().Done():
				case <-done:
				}
			})))
			r.IdleTimeout = 100 * time.Millisecond
			r.Wait = never
			if _, err := File(t.Context(), r); !errors.Is(err, errStop) {
				t.Fatal(err)
			}
			r.IdleTimeout = 0
			if _, err := File(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			wantFile(t, r, want)
			if sent > 0 && h.ranges[0] != "bytes=3000-" {
				t.Errorf("second run asked for %q", h.ranges[0])
			}
		})
	}
	t.Run("for ever", func(t *testing.T) {
		r := request(t, serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-done:
			}
		})))
		r.IdleTimeout = 10 * time.Millisecond
		if _, err := File(t.Context(), r); err == nil || !strings.Contains(err.Error(), "sent nothing for 10ms") {
			t.Error(err)
		}
	})
}

func TestFileCancelled(t *testing.T) {
	h := &host{content: content(2_000_000, 1), etag: `"a"`}
	r := request(t, h.start(t))
	ctx, cancel := context.WithCancel(t.Context())
	r.Progress = func(done, _ int64) {
		if done > 500_000 {
			cancel()
		}
	}
	_, err := File(ctx, r)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "run it again") {
		t.Fatal(err)
	}
	wantOnly(t, filepath.Dir(r.Path), "file.tgz.part", "file.tgz.part.json")

	first := int64(-1)
	r.Progress = func(done, _ int64) {
		if first < 0 {
			first = done
		}
	}
	if _, err := File(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	wantFile(t, r, h.content)
	if first <= 500_000 {
		t.Errorf("the second run began at %d", first)
	}
}

// Cancelling also ends the pause between two tries.
func TestWait(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := wait(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := wait(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

func TestFileStatus(t *testing.T) {
	for status, c := range map[int]struct {
		says  string
		tries int32
	}{
		http.StatusNotFound:            {"no such file (404 Not Found)", 1},
		http.StatusGone:                {"no such file (410 Gone)", 1},
		http.StatusForbidden:           {"refuses to give the file (403 Forbidden)", 1},
		http.StatusUnauthorized:        {"refuses to give the file (401 Unauthorized)", 1},
		http.StatusTeapot:              {"unexpected answer (418 I'm a teapot)", 1},
		http.StatusNoContent:           {"unexpected answer (204 No Content)", 1},
		http.StatusTooManyRequests:     {"asks for patience (429 Too Many Requests)", maxTries},
		http.StatusInternalServerError: {"in trouble (500 Internal Server Error)", maxTries},
		http.StatusServiceUnavailable:  {"in trouble (503 Service Unavailable)", maxTries},
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			var requests atomic.Int32
			r := request(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.WriteHeader(status)
			})))
			_, err := File(t.Context(), r)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), r.URL) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			if n := requests.Load(); n != c.tries {
				t.Errorf("%d requests, want %d", n, c.tries)
			}
			wantOnly(t, filepath.Dir(r.Path))
		})
	}
}

func TestFileAfterServerTrouble(t *testing.T) {
	h := &host{content: content(5000, 1), etag: `"a"`}
	var requests atomic.Int32
	r := request(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) < maxTries {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		h.ServeHTTP(w, r)
	})))
	plant(t, r, string(h.content[:1234]), goodState)
	if _, err := File(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	wantFile(t, r, h.content)
	if !slices.Equal(h.ranges, []string{"bytes=1234-"}) {
		t.Errorf("the part did not survive: %q", h.ranges)
	}
}

func TestFileWebPage(t *testing.T) {
	r := request(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<html>Please sign in</html>")
	})))
	plant(t, r, "kept", goodState)
	if _, err := File(t.Context(), r); err == nil || !strings.Contains(err.Error(), "web page") {
		t.Error(err)
	}
	wantOnly(t, filepath.Dir(r.Path), "file.tgz.part", "file.tgz.part.json") // the network's fault, not the part's
}

func TestRedirects(t *testing.T) {
	want := content(5000, 1)
	target := (&host{content: want, etag: `"a"`, cuts: []int{1000}}).start(t)
	to := func(url string) http.Handler { return http.RedirectHandler(url, http.StatusFound) }

	t.Run("followed, and the range too", func(t *testing.T) {
		r := request(t, serve(t, to(target)))
		if _, err := File(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		wantFile(t, r, want)
	})
	for name, c := range map[string]struct {
		h    http.Handler
		says string
	}{
		"loop":         {to("/file.tgz"), "more than 5 times"},
		"other scheme": {to("ftp://127.0.0.1/file.tgz"), "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, serve(t, c.h))
			r.Wait = never
			if _, err := File(t.Context(), r); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Error(err)
			}
			wantOnly(t, filepath.Dir(r.Path))
		})
	}
	t.Run("from https to http", func(t *testing.T) {
		s := httptest.NewTLSServer(to(target))
		t.Cleanup(s.Close)
		r := request(t, s.URL)
		r.Client, r.Wait = s.Client(), never
		if _, err := File(t.Context(), r); err == nil || !strings.Contains(err.Error(), "not protected") {
			t.Error(err)
		}
	})
	t.Run("the client has a say", func(t *testing.T) {
		r := request(t, serve(t, to(target)))
		r.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return errStop }}
		if _, err := File(t.Context(), r); !errors.Is(err, errStop) {
			t.Error(err)
		}
	})
}

func TestUntrustedCertificate(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	s.Config.ErrorLog = nil
	t.Cleanup(s.Close)
	r := request(t, s.URL)
	r.Wait = never // one try only
	if _, err := File(t.Context(), r); err == nil || errors.Is(err, errStop) {
		t.Error(err)
	}
}

// Two that want the same file at the same time: one loads, the other waits and sees how far it is.
func TestFileConcurrently(t *testing.T) {
	h := &host{content: content(1_000_000, 1), etag: `"a"`}
	begun, waiting := make(chan struct{}), make(chan struct{})
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun) // panics at a second request
		<-waiting
		h.ServeHTTP(w, r)
	}))
	first := request(t, url)
	second := first
	var once sync.Once
	second.Wait = func(ctx context.Context, d time.Duration) error {
		if d != lockPoll {
			t.Errorf("the second one waits %v: it has tried to load", d)
		}
		once.Do(func() { close(waiting) })
		return atOnce(ctx, d)
	}
	var wg sync.WaitGroup
	load := func(r Request) {
		digest, err := File(t.Context(), r)
		if err != nil || digest != digestOf(h.content) {
			t.Error(digest, err)
		}
	}
	wg.Go(func() { load(first) })
	<-begun
	wg.Go(func() { load(second) })
	wg.Wait()
	wantFile(t, first, h.content)
}

// Many that start and stop at odd moments: all of them end with the whole file or with having been stopped.
func TestFileCrowd(t *testing.T) {
	h := &host{content: content(700_000, 1), etag: `"a"`}
	r := request(t, h.start(t))
	r.SHA256 = digestOf(h.content)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			mine := r
			if i%2 == 0 {
				mine.Progress = func(done, _ int64) {
					if done > int64(i)*100_000 {
						cancel()
					}
				}
			}
			if _, err := File(ctx, mine); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantFile(t, r, h.content)
}

func TestWaitingIsCancellable(t *testing.T) {
	r := request(t, serve(t, http.NotFoundHandler()))
	plant(t, r, "", "")
	held, err := r.lockPart(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	r.Wait = func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	}
	if _, err := File(ctx, r); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	wantOnly(t, filepath.Dir(r.Path), "file.tgz.part") // it is the other one's
}

func TestDiskFull(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("no " + full + " on this system")
	}
	h := &host{content: content(5000, 1), etag: `"a"`}
	r := request(t, h.start(t))
	if err := os.MkdirAll(filepath.Dir(r.Path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(full, r.partPath()); err != nil {
		t.Fatal(err)
	}
	_, err := File(t.Context(), r)
	if err == nil || !strings.Contains(err.Error(), "disk that holds "+filepath.Dir(r.Path)+" is full") {
		t.Error(err)
	}
	if len(h.ranges) != 1 {
		t.Errorf("%d requests, want 1", len(h.ranges))
	}
	wantOnly(t, filepath.Dir(r.Path))
}

func TestBadRequests(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a-file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]Request{
		"no scheme":          {URL: "example.org/x", Path: filepath.Join(dir, "x")},
		"file scheme":        {URL: "file:///etc/passwd", Path: filepath.Join(dir, "x")},
		"no host":            {URL: "http:///x", Path: filepath.Join(dir, "x")},
		"not an address":     {URL: "http://[::1", Path: filepath.Join(dir, "x")},
		"short digest":       {URL: "http://127.0.0.1:1/x", SHA256: "abc0", Path: filepath.Join(dir, "x")},
		"digest of no hex":   {URL: "http://127.0.0.1:1/x", SHA256: strings.Repeat("z", 64), Path: filepath.Join(dir, "x")},
		"path is a folder":   {URL: "http://127.0.0.1:1/x", Path: dir},
		"parent is no dir":   {URL: "http://127.0.0.1:1/x", Path: filepath.Join(file, "x")},
		"part is a folder":   {URL: "http://127.0.0.1:1/x", Path: filepath.Join(dir, "taken")},
		"state is no folder": {URL: "http://127.0.0.1:1/x", Path: filepath.Join(dir, "state")},
	} {
		t.Run(name, func(t *testing.T) {
			for _, taken := range []string{"taken.part", "state.part.json"} {
				if err := os.MkdirAll(filepath.Join(dir, taken), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			r.Wait = never
			if _, err := File(t.Context(), r); err == nil || errors.Is(err, errStop) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAddressWithPassword(t *testing.T) {
	url := serve(t, http.NotFoundHandler())
	r := request(t, strings.Replace(url, "http://", "http://me:secret@", 1))
	if _, err := File(t.Context(), r); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

// A mirror takes the place of scheme and host.
func TestMirrored(t *testing.T) {
	for _, test := range []struct{ mirror, want string }{
		{"", "http://publisher.example/a/b.tgz"},
		{"https://mirror.example", "https://mirror.example/a/b.tgz"},
		{"https://mirror.example/tf/", "https://mirror.example/tf/a/b.tgz"},
		{"mirror.example", "an error"},
	} {
		got, err := Mirrored("http://publisher.example/a/b.tgz", test.mirror)
		if err != nil {
			got = "an error"
		}
		if got != test.want {
			t.Errorf("%q: %s, %v", test.mirror, got, err)
		}
	}
}
