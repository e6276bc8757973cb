package classify

import (
	"context"
	"path/filepath"

	"kaika/core/classify"
)

// inUse is the model in use.
type inUse struct {
	ModelChoice

	*classify.Classifier
}

// modelKey is the preference that holds the folder of the model in use.
const modelKey = "classify.model.dir"

// shownFirst takes the model of the last time into use, or else the newest kept one, when the tab is first looked at. While
// there is none, it looks again each time.
func (p *presenter) shownFirst() {
	if p.chosen || p.asking || p.closed {
		return
	}
	if dir := p.preferences.String(modelKey); dir != "" {
		p.use(ModelChoice{Dir: dir})
		return
	}
	p.asking = true
	p.beside(func(ctx context.Context) {
		choices, err := p.models(ctx)
		p.post(func() {
			p.asking = false
			switch {
			case err != nil:
				p.log.Warn("listing the kept models", "err", err)
			case len(choices) > 0 && p.model == nil && p.opening == nil:
				p.use(choices[0])
			}
		})
	})
}

// offer takes a new model into use where there is none, and has what was dropped wait for it no longer.
func (p *presenter) offer(dir string) {
	if p.model != nil || p.opening != nil {
		return
	}
	if !p.chosen && p.preferences.String(modelKey) != "" {
		return // The model of the last time is in use; the tab was not looked at yet.
	}
	p.use(ModelChoice{Dir: dir})
}

// listModels gives the kept models to f, on the window's goroutine.
func (p *presenter) listModels(f func([]ModelChoice)) {
	p.beside(func(ctx context.Context) {
		choices, err := p.models(ctx)
		p.post(func() {
			if err != nil {
				p.failed(modelsProblem, err)
			}
			f(choices)
		})
	})
}

// use opens a model in the background. Until it is open, the one before stays in use, and also if it cannot be opened.
func (p *presenter) use(choice ModelChoice) {
	if p.closed {
		return
	}
	p.chosen = true
	if p.giveUp != nil {
		p.giveUp()
	}
	opening := new(ModelChoice)
	*opening = choice
	p.opening, p.fault = opening, nil
	p.giveUp = p.beside(func(ctx context.Context) {
		if choice.Title == "" {
			choice.Title = p.title(ctx, choice.Dir)
		}
		c, err := p.open(ctx, choice.Dir)
		p.post(func() {
			if p.opening == opening { // Else another one was chosen meanwhile.
				p.opened(choice, c, err)
			}
		})
	})
	p.changed()
}

// title gives a model's name: that of the kept model, or else that of the folder.
func (p *presenter) title(ctx context.Context, dir string) string {
	choices, err := p.models(ctx)
	if err != nil {
		p.log.Warn("listing the kept models", "err", err)
	}
	for _, c := range choices {
		if filepath.Clean(c.Dir) == filepath.Clean(dir) {
			return c.Title
		}
	}
	return displayed(filepath.Base(dir))
}

func (p *presenter) opened(choice ModelChoice, c *classify.Classifier, err error) {
	p.opening, p.giveUp = nil, nil
	if err != nil {
		p.faultDir = choice.Dir
		if p.model == nil {
			p.fault = err
		} else {
			p.failed(modelProblem, err)
		}
		p.changed()
		return
	}
	p.started = true
	p.model = &inUse{choice, c}
	p.preferences.SetString(modelKey, choice.Dir)

	// All answers are by the model that the tab names.
	paths := make([]string, 0, len(p.rows)+len(p.waiting))
	for _, r := range p.rows {
		paths = append(paths, r.path)
	}
	p.waiting = append(paths, p.waiting...)
	p.rows, p.byPath, p.filter = nil, map[string]*row{}, filter{}
	p.arrange()
	p.start()
	p.changed()
}
