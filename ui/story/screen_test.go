//go:build linux

package story_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
)

// screen is an X server of the test's own that draws into memory, and the test's hands and eyes there. Nobody else is on
// it: no window manager and no other program.
type screen struct {
	testing.TB

	display string // as in the variable DISPLAY
	conn    *xgb.Conn
	root    xproto.Window
	size    image.Point // pixels
	keys    map[xproto.Keysym]key
	args    []string // of the programs that are started here
	alive   func()   // Fails if the program has ended; nil while there is none.

	variables []string // of their environment, beside what every user has
}

// newScreen starts an X server whose one screen has so many pixels. It ends with the test.
func newScreen(tb testing.TB, width, height int) *screen {
	tb.Helper()
	xvfb, err := exec.LookPath("Xvfb")
	needs(tb, err, "an X server without a screen must be there (on Debian: apt-get install xvfb)")

	// The server looks for a free display by itself, and says which it is once it is ready.
	ready, say, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	//nolint:noctx // The cleanup kills it, after the program that draws there.
	server := exec.Command(xvfb, "-displayfd", "3", "-screen", "0", fmt.Sprintf("%dx%dx24", width, height),
		"-nolisten", "tcp", "-noreset", "-dpi", "96")
	server.SysProcAttr = mortal()
	server.ExtraFiles = []*os.File{say}
	var complaints bytes.Buffer
	server.Stderr = &complaints
	if err := server.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // It was killed.
	})
	_ = say.Close()
	number, err := bufio.NewReader(ready).ReadString('\n')
	_ = ready.Close()
	if err != nil {
		tb.Fatalf("Xvfb names no display: %v\n%s", err, complaints.String())
	}

	s := &screen{TB: tb, display: ":" + strings.TrimSpace(number), size: image.Pt(width, height), keys: map[xproto.Keysym]key{}}
	s.conn = s.connect()
	if err := xtest.Init(s.conn); err != nil {
		tb.Fatal(err)
	}
	setup := xproto.Setup(s.conn)
	s.root = setup.DefaultScreen(s.conn).Root
	s.readKeys(setup)
	return s
}

// mortal has a child end with the test, also when the test is killed or takes too long.
func mortal() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// connect gives a connection of its own to the X server, which closes with the test.
func (s *screen) connect() *xgb.Conn {
	s.Helper()
	conn, err := xgb.NewConnDisplay(s.display)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(conn.Close)
	return conn
}

// look gives what the screen shows now.
func (s *screen) look() *image.RGBA {
	s.Helper()
	width, height := s.size.X, s.size.Y
	const allPlanes = ^uint32(0)
	reply, err := xproto.GetImage(s.conn, xproto.ImageFormatZPixmap, xproto.Drawable(s.root), 0, 0, uint16(width), uint16(height), allPlanes).Reply()
	if err != nil {
		s.Fatalf("reading the screen: %v", err)
	}
	if len(reply.Data) != 4*width*height {
		s.Fatalf("the screen has %d bytes, want %d", len(reply.Data), 4*width*height)
	}
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := 0; i < len(reply.Data); i += 4 {
		img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3] = reply.Data[i+2], reply.Data[i+1], reply.Data[i], 255
	}
	return img
}

// still gives what the screen shows once nothing has moved on it for a moment.
func (s *screen) still() *image.RGBA {
	s.Helper()
	const moment = 400 * time.Millisecond
	seen, since := s.look(), time.Now()
	s.until("the screen stands still", func() bool {
		if now := s.look(); !bytes.Equal(now.Pix, seen.Pix) {
			seen, since = now, time.Now()
		}
		return time.Since(since) >= moment
	})
	return seen
}

// turns does something that changes the screen, and gives what it shows when it stands still again.
func (s *screen) turns(do func()) *image.RGBA {
	s.Helper()
	before := s.still()
	do()
	s.until("the screen changes", func() bool { return !bytes.Equal(s.look().Pix, before.Pix) })
	return s.still()
}

// patience is how long anything may take, on a machine that is busy with other tests.
const patience = 1 * time.Minute

// until looks again and again whether something has come true, and gives up after a long while.
func (s *screen) until(what string, come func() bool) {
	s.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !come() {
		if s.alive != nil {
			s.alive()
		}
		if time.Now().After(deadline) {
			s.keep("gave-up")
			s.Fatalf("waited %v in vain until %s", patience, what)
		}
		<-tick.C
	}
}

// needs skips a test for want of something, but not where everything must be tested.
func needs(tb testing.TB, err error, what string) {
	tb.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		tb.Fatalf("%s: %v", what, err)
	default:
		tb.Skipf("%s: %v", what, err)
	}
}

// program is Kaika, at work on the screen.
type program struct {
	*screen

	home   string // the user's
	window xproto.Window
	cmd    *exec.Cmd
	said   *bytes.Buffer // on its standard output and error; complete when it has ended
	ended  chan error
}

// builtProgram gives the program that make build made, beside its engine and its base models.
func builtProgram(tb testing.TB) string {
	tb.Helper()
	path := os.Getenv("KAIKA_TEST_PROGRAM")
	if path == "" {
		path = filepath.Join("..", "..", "build", "kaika")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		tb.Fatal(err)
	}
	_, err = os.Stat(path)
	_, engine := os.Stat(filepath.Join(filepath.Dir(path), "kaika-engine"))
	_, models := os.Stat(filepath.Join(filepath.Dir(path), "models", "efficientnet_lite0"))
	needs(tb, errors.Join(err, engine, models), "the program must be there (make build)")
	return path
}

// start starts Kaika for the user whose home this is, and waits for its window. The window gets the whole screen and the
// keyboard, which a window manager would see to. It is killed with the test, if it has not ended before.
func (s *screen) start(home string) *program {
	s.Helper()
	path := builtProgram(s)
	p := &program{screen: s, home: home, said: &bytes.Buffer{}, ended: make(chan error, 1)}
	p.cmd = exec.Command(path, s.args...) //nolint:noctx // The cleanup kills it.
	p.cmd.Env = s.environment(home)
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.SysProcAttr = mortal()
	if err := p.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	ended := p.ended // The field is the test's.
	go func() { ended <- p.cmd.Wait() }()
	s.Cleanup(func() {
		if p.ended != nil {
			_ = p.cmd.Process.Kill()
			<-p.ended //nolint:errcheck // It was killed.
		}
		if s.Failed() {
			written, err := os.ReadFile(filepath.Join(home, "state", "kaika", "kaika.log"))
			s.Logf("kaika said:\n%s\nand wrote (%v):\n%s", p.said, err, written)
		}
	})
	s.alive = func() {
		select {
		case err := <-p.ended:
			p.ended = nil
			s.Fatalf("kaika ended: %v\n%s", err, p.said)
		default:
		}
	}
	s.until("the window opens", func() bool {
		p.window = s.topWindow()
		return p.window != 0
	})
	p.fill(s.size)
	return p
}

// environment gives the variables of the user whose home this is. They have no desktop beside the screen.
func (s *screen) environment(home string) []string {
	return append([]string{
		"HOME=" + home, "XDG_CACHE_HOME=" + home + "/cache", "XDG_DATA_HOME=" + home + "/data", "XDG_STATE_HOME=" + home + "/state",
		"XDG_CONFIG_HOME=" + home + "/config", "XDG_RUNTIME_DIR=" + home, "DBUS_SESSION_BUS_ADDRESS=unix:path=" + home + "/none",
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "DISPLAY=" + s.display, "LC_ALL=en_US.UTF-8",
	}, s.variables...)
}

// fill makes the window as large as this and gives it the keyboard.
//
// Without a window manager nobody gives GLFW's windows the focus, and keys go to whichever window is under the pointer.
// With the focus set by hand, GLFW gets FocusIn as it would from a manager, Fyne comes to the foreground, and keys arrive.
func (p *program) fill(size image.Point) {
	p.Helper()
	check := func(err error) {
		p.Helper()
		if err != nil {
			p.Fatal(err)
		}
	}
	geometry := []uint32{0, 0, uint32(size.X), uint32(size.Y)}
	mask := uint16(xproto.ConfigWindowX | xproto.ConfigWindowY | xproto.ConfigWindowWidth | xproto.ConfigWindowHeight)
	check(xproto.ConfigureWindowChecked(p.conn, p.window, mask, geometry).Check())
	check(xproto.SetInputFocusChecked(p.conn, xproto.InputFocusParent, p.window, xproto.TimeCurrentTime).Check())
	p.moveTo(image.Pt(size.X/2, size.Y-2)) // Where it points at nothing.
	p.until("the window has drawn itself", func() bool { return !plain(p.look()) })
}

// plain tells whether a picture has one colour only.
func plain(img *image.RGBA) bool {
	return bytes.Equal(img.Pix[4:], img.Pix[:len(img.Pix)-4])
}

// topWindow gives a window that is shown, or 0.
func (s *screen) topWindow() xproto.Window {
	s.Helper()
	tree, err := xproto.QueryTree(s.conn, s.root).Reply()
	if err != nil {
		s.Fatal(err)
	}
	for _, window := range tree.Children {
		attributes, err := xproto.GetWindowAttributes(s.conn, window).Reply()
		if err == nil && attributes.MapState == xproto.MapStateViewable && attributes.Class == xproto.WindowClassInputOutput {
			return window
		}
	}
	return 0
}

// close asks the window to close as a window manager does, and waits for the program's end. It must be silent to the end, unless
// it was asked to talk.
func (p *program) close() {
	p.Helper()
	message := xproto.ClientMessageEvent{
		Format: 32, Window: p.window, Type: p.atom("WM_PROTOCOLS"),
		Data: xproto.ClientMessageDataUnionData32New([]uint32{uint32(p.atom("WM_DELETE_WINDOW")), 0, 0, 0, 0}),
	}
	xproto.SendEvent(p.conn, false, p.window, 0, string(message.Bytes()))
	select {
	case err := <-p.ended:
		p.ended, p.alive = nil, nil
		if err != nil {
			p.Errorf("kaika ended badly: %v\n%s", err, p.said)
		}
	case <-time.After(patience):
		p.keep("does-not-close")
		p.Fatal("the window was closed, and kaika does not end")
	}
	if said := p.said.String(); said != "" && p.args == nil {
		p.Errorf("kaika chatters:\n%s", said)
	}
}

// atom gives the number of a name among X clients.
func (s *screen) atom(name string) xproto.Atom {
	s.Helper()
	reply, err := xproto.InternAtom(s.conn, false, uint16(len(name)), name).Reply()
	if err != nil {
		s.Fatal(err)
	}
	return reply.Atom
}
