//go:build linux || darwin

package collect

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock waits for the lock on f, which ends when f is closed or the process dies.
func lock(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
