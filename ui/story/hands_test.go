//go:build linux

package story_test

import (
	"image"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
)

// key is where the keyboard has a character.
type key struct {
	code    xproto.Keycode
	shifted bool
}

// Names of keys that have no character, as X calls them (keysymdef.h).
var named = map[string]xproto.Keysym{"delete": 0xffff, "return": 0xff0d, "shift": 0xffe1, "ctrl": 0xffe3}

// readKeys learns the keyboard.
func (s *screen) readKeys(setup *xproto.SetupInfo) {
	s.Helper()
	first, last := setup.MinKeycode, setup.MaxKeycode
	mapping, err := xproto.GetKeyboardMapping(s.conn, first, byte(last-first+1)).Reply()
	if err != nil {
		s.Fatal(err)
	}
	for i, symbol := range mapping.Keysyms {
		column := i % int(mapping.KeysymsPerKeycode)
		if symbol == 0 || column > 1 {
			continue
		}
		if _, known := s.keys[symbol]; !known {
			s.keys[symbol] = key{code: first + xproto.Keycode(i/int(mapping.KeysymsPerKeycode)), shifted: column == 1}
		}
	}
}

// fake sends an event of the keyboard or the pointer as hardware would.
func (s *screen) fake(kind, detail byte, at image.Point) {
	s.Helper()
	if err := xtest.FakeInputChecked(s.conn, kind, detail, 0, s.root, int16(at.X), int16(at.Y), 0).Check(); err != nil {
		s.Fatal(err)
	}
}

func (s *screen) keyOf(name string) key {
	s.Helper()
	symbol, ok := named[name]
	if !ok {
		letter, _ := utf8.DecodeRuneInString(name)
		symbol = xproto.Keysym(letter) // Keysyms of Latin 1 are their characters.
	}
	k, ok := s.keys[symbol]
	if !ok {
		s.Fatalf("there is no key for %q on this keyboard", name)
	}
	return k
}

// press presses keys together, as in "ctrl+3", and lets them go again.
func (s *screen) press(chord string) {
	s.Helper()
	var down []key
	for name := range strings.SplitSeq(chord, "+") {
		k := s.keyOf(name)
		down = append(down, k)
		s.fake(xproto.KeyPress, byte(k.code), image.Point{})
	}
	for _, k := range slices.Backward(down) {
		s.fake(xproto.KeyRelease, byte(k.code), image.Point{})
	}
}

// enter types a text of Latin letters.
func (s *screen) enter(text string) {
	s.Helper()
	for _, letter := range text {
		chord := string(letter)
		if letter == '+' {
			s.Fatal("press takes + for a chord")
		}
		if s.keyOf(chord).shifted {
			chord = "shift+" + chord
		}
		s.press(chord)
	}
}

// leftButton is a mouse's, as X counts them.
const leftButton = 1

func (s *screen) moveTo(p image.Point) {
	s.Helper()
	s.fake(xproto.MotionNotify, 0, p)
}

// click clicks in the middle of a place.
func (s *screen) click(place image.Rectangle) {
	s.Helper()
	s.moveTo(middle(place))
	s.fake(xproto.ButtonPress, leftButton, image.Point{})
	s.fake(xproto.ButtonRelease, leftButton, image.Point{})
}

func middle(r image.Rectangle) image.Point { return r.Min.Add(r.Max).Div(2) }
