package collect

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"

	"kaika/core/secret"
)

type readCloser = io.ReadCloser

func body(data []byte) readCloser { return io.NopCloser(bytes.NewReader(data)) }

// settle waits for the keyring's answer.
func settle(t *testing.T, q *queue, k *keyPresenter) {
	t.Helper()
	q.until(t, func() bool { return !k.busy })
}

func TestKeys(t *testing.T) {
	keyring.MockInit()
	q := newQueue()
	k := newKeyPresenter(secret.Open(t.TempDir()), q.dispatch)
	defer k.close()
	k.failed = func(sentence string, err error) { t.Errorf("%s: %v", sentence, err) }
	k.shown()
	k.shown()
	if !k.busy {
		t.Error("it does not say that it asks")
	}
	settle(t, q, k)
	if k.mask != "" || k.place != secret.Keyring {
		t.Errorf("at first %q in %q", k.mask, k.place)
	}
	const key = "0123456789abcdef"
	emptied := 0
	kept := func() { emptied++ }
	k.keep(" ", key, kept)
	k.keep(key, "", kept)
	if k.busy {
		t.Error("half a key is kept")
	}
	k.keep(key, "secret", kept)
	k.keep("other-key-other-key", "secret", kept) // While it is busy.
	settle(t, q, k)
	if k.mask != "…def" || k.place != secret.Keyring {
		t.Errorf("kept %q in %q", k.mask, k.place)
	}
	if emptied != 1 {
		t.Errorf("it was told %d times that a key was kept", emptied)
	}
	k.remove()
	settle(t, q, k)
	if k.mask != "" {
		t.Errorf("removed, but %q is there", k.mask)
	}
}

func TestKeysWithoutKeyring(t *testing.T) {
	keyring.MockInitWithError(errors.New("no bus"))
	q := newQueue()
	store := secret.Open(t.TempDir())
	k := newKeyPresenter(store, q.dispatch)
	defer k.close()
	var failures []string
	k.failed = func(sentence string, err error) { failures = append(failures, sentence+" "+err.Error()) }
	k.shown()
	settle(t, q, k)
	if k.place != secret.File {
		t.Errorf("the place is %q", k.place)
	}
	k.keep("0123456789abcdef", "secret-secret", func() {})
	settle(t, q, k)
	if k.mask != "…def" || k.place != secret.File || len(failures) > 0 {
		t.Errorf("kept %q in %q, %v", k.mask, k.place, failures)
	}
	write(t, store.File(), []byte("damaged"))
	k.keep("fedcba9876543210", "secret-secret", func() { t.Error("a key that was not kept is said to be") })
	settle(t, q, k)
	if k.mask != "" || len(failures) != 1 || !strings.HasPrefix(failures[0], "keep ") || strings.Contains(failures[0], "fedcba") {
		t.Errorf("with a damaged file: %q, %v", k.mask, failures)
	}
}
