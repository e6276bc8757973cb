//go:build !headless

package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/app"
	"github.com/adrg/xdg"

	_ "kaika/app/locale" // Before Fyne, see there.
	"kaika/assets"
	"kaika/core/classify"
	source "kaika/core/collect"
	"kaika/core/dataset"
	"kaika/core/experiment"
	"kaika/core/secret"
	"kaika/core/thumb"
	"kaika/core/train"
	"kaika/core/trained"
	"kaika/model"
	"kaika/ui"
	"kaika/ui/collect"
	"kaika/ui/retrain"
	"kaika/ui/settings"
)

// appID names the program to the desktop. FyneApp.toml has it, too.
const appID = "app.kaika.Kaika"

// errNoScreen says that a window cannot be shown.
var errNoScreen = errors.New("there is no screen to show the window on (DISPLAY and WAYLAND_DISPLAY are not set). The commands need none: kaika --help lists them")

// Bounds of the thumbnails.
const (
	thumbSide    = 240       // Pixels.
	thumbMemory  = 128 << 20 // Bytes in memory.
	thumbDisk    = 1 << 30   // Bytes on disk.
	thumbWorkers = 4
)

// window shows the window until it is closed or ctx is done.
func (e *environment) window(ctx context.Context) error {
	x11 := runtime.GOOS != "darwin" && runtime.GOOS != "windows"
	if x11 && os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return errNoScreen
	}
	example, err := firstExample()
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		// Most of what is alive are thumbnails, up to thumbMemory. Go would let as much garbage gather beside them before it
		// collects; half of that costs one part in a hundred of the time.
		debug.SetGCPercent(50)
	}
	a := newApp()
	a.SetIcon(fyne.NewStaticResource("icon.png", assets.Icon))
	thumbs := thumb.New(thumb.Params{
		Dir: filepath.Join(cacheDir(), "thumbnails"), Side: thumbSide, MaxMemory: thumbMemory, MaxDisk: thumbDisk,
		Workers: min(thumbWorkers, runtime.NumCPU()), Log: e.log,
	})
	kept := settings.Open(filepath.Join(xdg.ConfigHome, "kaika", "settings.json"), e.log)
	defer kept.Close()
	frame, err := ui.New(ctx, ui.Params{
		App: a, Dispatch: fyne.Do, Log: e.log, Settings: kept, Version: version,
		Trainer: trainer{e},
		OpenModel: func(ctx context.Context, dir string) (*classify.Classifier, error) {
			return classify.Open(ctx, dir, "", e.engine)
		},
		Experiments: &experiment.Store{Dir: filepath.Join(xdg.DataHome, "kaika", "runs"), Log: e.log},
		Thumbs:      thumbs,
		Secrets:     secrets(),
		Services:    e.services(),
		FetchExample: func(ctx context.Context, dir string, progress func(done, total int64)) error {
			return dataset.FetchExample(ctx, example, dir, dataset.ExampleOptions{
				CacheDir: filepath.Join(cacheDir(), "downloads"), Progress: progress,
			})
		},
		Example:  ui.Example{Name: example.Name, Licence: example.Licence, Bytes: example.Size},
		Pictures: existing(xdg.UserDirs.Pictures, xdg.UserDirs.Documents, xdg.Home),
	})
	if err != nil {
		thumbs.Close()
		return err
	}
	defer func() {
		if frame.Close() { // Otherwise the thumbnails may wait for the same drive.
			thumbs.Close()
		}
	}()
	if e.logLevel == "debug" {
		defer e.listen(ctx)()
	}
	a.Lifecycle().SetOnStarted(func() { e.log.Info("the window is there", "seconds", time.Since(started).Seconds()) })
	stop := context.AfterFunc(ctx, func() { fyne.Do(frame.Window().Close) })
	defer stop()
	frame.Window().ShowAndRun()
	return nil
}

// newApp gives Fyne's part of the program, which keeps nothing by itself.
//
// At its end, Fyne 2.7 has its preferences saved, by a function that it queues while it leaves its loop, and that loop may
// end without it: then Fyne waits for that function for good, and a program without a window stays behind. Kaika has nothing
// in those preferences (package settings), so there is nothing to queue.
func newApp() fyne.App {
	a := app.NewWithID(appID)
	if l, ok := a.Lifecycle().(interface{ SetOnStoppedHookExecuted(saves func()) }); ok {
		l.SetOnStoppedHookExecuted(nil)
	}
	return a
}

// listen asks the goroutine that draws for a sign of life all the time, and logs how long it let us wait: each wait that
// a person could notice, and at the end the longest. The result ends it.
func (e *environment) listen(ctx context.Context) (end func()) {
	const noticeable = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var longest time.Duration
		defer func() { e.log.Debug("the longest wait for the window", "seconds", longest.Seconds()) }()
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for begun := false; ; begun = true {
			asked, answered := time.Now(), make(chan struct{})
			fyne.Do(func() { close(answered) })
			select {
			case <-answered:
			case <-ctx.Done():
				return
			}
			if waited := time.Since(asked); begun { // The first sign comes when the window is there.
				if longest = max(longest, waited); waited > noticeable {
					e.log.Debug("the window kept us waiting", "seconds", waited.Seconds())
				}
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// started is when the program began, nearly.
var started = time.Now()

// services gives the services that the Collect tab searches.
func (e *environment) services() []collect.Service {
	var all []collect.Service
	for _, s := range source.Services() {
		shown := collect.Service{Service: s, FindKey: findKey(s), KeyFrom: keyVariable(s)}
		shown.Open = func(ctx context.Context, w source.Wanted) (source.Source, error) {
			if shown.FindKey != nil {
				if err := shown.FindKey(ctx); err != nil {
					return nil, err
				}
			}
			return e.search(ctx, s, w)
		}
		all = append(all, shown)
	}
	return all
}

// findKey gives what looks for the key that a service needs, nil where it needs none.
func findKey(s source.Service) func(context.Context) error {
	if !s.NeedsKey {
		return nil
	}
	return func(ctx context.Context) error {
		_, err := serviceKey(ctx, s)
		switch {
		case errors.Is(err, source.ErrNoKey):
			return fmt.Errorf("%w: %w", secret.ErrNone, err)
		case err != nil:
			return fmt.Errorf("%w: %w", collect.ErrKeyUnread, err)
		}
		return nil
	}
}

// keyVariable gives the name of the variable whose key of a service is used in place of the one that is kept, or "".
func keyVariable(s source.Service) string {
	if key := environmentKey(s); key.Key.Empty() || key.Secret.Empty() {
		return ""
	}
	return variable(s, "KEY")
}

// firstExample gives the example dataset, from the user's mirror if there is one.
func firstExample() (dataset.Example, error) {
	example := dataset.Examples()[0]
	var err error
	example.URL, err = mirrored(example.URL)
	return example, err
}

// existing gives the first of the folders that is there.
func existing(dirs ...string) string {
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	return dirs[len(dirs)-1]
}

// trainer trains for the window.
type trainer struct{ e *environment }

var _ retrain.Trainer = trainer{}

// Train implements retrain.Trainer.
func (t trainer) Train(ctx context.Context, r retrain.Request, stop <-chan struct{}, observe func(train.Event)) (*train.Report, trained.BaseModel, error) {
	base, err := t.e.base("", r.Base, r.InputSize, r.Precision)
	if err != nil {
		return nil, trained.BaseModel{}, err
	}
	cache := t.e.cache(ctx, "")
	defer cache.Close() //nolint:errcheck // What was to be kept was committed.
	report, err := t.e.retrainer(base, cache, observe, stop).Run(ctx, r.Params)
	return report, base.Base(), err
}

// Bases implements retrain.Trainer.
func (t trainer) Bases(context.Context) ([]retrain.Base, error) {
	listed, err := t.e.store("").List()
	if err != nil {
		return nil, fmt.Errorf("listing the base models: %w", err)
	}
	bases := make([]retrain.Base, 0, len(listed))
	for _, l := range listed {
		bases = append(bases, retrain.Base{
			Name: l.Name, Title: l.Title, GoodFor: l.GoodFor, Installed: l.Dir != "", Problem: l.Problem,
			InputSize: l.DefaultSize, AnySize: l.AnySize,
		})
	}
	return bases, nil
}

// FetchBase implements retrain.Trainer.
func (t trainer) FetchBase(ctx context.Context, name string, progress func(step string, done, total int64)) error {
	_, err := t.e.store("").Fetch(ctx, name, model.FetchOptions{Progress: progress})
	return err
}
