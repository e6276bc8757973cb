package augment_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"kaika/core/augment"
	"kaika/core/curate"
	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

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

func write(t *testing.T, data []byte, path ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(path...), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// everything varies in each way.
var everything = feature.Augmentation{Views: 3, Flip: true, Crop: 20, Scale: 20, Brightness: 20, Rotation: 20}

func copies(l *curate.Library) []curate.Photo {
	return slices.DeleteFunc(l.Photos(curate.Query{}), func(p curate.Photo) bool { return !augment.IsCopy(p) })
}

func TestMakeAndRemove(t *testing.T) {
	dir := picturetest.Dataset(t, 3, "バラ", "sun flower")
	l := open(t, dir)
	photo, err := l.Add(t.Context(), curate.Addition{
		Label: "バラ", Name: "名 前.jpg", Data: picturetest.JPEG(5, 5, 40, 60),
		Source: curate.Source{Kind: "flickr", ID: "7", Author: "花子", License: "CC BY 2.0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	m := &augment.Maker{Library: l, Vary: everything, Progress: func(done, photos int) {
		if done <= last || photos != 7 {
			t.Errorf("told of %d of %d", done, photos)
		}
		last = done
	}}
	r, err := m.Make(t.Context())
	if err != nil || r.Photos != 7 || r.Made != 21 || r.There+r.Restored+len(r.Skipped) != 0 || last != 7 {
		t.Fatalf("made %+v, %v, told of %d", r, err, last)
	}
	named := regexp.MustCompile(`^(.*)\.augmented-[0-9a-f]{16}-[0-9a-f]{8}\.jpg$`)
	for _, p := range copies(l) {
		match := named.FindStringSubmatch(p.Name)
		if match == nil {
			t.Fatalf("a copy has the name %q", p.Name)
		}
		original, ok := l.Find(filepath.Join(dir, p.Label, match[1]+".jpg"))
		if !ok {
			t.Fatalf("the original of %s is not beside it", p.Path)
		}
		digest, err := l.Digest(t.Context(), original.ID)
		if err != nil || p.Source.Kind != augment.Kind || p.Source.ID != digest.String() || p.Source.From != p.Label+"/"+original.Name {
			t.Errorf("%s: source %+v, %v", p.Path, p.Source, err)
		}
		if original.ID == photo.ID && (p.Source.Author != "花子" || p.Source.License != "CC BY 2.0") {
			t.Errorf("the author is lost: %+v", p.Source)
		}
		if p.Width != p.Height || p.Width > 72 || p.Width < 20 {
			t.Errorf("%s has %d x %d pixels", p.Path, p.Width, p.Height)
		}
	}
	if a, err := l.Undo(t.Context()); err != nil || a.Kind != curate.Added || a.Count != 21 || len(copies(l)) != 0 {
		t.Fatalf("undone %+v, %v", a, err)
	}
	if a, err := l.Redo(t.Context()); err != nil || a.Count != 21 || len(copies(l)) != 21 {
		t.Fatalf("done again %+v, %v", a, err)
	}
	m.Progress = nil
	r, err = m.Make(t.Context()) // Copies are not copied.
	if err != nil || r.Photos != 7 || r.Made != 0 || r.There != 21 {
		t.Fatalf("made again %+v, %v", r, err)
	}

	if n, err := augment.Remove(t.Context(), l); err != nil || n != 21 || len(copies(l)) != 0 || len(l.Photos(curate.Query{})) != 7 {
		t.Fatalf("removed %d, %v; left %d", n, err, len(l.Photos(curate.Query{})))
	}
	if a, err := l.Undo(t.Context()); err != nil || a.Count != 21 || len(copies(l)) != 21 {
		t.Fatalf("undone %+v, %v", a, err)
	}
	if _, err := l.Redo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := augment.Remove(t.Context(), l); err != nil || n != 0 {
		t.Errorf("removed once more %d, %v", n, err)
	}
	if r, err = m.Make(t.Context()); err != nil || r.Made != 0 || r.There != 0 || r.Restored != 21 || len(copies(l)) != 21 {
		t.Errorf("brought back %+v, %v, and there are %d", r, err, len(copies(l)))
	}
}

// TestForbidden makes no copies of photos that may not be changed, unless it is told to.
func TestForbidden(t *testing.T) {
	const cc = "https://creativecommons.org/licenses/"
	l := open(t, t.TempDir())
	sources := map[string]struct {
		source    curate.Source
		forbidden bool
	}{
		"none":           {curate.Source{}, false},
		"by":             {curate.Source{Kind: "flickr", License: "CC BY 2.0", LicenseURL: cc + "by/2.0/"}, false},
		"by-nd":          {curate.Source{Kind: "flickr", License: "CC BY-ND 2.0", LicenseURL: cc + "by-nd/2.0/"}, true},
		"by-nc-nd":       {curate.Source{Kind: "openverse", License: "CC BY-NC-ND 4.0", LicenseURL: "http://www.creativecommons.org/licenses/by-nc-nd/4.0/deed.ja"}, true},
		"by name":        {curate.Source{License: "cc by-nd 3.0"}, true},
		"in words":       {curate.Source{License: "Attribution-NoDerivs License"}, true},
		"in more words":  {curate.Source{License: "Attribution-NonCommercial-NoDerivatives 4.0 International"}, true},
		"reserved":       {curate.Source{License: "All Rights Reserved", LicenseURL: "https://www.flickrhelp.com/x"}, true},
		"only a word":    {curate.Source{License: "Land of Andorra Licence"}, false},
		"another host":   {curate.Source{LicenseURL: "https://example.com/licenses/by-nd/2.0/"}, false},
		"only in a name": {curate.Source{License: "CC BY 2.0", LicenseURL: cc + "by/2.0/nd.html", Title: "ND"}, false},
	}
	forbidden, n := 0, 0
	for name, s := range sources {
		if _, err := l.Add(t.Context(), curate.Addition{Label: "a", Name: name + ".jpg", Data: picturetest.JPEG(n, n, 40, 40), Source: s.source}); err != nil {
			t.Fatal(err)
		}
		if n++; s.forbidden {
			forbidden++
		}
	}
	m := &augment.Maker{Library: l, Vary: feature.Augmentation{Views: 1, Flip: true}}
	r, err := m.Make(t.Context())
	total := 0
	for _, photos := range r.Forbidden {
		total += photos
	}
	if err != nil || total != forbidden || r.Photos != n-forbidden || r.Made != n-forbidden || r.Forbidden["CC BY-ND 2.0"] != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, p := range copies(l) {
		if name, _, _ := strings.Cut(p.Name, ".augmented"); sources[name].forbidden {
			t.Errorf("there is %s", p.Name)
		}
	}
	m.Any = true
	if r, err = m.Make(t.Context()); err != nil || len(r.Forbidden) != 0 || r.Photos != n || r.Made != forbidden || r.There != n-forbidden {
		t.Errorf("told to: %+v, %v", r, err)
	}
}

// TestNothingTwice asks for more mirrored copies than there can be.
func TestNothingTwice(t *testing.T) {
	l := open(t, picturetest.Dataset(t, 1, "a", "b"))
	m := &augment.Maker{Library: l, Vary: feature.Augmentation{Views: 10, Flip: true}}
	if r, err := m.Make(t.Context()); err != nil || r.Made != 2 || r.There != 0 {
		t.Errorf("made %+v, %v", r, err)
	}
	m.Vary = feature.Augmentation{Views: 4}
	if r, err := m.Make(t.Context()); err != nil || r.Made != 0 {
		t.Errorf("no variation made %+v, %v", r, err)
	}
	m.Vary.Views = -1
	if _, err := m.Make(t.Context()); err == nil {
		t.Error("less than nothing was made")
	}
}

func TestBadPhotos(t *testing.T) {
	dir := picturetest.Dataset(t, 1, "a", "b")
	write(t, []byte("no photo"), dir, "a", "x.jpg")
	write(t, picturetest.Truncated(), dir, "a", "y.jpg")
	write(t, picturetest.WithOrientation(picturetest.JPEG(1, 9, 90, 30), 6), dir, "b", strings.Repeat("長", 80)+".jpeg")
	l := open(t, dir)
	r, err := (&augment.Maker{Library: l, Vary: everything}).Make(t.Context())
	if err != nil || r.Photos != 5 || r.Made != 9 || len(r.Skipped) != 2 {
		t.Fatalf("made %+v, %v", r, err)
	}
	if r.Skipped[0].Reason != picture.NotAPicture || r.Skipped[1].Reason == "" || filepath.Base(r.Skipped[0].Path) != "x.jpg" {
		t.Errorf("skipped %+v", r.Skipped)
	}
	for _, p := range copies(l) {
		if len(p.Name) > 200 {
			t.Errorf("a name has %d bytes", len(p.Name))
		}
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

// TestCancel stops at each moment, and goes on.
func TestCancel(t *testing.T) {
	vary := feature.Augmentation{Views: 2, Flip: true, Rotation: 10}
	for length := 1; ; length += 7 {
		dir := picturetest.Dataset(t, 2, "a", "b")
		l := open(t, dir)
		r, err := (&augment.Maker{Library: l, Vary: vary}).Make(newFuse(t, length))
		if err == nil {
			if length < 20 {
				t.Errorf("it never asks whether to stop")
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("%d: %v", length, err)
		}
		there := copies(l)
		if len(there) != r.Made {
			t.Errorf("%d: said to have made %d, but there are %d", length, r.Made, len(there))
		}
		for _, p := range there {
			data, err := os.ReadFile(p.Path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
				t.Errorf("%d: %s: %v", length, p.Path, err)
			}
		}
		if again, err := (&augment.Maker{Library: l, Vary: vary}).Make(t.Context()); err != nil || again.Made+again.There != 8 || again.There != r.Made {
			t.Errorf("%d: after %+v came %+v, %v", length, r, again, err)
		}
	}
}

func TestDraw(t *testing.T) {
	quarters := func(m *image.RGBA) (names string) {
		n := m.Rect.Dx()
		for _, at := range []image.Point{{n / 4, n / 4}, {3 * n / 4, n / 4}, {n / 4, 3 * n / 4}, {3 * n / 4, 3 * n / 4}} {
			c := m.RGBAAt(at.X, at.Y)
			switch {
			case c.R > 150 && c.G > 150 && c.B > 150:
				names += "w"
			case c.R > 150:
				names += "r"
			case c.G > 150:
				names += "g"
			case c.B > 150:
				names += "b"
			default:
				names += "k"
			}
		}
		return names
	}
	square := picturetest.Corners(80, 80) // Red, green; blue, white.
	for name, test := range map[string]struct {
		photo image.Image
		view  feature.View
		side  int
		want  string
	}{
		"itself":             {square, feature.View{}, 80, "rgbw"},
		"mirrored":           {square, feature.View{Flip: true}, 80, "grwb"},
		"a quarter turn":     {square, feature.View{Angle: 90}, 80, "gwrb"},
		"mirrored, turned":   {square, feature.View{Flip: true, Angle: 90}, 80, "rbgw"},
		"zoom to the centre": {square, feature.View{Zoom: 1}, 40, "rgbw"},
		"top left":           {square, feature.View{Zoom: 1, DX: -1, DY: -1}, 40, "rrrr"},
		"bottom left":        {square, feature.View{Zoom: 1, DX: -1, DY: 1}, 40, "bbbb"},
		"black":              {square, feature.View{Brightness: -1}, 80, "kkkk"},
		"the right of a wide one": {
			picturetest.Corners(160, 40), feature.View{DX: 1}, 40, "ggww",
		},
		"a large one":     {picturetest.Corners(1500, 1400), feature.View{}, 1024, "rgbw"},
		"too much of all": {square, feature.View{Zoom: 1e9, DX: 9, DY: -9, Angle: 1e6}, 1, "gggg"},
	} {
		got := augment.Draw(test.photo, test.view)
		if got.Rect != image.Rect(0, 0, test.side, test.side) || quarters(got) != test.want {
			t.Errorf("%s: %v, %s; want %d, %s", name, got.Rect, quarters(got), test.side, test.want)
		}
	}
	grey := image.NewUniform(color.Gray{100})
	bright := augment.Draw(&image.RGBA{Pix: slices.Repeat([]byte{100, 100, 100, 255}, 16), Stride: 16, Rect: image.Rect(0, 0, 4, 4)}, feature.View{Brightness: 0.5})
	if c := bright.RGBAAt(2, 2); c.R != 150 || c.A != 255 {
		t.Errorf("%v became %v", grey.C, c)
	}
}

func TestOrigins(t *testing.T) {
	digest := func(s string) picture.Digest { return picture.Sum([]byte(s)) }
	line := func(of, from string) string {
		return `{"digest":"` + digest(of).String() + `","source":{"kind":"augmented","id":"` + digest(from).String() + `"}}` + "\n"
	}
	dir := t.TempDir()
	if o, err := augment.ReadOrigins(dir); err != nil || len(o) != 0 {
		t.Errorf("no list gives %v, %v", o, err)
	}
	if err := os.Mkdir(filepath.Join(dir, ".kaika"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, []byte(line("copy", "photo")+"damaged\n"+line("copy of copy", "copy")+line("x", "y")+line("y", "z")+line("z", "x")+line("self", "self")+
		`{"digest":"`+digest("bad").String()+`","source":{"kind":"augmented","id":"nothing"}}`+"\n"+
		`{"digest":"`+digest("other").String()+`","source":{"kind":"flickr","id":"`+digest("photo").String()+`"}}`+"\n"), dir, ".kaika", "sources.jsonl")
	o, err := augment.ReadOrigins(dir)
	if err != nil {
		t.Fatal(err)
	}
	short := func(s string) string { return digest(s).String()[:16] }
	paths := map[string]picture.Digest{
		"a/photo.jpg": digest("photo"), "a/copy.jpg": digest("copy"),
		"b/p.augmented-" + short("photo") + "-00000000.jpg":     digest("by name"),
		"b/p.augmented-" + short("photo") + "-00000000 (2).jpg": digest("by name, moved"),
		"b/other name.jpg": digest("by name"), // Its twin.
		"b/p.augmented-" + short("gone") + "-00000000.jpg":      digest("orphan 1"),
		"b/p.augmented-" + short("gone") + "-11111111.jpg":      digest("orphan 2"),
		"b/p.augmented-" + short("self name") + "-11111111.jpg": digest("self name"),
		"b/p.augmented-xyz.jpg":                                 digest("no copy"),
	}
	o.Complete(paths)
	for name, want := range map[string]string{
		"photo": "photo", "copy": "photo", "copy of copy": "photo", "by name": "photo", "by name, moved": "photo",
		"bad": "bad", "other": "other", "no copy": "no copy", "self": "self", "self name": "self name",
	} {
		if got := o.Of(digest(name)); got != digest(want) {
			t.Errorf("%s is not of %s", name, want)
		}
	}
	if o.Of(digest("x")) != o.Of(digest("y")) || o.Of(digest("y")) != o.Of(digest("z")) {
		t.Error("a circle is torn apart")
	}
	if a := o.Of(digest("orphan 1")); a != o.Of(digest("orphan 2")) || a == digest("orphan 1") {
		t.Error("copies of a photo that is gone are torn apart")
	}
}
