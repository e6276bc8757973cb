package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/adrg/xdg"

	"kaika/core/collect"
	"kaika/core/secret"
)

// Variables that name the key of Flickr, and servers that stand in for the real ones: a proxy of the user's own, or one
// for tests.
const (
	flickrKeyVariable    = "KAIKA_FLICKR_KEY"
	flickrSecretVariable = "KAIKA_FLICKR_SECRET" //nolint:gosec // The name of a variable.
	flickrVariable       = "KAIKA_FLICKR_URL"
	openverseVariable    = "KAIKA_OPENVERSE_URL"
)

// wanted says which photos of a service are wanted.
type wanted struct {
	terms                     []collect.Terms
	excludeWords, excludeTags []string
	minSide                   int
	unsafe                    bool
}

// secrets gives the place where keys are kept.
func secrets() *secret.Store { return secret.Open(filepath.Join(xdg.ConfigHome, "kaika")) }

// environmentKey gives the key of Flickr that the environment names, empty where it names none.
func environmentKey() secret.Credentials {
	return secret.Credentials{Key: secret.New(os.Getenv(flickrKeyVariable)), Secret: secret.New(os.Getenv(flickrSecretVariable))}
}

// flickrKey gives the user's key of Flickr: that of the environment, or the one that is kept.
func flickrKey(ctx context.Context) (secret.Credentials, error) {
	if key := environmentKey(); !key.Key.Empty() && !key.Secret.Empty() {
		return key, nil
	}
	key, _, err := secrets().Find(ctx, secret.Flickr)
	if errors.Is(err, secret.ErrNone) {
		return key, fmt.Errorf("%w: enter yours in the window's settings, or set %s and %s, or use Openverse, which needs none",
			collect.ErrNoKey, flickrKeyVariable, flickrSecretVariable)
	}
	return key, err
}

// flickr gives Flickr with the user's key.
func (e *environment) flickr(ctx context.Context, w wanted) (*collect.Flickr, error) {
	key, err := flickrKey(ctx)
	if err != nil {
		return nil, err
	}
	f := &collect.Flickr{
		Key: key.Key, Secret: key.Secret, Terms: w.terms, ExcludeWords: w.excludeWords, ExcludeTags: w.excludeTags,
		Unsafe: w.unsafe, MinSide: w.minSide, Web: collect.Web{Log: e.log},
	}
	f.Endpoint, f.ImageHosts, f.Web.Unpaced, err = standIn(flickrVariable)
	return f, err
}

// openverse gives Openverse, which needs no key.
func (e *environment) openverse(w wanted) (*collect.Openverse, error) {
	o := &collect.Openverse{
		Terms: w.terms, ExcludeWords: append(w.excludeWords, w.excludeTags...), Unsafe: w.unsafe, MinSide: w.minSide, Web: collect.Web{Log: e.log},
	}
	var err error
	o.Endpoint, o.ImageHosts, o.Web.Unpaced, err = standIn(openverseVariable)
	return o, err
}

// standIn reads the address of a server that stands in for a service. One on this machine is asked without pauses.
func standIn(variable string) (endpoint string, imageHosts []string, unpaced bool, err error) {
	endpoint = os.Getenv(variable)
	if endpoint == "" {
		return "", nil, false, nil
	}
	at, err := url.Parse(endpoint)
	if err != nil || at.Host == "" || !strings.HasPrefix(at.Scheme, "http") {
		return "", nil, false, usageError{fmt.Errorf("%s must be an address such as http://127.0.0.1:8080/path, not %q", variable, endpoint)}
	}
	host := at.Hostname()
	return endpoint, []string{at.Host}, host == "127.0.0.1" || host == "::1" || host == "localhost", nil
}
