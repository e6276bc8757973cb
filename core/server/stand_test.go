package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"kaika/core/classify"
	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/serve"
	"kaika/core/trained"
)

// digests is an engine whose scores follow from the bytes of a picture.
type digests struct {
	mu     sync.Mutex
	before func(ctx context.Context, pictures []picture.Encoded) error // May be nil.
}

func (d *digests) do(before func(ctx context.Context, pictures []picture.Encoded) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = before
}

// Classify implements classify.Engine.
func (d *digests) Classify(ctx context.Context, _ trained.Graph, _, _ string, pictures []picture.Encoded) ([]feature.Vector, error) {
	d.mu.Lock()
	before := d.before
	d.mu.Unlock()
	if before != nil {
		if err := before(ctx, pictures); err != nil {
			return nil, err
		}
	}
	answers := make([]feature.Vector, len(pictures))
	for i, p := range pictures {
		if answers[i].Values = scoresOf(p.Data); bytes.Contains(p.Data, []byte("REFUSED")) {
			answers[i] = feature.Vector{Err: &picture.Error{Reason: picture.Damaged, Detail: "is damaged inside"}}
		}
	}
	return answers, nil
}

var standLabels = []string{"daisy", "lily of the valley", "薔薇"}

// scoresOf gives the scores of a picture in the order of the labels.
func scoresOf(data []byte) []float32 {
	d := picture.Sum(data)
	total := float32(d[0]) + float32(d[1]) + float32(d[2]) + 3
	return []float32{(float32(d[0]) + 1) / total, (float32(d[1]) + 1) / total, (float32(d[2]) + 1) / total}
}

var standGolden = sync.OnceValue(func() (all []trained.GoldenScore) {
	pictures, sums, err := trained.Golden()
	if err != nil {
		panic(err)
	}
	for i, p := range pictures {
		all = append(all, trained.GoldenScore{Picture: sums[i], Scores: scoresOf(p.Data)})
	}
	return all
})

// writeModel writes a model that fits the engine.
func writeModel(t testing.TB, dir string) string {
	t.Helper()
	graph := []byte("graph")
	m := trained.Model{
		Format: trained.Format, Labels: standLabels, GoldenScores: standGolden(),
		Graph:     trained.Graph{File: trained.GraphFile, SHA256: trained.DigestBytes(graph), Output: "final_result:0"},
		BaseModel: trained.BaseModel{Precision: "float32"},
	}
	w, err := trained.NewWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.File(trained.GraphFile, graph), w.File(trained.LabelsFile, trained.Labels(m.Labels)), w.Commit(m)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// journal is a log that tests read.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// stand is a server with one model, "flowers", that is served on a real socket.
type stand struct {
	testing.TB

	server *Server
	engine *digests
	log    *journal
	addr   string
	stop   context.CancelFunc
	ended  chan error
}

// newStand starts a server for this machine; change may make another of it.
func newStand(t testing.TB, change func(c *Config, models *serve.Config)) *stand {
	t.Helper()
	s := &stand{TB: t, engine: &digests{}, log: &journal{}, ended: make(chan error, 1)}
	metrics := NewMetrics("1.2.3", func() int { return 7 })
	m := serve.Config{
		Open: func(ctx context.Context, dir string) (*classify.Classifier, error) {
			return classify.Open(ctx, dir, "", s.engine)
		},
		Observe: metrics,
	}
	c := Config{Local: true, Version: "1.2.3", Metrics: metrics, Log: slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if change != nil {
		change(&c, &m)
	}
	if c.Models == nil {
		c.Models = serve.New(m)
		if err := c.Models.Serve(t.Context(), "flowers", writeModel(t, filepath.Join(t.TempDir(), "flowers"))); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.server, err = New(c); err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go func() { s.ended <- s.server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		s.engine.do(nil)
		cancel()
		if err := <-s.ended; err != nil {
			t.Errorf("serving: %v", err)
		}
		s.ended <- nil
		if err := s.server.Close(); err != nil {
			t.Error(err)
		}
		c.Models.Close()
	})
	return s
}

// heard is an answer.
type heard struct {
	testing.TB

	status int
	header http.Header
	body   string
}

// send sends a request on a connection of its own.
func (s *stand) send(method, path, kind string, body io.Reader, headers ...string) heard {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, "http://"+s.addr+path, body)
	if err != nil {
		s.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // It is read to its end.
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	return heard{s.TB, answer.StatusCode, answer.Header, string(text)}
}

// direct has the handler answer without a socket, for many requests or for clients elsewhere.
func (s *stand) direct(r *http.Request) heard {
	s.Helper()
	w := httptest.NewRecorder()
	s.server.Handler().ServeHTTP(w, r)
	return heard{s.TB, w.Code, w.Header(), w.Body.String()}
}

// is checks the status, and the code of an error of Kaika's own.
func (h heard) is(status int, code string) heard {
	h.Helper()
	if h.status != status {
		h.Fatalf("status %d instead of %d: %s", h.status, status, h.body)
	}
	if code == "" {
		return h
	}
	var said struct{ Error, Code string }
	if err := json.Unmarshal([]byte(h.body), &said); err != nil || said.Code != code || said.Error == "" {
		h.Fatalf("code %q instead of %q: %s (%v)", said.Code, code, h.body, err)
	}
	return h
}

// retries checks that the client is told when to come again.
func (h heard) retries() {
	h.Helper()
	if after := h.header.Get("Retry-After"); after == "" || after == "0" {
		h.Errorf("Retry-After is %q", after)
	}
}

func parsed[T any](h heard) (v T) {
	h.Helper()
	if err := json.Unmarshal([]byte(h.body), &v); err != nil {
		h.Fatalf("%v: %s", err, h.body)
	}
	return v
}

// sending makes a form of files; names and contents alternate.
func sending(t testing.TB, files ...string) (kind string, body *bytes.Buffer) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for i := 0; i < len(files); i += 2 {
		part, err := w.CreateFormFile(fmt.Sprintf("field %d", i), files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), body
}

// authOf makes a file of passwords; names and passwords alternate.
func authOf(t testing.TB, pairs ...string) (*Auth, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "auth")
	writeAuth(t, path, pairs...)
	a, err := OpenAuth(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a, path
}

func writeAuth(t testing.TB, path string, pairs ...string) {
	t.Helper()
	var text strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		hash, err := bcrypt.GenerateFromPassword([]byte(pairs[i+1]), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "# a user\n\n%s:%s\r\n", pairs[i], hash)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// matches checks that an answer has the scores of a photo's bytes.
func matches(t testing.TB, a classify.Answer, data []byte) {
	t.Helper()
	want := scoresOf(data)
	if a.Error != nil || len(a.Predictions) != len(want) {
		t.Fatalf("answer %+v", a)
	}
	for i, p := range a.Predictions {
		if p.Score != want[slices.Index(standLabels, p.Label)] {
			t.Errorf("%s has the score %v: %v", p.Label, p.Score, want)
		}
		if i > 0 && p.Score > a.Predictions[i-1].Score {
			t.Errorf("in the order %v", a.Predictions)
		}
	}
}
