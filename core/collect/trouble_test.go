package collect_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"kaika/core/collect"
	"kaika/core/collect/collecttest"
	"kaika/core/picture"
)

// answers makes an answer with headers, given as name and value.
func answers(r *http.Request, status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{
		StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

// behind has all pictures but the first ones answered by a function.
func behind(pictures int, answer func(*http.Request) *http.Response) http.RoundTripper {
	var (
		mu    sync.Mutex
		asked int
	)
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, ".jpg") {
			mu.Lock()
			asked++
			late := asked > pictures
			mu.Unlock()
			if late {
				return answer(r), nil
			}
		}
		return transport().RoundTrip(r)
	})
}

// TestPicturesAreKeptFromUs ends a run that gets no pictures any more because something does not want it to have them, and
// says what: nothing of that is an answer about one photo.
func TestPicturesAreKeptFromUs(t *testing.T) {
	const page = "<!DOCTYPE html><html><body>This page is blocked.</body></html>"
	for name, tc := range map[string]struct {
		answer  func(*http.Request) *http.Response
		status  int
		says    string
		refused int
		reason  picture.Reason
	}{
		"401":      {func(r *http.Request) *http.Response { return answers(r, 401, "") }, 401, "run it again later", 4, collect.Unreachable},
		"403":      {func(r *http.Request) *http.Response { return answers(r, 403, "") }, 403, "run it again later", 4, collect.Unreachable},
		"407":      {func(r *http.Request) *http.Response { return answers(r, 407, "") }, 407, "run it again later", 4, collect.Unreachable},
		"451":      {func(r *http.Request) *http.Response { return answers(r, 451, "") }, 451, "run it again later", 4, collect.Unreachable},
		"400":      {func(r *http.Request) *http.Response { return answers(r, 400, "") }, 400, "Kaika may need an update", 4, collect.Unreachable},
		"web page": {func(r *http.Request) *http.Response { return answers(r, 200, page, "Content-Type", "text/html") }, 0, "open a browser", 4, picture.NotAPicture},
		"an hour":  {func(r *http.Request) *http.Response { return answers(r, 429, "", "Retry-After", "3600") }, 429, "run it again after 2026-01-02 04:", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			photos := collecttest.Photos("rose", 30, 96)
			source, clock, leaks := newFlickr(collecttest.Start(t, newServer(photos...)))
			source.Web.Transport = behind(3, tc.answer)
			lib := newLibrary(t)
			c := collect.Collector{Library: lib, Source: source}
			report, err := c.Run(t.Context(), requests(10)[:1])
			leaks.check(t, err)
			r := report.Results[0]
			var service *collect.ServiceError
			if !errors.As(err, &service) || service.Status != tc.status || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("the error is %v", err)
			}
			if r.Landed != 3 || r.Refused != tc.refused || r.Reasons[tc.reason] != tc.refused || r.Exhausted {
				t.Errorf("got %+v", r)
			}
			if clock.longest() > 10*time.Minute {
				t.Errorf("it waited for %v", clock.longest())
			}
			source.Web.Transport = transport()
			if report, err = c.Run(t.Context(), requests(10)[:1]); err != nil || report.Results[0].Landed != 7 || report.Results[0].There != 3 {
				t.Errorf("later: %+v, %v", report, err)
			}
		})
	}
}

// TestWaitingIsTold has a picture server ask for a few minutes' pause, which is obeyed and told.
func TestWaitingIsTold(t *testing.T) {
	source, clock, _ := newFlickr(collecttest.Start(t, newServer(collecttest.Photos("rose", 3, 96)...)))
	refused := false
	source.Web.Transport = behind(1, func(r *http.Request) *http.Response {
		if !refused {
			refused = true
			return answers(r, 429, "", "Retry-After", "240")
		}
		response, err := transport().RoundTrip(r)
		if err != nil {
			t.Error(err)
		}
		return response
	})
	began := clock.now
	var told []string
	c := collect.Collector{Library: newLibrary(t), Source: source, Waiting: func(service string, until time.Time) {
		told = append(told, service)
		if wait := until.Sub(began); wait < 4*time.Minute || wait > 5*time.Minute {
			t.Errorf("it waits for %v", wait)
		}
	}}
	report, err := c.Run(t.Context(), requests(3)[:1])
	if err != nil || report.Results[0].Landed != 3 || len(told) != 1 || told[0] != "Flickr's picture server" {
		t.Errorf("%+v, %v, told was %q", report, err, told)
	}
}

// hosts answers by the names of hosts: "good" has pictures, "lost" cannot be found, "broken" is in trouble, and all others
// cannot be reached.
type hosts struct {
	mu    sync.Mutex
	asked map[string]int
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asked == nil {
		h.asked = map[string]int{}
	}
	host := r.URL.Host
	h.asked[host]++
	switch {
	case strings.HasPrefix(host, "good"):
		var n int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d.jpg", &n)
		return answers(r, 200, string(photo(n)), "Content-Type", "image/jpeg"), nil
	case strings.HasPrefix(host, "lost"):
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	case strings.HasPrefix(host, "broken"):
		return answers(r, 503, ""), nil
	case strings.HasPrefix(host, "busy"):
		return answers(r, 429, "", "Retry-After", "86400"), nil
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")}
}

// TestDeadHostsOfAList has hosts in a list of which some are gone for good: the others give their photos.
func TestDeadHostsOfAList(t *testing.T) {
	for name, tc := range map[string]struct {
		hosts           string // Of the addresses, one after the other.
		landed, refused int
		asked           string // A host,
		times           int    // and how often it was asked.
		ends            bool
	}{
		"one in ruins":       {strings.Repeat("broken.org ", 30) + "good.org good.org", 2, 30, "broken.org", 15, false},
		"one is lost":        {strings.Repeat("lost.org ", 30) + "good.org", 1, 30, "lost.org", 1, false},
		"one is busy":        {strings.Repeat("busy.org ", 30) + "good.org", 1, 30, "busy.org", 1, false},
		"nine":               {"lost1 lost2 lost3 lost4 broken5 broken6 dead7 dead8 busy9 good.org lost10 good.org", 2, 10, "dead8", 5, false},
		"ten, but one there": {"lost1 lost2 lost3 lost4 good.org lost5 lost6 lost7 lost8 lost9 lost10 good.org", 2, 10, "good.org", 2, false},
		"ten in a row":       {"lost1 lost2 lost3 lost4 lost5 lost6 lost7 lost8 lost9 lost10 good.org", 0, 9, "good.org", 0, true},
		"it is mended":       {"broken.org broken.org good.org", 1, 2, "broken.org", 10, false},
	} {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			for i, host := range strings.Fields(tc.hosts) {
				fmt.Fprintf(&text, "http://%s/%d.jpg rose\n", host, i)
			}
			h := &hosts{}
			source := list(t, text.String())
			source.Web = collect.Web{Clock: newClock().clock(), Transport: h}
			c := collect.Collector{Library: newLibrary(t), Source: source}
			report, err := c.Run(t.Context(), []collect.Request{{Keyword: "rose", Label: "rose"}})
			var service *collect.ServiceError
			if r := report.Results[0]; r.Landed != tc.landed || r.Refused != tc.refused || r.Reasons[collect.Unreachable] != tc.refused || errors.As(err, &service) != tc.ends || !tc.ends && err != nil {
				t.Errorf("got %+v, %v", r, err)
			}
			if h.asked[tc.asked] != tc.times {
				t.Errorf("%s was asked %d times", tc.asked, h.asked[tc.asked])
			}
		})
	}
}

// TestDeadHostsOfOpenverse does not take a host that is down for the end of what Openverse has, nor for that of the run.
func TestDeadHostsOfOpenverse(t *testing.T) {
	for name, tc := range map[string]struct {
		hosts     string
		landed    int
		ends      bool
		exhausted bool
	}{
		"one of two":    {strings.Repeat("broken.org ", 8) + "good.org good.org good.org", 3, false, false},
		"too few":       {strings.Repeat("broken.org ", 8) + "good.org good.org", 2, false, true},
		"nobody there":  {strings.Repeat("lost.org ", 8), 0, true, false},
		"five in a row": {"lost1.org lost2.org dead3.org broken4.org lost5.org good.org", 0, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			var results []string
			for i, host := range strings.Fields(tc.hosts) {
				results = append(results, fmt.Sprintf(`{"id": "%d", "url": "https://%s/%d.jpg", "license": "by"}`, i, host, i))
			}
			h := &hosts{}
			source, _ := newOpenverse("http://openverse.example")
			source.ImageHosts = nil
			source.Web.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host == "openverse.example" {
					return answers(r, 200, `{"page_count": 1, "results": [`+strings.Join(results, ",")+`]}`), nil
				}
				return h.RoundTrip(r)
			})
			c := collect.Collector{Library: newLibrary(t), Source: source}
			report, err := c.Run(t.Context(), requests(3)[:1])
			var service *collect.ServiceError
			if r := report.Results[0]; r.Landed != tc.landed || r.Exhausted != tc.exhausted || errors.As(err, &service) != tc.ends || !tc.ends && err != nil {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

// TestAnswersThatEchoTheQuestion has answers that quote what was asked, in places that Go's errors quote in turn.
func TestAnswersThatEchoTheQuestion(t *testing.T) {
	for name, head := range map[string]string{
		"location": "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://[%s\r\n\r\n",
		"header":   "HTTP/1.1 200 OK\r\n%s\r\n\r\n",
		"status":   "HTTP/1.1 %s\r\n\r\n",
		"protocol": "%s\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				connection, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = fmt.Fprintf(connection, head, r.URL.RawQuery)
				_ = connection.Close()
			})}
			go func() { _ = server.Serve(listener) }()
			t.Cleanup(func() { _ = server.Close() })
			source, _, leaks := newFlickr("http://" + listener.Addr().String())
			_, _, err = search(t.Context(), source, collect.Request{Keyword: "rose"})
			leaks.check(t, err)
			if err == nil {
				t.Error("there is no error")
			}
		})
	}
}

// TestSentencesOfFlickrsErrors has numbers that mean one thing to a search and another to other questions.
func TestSentencesOfFlickrsErrors(t *testing.T) {
	for _, tc := range []struct {
		e         collect.FlickrError
		says, not string
	}{
		{collect.FlickrError{Method: "flickr.photos.search", Code: 1}, "exclude fewer tags", ""},
		{collect.FlickrError{Method: "flickr.photos.search", Code: 116}, "refuses the search", ""},
		{collect.FlickrError{Method: "flickr.photos.getInfo", Code: 1}, "refuses flickr.photos.getInfo", "tags"},
		{collect.FlickrError{Method: "flickr.photos.licenses.getInfo", Code: 3}, "refuses flickr.photos.licenses.getInfo", "look for"},
		{collect.FlickrError{Method: "flickr.photos.getInfo", Code: 100}, "check the key", ""},
		{collect.FlickrError{Method: "flickr.photos.getInfo", Code: 105}, "try again later", ""},
	} {
		if text := tc.e.Error(); !strings.Contains(text, tc.says) || tc.not != "" && strings.Contains(text, tc.not) {
			t.Errorf("%+v says %q", tc.e, text)
		}
	}
}
