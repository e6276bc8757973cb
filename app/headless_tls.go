package app

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateFiles are a certificate and its key in files that are replaced now and then.
type certificateFiles struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	looked time.Time
	seen   [2]fs.FileInfo // Of cert and key when they were read.
	loaded *tls.Certificate
}

// load reads the files.
func (c *certificateFiles) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *certificateFiles) read() error {
	for i, path := range []string{c.cert, c.key} {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("reading the certificate: %w", err)
		}
		c.seen[i] = info
	}
	loaded, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("reading the certificate %s with the key %s: %w", c.cert, c.key, err)
	}
	c.loaded = &loaded
	return nil
}

// changed tells whether a file is another than when it was read.
func (c *certificateFiles) changed() bool {
	for i, path := range []string{c.cert, c.key} {
		info, err := os.Stat(path)
		if err != nil {
			continue // It may be replaced just now.
		}
		if !os.SameFile(info, c.seen[i]) || !info.ModTime().Equal(c.seen[i].ModTime()) || info.Size() != c.seen[i].Size() {
			return true
		}
	}
	return false
}

// get gives the certificate for a connection. New files are looked for once a second at most; while they do not fit
// together, as when one of them is replaced already, the old ones stay.
func (c *certificateFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= time.Second {
		c.looked = now
		if c.changed() {
			if err := c.read(); err != nil {
				c.log.Error("the new certificate cannot be used, the old one stays", "error", err)
			} else {
				c.log.Info("the certificate was read again")
			}
		}
	}
	return c.loaded, nil
}
