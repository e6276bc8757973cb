package inbox

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"kaika/core/classify"
	"kaika/core/picture"
)

// A Record tells what is known of a kept photo. Nothing of it says who sent the photo, or how it was called.
type Record struct {
	ID          string                `json:"id"`
	Kept        time.Time             `json:"kept"`
	Model       string                `json:"model"`
	Version     int                   `json:"version"`
	Predictions []classify.Prediction `json:"predictions"` // The best at most, the highest score first; none if that is not known any more.
	Unknown     bool                  `json:"unknown"`     // Nothing that the model knows, as far as it can tell.
	Type        string                `json:"type"`        // Of the photo, "image/jpeg" or "image/png".
	Bytes       int64                 `json:"bytes"`       // Of the photo.
	Width       int                   `json:"width"`       // In pixels, before the turn that its EXIF asks for.
	Height      int                   `json:"height"`
}

// Confidence is the score of the best prediction, 0 to 1.
func (r Record) Confidence() float64 { return confidenceOf(r.ID) }

// What a record holds at most.
const (
	maxPredictions = 10
	maxText        = 1024    // Bytes of a label or a name.
	maxRecord      = 1 << 16 // Bytes of its JSON.
)

// The types of kept photos.
const (
	typeJPEG = "image/jpeg"
	typePNG  = "image/png"
)

// An ID is the time in UTC to the millisecond, the best score in parts of 10,000, and a random number that nobody guesses:
// sorted by name, photos are sorted by time; and which of them the model was unsure of can be told without opening them.
var idPattern = regexp.MustCompile(`^[0-9]{8}T[0-9]{9}-[0-9]{4}-[0-9a-f]{32}$`)

const (
	idTime      = "20060102T150405.000" // Without its point.
	timeLetters = len(idTime) - 1
	scoreAt     = timeLetters + 1
	scoreDigits = 4
	scoreParts  = 10_000
)

// IsID tells whether a text may be the ID of a kept photo.
func IsID(text string) bool {
	_, err := timeOf(text)
	return err == nil
}

// newID makes the ID of a photo that is kept at a time.
func newID(at time.Time, confidence float32) string {
	var secret [16]byte
	rand.Read(secret[:]) // It never fails: the program ends if the system has no random numbers.
	parts := 0
	if confidence > 0 { // Not a NaN.
		parts = min(int(float64(confidence)*scoreParts), scoreParts-1)
	}
	stamp := strings.Replace(at.UTC().Format(idTime), ".", "", 1)
	return fmt.Sprintf("%s-%0*d-%s", stamp, scoreDigits, parts, hex.EncodeToString(secret[:]))
}

// timeOf gives the time in an ID.
func timeOf(id string) (time.Time, error) {
	if !idPattern.MatchString(id) {
		return time.Time{}, fmt.Errorf("%.80q is no ID of a kept photo", id)
	}
	at, err := time.Parse(idTime, id[:timeLetters-3]+"."+id[timeLetters-3:timeLetters])
	if err != nil {
		return time.Time{}, fmt.Errorf("the time in the ID of a kept photo: %w", err)
	}
	return at, nil
}

// confidenceOf gives the score in an ID, 0 for what is none.
func confidenceOf(id string) float64 {
	if !idPattern.MatchString(id) {
		return 0
	}
	parts, err := strconv.Atoi(id[scoreAt : scoreAt+scoreDigits])
	if err != nil {
		return 0
	}
	return float64(parts) / scoreParts
}

// ParseRecord reads a record from its JSON, which may come from anywhere. What it gives can be shown and used.
func ParseRecord(data []byte) (Record, error) {
	var r Record
	if len(data) > maxRecord {
		return r, errors.New("reading the record of a kept photo: it is too large")
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, fmt.Errorf("reading the record of a kept photo: %w", err)
	}
	if err := r.check(); err != nil {
		return Record{}, fmt.Errorf("reading the record of a kept photo: %w", err)
	}
	return r, nil
}

// check says what is wrong with a record, and puts right what may be missing.
func (r *Record) check() error {
	at, err := timeOf(r.ID)
	switch {
	case err != nil:
		return err
	case r.Type != typeJPEG && r.Type != typePNG:
		return fmt.Errorf("%.80q is no type of a kept photo", r.Type)
	case r.Bytes < 0 || r.Bytes > picture.MaxFileBytes || r.Width < 0 || r.Height < 0 || r.Width > picture.MaxSide || r.Height > picture.MaxSide:
		return errors.New("its size makes no sense")
	case r.Version < 0 || !isText(r.Model):
		return errors.New("its model makes no sense")
	case len(r.Predictions) > maxPredictions:
		return errors.New("it has too many predictions")
	}
	for _, p := range r.Predictions {
		if !isText(p.Label) || math.IsNaN(float64(p.Score)) || p.Score < 0 || p.Score > 1 {
			return errors.New("its predictions make no sense")
		}
	}
	r.Kept = at
	if r.Predictions == nil {
		r.Predictions = []classify.Prediction{}
	}
	return nil
}

func isText(s string) bool { return len(s) <= maxText && utf8.ValidString(s) }

// A Page is a part of the list of kept photos.
type Page struct {
	Total   int      `json:"total"`   // Photos in the whole list.
	Offset  int      `json:"offset"`  // Of the first one here.
	Uploads []Record `json:"uploads"` // A photo may be left out that was removed meanwhile.
}

// MaxPage is the most photos of a page.
const MaxPage = 200

// ParsePage reads a page from its JSON, as ParseRecord does a record.
func ParsePage(data []byte) (Page, error) {
	var p Page
	if err := json.Unmarshal(data, &p); err != nil {
		return Page{}, fmt.Errorf("reading a list of kept photos: %w", err)
	}
	if p.Total < 0 || p.Offset < 0 || len(p.Uploads) > MaxPage {
		return Page{}, errors.New("reading a list of kept photos: its numbers make no sense")
	}
	for i := range p.Uploads {
		if err := p.Uploads[i].check(); err != nil {
			return Page{}, fmt.Errorf("reading a list of kept photos: %w", err)
		}
	}
	return p, nil
}

// An Order is one in which kept photos are listed.
type Order string

// The orders.
const (
	ByConfidence Order = "confidence" // The photos that the model was least sure of first.
	Newest       Order = "newest"
)

// A Query asks for a page.
type Query struct {
	Order  Order
	Offset int // Photos that are passed over.
	Limit  int // Photos at most, 1 to MaxPage.
}
