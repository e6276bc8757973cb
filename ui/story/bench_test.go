//go:build linux

package story_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
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

// BenchmarkRetrain retrains in the window, on an X server that draws by the same processors, and reports how long the
// goroutine that draws let others wait: the drawing of frames is part of that. The photos are real ones where they are.
func BenchmarkRetrain(b *testing.B) {
	var w waits
	photos := 0
	for b.Loop() {
		s := newScreen(b, 1280, 800)
		s.args = []string{"--log_level", "debug"}
		home := b.TempDir()
		dataset := filepath.Join(home, "flowers")
		photos = plantFlowers(b, dataset)
		prefer(b, home, map[string]string{"language": "en", "dataset": dataset, "tab": "retrain"})
		p := s.start(home)
		p.click(p.sees("Start"))
		deadline := time.Now().Add(30 * time.Minute)
		for !p.keptRun() {
			if p.alive(); time.Now().After(deadline) {
				b.Fatal("the training does not end")
			}
			time.Sleep(100 * time.Millisecond)
		}
		p.still()
		p.close()
		w.read(b, logOf(home), 0)
	}
	b.ReportMetric(float64(photos), "photos")
	w.report(b)
}

// logOf gives the log of the program of the user whose home this is.
func logOf(home string) string { return filepath.Join(home, "state", "kaika", "kaika.log") }

// keptRun tells whether a run is kept.
func (p *program) keptRun() bool {
	runs, err := filepath.Glob(filepath.Join(p.home, "data", "kaika", "runs", "*", "run.json"))
	return err == nil && len(runs) == 1
}

// plantFlowers plants the real photos of flowers, or drawn ones where those are not, and gives their number.
func plantFlowers(b *testing.B, dataset string) int {
	b.Helper()
	photos := filepath.Join("..", "..", "..", "shared", "data", "flower_photos")
	if _, err := os.Stat(photos); err == nil {
		if err := os.CopyFS(dataset, os.DirFS(photos)); err != nil {
			b.Fatal(err)
		}
	} else {
		b.Logf("drawn photos, for want of real ones: %v", err)
		plant(b, dataset, []string{"daisy", "lily", "rose", "tulip"}, petals)
	}
	return len(photosIn(b, dataset))
}

// BenchmarkScroll turns the wheel over the grid of a dataset of 20,000 photos, for seconds, each way. It reports how many
// different frames the screen showed in a second, how long the goroutine that draws let others wait, and the program's memory.
func BenchmarkScroll(b *testing.B) {
	const photos, turns, pause = 20_000, 600, 10 * time.Millisecond
	dataset := filepath.Join(b.TempDir(), "many")
	plantMany(b, dataset, photos)
	var w waits
	var frames, seconds float64
	var memory map[string]float64
	for b.Loop() {
		s := newScreen(b, 1280, 800)
		s.args = []string{"--log_level", "debug"}
		home := b.TempDir()
		prefer(b, home, map[string]string{"language": "en", "dataset": dataset, "tab": "review"})
		p := s.start(home)
		p.seesWhere("all photos are counted", func(words []word) bool { return len(find(words, "20,000")) > 0 })
		p.still()
		p.moveTo(middle(image.Rectangle{Max: p.size}))
		log, err := os.Stat(logOf(home))
		if err != nil {
			b.Fatal(err)
		}
		seen, began := p.look(), time.Now()
		for _, wheel := range []byte{wheelDown, wheelUp} {
			for range turns {
				p.fake(xproto.ButtonPress, wheel, image.Point{})
				p.fake(xproto.ButtonRelease, wheel, image.Point{})
				if now := p.look(); !bytes.Equal(now.Pix, seen.Pix) {
					seen, frames = now, frames+1
				}
				time.Sleep(pause)
			}
		}
		seconds += time.Since(began).Seconds()
		memory = p.memory()
		p.still()
		p.close()
		w.read(b, logOf(home), log.Size())
	}
	b.ReportMetric(frames/seconds, "frames/s")
	for name, megabytes := range memory {
		b.ReportMetric(megabytes, "MB-"+name)
	}
	w.report(b)
}

// wheelDown and wheelUp are the wheel's turns, as X counts buttons.
const (
	wheelUp   = 4
	wheelDown = 5
)

// plantMany plants so many small photos that no two are alike, in ten labels.
func plantMany(b *testing.B, dataset string, photos int) {
	b.Helper()
	var encoded bytes.Buffer
	img := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for n := range photos {
		label := filepath.Join(dataset, fmt.Sprintf("label %d", n%10))
		if n < 10 {
			if err := os.MkdirAll(label, 0o755); err != nil {
				b.Fatal(err)
			}
		}
		for y := range 48 { // Eight squares a side and their bits: the number can be seen.
			for x := range 64 {
				on := n>>(x/8+8*(y/24))&1 == 1
				shade := color.RGBA{uint8(40 * (n % 6)), uint8(100 + x), uint8(100 + 3*y), 255}
				if on {
					shade = color.RGBA{255, 230, 120, 255}
				}
				img.SetRGBA(x, y, shade)
			}
		}
		encoded.Reset()
		if err := jpeg.Encode(&encoded, img, &jpeg.Options{Quality: 90}); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(label, fmt.Sprintf("%05d.jpg", n)), encoded.Bytes(), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// memory gives what the kernel says of the program's memory, in megabytes: what is resident, now and at most.
func (p *program) memory() map[string]float64 {
	p.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.Fatal(err)
	}
	found := map[string]float64{}
	for _, m := range memoryLine.FindAllSubmatch(status, -1) {
		kib, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			p.Fatal(err)
		}
		found[string(m[1])] = kib * 1024 / 1e6
	}
	if len(found) != 2 {
		p.Fatalf("the kernel tells of no memory:\n%s", status)
	}
	return found
}

var memoryLine = regexp.MustCompile(`(?m)^(VmRSS|VmHWM):\s*(\d+) kB$`)

// waits are those over 50 ms that the program has logged: how long the goroutine that draws let others wait.
type waits struct {
	longest float64 // Seconds; 0 where none was that long.
	many    int
	of      int // Programs whose log was read.
}

var waitLine = regexp.MustCompile(`the window kept us waiting" .*seconds=([0-9.e-]+)`)

// read reads the log of a program, but for what it had written before.
func (w *waits) read(b *testing.B, log string, before int64) {
	b.Helper()
	data, err := os.ReadFile(log)
	if err != nil {
		b.Fatal(err)
	}
	if !bytes.Contains(data, []byte("the longest wait for the window")) {
		b.Fatalf("the log tells of no wait:\n%s", data)
	}
	for _, line := range waitLine.FindAllSubmatch(data[before:], -1) {
		seconds, err := strconv.ParseFloat(string(line[1]), 64)
		if err != nil {
			b.Fatal(err)
		}
		w.longest = max(w.longest, seconds)
		w.many++
	}
	w.of++
}

func (w *waits) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(w.longest*float64(time.Second/time.Millisecond), "ms-longest-wait")
	b.ReportMetric(float64(w.many)/float64(w.of), "waits-over-50ms")
}
