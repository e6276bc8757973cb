package collect

import (
	"context"
	"errors"
	"sync"

	"kaika/core/secret"
)

// keyName is the name under which the key of Flickr is kept.
const keyName = "flickr"

// Keys keeps the keys of services.
type Keys interface {
	Find(ctx context.Context, name string) (secret.Credentials, secret.Place, error)
	Keep(ctx context.Context, name string, c secret.Credentials) (secret.Place, error)
	Delete(ctx context.Context, name string) error
	Place(ctx context.Context) (secret.Place, error)
	File() string
}

var _ Keys = (*secret.Store)(nil)

// keyPresenter is the state of the key panel. Its methods are for the window's goroutine; the keyring is asked beside, one
// question at a time.
type keyPresenter struct {
	keys     Keys
	dispatch func(func())
	changed  func()
	kept     func() // Called after a key was kept or removed.
	failed   func(sentence string, err error)

	busy  bool
	asked bool         // Whether the keyring has been asked at all.
	mask  string       // Of the key that is kept; "" for none.
	place secret.Place // Where it is kept, or would be; "" while unknown.

	ctx  context.Context // Ends with close.
	stop context.CancelFunc
	work sync.WaitGroup
}

func newKeyPresenter(keys Keys, dispatch func(func())) *keyPresenter {
	ctx, stop := context.WithCancel(context.Background())
	return &keyPresenter{keys: keys, dispatch: dispatch, changed: func() {}, kept: func() {}, failed: func(string, error) {}, ctx: ctx, stop: stop}
}

func (k *keyPresenter) close() {
	k.stop()
	k.work.Wait()
}

// shown asks the keyring, once.
func (k *keyPresenter) shown() {
	if !k.asked {
		k.asked = true
		k.ask("find", func(context.Context) error { return nil }, func() {})
	}
}

// keep keeps a key and its secret, and then tells that it has.
func (k *keyPresenter) keep(key, secretText string, kept func()) {
	c := secret.Credentials{Key: secret.New(key), Secret: secret.New(secretText)}
	if c.Key.Empty() || c.Secret.Empty() {
		return
	}
	k.ask("keep", func(ctx context.Context) error {
		_, err := k.keys.Keep(ctx, keyName, c)
		return err
	}, kept)
}

// remove removes the key.
func (k *keyPresenter) remove() {
	k.ask("remove", func(ctx context.Context) error { return k.keys.Delete(ctx, keyName) }, func() {})
}

// ask does something beside, tells when it is done, and then looks what is kept. The sentence is that about a failure.
func (k *keyPresenter) ask(sentence string, do func(context.Context) error, done func()) {
	if k.busy {
		return
	}
	k.busy = true
	looksOnly := sentence == "find"
	k.work.Go(func() {
		failure := do(k.ctx)
		did := failure == nil
		c, place, err := k.keys.Find(k.ctx, keyName)
		if err != nil {
			c, place = secret.Credentials{}, ""
		}
		if errors.Is(err, secret.ErrNone) {
			place, err = k.keys.Place(k.ctx)
		}
		if failure == nil && err != nil {
			failure, sentence = err, "find"
		}
		k.dispatch(func() {
			if k.ctx.Err() != nil {
				return
			}
			k.busy, k.mask, k.place = false, c.Key.Hint(), place
			if did {
				done()
			}
			if failure != nil {
				k.failed(sentence, failure)
			}
			k.changed()
			if !looksOnly {
				k.kept()
			}
		})
	})
	k.changed()
}
