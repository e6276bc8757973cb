// Package feature turns photos into feature vectors, the activations of a base network at its bottleneck, and keeps
// them on disk, so that a photo passes through the network once and training anew takes seconds.
package feature

import (
	"context"
	"fmt"

	"kaika/core/picture"
)

// Embedder runs a base network up to its bottleneck.
type Embedder interface {
	// Space names the vector space: base network, preparation of the photo and number format. Vectors of different
	// spaces cannot be compared. It is part of the cache's key.
	Space() string
	// Length is the number of features in a vector.
	Length() int
	// Embed gives one vector, or one error, for each photo, in their order. An error of the call itself concerns all.
	Embed(ctx context.Context, photos []Photo) ([]Vector, error)
}

// Photo is a photo, or a seeded variation of one, that is to be embedded.
type Photo struct {
	picture.Encoded

	View View
}

// Vector is the answer for one photo.
type Vector struct {
	Values []float32 // Of the embedder's length; nil if Err is set.
	Err    error     // Why this photo has none: the rest of a sentence that begins with its name.
}

// View is a variation of a photo: mirrored, turned, cropped, brightened. The zero value is the photo itself: its centre
// square, upright.
type View struct {
	Flip       bool    // Left and right are mirrored.
	Angle      float32 // Turn in degrees, counter-clockwise.
	Zoom       float32 // The square's side is the photo's shorter side divided by 1 + Zoom; not below 0.
	DX, DY     float32 // Shift of the square in -1..1, as a share of the room on that side.
	Brightness float32 // Pixels are multiplied by 1 + Brightness.
}

// String gives the view's name in the cache, "" for the photo itself.
func (v View) String() string {
	if v == (View{}) {
		return ""
	}
	flip := 0
	if v.Flip {
		flip = 1
	}
	// Adding 0 makes 0 of -0, which is the same view.
	return fmt.Sprintf("f%d a%g z%g x%g y%g b%g", flip, v.Angle+0, v.Zoom+0, v.DX+0, v.DY+0, v.Brightness+0)
}
