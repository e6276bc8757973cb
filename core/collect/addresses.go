package collect

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	utf "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"kaika/core/curate"
	"kaika/core/picture"
)

// Addresses is a list of addresses of pictures on the web, in a file of the user's own. It is a table (CSV; with commas,
// semicolons or tabs) whose first line names the columns: url, and if wanted label, title, author, author_url, license,
// license_url and page. Or it has just an address on each line, and if wanted a label behind a space or a comma.
type Addresses struct {
	Web Web

	file string

	mu       sync.Mutex
	list     []listed // Nil before the file was read.
	pacing   sync.Once
	pictures pace
}

var _ Local = (*Addresses)(nil)

// ListEndings are the endings of the names of lists of addresses, in lower case.
func ListEndings() []string { return []string{".csv", ".tsv", ".txt"} }

// IsList tells by its name whether a file is a list of addresses.
func IsList(file string) bool {
	return slices.Contains(ListEndings(), strings.ToLower(filepath.Ext(file)))
}

// NewAddresses gives the list in the file at a path. Nothing is read yet.
func NewAddresses(file string) *Addresses { return &Addresses{file: file} }

// listed is a line of a list.
type listed struct {
	line    int
	keyword string // Its label.
	address *url.URL
	source  curate.Source
	bad     *Refusal // Set if the line has no address that can be used; the others are not set then.
}

const (
	listBytes = 64 << 20
	listLines = 1_000_000
)

// Name returns the path of the file.
func (a *Addresses) Name() string { return a.file }

// Contents implements Local. It reads the file anew.
func (a *Addresses) Contents(ctx context.Context) ([]curate.LabelCount, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", a.file, err)
	}
	list, err := a.read()
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.list = list
	a.mu.Unlock()
	number := map[string]int{}
	for _, l := range list {
		if l.bad == nil {
			number[l.keyword]++
		}
	}
	var all []curate.LabelCount
	for name, photos := range number {
		all = append(all, curate.LabelCount{Name: name, Photos: photos})
	}
	slices.SortFunc(all, func(x, y curate.LabelCount) int { return strings.Compare(x.Name, y.Name) })
	return all, nil
}

// Search implements Source.
func (a *Addresses) Search(ctx context.Context, r Request) iter.Seq2[Item, error] {
	return a.SearchAll(ctx, []Request{r})
}

// SearchAll implements OnePass. It gives what Contents found the last time.
func (a *Addresses) SearchAll(ctx context.Context, requests []Request) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		a.pacing.Do(func() { a.pictures.shortest, a.pictures.longest = 100*time.Millisecond, 30*time.Second })
		a.mu.Lock()
		list := a.list
		a.mu.Unlock()
		if list == nil {
			var err error
			if list, err = a.read(); err != nil {
				yield(Item{}, err)
				return
			}
		}
		const most = 10 // The addresses have many hosts, some of which may be gone.
		d := downloads{web: &a.Web, pace: &a.pictures, allowed: sameSite, flickr: []string{"staticflickr.com"}, most: most}
		wanted := keywords(requests)
		for _, l := range list {
			if err := ctx.Err(); err != nil {
				yield(Item{}, fmt.Errorf("collecting from %s: %w", a.file, err))
				return
			}
			switch {
			case l.bad != nil:
				if !yield(Item{Keyword: l.keyword}, l.bad) {
					return
				}
			case wanted[l.keyword]:
				if !yield(a.item(&d, l), nil) {
					return
				}
			}
		}
	}
}

func (a *Addresses) item(d *downloads, l listed) Item {
	shown := *l.address
	shown.RawQuery, shown.User, shown.Fragment = "", nil, ""
	return Item{
		Keyword: l.keyword, Source: l.source, Name: path.Base(l.address.Path),
		Open: func(ctx context.Context) (io.ReadCloser, error) { return d.open(ctx, clip(shown.String()), l.address) },
	}
}

// read reads the file.
func (a *Addresses) read() ([]listed, error) {
	info, err := os.Stat(a.file)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file: choose a text or CSV file with addresses of pictures", a.file)
	}
	var data []byte
	if err == nil && info.Size() <= listBytes {
		data, err = os.ReadFile(a.file)
	}
	if err != nil {
		return nil, fmt.Errorf("the list of addresses %s cannot be read: %s: check that it is there and that you may read it", a.file, explain(err))
	}
	if info.Size() > listBytes {
		return nil, fmt.Errorf("the list of addresses %s has more than %d MiB: split it", a.file, listBytes>>20)
	}
	list, err := parseAddresses(data)
	if err != nil {
		return nil, fmt.Errorf("the list of addresses %s cannot be used: %w", a.file, err)
	}
	for i := range list {
		if list[i].bad != nil {
			list[i].bad.Name = fmt.Sprintf("line %d of %s", list[i].line, a.file)
		}
	}
	return list, nil
}

// parseAddresses reads a list. Every line that is neither empty nor a comment gives one result, in their order; of those
// with the same address and label only the first does.
func parseAddresses(data []byte) ([]listed, error) {
	text, _, err := transform.Bytes(utf.BOMOverride(transform.Nop), data)
	if err != nil {
		return nil, fmt.Errorf("it is no text: save it as text in UTF-8 (%w)", err)
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, errors.New("it is no text: save it as text in UTF-8")
	}
	text = []byte(oldText(string(text)))
	if !bytes.Contains(text, []byte("\n")) {
		text = bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
	}
	var rows []row
	if comma, ok := table(text); ok {
		rows, err = tableRows(text, comma)
	} else {
		rows, err = plainRows(text)
	}
	if err != nil {
		return nil, err
	}
	var list []listed
	type place struct{ keyword, address string }
	seen := map[place]bool{}
	for _, r := range rows {
		l := r.listed()
		if l.bad == nil {
			at := place{l.keyword, l.source.From}
			if seen[at] {
				continue
			}
			seen[at] = true
		}
		list = append(list, l)
	}
	return list, nil
}

// row is a line of a list by the names of its columns.
type row struct {
	line   int
	fields map[string]string
}

// columns gives the column that a heading means, "" for one that is not used.
func column(heading string) string {
	switch strings.ReplaceAll(strings.ToLower(strings.TrimSpace(heading)), " ", "_") {
	case "url", "address", "image", "image_url", "link", "src":
		return "url"
	case "label", "class", "category", "keyword":
		return "label"
	case "title", "name":
		return "title"
	case "author", "creator", "photographer", "owner":
		return "author"
	case "author_url", "creator_url":
		return "author_url"
	case "license", "licence":
		return "license"
	case "license_url", "licence_url":
		return "license_url"
	case "page", "page_url", "foreign_landing_url":
		return "page"
	}
	return ""
}

// table reports whether the first line of a text names a column of addresses, and what stands between the columns.
func table(text []byte) (comma rune, ok bool) {
	first, _, _ := bytes.Cut(bytes.TrimLeft(text, "\r\n"), []byte("\n"))
	for _, comma := range ",;\t" {
		for heading := range strings.SplitSeq(string(first), string(comma)) {
			if column(strings.Trim(strings.TrimSpace(heading), `"`)) == "url" {
				return comma, true
			}
		}
	}
	return 0, false
}

func tableRows(text []byte, comma rune) ([]row, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.TrimLeadingSpace, r.ReuseRecord = comma, -1, true, comma != '\t', true
	headings, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("its first line cannot be read (%w)", err)
	}
	names := make([]string, len(headings))
	for i, h := range headings {
		if name := column(h); !slices.Contains(names, name) {
			names[i] = name
		}
	}
	var rows []row
	for len(rows) < listLines {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("it is no CSV from some line on (%w): correct it there", err)
		}
		line, _ := r.FieldPos(0)
		fields, empty := map[string]string{}, true
		for i, value := range record {
			value = strings.TrimSpace(value)
			empty = empty && value == ""
			if i < len(names) && names[i] != "" {
				fields[names[i]] = value
			}
		}
		if !empty {
			rows = append(rows, row{line, fields})
		}
	}
	return nil, fmt.Errorf("it has more than %d lines: split it", listLines)
}

func plainRows(text []byte) ([]row, error) {
	var rows []row
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if len(rows) == listLines {
			return nil, fmt.Errorf("it has more than %d lines: split it", listLines)
		}
		address, label := line, ""
		if end := strings.IndexAny(line, " \t"); end >= 0 {
			address, label = line[:end], strings.TrimSpace(line[end:])
		} else if end := strings.LastIndexAny(line, ",;"); end >= 0 && isLabel(line[end+1:]) {
			label = line[end+1:]
			address = line[:end]
		}
		rows = append(rows, row{number, map[string]string{"url": strings.TrimRight(address, ",;"), "label": strings.Trim(label, `" `)}})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("it has a line that is too long to be an address (%w)", err)
	}
	return rows, nil
}

// isLabel reports whether what stands behind a comma is rather a label than the end of an address.
func isLabel(text string) bool {
	return strings.IndexFunc(text, unicode.IsLetter) >= 0 && !picture.IsName(text) && !strings.ContainsAny(text, "/?&=%.:")
}

// listed makes an entry of a row, with its refusal where it has no address that can be used.
func (r row) listed() listed {
	l := listed{line: r.line, keyword: cut(r.fields["label"], 200)}
	address, err := webAddress(r.fields["url"])
	if err != nil {
		l.bad = refuse(picture.Unreadable, "", "has no address of the web, like https://example.com/rose.jpg, but %q", clip(r.fields["url"]))
		return l
	}
	l.address = address
	from := *address
	from.User, from.Fragment = nil, "" // A password is nobody's business.
	l.source = curate.Source{
		Kind: "address", From: from.String(), Title: credit(r.fields["title"]), Author: credit(r.fields["author"]),
		AuthorURL: webLink(r.fields["author_url"]), PageURL: webLink(r.fields["page"]),
		License: credit(r.fields["license"]), LicenseURL: webLink(r.fields["license_url"]),
	}
	return l
}
