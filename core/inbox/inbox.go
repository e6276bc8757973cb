// Package inbox keeps photos that were sent to a server to be classified, with what the model said of them, in a folder or
// in a bucket of Google Cloud Storage or S3, until a person brings them into a dataset or they are too old.
//
// A photo takes two files: upload-ID.jpg (or .png) and upload-ID.json, its record. The record is written last and removed
// first, so that a photo is kept whole or not at all; what a killed program left half is swept away.
package inbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"

	"kaika/core/classify"
	"kaika/core/picture"
)

const (
	keyPrefix  = "upload-"
	recordEnd  = ".json"
	partialEnd = ".tmp" // Of what is being written, in a folder.
)

// How long things may take, and how old a list may be.
const (
	openTime = 20 * time.Second
	callTime = 30 * time.Second // For one photo or record.
	listTime = 5 * time.Minute

	freshFolder = 2 * time.Second // Others may keep and remove photos, too.
	freshBucket = 30 * time.Second
	leftover    = time.Hour // After that, what is half written will not become whole.
)

// atOnce is how many records are read, or photos removed, at the same time.
const atOnce = 8

// Inbox holds kept photos. It is safe for concurrent use.
type Inbox struct {
	place  string // Where it is, for people.
	dir    string // The folder; "" for a bucket.
	bucket *blob.Bucket
	fresh  time.Duration // Until then, a list need not be read anew.

	scanning chan struct{} // Has a token while the photos are being listed.

	mu      sync.Mutex
	photos  map[string]entry
	debris  []string         // Keys of what is half there and too old to become whole.
	bytes   int64            // Of all photos and their records.
	scanned time.Time        // When the list was read; zero for never.
	changed map[string]entry // What was kept and removed since the list is being read, an empty entry for removed; nil if it is not.
}

// An entry is what is known of a kept photo without opening anything.
type entry struct {
	end           string // Of the photo's name.
	photo, record int64  // Bytes; -1 where there is none.
}

func (e entry) bytes() int64 { return e.photo + e.record }

// Open opens the inbox at a place: the path of a folder, or an address file:///FOLDER, gs://BUCKET[/PREFIX] or
// s3://BUCKET[/PREFIX][?region=REGION]. Which buckets can be opened depends on the drivers of gocloud.dev/blob that the
// program has. A folder is made if create is true.
func Open(ctx context.Context, place string, create bool) (*Inbox, error) {
	b := &Inbox{place: place, fresh: freshBucket, scanning: make(chan struct{}, 1)}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	at, err := url.Parse(place)
	switch {
	case place == "":
		return nil, errors.New("kept photos need a place: give a folder, gs://BUCKET or s3://BUCKET")
	case !strings.Contains(place, "://"):
		err = b.openFolder(place, create)
	case err != nil:
		return nil, fmt.Errorf("%q is no address: give a folder, gs://BUCKET or s3://BUCKET", place)
	case at.Scheme == fileblob.Scheme:
		if at.Host != "" && at.Host != "localhost" {
			return nil, fmt.Errorf("%q names another machine: give a folder of this one as file:///FOLDER", place)
		}
		path := at.Path
		if filepath.Separator == '\\' {
			path = strings.TrimPrefix(path, "/") // That in front of a drive.
		}
		err = b.openFolder(filepath.FromSlash(path), create)
	default:
		err = b.openBucket(ctx, at)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *Inbox) openFolder(dir string, create bool) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("finding the folder of kept photos: %w", err)
	}
	b.dir, b.place, b.fresh = dir, dir, freshFolder
	// Temporary files beside the others: they can be renamed, and no photo goes to the system's folder for such files.
	b.bucket, err = fileblob.OpenBucket(dir, &fileblob.Options{
		CreateDir: create, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
	})
	if err != nil {
		return fmt.Errorf("opening the folder of kept photos %s: %w", dir, err)
	}
	return nil
}

func (b *Inbox) openBucket(ctx context.Context, at *url.URL) error {
	if !blob.DefaultURLMux().ValidBucketScheme(at.Scheme) {
		if at.Scheme == "gs" || at.Scheme == "s3" {
			return fmt.Errorf("%s: this program can keep photos in folders only: give a folder, or use the program of the Debian package (make deb) or of go build -tags headless", at.Redacted())
		}
		return fmt.Errorf("photos cannot be kept in %q: give a folder, gs://BUCKET or s3://BUCKET", at.Redacted())
	}
	b.place = (&url.URL{Scheme: at.Scheme, Host: at.Host, Path: at.Path}).String()
	// The drivers ignore a path. A prefix in the query is the same to them without a slash at its end, and never meant so.
	query := at.Query()
	prefix := strings.Trim(cmp.Or(strings.Trim(at.Path, "/"), query.Get("prefix")), "/")
	query.Del("prefix")
	bare := &url.URL{Scheme: at.Scheme, Host: at.Host, RawQuery: query.Encode()}
	var err error
	if b.bucket, err = blob.OpenBucket(ctx, bare.String()); err != nil {
		return fmt.Errorf("opening the bucket of kept photos %s: %w: check its name and the options in its address", b.place, err)
	}
	if prefix != "" {
		b.bucket = blob.PrefixedBucket(b.bucket, prefix+"/")
	}
	if _, _, err := b.bucket.ListPage(ctx, blob.FirstPageToken, 1, &blob.ListOptions{Prefix: keyPrefix}); err != nil {
		err = fmt.Errorf("reaching the bucket of kept photos %s: %w: check its name, the region, the network, and that this machine may read and write it", b.place, err)
		return errors.Join(err, b.bucket.Close())
	}
	return nil
}

// Place tells where the inbox is, for people.
func (b *Inbox) Place() string { return b.place }

// Close closes it. Nothing may be under way.
func (b *Inbox) Close() error {
	if err := b.bucket.Close(); err != nil {
		return fmt.Errorf("closing the kept photos in %s: %w", b.place, err)
	}
	return nil
}

// List gives a page of the kept photos. A photo whose record cannot be read is in it with what its ID says.
func (b *Inbox) List(ctx context.Context, q Query) (Page, error) {
	if q.Offset < 0 || q.Limit < 1 || q.Limit > MaxPage || q.Order != ByConfidence && q.Order != Newest {
		return Page{}, fmt.Errorf("listing the kept photos: the order %q, the offset %d or the limit %d makes no sense", q.Order, q.Offset, q.Limit)
	}
	if err := b.scan(ctx, b.fresh); err != nil {
		return Page{}, err
	}
	b.mu.Lock()
	ids := slices.Collect(maps.Keys(b.photos))
	b.mu.Unlock()
	slices.SortFunc(ids, func(x, y string) int {
		if q.Order == ByConfidence {
			if c := strings.Compare(x[scoreAt:scoreAt+scoreDigits], y[scoreAt:scoreAt+scoreDigits]); c != 0 {
				return c
			}
		}
		return strings.Compare(y, x)
	})
	page := Page{Total: len(ids), Offset: q.Offset, Uploads: []Record{}}
	ids = ids[min(q.Offset, len(ids)):]
	ids = ids[:min(q.Limit, len(ids))]
	records := make([]Record, len(ids))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(atOnce)
	for i, id := range ids {
		work.Go(func() error {
			r, err := b.Record(ctx, id)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			records[i] = r
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return Page{}, err
	}
	for _, r := range records {
		if r.ID != "" {
			page.Uploads = append(page.Uploads, r)
		}
	}
	return page, nil
}

// Record gives what is known of a photo. The error wraps fs.ErrNotExist if there is none with this ID.
func (b *Inbox) Record(ctx context.Context, id string) (Record, error) {
	e, err := b.find(ctx, id)
	if err != nil {
		return Record{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	data, err := b.read(ctx, keyPrefix+id+recordEnd, maxRecord)
	if err != nil {
		return Record{}, fmt.Errorf("reading the record of the kept photo %s in %s: %w", id, b.place, err)
	}
	kept, err := timeOf(id)
	if err != nil {
		return Record{}, err
	}
	kind := typeOf(e.end)
	r, err := ParseRecord(data)
	if err != nil || r.ID != id || r.Type != kind { // It was damaged, or belongs to another: the photo is there all the same.
		r = Record{ID: id, Kept: kept, Type: kind, Predictions: []classify.Prediction{}}
	}
	r.Bytes = min(e.photo, picture.MaxFileBytes)
	return r, nil
}

// Photo gives the bytes of a photo's file and their type. The error wraps fs.ErrNotExist if there is none with this ID.
func (b *Inbox) Photo(ctx context.Context, id string) (data []byte, kind string, err error) {
	e, err := b.find(ctx, id)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	data, err = b.read(ctx, keyPrefix+id+e.end, picture.MaxFileBytes)
	if err != nil {
		return nil, "", fmt.Errorf("reading the kept photo %s in %s: %w", id, b.place, err)
	}
	return data, typeOf(e.end), nil
}

// Remove removes a photo for good. The error wraps fs.ErrNotExist if there is none with this ID.
func (b *Inbox) Remove(ctx context.Context, id string) error {
	e, err := b.find(ctx, id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	for _, end := range []string{recordEnd, e.end} {
		if err := b.bucket.Delete(ctx, keyPrefix+id+end); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			return fmt.Errorf("removing the kept photo %s in %s: %w", id, b.place, b.cause(err))
		}
	}
	b.note(id, entry{})
	return nil
}

// find finds a photo in the list, which is read anew if it is not there.
func (b *Inbox) find(ctx context.Context, id string) (entry, error) {
	if !IsID(id) {
		return entry{}, fmt.Errorf("%.80q is no ID of a kept photo: %w", id, fs.ErrNotExist)
	}
	for _, age := range []time.Duration{time.Hour, b.fresh} {
		if err := b.scan(ctx, age); err != nil {
			return entry{}, err
		}
		b.mu.Lock()
		e, ok := b.photos[id]
		b.mu.Unlock()
		if ok {
			return e, nil
		}
	}
	return entry{}, fmt.Errorf("there is no kept photo %s in %s: %w", id, b.place, fs.ErrNotExist)
}

// read reads one file of at most so many bytes.
func (b *Inbox) read(ctx context.Context, key string, limit int64) (data []byte, err error) {
	r, err := b.bucket.NewReader(ctx, key, nil)
	if err != nil {
		return nil, b.cause(err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	data, err = io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, b.cause(err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("it has more than %d bytes", limit)
	}
	return data, nil
}

// cause makes what a driver says one of Go's own errors where it can be one.
func (b *Inbox) cause(err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (%w)", fs.ErrNotExist, err)
	}
	return err
}

// scan reads the list of photos if it is older than that.
func (b *Inbox) scan(ctx context.Context, age time.Duration) error {
	asked := time.Now()
	recent := func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return !b.scanned.IsZero() && asked.Sub(b.scanned) < age
	}
	if recent() {
		return nil
	}
	select {
	case b.scanning <- struct{}{}:
		defer func() { <-b.scanning }()
	case <-ctx.Done():
		return fmt.Errorf("listing the kept photos in %s: %w", b.place, ctx.Err())
	}
	if recent() { // Somebody else has, while this one waited.
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	b.mu.Lock()
	b.changed = map[string]entry{}
	b.mu.Unlock()
	photos, debris, err := b.list(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := b.changed
	b.changed = nil
	if err != nil {
		return fmt.Errorf("listing the kept photos in %s: %w", b.place, err)
	}
	for id, e := range changed {
		if photos[id] = e; e == (entry{}) {
			delete(photos, id)
		}
	}
	b.photos, b.debris, b.bytes, b.scanned = photos, debris, 0, asked
	for _, e := range photos {
		b.bytes += e.bytes()
	}
	return nil
}

// list reads which photos are there.
func (b *Inbox) list(ctx context.Context) (photos map[string]entry, debris []string, err error) {
	l := listing{photos: map[string]entry{}, half: map[string]string{}, old: time.Now().Add(-leftover)}
	if b.dir != "" {
		err = b.listFolder(ctx, &l)
	} else {
		err = b.listBucket(ctx, &l)
	}
	if err != nil {
		return nil, nil, err
	}
	for id, e := range l.photos {
		if e.photo < 0 || e.record < 0 {
			delete(l.photos, id)
			if key, ok := l.half[id]; ok {
				l.debris = append(l.debris, key)
			}
		}
	}
	return l.photos, l.debris, nil
}

// listFolder looks at the files itself: their driver would look at all of them again for every thousand.
func (b *Inbox) listFolder(ctx context.Context, l *listing) error {
	files, err := os.ReadDir(b.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue // It was removed meanwhile, or is no file.
		}
		if err != nil {
			return err
		}
		l.add(f.Name(), info.Size(), info.ModTime())
	}
	return nil
}

func (b *Inbox) listBucket(ctx context.Context, l *listing) error {
	const atOnce = 1000 // What buckets give at most.
	// With a delimiter, what others keep behind longer names is not looked at.
	options := &blob.ListOptions{Prefix: keyPrefix, Delimiter: "/"}
	for token := blob.FirstPageToken; len(token) > 0; {
		found, next, err := b.bucket.ListPage(ctx, token, atOnce, options)
		if err != nil {
			return err
		}
		for _, o := range found {
			if !o.IsDir {
				l.add(o.Key, o.Size, o.ModTime)
			}
		}
		token = next
	}
	return nil
}

// A listing is a list that is being read.
type listing struct {
	photos map[string]entry
	half   map[string]string // A key by the ID, where it is too old to become whole.
	debris []string
	old    time.Time
}

func (l *listing) add(key string, size int64, written time.Time) {
	name, ours := strings.CutPrefix(key, keyPrefix)
	id, end, _ := strings.Cut(name, ".")
	end = "." + end
	if !ours || !IsID(id) {
		return
	}
	switch {
	case end == recordEnd, typeOf(end) != "":
		e, ok := l.photos[id]
		if !ok {
			e = entry{photo: -1, record: -1}
		}
		if end == recordEnd {
			e.record = size
		} else {
			e.photo, e.end = size, end
		}
		l.photos[id] = e
		if written.Before(l.old) {
			l.half[id] = key
		}
	case strings.HasSuffix(end, partialEnd) && written.Before(l.old):
		l.debris = append(l.debris, key)
	}
}

// note notes that a photo was kept, or, with an empty entry, removed.
func (b *Inbox) note(id string, e entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed != nil {
		b.changed[id] = e
	}
	if b.photos == nil {
		return // The list was not read yet.
	}
	b.bytes -= b.photos[id].bytes()
	if e == (entry{}) {
		delete(b.photos, id)
		return
	}
	b.photos[id] = e
	b.bytes += e.bytes()
}

// typeOf gives the type of a photo by the end of its name, "" for none.
func typeOf(end string) string {
	switch end {
	case ".jpg":
		return typeJPEG
	case ".png":
		return typePNG
	}
	return ""
}
