package retrain

import (
	"context"
	"image"
	"os"

	"kaika/core/thumb"
	"kaika/core/train"
)

// Thumbs give small pictures of photos; a *thumb.Loader does.
type Thumbs interface {
	// Peek gives a picture that is in memory.
	Peek(key thumb.Key) (image.Image, bool)
	// Load gives a picture later, from another goroutine.
	Load(key thumb.Key, done func(image.Image, error)) (cancel func())
}

// lookUp finds the files of wrong answers, beside the window: their thumbnails are named by size and time.
func (p *presenter) lookUp(answers []train.Answer) {
	p.thumbs = nil
	p.background(func(ctx context.Context) func() {
		keys := make(map[string]thumb.Key, len(answers))
		for _, a := range answers {
			if ctx.Err() != nil {
				break
			}
			if info, err := os.Stat(a.File); err == nil {
				keys[a.File] = thumb.Key{Path: a.File, Size: info.Size(), ModTime: info.ModTime()}
			}
		}
		return func() {
			p.thumbs = keys
			p.changed(thumbsPart)
		}
	})
}
