package client_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kaika/core/classify"
	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/train"
	"kaika/core/trained"
	"kaika/model/client"
)

// marked makes photos for a fake engine, which reads in them what to do.
func marked(texts ...string) []feature.Photo {
	var all []feature.Photo
	for i, text := range texts {
		all = append(all, feature.Photo{
			Encoded: picture.Encoded{Data: []byte(text), Orientation: i%8 + 1}, View: feature.View{Zoom: float32(i)},
		})
	}
	return all
}

// plain makes n texts of different lengths that ask for nothing.
func plain(n int) []string {
	var all []string
	for i := range n {
		all = append(all, strings.Repeat("x", i+100))
	}
	return all
}

// checkAnswers fails unless every photo is answered in its place, and the deadly ones only are left out.
func checkAnswers(t *testing.T, photos []feature.Photo, vectors []feature.Vector) {
	t.Helper()
	if len(vectors) != len(photos) {
		t.Fatalf("%d answers for %d photos", len(vectors), len(photos))
	}
	for i, v := range vectors {
		text := string(photos[i].Data)
		if text == kill || text == killLater {
			if picture.ReasonOf(v.Err) != picture.Damaged || !strings.Contains(v.Err.Error(), "left out") || v.Values != nil {
				t.Errorf("photo %d, which is deadly, got %v and the error %v", i, v.Values, v.Err)
			}
			continue
		}
		want := []float32{float32(len(text)), float32(photos[i].Orientation), photos[i].View.Zoom}
		if v.Err != nil || !slices.Equal(v.Values, want) {
			t.Errorf("photo %d got %v and the error %v, want %v", i, v.Values, v.Err, want)
		}
	}
}

func TestDeadlyPhotos(t *testing.T) {
	tests := map[string]struct {
		count  int
		deadly []int
	}{
		"the only one":         {1, []int{0}},
		"the first":            {11, []int{0}},
		"the last":             {11, []int{10}},
		"one in the middle":    {11, []int{6}},
		"two side by side":     {16, []int{7, 8}},
		"the first two of 164": {164, []int{0, 1}},
		"here and there":       {9, []int{1, 4, 8}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			base := play(t, "engine").Base(trained.BaseModel{}, "")
			texts := plain(test.count)
			for _, i := range test.deadly {
				texts[i] = kill
			}
			photos := marked(texts...)
			vectors, err := base.Embed(t.Context(), photos)
			if err != nil {
				t.Fatal(err)
			}
			checkAnswers(t, photos, vectors)
			if base.Restarts() < 2*len(test.deadly) {
				t.Errorf("it was started again %d times only", base.Restarts())
			}
		})
	}
}

func TestDeadlyPhotoOfClassify(t *testing.T) {
	e := play(t, "engine")
	vectors, err := e.Classify(t.Context(), trained.Graph{}, "", "", []picture.Encoded{{Data: []byte("one")}, {Data: []byte(kill)}, {Data: []byte("three")}})
	if err != nil {
		t.Fatal(err)
	}
	if len(vectors) != 3 || vectors[0].Values[0] != 3 || vectors[1].Err == nil || vectors[2].Values[0] != 5 {
		t.Errorf("the answers are %v", vectors)
	}
}

func TestSecondChance(t *testing.T) {
	file := filepath.Join(t.TempDir(), "once")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	base := play(t, "engine").Base(trained.BaseModel{}, "")
	photos := marked("one", killOnce+file, "three")
	vectors, err := base.Embed(t.Context(), photos)
	if err != nil {
		t.Fatal(err)
	}
	checkAnswers(t, photos, vectors)
	if base.Restarts() != 1 {
		t.Errorf("it was started again %d times", base.Restarts())
	}
}

// A photo that is under way when another request's photo kills the engine must not be blamed for it.
func TestInnocentPhotos(t *testing.T) {
	base := play(t, "engine").Base(trained.BaseModel{}, "")
	requests := [][]feature.Photo{marked(killLater, "one"), marked(takeTime), marked("two", takeTime)}
	var group sync.WaitGroup
	for _, photos := range requests {
		group.Go(func() {
			vectors, err := base.Embed(t.Context(), photos)
			if err != nil {
				t.Error(err)
				return
			}
			checkAnswers(t, photos, vectors)
		})
	}
	group.Wait()
}

func TestPatience(t *testing.T) {
	file := filepath.Join(t.TempDir(), "while")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	base := play(t, "engine").Base(trained.BaseModel{}, "")
	var texts []string
	for range 64 {
		texts = append(texts, killWhile+file)
	}
	_, err := base.Embed(t.Context(), marked(texts...))
	if !errors.Is(err, client.ErrEngineDied) || !errors.Is(err, classify.ErrUnavailable) || !strings.Contains(err.Error(), "10 times in a row") || !strings.Contains(err.Error(), "kaika doctor") {
		t.Errorf("got the error %v", err)
	}
	if n := base.Restarts(); n < 10 || n > 13 {
		t.Errorf("the engine was started again %d times", n)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	photos := marked(texts...)
	vectors, err := base.Embed(t.Context(), photos)
	if err != nil {
		t.Fatal(err)
	}
	checkAnswers(t, photos, vectors)
}

func TestBadAnswers(t *testing.T) {
	base := play(t, "engine").Base(trained.BaseModel{}, "")
	vectors, err := base.Embed(t.Context(), marked("one", bad))
	if err != nil {
		t.Fatal(err)
	}
	if vectors[0].Err != nil || picture.ReasonOf(vectors[1].Err) != picture.Damaged || vectors[1].Err.Error() != badWords {
		t.Errorf("the answers are %v", vectors)
	}
	if _, err := base.Embed(t.Context(), marked("one", fail)); err == nil || err.Error() != failWords || errors.Is(err, classify.ErrUnavailable) {
		t.Errorf("got the error %v, want %q and nothing else", err, failWords)
	}
	if _, err := base.Embed(t.Context(), marked("one", forget)); err == nil || !strings.Contains(err.Error(), "1 answers for 2 photos") {
		t.Errorf("got the error %v", err)
	}
	if got, err := base.Embed(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("no photos gave %v, error %v", got, err)
	}
	if base.Restarts() != 0 {
		t.Errorf("it was started again %d times", base.Restarts())
	}
}

func TestFitRequest(t *testing.T) {
	e := play(t, "engine")
	j := job()
	_, err := e.Fit(t.Context(), j, train.Observer{})
	if err == nil || !strings.HasSuffix(err.Error(), "; 1:256 1:224 2:60 3:60 ") {
		t.Errorf("the samples were sent as %v", err)
	}
	for _, part := range []string{
		"feature_length:3", "label_count:2", "steps:100", "learning_rate:0.1", `optimizer:"momentum"`, "l2:0.03", "train_batch_size:32",
		"validation_batch_size:-1", "eval_step_interval:10", "class_weights:1", "class_weights:2", "store_frequency:40",
	} {
		if !strings.Contains(strings.ReplaceAll(err.Error(), ": ", ":"), part) {
			t.Errorf("the settings lack %s: %v", part, err)
		}
	}
	j.Optimizer = fail
	if _, err := e.Fit(t.Context(), j, train.Observer{}); err == nil || err.Error() != failWords {
		t.Errorf("a refused request gave the error %v", err)
	}
}

func TestStartFails(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		role   string
		config client.Config
		words  []string
	}{
		{"a missing program", "", client.Config{Program: "/missing/kaika-engine"}, []string{"program is missing", "/missing/kaika-engine", "make build"}},
		{"a file that is no program", "", client.Config{Program: text}, []string{"could not be started", text}},
		{"a program that says something else", "greeter", client.Config{Program: os.Args[0]}, []string{"could not be started", "hello"}},
		{"a program that says nothing", "silent", client.Config{Program: os.Args[0]}, []string{"could not be started"}},
		{"a program without its library", "broken", client.Config{Program: os.Args[0]}, []string{"could not be started", "libtensorflow_cc.so.2: cannot open"}},
		{"a library that is missing", "engine", client.Config{Program: os.Args[0], Library: "/missing/lib"}, []string{"KAIKA_LIBTENSORFLOW", "/missing/lib"}},
		{"a library that is another", "engine", client.Config{Program: os.Args[0], Library: filepath.Dir(text)}, []string{"KAIKA_LIBTENSORFLOW", filepath.Dir(text)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := temporary(t)
			t.Setenv(role, test.role)
			t.Setenv("GORACE", "atexit_sleep_ms=0")
			e := newEngine(t, test.config)
			_, err := e.Describe(t.Context(), nil)
			if err == nil {
				t.Fatal("it started")
			}
			if !errors.Is(err, classify.ErrUnavailable) {
				t.Errorf("the error is not said to be the engine's: %v", err)
			}
			if strings.Contains(err.Error(), "plugin message: \n") || strings.Contains(err.Error(), "%!") {
				t.Errorf("the error is not for users: %v", err)
			}
			for _, words := range test.words {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("the error %q lacks %q", err, words)
				}
			}
			if e.PID() != 0 {
				t.Errorf("there is a process %d", e.PID())
			}
			checkEmpty(t, dir)
			if _, again := e.Base(trained.BaseModel{}, "").Embed(t.Context(), marked("one")); again == nil {
				t.Error("it started then")
			}
		})
	}
}

// A start that failed is tried anew the next time.
func TestStartAfterAFailure(t *testing.T) {
	e := play(t, "broken")
	if _, err := e.Describe(t.Context(), nil); err == nil {
		t.Fatal("it started")
	}
	t.Setenv(role, "engine")
	if _, err := e.Describe(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestCancelWhileItWorks(t *testing.T) {
	base := play(t, "engine").Base(trained.BaseModel{}, "")
	if _, err := base.Embed(t.Context(), marked("one")); err != nil {
		t.Fatal(err)
	}
	pid := base.PID()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := base.Embed(ctx, marked(hang)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got the error %v", err)
	}
	if _, err := base.Embed(ctx, marked("one")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call that comes too late gave the error %v", err)
	}
	if _, err := base.Embed(t.Context(), marked("one")); err != nil || base.PID() != pid {
		t.Errorf("got the error %v; the process %d became %d", err, pid, base.PID())
	}
}

// Nobody has to wait for an engine that does not get ready, neither the caller nor Close.
func TestCancelWhileItStarts(t *testing.T) {
	dir := temporary(t)
	e := play(t, "slow")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := e.Describe(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got the error %v", err)
	}
	waiting := make(chan error)
	go func() {
		_, err := e.Describe(t.Context(), nil)
		waiting <- err
	}()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waiting; err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("who waited got the error %v", err)
	}
	checkEmpty(t, dir)
}

func TestCloseWhileItWorks(t *testing.T) {
	e := play(t, "engine")
	base := e.Base(trained.BaseModel{}, "")
	if _, err := base.Embed(t.Context(), marked("one")); err != nil {
		t.Fatal(err)
	}
	working := make(chan error)
	go func() {
		_, err := base.Embed(t.Context(), marked(hang, "two"))
		working <- err
	}()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := <-working; !errors.Is(err, classify.ErrUnavailable) || !strings.Contains(err.Error(), "closed") {
		t.Errorf("who was at work got the error %v", err)
	}
}

// Many callers share one engine, which dies now and then.
func TestConcurrentCalls(t *testing.T) {
	e := play(t, "engine")
	base := e.Base(trained.BaseModel{}, "")
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			for range 10 {
				texts := plain(7)
				if i == 0 {
					texts[3] = kill
				}
				photos := marked(texts...)
				vectors, err := base.Embed(t.Context(), photos)
				if err != nil {
					t.Error(err)
					return
				}
				checkAnswers(t, photos, vectors)
				if pid := e.PID(); pid < 0 || e.Restarts() < 0 {
					t.Errorf("process %d", pid)
				}
			}
		})
	}
	group.Wait()
}
