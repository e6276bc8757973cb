package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// What an import or an export makes beside its goal, until it is whole, has such a name. It is locked while it is in use: what
// a process that was killed left behind is not.
const (
	importPrefix = ".kaika-import-"
	exportPrefix = ".kaika-export-"
	lockName     = "lock" // In the folder of an import.
)

// scratchDir makes a folder for an import, and removes those that were left behind in the same place. done removes it.
func scratchDir(parent string) (dir string, done func() error, err error) {
	sweep(parent, importPrefix, lockName)
	const tries = 10 // Another import may take a new folder for one that was left behind, before it is locked.
	for range tries {
		if dir, err = os.MkdirTemp(parent, importPrefix+"*"); err != nil {
			return "", nil, err
		}
		var lock *os.File
		lock, err = os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			claim(lock) // Where there are no locks, nobody removes what has none either.
			if same(lock, lock.Name()) {
				return dir, func() error { return errors.Join(wipe(dir, lockName), lock.Close()) }, nil
			}
			err = errors.Join(fmt.Errorf("%s was taken away: %w", dir, fs.ErrNotExist), lock.Close())
		}
		err = errors.Join(err, os.RemoveAll(dir))
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return "", nil, err
}

// scratchFile makes a file for an export, and removes those that were left behind in the same place.
func scratchFile(parent string) (f *os.File, err error) {
	sweep(parent, exportPrefix, "")
	const tries = 10
	for range tries {
		if f, err = os.CreateTemp(parent, exportPrefix+"*"); err != nil {
			return nil, err
		}
		claim(f)
		if same(f, f.Name()) {
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s was taken away: %w", f.Name(), fs.ErrNotExist)
}

// sweep removes what was left behind in a folder, as far as that can be done: nothing depends on it.
func sweep(parent, prefix, lock string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			remove(filepath.Join(parent, e.Name()), lock)
		}
	}
}

// remove removes a file or folder that nobody has locked.
func remove(at, lock string) {
	if info, err := os.Lstat(at); err != nil || info.IsDir() != (lock != "") || !info.IsDir() && !info.Mode().IsRegular() {
		return
	}
	f, err := os.OpenFile(filepath.Join(at, lock), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) && lock != "" {
		_ = os.Remove(at) // It was made and not locked yet; so it is empty, or somebody else's.
		return
	}
	if err != nil {
		return
	}
	defer f.Close() //nolint:errcheck // Nothing was written.
	if claim(f) && same(f, f.Name()) {
		_ = wipe(at, lock)
	}
}

// wipe removes a file or folder, and of a folder the lock last: whoever is killed meanwhile leaves it as it can be removed again.
func wipe(at, lock string) error {
	if lock != "" {
		entries, err := os.ReadDir(at)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Name() != lock {
				err = errors.Join(err, os.RemoveAll(filepath.Join(at, e.Name())))
			}
		}
		if err != nil {
			return err
		}
	}
	return os.RemoveAll(at)
}

// same says whether a path leads to an open file.
func same(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(path)
	return err == nil && os.SameFile(opened, named)
}
