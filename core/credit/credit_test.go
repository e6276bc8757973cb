package credit_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"kaika/core/augment"
	"kaika/core/credit"
	"kaika/core/curate"
)

func photo(label, name string, s curate.Source) curate.Photo {
	return curate.Photo{Label: label, Name: name, Path: "/d/" + label + "/" + name, Source: s}
}

func list() credit.List {
	taken := time.Date(2019, 5, 4, 3, 2, 1, 0, time.UTC)
	return credit.Of("/d", []curate.Photo{
		photo("バラ", "2.jpg", curate.Source{
			Kind: "flickr", ID: "123", Title: "薔薇, \"赤い\"", Author: "山田 花子", AuthorURL: "https://www.flickr.com/people/h/", PageURL: "https://www.flickr.com/photos/h/123",
			License: "CC BY 2.0", LicenseURL: "https://creativecommons.org/licenses/by/2.0/", Taken: taken, Retrieved: taken.AddDate(1, 0, 0),
		}),
		photo("a", "-1+1.jpg", curate.Source{
			Kind: "<i>", Title: "=cmd|'/c calc'!A1\n<script>alert(1)</script>", Author: "@you\xff", AuthorURL: "javascript:alert(1)", PageURL: "javascript://example.com/%0aalert(1)",
			License: "＝1+1", LicenseURL: "http://user:pw@example.com/",
		}),
		photo("a", "copy.jpg", curate.Source{Kind: augment.Kind, ID: "0", Author: "x", PageURL: "http://example.com/?a=1&b=\"2\""}),
		photo("a", "0.jpg", curate.Source{Kind: "folder", From: "/home/me/0.jpg", Title: "mine"}),
		photo("a", "3.jpg", curate.Source{}),
	})
}

func TestCSV(t *testing.T) {
	var b bytes.Buffer
	if err := list().CSV(&b); err != nil {
		t.Fatal(err)
	}
	if !utf8.Valid(b.Bytes()) || strings.Count(b.String(), "\r\n") != 4 || strings.Count(b.String(), "\n") != 4 {
		t.Errorf("lines: %q", b.String())
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"file", "label", "title", "author", "author_url", "page_url", "license", "license_url", "source", "source_id", "taken", "retrieved", "changes"},
		{"a/-1+1.jpg", "a", "'=cmd|'/c calc'!A1 <script>alert(1)</script>", "'@you�", "", "", "'＝1+1", "", "<i>", "", "", "", ""},
		{"a/copy.jpg", "a", "", "x", "", "http://example.com/?a=1&b=\"2\"", "", "", "augmented", "0", "", "", "changed by Kaika: cut, mirrored, turned or brightened"},
		{
			"バラ/2.jpg", "バラ", "薔薇, \"赤い\"", "山田 花子", "https://www.flickr.com/people/h/", "https://www.flickr.com/photos/h/123", "CC BY 2.0",
			"https://creativecommons.org/licenses/by/2.0/", "flickr", "123", "2019-05-04", "2020-05-04", "",
		},
	}
	if len(rows) != len(want) {
		t.Fatalf("got %q", rows)
	}
	for i := range want {
		for j := range want[i] {
			if rows[i][j] != want[i][j] {
				t.Errorf("row %d, %s: got %q, want %q", i, want[0][j], rows[i][j], want[i][j])
			}
		}
	}
}

func TestFormulas(t *testing.T) {
	for _, bad := range []string{"=1", "+1", "-1", "@x", "＝1", "＋1", "－1", "＠x", " =1", "\t=1", "\r=1", "\n@x", "\u2028=1"} {
		var b bytes.Buffer
		l := credit.Of("/d", []curate.Photo{photo("a", "b.jpg", curate.Source{Author: bad})})
		if err := l.CSV(&b); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || !strings.HasPrefix(rows[1][3], "'") {
			t.Errorf("%q is written as %q, %v", bad, rows[1][3], err)
		}
	}
}

func TestHTML(t *testing.T) {
	var b bytes.Buffer
	if err := list().HTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, words := range []string{
		"<!DOCTYPE html>", `<meta charset="utf-8">`, "color-scheme: light dark", "default-src 'none'", "3 photos with a known source",
		"Of 2 more, nobody knows whom to credit", "This product uses the Flickr API but is not endorsed or certified by SmugMug, Inc.",
		`<a href="https://www.flickr.com/photos/h/123" rel="noopener noreferrer nofollow"><bdi>薔薇, &#34;赤い&#34;</bdi></a> by <a href="https://www.flickr.com/people/h/" rel="noopener noreferrer nofollow"><bdi>山田 花子</bdi></a>`,
		`<a href="https://creativecommons.org/licenses/by/2.0/" rel="license noopener noreferrer nofollow"><bdi>CC BY 2.0</bdi></a>`,
		"source: flickr; taken 2019-05-04; label: <bdi>バラ</bdi>; file: <bdi>バラ/2.jpg</bdi>", "&lt;script&gt;alert(1)&lt;/script&gt;", "Untitled", "changed by Kaika",
	} {
		if !strings.Contains(page, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
	for _, bad := range []string{"<script", "javascript:", "data:", "user:pw", "<i>", "src=", "ZgotmplZ", "\xff"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q in it", bad)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestNotices(t *testing.T) {
	for _, test := range []struct {
		source curate.Source
		want   int
	}{
		{curate.Source{Kind: "flickr", Author: "x"}, 1},
		{curate.Source{Kind: "openverse", PageURL: "https://www.flickr.com/photos/x"}, 1}, // Flickr's, whoever found it.
		{curate.Source{Kind: "openverse", PageURL: "https://example.org/flickr.com"}, 0},
		{curate.Source{Kind: augment.Kind, PageURL: "https://www.flickr.com/photos/x"}, 1},
		{curate.Source{Kind: augment.Kind, PageURL: "https://notflickr.com/"}, 0},
	} {
		l := credit.Of("/d", []curate.Photo{photo("a", "1.jpg", test.source)})
		if got := l.Notices(); len(got) != test.want {
			t.Errorf("%+v: %q", test.source, got)
		}
	}
}

func TestSave(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	for range 2 { // Its own files it replaces.
		if err := list().Save(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	first, err := os.ReadFile(filepath.Join(dir, credit.HTMLName))
	if err != nil {
		t.Fatal(err)
	}
	var now bytes.Buffer
	if err := list().HTML(&now); err != nil || !bytes.Equal(first, now.Bytes()) {
		t.Errorf("it is not the same twice: %v", err)
	}
	only(t, dir, credit.CSVName, credit.HTMLName)
	info, err := os.Stat(filepath.Join(dir, credit.CSVName))
	if err != nil || info.Mode().Perm()&0o044 != 0o044 {
		t.Errorf("others may not read it: %v, %v", info.Mode(), err)
	}

	// Somebody else's are left as they are, both.
	for _, name := range []string{credit.CSVName, credit.HTMLName} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := list().Save(t.Context(), dir); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "another folder") {
			t.Errorf("got %v", err)
		}
		only(t, dir, name)
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != "mine" {
			t.Errorf("%s is now %q, %v", name, data, err)
		}
	}
	linked := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, credit.CSVName), filepath.Join(linked, credit.CSVName)); err != nil {
		t.Fatal(err)
	}
	if err := list().Save(t.Context(), linked); !errors.Is(err, fs.ErrExist) {
		t.Errorf("through a link: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	empty := t.TempDir()
	if err := list().Save(ctx, empty); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	only(t, empty)
}

func TestSaveIntoReadOnly(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	if os.WriteFile(filepath.Join(dir, "x"), nil, 0o644) == nil {
		t.Skip("this user may write everywhere")
	}
	if err := list().Save(t.Context(), dir); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

// only wants these files in a folder, and no others.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}

// FuzzHTML puts anything into the page: no element comes of it, and no address but one of the web.
func FuzzHTML(f *testing.F) {
	f.Add("<b>", "javascript:x")
	f.Add("\u202eabc", "https://example.com/\"onclick=x")
	f.Fuzz(func(t *testing.T, text, address string) {
		s := curate.Source{
			Kind: text, ID: text, Title: text, Author: text, License: text,
			AuthorURL: address, PageURL: address, LicenseURL: address,
		}
		l := credit.Of("/d", []curate.Photo{photo("a", "b", s)})
		var page, table bytes.Buffer
		if err := errors.Join(l.HTML(&page), l.CSV(&table)); err != nil {
			t.Fatal(err)
		}
		allowed := map[string]bool{}
		for _, tag := range []string{"!DOCTYPE html", "html", "/html", "head", "/head", "meta", "title", "/title", "style", "/style", "body", "/body", "h1", "/h1", "p", "/p", "h2", "/h2", "bdi", "/bdi", "ul", "/ul", "li", "/li", "a", "/a", "br", "small", "/small"} {
			allowed[tag] = true
		}
		for part := range strings.SplitSeq(page.String(), "<") {
			if part == "" {
				continue
			}
			tag, _, _ := strings.Cut(part, ">")
			name, _, _ := strings.Cut(tag, " ")
			if !allowed[name] && !allowed[tag] {
				t.Errorf("there is an element %q", tag)
			}
			if href, ok := strings.CutPrefix(tag, "a href=\""); ok && !strings.HasPrefix(href, "http://") && !strings.HasPrefix(href, "https://") {
				t.Errorf("there is a link %q", tag)
			}
		}
		if _, err := csv.NewReader(&table).ReadAll(); err != nil || !utf8.Valid(table.Bytes()) || !utf8.Valid(page.Bytes()) {
			t.Errorf("the table: %v", err)
		}
	})
}

// TestSaveAfterAKill has the credits written where a program died in the middle of that, and where another one is at it.
func TestSaveAfterAKill(t *testing.T) {
	dir := t.TempDir()
	old, fresh, foreign := ".ATTRIBUTION.csv-123456", ".ATTRIBUTION.csv-654321", ".ATTRIBUTION.csv-mine"
	for _, name := range []string{old, fresh, foreign} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if then := time.Now().Add(-time.Hour); name != fresh {
			if err := os.Chtimes(filepath.Join(dir, name), then, then); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := list().Save(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	only(t, dir, fresh, foreign, credit.CSVName, credit.HTMLName)
}
