package inbox

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "gocloud.dev/blob/gcsblob"
	_ "gocloud.dev/blob/s3blob"
)

// cloud keeps objects in memory, by bucket/key, for those who speak as S3 or Google Cloud Storage do, in pages of three.
type cloud struct {
	testing.TB

	mu      sync.Mutex
	objects map[string][]byte
}

func newCloud(t *testing.T) (*cloud, *httptest.Server) {
	t.Helper()
	c := &cloud{TB: t, objects: map[string][]byte{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /storage/v1/b/{bucket}/o", c.listGoogle)
	mux.HandleFunc("POST /upload/storage/v1/b/{bucket}/o", c.putGoogle)
	mux.HandleFunc("DELETE /storage/v1/b/{bucket}/o/{key}", c.delete)
	mux.HandleFunc("GET /{bucket}", c.listAmazon)
	mux.HandleFunc("PUT /{bucket}/{key...}", c.putAmazon)
	mux.HandleFunc("GET /{bucket}/{key...}", c.get)
	mux.HandleFunc("DELETE /{bucket}/{key...}", c.delete)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/closed") || strings.Contains(r.URL.Path, "/b/closed/") {
			http.Error(w, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return c, s
}

// page gives the keys of a page, and where the next begins.
func (c *cloud) page(r *http.Request, prefix, after string) (keys []string, next string) {
	const size = 3
	for name := range c.objects {
		if key, ok := strings.CutPrefix(name, r.PathValue("bucket")+"/"); ok && strings.HasPrefix(key, prefix) && key > after {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if len(keys) > size {
		return keys[:size], keys[size-1]
	}
	return keys, ""
}

func (c *cloud) size(r *http.Request, key string) int {
	return len(c.objects[r.PathValue("bucket")+"/"+key])
}

func (c *cloud) listAmazon(w http.ResponseWriter, r *http.Request) {
	type object struct {
		Key          string
		Size         int
		LastModified time.Time
	}
	type list struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string
		Contents              []object
	}
	q := r.URL.Query()
	if q.Get("list-type") != "2" {
		c.Errorf("listed by %v", q)
	}
	keys, next := c.page(r, q.Get("prefix"), q.Get("continuation-token"))
	l := list{IsTruncated: next != "", NextContinuationToken: next}
	for _, key := range keys {
		l.Contents = append(l.Contents, object{key, c.size(r, key), time.Now().UTC()})
	}
	_ = xml.NewEncoder(w).Encode(l)
}

func (c *cloud) putAmazon(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil || r.URL.RawQuery != "x-id=PutObject" {
		c.Errorf("put by %v: %v", r.URL, err)
	}
	if strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") { // The size of the one chunk in hex, and what follows it.
		var n int
		line, rest, _ := strings.Cut(string(data), "\r\n")
		if _, err := fmt.Sscanf(line, "%x", &n); err != nil || n > len(rest) {
			c.Errorf("a chunk of %q: %v", line, err)
		}
		data = []byte(rest[:n])
	}
	c.objects[r.PathValue("bucket")+"/"+r.PathValue("key")] = data
	w.Header().Set("ETag", `"x"`)
}

func (c *cloud) get(w http.ResponseWriter, r *http.Request) {
	data, ok := c.objects[r.PathValue("bucket")+"/"+r.PathValue("key")]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code></Error>")
		return
	}
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	_, _ = w.Write(data)
}

func (c *cloud) delete(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("bucket") + "/" + r.PathValue("key")
	if _, ok := c.objects[name]; !ok {
		http.Error(w, `{"error":{"code":404}}`, http.StatusNotFound)
		return
	}
	delete(c.objects, name)
	w.WriteHeader(http.StatusNoContent)
}

func (c *cloud) listGoogle(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	keys, next := c.page(r, q.Get("prefix"), q.Get("pageToken"))
	items := []map[string]any{}
	for _, key := range keys {
		items = append(items, map[string]any{"name": key, "bucket": r.PathValue("bucket"), "size": strconv.Itoa(c.size(r, key)), "updated": time.Now().UTC()})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items, "nextPageToken": next})
}

func (c *cloud) putGoogle(w http.ResponseWriter, r *http.Request) {
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/related" {
		c.Errorf("put as %s: %v", kind, err)
		return
	}
	parts := multipart.NewReader(r.Body, parameters["boundary"])
	var object struct{ Name, ContentType string }
	first, err1 := parts.NextPart()
	err2 := json.NewDecoder(first).Decode(&object)
	second, err3 := parts.NextPart()
	data, err4 := io.ReadAll(second)
	if err := errors.Join(err1, err2, err3, err4); err != nil || object.ContentType == "" {
		c.Errorf("put of %+v: %v", object, err)
	}
	c.objects[r.PathValue("bucket")+"/"+object.Name] = data
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"name": object.Name, "bucket": r.PathValue("bucket"), "size": strconv.Itoa(len(data))})
}

// TestClouds keeps, lists, reads and removes photos by the real drivers.
func TestClouds(t *testing.T) {
	c, s := newCloud(t)
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(s.URL, "http://"))
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("HOME", t.TempDir())
	amazon := url.Values{"endpoint": {s.URL}, "region": {"eu-central-1"}, "use_path_style": {"true"}}.Encode()
	for _, place := range []string{"gs://photos", "gs://photos/of/users/", "s3://photos2/kept?" + amazon, "s3://photos2?prefix=other&" + amazon} {
		t.Run(place[:strings.IndexAny(place+"?", "?")], func(t *testing.T) {
			b, err := Open(t.Context(), place, true)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.Place(), "?") {
				t.Errorf("its place is %s", b.Place())
			}
			k := NewKeeper(b, Limits{MaxBytes: 1 << 20}, nil)
			for i := range 5 {
				k.Keep(classified(t, i, float32(i)/10))
			}
			for began := time.Now(); k.Stats().Kept < 5; time.Sleep(time.Millisecond) {
				if time.Since(began) > 20*time.Second {
					t.Fatalf("%+v", k.Stats())
				}
			}
			records := list(t, b, ByConfidence)
			if len(records) != 5 || records[4].Confidence() < 0.39 || len(records[0].Predictions) != 2 {
				t.Fatalf("%+v", records)
			}
			data, kind, err := b.Photo(t.Context(), records[2].ID)
			if err != nil || kind != "image/jpeg" || int64(len(data)) != records[2].Bytes || parsed(t, data).Width != 64 {
				t.Error(kind, err)
			}
			if err := b.Remove(t.Context(), records[2].ID); err != nil {
				t.Error(err)
			}
			c.mu.Lock()
			for name := range c.objects { // Somebody else removes one.
				if strings.Contains(name, records[0].ID) {
					delete(c.objects, name)
				}
			}
			c.mu.Unlock()
			if _, _, err := b.Photo(t.Context(), records[0].ID); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a photo that is gone gives %v", err)
			}
			if left := list(t, b, Newest); len(left) != 3 {
				t.Errorf("there is %+v", left)
			}
			if err := k.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	for name := range c.objects {
		if !strings.HasPrefix(name, "photos/upload-") && !strings.HasPrefix(name, "photos/of/users/upload-") && !strings.HasPrefix(name, "photos2/kept/upload-") &&
			!strings.HasPrefix(name, "photos2/other/upload-") {
			t.Errorf("there is %s", name)
		}
	}
	for _, place := range []string{"gs://closed", "s3://closed?" + amazon, "s3://photos?nonsense=1"} {
		if _, err := Open(t.Context(), place, true); err == nil || !strings.Contains(err.Error(), "check its name") {
			t.Errorf("%s: %v", place, err)
		}
	}
	s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Open(ctx, "gs://photos", true); err == nil || !strings.Contains(err.Error(), "the network") {
		t.Errorf("a bucket that cannot be reached gives %v", err)
	}
}
