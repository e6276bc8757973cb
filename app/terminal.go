package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// terminal writes what is not the answer: messages, and a line of progress that is written over in a terminal. Where the
// output is not a terminal, the line is written now and then.
type terminal struct {
	mu    sync.Mutex
	out   io.Writer
	width int // Columns; 0 if the output is no terminal.

	shown string    // The line of progress that stands there.
	last  time.Time // When progress was last written.
}

func newTerminal(out io.Writer) *terminal {
	t := &terminal{out: out}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		t.width = 80
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			t.width = w
		}
	}
	return t
}

// How often progress is written, in a terminal and elsewhere.
const (
	often  = 100 * time.Millisecond
	seldom = 5 * time.Second
)

// progress shows how far a phase is. last marks its end, which is always shown.
func (t *terminal) progress(last bool, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	pause := seldom
	if t.width > 0 {
		pause = often
	}
	if !last && time.Since(t.last) < pause {
		return
	}
	if t.last = time.Now(); last {
		t.last = time.Time{} // What comes next is new, and is shown at once.
	}
	line := fmt.Sprintf(format, args...)
	if t.width == 0 {
		t.write(line + "\n")
		return
	}
	if runes := []rune(line); len(runes) >= t.width {
		line = string(runes[:t.width-1])
	}
	t.erase()
	t.write(line)
	t.shown = line
	if last {
		t.write("\n")
		t.shown = ""
	}
}

// say writes a message.
func (t *terminal) say(message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
	t.write("kaika: " + message + "\n")
}

// above writes something else to what may be the same screen: the line of progress makes room for it and comes back.
func (t *terminal) above(write func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	shown := t.shown
	t.erase()
	err := write()
	t.write(shown)
	t.shown = shown
	return err
}

// clear takes the line of progress away.
func (t *terminal) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
}

func (t *terminal) erase() {
	if t.shown != "" {
		t.write("\r\x1b[K")
		t.shown = ""
	}
}

func (t *terminal) write(s string) {
	_, _ = io.WriteString(t.out, s) // Where messages cannot be written, that cannot be said either.
}

// handler gives a handler of log records that writes them as messages.
func (t *terminal) handler(level slog.Level) slog.Handler {
	return &messages{terminal: t, level: level}
}

type messages struct {
	terminal *terminal
	level    slog.Level
}

func (m *messages) Enabled(_ context.Context, l slog.Level) bool { return l >= m.level }

func (m *messages) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	if r.Level != slog.LevelInfo {
		b.WriteString(strings.ToLower(r.Level.String()) + ": ")
	}
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " (%s: %s)", a.Key, a.Value)
		return true
	})
	m.terminal.say(b.String())
	return nil
}

// WithAttrs leaves the attributes that all records have to the log file.
func (m *messages) WithAttrs([]slog.Attr) slog.Handler { return m }

// WithGroup leaves groups to the log file.
func (m *messages) WithGroup(string) slog.Handler { return m }

// soon is too early to tell how quick something is.
const soon = 300 * time.Millisecond

// rate tells how many photos are done a second.
func rate(began time.Time, done int) string {
	if time.Since(began) < soon || done < 1 {
		return ""
	}
	return fmt.Sprintf(", %.0f photos/s", float64(done)/time.Since(began).Seconds())
}

// eta tells how long something takes that is partly done.
func eta(began time.Time, done, total int) string {
	if time.Since(began) < soon || done == 0 || total <= done {
		return ""
	}
	left := time.Duration(float64(time.Since(began)) / float64(done) * float64(total-done))
	return fmt.Sprintf(", %s left", left.Round(time.Second))
}
