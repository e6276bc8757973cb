package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kaika/core/curate"
)

// Limits of requests about datasets. Who sends them has a token.
const (
	maxPhotos   = 1 << 30  // Bytes of an upload of photos.
	maxArchive  = 64 << 30 // Bytes of an archive.
	maxSettings = 64 << 10 // Bytes of a JSON document.
	maxPage     = 1000     // Photos in one answer.
)

// datasetRoutes are those of datasets and their photos.
func (s *Server) datasetRoutes() []route {
	return []route{
		{pattern: "GET /api/v1/datasets", access: accessChange, handle: s.listDatasets},
		{pattern: "GET /api/v1/datasets/{dataset}", access: accessChange, handle: s.showDataset},
		{pattern: "DELETE /api/v1/datasets/{dataset}", access: accessChange, handle: s.deleteDataset},
		{pattern: "POST /api/v1/datasets/{dataset}/undo", access: accessChange, handle: s.undo},
		{pattern: "GET /api/v1/datasets/{dataset}/photos", access: accessChange, handle: s.listPhotos},
		{pattern: "POST /api/v1/datasets/{dataset}/photos", access: accessChange, maxBody: maxPhotos, handle: s.uploadPhotos},
		{pattern: "GET /api/v1/datasets/{dataset}/photos/{id}", access: accessChange, handle: s.showPhoto},
		{pattern: "DELETE /api/v1/datasets/{dataset}/photos/{id}", access: accessChange, handle: s.deletePhoto},
		{pattern: "POST /api/v1/datasets/{dataset}/photos/{id}/restore", access: accessChange, handle: s.restorePhoto},
		{pattern: "POST /api/v1/datasets/{dataset}/archive", access: accessChange, maxBody: maxArchive, handle: s.importArchive},
		{pattern: "GET /api/v1/datasets/{dataset}/archive", access: accessChange, handle: s.exportArchive},
		{pattern: "GET /api/v1/imports/current", access: accessChange, handle: s.showImport},
		{pattern: "DELETE /api/v1/imports/current", access: accessChange, handle: s.cancelImport},
	}
}

// datasetSummary is a dataset in a list.
type datasetSummary struct {
	Name   string `json:"name"`
	Photos int    `json:"photos"`
	Labels int    `json:"labels"`
	Trash  int    `json:"trash"`           // Photos that were deleted and can be brought back.
	Error  string `json:"error,omitempty"` // Why it cannot be opened.
}

// datasetDetails are all that is known of a dataset but its photos.
type datasetDetails struct {
	Name    string        `json:"name"`
	Photos  int           `json:"photos"`
	Labels  []labelCount  `json:"labels"`
	Trash   int           `json:"trash"`
	Skipped []skippedFile `json:"skipped"` // What lies in its folder and is no part of it.
	Undo    *action       `json:"undo"`    // The step that would be undone.
}

type labelCount struct {
	Name   string `json:"name"`
	Photos int    `json:"photos"`
}

type skippedFile struct {
	File   string `json:"file"` // Below the dataset's folder.
	Reason string `json:"reason"`
	Detail string `json:"detail"` // The rest of a sentence that begins with the file.
}

// action is a step that was done or undone.
type action struct {
	Kind   curate.ActionKind `json:"kind"`
	Photos int               `json:"photos"`
	Label  string            `json:"label,omitempty"`
	From   string            `json:"from,omitempty"` // The name that a renamed label had.
	At     time.Time         `json:"at"`
}

func actionOf(a curate.Action) action {
	return action{a.Kind, a.Count, a.Label, a.From, a.At}
}

// photo is one photo of a dataset.
type photo struct {
	ID      curate.ID     `json:"id"`
	Label   string        `json:"label"` // In the trash the one that it had.
	Name    string        `json:"name"`
	Bytes   int64         `json:"bytes"`
	Width   int           `json:"width,omitempty"` // In pixels, upright, where it is known.
	Height  int           `json:"height,omitempty"`
	Added   time.Time     `json:"added"`
	Deleted time.Time     `json:"deleted,omitzero"`
	Source  curate.Source `json:"source,omitzero"`
}

func photoOf(p curate.Photo) photo {
	source := p.Source
	if !strings.HasPrefix(source.From, "http://") && !strings.HasPrefix(source.From, "https://") {
		source.From = "" // Where it lay on the server is nobody else's business.
	}
	return photo{p.ID, p.Label, p.Name, p.Size, p.Width, p.Height, p.Added, p.Deleted, source}
}

func (s *Server) listDatasets(w http.ResponseWriter, r *http.Request) error {
	names, err := s.datasets.names()
	if err != nil {
		return err
	}
	list := []datasetSummary{}
	for _, name := range names {
		summary := datasetSummary{Name: name}
		err := s.library(r.Context(), name, func(_ context.Context, l *curate.Library) error {
			labels := l.Labels()
			summary.Labels, summary.Photos, summary.Trash = len(labels), count(labels), len(l.Photos(curate.Query{Trash: true}))
			return nil
		})
		var said *problem
		switch {
		case errors.As(err, &said) && said.code == "no_dataset": // It went meanwhile.
			continue
		case r.Context().Err() != nil:
			return r.Context().Err()
		case err != nil: // The others can be used all the same.
			s.Log.WarnContext(r.Context(), "a dataset cannot be opened", "dataset", name, "error", err)
			summary.Error = problemOf(err).sentence
		}
		list = append(list, summary)
	}
	writeJSON(w, http.StatusOK, map[string]any{"datasets": list})
	return nil
}

// count adds up the photos of labels.
func count(labels []curate.LabelCount) (photos int) {
	for _, l := range labels {
		photos += l.Photos
	}
	return photos
}

// library calls f with a dataset, and with the time that it has for that.
func (s *Server) library(ctx context.Context, name string, f func(ctx context.Context, l *curate.Library) error) error {
	limited, cancel := context.WithTimeout(ctx, s.datasets.patience)
	defer cancel()
	err := s.datasets.use(limited, name, func(l *curate.Library) error { return f(limited, l) })
	return datasetProblem(ctx, err)
}

func (s *Server) showDataset(w http.ResponseWriter, r *http.Request) error {
	d := datasetDetails{Name: r.PathValue("dataset"), Labels: []labelCount{}, Skipped: []skippedFile{}}
	err := s.library(r.Context(), r.PathValue("dataset"), func(_ context.Context, l *curate.Library) error {
		labels := l.Labels()
		d.Photos, d.Trash = count(labels), len(l.Photos(curate.Query{Trash: true}))
		for _, label := range labels {
			d.Labels = append(d.Labels, labelCount(label))
		}
		for _, skip := range l.Skipped() {
			d.Skipped = append(d.Skipped, skippedFile{below(l.Dir(), skip.Path), string(skip.Reason), skip.Detail})
		}
		if a, ok := l.CanUndo(); ok {
			step := actionOf(a)
			d.Undo = &step
		}
		return nil
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, d)
	return nil
}

// below gives a path without the folder that it lies in.
func below(dir, path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, dir), string(os.PathSeparator))
}

func (s *Server) deleteDataset(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("dataset")
	to, err := s.datasets.delete(name)
	if err != nil {
		return datasetProblem(r.Context(), err)
	}
	s.Log.InfoContext(r.Context(), "a dataset was deleted, which is to say moved", "dataset", name, "to", to)
	writeJSON(w, http.StatusOK, map[string]string{"deleted": name, "id": filepath.Base(to), "kept_as": below(s.datasets.dir, to)})
	return nil
}

func (s *Server) undo(w http.ResponseWriter, r *http.Request) error {
	var done curate.Action
	err := s.library(r.Context(), r.PathValue("dataset"), func(ctx context.Context, l *curate.Library) (err error) {
		done, err = l.Undo(ctx)
		return err
	})
	if part, ok := errors.AsType[*curate.PartialError](err); ok {
		return &problem{
			status: http.StatusConflict, code: "partly", err: err,
			sentence: fmt.Sprintf("the step was undone for %d photos; %d others were moved or removed by another program since", part.Done, len(part.Failures)),
		}
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, actionOf(done))
	return nil
}

// photoPage is a part of a list of photos.
type photoPage struct {
	Total  int     `json:"total"` // Of the whole list.
	Offset int     `json:"offset"`
	Photos []photo `json:"photos"`
}

func (s *Server) listPhotos(w http.ResponseWriter, r *http.Request) error {
	asked := r.URL.Query()
	offset, err := whole(asked, "offset", 0, 0, 1<<30)
	if err != nil {
		return err
	}
	limit, err := whole(asked, "limit", 100, 1, maxPage)
	if err != nil {
		return err
	}
	query := curate.Query{Labels: asked["label"]}
	switch trash := asked.Get("trash"); trash {
	case "", "false":
	case "true":
		query.Trash = true
	default:
		return badRequest("bad_query", fmt.Sprintf("trash must be true or false, not %q", trash))
	}
	page := photoPage{Offset: offset, Photos: []photo{}}
	err = s.library(r.Context(), r.PathValue("dataset"), func(_ context.Context, l *curate.Library) error {
		all := l.Photos(query)
		page.Total = len(all)
		for _, p := range all[min(offset, len(all)):min(offset+limit, len(all))] {
			page.Photos = append(page.Photos, photoOf(p))
		}
		return nil
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}

// whole reads a whole number of a query.
func whole(asked url.Values, name string, otherwise, least, most int) (int, error) {
	text := asked.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, badRequest("bad_query", fmt.Sprintf("%s must be a whole number from %d to %d, not %q", name, least, most, text))
	}
	return n, nil
}

// onPhoto calls f with the photo that a request names.
func (s *Server) onPhoto(r *http.Request, f func(ctx context.Context, l *curate.Library, p curate.Photo) error) error {
	gone := notFound("no_photo", "there is no such photo in this dataset: its list of photos gives their numbers")
	number, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return gone
	}
	return s.library(r.Context(), r.PathValue("dataset"), func(ctx context.Context, l *curate.Library) error {
		p, ok := l.Photo(curate.ID(number))
		if !ok {
			return gone
		}
		return f(ctx, l, p)
	})
}

// pictureTypes are the types under which photos are handed out. Whatever else a file may be is handed out as bytes.
var pictureTypes = []string{"image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp"}

func (s *Server) showPhoto(w http.ResponseWriter, r *http.Request) error {
	var path string
	err := s.onPhoto(r, func(_ context.Context, _ *curate.Library, p curate.Photo) error {
		path = p.Path
		return nil
	})
	if err != nil {
		return err
	}
	unread := func(err error) error {
		return &problem{
			status: http.StatusNotFound, code: "no_photo", sentence: "the file of this photo cannot be read: look at the list of photos anew", err: err,
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return unread(err)
	}
	if !info.Mode().IsRegular() {
		return unread(fmt.Errorf("%s is no regular file", path))
	}
	f, err := os.Open(path)
	if err != nil {
		return unread(err)
	}
	defer f.Close() //nolint:errcheck // It is only read.
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return unread(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return unread(err)
	}
	kind := http.DetectContentType(head[:n])
	if !slices.Contains(pictureTypes, kind) {
		kind = "application/octet-stream"
		w.Header().Set("Content-Disposition", "attachment")
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	w.Header().Set("Cache-Control", "private, no-cache")
	http.ServeContent(w, r, "", info.ModTime(), f)
	return nil
}

func (s *Server) deletePhoto(w http.ResponseWriter, r *http.Request) error {
	return s.movePhoto(w, r, (*curate.Library).Delete)
}

func (s *Server) restorePhoto(w http.ResponseWriter, r *http.Request) error {
	return s.movePhoto(w, r, (*curate.Library).Restore)
}

// movePhoto moves a photo to the trash or out of it.
func (s *Server) movePhoto(w http.ResponseWriter, r *http.Request, move func(*curate.Library, context.Context, []curate.ID) error) error {
	var moved photo
	err := s.onPhoto(r, func(ctx context.Context, l *curate.Library, p curate.Photo) error {
		if err := move(l, ctx, []curate.ID{p.ID}); err != nil {
			return err
		}
		if now, ok := l.Photo(p.ID); ok {
			p = now
		}
		moved = photoOf(p)
		return nil
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, moved)
	return nil
}

// readDocument reads the one JSON document of a request. What it does not know it refuses: a setting with a slip of the pen
// would be left out unseen.
func readDocument(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more behind it")
		}
	}
	var said *problem
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said), errors.As(err, &tooLarge):
		return err
	case errors.Is(err, io.EOF):
		return badRequest("bad_json", "the request has no body: send a JSON document")
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := cmp.Or(kind.Field[strings.LastIndexByte(kind.Field, '.')+1:], "the body") // Before the dot stands a name of Go's.
		return badRequest("bad_json", fmt.Sprintf("%s cannot be %s: give %s", field, kind.Value, kindWords(kind.Type.Kind().String())))
	}
	return badRequest("bad_json", "the body is not the JSON document that is wanted: "+strings.TrimPrefix(err.Error(), "json: "))
}

// kindWords says what a setting wants.
func kindWords(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"):
		return "a whole number"
	case strings.HasPrefix(kind, "float"):
		return "a number"
	case kind == "bool":
		return "true or false"
	case kind == "struct":
		return "an object"
	}
	return "a " + kind
}
