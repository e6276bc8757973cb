package secret_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"

	"kaika/core/secret"
)

var errBus = errors.New("dbus: there is no session bus")

func credentials(key string) secret.Credentials {
	return secret.Credentials{Key: secret.New(key), Secret: secret.New("s-" + key)}
}

// holds fails unless the store has the key, or none where it is "", at the place.
func holds(t *testing.T, s *secret.Store, key string, at secret.Place) {
	t.Helper()
	c, place, err := s.Find(t.Context(), "flickr")
	if key == "" {
		if !errors.Is(err, secret.ErrNone) {
			t.Errorf("there is a key %q, %v", c.Key.Reveal(), err)
		}
		return
	}
	if err != nil || c.Key.Reveal() != key || c.Secret.Reveal() != "s-"+key || place != at {
		t.Errorf("found %q, %q in %q, %v; want %q in %q", c.Key.Reveal(), c.Secret.Reveal(), place, err, key, at)
	}
}

func keep(t *testing.T, s *secret.Store, key string, want secret.Place) {
	t.Helper()
	if place, err := s.Keep(t.Context(), "flickr", credentials(key)); err != nil || place != want {
		t.Fatalf("kept in %q, %v; want %q", place, err, want)
	}
}

func TestKeyring(t *testing.T) {
	keyring.MockInit()
	s := secret.Open(filepath.Join(t.TempDir(), "config"))
	if p, err := s.Place(t.Context()); p != secret.Keyring || err != nil {
		t.Errorf("the place is %q, %v", p, err)
	}
	holds(t, s, "", "")
	keep(t, s, "one", secret.Keyring)
	keep(t, s, "two", secret.Keyring)
	holds(t, s, "two", secret.Keyring)
	if _, err := os.Stat(filepath.Dir(s.File())); !os.IsNotExist(err) {
		t.Errorf("a folder was made though there is a keyring: %v", err)
	}
	if err := s.Delete(t.Context(), "flickr"); err != nil {
		t.Error(err)
	}
	holds(t, s, "", "")
	if err := s.Delete(t.Context(), "flickr"); err != nil {
		t.Errorf("removing nothing: %v", err)
	}
}

func TestFileWithoutKeyring(t *testing.T) {
	keyring.MockInitWithError(errBus)
	s := secret.Open(filepath.Join(t.TempDir(), "config", "kaika"))
	if p, err := s.Place(t.Context()); p != secret.File || err != nil {
		t.Errorf("the place is %q, %v", p, err)
	}
	holds(t, s, "", "")
	keep(t, s, "one", secret.File)
	keep(t, s, "two", secret.File)
	if _, err := s.Keep(t.Context(), "other", credentials("three")); err != nil {
		t.Fatal(err)
	}
	holds(t, s, "two", secret.File)
	for path, want := range map[string]os.FileMode{s.File(): 0o600, filepath.Dir(s.File()): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %o", path, info.Mode(), err, want)
		}
	}
	if err := s.Delete(t.Context(), "flickr"); err != nil {
		t.Error(err)
	}
	holds(t, s, "", "")
	if _, _, err := s.Find(t.Context(), "other"); err != nil {
		t.Errorf("the other key went with it: %v", err)
	}
	if err := s.Delete(t.Context(), "other"); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(s.File())); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := s.Delete(t.Context(), "other"); !errors.Is(err, errBus) {
		t.Errorf("a key may be in a keyring that does not answer, and yet: %v", err)
	}
}

func TestKeyringThatComesAndGoes(t *testing.T) {
	keyring.MockInit()
	s := secret.Open(t.TempDir())
	keep(t, s, "old", secret.Keyring)
	keyring.MockInitWithError(errBus)
	keep(t, s, "new", secret.File)
	keyring.MockInit()
	if err := keyring.Set("Kaika", "flickr", `{"key":"old"}`); err != nil {
		t.Fatal(err)
	}
	holds(t, s, "new", secret.File)
	keep(t, s, "newest", secret.Keyring)
	holds(t, s, "newest", secret.Keyring)
	if _, err := os.Stat(s.File()); !os.IsNotExist(err) {
		t.Errorf("the file still has a key: %v", err)
	}
}

func TestFileThatCannotBeUsed(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("as root every file can be read: those cases are left out")
	}
	for name, tc := range map[string]struct {
		spoil    func(t *testing.T, file string)
		says     string
		readable bool // Whether Keep works in spite of it.
		root     bool // Whether it means something to root.
	}{
		"link": {func(t *testing.T, file string) {
			t.Helper()
			other := filepath.Join(t.TempDir(), "other")
			write(t, other, `{"flickr":{"key":"stolen"}}`)
			if err := os.Symlink(other, file); err != nil {
				t.Fatal(err)
			}
		}, "is a link", false, true},
		"folder":        {func(t *testing.T, file string) { t.Helper(); mkdir(t, file) }, "no file at all", false, true},
		"damaged":       {func(t *testing.T, file string) { t.Helper(); write(t, file, `{"flickr":{"key":"stolen`) }, "damaged", false, true},
		"null":          {func(t *testing.T, file string) { t.Helper(); write(t, file, `null`) }, "damaged", false, true},
		"unreadable":    {func(t *testing.T, file string) { t.Helper(); write(t, file, `{}`); chmod(t, file, 0) }, "permission denied", false, false},
		"closed folder": {func(t *testing.T, file string) { t.Helper(); chmod(t, filepath.Dir(file), 0) }, "permission denied", false, false},
		"read-only folder": {func(t *testing.T, file string) {
			t.Helper()
			chmod(t, filepath.Dir(file), 0o500)
		}, "permission denied", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Getuid() == 0 && !tc.root {
				t.Skip("root may do everything")
			}
			keyring.MockInitWithError(errBus)
			s := secret.Open(t.TempDir())
			tc.spoil(t, s.File())
			_, _, found := s.Find(t.Context(), "flickr")
			_, kept := s.Keep(t.Context(), "flickr", credentials("mine"))
			for _, err := range []error{found, kept} {
				if tc.readable && errors.Is(err, secret.ErrNone) {
					continue
				}
				if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "stolen") || strings.Contains(err.Error(), "mine") {
					t.Errorf("the error is %v", err)
				}
			}
		})
	}
}

func TestUnreadableFileDoesNotHideTheKeyring(t *testing.T) {
	keyring.MockInit()
	s := secret.Open(t.TempDir())
	write(t, s.File(), "damaged")
	if _, _, err := s.Find(t.Context(), "flickr"); err == nil || errors.Is(err, secret.ErrNone) {
		t.Errorf("a damaged file that may hold the key gave %v", err)
	}
	if place, err := s.Keep(t.Context(), "flickr", credentials("one")); place != secret.Keyring || err == nil {
		t.Errorf("kept in %q, %v; the damaged file was to be told of", place, err)
	}
	holds(t, s, "one", secret.Keyring)
}

func TestOpenFileIsClosedToOthers(t *testing.T) {
	keyring.MockInitWithError(errBus)
	s := secret.Open(t.TempDir())
	write(t, s.File(), `{"flickr":{"key":"one","secret":"s-one"}}`)
	chmod(t, s.File(), 0o644)
	holds(t, s, "one", secret.File)
	if info, err := os.Stat(s.File()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may still read it: %v, %v", info, err)
	}
}

func TestDamagedKeyringEntry(t *testing.T) {
	keyring.MockInit()
	s := secret.Open(t.TempDir())
	if err := keyring.Set("Kaika", "flickr", "stolen"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Find(t.Context(), "flickr"); err == nil || errors.Is(err, secret.ErrNone) || strings.Contains(err.Error(), "stolen") {
		t.Errorf("the error is %v", err)
	}
}

func TestCancelled(t *testing.T) {
	keyring.MockInit()
	s := secret.Open(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, place := s.Place(ctx)
	_, _, found := s.Find(ctx, "flickr")
	_, kept := s.Keep(ctx, "flickr", credentials("one"))
	for _, err := range []error{place, found, kept, s.Delete(ctx, "flickr")} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
	}
	holds(t, s, "", "")
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(path, 0o700) })
}
