package feature

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// roleEnv makes the test program another Kaika, which plays a part in a test.
const roleEnv = "KAIKA_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		flag.Parse()
		if err := roles()[role](context.Background(), flag.Args()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// role is what another process does. It has no t.
type role func(ctx context.Context, args []string) error

func roles() map[string]role {
	all := map[string]role{"filler": filler, "extractor": extractor}
	maps.Copy(all, systemRoles())
	return all
}

// another gives the command that plays a role.
func another(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program, args...)
	// With -race a process waits for a second before it ends.
	c.Env = append(os.Environ(), roleEnv+"="+role, "GORACE=atexit_sleep_ms=0")
	c.Stderr = os.Stderr
	return c
}

// filler waits for the end of its standard input and keeps the numbered vectors of its share in the cache.
func filler(ctx context.Context, args []string) error {
	from, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	log := &diary{}
	c := OpenCache(ctx, args[0], log.log())
	for n := from; n < from+fillerShare; n += 3 {
		fill(ctx, c, n, min(n+3, from+fillerShare))
	}
	if err := c.Close(); err != nil {
		return err
	}
	if log.String() != "" {
		return fmt.Errorf("the cache complains: %s", log)
	}
	return nil
}

const fillerShare = 30

func TestProcessesUseOneCache(t *testing.T) {
	const processes, rounds = 3, 2
	for range rounds { // The file is new in each: they also make it together.
		dir := filepath.Join(t.TempDir(), "new")
		var all []*exec.Cmd
		var starts []io.Closer
		for i := range processes {
			// They share half of their vectors with the next.
			c := another(t, "filler", dir, strconv.Itoa(i*fillerShare/2))
			start, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			all, starts = append(all, c), append(starts, start)
		}
		for _, start := range starts {
			if err := start.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, c := range all {
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		}
		const want = (processes + 1) * fillerShare / 2
		if there := found(t, openCache(t, dir), want); there != want {
			t.Errorf("%d of %d vectors are there", there, want)
		}
	}
}

// extractor extracts the photos of a folder and prints how many are done.
func extractor(ctx context.Context, args []string) error {
	jobs, err := folder(args[1])
	if err != nil {
		return err
	}
	c := OpenCache(ctx, args[0], (&diary{}).log())
	x := &Extractor{Embedder: &fake{}, Cache: c, Progress: func(p Progress) { fmt.Println(p.Done) }}
	if _, err := x.Extract(ctx, jobs); err != nil {
		return err
	}
	// Killed before it could close the cache.
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// folder gives a job for each file of a folder.
func folder(dir string) ([]Job, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var jobs []Job
	for _, e := range entries {
		jobs = append(jobs, Job{Path: filepath.Join(dir, e.Name()), Views: []View{{}}})
	}
	return jobs, nil
}

func TestKilledProcess(t *testing.T) {
	const photos = 3 * requestPhotos
	album := filepath.Dir(album(t, photos)[0].Path)
	jobs, err := folder(album)
	if err != nil {
		t.Fatal(err)
	}
	for name, until := range map[string]int{"early": 1, "in the middle": requestPhotos + 1, "at the end": photos} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := another(t, "extractor", dir, album)
			if _, err := c.StdinPipe(); err != nil {
				t.Fatal(err)
			}
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			done := 0
			for lines := bufio.NewScanner(out); done < until && lines.Scan(); {
				if done, err = strconv.Atoi(strings.TrimSpace(lines.Text())); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := c.Wait(); err == nil {
				t.Fatal("it was not killed")
			}
			cache := openCache(t, dir)
			var sound string
			if err := cache.db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
				t.Errorf("the cache is %q, %v", sound, err)
			}
			kept := count(t, cache, "feature")
			if kept < done || done < until || count(t, cache, "file") != kept {
				t.Errorf("%d were done, %d vectors and %d files were kept", done, kept, count(t, cache, "file"))
			}
			embedder := &fake{}
			for i, r := range extract(t, &Extractor{Embedder: embedder, Cache: cache}, jobs) {
				right(t, jobs[i], r)
			}
			if embedder.embedded() != photos-kept {
				t.Errorf("%d photos were embedded, though %d were kept", embedder.embedded(), kept)
			}
		})
	}
}
