package app

import (
	"archive/tar"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"mime/multipart"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kaika/core/classify"
	"kaika/core/trained"
)

// served is kaika --headless at work.
type served struct {
	*running

	url string
}

// serve starts the server with a model, if it is not "", and waits until it is ready.
func (u *user) serve(model string, args ...string) *served {
	u.Helper()
	args = append([]string{"--headless", "--addr", "127.0.0.1:0"}, args...)
	if model != "" {
		args = append(args, "--model", "flowers="+model)
	}
	s := &served{running: u.start(args...)}
	s.until(`"msg":"listening"`)
	for line := range strings.Lines(s.said()) {
		var said struct{ Msg, Address string }
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			u.Fatalf("the log is not JSON: %q", line)
		}
		if said.Msg == "listening" {
			s.url = said.Address
		}
	}
	if model != "" {
		s.until(`"msg":"ready"`)
	}
	return s
}

// asked is an answer of the server.
type asked struct {
	status int
	header http.Header
	body   string
}

// send sends a request and gives the answer, or why there is none.
func (s *served) send(client *http.Client, method, path, kind string, body io.Reader) (asked, error) {
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, body)
	if err != nil {
		return asked{}, err
	}
	r.Header.Set("Content-Type", kind)
	r.SetBasicAuth("me", "secret")
	answer, err := client.Do(r)
	if err != nil {
		return asked{}, err
	}
	defer answer.Body.Close() //nolint:errcheck // It is read to its end.
	text, err := io.ReadAll(answer.Body)
	return asked{answer.StatusCode, answer.Header, string(text)}, err
}

// gets sends a request that must be answered with a status.
func (s *served) gets(status int, method, path, kind string, body io.Reader) asked {
	s.Helper()
	a, err := s.send(http.DefaultClient, method, path, kind, body)
	if err != nil || a.status != status {
		s.Fatalf("%s %s: %d instead of %d: %s, %v\n%s", method, path, a.status, status, a.body, err, s.said())
	}
	return a
}

func understood[T any](t testing.TB, a asked) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

// formOf makes a form of the files at paths.
func formOf(t testing.TB, paths ...string) (kind string, body *bytes.Buffer) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for _, path := range paths {
		part, err := w.CreateFormFile("photos", filepath.Base(path))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(read(t, path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), body
}

// stops asks the server to stop, and waits until it has.
func (s *served) stops() answer {
	s.Helper()
	s.signal(syscall.SIGTERM)
	return s.wait().ends(exitDone)
}

// TestHeadless asks over HTTP for what kaika classify answers: the answers are the same, in each form.
func TestHeadless(t *testing.T) {
	t.Parallel()
	model, images := sharedModel(t)
	u := newUser(t)
	dir := t.TempDir()
	var photos []string
	for name, c := range kinds() {
		photos = append(photos, write(t, c.data, dir, name))
	}
	found, err := filepath.Glob(filepath.Join(images, "*", "*.jpg"))
	if err != nil || len(found) < 20 {
		t.Fatal(found, err)
	}
	photos = append(photos, found[:20]...)
	want := parse[[]classify.Answer](u.kaika(append([]string{"classify", "--model", model, "--json"}, photos...)...).ends(exitFailed))

	s := u.serve(model)
	kind, form := formOf(t, photos...)
	got := understood[[]classify.Answer](t, s.gets(200, "POST", "/api/v1/classify", kind, form))
	if len(got) != len(want) {
		t.Fatalf("%d answers instead of %d", len(got), len(want))
	}
	var good [][]byte
	for i := range want {
		want[i].File = filepath.Base(want[i].File)
		want[i].File = want[i].File[strings.LastIndexByte(want[i].File, '\\')+1:] // It may be a folder's end on the client's system.
		same := got[i].File == want[i].File && got[i].Unknown == want[i].Unknown && len(got[i].Predictions) == len(want[i].Predictions) &&
			(got[i].Error == nil) == (want[i].Error == nil) && (got[i].Error == nil || *got[i].Error == *want[i].Error)
		for k := range want[i].Predictions {
			// Photos are computed together with others, which changes the last bits.
			same = same && got[i].Predictions[k].Label == want[i].Predictions[k].Label &&
				abs(got[i].Predictions[k].Score-want[i].Predictions[k].Score) < 1e-5
		}
		if !same {
			t.Errorf("%+v instead of %+v", got[i], want[i])
		}
		if want[i].Error == nil {
			good = append(good, read(t, photos[i]))
		}
	}

	folder, err := trained.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for i, data := range good {
		rows = append(rows, fmt.Sprintf(`{"key":"%d","image_bytes":{"b64":%q}}`, i, base64.StdEncoding.EncodeToString(data)))
	}
	predicted := understood[struct {
		Predictions []struct {
			Scores     []float32
			Prediction int
			Key        string
		}
	}](t, s.gets(200, "POST", "/v1/models/flowers:predict", "application/json", strings.NewReader(`{"instances":[`+strings.Join(rows, ",")+`]}`))).Predictions
	i := 0
	for _, a := range want {
		if a.Error != nil {
			continue
		}
		p := predicted[i]
		for k, label := range folder.Labels {
			if d := abs(p.Scores[k] - float32(scores(a)[label])); d > 1e-5 {
				t.Errorf("%s: the score of %s is off by %v", a.File, label, d)
			}
		}
		if p.Key != strconv.Itoa(i) || folder.Labels[p.Prediction] != a.Predictions[0].Label {
			t.Errorf("%s: %+v", a.File, p)
		}
		i++
	}
	s.gets(200, "GET", "/", "", nil)
	if a := s.gets(200, "GET", "/metrics", "", nil); !strings.Contains(a.body, "kaika_batch_photos_count") || !strings.Contains(a.body, "kaika_engine_restarts_total 0") {
		t.Errorf("%s", a.body)
	}
	log := s.stops().stderr
	for line := range strings.Lines(log) {
		if !json.Valid([]byte(line)) {
			t.Errorf("the log is not JSON: %q", line)
		}
	}
	if !strings.Contains(log, `"route":"POST /api/v1/classify","status":200`) {
		t.Errorf("%s", log)
	}
}

func abs(x float32) float32 { return max(x, -x) }

// TestHeadlessFromNothing starts without a model, sends photos, trains, and uses the model; the next start has it again.
func TestHeadlessFromNothing(t *testing.T) {
	t.Parallel()
	_, images := sharedModel(t)
	u := newUser(t)
	auth := write(t, []byte(u.kaikaReading(strings.NewReader("secret\n"), "--hash_password", "me").ends(exitDone).stdout), t.TempDir(), "auth")
	port := freePort(t)
	start := func() *served {
		s := &served{running: u.start("--headless", "--addr", "127.0.0.1:"+port, "--auth_file", auth), url: "http://127.0.0.1:" + port}
		s.until(`"msg":"listening"`)
		return s
	}
	s := start()
	s.until("there is no model yet")
	s.gets(503, "GET", "/readyz", "", nil)
	s.gets(200, "GET", "/healthz", "", nil)
	rose := read(t, aRose(t))
	if a := s.gets(503, "POST", "/api/v1/classify", "image/jpeg", bytes.NewReader(rose)); !strings.Contains(a.body, "there is no model yet") || a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.AddFS(os.DirFS(images)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s.gets(201, "POST", "/api/v1/datasets/garden/archive", "application/x-tar", &archive)
	s.gets(202, "POST", "/api/v1/trainings", "application/json", strings.NewReader(`{"dataset":"garden","input_size":64,"how_many_training_steps":40}`))
	events := s.gets(200, "GET", "/api/v1/trainings/current/events", "", nil).body // To the end.
	if !strings.Contains(events, "train_accuracy") || !strings.Contains(events, "event: done") {
		t.Fatalf("%s", events)
	}
	runs := understood[struct{ Runs []struct{ ID string } }](t, s.gets(200, "GET", "/api/v1/runs", "", nil)).Runs
	s.gets(200, "POST", "/api/v1/models/garden/activate", "application/json", strings.NewReader(`{"run":"`+runs[0].ID+`"}`))
	s.gets(200, "GET", "/readyz", "", nil)
	sees := func() {
		t.Helper()
		if a := understood[[]classify.Answer](t, s.gets(200, "POST", "/api/v1/classify", "image/jpeg", bytes.NewReader(rose))); a[0].Predictions[0].Label != "rose" {
			t.Errorf("%+v", a)
		}
	}
	sees()
	s.stops()
	s = start()
	eventually(t, "the model is served again", func() bool {
		a, err := s.send(http.DefaultClient, "GET", "/readyz", "", nil)
		return err == nil && a.status == 200
	})
	sees()
	s.stops()
}

// freePort gives a port that nobody listens at.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

// TestHeadlessStops asks for the end, in both ways, while photos are on their way in: they are answered.
func TestHeadlessStops(t *testing.T) {
	t.Parallel()
	model, images := sharedModel(t)
	u := newUser(t)
	all, err := filepath.Glob(filepath.Join(images, "*", "*.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		s := u.serve(model)
		kind, form := formOf(t, all...)
		half := form.Len() / 2
		body, feed := io.Pipe()
		answered := make(chan asked, 1)
		go func() {
			a, err := s.send(http.DefaultClient, "POST", "/api/v1/classify", kind, body)
			if err != nil {
				a.body = err.Error()
			}
			answered <- a
		}()
		if _, err := feed.Write(form.Next(half)); err != nil {
			t.Fatal(err)
		}
		s.signal(signal)
		s.until("what is in hand is finished")
		if _, err := feed.Write(form.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := feed.Close(); err != nil {
			t.Fatal(err)
		}
		if a := <-answered; a.status != 200 || len(understood[[]classify.Answer](t, a)) != len(all) {
			t.Errorf("%v: %+v", signal, a)
		}
		s.wait().ends(exitDone)
	}
}

// TestHeadlessRescans copies a model into the folder of another while that is served, and sends SIGHUP.
func TestHeadlessRescans(t *testing.T) {
	t.Parallel()
	model, _ := sharedModel(t)
	folder := t.TempDir()
	first, second := filepath.Join(folder, "1"), filepath.Join(folder, "2")
	if err := os.CopyFS(first, os.DirFS(model)); err != nil {
		t.Fatal(err)
	}
	s := newUser(t).serve(folder)
	if err := os.Mkdir(second, 0o755); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.until(`a new version of a model cannot be used`)
	s.gets(200, "GET", "/readyz", "", nil)
	if err := os.CopyFS(second, os.DirFS(model)); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.until(`"msg":"a version of a model was activated"`)
	if a := s.gets(200, "GET", "/v1/models/flowers/metadata", "", nil); !strings.Contains(a.body, `"version":"2"`) {
		t.Errorf("%s", a.body)
	}
	s.stops()
}

// TestHeadlessTellsSystemd plays systemd.
func TestHeadlessTellsSystemd(t *testing.T) {
	t.Parallel()
	model, _ := sharedModel(t)
	u := newUser(t)
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close() //nolint:errcheck // Nothing is written.
	if err := socket.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	u.env = []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=100000"}
	next := func() string {
		buffer := make([]byte, 100)
		n, err := socket.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return string(buffer[:n])
	}
	s := u.start("--headless", "--addr", "127.0.0.1:0", "--model", model)
	for loading, ready, alive := false, false, 0; !loading || !ready || alive < 3; {
		switch said := next(); said {
		case "EXTEND_TIMEOUT_USEC=60000000":
			loading = true
			if ready {
				t.Error("it asks for more time after it was ready")
			}
		case "READY=1":
			ready = true
		case "WATCHDOG=1":
			alive++
		default:
			t.Fatalf("it says %q", said)
		}
	}
	s.signal(syscall.SIGTERM)
	for next() != "STOPPING=1" {
		continue
	}
	s.wait().ends(exitDone)
}

// certificate writes a new certificate and its key, and gives its serial number.
func certificate(t testing.TB, cert, key string) *big.Int {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), cert)
	write(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), key)
	return serial
}

// TestHeadlessTLS serves over HTTPS, with HTTP/2.
func TestHeadlessTLS(t *testing.T) {
	t.Parallel()
	model, _ := sharedModel(t)
	u := newUser(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate(t, cert, key)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(read(t, cert))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	s := u.serve(model, "--tls_cert", cert, "--tls_key", key)
	if !strings.HasPrefix(s.url, "https://") {
		t.Fatalf("it listens at %s", s.url)
	}
	a, err := s.send(client, "POST", "/api/v1/classify", "image/jpeg", bytes.NewReader(read(t, aRose(t))))
	if err != nil || understood[[]classify.Answer](t, a)[0].Predictions[0].Label != "rose" {
		t.Errorf("%+v, %v", a, err)
	}
	client.CloseIdleConnections()
	s.stops()
}

// TestCertificateIsReadAgain replaces the files of a certificate, one after the other.
func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	first := certificate(t, cert, key)
	c := &certificateFiles{cert: cert, key: key, log: slog.New(slog.DiscardHandler)}
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	serial := func() *big.Int {
		t.Helper()
		c.looked = time.Time{}
		got, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Leaf.SerialNumber
	}
	if serial().Cmp(first) != 0 {
		t.Error("it is another certificate")
	}
	newCert, newKey := filepath.Join(dir, "new-cert.pem"), filepath.Join(dir, "new-key.pem")
	second := certificate(t, newCert, newKey)
	if err := os.Rename(newCert, cert); err != nil {
		t.Fatal(err)
	}
	if serial().Cmp(first) != 0 {
		t.Error("a certificate is used without its key")
	}
	if err := os.Rename(newKey, key); err != nil {
		t.Fatal(err)
	}
	if serial().Cmp(second) != 0 {
		t.Error("the new certificate is not used")
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if serial().Cmp(second) != 0 {
		t.Error("without files, the certificate is gone")
	}
}

// TestHeadlessUsage calls the server in wrong ways.
func TestHeadlessUsage(t *testing.T) {
	auth := write(t, []byte("me:secret\n"), t.TempDir(), "auth")
	for _, c := range []struct {
		args  string
		code  int
		words string
	}{
		{"--addr :80", exitUsage, "addr goes with --headless only"},
		{"--model x", exitUsage, "model goes with --headless only"},
		{"--public_classify", exitUsage, "public_classify goes with --headless only"},
		{"retrain --headless", exitUsage, "unknown flag: --headless"},
		{"--headless photos", exitUsage, `there is no command "photos"`},
		{"--headless --addr :0", exitUsage, ":0 can be reached from other machines: give --auth_file for those who may use it, or --public_classify"},
		{"--headless --addr 0.0.0.0:0", exitUsage, "--auth_file"},
		{"--headless --addr [::]:0", exitUsage, "--auth_file"},
		{"--headless --addr example.org:0", exitUsage, "--auth_file"},
		{"--headless --addr 8080", exitUsage, "addr must be HOST:PORT"},
		{"--headless --addr 127.0.0.1:http", exitUsage, "port"},
		{"--headless --addr 127.0.0.1:70000", exitUsage, "port"},
		{"--headless --tls_cert x", exitUsage, "tls_cert and tls_key go together"},
		{"--headless --tls_cert x --tls_key y", exitFailed, "reading the certificate"},
		{"--headless --rate -1", exitUsage, "rate must be 0"},
		{"--headless --queue 0", exitUsage, "queue must be 1"},
		{"--headless --precision half", exitUsage, "precision must be float32 or bfloat16"},
		{"--headless --drain_delay -1s", exitUsage, "drain_delay must be 0"},
		{"--headless --trusted_proxies here", exitUsage, "trusted_proxies must be networks"},
		{"--headless --auth_file nowhere", exitFailed, "reading the file of passwords"},
		{"--headless --auth_file " + auth, exitFailed, "line 1 has no bcrypt hash"},
		{"--headless --addr 192.0.2.1:0 --public_classify", exitFailed, "Another address is chosen by --addr"},
		{"--headless --addr 127.0.0.1:0 --model a/x --model b/x", exitUsage, `two models would be served as "x"`},
		{"--headless --addr 127.0.0.1:0 --model .x=y", exitUsage, "NAME=FOLDER"},
		{"--headless --addr 127.0.0.1:0 --model nowhere", exitFailed, "nowhere"},
		{"--hash_password a:b", exitUsage, "no colon"},
		{"--hash_password a", exitUsage, "an empty password"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), strings.Fields(c.args), strings.NewReader(""), &stdout, &stderr)
		if code != c.code || stdout.Len() > 0 || !strings.Contains(stderr.String(), c.words) {
			t.Errorf("kaika %s: exit code %d\n%s%s", c.args, code, &stdout, &stderr)
		}
		if logged := strings.Contains(stderr.String(), `"msg":"the server ends"`); !logged && c.code == exitFailed {
			t.Errorf("kaika %s: why it ended is not in the log\n%s", c.args, &stderr)
		}
	}
}

func TestNamedModels(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "a=b")
	if err := os.Mkdir(odd, 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := namedModels([]string{"x=" + dir, "some/where/trees/", "x=other", odd, "../a=b/c"})
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, m := range got {
		words = append(words, m.name+":"+strconv.Itoa(len(m.dirs)))
	}
	if !slices.Equal(words, []string{"x:2", "trees:1", "a=b:1", "c:1"}) || got[0].dirs[1] != "other" || got[2].dirs[0] != odd {
		t.Errorf("%v", got)
	}
}

func TestProxies(t *testing.T) {
	got, err := proxies([]string{"10.1.2.3/8", "192.0.2.7", "fd00::/8"})
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("fd00::/8")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestHashPassword makes lines of passwords that come through a pipe.
func TestHashPassword(t *testing.T) {
	for _, typed := range []string{"secret", "secret\n", "secret\r\nmore\n"} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), []string{"--hash-password", "me"}, strings.NewReader(typed), &stdout, &stderr); code != exitDone || !strings.HasPrefix(stdout.String(), "me:$2a$") {
			t.Errorf("%q: %d, %s%s", typed, code, &stdout, &stderr)
		}
	}
}
