// Package server is Kaika over HTTP: pages for people, an API of its own, and that of TensorFlow Serving, on top of the
// same core as the window and the commands. It holds no state but the models that are served, the datasets in its folder
// and the job at work.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"kaika/core/inbox"
	"kaika/core/serve"
)

// Config is what a Server is made of.
type Config struct {
	Models  *serve.Models
	Loaded  <-chan struct{} // Closed when the models have been loaded with which the server starts: it is not ready before. Nil for at once.
	Version string          // Of the program.
	Log     *slog.Logger    // Nil for none.
	Metrics *Metrics        // Nil for new ones, which know nothing of the queue and the engine.
	Limits  Limits

	// Local says that the server is reached from this machine only. Then classifying needs no password.
	Local bool
	// PublicClassify says that classifying is open to everybody who reaches the server.
	PublicClassify bool
	// Auth knows who may do more; nil for nobody.
	Auth *Auth
	// TrustedProxies are those whose word on where a request comes from is taken (X-Forwarded-For).
	TrustedProxies []netip.Prefix
	// TLS has the server's certificate; nil for plain HTTP.
	TLS *tls.Config
	// Training is what datasets, trainings and their runs live on. The zero value keeps and trains none.
	Training Training
	// Received is the folder for models that are sent; "" takes none.
	Received string
	// Uploads keeps the photos that are classified; nil for none. The server does not close it.
	Uploads *inbox.Keeper
	// DrainDelay is how long a server that is to stop says that it is not ready, and answers nevertheless, so that a load
	// balancer can turn away from it.
	DrainDelay time.Duration
}

// Server answers requests. Use [New].
type Server struct {
	Config
	*learning

	handler http.Handler
	memory  *budget             // For photos.
	parses  *semaphore.Weighted // Photos whose pixels are decoded here at once.

	stopping chan struct{} // Closed when the server is about to stop: what would go on for ever ends then.
	drain    func()        // Closes it.
}

// New makes a server.
func New(c Config) (*Server, error) {
	log := slog.New(slog.DiscardHandler)
	if c.Log != nil {
		log = slog.New(identified{c.Log.Handler()})
	}
	c.Log = log
	if c.Metrics == nil {
		c.Metrics = NewMetrics(c.Version, nil)
	}
	c.Limits = c.Limits.orDefault()
	s := &Server{
		Config: c, memory: newBudget(c.Limits.InFlight), parses: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0))),
		stopping: make(chan struct{}),
	}
	s.learning = newLearning(c.Training, c.Log)
	s.datasets.clear(c.Received, ".*", leftOver) // Archives, and what was unpacked by half, of a server that was killed.
	if c.Uploads != nil {
		if err := c.Metrics.registry.Register(uploadMetrics{c.Uploads}); err != nil {
			return nil, fmt.Errorf("counting the kept photos: %w", err)
		}
	}
	s.drain = sync.OnceFunc(func() { close(s.stopping) })
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.pattern, s.handle(r))
	}
	s.handler = s.observed(s.limited(s.protected(s.found(mux))))
	return s, nil
}

// Handler gives the server's handler. The limits of connections are those of [Server.Serve].
func (s *Server) Handler() http.Handler { return s.handler }

// Draining tells whether the server is about to stop: it is not ready any more, and finishes what is in hand.
func (s *Server) Draining() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// leastDrain is how long connections are still accepted when the server is to stop: those that clients have made already would
// be broken off with what is on its way.
const leastDrain = 50 * time.Millisecond

// Serve answers what comes in until ctx is done. Then it is not ready any more, finishes what is in hand, and returns nil.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	working, cancel := context.WithCancel(context.WithoutCancel(ctx)) // Of the requests in hand.
	defer cancel()
	gate := s.limitConnections(listener)
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.Limits.HeaderTime,
		IdleTimeout:       max(s.Limits.IdleTime, s.Limits.ProxyIdleTime), // The gate has a shorter time for most.
		ConnState:         gate.changed,
		MaxHeaderBytes:    s.Limits.HeaderBytes,
		TLSConfig:         s.TLS,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: s.Limits.ClientConnections},
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return working },
	}
	failed := make(chan error, 1)
	go func() {
		if s.TLS != nil {
			failed <- server.ServeTLS(gate, "", "")
			return
		}
		failed <- server.Serve(gate)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serving at %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	s.drain()
	s.Log.InfoContext(working, "stopping: what is in hand is finished")
	select {
	case err := <-failed:
		return fmt.Errorf("serving at %s: %w", listener.Addr(), err)
	case <-time.After(max(s.DrainDelay, leastDrain)):
	}
	finish, done := context.WithTimeout(working, s.Limits.StopTime)
	defer done()
	err := server.Shutdown(finish)
	if errors.Is(err, context.DeadlineExceeded) {
		s.Log.WarnContext(working, "some requests took too long and were broken off")
		cancel()
		err = server.Close()
	}
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("stopping the server: %w", err)
	}
	return nil
}
