package transfer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kaika/core/collect"
	"kaika/core/credit"
	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/picture"
)

// ErrFormat says that the name of a file to export to is not one of an archive that can be written.
var ErrFormat = errors.New("unknown kind of archive")

// ExportOptions are the choices of an export.
type ExportOptions struct {
	Overwrite bool                   // Whether a file of the name is replaced.
	Progress  func(done, photos int) // Is told of each photo, from the goroutine that calls Export; may be nil.
}

// Exported says what was exported.
type Exported struct {
	File       string         `json:"file"`
	Labels     int            `json:"labels"`
	Photos     int            `json:"photos"`
	Bytes      int64          `json:"bytes"`      // Of the file.
	Credited   int            `json:"credited"`   // Photos whose author or licence is known.
	Uncredited int            `json:"uncredited"` // Photos of which nobody knows whom to credit.
	Skipped    []dataset.Skip `json:"skipped"`    // What was left out.
}

// Export writes a dataset to a .tar, .tar.gz or .tgz file: in one folder a folder for each label with its photos, the list of
// sources, and the credits. What is in the trash stays there, and so does the catalog. The same photos give the same bytes:
// the order is that of the names, and all times are the same.
//
// The file is there whole or not at all. Photos that cannot be read are left out and listed. The error is ErrFormat,
// fs.ErrExist if there is such a file, or the context's.
func Export(ctx context.Context, l *curate.Library, file string, o ExportOptions) (*Exported, error) {
	e, err := export(ctx, l, file, o)
	if err != nil {
		return nil, fmt.Errorf("export the dataset %s: %w", l.Dir(), err)
	}
	return e, nil
}

func export(ctx context.Context, l *curate.Library, file string, o ExportOptions) (_ *Exported, err error) {
	zipped, err := Zipped(file)
	if err != nil {
		return nil, err
	}
	if err := vacant(file, o.Overwrite); err != nil {
		return nil, err
	}
	f, err := scratchFile(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreClosed(f.Close()), os.Remove(f.Name()))
		}
	}()
	x := &exporter{l: l, report: Exported{File: file, Skipped: slices.Clone(l.Skipped())}, progress: o.Progress, names: map[string]bool{}}
	if x.report.Skipped == nil {
		x.report.Skipped = []dataset.Skip{}
	}
	if err := x.write(ctx, f, zipped); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = errors.Join(f.Chmod(0o644), f.Sync(), f.Close())
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = vacant(file, o.Overwrite) // It may have come up in the meantime.
	}
	if err != nil {
		return nil, err
	}
	x.report.Bytes = info.Size()
	return &x.report, os.Rename(f.Name(), file)
}

func ignoreClosed(err error) error {
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}

// Zipped says by the name of a file whether a tar in it is compressed. The error is ErrFormat.
func Zipped(file string) (bool, error) {
	switch name := strings.ToLower(file); {
	case strings.HasSuffix(name, ".tar.gz"), strings.HasSuffix(name, ".tgz"):
		return true, nil
	case strings.HasSuffix(name, ".tar"):
		return false, nil
	}
	return false, fmt.Errorf("%w: let the name %q end in .tar or .tar.gz", ErrFormat, filepath.Base(file))
}

// vacant says whether a file of that name can be written.
func vacant(file string, overwrite bool) error {
	info, err := os.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder: give the name of a file: %w", file, fs.ErrExist)
	case !overwrite:
		return fmt.Errorf("%s is there already: choose another name, or say that it may be overwritten: %w", file, fs.ErrExist)
	}
	return nil
}

// An exporter writes one archive.
type exporter struct {
	l        *curate.Library
	report   Exported
	progress func(done, photos int)
	tar      *tar.Writer
	top      string            // The folder that all lies in, with a slash.
	names    map[string]bool   // Those in the archive.
	labels   map[string]string // The names of label folders in it.
}

// parcel is a photo with its name in the archive, below the top folder.
type parcel struct {
	curate.Photo

	name string
}

func (x *exporter) write(ctx context.Context, out io.Writer, zipped bool) error {
	if x.top = collect.Label(filepath.Base(x.l.Dir())); x.top == "" {
		x.top = "dataset"
	}
	x.top += "/"
	buffered := bufio.NewWriterSize(out, 1<<20)
	var packed io.Writer = buffered
	end := buffered.Flush
	if zipped {
		z, err := gzip.NewWriterLevel(buffered, gzip.BestSpeed) // Photos hardly shrink.
		if err != nil {
			return err
		}
		packed = z
		end = func() error { return errors.Join(z.Close(), buffered.Flush()) }
	}
	x.tar = tar.NewWriter(packed)
	if err := x.all(ctx); err != nil {
		return err
	}
	if err := x.tar.Close(); err != nil {
		return err
	}
	return end()
}

func (x *exporter) all(ctx context.Context) error {
	parcels := x.parcels()
	if len(parcels) == 0 {
		return fmt.Errorf("there are no photos in %s: give the folder that holds the label folders", x.l.Dir())
	}
	// What is known of the photos goes first, where it is found without reading all of them.
	if err := x.beside(ctx, parcels); err != nil {
		return err
	}
	labels := x.l.Labels()
	x.report.Labels = len(labels)
	for _, label := range labels {
		if err := x.header(x.labels[label.Name]+"/", 0); err != nil {
			return err
		}
	}
	for i, p := range parcels {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := x.photo(p); err != nil {
			return err
		}
		if x.progress != nil {
			x.progress(i+1, len(parcels))
		}
	}
	return nil
}

// parcels lists the photos in the order of their names in the archive.
func (x *exporter) parcels() []parcel {
	x.labels = folders(x.l.Labels())
	var all []parcel
	for _, p := range x.l.Photos(curate.Query{}) {
		rel, err := filepath.Rel(x.l.Dir(), p.Path)
		if err != nil {
			continue // It lies below, so there is always one.
		}
		all = append(all, parcel{p, filepath.ToSlash(rel)})
	}
	slices.SortFunc(all, func(a, b parcel) int { return strings.Compare(a.name, b.name) })
	for i := range all {
		_, below, _ := strings.Cut(all[i].name, "/")
		all[i].name = x.free(x.labels[all[i].Label] + "/" + entryName(below))
	}
	return all
}

// folders gives the names that labels have in an archive, by which no two may become one. Those that can be kept are.
func folders(labels []curate.LabelCount) map[string]string {
	names, taken := map[string]string{}, map[string]bool{}
	for _, l := range labels {
		if entryName(l.Name) == l.Name {
			names[l.Name], taken[l.Name] = l.Name, true
		}
	}
	for _, l := range labels {
		if names[l.Name] != "" {
			continue
		}
		name := entryName(l.Name)
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s (%d)", entryName(l.Name), n)
		}
		names[l.Name], taken[name] = name, true
	}
	return names
}

// entryName gives a slash-separated name that means the same to every reader of archives.
func entryName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '\\' || r < ' ' {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
}

// free gives a name that is not taken in the archive.
func (x *exporter) free(name string) string {
	free := name
	for n := 2; x.names[free]; n++ {
		ending := path.Ext(name)
		free = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(name, ending), n, ending)
	}
	x.names[free] = true
	return free
}

// beside writes the list of sources and the credits.
func (x *exporter) beside(ctx context.Context, parcels []parcel) error {
	photos := make([]curate.Photo, len(parcels))
	var sources bytes.Buffer
	for i, p := range parcels {
		photos[i] = p.Photo
		if p.Source == (curate.Source{}) {
			continue
		}
		digest, err := x.l.Digest(ctx, p.ID)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			continue // It cannot be read, which will be told when its turn has come.
		}
		record, err := json.Marshal(curate.SourceRecord{Digest: digest, Size: p.Size, File: p.name, Added: p.Added.UTC(), Source: shareable(p.Source)})
		if err != nil {
			return fmt.Errorf("write down where %s came from: %w", p.Path, err)
		}
		sources.Write(append(record, '\n'))
	}
	if sources.Len() > 0 {
		if err := x.file(curate.SourcesPath, sources.Bytes()); err != nil {
			return err
		}
	}
	credits := credit.Of(x.l.Dir(), photos)
	x.report.Credited, x.report.Uncredited = len(credits.Credits), credits.Unknown
	var table, page bytes.Buffer
	if err := errors.Join(credits.CSV(&table), credits.HTML(&page)); err != nil {
		return err
	}
	return errors.Join(x.file(credit.CSVName, table.Bytes()), x.file(credit.HTMLName, page.Bytes()))
}

// photo writes one photo, or notes why it cannot be read.
func (x *exporter) photo(p parcel) error {
	data, err := read(p.Path)
	if bad, ok := errors.AsType[*picture.Error](err); ok {
		x.report.Skipped = append(x.report.Skipped, dataset.Skip{Path: p.Path, Reason: bad.Reason, Detail: bad.Detail})
		return nil
	}
	if err != nil {
		return err
	}
	x.report.Photos++
	return x.file(p.name, data)
}

// read reads a file whole, before anything of it is written: it may be changed meanwhile. The error is a *picture.Error.
func read(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		return nil, &picture.Error{Reason: picture.Unreadable, Detail: "is not a file"}
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(file)
	}
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close() //nolint:errcheck // It was only read.
	data, err := io.ReadAll(io.LimitReader(f, picture.MaxFileBytes+1))
	switch {
	case err != nil:
		return nil, unreadable(err)
	case len(data) > picture.MaxFileBytes:
		return nil, &picture.Error{Reason: picture.TooLarge, Detail: fmt.Sprintf("has more than %d MiB, which Kaika cannot use: save it smaller", picture.MaxFileBytes>>20)}
	}
	return data, nil
}

func unreadable(err error) error {
	cause := err
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		cause = at.Err
	}
	return &picture.Error{Reason: picture.Unreadable, Detail: fmt.Sprintf("cannot be read: %v", cause), Err: err}
}

func (x *exporter) file(name string, data []byte) error {
	if err := x.header(name, int64(len(data))); err != nil {
		return err
	}
	_, err := x.tar.Write(data)
	return err
}

// header begins an entry. All are of one time, and belong to nobody.
func (x *exporter) header(name string, size int64) error {
	h := &tar.Header{
		Typeflag: tar.TypeReg, Name: x.top + name, Size: size, Mode: 0o644, Format: tar.FormatPAX,
		ModTime: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	if strings.HasSuffix(name, "/") {
		h.Typeflag, h.Mode = tar.TypeDir, 0o755
	}
	return x.tar.WriteHeader(h)
}
