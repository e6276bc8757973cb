package classify

import (
	"cmp"
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"kaika/core/classify"
	"kaika/core/picture"
	"kaika/core/thumb"
)

// A row is a photo that was answered for. It does not change, but for its truth.
type row struct {
	path    string
	name    string // To be shown.
	key     thumb.Key
	ranks   []rank // The highest score first; empty with an error.
	unknown bool
	failure string // Why there is no answer: the rest of an English sentence that begins with the file.
	reason  picture.Reason
	arrived int // Its place in the order of arrival.

	truth string // The label under which its user put it into the dataset, if so.
}

// A rank is a label's score for a photo. A thousand labels of ten thousand photos fit into memory.
type rank struct {
	label int32 // Its place among the model's labels.
	score float32
}

// A column is what rows are sorted by.
type column int

const (
	byArrival column = iota
	byName
	byLabel
	byScore
	bySecond
)

// A filter says which rows are shown.
type filter struct {
	kind  filterKind
	label string // With oneLabel.
}

type filterKind int

const (
	allRows filterKind = iota
	unknownRows
	failedRows
	oneLabel
)

// sortBy sorts by a column, or turns the order of the column round if it is that already. Percentages begin with the
// lowest: these are the photos worth a look.
func (p *presenter) sortBy(c column) {
	if p.sort == c {
		p.down = !p.down
	} else {
		p.sort, p.down = c, false
	}
	p.arrange()
	p.changed()
}

// show filters the rows.
func (p *presenter) show(f filter) {
	p.filter = f
	p.arrange()
	maps.DeleteFunc(p.selected, func(path string, _ bool) bool { // What is not seen must not be acted on.
		r := p.byPath[path]
		return r == nil || !p.matches(r, f)
	})
	if p.index(p.current) < 0 {
		p.current = ""
		if len(p.shown) > 0 {
			p.pick(0)
		}
		p.loadShot()
	}
	p.changed()
}

// matches says whether a filter lets a row through.
func (p *presenter) matches(r *row, f filter) bool {
	switch f.kind {
	case unknownRows:
		return r.unknown
	case failedRows:
		return r.failure != ""
	case oneLabel:
		return len(r.ranks) > 0 && !r.unknown && p.label(r, 0) == f.label
	default:
		return true
	}
}

// counts gives the number of rows that each filter lets through, those of labels by the label.
func (p *presenter) counts() (unknown, failed int, labels map[string]int) {
	labels = map[string]int{}
	for _, r := range p.rows {
		switch {
		case r.failure != "":
			failed++
		case r.unknown:
			unknown++
		default:
			labels[p.label(r, 0)]++
		}
	}
	return unknown, failed, labels
}

// label gives the label at a place in the ranking of a row, or nothing where there is none.
func (p *presenter) label(r *row, place int) string {
	if place >= len(r.ranks) || p.model == nil {
		return ""
	}
	return p.model.Labels[r.ranks[place].label]
}

// arrange makes the rows that are shown.
func (p *presenter) arrange() {
	p.shown = p.shown[:0:0]
	for _, r := range p.rows {
		if p.matches(r, p.filter) {
			p.shown = append(p.shown, r)
		}
	}
	if p.sort == byArrival {
		return
	}
	slices.SortFunc(p.shown, func(a, b *row) int {
		if p.sort != byName && (a.failure != "") != (b.failure != "") { // Without an answer: at the end, either way round.
			if a.failure != "" {
				return 1
			}
			return -1
		}
		order := 0
		switch p.sort {
		case byName:
			order = cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.path, b.path))
		case byLabel:
			order = strings.Compare(p.label(a, 0), p.label(b, 0))
		case byScore:
			order = cmp.Compare(score(a), score(b))
		case bySecond:
			order = strings.Compare(p.label(a, 1), p.label(b, 1))
		case byArrival:
		}
		if p.down {
			order = -order
		}
		return cmp.Or(order, cmp.Compare(a.arrived, b.arrived))
	})
}

// score gives the best score of a row.
func score(r *row) float32 {
	if len(r.ranks) == 0 {
		return 0
	}
	return r.ranks[0].score
}

// index gives the place of a path among the rows that are shown, or -1.
func (p *presenter) index(path string) int {
	return slices.IndexFunc(p.shown, func(r *row) bool { return r.path == path })
}

// pick selects one row alone and shows its photo.
func (p *presenter) pick(i int) {
	if i < 0 || i >= len(p.shown) {
		return
	}
	path := p.shown[i].path
	p.choose(path)
	p.look(path)
	p.changed()
}

// toggle adds a row to the selection, or takes it out.
func (p *presenter) toggle(i int) {
	if i < 0 || i >= len(p.shown) {
		return
	}
	path := p.shown[i].path
	if p.selected[path] {
		delete(p.selected, path)
	} else {
		p.selected[path] = true
	}
	p.anchor = path
	p.look(path)
	p.changed()
}

// extend selects all rows from where the selection began to this one.
func (p *presenter) extend(i int) {
	if i < 0 || i >= len(p.shown) {
		return
	}
	from := max(p.index(p.anchor), 0)
	clear(p.selected)
	for _, r := range p.shown[min(from, i) : max(from, i)+1] {
		p.selected[r.path] = true
	}
	p.look(p.shown[i].path)
	p.changed()
}

// selectAll selects all rows that are shown.
func (p *presenter) selectAll() {
	for _, r := range p.shown {
		p.selected[r.path] = true
	}
	p.changed()
}

// move goes so many rows on from the current one, and selects that one alone or all up to it.
func (p *presenter) move(by int, extend bool) {
	if len(p.shown) == 0 {
		return
	}
	i := p.index(p.current)
	if i < 0 {
		i, by = 0, 0
	}
	i = min(max(i+by, 0), len(p.shown)-1)
	if extend {
		p.extend(i)
	} else {
		p.pick(i)
	}
}

// csvTop is how many labels a photo has in an exported file, as with kaika classify.
const csvTop = 5

// export writes the rows that are shown, in their order, to a file.
func (p *presenter) export(path string) {
	if p.model == nil {
		return
	}
	// What belongs to the window's goroutine is taken here; rows do not change in what is exported.
	rows, labels := slices.Clone(p.shown), p.model.Labels
	p.beside(func(context.Context) { // It takes a moment only, so that it is not broken off.
		err := classify.SaveCSV(path, min(csvTop, len(labels)), func(yield func(classify.Answer) bool) {
			for _, r := range rows {
				if !yield(r.answer(labels, csvTop)) {
					return
				}
			}
		})
		p.post(func() {
			if err != nil {
				p.failed(exportProblem, err)
				return
			}
			p.notice = &notice{kind: noticeExported, count: len(rows), name: displayed(filepath.Base(path))}
			p.changed()
		})
	})
}

// answer gives the answer of a row with at most top labels.
func (r *row) answer(labels []string, top int) classify.Answer {
	a := classify.Answer{File: r.path, Unknown: r.unknown, Reason: r.reason}
	if r.failure != "" {
		a.Error = &r.failure
	}
	for _, rank := range r.ranks[:min(top, len(r.ranks))] {
		a.Predictions = append(a.Predictions, classify.Prediction{Label: labels[rank.label], Score: rank.score})
	}
	return a
}

// displayed gives the name of a file as one line of text, whatever bytes it has.
func displayed(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return '␣'
		}
		return r
	}, strings.ToValidUTF8(name, "\ufffd"))
}
