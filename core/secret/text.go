// Package secret keeps what opens the user's accounts elsewhere, such as an API key: in the system's keyring, or where
// there is none in a file that only its owner may read.
package secret

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"
)

// Text is a text that nobody may see by accident. However it is printed, logged or encoded, all that appears of it is
// its mask. The zero value holds no text.
type Text struct {
	// A pointer, because package fmt prints unexported fields of other types without asking this type, and then shows
	// no more than an address.
	text *string
}

var (
	_ fmt.Formatter  = Text{}
	_ fmt.GoStringer = Text{}
	_ slog.LogValuer = Text{}
	_ json.Marshaler = Text{}
)

// New gives a Text that holds text without the white space around it, which comes along when a key is copied.
func New(text string) Text {
	if text = strings.TrimSpace(text); text == "" {
		return Text{}
	}
	return Text{&text}
}

// Reveal gives the text itself: for the server that it is meant for, and for nobody else.
func (t Text) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// Empty reports whether there is no text.
func (t Text) Empty() bool { return t.text == nil }

// String gives the mask: "…", or "" where there is no text.
func (t Text) String() string {
	if t.Empty() {
		return ""
	}
	return "…"
}

// Hint gives the mask with the last three characters behind it, by which an owner tells one key from another: for nobody
// else's eyes. Of a text of fewer than twelve characters it shows none.
func (t Text) Hint() string {
	const shown, enough = 3, 12
	if t.Empty() {
		return ""
	}
	if utf8.RuneCountInString(*t.text) < enough {
		return "…"
	}
	runes := []rune(*t.text)
	return "…" + string(runes[len(runes)-shown:])
}

// Format implements fmt.Formatter: every verb prints the mask.
func (t Text) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, t.String()) // There is nobody to tell of an error.
}

// GoString implements fmt.GoStringer with the mask.
func (t Text) GoString() string { return t.String() }

// LogValue implements slog.LogValuer with the mask.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalJSON implements json.Marshaler with the mask.
func (t Text) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// MarshalText implements encoding.TextMarshaler with the mask.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
