package inbox

import (
	"context"
	"image"
	"sync"

	"golang.org/x/image/draw"

	"kaika/core/inbox"
	"kaika/core/picture"
	"kaika/core/thumb"
)

// What thumbnails may take.
const (
	thumbSide  = 256
	largeSide  = 1200
	maxThumbs  = 256 // 64 MiB.
	maxFetches = 3   // At once.
)

// thumbs makes small pictures of kept photos. They are kept in memory only: the photos are strangers'.
type thumbs struct {
	p        *presenter
	fetching chan struct{}
	decoding chan struct{} // One at a time: a large photo takes much memory for a while.

	mu    sync.Mutex
	made  map[string]image.Image
	order []string // The oldest first.
}

func newThumbs(p *presenter) *thumbs {
	return &thumbs{p: p, fetching: make(chan struct{}, maxFetches), decoding: make(chan struct{}, 1), made: map[string]image.Image{}}
}

// keyOf names a kept photo: its ID is its only state.
func keyOf(r inbox.Record) thumb.Key { return thumb.Key{Path: r.ID} }

// Peek gives a thumbnail that is at hand.
func (t *thumbs) Peek(key thumb.Key) (image.Image, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	img, ok := t.made[key.Path]
	return img, ok
}

// Load makes a thumbnail, and calls done from another goroutine, unless it is cancelled before.
func (t *thumbs) Load(key thumb.Key, done func(image.Image, error)) (cancel func()) {
	ctx, cancel := context.WithCancel(t.p.ctx)
	if !t.p.with(func(s Source) {
		img, err := t.picture(ctx, s, key.Path, thumbSide)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			t.keep(key.Path, img)
		}
		done(img, err)
	}) {
		cancel()
	}
	return cancel
}

// keep keeps a thumbnail in memory, and forgets the oldest.
func (t *thumbs) keep(id string, img image.Image) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.made[id]; !ok {
		t.order = append(t.order, id)
	}
	t.made[id] = img
	for len(t.order) > maxThumbs {
		delete(t.made, t.order[0])
		t.order = t.order[1:]
	}
}

// picture gives a photo upright, with sides of at most so many pixels.
func (t *thumbs) picture(ctx context.Context, s Source, id string, side int) (image.Image, error) {
	data, err := func() ([]byte, error) {
		select {
		case t.fetching <- struct{}{}:
			defer func() { <-t.fetching }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		data, _, err := s.Photo(ctx, id)
		return data, err
	}()
	if err != nil {
		return nil, err
	}
	select {
	case t.decoding <- struct{}{}:
		defer func() { <-t.decoding }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	e, err := picture.Parse(data)
	if err != nil {
		return nil, err
	}
	img, err := picture.Decode(e)
	if err != nil {
		return nil, err
	}
	b := img.Bounds()
	scale := min(1, float64(side)/float64(max(b.Dx(), b.Dy(), 1)))
	small := image.NewRGBA(image.Rect(0, 0, max(1, int(float64(b.Dx())*scale)), max(1, int(float64(b.Dy())*scale))))
	draw.Draw(small, small.Rect, image.White, image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(small, small.Rect, img, b, draw.Over, nil)
	return small, nil
}

// load makes a larger picture of a photo; done is called on the window's goroutine.
func (t *thumbs) load(id string, done func(image.Image, error)) (cancel func()) {
	ctx, cancel := context.WithCancel(t.p.ctx)
	if !t.p.with(func(s Source) {
		img, err := t.picture(ctx, s, id, largeSide)
		t.p.dispatch(func() {
			if ctx.Err() == nil {
				done(img, err)
			}
		})
	}) {
		cancel()
	}
	return cancel
}
