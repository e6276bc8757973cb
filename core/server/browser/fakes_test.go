// Package browser holds the tests of the server's pages, in Chromium as visitors have it.
package browser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"kaika/core/classify"
	"kaika/core/experiment"
	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/serve"
	"kaika/core/server"
	"kaika/core/train"
	"kaika/core/trained"
)

// Names of the labels that the model under test knows.
var labels = []string{"rose", "sunflower", "lily of the valley", "薔薇", "tulip", "daisy", "a & <b>b</b>"}

// Widths of pictures, by which the fake engine knows what to say.
const (
	roseWidth    = 360 // Almost certainly a rose: 99.96 %.
	certainWidth = 361 // A sunflower: 100 %.
	nearlyWidth  = 362 // A tulip, so nearly certain that it would be rounded to 100 %.
	unknownWidth = 363 // None of the labels fits.
)

// engine answers by the width of a picture.
type engine struct {
	mu    sync.Mutex
	block chan struct{} // If there is one, pictures wait for it.
}

func (e *engine) hold() (release func()) {
	gate := make(chan struct{})
	e.mu.Lock()
	e.block = gate
	e.mu.Unlock()
	return sync.OnceFunc(func() {
		e.mu.Lock()
		e.block = nil
		e.mu.Unlock()
		close(gate)
	})
}

func (e *engine) Classify(ctx context.Context, _ trained.Graph, _, _ string, pictures []picture.Encoded) ([]feature.Vector, error) {
	e.mu.Lock()
	gate := e.block
	e.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	answers := make([]feature.Vector, len(pictures))
	for i, p := range pictures {
		answers[i].Values = scores(p.Width)
	}
	return answers, nil
}

// scores gives the score of each label for a picture of a width.
func scores(width int) []float32 {
	best, share := 0, .9996
	switch width {
	case certainWidth:
		best, share = 1, 1
	case nearlyWidth:
		best, share = 4, .999999
	case unknownWidth:
		best, share = 2, .3
	}
	values := make([]float32, len(labels))
	rest := float64(len(labels)) * float64(len(labels)-1) / 2
	for i := range values {
		values[i] = float32((1 - share) * float64((i-best+len(labels))%len(labels)) / rest)
	}
	values[best] = float32(share)
	return values
}

var golden = sync.OnceValue(func() (all []trained.GoldenScore) {
	pictures, digests, err := trained.Golden()
	if err != nil {
		panic(err)
	}
	for i, p := range pictures {
		all = append(all, trained.GoldenScore{Picture: digests[i], Scores: scores(p.Width)})
	}
	return all
})

// writeModel writes a model that fits the engine.
func writeModel(dir string) error {
	graph := []byte("graph of " + dir)
	m := trained.Model{
		Format: trained.Format, Labels: labels,
		Graph:     trained.Graph{File: trained.GraphFile, SHA256: trained.DigestBytes(graph), Output: "final_result:0"},
		BaseModel: trained.BaseModel{Precision: "float32"}, UnknownBelow: .5, GoldenScores: golden(),
	}
	w, err := trained.NewWriter(dir)
	if err != nil {
		return err
	}
	return errors.Join(w.File(trained.GraphFile, graph), w.File(trained.LabelsFile, trained.Labels(m.Labels)), w.Commit(m))
}

// trainer goes through the phases of a training at the pace of its test.
type trainer struct {
	steps chan int // Steps to go on by; closed to go to the end.
}

func (t *trainer) Bases() ([]server.BaseModel, error) {
	return []server.BaseModel{
		{Name: "efficientnet_lite0", InputSize: 224, Here: true},
		{Name: "efficientnet_lite2", InputSize: 260, Here: true},
		{Name: "efficientnet_lite0_lite2", InputSize: 260, Here: true},
	}, nil
}

func (t *trainer) Check(_ context.Context, r server.TrainingRequest) error {
	if r.Base == "efficientnet_lite2" {
		return errors.New("there is no base model efficientnet_lite2 here: kaika models fetch efficientnet_lite2")
	}
	return nil
}

func (t *trainer) Train(ctx context.Context, r server.TrainingRequest, stop <-chan struct{}, observe func(train.Event)) (*train.Report, trained.BaseModel, error) {
	base := trained.BaseModel{Name: r.Base, Precision: "float32"}
	observe(train.Event{Phase: train.Features, Progress: feature.Progress{Done: 60, Total: 60}})
	done, all := 0, r.Params.Steps
	report := &train.Report{
		Model: r.Params.OutputDir, Labels: labels, Photos: train.PhotoCounts{Total: 60, Train: 48, Validation: 6, Test: 6},
		Test: &train.Tested{Accuracy: .9583, Low: .9083, High: .9822, Correct: 115, Count: 120},
	}
	for done < all {
		var by int
		open := true
		select {
		case <-ctx.Done():
			return nil, base, ctx.Err()
		case <-stop:
			report.StoppedEarly = true
			all = done
			continue
		case by, open = <-t.steps:
		}
		if !open {
			by = all - done
		}
		for range min(by, all-done) {
			done++
			observe(train.Event{Phase: train.Training, Point: pointAt(done), Steps: r.Params.Steps})
		}
	}
	report.Steps = done
	observe(train.Event{Phase: train.Writing})
	return report, base, writeModel(r.Params.OutputDir)
}

// pointAt draws curves as a training has them.
func pointAt(step int) *train.Point {
	fall := math.Exp(-float64(step) / 60)
	wave := .5 + .5*math.Sin(float64(step)*1.7)
	accuracy, entropy := .93-.6*fall, .15+.6*fall
	return &train.Point{
		Step: step, TrainAccuracy: min(1, .97-.65*fall+.05*(wave-.5)), TrainCrossEntropy: .06 + .9*fall + .08*wave,
		ValidationAccuracy: &accuracy, ValidationCrossEntropy: &entropy,
	}
}

// site is a server with its fakes.
type site struct {
	forgets  atomic.Bool // As a server that was started again, it knows of no training.
	breakOff func()      // Closes all connections.

	url     string
	engine  *engine
	trainer *trainer
	models  *serve.Models
}

// The one who may change things.
const user, password = "gardener", "a green thumb"

// passwords is a file that names the user. To make it takes a moment.
var passwords = sync.OnceValues(func() (string, error) { return server.PasswordLine(user, password) })

// newSite serves models under some names, or none.
func newSite(t *testing.T, change func(*server.Config), models ...string) *site {
	t.Helper()
	s := &site{engine: &engine{}, trainer: &trainer{steps: make(chan int)}}
	s.models = serve.New(serve.Config{Open: func(ctx context.Context, dir string) (*classify.Classifier, error) {
		return classify.Open(ctx, dir, "", s.engine)
	}})
	t.Cleanup(s.models.Close)
	for _, name := range models {
		dir := filepath.Join(t.TempDir(), name)
		if err := errors.Join(writeModel(dir), s.models.Serve(t.Context(), name, dir)); err != nil {
			t.Fatal(err)
		}
	}
	line, err := passwords()
	if err != nil {
		t.Fatal(err)
	}
	auth, err := server.OpenAuth(write(t, []byte(line+"\n"), t.TempDir(), "auth"), nil)
	if err != nil {
		t.Fatal(err)
	}
	runs := &experiment.Store{Dir: filepath.Join(t.TempDir(), "runs")}
	c := server.Config{
		Models: s.models, Version: "test", Local: true, Auth: auth, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Training: server.Training{Datasets: filepath.Join(t.TempDir(), "datasets"), Trainer: s.trainer, Runs: runs},
	}
	if change != nil {
		change(&c)
	}
	h, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch lost := s.forgets.Load(); {
		case lost && r.URL.Path == "/api/v1/trainings/current/events":
			w.WriteHeader(http.StatusNoContent)
		case lost && r.URL.Path == "/api/v1/trainings/current":
			_, _ = io.WriteString(w, `{"state":"idle"}`)
		default:
			h.Handler().ServeHTTP(w, r)
		}
	}))
	s.breakOff = web.CloseClientConnections
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	s.url = web.URL
	return s
}

func write(t *testing.T, data []byte, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// photos writes pictures that the engine has an answer for, and one file that is none.
func photos(t *testing.T) (rose, certain, nearly, unknown, text string) {
	t.Helper()
	dir := t.TempDir()
	flower := func(name string, class, width int) string {
		return write(t, picturetest.JPEG(class, 7, width, 270), dir, name)
	}
	return flower("a rose.jpg", 0, roseWidth), flower("向日葵.jpg", 1, certainWidth), flower("tulip & <i>co.jpg", 4, nearlyWidth),
		flower("something else.jpg", 6, unknownWidth), write(t, []byte("no photo at all"), dir, "notes.jpg")
}

// dataset gives a folder of datasets with one that has photos.
func dataset(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "datasets")
	for class, label := range []string{"rose", "sunflower", "lilium"} {
		for i := range 4 {
			write(t, picturetest.JPEG(class, i, 48, 36), dir, name, label, fmt.Sprint(i, ".jpg"))
		}
	}
	return dir
}
