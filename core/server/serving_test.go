package server

import (
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kaika/core/classify"
	"kaika/core/picture/picturetest"
	"kaika/core/serve"
)

func b64(data []byte) string {
	return `{"b64":"` + base64.StdEncoding.EncodeToString(data) + `"}`
}

// instances makes a request for photos in rows.
func instances(photos ...[]byte) string {
	rows := make([]string, len(photos))
	for i, p := range photos {
		rows[i] = b64(p)
	}
	return `{"instances":[` + strings.Join(rows, ",") + `]}`
}

func TestServingStatus(t *testing.T) {
	s := newStand(t, nil)
	const want = `{"model_version_status":[{"version":"1","state":"AVAILABLE","status":{"error_code":"OK","error_message":""}}]}`
	for _, path := range []string{"/v1/models/flowers", "/v1/models/flowers/versions/1"} {
		if h := s.send("GET", path, "", nil).is(200, ""); strings.TrimSpace(h.body) != want || !strings.HasPrefix(h.header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: %s", path, h.body)
		}
	}
	for _, path := range []string{"/v1/models/flowers/metadata", "/v1/models/flowers/versions/1/metadata"} {
		var said struct {
			Spec struct {
				Name, Version string
			} `json:"model_spec"`
			Metadata struct {
				Outer struct {
					Inner map[string]struct {
						Inputs, Outputs map[string]struct {
							Dtype, Name string
							Shape       struct {
								Dim []struct{ Size string }
							} `json:"tensor_shape"`
						}
						Method string `json:"method_name"`
					} `json:"signature_def"`
				} `json:"signature_def"`
			}
		}
		if err := json.Unmarshal([]byte(s.send("GET", path, "", nil).is(200, "").body), &said); err != nil {
			t.Fatal(err)
		}
		d := said.Metadata.Outer.Inner["serving_default"]
		if said.Spec.Name != "flowers" || said.Spec.Version != "1" || len(d.Inputs) != 2 || d.Inputs["image_bytes"].Dtype != "DT_STRING" || d.Inputs["key"].Name != "key:0" ||
			len(d.Outputs) != 3 || d.Outputs["scores"].Shape.Dim[1].Size != "3" || d.Outputs["prediction"].Dtype != "DT_INT64" || d.Method != "tensorflow/serving/predict" {
			t.Errorf("%s: %+v", path, said)
		}
	}
}

// TestPredict asks in each form that clients of TensorFlow Serving know.
func TestPredict(t *testing.T) {
	s := newStand(t, nil)
	a, b := picturetest.JPEG(0, 1, 32, 24), picturetest.PNG(1, 2, 24, 32)
	key := base64.StdEncoding.EncodeToString([]byte("zwei"))
	check := func(t *testing.T, what string, photo []byte, scores []float32, best int) {
		t.Helper()
		want := scoresOf(photo)
		if !slices.Equal(scores, want) || want[best] != slices.Max(want) {
			t.Errorf("%s: scores %v, best %d: %v", what, scores, best, want)
		}
	}
	for what, keys := range map[string][2]string{
		instances(a, b): {},
		`{"signature_name":"serving_default","instances":[` + b64(a) + "," + b64(b) + `]}`:                                          {},
		`{"signature_name":null,"other":[{"x":[1]},2],"instances":[{"image_bytes":` + b64(a) + `},{"image_bytes":` + b64(b) + `}]}`: {},
		`{"instances":[{"key":"one","image_bytes":` + b64(a) + `},{"image_bytes":` + b64(b) + `,"key":{"b64":"` + key + `"}}]}`:     {"one", "zwei"},
		strings.ReplaceAll(instances(a, b), "=", ""):                                                                                {},
	} {
		for _, path := range []string{"/v1/models/flowers:predict", "/v1/models/flowers/versions/1:predict"} {
			// curl -d sends this kind unless it is told otherwise.
			h := s.send("POST", path, "application/x-www-form-urlencoded", strings.NewReader(what)).is(200, "")
			rows := parsed[struct{ Predictions []prediction }](h).Predictions
			if len(rows) != 2 {
				t.Fatalf("%s", h.body)
			}
			for i, row := range rows {
				check(t, what[:40], [][]byte{a, b}[i], row.Scores, row.Best)
				if row.Key != keys[i] {
					t.Errorf("key %q instead of %q", row.Key, keys[i])
				}
			}
		}
	}
	for _, c := range []struct {
		what string
		keys []string
	}{
		{`{"inputs":[` + b64(a) + "," + b64(b) + `]}`, []string{"", ""}},
		{`{"inputs":{"image_bytes":[` + b64(a) + "," + b64(b) + `]}}`, []string{"", ""}},
		{`{"inputs":{"key":["one","two"],"image_bytes":[` + b64(a) + "," + b64(b) + `]}}`, []string{"one", "two"}},
		{`{"inputs":` + b64(a) + `}`, []string{""}},
	} {
		h := s.send("POST", "/v1/models/flowers:predict", "application/json", strings.NewReader(c.what)).is(200, "")
		out := parsed[struct {
			Outputs struct {
				Scores     [][]float32
				Prediction []int
				Key        []string
			}
		}](h).Outputs
		if !slices.Equal(out.Key, c.keys) || len(out.Scores) != len(c.keys) {
			t.Fatalf("%s", h.body)
		}
		for i := range out.Scores {
			check(t, c.what[:30], [][]byte{a, b}[i], out.Scores[i], out.Prediction[i])
		}
	}
	h := s.send("POST", "/v1/models/flowers:classify", "", strings.NewReader(`{"context":{"x":1},"examples":[{"image":`+b64(a)+`,"caption":"x"},{"sizes":[1,2],"image":`+b64(b)+`}]}`)).is(200, "")
	results := parsed[struct{ Results [][][2]any }](h).Results
	for i, photo := range [][]byte{a, b} {
		var answer classify.Answer
		for _, pair := range results[i] {
			label, _ := pair[0].(string)
			score, _ := pair[1].(float64)
			answer.Predictions = append(answer.Predictions, classify.Prediction{Label: label, Score: float32(score)})
		}
		matches(t, answer, photo)
	}
	if left := s.server.memory.left; left != DefaultLimits().InFlight {
		t.Errorf("%d bytes of the budget were not given back", DefaultLimits().InFlight-left)
	}
}

// TestServingRefuses wants TensorFlow Serving's codes and the shape of its errors.
func TestServingRefuses(t *testing.T) {
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Limits = Limits{Photos: 3, Body: 50_000} })
	a := picturetest.JPEG(0, 1, 32, 24)
	for _, c := range []struct {
		method, path, body string
		status             int
		words              string
	}{
		{"GET", "/v1/models/trees", "", 404, "Could not find any versions of model trees"},
		{"GET", "/v1/models/flowers/versions/9", "", 404, "Could not find any versions of model flowers with version 9"},
		{"GET", "/v1/models/flowers/versions/x", "", 400, "Failed to convert version"},
		{"GET", "/v1/models/flowers/labels/stable", "", 400, "Unrecognized servable version label: stable"},
		{"GET", "/v1/models/trees/metadata", "", 404, "Servable not found for request: Latest(trees)"},
		{"GET", "/v1/models", "", 400, "Malformed request: GET /v1/models"},
		{"GET", "/v1/models/flowers:predict", "", 400, "Malformed request: GET /v1/models/flowers:predict"},
		{"GET", "/v1/models/flowers/versions/1:predict", "", 400, "Malformed request: GET /v1/models/flowers/versions/1:predict"},
		{"POST", "/v1/models/flowers", "{}", 400, "Malformed request: POST /v1/models/flowers"},
		{"POST", "/v1/models/flowers:guess", "{}", 400, "Malformed request"},
		{"POST", "/v1/models/trees:predict", "{}", 404, "Servable not found for request: Latest(trees)"},
		{"POST", "/v1/models/flowers/versions/2:predict", "{}", 404, "Servable not found for request: Specific(flowers, 2)"},
		{"POST", "/v1/models/flowers/labels/stable:predict", "{}", 400, "Unrecognized servable version label: stable"},
		{"POST", "/v1/models/flowers:regress", instances(a), 400, "Expected a regression signature"},
		{"POST", "/v1/models/flowers:predict", "", 400, "JSON Parse error"},
		{"POST", "/v1/models/flowers:predict", "[]", 400, "the request must be a JSON object"},
		{"POST", "/v1/models/flowers:predict", `{"instances":[`, 400, "JSON Parse error"},
		{"POST", "/v1/models/flowers:predict", instances(a) + "x", 400, "JSON Parse error"},
		{"POST", "/v1/models/flowers:predict", `{"instances":[NaN]}`, 400, "JSON Parse error"},
		{"POST", "/v1/models/flowers:predict", `{}`, 400, `Missing \"instances\" or \"inputs\"`},
		{"POST", "/v1/models/flowers:predict", `{"instances":[]}`, 400, "holds no photo"},
		{"POST", "/v1/models/flowers:predict", `{"instances":[],"inputs":[]}`, 400, "both"},
		{"POST", "/v1/models/flowers:predict", `{"instances":{}}`, 400, "must be a list"},
		{"POST", "/v1/models/flowers:predict", `{"instances":[1.0,2.0]}`, 400, "the photo of row 0"},
		{"POST", "/v1/models/flowers:predict", `{"instances":[{"key":"x"}]}`, 400, "Missing named input: image_bytes"},
		{"POST", "/v1/models/flowers:predict", `{"instances":[{"image":` + b64(a) + `}]}`, 400, `Unexpected input \"image\"`},
		{"POST", "/v1/models/flowers:predict", `{"instances":[{"b64":"***"}]}`, 400, "not in base64"},
		{"POST", "/v1/models/flowers:predict", `{"instances":[{"image_bytes":{"b64":"","c":1}}]}`, 400, "no other"},
		{"POST", "/v1/models/flowers:predict", `{"instances":["hello"]}`, 400, "The photo of row 0 is a text file"},
		{"POST", "/v1/models/flowers:predict", instances(a, []byte("aREFUSED")), 400, "The photo of row 1 is a text file"},
		{"POST", "/v1/models/flowers:predict", instances(append(slices.Clone(a), "REFUSED"...)), 400, "The photo of row 0 is damaged inside"},
		{"POST", "/v1/models/flowers:predict", `{"inputs":{"key":["a"],"image_bytes":[` + b64(a) + "," + b64(a) + `]}}`, 400, "1 keys were given for 2 photos"},
		{"POST", "/v1/models/flowers:predict", `{"signature_name":"other","instances":[]}`, 400, `Serving signature name: \"other\" not found in signature def`},
		{"POST", "/v1/models/flowers:predict", instances(a, a, a, a), 413, "more than 3 photos"},
		{"POST", "/v1/models/flowers:predict", instances(make([]byte, 50_000)), 413, "more was sent than is taken"},
		{"POST", "/v1/models/flowers:classify", `{"examples":[{"caption":"x"}]}`, 400, "the photo"},
		{"POST", "/v1/models/flowers:classify", instances(a), 400, `Missing \"examples\"`},
		{"POST", "/v1/models/flowers:predict", strings.Repeat("[", 40_000), 400, ""},
		{"POST", "/v1/models/flowers:predict", `{"x":` + strings.Repeat("[", 40_000), 400, "JSON Parse error"},
	} {
		var body *strings.Reader
		if body = strings.NewReader(c.body); c.method == "GET" {
			body = strings.NewReader("")
		}
		h := s.send(c.method, c.path, "application/json", body)
		var said map[string]string
		if err := json.Unmarshal([]byte(h.body), &said); err != nil || len(said) != 1 || said["error"] == "" {
			t.Errorf("%s %s: %v: %s", c.method, c.path, err, h.body)
		}
		if h.status != c.status || !strings.Contains(h.body, c.words) {
			t.Errorf("%s %s %.60s: %d %s", c.method, c.path, c.body, h.status, h.body)
		}
	}
	if left := s.server.memory.left; left != DefaultLimits().InFlight {
		t.Errorf("%d bytes of the budget were not given back", DefaultLimits().InFlight-left)
	}
}

// FuzzPredict reads documents of all kinds: it must neither panic nor keep memory, and agree with itself.
func FuzzPredict(f *testing.F) {
	photo := picturetest.JPEG(0, 1, 8, 8)
	for _, document := range []string{
		instances(photo), `{"inputs":{"key":["a"],"image_bytes":[` + b64(photo) + `]}}`, `{"inputs":{"b64":""}}`, `{"instances":["a",{"b64":"="}]}`,
		`{"examples":[{"a":{"b64":""}}]}`, `{"instances":[{"image_bytes":"x","key":{"b64":"eA=="}}],"signature_name":""}`, `{"a":{"b":[1,{"c":null}]}}`,
		`{"inputs":[],"instances":1}`, "{", `{"instances":[[[]]]}`, `{"instances":[{"b64":"\ud800"}]}`,
	} {
		f.Add(document)
	}
	models := serve.New(serve.Config{})
	s, err := New(Config{Models: models, Limits: Limits{Photos: 4}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, document string) {
		for _, names := range [][]string{{"examples"}, {"instances", "inputs"}} {
			photos := s.newPhotos(t.Context())
			asks := &ask{server: s, ctx: t.Context(), photos: photos}
			err := asks.read(strings.NewReader(document), names...)
			switch {
			case err == nil && !json.Valid([]byte(document)):
				t.Errorf("%q is no JSON", document)
			case err == nil && (len(photos.all) == 0 || len(photos.all) != len(asks.keys)):
				t.Errorf("%q: %d photos, %d keys", document, len(photos.all), len(asks.keys))
			case err != nil && problemOf(err).status >= 500:
				t.Errorf("an error of our own: %v", err)
			}
			photos.free()
			if s.memory.left != s.Limits.InFlight {
				t.Error("memory was not given back")
			}
		}
	})
}

// TestVersionFromItsFolder activates a version that was copied into the folder of a model while it is served.
func TestVersionFromItsFolder(t *testing.T) {
	dir := t.TempDir()
	writeModel(t, filepath.Join(dir, "1"))
	auth, _ := authOf(t, "me", "secret")
	s := newStand(t, func(c *Config, m *serve.Config) {
		c.Auth = auth
		c.Models = serve.New(*m)
		if err := c.Models.Serve(t.Context(), "flowers", dir); err != nil {
			t.Fatal(err)
		}
	})
	ask := func(method, path, body string) heard {
		return s.send(method, "/api/v1/models/flowers"+path, "application/json", strings.NewReader(body), "Authorization", basic("me", "secret"))
	}
	ask("POST", "/activate", `{"version":2}`).is(409, "no_version")
	writeModel(t, filepath.Join(dir, "2"))
	if status := parsed[modelStatus](ask("POST", "/activate", `{"version":2}`).is(200, "")); status.Active != 2 || status.Before != 1 {
		t.Errorf("%+v", status)
	}
	for _, neither := range []string{`{}`, `{"version":1,"run":"x"}`, `{"version":-1}`} {
		ask("POST", "/activate", neither).is(400, "no_run")
	}
	ask("DELETE", "", "").is(409, "model_given")
}

// TestServingVersions asks for versions by their numbers.
func TestServingVersions(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"3", "5", "12"} {
		writeModel(t, filepath.Join(dir, version))
	}
	s := newStand(t, func(c *Config, m *serve.Config) {
		c.Models = serve.New(*m)
		if err := c.Models.Serve(t.Context(), "flowers", dir); err != nil {
			t.Fatal(err)
		}
	})
	h := s.send("GET", "/v1/models/flowers", "", nil).is(200, "")
	if !strings.Contains(h.body, `{"version":"3","state":"END"`) || !strings.Contains(h.body, `{"version":"12","state":"AVAILABLE"`) {
		t.Errorf("%s", h.body)
	}
	photo := picturetest.JPEG(0, 1, 8, 8)
	s.send("POST", "/v1/models/flowers/versions/12:predict", "", strings.NewReader(instances(photo))).is(200, "")
	s.send("POST", "/v1/models/flowers/versions/3:predict", "", strings.NewReader(instances(photo))).is(404, "")
}
