package review

import (
	"context"
	"image"
	"slices"
	"strconv"
	"sync"
	"time"

	"kaika/core/curate"
	"kaika/core/thumb"
)

// A sectionKind says what a section holds.
type sectionKind int

const (
	everything sectionKind = iota
	ofLabel
	chosen // Photos that somebody chose: those behind a cell of a confusion matrix, or later those of a finding.
	inTrash
)

// A section is a part of the dataset that can be looked at: a line in the list at the left.
type section struct {
	kind  sectionKind
	label string      // Of ofLabel.
	title string      // Of chosen.
	ids   []curate.ID // Of chosen.
	count int
}

// same reports whether both are the same line of the list.
func (s section) same(o section) bool {
	return s.kind == o.kind && s.label == o.label && s.title == o.title
}

// query asks for the photos of the section.
func (s section) query(order curate.Sort) curate.Query {
	q := curate.Query{Sort: order, Trash: s.kind == inTrash}
	switch s.kind {
	case ofLabel:
		q.Labels = []string{s.label}
	case chosen:
		q.IDs = s.ids
	case everything, inTrash:
	}
	return q
}

// A screen draws what the presenter holds. It is called on the window's goroutine.
type screen interface {
	drawAll()       // Sections, photos, what can be undone.
	drawSelection() // Which photos are selected, and where the focus is.
	drawPicked()    // How many are selected: which, the user has just said.
	drawNote()      // The word about what was done.
	drawLarge()     // The large photo, or that there is none any more.
	fail(o outcome) // Something did not work.
	reveal(i int)   // Photo i has to be in sight.
}

// An outcome is what came of something that the user asked for.
type outcome struct {
	did    curate.ActionKind // Or emptied.
	count  int
	label  string
	undone bool
	redone bool
	err    error
}

// emptied is what emptying the trash is called beside the steps of package curate.
const emptied curate.ActionKind = "emptied"

// A note is a word about what was done.
type note struct {
	outcome

	shown bool
}

// A snapshot is what a library held at a moment.
type snapshot struct {
	number  int64
	library Library
	section section
	order   curate.Sort
	labels  []curate.LabelCount
	photos  []curate.Photo
	place   map[curate.ID]int // Places of the photos.
	trash   int
	undo    curate.Action
	canUndo bool
	redo    curate.Action
	canRedo bool
}

// Names of the preferences.
const (
	prefOrder = "review.order"
	prefSide  = "review.side"
)

// largeSide is the longest side of a large photo in pixels. It bounds the memory for one to 64 MiB.
const largeSide = 4096

// presenter holds what the tab shows. Its methods are called on the window's goroutine, if nothing else is said.
type presenter struct {
	thumbs      Thumbs
	preferences Preferences
	dispatch    func(func())
	screen      screen
	stale       bool // What is drawn is not what there is.

	ctx     context.Context //nolint:containedctx // It ends with the tab, which outlives every call.
	end     context.CancelFunc
	work    sync.WaitGroup
	tasks   *queue        // What the user asked for.
	done    chan struct{} // Closed when all tasks have run.
	dirty   chan struct{} // The library has changed.
	wanted  chan struct{} // Something else is looked at.
	mu      sync.Mutex
	seen    bool    // The tab is at the front. The window's goroutine, which alone writes it, reads it without the lock.
	missed  bool    // Something changed that was not read, because nobody saw the tab.
	reading request // What to read.
	reads   int64   // Number of the last snapshot begun.

	library     Library
	unsubscribe func()
	current     section
	kept        []section // Of kind chosen, beside the ones that the library itself has.
	order       curate.Sort
	snap        snapshot
	photos      []curate.Photo // Those of snap that are not about to leave.
	place       map[curate.ID]int
	leaving     map[curate.ID]int // Photos that are on their way out of the section, and by how many tasks.
	renames     map[string]string // New names of labels by the ones that they had.
	loaded      bool              // The section was read since it is looked at.

	selected map[curate.ID]struct{}
	focus    curate.ID // 0 where there is none.
	note     note

	large large
}

// large is the large photo.
type large struct {
	open  bool
	photo curate.Photo
	img   image.Image // Nil until it is decoded.
	err   error
	stop  context.CancelFunc
}

// A request says what to read.
type request struct {
	library Library
	section section
	order   curate.Sort
}

func newPresenter(thumbs Thumbs, preferences Preferences, dispatch func(func())) *presenter {
	ctx, end := context.WithCancel(context.Background())
	p := &presenter{
		thumbs: thumbs, preferences: preferences, dispatch: dispatch,
		ctx: ctx, end: end, dirty: make(chan struct{}, 1), wanted: make(chan struct{}, 1), tasks: newQueue(), done: make(chan struct{}),
		renames: map[string]string{},
		place:   map[curate.ID]int{}, leaving: map[curate.ID]int{}, selected: map[curate.ID]struct{}{},
	}
	if n, err := strconv.Atoi(preferences.String(prefOrder)); err == nil {
		p.order = curate.Sort(n)
	}
	p.work.Go(p.read)
	p.work.Go(func() {
		p.tasks.run()
		close(p.done)
	})
	return p
}

// settled gives a channel that is closed when all has been done that the user has asked for until now.
func (p *presenter) settled() <-chan struct{} {
	if done := make(chan struct{}); p.tasks.add(func() { close(done) }) {
		return done
	}
	return p.done
}

// close ends everything and waits for it; what the user asked for is done before.
func (p *presenter) close() {
	p.setLibrary(nil)
	p.tasks.close()
	<-p.done
	p.end()
	p.work.Wait()
}

// setLibrary looks at another dataset, or at none.
func (p *presenter) setLibrary(l Library) {
	if p.unsubscribe != nil {
		p.unsubscribe()
		p.unsubscribe = nil
	}
	p.closeLarge()
	p.library, p.current, p.kept, p.loaded = l, section{}, nil, false
	p.snap, p.photos, p.place = snapshot{}, nil, nil
	clear(p.renames)
	clear(p.leaving)
	clear(p.selected)
	p.focus, p.note = 0, note{}
	if l != nil {
		p.unsubscribe = l.Subscribe(func(curate.Change) { wake(p.dirty) })
	}
	p.refresh()
	p.draw(screen.drawAll)
	p.draw(screen.drawNote)
}

// draw has the screen draw, where there is one that is seen.
func (p *presenter) draw(what func(screen)) {
	switch {
	case p.screen == nil:
	case p.seen:
		what(p.screen)
	default:
		p.stale = true
	}
}

// shown is called when the tab comes into sight: what changed meanwhile is drawn and read.
func (p *presenter) shown() {
	p.mu.Lock()
	p.seen = true
	missed := p.missed
	p.missed = false
	p.mu.Unlock()
	if missed {
		wake(p.wanted)
	}
	if p.stale {
		p.stale = false
		p.draw(screen.drawAll)
		p.draw(screen.drawNote)
		p.draw(screen.drawLarge)
	}
}

// hidden is called when the tab goes out of sight: from now on nothing is drawn, and what changes is not read.
func (p *presenter) hidden() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = false
}

// refresh has the library read anew, beside.
func (p *presenter) refresh() {
	p.mu.Lock()
	p.reading = request{p.library, p.current, p.order}
	p.snap.number = p.reads // What was read until now is not wanted any more.
	p.mu.Unlock()
	wake(p.wanted)
}

// wake may be called from any goroutine.
func wake(reader chan struct{}) {
	select {
	case reader <- struct{}{}:
	default:
	}
}

// interval is the least time between two readings of a library that changes all the time, as when photos are collected.
const interval = 100 * time.Millisecond

// read reads the library whenever it changes, on a goroutine of its own. Changes that come while it reads, or soon after
// that, are read together; what the user asks for is not made to wait. A reading copies the list of all photos: of a large
// dataset that changes all the time it takes a tenth of the time at most.
func (p *presenter) read() {
	changes, rested := p.dirty, (<-chan time.Time)(nil)
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-rested:
			changes, rested = p.dirty, nil
			continue
		case <-changes:
		case <-p.wanted:
		}
		if !p.watched() {
			continue
		}
		began := time.Now()
		if s, ok := p.snapshot(); ok {
			p.dispatch(func() { p.apply(s) })
		}
		changes, rested = nil, time.After(max(interval, 9*time.Since(began)))
	}
}

// watched tells whether the tab is seen; if not, what changed is read when it is. It may be called from any goroutine.
func (p *presenter) watched() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.missed = p.missed || !p.seen
	return p.seen
}

// snapshot reads what the window looks at now. It may be called from any goroutine.
func (p *presenter) snapshot() (snapshot, bool) {
	p.mu.Lock()
	p.reads++
	r, number := p.reading, p.reads
	p.mu.Unlock()
	if r.library == nil {
		return snapshot{}, false
	}
	s := snapshot{number: number, library: r.library, section: r.section, order: r.order}
	s.labels = r.library.Labels()
	s.photos = r.library.Photos(r.section.query(r.order))
	s.place = places(s.photos)
	if r.section.kind == inTrash {
		s.trash = len(s.photos)
	} else {
		s.trash = len(r.library.Photos(curate.Query{Trash: true}))
	}
	s.undo, s.canUndo = r.library.CanUndo()
	s.redo, s.canRedo = r.library.CanRedo()
	return s, true
}

// apply shows a snapshot, unless a newer one is shown or the user looks at something else by now. Selection and focus
// stay with their photos; where the focus was on one that is gone, it goes to its neighbour.
func (p *presenter) apply(s snapshot) {
	if s.number <= p.snap.number || s.library != p.library || !s.section.same(p.current) || s.order != p.order {
		return
	}
	if p.current.kind == ofLabel && !slices.ContainsFunc(s.labels, func(l curate.LabelCount) bool { return l.Name == p.current.label }) {
		next := section{} // The label is gone, or has another name.
		if to, ok := p.renames[p.current.label]; ok {
			next = section{kind: ofLabel, label: to}
		}
		p.choose(next)
		return
	}
	if p.current.kind == chosen {
		p.kept = []section{p.current}
		p.kept[0].count = len(s.photos)
	}
	p.snap, p.loaded = s, true
	p.list()
}

// list lists the photos of the snapshot that are not about to leave, and mends selection, focus and large photo.
func (p *presenter) list() {
	before, at := p.photos, -1
	if i, ok := p.place[p.focus]; ok && p.focus != 0 {
		at = i
	}
	p.photos, p.place = p.snap.photos, p.snap.place
	if len(p.leaving) > 0 {
		p.photos = make([]curate.Photo, 0, len(p.snap.photos))
		for _, photo := range p.snap.photos {
			if p.leaving[photo.ID] == 0 {
				p.photos = append(p.photos, photo)
			}
		}
		p.place = places(p.photos)
	}
	for id := range p.selected {
		if _, ok := p.place[id]; !ok {
			delete(p.selected, id)
		}
	}
	if _, ok := p.place[p.focus]; !ok {
		p.focus = p.neighbour(before, at)
	}
	p.draw(screen.drawAll)
	if p.large.open {
		if i, ok := p.place[p.focus]; !ok {
			p.closeLarge()
		} else if photo := p.photos[i]; !sameFile(photo, p.large.photo) {
			p.enlarge(i)
		} else {
			p.large.photo = photo
			p.draw(screen.drawLarge) // Also where it is as it was: its place may be another.
		}
	}
}

// places gives the place of each photo in a list.
func places(list []curate.Photo) map[curate.ID]int {
	place := make(map[curate.ID]int, len(list))
	for i, photo := range list {
		place[photo.ID] = i
	}
	return place
}

// neighbour finds the first photo after place at of a list, else the first before it, that is still there.
func (p *presenter) neighbour(list []curate.Photo, at int) curate.ID {
	if at < 0 {
		return 0
	}
	for _, photo := range list[at:] {
		if _, ok := p.place[photo.ID]; ok {
			return photo.ID
		}
	}
	for _, photo := range slices.Backward(list[:at]) {
		if _, ok := p.place[photo.ID]; ok {
			return photo.ID
		}
	}
	return 0
}

func sameFile(a, b curate.Photo) bool {
	return a.ID == b.ID && a.Path == b.Path && a.Size == b.Size && a.ModTime.Equal(b.ModTime)
}

// sections are the lines of the list at the left.
func (p *presenter) sections() []section {
	total := 0
	for _, l := range p.snap.labels {
		total += l.Photos
	}
	list := []section{{kind: everything, count: total}}
	for _, l := range p.snap.labels {
		list = append(list, section{kind: ofLabel, label: l.Name, count: l.Photos})
	}
	list = append(list, p.kept...)
	return append(list, section{kind: inTrash, count: p.snap.trash})
}

// choose looks at a section.
func (p *presenter) choose(s section) {
	if s.same(p.current) && s.kind != chosen {
		return
	}
	p.closeLarge()
	p.current = s
	clear(p.selected)
	clear(p.leaving) // They were of the other section.
	p.focus, p.note = 0, note{}
	p.photos, p.place, p.snap.photos, p.snap.place = nil, nil, nil, nil
	p.loaded = false
	p.refresh()
	p.draw(screen.drawAll)
	p.draw(screen.drawNote)
}

// show looks at these photos.
func (p *presenter) show(ids []curate.ID, title string) {
	if p.library == nil {
		return
	}
	s := section{kind: chosen, title: title, ids: append([]curate.ID{}, ids...), count: len(ids)}
	p.kept = []section{s}
	p.choose(s)
}

// back goes from the photos that were chosen to all.
func (p *presenter) back() {
	p.kept = nil
	p.choose(section{})
}

// sortBy changes the order of the photos.
func (p *presenter) sortBy(order curate.Sort) {
	if order == p.order {
		return
	}
	p.order = order
	p.preferences.SetString(prefOrder, strconv.Itoa(int(order)))
	p.refresh()
}

// key is the thumbnail of photo i.
func (p *presenter) key(i int) thumb.Key {
	photo := p.photos[i]
	return thumb.Key{Path: photo.Path, Size: photo.Size, ModTime: photo.ModTime}
}

// pick is what the user selected, and where the focus is, by the photos' places; -1 is none. The word about what was
// done before has been read by now, unless the keyboard has only come to photos that were just loaded.
func (p *presenter) pick(places []int, focus int) {
	if p.focus != 0 || len(places) > 0 {
		p.note = note{}
	}
	p.selected = make(map[curate.ID]struct{}, len(places))
	for _, i := range places {
		p.selected[p.photos[i].ID] = struct{}{}
	}
	p.focus = 0
	if focus >= 0 && focus < len(p.photos) {
		p.focus = p.photos[focus].ID
	}
	p.draw(screen.drawPicked)
}

// picked gives the places of the selected photos and of the focus, -1 for none.
func (p *presenter) picked() (places []int, focus int) {
	places = make([]int, 0, len(p.selected))
	for id := range p.selected {
		places = append(places, p.place[id])
	}
	slices.Sort(places)
	focus = -1
	if i, ok := p.place[p.focus]; ok {
		focus = i
	}
	return places, focus
}

// targets are the photos that a key or a button is for: the selected ones, else that at the focus; only that one while it
// is shown large.
func (p *presenter) targets() []curate.ID {
	if p.large.open {
		return []curate.ID{p.large.photo.ID}
	}
	places, focus := p.picked()
	if len(places) == 0 && focus >= 0 {
		places = append(places, focus)
	}
	ids := make([]curate.ID, 0, len(places))
	for _, i := range places {
		ids = append(ids, p.photos[i].ID)
	}
	return ids
}

// labelOf gives the label of a number key, 1 to 9 and then 0.
func (p *presenter) labelOf(digit int) (string, bool) {
	i := (digit + 9) % 10
	if i >= len(p.snap.labels) {
		return "", false
	}
	return p.snap.labels[i].Name, true
}

// move moves the targets to a label.
func (p *presenter) move(label string) {
	ids := slices.DeleteFunc(p.targets(), func(id curate.ID) bool {
		return p.current.kind != inTrash && p.photos[p.place[id]].Label == label // It is there already.
	})
	leave := p.current.kind == ofLabel || p.current.kind == inTrash
	p.change(ids, leave, outcome{did: curate.Moved, label: label}, func(ctx context.Context, l Library) error {
		return l.Move(ctx, ids, label)
	})
}

// remove moves the targets to the trash.
func (p *presenter) remove() {
	if p.current.kind == inTrash {
		return
	}
	ids := p.targets()
	p.change(ids, true, outcome{did: curate.Deleted}, func(ctx context.Context, l Library) error { return l.Delete(ctx, ids) })
}

// restore brings the targets back from the trash, or all that lies there.
func (p *presenter) restore(all bool) {
	if p.current.kind != inTrash {
		return
	}
	ids := p.targets()
	if all {
		ids = nil
		for _, photo := range p.photos {
			ids = append(ids, photo.ID)
		}
	}
	p.change(ids, true, outcome{did: curate.Restored}, func(ctx context.Context, l Library) error { return l.Restore(ctx, ids) })
}

// change does something to photos, beside. Photos that leave the section are not listed from now on, so that the next
// key is for the next photo.
func (p *presenter) change(ids []curate.ID, leave bool, o outcome, do func(context.Context, Library) error) {
	if len(ids) == 0 {
		return
	}
	o.count = len(ids)
	if len(p.leaving) == 0 && leave {
		p.leaving = make(map[curate.ID]int, len(ids))
	}
	for _, id := range ids {
		if leave {
			p.leaving[id]++
		}
	}
	clear(p.selected)
	if leave {
		p.list()
	} else {
		next := min(p.place[ids[len(ids)-1]]+1, len(p.photos)-1)
		p.focus = p.photos[next].ID
		p.draw(screen.drawSelection)
		if p.large.open && p.large.photo.ID != p.focus {
			p.enlarge(next)
		}
	}
	if i, ok := p.place[p.focus]; ok {
		p.draw(func(s screen) { s.reveal(i) })
	}
	p.do(o, func(ctx context.Context, l Library) (outcome, error) { return o, do(ctx, l) }, func() {
		if !leave {
			return
		}
		for _, id := range ids {
			if p.leaving[id]--; p.leaving[id] <= 0 {
				delete(p.leaving, id)
			}
		}
	})
}

// do does something to the library, beside and in order, and shows what came of it.
func (p *presenter) do(o outcome, task func(context.Context, Library) (outcome, error), after func()) {
	l := p.library
	if l == nil {
		return
	}
	p.tasks.add(func() {
		result, err := task(p.ctx, l)
		if err != nil && result.did == "" {
			result = o
		}
		result.err = err
		s, ok := p.snapshot()
		p.dispatch(func() {
			if l != p.library { // Another dataset is looked at by now, or none.
				if result.err != nil && p.ctx.Err() == nil {
					p.tell(result)
				}
				return
			}
			after()
			if ok {
				p.apply(s)
			}
			p.list() // Also where the snapshot is of another section, or has come too late.
			p.tell(result)
		})
	})
}

// tell says what was done, or that it did not work.
func (p *presenter) tell(o outcome) {
	if o.err != nil {
		if p.screen != nil {
			p.screen.fail(o) // Also where it is not seen any more.
		}
		return
	}
	p.note = note{outcome: o, shown: true}
	p.draw(screen.drawNote)
}

// undo takes back the newest step.
func (p *presenter) undo() {
	p.do(outcome{undone: true}, func(ctx context.Context, l Library) (outcome, error) {
		a, err := l.Undo(ctx)
		return outcome{did: a.Kind, count: a.Count, label: a.Label, undone: true}, err
	}, func() {})
}

// redo does the step again that was taken back last.
func (p *presenter) redo() {
	p.do(outcome{redone: true}, func(ctx context.Context, l Library) (outcome, error) {
		a, err := l.Redo(ctx)
		return outcome{did: a.Kind, count: a.Count, label: a.Label, redone: true}, err
	}, func() {})
}

// emptyTrash removes what lies in the trash for good. The user was asked.
func (p *presenter) emptyTrash() {
	o := outcome{did: emptied, count: p.snap.trash}
	p.do(o, func(ctx context.Context, l Library) (outcome, error) { return o, l.EmptyTrash(ctx) }, func() {})
}

// addLabel makes an empty label.
func (p *presenter) addLabel(name string) {
	o := outcome{did: curate.LabelAdded, label: name}
	p.do(o, func(ctx context.Context, l Library) (outcome, error) { return o, l.AddLabel(ctx, name) }, func() {})
}

// renameLabel gives a label another name. If it is looked at, it still is under the new one.
func (p *presenter) renameLabel(from, to string) {
	if from == to {
		return
	}
	delete(p.renames, to)
	p.renames[from] = to
	o := outcome{did: curate.LabelRenamed, label: to}
	p.do(o, func(ctx context.Context, l Library) (outcome, error) { return o, l.RenameLabel(ctx, from, to) }, func() {})
}

// removeLabel removes a label without photos.
func (p *presenter) removeLabel(name string) {
	o := outcome{did: curate.LabelRemoved, label: name}
	p.do(o, func(ctx context.Context, l Library) (outcome, error) { return o, l.RemoveLabel(ctx, name) }, func() {})
}

// enlarge shows photo i large.
func (p *presenter) enlarge(i int) {
	if i < 0 || i >= len(p.photos) {
		return
	}
	if p.large.stop != nil {
		p.large.stop()
	}
	ctx, stop := context.WithCancel(p.ctx)
	photo := p.photos[i]
	p.large = large{open: true, photo: photo, stop: stop}
	p.focus = photo.ID
	p.work.Go(func() {
		img, err := p.thumbs.Full(ctx, photo.Path, largeSide)
		p.dispatch(func() {
			if ctx.Err() != nil || !p.large.open {
				return // Another photo is shown by now.
			}
			p.large.img, p.large.err = img, err
			p.draw(screen.drawLarge)
		})
	})
	p.draw(screen.drawLarge)
	p.draw(screen.drawSelection)
}

// step shows the photo that is so many places further.
func (p *presenter) step(by int) {
	if i, ok := p.place[p.focus]; ok && p.large.open {
		if to := min(max(i+by, 0), len(p.photos)-1); to != i {
			p.enlarge(to)
		}
	}
}

// closeLarge goes back to the grid.
func (p *presenter) closeLarge() {
	if !p.large.open {
		return
	}
	p.large.stop()
	p.large = large{}
	p.draw(screen.drawLarge)
	if i, ok := p.place[p.focus]; ok {
		p.draw(func(s screen) { s.reveal(i) })
	}
}
