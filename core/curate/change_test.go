package curate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

func TestCheckLabel(t *testing.T) {
	l := open(t, plant(t, "rose/1.jpg", "Été/1.jpg"))
	tests := []struct {
		name string
		want error
	}{
		{"tulip", nil},
		{"花 と 木", nil},
		{"con cat", nil},
		{strings.Repeat("x", 200), nil},
		{"", dataset.ErrLabelName},
		{".hidden", dataset.ErrLabelName},
		{"..", dataset.ErrLabelName},
		{"a/b", dataset.ErrLabelName},
		{`a\b`, dataset.ErrLabelName},
		{"a:b", dataset.ErrLabelName},
		{"what?", dataset.ErrLabelName},
		{"a\nb", dataset.ErrLabelName},
		{"a\x00b", dataset.ErrLabelName},
		{"a\u2028b", dataset.ErrLabelName},
		{"\xff", dataset.ErrLabelName},
		{" a", dataset.ErrLabelName},
		{"a ", dataset.ErrLabelName},
		{"a.", dataset.ErrLabelName},
		{"NUL", dataset.ErrLabelName},
		{"com1.x", dataset.ErrLabelName},
		{strings.Repeat("x", 201), dataset.ErrLabelName},
		{"rose", dataset.ErrLabelClash},
		{"ROSE", dataset.ErrLabelClash},
		{"e\u0301te\u0301", dataset.ErrLabelClash},
	}
	for _, test := range tests {
		if err := l.CheckLabel(test.name); test.name == "rose" && err != nil || test.name != "rose" && (!errors.Is(err, test.want) || err == nil != (test.want == nil)) {
			t.Errorf("%q: %v, want %v", test.name, err, test.want)
		}
		if test.want == nil {
			continue
		}
		if err := l.AddLabel(t.Context(), test.name); !errors.Is(err, test.want) {
			t.Errorf("AddLabel(%q): %v", test.name, err)
		}
		if err := l.Move(t.Context(), find(t, l, "rose/1.jpg"), test.name); test.name != "rose" && !errors.Is(err, test.want) {
			t.Errorf("Move to %q: %v", test.name, err)
		}
		if err := l.RenameLabel(t.Context(), "Été", test.name); fold(test.name) != "été" && !errors.Is(err, test.want) {
			t.Errorf("RenameLabel to %q: %v", test.name, err)
		}
	}
	check(t, l)
}

// TestComposedLabels means labels that are there in another normal form, as folders from a Mac have it.
func TestComposedLabels(t *testing.T) {
	const apart, whole = "ハ\u3099ラ", "バラ"
	l := open(t, plant(t, apart+"/1.jpg", "été/2.jpg", "e\u0301te\u0301/3.jpg", "rose/4.jpg"))
	for name, want := range map[string]string{whole: apart, apart: apart, "été": "été", "e\u0301te\u0301": "e\u0301te\u0301", "e\u0301té": "e\u0301te\u0301", "tulip": "tulip"} {
		if got := l.LabelNamed(name); got != want {
			t.Errorf("%q means %q, not %q", name, got, want)
		}
		if err := errors.Join(l.CheckLabel(name), l.CheckLabels([]string{name, want, "tulip"})); err != nil {
			t.Error(err)
		}
	}
	if err := l.CheckLabel("ÉTÉ"); !errors.Is(err, dataset.ErrLabelClash) {
		t.Errorf("another case: %v", err)
	}
	p, err := l.Add(t.Context(), curate.Addition{Label: whole, Name: "5.png", Data: picturetest.PNG(1, 1, 8, 8)})
	if err != nil || p.Label != apart {
		t.Errorf("%+v, %v", p, err)
	}
	ok(t, l.Move(t.Context(), find(t, l, "rose/4.jpg", apart+"/1.jpg"), whole))
	equal(t, "photos", paths(t, l, curate.Query{Labels: []string{apart}}), []string{apart + "/1.jpg", apart + "/4.jpg", apart + "/5.png"})
	if err := l.AddLabel(t.Context(), whole); !errors.Is(err, dataset.ErrLabelClash) || !strings.Contains(err.Error(), "already") {
		t.Errorf("added again: %v", err)
	}
	check(t, l)
}

func fold(name string) string { return strings.ReplaceAll(name, "e\u0301", "é") }

func TestLabels(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "rose/sub/2.jpg", "tulip/1.jpg")
	before := tree(t, dir)
	l := open(t, dir)
	ctx := t.Context()
	ok(t, l.AddLabel(ctx, "daisy"))
	equal(t, "labels", l.Labels(), []curate.LabelCount{{"daisy", 0}, {"rose", 2}, {"tulip", 1}})
	gone := find(t, l, "rose/1.jpg")
	ok(t, l.Delete(ctx, gone))
	ok(t, l.RenameLabel(ctx, "rose", "Rose")) // Only the case.
	ok(t, l.RenameLabel(ctx, "Rose", "ばら"))
	if a, _ := l.CanUndo(); a.Kind != curate.LabelRenamed || a.Count != 2 || a.From != "Rose" || a.Label != "ばら" {
		t.Errorf("CanUndo: %+v", a)
	}
	check(t, l)
	ok(t, l.Restore(ctx, gone))
	equal(t, "photos", paths(t, l, curate.Query{Sort: curate.ByLabel}), []string{"tulip/1.jpg", "ばら/1.jpg", "ばら/sub/2.jpg"})
	if err := l.RemoveLabel(ctx, "ばら"); !errors.Is(err, curate.ErrLabelInUse) {
		t.Errorf("removing a label with photos: %v", err)
	}
	for _, err := range []error{l.RemoveLabel(ctx, "none"), l.RenameLabel(ctx, "none", "other"), l.RemoveLabel(ctx, ".kaika"), l.RenameLabel(ctx, ".kaika", "x")} {
		if !errors.Is(err, curate.ErrNoLabel) {
			t.Errorf("a label that is not there: %v", err)
		}
	}
	mkdir(t, filepath.Join(dir, "daisy", "deep", "er"))
	ok(t, l.RemoveLabel(ctx, "daisy"))
	check(t, l)
	a := undo(t, l)
	if _, err := os.Stat(filepath.Join(dir, "daisy", "deep", "er")); a.Kind != curate.LabelRemoved || err != nil {
		t.Errorf("undone: %+v, %v", a, err)
	}
	ok(t, os.RemoveAll(filepath.Join(dir, "daisy", "deep")))
	for range 5 {
		undo(t, l)
		check(t, l)
	}
	if after := tree(t, dir); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("after undoing everything:\n%v\nwant\n%v", after, before)
	}
}

func TestAdd(t *testing.T) {
	dir := plant(t, "rose/1.png")
	l := open(t, dir)
	ctx := t.Context()
	data := picturetest.WithOrientation(picturetest.JPEG(1, 1, 30, 20), 6)
	source := curate.Source{Kind: "flickr", ID: "7", Author: "A", License: "CC-BY", Taken: time.Unix(1e9, 0).UTC()}
	p, err := l.Add(ctx, curate.Addition{Label: "tulip", Name: "1.jpg", Data: data, Source: source})
	ok(t, err)
	if p.Label != "tulip" || p.Source != source || p.Width != 20 || p.Height != 30 || p.Added.IsZero() || p.Size != int64(len(data)) {
		t.Errorf("added: %+v", p)
	}
	if written, err := os.ReadFile(p.Path); err != nil || !bytes.Equal(written, data) {
		t.Errorf("written: %v", err)
	}
	check(t, l)
	duplicate := (*curate.DuplicateError)(nil)
	if _, err := l.Add(ctx, curate.Addition{Label: "rose", Name: "2.jpg", Data: data}); !errors.As(err, &duplicate) || duplicate.Photo.ID != p.ID {
		t.Errorf("the same photo again: %v", err)
	}
	other, err := l.Add(ctx, curate.Addition{Label: "tulip", Name: "1.jpg", Data: picturetest.JPEG(2, 2, 30, 20)})
	ok(t, err)
	if other.Name != "1 (2).jpg" {
		t.Errorf("a name that is taken: %+v", other)
	}
	ok(t, l.Delete(ctx, []curate.ID{p.ID}))
	if _, err := l.Add(ctx, curate.Addition{Label: "rose", Name: "2.jpg", Data: data}); !errors.As(err, &duplicate) ||
		duplicate.Photo.Deleted.IsZero() || !strings.Contains(err.Error(), "trash") {
		t.Errorf("the same photo as one in the trash: %v", err)
	}
	ok(t, l.EmptyTrash(ctx))
	_, err = l.Add(ctx, curate.Addition{Label: "rose", Name: "2.jpg", Data: data})
	ok(t, err)

	for name, a := range map[string]curate.Addition{
		"no name":        {Label: "rose", Name: "", Data: data},
		"a path":         {Label: "rose", Name: "../x.jpg", Data: data},
		"hidden":         {Label: "rose", Name: ".x.jpg", Data: data},
		"no ending":      {Label: "rose", Name: "x", Data: data},
		"a bad label":    {Label: "../rose", Name: "x.jpg", Data: picturetest.JPEG(9, 9, 5, 5)},
		"a hidden label": {Label: ".kaika", Name: "x.jpg", Data: picturetest.JPEG(9, 9, 5, 5)},
		"no picture":     {Label: "rose", Name: "x.jpg", Data: []byte("<html>")},
		"no bytes":       {Label: "rose", Name: "x.jpg"},
		"a long name":    {Label: "rose", Name: strings.Repeat("x", 300) + ".jpg", Data: picturetest.JPEG(9, 9, 5, 5)},
		"the new label":  {Label: "new", Name: strings.Repeat("x", 300) + ".jpg", Data: picturetest.JPEG(9, 9, 5, 5)},
	} {
		if _, err := l.Add(ctx, a); err == nil {
			t.Errorf("%s: no error", name)
		} else if reason := picture.ReasonOf(err); strings.HasPrefix(name, "no picture") && reason != picture.NotAPicture {
			t.Errorf("%s: %v", name, err)
		}
	}
	check(t, l)
	if left, _ := os.ReadDir(filepath.Join(dir, ".kaika", "tmp")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
		t.Error("a label was made for a photo that could not be added")
	}
}

// TestAddLooksForDuplicatesOfOldPhotos adds bytes that a file has which was there before Kaika.
func TestAddLooksForDuplicatesOfOldPhotos(t *testing.T) {
	data := picturetest.PNG(1, 1, 5, 5)
	dir := plant(t, "rose/1.png", "tulip/2.png")
	write(t, filepath.Join(dir, "rose", "old.png"), string(data))
	l := open(t, dir)
	duplicate := (*curate.DuplicateError)(nil)
	if _, err := l.Add(t.Context(), curate.Addition{Label: "x", Name: "2.png", Data: data}); !errors.As(err, &duplicate) || duplicate.Photo.Name != "old.png" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("the label was made")
	}
	// By another photo of the same size and time, its name is not enough.
	ok(t, os.Remove(filepath.Join(dir, "rose", "old.png")))
	_, err := l.Add(t.Context(), curate.Addition{Label: "x", Name: "2.png", Data: data})
	ok(t, err)
	check(t, l)
}

func TestAddBatch(t *testing.T) {
	dir := plant(t, "rose/1.png")
	l := open(t, dir)
	add := func(i int, label, batch string) {
		_, err := l.Add(t.Context(), curate.Addition{Label: label, Name: "a.png", Data: picturetest.PNG(i, i, 6, 6), Batch: batch})
		ok(t, err)
	}
	for i := range 5 {
		add(i, "tulip", "first")
	}
	add(10, "tulip", "second")
	add(11, "tulip", "")
	add(12, "tulip", "")
	for i, count := range []int{1, 1, 1, 5} {
		a, can := l.CanUndo()
		if !can || a.Kind != curate.Added || a.Count != count {
			t.Errorf("%d: %+v, %v", i, a, can)
		}
		if got := undo(t, l); got != a {
			t.Errorf("undone %+v, promised %+v", got, a)
		}
		check(t, l)
	}
	equal(t, "labels", l.Labels(), []curate.LabelCount{{"rose", 1}})
	if trash := l.Photos(curate.Query{Trash: true}); len(trash) != 8 {
		t.Errorf("in the trash: %v", trash)
	}
	a, err := l.Redo(t.Context())
	ok(t, err)
	if a.Count != 5 {
		t.Errorf("done again: %+v", a)
	}
	check(t, l)
}

func TestConcurrent(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "tulip/1.jpg")
	l, other := open(t, dir), open(t, dir)
	unsubscribe := l.Subscribe(func(curate.Change) { l.Labels() })
	defer unsubscribe()
	var group sync.WaitGroup
	const n = 8
	duplicates := make(chan error, 4*n)
	for i := range n {
		for _, l := range []*curate.Library{l, other} {
			group.Go(func() {
				_, err := l.Add(t.Context(), curate.Addition{Label: "new", Name: "x.png", Data: picturetest.PNG(i, i, 8, 8), Source: curate.Source{ID: strconv.Itoa(i)}})
				duplicates <- err
			})
			group.Go(func() {
				var ids []curate.ID
				for _, p := range l.Photos(curate.Query{}) {
					ids = append(ids, p.ID)
				}
				label := fmt.Sprintf("label %d", i%3)
				if err := l.Move(t.Context(), ids, label); err != nil {
					t.Error(err)
				}
				for _, p := range l.Photos(curate.Query{}) {
					_, _ = l.Digest(t.Context(), p.ID) // It may be on its way.
				}
				l.CanUndo()
			})
		}
	}
	group.Wait()
	close(duplicates)
	refused := 0
	for err := range duplicates {
		if duplicate := (*curate.DuplicateError)(nil); errors.As(err, &duplicate) {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	if refused != n {
		t.Errorf("%d photos were refused as double, want %d", refused, n)
	}
	for _, l := range []*curate.Library{l, other} {
		_, err := l.Refresh(t.Context())
		ok(t, err)
		check(t, l)
		if photos := l.Photos(curate.Query{}); len(photos) != n+2 {
			t.Errorf("%d photos", len(photos))
		}
	}
	equal(t, "the two windows", l.Photos(curate.Query{}), other.Photos(curate.Query{}))
	equal(t, "what both can undo", []any{first(l.CanUndo())}, []any{first(other.CanUndo())})
}

func first(a curate.Action, _ bool) curate.Action { return a }

func TestPartialFailure(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "rose/2.jpg", "rose/3.jpg", "tulip/")
	l := open(t, dir)
	ids := find(t, l, "rose/1.jpg", "rose/2.jpg", "rose/3.jpg")
	ok(t, os.Remove(filepath.Join(dir, "rose", "2.jpg")))
	err := l.Move(t.Context(), append(ids, 12345), "tulip")
	partial := (*curate.PartialError)(nil)
	if !errors.As(err, &partial) || partial.Done != 2 || len(partial.Failures) != 2 || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), "2 of 4 photos could not be moved") || !strings.Contains(err.Error(), "2.jpg") {
		t.Errorf("the error says %q", err)
	}
	equal(t, "labels", l.Labels(), []curate.LabelCount{{"rose", 0}, {"tulip", 2}})
	check(t, l)
	if a := undo(t, l); a.Count != 2 {
		t.Errorf("undone: %+v", a)
	}
	equal(t, "photos", paths(t, l, curate.Query{}), []string{"rose/1.jpg", "rose/3.jpg"})
	check(t, l)
}

func TestUndoAfterOthers(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "rose/2.jpg", "rose/3.jpg", "rose/4.jpg", "tulip/", "daisy/")
	l := open(t, dir)
	ids := find(t, l, "rose/1.jpg", "rose/2.jpg", "rose/3.jpg", "rose/4.jpg")
	ok(t, l.Move(t.Context(), ids, "tulip"))
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	ok(t, os.Remove(at("tulip/1.jpg")))
	ok(t, os.Rename(at("tulip/2.jpg"), at("daisy/2.jpg")))
	ok(t, os.Rename(at("tulip/3.jpg"), at("tulip/renamed.jpg")))
	write(t, at("rose/4.jpg"), "another photo")
	_, err := l.Refresh(t.Context())
	ok(t, err)
	if a, _ := l.CanUndo(); a.Count != 3 {
		t.Errorf("CanUndo: %+v", a)
	}
	a, err := l.Undo(t.Context())
	partial := (*curate.PartialError)(nil)
	if !errors.As(err, &partial) || partial.Done != 2 || len(partial.Failures) != 2 || !partial.Undo || a.Count != 2 {
		t.Fatalf("got %+v, %v", a, err)
	}
	equal(t, "photos", paths(t, l, curate.Query{Sort: curate.ByLabel}), []string{"daisy/2.jpg", "rose/3.jpg", "rose/4.jpg", "rose/4 (2).jpg"})
	check(t, l)
	if _, can := l.CanUndo(); can {
		t.Error("the step is still to be undone")
	}
	_, err = l.Redo(t.Context())
	ok(t, err)
	equal(t, "photos", paths(t, l, curate.Query{Sort: curate.ByLabel}), []string{"daisy/2.jpg", "rose/4.jpg", "tulip/4.jpg", "tulip/renamed.jpg"})
	check(t, l)
}

func TestEmptyTrash(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "rose/2.jpg", "tulip/1.jpg")
	l := open(t, dir)
	ctx := t.Context()
	ids := find(t, l, "rose/1.jpg", "rose/2.jpg", "tulip/1.jpg")
	ok(t, l.AddLabel(ctx, "daisy"))
	ok(t, l.Move(ctx, ids[:2], "daisy"))
	ok(t, l.Delete(ctx, ids[:1]))
	undo(t, l)
	ok(t, l.Delete(ctx, ids[:1]))
	ok(t, l.EmptyTrash(ctx))
	if trash := l.Photos(curate.Query{Trash: true}); len(trash) != 0 {
		t.Errorf("in the trash: %v", trash)
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".kaika", "trash")); err != nil || len(left) != 0 {
		t.Errorf("left in the trash: %v, %v", left, err)
	}
	if a, can := l.CanUndo(); !can || a.Kind != curate.Moved || a.Count != 1 {
		t.Errorf("CanUndo: %+v, %v", a, can)
	}
	check(t, l)
	if a := undo(t, l); a.Count != 1 {
		t.Errorf("undone: %+v", a)
	}
	ok(t, l.Delete(ctx, ids[1:]))
	ok(t, l.Close())
	l = open(t, dir)
	ok(t, l.EmptyTrash(ctx))
	if a, can := l.CanUndo(); !can || a.Kind != curate.LabelAdded {
		t.Errorf("CanUndo: %+v, %v", a, can)
	}
	undo(t, l)
	if _, can := l.CanUndo(); can {
		t.Error("there is more to undo")
	}
	ok(t, l.EmptyTrash(ctx)) // Nothing is in it.
	equal(t, "labels", l.Labels(), []curate.LabelCount{{"rose", 0}, {"tulip", 0}})
	check(t, l)
}

func TestCancel(t *testing.T) {
	l := open(t, plant(t, "rose/1.jpg"))
	ok(t, l.AddLabel(t.Context(), "daisy"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ids := find(t, l, "rose/1.jpg")
	_, undone := l.Undo(ctx)
	_, added := l.Add(ctx, curate.Addition{Label: "rose", Name: "x.png", Data: picturetest.PNG(1, 1, 4, 4)})
	_, refreshed := l.Refresh(ctx)
	for i, err := range []error{
		l.Move(ctx, ids, "tulip"), l.Delete(ctx, ids), l.EmptyTrash(ctx), l.AddLabel(ctx, "x"), undone, added, refreshed, l.Hash(ctx, nil),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%d: %v", i, err)
		}
	}
	check(t, l)
	equal(t, "photos", paths(t, l, curate.Query{}), []string{"rose/1.jpg"})
}

// countdown is a context that is cancelled when it has been asked a number of times.
type countdown struct {
	context.Context
	left atomic.Int32
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// TestCancelHalfway stops at every moment at which it can be stopped.
func TestCancelHalfway(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "rose/2.jpg", "rose/3.jpg", "tulip/4.jpg")
	l := open(t, dir)
	ok(t, l.AddLabel(t.Context(), "a label"))
	before := paths(t, l, curate.Query{})
	ids := find(t, l, before...)
	var partly bool
	for n := range int32(40) {
		ctx := &countdown{Context: t.Context()}
		ctx.left.Store(n)
		err := l.Move(ctx, ids, "new")
		if err == nil && n < 3 || err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("%d: %v", n, err)
		}
		moved := len(l.Photos(curate.Query{Labels: []string{"new"}}))
		partly = partly || 0 < moved && moved < len(ids)
		check(t, l)
		if a, _ := l.CanUndo(); moved > 0 && (a.Kind != curate.Moved || a.Count != moved) {
			t.Errorf("%d: CanUndo: %+v", n, a)
		}
		ctx.left.Store(n) // And back, as far as it goes; then the rest.
		if _, err := l.Undo(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("%d: %v", n, err)
		}
		check(t, l)
		for a, can := l.CanUndo(); can && a.Kind == curate.Moved; a, can = l.CanUndo() {
			undo(t, l)
		}
		equal(t, "photos", paths(t, l, curate.Query{}), before)
		if _, can := l.CanUndo(); !can {
			ok(t, l.AddLabel(t.Context(), fmt.Sprint("label ", n))) // The second Undo had nothing else left.
		}
	}
	if !partly {
		t.Error("nothing was ever stopped halfway")
	}
}

func TestClosed(t *testing.T) {
	l := open(t, plant(t, "rose/1.jpg"))
	ids := find(t, l, "rose/1.jpg")
	ok(t, l.Close())
	ok(t, l.Close())
	if err := l.Delete(t.Context(), ids); !errors.Is(err, curate.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if len(l.Photos(curate.Query{})) != 1 {
		t.Error("the photos are gone")
	}
	l.Watch(t.Context()) // Returns.
}

// TestFolderGone takes away the folder of the dataset for a while, as with a drive.
func TestFolderGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dataset")
	write(t, filepath.Join(dir, "rose", "1.jpg"), "1")
	write(t, filepath.Join(dir, "rose", "2.jpg"), "2")
	l := open(t, dir)
	ids := find(t, l, "rose/1.jpg")
	ok(t, l.Delete(t.Context(), find(t, l, "rose/2.jpg")))
	ok(t, os.Rename(dir, dir+" away"))
	if err := l.Delete(t.Context(), ids); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is in its place: %v", err)
	}
	ok(t, os.Rename(dir+" away", dir))
	ok(t, l.Delete(t.Context(), ids))
	undo(t, l)
	undo(t, l)
	check(t, l)
	equal(t, "labels", l.Labels(), []curate.LabelCount{{"rose", 2}})
}

// TestLinks moves photos that are links, and photos that links lead to.
func TestLinks(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "rose/2.jpg", "tulip/deep/x.jpg")
	ok(t, os.Symlink("../../rose/1.jpg", filepath.Join(dir, "tulip", "deep", "link.jpg")))
	l := open(t, dir)
	ctx := t.Context()
	link := find(t, l, "tulip/deep/link.jpg")
	target := find(t, l, "rose/1.jpg")
	ok(t, l.Move(ctx, link, "daisy"))
	if target, err := os.Readlink(filepath.Join(dir, "daisy", "link.jpg")); err != nil || target != filepath.Join("..", "rose", "1.jpg") {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	check(t, l)
	ok(t, l.Delete(ctx, link))
	check(t, l)
	undo(t, l)
	// The link leads nowhere any more, so no photo is left in the label; and it is found again when the photo comes back.
	ok(t, l.Delete(ctx, target))
	check(t, l)
	equal(t, "labels", l.Labels(), []curate.LabelCount{{"daisy", 0}, {"rose", 1}, {"tulip", 1}})
	undo(t, l)
	equal(t, "labels", l.Labels(), []curate.LabelCount{{"daisy", 1}, {"rose", 2}, {"tulip", 1}})
	equal(t, "the link", find(t, l, "daisy/link.jpg"), link)
	undo(t, l)
	if target, err := os.Readlink(filepath.Join(dir, "tulip", "deep", "link.jpg")); err != nil || target != filepath.Join("..", "..", "rose", "1.jpg") {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	check(t, l)
	ok(t, l.Move(ctx, append(target, link...), "both")) // The photo goes first, so the link leads nowhere when it goes.
	check(t, l)
	undo(t, l)
	equal(t, "the link", find(t, l, "tulip/deep/link.jpg"), link)
	check(t, l)
}

func TestReadOnly(t *testing.T) {
	if os.Getuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("this user may write anywhere")
	}
	for _, known := range []bool{false, true} {
		dir := plant(t, "rose/1.jpg")
		if known {
			l := open(t, dir)
			_, err := l.Add(t.Context(), curate.Addition{Label: "rose", Name: "2.png", Data: picturetest.PNG(1, 1, 4, 4), Source: curate.Source{ID: "7"}})
			ok(t, err)
			ok(t, l.Close())
			ok(t, os.Chmod(filepath.Join(dir, ".kaika"), 0o555))
			ok(t, os.Chmod(filepath.Join(dir, ".kaika", "lock"), 0o444))
			ok(t, os.Chmod(filepath.Join(dir, ".kaika", "catalog.db"), 0o444))
		}
		ok(t, os.Chmod(dir, 0o555))
		t.Cleanup(func() {
			_ = os.Chmod(dir, 0o755)
			_ = os.Chmod(filepath.Join(dir, ".kaika"), 0o755)
		})
		l := open(t, dir)
		photos := l.Photos(curate.Query{})
		if known && (len(photos) != 2 || photos[1].Source.ID != "7") || !known && len(photos) != 1 {
			t.Errorf("photos: %v", photos)
		}
		if err := l.Delete(t.Context(), find(t, l, "rose/1.jpg")); !errors.Is(err, curate.ErrReadOnly) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("got %v", err)
		}
		check(t, l)
		ok(t, l.Hash(t.Context(), nil))
	}
}

func TestSort(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"b/img10.jpg", "b/img2.jpg", "b/IMG1.jpg", "a/img2 (2).jpg", "a/img002.jpg", "c/x.jpg"} {
		at := filepath.Join(dir, name)
		write(t, at, strings.Repeat("x", 100-i*i*3%50))
		ok(t, os.Chtimes(at, time.Time{}, time.Unix(int64(1000+i*7%4), 0)))
	}
	l := open(t, dir)
	tests := map[curate.Sort][]string{
		curate.ByName:                      {"b/IMG1.jpg", "a/img002.jpg", "b/img2.jpg", "a/img2 (2).jpg", "b/img10.jpg", "c/x.jpg"},
		curate.ByName | curate.Descending:  {"c/x.jpg", "b/img10.jpg", "a/img2 (2).jpg", "b/img2.jpg", "a/img002.jpg", "b/IMG1.jpg"},
		curate.ByLabel:                     {"a/img002.jpg", "a/img2 (2).jpg", "b/IMG1.jpg", "b/img2.jpg", "b/img10.jpg", "c/x.jpg"},
		curate.ByLabel | curate.Descending: {"c/x.jpg", "b/IMG1.jpg", "b/img2.jpg", "b/img10.jpg", "a/img002.jpg", "a/img2 (2).jpg"},
	}
	for sort, want := range tests {
		equal(t, fmt.Sprint(sort), paths(t, l, curate.Query{Sort: sort}), want)
	}
	for _, sort := range []curate.Sort{curate.ByAdded, curate.ByModified, curate.BySize, curate.ByDeleted} {
		up, down := l.Photos(curate.Query{Sort: sort}), l.Photos(curate.Query{Sort: sort | curate.Descending})
		less := func(a, b curate.Photo) bool {
			switch sort {
			case curate.BySize:
				return a.Size < b.Size
			case curate.ByDeleted:
				return false
			default:
				return a.ModTime.Before(b.ModTime)
			}
		}
		for i := range up[1:] {
			if less(up[i+1], up[i]) || less(down[i], down[i+1]) {
				t.Errorf("%v: out of order at %d: %v, %v", sort, i, up, down)
			}
		}
	}
	ids := find(t, l, "b/img2.jpg", "c/x.jpg", "b/img2.jpg")
	equal(t, "by ID", paths(t, l, curate.Query{IDs: append(ids, 5)}), []string{"b/img2.jpg", "c/x.jpg"})
	equal(t, "by ID and label", paths(t, l, curate.Query{IDs: ids, Labels: []string{"c", "d"}}), []string{"c/x.jpg"})
	equal(t, "none", paths(t, l, curate.Query{IDs: []curate.ID{}}), nil)
	equal(t, "no label", paths(t, l, curate.Query{Labels: []string{}}), nil)
}

func TestSubscribe(t *testing.T) {
	dir := plant(t, "rose/1.jpg", "rose/2.jpg")
	l := open(t, dir)
	var changes []curate.Change
	unsubscribe := l.Subscribe(func(c curate.Change) {
		changes = append(changes, c)
		if _, err := l.Refresh(t.Context()); err != nil { // No lock is held.
			t.Error(err)
		}
	})
	ids := find(t, l, "rose/1.jpg", "rose/2.jpg")
	one := func(what string) curate.Change {
		t.Helper()
		if len(changes) != 1 {
			t.Fatalf("%s: changes %+v", what, changes)
		}
		defer func() { changes = nil }()
		return changes[0]
	}
	ok(t, l.Move(t.Context(), ids, "tulip"))
	if c := one("move"); !slices.Equal(c.Changed, sorted(ids)) || !c.Labels || c.External || len(c.Added)+len(c.Removed) > 0 {
		t.Errorf("moved: %+v", c)
	}
	ok(t, l.Move(t.Context(), ids, "tulip"))
	ok(t, l.Hash(t.Context(), nil))
	if len(changes) > 0 {
		t.Errorf("nothing was changed: %+v", changes)
	}
	p, err := l.Add(t.Context(), curate.Addition{Label: "rose", Name: "x.png", Data: picturetest.PNG(1, 1, 4, 4)})
	ok(t, err)
	if c := one("add"); !slices.Equal(c.Added, []curate.ID{p.ID}) || !c.Labels {
		t.Errorf("added: %+v", c)
	}
	ok(t, os.Remove(p.Path))
	if changed, err := l.Refresh(t.Context()); !changed || err != nil {
		t.Errorf("Refresh: %v, %v", changed, err)
	}
	if c := one("refresh"); !slices.Equal(c.Removed, []curate.ID{p.ID}) || !c.External {
		t.Errorf("removed by another: %+v", c)
	}
	unsubscribe()
	ok(t, l.AddLabel(t.Context(), "daisy"))
	if len(changes) > 0 {
		t.Errorf("after unsubscribing: %+v", changes)
	}
}

func sorted(ids []curate.ID) []curate.ID {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}
