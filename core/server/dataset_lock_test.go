//go:build unix

package server

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// lockDataset locks a dataset as another program does that changes it.
func lockDataset(t testing.TB, dir string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, ".kaika", "lock"), os.O_RDWR, 0)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
