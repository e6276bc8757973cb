// Package settings keeps what the window remembers from one start to the next: short texts by name, in a file.
package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"kaika/core/atomicfile"
)

// A Store holds texts by name. They are read from its file once and written to it beside, so that no call of String or
// SetString waits for a disk: the window calls them on the goroutine that draws. They may be used from several goroutines.
//
// Fyne's own preferences are not used, because each change of theirs is written in place, and on that very goroutine.
type Store struct {
	file string
	log  *slog.Logger

	mu    sync.Mutex
	texts map[string]string
	fresh map[string]string // What was set and is not in the file yet.

	changed chan struct{} // Holds one sign for the writer at most.
	written chan struct{} // Closed when the writer has ended.
}

// Open reads the settings of a file; one that is not there holds none. A damaged one is put aside as FILE.damaged, and the
// window begins as at its first start: what is lost can be set again.
func Open(file string, log *slog.Logger) *Store {
	texts, err := read(file)
	if errors.Is(err, errDamaged) {
		aside := file + ".damaged"
		log.Warn("the settings are damaged: they are put aside, and begun anew", "file", aside, "error", errors.Join(err, os.Rename(file, aside)))
	} else if err != nil {
		log.Warn("reading the settings", "error", err)
	}
	s := &Store{
		file: file, log: log, texts: texts, fresh: map[string]string{},
		changed: make(chan struct{}, 1), written: make(chan struct{}),
	}
	go s.write()
	return s
}

// String gives a text, "" if none was set.
func (s *Store) String(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.texts[name]
}

// SetString sets a text. It must not be called after Close.
func (s *Store) SetString(name, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.texts[name]; ok && old == text {
		return
	}
	s.texts[name], s.fresh[name] = text, text
	select {
	case s.changed <- struct{}{}:
	default: // The writer has a sign already.
	}
}

// Close waits until all is in the file.
func (s *Store) Close() {
	close(s.changed)
	<-s.written
}

// write puts into the file what was set, as often as it can.
func (s *Store) write() {
	defer close(s.written)
	for range s.changed {
		s.mu.Lock()
		fresh := s.fresh
		s.fresh = map[string]string{}
		s.mu.Unlock()
		if err := merge(s.file, fresh); err != nil {
			s.log.Warn("keeping the settings", "error", err)
		}
	}
}

// merge puts texts into a file and leaves the others in it as they are: another Kaika may have set them.
func merge(file string, fresh map[string]string) error {
	texts, err := read(file)
	if err != nil && !errors.Is(err, errDamaged) {
		return err
	}
	maps.Copy(texts, fresh)
	data, err := json.MarshalIndent(texts, "", "\t")
	if err != nil {
		return fmt.Errorf("serialising the settings: %w", err)
	}
	if err := replace(file, append(data, '\n')); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}

var errDamaged = errors.New("it does not hold settings")

// read gives the texts of a file; none if it is not there.
func read(file string) (map[string]string, error) {
	texts := map[string]string{}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return texts, nil
	}
	if err != nil {
		return texts, err
	}
	if err := json.Unmarshal(data, &texts); err != nil || texts == nil { // A null is nil.
		return map[string]string{}, errors.Join(fmt.Errorf("reading %s: %w", file, errDamaged), err)
	}
	return texts, nil
}

// replace writes the file anew.
func replace(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(file, 0o600, data)
}
