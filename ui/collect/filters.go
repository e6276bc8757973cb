package collect

import (
	"slices"

	source "kaika/core/collect"
)

// filters are what is chosen of them, for all services that have the choice.
type filters struct {
	exclude, excludeTags string // Words and tags that photos are left out for, as they were typed.
	sort                 source.FlickrSort
	origin               string // "" for everywhere.
	tagsOnly             bool
	drawings             bool
	unsafe               bool
}

// Names of the preferences of the filters.
const (
	prefExclude     = "collect.exclude"
	prefExcludeTags = "collect.exclude.tags"
	prefSort        = "collect.sort"
	prefOrigin      = "collect.origin"
	prefTagsOnly    = "collect.tagsonly"
	prefDrawings    = "collect.drawings"
	prefUnsafe      = "collect.unsafe"
)

// keptFilters gives those of the last time.
func keptFilters(prefs Preferences) filters {
	f := filters{
		exclude: prefs.String(prefExclude), excludeTags: prefs.String(prefExcludeTags), origin: prefs.String(prefOrigin),
		tagsOnly: prefs.String(prefTagsOnly) == prefOn, drawings: prefs.String(prefDrawings) == prefOn, unsafe: prefs.String(prefUnsafe) == prefOn,
	}
	if sort, err := source.ParseFlickrSort(prefs.String(prefSort)); err == nil {
		f.sort = sort
	}
	return f
}

// keep keeps them for the next time.
func (f *filters) keep(prefs Preferences) {
	onOff := map[bool]string{true: prefOn, false: prefOff}
	for key, value := range map[string]string{
		prefExclude: f.exclude, prefExcludeTags: f.excludeTags, prefSort: string(f.sort), prefOrigin: f.origin,
		prefTagsOnly: onOff[f.tagsOnly], prefDrawings: onOff[f.drawings], prefUnsafe: onOff[f.unsafe],
	} {
		prefs.SetString(key, value)
	}
}

// setFilters changes what is chosen.
func (p *presenter) setFilters(change func(*filters)) {
	change(&p.filters)
	p.filters.keep(p.prefs)
	p.changed()
}

// wanted says which photos of the service are wanted. What it has no choice of is as it has it.
func (p *presenter) wanted() source.Wanted {
	f, has := p.filters, p.service.Filters
	w := source.Wanted{Licenses: p.licenses, MinSide: p.minSide, ExcludeWords: words(f.exclude)}
	if slices.Contains(has.Sorts, f.sort) {
		w.Sort = f.sort
	}
	if slices.ContainsFunc(has.Origins, func(o source.Origin) bool { return o.ID == f.origin }) {
		w.Origins = []string{f.origin}
	}
	if has.Tags {
		w.ExcludeTags, w.TagsOnly = words(f.excludeTags), f.tagsOnly
	}
	w.Drawings, w.Unsafe = has.Drawings && f.drawings, has.Unsafe && f.unsafe
	return w
}

// filtered counts the filters that are not as the service has them by itself.
func (p *presenter) filtered() int {
	w, n := p.wanted(), 0
	for _, other := range []bool{
		len(w.ExcludeWords) > 0, len(w.ExcludeTags) > 0, w.Sort != "" && w.Sort != p.service.Filters.Sorts[0], len(w.Origins) > 0, w.TagsOnly, w.Drawings, w.Unsafe,
	} {
		if other {
			n++
		}
	}
	return n
}
