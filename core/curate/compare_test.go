package curate_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaika/core/curate"
	"kaika/core/picture/picturetest"
)

// seen calls Fingerprints, and gives how many photos it looked at.
func seen(t *testing.T, l *curate.Library) int {
	t.Helper()
	looked := 0
	ok(t, l.Fingerprints(t.Context(), func(done, total int) {
		if done < 0 || done > total || total == 0 || done != 0 && done != looked+1 {
			t.Errorf("looked at %d of %d after %d", done, total, looked)
		}
		looked = done
	}))
	return looked
}

// addition is a picture that is to be added if none looks like it.
func addition(label, name string, img image.Image) curate.Addition {
	return curate.Addition{
		Label: label, Name: name, Data: picturetest.EncodeJPEG(img), Source: curate.Source{Kind: "test", ID: name},
		Distinct: true, Fingerprint: curate.FingerprintOf(img),
	}
}

// like gives the photo that an addition is refused for, as "label/name", with "trash:" before it.
func like(t *testing.T, l *curate.Library, a curate.Addition) string {
	t.Helper()
	before := len(l.Photos(curate.Query{}))
	p, err := l.Add(t.Context(), a)
	var near *curate.NearDuplicateError
	if !errors.As(err, &near) {
		ok(t, err)
		if p.Path == "" {
			t.Errorf("%s: added as %+v", a.Name, p)
		}
		return ""
	}
	if now := len(l.Photos(curate.Query{})); now != before {
		t.Errorf("%s: refused, and there are %d photos of %d", a.Name, now, before)
	}
	name := near.Photo.Label + "/" + near.Photo.Name
	if !strings.Contains(err.Error(), near.Photo.Name) || !strings.Contains(err.Error(), near.Photo.Label) {
		t.Errorf("the refusal does not name %s: %v", name, err)
	}
	if !near.Photo.Deleted.IsZero() {
		return "trash:" + name
	}
	return name
}

func TestDistinct(t *testing.T) {
	dir := plant(t, "rose/", "tulip/")
	first, second := picturetest.Flower(1, 1, 320, 240), picturetest.Flower(2, 2, 320, 240)
	put := func(name string, img image.Image) {
		t.Helper()
		ok(t, os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), picturetest.EncodeJPEG(img), 0o644))
	}
	put("rose/old one.jpg", first)
	put("rose/two.jpg", second)
	write(t, filepath.Join(dir, "tulip", "broken.jpg"), "no picture")
	l := open(t, dir)
	if n := seen(t, l); n != 3 {
		t.Errorf("looked at %d photos of 3", n)
	}
	if n := seen(t, l); n != 0 {
		t.Errorf("looked at %d photos again", n)
	}
	smaller := altered(first, 0.5, 0.01, 1.1)
	if got := like(t, l, addition("tulip", "smaller.jpg", smaller)); got != "rose/old one.jpg" {
		t.Errorf("a smaller copy is refused for %q", got)
	}
	// Whoever wants it gets it.
	wanted := addition("tulip", "smaller.jpg", smaller)
	wanted.Distinct = false
	if got := like(t, l, wanted); got != "" {
		t.Errorf("refused for %q though it is wanted", got)
	}
	if n := seen(t, l); n != 1 {
		t.Errorf("looked at %d photos after one was added unseen", n)
	}
	// What was added is compared with as well, without being looked at again.
	third := picturetest.Flower(4, 4, 320, 240)
	if got := like(t, l, addition("new", "three.jpg", third)); got != "" {
		t.Errorf("another flower is refused for %q", got)
	}
	if got := like(t, l, addition("rose", "third.jpg", altered(third, 2, 0, 1))); got != "new/three.jpg" || seen(t, l) != 0 {
		t.Errorf("a copy of one that was added is refused for %q", got)
	}
	// From the trash as well, until that is emptied.
	ok(t, l.Delete(t.Context(), find(t, l, "new/three.jpg")))
	if got := like(t, l, addition("rose", "third.jpg", altered(third, 2, 0, 1))); got != "trash:new/three.jpg" {
		t.Errorf("a copy of a deleted one is refused for %q", got)
	}
	ok(t, l.EmptyTrash(t.Context()))
	if got := like(t, l, addition("rose", "third.jpg", altered(third, 2, 0, 1))); got != "" {
		t.Errorf("a copy of one that is gone is refused for %q", got)
	}
	// Another program puts something else there: it is no more what it was.
	put("rose/two.jpg", picturetest.Flower(5, 9, 300, 200))
	if got := like(t, l, addition("tulip", "second.jpg", altered(second, 0.7, 0, 1))); got != "" {
		t.Errorf("a copy of what was there is refused for %q", got)
	}
	check(t, l)

	// After a restart nothing is looked at again but what has changed; after the catalog is gone, all.
	ok(t, l.Close())
	l = open(t, dir)
	if n := seen(t, l); n != 1 {
		t.Errorf("looked at %d photos after a restart", n)
	}
	if got := like(t, l, addition("tulip", "x.jpg", altered(second, 0.5, 0, 1))); got != "tulip/second.jpg" {
		t.Errorf("after a restart a copy is refused for %q", got)
	}
	ok(t, l.Close())
	ok(t, os.Remove(filepath.Join(dir, ".kaika", "catalog.db")))
	l = open(t, dir)
	if n := seen(t, l); n != len(l.Photos(curate.Query{})) {
		t.Errorf("looked at %d photos of %d without a catalog", n, len(l.Photos(curate.Query{})))
	}
	if got := like(t, l, addition("tulip", "x.jpg", altered(second, 0.5, 0, 1))); got != "tulip/second.jpg" {
		t.Errorf("without a catalog a copy is refused for %q", got)
	}
	check(t, l)
}

func TestFingerprintsInCatalogsOfOthers(t *testing.T) {
	dir := plant(t, "rose/")
	flower := picturetest.Flower(1, 1, 160, 120)
	l := open(t, dir)
	_, err := l.Add(t.Context(), addition("rose", "1.jpg", flower))
	ok(t, err)
	ok(t, l.Close())
	edit := func(statement string) {
		t.Helper()
		db, err := sql.Open("sqlite", filepath.Join(dir, ".kaika", "catalog.db"))
		ok(t, err)
		_, err = db.ExecContext(t.Context(), statement)
		ok(t, err)
		ok(t, db.Close())
	}
	for statement, again := range map[string]int{
		"DROP TABLE fingerprint":                       1, // An earlier version.
		"UPDATE fingerprint SET method = 99":           1, // Another one.
		"UPDATE fingerprint SET digest = x'00'":        1,
		"SELECT 1":                                     0,
		"INSERT INTO fingerprint VALUES (x'01',1,x'')": 0, // Of a photo that there is not.
	} {
		edit(statement)
		l = open(t, dir)
		if n := seen(t, l); n != again {
			t.Errorf("%s: looked at %d photos", statement, n)
		}
		if got := like(t, l, addition("rose", "2.jpg", altered(flower, 0.6, 0, 1))); got != "rose/1.jpg" {
			t.Errorf("%s: a copy is refused for %q", statement, got)
		}
		if _, can := l.CanUndo(); !can {
			t.Errorf("%s: the steps are lost", statement)
		}
		ok(t, l.Close())
	}
}

func TestFingerprintsStopped(t *testing.T) {
	dir := plant(t)
	const photos = 300
	mkdir(t, filepath.Join(dir, "rose"))
	for i := range photos {
		ok(t, os.WriteFile(filepath.Join(dir, "rose", fmt.Sprintf("%d.jpg", i)), picturetest.JPEG(1, i, 24, 18), 0o644))
	}
	l := open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	err := l.Fingerprints(ctx, func(done, _ int) {
		if done == photos/2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("stopped, it says %v", err)
	}
	if n := seen(t, l); n < 1 || n > photos/2 {
		t.Errorf("it went on with %d photos", n)
	}
	ok(t, l.Close())
	if err := l.Fingerprints(t.Context(), nil); !errors.Is(err, curate.ErrClosed) {
		t.Errorf("closed, it says %v", err)
	}
}
