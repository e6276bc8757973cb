package classify

import (
	"context"
	"image"
)

// shot is a photo as it is shown large.
type shot struct {
	path string
	side int // In pixels, at most.
	img  image.Image
	err  error
}

// loading is a photo that is being decoded.
type loading struct {
	path   string
	side   int
	cancel context.CancelFunc
}

// enlarge shows the current photo alone, or the table again.
func (p *presenter) enlarge(large bool) {
	if large && p.current == "" {
		return
	}
	p.large = large
	p.choose(p.current) // What is done to the photo is done to none that is not seen.
	p.changed()
}

// look makes a photo the current one.
func (p *presenter) look(path string) {
	p.current = path
	if p.large {
		p.choose(path)
	}
	p.loadShot()
}

// choose selects a photo alone.
func (p *presenter) choose(path string) {
	clear(p.selected)
	p.anchor = path
	if path != "" {
		p.selected[path] = true
	}
}

// room tells how many pixels there are for the large photo.
func (p *presenter) room(side int) {
	for _, step := range []int{512, 768, 1024, 1536, 2048} { // Not each change of the window's size decodes anew.
		if side <= step {
			side = step
			break
		}
	}
	if side = min(side, 3072); side != p.side {
		p.side = side
		p.loadShot()
	}
}

// loadShot has the current photo decoded, unless it is there in that size or larger.
func (p *presenter) loadShot() {
	path, side := p.current, p.side
	if p.loading != nil {
		if p.loading.path == path && p.loading.side == side {
			return
		}
		p.loading.cancel()
		p.loading = nil
	}
	if p.shot.path != path {
		p.shot = shot{path: path}
	}
	if path == "" || p.shot.side >= side {
		return
	}
	l := &loading{path: path, side: side}
	p.loading = l
	l.cancel = p.beside(func(ctx context.Context) {
		img, err := p.thumbs.Full(ctx, path, side)
		p.post(func() {
			if p.loading != l { // Another photo is looked at by now.
				return
			}
			p.loading = nil
			p.shot = shot{path: path, side: side, err: err}
			if err == nil {
				p.shot.img = img
			}
			p.changed()
		})
	})
}
