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
