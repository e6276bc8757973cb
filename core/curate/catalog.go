package curate

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // The driver "sqlite".
)

// catalogFile is the catalog's name in the hidden folder.
const catalogFile = "catalog.db"

// version is that of the schema.
const version = 1

// Paths and labels are BLOBs, because a file system's names need not be text. Times are nanoseconds since 1970, 0 for
// none.
const schema = `
CREATE TABLE meta (
	generation INTEGER NOT NULL, -- Another one after each change.
	next INTEGER NOT NULL        -- The next photo's ID.
);
CREATE TABLE photo (
	id INTEGER PRIMARY KEY,
	path BLOB NOT NULL,          -- Below the dataset's folder, with slashes.
	size INTEGER NOT NULL,
	mtime INTEGER NOT NULL,
	inode INTEGER NOT NULL,
	digest BLOB,                 -- SHA-256 of the bytes of that size and mtime.
	width INTEGER NOT NULL,
	height INTEGER NOT NULL,
	added INTEGER NOT NULL,
	deleted INTEGER NOT NULL,
	gone INTEGER NOT NULL,
	source TEXT NOT NULL         -- JSON of Source, or empty.
);
CREATE TABLE step (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	kind TEXT NOT NULL,
	label BLOB NOT NULL,
	former BLOB NOT NULL,        -- The name that a renamed label had.
	batch TEXT NOT NULL,
	at INTEGER NOT NULL,
	state INTEGER NOT NULL       -- stepState
);
CREATE TABLE item (
	step INTEGER NOT NULL REFERENCES step(id),
	n INTEGER NOT NULL,
	op INTEGER NOT NULL,         -- opKind
	photo INTEGER NOT NULL,      -- 0 where it is none.
	source BLOB NOT NULL,        -- The path before the step.
	target BLOB NOT NULL,        -- The path after it.
	state INTEGER NOT NULL,      -- itemState
	PRIMARY KEY (step, n)
) WITHOUT ROWID;
CREATE INDEX item_of_photo ON item(photo);
PRAGMA user_version = 1;
`

// catalog is the open database.
type catalog struct {
	db         *sql.DB
	info       fs.FileInfo // Of the file that was opened.
	generation int64       // As of the last time that everything in it was taken over.
}

// errForeign says that a database is no catalog, or one of another Kaika.
var errForeign = errors.New("it is not a catalog of this version of Kaika")

// openCatalog opens the catalog, or makes one with the given generation. The lock is held, so nobody else does.
func openCatalog(ctx context.Context, path string, generation int64) (*catalog, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		// What is left of a catalog that somebody deleted must not be taken for a part of the new one.
		if err := removeLeftovers(path); err != nil {
			return nil, err
		}
	}
	db, err := openDatabase(path, "rwc")
	if err != nil {
		return nil, err
	}
	c := &catalog{db: db}
	if err := c.prepare(ctx, generation); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if c.info, err = os.Stat(path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return c, nil
}

// openDatabase gives a handle with one connection. It keeps no write-ahead log: datasets lie on network shares and USB
// sticks too, and get copied while they are open; the lock already lets only one process write at a time.
func openDatabase(path, mode string) (*sql.DB, error) {
	options := url.Values{
		"mode":    {mode},
		"_pragma": {"busy_timeout(20000)", "synchronous(FULL)", "foreign_keys(0)"},
		"_txlock": {"immediate"},
	}
	if mode == "rwc" {
		options.Add("_pragma", "journal_mode(TRUNCATE)")
	}
	address := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// prepare checks the schema, or makes it in an empty file.
func (c *catalog) prepare(ctx context.Context, generation int64) error {
	var found, tables int
	if err := c.db.QueryRowContext(ctx, "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version").Scan(&found, &tables); err != nil {
		return err
	}
	if found == version {
		_, err := c.db.ExecContext(ctx, fingerprintSchema)
		return err
	}
	if found != 0 || tables != 0 {
		return errForeign
	}
	return c.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, schema+fingerprintSchema); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO meta VALUES (?, 1)", generation)
		return err
	})
}

// removeLeftovers removes the files that SQLite may have beside a database.
func removeLeftovers(path string) error {
	for _, ending := range []string{"-journal", "-wal", "-shm"} {
		if err := ignoreMissing(os.Remove(path + ending)); err != nil {
			return err
		}
	}
	return nil
}

// setAside moves a damaged catalog out of the way.
func setAside(path string) error {
	if err := removeLeftovers(path); err != nil {
		return err
	}
	return os.Rename(path, path+".damaged")
}

// damaged says whether an error means that the file is no sound catalog.
func damaged(err error) bool {
	const corrupt, notADatabase = 11, 26
	code := sqliteCode(err)
	return code == corrupt || code == notADatabase || errors.Is(err, errForeign)
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

// close closes the database. What was written is safe whatever it says.
func (c *catalog) close() error { return c.db.Close() }

// write runs f in a transaction. It ignores that ctx is done: what is written tells what has happened already.
func (c *catalog) write(ctx context.Context, f func(*sql.Tx) error) error {
	ctx = context.WithoutCancel(ctx)
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // SQLite may have done it itself, and err says enough.
		return err
	}
	return tx.Commit()
}

// current returns the generation in the file.
func (c *catalog) current(ctx context.Context) (generation int64, err error) {
	err = c.db.QueryRowContext(ctx, "SELECT generation FROM meta").Scan(&generation)
	return generation, err
}

// load returns all photos, gone ones too, and the next ID.
func load(ctx context.Context, db *sql.DB) (entries []*entry, next ID, generation int64, err error) {
	if err := db.QueryRowContext(ctx, "SELECT next, generation FROM meta").Scan(&next, &generation); err != nil {
		return nil, 0, 0, err
	}
	rows, err := db.QueryContext(ctx, "SELECT id, path, size, mtime, inode, digest, width, height, added, deleted, gone, source FROM photo")
	if err != nil {
		return nil, 0, 0, err
	}
	defer rows.Close() //nolint:errcheck // Err below says what went wrong.
	for rows.Next() {
		var e entry
		var path, digest, source sql.RawBytes
		var inode, added, deleted, gone int64
		if err := rows.Scan(&e.id, &path, &e.size, &e.mtime, &inode, &digest, &e.width, &e.height, &added, &deleted, &gone, &source); err != nil {
			return nil, 0, 0, err
		}
		e.rel = string(path)
		if len(digest) == len(e.digest) {
			copy(e.digest[:], digest)
			e.hashed = true
		}
		if len(source) > 0 {
			if err := json.Unmarshal(source, &e.source); err != nil {
				return nil, 0, 0, fmt.Errorf("%w: the source of %s: %w", errForeign, e.rel, err)
			}
		}
		e.inode = uint64(inode) //nolint:gosec // All bits are kept.
		e.added, e.deleted, e.gone = moment(added), moment(deleted), moment(gone)
		e.key = naturalKey(filepath.Base(e.rel))
		entries = append(entries, &e)
	}
	return entries, next, generation, rows.Err()
}

// moment undoes nanoseconds.
func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// nanoseconds gives a time as the catalog keeps it.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// savePhotos writes photos in a transaction.
func savePhotos(ctx context.Context, tx *sql.Tx, entries []*entry) error {
	ctx = context.WithoutCancel(ctx)
	insert, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO photo VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer insert.Close() //nolint:errcheck // It ends with the transaction anyway.
	for _, e := range entries {
		var digest []byte
		if e.hashed {
			digest = e.digest[:]
		}
		source := ""
		if e.source != (Source{}) {
			text, err := json.Marshal(e.source)
			if err != nil {
				return fmt.Errorf("write the source of %s: %w", e.rel, err)
			}
			source = string(text)
		}
		if _, err := insert.ExecContext(ctx, int64(e.id), []byte(e.rel), e.size, e.mtime, int64(e.inode), //nolint:gosec // All bits are kept.
			digest, e.width, e.height, nanoseconds(e.added), nanoseconds(e.deleted), nanoseconds(e.gone), source); err != nil {
			return err
		}
	}
	return nil
}
