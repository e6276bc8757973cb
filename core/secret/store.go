package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/zalando/go-keyring"

	"kaika/core/atomicfile"
)

// ErrNone says that nothing is kept under a name.
var ErrNone = errors.New("nothing is kept under this name")

// Place is where credentials are kept.
type Place string

// The places.
const (
	Keyring Place = "keyring" // The system's, which encrypts them with the user's password.
	File    Place = "file"    // The file of Store.File, which only its owner may read.
)

// Credentials open an account with a service.
type Credentials struct {
	Key, Secret Text
}

// Flickr is the name that the key of Flickr is kept under.
const Flickr = "flickr"

// service is the name that the system's keyring shows its user.
const service = "Kaika"

// maxFile bounds the file, in bytes: a few names with their keys.
const maxFile = 1 << 20

// Store keeps credentials by the name of the service that they are for. It may be used from several goroutines, and by
// several processes as long as they do not write at the same moment.
//
// A keyring may ask its user for a password before it answers, so every call may take as long as a person needs. A call
// whose context ends returns; its question to the keyring is left to end by itself, because there is no way to end it.
type Store struct {
	folder string

	mu sync.Mutex // Guards the file.
}

// Open gives the Store whose file, should it need one, lies in folder. Nothing is read or made yet.
func Open(folder string) *Store { return &Store{folder: folder} }

// File is the path of the file that holds what no keyring could be found for. It need not exist.
func (s *Store) File() string { return filepath.Join(s.folder, "credentials.json") }

// Place tells where Keep would put credentials now.
func (s *Store) Place(ctx context.Context) (Place, error) {
	// Nobody keeps anything under no name; a keyring that says so is there.
	_, err := ask(ctx, func() (string, error) { return keyring.Get(service, "") })
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("asking the keyring: %w", ctx.Err())
	case err == nil, errors.Is(err, keyring.ErrNotFound):
		return Keyring, nil
	}
	return File, nil
}

// Find gives the credentials kept under a name, and where they are. The error wraps ErrNone where there are none.
func (s *Store) Find(ctx context.Context, name string) (Credentials, Place, error) {
	// The file first: what lies in it was entered when there was no keyring, later than anything in there.
	s.mu.Lock()
	all, unread := s.read()
	s.mu.Unlock()
	if kept, ok := all[name]; ok {
		return kept.credentials(), File, nil
	}
	text, err := ask(ctx, func() (string, error) { return keyring.Get(service, name) })
	switch {
	case err == nil:
		c, err := decode([]byte(text))
		if err != nil {
			return Credentials{}, "", fmt.Errorf("reading the %s key in the keyring: %w: enter it again", name, err)
		}
		return c, Keyring, nil
	case ctx.Err() != nil:
		return Credentials{}, "", fmt.Errorf("asking the keyring: %w", ctx.Err())
	case unread != nil:
		return Credentials{}, "", unread
	}
	return Credentials{}, "", fmt.Errorf("the %s key: %w", name, ErrNone)
}

// Keep keeps credentials under a name in place of those that were there, and tells where. Where the keyring takes them,
// none stay in the file.
func (s *Store) Keep(ctx context.Context, name string, c Credentials) (Place, error) {
	data, err := json.Marshal(reveal(c)) //nolint:gosec // The keyring is to have it.
	if err != nil {
		return "", errors.New("the key cannot be written down") // The cause might quote it.
	}
	_, asked := ask(ctx, func() (string, error) { return "", keyring.Set(service, name, string(data)) })
	if ctx.Err() != nil {
		return "", fmt.Errorf("asking the keyring: %w", ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.read()
	if asked == nil {
		// A copy that cannot be found or removed is told of, but the keyring has the key.
		if err == nil {
			err = s.drop(all, name)
		}
		return Keyring, err
	}
	if err != nil {
		return "", err
	}
	all[name] = reveal(c)
	return File, s.write(all)
}

// Delete removes what is kept under a name, wherever it is. Nothing there is no error.
func (s *Store) Delete(ctx context.Context, name string) error {
	_, asked := ask(ctx, func() (string, error) { return "", keyring.Delete(service, name) })
	if ctx.Err() != nil {
		return fmt.Errorf("asking the keyring: %w", ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.read()
	if err != nil {
		return err
	}
	_, inFile := all[name]
	if err := s.drop(all, name); err != nil {
		return err
	}
	if asked != nil && !errors.Is(asked, keyring.ErrNotFound) && !inFile {
		return fmt.Errorf("removing the %s key: the keyring does not answer (%w): unlock it and try again", name, asked)
	}
	return nil
}

// ask puts a question to the keyring, and waits for the answer or the end of ctx.
func ask(ctx context.Context, question func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := question()
		answers <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case a := <-answers:
		return a.text, a.err
	}
}

// stored is the form of Credentials in the keyring and in the file.
type stored struct {
	Key    string `json:"key"`
	Secret string `json:"secret,omitempty"`
}

func reveal(c Credentials) stored { return stored{c.Key.Reveal(), c.Secret.Reveal()} }

func (s stored) credentials() Credentials { return Credentials{New(s.Key), New(s.Secret)} }

// decode reads what Keep put into the keyring.
func decode(data []byte) (Credentials, error) {
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return Credentials{}, errors.New("it is not in Kaika's form") // The cause might quote it.
	}
	return s.credentials(), nil
}

// read reads the file. One that does not exist is empty.
func (s *Store) read() (map[string]stored, error) {
	all := map[string]stored{}
	info, err := os.Lstat(s.File())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return all, nil
	case err != nil:
		return nil, fmt.Errorf("looking for keys: %w: check who may read this folder", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("looking for keys: %s is a link or no file at all: move it away, then enter the key again", s.File())
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(s.File(), 0o600); err != nil {
			return nil, fmt.Errorf("reading the keys: others may read them: %w: remove the file, then enter the key again", err)
		}
	}
	f, err := os.Open(s.File())
	if err != nil {
		return nil, fmt.Errorf("reading the keys: %w: check who may read this file", err)
	}
	defer f.Close() //nolint:errcheck // It was only read.
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, fmt.Errorf("reading the keys: %w", err)
	}
	if json.Unmarshal(data, &all) != nil || all == nil { // The cause might quote a key.
		return nil, fmt.Errorf("reading the keys: %s is damaged: remove it, then enter the key again", s.File())
	}
	return all, nil
}

// drop removes a name from the file, and the file with the last one.
func (s *Store) drop(all map[string]stored, name string) error {
	if _, ok := all[name]; !ok {
		return nil
	}
	delete(all, name)
	if len(all) > 0 {
		return s.write(all)
	}
	if err := os.Remove(s.File()); err != nil {
		return fmt.Errorf("removing the key: %w: remove the file yourself", err)
	}
	return nil
}

// write writes the file anew, readable and writable by its owner only (mode 0600) from its first byte on.
func (s *Store) write(all map[string]stored) error {
	const wayOut = "keeping the key: %w: check that this folder can be written to"
	data, err := json.MarshalIndent(all, "", "  ") //nolint:gosec // The file is to have it.
	if err != nil {
		return errors.New("the keys cannot be written down") // The cause might quote one.
	}
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return fmt.Errorf(wayOut, err)
	}
	if err := atomicfile.Write(s.File(), 0o600, data); err != nil {
		return fmt.Errorf(wayOut, err)
	}
	return nil
}
