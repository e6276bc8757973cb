package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"kaika/core/trained"
)

// stateFormat is the version of State that this package writes. It reads no other.
const stateFormat = 1

// state is the content of State.
type state struct {
	Format int      `json:"format"`
	Models []record `json:"models"`
}

// record is what State keeps of a model.
type record struct {
	Name     string          `json:"name"`
	Added    bool            `json:"added,omitempty"` // By Activate, not by Serve.
	Active   int             `json:"active"`
	Before   []int           `json:"before,omitempty"` // As in entry.
	Last     int             `json:"last"`             // As in entry.
	Versions []versionRecord `json:"versions"`
}

// versionRecord is what State keeps of a version.
type versionRecord struct {
	Version int    `json:"version"`
	Dir     string `json:"dir"`
	Graph   string `json:"graph,omitempty"` // SHA-256; none if it was never opened.
	Added   bool   `json:"added,omitempty"` // By Activate, not by Serve.
}

// number gives the version that was in a folder last, 0 if none was.
func (r record) number(dir string) int {
	for _, v := range slices.Backward(r.Versions) {
		if v.Dir == dir {
			return v.Version
		}
	}
	return 0
}

// check tells what cannot be in a record that this package wrote.
func (r record) check() error {
	if err := CheckName(r.Name); err != nil {
		return err
	}
	highest := 0
	for _, v := range r.Versions {
		if v.Version <= highest || v.Version > maxNumber || !filepath.IsAbs(v.Dir) {
			return fmt.Errorf("the versions of %q are not in order", r.Name)
		}
		highest = v.Version
	}
	listed := func(n int) bool {
		return slices.ContainsFunc(r.Versions, func(v versionRecord) bool { return v.Version == n })
	}
	if r.Last < highest || r.Last > maxNumber || !listed(r.Active) {
		return fmt.Errorf("the active version of %q is not listed", r.Name)
	}
	for _, n := range r.Before {
		if !listed(n) {
			return fmt.Errorf("a former version of %q is not listed", r.Name)
		}
	}
	return nil
}

// parseState reads the content of State.
func parseState(data []byte) ([]record, error) {
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, err
	}
	if s.Format != stateFormat {
		return nil, fmt.Errorf("its format is %d and not %d", s.Format, stateFormat)
	}
	names := map[string]bool{}
	for _, r := range s.Models {
		if err := r.check(); err != nil {
			return nil, err
		}
		if names[r.Name] {
			return nil, fmt.Errorf("the model %q is there twice", r.Name)
		}
		names[r.Name] = true
	}
	return s.Models, nil
}

// readState reads State. One that cannot be used is put aside.
func (m *Models) readState() []record {
	if m.config.State == "" {
		return nil
	}
	data, err := os.ReadFile(m.config.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var records []record
	if err == nil {
		records, err = parseState(data)
	}
	if err != nil {
		aside := m.config.State + ".damaged"
		err = errors.Join(err, os.Rename(m.config.State, aside))
		m.config.Log.Warn("which versions of models are active was forgotten: the file cannot be used and is put aside",
			"file", m.config.State, "aside", aside, "error", err)
		return nil
	}
	return records
}

// record gives what State says of a model.
func (m *Models) record(name string) record {
	i := slices.IndexFunc(m.records, func(r record) bool { return r.Name == name })
	if i < 0 {
		return record{}
	}
	return m.records[i]
}

// remember writes State with what is to be said of a model.
func (m *Models) remember(e *entry) error {
	r := record{Name: e.name, Added: e.added, Active: e.active, Before: e.before, Last: e.last}
	for _, v := range e.versions {
		r.Versions = append(r.Versions, versionRecord{v.number, v.dir, v.graph, v.added})
	}
	records := slices.Clone(m.records)
	if i := slices.IndexFunc(records, func(old record) bool { return old.Name == e.name }); i >= 0 {
		records[i] = r
	} else {
		records = append(records, r)
	}
	return m.write(records)
}

// write writes State.
func (m *Models) write(records []record) error {
	if m.config.State != "" {
		data, err := json.MarshalIndent(state{stateFormat, records}, "", "  ")
		if err != nil {
			return fmt.Errorf("describing the models that are served: %w", err)
		}
		if err := trained.WriteFile(m.config.State, append(data, '\n')); err != nil {
			return err
		}
	}
	m.records = records
	return nil
}
