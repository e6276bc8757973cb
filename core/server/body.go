package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// A body gives each read its time, which begins anew when something comes, and wants it to come at a certain rate. What is
// not read counts for nobody, so who waits for the server loses nothing.
type body struct {
	io.ReadCloser

	control *http.ResponseController
	limits  *Limits
	// patience is how long the client may still be waited for. Each byte adds to it, up to ReadTime: who sent much at once has
	// not paid with it for sending nothing later.
	patience time.Duration
	ended    bool // All of it has come.
}

// watch puts a request's body under its limits. What is left unread has its time, too.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) *body {
	b := &body{ReadCloser: r.Body, control: http.NewResponseController(w), limits: &s.Limits, patience: s.Limits.ReadTime}
	b.extend()
	r.Body = b
	return b
}

// extend sets the time of the next read. A recorder of tests knows no time.
func (b *body) extend() { _ = b.control.SetReadDeadline(time.Now().Add(b.patience)) }

// waited notes how long something was waited for, and how much came.
func (b *body) waited(took time.Duration, received int) {
	earned := time.Duration(float64(received) / float64(b.limits.ReadRate) * float64(time.Second))
	b.patience = min(b.patience-took+earned, b.limits.ReadTime)
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.extend()
	began := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.waited(time.Since(began), n)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, &problem{
			status: http.StatusRequestTimeout, code: "slow", sentence: "the request came too slowly: send it again over a faster line, or less at once", err: err,
		}
	case errors.Is(err, io.EOF):
		b.ended = true
		return n, io.EOF // From here on, net/http waits without a deadline for the client's end.
	}
	return n, &problem{status: http.StatusBadRequest, code: "truncated", sentence: "the request ended too early: send it again", err: err}
}

// How much a client may still send after its request was refused, and for how long.
const (
	lingerBytes = 128 << 20
	lingerTime  = 5 * time.Second
)

// refuse has an error written, and has the server read for a while then what the client still sends of its body: many look for an answer only
// when they have sent all, and lose it where the connection is closed under them (RFC 9112, 9.6).
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, how style, err error) {
	x := exchangeOf(r.Context())
	sent := x.sent
	control := http.NewResponseController(w)
	if sent == nil || sent.ended || r.ProtoMajor != 1 || r.Header.Get("Expect") != "" || control.EnableFullDuplex() != nil {
		s.writeProblem(w, r, how, err) // There is nothing to come, or nobody who would be disturbed.
		return
	}
	w.Header().Set("Connection", "close") // What is left unread must not be taken for the next request.
	s.writeProblem(w, r, how, err)
	x.after = func() {
		if control.Flush() == nil && control.SetReadDeadline(time.Now().Add(min(lingerTime, s.Limits.ReadTime))) == nil {
			_, _ = io.CopyN(io.Discard, sent.ReadCloser, lingerBytes) // To its end, or as long as it takes.
		}
	}
}

// A budget is memory that many requests share, and of which one client may have a part. It is safe for concurrent use.
type budget struct {
	mu    sync.Mutex
	left  int64
	share int64            // Of one client.
	taken map[string]int64 // By household.
}

func newBudget(all int64) *budget {
	return &budget{left: all, share: all / clientShare, taken: map[string]int64{}}
}

// clientShare is which part of the memory for photos one client may have.
const clientShare = 4

// take uses some of it for a client, if there is that much. Nobody's share of it, "", is all.
func (b *budget) take(client string, n int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case client != "" && b.taken[client]+n > b.share:
		return &problem{
			status: http.StatusTooManyRequests, code: "busy", retryAfter: time.Second,
			sentence: "too many photos of yours are under way: wait for their answers, or send less at once",
		}
	case b.left < n:
		return &problem{
			status: http.StatusServiceUnavailable, code: "busy", sentence: "too many photos are under way: try again in a moment", retryAfter: time.Second,
		}
	}
	b.left -= n
	if client != "" {
		b.taken[client] += n
	}
	return nil
}

// give puts some back.
func (b *budget) give(client string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
	if client == "" {
		return
	}
	if b.taken[client] -= n; b.taken[client] == 0 {
		delete(b.taken, client)
	}
}

// A load is what one request takes of a budget.
type load struct {
	budget *budget
	client string // "" for one that has no limit of its own.
	taken  int64
}

// take uses more of the budget, or says that there is no room.
func (l *load) take(n int64) error {
	if l.client != "" && l.taken+n > l.budget.share {
		return tooLarge(l.budget.share, nil) // However long it waited.
	}
	if err := l.budget.take(l.client, n); err != nil {
		return err
	}
	l.taken += n
	return nil
}

// give gives some of it back.
func (l *load) give(n int64) {
	l.taken -= n
	l.budget.give(l.client, n)
}

// free gives all of it back. It may be called more than once.
func (l *load) free() {
	l.budget.give(l.client, l.taken)
	l.taken = 0
}

// room refuses a request early if what it announces does not fit. Nothing is set aside for what a client only claims.
func (l *load) room(announced int64) error {
	if announced <= 0 {
		return nil
	}
	err := l.take(announced)
	l.free()
	return err
}

// reader gives a reader whose bytes are taken from the budget as they come.
func (l *load) reader(r io.Reader) io.Reader { return &weighed{r, l} }

type weighed struct {
	from io.Reader
	load *load
}

// Read implements io.Reader.
func (w *weighed) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if full := w.load.take(int64(n)); full != nil {
		return 0, full
	}
	return n, err
}
