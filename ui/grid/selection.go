package grid

import (
	"maps"
	"slices"
)

// selection is which items are selected and which one the keyboard is at. It draws nothing.
type selection struct {
	chosen map[int]struct{}
	focus  int // Item that the keyboard is at, or -1.
	anchor int // Item that a range begins at, or -1.
	// kept says that the items were selected on purpose, one by one or as a range; then the selection stays when the
	// focus moves on. One photo that was just clicked is not.
	kept bool
}

func newSelection() selection {
	return selection{chosen: make(map[int]struct{}), focus: -1, anchor: -1}
}

// has reports whether item i is selected.
func (s *selection) has(i int) bool {
	_, ok := s.chosen[i]
	return ok
}

// sorted gives the selected items in their order.
func (s *selection) sorted() []int { return slices.Sorted(maps.Keys(s.chosen)) }

// set selects these items of length, and moves the focus. What lies outside is left out.
func (s *selection) set(items []int, focus, length int) {
	clear(s.chosen)
	for _, i := range items {
		if i >= 0 && i < length {
			s.chosen[i] = struct{}{}
		}
	}
	if focus = min(max(focus, -1), length-1); focus != s.focus { // Else a range that is being extended goes on.
		s.focus, s.anchor = focus, focus
	}
	s.anchor = min(s.anchor, length-1)
	s.kept = s.kept && len(s.chosen) > 0 || len(s.chosen) > 1
}

// shorten leaves out what lies beyond a length.
func (s *selection) shorten(length int) {
	maps.DeleteFunc(s.chosen, func(i int, _ struct{}) bool { return i >= length })
	s.kept = s.kept && len(s.chosen) > 0
	s.focus, s.anchor = min(s.focus, length-1), min(s.anchor, length-1)
}

// click is a click on item i, with Ctrl (toggle) or Shift (extend) or both.
func (s *selection) click(i int, toggle, extend bool) {
	switch {
	case extend:
		s.extend(i, toggle)
	case toggle:
		s.toggle(i)
	default:
		clear(s.chosen)
		s.chosen[i] = struct{}{}
		s.kept = false
		s.focus, s.anchor = i, i
	}
}

// toggle selects item i or takes it out of the selection.
func (s *selection) toggle(i int) {
	if s.has(i) {
		delete(s.chosen, i)
	} else {
		s.chosen[i] = struct{}{}
	}
	s.kept = true
	s.focus, s.anchor = i, i
}

// extend selects everything from the anchor to item i, beside what is selected (add) or instead of it.
func (s *selection) extend(i int, add bool) {
	if s.anchor < 0 {
		s.anchor = max(s.focus, 0)
	}
	if !add {
		clear(s.chosen)
	}
	for n := min(s.anchor, i); n <= max(s.anchor, i); n++ {
		s.chosen[n] = struct{}{}
	}
	s.kept = true
	s.focus = i
}

// move moves the focus to item i by the keyboard. A photo that was only clicked hands its selection on.
func (s *selection) move(i int, extend bool) {
	if extend {
		s.extend(i, false)
		return
	}
	if !s.kept && s.has(s.focus) {
		clear(s.chosen)
		s.chosen[i] = struct{}{}
	}
	s.focus, s.anchor = i, i
}

// all selects all items of length.
func (s *selection) all(length int) {
	s.chosen = make(map[int]struct{}, length) // To grow it would take longer than to fill it.
	for i := range length {
		s.chosen[i] = struct{}{}
	}
	s.kept = true
}

// none selects nothing; the focus stays.
func (s *selection) none() {
	clear(s.chosen)
	s.kept = false
}

// marquee selects the items under a rectangle that is being drawn, beside those that were selected before.
func (s *selection) marquee(before, under []int) {
	clear(s.chosen)
	for _, items := range [][]int{before, under} {
		for _, i := range items {
			s.chosen[i] = struct{}{}
		}
	}
	s.kept = true
	if len(under) > 0 {
		s.focus, s.anchor = under[0], under[0]
	}
}
