package collect

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kaika/core/curate"
	"kaika/core/picture"
)

// ErrArchive says that an archive cannot be read: it is damaged, cut off, beyond the limits, or none at all.
var ErrArchive = errors.New("unusable archive")

// inArchive is the Kind of curate.Source of what lies in an archive.
const inArchive = "archive"

// maxName is the longest name of an entry, in bytes.
const maxName = 4096

// limits of an archive. Nothing of it is written anywhere but photos that were looked at, so but for
// the names they bound time, not space.
type limits struct {
	entries  int
	names    int64 // Bytes of the names of all entries together, and of the list that a zip has of them.
	spare    int64 // Bytes that any archive may unpack to.
	inflated int64 // So many times its own size an archive may unpack to beyond that. Photos hardly shrink.
	unpacked int64 // Bytes that no archive may unpack to.
}

// bytes gives how many bytes an archive of a size may unpack to.
func (l limits) bytes(size int64) int64 {
	return min(l.unpacked, l.spare+l.inflated*min(size, l.unpacked/l.inflated))
}

// Archive is a tar, tar.gz or zip file of the user's own with a folder of photos for each label, or with photos only. It is
// read in place. No entry's name decides where something is written, and links in it are refused.
type Archive struct {
	file   string
	limits limits

	mu   sync.Mutex
	read index
}

var _ Local = (*Archive)(nil)

// index is what the first pass through an archive found.
type index struct {
	size    int64 // Of the file then; 0 before the first pass.
	changed time.Time
	layout  layout
	text    func(string) string // Turns the name of an entry into text.
	photos  []string            // Slash-separated, in the order of the archive.
}

// NewArchive gives the archive at a path. Nothing is read yet.
func NewArchive(file string) *Archive {
	return &Archive{file: file, limits: limits{entries: 1_000_000, names: 64 << 20, spare: 256 << 20, inflated: 100, unpacked: 1e12}}
}

// Name returns the archive's path.
func (a *Archive) Name() string { return a.file }

// Contents implements Local. It reads the whole archive unless it is a zip, which has a list. The error wraps ErrArchive
// when the archive is to blame.
func (a *Archive) Contents(ctx context.Context) ([]curate.LabelCount, error) {
	var found index
	err := a.open(func(f *os.File, info fs.FileInfo) (err error) {
		found, err = a.index(ctx, f, info)
		return err
	})
	if err != nil {
		return nil, err
	}
	return counts(found.layout, found.photos), nil
}

// open calls use with the open file, and gives its error the archive's name.
func (a *Archive) open(use func(*os.File, fs.FileInfo) error) error {
	f, err := os.Open(a.file)
	if err != nil {
		return fmt.Errorf("the archive %s cannot be read: %s: check that it is there and that you may read it", a.file, explain(err))
	}
	defer f.Close() //nolint:errcheck // It was only read.
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: it is not a file", ErrArchive)
	}
	if err == nil {
		err = use(f, info)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", a.file, err)
	}
	return nil
}

// look lists an archive.
func (a *Archive) look(ctx context.Context, f *os.File, info fs.FileInfo) (index, error) {
	found := index{size: info.Size(), changed: info.ModTime()}
	var names []string
	for e, err := range a.entries(ctx, f, info.Size()) {
		if err != nil {
			return index{}, err
		}
		if e.kind == aFile && len(e.name) <= maxName {
			names = append(names, e.name)
		}
	}
	found.text = decoder(names)
	for _, n := range names {
		if n, err := local(found.text(n)); err == nil && isPhoto(n) {
			found.photos = append(found.photos, n)
		}
	}
	found.layout = arrange(found.photos)
	return found, nil
}

// Search implements Source.
func (a *Archive) Search(ctx context.Context, r Request) iter.Seq2[Item, error] {
	return a.SearchAll(ctx, []Request{r})
}

var (
	errEnough  = errors.New("the caller wants no more")
	errNoPhoto = errors.New("the entry is no photo")
)

// SearchAll implements OnePass.
func (a *Archive) SearchAll(ctx context.Context, requests []Request) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		err := a.open(func(f *os.File, info fs.FileInfo) error {
			found, err := a.index(ctx, f, info)
			if err != nil {
				return err
			}
			wanted := keywords(requests)
			for e, err := range a.entries(ctx, f, info.Size()) {
				if err != nil {
					return err
				}
				item, err := a.item(found, e)
				if err == nil && !wanted[item.Keyword] {
					continue
				}
				if !errors.Is(err, errNoPhoto) && !yield(item, err) {
					return errEnough
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(Item{}, err)
		}
	}
}

// index gives what is known of the archive, and lists it where that is nothing, or it has changed since.
func (a *Archive) index(ctx context.Context, f *os.File, info fs.FileInfo) (index, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.read.text != nil && a.read.size == info.Size() && a.read.changed.Equal(info.ModTime()) {
		return a.read, nil
	}
	found, err := a.look(ctx, f, info)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil {
		a.read = found
	}
	return found, err
}

// item gives the photo of an entry, or its *Refusal, or errNoPhoto. A refusal comes with the keyword, too, unless the name
// of the entry is not fit to have one: then that is the name itself, which no request can have.
func (a *Archive) item(found index, e entry) (Item, error) {
	if e.kind == aFolder {
		return Item{}, errNoPhoto
	}
	text := found.text(e.name)
	name, err := local(text)
	if err != nil {
		if !isPhoto(path.Base(text)) {
			return Item{}, errNoPhoto
		}
		return Item{Keyword: "/" + text}, refuse(Unsafe, shortened(text), "has a name that %v: pack the archive anew", err)
	}
	if !isPhoto(name) {
		return Item{}, errNoPhoto
	}
	item := Item{
		Keyword: found.layout.keyword(name), Source: curate.Source{Kind: inArchive, ID: name, From: a.file},
		Name: path.Base(name), Size: e.size,
	}
	if from, err := filepath.Abs(a.file); err == nil {
		item.Source.From = from
	}
	switch {
	case e.kind == aLink:
		return item, refuse(Link, name, "is a link, which an archive of photos must not hold: pack the photo itself")
	case e.kind != aFile:
		return item, refuse(picture.Unreadable, name, "is not a file but something special")
	case e.locked:
		return item, refuse(Encrypted, name, "needs a password: unpack the archive and choose the folder")
	case e.size > picture.MaxFileBytes:
		return item, tooLarge(name)
	}
	item.Open = func(context.Context) (io.ReadCloser, error) { return e.open(name) }
	return item, nil
}

func tooLarge(name string) *Refusal {
	return refuse(picture.TooLarge, name, "has more than %d MiB: save it smaller", picture.MaxFileBytes>>20)
}

// local gives the slash-separated path that the name of an entry means, or says what is wrong with it. Old programs of
// Windows packed with backslashes.
func local(name string) (string, error) {
	name = strings.ReplaceAll(name, "\\", "/")
	switch {
	case len(name) > maxName:
		return "", fmt.Errorf("has more than %d bytes", maxName)
	case strings.ContainsRune(name, 0):
		return "", errors.New("has a zero byte in it")
	case !filepath.IsLocal(filepath.FromSlash(name)):
		return "", errors.New("leads out of the archive")
	}
	return path.Clean(name), nil
}

// shortened cuts off a name that is too long to be shown.
func shortened(name string) string {
	const most = 200
	runes := []rune(name)
	if len(runes) <= most {
		return name
	}
	return string(runes[:most]) + "…"
}

// entry is one thing in an archive.
type entry struct {
	name   string // As it stands there.
	kind   kind
	size   int64                                    // As claimed.
	locked bool                                     // Whether it needs a password.
	open   func(name string) (io.ReadCloser, error) // The name is for its refusals.
}

type kind int

const (
	aFile kind = iota
	aFolder
	aLink
	somethingElse
)

// entries gives what an archive holds, told apart by its first bytes, and ends with the first error. The whole of a tar is
// read, also when what comes last is no photo, because the checksum stands at its end.
func (a *Archive) entries(ctx context.Context, f *os.File, size int64) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		var (
			all  iter.Seq2[entry, error]
			err  error
			left = a.limits.bytes(size) // To be unpacked.
		)
		buffered := bufio.NewReaderSize(stopping{ctx, f}, 64<<10)
		magic, err := buffered.Peek(8)
		switch {
		case err != nil && !errors.Is(err, io.EOF):
		case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
			var inflated *gzip.Reader
			if inflated, err = gzip.NewReader(buffered); err == nil {
				all = tarEntries(&bounded{inflated, &left})
			}
		case bytes.HasPrefix(magic, []byte("PK\x03\x04")), bytes.HasPrefix(magic, []byte("PK\x05\x06")):
			var z *zip.Reader
			list := &directory{f, a.limits.names, true}
			if z, err = zip.NewReader(list, size); err == nil {
				list.bounded = false
				all = zipEntries(ctx, z, &left)
			}
		default:
			all, err = tarEntries(&bounded{buffered, &left}), otherFormat(magic)
		}
		if err != nil {
			yield(entry{}, damaged(err))
			return
		}
		seen, names := 0, int64(0)
		for e, err := range all {
			if names += int64(len(e.name)); err == nil && names > a.limits.names {
				err = errNames
			}
			if seen++; err == nil && seen > a.limits.entries {
				err = fmt.Errorf("%w: it holds more than %d entries: choose a smaller one", ErrArchive, a.limits.entries)
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(entry{}, damaged(err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

var errNames = fmt.Errorf("%w: the names in it alone are too many and too long: unpack it and choose the folder", ErrArchive)

// directory is a zip whose list of entries is being read, all of which is kept in memory, whatever it says of its length.
type directory struct {
	io.ReaderAt

	left    int64 // Bytes that may still be read.
	bounded bool
}

// ReadAt implements io.ReaderAt.
func (l *directory) ReadAt(p []byte, at int64) (int, error) {
	if !l.bounded {
		return l.ReaderAt.ReadAt(p, at)
	}
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, errNames
	}
	return l.ReaderAt.ReadAt(p, at)
}

// otherFormat names the formats that are often taken for one that Kaika reads.
func otherFormat(magic []byte) error {
	for _, f := range []struct{ magic, name string }{
		{"BZh", "a bzip2"}, {"\xfd7zXZ\x00", "an xz"}, {"\x28\xb5\x2f\xfd", "a zstd"}, {"7z\xbc\xaf\x27\x1c", "a 7z"}, {"Rar!\x1a\x07", "a RAR"},
	} {
		if strings.HasPrefix(string(magic), f.magic) {
			return fmt.Errorf("%w: it is %s archive, which Kaika cannot open: unpack it and choose the folder", ErrArchive, f.name)
		}
	}
	return nil
}

func tarEntries(src io.Reader) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		t := tar.NewReader(src)
		for first := true; ; first = false {
			h, err := t.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				if first && (errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF)) {
					err = fmt.Errorf("%w: it is no tar, tar.gz or zip file, or only the beginning of one", ErrArchive)
				}
				yield(entry{}, err)
				return
			}
			if h.Typeflag == tar.TypeXGlobalHeader {
				continue
			}
			open := func(string) (io.ReadCloser, error) { return io.NopCloser(blaming{t}), nil }
			if !yield(entry{name: h.Name, kind: tarKind(h.Typeflag), size: h.Size, open: open}, nil) {
				return
			}
		}
		// What follows the compressed part, often padding, is nobody's business.
		if _, err := io.Copy(io.Discard, src); err != nil && !errors.Is(err, gzip.ErrHeader) {
			yield(entry{}, err)
		}
	}
}

func tarKind(flag byte) kind {
	switch flag {
	case tar.TypeReg:
		return aFile
	case tar.TypeDir:
		return aFolder
	case tar.TypeSymlink, tar.TypeLink:
		return aLink
	}
	return somethingElse
}

func zipEntries(ctx context.Context, z *zip.Reader, left *int64) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		for _, f := range z.File {
			open := func(name string) (io.ReadCloser, error) {
				r, err := f.Open()
				if err != nil {
					return nil, unzipped(err, name)
				}
				return struct {
					io.Reader
					io.Closer
				}{stopping{ctx, &bounded{zipped{r, name}, left}}, r}, nil
			}
			e := entry{name: f.Name, kind: zipKind(f), size: int64(min(f.UncompressedSize64, math.MaxInt64)), locked: f.Flags&1 != 0, open: open}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func zipKind(f *zip.File) kind {
	switch mode := f.Mode(); {
	case mode.IsDir() || strings.HasSuffix(f.Name, "/") || strings.HasSuffix(f.Name, "\\"):
		return aFolder
	case mode.IsRegular():
		return aFile
	case mode&fs.ModeSymlink != 0:
		return aLink
	}
	return somethingElse
}

// zipped reads a photo out of a zip. Its damage does not concern the others.
type zipped struct {
	r    io.Reader
	name string
}

func (z zipped) Read(p []byte) (int, error) {
	n, err := z.r.Read(p)
	return n, unzipped(err, z.name)
}

// unzipped makes a *Refusal of what is the fault of one entry of a zip.
func unzipped(err error, name string) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, zip.ErrAlgorithm):
		return refuse(picture.Unsupported, name, "is packed in a way that Kaika does not know: unpack the archive and choose the folder")
	case errors.Is(err, zip.ErrChecksum), errors.Is(err, zip.ErrFormat), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &corrupt):
		return &Refusal{Reason: picture.Damaged, Name: name, Detail: "is damaged in the archive: pack or download it again", Err: err}
	}
	return err
}

// bounded reads what is unpacked, and ends with an error beyond the bytes that are left.
type bounded struct {
	r    io.Reader
	left *int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if *b.left -= int64(n); *b.left < 0 {
		return 0, fmt.Errorf("%w: it unpacks to more bytes than photos could: unpack it yourself and choose the folder", ErrArchive)
	}
	return n, err
}

// stopping reads until the context ends.
type stopping struct {
	ctx context.Context
	r   io.Reader
}

func (s stopping) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}

// blaming reads out of a tar, whose damage concerns all that comes behind it.
type blaming struct{ r io.Reader }

func (b blaming) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = damaged(err)
	}
	return n, err
}

// damaged blames the archive, unless the context, the disk or the limits are to blame.
func damaged(err error) error {
	var disk *fs.PathError
	switch {
	case errors.Is(err, ErrArchive), errors.As(err, &disk), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%w: it ends too early: download or copy it again", ErrArchive)
	}
	return fmt.Errorf("%w: it is damaged (%w): download or copy it again", ErrArchive, err)
}
