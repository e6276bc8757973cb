package collect_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"kaika/core/collect"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

// thing is an entry of an archive.
type thing struct {
	name string
	data []byte
	flag byte // Of a tar; 0 for a file.
	link string
}

func pack(t *testing.T, dir, format string) string {
	t.Helper()
	var things []thing
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		if d.IsDir() {
			things = append(things, thing{name: path + "/", flag: tar.TypeDir})
			return nil
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		things = append(things, thing{name: path, data: data})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return archive(t, format, things)
}

// archive writes an archive and gives its path.
func archive(t *testing.T, format string, things []thing) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "photos."+format)
	if err := os.WriteFile(path, packed(t, format, things), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func packed(tb testing.TB, format string, things []thing) []byte {
	tb.Helper()
	var b bytes.Buffer
	check := func(err error) {
		if err != nil {
			tb.Helper()
			tb.Fatal(err)
		}
	}
	if format == "zip" {
		z := zip.NewWriter(&b)
		for _, th := range things {
			h := &zip.FileHeader{Name: th.name, Method: zip.Deflate}
			if th.flag == tar.TypeSymlink {
				h.SetMode(fs.ModeSymlink | 0o777)
				th.data = []byte(th.link)
			}
			w, err := z.CreateHeader(h)
			check(err)
			_, err = w.Write(th.data)
			check(err)
		}
		check(z.Close())
		return b.Bytes()
	}
	var w io.Writer = &b
	var zipped *gzip.Writer
	if format == "tar.gz" {
		var err error
		zipped, err = gzip.NewWriterLevel(&b, gzip.BestSpeed)
		check(err)
		w = zipped
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
	check(tw.Close())
	if zipped != nil {
		check(zipped.Close())
	}
	return b.Bytes()
}

func TestFlatFolder(t *testing.T) {
	dir := tree(t, map[string][]byte{"1.jpg": photo(1), "2.jpg": photo(2)})
	for _, source := range []collect.Local{collect.NewFolder(dir), collect.NewArchive(pack(t, dir, "zip"))} {
		if got := contents(t, source); got != ":2" {
			t.Errorf("the contents are %q", got)
		}
		lib := &library{}
		if _, _, err := run(t, collect.Collector{Library: lib, Source: source}); err != nil || strings.Join(lib.landed(), " ") != "loose/1.jpg loose/2.jpg" {
			t.Errorf("landed %v, %v", lib.landed(), err)
		}
	}
	if got := contents(t, collect.NewFolder(t.TempDir())); got != "" {
		t.Errorf("an empty folder has %q", got)
	}
}

func TestFolderLinks(t *testing.T) {
	outside := tree(t, map[string][]byte{"x/5.jpg": photo(5), "6.jpg": photo(6)})
	parent := tree(t, map[string][]byte{"d/rose/1.jpg": photo(1), "d/lily/2.jpg": photo(2), "beside.jpg": photo(7)})
	dir := filepath.Join(parent, "d")
	for at, to := range map[string]string{
		"rose/self.jpg": "1.jpg", "rose/loop": dir, "rose/up": parent, "rose/broken.jpg": "nothing.jpg", "rose/broken": "nothing",
		"rose/far": outside, "lily/6.jpg": filepath.Join(outside, "6.jpg"), "tulip": filepath.Join(dir, "lily"), "circle": "circle",
	} {
		if err := os.Symlink(to, filepath.Join(dir, at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "rose", "pipe.jpg"), 0o644); err != nil {
		t.Fatal(err)
	}
	source := collect.NewFolder(dir)
	// 6.jpg can be reached by two links, and is listed once.
	if got := contents(t, source); got != "lily:2 rose:3" && got != "lily:1 rose:4" {
		t.Errorf("the contents are %q", got)
	}
	lib := &library{}
	report, _, err := run(t, collect.Collector{Library: lib, Source: source})
	if err != nil || len(lib.photos) != 4 || reasons(report) != "unreadable:2" {
		t.Errorf("landed %v, refused %s, %v", lib.landed(), reasons(report), err)
	}
}

// TestClosedFolder refuses links that lead out of a folder, and follows the others.
func TestClosedFolder(t *testing.T) {
	outside := tree(t, map[string][]byte{"x/5.jpg": photo(5), "list": []byte("secret")})
	dir := tree(t, map[string][]byte{"rose/1.jpg": photo(1), "lily/2.jpg": photo(2), "own/list": []byte("mine")})
	for at, to := range map[string]string{
		"rose/far.jpg": filepath.Join(outside, "x", "5.jpg"), "rose/far": outside, "rose/up": filepath.Dir(dir), "rose/note.txt": filepath.Join(outside, "list"),
		"lily/own.jpg": "../rose/1.jpg", "tulip": "lily", "list": filepath.Join(outside, "list"), "mine": "own/list",
	} {
		if err := os.Symlink(to, filepath.Join(dir, at)); err != nil {
			t.Fatal(err)
		}
	}
	source := collect.NewFolder(dir)
	source.Closed = true
	lib := &library{}
	report, _, err := run(t, collect.Collector{Library: lib, Source: source})
	if err != nil || len(lib.photos) != 2 || reasons(report) != "link:2" {
		t.Errorf("landed %v, refused %s, %v", lib.landed(), reasons(report), err)
	}
	if data, err := source.Beside(t.Context(), "list", 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("beside lies %q, %v", data, err)
	}
	if data, err := source.Beside(t.Context(), "mine", 100); err != nil || string(data) != "mine" {
		t.Errorf("beside lies %q, %v", data, err)
	}
}

func TestFolderThatChanges(t *testing.T) {
	dir := tree(t, map[string][]byte{"rose/1.jpg": photo(1), "rose/2.jpg": photo(2), "lily/\xff.jpg": photo(3)})
	source := collect.NewFolder(dir)
	if got := contents(t, source); got != "lily:1 rose:2" {
		t.Errorf("the contents are %q", got)
	}
	if err := os.Remove(filepath.Join(dir, "rose", "1.jpg")); err != nil {
		t.Fatal(err)
	}
	lib := &library{}
	c := collect.Collector{Library: lib, Source: source}
	report, err := c.Run(t.Context(), []collect.Request{{"rose", "rose", 0}, {"lily", "lily", 0}})
	if err != nil || strings.Join(lib.landed(), " ") != "lily/�.jpg rose/2.jpg" || report.Results[0].Reasons[picture.Unreadable] != 1 {
		t.Errorf("landed %v, %+v, %v", lib.landed(), report, err)
	}
}

func TestUnreadableFolders(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := tree(t, map[string][]byte{"rose/1.jpg": photo(1), "lily/1.jpg": photo(2), "lily/2.jpg": photo(3)})
	for _, closed := range []string{"rose", "lily/2.jpg"} {
		path := filepath.Join(dir, closed)
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(path, 0o755) })
	}
	lib := &library{}
	report, events, err := run(t, collect.Collector{Library: lib, Source: collect.NewFolder(dir)})
	if err != nil || len(lib.photos) != 1 || reasons(report) != "unreadable:2" || events[0].Request != -1 {
		t.Errorf("landed %v, %+v, %v", lib.landed(), report, err)
	}
}

func TestHostileArchives(t *testing.T) {
	good := thing{name: "rose/good.jpg", data: photo(1)}
	for name, tc := range map[string]struct {
		thing   thing
		reason  string
		formats string
	}{
		"up":                      {thing{name: "../../evil.jpg", data: photo(2)}, "unsafe_name:1", "tar tar.gz zip"},
		"up inside":               {thing{name: "rose/../../evil.jpg", data: photo(2)}, "unsafe_name:1", "tar tar.gz zip"},
		"up in Windows":           {thing{name: `rose\..\..\evil.jpg`, data: photo(2)}, "unsafe_name:1", "tar tar.gz zip"},
		"absolute":                {thing{name: "/etc/evil.jpg", data: photo(2)}, "unsafe_name:1", "tar tar.gz zip"},
		"long":                    {thing{name: "rose/" + strings.Repeat("x", 5000) + ".jpg", data: photo(2)}, "unsafe_name:1", "tar tar.gz zip"},
		"symbolic link":           {thing{name: "rose/evil.jpg", flag: tar.TypeSymlink, link: "/etc/passwd"}, "link:1", "tar tar.gz zip"},
		"hard link":               {thing{name: "rose/evil.jpg", flag: tar.TypeLink, link: "rose/good.jpg"}, "link:1", "tar tar.gz"},
		"device":                  {thing{name: "rose/evil.jpg", flag: tar.TypeBlock}, "unreadable:1", "tar tar.gz"},
		"huge file":               {thing{name: "rose/evil.jpg", data: make([]byte, picture.MaxFileBytes+1)}, "too_large_file:1", "tar.gz"},
		"huge picture":            {thing{name: "rose/evil.jpg", data: picturetest.HugeClaim()}, "too_many_pixels:1", "tar tar.gz zip"},
		"unsafe no photo":         {thing{name: "../../.bashrc", data: []byte("rm -rf")}, "", "tar tar.gz zip"},
		"folder named as a photo": {thing{name: "rose/evil.jpg/", flag: tar.TypeDir}, "", "tar tar.gz zip"},
	} {
		for format := range strings.FieldsSeq(tc.formats) {
			t.Run(name+" "+format, func(t *testing.T) {
				source := collect.NewArchive(archive(t, format, []thing{tc.thing, good}))
				lib := &library{}
				report, events, err := run(t, collect.Collector{Library: lib, Source: source})
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(lib.landed(), " "); got != "rose/good.jpg" {
					t.Errorf("landed %q", got)
				}
				if got := reasons(report); got != tc.reason {
					t.Errorf("refused %q, not %q", got, tc.reason)
				}
				for _, e := range events {
					if e.Refusal != nil && len(e.Refusal.Name) > 1000 {
						t.Error("the whole name is shown")
					}
				}
			})
		}
	}
}

func TestDamagedEntriesOfZip(t *testing.T) {
	stored := func(spoil func([]byte)) string {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for i, name := range []string{"rose/evil.jpg", "rose/good.jpg"} {
			w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(photo(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		data := b.Bytes()
		spoil(data)
		path := filepath.Join(t.TempDir(), "x.zip")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	central := func(data []byte) []byte {
		before, _, _ := bytes.Cut(data, []byte("PK\x01\x02"))
		return data[len(before):]
	}
	for name, tc := range map[string]struct {
		spoil  func([]byte)
		reason string
	}{
		"checksum":      {func(d []byte) { d[bytes.Index(d, []byte("evil.jpg"))+60] ^= 0xff }, "damaged:1"},
		"password":      {func(d []byte) { central(d)[8] |= 1 }, "encrypted:1"},
		"method":        {func(d []byte) { central(d)[10] = 99 }, "unsupported:1"},
		"no local head": {func(d []byte) { d[1] = 'x' }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			source := collect.NewArchive(stored(tc.spoil))
			lib := &library{}
			report, _, err := run(t, collect.Collector{Library: lib, Source: source})
			if tc.reason == "" {
				if !errors.Is(err, collect.ErrArchive) {
					t.Errorf("the error is %v", err)
				}
				return
			}
			if err != nil || strings.Join(lib.landed(), " ") != "rose/good.jpg" || reasons(report) != tc.reason {
				t.Errorf("landed %v, refused %s, %v", lib.landed(), reasons(report), err)
			}
		})
	}
}

func TestUnusableArchives(t *testing.T) {
	things := []thing{{name: "rose/1.jpg", data: photo(1)}, {name: "rose/2.jpg", data: photo(2)}}
	tgz, plain, zipped := packed(t, "tar.gz", things), packed(t, "tar", things), packed(t, "zip", things)
	flipped := bytes.Clone(tgz)
	flipped[len(flipped)-6] ^= 0xff // In the checksum.
	for name, tc := range map[string]struct {
		data []byte
		says string
	}{
		"cut tar.gz":     {tgz[:len(tgz)/2], "ends too early"},
		"cut tar":        {plain[:1500], "ends too early"},
		"cut zip":        {zipped[:len(zipped)-30], "damaged"},
		"wrong checksum": {flipped, "damaged"},
		"photo":          {photo(1), "no tar, tar.gz or zip"},
		"text":           {[]byte("hello"), "no tar, tar.gz or zip"},
		"7z":             {[]byte("7z\xbc\xaf\x27\x1c\x00\x04 and so on"), "7z"},
		"RAR":            {[]byte("Rar!\x1a\x07\x00 and so on"), "RAR"},
		"xz":             {[]byte("\xfd7zXZ\x00 and so on"), "xz"},
		"gzip of text":   {gzipped(t, []byte("hello")), "no tar, tar.gz or zip"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.tar.gz")
			if err := os.WriteFile(path, tc.data, 0o644); err != nil {
				t.Fatal(err)
			}
			source := collect.NewArchive(path)
			_, err := source.Contents(t.Context())
			if !errors.Is(err, collect.ErrArchive) || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("the error is %v", err)
			}
			lib := &library{}
			c := collect.Collector{Library: lib, Source: source}
			if _, err := c.Run(t.Context(), []collect.Request{{"rose", "rose", 0}}); !errors.Is(err, collect.ErrArchive) || len(lib.photos) > 0 {
				t.Errorf("collecting gave %v", err)
			}
		})
	}
	empty := filepath.Join(t.TempDir(), "empty.tar")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, collect.NewArchive(empty)); got != "" {
		t.Errorf("an empty file holds %q", got)
	}
	if _, err := collect.NewArchive(empty + "x").Contents(t.Context()); err == nil || !strings.Contains(err.Error(), "check that it is there") {
		t.Errorf("a missing archive gave %v", err)
	}
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestArchiveLimits(t *testing.T) {
	things := []thing{{name: "rose/1.jpg", data: photo(1)}, {name: "rose/2.jpg", data: photo(2)}, {name: "rose/zeros.jpg", data: make([]byte, 1<<20)}}
	for format, counted := range map[string]bool{"tar": true, "tar.gz": true, "zip": false} {
		path := archive(t, format, things)
		many := collect.NewArchive(path)
		many.Limit(2, 1<<30)
		if _, err := many.Contents(t.Context()); !errors.Is(err, collect.ErrArchive) || !strings.Contains(err.Error(), "2 entries") {
			t.Errorf("%s: too many entries gave %v", format, err)
		}
		bomb := collect.NewArchive(path)
		bomb.Limit(10, 100_000)
		_, err := bomb.Contents(t.Context())
		if counted != errors.Is(err, collect.ErrArchive) {
			t.Errorf("%s: listing a bomb gave %v", format, err)
		}
		c := collect.Collector{Library: &library{}, Source: bomb}
		if _, err := c.Run(t.Context(), []collect.Request{{"rose", "rose", 0}}); !errors.Is(err, collect.ErrArchive) || !strings.Contains(err.Error(), "more bytes") {
			t.Errorf("%s: a bomb gave %v", format, err)
		}
	}
}

// TestArchiveOfNames reads archives that hold next to nothing but names, which would have to be kept in memory.
func TestArchiveOfNames(t *testing.T) {
	var things []thing
	for i := range 200 {
		things = append(things, thing{name: strings.Repeat("x", 3000) + strconv.Itoa(i)})
	}
	for _, format := range []string{"tar", "tar.gz", "zip"} {
		a := collect.NewArchive(archive(t, format, things))
		if _, err := a.Contents(t.Context()); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		a = collect.NewArchive(archive(t, format, things))
		a.LimitNames(500_000)
		if _, err := a.Contents(t.Context()); !errors.Is(err, collect.ErrArchive) || !strings.Contains(err.Error(), "names in it") {
			t.Errorf("%s: got %v", format, err)
		}
	}
	few := collect.NewArchive(archive(t, "zip", make([]thing, 5000))) // A list without any names.
	few.LimitNames(150_000)
	if _, err := few.Contents(t.Context()); !errors.Is(err, collect.ErrArchive) || !strings.Contains(err.Error(), "names in it") {
		t.Errorf("no names: got %v", err)
	}
}

func TestArchiveThatIsReplaced(t *testing.T) {
	path := archive(t, "zip", []thing{{name: "rose/1.jpg", data: photo(1)}})
	source := collect.NewArchive(path)
	if got := contents(t, source); got != "rose:1" {
		t.Fatalf("the contents are %q", got)
	}
	data := packed(t, "tar.gz", []thing{{name: "x/rose/1.jpg", data: photo(1)}, {name: "x/lily/2.jpg", data: photo(2)}})
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	lib := &library{}
	c := collect.Collector{Library: lib, Source: source}
	if _, err := c.Run(t.Context(), []collect.Request{{"lily", "lily", 0}}); err != nil || strings.Join(lib.landed(), " ") != "lily/2.jpg" {
		t.Errorf("landed %v, %v", lib.landed(), err)
	}
}

func TestContentsEndWithTheirContext(t *testing.T) {
	dir := tree(t, map[string][]byte{"rose/1.jpg": photo(1)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, source := range []collect.Local{
		collect.NewFolder(dir), collect.NewArchive(pack(t, dir, "tar")), collect.NewArchive(pack(t, dir, "tar.gz")), collect.NewArchive(pack(t, dir, "zip")),
	} {
		if _, err := source.Contents(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, collect.ErrArchive) {
			t.Errorf("%s: %v", source.Name(), err)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := tree(t, map[string][]byte{"x.zip": packed(t, "zip", nil)})
	if s, err := collect.Open(dir); err != nil || s.Name() != dir {
		t.Errorf("a folder gave %v, %v", s, err)
	}
	s, err := collect.Open(filepath.Join(dir, "x.zip"))
	if _, ok := s.(*collect.Archive); err != nil || !ok {
		t.Errorf("an archive gave %v, %v", s, err)
	}
	for _, path := range []string{filepath.Join(dir, "missing"), os.DevNull} {
		if _, err := collect.Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s gave %v", path, err)
		}
	}
}

func FuzzArchive(f *testing.F) {
	things := []thing{{name: "rose/1.jpg", data: photo(1)}, {name: "../x.jpg", data: photo(2)}, {name: "\x83\x6f\x83\x89/\x95\x5c.jpg", data: []byte("x")}}
	for _, format := range []string{"tar", "tar.gz", "zip"} {
		f.Add(packed(f, format, things))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "x")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		source := collect.NewArchive(path)
		source.Limit(1000, 1<<20)
		all, err := source.Contents(t.Context())
		if err != nil {
			return
		}
		var requests []collect.Request
		for _, c := range all {
			requests = append(requests, collect.Request{Keyword: c.Name, Label: "x"})
		}
		seen := 0
		for item, err := range source.SearchAll(t.Context(), requests) {
			if err != nil || item.Name == "" {
				continue
			}
			seen++
			if strings.ContainsAny(item.Name, "/\\\x00") || item.Name == ".." || strings.ContainsAny(item.Keyword, "/\\\x00") {
				t.Errorf("an item has the name %q and the keyword %q", item.Name, item.Keyword)
			}
			if r, err := item.Open(t.Context()); err == nil {
				_, _ = io.Copy(io.Discard, r)
				_ = r.Close()
			}
		}
		total := 0
		for _, c := range all {
			total += c.Photos
		}
		if seen > total {
			t.Errorf("%d photos came, %d were listed", seen, total)
		}
	})
}
