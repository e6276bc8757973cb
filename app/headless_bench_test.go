package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkHTTP measures requests a second and waits of 1, 8 and 64 clients of the built program over HTTP, driven by wrk,
// with both precisions, against a Flask service with one session.run a request (testdata/flask_app.py) and against kaika
// classify, all with the same model and the same real photos, in turns. Ratios are those of this run.
func BenchmarkHTTP(b *testing.B) {
	photos, err := filepath.Glob(benchmarkPhotos + "/*/*.jpg")
	if err != nil || len(photos) == 0 {
		b.Skip("there are no real photos to measure with")
	}
	if _, err := exec.LookPath("wrk"); err != nil {
		b.Skip("wrk is not there: apt install wrk")
	}
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
	headless := func(precision string) string {
		return answering(b, home, "../build/kaika", func(port string) []string {
			return []string{"--headless", "--addr", "127.0.0.1:" + port, "--model", model, "--precision", precision, "--datasets", "", "--log_level", "error"}
		})
	}
	type service struct{ name, address, path string }
	our := []service{
		{"float32", headless("float32"), "/api/v1/classify"},
		{"bfloat16", headless("bfloat16"), "/api/v1/classify"},
	}
	var their []service
	if python := "../build/tools/flask/bin/python"; exists(python) {
		for _, way := range []string{"threads", "turns", "sessions"} {
			their = append(their, service{"flask-" + way, answering(b, home, python, func(port string) []string {
				return []string{"testdata/flask_app.py", model, port, way}
			}), "/"})
		}
	} else {
		b.Log("Flask is not there to compare with: setup/flask.sh")
	}
	for b.Loop() {
		start := measure(b, home, "classify", "--model", model, photos[0]).seconds
		classify := float64(len(photos)-1) / (medianRun(b, home, "classify", "--model", model, "--json", some).seconds - start)
		b.ReportMetric(classify, "photos/s-classify")
		for _, clients := range []int{1, 8, 64} {
			perSecond := map[string]float64{}
			for _, s := range slices.Concat(our, their) {
				seen := pressed(b, s.address, s.path, clients, photos)
				perSecond[s.name] = seen.perSecond
				unit := fmt.Sprintf("-%s-%d-clients", s.name, clients)
				b.ReportMetric(seen.perSecond, "req/s"+unit)
				b.ReportMetric(seen.p50, "ms-p50"+unit)
				b.ReportMetric(seen.p99, "ms-p99"+unit)
			}
			for _, o := range our {
				b.ReportMetric(perSecond[o.name]/classify, fmt.Sprintf("x-%s/classify-%d-clients", o.name, clients))
				for _, t := range their {
					b.ReportMetric(perSecond[o.name]/perSecond[t.name], fmt.Sprintf("x-%s/%s-%d-clients", o.name, t.name, clients))
				}
			}
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
type pressure struct{ perSecond, p50, p99 float64 } // Waits in milliseconds.

// pressed lets wrk ask for some seconds: first to warm up, then in earnest.
func pressed(b *testing.B, address, path string, clients int, photos []string) pressure {
	b.Helper()
	var seen struct{ Requests, Errors, Duration, P50, P99 float64 }
	for _, seconds := range []string{"2s", "10s"} {
		args := []string{
			"--threads", strconv.Itoa(min(clients, max(1, runtime.NumCPU()/2))), "--connections", strconv.Itoa(clients), "--duration", seconds,
			"--timeout", "30s", "--script", "testdata/photos.lua", address, "--", path,
		}
		out, err := exec.CommandContext(b.Context(), "wrk", append(args, photos...)...).CombinedOutput()
		if err != nil {
			b.Fatalf("wrk: %v\n%s", err, out)
		}
		line := string(out[bytes.LastIndexByte(bytes.TrimSpace(out), '\n')+1:])
		if err := json.Unmarshal([]byte(strings.TrimSpace(line)), &seen); err != nil {
			b.Fatalf("wrk said %q: %v", out, err)
		}
	}
	if seen.Errors > 0 {
		b.Errorf("%d clients at %s: %.0f of %.0f requests failed", clients, address, seen.Errors, seen.Requests)
	}
	return pressure{seen.Requests / seen.Duration * 1e6, seen.P50 / 1000, seen.P99 / 1000}
}
