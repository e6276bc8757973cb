package collect

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"kaika/core/picture"
)

func TestPace(t *testing.T) {
	now := time.Unix(1000, 0)
	p := &pace{shortest: time.Second, longest: 10 * time.Second}
	expect := func(want time.Duration) {
		t.Helper()
		waited := max(p.turn(now), 0)
		if now = now.Add(waited); waited != want {
			t.Errorf("waited for %v, not %v", waited, want)
		}
	}
	expect(0)
	expect(time.Second)
	now = now.Add(700 * time.Millisecond)
	expect(300 * time.Millisecond)
	now = now.Add(time.Hour) // What was not used is lost: no burst.
	expect(0)
	expect(time.Second)
	p.slower(now.Add(5 * time.Second))
	expect(5 * time.Second)
	expect(time.Second) // The gap was 0 until now, and is the shortest.
	for range 10 {
		p.slower(now)
	}
	expect(time.Second) // The turn that was already planned.
	expect(10 * time.Second)
	for range 100 {
		p.faster()
	}
	expect(10 * time.Second)
	expect(time.Second)
	p.set(3 * time.Second)
	expect(time.Second)
	expect(3 * time.Second)
}

func TestClockOfItsOwn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if err := (Clock{}).sleep(ctx, time.Nanosecond); err != nil {
		t.Error(err)
	}
	cancel()
	for _, d := range []time.Duration{-1, 0, time.Hour} {
		if err := (Clock{}).sleep(ctx, d); !errors.Is(err, context.Canceled) {
			t.Errorf("sleeping for %v after the end gave %v", d, err)
		}
	}
	if time.Since((Clock{}).now()) > time.Minute {
		t.Error("it is another time")
	}
}

func TestBackoff(t *testing.T) {
	for failed, most := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 7: time.Minute, 1000: time.Minute} {
		seen := map[time.Duration]bool{}
		for range 20 {
			d := backoff(failed)
			if d < most/2 || d > most {
				t.Errorf("after %d tries it waits for %v", failed, d)
			}
			seen[d] = true
		}
		if len(seen) < 2 {
			t.Errorf("after %d tries everybody waits equally long", failed)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, " 7 ": 7 * time.Second, "-3": 0, "x": 0, "1.5": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2025 03:05:05 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q means %v", text, got)
		}
	}
	if got := retryAfter(http.Header{"Retry-After": {"9999999999999"}}, now); got < 1000*time.Hour {
		t.Errorf("a long time means %v", got)
	}
}

func TestSameSite(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"a.org", "a.org", true},
		{"www.a.org", "img.a.org", true},
		{"a.org", "b.org", false},
		{"commons.wikimedia.org", "upload.wikimedia.org", true},
		{"a.co.uk", "b.co.uk", false},
		{"x.a.co.uk", "a.co.uk", true},
		{"a.ne.jp", "b.ne.jp", false},
		{"x.example.jp", "y.example.jp", true},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"10.0.0.1", "11.0.0.1", false},
		{"[::1]", "[::2]", false},
		{"localhost", "localhost:8", false},
		{"org", "a.org", false},
		{"A.org", "b.a.ORG", true},
		{"a.org.", "b.a.org", true},
		{"", "", true},
		{"t.co", "s.co", false},
	} {
		if got := sameSite(&url.URL{Host: tc.a}, &url.URL{Host: tc.b}); got != tc.want {
			t.Errorf("%q and %q: %v", tc.a, tc.b, got)
		}
	}
}

func TestTermsOf(t *testing.T) {
	for address, want := range map[string]Terms{
		"https://creativecommons.org/licenses/by-nc-nd/4.0/":      BYNCND,
		"http://www.CreativeCommons.org/licenses/by/2.0/deed.ja":  BY,
		"https://creativecommons.org/publicdomain/zero/1.0/":      CC0,
		"https://creativecommons.org/publicdomain/mark/1.0/":      PublicDomain,
		"https://creativecommons.org/licenses/cc0/1.0/":           "",
		"https://creativecommons.org/licenses/":                   "",
		"https://creativecommons.org.example.com/licenses/by/2.0": "",
		"": "", "%": "",
	} {
		if got := termsOf(address); got != want {
			t.Errorf("%s has the terms %q", address, got)
		}
	}
}

func TestFollow(t *testing.T) {
	d := downloads{allowed: sameSite}
	for _, tc := range []struct {
		from, to string
		reason   picture.Reason
	}{
		{"https://a.org/1", "https://b.a.org/2", ""},
		{"http://a.org/1", "https://a.org/2", ""},
		{"http://a.org/1", "http://a.org/2", ""},
		{"https://a.org/1", "http://a.org/2", Redirected},
		{"https://a.org/1", "https://b.org/2", Redirected},
		{"https://a.org/1", "ftp://a.org/2", Redirected},
		{"https://a.org/1", "file:///etc/passwd", Redirected},
		{"https://a.org/1", "https://s.yimg.com/pw/images/en-us/photo_unavailable_l.png", Gone},
	} {
		from, err := url.Parse(tc.from)
		if err != nil {
			t.Fatal(err)
		}
		to, err := url.Parse(tc.to)
		if err != nil {
			t.Fatal(err)
		}
		var refusal *Refusal
		if err := d.follow("x", from, to); errors.As(err, &refusal) != (tc.reason != "") || refusal != nil && refusal.Reason != tc.reason {
			t.Errorf("from %s to %s: %v", tc.from, tc.to, err)
		}
	}
}

func TestWhatIsSent(t *testing.T) {
	var agents, referers []string
	mux := http.NewServeMux()
	mux.HandleFunc("/a", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/b", http.StatusFound) })
	mux.HandleFunc("/b", func(w http.ResponseWriter, r *http.Request) {
		agents, referers = append(agents, r.UserAgent()), append(referers, r.Referer())
		_, _ = w.Write([]byte("\xff\xd8\xff\xe0 and so on"))
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	address, err := url.Parse(s.URL + "/a?key=hidden")
	if err != nil {
		t.Fatal(err)
	}
	d := downloads{web: &Web{}, pace: &pace{}, allowed: sameSite, most: 5}
	if _, err := d.open(t.Context(), "x", address); err != nil || !slices.Equal(agents, []string{userAgent}) || !slices.Equal(referers, []string{""}) {
		t.Errorf("%q %q %v", agents, referers, err)
	}
}

func TestHalves(t *testing.T) {
	for from := range int64(5) {
		for to := from; to < 9; to++ {
			var covered []int64
			for _, half := range halves(span{from, to}) {
				for second := half.to; second >= half.from; second-- {
					covered = append(covered, second)
				}
			}
			if int64(len(covered)) != to-from+1 || covered[0] != to || covered[len(covered)-1] != from {
				t.Errorf("the halves of %d to %d have %v", from, to, covered)
			}
		}
	}
}

func TestWhereOpenversesPicturesMayBe(t *testing.T) {
	o := &Openverse{ImageHosts: []string{"127.0.0.1:80"}}
	for _, tc := range []struct {
		from, to string
		want     bool
	}{
		{"", "https://upload.wikimedia.org/x", true},
		{"https://commons.wikimedia.org/x", "https://upload.wikimedia.org/x", true},
		{"https://a.org/x", "https://b.org/x", false},
		{"https://a.org/x", "http://a.org/x", false},
		{"", "http://a.org/x", false},
		{"", "https://router/x", false},
		{"", "https://10.0.0.1/x", false},
		{"", "http://127.0.0.1:80/x", true},
		{"", "http://127.0.0.1:81/x", false},
	} {
		var from *url.URL
		if tc.from != "" {
			from, _ = url.Parse(tc.from)
		}
		to, err := url.Parse(tc.to)
		if err != nil || o.allowed(from, to) != tc.want {
			t.Errorf("from %q to %q: %v, %v", tc.from, tc.to, !tc.want, err)
		}
	}
}
