package transfer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTheLockGoesLast has a folder of an import removed: until the end there is its lock, without which nobody would remove the
// rest.
func TestTheLockGoesLast(t *testing.T) {
	dir := filepath.Join(t.TempDir(), importPrefix+"1")
	for _, name := range []string{"a", lockName, "z", "dataset/rose/1.jpg"} {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	events, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(events) //nolint:errcheck // It was only read.
	if _, err := unix.InotifyAddWatch(events, dir, unix.IN_DELETE); err != nil {
		t.Fatal(err)
	}
	if err := wipe(dir, lockName); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
	data := make([]byte, 4096)
	n, err := unix.Read(events, data)
	if err != nil {
		t.Fatal(err)
	}
	var removed []string
	for data = data[:n]; len(data) >= unix.SizeofInotifyEvent; {
		name := data[unix.SizeofInotifyEvent:]
		length := binary.NativeEndian.Uint32(data[12:])
		if binary.NativeEndian.Uint32(data[4:])&unix.IN_DELETE != 0 {
			removed = append(removed, string(bytes.TrimRight(name[:length], "\x00")))
		}
		data = name[length:]
	}
	const all = 4
	if len(removed) != all || removed[all-1] != lockName {
		t.Errorf("removed in this order: %q", removed)
	}
}
