package collect_test

import (
	"context"
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
	"kaika/core/curate"
)

// fromOpenverse gives photos that Openverse has, and what they were credited as when they came.
func fromOpenverse(t *testing.T) (photos []collecttest.Photo, before map[string]curate.Source) {
	t.Helper()
	photos = slices.DeleteFunc(collecttest.Photos("rose", 40, 96), func(p collecttest.Photo) bool {
		return !slices.Contains([]int{4, 5, 9, 10, 11, 12}, p.License)
	})
	source, _ := newOpenverse(collecttest.Start(t, newServer(photos...)))
	before = map[string]curate.Source{}
	for item, err := range source.Search(t.Context(), collect.Request{Keyword: "rose"}) {
		if err != nil {
			t.Fatal(err)
		}
		before[strings.TrimLeft(item.Source.ID[24:], "0")] = item.Source
	}
	if len(before) != len(photos) {
		t.Fatalf("%d of %d photos came", len(before), len(photos))
	}
	return photos, before
}

func TestOpenverseChecks(t *testing.T) {
	photos, before := fromOpenverse(t)
	now := slices.Clone(photos)
	now[1].Deleted, now[2].License, now[4].Deleted = true, 3, true
	for _, rate := range []float64{0, 0.4} {
		server := newServer(now...)
		server.Faults = collecttest.Faults{Seed: 4, Rate: rate}
		source, _ := newOpenverse(collecttest.Start(t, server))
		checker := &collect.OpenverseChecker{Openverse: source}
		for i, p := range photos {
			was := before[p.ID]
			got, err := checker.Check(t.Context(), was)
			if err != nil {
				t.Fatal(err)
			}
			if got.Gone != (i == 1 || i == 4) || got.Differs(was) != (i == 2) || got.Private || got.Unknown {
				t.Errorf("%d: %+v was %+v", i, got, was)
			}
		}
		if calls := server.Counts().Calls["openverse"]; rate == 0 && calls != len(photos) {
			t.Errorf("it asked %d times about %d photos", calls, len(photos))
		}
	}
}

// TestOpenverseIsAsked makes sure of it that Openverse is there, once, before it believes that a photo is gone.
func TestOpenverseIsAsked(t *testing.T) {
	s := curate.Source{Kind: "openverse", ID: "00000000-0000-4000-8000-000000000007"}
	server := newServer()
	base := collecttest.Start(t, server)
	source, _ := newOpenverse(base)
	checker := &collect.OpenverseChecker{Openverse: source}
	for n := 1; n <= 3; n++ {
		if got, err := checker.Check(t.Context(), s); err != nil || got != (collect.Standing{Gone: true}) {
			t.Errorf("%+v, %v", got, err)
		}
		if calls := server.Counts().Calls["openverse"]; calls != n+1 {
			t.Errorf("it asked %d times about %d photos", calls, n)
		}
	}
	source, _ = newOpenverse(base)
	source.Endpoint = base + "/v2/images/"
	if got, err := (&collect.OpenverseChecker{Openverse: source}).Check(t.Context(), s); err == nil || got.Gone || !strings.Contains(err.Error(), "nothing is taken for gone") {
		t.Errorf("at a wrong address: %+v, %v", got, err)
	}
	for _, body := range []string{"", "{}", `{"detail": "x"}`, "<html>", `{"id": "00000000-0000-4000-8000-000000000008", "license": "by"}`} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		source, _ := newOpenverse(server.URL)
		if got, err := (&collect.OpenverseChecker{Openverse: source}).Check(t.Context(), s); err == nil || got != (collect.Standing{}) {
			t.Errorf("%q: %+v, %v", body, got, err)
		}
		server.Close()
	}
}

func TestOpenverseChecksNothingInTrouble(t *testing.T) {
	photos, before := fromOpenverse(t)
	s := before[photos[0].ID]
	for _, fault := range []collecttest.Fault{
		collecttest.TooMany, collecttest.Broken, collecttest.Overloaded, collecttest.Strange, collecttest.WebPage, collecttest.CutOff, collecttest.Elsewhere,
		collecttest.Missing, collecttest.Huge,
	} {
		server := newServer(photos...)
		server.Faults = collecttest.Faults{Rate: 1, Kinds: []collecttest.Fault{fault}, InARow: 1000}
		source, _ := newOpenverse(collecttest.Start(t, server))
		if got, err := (&collect.OpenverseChecker{Openverse: source}).Check(t.Context(), s); err == nil || got != (collect.Standing{}) {
			t.Errorf("fault %d: %+v, %v", fault, got, err)
		}
	}
	server := newServer(photos...)
	source, clock := newOpenverse(collecttest.Start(t, server))
	checker := &collect.OpenverseChecker{Openverse: source}
	for _, id := range []string{"", "7", "00000000-0000-4000-8000-00000000000X", "00000000-0000-4000-8000-00000000000A", "00000000-0000-1000-8000-000000000000", "../../x"} {
		if got, err := checker.Check(t.Context(), curate.Source{Kind: "openverse", ID: id}); err != nil || got != (collect.Standing{Unknown: true}) {
			t.Errorf("%q: %+v, %v", id, got, err)
		}
	}
	if calls := server.Counts().Calls; len(calls) != 0 {
		t.Errorf("it asked: %v", calls)
	}
	// What Openverse allows in a minute is kept.
	server.Burst = 20
	began := clock.clock().Now()
	for range 41 {
		if got, err := checker.Check(t.Context(), s); err != nil || got.Gone {
			t.Fatal(got, err)
		}
	}
	if took := clock.clock().Now().Sub(began); took < time.Minute {
		t.Errorf("41 questions took %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := checker.Check(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
