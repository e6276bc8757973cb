//go:build !headless

package app

import (
	"strings"
	"testing"
)

// TestUploadsOfTheWindow has the program with the window, which knows no buckets, say which one does.
func TestUploadsOfTheWindow(t *testing.T) {
	for _, place := range []string{"gs://bucket/photos", "s3://bucket"} {
		a := here(t, "--headless", "--addr", "127.0.0.1:0", "--uploads", place)
		if a.code == 0 || !strings.Contains(a.stderr, "make deb") || !strings.Contains(a.stderr, "-tags headless") {
			t.Errorf("%s: %d, %s", place, a.code, a.stderr)
		}
	}
}
