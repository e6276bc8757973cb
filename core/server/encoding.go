package server

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

// unpack replaces the body of a request that was sent compressed (Content-Encoding: gzip) by what is in it, of which at most
// so many bytes are taken: a small body may hold a large one. Another encoding is refused.
func unpack(w http.ResponseWriter, r *http.Request, limit int64) error {
	switch strings.ToLower(strings.TrimSpace(strings.Join(r.Header.Values("Content-Encoding"), ","))) {
	case "", "identity":
		return nil
	case "gzip", "x-gzip":
		r.Body = http.MaxBytesReader(w, &gunzip{packed: r.Body}, limit)
		r.ContentLength = -1 // It is that of what was packed.
		return nil
	}
	w.Header().Set("Accept-Encoding", "gzip")
	return &problem{
		status: http.StatusUnsupportedMediaType, code: "encoding", sentence: "the body is compressed in a way that is not known here: send it as it is, or by gzip",
	}
}

// A gunzip unpacks a body while it is read.
type gunzip struct {
	packed io.ReadCloser
	reader *gzip.Reader // Nil before the first read.
	failed error        // After which nothing more comes.
}

// Read implements io.Reader.
func (g *gunzip) Read(p []byte) (n int, err error) {
	if g.failed != nil {
		return 0, g.failed
	}
	if g.reader == nil {
		g.reader, err = gzip.NewReader(g.packed) // An empty body is its io.EOF.
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
	}
	if err == nil {
		n, err = g.reader.Read(p)
	}
	var said *problem
	var large *http.MaxBytesError
	if err != nil && !errors.Is(err, io.EOF) && !errors.As(err, &said) && !errors.As(err, &large) {
		err = &problem{status: http.StatusBadRequest, code: "encoding", sentence: "the body is not whole, or not compressed by gzip: send it again", err: err}
	}
	g.failed = err
	return n, err
}

// Close implements io.Closer.
func (g *gunzip) Close() error { return g.packed.Close() }

// worthPacking is the least size in bytes of an answer that is sent compressed: a smaller one is one packet anyway.
const worthPacking = 1400

// takesGzip tells whether a client takes an answer that is compressed by gzip.
func takesGzip(r *http.Request) bool {
	for one := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, weight, _ := strings.Cut(strings.ToLower(strings.TrimSpace(one)), ";")
		if strings.TrimSpace(coding) == "gzip" {
			return strings.Trim(strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q="), "0.") != "" || weight == ""
		}
	}
	return false
}

// pack compresses a document.
func pack(document []byte) []byte {
	var to bytes.Buffer
	z := gzip.NewWriter(&to)
	_, _ = z.Write(document) // Memory takes everything.
	_ = z.Close()
	return to.Bytes()
}
