package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"kaika/core/curate"
	"kaika/core/picture"
)

// fresh is a dataset in the making, which nobody else sees: it needs neither a catalog nor steps to undo, and its photos need
// not be safe on the disk one by one. That is many times as fast.
type fresh struct {
	dir     string
	now     time.Time
	photos  map[picture.Digest]curate.Photo
	names   map[string]bool // Folded, below dir.
	files   []string
	sources bytes.Buffer
}

func newFresh(dir string) *fresh {
	return &fresh{dir: dir, now: time.Now().UTC().Truncate(time.Second), photos: map[picture.Digest]curate.Photo{}, names: map[string]bool{}}
}

// Photos implements collect.Library: there were none before.
func (f *fresh) Photos(curate.Query) []curate.Photo { return nil }

// Add implements collect.Library.
func (f *fresh) Add(ctx context.Context, a curate.Addition) (curate.Photo, error) {
	digest := picture.Sum(a.Data)
	if same, twice := f.photos[digest]; twice {
		return curate.Photo{}, &curate.DuplicateError{Photo: same}
	}
	if err := ctx.Err(); err != nil {
		return curate.Photo{}, err
	}
	rel := f.free(a.Label + "/" + a.Name)
	p := curate.Photo{
		Label: a.Label, Path: filepath.Join(f.dir, filepath.FromSlash(rel)), Name: path.Base(rel), Size: int64(len(a.Data)),
		Added: f.now, Source: a.Source,
	}
	record, err := json.Marshal(curate.SourceRecord{Digest: digest, Size: p.Size, File: rel, Added: p.Added, Source: p.Source})
	if err != nil {
		return curate.Photo{}, fmt.Errorf("write down where %s came from: %w", a.Name, err)
	}
	if err := f.write(p.Path, a.Data); err != nil {
		return curate.Photo{}, err
	}
	f.sources.Write(append(record, '\n'))
	f.photos[digest] = p
	return p, nil
}

// free gives the name, or one with a number where it is taken.
func (f *fresh) free(rel string) string {
	free := rel
	for n := 2; f.names[fold(free)]; n++ {
		ending := path.Ext(rel)
		free = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(rel, ending), n, ending)
	}
	f.names[fold(free)] = true
	return free
}

func (f *fresh) write(at string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	f.files = append(f.files, at)
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

// finish writes the list of sources, and sees to it that everything is on the disk.
func (f *fresh) finish(ctx context.Context) error {
	if err := f.write(filepath.Join(f.dir, filepath.FromSlash(curate.SourcesPath)), f.sources.Bytes()); err != nil {
		return err
	}
	for _, at := range f.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		file, err := os.OpenFile(at, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(file.Sync(), file.Close()); err != nil {
			return err
		}
	}
	return nil
}
