package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/serve"
)

// dial opens a connection that nothing is sent on yet. A test that hangs ends after a while.
func (s *stand) dial() net.Conn {
	s.Helper()
	c, err := (&net.Dialer{}).DialContext(s.Context(), "tcp", s.addr)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		s.Fatal(err)
	}
	return c
}

// says sends text as it is.
func says(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// status reads an answer, and gives 0 if the connection is closed without one.
func status(c net.Conn) int {
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_ = r.Body.Close() // The status is all that is wanted.
	return r.StatusCode
}

// closed tells whether the server closes a connection.
func closed(c net.Conn) bool {
	_, err := io.Copy(io.Discard, c)
	timeout, ok := err.(net.Error) //nolint:errorlint // A connection gives that very type.
	return !ok || !timeout.Timeout()
}

// TestHeaderTime sends half a header and waits.
func TestHeaderTime(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits.HeaderTime = 50 * time.Millisecond })
	for _, part := range []string{"", "GET /heal", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\r\n"} {
		c := s.dial()
		says(t, c, part)
		if !closed(c) {
			t.Errorf("after %q, the connection stays open", part)
		}
	}
}

// TestIdleTime keeps a connection without a request.
func TestIdleTime(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits.IdleTime = 50 * time.Millisecond })
	c := s.dial()
	says(t, c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if !closed(c) {
		t.Error("the connection stays open")
	}
}

// TestIdleProxy keeps the connection of a proxy longer, which is that of many clients.
func TestIdleProxy(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) {
		c.TrustedProxies, c.Limits.IdleTime, c.Limits.ProxyIdleTime = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, time.Millisecond, 300*time.Millisecond
	})
	c := s.dial()
	if health(c) != http.StatusOK {
		t.Fatal("no answer")
	}
	time.Sleep(50 * time.Millisecond) // A real connection knows no other clock.
	if health(c) != http.StatusOK {
		t.Error("it was closed as a client's is")
	}
	if !closed(c) {
		t.Error("the connection stays open")
	}
}

// TestHeaderBytes sends headers without end.
func TestHeaderBytes(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits.HeaderBytes = 8 << 10 })
	s.send("GET", "/healthz", "", nil, "X-Large", strings.Repeat("x", 6<<10)).is(200, "")
	// The answer may be lost with what was not read any more.
	refused := func(c net.Conn) {
		if code := status(c); code != http.StatusRequestHeaderFieldsTooLarge && code != 0 {
			t.Errorf("status %d", code)
		}
	}
	for _, large := range []string{"/healthz?" + strings.Repeat("x", 16<<10) + " HTTP/1.1\r\n", "/healthz HTTP/1.1\r\nX-Large: " + strings.Repeat("x", 16<<10)} {
		c := s.dial()
		says(t, c, "GET "+large+"\r\nHost: x\r\n\r\n")
		refused(c)
	}
	c := s.dial()
	says(t, c, "GET /healthz HTTP/1.1\r\nHost: x\r\n")
	go func() {
		for range 10_000 { // Until the server has had enough.
			if _, err := io.WriteString(c, "X-Y: "+strings.Repeat("z", 100)+"\r\n"); err != nil {
				return
			}
		}
	}()
	refused(c)
}

// TestSlowBody announces a photo and does not send it, or only in drops.
func TestSlowBody(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) {
		c.Limits.ReadTime, c.Limits.ReadRate = 100*time.Millisecond, 1<<20
	})
	head := "POST " + classifyPath + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
	t.Run("nothing", func(t *testing.T) {
		c := s.dial()
		says(t, c, head+"Content-Length: 1000\r\n\r\n")
		if code := status(c); code != http.StatusRequestTimeout {
			t.Errorf("status %d", code)
		}
		if !closed(c) {
			t.Error("the connection stays open")
		}
	})
	for name, rest := range map[string]string{"drops": "Content-Length: 1000000\r\n\r\n", "chunks": "Transfer-Encoding: chunked\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			c := s.dial()
			says(t, c, head+rest)
			done := make(chan struct{})
			go func() {
				defer close(done)
				drop := time.NewTicker(10 * time.Millisecond)
				defer drop.Stop()
				for range drop.C {
					text := "x"
					if name == "chunks" {
						text = "1\r\nx\r\n"
					}
					if _, err := io.WriteString(c, text); err != nil {
						return
					}
				}
			}()
			if code := status(c); code != http.StatusRequestTimeout {
				t.Errorf("status %d", code)
			}
			_ = c.Close() // So that the drops end.
			<-done
		})
	}
	t.Run("a form", func(t *testing.T) {
		c := s.dial()
		says(t, c, "POST "+classifyPath+" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n--x\r\n")
		if code := status(c); code != http.StatusRequestTimeout {
			t.Errorf("status %d", code)
		}
	})
	t.Run("a document", func(t *testing.T) {
		c := s.dial()
		says(t, c, "POST /v1/models/flowers:predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{\"instances\":")
		if code := status(c); code != http.StatusRequestTimeout {
			t.Errorf("status %d", code)
		}
	})
	for name, request := range map[string]struct {
		head   string
		status int
	}{
		"nothing there": {"POST /api/v1/nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n", http.StatusNotFound},
		"no such page":  {"POST /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n", http.StatusNotFound},
		"no such verb":  {"PUT /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n", http.StatusMethodNotAllowed},
		"another site":  {head + "Origin: https://evil.example\r\n", http.StatusForbidden},
		"too often":     {head, http.StatusTooManyRequests},
	} {
		t.Run(name, func(t *testing.T) { // Nobody reads these, either.
			s := s
			if request.status == http.StatusTooManyRequests {
				s = newStand(t, func(c *Config, _ *serve.Config) {
					c.Limits.ReadTime, c.Limits.Rate, c.Limits.Burst = 100*time.Millisecond, 1e-3, 1
				})
				s.send("GET", "/healthz", "", nil).is(http.StatusOK, "")
			}
			c := s.dial()
			says(t, c, request.head+"Content-Length: 1000\r\n\r\n")
			if code := status(c); code != request.status {
				t.Errorf("status %d", code)
			}
			if !closed(c) {
				t.Error("the connection stays open")
			}
		})
	}
	t.Run("drops after a flood", func(t *testing.T) {
		s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits.ReadTime = 100 * time.Millisecond })
		c := s.dial()
		says(t, c, head+"Content-Length: 2000000\r\n\r\n"+strings.Repeat("x", 1_000_000))
		done := make(chan struct{})
		go func() {
			defer close(done)
			drop := time.NewTicker(10 * time.Millisecond)
			defer drop.Stop()
			for range drop.C {
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
			}
		}()
		if code := status(c); code != http.StatusRequestTimeout {
			t.Errorf("status %d", code)
		}
		_ = c.Close()
		<-done
	})
	t.Run("without a password", func(t *testing.T) { // What nobody reads is not waited for, either.
		c := s.dial()
		says(t, c, "POST /api/v1/trainings HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n")
		if code := status(c); code != http.StatusForbidden {
			t.Errorf("status %d", code)
		}
		if !closed(c) {
			t.Error("the connection stays open")
		}
	})
}

// TestSteadyBody sends a photo more slowly than a read may take, but steadily; then the engine takes longer than that.
func TestSteadyBody(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits.ReadTime, c.Limits.ReadRate = 200*time.Millisecond, 1 })
	s.engine.do(func(ctx context.Context, _ []picture.Encoded) error {
		select {
		case <-time.After(300 * time.Millisecond):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	rose := picturetest.JPEG(0, 1, 32, 24)
	read, write := io.Pipe()
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for i := range 10 {
			if _, err := write.Write(rose[i*len(rose)/10 : (i+1)*len(rose)/10]); err != nil {
				return
			}
			<-tick.C
		}
		_ = write.Close()
	}()
	s.send("POST", classifyPath, "image/jpeg", read).is(200, "")
}

// TestTruncatedUpload ends a request in the middle: nothing is classified, nothing is kept, nothing is held.
func TestTruncatedUpload(t *testing.T) {
	s := newStand(t, nil)
	asked := make(chan struct{}, 1)
	s.engine.do(func(context.Context, []picture.Encoded) error {
		asked <- struct{}{}
		return nil
	})
	rose := string(picturetest.JPEG(0, 1, 32, 24))
	kind, form := sending(t, "a.jpg", rose)
	for what, request := range map[string]string{
		"a photo": "Content-Type: image/jpeg\r\nContent-Length: 100000\r\n\r\n" + rose,
		"a form":  fmt.Sprintf("Content-Type: %s\r\nContent-Length: 100000\r\n\r\n%s", kind, form.String()[:form.Len()-10]),
		"chunks":  fmt.Sprintf("Content-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(rose)+1, rose),
	} {
		c, ok := s.dial().(*net.TCPConn)
		if !ok {
			t.Fatal("no TCP")
		}
		says(t, c, "POST "+classifyPath+" HTTP/1.1\r\nHost: 127.0.0.1\r\n"+request)
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if code := status(c); code != http.StatusBadRequest && code != 0 {
			t.Errorf("%s: status %d", what, code)
		}
	}
	select {
	case <-asked:
		t.Error("half a photo was classified")
	default:
	}
	if left := s.server.memory.left; left != DefaultLimits().InFlight {
		t.Errorf("%d bytes of the budget were not given back", DefaultLimits().InFlight-left)
	}
}

// TestConnections opens more than may be open.
func TestConnections(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) {
		c.Local, c.Limits.ClientConnections, c.PublicClassify = false, 3, true
	})
	var open []net.Conn
	for range 3 {
		c := s.dial()
		if code := health(c); code != http.StatusOK {
			t.Fatalf("status %d", code)
		}
		open = append(open, c)
	}
	if code := health(s.dial()); code != 0 {
		t.Errorf("a fourth connection is answered with %d", code)
	}
	if health(open[0]) != http.StatusOK {
		t.Error("those that are open do not work any more")
	}
	if err := open[1].Close(); err != nil {
		t.Fatal(err)
	}
	// The server sees the end a little later.
	for again := time.NewTicker(5 * time.Millisecond); ; <-again.C {
		if health(s.dial()) == http.StatusOK {
			again.Stop()
			break
		}
	}
}

// health asks on a connection that may be closed already.
func health(c net.Conn) int {
	_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	return status(c)
}

// TestAllConnections opens more than the server takes at all: the others wait for their turn.
func TestAllConnections(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits.Connections = 2 })
	first, second := s.dial(), s.dial()
	if health(first) != http.StatusOK || health(second) != http.StatusOK {
		t.Fatal("not even two are taken")
	}
	// Those that are idle make room.
	third := s.dial()
	if health(third) != http.StatusOK || !closed(first) || health(second) != http.StatusOK {
		t.Fatal("the one that was idle the longest did not make room")
	}
	working, release := make(chan struct{}, 2), make(chan struct{})
	s.engine.do(func(context.Context, []picture.Encoded) error {
		working <- struct{}{}
		<-release
		return nil
	})
	rose := picturetest.JPEG(0, 1, 16, 16)
	busy := []net.Conn{second, third}
	for _, c := range busy {
		says(t, c, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s", classifyPath, len(rose), rose))
		<-working
	}
	fourth := s.dial()
	answered := make(chan int, 1)
	go func() { answered <- health(fourth) }()
	select {
	case code := <-answered:
		t.Fatalf("another is answered with %d while all are busy", code)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	for _, c := range busy {
		if code := status(c); code != http.StatusOK {
			t.Errorf("status %d", code)
		}
	}
	if code := <-answered; code != http.StatusOK {
		t.Errorf("the one that waited: %d", code)
	}
}

// TestSlowReader asks for much and reads nothing: the server gives up.
func TestSlowReader(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits.WriteTime = 50 * time.Millisecond })
	ended := make(chan error, 1)
	handler := s.server.observed(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 64<<10)
		for {
			if _, err := w.Write(block); err != nil {
				ended <- err
				return
			}
		}
	}))
	server := httptest.NewServer(handler)
	defer server.Close()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // It may be closed already.
	says(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case err := <-ended:
		if timeout, ok := err.(net.Error); !ok || !timeout.Timeout() { //nolint:errorlint // A connection gives that very type.
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the server writes for ever")
	}
}

// TestSlowAnswer begins an answer and takes longer to end it than a write may take.
func TestSlowAnswer(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits.WriteTime = 50 * time.Millisecond })
	server := httptest.NewServer(s.server.observed(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "begun")  // The client sees whether it came.
		time.Sleep(100 * time.Millisecond) // A real connection knows no other clock.
	})))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // It is read to its end.
	if text, err := io.ReadAll(answer.Body); string(text) != "begun" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// TestPathGames asks for what is not there in devious ways.
func TestPathGames(t *testing.T) {
	s := newStand(t, nil)
	for _, path := range []string{
		"/../../etc/passwd", "/assets/../../../etc/passwd", "/assets/..%2f..%2fetc%2fpasswd", "/assets/%2e%2e/openapi.json", "/assets/", "/assets/.",
		"/assets/%00", "/assets/style.css%00.html", "//etc/passwd", "/api/v1/datasets/..%2f..", "/v1/models/..%2fflowers", "/v1/models/%2e%2e", "/.git/config",
		"/v1/models/flowers/versions/../../trees", "/v1/models/flowers%00", "/v1/models/" + strings.Repeat("x", 5000), "/healthz/", "/healthz/..%5c", "/%ff%fe", "/*",
	} {
		c := s.dial()
		says(t, c, "GET "+path+" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
		answer, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
		line, _, _ := strings.Cut(string(head), "\r\n")
		if code := strings.Fields(line)[1]; code[0] != '4' && code[0] != '3' {
			t.Errorf("%.60s: %s", path, line)
		}
		if bytes.Contains(body, []byte("root:")) || len(body) > 20_000 {
			t.Errorf("%.60s: %.200s", path, body)
		}
	}
	for _, raw := range []string{
		"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /healthz\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET /healthz HTTP/1.1\r\n\r\n",
		"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
	} {
		c := s.dial()
		says(t, c, raw)
		if code := status(c); code == http.StatusOK {
			t.Errorf("%q is taken", raw)
		}
	}
	s.send("PUT", "/healthz", "", nil).is(405, "")
	s.send("DELETE", "/api/v1/classify", "", nil).is(405, "method")
	s.send("GET", "/api/v1/nothing", "", nil).is(404, "not_found")
}

// TestDrain stops the server while a photo is classified: it is not ready any more, finishes that, and ends.
func TestDrain(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) { c.DrainDelay = 200 * time.Millisecond })
	working, release := make(chan struct{}), make(chan struct{})
	s.engine.do(func(context.Context, []picture.Encoded) error {
		close(working)
		<-release
		return nil
	})
	first := make(chan heard, 1)
	go func() {
		first <- s.send("POST", classifyPath, "image/jpeg", bytes.NewReader(picturetest.JPEG(0, 1, 16, 16)))
	}()
	<-working
	s.send("GET", "/readyz", "", nil).is(200, "")
	s.stop()
	<-s.server.stopping
	s.send("GET", "/readyz", "", nil).is(503, "").retries() // It still answers.
	s.send("GET", "/healthz", "", nil).is(200, "")
	// Then it takes no connections any more.
	for again := time.NewTicker(5 * time.Millisecond); ; <-again.C {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.addr)
		if err != nil {
			again.Stop()
			break
		}
		_ = c.Close()
	}
	select {
	case err := <-s.ended:
		t.Fatalf("it ended before its work: %v", err)
	default:
	}
	close(release)
	(<-first).is(200, "")
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	s.ended <- nil
}

// TestStopTime stops a server whose work does not end: that is broken off.
func TestStopTime(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits.StopTime = 50 * time.Millisecond })
	working := make(chan struct{})
	s.engine.do(func(ctx context.Context, _ []picture.Encoded) error {
		close(working)
		<-ctx.Done()
		return ctx.Err()
	})
	c := s.dial()
	rose := picturetest.JPEG(0, 1, 16, 16)
	says(t, c, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s", classifyPath, len(rose), rose))
	<-working
	s.stop()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	s.ended <- nil
	if code := status(c); code != http.StatusServiceUnavailable && code != 0 {
		t.Errorf("status %d", code)
	}
}

// TestRefusedLargeUpload sends more than is taken, or without a password, with clients that look for an answer only when they
// have sent all: they get it.
func TestRefusedLargeUpload(t *testing.T) {
	auth, _ := authOf(t, "me", "secret")
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Auth, c.Limits.Body = auth, 1<<20 })
	large := bytes.Repeat([]byte(" "), 8<<20)
	for _, c := range []struct {
		what, head string
		status     int
	}{
		{"too much", "POST " + classifyPath, http.StatusRequestEntityTooLarge},
		{"too much for TensorFlow Serving", "POST /v1/models/flowers:predict", http.StatusRequestEntityTooLarge},
		{"without a password", "POST /api/v1/datasets/x/archive", http.StatusUnauthorized},
	} {
		for _, close := range []string{"", "Connection: close\r\n"} {
			for _, length := range []string{fmt.Sprintf("Content-Length: %d\r\n\r\n", len(large)), "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n", len(large))} {
				conn := s.dial()
				says(t, conn, c.head+" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"+close+length)
				if _, err := conn.Write(large); err != nil {
					t.Errorf("%s, %q: %v", c.what, close, err)
				}
				if code := status(conn); code != c.status {
					t.Errorf("%s, %q: %d", c.what, close, code)
				}
			}
		}
	}
	// Who sends nothing is not waited for, and neither is who wants to be told first.
	began := time.Now()
	conn := s.dial()
	says(t, conn, "POST /api/v1/datasets/x/archive HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
	if code := status(conn); code != http.StatusUnauthorized || !closed(conn) || time.Since(began) > lingerTime/2 {
		t.Errorf("%d after %v", code, time.Since(began))
	}
	if !strings.Contains(s.log.String(), `"status":401`) {
		t.Error("it is not in the log")
	}
}
