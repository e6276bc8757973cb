package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/adrg/xdg"

	"kaika/core/classify"
	"kaika/core/picture/picturetest"
	"kaika/core/train"
)

// workshop is a folder for what several tests share.
var workshop string

// TestMain keeps the tests out of the folders of whoever runs them.
func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	var err error
	if workshop, err = os.MkdirTemp("", "kaika-app-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(workshop) //nolint:errcheck // Nothing is left to be said to.
	for variable := range strings.SplitSeq(homes(filepath.Join(workshop, "home")), "\n") {
		name, value, _ := strings.Cut(variable, "=")
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	xdg.Reload()
	return m.Run()
}

// homes gives the variables that make a folder somebody's home, one a line.
func homes(dir string) string {
	return fmt.Sprintf("HOME=%s\nXDG_CACHE_HOME=%[1]s/cache\nXDG_DATA_HOME=%[1]s/data\nXDG_STATE_HOME=%[1]s/state\nXDG_CONFIG_HOME=%[1]s/config", dir)
}

// needs skips a test for want of something, but not where everything must be tested.
func needs(t testing.TB, err error, what string) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s: %v", what, err)
	default:
		t.Skipf("%s: %v", what, err)
	}
}

// builtProgram gives the program that make build made.
func builtProgram(t testing.TB) string {
	t.Helper()
	path := os.Getenv("KAIKA_TEST_PROGRAM")
	if path == "" {
		path = filepath.Join("..", "build", "kaika")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(path)
	_, engine := os.Stat(filepath.Join(filepath.Dir(path), "kaika-engine"))
	_, models := os.Stat(filepath.Join(filepath.Dir(path), "models", "efficientnet_lite0"))
	needs(t, errors.Join(err, engine, models), "the program must be there (make build)")
	return path
}

// user has a home of their own and runs the real program with the real engine.
type user struct {
	testing.TB

	program    string
	home       string
	env        []string // Beside those of the home.
	credential *syscall.Credential
}

func newUser(t testing.TB) *user {
	t.Helper()
	return &user{TB: t, program: builtProgram(t), home: t.TempDir()}
}

// patience is how long a command may take, on a machine that is busy with other tests.
const patience = 3 * time.Minute

func (u *user) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	u.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, u.program, args...)
	cmd.Env = append(strings.Split(homes(u.home), "\n"), "PATH="+os.Getenv("PATH"), "TMPDIR="+os.TempDir())
	cmd.Env = append(cmd.Env, u.env...)
	if u.credential != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: u.credential}
	}
	return cmd
}

// answer is what a command said.
type answer struct {
	testing.TB

	args           []string
	code           int
	stdout, stderr string
}

// words gives what the command said, shortened.
func (a answer) words() string {
	const half = 1000
	out := a.stdout
	if len(out) > 2*half {
		out = out[:half] + "\n[...]\n" + out[len(out)-half:]
	}
	return out + a.stderr
}

// kaika runs a command to its end.
func (u *user) kaika(args ...string) answer {
	u.Helper()
	return u.kaikaReading(nil, args...)
}

func (u *user) kaikaReading(stdin io.Reader, args ...string) answer {
	u.Helper()
	var stdout, stderr bytes.Buffer
	cmd := u.command(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err := cmd.Run()
	return u.answer(cmd, err, stdout.String(), stderr.String())
}

func (u *user) answer(cmd *exec.Cmd, err error, stdout, stderr string) answer {
	u.Helper()
	a := answer{TB: u.TB, args: cmd.Args[1:], code: cmd.ProcessState.ExitCode(), stdout: stdout, stderr: stderr}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		a.Fatalf("kaika %q: %v", a.args, err)
	}
	// What TensorFlow, Go and the plugin say of themselves is not for users.
	for _, chatter := range []string{"oneDNN", "I0000", "W0000", "E0000", "tensorflow/core", "absl::", "goroutine ", "panic:", "rpc error", "[DEBUG]"} {
		if strings.Contains(stdout+stderr, chatter) {
			a.Errorf("kaika %q chatters of %q:\n%s", a.args, chatter, a.words())
		}
	}
	return a
}

// ends checks the exit code, and that the words are on the standard error.
func (a answer) ends(code int, words ...string) answer {
	a.Helper()
	if a.code != code {
		a.Fatalf("kaika %q ended with %d instead of %d:\n%s", a.args, a.code, code, a.words())
	}
	for _, w := range words {
		if !strings.Contains(a.stderr, w) {
			a.Errorf("kaika %q does not say %q on the standard error:\n%s", a.args, w, a.stderr)
		}
	}
	return a
}

// says checks that words are on the standard output.
func (a answer) says(words ...string) {
	a.Helper()
	for _, w := range words {
		if !strings.Contains(a.stdout, w) {
			a.Errorf("kaika %q does not say %q on the standard output:\n%s", a.args, w, a.words())
		}
	}
}

// parse reads the one JSON document that the standard output must be.
func parse[T any](a answer) T {
	a.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(a.stdout))
	if err := d.Decode(&v); err != nil {
		a.Fatalf("kaika %q printed no JSON: %v\n%s", a.args, err, a.words())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		a.Errorf("kaika %q printed more than one JSON document:\n%s", a.args, a.words())
	}
	return v
}

// running is a command under way.
type running struct {
	*user

	cmd    *exec.Cmd
	stdout bytes.Buffer

	mu     sync.Mutex
	stderr strings.Builder
	grown  chan struct{} // Told when stderr has grown.
	closed chan struct{}
}

func (u *user) start(args ...string) *running {
	u.Helper()
	r := &running{user: u, cmd: u.command(args...), grown: make(chan struct{}, 1), closed: make(chan struct{})}
	r.cmd.Stdout = &r.stdout
	pipe, err := r.cmd.StderrPipe()
	if err != nil {
		u.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		u.Fatal(err)
	}
	go func() {
		defer close(r.closed)
		lines := bufio.NewReader(pipe)
		for {
			line, err := lines.ReadString('\n')
			r.mu.Lock()
			r.stderr.WriteString(line)
			r.mu.Unlock()
			select {
			case r.grown <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	u.Cleanup(func() { _ = r.cmd.Process.Kill() }) // Most often it has ended long ago.
	return r
}

func (r *running) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stderr.String()
}

// until waits until the words are on the standard error.
func (r *running) until(words string) {
	r.Helper()
	late := time.After(patience)
	for !strings.Contains(r.said(), words) {
		select {
		case <-r.grown:
		case <-r.closed:
			if !strings.Contains(r.said(), words) {
				r.Fatalf("kaika %q ended and never said %q:\n%s", r.cmd.Args[1:], words, r.said())
			}
		case <-late:
			r.Fatalf("kaika %q does not say %q:\n%s", r.cmd.Args[1:], words, r.said())
		}
	}
}

func (r *running) signal(s syscall.Signal) {
	r.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.Fatal(err)
	}
}

func (r *running) wait() answer {
	r.Helper()
	<-r.closed
	err := r.cmd.Wait()
	return r.answer(r.cmd, err, r.stdout.String(), r.said())
}

// eventually waits for something that another process does.
func eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	late := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !happened() {
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("%s: it has not come to that", what)
		}
	}
}

// The settings of most tests: enough to learn drawn flowers, and quick.
var quick = []string{"--input_size", "64", "--how_many_training_steps", "40"}

// retrain trains with quick settings and gives the report.
func (u *user) retrain(images, model string, more ...string) train.Report {
	u.Helper()
	args := append([]string{"retrain", "--image_dir", images, "--output_dir", model, "--json"}, quick...)
	return parse[train.Report](u.kaika(append(args, more...)...).ends(exitDone))
}

// labels of the model that tests share.
var labels = []string{"rose", "sun flower", "百合"}

// sharedModel gives a model of drawn flowers that tests may only read, and the photos that it was trained with.
func sharedModel(t testing.TB) (model, images string) {
	t.Helper()
	program := builtProgram(t)
	model, images = filepath.Join(workshop, "model"), filepath.Join(workshop, "images")
	trainOnce.Do(func() {
		if err := os.CopyFS(images, os.DirFS(picturetest.Dataset(t, 20, labels...))); err != nil {
			t.Fatal(err)
		}
		u := &user{TB: t, program: program, home: filepath.Join(workshop, "trainer")}
		u.retrain(images, model)
	})
	if _, err := os.Stat(model); err != nil {
		t.Fatalf("the shared model was not trained: %v", err)
	}
	return model, images
}

var trainOnce sync.Once

// realPhotos gives a folder of real photos beside the repository.
func realPhotos(t testing.TB, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "shared", "data", name))
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(dir)
	needs(t, err, "this test wants real photos")
	return dir
}

// ask classifies files and gives the answers.
func (u *user) ask(model string, files ...string) []classify.Answer {
	u.Helper()
	args := append([]string{"classify", "--model", model, "--top", "0", "--json"}, files...)
	return parse[[]classify.Answer](u.kaika(args...).ends(exitDone))
}

// scores gives an answer's scores by label.
func scores(a classify.Answer) map[string]float64 {
	m := map[string]float64{}
	for _, p := range a.Predictions {
		m[p.Label] = float64(p.Score)
	}
	return m
}

func write(t testing.TB, data []byte, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func read(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// many makes a dataset of count different photos of two labels, quickly: they are two pictures with a number behind
// their end, where no decoder looks.
func many(t testing.TB, count int) string {
	t.Helper()
	dir := t.TempDir()
	for class, label := range []string{"a", "b"} {
		picture := picturetest.JPEG(class, 0, 320, 240)
		for n := range count / 2 {
			write(t, fmt.Appendf(slices.Clip(picture), "%d", n), dir, label, fmt.Sprintf("%d.jpg", n))
		}
	}
	return dir
}

// TestNoChatter starts the program in locales that nobody chose: nothing of the window's toolkit may be heard.
func TestNoChatter(t *testing.T) {
	for _, locale := range []string{"LANG=C.UTF-8", "LC_ALL=C", "LANG=ja_JP.UTF-8", "LANG="} {
		c := exec.CommandContext(t.Context(), builtProgram(t), "--version")
		c.Env = append(os.Environ(), "LC_ALL=", "LC_MESSAGES=", "LANGUAGE=", locale)
		var stderr strings.Builder
		c.Stderr = &stderr
		if out, err := c.Output(); err != nil || stderr.String() != "" || !strings.HasPrefix(string(out), "kaika ") {
			t.Errorf("%s: %v, said %q", locale, err, stderr.String())
		}
	}
}
