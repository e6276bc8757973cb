package thumb

import "container/list"

// memory keeps the entries used last, up to a number of bytes.
type memory struct {
	max, size int64
	entries   map[id]*list.Element
	used      *list.List // Of *kept, the one used last in front.
}

type kept struct {
	id    id
	entry entry
}

func newMemory(limit int64) memory {
	return memory{max: limit, entries: make(map[id]*list.Element), used: list.New()}
}

// cost is about the bytes that an entry takes.
func (k *kept) cost() int64 {
	const overhead = 512 // Structures, the path, an error's text.
	if k.entry.img == nil {
		return overhead
	}
	return overhead + int64(len(k.entry.img.Pix))
}

func (m *memory) get(id id) (entry, bool) {
	e, ok := m.entries[id]
	if !ok {
		return entry{}, false
	}
	m.used.MoveToFront(e)
	return value(e).entry, true
}

func (m *memory) put(id id, entry entry) {
	if old, ok := m.entries[id]; ok {
		m.drop(old)
	}
	k := &kept{id, entry}
	m.entries[id] = m.used.PushFront(k)
	m.size += k.cost()
	for m.size > m.max {
		m.drop(m.used.Back())
	}
}

func (m *memory) drop(e *list.Element) {
	k := value(e)
	m.used.Remove(e)
	delete(m.entries, k.id)
	m.size -= k.cost()
}

func value(e *list.Element) *kept {
	k, ok := e.Value.(*kept)
	if !ok {
		panic("thumb: the list holds entries only")
	}
	return k
}
