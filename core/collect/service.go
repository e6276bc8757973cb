package collect

import (
	"context"
	"slices"
	"time"

	"kaika/core/curate"
	"kaika/core/secret"
)

// A Service is a place on the web whose photos are looked for by keywords. What is said here of each is all that the commands
// and the window know of it.
type Service struct {
	Kind     string  // As the curate.Source of its photos has it, and as it is named in a terminal.
	Name     string  // Its own.
	NeedsKey bool    // It wants a key of its user's own, and the secret that belongs to it.
	Notice   string  // What it wants to be said where its photos are shown; "" for nothing.
	Licenses []Terms // Those that its photos can be under.
	Filters  Filters

	Source  func(w Wanted, a Access) Source
	Checker func(a Access) Checker // Gives whom to ask about photos that came from it.
}

// Services lists the services, the usual one first.
func Services() []Service { return []Service{flickrService(), openverseService()} }

// ServiceOf gives the service of a kind.
func ServiceOf(kind string) (Service, bool) {
	all := Services()
	i := slices.IndexFunc(all, func(s Service) bool { return s.Kind == kind })
	if i < 0 {
		return Service{}, false
	}
	return all[i], true
}

// Filters are the choices that a service has, beside its licences and what is left out.
type Filters struct {
	Sorts       []FlickrSort // The orders of its results, the usual one first; none where it has one only.
	Origins     []Origin     // Some of the places where its photos are; none where that is no choice.
	Tags        bool         // Its photos have tags that can be looked for.
	Dates       bool         // It knows when they were posted.
	Drawings    bool         // It knows which are drawings and screenshots, and leaves them out unless told otherwise.
	Photographs bool         // It has marked some as photographs, and can give nothing but these.
	Unsafe      bool         // It knows which are not for everybody to see, and gives these, too, if it is told to.
}

// An Origin is a place that a service knows photos of.
type Origin struct {
	ID   string // As the service calls it.
	Name string // Its own.
}

// Wanted says which photos of a service are wanted.
type Wanted struct {
	Licenses     []Terms  // Those that are allowed; nil for FreeTerms.
	MinSide      int      // The least length of the shorter side, in pixels.
	ExcludeWords []string // No photos with these words,
	ExcludeTags  []string // nor with these tags.

	// What follows is set only if the service's Filters have it.
	Sort          FlickrSort // "" for the usual one.
	Origins       []string   // Where the photos are; nil for everywhere.
	TagsOnly      bool       // Look for the keyword among the tags only.
	After, Before time.Time  // When they were posted; zero for any time.
	Drawings      bool       // Also drawings and screenshots.
	Photographs   bool       // Only what is marked as a photograph.
	Unsafe        bool       // Also photos that are not for everybody to see.
}

// Access says how a service is reached.
type Access struct {
	Key, Secret secret.Text
	PaceFile    string   // See Flickr.PaceFile.
	Endpoint    string   // Another place than the real one; "" for that.
	ImageHosts  []string // Other hosts for its pictures.
	Web         Web
}

// A Checker can be asked what a service says now of a photo that came from it.
type Checker interface {
	Check(ctx context.Context, s curate.Source) (Standing, error)
}

// What the shorter side of a photo must have at least unless its user says otherwise, in pixels.
const (
	ServiceMinSide = 200 // Of services there is choice enough.
	OwnMinSide     = 32  // Of photos of one's own: less tells nobody what is on a photo.
)
