package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// pressTime is how long each client count of BenchmarkHTTP is measured, unless KAIKA_HTTP says otherwise.
const pressTime = 10 * time.Second

// BenchmarkHTTP measures requests a second and waits of 1, 8 and 64 clients of the built program over HTTP, driven by wrk,
// with both precisions, against a Flask service with one session.run a request (testdata/flask_app.py) and against kaika
// classify of the same precision, all with the same model and the same real photos, one after another. Each line is a service
// under so many clients; x- are its requests a second as a multiple of what others did in this run.
func BenchmarkHTTP(b *testing.B) {
	photos, err := filepath.Glob(benchmarkPhotos + "/*/*.jpg")
	if err != nil || len(photos) == 0 {
		b.Skip("there are no real photos to measure with")
	}
	if _, err := exec.LookPath("wrk"); err != nil {
		b.Skip("wrk is not there: apt install wrk")
	}
	lasts := lasting(b, "KAIKA_HTTP", pressTime)
	home := b.TempDir()
	model := filepath.Join(home, "model")
	measure(b, home, "retrain", "--image_dir", benchmarkPhotos, "--output_dir", model, "--json", "--how_many_training_steps", "500")
	some := filepath.Join(home, "photos") // The same that wrk sends.
	if err := os.Mkdir(some, 0o755); err != nil {
		b.Fatal(err)
	}
	photos = photos[:min(len(photos), 400)]
	for i, photo := range photos {
		at, err := filepath.Abs(photo)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.Symlink(at, filepath.Join(some, strconv.Itoa(i)+".jpg")); err != nil {
			b.Fatal(err)
		}
	}

	precisions := []string{"float32", "bfloat16"}
	classify := map[string]float64{}
	for _, precision := range precisions {
		b.Run("classify/"+precision, func(b *testing.B) {
			for b.Loop() {
				args := []string{"classify", "--model", model, "--precision", precision, "--json"}
				start := medianRun(b, home, append(args, photos[0])...).seconds
				classify[precision] = float64(len(photos)-1) / (medianRun(b, home, append(args, some)...).seconds - start)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(classify[precision], "photos/s")
		})
	}

	var services []*service // Flask's first: the others are compared with them.
	if python := "../build/tools/flask/bin/python"; exists(python) {
		for _, way := range []string{"threads", "turns", "sessions"} {
			address := answering(b, home, python, func(port string) []string { return []string{"testdata/flask_app.py", model, port, way} })
			services = append(services, &service{name: "flask-" + way, address: address, path: "/"})
		}
	} else {
		b.Log("Flask is not there to compare with: setup/flask.sh")
	}
	for _, precision := range precisions {
		address := answering(b, home, "../build/kaika", func(port string) []string {
			return []string{"--headless", "--addr", "127.0.0.1:" + port, "--model", model, "--precision", precision, "--datasets", "", "--log_level", "error"}
		})
		services = append(services, &service{name: "kaika-" + precision, address: address, path: "/api/v1/classify", precision: precision})
	}
	form := photoForm(b, photos[0])
	for _, s := range services {
		s.warm(b, form)
	}
	for _, clients := range []int{1, 8, 64} {
		flask := map[string]float64{}
		for _, s := range services {
			b.Run(fmt.Sprintf("%d-clients/%s", clients, s.name), func(b *testing.B) {
				var seen pressure
				for b.Loop() {
					s.pressed(b, clients, min(lasts, 2*time.Second), photos)
					s.settles(b, form)
					seen = s.pressed(b, clients, lasts, photos)
					s.settles(b, form)
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(seen.perSecond, "req/s")
				b.ReportMetric(seen.p50, "ms-p50")
				b.ReportMetric(seen.p99, "ms-p99")
				switch {
				case s.precision == "":
					flask[s.name] = seen.perSecond
					b.ReportMetric(seen.errors, "errors") // Its own affair.
				case seen.errors > 0:
					b.Errorf("%.0f requests failed, and %+v", seen.errors, seen)
				default:
					for name, perSecond := range flask {
						b.ReportMetric(seen.perSecond/perSecond, "x-"+name)
					}
					if c := classify[s.precision]; c > 0 {
						b.ReportMetric(seen.perSecond/c, "x-classify")
					}
				}
			})
		}
	}
}

// A service answers for photos over HTTP.
type service struct {
	name, address, path string
	precision           string        // Of Kaika; "" for others.
	lone                time.Duration // How long an answer takes at best.
}

// photoForm gives the body of a form with a photo, as testdata/photos.lua makes it.
func photoForm(b *testing.B, photo string) []byte {
	b.Helper()
	data, err := os.ReadFile(photo)
	if err != nil {
		b.Fatal(err)
	}
	return slices.Concat([]byte("--photo\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"),
		data, []byte("\r\n--photo--\r\n"))
}

// asked sends one photo, and tells how long the answer took.
func (s *service) asked(b *testing.B, form []byte) time.Duration {
	b.Helper()
	began := time.Now()
	//nolint:noctx // A benchmark's.
	resp, err := http.Post(s.address+s.path, "multipart/form-data; boundary=photo", bytes.NewReader(form))
	if err != nil {
		b.Fatalf("%s: %v", s.name, err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"score"`)) {
		b.Fatalf("%s answered %s: %s, %v", s.name, resp.Status, answer, err)
	}
	return time.Since(began)
}

// warm asks for a while, one photo after another, and learns how fast the service is when nobody else asks.
func (s *service) warm(b *testing.B, form []byte) {
	b.Helper()
	s.asked(b, form) // Loads what is loaded when it is needed.
	s.lone = time.Hour
	for began := time.Now(); time.Since(began) < 2*time.Second; {
		s.lone = min(s.lone, s.asked(b, form))
	}
}

// settles waits until the service has done what wrk left behind when its time was over: until it answers as fast as it does when
// nobody else asks. Otherwise that would be counted as the next one's.
func (s *service) settles(b *testing.B, form []byte) {
	b.Helper()
	const longest, slack = 3 * time.Minute, 50 * time.Millisecond
	for began := time.Now(); s.asked(b, form) > 2*s.lone+slack; {
		if time.Since(began) > longest {
			b.Fatalf("%s is still busy, or the machine is: alone it took %v", s.name, s.lone)
		}
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// answering starts a program that serves, with a port of its choice, until the benchmark ends.
func answering(b *testing.B, home, program string, args func(port string) []string) (address string) {
	b.Helper()
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	if err := listener.Close(); err != nil {
		b.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(b.Context(), program, args(port)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+home+"/cache", "XDG_DATA_HOME="+home+"/data", "XDG_STATE_HOME="+home+"/state")
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		b.Log("it ended:", <-ended)
	})
	address = "http://127.0.0.1:" + port
	for deadline := time.Now().Add(2 * time.Minute); ; {
		resp, err := http.Get(address + "/") //nolint:noctx // A benchmark's.
		if err == nil {
			_ = resp.Body.Close()
			return address
		}
		select {
		case err := <-ended:
			b.Fatalf("%s ended: %v\n%s", program, err, said.String())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s does not answer\n%s", program, said.String())
		}
	}
}

// pressure is what wrk measured.
type pressure struct{ perSecond, p50, p99, errors float64 } // Waits in milliseconds.

// pressed lets wrk ask for some time.
func (s *service) pressed(b *testing.B, clients int, lasts time.Duration, photos []string) pressure {
	b.Helper()
	args := []string{
		"--threads", strconv.Itoa(min(clients, max(1, runtime.NumCPU()/2))), "--connections", strconv.Itoa(clients),
		"--duration", fmt.Sprintf("%.0fs", max(1, lasts.Seconds())), "--timeout", "30s", "--script", "testdata/photos.lua", s.address, "--", s.path,
	}
	out, err := exec.CommandContext(b.Context(), "wrk", append(args, photos...)...).CombinedOutput()
	if err != nil {
		b.Fatalf("wrk: %v\n%s", err, out)
	}
	var seen struct{ Requests, Errors, Duration, P50, P99 float64 }
	line := bytes.TrimSpace(out)
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	if err := json.Unmarshal(line, &seen); err != nil {
		b.Fatalf("wrk said %q: %v", out, err)
	}
	if seen.Requests == 0 {
		b.Fatalf("%s answered no request of %d clients in %v", s.name, clients, lasts)
	}
	return pressure{seen.Requests / seen.Duration * 1e6, seen.P50 / 1000, seen.P99 / 1000, seen.Errors}
}

// lasting gives how long a benchmark takes.
func lasting(b *testing.B, variable string, usual time.Duration) time.Duration {
	b.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		b.Fatalf("%s must be a time such as 30m, not %q", variable, text)
	}
	return d
}
