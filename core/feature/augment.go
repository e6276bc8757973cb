package feature

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"

	"kaika/core/picture"
)

// Augmentation says how the views of a training photo differ from it. The zero value makes no views. The percentages
// mean what they do in TensorFlow's retrain.py.
type Augmentation struct {
	Views      int  `json:"views"`             // How many views are made of each training photo.
	Flip       bool `json:"flip_left_right"`   // Mirror every other view.
	Crop       int  `json:"random_crop"`       // Margin that is cropped off, in percent of the shorter side, at most.
	Scale      int  `json:"random_scale"`      // Enlargement in percent, at most.
	Brightness int  `json:"random_brightness"` // Brighter or darker by so many percent, at most.
	Rotation   int  `json:"random_rotation"`   // Turn in degrees to either side, at most.
}

// DefaultViews is how many views are made when a variation is asked for and their number is not said.
const DefaultViews = 4

// Validate checks the ranges.
func (a Augmentation) Validate() error {
	switch {
	case a.Views < 0 || a.Views > 100:
		return errors.New("the number of views a photo must be 0 to 100")
	case a.Crop < 0 || a.Crop > 90 || a.Scale < 0 || a.Scale > 400:
		return errors.New("random_crop must be 0 to 90 and random_scale 0 to 400 percent")
	case a.Brightness < 0 || a.Brightness > 100:
		return errors.New("random_brightness must be 0 to 100 percent")
	case a.Rotation < 0 || a.Rotation > 180:
		return errors.New("random_rotation must be 0 to 180 degrees")
	}
	return nil
}

// Varies tells whether any variation is asked for.
func (a Augmentation) Varies() bool {
	return a.Flip || a.Crop > 0 || a.Scale > 0 || a.Brightness > 0 || a.Rotation > 0
}

// Of gives the views of a photo. They depend on the seed and the photo's content only, so that they are found in the
// cache in the next run.
func (a Augmentation) Of(photo picture.Digest, seed int64) []View {
	if !a.Varies() {
		return nil
	}
	random := rand.New(rand.NewPCG(uint64(seed), binary.LittleEndian.Uint64(photo[:8]))) //nolint:gosec // views must come out the same again.
	// All numbers are drawn whatever the settings are: switching one variation on leaves the others as they were.
	symmetric := func(limit float32) float32 { return limit * (2*random.Float32() - 1) }
	views := make([]View, a.Views)
	for i := range views {
		flip := i%2 == 0
		enlarged := 1 + float32(a.Scale)/100*random.Float32()
		cropped := 1 - float32(a.Crop)/100*random.Float32()
		dx, dy := symmetric(1), symmetric(1)
		brightness := symmetric(float32(a.Brightness) / 100)
		angle := symmetric(float32(a.Rotation))
		views[i] = View{Flip: a.Flip && flip, Angle: angle, Zoom: enlarged/cropped - 1, Brightness: brightness}
		if a.Crop > 0 || a.Scale > 0 {
			views[i].DX, views[i].DY = dx, dy
		}
	}
	return views
}
