package transfer_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kaika/core/collect"
	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/core/transfer"
)

func photo(i int) []byte { return picturetest.JPEG(i, i, 16, 12) }

func write(t *testing.T, data []byte, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, data, 0o644)); err != nil {
		t.Fatal(err)
	}
	return name
}

func open(t *testing.T, dir string) *curate.Library {
	t.Helper()
	l, err := curate.Open(t.Context(), dir, curate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// tree gives the files below a folder, hidden ones too, with their contents.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// photos gives the photos of a dataset below a folder.
func photos(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := tree(t, dir)
	maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasPrefix(name, ".") || !picture.IsName(name) })
	return files
}

func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s is left in %s", e.Name(), dir)
	}
}

// thing is an entry of an archive.
type thing struct {
	name string
	data []byte
	flag byte // Of a tar; 0 for a file.
	link string
}

func pack(t testing.TB, format string, things ...thing) string {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if format == "zip" {
		z := zip.NewWriter(&b)
		for _, th := range things {
			w, err := z.Create(th.name)
			check(err)
			_, err = w.Write(th.data)
			check(err)
		}
		check(z.Close())
	} else {
		var w io.Writer = &b
		end := func() error { return nil }
		if format == "tar.gz" {
			z := gzip.NewWriter(&b)
			w, end = z, z.Close
		}
		tw := tar.NewWriter(w)
		for _, th := range things {
			if th.flag == 0 {
				th.flag = tar.TypeReg
			}
			check(tw.WriteHeader(&tar.Header{Name: th.name, Typeflag: th.flag, Linkname: th.link, Size: int64(len(th.data)), Mode: 0o644}))
			_, err := tw.Write(th.data)
			check(err)
		}
		check(errors.Join(tw.Close(), end()))
	}
	path := filepath.Join(t.TempDir(), "photos."+format)
	check(os.WriteFile(path, b.Bytes(), 0o644))
	return path
}

// planted makes a dataset with sources, something in the trash, and names of all kinds.
func planted(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "花 の dataset")
	write(t, photo(1), dir, "バラ", "一 つ.jpg")
	write(t, photo(2), dir, "バラ", "below", "2.JPG")
	write(t, picturetest.PNG(3, 3, 20, 10), dir, "sun flower", "=3.png")
	write(t, []byte("a note"), dir, "notes.txt")
	l, err := curate.Open(t.Context(), dir, curate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	taken := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	for i, a := range []curate.Addition{
		{Label: "バラ", Name: "f.jpg", Data: photo(10), Source: curate.Source{
			Kind: "flickr", ID: "10", Title: "題 <b>", Author: "花子", AuthorURL: "https://www.flickr.com/people/h/", PageURL: "https://www.flickr.com/photos/h/10",
			License: "CC BY 2.0", LicenseURL: "https://creativecommons.org/licenses/by/2.0/", Taken: taken, Retrieved: taken, From: "https://live.staticflickr.com/10.jpg",
		}},
		{Label: "sun flower", Name: "mine.jpg", Data: photo(11), Source: curate.Source{Kind: "folder", From: "/home/somebody/secret/11.jpg"}},
		{Label: "sun flower", Name: "deleted.jpg", Data: photo(12), Source: curate.Source{Kind: "flickr", ID: "12", Author: "gone"}},
	} {
		p, err := l.Add(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			err = l.Delete(t.Context(), []curate.ID{p.ID})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func export(t *testing.T, dir, file string) *transfer.Exported {
	t.Helper()
	x, err := transfer.Export(t.Context(), open(t, dir), file, transfer.ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestThereAndBack(t *testing.T) {
	dir := planted(t)
	var first []byte
	for _, name := range []string{"x.tar", "y.tar", "z.tar.gz", "Z.TGZ"} {
		out := t.TempDir()
		file := filepath.Join(out, name)
		x := export(t, dir, file)
		if x.Photos != 5 || x.Labels != 2 || x.Credited != 1 || x.Uncredited != 4 || len(x.Skipped) != 0 {
			t.Errorf("%s: %+v", name, x)
		}
		data, err := os.ReadFile(file)
		if err != nil || int64(len(data)) != x.Bytes {
			t.Fatalf("%s has %d bytes, said to be %d: %v", name, len(data), x.Bytes, err)
		}
		switch {
		case strings.HasSuffix(name, ".tar") && first == nil:
			first = data
			for _, bad := range []string{"secret", "catalog", "a note", "gone", "deleted.jpg"} {
				if bytes.Contains(data, []byte(bad)) {
					t.Errorf("the file tells of %q", bad)
				}
			}
			for _, good := range []string{"花 の dataset/ATTRIBUTION.csv", "花 の dataset/ATTRIBUTION.html", "花 の dataset/.kaika/sources.jsonl", "花子"} {
				if !bytes.Contains(data, []byte(good)) {
					t.Errorf("the file does not tell of %q", good)
				}
			}
		case strings.HasSuffix(name, ".tar") && !bytes.Equal(first, data):
			t.Error("it is not the same twice")
		}
		to := filepath.Join(out, "new")
		r, err := transfer.Import(t.Context(), file, to, transfer.ImportOptions{})
		if err != nil || !r.New || r.Added != 5 || r.Sources != 2 || r.Duplicates+r.Unlabelled+len(r.Refused) != 0 {
			t.Fatalf("%s: %+v, %v", name, r, err)
		}
		want := photos(t, dir)
		want["バラ/2.JPG"] = want["バラ/below/2.JPG"]
		delete(want, "バラ/below/2.JPG")
		if got := photos(t, to); !maps.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
		l := open(t, to)
		p, ok := l.Find(filepath.Join(to, "バラ", "f.jpg"))
		was, _ := open(t, dir).Find(filepath.Join(dir, "バラ", "f.jpg"))
		if !ok || p.Source != was.Source || p.Source.Author != "花子" {
			t.Errorf("%s: the source became %+v", name, p.Source)
		}
		if p, ok = l.Find(filepath.Join(to, "sun flower", "mine.jpg")); !ok || p.Source != (curate.Source{Kind: "folder"}) {
			t.Errorf("%s: the source became %+v", name, p.Source)
		}
		if p, ok = l.Find(filepath.Join(to, "sun flower", "=3.png")); !ok || p.Source.Kind != "archive" || p.Source.From != file {
			t.Errorf("%s: the source is %+v", name, p.Source)
		}
		if _, err := dataset.Open(t.Context(), to); err != nil {
			t.Error(err)
		}
		entries, err := os.ReadDir(out)
		if err != nil || len(entries) != 2 {
			t.Errorf("%s: beside it lie %v, %v", name, entries, err)
		}
	}
}

// TestFolder imports a dataset's folder, and one that lies in it, as they are.
func TestFolder(t *testing.T) {
	dir := planted(t)
	for _, from := range []string{dir, filepath.Dir(dir)} { // The labels lie one folder deeper in the second.
		to := filepath.Join(t.TempDir(), "a", "b", "new")
		r, err := transfer.Import(t.Context(), from, to, transfer.ImportOptions{})
		if err != nil || r.Added != 5 || r.Sources != 2 {
			t.Fatalf("%s: %+v, %v", from, r, err)
		}
		if entries, err := os.ReadDir(filepath.Dir(to)); err != nil || len(entries) != 1 {
			t.Errorf("beside it lie %v, %v", entries, err)
		}
	}
}

func TestExportRefuses(t *testing.T) {
	dir := planted(t)
	l := open(t, dir)
	out := t.TempDir()
	for _, name := range []string{"x", "x.zip", "x.tar.bz2", "tar"} {
		if _, err := transfer.Export(t.Context(), l, filepath.Join(out, name), transfer.ExportOptions{}); !errors.Is(err, transfer.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := transfer.Export(t.Context(), l, filepath.Join(out, "no", "x.tar"), transfer.ExportOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := transfer.Export(t.Context(), open(t, t.TempDir()), filepath.Join(out, "x.tar"), transfer.ExportOptions{}); err == nil || !strings.Contains(err.Error(), "no photos") {
		t.Errorf("no photos: %v", err)
	}
	empty(t, out)
	mine := write(t, []byte("mine"), out, "mine.tar")
	if _, err := transfer.Export(t.Context(), l, mine, transfer.ExportOptions{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another file: %v", err)
	}
	if files := tree(t, out); len(files) != 1 || files["mine.tar"] != "mine" {
		t.Errorf("there is %q", files)
	}
	if _, err := transfer.Export(t.Context(), l, mine, transfer.ExportOptions{Overwrite: true}); err != nil || len(tree(t, out)["mine.tar"]) < 1000 {
		t.Errorf("overwriting: %v", err)
	}
	if err := os.Mkdir(filepath.Join(out, "folder.tar"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Export(t.Context(), l, filepath.Join(out, "folder.tar"), transfer.ExportOptions{Overwrite: true}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a folder: %v", err)
	}
}

// TestExportSkips leaves out what cannot be read, and follows links.
func TestExportSkips(t *testing.T) {
	dir := planted(t)
	far := write(t, photo(20), t.TempDir(), "far.jpg")
	if err := os.Symlink(far, filepath.Join(dir, "バラ", "link.jpg")); err != nil {
		t.Fatal(err)
	}
	large := write(t, photo(21), dir, "バラ", "large.jpg")
	if err := os.Truncate(large, picture.MaxFileBytes+1); err != nil {
		t.Fatal(err)
	}
	gone := write(t, photo(22), dir, "バラ", "gone.jpg")
	l := open(t, dir)
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "x.tar")
	x, err := transfer.Export(t.Context(), l, file, transfer.ExportOptions{})
	if err != nil || x.Photos != 6 || len(x.Skipped) != 2 {
		t.Fatalf("%+v, %v", x, err)
	}
	reasons := map[string]picture.Reason{}
	for _, s := range x.Skipped {
		reasons[filepath.Base(s.Path)] = s.Reason
	}
	if reasons["large.jpg"] != picture.TooLarge || reasons["gone.jpg"] != picture.Unreadable {
		t.Errorf("skipped %+v", x.Skipped)
	}
	to := filepath.Join(t.TempDir(), "new")
	if r, err := transfer.Import(t.Context(), file, to, transfer.ImportOptions{}); err != nil || r.Added != 6 {
		t.Errorf("%+v, %v", r, err)
	}
	if photos(t, to)["バラ/link.jpg"] != string(photo(20)) {
		t.Error("what a link leads to is lost")
	}
}

// fuse is a context that ends when it was asked so many times whether it has.
type fuse struct {
	context.Context

	left   atomic.Int64
	cancel context.CancelFunc
}

func newFuse(t *testing.T, length int) *fuse {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	f := &fuse{Context: ctx, cancel: cancel}
	f.left.Store(int64(length))
	return f
}

func (f *fuse) Err() error {
	if f.left.Add(-1) <= 0 {
		f.cancel()
	}
	return f.Context.Err()
}

// TestCancel stops at each moment: nothing is left of an export or of a new dataset.
func TestCancel(t *testing.T) {
	dir := planted(t)
	file := filepath.Join(t.TempDir(), "x.tar.gz")
	export(t, dir, file)
	l := open(t, dir)
	for name, do := range map[string]func(ctx context.Context, out string) error{
		"export": func(ctx context.Context, out string) error {
			_, err := transfer.Export(ctx, l, filepath.Join(out, "y.tar"), transfer.ExportOptions{})
			return err
		},
		"import": func(ctx context.Context, out string) error {
			_, err := transfer.Import(ctx, file, filepath.Join(out, "new"), transfer.ImportOptions{})
			return err
		},
		"import a folder": func(ctx context.Context, out string) error {
			_, err := transfer.Import(ctx, dir, filepath.Join(out, "new"), transfer.ImportOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for length := 1; ; length++ {
				out := t.TempDir()
				err := do(newFuse(t, length), out)
				if err == nil {
					if length < 5 {
						t.Error("it never asks whether to stop")
					}
					return
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("%d: %v", length, err)
				}
				empty(t, out)
			}
		})
	}
}

// TestCancelInto stops at each moment while photos come into a dataset that is there: it is as it was before, and the next run
// brings all of them.
func TestCancelInto(t *testing.T) {
	dir := planted(t)
	file := filepath.Join(t.TempDir(), "x.tar")
	export(t, dir, file)
	for length := 1; ; length += 9 {
		to := t.TempDir()
		write(t, photo(30), to, "バラ", "mine.jpg")
		l := open(t, to)
		if _, err := l.Add(t.Context(), curate.Addition{Label: "lily", Name: "added.jpg", Data: photo(31)}); err != nil {
			t.Fatal(err)
		}
		before, labels := photos(t, to), fmt.Sprint(l.Labels())
		_, err := transfer.Import(newFuse(t, length), file, to, transfer.ImportOptions{})
		if err == nil {
			if length < 50 {
				t.Error("it never asks whether to stop")
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("%d: %v", length, err)
		}
		asBefore(t, to, before, labels)
		if r, err := transfer.Import(t.Context(), file, to, transfer.ImportOptions{}); err != nil || r.Added != 5 || len(photos(t, to)) != 7 {
			t.Errorf("%d: then %+v, %v", length, r, err)
		}
	}
}

// asBefore complains if a dataset is not what it was before an import that was not to be.
func asBefore(t *testing.T, dir string, before map[string]string, labels string) {
	t.Helper()
	l := open(t, dir)
	if got := photos(t, dir); !maps.Equal(got, before) {
		t.Errorf("there is %q", slices.Sorted(maps.Keys(got)))
	}
	if got := fmt.Sprint(l.Labels()); got != labels {
		t.Errorf("the labels are %s, not %s", got, labels)
	}
	if n := len(l.Photos(curate.Query{Trash: true})); n > 0 {
		t.Errorf("%d photos are in the trash", n)
	}
	if a, can := l.CanUndo(); !can || a.Kind != curate.Added || a.Count != 1 || a.Label != "lily" {
		t.Errorf("to undo is %+v, %t", a, can)
	}
	for name := range tree(t, filepath.Join(dir, ".kaika")) {
		if strings.HasPrefix(name, "unfinished") || strings.HasPrefix(name, "tmp/") {
			t.Errorf("%s is left", name)
		}
	}
}

func TestIntoDataset(t *testing.T) {
	to := t.TempDir()
	write(t, photo(1), to, "rose", "1.jpg")
	write(t, photo(9), to, "lily", "9.jpg")
	file := pack(t, "zip", thing{name: "rose/1.jpg", data: photo(2)}, thing{name: "rose/same.jpg", data: photo(1)},
		thing{name: "rose/bad.jpg", data: []byte("no photo")}, thing{name: "百合/3.jpg", data: photo(3)}, thing{name: "百合/twice.jpg", data: photo(3)})
	told := 0
	r, err := transfer.Import(t.Context(), file, to, transfer.ImportOptions{Progress: func(done, photos int) {
		if told++; done != told || photos != 5 {
			t.Errorf("told of %d of %d", done, photos)
		}
	}})
	if err != nil || r.New || r.Added != 2 || r.Duplicates != 2 || r.Reasons[picture.NotAPicture] != 1 || len(r.Reasons) != 1 || len(r.Refused) != 1 || told != 5 {
		t.Fatalf("%+v, %v, told %d", r, err, told)
	}
	want := []transfer.ImportedLabel{{Label: "rose", Added: 1, Duplicates: 1, Refused: 1}, {Label: "百合", Added: 1, Duplicates: 1}}
	if !slices.Equal(r.Labels, want) {
		t.Errorf("got %+v, want %+v", r.Labels, want)
	}
	got := photos(t, to)
	if len(got) != 4 || got["rose/1 (2).jpg"] != string(photo(2)) || got["rose/1.jpg"] != string(photo(1)) {
		t.Errorf("there is %q", slices.Sorted(maps.Keys(got)))
	}
	l := open(t, to)
	if a, err := l.Undo(t.Context()); err != nil || a.Kind != curate.Added || a.Count != 2 {
		t.Errorf("undone %+v, %v", a, err)
	}
	if a, can := l.CanUndo(); can {
		t.Errorf("there is another step: %+v", a)
	}
	if len(photos(t, to)) != 2 {
		t.Error("it is not undone")
	}
	// What was deleted does not come again.
	if r, err = transfer.Import(t.Context(), file, to, transfer.ImportOptions{}); err != nil || r.Added != 0 || r.Reasons[collect.Deleted] < 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestLabels imports labels that cannot be, or cannot be told apart: nothing is written.
func TestLabels(t *testing.T) {
	long := strings.Repeat("x", 201)
	for name, test := range map[string]struct {
		folders []string
		there   string // A label of the dataset that is there.
		rename  map[string]string
		want    error // Nil: it works.
		labels  string
	}{
		"two cases":           {folders: []string{"Rose", "rose"}, want: dataset.ErrLabelClash},
		"two cases, renamed":  {folders: []string{"Rose", "rose"}, rename: map[string]string{"Rose": "red rose"}, labels: "red rose rose"},
		"two cases, joined":   {folders: []string{"Rose", "rose"}, rename: map[string]string{"Rose": "rose"}, labels: "rose"},
		"wide and narrow":     {folders: []string{"ばら", "は\u3099ら"}, labels: "ばら"},
		"the case of another": {folders: []string{"rose"}, there: "Rose", want: dataset.ErrLabelClash},
		"that of the dataset": {folders: []string{"rose"}, there: "Rose", rename: map[string]string{"rose": "Rose"}, labels: "Rose"},
		"reserved":            {folders: []string{"lily", "CON"}, want: dataset.ErrLabelName},
		"reserved, renamed":   {folders: []string{"lily", "aux.x"}, rename: map[string]string{"aux.x": "x"}, labels: "lily x"},
		"too long":            {folders: []string{"lily", long}, want: dataset.ErrLabelName},
		"a question":          {folders: []string{"lily", "what?"}, want: dataset.ErrLabelName},
		"renamed to nothing":  {folders: []string{"lily"}, rename: map[string]string{"lily": ""}, want: dataset.ErrLabelName},
		"renamed to a path":   {folders: []string{"lily"}, rename: map[string]string{"lily": "../x"}, want: dataset.ErrLabelName},
		"not there":           {folders: []string{"lily"}, rename: map[string]string{"lilly": "x"}, want: fs.ErrNotExist},
		"with a line break":   {folders: []string{"a\nb", "c"}, labels: "ab c"},
		"spaces around":       {folders: []string{" a ", "c"}, labels: "a c"},
	} {
		t.Run(name, func(t *testing.T) {
			var things []thing
			for i, f := range test.folders {
				things = append(things, thing{name: f + "/1.jpg", data: photo(i)}, thing{name: f + "/2.jpg", data: photo(10 + i)})
			}
			out := t.TempDir()
			to := filepath.Join(out, "new")
			if test.there != "" {
				write(t, photo(50), to, test.there, "mine.jpg")
			}
			before := photos(t, out)
			_, err := transfer.Import(t.Context(), pack(t, "tar", things...), to, transfer.ImportOptions{Rename: test.rename})
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if test.want != nil {
				if got := photos(t, out); !maps.Equal(got, before) {
					t.Errorf("there is %q", slices.Sorted(maps.Keys(got)))
				}
				if test.there == "" {
					empty(t, out)
				}
				return
			}
			var labels []string
			for _, l := range open(t, to).Labels() {
				labels = append(labels, l.Name)
			}
			if strings.Join(labels, " ") != test.labels {
				t.Errorf("the labels are %q", labels)
			}
		})
	}
}

// TestLinksOut imports a folder of somebody else's whose links lead out of it: they are refused and counted.
func TestLinksOut(t *testing.T) {
	dir := t.TempDir()
	write(t, photo(1), dir, "rose", "1.jpg")
	write(t, photo(2), dir, "lily", "2.jpg")
	if err := os.Symlink(write(t, photo(3), t.TempDir(), "private.jpg"), filepath.Join(dir, "rose", "3.jpg")); err != nil {
		t.Fatal(err)
	}
	r, err := transfer.Import(t.Context(), dir, filepath.Join(t.TempDir(), "new"), transfer.ImportOptions{})
	if err != nil || r.Added != 2 || r.Reasons[collect.Link] != 1 || len(r.Refused) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestManySources imports a list of sources that is out of all proportion.
func TestManySources(t *testing.T) {
	var list bytes.Buffer
	for i := range 300_001 {
		fmt.Fprintf(&list, `{"digest":"%064x","source":{"id":"x"}}`+"\n", i)
	}
	out := t.TempDir()
	file := pack(t, "tar", thing{name: "rose/1.jpg", data: photo(1)}, thing{name: "lily/2.jpg", data: photo(2)}, thing{name: ".kaika/sources.jsonl", data: list.Bytes()})
	if _, err := transfer.Import(t.Context(), file, filepath.Join(out, "new"), transfer.ImportOptions{}); err == nil || !strings.Contains(err.Error(), "list of sources") {
		t.Errorf("got %v", err)
	}
	empty(t, out)
}

// TestAlikeLabels takes out labels that an archive cannot hold as they are: they do not become one.
func TestAlikeLabels(t *testing.T) {
	dir := t.TempDir()
	for i, label := range []string{`a\b`, "a_b", "a\tb"} {
		write(t, photo(i), dir, label, "1.jpg")
	}
	file := filepath.Join(t.TempDir(), "x.tar")
	if x := export(t, dir, file); x.Labels != 3 || x.Photos != 3 {
		t.Errorf("%+v", x)
	}
	to := filepath.Join(t.TempDir(), "new")
	if r, err := transfer.Import(t.Context(), file, to, transfer.ImportOptions{}); err != nil || r.Added != 3 || len(r.Labels) != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	if got := photos(t, to); got["a_b/1.jpg"] != string(photo(1)) || got["a_b (2)/1.jpg"] == "" || got["a_b (3)/1.jpg"] == "" {
		t.Errorf("there is %q", slices.Sorted(maps.Keys(got)))
	}
}

// TestComposed takes a dataset out whose label folder comes from a Mac, and into itself: the label is the same.
func TestComposed(t *testing.T) {
	const apart = "ハ\u3099ラ"
	dir := t.TempDir()
	write(t, photo(1), dir, apart, "1.jpg")
	write(t, photo(2), dir, "lily", "2.jpg")
	file := filepath.Join(t.TempDir(), "x.tar")
	export(t, dir, file)
	if err := os.Remove(filepath.Join(dir, apart, "1.jpg")); err != nil {
		t.Fatal(err)
	}
	r, err := transfer.Import(t.Context(), file, dir, transfer.ImportOptions{})
	if err != nil || r.Added != 1 || r.Duplicates != 1 || !slices.ContainsFunc(r.Labels, func(l transfer.ImportedLabel) bool { return l.Label == apart && l.Added == 1 }) {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := photos(t, dir); len(got) != 2 || got[apart+"/1.jpg"] != string(photo(1)) {
		t.Errorf("there is %q", slices.Sorted(maps.Keys(got)))
	}
}

// TestHostile imports archives that want to do harm. Only harmless photos come of them, and only into the dataset.
func TestHostile(t *testing.T) {
	jpeg := photo(1)
	for name, test := range map[string]struct {
		format string
		things []thing
		added  int
		want   error
	}{
		"out of the folder": {"tar", []thing{{name: "a/../../evil.jpg", data: jpeg}, {name: "../a/evil.jpg", data: photo(2)}, {name: "a/1.jpg", data: photo(3)}}, 1, nil},
		"absolute":          {"tar", []thing{{name: "/etc/evil.jpg", data: jpeg}, {name: "a/1.jpg", data: photo(2)}}, 1, nil},
		"on a drive":        {"tar", []thing{{name: "C:\\evil.jpg", data: jpeg}, {name: "a/1.jpg", data: photo(2)}}, 0, dataset.ErrLabelName},
		"absolute in a zip": {"zip", []thing{{name: "/tmp/evil.jpg", data: jpeg}, {name: "..\\..\\evil.jpg", data: photo(2)}, {name: "a/1.jpg", data: photo(3)}}, 1, nil},
		"links": {"tar", []thing{
			{name: "a/link.jpg", flag: tar.TypeSymlink, link: "/etc/passwd"},
			{name: "b", flag: tar.TypeSymlink, link: "/tmp"},
			{name: "b/1.jpg", data: jpeg},
			{name: "a/hard.jpg", flag: tar.TypeLink, link: "/etc/passwd"},
			{name: "a/2.jpg", data: photo(2)},
			{name: "a/device.jpg", flag: tar.TypeChar},
			{name: "a/pipe.jpg", flag: tar.TypeFifo},
		}, 2, nil},
		"the hidden folder": {"tar", []thing{
			{name: ".kaika/catalog.db", data: []byte("evil")}, {name: ".kaika/trash/a/1.jpg", data: jpeg}, {name: "a/.hidden.jpg", data: jpeg}, {name: "a/1.jpg", data: photo(2)},
		}, 1, nil},
		"the same name twice": {"tar", []thing{{name: "a/1.jpg", data: jpeg}, {name: "a/1.jpg", data: photo(2)}, {name: "a/1.JPG", data: photo(3)}}, 3, nil},
		"a long name":         {"tar", []thing{{name: "a/" + strings.Repeat("長", 85) + ".jpg", data: jpeg}, {name: "a/" + strings.Repeat("x", 3000) + ".jpg", data: photo(2)}}, 2, nil},
		"reserved names":      {"zip", []thing{{name: "a/CON.jpg", data: jpeg}, {name: "a/com1.x.jpg", data: photo(2)}, {name: "a/a:b?.jpg", data: photo(3)}}, 3, nil},
		"no photos":           {"tar", []thing{{name: "a/1.txt", data: []byte("x")}}, 0, transfer.ErrNoPhotos},
		"no good photos":      {"tar", []thing{{name: "a/1.jpg", data: []byte("x")}}, 0, transfer.ErrNoPhotos},
		"no labels":           {"tar", []thing{{name: "1.jpg", data: jpeg}, {name: "2.jpg", data: photo(2)}}, 0, transfer.ErrNoPhotos},
		"a huge claim":        {"tar", []thing{{name: "a/1.jpg", data: picturetest.HugeClaim()}, {name: "a/2.jpg", data: jpeg}}, 1, nil},
		"forged sources": {"tar", []thing{{name: "a/1.jpg", data: jpeg}, {name: ".kaika/sources.jsonl", data: fmt.Appendf(nil,
			`{"digest":%q,"size":1,"file":"../../x","added":"2020-01-01T00:00:00Z","source":{"kind":"../x","author":"a\u0000b\nc","page_url":"javascript:x","license_url":"file:///etc/passwd","from":"/etc/passwd","taken":"0001-02-03T00:00:00Z"}}`+"\n{{{\n", picture.Sum(jpeg))}}, 1, nil},
		"sources that are a link": {"tar", []thing{{name: "a/1.jpg", data: jpeg}, {name: ".kaika/sources.jsonl", flag: tar.TypeSymlink, link: "/etc/passwd"}}, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			to := filepath.Join(out, "inner", "new")
			r, err := transfer.Import(t.Context(), pack(t, test.format, test.things...), to, transfer.ImportOptions{})
			if !errors.Is(err, test.want) || err == nil && r.Added != test.added {
				t.Fatalf("got %+v, %v", r, err)
			}
			if test.want != nil {
				if files := tree(t, out); len(files) > 0 {
					t.Errorf("there is %q", slices.Sorted(maps.Keys(files)))
				}
				return
			}
			for at := range tree(t, out) {
				below, ok := strings.CutPrefix(at, "inner/new/")
				if !ok || strings.HasPrefix(below, ".") && below != ".kaika/sources.jsonl" && below != ".kaika/lock" || strings.Contains(at, "evil") {
					t.Errorf("there is %s", at)
				}
			}
			if len(photos(t, to)) != test.added {
				t.Errorf("there is %q", slices.Sorted(maps.Keys(photos(t, to))))
			}
			for _, p := range open(t, to).Photos(curate.Query{}) {
				if len(p.Name) > 255 || strings.HasPrefix(strings.ToUpper(p.Name), "CO") || strings.ContainsAny(p.Name, ":?") {
					t.Errorf("a photo has the name %q", p.Name)
				}
				if name == "forged sources" && p.Source != (curate.Source{Author: "a b c"}) {
					t.Errorf("the source is %+v", p.Source)
				}
			}
		})
	}
}

// TestDamaged imports archives that are damaged or none.
func TestDamaged(t *testing.T) {
	whole := pack(t, "tar.gz", thing{name: "a/1.jpg", data: photo(1)}, thing{name: "b/2.jpg", data: photo(2)})
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	for length := 0; length < len(data); length += 1 + len(data)/40 {
		file := write(t, data[:length], t.TempDir(), "cut.tar.gz")
		if _, err := transfer.Import(t.Context(), file, filepath.Join(out, "new"), transfer.ImportOptions{}); err == nil {
			t.Fatalf("%d of %d bytes were taken for an archive", length, len(data))
		}
		empty(t, out)
	}
	if _, err := transfer.Import(t.Context(), filepath.Join(out, "none.tar"), filepath.Join(out, "new"), transfer.ImportOptions{}); err == nil || !strings.Contains(err.Error(), "none.tar") {
		t.Errorf("no file: %v", err)
	}
	empty(t, out)
}

// TestBomb imports what unpacks to far more than it is.
func TestBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("this unpacks 300 MB")
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	tw := tar.NewWriter(z)
	const size = 300 << 20
	if err := tw.WriteHeader(&tar.Header{Name: "a/1.jpg", Size: size, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range size / len(zeros) {
		if _, err := tw.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	_, err := transfer.Import(t.Context(), write(t, b.Bytes(), t.TempDir(), "bomb.tgz"), filepath.Join(out, "new"), transfer.ImportOptions{})
	if !errors.Is(err, collect.ErrArchive) {
		t.Errorf("got %v", err)
	}
	empty(t, out)
}

// TestWhere imports to places of all kinds.
func TestWhere(t *testing.T) {
	file := pack(t, "tar", thing{name: "a/1.jpg", data: photo(1)}, thing{name: "b/2.jpg", data: photo(2)}, thing{name: "loose.jpg", data: photo(3)})
	there := t.TempDir() // Empty.
	if r, err := transfer.Import(t.Context(), file, there, transfer.ImportOptions{}); err != nil || !r.New || r.Added != 2 || r.Unlabelled != 1 {
		t.Errorf("into an empty folder: %+v, %v", r, err)
	}
	if r, err := transfer.Import(t.Context(), file, there, transfer.ImportOptions{Rename: map[string]string{"": "c"}}); err != nil || r.New || r.Added != 1 || r.Duplicates != 2 || r.Unlabelled != 0 {
		t.Errorf("with a label for the loose one: %+v, %v", r, err)
	}
	other := t.TempDir()
	write(t, []byte("x"), other, "letter.txt")
	if _, err := transfer.Import(t.Context(), file, other, transfer.ImportOptions{}); !errors.Is(err, transfer.ErrNoDataset) {
		t.Errorf("among other things: %v", err)
	}
	if files := tree(t, other); len(files) != 1 {
		t.Errorf("there is %q", files)
	}
	if _, err := transfer.Import(t.Context(), file, filepath.Join(other, "letter.txt"), transfer.ImportOptions{}); err == nil {
		t.Error("a file was taken for a folder")
	}
	linked := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), linked); err != nil {
		t.Fatal(err)
	}
	if r, err := transfer.Import(t.Context(), file, linked, transfer.ImportOptions{}); err != nil || !r.New || len(photos(t, linked+"/")) != 2 {
		t.Errorf("through a link: %+v, %v", r, err)
	}
	// A dataset into itself.
	if r, err := transfer.Import(t.Context(), there, there, transfer.ImportOptions{}); err != nil || r.Added != 0 || r.Duplicates != 3 {
		t.Errorf("into itself: %+v, %v", r, err)
	}
}

func TestParseRename(t *testing.T) {
	got, err := transfer.ParseRename([]string{"a=b", "=c", "d=", "e=f=g"})
	if want := map[string]string{"a": "b", "": "c", "d": "", "e": "f=g"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range [][]string{{"a"}, {"a=b", "a=c"}} {
		if _, err := transfer.ParseRename(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestMany takes 10,000 photos out and in.
func TestMany(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 photos take some seconds")
	}
	dir := t.TempDir()
	const many = 10_000
	for i := range many {
		write(t, fmt.Appendf(photo(i%2), "%d", i), dir, []string{"薔薇", "百合"}[i%2], fmt.Sprintf("%d.jpg", i))
	}
	file := filepath.Join(t.TempDir(), "many.tar.gz")
	began := time.Now()
	if x := export(t, dir, file); x.Photos != many {
		t.Errorf("%+v", x)
	}
	exported := time.Now()
	to := filepath.Join(t.TempDir(), "new")
	r, err := transfer.Import(t.Context(), file, to, transfer.ImportOptions{})
	if err != nil || r.Added != many {
		t.Fatalf("%+v, %v", r, err)
	}
	t.Logf("out in %s, in in %s", exported.Sub(began), time.Since(exported))
	if !maps.Equal(photos(t, dir), photos(t, to)) {
		t.Error("they are not the same")
	}
}

// TestInside imports a folder into itself, which changes nothing, and into a place inside of it, which would make a label of the
// dataset.
func TestInside(t *testing.T) {
	dir := t.TempDir()
	write(t, photo(1), dir, "rose", "1.jpg")
	write(t, photo(2), dir, "lily", "2.jpg")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{filepath.Join(dir, "new"), filepath.Join(link, "new"), filepath.Join(dir, "rose", "deep"), filepath.Join(dir, "rose")} {
		for _, from := range []string{dir, link} {
			if _, err := transfer.Import(t.Context(), from, to, transfer.ImportOptions{}); err == nil || !strings.Contains(err.Error(), "outside of it") {
				t.Errorf("%s into %s: %v", from, to, err)
			}
		}
	}
	if r, err := transfer.Import(t.Context(), dir, link, transfer.ImportOptions{}); err != nil || r.Added != 0 || r.Duplicates != 2 {
		t.Errorf("into itself: %+v, %v", r, err)
	}
	if r, err := transfer.Import(t.Context(), dir, dir+"..2", transfer.ImportOptions{}); err != nil || r.Added != 2 {
		t.Errorf("beside it: %+v, %v", r, err)
	}
	if len(photos(t, dir)) != 2 {
		t.Errorf("there is %q", photos(t, dir))
	}
}
