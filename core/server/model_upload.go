package server

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"kaika/core/fetch"
	"kaika/core/job"
	"kaika/core/serve"
)

// Bounds of a model that is sent: an archive of a model's folder, which holds four files.
const (
	maxModel      = 2 << 30 // Bytes, packed and unpacked.
	maxModelFiles = 100
)

// sendModel takes an archive of a model's folder and has it served, if it is sound. Otherwise nothing of it stays.
func (s *Server) sendModel(w http.ResponseWriter, r *http.Request) error {
	if s.Received == "" {
		return &problem{status: http.StatusNotFound, code: "no_models", sentence: "this server takes no models: put them into the folder of --model"}
	}
	return s.swap(w, r, func(ctx context.Context, name string) error {
		if err := serve.CheckName(name); err != nil {
			return err
		}
		dir, err := s.unpackModel(ctx, name, r)
		if err != nil {
			return err
		}
		if _, err := s.Models.Activate(ctx, name, dir); err != nil {
			return errors.Join(err, os.RemoveAll(dir))
		}
		s.Log.InfoContext(ctx, "a model was sent", "model", name, "folder", dir)
		return nil
	})
}

// unpackModel makes a folder out of the archive that a request brings.
func (s *Server) unpackModel(ctx context.Context, name string, r *http.Request) (dir string, err error) {
	file, err := receiveFile(ctx, s.Received, r, func(job.Progress) {})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.Remove(file)) }()
	dir = filepath.Join(s.Received, name+"-"+time.Now().UTC().Format("20060102-150405")+"-"+rand.Text()[:8])
	err = fetch.Unpack(ctx, file, dir, fetch.Limits{MaxFiles: maxModelFiles, MaxBytes: maxModel, MaxFileBytes: maxModel}, ofModel)
	if errors.Is(err, fetch.ErrArchive) {
		return "", &problem{
			status: http.StatusUnprocessableEntity, code: "bad_archive", err: err,
			sentence: "the archive cannot be used: send the folder of one model, with its files, as a tar, tar.gz or zip that is whole",
		}
	}
	return dir, err
}

// ofModel keeps the files of a model's folder, with the folder around them or without it.
func ofModel(name string) (rename string, ok bool) {
	folder, file := path.Split(name)
	return file, strings.Count(folder, "/") <= 1 && !strings.HasPrefix(file, ".")
}
