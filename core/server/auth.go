package server

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

// Bounds of the passwords.
const (
	maxPassword  = 72      // Bytes; bcrypt reads no more.
	maxCost      = 14      // Of bcrypt: about a second.
	maxAuthBytes = 1 << 20 // Of the file.
	maxProven    = 1024    // Pairs of a name and a password that are remembered as right.

	freeAttempts = 10               // Passwords that a client may try at once,
	attemptEvery = 5 * time.Second  // and how often from then on.
	turnPatience = 10 * time.Second // How long a password waits to be compared.
	fileLook     = time.Second      // How often the file is looked at, at most.
)

// Auth knows who may do what: the names and passwords in a file, which is read anew when it changes. It is safe for
// concurrent use.
type Auth struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	key      []byte              // Of this run alone: passwords that were right are remembered under it, not as they are.
	attempts *buckets            // Of each client, at passwords that are not known to be right.
	turns    *semaphore.Weighted // Passwords that are compared at once: bcrypt is slow by design.
	compared singleflight.Group  // Requests that a client sends at once with one password are one attempt.

	mu     sync.Mutex
	looked time.Time
	seen   fs.FileInfo
	hashes map[string][]byte // By name.
	decoy  []byte            // The hash that an unknown name is compared with, so that it takes as long.
	proven map[[sha256.Size]byte]string
}

// OpenAuth reads a file with a line NAME:HASH for each user, as [PasswordLine] makes them. Empty lines and those that
// begin with # are skipped; a file that names nobody lets nobody in. The log may be nil.
func OpenAuth(path string, log *slog.Logger) (*Auth, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &Auth{
		path: path, log: log, now: time.Now, key: make([]byte, sha256.Size),
		attempts: newBuckets(rate.Every(attemptEvery), freeAttempts), turns: semaphore.NewWeighted(int64(max(1, runtime.GOMAXPROCS(0)/2))),
	}
	if _, err := rand.Read(a.key); err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	err := a.read()
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: kaika --hash_password NAME makes a line for it", err)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// read takes over what the file says.
func (a *Auth) read() error {
	f, err := os.Open(a.path)
	if err != nil {
		return fmt.Errorf("reading the file of passwords: %w", err)
	}
	defer f.Close() //nolint:errcheck // It was only read.
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("reading the file of passwords: %w", err)
	}
	a.seen = info // Also if it is of no use: it is looked at again when it has changed.
	data, err := io.ReadAll(io.LimitReader(f, maxAuthBytes))
	if err != nil {
		return fmt.Errorf("reading the file of passwords %s: %w", a.path, err)
	}
	hashes, decoy, err := parseAuth(data)
	if err != nil {
		return fmt.Errorf("the file of passwords %s: %w", a.path, err)
	}
	if len(hashes) == 0 {
		a.log.Warn("the file of passwords names nobody: nobody may change anything; kaika --hash_password makes lines for it", "file", a.path)
	}
	a.hashes, a.decoy, a.proven = hashes, decoy, map[[sha256.Size]byte]string{}
	return nil
}

// parseAuth reads the lines of a file of passwords, and makes a hash that costs as much as the dearest of them.
func parseAuth(data []byte) (hashes map[string][]byte, decoy []byte, err error) {
	hashes = map[string][]byte{}
	dearest, number := bcrypt.MinCost, 0
	for line := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		name, hash, found := bytes.Cut(line, []byte(":"))
		if !found || len(name) == 0 {
			return nil, nil, fmt.Errorf("line %d is not NAME:HASH: kaika --hash_password makes such lines", number)
		}
		cost, err := bcrypt.Cost(hash)
		if err != nil {
			return nil, nil, fmt.Errorf("line %d has no bcrypt hash after the name: kaika --hash_password makes such lines", number)
		}
		if cost > maxCost {
			return nil, nil, fmt.Errorf("line %d has a hash of cost %d, and the highest is %d: every request would take too long", number, cost, maxCost)
		}
		if _, twice := hashes[string(name)]; twice {
			return nil, nil, fmt.Errorf("line %d has a name that an earlier line has: remove one of them", number)
		}
		hashes[string(name)] = bytes.Clone(hash)
		dearest = max(dearest, cost)
	}
	decoy, err = bcrypt.GenerateFromPassword([]byte(rand.Text()), dearest)
	if err != nil {
		return nil, nil, fmt.Errorf("making a hash: %w", err)
	}
	return hashes, decoy, nil
}

// PasswordLine gives the line for a user of [OpenAuth]'s file.
func PasswordLine(name, password string) (string, error) {
	switch {
	case name == "" || strings.ContainsAny(name, ":\r\n") || strings.HasPrefix(name, "#") || strings.TrimSpace(name) != name:
		return "", errors.New("a name is not empty, has no colon and no space around it, and does not begin with #")
	case password == "":
		return "", errors.New("an empty password protects nothing: choose a longer one")
	case len(password) > maxPassword:
		return "", fmt.Errorf("the password has %d bytes, and bcrypt reads %d: choose a shorter one", len(password), maxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return "", fmt.Errorf("hashing the password: %w", err)
	}
	return name + ":" + string(hash), nil
}

// refresh reads the file again if it has changed. A file that is gone or of no use changes nothing but the log: a slip in
// an editor must not lock everybody out.
func (a *Auth) refresh() {
	now := a.now()
	if now.Sub(a.looked) < fileLook {
		return
	}
	a.looked = now
	info, err := os.Stat(a.path)
	switch {
	case err != nil:
		if a.seen != nil {
			a.log.Error("the file of passwords cannot be read: those that were in it stay", "error", err)
		}
		a.seen = nil
		return
	case a.seen != nil && os.SameFile(info, a.seen) && info.ModTime().Equal(a.seen.ModTime()) && info.Size() == a.seen.Size():
		return
	}
	if err := a.read(); err != nil {
		a.log.Error("the file of passwords is of no use: those that were in it stay", "error", err)
		return
	}
	a.log.Info("the file of passwords was read again", "users", len(a.hashes))
}

// credentials gives the name and password that a request brings: by Basic authentication, or as the bearer token
// NAME:PASSWORD, as it is or in base64.
func credentials(r *http.Request) (name, password string, ok bool) {
	if name, password, ok = r.BasicAuth(); ok {
		return name, password, true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", "", false
	}
	token = strings.TrimSpace(token)
	if name, password, ok = strings.Cut(token, ":"); ok {
		return name, password, true
	}
	if plain, err := base64.StdEncoding.DecodeString(token); err == nil {
		return strings.Cut(string(plain), ":")
	}
	return "", "", false
}

// errPassword is a wrong name or password; which, it does not say.
var errPassword = &problem{status: http.StatusUnauthorized, code: "password", sentence: "the name or the password is wrong"}

// check gives the name of who has the right password.
func (a *Auth) check(ctx context.Context, client, name, password string) (string, error) {
	seal := hmac.New(sha256.New, a.key)
	seal.Write([]byte(name))
	seal.Write([]byte{0})
	seal.Write([]byte(password))
	key := [sha256.Size]byte(seal.Sum(nil))

	a.mu.Lock()
	a.refresh()
	user, known := a.proven[key]
	a.mu.Unlock()
	if known {
		return user, nil
	}
	outcome := a.compared.DoChan(client+string(key[:]), func() (any, error) {
		return name, a.compare(context.WithoutCancel(ctx), client, name, password, key)
	})
	select {
	case o := <-outcome:
		if o.Err != nil {
			return "", o.Err
		}
		return name, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// compare is an attempt of a client; key is what a right password is remembered under.
func (a *Auth) compare(ctx context.Context, client, name, password string, key [sha256.Size]byte) error {
	a.mu.Lock()
	_, known := a.proven[key] // By the attempt that ended just now.
	hash, exists := a.hashes[name]
	if !exists {
		hash = a.decoy
	}
	a.mu.Unlock()
	if known {
		return nil
	}
	if wait := a.attempts.take(client); wait > 0 {
		return &problem{
			status: http.StatusTooManyRequests, code: "attempts", sentence: "too many passwords were tried: wait a little", retryAfter: wait,
		}
	}
	ctx, cancel := context.WithTimeout(ctx, turnPatience)
	defer cancel()
	if err := a.turns.Acquire(ctx, 1); err != nil {
		return err
	}
	err := bcrypt.CompareHashAndPassword(hash, []byte(password[:min(len(password), maxPassword)]))
	a.turns.Release(1)
	if err != nil || !exists || len(password) > maxPassword {
		return errPassword
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !bytes.Equal(a.hashes[name], hash) {
		return errPassword // The file was changed in between.
	}
	if len(a.proven) >= maxProven {
		clear(a.proven)
	}
	a.proven[key] = name
	return nil
}

// allow tells whether a request may use a route, and notes who sends it.
func (s *Server) allow(w http.ResponseWriter, r *http.Request, to access) error {
	switch to {
	case accessOpen:
		return nil
	case accessClassify:
		if s.PublicClassify || s.nearby(r) {
			return nil
		}
	case accessWatch:
		if s.nearby(r) {
			return nil
		}
	case accessChange:
	}
	if s.Auth == nil {
		return &problem{
			status: http.StatusForbidden, code: "no_auth_file",
			sentence: "this needs a password, and this server knows none: start it with --auth_file",
		}
	}
	x := exchangeOf(r.Context())
	name, password, ok := credentials(r)
	err := error(&problem{status: http.StatusUnauthorized, code: "password_needed", sentence: "this needs a name and a password"})
	if ok {
		x.user, err = s.Auth.check(r.Context(), household(x.client), name, password)
	}
	if p := (*problem)(nil); errors.As(err, &p) && p.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="Kaika", charset="UTF-8"`)
	}
	return err
}
