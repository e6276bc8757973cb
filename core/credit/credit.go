// Package credit says who is to be credited for the photos of a dataset: as ATTRIBUTION.csv for programs, and as
// ATTRIBUTION.html for people.
//
// What it writes depends on the photos alone, so that it comes out the same whenever it is written.
package credit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"kaika/core/atomicfile"
	"kaika/core/augment"
	"kaika/core/collect"
	"kaika/core/curate"
)

// The names of the files.
const (
	CSVName  = "ATTRIBUTION.csv"
	HTMLName = "ATTRIBUTION.html"
)

// A Credit is what is known of one photo that somebody is to be credited for.
type Credit struct {
	File   string // Slash-separated, below the dataset's folder.
	Label  string
	Source curate.Source
}

// A List is the credits of a dataset.
type List struct {
	Credits []Credit // In the order of label and file.
	Unknown int      // Photos of which nobody knows whom to credit.
}

// Of gives the credits of the photos of the dataset in the folder dir. A photo is unknown if neither its author, nor its
// page, nor its licence is known.
func Of(dir string, photos []curate.Photo) List {
	var l List
	for _, p := range photos {
		s := p.Source
		if s.Author == "" && s.AuthorURL == "" && s.PageURL == "" && s.License == "" && s.LicenseURL == "" {
			l.Unknown++
			continue
		}
		file, err := filepath.Rel(dir, p.Path)
		if err != nil {
			file = filepath.Join(p.Label, p.Name)
		}
		l.Credits = append(l.Credits, Credit{filepath.ToSlash(file), p.Label, s})
	}
	slices.SortFunc(l.Credits, func(a, b Credit) int {
		if a.Label != b.Label {
			return strings.Compare(a.Label, b.Label)
		}
		return strings.Compare(a.File, b.File)
	})
	return l
}

// Notices gives the sentences that the sources of the photos ask to be shown.
func (l List) Notices() []string {
	for _, c := range l.Credits {
		if FromFlickr(c.Source) {
			return []string{collect.FlickrNotice}
		}
	}
	return nil
}

// FromFlickr says whether a photo is one of Flickr's, whoever gave it: its page is there also if it was found by Openverse, or is
// a varied copy.
func FromFlickr(s curate.Source) bool {
	u, err := url.Parse(s.PageURL)
	if s.Kind == "flickr" || err != nil {
		return s.Kind == "flickr"
	}
	host := strings.ToLower(u.Hostname())
	return host == "flickr.com" || strings.HasSuffix(host, ".flickr.com")
}

// change says in which way a photo is not as its author made it, which licences ask to be said.
func (c Credit) change() string {
	if c.Source.Kind != augment.Kind {
		return ""
	}
	return "changed by Kaika: cut, mirrored, turned or brightened"
}

// Save writes both files into a folder, which is made if there is none. Each is there whole or as it was before. A file of
// one of the names that Kaika has not written is left as it is; the error is fs.ErrExist then.
func (l List) Save(ctx context.Context, dir string) error {
	var table, page bytes.Buffer
	if err := errors.Join(l.CSV(&table), l.HTML(&page)); err != nil {
		return fmt.Errorf("write the credits: %w", err)
	}
	files := []struct {
		name string
		data []byte
	}{{CSVName, table.Bytes()}, {HTMLName, page.Bytes()}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write the credits: %w", err)
	}
	for _, f := range files {
		if err := checkOwn(filepath.Join(dir, f.name)); err != nil {
			return fmt.Errorf("write the credits: %w", err)
		}
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("write the credits: %w", err)
		}
		if err := replace(filepath.Join(dir, f.name), f.data); err != nil {
			return fmt.Errorf("write the credits: %w", err)
		}
	}
	return nil
}

// checkOwn says whether a file may be replaced: there is none, or Kaika wrote it.
func checkOwn(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	foreign := fmt.Errorf("%s was not written by Kaika, so it is left as it is: move it away, or write the credits to another folder: %w", path, fs.ErrExist)
	if !info.Mode().IsRegular() {
		return foreign
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // It was only read.
	start := make([]byte, 512)
	n, err := f.Read(start)
	if n == 0 && info.Size() > 0 {
		return err
	}
	start = start[:n]
	if n == 0 || bytes.HasPrefix(start, []byte(csvStart())) || bytes.Contains(start, []byte(htmlMark)) {
		return nil
	}
	return foreign
}

// replace writes a file anew, and clears away what is left of earlier tries.
func replace(path string, data []byte) error {
	sweep(path)
	return atomicfile.Write(path, 0o644, data)
}

// sweep removes what was left behind of a file by programs that died while they replaced it. To write one takes moments.
func sweep(path string) {
	const moments = 10 * time.Minute
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return
	}
	for _, e := range left {
		number, ok := strings.CutPrefix(e.Name(), "."+filepath.Base(path)+"-")
		if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > moments {
			_ = os.Remove(filepath.Join(filepath.Dir(path), e.Name())) // Nothing depends on it.
		}
	}
}

// line gives a text of somebody else's as one line of valid UTF-8.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
	return strings.Join(strings.Fields(text), " ")
}

// link gives an address that may be followed: one of the web, or "".
func link(address string) string {
	address = strings.TrimSpace(address)
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}
