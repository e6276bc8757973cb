package ui

import (
	"sync"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/job"
	"kaika/ui/widgets"
)

// status is the line at the foot of the window: the job at work, how far it is, and Cancel.
type status struct {
	f           *Frame
	unsubscribe []func()

	mu      sync.Mutex
	pending bool // A redraw is on its way to the goroutine that draws.

	text     *widget.Label
	progress *widget.ProgressBar
	cancel   *widgets.Button
	ended    func() string // What the last job came to, or what the frame says, in the language of the moment.
}

func newStatus(f *Frame) *status {
	s := &status{f: f, ended: func() string { return "" }}
	for _, r := range []*job.Runner{f.jobs, f.answers} {
		s.unsubscribe = append(s.unsubscribe, r.Subscribe(s.changed))
	}
	return s
}

// Close ends the subscriptions.
func (s *status) Close() {
	for _, unsubscribe := range s.unsubscribe {
		unsubscribe()
	}
}

// changed is called from the jobs' goroutines.
func (s *status) changed(state job.State) {
	s.mu.Lock()
	again := s.pending && state.Running
	s.pending = true
	s.mu.Unlock()
	if again {
		return
	}
	s.f.p.Dispatch(func() {
		s.mu.Lock()
		s.pending = false
		s.mu.Unlock()
		if !state.Running {
			s.ended = func() string { return s.outcome(state) }
		}
		s.refresh()
		s.f.askAgain()
	})
}

// build makes the line's widgets.
func (s *status) build() fyne.CanvasObject {
	s.text = widget.NewLabel("")
	s.text.Truncation = fyne.TextTruncateEllipsis
	s.progress = widgets.NewProgressBar()
	s.cancel = widgets.NewButton(s.f.tx.T("kit.cancel"), theme.CancelIcon(), s.f.cancelJob)
	bars := container.New(layout.NewGridWrapLayout(fyne.NewSize(160, s.cancel.MinSize().Height)), s.progress)
	line := container.NewBorder(widget.NewSeparator(), nil, nil, container.NewHBox(bars, s.cancel), s.text)
	s.refresh()
	return line
}

// say shows words until the next job.
func (s *status) say(words func() string) {
	s.ended = words
	s.refresh()
}

func (s *status) refresh() {
	state := s.f.jobs.State()
	if !state.Running {
		state = s.f.answers.State()
	}
	if !state.Running || s.f.closing {
		s.text.SetText(s.ended())
		s.progress.Hide()
		s.cancel.Hide()
		return
	}
	s.text.SetText(s.words(state))
	s.cancel.Show()
	if state.Cancelling || state.Final {
		s.cancel.Disable()
	} else {
		s.cancel.Enable()
	}
	if state.Total <= 0 {
		// Words are enough. An endless bar would have the whole window drawn sixty times a second, while the processor is
		// needed for the job.
		s.progress.Hide()
		return
	}
	s.progress.Max = float64(state.Total)
	s.progress.SetValue(float64(min(state.Done, state.Total)))
	s.progress.Show()
}

// title names a kind of job.
func (s *status) title(kind string) string {
	tx := s.f.tx
	switch kind {
	case "retrain":
		return tx.T("frame.job.retrain")
	case "collect":
		return tx.T("frame.job.collect")
	case "classify":
		return tx.T("frame.job.classify")
	case "fetch_base":
		return tx.T("frame.job.fetchBase")
	case jobExample:
		return tx.T("frame.job.example")
	default:
		return tx.T("frame.job.other")
	}
}

// phase names a phase of a job, or gives nothing.
func (s *status) phase(phase string) string {
	tx := s.f.tx
	switch phase {
	case "starting":
		return tx.T("frame.phase.starting")
	case "fetching":
		return tx.T("frame.phase.fetching")
	case "features":
		return tx.T("frame.phase.features")
	case "views":
		return tx.T("frame.phase.views")
	case "training":
		return tx.T("frame.phase.training")
	case "comparing":
		return tx.T("frame.phase.comparing")
	case "writing":
		return tx.T("frame.phase.writing")
	default:
		return ""
	}
}

// words tell of a running job: what it is, how far it is, and how long it will take.
func (s *status) words(state job.State) string {
	tx := s.f.tx
	words := s.title(state.Kind)
	if state.Cancelling && !state.Final {
		return tx.T("frame.job.cancelling", "Job", words)
	}
	if phase := s.phase(state.Phase); phase != "" {
		words = tx.T("frame.job.phase", "Job", words, "Phase", phase)
	}
	if state.Total <= 0 {
		return words
	}
	done, total := tx.Number(int(state.Done)), tx.Number(int(state.Total))
	if state.Kind == jobExample || state.Phase == "fetching" {
		done, total = tx.Bytes(state.Done), tx.Bytes(state.Total)
	}
	words = tx.T("frame.job.progress", "Job", words, "Done", done, "Total", total)
	if left, ok := state.Left(time.Since(state.PhaseBegan)); ok {
		words = tx.T("frame.job.left", "Job", words, "Left", tx.Duration(left))
	}
	return words
}

// outcome tells how a job ended; what came of it stands in its tab.
func (s *status) outcome(state job.State) string {
	words := s.title(state.Kind)
	switch {
	case state.Err == nil:
		return s.f.tx.T("frame.job.done", "Job", words)
	case isCancelled(state.Err):
		return s.f.tx.T("frame.job.cancelled", "Job", words)
	default:
		return s.f.tx.T("frame.job.failed", "Job", words)
	}
}
