package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/unicode/norm"

	"kaika/core/curate"
	"kaika/core/picture"
)

// Openverse is the openly licensed photos that the search engine Openverse knows of, Flickr's among them. It needs no key,
// and therefore gives no more than some hundred results to a search. It may be used from several goroutines once its fields
// are set.
type Openverse struct {
	Terms        []Terms  // The licenses that are wanted; nil for FreeTerms.
	Sources      []string // Where the photos are, as Openverse calls it, such as "flickr" and "wikimedia"; nil for everywhere.
	ExcludeWords []string // No photos with these words in the title, the description or the tags.
	Unsafe       bool     // Also photos that are not for everybody to see.
	Photographs  bool     // Only what Openverse has marked as photographs. Of many, it does not know what they are.
	MinSide      int      // The least length of the shorter side, in pixels.

	Endpoint   string   // Another place for Openverse's images, for tests.
	ImageHosts []string // Hosts that pictures may come from although they are no public ones, for tests.
	Web        Web

	pacing   sync.Once
	calls    pace
	pictures pace
}

var _ Source = (*Openverse)(nil)

func openverseService() Service {
	from := func(w Wanted, a Access) *Openverse {
		return &Openverse{
			Terms: w.Licenses, Sources: w.Origins, ExcludeWords: slices.Concat(w.ExcludeWords, w.ExcludeTags), Unsafe: w.Unsafe, Photographs: w.Photographs,
			MinSide: w.MinSide, Endpoint: a.Endpoint, ImageHosts: a.ImageHosts, Web: a.Web,
		}
	}
	return Service{
		Kind: "openverse", Name: "Openverse", Licenses: openverseTerms(AllTerms()),
		Filters: Filters{Origins: []Origin{{ID: "flickr", Name: "Flickr"}, {ID: "wikimedia", Name: "Wikimedia Commons"}}, Photographs: true, Unsafe: true},
		Source:  func(w Wanted, a Access) Source { return from(w, a) },
		Checker: func(a Access) Checker { return &OpenverseChecker{Openverse: from(Wanted{}, a)} },
	}
}

// openverseTerms gives those of the terms that Openverse knows.
func openverseTerms(terms []Terms) []Terms {
	return slices.DeleteFunc(slices.Clone(terms), func(t Terms) bool {
		return slices.Contains([]Terms{NoKnownCopyright, USGovernment, AllRightsReserved}, t)
	})
}

const (
	openverseEndpoint = "https://api.openverse.org/v1/images/"
	openversePage     = 20       // The most results on a page for those without a key.
	openverseBody     = 16 << 20 // Bytes of an answer.
	openverseQuery    = 200      // Characters of a query. What is longer is cut off there.
)

// Name returns "Openverse".
func (o *Openverse) Name() string { return "Openverse" }

// Search implements Source.
func (o *Openverse) Search(ctx context.Context, r Request) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		o.pacing.Do(o.setPace)
		s := openverseSearch{
			Openverse: o, request: r, yield: yield, terms: o.Terms, seen: map[string]bool{},
			downloads: downloads{web: &o.Web, pace: &o.pictures, allowed: o.allowed, flickr: []string{"staticflickr.com"}, most: 5},
		}
		if s.terms == nil {
			s.terms = FreeTerms()
		}
		err := s.run(ctx)
		if err == nil {
			err = s.downloads.end()
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(Item{Keyword: r.Keyword}, err)
		}
	}
}

// noMore reports whether a status says that there are no pages behind the first ones.
func noMore(status int) bool {
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError &&
		status != http.StatusForbidden && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

func (o *Openverse) setPace() {
	o.calls.shortest, o.calls.longest = time.Second, time.Minute
	o.pictures.shortest, o.pictures.longest = 100*time.Millisecond, 30*time.Second
}

// allowed says whether a picture may be at an address, where it is named by the address from unless that is nil.
func (o *Openverse) allowed(from, to *url.URL) bool {
	if inHosts(to.Host, o.ImageHosts) {
		return true
	}
	// What others wrote into Openverse shall not reach into the user's own network.
	own := net.ParseIP(to.Hostname()) != nil || site(to) == ""
	return to.Scheme == "https" && !own && (from == nil || sameSite(from, to))
}

// openverseSearch is one call of Search.
type openverseSearch struct {
	*Openverse

	request   Request
	yield     func(Item, error) bool
	terms     []Terms
	seen      map[string]bool // Photos that were given, by their ids.
	downloads downloads
}

// openverseResults is a page of results. (https://api.openverse.org/v1/, "Search all images".)
type openverseResults struct {
	Pages  int              `json:"page_count"`
	Photos []openversePhoto `json:"results"`
}

// openversePhoto is a result. Any part may be null.
type openversePhoto struct {
	ID             string `json:"id"`
	Title          string `json:"title"`
	Creator        string `json:"creator"`
	CreatorURL     string `json:"creator_url"`
	PageURL        string `json:"foreign_landing_url"`
	License        string `json:"license"`
	LicenseVersion string `json:"license_version"`
	LicenseURL     string `json:"license_url"`
	URL            string `json:"url"`
	Width          int    `json:"width"`
	Height         int    `json:"height"`
	FileType       string `json:"filetype"`
	Tags           []struct {
		Name string `json:"name"`
	} `json:"tags"`
}

func (s *openverseSearch) run(ctx context.Context) error {
	if strings.TrimSpace(s.request.Keyword) == "" {
		return errNoKeyword
	}
	base := s.Endpoint
	if base == "" {
		base = openverseEndpoint
	}
	address, err := webAddress(base)
	if err != nil {
		return &ServiceError{Service: "Openverse", Detail: "has an address that cannot be used: correct it"}
	}
	for number, pages := 1, 1; number <= pages; number++ {
		page := *address
		values, err := s.query(number)
		if err != nil {
			return err
		}
		page.RawQuery = values.Encode()
		results, err := s.ask(ctx, &page)
		if refused := (*ServiceError)(nil); number > 1 && errors.As(err, &refused) && noMore(refused.Status) {
			return nil // It gives no more pages to those without a key, whatever it said.
		}
		if err != nil {
			return err
		}
		pages = results.Pages
		for i := range results.Photos {
			if err := s.photo(ctx, &results.Photos[i]); err != nil {
				return err
			}
		}
		if len(results.Photos) == 0 {
			return nil
		}
	}
	return nil
}

// query gives what to ask for on a page.
func (s *openverseSearch) query(page int) (url.Values, error) {
	words := []string{norm.NFC.String(s.request.Keyword)}
	for _, word := range s.ExcludeWords {
		words = append(words, minus(word))
	}
	text := strings.Join(words, " ")
	if len([]rune(text)) > openverseQuery {
		return nil, fmt.Errorf("the keyword with the words to exclude has more than the %d characters that Openverse takes: shorten it", openverseQuery)
	}
	var terms []string
	for _, t := range openverseTerms(s.terms) {
		terms = append(terms, string(t))
	}
	if len(terms) == 0 {
		return nil, fmt.Errorf("no photo of Openverse is under the licenses %v: choose others", s.terms)
	}
	values := url.Values{
		"q": {text}, "license": {strings.Join(terms, ",")}, "page_size": {strconv.Itoa(openversePage)}, "page": {strconv.Itoa(page)},
	}
	if len(s.Sources) > 0 {
		values.Set("source", strings.Join(s.Sources, ","))
	}
	if s.Unsafe {
		values.Set("mature", "true")
	}
	if s.Photographs {
		values.Set("category", "photograph")
	}
	return values, nil
}

func (s *openverseSearch) ask(ctx context.Context, address *url.URL) (results openverseResults, err error) {
	a, err := s.Web.get(ctx, query{
		service: "Openverse", address: address, accept: "application/json", maxBytes: openverseBody, pace: &s.calls,
		check: func(a answer) error {
			var whole openverseResults // Of what was read in a try that failed, nothing shall be left.
			err := json.Unmarshal(a.body, &whole)
			if err == nil && whole.Photos == nil {
				err = errors.New("it has no results")
			}
			if err != nil {
				return &passingError{error: unreadableAnswer("Openverse", "a search", err)}
			}
			results = whole
			return nil
		},
	})
	if errors.Is(err, errTooLong) {
		err = &ServiceError{Service: "Openverse", Detail: "sent an answer that is too long: run it again later"}
	}
	if err == nil {
		s.calls.set(openversePace(a.header))
	}
	return results, err
}

// openversePace gives the time between requests that lets no limit of Openverse's be reached, as far as its answers say how
// many requests are left. Limits by the day are left out: within them, one may be quick.
func openversePace(h http.Header) time.Duration {
	const limit, left = "X-Ratelimit-Limit-", "X-Ratelimit-Available-"
	var gap time.Duration
	for name, values := range h {
		scope, ok := strings.CutPrefix(name, limit)
		if !ok || len(values) == 0 {
			continue
		}
		number, unit, _ := strings.Cut(values[0], "/") // "20/min"
		allowed, err := strconv.Atoi(number)
		available, err2 := strconv.Atoi(h.Get(left + scope))
		if err != nil || err2 != nil || allowed <= 0 || available > allowed/2 || unit == "" {
			continue
		}
		switch unit[0] {
		case 's':
			gap = max(gap, time.Second/time.Duration(allowed))
		case 'm':
			gap = max(gap, time.Minute/time.Duration(allowed))
		}
	}
	return gap
}

// photo gives one photo, or says why not. The error is errEnough or the context's.
func (s *openverseSearch) photo(ctx context.Context, p *openversePhoto) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("asking Openverse: %w", err)
	}
	if p.ID == "" || s.seen[p.ID] {
		return nil
	}
	s.seen[p.ID] = true
	item, err := s.item(p)
	if err != nil {
		item = Item{Keyword: s.request.Keyword}
	}
	if !s.yield(item, err) {
		return errEnough
	}
	return nil
}

// hasTag reports whether one of the tags has one or several words.
func (p *openversePhoto) hasTag(words string) bool {
	for _, tag := range p.Tags {
		if hasWords(tag.Name, words) {
			return true
		}
	}
	return false
}

// item makes an item of a result. The error is a *Refusal.
func (s *openverseSearch) item(p *openversePhoto) (Item, error) {
	name := clip(p.PageURL)
	if name == "" {
		name = clip(p.ID)
	}
	license := openverseLicense(p.License, p.LicenseVersion, p.LicenseURL)
	if !slices.Contains(s.terms, license.Terms) {
		return Item{}, refuse(WrongLicense, name, "is under another license than those asked for: %s", clip(license.Name))
	}
	if p.Width > 0 && p.Height > 0 && min(p.Width, p.Height) < s.MinSide {
		return Item{}, refuse(TooSmall, name, "has %d x %d pixels, and its shorter side is below the least of %d", p.Width, p.Height, s.MinSide)
	}
	for _, word := range s.ExcludeWords {
		if hasWords(p.Title, word) || p.hasTag(word) {
			return Item{}, refuse(Excluded, name, "has the word %q in its title or tags, which is not wanted", word)
		}
	}
	address, err := webAddress(p.URL)
	if err != nil || !s.allowed(nil, address) {
		return Item{}, refuse(Redirected, name, "has its picture at an address that is not protected, or not a public one")
	}
	ending := ".jpg"
	if p.FileType != "" && picture.IsName("x."+p.FileType) {
		ending = "." + strings.ToLower(p.FileType)
	}
	return Item{
		Keyword: s.request.Keyword, Name: p.ID + extension(address, ending),
		Source: curate.Source{
			Kind: "openverse", ID: p.ID, Title: credit(p.Title), Author: credit(p.Creator), AuthorURL: webLink(p.CreatorURL),
			PageURL: webLink(p.PageURL), License: license.Name, LicenseURL: license.URL, From: address.String(),
		},
		Open: func(ctx context.Context) (io.ReadCloser, error) { return s.downloads.open(ctx, name, address) },
	}, nil
}
