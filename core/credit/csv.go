package credit

import (
	"encoding/csv"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// columns are the fields of a row.
func columns() []string {
	return []string{
		"file", "label", "title", "author", "author_url", "page_url", "license", "license_url", "source", "source_id", "taken", "retrieved", "changes",
	}
}

// csvStart is what the file begins with.
func csvStart() string { return strings.Join(columns(), ",") + "\r\n" }

// CSV writes a row for each photo, as RFC 4180 has it, in UTF-8. A field that a spreadsheet would take for a formula has an
// apostrophe before it.
func (l List) CSV(out io.Writer) error {
	w := csv.NewWriter(out)
	w.UseCRLF = true
	if err := w.Write(columns()); err != nil {
		return err
	}
	for _, c := range l.Credits {
		s := c.Source
		row := []string{
			c.File, c.Label, s.Title, s.Author, link(s.AuthorURL), link(s.PageURL), s.License, link(s.LicenseURL), s.Kind, s.ID,
			date(s.Taken), date(s.Retrieved), c.change(),
		}
		for i, field := range row {
			row[i] = harmless(line(field))
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// harmless keeps a spreadsheet from taking a field for a formula. Those of Japan also know the wide signs.
func harmless(field string) string {
	if first, _ := utf8.DecodeRuneInString(field); strings.ContainsRune("=+-@＝＋－＠", first) && field != "" {
		return "'" + field
	}
	return field
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}
