package server

import (
	"encoding/json"
	"io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kaika/assets"
)

// pageTexts reads the texts of a language: the plural forms by key.
func pageTexts(t *testing.T, code string) map[string]map[string]string {
	t.Helper()
	data, err := assets.Web.ReadFile("web/texts." + code + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for key, value := range raw {
		forms := map[string]string{}
		var text string
		if json.Unmarshal(value, &text) == nil {
			forms["other"] = text
		} else if err := json.Unmarshal(value, &forms); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		all[key] = forms
	}
	return all
}

// TestPagesInEachLanguage wants each text in each language, with the same names in it.
func TestPagesInEachLanguage(t *testing.T) {
	names := regexp.MustCompile(`\{\{\.(\w+)\}\}`)
	namesIn := func(forms map[string]string) []string {
		seen := map[string]bool{}
		for _, text := range forms {
			for _, m := range names.FindAllStringSubmatch(text, -1) {
				seen[m[1]] = true
			}
		}
		return slices.Sorted(maps.Keys(seen))
	}
	english := pageTexts(t, pageLanguages[0])
	for _, code := range pageLanguages[1:] {
		other := pageTexts(t, code)
		for key := range other {
			if english[key] == nil {
				t.Errorf("%s: %s is not in English", code, key)
			}
		}
		for key, forms := range english {
			if other[key] == nil {
				t.Errorf("%s: %s is missing", code, key)
			} else if got, want := namesIn(other[key]), namesIn(forms); !slices.Equal(got, want) {
				t.Errorf("%s: %s names %v, in English %v", code, key, got, want)
			}
			if len(forms) > 1 && (forms["one"] == "" || forms["other"] == "") {
				t.Errorf("%s has not all its forms", key)
			}
		}
	}
}

// TestTextsOfPages wants a text for each key that stands in the pages and their code, and that each text is asked for.
func TestTextsOfPages(t *testing.T) {
	english := pageTexts(t, "en")
	sources := map[string]string{}
	read := func(files fs.FS, pattern string) {
		names, err := fs.Glob(files, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := fs.ReadFile(files, name)
			if err != nil {
				t.Fatal(err)
			}
			sources[name] = string(data)
		}
	}
	read(assets.Web, "web/*.html")
	read(assets.Web, "web/*.js")
	read(os.DirFS("."), "page*.go")
	asked := regexp.MustCompile(`(?:\b[TN]\(? ?|\btext\(|print )"([a-z]+\.[a-zA-Z0-9_.]+)"`)
	var literals []string
	for name, source := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range asked.FindAllStringSubmatch(source, -1) {
			if english[m[1]] == nil && !strings.HasSuffix(m[1], ".") {
				t.Errorf("%s: there is no text for %s", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`"([a-z]+\.[a-zA-Z0-9_.]*)"`).FindAllStringSubmatch(source, -1) {
			literals = append(literals, m[1])
		}
	}
	for key := range english {
		if !slices.ContainsFunc(literals, func(l string) bool { return l == key || strings.HasSuffix(l, ".") && strings.HasPrefix(key, l) }) {
			t.Errorf("nobody asks for the text %s", key)
		}
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{
		0: "0.00 %", .000001: "< 0.01 %", .00005: "0.01 %", .5: "50.00 %", .99964: "99.96 %", .99995: "> 99.99 %", .9999999: "> 99.99 %", 1: "100.00 %",
	} {
		if got := strings.ReplaceAll(percent(share), "\u00a0", " "); got != want {
			t.Errorf("%v is written %s, want %s", share, got, want)
		}
	}
}

func TestLanguageOfPages(t *testing.T) {
	for _, tc := range []struct{ accept, address, want, link string }{
		{"", "/", "en", "/train"},
		{"ja", "/", "ja", "/train"},
		{"ja-JP,ja;q=0.9,en;q=0.8", "/", "ja", "/train"},
		{"de,fr;q=0.9", "/", "en", "/train"},
		{"de,ja;q=0.5,en;q=0.3", "/", "ja", "/train"},
		{"en-GB;q=1.0,ja;q=0.5", "/", "en", "/train"},
		{"\xff,,;q=%%", "/", "en", "/train"},
		{"ja", "/?lang=en", "en", "/train?lang=en"},
		{"en", "/?lang=ja&model=x", "ja", "/train?lang=ja"},
		{"ja", "/?lang=fr", "ja", "/train"},
		{"en", "/?lang=%22%3E%3Cscript%3E", "en", "/train"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", tc.address, nil)
		r.Header.Set("Accept-Language", tc.accept)
		f, err := frameFor(r, "/", "classify.page", "")
		if err != nil {
			t.Fatal(err)
		}
		if f.Language != tc.want || f.URL("/train") != tc.link {
			t.Errorf("%q at %s: %s with links to %s, want %s and %s", tc.accept, tc.address, f.Language, f.URL("/train"), tc.want, tc.link)
		}
	}
}

// TestPagesAreSmall wants all that a page loads to be less than 60 kB as it is.
func TestPagesAreSmall(t *testing.T) {
	size := func(names ...string) (sum int) {
		for _, name := range names {
			data, err := assets.Web.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			sum += len(data)
		}
		return sum
	}
	shared := size("web/layout.html", "web/style.css", "icons/icon.svg", "web/texts.ja.json")
	for page, own := range map[string]int{"/": size("web/classify.html", "web/app.js"), "/train": size("web/train.html", "web/train.js")} {
		if total := shared + own; total > 60_000 {
			t.Errorf("%s loads %d bytes", page, total)
		}
	}
}

// TestPagesHaveNoStyleOfTheirOwn looks for what the policy of the pages would refuse.
func TestPagesHaveNoStyleOfTheirOwn(t *testing.T) {
	names, err := fs.Glob(assets.Web, "web/*.html")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		data, err := assets.Web.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if found := regexp.MustCompile(`(?i)\sstyle\s*=|<style|\son[a-z]+\s*=|javascript:|https?://`).FindString(string(data)); found != "" {
			t.Errorf("%s has %q", path.Base(name), found)
		}
	}
}
