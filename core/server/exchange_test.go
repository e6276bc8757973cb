package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kaika/core/picture/picturetest"
	"kaika/core/serve"
)

// TestLog reads the log of a few requests: each line is JSON with the request's identity, and nothing in it is secret.
func TestLog(t *testing.T) {
	auth, _ := authOf(t, "me", "swordfish")
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Auth, c.Local = auth, false })
	rose := string(picturetest.JPEG(0, 1, 16, 16))
	kind, body := sending(t, "private.jpg", rose)
	h := s.send("POST", classifyPath+"?token=swordfish", kind, body, "Authorization", basic("me", "swordfish"), "X-Request-Id", "abc-123", "Cookie", "swordfish")
	if h.is(200, "").header.Get("X-Request-Id") != "abc-123" {
		t.Errorf("X-Request-Id %q", h.header.Get("X-Request-Id"))
	}
	forged := s.send("GET", "/healthz", "", nil, "X-Request-Id", "a b\tc").header.Get("X-Request-Id")
	s.send("POST", classifyPath, "image/jpeg", strings.NewReader(rose), "Authorization", "Bearer me:swordfish?").is(401, "password")
	s.send("POST", classifyPath, "text/plain", strings.NewReader(rose), "Authorization", "Bearer me:swordfish").is(415, "media_type")
	log := s.log.String()
	for _, secret := range []string{"swordfish", "private", basic("me", "swordfish")[6:], rose[:20], "a b\\tc"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
	var first map[string]any
	ids := 0
	for line := range strings.Lines(log) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if entry["msg"] == "request" {
			if id, ok := entry["request"].(string); ok && id != "" {
				ids++
			}
			if first == nil {
				first = entry
			}
			if entry["route"] == healthRoute && (entry["level"] != "DEBUG" || entry["request"] != forged) {
				t.Errorf("%s", line)
			}
		}
	}
	if ids != 4 || first["request"] != "abc-123" || first["method"] != "POST" || first["route"] != "POST "+classifyPath || first["status"] != 200.0 ||
		first["client"] != "127.0.0.1" || first["user"] != "me" || first["bytes"].(float64) < 50 { //nolint:errcheck // A panic fails the test as well.
		t.Errorf("%d requests, the first: %v", ids, first)
	}
}

func TestRequestID(t *testing.T) {
	for given, kept := range map[string]bool{"a": true, "0f-B_.9": true, "": false, strings.Repeat("x", 65): false, "a\nb": false, "a\"b": false, "百合": false} {
		if got := requestID(given); (got == given) != kept || got == "" {
			t.Errorf("%q: %q", given, got)
		}
	}
}

// TestPanic outlives a handler that panics, before and after it has begun to answer.
func TestPanic(t *testing.T) {
	s := newStand(t, nil)
	serving := httptest.NewServer(s.server.observed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("half")) // The test reads it.
		}
		panic("a fault")
	})))
	defer serving.Close()
	get := func(path string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, serving.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return http.DefaultClient.Do(r)
	}
	answer, err := get("/api/early")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // It is read.
	var said struct{ Code, Error string }
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || answer.StatusCode != http.StatusInternalServerError || said.Code != "internal" || strings.Contains(said.Error, "fault") {
		t.Errorf("%d, %+v, %v", answer.StatusCode, said, err)
	}
	if late, err := get("/late"); err == nil {
		if err := json.NewDecoder(late.Body).Decode(&said); err == nil {
			t.Error("the answer seems to be whole")
		}
		_ = late.Body.Close() // It was broken off.
	}
	if log := s.log.String(); strings.Count(log, `"panic":"a fault"`) < 2 || !strings.Contains(log, "TestPanic.func1") {
		t.Errorf("the log does not say where it was: %s", log)
	}
}

// TestMetrics reads the figures after a few requests.
func TestMetrics(t *testing.T) {
	s := newStand(t, nil)
	rose := string(picturetest.JPEG(0, 1, 16, 16))
	kind, body := sending(t, "a.jpg", rose, "b.jpg", "hello", "c.jpg", rose)
	s.send("POST", classifyPath, kind, body).is(200, "")
	s.send("POST", classifyPath, "text/plain", strings.NewReader(rose)).is(415, "media_type")
	s.send("GET", "/nowhere/at/all", "", nil).is(404, "")
	text := s.send("GET", "/metrics", "", nil).is(200, "").body
	for _, line := range []string{
		`kaika_http_request_duration_seconds_count{method="POST",route="POST /api/v1/classify",status="200"} 1`,
		`kaika_http_request_duration_seconds_count{method="POST",route="POST /api/v1/classify",status="415"} 1`,
		`kaika_http_request_duration_seconds_count{method="GET",route="",status="404"} 1`,
		`kaika_http_refusals_total{reason="media_type"} 1`,
		`kaika_photos_total{outcome="classified"} 2`,
		`kaika_photos_total{outcome="bad"} 1`,
		`kaika_batch_photos_sum 2`,
		`kaika_queue_photos 0`,
		`kaika_engine_restarts_total 7`,
		`kaika_build_info{version="1.2.3"} 1`,
		`kaika_http_requests_in_hand 1`,
		"go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("there is no %s in\n%s", line, text)
		}
	}
	// What clients make up adds no series.
	for _, method := range []string{"BREW", "GEAR"} {
		s.send(method, "/"+method, "", nil)
	}
	if text := s.send("GET", "/metrics", "", nil).body; strings.Contains(text, "BREW") || !strings.Contains(text, `method="other"`) {
		t.Error("methods that clients make up become series")
	}
}

// slowReader is a client that is given its time for each write.
type slowReader struct {
	*httptest.ResponseRecorder

	deadlines int
	largest   int
}

func (s *slowReader) SetWriteDeadline(time.Time) error { s.deadlines++; return nil }

func (s *slowReader) Write(p []byte) (int, error) {
	s.largest = max(s.largest, len(p))
	return s.ResponseRecorder.Write(p)
}

// TestLargeAnswerHasItsTime writes a large answer at once, which a slow line takes longer for than one write may take.
func TestLargeAnswerHasItsTime(t *testing.T) {
	slow := &slowReader{ResponseRecorder: httptest.NewRecorder()}
	w := &response{ResponseWriter: slow, control: http.NewResponseController(slow), patience: time.Minute}
	data := bytes.Repeat([]byte("kaika "), 100_000)
	n, err := w.Write(data)
	if n != len(data) || err != nil || w.bytes != int64(n) || !bytes.Equal(slow.Body.Bytes(), data) {
		t.Fatalf("%d of %d bytes were written, %v", n, len(data), err)
	}
	if want := (len(data) + pieceOfAnswer - 1) / pieceOfAnswer; slow.deadlines != want || slow.largest > pieceOfAnswer {
		t.Errorf("%d writes of up to %d bytes had a time of their own, want %d", slow.deadlines, slow.largest, want)
	}
	if n, err := w.Write(nil); n != 0 || err != nil || slow.deadlines < 2 {
		t.Errorf("nothing: %d, %v", n, err)
	}
}
