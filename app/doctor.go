package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"kaika/core/feature"
)

// finding is one thing that kaika doctor looked at.
type finding struct {
	What  string `json:"what"`
	Found string `json:"found"`
	OK    bool   `json:"ok"`
	Do    string `json:"do,omitempty"` // What to do about it, if something is missing.
}

func newDoctor(e *environment) *cobra.Command {
	var asJSON bool
	var dir string
	c := &cobra.Command{
		Use: "doctor", Short: "Say what Kaika found on this machine, and what is missing", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			findings := e.examine(c.Context(), dir)
			failed := false
			for _, f := range findings {
				failed = failed || !f.OK
				if asJSON {
					continue
				}
				mark := "ok     "
				if !f.OK {
					mark = "MISSING"
				}
				if err := e.printf("%s  %-14s %s\n", mark, f.What, f.Found); err != nil {
					return err
				}
				if f.Do != "" {
					if err := e.printf("         %-14s %s\n", "", f.Do); err != nil {
						return err
					}
				}
			}
			if asJSON {
				if err := e.printJSON(findings); err != nil {
					return err
				}
			}
			if failed {
				return errAnswered
			}
			return nil
		},
	}
	modelDirFlag(c, &dir)
	c.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return c
}

// examine looks at everything that a run needs.
func (e *environment) examine(ctx context.Context, modelDir string) []finding {
	findings := []finding{
		{What: "kaika", Found: fmt.Sprintf("%s, %s/%s, %d cores, %s", version, runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), program()), OK: true},
	}
	findings = append(findings, e.examineEngine(ctx)...)
	findings = append(findings, e.examineModels(ctx, modelDir)...)
	findings = append(findings, folderFinding("cache", cacheDir(), cacheSize()), folderFinding("models", modelsDir(), ""))
	logFinding := folderFinding("log", filepath.Dir(logPath()), "")
	logFinding.Found = logPath()
	return append(findings, logFinding, display())
}

func (e *environment) examineEngine(ctx context.Context) []finding {
	described, err := e.engine.Describe(ctx, nil)
	if err != nil {
		do := "reinstall Kaika, or run make build in its source folder"
		if library := os.Getenv(libraryVariable); library != "" {
			do = "unset " + libraryVariable + ", or let it name a libtensorflow of version 2.18"
		}
		return []finding{{What: "engine", Found: err.Error(), Do: do}}
	}
	features := strings.Join(described.GetCpuFeatures(), " ")
	if features == "" {
		features = "none that speed TensorFlow up"
	}
	return []finding{
		{What: "engine", Found: enginePath(), OK: true},
		{What: "TensorFlow", Found: described.GetTensorflowVersion() + ", " + described.GetLibraryPath(), OK: true},
		{What: "processor", Found: features, OK: true},
		{What: "devices", Found: strings.Join(described.GetDevices(), ", "), OK: true},
	}
}

func (e *environment) examineModels(ctx context.Context, dir string) []finding {
	store := e.store(dir)
	listed, err := store.List()
	if err != nil {
		return []finding{{What: "base models", Found: err.Error(), Do: "check who may read the folder"}}
	}
	var findings []finding
	usable := false
	for _, l := range listed {
		if l.Dir == "" && l.Problem == "" {
			continue
		}
		installed, err := store.Verify(ctx, l.Name)
		if err != nil {
			findings = append(findings, finding{What: "base model", Found: err.Error(), Do: "kaika models fetch " + l.Name})
			continue
		}
		usable = true
		findings = append(findings, finding{What: "base model", Found: fmt.Sprintf("%s, %s, SHA-256 %s", l.Name, installed.GraphPath, installed.Digest), OK: true})
	}
	if !usable {
		findings = append(findings, finding{What: "base model", Found: "none is on this machine", Do: "kaika models fetch efficientnet_lite0"})
	}
	return findings
}

// folderFinding tells whether a folder can be written to.
func folderFinding(what, dir, more string) finding {
	f := finding{What: what, Found: dir + more, OK: true}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return finding{What: what, Found: err.Error(), Do: "check who may write there"}
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return finding{What: what, Found: err.Error(), Do: "check who may write there, and whether the disk is full"}
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return finding{What: what, Found: err.Error(), Do: "check whether the disk is full"}
	}
	return f
}

// cacheSize tells how large the cache of features is.
func cacheSize() string {
	info, err := os.Stat(filepath.Join(cacheDir(), feature.CacheFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ", empty"
	case err != nil:
		return ", " + err.Error()
	}
	return fmt.Sprintf(", %.1f MB of features", float64(info.Size())/1e6)
}

// display tells on which screen a window would open.
func display() finding {
	f := finding{What: "display", OK: true}
	switch {
	case runtime.GOOS != "linux":
		f.Found = "the system's own"
	case os.Getenv("DISPLAY") != "":
		f.Found = "X11 " + os.Getenv("DISPLAY")
	case os.Getenv("WAYLAND_DISPLAY") != "":
		f.Found = "Wayland " + os.Getenv("WAYLAND_DISPLAY")
	default:
		f.Found = "none: commands work, a window could not open"
	}
	return f
}
