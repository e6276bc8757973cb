package ui

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	source "kaika/core/collect"
	"kaika/core/curate"
)

// Settings keep the window's state across starts; a *settings.Store does. They are called on the goroutine that draws.
type Settings interface {
	String(key string) string
	SetString(key, value string)
}

// Names of the settings.
const (
	prefDataset    = "dataset"    // Folder of the dataset that was open.
	prefRecent     = "recent"     // Folders of datasets, newest first, as JSON.
	prefLanguage   = "language"   // A code of i18n.Languages, or empty for the system's.
	prefBrightness = "brightness" // A theme.Brightness.
	prefTab        = "tab"        // Name of the tab that was open.
	prefSize       = "size"       // Of the window, as WIDTHxHEIGHT.
)

// mostRecent is how many datasets are remembered.
const mostRecent = 8

// session is the dataset at work: it opens and closes it, remembers the recent ones, and has it watch its folder. Its
// methods are called on the goroutine that draws; what takes long goes on beside.
type session struct {
	ctx         context.Context // Ends with the window.
	dispatch    func(func())
	log         *slog.Logger
	preferences Settings
	open        func(ctx context.Context, dir string) (*curate.Library, error)
	create      func(ctx context.Context, dir string, labels []string) (*curate.Library, error)

	library  *curate.Library
	opening  string // Folder that is being opened, or empty.
	openings int    // Numbers them, so that one is known that another was asked for after.
	changed  func() // Library or opening is another.
	failed   func(dir string, err error)
	// jobs gives what waits for the jobs and other work under way: that goes on into the dataset that it began with.
	jobs func() (wait func())

	work      sync.WaitGroup // Goroutines at work.
	stopWatch context.CancelFunc
}

// Open opens the dataset in a folder in place of the one that is open.
func (s *session) Open(dir string) {
	s.begin(dir, s.open)
}

// Create makes a new dataset and opens it.
func (s *session) Create(dir string, labels []string) {
	s.begin(dir, func(ctx context.Context, dir string) (*curate.Library, error) { return s.create(ctx, dir, labels) })
}

// begin opens a dataset. If another is being opened, of a large folder or on a drive that does not answer, nobody waits for
// that any more.
func (s *session) begin(dir string, open func(context.Context, string) (*curate.Library, error)) {
	if s.opening == dir {
		return
	}
	s.openings++
	number := s.openings
	s.opening = dir
	s.changed()
	s.work.Go(func() {
		library, err := open(s.ctx, dir)
		s.dispatch(func() {
			if number != s.openings {
				if library != nil {
					s.closeAfter(library, func() {})
				}
				return
			}
			s.opening = ""
			if err != nil {
				if errors.Is(err, fs.ErrNotExist) {
					s.forget(dir)
				}
				s.changed()
				s.failed(dir, err)
				return
			}
			s.use(library)
		})
	})
}

// use makes a library the one at work.
func (s *session) use(library *curate.Library) {
	s.release()
	s.library = library
	if library != nil {
		s.remember(library.Dir())
		s.preferences.SetString(prefDataset, library.Dir())
		ctx, stop := context.WithCancel(s.ctx)
		s.stopWatch = stop
		s.work.Go(func() { library.Watch(ctx) })
	}
	s.changed()
}

// release closes the library at work, beside, when no job needs it any more.
func (s *session) release() {
	if s.library == nil {
		return
	}
	library, stop := s.library, s.stopWatch
	s.library, s.stopWatch = nil, nil
	stop()
	s.closeAfter(library, s.jobs())
}

// closeAfter closes a library, beside, when a wait is over.
func (s *session) closeAfter(library *curate.Library, wait func()) {
	s.work.Go(func() {
		wait()
		if err := library.Close(); err != nil {
			s.log.Warn("closing the dataset", "dataset", library.Dir(), "error", err)
		}
	})
}

// Leave closes the dataset at work; the next start opens none.
func (s *session) Leave() {
	s.openings++
	s.opening = ""
	s.preferences.SetString(prefDataset, "")
	s.use(nil)
}

// Close ends everything and waits for it. The dataset opens again at the next start.
func (s *session) Close() {
	s.release()
	s.work.Wait()
}

// Last gives the folder of the dataset that was open at the end of the last session, "" for none, and whether it is still
// there.
func (s *session) Last() (dir string, there bool) {
	dir = s.preferences.String(prefDataset)
	info, err := os.Stat(dir)
	return dir, err == nil && info.IsDir()
}

// Recent gives the folders of the datasets that were open, newest first.
func (s *session) Recent() []string {
	var dirs []string
	if err := json.Unmarshal([]byte(s.preferences.String(prefRecent)), &dirs); err != nil {
		return nil // None yet, or not ours.
	}
	return dirs
}

func (s *session) remember(dir string) {
	dirs := append([]string{dir}, slices.DeleteFunc(s.Recent(), func(d string) bool { return d == dir })...)
	s.setRecent(dirs[:min(len(dirs), mostRecent)])
}

func (s *session) forget(dir string) {
	s.setRecent(slices.DeleteFunc(s.Recent(), func(d string) bool { return d == dir }))
}

func (s *session) setRecent(dirs []string) {
	data, err := json.Marshal(dirs)
	if err != nil {
		s.log.Warn("remembering the datasets", "error", err)
		return
	}
	s.preferences.SetString(prefRecent, string(data))
}

// dropped is what was dropped on the window, by what can be done with it.
type dropped struct {
	photos   []string // Files to be classified, whatever they are: a bad one gets a sentence.
	folders  []string
	archives []string // And lists of addresses.
}

// sort tells photos, folders and archives apart.
func sortDrop(paths []string) dropped {
	var d dropped
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir():
			d.folders = append(d.folders, path)
		case isArchive(path), source.IsList(path):
			d.archives = append(d.archives, path)
		default:
			d.photos = append(d.photos, path)
		}
	}
	return d
}

// isArchive tells by its name whether a file holds others.
func isArchive(path string) bool {
	name := strings.ToLower(filepath.Base(path))
	for _, pattern := range []string{"*.tar", "*.tar.gz", "*.tgz", "*.zip"} {
		if ok, err := filepath.Match(pattern, name); ok && err == nil {
			return true
		}
	}
	return false
}
