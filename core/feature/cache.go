package feature

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

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
	sick  atomic.Bool // The file was found damaged while it was in use: nothing is read or written any more.
}

const schema = `
CREATE TABLE IF NOT EXISTS space (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS feature (
	space INTEGER NOT NULL REFERENCES space(id),
	photo BLOB NOT NULL,    -- SHA-256 of the file's bytes
	view TEXT NOT NULL,     -- View.String
	vector BLOB NOT NULL,   -- float32, little-endian, and a CRC-32 of them
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
		err = c.openToWrite(ctx)
		if damaged(err) {
			log.Warn("the cache of features is damaged and is begun anew", "file", c.path, "error", err)
			if err = c.setAside(); err == nil {
				err = c.openToWrite(ctx)
			}
		}
	}
	if err == nil {
		return c
	}
	c.stuck.Store(true)
	if _, missing := os.Stat(c.path); missing == nil {
		if c.openToRead(ctx) == nil {
			log.Warn("the cache of features can only be read: new features are not kept", "file", c.path, "error", err)
			return c
		}
	}
	log.Warn("there is no cache of features: they are computed anew each time. Choose another folder with --bottleneck_dir",
		"folder", dir, "error", err)
	c.db = nil
	return c
}

// openToWrite opens or makes the file. SQLite does not wait by itself while another process makes it at the same time.
func (c *Cache) openToWrite(ctx context.Context) error {
	const busy, patience = 5, 10 * time.Second
	began := time.Now()
	for wait := time.Millisecond; ; wait *= 2 {
		err := c.open(ctx, "rwc", false)
		if sqliteCode(err) != busy || time.Since(began) > patience {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// openToRead opens the file where nothing may be written. SQLite wants to write its lock beside it all the same, unless
// it is told that nobody changes the file; that is true only where no journal waits to be put into it.
func (c *Cache) openToRead(ctx context.Context) error {
	err := c.open(ctx, "ro", false)
	if err == nil {
		return nil
	}
	if journal, statErr := os.Stat(c.path + "-wal"); statErr == nil && journal.Size() > 0 {
		return err
	}
	return c.open(ctx, "ro", true)
}

func (c *Cache) open(ctx context.Context, mode string, immutable bool) error {
	options := url.Values{"mode": {mode}, "_pragma": {"busy_timeout(20000)", "synchronous(NORMAL)"}, "_txlock": {"immediate"}}
	if immutable {
		options.Set("immutable", "1")
	}
	if mode == "rwc" {
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

// damaged tells whether SQLite found the file not to be a database of its own (SQLITE_CORRUPT, SQLITE_NOTADB), or a
// vector is torn.
func damaged(err error) bool {
	const corrupt, notADatabase = 11, 26
	code := sqliteCode(err)
	return code == corrupt || code == notADatabase || errors.Is(err, errTorn)
}

// sqliteCode gives SQLite's primary result code in an error, 0 where there is none.
func sqliteCode(err error) int {
	var coded interface{ Code() int }
	if !errors.As(err, &coded) {
		return 0
	}
	const primary = 0xff
	return coded.Code() & primary
}

// setAside moves a damaged file out of the way. Its journal goes first: it must not be taken for that of a new file.
func (c *Cache) setAside() error {
	_ = os.Remove(c.path + "-wal") // It may be missing.
	_ = os.Remove(c.path + "-shm")
	if err := os.Rename(c.path, c.path+".damaged"); err != nil {
		return fmt.Errorf("moving a damaged cache out of the way: %w", err)
	}
	return nil
}

// readable tells whether there is a file to read from.
func (c *Cache) readable() bool { return c.db != nil && !c.sick.Load() }

// examine stops the use of the file if an error says that it is damaged.
func (c *Cache) examine(err error) {
	if damaged(err) && !c.sick.Swap(true) {
		c.log.Warn("the cache of features is damaged and will be begun anew next time", "file", c.path, "error", err)
	}
}

// Close closes the file. One that was found damaged is moved out of the way of the next run.
func (c *Cache) Close() error {
	if c.db == nil {
		return nil
	}
	if err := c.db.Close(); err != nil {
		return fmt.Errorf("closing the cache of features: %w", err)
	}
	if c.sick.Load() && !c.stuck.Load() {
		return c.setAside()
	}
	return nil
}

// Path gives the cache's file.
func (c *Cache) Path() string { return c.path }

// digest gives the digest that a file had when it was last read, if the file has not changed since.
func (c *Cache) digest(ctx context.Context, path string, info fs.FileInfo) (d picture.Digest, found bool) {
	if !c.readable() {
		return d, false
	}
	var raw []byte
	err := c.db.QueryRowContext(ctx, "SELECT photo FROM file WHERE path = ? AND stamp = ?", path, stamp(info)).Scan(&raw)
	if err != nil || len(raw) != len(d) {
		c.examine(err)
		return d, false
	}
	return picture.Digest(raw), true
}

// vector gives a vector of the given length, if it is kept.
func (c *Cache) vector(ctx context.Context, space string, photo picture.Digest, view View, length int) ([]float32, bool) {
	if !c.readable() {
		return nil, false
	}
	var raw []byte
	err := c.db.QueryRowContext(ctx, "SELECT vector FROM feature WHERE space = (SELECT id FROM space WHERE name = ?) AND photo = ? AND view = ?",
		space, photo[:], view.String()).Scan(&raw)
	if err != nil || len(raw) != 4*length+crc32.Size {
		c.examine(err)
		return nil, false
	}
	values, err := decode(raw)
	c.examine(err)
	return values, err == nil
}

// encode gives the bytes that a vector is kept as. SQLite does not notice when a disk loses a page of a long value, so
// there is a sum behind it.
func encode(values []float32) []byte {
	raw := make([]byte, 0, 4*len(values)+crc32.Size)
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return binary.LittleEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
}

// errTorn says that a vector is not what was written.
var errTorn = errors.New("a vector has the wrong checksum")

// decode undoes encode.
func decode(raw []byte) ([]float32, error) {
	values := make([]float32, len(raw)/4-1)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	end := 4 * len(values)
	if crc32.ChecksumIEEE(raw[:end]) != binary.LittleEndian.Uint32(raw[end:]) {
		return nil, errTorn
	}
	return values, nil
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

// keep writes vectors and digests, all or none, also when ctx is done already: they were dearly computed. When that
// fails, it says so in the log and writes nothing more.
func (c *Cache) keep(ctx context.Context, space string, entries []entry, files []file) {
	if !c.readable() || c.stuck.Load() || len(entries)+len(files) == 0 {
		return
	}
	err := c.write(context.WithoutCancel(ctx), space, entries, files)
	c.examine(err)
	if err != nil && !damaged(err) && !c.stuck.Swap(true) {
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
			_ = tx.Rollback() // SQLite may have done it itself, and err says enough.
		}
	}()
	if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO space (name) VALUES (?)", space); err != nil {
		return fmt.Errorf("writing the cache: %w", err)
	}
	for _, e := range entries {
		// The first vector stays: whoever was earlier has trained with it. Only one that nobody can use gives way.
		if _, err := tx.ExecContext(ctx, `INSERT INTO feature SELECT id, ?, ?, ? FROM space WHERE name = ?
			ON CONFLICT DO UPDATE SET vector = excluded.vector WHERE length(vector) != length(excluded.vector)`,
			e.photo[:], e.view.String(), encode(e.values), space); err != nil {
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
