// Package dataset reads a folder of label folders and divides its photos.
//
// A dataset is what its user sees in a file manager: one folder, and in it one
// folder for each label, which holds the photos of that label. The name of the
// folder is the label, exactly as the file system spells it. [Open] lists such
// a folder without opening a photo; [Split] divides photos into those to train,
// to validate and to test with; [Folds] divides them for cross-validation.
package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"kaika/core/picture"
)

// The ways in which a folder fails to be a dataset. An error of [Open] is one
// of them by [errors.Is], and its text says what to do about it; or it is the
// context's.
var (
	ErrNoFolder   = errors.New("there is no folder to read")
	ErrNoLabels   = errors.New("there are no label folders with photos")
	ErrOneLabel   = errors.New("there is only one label")
	ErrLabelName  = errors.New("a folder's name cannot be a label")
	ErrLabelClash = errors.New("two labels cannot be told apart")
)

// Dataset is what [Open] found in a folder.
type Dataset struct {
	Dir     string   // as given to Open
	Labels  []string // at least two, in bytewise order
	Photos  []Photo  // at least one a label, in the order of label and path
	Skipped []Skip   // in the order of path
}

// Photo is a file which, by its name, is a photo. Nobody has looked inside.
type Photo struct {
	Path    string // begins with the folder given to Open
	Label   int    // index in Dataset.Labels
	Size    int64  // bytes
	ModTime time.Time
}

// The reasons that [Open] gives beside [picture.Unreadable] and
// [picture.Unsupported].
const (
	CircularLink picture.Reason = "circular_link" // A link to a folder that the link lies in.
	EmptyLabel   picture.Reason = "empty_label"   // A label folder without photos.
	NoLabel      picture.Reason = "no_label"      // A photo beside the label folders.
)

// Skip is something that its owner may have meant to be part of the dataset,
// and that is not.
type Skip struct {
	Path   string         `json:"path"`
	Reason picture.Reason `json:"reason"`
	Detail string         `json:"detail,omitempty"` // as in picture.Error: the rest of a sentence that begins with the path
}

// Open lists the dataset in the folder dir. Each direct sub-folder is a label,
// and the photos anywhere below it are that label's. Whatever begins with a dot
// is left out. Links to folders and files are followed, also to places outside
// dir; no file is listed twice under one label, and no circle is entered. Names,
// sizes and times are read, contents are not.
//
// What cannot be used is listed in Skipped and does no harm, except where no
// classifier could come of it: see [ErrNoFolder], [ErrNoLabels], [ErrOneLabel],
// [ErrLabelName] and [ErrLabelClash].
func Open(ctx context.Context, dir string) (*Dataset, error) {
	root, entries, err := openRoot(dir)
	if err != nil {
		return nil, err
	}
	d := &Dataset{Dir: dir}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if hidden(e.Name()) {
			continue
		}
		info, err := os.Stat(path)
		switch {
		case err != nil:
			d.unreadable(path, err)
		case !info.IsDir():
			if picture.IsName(e.Name()) {
				d.skip(path, NoLabel, "is in no label folder: move it to the folder of its label")
			}
		default:
			if err := d.addLabel(ctx, root, path); err != nil {
				return nil, fmt.Errorf("list the photos in %s: %w", path, err)
			}
		}
	}
	slices.SortFunc(d.Skipped, func(a, b Skip) int { return strings.Compare(a.Path, b.Path) })
	if err := d.check(); err != nil {
		return nil, err
	}
	return d, nil
}

// openRoot returns the real path of the folder dir, and what lies in it.
func openRoot(dir string) (string, []fs.DirEntry, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, &folderError{ErrNoFolder, err, fmt.Sprintf("there is no folder %q: check the path", dir)}
	case err == nil && !info.IsDir():
		return "", nil, &folderError{ErrNoFolder, nil, fmt.Sprintf("%q is a file: give the folder that holds the label folders", dir)}
	}
	var root string
	var entries []fs.DirEntry
	if err == nil {
		root, err = realPath(dir)
	}
	if err == nil {
		entries, err = os.ReadDir(dir)
	}
	if err != nil {
		return "", nil, &folderError{ErrNoFolder, err, fmt.Sprintf("the folder %q cannot be read (%s): check who may read it", dir, explain(err))}
	}
	return root, entries, nil
}

// addLabel adds the label whose folder is path, if there are photos in it.
func (d *Dataset) addLabel(ctx context.Context, root, path string) error {
	resolved, err := realPath(path)
	if err != nil {
		d.unreadable(path, err)
		return nil
	}
	if contains(resolved, root) {
		d.skip(path, CircularLink, "is a link to a folder that it lies in")
		return nil
	}
	w := walk{dataset: d, root: root, label: resolved, seen: make(map[string]bool)}
	readable, err := w.all(ctx, path)
	if err != nil {
		return err
	}
	if len(w.photos) == 0 {
		if readable { // otherwise it is listed already, with the better reason
			d.skip(path, EmptyLabel, "has no photos in it")
		}
		return nil
	}
	slices.SortFunc(w.photos, func(a, b Photo) int { return strings.Compare(a.Path, b.Path) })
	for i := range w.photos {
		w.photos[i].Label = len(d.Labels)
	}
	d.Labels = append(d.Labels, filepath.Base(path))
	d.Photos = append(d.Photos, w.photos...)
	return nil
}

func (d *Dataset) skip(path string, reason picture.Reason, detail string) {
	d.Skipped = append(d.Skipped, Skip{path, reason, detail})
}

func (d *Dataset) unreadable(path string, err error) {
	d.skip(path, picture.Unreadable, "cannot be read: "+explain(err))
}

// check returns an error if the labels found cannot make a classifier.
func (d *Dataset) check() error {
	if len(d.Labels) < 2 {
		return d.tooFew()
	}
	for _, name := range d.Labels {
		if !utf8.ValidString(name) || strings.ContainsFunc(name, breaksLine) {
			return &folderError{ErrLabelName, nil, fmt.Sprintf(
				"the folder %+q in %q has a name that a list of labels, one a line, cannot hold: rename it without control characters, in UTF-8", name, d.Dir)}
		}
	}
	folded := make(map[string]string, len(d.Labels))
	for _, name := range d.Labels {
		key := fold(name)
		other, clash := folded[key]
		if !clash {
			folded[key] = name
			continue
		}
		how := "upper and lower case or the spaces around them"
		if norm.NFC.String(other) == norm.NFC.String(name) {
			how = fmt.Sprintf("the way their letters are encoded (%+q, %+q)", other, name)
		}
		return &folderError{ErrLabelClash, nil, fmt.Sprintf(
			"the labels %q and %q in %q differ only in %s, which other file systems and programs do not keep: rename one of the folders, or put their photos into one",
			other, name, d.Dir, how)}
	}
	return nil
}

// tooFew says why there are not two labels, as far as can be told.
func (d *Dataset) tooFew() error {
	var loose int
	var empty, unreadable []string
	for _, s := range d.Skipped {
		switch {
		case s.Reason == NoLabel:
			loose++
		case s.Reason == EmptyLabel:
			empty = append(empty, filepath.Base(s.Path))
		case s.Reason == picture.Unreadable && filepath.Dir(s.Path) == filepath.Clean(d.Dir):
			unreadable = append(unreadable, filepath.Base(s.Path))
		}
	}
	var also strings.Builder
	if len(empty) > 0 {
		fmt.Fprintf(&also, " (without photos: %s)", listed(empty))
	}
	if len(unreadable) > 0 {
		fmt.Fprintf(&also, " (cannot be read: %s)", listed(unreadable))
	}
	if len(d.Labels) == 0 {
		way := "make a folder in it for each label, and put the photos of that label there"
		if loose > 0 {
			way = "put the photos of each label in a folder of its own, as in " +
				filepath.Join(d.Dir, "rose", "1.jpg") + " and " + filepath.Join(d.Dir, "tulip", "2.jpg")
		}
		return &folderError{ErrNoLabels, nil, fmt.Sprintf("there are no label folders with photos in %q%s: %s", d.Dir, &also, way)}
	}
	text := fmt.Sprintf("%q holds only one label, %q%s: a classifier needs at least two, so put the photos of something else in a folder beside it",
		d.Dir, d.Labels[0], &also)
	if inner := filepath.Join(d.Dir, d.Labels[0]); d.nested(inner) {
		text += fmt.Sprintf("; or, if the folders in %q are the labels, give that folder", inner)
	}
	return &folderError{ErrOneLabel, nil, text}
}

// nested says whether the photos of the folder lie in more than one sub-folder
// of it and never directly in it: then it looks like a dataset itself.
func (d *Dataset) nested(folder string) bool {
	inner := make(map[string]bool)
	for _, p := range d.Photos {
		rel, err := filepath.Rel(folder, p.Path)
		if err != nil {
			return false
		}
		first, _, deeper := strings.Cut(filepath.ToSlash(rel), "/")
		if !deeper {
			return false
		}
		inner[first] = true
	}
	return len(inner) > 1
}

// walk lists the photos of one label.
type walk struct {
	dataset *Dataset
	root    string // real path of the dataset
	label   string // real path of the label's folder
	seen    map[string]bool
	links   []link
	photos  []Photo
}

type link struct {
	path   string
	folder string // real path of the folder that it lies in
}

// all walks the label's folder and then, one after the other, the links in it:
// so a file that can be reached without a link is listed without one. It says
// whether the label's folder itself could be read.
func (w *walk) all(ctx context.Context, path string) (readable bool, err error) {
	if readable, err = w.folder(ctx, path, w.label); err != nil {
		return readable, err
	}
	for len(w.links) > 0 {
		next := w.links[0]
		w.links = w.links[1:]
		if err := w.follow(ctx, next); err != nil {
			return readable, err
		}
	}
	return readable, nil
}

// folder lists the folder at path, whose real path is given too. The error is
// the context's.
func (w *walk) folder(ctx context.Context, path, resolved string) (readable bool, err error) {
	if w.seen[resolved] {
		return true, nil
	}
	w.seen[resolved] = true
	entries, err := os.ReadDir(path)
	if err != nil {
		w.dataset.unreadable(path, err)
	}
	readable = err == nil
	for _, e := range entries { // after an error: as far as it could be read
		if err := ctx.Err(); err != nil {
			return readable, err
		}
		name := e.Name()
		at := filepath.Join(path, name)
		switch {
		case hidden(name):
		case e.Type()&fs.ModeSymlink != 0:
			w.links = append(w.links, link{at, resolved})
		case e.IsDir():
			if _, err := w.folder(ctx, at, filepath.Join(resolved, name)); err != nil {
				return readable, err
			}
		default:
			w.file(at, filepath.Join(resolved, name), e.Info)
		}
	}
	return readable, nil
}

// follow lists what a link leads to. The error is the context's.
func (w *walk) follow(ctx context.Context, l link) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := os.Stat(l.path)
	var resolved string
	if err == nil {
		resolved, err = realPath(l.path)
	}
	switch {
	case err != nil:
		w.dataset.unreadable(l.path, err)
	case !info.IsDir():
		w.file(l.path, resolved, func() (fs.FileInfo, error) { return info, nil })
	case contains(resolved, l.folder), contains(resolved, w.label), contains(resolved, w.root):
		w.dataset.skip(l.path, CircularLink, "is a link to a folder that it lies in")
	default:
		_, err = w.folder(ctx, l.path, resolved)
		return err
	}
	return nil
}

// file adds the file at path if it is a photo by its name.
func (w *walk) file(path, resolved string, stat func() (fs.FileInfo, error)) {
	if !picture.IsName(path) {
		if ext := strings.ToLower(filepath.Ext(path)); slices.Contains(unsupported, ext) {
			w.dataset.skip(path, picture.Unsupported, "is a "+ext+" file, which Kaika cannot read: save it as JPEG")
		}
		return
	}
	if w.seen[resolved] {
		return
	}
	w.seen[resolved] = true
	info, err := stat()
	switch {
	case err != nil:
		w.dataset.unreadable(path, err)
	case !info.Mode().IsRegular():
		w.dataset.skip(path, picture.Unreadable, "is not a file but a pipe, a socket or a device")
	default:
		w.photos = append(w.photos, Photo{Path: path, Size: info.Size(), ModTime: info.ModTime()})
	}
}

// unsupported are the endings of pictures that are not read, but that people
// keep among their photos and would miss.
var unsupported = []string{
	".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".pdf", ".psd", ".xcf",
	".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw",
}

// folderError is an error of one of the kinds above, with a text of its own.
type folderError struct {
	kind  error
	cause error // may be nil
	text  string
}

func (e *folderError) Error() string { return e.text }

func (e *folderError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

// explain returns what went wrong without the path, which stands beside it.
func explain(err error) string {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "it does not exist"
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}

// realPath returns the one absolute path, free of links, by which circles and
// repeated files are recognised.
func realPath(path string) (string, error) {
	abs, err := filepath.Abs(path) // first, as the working folder may be known by a link too
	if err != nil {
		return "", fmt.Errorf("find the folder that %s is in: %w", path, err)
	}
	return filepath.EvalSymlinks(abs)
}

// contains says whether the folder is path or one that path lies in. Both are
// real paths.
func contains(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// fold maps names that a file system or a list of labels may confuse to one:
// Unicode's canonical caseless matching (D145), and no spaces at the ends,
// which programs trim that read labels line by line.
func fold(name string) string {
	return norm.NFD.String(cases.Fold().String(norm.NFD.String(strings.TrimSpace(name))))
}

// breaksLine says whether r is a control character or separates lines.
func breaksLine(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp)
}

// listed quotes the first few names.
func listed(names []string) string {
	const most = 5
	quoted := make([]string, 0, most+1)
	for _, name := range names[:min(most, len(names))] {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	if more := len(names) - most; more > 0 {
		quoted = append(quoted, fmt.Sprintf("%d more", more))
	}
	return strings.Join(quoted, ", ")
}
