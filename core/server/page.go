package server

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"kaika/assets"
)

// pageCSP lets a page load nothing but our own files, and pictures that it has itself.
const pageCSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// pageFiles are the files that pages load, by their names below /assets/, with their places in the program.
var pageFiles = map[string]string{
	"icon.svg":  "icons/icon.svg",
	"style.css": "web/style.css",
	"app.js":    "web/app.js",
	"train.js":  "web/train.js",
}

// website is what pages are made of. It does not change.
type website struct {
	matcher   language.Matcher
	texts     []*texts             // In the order of pageLanguages.
	templates []*template.Template // Likewise.
	files     map[string]pageFile
}

// A pageFile is a file that pages load.
type pageFile struct {
	content     []byte
	contentType string
	version     string // Of its content: another content has another one.
}

// openWebsite reads what is built in, once. The error says that the program was built wrongly.
var openWebsite = sync.OnceValues(func() (*website, error) {
	w := &website{files: map[string]pageFile{}}
	for name, place := range pageFiles {
		content, err := assets.Web.ReadFile(place)
		if err != nil {
			return nil, fmt.Errorf("reading the files of the pages: %w", err)
		}
		types := map[string]string{".svg": "image/svg+xml", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
		digest := fnv.New64a()
		_, _ = digest.Write(content)
		w.files[name] = pageFile{content, types[path.Ext(name)], hex.EncodeToString(digest.Sum(nil))}
	}
	web, err := fs.Sub(assets.Web, "web")
	if err != nil {
		return nil, fmt.Errorf("reading the pages: %w", err)
	}
	var tags []language.Tag
	for _, code := range pageLanguages {
		t, err := loadTexts(web, code)
		if err != nil {
			return nil, err
		}
		functions := template.FuncMap{
			"T": t.T, "N": t.N, "percent": percent, "score": score, "number": t.Number,
			"width": func(score float32) string { return strconv.FormatFloat(100*float64(score), 'f', 2, 32) },
			"asset": func(name string) string { return "/assets/" + name + "?v=" + w.files[name].version },
		}
		pages, err := template.New("").Funcs(functions).ParseFS(web, "*.html")
		if err != nil {
			return nil, fmt.Errorf("reading the pages: %w", err)
		}
		tags = append(tags, language.Make(code))
		w.texts, w.templates = append(w.texts, t), append(w.templates, pages)
	}
	w.matcher = language.NewMatcher(tags)
	return w, nil
})

// pageRoutes are the pages for people, and the files that they load.
func (s *Server) pageRoutes() []route {
	return []route{
		{pattern: "GET /{$}", access: accessClassify, style: stylePage, handle: s.classifyPage},
		{pattern: "POST /{$}", access: accessClassify, style: stylePage, maxBody: s.Limits.Body, handle: s.classifyForm},
		{pattern: "GET /train", access: accessChange, style: stylePage, handle: s.trainPage},
		{pattern: "GET /assets/{name}", access: accessOpen, style: styleText, handle: s.pageFile},
		{pattern: "GET /favicon.ico", access: accessOpen, style: styleText, handle: s.favicon},
	}
}

// pageFile answers with a file that pages load. Pages name it with its version, so that a browser may keep it forever.
func (s *Server) pageFile(w http.ResponseWriter, r *http.Request) error {
	site, err := openWebsite()
	if err != nil {
		return err
	}
	file, ok := site.files[r.PathValue("name")]
	if !ok {
		return notFound("no_file", "there is no such file")
	}
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	h.Set("Content-Security-Policy", "default-src 'none'") // An SVG is a document, too.
	tag := `"` + file.version + `"`
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == file.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Length", strconv.Itoa(len(file.content)))
	_, _ = w.Write(file.content) // Whoever is gone cannot be told.
	return nil
}

// favicon leads browsers that ask for the icon of old to ours.
func (s *Server) favicon(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/assets/icon.svg", http.StatusMovedPermanently)
	return nil
}

// A frame is what every page has: its language, head and links.
type frame struct {
	Page     string // Its path.
	Title    string
	Script   string // Its file below /assets/; "" for none.
	Language string

	texts  *texts
	pages  *template.Template
	chosen bool // The visitor chose the language, so links keep it.
	query  url.Values
}

// A languageLink leads to the same page in another language.
type languageLink struct{ Code, Name, URL string }

// frameFor makes the frame of a page in the language that suits its visitor best.
func frameFor(r *http.Request, page, titleKey, script string) (*frame, error) {
	site, err := openWebsite()
	if err != nil {
		return nil, err
	}
	f := &frame{Page: page, Script: script, query: r.URL.Query()}
	wanted, _, _ := language.ParseAcceptLanguage(r.Header.Get("Accept-Language")) // What cannot be read is nobody's wish.
	_, index, _ := site.matcher.Match(wanted...)
	for i, code := range pageLanguages {
		if f.query.Get("lang") == code {
			index, f.chosen = i, true
		}
	}
	f.Language, f.texts, f.pages = pageLanguages[index], site.texts[index], site.templates[index]
	f.Title = f.texts.T(titleKey) + " – Kaika"
	return f, nil
}

// URL gives the link to a page, in the language that was chosen.
func (f *frame) URL(page string) string {
	if !f.chosen {
		return page
	}
	return page + "?lang=" + f.Language
}

// KeepsLanguage tells whether links and forms have to name the language.
func (f *frame) KeepsLanguage() bool { return f.chosen }

// OtherLanguages gives the links to this page in the languages that it is not in.
func (f *frame) OtherLanguages() []languageLink {
	var links []languageLink
	for i, code := range pageLanguages {
		query := url.Values{"lang": {code}}
		if model := f.query.Get("model"); model != "" {
			query.Set("model", model)
		}
		if code != f.Language {
			links = append(links, languageLink{code, []string{"English", "日本語"}[i], f.Page + "?" + query.Encode()})
		}
	}
	return links
}

// write answers with a page: a template with its data, which holds the frame.
func (f *frame) write(w http.ResponseWriter, status int, name string, data any) error {
	var page bytes.Buffer
	if err := f.pages.ExecuteTemplate(&page, name, data); err != nil {
		return fmt.Errorf("making the page %s: %w", cmp.Or(f.Page, name), err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", f.Language)
	h.Set("Content-Security-Policy", pageCSP)
	h.Add("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // Whoever is gone cannot be told.
	return nil
}
