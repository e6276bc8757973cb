package app

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kaika/core/classify"
	"kaika/core/inbox"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/trained"
)

// How long the two benchmarks below take, unless KAIKA_FAULTS and KAIKA_SOAK say otherwise: docs/benchmarks.md has the
// figures of 2 and of 30 minutes.
const (
	faultsTime = time.Minute
	soakTime   = time.Minute
)

// crowdedTime is how long the second part of BenchmarkFaults takes.
const crowdedTime = 10 * time.Second

// longest is how long a request may take; after that it counts as lost.
const longest = time.Minute

// BenchmarkFaults has 8 clients send photos, a tenth of them bad, to the built program while its engine is killed every 5 s,
// the model is swapped every 7 s, and the disk for kept photos is full. Each answer is compared with what kaika classify says
// by one of the two models; the only other answer that may be is 429 or 503 with Retry-After. Then twice as many clients come
// to a server in whose queue there is hardly room, so that some are certainly told to come again.
func BenchmarkFaults(b *testing.B) {
	const clients, killEvery, swapEvery = 8, 5 * time.Second, 7 * time.Second
	lasts := lasting(b, "KAIKA_FAULTS", faultsTime)
	for b.Loop() {
		u := newUser(b)
		first := filepath.Join(b.TempDir(), "first")
		u.retrain(realPhotos(b, "flower_photos"), first, "--input_size", "288", "--how_many_training_steps", "500")
		auth := write(b, []byte(u.kaikaReading(strings.NewReader("secret\n"), "--hash_password", "me").ends(exitDone).stdout), b.TempDir(), "auth")
		args := []string{"--model", "flowers=" + first, "--auth_file", auth}
		disk := smallDisk(b)
		if disk != "" {
			args = append(args, "--uploads", disk)
		}
		s := u.endures(args...)
		run := s.trains("daisy", "roses", "tulips")
		second := filepath.Join(u.home, "data", "kaika", "runs", run)
		c := &crowd{served: s, models: []string{first, second}, photos: u.specimens(120, 40, first, second)}

		done := make(chan struct{})
		var work sync.WaitGroup
		for n := range clients {
			work.Go(func() { c.press(rand.New(rand.NewPCG(1, uint64(n))), done) })
		}
		swaps, unswapped := 0, 0
		work.Go(func() { swaps, unswapped = c.swap(run, swapEvery, done) })
		kills := 0
		kill, enough := time.NewTicker(killEvery), time.After(lasts)
		for under := true; under; {
			select {
			case <-kill.C:
				if err := syscall.Kill(s.engine(), syscall.SIGKILL); err == nil {
					kills++
				}
			case <-enough:
				under = false
			}
		}
		kill.Stop()
		close(done)
		work.Wait()

		figures := s.gets(http.StatusOK, "GET", "/metrics", "", nil).body
		restarts := figure(b, figures, "kaika_engine_restarts_total")
		c.report(b)
		b.ReportMetric(float64(kills), "kills")
		b.ReportMetric(restarts, "restarts")
		b.ReportMetric(float64(swaps), "swaps")
		b.ReportMetric(float64(unswapped), "swaps-refused")
		if kills == 0 || restarts == 0 || swaps < 2 || c.by[0] == 0 || c.by[1] == 0 {
			b.Errorf("too little was tried: %d kills, %.0f restarts, %d swaps, %v requests by each model", kills, restarts, swaps, c.by)
		}
		if disk != "" {
			failed := figure(b, figures, `kaika_uploads_total{outcome="failed"}`)
			b.ReportMetric(failed, "photos-not-kept")
			if failed == 0 {
				b.Error("the disk was never full")
			}
		}
		s.ends()
		if disk != "" {
			whole(b, disk)
		}
		crowded(b, u.endures("--model", "flowers="+first, "--queue", "2"), first, c.photos, 2*clients)
	}
}

// crowded has clients press on a server with a small queue, whose engine is killed in between. Some must be told to come again,
// and most are answered nevertheless.
func crowded(b *testing.B, s *served, model string, photos []specimen, clients int) {
	b.Helper()
	c := &crowd{served: s, models: []string{model}, photos: photos}
	done := make(chan struct{})
	var work sync.WaitGroup
	for n := range clients {
		work.Go(func() { c.press(rand.New(rand.NewPCG(3, uint64(n))), done) })
	}
	half := time.NewTimer(crowdedTime / 2)
	enough := time.After(crowdedTime)
	<-half.C
	if err := syscall.Kill(s.engine(), syscall.SIGKILL); err != nil {
		b.Errorf("the engine cannot be killed: %v", err)
	}
	<-enough
	close(done)
	work.Wait()
	busy := figure(b, s.gets(http.StatusOK, "GET", "/metrics", "", nil).body, `kaika_http_refusals_total{reason="busy"}`)
	b.ReportMetric(float64(len(c.waits)), "crowded-answered")
	b.ReportMetric(float64(c.refused), "crowded-refused")
	b.ReportMetric(float64(c.wrong), "crowded-wrong")
	b.ReportMetric(float64(c.lost), "crowded-lost")
	if c.refused == 0 || busy == 0 || len(c.waits) == 0 {
		b.Errorf("in a small queue %d were answered and %d told to come again, %.0f of them because it was full", len(c.waits), c.refused, busy)
	}
	s.ends()
}

// BenchmarkSoak has 4 clients ask for 15 answers a second, of all kinds, and looks at the memory of both processes: it must not
// grow.
func BenchmarkSoak(b *testing.B) {
	const clients, perSecond, every = 4, 15, 5 * time.Second
	lasts := lasting(b, "KAIKA_SOAK", soakTime)
	for b.Loop() {
		u := newUser(b)
		model := filepath.Join(b.TempDir(), "model")
		u.retrain(realPhotos(b, "flower_photos"), model, "--input_size", "288", "--how_many_training_steps", "500")
		c := &crowd{models: []string{model}, photos: u.specimens(400, 40, model)}
		c.served = u.endures("--model", "flowers="+model, "--uploads", filepath.Join(u.home, "kept"), "--uploads_max_bytes", "20MB")
		engine := c.engine()
		before := c.gets(http.StatusOK, "GET", "/metrics", "", nil).body

		began := time.Now()
		done, turns := make(chan struct{}), make(chan struct{})
		var work sync.WaitGroup
		for n := range clients {
			work.Go(func() { c.stroll(rand.New(rand.NewPCG(2, uint64(n))), turns) })
		}
		work.Go(func() {
			defer close(turns)
			tick := time.NewTicker(time.Second / perSecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C: // Those that come while all clients are busy are left out.
				case <-done:
					return
				}
				select {
				case turns <- struct{}{}:
				case <-done:
					return
				}
			}
		})
		var program, its memory
		look, enough := time.NewTicker(every), time.After(lasts)
		for under := true; under; {
			select {
			case <-look.C:
				at := time.Since(began)
				program.add(at, resident(b, c.cmd.Process.Pid))
				its.add(at, resident(b, engine))
			case <-enough:
				under = false
			}
		}
		look.Stop()
		close(done)
		work.Wait()
		took := time.Since(began)
		if c.engine() != engine {
			b.Error("the engine died")
		}
		after := c.gets(http.StatusOK, "GET", "/metrics", "", nil).body
		c.report(b)
		b.ReportMetric(float64(c.requests)/took.Seconds(), "req/s")
		b.ReportMetric(float64(c.refused), "refused")
		for name, m := range map[string]*memory{"kaika": &program, "engine": &its} {
			b.ReportMetric(m.at(lasts/10), "MB-"+name+"-begin")
			b.ReportMetric(m.at(lasts), "MB-"+name+"-end")
			b.ReportMetric(m.slope(lasts/5), "MB/h-"+name)
		}
		for unit, name := range map[string]string{"goroutines": "go_goroutines", "files": "process_open_fds"} {
			b.ReportMetric(figure(b, before, name), unit+"-begin")
			b.ReportMetric(figure(b, after, name), unit+"-end")
		}
		if c.refused > 0 {
			b.Errorf("%d requests were refused", c.refused)
		}
		c.ends()
	}
}

// smallDisk gives a folder with room for 2 MB, or "" where none can be made.
func smallDisk(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=2m"); err != nil {
		b.Logf("no photos are kept, because no small disk can be made: %v", err)
		return ""
	}
	b.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			b.Error(err)
		}
	})
	return dir
}

// whole wants all photos that are kept to be whole.
func whole(b *testing.B, dir string) {
	b.Helper()
	kept, err := inbox.Open(b.Context(), dir, false)
	if err != nil {
		b.Fatal(err)
	}
	defer kept.Close() //nolint:errcheck // Nothing was written.
	page, err := kept.List(b.Context(), inbox.Query{Order: inbox.Newest, Limit: inbox.MaxPage})
	if err != nil || page.Total == 0 {
		b.Fatalf("%d photos were kept, %v", page.Total, err)
	}
	for _, r := range page.Uploads {
		data, _, err := kept.Photo(b.Context(), r.ID)
		if err == nil {
			_, err = picture.Parse(data)
		}
		if err != nil || int64(len(data)) != r.Bytes {
			b.Errorf("of the kept photo %s %d of %d bytes are there: %v", r.ID, len(data), r.Bytes, err)
		}
	}
	b.ReportMetric(float64(page.Total), "photos-kept")
}

// endures starts the server, whose log goes into a file, and waits until it is ready. It may run for hours.
func (u *user) endures(args ...string) *served {
	u.Helper()
	log, err := os.Create(filepath.Join(u.home, "log"))
	if err != nil {
		u.Fatal(err)
	}
	address := freeAddress(u)
	//nolint:noctx // It is told to stop by a signal.
	cmd := exec.Command(u.program, append([]string{"--headless", "--addr", address, "--log_level", "warn"}, args...)...)
	cmd.Env = append(strings.Split(homes(u.home), "\n"), "PATH="+os.Getenv("PATH"), "TMPDIR="+os.TempDir())
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		u.Fatal(err)
	}
	s := &served{running: &running{user: u, cmd: cmd, closed: make(chan struct{})}, url: "http://" + address}
	go func() {
		defer close(s.closed)
		_ = cmd.Wait() // Its state says how it ended.
	}()
	u.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-s.closed
		_ = log.Close()
		if u.Failed() {
			u.Logf("the server's log ends:\n%s", end(read(u, log.Name())))
		}
	})
	eventually(u, "the server is ready", func() bool {
		a, err := s.send(http.DefaultClient, "GET", "/readyz", "", nil)
		return err == nil && a.status == http.StatusOK
	})
	return s
}

// end gives the end of a log.
func end(log []byte) []byte {
	const most = 4000
	return log[max(0, len(log)-most):]
}

// ends tells the server to stop, and waits until it has.
func (s *served) ends() {
	s.Helper()
	s.signal(syscall.SIGTERM)
	<-s.closed
	if code := s.cmd.ProcessState.ExitCode(); code != exitDone {
		s.Errorf("the server ended with %d", code)
	}
}

// trains trains with real photos of some labels over HTTP, and gives the run.
func (s *served) trains(labels ...string) (run string) {
	s.Helper()
	archive, _ := packed(s, 40, labels...)
	s.gets(http.StatusCreated, "POST", "/api/v1/datasets/garden/archive", "application/x-tar", bytes.NewReader(archive))
	s.gets(http.StatusAccepted, "POST", "/api/v1/trainings", "application/json", strings.NewReader(`{"dataset":"garden","how_many_training_steps":200}`))
	s.gets(http.StatusOK, "GET", "/api/v1/trainings/current/events", "", nil) // To the end.
	runs := understood[struct{ Runs []struct{ ID string } }](s, s.gets(http.StatusOK, "GET", "/api/v1/runs", "", nil)).Runs
	if len(runs) != 1 {
		s.Fatalf("there are %d runs", len(runs))
	}
	return runs[0].ID
}

// A specimen is a photo with what each of some models says of it.
type specimen struct {
	name string
	data []byte
	want []classify.Answer
}

func (s specimen) bad() bool { return s.want[0].Error != nil }

// specimens gives real photos, and bad ones of each kind that is made of them, with the answers of kaika classify.
func (u *user) specimens(good, bad int, models ...string) []specimen {
	u.Helper()
	found, err := filepath.Glob(filepath.Join(realPhotos(u, "flower_photos"), "*", "*.jpg"))
	if err != nil || len(found) < good {
		u.Fatal(len(found), err)
	}
	dir := filepath.Join(u.home, "specimens")
	var files []string
	reasons := map[string][]picture.Reason{}
	for i := range good {
		at := found[i*len(found)/good]
		files = append(files, write(u, read(u, at), dir, fmt.Sprintf("good %d.jpg", i)))
	}
	for i := range bad {
		whole := read(u, found[i*len(found)/bad])
		data, reason := []byte(nil), []picture.Reason{picture.NotAPicture}
		switch i % 5 {
		case 0:
			data, reason = whole[:len(whole)/2], []picture.Reason{picture.Truncated, picture.Damaged}
		case 1:
			data, reason = whole[:100+i], []picture.Reason{picture.Truncated, picture.Damaged}
		case 2:
			data = fmt.Appendf(nil, "This is text number %d.\n", i)
		case 3:
			data, reason = append(picturetest.HugeClaim(), byte(i)), []picture.Reason{picture.TooManyPixels}
		case 4:
			data = fmt.Appendf(nil, "<!DOCTYPE html><html><body>Page %d was not found</body></html>", i)
		}
		file := write(u, data, dir, fmt.Sprintf("bad %d.jpg", i))
		files, reasons[file] = append(files, file), reason
	}
	all := make([]specimen, len(files))
	for m, model := range models {
		args := append([]string{"classify", "--model", model, "--top", "0", "--json"}, files...)
		answers := parse[[]classify.Answer](u.kaika(args...).ends(exitFailed))
		for i, a := range answers {
			if a.File != files[i] || (a.Error != nil) != (reasons[a.File] != nil) || a.Error != nil && !slices.Contains(reasons[a.File], a.Reason) {
				u.Fatalf("%s instead of %s, which is %v: %+v", a.File, files[i], reasons[a.File], a)
			}
			if m == 0 {
				all[i] = specimen{name: filepath.Base(a.File), data: read(u, a.File)}
			}
			all[i].want = append(all[i].want, a)
		}
	}
	return all
}

// fits tells whether an answer is the one that was wanted. Photos are computed together with others, which changes the last
// bits.
func fits(got, want classify.Answer) bool {
	const tolerance = 1e-4
	if want.Error != nil {
		return got.Error != nil && *got.Error == *want.Error && got.Reason == want.Reason && len(got.Predictions) == 0
	}
	return got.Error == nil && len(got.Predictions) == len(want.Predictions) && maps.EqualFunc(scores(got), scores(want), func(x, y float64) bool {
		return x-y < tolerance && y-x < tolerance
	})
}

// A crowd of clients asks a server, and counts.
type crowd struct {
	*served

	models []string // Folders.
	photos []specimen

	mu                        sync.Mutex
	requests, refused, wrong  int
	lost, photosRight, badOne int
	by                        [2]int // Requests that were answered by each model, as far as one can tell.
	waits                     []time.Duration
}

// draw takes a photo: a bad one with some probability.
func (c *crowd) draw(r *rand.Rand, bad float64) specimen {
	want := r.Float64() < bad
	for {
		if s := c.photos[r.IntN(len(c.photos))]; s.bad() == want {
			return s
		}
	}
}

// press sends photos, one after another, until it is done: most alone, some in forms of four.
func (c *crowd) press(r *rand.Rand, done <-chan struct{}) {
	const bad, patience = 0.1, 100 * time.Millisecond
	client := &http.Client{Transport: &http.Transport{}, Timeout: longest}
	defer client.CloseIdleConnections()
	for {
		photos := []specimen{c.draw(r, bad)}
		if r.IntN(4) == 0 {
			photos = append(photos, c.draw(r, bad), c.draw(r, bad), c.draw(r, bad))
		}
		again := time.After(0)
		if !c.classify(client, photos) {
			again = time.After(patience) // Much sooner than it is told.
		}
		select {
		case <-done:
			return
		case <-again:
		}
	}
}

// stroll sends a request of some kind at each turn.
func (c *crowd) stroll(r *rand.Rand, turns <-chan struct{}) {
	const bad = 0.05
	client := &http.Client{Transport: &http.Transport{}, Timeout: longest}
	defer client.CloseIdleConnections()
	for range turns {
		switch n := r.IntN(20); {
		case n < 12:
			c.classify(client, []specimen{c.draw(r, bad)})
		case n < 14:
			c.classify(client, []specimen{c.draw(r, bad), c.draw(r, bad), c.draw(r, bad)})
		case n < 18:
			c.predict(client, c.draw(r, bad))
		case n < 19:
			c.page(client)
		default:
			client.CloseIdleConnections() // The next comes by a new connection.
			c.page(client)
		}
	}
}

// classify sends photos to be classified: one as it is, several in a form. The result is false if the server was too busy.
func (c *crowd) classify(client *http.Client, photos []specimen) bool {
	kind, body := "image/jpeg", bytes.NewReader(photos[0].data)
	if len(photos) > 1 {
		var files []string
		for _, p := range photos {
			files = append(files, filepath.Join(c.home, "specimens", p.name))
		}
		var form *bytes.Buffer
		kind, form = formOf(c, files...)
		body = bytes.NewReader(form.Bytes())
	}
	return c.ask(client, "POST", "/api/v1/classify?top=0", kind, body, func(a asked) error {
		var got []classify.Answer
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			return err
		}
		if a.status != http.StatusOK || len(got) != len(photos) {
			return fmt.Errorf("%d instead of %d answers", len(got), len(photos))
		}
		return c.count(photos, got)
	})
}

// predict asks as TensorFlow Serving's clients do.
func (c *crowd) predict(client *http.Client, photo specimen) {
	body := strings.NewReader(`{"instances":[{"b64":"` + base64.StdEncoding.EncodeToString(photo.data) + `"}]}`)
	c.ask(client, "POST", "/v1/models/flowers:predict", "application/json", body, func(a asked) error {
		var got struct {
			Predictions []struct{ Scores []float32 }
			Error       string
		}
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			return err
		}
		if photo.bad() {
			if a.status != http.StatusBadRequest || got.Error != "The photo of row 0 "+*photo.want[0].Error {
				return errors.New("a bad photo is not refused")
			}
			return c.count([]specimen{photo}, photo.want[:1])
		}
		folder, err := trained.Open(c.models[0])
		if err != nil {
			return err
		}
		if a.status != http.StatusOK || len(got.Predictions) != 1 || len(got.Predictions[0].Scores) != len(folder.Labels) {
			return errors.New("other scores than those of one photo")
		}
		answer := classify.Answer{}
		for i, label := range folder.Labels {
			answer.Predictions = append(answer.Predictions, classify.Prediction{Label: label, Score: got.Predictions[0].Scores[i]})
		}
		return c.count([]specimen{photo}, []classify.Answer{answer})
	})
}

// page looks at the page for people.
func (c *crowd) page(client *http.Client) {
	c.ask(client, "GET", "/", "", strings.NewReader(""), func(a asked) error {
		if a.status != http.StatusOK || !strings.Contains(a.body, "</html>") {
			return errors.New("the page is not whole")
		}
		return nil
	})
}

// count counts photos with their answers, which must be those of one model.
func (c *crowd) count(photos []specimen, got []classify.Answer) error {
	var by []int
	good := 0
	for m := range c.models {
		all := true
		for i, p := range photos {
			all = all && fits(got[i], p.want[m])
		}
		if all {
			by = append(by, m)
		}
	}
	for _, p := range photos {
		if !p.bad() {
			good++
		}
	}
	if len(by) == 0 {
		return errors.New("no model answers so")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.photosRight += good
	c.badOne += len(photos) - good
	if len(by) == 1 {
		c.by[by[0]]++
	}
	return nil
}

// ask sends a request and counts what comes of it. The result is false if the server was too busy.
func (c *crowd) ask(client *http.Client, method, path, kind string, body io.Reader, right func(asked) error) bool {
	began := time.Now()
	a, err := c.send(client, method, path, kind, body)
	took := time.Since(began)
	busy := err == nil && (a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests) && a.header.Get("Retry-After") != ""
	var mistake error
	if err == nil && !busy {
		mistake = right(a)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	switch {
	case err != nil:
		c.lost++
		c.Errorf("%s %s was lost after %v: %v", method, path, took, err)
	case busy:
		c.refused++
	case mistake != nil:
		c.wrong++
		c.Errorf("%s %s: %d: %v: %s", method, path, a.status, mistake, a.body)
	default:
		c.waits = append(c.waits, took)
	}
	return !busy
}

// swap takes a run into use and steps back, in turns, until it is done.
func (c *crowd) swap(run string, every time.Duration, done <-chan struct{}) (swaps, refused int) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 2 * longest} // A golden check may start the engine.
	defer client.CloseIdleConnections()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for active := 1; ; {
		select {
		case <-done:
			return swaps, refused
		case <-tick.C:
		}
		path, body := "activate", `{"run":"`+run+`"}`
		if active != 1 {
			path, body = "rollback", ""
		}
		a, err := c.send(client, "POST", "/api/v1/models/flowers/"+path, "application/json", strings.NewReader(body))
		var now struct{ Active int }
		switch {
		case err != nil:
			c.Errorf("a swap was lost: %v", err)
		case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "":
			refused++
		case a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &now) != nil || now.Active == active:
			c.Errorf("%s at version %d: %d: %s", path, active, a.status, a.body)
		default:
			swaps++
			active = now.Active
		}
	}
}

// report reports what was counted.
func (c *crowd) report(b *testing.B) {
	b.Helper()
	slices.Sort(c.waits)
	if len(c.waits) == 0 {
		b.Fatal("nothing was answered")
	}
	b.ReportMetric(float64(c.requests), "requests")
	b.ReportMetric(float64(len(c.waits)), "answered")
	b.ReportMetric(float64(c.photosRight), "photos-right")
	b.ReportMetric(float64(c.badOne), "bad-photos-told")
	b.ReportMetric(float64(c.wrong), "wrong")
	b.ReportMetric(float64(c.refused), "refused")
	b.ReportMetric(float64(c.lost), "lost")
	for unit, at := range map[string]int{"ms-p50": len(c.waits) / 2, "ms-p99": len(c.waits) * 99 / 100, "ms-longest": len(c.waits) - 1} {
		b.ReportMetric(float64(c.waits[at].Microseconds())/1000, unit)
	}
}

// figure gives one of the metrics.
func figure(t testing.TB, metrics, name string) float64 {
	t.Helper()
	for line := range strings.Lines(metrics) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("there is no %s in the metrics", name)
	return 0
}

// resident gives the memory of a process in MB.
func resident(t testing.TB, pid int) float64 {
	t.Helper()
	for line := range strings.Lines(string(read(t, "/proc", strconv.Itoa(pid), "status"))) {
		var kB float64
		if n, err := fmt.Sscanf(line, "VmRSS: %f kB", &kB); n == 1 && err == nil {
			return kB / 1000 * 1.024
		}
	}
	t.Fatalf("the memory of process %d is not known", pid)
	return 0
}

// memory is that of a process over time.
type memory struct {
	hours, mb []float64
}

func (m *memory) add(at time.Duration, mb float64) {
	m.hours, m.mb = append(m.hours, at.Hours()), append(m.mb, mb)
}

// at gives the memory that was seen last before a time, or first.
func (m *memory) at(t time.Duration) float64 {
	seen := m.mb[0]
	for i, h := range m.hours {
		if h <= t.Hours() {
			seen = m.mb[i]
		}
	}
	return seen
}

// slope fits a line to what was seen from a time on, and gives its slope in MB an hour.
func (m *memory) slope(from time.Duration) float64 {
	var n, x, y, xx, xy float64
	for i, h := range m.hours {
		if h >= from.Hours() {
			n, x, y, xx, xy = n+1, x+h, y+m.mb[i], xx+h*h, xy+h*m.mb[i]
		}
	}
	if n < 2 {
		return 0
	}
	return (n*xy - x*y) / (n*xx - x*x)
}
