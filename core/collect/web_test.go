package collect_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"kaika/core/collect"
	"kaika/core/collect/collecttest"
	"kaika/core/curate"
	"kaika/core/secret"
)

const (
	testKey    = "0123456789abcdef0123456789abcdef"
	testSecret = "fedcba9876543210"
)

// fakeClock is a clock on which waiting takes no time.
type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	waits []time.Duration
}

func newClock() *fakeClock { return &fakeClock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *fakeClock) clock() collect.Clock {
	return collect.Clock{
		Now: func() time.Time {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.now
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			if d > 0 {
				c.now = c.now.Add(d)
				c.waits = append(c.waits, d)
			}
			return ctx.Err()
		},
	}
}

// longest gives the longest wait until now.
func (c *fakeClock) longest() (most time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.waits {
		most = max(most, d)
	}
	return most
}

// hostOf gives the host of an address without a path.
func hostOf(base string) string { return strings.TrimPrefix(base, "http://") }

// leaks collects all that is logged, and finds the key and the secret in it and in errors.
type leaks struct {
	mu  sync.Mutex
	log bytes.Buffer
}

func (l *leaks) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}

func (l *leaks) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *leaks) check(t *testing.T, things ...any) {
	t.Helper()
	l.mu.Lock()
	var b strings.Builder
	b.WriteString(l.log.String())
	l.mu.Unlock()
	for _, thing := range things {
		fmt.Fprintf(&b, "\n%v\n%+v\n%#v\n%q", thing, thing, thing, thing)
		for err, _ := thing.(error); err != nil; { // As a crash report might print each of them.
			fmt.Fprintf(&b, "\n%+v %#v", err, err)
			wrapping, ok := err.(interface{ Unwrap() error })
			if !ok {
				break
			}
			err = wrapping.Unwrap()
		}
	}
	all := b.String()
	for _, hidden := range []string{testKey, testSecret, "api_sig", "…" + testKey[len(testKey)-3:], "…" + testSecret[len(testSecret)-3:]} {
		if at := strings.Index(all, hidden); at >= 0 {
			t.Errorf("%q is in %q", hidden, all[max(0, at-200):min(len(all), at+100)])
		}
	}
}

// newFlickr gives a source that collects from a server at base.
func newFlickr(base string) (*collect.Flickr, *fakeClock, *leaks) {
	clock, l := newClock(), &leaks{}
	return &collect.Flickr{
		Key: secret.New(testKey), Secret: secret.New(testSecret), Terms: collect.AllTerms(),
		Endpoint: base + collecttest.FlickrPath, ImageHosts: []string{hostOf(base)},
		Web: collect.Web{Clock: clock.clock(), Log: l.logger(), Transport: transport()},
	}, clock, l
}

func newServer(photos ...collecttest.Photo) *collecttest.Server {
	return &collecttest.Server{Key: testKey, Secret: testSecret, Photos: photos}
}

// transport does not keep connections, so that none is left when a test ends.
func transport() http.RoundTripper { return &http.Transport{DisableKeepAlives: true} }

// search gives the ids that a search brings, the refusals, and the error that ended it.
func search(ctx context.Context, s collect.Source, r collect.Request) (ids []string, refusals []*collect.Refusal, err error) {
	for item, err := range s.Search(ctx, r) {
		refusal, ok := err.(*collect.Refusal) //nolint:errorlint // A source gives it as it is.
		switch {
		case ok:
			refusals = append(refusals, refusal)
		case err != nil:
			return ids, refusals, err
		default:
			ids = append(ids, item.Source.ID)
		}
	}
	return ids, refusals, nil
}

// newLibrary gives an empty dataset on the disk.
func newLibrary(t testing.TB) *curate.Library {
	t.Helper()
	l, err := curate.Create(t.Context(), t.TempDir()+"/d", nil, curate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// inLibrary gives "label/id" of each photo, and complains if one is there twice.
func inLibrary(t *testing.T, l *curate.Library) map[string]curate.Photo {
	t.Helper()
	all := map[string]curate.Photo{}
	for _, p := range l.Photos(curate.Query{}) {
		at := p.Label + "/" + p.Source.ID
		if _, twice := all[at]; twice {
			t.Errorf("%s is there twice", at)
		}
		all[at] = p
	}
	return all
}

var allPhotos curate.Query
