package collect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Web says how a source goes about the network. The zero value is right for the real services.
type Web struct {
	Transport http.RoundTripper // Nil for Go's own, which goes through the proxy of the environment.
	Clock     Clock             // What is waited by between requests.
	Idle      time.Duration     // The longest silence of a server, 0 for 30 seconds. An answer may take ten times as long.
	Unpaced   bool              // Do not keep requests apart: for a server of one's own, never for a real service.
	Log       *slog.Logger      // Is told of each failed try; nil for none. Addresses in it have no query.
}

const (
	userAgent = "Kaika (collects photos for a classifier)"

	defaultIdle = 30 * time.Second
	maxTries    = 5
	firstWait   = time.Second      // Doubles with each failed try.
	longestWait = time.Minute      // Of our own; a server may ask for more,
	patience    = 10 * time.Minute // but not for more than this.
)

// A ServiceError says that a service cannot be used, at least not now. What has landed in the dataset stays, and another run
// goes on from there.
type ServiceError struct {
	Service    string        // Its name or its host.
	Status     int           // The HTTP status of the last answer, 0 where there was none or it was not the trouble.
	RetryAfter time.Duration // After which the service wants to be asked again; 0 where it did not say.
	Detail     string        // The rest of a sentence that begins with the service, with a way out.
	Err        error         // What the network said, or nil. It holds no address.
}

// Error returns service and detail as one sentence.
func (e *ServiceError) Error() string { return e.Service + " " + e.Detail }

// Unwrap returns Err.
func (e *ServiceError) Unwrap() error { return e.Err }

// passingError is one that another try may mend.
type passingError struct {
	error

	after time.Duration // The server asks for no other try before.
	slow  bool          // The server complains about the pace.
	tries int           // The most tries that make sense; 0 for maxTries.
}

func (e *passingError) Unwrap() error { return e.error }

// A query is something to get.
type query struct {
	service  string   // Whom the errors are about.
	address  *url.URL // What is in its query never gets into an error or the log.
	accept   string   // Content types.
	maxBytes int64
	pace     *pace
	// redirect says whether to follow a redirect, by its error; nil to follow none.
	redirect func(from, to *url.URL) error
	// check looks at a complete answer. A *passingError has it asked for again.
	check func(answer) error
}

// An answer is what a server sent with status 200.
type answer struct {
	from   *url.URL // After redirects.
	header http.Header
	body   []byte
}

// errTooLong says that a body has more bytes than allowed.
var errTooLong = errors.New("the answer is too long")

// get asks until there is a good answer, or another try would not help. The error is a *ServiceError, one of redirect or
// check, or wraps the context's.
func (w *Web) get(ctx context.Context, q query) (answer, error) {
	for try := 1; ; try++ {
		if !w.Unpaced {
			if err := w.pause(ctx, q.service, q.pace.turn(w.Clock.now())); err != nil {
				return answer{}, err
			}
		}
		a, err := w.once(ctx, q)
		if err == nil {
			q.pace.faster()
			return a, nil
		}
		if ctx.Err() != nil {
			return answer{}, fmt.Errorf("asking %s: %w", q.service, ctx.Err())
		}
		var passing *passingError
		if !errors.As(err, &passing) {
			return answer{}, err
		}
		last := maxTries
		if passing.tries > 0 {
			last = passing.tries
		}
		if passing.after > patience { // Nobody waits so long: neither this request nor the next one.
			return answer{}, passing.error
		}
		wait := max(backoff(try), passing.after)
		if passing.slow {
			q.pace.slower(w.Clock.now().Add(wait))
		}
		if try >= last {
			return answer{}, passing.error
		}
		w.log().Debug("trying again", "service", q.service, "path", q.address.Path, "try", try, "wait", wait, "error", passing.error)
		if err := w.pause(ctx, q.service, wait); err != nil {
			return answer{}, err
		}
	}
}

// pause lets a service alone for a while, and tells of it if that is so long that somebody would wonder.
func (w *Web) pause(ctx context.Context, service string, d time.Duration) error {
	const long = 5 * time.Second
	if tell, ok := ctx.Value(waiting{}).(func(string, time.Time)); ok && d >= long {
		tell(service, w.Clock.now().Add(d))
	}
	if err := w.Clock.sleep(ctx, d); err != nil {
		return fmt.Errorf("waiting for %s: %w", service, err)
	}
	return nil
}

// waiting is the key of the function, among the values of a context, that is told of long pauses.
type waiting struct{}

// withWaiting gives a context by whose requests tell is told of long pauses, as Collector.Waiting is.
func withWaiting(ctx context.Context, tell func(service string, until time.Time)) context.Context {
	if tell == nil {
		return ctx
	}
	return context.WithValue(ctx, waiting{}, tell)
}

// backoff is the time to wait after a number of failed tries, between the half and the whole of what doubles with each, so
// that not everybody comes back at the same moment.
func backoff(failed int) time.Duration {
	whole := min(firstWait<<min(failed-1, 10), longestWait)
	return whole/2 + rand.N(whole/2) //nolint:gosec // Nobody gains by guessing it.
}

func (w *Web) log() *slog.Logger {
	if w.Log != nil {
		return w.Log
	}
	return slog.New(slog.DiscardHandler)
}

var (
	errSilent  = errors.New("the server fell silent")
	errEndless = errors.New("the answer took too long")
	errGarbled = errors.New("its answer is not as the web has them")
)

// once asks once.
func (w *Web) once(parent context.Context, q query) (answer, error) {
	idle := w.Idle
	if idle <= 0 {
		idle = defaultIdle
	}
	const spans = 10
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	whole := time.AfterFunc(spans*idle, func() { cancel(errEndless) })
	defer whole.Stop()
	silence := time.AfterFunc(idle, func() { cancel(errSilent) })
	defer silence.Stop()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, q.address.String(), http.NoBody)
	if err != nil {
		return answer{}, &ServiceError{Service: q.service, Detail: "has an address that cannot be used: correct it"}
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", q.accept)
	client := http.Client{Transport: w.Transport, CheckRedirect: q.followOrNot}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, q.broken(ctx, err)
	}
	defer resp.Body.Close() //nolint:errcheck // It was only read.
	if err := q.judge(resp, w.Clock.now()); err != nil {
		return answer{}, err
	}
	if resp.ContentLength > q.maxBytes {
		return answer{}, errTooLong
	}
	body, err := io.ReadAll(io.LimitReader(lively{resp.Body, silence, idle}, q.maxBytes+1))
	if err != nil {
		return answer{}, q.broken(ctx, err)
	}
	if int64(len(body)) > q.maxBytes {
		return answer{}, errTooLong
	}
	a := answer{resp.Request.URL, resp.Header, body}
	return a, q.check(a)
}

// lively is a body whose server may be silent for a while only.
type lively struct {
	body    io.Reader
	silence *time.Timer
	idle    time.Duration
}

// Read implements io.Reader.
func (l lively) Read(p []byte) (int, error) {
	l.silence.Reset(l.idle)
	n, err := l.body.Read(p)
	l.silence.Stop()
	return n, err
}

// followOrNot implements http.Client.CheckRedirect.
func (q query) followOrNot(req *http.Request, via []*http.Request) error {
	const most = 5
	if q.redirect == nil || len(via) > most {
		return http.ErrUseLastResponse
	}
	req.Header.Del("Referer") // Where we come from is nobody's business.
	return q.redirect(via[len(via)-1].URL, req.URL)
}

// broken explains why there is no answer, or not all of one.
func (q query) broken(ctx context.Context, err error) error {
	var (
		wrapped     *url.Error
		refusal     *Refusal
		certificate *tls.CertificateVerificationError
		lookup      *net.DNSError
		connection  net.Error
	)
	if errors.As(err, &wrapped) {
		err = wrapped.Err // Its text is the address, with all that is in it.
	}
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) || errors.Is(cause, errEndless) {
		err = cause
	}
	e := &ServiceError{Service: q.service, Err: err}
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.Is(err, errSilent), errors.Is(err, errEndless), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
	case !errors.As(err, &certificate) && !errors.As(err, &connection):
		// What else there is may quote the answer, such as a Location that cannot be read, and with it our query.
		err = errGarbled
		e.Err = err
	}
	switch {
	case errors.As(err, &certificate):
		e.Detail = fmt.Sprintf("cannot be trusted (%v): check this computer's date, and whether something on the network reads along", err)
		return e
	case errors.As(err, &lookup) && lookup.IsNotFound:
		e.Detail = "cannot be found: check the network"
		return e
	}
	e.Detail = fmt.Sprintf("cannot be reached (%v): check the network, then run it again; it goes on where it was", err)
	return &passingError{error: e}
}

// judge explains the status of an answer that is no success.
func (q query) judge(resp *http.Response, now time.Time) error {
	code := resp.StatusCode
	if code == http.StatusOK {
		return nil
	}
	after := retryAfter(resp.Header, now)
	e := &ServiceError{Service: q.service, Status: code, RetryAfter: after}
	status := fmt.Sprintf("%d %s", code, http.StatusText(code))
	switch {
	case code == http.StatusTooManyRequests:
		when := "later"
		if after > 0 {
			when = "after " + now.Add(after).Format("2006-01-02 15:04")
		}
		e.Detail = fmt.Sprintf("allows no more for now (%s): run it again %s; it goes on where it was", status, when)
		return &passingError{error: e, after: after, slow: true}
	case code == http.StatusRequestTimeout, code >= http.StatusInternalServerError:
		e.Detail = fmt.Sprintf("is in trouble (%s): run it again later; it goes on where it was", status)
		return &passingError{error: e, after: after}
	case code >= http.StatusMultipleChoices && code < http.StatusBadRequest:
		e.Detail = fmt.Sprintf("sends us elsewhere (%s): if this network asks you to sign in, open a browser and do so, then run it again", status)
	case code == http.StatusBadRequest:
		e.Detail = fmt.Sprintf("does not understand what it is asked for (%s): look for something else; if this stays so, Kaika may need an update", status)
	default:
		e.Detail = fmt.Sprintf("refuses (%s): it, or something on the way, may keep this network out: run it again later or over another network; it goes on where it was", status)
	}
	return e
}

// retryAfter reads the header Retry-After, which is a number of seconds or a date; 0 where there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	const most = 1 << 30 // Seconds, which fit into a time.Duration.
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), most)) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}

// unreadableAnswer is the error of an answer in a language that the service does not speak.
func unreadableAnswer(service, what string, err error) *ServiceError {
	return &ServiceError{
		Service: service,
		Detail:  "sent something that cannot be read: if this network asks you to sign in, open a browser and do so, then run it again",
		Err:     fmt.Errorf("read the answer to %s: %w", what, err),
	}
}
