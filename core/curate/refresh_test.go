package curate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kaika/core/curate"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

// TestRefresh changes a dataset behind its back.
func TestRefresh(t *testing.T) {
	copyOf := func(t *testing.T, from, to string) { // As a file manager copies: the time stays, the inode does not.
		t.Helper()
		content, err := os.ReadFile(from)
		ok(t, err)
		info, err := os.Stat(from)
		ok(t, err)
		write(t, to, string(content))
		ok(t, os.Chtimes(to, info.ModTime(), info.ModTime()))
	}
	tests := map[string]struct {
		act   func(t *testing.T, at func(string) string)
		want  map[string]string // Where the photos are that were at the keys; "" for nowhere.
		fresh []string          // New photos.
	}{
		"nothing": {act: func(*testing.T, func(string) string) {}},
		"a new photo": {
			act:   func(t *testing.T, at func(string) string) { t.Helper(); write(t, at("rose/new.jpg"), "new") },
			fresh: []string{"rose/new.jpg"},
		},
		"a new label": {
			act:   func(t *testing.T, at func(string) string) { t.Helper(); write(t, at("new/a/new.jpg"), "new") },
			fresh: []string{"new/a/new.jpg"},
		},
		"removed": {
			act:  func(t *testing.T, at func(string) string) { t.Helper(); ok(t, os.Remove(at("rose/1.jpg"))) },
			want: map[string]string{"rose/1.jpg": ""},
		},
		"renamed": {
			act: func(t *testing.T, at func(string) string) {
				t.Helper()
				ok(t, os.Rename(at("rose/1.jpg"), at("rose/x.jpg")))
			},
			want: map[string]string{"rose/1.jpg": "rose/x.jpg"},
		},
		"label renamed": {
			act:  func(t *testing.T, at func(string) string) { t.Helper(); ok(t, os.Rename(at("rose"), at("x"))) },
			want: map[string]string{"rose/1.jpg": "x/1.jpg", "rose/2.jpg": "x/2.jpg"},
		},
		"two change places": {
			act: func(t *testing.T, at func(string) string) {
				t.Helper()
				ok(t, os.Rename(at("rose/1.jpg"), at("x")))
				ok(t, os.Rename(at("tulip/1.jpg"), at("rose/1.jpg")))
				ok(t, os.Rename(at("x"), at("tulip/1.jpg")))
			},
			want: map[string]string{"rose/1.jpg": "tulip/1.jpg", "tulip/1.jpg": "rose/1.jpg"},
		},
		"copied and removed": {
			act: func(t *testing.T, at func(string) string) {
				t.Helper()
				copyOf(t, at("rose/1.jpg"), at("tulip/x.jpg"))
				ok(t, os.Remove(at("rose/1.jpg")))
			},
			want: map[string]string{"rose/1.jpg": "tulip/x.jpg"},
		},
		"another one of the same size and time": {
			act: func(t *testing.T, at func(string) string) {
				t.Helper()
				copyOf(t, at("rose/1.jpg"), at("tulip/x.jpg"))
				info, err := os.Stat(at("rose/1.jpg"))
				ok(t, err)
				write(t, at("tulip/x.jpg"), strings.Repeat("?", int(info.Size())))
				ok(t, os.Chtimes(at("tulip/x.jpg"), info.ModTime(), info.ModTime()))
				ok(t, os.Remove(at("rose/1.jpg")))
			},
			want:  map[string]string{"rose/1.jpg": ""},
			fresh: []string{"tulip/x.jpg"},
		},
		"copied": {
			act:   func(t *testing.T, at func(string) string) { t.Helper(); copyOf(t, at("rose/1.jpg"), at("tulip/x.jpg")) },
			fresh: []string{"tulip/x.jpg"},
		},
		"edited": {act: func(t *testing.T, at func(string) string) { t.Helper(); write(t, at("rose/1.jpg"), "edited") }},
		"saved anew": {act: func(t *testing.T, at func(string) string) {
			t.Helper()
			write(t, at("x"), "edited")
			ok(t, os.Rename(at("x"), at("rose/1.jpg")))
		}},
		"a label gone":  {act: func(t *testing.T, at func(string) string) { t.Helper(); ok(t, os.RemoveAll(at("daisy"))) }},
		"a loose photo": {act: func(t *testing.T, at func(string) string) { t.Helper(); write(t, at("loose.jpg"), "x") }},
		"out of trash": {act: func(t *testing.T, at func(string) string) {
			t.Helper()
			ok(t, os.Rename(at(".kaika/trash/tulip/t.jpg"), at("rose/t.jpg")))
		}, want: map[string]string{".kaika/trash/tulip/t.jpg": "rose/t.jpg"}},
		"trash emptied": {act: func(t *testing.T, at func(string) string) { t.Helper(); ok(t, os.RemoveAll(at(".kaika/trash"))) }, want: map[string]string{".kaika/trash/tulip/t.jpg": ""}},
		"the lock gone": {act: func(t *testing.T, at func(string) string) {
			t.Helper()
			ok(t, os.Remove(at(".kaika/lock")))
			write(t, at("rose/n.jpg"), "")
		}, fresh: []string{"rose/n.jpg"}},
		"catalog gone": {act: func(t *testing.T, at func(string) string) {
			t.Helper()
			ok(t, os.Remove(at(".kaika/catalog.db")))
			write(t, at("rose/n.jpg"), "")
		}, fresh: []string{"rose/n.jpg"}},
		"catalog broken": {act: func(t *testing.T, at func(string) string) {
			t.Helper()
			write(t, at(".kaika/catalog.db"), strings.Repeat("nonsense", 9999))
			write(t, at("rose/n.jpg"), "")
		}, fresh: []string{"rose/n.jpg"}},
	}
	for name, test := range tests {
		for _, running := range []bool{true, false} {
			if !running && strings.HasPrefix(name, "catalog") {
				continue // That is what it costs.
			}
			t.Run(fmt.Sprint(name, "/", running), func(t *testing.T) {
				dir := plant(t, "rose/1.jpg", "rose/2.jpg", "tulip/1.jpg", "tulip/t.jpg", "daisy/")
				l := open(t, dir)
				ok(t, l.Delete(t.Context(), find(t, l, "tulip/t.jpg")))
				ok(t, l.Hash(t.Context(), nil))
				at := func(rel string) string { return filepath.Join(dir, filepath.FromSlash(rel)) }
				was := map[string]curate.ID{}
				for _, rel := range append(paths(t, l, curate.Query{}), paths(t, l, curate.Query{Trash: true})...) {
					was[rel] = find(t, l, rel)[0]
				}
				if !running {
					ok(t, l.Close())
				}
				test.act(t, at)
				if running {
					changed, err := l.Refresh(t.Context())
					if err != nil || changed == (name == "nothing") {
						t.Fatalf("Refresh: %v, %v", changed, err)
					}
				} else {
					l = open(t, dir)
				}
				check(t, l)
				for rel, id := range was {
					want, moved := test.want[rel]
					if !moved {
						want = rel
					}
					p, found := l.Photo(id)
					if found != (want != "") || found && p.Path != at(want) {
						t.Errorf("%s is %+v, %v; want %q", rel, p, found, want)
					}
					if found && p.Size > 0 {
						content, err := os.ReadFile(p.Path)
						ok(t, err)
						if digest, err := l.Digest(t.Context(), id); err != nil || digest != picture.Sum(content) {
							t.Errorf("the digest of %s: %v, %v", rel, digest, err)
						}
					}
				}
				known := slices.Collect(func(yield func(curate.ID) bool) {
					for _, id := range was {
						if !yield(id) {
							return
						}
					}
				})
				var fresh []string
				for _, p := range l.Photos(curate.Query{}) {
					if !slices.Contains(known, p.ID) {
						rel, err := filepath.Rel(dir, p.Path)
						ok(t, err)
						fresh = append(fresh, filepath.ToSlash(rel))
					}
				}
				equal(t, "new photos", fresh, test.fresh)
			})
		}
	}
}

func TestRefreshOfLostFolder(t *testing.T) {
	dir := plant(t, "d/rose/1.jpg", "d/tulip/1.jpg")
	l := open(t, filepath.Join(dir, "d"))
	ok(t, os.Rename(filepath.Join(dir, "d"), filepath.Join(dir, "e")))
	if _, err := l.Refresh(t.Context()); err == nil {
		t.Error("no error")
	}
	if photos := l.Photos(curate.Query{}); len(photos) != 2 {
		t.Errorf("photos: %v", photos)
	}
	ok(t, os.Rename(filepath.Join(dir, "e"), filepath.Join(dir, "d")))
	check(t, l)
}

// TestComesBack takes a label away, as a disk that is taken out, and gives it back.
func TestComesBack(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "rose/2.jpg", "tulip/1.jpg")
	l := open(t, dir)
	ids := find(t, l, "rose/1.jpg", "rose/2.jpg")
	ok(t, l.Move(t.Context(), find(t, l, "tulip/1.jpg"), "rose"))
	elsewhere := filepath.Join(t.TempDir(), "rose")
	ok(t, os.Rename(filepath.Join(dir, "rose"), elsewhere))
	_, err := l.Refresh(t.Context())
	ok(t, err)
	if a, can := l.CanUndo(); can {
		t.Errorf("a step without photos can be undone: %+v", a)
	}
	ok(t, l.Close())
	l = open(t, dir)
	ok(t, os.Rename(elsewhere, filepath.Join(dir, "rose")))
	_, err = l.Refresh(t.Context())
	ok(t, err)
	equal(t, "IDs", find(t, l, "rose/1.jpg", "rose/2.jpg"), ids)
	undo(t, l)
	equal(t, "photos", paths(t, l, curate.Query{Labels: []string{"tulip"}}), []string{"tulip/1.jpg"})
	check(t, l)
}

// TestRebuild deletes or damages the catalog of a closed dataset.
func TestRebuild(t *testing.T) {
	source := curate.Source{Kind: "openverse", Title: "花", License: "CC0", Retrieved: time.Unix(1e9, 5).UTC()}
	for name, harm := range map[string]func(t *testing.T, catalog string){
		"deleted":  func(t *testing.T, catalog string) { t.Helper(); ok(t, os.Remove(catalog)) },
		"empty":    func(t *testing.T, catalog string) { t.Helper(); write(t, catalog, "") },
		"nonsense": func(t *testing.T, catalog string) { t.Helper(); write(t, catalog, strings.Repeat("nonsense", 9999)) },
		"cut off":  func(t *testing.T, catalog string) { t.Helper(); ok(t, os.Truncate(catalog, 9000)) },
		"torn page": func(t *testing.T, catalog string) {
			t.Helper()
			f, err := os.OpenFile(catalog, os.O_RDWR, 0)
			ok(t, err)
			_, err = f.WriteAt(make([]byte, 4096*3), 4096)
			ok(t, err)
			ok(t, f.Close())
		},
		"leftovers": func(t *testing.T, catalog string) {
			t.Helper()
			ok(t, os.Rename(catalog, catalog+"-wal"))
			write(t, catalog+"-journal", strings.Repeat("nonsense", 9999))
		},
		"damaged sources": func(t *testing.T, catalog string) {
			t.Helper()
			ok(t, os.Remove(catalog))
			f, err := os.OpenFile(filepath.Join(filepath.Dir(catalog), "sources.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
			ok(t, err)
			_, err = f.WriteString("{\"cut off\n\xff\xfe\n\n{\"digest\"")
			ok(t, err)
			ok(t, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := plant(t, "rose/1.jpg", "rose/2.jpg", "tulip/x.jpg")
			l := open(t, dir)
			p, err := l.Add(t.Context(), curate.Addition{Label: "tulip", Name: "a.png", Data: picturetest.PNG(1, 1, 9, 9), Source: source})
			ok(t, err)
			q, err := l.Add(t.Context(), curate.Addition{Label: "tulip", Name: "b.png", Data: picturetest.PNG(2, 2, 9, 9), Source: source})
			ok(t, err)
			ok(t, l.Move(t.Context(), []curate.ID{p.ID}, "daisy"))
			ok(t, l.Delete(t.Context(), append(find(t, l, "rose/1.jpg"), q.ID)))
			ok(t, l.Close())
			harm(t, filepath.Join(dir, ".kaika", "catalog.db"))

			l = open(t, dir)
			equal(t, "photos", paths(t, l, curate.Query{}), []string{"rose/2.jpg", "daisy/a.png", "tulip/x.jpg"})
			equal(t, "trash", paths(t, l, curate.Query{Trash: true, Sort: curate.ByLabel}), []string{".kaika/trash/rose/1.jpg", ".kaika/trash/tulip/b.png"})
			for _, path := range []string{"daisy/a.png", ".kaika/trash/tulip/b.png"} {
				if kept, _ := l.Photo(find(t, l, path)[0]); kept.Source != source || kept.Added.After(l.Photos(curate.Query{})[0].Added.Add(time.Hour)) {
					t.Errorf("%s: %+v", path, kept)
				}
			}
			check(t, l)
			ids := find(t, l, ".kaika/trash/rose/1.jpg")
			ok(t, l.Restore(t.Context(), ids))
			equal(t, "photos", paths(t, l, curate.Query{Labels: []string{"rose"}}), []string{"rose/1.jpg", "rose/2.jpg"})
			_, err = l.Add(t.Context(), curate.Addition{Label: "tulip", Name: "c.png", Data: picturetest.PNG(3, 3, 9, 9), Source: source})
			ok(t, err)
			ok(t, l.Close())
			l = open(t, dir)
			if p, _ := l.Photo(find(t, l, "tulip/c.png")[0]); p.Source != source {
				t.Errorf("added after it: %+v", p)
			}
			equal(t, "IDs", find(t, l, "rose/1.jpg"), ids)
			check(t, l)
		})
	}
}
