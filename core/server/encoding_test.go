package server

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kaika/core/classify"
	"kaika/core/picture/picturetest"
	"kaika/core/serve"
)

// zipped compresses a body.
func zipped(t testing.TB, body string) []byte {
	t.Helper()
	var to bytes.Buffer
	z := gzip.NewWriter(&to)
	if _, err := io.WriteString(z, body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return to.Bytes()
}

// TestGzippedBodies sends requests in gzip, as clients of TensorFlow Serving may: what is in them counts, for the limits, too.
func TestGzippedBodies(t *testing.T) {
	const limit = 300_000
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits.Body = limit })
	rose := picturetest.JPEG(0, 1, 32, 24)
	send := func(path, kind string, body []byte, headers ...string) heard {
		t.Helper()
		h := s.send("POST", path, kind, bytes.NewReader(body), append([]string{"Content-Encoding", "gzip"}, headers...)...)
		if left := s.server.memory.left; left != DefaultLimits().InFlight {
			t.Errorf("%s: %d bytes of the budget were not given back", path, DefaultLimits().InFlight-left)
		}
		return h
	}
	const predict = "/v1/models/flowers:predict"
	rows := parsed[struct{ Predictions []prediction }](send(predict, "", zipped(t, instances(rose))).is(200, "")).Predictions
	if len(rows) != 1 || rows[0].Scores[0] != scoresOf(rose)[0] {
		t.Errorf("the answer is %+v", rows)
	}
	send("/v1/models/flowers:classify", "", zipped(t, `{"examples":[{"a":`+b64(rose)+`}]}`)).is(200, "")
	kind, form := sending(t, "a.jpg", string(rose))
	for what, h := range map[string]heard{
		"a form": send(classifyPath, kind, zipped(t, form.String())), "a photo": send(classifyPath, "image/jpeg", zipped(t, string(rose))),
		"two parts": send(classifyPath, "image/jpeg", append(zipped(t, string(rose[:50])), zipped(t, string(rose[50:]))...)),
		"x-gzip":    s.send("POST", classifyPath, "image/jpeg", bytes.NewReader(zipped(t, string(rose))), "Content-Encoding", "X-GZIP"),
		"as it is":  s.send("POST", classifyPath, "image/jpeg", bytes.NewReader(rose), "Content-Encoding", "identity"),
	} {
		if answers := parsed[[]classify.Answer](h.is(200, "")); len(answers) != 1 {
			t.Errorf("%s: %s", what, h.body)
		} else {
			matches(t, answers[0], rose)
		}
	}

	bomb := zipped(t, `{"instances":["`+strings.Repeat("A", 10*limit)+`"]}`)
	if len(bomb) >= limit {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	send(predict, "", bomb).is(http.StatusRequestEntityTooLarge, "")
	send(predict, "", zipped(t, strings.Repeat(" ", 10*limit)+instances(rose))).is(http.StatusRequestEntityTooLarge, "")
	send(classifyPath, "image/jpeg", zipped(t, strings.Repeat("A", 10*limit))).is(http.StatusRequestEntityTooLarge, "too_large")
	kind, form = sending(t, "a.jpg", strings.Repeat("A", 10*limit))
	send(classifyPath, kind, zipped(t, form.String())).is(http.StatusRequestEntityTooLarge, "too_large")
	deep := func(levels int) []byte {
		return []byte(`{"x":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + "," + instances(rose)[1:])
	}
	send(predict, "", zipped(t, string(deep(maxDepth)))).is(http.StatusOK, "")
	send(predict, "", zipped(t, string(deep(maxDepth+1)))).is(http.StatusBadRequest, "")
	nested := zipped(t, string(zipped(t, instances(rose)))) // It is unpacked once.
	send(predict, "", nested).is(http.StatusBadRequest, "")

	whole := zipped(t, instances(rose))
	broken := bytes.Clone(whole)
	broken[len(broken)-6] ^= 1 // Its sum.
	for what, body := range map[string][]byte{"nothing": {}, "cut": whole[:len(whole)/2], "not gzip": []byte(instances(rose)), "a wrong sum": broken, "more": append(bytes.Clone(whole), "x"...)} {
		h := send(predict, "", body).is(http.StatusBadRequest, "")
		var said map[string]string
		if err := json.Unmarshal([]byte(h.body), &said); err != nil || said["error"] == "" || len(said) != 1 {
			t.Errorf("%s: %s", what, h.body)
		}
	}
	send(classifyPath, "image/jpeg", whole[:40]).is(http.StatusBadRequest, "encoding")
	for _, unknown := range []string{"br", "gzip, gzip", "deflate"} {
		h := s.send("POST", classifyPath, "image/jpeg", bytes.NewReader(rose), "Content-Encoding", unknown).is(http.StatusUnsupportedMediaType, "encoding")
		if h.header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("%s: %v", unknown, h.header)
		}
	}
}

// TestGunzipAfterItsEnd reads on after an error, which stays.
func TestGunzipAfterItsEnd(t *testing.T) {
	g := &gunzip{packed: io.NopCloser(strings.NewReader("no gzip, but more of it than a header has"))}
	for range 2 {
		if _, err := g.Read(make([]byte, 8)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the error is %v", err)
		}
	}
}

// TestGzippedAnswers asks for answers in gzip. Short ones, and those that are not JSON, come as they are.
func TestGzippedAnswers(t *testing.T) {
	s := newStand(t, nil)
	rose := string(picturetest.JPEG(0, 1, 32, 24))
	var files []string
	for range 20 {
		files = append(files, "a.jpg", rose)
	}
	kind, form := sending(t, files...)
	plain := s.send("POST", classifyPath, kind, bytes.NewReader(form.Bytes()), "Accept-Encoding", "identity").is(200, "")
	if plain.header.Get("Content-Encoding") != "" || plain.header.Get("Vary") != "Accept-Encoding" || len(plain.body) < worthPacking {
		t.Fatalf("%v", plain.header)
	}
	packed := s.send("POST", classifyPath, kind, bytes.NewReader(form.Bytes()), "Accept-Encoding", "br, gzip;q=0.5").is(200, "")
	z, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatalf("%v: %v", err, packed.header)
	}
	unpacked, err := io.ReadAll(z)
	if err != nil || string(unpacked) != plain.body || packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("%v: %v: %s", err, packed.header, unpacked)
	}
	short := s.send("GET", "/v1/models/flowers", "", nil, "Accept-Encoding", "gzip").is(200, "")
	if short.header.Get("Content-Encoding") != "" {
		t.Errorf("%v", short.header)
	}
	for asked, takes := range map[string]bool{
		"": false, "gzip": true, "br, GZIP": true, "gzip;q=0": false, "gzip; q=0.000": false, "gzip;q=0.001": true, "gzip; q=1.0": true, "gzipped": false, "identity": false,
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Header.Set("Accept-Encoding", asked)
		if takesGzip(r) != takes {
			t.Errorf("%q: %t", asked, !takes)
		}
	}
}
