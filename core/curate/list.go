package curate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kaika/core/dataset"
	"kaika/core/picture"
)

// A listing is what lies in a dataset's folder at one moment.
type listing struct {
	labels  []string
	photos  []file // Those in the trash are among them.
	folders []string
	skipped []dataset.Skip
	links   bool
}

// list lists the folder by the rules of [dataset.Open], which keeps no empty labels, gives up where no classifier could
// come of the folder, and tells neither inodes nor folders. A test holds the two together.
func list(ctx context.Context, dir string) (*listing, error) {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, &folderError{dataset.ErrNoFolder, err, fmt.Sprintf("the folder %q cannot be read (%v): check the path", dir, cause(err))}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, &folderError{dataset.ErrNoFolder, err, fmt.Sprintf("the folder %q cannot be read (%v): check who may read it", dir, cause(err))}
	}
	l := &listing{folders: []string{dir}}
	for _, e := range entries {
		name := e.Name()
		if hidden(name) {
			continue
		}
		at := filepath.Join(dir, name)
		l.links = l.links || e.Type()&fs.ModeSymlink != 0
		info, err := os.Stat(at)
		switch {
		case err != nil:
			l.unreadable(at, err)
		case !info.IsDir():
			if picture.IsName(name) {
				l.skip(at, dataset.NoLabel, "is in no label folder: move it to the folder of its label")
			}
		default:
			if err := l.label(ctx, root, dir, name); err != nil {
				return nil, err
			}
		}
	}
	if err := l.trash(ctx, dir, trashDir); err != nil {
		return nil, err
	}
	slices.SortFunc(l.skipped, func(a, b dataset.Skip) int { return strings.Compare(a.Path, b.Path) })
	return l, nil
}

func (l *listing) label(ctx context.Context, root, dir, name string) error {
	at := filepath.Join(dir, name)
	resolved, err := filepath.EvalSymlinks(at)
	if err != nil {
		l.unreadable(at, err)
		return nil
	}
	if contains(resolved, root) {
		l.skip(at, dataset.CircularLink, "is a link to a folder that it lies in")
		return nil
	}
	l.labels = append(l.labels, name)
	w := walk{listing: l, dir: dir, root: root, label: resolved, seen: make(map[string]bool)}
	if err := w.folder(ctx, name, resolved); err != nil {
		return err
	}
	for len(w.links) > 0 { // After all else, so a file that can be reached without a link is listed without one.
		next := w.links[0]
		w.links = w.links[1:]
		if err := w.follow(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// trash lists the photos in a folder of the trash. Links to folders are not followed there: none is ever put there.
func (l *listing) trash(ctx context.Context, dir, rel string) error {
	entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(rel)))
	if err != nil {
		return ctx.Err() // Mostly there is no trash.
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		below := rel + "/" + e.Name()
		if e.IsDir() {
			if err := l.trash(ctx, dir, below); err != nil {
				return err
			}
			continue
		}
		if rel == trashDir || !picture.IsName(e.Name()) {
			continue
		}
		l.links = l.links || e.Type()&fs.ModeSymlink != 0
		if f, err := statFile(dir, below); err == nil {
			l.photos = append(l.photos, f)
		}
	}
	return nil
}

func (l *listing) skip(at string, reason picture.Reason, detail string) {
	l.skipped = append(l.skipped, dataset.Skip{Path: at, Reason: reason, Detail: detail})
}

func (l *listing) unreadable(at string, err error) {
	l.skip(at, picture.Unreadable, fmt.Sprintf("cannot be read: %v", cause(err)))
}

// walk lists the photos of one label.
type walk struct {
	*listing
	dir   string // The dataset's folder.
	root  string // Its real path.
	label string // The real path of the label's folder.
	seen  map[string]bool
	links []link
}

type link struct {
	rel    string
	folder string // The real path of the folder that it lies in.
}

// folder lists the folder rel, whose real path is given too. The error is the context's.
func (w *walk) folder(ctx context.Context, rel, folder string) error {
	if w.seen[folder] {
		return nil
	}
	w.seen[folder] = true
	at := w.at(rel)
	entries, err := os.ReadDir(at)
	if err != nil {
		w.unreadable(at, err)
	} else {
		w.folders = append(w.folders, at)
	}
	direct := folder == filepath.Join(w.root, filepath.FromSlash(rel))
	for _, e := range entries { // After an error: as far as it could be read.
		if err := ctx.Err(); err != nil {
			return err
		}
		name := e.Name()
		below, resolved := rel+"/"+name, filepath.Join(folder, name)
		switch {
		case hidden(name):
		case e.Type()&fs.ModeSymlink != 0:
			w.listing.links = true
			w.links = append(w.links, link{below, folder})
		case e.IsDir():
			if err := w.folder(ctx, below, resolved); err != nil {
				return err
			}
		default:
			w.file(below, resolved, direct, e.Info)
		}
	}
	return nil
}

// follow lists what a link leads to. The error is the context's.
func (w *walk) follow(ctx context.Context, l link) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	at := w.at(l.rel)
	info, err := os.Stat(at)
	var resolved string
	if err == nil {
		resolved, err = filepath.EvalSymlinks(at)
	}
	switch {
	case err != nil:
		w.unreadable(at, err)
	case !info.IsDir():
		w.file(l.rel, resolved, false, func() (fs.FileInfo, error) { return info, nil })
	case contains(resolved, l.folder), contains(resolved, w.label), contains(resolved, w.root):
		w.skip(at, dataset.CircularLink, "is a link to a folder that it lies in")
	default:
		return w.folder(ctx, l.rel, resolved)
	}
	return nil
}

// file adds a file if it is a photo by its name. resolved is its real path, and direct whether no link leads there.
func (w *walk) file(rel, resolved string, direct bool, stat func() (fs.FileInfo, error)) {
	if !picture.IsName(rel) {
		if ext := strings.ToLower(filepath.Ext(rel)); slices.Contains(unsupported, ext) {
			w.skip(w.at(rel), picture.Unsupported, "is a "+ext+" file, which Kaika cannot read: save it as JPEG")
		}
		return
	}
	if w.seen[resolved] {
		return
	}
	w.seen[resolved] = true
	info, err := stat()
	switch {
	case errors.Is(err, fs.ErrNotExist): // It went away since the folder was read.
	case err != nil:
		w.unreadable(w.at(rel), err)
	case !info.Mode().IsRegular():
		w.skip(w.at(rel), picture.Unreadable, "is not a file but a pipe, a socket or a device")
	default:
		f := fileOf(rel, info)
		if !direct {
			f.inode = 0 // It is that of a file that may be listed elsewhere too.
		}
		w.photos = append(w.photos, f)
	}
}

func (w *walk) at(rel string) string { return filepath.Join(w.dir, filepath.FromSlash(rel)) }

func fileOf(rel string, info fs.FileInfo) file {
	return file{rel, info.Size(), info.ModTime().UnixNano(), inode(info)}
}

// statFile looks at a photo's file. Of a link it gives what the link leads to.
func statFile(dir, rel string) (file, error) {
	at := filepath.Join(dir, filepath.FromSlash(rel))
	info, err := os.Lstat(at)
	if err != nil {
		return file{}, err
	}
	isLink := info.Mode()&fs.ModeSymlink != 0
	if isLink {
		if info, err = os.Stat(at); err != nil {
			return file{}, err
		}
	}
	if !info.Mode().IsRegular() {
		return file{}, fmt.Errorf("%s is not a file", at)
	}
	f := fileOf(rel, info)
	if isLink {
		f.inode = 0
	}
	return f, nil
}

// unsupported are the endings of pictures that are not read, but that people keep among their photos and would miss:
// those of package dataset.
var unsupported = []string{
	".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".pdf", ".psd", ".xcf",
	".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw",
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// contains says whether the folder is path or one that path lies in. Both are real paths.
func contains(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}

// cause returns what went wrong without the paths, which stand beside it.
func cause(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	if e := (*os.LinkError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// folderError is an error of one of package dataset's kinds, with a text of its own.
type folderError struct {
	kind  error
	cause error // May be nil.
	text  string
}

func (e *folderError) Error() string { return e.text }

func (e *folderError) Unwrap() []error { return []error{e.kind, e.cause} }
