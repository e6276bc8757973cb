package collect

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// sharing gives what one program, or one run, asks with: a pace of its own that shares the file with others.
func sharing(file string) *pace {
	f := &Flickr{PaceFile: file}
	f.pacing.Do(f.setPace)
	return &f.calls
}

// TestTurns has two programs ask at once, again and again in new runs: in any hour there are at most 3,600 requests.
func TestTurns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "kaika", "flickr.pace")
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := start
	const runs, calls = 50, 3
	var asked []time.Time
	for range runs {
		one, other := sharing(file), sharing(file)
		for range calls {
			for _, p := range []*pace{one, other} {
				now = now.Add(max(p.turn(now), 0))
				asked = append(asked, now)
			}
		}
	}
	for i := 1; i < len(asked); i++ {
		if gap := asked[i].Sub(asked[i-1]); gap < time.Second {
			t.Fatalf("request %d follows %v after the one before it", i, gap)
		}
	}
	// Nobody waits longer than that, either.
	if took := now.Sub(start); took != (2*runs*calls-1)*time.Second {
		t.Errorf("%d requests took %v", len(asked), took)
	}
	if data, err := os.ReadFile(file); err != nil || len(data) > 0 {
		t.Errorf("the file holds %q, %v", data, err)
	}
}

// TestTurnsOfAWrongClock leaves a time that was written by a clock of another year.
func TestTurnsOfAWrongClock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pace")
	p, now := sharing(file), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []time.Time{now.AddDate(1, 0, 0), now.AddDate(-1, 0, 0)} {
		if err := os.Chtimes(file, wrong, wrong); err != nil {
			t.Fatal(err)
		}
		if turn := p.turns.take(now, now, time.Second); !turn.Equal(now) {
			t.Errorf("with the time %v the turn is %v", wrong, turn)
		}
	}
}

// TestTurnsWithoutAFile has a pace of its own where no file can be had.
func TestTurnsWithoutAFile(t *testing.T) {
	in := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(in, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if turn := sharing(filepath.Join(in, "pace")).turns.take(now, now, time.Second); !turn.Equal(now) {
		t.Errorf("the turn is %v", turn)
	}
}
