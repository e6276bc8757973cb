package server

import (
	"fmt"
	"net/http"
	"time"
)

// Routes that machines ask for all the time.
const (
	healthRoute  = "GET /healthz"
	readyRoute   = "GET /readyz"
	metricsRoute = "GET /metrics"
)

// healthRoutes tell machines how the server is.
func (s *Server) healthRoutes() []route {
	return []route{
		{pattern: healthRoute, access: accessOpen, style: styleText, handle: s.health},
		{pattern: readyRoute, access: accessOpen, style: styleText, handle: s.ready},
		{pattern: metricsRoute, access: accessWatch, style: styleText, handle: s.metrics},
		{pattern: "GET /api/v1/openapi.json", access: accessOpen, style: styleAPI, handle: s.openAPI},
	}
}

// health says that the process answers.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	writeText(w, "ok")
	return nil
}

// ready says whether photos can be classified.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) error {
	switch {
	case s.Draining():
		return stopping(nil)
	case !s.loaded():
		return &problem{
			status: http.StatusServiceUnavailable, code: "loading", sentence: "the models are being loaded: try again in a moment", retryAfter: 5 * time.Second,
		}
	case s.Models.Ready():
		writeText(w, "ready")
		return nil
	}
	for _, m := range s.Models.List() {
		for _, v := range m.Versions {
			if v.Version == m.Active && v.Err != nil {
				return &problem{
					status: http.StatusServiceUnavailable, code: "model_gone", retryAfter: 10 * time.Second,
					sentence: "a model cannot answer any more: GET /api/v1/models says why",
				}
			}
		}
	}
	return noModelYet()
}

// loaded tells whether the models have been loaded with which the server starts.
func (s *Server) loaded() bool {
	if s.Loaded == nil {
		return true
	}
	select {
	case <-s.Loaded:
		return true
	default:
		return false
	}
}

// metrics gives the figures in Prometheus' form.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) error {
	s.Metrics.handler().ServeHTTP(w, r)
	return nil
}

// writeText answers with a line.
func writeText(w http.ResponseWriter, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintln(w, line) // Who does not hear it asks again.
}

// stopping says that the server does not take anything on any more.
func stopping(err error) *problem {
	return &problem{
		status: http.StatusServiceUnavailable, code: "stopping", sentence: "the server is about to stop: try again in a moment", retryAfter: time.Second, err: err,
	}
}

// noModelYet says that nothing can be classified.
func noModelYet() *problem {
	return &problem{
		status: http.StatusServiceUnavailable, code: "no_model",
		sentence:   "there is no model yet: start the server with --model, or train one and activate it",
		retryAfter: 10 * time.Second,
	}
}

// notLoaded says that there is a model, and none of its versions is loaded.
func notLoaded() *problem {
	return &problem{
		status: http.StatusServiceUnavailable, code: "no_model", sentence: "the model is being loaded: try again in a moment", retryAfter: 5 * time.Second,
	}
}
