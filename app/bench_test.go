package app

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// benchmarkPhotos is a folder of label folders with real photos, beside the project.
const benchmarkPhotos = "../../shared/data/flower_photos"

// measured is what one run of the program took.
type measured struct {
	seconds float64
	peakMB  float64 // Of the largest of its processes.
}

// measure runs the built program with folders of its own below home.
func measure(b *testing.B, home string, args ...string) measured {
	b.Helper()
	program, err := filepath.Abs("../build/kaika")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		b.Skip("the program is not built: run make build")
	}
	cmd := exec.CommandContext(b.Context(), program, args...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+home+"/cache", "XDG_DATA_HOME="+home+"/data", "XDG_STATE_HOME="+home+"/state")
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("kaika %v: %v\n%s", args, err, out)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		b.Fatal("this system does not tell the memory of a process")
	}
	return measured{time.Since(began).Seconds(), float64(usage.Maxrss) / 1024}
}

// medianRun runs the program several times.
func medianRun(b *testing.B, home string, args ...string) measured {
	b.Helper()
	const runs = 5
	all := make([]measured, runs)
	for i := range all {
		all[i] = measure(b, home, args...)
	}
	slices.SortFunc(all, func(x, y measured) int { return int(1e6 * (x.seconds - y.seconds)) })
	return all[runs/2]
}

// BenchmarkProgram measures whole runs of the program on 1,202 real photos: training without and with known features,
// what 500 steps add to a training of one, cross-validation, and the time to an answer.
func BenchmarkProgram(b *testing.B) {
	photos, err := filepath.Glob(benchmarkPhotos + "/*/*.jpg")
	if err != nil || len(photos) == 0 {
		b.Skip("there are no real photos to measure with")
	}
	for b.Loop() {
		home := b.TempDir()
		model := filepath.Join(home, "model")
		retrain := []string{"retrain", "--image_dir", benchmarkPhotos, "--output_dir", model, "--json", "--how_many_training_steps"}
		cold := measure(b, home, append(retrain, "500")...)
		warm := medianRun(b, home, append(retrain, "500")...)
		one := medianRun(b, home, append(retrain, "1")...)
		defaults := medianRun(b, home, append(retrain, "4000")...)
		folds := medianRun(b, home, "evaluate", "--image_dir", benchmarkPhotos, "--json")
		answer := medianRun(b, home, "classify", "--model", model, photos[0])
		folder := medianRun(b, home, "classify", "--model", model, "--json", benchmarkPhotos)
		b.ReportMetric(cold.seconds, "s-retrain-cold")
		b.ReportMetric(cold.peakMB, "MB-retrain-cold")
		b.ReportMetric(warm.seconds, "s-retrain-warm")
		b.ReportMetric(warm.seconds-one.seconds, "s-500-steps")
		b.ReportMetric(defaults.seconds, "s-retrain-4000-steps-warm")
		b.ReportMetric(folds.seconds, "s-evaluate-5-folds-warm")
		b.ReportMetric(answer.seconds, "s-classify-one")
		b.ReportMetric(float64(len(photos))/folder.seconds, "photos/s-classify-folder")
	}
}

// BenchmarkMemory measures the peak memory of a training on 1,202 and on 10,000 different photos. Beyond the features,
// 5 kB a photo, it must not grow with their number.
func BenchmarkMemory(b *testing.B) {
	photos, err := filepath.Glob(benchmarkPhotos + "/*/*.jpg")
	if err != nil || len(photos) == 0 {
		b.Skip("there are no real photos to measure with")
	}
	for b.Loop() {
		for _, count := range []int{1202, 10000} {
			home := b.TempDir()
			dir := filepath.Join(home, "photos")
			for i := range count {
				from := photos[i%len(photos)]
				data, err := os.ReadFile(from)
				if err != nil {
					b.Fatal(err)
				}
				label := filepath.Join(dir, filepath.Base(filepath.Dir(from)))
				if err := os.MkdirAll(label, 0o700); err != nil {
					b.Fatal(err)
				}
				// What follows the end of a JPEG is not looked at, but makes another content of it.
				if err := os.WriteFile(filepath.Join(label, fmt.Sprintf("%d.jpg", i)), strconv.AppendInt(data, int64(i), 10), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			m := measure(b, home, "retrain", "--image_dir", dir, "--output_dir", filepath.Join(home, "model"), "--how_many_training_steps", "500", "--json")
			b.ReportMetric(m.peakMB, fmt.Sprintf("MB-peak-%d-photos", count))
			b.ReportMetric(m.seconds, fmt.Sprintf("s-%d-photos", count))
		}
	}
}
