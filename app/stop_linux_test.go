package app

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"kaika/core/picture/picturetest"
	"kaika/core/train"
	"kaika/core/trained"
)

// engine gives the process of kaika-engine that a command has started, once it runs.
func (r *running) engine() int {
	r.Helper()
	pid := 0
	eventually(r, "kaika starts its engine", func() bool {
		stats, err := filepath.Glob("/proc/[0-9]*/stat")
		if err != nil {
			r.Fatal(err)
		}
		for _, path := range stats {
			// pid (name) state parent; see proc(5).
			data, err := os.ReadFile(path)
			if err != nil {
				continue // It has ended meanwhile.
			}
			id, rest, _ := strings.Cut(string(data), " (")
			name, rest, _ := strings.Cut(rest, ") ")
			fields := strings.Fields(rest)
			if name == "kaika-engine" && len(fields) > 1 && fields[1] == strconv.Itoa(r.cmd.Process.Pid) {
				pid, err = strconv.Atoi(id)
				return err == nil
			}
		}
		return false
	})
	return pid
}

// gone waits until a process has ended. Where nobody asks for the end of an orphan it stays as a zombie.
func gone(t testing.TB, pid int) {
	t.Helper()
	eventually(t, fmt.Sprintf("process %d ends", pid), func() bool {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, state, _ := strings.Cut(string(data), ") ")
		return err != nil || strings.HasPrefix(state, "Z")
	})
}

// files gives the contents of the files in a folder, of those below its folders as well.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found[path] = trained.DigestBytes(read(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestInterrupted presses Ctrl-C in each phase, and has a service manager ask for the end: an older model stays as it
// was, nothing is left behind, and the same command goes on from there.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	older, _ := sharedModel(t)
	for _, c := range []struct {
		phase  string
		photos int
		signal syscall.Signal
		flags  []string
		ready  func(r *running, dir string)
	}{
		{"features", 200, syscall.SIGINT, []string{"--input_size", "224"}, func(r *running, _ string) { r.until("features: 1 of 200 photos") }},
		{"features by another signal", 200, syscall.SIGTERM, []string{"--input_size", "224"}, func(r *running, _ string) { r.until("features: 1 of 200 photos") }},
		{"views", 100, syscall.SIGINT, []string{"--input_size", "224", "--random_crop", "10", "--augmented_views", "4"}, func(r *running, _ string) {
			r.until("features of augmented photos: 1 of ")
		}},
		{"training", 20, syscall.SIGINT, []string{"--input_size", "32", "--how_many_training_steps", "10000000"}, func(r *running, _ string) {
			r.until("step 1 of 10000000")
		}},
		{"writing", 20, syscall.SIGINT, []string{"--input_size", "32", "--how_many_training_steps", "10"}, func(r *running, dir string) {
			eventually(r, "the model's graph is written", func() bool {
				found, err := filepath.Glob(filepath.Join(dir, ".m-*", trained.GraphFile))
				return err == nil && len(found) > 0
			})
		}},
	} {
		t.Run(c.phase, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			images, dir := many(t, c.photos), t.TempDir()
			model := filepath.Join(dir, "m")
			if err := os.CopyFS(model, os.DirFS(older)); err != nil {
				t.Fatal(err)
			}
			before := files(t, dir)
			args := append([]string{"retrain", "--image_dir", images, "--output_dir", model, "--json"}, c.flags...)
			r := u.start(args...)
			engine := r.engine()
			c.ready(r, dir)
			r.signal(c.signal)
			if a := r.wait().ends(exitFailed, "stopped. What was computed until now is kept"); a.stdout != "" {
				t.Errorf("it prints %s", a.stdout)
			}
			gone(t, engine)
			if after := files(t, dir); !reflect.DeepEqual(before, after) {
				t.Errorf("the older model has changed, or something is left behind: %v, then %v", before, after)
			}
			u.nothingElse(dir, "m")
			args = append(args, "--how_many_training_steps", "10")
			if report := parse[train.Report](u.kaika(args...).ends(exitDone)); report.Photos.Cached == 0 || report.Photos.Total != c.photos {
				t.Errorf("the same command then counts %+v", report.Photos)
			}
		})
	}
}

// TestInterruptedElsewhere stops the other commands.
func TestInterruptedElsewhere(t *testing.T) {
	t.Parallel()
	model, _ := sharedModel(t)
	t.Run("evaluate", func(t *testing.T) {
		t.Parallel()
		u := newUser(t)
		r := u.start("evaluate", "--image_dir", many(t, 20), "--how_many_training_steps", "10000000", "--input_size", "32")
		engine := r.engine()
		r.until("features: 20 of 20 photos")
		r.signal(syscall.SIGINT)
		r.wait().ends(exitFailed, "stopped.")
		gone(t, engine)
	})
	t.Run("classify", func(t *testing.T) {
		t.Parallel()
		u := newUser(t)
		r := u.start("classify", "--model", model, "--json", many(t, 3000))
		engine := r.engine()
		r.until("classified 1 of 3000 photos")
		r.signal(syscall.SIGINT)
		a := r.wait().ends(exitFailed, "stopped after ", " of 3000 photos")
		gone(t, engine)
		// What was answered is whole.
		if answers := parse[[]any](a); len(answers) == 0 || len(answers) >= 3000 {
			t.Errorf("%d answers", len(answers))
		}
	})
}

// TestKilled ends kaika where it can do nothing about it: the engine ends as well, and the next run goes on.
func TestKilled(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images, dir := many(t, 240), t.TempDir()
	args := []string{"retrain", "--image_dir", images, "--output_dir", filepath.Join(dir, "m"), "--json", "--how_many_training_steps", "10", "--input_size", "224"}
	r := u.start(args...)
	engine := r.engine()
	r.until("features: 1 of 240 photos")
	r.signal(syscall.SIGKILL)
	if a := r.wait(); a.code != -1 {
		t.Errorf("exit code %d", a.code)
	}
	gone(t, engine)
	u.nothingElse(dir)
	report := parse[train.Report](u.kaika(args...).ends(exitDone))
	if report.Photos.Total != 240 || report.Photos.Cached == 0 || report.Photos.Cached == 240 || report.Photos.Skipped != 0 {
		t.Errorf("then it counts %+v", report.Photos)
	}
}

// TestEngineKilled kills the engine in the middle of its work, as the system does when memory runs out.
func TestEngineKilled(t *testing.T) {
	t.Parallel()
	kill := func(t *testing.T, pid int) {
		t.Helper()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("features", func(t *testing.T) {
		t.Parallel()
		u := newUser(t)
		images, dir := many(t, 200), t.TempDir()
		r := u.start("retrain", "--image_dir", images, "--output_dir", filepath.Join(dir, "m"), "--json", "--how_many_training_steps", "10", "--input_size", "224")
		engine := r.engine()
		r.until("features: 1 of 200 photos")
		kill(t, engine)
		report := parse[train.Report](r.wait().ends(exitDone))
		if report.Photos.Total != 200 || report.Photos.Skipped != 0 {
			t.Errorf("counted %+v, skipped %+v", report.Photos, report.Skipped)
		}
		u.nothingElse(dir, "m")
	})
	t.Run("training", func(t *testing.T) {
		t.Parallel()
		u := newUser(t)
		images, dir := picturetest.Dataset(t, 6, "a", "b"), t.TempDir()
		args := []string{"retrain", "--image_dir", images, "--output_dir", filepath.Join(dir, "m"), "--json", "--input_size", "64", "--how_many_training_steps"}
		r := u.start(append(args, "10000000")...)
		engine := r.engine()
		r.until("step 1 of 10000000")
		kill(t, engine)
		r.wait().ends(exitFailed, "training: the engine stopped in the middle of the work", "run the same command again")
		u.nothingElse(dir)
		if report := parse[train.Report](u.kaika(append(args, "10")...).ends(exitDone)); report.Photos.Cached != 12 {
			t.Errorf("then it counts %+v", report.Photos)
		}
	})
	t.Run("classify", func(t *testing.T) {
		t.Parallel()
		u := newUser(t)
		model, _ := sharedModel(t)
		r := u.start("classify", "--model", model, "--json", many(t, 600))
		engine := r.engine()
		r.until("classified 1 of 600 photos")
		kill(t, engine)
		answers := parse[[]struct{ Error *string }](r.wait().ends(exitDone))
		for _, a := range answers {
			if a.Error != nil {
				t.Errorf("a photo %s", *a.Error)
			}
		}
		if len(answers) != 600 {
			t.Errorf("%d answers", len(answers))
		}
	})
}

// TestDiskFull writes the model to a disk that is too small for it, over an older one.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=20m"); err != nil {
		t.Skipf("only root can make a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	images, model := picturetest.Dataset(t, 6, "a", "b"), filepath.Join(disk, "m")
	u.retrain(images, model) // There is room for one.
	before := files(t, disk)
	args := append([]string{"retrain", "--image_dir", images, "--output_dir", model, "--json"}, quick...)
	u.kaika(args...).ends(exitFailed, "no space left on device", "Make room on that disk and run the same command again")
	if after := files(t, disk); !reflect.DeepEqual(before, after) {
		t.Errorf("the older model has changed, or something is left behind: %v, then %v", before, after)
	}
	u.nothingElse(disk, "m")
	u.kaika("classify", "--model", model, images).ends(exitDone)

	// The same for the cache: then features are not kept, and the rest goes well.
	u.env = []string{"XDG_CACHE_HOME=" + disk}
	if err := os.RemoveAll(model); err != nil {
		t.Fatal(err)
	}
	write(t, make([]byte, 20<<20-40<<10), disk, "filling")
	args[4] = filepath.Join(t.TempDir(), "m")
	if report := parse[train.Report](u.kaika(args...).ends(exitDone, "cache")); report.Photos.Total != 12 {
		t.Errorf("counted %+v", report.Photos)
	}
}

// TestNobodyMayRead runs as somebody who may not read a label's folder and a photo, nor write to the cache.
func TestNobodyMayRead(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	images := picturetest.Dataset(t, 6, "a", "b", "shut")
	dir := t.TempDir()
	open := []string{u.home, dir, images, filepath.Join(images, "a"), filepath.Join(images, "b")}
	if os.Getuid() == 0 {
		const nobody = 65534
		u.credential = &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}
		for _, d := range []string{u.home, dir, filepath.Join(images, "shut")} {
			if err := os.Chown(d, nobody, nobody); err != nil {
				t.Skipf("root may not give folders away: %v", err)
			}
		}
		for _, d := range open {
			// Also the folders that the test made them in.
			for ; filepath.Dir(d) != os.TempDir() && len(d) > 1; d = filepath.Dir(d) {
				if err := os.Chmod(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, label := range []string{"a", "b"} {
			for n := range 6 {
				if err := os.Chmod(filepath.Join(images, label, fmt.Sprintf("%d.jpg", n)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := u.command("--version").Run(); err != nil {
			t.Skipf("nobody may run the program: %v", err)
		}
	}
	if err := os.Chmod(filepath.Join(images, "a", "0.jpg"), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(images, "shut"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(images, "shut"), 0o755) }) // So that it can be removed.
	model := filepath.Join(dir, "m")
	report := u.retrain(images, model)
	if report.Photos.Total != 11 || len(report.Skipped) != 2 || len(report.Labels) != 2 {
		t.Fatalf("counted %+v, skipped %+v", report.Photos, report.Skipped)
	}
	if s := report.Skipped[0]; !strings.HasSuffix(s.Path, filepath.Join("a", "0.jpg")) || s.Reason != "unreadable" || !strings.Contains(s.Detail, "may not be read") {
		t.Errorf("skipped %+v", s)
	}
	if s := report.Skipped[1]; !strings.HasSuffix(s.Path, "shut") || s.Reason != "unreadable" || !strings.Contains(s.Detail, "permission denied") {
		t.Errorf("skipped %+v", s)
	}
	u.kaika("retrain", "--image_dir", filepath.Join(images, "shut")).ends(exitFailed, "cannot be read", "check who may read it")

	// A cache that can only be read is read.
	cache := filepath.Join(u.home, "cache", "kaika")
	for path, mode := range map[string]os.FileMode{filepath.Join(cache, "features.db"): 0o400, cache: 0o500} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(cache, 0o700) })
	args := append([]string{"retrain", "--image_dir", images, "--output_dir", model, "--json"}, quick...)
	if report := parse[train.Report](u.kaika(args...).ends(exitDone, "can only be read")); report.Photos.Cached != 11 || report.Photos.Total != 11 {
		t.Errorf("counted %+v", report.Photos)
	}
	// Where the model may not be written, that is said before the work.
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	u.kaika(append(args, "--output_dir", filepath.Join(dir, "other"))...).ends(exitFailed, "permission denied")
}
