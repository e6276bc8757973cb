package feature

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func systemRoles() map[string]role {
	return map[string]role{"full": onFullDisk, "readonly": onReadOnlyDisk}
}

// namespaced runs a role in a process that has its own view of the disks and may mount some, and gives its output.
func namespaced(t *testing.T, role string, args ...string) string {
	t.Helper()
	c := another(t, role, args...)
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := c.Output()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || strings.Contains(string(out), noMount) {
		t.Skip("this system lets nobody mount a disk of their own")
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return string(out)
}

const noMount = "cannot mount"

// onFullDisk keeps vectors on a disk of the given size until it is full, and goes on.
func onFullDisk(ctx context.Context, args []string) error {
	dir, album := args[0], args[1]
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size="+args[2]); err != nil {
		fmt.Println(noMount, err)
		return nil
	}
	log := &diary{}
	c := OpenCache(ctx, filepath.Join(dir, "cache"), log.log())
	stuckAt := -1
	for n := range 200 {
		fill(ctx, c, n, n+1)
		if c.stuck.Load() && stuckAt < 0 {
			stuckAt = n
		}
	}
	kept, err := check(ctx, c)
	if err == nil {
		err = run(ctx, c, album)
	}
	if err := errors.Join(err, c.Close()); err != nil {
		return err
	}
	fmt.Printf("warnings=%d stuck=%v kept=%v\n%s", log.warnings(""), stuckAt >= 0, kept > 0, log)
	// The next run finds what was kept, full as the disk is.
	next := &diary{}
	c = OpenCache(ctx, filepath.Join(dir, "cache"), next.log())
	again, err := check(ctx, c)
	if err == nil {
		err = run(ctx, c, album)
	}
	if again != kept {
		err = errors.Join(err, fmt.Errorf("%d vectors, and in the next run %d: %s", kept, again, next))
	}
	return errors.Join(err, c.Close())
}

// check counts the numbered vectors, which must be right.
func check(ctx context.Context, c *Cache) (there int, err error) {
	for n := range 200 {
		if values, ok := c.vector(ctx, "space", digestOf(n), View{}, numberedLength); ok {
			there++
			if !slices.Equal(values, numbered(n)) {
				return there, fmt.Errorf("vector %d is wrong", n)
			}
		}
	}
	return there, nil
}

// run extracts an album twice, and wants the right vectors.
func run(ctx context.Context, c *Cache, album string) error {
	jobs, err := folder(album)
	if err != nil {
		return err
	}
	for range 2 {
		results, err := (&Extractor{Embedder: &fake{}, Cache: c}).Extract(ctx, jobs)
		if err != nil {
			return err
		}
		for i, r := range results {
			data, err := os.ReadFile(jobs[i].Path)
			if err != nil {
				return err
			}
			if r.Err != nil || !slices.Equal(r.Vectors[0], fakeVector(data, View{})) {
				return fmt.Errorf("%s has the answer %v", jobs[i].Path, r)
			}
		}
	}
	return nil
}

func TestFullDisk(t *testing.T) {
	album := filepath.Dir(album(t, 20)[0].Path)
	for _, kib := range []int{4, 64, 128, 512} {
		t.Run(strconv.Itoa(kib)+"k", func(t *testing.T) {
			out := namespaced(t, "full", t.TempDir(), album, strconv.Itoa(kib)+"k")
			if !strings.HasPrefix(out, "warnings=1 stuck=true ") {
				t.Error(out)
			}
			if kib >= 512 && !strings.Contains(out, "kept=true") {
				t.Error(out)
			}
		})
	}
}

// onReadOnlyDisk uses a cache on a disk that may only be read.
func onReadOnlyDisk(ctx context.Context, args []string) error {
	dir, album := args[0], args[1]
	err := syscall.Mount(dir, dir, "", syscall.MS_BIND, "")
	if err == nil {
		err = syscall.Mount(dir, dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
	}
	if err != nil {
		fmt.Println(noMount, err)
		return nil
	}
	log := &diary{}
	c := OpenCache(ctx, filepath.Join(dir, args[2]), log.log())
	fill(ctx, c, 190, 200)
	kept, err := check(ctx, c)
	if err == nil {
		err = run(ctx, c, album)
	}
	if err := errors.Join(err, c.Close()); err != nil {
		return err
	}
	fmt.Printf("warnings=%d kept=%d\n%s", log.warnings(""), kept, log)
	return nil
}

func TestReadOnlyDisk(t *testing.T) {
	album := filepath.Dir(album(t, 5)[0].Path)
	const only, none = "can only be read", "there is no cache"
	for name, c := range map[string]struct {
		before   func(t *testing.T, dir string)
		kept     int
		sentence string
	}{
		"nothing there": {func(*testing.T, string) {}, 0, none},
		"a closed cache": {func(t *testing.T, dir string) {
			t.Helper()
			c := openCache(t, dir)
			fill(t.Context(), c, 0, 10)
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}, 10, only},
		"a cache that another process uses": {func(t *testing.T, dir string) {
			t.Helper()
			c := openCache(t, dir)
			fill(t.Context(), c, 0, 10)
		}, 10, only},
		"a cache with a journal": {func(t *testing.T, dir string) {
			t.Helper()
			there := t.TempDir()
			c := openCache(t, there)
			fill(t.Context(), c, 0, 10)
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			c = openCache(t, there)
			fill(t.Context(), c, 10, 20)
			for _, suffix := range []string{"", "-wal"} { // As a crash leaves it.
				data, err := os.ReadFile(c.Path() + suffix)
				if err != nil {
					t.Fatal(err)
				}
				write(t, data, dir, CacheFile+suffix)
			}
		}, 0, none},
		"a damaged cache": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, []byte("this is no cache of features, whatever its name may say"), dir, CacheFile)
		}, 0, none},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.before(t, filepath.Join(dir, "cache"))
			out := namespaced(t, "readonly", dir, album, "cache")
			if !strings.Contains(out, c.sentence) || !strings.Contains(out, fmt.Sprintf("kept=%d\n", c.kept)) {
				t.Error(out)
			}
		})
	}
}
