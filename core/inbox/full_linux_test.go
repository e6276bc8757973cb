package inbox

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"kaika/core/picture/picturetest"
)

// TestFullDisk keeps photos where there is too little room: each is there whole or not at all, and when there is room again,
// they are kept again.
func TestFullDisk(t *testing.T) {
	full := t.TempDir()
	if err := syscall.Mount("none", full, "tmpfs", 0, "size=100k"); err != nil {
		t.Skipf("no small disk can be made: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(full, 0); err != nil {
			t.Error(err)
		}
	})
	k := NewKeeper(inFolder(t, full), Limits{}, nil)
	keep := func(photos int) {
		before := k.Stats()
		p := classified(t, 1, 0.5)
		p.Picture = parsed(t, picturetest.JPEG(1, 1, 320, 240))
		for range photos {
			k.Keep(p)
		}
		for began := time.Now(); k.Stats().Kept+k.Stats().Failed < before.Kept+before.Failed+int64(photos); time.Sleep(time.Millisecond) {
			if time.Since(began) > 20*time.Second {
				t.Fatalf("%+v", k.Stats())
			}
		}
	}
	keep(40)
	s := k.Stats()
	if s.Failed == 0 || s.Kept == 0 {
		t.Fatalf("%+v", s)
	}
	records := list(t, k.Inbox, Newest)
	if int64(len(records)) != s.Kept {
		t.Errorf("%d are there: %+v", len(records), s)
	}
	for _, r := range records {
		if data, _, err := k.Photo(t.Context(), r.ID); err != nil || int64(len(data)) != r.Bytes || len(r.Predictions) != 2 {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if left := names(t, full); len(left) != 2*len(records) || strings.Contains(strings.Join(left, " "), partialEnd) {
		t.Errorf("there is %v", left)
	}
	for _, r := range records {
		if err := k.Remove(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
	}
	keep(2)
	if now := k.Stats(); now.Kept != s.Kept+2 {
		t.Errorf("with room again: %+v", now)
	}
	if err := k.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
