package app

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"kaika/core/classify"
	"kaika/core/server"
	"kaika/core/train"
	"kaika/core/transfer"
	"kaika/model"
)

// site is a running kaika --headless, and somebody who may do all there.
type site struct {
	*running

	address string
}

// site starts a server at an address, and waits until it answers.
func (u *user) site(address, datasets string) *site {
	u.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		u.Fatal(err)
	}
	users := write(u, append([]byte("me:"), hash...), u.home, "users")
	s := &site{u.start("--headless", "--addr", address, "--datasets", datasets, "--auth_file", users), "http://" + address}
	eventually(u, "the server answers", func() bool {
		response, err := s.send(context.Background(), "GET", "/healthz", nil)
		if err != nil {
			select {
			case <-s.closed:
				u.Fatalf("the server has ended: %s", s.said())
			default:
			}
			return false
		}
		return response.Body.Close() == nil && response.StatusCode == http.StatusOK
	})
	return s
}

// freeAddress gives an address that nobody listens at.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // It was not used.
	return listener.Addr().String()
}

func (s *site) send(ctx context.Context, method, at string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.address+at, body)
	if err != nil {
		return nil, err
	}
	r.SetBasicAuth("me", "secret")
	return http.DefaultClient.Do(r)
}

// ask asks for what has to be answered with a status, and reads the answer into a value, if there is one.
func (s *site) ask(status int, method, at string, body io.Reader, into any) {
	s.Helper()
	response, err := s.send(context.Background(), method, at, body)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // It was read.
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		s.Fatalf("%s %s: %s, %v: %s\n%s", method, at, response.Status, err, data, s.said())
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			s.Fatalf("%s %s: %v: %s", method, at, err, data)
		}
	}
}

// progress is what the server tells of a training.
type progress struct {
	State, Run, Phase, Error string
	Points                   []train.Point
	Test                     *train.Tested
}

// follow follows the training until it has ended, or something that is told is enough. It gives all points.
func (s *site) follow(enough func(progress) bool) (points []train.Point, last progress) {
	s.Helper()
	response, err := s.send(context.Background(), "GET", "/api/v1/trainings/current/events", nil)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // It was read as far as it is wanted.
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		last = progress{}
		if err := json.Unmarshal([]byte(data), &last); err != nil {
			s.Fatalf("%v: %s", err, data)
		}
		points = append(points, last.Points...)
		if enough(last) {
			break
		}
	}
	if err := lines.Err(); err != nil {
		s.Fatal(err)
	}
	return points, last
}

func never(progress) bool { return false }

// begin begins a training.
func (s *site) begin(steps int) {
	s.Helper()
	s.ask(http.StatusAccepted, "POST", "/api/v1/trainings", strings.NewReader(fmt.Sprintf(`{"dataset": "flowers", "how_many_training_steps": %d, "input_size": 128}`, steps)), nil)
}

// runs counts the kept runs.
func (s *site) runs() int {
	s.Helper()
	var list struct{ Runs []struct{ ID string } }
	s.ask(http.StatusOK, "GET", "/api/v1/runs", nil, &list)
	return len(list.Runs)
}

// classify asks what is on photos, one by one.
func (s *site) classify(files []string) (answers []classify.Answer) {
	s.Helper()
	for _, file := range files {
		var one []classify.Answer
		s.ask(http.StatusOK, "POST", "/api/v1/classify?model=flowers", bytes.NewReader(read(s, file)), &one)
		answers = append(answers, one...)
	}
	return answers
}

// packed makes a tar of so many real photos of some labels, and gives others of them.
func packed(t testing.TB, count int, labels ...string) (archive []byte, others []string) {
	t.Helper()
	photos := realPhotos(t, "flower_photos")
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, label := range labels {
		files, err := filepath.Glob(filepath.Join(photos, label, "*.jpg"))
		if err != nil || len(files) < count+4 {
			t.Fatalf("%d photos of %s, %v", len(files), label, err)
		}
		for _, file := range files[:count] {
			data := read(t, file)
			err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join("flowers", label, filepath.Base(file)), Size: int64(len(data)), Mode: 0o644})
			if err == nil {
				_, err = w.Write(data)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		others = append(others, files[count:count+4]...)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), others
}

// hidden lists what is in a folder and is not to be seen.
func hidden(t testing.TB, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestHeadlessTraining goes from real photos to answers over HTTP, with the real program and engine. It cancels a training,
// and has the program killed in the middle of another and of an import: nothing is lost.
func TestHeadlessTraining(t *testing.T) {
	t.Parallel()
	const count = 40
	archive, others := packed(t, count, "roses", "sunflowers", "tulips")
	u := newUser(t)
	address, datasets := freeAddress(t), t.TempDir()
	s := u.site(address, datasets)

	var imported transfer.Imported
	s.ask(http.StatusCreated, "POST", "/api/v1/datasets/flowers/archive", bytes.NewReader(archive), &imported)
	all := imported.Added // There may be a photo twice.
	if all+imported.Duplicates != 3*count || imported.Duplicates > 3 || len(imported.Refused) != 0 {
		t.Fatalf("it imported %+v", imported)
	}
	var bases struct {
		All []server.BaseModel `json:"base_models"`
	}
	s.ask(http.StatusOK, "GET", "/api/v1/base_models", nil, &bases)
	if len(bases.All) < 10 || bases.All[0].Name != model.DefaultName || !bases.All[0].Usable() || bases.All[0].InputSize == 0 || bases.All[0].GoodFor == "" {
		t.Errorf("the base models are %+v", bases.All)
	}
	s.begin(200)
	points, last := s.follow(never)
	if last.State != "done" || last.Test == nil || len(points) < 20 || points[len(points)-1].Step != 200 || points[len(points)-1].ValidationAccuracy == nil {
		t.Fatalf("the training ended with %+v after %d points: %s", last, len(points), s.said())
	}
	if first, end := points[0], points[len(points)-1]; end.TrainCrossEntropy >= first.TrainCrossEntropy {
		t.Errorf("nothing was learnt: from %+v to %+v", first, end)
	}
	s.ask(http.StatusOK, "POST", "/api/v1/models/flowers/activate", strings.NewReader(fmt.Sprintf(`{"run": %q}`, last.Run)), nil)
	answers := s.classify(others)
	right := 0
	for i, file := range others {
		if answers[i].Predictions[0].Label == filepath.Base(filepath.Dir(file)) {
			right++
		}
	}
	if right < len(others)*3/4 {
		t.Errorf("%d of %d photos are right", right, len(others))
	}

	s.begin(10_000_000)
	s.follow(func(p progress) bool { return p.Phase == string(train.Training) && len(p.Points) > 0 })
	s.ask(http.StatusAccepted, "DELETE", "/api/v1/trainings/current", nil, nil)
	if _, last := s.follow(never); last.State != "cancelled" {
		t.Errorf("the training ended with %+v", last)
	}
	s.begin(10_000_000)
	s.follow(func(p progress) bool { return p.Phase == string(train.Training) && len(p.Points) > 0 })
	s.ask(http.StatusAccepted, "POST", "/api/v1/trainings/current/stop", nil, nil)
	if _, last := s.follow(never); last.State != "done" {
		t.Errorf("the training ended with %+v", last)
	}
	if n := s.runs(); n != 2 {
		t.Errorf("there are %d runs", n)
	}

	// Half an archive has come, and a training is at work.
	s.begin(10_000_000)
	from, to := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if response, err := s.send(context.Background(), "POST", "/api/v1/datasets/"+url.PathEscape("half of it")+"/archive", from); err == nil {
			_ = response.Body.Close()
		}
	}()
	if _, err := to.Write(archive[:len(archive)/2]); err != nil {
		t.Fatal(err)
	}
	s.follow(func(p progress) bool { return p.Phase == string(train.Training) && len(p.Points) > 0 })
	before := files(t, filepath.Join(datasets, "flowers"))
	engine := s.engine()
	s.signal(syscall.SIGKILL)
	s.wait()
	gone(t, engine)
	_ = to.CloseWithError(io.ErrClosedPipe)
	<-ended

	s = u.site(address, datasets)
	var list struct {
		Datasets []struct {
			Name   string
			Photos int
		}
	}
	s.ask(http.StatusOK, "GET", "/api/v1/datasets", nil, &list)
	if len(list.Datasets) != 1 || list.Datasets[0].Name != "flowers" || list.Datasets[0].Photos != all {
		t.Errorf("there is %+v", list)
	}
	if after := files(t, filepath.Join(datasets, "flowers")); len(after) < len(before) {
		t.Errorf("there were %d files, and are %d", len(before), len(after))
	}
	var now progress
	s.ask(http.StatusOK, "GET", "/api/v1/trainings/current", nil, &now)
	if n := s.runs(); n != 2 || now.State != "idle" {
		t.Errorf("there are %d runs, and the training is %+v", n, now)
	}
	eventually(t, "the model is served again", func() bool {
		response, err := s.send(context.Background(), "GET", "/readyz", nil)
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	})
	if again := s.classify(others); !slices.EqualFunc(again, answers, func(a, b classify.Answer) bool { return slices.Equal(a.Predictions, b.Predictions) }) {
		t.Errorf("the answers are others than before")
	}
	s.begin(100)
	_, last = s.follow(never)
	var run struct{ Report train.Report }
	s.ask(http.StatusOK, "GET", "/api/v1/runs/"+last.Run, nil, &run)
	if last.State != "done" || run.Report.Photos.Cached != all {
		t.Errorf("the training ended with %+v, %+v", last, run.Report.Photos)
	}
	left := hidden(t, filepath.Join(u.home, "data", "kaika", "runs")) // Of the run that was killed.
	s.begin(10_000_000)
	s.follow(func(p progress) bool { return p.Phase == string(train.Training) && len(p.Points) > 0 })
	s.signal(syscall.SIGTERM)
	s.wait().ends(exitDone)
	if after := hidden(t, filepath.Join(u.home, "data", "kaika", "runs")); !slices.Equal(left, after) {
		t.Errorf("the training that was broken off left %q besides %q", after, left)
	}
	if _, err := os.Stat(filepath.Join(datasets, "half of it")); err == nil {
		t.Error("half an archive became a dataset")
	}
}
