package curate

import "golang.org/x/sys/unix"

// renameExclusive renames a file or folder, and fails with EEXIST where the new name is taken, or with an error that is
// unsure (see below) where the file system cannot promise that.
func renameExclusive(from, to string) error {
	return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
}
