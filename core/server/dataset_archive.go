package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"kaika/core/collect"
	"kaika/core/dataset"
	"kaika/core/job"
	"kaika/core/transfer"
)

// Phases of an import.
const (
	receiving = "receiving" // Its archive, in bytes.
	importing = "importing" // Its photos.
)

// imports bring archives into datasets, one at a time.
type imports struct {
	datasets *datasets
	runner   *job.Runner
	log      *slog.Logger

	mu      sync.Mutex
	working bool   // An import is at work, as far as its client knows.
	err     error  // Why the last one failed.
	dataset string // Of the import at work, or of the last one.
}

func newImports(d *datasets, log *slog.Logger) *imports {
	return &imports{datasets: d, runner: job.New(context.Background()), log: log}
}

// importState tells how an import goes on.
type importState struct {
	State   string    `json:"state"` // "idle", "running", "done", "failed" or "cancelled".
	Dataset string    `json:"dataset,omitempty"`
	Phase   string    `json:"phase,omitempty"` // "receiving" the archive, or "importing" its photos.
	Done    int64     `json:"done"`            // Bytes or photos.
	Total   int64     `json:"total"`           // 0 while it is unknown.
	Began   time.Time `json:"began,omitzero"`
	Error   string    `json:"error,omitempty"`
}

func (i *imports) state() importState {
	s := i.runner.State()
	i.mu.Lock()
	defer i.mu.Unlock()
	state := importState{State: stateIdle, Dataset: i.dataset, Phase: s.Phase, Done: s.Done, Total: s.Total, Began: s.Began}
	switch {
	case s.Began.IsZero():
	case i.working:
		state.State = stateRunning
	case errors.Is(i.err, context.Canceled):
		state.State = stateCancelled
	case i.err != nil:
		state.State, state.Error = stateFailed, problemOf(i.err).sentence
	default:
		state.State = stateDone
	}
	return state
}

func (s *Server) showImport(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, s.imports.state())
	return nil
}

func (s *Server) cancelImport(w http.ResponseWriter, _ *http.Request) error {
	if s.imports.state().State != stateRunning {
		return &problem{status: http.StatusConflict, code: "no_import", sentence: "no import is at work"}
	}
	s.imports.runner.Cancel()
	writeJSON(w, http.StatusAccepted, s.imports.state())
	return nil
}

// importArchive brings the photos of an archive into a dataset, which is made if there is none. It answers when they are
// there; an import whose archive has come whole goes on to its end without its client.
func (s *Server) importArchive(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("dataset")
	there, err := s.datasets.find(name)
	if err != nil {
		return err
	}
	rename, err := transfer.ParseRename(r.URL.Query()["rename"])
	if err != nil {
		return badRequest("bad_query", err.Error())
	}
	release, err := s.datasets.hold(name)
	if err != nil {
		return err
	}
	defer release()
	report, err := s.imports.run(name, r, rename) //nolint:contextcheck // An import whose archive has come outlives its client.
	if err != nil {
		return err
	}
	if there {
		s.datasets.refresh(r.Context(), name)
	}
	status := http.StatusOK
	if report.New {
		status = http.StatusCreated
		w.Header().Set("Location", "/api/v1/datasets/"+url.PathEscape(name))
	}
	writeJSON(w, status, report)
	return nil
}

// run does one import, as a job.
func (i *imports) run(name string, r *http.Request, rename map[string]string) (report *transfer.Imported, err error) {
	type outcome struct {
		report *transfer.Imported
		err    error
	}
	ended := make(chan outcome, 1)
	i.mu.Lock()
	if i.working {
		i.mu.Unlock()
		return nil, &problem{
			status: http.StatusConflict, code: "import_busy", retryAfter: lockPatience,
			sentence: "another archive is being imported: wait for its end (GET /api/v1/imports/current), or cancel it",
		}
	}
	err = startJob(i.runner, "import", func(ctx context.Context, tell func(job.Progress)) error {
		result := outcome{err: errBroken} // Of a panic, whose words stand in the runner's state.
		defer func() {
			i.mu.Lock()
			i.working, i.err = false, result.err
			i.mu.Unlock()
			ended <- result
		}()
		report, err := i.bring(ctx, name, r, rename, tell)
		result = outcome{report, datasetProblem(ctx, err)}
		return result.err
	})
	if err == nil {
		i.working, i.dataset = true, name
	}
	i.mu.Unlock()
	if err != nil {
		return nil, err
	}
	result := <-ended // It reads the request, which ends with the handler.
	return result.report, result.err
}

// bring receives an archive and imports it.
func (i *imports) bring(ctx context.Context, name string, r *http.Request, rename map[string]string, tell func(job.Progress)) (_ *transfer.Imported, err error) {
	file, err := receiveFile(ctx, i.datasets.dir, r, tell)
	if err != nil {
		if ctx.Err() != nil {
			err = i.problem(ctx.Err(), file, name)
		}
		return nil, err
	}
	defer func() {
		if err := os.Remove(file); err != nil {
			i.log.WarnContext(ctx, "an archive cannot be removed", "path", file, "error", err)
		}
	}()
	tell(job.Progress{Phase: importing})
	report, err := transfer.Import(ctx, file, i.datasets.path(name), transfer.ImportOptions{
		Rename: rename, Log: i.log,
		Progress: func(done, photos int) { tell(job.Progress{Phase: importing, Done: int64(done), Total: int64(photos)}) },
	})
	if err != nil {
		return nil, i.problem(err, file, name)
	}
	report.Dataset = name
	return report, nil
}

// receiveFile writes the body of a request to a file of its own in a folder, which is made if need be. After an error the file
// is gone, and its path tells what the error may speak of.
func receiveFile(ctx context.Context, dir string, r *http.Request, tell func(job.Progress)) (file string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the folder for archives: %w", err)
	}
	f, err := os.CreateTemp(dir, receivePattern)
	if err != nil {
		return "", fmt.Errorf("making room for an archive: %w", err)
	}
	if err := errors.Join(receive(ctx, f, r, tell), f.Close()); err != nil {
		return f.Name(), errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// receive writes the body of a request to a file.
func receive(ctx context.Context, f io.Writer, r *http.Request, tell func(job.Progress)) error {
	var done int64
	piece := make([]byte, 1<<20)
	for {
		tell(job.Progress{Phase: receiving, Done: done, Total: max(0, r.ContentLength)})
		n, err := r.Body.Read(piece)
		if n > 0 {
			if _, err := f.Write(piece[:n]); err != nil {
				return fmt.Errorf("receiving an archive: %w", err)
			}
			done += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF) && done == 0:
			return badRequest("no_archive", "the request has no body: send a tar, tar.gz or zip file")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return formProblem(err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// problem finds what to say of an import that failed. Paths of the server mean nothing to who sent the archive.
func (i *imports) problem(err error, file, name string) error {
	sentence := strings.NewReplacer("import "+file+": ", "", file, "the archive", i.datasets.path(name), "the dataset").Replace(err.Error())
	refused := func(status int, code string) error {
		return &problem{status: status, code: code, sentence: sentence, err: err}
	}
	var exists *fs.PathError
	switch {
	case errors.Is(err, context.Canceled):
		return &problem{
			status: http.StatusConflict, code: "cancelled", err: err,
			sentence: "the import was cancelled, and nothing of it came in: send the archive again to have it",
		}
	case errors.Is(err, dataset.ErrLabelName):
		return refused(http.StatusBadRequest, "bad_label")
	case errors.Is(err, dataset.ErrLabelClash):
		return refused(http.StatusConflict, "label_clash")
	case errors.Is(err, collect.ErrArchive):
		return refused(http.StatusUnprocessableEntity, "bad_archive")
	case errors.Is(err, transfer.ErrNoPhotos):
		return refused(http.StatusUnprocessableEntity, "no_photos")
	case errors.Is(err, transfer.ErrNoDataset):
		return refused(http.StatusConflict, "no_dataset")
	case errors.Is(err, fs.ErrExist):
		return &problem{
			status: http.StatusConflict, code: "dataset_busy", err: err,
			sentence: "the dataset was made by somebody else meanwhile: import the archive once more, then its photos come into that one",
		}
	case errors.Is(err, fs.ErrNotExist) && !errors.As(err, &exists): // A folder that was to be renamed.
		return refused(http.StatusBadRequest, "bad_query")
	}
	return err
}
