// Package thumb makes small pictures of photos for windows: decoded beside by a few workers, the newest request first,
// kept in memory up to a bound, and on disk so that the next start shows them at once.
package thumb

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"kaika/core/picture"
)

// A Key names one state of one photo. A file that was written to since has another key.
type Key struct {
	Path    string
	Size    int64 // In bytes.
	ModTime time.Time
}

// id is the Key as a map needs it: two times may be the same and yet not equal.
type id struct {
	path string
	size int64
	time int64
}

func (k Key) id() id { return id{k.Path, k.Size, k.ModTime.UnixNano()} }

// Params say how a Loader works. The zero value of each field is a sensible choice.
type Params struct {
	// Dir is the folder of the cache on disk; it is made when needed. Without one, nothing is kept on disk.
	Dir string
	// Side is the longer side of a thumbnail in pixels at most, 256 where it is 0. Smaller photos keep their size.
	Side int
	// MaxMemory bounds the bytes of the thumbnails kept in memory, 128 MiB where it is 0.
	MaxMemory int64
	// MaxDisk bounds the bytes of the cache on disk, 512 MiB where it is 0. Those used longest ago go first.
	MaxDisk int64
	// Workers is how many photos are worked on at once, one for each core where it is 0.
	Workers int
	// Log gets what the cache on disk suffers from. Nothing is logged where it is nil.
	Log *slog.Logger
}

// pixelsAtOnce bounds the pixels of the photos that are decoded at the same time. A pixel takes up to 12 bytes when a
// photo is turned, so that few large photos could otherwise take all the memory of a small machine.
const pixelsAtOnce = picture.MaxPixels

// A Loader makes and keeps thumbnails. All of its methods may be called from any goroutine.
type Loader struct {
	side     int
	disk     *disk // Or nil.
	decoding *semaphore.Weighted
	read     func(ctx context.Context, path string) (picture.Encoded, picture.Digest, error) // picture.Read, but for tests.

	ctx     context.Context // Done when the loader is closed.
	stop    context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	queued *sync.Cond // The queue has grown, or the loader is closed.
	jobs   map[id]*job
	queue  list.List // Of the *job that have not begun, the newest first.
	memory memory
	closed bool
}

// A job is one photo that somebody waits for.
type job struct {
	key    Key
	place  *list.Element // In the queue; nil once it has begun.
	waiter map[*waiter]struct{}
}

// A waiter is one call of Load.
type waiter struct {
	done func(image.Image, error)
}

// New returns a loader whose workers run until Close.
func New(p Params) *Loader {
	ctx, stop := context.WithCancel(context.Background())
	l := &Loader{
		side:     cmp.Or(p.Side, 256),
		decoding: semaphore.NewWeighted(pixelsAtOnce),
		read:     picture.Read,
		ctx:      ctx,
		stop:     stop,
		jobs:     make(map[id]*job),
		memory:   newMemory(cmp.Or(p.MaxMemory, 128<<20)),
	}
	l.queued = sync.NewCond(&l.mu)
	if p.Dir != "" {
		log := p.Log
		if log == nil {
			log = slog.New(slog.DiscardHandler)
		}
		l.disk = newDisk(p.Dir, cmp.Or(p.MaxDisk, 512<<20), log)
		l.running.Go(func() { l.disk.tidy(ctx) })
	}
	for range cmp.Or(p.Workers, runtime.GOMAXPROCS(0)) {
		l.running.Go(l.work)
	}
	return l
}

// Close drops all requests without a call of their functions and returns when nothing runs any more, which is at most
// the time that a photo takes to be decoded. It may be called twice.
func (l *Loader) Close() {
	l.mu.Lock()
	l.closed = true
	l.queue.Init()
	l.mu.Unlock()
	l.stop()
	l.queued.Broadcast()
	l.running.Wait()
}

// Peek returns the thumbnail, an *image.RGBA, where it lies in memory. It is quick enough for the goroutine of a window.
func (l *Loader) Peek(key Key) (image.Image, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry, ok := l.memory.get(key.id())
	if !ok || entry.err != nil {
		return nil, false
	}
	return entry.img, true
}

// Load asks for the thumbnail and returns at once. The function done is called once, by a worker, with an opaque
// *image.RGBA that nobody may change, or with an error that begins with the path and holds the *picture.Error. Of the
// requests that wait, the newest is served first; requests for one photo share the work, and count as new as the newest.
//
// When cancel has returned, done is not called any more, but a call that has begun may still be at work; a photo that
// nobody waits for any more and that has not begun is dropped. After Close, nothing is called.
func (l *Loader) Load(key Key, done func(image.Image, error)) (cancel func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return func() {}
	}
	j := l.jobs[key.id()]
	switch {
	case j == nil:
		j = &job{key: key, waiter: make(map[*waiter]struct{})}
		j.place = l.queue.PushFront(j)
		l.jobs[key.id()] = j
		l.queued.Signal()
	case j.place != nil:
		l.queue.MoveToFront(j.place)
	}
	w := &waiter{done: done}
	j.waiter[w] = struct{}{}
	return func() { l.cancel(j, w) }
}

func (l *Loader) cancel(j *job, w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(j.waiter, w)
	if len(j.waiter) == 0 && j.place != nil && !l.closed {
		l.queue.Remove(j.place)
		delete(l.jobs, j.key.id())
	}
}

// work serves jobs until the loader is closed.
func (l *Loader) work() {
	for {
		l.mu.Lock()
		for l.queue.Len() == 0 && !l.closed {
			l.queued.Wait()
		}
		if l.closed {
			l.mu.Unlock()
			return
		}
		j, ok := l.queue.Remove(l.queue.Front()).(*job)
		if !ok {
			panic("thumb: the queue holds jobs only")
		}
		j.place = nil
		entry, ok := l.memory.get(j.key.id())
		l.mu.Unlock()

		keep := func() {}
		if !ok {
			entry, keep = l.thumbnail(j.key)
		}
		if l.ctx.Err() != nil {
			return // Nobody wants it any more, or it is no more than the word that it was stopped.
		}
		l.finish(j, entry)
		keep()
	}
}

// finish keeps the result in memory and hands it to all who wait.
func (l *Loader) finish(j *job, entry entry) {
	l.mu.Lock()
	delete(l.jobs, j.key.id()) // From here on, a request finds it in memory or begins a new job.
	if entry.lasting() {
		l.memory.put(j.key.id(), entry)
	}
	l.mu.Unlock()
	for {
		l.mu.Lock()
		var next *waiter
		for w := range j.waiter {
			next = w
			break
		}
		delete(j.waiter, next)
		l.mu.Unlock()
		if next == nil {
			return
		}
		if entry.err != nil {
			next.done(nil, entry.err)
		} else {
			next.done(entry.img, nil)
		}
	}
}

// thumbnail gets a thumbnail from disk or from the photo, and a function that keeps it on disk where it is new.
func (l *Loader) thumbnail(key Key) (e entry, keep func()) {
	keep = func() {}
	if l.disk != nil {
		if img := l.disk.get(key, l.side); img != nil {
			return entry{img: img}, keep
		}
	}
	img, err := l.full(l.ctx, key.Path, l.side)
	if err != nil {
		return entry{err: err}, keep
	}
	if l.disk != nil {
		keep = func() { l.disk.put(key, l.side, img) }
	}
	return entry{img: img}, keep
}

// Full reads the photo at path upright, scaled down to fit into maxSide x maxSide pixels; 0 leaves it as large as it
// is. The picture is an opaque *image.RGBA: where the photo is transparent it is on white. The error begins with the path and holds
// the *picture.Error, or is that of ctx, which is looked at between the steps.
func (l *Loader) Full(ctx context.Context, path string, maxSide int) (image.Image, error) {
	img, err := l.full(ctx, path, maxSide)
	if err != nil {
		return nil, err // Not a nil *image.RGBA.
	}
	return img, nil
}

func (l *Loader) full(ctx context.Context, path string, maxSide int) (*image.RGBA, error) {
	encoded, _, err := l.read(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	weight := min(int64(encoded.Width)*int64(encoded.Height), pixelsAtOnce)
	if err := l.decoding.Acquire(ctx, weight); err != nil {
		return nil, fmt.Errorf("waiting to decode %s: %w", path, err)
	}
	defer l.decoding.Release(weight)
	img, err := picture.Decode(encoded)
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", path, err)
	}
	return fit(img, maxSide), nil
}

// entry is a thumbnail, or the reason why there is none.
type entry struct {
	img *image.RGBA
	err error
}

// lasting reports whether the entry will be the same the next time. What the photo holds is; that it could not be read
// may pass.
func (e entry) lasting() bool {
	if e.err == nil {
		return true
	}
	var bad *picture.Error
	return errors.As(e.err, &bad) && bad.Reason != picture.Unreadable
}
