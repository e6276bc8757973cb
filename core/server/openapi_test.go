package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"kaika/assets"
	"kaika/core/picture/picturetest"
	"kaika/core/serve"
)

// described reads the description of the API, which must be valid.
func described(t testing.TB) *openapi3.T {
	t.Helper()
	data, err := assets.Web.ReadFile("web/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Validate(t.Context(), openapi3.DisableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	return document
}

// TestOpenAPIHasAllRoutes compares the description with the routes, both ways. Pages for people are not described.
func TestOpenAPIHasAllRoutes(t *testing.T) {
	s, err := New(Config{Models: serve.New(serve.Config{})})
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]bool{}
	for _, page := range s.pageRoutes() {
		pages[page.pattern] = true
	}
	var there []string
	levels := map[string]access{}
	for _, r := range s.routes() {
		patterns := r.documents
		if patterns == nil {
			patterns = []string{r.pattern}
		}
		for _, p := range patterns {
			if !pages[p] {
				there = append(there, p)
				levels[p] = r.access
			}
		}
	}
	var told []string
	ids := map[string]bool{}
	for path, item := range described(t).Paths.Map() {
		for method, operation := range item.Operations() {
			pattern := method + " " + path
			told = append(told, pattern)
			if ids[operation.OperationID] || operation.OperationID == "" || operation.Summary == "" {
				t.Errorf("%s has no operationId of its own, or no summary", pattern)
			}
			ids[operation.OperationID] = true
			// The document must not promise that a route is open which is not, nor the other way round.
			open, security := operation.Security != nil, operation.Security
			if open {
				open = len(*security) == 0 || slices.ContainsFunc(*security, func(r openapi3.SecurityRequirement) bool { return len(r) == 0 })
			}
			if level, ok := levels[pattern]; ok && open != (level != accessChange) {
				t.Errorf("%s: the description says open %t, and it has the access %d", pattern, open, level)
			}
			for _, parameter := range operation.Parameters {
				if p := parameter.Value; p.In == "path" && !strings.Contains(path, "{"+p.Name+"}") {
					t.Errorf("%s has no %s in its path", pattern, p.Name)
				}
			}
		}
	}
	slices.Sort(there)
	slices.Sort(told)
	for _, p := range there {
		if !slices.Contains(told, p) {
			t.Errorf("openapi.json does not describe %s", p)
		}
	}
	for _, p := range told {
		if !slices.Contains(there, p) {
			t.Errorf("openapi.json describes %s, which is not there", p)
		}
	}
}

// fits checks an answer against what the description says of an operation.
func fits(t testing.TB, document *openapi3.T, pattern string, h heard) {
	t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	item := document.Paths.Value(path)
	if item == nil || item.GetOperation(method) == nil {
		t.Errorf("%s is not described", pattern)
		return
	}
	responses := item.GetOperation(method).Responses
	response := responses.Value(strconv.Itoa(h.status))
	if response == nil && h.status >= http.StatusBadRequest {
		response = responses.Default()
	}
	if response == nil {
		t.Errorf("%s: the status %d is not described: %s", pattern, h.status, h.body)
		return
	}
	if len(response.Value.Content) == 0 {
		if h.body != "" {
			t.Errorf("%s: %d has a body: %s", pattern, h.status, h.body)
		}
		return
	}
	media := response.Value.Content.Get(h.header.Get("Content-Type"))
	if media == nil {
		t.Errorf("%s: %d has the type %q", pattern, h.status, h.header.Get("Content-Type"))
		return
	}
	if !strings.HasPrefix(h.header.Get("Content-Type"), "application/json") {
		return
	}
	var value any
	if err := json.Unmarshal([]byte(h.body), &value); err != nil {
		t.Errorf("%s: %v: %s", pattern, err, h.body)
		return
	}
	if err := media.Schema.Value.VisitJSON(value, openapi3.MultiErrors()); err != nil {
		t.Errorf("%s: %d: %v\n%s", pattern, h.status, err, h.body)
	}
}

// TestAnswersFitOpenAPI compares real answers with the description: good ones and errors.
func TestAnswersFitOpenAPI(t *testing.T) {
	document := described(t)
	s := newStand(t, nil)
	rose := picturetest.JPEG(0, 1, 16, 16)
	kind, form := sending(t, "a.jpg", string(rose), "b.jpg", "hello")
	for _, c := range []struct {
		pattern, path, kind, body string
		status                    int
	}{
		{"GET /healthz", "", "", "", 200},
		{"GET /readyz", "", "", "", 200},
		{"GET /metrics", "", "", "", 200},
		{"GET /api/v1/openapi.json", "", "", "", 200},
		{"POST /api/v1/classify", "", kind, form.String(), 200},
		{"POST /api/v1/classify", "", "text/plain", "x", 415},
		{"POST /api/v1/classify", "/api/v1/classify?model=trees", "", "x", 404},
		{"GET /v1/models/{name}", "/v1/models/flowers", "", "", 200},
		{"GET /v1/models/{name}", "/v1/models/trees", "", "", 404},
		{"GET /v1/models/{name}/versions/{version}", "/v1/models/flowers/versions/1", "", "", 200},
		{"GET /v1/models/{name}/labels/{label}", "/v1/models/flowers/labels/a", "", "", 400},
		{"GET /v1/models/{name}/metadata", "/v1/models/flowers/metadata", "", "", 200},
		{"GET /v1/models/{name}/versions/{version}/metadata", "/v1/models/flowers/versions/1/metadata", "", "", 200},
		{"GET /v1/models/{name}/labels/{label}/metadata", "/v1/models/flowers/labels/a/metadata", "", "", 400},
		{"POST /v1/models/{name}:predict", "/v1/models/flowers:predict", "", instances(rose), 200},
		{"POST /v1/models/{name}:predict", "/v1/models/flowers:predict", "", `{"inputs":[` + b64(rose) + `]}`, 200},
		{"POST /v1/models/{name}/versions/{version}:predict", "/v1/models/flowers/versions/1:predict", "", instances(rose), 200},
		{"POST /v1/models/{name}/labels/{label}:predict", "/v1/models/flowers/labels/a:predict", "", instances(rose), 400},
		{"POST /v1/models/{name}:classify", "/v1/models/flowers:classify", "", `{"examples":[{"a":` + b64(rose) + `}]}`, 200},
		{"POST /v1/models/{name}:regress", "/v1/models/flowers:regress", "", instances(rose), 400},
		{"GET /api/v1/models", "", "", "", 403},
	} {
		method, path, _ := strings.Cut(c.pattern, " ")
		if c.path != "" {
			path = c.path
		}
		fits(t, document, c.pattern, s.send(method, path, c.kind, strings.NewReader(c.body)).is(c.status, ""))
	}
	s.engine.do(nil)
}

// TestChangesFitOpenAPI walks through what changes something, with datasets, a training and its model, and compares each
// answer with the description.
func TestChangesFitOpenAPI(t *testing.T) {
	document := described(t)
	s := newStudio(t)
	asked := map[string]bool{}
	ask := func(pattern, path string, body []byte, kind string) heard {
		t.Helper()
		method, documented, _ := strings.Cut(pattern, " ")
		if path == "" {
			path = documented
		}
		r := httptest.NewRequestWithContext(t.Context(), method, path, bytes.NewReader(body))
		r.Header.Set("Authorization", basic("me", "secret"))
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		w := httptest.NewRecorder()
		s.server.Handler().ServeHTTP(w, r)
		h := heard{t, w.Code, w.Header(), w.Body.String()}
		fits(t, document, pattern, h)
		asked[pattern] = true
		return h
	}
	s.flowers("garden")
	ask("GET /api/v1/datasets", "", nil, "").is(200, "")
	ask("GET /api/v1/datasets/{dataset}", "/api/v1/datasets/garden", nil, "").is(200, "")
	list := ask("GET /api/v1/datasets/{dataset}/photos", "/api/v1/datasets/garden/photos?limit=2", nil, "").is(200, "")
	id := strconv.FormatInt(int64(parsed[photoPage](list).Photos[0].ID), 10)
	kind, form := sending(t, "a.jpg", string(picturetest.JPEG(3, 999, 40, 40)), "b.jpg", "hello")
	ask("POST /api/v1/datasets/{dataset}/photos", "/api/v1/datasets/garden/photos?label=rose", form.Bytes(), kind)
	ask("GET /api/v1/datasets/{dataset}/photos/{id}", "/api/v1/datasets/garden/photos/"+id, nil, "").is(200, "")
	ask("DELETE /api/v1/datasets/{dataset}/photos/{id}", "/api/v1/datasets/garden/photos/"+id, nil, "").is(200, "")
	ask("POST /api/v1/datasets/{dataset}/photos/{id}/restore", "/api/v1/datasets/garden/photos/"+id+"/restore", nil, "").is(200, "")
	ask("POST /api/v1/datasets/{dataset}/undo", "/api/v1/datasets/garden/undo", nil, "").is(200, "")
	ask("POST /api/v1/datasets/{dataset}/archive", "/api/v1/datasets/other/archive", []byte("no archive"), "")
	ask("GET /api/v1/datasets/{dataset}/archive", "/api/v1/datasets/garden/archive", nil, "").is(200, "")
	ask("GET /api/v1/datasets/{dataset}/archive", "/api/v1/datasets/nowhere/archive", nil, "").is(404, "no_dataset")
	ask("DELETE /api/v1/datasets/{dataset}/trash", "/api/v1/datasets/garden/trash?yes=true", nil, "").is(200, "")
	ask("GET /api/v1/base_models", "", nil, "").is(200, "")
	ask("GET /api/v1/imports/current", "", nil, "").is(200, "")
	ask("DELETE /api/v1/imports/current", "", nil, "")
	ask("GET /api/v1/trainings/current", "", nil, "").is(200, "")
	ask("POST /api/v1/trainings/current/stop", "", nil, "").is(409, "")
	ask("DELETE /api/v1/trainings/current", "", nil, "").is(409, "")
	ask("POST /api/v1/trainings", "", []byte(`{"dataset":"garden","how_many_training_steps":20}`), "application/json").is(202, "")
	s.finished()
	ask("GET /api/v1/trainings/current", "", nil, "").is(200, "")
	ask("GET /api/v1/trainings/current/events", "", nil, "").is(200, "")
	runs := ask("GET /api/v1/runs", "", nil, "").is(200, "")
	run := parsed[struct{ Runs []runSummary }](runs).Runs[0].ID
	ask("GET /api/v1/runs/{id}", "/api/v1/runs/"+run, nil, "").is(200, "")
	ask("POST /api/v1/models/{name}/activate", "/api/v1/models/flowers/activate", []byte(`{"run":"`+run+`"}`), "application/json").is(200, "")
	ask("GET /api/v1/models", "", nil, "").is(200, "")
	ask("POST /api/v1/models/{name}/select", "/api/v1/models/flowers/select", []byte(`{"version":1}`), "application/json").is(200, "")
	ask("POST /api/v1/models/{name}/rollback", "/api/v1/models/flowers/rollback", nil, "").is(409, "")
	ask("POST /api/v1/models/{name}/activate", "/api/v1/models/flowers/activate", []byte(`{"version":1}`), "application/json").is(200, "")
	s.server.Received = t.TempDir()
	ask("POST /api/v1/models/{name}/versions", "/api/v1/models/flowers/versions", packedModel(t, filepath.Join(s.server.trainings.Runs.Dir, run), ""), "application/x-tar").is(200, "")
	ask("DELETE /api/v1/runs/{id}", "/api/v1/runs/"+run, nil, "").is(409, "")
	ask("DELETE /api/v1/models/{name}", "/api/v1/models/flowers", nil, "").is(204, "")
	ask("DELETE /api/v1/models/{name}", "/api/v1/models/flowers", nil, "").is(404, "no_model")
	ask("DELETE /api/v1/datasets/{dataset}", "/api/v1/datasets/garden", nil, "").is(200, "")
	deleted := parsed[struct{ Deleted []deletedDataset }](ask("GET /api/v1/deleted", "", nil, "").is(200, "")).Deleted
	ask("POST /api/v1/deleted/{id}/restore", "/api/v1/deleted/"+url.PathEscape(deleted[0].ID)+"/restore", nil, "").is(200, "")
	ask("DELETE /api/v1/deleted/{id}", "/api/v1/deleted/"+url.PathEscape(deleted[0].ID)+"?yes=true", nil, "").is(404, "no_deleted")
	ask("DELETE /api/v1/deleted", "/api/v1/deleted?yes=true", nil, "").is(200, "")
	for _, pattern := range []string{"GET /api/v1/uploads", "GET /api/v1/uploads/{id}", "DELETE /api/v1/uploads/{id}", "GET /api/v1/uploads/{id}/photo"} {
		ask(pattern, "", nil, "").is(404, "not_kept") // TestUploads has some.
	}
	for _, to := range s.server.routes() {
		if to.access == accessChange && to.style == styleAPI && !asked[to.pattern] {
			t.Errorf("%s was not asked for", to.pattern)
		}
	}
}
