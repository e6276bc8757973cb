package fetch

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	maxTries     = 5
	firstWait    = 500 * time.Millisecond // doubles with each failure in a row
	maxRedirects = 5
	pieceSize    = 128 << 10
)

// download is a Request at work. It owns the part: the file is open and locked.
type download struct {
	Request
	part  *os.File
	size  int64 // bytes of the part that are there and belong to state
	state state
}

// state says which version of which file the part is a piece of.
type state struct {
	URL       string `json:"url"`
	Validator string `json:"validator"` // a strong ETag, or a Last-Modified date; empty when the server gave neither
}

// permanentError is one that another try would not mend.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

func permanent(format string, args ...any) error {
	return permanentError{fmt.Errorf(format, args...)}
}

// open takes up the part that an earlier run left, if it is known what it is a piece of.
func (d *download) open() error {
	info, err := d.part.Stat()
	if err != nil {
		return err
	}
	d.size = info.Size()
	text, err := os.ReadFile(d.statePath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var s state
	if json.Unmarshal(text, &s) != nil || s.URL != d.URL || s.Validator == "" || d.tooLarge(d.size) {
		return d.restart(state{})
	}
	d.state = s
	return nil
}

// restart empties the part, which from now on is a piece of what s describes.
func (d *download) restart(s state) error {
	if d.size > 0 {
		if err := d.part.Truncate(0); err != nil {
			return err
		}
	}
	d.size, d.state = 0, s
	if s.Validator == "" {
		return removeIfThere(d.statePath())
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	// Torn by a crash it does not parse, and the download starts anew: no need for a rename. The address may hold a password.
	return os.WriteFile(d.statePath(), text, 0o600)
}

// resumable says whether there is something to go on from.
func (d *download) resumable() bool { return d.size > 0 && d.state.Validator != "" }

// remove takes the part away.
func (d *download) remove() error {
	return errors.Join(removeIfThere(d.partPath()), removeIfThere(d.statePath()))
}

// refuse empties the part because what the server has is not what is wanted, and makes the error permanent.
func (d *download) refuse(err error) error {
	return permanentError{errors.Join(err, d.restart(state{}))}
}

// run tries until the part is complete.
func (d *download) run(ctx context.Context) error {
	furthest := d.size
	for failures := 0; ; {
		err := d.try(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !passing(err) {
			return err
		}
		failures++
		if d.size > furthest {
			furthest, failures = d.size, 0
		}
		if failures == maxTries {
			return fmt.Errorf("%w (%d tries in a row brought nothing new)", err, maxTries)
		}
		if err := d.Wait(ctx, firstWait<<max(failures-1, 0)); err != nil {
			return err
		}
	}
}

// passing says whether a failed try is worth another.
func passing(err error) bool {
	var never permanentError
	var certificate *tls.CertificateVerificationError
	var lookup *net.DNSError
	switch {
	case errors.As(err, &never), errors.As(err, &certificate):
		return false
	case errors.As(err, &lookup):
		return !lookup.IsNotFound
	}
	return true
}

// try asks the server once for what is missing.
func (d *download) try(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(d.IdleTimeout, func() {
		cancel(fmt.Errorf("the server sent nothing for %v", d.IdleTimeout))
	})
	defer idle.Stop()

	resp, err := d.ask(ctx)
	if err != nil {
		return whyEnded(ctx, err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	total, err := d.judge(resp)
	if err != nil {
		return err
	}
	if total >= 0 && d.size == total { // also the answer 416 to a part that was complete
		return nil
	}

	if err := d.receive(ctx, resp.Body, total, idle); err != nil {
		return whyEnded(ctx, err)
	}
	return nil
}

// receive adds the body to the part, until the file is complete.
func (d *download) receive(ctx context.Context, body io.Reader, total int64, idle *time.Timer) error {
	piece := make([]byte, pieceSize)
	for {
		idle.Reset(d.IdleTimeout)
		n, err := body.Read(piece)
		idle.Stop() // a slow disk is not the server's silence
		if d.tooLarge(d.size + int64(n)) {
			return d.refuse(fmt.Errorf("%w: the server sends more than %d bytes", ErrTooLarge, d.limit()))
		}
		written, werr := d.part.WriteAt(piece[:n], d.size)
		d.size += int64(written)
		if werr != nil {
			return permanentError{werr}
		}
		d.progress(d.size, total)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		// What has arrived already can be read also when nobody waits for it any more.
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if total < 0 && d.Size > 0 {
		total = d.Size
	}
	switch {
	case d.size < total:
		return fmt.Errorf("the connection ended after %d of %d bytes", d.size, total)
	case total >= 0 && d.size > total:
		return d.refuse(fmt.Errorf("the server sent %d bytes and had announced %d", d.size, total))
	}
	return nil
}

// ask sends the request for what is missing.
func (d *download) ask(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL, http.NoBody)
	if err != nil {
		return nil, permanentError{err}
	}
	// Else the transport would ask for gzip and unpack it on the way, and the bytes would not be those of the digest.
	req.Header.Set("Accept-Encoding", "identity")
	if d.resumable() {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.size))
		req.Header.Set("If-Range", d.state.Validator)
	}
	return d.client().Do(req)
}

// client returns the caller's client with the redirects checked.
func (d *download) client() *http.Client {
	var c http.Client
	if d.Client != nil {
		c = *d.Client
	}
	callers := c.CheckRedirect
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		switch last := via[len(via)-1].URL; {
		case len(via) > maxRedirects:
			return permanent("the server redirects more than %d times", maxRedirects)
		case !isWeb(req.URL), last.Scheme == "https" && req.URL.Scheme == "http":
			return permanent("refused: the server redirects from %s to %s, which is not protected", last.Redacted(), req.URL.Redacted())
		case callers != nil:
			return callers(req, via)
		}
		return nil
	}
	return &c
}

// judge looks at the head of an answer and makes the part ready for its body. It returns the size of the whole file, -1 when
// the server does not say.
func (d *download) judge(resp *http.Response) (total int64, err error) {
	switch resp.StatusCode {
	case http.StatusOK:
		if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && kind == "text/html" {
			return 0, permanent("the server answered with a web page instead of the file; " +
				"if this network asks you to sign in, open a browser and do so, then run it again")
		}
		total = resp.ContentLength
		if err := d.restart(state{URL: d.URL, Validator: validator(resp.Header)}); err != nil {
			return 0, permanentError{err}
		}

	case http.StatusPartialContent:
		var start int64
		start, total, err = contentRange(resp.Header)
		// A server that overlooks If-Range would put the end of a new file behind the beginning of the old one.
		changed := validator(resp.Header) != "" && validator(resp.Header) != d.state.Validator
		if err != nil || !d.resumable() || start != d.size || changed {
			return 0, d.stale("the server sent another piece than the one asked for")
		}

	case http.StatusRequestedRangeNotSatisfiable:
		if total = unsatisfied(resp.Header); total < 0 {
			total = d.Size
		}
		if !d.resumable() || total != d.size {
			return 0, d.stale("the server does not have the piece that was asked for (416)")
		}

	default:
		return 0, badStatus(resp)
	}

	if total >= 0 && d.Size > 0 && total != d.Size {
		return 0, d.refuse(fmt.Errorf("%w: the server's file has %d bytes, expected were %d; "+
			"it was changed there, or something on the way replaces it", ErrDigest, total, d.Size))
	}
	if d.tooLarge(total) {
		return 0, d.refuse(fmt.Errorf("%w: the server's file has %d bytes, allowed are %d", ErrTooLarge, total, d.limit()))
	}
	return total, nil
}

// stale empties the part, so that the next try starts anew.
func (d *download) stale(why string) error {
	if err := d.restart(state{}); err != nil {
		return permanentError{err}
	}
	return errors.New(why)
}

// limit returns the most bytes to accept, 0 for no limit.
func (d *download) limit() int64 {
	if d.Size > 0 && (d.MaxBytes <= 0 || d.Size < d.MaxBytes) {
		return d.Size
	}
	return max(d.MaxBytes, 0)
}

func (d *download) tooLarge(n int64) bool { return d.limit() > 0 && n > d.limit() }

// finish checks the complete part and gives it its name. The digest is taken from the disk, so that it also covers what
// earlier runs wrote.
func (d *download) finish(ctx context.Context) (string, error) {
	if err := d.part.Sync(); err != nil {
		return "", err
	}
	digest, err := sum(ctx, io.NewSectionReader(d.part, 0, d.size))
	if err != nil {
		return "", err
	}
	if !d.expects(digest) {
		return "", d.refuse(fmt.Errorf("%w: its SHA-256 is %s, expected was %s; it was removed, run it again to load it anew, "+
			"and if this stays so, the file was changed on the server or something on the way replaces it",
			ErrDigest, digest, strings.ToLower(d.SHA256)))
	}
	if err := os.Rename(d.partPath(), d.Path); err != nil {
		return "", err
	}
	syncFolder(filepath.Dir(d.Path))
	_ = os.Remove(d.statePath()) // without a part it says nothing
	return digest, nil
}

// syncFolder makes a rename last through a power cut where the file system can do that; where it cannot, nothing is lost
// but the saved download.
func syncFolder(dir string) {
	if f, err := os.Open(dir); err == nil {
		_ = f.Sync()
		_ = f.Close()
	}
}

// whyEnded returns why a try ended: the server's silence when that was it, otherwise err without the address, which is named
// already.
func whyEnded(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && passing(err) {
		return cause
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// badStatus says in a sentence what an answer other than the file means.
func badStatus(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound, code == http.StatusGone:
		return permanent("the server has no such file (%s); check the address, it may have moved", resp.Status)
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusProxyAuthRequired:
		return permanent("the server refuses to give the file (%s); the address may need a sign-in, or this network may block it", resp.Status)
	case code == http.StatusTooManyRequests:
		return fmt.Errorf("the server asks for patience (%s); try again in some minutes", resp.Status)
	case code == http.StatusRequestTimeout, code >= http.StatusInternalServerError:
		return fmt.Errorf("the server is in trouble (%s); try again later", resp.Status)
	}
	return permanent("the server gave an unexpected answer (%s)", resp.Status)
}

// validator returns what If-Range can carry. A weak ETag does not promise the same bytes.
func validator(h http.Header) string {
	if tag := h.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return tag
	}
	return h.Get("Last-Modified")
}

// contentRange reads "bytes START-END/TOTAL", where TOTAL may be "*", which gives -1.
func contentRange(h http.Header) (start, total int64, err error) {
	var end int64
	var size string
	if _, err := fmt.Sscanf(h.Get("Content-Range"), "bytes %d-%d/%s", &start, &end, &size); err != nil {
		return 0, 0, fmt.Errorf("read Content-Range %q: %w", h.Get("Content-Range"), err)
	}
	if size == "*" {
		return start, -1, nil
	}
	total, err = strconv.ParseInt(size, 10, 64)
	if err == nil && (start < 0 || end < start || total <= end) {
		err = fmt.Errorf("read Content-Range %q: out of order", h.Get("Content-Range"))
	}
	return start, total, err
}

// unsatisfied reads the size out of the "bytes */TOTAL" of an answer 416, -1 when it is not there.
func unsatisfied(h http.Header) int64 {
	size, ok := strings.CutPrefix(h.Get("Content-Range"), "bytes */")
	if total, err := strconv.ParseInt(size, 10, 64); ok && err == nil && total >= 0 {
		return total
	}
	return -1
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
