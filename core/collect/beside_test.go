package collect_test

import (
	"archive/tar"
	"context"
	"errors"
	"io/fs"
	"testing"

	"kaika/core/collect"
)

// TestBeside finds a file beside the label folders, wherever these lie.
func TestBeside(t *testing.T) {
	dir := tree(t, map[string][]byte{
		"top/rose/1.jpg": photo(1), "top/lily/2.jpg": photo(2), "top/.kaika/list": []byte("the list"), ".kaika/list": []byte("another"), "top/rose/list": []byte("no"),
	})
	type beside interface {
		collect.Local
		Beside(ctx context.Context, name string, limit int64) ([]byte, error)
	}
	for name, source := range map[string]beside{
		"folder": collect.NewFolder(dir), "zip": collect.NewArchive(pack(t, dir, "zip")),
		"tar": collect.NewArchive(pack(t, dir, "tar")), "tar.gz": collect.NewArchive(pack(t, dir, "tar.gz")),
	} {
		for range 2 {
			if data, err := source.Beside(t.Context(), ".kaika/list", 8); err != nil || string(data) != "the list" {
				t.Errorf("%s: got %q, %v", name, data, err)
			}
		}
		if _, err := source.Beside(t.Context(), ".kaika/list", 7); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s, beyond the limit: %v", name, err)
		}
		for _, none := range []string{"none", ".kaika", "rose"} {
			if data, err := source.Beside(t.Context(), none, 8); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s, %s: got %q, %v", name, none, data, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := source.Beside(ctx, ".kaika/list", 8); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", name, err)
		}
	}
	linked := archive(t, "tar", []thing{{name: "rose/1.jpg", data: photo(1)}, {name: ".kaika/list", flag: tar.TypeSymlink, link: "/etc/passwd"}})
	if data, err := collect.NewArchive(linked).Beside(t.Context(), ".kaika/list", 1<<20); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("through a link: %q, %v", data, err)
	}
}
