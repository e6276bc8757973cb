// Package clipboard reads what another program has copied: files, a picture, or text. Fyne's clipboard knows text alone, and
// waits for the other program where it draws.
package clipboard

import (
	"context"
	"errors"
	"time"

	"kaika/core/picture"
)

// Content is what was copied: the first of these that there is.
type Content struct {
	Files   string // A text/uri-list (RFC 2483).
	Picture []byte // A file of a picture, at most picture.MaxFileBytes.
	Text    string
}

// patience is how long the program that has copied something may let us wait for the next piece of it.
const patience = 5 * time.Second

var (
	// ErrNone says that no clipboard can be read here but that of Fyne.
	ErrNone = errors.New("this system has no clipboard that is known here")
	// ErrTooLarge says that what was copied is larger than any photo.
	ErrTooLarge = errors.New("what was copied is larger than 64 MiB: save it smaller, and open the file")
	// ErrSilent says that the other program does not answer.
	ErrSilent = errors.New("the program that has copied it does not answer: copy it again, or save it and open the file")
)

// pictures are the types of pictures that are asked for, the most faithful first.
func pictures() []string {
	return []string{"image/png", "image/tiff", "image/webp", "image/bmp", "image/x-bmp", "image/x-MS-bmp", "image/jpeg", "image/gif"}
}

// Read reads the clipboard. It may wait for the other program, so it is not for the goroutine that draws. Nothing copied
// is an empty Content. The error is [ErrNone], [ErrTooLarge], [ErrSilent], ctx's, or that of the connection.
func Read(ctx context.Context) (Content, error) { return read(ctx, picture.MaxFileBytes) }
