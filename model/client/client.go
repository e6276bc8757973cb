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
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"kaika/model/enginepb"
)

// Config tells how the engine is started.
type Config struct {
	Program  string                // Path of kaika-engine.
	Library  string                // A libtensorflow of the user's own, file or folder; "" takes the one beside the program.
	CacheDir string                // Where a link to a library of the user's own may be put.
	Log      *slog.Logger          // Gets TensorFlow's chatter at level debug.
	Started  func(d time.Duration) // Called after each start, with the time that it took; may be nil.
}

// Engine is a kaika-engine that runs when it is needed. It is safe for concurrent use.
type Engine struct {
	config Config

	mu       sync.Mutex
	closed   bool
	process  *process // nil until the engine is needed, and after it died.
	restarts int

	deaths atomic.Int32 // In a row, without an answer in between.
}

// process is one run of the program.
type process struct {
	plugin   *plugin.Client
	client   enginepb.EngineClient
	lifeline *os.File
	pid      int
}

// ErrEngineDied is in the error of a call during which the engine died.
var ErrEngineDied = errors.New("the engine stopped in the middle of the work")

// New describes an engine; it starts nothing.
func New(c Config) *Engine {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{config: c}
}

// Close ends the engine. Calls that are under way fail.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if e.process != nil {
		e.process.end()
		e.process = nil
	}
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

// running gives the process, which it starts if none runs.
func (e *Engine) running(ctx context.Context) (*process, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err //nolint:wrapcheck // a cancelled call needs no words.
	}
	if e.closed {
		return nil, errors.New("the engine was closed")
	}
	if e.process != nil && !e.process.plugin.Exited() {
		return e.process, nil
	}
	if e.process != nil {
		e.process.end()
		e.process = nil
		e.restarts++
	}
	began := time.Now()
	p, err := e.start(ctx)
	if err != nil {
		return nil, err
	}
	e.process = p
	if e.config.Started != nil {
		e.config.Started(time.Since(began))
	}
	return p, nil
}

// dead forgets a process that does not answer any more.
func (e *Engine) dead(p *process) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.process == p {
		p.end()
		e.process = nil
		e.restarts++
	}
}

func (e *Engine) start(ctx context.Context) (*process, error) {
	if _, err := os.Stat(e.config.Program); err != nil {
		return nil, fmt.Errorf("the engine's program is missing: %w. Reinstall Kaika, or run make build", err)
	}
	// The engine outlives no call's context: it serves many calls.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), e.config.Program) //nolint:gosec // the program beside our own.
	cmd.Env = append(os.Environ(), enginepb.LifelineEnv+"=1")
	if e.config.Library != "" {
		folder, err := libraryFolder(e.config.Library, e.config.CacheDir)
		if err != nil {
			return nil, err
		}
		variable := libraryPathVariable()
		cmd.Env = append(cmd.Env, variable+"="+folder+string(filepath.ListSeparator)+os.Getenv(variable))
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting the engine: %w", err)
	}
	cmd.ExtraFiles = []*os.File{read} // Becomes enginepb.LifelineFD.
	ownGroup(cmd)
	last := &tail{}
	p := &process{lifeline: write}
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
		return nil, fmt.Errorf("the engine could not be started: %w%s", err, last.words())
	}
	dispensed, err := rpc.Dispense(enginepb.PluginName)
	if err != nil {
		p.end()
		return nil, fmt.Errorf("the engine could not be started: %w", err)
	}
	client, ok := dispensed.(enginepb.EngineClient)
	if !ok {
		p.end()
		return nil, errors.New("the engine's program is not Kaika's engine: reinstall Kaika")
	}
	p.client, p.pid = client, cmd.Process.Pid
	e.config.Log.Debug("engine started", "pid", p.pid)
	return p, nil
}

func (p *process) end() {
	p.plugin.Kill()
	_ = p.lifeline.Close() // Nothing was written.
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
		return none, ctx.Err() //nolint:wrapcheck // a cancelled call needs no words.
	}
	if status.Code(err) == codes.Unavailable || p.plugin.Exited() {
		e.dead(p)
		e.config.Log.Warn("engine died", "pid", p.pid, "error", err)
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

// words gives the text to be put behind an error.
func (t *tail) words() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(bytes.TrimSpace(t.text)) == 0 {
		return ""
	}
	return "\n" + string(bytes.TrimSpace(t.text))
}
