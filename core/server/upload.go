package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaika/core/classify"
	"kaika/core/inbox"
	"kaika/core/serve"
)

// uploadRoutes are those of the photos that were kept of uploads.
func (s *Server) uploadRoutes() []route {
	return []route{
		{pattern: "GET /api/v1/uploads", access: accessChange, handle: s.listUploads},
		{pattern: "GET /api/v1/uploads/{id}", access: accessChange, handle: s.showUpload},
		{pattern: "DELETE /api/v1/uploads/{id}", access: accessChange, handle: s.deleteUpload},
		{pattern: "GET /api/v1/uploads/{id}/photo", access: accessChange, handle: s.showUploadPhoto},
	}
}

// keep hands photos that were classified to where they are kept, if they are. It does not wait.
func (s *Server) keep(m *serve.Model, photos *sentPhotos, answers []classify.Answer) {
	if s.Uploads == nil {
		return
	}
	now := time.Now()
	for i, a := range answers {
		if a.Error == nil {
			s.Uploads.Keep(inbox.Photo{Picture: photos.all[i].picture, Answer: a, Model: m.Name, Version: m.Version, At: now})
		}
	}
}

// uploads gives the kept photos, or says that there are none.
func (s *Server) uploads() (*inbox.Keeper, error) {
	if s.Uploads == nil {
		return nil, notFound("not_kept", "this server keeps no photos: it does if it is started with --uploads")
	}
	return s.Uploads, nil
}

// uploadProblem finds what to say of an error of a kept photo.
func uploadProblem(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return &problem{
			status: http.StatusNotFound, code: "no_upload", sentence: "there is no such kept photo any more: GET /api/v1/uploads lists them", err: err,
		}
	}
	return &problem{
		status: http.StatusServiceUnavailable, code: "uploads", sentence: "the kept photos cannot be reached: try again in a moment, or see the server's log",
		retryAfter: 10 * time.Second, err: err,
	}
}

func (s *Server) listUploads(w http.ResponseWriter, r *http.Request) error {
	kept, err := s.uploads()
	if err != nil {
		return err
	}
	asked := r.URL.Query()
	q := inbox.Query{Order: inbox.ByConfidence}
	switch order := inbox.Order(asked.Get("order")); order {
	case "":
	case inbox.ByConfidence, inbox.Newest:
		q.Order = order
	default:
		return badRequest("bad_query", fmt.Sprintf("order must be %s or %s", inbox.ByConfidence, inbox.Newest))
	}
	const usual, most = 50, 1 << 30
	if q.Offset, err = whole(asked, "offset", 0, 0, most); err != nil {
		return err
	}
	if q.Limit, err = whole(asked, "limit", usual, 1, inbox.MaxPage); err != nil {
		return err
	}
	page, err := kept.List(r.Context(), q)
	if err != nil {
		return s.uploadsGone(err)
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}

// uploadsGone says that the list cannot be read: also a folder that is gone is no photo that is not there.
func (s *Server) uploadsGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New(err.Error())
	}
	return uploadProblem(err)
}

func (s *Server) showUpload(w http.ResponseWriter, r *http.Request) error {
	kept, err := s.uploads()
	if err != nil {
		return err
	}
	record, err := kept.Record(r.Context(), r.PathValue("id"))
	if err != nil {
		return uploadProblem(err)
	}
	writeJSON(w, http.StatusOK, record)
	return nil
}

func (s *Server) deleteUpload(w http.ResponseWriter, r *http.Request) error {
	kept, err := s.uploads()
	if err != nil {
		return err
	}
	if err := kept.Remove(r.Context(), r.PathValue("id")); err != nil {
		return uploadProblem(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) showUploadPhoto(w http.ResponseWriter, r *http.Request) error {
	kept, err := s.uploads()
	if err != nil {
		return err
	}
	data, kind, err := kept.Photo(r.Context(), r.PathValue("id"))
	if err != nil {
		return uploadProblem(err)
	}
	h := w.Header()
	h.Set("Content-Type", kind) // One of two; what is in a file does not count.
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	_, _ = w.Write(data) //nolint:gosec // It is a picture, and nothing else to a browser. Whoever is gone cannot be told.
	return nil
}

// uploadMetrics are the figures of the kept photos.
type uploadMetrics struct{ kept *inbox.Keeper }

var (
	uploadsTotal  = prometheus.NewDesc("kaika_uploads_total", "Photos that were to be kept, by what became of them, and those that were removed because of the limits.", []string{"outcome"}, nil)
	uploadsPhotos = prometheus.NewDesc("kaika_uploads_photos", "Photos that are kept.", nil, nil)
	uploadsBytes  = prometheus.NewDesc("kaika_uploads_bytes", "Bytes that the kept photos take.", nil, nil)
)

// Describe implements prometheus.Collector.
func (m uploadMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- uploadsTotal
	to <- uploadsPhotos
	to <- uploadsBytes
}

// Collect implements prometheus.Collector.
func (m uploadMetrics) Collect(to chan<- prometheus.Metric) {
	stats := m.kept.Stats()
	for outcome, n := range map[string]int64{"kept": stats.Kept, "dropped": stats.Dropped, "failed": stats.Failed, "removed": stats.Removed} {
		to <- prometheus.MustNewConstMetric(uploadsTotal, prometheus.CounterValue, float64(n), outcome)
	}
	to <- prometheus.MustNewConstMetric(uploadsPhotos, prometheus.GaugeValue, float64(stats.Photos))
	to <- prometheus.MustNewConstMetric(uploadsBytes, prometheus.GaugeValue, float64(stats.Bytes))
}
