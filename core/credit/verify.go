package credit

import (
	"context"
	"fmt"

	"kaika/core/augment"
	"kaika/core/curate"
)

// A Checker asks a source what it says of its photos now.
type Checker interface {
	// Check asks about one photo. What concerns this photo alone, such as that it is gone, is part of the answer; an error
	// concerns all that would follow.
	Check(ctx context.Context, s curate.Source) (Standing, error)
}

// A Standing is what a source says of a photo now.
type Standing struct {
	Gone       bool   // It is not there any more, or not for everybody.
	License    string // As Source.License; "" if the source does not say.
	LicenseURL string
}

// A Finding is a photo that is not what it was.
type Finding struct {
	Photo curate.Photo
	Now   Standing
}

// A Verification says what became of photos at their sources.
type Verification struct {
	Checked   int       // Photos that were asked about, or whose original was.
	Unchecked int       // Photos whose source nobody can ask.
	Findings  []Finding // Photos that are gone or have another licence, copies last.
}

// Verify asks about photos, each once, and about copies by their originals' pages. The checkers are those for the kinds of
// sources. progress, which may be nil, is told how many photos are done. With an error, what was found until then is returned.
func Verify(ctx context.Context, photos []curate.Photo, checkers map[string]Checker, progress func(done, photos int)) (Verification, error) {
	var v Verification
	type place struct{ kind, id string }
	asked := map[place]Standing{}
	pages := map[string]Standing{}
	note := func(p curate.Photo, now Standing) {
		v.Checked++
		if now.Gone || now.changes(p.Source) {
			v.Findings = append(v.Findings, Finding{p, now})
		}
	}
	var copies []curate.Photo
	for i, p := range photos {
		if err := ctx.Err(); err != nil {
			return v, fmt.Errorf("verify the credits: %w", err)
		}
		checker := checkers[p.Source.Kind]
		at := place{p.Source.Kind, p.Source.ID}
		now, known := asked[at]
		switch {
		case p.Source.Kind == augment.Kind:
			copies = append(copies, p)
			continue
		case checker == nil || at.id == "":
			v.Unchecked++
			continue
		case !known:
			var err error
			if now, err = checker.Check(ctx, p.Source); err != nil {
				return v, fmt.Errorf("verify the credit of %s: %w", p.Path, err)
			}
			asked[at] = now
			pages[p.Source.PageURL] = now
		}
		note(p, now)
		if progress != nil {
			progress(i+1, len(photos))
		}
	}
	for _, p := range copies {
		if now, known := pages[p.Source.PageURL]; known && p.Source.PageURL != "" {
			note(p, now)
		} else {
			v.Unchecked++
		}
	}
	return v, nil
}

// changes says whether a photo is under another licence now. Its address is what tells, where both are known: names differ
// between services.
func (s Standing) changes(was curate.Source) bool {
	if s.LicenseURL != "" && was.LicenseURL != "" {
		return s.LicenseURL != was.LicenseURL
	}
	return s.License != "" && was.License != "" && s.License != was.License
}
