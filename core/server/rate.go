package server

import (
	"container/list"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets is how many clients are remembered at most; the one that was silent the longest is forgotten.
const maxBuckets = 10_000

// buckets limit how often each of many clients does something. It is safe for concurrent use.
type buckets struct {
	limit rate.Limit
	burst int
	now   func() time.Time

	mu     sync.Mutex
	recent *list.List // Of *bucket, the one that was used last in front.
	known  map[string]*list.Element
}

type bucket struct {
	client  string
	limiter *rate.Limiter
}

func newBuckets(limit rate.Limit, burst int) *buckets {
	return &buckets{limit: limit, burst: burst, now: time.Now, recent: list.New(), known: map[string]*list.Element{}}
}

// take counts once for a client. The result is how long it has to wait until it may do it again, 0 if it may now.
func (b *buckets) take(client string) time.Duration {
	limiter := b.of(client)
	now := b.now()
	r := limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now) // Who is refused does not have to wait the longer for it.
	}
	return wait
}

// of gives a client's limiter.
func (b *buckets) of(client string) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.known[client]
	if e == nil {
		if b.recent.Len() >= maxBuckets {
			oldest := b.recent.Back()
			if old, ok := b.recent.Remove(oldest).(*bucket); ok {
				delete(b.known, old.client)
			}
		}
		e = b.recent.PushFront(&bucket{client, rate.NewLimiter(b.limit, b.burst)})
		b.known[client] = e
	}
	b.recent.MoveToFront(e)
	found, _ := e.Value.(*bucket)
	return found.limiter
}

// limited refuses a client that sends too many requests.
func (s *Server) limited(next http.Handler) http.Handler {
	if s.Limits.Rate <= 0 {
		return next
	}
	clients := newBuckets(rate.Limit(s.Limits.Rate), s.Limits.Burst)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait := clients.take(household(exchangeOf(r.Context()).client)); wait > 0 {
			s.refuse(w, r, styleOf(r.URL.Path), &problem{
				status: http.StatusTooManyRequests, code: "rate", sentence: "that were too many requests in a short time: send them more slowly", retryAfter: wait,
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}
