// Package serve keeps trained models ready to answer, under names and versions, and hands photos that come one by one to
// the engine in batches.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"kaika/core/classify"
	"kaika/core/picture"
	"kaika/core/trained"
)

// What errors of this package are.
var (
	ErrName      = errors.New("not a name for a model")
	ErrNoModel   = errors.New("no such model")
	ErrNoVersion = errors.New("no such version")
	ErrGiven     = errors.New("the model was given when the server was started")
	ErrClosed    = errors.New("the server is stopping")
	ErrGone      = errors.New("the files of the model were removed or changed")
)

// BusyError says that as many photos wait already as may.
type BusyError struct {
	// RetryAfter is when there will be room if nobody else comes, by the speed measured of late: 1 second to 1 minute.
	RetryAfter time.Duration
}

// Error tells when to come again.
func (e *BusyError) Error() string {
	return fmt.Sprintf("there is more to do than can be done at once: try again in %.0f s", math.Ceil(e.RetryAfter.Seconds()))
}

// An Observer is told how the work goes, for metrics. Its methods are called with a lock held: they must return at once
// and must not call this package.
type Observer interface {
	// Batch is called after each batch: how many photos it had, how long the first of them had waited for its turn, and
	// how long the engine took.
	Batch(photos int, waited, took time.Duration)
	// Queue is called when the number of photos that wait for their turn has changed.
	Queue(photos int)
}

// Config tells how models are served.
type Config struct {
	// Open opens a model folder and checks it by its golden pictures: [classify.Open] in the program.
	Open func(ctx context.Context, dir string) (*classify.Classifier, error)
	// State is the file that remembers which versions of which models there are and which is active; "" for none. No two
	// programs may have the same.
	State string
	Log   *slog.Logger

	MaxQueue      int   // Photos that wait at most, over all models; 0 means 256.
	MaxQueueBytes int64 // Bytes of photos that wait at most; 0 means 256 MiB.

	Observe Observer // May be nil.
}

// Models are trained models that are ready to answer. Each has versions, of which one is active: it answers whoever asks
// for no certain one. Its methods may be called from several goroutines at once; changes are made one after another.
//
// Two versions of a model are loaded: the active one, and the one that [Models.RollBack] would go to if that is sound.
// The others are listed, and take no memory. A folder of a listed version must stay where it is; if another model is put
// into it, the old version is never again loaded, and its answers do not become those of the new one.
type Models struct {
	config   Config
	queue    *queue
	changing chan struct{} // Holds a value while a change is made.

	mu      sync.RWMutex
	closed  bool
	entries []*entry           // In the order in which they came. An entry is never changed, but replaced.
	loading map[string]loading // What is being opened, by the name of the model.

	records []record // The content of State. Who makes a change may use it.

	work sync.WaitGroup // Calls that are under way.
}

// Model is a version of a model that was checked and is ready. Whoever has it keeps it to the end, whatever is activated
// meanwhile.
type Model struct {
	Name    string
	Version int // From 1.
	*classify.Classifier

	models *Models
	users  atomic.Int64 // Calls of Classify that are under way.
	lost   atomic.Bool  // Its graph was not what it had been when somebody looked last.
	look   sync.Mutex   // Held while somebody looks: it is a large file.
}

// The states of a version, as TensorFlow Serving names them.
const (
	StateLoading   = "LOADING"   // It is being loaded and checked.
	StateAvailable = "AVAILABLE" // It answers.
	StateUnloading = "UNLOADING" // It takes no more requests, and answers those that it has.
	StateEnd       = "END"       // It is not loaded, or cannot be: then there is an error.
)

// Status tells about a model.
type Status struct {
	Name     string
	Active   int             // The active version; 0 if there is none.
	Before   int             // The version that RollBack would go to; 0 if there is none.
	Versions []VersionStatus // In the order of their numbers.
}

// VersionStatus tells about a version of a model.
type VersionStatus struct {
	Version int
	Dir     string // The model folder, an absolute path.
	State   string
	Err     error // Why it could not be loaded when that was tried last.

	// Labels and Created are the model's; none for a version that was not loaded yet.
	Labels  []string
	Created time.Time
}

// New gives Models that serve nothing yet, and reads State. A damaged State is put aside and the log is told.
func New(c Config) *Models {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	m := &Models{config: c, changing: make(chan struct{}, 1), loading: map[string]loading{}}
	m.queue = newQueue(c.MaxQueue, c.MaxQueueBytes, c.Observe)
	m.records = m.readState()
	return m
}

// CheckName tells whether a model may have a name: 1 to 100 bytes of UTF-8 without slash, backslash, colon and control
// characters, which does not begin with a dot. The error wraps ErrName.
func CheckName(name string) error {
	switch {
	case name == "" || len(name) > 100 || !utf8.ValidString(name),
		strings.ContainsAny(name, `/\:`) || strings.HasPrefix(name, "."),
		strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%q is %w: take letters, digits, spaces, - and _", name, ErrName)
	}
	return nil
}

// Get gives a loaded version of a model, or the active one for version 0. The name "" stands for the model that was
// served first, of those that have a loaded version if any has. The error is ErrNoModel, or ErrNoVersion if the version is unknown or not loaded.
func (m *Models) Get(name string, version int) (*Model, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e := m.entry(name)
	if name == "" && len(m.entries) > 0 {
		e = m.entries[max(0, slices.IndexFunc(m.entries, func(e *entry) bool { return e.active != 0 }))]
	}
	if e == nil {
		if name == "" {
			return nil, fmt.Errorf("%w: none is served", ErrNoModel)
		}
		return nil, fmt.Errorf("%w: %q", ErrNoModel, name)
	}
	if version == 0 {
		if version = e.active; version == 0 {
			return nil, fmt.Errorf("%w: none of %q could be loaded", ErrNoVersion, e.name)
		}
	}
	v := e.version(version)
	switch {
	case v == nil:
		return nil, fmt.Errorf("%w: %d of %q", ErrNoVersion, version, e.name)
	case !v.loaded:
		return nil, fmt.Errorf("%w: %d of %q is not loaded", ErrNoVersion, version, e.name)
	}
	return v.model, nil
}

// List tells about all models, in the order in which they came.
func (m *Models) List() []Status {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var all []Status
	for _, e := range m.entries {
		all = append(all, e.status(m.loading[e.name]))
	}
	return all
}

// Ready tells whether a model can answer, and each that Serve was asked for. One that was only activated and could not be
// loaded again is not waited for: the others answer.
func (m *Models) Ready() bool {
	m.mu.RLock()
	ready := !m.closed && slices.ContainsFunc(m.entries, func(e *entry) bool { return e.active != 0 })
	var doubtful []*Model
	for _, e := range m.entries {
		v := e.version(e.active)
		if v == nil && e.added {
			continue
		}
		if ready = ready && v != nil; ready && v.model.lost.Load() {
			doubtful = append(doubtful, v.model)
		}
	}
	m.mu.RUnlock()
	return ready && !slices.ContainsFunc(doubtful, (*Model).gone)
}

// Close takes no more requests and waits for those that are in hand, also for those that wait for their turn. Their own
// contexts can end them.
func (m *Models) Close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.work.Wait()
	m.queue.wait()
}

// begin notes that a call is under way, which ends with m.work.Done.
func (m *Models) begin() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return ErrClosed
	}
	m.work.Add(1)
	return nil
}

// Classify answers for pictures, in their order, together with what else is asked for at the same time. The answers bear
// no file.
//
// An idle engine gets a photo at once; what comes while it is busy is gathered into batches. Each request has its turn,
// one photo at a time, so one of a thousand photos does not hold up one of a single photo. A request is counted as at
// most a quarter of the queue, so that also one that is larger than the queue is taken.
//
// The error is a [*BusyError], ErrClosed, that of ctx, ErrGone, or one of the engine, which wraps [classify.ErrUnavailable] if
// the same request may well succeed later. A photo that cannot be used is no error but an answer.
func (m *Model) Classify(ctx context.Context, pictures []picture.Encoded) ([]classify.Answer, error) {
	if err := m.models.begin(); err != nil {
		return nil, err
	}
	defer m.models.work.Done()
	m.users.Add(1)
	defer m.users.Add(-1)
	answers, err := m.models.queue.do(ctx, m, pictures)
	var busy *BusyError
	if err == nil {
		m.lost.Store(false)
	}
	if err == nil || ctx.Err() != nil || errors.As(err, &busy) || errors.Is(err, classify.ErrUnavailable) {
		return answers, err
	}
	if m.gone() { // An engine that was started again looks for it.
		err = fmt.Errorf("%w: %w", ErrGone, err)
	}
	return nil, err
}

// gone tells whether the graph is not there any more, or another than it was, and notes that.
func (m *Model) gone() bool {
	m.look.Lock()
	defer m.look.Unlock()
	data, err := os.ReadFile(m.GraphPath)
	gone := err != nil || m.Graph.SHA256 != "" && trained.DigestBytes(data) != m.Graph.SHA256
	m.lost.Store(gone)
	return gone
}
