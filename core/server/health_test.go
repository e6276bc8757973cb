package server

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaika/core/classify"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/serve"
	"kaika/core/trained"
)

// TestModelThatIsGone removes the files of the model that is served, and the engine is started again: nobody is answered
// wrongly, who asks is told to come again, and the server is not ready, until the files are back.
func TestModelThatIsGone(t *testing.T) {
	auth, _ := authOf(t, "me", "secret")
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Auth = auth })
	dir := s.server.Models.List()[0].Versions[0].Dir
	s.engine.do(func(context.Context, []picture.Encoded) error {
		_, err := os.Stat(filepath.Join(dir, trained.GraphFile))
		if err != nil {
			err = errors.New("the network cannot be loaded from " + dir)
		}
		return err
	})
	if err := os.Rename(dir, dir+" away"); err != nil {
		t.Fatal(err)
	}
	rose := string(picturetest.JPEG(0, 1, 16, 16))
	gone := s.send("POST", classifyPath, "image/jpeg", strings.NewReader(rose)).is(http.StatusServiceUnavailable, "model_gone")
	gone.retries()
	s.send("POST", "/v1/models/flowers:predict", "", strings.NewReader(instances([]byte(rose)))).is(http.StatusServiceUnavailable, "")
	ready := s.send("GET", "/readyz", "", nil).is(http.StatusServiceUnavailable, "")
	models := s.send("GET", "/api/v1/models", "", nil, "Authorization", basic("me", "secret")).is(http.StatusOK, "")
	fits(t, described(t), "GET /api/v1/models", models)
	for what, text := range map[string]string{"the answer": gone.body, "readyz": ready.body, "the list": models.body} {
		if strings.Contains(text, dir) || !strings.Contains(text, "removed or changed") && what != "readyz" || what == "readyz" && !strings.Contains(text, "cannot answer") {
			t.Errorf("%s: %s", what, text)
		}
	}
	s.send("GET", "/healthz", "", nil).is(http.StatusOK, "")
	if err := os.Rename(dir+" away", dir); err != nil {
		t.Fatal(err)
	}
	s.send("GET", "/readyz", "", nil).is(http.StatusOK, "")
	s.send("POST", classifyPath, "image/jpeg", strings.NewReader(rose)).is(http.StatusOK, "")
}

// TestNotReadyBeforeAllIsLoaded has one model of several loaded: it answers, and the server is not ready yet.
func TestNotReadyBeforeAllIsLoaded(t *testing.T) {
	loaded := make(chan struct{})
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Loaded = loaded })
	s.send("GET", "/readyz", "", nil).is(http.StatusServiceUnavailable, "").retries()
	s.send("POST", classifyPath, "image/jpeg", strings.NewReader(string(picturetest.JPEG(0, 1, 16, 16)))).is(http.StatusOK, "")
	close(loaded)
	s.send("GET", "/readyz", "", nil).is(http.StatusOK, "")
}

// TestModelThatIsBeingLoaded asks while the server has just been started: who asks is told to come again.
func TestModelThatIsBeingLoaded(t *testing.T) {
	loads, may := make(chan struct{}), make(chan struct{})
	dir := writeModel(t, filepath.Join(t.TempDir(), "flowers"))
	engine := &digests{}
	models := serve.New(serve.Config{Open: func(ctx context.Context, dir string) (*classify.Classifier, error) {
		close(loads)
		<-may
		return classify.Open(ctx, dir, "", engine)
	}})
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Models = models })
	served := make(chan error, 1)
	go func() { served <- models.Serve(t.Context(), "flowers", dir) }()
	<-loads
	rose := string(picturetest.JPEG(0, 1, 16, 16))
	for _, path := range []string{classifyPath, classifyPath + "?model=flowers"} {
		s.send("POST", path, "image/jpeg", strings.NewReader(rose)).is(http.StatusServiceUnavailable, "no_model").retries()
	}
	s.send("POST", "/v1/models/flowers:predict", "", strings.NewReader(instances([]byte(rose)))).is(http.StatusServiceUnavailable, "").retries()
	s.send("POST", "/v1/models/trees:predict", "", strings.NewReader(instances([]byte(rose)))).is(http.StatusNotFound, "")
	s.send("POST", classifyPath+"?version=1", "image/jpeg", strings.NewReader(rose)).is(http.StatusNotFound, "no_model")
	s.send("GET", "/readyz", "", nil).is(http.StatusServiceUnavailable, "").retries()
	close(may)
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	s.send("POST", classifyPath, "image/jpeg", strings.NewReader(rose)).is(http.StatusOK, "")
}
