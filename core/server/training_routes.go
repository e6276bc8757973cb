package server

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

	"kaika/core/curate"
	"kaika/core/feature"
	"kaika/core/train"
)

// trainingRoutes are those of trainings.
func (s *Server) trainingRoutes() []route {
	return []route{
		{pattern: "GET /api/v1/base_models", access: accessChange, handle: s.listBases},
		{pattern: "POST /api/v1/trainings", access: accessChange, maxBody: maxSettings, handle: s.startTraining},
		{pattern: "GET /api/v1/trainings/current", access: accessChange, handle: s.showTraining},
		{pattern: "GET /api/v1/trainings/current/events", access: accessChange, handle: s.followTraining},
		{pattern: "POST /api/v1/trainings/current/stop", access: accessChange, handle: s.stopTraining},
		{pattern: "DELETE /api/v1/trainings/current", access: accessChange, handle: s.cancelTraining},
	}
}

// trainingSettings are what a client may ask of a training, under the names of the flags of kaika retrain. Where it reads and
// writes is the server's to decide.
type trainingSettings struct {
	Dataset   string `json:"dataset"`
	Base      string `json:"architecture"`
	InputSize int    `json:"input_size"` // 0 means the base model's own.
	Precision string `json:"precision"`

	train.Settings

	TestingPercentage    int    `json:"testing_percentage"`
	ValidationPercentage int    `json:"validation_percentage"`
	TestBatchSize        int    `json:"test_batch_size"`
	FinalTensorName      string `json:"final_tensor_name"`
	Flip                 bool   `json:"flip_left_right"`
	Crop                 int    `json:"random_crop"`
	Scale                int    `json:"random_scale"`
	Brightness           int    `json:"random_brightness"`
	Rotation             int    `json:"random_rotation"`
	Views                int    `json:"augmented_views"`
}

// defaultTraining gives the settings of who asks for none.
func defaultTraining() trainingSettings {
	p := train.DefaultParams()
	return trainingSettings{
		Base: "efficientnet_lite0", Precision: "float32", Settings: p.Settings,
		TestingPercentage: p.TestingPercentage, ValidationPercentage: p.ValidationPercentage,
		TestBatchSize: p.TestBatchSize, FinalTensorName: p.FinalTensorName, Views: feature.DefaultViews,
	}
}

// request gives the training that settings ask for. It has no folders yet.
func (t trainingSettings) request() TrainingRequest {
	return TrainingRequest{Base: t.Base, InputSize: t.InputSize, Precision: t.Precision, Params: train.Params{
		Settings: t.Settings, TestingPercentage: t.TestingPercentage, ValidationPercentage: t.ValidationPercentage,
		TestBatchSize: t.TestBatchSize, FinalTensorName: t.FinalTensorName,
		Augmentation: feature.Augmentation{
			Views: t.Views, Flip: t.Flip, Crop: t.Crop, Scale: t.Scale, Brightness: t.Brightness, Rotation: t.Rotation,
		},
	}}
}

// errNoTraining answers where nothing can be trained.
func errNoTraining() error { return notFound("no_training", "this server does not train") }

func (s *Server) listBases(w http.ResponseWriter, _ *http.Request) error {
	if s.trainings.Trainer == nil {
		return errNoTraining()
	}
	bases, err := s.trainings.Trainer.Bases()
	if err != nil {
		return fmt.Errorf("listing the base models: %w", err)
	}
	writeJSON(w, http.StatusOK, map[string]any{"base_models": append([]BaseModel{}, bases...)})
	return nil
}

func (s *Server) startTraining(w http.ResponseWriter, r *http.Request) error {
	t := s.trainings
	if t.Trainer == nil || t.Runs == nil {
		return errNoTraining()
	}
	settings := defaultTraining()
	if err := readDocument(r, &settings); err != nil {
		return err
	}
	request := settings.request()
	checked := request.Params
	checked.ImageDir, checked.OutputDir = cmp.Or(settings.Dataset, "-"), "-" // Which are the server's own to give.
	if err := checked.Validate(); err != nil {
		return badRequest("bad_settings", err.Error())
	}
	err := s.library(r.Context(), settings.Dataset, func(_ context.Context, l *curate.Library) error { return fit(l) })
	if err != nil {
		return err
	}
	if err := t.Trainer.Check(r.Context(), request); err != nil {
		return badRequest("bad_settings", err.Error())
	}
	begun, err := t.start(settings, request) //nolint:contextcheck // The training outlives the request.
	if err != nil {
		return err
	}
	state, _, _ := begun.snapshot()
	w.Header().Set("Location", "/api/v1/trainings/current")
	writeJSON(w, http.StatusAccepted, state)
	return nil
}

func (s *Server) showTraining(w http.ResponseWriter, _ *http.Request) error {
	state := trainingState{State: stateIdle}
	if t := s.trainings.last(); t != nil {
		state, _, _ = t.snapshot()
	}
	writeJSON(w, http.StatusOK, state)
	return nil
}

func (s *Server) stopTraining(w http.ResponseWriter, _ *http.Request) error {
	t := s.trainings.last()
	if t == nil {
		return noTraining()
	}
	if err := t.stopFit(); err != nil {
		return err
	}
	state, _, _ := t.snapshot()
	writeJSON(w, http.StatusAccepted, state)
	return nil
}

func (s *Server) cancelTraining(w http.ResponseWriter, _ *http.Request) error {
	t, err := s.trainings.cancel()
	if err != nil {
		return err
	}
	state, _, _ := t.snapshot()
	writeJSON(w, http.StatusAccepted, state)
	return nil
}
