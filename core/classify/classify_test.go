package classify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/trained"
)

// fake is an engine whose scores follow from the picture alone.
type fake struct {
	before func(ctx context.Context, call int, pictures []picture.Encoded) error // Calls count from 1; may be nil.
	spoil  func(call int, answers []feature.Vector) []feature.Vector             // Changes the answers; may be nil.

	mu        sync.Mutex
	calls     int
	pictures  []int // Of each call.
	bytes     []int // Of each call.
	graph     trained.Graph
	path      string
	precision string
}

func (f *fake) Classify(ctx context.Context, graph trained.Graph, path, precision string, pictures []picture.Encoded) ([]feature.Vector, error) {
	f.mu.Lock()
	f.calls++
	call, size := f.calls, 0
	for _, p := range pictures {
		size += len(p.Data)
	}
	f.pictures, f.bytes = append(f.pictures, len(pictures)), append(f.bytes, size)
	f.graph, f.path, f.precision = graph, path, precision
	f.mu.Unlock()
	if f.before != nil {
		if err := f.before(ctx, call, pictures); err != nil {
			return nil, err
		}
	}
	answers := make([]feature.Vector, len(pictures))
	for i, p := range pictures {
		if bytes.Contains(p.Data, []byte(refused)) {
			answers[i].Err = &picture.Error{Reason: picture.Damaged, Detail: "is damaged inside"}
			continue
		}
		answers[i].Values = scores(p.Data)
	}
	if f.spoil != nil {
		answers = f.spoil(call, answers)
	}
	return answers, nil
}

// refused marks a picture that the fake cannot decode.
const refused = "REFUSED"

// scores gives one score for each of the three labels; they add up to 1.
func scores(data []byte) []float32 {
	d := picture.Sum(data)
	total := float32(d[0]) + float32(d[1]) + float32(d[2]) + 3
	return []float32{(float32(d[0]) + 1) / total, (float32(d[1]) + 1) / total, (float32(d[2]) + 1) / total}
}

// model writes a model that fits the fake, after it was changed.
func model(t *testing.T, change func(m *trained.Model)) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	graph := []byte("graph")
	m := trained.Model{
		Format: trained.Format, Labels: []string{"daisy", "lily of the valley", "薔薇"},
		Graph:     trained.Graph{File: trained.GraphFile, SHA256: trained.DigestBytes(graph), Output: "final_result:0"},
		BaseModel: trained.BaseModel{Precision: "float32"},
	}
	for _, g := range golden() {
		m.GoldenScores = append(m.GoldenScores, trained.GoldenScore{Picture: g.Picture, Scores: slices.Clone(g.Scores)})
	}
	if change != nil {
		change(&m)
	}
	w, err := trained.NewWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.File(trained.GraphFile, graph), w.File(trained.LabelsFile, trained.Labels(m.Labels)), w.Commit(m)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// golden gives the fake's scores of the golden pictures.
var golden = sync.OnceValue(func() (all []trained.GoldenScore) {
	pictures, digests, err := trained.Golden()
	if err != nil {
		panic(err)
	}
	for i, p := range pictures {
		all = append(all, trained.GoldenScore{Picture: digests[i], Scores: scores(p.Data)})
	}
	return all
})

// classifier gives one that is ready, and its engine. It saves the time of drawing golden pictures.
func classifier(t *testing.T, change func(m *trained.Model)) (*Classifier, *fake) {
	t.Helper()
	folder, err := trained.Open(model(t, change))
	if err != nil {
		t.Fatal(err)
	}
	engine := &fake{}
	return &Classifier{folder, engine, "float32"}, engine
}

func write(t *testing.T, data []byte, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// photo is a small JPEG that differs with its number.
func photo(n int) []byte {
	return append(slices.Clip(small()), fmt.Sprintf("photo %d.", n)...)
}

var small = sync.OnceValue(func() []byte { return picturetest.JPEG(1, 1, 8, 8) })

// album writes n photos.
func album(t *testing.T, n int) []string {
	t.Helper()
	dir := t.TempDir()
	files := make([]string, n)
	for i := range files {
		files[i] = write(t, photo(i), dir, fmt.Sprintf("%04d.jpg", i))
	}
	return files
}

// right wants the answer that belongs to the bytes.
func right(t *testing.T, c *Classifier, a Answer, data []byte) {
	t.Helper()
	if a.Error != nil || len(a.Predictions) != len(c.Labels) {
		t.Errorf("%s: %v, %d predictions", a.File, text(a.Error), len(a.Predictions))
		return
	}
	want := scores(data)
	last := float32(2)
	for _, p := range a.Predictions {
		if p.Score > last {
			t.Errorf("%s: the predictions are not in order: %v", a.File, a.Predictions)
		}
		last = p.Score
		if want[slices.Index(c.Labels, p.Label)] != p.Score {
			t.Errorf("%s: %q has the score %g", a.File, p.Label, p.Score)
		}
	}
}

func text(s *string) string {
	if s == nil {
		return "no error"
	}
	return *s
}

func TestOpen(t *testing.T) {
	dir := model(t, nil)
	for asked, used := range map[string]string{"": "float32", "bfloat16": "bfloat16"} {
		engine := &fake{}
		c, err := Open(t.Context(), dir, asked, engine)
		if err != nil {
			t.Fatal(err)
		}
		if engine.precision != used || engine.path != filepath.Join(dir, trained.GraphFile) || engine.graph != c.Graph || engine.pictures[0] != 3 {
			t.Errorf("the engine was asked for %+v in %s at %q", engine.graph, engine.path, engine.precision)
		}
		if c.Dir != dir || len(c.Labels) != 3 {
			t.Errorf("got %+v", c.Folder)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	broken := errors.New("the graph cannot be read")
	spoilt := func(change func(v []feature.Vector) []feature.Vector) *fake {
		return &fake{spoil: func(_ int, v []feature.Vector) []feature.Vector { return change(v) }}
	}
	for name, c := range map[string]struct {
		change func(m *trained.Model)
		engine *fake
		words  string
	}{
		"a machine that computes otherwise": {nil, spoilt(func(v []feature.Vector) []feature.Vector { v[2].Values[1] += 0.01; return v }), "does not compute on this machine"},
		"golden pictures of another Kaika":  {func(m *trained.Model) { m.GoldenScores[1].Picture = "x" }, &fake{}, "another version of Kaika"},
		"too few scores":                    {nil, spoilt(func(v []feature.Vector) []feature.Vector { v[0].Values = v[0].Values[1:]; return v }), "2 scores for 3 labels"},
		"too few answers":                   {nil, spoilt(func(v []feature.Vector) []feature.Vector { return v[1:] }), "2 pictures instead of 3"},
		"a golden picture that is refused":  {nil, spoilt(func(v []feature.Vector) []feature.Vector { v[1].Err = broken; return v }), "golden picture 2 the graph"},
		"an engine that fails":              {nil, &fake{before: func(context.Context, int, []picture.Encoded) error { return broken }}, "trying out the model in "},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Open(t.Context(), model(t, c.change), "", c.engine)
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("the error is %v", err)
			}
			if got != nil {
				t.Error("there is a classifier all the same")
			}
			fault := Deviates
			if name == "an engine that fails" {
				fault = NoEngine
			}
			var open *OpenError
			if !errors.As(err, &open) || open.Fault != fault {
				t.Errorf("the fault of %v is not %s", err, fault)
			}
		})
	}
	var open *OpenError
	if _, err := Open(t.Context(), t.TempDir(), "", &fake{}); !errors.Is(err, trained.ErrNoModel) || !errors.As(err, &open) || open.Fault != Damaged {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestAnswersHaveTheReason(t *testing.T) {
	c, _ := classifier(t, nil)
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.jpg")
	if err := os.WriteFile(bad, []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	var got []picture.Reason
	err := c.Files(t.Context(), []string{bad, filepath.Join(dir, "missing.jpg")}, nil, func(a Answer) error {
		got = append(got, a.Reason)
		return nil
	})
	if err != nil || !slices.Equal(got, []picture.Reason{picture.NotAPicture, picture.Unreadable}) {
		t.Errorf("the reasons are %q, %v", got, err)
	}
}

func TestPictures(t *testing.T) {
	c, _ := classifier(t, func(m *trained.Model) { m.UnknownBelow = 0.5 })
	var pictures []picture.Encoded
	var data [][]byte
	for n := range 20 {
		data = append(data, photo(n))
		e, err := picture.Parse(data[n])
		if err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, e)
	}
	answers, err := c.Pictures(t.Context(), pictures)
	if err != nil || len(answers) != 20 {
		t.Fatal(len(answers), err)
	}
	unknown := 0
	for i, a := range answers {
		right(t, c, a, data[i])
		if a.Unknown != (a.Predictions[0].Score < 0.5) || a.File != "" {
			t.Errorf("got %+v", a)
		}
		if a.Unknown {
			unknown++
		}
	}
	if unknown == 0 || unknown == 20 {
		t.Errorf("%d of 20 are unknown", unknown)
	}
	if answers, err := c.Pictures(t.Context(), nil); err != nil || len(answers) != 0 {
		t.Errorf("no pictures: %v, %v", answers, err)
	}
}

func TestEqualScoresKeepTheOrderOfTheLabels(t *testing.T) {
	c, engine := classifier(t, func(m *trained.Model) { m.UnknownBelow = 0.25 })
	engine.spoil = func(_ int, v []feature.Vector) []feature.Vector {
		v[0].Values = []float32{0.25, 0.5, 0.25}
		v[1].Values = []float32{0.25, 0.25, 0.25}
		return v
	}
	answers, err := c.Pictures(t.Context(), make([]picture.Encoded, 2))
	if err != nil {
		t.Fatal(err)
	}
	if p := answers[0].Predictions; p[0].Label != "lily of the valley" || p[1].Label != "daisy" || p[2].Label != "薔薇" {
		t.Errorf("got %v", p)
	}
	if answers[1].Unknown {
		t.Error("the threshold itself is unknown")
	}
}

func TestAnswersAsJSON(t *testing.T) {
	c, engine := classifier(t, nil)
	engine.spoil = func(_ int, v []feature.Vector) []feature.Vector {
		v[0].Values = []float32{0.25, 0.5, 0.25}
		v[1] = feature.Vector{Err: errors.New("is bad")}
		return v
	}
	answers, err := c.Pictures(t.Context(), make([]picture.Encoded, 2))
	if err != nil {
		t.Fatal(err)
	}
	answers[0].File = "花 1.jpg"
	got, err := json.Marshal(answers)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"file":"花 1.jpg","predictions":[{"label":"lily of the valley","score":0.5},{"label":"daisy","score":0.25},` +
		`{"label":"薔薇","score":0.25}],"error":null},{"file":"","predictions":[],"error":"is bad"}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestScoresThatAreWrong(t *testing.T) {
	c, engine := classifier(t, nil)
	engine.spoil = func(_ int, v []feature.Vector) []feature.Vector {
		v[0].Values = v[0].Values[:2]
		v[1].Values = nil
		v[2].Values = append(v[2].Values, 0)
		v[3].Values[1] = float32(math.NaN())
		return v
	}
	files := album(t, 5)
	answers := all(t, c, files, nil)
	for i, words := range []string{"got 2 scores for 3 labels", "got 0 scores for 3 labels", "got 4 scores for 3 labels", "not a number"} {
		if a := answers[i]; a.File != files[i] || !strings.Contains(text(a.Error), words) || a.Predictions == nil || len(a.Predictions) != 0 || a.Unknown {
			t.Errorf("got %+v, %s", a, text(a.Error))
		}
	}
	right(t, c, answers[4], photo(4))
	engine.spoil = func(_ int, v []feature.Vector) []feature.Vector { return v[1:] }
	if err := c.Files(t.Context(), files, nil, func(Answer) error { return nil }); err == nil || !strings.Contains(err.Error(), "4 answers for 5 photos") {
		t.Errorf("too few answers: %v", err)
	}
}

// all gives the answers for files, without an error.
func all(t *testing.T, c *Classifier, files []string, stdin io.Reader) (answers []Answer) {
	t.Helper()
	if err := c.Files(t.Context(), files, stdin, func(a Answer) error { answers = append(answers, a); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(answers) != len(files) {
		t.Fatalf("%d answers for %d files", len(answers), len(files))
	}
	return answers
}

func TestFilesAnswersInOrder(t *testing.T) {
	c, engine := classifier(t, nil)
	// Later batches are quicker than earlier ones.
	gate := make(chan struct{})
	engine.before = func(_ context.Context, call int, _ []picture.Encoded) error {
		switch call {
		case 1:
			<-gate
		case 2:
			close(gate)
		}
		return nil
	}
	files := album(t, 5*batchFiles+7)
	dir := t.TempDir()
	bad := map[int]string{
		0:                "is an empty file",
		1:                "does not exist",
		batchFiles - 1:   "is damaged inside",
		batchFiles:       "is a text file",
		70:               "ends too early",
		71:               "65535 x 65535",
		72:               "is a folder",
		5*batchFiles + 6: "is an animated WebP",
	}
	files[0] = write(t, nil, dir, "empty.jpg")
	files[1] = filepath.Join(dir, "missing.jpg")
	files[batchFiles-1] = write(t, append(photo(1), refused...), dir, "undecodable.jpg")
	files[batchFiles] = write(t, []byte("text"), dir, "text.jpg")
	files[70] = write(t, picturetest.PNG(1, 1, 8, 8)[:30], dir, "cut.png")
	files[71] = write(t, picturetest.HugeClaim(), dir, "huge.jpg")
	files[72] = dir
	files[5*batchFiles+6] = write(t, picturetest.WebPAnimated(), dir, "animated.webp")
	// Every file of the fourth batch is bad: the engine is not asked for nothing.
	for i := 3 * batchFiles; i < 4*batchFiles; i++ {
		files[i] = files[0]
		bad[i] = bad[0]
	}
	for i, a := range all(t, c, files, nil) {
		if a.File != files[i] {
			t.Fatalf("answer %d is for %s, not %s", i, a.File, files[i])
		}
		if words, is := bad[i]; is {
			if !strings.Contains(text(a.Error), words) || len(a.Predictions) != 0 {
				t.Errorf("%s: %s, %v", a.File, text(a.Error), a.Predictions)
			}
			continue
		}
		data, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		right(t, c, a, data)
	}
	if slices.Contains(engine.pictures, 0) || slices.Max(engine.pictures) > batchFiles {
		t.Errorf("the engine was asked for so many pictures: %v", engine.pictures)
	}
}

func TestFilesOfAllKinds(t *testing.T) {
	c, _ := classifier(t, nil)
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"progressive.jpg": picturetest.Progressive(), "cmyk.jpg": picturetest.CMYK(), "grey.jpg": picturetest.Grey(9, 9),
		"16 bits.png": picturetest.PNG16(9, 9), "薔薇.jpg": picturetest.WithOrientation(photo(1), 6), "png named.jpg": picturetest.PNG(1, 1, 9, 9),
	} {
		right(t, c, all(t, c, []string{write(t, data, dir, name)}, nil)[0], data)
	}
	// The others are turned into a PNG.
	for name, data := range map[string][]byte{
		"a.webp": picturetest.WebP(), "b.gif": picturetest.GIF(1, 1, 9, 9), "c.bmp": picturetest.BMP(1, 1, 9, 9), "d.tif": picturetest.TIFF(1, 1, 9, 9),
	} {
		e, err := picture.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		right(t, c, all(t, c, []string{write(t, data, dir, name)}, nil)[0], e.Data)
	}
}

func TestFilesNone(t *testing.T) {
	c, engine := classifier(t, nil)
	if all(t, c, nil, nil); engine.calls != 0 {
		t.Errorf("the engine was asked %d times", engine.calls)
	}
}

func TestFilesFromStdin(t *testing.T) {
	c, _ := classifier(t, nil)
	files := album(t, 2)
	answers := all(t, c, []string{files[0], Stdin, files[1]}, iotest.OneByteReader(bytes.NewReader(photo(9))))
	right(t, c, answers[0], photo(0))
	right(t, c, answers[1], photo(9))
	right(t, c, answers[2], photo(1))
	if answers[1].File != Stdin {
		t.Errorf("its name is %q", answers[1].File)
	}
	for words, stdin := range map[string]io.Reader{
		"is an empty file":             strings.NewReader(""),
		"is a text file":               strings.NewReader("no photo"),
		"cannot be read (broken pipe)": iotest.ErrReader(errors.New("broken pipe")),
	} {
		if a := all(t, c, []string{Stdin}, stdin)[0]; !strings.Contains(text(a.Error), words) {
			t.Errorf("not %q but %q", words, text(a.Error))
		}
	}
}

func TestFilesAreReadInBoundedBatches(t *testing.T) {
	c, engine := classifier(t, nil)
	dir := t.TempDir()
	var files []string
	const size = batchBytes / 4
	for i := range 11 {
		files = append(files, write(t, append(photo(i), make([]byte, size)...), dir, fmt.Sprintf("%02d.jpg", i)))
	}
	for i, a := range all(t, c, files, nil) {
		right(t, c, a, append(photo(i), make([]byte, size)...))
	}
	if most := slices.Max(engine.bytes); most > batchBytes+size {
		t.Errorf("the engine got %d bytes at once", most)
	}
}

func TestBatches(t *testing.T) {
	dir := t.TempDir()
	big := write(t, nil, dir, "big")
	if err := os.Truncate(big, batchBytes); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	many := slices.Repeat([]string{missing}, batchFiles+1)
	for name, c := range map[string]struct {
		files []string
		want  []int
	}{
		"none":          {nil, nil},
		"one":           {[]string{big}, []int{1}},
		"big ones":      {[]string{big, big, missing, big, missing}, []int{1, 1, 2, 1}},
		"unknown sizes": {append(many, Stdin), []int{batchFiles, 2}},
	} {
		var got []int
		var joined []string
		for b := range batches(c.files) {
			got = append(got, len(b))
			joined = append(joined, b...)
		}
		if !slices.Equal(got, c.want) || !slices.Equal(joined, c.files) {
			t.Errorf("%s: %v", name, got)
		}
	}
	for range batches(many) {
		break // Stopping early must not panic.
	}
}

func TestFilesEndsEarly(t *testing.T) {
	broken := errors.New("broken")
	files := album(t, 12*batchFiles)
	for name, c := range map[string]struct {
		before  func(ctx context.Context, call int, pictures []picture.Encoded) error
		each    func(n int) error
		answers int // At most.
	}{
		"each fails at once": {nil, func(int) error { return broken }, 1},
		"each fails in the middle of a batch": {nil, func(n int) error {
			if n == batchFiles+5 {
				return broken
			}
			return nil
		}, batchFiles + 5},
		"the engine fails at once": {func(context.Context, int, []picture.Encoded) error { return broken }, func(int) error { return nil }, 0},
		"the engine fails later": {func(_ context.Context, call int, _ []picture.Encoded) error {
			if call >= 3 {
				return broken
			}
			return nil
		}, func(int) error { return nil }, 2 * batchFiles},
		"each fails while the engine works": {func(ctx context.Context, _ int, pictures []picture.Encoded) error {
			if bytes.HasSuffix(pictures[0].Data, []byte("photo 0.")) {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}, func(int) error { return broken }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c0, engine := classifier(t, nil)
			engine.before = c.before
			n := 0
			// All goroutines must have ended: synctest panics otherwise.
			synctest.Test(t, func(t *testing.T) {
				err := c0.Files(t.Context(), files, nil, func(a Answer) error {
					if a.File != files[n] || a.Error != nil {
						t.Errorf("answer %d is %+v, %s", n, a, text(a.Error))
					}
					n++
					return c.each(n)
				})
				if !errors.Is(err, broken) {
					t.Errorf("the error is %v", err)
				}
			})
			if n > c.answers || engine.calls > 3+2*batchesLive {
				t.Errorf("%d answers, %d calls of the engine", n, engine.calls)
			}
		})
	}
}

func TestFilesCancelled(t *testing.T) {
	files := album(t, 10*batchFiles)
	for name, obedient := range map[string]bool{"the engine stops": true, "the engine goes on": false} {
		t.Run(name, func(t *testing.T) {
			c, engine := classifier(t, nil)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				engine.before = func(ctx context.Context, call int, _ []picture.Encoded) error {
					if call < 3 {
						return nil
					}
					cancel()
					if obedient {
						return ctx.Err()
					}
					return nil
				}
				n := 0
				err := c.Files(ctx, files, nil, func(a Answer) error {
					if a.File != files[n] || a.Error != nil {
						t.Errorf("answer %d is %+v, %s", n, a, text(a.Error))
					}
					n++
					return nil
				})
				if !errors.Is(err, context.Canceled) || engine.calls > 3+2*batchesLive {
					t.Errorf("%v after %d calls of the engine", err, engine.calls)
				}
			})
		})
	}
	t.Run("before it began", func(t *testing.T) {
		c, engine := classifier(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := c.Files(ctx, files, nil, func(a Answer) error { t.Errorf("got %s: %s", a.File, text(a.Error)); return nil })
		if !errors.Is(err, context.Canceled) || engine.calls != 0 {
			t.Errorf("%v after %d calls of the engine", err, engine.calls)
		}
	})
	t.Run("by each", func(t *testing.T) {
		c, _ := classifier(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := c.Files(ctx, files, nil, func(a Answer) error {
			if a.Error != nil {
				t.Errorf("%s is blamed: %s", a.File, *a.Error)
			}
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("while nobody types", func(t *testing.T) {
		c, _ := classifier(t, nil)
		stdin, typist := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		err := c.Files(ctx, []string{Stdin}, stdin, func(Answer) error { return errors.New("there is an answer") })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if err := typist.Close(); err != nil { // Ends what still reads.
			t.Error(err)
		}
	})
}

func TestList(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{
		"b.JPG", "a.png", "花/薔薇 1.webp", "花/深い/2.tiff", "notes.txt", "c.jpg.part", "noextension",
		".hidden.jpg", "._a.png", ".thumbnails/a.jpg", "花/.git/a.jpg", "empty/notes.txt", "zz.jpg/inside.gif",
	} {
		write(t, []byte(name), root, filepath.FromSlash(name))
	}
	outside := t.TempDir()
	write(t, nil, outside, "outside.jpg")
	for link, target := range map[string]string{
		"linked.jpg":  filepath.Join(outside, "outside.jpg"),
		"broken.jpg":  filepath.Join(outside, "missing.jpg"),
		"linkfolder":  outside,
		"花/circle":    root,
		"circle2.jpg": "circle2.jpg",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	inRoot := []string{
		"a.png", "b.JPG", "broken.jpg", "circle2.jpg", "linked.jpg", "zz.jpg/inside.gif", "花/深い/2.tiff", "花/薔薇 1.webp",
	}
	below := func(dir string) (paths []string) {
		for _, name := range inRoot {
			paths = append(paths, filepath.Join(dir, filepath.FromSlash(name)))
		}
		return paths
	}
	at := func(name string) string { return filepath.Join(root, name) }
	toRoot := filepath.Join(t.TempDir(), "link to root")
	if err := os.Symlink(root, toRoot); err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	for name, c := range map[string]struct{ args, want []string }{
		"nothing":                  {nil, nil},
		"a folder":                 {[]string{root}, below(root)},
		"a folder with a slash":    {[]string{root + "/"}, below(root)},
		"this folder":              {[]string{"."}, below("")},
		"a link to a folder":       {[]string{toRoot}, below(toRoot)},
		"a hidden folder, named":   {[]string{at(".thumbnails")}, []string{at(".thumbnails/a.jpg")}},
		"a hidden file, named":     {[]string{at(".hidden.jpg")}, []string{at(".hidden.jpg")}},
		"files of any name":        {[]string{at("notes.txt"), "missing", at("b.JPG")}, []string{at("notes.txt"), "missing", at("b.JPG")}},
		"a folder without photos":  {[]string{at("empty")}, nil},
		"files and folders":        {[]string{at("b.JPG"), at("花"), at("a.png")}, []string{at("b.JPG"), at("花/深い/2.tiff"), at("花/薔薇 1.webp"), at("a.png")}},
		"standard input":           {[]string{Stdin, "a.png"}, []string{Stdin, "a.png"}},
		"standard input, repeated": {[]string{Stdin, "a.png", Stdin}, []string{Stdin, "a.png"}},
		"one file twice":           {[]string{"a.png", "a.png"}, []string{"a.png", "a.png"}},
	} {
		got, err := List(t.Context(), c.args)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v\n got %q\nwant %q", name, err, got, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := List(ctx, []string{root}); !errors.Is(err, context.Canceled) || got != nil {
		t.Errorf("cancelled: %q, %v", got, err)
	}
}

// What List names, Files answers for, one by one.
func TestListedFilesAreAnswered(t *testing.T) {
	root := t.TempDir()
	write(t, photo(1), root, "a.jpg")
	write(t, photo(2), root, "deeper", "b.jpg")
	if err := errors.Join(os.Symlink("nowhere", filepath.Join(root, "c.jpg")), os.Symlink("d.jpg", filepath.Join(root, "d.jpg"))); err != nil {
		t.Fatal(err)
	}
	c, _ := classifier(t, nil)
	files, err := List(t.Context(), []string{root, filepath.Join(root, "missing")})
	if err != nil {
		t.Fatal(err)
	}
	answers := all(t, c, files, nil)
	if len(answers) != 5 {
		t.Fatalf("got %v", files)
	}
	right(t, c, answers[0], photo(1))
	right(t, c, answers[3], photo(2))
	for i, words := range map[int]string{1: "does not exist", 2: "cannot be read", 4: "does not exist"} {
		if !strings.Contains(text(answers[i].Error), words) {
			t.Errorf("%s: %s", answers[i].File, text(answers[i].Error))
		}
	}
}
