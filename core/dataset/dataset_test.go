package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kaika/core/picture"
)

// plant makes files, folders (a path that ends in "/") and links ("path ->
// target") in a new folder, and returns that. In targets, ROOT stands for it.
func plant(t *testing.T, paths ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, p := range paths {
		name, target, isLink := strings.Cut(p, " -> ")
		at := filepath.Join(root, filepath.FromSlash(name))
		folder := filepath.Dir(at)
		if strings.HasSuffix(name, "/") {
			folder = at
		}
		if err := os.MkdirAll(folder, 0o750); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case isLink:
			err = os.Symlink(strings.ReplaceAll(target, "ROOT", root), at)
		case folder != at:
			err = os.WriteFile(at, []byte(name), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// describe writes what was found with paths relative to root.
func describe(t *testing.T, root string, d *Dataset) (photos, skipped []string) {
	t.Helper()
	rel := func(path string) string {
		r, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		return filepath.ToSlash(r)
	}
	for _, p := range d.Photos {
		photos = append(photos, d.Labels[p.Label]+": "+rel(p.Path))
	}
	for _, s := range d.Skipped {
		skipped = append(skipped, rel(s.Path)+": "+string(s.Reason))
	}
	return photos, skipped
}

func TestOpen(t *testing.T) {
	tests := []struct {
		name    string
		paths   []string
		dir     string // in the planted folder
		photos  []string
		skipped []string
	}{
		{
			name:  "plain, in order",
			paths: []string{"tulip/b.jpg", "tulip/a.PNG", "rose/1.jpeg", "Zinnia/1.webp"},
			photos: []string{
				"Zinnia: Zinnia/1.webp", "rose: rose/1.jpeg", "tulip: tulip/a.PNG", "tulip: tulip/b.jpg",
			},
		},
		{
			name:   "Japanese names and spaces",
			paths:  []string{"薔薇/赤い 花.jpg", "チューリップ/花.jpg", "tiger lily/my photo (1).jpg"},
			photos: []string{"tiger lily: tiger lily/my photo (1).jpg", "チューリップ: チューリップ/花.jpg", "薔薇: 薔薇/赤い 花.jpg"},
		},
		{
			name: "what is not the user's",
			paths: []string{
				"rose/1.jpg", "tulip/1.jpg", "rose/._1.jpg", "rose/.thumbs/1.jpg", ".kaika/trash/1.jpg", ".git/1.jpg",
				"rose/Thumbs.db", "rose/notes.txt", "LICENSE.txt",
			},
			photos: []string{"rose: rose/1.jpg", "tulip: tulip/1.jpg"},
		},
		{
			name: "what may have been meant",
			paths: []string{
				"rose/1.jpg", "tulip/1.jpg", "rose/2.HEIC", "rose/3.cr2", "tulip/raw/4.nef", "tulip/5.svg", "6.jpg", "lily/", "iris/7.pdf",
			},
			photos: []string{"rose: rose/1.jpg", "tulip: tulip/1.jpg"},
			skipped: []string{
				"6.jpg: no_label", "iris: empty_label", "iris/7.pdf: unsupported", "lily: empty_label",
				"rose/2.HEIC: unsupported", "rose/3.cr2: unsupported", "tulip/5.svg: unsupported", "tulip/raw/4.nef: unsupported",
			},
		},
		{
			name:   "sub-folders belong to the label",
			paths:  []string{"rose/2024/spring/1.jpg", "rose/2.jpg", "tulip/rose/3.jpg"},
			photos: []string{"rose: rose/2.jpg", "rose: rose/2024/spring/1.jpg", "tulip: tulip/rose/3.jpg"},
		},
		{
			name: "links to elsewhere",
			paths: []string{
				"else/photos/1.jpg", "else/photos/2.jpg", "else/3.jpg", "set/rose/4.jpg",
				"set/rose/more -> ROOT/else/photos", "set/rose/one.jpg -> ../../else/3.jpg", "set/tulip -> ../else",
			},
			dir: "set",
			photos: []string{
				"rose: rose/4.jpg", "rose: rose/more/1.jpg", "rose: rose/more/2.jpg", "rose: rose/one.jpg",
				"tulip: tulip/3.jpg", "tulip: tulip/photos/1.jpg", "tulip: tulip/photos/2.jpg",
			},
		},
		{
			name:   "the dataset is a link",
			paths:  []string{"set/rose/1.jpg", "set/tulip/1.jpg", "set/rose/up -> ROOT/link", "link -> set"},
			dir:    "link",
			photos: []string{"rose: rose/1.jpg", "tulip: tulip/1.jpg"},
			skipped: []string{
				"rose/up: circular_link",
			},
		},
		{
			name: "each file once a label, by its own path if it has one",
			paths: []string{
				"rose/a.jpg -> z/1.jpg", "rose/b -> z", "rose/c.jpg -> ROOT/tulip/1.jpg", "rose/d.jpg -> ../tulip/1.jpg",
				"rose/d.txt -> ../tulip/1.jpg", "rose/z/1.jpg", "tulip/1.jpg", "tulip/again.jpg -> 1.jpg",
			},
			photos: []string{"rose: rose/c.jpg", "rose: rose/z/1.jpg", "tulip: tulip/1.jpg"},
		},
		{
			name: "circles",
			paths: []string{
				"set/rose/1.jpg", "set/tulip/1.jpg",
				"set/rose/self -> .", "set/rose/up -> ..", "set/rose/deep/home -> ROOT/set/rose", "set/all -> .", "set/rose/top -> /",
				// Out of the dataset, down, and up again further than it came.
				"else/a/b/2.jpg", "else/3.jpg", "set/tulip/out -> ROOT/else/a/b", "else/a/b/up -> ../..",
				// From one label into the other and back.
				"set/tulip/x -> ../rose", "set/rose/y -> ../tulip",
			},
			dir: "set",
			photos: []string{
				"rose: rose/1.jpg", "rose: rose/y/1.jpg", "rose: rose/y/out/2.jpg",
				"tulip: tulip/1.jpg", "tulip: tulip/out/2.jpg", "tulip: tulip/x/1.jpg",
			},
		},
		{
			name: "links that lead nowhere",
			paths: []string{
				"rose/1.jpg", "tulip/1.jpg", "rose/gone.jpg -> nowhere.jpg", "rose/loop -> loop", "lily -> nowhere", "iris -> iris",
				"tulip/ping -> pong", "tulip/pong -> ping",
			},
			photos: []string{"rose: rose/1.jpg", "tulip: tulip/1.jpg"},
			skipped: []string{
				"iris: unreadable", "lily: unreadable", "rose/gone.jpg: unreadable", "rose/loop: unreadable",
				"tulip/ping: unreadable", "tulip/pong: unreadable",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(plant(t, tt.paths...), tt.dir)
			d, err := Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			photos, skipped := describe(t, dir, d)
			if !slices.Equal(photos, tt.photos) {
				t.Errorf("photos:\n%s\nwant:\n%s", strings.Join(photos, "\n"), strings.Join(tt.photos, "\n"))
			}
			if tt.name == "circles" { // which of the links is found first is nobody's business
				skipped = slices.DeleteFunc(skipped, func(s string) bool { return strings.HasSuffix(s, ": circular_link") })
			}
			if !slices.Equal(skipped, tt.skipped) {
				t.Errorf("skipped:\n%s\nwant:\n%s", strings.Join(skipped, "\n"), strings.Join(tt.skipped, "\n"))
			}
			for _, s := range d.Skipped {
				if s.Detail == "" || strings.Contains(s.Detail, dir) {
					t.Errorf("%s: detail %q should be a sentence without the path", s.Path, s.Detail)
				}
			}
			for _, p := range d.Photos {
				info, err := os.Stat(p.Path)
				if err != nil || info.Size() != p.Size || !info.ModTime().Equal(p.ModTime) {
					t.Errorf("%s: size %d, time %v; the file has %v (%v)", p.Path, p.Size, p.ModTime, info, err)
				}
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	tests := []struct {
		name  string
		paths []string
		dir   string
		kind  error
		want  []string
	}{
		{"missing", nil, "nowhere", ErrNoFolder, []string{"there is no folder", "nowhere"}},
		{"a file", []string{"1.jpg"}, "1.jpg", ErrNoFolder, []string{"1.jpg", "is a file", "give the folder"}},
		{"cannot be read", []string{"loop -> loop"}, "loop", ErrNoFolder, []string{"cannot be read", "too many levels"}},
		{"nothing", nil, "", ErrNoLabels, []string{"make a folder in it for each label"}},
		{"photos only", []string{"1.jpg", "2.jpg"}, "", ErrNoLabels, []string{"put the photos of each label in a folder of its own", "rose"}},
		{"empty labels", []string{"rose/", "tulip/"}, "", ErrNoLabels, []string{`without photos: "rose", "tulip"`}},
		{
			"many empty labels",
			[]string{"a/", "b/", "c/", "d/", "e/", "f/", "g/"},
			"",
			ErrNoLabels,
			[]string{`"a", "b", "c", "d", "e", 2 more`},
		},
		{"hidden labels", []string{".a/1.jpg", ".b/1.jpg"}, "", ErrNoLabels, nil},
		{"one label", []string{"rose/1.jpg"}, "", ErrOneLabel, []string{`only one label, "rose"`, "at least two"}},
		{
			"one label beside others",
			[]string{"rose/1.jpg", "tulip/", "lily -> nowhere"},
			"",
			ErrOneLabel,
			[]string{`"rose"`, `without photos: "tulip"`, `cannot be read: "lily"`},
		},
		{
			"one folder too high",
			[]string{"flowers/rose/1.jpg", "flowers/tulip/1.jpg"},
			"",
			ErrOneLabel,
			[]string{`only one label, "flowers"`, "flowers\" are the labels, give that folder"},
		},
		{"case", []string{"Rose/1.jpg", "rose/1.jpg"}, "", ErrLabelClash, []string{`"Rose" and "rose"`, "upper and lower case", "rename"}},
		{"case in Greek", []string{"ΡΌΔΟΣ/1.jpg", "ρόδος/1.jpg"}, "", ErrLabelClash, []string{`"ΡΌΔΟΣ" and "ρόδος"`}},
		{"spaces", []string{"rose/1.jpg", "rose /1.jpg"}, "", ErrLabelClash, []string{`"rose" and "rose "`, "spaces"}},
		{
			"normalisation",
			[]string{"\u304b\u3099/1.jpg", "\u304c/1.jpg"},
			"",
			ErrLabelClash,
			[]string{"the way their letters are encoded", `"\u304b\u3099", "\u304c"`},
		},
		{"newline", []string{"a\nb/1.jpg", "rose/1.jpg"}, "", ErrLabelName, []string{`"a\nb"`, "rename it"}},
		{"control character", []string{"a\x1bb/1.jpg", "rose/1.jpg"}, "", ErrLabelName, []string{`"a\x1bb"`}},
		{"line separator", []string{"a\u2028b/1.jpg", "rose/1.jpg"}, "", ErrLabelName, []string{`"a\u2028b"`}},
		{"not UTF-8", []string{"\xe4\xf6/1.jpg", "rose/1.jpg"}, "", ErrLabelName, []string{`"\xe4\xf6"`, "UTF-8"}},
	}
	kinds := []error{ErrNoFolder, ErrNoLabels, ErrOneLabel, ErrLabelName, ErrLabelClash}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := plant(t, tt.paths...)
			d, err := Open(t.Context(), filepath.Join(root, tt.dir))
			if err == nil {
				if entries, _ := os.ReadDir(root); tt.kind == ErrLabelClash && len(entries) < 2 { //nolint:errorlint // a row of the table
					t.Skip("this file system keeps only one of the two folders")
				}
				t.Fatalf("found %v, want an error", d.Labels)
			}
			for _, kind := range kinds {
				if got := errors.Is(err, kind); got != errors.Is(tt.kind, kind) {
					t.Errorf("errors.Is(%q, %q) = %v", err, kind, got)
				}
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q has more than one line", err)
			}
		})
	}
}

func TestOpenErrorCause(t *testing.T) {
	_, err := Open(t.Context(), filepath.Join(t.TempDir(), "nowhere"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	if _, err := Open(t.Context(), ""); !errors.Is(err, ErrNoFolder) {
		t.Errorf("%v is not ErrNoFolder", err)
	}
}

func TestOpenCanceled(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "tulip/1.jpg")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}

// TestOpenRelative gives the paths as they were asked for, and knows links in
// the way to the working folder.
func TestOpenRelative(t *testing.T) {
	root := plant(t, "set/rose/1.jpg", "set/tulip/1.jpg", "link -> .", "set/rose/up -> ROOT/set")
	t.Chdir(filepath.Join(root, "link"))
	for _, dir := range []string{"set", "set/", "./set", "link/set"} {
		d, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		want := filepath.Join(dir, "rose", "1.jpg")
		if len(d.Photos) != 2 || d.Photos[0].Path != want || len(d.Skipped) != 1 || d.Skipped[0].Reason != CircularLink {
			t.Errorf("Open(%q) = %+v, want first %s and one circle", dir, d, want)
		}
	}
	t.Chdir("set")
	if d, err := Open(t.Context(), "."); err != nil || d.Photos[0].Path != filepath.Join("rose", "1.jpg") {
		t.Errorf("Open(.) = %+v, %v", d, err)
	}
}

// TestOpenTooDeep has a folder that even the system's owner cannot read: its
// path is longer than the system takes.
func TestOpenTooDeep(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "tulip/1.jpg")
	root, err := os.OpenRoot(filepath.Join(dir, "rose"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	if err := root.MkdirAll(strings.Repeat(strings.Repeat("d", 200)+"/", 25), 0o750); err != nil {
		t.Skipf("no folder so deep can be made here: %v", err)
	}
	d, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Photos) != 2 || len(d.Skipped) != 1 || d.Skipped[0].Reason != picture.Unreadable ||
		!strings.HasPrefix(d.Skipped[0].Detail, "cannot be read: ") {
		t.Errorf("%d photos, skipped %+v", len(d.Photos), d.Skipped)
	}
}

func TestOpenForbidden(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything: TestOpenTooDeep tests what this does")
	}
	dir := plant(t, "rose/1.jpg", "tulip/1.jpg", "lily/1.jpg", "rose/sub/2.jpg")
	for _, name := range []string{"lily", "rose/sub"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(path, 0o700) })
	}
	d, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	_, skipped := describe(t, dir, d)
	if want := []string{"lily: unreadable", "rose/sub: unreadable"}; !slices.Equal(skipped, want) {
		t.Errorf("skipped %q, want %q", skipped, want)
	}
}

// TestOpenPipe must not wait for a writer, nor let anybody after it do so.
func TestOpenPipe(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "tulip/1.jpg")
	if err := syscall.Mkfifo(filepath.Join(dir, "rose", "pipe.jpg"), 0o600); err != nil {
		t.Skipf("no pipe can be made here: %v", err)
	}
	d, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	photos, skipped := describe(t, dir, d)
	if len(photos) != 2 || !slices.Equal(skipped, []string{"rose/pipe.jpg: unreadable"}) {
		t.Errorf("photos %q, skipped %q", photos, skipped)
	}
}

// realPhotos returns a folder of real photos, and skips the test without.
func realPhotos(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data", name)
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the real photos are missing: %v", err)
		}
		t.Skipf("no real photos here: %v", err)
	}
	return dir
}

func TestRealPhotos(t *testing.T) {
	dir := realPhotos(t, "flower_photos")
	d, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"daisy", "dandelion", "roses", "sunflowers", "tulips"}; !slices.Equal(d.Labels, want) {
		t.Fatalf("labels %q, want %q", d.Labels, want)
	}
	if len(d.Photos) != 1202 || len(d.Skipped) != 0 {
		t.Fatalf("%d photos, skipped %v", len(d.Photos), d.Skipped)
	}
	samples := make([]Sample, len(d.Photos))
	for i, p := range d.Photos {
		data, err := os.ReadFile(p.Path)
		if err != nil {
			t.Fatal(err)
		}
		samples[i] = Sample{Digest: picture.Sum(data), Label: p.Label}
	}
	sides, warnings, err := Split(samples, d.Labels, 10, 10)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	folds, warnings, err := Folds(samples, d.Labels, 5, 1)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	held := make([][5]int, len(d.Labels))
	for i, s := range samples {
		held[s.Label][folds[i]]++
	}
	for label, c := range tally(samples, sides, len(d.Labels)) {
		if c[Test] < 22 || c[Test] > 26 || c[Validation] < 22 || c[Validation] > 26 {
			t.Errorf("%s: train, validation, test = %v", d.Labels[label], c)
		}
		if f := held[label]; slices.Max(f[:])-slices.Min(f[:]) > 1 {
			t.Errorf("%s: folds %v", d.Labels[label], f)
		}
	}
	// The same photo in two labels, and under two names in one.
	for _, names := range [][2]string{
		{"roses/15922772266_1167a06620.jpg", "tulips/15922772266_1167a06620.jpg"},
		{"sunflowers/14889392928_9742aed45b_m.jpg", "sunflowers/15066430311_fb57fa92b0_m.jpg"},
	} {
		at := func(name string) int {
			return slices.IndexFunc(d.Photos, func(p Photo) bool { return p.Path == filepath.Join(dir, name) })
		}
		a, b := at(names[0]), at(names[1])
		if samples[a].Digest != samples[b].Digest {
			t.Logf("%v differ in their bytes", names)
			continue
		}
		if sides[a] != sides[b] || folds[a] != folds[b] {
			t.Errorf("%v: %s and %s, folds %d and %d", names, sides[a], sides[b], folds[a], folds[b])
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for label := range 5 {
		folder := filepath.Join(dir, fmt.Sprintf("label%d", label))
		if err := os.Mkdir(folder, 0o750); err != nil {
			b.Fatal(err)
		}
		for i := range 2000 {
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.jpg", i)), nil, 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		d, err := Open(b.Context(), dir)
		if err != nil || len(d.Photos) != 10_000 {
			b.Fatal(len(d.Photos), err)
		}
	}
}
