package credit

import (
	_ "embed"
	"html/template"
	"io"
)

// htmlMark is found near the beginning of each page.
const htmlMark = `<meta name="generator" content="Kaika">`

//go:embed page.html
var pageText string

// A section is the photos of one label.
type section struct {
	Label   string
	Credits []Credit
}

// HTML writes a page that needs nothing but itself.
func (l List) HTML(out io.Writer) error {
	page, err := template.New("credits").Funcs(template.FuncMap{
		"line": line, "link": link, "date": date, "change": Credit.change,
	}).Parse(pageText)
	if err != nil {
		return err
	}
	var sections []section
	for _, c := range l.Credits {
		if n := len(sections); n == 0 || sections[n-1].Label != c.Label {
			sections = append(sections, section{Label: c.Label})
		}
		last := &sections[len(sections)-1]
		last.Credits = append(last.Credits, c)
	}
	return page.Execute(out, struct {
		Sections []section
		Known    int
		Unknown  int
		Notices  []string
	}{sections, len(l.Credits), l.Unknown, l.Notices()})
}
