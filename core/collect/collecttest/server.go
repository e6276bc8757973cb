// Package collecttest is Flickr and Openverse on this machine: one server that speaks what they document of their protocols,
// gives drawn pictures, and goes wrong as they do, if it is told to. Tests, demonstrations and benchmarks collect from it.
//
// It is faithful where a client could be wrong: it computes the signature of a call anew, wants the arguments that are
// required, gives at most so many results to a page, and repeats results behind the first 4,000 of a search.
package collecttest

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kaika/core/picture/picturetest"
)

// The paths of the services below the address of a Server.
const (
	FlickrPath    = "/services/rest"
	OpenversePath = "/v1/images/"
)

// A Photo is a photo of the services.
type Photo struct {
	ID, Owner, OwnerName, Title string // The ID is Flickr's, of digits.

	Description   string // In HTML.
	Tags          []string
	License       int // Flickr's number.
	Taken, Posted time.Time
	Width, Height int   // Of the original, in pixels.
	Video         bool  // It is none, but a film.
	Unsafe        bool  // Not for everybody to see: Flickr shows it only to those who sign in, which nobody does here.
	Deleted       bool  // Not there any more: no search finds it, and who asks about it is told so.
	Private       bool  // There, but for its owner's friends only.
	Class, Seed   int   // Of its picture: picturetest.Flower.
	Always        Fault // What goes wrong each time with its picture.
}

// Photos gives so many different photos of a keyword, with the longer side of a length. They are the same in each run. All
// licenses of Flickr occur, and the first of each ten is under CC BY 2.0.
func Photos(keyword string, count, side int) []Photo {
	const day, years = 24 * time.Hour, 20 * 365 * 24 * time.Hour
	h := fnv.New32a()
	fmt.Fprint(h, keyword)
	class := int(h.Sum32() % 100_000)
	first := time.Date(2005, 3, 1, 12, 0, 0, 0, time.UTC)
	photos := make([]Photo, count)
	for n := range photos {
		license := n * 7 % len(licenses)
		if n%10 == 0 {
			license = 4
		}
		posted := first.Add(time.Duration(n) * (years / time.Duration(max(count, 1000))))
		photos[n] = Photo{
			ID:    fmt.Sprintf("5%05d%06d", class, n),
			Owner: fmt.Sprintf("%08d@N%02d", 10_000_000+n%97, n%10), OwnerName: fmt.Sprintf("Ānna & 花子 <%d>", n%97),
			Title:   `A "` + keyword + `", no. ` + strconv.Itoa(n),
			Tags:    []string{strings.ToLower(strings.ReplaceAll(keyword, " ", "")), fmt.Sprintf("tag%d", n%10)},
			License: license, Taken: posted.Add(-day).Truncate(time.Second), Posted: posted.Truncate(time.Second),
			Width: side, Height: side * 3 / 4, Class: class, Seed: n,
		}
	}
	return photos
}

// A Server is the services. Its fields are set before its first request; the zero value knows no photos and accepts no key.
type Server struct {
	Key, Secret string  // That a client of Flickr has to have.
	Photos      []Photo // In the order of their relevance.
	Faults      Faults

	IgnoreLicense bool // Give photos of all licenses, whatever Flickr is asked for.
	Unsigned      bool // Take calls without a signature, as Flickr does for what everybody may see.
	Quick         bool // Draw one picture of each class and size only. The others differ from it in a comment, and look the same.
	Burst         int  // So many requests Openverse answers before it wants to be left alone for a minute; 0 for any number.
	Depth         int  // So many pages Openverse gives; 0 for 20.

	mu       sync.Mutex
	counts   Counts
	inARow   map[string]int // Faults one after the other, by the path and query.
	attempts map[string]int
	burst    int
	drawn    map[drawing][]byte
}

// drawing is what the look of a picture depends on in a quick Server.
type drawing struct{ class, width, height int }

// Counts say what a Server was asked for.
type Counts struct {
	Calls     map[string]int // Of Flickr's methods by their names, and of Openverse as "openverse".
	Pictures  int            // That were asked for.
	Faults    int            // That were made.
	Elsewhere int            // Visits of the host that Elsewhere leads to, where nobody should go.
}

// Start serves s until the test ends, and returns its address, such as "http://127.0.0.1:1234".
func Start(tb testing.TB, s *Server) string {
	tb.Helper()
	server := httptest.NewServer(s)
	tb.Cleanup(server.Close)
	return server.URL
}

// Counts gives what was asked for until now.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := s.counts
	counts.Calls = maps.Clone(s.counts.Calls)
	return counts
}

func (s *Server) count(method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts.Calls == nil {
		s.counts.Calls = map[string]int{}
	}
	s.counts.Calls[method]++
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	base := "http://" + r.Host
	switch {
	case r.URL.Path == FlickrPath:
		if fault := s.fault(r); fault == OK || !fault.api(w, r) {
			s.flickr(w, r, base)
		}
	case strings.HasPrefix(r.URL.Path, OpenversePath):
		if fault := s.fault(r); fault == OK || !fault.api(w, r) {
			s.openverse(w, r, base)
		}
	case strings.HasPrefix(r.URL.Path, elsewherePath):
		s.mu.Lock()
		s.counts.Elsewhere++
		s.mu.Unlock()
		write(w, "image/jpeg", picturetest.JPEG(1, 1, 64, 48))
	default:
		s.picture(w, r)
	}
}

// picture serves the picture of a photo, at /<server>/<id>_<secret>.jpg or /<server>/<id>_<secret>_<size>.jpg.
func (s *Server) picture(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	id, rest, _ := strings.Cut(strings.TrimSuffix(name, ".jpg"), "_")
	_, suffix, _ := strings.Cut(rest, "_")
	s.mu.Lock()
	s.counts.Pictures++
	s.mu.Unlock()
	for i := range s.Photos {
		p := &s.Photos[i]
		if p.ID != id || p.path(suffix) != r.URL.Path {
			continue
		}
		width, height := p.Width, p.Height
		if suffix != "o" {
			width, height = p.fit(sizes[suffix])
		}
		fault := p.Always
		if fault == OK {
			fault = s.fault(r)
		}
		fault.picture(w, r, s.draw(p, width, height))
		return
	}
	http.NotFound(w, r)
}

// draw gives the picture of a photo in a size.
func (s *Server) draw(p *Photo, width, height int) []byte {
	if !s.Quick {
		return picturetest.JPEG(p.Class, p.Seed, width, height)
	}
	d := drawing{p.Class, width, height}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drawn == nil {
		s.drawn = map[drawing][]byte{}
	}
	if s.drawn[d] == nil {
		s.drawn[d] = picturetest.JPEG(p.Class, 0, width, height)
	}
	comment := append([]byte{0xff, 0xfe, 0, byte(2 + len(p.ID))}, p.ID...) //nolint:gosec // ITU-T T.81, B.2.4.5; an ID is short.
	return slices.Insert(slices.Clone(s.drawn[d]), 2, comment...)
}

// sizes are the longer sides of Flickr's sizes by the endings of their addresses. ("Photo Image URLs" of its documentation.)
var sizes = map[string]int{"": 500, "z": 640, "c": 800, "b": 1024}

// path gives the path of the picture in a size.
func (p *Photo) path(suffix string) string {
	secret := fmt.Sprintf("%010x", uint64(p.Seed)*2654435761+uint64(p.Class)) //nolint:gosec // A test's numbers are small.
	if suffix == "o" {
		secret = "0" + secret[1:] // The original has a secret of its own.
	}
	name := p.ID + "_" + secret
	if suffix != "" {
		name += "_" + suffix
	}
	return "/65535/" + name + ".jpg"
}

// fit gives the size of a picture whose longer side is at most so long.
func (p *Photo) fit(side int) (width, height int) {
	longer := max(p.Width, p.Height)
	if longer <= side {
		return p.Width, p.Height
	}
	return max(p.Width*side/longer, 1), max(p.Height*side/longer, 1)
}

func write(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}
