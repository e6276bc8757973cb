package inbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"

	"kaika/core/classify"
	"kaika/core/picture"
)

// Limits bound what a Keeper keeps. What is too old, or the oldest where there is too much, is removed.
type Limits struct {
	MaxAge   time.Duration // 0 for any.
	MaxBytes int64         // Of all photos and records together; 0 for any number.
}

// A Photo is one that was classified.
type Photo struct {
	Picture picture.Encoded // Nobody may change its data any more.
	Answer  classify.Answer // Its file's name is not kept: it may be that of a person or a place.
	Model   string
	Version int
	At      time.Time
}

// Stats count what became of photos since a Keeper began, and what is there.
type Stats struct {
	Kept    int64 // Written.
	Dropped int64 // Not written, because too many waited already, or there was no room for them.
	Failed  int64 // Not written, because of an error.
	Removed int64 // Because of the limits.
	Photos  int   // That are there now.
	Bytes   int64 // That these take with their records.
}

// What waits to be written at most, and how many are written at the same time.
const (
	maxQueue      = 256
	maxQueueBytes = 64 << 20
	writers       = 4
)

// Keeper keeps photos in an inbox, beside: nobody who hands one over waits for a disk or a network, or hears of their
// errors. It is safe for concurrent use.
type Keeper struct {
	*Inbox

	limits Limits
	log    *slog.Logger

	ctx  context.Context //nolint:containedctx // It ends with the keeper, which outlives every call.
	stop context.CancelFunc
	work sync.WaitGroup // Writers.
	tidy sync.WaitGroup // What sweeps.
	end  chan struct{}  // Closed when there is no need to sweep any more.

	room     chan struct{} // Has a token while room is made for a photo, or what takes room is counted.
	reserved int64         // Bytes that are being written.

	mu      sync.Mutex
	queue   chan Photo
	waiting int64 // Bytes.
	closed  bool
	stats   Stats
	warned  time.Time // When the log was told the last time that photos are lost.
}

// NewKeeper keeps photos in an inbox until Close, which closes that, too.
func NewKeeper(b *Inbox, limits Limits, log *slog.Logger) *Keeper {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{Inbox: b, limits: limits, log: log, queue: make(chan Photo, maxQueue), room: make(chan struct{}, 1), end: make(chan struct{})}
	k.ctx, k.stop = context.WithCancel(context.Background())
	for range writers {
		k.work.Go(k.write)
	}
	k.tidy.Go(k.sweepAgain)
	return k
}

// Limits gives the limits.
func (k *Keeper) Limits() Limits { return k.limits }

// Stats gives the counts.
func (k *Keeper) Stats() Stats {
	k.mu.Lock()
	s := k.stats
	k.mu.Unlock()
	k.Inbox.mu.Lock()
	defer k.Inbox.mu.Unlock()
	s.Photos, s.Bytes = len(k.photos), k.bytes
	return s
}

// Keep hands a photo over. It returns at once.
func (k *Keeper) Keep(p Photo) {
	p.Answer.Predictions = slices.Clone(p.Answer.Predictions[:min(len(p.Answer.Predictions), maxPredictions)])
	size := int64(len(p.Picture.Data))
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || len(k.queue) == cap(k.queue) || k.waiting+size > maxQueueBytes {
		k.stats.Dropped++
		k.warn("photos are not kept: they come faster than they can be written", nil)
		return
	}
	k.waiting += size
	k.queue <- p // There is room.
}

// Close writes what waits, until ctx is done, and then closes the inbox. The error is that of the closing; what could not
// be written is counted, and in the log.
func (k *Keeper) Close(ctx context.Context) error {
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return nil
	}
	k.closed = true
	close(k.queue)
	k.mu.Unlock()
	close(k.end)
	written := make(chan struct{})
	go func() {
		k.work.Wait()
		close(written)
	}()
	select {
	case <-written:
	case <-ctx.Done():
	}
	k.stop()
	<-written
	k.tidy.Wait()
	return k.Inbox.Close()
}

// errFull says that a photo is larger than all photos may be.
var errFull = errors.New("the photo takes more than all kept photos together may")

// write writes photos until there are no more.
func (k *Keeper) write() {
	for p := range k.queue {
		err := k.ctx.Err()
		if err == nil {
			err = k.put(p)
		}
		k.mu.Lock()
		k.waiting -= int64(len(p.Picture.Data))
		switch {
		case err == nil:
			k.stats.Kept++
		case errors.Is(err, errFull), k.ctx.Err() != nil:
			k.stats.Dropped++
			k.warn("photos are not kept", err)
		default:
			k.stats.Failed++
			k.warn("photos cannot be kept", err)
		}
		k.mu.Unlock()
	}
}

// warn tells the log that photos are lost, once a minute. Its caller holds the lock.
func (k *Keeper) warn(what string, err error) {
	if now := time.Now(); k.warned.IsZero() || now.Sub(k.warned) >= time.Minute {
		k.warned = now
		k.log.Warn(what, "place", k.place, "error", err, "dropped", k.stats.Dropped, "failed", k.stats.Failed)
	}
}

// put writes one photo: all of it or nothing.
func (k *Keeper) put(p Photo) error {
	data, end, err := anonymous(p.Picture)
	if err != nil {
		return err
	}
	best := float32(0)
	if len(p.Answer.Predictions) > 0 {
		best = p.Answer.Predictions[0].Score
	}
	id := newID(p.At, best)
	r := Record{
		ID: id, Kept: p.At.UTC().Truncate(time.Millisecond), Model: p.Model, Version: p.Version,
		Predictions: p.Answer.Predictions, Unknown: p.Answer.Unknown,
		Type: typeOf(end), Bytes: int64(len(data)), Width: p.Picture.Width, Height: p.Picture.Height,
	}
	record, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing the record of a photo: %w", err)
	}
	e := entry{end: end, photo: int64(len(data)), record: int64(len(record))}
	if err := k.makeRoom(e.bytes()); err != nil {
		return err
	}
	err = k.store(id, e, data, record)
	k.room <- struct{}{}
	defer func() { <-k.room }()
	k.reserved -= e.bytes()
	if err == nil {
		k.note(id, e)
	}
	return err
}

// store writes a photo and its record.
func (k *Keeper) store(id string, e entry, data, record []byte) error {
	ctx, cancel := context.WithTimeout(k.ctx, callTime)
	defer cancel()
	if err := k.writeAll(ctx, keyPrefix+id+e.end, data, typeOf(e.end)); err != nil {
		return fmt.Errorf("writing a photo to %s: %w", k.place, k.cause(err))
	}
	if err := k.writeAll(ctx, keyPrefix+id+recordEnd, record, "application/json"); err != nil {
		const atLast = 5 * time.Second
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), atLast)
		defer cancel()
		return errors.Join(fmt.Errorf("writing the record of a photo to %s: %w", k.place, k.cause(err)), k.bucket.Delete(undo, keyPrefix+id+e.end))
	}
	return nil
}

// writeAll writes a file: all of it or nothing. The bucket's own method of the name leaves half a file on a full disk,
// because it closes what it has written without cancelling that.
func (k *Keeper) writeAll(ctx context.Context, key string, data []byte, kind string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := k.bucket.NewWriter(ctx, key, &blob.WriterOptions{ContentType: kind})
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		cancel()
		_ = w.Close() // It says that it was cancelled.
		return err
	}
	return w.Close()
}

// makeRoom removes the oldest photos until so many bytes are within the limit, and reserves them.
func (k *Keeper) makeRoom(need int64) error {
	if k.limits.MaxBytes > 0 && need > k.limits.MaxBytes {
		return errFull
	}
	select {
	case k.room <- struct{}{}:
		defer func() { <-k.room }()
	case <-k.ctx.Done():
		return k.ctx.Err()
	}
	if err := k.scan(k.ctx, time.Hour); err != nil {
		return err
	}
	if err := k.remove(k.ctx, k.oldest(need+k.reserved)); err != nil {
		return err
	}
	k.reserved += need
	return nil
}

// oldest lists the photos that have to go for there to be room for so many bytes.
func (k *Keeper) oldest(need int64) []string {
	k.Inbox.mu.Lock()
	defer k.Inbox.mu.Unlock()
	excess := k.bytes + need - k.limits.MaxBytes
	if k.limits.MaxBytes == 0 || excess <= 0 {
		return nil
	}
	var gone []string
	for _, id := range slices.Sorted(maps.Keys(k.photos)) {
		if excess <= 0 {
			break
		}
		gone = append(gone, id)
		excess -= k.photos[id].bytes()
	}
	return gone
}

// tooOld lists the photos that are older than they may be.
func (k *Keeper) tooOld() []string {
	if k.limits.MaxAge == 0 {
		return nil
	}
	first := newID(time.Now().Add(-k.limits.MaxAge), 0)[:timeLetters]
	k.Inbox.mu.Lock()
	defer k.Inbox.mu.Unlock()
	var gone []string
	for id := range k.photos {
		if strings.Compare(id[:timeLetters], first) < 0 {
			gone = append(gone, id)
		}
	}
	return gone
}

// remove removes photos because of the limits.
func (k *Keeper) remove(ctx context.Context, ids []string) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(atOnce)
	for _, id := range ids {
		work.Go(func() error {
			if err := k.Remove(ctx, id); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			k.mu.Lock()
			k.stats.Removed++
			k.mu.Unlock()
			return nil
		})
	}
	return work.Wait()
}

// sweepAgain sweeps at once and then again and again.
func (k *Keeper) sweepAgain() {
	every := min(max(cmp.Or(k.limits.MaxAge, time.Hour)/24, time.Minute), time.Hour)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := k.sweep(k.ctx); err != nil && k.ctx.Err() == nil {
			k.log.Warn("kept photos that are too old or too many cannot be removed", "place", k.place, "error", err)
		}
		select {
		case <-k.end:
			return
		case <-ticker.C:
		}
	}
}

// sweep removes what is too old or too much, and what was left half written.
func (k *Keeper) sweep(ctx context.Context) error {
	if err := k.scan(ctx, k.fresh); err != nil {
		return err
	}
	k.Inbox.mu.Lock()
	debris := k.debris
	k.debris = nil
	k.Inbox.mu.Unlock()
	for _, key := range debris {
		if err := k.bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			return fmt.Errorf("removing what was left half written in %s: %w", k.place, err)
		}
	}
	if err := k.remove(ctx, k.tooOld()); err != nil {
		return err
	}
	k.room <- struct{}{}
	defer func() { <-k.room }()
	return k.remove(ctx, k.oldest(k.reserved))
}
