package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kaika/core/inbox"
	"kaika/core/secret"
)

const id = "20261123T233745123-0834-9f86d081884c7d659a2feaa0c55ad015"

func client(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(s.URL+"/", secret.Credentials{Key: secret.New("anna"), Secret: secret.New("pass:word")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClient(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		if name, password, ok := r.BasicAuth(); !ok || name != "anna" || password != "pass:word" {
			t.Errorf("came as %q", name)
		}
		switch r.Method + " " + r.URL.String() {
		case "GET /api/v1/uploads?limit=20&offset=40&order=newest":
			fmt.Fprintf(w, `{"total":41,"offset":40,"uploads":[{"id":%q,"type":"image/png","predictions":[{"label":"薔薇","score":0.5}]}]}`, id)
		case "GET /api/v1/uploads/" + id + "/photo":
			w.Header().Set("Content-Type", "image/png")
			fmt.Fprint(w, "photo")
		case "DELETE /api/v1/uploads/" + id:
			w.WriteHeader(http.StatusNoContent)
		default:
			t.Errorf("asked for %s %s", r.Method, r.URL)
		}
	})
	page, err := c.List(t.Context(), inbox.Query{Order: inbox.Newest, Offset: 40, Limit: 20})
	if err != nil || page.Total != 41 || page.Uploads[0].Predictions[0].Label != "薔薇" {
		t.Error(page, err)
	}
	data, kind, err := c.Photo(t.Context(), id)
	if err != nil || string(data) != "photo" || kind != "image/png" {
		t.Error(data, kind, err)
	}
	if err := c.Remove(t.Context(), id); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "../../models", id + "/photo"} {
		if err := c.Remove(t.Context(), bad); !errors.Is(err, fs.ErrNotExist) {
			t.Error(bad, err)
		}
	}
}

// TestForeignServer has servers that are none of Kaika, or mean no good.
func TestForeignServer(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server was asked, with %v", r.Header)
	}))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		is     error
		words  string
	}{
		"password": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"the name or the password is wrong","code":"password"}`)
		}, ErrPassword, "password is wrong"},
		"gone": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":"there is no such photo","code":"no_upload"}`)
		}, fs.ErrNotExist, "no such photo"},
		"page":     {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }, nil, "no server of Kaika"},
		"HTML":     {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, nil, "reading a list"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, nil, "which is not asked"},
		"loop":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) }, nil, "without end"},
		"flood":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxPage+10)) }, nil, "more than 16 MiB"},
		"bad error": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprintf(w, `{"error":%q}`, strings.Repeat("x", 60_000))
		}, nil, "xxx"},
		"bad ID": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"total":1,"uploads":[{"id":"../x","type":"image/png"}]}`)
		}, nil, "no ID"},
		"bad score": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"total":1,"uploads":[{"id":%q,"type":"image/png","predictions":[{"score":7}]}]}`, id)
		}, nil, "no sense"},
	} {
		_, err := client(t, c.answer).List(t.Context(), inbox.Query{Order: inbox.Newest, Limit: 1})
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.words) || len(err.Error()) > 1000 || strings.Contains(err.Error(), "pass:word") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"photos.example.org": "https://photos.example.org", "127.0.0.1:8080\n": "http://127.0.0.1:8080", "localhost": "http://localhost", "[::1]:8080": "http://[::1]:8080",
		"192.168.1.5:8080": "https://192.168.1.5:8080", "http://192.168.1.5:8080/": "http://192.168.1.5:8080", "https://X.org/kaika/?a=b#c": "https://x.org/kaika",
		"https://anna:secret@x.org": "https://x.org", "": "", "ftp://x": "", "https://": "", "http://%zz": "",
	} {
		at, err := Parse(text)
		if (err == nil) != (want != "") || err == nil && at.String() != want {
			t.Errorf("%q is %v, %v", text, at, err)
		}
		if err == nil && Readable(at) != (text == "http://192.168.1.5:8080/") {
			t.Errorf("%q can be read on the way: %v", text, Readable(at))
		}
	}
}
