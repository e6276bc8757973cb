package retrain

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/experiment"
	"kaika/core/feature"
	"kaika/core/job"
	"kaika/core/thumb"
	"kaika/core/train"
)

// part is a part of the state that changed.
type part int

const (
	settingsPart part = iota // Settings and what is wrong with them.
	datasetPart              // Whether there is a dataset to train with.
	basesPart
	runningPart  // A training began or ended.
	progressPart // It went on; at most ten times a second.
	resultPart   // Another run is shown.
	thumbsPart   // The files of its mistakes were found.
	runsPart     // The kept runs, and which of them are chosen.
	comparePart  // The runs that are compared.
	noticePart
)

// parts is how many there are.
const parts = int(noticePart) + 1

// presenter holds the tab's state. Its fields and methods belong to the window's goroutine, but for live, which a training
// writes to.
type presenter struct {
	trainer  Trainer
	jobs     Jobs
	store    *experiment.Store
	prefs    Preferences
	dispatch func(func())
	log      *slog.Logger

	// The view's; it is another after a change of language.
	redraw func(part)
	failed func(sentence message, err error)

	kept func(dir string) // Is told of each new model.

	seen  bool        // The tab is at the front.
	stale [parts]bool // What changed since it was seen last.

	library     Library
	unsubscribe func()
	fitness     fitness
	few         []curate.LabelCount // Labels of too few photos, for fewPhotos.
	counting    *pulse              // Changes of the dataset.

	bases       []Base
	basesLoaded bool
	settings    settings
	wrong       map[string]message // What is wrong with what was typed, by the setting's key.
	typed       map[string]string  // What that was.

	live    *live       // nil unless this tab has a job at work.
	pending atomic.Bool // A redraw of its progress is on its way to the window.
	forget  func()      // Ends the subscription to jobs.
	started bool        // TensorFlow has been seen to work.
	notice  message

	result     *experiment.Run      // The run that is shown, with points and answers.
	thumbs     map[string]thumb.Key // The files of its mistakes, by their paths; nil until they were looked up.
	runs       []experiment.Run
	runsLoaded bool
	chosen     map[string]bool           // IDs of the runs that are chosen.
	opened     map[string]experiment.Run // Those of them that were opened for their curves.
	opening    map[string]bool
	exports    int // Exports that go on.

	ctx    context.Context // Of everything in the background; ends with close.
	cancel context.CancelFunc
	work   sync.WaitGroup
	closed bool
}

func newPresenter(p Params) *presenter {
	ctx, cancel := context.WithCancel(context.Background())
	r := &presenter{
		trainer: p.Trainer, jobs: p.Jobs, store: p.Store, prefs: p.Preferences, dispatch: p.Dispatch, log: p.Log,
		redraw: func(part) {}, failed: func(message, error) {}, kept: func(string) {},
		settings: loadSettings(p.Preferences.String(preferencesKey)), wrong: map[string]message{}, typed: map[string]string{},
		chosen: map[string]bool{}, opened: map[string]experiment.Run{}, opening: map[string]bool{},
		ctx: ctx, cancel: cancel, fitness: noDataset,
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if p.Kept != nil {
		r.kept = p.Kept
	}
	r.counting = &pulse{fire: func() { r.later(r.count) }}
	r.forget = p.Jobs.Subscribe(r.observe)
	return r
}

// observe is called with the states of jobs, from their goroutines, at most ten times a second while one runs and at the
// same moments as the window's status line.
func (p *presenter) observe(s job.State) {
	if s.Kind != JobTrain && s.Kind != JobFetch || !s.Running || p.pending.Swap(true) {
		return // One is enough, however slow the window is.
	}
	p.later(func() {
		p.pending.Store(false)
		if p.live != nil {
			p.changed(progressPart)
		}
	})
}

// close ends what goes on in the background and waits for it. A training is the job runner's to end.
func (p *presenter) close() {
	if p.closed {
		return
	}
	p.closed = true
	if p.unsubscribe != nil {
		p.unsubscribe()
	}
	p.forget()
	p.counting.end()
	p.cancel()
	p.work.Wait()
}

// changed shows a part of the state as it is now, or when the tab comes into sight.
func (p *presenter) changed(what part) {
	if p.stale[what] = !p.seen; p.seen {
		p.redraw(what)
	}
}

// later runs f on the window's goroutine, unless the tab is closed by then.
func (p *presenter) later(f func()) {
	p.dispatch(func() {
		if !p.closed {
			f()
		}
	})
}

// background runs work beside the window. What it gives runs on the window's goroutine.
func (p *presenter) background(work func(ctx context.Context) (then func())) {
	if p.closed {
		return
	}
	p.work.Go(func() { p.later(work(p.ctx)) })
}

// tell shows a sentence until the next.
func (p *presenter) tell(m message) {
	p.notice = m
	p.changed(noticePart)
}

// fail tells of an error, unless it is that something was cancelled.
func (p *presenter) fail(sentence message, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	p.log.Warn("the Retrain tab", "error", err)
	p.failed(sentence, err)
}

// setLibrary takes another dataset, or none.
func (p *presenter) setLibrary(l Library) {
	if p.unsubscribe != nil {
		p.unsubscribe()
		p.unsubscribe = nil
	}
	p.library = l
	if l != nil {
		p.unsubscribe = l.Subscribe(func(curate.Change) { p.counting.beat() })
	}
	p.count()
}

// count judges the dataset anew.
func (p *presenter) count() {
	p.fitness, p.few = noDataset, nil
	if p.library != nil {
		p.fitness, p.few = assess(p.library.Labels())
	}
	p.changed(datasetPart)
}

// hidden is called when the tab goes out of sight: from now on nothing is drawn.
func (p *presenter) hidden() {
	p.seen = false
	p.stale[progressPart] = p.live != nil // It goes on meanwhile.
}

// shown is called when the tab comes into sight: what changed meanwhile is drawn, and what other programs changed is read
// anew.
func (p *presenter) shown() {
	p.seen = true
	for what, stale := range p.stale {
		if stale {
			p.changed(part(what))
		}
	}
	p.loadBases()
	p.loadRuns()
}

func (p *presenter) loadBases() {
	p.background(func(ctx context.Context) func() {
		bases, err := p.trainer.Bases(ctx)
		return func() {
			if err != nil {
				p.fail(say("retrain.error.bases"), err)
				return
			}
			p.bases, p.basesLoaded = bases, true
			if _, known := p.base(); !known && len(bases) > 0 {
				p.settings.Base = bases[0].Name
			}
			p.check()
			p.changed(basesPart)
		}
	})
}

// base gives the base model that is chosen.
func (p *presenter) base() (Base, bool) {
	i := slices.IndexFunc(p.bases, func(b Base) bool { return b.Name == p.settings.Base })
	if i < 0 {
		return Base{}, false
	}
	return p.bases[i], true
}

// setBase chooses a base model.
func (p *presenter) setBase(name string) {
	p.settings.Base = name
	p.settled()
	p.changed(basesPart)
}

// variations are the settings that are typed of how copies of a photo differ from it.
var variations = []string{"random_crop", "random_scale", "random_brightness", "random_rotation"}

// setNumber takes what was typed for a setting.
func (p *presenter) setNumber(key, text string) {
	i := slices.IndexFunc(numbers, func(n number) bool { return n.key == key })
	if problem, ok := numbers[i].set(&p.settings, text); !ok {
		p.wrong[key], p.typed[key] = problem, text
	} else {
		delete(p.wrong, key)
		if slices.Contains(variations, key) {
			p.varied()
		}
	}
	p.settled()
}

// text gives what the entry of a setting shows: what was typed stays while it is wrong, to be corrected.
func (p *presenter) text(n number) string {
	if _, wrong := p.wrong[n.key]; wrong {
		return p.typed[n.key]
	}
	return n.text(&p.settings)
}

// setChoice takes a setting that is one of a few words.
func (p *presenter) setChoice(key, value string) {
	i := slices.IndexFunc(choices, func(c choice) bool { return c.key == key })
	*choices[i].of(&p.settings) = value
	p.settled()
}

// setFlip switches mirroring.
func (p *presenter) setFlip(on bool) {
	p.settings.Params.Augmentation.Flip = on
	p.varied()
	p.settled()
}

// varied sees to it that a variation that was asked for is made: without copies there is none.
func (p *presenter) varied() {
	a := &p.settings.Params.Augmentation
	if a.Views > 0 || !a.Varies() {
		return
	}
	if a.Views = presets[presetFlip].Views; *a != presets[presetFlip] {
		a.Views = feature.DefaultViews
	}
}

// setPreset takes a simple choice of augmentation; the custom one changes nothing.
func (p *presenter) setPreset(name preset) {
	if a, known := presets[name]; known {
		p.settings.Params.Augmentation = a
		delete(p.wrong, "augmented_views")
		for _, key := range variations {
			delete(p.wrong, key)
		}
	}
	p.settled()
}

// reset takes the defaults for all settings.
func (p *presenter) reset() {
	p.settings = defaultSettings()
	if len(p.bases) > 0 {
		p.settings.Base = p.bases[0].Name
	}
	clear(p.wrong)
	p.settled()
	p.changed(basesPart)
}

// settled checks and keeps the settings after a change.
func (p *presenter) settled() {
	p.check()
	if len(p.wrong) == 0 {
		kept, err := p.settings.keep()
		if err != nil {
			p.log.Warn("the settings cannot be kept", "error", err)
		} else {
			p.prefs.SetString(preferencesKey, kept)
		}
	}
	p.changed(settingsPart)
}

// percentages is the key of what is wrong with two settings together.
const percentages = "percentages"

// check looks at settings that depend on each other.
func (p *presenter) check() {
	if b, known := p.base(); known && !b.AnySize {
		delete(p.wrong, "input_size") // It has no such setting, and shows none.
	}
	delete(p.wrong, percentages)
	if p.settings.Params.TestingPercentage+p.settings.Params.ValidationPercentage >= 100 {
		p.wrong[percentages] = say("retrain.problem.percentages")
	}
}

// startable tells whether a training can be started; if not, why.
func (p *presenter) startable() (reason message, ok bool) {
	b, known := p.base()
	switch {
	case p.live != nil:
		return message{}, false
	case p.fitness == noDataset:
		return say("retrain.unfit.none"), false
	case p.fitness == noLabels:
		return say("retrain.unfit.no_labels"), false
	case p.fitness == oneLabel:
		return say("retrain.unfit.one_label"), false
	case len(p.wrong) > 0:
		return say("retrain.unfit.settings"), false
	case !p.basesLoaded:
		return say("retrain.bases.loading"), false
	case !known:
		return say("retrain.bases.none"), false
	case b.Problem != "":
		return say("retrain.base.damaged"), false
	}
	return message{}, true
}

// request gives the training that the settings ask for.
func (p *presenter) request(b Base) Request {
	r := Request{Base: b.Name, InputSize: p.settings.InputSize, Precision: p.settings.Precision, Params: p.settings.Params}
	if !b.AnySize {
		r.InputSize = 0
	}
	r.Params.ImageDir = p.library.Dir()
	return r
}

// start begins a training. A base model that is not on this machine is fetched first.
func (p *presenter) start() {
	if _, ok := p.startable(); !ok {
		return
	}
	base, _ := p.base()
	request, run := p.request(base), p.store.New()
	request.Params.OutputDir = run.Dir
	l := &live{kind: JobTrain, stop: make(chan struct{})}
	p.begin(l, func(ctx context.Context, report func(job.Progress)) error {
		err := p.train(ctx, l, base, request, &run, report)
		p.later(func() { p.trained(run, err) })
		return err
	})
}

// begin starts a job of this tab's.
func (p *presenter) begin(l *live, run func(ctx context.Context, report func(job.Progress)) error) {
	p.live, p.notice = l, message{}
	err := p.jobs.StartStoppable(l.kind, l.quit, func(ctx context.Context, report func(job.Progress)) (err error) {
		ctx, cancel := l.begin(ctx)
		defer cancel()
		ended := false
		defer func() {
			if !ended { // A panic, which the job runner tells of.
				p.later(func() { p.ended(); p.fail(say("retrain.error.failed"), errBroken) })
			}
		}()
		err = run(ctx, report)
		ended = true
		return err
	})
	switch {
	case errors.Is(err, job.ErrBusy):
		p.live = nil
		p.failed(say("retrain.error.busy"), err)
	case err != nil:
		p.live = nil
		p.fail(say("retrain.error.failed"), err)
	}
	p.changed(runningPart)
	p.changed(noticePart)
}

// errBroken stands for a panic, whose words are the job runner's to tell.
var errBroken = errors.New("a mistake in Kaika stopped this job; the log file tells where")

// train does the work of a training, in the job's goroutine.
func (p *presenter) train(
	ctx context.Context, l *live, base Base, request Request, run *experiment.Run, report func(job.Progress),
) error {
	if !base.Installed {
		if err := p.fetch(ctx, l, base.Name, report); err != nil {
			return err
		}
	}
	report(l.advance(job.Progress{Phase: PhaseStarting}))
	result, network, err := p.trainer.Train(ctx, request, l.stop, func(e train.Event) {
		report(l.observe(e))
	})
	if err != nil {
		return err
	}
	run.Dataset, run.Params, run.Base, run.Report = request.Params.ImageDir, request.Params, network, result
	kept, err := p.store.Keep(*run)
	if err != nil {
		run.Points, run.Answers = l.snapshot().points, result.Answers
		return err
	}
	*run = kept
	return nil
}

// fetchError is an error of fetching a base model.
type fetchError struct{ error }

func (e fetchError) Unwrap() error { return e.error }

func (p *presenter) fetch(ctx context.Context, l *live, name string, report func(job.Progress)) error {
	report(l.advance(job.Progress{Phase: PhaseFetching}))
	err := p.trainer.FetchBase(ctx, name, func(step string, done, total int64) {
		report(l.advance(job.Progress{Phase: PhaseFetching, Part: step, Done: done, Total: total}))
	})
	if err != nil {
		return fetchError{err}
	}
	return nil
}

// trained takes the end of a training. A run with a report has a model, also where it could not be added to the list.
func (p *presenter) trained(run experiment.Run, err error) {
	progress := p.live.snapshot()
	p.started = p.started || (progress.Phase != "" && progress.Phase != PhaseStarting && progress.Phase != PhaseFetching)
	p.ended()
	if run.Report != nil {
		p.show(run)
		p.kept(run.Dir)
	}
	switch {
	case errors.Is(err, context.Canceled):
		p.tell(stoppedWords(progress.Phase))
	case err != nil:
		p.fail(failure(run, err), err)
	case run.Report.Steps < run.Params.Steps && progress.stopping:
		p.tell(say("retrain.notice.stopped", "Step", run.Report.Steps))
	default:
		p.tell(say("retrain.notice.done"))
	}
	p.loadRuns()
	p.loadBases()
}

// stoppedWords tells what is kept of a training that was stopped in a phase before it had a model.
func stoppedWords(phase string) message {
	switch phase {
	case PhaseFetching:
		return say("retrain.notice.fetch_stopped")
	case "", PhaseStarting:
		return say("retrain.notice.not_begun")
	case string(train.Features), string(train.Views):
		return say("retrain.notice.features_kept")
	}
	return say("retrain.notice.cancelled")
}

// failure finds the sentence for an error of a training.
func failure(run experiment.Run, err error) message {
	var fetching fetchError
	switch {
	case run.Report != nil:
		return say("retrain.error.not_kept", "Dir", run.Dir)
	case errors.As(err, &fetching):
		return say("retrain.error.fetch")
	case errors.Is(err, dataset.ErrNoFolder):
		return say("retrain.error.no_folder")
	case errors.Is(err, dataset.ErrNoLabels):
		return say("retrain.unfit.no_labels")
	case errors.Is(err, dataset.ErrOneLabel):
		return say("retrain.unfit.one_label")
	case errors.Is(err, dataset.ErrLabelName):
		return say("retrain.error.label_name")
	case errors.Is(err, dataset.ErrLabelClash):
		return say("retrain.error.label_clash")
	case errors.Is(err, train.ErrTooFew):
		return say("retrain.error.too_few")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return say("retrain.error.full")
	}
	return say("retrain.error.failed")
}

// ended takes the end of a job of this tab's.
func (p *presenter) ended() {
	p.live = nil
	p.changed(runningPart)
}

// fetchBase brings the chosen base model to this machine.
func (p *presenter) fetchBase() {
	base, known := p.base()
	if !known || p.live != nil {
		return
	}
	l := &live{kind: JobFetch, stop: make(chan struct{})}
	p.begin(l, func(ctx context.Context, report func(job.Progress)) error {
		err := p.fetch(ctx, l, base.Name, report)
		p.later(func() {
			p.ended()
			switch {
			case errors.Is(err, context.Canceled):
				p.tell(say("retrain.notice.fetch_stopped"))
			case err != nil:
				p.fail(say("retrain.error.fetch"), err)
			default:
				p.tell(say("retrain.notice.fetched", "Title", baseName(base.Name)))
			}
			p.loadBases()
		})
		return err
	})
}

// stop stops what this tab has at work.
func (p *presenter) stop() {
	if p.live == nil {
		return
	}
	p.jobs.Cancel()
	p.changed(progressPart)
}

// progress gives a snapshot of what is at work; ok is false when nothing is.
func (p *presenter) progress() (_ progress, ok bool) {
	if p.live == nil {
		return progress{}, false
	}
	return p.live.snapshot(), true
}

// points gives the curves that are shown: those of the training at work, or of the run that is shown.
func (p *presenter) points() []train.Point {
	if p.live != nil && p.live.kind == JobTrain {
		return p.live.snapshot().points
	}
	if p.result != nil {
		return p.result.Points
	}
	return nil
}

// show shows a run that was opened.
func (p *presenter) show(r experiment.Run) {
	p.result = &r
	p.lookUp(r.Report.Misclassified)
	p.changed(resultPart)
}
