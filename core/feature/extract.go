package feature

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"kaika/core/picture"
)

// Job is a photo file and the views of it that are wanted.
type Job struct {
	Path   string
	Digest picture.Digest // Of the file's bytes, if an earlier Extract has told it; otherwise zero.
	Views  []View         // At least one; View{} is the photo itself.
}

// Result is the answer to one job.
type Result struct {
	Digest  picture.Digest
	Vectors [][]float32 // One a view, each of the embedder's length; nil if Err is set.
	Err     error       // Why the photo cannot be used: a *picture.Error, or the embedder's reason.
}

// Progress tells how far an extraction is.
type Progress struct {
	Done, Total int // Photos.
	Cached      int // Photos among those done that did not pass through the network again.
	Bad         int // Photos among those done that cannot be used.
}

// Extractor computes the features of files.
type Extractor struct {
	Embedder Embedder
	Cache    *Cache
	Progress func(Progress) // Called after each photo, from one goroutine at a time; may be nil.
}

// How much is handed to the embedder at once, and how many such requests are under way, so that it is never idle while
// photos are read. Memory is bounded by it, however many photos there are.
const (
	requestPhotos = 64
	requestBytes  = 16 << 20
	requests      = 2
)

// unread is a photo that the cache could not answer for.
type unread struct {
	job     int
	encoded picture.Encoded
	file    file
	missing []int // Indices of its views without a vector.
}

// Extract answers every job, in their order. Files that the cache knows are not read. A photo that cannot be used gets
// an error and stops nothing; the error of the call is that of the embedder, or ctx's. What was computed until then is
// kept in the cache.
func (x *Extractor) Extract(ctx context.Context, jobs []Job) ([]Result, error) {
	results := make([]Result, len(jobs))
	todo := make(chan unread)
	finished := make(chan func(*Progress), 64)
	group, gctx := errgroup.WithContext(ctx)

	readers, rctx := errgroup.WithContext(gctx)
	var next atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		readers.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(jobs) || rctx.Err() != nil {
					return rctx.Err()
				}
				u, known := x.look(rctx, i, jobs[i], &results[i])
				if rctx.Err() != nil {
					continue // The photo is not to blame.
				}
				if known {
					cached := results[i].Err == nil
					finished <- func(p *Progress) { p.count(results[i], cached) }
					continue
				}
				select {
				case todo <- u:
				case <-rctx.Done():
				}
			}
		})
	}
	group.Go(func() error {
		defer close(todo)
		return readers.Wait()
	})
	for range requests {
		group.Go(func() error { return x.embedAll(gctx, jobs, results, todo, finished) })
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		p := Progress{Total: len(jobs)}
		for count := range finished {
			count(&p)
			if x.Progress != nil {
				x.Progress(p)
			}
		}
	}()
	err := group.Wait()
	close(finished)
	<-told
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return results, err
}

func (p *Progress) count(r Result, cached bool) {
	p.Done++
	if r.Err != nil {
		p.Bad++
	} else if cached {
		p.Cached++
	}
}

// look answers a job from the cache, or reads the photo.
func (x *Extractor) look(ctx context.Context, i int, job Job, r *Result) (u unread, known bool) {
	path, err := filepath.Abs(job.Path)
	if err != nil {
		path = job.Path
	}
	info, err := os.Stat(path)
	if err == nil {
		digest, found := job.Digest, job.Digest != picture.Digest{}
		if !found {
			digest, found = x.Cache.digest(ctx, path, info)
		}
		if found {
			r.Digest = digest
			if len(x.cached(ctx, job, r)) == 0 {
				return u, true
			}
		}
	}
	encoded, digest, err := picture.Read(ctx, job.Path)
	r.Digest = digest
	if err == nil && job.Digest != (picture.Digest{}) && job.Digest != digest {
		err = errors.New("was changed by another program in the middle of the work: run again")
	}
	if err != nil {
		r.Err, r.Vectors = err, nil
		return u, true
	}
	u = unread{job: i, encoded: encoded, missing: x.cached(ctx, job, r)}
	if info != nil {
		u.file = file{path, info, digest}
	}
	if len(u.missing) == 0 {
		// The photo was moved or copied: only the file is new.
		x.Cache.keep(ctx, x.Embedder.Space(), nil, []file{u.file})
		return u, true
	}
	return u, false
}

// cached fills in the vectors that the cache has and gives the indices of the others.
func (x *Extractor) cached(ctx context.Context, job Job, r *Result) (missing []int) {
	r.Vectors = make([][]float32, len(job.Views))
	for v, view := range job.Views {
		values, found := x.Cache.vector(ctx, x.Embedder.Space(), r.Digest, view, x.Embedder.Length())
		if !found {
			missing = append(missing, v)
			continue
		}
		r.Vectors[v] = values
	}
	return missing
}

// embedAll takes photos until there are none, and embeds them in requests of bounded size.
func (x *Extractor) embedAll(ctx context.Context, jobs []Job, results []Result, todo <-chan unread, finished chan<- func(*Progress)) error {
	for {
		var batch []unread
		photos, size := 0, 0
		for photos < requestPhotos && size < requestBytes {
			u, ok := <-todo
			if !ok {
				break
			}
			batch = append(batch, u)
			photos += len(u.missing)
			size += len(u.missing) * len(u.encoded.Data)
		}
		if len(batch) == 0 {
			return ctx.Err()
		}
		if err := x.embed(ctx, jobs, results, batch); err != nil {
			return err
		}
		for _, u := range batch {
			r := results[u.job]
			finished <- func(p *Progress) { p.count(r, false) }
		}
	}
}

// embed has a batch embedded and keeps what comes of it.
func (x *Extractor) embed(ctx context.Context, jobs []Job, results []Result, batch []unread) error {
	var photos []Photo
	for _, u := range batch {
		for _, v := range u.missing {
			photos = append(photos, Photo{u.encoded, jobs[u.job].Views[v]})
		}
	}
	vectors, err := x.request(ctx, photos)
	if err != nil {
		return err
	}
	var entries []entry
	var files []file
	for _, u := range batch {
		r := &results[u.job]
		for _, v := range u.missing {
			if vectors[0].Err != nil {
				r.Err = vectors[0].Err
			} else {
				r.Vectors[v] = vectors[0].Values
				entries = append(entries, entry{r.Digest, jobs[u.job].Views[v], vectors[0].Values})
			}
			vectors = vectors[1:]
		}
		if r.Err != nil {
			r.Vectors = nil
			continue
		}
		if u.file.info != nil {
			files = append(files, u.file)
		}
	}
	x.Cache.keep(ctx, x.Embedder.Space(), entries, files)
	return nil
}

// request embeds photos, in several requests where the last photo of a batch, or its many views, are too much for one.
func (x *Extractor) request(ctx context.Context, photos []Photo) ([]Vector, error) {
	var vectors []Vector
	for len(photos) > 0 {
		n, size := 1, len(photos[0].Data)
		for n < min(len(photos), requestPhotos) && size+len(photos[n].Data) <= requestBytes {
			size += len(photos[n].Data)
			n++
		}
		some, err := x.Embedder.Embed(ctx, photos[:n])
		if err != nil {
			return nil, err
		}
		if len(some) != n {
			return nil, fmt.Errorf("the embedder gave %d vectors for %d photos", len(some), n)
		}
		for _, v := range some {
			if v.Err == nil && len(v.Values) != x.Embedder.Length() {
				return nil, fmt.Errorf("the embedder gave %d features instead of %d", len(v.Values), x.Embedder.Length())
			}
		}
		vectors = append(vectors, some...)
		photos = photos[n:]
	}
	return vectors, nil
}
