package app

import (
	"bytes"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"kaika/core/classify"
)

// TestHeadlessEngineKilled kills the engine again and again under load: each request is answered rightly or told to come
// again, and in the end all is well.
func TestHeadlessEngineKilled(t *testing.T) {
	t.Parallel()
	model, images := sharedModel(t)
	u := newUser(t)
	s := u.serve(model)
	photos, err := filepath.Glob(filepath.Join(images, "*", "*.jpg"))
	if err != nil || len(photos) == 0 {
		t.Fatal(photos, err)
	}
	want := map[string]classify.Answer{}
	for _, a := range u.ask(model, photos...) {
		want[a.File] = a
	}
	const kills, clients = 3, 4
	var answered, told atomic.Int64
	done := make(chan struct{})
	var work sync.WaitGroup
	for c := range clients {
		work.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := c; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				photo := photos[i%len(photos)]
				a, err := s.send(client, "POST", "/api/v1/classify?top=0", "image/jpeg", bytes.NewReader(read(t, photo)))
				switch {
				case err != nil:
					t.Errorf("a request was lost: %v", err)
				case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "":
					told.Add(1)
				case a.status != http.StatusOK:
					t.Errorf("%d: %s", a.status, a.body)
				default:
					got := understood[[]classify.Answer](t, a)[0]
					for label, score := range scores(want[photo]) {
						if d := score - scores(got)[label]; got.Error != nil || d > 1e-5 || d < -1e-5 {
							t.Errorf("%s: %s", filepath.Base(photo), a.body)
						}
					}
					answered.Add(1)
				}
			}
		})
	}
	for range kills {
		before := answered.Load()
		eventually(t, "photos are answered", func() bool { return answered.Load() > before+20 })
		pid := s.engine()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
		gone(t, pid)
	}
	before := answered.Load()
	eventually(t, "photos are answered again", func() bool { return answered.Load() > before+20 })
	close(done)
	work.Wait()
	t.Logf("%d requests were answered, %d told to come again", answered.Load(), told.Load())
	if a := s.gets(200, "GET", "/metrics", "", nil); !strings.Contains(a.body, "kaika_engine_restarts_total 3") {
		t.Errorf("the restarts are not counted: %s", a.body)
	}
	s.stops()
}
