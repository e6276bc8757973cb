package collect_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kaika/core/collect"
	"kaika/core/collect/collecttest"
	"kaika/core/curate"
	"kaika/core/picture"
	"kaika/core/secret"
)

func flowers(each int) []collecttest.Photo {
	const side = 96
	return slices.Concat(
		collecttest.Photos("rose", each, side), collecttest.Photos("sunflower", each, side), collecttest.Photos("lilium", each, side),
	)
}

func requests(count int) []collect.Request {
	return []collect.Request{{Keyword: "rose", Label: "rose", Count: count}, {Keyword: "sunflower", Label: "sunflower", Count: count}, {Keyword: "lilium", Label: "lilium", Count: count}}
}

func TestFlickrWithFaultsGivesTheSamePhotos(t *testing.T) {
	var want []string
	for _, rate := range []float64{0, 0.2, 0.5} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			server := newServer(flowers(50)...)
			server.Faults = collecttest.Faults{Seed: 5, Rate: rate}
			base := collecttest.Start(t, server)
			source, _, leaks := newFlickr(base)
			source.Terms = nil
			lib := newLibrary(t)
			c := collect.Collector{Library: lib, Source: source}
			report, err := c.Run(t.Context(), requests(20))
			if err != nil {
				t.Fatal(err)
			}
			leaks.check(t, report)
			got := inLibrary(t, lib)
			if want == nil {
				want = slices.Sorted(maps.Keys(got))
			}
			if len(got) != 60 || !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
				t.Errorf("%d photos landed: %v", len(got), slices.Sorted(maps.Keys(got)))
			}
			counts := server.Counts()
			if faults := float64(counts.Faults); faults < rate*40 {
				t.Errorf("only %v faults were made", faults)
			}
			for at, p := range got {
				if p.Name != p.Source.ID+".jpg" || p.Source.Kind != "flickr" || !strings.HasPrefix(p.Source.Author, "Ānna & 花子 <") ||
					!strings.HasPrefix(p.Source.Title, `A "`+p.Label+`", no. `) || p.Source.Taken.Year() < 2005 || p.Source.Retrieved.IsZero() ||
					!strings.HasPrefix(p.Source.PageURL, "https://www.flickr.com/photos/") || !strings.HasSuffix(p.Source.PageURL, "/"+p.Source.ID+"/") ||
					p.Source.License == "" || !strings.HasPrefix(p.Source.From, base+"/65535/"+p.Source.ID+"_") || p.Source.LicenseURL == "" || !strings.HasPrefix(p.Source.AuthorURL, "https://www.flickr.com/people/") {
					t.Errorf("%s is credited as %+v, and named %s", at, p.Source, p.Name)
				}
			}

			// Again: nothing is downloaded.
			report, err = c.Run(t.Context(), requests(20))
			if err != nil || report.Results[0].There != 20 || server.Counts().Pictures != counts.Pictures {
				t.Errorf("the second run gave %+v, %v, and asked for %d pictures", report, err, server.Counts().Pictures-counts.Pictures)
			}
		})
	}
}

func TestFlickrPastItsLimit(t *testing.T) {
	const photos = 10_000
	all := collecttest.Photos("rose", photos, 96)
	for i := range 300 { // Many at one moment.
		all[5000+i].Posted = all[5000].Posted
	}
	server := newServer(all...)
	source, clock, _ := newFlickr(collecttest.Start(t, server))
	began := clock.now
	ids, refusals, err := search(t.Context(), source, collect.Request{Keyword: "rose"})
	if err != nil || len(refusals) > 0 {
		t.Fatal(refusals, err)
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id] {
			t.Fatalf("%s came twice", id)
		}
		seen[id] = true
	}
	if len(ids) != photos {
		t.Errorf("%d photos came", len(ids))
	}
	for i := range 4000 {
		if ids[i] != all[i].ID {
			t.Fatalf("the photo %d is not the next best one", i)
		}
	}
	calls := 0
	for _, n := range server.Counts().Calls {
		calls += n
	}
	if calls > 60 {
		t.Errorf("it took %d calls", calls)
	}
	if took := clock.now.Sub(began); took < time.Duration(calls-1)*time.Second {
		t.Errorf("%d calls were made in %v, more than 3,600 in an hour", calls, took)
	}
}

func TestFlickrFewAndManyOfOneSecond(t *testing.T) {
	for _, count := range []int{0, 1, 99, 100, 101, 500, 501, 4001} {
		photos := collecttest.Photos("rose", count, 96)
		for i := range photos {
			photos[i].Posted = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		source, _, _ := newFlickr(collecttest.Start(t, newServer(photos...)))
		for _, wanted := range []int{0, 10} {
			if count > 4000 {
				if wanted > 0 {
					continue
				}
				const near = 4 * time.Second // Else it takes long to find the second.
				source.After, source.Before = photos[0].Posted.Add(-near), photos[0].Posted.Add(near)
			}
			ids, _, err := search(t.Context(), source, collect.Request{Keyword: "rose", Count: wanted})
			if want := min(count, 4000); err != nil || len(ids) != want || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != want {
				t.Errorf("of %d photos of one second %d came, %v", count, len(ids), err)
			}
		}
	}
}

func TestFlickrManyOfTwoSeconds(t *testing.T) {
	const each = 4001
	photos := collecttest.Photos("rose", 2*each, 96)
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range photos {
		photos[i].Posted = at.Add(time.Duration(i/each) * time.Second)
	}
	source, _, leaks := newFlickr(collecttest.Start(t, newServer(photos...)))
	source.After, source.Before = at, at.Add(time.Second)
	ids, _, err := search(t.Context(), source, collect.Request{Keyword: "rose"})
	if err != nil || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 8000 || len(ids) != 8000 {
		t.Errorf("%d photos came, %v", len(ids), err)
	}
	if !strings.Contains(leaks.log.String(), "more photos of one second") {
		t.Error("nothing was said about those that cannot be had")
	}
}

func TestFlickrSearches(t *testing.T) {
	photos := collecttest.Photos("rose", 40, 800)
	photos[1].Video, photos[2].Unsafe = true, true
	photos[3].Tags = append(photos[3].Tags, "rosegarden", "warofroses")
	photos[4].Title = "a rose garden in war"
	photos[5].Width, photos[5].Height = 300, 100
	photos[6].Tags = nil
	photos[8].Description = `A <a href="https://example.com/plastic">battle</a> of &quot;vinyl&quot; roses`
	base := collecttest.Start(t, newServer(photos...))
	all := func(without ...int) []string {
		var ids []string
		for i, p := range photos {
			if i != 1 && i != 2 && !slices.Contains(without, i) {
				ids = append(ids, p.ID)
			}
		}
		return ids
	}
	for name, tc := range map[string]struct {
		set  func(*collect.Flickr)
		want []string
		bad  string // Reasons of refusals.
	}{
		"all":             {func(*collect.Flickr) {}, all(), ""},
		"exclude word":    {func(f *collect.Flickr) { f.ExcludeWords = []string{"war"} }, all(3, 4), ""},
		"exclude words":   {func(f *collect.Flickr) { f.ExcludeWords = []string{`rose "garden"`, "nothing"} }, all(3, 4), "excluded"}, // A tag has no spaces.
		"tag, not word":   {func(f *collect.Flickr) { f.AsTag = true; f.ExcludeWords = []string{"WAR"} }, all(4, 6), "excluded"},
		"description":     {func(f *collect.Flickr) { f.ExcludeWords = []string{"of 'Vinyl'"} }, all(8), "excluded"}, // As words, it is in no text.
		"only an address": {func(f *collect.Flickr) { f.ExcludeWords = []string{"'plastic'"} }, all(), ""},
		"exclude tag":     {func(f *collect.Flickr) { f.ExcludeTags = []string{"War of Roses", "x"} }, all(3), ""},
		"tag":             {func(f *collect.Flickr) { f.AsTag = true }, all(6), ""},
		"tag but not":     {func(f *collect.Flickr) { f.AsTag = true; f.ExcludeTags = []string{"tag7"} }, all(6, 7, 17, 27, 37), ""},
		"small":           {func(f *collect.Flickr) { f.MinSide = 200 }, all(5), "too_small"},
		"after":           {func(f *collect.Flickr) { f.After = photos[30].Posted }, all(slices.Collect(ints(0, 30))...), ""},
		"before":          {func(f *collect.Flickr) { f.Before = photos[30].Posted }, all(slices.Collect(ints(31, 40))...), ""},
		"public domain":   {func(f *collect.Flickr) { f.Terms = []collect.Terms{collect.PublicDomain} }, byLicense(photos, 10), ""},
		"free":            {func(f *collect.Flickr) { f.Terms = nil }, byLicense(photos, 4, 5, 7, 8, 9, 10, 11, 12), ""},
		"oldest":          {func(f *collect.Flickr) { f.Sort = collect.OldestPosted }, all(), ""},
		"newest":          {func(f *collect.Flickr) { f.Sort = collect.NewestPosted }, backwards(all()), ""},
		"any content":     {func(f *collect.Flickr) { f.AnyContent = true }, all(), ""},
		"nothing at all":  {func(f *collect.Flickr) { f.After = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			source, _, _ := newFlickr(base)
			tc.set(source)
			ids, refusals, err := search(t.Context(), source, collect.Request{Keyword: "rose"})
			var reasons []string
			for _, r := range refusals {
				reasons = append(reasons, string(r.Reason))
			}
			if err != nil || !slices.Equal(ids, tc.want) || strings.Join(reasons, " ") != tc.bad {
				t.Errorf("got %v and refusals %v, %v\nwant %v", ids, reasons, err, tc.want)
			}
		})
	}
}

func ints(from, to int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := from; i < to; i++ {
			if !yield(i) {
				return
			}
		}
	}
}

func byLicense(photos []collecttest.Photo, licenses ...int) []string {
	var ids []string
	for _, p := range photos {
		if slices.Contains(licenses, p.License) && !p.Video && !p.Unsafe {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

func backwards(ids []string) []string {
	slices.Reverse(ids)
	return ids
}

func TestFlickrChecksLicensesItself(t *testing.T) {
	server := newServer(collecttest.Photos("rose", 34, 96)...)
	server.IgnoreLicense = true
	source, _, _ := newFlickr(collecttest.Start(t, server))
	source.Terms = []collect.Terms{collect.BY}
	ids, refusals, err := search(t.Context(), source, collect.Request{Keyword: "rose"})
	if want := byLicense(server.Photos, 4, 11); err != nil || !slices.Equal(ids, want) || len(refusals) != 34-len(want) {
		t.Errorf("%v came, %d were refused, %v", ids, len(refusals), err)
	}
	for _, r := range refusals {
		if r.Reason != collect.WrongLicense {
			t.Error(r)
		}
	}
}

func TestFlickrErrors(t *testing.T) {
	always := func(faults ...collecttest.Fault) func(*collecttest.Server, *collect.Flickr) {
		return func(s *collecttest.Server, _ *collect.Flickr) {
			s.Faults = collecttest.Faults{Rate: 1, Kinds: faults, InARow: 1000}
		}
	}
	for name, tc := range map[string]struct {
		set   func(*collecttest.Server, *collect.Flickr)
		code  int // Of a FlickrError,
		state int // or the status of a ServiceError, or 0 for one without.
		says  string
		calls int // Of the search.
	}{
		"wrong key":    {func(_ *collecttest.Server, f *collect.Flickr) { f.Key = secret.New("00000000000000000000000000000000") }, 100, 0, "check the key in Settings", 0},
		"wrong secret": {func(_ *collecttest.Server, f *collect.Flickr) { f.Secret = secret.New("0000000000000000") }, 96, 0, "check the secret in Settings", 0},
		"overloaded":   {always(collecttest.Overloaded), 105, 0, "try again later", 0},
		"strange":      {always(collecttest.Strange), 201, 0, "try again later", 0},
		"broken":       {always(collecttest.Broken), 0, 500, "run it again later", 0},
		"too many":     {always(collecttest.TooMany), 0, 429, "allows no more for now", 0},
		"web page":     {always(collecttest.WebPage), 0, 0, "sign in", 0},
		"cut off":      {always(collecttest.CutOff), 0, 0, "check the network", 0},
		"elsewhere":    {always(collecttest.Elsewhere), 0, 302, "sign in", 0},
		"missing":      {always(collecttest.Missing), 0, 404, "refuses", 0},
		"huge":         {always(collecttest.Huge), 0, 0, "too long", 0},
		"stalled": {func(s *collecttest.Server, f *collect.Flickr) {
			f.Web.Idle = 20 * time.Millisecond
			s.Faults = collecttest.Faults{Rate: 1, Kinds: []collecttest.Fault{collecttest.Stalled}, InARow: 1000}
		}, 0, 0, "silent", 0},
		"dripping": {func(s *collecttest.Server, f *collect.Flickr) {
			f.Web.Idle = 50 * time.Millisecond
			s.Faults = collecttest.Faults{Rate: 1, Kinds: []collecttest.Fault{collecttest.Dripping}, InARow: 1000}
		}, 0, 0, "took too long", 0},
		"no server": {func(_ *collecttest.Server, f *collect.Flickr) { f.Endpoint = "http://127.0.0.1:1/" }, 0, 0, "check the network", 0},
		"too many tags": {func(_ *collecttest.Server, f *collect.Flickr) {
			f.ExcludeTags = strings.Fields(strings.Repeat("x ", 20))
		}, 0, 0, "Flickr takes 19", 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(collecttest.Photos("rose", 3, 96)...)
			base := collecttest.Start(t, server)
			source, clock, leaks := newFlickr(base)
			tc.set(server, source)
			ids, _, err := search(t.Context(), source, collect.Request{Keyword: "rose"})
			source.Web.Transport = nil // It is at work still, and is none of what a key could be in.
			leaks.check(t, err, source)
			if err == nil || len(ids) > 0 || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("the error is %v", err)
			}
			var flickrError *collect.FlickrError
			var serviceError *collect.ServiceError
			switch {
			case tc.code != 0:
				if !errors.As(err, &flickrError) || flickrError.Code != tc.code {
					t.Errorf("the error is %#v", err)
				}
			case name != "too many tags":
				if !errors.As(err, &serviceError) || serviceError.Status != tc.state {
					t.Errorf("the error is %#v", err)
				}
			}
			if server.Counts().Elsewhere > 0 {
				t.Error("the redirect was followed")
			}
			if name == "too many" && clock.longest() < 2*time.Second {
				t.Error("Retry-After was not obeyed")
			}
			if strings.HasPrefix(name, "wrong") && server.Counts().Calls["flickr.photos.licenses.getInfo"] != 1 {
				t.Error("a key that is wrong was tried again")
			}
		})
	}
}

func TestFlickrNeedsKeyAndKeyword(t *testing.T) {
	source := &collect.Flickr{Endpoint: "http://127.0.0.1:1/"}
	if _, _, err := search(t.Context(), source, collect.Request{Keyword: "rose"}); !errors.Is(err, collect.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	source.Key, source.Secret = secret.New("k"), secret.New("s")
	if _, _, err := search(t.Context(), source, collect.Request{Keyword: " "}); err == nil || !strings.Contains(err.Error(), "give a keyword") {
		t.Errorf("without a keyword: %v", err)
	}
}

func TestFlickrWithoutItsLicenses(t *testing.T) {
	server := newServer(collecttest.Photos("rose", 17, 96)...)
	source, _, leaks := newFlickr(collecttest.Start(t, server))
	source.Web.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.RawQuery, "getInfo") {
			return nil, errors.New("out of order")
		}
		return transport().RoundTrip(r)
	})
	ids, refusals, err := search(t.Context(), source, collect.Request{Keyword: "rose"})
	if err != nil || len(ids) != 17 || len(refusals) > 0 {
		t.Errorf("%d photos came, %v, %v", len(ids), refusals, err)
	}
	leaks.check(t, err)
	if !strings.Contains(leaks.log.String(), "those that are known are used") {
		t.Error("nothing was said about it")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestPicturesThatAreNone(t *testing.T) {
	for fault, tc := range map[collecttest.Fault]struct {
		reason picture.Reason
		asked  int // How often.
	}{
		collecttest.Elsewhere:   {collect.Redirected, 1},
		collecttest.Unavailable: {collect.Gone, 1},
		collecttest.StandIn:     {collect.Gone, 1},
		collecttest.Missing:     {collect.Gone, 1},
		collecttest.WrongType:   {picture.NotAPicture, 3},
		collecttest.Text:        {picture.NotAPicture, 3},
		collecttest.WebPage:     {picture.NotAPicture, 3},
		collecttest.Huge:        {picture.TooLarge, 1},
		collecttest.HalfPicture: {picture.Truncated, 1},
		collecttest.CutOff:      {collect.Unreachable, 5},
		collecttest.Broken:      {collect.Unreachable, 5},
		collecttest.Overloaded:  {collect.Unreachable, 5},
		collecttest.TooMany:     {collect.Unreachable, 5},
		collecttest.Stalled:     {collect.Unreachable, 5},
	} {
		for _, kind := range []string{"flickr", "openverse"} {
			if fault == collecttest.StandIn && kind == "openverse" {
				continue // Only Flickr's own servers are known to give such pictures, and this server's name is none of theirs.
			}
			t.Run(fmt.Sprint(fault, kind), func(t *testing.T) {
				photos := collecttest.Photos("rose", 3, 64)
				for i := range photos {
					photos[i].License = 4
				}
				photos[1].Always = fault
				server := newServer(photos...)
				base := collecttest.Start(t, server)
				flickr, clock, leaks := newFlickr(base)
				idle := time.Duration(0)
				if fault == collecttest.Stalled {
					idle = 300 * time.Millisecond
				}
				flickr.Web.Idle = idle
				var source collect.Source = flickr
				if kind == "openverse" {
					source = &collect.Openverse{Endpoint: base + collecttest.OpenversePath, ImageHosts: []string{hostOf(base)}, Web: collect.Web{Clock: clock.clock(), Idle: idle}}
				}
				lib := newLibrary(t)
				c := collect.Collector{Library: lib, Source: source}
				var refusal *collect.Refusal
				c.Observe = func(e collect.Event) {
					if e.Refusal != nil {
						refusal = e.Refusal
					}
				}
				report, err := c.Run(t.Context(), []collect.Request{{Keyword: "rose", Label: "rose", Count: 2}})
				leaks.check(t, err, refusal)
				if err != nil || len(lib.Photos(allPhotos)) != 2 || len(report.Reasons) != 1 || report.Reasons[tc.reason] != 1 || report.Results[0].Exhausted {
					t.Fatalf("%d photos landed, refused %v (%v), %v", len(lib.Photos(allPhotos)), report.Reasons, refusal, err)
				}
				if strings.Contains(refusal.Error(), hostOf(base)+"/") || strings.Contains(refusal.Error(), "?") {
					t.Errorf("the refusal shows an address: %v", refusal)
				}
				counts := server.Counts()
				if counts.Elsewhere > 0 || counts.Pictures != 2+tc.asked {
					t.Errorf("pictures were asked for %d times, and the other host %d times", counts.Pictures, counts.Elsewhere)
				}
			})
		}
	}
}

func TestCollectingEndsWhereNothingCanBeDownloaded(t *testing.T) {
	server := newServer(collecttest.Photos("rose", 30, 96)...)
	for i := 3; i < len(server.Photos); i++ {
		server.Photos[i].Always = collecttest.Broken
	}
	source, _, _ := newFlickr(collecttest.Start(t, server))
	lib := newLibrary(t)
	c := collect.Collector{Library: lib, Source: source}
	report, err := c.Run(t.Context(), requests(10)[:1])
	var service *collect.ServiceError
	if !errors.As(err, &service) || report.Results[0].Landed != 3 || report.Results[0].Refused != 4 || report.Results[0].Exhausted {
		t.Errorf("%+v, %v", report, err)
	}
	for i := range server.Photos {
		server.Photos[i].Always = collecttest.OK
	}
	if report, err = c.Run(t.Context(), requests(10)[:1]); err != nil || report.Results[0].Landed != 7 || report.Results[0].There != 3 {
		t.Errorf("the second run: %+v, %v", report, err)
	}
}

func TestTroubleNowAndThenIsNoCauseToStop(t *testing.T) {
	server := newServer(collecttest.Photos("rose", 24, 96)...)
	for i := range server.Photos {
		if i%4 != 3 {
			server.Photos[i].Always = collecttest.Broken
		}
	}
	source, _, _ := newFlickr(collecttest.Start(t, server))
	c := collect.Collector{Library: newLibrary(t), Source: source}
	report, err := c.Run(t.Context(), requests(0)[:1])
	if err != nil || report.Results[0].Landed != 6 || report.Reasons[collect.Unreachable] != 18 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestFlickrStopsAtAnyMoment ends runs at each of their requests, before it and behind it, and looks whether what is there is
// whole, and the next run goes on.
func TestFlickrStopsAtAnyMoment(t *testing.T) {
	server := newServer(collecttest.Photos("rose", 8, 96)...)
	server.Faults = collecttest.Faults{Seed: 2, Rate: 0.3}
	base := collecttest.Start(t, server)
	lib := newLibrary(t)
	landed := 0
	for moment := 0; ; moment++ {
		source, _, leaks := newFlickr(base)
		ctx, cancel := context.WithCancel(t.Context())
		number := 0
		source.Web.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			number++
			if number == moment/2+1 && moment%2 == 0 {
				cancel()
			}
			response, err := transport().RoundTrip(r)
			if number == moment/2+1 && moment%2 == 1 {
				cancel()
			}
			return response, err
		})
		c := collect.Collector{Library: lib, Source: source}
		report, err := c.Run(ctx, []collect.Request{{Keyword: "rose", Label: "rose", Count: 8}})
		cancel()
		leaks.check(t, err)
		got := inLibrary(t, lib)
		if err == nil {
			if len(got) != 8 || report.Results[0].Landed+report.Results[0].There != 8 {
				t.Errorf("in the end: %+v and %d photos", report, len(got))
			}
			return
		}
		if !errors.Is(err, context.Canceled) || len(got) < landed || report.Results[0].Refused > 0 {
			t.Fatalf("stopped at %d: %v, %+v", moment, err, report)
		}
		if landed = len(got); moment > 200 {
			t.Fatal("it does not end")
		}
	}
}

func TestFlickrFromSeveralGoroutines(t *testing.T) {
	source, _, _ := newFlickr(collecttest.Start(t, newServer(flowers(30)...)))
	var group sync.WaitGroup
	for _, r := range requests(0) {
		group.Go(func() {
			ids, _, err := search(t.Context(), source, r)
			if err != nil || len(ids) != 30 {
				t.Errorf("%s gave %d photos, %v", r.Keyword, len(ids), err)
			}
		})
	}
	group.Wait()
}

func TestFlickrSizes(t *testing.T) {
	photos := collecttest.Photos("rose", 1, 1100)
	photos[0].License = 4
	base := collecttest.Start(t, newServer(photos...))
	for side, want := range map[int]int{0: 1024, 1: 500, 500: 500, 501: 640, 1025: 1100} {
		source, _, _ := newFlickr(base)
		source.Side = side
		lib := newLibrary(t)
		c := collect.Collector{Library: lib, Source: source}
		if _, err := c.Run(t.Context(), requests(1)[:1]); err != nil {
			t.Fatal(err)
		}
		all := lib.Photos(allPhotos)
		if len(all) != 1 {
			t.Fatalf("for a side of %d came %d photos", side, len(all))
		}
		if e, _, err := picture.Read(t.Context(), all[0].Path); err != nil || e.Width != want {
			t.Errorf("for a side of %d came one of %d pixels, %v", side, e.Width, err)
		}
	}
}

func TestFlickrDistrustsItsAnswers(t *testing.T) {
	const photo = ` owner="1@N1" title="a" license="4" media="photo" tags="rose" url_m="https://live.staticflickr.com/1/1_1.jpg" width_m="50" height_m="40" `
	for name, tc := range map[string]struct {
		photos   string
		ids      string
		refusals string
	}{
		"good":              {`<photo id="1"` + photo + `/>`, "1", ""},
		"twice":             {`<photo id="1"` + photo + `/><photo id="1"` + photo + `/>`, "1", ""},
		"ids that are none": {`<photo id=""` + photo + `/><photo id="../../x"` + photo + `/><photo` + photo + `/>`, "", ""},
		"excluded tag":      {`<photo id="1"` + strings.Replace(photo, "rose", "rose warofroses", 1) + `/>`, "", "excluded"},
		"film":              {`<photo id="1"` + strings.Replace(photo, `media="photo"`, `media="video"`, 1) + `/>`, "", "not_a_picture"},
		"no license":        {`<photo id="1"` + strings.Replace(photo, `license="4"`, ``, 1) + `/><photo id="2"` + strings.Replace(photo, `"4"`, `"99"`, 1) + `/>`, "", "license license"},
		"no size":           {`<photo id="1" owner="1@N1" license="4" />`, "", "gone"},
		"nothing is known":  {`<photo id="1" license="4" url_m="https://live.staticflickr.com/1/1_1.jpg" width_m="" />`, "1", ""},
		"other host":        {`<photo id="1"` + strings.Replace(photo, "live.staticflickr.com", "staticflickr.com.example.org", 1) + `/>`, "", "redirect"},
		"not protected":     {`<photo id="1"` + strings.Replace(photo, "https:", "http:", 1) + `/>`, "", "redirect"},
		"file":              {`<photo id="1"` + strings.Replace(photo, "https://live.staticflickr.com", "file://", 1) + `/>`, "", "redirect"},
	} {
		t.Run(name, func(t *testing.T) {
			base := refusing(t, 200, `<rsp stat="ok"><photos total="1">`+tc.photos+`</photos></rsp>`)
			source, _, _ := newFlickr(base)
			source.ImageHosts, source.ExcludeTags = nil, []string{"War of Roses"}
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
	for name, body := range map[string]string{
		"other":     `<rsp stat="fail"><err code="116" msg="Bad URL found"/></rsp>`,
		"echo":      `<rsp stat="fail"><err code="100" msg="Invalid API Key ` + testKey + ` ` + testSecret + `"/></rsp>`,
		"endless":   `<rsp stat="fail"><err code="7" msg="` + strings.Repeat("x\n", 10_000) + `"/></rsp>`,
		"no code":   `<rsp stat="fail"></rsp>`,
		"no photos": `<rsp stat="ok"></rsp>`,
		"no stat":   `<rsp></rsp>`,
		"other XML": `<html></html>`,
		"JSON":      `{"stat": "ok"}`,
		"text":      "oauth_problem=" + testKey,
		"nothing":   "",
	} {
		source, _, leaks := newFlickr(refusing(t, 200, body))
		_, _, err := search(t.Context(), source, collect.Request{Keyword: "rose"})
		if err == nil || len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error is %v", name, err)
		}
		leaks.check(t, err)
	}
}

func TestFlickrInAnotherSizeIsTheSamePhoto(t *testing.T) {
	server := newServer(collecttest.Photos("rose", 3, 700)...)
	source, _, _ := newFlickr(collecttest.Start(t, server))
	c := collect.Collector{Library: newLibrary(t), Source: source}
	for i, side := range []int{500, 640} {
		source.Side = side
		report, err := c.Run(t.Context(), requests(0)[:1])
		if counts := (collect.Counts{Landed: 3 - 3*i, There: 3 * i}); err != nil || report.Results[0].Counts != counts {
			t.Errorf("with a side of %d: %+v, %v", side, report.Results[0].Counts, err)
		}
	}
}

// BenchmarkFlickr collects from a server of this machine that is asked as fast as it answers.
func BenchmarkFlickr(b *testing.B) {
	b.Run("any", func(b *testing.B) { benchmarkFlickr(b, func(*collect.Collector) {}) })
	b.Run("distinct", func(b *testing.B) {
		benchmarkFlickr(b, func(c *collect.Collector) {
			lib := newLibrary(b)
			c.Library, c.Comparer = &motley{Library: lib, dice: rand.New(rand.NewPCG(1, 2))}, lib
		})
	})
	b.Run("10000", benchmarkMany)
}

// benchmarkMany collects 10,000 photos, as a user does who compares them, in a process of its own, whose memory can be told from
// that of the server.
func benchmarkMany(b *testing.B) {
	const many = 10_000
	server := newServer(collecttest.Photos("rose", many, 500)...)
	server.Quick = true
	base := collecttest.Start(b, server)
	for b.Loop() {
		c := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestCollectAlone$", "-test.timeout=0")
		c.Env = append(os.Environ(), collectAlone+"="+base, fmt.Sprintf("%s_COUNT=%d", collectAlone, many))
		out, err := c.CombinedOutput()
		if err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		for line := range strings.Lines(string(out)) {
			var value float64
			var unit string
			if n, err := fmt.Sscanf(line, "measured %f %s", &value, &unit); err == nil && n == 2 {
				b.ReportMetric(value, unit)
			}
		}
	}
}

// collectAlone is the variable that makes TestCollectAlone collect from a server at an address.
const collectAlone = "COLLECT_TEST_SERVER"

// TestCollectAlone collects in a process of its own for benchmarkMany, and tells how fast it was and how much memory it took. As
// a test it collects few.
func TestCollectAlone(t *testing.T) {
	base, count := os.Getenv(collectAlone), 20
	if base == "" {
		server := newServer(collecttest.Photos("rose", count, 500)...)
		server.Quick = true
		base = collecttest.Start(t, server)
	} else if _, err := fmt.Sscan(os.Getenv(collectAlone+"_COUNT"), &count); err != nil {
		t.Fatal(err)
	}
	lib := newLibrary(t)
	c := collect.Collector{Library: &motley{Library: lib, dice: rand.New(rand.NewPCG(1, 2))}, Comparer: lib, Source: quickFlickr(base)}
	began := time.Now()
	report, err := c.Run(t.Context(), requests(count)[:1])
	took := time.Since(began)
	if err != nil || report.Results[0].Landed != count {
		t.Fatalf("%+v, %v", report, err)
	}
	fmt.Printf("measured %.1f photos/s\n", float64(count)/took.Seconds())
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return // Only Linux has it.
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var peak float64
	if _, err := fmt.Sscan(rest, &peak); err != nil {
		t.Errorf("the peak of its memory is unknown: %v", err)
	}
	fmt.Printf("measured %.1f MB-peak\n", peak*1024/1e6)
}

// quickFlickr gives a source that waits for nobody.
func quickFlickr(base string) *collect.Flickr {
	source, _, _ := newFlickr(base)
	source.Web.Unpaced, source.Web.Clock, source.Web.Transport = true, collect.Clock{}, nil
	source.Side = 640
	return source
}

// motley is a dataset to which no two pictures look alike, as those of a quick server do.
type motley struct {
	*curate.Library

	dice *rand.Rand
}

func (m *motley) Add(ctx context.Context, a curate.Addition) (curate.Photo, error) {
	noise := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range noise.Pix {
		noise.Pix[i] = byte(m.dice.Uint32())
	}
	a.Fingerprint = curate.FingerprintOf(noise)
	return m.Library.Add(ctx, a)
}

func benchmarkFlickr(b *testing.B, choose func(*collect.Collector)) {
	b.Helper()
	server := newServer(collecttest.Photos("rose", b.N, 1024)...)
	server.Quick = true
	c := collect.Collector{Library: newLibrary(b), Source: quickFlickr(collecttest.Start(b, server))}
	choose(&c)
	b.ResetTimer()
	report, err := c.Run(b.Context(), requests(b.N)[:1])
	b.StopTimer()
	if err != nil || report.Results[0].Landed != b.N {
		b.Fatalf("%+v, %v", report, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "photos/s")
}
