//go:build linux || freebsd || openbsd || netbsd || dragonfly

package clipboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// The library writes to standard error of an authority file that many systems do not have. Its logger belongs to all its
// connections, some of which may be somebody else's: it is changed before there can be any.
func init() { xgb.Logger = log.New(io.Discard, "", 0) }

// reader is a client of the X server that asks for the selection CLIPBOARD (ICCCM, 2). It has a connection of its own: nobody
// else takes its events, and it does not wait for the window's.
type reader struct {
	conn   *xgb.Conn
	window xproto.Window
	atoms  map[string]xproto.Atom
	events chan xgb.Event
	limit  int // Bytes.
}

func read(ctx context.Context, limit int) (Content, error) {
	display := os.Getenv("DISPLAY")
	if display == "" {
		return Content{}, ErrNone
	}
	conn, err := xgb.NewConnDisplay(display)
	if err != nil {
		return Content{}, fmt.Errorf("connecting to the X server: %w", err)
	}
	r := &reader{conn: conn, atoms: map[string]xproto.Atom{}, events: make(chan xgb.Event), limit: limit}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.listen()
	}()
	defer func() {
		conn.Close()
		for {
			select {
			case <-r.events:
			case <-ended:
				return
			}
		}
	}()
	return r.content(ctx)
}

// listen hands the events on until the connection is closed.
func (r *reader) listen() {
	for {
		event, err := r.conn.WaitForEvent()
		if event == nil && err == nil {
			close(r.events)
			return
		}
		if event != nil {
			r.events <- event
		}
	}
}

// content asks what there is, and for the best of it.
func (r *reader) content(ctx context.Context) (Content, error) {
	var err error
	if r.window, err = xproto.NewWindowId(r.conn); err != nil {
		return Content{}, fmt.Errorf("asking for the clipboard: %w", err)
	}
	root := xproto.Setup(r.conn).DefaultScreen(r.conn).Root
	// A window that is never shown, on which the other program puts what it has copied.
	if err := xproto.CreateWindowChecked(r.conn, 0, r.window, root, 0, 0, 1, 1, 0, xproto.WindowClassInputOnly, 0,
		xproto.CwEventMask, []uint32{xproto.EventMaskPropertyChange}).Check(); err != nil {
		return Content{}, fmt.Errorf("asking for the clipboard: %w", err)
	}
	offered, err := r.targets(ctx)
	if err != nil {
		return Content{}, err
	}
	if slices.Contains(offered, "text/uri-list") {
		files, err := r.convert(ctx, "text/uri-list")
		if err != nil {
			return Content{}, err
		}
		if strings.Contains(strings.ToLower(string(files)), "file:") { // A picture of a page of the web has its address there.
			return Content{Files: string(files)}, nil
		}
	}
	for _, kind := range pictures() {
		if !slices.Contains(offered, kind) {
			continue
		}
		data, err := r.convert(ctx, kind)
		if err != nil || len(data) > 0 {
			return Content{Picture: data}, err
		}
	}
	if slices.Contains(offered, "UTF8_STRING") {
		text, err := r.convert(ctx, "UTF8_STRING")
		return Content{Text: string(text)}, err
	}
	return Content{}, nil
}

// targets gives the names of the types that the other program can give; none where nothing was copied.
func (r *reader) targets(ctx context.Context) ([]string, error) {
	list, err := r.convert(ctx, "TARGETS")
	if err != nil {
		return nil, err
	}
	const most = 200
	var names []string
	for i := 0; i+4 <= len(list) && len(names) < most; i += 4 {
		reply, err := xproto.GetAtomName(r.conn, xproto.Atom(xgb.Get32(list[i:]))).Reply()
		if err == nil { // Else it is the number of no name: the other program's fault.
			names = append(names, reply.Name)
		}
	}
	return names, nil
}

// convert has the other program put what it has copied onto the window, in one of its types, and gives that; nothing where
// it does not.
func (r *reader) convert(ctx context.Context, target string) ([]byte, error) {
	var atoms []xproto.Atom
	for _, name := range []string{"CLIPBOARD", target, "KAIKA_CLIPBOARD", "INCR"} {
		atom, err := r.atom(name)
		if err != nil {
			return nil, err
		}
		atoms = append(atoms, atom)
	}
	selection, property, piecemeal := atoms[0], atoms[2], atoms[3]
	if err := xproto.ConvertSelectionChecked(r.conn, r.window, selection, atoms[1], property, xproto.TimeCurrentTime).Check(); err != nil {
		return nil, fmt.Errorf("asking for the clipboard: %w", err)
	}
	for {
		event, err := r.next(ctx)
		if err != nil {
			return nil, err
		}
		notify, ok := event.(xproto.SelectionNotifyEvent)
		switch {
		case !ok || notify.Target != atoms[1]: // Of something asked for before.
			continue
		case notify.Property == xproto.AtomNone:
			return nil, nil
		}
		break
	}
	data, kind, err := r.take(property)
	if err != nil || kind != piecemeal {
		return data, err
	}
	// The property holds at least how many bytes will come. It was deleted, which asks for the first piece.
	if len(data) >= 4 && xgb.Get32(data) > uint32(r.limit) { //nolint:gosec // The limit is far below 4 GiB.
		return nil, ErrTooLarge
	}
	return r.pieces(ctx, property)
}

// pieces puts together what comes in pieces, the last of which is empty (ICCCM, 2.7.2).
func (r *reader) pieces(ctx context.Context, property xproto.Atom) ([]byte, error) {
	var all []byte
	for {
		event, err := r.next(ctx)
		if err != nil {
			return nil, err
		}
		change, ok := event.(xproto.PropertyNotifyEvent)
		if !ok || change.Atom != property || change.State != xproto.PropertyNewValue {
			continue
		}
		piece, _, err := r.take(property)
		switch {
		case err != nil:
			return nil, err
		case len(piece) == 0:
			return all, nil
		case len(all)+len(piece) > r.limit:
			return nil, ErrTooLarge
		}
		all = append(all, piece...)
	}
}

// take reads a property of the window and deletes it.
func (r *reader) take(property xproto.Atom) (data []byte, kind xproto.Atom, err error) {
	words := uint32(r.limit/4 + 1) //nolint:gosec // The limit is far below 4 GiB.
	reply, err := xproto.GetProperty(r.conn, true, r.window, property, xproto.GetPropertyTypeAny, 0, words).Reply()
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("reading the clipboard: %w", err)
	case reply.BytesAfter > 0 || len(reply.Value) > r.limit:
		return nil, 0, ErrTooLarge
	}
	return reply.Value, reply.Type, nil
}

// next waits for an event.
func (r *reader) next(ctx context.Context) (xgb.Event, error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case event, ok := <-r.events:
		if !ok {
			return nil, errors.New("the X server has closed the connection")
		}
		return event, nil
	case <-late.C:
		return nil, ErrSilent
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// atom gives the number of a name among X clients.
func (r *reader) atom(name string) (xproto.Atom, error) {
	if atom, ok := r.atoms[name]; ok {
		return atom, nil
	}
	reply, err := xproto.InternAtom(r.conn, false, uint16(len(name)), name).Reply() //nolint:gosec // A few letters.
	if err != nil {
		return 0, fmt.Errorf("asking for the clipboard: %w", err)
	}
	r.atoms[name] = reply.Atom
	return reply.Atom, nil
}
