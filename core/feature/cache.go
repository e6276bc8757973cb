package feature

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"

	_ "modernc.org/sqlite" // The driver "sqlite".

	"kaika/core/picture"
)

// CacheFile is the name of the cache's file in its folder.
const CacheFile = "features.db"

// Cache keeps feature vectors by the content of the photo, and the content's digest by the file, in one SQLite file.
// Several processes may use it at once. It never makes a run fail: what cannot be kept is computed again.
//
// The zero value keeps nothing.
type Cache struct {
	log   *slog.Logger
	db    *sql.DB
	path  string
	stuck atomic.Bool // Nothing more is written: the disk is full, or the file may only be read.
}

const schema = `
CREATE TABLE IF NOT EXISTS space (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS feature (
	space INTEGER NOT NULL REFERENCES space(id),
	photo BLOB NOT NULL,    -- SHA-256 of the file's bytes
	view TEXT NOT NULL,     -- View.String
	vector BLOB NOT NULL,   -- float32, little-endian
	PRIMARY KEY (space, photo, view)
);
CREATE TABLE IF NOT EXISTS file (
	path TEXT PRIMARY KEY,
	stamp TEXT NOT NULL,    -- what changes when the file does
	photo BLOB NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = 1;
`

// OpenCache opens or makes the cache in a folder. Where that cannot be done, it says so in the log and gives a cache
// that only reads, or one that keeps nothing.
func OpenCache(ctx context.Context, dir string, log *slog.Logger) *Cache {
	c := &Cache{log: log, path: filepath.Join(dir, CacheFile)}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = c.open(ctx, "rwc")
		if damaged(err) {
			log.Warn("the cache of features is damaged and is begun anew", "file", c.path, "error", err)
			if err = os.Rename(c.path, c.path+".damaged"); err == nil {
				_ = os.Remove(c.path + "-wal") // It belongs to the damaged file; it may be missing.
				_ = os.Remove(c.path + "-shm")
				err = c.open(ctx, "rwc")
			}
		}
	}
	if err == nil {
		return c
	}
	c.stuck.Store(true)
	if _, missing := os.Stat(c.path); missing == nil {
		if err := c.open(ctx, "ro"); err == nil {
			log.Warn("the cache of features can only be read: new features are not kept", "file", c.path)
			return c
		}
	}
	log.Warn("there is no cache of features: they are computed anew each time. Choose another folder with --bottleneck_dir",
		"folder", dir, "error", err)
	c.db = nil
	return c
}

func (c *Cache) open(ctx context.Context, mode string) error {
	options := url.Values{"mode": {mode}, "_pragma": {"busy_timeout(20000)", "synchronous(NORMAL)"}, "_txlock": {"immediate"}}
	if mode == "ro" {
		// Without it SQLite would want to write its lock beside the file.
		options.Set("immutable", "1")
	} else {
		options.Add("_pragma", "journal_mode(WAL)")
	}
	path, err := filepath.Abs(c.path)
	if err != nil {
		return fmt.Errorf("finding the cache: %w", err)
	}
	address := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return fmt.Errorf("opening the cache: %w", err)
	}
	statement := schema
	if mode == "ro" {
		statement = "SELECT count(*) FROM space"
	}
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return errors.Join(fmt.Errorf("opening the cache: %w", err), db.Close())
	}
	c.db = db
	return nil
}

// damaged tells whether SQLite found the file not to be a database of its own (SQLITE_CORRUPT, SQLITE_NOTADB).
func damaged(err error) bool {
	var coded interface{ Code() int }
	if !errors.As(err, &coded) {
		return false
	}
	const corrupt, notADatabase, primary = 11, 26, 0xff
	code := coded.Code() & primary
	return code == corrupt || code == notADatabase
}

// Close closes the file.
func (c *Cache) Close() error {
	if c.db == nil {
		return nil
	}
	if err := c.db.Close(); err != nil {
		return fmt.Errorf("closing the cache of features: %w", err)
	}
	return nil
}

// Path gives the cache's file.
func (c *Cache) Path() string { return c.path }

// digest gives the digest that a file had when it was last read, if the file has not changed since.
func (c *Cache) digest(ctx context.Context, path string, info fs.FileInfo) (d picture.Digest, found bool) {
	if c.db == nil {
		return d, false
	}
	var raw []byte
	err := c.db.QueryRowContext(ctx, "SELECT photo FROM file WHERE path = ? AND stamp = ?", path, stamp(info)).Scan(&raw)
	if err != nil || len(raw) != len(d) {
		return d, false
	}
	return picture.Digest(raw), true
}

// vector gives a vector of the given length, if it is kept.
func (c *Cache) vector(ctx context.Context, space string, photo picture.Digest, view View, length int) ([]float32, bool) {
	if c.db == nil {
		return nil, false
	}
	var raw []byte
	err := c.db.QueryRowContext(ctx, "SELECT vector FROM feature WHERE space = (SELECT id FROM space WHERE name = ?) AND photo = ? AND view = ?",
		space, photo[:], view.String()).Scan(&raw)
	if err != nil || len(raw) != 4*length {
		return nil, false
	}
	values := make([]float32, length)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return values, true
}

// entry is a vector that is to be kept.
type entry struct {
	photo  picture.Digest
	view   View
	values []float32
}

// file is a file's digest that is to be kept.
type file struct {
	path   string
	info   fs.FileInfo
	digest picture.Digest
}

// keep writes vectors and digests, all or none. When that fails, it says so in the log and writes nothing more.
func (c *Cache) keep(ctx context.Context, space string, entries []entry, files []file) {
	if c.db == nil || c.stuck.Load() || len(entries)+len(files) == 0 {
		return
	}
	err := c.write(ctx, space, entries, files)
	if err != nil && ctx.Err() == nil && !c.stuck.Swap(true) {
		c.log.Warn("features cannot be kept any more and will be computed anew next time: is the disk full?", "file", c.path, "error", err)
	}
}

func (c *Cache) write(ctx context.Context, space string, entries []entry, files []file) (err error) {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("writing the cache: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO space (name) VALUES (?)", space); err != nil {
		return fmt.Errorf("writing the cache: %w", err)
	}
	for _, e := range entries {
		raw := make([]byte, 0, 4*len(e.values))
		for _, v := range e.values {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		// The first vector stays: whoever was earlier has trained with it.
		if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO feature SELECT id, ?, ?, ? FROM space WHERE name = ?",
			e.photo[:], e.view.String(), raw, space); err != nil {
			return fmt.Errorf("writing the cache: %w", err)
		}
	}
	for _, f := range files {
		if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO file VALUES (?, ?, ?)", f.path, stamp(f.info), f.digest[:]); err != nil {
			return fmt.Errorf("writing the cache: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("writing the cache: %w", err)
	}
	return nil
}

// stamp gives what changes when a file is replaced or written: size and time, and where the system tells them the inode
// and the time of its last change, which no program can set back.
func stamp(info fs.FileInfo) string {
	return fmt.Sprintf("%d %d %s", info.Size(), info.ModTime().UnixNano(), inode(info))
}
