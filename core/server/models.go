package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"kaika/core/classify"
	"kaika/core/serve"
)

// modelRoutes are those of the models that are served.
func (s *Server) modelRoutes() []route {
	return []route{
		{pattern: "GET /api/v1/models", access: accessChange, handle: s.listModels},
		{pattern: "POST /api/v1/models/{name}/activate", access: accessChange, maxBody: maxSettings, handle: s.activateModel},
		{pattern: "POST /api/v1/models/{name}/versions", access: accessChange, maxBody: maxModel, handle: s.sendModel},
		{pattern: "DELETE /api/v1/models/{name}", access: accessChange, handle: s.removeModel},
		{pattern: "POST /api/v1/models/{name}/rollback", access: accessChange, handle: s.rollBackModel},
		{pattern: "POST /api/v1/models/{name}/select", access: accessChange, maxBody: maxSettings, handle: s.selectModel},
	}
}

// modelStatus is a model with its versions.
type modelStatus struct {
	Name     string         `json:"name"`
	Active   int            `json:"active"` // Version; 0 if there is none.
	Before   int            `json:"before"` // The version that a step back leads to; 0 if there is none.
	Versions []modelVersion `json:"versions"`
}

type modelVersion struct {
	Version int       `json:"version"`
	State   string    `json:"state"`         // "AVAILABLE", "LOADING", "UNLOADING" or "END", as TensorFlow Serving says.
	Run     string    `json:"run,omitempty"` // Where it is a kept run.
	Labels  []string  `json:"labels"`        // None before it was loaded.
	Created time.Time `json:"created,omitzero"`
	Error   string    `json:"error,omitempty"` // Why it could not be loaded.
}

// status gives the model of a name.
func (s *Server) status(name string) (modelStatus, bool) {
	for _, m := range s.statuses() {
		if m.Name == name {
			return m, true
		}
	}
	return modelStatus{}, false
}

func (s *Server) statuses() []modelStatus {
	list := []modelStatus{}
	for _, m := range s.Models.List() {
		status := modelStatus{Name: m.Name, Active: m.Active, Before: m.Before, Versions: []modelVersion{}}
		for _, v := range m.Versions {
			version := modelVersion{Version: v.Version, State: v.State, Run: s.runIn(v.Dir), Labels: append([]string{}, v.Labels...), Created: v.Created}
			if v.Err != nil {
				version.Error = refusal(v.Err)
			}
			status.Versions = append(status.Versions, version)
		}
		list = append(list, status)
	}
	return list
}

func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]any{"models": s.statuses()})
	return nil
}

func (s *Server) activateModel(w http.ResponseWriter, r *http.Request) error {
	var asked struct {
		Run     string `json:"run"`
		Version int    `json:"version"`
	}
	if err := readDocument(r, &asked); err != nil {
		return err
	}
	switch {
	case (asked.Run == "") == (asked.Version == 0), asked.Version < 0:
		return badRequest("no_run", `say what is to be served: {"run": "ID"}, of GET /api/v1/runs, or {"version": 2}, of the model's folder`)
	case asked.Version != 0:
		return s.swap(w, r, func(ctx context.Context, name string) error { return s.Models.Select(ctx, name, asked.Version) })
	}
	return s.swap(w, r, func(ctx context.Context, name string) error {
		_, err := s.activateRun(ctx, name, asked.Run)
		return err
	})
}

// removeModel takes a model out of service that was activated over HTTP. Its runs stay.
func (s *Server) removeModel(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if err := s.Models.Remove(r.Context(), name); err != nil {
		return modelProblem(name, err)
	}
	s.Log.InfoContext(r.Context(), "a model was removed", "model", name)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) rollBackModel(w http.ResponseWriter, r *http.Request) error {
	return s.swap(w, r, func(ctx context.Context, name string) error {
		_, err := s.Models.RollBack(ctx, name)
		if errors.Is(err, serve.ErrNoVersion) {
			err = &problem{status: http.StatusConflict, code: "no_version", sentence: fmt.Sprintf("the model %q has no version to go back to", name), err: err}
		}
		return err
	})
}

func (s *Server) selectModel(w http.ResponseWriter, r *http.Request) error {
	var asked struct {
		Version int `json:"version"`
	}
	if err := readDocument(r, &asked); err != nil {
		return err
	}
	if asked.Version < 1 {
		return badRequest("no_version", `say which version is to be served: {"version": 2}; GET /api/v1/models lists them`)
	}
	return s.swap(w, r, func(ctx context.Context, name string) error { return s.Models.Select(ctx, name, asked.Version) })
}

// swap changes which version of the model that a request names is the active one, and answers with how it stands.
func (s *Server) swap(w http.ResponseWriter, r *http.Request, change func(ctx context.Context, name string) error) error {
	name := r.PathValue("name")
	if err := change(r.Context(), name); err != nil {
		return modelProblem(name, err)
	}
	status, _ := s.status(name)
	writeJSON(w, http.StatusOK, status)
	return nil
}

// modelProblem finds what to say of a model that was not taken into use. The one that was stays in use.
func modelProblem(name string, err error) error {
	var said *problem
	var refused *classify.OpenError
	switch {
	case err == nil, errors.As(err, &said):
		return err
	case errors.Is(err, serve.ErrName):
		return badRequest("bad_name", err.Error())
	case errors.Is(err, serve.ErrGiven):
		return &problem{
			status: http.StatusConflict, code: "model_given",
			sentence: fmt.Sprintf("the model %q was given by --model when the server was started: start it without that", name),
		}
	case errors.Is(err, serve.ErrNoVersion):
		return &problem{
			status: http.StatusConflict, code: "no_version",
			sentence: fmt.Sprintf("the model %q has no such version: GET /api/v1/models lists them", name),
		}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &problem{
			status: http.StatusInsufficientStorage, code: "disk_full", err: err,
			sentence: "the disk of the server is full: make room there, then try again. The version that was active stays so",
		}
	case errors.As(err, &refused):
		p := &problem{
			status: http.StatusUnprocessableEntity, code: "model_refused", err: err,
			sentence: "the version that was active stays so: " + refusal(err),
		}
		if refused.Fault == classify.NoEngine {
			p.status, p.code, p.retryAfter = http.StatusServiceUnavailable, "engine", 5*time.Second
		}
		return p
	}
	return err
}

// refusal says why a model cannot be used, without where on the server it lies.
func refusal(err error) string {
	if errors.Is(err, serve.ErrGone) {
		return "its files were removed or changed on the server: put them back there, or activate another version"
	}
	if refused, ok := errors.AsType[*classify.OpenError](err); ok {
		switch refused.Fault {
		case classify.Damaged:
			return "the model is damaged or not there any more: train it again"
		case classify.Deviates:
			return "the model does not compute as it did where it was trained, so its answers would be wrong: train it again here"
		case classify.NoEngine:
			return "the engine could not try the model out: try again in a moment"
		}
	}
	return "the model cannot be used: the server's log says why"
}
