package feature

import (
	"fmt"
	"io/fs"
	"syscall"
)

// inode gives the device, the inode and the time of its last change.
func inode(info fs.FileInfo) string {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d %d %d.%d", s.Dev, s.Ino, s.Ctim.Sec, s.Ctim.Nsec)
}
