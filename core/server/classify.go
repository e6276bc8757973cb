package server

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"kaika/core/serve"
)

// classifyRoutes say what is on photos in Kaika's own form.
func (s *Server) classifyRoutes() []route {
	return []route{{pattern: "POST /api/v1/classify", access: accessClassify, style: styleAPI, maxBody: s.Limits.Body, handle: s.classify}}
}

// classify answers as kaika classify --json does: a list with an answer for each photo. The status is 200 also if a photo
// cannot be used, and even if none can: the list says why.
func (s *Server) classify(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	model, err := s.modelOf(query)
	if err != nil {
		return err
	}
	top, err := natural(query, "top", 5)
	if err != nil {
		return err
	}
	photos, err := s.photosOf(r)
	defer photos.free()
	if err != nil {
		return err
	}
	answers, err := s.answers(r.Context(), model, photos)
	if err != nil {
		return err
	}
	s.keep(model, photos, answers)
	if top > 0 {
		for i, a := range answers {
			answers[i].Predictions = a.Predictions[:min(top, len(a.Predictions))]
		}
	}
	writeJSON(w, http.StatusOK, answers)
	return nil
}

// modelOf gives the model that a query asks for by model and version; without them, the active version of the first.
func (s *Server) modelOf(query url.Values) (*serve.Model, error) {
	version, err := natural(query, "version", 0)
	if err != nil {
		return nil, err
	}
	name := query.Get("model")
	m, err := s.Models.Get(name, version)
	switch {
	case name == "" && errors.Is(err, serve.ErrNoModel):
		return nil, noModelYet()
	case version == 0 && errors.Is(err, serve.ErrNoVersion):
		return nil, notLoaded()
	}
	return m, err
}

// natural gives a parameter of a query that is a number from 0, or the value that it has if it is missing.
func natural(query url.Values, name string, missing int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return missing, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, badRequest("parameter", name+" must be a number from 0")
	}
	return n, nil
}
