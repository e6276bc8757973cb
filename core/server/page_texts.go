package server

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

// pageLanguages are the languages of the pages, by their codes in BCP 47, the default first.
var pageLanguages = []string{"en", "ja"}

// texts are the texts of the pages in one language. They do not change.
type texts struct {
	localizer *i18n.Localizer
	printer   *message.Printer
	all       map[string]json.RawMessage
}

func loadTexts(web fs.FS, code string) (*texts, error) {
	tag, err := language.Parse(code)
	if err != nil {
		return nil, fmt.Errorf("the language %q: %w", code, err)
	}
	file := "texts." + code + ".json"
	t := &texts{printer: message.NewPrinter(tag)}
	data, err := fs.ReadFile(web, file)
	if err == nil {
		err = json.Unmarshal(data, &t.all)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the texts of the pages: %w", err)
	}
	bundle := i18n.NewBundle(tag)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	if _, err := bundle.ParseMessageFileBytes(data, file); err != nil {
		return nil, fmt.Errorf("reading the texts of the pages: %w", err)
	}
	t.localizer = i18n.NewLocalizer(bundle, code)
	return t, nil
}

// T gives the text of a key. Pairs are the names and values that stand in the text as {{.Name}}.
func (t *texts) T(key string, pairs ...any) string {
	return t.localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: named(pairs)})
}

// N gives the text of a key in the plural form of a count, which stands in the text as {{.Count}}.
func (t *texts) N(key string, count int, pairs ...any) string {
	values := named(pairs)
	values["Count"] = t.Number(count)
	return t.localize(&i18n.LocalizeConfig{MessageID: key, PluralCount: count, TemplateData: values})
}

// localize gives the key itself where it has no text. A test looks for each key of the pages in each language.
func (t *texts) localize(c *i18n.LocalizeConfig) string {
	text, err := t.localizer.Localize(c)
	if err != nil {
		return c.MessageID
	}
	return text
}

// Has tells whether there is a text for a key.
func (t *texts) Has(key string) bool { return t.all[key] != nil }

// Number writes a whole number with the language's separators.
func (t *texts) Number(n int) string { return t.printer.Sprint(number.Decimal(n)) }

// forScript gives the texts whose keys begin with one of the prefixes, for a script, which fills them in as T and N do.
func (t *texts) forScript(prefixes ...string) map[string]json.RawMessage {
	some := maps.Clone(t.all)
	maps.DeleteFunc(some, func(key string, _ json.RawMessage) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(key, p) {
				return false
			}
		}
		return true
	})
	return some
}

func named(pairs []any) map[string]any {
	values := make(map[string]any, len(pairs)/2+1)
	for i := 0; i+1 < len(pairs); i += 2 {
		if name, ok := pairs[i].(string); ok {
			values[name] = pairs[i+1]
		}
	}
	return values
}

// percent writes a share of 0 to 1 in percent with two decimals. It never rounds up to 100 % or down to 0 %: a share short
// of one is not certain.
func percent(share float64) string {
	text := strconv.FormatFloat(100*share, 'f', 2, 64)
	switch {
	case text == "100.00" && share < 1:
		text = ">\u00a099.99"
	case text == "0.00" && share > 0:
		text = "<\u00a00.01"
	}
	return text + "\u00a0%" // No line ends between them.
}

// score writes a score as percent does.
func score(of float32) string { return percent(float64(of)) }
