package classify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"kaika/core/classify"
	"kaika/core/job"
	"kaika/core/thumb"
	"kaika/core/trained"
)

// run is one job: first it lists what was dropped, then it classifies what waits.
type run struct {
	args    []string // To be listed.
	waiting []string // To be classified after what is listed.
	model   *inUse   // Or nil, when there is none yet.
	began   time.Time
	void    bool // The list was cleared meanwhile.
	ending  bool // It was asked to stop.

	mu       sync.Mutex
	listed   []string // The photos among args, once isListed.
	isListed bool
	answered []*row
}

// drop takes files and folders to be classified, the newest before what waits already.
func (p *presenter) drop(paths []string) {
	paths = slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return path == "" })
	for i, path := range paths {
		if path == classify.Stdin {
			paths[i] = "." + string(filepath.Separator) + path // A file of that name.
		}
	}
	if len(paths) == 0 || p.closed {
		return
	}
	p.shownFirst()
	p.inbox = append(p.inbox, paths...)
	p.notice = nil
	p.start()
	p.changed()
}

// jobKind is the kind of the jobs of this tab.
const jobKind = "classify"

// start begins a job with what there is to do. The job at work, if any, makes way for it: it may have a long list, and
// the user waits for what was dropped last.
func (p *presenter) start() {
	if p.run != nil {
		p.again, p.run.ending = true, true
		p.jobs.Cancel()
		return
	}
	if len(p.inbox) == 0 && (len(p.waiting) == 0 || p.model == nil) {
		return
	}
	p.again = false
	r := &run{args: slices.Clone(p.inbox), waiting: slices.Clone(p.waiting), model: p.model}
	p.run = r
	p.work.Add(1)
	if err := p.jobs.Start(jobKind, func(ctx context.Context, report func(job.Progress)) error {
		defer p.work.Done()
		return r.do(ctx, report)
	}); err != nil {
		p.work.Done()
		p.run = nil
		p.failed(classifyProblem, err)
		return
	}
	r.began = p.jobs.State().Began
}

// do is what the job does, in a goroutine of its own.
func (r *run) do(ctx context.Context, report func(job.Progress)) error {
	todo := r.waiting
	if len(r.args) > 0 {
		report(job.Progress{Phase: "listing"})
		files, err := classify.List(ctx, r.args)
		if err != nil {
			return err
		}
		todo = firstOfEach(append(files, r.waiting...))
		r.mu.Lock()
		r.listed, r.isListed = files, true
		r.mu.Unlock()
	}
	if r.model == nil || len(todo) == 0 {
		return nil
	}
	place := make(map[string]int32, len(r.model.Labels))
	for i, label := range r.model.Labels {
		place[label] = int32(i)
	}
	done, total := int64(0), int64(len(todo))
	report(job.Progress{Phase: "classifying", Total: total})
	err := r.model.Files(ctx, todo, nil, func(a classify.Answer) error {
		answered := newRow(a, place)
		r.mu.Lock()
		r.answered = append(r.answered, answered)
		r.mu.Unlock()
		done++
		report(job.Progress{Phase: "classifying", Done: done, Total: total})
		return nil
	})
	if _, gone := os.Stat(r.model.GraphPath); err != nil && errors.Is(gone, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", trained.ErrNoModel, err) // Trying again would not help.
	}
	return err
}

// newRow gives the row of an answer. It looks at the file, for its thumbnail.
func newRow(a classify.Answer, place map[string]int32) *row {
	r := &row{path: a.File, name: displayed(filepath.Base(a.File)), unknown: a.Unknown, reason: a.Reason, key: thumb.Key{Path: a.File}}
	if info, err := os.Stat(a.File); err == nil {
		r.key.Size, r.key.ModTime = info.Size(), info.ModTime()
	}
	if a.Error != nil {
		r.failure = *a.Error
		return r
	}
	r.ranks = make([]rank, len(a.Predictions))
	for i, prediction := range a.Predictions {
		r.ranks[i] = rank{place[prediction.Label], prediction.Score}
	}
	return r
}

// firstOfEach leaves out what came before.
func firstOfEach(paths []string) []string {
	seen := make(map[string]bool, len(paths))
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		before := seen[path]
		seen[path] = true
		return before
	})
}

// observe is called with the states of jobs, from their goroutines, at most ten times a second while one runs.
func (p *presenter) observe(s job.State) {
	if s.Kind != jobKind {
		return
	}
	if !s.Running {
		p.post(func() {
			if p.run != nil && p.run.began.Equal(s.Began) { // The end of a job may be told twice.
				p.ended(s.Err)
			}
		})
		return
	}
	if p.drained.CompareAndSwap(false, true) { // One is enough, however slow the window is.
		p.post(func() {
			p.drained.Store(false)
			p.drain()
			p.changed()
		})
	}
}

// drain takes what the job has found since the last time.
func (p *presenter) drain() {
	r := p.run
	if r == nil || r.void {
		return
	}
	r.mu.Lock()
	listed, isListed, answered := r.listed, r.isListed, r.answered
	r.isListed, r.answered = false, nil
	r.mu.Unlock()
	if isListed {
		p.listed(r.args, listed)
	}
	if len(answered) > 0 && r.model == p.model {
		p.answered(answered)
	}
}

// listed takes the photos that were found in what was dropped.
func (p *presenter) listed(args, files []string) {
	files = firstOfEach(files)
	p.inbox = p.inbox[len(args):]
	if len(files) == 0 {
		p.notice = &notice{kind: noticeNoPhotos, name: displayed(filepath.Base(args[0])), count: len(args)}
		return
	}
	anew := make(map[string]bool, len(files))
	for _, file := range files {
		anew[file] = true
	}
	isAnew := func(path string) bool { return anew[path] }
	p.rows = slices.DeleteFunc(p.rows, func(r *row) bool { return anew[r.path] })
	for _, file := range files {
		delete(p.byPath, file)
	}
	p.waiting = append(slices.Clone(files), slices.DeleteFunc(p.waiting, isAnew)...)
	p.filter = filter{}
	p.arrange()
	if anew[p.shot.path] {
		p.shot = shot{} // The file may have changed since.
		p.loadShot()
	}

	p.large = len(files) == 1 && len(args) == 1
	if p.large || p.current == "" && len(p.rows)+len(p.waiting) == 1 {
		p.large = true
		p.look(files[0])
	}
}

// answered takes rows that are new.
func (p *presenter) answered(rows []*row) {
	done := make(map[string]bool, len(rows))
	for _, r := range rows {
		done[r.path] = true
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(path string) bool { return done[path] })
	for _, r := range rows {
		r.arrived = p.arrivals
		p.arrivals++
		p.rows = append(p.rows, r)
		p.byPath[r.path] = r
	}
	p.arrange()
	if p.current == "" && len(p.shown) > 0 {
		p.pick(0)
	}
}

// ended is called when the job at work has come to its end.
func (p *presenter) ended(err error) {
	p.drain()
	p.run = nil
	if p.again {
		p.start()
	} else if err != nil && !errors.Is(err, context.Canceled) {
		p.failed(classifyProblem, err)
	}
	p.changed()
}

// cancel stops the job at work. What it has not come to stays and can be continued with start.
func (p *presenter) cancel() {
	p.again = false
	if p.run != nil {
		p.run.ending = true
	}
	p.jobs.Cancel()
	p.changed()
}

// clear empties the list. Nothing is done to the files.
func (p *presenter) clear() {
	p.cancel()
	if p.run != nil {
		p.run.void = true
	}
	p.inbox, p.waiting, p.rows, p.byPath, p.notice = nil, nil, nil, map[string]*row{}, nil
	p.filter, p.large, p.current, p.anchor = filter{}, false, "", ""
	clear(p.selected)
	p.arrange()
	p.loadShot()
	p.changed()
}
