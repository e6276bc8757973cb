//go:build unix

package picture_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"kaika/core/picture"
)

func TestReadDoesNotWaitForPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.jpg")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip("no named pipes here: ", err)
	}
	if _, _, err := picture.Read(t.Context(), pipe); picture.ReasonOf(err) != picture.Unreadable {
		t.Errorf("got %v", err)
	}
}
