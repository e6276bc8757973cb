package collect_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"kaika/core/collect"
	"kaika/core/picture/picturetest"
)

func list(t testing.TB, text string) *collect.Addresses {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return collect.NewAddresses(path)
}

// inUTF16 gives a text as Excel saves "Unicode text".
func inUTF16(text string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func TestAddressLists(t *testing.T) {
	const header = "url,label,title,author,license,page\n"
	for name, tc := range map[string]struct {
		text string
		want string // Each as label|address, and "line n" for a refusal.
	}{
		"empty":            {"", ""},
		"plain":            {"# flowers\n\nhttps://a.org/1.jpg\r\n  http://b.org/2.png  \n", "|https://a.org/1.jpg |http://b.org/2.png"},
		"plain and labels": {"https://a.org/1.jpg rose\nhttps://a.org/2.jpg\tred rose\nhttps://a.org/3.jpg,lily\nhttps://a.org/4.jpg;\"lily\"\nhttps://a.org/5.jpg,", "rose|https://a.org/1.jpg red rose|https://a.org/2.jpg lily|https://a.org/3.jpg lily|https://a.org/4.jpg |https://a.org/5.jpg"},
		"plain with comma": {"https://a.org/1,2.jpg\nhttps://a.org/x?size=1,2\nhttps://a.org/w,h/3", "|https://a.org/1,2.jpg |https://a.org/x?size=1,2 |https://a.org/w,h/3"},
		"table":            {header + "https://a.org/1.jpg,rose,T,A,CC BY,https://a.org/1\n", "rose|https://a.org/1.jpg"},
		"quoted":           {header + "\"https://a.org/1,2.jpg\",\"a \"\"rose\"\"\",,,,\n", "a \"rose\"|https://a.org/1,2.jpg"},
		"semicolons":       {"Label;Image URL\nrose;https://a.org/1.jpg\n", "rose|https://a.org/1.jpg"},
		"tabs":             {"class\taddress\nrose\thttps://a.org/1.jpg\n", "rose|https://a.org/1.jpg"},
		"byte order mark":  {"\ufeff" + header + "https://a.org/1.jpg,花\n", "花|https://a.org/1.jpg"},
		"UTF-16":           {inUTF16("label\turl\r\n花\thttps://a.org/1.jpg\r\n"), "花|https://a.org/1.jpg"},
		"short and long":   {header + "https://a.org/1.jpg\n\n,,,\nhttps://a.org/2.jpg,rose,,,,,,,more\n", "|https://a.org/1.jpg rose|https://a.org/2.jpg"},
		"twice":            {header + "https://a.org/1.jpg,rose\nhttps://a.org/1.jpg,rose\nhttps://a.org/1.jpg,lily\n", "rose|https://a.org/1.jpg lily|https://a.org/1.jpg"},
		"bad":              {header + "nothing,rose\nftp://a.org/1.jpg,rose\n,rose\nhttps:///1.jpg\nfile:///etc/passwd\nhttps://a.org/%zz\nhttps://a.org/1.jpg,rose\n", "line 2 line 3 line 4 line 5 line 6 line 7 rose|https://a.org/1.jpg"},
		"password":         {"https://me:secret@a.org/1.jpg#x\n", "|https://a.org/1.jpg"},
		"odd label":        {"url,label\nhttps://a.org/1.jpg,\"a\nb\xff\"\n", "a bÿ|https://a.org/1.jpg"},
		"Shift_JIS":        {"url,label\r\nhttps://a.org/1.jpg,\xe5\x4b\xe5\x4e\x83\x5c\x95\x5c\r\nhttps://a.org/2.jpg,rose\r\n", "薔薇ソ表|https://a.org/1.jpg rose|https://a.org/2.jpg"},
		"Windows":          {"url,label\r\nhttps://a.org/1.jpg,R\xf6schen\r\nhttps://a.org/2.jpg,Röschen\r\n", "Röschen|https://a.org/1.jpg Röschen|https://a.org/2.jpg"},
		"old Mac":          {"url,label\rhttps://a.org/1.jpg,rose\rhttps://a.org/2.jpg,lily\r", "rose|https://a.org/1.jpg lily|https://a.org/2.jpg"},
	} {
		t.Run(name, func(t *testing.T) {
			source := list(t, tc.text)
			all, err := source.Contents(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var requests []collect.Request
			counted := 0
			for _, c := range all {
				requests = append(requests, collect.Request{Keyword: c.Name})
				counted += c.Photos
			}
			var got []string
			photos := 0
			for item, err := range source.SearchAll(t.Context(), requests) {
				if err != nil {
					line, _, _ := strings.Cut(err.Error(), " of ")
					got = append(got, line)
					continue
				}
				photos++
				got = append(got, item.Keyword+"|"+item.Source.From)
			}
			if strings.Join(got, " ") != tc.want || photos != counted {
				t.Errorf("got  %q\nwant %q, and %d photos were counted", strings.Join(got, " "), tc.want, counted)
			}
		})
	}
	full := list(t, "url,label,title,author,author_url,license,license_url,page\nhttps://a.org/1.jpg,rose,T,A,https://a.org/a,CC BY,https://a.org/l,javascript:x\n")
	for item, err := range full.Search(t.Context(), collect.Request{Keyword: "rose"}) {
		if s := item.Source; err != nil || s.Title != "T" || s.Author != "A" || s.AuthorURL != "https://a.org/a" || s.License != "CC BY" || s.LicenseURL != "https://a.org/l" || s.PageURL != "" {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

func TestUnusableAddressLists(t *testing.T) {
	for name, tc := range map[string]struct{ text, says string }{
		"binary":    {"\x00\x01\x02", "no text"},
		"endless":   {strings.Repeat("x", 2<<20), "too long"},
		"too large": {strings.Repeat("x\n", 33<<20), "64 MiB"},
	} {
		source := list(t, tc.text)
		if _, err := source.Contents(t.Context()); err == nil || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), source.Name()) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := search(t.Context(), source, collect.Request{}); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		if _, err := collect.NewAddresses(path).Contents(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAddressesCollect(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/photo/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.PathValue("n"), &n)
		_, _ = w.Write(picturetest.JPEG(1, n, 64, 48))
	})
	mux.HandleFunc("/same", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/photo/7", http.StatusFound) })
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	visited := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited = true }))
	defer other.Close()
	mux.HandleFunc("/other", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/photo/1", http.StatusFound)
	})
	mux.HandleFunc("/private", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		_, _ = w.Write(picturetest.JPEG(1, 99, 64, 48))
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	var text strings.Builder
	text.WriteString("url,label,title\n")
	for _, path := range []string{"/photo/1", "/photo/2?token=hidden", "/same", "/round", "/file", "/other", "/missing?token=hidden", "/photo/1#again"} {
		fmt.Fprintf(&text, "%s%s,rose,x\n", s.URL, path)
	}
	fmt.Fprintf(&text, "http://me:secret@%s/private,rose\nnothing\nhttps://127.0.0.1:1/a.jpg,rose\nhttp://127.0.0.1:1/a.jpg,rose\n", hostOf(s.URL))
	source := list(t, text.String())
	source.Web.Clock = newClock().clock()
	source.Web.Transport = transport()
	lib := newLibrary(t)
	var said []string
	c := collect.Collector{Library: lib, Source: source, Observe: func(e collect.Event) {
		if e.Refusal != nil {
			said = append(said, e.Refusal.Error())
		}
	}}
	request := []collect.Request{{Keyword: "rose", Label: "rose"}}
	report, err := c.Run(t.Context(), request)
	if err != nil || report.Results[0].Landed != 4 {
		t.Fatalf("%+v, %v, %v", report, err, said)
	}
	if got := fmt.Sprint(report.Reasons); got != "map[gone:1 redirect:2 unreachable:3 unreadable:1]" {
		t.Errorf("refused were %s: %q", got, said)
	}
	if visited {
		t.Error("the other host was visited")
	}
	for _, text := range said {
		if strings.Contains(text, "hidden") || strings.Contains(text, "secret") {
			t.Errorf("%q tells what is nobody's business", text)
		}
	}
	if report, err = c.Run(t.Context(), request); err != nil || report.Results[0].There != 4 || report.Results[0].Landed != 0 {
		t.Errorf("the second run: %+v, %v", report, err)
	}
}

func FuzzAddresses(f *testing.F) {
	for _, text := range []string{
		"url,label\nhttps://a.org/1.jpg,rose\n", "https://a.org/1.jpg rose\n", "label;url\n\"a\"\"b\";https://a.org/1.jpg", "\ufeffurl\n", inUTF16("url\tlabel\n"), "url\n\"", "\xff\xfe\x00",
	} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "x")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		source := collect.NewAddresses(path)
		all, err := source.Contents(t.Context())
		if err != nil {
			return
		}
		total := 0
		var requests []collect.Request
		for _, c := range all {
			requests = append(requests, collect.Request{Keyword: c.Name})
			total += c.Photos
			if strings.ContainsAny(c.Name, "\n\r\x00") {
				t.Errorf("a label is %q", c.Name)
			}
		}
		for item, err := range source.SearchAll(t.Context(), requests) {
			if err != nil {
				continue
			}
			total--
			if !strings.HasPrefix(item.Source.From, "http") || strings.ContainsAny(item.Name, "/\x00") && item.Name != "/" || item.Open == nil {
				t.Errorf("an item is %+v", item)
			}
		}
		if total != 0 {
			t.Errorf("%d photos more were counted than came", total)
		}
	})
}
