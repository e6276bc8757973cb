package app

import (
	"bufio"
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"kaika/core/classify"
	"kaika/core/evaluate"
	"kaika/core/train"
)

// screen gives what stands on the lines of a terminal after it was written to.
func screen(written string) []string {
	lines := []string{""}
	for _, r := range strings.ReplaceAll(written, "\r\x1b[K", "\a") {
		switch r {
		case '\a':
			lines[len(lines)-1] = ""
		case '\n':
			lines = append(lines, "")
		default:
			lines[len(lines)-1] += string(r)
		}
	}
	return lines
}

func TestProgressInATerminal(t *testing.T) {
	var out bytes.Buffer
	term := &terminal{out: &out, width: 40}
	term.progress(false, "features: %d of %d", 1, 9)
	term.last = time.Time{}
	term.progress(false, "features: %d of %d, and so many words that they do not fit", 2, 9)
	if line := screen(out.String())[0]; utf8.RuneCountInString(line) != 39 {
		t.Errorf("the line %q is %d columns long", line, utf8.RuneCountInString(line))
	}
	term.progress(false, "too soon to be shown")
	term.say("a message")
	term.progress(true, "features: %d of %d", 9, 9)
	// What comes next is shown at once, and an answer on the same screen goes above it.
	term.progress(false, "step %d", 1)
	if err := term.above(func() error { _, err := out.WriteString("rose\n"); return err }); err != nil {
		t.Error(err)
	}
	if got := screen(out.String()); strings.Join(got, "|") != "kaika: a message|features: 9 of 9|rose|step 1" {
		t.Errorf("the screen shows %q", got)
	}
	term.clear()
	if got := screen(out.String()); got[len(got)-1] != "" {
		t.Errorf("the screen shows %q", got)
	}
	full := errors.New("full")
	if err := term.above(func() error { return full }); !errors.Is(err, full) {
		t.Errorf("the error is %v", err)
	}
}

func TestProgressElsewhere(t *testing.T) {
	var out bytes.Buffer
	term := newTerminal(&out)
	for i := range 100 {
		term.progress(i == 99, "features: %d of 100", i+1)
	}
	term.progress(false, "step 1")
	term.progress(false, "step 2")
	if got := out.String(); got != "features: 1 of 100\nfeatures: 100 of 100\nstep 1\n" {
		t.Errorf("it writes %q", got)
	}
}

func TestMessages(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newTerminal(&out).handler(slog.LevelInfo)).With("process", 1)
	log.Debug("not shown")
	log.Info("TensorFlow is ready", "seconds", 0.5)
	log.WithGroup("g").Warn("the disk is full", "file", "x")
	if got := out.String(); got != "kaika: TensorFlow is ready (seconds: 0.5)\nkaika: warn: the disk is full (file: x)\n" {
		t.Errorf("it writes %q", got)
	}
}

// TestPointFits puts both accuracies and both losses into a terminal of 80 columns.
func TestPointFits(t *testing.T) {
	var out bytes.Buffer
	accuracy, loss := 1., 0.4381
	newShow(&terminal{out: &out, width: 80}).point(4000, &train.Point{
		Step: 4000, TrainAccuracy: 1, TrainCrossEntropy: 0.0035, ValidationAccuracy: &accuracy, ValidationCrossEntropy: &loss,
	})
	if got := screen(out.String())[0]; got != "step 4000 of 4000: train 100.0 %, loss 0.0035; validation 100.0 %, loss 0.4381" {
		t.Errorf("it shows %q", got)
	}
}

func TestRateAndETA(t *testing.T) {
	began := time.Now().Add(-10 * time.Second)
	if got := rate(began, 500); got != ", 50 photos/s" {
		t.Errorf("rate %q", got)
	}
	if got := eta(began, 500, 1000); got != ", 10s left" {
		t.Errorf("time left %q", got)
	}
	for name, got := range map[string]string{
		"nothing done":   rate(began, 0) + eta(began, 0, 10),
		"too soon":       rate(time.Now(), 5) + eta(time.Now(), 5, 10),
		"everything is":  eta(began, 10, 10),
		"less than none": rate(began, -3),
	} {
		if got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// full is an output that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestOutputCannotBeWritten fails, so that nobody takes half an answer for a whole one.
func TestOutputCannotBeWritten(t *testing.T) {
	for _, args := range []string{"models list", "models list --json"} {
		var stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(args), strings.NewReader(""), full{}, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("kaika %s: exit code %d, %s", args, code, &stderr)
		}
	}
}

func TestJSONAnswers(t *testing.T) {
	for n, want := range []string{"[]\n", `[{"file":"x","predictions":null,"error":null}]` + "\n"} {
		var out bytes.Buffer
		buffered := bufio.NewWriter(&out)
		j := &jsonAnswers{out: buffered}
		for range n {
			if err := j.Add(classify.Answer{File: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(j.End(), buffered.Flush()); err != nil || out.String() != want {
			t.Errorf("%d answers: %q, %v", n, &out, err)
		}
	}
}

func TestWords(t *testing.T) {
	matrixOf := train.Confusion{Labels: []string{"a", "long name"}, Counts: [][]int{{100, 2}, {0, 30}}}
	if got, want := matrix(matrixOf), "is \\ taken for  a    long name\na               100  2\nlong name       0    30\n"; got != want {
		t.Errorf("the matrix is\n%s", got)
	}
	var wrong []train.Answer
	for range 25 {
		wrong = append(wrong, train.Answer{File: "f.jpg", Label: "a", Predicted: "b", Score: 0.876})
	}
	var b strings.Builder
	misclassifiedWords(&b, wrong, 20)
	if got := b.String(); strings.Count(got, "f.jpg is a, taken for b (87.6 %)") != 20 || !strings.Contains(got, "and 5 more; --json lists all") {
		t.Errorf("misclassified: %s", got)
	}
	report := &train.Report{Model: "m", Labels: []string{"a", "b"}, Misclassified: wrong[:1], Notes: []string{"Mind this."}}
	if got := retrained(report, false); strings.Contains(got, "f.jpg") || strings.Contains(got, "accuracy") || !strings.Contains(got, "\nMind this.\n") {
		t.Errorf("without a test: %s", got)
	}
	if got := retrained(report, true); !strings.Contains(got, "f.jpg is a, taken for b") {
		t.Errorf("with the mistakes: %s", got)
	}
	if got := evaluated(&evaluate.Report{Photos: 3, Folds: make([]evaluate.Fold, 2), Notes: []string{"Mind this."}}); !strings.Contains(got, "2 folds; 3 photos") || !strings.Contains(got, "\nMind this.\n") {
		t.Errorf("evaluated: %s", got)
	}
}
