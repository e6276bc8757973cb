package i18n_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2/theme"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"

	"kaika/assets"
	"kaika/ui/i18n"
)

// messages reads all texts of a language: the plural forms by key.
func messages(t *testing.T, language string) map[string]map[string]string {
	t.Helper()
	files, err := fs.Glob(assets.Translations, "translations/*."+language+".json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for _, file := range files {
		data, err := assets.Translations.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]any
		if err := json.Unmarshal(data, &texts); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for key, value := range texts {
			if all[key] != nil {
				t.Errorf("%s: the key %s is already in another file", file, key)
			}
			all[key] = map[string]string{}
			switch value := value.(type) {
			case string:
				all[key]["other"] = value
			case map[string]any:
				for form, text := range value {
					all[key][form], _ = text.(string)
				}
			}
		}
	}
	return all
}

// TestSameKeys wants each text in each language, with the same names in it.
func TestSameKeys(t *testing.T) {
	names := regexp.MustCompile(`\{\{\.?([^}]*)\}\}`)
	english := messages(t, "en")
	for _, language := range i18n.Languages()[1:] {
		other := messages(t, language)
		for key := range other {
			if english[key] == nil {
				t.Errorf("%s: %s is not in English", language, key)
			}
		}
		for key, forms := range english {
			if other[key] == nil {
				t.Errorf("%s: %s is missing", language, key)
				continue
			}
			want := map[string]bool{}
			for _, m := range names.FindAllStringSubmatch(strings.Join(slices.Collect(maps.Values(forms)), ""), -1) {
				want[m[1]] = true
			}
			got := map[string]bool{}
			for _, m := range names.FindAllStringSubmatch(strings.Join(slices.Collect(maps.Values(other[key])), ""), -1) {
				got[m[1]] = true
			}
			if !maps.Equal(want, got) {
				t.Errorf("%s: %s names %v, in English %v", language, key, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
			}
			if forms["other"] == "" || other[key]["other"] == "" {
				t.Errorf("%s: %s is empty", language, key)
			}
		}
	}
}

// TestKeysOfTheProgram wants a text for each key that stands in the window's code, and that each text is asked for.
func TestKeysOfTheProgram(t *testing.T) {
	english := messages(t, "en")
	key := regexp.MustCompile(`^[a-z]+(\.[a-zA-Z0-9_-]+)+$`)
	rooms := map[string]bool{} // First words of keys.
	for k := range english {
		rooms[strings.SplitN(k, ".", 2)[0]] = true
	}
	used := map[string]bool{}
	var begun []string // Beginnings of keys whose last word the code computes.
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				selector, ok := n.Fun.(*ast.SelectorExpr)
				if !ok || (selector.Sel.Name != "T" && selector.Sel.Name != "N") || len(n.Args) == 0 {
					return true
				}
				if text, ok := literal(n.Args[0]); ok && english[text] == nil && !strings.HasSuffix(text, ".") {
					t.Errorf("%s: there is no text for %s", path, text)
				}
				if selector.Sel.Name == "N" && len(n.Args) > 1 {
					if text, ok := literal(n.Args[0]); ok && english[text] != nil && english[text]["one"] == "" {
						t.Errorf("%s: %s has no singular", path, text)
					}
				}
			case *ast.BasicLit:
				if text, ok := literal(n); ok && strings.HasSuffix(text, ".") && key.MatchString(text+"x") {
					begun = append(begun, text)
				}
				if text, ok := literal(n); ok && key.MatchString(text) && rooms[strings.SplitN(text, ".", 2)[0]] {
					used[text] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for k := range english {
		prefixed := slices.ContainsFunc([]string{"file.", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"},
			func(p string) bool { return strings.HasPrefix(k, p) })
		computed := slices.ContainsFunc(begun, func(p string) bool { return strings.HasPrefix(k, p) })
		if strings.Contains(k, ".") && !prefixed && !used[k] && !computed {
			t.Errorf("nobody asks for the text %s", k)
		}
	}
}

func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(l.Value)
	return text, err == nil
}

// TestGlyphs wants a glyph for each letter of each text in the font of the window, or in one of Fyne's, which stand
// in where ours has none.
func TestGlyphs(t *testing.T) {
	for name, data := range map[string][3][]byte{
		"regular": {assets.FontRegular, theme.DefaultTextFont().Content(), theme.DefaultSymbolFont().Content()},
		"bold":    {assets.FontBold, theme.DefaultTextBoldFont().Content(), theme.DefaultSymbolFont().Content()},
	} {
		var fonts [3]*sfnt.Font
		var buffer sfnt.Buffer
		for i := range fonts {
			var err error
			if fonts[i], err = opentype.Parse(data[i]); err != nil {
				t.Fatal(err)
			}
		}
		has := func(r rune) bool {
			return slices.ContainsFunc(fonts[:], func(f *sfnt.Font) bool {
				index, err := f.GlyphIndex(&buffer, r)
				return err == nil && index != 0
			})
		}
		for _, language := range i18n.Languages() {
			for key, forms := range messages(t, language) {
				for _, r := range strings.Join(slices.Collect(maps.Values(forms)), "") {
					if r != '\n' && !has(r) {
						t.Errorf("the font %s has no glyph for %q in %s (%s)", name, r, key, language)
					}
				}
			}
		}
	}
}

func TestTexts(t *testing.T) {
	english, err := i18n.Load("en")
	if err != nil {
		t.Fatal(err)
	}
	japanese, err := i18n.Load("ja")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ got, want string }{
		{english.Duration(time.Second), "1 second"},
		{english.Duration(40 * time.Second), "40 seconds"},
		{english.Duration(90 * time.Minute), "1.5 hours"},
		{japanese.Duration(time.Second), "1秒"},
		{japanese.Duration(3 * time.Minute), "3分"},
		{english.Number(1234567), "1,234,567"},
		{english.Percent(0.99964, 2), "99.96 %"},
		{english.Percent(1, 2), "100.00 %"},
		{english.Percent(0.999999, 2), "> 99.99 %"},
		{english.Percent(1-1e-15, 1), "100.0 %"}, // As the upper end of an interval around 100 %.
		{english.Percent(0.00000001, 2), "< 0.01 %"},
		{english.Percent(0, 1), "0.0 %"},
		{english.Percent(0.9999, 0), "> 99 %"},
		{english.Bytes(999), "999 B"},
		{english.Bytes(13_256_000), "13.3 MB"},
		{english.Sentences("One.", "", "Two."), "One. Two."},
		{japanese.Sentences("一。", "二。"), "一。二。"},
		{english.T("no.such.key"), "no.such.key"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
	if err := english.Use("ja"); err != nil || english.Language() != "ja" || english.Duration(time.Second) != "1秒" {
		t.Errorf("after the change of language: %v, %q", err, english.Duration(time.Second))
	}
	if _, err := i18n.Load("tlh"); err == nil {
		t.Error("a language without texts is no error")
	}
}
