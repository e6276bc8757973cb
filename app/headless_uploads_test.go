package app

import (
	"bytes"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"

	"kaika/core/inbox"
)

func TestByteCount(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "12": 12, "10GB": 10e9, "10 gb": 10e9, "1.5MiB": 3 << 19, "2kib": 2048, "7B": 7, "1TB": 1e12,
		"-1": -1, "": -1, "GB": -1, "1e400": -1, "NaN": -1, "9e9TB": -1, "10 XB": -1,
	} {
		var b byteCount
		if err := b.Set(text); (err != nil) != (want < 0) || err == nil && int64(b) != want {
			t.Errorf("%q is %d, %v", text, b, err)
		}
	}
	for n, want := range map[byteCount]string{0: "0", 10e9: "10GB", 1500: "1500", 2000: "2kB", 3 << 30: "3GiB"} {
		if got := n.String(); got != want {
			t.Errorf("%d is written %s", int64(n), got)
		}
	}
}

// TestHeadlessUploads has the program keep photos, and write them also when it is told to stop at once.
func TestHeadlessUploads(t *testing.T) {
	t.Parallel()
	model, images := sharedModel(t)
	u := newUser(t)
	dir := filepath.Join(t.TempDir(), "kept photos")
	s := u.serve(model, "--uploads", dir, "--uploads_max_age", "24h", "--uploads_max_bytes", "50MB")
	photos, err := filepath.Glob(filepath.Join(images, "*", "*.jpg"))
	if err != nil || len(photos) < 3 {
		t.Fatal(photos, err)
	}
	for _, photo := range photos[:2] {
		s.gets(200, "POST", "/api/v1/classify", "image/jpeg", bytes.NewReader(read(t, photo)))
	}
	instance := `{"instances":[{"b64":"` + base64.StdEncoding.EncodeToString(read(t, photos[2])) + `"}]}`
	s.gets(200, "POST", "/v1/models/flowers:predict", "application/json", strings.NewReader(instance))
	if page := s.gets(200, "GET", "/", "", nil); !strings.Contains(page.body, "kept for up to 1 day") {
		t.Errorf("visitors are not told: %s", page.body)
	}
	s.stops()
	b, err := inbox.Open(t.Context(), dir, false)
	if err != nil {
		t.Fatal(err)
	}
	page, err := b.List(t.Context(), inbox.Query{Order: inbox.ByConfidence, Limit: 10})
	if err != nil || page.Total != 3 || len(page.Uploads) != 3 || len(page.Uploads[0].Predictions) == 0 || page.Uploads[0].Predictions[0].Score == 0 {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestUploadsUsage(t *testing.T) {
	for args, words := range map[string]string{
		"--uploads x":                                       "uploads goes with --headless only",
		"--headless --uploads_max_age -1s":                  "uploads_max_age must be 0",
		"--headless --uploads_max_bytes many":               "number of bytes",
		"--headless --addr 127.0.0.1:0 --uploads ftp://x/y": "photos cannot be kept in",
	} {
		if a := here(t, strings.Fields(args)...); a.code == 0 || !strings.Contains(a.stderr, words) {
			t.Errorf("kaika %s: %d, %s", args, a.code, a.stderr)
		}
	}
}
