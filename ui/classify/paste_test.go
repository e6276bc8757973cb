package classify

import (
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestParsePaths(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the paths below are those of other systems")
	}
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"hello\nworld", nil},
		{"/a/b.jpg", []string{"/a/b.jpg"}},
		{"/a/b c.jpg\n/d/薔薇.jpg\n", []string{"/a/b c.jpg", "/d/薔薇.jpg"}},
		{"file:///a/b%20c.jpg\r\nfile://localhost/d.jpg\r\n", []string{"/a/b c.jpg", "/d.jpg"}},
		{"FILE:///a%E8%96%94.jpg", []string{"/a薔.jpg"}},
		{"file:/a.jpg", []string{"/a.jpg"}},
		{"x-special/nautilus-clipboard\ncopy\nfile:///a.jpg", []string{"/a.jpg"}},
		{"# a comment\nfile:///a.jpg", []string{"/a.jpg"}},
		{`"/a/b.jpg"` + "\n" + `'/c d.jpg'`, []string{"/a/b.jpg", "/c d.jpg"}},
		{"  /a.jpg", []string{"/a.jpg"}},
		{"/a.jpg ", []string{"/a.jpg "}},
		{"file://elsewhere/a.jpg", nil},
		{"https://example.org/a.jpg", nil},
		{"file:a.jpg", nil},
		{"file:///a%00b.jpg", nil},
		{"file:///%zz", nil},
		{"/a\x00b", nil},
		{"a.jpg\n../b.jpg", nil},
		{"/a/../b.jpg", []string{"/b.jpg"}},
	} {
		if got := parsePaths(c.text); !slices.Equal(got, c.want) {
			t.Errorf("parsePaths(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

func FuzzParsePaths(f *testing.F) {
	for _, s := range []string{"/a", "file:///a%20b", `"/a"`, "file://localhost", "# x", "\x00", "file:///C:/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		paths := parsePaths(text)
		if len(paths) > strings.Count(text, "\n")+1 {
			t.Errorf("%d paths of %q", len(paths), text)
		}
		for _, path := range paths {
			if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) || path != filepath.Clean(path) {
				t.Errorf("%q gave %q", text, path)
			}
		}
	})
}
