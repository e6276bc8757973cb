//go:build linux

package story_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// BenchmarkFirstFrame starts the program and waits until its window has drawn itself.
func BenchmarkFirstFrame(b *testing.B) {
	s := newScreen(b, 1280, 800)
	home := b.TempDir()
	for b.Loop() {
		p := s.start(home)
		b.StopTimer()
		p.close()
		b.StartTimer()
	}
}

// BenchmarkRetrain retrains in the window, on an X server that draws by the same processors, and reports the longest that
// the goroutine that draws let others wait: the drawing of frames is part of that.
func BenchmarkRetrain(b *testing.B) {
	waits := regexp.MustCompile(`the longest wait for the window" .*seconds=([0-9.e-]+)`)
	longest := 0.0
	for b.Loop() {
		s := newScreen(b, 1280, 800)
		s.args = []string{"--log_level", "debug"}
		home := b.TempDir()
		dataset := filepath.Join(home, "flowers")
		plant(b, dataset, []string{"daisy", "lily", "rose", "tulip"}, petals)
		prefer(b, home, map[string]string{"language": "en", "dataset": dataset, "tab": "retrain"})
		p := s.start(home)
		p.click(p.sees("Start"))
		p.until("a run is kept", func() bool {
			runs, err := filepath.Glob(filepath.Join(home, "data", "kaika", "runs", "*", "run.json"))
			return err == nil && len(runs) == 1
		})
		p.still()
		p.close()
		data, err := os.ReadFile(filepath.Join(home, "state", "kaika", "kaika.log"))
		if err != nil {
			b.Fatal(err)
		}
		found := waits.FindSubmatch(data)
		if found == nil {
			b.Fatalf("the log tells of no wait:\n%s", data)
		}
		wait, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			b.Fatal(err)
		}
		longest = max(longest, wait)
	}
	b.ReportMetric(longest*float64(time.Second/time.Millisecond), "ms-longest-wait")
}
