//go:build unix

package trained

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestWriteFileReplacesOnlyFiles writes to a pipe and through a link, which must both stay, and not to a folder.
func TestWriteFileReplacesOnlyFiles(t *testing.T) {
	dir := t.TempDir()
	pipe, link, file := filepath.Join(dir, "pipe"), filepath.Join(dir, "link"), filepath.Join(dir, "file")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skipf("no pipe can be made: %v", err)
	}
	read := make(chan string)
	go func() {
		data, err := os.ReadFile(pipe)
		if err != nil {
			t.Error(err)
		}
		read <- string(data)
	}()
	if err := WriteFile(pipe, []byte("through the pipe")); err != nil {
		t.Error(err)
	}
	if got := <-read; got != "through the pipe" {
		t.Errorf("through the pipe came %q", got)
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe is gone: %v, %v", info, err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(link, []byte("behind the link")); err != nil {
		t.Error(err)
	}
	if target, err := os.Readlink(link); err != nil || target != file {
		t.Errorf("the link is gone: %s, %v", target, err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "behind the link" {
		t.Errorf("behind the link lies %q, %v", got, err)
	}
	if err := WriteFile(dir, nil); err == nil {
		t.Error("a folder is overwritten")
	}
}
