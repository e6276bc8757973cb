package collecttest

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"kaika/core/picture/picturetest"
)

// A Fault is something that goes wrong with one answer.
type Fault int

// The faults. Those up to CutOff pass: a client that asks again may be served. The others stand for photos that are gone, or
// are no photos.
const (
	OK          Fault = iota
	TooMany           // Status 429, with Retry-After.
	Broken            // Status 500, with a web page.
	Overloaded        // Flickr's error 105, with status 200; for a picture or Openverse, status 503.
	Strange           // Flickr's undocumented error 201; for a picture or Openverse, status 502.
	WebPage           // A web page with status 200.
	CutOff            // Half of the bytes, and the end of the connection.
	Stalled           // Half of the bytes, and silence.
	Dripping          // The bytes one by one, without an end in sight.
	Elsewhere         // A redirect to another host.
	Unavailable       // A redirect to a picture that says that there is none, as Flickr's.
	StandIn           // That picture itself, as a PNG.
	Missing           // Status 404.
	WrongType         // The picture, but called a web page.
	Text              // A text, but called a JPEG.
	Huge              // More bytes than anybody should read.
	HalfPicture       // Half of a JPEG, as if it was whole.
)

// Passing lists the faults after which a client should ask again. Stalled and Dripping are left out, because they
// cost a client its patience each time.
func Passing() []Fault { return []Fault{TooMany, Broken, Overloaded, Strange, WebPage, CutOff} }

// Faults say how often what goes wrong. Whether it does for one answer follows from the seed, what was asked for, and how
// often it was; so it is the same in each run, whatever else is asked for in between.
type Faults struct {
	Seed   uint64
	Rate   float64 // The share of the answers that go wrong, 0 to 1.
	Kinds  []Fault // Nil for Passing.
	InARow int     // At most so many times in a row for the same question; 0 for 2. A patient client then gets all.
}

// fault decides what goes wrong with an answer.
func (s *Server) fault(r *http.Request) Fault {
	f := s.Faults
	if f.Kinds == nil {
		f.Kinds = Passing()
	}
	if f.InARow == 0 {
		f.InARow = 2
	}
	query := r.URL.Query()
	query.Del("api_sig")
	question := r.URL.Path + "?" + query.Encode()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attempts == nil {
		s.attempts, s.inARow = map[string]int{}, map[string]int{}
	}
	s.attempts[question]++
	h := fnv.New64a()
	fmt.Fprint(h, f.Seed, s.attempts[question], question)
	const thousand = 1000
	// The last bytes change little in the upper half of such a hash, so it is stirred.
	dice := mix(h.Sum64())
	if float64(dice%thousand) >= f.Rate*thousand || s.inARow[question] >= f.InARow {
		s.inARow[question] = 0
		return OK
	}
	s.inARow[question]++
	s.counts.Faults++
	return f.Kinds[dice/thousand%uint64(len(f.Kinds))]
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

const (
	elsewherePath = "/elsewhere/"
	page          = "<!DOCTYPE html>\n<html><head><title>Sorry</title></head><body><p>Please sign in to this network.</p></body></html>\n"
	hugeBytes     = 1 << 40
)

// common makes the faults that are the same for all answers. The result says whether it did.
func (f Fault) common(w http.ResponseWriter, r *http.Request, whole []byte) bool {
	switch f {
	case TooMany:
		w.Header().Set("Retry-After", "2")
		http.Error(w, "Too many requests", http.StatusTooManyRequests)
	case Broken:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, page)
	case WebPage:
		write(w, "text/html; charset=utf-8", []byte(page))
	case CutOff, Stalled:
		w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
		_, _ = w.Write(whole[:len(whole)/2])
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		if f == Stalled {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	case Dripping:
		drip(w, r)
	case Elsewhere:
		astray(w, r, "picture.jpg")
	case Missing:
		http.NotFound(w, r)
	case Huge:
		w.Header().Set("Content-Length", strconv.FormatInt(hugeBytes, 10))
		_, _ = w.Write(whole)
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	default:
		return false
	}
	return true
}

// drip gives one byte after the other, until the client has enough of it.
func drip(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(1<<20))
	w.WriteHeader(http.StatusOK)
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		_, _ = w.Write([]byte{' '})
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// astray redirects to another host.
func astray(w http.ResponseWriter, r *http.Request, name string) {
	http.Redirect(w, r, "http://"+otherName(r.Host)+elsewherePath+name, http.StatusFound) //nolint:gosec // That is its purpose.
}

// otherName is another name of the same host.
func otherName(host string) string {
	if port, ok := strings.CutPrefix(host, "127.0.0.1"); ok {
		return "localhost" + port
	}
	return host
}

// api makes a fault of an answer of a service. The result says whether it did.
func (f Fault) api(w http.ResponseWriter, r *http.Request) bool {
	isFlickr := r.URL.Path == FlickrPath
	switch {
	case f == Overloaded && isFlickr:
		fail(w, 105, "Service currently unavailable")
	case f == Strange && isFlickr:
		fail(w, 201, "Sorry, the Flickr API service is not currently available.")
	case f == Overloaded:
		http.Error(w, "unavailable", http.StatusServiceUnavailable)
	case f == Strange:
		http.Error(w, "bad gateway", http.StatusBadGateway)
	default:
		return f.common(w, r, []byte(xmlHead+`<rsp stat="ok"><photos page="1" pages="1" perpage="100" total="1"><photo id="1"/></photos></rsp>`))
	}
	return true
}

// picture answers with a picture, or makes a fault of it.
func (f Fault) picture(w http.ResponseWriter, r *http.Request, jpeg []byte) {
	switch f {
	case OK:
		write(w, "image/jpeg", jpeg)
	case Overloaded:
		http.Error(w, "unavailable", http.StatusServiceUnavailable)
	case Strange:
		http.Error(w, "bad gateway", http.StatusBadGateway)
	case Unavailable:
		astray(w, r, "photo_unavailable.png")
	case StandIn:
		write(w, "image/png", picturetest.PNG(0, 0, 100, 75))
	case WrongType:
		write(w, "text/html", jpeg)
	case Text:
		write(w, "image/jpeg", []byte("There is no picture here, only words.\n"))
	case HalfPicture:
		write(w, "image/jpeg", jpeg[:len(jpeg)/2])
	default:
		f.common(w, r, jpeg)
	}
}
