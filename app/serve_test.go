package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"kaika/core/classify"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/serve"
	"kaika/core/trained"
	"kaika/model/client"
)

// realEngine gives the engine beside the built program.
func realEngine(t testing.TB) *client.Engine {
	t.Helper()
	engine := client.New(client.Config{Program: filepath.Join(filepath.Dir(builtProgram(t)), "kaika-engine"), CacheDir: t.TempDir()})
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

// serving gives Models on a real engine.
func serving(t testing.TB, engine *client.Engine, state string) *serve.Models {
	t.Helper()
	models := serve.New(serve.Config{
		Open: func(ctx context.Context, dir string) (*classify.Classifier, error) {
			return classify.Open(ctx, dir, "", engine)
		},
		State: state, Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(models.Close)
	return models
}

// encoded reads photos.
func encoded(t testing.TB, files []string) []picture.Encoded {
	t.Helper()
	var all []picture.Encoded
	for _, file := range files {
		p, _, err := picture.Read(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// byModel are the answers to some photos that each of some models gives, when it is asked alone.
type byModel map[string][]classify.Answer

// check tells what is wrong with the answer to a photo. The labels tell which model has answered.
func (b byModel) check(dir string, photo int, got classify.Answer) error {
	want := scores(b[dir][photo])
	have := scores(got)
	if got.Error != nil || len(have) != len(want) {
		return fmt.Errorf("photo %d by %s: got %+v, want %v", photo, dir, got, want)
	}
	for label, score := range want {
		if h, ok := have[label]; !ok || !(math.Abs(h-score) <= elsewhere) {
			return fmt.Errorf("photo %d by %s: got %v, want %v", photo, dir, have, want)
		}
	}
	return nil
}

// TestServeSwapsRealModels swaps two trained models and rolls back while photos are asked for, and ends the engine now and
// then. Each request gets the answer of the model that it asked, or a clean error.
func TestServeSwapsRealModels(t *testing.T) {
	t.Parallel()
	one, images := sharedModel(t)
	u := newUser(t)
	dir := t.TempDir()
	two, bad := filepath.Join(dir, "two"), filepath.Join(dir, "bad")
	u.retrain(picturetest.Dataset(t, 10, "daisy", "tulip"), two)
	deviate(t, two, bad)
	files, err := filepath.Glob(filepath.Join(images, "*", "*.jpg"))
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	photos := encoded(t, files[:8])

	engine := realEngine(t)
	want := byModel{}
	for _, dir := range []string{one, two} {
		c, err := classify.Open(t.Context(), dir, "", engine)
		if err != nil {
			t.Fatal(err)
		}
		if want[dir], err = c.Pictures(t.Context(), photos); err != nil {
			t.Fatal(err)
		}
	}
	state := filepath.Join(dir, "state.json")
	models := serving(t, engine, state)
	if err := models.Serve(t.Context(), "flowers", one); err != nil {
		t.Fatal(err)
	}

	var answered, unavailable atomic.Int64
	done := make(chan struct{})
	var callers sync.WaitGroup
	for caller := range 6 {
		callers.Go(func() {
			for i := caller; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				model, err := models.Get("flowers", 0)
				if err != nil {
					t.Error(err)
					return
				}
				at := i % len(photos)
				answers, err := model.Classify(t.Context(), photos[at:at+1])
				switch {
				case errors.Is(err, classify.ErrUnavailable):
					unavailable.Add(1)
				case err != nil:
					t.Error(err)
					return
				default:
					if err := want.check(model.Dir, at, answers[0]); err != nil {
						t.Error(err)
					}
					answered.Add(1)
				}
			}
		})
	}
	for round := range 3 {
		if version, err := models.Activate(t.Context(), "flowers", two); err != nil || version != 2 {
			t.Errorf("round %d: version %d, error %v", round, version, err)
		}
		var deviates *classify.OpenError
		if _, err := models.Activate(t.Context(), "flowers", bad); !errors.As(err, &deviates) || deviates.Fault != classify.Deviates {
			t.Errorf("round %d: a model that deviates gave the error %v", round, err)
		}
		if model, err := models.Get("flowers", 0); err != nil || model.Dir != two {
			t.Errorf("round %d: %v is active, error %v", round, model, err)
		}
		if err := syscall.Kill(engine.PID(), syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		if version, err := models.RollBack(t.Context(), "flowers"); err != nil || version != 1 {
			t.Errorf("round %d: version %d, error %v", round, version, err)
		}
		before := answered.Load()
		eventually(t, "20 more photos are answered", func() bool { return answered.Load() >= before+20 || t.Failed() })
	}
	close(done)
	callers.Wait()
	t.Logf("%d photos were answered, %d found no engine, which was started anew %d times", answered.Load(), unavailable.Load(), engine.Restarts())
	if engine.Restarts() < 3 {
		t.Errorf("the engine was started anew %d times", engine.Restarts())
	}

	models.Close()
	again := serving(t, engine, state)
	if err := again.Serve(t.Context(), "flowers", one); err != nil {
		t.Fatal(err)
	}
	if s := again.List()[0]; s.Active != 1 || len(s.Versions) != 2 || s.Versions[1].Dir != two {
		t.Errorf("after another start: %+v", s)
	}
	if err := again.Select(t.Context(), "flowers", 2); err != nil {
		t.Error(err)
	}
}

// deviate copies a model, and changes what it should compute.
func deviate(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	var m trained.Model
	if err := json.Unmarshal(read(t, to, trained.ModelFile), &m); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(m.GoldenScores[0].Scores)
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	write(t, data, to, trained.ModelFile)
}
