package collect_test

import (
	"slices"
	"strings"
	"testing"

	"kaika/core/collect"
	"kaika/core/collect/collecttest"
)

func TestParseTerms(t *testing.T) {
	for text, want := range map[string]string{
		"": "[]", " , ": "[]", "by": "[by]", "CC BY-SA, cc0 ,by,by": "[by-sa cc0 by]", "No known copyright": "[no-known-copyright]", "CC0,pdm": "[cc0 pdm]",
	} {
		got, err := collect.ParseTerms(text)
		if all := "[" + join(got) + "]"; err != nil || all != want {
			t.Errorf("%q gave %s, %v", text, all, err)
		}
	}
	for _, text := range []string{"gpl", "by, cc", "by-sa-nc"} {
		if got, err := collect.ParseTerms(text); err == nil || !strings.Contains(err.Error(), "by-nc-sa") {
			t.Errorf("%q gave %v, %v", text, got, err)
		}
	}
	for _, terms := range collect.FreeTerms() {
		if strings.Contains(string(terms), "nc") || strings.Contains(string(terms), "nd") || terms == collect.AllRightsReserved {
			t.Errorf("%s is not free", terms)
		}
	}
}

func join(all []collect.Terms) string {
	var text []string
	for _, t := range all {
		text = append(text, string(t))
	}
	return strings.Join(text, " ")
}

// TestLicensesOfFlickr compares what is known without asking with what is found by asking.
func TestLicensesOfFlickr(t *testing.T) {
	source, _, _ := newFlickr(collecttest.Start(t, newServer()))
	asked, err := source.Licenses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	source, _, _ = newFlickr("http://127.0.0.1:1")
	known, err := source.Licenses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) != 17 || len(known) != 17 {
		t.Errorf("%d licenses were given, and %d are known", len(asked), len(known))
	}
	for id, l := range asked {
		if known[id].Terms != l.Terms || !slices.Contains(collect.AllTerms(), l.Terms) {
			t.Errorf("license %s has the terms %q, known are %q", id, l.Terms, known[id].Terms)
		}
		if strings.Contains(l.URL, "creativecommons.org/licenses") && known[id] != l {
			t.Errorf("license %s is %+v, known is %+v", id, l, known[id])
		}
	}
}
