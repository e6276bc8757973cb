// Package fetch brings files from the network to the disk and unpacks archives there, so that what stands under the final
// name is always whole: base models and example datasets are too big to load twice because a connection was cut.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

var (
	// ErrDigest says that the file that arrived is not the expected one.
	ErrDigest = errors.New("not the expected file")
	// ErrTooLarge says that a file is larger than the request allows.
	ErrTooLarge = errors.New("larger than allowed")
	// ErrArchive says that an archive is damaged, unsafe to unpack, beyond its limits, or holds nothing that is wanted.
	ErrArchive = errors.New("unusable archive")
)

const (
	defaultIdle = 30 * time.Second
	lockPoll    = 200 * time.Millisecond
)

// A Request names one file to download. URL and Path are required.
type Request struct {
	URL  string // http or https
	Path string // where the file will lie; its folder is made when it is missing

	SHA256   string // expected digest in hexadecimal; empty when unknown
	Size     int64  // expected size in bytes; 0 when unknown
	MaxBytes int64  // most bytes to accept; 0 for no limit but Size

	// Progress, when set, is told after each piece how many bytes of the file are there, those of an earlier run included,
	// and how many there will be (0 when unknown). done falls back to 0 when the download has to start anew.
	Progress func(done, total int64)

	Client      *http.Client  // nil for a plain one; redirects are checked whichever it is
	IdleTimeout time.Duration // longest silence of the server before a try is given up; 0 for 30 s

	// Wait sleeps between tries, and between looks at a file that another process is loading. It returns early with the
	// context's error. Nil for a plain timer; tests hand in one that does not sleep.
	Wait func(ctx context.Context, d time.Duration) error
}

// Mirrored gives the address of a publisher's file on a mirror, whose address takes the place of scheme and host; an empty
// mirror leaves it as it is.
func Mirrored(publisher, mirror string) (string, error) {
	if mirror == "" {
		return publisher, nil
	}
	at, err := url.Parse(publisher)
	if err != nil {
		return "", fmt.Errorf("the publisher's address %q: %w", publisher, err)
	}
	instead, err := url.Parse(mirror)
	if err != nil || instead.Host == "" {
		return "", fmt.Errorf("the mirror %q is not an address such as https://mirror.example/files", mirror)
	}
	return instead.JoinPath(at.Path).String(), nil
}

// File downloads r.URL to r.Path and returns the file's SHA-256 in lower-case hexadecimal; with an empty r.SHA256 the caller
// keeps it for the next time.
//
// A file that already lies at r.Path with the expected digest and size is not loaded again; when neither is known, any file
// there counts, because nothing incomplete ever gets that name. What has arrived so far lies in r.Path+".part", what is
// needed to go on (RFC 9110, If-Range) in r.Path+".part.json"; both stay when the download is cut or ctx is cancelled, and the
// next call goes on from there unless the file on the server has changed. After passing troubles (cut or silent connections,
// answers 408, 429 and 5xx) it tries again, until five tries in a row have brought nothing new. Of several processes that load
// the same file one does, and the others wait for it.
//
// Errors wrap ErrDigest, ErrTooLarge, the context's error, or what the network or the disk said.
func File(ctx context.Context, r Request) (digest string, err error) {
	address, err := url.Parse(r.URL)
	if err != nil || address.Host == "" || !isWeb(address) {
		return "", fmt.Errorf("download %q: not an http or https address", r.URL)
	}
	if r.SHA256 != "" {
		if sum, err := hex.DecodeString(r.SHA256); err != nil || len(sum) != sha256.Size {
			return "", fmt.Errorf("download %s: %q is not a SHA-256 digest", address.Redacted(), r.SHA256)
		}
	}
	if r.IdleTimeout <= 0 {
		r.IdleTimeout = defaultIdle
	}
	if r.Wait == nil {
		r.Wait = wait
	}
	if digest, err = r.file(ctx); err != nil {
		return "", fmt.Errorf("download %s: %w", address.Redacted(), explain(err, r.Path))
	}
	return digest, nil
}

func (r Request) file(ctx context.Context) (string, error) {
	if digest, ok, err := r.present(ctx); ok || err != nil {
		return digest, err
	}
	if err := os.MkdirAll(filepath.Dir(r.Path), 0o755); err != nil {
		return "", err
	}
	part, err := r.lockPart(ctx)
	if err != nil {
		return "", err
	}
	defer part.Close() //nolint:errcheck // synced before it counts; closing gives the lock back
	d := &download{Request: r, part: part}

	// Another process may have finished while this one waited for the lock.
	digest, ok, err := r.present(ctx)
	if err != nil {
		return "", err
	}
	if ok {
		return digest, d.remove()
	}
	if err := d.open(); err != nil {
		return "", err
	}
	if err = d.run(ctx); err == nil {
		digest, err = d.finish(ctx)
	}
	switch {
	case err == nil:
		return digest, nil
	case !d.resumable():
		return "", errors.Join(err, d.remove())
	}
	return "", fmt.Errorf("%w; %s are kept in %s: run it again to go on from there", err, megabytes(d.size), r.partPath())
}

func (r Request) partPath() string  { return r.Path + ".part" }
func (r Request) statePath() string { return r.Path + ".part.json" }

// progress reports done bytes of total, or of the expected size where the server names none.
func (r Request) progress(done, total int64) {
	if r.Progress != nil {
		r.Progress(done, max(total, r.Size, 0))
	}
}

// present says whether the wanted file already lies at Path, and its digest.
func (r Request) present(ctx context.Context) (digest string, ok bool, err error) {
	f, err := os.Open(r.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return "", false, err
	}
	if !info.Mode().IsRegular() {
		return "", false, fmt.Errorf("%s exists and is not a file: remove it or choose another name", r.Path)
	}
	if r.Size > 0 && info.Size() != r.Size {
		return "", false, nil
	}
	digest, err = sum(ctx, f)
	if err != nil || !r.expects(digest) {
		return "", false, err
	}
	r.progress(info.Size(), info.Size())
	return digest, true, nil
}

func (r Request) expects(digest string) bool {
	return r.SHA256 == "" || strings.EqualFold(r.SHA256, digest)
}

// lockPart opens the part and holds a lock on it until the file is closed. While another process holds it, the progress of
// that process is shown.
func (r Request) lockPart(ctx context.Context) (*os.File, error) {
	for {
		f, err := os.OpenFile(r.partPath(), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		locked, err := tryLock(f)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
		}
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if locked {
			// Whoever held the lock before may have renamed or removed the file that was opened here.
			if named, err := os.Stat(r.partPath()); err == nil && os.SameFile(info, named) {
				return f, nil
			}
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
		if !locked {
			r.progress(info.Size(), 0)
			if err := r.Wait(ctx, lockPoll); err != nil {
				return nil, err
			}
		}
	}
}

// sum reads src to its end and returns its SHA-256.
func sum(ctx context.Context, src io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, reader{ctx, src}); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// reader makes reading from a local file end when the context does.
type reader struct {
	ctx context.Context // lives for one copy
	src io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.src.Read(p)
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func isWeb(u *url.URL) bool { return u.Scheme == "http" || u.Scheme == "https" }

// explain puts a full disk into words; path is on that disk.
func explain(err error, path string) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the disk that holds %s is full; make room there and run it again: %w", filepath.Dir(path), err)
	}
	return err
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
