package curate_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"kaika/core/curate"
	"kaika/core/dataset"
)

// TestAgreesWithDataset holds the rules of what is a label and a photo to those of package dataset.
func TestAgreesWithDataset(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs links")
	}
	links := func(pairs ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			for i := 0; i < len(pairs); i += 2 {
				at := filepath.Join(dir, pairs[i])
				mkdir(t, filepath.Dir(at))
				ok(t, os.Symlink(strings.ReplaceAll(pairs[i+1], "DIR", dir), at))
			}
		}
	}
	base := []string{"rose/1.jpg", "rose/2.JPEG", "tulip/1.png", "tulip/deep/er/2.webp"}
	tests := map[string]struct {
		files []string
		more  func(*testing.T, string)
	}{
		"plain":          {files: base},
		"hidden":         {files: []string{"rose/.1.jpg", "rose/.d/2.jpg", ".hidden/1.jpg", "rose/._3.jpg"}},
		"not photos":     {files: []string{"rose/a.txt", "rose/noending", "rose/a.heic", "tulip/b.CR2", "rose/jpg"}},
		"loose":          {files: []string{"1.jpg", "b.txt"}},
		"empty":          {files: []string{"none/", "deep/none/", "text/a.txt"}},
		"names":          {files: []string{"花/写 真.jpg", "rose/new\nline.jpg", "rose/\xff\xfe.jpg", "rose/a\\b.jpg", "é/1.jpg"}},
		"a folder .jpg":  {files: []string{"rose/1.jpg.jpg/2.jpg", "rose/folder.jpg/"}},
		"trash":          {files: []string{".kaika/trash/rose/9.jpg", ".kaika/trash/old/9.jpg"}},
		"link to photo":  {more: links("rose/link.jpg", "../tulip/1.png", "rose/same.jpg", "1.jpg", "rose/other.txt", "1.jpg")},
		"dangling":       {more: links("rose/link.jpg", "none", "gone", "nowhere")},
		"link to folder": {more: links("rose/more", "../tulip", "linked", "tulip/deep")},
		"circles":        {more: links("rose/up", "..", "rose/self", ".", "all", "DIR", "rose/loop.jpg", "loop.jpg", "tulip/deep/er/up", "../..")},
		"links twice":    {more: links("rose/a", "../tulip/deep", "rose/b", "../tulip/deep/er")},
		"link outside": {more: func(t *testing.T, dir string) {
			t.Helper()
			links("rose/o", plant(t, "x/1.jpg", "y.jpg"), "o", plant(t, "z.jpg"))(t, dir)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := plant(t, append(slices.Clone(base), test.files...)...)
			if test.more != nil {
				test.more(t, dir)
			}
			want, err := dataset.Open(t.Context(), dir)
			ok(t, err)
			l := open(t, dir)
			type photo struct {
				path, label string
				size, time  int64
			}
			var got, expected []photo
			for _, p := range l.Photos(curate.Query{}) {
				got = append(got, photo{p.Path, p.Label, p.Size, p.ModTime.UnixNano()})
			}
			for _, p := range want.Photos {
				expected = append(expected, photo{p.Path, want.Labels[p.Label], p.Size, p.ModTime.UnixNano()})
			}
			slices.SortFunc(got, func(a, b photo) int { return strings.Compare(a.path, b.path) })
			slices.SortFunc(expected, func(a, b photo) int { return strings.Compare(a.path, b.path) })
			equal(t, "photos", got, expected)

			labels := slices.Clone(want.Labels)
			skipped := slices.DeleteFunc(want.Skipped, func(s dataset.Skip) bool {
				if s.Reason == dataset.EmptyLabel {
					labels = append(labels, filepath.Base(s.Path))
				}
				return s.Reason == dataset.EmptyLabel
			})
			slices.Sort(labels)
			var names []string
			for _, c := range l.Labels() {
				names = append(names, c.Name)
			}
			equal(t, "labels", names, labels)
			for i := range skipped {
				skipped[i].Detail = ""
			}
			mine := l.Skipped()
			for i := range mine {
				if mine[i].Detail == "" {
					t.Errorf("no detail: %v", mine[i])
				}
				mine[i].Detail = ""
			}
			equal(t, "skipped", mine, skipped)
			check(t, l)
		})
	}
}
