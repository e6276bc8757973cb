// Package atomicfile writes files that are there whole, or as they were before, even after a crash of the machine.
package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write writes a file of the given mode, which is not cut by the umask, and puts it in the place of one that is there.
func Write(path string, mode fs.FileMode, data []byte) error {
	return Create(path, mode, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Create is Write for what is made bit by bit. What write writes lies beside the place of the file, under the name
// .NAME-NUMBER and for its owner's eyes only, and gets the mode and the name when it is on the disk. After an error it is gone.
func Create(path string, mode fs.FileMode, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // It has mode 0600.
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
