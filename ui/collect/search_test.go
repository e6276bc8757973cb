package collect

import (
	"testing"

	source "kaika/core/collect"
)

// TestSearchIsKept starts a run, and finds what was asked for in the next session.
func TestSearchIsKept(t *testing.T) {
	w := newWorld(t, service(10, func(source.Wanted) error { return nil }))
	w.recallSearch()
	if w.service != nil || len(w.rows) > 0 {
		t.Fatalf("there is a search at first: %+v", w.rows)
	}
	w.useService(0)
	w.setKeyword(0, "rose")
	w.setCount(0, "3")
	w.addKeyword()
	w.setKeyword(1, "百合")
	w.setLabel(1, "lily")
	w.setCount(1, "")
	w.addKeyword()
	w.setKeyword(2, "tulip")
	w.setOn(2, false)
	w.setMinSide("20")
	w.collected(t)

	next := newWorld(t, service(10, func(source.Wanted) error { return nil }))
	next.prefs[prefSearch] = w.prefs[prefSearch]
	next.recallSearch()
	if next.service != nil {
		t.Error("another dataset has the search")
	}
	next.lib.dir = w.lib.dir
	next.setLibrary(next.lib)
	next.recallSearch()
	if next.service == nil || len(next.rows) != 3 || next.minSide != 20 || next.sideText != "20" {
		t.Fatalf("%+v, %d rows, %d pixels", next.service, len(next.rows), next.minSide)
	}
	for i, want := range []row{
		{keyword: "rose", label: "rose", count: 3, countText: "3", available: -1, on: true},
		{keyword: "百合", label: "lily", available: -1, on: true},
		{keyword: "tulip", label: "tulip", count: defaultCount, countText: "20", available: -1},
	} {
		if *next.rows[i] != want {
			t.Errorf("row %d is %+v, want %+v", i, *next.rows[i], want)
		}
	}
	if !next.ready() {
		t.Error("it cannot go on at once")
	}
	next.useService(-1)
	next.recallSearch()
	if next.service != nil {
		t.Error("it comes back though its user turned away from it")
	}
}

// TestDamagedSearch has settings that somebody has changed by hand.
func TestDamagedSearch(t *testing.T) {
	for _, text := range []string{
		"", "{", "null", `{"dir":"DIR"}`, `{"dir":"DIR","service":"none","keywords":[{"keyword":"rose","on":true}]}`,
		`{"dir":"DIR","service":"shelf","keywords":[]}`,
	} {
		w := newWorld(t, service(10, nil))
		w.lib.dir = "DIR"
		w.setLibrary(w.lib)
		w.prefs[prefSearch] = text
		w.recallSearch()
		if w.service != nil || len(w.rows) > 0 {
			t.Errorf("%s: %+v", text, w.rows)
		}
	}
	w := newWorld(t, service(10, nil))
	w.lib.dir = "DIR"
	w.setLibrary(w.lib)
	w.prefs[prefSearch] = `{"dir":"DIR","service":"` + w.services[0].Kind + `","side":-7,"keywords":[{"keyword":"rose","label":"a/b","count":-3,"on":true}]}`
	w.recallSearch()
	if len(w.rows) != 1 || w.rows[0].count != defaultCount || w.minSide != serviceSide || w.ready() {
		t.Errorf("%+v, %d pixels; ready: %v", w.rows, w.minSide, w.ready())
	}
}

// TestKeptSideIsTheSearches brings in own files after a search was taken up: its least side is not theirs.
func TestKeptSideIsTheSearches(t *testing.T) {
	w := newWorld(t, service(10, nil))
	w.lib.dir = "DIR"
	w.setLibrary(w.lib)
	w.prefs[prefSearch] = `{"dir":"DIR","service":"shelf","side":500,"keywords":[{"keyword":"rose","label":"rose","count":-1,"on":true}]}`
	w.recallSearch()
	if w.minSide != 500 || w.rows[0].count != defaultCount {
		t.Fatalf("%d pixels, %d photos", w.minSide, w.rows[0].count)
	}
	w.useService(-1)
	if w.minSide != defaultSide {
		t.Errorf("photos under %d pixels are refused", w.minSide)
	}
	w.useService(0)
	w.setMinSide("500")
	w.useService(-1)
	if w.minSide != 500 {
		t.Errorf("what was typed is %d now", w.minSide)
	}
}
