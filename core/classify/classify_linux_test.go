package classify

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// anybody makes the file accesses of the calling goroutine those of a user without rights. Its thread ends with it.
func anybody() {
	if os.Geteuid() == 0 {
		runtime.LockOSThread()
		const nobody = 65534
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0) // It gives no errors.
	}
}

func TestFolderThatCannotBeRead(t *testing.T) {
	root := t.TempDir()
	before, after := write(t, photo(1), root, "a.jpg"), write(t, photo(2), root, "z.jpg")
	secret := filepath.Join(root, "secret")
	write(t, photo(3), secret, "c.jpg")
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // For nobody.
			t.Fatal(err)
		}
	}
	if err := os.Chmod(secret, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(secret, 0o700); err != nil {
			t.Error(err)
		}
	})
	type outcome struct {
		in, alone []string
		err       error
		answer    string
	}
	done := make(chan outcome)
	go func() { // A goroutine of its own: its thread loses its rights for good.
		anybody()
		var o outcome
		o.in, o.err = List(t.Context(), []string{root})
		o.alone, _ = List(t.Context(), []string{secret})
		if _, err := read(t.Context(), secret, nil); err != nil {
			o.answer = err.Error()
		}
		done <- o
	}()
	o := <-done
	if o.err != nil || !slices.Equal(o.in, []string{before, secret, after}) || !slices.Equal(o.alone, []string{secret}) {
		t.Errorf("got %q and %q, %v", o.in, o.alone, o.err)
	}
	if !strings.Contains(o.answer, "is a folder that cannot be read") || !strings.Contains(o.answer, "permission denied") {
		t.Errorf("its answer is %q", o.answer)
	}
}
