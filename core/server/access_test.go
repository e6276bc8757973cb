package server

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"kaika/core/picture/picturetest"
	"kaika/core/serve"
)

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// TestAccess asks for routes of each level, from near and from far, with and without a password.
func TestAccess(t *testing.T) {
	auth, _ := authOf(t, "me", "secret")
	rose := string(picturetest.JPEG(0, 1, 16, 16))
	const (
		classify = "POST " + classifyPath
		metrics  = "GET /metrics"
		change   = "GET /api/v1/models"
	)
	far := func(c *Config) { c.Local = false }
	for _, c := range []struct {
		name   string
		config func(*Config)
		host   string
		header []string
		want   map[string]int
	}{
		{"near", nil, "", nil, map[string]int{classify: 200, metrics: 200, change: 401}},
		{"near by name", nil, "localhost:80", nil, map[string]int{classify: 200, metrics: 200, change: 401}},
		{"near, IPv6", nil, "[::1]:80", nil, map[string]int{classify: 200, metrics: 200, change: 401}},
		{"near, with a password", nil, "", []string{"Authorization", basic("me", "secret")}, map[string]int{classify: 200, metrics: 200, change: 200}},
		{"a page's own name for this machine", nil, "evil.example", nil, map[string]int{classify: 401, metrics: 401, change: 401}},
		{"through a proxy on this machine", nil, "", []string{"X-Forwarded-For", "203.0.113.9"}, map[string]int{classify: 401, metrics: 401, change: 401}},
		{"through a newer proxy", nil, "", []string{"Forwarded", "for=203.0.113.9"}, map[string]int{classify: 401, metrics: 401, change: 401}},
		{"through a proxy that says so by Via", nil, "", []string{"Via", "1.1 proxy"}, map[string]int{classify: 401, metrics: 401, change: 401}},
		{"through a proxy that says so by X-Real-IP", nil, "", []string{"X-Real-IP", "203.0.113.9"}, map[string]int{classify: 401, metrics: 401, change: 401}},
		{"through a proxy that says so by X-Forwarded-Host", nil, "", []string{"X-Forwarded-Host", "kaika.example"}, map[string]int{classify: 401, metrics: 401, change: 401}},
		{"through a proxy that says so by X-Forwarded-Proto", nil, "", []string{"X-Forwarded-Proto", "https"}, map[string]int{classify: 401, metrics: 401, change: 401}},
		{"far", far, "", nil, map[string]int{classify: 401, metrics: 401, change: 401}},
		{"far, basic", far, "", []string{"Authorization", basic("me", "secret")}, map[string]int{classify: 200, metrics: 200, change: 200}},
		{"far, bearer", far, "", []string{"Authorization", "Bearer me:secret"}, map[string]int{classify: 200, metrics: 200, change: 200}},
		{"far, bearer in base64", far, "", []string{"Authorization", "bearer " + base64.StdEncoding.EncodeToString([]byte("me:secret"))}, map[string]int{classify: 200, metrics: 200, change: 200}},
		{"far, wrong password", far, "", []string{"Authorization", basic("me", "Secret")}, map[string]int{classify: 401, metrics: 401, change: 401}},
		{"far, wrong name", far, "", []string{"Authorization", basic("you", "secret")}, map[string]int{classify: 401, metrics: 401, change: 401}},
		{"far, no name", far, "", []string{"Authorization", "Bearer secret"}, map[string]int{classify: 401, metrics: 401, change: 401}},
		{"far, another scheme", far, "", []string{"Authorization", "Digest me:secret"}, map[string]int{classify: 401, metrics: 401, change: 401}},
		{"public", func(c *Config) { c.Local, c.PublicClassify = false, true }, "", nil, map[string]int{classify: 200, metrics: 401, change: 401}},
		{"nobody is known", func(c *Config) { c.Local, c.Auth = false, nil }, "", nil, map[string]int{classify: 403, metrics: 403, change: 403}},
		{"nobody is known, near", func(c *Config) { c.Auth = nil }, "", nil, map[string]int{classify: 200, metrics: 200, change: 403}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStand(t, func(config *Config, _ *serve.Config) {
				config.Auth = auth
				if c.config != nil {
					c.config(config)
				}
			})
			for route, status := range c.want {
				method, path, _ := strings.Cut(route, " ")
				r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(rose))
				r.Host = "127.0.0.1:8080"
				if c.host != "" {
					r.Host = c.host
				}
				r.Header.Set("Content-Type", "image/jpeg")
				for i := 0; i < len(c.header); i += 2 {
					r.Header.Set(c.header[i], c.header[i+1])
				}
				auth.attempts = newBuckets(1, 100)
				h := s.direct(r)
				if h.status != status {
					t.Errorf("%s: %d instead of %d: %s", route, h.status, status, h.body)
				}
				if asks := strings.HasPrefix(h.header.Get("WWW-Authenticate"), "Basic realm="); asks != (status == http.StatusUnauthorized) {
					t.Errorf("%s: %d with WWW-Authenticate %q", route, status, h.header.Get("WWW-Authenticate"))
				}
			}
			for _, open := range []string{"/healthz", "/readyz", "/api/v1/openapi.json"} {
				if h := s.direct(httptest.NewRequestWithContext(t.Context(), "GET", open, nil)); h.status != http.StatusOK {
					t.Errorf("%s: %d", open, h.status)
				}
			}
		})
	}
}

// TestEveryRouteIsGuarded goes through all routes: whatever changes something wants a password, from near as well.
func TestEveryRouteIsGuarded(t *testing.T) {
	auth, _ := authOf(t, "me", "secret")
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Auth, c.PublicClassify = auth, true })
	open := []string{"POST /{$}", "POST " + classifyPath, "POST /v1/models/{name}", "POST /v1/models/{name}/versions/{version}", "POST /v1/models/{name}/labels/{label}"}
	for _, to := range s.server.routes() {
		method, path, _ := strings.Cut(to.pattern, " ")
		if method == http.MethodGet || slices.Contains(open, to.pattern) {
			continue
		}
		path = strings.NewReplacer("{", "", "}", "", "$", "").Replace(path)
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("{}"))
		r.Host = "localhost"
		if h := s.direct(r); h.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", to.pattern, h.status, h.body)
		}
	}
}

// TestCrossSite sends what pages of other sites make browsers send, and what our own page does.
func TestCrossSite(t *testing.T) {
	s := newStand(t, nil)
	for _, c := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"a program", nil, 400},
		{"our page", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://" + s.addr}, 400},
		{"our page without HTTPS", []string{"Origin", "http://" + s.addr}, 400},
		{"typed in", []string{"Sec-Fetch-Site", "none"}, 400},
		{"another site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another port", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"}, 403},
		{"an older browser", []string{"Origin", "https://evil.example"}, 403},
		{"a page without an origin", []string{"Origin", "null"}, 403},
		{"a name of the page's own for this machine", []string{"Origin", "http://evil.example", "Host", "evil.example"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.TB = t
			kind, body := sending(t)
			s.send("POST", classifyPath, kind, body, c.headers...).is(c.status, "")
		})
	}
	s.TB = t
	s.send("POST", "/v1/models/flowers:predict", "text/plain", strings.NewReader("{}"), "Sec-Fetch-Site", "cross-site").is(403, "")
	// Reading is allowed to browsers, but no page of another site sees what it reads.
	h := s.send("GET", "/v1/models/flowers", "", nil, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example").is(200, "")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY",
		"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
	} {
		if h.header.Get(name) != want {
			t.Errorf("%s: %q", name, h.header.Get(name))
		}
	}
	if csp := h.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("CSP %q", csp)
	}
}

// TestTransportSecurity wants browsers to keep to HTTPS where there is some, and only there.
func TestTransportSecurity(t *testing.T) {
	for want, config := range map[string]*tls.Config{"": nil, "max-age=31536000": {MinVersion: tls.VersionTLS12}} {
		s, err := New(Config{Models: serve.New(serve.Config{}), TLS: config})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/healthz", nil))
		if got := w.Header().Get("Strict-Transport-Security"); got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}

// TestAuthFile changes the file while the server runs.
func TestAuthFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &journal{}
		a, path := authOf(t, "me", "secret", "you", "other")
		a.log = slog.New(slog.NewTextHandler(log, nil))
		right := func(name, password string) bool {
			user, err := a.check(t.Context(), "client "+name+password, name, password)
			if err == nil && user != name {
				t.Errorf("%s is taken for %s", name, user)
			}
			return err == nil
		}
		if !right("me", "secret") || !right("you", "other") || right("me", "other") || right("nobody", "secret") || right("", "") || right("me", "secret\x00") {
			t.Fatal("the passwords are not those of the file")
		}
		later := func() {
			time.Sleep(2 * fileLook)
		}
		writeAuth(t, path, "me", "new secret")
		later()
		if right("me", "secret") || !right("me", "new secret") || right("you", "other") {
			t.Error("the new file does not count")
		}
		for what, text := range map[string]string{
			"a slip": "me:secret\n", "no name": ":x\n", "twice": "a:" + hashOf(t, 4) + "\na:" + hashOf(t, 4) + "\n",
			"too dear": "a:$2a$31$" + hashOf(t, 4)[7:] + "\n",
		} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			later()
			if !right("me", "new secret") || !strings.Contains(log.String(), "those that were in it stay") {
				t.Errorf("%s: the old passwords do not stay, or nothing is said: %s", what, log)
			}
			if _, err := OpenAuth(path, nil); err == nil {
				t.Errorf("%s: a server starts with it", what)
			}
			log.text.Reset()
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		later()
		if !right("me", "new secret") || !strings.Contains(log.String(), "those that were in it stay") {
			t.Errorf("without a file, the old passwords do not stay, or nothing is said: %s", log)
		}
		if err := os.WriteFile(path, []byte("# nobody\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		later()
		if right("me", "new secret") || right("", "") || !strings.Contains(log.String(), "names nobody") {
			t.Errorf("a file that names nobody lets somebody in, or nothing is said: %s", log)
		}
		writeAuth(t, path, "me", "third")
		later()
		if !right("me", "third") || right("me", "new secret") {
			t.Error("the file that is there again does not count")
		}
	})
	if _, err := OpenAuth("nowhere", nil); err == nil {
		t.Error("a server starts without the file")
	}
}

func hashOf(t testing.TB, cost int) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte("x"), cost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

// TestAttempts tries passwords: after some, a client has to wait; another has not, and who was right before neither.
func TestAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := authOf(t, "me", "secret")
		try := func(client, password string) (status int, wait time.Duration) {
			_, err := a.check(t.Context(), client, "me", password)
			if p, ok := errors.AsType[*problem](err); ok {
				return p.status, p.retryAfter
			}
			return http.StatusOK, 0
		}
		if status, _ := try("mine", "secret"); status != http.StatusOK {
			t.Fatal(status)
		}
		for i := range freeAttempts {
			if status, _ := try("thief", strconv.Itoa(i)); status != http.StatusUnauthorized {
				t.Fatalf("attempt %d: %d", i, status)
			}
		}
		if status, wait := try("thief", "secret"+"?"); status != http.StatusTooManyRequests || wait <= 0 || wait > attemptEvery {
			t.Errorf("after many attempts: %d, %v", status, wait)
		}
		if status, _ := try("another", "wrong"); status != http.StatusUnauthorized {
			t.Errorf("another client: %d", status)
		}
		for range 3 * freeAttempts {
			if status, _ := try("mine", "secret"); status != http.StatusOK {
				t.Fatalf("who was right before: %d", status)
			}
		}
		time.Sleep(attemptEvery)
		if status, _ := try("thief", "wrong"); status != http.StatusUnauthorized {
			t.Errorf("after a while: %d", status)
		}
		if status, _ := try("thief", "wrong"); status != http.StatusTooManyRequests {
			t.Errorf("at once again: %d", status)
		}
	})
}

// TestOneAttempt has a client send many requests at once with a password that is not yet known to be right.
func TestOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := authOf(t, "me", "secret")
		turns := int64(0)
		for a.turns.TryAcquire(1) {
			turns++
		}
		for password, want := range map[string]error{"secret": nil, "wrong": errPassword} {
			for range 3 * freeAttempts {
				go func() {
					if _, err := a.check(t.Context(), "mine", "me", password); !errors.Is(err, want) {
						t.Errorf("%s: %v", password, err)
					}
				}()
			}
		}
		synctest.Wait()
		a.turns.Release(turns)
		synctest.Wait()
		if len(a.proven) != 1 {
			t.Errorf("%d passwords are known", len(a.proven))
		}
	})
}

func TestPasswordLine(t *testing.T) {
	for _, c := range []struct{ name, password, words string }{
		{"", "x", "a name is not empty"},
		{"a:b", "x", "no colon"},
		{"a\nb", "x", "a name"},
		{" a", "x", "no space around"},
		{"#a", "x", "does not begin with #"},
		{"a", "", "an empty password"},
		{"a", strings.Repeat("x", 73), "the password has 73 bytes"},
	} {
		if _, err := PasswordLine(c.name, c.password); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%q, %q: %v", c.name, c.password, err)
		}
	}
	line, err := PasswordLine("百合", "秘密")
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/auth"
	if err := os.WriteFile(path, []byte("\ufeff"+line), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := OpenAuth(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user, err := a.check(t.Context(), "", "百合", "秘密"); user != "百合" || err != nil {
		t.Errorf("%q, %v", user, err)
	}
}

func TestClientOf(t *testing.T) {
	s := &Server{Config: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}}
	for _, c := range []struct {
		peer, forwarded string
		want            string
	}{
		{"203.0.113.5:1", "", "203.0.113.5"},
		{"203.0.113.5:1", "198.51.100.1", "203.0.113.5"}, // Nobody trusts who says so.
		{"10.0.0.1:1", "", "10.0.0.1"},
		{"10.0.0.1:1", "198.51.100.1", "198.51.100.1"},
		{"10.0.0.1:1", "1.1.1.1, 198.51.100.1", "198.51.100.1"}, // What comes before is the client's own word.
		{"10.0.0.1:1", "198.51.100.1, 10.0.0.2", "198.51.100.1"},
		{"10.0.0.1:1", "nonsense, 198.51.100.1,10.0.0.2", "198.51.100.1"},
		{"10.0.0.1:1", "nonsense", "10.0.0.1"},
		{"[fd00::1]:1", "2001:db8::7", "2001:db8::7"},
		{"[::ffff:10.0.0.1]:1", "::ffff:198.51.100.1", "198.51.100.1"},
		{"10.0.0.1:1", "198.51.100.1:4711", "198.51.100.1"},
		{"10.0.0.1:1", "[2001:db8::7]:4711, 10.0.0.2:1", "2001:db8::7"},
		{"10.0.0.1:1", "[2001:db8::7]", "2001:db8::7"},
		{"@", "", "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := s.clientOf(r).String(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if a, b := household(netip.MustParseAddr("2001:db8::1")), household(netip.MustParseAddr("2001:db8::2")); a != b || a == household(netip.MustParseAddr("2001:db8:0:1::1")) {
		t.Error("IPv6 is not counted by networks of 64 bits")
	}
}

// TestRate sends a flood: a client gets its share, and others are not held up.
func TestRate(t *testing.T) {
	var s *Server
	synctest.Test(t, func(t *testing.T) {
		var err error
		s, err = New(Config{Models: serve.New(serve.Config{}), Limits: Limits{Rate: 10}})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(peer string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/healthz", nil)
			r.RemoteAddr = peer + ":1234"
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			return w
		}
		flood := func(peer string, n int) (passed int) {
			for range n {
				switch w := ask(peer); {
				case w.Code == http.StatusOK:
					passed++
				case w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1":
					t.Fatalf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
				}
			}
			return passed
		}
		if n := flood("203.0.113.1", 1000); n != 20 {
			t.Errorf("%d of a flood passed, and twice the rate may", n)
		}
		if n := flood("203.0.113.2", 5); n != 5 {
			t.Errorf("%d of 5 of another client passed", n)
		}
		time.Sleep(time.Second)
		if n := flood("203.0.113.1", 100); n != 10 {
			t.Errorf("%d passed after a second", n)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestBucketsAreBounded remembers many clients, but not any number.
func TestBucketsAreBounded(t *testing.T) {
	b := newBuckets(1, 1)
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			for k := range maxBuckets {
				b.take(strconv.Itoa(i) + "/" + strconv.Itoa(k))
				b.take("a regular")
			}
		})
	}
	clients.Wait()
	if n := len(b.known); n != maxBuckets || b.recent.Len() != n {
		t.Errorf("%d clients are remembered", n)
	}
	if b.take("a regular") == 0 {
		t.Error("who came all the time was forgotten")
	}
}

// TestAuthFileDuringCompare changes the file while a password is compared, which takes long: what was right a moment ago does
// not get in, and is not remembered as right, either.
func TestAuthFileDuringCompare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, path := authOf(t, "me", "secret", "you", "other")
		type outcome struct {
			user string
			err  error
		}
		compare := func(name, password string, meanwhile func()) outcome {
			turns := int64(0) // All are taken, so it waits, with the hash in hand.
			for a.turns.TryAcquire(1) {
				turns++
			}
			said := make(chan outcome, 1)
			go func() {
				user, err := a.check(t.Context(), "client", name, password)
				said <- outcome{user, err}
			}()
			synctest.Wait()
			meanwhile()
			time.Sleep(2 * fileLook)
			a.mu.Lock()
			a.refresh()
			a.mu.Unlock()
			a.turns.Release(turns)
			return <-said
		}
		if o := compare("you", "other", func() { writeAuth(t, path, "you", "other") }); !errors.Is(o.err, errPassword) {
			t.Errorf("with a new hash of the same password: %+v", o) // Who sends it once more gets in.
		}
		if user, err := a.check(t.Context(), "client", "you", "other"); user != "you" || err != nil {
			t.Errorf("once more: %q, %v", user, err)
		}
		if o := compare("me", "secret", func() { writeAuth(t, path, "me", "secret", "you", "other") }); !errors.Is(o.err, errPassword) {
			t.Errorf("who was added meanwhile: %+v", o)
		}
		if o := compare("me", "secret", func() { writeAuth(t, path, "you", "other") }); !errors.Is(o.err, errPassword) {
			t.Errorf("who was removed meanwhile gets in: %+v", o)
		}
		if o := compare("you", "wrong", func() { writeAuth(t, path, "you", "wrong") }); !errors.Is(o.err, errPassword) {
			t.Errorf("whose password was changed meanwhile: %+v", o)
		}
		if len(a.proven) != 0 {
			t.Errorf("%d passwords are remembered", len(a.proven))
		}
		if o := compare("you", "wrong", func() {}); o.user != "you" || o.err != nil {
			t.Errorf("where nothing was changed: %+v", o)
		}
	})
}
