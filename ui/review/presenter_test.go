package review

import (
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"kaika/core/curate"
)

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestSections(t *testing.T) {
	d := newDesk(t, 5, "rose", "tulip")
	var got []string
	for _, s := range d.sections() {
		got = append(got, s.label)
	}
	equal(t, "labels", got, []string{"", "rose", "tulip", ""})
	if s := d.sections(); s[0].count != 5 || s[1].count != 3 || s[2].count != 2 || s[3].kind != inTrash {
		t.Errorf("got %+v", s)
	}
	d.choose(section{kind: ofLabel, label: "tulip"})
	if d.loaded || len(d.photos) != 0 {
		t.Error("the photos of the section before are still there")
	}
	d.until("the photos of the label", func() bool { return d.loaded })
	equal(t, "tulips", d.ids(), []curate.ID{2, 4})
}

func TestDeleteGoesOnToTheNeighbour(t *testing.T) {
	d := newDesk(t, 6, "rose", "tulip")
	d.library.gate = make(chan error)
	d.at(3)
	for range 3 { // Faster than the disk: each is for another photo.
		d.remove()
	}
	equal(t, "at once", d.ids(), []curate.ID{1, 2, 6})
	if d.focus != 6 || len(d.selected) != 0 {
		t.Errorf("the focus is on %d, %d are selected", d.focus, len(d.selected))
	}
	if d.sections()[0].count != 6 {
		t.Error("the counts changed before anything was done")
	}
	for range 3 {
		d.library.gate <- nil
	}
	d.idle()
	equal(t, "calls", d.library.said(), []string{"delete [3]", "delete [4]", "delete [5]"})
	equal(t, "in the end", d.ids(), []curate.ID{1, 2, 6})
	if s := d.sections(); s[0].count != 3 || s[3].count != 3 {
		t.Errorf("the counts are %+v", s)
	}
	if n := d.note; !n.shown || n.did != curate.Deleted || n.count != 1 || len(d.leaving) != 0 {
		t.Errorf("the note is %+v, %d are leaving", n, len(d.leaving))
	}
	d.remove() // The last in the list: back to the one before.
	if d.focus != 2 {
		t.Errorf("the focus is on %d", d.focus)
	}
	d.library.gate <- nil
	d.idle()
	d.at(1, 2)
	d.remove()
	d.library.gate <- nil
	d.idle()
	if len(d.photos) != 0 || d.focus != 0 {
		t.Errorf("%d photos are left, the focus is on %d", len(d.photos), d.focus)
	}
	d.remove() // Of nothing.
	d.idle()
	if got := d.library.said(); len(got) != 5 {
		t.Errorf("deleting nothing did %v", got)
	}
}

// TestSettled opens another dataset while photos are being deleted: who closes the first is told to wait for all of them, and
// what fails there is said.
func TestSettled(t *testing.T) {
	d := newDesk(t, 6, "rose", "tulip")
	first := d.library
	first.gate = make(chan error)
	d.at(3)
	for range 3 {
		d.remove()
	}
	settled := d.settled()
	d.setLibrary(newFake(2, "lily"))
	first.gate <- nil
	first.gate <- errors.New("the disk is full")
	select {
	case <-settled:
		t.Error("one photo is still to be deleted")
	default:
	}
	first.gate <- nil
	<-settled
	equal(t, "calls", first.said(), []string{"delete [3]", "delete [5]"})
	d.until("the failure is told", func() bool { return len(d.failed) == 1 })
}

func TestMove(t *testing.T) {
	d := newDesk(t, 6, "rose", "tulip", "lily")
	d.at(1, 4) // Both roses.
	d.move("tulip")
	if d.focus != 5 || len(d.selected) != 0 {
		t.Errorf("after moving within all photos the focus is on %d", d.focus)
	}
	d.idle()
	equal(t, "all", d.ids(), []curate.ID{1, 2, 3, 4, 5, 6})
	if s := d.sections(); s[1].count != 0 || s[2].count != 4 {
		t.Errorf("the counts are %+v", s)
	}
	d.at(1)
	d.move("tulip") // There already.
	d.idle()
	equal(t, "calls", d.library.said(), []string{"move [1 4] tulip"})

	d.choose(section{kind: ofLabel, label: "tulip"})
	d.until("tulips", func() bool { return d.loaded })
	d.at(2, 4)
	d.move("iris")
	equal(t, "at once", d.ids(), []curate.ID{1, 5})
	if d.focus != 5 {
		t.Errorf("the focus is on %d", d.focus)
	}
	d.idle()
	if s := d.sections(); s[4].label != "iris" || s[4].count != 2 {
		t.Errorf("the new label is missing: %+v", s)
	}
}

func TestNumberKeys(t *testing.T) {
	d := newDesk(t, 12, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k")
	for digit, want := range map[int]string{1: "a", 9: "i", 0: "j"} {
		if got, ok := d.labelOf(digit); !ok || got != want {
			t.Errorf("key %d: got %q", digit, got)
		}
	}
	few := newDesk(t, 1, "a")
	for _, digit := range []int{0, 2, 9} {
		if _, ok := few.labelOf(digit); ok {
			t.Errorf("key %d has a label", digit)
		}
	}
}

func TestFailureBringsPhotosBack(t *testing.T) {
	d := newDesk(t, 4, "rose")
	d.library.gate = make(chan error, 1)
	d.at(2)
	d.remove()
	equal(t, "at once", d.ids(), []curate.ID{1, 3, 4})
	d.library.gate <- curate.ErrReadOnly
	d.idle()
	equal(t, "afterwards", d.ids(), []curate.ID{1, 2, 3, 4})
	if len(d.failed) != 1 || !errors.Is(d.failed[0].err, curate.ErrReadOnly) || d.failed[0].did != curate.Deleted || d.note.shown {
		t.Errorf("told was %+v, the note %+v", d.failed, d.note)
	}
}

func TestUndoRedo(t *testing.T) {
	d := newDesk(t, 4, "rose", "tulip")
	d.at(1)
	d.remove()
	d.idle()
	d.at(2)
	d.move("rose")
	d.idle()
	if !d.snap.canUndo || d.snap.undo.Kind != curate.Moved || d.snap.canRedo {
		t.Errorf("undo would do %+v", d.snap.undo)
	}
	d.undo()
	d.undo()
	d.undo() // There is no third.
	d.idle()
	equal(t, "all back", d.ids(), []curate.ID{1, 2, 3, 4})
	if len(d.failed) != 1 || !errors.Is(d.failed[0].err, curate.ErrNothing) {
		t.Errorf("told was %+v", d.failed)
	}
	if !d.note.undone || d.note.did != curate.Deleted || d.snap.canUndo || d.snap.redo.Kind != curate.Deleted {
		t.Errorf("the note is %+v, redo would do %+v", d.note, d.snap.redo)
	}
	d.redo()
	d.idle()
	equal(t, "done again", d.ids(), []curate.ID{2, 3, 4})
}

func TestTrash(t *testing.T) {
	d := newDesk(t, 5, "rose", "tulip")
	d.at(1, 2, 3, 4)
	d.remove()
	d.idle()
	d.restore(true) // Nothing, outside of the trash.
	d.choose(section{kind: inTrash})
	d.until("the trash", func() bool { return d.loaded })
	equal(t, "trash", d.ids(), []curate.ID{1, 2, 3, 4})
	d.at(2)
	d.remove() // What is there cannot be deleted again.
	d.restore(false)
	d.idle()
	d.at(3)
	d.move("tulip")
	d.idle()
	equal(t, "trash", d.ids(), []curate.ID{1, 4})
	if d.focus != 4 || d.snap.trash != 2 {
		t.Errorf("the focus is on %d, %d are in the trash", d.focus, d.snap.trash)
	}
	d.emptyTrash()
	d.idle()
	if len(d.photos) != 0 || d.note.did != emptied || d.note.count != 2 {
		t.Errorf("%d are left, the note is %+v", len(d.photos), d.note)
	}
	d.restore(true)
	d.idle()
	equal(t, "calls", d.library.said(), []string{"delete [1 2 3 4]", "restore [2]", "move [3] tulip", "empty"})
}

func TestChangesByOthersKeepSelectionAndFocus(t *testing.T) {
	d := newDesk(t, 8, "rose")
	d.at(2, 4, 6)
	remove := func(ids ...curate.ID) {
		d.library.external(func(list []curate.Photo) []curate.Photo {
			return slices.DeleteFunc(list, func(p curate.Photo) bool { return slices.Contains(ids, p.ID) })
		})
	}
	remove(1, 4)
	d.until("the change", func() bool { return len(d.photos) == 6 })
	places, focus := d.picked()
	equal(t, "selected", places, []int{0, 3})
	if focus != 3 || d.focus != 6 {
		t.Errorf("the focus is on %d at %d", d.focus, focus)
	}
	remove(6, 7)
	d.until("the change", func() bool { return len(d.photos) == 4 })
	if d.focus != 8 {
		t.Errorf("the focus is on %d, want the neighbour of what is gone", d.focus)
	}
}

func TestShowPhotosOfACell(t *testing.T) {
	d := newDesk(t, 8, "rose", "tulip")
	d.show([]curate.ID{7, 2}, "rose taken for tulip")
	d.until("the photos", func() bool { return d.loaded })
	equal(t, "shown", d.ids(), []curate.ID{2, 7})
	s := d.sections()
	if s[3].kind != chosen || s[3].title != "rose taken for tulip" || s[3].count != 2 {
		t.Errorf("the sections are %+v", s)
	}
	d.at(7)
	d.move("tulip")
	d.idle()
	equal(t, "after a move", d.ids(), []curate.ID{2, 7})
	d.at(2)
	d.remove()
	d.idle()
	equal(t, "after deleting", d.ids(), []curate.ID{7})
	if d.sections()[3].count != 1 {
		t.Error("the count is not true")
	}
	d.show([]curate.ID{1}, "rose taken for tulip") // The same title, other photos.
	d.until("the other photos", func() bool { return d.loaded })
	equal(t, "shown", d.ids(), []curate.ID{1})
	d.show(nil, "none")
	d.until("no photos", func() bool { return d.loaded })
	if len(d.photos) != 0 {
		t.Errorf("of no photos %d are shown", len(d.photos))
	}
	d.back()
	d.until("all", func() bool { return d.loaded })
	if len(d.photos) != 7 || len(d.sections()) != 4 {
		t.Errorf("%d photos, %d sections", len(d.photos), len(d.sections()))
	}
}

func TestRenameKeepsLookingAtTheLabel(t *testing.T) {
	d := newDesk(t, 4, "rose", "tulip")
	d.choose(section{kind: ofLabel, label: "tulip"})
	d.until("tulips", func() bool { return d.loaded })
	d.renameLabel("tulip", "lily")
	d.until("lilies", func() bool { return d.current.label == "lily" && d.loaded })
	equal(t, "lilies", d.ids(), []curate.ID{2, 4})
	d.renameLabel("lily", "lily")
	d.idle()
	d.library.mu.Lock()
	d.library.labels = []string{"rose"} // By another program.
	d.library.mu.Unlock()
	d.library.external(func(list []curate.Photo) []curate.Photo { return list })
	d.until("all photos instead", func() bool { return d.current.kind == everything && d.loaded })

	d.addLabel("iris")
	d.removeLabel("rose")
	d.idle()
	equal(t, "labels", d.library.labels, []string{"iris"})
}

func TestLargePhoto(t *testing.T) {
	d := newDesk(t, 5, "rose", "tulip")
	d.at(1, 2, 3) // The one that is shown large counts, not these.
	d.enlarge(3)
	d.until("the picture", func() bool { return d.large.img != nil })
	d.remove()
	if d.large.photo.ID != 5 || !d.large.open || d.large.img != nil {
		t.Errorf("after deleting, photo %d is large", d.large.photo.ID)
	}
	d.idle()
	d.step(-1)
	d.step(-1)
	if d.large.photo.ID != 2 {
		t.Errorf("two back is photo %d", d.large.photo.ID)
	}
	d.step(-100)
	d.move("tulip")
	if d.large.photo.ID != 2 {
		t.Errorf("after moving the first, photo %d is large", d.large.photo.ID)
	}
	d.idle()
	equal(t, "calls", d.library.said(), []string{"delete [4]", "move [1] tulip"})
	d.closeLarge()
	if d.focus != 2 || d.drawn[len(d.drawn)-1] != "reveal 1" {
		t.Errorf("back in the grid the focus is on %d: %v", d.focus, d.drawn[len(d.drawn)-1])
	}
	d.enlarge(0)
	d.at(1, 2, 3, 5)
	d.large.open = false // All at once, from the grid.
	d.remove()
	d.idle()
	d.enlarge(0) // Of nothing.
	if d.large.open || len(d.photos) != 0 {
		t.Error("nothing is shown large")
	}
}

func TestLargePictureThatComesLate(t *testing.T) {
	d := newDesk(t, 3, "rose")
	first, second := make(chan struct{}), make(chan struct{})
	d.thumbs.hold = map[string]chan struct{}{"/rose/00001.jpg": first, "/rose/00002.jpg": second}
	d.enlarge(0)
	d.enlarge(1) // The first is given up.
	close(first)
	(<-d.queue)()
	if d.large.img != nil || d.large.err != nil {
		t.Error("the first picture is shown as the second photo")
	}
	close(second)
	d.until("the picture", func() bool { return d.large.img != nil })
	if d.large.photo.ID != 2 {
		t.Errorf("photo %d is large", d.large.photo.ID)
	}
	d.enlarge(2)
	d.closeLarge()
	d.idle()
	if d.large.open || d.large.img != nil || d.large.err != nil {
		t.Errorf("large is %+v", d.large)
	}
}

func TestAnotherDatasetWhileAtWork(t *testing.T) {
	d := newDesk(t, 4, "rose")
	d.library.gate = make(chan error)
	d.at(2)
	d.remove()
	other := newFake(2, "oak")
	d.setLibrary(other)
	d.library.gate <- nil
	d.until("the other dataset", func() bool { return d.loaded })
	d.idle()
	equal(t, "shown", d.ids(), []curate.ID{1, 2})
	equal(t, "done all the same", d.library.said(), []string{"delete [2]"})
	if d.note.shown {
		t.Errorf("a note of the dataset before is shown: %+v", d.note)
	}
	d.setLibrary(nil)
	d.remove()
	d.undo()
	d.show([]curate.ID{1}, "nothing")
	d.idle()
	if len(d.photos) != 0 || d.loaded {
		t.Error("photos are shown without a dataset")
	}
}

func TestCloseDoesWhatWasAskedFor(t *testing.T) {
	d := newDesk(t, 4, "rose")
	d.library.gate = make(chan error)
	d.at(1)
	d.remove()
	d.remove()
	closed := make(chan struct{})
	go func() { d.close(); close(closed) }()
	d.library.gate <- nil
	d.library.gate <- nil
	<-closed
	equal(t, "calls", d.library.said(), []string{"delete [1]", "delete [2]"})
}

func TestOrderIsKept(t *testing.T) {
	d := newDesk(t, 3, "rose")
	d.at(1)
	d.sortBy(curate.BySize)
	d.until("the order", func() bool { return d.photos[0].ID == 3 })
	if _, focus := d.picked(); focus != 2 {
		t.Errorf("the focus went to place %d", focus)
	}
	again := newPresenter(d.thumbs, d.preferences, func(func()) {})
	defer again.close()
	if again.order != curate.BySize {
		t.Errorf("the next start sorts by %d", again.order)
	}
}

func TestOldSnapshotsAreIgnored(t *testing.T) {
	d := newDesk(t, 3, "rose")
	old, ok := d.snapshot()
	if !ok {
		t.Fatal("there is no snapshot")
	}
	d.at(1)
	d.remove()
	d.idle()
	d.apply(old)
	equal(t, "shown", d.ids(), []curate.ID{2, 3})
}

// TestHidden has photos change while the tab is not seen.
func TestHidden(t *testing.T) {
	d := newDesk(t, 3, "rose", "tulip")
	d.hidden()
	d.drawn = nil
	number := d.snap.number
	for range 3 {
		if err := d.library.Delete(t.Context(), []curate.ID{1}); err != nil {
			t.Fatal(err)
		}
		for len(d.dirty) > 0 { // Until it was looked at.
			runtime.Gosched()
		}
	}
	d.idle()
	if len(d.drawn) > 0 || d.snap.number != number {
		t.Errorf("out of sight it was read and drawn: %v", d.drawn)
	}
	d.setLibrary(newFake(5, "rose"))
	if len(d.drawn) > 0 {
		t.Errorf("another dataset was drawn out of sight: %v", d.drawn)
	}
	d.shown()
	d.until("the photos", func() bool { return len(d.photos) == 5 })
	if !slices.Contains(d.drawn, "all") || !slices.Contains(d.drawn, "note") || !slices.Contains(d.drawn, "large") {
		t.Errorf("in sight again, it was drawn: %v", d.drawn)
	}
	d.drawn = nil
	d.hidden()
	d.shown()
	if len(d.drawn) > 0 {
		t.Errorf("where nothing changed it was drawn: %v", d.drawn)
	}
}

// TestManyChangesAreReadTogether has photos come all the time: they are read at most ten times a second.
func TestManyChangesAreReadTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		library, applied := newFake(3, "rose"), 0
		p := newPresenter(&fakeThumbs{}, fakePreferences{}, func(func()) { applied++ })
		p.shown()
		p.setLibrary(library)
		synctest.Wait()
		if applied != 1 {
			t.Fatalf("read %d times at first", applied)
		}
		for range 1000 {
			for _, tell := range library.changed {
				tell(curate.Change{})
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		if applied < 9 || applied > 12 {
			t.Errorf("in a second of changes it was read %d times", applied)
		}
		for _, tell := range library.changed {
			tell(curate.Change{})
		}
		before := applied
		p.sortBy(curate.BySize) // What the user asks for does not wait.
		synctest.Wait()
		if applied != before+1 {
			t.Errorf("another order was read %d times at once", applied-before)
		}
		p.close()
	})
}
