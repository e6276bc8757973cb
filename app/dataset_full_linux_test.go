package app

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"kaika/core/picture/picturetest"
)

// TestDatasetOnFullDisk imports and exports where there is too little room: nothing half is there, and what is said of it is
// true.
func TestDatasetOnFullDisk(t *testing.T) {
	full := t.TempDir()
	if err := syscall.Mount("none", full, "tmpfs", 0, "size=200k"); err != nil {
		t.Skipf("no small disk can be made: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(full, 0); err != nil {
			t.Error(err)
		}
	})
	photos := picturetest.Dataset(t, 1, "rose", "lily")
	for n := range 60 {
		write(t, picturetest.JPEG(n, n, 320, 240), photos, "rose", fmt.Sprintf("%d.jpg", n))
	}
	here(t, "dataset", "import", photos, "--dataset", filepath.Join(full, "new")).ends(exitFailed, "no space left", "Make room on that disk. A new dataset was not made")
	here(t, "dataset", "export", photos, filepath.Join(full, "x.tar")).ends(exitFailed, "no space left", "Make room on that disk. No file was written")
	if left, err := os.ReadDir(full); err != nil || len(left) > 0 {
		t.Errorf("there is %v, %v", left, err)
	}
}
