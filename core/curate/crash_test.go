package curate_test

import (
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaika/core/curate"
)

// The states in the journal.
const (
	doing, undoing, redoing      = 1, 3, 5
	pending, inEffect, takenBack = 0, 1, 2
)

type journalItem struct {
	n, op    int
	photo    int64
	from, to string
}

// crash makes of a dataset whose newest step was just ended one whose process died during it: in the middle of the
// journal's states, with the first some items of it carried out.
func crash(t *testing.T, dir string, state, carriedOut int) (items int) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, ".kaika", "catalog.db"))
	ok(t, err)
	defer db.Close() //nolint:errcheck // A test's.
	var step int64
	ok(t, db.QueryRowContext(t.Context(), "SELECT max(id) FROM step").Scan(&step))
	rows, err := db.QueryContext(t.Context(), "SELECT n, op, photo, source, target FROM item WHERE step = ? ORDER BY n", step)
	ok(t, err)
	var all []journalItem
	for rows.Next() {
		var it journalItem
		ok(t, rows.Scan(&it.n, &it.op, &it.photo, &it.from, &it.to))
		all = append(all, it)
	}
	ok(t, rows.Err())
	before := map[int]int{doing: pending, undoing: inEffect, redoing: takenBack}[state]
	exec := func(query string, args ...any) {
		t.Helper()
		_, err := db.ExecContext(t.Context(), query, args...)
		ok(t, err)
	}
	exec("UPDATE step SET state = ? WHERE id = ?", state, step)
	exec("UPDATE item SET state = ? WHERE step = ?", before, step)
	at := func(rel string) string { return filepath.Join(dir, rel) }
	// Take back, on the disk, what had not been carried out by then, the last first.
	for i := len(all) - 1; i >= carriedOut; i-- {
		it := all[i]
		if state == undoing { // It went the other way, in the other order.
			it = all[len(all)-1-i]
			it.from, it.to = it.to, it.from
		}
		switch made := it.op == 2 && state != undoing || it.op == 3 && state == undoing; {
		case it.op == 1 || it.op == 4:
			mkdir(t, filepath.Dir(at(it.from)))
			ok(t, os.Rename(at(it.to), at(it.from)))
		case made:
			ok(t, os.Remove(at(it.from+it.to)))
		default:
			mkdir(t, at(it.from+it.to))
		}
	}
	for _, it := range all {
		path := it.from
		if state == undoing {
			path = it.to
		}
		switch it.op {
		case 1:
			exec("UPDATE photo SET path = ?, deleted = ? WHERE id = ?", []byte(path), strings.Count(path, ".kaika/trash"), it.photo)
		case 4:
			from, to := it.to, it.from
			if state == undoing {
				from, to = to, from
			}
			exec("UPDATE photo SET path = CAST(? || substr(CAST(path AS TEXT), ?) AS BLOB) WHERE CAST(path AS TEXT) LIKE ? || '/%'", to, len(from)+1, from)
		}
	}
	return len(all)
}

func TestCrash(t *testing.T) {
	files := []string{"rose/1.jpg", "rose/2.jpg", "rose/deep/1.jpg", "tulip/1.jpg", "tulip/1 (2).jpg", "daisy/"}
	operations := map[string]func(*testing.T, *curate.Library) error{
		"move": func(t *testing.T, l *curate.Library) error {
			t.Helper()
			return l.Move(t.Context(), find(t, l, "rose/1.jpg", "rose/2.jpg", "rose/deep/1.jpg"), "tulip")
		},
		"move to a new label": func(t *testing.T, l *curate.Library) error {
			t.Helper()
			return l.Move(t.Context(), find(t, l, "rose/1.jpg", "rose/2.jpg", "tulip/1.jpg"), "new")
		},
		"delete": func(t *testing.T, l *curate.Library) error {
			t.Helper()
			return l.Delete(t.Context(), find(t, l, "rose/1.jpg", "rose/deep/1.jpg", "tulip/1.jpg"))
		},
		"restore": func(t *testing.T, l *curate.Library) error {
			t.Helper()
			ids := find(t, l, "rose/1.jpg", "rose/deep/1.jpg", "tulip/1.jpg")
			ok(t, l.Delete(t.Context(), ids))
			ok(t, os.Remove(filepath.Join(l.Dir(), "rose", "deep"))) // Nothing is left in it.
			return l.Restore(t.Context(), ids)
		},
		"rename a label": func(t *testing.T, l *curate.Library) error {
			t.Helper()
			ok(t, l.Delete(t.Context(), find(t, l, "rose/1.jpg", "rose/deep/1.jpg")))
			return l.RenameLabel(t.Context(), "rose", "ばら")
		},
		"add a label":    func(t *testing.T, l *curate.Library) error { t.Helper(); return l.AddLabel(t.Context(), "new") },
		"remove a label": func(t *testing.T, l *curate.Library) error { t.Helper(); return l.RemoveLabel(t.Context(), "daisy") },
	}
	for name, operate := range operations {
		for state, how := range map[int]string{doing: "doing", undoing: "undoing", redoing: "redoing"} {
			items := 1
			for carriedOut := 0; carriedOut <= items; carriedOut++ {
				t.Run(fmt.Sprint(name, "/", how, "/", carriedOut), func(t *testing.T) {
					dir := plant(t, files...)
					before := tree(t, dir)
					if name == "restore" {
						delete(before, "rose/deep/") // Whoever undoes the step does not know of it.
					}
					l := open(t, dir)
					photos := l.Photos(curate.Query{})
					ok(t, operate(t, l))
					if state != doing {
						undo(t, l)
					}
					if state == redoing {
						_, err := l.Redo(t.Context())
						ok(t, err)
					}
					ok(t, l.Close())
					items = crash(t, dir, state, carriedOut)

					l = open(t, dir)
					check(t, l)
					if n := len(l.Photos(curate.Query{})) + len(l.Photos(curate.Query{Trash: true})); n != len(photos) {
						t.Errorf("%d photos, there were %d", n, len(photos))
					}
					if state == redoing && carriedOut == 0 {
						if _, can := l.CanRedo(); !can {
							t.Error("it cannot be done again")
						}
					}
					for {
						if _, can := l.CanUndo(); !can {
							break
						}
						undo(t, l)
						check(t, l)
					}
					after := tree(t, dir)
					delete(after, "rose/deep/")
					delete(before, "rose/deep/")
					if !maps.Equal(after, before) {
						t.Errorf("after undoing everything:\n%v\nwant\n%v", after, before)
					}
					for _, p := range photos {
						if q, found := l.Photo(p.ID); !found || q.Path != p.Path {
							t.Errorf("photo %d is %+v, was %+v", p.ID, q, p)
						}
					}
				})
			}
		}
	}
}

// TestCrashWhileCopying is about a move to another file system: the copy was whole, and the old file not yet removed.
func TestCrashWhileCopying(t *testing.T) {
	for _, back := range []bool{false, true} {
		dir := plant(t, "rose/1.jpg", "tulip/")
		l := open(t, dir)
		id := find(t, l, "rose/1.jpg")
		ok(t, l.Move(t.Context(), id, "tulip"))
		state, from, to := doing, "rose/1.jpg", "tulip/1.jpg"
		if back {
			undo(t, l)
			state, from, to = undoing, to, from
		}
		ok(t, l.Close())
		at := func(rel string) string { return filepath.Join(dir, rel) }
		crash(t, dir, state, 1)
		info, err := os.Stat(at(to))
		ok(t, err)
		write(t, at(from), "content of rose/1.jpg")
		ok(t, os.Chtimes(at(from), info.ModTime(), info.ModTime()))
		write(t, filepath.Join(filepath.Dir(at(to)), ".kaika-1-0.tmp"), "half of it")
		l = open(t, dir)
		equal(t, "photos", paths(t, l, curate.Query{}), []string{to})
		if p, _ := l.Photo(id[0]); p.Path != at(to) {
			t.Errorf("photo: %+v", p)
		}
		check(t, l)
		if left, _ := filepath.Glob(at("*/.kaika-*")); len(left) > 0 {
			t.Errorf("left over: %v", left)
		}
		// Both are there and differ: somebody else's file stays.
		if !back {
			undo(t, l)
			ok(t, l.Move(t.Context(), id, "tulip"))
			ok(t, l.Close())
			crash(t, dir, doing, 0)
			write(t, at(to), "CONTENT of rose/1.jpg") // Not even its size and time tell.
			ok(t, os.Chtimes(at(to), info.ModTime(), info.ModTime()))
			l = open(t, dir)
			equal(t, "photos", paths(t, l, curate.Query{}), []string{from, to})
			if p, _ := l.Photo(id[0]); p.Path != at(from) {
				t.Errorf("photo: %+v", p)
			}
			check(t, l)
		}
	}
}
