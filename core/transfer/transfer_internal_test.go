package transfer

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"kaika/core/curate"
	"kaika/core/picture"
)

// FuzzSources reads any list of sources: what is taken over of it can be shown, and leads nowhere but into the web.
func FuzzSources(f *testing.F) {
	digest := strings.Repeat("ab", 32)
	f.Add(`{"digest":"` + digest + `","source":{"kind":"flickr","author":"x","page_url":"http://example.com","taken":"2020-01-01T00:00:00Z"}}`)
	f.Add(`{"digest":"` + digest + `","source":{"kind":"augmented","id":"` + digest + `","from":"\u2028a"}}`)
	f.Add(`{"source":{"kind":"augmented","id":"x","author_url":"javascript://a/b","license_url":"http://a:b@c","title":"\u0000\ud800"}}`)
	f.Add(`{"source":{"kind":"augmented","id":"x","from":"0"}}`)
	f.Add("{}\n[]\nnull\n\"\"\n{")
	f.Fuzz(func(t *testing.T, list string) {
		_, err := curate.ReadSources(strings.NewReader(list), func(r curate.SourceRecord) {
			s := believable(r.Source)
			for _, text := range []string{s.Kind, s.ID, s.Title, s.Author, s.AuthorURL, s.PageURL, s.License, s.LicenseURL, s.From} {
				if strings.ContainsAny(text, "\n\r\x00\x1b\u2028") || len(text) > 6000 || !utf8.ValidString(text) {
					t.Errorf("the source holds %q", text)
				}
			}
			for _, link := range []string{s.AuthorURL, s.PageURL, s.LicenseURL} {
				if link != "" && !strings.HasPrefix(link, "http://") && !strings.HasPrefix(link, "https://") {
					t.Errorf("the source has the address %q", link)
				}
			}
			if y := s.Taken.Year(); !s.Taken.IsZero() && (y < 1800 || y > 9999) {
				t.Errorf("the photo was taken in %d", y)
			}
			if again := believable(s); again != s {
				t.Errorf("%+v became %+v", s, again)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzPortable makes names of files that every system can have, and that are still those of pictures.
func FuzzPortable(f *testing.F) {
	for _, name := range []string{"rose.jpg", "CON.jpg", "com1.x.jpg", "a:b?.png", "名 前.jpg", "\xff\\.jpg", "lpt0.jpg", "COM10.jpg", " nul .jpg"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := portable(name)
		if strings.ContainsAny(got, "\\/:*?\"<>|\x00\n") || !utf8.ValidString(got) || name != "" && filepath.Base(got) == "" {
			t.Errorf("%q became %q", name, got)
		}
		if portable(got) != got {
			t.Errorf("%q became %q and then %q", name, got, portable(got))
		}
		if name == filepath.Base(name) && picture.IsName(name) && !picture.IsName(got) {
			t.Errorf("%q became %q, which is no picture's", name, got)
		}
	})
}

func TestPortable(t *testing.T) {
	for name, want := range map[string]string{
		"rose.jpg": "rose.jpg", "CON.jpg": "_CON.jpg", "com1.x.jpg": "_com1.x.jpg", "com0.jpg": "com0.jpg", "COM10.jpg": "COM10.jpg", "MOC1.jpg": "MOC1.jpg",
		"lpt9.png": "_lpt9.png", "a:b?.png": "a_b_.png", "nul .jpg": "_nul .jpg", "nulla.jpg": "nulla.jpg", "薔薇.jpg": "薔薇.jpg",
	} {
		if got := portable(name); got != want {
			t.Errorf("%q became %q, want %q", name, got, want)
		}
	}
}
