package picture

import (
	"errors"
	"fmt"
)

// A Reason says in one word, for programs, why a picture is not used.
type Reason string

// The reasons.
const (
	Empty         Reason = "empty"           // No bytes, or no pixels.
	NotAPicture   Reason = "not_a_picture"   // Something else, whatever its name says.
	TooLarge      Reason = "too_large_file"  // More than MaxFileBytes.
	TooManyPixels Reason = "too_many_pixels" // More than MaxPixels, or a side beyond MaxSide.
	Truncated     Reason = "truncated"       // Ends too early.
	Damaged       Reason = "damaged"         // Contradicts its own format.
	Unsupported   Reason = "unsupported"     // A picture, but of a kind that Kaika cannot read.
	Unreadable    Reason = "unreadable"      // The file itself cannot be read: missing, forbidden, a folder.
)

// An Error says why a picture is not used. It is an answer about one file, never a cause to stop.
type Error struct {
	Reason Reason
	// Detail is for people: the rest of a sentence that begins with the name of the file, and where there is one, a way
	// out. "is a HEIC photo, which Kaika cannot read yet: save it as JPEG".
	Detail string
	// Err is what the operating system or a decoder said, or nil.
	Err error
}

// Error returns the detail.
func (e *Error) Error() string { return e.Detail }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// ReasonOf returns the reason of an *Error in the tree of err, or "" where there is none.
func ReasonOf(err error) Reason {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func bad(reason Reason, format string, args ...any) error {
	return badBy(nil, reason, format, args...)
}

func badBy(err error, reason Reason, format string, args ...any) error {
	return &Error{Reason: reason, Detail: fmt.Sprintf(format, args...), Err: err}
}

func cutOff(kind Kind) error {
	return bad(Truncated, "is a %s that ends too early: download or copy it again", kind)
}
