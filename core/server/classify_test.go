package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kaika/core/classify"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/serve"
)

const classifyPath = "/api/v1/classify"

func TestClassify(t *testing.T) {
	s := newStand(t, nil)
	rose, lily := picturetest.JPEG(0, 1, 32, 24), picturetest.PNG(1, 2, 24, 32)

	kind, body := sending(t, "a rose.jpg", string(rose), "note.txt", "hello", "C:\\photos\\百合.png", string(lily), "../../etc/passwd\u202e.jpg", string(rose))
	answers := parsed[[]classify.Answer](s.send("POST", classifyPath+"?top=0&model=flowers&version=1", kind, body).is(200, ""))
	var names []string
	for _, a := range answers {
		names = append(names, a.File)
	}
	if !slices.Equal(names, []string{"a rose.jpg", "note.txt", "百合.png", "passwd\ufffd.jpg"}) {
		t.Errorf("names %q", names)
	}
	matches(t, answers[0], rose)
	matches(t, answers[2], lily)
	matches(t, answers[3], rose)
	if e := answers[1].Error; e == nil || *e != "is a text file, not a picture" || len(answers[1].Predictions) != 0 || answers[1].Predictions == nil {
		t.Errorf("answer %+v", answers[1])
	}

	for _, kind := range []string{"", "image/jpeg", "application/octet-stream", "application/x-www-form-urlencoded"} {
		answers := parsed[[]classify.Answer](s.send("POST", classifyPath+"?top=1", kind, bytes.NewReader(rose)).is(200, ""))
		if len(answers) != 1 || answers[0].File != "-" || len(answers[0].Predictions) != 1 {
			t.Errorf("%q: answers %+v", kind, answers)
		}
	}
	// A form whose length is not known beforehand.
	kind, body = sending(t, "a.jpg", string(rose))
	if a := parsed[[]classify.Answer](s.send("POST", classifyPath, kind, io.MultiReader(body)).is(200, "")); len(a) != 1 || a[0].Error != nil {
		t.Errorf("answers %+v", a)
	}
	// What the engine cannot decode is the photo's own affair.
	spoilt := append(slices.Clone(rose), "REFUSED"...)
	kind, body = sending(t, "a.jpg", string(spoilt), "b.jpg", string(rose))
	answers = parsed[[]classify.Answer](s.send("POST", classifyPath, kind, body).is(200, ""))
	if *answers[0].Error != "is damaged inside" || answers[1].Error != nil {
		t.Errorf("answers %+v", answers)
	}
	if left := s.server.memory.left; left != DefaultLimits().InFlight {
		t.Errorf("%d bytes of the budget were not given back", DefaultLimits().InFlight-left)
	}
}

func TestCleanName(t *testing.T) {
	for name, want := range map[string]string{
		"a.jpg": "a.jpg", "": "-", "/": "-", `C:\a\`: "-", "../b": "b", "a\x00b\r\nc": "a\ufffdb\ufffd\ufffdc", "\xff": "\ufffd", "百合 1.jpg": "百合 1.jpg",
		strings.Repeat("百", 100): strings.Repeat("百", 85),
	} {
		if got := cleanName(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}

func TestClassifyRefuses(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits = Limits{Photos: 5, Body: 190_000} })
	rose := string(picturetest.JPEG(0, 1, 32, 24))
	six, many := []string{}, []string{}
	for range 6 {
		six = append(six, "a.jpg", rose)
	}
	for range 1000 {
		many = append(many, "", "x")
	}
	kind, nothing := sending(t)
	sixKind, sixBody := sending(t, six...)
	manyKind, manyBody := sending(t, many...)
	cutKind, cut := sending(t, "a.jpg", rose)
	cut.Truncate(cut.Len() - 20)
	zeros := bytes.NewReader(make([]byte, 200_000))
	for _, c := range []struct {
		name, query, kind string
		body              io.Reader
		status            int
		code              string
	}{
		{"no photo in a form", "", kind, nothing, 400, "nothing_sent"},
		{"no body", "", "image/jpeg", http.NoBody, 400, "nothing_sent"},
		{"no body at all", "", "", nil, 400, "nothing_sent"},
		{"a document", "", "application/json", strings.NewReader("{}"), 415, "media_type"},
		{"no media type", "", "image", strings.NewReader("x"), 415, "media_type"},
		{"no boundary", "", "multipart/form-data", strings.NewReader("x"), 400, "form"},
		{"an endless boundary", "", "multipart/form-data; boundary=" + strings.Repeat("x", 1000), strings.NewReader("x"), 400, "nothing_sent"},
		{"no form", "", "multipart/form-data; boundary=x", strings.NewReader("hello"), 400, "nothing_sent"},
		{"half a form", "", cutKind, cut, 400, "form"},
		{"too many photos", "", sixKind, sixBody, 413, "too_many"},
		{"a thousand fields", "", manyKind, manyBody, 400, "form"},
		{"too many bytes", "", "image/jpeg", zeros, 413, "too_large"},
		{"too many bytes that are not announced", "", "image/jpeg", io.MultiReader(strings.NewReader(strings.Repeat("x", 200_000))), 413, "too_large"},
		{"no such model", "?model=trees", "image/jpeg", strings.NewReader("x"), 404, "no_model"},
		{"no such version", "?version=2", "image/jpeg", strings.NewReader("x"), 404, "no_model"},
		{"a version that is no number", "?version=two", "image/jpeg", strings.NewReader("x"), 400, "parameter"},
		{"less than no labels", "?top=-1", "image/jpeg", strings.NewReader("x"), 400, "parameter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.TB = t
			s.send("POST", classifyPath+c.query, c.kind, c.body).is(c.status, c.code)
			if left := s.server.memory.left; left != DefaultLimits().InFlight {
				t.Errorf("%d bytes of the budget were not given back", DefaultLimits().InFlight-left)
			}
		})
	}
	s.TB = t
	parsed[[]classify.Answer](s.send("POST", classifyPath, "image/jpeg", strings.NewReader(rose)).is(200, ""))
}

// TestBombs sends small files that claim to be huge: they are refused by their headers, or answered by their first frame.
func TestBombs(t *testing.T) {
	s := newStand(t, nil)
	var film bytes.Buffer
	frames := &gif.GIF{}
	for i := range 3000 {
		frame := image.NewPaletted(image.Rect(0, 0, 20, 20), color.Palette{color.Black, color.White})
		frame.Pix[i%400] = 1
		frames.Image, frames.Delay = append(frames.Image, frame), append(frames.Delay, 0)
	}
	if err := gif.EncodeAll(&film, frames); err != nil {
		t.Fatal(err)
	}
	huge := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\xff\xff\x00\x00\xff\xff\x08\x06\x00\x00\x00"), make([]byte, 40)...)
	kind, body := sending(t,
		"claim.jpg", string(picturetest.HugeClaim()), "claim.png", string(huge), "claim.gif", "GIF89a\xff\xff\xff\xff\x80\x00\x00"+strings.Repeat("\x00", 100),
		"film.webp", string(picturetest.WebPAnimated()), "film.gif", film.String(), "cut.jpg", string(picturetest.Truncated()))
	began := time.Now()
	answers := parsed[[]classify.Answer](s.send("POST", classifyPath, kind, body).is(200, ""))
	for i, words := range []string{"claims 65535 x 65535 pixels", "", "claims 65535 x 65535 pixels", "is an animated WebP"} {
		if e := answers[i].Error; e == nil || !strings.Contains(*e, words) {
			t.Errorf("%s: answer %+v", answers[i].File, answers[i])
		}
	}
	if answers[4].Error != nil {
		t.Errorf("of a film, the first frame is looked at: %v", *answers[4].Error)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestLargeFile sends a file that is too large for a photo among others: it is refused, they are answered.
func TestLargeFile(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits = Limits{InFlight: picture.MaxFileBytes + 10<<20} })
	rose := picturetest.JPEG(0, 1, 32, 24)
	read, write := io.Pipe()
	form := multipart.NewWriter(write)
	go func() {
		part, _ := form.CreateFormFile("a", "large.jpg")
		_, _ = part.Write(make([]byte, picture.MaxFileBytes+1))
		part, _ = form.CreateFormFile("b", "rose.jpg")
		_, _ = part.Write(rose)
		_ = write.CloseWithError(form.Close()) // The answers tell whether it came.
	}()
	answers := parsed[[]classify.Answer](s.send("POST", classifyPath, form.FormDataContentType(), read).is(200, ""))
	if len(answers) != 2 || answers[0].Error == nil || *answers[0].Error != "has more than 64 MiB: save it smaller" || answers[1].Error != nil {
		t.Errorf("answers %+v", answers)
	}
	if left := s.server.memory.left; left != picture.MaxFileBytes+10<<20 {
		t.Errorf("%d bytes are left", left)
	}
}

// TestMemoryIsBounded fills the memory for photos with requests that the engine works on: others are told to come again.
func TestMemoryIsBounded(t *testing.T) {
	rose := picturetest.JPEG(0, 1, 64, 64)
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits.InFlight = int64(len(rose)) * 3 / 2 })
	working, release := make(chan struct{}), make(chan struct{})
	s.engine.do(func(context.Context, []picture.Encoded) error {
		close(working)
		<-release
		return nil
	})
	first := make(chan heard, 1)
	go func() { first <- s.send("POST", classifyPath, "image/jpeg", bytes.NewReader(rose)) }()
	<-working
	s.send("POST", classifyPath, "image/jpeg", bytes.NewReader(rose)).is(503, "busy").retries()
	s.send("POST", classifyPath, "image/jpeg", io.MultiReader(bytes.NewReader(rose))).is(503, "busy").retries()
	kind, body := sending(t, "a.jpg", string(rose))
	s.send("POST", classifyPath, kind, io.MultiReader(body)).is(503, "busy").retries()
	close(release)
	(<-first).is(200, "")
	s.engine.do(nil)
	s.send("POST", classifyPath, "image/jpeg", bytes.NewReader(rose)).is(200, "")
}

// TestMemoryOfOneClient fills one client's part of the memory: it is told to come again, and others are answered.
func TestMemoryOfOneClient(t *testing.T) {
	rose := picturetest.JPEG(0, 1, 64, 64)
	s := newStand(t, func(c *Config, _ *serve.Config) {
		c.Local, c.PublicClassify, c.Limits.InFlight = false, true, clientShare*int64(len(rose))*3/2
	})
	working, release := make(chan struct{}), make(chan struct{})
	var begun atomic.Bool
	s.engine.do(func(context.Context, []picture.Encoded) error {
		if begun.CompareAndSwap(false, true) {
			close(working)
			<-release
		}
		return nil
	})
	from := func(client string, photo []byte) heard {
		r := httptest.NewRequestWithContext(t.Context(), "POST", classifyPath, bytes.NewReader(photo))
		r.Header.Set("Content-Type", "image/jpeg")
		r.RemoteAddr = client + ":1234"
		return s.direct(r)
	}
	held := make(chan heard, 1)
	go func() { held <- from("203.0.113.1", rose) }()
	<-working
	from("203.0.113.1", rose).is(http.StatusTooManyRequests, "busy").retries()
	from("203.0.113.2", rose).is(http.StatusOK, "")
	from("203.0.113.2", make([]byte, 2*len(rose))).is(http.StatusRequestEntityTooLarge, "too_large")
	close(release)
	(<-held).is(http.StatusOK, "")
	from("203.0.113.1", rose).is(http.StatusOK, "")
	if n := len(s.server.memory.taken); n != 0 {
		t.Errorf("%d clients are remembered", n)
	}
}

// TestMemoryOfConversion sends a photo that has to be turned into a PNG, which is larger than the photo: what is held is that.
func TestMemoryOfConversion(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 2)) // Noise compresses badly.
	noise := image.NewPaletted(image.Rect(0, 0, 100, 100), palette.Plan9[:64])
	for i := range noise.Pix {
		noise.Pix[i] = 17 * byte(source.UintN(4))
	}
	var photo bytes.Buffer
	if err := gif.Encode(&photo, noise, nil); err != nil {
		t.Fatal(err)
	}
	converted, err := picture.Parse(photo.Bytes())
	if err != nil || len(converted.Data) < 3*photo.Len()/2 {
		t.Fatalf("a PNG of %d bytes out of a GIF of %d: %v", len(converted.Data), photo.Len(), err)
	}
	room := int64(len(converted.Data))
	for _, c := range []struct {
		room   int64
		status int
	}{{room - 1, http.StatusServiceUnavailable}, {room, http.StatusOK}} {
		s := newStand(t, func(config *Config, _ *serve.Config) { config.Limits.InFlight = c.room })
		s.engine.do(func(context.Context, []picture.Encoded) error {
			if left := s.server.memory.left; left != c.room-room {
				t.Errorf("%d bytes are taken for %d", c.room-left, room)
			}
			return nil
		})
		s.send("POST", classifyPath, "image/gif", bytes.NewReader(photo.Bytes())).is(c.status, "")
		if left := s.server.memory.left; left != c.room {
			t.Errorf("%d bytes were not given back", c.room-left)
		}
	}
	s := newStand(t, func(config *Config, _ *serve.Config) { config.Limits.InFlight = room - 1 })
	s.send("POST", "/v1/models/flowers:predict", "", strings.NewReader(instances(photo.Bytes()))).is(http.StatusServiceUnavailable, "")
}

// TestMemoryOfADocument reads photos in base64: the decoder's buffers are counted while it reads, and not when it has read.
func TestMemoryOfADocument(t *testing.T) {
	photo := append(picturetest.JPEG(0, 1, 16, 16), make([]byte, 200_000)...)
	text := instances(photo)
	for _, c := range []struct {
		room   int
		status int
	}{{2 * len(text), http.StatusServiceUnavailable}, {3*len(text) + 2*len(photo), http.StatusOK}} {
		s := newStand(t, func(config *Config, _ *serve.Config) { config.Limits.InFlight = int64(c.room) })
		s.engine.do(func(context.Context, []picture.Encoded) error {
			if taken := int64(c.room) - s.server.memory.left; taken > int64(len(photo)) {
				t.Errorf("%d bytes are taken for %d", taken, len(photo))
			}
			return nil
		})
		s.send("POST", "/v1/models/flowers:predict", "", strings.NewReader(text)).is(c.status, "")
		if left := s.server.memory.left; left != int64(c.room) {
			t.Errorf("%d bytes were not given back", int64(c.room)-left)
		}
	}
}

// TestClientGone breaks a request off while the engine works on it: that is not counted as a fault of the server.
func TestClientGone(t *testing.T) {
	s := newStand(t, nil)
	working := make(chan struct{})
	s.engine.do(func(ctx context.Context, _ []picture.Encoded) error {
		close(working)
		<-ctx.Done()
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "POST", classifyPath, bytes.NewReader(picturetest.JPEG(0, 1, 16, 16)))
	r.Host, r.RemoteAddr = "127.0.0.1", "127.0.0.1:1234"
	go func() { <-working; cancel() }()
	s.direct(r)
	if text := s.send("GET", "/metrics", "", nil).body; !strings.Contains(text, `status="499"`) || strings.Contains(text, `status="503"`) {
		t.Error("it is counted as something else")
	}
}

// TestQueueIsFull sends more than may wait.
func TestQueueIsFull(t *testing.T) {
	s := newStand(t, func(_ *Config, m *serve.Config) { m.MaxQueue = 1 })
	rose := picturetest.JPEG(0, 1, 32, 24)
	release := make(chan struct{})
	s.engine.do(func(context.Context, []picture.Encoded) error { <-release; return nil })
	const clients = 12
	heards := make(chan heard, clients)
	for range clients {
		go func() { heards <- s.send("POST", classifyPath, "image/jpeg", bytes.NewReader(rose)) }()
	}
	// The engine has two batches at most and one may wait: nine are refused at once.
	for range clients - 3 {
		(<-heards).is(429, "busy").retries()
	}
	s.send("POST", "/v1/models/flowers:predict", "", strings.NewReader(instances(rose))).is(429, "").retries()
	close(release)
	for range 3 {
		(<-heards).is(200, "")
	}
}

// TestEngineFails answers cleanly when nothing can be computed.
func TestEngineFails(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits.AnswerTime = 50 * time.Millisecond })
	rose := picturetest.JPEG(0, 1, 32, 24)
	ask := func() heard { return s.send("POST", classifyPath, "image/jpeg", bytes.NewReader(rose)) }

	s.engine.do(func(context.Context, []picture.Encoded) error {
		return fmt.Errorf("no luck: %w", classify.ErrUnavailable)
	})
	ask().is(503, "engine").retries()
	if h := s.send("POST", "/v1/models/flowers:predict", "", strings.NewReader(instances(rose))).is(503, ""); strings.Contains(h.body, "luck") {
		t.Errorf("it tells of what is inside: %s", h.body)
	}
	s.engine.do(func(ctx context.Context, _ []picture.Encoded) error { <-ctx.Done(); return ctx.Err() })
	ask().is(503, "timeout").retries()
	s.engine.do(func(context.Context, []picture.Encoded) error { return errors.New("the secret of /home/me") })
	if h := ask().is(500, "internal"); strings.Contains(h.body, "secret") {
		t.Errorf("it tells of what is inside: %s", h.body)
	}
	s.engine.do(nil)
	ask().is(200, "")
}

// TestNoModel serves without a model.
func TestNoModel(t *testing.T) {
	s := newStand(t, func(c *Config, m *serve.Config) { c.Models = serve.New(*m) })
	if h := s.send("POST", classifyPath, "image/jpeg", strings.NewReader("x")).is(503, "no_model"); !strings.Contains(h.body, "there is no model yet") {
		t.Errorf("it says %s", h.body)
	}
	s.send("GET", "/healthz", "", nil).is(200, "")
	s.send("GET", "/readyz", "", nil).is(503, "").retries()
	s.send("GET", "/v1/models/flowers", "", nil).is(404, "")
}

// FuzzForm reads forms of all kinds: it must neither panic nor keep memory, and tell errors as such.
func FuzzForm(f *testing.F) {
	kind, body := sending(f, "a.jpg", string(picturetest.JPEG(0, 1, 8, 8)), "b", "hello")
	f.Add(kind, body.Bytes())
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n\r\n--x--\r\n"))
	f.Add("image/jpeg", []byte("\xff\xd8\xff"))
	f.Add("multipart/form-data; boundary=\"\"", []byte("--\r\n\r\n"))
	s, err := New(Config{Models: serve.New(serve.Config{}), Limits: Limits{Photos: 4}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/"}, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1}
		photos, err := s.photosOf(r.WithContext(t.Context()))
		if err != nil && problemOf(err).status >= 500 {
			t.Errorf("an error of our own: %v", err)
		}
		for _, p := range photos.all {
			if strings.ContainsAny(p.name, "/\\\n\x00") || p.name == "" {
				t.Errorf("the name %q", p.name)
			}
		}
		photos.free()
		if s.memory.left != s.Limits.InFlight {
			t.Error("memory was not given back")
		}
	})
}
