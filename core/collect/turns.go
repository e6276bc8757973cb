package collect

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// turns keeps the requests of several programs apart, and those of one run from those of the next. The file at path holds no
// more than a time, as that of its last change: before it, nobody begins another request.
type turns struct {
	path string
	log  *slog.Logger
}

// longestQueue is how far in the future the next turn can be. What lies behind it was written by a clock that was wrong.
const longestQueue = 5 * time.Minute

// take gives the first turn that is free at the time wanted or later, and has nobody else begin within the gap behind it. Where
// the file cannot be had, everybody has to do with a pace of their own.
func (t *turns) take(now, wanted time.Time, gap time.Duration) time.Time {
	turn, err := t.try(now, wanted, gap)
	if err != nil {
		t.log.Debug("other programs may ask at the same time", "error", err)
		return wanted
	}
	return turn
}

func (t *turns) try(now, wanted time.Time, gap time.Duration) (time.Time, error) {
	if err := os.MkdirAll(filepath.Dir(t.path), 0o700); err != nil {
		return wanted, err
	}
	file, err := os.OpenFile(t.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return wanted, err
	}
	defer file.Close() //nolint:errcheck // Nothing was written into it. This ends the lock, too.
	if err := lock(file); err != nil {
		return wanted, err
	}
	info, err := file.Stat()
	if err != nil {
		return wanted, err
	}
	if next := info.ModTime(); next.After(wanted) && next.Before(now.Add(longestQueue)) {
		wanted = next
	}
	next := wanted.Add(gap)
	return wanted, os.Chtimes(t.path, next, next)
}
