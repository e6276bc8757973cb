//go:build linux

package story_test

import (
	"image"
	"net/url"
	"strings"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// xdndVersion is the version of the protocol for drag and drop between programs
// (https://www.freedesktop.org/wiki/Specifications/XDND/) that the test speaks.
const xdndVersion = 5

// source is the side of a drag and drop that has the files, as a file manager is.
type source struct {
	*screen

	conn   *xgb.Conn // its own, so that nobody else takes its events
	window xproto.Window
	target xproto.Window
	events chan xgb.Event
}

// drop drags files from a file manager over the window and drops them there.
func (p *program) drop(at image.Point, paths ...string) {
	p.Helper()
	s := &source{screen: p.screen, conn: p.connect(), target: p.window, events: make(chan xgb.Event)}
	defer s.conn.Close()
	if v := s.property(p.window, "XdndAware"); len(v) != 1 || v[0] != xdndVersion {
		p.Fatalf("the window takes drops of version %v, want %d", v, xdndVersion)
	}
	window, err := xproto.NewWindowId(s.conn)
	if err != nil {
		p.Fatal(err)
	}
	s.window = window
	const input = 2 // InputOnly: it is never seen.
	if err := xproto.CreateWindowChecked(s.conn, 0, window, p.root, 0, 0, 1, 1, 0, input, 0, 0, nil).Check(); err != nil {
		p.Fatal(err)
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			event, err := s.conn.WaitForEvent()
			if event == nil && err == nil {
				return // The connection was closed.
			}
			select {
			case s.events <- event:
			case <-done:
				return
			}
		}
	}()
	selection := s.atom("XdndSelection")
	if err := xproto.SetSelectionOwnerChecked(s.conn, window, selection, xproto.TimeCurrentTime).Check(); err != nil {
		p.Fatal(err)
	}
	list, copyAction := s.atom("text/uri-list"), uint32(s.atom("XdndActionCopy"))
	p.moveTo(at)
	s.send("XdndEnter", xdndVersion<<24, uint32(list), 0, 0)
	place := uint32(at.X)<<16 | uint32(at.Y)
	s.send("XdndPosition", 0, place, 0, copyAction)
	const accepted = 1
	if status := s.message("XdndStatus"); status[1]&accepted == 0 || status[4] != copyAction {
		p.Fatalf("the window does not want the files: %v", status)
	}
	s.send("XdndDrop", 0, 0, 0, 0)
	s.handOver(list, uriList(paths))
	// The protocol has one bit for "taken"; GLFW puts the number of bytes there that it took.
	if finished := s.message("XdndFinished"); finished[1] == 0 {
		p.Fatalf("the window did not take the files: %v", finished)
	}
}

// uriList writes paths as text/uri-list (RFC 2483).
func uriList(paths []string) string {
	var b strings.Builder
	for _, path := range paths {
		b.WriteString((&url.URL{Scheme: "file", Path: path}).String() + "\r\n")
	}
	return b.String()
}

// property gives the 32 bit numbers of a window's property.
func (s *source) property(window xproto.Window, name string) []uint32 {
	s.Helper()
	reply, err := xproto.GetProperty(s.conn, false, window, s.atom(name), xproto.GetPropertyTypeAny, 0, 16).Reply()
	if err != nil {
		s.Fatal(err)
	}
	var values []uint32
	for i := 0; i+4 <= len(reply.Value) && reply.Format == 32; i += 4 {
		values = append(values, xgb.Get32(reply.Value[i:]))
	}
	return values
}

// send tells the target something; each message begins with who sends it.
func (s *source) send(kind string, data ...uint32) {
	s.Helper()
	message := xproto.ClientMessageEvent{
		Format: 32, Window: s.target, Type: s.atom(kind),
		Data: xproto.ClientMessageDataUnionData32New(append([]uint32{uint32(s.window)}, data...)),
	}
	if err := xproto.SendEventChecked(s.conn, false, s.target, 0, string(message.Bytes())).Check(); err != nil {
		s.Fatal(err)
	}
}

// next gives the next event that is wanted, and passes over others.
func (s *source) next(what string, wanted func(xgb.Event) bool) {
	s.Helper()
	deadline := time.After(patience)
	for {
		select {
		case event := <-s.events:
			if wanted(event) {
				return
			}
		case <-deadline:
			s.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// message gives the five numbers of a message that the target sends.
func (s *source) message(kind string) (data []uint32) {
	s.Helper()
	wanted := s.atom(kind)
	s.next(kind, func(event xgb.Event) bool {
		message, ok := event.(xproto.ClientMessageEvent)
		if ok && message.Type == wanted {
			data = message.Data.Data32
			return true
		}
		return false
	})
	return data
}

// handOver gives the target the files when it asks for them.
func (s *source) handOver(kind xproto.Atom, content string) {
	s.Helper()
	s.next("the question which files there are", func(event xgb.Event) bool {
		asked, ok := event.(xproto.SelectionRequestEvent)
		if !ok {
			return false
		}
		if asked.Target != kind {
			s.Fatalf("the window asks for another kind of data than was offered: %v", asked)
		}
		xproto.ChangeProperty(s.conn, xproto.PropModeReplace, asked.Requestor, asked.Property, kind, 8, uint32(len(content)), []byte(content))
		answer := xproto.SelectionNotifyEvent{
			Time: asked.Time, Requestor: asked.Requestor, Selection: asked.Selection, Target: asked.Target, Property: asked.Property,
		}
		xproto.SendEvent(s.conn, false, asked.Requestor, 0, string(answer.Bytes()))
		return true
	})
}
