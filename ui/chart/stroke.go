package chart

import (
	"encoding/binary"
	"image"
	"image/color"
	"image/draw"
	"math"
	"slices"

	"golang.org/x/image/vector"
)

// strip is the width in pixels of the vertical strips that a pen fills one after the other: what is above and below the curve in a strip
// costs nothing.
const strip = 64

// pen draws lines and polygons with smooth edges. Its buffers are reused, so it allocates nothing once it has drawn something alike.
type pen struct {
	rasterizer vector.Rasterizer
	mask       image.Alpha // How much of each pixel of a strip is covered.

	// Polygons, all turning the same way so that overlaps never cancel each other, to be filled as one area: where lines of a curve
	// cross, a translucent ink is not laid on twice.
	corners []point
	shapes  []shape

	// The line being drawn.
	width     float32
	here      point
	direction point // Of the last segment; the zero point at the beginning of a line.
	bars      []bar // Of the zigzag being drawn, of columns side by side.
	column    int   // The first of them.
}

// bar is the part of a pixel column that a zigzag covers.
type bar struct {
	top, bottom float32
}

// shape is a polygon: its corners in pen.corners and its bounds.
type shape struct {
	first, last int
	min, max    point
}

// polygon adds a polygon without crossing sides, whose corners turn clockwise as seen on the screen.
func (p *pen) polygon(corners ...point) {
	first := len(p.corners)
	p.corners = append(p.corners, corners...)
	p.closeShape(first)
}

// closeShape makes a polygon of the corners from the first on.
func (p *pen) closeShape(first int) {
	corners := p.corners[first:]
	s := shape{first: first, last: len(p.corners), min: corners[0], max: corners[0]}
	for _, c := range corners[1:] {
		s.min.x, s.min.y = min(s.min.x, c.x), min(s.min.y, c.y)
		s.max.x, s.max.y = max(s.max.x, c.x), max(s.max.y, c.y)
	}
	p.shapes = append(p.shapes, s)
}

// fill draws all that was added since the last fill into the picture; (0, 0) is its upper left corner, whatever its bounds.
// Shapes must have been added from left to right, except for less than a strip.
func (p *pen) fill(picture *image.RGBA, ink color.NRGBA) {
	bounds := picture.Bounds()
	start := 0
	for left := 0; left < bounds.Dx() && start < len(p.shapes); left += strip {
		right := min(left+strip, bounds.Dx())
		for start < len(p.shapes) && p.shapes[start].max.x <= float32(left) {
			start++
		}
		end, top, bottom := start, float32(bounds.Dy()), float32(0)
		for ; end < len(p.shapes) && p.shapes[end].min.x < float32(right+strip); end++ {
			if s := p.shapes[end]; s.min.x < float32(right) && s.max.x > float32(left) {
				top, bottom = min(top, s.min.y), max(bottom, s.max.y)
			}
		}
		upper, lower := max(0, int(floor(top))), min(bounds.Dy(), int(ceil(bottom)))
		if upper >= lower {
			continue
		}
		p.rasterizer.Reset(right-left, lower-upper)
		for _, s := range p.shapes[start:end] {
			if s.min.x >= float32(right) || s.max.x <= float32(left) || s.max.y <= float32(upper) || s.min.y >= float32(lower) {
				continue
			}
			corners := p.corners[s.first:s.last]
			p.rasterizer.MoveTo(corners[0].x-float32(left), corners[0].y-float32(upper))
			for _, c := range corners[1:] {
				p.rasterizer.LineTo(c.x-float32(left), c.y-float32(upper))
			}
			p.rasterizer.ClosePath()
		}
		p.mask.Rect, p.mask.Stride = p.rasterizer.Bounds(), right-left
		p.mask.Pix = slices.Grow(p.mask.Pix[:0], (right-left)*(lower-upper))[:(right-left)*(lower-upper)]
		p.rasterizer.DrawOp = draw.Src
		p.rasterizer.Draw(&p.mask, p.mask.Rect, image.Opaque, image.Point{})
		lay(picture, &p.mask, bounds.Min.Add(image.Pt(left, upper)), ink)
	}
	p.corners, p.shapes = p.corners[:0], p.shapes[:0]
}

// lay draws an ink through a mask, whose upper left corner comes to a place in the picture. Package draw can do it too, but takes several times as
// long, for it does not pass over what is empty, nor just write what is covered.
func lay(picture *image.RGBA, mask *image.Alpha, at image.Point, ink color.NRGBA) {
	r, g, b, a := ink.RGBA()
	full := color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), uint8(a >> 8)} //nolint:gosec // Each is at most 0xffff.
	for y := range mask.Rect.Dy() {
		cover := mask.Pix[y*mask.Stride : (y+1)*mask.Stride]
		row := picture.Pix[picture.PixOffset(at.X, at.Y+y):]
		row = row[:4*len(cover)]
		for x := 0; x < len(cover); x++ {
			if x+8 <= len(cover) && binary.NativeEndian.Uint64(cover[x:]) == 0 {
				x += 7
				continue
			}
			pixel := row[4*x : 4*x+4 : 4*x+4]
			switch share := uint32(cover[x]); {
			case share == 0:
			case share == 0xff && full.A == 0xff:
				pixel[0], pixel[1], pixel[2], pixel[3] = full.R, full.G, full.B, 0xff
			default:
				rest := 0xff*0xff - share*uint32(full.A)
				pixel[0] = blend(pixel[0], rest, full.R, share)
				pixel[1] = blend(pixel[1], rest, full.G, share)
				pixel[2] = blend(pixel[2], rest, full.B, share)
				pixel[3] = blend(pixel[3], rest, full.A, share)
			}
		}
	}
}

// blend lays a share (of 0xff) of a channel over another one, of which a rest (of 0xff*0xff) stays.
func blend(under uint8, rest uint32, over uint8, share uint32) uint8 {
	return uint8((uint32(under)*rest + uint32(over)*share*0xff + 0xff*0xff/2) / (0xff * 0xff)) //nolint:gosec // At most 0xff: no channel exceeds its alpha.
}

// curve adds lines of a width through points that go from left to right, with gaps, in dashes if there are any: lengths drawn and left out
// in turn. A point between two gaps becomes a dot. Lines above 0 and below height, by more than a margin, are left out.
// Where the curve jumps up and down from pixel to pixel, the columns that it covers are filled: to follow each of its lines would take many times
// as long, and look the same.
func (p *pen) curve(points []point, width float32, dashes []float32, height float32) {
	p.width = width
	top, bottom := -2*width-2, height+2*width+2
	var d dasher
	previous := gap()
	for i, next := range points {
		before := previous
		previous = next
		if next.isGap() {
			continue
		}
		if before.isGap() {
			p.endBars()
			if i+1 == len(points) || points[i+1].isGap() {
				p.dot(next, max(width, 1.5))
				continue
			}
			p.moveTo(next)
			d = dasher{lengths: dashes}
			continue
		}
		from, to, seen := clip(before, next, top, bottom)
		if !seen {
			p.endBars()
			p.moveTo(next)
			continue
		}
		if across := to.x - from.x; across < 2 && abs(to.y-from.y) > 3*width {
			if from != before {
				p.endBars() // It comes back into sight somewhere else.
			}
			drawn := d.advance(across)
			if drawn {
				p.addBars(from, to)
			}
			if !drawn || to != next {
				p.endBars()
			}
			p.moveTo(next)
			continue
		}
		p.endBars()
		if from != p.here {
			p.moveTo(from)
		}
		d.lineTo(p, to)
		if to != next {
			p.moveTo(next)
		}
	}
	p.endBars()
}

// addBars adds a steep line to the zigzag.
func (p *pen) addBars(from, to point) {
	half := p.width / 2
	wider := round(p.width - 1) // Columns more than the one that the line goes through.
	for x, y := from.x, from.y; ; {
		column := int(floor(x))
		end, last := to.y, float32(column+1) > to.x
		if !last && to.x > from.x {
			end = from.y + (to.y-from.y)*((float32(column+1)-from.x)/(to.x-from.x))
		}
		p.addBar(column-wider/2, column-wider/2+wider, bar{min(y, end) - half, max(y, end) + half})
		if last {
			return
		}
		x, y = float32(column+1), end
	}
}

// addBar widens the bars of some columns, which are not left of the zigzag but by a line's width.
func (p *pen) addBar(first, last int, b bar) {
	if len(p.bars) == 0 {
		p.column = first
	}
	for column := max(first, p.column); column <= last; column++ {
		if i := column - p.column; i == len(p.bars) {
			p.bars = append(p.bars, b)
		} else {
			p.bars[i] = bar{min(p.bars[i].top, b.top), max(p.bars[i].bottom, b.bottom)}
		}
	}
}

// endBars adds the outline of the zigzag, if there is one, in pieces of half a strip.
func (p *pen) endBars() {
	for start := 0; start < len(p.bars); start += strip / 2 {
		piece := p.bars[start:min(start+strip/2, len(p.bars))]
		left, first := p.column+start, len(p.corners)
		for i, b := range piece {
			p.corners = append(p.corners, point{float32(left + i), b.top}, point{float32(left + i + 1), b.top})
		}
		for i, b := range slices.Backward(piece) {
			p.corners = append(p.corners, point{float32(left + i + 1), b.bottom}, point{float32(left + i), b.bottom})
		}
		p.closeShape(first)
	}
	p.bars = p.bars[:0]
}

// clip gives the part of a line whose y lies in top..bottom.
func clip(a, b point, top, bottom float32) (from, to point, seen bool) {
	if max(a.y, b.y) < top || min(a.y, b.y) > bottom {
		return a, b, false
	}
	inside := func(p point) point {
		if y := min(max(p.y, top), bottom); y != p.y {
			return point{a.x + (b.x-a.x)*((y-a.y)/(b.y-a.y)), y}
		}
		return p
	}
	return inside(a), inside(b), true
}

// dasher draws a line in dashes.
type dasher struct {
	lengths []float32
	index   int
	used    float32 // Of the dash or gap at index.
}

// advance goes on by a length without drawing, and tells whether there is a dash at its beginning.
func (d *dasher) advance(length float32) bool {
	if len(d.lengths) == 0 {
		return true
	}
	drawn := d.index%2 == 0
	for d.used += length; d.used >= d.lengths[d.index]; d.index = (d.index + 1) % len(d.lengths) {
		d.used -= d.lengths[d.index]
	}
	return drawn
}

func (d *dasher) lineTo(p *pen, to point) {
	if len(d.lengths) == 0 {
		p.lineTo(to)
		return
	}
	for {
		from, left := p.here, d.lengths[d.index]-d.used
		length := hypot(to.x-from.x, to.y-from.y)
		stop, done := to, !(length > left) // Also if a place is not a number.
		if !done {
			stop = point{from.x + (to.x-from.x)*(left/length), from.y + (to.y-from.y)*(left/length)}
		}
		if d.index%2 == 0 {
			p.lineTo(stop)
		} else {
			p.moveTo(stop)
		}
		if done {
			d.used += length
			return
		}
		d.index, d.used = (d.index+1)%len(d.lengths), 0
	}
}

func (p *pen) moveTo(to point) {
	p.here, p.direction = to, point{}
}

// lineTo adds a line from where the pen is, joined to the line before.
func (p *pen) lineTo(to point) {
	length := hypot(to.x-p.here.x, to.y-p.here.y)
	if length < 1e-3 {
		return
	}
	half := p.width / 2
	direction := point{(to.x - p.here.x) / length, (to.y - p.here.y) / length}
	if p.direction != (point{}) {
		p.join(direction, half)
	}
	side := point{-direction.y * half, direction.x * half}
	// Pieces that are no wider than a strip keep the strips low where a line is long and slanting.
	pieces := int((to.x-p.here.x)/strip) + 1
	from := p.here
	for i := 1; i <= pieces; i++ {
		share := float32(i) / float32(pieces)
		end := point{p.here.x + (to.x-p.here.x)*share, p.here.y + (to.y-p.here.y)*share}
		p.polygon(point{from.x - side.x, from.y - side.y}, point{end.x - side.x, end.y - side.y},
			point{end.x + side.x, end.y + side.y}, point{from.x + side.x, from.y + side.y})
		from = end
	}
	p.here, p.direction = to, direction
}

// join fills the wedge on the outer side of the corner where the line turns to a direction.
func (p *pen) join(direction point, half float32) {
	before := p.direction
	turn := before.x*direction.y - before.y*direction.x
	along := before.x*direction.x + before.y*direction.y
	if along > 0 && turn*turn < 0.01 { // Less than six degrees: no gap to be seen.
		return
	}
	outer := half
	if turn > 0 {
		outer = -half
	}
	a := point{p.here.x - before.y*outer, p.here.y + before.x*outer}
	b := point{p.here.x - direction.y*outer, p.here.y + direction.x*outer}
	// The tip makes the corner round enough for lines of a few pixels.
	tip := point{before.x - direction.x, before.y - direction.y}
	length := hypot(tip.x, tip.y)
	tip = point{p.here.x + tip.x/length*half, p.here.y + tip.y/length*half}
	if turn > 0 {
		p.polygon(p.here, a, tip, b)
	} else {
		p.polygon(p.here, b, tip, a)
	}
}

// dot adds a disc.
func (p *pen) dot(center point, radius float32) {
	p.regular(center, radius, 12, 0)
}

// regular adds a polygon of equal sides around a center, the first corner at a turn (0: right, then clockwise, in radians).
func (p *pen) regular(center point, radius float32, corners int, turn float64) {
	var all [12]point
	for i := range corners {
		sin, cos := math.Sincos(turn + 2*math.Pi*float64(i)/float64(corners))
		all[i] = point{center.x + radius*float32(cos), center.y + radius*float32(sin)}
	}
	p.polygon(all[:corners]...)
}

func abs(v float32) float32 {
	return max(v, -v)
}

func hypot(x, y float32) float32 {
	return float32(math.Sqrt(float64(x)*float64(x) + float64(y)*float64(y)))
}
