package credit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"kaika/core/collect"
	"kaika/core/curate"
)

// VerifiedPath is where the answers of sources are kept, slash-separated below the dataset's folder. It may be deleted at any
// time.
const VerifiedPath = ".kaika/verified.jsonl"

// A Memory keeps the answers of sources for a while, so that a run that was stopped goes on where it was. The zero value
// keeps them until the program ends.
type Memory struct {
	now   func() time.Time
	known map[place]remembered
	file  *os.File
	err   error // Why no more is written.
}

// place names a photo of a source.
type place struct{ Kind, ID string }

// remembered is a line of the file.
type remembered struct {
	Kind       string    `json:"kind"`
	ID         string    `json:"id"`
	At         time.Time `json:"at"`
	Gone       bool      `json:"gone,omitempty"`
	Private    bool      `json:"private,omitempty"`
	License    string    `json:"license,omitempty"`
	LicenseURL string    `json:"license_url,omitempty"`
	Was        string    `json:"was,omitempty"` // The license that the photo was said to have: what is the same depends on it.
}

// OpenMemory opens the answers that are kept in the dataset in the folder dir, forgets those that are older than an age, and
// keeps new ones there. now tells the time.
func OpenMemory(dir string, age time.Duration, now func() time.Time) (*Memory, error) {
	m := &Memory{now: now, known: map[place]remembered{}}
	at := filepath.Join(dir, filepath.FromSlash(VerifiedPath))
	data, err := os.ReadFile(at)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read what was verified before: %w", err)
	}
	var fresh bytes.Buffer
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() {
		var r remembered
		if json.Unmarshal(lines.Bytes(), &r) != nil || r.At.Before(now().Add(-age)) || r.At.After(now()) {
			continue // Old, of another clock, or cut off by the end of a program.
		}
		m.known[place{r.Kind, r.ID}] = r
		fresh.Write(append(lines.Bytes(), '\n'))
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return nil, fmt.Errorf("keep what is verified: %w", err)
	}
	if err := replace(at, fresh.Bytes()); err != nil {
		return nil, fmt.Errorf("keep what is verified: %w", err)
	}
	if m.file, err = os.OpenFile(at, os.O_WRONLY|os.O_APPEND, 0); err != nil {
		return nil, fmt.Errorf("keep what is verified: %w", err)
	}
	return m, nil
}

// Close closes the file. The error says why some answers were not kept, which costs the next run no more than questions.
func (m *Memory) Close() error {
	if m.file == nil {
		return nil
	}
	if err := errors.Join(m.err, m.file.Close()); err != nil {
		return fmt.Errorf("keep what was verified: %w", err)
	}
	return nil
}

func (m *Memory) recall(s curate.Source) (collect.Standing, bool) {
	r, known := m.known[place{s.Kind, s.ID}]
	if !known || r.Was != was(s) {
		return collect.Standing{}, false
	}
	return collect.Standing{Gone: r.Gone, Private: r.Private, License: r.License, LicenseURL: r.LicenseURL}, true
}

// keep keeps an answer.
func (m *Memory) keep(s curate.Source, now collect.Standing) {
	r := remembered{Kind: s.Kind, ID: s.ID, Gone: now.Gone, Private: now.Private, License: now.License, LicenseURL: now.LicenseURL, Was: was(s)}
	if m.known == nil {
		m.known = map[place]remembered{}
	}
	if m.now != nil {
		r.At = m.now().UTC().Truncate(time.Second)
	}
	m.known[place{s.Kind, s.ID}] = r
	if m.file == nil || m.err != nil {
		return
	}
	line, err := json.Marshal(r)
	if err == nil {
		_, err = m.file.Write(append(line, '\n'))
	}
	m.err = err
}

func was(s curate.Source) string {
	if s.LicenseURL != "" {
		return s.LicenseURL
	}
	return s.License
}
