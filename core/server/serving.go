package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"kaika/core/classify"
	"kaika/core/serve"
)

// The signature under which the models answer, and its tensors: those of the SavedModel that kaika retrain writes with
// --saved_model_dir, so that a client cannot tell one from the other.
const (
	signature       = "serving_default"
	inputImage      = "image_bytes"
	inputKey        = "key"
	outputScores    = "scores"
	outputBest      = "prediction"
	outputKey       = "key"
	methodPredict   = "tensorflow/serving/predict"
	servingPrefix   = "/v1/models/{name}"
	servingVersions = servingPrefix + "/versions/{version}"
	servingLabels   = servingPrefix + "/labels/{label}"
)

// servingRoutes speak as TensorFlow Serving does (its "RESTful API"), so that its clients work unchanged. ServeMux knows
// no pattern that ends within a part of a path: what is behind the colon is looked at in call.
func (s *Server) servingRoutes() []route {
	get := func(pattern string, handle func(http.ResponseWriter, *http.Request) error) route {
		return route{pattern: "GET " + pattern, access: accessClassify, style: styleServing, handle: handle}
	}
	calls := func(pattern string) route {
		path := strings.TrimSuffix(pattern, "}")
		var documents []string
		for _, verb := range []string{"predict", "classify", "regress"} {
			documents = append(documents, "POST "+path+"}:"+verb)
		}
		return route{
			pattern: "POST " + pattern, documents: documents, access: accessClassify, style: styleServing, maxBody: s.Limits.Body, handle: s.call,
		}
	}
	return []route{
		get(servingPrefix, s.modelStatus),
		get(servingVersions, s.modelStatus),
		get(servingLabels, s.modelStatus),
		get(servingPrefix+"/metadata", s.modelMetadata),
		get(servingVersions+"/metadata", s.modelMetadata),
		get(servingLabels+"/metadata", s.modelMetadata),
		calls(servingPrefix),
		calls(servingVersions),
		calls(servingLabels),
	}
}

// A modelSpec is which model and version a request is for.
type modelSpec struct {
	name    string
	version int // 0 for the active one.
}

// String names it as TensorFlow Serving does in its errors.
func (m modelSpec) String() string {
	if m.version == 0 {
		return "Latest(" + m.name + ")"
	}
	return fmt.Sprintf("Specific(%s, %d)", m.name, m.version)
}

// spec reads which model and version a path names. The last part of the path may have a verb after it.
func spec(r *http.Request) (m modelSpec, verb string, err error) {
	name, version, label := r.PathValue("name"), r.PathValue("version"), r.PathValue("label")
	last := &name
	switch {
	case version != "":
		last = &version
	case label != "":
		last = &label
	}
	called := false
	if *last, verb, called = strings.Cut(*last, ":"); called && r.Method != http.MethodPost { // What is behind the colon is for POST.
		return m, verb, badRequest("malformed", "Malformed request: "+r.Method+" "+shortened(r.URL.Path))
	}
	if label != "" {
		return m, verb, badRequest("label", "Unrecognized servable version label: "+shortened(label))
	}
	m.name = name
	if version != "" {
		if m.version, err = strconv.Atoi(version); err != nil || m.version < 1 {
			return m, verb, badRequest("version", "Failed to convert version: "+shortened(version)+" to numeric.")
		}
	}
	return m, verb, nil
}

// model gives the model, or TensorFlow Serving's error.
func (s *Server) servable(m modelSpec) (*serve.Model, error) {
	model, err := s.Models.Get(m.name, m.version)
	if m.version == 0 && errors.Is(err, serve.ErrNoVersion) {
		return nil, notLoaded()
	}
	if errors.Is(err, serve.ErrNoModel) || errors.Is(err, serve.ErrNoVersion) {
		return nil, notFound("no_model", "Servable not found for request: "+m.String())
	}
	return model, err
}

// A versionStatus is one of tensorflow.serving.GetModelStatusResponse.
type versionStatus struct {
	Version string `json:"version"`
	State   string `json:"state"`
	Status  struct {
		Code    string `json:"error_code"`
		Message string `json:"error_message"`
	} `json:"status"`
}

// modelStatus tells about the versions of a model.
func (s *Server) modelStatus(w http.ResponseWriter, r *http.Request) error {
	asked, _, err := spec(r)
	if err != nil {
		return err
	}
	all := []versionStatus{}
	for _, model := range s.Models.List() {
		if model.Name != asked.name {
			continue
		}
		for _, v := range model.Versions {
			if asked.version != 0 && asked.version != v.Version {
				continue
			}
			status := versionStatus{Version: strconv.Itoa(v.Version), State: v.State}
			status.Status.Code = "OK"
			if v.Err != nil {
				status.Status.Code, status.Status.Message = "UNKNOWN", "the version could not be loaded: the server's log says why"
			}
			all = append(all, status)
		}
	}
	if len(all) == 0 {
		which := asked.name
		if asked.version != 0 {
			which = fmt.Sprintf("%s with version %d", asked.name, asked.version)
		}
		return notFound("no_model", "Could not find any versions of model "+which)
	}
	writeJSON(w, http.StatusOK, map[string]any{"model_version_status": all})
	return nil
}

// tensorInfo is tensorflow.TensorInfo as protobuf writes it in JSON.
func tensorInfo(name, dtype string, sizes ...int) map[string]any {
	dims := []map[string]string{}
	for _, size := range sizes {
		dims = append(dims, map[string]string{"size": strconv.Itoa(size), "name": ""})
	}
	return map[string]any{
		"dtype": dtype, "name": name + ":0", "tensor_shape": map[string]any{"dim": dims, "unknown_rank": false},
	}
}

// modelMetadata tells what a model takes and gives.
func (s *Server) modelMetadata(w http.ResponseWriter, r *http.Request) error {
	asked, _, err := spec(r)
	if err != nil {
		return err
	}
	model, err := s.servable(asked)
	if err != nil {
		return err
	}
	definition := map[string]any{
		"inputs": map[string]any{
			inputImage: tensorInfo("image_bytes", "DT_STRING", -1), inputKey: tensorInfo("key", "DT_STRING", -1),
		},
		"outputs": map[string]any{
			outputScores: tensorInfo("scores", "DT_FLOAT", -1, len(model.Labels)),
			outputBest:   tensorInfo("prediction", "DT_INT64", -1),
			outputKey:    tensorInfo("key_out", "DT_STRING", -1),
		},
		"method_name": methodPredict,
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"model_spec": map[string]string{"name": model.Name, "signature_name": "", "version": strconv.Itoa(model.Version)},
		"metadata": map[string]any{
			"signature_def": map[string]any{"signature_def": map[string]any{signature: definition}},
		},
	})
	return nil
}

// call answers what is behind the colon.
func (s *Server) call(w http.ResponseWriter, r *http.Request) error {
	asked, verb, err := spec(r)
	switch {
	case verb != "predict" && verb != "classify" && verb != "regress":
		return badRequest("malformed", "Malformed request: POST "+shortened(r.URL.Path))
	case err != nil:
		return err
	}
	model, err := s.servable(asked)
	if err != nil {
		return err
	}
	if verb == "regress" {
		return badRequest("regress", "Expected a regression signature: the model "+model.Name+" classifies, use :predict or :classify")
	}
	photos := s.newPhotos(r.Context())
	defer photos.free()
	if err := photos.room(r.ContentLength); err != nil {
		return err
	}
	asks := &ask{server: s, ctx: r.Context(), photos: photos}
	if verb == "classify" {
		err = asks.read(r.Body, "examples")
	} else {
		err = asks.read(r.Body, "instances", "inputs")
	}
	if err != nil {
		return err
	}
	answers, err := s.every(r.Context(), model, photos)
	if err != nil {
		return err
	}
	s.keep(model, photos, answers)
	if verb == "classify" {
		writeJSON(w, http.StatusOK, map[string]any{"results": labelled(answers)})
		return nil
	}
	writeJSON(w, http.StatusOK, asks.answer(model.Labels, answers))
	return nil
}

// every answers for all photos, or not at all, as a TensorFlow graph does.
func (s *Server) every(ctx context.Context, model *serve.Model, photos *sentPhotos) ([]classify.Answer, error) {
	for i, p := range photos.all {
		if p.err != nil {
			return nil, badPhoto(i, p.err.Error())
		}
	}
	answers, err := s.answers(ctx, model, photos)
	for i, a := range answers {
		if a.Error != nil {
			return nil, badPhoto(i, *a.Error)
		}
	}
	return answers, err
}

func badPhoto(i int, why string) *problem {
	return badRequest("photo", fmt.Sprintf("The photo of row %d %s", i, why))
}

// labelled gives pairs of a label and its score, the highest score first.
func labelled(answers []classify.Answer) [][][2]any {
	results := make([][][2]any, len(answers))
	for i, a := range answers {
		results[i] = make([][2]any, len(a.Predictions))
		for k, p := range a.Predictions {
			results[i][k] = [2]any{p.Label, p.Score}
		}
	}
	return results
}
