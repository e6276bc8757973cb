package transfer_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kaika/core/curate"
	"kaika/core/picture/picturetest"
	"kaika/core/transfer"
)

// TestMain lets the test program be an import or an export that is killed.
func TestMain(m *testing.M) {
	if what := os.Getenv("TRANSFER_TEST"); what != "" {
		fmt.Println(halfway(what, os.Args[1], os.Args[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// halfway does half of something, says so, and waits for its end.
func halfway(what, from, to string) error {
	ctx := context.Background()
	progress := func(done, _ int) {
		if done == 3 {
			fmt.Println("halfway")
			select {}
		}
	}
	if what == "import" {
		_, err := transfer.Import(ctx, from, to, transfer.ImportOptions{Progress: progress})
		return err
	}
	l, err := curate.Open(ctx, from, curate.Options{})
	if err != nil {
		return err
	}
	_, err = transfer.Export(ctx, l, to, transfer.ExportOptions{Progress: progress})
	return errors.Join(err, l.Close())
}

// start starts another process, and comes back when it is halfway.
func start(t *testing.T, what, from, to string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], from, to)
	c.Env = append(os.Environ(), "TRANSFER_TEST="+what)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "halfway\n" {
		t.Fatalf("it said %q, %v", line, err)
	}
	return c
}

func kill(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // It was killed.
}

// names gives what lies in a folder.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".kaika-") {
			name = strings.TrimRight(name, "0123456789") + "*"
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestKilled kills an import and an export halfway: nothing half is there, what they left behind goes with the next one in the
// same place, and what another one is at work on stays.
func TestKilled(t *testing.T) {
	photos := picturetest.Dataset(t, 3, "rose", "lily")
	for what, goal := range map[string]string{"import": "new", "export": "x.tar"} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			again := func(to string) {
				t.Helper()
				if what == "import" {
					if r, err := transfer.Import(t.Context(), photos, filepath.Join(dir, to), transfer.ImportOptions{}); err != nil || r.Added != 6 {
						t.Fatalf("%+v, %v", r, err)
					}
					return
				}
				if x, err := transfer.Export(t.Context(), open(t, photos), filepath.Join(dir, to), transfer.ExportOptions{}); err != nil || x.Photos != 6 {
					t.Fatalf("%+v, %v", x, err)
				}
			}
			kill(t, start(t, what, photos, filepath.Join(dir, goal)))
			left := ".kaika-" + what + "-*"
			if got := names(t, dir); got != left {
				t.Errorf("left behind is %q", got)
			}
			other := start(t, what, photos, filepath.Join(dir, "other"+goal))
			if got := names(t, dir); got != left {
				t.Errorf("beside what is made there is %q", got)
			}
			again(goal)
			if got := names(t, dir); got != left+" "+goal {
				t.Errorf("beside what the other one makes there is %q", got)
			}
			kill(t, other)
			again("2" + goal)
			if got := names(t, dir); got != "2"+goal+" "+goal {
				t.Errorf("at the end there is %q", got)
			}
		})
	}
}

// TestKilledInto kills an import into a dataset that is there: who opens it next finds it as it was before, but not who opens it
// while the import lives.
func TestKilledInto(t *testing.T) {
	from, to := picturetest.Dataset(t, 3, "rose", "lily", "aster"), t.TempDir()
	write(t, photo(30), to, "rose", "mine.jpg")
	l := open(t, to)
	if _, err := l.Add(t.Context(), curate.Addition{Label: "lily", Name: "added.jpg", Data: photo(31)}); err != nil {
		t.Fatal(err)
	}
	before, labels := photos(t, to), fmt.Sprint(l.Labels())
	c := start(t, "import", from, to)
	if n := len(open(t, to).Photos(curate.Query{})); n != len(before)+3 {
		t.Errorf("halfway there are %d photos", n)
	}
	kill(t, c)
	asBefore(t, to, before, labels)
	if r, err := transfer.Import(t.Context(), from, to, transfer.ImportOptions{}); err != nil || r.Added != 9 {
		t.Errorf("then %+v, %v", r, err)
	}
}

// TestFullDiskInto imports into a dataset on a disk with too little room: it is as it was before.
func TestFullDiskInto(t *testing.T) {
	full := t.TempDir()
	if err := syscall.Mount("none", full, "tmpfs", 0, "size=400k"); err != nil {
		t.Skipf("no small disk can be made: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(full, 0); err != nil {
			t.Error(err)
		}
	})
	to, from := filepath.Join(full, "d"), t.TempDir()
	write(t, photo(30), to, "rose", "mine.jpg")
	for n := range 60 {
		write(t, picturetest.JPEG(n, n, 320, 240), from, "aster", fmt.Sprintf("%d.jpg", n))
	}
	l, err := curate.Open(t.Context(), to, curate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Add(t.Context(), curate.Addition{Label: "lily", Name: "added.jpg", Data: photo(31)})
	before, labels := photos(t, to), fmt.Sprint(l.Labels())
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Import(t.Context(), from, to, transfer.ImportOptions{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	t.Run("after", func(t *testing.T) { asBefore(t, to, before, labels) }) // Which closes it before the disk goes.
}

// TestNotLeftBehind leaves alone what only has such a name.
func TestNotLeftBehind(t *testing.T) {
	photos, dir, elsewhere := picturetest.Dataset(t, 1, "rose", "lily"), t.TempDir(), t.TempDir()
	write(t, []byte("mine"), elsewhere, "lock")
	write(t, []byte("mine"), dir, ".kaika-import-file")
	write(t, []byte("mine"), dir, ".kaika-import-full", "mine")
	write(t, []byte("mine"), dir, ".kaika-export-full", "mine")
	for _, err := range []error{
		os.Symlink(elsewhere, filepath.Join(dir, ".kaika-import-link")), os.Symlink(filepath.Join(elsewhere, "lock"), filepath.Join(dir, ".kaika-export-link")),
		os.Mkdir(filepath.Join(dir, ".kaika-import-linked"), 0o755), os.Symlink(filepath.Join(elsewhere, "lock"), filepath.Join(dir, ".kaika-import-linked", "lock")),
		os.Mkdir(filepath.Join(dir, ".kaika-import-empty"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := transfer.Import(t.Context(), photos, filepath.Join(dir, "new"), transfer.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Export(t.Context(), open(t, photos), filepath.Join(dir, "x.tar"), transfer.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	want := ".kaika-export-full* .kaika-export-link* .kaika-import-file* .kaika-import-full* .kaika-import-link* .kaika-import-linked* new x.tar"
	if got := names(t, dir); got != want {
		t.Errorf("there is %q, want %q", got, want)
	}
	if data, err := os.ReadFile(filepath.Join(elsewhere, "lock")); err != nil || string(data) != "mine" {
		t.Errorf("%q, %v", data, err)
	}
}
