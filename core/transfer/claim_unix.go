//go:build linux || darwin

package transfer

import (
	"os"

	"golang.org/x/sys/unix"
)

// claim takes the lock on a file, which ends when f is closed or the process dies. It says whether it was to be had.
func claim(f *os.File) bool {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
