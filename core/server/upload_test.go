package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"kaika/core/inbox"
	"kaika/core/inbox/remote"
	"kaika/core/picture/picturetest"
	"kaika/core/secret"
	"kaika/core/serve"
)

// keeping makes a server keep photos in a folder.
func keeping(t testing.TB, dir string, limits inbox.Limits) *inbox.Keeper {
	t.Helper()
	b, err := inbox.Open(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	k := inbox.NewKeeper(b, limits, nil)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := k.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return k
}

// awaitKept waits until so many photos are written.
func awaitKept(t testing.TB, k *inbox.Keeper, photos int) {
	t.Helper()
	for began := time.Now(); k.Stats().Kept < int64(photos); time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("%+v", k.Stats())
		}
	}
}

func TestUploads(t *testing.T) {
	document := described(t)
	dir := t.TempDir()
	k := keeping(t, dir, inbox.Limits{MaxAge: 30*24*time.Hour - time.Hour})
	auth, _ := authOf(t, "anna", "correct horse")
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Uploads, c.Auth = k, auth })
	var photos [][]byte
	for i := range 3 {
		photos = append(photos, picturetest.JPEG(i, i, 32, 24))
	}
	kind, form := sending(t, "Anna's house.jpg", string(photos[0]), "b.jpg", "no photo", "c.jpg", string(photos[1]))
	s.send("POST", "/api/v1/classify?top=1", kind, form).is(http.StatusOK, "")
	kind, form = sending(t, "d.jpg", string(photos[2]))
	page := s.send("POST", "/", kind, form).is(http.StatusOK, "")
	if !strings.Contains(page.body, "kept for up to 30 days") {
		t.Errorf("the page does not say for how long photos are kept: %s", page.body)
	}
	awaitKept(t, k, 3)

	const user, pass = "Authorization", "Bearer anna:correct horse"
	for _, path := range []string{"", "/x", "/x/photo"} {
		s.send("GET", "/api/v1/uploads"+path, "", nil).is(http.StatusUnauthorized, "")
	}
	s.send("DELETE", "/api/v1/uploads/x", "", nil).is(http.StatusUnauthorized, "")
	ask := func(method, pattern, path string, status int, code string) heard {
		t.Helper()
		h := s.send(method, "/api/v1/uploads"+path, "", nil, user, pass).is(status, code)
		fits(t, document, method+" /api/v1/uploads"+pattern, h)
		return h
	}
	list := parsed[inbox.Page](ask("GET", "", "", 200, ""))
	if list.Total != 3 || len(list.Uploads) != 3 || list.Uploads[0].Confidence() > list.Uploads[1].Confidence() || list.Uploads[1].Confidence() > list.Uploads[2].Confidence() {
		t.Errorf("%+v", list)
	}
	some := parsed[inbox.Page](ask("GET", "", "?order=newest&offset=1&limit=1", 200, ""))
	if len(some.Uploads) != 1 || some.Total != 3 || some.Offset != 1 {
		t.Errorf("%+v", some)
	}
	for _, query := range []string{"?order=best", "?limit=0", "?limit=201", "?offset=-1", "?offset=x"} {
		ask("GET", "", query, 400, "bad_query")
	}
	one := list.Uploads[0]
	if r := parsed[inbox.Record](ask("GET", "/{id}", "/"+one.ID, 200, "")); r.ID != one.ID || r.Model != "flowers" || r.Version != 1 || len(r.Predictions) != 3 {
		t.Errorf("%+v", r)
	}
	h := ask("GET", "/{id}/photo", "/"+one.ID+"/photo", 200, "")
	if h.header.Get("Content-Type") != "image/jpeg" || h.header.Get("X-Content-Type-Options") != "nosniff" || h.header.Get("Cache-Control") != "no-store" ||
		!strings.Contains(h.header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("headers %v", h.header)
	}
	found := false
	for _, p := range photos {
		found = found || bytes.Equal(p, []byte(h.body))
	}
	if !found {
		t.Error("the photo is none of those that were sent")
	}
	window, err := remote.New(s.addr, secret.Credentials{Key: secret.New("anna"), Secret: secret.New("correct horse")})
	if err != nil {
		t.Fatal(err)
	}
	if seen, err := window.List(t.Context(), inbox.Query{Order: inbox.ByConfidence, Limit: 200}); err != nil || len(seen.Uploads) != 3 || seen.Uploads[0].ID != one.ID {
		t.Errorf("the window sees %+v, %v", seen, err)
	}
	if data, kind, err := window.Photo(t.Context(), one.ID); err != nil || kind != "image/jpeg" || string(data) != h.body {
		t.Errorf("the window gets %s, %v", kind, err)
	}
	stranger, err := remote.New(s.addr, secret.Credentials{Key: secret.New("anna"), Secret: secret.New("wrong")})
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Remove(t.Context(), one.ID); !errors.Is(err, remote.ErrPassword) {
		t.Errorf("with a wrong password: %v", err)
	}
	if err := window.Remove(t.Context(), one.ID); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/" + one.ID, "/..%2f..%2fetc%2fpasswd", "/x", "/" + strings.Repeat("a", 5000)} {
		ask("DELETE", "/{id}", path, 404, "no_upload")
		ask("GET", "/{id}", path, 404, "no_upload")
		ask("GET", "/{id}/photo", path+"/photo", 404, "no_upload")
	}
	if figures := s.send("GET", "/metrics", "", nil).body; !strings.Contains(figures, `kaika_uploads_total{outcome="kept"} 3`) || !strings.Contains(figures, "kaika_uploads_photos 2") {
		t.Error("the figures do not count kept photos")
	}
	if strings.Contains(s.log.String(), "house") {
		t.Error("the log tells the name of a photo")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s.send("POST", "/api/v1/classify", "", bytes.NewReader(photos[0])).is(http.StatusOK, "") // No answer fails for that.
}

// TestEveryWayKeeps sends a photo by each way of classifying: kept photos are the same, by whichever they came.
func TestEveryWayKeeps(t *testing.T) {
	const versioned = "/v1/models/flowers/versions/1"
	k := keeping(t, t.TempDir(), inbox.Limits{})
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Uploads = k })
	image := func(i int) []byte { return picturetest.JPEG(i, i, 32, 24) }
	kind, form := sending(t, "a.jpg", string(image(0)))
	s.send("POST", "/", kind, form).is(http.StatusOK, "")
	s.send("POST", classifyPath, "", bytes.NewReader(image(1))).is(http.StatusOK, "")
	s.send("POST", "/v1/models/flowers:predict", "", strings.NewReader(instances(image(2), image(3)))).is(http.StatusOK, "")
	s.send("POST", versioned+":predict", "", strings.NewReader(`{"inputs":{"key":["my secret"],"image_bytes":[`+b64(image(4))+`]}}`)).is(http.StatusOK, "")
	s.send("POST", versioned+":classify", "", strings.NewReader(`{"examples":[{"x":`+b64(image(5))+`}]}`)).is(http.StatusOK, "")
	// As nothing is answered, nothing is kept.
	s.send("POST", "/v1/models/flowers:predict", "", strings.NewReader(instances(image(6), []byte("no photo")))).is(http.StatusBadRequest, "")
	awaitKept(t, k, 6)
	page, err := k.List(t.Context(), inbox.Query{Order: inbox.Newest, Limit: 200})
	if err != nil || page.Total != 6 {
		t.Fatalf("%+v, %v", page, err)
	}
	kept := map[string]inbox.Record{}
	for _, r := range page.Uploads {
		data, _, err := k.Photo(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		kept[string(data)] = r
	}
	for i := range 6 {
		r, ok := kept[string(image(i))]
		best := slices.Max(scoresOf(image(i)))
		if !ok || r.Model != "flowers" || r.Version != 1 || len(r.Predictions) != 3 || r.Predictions[0].Score != best {
			t.Errorf("photo %d: %t, %+v", i, ok, r)
		}
	}
}

// TestNoUploads keeps nothing where that was not asked for: no file is made, not even for a moment.
func TestNoUploads(t *testing.T) {
	temp, work := t.TempDir(), t.TempDir()
	auth, _ := authOf(t, "anna", "correct horse")
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Auth = auth })
	t.Setenv("TMPDIR", temp)
	t.Chdir(work)
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close() //nolint:errcheck // It only watched.
	for _, dir := range []string{temp, work} {
		if err := watcher.Add(dir); err != nil {
			t.Fatal(err)
		}
	}
	large := append(picturetest.JPEG(1, 1, 64, 64), make([]byte, 40<<20)...) // More than Go's own reader of forms keeps in memory.
	for _, path := range []string{"/api/v1/classify", "/"} {
		kind, form := sending(t, "a.jpg", string(large), "b.gif", string(picturetest.GIF(1, 1, 64, 64)))
		page := s.send("POST", path, kind, form).is(http.StatusOK, "")
		if path == "/" && !strings.Contains(page.body, "Photos are not kept.") {
			t.Error("the page does not say that photos are not kept")
		}
	}
	s.send("POST", "/v1/models/flowers:predict", "", strings.NewReader(instances(picturetest.JPEG(2, 2, 64, 64)))).is(http.StatusOK, "")
	last := filepath.Join(temp, "the end")
	if err := os.WriteFile(last, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for event := range watcher.Events {
		if event.Name == last {
			break
		}
		t.Errorf("%v", event)
	}
	for _, ask := range []string{"GET /api/v1/uploads", "GET /api/v1/uploads/x", "DELETE /api/v1/uploads/x", "GET /api/v1/uploads/x/photo"} {
		method, path, _ := strings.Cut(ask, " ")
		s.send(method, path, "", nil, "Authorization", "Bearer anna:correct horse").is(http.StatusNotFound, "not_kept")
	}
}
