package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Beside gives the bytes of a file that lies beside the label folders, by its slash-separated name there. The error is
// fs.ErrNotExist if there is none, and says so if it has more than limit bytes.
func (f *Folder) Beside(ctx context.Context, name string, limit int64) ([]byte, error) {
	found, err := f.list(ctx)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(f.dir, filepath.FromSlash(found.layout.within+name))
	if target, err := realPath(path); err == nil && f.Closed {
		if root, err := realPath(f.dir); err != nil || !contains(root, target) {
			return nil, fmt.Errorf("%s is a link that leads out of the folder: %w", path, fs.ErrNotExist)
		}
	}
	info, err := os.Stat(path) // First: opening a named pipe would wait for somebody to write into it.
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // It was only read.
	return atMost(stopping{ctx, file}, path, limit)
}

// Beside is as that of Folder. It reads a tar up to the file.
func (a *Archive) Beside(ctx context.Context, name string, limit int64) ([]byte, error) {
	var data []byte
	err := a.open(func(f *os.File, info fs.FileInfo) error {
		found, err := a.index(ctx, f, info)
		if err != nil {
			return err
		}
		for e, err := range a.entries(ctx, f, info.Size()) {
			if err != nil {
				return err
			}
			at, err := local(found.text(e.name))
			if err != nil || at != found.layout.within+name || e.kind != aFile || e.locked {
				continue
			}
			body, err := e.open(at)
			if err != nil {
				return err
			}
			data, err = atMost(body, at, limit)
			return errors.Join(err, body.Close())
		}
		return fmt.Errorf("%s is not in it: %w", name, fs.ErrNotExist)
	})
	return data, err
}

// atMost reads all that there is, which may not be more than limit bytes.
func atMost(r io.Reader, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return data, err
}
