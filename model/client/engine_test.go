package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"

	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/train"
	"kaika/core/trained"
	"kaika/model"
	"kaika/model/client"
	"kaika/model/graph"
)

// program is kaika-engine, built once for all tests that need it.
var program struct {
	once sync.Once
	dir  string
	err  error
}

// library is the folder in which set-up leaves libtensorflow.
var library = filepath.Join("..", "..", "build", "lib")

// engineProgram gives the path of a real kaika-engine.
func engineProgram(tb testing.TB) string {
	tb.Helper()
	if os.Getenv("CGO_LDFLAGS") == "" || !isDir(library) {
		absent(tb, "libtensorflow is not there, or CGO_LDFLAGS does not say where: make test sees to both")
	}
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "kaika-test-"); program.err != nil {
			return
		}
		out, err := exec.CommandContext(context.Background(), "go", "build", "-o", program.dir, "kaika/model/kaika-engine").CombinedOutput()
		if err != nil {
			program.err = fmt.Errorf("building kaika-engine: %w\n%s", err, out)
		}
	})
	if program.err != nil {
		tb.Fatal(program.err)
	}
	return filepath.Join(program.dir, "kaika-engine")
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// absent skips a test that needs what is not on every machine. Where CI says that it is there, it fails.
func absent(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatal(what)
	}
	tb.Skip(what)
}

// newEngine gives an engine that ends with the test.
func newEngine(tb testing.TB, c client.Config) *client.Engine {
	tb.Helper()
	e := client.New(c)
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	return e
}

func realEngine(tb testing.TB) *client.Engine {
	tb.Helper()
	return newEngine(tb, client.Config{Program: engineProgram(tb)})
}

// play gives an engine whose program is this one in another role.
func play(t *testing.T, as string) *client.Engine {
	t.Helper()
	t.Setenv(role, as)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // With the race detector, programs take a second to end otherwise.
	return newEngine(t, client.Config{Program: os.Args[0]})
}

// means writes a network whose features are the mean colour of a photo, and gives its description and path.
func means(tb testing.TB, size int) (trained.BaseModel, string) {
	tb.Helper()
	b := &graph.Builder{}
	float := graph.Type(typespb.DataType_DT_FLOAT)
	b.Node("input", "Placeholder", nil, graph.Attrs{"dtype": float})
	b.Node("mean", "Mean", []string{"input", b.Const("axes", graph.Int32s([]int32{1, 2}, 2))}, graph.Attrs{"T": float})
	data, err := graph.Marshal(&graphpb.GraphDef{Node: b.Nodes})
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "graph.pb")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return trained.BaseModel{Name: "means", SHA256: "0", InputSize: size, Scale: 1, Input: "input:0", Bottleneck: "mean:0", FeatureLength: 3}, path
}

// photos makes n photos of a few kinds, each an upright view of itself.
func photos(tb testing.TB, n, w, h int) []feature.Photo {
	tb.Helper()
	var kinds []feature.Photo
	for i := range min(n, 5) {
		e, err := picture.Parse(picturetest.JPEG(i, i, w, h))
		if err != nil {
			tb.Fatal(err)
		}
		kinds = append(kinds, feature.Photo{Encoded: e})
	}
	var all []feature.Photo
	for i := range n {
		all = append(all, kinds[i%len(kinds)])
	}
	return all
}

func embed(tb testing.TB, b *client.Base, photos ...feature.Photo) [][]float32 {
	tb.Helper()
	vectors, err := b.Embed(tb.Context(), photos)
	if err != nil {
		tb.Fatal(err)
	}
	if len(vectors) != len(photos) {
		tb.Fatalf("%d answers for %d photos", len(vectors), len(photos))
	}
	var values [][]float32
	for i, v := range vectors {
		if v.Err != nil {
			tb.Fatalf("photo %d %v", i, v.Err)
		}
		values = append(values, v.Values)
	}
	return values
}

// gone tells whether there is no process of a number.
func gone(pid int) bool {
	p, err := os.FindProcess(pid)
	return err != nil || errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

func stop(tb testing.TB, pid int) {
	tb.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		tb.Error(err)
	}
}

// ticks gives the processor time of a process, in hundredths of a second, 0 where the system does not say.
func ticks(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
	user, _ := strconv.Atoi(fields[11])
	return user
}

// checkEmpty fails if something was left in a folder.
func checkEmpty(tb testing.TB, dir string) {
	tb.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "[kp]*")) // kaika-, and plugin by go-plugin's own choice.
	if err != nil || len(left) > 0 {
		tb.Errorf("there is %q left; error %v", left, err)
	}
}

// temporary makes a folder for temporary files, whose path is short enough for a socket.
func temporary(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "k")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("TMPDIR", dir)
	return dir
}

func TestStartsWhenNeeded(t *testing.T) {
	path := engineProgram(t)
	dir := temporary(t)
	starts := 0
	e := newEngine(t, client.Config{Program: path, Started: func(d time.Duration) {
		if d <= 0 {
			t.Errorf("it took %v to start", d)
		}
		starts++
	}})
	if e.PID() != 0 || starts != 0 {
		t.Fatal("the engine was started before it was needed")
	}
	base := e.Base(means(t, 8))
	reply, err := e.Describe(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(reply.GetTensorflowVersion(), "2.") || reply.GetFeatureLength() != 3 {
		t.Errorf("the engine is described as %v", reply)
	}
	pid := e.PID()
	embed(t, base, photos(t, 3, 40, 30)...)
	if e.PID() != pid || starts != 1 || e.Restarts() != 0 {
		t.Errorf("the process %d became %d, after %d starts and %d restarts", pid, e.PID(), starts, e.Restarts())
	}
	sockets, err := filepath.Glob(filepath.Join(dir, "[kp]*"))
	if err != nil || len(sockets) != 1 {
		t.Fatalf("the engine made %q; error %v", sockets, err)
	}
	if info, err := os.Stat(sockets[0]); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may enter the socket's folder: %v, error %v", info.Mode(), err)
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if !gone(pid) || e.PID() != 0 {
		t.Error("the engine runs after Close")
	}
	checkEmpty(t, dir)
	if _, err := e.Describe(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a call after Close gave the error %v", err)
	}
}

func TestKilledWhileItEmbeds(t *testing.T) {
	path := engineProgram(t)
	dir := temporary(t)
	e := newEngine(t, client.Config{Program: path})
	base := e.Base(means(t, 64))
	many := photos(t, 80, 1600, 1200)
	want := embed(t, base, many[:5]...)
	pid, before := e.PID(), ticks(e.PID())
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		const work = 20 // A fifth of a second: it is in the middle of it.
		for deadline := time.Now().Add(time.Minute); runtime.GOOS == "linux" && ticks(pid) < before+work && time.Now().Before(deadline); {
			runtime.Gosched()
		}
		stop(t, pid)
	}()
	for i, got := range embed(t, base, many...) {
		if !slices.Equal(got, want[i%5]) {
			t.Errorf("photo %d has the features %v, want %v", i, got, want[i%5])
		}
	}
	<-killed
	if e.Restarts() != 1 || e.PID() == pid {
		t.Errorf("the engine was started again %d times; it was %d, is %d", e.Restarts(), pid, e.PID())
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	checkEmpty(t, dir)
}

// job is a training that can be learned, of more samples than are sent at once.
func job() train.Fit {
	var j train.Fit
	j.Settings = train.DefaultSettings()
	j.Steps, j.LearningRate, j.Optimizer, j.TrainBatchSize, j.EvalStepInterval = 100, 0.1, train.Momentum, 32, 10
	j.Labels, j.ClassWeights, j.StoreFrequency = 2, []float32{1, 2}, 40
	for i := range 600 {
		label := i % 2
		v := []float32{float32(label), float32(i) / 600, 1}
		switch i % 10 {
		case 8:
			j.Validation.Add(label, v)
		case 9:
			j.Test.Add(label, v)
		default:
			j.Train.Add(label, v)
		}
	}
	return j
}

func TestFit(t *testing.T) {
	e := realEngine(t)
	j := job()
	var points []train.Point
	var heads []train.Head
	fitted, err := e.Fit(t.Context(), j, train.Observer{
		Point: func(p train.Point) error {
			points = append(points, p)
			return nil
		},
		Head: func(h train.Head) error {
			heads = append(heads, h)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	last := points[len(points)-1]
	if len(points) != 11 || last.Step != 100 || last.ValidationAccuracy == nil || *last.ValidationAccuracy != 1 || last.TrainAccuracy != 1 {
		t.Errorf("there are %d points, the last is %+v", len(points), last)
	}
	if len(heads) != 2 || heads[0].Step != 40 || heads[1].Step != 80 || fitted.Head.Step != 100 {
		t.Errorf("there are %d heads, and one of step %d", len(heads), fitted.Head.Step)
	}
	for name, part := range map[string]struct {
		samples train.Samples
		logits  []float32
	}{
		"train": {j.Train, fitted.TrainLogits}, "validation": {j.Validation, fitted.ValidationLogits}, "test": {j.Test, fitted.TestLogits},
	} {
		if len(part.logits) != 2*len(part.samples.Labels) {
			t.Fatalf("%s: %d logits of %d samples", name, len(part.logits), len(part.samples.Labels))
		}
		for i, features := range part.samples.Features {
			for k := range 2 {
				want := fitted.Head.Bias[k]
				for f, v := range features {
					want += v * fitted.Head.Weights[2*f+k]
				}
				if got := part.logits[2*i+k]; math.Abs(float64(got-want)) > 1e-4 {
					t.Fatalf("%s: the logit %d of sample %d is %g, the head gives %g", name, k, i, got, want)
				}
			}
		}
	}
	if _, err := e.Fit(t.Context(), j, train.Observer{}); err != nil {
		t.Errorf("a fit that nobody observes gave the error %v", err)
	}
}

func TestFitEndsWithItsObserver(t *testing.T) {
	e := realEngine(t)
	j := job()
	j.Steps = 10_000_000
	full := errors.New("the disk is full")
	for _, o := range []train.Observer{
		{Point: func(train.Point) error { return full }},
		{Head: func(train.Head) error { return full }},
	} {
		if _, err := e.Fit(t.Context(), j, o); !errors.Is(err, full) {
			t.Errorf("got the error %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := e.Fit(ctx, j, train.Observer{Point: func(train.Point) error {
		cancel()
		return nil
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled fit gave the error %v", err)
	}
	if _, err := e.Fit(t.Context(), job(), train.Observer{}); err != nil || e.Restarts() != 0 {
		t.Errorf("the fit after it gave the error %v, after %d restarts", err, e.Restarts())
	}
}

func TestFitStopped(t *testing.T) {
	e := realEngine(t)
	j := job()
	j.Steps, j.StoreFrequency = 10_000_000, 0
	stop := make(chan struct{})
	j.Stop = stop
	last := 0
	fitted, err := e.Fit(t.Context(), j, train.Observer{Point: func(p train.Point) error {
		if last == 0 {
			close(stop)
		}
		last = p.Step
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if fitted.Head.Step < 1 || fitted.Head.Step >= j.Steps || fitted.Head.Step != last || fitted.StoppedEarly {
		t.Errorf("stopped after the first point, the head is of step %d, the last point of step %d", fitted.Head.Step, last)
	}
	if len(fitted.TestLogits) != 2*len(j.Test.Labels) {
		t.Errorf("there are %d test logits", len(fitted.TestLogits))
	}
	// Stopped before it began: one step at least, so that there is a layer.
	if fitted, err = e.Fit(t.Context(), j, train.Observer{}); err != nil || fitted.Head.Step < 1 || fitted.Head.Step >= j.Steps {
		t.Errorf("stopped at once: %v, %+v", err, fitted)
	}
}

func TestKilledWhileItFits(t *testing.T) {
	e := realEngine(t)
	j := job()
	j.Steps = 10_000_000
	_, err := e.Fit(t.Context(), j, train.Observer{Point: func(p train.Point) error {
		if p.Step == 51 {
			stop(t, e.PID())
		}
		return nil
	}})
	if !errors.Is(err, client.ErrEngineDied) || !strings.Contains(err.Error(), "run the same command again") {
		t.Errorf("got the error %v", err)
	}
	if e.PID() != 0 {
		t.Errorf("there still is a process %d", e.PID())
	}
	if _, err := e.Fit(t.Context(), job(), train.Observer{}); err != nil || e.Restarts() != 1 {
		t.Errorf("the fit after it gave the error %v, after %d restarts", err, e.Restarts())
	}
}

// The test program is started as a kaika that has an engine at work, and is killed: then the engine must end, although
// nobody tells it. Both hold the end of a pipe; when that is closed, both are gone.
func TestEngineEndsWithKaika(t *testing.T) {
	path := engineProgram(t)
	dir := temporary(t)
	_, network := means(t, 64)
	held, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close() //nolint:errcheck // it was only read.
	cmd := exec.CommandContext(t.Context(), os.Args[0], path, network)
	cmd.Env = append(os.Environ(), role+"=killed kaika")
	cmd.Stdin = hold // The engine inherits it.
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := hold.Close(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil || pid == 0 || gone(pid) {
		t.Fatalf("the engine is the process %d; error %v", pid, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("kaika was not killed")
	}
	if err := held.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := held.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		stop(t, pid)
		t.Fatalf("the engine lives on: %d bytes, error %v", n, err)
	}
	checkEmpty(t, dir)
}

// beKilled is a kaika whose engine has more to do than there is time.
func beKilled() {
	e := client.New(client.Config{Program: os.Args[1]})
	if _, err := e.Describe(context.Background(), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	photo, err := picture.Parse(picturetest.JPEG(1, 1, 1600, 1200))
	if err != nil {
		panic(err)
	}
	base := e.Base(trained.BaseModel{InputSize: 64, Scale: 1, Input: "input:0", Bottleneck: "mean:0"}, os.Args[2])
	fmt.Println(e.PID())
	_, _ = base.Embed(context.Background(), slices.Repeat([]feature.Photo{{Encoded: photo}}, 100_000))
	select {}
}

func TestBase(t *testing.T) {
	e := realEngine(t)
	m, path := means(t, 16)
	base := e.Base(m, path)
	if base.Length() != 3 || base.Base().Name != "means" {
		t.Errorf("the base is %+v of length %d", base.Base(), base.Length())
	}
	length, err := e.FeatureLength(t.Context(), path, model.Base{InputTensor: m.Input, BottleneckTensor: m.Bottleneck, DefaultSize: 16, Scale: 1})
	if err != nil || length != 3 {
		t.Errorf("FeatureLength = %d, %v, want 3", length, err)
	}

	photo := photos(t, 1, 60, 40)[0]
	plain := embed(t, base, photo)[0]
	dark := photo
	dark.View = feature.View{Brightness: -0.5}
	for c, v := range embed(t, base, dark)[0] {
		if math.Abs(float64(v-plain[c]/2)) > 0.01 {
			t.Errorf("colour %d of a darker view is %g, want half of %g", c, v, plain[c])
		}
	}
	corners := picturetest.Corners(60, 40)
	right := func(o int) feature.Photo {
		return feature.Photo{
			Encoded: picture.Encoded{Data: picturetest.EncodePNG(picturetest.Turn(corners, o)), Orientation: o},
			View:    feature.View{Zoom: 1, DX: 1, DY: 0.5, Flip: true},
		}
	}
	if a, b := embed(t, base, right(1))[0], embed(t, base, right(6))[0]; math.Abs(float64(a[0]-b[0])) > 0.01 || slices.Equal(a, embed(t, base, photo)[0]) {
		t.Errorf("the upright photo has the mean %v, the turned one %v", a, b)
	}

	head := train.Head{Weights: []float32{0.1, 0, 0, 0.1, 0, 0}, Bias: []float32{0, 1}}
	data, err := base.Export(t.Context(), head, "final_result")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), trained.GraphFile)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	scores, err := e.Classify(t.Context(), trained.Graph{SHA256: trained.DigestBytes(data), Output: "final_result:0"}, file, "", []picture.Encoded{photo.Encoded, {Data: []byte("no picture")}})
	if err != nil {
		t.Fatal(err)
	}
	want := 1 / (1 + math.Exp(float64(plain[1]/10+1-plain[0]/10)))
	if len(scores) != 2 || len(scores[0].Values) != 2 || math.Abs(float64(scores[0].Values[0])-want) > 1e-4 {
		t.Errorf("the scores are %v, want %g first", scores, want)
	}
	if picture.ReasonOf(scores[1].Err) != picture.Damaged || !strings.Contains(scores[1].Err.Error(), "is not a picture") {
		t.Errorf("the bad picture has the error %v", scores[1].Err)
	}
	if saved, err := base.ExportSavedModel(t.Context(), head); err != nil || len(saved) == 0 {
		t.Errorf("a SavedModel of %d bytes, error %v", len(saved), err)
	}
	if _, err := base.Export(t.Context(), head, "最後"); err == nil || strings.Contains(err.Error(), "rpc error") {
		t.Errorf("a bad name gave the error %v", err)
	}
	if _, err := e.Freeze(t.Context(), t.TempDir(), "input", "output"); err == nil || strings.Contains(err.Error(), "rpc error") {
		t.Errorf("a folder without a SavedModel gave the error %v", err)
	}
}

// Vectors that cannot be compared are of different spaces.
func TestSpace(t *testing.T) {
	e := client.New(client.Config{})
	m := trained.BaseModel{SHA256: "1", InputSize: 224, Mean: 127, Scale: 128, Input: "input:0", Bottleneck: "feature:0", Precision: "float32"}
	spaces := map[string]bool{e.Base(m, "a").Space(): true}
	if !spaces[e.Base(m, "b").Space()] {
		t.Error("the space depends on where the graph lies")
	}
	for i, change := range []func(m *trained.BaseModel){
		func(m *trained.BaseModel) { m.SHA256 = "2" },
		func(m *trained.BaseModel) { m.InputSize = 288 },
		func(m *trained.BaseModel) { m.Mean = 127.5 },
		func(m *trained.BaseModel) { m.Scale = 127.5 },
		func(m *trained.BaseModel) { m.Input = "other:0" },
		func(m *trained.BaseModel) { m.Bottleneck = "other:0" },
		func(m *trained.BaseModel) { m.Precision = "bfloat16" },
	} {
		other := m
		change(&other)
		spaces[e.Base(other, "a").Space()] = true
		if len(spaces) != i+2 {
			t.Errorf("change %d gives a space that was there: %s", i, e.Base(other, "a").Space())
		}
	}
}

func TestLibraryOfTheUsersOwn(t *testing.T) {
	path := engineProgram(t)
	t.Setenv("LD_LIBRARY_PATH", "")
	t.Setenv("DYLD_LIBRARY_PATH", "")
	whole, err := filepath.Abs(library)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newEngine(t, client.Config{Program: path}).Describe(t.Context(), nil); err == nil ||
		!strings.Contains(err.Error(), "could not be started") || !strings.Contains(err.Error(), "libtensorflow") {
		t.Errorf("without a library: the error %v", err)
	}
	if runtime.GOOS != "linux" {
		t.Skip("the names of the library are those of Linux")
	}
	renamed := t.TempDir()
	for from, to := range map[string]string{
		"libtensorflow_cc.so.2": "libtensorflow.so.2", "libtensorflow_framework.so.2": "libtensorflow_framework.so.2",
	} {
		if err := os.Symlink(filepath.Join(whole, from), filepath.Join(renamed, to)); err != nil {
			t.Fatal(err)
		}
	}
	for name, own := range map[string]string{
		"a folder": whole, "a relative folder": library, "a file": filepath.Join(whole, "libtensorflow_cc.so.2"),
		"a folder of other names": renamed, "a file of another name": filepath.Join(renamed, "libtensorflow.so.2"),
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, client.Config{Program: path, Library: own, CacheDir: filepath.Join(t.TempDir(), "new")})
			if _, err := e.Describe(t.Context(), nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// records keeps what is logged.
type records struct {
	mu   sync.Mutex
	list []string
}

func (*records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler     { return r }
func (r *records) WithGroup(string) slog.Handler          { return r }

func (r *records) Handle(_ context.Context, record slog.Record) error {
	line := record.Level.String() + " " + record.Message
	record.Attrs(func(a slog.Attr) bool {
		line += " " + a.Value.String()
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, line)
	return nil
}

func TestChatterIsLoggedForDebugging(t *testing.T) {
	t.Setenv(role, "chatty engine")
	log := &records{}
	e := client.New(client.Config{Program: os.Args[0], Log: slog.New(log)})
	if _, err := e.Describe(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil { // Waits for the last word.
		t.Fatal(err)
	}
	for _, want := range []string{"DEBUG engine chatter at the start", "DEBUG engine chatter with 42", "DEBUG engine and half a line"} {
		if !slices.Contains(log.list, want) {
			t.Errorf("the log lacks %q: %q", want, log.list)
		}
	}
	for _, line := range log.list {
		if !strings.HasPrefix(line, "DEBUG") {
			t.Errorf("the log has %q", line)
		}
	}
}
