package collect_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"kaika/core/collect"
	"kaika/core/collect/collecttest"
)

func newOpenverse(base string) (*collect.Openverse, *fakeClock) {
	clock := newClock()
	return &collect.Openverse{
		Endpoint: base + collecttest.OpenversePath, ImageHosts: []string{hostOf(base)}, Web: collect.Web{Clock: clock.clock(), Transport: transport()},
	}, clock
}

func openverseIDs(photos []collecttest.Photo, licenses ...int) []string {
	var ids []string
	for _, id := range byLicense(photos, licenses...) {
		ids = append(ids, fmt.Sprintf("00000000-0000-4000-8000-%012s", id))
	}
	return ids
}

func TestOpenverseCollects(t *testing.T) {
	for _, rate := range []float64{0, 0.2} {
		server := newServer(flowers(60)...)
		server.Faults = collecttest.Faults{Seed: 3, Rate: rate}
		source, _ := newOpenverse(collecttest.Start(t, server))
		lib := newLibrary(t)
		c := collect.Collector{Library: lib, Source: source}
		if _, err := c.Run(t.Context(), requests(10)); err != nil {
			t.Fatal(err)
		}
		got := inLibrary(t, lib)
		if len(got) != 30 {
			t.Errorf("%d photos landed", len(got))
		}
		for _, id := range openverseIDs(server.Photos[:60], 4, 5, 9, 10, 11, 12)[:10] {
			p, ok := got["rose/"+id]
			if s := p.Source; !ok || p.Name != id+".jpg" || s.Kind != "openverse" || s.Title == "" || !strings.HasPrefix(s.PageURL, "https://www.flickr.com/photos/") ||
				s.AuthorURL == "" || !strings.HasPrefix(s.LicenseURL, "https://creativecommons.org/") ||
				!slices.Contains([]string{"CC BY 2.0", "CC BY-SA 2.0", "CC BY 4.0", "CC BY-SA 4.0", "CC0 1.0", "Public Domain Mark 1.0"}, s.License) {
				t.Errorf("%s landed as %+v", id, p)
			}
		}
		pictures := server.Counts().Pictures
		if report, err := c.Run(t.Context(), requests(10)); err != nil || report.Results[2].There != 10 || server.Counts().Pictures != pictures {
			t.Errorf("the second run gave %+v, %v", report, err)
		}
	}
}

func TestOpenversePages(t *testing.T) {
	for _, tc := range []struct{ photos, depth, want int }{
		{0, 0, 0}, {1, 0, 1}, {20, 0, 20}, {21, 0, 21}, {399, 0, 399}, {1000, 0, 400}, {1000, 12, 240},
	} {
		photos := collecttest.Photos("rose", tc.photos, 96)
		for i := range photos {
			photos[i].License = 4
		}
		server := newServer(photos...)
		server.Depth = tc.depth
		source, clock := newOpenverse(collecttest.Start(t, server))
		began := clock.now
		ids, refusals, err := search(t.Context(), source, collect.Request{Keyword: "rose"})
		if err != nil || len(refusals) > 0 || !slices.Equal(ids, openverseIDs(photos[:tc.want], 4)) {
			t.Errorf("of %d photos %d came, %v, %v", tc.photos, len(ids), refusals, err)
		}
		if calls := server.Counts().Calls["openverse"]; clock.now.Sub(began) < time.Duration(calls-1)*time.Second {
			t.Errorf("%d calls in %v", calls, clock.now.Sub(began))
		}
	}
}

func TestOpenverseKeepsToItsLimits(t *testing.T) {
	photos := collecttest.Photos("rose", 300, 96)
	for i := range photos {
		photos[i].License = 4
	}
	server := newServer(photos...)
	server.Burst = 12
	source, clock := newOpenverse(collecttest.Start(t, server))
	ids, _, err := search(t.Context(), source, collect.Request{Keyword: "rose"})
	if err != nil || len(ids) != 300 || clock.longest() < time.Minute {
		t.Errorf("%d photos came, %v, and the longest wait was %v", len(ids), err, clock.longest())
	}
	if !slices.Contains(clock.waits, 3*time.Second) {
		t.Errorf("20 requests a minute were announced, and the waits were %v", clock.waits)
	}
}

// refusing answers with a status, headers and a body.
func refusing(t *testing.T, status int, body string, headers ...string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestOpenverseErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		base  string
		state int
		says  string
	}{
		"a day's limit":   {refusing(t, 429, "", "Retry-After", "40000"), 429, "run it again after 2026-01-02 14:10"},
		"until a date":    {refusing(t, 429, "", "Retry-After", "Fri, 02 Jan 2026 05:04:05 GMT"), 429, "run it again after 2026-01-02 05:04"},
		"senseless wait":  {refusing(t, 503, "", "Retry-After", "99999999999999999999"), 503, "in trouble"},
		"negative wait":   {refusing(t, 503, "", "Retry-After", "-5"), 503, "in trouble"},
		"bad gateway":     {refusing(t, 502, "<html>"), 502, "in trouble"},
		"forbidden":       {refusing(t, 403, "{}"), 403, "refuses"},
		"web page":        {refusing(t, 200, "<html></html>"), 0, "sign in"},
		"other JSON":      {refusing(t, 200, `{"detail": "no"}`), 0, "cannot be read"},
		"wrong types":     {refusing(t, 200, `{"page_count": "x", "results": 7}`), 0, "cannot be read"},
		"endless":         {refusing(t, 200, strings.Repeat(" ", 17<<20)), 0, "too long"},
		"not HTTP at all": {"http://127.0.0.1:1", 0, "check the network"},
	} {
		t.Run(name, func(t *testing.T) {
			source, clock := newOpenverse(tc.base)
			_, _, err := search(t.Context(), source, collect.Request{Keyword: "rose"})
			var service *collect.ServiceError
			if !errors.As(err, &service) || service.Status != tc.state || !strings.Contains(err.Error(), tc.says) || !strings.HasPrefix(err.Error(), "Openverse ") {
				t.Errorf("the error is %v (%#v)", err, err)
			}
			if clock.longest() > 10*time.Minute {
				t.Errorf("it waited for %v", clock.longest())
			}
		})
	}
}

func TestOpenverseDistrustsItsResults(t *testing.T) {
	results := func(photos ...string) string {
		return refusing(t, 200, `{"page_count": 1, "results": [`+strings.Join(photos, ",")+`]}`)
	}
	photo := func(id, url, license string) string {
		return fmt.Sprintf(`{"id": %q, "url": %q, "license": %q, "title": null, "width": 10, "height": null, "creator_url": "javascript:alert(1)", "foreign_landing_url": "a\nb"}`, id, url, license)
	}
	good := photo("1", "https://live.staticflickr.com/1.jpg", "by")
	for name, tc := range map[string]struct {
		base     string
		ids      string
		refusals string
	}{
		"good, twice":   {results(good, good), "1", ""},
		"no id":         {results(photo("", "https://a.org/1.jpg", "by")), "", ""},
		"not protected": {results(photo("1", "http://a.org/1.jpg", "by")), "", "redirect"},
		"own computer":  {results(photo("1", "https://localhost/1.jpg", "by"), photo("2", "https://127.0.0.1/1.jpg", "by"), photo("3", "https://[::1]/1.jpg", "by")), "", "redirect redirect redirect"},
		"file":          {results(photo("1", "file:///etc/passwd", "by"), photo("2", "", "by"), photo("3", "%zz", "by")), "", "redirect redirect redirect"},
		"license":       {results(photo("1", "https://a.org/1.jpg", "by-nc"), photo("2", "https://a.org/1.jpg", ""), photo("3", "https://a.org/1.jpg", "BY")), "3", "license license"},
		"tags":          {results(strings.Replace(good, "{", `{"tags": [{"name": "Rosa"}, {"name": "toy car", "accuracy": null}], `, 1)), "", "excluded"},
		"nothing":       {results(), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			source, _ := newOpenverse(tc.base)
			source.ImageHosts, source.ExcludeWords = nil, []string{"Toy-Car"}
			ids, refusals, err := search(t.Context(), source, collect.Request{Keyword: "rose"})
			var reasons []string
			for _, r := range refusals {
				reasons = append(reasons, string(r.Reason))
			}
			if err != nil || strings.Join(ids, " ") != tc.ids || strings.Join(reasons, " ") != tc.refusals {
				t.Errorf("%v, %v, %v", ids, refusals, err)
			}
		})
	}
	source, _ := newOpenverse(results(good))
	for item, err := range source.Search(t.Context(), collect.Request{Keyword: "rose"}) {
		if err != nil || item.Source.AuthorURL != "" || item.Source.PageURL != "" || item.Source.License != "CC BY" {
			t.Errorf("%+v, %v", item.Source, err)
		}
	}
}

func TestOpenverseQuery(t *testing.T) {
	var asked string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.RawQuery
		fmt.Fprint(w, `{"page_count": 1, "results": []}`)
	}))
	defer s.Close()
	source, _ := newOpenverse(s.URL)
	source.Sources, source.ExcludeWords, source.Photographs, source.Unsafe = []string{"flickr", "wikimedia"}, []string{"stock photo", "x"}, true, true
	source.Terms = []collect.Terms{collect.BY, collect.USGovernment}
	if _, _, err := search(t.Context(), source, collect.Request{Keyword: "red rose"}); err != nil {
		t.Fatal(err)
	}
	if want := `category=photograph&license=by&mature=true&page=1&page_size=20&q=red+rose+-%22stock+photo%22+-x&source=flickr%2Cwikimedia`; asked != want {
		t.Errorf("asked was %s", asked)
	}
	for _, set := range []func(*collect.Request){
		func(r *collect.Request) { r.Keyword = "" },
		func(r *collect.Request) { r.Keyword = strings.Repeat("花", 201) },
		func(*collect.Request) { source.Terms = []collect.Terms{collect.AllRightsReserved} },
	} {
		r := collect.Request{Keyword: "rose"}
		set(&r)
		if ids, _, err := search(t.Context(), source, r); err == nil {
			t.Errorf("%+v gave %v", r, ids)
		}
	}
}
