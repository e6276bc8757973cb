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

// Variables that name the key of Flickr.
const (
	flickrKeyVariable    = "KAIKA_FLICKR_KEY"
	flickrSecretVariable = "KAIKA_FLICKR_SECRET" //nolint:gosec // The name of a variable.
)

// variable names the variable of the environment that says something about a service: its KEY, the SECRET that belongs to
// that, or the URL of a server that stands in for the real one, which may be a proxy of the user's own, or one for tests.
func variable(s collect.Service, what string) string {
	return "KAIKA_" + strings.ToUpper(s.Kind) + "_" + what
}

// secrets gives the place where keys are kept.
func secrets() *secret.Store { return secret.Open(filepath.Join(xdg.ConfigHome, "kaika")) }

// environmentKey gives the key of a service that the environment names, empty where it names none.
func environmentKey(s collect.Service) secret.Credentials {
	return secret.Credentials{Key: secret.New(os.Getenv(variable(s, "KEY"))), Secret: secret.New(os.Getenv(variable(s, "SECRET")))}
}

// serviceKey gives the user's key of a service: that of the environment, or the one that is kept.
func serviceKey(ctx context.Context, s collect.Service) (secret.Credentials, error) {
	if key := environmentKey(s); !key.Key.Empty() && !key.Secret.Empty() {
		return key, nil
	}
	key, _, err := secrets().Find(ctx, s.Kind)
	if errors.Is(err, secret.ErrNone) {
		return key, fmt.Errorf("%w: enter yours in the window's settings, or set %s and %s, or use Openverse, which needs none",
			collect.ErrNoKey, variable(s, "KEY"), variable(s, "SECRET"))
	}
	return key, err
}

// access gives what a service is reached by, with the user's key where it needs one.
func (e *environment) access(ctx context.Context, s collect.Service) (collect.Access, error) {
	a := collect.Access{PaceFile: filepath.Join(xdg.StateHome, "kaika", s.Kind+".pace"), Web: collect.Web{Log: e.log}}
	if s.NeedsKey {
		key, err := serviceKey(ctx, s)
		if err != nil {
			return a, err
		}
		a.Key, a.Secret = key.Key, key.Secret
	}
	var err error
	a.Endpoint, a.ImageHosts, a.Web.Unpaced, err = standIn(variable(s, "URL"))
	return a, err
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
