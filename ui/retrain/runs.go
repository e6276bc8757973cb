package retrain

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kaika/core/experiment"
	"kaika/core/trained"
)

// loadRuns reads the kept runs anew.
func (p *presenter) loadRuns() {
	p.background(func(ctx context.Context) func() {
		runs, err := p.store.List(ctx)
		return func() {
			if err != nil {
				p.fail(say("retrain.error.runs"), err)
				return
			}
			p.runs, p.runsLoaded = runs, true
			for id := range p.chosen {
				if !slices.ContainsFunc(runs, func(r experiment.Run) bool { return r.ID == id }) {
					delete(p.chosen, id)
					delete(p.opened, id)
				}
			}
			p.changed(runsPart)
			p.changed(comparePart)
		}
	})
}

// chosenRuns gives the runs that are chosen, the newest first.
func (p *presenter) chosenRuns() []experiment.Run {
	var runs []experiment.Run
	for _, r := range p.runs {
		if p.chosen[r.ID] {
			runs = append(runs, r)
		}
	}
	return runs
}

// choose chooses a run, or no longer. The curves of one that is chosen are read.
func (p *presenter) choose(id string, on bool) {
	if p.chosen[id] == on {
		return
	}
	if on {
		p.chosen[id] = true
		p.open(id)
	} else {
		delete(p.chosen, id)
		delete(p.opened, id)
	}
	p.changed(runsPart)
	p.changed(comparePart)
}

// open reads the curves of a chosen run.
func (p *presenter) open(id string) {
	if p.opening[id] {
		return
	}
	p.opening[id] = true
	p.background(func(context.Context) func() {
		r, err := p.store.Open(id)
		return func() {
			delete(p.opening, id)
			switch {
			case err != nil:
				delete(p.chosen, id)
				p.fail(say("retrain.error.open"), err)
				p.loadRuns()
			case p.chosen[id]:
				p.opened[id] = r
			}
			p.changed(comparePart)
		}
	})
}

// mostCompared is how many runs are compared at once: as many as can be told apart.
const mostCompared = 8

// compared gives the chosen runs whose curves were read, the oldest first, at most mostCompared of them.
func (p *presenter) compared() []experiment.Run {
	var runs []experiment.Run
	for _, r := range p.chosenRuns() {
		if opened, ok := p.opened[r.ID]; ok && len(runs) < mostCompared {
			opened.Name = r.Name // It may have been renamed since.
			runs = append(runs, opened)
		}
	}
	slices.Reverse(runs)
	return runs
}

// showRun opens a kept run and shows it.
func (p *presenter) showRun(id string) {
	p.background(func(context.Context) func() {
		r, err := p.store.Open(id)
		return func() {
			if err != nil {
				p.fail(say("retrain.error.open"), err)
				p.loadRuns()
				return
			}
			p.show(r)
		}
	})
}

// rename sets the user's words on a run.
func (p *presenter) rename(id, name string) {
	p.background(func(context.Context) func() {
		err := p.store.Rename(id, name)
		return func() {
			if err != nil {
				p.fail(say("retrain.error.rename"), err)
			}
			p.loadRuns()
		}
	})
}

// remove deletes kept runs with their models.
func (p *presenter) remove(ids []string) {
	p.background(func(context.Context) func() {
		var failed error
		for _, id := range ids {
			if err := p.store.Delete(id); err != nil && !errors.Is(err, experiment.ErrNoRun) {
				failed = errors.Join(failed, err)
			}
		}
		return func() {
			if failed != nil {
				p.fail(say("retrain.error.delete"), failed)
			}
			if p.result != nil && slices.Contains(ids, p.result.ID) {
				p.result = nil
				p.changed(resultPart)
			}
			p.loadRuns()
		}
	})
}

// export copies a run's model into a folder. An empty one becomes the model; in any other it gets a folder of its own.
func (p *presenter) export(r experiment.Run, folder string) {
	p.exports++
	p.tell(say("retrain.notice.exporting"))
	p.background(func(ctx context.Context) func() {
		to, err := placeFor(folder, filepath.Base(r.Dataset)+"-model")
		if err == nil {
			err = p.store.Export(ctx, r.ID, to)
		}
		return func() {
			p.exports--
			if err != nil {
				p.tell(message{})
				p.fail(say("retrain.error.export"), err)
				return
			}
			p.tell(say("retrain.notice.exported", "Place", to))
		}
	})
}

// placeFor gives the folder itself where it is empty, otherwise a new name in it.
func placeFor(folder, name string) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", fmt.Errorf("looking into the folder: %w", err)
	}
	if len(entries) == 0 {
		return folder, nil
	}
	return unused(folder, name, "")
}

// unused gives a name in a folder that nothing has yet, if need be with a number.
func unused(folder, name, ending string) (string, error) {
	for n := 1; ; n++ {
		path := filepath.Join(folder, name+ending)
		if n > 1 {
			path = filepath.Join(folder, name+"-"+strconv.Itoa(n)+ending)
		}
		switch _, err := os.Lstat(path); {
		case errors.Is(err, fs.ErrNotExist):
			return path, nil
		case err != nil:
			return "", fmt.Errorf("looking into the folder: %w", err)
		}
	}
}

// save writes files into a folder under names that are new there.
func (p *presenter) save(folder string, files []file) {
	p.exports++
	p.background(func(ctx context.Context) func() {
		var written []string
		var failed error
		for _, f := range files {
			path, err := unused(folder, f.name, f.ending)
			if err == nil {
				err = ctx.Err()
			}
			var data []byte
			if err == nil {
				data, err = f.content()
			}
			if err == nil {
				err = trained.WriteFile(path, data)
			}
			if err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			written = append(written, filepath.Base(path))
		}
		return func() {
			p.exports--
			if failed != nil {
				p.fail(say("retrain.error.save"), failed)
				return
			}
			p.tell(say("retrain.notice.saved", "Count", len(written), "Place", folder))
		}
	})
}

// file is a file that is to be written.
type file struct {
	name, ending string
	content      func() ([]byte, error)
}

// curvesCSV gives the points of the curves of runs as a table, a line a point. Its names are those of metrics.jsonl.
func curvesCSV(runs []experiment.Run) ([]byte, error) {
	lines := [][]string{{
		"run", "name", "step", "train_accuracy", "train_cross_entropy", "validation_accuracy", "validation_cross_entropy",
	}}
	optional := func(v *float64) string {
		if v == nil {
			return ""
		}
		return number64(*v)
	}
	for _, r := range runs {
		for _, pt := range r.Points {
			lines = append(lines, []string{
				r.ID, harmless(r.Name), strconv.Itoa(pt.Step), number64(pt.TrainAccuracy), number64(pt.TrainCrossEntropy),
				optional(pt.ValidationAccuracy), optional(pt.ValidationCrossEntropy),
			})
		}
	}
	return table(lines)
}

// runsCSV gives runs as a table, a line a run: its settings by their names in run.json, and its result.
func runsCSV(runs []experiment.Run) ([]byte, error) {
	head := []string{"run", "name", "started"}
	settings := experiment.Compare(runs)
	for _, s := range settings {
		head = append(head, s.Name)
	}
	lines := [][]string{append(head, "train_accuracy", "validation_accuracy", "test_accuracy", "test_low", "test_high", "test_count", "seconds")}
	for i, r := range runs {
		line := []string{r.ID, harmless(r.Name), r.Started.Format(time.RFC3339)}
		for _, s := range settings {
			if text, is := s.Values[i].(string); is {
				line = append(line, harmless(text))
			} else {
				line = append(line, fmt.Sprint(s.Values[i]))
			}
		}
		line = append(line, number64(r.Report.Train.Accuracy))
		if v := r.Report.Validation; v != nil {
			line = append(line, number64(v.Accuracy))
		} else {
			line = append(line, "")
		}
		if t := r.Report.Test; t != nil {
			line = append(line, number64(t.Accuracy), number64(t.Low), number64(t.High), strconv.Itoa(t.Count))
		} else {
			line = append(line, "", "", "", "0")
		}
		lines = append(lines, append(line, number64(r.Report.Seconds.Total)))
	}
	return table(lines)
}

func number64(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// harmless gives a cell of text that no spreadsheet takes for a formula.
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

func table(lines [][]string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("\ufeff") // Else Excel takes the names for another encoding.
	w := csv.NewWriter(&b)
	if err := w.WriteAll(lines); err != nil {
		return nil, fmt.Errorf("writing the table: %w", err)
	}
	return b.Bytes(), nil
}
