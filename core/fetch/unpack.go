package fetch

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
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

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// maxName is the longest name of an entry in bytes. It also bounds how deep folders nest.
const maxName = 1024

// Limits bound what an archive may turn into on the disk. A field that is 0 takes the default in its comment.
type Limits struct {
	MaxFiles     int   // entries of any kind, kept or not; 100,000
	MaxBytes     int64 // bytes after decompression, of what is kept and, in a .tar or .tgz, of all there is; 4 GiB
	MaxFileBytes int64 // bytes of one kept file; 2 GiB
}

func (l Limits) withDefaults() Limits {
	if l.MaxFiles <= 0 {
		l.MaxFiles = 100_000
	}
	if l.MaxBytes <= 0 {
		l.MaxBytes = 4 << 30
	}
	if l.MaxFileBytes <= 0 {
		l.MaxFileBytes = 2 << 30
	}
	return l
}

// Unpack makes the folder dir out of a .tgz, .tar or .zip, told apart by content. dir must be missing or empty. It gets its
// name at the very end: after an error, or when ctx is cancelled, there is no dir that was not there before.
//
// keep is asked for each entry that is not a folder, with its cleaned slash-separated name, and answers whether it is wanted and
// under which name; nil keeps everything. Folders are made where a kept file needs them, files get mode 0644, folders 0755,
// both less the umask.
//
// Errors wrap ErrArchive when the archive is to blame: it is damaged or cut off, goes beyond limits, holds nothing that is
// wanted, wants to put a link, a device or two names that differ only in case, or names that lead out of dir. When dir is in
// use, they wrap fs.ErrExist.
func Unpack(ctx context.Context, archive, dir string, limits Limits, keep func(name string) (rename string, ok bool)) error {
	if keep == nil {
		keep = func(name string) (string, bool) { return name, true }
	}
	if err := unpack(ctx, archive, dir, limits.withDefaults(), keep); err != nil {
		return fmt.Errorf("unpack %s: %w", archive, explain(err, dir))
	}
	return nil
}

func unpack(ctx context.Context, archive, dir string, limits Limits, keep func(string) (string, bool)) (err error) {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	if dir, err = vacant(dir); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-unpack-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	stage := filepath.Join(temp, "content") // unlike temp itself it follows the umask
	if err := os.Mkdir(stage, 0o755); err != nil {
		return err
	}
	if err := fill(ctx, stage, f, limits, keep); err != nil {
		return err
	}
	if err := removeIfThere(dir); err != nil {
		return err
	}
	return os.Rename(stage, dir)
}

// vacant returns dir as an absolute path without links, whose parent exists and where nothing is.
func vacant(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if target, err := filepath.EvalSymlinks(dir); err == nil {
		dir = target
	}
	held, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return dir, os.MkdirAll(filepath.Dir(dir), 0o755)
	}
	if err == nil && len(held) > 0 {
		err = fmt.Errorf("%s is not empty; remove it or choose another folder: %w", dir, fs.ErrExist)
	}
	return dir, err
}

// fill writes what is kept of the archive f into the folder stage.
func fill(ctx context.Context, stage string, f *os.File, limits Limits, keep func(string) (string, bool)) (err error) {
	root, err := os.OpenRoot(stage)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	entries, err := open(reader{ctx, f}, f, limits)
	if err != nil {
		return err
	}

	seen, left, wanted := 0, limits.MaxBytes, folder{}
	for e, err := range entries {
		if err != nil {
			return damaged(err)
		}
		if seen++; seen > limits.MaxFiles {
			return fmt.Errorf("%w: it holds more than %d entries", ErrArchive, limits.MaxFiles)
		}
		name, err := local(e.name)
		if err != nil {
			return err
		}
		if e.kind == aFolder {
			continue
		}
		as, ok := keep(name)
		if !ok {
			continue
		}
		if as, err = local(as); err != nil {
			return err
		}
		if e.kind != aFile {
			return fmt.Errorf("%w: %q is %s; only files and folders are unpacked", ErrArchive, name, e.kind)
		}
		if err := wanted.add(as); err != nil {
			return err
		}
		n, err := write(ctx, root, as, e, min(left, limits.MaxFileBytes))
		if err != nil {
			return err
		}
		left -= n
	}
	if len(wanted) == 0 {
		return fmt.Errorf("%w: it holds none of the files that were expected in it", ErrArchive)
	}
	return nil
}

// write unpacks one file of at most limit bytes to the name as, and returns its size.
func write(ctx context.Context, root *os.Root, as string, e entry, limit int64) (n int64, err error) {
	if e.size > limit {
		return 0, fmt.Errorf("%w: %q has %d bytes, more than is allowed", ErrArchive, e.name, e.size)
	}
	src, err := e.open()
	if err != nil {
		return 0, damaged(err)
	}
	defer src.Close() //nolint:errcheck // only read
	if err := root.MkdirAll(path.Dir(as), 0o755); err != nil {
		return 0, err
	}
	dst, err := root.OpenFile(as, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	n, err = io.Copy(dst, io.LimitReader(blaming{reader{ctx, src}}, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%w: %q unpacks to more bytes than are allowed", ErrArchive, e.name)
	}
	return n, err
}

// entry is one thing in an archive.
type entry struct {
	name string
	kind string // aFile, aFolder, or what else it is, in words
	size int64  // as claimed
	open func() (io.ReadCloser, error)
}

const (
	aFile   = "a file"
	aFolder = "a folder"
)

// open finds out what kind of archive f is and returns its entries. src reads f and ends with the context.
func open(src io.Reader, f *os.File, limits Limits) (iter.Seq2[entry, error], error) {
	buffered := bufio.NewReaderSize(src, 64<<10)
	magic, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, damaged(err)
		}
		return tarEntries(&bounded{unzipped, limits.MaxBytes}), nil
	case bytes.Equal(magic, []byte("PK\x03\x04")), bytes.Equal(magic, []byte("PK\x05\x06")):
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		z, err := zip.NewReader(f, info.Size())
		if err != nil {
			return nil, damaged(err)
		}
		return zipEntries(z), nil
	}
	return tarEntries(&bounded{buffered, limits.MaxBytes}), nil
}

func tarEntries(src io.Reader) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		t := tar.NewReader(src)
		for first := true; ; first = false {
			h, err := t.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if first && errors.Is(err, tar.ErrHeader) {
				err = errors.New("it is not a .tgz, .tar or .zip file")
			}
			if err != nil {
				yield(entry{}, err)
				return
			}
			if h.Typeflag == tar.TypeXGlobalHeader {
				continue
			}
			open := func() (io.ReadCloser, error) { return io.NopCloser(t), nil }
			if !yield(entry{h.Name, tarKind(h.Typeflag), h.Size, open}, nil) {
				return
			}
		}
		// The checksum comes after the last entry. What follows the compressed part, often padding, is nobody's business.
		if _, err := io.Copy(io.Discard, src); err != nil && !errors.Is(err, gzip.ErrHeader) {
			yield(entry{}, err)
		}
	}
}

func tarKind(flag byte) string {
	switch flag {
	case tar.TypeReg:
		return aFile
	case tar.TypeDir:
		return aFolder
	case tar.TypeSymlink:
		return "a symbolic link"
	case tar.TypeLink:
		return "a hard link"
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return "a device"
	}
	return "something special"
}

func zipEntries(z *zip.Reader) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		for _, f := range z.File {
			size := int64(min(f.UncompressedSize64, math.MaxInt64))
			if !yield(entry{f.Name, zipKind(f.Mode()), size, f.Open}, nil) {
				return
			}
		}
	}
}

func zipKind(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return aFile
	case mode.IsDir():
		return aFolder
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	}
	return "a device"
}

// local returns a slash-separated name from an archive cleaned, or an error when it would lead out of the folder, here or on
// another system.
func local(name string) (string, error) {
	if len(name) > maxName {
		return "", fmt.Errorf("%w: a name of %d bytes is longer than the %d allowed", ErrArchive, len(name), maxName)
	}
	if strings.ContainsAny(name, "\\\x00") || !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", fmt.Errorf("%w: the name %q leads out of the folder or is no file name everywhere", ErrArchive, name)
	}
	return path.Clean(name), nil
}

// folder is the tree of kept names. The keys are folded, because a file system may see no difference between upper and lower
// case, or between composed and decomposed letters, and one file would silently take the place of the other.
type folder map[string]node

type node struct {
	name   string
	within folder // nil for a file
}

// add puts in the file name, or says what it clashes with.
func (f folder) add(name string) error {
	if name == "." {
		return fmt.Errorf("%w: a file in it has no name", ErrArchive)
	}
	rest := name
	for more := true; more; {
		var part string
		part, rest, more = strings.Cut(rest, "/")
		key := norm.NFC.String(cases.Fold().String(norm.NFC.String(part)))
		have, taken := f[key]
		switch {
		case !taken:
			have = node{name: part}
			if more {
				have.within = folder{}
			}
			f[key] = have
		case !more || have.within == nil || have.name != part:
			return fmt.Errorf("%w: %q is in it twice, or clashes with a name that differs only in case", ErrArchive, name)
		}
		f = have.within
	}
	return nil
}

// bounded fails when src turns out longer than left bytes.
type bounded struct {
	src  io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errors.New("it unpacks to more bytes than are allowed")
	}
	return n, err
}

// blaming marks errors of reading, so that io.Copy's error tells a damaged archive from a full disk.
type blaming struct{ src io.Reader }

func (b blaming) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = damaged(err)
	}
	return n, err
}

// damaged puts the blame for err on the archive, unless the run was cancelled.
func damaged(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrArchive, err)
}
