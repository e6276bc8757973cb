package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"kaika/core/curate"
	"kaika/core/picture"
)

// Folder is a folder of the user's own with a folder of photos for each label, or with photos only. The photos stay where
// they are; copies of them come into the dataset. Links are followed.
type Folder struct {
	Closed bool // Refuse links that lead out of the folder, because somebody else made it.

	dir string

	mu    sync.Mutex
	found *listing // Nil before the first look.
}

var _ Local = (*Folder)(nil)

// NewFolder gives the folder at a path. Nothing is read yet.
func NewFolder(dir string) *Folder { return &Folder{dir: dir} }

// Open gives the folder or the archive at a path, whichever lies there.
func Open(path string) (Local, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("there is nothing to read at %s: %s", path, explain(err))
	case info.IsDir():
		return NewFolder(path), nil
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is neither a folder nor a file: choose a folder with photos, or an archive (tar, tar.gz, zip)", path)
	}
	return NewArchive(path), nil
}

// Name returns the folder's path.
func (f *Folder) Name() string { return f.dir }

// listing is what was found in a folder.
type listing struct {
	layout layout
	photos []string // Slash-separated paths below the folder, those reached by links last.
	bad    []problem
}

// A problem is about something that cannot be listed.
type problem struct {
	at      string // A slash-separated path below the folder.
	refusal *Refusal
}

// Contents implements Local. It looks at the folder anew.
func (f *Folder) Contents(ctx context.Context) ([]curate.LabelCount, error) {
	w := walk{dir: f.dir, closed: f.Closed, seen: map[string]bool{}}
	if err := w.all(ctx); err != nil {
		return nil, err
	}
	found := &listing{arrange(w.photos), w.photos, w.bad}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found = found
	return counts(found.layout, found.photos), nil
}

// counts counts the photos of each keyword.
func counts(l layout, photos []string) []curate.LabelCount {
	number := map[string]int{}
	for _, p := range photos {
		number[l.keyword(p)]++
	}
	var all []curate.LabelCount
	for _, k := range slices.Sorted(maps.Keys(number)) {
		all = append(all, curate.LabelCount{Name: k, Photos: number[k]})
	}
	return all
}

// Search implements Source.
func (f *Folder) Search(ctx context.Context, r Request) iter.Seq2[Item, error] {
	return f.SearchAll(ctx, []Request{r})
}

// SearchAll implements OnePass. It gives what Contents found the last time.
func (f *Folder) SearchAll(ctx context.Context, requests []Request) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		found, err := f.list(ctx)
		if err != nil {
			yield(Item{}, err)
			return
		}
		for _, b := range found.bad {
			if !yield(Item{Keyword: found.layout.keyword(b.at + "/")}, b.refusal) {
				return
			}
		}
		wanted := keywords(requests)
		for _, p := range found.photos {
			keyword := found.layout.keyword(p)
			if !wanted[keyword] {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(Item{}, fmt.Errorf("reading %s: %w", f.dir, err))
				return
			}
			if !yield(f.item(keyword, filepath.Join(f.dir, filepath.FromSlash(p)))) {
				return
			}
		}
	}
}

func keywords(requests []Request) map[string]bool {
	wanted := make(map[string]bool, len(requests))
	for _, r := range requests {
		wanted[r.Keyword] = true
	}
	return wanted
}

// list gives what was found the last time, or looks for the first time.
func (f *Folder) list(ctx context.Context) (*listing, error) {
	f.mu.Lock()
	found := f.found
	f.mu.Unlock()
	if found == nil {
		if _, err := f.Contents(ctx); err != nil {
			return nil, err
		}
		f.mu.Lock()
		found = f.found
		f.mu.Unlock()
	}
	return found, nil
}

// item gives the file at a path, or the *Refusal of it. The keyword is given in both cases.
func (f *Folder) item(keyword, path string) (Item, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Item{Keyword: keyword}, refuseBy(err, path)
	case !info.Mode().IsRegular():
		return Item{Keyword: keyword}, refuse(picture.Unreadable, path, "is not a file but a pipe, a socket or a device")
	}
	from, err := filepath.Abs(path)
	if err != nil {
		return Item{Keyword: keyword}, refuseBy(err, path)
	}
	open := func(context.Context) (io.ReadCloser, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, refuseBy(err, path)
		}
		return refusing{file, path}, nil
	}
	return Item{
		Keyword: keyword, Source: curate.Source{Kind: "folder", From: from},
		Name: filepath.Base(path), Size: info.Size(), Open: open,
	}, nil
}

// refusing is a file whose errors concern nothing but itself.
type refusing struct {
	*os.File

	path string
}

// Read implements io.Reader.
func (r refusing) Read(p []byte) (int, error) {
	n, err := r.File.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = refuseBy(err, r.path)
	}
	return n, err
}

// walk lists the photos of a folder.
type walk struct {
	dir    string
	seen   map[string]bool // Folders that were entered and photos that were listed, by their real paths.
	links  []string        // Still to be followed.
	photos []string
	bad    []problem
	root   string // The real path of dir.
	closed bool   // Links that lead out of it are refused.
}

// all lists the folder itself, and then what links in it lead to, so that what can be reached without a link is.
func (w *walk) all(ctx context.Context) error {
	var err error
	if w.root, err = realPath(w.dir); err == nil {
		_, err = os.ReadDir(w.root)
	}
	if err != nil {
		return fmt.Errorf("the folder %s cannot be read: %s: check that it is there and that you may read it", w.dir, explain(err))
	}
	if err := w.folder(ctx, "", w.root); err != nil {
		return fmt.Errorf("looking for photos in %s: %w", w.dir, err)
	}
	for len(w.links) > 0 {
		next := w.links[0]
		w.links = w.links[1:]
		if err := w.follow(ctx, next); err != nil {
			return fmt.Errorf("looking for photos in %s: %w", w.dir, err)
		}
	}
	return nil
}

// folder lists the folder at a slash-separated path below the first one. The error is the context's.
func (w *walk) folder(ctx context.Context, at, resolved string) error {
	if w.seen[resolved] {
		return nil
	}
	w.seen[resolved] = true
	entries, err := os.ReadDir(resolved)
	if err != nil {
		w.bad = append(w.bad, problem{at, refuseBy(err, filepath.Join(w.dir, filepath.FromSlash(at)))})
	}
	for _, e := range entries { // After an error: as far as it could be read.
		if err := ctx.Err(); err != nil {
			return err
		}
		name := e.Name()
		if name[0] == '.' {
			continue
		}
		below, target := name, filepath.Join(resolved, name)
		if at != "" {
			below = at + "/" + name
		}
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			w.links = append(w.links, below)
		case e.IsDir():
			if err := w.folder(ctx, below, target); err != nil {
				return err
			}
		default:
			w.file(below, target)
		}
	}
	return nil
}

// follow lists what a link leads to. A link to a folder that was listed already, or that the folder itself lies in, adds
// nothing. The error is the context's.
func (w *walk) follow(ctx context.Context, at string) error {
	path := filepath.Join(w.dir, filepath.FromSlash(at))
	resolved, err := realPath(path)
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(resolved)
	}
	switch {
	case err != nil:
		if isPhoto(at) { // Whatever else it was to be, nobody misses it here.
			w.bad = append(w.bad, problem{at, refuseBy(err, path)})
		}
	case info.IsDir() && contains(resolved, w.root):
	case w.closed && !contains(w.root, resolved):
		if info.IsDir() || isPhoto(at) {
			w.bad = append(w.bad, problem{at, refuse(Link, path, "is a link that leads out of the folder: put the photos themselves there")})
		}
	case info.IsDir():
		return w.folder(ctx, at, resolved)
	default:
		w.file(at, resolved)
	}
	return nil
}

func (w *walk) file(at, resolved string) {
	if isPhoto(at) && !w.seen[resolved] {
		w.seen[resolved] = true
		w.photos = append(w.photos, at)
	}
}

// realPath returns the one absolute path, free of links, by which circles and repeated files are recognised.
func realPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// contains reports whether the folder is path or one that path lies in. Both are real paths.
func contains(folder, path string) bool {
	below, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(below)
}
