package trained

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kaika/core/atomicfile"
)

// Writer collects the files of a model in a temporary folder beside the place where the model is to be; Commit puts
// them there all at once.
type Writer struct {
	dir   string // The place.
	stage string // The temporary folder.
}

// CheckPlace tells whether a model may be written to a folder: it is missing, empty, or holds a model, which will be
// replaced.
func CheckPlace(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("the model cannot be written to %s: %w", dir, err)
	case len(entries) == 0:
		return nil
	}
	if !holdsModel(dir) {
		return fmt.Errorf("%s already holds other files, which Kaika leaves alone: choose another --output_dir", dir)
	}
	return nil
}

// holdsModel tells whether a folder holds a model of Kaika's. Other programs have a model.json, too.
func holdsModel(dir string) bool {
	data, err := os.ReadFile(filepath.Join(dir, ModelFile))
	var m Model
	return err == nil && json.Unmarshal(data, &m) == nil && m.Format > 0 && m.Graph.File != ""
}

// NewWriter begins to write a model. The folder it is in is made if it is missing.
func NewWriter(dir string) (*Writer, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding the model's folder: %w", err)
	}
	if behind, err := filepath.EvalSymlinks(dir); err == nil {
		dir = behind // The link stays.
	}
	if err := CheckPlace(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder for the model: %w", err)
	}
	stage, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-*")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the model: %w", err)
	}
	return &Writer{dir: dir, stage: stage}, nil
}

// Path gives the place of a file of the model until Commit.
func (w *Writer) Path(name string) string { return filepath.Join(w.stage, name) }

// File writes a file of the model. It is on the disk when File returns: an older model is removed after Commit.
func (w *Writer) File(name string, data []byte) error {
	f, err := os.Create(w.Path(name))
	if err != nil {
		return fmt.Errorf("writing the model: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing the model: %w", err)
	}
	return nil
}

// Discard removes what was not committed; after Commit it does nothing.
func (w *Writer) Discard() error {
	if err := os.RemoveAll(w.stage); err != nil {
		return fmt.Errorf("removing an unfinished model: %w", err)
	}
	return nil
}

// Commit writes model.json and puts the folder in its place. An older model there is replaced; if that fails, it stays.
// What else lies in its folder is kept.
func (w *Writer) Commit(m Model) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the model: %w", err)
	}
	if err := w.File(ModelFile, append(data, '\n')); err != nil {
		return err
	}
	if err := os.Chmod(w.stage, 0o755); err != nil {
		return fmt.Errorf("writing the model: %w", err)
	}
	old := w.stage + "-old"
	err = os.Rename(w.dir, old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replacing the model in %s: %w", w.dir, err)
	}
	replaced := err == nil
	if err := os.Rename(w.stage, w.dir); err != nil {
		err = fmt.Errorf("putting the model into %s: %w", w.dir, err)
		if replaced {
			err = errors.Join(err, os.Rename(old, w.dir))
		}
		return err
	}
	if replaced {
		return w.remove(old)
	}
	return nil
}

// remove removes a model that was replaced, after it has moved what else lies in its folder to the new one: curves or
// notes of the user's own.
func (w *Writer) remove(old string) error {
	entries, err := os.ReadDir(old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // A link to nowhere stood there.
		return fmt.Errorf("removing the model that was replaced: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		if name == GraphFile || name == LabelsFile || name == ModelFile || name == MetricsFile {
			continue
		}
		if err := os.Rename(filepath.Join(old, name), filepath.Join(w.dir, name)); err != nil {
			return fmt.Errorf("keeping what lay beside the model that was replaced: %w", err)
		}
	}
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("removing the model that was replaced: %w", err)
	}
	return nil
}

// WriteFile writes a file by way of a temporary one, so that it is never half there. Missing folders are made. A link
// stays, and so do a device and a pipe, which are written to.
func WriteFile(path string, data []byte) error {
	if behind, err := filepath.EvalSymlinks(path); err == nil {
		path = behind
	}
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder: give the name of a file", path)
	case err == nil && !info.Mode().IsRegular():
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the folder for %s: %w", path, err)
	}
	if err := atomicfile.Write(path, 0o644, data); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
