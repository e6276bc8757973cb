package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"kaika/core/collect"
)

// search gives a service, of which what is wanted can be asked for. All runs and windows ask it in one pace.
func (e *environment) search(ctx context.Context, s collect.Service, w collect.Wanted) (collect.Source, error) {
	access, err := e.access(ctx, s)
	if err != nil {
		return nil, err
	}
	return s.Source(w, access), nil
}

// serviceKinds gives the names of the services in a terminal.
func serviceKinds() []string { return kindsWith(func(collect.Filters) bool { return true }) }

// kindsWith gives those of the services that have a choice.
func kindsWith(has func(collect.Filters) bool) []string {
	var kinds []string
	for _, s := range collect.Services() {
		if has(s.Filters) {
			kinds = append(kinds, s.Kind)
		}
	}
	return kinds
}

// searchFlags are the flags of a search as they are written.
type searchFlags struct {
	collect.Wanted

	license, order, postedAfter, postedBefore string
}

// add makes the flags known.
func (s *searchFlags) add(f *pflag.FlagSet) {
	f.StringVar(&s.license, "license", "", "licenses that are allowed, such as by,by-sa,cc0 (default those that allow every use)")
	f.IntVar(&s.MinSide, "min_side", 0, fmt.Sprintf("the least length in pixels of a photo's shorter side (default %d of services, %d of photos of your own)",
		collect.ServiceMinSide, collect.OwnMinSide))
	f.StringSliceVar(&s.ExcludeWords, "exclude", nil, "words that must not be in title, description or tags")
	f.StringSliceVar(&s.ExcludeTags, "exclude_tags", nil, "tags that a photo must not have")
	f.BoolVar(&s.Unsafe, "unsafe", false, "also photos of openverse that are not safe for everybody to see; flickr shows such to nobody who is not signed in")
	f.StringVar(&s.order, "sort", "", fmt.Sprintf("the order of flickr's results: %s (default %[2]s)", joined(collect.FlickrSorts()), collect.MostRelevant))
	f.BoolVar(&s.TagsOnly, "tags_only", false, "look for the keyword among flickr's tags only, not also in titles and descriptions")
	f.BoolVar(&s.Drawings, "any_content", false, "also drawings and screenshots of flickr")
	f.StringVar(&s.postedAfter, "posted_after", "", "only what was posted to flickr on this day or later, such as 2020-01-31")
	f.StringVar(&s.postedBefore, "posted_before", "", "only what was posted to flickr on this day or earlier")
	f.StringSliceVar(&s.Origins, "origins", nil, "where openverse's photos are, such as flickr,wikimedia (default everywhere)")
	f.BoolVar(&s.Photographs, "photographs", false, "only what openverse has marked as photographs; of many, it does not know")
}

func joined(sorts []collect.FlickrSort) string {
	words := make([]string, len(sorts))
	for i, s := range sorts {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

// read reads what the flags say. The error is for who wrote them.
func (s *searchFlags) read(set *pflag.FlagSet, source string) (err error) {
	// What a source knows nothing about would not be done.
	source = strings.ToLower(source)
	all := func(collect.Filters) bool { return true }
	dates := func(f collect.Filters) bool { return f.Dates }
	choices := map[string]func(collect.Filters) bool{
		"license": all, "exclude": all, "exclude_tags": all, "posted_after": dates, "posted_before": dates,
		"sort":        func(f collect.Filters) bool { return len(f.Sorts) > 0 },
		"tags_only":   func(f collect.Filters) bool { return f.Tags },
		"any_content": func(f collect.Filters) bool { return f.Drawings },
		"origins":     func(f collect.Filters) bool { return len(f.Origins) > 0 },
		"photographs": func(f collect.Filters) bool { return f.Photographs },
		"unsafe":      func(f collect.Filters) bool { return f.Unsafe },
	}
	set.Visit(func(f *pflag.Flag) {
		if has, ok := choices[strings.ReplaceAll(f.Name, "-", "_")]; ok && !slices.Contains(kindsWith(has), source) {
			err = errors.Join(err, fmt.Errorf("--%s is for %s only: leave it out", f.Name, strings.Join(kindsWith(has), " and ")))
		}
	})
	if err != nil {
		return err
	}
	if !set.Changed("min_side") {
		s.MinSide = collect.OwnMinSide
		if slices.Contains(serviceKinds(), source) {
			s.MinSide = collect.ServiceMinSide
		}
	}
	if s.Licenses, err = collect.ParseTerms(s.license); err != nil {
		return err
	}
	if s.Sort, err = collect.ParseFlickrSort(s.order); err != nil {
		return err
	}
	if s.After, err = day("posted_after", s.postedAfter); err != nil {
		return err
	}
	if s.Before, err = day("posted_before", s.postedBefore); err != nil {
		return err
	}
	if !s.Before.IsZero() {
		s.Before = s.Before.AddDate(0, 0, 1).Add(-time.Second) // Its last moment.
	}
	if !s.Before.IsZero() && s.Before.Before(s.After) {
		return errors.New("posted_before is earlier than posted_after: exchange them")
	}
	return nil
}

// day reads a day of a flag, as its first moment in the user's own time; zero for "".
func day(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, time.Local)
	if err != nil {
		return t, fmt.Errorf("%s must be a day such as 2020-01-31, not %q", flag, text)
	}
	return t, nil
}
