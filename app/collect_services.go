package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/adrg/xdg"
	"github.com/spf13/pflag"

	"kaika/core/collect"
)

// search says which photos of a service are wanted, and in which order.
type search struct {
	wanted

	// Of Flickr only.
	sort          collect.FlickrSort
	tagsOnly      bool // Look for the keyword among the tags only.
	anyContent    bool // Also drawings and screenshots.
	after, before time.Time

	// Of Openverse only.
	origins     []string // Where the photos are; none for everywhere.
	photographs bool     // Only what is marked as a photograph.
}

// searchFlickr gives Flickr with the user's key. All runs and windows ask it in one pace.
func (e *environment) searchFlickr(ctx context.Context, s search) (*collect.Flickr, error) {
	f, err := e.flickr(ctx, s.wanted)
	if err != nil {
		return nil, err
	}
	f.Sort, f.AsTag, f.AnyContent, f.After, f.Before = s.sort, s.tagsOnly, s.anyContent, s.after, s.before
	f.PaceFile = filepath.Join(xdg.StateHome, "kaika", "flickr.pace")
	return f, nil
}

// searchOpenverse gives Openverse, which needs no key.
func (e *environment) searchOpenverse(s search) (*collect.Openverse, error) {
	o, err := e.openverse(s.wanted)
	if err != nil {
		return nil, err
	}
	o.Sources, o.Photographs = s.origins, s.photographs
	return o, nil
}

// searchFlags are the flags of a search as they are written.
type searchFlags struct {
	search

	license, order, postedAfter, postedBefore string
}

// add makes the flags known.
func (s *searchFlags) add(f *pflag.FlagSet) {
	f.StringVar(&s.license, "license", "", "licenses that are allowed, such as by,by-sa,cc0 (default those that allow every use)")
	f.IntVar(&s.minSide, "min_side", 200, "the least length in pixels of a photo's shorter side")
	f.StringSliceVar(&s.excludeWords, "exclude", nil, "words that must not be in title, description or tags")
	f.StringSliceVar(&s.excludeTags, "exclude_tags", nil, "tags that a photo must not have")
	f.BoolVar(&s.unsafe, "unsafe", false, "also photos that are not safe for everybody to see")
	f.StringVar(&s.order, "sort", "", fmt.Sprintf("the order of flickr's results: %s (default %[2]s)", joined(collect.FlickrSorts()), collect.MostRelevant))
	f.BoolVar(&s.tagsOnly, "tags_only", false, "look for the keyword among flickr's tags only, not also in titles and descriptions")
	f.BoolVar(&s.anyContent, "any_content", false, "also drawings and screenshots of flickr")
	f.StringVar(&s.postedAfter, "posted_after", "", "only what was posted to flickr on this day or later, such as 2020-01-31")
	f.StringVar(&s.postedBefore, "posted_before", "", "only what was posted to flickr on this day or earlier")
	f.StringSliceVar(&s.origins, "origins", nil, "where openverse's photos are, such as flickr,wikimedia (default everywhere)")
	f.BoolVar(&s.photographs, "photographs", false, "only what openverse has marked as photographs; of many, it does not know")
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
	both, flickr, openverse := []string{fromFlickr, fromOpenverse}, []string{fromFlickr}, []string{fromOpenverse}
	services := map[string][]string{
		"license": both, "exclude": both, "exclude_tags": both, "unsafe": both,
		"sort": flickr, "tags_only": flickr, "any_content": flickr, "posted_after": flickr, "posted_before": flickr,
		"origins": openverse, "photographs": openverse,
	}
	set.Visit(func(f *pflag.Flag) {
		if known, ok := services[strings.ReplaceAll(f.Name, "-", "_")]; ok && !slices.Contains(known, strings.ToLower(source)) {
			err = errors.Join(err, fmt.Errorf("--%s is for %s only: leave it out", f.Name, strings.Join(known, " and ")))
		}
	})
	if err != nil {
		return err
	}
	if s.terms, err = collect.ParseTerms(s.license); err != nil {
		return err
	}
	if s.sort, err = collect.ParseFlickrSort(s.order); err != nil {
		return err
	}
	if s.after, err = day("posted_after", s.postedAfter); err != nil {
		return err
	}
	if s.before, err = day("posted_before", s.postedBefore); err != nil {
		return err
	}
	if !s.before.IsZero() {
		s.before = s.before.AddDate(0, 0, 1).Add(-time.Second) // Its last moment.
	}
	if !s.before.IsZero() && s.before.Before(s.after) {
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
