package collect

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kaika/core/curate"
	"kaika/core/picture"
)

// RefusedPath is where it is kept which photos of services were refused for good, slash-separated below the dataset's folder.
// It may be deleted at any time: they are downloaded again then, and refused again.
const RefusedPath = ".kaika/refused.jsonl"

// Refusals remember which photos were refused for good after they were downloaded, so that no later run does that again.
type Refusals struct {
	file  string
	known map[place]final
	torn  bool // The file's last line has no end.
}

// final is a line of the file.
type final struct {
	Kind   string         `json:"kind"`
	ID     string         `json:"id,omitempty"`
	From   string         `json:"from,omitempty"` // Where there is no ID.
	Reason picture.Reason `json:"reason"`
	Detail string         `json:"detail"`
	Side   int            `json:"side,omitempty"` // The least side that was asked for of what is too small.
	Like   string         `json:"like,omitempty"` // The name of the photo of the dataset that it is or looks like.
	Size   int64          `json:"size,omitempty"` // The bytes of that.
}

// OpenRefusals reads what is kept in the dataset in the folder dir. Lines that cannot be read are left out.
func OpenRefusals(dir string) (*Refusals, error) {
	r := &Refusals{file: filepath.Join(dir, filepath.FromSlash(RefusedPath)), known: map[place]final{}}
	data, err := os.ReadFile(r.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read what was refused before: %w", err)
	}
	r.torn = len(data) > 0 && data[len(data)-1] != '\n'
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() {
		var f final
		if json.Unmarshal(lines.Bytes(), &f) == nil && f.Kind != "" && f.Reason != "" {
			r.known[place{f.Kind, f.ID, f.From}] = f
		}
	}
	return r, nil
}

// keep keeps a refusal of the photo at a place, unless it may be another one the next time. like is the photo of the dataset
// that it is or looks like, if that is the reason.
func (r *Refusals) keep(at place, why *Refusal, minSide int, like *curate.Photo) error {
	f := final{Kind: at.kind, ID: at.id, From: at.from, Reason: why.Reason, Detail: why.Detail}
	switch why.Reason {
	case picture.Damaged, picture.TooLarge, picture.TooManyPixels, Gone:
	case TooSmall:
		f.Side = minSide
	case Duplicate, NearDuplicate, Deleted:
		if like == nil {
			return nil
		}
		f.Like, f.Size = like.Name, like.Size
	default: // Such as one that was cut off, which may have been the network.
		return nil
	}
	if r.known[at] == f {
		return nil
	}
	r.known[at] = f
	line, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("keep what was refused: %w", err)
	}
	line = append(line, '\n')
	if r.torn {
		line = append([]byte{'\n'}, line...)
	}
	if err := os.Mkdir(filepath.Dir(r.file), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keep what was refused: %w", err)
	}
	file, err := os.OpenFile(r.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("keep what was refused: %w", err)
	}
	_, err = file.Write(line) // At once, so that another program's lines come before or behind it.
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("keep what was refused: %w", err)
	}
	r.torn = false
	return nil
}

// recall gives the refusal of the photo at a place, nil if there is none or it no longer holds. there tells whether the
// dataset or its trash has a photo of a name and size, and compared whether those that look alike are refused.
func (r *Refusals) recall(at place, name string, minSide int, compared bool, there map[named]bool) *Refusal {
	f, ok := r.known[at]
	switch {
	case !ok:
		return nil
	case f.Reason == TooSmall && minSide < f.Side:
		return nil
	case f.Reason == NearDuplicate && !compared:
		return nil
	case f.Like != "" && !there[named{f.Like, f.Size}]:
		return nil
	}
	return &Refusal{Reason: f.Reason, Name: name, Detail: f.Detail}
}

// named is what a photo is known by wherever in the dataset it lies.
type named struct {
	name string
	size int64
}
