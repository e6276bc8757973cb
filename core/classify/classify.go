// Package classify says what is on photos by a trained model.
package classify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/trained"
)

// ErrUnavailable is in the error of an [Engine] that cannot compute at present, whatever it is asked: it does not start, or
// it ended in the middle of the work and again when that was tried anew. The same call may well succeed later.
var ErrUnavailable = errors.New("the engine is not available")

// Engine computes the scores of pictures by an exported graph in a file.
type Engine interface {
	Classify(ctx context.Context, graph trained.Graph, path, precision string, pictures []picture.Encoded) ([]feature.Vector, error)
}

// Prediction is a label with its score.
type Prediction struct {
	Label string  `json:"label"`
	Score float32 `json:"score"` // 0..1; the scores of all labels add up to 1.
}

// Answer says what is on one photo.
type Answer struct {
	File        string       `json:"file"`
	Predictions []Prediction `json:"predictions"`       // The highest score first; empty with an error.
	Unknown     bool         `json:"unknown,omitempty"` // The best score is lower than that of 95 % of the photos of the labels.
	Error       *string      `json:"error"`             // Why there is no prediction: the rest of a sentence that begins with the file.

	// Reason is that of a file that is no photo that could be used, for programs; empty for any other error.
	Reason picture.Reason `json:"reason,omitempty"`
}

// Classifier is a model that was checked and is ready.
type Classifier struct {
	*trained.Folder

	engine    Engine
	precision string
}

// A Fault says in one word, for programs, why a model cannot be used.
type Fault string

// The faults.
const (
	Damaged  Fault = "damaged"  // Its folder holds no model, or one whose files do not fit together. See [trained.ErrNoModel].
	NoEngine Fault = "engine"   // It could not be tried out.
	Deviates Fault = "deviates" // It does not compute as it did where it was trained: its answers would be wrong.
)

// OpenError is why a model cannot be used.
type OpenError struct {
	Fault Fault
	Err   error
}

// Error gives the text of Err.
func (e *OpenError) Error() string { return e.Err.Error() }

// Unwrap gives Err.
func (e *OpenError) Unwrap() error { return e.Err }

// Open opens a model folder and has the model classify its golden pictures. It refuses a model that does not fit
// together or does not compute as it did where it was trained: the error is an [*OpenError]. An empty precision takes
// that of the training.
func Open(ctx context.Context, dir, precision string, engine Engine) (*Classifier, error) {
	folder, err := trained.Open(dir)
	if err != nil {
		return nil, &OpenError{Damaged, err}
	}
	if precision == "" {
		precision = folder.BaseModel.Precision
	}
	c := &Classifier{folder, engine, precision}
	pictures, digests, err := trained.Golden()
	if err != nil {
		return nil, err
	}
	vectors, err := engine.Classify(ctx, folder.Graph, folder.GraphPath, precision, pictures)
	if err != nil {
		return nil, &OpenError{NoEngine, fmt.Errorf("trying out the model in %s: %w", dir, err)}
	}
	scores := make([][]float32, len(vectors))
	for i, v := range vectors {
		if v.Err != nil {
			return nil, &OpenError{Deviates, fmt.Errorf("trying out the model in %s: golden picture %d %w", dir, i+1, v.Err)}
		}
		scores[i] = v.Values
	}
	if err := folder.CheckGolden(digests, scores, precision); err != nil {
		return nil, &OpenError{Deviates, err}
	}
	return c, nil
}

// Pictures answers for pictures that are in memory, in their order. The answers bear no file.
func (c *Classifier) Pictures(ctx context.Context, pictures []picture.Encoded) ([]Answer, error) {
	vectors, err := c.engine.Classify(ctx, c.Graph, c.GraphPath, c.precision, pictures)
	if err != nil {
		return nil, fmt.Errorf("classifying: %w", err)
	}
	if len(vectors) != len(pictures) {
		return nil, fmt.Errorf("classifying: the engine gave %d answers for %d photos", len(vectors), len(pictures))
	}
	answers := make([]Answer, len(vectors))
	for i, v := range vectors {
		answers[i] = c.answer(v)
	}
	return answers, nil
}

func (c *Classifier) answer(v feature.Vector) Answer {
	switch {
	case v.Err != nil:
	case len(v.Values) != len(c.Labels):
		v.Err = fmt.Errorf("got %d scores for %d labels", len(v.Values), len(c.Labels))
	case slices.ContainsFunc(v.Values, func(s float32) bool { return math.IsNaN(float64(s)) }):
		v.Err = errors.New("got a score that is not a number: the network cannot compute this photo")
	}
	a := Answer{Predictions: []Prediction{}}
	if v.Err != nil {
		text := v.Err.Error()
		a.Error, a.Reason = &text, picture.ReasonOf(v.Err)
		return a
	}
	for i, score := range v.Values {
		a.Predictions = append(a.Predictions, Prediction{c.Labels[i], score})
	}
	slices.SortStableFunc(a.Predictions, func(x, y Prediction) int {
		switch {
		case x.Score > y.Score:
			return -1
		case x.Score < y.Score:
			return 1
		}
		return 0
	})
	a.Unknown = a.Predictions[0].Score < c.UnknownBelow
	return a
}

// Stdin stands for the bytes of one photo on the standard input.
const Stdin = "-"

// List gives the photos that arguments name: files as they are, folders with the photos anywhere below them, by name. A
// folder's hidden files and folders are left out, and links to folders are not followed.
func List(ctx context.Context, args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		if arg == Stdin {
			if !slices.Contains(files, Stdin) { // It can be read once.
				files = append(files, Stdin)
			}
			continue
		}
		info, err := os.Stat(arg)
		if err != nil || !info.IsDir() {
			files = append(files, arg) // What is wrong with it is said in its turn.
			continue
		}
		root := arg + string(filepath.Separator) // Enters a link to a folder that is named itself.
		err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				files = append(files, filepath.Clean(path)) // Cannot be read; so says its answer.
				return fs.SkipDir
			}
			hidden := path != root && entry.Name()[0] == '.'
			switch {
			case hidden && entry.IsDir():
				return fs.SkipDir
			case !hidden && !entry.IsDir() && picture.IsName(entry.Name()):
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("listing the photos in %s: %w", arg, err)
		}
	}
	return files, nil
}

// How much is read and handed to the engine at once, and how many such batches wait for their turn. Memory is bounded
// by it, however many photos there are.
const (
	batchFiles  = 32
	batchBytes  = 16 << 20
	batchesLive = 2
)

// batches divides files so that neither their number nor their bytes are too many for one call.
func batches(files []string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for len(files) > 0 {
			n, size := 0, int64(0)
			for n < min(len(files), batchFiles) && size < batchBytes {
				if info, err := os.Stat(files[n]); err == nil {
					size += info.Size()
				}
				n++
			}
			if !yield(files[:n]) {
				return
			}
			files = files[n:]
		}
	}
}

// Files answers for files, each in its turn and order, while later ones are read and computed. stdin is read where a
// file is Stdin. A file that cannot be answered for stops nothing; an error of each does.
func (c *Classifier) Files(ctx context.Context, files []string, stdin io.Reader, each func(Answer) error) error {
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		answers []Answer
		err     error
	}
	queue := make(chan chan result, batchesLive)
	go func() {
		defer close(queue)
		for batch := range batches(files) {
			to := make(chan result, 1)
			select {
			case queue <- to:
			case <-working.Done():
				return
			}
			go func() {
				answers, err := c.batch(working, batch, stdin)
				to <- result{answers, err}
			}()
		}
	}()
	var err error
	for to := range queue { // To the end, also after an error: then all goroutines have ended.
		r := <-to
		if err == nil {
			err = r.err
		}
		for _, a := range r.answers {
			if err == nil {
				err = each(a)
			}
		}
		if err != nil {
			cancel()
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// batch reads and classifies some files.
func (c *Classifier) batch(ctx context.Context, files []string, stdin io.Reader) ([]Answer, error) {
	pictures := make([]picture.Encoded, len(files))
	answers := make([]Answer, len(files))
	var readers errgroup.Group
	readers.SetLimit(runtime.GOMAXPROCS(0))
	for i, path := range files {
		readers.Go(func() error {
			var err error
			if pictures[i], err = read(ctx, path, stdin); err != nil {
				answers[i] = c.answer(feature.Vector{Err: err})
			}
			return nil
		})
	}
	if err := errors.Join(readers.Wait(), ctx.Err()); err != nil { // Cancelled, no photo is to blame.
		return nil, fmt.Errorf("reading the photos: %w", err)
	}
	var good []picture.Encoded
	for i := range files {
		if answers[i].Error == nil {
			good = append(good, pictures[i])
		}
	}
	if len(good) > 0 {
		answered, err := c.Pictures(ctx, good)
		if err != nil {
			return nil, err
		}
		for i := range files {
			if answers[i].Error == nil {
				answers[i], answered = answered[0], answered[1:]
			}
		}
	}
	for i, path := range files {
		answers[i].File = path
	}
	return answers, nil
}

// read reads a picture from a file or the standard input.
func read(ctx context.Context, path string, stdin io.Reader) (picture.Encoded, error) {
	if path != Stdin {
		e, _, err := picture.Read(ctx, path)
		if info, statErr := os.Stat(path); err != nil && statErr == nil && info.IsDir() {
			// List names a folder that it could not look into.
			if _, dirErr := os.ReadDir(path); dirErr != nil {
				err = fmt.Errorf("is a folder that cannot be read: %w", dirErr)
			}
		}
		return e, err
	}
	type answer struct {
		picture picture.Encoded
		err     error
	}
	// A terminal may never give anything, and reading it cannot be broken off.
	come := make(chan answer, 1)
	go func() {
		e, _, err := picture.ReadFrom(stdin)
		come <- answer{e, err}
	}()
	select {
	case a := <-come:
		return a.picture, a.err
	case <-ctx.Done():
		return picture.Encoded{}, ctx.Err()
	}
}
