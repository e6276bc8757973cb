package inbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gocloud.dev/blob/memblob"

	"kaika/core/classify"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

func parsed(t testing.TB, data []byte) picture.Encoded {
	t.Helper()
	e, err := picture.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// classified is a photo with an answer of a score.
func classified(t testing.TB, seed int, score float32) Photo {
	t.Helper()
	return Photo{
		Picture: parsed(t, picturetest.JPEG(seed, seed, 64, 48)), Model: "flowers", Version: 3, At: time.Now(),
		Answer: classify.Answer{File: "secret name.jpg", Predictions: []classify.Prediction{{Label: "薔薇", Score: score}, {Label: "lily", Score: 1 - score}}},
	}
}

func inMemory() *Inbox {
	return &Inbox{place: "memory", bucket: memblob.OpenBucket(nil), scanning: make(chan struct{}, 1)}
}

func inFolder(t testing.TB, dir string) *Inbox {
	t.Helper()
	b, err := Open(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// again has the next list be read anew.
func (b *Inbox) again() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.scanned = time.Time{}
}

func list(t testing.TB, b *Inbox, order Order) []Record {
	t.Helper()
	b.again()
	var all []Record
	for {
		page, err := b.List(t.Context(), Query{Order: order, Offset: len(all), Limit: MaxPage})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Uploads...)
		if len(all) >= page.Total || len(page.Uploads) == 0 {
			return all
		}
	}
}

func TestKeepAndRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "写真 of users")
	t.Setenv("TMPDIR", t.TempDir())
	k := NewKeeper(inFolder(t, dir), Limits{}, nil)
	scores := []float32{0.9, 0.31, 1, 0.99999, 0.31}
	for i, score := range scores {
		k.Keep(classified(t, i, score))
	}
	gif := classified(t, 9, 0.5)
	gif.Picture = parsed(t, picturetest.GIF(1, 2, 64, 48))
	k.Keep(gif)
	if err := k.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := k.Stats(); s.Kept != 6 || s.Dropped+s.Failed+s.Removed != 0 {
		t.Fatalf("%+v", s)
	}
	b, err := Open(t.Context(), "file://"+dir, false)
	if err != nil {
		t.Fatal(err)
	}
	records := list(t, b, ByConfidence)
	var got []float64
	for _, r := range records {
		got = append(got, r.Confidence())
	}
	if want := []float64{0.31, 0.31, 0.5, 0.8999, 0.9999, 0.9999}; !slices.Equal(got, want) && !slices.Equal(got, []float64{0.31, 0.31, 0.5, 0.9, 0.9999, 0.9999}) {
		t.Errorf("in the order %v", got)
	}
	newest := list(t, b, Newest)
	if !slices.IsSortedFunc(newest, func(x, y Record) int { return y.Kept.Compare(x.Kept) }) {
		t.Errorf("newest first: %+v", newest)
	}
	r := records[0]
	data, kind, err := b.Photo(t.Context(), r.ID)
	if err != nil || kind != "image/jpeg" || int64(len(data)) != r.Bytes || r.Width != 64 || r.Height != 48 || r.Model != "flowers" || r.Version != 3 ||
		len(r.Predictions) != 2 || r.Predictions[0].Label != "薔薇" || r.Kept.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	if _, kind, err := b.Photo(t.Context(), records[2].ID); kind != "image/png" || err != nil {
		t.Errorf("the GIF is %s, %v", kind, err)
	}
	for _, name := range names(t, dir) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || bytes.Contains(text, []byte("secret name")) || strings.Contains(name, "secret") {
			t.Errorf("%s tells what the file was called, %v", name, err)
		}
	}
	if err := b.Remove(t.Context(), r.ID); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{b.Remove(t.Context(), r.ID), second(b.Record(t.Context(), r.ID)), b.Remove(t.Context(), "../../etc/passwd"), b.Remove(t.Context(), "")} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("gave %v", err)
		}
	}
	if left := names(t, dir); len(left) != 10 {
		t.Errorf("there is %v", left)
	}
	if left := names(t, os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("%v lies about", left)
	}
}

func second[T any](_ T, err error) error { return err }

func names(t testing.TB, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestLimits looks at age and size with a clock of its own.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKeeper(inMemory(), Limits{MaxAge: 48 * time.Hour, MaxBytes: 20_000}, nil)
		defer k.Close(t.Context()) //nolint:errcheck // For a test that ends early.
		p := classified(t, 1, 0.5)
		for range 4 {
			p.At = time.Now()
			k.Keep(p)
			time.Sleep(11 * time.Hour)
		}
		if s := k.Stats(); s.Photos != 4 || s.Kept != 4 {
			t.Fatalf("%+v", s)
		}
		time.Sleep(18 * time.Hour) // The first is 62 hours old, and the second 51.
		if s := k.Stats(); s.Photos != 2 || s.Removed != 2 {
			t.Errorf("after some days: %+v", s)
		}
		for i := range 50 {
			p.At = time.Now()
			p.Answer.Predictions[0].Score = float32(i) / 100
			k.Keep(p)
			synctest.Wait()
			time.Sleep(time.Minute)
		}
		s := k.Stats()
		if s.Bytes > 20_000 || s.Bytes < 15_000 || s.Failed+s.Dropped > 0 {
			t.Errorf("with too many: %+v", s)
		}
		left := list(t, k.Inbox, Newest)
		if len(left) != s.Photos || left[0].Confidence() < 0.48 || left[len(left)-1].Confidence() < 0.48-float64(len(left))/100 {
			t.Errorf("not the oldest went: %+v", left)
		}
		large := p
		large.Picture.Data = append(slices.Clone(p.Picture.Data[:len(p.Picture.Data)-2]), make([]byte, 20_000)...)
		k.Keep(large)
		synctest.Wait()
		if s := k.Stats(); s.Dropped != 1 || s.Photos != len(left) {
			t.Errorf("with one that is too large: %+v", s)
		}
		if err := k.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestKeepNeverWaits has a disk that does not answer: photos are dropped and counted, and the end comes in time.
func TestKeepNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inMemory()
		b.scanning <- struct{}{} // A list that never comes.
		var log bytes.Buffer
		k := NewKeeper(b, Limits{}, slog.New(slog.NewTextHandler(&log, nil)))
		defer k.Close(t.Context()) //nolint:errcheck // For a test that ends early.
		p := classified(t, 1, 0.5)
		var work sync.WaitGroup
		for range 4 {
			work.Go(func() {
				for range 100 {
					k.Keep(p)
				}
			})
		}
		work.Wait()
		synctest.Wait()
		if s := k.Stats(); s.Dropped < 400-maxQueue-writers || s.Kept != 0 {
			t.Errorf("%+v", s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if err := k.Close(ctx); err != nil || time.Since(began) > 4*time.Second {
			t.Errorf("closing took %v: %v", time.Since(began), err)
		}
		k.Keep(p)
		if s := k.Stats(); s.Dropped != 401 {
			t.Errorf("at the end %+v", s)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 {
			t.Errorf("the log has %d lines:\n%s", lines, &log)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for place, want := range map[string]string{
		"":                         "need a place",
		filepath.Join(dir, "none"): "no such file",
		file:                       "not a directory",
		"ftp://server/photos":      "photos cannot be kept in",
		"file://server/photos":     "another machine",
		"gs://%zz":                 "no address",
	} {
		if _, err := Open(t.Context(), place, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", place, err)
		}
	}
	t.Chdir(dir)
	b, err := Open(t.Context(), "relative folder", true)
	if err != nil || b.Place() != filepath.Join(dir, "relative folder") {
		t.Fatal(b, err)
	}
}

// TestDamage has files that are damaged, missing or foreign.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	k := NewKeeper(inFolder(t, dir), Limits{}, nil)
	for i := range 5 {
		k.Keep(classified(t, i, 0.5))
	}
	if err := k.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := inFolder(t, dir)
	all := list(t, b, Newest)
	if len(all) != 5 {
		t.Fatal(all)
	}
	at := func(i int, end string) string { return filepath.Join(dir, keyPrefix+all[i].ID+end) }
	old := time.Now().Add(-2 * time.Hour)
	if err := errors.Join(
		os.WriteFile(at(0, ".json"), []byte(`{"id": "x`), 0o600),
		os.WriteFile(at(1, ".json"), []byte(`{"id":"`+all[0].ID+`","type":"image/jpeg"}`), 0o600),
		os.Remove(at(2, ".json")),
		os.Remove(at(3, ".jpg")), os.Chtimes(at(3, ".json"), old, old),
		os.WriteFile(at(4, ".jpg")+".1763941234.tmp", nil, 0o600), os.Chtimes(at(4, ".jpg")+".1763941234.tmp", old, old),
		os.WriteFile(filepath.Join(dir, "upload-holiday.jpg"), nil, 0o600), os.Chtimes(filepath.Join(dir, "upload-holiday.jpg"), old, old),
		os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600),
		os.MkdirAll(filepath.Join(dir, "upload-folder", "deep"), 0o755),
	); err != nil {
		t.Fatal(err)
	}
	damaged := list(t, b, Newest)
	if len(damaged) != 3 || damaged[0].ID != all[0].ID || len(damaged[0].Predictions) != 0 || damaged[1].ID != all[1].ID || damaged[1].Type != "image/jpeg" ||
		len(damaged[2].Predictions) != 2 {
		t.Errorf("the list is %+v", damaged)
	}
	k = NewKeeper(b, Limits{}, nil)
	if err := k.sweep(t.Context()); err != nil {
		t.Error(err)
	}
	// What may still become whole stays, and what is of somebody else.
	for name, there := range map[string]bool{
		at(2, ".jpg"): true, at(3, ".json"): false, at(4, ".jpg") + ".1763941234.tmp": false,
		filepath.Join(dir, "upload-holiday.jpg"): true, filepath.Join(dir, "notes.txt"): true,
	} {
		if _, err := os.Stat(name); (err == nil) != there {
			t.Errorf("%s is there: %v", filepath.Base(name), err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	b.again()
	if _, err := b.List(t.Context(), Query{Order: Newest, Limit: 1}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a folder that is gone gives %v", err)
	}
	if err := k.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestManyPhotos lists 10,000 photos in little memory, and ends when it is asked to.
func TestManyPhotos(t *testing.T) {
	dir := t.TempDir()
	b := inFolder(t, dir)
	const photos = 10_000
	for i := range photos {
		id := newID(time.Now().Add(-time.Duration(i)*time.Second), float32(i%1000)/1000)
		for end, data := range map[string]string{".jpg": "photo", ".json": fmt.Sprintf(`{"id":%q,"type":"image/jpeg"}`, id)} {
			if err := os.WriteFile(filepath.Join(dir, keyPrefix+id+end), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.List(ctx, Query{Order: Newest, Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped, it gives %v", err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	all := list(t, b, ByConfidence)
	if len(all) != photos || !slices.IsSortedFunc(all, func(x, y Record) int { return int(1e4*x.Confidence()) - int(1e4*y.Confidence()) }) {
		t.Errorf("%d photos, or not in order", len(all))
	}
	seen := map[string]bool{}
	for _, r := range all {
		seen[r.ID] = true
	}
	if len(seen) != photos {
		t.Errorf("%d different ones", len(seen))
	}
	clear(seen)
	clear(all)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the list takes %d bytes", grown)
	}
	runtime.KeepAlive(b)
}

// TestAnonymous wants the pixels and the turn of a photo, and nothing else.
func TestAnonymous(t *testing.T) {
	const place = "N 35.6586 E 139.7454"
	jpeg := picturetest.JPEG(1, 2, 64, 48)
	segment := func(marker byte, content string) []byte {
		s := binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(2+len(content)))
		return append(s, content...)
	}
	personal := slices.Concat(jpeg[:2], segment(0xe1, "Exif\x00\x00"+string(orientationOnly(6))+place), segment(0xe1, "http://ns.adobe.com/xap/1.0/\x00"+place), segment(0xed, place),
		segment(0xe2, "MPF\x00"+place), segment(0xfe, place), jpeg[2:], []byte("a film at the end "+place))
	png := picturetest.PNG(1, 2, 64, 48)
	chunked := slices.Concat(png[:33], appendChunk(nil, "tEXt", []byte("Comment\x00"+place)), appendChunk(nil, "eXIf", append(orientationOnly(6), place...)), png[33:], []byte(place))
	profile := slices.Concat(jpeg[:2], segment(0xe2, "ICC_PROFILE\x00\x01\x01 colours"), jpeg[2:])
	for name, data := range map[string][]byte{
		"JPEG": jpeg, "personal JPEG": personal, "progressive": picturetest.Progressive(), "CMYK": picturetest.CMYK(), "profile": profile, "PNG": png,
		"personal PNG": chunked, "turned JPEG": picturetest.Turned(picturetest.Corners(64, 48), 8), "WebP": picturetest.WebP(), "16 bits": picturetest.PNG16(64, 48),
		"turned PNG": picturetest.WithOrientation(png, 3),
	} {
		before := parsed(t, data)
		bare, _, err := anonymous(before)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if bytes.Contains(bare, []byte(place)) || bytes.Contains(bare, []byte("adobe.com")) {
			t.Errorf("%s: it still says where it was taken", name)
		}
		if name == "profile" && !bytes.Contains(bare, []byte("colours")) {
			t.Error("the colours' profile is gone")
		}
		after := parsed(t, bare)
		if after.Orientation != before.Orientation || strings.HasPrefix(name, "personal") && after.Orientation != 6 {
			t.Errorf("%s: orientation %d became %d", name, before.Orientation, after.Orientation)
		}
		was, err1 := picture.Decode(before)
		is, err2 := picture.Decode(after)
		if err1 != nil || err2 != nil {
			t.Errorf("%s: %v, %v", name, err1, err2)
			continue
		}
		if was.Bounds() != is.Bounds() {
			t.Fatalf("%s: %v became %v", name, was.Bounds(), is.Bounds())
		}
		for y := range was.Bounds().Dy() {
			for x := range was.Bounds().Dx() {
				if was.At(x, y) != is.At(x, y) {
					t.Fatalf("%s: the pixel at %d, %d is another", name, x, y)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	id := newID(time.Now(), 0.5)
	f.Add(fmt.Appendf(nil, `{"id":%q,"type":"image/png","predictions":[{"label":"a","score":0.5}],"kept":"2026-01-01T00:00:00Z"}`, id))
	f.Add(fmt.Appendf(nil, `{"total":1,"offset":0,"uploads":[{"id":%q,"type":"image/jpeg","bytes":-1}]}`, id))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		good := func(r Record) {
			if !IsID(r.ID) || r.Kept.IsZero() || typeOf(".jpg") != r.Type && typeOf(".png") != r.Type || r.Bytes < 0 || len(r.Predictions) > maxPredictions ||
				r.Confidence() < 0 || r.Confidence() > 1 {
				t.Errorf("%+v", r)
			}
		}
		if r, err := ParseRecord(data); err == nil {
			good(r)
		}
		if p, err := ParsePage(data); err == nil {
			for _, r := range p.Uploads {
				good(r)
			}
		}
	})
}

func FuzzAnonymous(f *testing.F) {
	for _, data := range [][]byte{picturetest.JPEG(1, 2, 16, 16), picturetest.Progressive(), picturetest.PNG(1, 2, 16, 16), picturetest.WithOrientation(picturetest.PNG(1, 1, 8, 8), 5)} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := picture.Parse(data)
		if err != nil {
			t.Skip()
		}
		bare, end, err := anonymous(e)
		if err != nil {
			return
		}
		if again, err := picture.Parse(bare); err != nil || again.Orientation != e.Orientation || typeOf(end) == "" {
			t.Errorf("%v became %v, %v", e.Orientation, again.Orientation, err)
		}
	})
}
