package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/adrg/xdg"

	"kaika/core/feature"
	"kaika/core/trained"
	"kaika/model"
	"kaika/model/client"
)

// Variables that a user may set.
const (
	libraryVariable = "KAIKA_LIBTENSORFLOW" // A libtensorflow of the user's own, file or folder.
	mirrorVariable  = "KAIKA_MIRROR"        // Address that takes the place of the publishers' hosts.
)

// environment is what commands share: streams, folders, the log, and the engine, which starts when it is needed.
type environment struct {
	stdin    io.Reader
	stdout   io.Writer
	terminal *terminal
	logLevel string
	// withWindow says that a window is to be shown, which must not wait for the processor.
	withWindow bool
	// withHTTP says that the program serves: the log is JSON for the system's journal, and no file that would grow for ever.
	withHTTP bool

	log     *slog.Logger
	logFile *os.File
	engine  *client.Engine
}

// Folders of the user's own; see the XDG Base Directory Specification.
func cacheDir() string   { return filepath.Join(xdg.CacheHome, "kaika") }
func modelsDir() string  { return filepath.Join(xdg.DataHome, "kaika", "models") }
func logPath() string    { return filepath.Join(xdg.StateHome, "kaika", "kaika.log") }
func programDir() string { return filepath.Dir(program()) }

// program gives the path of the program that runs, links followed.
func program() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}

// enginePath gives the path of kaika-engine: beside kaika, or where a package puts it.
func enginePath() string {
	name := "kaika-engine"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	beside := filepath.Join(programDir(), name)
	packaged := filepath.Join(programDir(), "..", "lib", "kaika", name)
	if _, err := os.Stat(beside); err != nil {
		if _, err := os.Stat(packaged); err == nil {
			return packaged
		}
	}
	return beside
}

// maxLog is the size in bytes at which the log file is begun anew; the one before is kept.
const maxLog = 5 << 20

// open sets up the log and describes the engine.
func (e *environment) open() error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(e.logLevel)); err != nil {
		return usageError{fmt.Errorf("log_level must be debug, info, warn or error, not %q", e.logLevel)}
	}
	handlers := []slog.Handler{e.terminal.handler(level)}
	if e.withHTTP {
		handlers[0] = slog.NewJSONHandler(e.terminal.out, &slog.HandlerOptions{Level: level})
	} else if f, err := openLog(logPath()); err == nil {
		e.logFile = f
		handlers = append(handlers, slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug}))
	} else {
		slog.New(handlers[0]).Info("there is no log file", "error", err)
	}
	e.log = slog.New(slog.NewMultiHandler(handlers...)).With("process", os.Getpid())
	e.engine = client.New(client.Config{
		Program: enginePath(), Library: os.Getenv(libraryVariable), CacheDir: cacheDir(), Log: e.log,
		Behind:  e.withWindow,
		Started: func(d time.Duration) { e.log.Info("TensorFlow is ready", "seconds", d.Seconds()) },
	})
	return nil
}

func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the log: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("putting the old log away: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	return f, nil
}

func (e *environment) close() error {
	var err error
	if e.engine != nil {
		err = e.engine.Close()
	}
	if e.logFile != nil {
		err = errors.Join(err, e.logFile.Close())
	}
	return err
}

// store gives the base models. dir is a folder of the user's choice that comes first, or "".
func (e *environment) store(dir string) *model.Store {
	s := &model.Store{
		Dir: modelsDir(), Cache: filepath.Join(cacheDir(), "downloads"), Mirror: os.Getenv(mirrorVariable), Log: e.log,
		Dirs: []string{filepath.Join(programDir(), "models"), filepath.Join(programDir(), "..", "lib", "kaika", "models")},
	}
	if dir != "" {
		s.Dirs = append([]string{s.Dir}, s.Dirs...)
		s.Dir = dir
	}
	return s
}

// checkPrecision refuses an arithmetic that base networks cannot compute in.
func checkPrecision(precision string) error {
	if precision != "float32" && precision != "bfloat16" {
		return usageError{fmt.Errorf("precision must be float32 or bfloat16, not %q", precision)}
	}
	return nil
}

// base gives a base network by its name, at a size in pixels or 0 for its default.
func (e *environment) base(dir, name string, size int, precision string) (*client.Base, error) {
	if err := checkPrecision(precision); err != nil {
		return nil, err
	}
	m, err := e.store(dir).Open(name)
	if err != nil {
		if errors.Is(err, model.ErrUnknown) {
			return nil, usageError{err}
		}
		return nil, err
	}
	if size, err = m.Size(size); err != nil {
		return nil, usageError{err}
	}
	return e.engine.Base(trained.BaseModel{
		Name: m.Name, SHA256: m.Digest, InputSize: size, Mean: m.Mean, Scale: m.Scale,
		Input: m.InputTensor, Bottleneck: m.BottleneckTensor, FeatureLength: m.FeatureLength, Precision: precision,
	}, m.GraphPath), nil
}

// cache opens the cache of features in a folder, or in the user's own if dir is "".
func (e *environment) cache(ctx context.Context, dir string) *feature.Cache {
	if dir == "" {
		dir = cacheDir()
	}
	return feature.OpenCache(ctx, dir, e.log)
}

// printJSON writes one JSON document to the standard output.
func (e *environment) printJSON(v any) error {
	encoder := json.NewEncoder(e.stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

// printf writes to the standard output.
func (e *environment) printf(format string, args ...any) error {
	if _, err := fmt.Fprintf(e.stdout, format, args...); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}
