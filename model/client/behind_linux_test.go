package client_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaika/core/train"
	"kaika/model/client"
)

// TestBehind wants every thread of an engine that gives way to have the lower priority, also those that TensorFlow
// starts for its work, and no thread of another engine.
func TestBehind(t *testing.T) {
	for _, behind := range []bool{true, false} {
		e := newEngine(t, client.Config{Program: engineProgram(t), Behind: behind})
		if _, err := e.Describe(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Fit(t.Context(), job(), train.Observer{}); err != nil {
			t.Fatal(err)
		}
		stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", e.PID()))
		if err != nil || len(stats) < 2 {
			t.Fatalf("there are %d threads: %v", len(stats), err)
		}
		want := map[bool]string{true: "10", false: "0"}[behind]
		for _, file := range stats {
			data, err := os.ReadFile(file)
			if err != nil {
				continue // A thread that ended.
			}
			// proc_pid_stat(5): the fields after the name in parentheses begin with the third; nice is the nineteenth.
			fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
			if fields[16] != want {
				t.Errorf("behind %v: a thread has the niceness %s, want %s", behind, fields[16], want)
			}
		}
	}
}
