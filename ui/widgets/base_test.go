package widgets

import (
	"testing"

	"kaika/model"
	"kaika/ui/i18n"
)

// TestBaseTitle wants the catalogue's titles in English, and others, of their own, in Japanese.
func TestBaseTitle(t *testing.T) {
	english, err := i18n.Load("en")
	if err != nil {
		t.Fatal(err)
	}
	japanese, err := i18n.Load("ja")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, b := range model.Catalogue() {
		if got := BaseTitle(english, b.Name, ""); got != b.Title {
			t.Errorf("%s is called %q, in the catalogue %q", b.Name, got, b.Title)
		}
		title := BaseTitle(japanese, b.Name, b.Title)
		if other, ok := seen[title]; ok || title == b.Name {
			t.Errorf("%s and %s are both called %q", b.Name, other, title)
		}
		seen[title] = b.Name
	}
	if got := BaseTitle(japanese, "mine", "My network"); got != "My network" {
		t.Errorf("a model of the user's is called %q", got)
	}
	if got := BaseTitle(japanese, "mobilenet_9.9_224", ""); got != "mobilenet_9.9_224" {
		t.Errorf("an unknown model is called %q", got)
	}
}
