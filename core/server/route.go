package server

import (
	"net/http"
	"slices"
	"strconv"
)

// access says who may use a route.
type access int

const (
	accessOpen     access = iota // Everybody who reaches the server: health, the pages' own files.
	accessClassify               // Everybody where classifying is open, else who has a password.
	accessWatch                  // Everybody on the server's own machine, else who has a password.
	accessChange                 // Who has a password.
)

// style says in which form a route tells of errors.
type style int

const (
	styleAPI     style = iota // {"error": "a sentence", "code": "word"}
	styleServing              // {"error": "a sentence"}, as TensorFlow Serving does.
	stylePage                 // A page for people.
	styleText                 // A line of text.
)

// A route is one thing that the server can be asked for.
type route struct {
	pattern string // As http.ServeMux reads it, with a method.
	// documents are the patterns under which openapi.json describes the route, where it can say more than ServeMux reads.
	documents []string
	access    access
	style     style
	maxBody   int64 // Bytes of the request's body; 0 means that it has none.
	// handle answers. An error is written in the route's style, if nothing was written yet.
	handle func(w http.ResponseWriter, r *http.Request) error
}

// routes lists all that the server can be asked for.
func (s *Server) routes() []route {
	return slices.Concat(
		// Each area gives its own, from a file of its own.
		s.pageRoutes(),
		s.healthRoutes(),
		s.classifyRoutes(),
		s.servingRoutes(),
		s.modelRoutes(),
		s.datasetRoutes(),
		s.trashRoutes(),
		s.trainingRoutes(),
		s.runRoutes(),
		s.uploadRoutes(),
	)
}

// handle puts the checks and limits of a route around what answers it.
func (s *Server) handle(to route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r.Context()).route = to.pattern
		if err := s.answerRoute(w, r, to); err != nil {
			s.refuse(w, r, to.style, err)
		}
	})
}

func (s *Server) answerRoute(w http.ResponseWriter, r *http.Request, to route) error {
	if err := s.allow(w, r, to.access); err != nil {
		return err
	}
	switch {
	case to.maxBody == 0:
		r.Body = http.NoBody
	case r.ContentLength > to.maxBody:
		return tooLarge(to.maxBody, nil)
	default:
		r.Body = http.MaxBytesReader(w, r.Body, to.maxBody)
		if err := unpack(w, r, to.maxBody); err != nil {
			return err
		}
	}
	return to.handle(w, r)
}

// tooLarge says that a request is larger than is taken.
func tooLarge(limit int64, err error) *problem {
	most := strconv.FormatInt(limit, 10) + " bytes"
	if limit >= 1<<20 {
		most = strconv.FormatInt(limit>>20, 10) + " MiB"
	}
	return &problem{
		status: http.StatusRequestEntityTooLarge, code: "too_large", sentence: "more was sent than is taken, " + most + ": send less at once", err: err,
	}
}
