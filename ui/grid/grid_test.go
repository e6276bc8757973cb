package grid

import (
	"errors"
	"fmt"
	"image"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/test"

	"kaika/core/thumb"
)

// thumbs answers when it is told to.
type thumbs struct {
	memory    map[string]image.Image
	asked     map[string]func(image.Image, error)
	order     []string
	cancelled int
}

func (f *thumbs) Peek(key thumb.Key) (image.Image, bool) {
	img, ok := f.memory[key.Path]
	return img, ok
}

func (f *thumbs) Load(key thumb.Key, done func(image.Image, error)) (cancel func()) {
	f.asked[key.Path] = done
	f.order = append(f.order, key.Path)
	return func() {
		f.cancelled++
		delete(f.asked, key.Path)
	}
}

// bench is a grid in a window, with a clock and a queue that move when they are told to.
type bench struct {
	*Grid
	thumbs *thumbs
	length int
	names  map[int]string // Of items that are not called by their number.
	queue  []func()
	timers []func()
	calls  []string
	window fyne.Window
}

func newBench(t testing.TB, length int, width, height float32) *bench {
	t.Helper()
	test.NewTempApp(t)
	b := &bench{
		thumbs: &thumbs{memory: map[string]image.Image{}, asked: map[string]func(image.Image, error){}},
		length: length, names: map[int]string{},
	}
	say := func(format string, args ...any) { b.calls = append(b.calls, fmt.Sprintf(format, args...)) }
	b.window = test.NewTempWindow(t, nil)
	b.Grid = New(Params{
		Window:   b.window,
		Thumbs:   b.thumbs,
		Dispatch: func(f func()) { b.queue = append(b.queue, f) },
		After: func(_ time.Duration, f func()) func() {
			b.timers = append(b.timers, f)
			return func() { b.timers = nil }
		},
		Length: func() int { return b.length },
		Key: func(i int) thumb.Key {
			if i < 0 || i >= b.length {
				t.Errorf("asked for item %d of %d", i, b.length)
			}
			return thumb.Key{Path: b.name(i)}
		},
		Caption: b.name,
		Badge: func(i int) string {
			if i == 1 {
				return "double"
			}
			return ""
		},
		Select: func() { say("select %v", b.Selected()) },
		Open:   func(i int) { say("open %d", i) },
		Menu:   func(fyne.Position) { say("menu %v", b.Selected()) },
		Drag:   func(at fyne.Position) { say("drag %v %v", b.Selected(), at) },
		Drop:   func(at fyne.Position) { say("drop %v %v", b.Selected(), at) },
		Type:   func(ev *fyne.KeyEvent) { say("key %s", ev.Name) },
		Rune:   func(r rune) { say("rune %c", r) },
		Command: func(s fyne.Shortcut) bool {
			say("command %s", s.ShortcutName())
			return s.ShortcutName() == "Undo"
		},
	})
	b.window.SetPadded(false)
	b.window.Resize(fyne.NewSize(width, height))
	b.window.SetContent(b.Grid)
	b.calls = nil
	return b
}

func (b *bench) name(i int) string {
	if name, ok := b.names[i]; ok {
		return name
	}
	return strconv.Itoa(i)
}

func (b *bench) drain() {
	for len(b.queue) > 0 {
		next := b.queue[0]
		b.queue = b.queue[1:]
		next()
	}
}

// tick lets the timers end that run.
func (b *bench) tick() {
	timers := b.timers
	b.timers = nil
	for _, f := range timers {
		f()
	}
	b.drain()
}

// last gives the newest call, and forgets all.
func (b *bench) last() string {
	defer func() { b.calls = nil }()
	if len(b.calls) == 0 {
		return ""
	}
	return b.calls[len(b.calls)-1]
}

// middle is the middle of item i in the field.
func (b *bench) middle(i int) fyne.Position {
	return b.position(i).AddXY(b.size.Width/2, b.size.Height/2)
}

func (b *bench) press(at fyne.Position, button desktop.MouseButton, modifier fyne.KeyModifier) {
	b.field.MouseDown(&desktop.MouseEvent{PointEvent: fyne.PointEvent{Position: at}, Button: button, Modifier: modifier})
}

func (b *bench) click(i int, modifier fyne.KeyModifier) {
	b.press(b.middle(i), desktop.MouseButtonPrimary, modifier)
	b.field.MouseUp(&desktop.MouseEvent{})
}

func (b *bench) key(names ...fyne.KeyName) {
	for _, name := range names {
		b.field.TypedKey(&fyne.KeyEvent{Name: name})
	}
}

func (b *bench) selected(t *testing.T, want ...int) {
	t.Helper()
	if got := b.Selected(); !slices.Equal(got, want) {
		t.Errorf("selected are %v, want %v", got, want)
	}
}

const (
	ctrl  = fyne.KeyModifierShortcutDefault
	shift = fyne.KeyModifierShift
)

func TestOnlySeenCellsExist(t *testing.T) {
	b := newBench(t, 20_000, 800, 600)
	const most = 40 // 5 columns and 6 or 7 rows.
	made := func() int { return len(b.field.objects) - 1 }
	if made() == 0 || made() > most {
		t.Errorf("%d cells exist for 20,000 photos", made())
	}
	end := b.field.MinSize().Height
	for y := float32(0); y < end; y += 5000 {
		b.SetOffset(y)
		b.tick()
	}
	b.SetOffset(end)
	b.tick()
	if made() > most+10 || len(b.seen)+len(b.spare) != made() {
		t.Errorf("%d cells exist after scrolling, %d seen, %d spare", made(), len(b.seen), len(b.spare))
	}
	if b.seen[19_999] == nil || b.seen[0] != nil {
		t.Errorf("at the end are seen: %v", slices.Sorted(maps.Keys(b.seen)))
	}
	if len(b.thumbs.asked) != len(b.seen) {
		t.Errorf("%d thumbnails are asked for, %d cells are seen", len(b.thumbs.asked), len(b.seen))
	}
	if b.thumbs.cancelled == 0 {
		t.Error("no load was cancelled")
	}
}

func TestFastScrollAsksForNothing(t *testing.T) {
	b := newBench(t, 20_000, 800, 600)
	first := len(b.thumbs.order)
	b.thumbs.memory["5000"] = image.NewRGBA(image.Rect(0, 0, 4, 3))
	for range 20 {
		b.SetOffset(b.Offset() + 3000)
		b.tick()
	}
	if got := len(b.thumbs.order); got != first {
		t.Errorf("%d thumbnails were asked for while scrolling fast", got-first)
	}
	b.ShowItem(5000)
	if b.seen[5000] == nil || b.seen[5000].state != shown {
		t.Error("a thumbnail at hand is not shown at once")
	}
	b.tick()
	b.tick() // Now it has settled.
	if len(b.thumbs.order) == first || len(b.timers) != 0 {
		t.Errorf("%d were asked for when it had settled, %d timers run on", len(b.thumbs.order)-first, len(b.timers))
	}
	b.SetOffset(b.Offset() + 300) // Slowly.
	before := len(b.thumbs.order)
	b.tick()
	if len(b.thumbs.order) == before {
		t.Error("scrolling slowly asks for nothing")
	}
}

func TestPicturesArrive(t *testing.T) {
	b := newBench(t, 10, 800, 600)
	if want := []string{"9", "8", "7", "6", "5", "4", "3", "2", "1", "0"}; !slices.Equal(b.thumbs.order, want) {
		t.Errorf("asked for in the order %v, want the first last, as the newest is served first", b.thumbs.order)
	}
	img := image.NewRGBA(image.Rect(0, 0, 4, 3))
	late := b.thumbs.asked["2"]
	b.thumbs.asked["0"](img, nil)
	b.thumbs.asked["1"](nil, errors.New("is no photo"))
	if len(b.queue) != 1 {
		t.Errorf("%d calls for two arrivals", len(b.queue))
	}
	b.names[2] = "another" // While its thumbnail is on its way.
	b.Update(2)
	late(img, nil)
	b.drain()
	for i, want := range map[int]state{0: shown, 1: bad, 2: loading, 3: loading} {
		if got := b.seen[i].state; got != want {
			t.Errorf("cell %d is in state %d, want %d", i, got, want)
		}
	}
	if c := b.seen[1]; !c.broken.Visible() || c.badge.Text != "double" || !c.tag.Visible() || c.photo.Visible() {
		t.Error("the broken photo or the badge is not drawn")
	}
	if c := b.seen[0]; c.broken.Visible() || c.tag.Visible() || c.photo.Image != img {
		t.Error("cell 0 is not drawn as it should be")
	}
	b.Close()
	if b.seen[3].state != waiting || len(b.thumbs.asked) != 2 {
		t.Errorf("after Close %d are still under way", len(b.thumbs.asked)-2)
	}
}

func TestClicks(t *testing.T) {
	b := newBench(t, 100, 800, 600)
	b.click(3, 0)
	b.selected(t, 3)
	b.click(5, ctrl)
	b.selected(t, 3, 5)
	b.click(8, shift)
	b.selected(t, 5, 6, 7, 8)
	b.click(6, shift)
	b.selected(t, 5, 6)
	b.click(10, ctrl)
	b.click(12, ctrl|shift)
	b.selected(t, 5, 6, 10, 11, 12)
	b.click(11, ctrl)
	b.selected(t, 5, 6, 10, 12)
	b.click(10, 0) // On one of several: the release selects it alone.
	b.selected(t, 10)
	b.press(fyne.NewPos(2, 2), desktop.MouseButtonPrimary, 0)
	b.selected(t)
	b.press(b.middle(7), desktop.MouseButtonSecondary, 0)
	b.field.TappedSecondary(&fyne.PointEvent{Position: b.middle(7)})
	if got := b.last(); got != "menu [7]" {
		t.Errorf("a click on the right gave %q", got)
	}
	b.click(9, ctrl)
	b.press(b.middle(7), desktop.MouseButtonSecondary, 0)
	b.selected(t, 7, 9)
	b.click(2, 0)
	b.click(2, 0)
	b.field.DoubleTapped(&fyne.PointEvent{Position: b.middle(2)})
	if got := b.last(); got != "open 2" {
		t.Errorf("a double click gave %q", got)
	}
	b.click(1, 0)
	b.click(2, 0)
	b.field.DoubleTapped(&fyne.PointEvent{Position: b.middle(2)})
	if got := b.last(); got != "select [2]" {
		t.Errorf("two clicks on two photos gave %q", got)
	}
	b.field.TypedShortcut(&fyne.ShortcutSelectAll{})
	if len(b.Selected()) != 100 {
		t.Errorf("Ctrl+A selected %d", len(b.Selected()))
	}
}

func TestKeyboard(t *testing.T) {
	b := newBench(t, 23, 800, 400) // 5 columns, 2 rows in sight.
	if b.columns != 5 || b.rows() != 2 {
		t.Fatalf("%d columns, %d rows", b.columns, b.rows())
	}
	test.FocusNext(b.window.Canvas())
	if b.Focused() != 0 || !b.seen[0].focus.Visible() {
		t.Fatalf("the focus is at %d", b.Focused())
	}
	for _, step := range []struct {
		key  fyne.KeyName
		want int
	}{
		{fyne.KeyLeft, 0},
		{fyne.KeyRight, 1},
		{fyne.KeyDown, 6},
		{fyne.KeyUp, 1},
		{fyne.KeyUp, 1},
		{fyne.KeyPageDown, 11},
		{fyne.KeyPageDown, 21},
		{fyne.KeyPageDown, 21},
		{fyne.KeyPageUp, 11},
		{fyne.KeyEnd, 22},
		{fyne.KeyRight, 22},
		{fyne.KeyDown, 22},
		{fyne.KeyUp, 17},
		{fyne.KeyRight, 18},
		{fyne.KeyDown, 22},
		{fyne.KeyHome, 0},
	} {
		b.key(step.key)
		if b.Focused() != step.want {
			t.Fatalf("%s moves to %d, want %d", step.key, b.Focused(), step.want)
		}
		c := b.seen[step.want]
		if y := c.box.Position().Y - b.Offset(); y < 0 || y+b.size.Height > 400 {
			t.Errorf("item %d is at %v, out of sight", step.want, y)
		}
	}
	b.selected(t)
	b.key(fyne.KeySpace, fyne.KeyRight, fyne.KeyRight, fyne.KeySpace)
	b.selected(t, 0, 2)
	b.field.KeyDown(&fyne.KeyEvent{Name: desktop.KeyShiftLeft})
	b.key(fyne.KeyDown)
	b.selected(t, 2, 3, 4, 5, 6, 7)
	b.key(fyne.KeyLeft)
	b.selected(t, 2, 3, 4, 5, 6)
	b.field.KeyUp(&fyne.KeyEvent{Name: desktop.KeyShiftLeft})
	b.key(fyne.KeyLeft)
	b.selected(t, 2, 3, 4, 5, 6)
	b.key(fyne.KeyEscape)
	b.selected(t)
	b.SetSelection(nil, -1)
	b.key(fyne.KeyDown) // From nowhere it enters the grid.
	if b.Focused() != 0 {
		t.Errorf("the keyboard enters at %d", b.Focused())
	}
	b.field.KeyDown(&fyne.KeyEvent{Name: desktop.KeyShiftLeft})
	for range 3 { // The grid's user sets the selection that it was told of.
		b.key(fyne.KeyRight)
		b.SetSelection(b.Selected(), b.Focused())
	}
	b.field.KeyUp(&fyne.KeyEvent{Name: desktop.KeyShiftLeft})
	b.selected(t, 0, 1, 2, 3)
	b.click(4, 0)
	b.key(fyne.KeyRight) // What was only clicked hands the selection on.
	b.selected(t, 5)

	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() { b.key(fyne.KeyReturn) }, "open 5"},
		{func() { b.key(fyne.KeyDelete) }, "key Delete"},
		{func() { b.field.TypedRune('3') }, "rune 3"},
		{func() { b.field.TypedRune(' ') }, ""},
		{func() { b.key(desktop.KeyMenu) }, "menu [5]"},
		{func() { b.field.TypedShortcut(&fyne.ShortcutUndo{}) }, "command Undo"},
		{func() { b.key(fyne.KeyEscape) }, "select []"},
		{func() { b.key(fyne.KeyEscape) }, "key Escape"},
	} {
		step.do()
		if got := b.last(); got != step.want {
			t.Errorf("got %q, want %q", got, step.want)
		}
	}
	var window bool
	tab := &desktop.CustomShortcut{KeyName: fyne.KeyTab, Modifier: fyne.KeyModifierControl}
	b.window.Canvas().AddShortcut(tab, func(fyne.Shortcut) { window = true })
	b.field.TypedShortcut(tab)
	if !window {
		t.Error("a shortcut that nobody wants does not reach the window")
	}
}

func TestDrag(t *testing.T) {
	b := newBench(t, 100, 800, 600)
	drag := func(to fyne.Position) {
		b.field.Dragged(&fyne.DragEvent{PointEvent: fyne.PointEvent{Position: to, AbsolutePosition: to}})
	}
	b.click(2, 0)
	b.click(4, ctrl)
	b.press(b.middle(2), desktop.MouseButtonPrimary, 0)
	drag(fyne.NewPos(10, 20))
	b.field.MouseUp(&desktop.MouseEvent{})
	b.field.DragEnd()
	if got := b.last(); got != "drop [2 4] {10 20}" {
		t.Errorf("a drag of two photos gave %q", got)
	}
	b.press(b.middle(7), desktop.MouseButtonPrimary, 0) // Not selected: it is now.
	drag(fyne.NewPos(30, 20))
	b.field.DragEnd()
	if got := b.last(); got != "drop [7] {30 20}" {
		t.Errorf("a drag of one photo gave %q", got)
	}

	b.press(fyne.NewPos(2, 2), desktop.MouseButtonPrimary, 0)
	drag(b.middle(6)) // The first two columns of the first two rows.
	b.selected(t, 0, 1, 5, 6)
	if !b.field.marquee.Visible() {
		t.Error("no rectangle is drawn")
	}
	drag(b.middle(1))
	b.field.DragEnd()
	b.selected(t, 0, 1)
	if b.field.marquee.Visible() {
		t.Error("the rectangle stays")
	}
	b.press(fyne.NewPos(2, b.size.Height+2), desktop.MouseButtonPrimary, ctrl)
	drag(b.middle(5))
	b.field.DragEnd()
	b.selected(t, 0, 1, 5)
	b.press(fyne.NewPos(2, 2), desktop.MouseButtonPrimary, 0)
	drag(fyne.NewPos(400, 5000)) // Beyond the lower edge, beyond the last photo.
	drag(fyne.NewPos(-10, -50))
	b.field.DragEnd()
	if got := b.last(); got == "" || got[:4] == "drop" {
		t.Errorf("a rectangle gave %q", got)
	}
}

func TestReloadKeepsPlaceAndDropsWhatIsGone(t *testing.T) {
	b := newBench(t, 1000, 800, 600)
	b.ShowItem(500)
	at := b.Offset()
	b.SetSelection([]int{501, 503, 999, 1000, -1}, 501)
	b.selected(t, 501, 503, 999)
	if !b.seen[501].frame.Visible() || !b.seen[501].check.Visible() || b.seen[502].check.Visible() {
		t.Error("what is selected is not marked")
	}
	b.length = 990
	b.Reload()
	if b.Offset() != at {
		t.Errorf("the grid moved from %v to %v", at, b.Offset())
	}
	b.selected(t, 501, 503)
	b.length = 3
	b.Reload()
	if b.Offset() != 0 || len(b.seen) != 3 || b.Focused() != 2 {
		t.Errorf("offset %v, %d cells, focus %d", b.Offset(), len(b.seen), b.Focused())
	}
	b.length = 0
	b.Reload()
	b.key(fyne.KeyDown, fyne.KeyEnd, fyne.KeySpace, fyne.KeyReturn, desktop.KeyMenu)
	b.click(0, 0)
	if len(b.seen) != 0 || b.Focused() != -1 || len(b.Selected()) != 0 {
		t.Errorf("of nothing, %d cells are seen, the focus is at %d", len(b.seen), b.Focused())
	}
	b.length = 50
	b.Reload()
	if len(b.seen) == 0 {
		t.Error("nothing is seen when photos come back")
	}
}

func TestSizes(t *testing.T) {
	b := newBench(t, 1000, 800, 600)
	b.ShowItem(500)
	before := b.first()
	for _, side := range []float32{Small, Large, Medium} {
		b.SetSide(side)
		if got := b.first(); got > before || got+b.columns <= before-b.columns {
			t.Errorf("at side %v item %d is at the top, before it was %d", side, got, before)
		}
		for i, c := range b.seen {
			if c.photo.Size().Width != side || c.box.Position() != b.position(i) {
				t.Fatalf("cell %d is %v large at %v", i, c.photo.Size(), c.box.Position())
			}
		}
	}
	b.window.Resize(fyne.NewSize(130, 130))
	if b.columns != 1 {
		t.Errorf("%d columns in a narrow window", b.columns)
	}
	b.window.Resize(fyne.NewSize(3840, 2160))
	if c := b.seen[500]; c == nil {
		t.Error("resizing lost the place")
	}
}

func TestEllipsis(t *testing.T) {
	test.NewTempApp(t)
	like := canvas.NewText("", nil)
	for text, want := range map[string]string{
		"":            "",
		"a.jpg":       "a.jpg",
		"two\nlines":  "two lines",
		"bad\xffbyte": "bad\uFFFDbyte",
		"a very long name that never ends and goes on.jpg": "",
	} {
		got := ellipsis(text, 100, like)
		if want != "" && got != want || fyne.MeasureText(got, like.TextSize, like.TextStyle).Width > 100 {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := ellipsis("abc", 0, like); got != "…" {
		t.Errorf("without room it is %q", got)
	}
}

// BenchmarkScroll is one step of a scroll through 20,000 photos whose thumbnails lie in memory, without drawing.
func BenchmarkScroll(b *testing.B) {
	g := newBench(b, 20_000, 1280, 900)
	img := image.NewRGBA(image.Rect(0, 0, 256, 192))
	for i := range 20_000 {
		g.thumbs.memory[strconv.Itoa(i)] = img
	}
	end := g.field.MinSize().Height
	y := float32(0)
	b.ReportAllocs()
	for b.Loop() {
		if y += 120; y > end {
			y = 0
		}
		g.SetOffset(y)
		g.timers = nil
	}
}

// BenchmarkMemory is the heap after scrolling through 20,000 photos.
func BenchmarkMemory(b *testing.B) {
	g := newBench(b, 20_000, 1280, 900)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		for y := float32(0); y < g.field.MinSize().Height; y += 800 {
			g.SetOffset(y)
			g.tick()
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/1e6, "MB-grown")
	b.ReportMetric(float64(len(g.field.objects)), "cells")
}

// BenchmarkFrame is one step of a scroll through 20,000 photos with the drawing of a window of 1280 x 900 by Fyne's software
// painter; a graphics card takes the place of the latter on a user's machine.
func BenchmarkFrame(b *testing.B) {
	g := newBench(b, 20_000, 1280, 900)
	img := image.NewRGBA(image.Rect(0, 0, 256, 192))
	for i := range 20_000 {
		g.thumbs.memory[strconv.Itoa(i)] = img
	}
	y := float32(0)
	for b.Loop() {
		y += 120
		g.SetOffset(y)
		g.timers = nil
		g.window.Canvas().Capture()
	}
}
