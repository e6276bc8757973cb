package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"kaika/assets"
	"kaika/core/classify"
	"kaika/core/dataset"
	"kaika/core/experiment"
	"kaika/core/feature"
	"kaika/core/picture/picturetest"
	"kaika/core/serve"
	"kaika/core/train"
	"kaika/core/train/traintest"
	"kaika/core/trained"
)

// studio is a server with datasets and an engine of plain Go, and a client who may do everything.
type studio struct {
	testing.TB

	server *Server
	http   *httptest.Server
	engine *traintest.Engine
	train  func(context.Context, TrainingRequest, <-chan struct{}, func(train.Event)) (*train.Report, trained.BaseModel, error)
	bases  []BaseModel
	dir    string // Holds all of it.
}

// Bases implements Trainer.
func (s *studio) Bases() ([]BaseModel, error) { return s.bases, nil }

// Check implements Trainer.
func (s *studio) Check(_ context.Context, r TrainingRequest) error {
	if r.Base != "efficientnet_lite0" {
		return fmt.Errorf("there is no base model %q", r.Base)
	}
	return nil
}

// Train implements Trainer.
func (s *studio) Train(ctx context.Context, r TrainingRequest, stop <-chan struct{}, observe func(train.Event)) (*train.Report, trained.BaseModel, error) {
	return s.train(ctx, r, stop, observe)
}

// really trains with the engine.
func (s *studio) really(ctx context.Context, r TrainingRequest, stop <-chan struct{}, observe func(train.Event)) (*train.Report, trained.BaseModel, error) {
	retrainer := &train.Retrainer{
		Engine: s.engine, Cache: &feature.Cache{}, Log: slog.New(slog.DiscardHandler), Version: "test", Host: "host", Now: time.Now, Observe: observe, Stop: stop,
	}
	report, err := retrainer.Run(ctx, r.Params)
	return report, s.engine.Base(), err
}

func newStudio(t testing.TB) *studio {
	t.Helper()
	return openStudio(t, t.TempDir())
}

// openStudio starts a server in a folder where another may have been before.
func openStudio(t testing.TB, dir string) *studio {
	t.Helper()
	s := &studio{TB: t, engine: &traintest.Engine{}, dir: dir}
	s.train = s.really
	s.bases = []BaseModel{
		{Name: "efficientnet_lite0", GoodFor: "most", InputSize: 224, Here: true},
		{Name: "inception_v3", InputSize: 299},
		{Name: "mine <b>", InputSize: 96, Here: true},
		{Name: "broken", InputSize: 96, Here: true, Problem: "its files are damaged"},
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(dir, "users")
	if err := os.WriteFile(users, append([]byte("me:"), hash...), 0o600); err != nil {
		t.Fatal(err)
	}
	auth, err := OpenAuth(users, nil)
	if err != nil {
		t.Fatal(err)
	}
	models := serve.New(serve.Config{
		State: filepath.Join(dir, "served.json"),
		Open: func(ctx context.Context, dir string) (*classify.Classifier, error) {
			return classify.Open(ctx, dir, "", s.engine)
		},
	})
	if err := models.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.server, err = New(Config{
		Models: models, Auth: auth,
		Training: Training{
			Datasets: filepath.Join(dir, "datasets"), Trainer: s,
			Runs: &experiment.Store{Dir: filepath.Join(dir, "runs"), Log: slog.New(slog.DiscardHandler)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.http = httptest.NewServer(s.server.Handler())
	t.Cleanup(s.close)
	return s
}

// close stops the server. It may be called twice.
func (s *studio) close() {
	s.server.drain()
	s.http.Close()
	if err := s.server.Close(); err != nil {
		s.Errorf("closing: %v", err)
	}
	s.server.Models.Close()
}

// request makes a request that bears the password.
func (s *studio) request(method, path string, body io.Reader, headers ...string) *http.Request {
	s.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, s.http.URL+path, body)
	if err != nil {
		s.Fatal(err)
	}
	r.SetBasicAuth("me", "secret")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// reply is an answer that was read to its end.
type reply struct {
	*http.Response

	body []byte
}

func (s *studio) ask(method, path string, body io.Reader, headers ...string) reply {
	s.Helper()
	response, err := http.DefaultClient.Do(s.request(method, path, body, headers...))
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // It was read.
	data, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return reply{response, data}
}

// get asks for something that must be there.
func get[T any](s *studio, path string) T {
	s.Helper()
	return want[T](s, http.StatusOK, s.ask("GET", path, nil))
}

// want reads an answer of a certain status.
func want[T any](s *studio, status int, r reply) T {
	s.Helper()
	var v T
	if r.StatusCode != status {
		s.Fatalf("%s %s: %s instead of %d: %s", r.Request.Method, r.Request.URL.Path, r.Status, status, r.body)
	}
	if err := json.Unmarshal(r.body, &v); err != nil {
		s.Fatalf("%s %s: %v: %s", r.Request.Method, r.Request.URL.Path, err, r.body)
	}
	return v
}

// refused reads an error.
func (s *studio) refused(status int, code string, r reply) string {
	s.Helper()
	said := want[struct{ Error, Code string }](s, status, r)
	if said.Code != code || said.Error == "" {
		s.Errorf("%s %s: %q (%s), want the code %s", r.Request.Method, r.Request.URL.Path, said.Error, said.Code, code)
	}
	if strings.Contains(said.Error, s.dir) {
		s.Errorf("%s %s tells where on the server things lie: %s", r.Request.Method, r.Request.URL.Path, said.Error)
	}
	return said.Error
}

func (s *studio) post(path string, document any) reply {
	s.Helper()
	data, err := json.Marshal(document)
	if err != nil {
		s.Fatal(err)
	}
	return s.ask("POST", path, bytes.NewReader(data), "Content-Type", "application/json")
}

// file is a file of a form.
type file struct {
	name string
	data []byte
}

// form makes a form of files.
func form(t testing.TB, files ...file) (body *bytes.Buffer, kind string) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for _, f := range files {
		part, err := w.CreateFormFile("photo", f.name)
		if err == nil {
			_, err = part.Write(f.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body, w.FormDataContentType()
}

func (s *studio) upload(dataset, label string, files ...file) reply {
	s.Helper()
	body, kind := form(s, files...)
	return s.ask("POST", "/api/v1/datasets/"+dataset+"/photos?label="+url.QueryEscape(label), body, "Content-Type", kind)
}

// flowers makes a dataset of drawn flowers.
func (s *studio) flowers(name string) {
	s.Helper()
	if err := os.CopyFS(filepath.Join(s.dir, "datasets", name), os.DirFS(picturetest.Dataset(s, 10, "rose", "sun flower", "百合"))); err != nil {
		s.Fatal(err)
	}
}

// begin starts a quick training with the dataset flowers.
func (s *studio) begin(more ...any) trainingState {
	s.Helper()
	settings := map[string]any{"dataset": "flowers", "how_many_training_steps": 60, "learning_rate": 1, "l2": 0, "eval_step_interval": 1}
	for i := 0; i+1 < len(more); i += 2 {
		name, ok := more[i].(string)
		if !ok {
			s.Fatalf("%v names no setting", more[i])
		}
		settings[name] = more[i+1]
	}
	return want[trainingState](s, http.StatusAccepted, s.post("/api/v1/trainings", settings))
}

// event is a Server-Sent Event.
type event struct {
	name, id string
	trainingEvent
}

// events reads a stream of events to its end.
func events(t testing.TB, stream io.Reader) (all []event) {
	t.Helper()
	var e event
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.trainingEvent); err != nil {
				t.Fatalf("%v: %s", err, value)
			}
		case "":
			if lines.Text() == "" && e.name != "" {
				all = append(all, e)
				e = event{}
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// follow follows the training to its end.
func (s *studio) follow() []event {
	s.Helper()
	response, err := http.DefaultClient.Do(s.request("GET", "/api/v1/trainings/current/events", nil))
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // It was read.
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		s.Fatalf("%s, %v", response.Status, response.Header)
	}
	return events(s, response.Body)
}

// finished follows the training to its end, which must be a good one.
func (s *studio) finished() {
	s.Helper()
	all := s.follow()
	last := all[len(all)-1]
	if last.name != stateDone {
		s.Fatalf("the training ended with %+v", last)
	}
}

// classified gives the best label of a photo.
func (s *studio) classified(model string, photo []byte) string {
	s.Helper()
	answers := want[[]classify.Answer](s, http.StatusOK, s.ask("POST", "/api/v1/classify?model="+model, bytes.NewReader(photo), "Content-Type", "image/jpeg"))
	if len(answers) != 1 || len(answers[0].Predictions) == 0 {
		s.Fatalf("the answer is %+v", answers)
	}
	return answers[0].Predictions[0].Label
}

// TestFromPhotosToAnswers goes the whole way: photos, a training that is followed, its run, a model that is served, another
// one, a step back.
func TestFromPhotosToAnswers(t *testing.T) {
	s := newStudio(t)
	s.flowers("flowers")
	began := s.begin()
	if began.State != stateRunning || began.Dataset != "flowers" || began.Settings.Steps != 60 {
		t.Errorf("it began as %+v", began)
	}
	all := s.follow()
	var points []train.Point
	for _, e := range all {
		points = append(points, e.Points...)
		if want := fmt.Sprintf("%s/%d", began.Run, e.lastStep(points)); e.name == "progress" && e.id != want {
			t.Errorf("an event has the ID %q instead of %q", e.id, want)
		}
	}
	last := all[len(all)-1]
	if last.name != stateDone || last.id != began.Run+"/end" || last.Test == nil || last.Phase != string(train.Writing) {
		t.Errorf("the last event is %+v", last)
	}
	run := get[runDetails](s, "/api/v1/runs/"+began.Run)
	if len(points) != 60 || !reflect.DeepEqual(points, run.Points) {
		t.Errorf("%d points were sent, and %d kept", len(points), len(run.Points))
	}
	if run.Dataset != "flowers" || run.Params.ImageDir != "flowers" || run.Report.Model != run.ID || run.Labels["百合"] != 10 || len(run.Served) != 0 {
		t.Errorf("the run is %+v", run)
	}
	if data := s.ask("GET", "/api/v1/runs/"+began.Run, nil).body; bytes.Contains(data, []byte(s.dir)) {
		t.Errorf("the run tells where on the server things lie: %s", data)
	}

	s.refused(http.StatusNotFound, "no_run", s.post("/api/v1/models/flowers/activate", map[string]string{"run": "20260101-000000000-00000000"}))
	s.refused(http.StatusBadRequest, "bad_name", s.post("/api/v1/models/.x/activate", map[string]string{"run": run.ID}))
	s.refused(http.StatusNotFound, "no_model", s.post("/api/v1/models/other/rollback", nil))
	status := want[modelStatus](s, http.StatusOK, s.post("/api/v1/models/flowers/activate", map[string]string{"run": run.ID}))
	if status.Active != 1 || status.Versions[0].Run != run.ID || status.Versions[0].State != serve.StateAvailable || len(status.Versions[0].Labels) != 3 {
		t.Errorf("the model is %+v", status)
	}
	if got := s.classified("flowers", picturetest.JPEG(0, 99, 64, 64)); got != "rose" {
		t.Errorf("a rose is a %q", got)
	}
	s.refused(http.StatusConflict, "run_served", s.ask("DELETE", "/api/v1/runs/"+run.ID, nil))

	second := s.begin("seed", 7).Run
	s.finished()
	want[modelStatus](s, http.StatusOK, s.post("/api/v1/models/flowers/activate", map[string]string{"run": second}))
	s.refused(http.StatusConflict, "run_served", s.ask("DELETE", "/api/v1/runs/"+run.ID, nil)) // A step back leads to it.
	back := want[modelStatus](s, http.StatusOK, s.post("/api/v1/models/flowers/rollback", nil))
	chosen := want[modelStatus](s, http.StatusOK, s.post("/api/v1/models/flowers/select", map[string]int{"version": 2}))
	if back.Active != 1 || chosen.Active != 2 {
		t.Errorf("a step back led to %d, and %d was chosen", back.Active, chosen.Active)
	}
	s.refused(http.StatusConflict, "no_version", s.post("/api/v1/models/flowers/select", map[string]int{"version": 9}))
	runs := get[struct{ Runs []runSummary }](s, "/api/v1/runs").Runs
	if len(runs) != 2 || runs[0].ID != second || !runs[0].Served[0].Active || runs[1].Served[0].Active {
		t.Errorf("the runs are %+v", runs)
	}

	// A server that is started again goes on serving it.
	s.close()
	again := openStudio(t, s.dir)
	if got := again.classified("flowers", picturetest.JPEG(2, 99, 64, 64)); got != "百合" {
		t.Errorf("a lily is a %q", got)
	}
	if models := get[struct{ Models []modelStatus }](again, "/api/v1/models").Models; len(models) != 1 || models[0].Active != 2 {
		t.Errorf("the models are %+v", models)
	}
}

// lastStep gives the step of the newest of the points, or 0.
func (event) lastStep(points []train.Point) int {
	if len(points) == 0 {
		return 0
	}
	return points[len(points)-1].Step
}

// TestBrokenRun takes a run into use whose graph was damaged: what is served stays.
func TestBrokenRun(t *testing.T) {
	s := newStudio(t)
	s.flowers("flowers")
	good := s.begin().Run
	s.finished()
	want[modelStatus](s, http.StatusOK, s.post("/api/v1/models/m/activate", map[string]string{"run": good}))
	bad := s.begin("seed", 2).Run
	s.finished()
	graph := filepath.Join(s.dir, "runs", bad, "retrained_graph.pb")
	if err := os.WriteFile(graph, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.refused(http.StatusUnprocessableEntity, "model_refused", s.post("/api/v1/models/m/activate", map[string]string{"run": bad}))
	if got := s.classified("m", picturetest.JPEG(0, 99, 64, 64)); got != "rose" {
		t.Errorf("a rose is a %q", got)
	}
	if r := s.ask("DELETE", "/api/v1/runs/"+bad, nil); r.StatusCode != http.StatusNoContent {
		t.Errorf("a run that nobody uses: %s, %s", r.Status, r.body)
	}
	s.refused(http.StatusNotFound, "no_run", s.ask("GET", "/api/v1/runs/"+bad, nil))
	s.refused(http.StatusNotFound, "no_run", s.ask("DELETE", "/api/v1/runs/..%2fdatasets", nil))
}

func TestTrainingSettings(t *testing.T) {
	s := newStudio(t)
	s.flowers("flowers")
	if err := os.MkdirAll(filepath.Join(s.dir, "datasets", "empty", "rose"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.train = func(context.Context, TrainingRequest, <-chan struct{}, func(train.Event)) (*train.Report, trained.BaseModel, error) {
		t.Error("a training began")
		return nil, trained.BaseModel{}, errors.New("wrong")
	}
	for _, c := range []struct {
		body   string
		status int
		code   string
		word   string
	}{
		{``, 400, "bad_json", "no body"},
		{`{`, 400, "bad_json", ""},
		{`[]`, 400, "bad_json", "the body cannot be array: give an object"},
		{`{"dataset": "flowers"} {}`, 400, "bad_json", "more behind"},
		{`{"dataset": 1}`, 400, "bad_json", "dataset cannot be number: give a string"},
		{`{"dataset": "flowers", "how_many_training_steps": "many"}`, 400, "bad_json", "how_many_training_steps cannot be string: give a whole number"},
		{`{"dataset": "flowers", "learning_rate": "much"}`, 400, "bad_json", "learning_rate cannot be string: give a number"},
		{`{"dataset": "flowers", "learning_rat": 1}`, 400, "bad_json", "learning_rat"},
		{`{"dataset": "flowers", "output_dir": "/etc"}`, 400, "bad_json", "output_dir"},
		{`{"dataset": "flowers", "image_dir": "/etc"}`, 400, "bad_json", "image_dir"},
		{`{"dataset": "flowers", "summaries_dir": "/etc"}`, 400, "bad_json", "summaries_dir"},
		{`{"dataset": "flowers", "how_many_training_steps": 0}`, 400, "bad_settings", "how_many_training_steps must be 1"},
		{`{"dataset": "flowers", "optimizer": "magic"}`, 400, "bad_settings", "gradient_descent"},
		{`{"dataset": "flowers", "testing_percentage": 60, "validation_percentage": 60}`, 400, "bad_settings", "together below 100"},
		{`{"dataset": "flowers", "random_crop": 99}`, 400, "bad_settings", "random_crop"},
		{`{"dataset": "flowers", "final_tensor_name": "a b"}`, 400, "bad_settings", "final_tensor_name"},
		{`{"dataset": "flowers", "architecture": "resnet"}`, 400, "bad_settings", "resnet"},
		{`{}`, 400, "bad_name", "is empty"},
		{`{"dataset": "../runs"}`, 400, "bad_name", ""},
		{`{"dataset": "none"}`, 404, "no_dataset", "none"},
		{`{"dataset": "empty"}`, 422, "too_few_labels", "0 labels"},
	} {
		if said := s.refused(c.status, c.code, s.ask("POST", "/api/v1/trainings", strings.NewReader(c.body))); !strings.Contains(said, c.word) || strings.Contains(said, "Settings.") {
			t.Errorf("%s: %q does not say %q", c.body, said, c.word)
		}
	}
	if state := get[trainingState](s, "/api/v1/trainings/current"); state.State != stateIdle {
		t.Errorf("the state is %+v", state)
	}
	if r := s.ask("GET", "/api/v1/trainings/current/events", nil); r.StatusCode != http.StatusNoContent {
		t.Errorf("there is something to follow: %s", r.Status)
	}
	s.refused(http.StatusConflict, "no_training", s.ask("DELETE", "/api/v1/trainings/current", nil))
	s.refused(http.StatusConflict, "no_training", s.post("/api/v1/trainings/current/stop", nil))
}

// TestAllFlags sees to it that a training can be asked for by all flags of retrain that are about how, not where.
func TestAllFlags(t *testing.T) {
	settings := trainingSettings{
		Dataset: "d", Base: "b", InputSize: 1, Precision: "p",
		Settings: train.Settings{
			Steps: 2, LearningRate: 3, Optimizer: "o", L2: 4, TrainBatchSize: 5, ValidationBatchSize: 6, EvalStepInterval: 7, EarlyStopping: 8,
			ClassWeighting: "w", Seed: 9,
		},
		TestingPercentage: 10, ValidationPercentage: 11, TestBatchSize: 12, FinalTensorName: "f",
		Flip: true, Crop: 13, Scale: 14, Brightness: 15, Rotation: 16, Views: 17,
	}
	r := settings.request()
	var check func(path string, v reflect.Value)
	check = func(path string, v reflect.Value) {
		for i := range v.NumField() {
			name := path + "." + v.Type().Field(i).Name
			places := []string{".Params.ImageDir", ".Params.OutputDir", ".Params.OutputGraph", ".Params.OutputLabels", ".Params.SummariesDir", ".Params.SavedModelDir", ".Params.IntermediateDir", ".Params.IntermediateFrequency"}
			switch f := v.Field(i); {
			case f.Kind() == reflect.Struct:
				check(name, f)
			case f.IsZero() != slices.Contains(places, name):
				t.Errorf("%s is %v", name, f)
			}
		}
	}
	check("", reflect.ValueOf(r))
}

// scripted has a training that does what a test says.
type scripted struct {
	began   chan TrainingRequest
	events  chan train.Event
	stopped chan struct{}
	result  chan error
}

func (s *studio) script() *scripted {
	c := &scripted{make(chan TrainingRequest, 1), make(chan train.Event), make(chan struct{}), make(chan error)}
	s.train = func(ctx context.Context, r TrainingRequest, stop <-chan struct{}, observe func(train.Event)) (*train.Report, trained.BaseModel, error) {
		c.began <- r
		for {
			select {
			case e := <-c.events:
				observe(e)
			case err := <-c.result:
				return nil, trained.BaseModel{}, err
			case <-stop:
				close(c.stopped)
				return nil, trained.BaseModel{}, errors.New("stopped")
			case <-ctx.Done():
				return nil, trained.BaseModel{}, ctx.Err()
			}
		}
	}
	return c
}

// TestTrainingAtWork asks for what cannot be had while a training is at work, stops one and cancels another.
func TestTrainingAtWork(t *testing.T) {
	s := newStudio(t)
	s.flowers("flowers")
	c := s.script()
	s.begin()
	request := <-c.began
	if request.Params.ImageDir != filepath.Join(s.dir, "datasets", "flowers") || filepath.Dir(request.Params.OutputDir) != filepath.Join(s.dir, "runs") {
		t.Errorf("it works on %+v", request.Params)
	}
	s.refused(http.StatusConflict, "training_busy", s.post("/api/v1/trainings", map[string]string{"dataset": "flowers"}))
	s.refused(http.StatusConflict, "dataset_busy", s.ask("DELETE", "/api/v1/datasets/flowers", nil))
	s.refused(http.StatusConflict, "nothing_to_keep", s.post("/api/v1/trainings/current/stop", nil))
	c.events <- train.Event{Phase: train.Features, Progress: feature.Progress{Done: 3, Total: 30}}
	c.events <- train.Event{Phase: train.Training, Steps: 60, Point: &train.Point{Step: 1}}
	c.events <- train.Event{Phase: train.Training, Steps: 60, Point: &train.Point{Step: 2}} // So the one before was taken.
	if state := get[trainingState](s, "/api/v1/trainings/current"); state.Phase != "training" || state.Total != 60 || state.Point == nil {
		t.Errorf("the state is %+v", state)
	}
	if state := want[trainingState](s, http.StatusAccepted, s.post("/api/v1/trainings/current/stop", nil)); !state.Stopping {
		t.Errorf("the state is %+v", state)
	}
	<-c.stopped
	if all := s.follow(); all[len(all)-1].name != stateFailed || all[len(all)-1].Error == "" {
		t.Errorf("it ended with %+v", all[len(all)-1])
	}

	c = s.script()
	second := s.begin()
	<-c.began
	want[trainingState](s, http.StatusAccepted, s.ask("DELETE", "/api/v1/trainings/current", nil))
	all := s.follow()
	if last := all[len(all)-1]; last.name != stateCancelled || last.Code != "cancelled" || last.Run != second.Run {
		t.Errorf("it ended with %+v", last)
	}
	if r := s.ask("GET", "/api/v1/trainings/current/events", nil, "Last-Event-ID", second.Run+"/end"); r.StatusCode != http.StatusNoContent {
		t.Errorf("who has seen the end is told it again: %s", r.Status)
	}
	if runs := get[struct{ Runs []runSummary }](s, "/api/v1/runs").Runs; len(runs) != 0 {
		t.Errorf("there are runs: %+v", runs)
	}
	if r := s.ask("DELETE", "/api/v1/datasets/flowers", nil); r.StatusCode != http.StatusOK {
		t.Errorf("the dataset is still held: %s, %s", r.Status, r.body)
	}
}

// TestTrainingFails has trainings end badly; the next one begins all the same.
func TestTrainingFails(t *testing.T) {
	s := newStudio(t)
	s.flowers("flowers")
	for _, c := range []struct {
		err  error
		code string
	}{
		{errors.New("secret " + s.dir), "failed"},
		{fmt.Errorf("writing: %w", syscall.ENOSPC), "disk_full"},
		{train.ErrTooFew, "too_few"},
		{nil, "failed"}, // Panics, for there is no report.
	} {
		s.train = func(context.Context, TrainingRequest, <-chan struct{}, func(train.Event)) (*train.Report, trained.BaseModel, error) {
			if c.err == nil {
				panic("a mistake")
			}
			return nil, trained.BaseModel{}, c.err
		}
		s.begin()
		all := s.follow()
		if last := all[len(all)-1]; last.name != stateFailed || last.Code != c.code || strings.Contains(last.Error, s.dir) {
			t.Errorf("%v: it ended with %+v", c.err, last)
		}
	}
}

// TestStopKeeps stops a real training early: its model is kept.
func TestStopKeeps(t *testing.T) {
	s := newStudio(t)
	s.flowers("flowers")
	halfway, stopped := make(chan struct{}), make(chan struct{})
	s.train = func(ctx context.Context, r TrainingRequest, stop <-chan struct{}, observe func(train.Event)) (*train.Report, trained.BaseModel, error) {
		return s.really(ctx, r, stop, func(e train.Event) {
			observe(e)
			if e.Point != nil && e.Point.Step == 10 {
				close(halfway)
				<-stopped
			}
		})
	}
	began := s.begin()
	<-halfway
	for range 2 { // Impatience does no harm.
		if state := want[trainingState](s, http.StatusAccepted, s.post("/api/v1/trainings/current/stop", nil)); !state.Stopping {
			t.Errorf("the state is %+v", state)
		}
	}
	close(stopped)
	s.finished()
	if run := get[runDetails](s, "/api/v1/runs/"+began.Run); run.Steps != 10 {
		t.Errorf("the run has %d steps", run.Steps)
	}
}

// TestServerEnds closes the server while a training is at work and followed.
func TestServerEnds(t *testing.T) {
	s := newStudio(t)
	s.flowers("flowers")
	c := s.script()
	s.begin()
	<-c.began
	response, err := http.DefaultClient.Do(s.request("GET", "/api/v1/trainings/current/events", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // It was read.
	s.close()                   // Hangs if who follows is waited for.
	if all := events(t, response.Body); len(all) == 0 || all[len(all)-1].State != stateRunning {
		t.Errorf("the events were %+v", all)
	}
	s.refusedClosed()
}

// refusedClosed asks a closed server's parts for work.
func (s *studio) refusedClosed() {
	s.Helper()
	w := httptest.NewRecorder()
	err := s.server.listDatasets(w, httptest.NewRequestWithContext(context.Background(), "GET", "/", nil))
	if err != nil || !strings.Contains(w.Body.String(), "about to stop") {
		s.Errorf("a closed server gave %v, %s", err, w.Body)
	}
}

// stream is what a client of a test in a bubble is sent.
type stream struct {
	mu    sync.Mutex
	text  bytes.Buffer
	times []time.Time
	fail  atomic.Bool
	http.ResponseWriter
}

func (s *stream) Header() http.Header { return http.Header{} }
func (s *stream) WriteHeader(int)     {}

func (s *stream) Write(p []byte) (int, error) {
	if s.fail.Load() {
		return 0, syscall.EPIPE
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, time.Now())
	return s.text.Write(p)
}

func (s *stream) Flush() {}

// bubble has a follower of a training that a test drives, with a clock of its own.
func bubble(last string, do func(tr *training, out *stream, cancel func())) *stream {
	out := &stream{}
	tr := newTraining(experiment.Run{ID: "R"}, defaultTraining(), time.Now)
	s := &Server{Config: Config{Log: slog.New(slog.DiscardHandler)}, learning: &learning{trainings: &trainings{current: tr}}, stopping: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	r.Header.Set("Last-Event-ID", last)
	var work sync.WaitGroup
	work.Go(func() { _ = s.followTraining(out, r) })
	synctest.Wait()
	do(tr, out, cancel)
	work.Wait()
	return out
}

func point(step int) train.Event {
	return train.Event{Phase: train.Training, Steps: 100_000, Point: &train.Point{Step: step, TrainAccuracy: float64(step)}}
}

// TestFollowPace follows a training of very many points: not more than ten events a second come, and all points.
func TestFollowPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const steps = 5000
		out := bubble("", func(tr *training, _ *stream, _ func()) {
			for step := range steps {
				tr.observe(point(step + 1))
				time.Sleep(time.Millisecond)
			}
			tr.finish(&train.Report{}, nil)
		})
		all := events(t, &out.text)
		sent := 0
		for _, e := range all {
			for _, p := range e.Points {
				if sent++; p.Step != sent {
					t.Fatalf("point %d came as number %d", p.Step, sent)
				}
			}
		}
		if sent != steps || len(all) < 45 || len(all) > 55 {
			t.Errorf("%d points came in %d events in 5 seconds", sent, len(all))
		}
		for i := 1; i < len(out.times); i++ {
			if gap := out.times[i].Sub(out.times[i-1]); gap < eventInterval {
				t.Errorf("an event came %v after the one before", gap)
			}
		}
	})
}

// TestFollowLate comes late, and again after its connection broke.
func TestFollowLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTraining(experiment.Run{ID: "R"}, defaultTraining(), time.Now)
		for step := range 30_000 {
			tr.observe(point(step + 1))
		}
		for _, c := range []struct {
			last               string
			first, points, end int
		}{
			{"", 1, maxCurve, 30_000},
			{"R/29000", 29_001, maxCurve, 30_000},
			{"R/29990", 29_991, 10, 30_000},
			{"R/30000", 0, 0, 0},
			{"OTHER/29990", 1, maxCurve, 30_000},
			{"R/", 1, maxCurve, 30_000},
			{"R/-5", 1, maxCurve, 30_000},
			{"garbage", 1, maxCurve, 30_000},
		} {
			out := bubble(c.last, func(own *training, _ *stream, cancel func()) {
				own.mu.Lock()
				own.points = tr.points
				own.mu.Unlock()
				time.Sleep(time.Second)
				own.change(func() {})
				synctest.Wait()
				cancel()
			})
			var points []train.Point
			for _, e := range events(t, &out.text) {
				points = append(points, e.Points...)
			}
			if len(points) != c.points || c.points > 0 && (points[0].Step != c.first || points[len(points)-1].Step != c.end) {
				t.Errorf("%q: %d points came", c.last, len(points))
			}
		}
	})
}

// TestFollowHeartbeat follows a training that says nothing for long, and loses a client.
func TestFollowHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := bubble("", func(_ *training, out *stream, _ func()) {
			time.Sleep(4*heartbeat + time.Second)
			synctest.Wait()
			out.fail.Store(true) // The follower finds out by itself.
			time.Sleep(heartbeat)
		})
		if n := strings.Count(out.text.String(), "\n: ") + strings.Count(out.text.String(), "\n\n: "); n < 4 {
			t.Errorf("%d heartbeats came: %q", n, out.text.String())
		}
	})
}

// TestManyFollow has many clients follow one training over the network.
func TestManyFollow(t *testing.T) {
	s := newStudio(t)
	s.flowers("flowers")
	c := s.script()
	s.begin()
	<-c.began
	var wait sync.WaitGroup
	counts := make([]int, 30)
	for i := range counts {
		wait.Go(func() {
			for _, e := range s.follow() {
				counts[i] += len(e.Points)
			}
		})
	}
	for step := range 500 {
		c.events <- point(step + 1)
	}
	c.result <- errors.New("enough")
	wait.Wait()
	for i, n := range counts {
		if n != 500 {
			t.Errorf("client %d was sent %d points", i, n)
		}
	}
}

// TestLongTraining keeps the memory of a training of very many points within bounds, and sends all that it can.
func TestLongTraining(t *testing.T) {
	tr := newTraining(experiment.Run{ID: "R"}, defaultTraining(), time.Now)
	const steps = 5 * maxKept
	var before []train.Point
	for step := range steps {
		tr.observe(point(step + 1))
		if step == maxKept-1 {
			_, before, _ = tr.snapshot()
		}
	}
	if len(before) != maxKept || before[1].Step != 2 {
		t.Errorf("a snapshot has changed: %d points", len(before))
	}
	_, points, _ := tr.snapshot()
	if len(points) > maxKept || len(points) < maxKept/4 || points[0].Step != 1 || points[len(points)-1].Step != steps {
		t.Errorf("%d points are kept, from %d to %d", len(points), points[0].Step, points[len(points)-1].Step)
	}
}

// TestReportOf takes the server's folders out of a report, and leaves the kept one as it is.
func TestReportOf(t *testing.T) {
	kept := &train.Report{
		Model: "/srv/runs/R", Misclassified: []train.Answer{{File: "/srv/d/rose/1.jpg"}}, Skipped: []dataset.Skip{{Path: "/srv/d/rose/2.jpg"}},
	}
	told := reportOf(experiment.Run{ID: "R", Dataset: "/srv/d", Report: kept})
	if told.Model != "R" || told.Misclassified[0].File != "rose/1.jpg" || told.Skipped[0].Path != "rose/2.jpg" {
		t.Errorf("it tells %+v", told)
	}
	if kept.Model != "/srv/runs/R" || kept.Misclassified[0].File != "/srv/d/rose/1.jpg" || kept.Skipped[0].Path != "/srv/d/rose/2.jpg" {
		t.Errorf("the kept one became %+v", kept)
	}
}

func TestThinned(t *testing.T) {
	curve := func(n int) (points []train.Point) {
		for i := range n {
			points = append(points, train.Point{Step: i + 1})
		}
		return points
	}
	for _, n := range []int{0, 1, 2, 9, 10, 11, 19, 1000, 99_999} {
		thin := thinned(curve(n), 10)
		if thin == nil || len(thin) != min(n, 10) {
			t.Fatalf("%d points became %v", n, thin)
		}
		if n > 0 && (thin[0].Step != 1 || thin[len(thin)-1].Step != n) {
			t.Errorf("%d points became %v", n, thin)
		}
		if !slices.IsSortedFunc(thin, func(a, b train.Point) int { return a.Step - b.Step }) || len(slices.CompactFunc(slices.Clone(thin), func(a, b train.Point) bool { return a.Step == b.Step })) != len(thin) {
			t.Errorf("%d points became %v", n, thin)
		}
	}
}

// TestTimeLeft estimates by what took time: known features do not count.
func TestTimeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTraining(experiment.Run{ID: "R"}, defaultTraining(), time.Now)
		left := func() *float64 { s, _, _ := tr.snapshot(); return s.Left }
		tr.observe(train.Event{Phase: train.Features, Progress: feature.Progress{Done: 90, Cached: 90, Total: 200}})
		time.Sleep(10 * time.Second)
		if got := left(); got != nil {
			t.Errorf("%v seconds are left, of which nothing can be known", *got)
		}
		tr.observe(train.Event{Phase: train.Features, Progress: feature.Progress{Done: 100, Cached: 90, Total: 200}})
		if got := left(); got == nil || *got != 100 {
			t.Errorf("%v seconds are left", got)
		}
	})
}

// TestLearningIsDocumented compares what openapi.json says of the forms of answers with what they are.
func TestLearningIsDocumented(t *testing.T) {
	data, err := assets.Web.ReadFile("web/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string]any{
		"Model": modelStatus{}, "DatasetSummary": datasetSummary{}, "Dataset": datasetDetails{}, "Step": action{}, "Photo": photo{},
		"Uploaded": uploadAnswer{}, "Import": importState{}, "Point": train.Point{}, "TrainingSettings": trainingSettings{}, "Training": trainingState{},
		"Run": runSummary{},
	} {
		is := fieldNames(reflect.TypeOf(form))
		slices.Sort(is)
		if said := slices.Sorted(maps.Keys(document.Components.Schemas[name].Properties)); !slices.Equal(is, said) {
			t.Errorf("%s has %q, and is described with %q", name, is, said)
		}
	}
}

// fieldNames gives the names of a structure's fields in JSON.
func fieldNames(form reflect.Type) (names []string) {
	for _, field := range reflect.VisibleFields(form) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.Anonymous && name != "" {
			names = append(names, name)
		}
	}
	return names
}
