// Package i18n gives the window's texts in the user's language.
package i18n

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"

	"kaika/assets"
)

// Languages are the languages of the window, by their codes in BCP 47, the default first.
func Languages() []string { return []string{"en", "ja"} }

// Texts are the texts of one language at a time. It may be used from several goroutines.
type Texts struct {
	current atomic.Pointer[loaded]
}

// loaded are the texts of a language.
type loaded struct {
	language  string
	localizer *i18n.Localizer
	printer   *message.Printer
}

// Load gives the texts of a language of Languages. The error says that the program was built wrongly.
func Load(code string) (*Texts, error) {
	t := &Texts{}
	if err := t.Use(code); err != nil {
		return nil, err
	}
	return t, nil
}

// Use changes to another language: what is asked for from now on comes in that.
func (t *Texts) Use(code string) error {
	l, err := load(code)
	if err == nil {
		t.current.Store(l)
	}
	return err
}

func load(code string) (*loaded, error) {
	tag, err := language.Parse(code)
	if err != nil {
		return nil, fmt.Errorf("the language %q: %w", code, err)
	}
	bundle := i18n.NewBundle(tag)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	files, err := fs.Glob(assets.Translations, "translations/*."+code+".json")
	if err != nil {
		return nil, fmt.Errorf("listing the texts: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there are no texts in the language %q", code)
	}
	for _, file := range files {
		if _, err := bundle.LoadMessageFileFS(assets.Translations, file); err != nil {
			return nil, fmt.Errorf("reading the texts: %w", err)
		}
	}
	return &loaded{language: code, localizer: i18n.NewLocalizer(bundle, code), printer: message.NewPrinter(tag)}, nil
}

// System gives the language of Languages that suits the user's system best.
func System() string {
	if strings.HasPrefix(lang.SystemLocale().LanguageString(), "ja") {
		return "ja"
	}
	return "en"
}

// Fyne has Fyne's own texts, those of its dialogs and menus, appear in this language, too, whatever the system's is.
// It concerns all windows of the process.
func (t *Texts) Fyne() error {
	data, err := assets.Translations.ReadFile("translations/fyne." + t.Language() + ".json")
	if err != nil {
		return fmt.Errorf("reading Fyne's texts: %w", err)
	}
	// Fyne chooses by the system's language, so the texts go there under its name. Fyne has no texts with plurals.
	if err := lang.AddTranslationsForLocale(data, lang.SystemLocale()); err != nil {
		return fmt.Errorf("setting Fyne's texts: %w", err)
	}
	return nil
}

// Language is the code of the language.
func (t *Texts) Language() string { return t.current.Load().language }

// T gives the text of a key. Pairs are the names and values that stand in the text as {{.Name}}.
func (t *Texts) T(key string, pairs ...any) string {
	return t.localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: data(pairs)})
}

// N gives the text of a key in the plural form of a count, which stands in the text as {{.Count}}.
func (t *Texts) N(key string, count int, pairs ...any) string {
	values := data(pairs)
	values["Count"] = t.Number(count)
	return t.localize(&i18n.LocalizeConfig{MessageID: key, PluralCount: count, TemplateData: values})
}

// localize gives the key itself where it has no text. A test looks for each key of the program in each language.
func (t *Texts) localize(c *i18n.LocalizeConfig) string {
	text, err := t.current.Load().localizer.Localize(c)
	if err != nil {
		fyne.LogError("no text for "+c.MessageID, err)
		return c.MessageID
	}
	return text
}

func data(pairs []any) map[string]any {
	values := make(map[string]any, len(pairs)/2+1)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		values[name] = pairs[i+1]
	}
	return values
}

// Number writes a whole number with the language's separators.
func (t *Texts) Number(n int) string { return t.current.Load().printer.Sprint(number.Decimal(n)) }

// Percent writes a share of 0 to 1 in percent with so many decimals. It never rounds up to 100 % or down to 0 %: a share
// short of one is not certain.
func (t *Texts) Percent(share float64, decimals int) string {
	const rounding = 1e-12 // What computing with a share of one takes away from it.
	percent := 100 * share
	text := fmt.Sprintf("%.*f", decimals, percent)
	least := fmt.Sprintf("%.*f", decimals, 0.0)
	most := fmt.Sprintf("%.*f", decimals, 100.0)
	switch {
	case text == most && share < 1-rounding:
		text = "99"
		if decimals > 0 {
			text += "." + strings.Repeat("9", decimals)
		}
		text = "> " + text
	case text == least && share > 0:
		text = "< " + least[:len(least)-1] + "1"
	}
	return text + " %"
}

// Bytes writes a size with a unit of 1000 bytes, a million or a billion.
func (t *Texts) Bytes(n int64) string {
	size, unit := float64(n), "B"
	for _, larger := range []string{"kB", "MB", "GB", "TB"} {
		if size < 1000 {
			break
		}
		size, unit = size/1000, larger
	}
	if unit == "B" || size >= 100 {
		return fmt.Sprintf("%.0f %s", size, unit)
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}

// Duration writes a duration roughly, in seconds, minutes or hours.
func (t *Texts) Duration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return t.N("duration.seconds", int(d.Round(time.Second)/time.Second))
	case d < time.Hour:
		return t.N("duration.minutes", int(d.Round(time.Minute)/time.Minute))
	default:
		return t.T("duration.hours", "Hours", t.current.Load().printer.Sprint(number.Decimal(d.Hours(), number.MaxFractionDigits(1))))
	}
}

// Time writes a point in time as day and minute of the local time zone.
func (t *Texts) Time(at time.Time) string { return at.Local().Format("2006-01-02 15:04") }

// Sentences joins sentences as the language does, which is without a space in Japanese. Empty ones are left out.
func (t *Texts) Sentences(sentences ...string) string {
	kept := sentences[:0:0]
	for _, s := range sentences {
		if s != "" {
			kept = append(kept, s)
		}
	}
	if t.Language() == "ja" {
		return strings.Join(kept, "")
	}
	return strings.Join(kept, " ")
}
