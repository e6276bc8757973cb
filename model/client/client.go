// Package client starts kaika-engine when it is first needed, watches it, starts it again when it dies, and speaks to
// it. It gives the core its embedder, trainer, exporter and classifier.
package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"kaika/core/classify"
	"kaika/model/enginepb"
)

// Config tells how the engine is started.
type Config struct {
	Program  string                // Path of kaika-engine.
	Library  string                // A libtensorflow of the user's own, file or folder; "" takes the one beside the program.
	CacheDir string                // Where a link to a library of the user's own may be put.
	Log      *slog.Logger          // Gets TensorFlow's chatter at level debug.
	Started  func(d time.Duration) // Called after each start, with the time that it took; may be nil.
	Behind   bool                  // The engine gives way to other programs, such as the window that waits for it.
}

// Engine is a kaika-engine that runs when it is needed. It is safe for concurrent use.
type Engine struct {
	config Config

	starts singleflight.Group
	turns  *semaphore.Weighted // See survive.

	mu       sync.Mutex
	closed   bool
	process  *process           // nil until the engine is needed, and after it died.
	kill     context.CancelFunc // Ends the program that was started last, at once; nil if none was.
	restarts int
	deaths   int // In a row, without an answer in between.
}

// process is one run of the program.
type process struct {
	plugin   *plugin.Client
	client   enginepb.EngineClient
	kill     context.CancelFunc // Ends the program at once.
	lifeline *os.File
	folder   string // Holds the socket.
	pid      int
}

// unavailableError is an error of the engine itself, whatever it was asked. It is [classify.ErrUnavailable].
type unavailableError struct{ error }

func (e unavailableError) Unwrap() error        { return e.error }
func (e unavailableError) Is(target error) bool { return target == classify.ErrUnavailable }

// ErrEngineDied is in the error of a call during which the engine died.
var ErrEngineDied error = unavailableError{errors.New("the engine stopped in the middle of the work")}

// New describes an engine; it starts nothing.
func New(c Config) *Engine {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{config: c, turns: semaphore.NewWeighted(everyTurn)}
}

// Close ends the engine. Calls that are under way fail.
func (e *Engine) Close() error {
	e.mu.Lock()
	p, kill := e.process, e.kill
	e.closed, e.process = true, nil
	e.mu.Unlock()
	if p != nil {
		p.end()
	}
	if kill != nil {
		kill() // It may be that one is being started: that ends now, and is waited for.
	}
	_, _, _ = e.starts.Do("", func() (any, error) { return nil, errClosed })
	return nil
}

// PID gives the engine's process, 0 when none runs.
func (e *Engine) PID() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.process == nil {
		return 0
	}
	return e.process.pid
}

// Restarts tells how often the engine was started again after it had died.
func (e *Engine) Restarts() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.restarts
}

// running gives the process, which it starts if none runs. Nobody has to wait for that whose context is done.
func (e *Engine) running(ctx context.Context) (*process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p, err := e.alive(); p != nil || err != nil {
		return p, err
	}
	started := e.starts.DoChan("", func() (any, error) { return e.restart(context.WithoutCancel(ctx)) })
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case s := <-started:
		if s.Err != nil {
			return nil, s.Err
		}
		p, _ := s.Val.(*process)
		return p, nil
	}
}

var errClosed error = unavailableError{errors.New("the engine was closed")}

// alive gives the process, nil if none runs.
func (e *Engine) alive() (*process, error) {
	e.mu.Lock()
	p, closed := e.process, e.closed
	e.mu.Unlock()
	switch {
	case closed:
		return nil, errClosed
	case p == nil || !p.plugin.Exited():
		return p, nil
	}
	e.dead(p, errors.New("its process is gone"))
	return nil, nil
}

// restart starts a process, unless one was started in the meantime.
func (e *Engine) restart(ctx context.Context) (*process, error) {
	if p, err := e.alive(); p != nil || err != nil {
		return p, err
	}
	began := time.Now()
	ctx, kill := context.WithCancel(ctx)
	e.mu.Lock()
	e.kill = kill
	e.mu.Unlock()
	p, err := e.start(ctx, kill)
	e.mu.Lock()
	closed := e.closed
	if !closed {
		e.process = p
	}
	e.mu.Unlock()
	switch {
	case closed && p != nil:
		p.end()
		return nil, errClosed
	case closed:
		return nil, errClosed
	case err != nil:
		kill()
		return nil, unavailableError{err}
	}
	if e.config.Started != nil {
		e.config.Started(time.Since(began))
	}
	return p, nil
}

// dead forgets a process that does not answer any more. Calls that it served together say so once.
func (e *Engine) dead(p *process, why error) {
	e.mu.Lock()
	known := e.process == p
	if known {
		e.process = nil
		e.restarts++
		e.deaths++
	}
	e.mu.Unlock()
	if known {
		p.end()
		e.config.Log.Warn("TensorFlow's process ended in the middle of the work; it is started again when it is needed")
		e.config.Log.Debug("the engine died", "pid", p.pid, "error", why)
	}
}

// forgot tells whether another call has found a process dead, and has closed the connection to it.
func (e *Engine) forgot(p *process) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.process != p
}

// answered notes that the engine did what it was asked.
func (e *Engine) answered() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deaths = 0
}

// died tells how often the engine died since it last did what it was asked.
func (e *Engine) died() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.deaths
}

// start starts a process, whose program ends with ctx. The function kill ends ctx.
func (e *Engine) start(ctx context.Context, kill context.CancelFunc) (*process, error) {
	if _, err := os.Stat(e.config.Program); err != nil {
		return nil, fmt.Errorf("the engine's program is missing: %w. Reinstall Kaika, or run make build", err)
	}
	cmd := exec.CommandContext(ctx, e.config.Program) //nolint:gosec // the program beside our own.
	cmd.Env = append(os.Environ(), enginepb.LifelineEnv+"=1")
	if e.config.Library != "" {
		folder, err := libraryFolder(e.config.Library, e.config.CacheDir)
		if err != nil {
			return nil, err
		}
		variable := libraryPathVariable()
		if others := os.Getenv(variable); others != "" { // Nothing between two separators would mean the working directory.
			folder += string(filepath.ListSeparator) + others
		}
		cmd.Env = append(cmd.Env, variable+"="+folder)
	}
	// A folder that only this user can enter, and that goes when the engine does, however it ends.
	folder, err := os.MkdirTemp("", "kaika-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the engine's socket: %w", err)
	}
	cmd.Env = append(cmd.Env, plugin.EnvUnixSocketDir+"="+folder)
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting the engine: %w", errors.Join(err, os.Remove(folder)))
	}
	cmd.ExtraFiles = []*os.File{read} // Becomes enginepb.LifelineFD.
	ownGroup(cmd)
	last := &tail{}
	p := &process{kill: kill, lifeline: write, folder: folder}
	p.plugin = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  enginepb.Handshake(),
		Plugins:          plugin.PluginSet{enginepb.PluginName: &enginepb.Plugin{}},
		Cmd:              cmd,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		StartTimeout:     2 * time.Minute, // A cold disk has to read 500 MB.
		Stderr:           io.MultiWriter(&lineLogger{log: e.config.Log}, last),
		Logger:           hclog.New(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off}),
		SkipHostEnv:      true, // Cmd.Env has it already.
	})
	rpc, err := p.plugin.Client()
	_ = read.Close() // The child has its own copy; nothing was written.
	if err != nil {
		p.end()
		e.config.Log.Debug("engine did not start", "error", err)
		return nil, notStarted(err, last.words())
	}
	dispensed, err := rpc.Dispense(enginepb.PluginName)
	if err != nil {
		p.end()
		return nil, notStarted(err, "")
	}
	client, ok := dispensed.(enginepb.EngineClient)
	if !ok {
		p.end()
		return nil, errors.New("the engine's program is not Kaika's engine: reinstall Kaika")
	}
	p.client, p.pid = client, cmd.Process.Pid
	if e.config.Behind {
		if err := giveWay(p.pid); err != nil {
			e.config.Log.Debug("the engine does not give way to other programs", "error", err)
		}
	}
	e.config.Log.Debug("engine started", "pid", p.pid)
	return p, nil
}

// notStarted says why the program did not start: in its own words, which tell for example that a library is missing, or
// else in the first line of go-plugin's.
func notStarted(err error, words string) error {
	if words == "" {
		words, _, _ = strings.Cut(err.Error(), "\n")
	}
	return fmt.Errorf("the engine could not be started: %s. What it needs, kaika doctor tells", strings.TrimRight(words, ". "))
}

// patient is how long the engine may take to end when it is asked to.
const patient = 5 * time.Second

func (p *process) end() {
	enough := time.AfterFunc(patient, p.kill)
	p.plugin.Kill()
	enough.Stop()
	p.kill()
	_ = p.lifeline.Close()     // Nothing was written.
	_ = os.RemoveAll(p.folder) // The engine may have done it.
}

// call makes one call. When the engine dies under it, the error is ErrEngineDied and the next call starts it again.
func call[T any](ctx context.Context, e *Engine, do func(context.Context, enginepb.EngineClient) (T, error)) (T, error) {
	var none T
	p, err := e.running(ctx)
	if err != nil {
		return none, err
	}
	answer, err := do(ctx, p.client)
	if err == nil {
		return answer, nil
	}
	if ctx.Err() != nil {
		return none, ctx.Err()
	}
	if status.Code(err) == codes.DeadlineExceeded {
		return none, context.DeadlineExceeded // The engine's clock may be ahead of ours by a little.
	}
	if status.Code(err) == codes.Unavailable || p.plugin.Exited() || e.forgot(p) {
		e.dead(p, err)
		return none, ErrEngineDied
	}
	if s, ok := status.FromError(err); ok {
		return none, errors.New(s.Message())
	}
	return none, err
}

// lineLogger logs what the engine writes to its standard error, a line at a time.
type lineLogger struct {
	log  *slog.Logger
	rest []byte
}

func (l *lineLogger) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.log.Debug("engine", "says", string(line))
		l.rest = rest
	}
}

// tailSize is how many bytes a tail keeps.
const tailSize = 2000

// tail keeps the end of what the engine said, for the error when it does not start.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-tailSize):]
	return len(p), nil
}

// words gives the text without space around it.
func (t *tail) words() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}
