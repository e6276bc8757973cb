package settings_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"kaika/ui/settings"
)

// open opens settings whose log goes into a text.
func open(t *testing.T, file string) (*settings.Store, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	return settings.Open(file, slog.New(slog.NewTextHandler(&log, nil))), &log
}

func TestKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "not", "yet", "settings.json")
	s, log := open(t, file)
	if got := s.String("tab"); got != "" {
		t.Errorf("before anything was set: %q", got)
	}
	s.SetString("tab", "review")
	s.SetString("dataset", "/花/ば\"ら\n")
	s.SetString("tab", "retrain")
	if got := s.String("tab"); got != "retrain" {
		t.Errorf("at once: %q", got)
	}
	s.Close()
	again, _ := open(t, file)
	defer again.Close()
	if tab, dataset := again.String("tab"), again.String("dataset"); tab != "retrain" || dataset != "/花/ば\"ら\n" {
		t.Errorf("at the next start: %q, %q", tab, dataset)
	}
	if log.Len() > 0 {
		t.Errorf("the log says %s", log)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("beside the settings lie %v, %v", left, err)
	}
}

func TestManyAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "settings.json")
	s, _ := open(t, file)
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			for n := range 50 {
				s.SetString(strconv.Itoa(i), strconv.Itoa(n))
				_ = s.String("0")
			}
		})
	}
	work.Wait()
	s.Close()
	again, _ := open(t, file)
	defer again.Close()
	for i := range 8 {
		if got := again.String(strconv.Itoa(i)); got != "49" {
			t.Errorf("%d is %q", i, got)
		}
	}
}

// Two windows may be open: what one sets must not go when the other sets something else.
func TestTwoWindows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "settings.json")
	one, _ := open(t, file)
	other, _ := open(t, file)
	one.SetString("tab", "review")
	one.Close()
	other.SetString("size", "800x600")
	other.Close()
	again, _ := open(t, file)
	defer again.Close()
	if tab, size := again.String("tab"), again.String("size"); tab != "review" || size != "800x600" {
		t.Errorf("%q, %q", tab, size)
	}
}

func TestDamaged(t *testing.T) {
	for name, content := range map[string]string{"cut off": `{"tab": "rev`, "something else": `[1]`, "empty": "", "null": "null", "numbers": `{"tab": 1}`} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "settings.json")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			s, log := open(t, file)
			s.SetString("tab", "classify")
			s.Close()
			if !strings.Contains(log.String(), "damaged") {
				t.Errorf("the log says %q", log)
			}
			if aside, err := os.ReadFile(file + ".damaged"); err != nil || string(aside) != content {
				t.Errorf("put aside: %q, %v", aside, err)
			}
			again, _ := open(t, file)
			defer again.Close()
			if got := again.String("tab"); got != "classify" {
				t.Errorf("at the next start: %q", got)
			}
		})
	}
}

// A folder that cannot be written to must not stop the window: its settings last until it closes.
func TestNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file", "settings.json")
	if err := os.WriteFile(filepath.Dir(file), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, log := open(t, file)
	s.SetString("tab", "review")
	if got := s.String("tab"); got != "review" {
		t.Errorf("%q", got)
	}
	s.Close()
	if !strings.Contains(log.String(), file) {
		t.Errorf("the log says %q", log)
	}
}
