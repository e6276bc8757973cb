package trained

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"

	"kaika/core/picture"
)

// GoldenScore holds the scores of a golden picture, measured where the model was trained. Where they come out
// otherwise, something in the machine does not compute the model as it was trained: it would give wrong answers.
//
// Golden pictures are drawn, not photos: a model that is passed on holds nothing of its owner's pictures.
type GoldenScore struct {
	Picture string    `json:"picture"` // SHA-256 of its pixels, red, green and blue by rows.
	Scores  []float32 `json:"scores"`
}

// GoldenTolerance is how far a score of a golden picture may be off. With bfloat16, whose numbers have a precision of
// 1/256, scores of 1,202 photos were off by at most 0.08; in float32 processors differ by less than 0.0001.
func GoldenTolerance(precision string) float64 {
	if precision == "bfloat16" {
		return 0.1
	}
	return 0.002
}

// Golden draws the golden pictures. They have the same pixels everywhere; they differ in size, shape, colour and
// sharpness, so that an error in decoding, cropping, resizing or computing shows in some score.
func Golden() ([]picture.Encoded, []string, error) {
	var pictures []picture.Encoded
	var digests []string
	for _, g := range drawings() {
		m := image.NewRGBA(image.Rect(0, 0, g.width, g.height))
		sum := sha256.New()
		for y := range g.height {
			for x := range g.width {
				// Not at the corner or the middle of the pixel: there, round figures would lie on the border of two
				// colours, and the last bit, which processors round differently, would decide.
				c := g.colour(float64(x)+0.37, float64(y)+0.61)
				m.SetRGBA(x, y, c)
				sum.Write([]byte{c.R, c.G, c.B})
			}
		}
		var data bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&data, m); err != nil {
			return nil, nil, fmt.Errorf("drawing a golden picture: %w", err)
		}
		e, err := picture.Parse(data.Bytes())
		if err != nil {
			return nil, nil, fmt.Errorf("drawing a golden picture: %w", err)
		}
		pictures = append(pictures, e)
		digests = append(digests, hex.EncodeToString(sum.Sum(nil)))
	}
	return pictures, digests, nil
}

// drawing is a picture whose colours follow from the place, 0..1 in each direction.
type drawing struct {
	width, height int
	paint         func(x, y float64) (r, g, b float64)
}

func drawings() []drawing {
	return []drawing{{400, 300, petals}, {300, 420, waves}, {640, 360, rings}}
}

// colour gives the colour at a place in pixels.
func (d drawing) colour(x, y float64) color.RGBA {
	r, g, b := d.paint(x/float64(d.width), y/float64(d.height))
	return color.RGBA{level(r), level(g), level(b), 255}
}

// level gives a colour of 0..1 in 16 steps: coarse, so that the last bit of a sine does not change a pixel.
func level(v float64) uint8 {
	return uint8(math.Floor(min(max(v, 0), 0.999)*16)) * 17
}

// petals paints a yellow flower on green.
func petals(x, y float64) (r, g, b float64) {
	dx, dy := x-0.5, y-0.5
	radius, angle := math.Hypot(dx, dy), math.Atan2(dy, dx)
	switch {
	case radius < 0.12:
		return 0.45, 0.25, 0.1
	case radius < 0.25+0.12*math.Cos(9*angle):
		return 0.95, 0.8 - radius, 0.1
	}
	return 0.15, 0.35 + 0.3*y, 0.12
}

// waves paints purple and white stripes that bend.
func waves(x, y float64) (r, g, b float64) {
	v := 0.5 + 0.5*math.Sin(30*x+6*math.Sin(5*y))
	return 0.4 + 0.5*v, 0.2 + 0.7*v*y, 0.6 + 0.3*v
}

// rings paints red and orange rings about a corner, finer towards the outside.
func rings(x, y float64) (r, g, b float64) {
	radius := x*x + y*y
	v := 0.5 + 0.5*math.Cos(40*radius)
	return 0.9, 0.2 + 0.5*v, 0.25 * v
}

// CheckGolden compares scores of the golden pictures with those of the model, in its order. The error says how far they
// are off.
func (m *Model) CheckGolden(digests []string, scores [][]float32, precision string) error {
	if precision == "" {
		precision = m.BaseModel.Precision
	}
	tolerance := max(GoldenTolerance(precision), GoldenTolerance(m.BaseModel.Precision))
	if len(scores) != len(digests) {
		return fmt.Errorf("the engine gave the scores of %d pictures instead of %d", len(scores), len(digests))
	}
	if !slices.EqualFunc(m.GoldenScores, digests, func(g GoldenScore, digest string) bool { return g.Picture == digest }) {
		return errors.New("the model's golden pictures are drawn by another version of Kaika: train the model again with this one")
	}
	for i, got := range scores {
		want := m.GoldenScores[i].Scores
		if len(got) != len(m.Labels) || len(want) != len(m.Labels) {
			return fmt.Errorf("the graph gives %d scores for %d labels: the model's files do not fit together", len(got), len(m.Labels))
		}
		for k := range want {
			if d := math.Abs(float64(got[k] - want[k])); !(d <= tolerance) { // So NaN fails too.
				return fmt.Errorf("the model does not compute on this machine as where it was trained: the score of golden picture %d for %q is %.4f instead of %.4f (tolerance %.3f). Use another libtensorflow, or train the model on this machine",
					i+1, m.Labels[k], got[k], want[k], tolerance)
			}
		}
	}
	return nil
}
