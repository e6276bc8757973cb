package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"
	"golang.org/x/sys/cpu"

	"kaika/model/enginepb"
)

// length gives the length of a network's vectors, found by running it over a grey square.
func (n *network) length(ctx context.Context) (int, error) {
	var grey bytes.Buffer
	if err := png.Encode(&grey, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		return 0, fmt.Errorf("drawing a test picture: %w", err)
	}
	vectors, err := n.run(ctx, []*enginepb.Picture{{Data: grey.Bytes()}}, 1)
	if err != nil {
		return 0, err
	}
	if text := vectors[0].GetError(); text != "" {
		return 0, fmt.Errorf("the test picture %s", text)
	}
	return len(vectors[0].GetValues()), nil
}

// devices lists what TensorFlow can compute on.
func devices() ([]string, error) {
	options, err := options(config())
	if err != nil {
		return nil, err
	}
	session, err := tf.NewSession(tf.NewGraph(), options)
	if err != nil {
		return nil, fmt.Errorf("starting TensorFlow: %w", err)
	}
	listed, err := session.ListDevices()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("asking TensorFlow for its devices: %w", err), session.Close())
	}
	var names []string
	for _, d := range listed {
		names = append(names, d.Type)
	}
	if err := session.Close(); err != nil {
		return nil, fmt.Errorf("closing TensorFlow's session: %w", err)
	}
	return names, nil
}

// libraryPath tells from which file the library was loaded, "" where the system does not say.
func libraryPath() string {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return ""
	}
	return libraryIn(string(maps))
}

// libraryIn finds the library in the list of a process's memory, see proc_pid_maps(5).
func libraryIn(maps string) string {
	for line := range strings.Lines(maps) {
		at := strings.Index(line, "/") // All before the path is numbers.
		if at < 0 {
			continue
		}
		path := strings.TrimSuffix(line[at:], "\n")
		if name := filepath.Base(path); strings.HasPrefix(name, "libtensorflow") && !strings.Contains(name, "framework") {
			return path
		}
	}
	return ""
}

// cpuFeatures lists the instruction sets of this processor that TensorFlow and oneDNN have code for.
func cpuFeatures() []string {
	var names []string
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"SSE4.2", cpu.X86.HasSSE42},
		{"AVX", cpu.X86.HasAVX},
		{"AVX2", cpu.X86.HasAVX2},
		{"FMA", cpu.X86.HasFMA},
		{"AVX512F", cpu.X86.HasAVX512F},
		{"AVX512_VNNI", cpu.X86.HasAVX512VNNI},
		{"AVX512_BF16", cpu.X86.HasAVX512BF16},
		{"AMX_BF16", cpu.X86.HasAMXBF16},
		{"ASIMD", runtime.GOARCH == "arm64" && (cpu.ARM64.HasASIMD || runtime.GOOS == "darwin")},
	} {
		if f.has {
			names = append(names, f.name)
		}
	}
	return names
}
