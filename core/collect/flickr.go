package collect

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"iter"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"gopkg.in/masci/flickr.v3"

	"kaika/core/curate"
	"kaika/core/picture"
	"kaika/core/secret"
)

// FlickrNotice is what Flickr wants to be said where its photos are shown.
const FlickrNotice = "This product uses the Flickr API but is not endorsed or certified by SmugMug, Inc."

// A FlickrSort is an order of Flickr's results, as Flickr calls it.
type FlickrSort string

// The orders.
const (
	MostRelevant    FlickrSort = "relevance"
	MostInteresting FlickrSort = "interestingness-desc"
	NewestPosted    FlickrSort = "date-posted-desc"
	OldestPosted    FlickrSort = "date-posted-asc"
	NewestTaken     FlickrSort = "date-taken-desc"
	OldestTaken     FlickrSort = "date-taken-asc"
)

// FlickrSorts lists the orders, the usual one first.
func FlickrSorts() []FlickrSort {
	return []FlickrSort{MostRelevant, MostInteresting, NewestPosted, OldestPosted, NewestTaken, OldestTaken}
}

// ParseFlickrSort reads an order as a user writes it, where "" is the usual one.
func ParseFlickrSort(text string) (FlickrSort, error) {
	sort := FlickrSort(strings.ToLower(strings.TrimSpace(text)))
	if sort == "" {
		return MostRelevant, nil
	}
	if !slices.Contains(FlickrSorts(), sort) {
		return "", fmt.Errorf("there is no order %q: use one of %v", text, FlickrSorts())
	}
	return sort, nil
}

// Flickr is the photos that Flickr's members show to everybody. It needs a key of its user's own, of whose calls it makes at
// most 3,600 an hour: one Flickr, or one PaceFile, should serve all that is done with a key. It may be used from several
// goroutines once its fields are set.
type Flickr struct {
	Key, Secret secret.Text

	Terms        []Terms    // The licenses that are wanted; nil for FreeTerms.
	Sort         FlickrSort // "" for MostRelevant.
	AsTag        bool       // Look for the keyword among the photos' tags only, not also in their titles and descriptions.
	ExcludeWords []string   // No photos with these words in the title, the description (not if AsTag) or the tags,
	ExcludeTags  []string   // nor with these tags.
	After        time.Time  // Posted to Flickr at this time or later; zero for any.
	Before       time.Time  // Posted to Flickr at this time or earlier; zero for any.
	AnyContent   bool       // Also screenshots, drawings and the like.
	MinSide      int        // The least length of the shorter side, in pixels.
	Side         int        // The wanted length of the longer side, in pixels; 0 for 1024, up to which all photos can be had.

	PaceFile   string   // By which all programs and runs that name it keep the pace together; it and its folder are made. "" for none.
	Endpoint   string   // Another place for Flickr's REST interface, for tests.
	ImageHosts []string // Other hosts for its pictures, for tests; also hosts below them. They may be unprotected ones.
	Web        Web

	pacing   sync.Once
	calls    pace // Of the interface.
	pictures pace // Of the host of the pictures.

	mu       sync.Mutex
	licenses map[string]License // By Flickr's number; nil before they were asked for.
}

var _ Source = (*Flickr)(nil)

func flickrService() Service {
	from := func(w Wanted, a Access) *Flickr {
		return &Flickr{
			Key: a.Key, Secret: a.Secret, Terms: w.Licenses, Sort: w.Sort, AsTag: w.TagsOnly, ExcludeWords: w.ExcludeWords, ExcludeTags: w.ExcludeTags,
			After: w.After, Before: w.Before, AnyContent: w.Drawings, MinSide: w.MinSide, PaceFile: a.PaceFile, Endpoint: a.Endpoint, ImageHosts: a.ImageHosts, Web: a.Web,
		}
	}
	return Service{
		Kind: "flickr", Name: "Flickr", NeedsKey: true, Notice: FlickrNotice, Licenses: AllTerms(),
		Filters: Filters{Sorts: FlickrSorts(), Tags: true, Dates: true, Drawings: true},
		Source:  func(w Wanted, a Access) Source { return from(w, a) },
		Checker: func(a Access) Checker { return from(Wanted{}, a) },
	}
}

const (
	searchMethod  = "flickr.photos.search"
	flickrPage    = 500  // The most results that a page can have.
	flickrLimit   = 4000 // The results of a search that can be had. The pages behind repeat them.
	flickrSide    = 1024
	flickrBody    = 16 << 20 // Bytes of an answer. A page of results has about 600 KB.
	flickrMaxTags = 20       // In one search.
)

// Name returns "Flickr".
func (f *Flickr) Name() string { return "Flickr" }

// Search implements Source. The keyword is written as in Flickr's own search. All photos that match can be had: where there
// are more than Flickr gives to one search, the rest follows by the time they were posted, the newest first.
func (f *Flickr) Search(ctx context.Context, r Request) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		f.pacing.Do(f.setPace)
		s := flickrSearch{
			Flickr: f, request: r, yield: yield, seen: map[string]bool{}, perPage: flickrPage,
			downloads: downloads{web: &f.Web, service: "Flickr's picture server", pace: &f.pictures, allowed: f.allowed, flickr: f.imageHosts(), most: 5},
		}
		if few := 60; r.Count > 0 && r.Count <= few {
			s.perPage = 100
		}
		if err := s.run(ctx); err != nil && !errors.Is(err, errEnough) {
			yield(Item{Keyword: r.Keyword}, err)
		}
	}
}

func (f *Flickr) setPace() {
	f.calls.shortest, f.calls.longest = time.Second, time.Second
	f.pictures.shortest, f.pictures.longest = 100*time.Millisecond, 30*time.Second
	if f.PaceFile != "" {
		f.calls.turns = &turns{f.PaceFile, f.Web.log()}
	}
}

func (f *Flickr) imageHosts() []string {
	if f.ImageHosts != nil {
		return f.ImageHosts
	}
	return []string{"staticflickr.com", "static.flickr.com"}
}

func (f *Flickr) allowed(_, to *url.URL) bool { return inHosts(to.Host, f.imageHosts()) }

// ErrNoKey says that Flickr cannot be asked without a key.
var ErrNoKey = errors.New("Flickr needs a key and its secret")

var errNoKeyword = errors.New("there is nothing to look for: give a keyword")

// flickrSearch is one call of Search.
type flickrSearch struct {
	*Flickr

	request   Request
	yield     func(Item, error) bool
	perPage   int
	terms     []Terms
	known     map[string]License // By Flickr's number.
	ids       string             // The numbers of the wanted licenses, with commas.
	seen      map[string]bool    // Photos that were given, by their ids.
	downloads downloads
}

// span is a range of times of posting, in seconds since 1970; both ends belong to it. The zero value is all times.
type span struct{ from, to int64 }

func (s *flickrSearch) run(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	var all span
	if !s.After.IsZero() {
		all.from = s.After.Unix()
	}
	if !s.Before.IsZero() {
		all.to = s.Before.Unix()
	}
	// The first results are the best ones. Only who wants more than Flickr gives at once gets the rest by time.
	total, err := s.give(ctx, all, true)
	if err != nil || total <= flickrLimit {
		return err
	}
	const flickrOpened = 1076457600 // 11 February 2004: the day on which the first photo can have been posted.
	const day = 24 * 60 * 60        // Its clock may be another than ours.
	all.from = max(all.from, flickrOpened)
	if now := s.Web.Clock.now().Unix() + day; all.to == 0 || all.to > now {
		all.to = now
	}
	return s.slices(ctx, all)
}

// prepare looks at what is asked for.
func (s *flickrSearch) prepare(ctx context.Context) error {
	switch {
	case s.Key.Empty() || s.Secret.Empty():
		return ErrNoKey
	case strings.TrimSpace(s.request.Keyword) == "":
		return errNoKeyword
	case len(s.ExcludeTags) >= flickrMaxTags:
		return fmt.Errorf("%d tags are too many to exclude: Flickr takes %d", len(s.ExcludeTags), flickrMaxTags-1)
	}
	s.terms = s.Terms
	if s.terms == nil {
		s.terms = FreeTerms()
	}
	var err error
	if s.known, err = s.Licenses(ctx); err != nil {
		return err
	}
	var ids []string
	for _, id := range slices.SortedFunc(maps.Keys(s.known), byNumber) {
		if slices.Contains(s.terms, s.known[id].Terms) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return fmt.Errorf("no photo of Flickr is under the licenses %v: choose others", s.terms)
	}
	s.ids = strings.Join(ids, ",")
	return nil
}

func byNumber(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

// slices gives the photos of a span that has too many for one search: the newer half and then the older.
func (s *flickrSearch) slices(ctx context.Context, of span) error {
	for _, half := range halves(of) {
		total, err := s.give(ctx, half, half.from >= half.to)
		switch {
		case err != nil || total <= flickrLimit:
		case half.from < half.to:
			err = s.slices(ctx, half)
		default:
			s.Web.log().Warn("Flickr has more photos of one second than it gives to a search",
				"keyword", s.request.Keyword, "photos", total, "given", flickrLimit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func halves(of span) []span {
	if of.from >= of.to {
		return []span{of}
	}
	middle := of.from + (of.to-of.from)/2
	return []span{{middle + 1, of.to}, {of.from, middle}}
}

// give gives the photos of a span page by page, and returns how many there are. If those are more than Flickr gives to one
// search, it gives the first of them if first is set, and none otherwise.
func (s *flickrSearch) give(ctx context.Context, of span, first bool) (total int, err error) {
	for number := 1; number <= flickrLimit/s.perPage; number++ {
		page, err := s.page(ctx, of, number)
		if err != nil {
			return 0, err
		}
		if number == 1 {
			if total = page.Total; total > flickrLimit && !first {
				return total, nil
			}
		}
		for i := range page.Photos {
			if err := s.photo(ctx, &page.Photos[i]); err != nil {
				return total, err
			}
		}
		// The total is an estimate that may change from page to page.
		if len(page.Photos) == 0 || number*s.perPage >= page.Total {
			break
		}
	}
	return total, nil
}

// flickrPhotos is a page of the answer to flickr.photos.search.
type flickrPhotos struct {
	flickr.BasicResponse

	Page *struct {
		Total  string        `xml:"total,attr"`
		Photos []flickrPhoto `xml:"photo"`
	} `xml:"photos"`
}

// flickrPhoto is a photo as flickr.photos.search gives it. All attributes are texts, because those that are missing or empty
// shall not spoil the rest.
type flickrPhoto struct {
	ID           string `xml:"id,attr"`
	Owner        string `xml:"owner,attr"`
	Title        string `xml:"title,attr"`
	OwnerName    string `xml:"ownername,attr"`
	License      string `xml:"license,attr"`
	Taken        string `xml:"datetaken,attr"`
	TakenUnknown string `xml:"datetakenunknown,attr"`
	Tags         string `xml:"tags,attr"`
	Media        string `xml:"media,attr"`
	Description  string `xml:"description"` // In HTML; only where it was asked for.

	Sizes []xml.Attr `xml:",any,attr"` // Address, width and height of each size that there is.
}

// result is what a page holds.
type result struct {
	Total  int
	Photos []flickrPhoto
}

// page asks for a page of the photos of a span.
func (s *flickrSearch) page(ctx context.Context, of span, number int) (result, error) {
	args := map[string]string{
		"license": s.ids, "media": "photos", "per_page": strconv.Itoa(s.perPage), "page": strconv.Itoa(number),
		"sort":        string(cmp.Or(s.Sort, MostRelevant)),
		"extras":      "license,owner_name,date_taken,date_upload,tags,media,o_dims,url_m,url_z,url_c,url_l,url_o",
		"safe_search": "1", // Flickr gives others only to those who sign in as somebody.
	}
	if len(s.ExcludeWords) > 0 && !s.AsTag { // They make a page much longer.
		args["extras"] += ",description"
	}
	if !s.AnyContent {
		args["content_types"] = "0"
	}
	if of.from > 0 {
		args["min_upload_date"] = strconv.FormatInt(of.from, 10)
	}
	if of.to > 0 {
		args["max_upload_date"] = strconv.FormatInt(of.to, 10)
	}
	var text, tags []string
	keyword := norm.NFC.String(s.request.Keyword) // A keyboard may give letters and their accents one by one.
	if s.AsTag {
		tags = append(tags, strings.ReplaceAll(keyword, ",", " "))
	} else {
		text = append(text, keyword)
		for _, word := range s.ExcludeWords { // Flickr does not say whether it takes nothing but these; item looks at them, too.
			text = append(text, minus(word))
		}
	}
	for _, tag := range s.ExcludeTags {
		tags = append(tags, "-"+plainTag(tag))
	}
	if len(text) > 0 {
		args["text"] = strings.Join(text, " ")
	}
	if len(tags) > 0 {
		args["tags"], args["tag_mode"] = strings.Join(tags, ","), "all"
	}
	found, err := call[flickrPhotos](ctx, s.Flickr, searchMethod, args)
	if err != nil {
		return result{}, err
	}
	if found.Page == nil {
		return result{}, unreadableAnswer("Flickr", searchMethod, errors.New("it has no photos element"))
	}
	total, err := strconv.Atoi(found.Page.Total)
	if err != nil {
		total = len(found.Page.Photos)
	}
	return result{total, found.Page.Photos}, nil
}

// minus writes a word or several in the way in which a search leaves them out.
func minus(words string) string {
	words = norm.NFC.String(strings.ReplaceAll(strings.TrimSpace(words), `"`, ""))
	if strings.ContainsAny(words, " \t") {
		return `-"` + words + `"`
	}
	return "-" + words
}

// photo gives one photo, or says why not. The error is errEnough or the context's.
func (s *flickrSearch) photo(ctx context.Context, p *flickrPhoto) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("asking Flickr: %w", err)
	}
	if p.ID == "" || strings.Trim(p.ID, "0123456789") != "" || s.seen[p.ID] {
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

// item makes an item of a photo. The error is a *Refusal.
func (s *flickrSearch) item(p *flickrPhoto) (Item, error) {
	page := "https://www.flickr.com/photos/" + url.PathEscape(p.Owner) + "/" + p.ID + "/"
	license, known := s.known[p.License]
	if !known || !slices.Contains(s.terms, license.Terms) {
		return Item{}, refuse(WrongLicense, page, "is under another license than those asked for: %s", cmp.Or(license.Name, "number "+clip(p.License)))
	}
	if p.Media != "" && p.Media != "photo" {
		return Item{}, refuse(picture.NotAPicture, page, "is a %s, not a photo", clip(p.Media))
	}
	tags := strings.Fields(p.Tags)
	for _, tag := range s.ExcludeTags {
		if slices.Contains(tags, plainTag(tag)) {
			return Item{}, refuse(Excluded, page, "has the tag %q, which is not wanted", tag)
		}
	}
	for _, word := range s.ExcludeWords {
		if hasWords(p.Title, word) || !s.AsTag && hasWords(plainText(p.Description), word) ||
			slices.ContainsFunc(tags, func(tag string) bool { return plainTag(word) != "" && plainTag(tag) == plainTag(word) }) {
			return Item{}, refuse(Excluded, page, "has the word %q in its title, description or tags, which is not wanted", word)
		}
	}
	size, ok := p.size(cmp.Or(s.Side, flickrSide))
	if !ok {
		return Item{}, refuse(Gone, page, "is shown to everybody in no size that could be downloaded")
	}
	if size.width > 0 && size.height > 0 && min(size.width, size.height) < s.MinSide {
		return Item{}, refuse(TooSmall, page, "has %d x %d pixels, and its shorter side is below the least of %d", size.width, size.height, s.MinSide)
	}
	address, err := webAddress(size.address)
	if err != nil || !s.allowed(nil, address) || address.Scheme != "https" && s.ImageHosts == nil {
		return Item{}, refuse(Redirected, page, "has its picture on a host that is not Flickr's")
	}
	item := Item{
		Keyword: s.request.Keyword, Name: p.ID + extension(address, ".jpg"),
		Source: curate.Source{
			Kind: "flickr", ID: p.ID, Title: credit(p.Title), Author: credit(p.OwnerName), PageURL: page,
			License: license.Name, LicenseURL: license.URL, Taken: p.taken(), From: address.String(),
		},
		Open: func(ctx context.Context) (io.ReadCloser, error) { return s.downloads.open(ctx, page, address) },
	}
	if p.Owner != "" {
		item.Source.AuthorURL = "https://www.flickr.com/people/" + url.PathEscape(p.Owner) + "/"
	}
	return item, nil
}

// hasWords reports whether a text has one or several words in a row, in upper or lower case. Words of languages that are written
// without spaces may stand within others.
func hasWords(text, words string) bool {
	spaced := func(text string) string {
		return " " + strings.Join(strings.FieldsFunc(strings.ToLower(norm.NFKC.String(text)), func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r)
		}), " ") + " "
	}
	text, words = spaced(text), spaced(words)
	if strings.ContainsFunc(words, func(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai) }) {
		words = strings.TrimSpace(words)
	}
	return strings.TrimSpace(words) != "" && strings.Contains(text, words)
}

// plainTag gives a tag as Flickr compares them: only letters and digits, in lower case.
func plainTag(tag string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t_-.,:;!?'\"()/&", r) {
			return -1
		}
		return r
	}, strings.ToLower(norm.NFC.String(tag)))
}

var markup = regexp.MustCompile(`<[^>]*>`)

// plainText gives the words of a text in HTML.
func plainText(text string) string { return html.UnescapeString(markup.ReplaceAllString(text, " ")) }

// taken is when the photo was taken, by the clock of its camera; zero where nobody knows.
func (p *flickrPhoto) taken() time.Time {
	t, err := time.Parse(time.DateTime, p.Taken)
	if err != nil || p.TakenUnknown == "1" {
		return time.Time{}
	}
	return t
}

// flickrSize is a size in which a photo can be had.
type flickrSize struct {
	address       string
	width, height int // 0 where not known.
}

// size gives the smallest size whose longer side is long enough, or the largest one. The original is the last choice,
// because it alone may be stored turned, and may be of any kind and size.
func (p *flickrPhoto) size(wanted int) (best flickrSize, ok bool) {
	attribute := map[string]string{}
	for _, a := range p.Sizes {
		attribute[a.Name.Local] = a.Value
	}
	number := func(names ...string) int {
		for _, name := range names {
			if n, err := strconv.Atoi(attribute[name]); err == nil && n > 0 && n <= picture.MaxSide {
				return n
			}
		}
		return 0
	}
	for _, suffix := range []string{"m", "z", "c", "l", "o"} { // From small to large.
		address := attribute["url_"+suffix]
		if address == "" {
			continue
		}
		next := flickrSize{address, number("width_"+suffix, suffix+"_width"), number("height_"+suffix, suffix+"_height")}
		if ok && max(next.width, next.height) <= max(best.width, best.height) {
			continue
		}
		best, ok = next, true
		if max(best.width, best.height) >= wanted {
			break
		}
	}
	return best, ok
}

// extension gives the ending of a picture's address, or another one where it has none.
func extension(address *url.URL, otherwise string) string {
	if dot := strings.LastIndexByte(address.Path, '.'); dot >= 0 && picture.IsName("x"+address.Path[dot:]) {
		return strings.ToLower(address.Path[dot:])
	}
	return otherwise
}

// flickrLicenseList is the answer to flickr.photos.licenses.getInfo.
type flickrLicenseList struct {
	flickr.BasicResponse

	Licenses []struct {
		ID   string `xml:"id,attr"`
		Name string `xml:"name,attr"`
		URL  string `xml:"url,attr"`
	} `xml:"licenses>license"`
}

// Licenses gives Flickr's licenses by its numbers for them. They are asked for once; where Flickr does not answer, they are
// those that are known to Kaika. The error is the context's, or says what is wrong with the key.
func (f *Flickr) Licenses(ctx context.Context) (map[string]License, error) {
	f.pacing.Do(f.setPace)
	f.mu.Lock()
	known := f.licenses
	f.mu.Unlock()
	if known != nil {
		return maps.Clone(known), nil
	}
	list, err := call[flickrLicenseList](ctx, f, "flickr.photos.licenses.getInfo", nil)
	var refused *FlickrError
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case errors.As(err, &refused) && refused.aboutKey():
		return nil, err
	case err != nil:
		f.Web.log().Warn("Flickr does not say which licenses it has; those that are known are used", "error", err)
	}
	known = flickrLicenses()
	for _, l := range list.Licenses {
		license := License{termsOf(l.URL), credit(l.Name), webLink(l.URL)}
		if license.Terms == "" {
			license.Terms = known[l.ID].Terms
		}
		known[l.ID] = license
	}
	if err == nil {
		f.mu.Lock()
		f.licenses = known
		f.mu.Unlock()
	}
	return maps.Clone(known), nil
}

// call calls a method of Flickr, and reads its answer.
func call[R any, P interface {
	*R
	flickr.FlickrResponse
}](ctx context.Context, f *Flickr, method string, args map[string]string) (response R, err error) {
	// One client for each call, because its arguments belong to all who use it.
	client := flickr.NewFlickrClient(f.Key.Reveal(), f.Secret.Reveal())
	client.Init()
	if f.Endpoint != "" {
		client.EndpointUrl = f.Endpoint
	}
	client.Args.Set("method", method)
	for name, value := range args {
		client.Args.Set(name, value)
	}
	client.ApiSign()
	address, err := webAddress(client.GetUrl())
	if err != nil {
		return response, &ServiceError{Service: "Flickr", Detail: "has an address that cannot be used: correct it"}
	}
	_, err = f.Web.get(ctx, query{
		service: "Flickr", address: address, accept: "text/xml", maxBytes: flickrBody, pace: &f.calls,
		check: func(a answer) error {
			var whole R // Of what was read in a try that failed, nothing shall be left.
			if err := f.read(method, a, P(&whole)); err != nil {
				return err
			}
			response = whole
			return nil
		},
	})
	if errors.Is(err, errTooLong) {
		err = &ServiceError{Service: "Flickr", Detail: "sent an answer that is too long: run it again later"}
	}
	return response, err
}

// read reads an answer. What is no XML comes from a server in trouble, or from something on the way.
func (f *Flickr) read(method string, a answer, response flickr.FlickrResponse) error {
	if err := xml.Unmarshal(a.body, response); err != nil {
		return &passingError{error: unreadableAnswer("Flickr", method, err)}
	}
	if !response.HasErrors() {
		return nil
	}
	message := clip(response.ErrorMsg())
	for _, hidden := range []secret.Text{f.Secret, f.Key} {
		if !hidden.Empty() {
			message = strings.ReplaceAll(message, hidden.Reveal(), "…")
		}
	}
	e := &FlickrError{Method: method, Code: response.ErrorCode(), Message: message}
	if e.passing() {
		return &passingError{error: e}
	}
	return e
}

// The codes of Flickr's errors that have a meaning of their own here.
// (https://www.flickr.com/services/api/flickr.photos.search.html, "Error Codes".)
const (
	CodeTooManyTags      = 1
	CodeParameterless    = 3
	CodeSearchDown       = 10
	CodeInvalidSignature = 96
	CodeMissingSignature = 97
	CodeInvalidKey       = 100
	CodeUnavailable      = 105
	CodeWriteFailed      = 106
	codeOverloaded       = 201 // Nowhere documented, and passes.
)

// A FlickrError is an error that Flickr itself answered with.
type FlickrError struct {
	Method  string // That was called, "" where it did not come so far.
	Code    int
	Message string // Flickr's own words.
}

// Error says in a sentence what is wrong, and what to do.
func (e *FlickrError) Error() string {
	said := fmt.Sprintf("(%q, code %d)", e.Message, e.Code)
	searched := e.Method == "" || e.Method == searchMethod // The same numbers mean something else elsewhere.
	switch {
	case e.Code == CodeInvalidKey:
		return "Flickr does not accept the key " + said + ": check the key in Settings; Flickr switches off keys that make too many calls"
	case e.Code == CodeInvalidSignature || e.Code == CodeMissingSignature:
		return "Flickr does not accept the secret of the key " + said + ": check the secret in Settings"
	case e.passing():
		return "Flickr is not available for now " + said + ": try again later; it goes on where it was"
	case !searched:
		return "Flickr refuses " + e.Method + " " + said + ": try again later; if this stays so, Flickr may have changed, and Kaika needs an update"
	case e.Code == CodeTooManyTags:
		return "Flickr finds too many tags in the search " + said + ": exclude fewer tags"
	case e.Code == CodeParameterless:
		return "Flickr does not search for nothing " + said + ": give a word to look for"
	}
	return "Flickr refuses the search " + said + ": look for something else; if this stays so, Flickr may have changed, and Kaika needs an update"
}

// passing reports whether the same call may succeed later. Code 0 comes without an explanation when Flickr is overloaded.
func (e *FlickrError) passing() bool {
	return slices.Contains([]int{0, CodeSearchDown, CodeUnavailable, CodeWriteFailed, codeOverloaded}, e.Code)
}

func (e *FlickrError) aboutKey() bool {
	return slices.Contains([]int{CodeInvalidSignature, CodeMissingSignature, CodeInvalidKey}, e.Code)
}
