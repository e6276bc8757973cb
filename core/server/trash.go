package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kaika/core/curate"
)

// trashRoutes are those of what was deleted: the photos in a dataset's trash, and whole datasets. To list the photos and to
// bring them back are routes of photos.
func (s *Server) trashRoutes() []route {
	return []route{
		{pattern: "DELETE /api/v1/datasets/{dataset}/trash", access: accessChange, handle: s.emptyTrash},
		{pattern: "GET /api/v1/deleted", access: accessChange, handle: s.listDeleted},
		{pattern: "DELETE /api/v1/deleted", access: accessChange, handle: s.removeAllDeleted},
		{pattern: "POST /api/v1/deleted/{id}/restore", access: accessChange, handle: s.restoreDeleted},
		{pattern: "DELETE /api/v1/deleted/{id}", access: accessChange, handle: s.removeDeleted},
	}
}

// sure wants a yes in the query of a request that destroys something.
func sure(r *http.Request) error {
	if r.URL.Query().Get("yes") != "true" {
		return badRequest("not_sure", "this removes photos for good, and cannot be undone: add ?yes=true to the address if that is what you want")
	}
	return nil
}

// emptyTrash removes the deleted photos of a dataset for good.
func (s *Server) emptyTrash(w http.ResponseWriter, r *http.Request) error {
	if err := sure(r); err != nil {
		return err
	}
	removed := 0
	err := s.library(r.Context(), r.PathValue("dataset"), func(ctx context.Context, l *curate.Library) error {
		before := len(l.Photos(curate.Query{Trash: true}))
		err := l.EmptyTrash(ctx)
		removed = max(0, before-len(l.Photos(curate.Query{Trash: true})))
		return err
	})
	if part, ok := errors.AsType[*curate.PartialError](err); ok {
		return &problem{
			status: http.StatusConflict, code: "partly", err: err,
			sentence: fmt.Sprintf("%d photos were removed, and %d others cannot be: the server's log says why", part.Done, len(part.Failures)),
		}
	}
	if err != nil {
		return err
	}
	s.Log.InfoContext(r.Context(), "a trash was emptied", "dataset", r.PathValue("dataset"), "photos", removed)
	writeJSON(w, http.StatusOK, map[string]int{"removed": removed})
	return nil
}

// deletedTime is how the name of a deleted dataset's folder ends, behind a space.
const deletedTime = "20060102-150405.000000000"

// deletedDataset is a dataset that was deleted and can be brought back.
type deletedDataset struct {
	ID      string    `json:"id"`   // The name of its folder.
	Name    string    `json:"name"` // The name that it had.
	Deleted time.Time `json:"deleted"`
}

// deleted lists the datasets that were deleted, the one that was deleted last in front.
func (d *datasets) deleted() ([]deletedDataset, error) {
	if d.dir == "" {
		return nil, errNoDatasets()
	}
	entries, err := os.ReadDir(d.path(deletedDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing the deleted datasets: %w", err)
	}
	all := []deletedDataset{}
	for _, e := range entries {
		end := strings.LastIndexByte(e.Name(), ' ')
		if end < 0 || checkName(e.Name()[:end]) != nil {
			continue
		}
		if at, err := time.Parse(deletedTime, e.Name()[end+1:]); err == nil {
			all = append(all, deletedDataset{e.Name(), e.Name()[:end], at})
		}
	}
	slices.SortFunc(all, func(a, b deletedDataset) int {
		return cmp.Or(b.Deleted.Compare(a.Deleted), strings.Compare(a.ID, b.ID))
	})
	return all, nil
}

// findDeleted gives a deleted dataset.
func (d *datasets) findDeleted(id string) (deletedDataset, error) {
	all, err := d.deleted()
	if err != nil {
		return deletedDataset{}, err
	}
	if i := slices.IndexFunc(all, func(one deletedDataset) bool { return one.ID == id }); i >= 0 {
		return all[i], nil
	}
	return deletedDataset{}, noDeleted(id, nil)
}

func noDeleted(id string, err error) error {
	return &problem{
		status: http.StatusNotFound, code: "no_deleted", sentence: fmt.Sprintf("there is no deleted dataset %q: GET /api/v1/deleted lists them", shortened(id)), err: err,
	}
}

// restore brings a deleted dataset back under a name, which must be free.
func (d *datasets) restore(from deletedDataset, name string) error {
	there, err := d.find(name)
	if err != nil {
		return err
	}
	if there {
		return &problem{
			status: http.StatusConflict, code: "dataset_exists",
			sentence: fmt.Sprintf("there is a dataset %q: bring the deleted one back under another name, by ?name=NAME", name),
		}
	}
	release, err := d.seize(name)
	if err != nil {
		return err
	}
	defer release()
	o, err := d.slot(name)
	if err != nil {
		return err
	}
	o.lock.Lock() // So that nobody makes it meanwhile.
	defer o.lock.Unlock()
	if _, err := os.Lstat(d.path(name)); !errors.Is(err, fs.ErrNotExist) {
		return &problem{
			status: http.StatusConflict, code: "dataset_exists", sentence: fmt.Sprintf("there is something else under the name %q by now", name), err: err,
		}
	}
	err = os.Rename(filepath.Join(d.path(deletedDir), from.ID), d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return noDeleted(from.ID, err) // Somebody was faster.
	}
	if err != nil {
		return fmt.Errorf("bringing back the dataset %s: %w", name, err)
	}
	return nil
}

// remove removes a deleted dataset for good. What is half removed is not in the list any more.
func (d *datasets) remove(one deletedDataset) error {
	going, err := os.MkdirTemp(d.path(deletedDir), removePattern)
	if err != nil {
		return fmt.Errorf("removing the dataset %s: %w", one.ID, err)
	}
	err = os.Rename(filepath.Join(d.path(deletedDir), one.ID), filepath.Join(going, one.ID))
	if errors.Is(err, fs.ErrNotExist) {
		err = noDeleted(one.ID, err)
	}
	if err := errors.Join(err, os.RemoveAll(going)); err != nil {
		return fmt.Errorf("removing the dataset %s: %w", one.ID, err)
	}
	return nil
}

func (s *Server) listDeleted(w http.ResponseWriter, _ *http.Request) error {
	all, err := s.datasets.deleted()
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"deleted": all})
	return nil
}

func (s *Server) restoreDeleted(w http.ResponseWriter, r *http.Request) error {
	one, err := s.datasets.findDeleted(r.PathValue("id"))
	if err != nil {
		return err
	}
	name := cmp.Or(r.URL.Query().Get("name"), one.Name)
	if err := s.datasets.restore(one, name); err != nil {
		return datasetProblem(r.Context(), err)
	}
	s.Log.InfoContext(r.Context(), "a deleted dataset was brought back", "dataset", name, "from", one.ID)
	w.Header().Set("Location", "/api/v1/datasets/"+url.PathEscape(name))
	writeJSON(w, http.StatusOK, map[string]string{"restored": name})
	return nil
}

func (s *Server) removeDeleted(w http.ResponseWriter, r *http.Request) error {
	if err := sure(r); err != nil {
		return err
	}
	one, err := s.datasets.findDeleted(r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.removeForGood(w, r, one)
}

func (s *Server) removeAllDeleted(w http.ResponseWriter, r *http.Request) error {
	if err := sure(r); err != nil {
		return err
	}
	all, err := s.datasets.deleted()
	if err != nil {
		return err
	}
	return s.removeForGood(w, r, all...)
}

// removeForGood removes deleted datasets, and tells which.
func (s *Server) removeForGood(w http.ResponseWriter, r *http.Request, all ...deletedDataset) error {
	removed := []string{}
	for _, one := range all {
		err := s.datasets.remove(one)
		if len(all) > 1 && errors.Is(err, fs.ErrNotExist) {
			continue // Somebody else removes them, too.
		}
		if err != nil {
			return datasetProblem(r.Context(), err)
		}
		s.Log.InfoContext(r.Context(), "a deleted dataset was removed for good", "from", one.ID)
		removed = append(removed, one.ID)
	}
	writeJSON(w, http.StatusOK, map[string][]string{"removed": removed})
	return nil
}
