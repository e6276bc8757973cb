package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"kaika/core/dataset"
	"kaika/core/experiment"
	"kaika/core/serve"
	"kaika/core/train"
	"kaika/core/trained"
)

// maxRunCurve is how many points of a run's curves are handed out.
const maxRunCurve = 2000

// runRoutes are those of the trainings that were kept.
func (s *Server) runRoutes() []route {
	return []route{
		{pattern: "GET /api/v1/runs", access: accessChange, handle: s.listRuns},
		{pattern: "GET /api/v1/runs/{id}", access: accessChange, handle: s.showRun},
		{pattern: "DELETE /api/v1/runs/{id}", access: accessChange, handle: s.deleteRun},
	}
}

// runSummary is a run in a list.
type runSummary struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Dataset  string            `json:"dataset"`
	Started  time.Time         `json:"started"`
	Base     trained.BaseModel `json:"base_model"`
	Labels   map[string]int    `json:"labels"` // Photos a label.
	Steps    int               `json:"steps"`
	Accuracy *train.Tested     `json:"test"`   // Null without test photos.
	Served   []servedAs        `json:"served"` // The versions of models that it is.
}

// servedAs is a version of a model.
type servedAs struct {
	Model   string `json:"model"`
	Version int    `json:"version"`
	Active  bool   `json:"active"`
}

// runDetails are all that is known of a run but its answers to each photo.
type runDetails struct {
	runSummary

	Params train.Params  `json:"params"`
	Report *train.Report `json:"report"`
	Points []train.Point `json:"points"` // Of its curves; evenly thinned if they are many.
}

// errNoRuns answers where no runs are kept.
func errNoRuns() error { return notFound("no_runs", "this server keeps no runs") }

// runProblem finds what to say of an error of a run.
func runProblem(id string, err error) error {
	if errors.Is(err, experiment.ErrNoRun) {
		return notFound("no_run", fmt.Sprintf("there is no run %q: GET /api/v1/runs lists them", id))
	}
	return err
}

// runOf gives a run for a list.
func (s *Server) runOf(r experiment.Run) runSummary {
	return runSummary{
		ID: r.ID, Name: r.Name, Dataset: filepath.Base(r.Dataset), Started: r.Started, Base: r.Base, Labels: r.Labels,
		Steps: r.Report.Steps, Accuracy: r.Report.Test, Served: s.servedFrom(r.Dir),
	}
}

// servedFrom lists the versions of models that are in a folder.
func (s *Server) servedFrom(dir string) []servedAs {
	served := []servedAs{}
	for _, model := range s.Models.List() {
		for _, v := range model.Versions {
			if sameFolder(v.Dir, dir) {
				served = append(served, servedAs{model.Name, v.Version, v.Version == model.Active})
			}
		}
	}
	return served
}

// sameFolder says whether two paths are the same, one of which may be relative.
func sameFolder(a, b string) bool {
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absA == absB
}

func (s *Server) listRuns(w http.ResponseWriter, r *http.Request) error {
	if s.trainings.Runs == nil {
		return errNoRuns()
	}
	runs, err := s.trainings.Runs.List(r.Context())
	if err != nil {
		return err
	}
	list := []runSummary{}
	for _, run := range runs {
		list = append(list, s.runOf(run))
	}
	writeJSON(w, http.StatusOK, map[string]any{"runs": list})
	return nil
}

func (s *Server) showRun(w http.ResponseWriter, r *http.Request) error {
	run, err := s.openRun(r.PathValue("id"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, runDetails{
		runSummary: s.runOf(run), Params: placeless(run.Params, run.ID), Report: reportOf(run), Points: thinned(run.Points, maxRunCurve),
	})
	return nil
}

func (s *Server) openRun(id string) (experiment.Run, error) {
	if s.trainings.Runs == nil {
		return experiment.Run{}, errNoRuns()
	}
	run, err := s.trainings.Runs.Open(id)
	return run, runProblem(id, err)
}

// placeless gives the settings without where on the server they led.
func placeless(p train.Params, id string) train.Params {
	p.ImageDir, p.OutputDir = filepath.Base(p.ImageDir), id
	p.OutputGraph, p.OutputLabels, p.SummariesDir, p.SavedModelDir, p.IntermediateDir = "", "", "", "", ""
	return p
}

// reportOf gives a run's report, with the names of files as they are in the dataset.
func reportOf(run experiment.Run) *train.Report {
	report := *run.Report
	report.Model = run.ID
	report.Misclassified = slices.Clone(report.Misclassified)
	for i := range report.Misclassified {
		report.Misclassified[i].File = below(run.Dataset, report.Misclassified[i].File)
	}
	skipped := make([]dataset.Skip, len(report.Skipped))
	for i, skip := range report.Skipped {
		skip.Path = below(run.Dataset, skip.Path)
		skipped[i] = skip
	}
	report.Skipped = skipped
	return &report
}

// inUse says whether a version of a model is loaded, or would be by a step back.
func inUse(model serve.Status, v serve.VersionStatus) bool {
	return v.State != serve.StateEnd || v.Version == model.Active || v.Version == model.Before
}

func (s *Server) deleteRun(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	s.serving.Lock() // So that it is not activated meanwhile.
	defer s.serving.Unlock()
	run, err := s.openRun(id)
	if err != nil {
		return err
	}
	for _, model := range s.Models.List() {
		for _, v := range model.Versions {
			if sameFolder(v.Dir, run.Dir) && inUse(model, v) {
				return &problem{
					status: http.StatusConflict, code: "run_served",
					sentence: fmt.Sprintf("the run is served as version %d of the model %q, or would be after a step back: activate another one first, twice if need be",
						v.Version, model.Name),
				}
			}
		}
	}
	if err := s.trainings.Runs.Delete(id); err != nil {
		return runProblem(id, err)
	}
	s.Log.InfoContext(r.Context(), "a run was deleted", "run", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// runIn gives the ID of the run that is in a folder, or "".
func (s *Server) runIn(dir string) string {
	if s.trainings.Runs == nil || !sameFolder(filepath.Dir(dir), s.trainings.Runs.Dir) {
		return ""
	}
	return filepath.Base(dir)
}

// activateRun has a model take a run into use.
func (s *Server) activateRun(ctx context.Context, name, id string) (version int, err error) {
	s.serving.Lock()
	defer s.serving.Unlock()
	run, err := s.openRun(id)
	if err != nil {
		return 0, err
	}
	version, err = s.Models.Activate(ctx, name, run.Dir)
	return version, modelProblem(name, err)
}
