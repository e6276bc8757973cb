package server

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"kaika/core/curate"
	"kaika/core/transfer"
)

// exportArchive packs a dataset into a tar and sends it. It is packed whole before anything is sent: a client gets all of it or
// an error, knows how long it is, and holds up nobody who changes the dataset meanwhile.
func (s *Server) exportArchive(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("dataset")
	there, err := s.datasets.find(name)
	if err != nil {
		return err
	}
	if !there {
		return noDataset(name)
	}
	release, err := s.datasets.hold(name)
	if err != nil {
		return err
	}
	defer release()
	dir, err := os.MkdirTemp(s.datasets.dir, sendPattern)
	if err != nil {
		return datasetProblem(r.Context(), fmt.Errorf("making room for an archive: %w", err))
	}
	ctx := r.Context()
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			s.Log.WarnContext(ctx, "an archive cannot be removed", "path", dir, "error", err)
		}
	}()
	file := filepath.Join(dir, name+".tar")
	report, leftOut, err := s.packArchive(ctx, name, file)
	if err != nil {
		return err
	}
	f, err := os.Open(file) //nolint:gosec // The name is that of a folder of the list, see find.
	if err != nil {
		return fmt.Errorf("sending an archive: %w", err)
	}
	defer f.Close() //nolint:errcheck // It is only read.
	h := w.Header()
	h.Set("Content-Type", "application/x-tar")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name + ".tar"}))
	h.Set("Content-Length", strconv.FormatInt(report.Bytes, 10))
	if leftOut > 0 {
		h.Set("X-Photos-Left-Out", strconv.Itoa(leftOut))
	}
	_, _ = io.Copy(w, f) // Whoever is gone cannot be told, and whoever is not sees that some of it is missing.
	return nil
}

// packArchive writes the archive of a dataset, and counts the photos that could not be read.
func (s *Server) packArchive(ctx context.Context, name, file string) (report *transfer.Exported, leftOut int, err error) {
	err = s.datasets.use(ctx, name, func(l *curate.Library) error {
		photos := count(l.Labels())
		if photos == 0 {
			return &problem{
				status: http.StatusConflict, code: "no_photos", sentence: fmt.Sprintf("the dataset %q has no photos: there is nothing to send", name),
			}
		}
		if report, err = transfer.Export(ctx, l, file, transfer.ExportOptions{}); err == nil {
			leftOut = photos - report.Photos
		}
		return err
	})
	if err != nil {
		return nil, 0, datasetProblem(ctx, err)
	}
	for _, skip := range report.Skipped {
		s.Log.InfoContext(ctx, "a file of a dataset was left out of an archive", "path", skip.Path, "reason", skip.Reason)
	}
	return report, leftOut, nil
}
