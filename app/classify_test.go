package app

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kaika/core/classify"
	"kaika/core/picture/picturetest"
	"kaika/core/trained"
)

// aRose is a drawn photo that the shared model was not trained with.
func aRose(t testing.TB) string {
	t.Helper()
	return write(t, picturetest.JPEG(0, 500, 96, 72), t.TempDir(), "a rose.jpg")
}

func TestClassifyTable(t *testing.T) {
	t.Parallel()
	model, _ := sharedModel(t)
	u := newUser(t)
	lines := strings.Split(u.kaika("classify", "--model", model, aRose(t)).ends(exitDone).stdout, "\n")
	if len(lines) != 4 || !strings.HasSuffix(lines[0], "  rose") || !strings.Contains(lines[0], " %  █") {
		t.Errorf("printed %q", lines)
	}
	one := u.kaika("classify", "--model", model, "--top", "1", aRose(t)).ends(exitDone)
	if strings.Count(one.stdout, "\n") != 1 {
		t.Errorf("printed %q", one.stdout)
	}
}

// TestClassifyForms asks for the same photos in each form.
func TestClassifyForms(t *testing.T) {
	t.Parallel()
	model, _ := sharedModel(t)
	u := newUser(t)
	rose := aRose(t)
	bad := write(t, []byte("hello"), t.TempDir(), "note, \"quoted\".jpg")

	answers := parse[[]classify.Answer](u.kaika("classify", "--model", model, "--json", rose, bad, "nowhere.jpg").ends(exitFailed))
	if len(answers) != 3 || answers[0].File != rose || answers[0].Error != nil || len(answers[0].Predictions) != 3 || answers[0].Predictions[0].Label != "rose" {
		t.Fatalf("answers %+v", answers)
	}
	sum := 0.0
	for i, p := range answers[0].Predictions {
		if sum += float64(p.Score); i > 0 && p.Score > answers[0].Predictions[i-1].Score {
			t.Errorf("in the order %v", answers[0].Predictions)
		}
	}
	if math.Abs(sum-1) > 1e-4 {
		t.Errorf("the scores add up to %v", sum)
	}
	if answers[1].Error == nil || *answers[1].Error != "is a text file, not a picture" || answers[2].Error == nil || *answers[2].Error != "does not exist" {
		t.Errorf("answers %+v", answers)
	}
	// As a script in another language sees it.
	raw := parse[[]map[string]any](u.kaika("classify", "--model", model, "--json", "--top", "2", bad, rose).ends(exitFailed))
	if list, ok := raw[0]["predictions"].([]any); !ok || len(list) != 0 || raw[0]["error"] == nil {
		t.Errorf("of a bad file: %v", raw[0])
	}
	if list, ok := raw[1]["predictions"].([]any); !ok || len(list) != 2 || raw[1]["error"] != nil {
		t.Errorf("of a good file: %v", raw[1])
	}

	table, err := csv.NewReader(strings.NewReader(u.kaika("classify", "--model", model, "--csv", "--top", "2", rose, bad).ends(exitFailed).stdout)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(table) != 3 || !slices.Equal(table[0], []string{"file", "label_1", "score_1", "label_2", "score_2", "unknown", "error"}) {
		t.Fatalf("printed %q", table)
	}
	if table[1][0] != rose || table[1][1] != "rose" || table[1][2] != fmt.Sprintf("%.6f", answers[0].Predictions[0].Score) || table[1][6] != "" {
		t.Errorf("of a good file: %q", table[1])
	}
	if table[2][0] != bad || table[2][1] != "" || table[2][6] != "is a text file, not a picture" {
		t.Errorf("of a bad file: %q", table[2])
	}

	lines := strings.Split(u.kaika("classify", "--model", model, "--top", "1", rose, bad).ends(exitFailed, "classified 2 of 2 photos").stdout, "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], rose+": rose ") || lines[1] != bad+" is a text file, not a picture" {
		t.Errorf("printed %q", lines)
	}
}

func TestClassifyStandardInput(t *testing.T) {
	t.Parallel()
	model, _ := sharedModel(t)
	u := newUser(t)
	photo := picturetest.JPEG(2, 500, 96, 72)
	u.kaikaReading(bytes.NewReader(photo), "classify", "--model", model, "-").ends(exitDone).says("百合")
	answers := parse[[]classify.Answer](u.kaikaReading(bytes.NewReader(photo), "classify", "--model", model, "--json", "-", aRose(t)).ends(exitDone))
	if len(answers) != 2 || answers[0].File != "-" || answers[0].Predictions[0].Label != "百合" || answers[1].Predictions[0].Label != "rose" {
		t.Errorf("answers %+v", answers)
	}
	u.kaikaReading(strings.NewReader("hello"), "classify", "--model", model, "-").ends(exitFailed).says("the standard input is a text file, not a picture")
	u.kaikaReading(strings.NewReader(""), "classify", "--model", model, "-").ends(exitFailed).says("the standard input is an empty file")
}

func TestClassifyFolder(t *testing.T) {
	t.Parallel()
	model, images := sharedModel(t)
	u := newUser(t)
	answers := parse[[]classify.Answer](u.kaika("classify", "--model", model, "--json", images).ends(exitDone, "classified 60 of 60 photos"))
	right := 0
	for _, a := range answers {
		if filepath.Base(filepath.Dir(a.File)) == a.Predictions[0].Label {
			right++
		}
	}
	if len(answers) != 60 || right < 55 || !slices.IsSortedFunc(answers, func(a, b classify.Answer) int { return strings.Compare(a.File, b.File) }) {
		t.Errorf("%d answers, %d right", len(answers), right)
	}
	empty := t.TempDir()
	u.kaika("classify", "--model", model, empty).ends(exitFailed, "there is no photo in "+empty)
	// A folder's link is as good as the folder.
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(images, "rose"), link); err != nil {
		t.Fatal(err)
	}
	if answers := parse[[]classify.Answer](u.kaika("classify", "--model", model, "--json", link).ends(exitDone)); len(answers) != 20 {
		t.Errorf("%d answers for the photos behind a link", len(answers))
	}
}

// TestClassifyOutputIsFull says once that the answers could not be written.
func TestClassifyOutputIsFull(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("this system has no device that is always full: %v", err)
	}
	defer full.Close() //nolint:errcheck // Nothing was written.
	model, images := sharedModel(t)
	u := newUser(t)
	for _, form := range []string{"--json", "--csv", "--top=1"} {
		var stderr bytes.Buffer
		cmd := u.command("classify", "--model", model, form, images)
		cmd.Stdout, cmd.Stderr = full, &stderr
		a := u.answer(cmd, cmd.Run(), "", stderr.String()).ends(exitFailed, "writing the answer")
		if strings.Count(a.stderr, "no space left on device") != 1 {
			t.Errorf("%s: it says %s", form, a.stderr)
		}
	}
}

// TestClassifyKinds answers for every kind of picture, or says why not.
func TestClassifyKinds(t *testing.T) {
	t.Parallel()
	model, _ := sharedModel(t)
	u := newUser(t)
	dir := t.TempDir()
	for name, c := range kinds() {
		write(t, c.data, dir, name)
	}
	args := []string{"classify", "--model", model, "--json"}
	var names []string
	for name := range kinds() {
		names = append(names, name)
		args = append(args, filepath.Join(dir, name))
	}
	answers := parse[[]classify.Answer](u.kaika(args...).ends(exitFailed))
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			switch a, want := answers[i], kinds()[name].reason; {
			case a.File != filepath.Join(dir, name):
				t.Errorf("the answer is for %s", a.File)
			case want == "" && (a.Error != nil || len(a.Predictions) != 3):
				t.Errorf("the answer is %+v", a)
			case want != "" && (a.Error == nil || !strings.Contains(*a.Error, want)):
				t.Errorf("the answer is %+v: the error should say %q", a, want)
			}
		})
	}
}

// TestClassifyTurned turns a photo in all ways that a camera may: what is seen is the same, so is the answer.
func TestClassifyTurned(t *testing.T) {
	t.Parallel()
	model, _ := sharedModel(t)
	u := newUser(t)
	dir := t.TempDir()
	seen := picturetest.Flower(1, 700, 96, 64)
	var files []string
	for o := 1; o <= 8; o++ {
		files = append(files,
			write(t, picturetest.Turned(seen, o), dir, fmt.Sprintf("%d.jpg", o)),
			write(t, picturetest.WithOrientation(picturetest.EncodePNG(picturetest.Turn(seen, o)), o), dir, fmt.Sprintf("%d.png", o)))
	}
	answers := u.ask(model, files...)
	for i, a := range answers {
		// A JPEG loses other details when it is stored turned.
		tolerance := 0.03
		if strings.HasSuffix(a.File, ".png") {
			tolerance = 1e-3
		}
		for label, score := range scores(a) {
			if d := math.Abs(score - scores(answers[i%2])[label]); d > tolerance {
				t.Errorf("%s: the score of %s is off by %v", filepath.Base(a.File), label, d)
			}
		}
	}
}

// TestClassifyRefuses spoils a model in every way: it must not be used, and the reason be said.
func TestClassifyRefuses(t *testing.T) {
	t.Parallel()
	model, _ := sharedModel(t)
	rose := aRose(t)
	edit := func(t *testing.T, dir string, change func(m *trained.Model)) {
		t.Helper()
		var m trained.Model
		if err := json.Unmarshal(read(t, dir, trained.ModelFile), &m); err != nil {
			t.Fatal(err)
		}
		change(&m)
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		write(t, data, dir, trained.ModelFile)
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		words string
	}{
		"golden scores": {func(t *testing.T, dir string) {
			t.Helper()
			edit(t, dir, func(m *trained.Model) { m.GoldenScores[1].Scores[0] += 0.01 })
		}, "does not compute on this machine as where it was trained"},
		"golden pictures": {func(t *testing.T, dir string) {
			t.Helper()
			edit(t, dir, func(m *trained.Model) { m.GoldenScores[0].Picture = "another" })
		}, "drawn by another version of Kaika"},
		"a bit of the graph": {func(t *testing.T, dir string) {
			t.Helper()
			graph := read(t, dir, trained.GraphFile)
			graph[len(graph)/2] ^= 1
			write(t, graph, dir, trained.GraphFile)
		}, "does not fit together"},
		"no graph": {func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Remove(filepath.Join(dir, trained.GraphFile)); err != nil {
				t.Fatal(err)
			}
		}, "is not whole"},
		"a graph that is none": {func(t *testing.T, dir string) {
			t.Helper()
			graph := []byte("no graph")
			write(t, graph, dir, trained.GraphFile)
			edit(t, dir, func(m *trained.Model) { m.Graph.SHA256 = trained.DigestBytes(graph) })
		}, "trying out the model"},
		"another output": {func(t *testing.T, dir string) {
			t.Helper()
			edit(t, dir, func(m *trained.Model) { m.Graph.Output = "no_such_tensor:0" })
		}, "no_such_tensor"},
		"other labels": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, []byte("sun flower\nrose\n百合\n"), dir, trained.LabelsFile)
		}, "lists other labels"},
		"fewer labels": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, []byte("rose\nsun flower\n"), dir, trained.LabelsFile)
			edit(t, dir, func(m *trained.Model) { m.Labels = m.Labels[:2] })
		}, "do not fit together"},
		"no labels": {func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Remove(filepath.Join(dir, trained.LabelsFile)); err != nil {
				t.Fatal(err)
			}
		}, "is not whole"},
		"a newer format": {func(t *testing.T, dir string) {
			t.Helper()
			edit(t, dir, func(m *trained.Model) { m.Format = trained.Format + 1 })
		}, "use a newer Kaika"},
		"a graph elsewhere": {func(t *testing.T, dir string) {
			t.Helper()
			edit(t, dir, func(m *trained.Model) { m.Graph.File = "../" + m.Graph.File })
		}, "is damaged"},
		"half a description": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, read(t, dir, trained.ModelFile)[:100], dir, trained.ModelFile)
		}, "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			dir := filepath.Join(t.TempDir(), "m")
			if err := os.CopyFS(dir, os.DirFS(model)); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, dir)
			if a := u.kaika("classify", "--model", dir, "--json", rose).ends(exitFailed, c.words); a.stdout != "" {
				t.Errorf("it answers %s", a.stdout)
			}
		})
	}
}

// TestModelMoves copies the model elsewhere, with other files' times and rights: it is the content that counts.
func TestModelMoves(t *testing.T) {
	t.Parallel()
	model, _ := sharedModel(t)
	u := newUser(t)
	dir := filepath.Join(t.TempDir(), "moved")
	if err := os.CopyFS(dir, os.DirFS(model)); err != nil {
		t.Fatal(err)
	}
	u.kaika("classify", "--model", dir+"/", aRose(t)).ends(exitDone).says("rose")
	// A labels file that went through an editor on Windows.
	write(t, []byte(strings.Join(labels, "\r\n")+"\r\n"), dir, trained.LabelsFile)
	u.kaika("classify", "--model", dir, aRose(t)).ends(exitDone)
}

// TestClassifyBfloat16 answers in the quick arithmetic as well, within the tolerance.
func TestClassifyBfloat16(t *testing.T) {
	t.Parallel()
	model, _ := sharedModel(t)
	u := newUser(t)
	rose := aRose(t)
	a := u.ask(model, rose)
	b := parse[[]classify.Answer](u.kaika("classify", "--model", model, "--top", "0", "--json", "--precision", "bfloat16", rose).ends(exitDone))
	for label, score := range scores(a[0]) {
		if d := math.Abs(score - scores(b[0])[label]); d > trained.GoldenTolerance("bfloat16") {
			t.Errorf("the score of %s is off by %v", label, d)
		}
	}
}
