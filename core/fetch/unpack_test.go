package fetch

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
	"testing"
)

// file is a regular file in an archive.
func file(name, body string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o6777, Size: int64(len(body)), Linkname: body}
}

func special(name string, flag byte, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: flag, Mode: 0o777, Linkname: target}
}

// tarball writes a tar archive. The Linkname of a regular file is what it holds.
func tarball(tb testing.TB, headers ...tar.Header) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		body := ""
		if h.Typeflag == tar.TypeReg {
			body, h.Linkname = h.Linkname, ""
		}
		if err := w.WriteHeader(&h); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(tb testing.TB, plain []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(plain); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// zipped writes the same entries as tarball into a zip.
func zipped(tb testing.TB, headers ...tar.Header) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, h := range headers {
		z := &zip.FileHeader{Name: h.Name, Method: zip.Deflate}
		mode := fs.FileMode(0o777)
		switch h.Typeflag {
		case tar.TypeSymlink:
			mode |= fs.ModeSymlink
		case tar.TypeFifo, tar.TypeBlock:
			mode |= fs.ModeNamedPipe
		case tar.TypeDir:
			mode |= fs.ModeDir
		}
		z.SetMode(mode)
		f, err := w.CreateHeader(z)
		if err != nil {
			tb.Fatal(err)
		}
		if mode.IsDir() {
			continue
		}
		if _, err := io.WriteString(f, h.Linkname); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// unpackBytes lays b down as an archive and unpacks it to the folder "out", which it returns.
func unpackBytes(tb testing.TB, b []byte, limits Limits, keep func(string) (string, bool)) (string, error) {
	tb.Helper()
	dir := tb.TempDir()
	archive := filepath.Join(dir, "archive")
	if err := os.WriteFile(archive, b, 0o644); err != nil {
		tb.Fatal(err)
	}
	out := filepath.Join(dir, "room", "out")
	return out, Unpack(tb.Context(), archive, out, limits, keep)
}

// tree returns the files below dir with what they hold.
func tree(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if !e.Type().IsRegular() {
			return fmt.Errorf("%s is not a file", name)
		}
		b, err := os.ReadFile(path)
		got[filepath.ToSlash(name)] = string(b)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

func TestUnpack(t *testing.T) {
	entries := []tar.Header{
		{Name: "./", Typeflag: tar.TypeDir, Mode: 0o700},
		{Name: "photos/", Typeflag: tar.TypeDir, Mode: 0o000},
		file("photos/rose/1.jpg", "one"),
		file("./photos/バラ/2 枚目.jpg", "two"),
		file("photos/rose/../LICENSE.txt", "free"),
		file("empty", ""),
		{Name: "photos/nothing/", Typeflag: tar.TypeDir, Mode: 0o755},
	}
	all := map[string]string{"photos/rose/1.jpg": "one", "photos/バラ/2 枚目.jpg": "two", "photos/LICENSE.txt": "free", "empty": ""}
	plain := tarball(t, entries...)
	for name, b := range map[string][]byte{
		"tar":                      plain,
		"tgz":                      gzipped(t, plain),
		"tgz in two members":       slices.Concat(gzipped(t, plain[:700]), gzipped(t, plain[700:])),
		"tgz with padding":         append(gzipped(t, plain), make([]byte, 1000)...),
		"zip":                      zipped(t, entries...),
		"tar with a global header": tarball(t, append([]tar.Header{{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}}, entries...)...),
	} {
		t.Run(name, func(t *testing.T) {
			out, err := unpackBytes(t, b, Limits{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := tree(t, out); !maps.Equal(got, all) {
				t.Errorf("unpacked %q, want %q", got, all)
			}
			wantOnly(t, filepath.Dir(out), "out")
			for name, want := range map[string]fs.FileMode{"": 0o755, "photos": 0o755, "photos/rose/1.jpg": 0o644} {
				info, err := os.Stat(filepath.Join(out, name))
				if err != nil {
					t.Fatal(err)
				}
				if got := info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid); got&^want != 0 || got&0o600 != 0o600 {
					t.Errorf("%q has mode %v, want %v less the umask", name, got, want)
				}
			}
		})
		t.Run(name+", some of it", func(t *testing.T) {
			var asked []string
			out, err := unpackBytes(t, b, Limits{}, func(name string) (string, bool) {
				asked = append(asked, name)
				rest, ok := strings.CutPrefix(name, "photos/")
				return rest, ok && rest != "LICENSE.txt"
			})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"rose/1.jpg": "one", "バラ/2 枚目.jpg": "two"}
			if got := tree(t, out); !maps.Equal(got, want) {
				t.Errorf("unpacked %q, want %q", got, want)
			}
			slices.Sort(asked)
			if want := slices.Sorted(maps.Keys(all)); !slices.Equal(asked, want) {
				t.Errorf("keep was asked for %q, want %q", asked, want)
			}
		})
	}
}

func TestUnpackRefuses(t *testing.T) {
	ok := file("ok", "ok")
	for name, c := range map[string]struct {
		entries []tar.Header
		says    string
	}{
		"parent":               {[]tar.Header{ok, file("../evil", "x")}, "leads out"},
		"parent inside":        {[]tar.Header{ok, file("a/../../evil", "x")}, "leads out"},
		"parent folder":        {[]tar.Header{ok, special("../", tar.TypeDir, "")}, "leads out"},
		"absolute":             {[]tar.Header{ok, file("/etc/passwd", "x")}, "leads out"},
		"backslash":            {[]tar.Header{ok, file(`..\evil`, "x")}, "leads out"},
		"no name":              {[]tar.Header{ok, file("a/..", "x")}, "no name"},
		"long name":            {[]tar.Header{ok, file(strings.Repeat("a/", 600)+"b", "x")}, "longer than"},
		"symbolic link":        {[]tar.Header{ok, special("link", tar.TypeSymlink, "/etc/passwd")}, "symbolic link"},
		"link, then through":   {[]tar.Header{special("d", tar.TypeSymlink, "/tmp"), file("d/evil", "x")}, "symbolic link"},
		"device":               {[]tar.Header{ok, special("disk", tar.TypeBlock, "")}, "device"},
		"pipe":                 {[]tar.Header{ok, special("pipe", tar.TypeFifo, "")}, "device"},
		"twice":                {[]tar.Header{ok, ok}, "twice"},
		"case clash":           {[]tar.Header{ok, file("OK", "x")}, "case"},
		"case clash, folders":  {[]tar.Header{file("rose/1", "x"), file("Rose/2", "x")}, "case"},
		"case clash, sharp s":  {[]tar.Header{file("straße", "x"), file("STRASSE", "x")}, "case"},
		"composed, decomposed": {[]tar.Header{file("が", "x"), file("が", "x")}, "case"},
		"file as folder":       {[]tar.Header{ok, file("ok/deeper", "x")}, "twice"},
		"folder as file":       {[]tar.Header{file("d/f", "x"), file("d", "x")}, "twice"},
		"nothing":              {nil, "none of the files"},
		"folders only":         {[]tar.Header{special("d/", tar.TypeDir, "")}, "none of the files"},
	} {
		plain := tarball(t, c.entries...)
		for kind, b := range map[string][]byte{"tar": plain, "tgz": gzipped(t, plain), "zip": zipped(t, c.entries...)} {
			t.Run(name+" in a "+kind, func(t *testing.T) {
				out, err := unpackBytes(t, b, Limits{}, nil)
				if !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want %q", err, c.says)
				}
				wantOnly(t, filepath.Dir(out))
			})
		}
	}
	for name, h := range map[string]tar.Header{
		"hard link":     special("link", tar.TypeLink, "ok"),
		"char device":   special("tty", tar.TypeChar, ""),
		"private extra": special("x", 'Z', ""),
	} {
		t.Run(name, func(t *testing.T) {
			out, err := unpackBytes(t, tarball(t, ok, h), Limits{}, nil)
			if !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), "only files and folders") {
				t.Error(err)
			}
			wantOnly(t, filepath.Dir(out))
		})
	}
}

// What is not wanted does not matter, unless its name is an attack.
func TestUnpackSkips(t *testing.T) {
	b := tarball(t, special("link", tar.TypeSymlink, "/etc/passwd"), special("hard", tar.TypeLink, "ok"), file("OK", "1"), file("ok", "2"))
	only := func(name string) (string, bool) { return "sub/" + name, name == "ok" }
	out, err := unpackBytes(t, b, Limits{}, only)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tree(t, out), map[string]string{"sub/ok": "2"}; !maps.Equal(got, want) {
		t.Errorf("unpacked %q, want %q", got, want)
	}
	if _, err := unpackBytes(t, tarball(t, file("ok", "1"), file("../x", "2")), Limits{}, only); !errors.Is(err, ErrArchive) {
		t.Error(err)
	}
	if _, err := unpackBytes(t, tarball(t, file("ok", "1")), Limits{}, func(string) (string, bool) { return "../x", true }); err == nil {
		t.Error("a new name that leads out was taken")
	}
}

func TestUnpackLimits(t *testing.T) {
	zeros := strings.Repeat("\x00", 1<<20)
	bomb := []tar.Header{file("a", zeros), file("b", zeros), file("c", zeros)}
	plain := tarball(t, bomb...)
	kinds := map[string][]byte{"tar": plain, "tgz": gzipped(t, plain), "zip": zipped(t, bomb...)}
	for name, c := range map[string]struct {
		limits Limits
		ok     bool
	}{
		"entries":         {Limits{MaxFiles: 2}, false},
		"file":            {Limits{MaxFileBytes: 1<<20 - 1}, false},
		"all":             {Limits{MaxBytes: 3<<20 - 1}, false},
		"entries it fits": {Limits{MaxFiles: 3}, true},
		"file it fits":    {Limits{MaxFileBytes: 1 << 20}, true},
		"all it fits":     {Limits{MaxBytes: int64(len(plain))}, true},
	} {
		for kind, b := range kinds {
			t.Run(name+" "+kind, func(t *testing.T) {
				out, err := unpackBytes(t, b, c.limits, nil)
				if c.ok != (err == nil) || err != nil && !errors.Is(err, ErrArchive) {
					t.Error(err)
				}
				if err != nil {
					wantOnly(t, filepath.Dir(out))
				}
			})
		}
	}
	t.Run("a bomb among what is skipped", func(t *testing.T) {
		out, err := unpackBytes(t, kinds["tgz"], Limits{MaxBytes: 2 << 20}, func(name string) (string, bool) { return name, name == "c" })
		if !errors.Is(err, ErrArchive) {
			t.Error(err)
		}
		wantOnly(t, filepath.Dir(out))
	})
	t.Run("a bomb behind the end", func(t *testing.T) {
		b := gzipped(t, append(tarball(t, file("a", "a")), make([]byte, 8<<20)...))
		if _, err := unpackBytes(t, b, Limits{MaxBytes: 1 << 20}, nil); !errors.Is(err, ErrArchive) {
			t.Error(err)
		}
	})
	t.Run("a sparse file that is all hole", func(t *testing.T) {
		h := file("hole", "1\n1099511627776\n0\n"+strings.Repeat("\x00", 512-18))
		// The writer keeps the names of sparse files to itself, so they are put in afterwards.
		h.PAXRecords = map[string]string{
			"GNV.sparse.major": "1", "GNV.sparse.minor": "0", "GNV.sparse.name": "hole", "GNV.sparse.realsize": "1099511627776",
		}
		b := bytes.ReplaceAll(tarball(t, h), []byte("GNV."), []byte("GNU."))
		out, err := unpackBytes(t, b, Limits{MaxFileBytes: 1 << 20}, nil)
		if !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), "1099511627776 bytes") {
			t.Error(err)
		}
		wantOnly(t, filepath.Dir(out))
	})
	t.Run("a zip that claims less than it holds", func(t *testing.T) {
		b := kinds["zip"]
		// The size lies in the central directory, little endian.
		lying := bytes.ReplaceAll(b, []byte{0, 0, 0x10, 0}, []byte{1, 0, 0, 0})
		if bytes.Equal(b, lying) {
			t.Fatal("the size is not where it was expected")
		}
		out, err := unpackBytes(t, lying, Limits{MaxFileBytes: 100}, nil)
		if !errors.Is(err, ErrArchive) {
			t.Error(err)
		}
		wantOnly(t, filepath.Dir(out))
	})
}

func TestUnpackDamaged(t *testing.T) {
	plain := tarball(t, file("a", string(content(5000, 1))), file("b", string(content(5000, 2))))
	tgz, z := gzipped(t, plain), zipped(t, file("a", string(content(5000, 1))))
	flipped := func(b []byte, at int) []byte {
		b = slices.Clone(b)
		b[at] ^= 0xff
		return b
	}
	for name, b := range map[string][]byte{
		"empty":                {},
		"text":                 []byte("<html><body>404</body></html>"),
		"long text":            bytes.Repeat([]byte("<p>not found</p>\n"), 1000),
		"gzip of text":         gzipped(t, bytes.Repeat([]byte("hello\n"), 1000)),
		"gzip magic only":      tgz[:2],
		"wrong gzip method":    flipped(tgz, 2),
		"tgz cut in a file":    tgz[:3000],
		"tgz without checksum": tgz[:len(tgz)-8],
		"tgz wrong checksum":   flipped(tgz, len(tgz)-6),
		"tgz wrong byte":       flipped(tgz, 4000),
		"tar cut in a file":    plain[:7000],
		"tar cut in a header":  plain[:100],
		"tar wrong header":     flipped(plain, 512+5120+10),
		"zip cut":              z[:len(z)-30],
		"zip magic only":       z[:4],
		"zip wrong byte":       flipped(z, 2000),
		"zip unknown method":   bytes.ReplaceAll(z, []byte{8, 0}, []byte{99, 0}),
	} {
		t.Run(name, func(t *testing.T) {
			out, err := unpackBytes(t, b, Limits{}, nil)
			if !errors.Is(err, ErrArchive) {
				t.Errorf("got %v", err)
			}
			wantOnly(t, filepath.Dir(out))
		})
	}
}

func TestUnpackTarget(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "a.tar")
	if err := os.WriteFile(archive, tarball(t, file("f", "x")), 0o644); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"f": "x"}
	t.Run("empty folder", func(t *testing.T) {
		dir := t.TempDir()
		if err := Unpack(t.Context(), archive, dir, Limits{}, nil); err != nil {
			t.Fatal(err)
		}
		if got := tree(t, dir); !maps.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("link to an empty folder", func(t *testing.T) {
		link, dir := filepath.Join(t.TempDir(), "link"), t.TempDir()
		if err := os.Symlink(dir, link); err != nil {
			t.Fatal(err)
		}
		if err := Unpack(t.Context(), archive, link, Limits{}, nil); err != nil {
			t.Fatal(err)
		}
		if got := tree(t, dir); !maps.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("relative", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if err := Unpack(t.Context(), archive, "here", Limits{}, nil); err != nil {
			t.Fatal(err)
		}
		if got := tree(t, "here"); !maps.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("again", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "d")
		if err := Unpack(t.Context(), archive, dir, Limits{}, nil); err != nil {
			t.Fatal(err)
		}
		if err := Unpack(t.Context(), archive, dir, Limits{}, nil); !errors.Is(err, fs.ErrExist) || errors.Is(err, ErrArchive) {
			t.Error(err)
		}
		wantOnly(t, filepath.Dir(dir), "d")
	})
	t.Run("taken meanwhile", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "d")
		err := Unpack(t.Context(), archive, dir, Limits{}, func(name string) (string, bool) {
			if err := Unpack(t.Context(), archive, dir, Limits{}, nil); err != nil {
				t.Error(err)
			}
			return "mine/" + name, true
		})
		if !errors.Is(err, fs.ErrExist) {
			t.Error(err)
		}
		if got := tree(t, dir); !maps.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		wantOnly(t, filepath.Dir(dir), "d")
	})
	t.Run("a file", func(t *testing.T) {
		if err := Unpack(t.Context(), archive, archive, Limits{}, nil); err == nil || errors.Is(err, ErrArchive) {
			t.Error(err)
		}
	})
	t.Run("no archive", func(t *testing.T) {
		if err := Unpack(t.Context(), archive+"x", t.TempDir(), Limits{}, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
}

func TestUnpackCancelled(t *testing.T) {
	plain := tarball(t, file("a", string(content(100_000, 1))), file("b", string(content(100_000, 2))))
	for kind, b := range map[string][]byte{"tgz": gzipped(t, plain), "zip": zipped(t, file("a", "1"), file("b", string(content(100_000, 2))))} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			archive, out := filepath.Join(dir, "archive"), filepath.Join(dir, "room", "out")
			if err := os.WriteFile(archive, b, 0o644); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			err := Unpack(ctx, archive, out, Limits{}, func(name string) (string, bool) {
				if name == "b" {
					cancel()
				}
				return name, true
			})
			if !errors.Is(err, context.Canceled) || errors.Is(err, ErrArchive) {
				t.Error(err)
			}
			wantOnly(t, filepath.Dir(out))
		})
	}
}

// Whatever the bytes, Unpack does not panic, keeps to its limits, writes regular files in its folder only, and leaves nothing
// behind after an error.
func FuzzUnpack(f *testing.F) {
	good := []tar.Header{
		special("d/", tar.TypeDir, ""), file("d/a.jpg", "photo"), file("バラ/b", "x"), file("../evil", "x"),
		special("link", tar.TypeSymlink, "/"), file("link/x", "x"), file("D/A.jpg", "x"), file(strings.Repeat("long/", 30)+"x", "x"),
	}
	f.Add(tarball(f, good...))
	for i := range good {
		f.Add(tarball(f, good[i]))
		f.Add(gzipped(f, tarball(f, good[:i]...)))
		f.Add(zipped(f, good[i]))
	}
	f.Add(zipped(f, good...))
	f.Add([]byte("PK\x05\x06"))
	f.Add([]byte("\x1f\x8b\x08"))
	limits := Limits{MaxFiles: 20, MaxBytes: 1 << 16, MaxFileBytes: 1 << 12}
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := unpackBytes(t, b, limits, nil)
		if err != nil {
			wantOnly(t, filepath.Dir(out))
			return
		}
		wantOnly(t, filepath.Dir(out), "out")
		var total int
		files := tree(t, out)
		for name, body := range files {
			if total += len(body); len(body) > 1<<12 {
				t.Errorf("%q has %d bytes", name, len(body))
			}
		}
		if len(files) == 0 || len(files) > 20 || total > 1<<16 {
			t.Errorf("%d files with %d bytes", len(files), total)
		}
		wantOnly(t, filepath.Dir(filepath.Dir(out)), "archive", "room")
	})
}
