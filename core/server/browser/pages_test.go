package browser

import (
	"bytes"
	"encoding/base64"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"kaika/core/picture/picturetest"
)

// answer is what a server says to a request, but for its body.
type answer struct {
	status int
	header http.Header
}

// ask sends a request and gives its answer with its body.
func ask(t *testing.T, method, address string, header map[string]string, body io.Reader) (answer, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	got, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close() //nolint:errcheck // It was read.
	data, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{got.StatusCode, got.Header}, string(data)
}

// form makes a form with files in the field file.
func form(t *testing.T, files map[string][]byte) (header map[string]string, body io.Reader) {
	t.Helper()
	var data bytes.Buffer
	w := multipart.NewWriter(&data)
	for name, content := range files {
		part, err := w.CreateFormFile("file", name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"Content-Type": w.FormDataContentType()}, &data
}

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

func TestHeaders(t *testing.T) {
	s := newSite(t, nil, "flowers")
	for _, address := range []string{"/", "/nowhere", "/train"} {
		got, page := ask(t, "GET", s.url+address, map[string]string{"Accept-Language": "ja"}, nil)
		h := got.header
		if set := strings.Join(h["Content-Security-Policy"], "|"); set != policy {
			t.Errorf("%s: the policy is %s", address, set)
		}
		if h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Cache-Control") != "no-store" || h.Get("Content-Language") != "ja" ||
			!strings.Contains(h.Get("Vary"), "Accept-Language") || !strings.Contains(page, `<html lang="ja">`) {
			t.Errorf("%s: %v", address, h)
		}
	}
	_, page := ask(t, "GET", s.url, nil, nil)
	for _, file := range regexp.MustCompile(`/assets/[^"]+`).FindAllString(page, -1) {
		got, content := ask(t, "GET", s.url+file, nil, nil)
		if got.status != http.StatusOK || content == "" || got.header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d, %v", file, got.status, got.header)
		}
		bare, _, _ := strings.Cut(file, "?")
		got, _ = ask(t, "GET", s.url+bare, map[string]string{"If-None-Match": got.header.Get("Etag")}, nil)
		if got.status != http.StatusNotModified || got.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s again: %d, %v", bare, got.status, got.header)
		}
	}
	for _, file := range []string{"/assets/texts.en.json", "/assets/..%2fweb.go", "/assets/"} {
		if got, _ := ask(t, "GET", s.url+file, nil, nil); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", file, got.status)
		}
	}
	if got, _ := ask(t, "GET", s.url+"/favicon.ico", nil, nil); got.header.Get("Location") != "/assets/icon.svg" {
		t.Errorf("the icon of old leads to %q", got.header.Get("Location"))
	}
}

// TestPreview wants the photo in the page upright and small, whatever it was.
func TestPreview(t *testing.T) {
	s := newSite(t, nil, "flowers")
	header, body := form(t, map[string][]byte{"turned.jpg": picturetest.Turned(picturetest.Corners(2000, 1000), 6)})
	got, page := ask(t, "POST", s.url, header, body)
	found := regexp.MustCompile(`<img src="data:image/jpeg;base64,([^"]+)"`).FindStringSubmatch(page)
	if got.status != http.StatusOK || found == nil {
		t.Fatalf("%d: %s", got.status, page)
	}
	data, err := base64.StdEncoding.DecodeString(strings.NewReplacer("&#43;", "+", "&#61;", "=").Replace(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	small, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if size := small.Bounds().Size(); size.X != 720 || size.Y != 360 {
		t.Errorf("the preview is %v", size)
	}
	if r, g, b, _ := small.At(20, 20).RGBA(); r < 0xc000 || g > 0x4000 || b > 0x4000 {
		t.Errorf("above on the left, where it is red, it is %x %x %x", r, g, b)
	}
}

func TestForm(t *testing.T) {
	s := newSite(t, nil, "flowers")
	// A browser sends an empty file where none was chosen.
	header, body := form(t, map[string][]byte{"": nil})
	got, page := ask(t, "POST", s.url+"/?lang=ja", header, body)
	if got.status != http.StatusBadRequest || !strings.Contains(page, "写真が選ばれていません。") || !strings.Contains(page, `action="/?lang=ja"`) {
		t.Errorf("nothing: %d %s", got.status, page)
	}
	// Names are no markup.
	header, body = form(t, map[string][]byte{"<script>alert(1)<b>.jpg": picturetest.JPEG(0, 1, roseWidth, 9), "text": []byte("no photo")})
	got, page = ask(t, "POST", s.url, header, body)
	if got.status != http.StatusOK || strings.Contains(page, "<script>alert") || strings.Contains(page, "<b>") || !strings.Contains(page, "This file is not a photo.") {
		t.Errorf("markup: %d %s", got.status, page)
	}
	header, body = form(t, map[string][]byte{"a.jpg": picturetest.JPEG(0, 1, roseWidth, 9)})
	got, page = ask(t, "POST", s.url+"/?model=trees", header, body)
	if got.status != http.StatusNotFound || !strings.Contains(page, "There is nothing here") {
		t.Errorf("a model that is not there: %d %s", got.status, page)
	}
	header, body = form(t, map[string][]byte{"a.jpg": picturetest.JPEG(0, 1, roseWidth, 9)})
	header["Sec-Fetch-Site"] = "cross-site"
	if got, page = ask(t, "POST", s.url, header, body); got.status != http.StatusForbidden || !strings.Contains(page, "This is not allowed") {
		t.Errorf("from another site: %d %s", got.status, page)
	}
}
