//go:build linux || darwin

package curate

import (
	"io/fs"
	"syscall"
)

// inode gives the number that a file keeps under whatever name, as long as it lies in one file system.
func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}
