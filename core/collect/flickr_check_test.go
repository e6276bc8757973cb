package collect_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"kaika/core/collect"
	"kaika/core/collect/collecttest"
	"kaika/core/curate"
	"kaika/core/secret"
)

// collected gives what Flickr's photos were credited as when they came, by their ids.
func collected(t *testing.T, photos []collecttest.Photo) map[string]curate.Source {
	t.Helper()
	source, _, _ := newFlickr(collecttest.Start(t, newServer(photos...)))
	all := map[string]curate.Source{}
	for item, err := range source.Search(t.Context(), collect.Request{Keyword: "rose"}) {
		if err != nil {
			t.Fatal(err)
		}
		all[item.Source.ID] = item.Source
	}
	if len(all) != len(photos) {
		t.Fatalf("%d photos came", len(all))
	}
	return all
}

// later gives photos of which some were deleted, hidden, or put under another license.
func later(photos []collecttest.Photo) (now []collecttest.Photo, want map[string]collect.Standing) {
	want = map[string]collect.Standing{}
	for i, p := range photos {
		switch i % 5 {
		case 1:
			p.Deleted, want[p.ID] = true, collect.Standing{Gone: true}
		case 2:
			p.Private, want[p.ID] = true, collect.Standing{Private: true}
		case 3:
			p.License = 0
		}
		now = append(now, p)
	}
	return now, want
}

func TestFlickrChecks(t *testing.T) {
	photos := collecttest.Photos("rose", 34, 96) // Twice each license.
	for i := range photos {
		if photos[i].License == 0 {
			photos[i].License = 1
		}
	}
	before := collected(t, photos)
	now, want := later(photos)
	for _, rate := range []float64{0, 0.4} {
		server := newServer(now...)
		server.Faults = collecttest.Faults{Seed: 9, Rate: rate}
		source, clock, leaks := newFlickr(collecttest.Start(t, server))
		began := clock.clock().Now()
		for i, p := range photos {
			got, err := source.Check(t.Context(), before[p.ID])
			if err != nil {
				t.Fatal(err)
			}
			switch i % 5 {
			case 3:
				if got.License != "All Rights Reserved" || got.LicenseURL == "" || !got.Differs(before[p.ID]) || got.Gone || got.Private {
					t.Errorf("%s, whose license changed, is %+v", p.ID, got)
				}
			case 1, 2:
				if got != want[p.ID] {
					t.Errorf("%s is %+v, not %+v", p.ID, got, want[p.ID])
				}
			default:
				if got.Gone || got.Private || got.Unknown || got.Differs(before[p.ID]) || got.License != before[p.ID].License {
					t.Errorf("%s, of which nothing changed, is %+v and was %+v", p.ID, got, before[p.ID])
				}
			}
			leaks.check(t, got)
		}
		calls := server.Counts().Calls
		if rate == 0 && (calls["flickr.photos.getInfo"] != 34 || calls["flickr.photos.licenses.getInfo"] != 1) {
			t.Errorf("the calls were %v", calls)
		}
		if took := clock.clock().Now().Sub(began); took < 34*time.Second {
			t.Errorf("34 calls took %v: more than 3,600 an hour", took)
		}
	}
}

// TestFlickrLicensesByOtherWords compares with what was credited while Flickr could not be asked for its licenses, and with
// what only one of the two says.
func TestFlickrLicensesByOtherWords(t *testing.T) {
	photos := collecttest.Photos("rose", 17, 96)
	source, _, _ := newFlickr(collecttest.Start(t, newServer(photos...)))
	for _, p := range photos {
		for was, differs := range map[curate.Source]bool{
			{Kind: "flickr", ID: p.ID}:                                                                  false,
			{Kind: "flickr", ID: p.ID, License: "Somebody's own"}:                                       true,
			{Kind: "flickr", ID: p.ID, LicenseURL: "https://creativecommons.org/licenses/by-nd/1.0/"}:   true,
			{Kind: "flickr", ID: p.ID, LicenseURL: "http://www.creativecommons.org/licenses/by-nd/1.0"}: true,
		} {
			got, err := source.Check(t.Context(), was)
			if err != nil || got.Differs(was) != differs {
				t.Errorf("license %d: %+v was %+v, %v", p.License, got, was, err)
			}
		}
	}
	for id, words := range map[int]curate.Source{
		4:  {License: "CC BY 2.0", LicenseURL: "http://creativecommons.org/licenses/by/2.0/deed.ja"},
		8:  {License: "United States Government Work", LicenseURL: "https://www.usa.gov/government-copyright"},
		9:  {License: "CC0 1.0", LicenseURL: "https://creativecommons.org/publicdomain/zero/1.0/legalcode"},
		12: {License: "CC BY-SA 4.0"},
	} {
		for _, p := range photos {
			if words.ID = p.ID; p.License != id {
				continue
			}
			if got, err := source.Check(t.Context(), words); err != nil || got.Differs(words) {
				t.Errorf("license %d: %+v was %+v, %v", id, got, words, err)
			}
		}
	}
	// The name alone does not tell, where the addresses are of two versions.
	was := curate.Source{Kind: "flickr", ID: photos[0].ID, License: "CC BY 2.0", LicenseURL: "https://creativecommons.org/licenses/by/4.0/"}
	if got, err := source.Check(t.Context(), was); photos[0].License != 4 || err != nil || !got.Differs(was) {
		t.Errorf("%+v was %+v, %v", got, was, err)
	}
}

// TestFlickrChecksNothingInTrouble has all go wrong that can: none of it makes a photo gone.
func TestFlickrChecksNothingInTrouble(t *testing.T) {
	photo := collecttest.Photos("rose", 1, 96)[0]
	s := curate.Source{Kind: "flickr", ID: photo.ID}
	for _, fault := range []collecttest.Fault{
		collecttest.TooMany, collecttest.Broken, collecttest.Overloaded, collecttest.Strange, collecttest.WebPage, collecttest.CutOff, collecttest.Elsewhere,
		collecttest.Missing, collecttest.Huge,
	} {
		server := newServer(photo)
		server.Faults = collecttest.Faults{Rate: 1, Kinds: []collecttest.Fault{fault}, InARow: 1000}
		source, _, leaks := newFlickr(collecttest.Start(t, server))
		got, err := source.Check(t.Context(), s)
		if err == nil || got != (collect.Standing{}) {
			t.Errorf("fault %d: %+v, %v", fault, got, err)
		}
		if server.Counts().Elsewhere > 0 {
			t.Errorf("fault %d: another host was asked", fault)
		}
		leaks.check(t, err)
	}
	for body, gone := range map[string]bool{
		`<rsp stat="ok"></rsp>`:                                                      false,
		`<rsp stat="ok"><photo id="1" license="4"/></rsp>`:                           false,
		`<rsp stat="fail"><err code="100" msg="Invalid API Key"/></rsp>`:             false,
		`<rsp stat="fail"><err code="112" msg="Method not found"/></rsp>`:            false,
		`<rsp stat="fail"></rsp>`:                                                    false,
		`<rsp stat="fail"><err code="1" msg="Photo not found (invalid ID)"/></rsp>`:  true,
		`<rsp stat="fail"><err code="1" msg="Photo not found (invalid ID)"/></wrong`: false,
	} {
		base := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("method") != "flickr.photos.getInfo" {
				body := `<rsp stat="ok"><licenses><license id="4" name="CC BY 2.0" url="https://creativecommons.org/licenses/by/2.0/"/></licenses></rsp>`
				fmt.Fprint(w, body)
				return
			}
			fmt.Fprint(w, body)
		}))
		source, _, _ := newFlickr(base.URL)
		got, err := source.Check(t.Context(), s)
		base.Close()
		if got.Gone != gone || (err == nil) != gone {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	source, _, _ := newFlickr("http://127.0.0.1:1") // Nobody is there.
	if got, err := source.Check(t.Context(), s); err == nil || got != (collect.Standing{}) {
		t.Errorf("without a network: %+v, %v", got, err)
	}
}

func TestFlickrChecksBadly(t *testing.T) {
	photo := collecttest.Photos("rose", 1, 96)[0]
	server := newServer(photo)
	base := collecttest.Start(t, server)
	source, _, _ := newFlickr(base)
	for _, id := range []string{"", "x", "1/2", "12&method=y", "１２"} {
		if got, err := source.Check(t.Context(), curate.Source{Kind: "flickr", ID: id}); err != nil || got != (collect.Standing{Unknown: true}) {
			t.Errorf("%q: %+v, %v", id, got, err)
		}
	}
	if calls := server.Counts().Calls; len(calls) != 0 {
		t.Errorf("it asked: %v", calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.Check(ctx, curate.Source{ID: photo.ID}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	source, _, leaks := newFlickr(base)
	source.Secret = secret.New("wrong")
	var said *collect.FlickrError
	if _, err := source.Check(t.Context(), curate.Source{ID: photo.ID}); !errors.As(err, &said) || said.Code != collect.CodeInvalidSignature {
		t.Errorf("with a wrong secret: %v", err)
	} else {
		leaks.check(t, err)
	}
	source.Key = secret.Text{}
	if _, err := source.Check(t.Context(), curate.Source{ID: photo.ID}); !errors.Is(err, collect.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
}
