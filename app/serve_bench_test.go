package app

import (
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"kaika/core/classify"
	"kaika/core/picture/picturetest"
)

// BenchmarkServe measures photos a second of 1, 8 and 64 callers that each ask for one photo at a time through serve.Models, against
// classify.Files on the same files. The two take turns, so that a machine whose speed drifts does not favour one; the
// figures are medians over the rounds (-benchtime 5x). The callers read the files themselves, as Files does.
func BenchmarkServe(b *testing.B) {
	files, err := filepath.Glob(benchmarkPhotos + "/*/*.jpg")
	if err != nil || len(files) == 0 {
		b.Skip("there are no real photos to measure with")
	}
	files = files[:min(len(files), 200)]
	u := newUser(b)
	dir := filepath.Join(b.TempDir(), "model")
	u.retrain(picturetest.Dataset(b, 10, "rose", "tulip"), dir, "--input_size", "288") // What it learns costs nothing.
	engine := realEngine(b)
	models := serving(b, engine, "")
	if err := models.Serve(b.Context(), "flowers", dir); err != nil {
		b.Fatal(err)
	}
	model, err := models.Get("flowers", 0)
	if err != nil {
		b.Fatal(err)
	}
	one := func() float64 {
		began := time.Now()
		err := model.Files(b.Context(), files, nil, func(a classify.Answer) error {
			if a.Error != nil {
				b.Error(*a.Error)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		return float64(len(files)) / time.Since(began).Seconds()
	}
	many := func(callers int) (perSecond float64, waits []time.Duration) {
		began := time.Now()
		queue := make(chan string)
		var group sync.WaitGroup
		var mu sync.Mutex
		for range callers {
			group.Go(func() {
				for file := range queue {
					asked := time.Now()
					answers, err := model.Classify(b.Context(), encoded(b, []string{file}))
					if err != nil || answers[0].Error != nil {
						b.Error(answers, err)
					}
					mu.Lock()
					waits = append(waits, time.Since(asked))
					mu.Unlock()
				}
			})
		}
		for _, file := range files {
			queue <- file
		}
		close(queue)
		group.Wait()
		slices.Sort(waits)
		return float64(len(files)) / time.Since(began).Seconds(), waits
	}
	one() // Warm.
	for _, callers := range []int{1, 8, 64} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) {
			var batch, single, ratio, middle, last []float64
			for b.Loop() {
				f := one()
				s, waits := many(callers)
				batch, single, ratio = append(batch, f), append(single, s), append(ratio, s/f)
				middle, last = append(middle, waits[len(waits)/2].Seconds()), append(last, waits[len(waits)*99/100].Seconds())
			}
			for unit, all := range map[string][]float64{
				"photos/s-files": batch, "photos/s-callers": single, "callers/files": ratio, "s-p50": middle, "s-p99": last,
			} {
				slices.Sort(all)
				b.ReportMetric(all[len(all)/2], unit)
			}
		})
	}
}
