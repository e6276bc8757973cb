package credit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"kaika/core/augment"
	"kaika/core/collect"
	"kaika/core/curate"
)

// A Checker asks a source what it says of its photos now.
type Checker interface {
	// Check asks about one photo. What concerns this photo alone, such as that it is gone, is part of the answer; an error
	// concerns all that would follow.
	Check(ctx context.Context, s curate.Source) (collect.Standing, error)
}

var (
	_ Checker = (*collect.Flickr)(nil)
	_ Checker = (*collect.OpenverseChecker)(nil)
)

// A Finding is a photo that is not what it was.
type Finding struct {
	Photo curate.Photo
	Now   collect.Standing
}

// A Verification says what became of photos at their sources.
type Verification struct {
	Checked   int       // Photos of which it is known what became of them, copies by their originals.
	Asked     int       // Photos that a source was asked about; an answer that is known counts for several.
	Unchecked int       // Photos whose source nobody can ask.
	Left      int       // Photos whose source could not be asked any more.
	Findings  []Finding // Photos that are gone or private, or have another licence; copies last.
}

// A Verifier asks about photos, each once, and about copies by their originals' pages.
type Verifier struct {
	Checkers map[string]Checker     // By the kinds of sources.
	Memory   *Memory                // Answers of an earlier run, and those of this one for a later one; nil for none.
	Progress func(done, photos int) // Is told how many photos are done, from the goroutine that calls Verify; may be nil.
}

// Verify asks what became of photos. Where a source fails it is not asked any more, and the others are: the error says which
// failed. What was found out is returned in any case.
func (v *Verifier) Verify(ctx context.Context, photos []curate.Photo) (Verification, error) {
	var result Verification
	done := 0
	tell := func() {
		if done++; v.Progress != nil {
			v.Progress(done, len(photos))
		}
	}
	pages, left := map[string]collect.Standing{}, map[string]bool{}
	failed := map[string]error{} // By the kinds of sources.
	var copies []curate.Photo
	for _, p := range photos {
		if p.Source.Kind == augment.Kind {
			copies = append(copies, p)
			continue
		}
		now, err := v.standing(ctx, p.Source, failed[p.Source.Kind] != nil, &result)
		if ctx.Err() != nil {
			return result, fmt.Errorf("verify the credit of %s: %w", p.Path, err)
		}
		if err != nil {
			if !errors.Is(err, errLeft) {
				failed[p.Source.Kind] = fmt.Errorf("verify the credit of %s: %w", p.Path, err)
			}
			left[p.Source.PageURL] = p.Source.PageURL != ""
			result.Left++
			tell()
			continue
		}
		result.note(p, now)
		if !now.Unknown && p.Source.PageURL != "" {
			pages[p.Source.PageURL] = now
		}
		tell()
	}
	for _, p := range copies {
		now, known := pages[p.Source.PageURL]
		now.Unknown = !known
		if !known && left[p.Source.PageURL] {
			result.Left++
		} else {
			result.note(p, now)
		}
		tell()
	}
	var all error
	for _, kind := range slices.Sorted(maps.Keys(failed)) {
		all = errors.Join(all, failed[kind])
	}
	return result, all
}

// errLeft says that a source is not asked any more.
var errLeft = errors.New("the source failed before")

// standing gives the standing of a photo, by what is known already if its source failed.
func (v *Verifier) standing(ctx context.Context, s curate.Source, failed bool, count *Verification) (collect.Standing, error) {
	if err := ctx.Err(); err != nil {
		return collect.Standing{}, err
	}
	checker := v.Checkers[s.Kind]
	if checker == nil || s.ID == "" {
		return collect.Standing{Unknown: true}, nil
	}
	if v.Memory == nil {
		v.Memory = &Memory{}
	}
	if now, known := v.Memory.recall(s); known {
		return now, nil
	}
	if failed {
		return collect.Standing{}, errLeft
	}
	now, err := checker.Check(ctx, s)
	if err != nil || now.Unknown {
		return now, err
	}
	count.Asked++
	v.Memory.keep(s, now)
	return now, nil
}

// note counts a photo.
func (v *Verification) note(p curate.Photo, now collect.Standing) {
	if now.Unknown {
		v.Unchecked++
		return
	}
	v.Checked++
	if now.Gone || now.Private || now.Differs(p.Source) {
		v.Findings = append(v.Findings, Finding{p, now})
	}
}
