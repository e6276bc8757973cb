package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"unicode"

	"kaika/core/classify"
	"kaika/core/picture"
	"kaika/core/serve"
)

// A sentPhoto is a file of a request.
type sentPhoto struct {
	name    string // As the client calls it, without folders; it may be shown but is no path.
	picture picture.Encoded
	err     error // Why it cannot be used; then the rest of a sentence that begins with its name.
}

// unnamed is the name of a photo that came without one, as kaika classify calls one from its standard input.
const unnamed = classify.Stdin

// sentPhotos are those of a request, and the memory that they take.
type sentPhotos struct {
	load

	all []sentPhoto
}

// newPhotos makes an empty list. Its method free is to be called when the photos are not used any more.
func (s *Server) newPhotos(ctx context.Context) *sentPhotos {
	client := exchangeOf(ctx).client
	if s.unbounded(client) {
		return &sentPhotos{load: load{budget: s.memory}}
	}
	return &sentPhotos{load: load{budget: s.memory, client: household(client)}}
}

// photosOf reads the photos in a request: the files of a form of multipart/form-data, whatever their fields are called, or
// the bytes of one photo. Nothing touches the disk. What is wrong with a photo is said in its place; an error is one of
// the whole request. The photos' method free is to be called when they are not used any more, also after an error.
func (s *Server) photosOf(r *http.Request) (*sentPhotos, error) {
	p := s.newPhotos(r.Context())
	if err := p.room(r.ContentLength); err != nil {
		return p, err
	}
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case kind == "multipart/form-data":
		if parameters["boundary"] == "" {
			return p, badRequest("form", "the form has no boundary: let your HTTP library set the Content-Type")
		}
		return p, s.readForm(r.Context(), multipart.NewReader(r.Body, parameters["boundary"]), p)
	case r.Header.Get("Content-Type") != "" && err != nil,
		kind != "" && kind != "application/octet-stream" && kind != "application/x-www-form-urlencoded" && !strings.HasPrefix(kind, "image/"):
		return p, &problem{
			status: http.StatusUnsupportedMediaType, code: "media_type",
			sentence: "send a form of multipart/form-data with files, or the bytes of one photo as image/jpeg or application/octet-stream",
		}
	}
	if err := s.add(r.Context(), p, unnamed, r.Body); err != nil {
		return p, err
	}
	if len(p.all) == 1 && picture.ReasonOf(p.all[0].err) == picture.Empty && r.ContentLength <= 0 {
		return p, nothingSent()
	}
	return p, nil
}

func nothingSent() *problem {
	return badRequest("nothing_sent", "no photo was sent: send files in a form, or the bytes of one photo")
}

// readForm reads the files of a form. Fields that are no files are passed over.
func (s *Server) readForm(ctx context.Context, form *multipart.Reader, p *sentPhotos) error {
	for parts := 0; ; parts++ {
		part, err := form.NextRawPart()
		switch {
		case errors.Is(err, io.EOF) && len(p.all) == 0:
			return nothingSent()
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return formError(err)
		case parts >= 2*s.Limits.Photos:
			return badRequest("form", fmt.Sprintf("the form has more than %d parts: send less at once", 2*s.Limits.Photos))
		case part.FileName() == "":
			continue // The next part skips what is left of it; the limit of the body holds.
		case len(p.all) >= s.Limits.Photos:
			return s.tooMany()
		}
		name := cleanName(part.FileName())
		if err := s.add(ctx, p, name, part); err != nil {
			return formError(err)
		}
	}
}

// tooMany says that a request has too many photos.
func (s *Server) tooMany() *problem {
	return &problem{
		status: http.StatusRequestEntityTooLarge, code: "too_many",
		sentence: fmt.Sprintf("more than %d photos were sent: send less at once", s.Limits.Photos),
	}
}

// formError says what is wrong with a form, unless it is something else.
func formError(err error) error {
	var p *problem
	var large *http.MaxBytesError
	if errors.As(err, &p) || errors.As(err, &large) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &problem{status: http.StatusBadRequest, code: "form", sentence: "the form is not whole, or not in the form of multipart/form-data", err: err}
}

// add reads one photo to its end.
func (s *Server) add(ctx context.Context, p *sentPhotos, name string, from io.Reader) error {
	var data bytes.Buffer
	read, err := data.ReadFrom(io.LimitReader(p.reader(from), picture.MaxFileBytes+1))
	if err != nil {
		return err
	}
	if err := s.addBytes(ctx, p, name, data.Bytes()); err != nil || read <= picture.MaxFileBytes {
		return err
	}
	_, err = io.Copy(io.Discard, from)
	return err
}

// addBytes adds a photo whose bytes are in memory, and taken from the budget, already.
func (s *Server) addBytes(ctx context.Context, p *sentPhotos, name string, data []byte) error {
	if len(data) > picture.MaxFileBytes {
		p.give(int64(len(data)))
		large := &picture.Error{Reason: picture.TooLarge, Detail: fmt.Sprintf("has more than %d MiB: save it smaller", picture.MaxFileBytes>>20)}
		p.all = append(p.all, sentPhoto{name: name, err: large})
		return nil
	}
	decodes := picture.NeedsDecoding(data)
	if decodes {
		if err := s.turnToDecode(ctx); err != nil {
			return err
		}
	}
	parsed, err := picture.Parse(data)
	if decodes {
		s.parses.Release(1)
	}
	// What is kept from here on are the picture's bytes. Those of a photo that was turned into a PNG can be many times as many.
	if more := int64(len(parsed.Data) - len(data)); more > 0 {
		if err := p.take(more); err != nil {
			return err
		}
	} else {
		p.give(-more)
	}
	p.all = append(p.all, sentPhoto{name, parsed, err})
	return nil
}

// turnToDecode waits for one of parses, but not for ever: decoding, of other formats than the engine's, takes much memory for a
// while.
func (s *Server) turnToDecode(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.Limits.AnswerTime)
	defer cancel()
	return s.parses.Acquire(ctx, 1)
}

// cleanName makes a name that can be shown and logged of what a client calls a file.
func cleanName(name string) string {
	const longest = 255 // Bytes.
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // Also what turns the direction of writing, and bytes that are no UTF-8.
			return '\ufffd'
		}
		return r
	}, name)
	if len(name) > longest {
		name = strings.ToValidUTF8(name[:longest], "")
	}
	if name == "" {
		return unnamed
	}
	return name
}

// answers says what is on photos, in their order. A photo that cannot be used gets its reason.
func (s *Server) answers(ctx context.Context, m *serve.Model, p *sentPhotos) ([]classify.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Limits.AnswerTime)
	defer cancel()
	var good []picture.Encoded
	for _, one := range p.all {
		if one.err == nil {
			good = append(good, one.picture)
		}
	}
	var classified []classify.Answer
	if len(good) > 0 {
		var err error
		if classified, err = m.Classify(ctx, good); err != nil {
			return nil, err
		}
	}
	all := make([]classify.Answer, len(p.all))
	for i, one := range p.all {
		if one.err != nil {
			text := one.err.Error()
			all[i] = classify.Answer{Predictions: []classify.Prediction{}, Error: &text, Reason: picture.ReasonOf(one.err)}
		} else {
			all[i], classified = classified[0], classified[1:]
		}
		all[i].File = one.name
		outcome := "classified"
		if all[i].Error != nil {
			outcome = "bad"
		}
		s.Metrics.photos.WithLabelValues(outcome).Inc()
	}
	return all, nil
}
