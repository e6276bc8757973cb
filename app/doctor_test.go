package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kaika/core/picture/picturetest"
)

func TestDoctor(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.kaika("doctor").ends(exitDone).says("ok       kaika ", "TensorFlow     2.18.", "processor", "efficientnet_lite0", "SHA-256", "cache", "log", "display")
	findings := parse[[]finding](u.kaika("doctor", "--json").ends(exitDone))
	var what []string
	for _, f := range findings {
		if what = append(what, f.What); !f.OK || f.Found == "" || f.Do != "" {
			t.Errorf("found %+v", f)
		}
	}
	for _, w := range []string{"kaika", "engine", "TensorFlow", "processor", "base model", "cache", "models", "log", "display"} {
		if !slices.Contains(what, w) {
			t.Errorf("nothing is said of %s", w)
		}
	}
	u.env = []string{"DISPLAY=:7"}
	u.kaika("doctor").ends(exitDone).says("X11 :7")
	u.env = nil
	// TensorFlow's chatter is in the log, and on the terminal of whoever asks for it.
	if log := string(read(t, u.home, "state", "kaika", "kaika.log")); !strings.Contains(log, "engine started") {
		t.Errorf("the log says %s", log)
	}
}

// TestDoctorLibrary has KAIKA_LIBTENSORFLOW name all sorts of things.
func TestDoctorLibrary(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	text := write(t, []byte("no library"), t.TempDir(), "libtensorflow.so")
	images := picturetest.Dataset(t, 3, "a", "b")
	for library, words := range map[string]string{
		"/nowhere":    "names no file or folder",
		t.TempDir():   "holds no libtensorflow_cc",
		text:          "could not be started",
		"libnope.so.": "names no file or folder",
	} {
		u.env = []string{"KAIKA_LIBTENSORFLOW=" + library}
		u.kaika("doctor").ends(exitFailed).says("MISSING  engine", words, "unset KAIKA_LIBTENSORFLOW", "ok       base model")
		model := filepath.Join(t.TempDir(), "m")
		u.kaika(append([]string{"retrain", "--image_dir", images, "--output_dir", model}, quick...)...).ends(exitFailed, words)
		u.nothingElse(filepath.Dir(model))
	}
	// The library that was there anyway, by its folder and by another name.
	library, links := filepath.Join(filepath.Dir(u.program), "lib"), t.TempDir()
	for name, target := range map[string]string{"libtensorflow.so.2": "libtensorflow_cc.so.2", "libtensorflow_framework.so.2": "libtensorflow_framework.so.2"} {
		if err := os.Symlink(filepath.Join(library, target), filepath.Join(links, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{library, links, filepath.Join(links, "libtensorflow.so.2")} {
		u.env = []string{"KAIKA_LIBTENSORFLOW=" + path}
		u.kaika("doctor").ends(exitDone).says("ok       TensorFlow")
	}
}

// TestDoctorWithoutAnything runs the program alone: neither engine nor base models are there.
func TestDoctorWithoutAnything(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	alone := filepath.Join(t.TempDir(), "kaika")
	program := read(t, u.program)
	write(t, program, alone)
	if err := os.Chmod(alone, 0o755); err != nil {
		t.Fatal(err)
	}
	u.program = alone
	u.kaika("doctor").ends(exitFailed).says("MISSING  engine", "make build", "none is on this machine", "kaika models fetch efficientnet_lite0")
	u.kaika("retrain", "--image_dir", picturetest.Dataset(t, 3, "a", "b")).ends(exitFailed, "kaika models fetch efficientnet_lite0")
	u.kaika("--version").ends(exitDone).says("kaika ")
	// A home that cannot be written to is said, and no reason to fail without words.
	file := write(t, []byte("x"), t.TempDir(), "file")
	u.home = file
	u.kaika("doctor").ends(exitFailed).says("MISSING  cache", "check who may write there")
}
