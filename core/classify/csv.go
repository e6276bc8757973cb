package classify

import (
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"

	"kaika/core/atomicfile"
)

// CSV writes a row for each photo: file, label and score for each label that is asked for, unknown, error.
type CSV struct {
	w   *csv.Writer
	top int
}

// NewCSV writes the names of the columns to out, for top labels a photo. End gives the errors of out.
func NewCSV(out io.Writer, top int) *CSV {
	c := &CSV{w: csv.NewWriter(out), top: top}
	header := []string{"file"}
	for i := range top {
		header = append(header, fmt.Sprintf("label_%d", i+1), fmt.Sprintf("score_%d", i+1))
	}
	_ = c.w.Write(append(header, "unknown", "error")) // End gives the error.
	return c
}

// Add writes the row of a photo.
func (c *CSV) Add(a Answer) error {
	row := []string{a.File}
	for i := range c.top {
		if i < len(a.Predictions) {
			p := a.Predictions[i]
			row = append(row, p.Label, strconv.FormatFloat(float64(p.Score), 'f', 6, 32))
		} else {
			row = append(row, "", "")
		}
	}
	reason := ""
	if a.Error != nil {
		reason = *a.Error
	}
	if err := c.w.Write(append(row, strconv.FormatBool(a.Unknown), reason)); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

// End writes what is left and gives the first error of all.
func (c *CSV) End() error {
	c.w.Flush()
	if err := c.w.Error(); err != nil {
		return fmt.Errorf("writing the answers: %w", err)
	}
	return nil
}

// SaveCSV writes answers to a file as CSV does. The file is there whole or as it was before.
func SaveCSV(path string, top int, answers iter.Seq[Answer]) error {
	mode := os.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
		if target, err := filepath.EvalSymlinks(path); err == nil {
			path = target // A link stays one.
		}
	}
	err := atomicfile.Create(path, mode, func(w io.Writer) error {
		c := NewCSV(w, top)
		for a := range answers {
			if err := c.Add(a); err != nil {
				return err
			}
		}
		return c.End()
	})
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
