package curate

import (
	"cmp"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"kaika/core/dataset"
	"kaika/core/picture"
)

// hiddenDir is the folder beside the labels that holds what they cannot, trashDir the one in it for deleted photos.
const (
	hiddenDir = ".kaika"
	trashDir  = hiddenDir + "/trash"
)

// A file is what is known of a photo's file without opening it.
type file struct {
	rel   string // Its path below the dataset's folder, with slashes.
	size  int64
	mtime int64  // Nanoseconds since 1970.
	inode uint64 // 0 where there is none that identifies the file, as with a link to it.
}

// sameStamp says whether a and b are the same bytes as far as can be told from outside.
func (a file) sameStamp(b file) bool { return a.size == b.size && a.mtime == b.mtime }

// sameFile says whether a and b are the same file with the same bytes, wherever it lies.
func (a file) sameFile(b file) bool { return a.sameStamp(b) && a.inode == b.inode }

// An entry is a photo in memory. It is never changed, only replaced, so it may be read without a lock.
type entry struct {
	file
	id            ID
	digest        picture.Digest
	hashed        bool // Whether digest is known.
	width, height int
	added         time.Time
	deleted       time.Time // Zero outside the trash.
	gone          time.Time // When the file was first missed; zero while it is there.
	source        Source
	key           string // Of its base name, for the natural order.
	path          string // The absolute path; the index fills it in.
}

// photo gives what others get to see of a photo. It is put together when it is asked for, because it would take as much memory
// as all the rest of an entry.
func (e *entry) photo() Photo {
	return Photo{
		ID:      e.id,
		Label:   labelOf(e.rel),
		Path:    e.path,
		Name:    filepath.Base(e.path),
		Size:    e.size,
		ModTime: time.Unix(0, e.mtime),
		Added:   e.added,
		Width:   e.width,
		Height:  e.height,
		Deleted: e.deleted,
		Source:  e.source,
	}
}

// at returns a copy of e whose file is f. It goes into the trash, or comes out of it, at the given time. What was read in
// the file is forgotten if it has changed.
func (e entry) at(f file, now time.Time) *entry {
	if !e.sameStamp(f) {
		e.digest, e.hashed, e.width, e.height = picture.Digest{}, false, 0, 0
	}
	e.file = f
	e.key = naturalKey(path.Base(f.rel))
	e.gone = time.Time{}
	switch {
	case !inTrash(f.rel):
		e.deleted = time.Time{}
	case e.deleted.IsZero():
		e.deleted = now
	}
	return &e
}

// looksLike says whether nothing that others get to see of a photo differs, but for what is only found out about it.
func (e *entry) looksLike(other *entry) bool {
	return e.rel == other.rel && e.sameStamp(other.file) && e.deleted.Equal(other.deleted) && e.gone.Equal(other.gone)
}

// inTrash says whether a path below the dataset's folder leads into the trash.
func inTrash(rel string) bool { return strings.HasPrefix(rel, trashDir+"/") }

// labelOf returns the label of a photo by its path, in the trash or not.
func labelOf(rel string) string {
	label, _, _ := strings.Cut(strings.TrimPrefix(rel, trashDir+"/"), "/")
	return label
}

// samePlace says whether two paths are both in the trash or both not, with the same label.
func samePlace(a, b string) bool { return inTrash(a) == inTrash(b) && labelOf(a) == labelOf(b) }

// index holds all photos in memory, and notes what changes.
type index struct {
	byID    map[ID]*entry     // Also those that are gone.
	byRel   map[string]*entry // Without those.
	labels  map[string]int
	skipped []dataset.Skip
	links   bool // Whether a link lies somewhere: then moving one file may make others come or go.

	dir      string      // The dataset's.
	byName   []*entry    // All in the natural order of their names, but for those in unsorted.
	unsorted map[ID]bool // The photos that came, went or changed since byName was made.

	fingerprints map[picture.Digest]Fingerprint // Nil as long as nobody needs them; only for who has the turn.

	before        map[ID]*entry // The photos touched since the last call of changes, as they were; nil for none.
	labelsTouched bool
}

func newIndex(dir string) *index {
	return &index{
		byID: map[ID]*entry{}, byRel: map[string]*entry{}, labels: map[string]int{},
		dir: dir, unsorted: map[ID]bool{}, before: map[ID]*entry{},
	}
}

// put adds a photo, or puts it in the place of the one with its ID.
func (x *index) put(e *entry) {
	x.drop(e.id)
	x.show(e)
	x.byID[e.id] = e
	if !e.gone.IsZero() {
		return
	}
	x.byRel[e.rel] = e
	x.count(e, +1)
}

// drop forgets a photo.
func (x *index) drop(id ID) {
	x.unsorted[id] = true
	old := x.byID[id]
	there := old != nil && old.gone.IsZero()
	if _, touched := x.before[id]; !touched {
		x.before[id] = nil
		if there {
			x.before[id] = old
		}
	}
	delete(x.byID, id)
	if !there {
		return
	}
	if x.byRel[old.rel] == old {
		delete(x.byRel, old.rel)
	}
	x.count(old, -1)
}

func (x *index) count(e *entry, by int) {
	if !inTrash(e.rel) {
		x.labels[labelOf(e.rel)] += by
		x.labelsTouched = true
	}
}

// know puts e in the place of the entry with the same file, about which more is known now. That is no change.
func (x *index) know(e *entry) {
	x.show(e)
	x.unsorted[e.id] = true
	x.byID[e.id] = e
	if x.byRel[e.rel] != nil {
		x.byRel[e.rel] = e
	}
}

// named returns the label that a name means: the one of that name, or else one whose name differs only in how its letters are
// put together (Unicode's normal forms), as in folders that were unpacked or copied from a Mac, or else the name itself.
func (x *index) named(name string) string {
	if _, there := x.labels[name]; there {
		return name
	}
	composed, found := norm.NFC.String(name), ""
	for label := range x.labels {
		if norm.NFC.String(label) == composed && (found == "" || label < found) {
			found = label
		}
	}
	return cmp.Or(found, name)
}

func (x *index) addLabel(name string) {
	if _, there := x.labels[name]; !there {
		x.labels[name] = 0
		x.labelsTouched = true
	}
}

func (x *index) removeLabel(name string) {
	if _, there := x.labels[name]; there {
		delete(x.labels, name)
		x.labelsTouched = true
	}
}

// counts returns the labels and how many photos they have.
func (x *index) counts() []LabelCount {
	all := make([]LabelCount, 0, len(x.labels))
	for name, photos := range x.labels {
		all = append(all, LabelCount{name, photos})
	}
	slices.SortFunc(all, func(a, b LabelCount) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// changes returns what has changed since the last call, where counts were as given.
func (x *index) changes(counts []LabelCount) Change {
	var c Change
	for _, id := range slices.Sorted(maps.Keys(x.before)) {
		was, e := x.before[id], x.byID[id]
		switch there := e != nil && e.gone.IsZero(); {
		case there && was != nil:
			if !e.looksLike(was) {
				c.Changed = append(c.Changed, id)
			}
		case there:
			c.Added = append(c.Added, id)
		case was != nil:
			c.Removed = append(c.Removed, id)
		}
	}
	c.Labels = x.labelsTouched && !slices.Equal(counts, x.counts())
	clear(x.before)
	x.labelsTouched = false
	const many = 1000
	if len(x.unsorted) > many { // Nobody may ask for the order in a long run, and what is not in it any more is to go.
		x.sorted()
	}
	return c
}

// show fills in the absolute path of an entry. Where paths below the folder look the same, both are one text in memory.
func (x *index) show(e *entry) {
	e.path = x.dir + string(filepath.Separator) + filepath.FromSlash(e.rel)
	if below := e.path[len(x.dir)+1:]; below == e.rel {
		e.rel = below
	}
}

// abs returns the absolute path of one below the dataset's folder.
func (l *Library) abs(rel string) string {
	return l.dir + string(filepath.Separator) + filepath.FromSlash(rel)
}

// wants says whether an entry is one that is asked for, but for its ID.
func (q Query) wants(e *entry) bool {
	return q.Trash == inTrash(e.rel) && (q.Labels == nil || slices.Contains(q.Labels, labelOf(e.rel)))
}

// natural compares entries by the natural order of their names. No two are equal in it.
func natural(a, b *entry) int {
	return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.rel, b.rel))
}

// sorted returns all entries that are there, in the natural order of their names. Sorting 20,000 takes long; taking out
// and putting in those that changed does not. What it returned before stays as it is. One caller at a time.
func (x *index) sorted() []*entry {
	if len(x.unsorted) == 0 {
		return x.byName
	}
	changed := make([]*entry, 0, len(x.unsorted))
	for id := range x.unsorted {
		if e := x.byID[id]; e != nil && e.gone.IsZero() {
			changed = append(changed, e)
		}
	}
	slices.SortFunc(changed, natural)
	merged := make([]*entry, 0, len(x.byRel))
	for _, e := range x.byName {
		if x.unsorted[e.id] {
			continue
		}
		for len(changed) > 0 && natural(changed[0], e) < 0 {
			merged = append(merged, changed[0])
			changed = changed[1:]
		}
		merged = append(merged, e)
	}
	merged = append(merged, changed...)
	x.byName = merged
	x.unsorted = map[ID]bool{}
	return x.byName
}

// arrange returns entries, which are in the natural order of their names, in another one.
func (s Sort) arrange(entries []*entry) []*entry {
	descending := s&Descending != 0
	var value func(e *entry) int64
	switch s &^ Descending {
	case ByAdded:
		value = func(e *entry) int64 { return nanoseconds(e.added) }
	case ByModified:
		value = func(e *entry) int64 { return e.mtime }
	case BySize:
		value = func(e *entry) int64 { return e.size }
	case ByDeleted:
		value = func(e *entry) int64 { return nanoseconds(e.deleted) }
	case ByLabel:
		ranks := map[string]int64{}
		for _, e := range entries {
			ranks[labelOf(e.rel)] = 0
		}
		for i, label := range slices.Sorted(maps.Keys(ranks)) {
			ranks[label] = int64(i)
		}
		value = func(e *entry) int64 { return ranks[labelOf(e.rel)] }
	default:
		if descending {
			slices.Reverse(entries)
		}
		return entries
	}
	type place struct {
		value int64
		name  int
	}
	places := make([]place, len(entries))
	for i, e := range entries {
		places[i] = place{value(e), i}
		if descending {
			places[i].value = ^places[i].value
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.name, b.name)) })
	arranged := make([]*entry, len(entries))
	for i, p := range places {
		arranged[i] = entries[p.name]
	}
	return arranged
}

// naturalKey returns a string for the name of a file. Those of two names are in bytewise order when the names are in the
// natural one: numbers by their value, letters without regard to case, the ending last, so "1.jpg" before "1 (2).jpg".
func naturalKey(name string) string {
	ending := path.Ext(name)
	return naturalPart(strings.TrimSuffix(name, ending)) + "\x00" + naturalPart(ending)
}

func naturalPart(name string) string {
	const longest = 0xff
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	name = strings.ToLower(name)
	key := make([]byte, 0, len(name)+4)
	for i := 0; i < len(name); {
		if !digit(name[i]) {
			key = append(key, name[i])
			i++
			continue
		}
		begin := i
		for i < len(name) && digit(name[i]) {
			i++
		}
		number := strings.TrimLeft(name[begin:i], "0")
		// A longer number is a larger one. The first byte keeps numbers where digits are in the order of bytes.
		key = append(key, '0', byte(min(len(number), longest)))
		key = append(key, number...)
	}
	return string(key)
}
