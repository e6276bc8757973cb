package app

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/pflag"

	"kaika/core/collect"
	"kaika/core/collect/collecttest"
)

// searched starts Flickr and Openverse as services does, and gives the arguments of all searches.
func searched(t *testing.T) func() []url.Values {
	t.Helper()
	s := &collecttest.Server{Key: "0123456789abcdef", Secret: "a secret that nobody may see"}
	s.Photos = collecttest.Photos("rose", 40, 400)
	var (
		mu  sync.Mutex
		all []url.Values
	)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("method") == "flickr.photos.search" || q.Has("q") {
			mu.Lock()
			all = append(all, q)
			mu.Unlock()
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	t.Setenv(flickrVariable, server.URL+collecttest.FlickrPath)
	t.Setenv(openverseVariable, server.URL+collecttest.OpenversePath)
	t.Setenv(flickrKeyVariable, s.Key)
	t.Setenv(flickrSecretVariable, s.Secret)
	return func() []url.Values {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// TestCollectAsWanted wants each choice of a search in what the services are asked for.
func TestCollectAsWanted(t *testing.T) {
	t.Setenv("TZ", "UTC")
	for _, test := range []struct {
		source, flags string
		want          map[string]string // "" for what is not asked for.
	}{
		{fromFlickr, "", map[string]string{
			"sort": "relevance", "safe_search": "1", "media": "photos", "content_types": "0", "license": "4,5,7,8,9,10,11,12", "text": "rose", "tags": "",
		}},
		{fromFlickr, "--sort interestingness-desc --any_content --license by", map[string]string{
			"sort": "interestingness-desc", "safe_search": "1", "content_types": "", "license": "4,11",
		}},
		{fromFlickr, "--tags_only --exclude_tags Tag1,b-w --exclude drawing", map[string]string{"text": "", "tags": "rose,-tag1,-bw", "tag_mode": "all"}},
		{fromFlickr, "--posted_after 2010-01-01 --posted_before 2010-01-01", map[string]string{"min_upload_date": "1262304000", "max_upload_date": "1262390399"}},
		{fromOpenverse, "", map[string]string{"source": "", "mature": "", "category": "", "q": "rose"}},
		{fromOpenverse, "--origins flickr,wikimedia --photographs --unsafe --exclude toy --exclude_tags painting", map[string]string{
			"source": "flickr,wikimedia", "mature": "true", "category": "photograph", "q": "rose -toy -painting",
		}},
	} {
		t.Run(test.source+test.flags, func(t *testing.T) {
			searches := searched(t)
			args := append(strings.Fields("collect rose --count 1 --source "+test.source+" "+test.flags), "--dataset", filepath.Join(t.TempDir(), "d"))
			if code, _, stderr := told(t, args...); code != exitDone {
				t.Fatalf("exit code %d, said %s", code, stderr)
			}
			all := searches()
			if len(all) == 0 {
				t.Fatal("nothing was searched for")
			}
			for name, want := range test.want {
				if got := all[0].Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestCollectAsNobodyCanWant(t *testing.T) {
	services(t)
	dir := t.TempDir()
	for flags, words := range map[string]string{
		"--sort best":                       `no order "best"`,
		"--source openverse --sort random":  "--sort is for flickr only",
		"--unsafe":                          "--unsafe is for openverse only",
		"--origins flickr":                  "--origins is for openverse only",
		"--source " + dir + " --license by": "--license is for flickr and openverse only",
		"--posted_after yesterday":          "must be a day such as",
		"--posted_after 2020-01-02 --posted_before 2020-01-01": "exchange them",
	} {
		code, _, stderr := told(t, append(strings.Fields("collect rose "+flags), "--dataset", filepath.Join(dir, "d"))...)
		if code != exitUsage || !strings.Contains(stderr, words) {
			t.Errorf("%s: exit code %d, said %q", flags, code, stderr)
		}
	}
}

// TestCollectInOnePace has two clients of different runs, which share the file of their pace.
func TestCollectInOnePace(t *testing.T) {
	services(t)
	e := &environment{}
	s, _ := collect.ServiceOf(fromFlickr)
	one, err := e.access(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	other, err := e.access(t.Context(), s)
	if err != nil || one.PaceFile == "" || one.PaceFile != other.PaceFile {
		t.Errorf("the files are %q and %q, %v", one.PaceFile, other.PaceFile, err)
	}
}

// TestLeastSide wants the same sizes that the window begins with, and what its user says instead.
func TestLeastSide(t *testing.T) {
	for _, test := range []struct {
		source, flags string
		want          int
	}{
		{fromFlickr, "", 200}, {fromOpenverse, "", 200}, {"photos.zip", "", 32}, {fromFlickr, "--min_side 0", 0}, {"photos.zip", "--min_side 64", 64},
	} {
		var s searchFlags
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		s.add(set)
		if err := errors.Join(set.Parse(strings.Fields(test.flags)), s.read(set, test.source)); err != nil || s.MinSide != test.want {
			t.Errorf("%s %s: %d, %v", test.source, test.flags, s.MinSide, err)
		}
	}
}

// TestLibraryThatCannotBeMade says why a dataset cannot be made, not that there is none.
func TestLibraryThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, []byte("x"), filepath.Dir(file), "file")
	e := &environment{}
	if _, err := e.library(t.Context(), filepath.Join(file, "dataset")); err == nil || !strings.Contains(err.Error(), "make the dataset") {
		t.Errorf("the error is %v", err)
	}
}
