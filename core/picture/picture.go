// Package picture is the one door for the bytes of a photo. Training, the window, the command line and HTTP all read
// pictures through it, so that the same photo gets the same score everywhere, and a bad one gets the same reason.
//
// A JPEG or PNG goes through untouched, with the turn that its EXIF asks for beside it: only its header is looked at,
// because the engine decodes it anyway and turns the small input of the network more cheaply than we could turn the
// photo. Other formats are turned into PNG here.
package picture

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Limits of what is taken for a photo.
const (
	// MaxFileBytes is the size of the largest file that is read, 64 MiB.
	MaxFileBytes = 64 << 20
	// MaxPixels is the largest product of width and height that is decoded, 50 megapixels.
	MaxPixels = 50_000_000
	// MaxSide is the largest width or height, in pixels. It is that of a JPEG.
	MaxSide = 65_535
)

// A Kind is a file format of pictures. Its value is the format's name for people.
type Kind string

// The formats that Kaika reads.
const (
	JPEG Kind = "JPEG"
	PNG  Kind = "PNG"
	GIF  Kind = "GIF" // The first frame.
	WebP Kind = "WebP"
	BMP  Kind = "BMP"
	TIFF Kind = "TIFF" // The first page.
)

// Encoded is a picture in a form that TensorFlow's DecodeJpeg can read. Its header was found sound and of acceptable
// size; whether its pixels are sound shows only when it is decoded.
type Encoded struct {
	// Data is a JPEG or a PNG: the file's own bytes where it is one, else a PNG made of it, of 8 bits a channel, whose
	// shorter side has at most 1024 pixels. Nobody may change it.
	Data []byte
	// Orientation is the EXIF orientation of Data, 1 to 8; 1 is upright. (TIFF 6.0, tag 274.)
	Orientation int
	// Width and Height are the size in pixels of the picture in the file, before the turn.
	Width, Height int
	// Kind is the format of the file.
	Kind Kind
}

// A Digest is the SHA-256 of the bytes of a file. Photos are the same when their digests are.
type Digest [sha256.Size]byte

// Sum returns the digest of data.
func Sum(data []byte) Digest { return sha256.Sum256(data) }

// String returns the digest as 64 lower-case hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText implements encoding.TextMarshaler with the form of String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: it reads what String writes.
func (d *Digest) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(d) {
		return fmt.Errorf("%q is not a SHA-256 digest of 64 hexadecimal digits", text)
	}
	copy(d[:], b)
	return nil
}

// IsName reports whether a file of this name or path is looked at in a folder: it ends in .jpg, .jpeg, .jpe, .jfif,
// .png, .gif, .webp, .bmp, .tif or .tiff, in any case, and is not hidden by a leading dot (as the "._x.jpg" are that
// macOS leaves beside the photos on foreign disks). What a file really is, only its bytes say.
func IsName(name string) bool {
	name = filepath.Base(name)
	if strings.HasPrefix(name, ".") {
		return false
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff":
		return true
	}
	return false
}

// Read reads the picture in a regular file, and the digest of the file's bytes.
//
// The error is an *Error, which does not name the file, unless ctx is done, which is nobody's fault. The digest is
// valid also for a bad picture, so that it need not be read again; it is zero where the file could not be read.
func Read(ctx context.Context, path string) (Encoded, Digest, error) {
	if err := ctx.Err(); err != nil {
		return Encoded{}, Digest{}, fmt.Errorf("reading %s: %w", path, err)
	}
	// Before the file is opened: opening a named pipe would wait for somebody to write into it.
	info, err := os.Stat(path)
	if err != nil {
		return Encoded{}, Digest{}, unreadable(err)
	}
	switch {
	case info.IsDir():
		return Encoded{}, Digest{}, bad(Unreadable, "is a folder, not a picture")
	case !info.Mode().IsRegular():
		return Encoded{}, Digest{}, bad(Unreadable, "is not a file but a pipe, a socket or a device")
	case info.Size() > MaxFileBytes:
		return Encoded{}, Digest{}, tooLarge()
	}
	f, err := os.Open(path)
	if err != nil {
		return Encoded{}, Digest{}, unreadable(err)
	}
	defer f.Close() //nolint:errcheck // It was only read.
	return readFrom(f, int(info.Size()))
}

// ReadFrom reads one picture from r until its end, at most MaxFileBytes, and the digest of the bytes. The error is an
// *Error, as that of Read is.
func ReadFrom(r io.Reader) (Encoded, Digest, error) {
	return readFrom(r, 0)
}

func readFrom(r io.Reader, size int) (Encoded, Digest, error) {
	var b bytes.Buffer
	b.Grow(size + bytes.MinRead) // ReadFrom wants that much room left to see the end.
	if _, err := b.ReadFrom(io.LimitReader(r, MaxFileBytes+1)); err != nil {
		return Encoded{}, Digest{}, unreadable(err)
	}
	if b.Len() > MaxFileBytes {
		return Encoded{}, Digest{}, tooLarge()
	}
	e, err := Parse(b.Bytes())
	return e, Sum(b.Bytes()), err
}

func tooLarge() error {
	return bad(TooLarge, "has more than %d MiB: save it smaller", MaxFileBytes>>20)
}

func unreadable(err error) error {
	cause := err
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		cause = pathErr.Err // The caller names the file.
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return badBy(err, Unreadable, "does not exist")
	case errors.Is(err, fs.ErrPermission):
		return badBy(err, Unreadable, "may not be read by this user (%v)", cause)
	}
	return badBy(err, Unreadable, "cannot be read (%v)", cause)
}

// NeedsDecoding tells whether Parse would decode the bytes of a file, and not only look at its header: TensorFlow knows JPEG
// and PNG alone.
func NeedsDecoding(data []byte) bool { return sniff(data).needsDecoding() }

func (k Kind) needsDecoding() bool { return k != JPEG && k != PNG }

// Parse looks at the bytes of a file and gives the picture in them. The result is determined by the bytes alone, and
// for a JPEG or PNG keeps them. The error is an *Error.
func Parse(data []byte) (Encoded, error) {
	kind := sniff(data)
	h, err := readHeader(kind, data)
	if err != nil {
		return Encoded{}, err
	}
	e := Encoded{Data: data, Orientation: max(h.orientation, 1), Width: h.width, Height: h.height, Kind: kind}
	if kind.needsDecoding() {
		if e.Data, err = toPNG(kind, data, h.width, h.height); err != nil {
			return Encoded{}, err
		}
	}
	return e, nil
}
