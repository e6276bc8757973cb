package collect

import "testing"

func TestHasWords(t *testing.T) {
	for _, test := range []struct {
		text, words string
		want        bool
	}{
		{"A Toy rose", "toy", true},
		{"Toyota", "toy", false},
		{"rose-toy!", "TOY", true},
		{"black & white rose", "black white", true},
		{"white, black", "black white", false},
		{"薔薇の絵画です", "絵画", true},
		{"ﾄｲ", "トイ", true},
		{"rose", "", false},
		{"rose", " - ", false},
		{"", "rose", false},
		{"Café", "cafe\u0301", true},
	} {
		if got := hasWords(test.text, test.words); got != test.want {
			t.Errorf("%q has %q: %v", test.text, test.words, got)
		}
	}
}

// TestAccentsOfTheirOwn has words whose accents are letters of their own, as some keyboards and file systems give them.
func TestAccentsOfTheirOwn(t *testing.T) {
	if got := plainTag("Cafe\u0301 Noir"); got != "caf\u00e9noir" {
		t.Errorf("the tag is %+q", got)
	}
	if got := minus("cafe\u0301"); got != "-caf\u00e9" {
		t.Errorf("left out is %+q", got)
	}
	o := openverseSearch{Openverse: &Openverse{}, request: Request{Keyword: "cafe\u0301"}, terms: FreeTerms()}
	if values, err := o.query(1); err != nil || values.Get("q") != "caf\u00e9" {
		t.Errorf("Openverse is asked for %+q, %v", values.Get("q"), err)
	}
}
