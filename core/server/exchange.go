package server

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// An exchange is what the server notes of a request and its answer.
type exchange struct {
	id      string
	client  netip.Addr // Behind the proxies that are trusted. The zero value if it is not known.
	route   string     // The pattern that fits, "" if none does.
	user    string     // Who gave the right password, "" if nobody was asked.
	refusal string     // The code of the error that it was answered with.
	sent    *body      // What the client sends, nil for nothing.

	after func() // What is left to do when the answer was written and noted; may be nil.
}

type exchangeKey struct{}

// exchangeOf gives the exchange that a request is part of.
func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{}
}

// requestID takes over a client's, if that can be written into a log as it is, or makes one.
func requestID(given string) string {
	const longest = 64
	sane := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.'
	}
	if given != "" && len(given) <= longest && strings.IndexFunc(given, func(r rune) bool { return !sane(r) }) < 0 {
		return given
	}
	return rand.Text()
}

// observed gives each request an identity, notes it in the log and the metrics, and outlives a handler's panic. Neither
// the query nor a header comes into the log: both may hold secrets.
func (s *Server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{id: requestID(r.Header.Get("X-Request-Id")), client: s.clientOf(r)}
		ctx := context.WithValue(r.Context(), exchangeKey{}, x)
		r = r.WithContext(ctx)
		answer := &response{ResponseWriter: w, control: http.NewResponseController(w), patience: s.Limits.WriteTime, gzip: takesGzip(r)}
		answer.Header().Set("X-Request-Id", x.id)
		if r.ContentLength != 0 {
			x.sent = s.watch(answer, r) // Before anything can refuse it: net/http reads what is left of a body before it answers.
		}
		s.Metrics.inHand.Inc()
		began := time.Now()
		defer func() {
			took := time.Since(began)
			panicked := recover()
			if panicked != nil && panicked != http.ErrAbortHandler { //nolint:errorlint // It is that very value.
				s.Log.ErrorContext(ctx, "a handler panicked", "route", x.route, "panic", panicked, "stack", string(debug.Stack()))
				if !answer.begun() {
					s.writeProblem(answer, r, styleOf(r.URL.Path), &problem{
						status: http.StatusInternalServerError, code: "internal", sentence: "something went wrong in the server: its log says what",
					})
					panicked = nil
				}
			}
			answer.extend() // What is left of the answer is sent only now.
			s.Metrics.inHand.Dec()
			status := answer.status()
			if x.refusal == codeCancelled && r.Context().Err() != nil && !s.Draining() {
				status = statusClientGone // Nobody heard the answer, and the server was not to blame.
			}
			s.Metrics.requests.WithLabelValues(x.route, methodLabel(r.Method), strconv.Itoa(status)).Observe(took.Seconds())
			if x.refusal != "" {
				s.Metrics.refusals.WithLabelValues(x.refusal).Inc()
			}
			level := slog.LevelInfo
			if x.route == healthRoute || x.route == readyRoute || x.route == metricsRoute {
				level = slog.LevelDebug // They are asked for all the time.
			}
			s.Log.LogAttrs(ctx, level, "request",
				slog.String("method", r.Method), slog.String("path", shortened(r.URL.Path)), slog.String("route", x.route),
				slog.Int("status", status), slog.Int64("bytes", answer.bytes), slog.Float64("ms", float64(took.Microseconds())/1000),
				slog.String("client", x.client.String()), slog.String("user", x.user), slog.String("refusal", x.refusal))
			if panicked != nil {
				panic(http.ErrAbortHandler) // The client sees that the answer is not whole.
			}
			if x.after != nil {
				x.after()
			}
		}()
		next.ServeHTTP(answer, r)
	})
}

// statusClientGone is what the log and the metrics call an answer whose client had gone, as many servers do. It is never sent.
const statusClientGone = 499

// methodLabel gives a method for the metrics, of which clients cannot make up as many as they like.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// shortened cuts a long path for the log.
func shortened(path string) string {
	const longest = 200
	if len(path) > longest {
		return strings.ToValidUTF8(path[:longest], "") + "…"
	}
	return path
}

// A response counts what is answered, and gives each write its time: a client that does not read holds nobody up.
type response struct {
	http.ResponseWriter

	control  *http.ResponseController
	patience time.Duration
	gzip     bool // Whether the client takes what is compressed by it.
	code     int  // 0 until the header was written.
	bytes    int64
}

// Unwrap is what [http.ResponseController] looks for.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(code int) {
	if w.code == 0 && code >= http.StatusOK {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write implements io.Writer.
func (w *response) Write(p []byte) (n int, err error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	for first := true; first || len(p) > 0; first = false {
		w.extend() // For each piece: who takes a large answer slowly takes it all the same.
		done, err := w.ResponseWriter.Write(p[:min(len(p), pieceOfAnswer)])
		n += done
		w.bytes += int64(done)
		if err != nil {
			return n, err
		}
		p = p[done:]
	}
	return n, nil
}

// pieceOfAnswer is how much of an answer has the time of a write.
const pieceOfAnswer = 64 << 10

// FlushError sends what was written.
func (w *response) FlushError() error {
	w.extend()
	return w.control.Flush()
}

// extend begins the time of a write. A recorder of tests knows no time.
func (w *response) extend() { _ = w.control.SetWriteDeadline(time.Now().Add(w.patience)) }

func (w *response) begun() bool { return w.code != 0 }

func (w *response) status() int {
	if w.code == 0 {
		return http.StatusOK
	}
	return w.code
}

// identified adds the request's identity to what is logged while it is answered.
type identified struct{ slog.Handler }

// Handle implements slog.Handler.
func (h identified) Handle(ctx context.Context, record slog.Record) error {
	if x := exchangeOf(ctx); x.id != "" {
		record.AddAttrs(slog.String("request", x.id))
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h identified) WithAttrs(attrs []slog.Attr) slog.Handler {
	return identified{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h identified) WithGroup(name string) slog.Handler { return identified{h.Handler.WithGroup(name)} }
