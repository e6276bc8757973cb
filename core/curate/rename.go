package curate

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// rename gives a file or folder another name in the same file system. It never overwrites: where the name is taken, the
// error is fs.ErrExist.
func rename(from, to string) error {
	err := renameExclusive(from, to)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	if err == nil {
		return nil
	}
	switch _, err := os.Lstat(to); {
	case err == nil:
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return os.Rename(from, to)
}

// renameFolder renames a folder like rename, also where the two names are one to the file system, as "Rose" and "rose"
// are to many.
func renameFolder(from, to string) error {
	old, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if taken, err := os.Lstat(to); err == nil && from != to && os.SameFile(old, taken) {
		return os.Rename(from, to)
	}
	return rename(from, to)
}

// moveFile moves a photo's file, or the link that is one, also to another file system. It never overwrites: where the
// name is taken, the error is fs.ErrExist. Should the process die, the file is whole under the old name, the new one, or
// both; temp, a path beside the new one, may be left over.
func moveFile(from, to, temp string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return moveLink(from, to)
	}
	err = rename(from, to)
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	if err := copyFile(from, temp, info); err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(temp)))
	}
	if err := rename(temp, to); err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(temp)))
	}
	if err := os.Remove(from); err != nil {
		return errors.Join(err, os.Remove(to)) // Better one photo where it was than two.
	}
	return nil
}

// moveLink moves a link so that it leads where it led.
func moveLink(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if filepath.IsAbs(target) {
		err := rename(from, to)
		if !errors.Is(err, syscall.EXDEV) {
			return err
		}
	} else if target, err = relink(from, to, target); err != nil {
		return err
	}
	if err := os.Symlink(target, to); err != nil {
		return err
	}
	if err := os.Remove(from); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// relink returns where a relative link has to lead when it lies at to instead of from. It goes by real paths: the dots of
// a link count from there.
func relink(from, to, target string) (string, error) {
	oldDir, err := filepath.EvalSymlinks(filepath.Dir(from))
	if err != nil {
		return "", err
	}
	newDir, err := filepath.EvalSymlinks(filepath.Dir(to))
	if err != nil {
		return "", err
	}
	return filepath.Rel(newDir, filepath.Join(oldDir, target))
}

// copyFile writes a new file with the bytes, the time and the permissions of another, down to the disk.
func copyFile(from, to string, info fs.FileInfo) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // It was only read.
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm()|0o200)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	n, err := io.Copy(dst, src)
	if err != nil {
		return err
	}
	if n != info.Size() {
		return fmt.Errorf("%s was changed while it was copied", from)
	}
	if err := dst.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if err := os.Chtimes(to, info.ModTime(), info.ModTime()); err != nil {
		return err
	}
	return dst.Sync()
}

// writeFile writes a new file with the given bytes, down to the disk.
func writeFile(path string, data []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
