// Package experiment keeps training runs: each is a folder that holds the trained model itself, the points of its curves,
// and beside them run.json, which tells by what settings and with what result it came about, and answers.json, the answers to
// the test photos. So runs can be listed, compared, opened and exported long after.
package experiment

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"kaika/core/train"
	"kaika/core/trained"
)

// Names of the files that lie beside a model's. RunFile makes a model folder a kept run. The answers lie apart from it,
// because a list of many runs needs none of the thousands of them.
const (
	RunFile     = "run.json"
	AnswersFile = "answers.json"
)

// Format is the version of run.json that this package writes. It reads no newer one.
const Format = 1

// Run is one training that was kept.
type Run struct {
	ID      string            `json:"id"`   // Names the folder; later runs sort after earlier ones.
	Name    string            `json:"name"` // The user's own words on it, or "".
	Dataset string            `json:"dataset"`
	Started time.Time         `json:"started"`
	Params  train.Params      `json:"params"`
	Base    trained.BaseModel `json:"base_model"`
	Report  *train.Report     `json:"report"` // Never nil in a run that a Store gives.
	Labels  map[string]int    `json:"labels"` // Photos a label, without the skipped.

	// The answers to all test photos and the points of the curves. [Store.Open] gives them, [Store.List] leaves them out.
	Answers []train.Answer `json:"-"`
	Points  []train.Point  `json:"-"`

	Dir string `json:"-"` // The model folder.
}

// record is the content of run.json.
type record struct {
	Format int `json:"format"`
	Run
}

// Store is a folder of runs. Its methods may be called from several goroutines, and by several programs at once.
type Store struct {
	Dir string           // Made when the first run is written.
	Log *slog.Logger     // Is told of what is no run.
	Now func() time.Time // Time for the names of runs; nil means time.Now.
}

// ErrNoRun says that there is no run of that name.
var ErrNoRun = errors.New("no such run")

// idForm is what New gives as ID. Nothing else is taken for one, so no ID leads out of the store.
var idForm = regexp.MustCompile(`^\d{8}-\d{9}-[0-9a-f]{8}$`)

// New gives a run that begins now its ID and the folder where its model is to be written: the OutputDir of its parameters.
// Nothing is made on the disk, so a run that fails leaves nothing.
func (s *Store) New() Run {
	now := time.Now()
	if s.Now != nil {
		now = s.Now()
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // Never fails, by its documentation.
	id := fmt.Sprintf("%s%03d-%x", now.UTC().Format("20060102-150405"), now.Nanosecond()/1e6, random)
	return Run{ID: id, Started: now, Dir: filepath.Join(s.Dir, id)}
}

// Keep adds a run, whose model was written to its folder, to those that are listed.
// It gives the run as Open will.
func (s *Store) Keep(r Run) (Run, error) {
	if r.Report == nil {
		return Run{}, fmt.Errorf("run %s has no report to keep", r.ID)
	}
	if err := s.keep(r); err != nil {
		return Run{}, fmt.Errorf("the model is in %s, but the run could not be added to the list: %w", r.Dir, err)
	}
	return s.Open(r.ID)
}

func (s *Store) keep(r Run) error {
	dir, err := s.dir(r.ID)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(dir, trained.ModelFile))
	if err != nil {
		return fmt.Errorf("reading the model of run %s: %w", r.ID, err)
	}
	var m trained.Model
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("reading the model of run %s: %w", r.ID, err)
	}
	r.Labels = m.Dataset.Labels
	if data, err = json.Marshal(r.Report.Answers); err != nil {
		return fmt.Errorf("describing the answers of run %s: %w", r.ID, err)
	}
	if err := trained.WriteFile(filepath.Join(dir, AnswersFile), data); err != nil {
		return err
	}
	return s.write(r) // The last, because it makes the run one.
}

// write writes run.json.
func (s *Store) write(r Run) error {
	dir, err := s.dir(r.ID)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(record{Format: Format, Run: r}, "", "  ")
	if err != nil {
		return fmt.Errorf("describing run %s: %w", r.ID, err)
	}
	return trained.WriteFile(filepath.Join(dir, RunFile), append(data, '\n'))
}

func (s *Store) dir(id string) (string, error) {
	if !idForm.MatchString(id) {
		return "", fmt.Errorf("%w: %q", ErrNoRun, id)
	}
	return filepath.Join(s.Dir, id), nil
}

// List gives all runs, the newest first, without answers and points. Folders that are no runs, and runs that are damaged,
// are left where they are, and the log is told.
func (s *Store) List(ctx context.Context) ([]Run, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the kept runs: %w", err)
	}
	var runs []Run
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if strings.HasPrefix(e.Name(), ".") {
			continue // A model that is being written.
		}
		r, err := s.read(e.Name())
		if err != nil {
			s.Log.Warn("a folder among the kept runs is left out", "folder", filepath.Join(s.Dir, e.Name()), "error", err)
			continue
		}
		runs = append(runs, r)
	}
	slices.SortFunc(runs, func(a, b Run) int { return cmp.Compare(b.ID, a.ID) })
	return runs, nil
}

// Open gives a run with its answers and points. The error is [ErrNoRun] when there is none of that ID.
func (s *Store) Open(id string) (Run, error) {
	r, err := s.read(id)
	if err != nil {
		return Run{}, err
	}
	r.Answers, err = readAnswers(filepath.Join(r.Dir, AnswersFile))
	if err != nil {
		s.Log.Warn("the answers of a run are lost", "run", id, "error", err)
	}
	r.Report.Answers = r.Answers
	data, err := os.ReadFile(filepath.Join(r.Dir, trained.MetricsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Run{}, fmt.Errorf("reading the curves of run %s: %w", id, err)
	}
	var bad int
	if r.Points, bad = readPoints(data); bad > 0 {
		s.Log.Warn("points of the curves of a run are damaged", "run", id, "lines", bad)
	}
	return r, nil
}

// read reads run.json.
func (s *Store) read(id string) (Run, error) {
	dir, err := s.dir(id)
	if err != nil {
		return Run{}, err
	}
	data, err := os.ReadFile(filepath.Join(dir, RunFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Run{}, fmt.Errorf("%w: %q", ErrNoRun, id)
	}
	if err != nil {
		return Run{}, fmt.Errorf("reading run %s: %w", id, err)
	}
	r, err := parse(data)
	if err != nil {
		return Run{}, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, RunFile), err)
	}
	// The folder's name is the truth: the store, or a copy of a run, may have been moved.
	r.ID, r.Dir, r.Report.Model, r.Params.OutputDir = id, dir, dir, dir
	return r, nil
}

// parse reads the content of run.json.
func parse(data []byte) (Run, error) {
	var d record
	err := json.Unmarshal(data, &d)
	switch {
	case err != nil:
		return Run{}, err
	case d.Format < 1 || d.Format > Format:
		return Run{}, fmt.Errorf("it has format %d, and this Kaika reads formats up to %d", d.Format, Format)
	case d.Report == nil:
		return Run{}, errors.New("it has no report")
	}
	if m := d.Report.ConfusionMatrix; m != nil && !square(*m) {
		return Run{}, errors.New("its confusion matrix has not as many rows and columns as labels")
	}
	return d.Run, nil
}

// readAnswers reads the content of answers.json.
func readAnswers(path string) ([]train.Answer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the answers: %w", err)
	}
	var answers []train.Answer
	if err := json.Unmarshal(data, &answers); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return answers, nil
}

func square(c train.Confusion) bool {
	return len(c.Counts) == len(c.Labels) && !slices.ContainsFunc(c.Counts, func(row []int) bool { return len(row) != len(c.Labels) })
}

// readPoints reads the lines of metrics.jsonl. It passes over those that are damaged, and counts them.
func readPoints(data []byte) (points []train.Point, bad int) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var p train.Point
		if err := json.Unmarshal(line, &p); err != nil || p.Step < 0 || (p.ValidationAccuracy == nil) != (p.ValidationCrossEntropy == nil) {
			bad++
			continue
		}
		points = append(points, p)
	}
	return points, bad
}

// Rename sets the user's own words on a run.
func (s *Store) Rename(id, name string) error {
	r, err := s.read(id)
	if err != nil {
		return err
	}
	r.Name = strings.TrimSpace(name)
	return s.write(r)
}

// Delete removes a run with its model.
func (s *Store) Delete(id string) error {
	r, err := s.read(id)
	if err != nil {
		return err
	}
	// First it leaves the list, at once: a run of which half was removed must not stay there.
	gone := filepath.Join(s.Dir, "."+id+"-deleted")
	if err := os.Rename(r.Dir, gone); err != nil {
		return fmt.Errorf("deleting run %s: %w", id, err)
	}
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("deleting run %s: %w", id, err)
	}
	return nil
}

// Export copies a run's model to a folder that is missing, empty, or holds a model, which is replaced. Everything is there
// at once or nothing. run.json and answers.json stay behind: they name the user's photos.
func (s *Store) Export(ctx context.Context, id, to string) error {
	r, err := s.read(id)
	if err != nil {
		return err
	}
	inside, err := s.holds(to)
	if err != nil {
		return err
	}
	if inside {
		return fmt.Errorf("%s lies among the kept runs: choose another folder", to)
	}
	m, err := trained.Open(r.Dir)
	if err != nil {
		return err
	}
	w, err := trained.NewWriter(to)
	if err != nil {
		return err
	}
	defer func() {
		if err := w.Discard(); err != nil {
			s.Log.Warn("an unfinished copy of a model could not be removed", "error", err)
		}
	}()
	for _, name := range []string{m.Graph.File, trained.LabelsFile, trained.MetricsFile} {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := os.ReadFile(filepath.Join(r.Dir, name))
		if errors.Is(err, fs.ErrNotExist) && name == trained.MetricsFile {
			continue // The model works without its curves.
		}
		if err != nil {
			return fmt.Errorf("copying the model: %w", err)
		}
		if err := w.File(name, data); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.Commit(m.Model)
}

// holds tells whether a place, which may not be there yet, lies in the store.
func (s *Store) holds(place string) (bool, error) {
	store, err := realPath(s.Dir)
	if err != nil {
		return false, err
	}
	if place, err = realPath(place); err != nil {
		return false, err
	}
	return place == store || strings.HasPrefix(place, store+string(filepath.Separator)), nil
}

// realPath gives the path behind all links, of which the last parts may not be there.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("finding the folder: %w", err)
	}
	behind, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(path) != path {
		parent, err := realPath(filepath.Dir(path))
		return filepath.Join(parent, filepath.Base(path)), err
	}
	if err != nil {
		return "", fmt.Errorf("finding the folder: %w", err)
	}
	return behind, nil
}
