package collect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"kaika/core/collect"
	"kaika/core/curate"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

// library is a dataset in memory.
type library struct {
	mu     sync.Mutex
	photos []curate.Photo
	sums   map[picture.Digest]int
	names  map[string]bool // "label/name" of each photo.
	broken error           // What Add answers, if set.
}

func (l *library) Add(ctx context.Context, a curate.Addition) (curate.Photo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return curate.Photo{}, l.broken
	}
	if err := ctx.Err(); err != nil {
		return curate.Photo{}, err
	}
	sum := picture.Sum(a.Data)
	if i, ok := l.sums[sum]; ok {
		return curate.Photo{}, &duplicate{curate.DuplicateError{Photo: l.photos[i]}}
	}
	if l.sums == nil {
		l.sums, l.names = map[picture.Digest]int{}, map[string]bool{}
	}
	p := curate.Photo{
		ID: curate.ID(len(l.photos) + 1), Label: a.Label, Name: a.Name, Path: "/d/" + a.Label + "/" + a.Name,
		Size: int64(len(a.Data)), Source: a.Source,
	}
	l.sums[sum] = len(l.photos)
	l.names[a.Label+"/"+a.Name] = true
	l.photos = append(l.photos, p)
	return p, nil
}

// duplicate wraps the error as a library may.
type duplicate struct{ e curate.DuplicateError }

func (d *duplicate) Error() string { return "duplicate" }
func (d *duplicate) Unwrap() error { return &d.e }

func (l *library) Photos(q curate.Query) []curate.Photo {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []curate.Photo
	for _, p := range l.photos {
		if q.Trash == !p.Deleted.IsZero() {
			found = append(found, p)
		}
	}
	return found
}

func (l *library) landed() []string { return slices.Sorted(maps.Keys(l.names)) }

// tree writes files, given by slash-separated names, below a new folder.
func tree(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// photo gives a photo that differs from those with other numbers.
func photo(n int) []byte { return picturetest.JPEG(n%5, n, 40, 30) }

func contents(t *testing.T, l collect.Local) string {
	t.Helper()
	all, err := l.Contents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, c := range all {
		text = append(text, fmt.Sprintf("%s:%d", c.Name, c.Photos))
	}
	return strings.Join(text, " ")
}

// run collects all that a local source has, each keyword as its own label, "" as "loose".
func run(t *testing.T, c collect.Collector) (collect.Report, []collect.Event, error) {
	t.Helper()
	local, ok := c.Source.(collect.Local)
	if !ok {
		t.Fatalf("%T is not local", c.Source)
	}
	all, err := local.Contents(t.Context())
	if err != nil {
		return collect.Report{}, nil, err
	}
	var requests []collect.Request
	for _, found := range all {
		label := collect.Label(found.Name)
		if label == "" {
			label = "loose"
		}
		requests = append(requests, collect.Request{Keyword: found.Name, Label: label})
	}
	var events []collect.Event
	c.Observe = func(e collect.Event) { events = append(events, e) }
	report, err := c.Run(t.Context(), requests)
	return report, events, err
}

func reasons(r collect.Report) string {
	var text []string
	for _, reason := range slices.Sorted(maps.Keys(r.Reasons)) {
		text = append(text, fmt.Sprintf("%s:%d", reason, r.Reasons[reason]))
	}
	return strings.Join(text, " ")
}

func TestLayout(t *testing.T) {
	for name, tc := range map[string]struct{ photos, keywords string }{
		"nothing":               {"", ""},
		"flat":                  {"1.jpg 2.jpg", " "},
		"labels":                {"a/1.jpg b/2.jpg", "a b"},
		"one label":             {"a/1.jpg a/2.jpg", "a a"},
		"labels in a folder":    {"x/a/1.jpg x/b/2.jpg", "a b"},
		"deep":                  {"x/y/a/1.jpg x/y/b/2.jpg", "a b"},
		"one label, deep":       {"x/y/a/1.jpg", "a"},
		"folders in a label":    {"a/1.jpg a/old/2.jpg", "a a"},
		"folders in labels":     {"a/x/1.jpg b/x/2.jpg", "a b"},
		"loose beside labels":   {"1.jpg a/2.jpg b/3.jpg", " a b"},
		"loose in the only one": {"x/1.jpg x/a/2.jpg x/b/2.jpg", " a b"},
		"loose, deep":           {"x/y/1.jpg x/y/a/2.jpg x/y/b/z/2.jpg x/y/b/z/3.jpg", " a b b"},
		"loose beside one":      {"x/1.jpg x/a/2.jpg x/a/b/3.jpg", "x x x"},
		"beginning of the same": {"ab/1.jpg a/2.jpg", "ab a"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(collect.Keywords(strings.Fields(tc.photos)), " "); got != tc.keywords {
				t.Errorf("the keywords are %q, not %q", got, tc.keywords)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"rose": "rose", " rose ": "rose", "..rose": "rose", ".": "", "": "", "a/b\\c": "a-b-c", "バラ": "バラ", "ハ\u3099ラ": "バラ",
		"a\nb\x00c\u2028": "abc", "\xff": "�", ". .x": "x",
	} {
		if got := collect.Label(name); got != want {
			t.Errorf("the label of %q is %q, not %q", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"a.jpg": "a.jpg", "A.JPEG": "A.JPEG", "x.heic": "x.jpg", "x": "x.jpg", ".jpg": "photo.jpg", "": "photo.jpg", "a\nb.png": "ab.png",
		"花 1.webp": "花 1.webp", "photo.php": "photo.jpg", "a/b.jpg": "a-b.jpg", strings.Repeat("花", 100) + ".jpg": strings.Repeat("花", 66) + ".jpg",
	} {
		if got := collect.FileName(name, picture.JPEG); got != want {
			t.Errorf("the file name of %q is %q, not %q", name, got, want)
		}
	}
	if got := collect.FileName("x.bin", picture.WebP); got != "x.webp" {
		t.Errorf("a WebP got the name %q", got)
	}
}

func TestOldEncodings(t *testing.T) {
	const sjis = "\x83\x6f\x83\x89/\x95\x5c.jpg" // バラ/表.jpg, with a backslash for half of a letter.
	for _, tc := range []struct {
		names []string
		want  []string
	}{
		{[]string{sjis}, []string{"バラ/表.jpg"}},
		{[]string{"rose/1.jpg", "バラ/1.jpg", sjis}, []string{"rose/1.jpg", "バラ/1.jpg", "バラ/表.jpg"}},
		{[]string{"M\x81ller/f\x94to.jpg"}, []string{"Müller/föto.jpg"}},
		{[]string{"\xff\xfe.jpg"}, []string{"\u00a0■.jpg"}},
	} {
		text := collect.Decoder(tc.names)
		for i, name := range tc.names {
			if got := text(name); got != tc.want[i] {
				t.Errorf("%q is read as %q, not %q", name, got, tc.want[i])
			}
		}
	}
}

func TestCollect(t *testing.T) {
	dir := tree(t, map[string][]byte{
		"flowers/rose/1.jpg":       photo(1),
		"flowers/rose/copy.jpg":    photo(1),
		"flowers/rose/old/2.png":   picturetest.PNG(1, 9, 40, 30),
		"flowers/rose/small.jpg":   picturetest.JPEG(1, 2, 40, 20),
		"flowers/rose/.hidden.jpg": photo(3),
		"flowers/rose/notes.txt":   []byte("x"),
		"flowers/バラ 園/花\n.jpg":     photo(4),
		"flowers/バラ 園/bad.jpg":     []byte("<html>"),
		"flowers/バラ 園/cut.jpg":     picturetest.Truncated(),
		"flowers/バラ 園/phone.HEIC":  []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"),
		"flowers/__MACOSX/x.jpg":   photo(5),
		"flowers/LICENSE.txt":      []byte("CC BY"),
	})
	for name, source := range map[string]collect.Local{
		"folder": collect.NewFolder(dir),
		"tar":    collect.NewArchive(pack(t, dir, "tar")),
		"tar.gz": collect.NewArchive(pack(t, dir, "tar.gz")),
		"zip":    collect.NewArchive(pack(t, dir, "zip")),
	} {
		t.Run(name, func(t *testing.T) {
			if got, want := contents(t, source), "rose:4 バラ 園:4"; got != want {
				t.Errorf("the contents are %q, not %q", got, want)
			}
			lib := &library{}
			now := time.Date(2026, 11, 23, 1, 2, 3, 4, time.FixedZone("JST", 9*3600))
			report, events, err := run(t, collect.Collector{Library: lib, Source: source, MinSide: 30, Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := strings.Join(lib.landed(), " "), "rose/1.jpg rose/2.png バラ 園/花.jpg"; got != want && got != "rose/2.png rose/copy.jpg バラ 園/花.jpg" {
				t.Errorf("landed: %q", got)
			}
			if got, want := reasons(report), "duplicate:1 not_a_picture:1 too_small:1 truncated:1 unsupported:1"; got != want {
				t.Errorf("refused: %q, not %q", got, want)
			}
			if r := report.Results[0]; r.Landed != 2 || r.Refused != 2 || r.There != 0 || r.Exhausted || r.Reasons[collect.Duplicate] != 1 {
				t.Errorf("the result of rose is %+v", r)
			}
			if len(events) != 8 {
				t.Errorf("there were %d events", len(events))
			}
			if last := events[len(events)-1]; last.Counts != report.Results[last.Request].Counts {
				t.Errorf("the last event has %+v, the report %+v", last, report)
			}
			for _, p := range lib.photos {
				if s := p.Source; s.Kind == "" || !filepath.IsAbs(s.From) || s.Retrieved != now.UTC().Truncate(time.Second) || (s.Kind == "archive") != (s.ID != "") {
					t.Errorf("the source of %s is %+v", p.Path, s)
				}
			}

			// Again: nothing lands, and what is there is not read.
			report, events, err = run(t, collect.Collector{Library: lib, Source: source, MinSide: 30})
			if err != nil || report.Results[0].There != 2 || report.Results[1].There != 1 || report.Results[0].Landed+report.Results[1].Landed != 0 {
				t.Errorf("a second run gave %+v, %v", report, err)
			}
			for _, e := range events {
				if e.Photo != nil || e.Refusal != nil && (e.Refusal.Detail == "" || e.Refusal.Name == "") {
					t.Errorf("a second run told %+v", e)
				}
			}
		})
	}
}

func TestCountIsReachedInSpiteOfRefusals(t *testing.T) {
	files := map[string][]byte{}
	for i := range 20 {
		data := photo(i)
		if i%3 == 0 {
			data = []byte("no photo")
		}
		files[fmt.Sprintf("rose/%02d.jpg", i)] = data
		files[fmt.Sprintf("lily/%02d.jpg", i)] = photo(100 + i)
	}
	dir := tree(t, files)
	for name, source := range map[string]collect.Source{
		"folder": collect.NewFolder(dir), "zip": collect.NewArchive(pack(t, dir, "zip")), "one by one": oneByOne{collect.NewFolder(dir)},
	} {
		t.Run(name, func(t *testing.T) {
			lib := &library{}
			requests := []collect.Request{{"rose", "Rose", 5}, {"lily", "Lily", 30}, {"tulip", "Tulip", 1}}
			c := collect.Collector{Library: lib, Source: source}
			report, err := c.Run(t.Context(), requests)
			if err != nil {
				t.Fatal(err)
			}
			r, l, none := report.Results[0], report.Results[1], report.Results[2]
			if r.Landed != 5 || r.Refused != 3 || r.Exhausted {
				t.Errorf("rose: %+v", r)
			}
			if l.Landed != 20 || !l.Exhausted || !none.Exhausted {
				t.Errorf("lily: %+v, tulip: %+v", l, none)
			}
			// A larger number goes on where it was.
			requests[0].Count = 8
			if report, err = c.Run(t.Context(), requests[:1]); err != nil || report.Results[0].There != 5 || report.Results[0].Landed != 3 {
				t.Errorf("going on: %+v, %v", report.Results[0], err)
			}
		})
	}
}

// oneByOne is a source that gives one keyword after the other, as a service does.
type oneByOne struct{ collect.Source }

// late is a library that another run fills before the first photo of this one lands.
type late struct {
	*library

	other func()
}

func (l *late) Add(ctx context.Context, a curate.Addition) (curate.Photo, error) {
	if other := l.other; other != nil {
		l.other = nil
		other()
	}
	return l.library.Add(ctx, a)
}

// TestTwoRunsAtOnce has another run bring the same photos: together they bring as many as each of them was asked for.
func TestTwoRunsAtOnce(t *testing.T) {
	const wanted, more = 5, 3
	files := map[string][]byte{}
	for i := range wanted + more {
		files[fmt.Sprintf("rose/%d.jpg", i)] = picturetest.JPEG(1, i, 40, 40)
	}
	from, l := collect.NewFolder(tree(t, files)), &library{}
	run := func(into collect.Library) collect.Result {
		report, err := (&collect.Collector{Library: into, Source: from}).Run(t.Context(), []collect.Request{{Keyword: "rose", Label: "rose", Count: wanted}})
		if err != nil {
			t.Fatal(err)
		}
		return report.Results[0]
	}
	var other collect.Result
	this := run(&late{l, func() { other = run(l) }})
	if len(l.photos) != wanted || other.Landed != wanted || this.Landed != 0 || this.There != wanted || this.Refused != 0 {
		t.Errorf("there are %d photos: of one run %+v, of the other %+v", len(l.photos), this.Counts, other.Counts)
	}
}

func TestMovedAndDeletedSince(t *testing.T) {
	files := map[string][]byte{}
	for i := range 6 {
		files[fmt.Sprintf("rose/%d.jpg", i)] = photo(i)
	}
	lib := &library{}
	source := collect.NewFolder(tree(t, files))
	c := collect.Collector{Library: lib, Source: source}
	requests := []collect.Request{{"rose", "Rose", 3}}
	if _, err := c.Run(t.Context(), requests); err != nil {
		t.Fatal(err)
	}
	lib.photos[0].Label, lib.photos[1].Deleted = "Other", time.Now()
	report, err := c.Run(t.Context(), requests)
	if r := report.Results[0]; err != nil || r.There != 2 || r.Moved != 1 || r.Landed != 2 || r.Reasons[collect.Deleted] != 1 || r.Exhausted {
		t.Errorf("got %+v, %v", r, err)
	}
	// The same photo from elsewhere does not come back from the trash either.
	c.Source = collect.NewFolder(tree(t, files))
	report, err = c.Run(t.Context(), []collect.Request{{"rose", "Rose", 0}})
	if r := report.Results[0]; err != nil || r.Reasons[collect.Deleted] != 1 || r.Reasons[collect.Duplicate] != 4 || r.Landed != 1 {
		t.Errorf("from elsewhere: %+v, %v", r, err)
	}
}

// TestLabelOfMacOS asks again for photos whose label's folder is written as macOS does, in Unicode's other normal form: they have
// the label that is asked for.
func TestLabelOfMacOS(t *testing.T) {
	lib := &library{}
	c := collect.Collector{Library: lib, Source: collect.NewFolder(tree(t, map[string][]byte{"rose/1.jpg": photo(1)}))}
	requests := []collect.Request{{"rose", "バラ", 1}}
	if _, err := c.Run(t.Context(), requests); err != nil {
		t.Fatal(err)
	}
	lib.photos[0].Label = norm.NFD.String("バラ")
	report, err := c.Run(t.Context(), requests)
	if r := report.Results[0]; err != nil || r.There != 1 || r.Moved != 0 || r.Exhausted {
		t.Errorf("got %+v, %v", r, err)
	}
}

// TestCopyInTheTrash has a photo that was collected twice, and one of the two deleted: the one that is there counts.
func TestCopyInTheTrash(t *testing.T) {
	lib := &library{}
	c := collect.Collector{Library: lib, Source: collect.NewFolder(tree(t, map[string][]byte{"rose/1.jpg": photo(1)}))}
	requests := []collect.Request{{"rose", "rose", 1}}
	if _, err := c.Run(t.Context(), requests); err != nil {
		t.Fatal(err)
	}
	deleted := lib.photos[0]
	deleted.Deleted = time.Now()
	lib.photos = append(lib.photos, deleted)
	report, err := c.Run(t.Context(), requests)
	if r := report.Results[0]; err != nil || r.There != 1 || r.Refused != 0 || r.Exhausted {
		t.Errorf("got %+v, %v", r, err)
	}
}

// finding is a source that finds the photos of a list by keywords.
type finding map[string][]int

func (finding) Name() string { return "a list" }

func (s finding) Search(_ context.Context, r collect.Request) iter.Seq2[collect.Item, error] {
	return func(yield func(collect.Item, error) bool) {
		for _, n := range s[r.Keyword] {
			id := strconv.Itoa(n)
			item := collect.Item{
				Keyword: r.Keyword, Name: id + ".jpg", Source: curate.Source{Kind: "list", ID: id},
				Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(photo(n))), nil },
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// TestTwoKeywordsForOneLabel has photos that both keywords find: each keyword brings as many as were asked for.
func TestTwoKeywordsForOneLabel(t *testing.T) {
	lib := &library{}
	c := collect.Collector{Library: lib, Source: finding{"rose": {1, 2, 3, 4, 5}, "red flower": {2, 1, 3, 6, 7, 8, 9}}}
	requests := []collect.Request{{"rose", "rose", 3}, {"red flower", "rose", 3}}
	for again := range 2 {
		report, err := c.Run(t.Context(), requests)
		if err != nil || len(lib.photos) != 6 {
			t.Fatalf("there are %d photos, %v", len(lib.photos), err)
		}
		for _, r := range report.Results {
			if r.Landed != 3-3*again || r.There != 3*again || r.Moved+r.Refused != 0 || r.Exhausted {
				t.Errorf("run %d: %+v", again, r)
			}
		}
	}
}

func TestChangedPhotoIsReadAgain(t *testing.T) {
	dir := tree(t, map[string][]byte{"rose/1.jpg": photo(1)})
	lib := &library{}
	c := collect.Collector{Library: lib, Source: collect.NewFolder(dir)}
	requests := []collect.Request{{"rose", "rose", 0}}
	if _, err := c.Run(t.Context(), requests); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rose", "1.jpg"), append(photo(2), "more"...), 0o644); err != nil {
		t.Fatal(err)
	}
	if report, err := c.Run(t.Context(), requests); err != nil || report.Results[0].Landed != 1 {
		t.Errorf("got %+v, %v", report, err)
	}
}

func TestCancelledAnywhereItGoesOn(t *testing.T) {
	files := map[string][]byte{"rose/bad.jpg": []byte("x")}
	for i := range 8 {
		files[fmt.Sprintf("rose/%d.jpg", i)] = photo(i)
		files[fmt.Sprintf("lily/%d.jpg", i)] = photo(10 + i)
	}
	dir := tree(t, files)
	for _, source := range []collect.Local{collect.NewFolder(dir), collect.NewArchive(pack(t, dir, "tar.gz"))} {
		for stop := range 18 {
			lib := &library{}
			ctx, cancel := context.WithCancel(t.Context())
			seen := 0
			c := collect.Collector{Library: lib, Source: source, Observe: func(collect.Event) {
				if seen++; seen > stop {
					cancel()
				}
			}}
			requests := []collect.Request{{"rose", "rose", 0}, {"lily", "lily", 0}}
			report, err := c.Run(ctx, requests)
			cancel()
			if stop < 16 && !errors.Is(err, context.Canceled) {
				t.Fatalf("stopped after %d: %v", stop, err)
			}
			if got := report.Results[0].Landed + report.Results[1].Landed; got != len(lib.photos) {
				t.Errorf("stopped after %d: %d landed, the report says %d", stop, len(lib.photos), got)
			}
			before := len(lib.photos)
			c.Observe = nil
			report, err = c.Run(t.Context(), requests)
			if there := report.Results[0].There + report.Results[1].There; err != nil || there != before || len(lib.photos) != 16 {
				t.Errorf("stopped after %d: going on found %d of %d, %d in all, %v", stop, there, before, len(lib.photos), err)
			}
		}
	}
}

func TestErrorsThatEndARun(t *testing.T) {
	dir := tree(t, map[string][]byte{"rose/1.jpg": photo(1)})
	full := errors.New("no space left on device")
	c := collect.Collector{Library: &library{broken: full}, Source: collect.NewFolder(dir)}
	if _, err := c.Run(t.Context(), []collect.Request{{"rose", "rose", 0}}); !errors.Is(err, full) || !strings.Contains(err.Error(), "1.jpg") {
		t.Errorf("a full disk gave %v", err)
	}
	if _, err := c.Run(t.Context(), []collect.Request{{"rose", "a", 0}, {"rose", "b", 0}}); err == nil {
		t.Error("the same keyword twice is no error")
	}
	if report, err := c.Run(t.Context(), nil); err != nil || len(report.Results) != 0 {
		t.Errorf("no requests gave %+v, %v", report, err)
	}
	c.Source = collect.NewFolder(filepath.Join(dir, "missing"))
	if _, err := c.Run(t.Context(), []collect.Request{{"rose", "rose", 0}}); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a missing folder gave %v", err)
	}
}

func BenchmarkAlreadyThere(b *testing.B) {
	dir := b.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "rose"), 0o755); err != nil {
		b.Fatal(err)
	}
	lib := &library{}
	data := photo(1)
	for i := range 20_000 {
		path := filepath.Join(dir, "rose", fmt.Sprintf("%05d.jpg", i))
		if err := os.WriteFile(path, data, 0o644); err != nil {
			b.Fatal(err)
		}
		lib.photos = append(lib.photos, curate.Photo{Label: "rose", Size: int64(len(data)), Source: curate.Source{Kind: "folder", From: path}})
	}
	for b.Loop() {
		c := collect.Collector{Library: lib, Source: collect.NewFolder(dir)}
		if report, err := c.Run(b.Context(), []collect.Request{{"rose", "rose", 0}}); err != nil || report.Results[0].There != 20_000 {
			b.Fatal(report, err)
		}
	}
}
