//go:build linux

package story_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/ui/clipboard"
)

// owner is a program that has copied something: it owns the selection CLIPBOARD (ICCCM, 2) and gives it to who asks.
type owner struct {
	*screen

	conn    *xgb.Conn // its own, so that nobody else takes its events
	window  xproto.Window
	offers  map[string][]byte // by type
	piece   int               // bytes that are given at once; more goes piece by piece
	silent  bool              // It never answers.
	stalls  bool              // It begins to give pieces, and then gives no more.
	pending map[xproto.Window]*giving
}

// giving is what is being given piece by piece.
type giving struct {
	property, kind xproto.Atom
	rest           []byte
}

// owns has something copied until the test ends, or until the next is.
func (s *screen) owns(o *owner) {
	s.Helper()
	o.screen, o.conn, o.pending = s, s.connect(), map[xproto.Window]*giving{}
	window, err := xproto.NewWindowId(o.conn)
	if err != nil {
		s.Fatal(err)
	}
	o.window = window
	if err := xproto.CreateWindowChecked(o.conn, 0, window, s.root, 0, 0, 1, 1, 0, xproto.WindowClassInputOnly, 0, 0, nil).Check(); err != nil {
		s.Fatal(err)
	}
	if err := xproto.SetSelectionOwnerChecked(o.conn, window, s.atom("CLIPBOARD"), xproto.TimeCurrentTime).Check(); err != nil {
		s.Fatal(err)
	}
	names := map[xproto.Atom]string{s.atom("TARGETS"): "TARGETS"}
	for name := range o.offers {
		names[s.atom(name)] = name
	}
	incr := s.atom("INCR")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			event, err := o.conn.WaitForEvent()
			switch event := event.(type) {
			case nil:
				if err == nil {
					return
				}
			case xproto.SelectionRequestEvent:
				if !o.silent {
					o.answer(event, names, incr)
				}
			case xproto.PropertyNotifyEvent:
				o.goOn(event)
			}
		}
	}()
	s.Cleanup(func() {
		o.conn.Close()
		<-ended
	})
}

// answer gives what is asked for, or begins to.
func (o *owner) answer(r xproto.SelectionRequestEvent, names map[xproto.Atom]string, incr xproto.Atom) {
	notify := xproto.SelectionNotifyEvent{Time: r.Time, Requestor: r.Requestor, Selection: r.Selection, Target: r.Target, Property: r.Property}
	name, known := names[r.Target]
	data := o.offers[name]
	switch {
	case !known:
		notify.Property = xproto.AtomNone
	case name == "TARGETS":
		var list []byte
		for atom := range names {
			list = binary.LittleEndian.AppendUint32(list, uint32(atom))
		}
		xproto.ChangeProperty(o.conn, xproto.PropModeReplace, r.Requestor, r.Property, xproto.AtomAtom, 32, uint32(len(names)), list)
	case o.piece > 0 && len(data) > o.piece:
		xproto.ChangeWindowAttributes(o.conn, r.Requestor, xproto.CwEventMask, []uint32{xproto.EventMaskPropertyChange})
		o.pending[r.Requestor] = &giving{r.Property, r.Target, data}
		size := binary.LittleEndian.AppendUint32(nil, uint32(len(data)))
		xproto.ChangeProperty(o.conn, xproto.PropModeReplace, r.Requestor, r.Property, incr, 32, 1, size)
	default:
		xproto.ChangeProperty(o.conn, xproto.PropModeReplace, r.Requestor, r.Property, r.Target, 8, uint32(len(data)), data)
	}
	xproto.SendEvent(o.conn, false, r.Requestor, 0, string(notify.Bytes()))
}

// goOn gives the next piece after the last one was taken.
func (o *owner) goOn(e xproto.PropertyNotifyEvent) {
	g := o.pending[e.Window]
	if g == nil || e.State != xproto.PropertyDelete || e.Atom != g.property {
		return
	}
	n := min(len(g.rest), o.piece)
	if o.stalls && n < len(g.rest) {
		delete(o.pending, e.Window)
		return
	}
	xproto.ChangeProperty(o.conn, xproto.PropModeReplace, e.Window, g.property, g.kind, 8, uint32(n), g.rest[:n])
	g.rest = g.rest[n:]
	if n == 0 {
		delete(o.pending, e.Window)
	}
}

// TestClipboard reads what another program has copied, of every kind and size.
func TestClipboard(t *testing.T) {
	s := newScreen(t, 320, 240)
	t.Setenv("DISPLAY", s.display)
	if c, err := clipboard.Read(t.Context()); err != nil || c.Files != "" || c.Picture != nil || c.Text != "" {
		t.Errorf("where nothing was copied: %+v, %v", c, err)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
	small := []byte("\x89PNG and so on")
	const files = "file:///tmp/a%20rose.jpg\r\n"
	for _, c := range []struct {
		name  string
		owner owner
		want  clipboard.Content
	}{
		{"a picture", owner{offers: map[string][]byte{"image/png": small, "text/html": []byte("<img>")}}, clipboard.Content{Picture: small}},
		{"png before jpeg", owner{offers: map[string][]byte{"image/jpeg": []byte("j"), "image/png": small}}, clipboard.Content{Picture: small}},
		{"a bmp", owner{offers: map[string][]byte{"image/bmp": small}}, clipboard.Content{Picture: small}},
		{"in pieces", owner{offers: map[string][]byte{"image/jpeg": large}, piece: 64 << 10}, clipboard.Content{Picture: large}},
		{"in pieces that are odd", owner{offers: map[string][]byte{"image/jpeg": large[:1000]}, piece: 333}, clipboard.Content{Picture: large[:1000]}},
		{"in one piece", owner{offers: map[string][]byte{"image/jpeg": large[:200<<10]}}, clipboard.Content{Picture: large[:200<<10]}},
		{"files", owner{offers: map[string][]byte{"text/uri-list": []byte(files), "image/png": small, "UTF8_STRING": []byte("x")}}, clipboard.Content{Files: files}},
		{"a picture of a page", owner{offers: map[string][]byte{"text/uri-list": []byte("https://example.org/x.png"), "image/png": small}}, clipboard.Content{Picture: small}},
		{"text", owner{offers: map[string][]byte{"UTF8_STRING": []byte("バラ")}}, clipboard.Content{Text: "バラ"}},
		{"nothing of use", owner{offers: map[string][]byte{"application/x-tool": small}}, clipboard.Content{}},
		{"an empty picture, and text", owner{offers: map[string][]byte{"image/png": {}, "UTF8_STRING": []byte("x")}}, clipboard.Content{Text: "x"}},
	} {
		s.owns(&c.owner)
		got, err := clipboard.Read(t.Context())
		if err != nil || got.Files != c.want.Files || !bytes.Equal(got.Picture, c.want.Picture) || got.Text != c.want.Text {
			t.Errorf("%s: files %q, a picture of %d bytes, text %q, %v", c.name, got.Files, len(got.Picture), got.Text, err)
		}
	}

	s.owns(&owner{offers: map[string][]byte{"image/png": make([]byte, picture.MaxFileBytes+1)}, piece: 1 << 20})
	if _, err := clipboard.Read(t.Context()); !errors.Is(err, clipboard.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	s.owns(&owner{silent: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := clipboard.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := clipboard.Read(t.Context()); !errors.Is(err, clipboard.ErrSilent) {
		t.Errorf("of a program that does not answer: %v", err)
	}
	s.owns(&owner{offers: map[string][]byte{"image/png": large}, piece: 1 << 20, stalls: true})
	if _, err := clipboard.Read(t.Context()); !errors.Is(err, clipboard.ErrSilent) {
		t.Errorf("of a program that stops in the middle: %v", err)
	}
	t.Setenv("DISPLAY", "")
	if _, err := clipboard.Read(t.Context()); !errors.Is(err, clipboard.ErrNone) {
		t.Errorf("without a display: %v", err)
	}
	t.Setenv("DISPLAY", ":32111")
	if _, err := clipboard.Read(t.Context()); err == nil {
		t.Error("a display that is not there has a clipboard")
	}
}

// TestPaste pastes a picture that a browser has copied and a file that a file manager has into the real program.
func TestPaste(t *testing.T) {
	home := t.TempDir()
	labels := []string{"daisy", "rose", "tulip"}
	dataset := filepath.Join(home, "Pictures", "flowers")
	plant(t, dataset, labels, func(label, n int) image.Image { return picturetest.Flower(label, n, 320, 240) })
	s := newScreen(t, 1280, 800)
	p := s.start(home)
	p.open(dataset)
	p.retrain("paste")
	p.press("ctrl+4")
	p.sees("Drop photos here")
	rose := picturetest.JPEG(slices.Index(labels, "rose"), 1000, 1600, 1200)
	s.owns(&owner{offers: map[string][]byte{"image/jpeg": rose, "text/html": []byte("<img>")}, piece: 16 << 10})
	p.press("ctrl+v")
	p.sees("rose")
	p.keep("paste-picture")
	file := filepath.Join(home, "a tulip.jpg")
	if err := os.WriteFile(file, picturetest.JPEG(slices.Index(labels, "tulip"), 1000, 640, 480), 0o644); err != nil {
		t.Fatal(err)
	}
	address := url.URL{Scheme: "file", Path: file}
	s.owns(&owner{offers: map[string][]byte{"text/uri-list": []byte(address.String() + "\r\n")}})
	p.press("ctrl+v")
	p.sees("tulip.jpg")
	p.close()
}
