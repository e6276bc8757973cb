package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"mime/multipart"
	"net/http"

	"kaika/core/collect"
	"kaika/core/curate"
	"kaika/core/picture"
)

// maxParts is how many photos an upload brings at most.
const maxParts = 1000

// uploaded says what became of one photo of an upload.
type uploaded struct {
	File   string         `json:"file"`             // The name that it was sent under.
	ID     curate.ID      `json:"id,omitempty"`     // Of the photo in the dataset: the new one, or the one that was there.
	Label  string         `json:"label,omitempty"`  // Of that photo.
	Reason picture.Reason `json:"reason,omitempty"` // Why it was refused, in a word for programs; none if it landed.
	Error  *string        `json:"error"`            // Why it was refused: the rest of a sentence that begins with the file.
}

// uploadAnswer is the answer to an upload.
type uploadAnswer struct {
	Added   int        `json:"added"`
	Refused int        `json:"refused"`
	Photos  []uploaded `json:"photos"` // In the order of the upload.
}

// uploadPhotos takes new photos for a label: those of a form, or the bytes of a single one. Those of one request are one step
// for undo. The dataset is made with the first photo that can be used.
func (s *Server) uploadPhotos(w http.ResponseWriter, r *http.Request) error {
	name, label := r.PathValue("dataset"), r.URL.Query().Get("label")
	if _, err := s.datasets.find(name); err != nil {
		return err
	}
	if label == "" {
		return badRequest("no_label", "say what is on the photos: add ?label=NAME to the address")
	}
	release, err := s.datasets.hold(name)
	if err != nil {
		return err
	}
	defer release()
	from, err := newUpload(r)
	if err != nil {
		return err
	}
	answer := uploadAnswer{Photos: []uploaded{}}
	into := &arrivals{ctx: r.Context(), datasets: s.datasets, name: name}
	collector := collect.Collector{Library: into, Source: from, Observe: func(e collect.Event) {
		var row uploaded
		switch {
		case e.Photo != nil:
			row = uploaded{File: from.files[e.Photo.Source.ID], ID: e.Photo.ID, Label: e.Photo.Label}
			answer.Added++
		case e.Refusal != nil:
			row = uploaded{
				File: from.files[e.Refusal.Name], ID: into.same.ID, Label: into.same.Label, Reason: e.Refusal.Reason, Error: &e.Refusal.Detail,
			}
			answer.Refused++
		}
		into.same = curate.Photo{}
		answer.Photos = append(answer.Photos, row)
	}}
	_, err = collector.Run(r.Context(), []collect.Request{{Label: label}})
	switch {
	case err != nil && answer.Added > 0:
		said := *problemOf(datasetProblem(r.Context(), err))
		said.sentence = fmt.Sprintf("%s (%d photos of this request came in before, and stay)", said.sentence, answer.Added)
		return &said
	case err != nil:
		return datasetProblem(r.Context(), err)
	case len(answer.Photos) == 0:
		return badRequest("no_photos", "there is no photo in the request: send files in a form (multipart/form-data), or the bytes of one")
	}
	status := http.StatusOK
	if answer.Added > 0 {
		status = http.StatusCreated
	}
	writeJSON(w, status, answer)
	return nil
}

// arrivals is the dataset that an upload goes into. It is locked for each photo anew: a client may be slow.
type arrivals struct {
	ctx      context.Context // The request's.
	datasets *datasets
	name     string
	same     curate.Photo // The one that is there already, of the photo that was refused last.
}

// Photos implements collect.Library. Nothing is known again by where it came from, as an upload comes from nowhere.
func (a *arrivals) Photos(curate.Query) []curate.Photo { return nil }

// Add implements collect.Library.
func (a *arrivals) Add(ctx context.Context, addition curate.Addition) (added curate.Photo, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.datasets.patience)
	defer cancel()
	err = a.datasets.useOrMake(ctx, a.name, addition.Label, func(l *curate.Library) error {
		added, err = l.Add(ctx, addition)
		return err
	})
	if twice, ok := errors.AsType[*curate.DuplicateError](err); ok {
		a.same = twice.Photo
	}
	return added, datasetProblem(a.ctx, err) //nolint:contextcheck // The request's context tells whose fault it is.
}

// upload is the photos of a request, as a source.
type upload struct {
	form  *multipart.Reader // Nil where the body is one photo.
	body  io.Reader
	file  string            // The name of the photo at hand.
	files map[string]string // The names of all, by the numbers that they were given.
}

var _ collect.Source = (*upload)(nil)

func newUpload(r *http.Request) (*upload, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		file := r.URL.Query().Get("name")
		if file == "" {
			file = "photo"
		}
		return &upload{body: r.Body, file: file, files: map[string]string{}}, nil
	}
	form, err := r.MultipartReader()
	if err != nil {
		return nil, &problem{status: http.StatusBadRequest, code: "bad_form", sentence: "the form cannot be read: send multipart/form-data", err: err}
	}
	return &upload{form: form, files: map[string]string{}}, nil
}

// Name implements collect.Source.
func (u *upload) Name() string { return "upload" }

// Search implements collect.Source.
func (u *upload) Search(_ context.Context, _ collect.Request) iter.Seq2[collect.Item, error] {
	return func(yield func(collect.Item, error) bool) {
		if u.form == nil {
			first := make([]byte, 1)
			if _, err := io.ReadFull(u.body, first); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				yield(collect.Item{}, err)
				return
			}
			yield(u.item(io.MultiReader(bytes.NewReader(first), u.body)), nil)
			return
		}
		for parts := 0; ; parts++ {
			part, err := u.form.NextPart()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil && parts == maxParts {
				err = badRequest("too_many", fmt.Sprintf("an upload brings at most %d photos: send the others in another request", maxParts))
			}
			if err != nil {
				yield(collect.Item{}, formProblem(err))
				return
			}
			if part.FileName() == "" {
				continue // A field of the form that is no file.
			}
			u.file = part.FileName()
			if !yield(u.item(part), nil) {
				return
			}
		}
	}
}

// formProblem says what is wrong with a form, unless that was said.
func formProblem(err error) error {
	var said *problem
	var tooLarge *http.MaxBytesError
	if errors.As(err, &said) || errors.As(err, &tooLarge) {
		return err
	}
	return &problem{status: http.StatusBadRequest, code: "bad_form", sentence: "the form is damaged or ends too early: send it again", err: err}
}

// item is the photo at hand. It bears a number of its own, because other photos may come under the same name.
func (u *upload) item(from io.Reader) collect.Item {
	number := rand.Text()
	u.files[number] = u.file
	return collect.Item{
		Source: curate.Source{Kind: "upload", ID: number}, Name: u.file,
		Open: func(context.Context) (io.ReadCloser, error) { return readProblems{from}, nil },
	}
}

// readProblems is a photo of a form, with the words for what can go wrong with it.
type readProblems struct{ io.Reader }

// Read implements io.Reader.
func (p readProblems) Read(to []byte) (int, error) {
	n, err := p.Reader.Read(to)
	if err != nil && !errors.Is(err, io.EOF) {
		err = formProblem(err)
	}
	return n, err
}

// Close implements io.Closer.
func (readProblems) Close() error { return nil }
