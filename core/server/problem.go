package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"kaika/core/classify"
	"kaika/core/serve"
)

// A problem is why a request is not answered as it was meant.
type problem struct {
	status     int    // Of HTTP.
	code       string // A word for programs.
	sentence   string // For people, with a way out.
	retryAfter time.Duration
	err        error // For the log; nil if the sentence says it all.
}

// codeCancelled is the code of what its client broke off, or the server because it stops.
const codeCancelled = "cancelled"

// Error implements error.
func (p *problem) Error() string { return p.sentence }

// Unwrap gives what is behind it.
func (p *problem) Unwrap() error { return p.err }

// badRequest says what is wrong with a request.
func badRequest(code, sentence string) *problem {
	return &problem{status: http.StatusBadRequest, code: code, sentence: sentence}
}

// notFound says that there is no such thing.
func notFound(code, sentence string) *problem {
	return &problem{status: http.StatusNotFound, code: code, sentence: sentence}
}

// problemOf finds what to say of an error. What nobody foresaw is not told to the client, only to the log.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(large.Limit, err)
	}
	var busy *serve.BusyError
	switch {
	case errors.As(err, &busy):
		return &problem{
			status: http.StatusTooManyRequests, code: "busy", sentence: "too many photos wait already: try again in a moment",
			retryAfter: busy.RetryAfter, err: err,
		}
	case errors.Is(err, serve.ErrNoModel), errors.Is(err, serve.ErrNoVersion):
		return notFound("no_model", err.Error())
	case errors.Is(err, serve.ErrGone):
		return &problem{
			status: http.StatusServiceUnavailable, code: "model_gone", retryAfter: 30 * time.Second, err: err,
			sentence: "the files of the model were removed or changed on the server: put them back there, or activate another version",
		}
	case errors.Is(err, serve.ErrClosed):
		return stopping(err)
	case errors.Is(err, classify.ErrUnavailable):
		return &problem{
			status: http.StatusServiceUnavailable, code: "engine", sentence: "what computes the answers is being started again: try again in a moment",
			retryAfter: 2 * time.Second, err: err,
		}
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{
			status: http.StatusServiceUnavailable, code: "timeout", sentence: "the answer took too long: try again in a moment, or send less at once",
			retryAfter: 5 * time.Second, err: err,
		}
	case errors.Is(err, context.Canceled):
		return &problem{status: http.StatusServiceUnavailable, code: codeCancelled, sentence: "the request was broken off", retryAfter: time.Second, err: err}
	}
	return &problem{status: http.StatusInternalServerError, code: "internal", sentence: "something went wrong in the server: its log says what", err: err}
}

// writeProblem answers with an error in a style.
func (s *Server) writeProblem(w http.ResponseWriter, r *http.Request, how style, err error) {
	p := problemOf(err)
	exchangeOf(r.Context()).refusal = p.code
	switch {
	case p.status == http.StatusInternalServerError:
		s.Log.ErrorContext(r.Context(), p.sentence, "path", shortened(r.URL.Path), "error", err)
	case p.err != nil && r.Context().Err() == nil:
		s.Log.WarnContext(r.Context(), p.sentence, "path", shortened(r.URL.Path), "status", p.status, "error", p.err)
	}
	if answer, ok := w.(*response); ok && answer.begun() {
		return // It is too late to say it.
	}
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	if p.status == http.StatusRequestTimeout || p.status == http.StatusRequestEntityTooLarge {
		w.Header().Set("Connection", "close") // The rest of the body is not waited for.
	}
	switch how {
	case styleServing:
		writeJSON(w, p.status, map[string]string{"error": p.sentence})
	case styleText:
		http.Error(w, p.sentence, p.status)
	case stylePage:
		s.writeProblemPage(w, r, p)
	case styleAPI:
		writeJSON(w, p.status, map[string]string{"error": p.sentence, "code": p.code})
	}
}

// writeJSON answers with one JSON document, compressed where the client takes that and it is worth it. What cannot be sent has
// nobody to be told any more.
func writeJSON(w http.ResponseWriter, status int, v any) {
	var document bytes.Buffer
	if err := json.NewEncoder(&document).Encode(v); err != nil {
		panic(fmt.Errorf("an answer cannot be written as JSON: %w", err)) // Which is a mistake in this package.
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	data := document.Bytes()
	if answer, ok := w.(*response); ok && len(data) >= worthPacking {
		h.Add("Vary", "Accept-Encoding")
		if answer.gzip {
			h.Set("Content-Encoding", "gzip")
			data = pack(data)
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data)
}
