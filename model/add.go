package model

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Engine is what [Store.Add] needs of kaika-engine.
type Engine interface {
	// Freeze reads the SavedModel in a folder and turns its variables into constants. input and bottleneck are tensor names or
	// keys of the signature serving_default; "" stands for the only one there is.
	Freeze(ctx context.Context, savedModel, input, bottleneck string) (Frozen, error)
	// FeatureLength runs the network over a test picture, at its default size, and counts the numbers that come out.
	FeatureLength(ctx context.Context, graphPath string, b Base) (int, error)
}

// Frozen is a graph whose variables have become constants.
type Frozen struct {
	Graph                         []byte // A serialised GraphDef.
	InputTensor, BottleneckTensor string
}

// maxGraph bounds the size in bytes of a graph: protocol buffers end there.
const maxGraph = 2<<30 - 1

// Add installs a network of the user's own under b.Name: a frozen graph (.pb) or the folder of a SavedModel, which is frozen. The
// description needs input_size, mean and scale; for a graph the two tensors as well, for a SavedModel they may be keys of its
// signature, or be left out where it has just one.
//
// The engine runs the network once, which tells the feature length, or proves the description wrong. It may be nil: then the
// description has to give feature_length, and only graphs can be added.
func (s *Store) Add(ctx context.Context, path string, b Base, engine Engine) (Installed, error) {
	b.Source, b.Digest = Source{}, ""
	if b.DefaultSize == 0 {
		b.DefaultSize = b.InputSize
	}
	if err := s.vacant(b.Name); err != nil {
		return Installed{}, err
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return Installed{}, fmt.Errorf("finding the network: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return Installed{}, fmt.Errorf("finding the network: %w", err)
	}
	if !info.IsDir() && (!info.Mode().IsRegular() || info.Size() > maxGraph) {
		return Installed{}, fmt.Errorf("%s is no file of up to 2 GB, as a frozen graph is", path)
	}
	if s.Dir == "" {
		return Installed{}, errors.New("no folder was named to keep base models in")
	}
	made := record{Base: b, Origin: path, AddedAt: time.Now().UTC().Truncate(time.Second)}
	installed, err := s.install(ctx, made, func(dir string, b *Base) error {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("making room for the graph: %w", err)
		}
		staged := filepath.Join(dir, graphFile)
		if info.IsDir() {
			if err := freeze(ctx, path, staged, b, engine); err != nil {
				return err
			}
		} else {
			if err := validate(*b); err != nil {
				return err
			}
			if err := copyGraph(ctx, path, staged, *b); err != nil {
				return err
			}
		}
		return measure(ctx, staged, b, engine)
	})
	if err != nil {
		return Installed{}, fmt.Errorf("adding %s: %w", path, err)
	}
	return installed, nil
}

// vacant says whether a name is free.
func (s *Store) vacant(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if _, err := s.find(name); err == nil {
		return fmt.Errorf("%s is the name of a base model of the catalogue: choose another", name)
	}
	for _, dir := range s.dirs() {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is a base model %s in %s: choose another name, or remove that folder", name, dir)
		}
	}
	return nil
}

func freeze(ctx context.Context, savedModel, to string, b *Base, engine Engine) error {
	if _, err := os.Stat(filepath.Join(savedModel, "saved_model.pb")); err != nil {
		return fmt.Errorf("the folder is no SavedModel, which holds saved_model.pb and variables: %s", reason(err))
	}
	if engine == nil {
		return errors.New("a SavedModel has to be frozen by the engine, which is missing")
	}
	frozen, err := engine.Freeze(ctx, savedModel, b.InputTensor, b.BottleneckTensor)
	if err != nil {
		return err
	}
	b.InputTensor, b.BottleneckTensor = frozen.InputTensor, frozen.BottleneckTensor
	if err := os.WriteFile(to, frozen.Graph, 0o644); err != nil {
		return fmt.Errorf("writing the graph: %w", err)
	}
	return nil
}

func copyGraph(ctx context.Context, from, to string, b Base) (err error) {
	// Looked at where it is, so that an error names the user's file.
	if err := checkGraph(from, b); err != nil {
		return err
	}
	src, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("reading the graph: %w", err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("writing the graph: %w", err)
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	if _, err := io.Copy(dst, reader{ctx, src}); err != nil {
		return fmt.Errorf("copying the graph: %w", err)
	}
	return nil
}

// validate checks a description, whose feature length may be left to measure.
func validate(b Base) error {
	b.FeatureLength = max(b.FeatureLength, 1)
	return b.Validate()
}

// measure sets or checks the feature length. It does not run what is wrong already: that comes out in better words later.
func measure(ctx context.Context, staged string, b *Base, engine Engine) error {
	if engine == nil {
		return nil
	}
	if err := validate(*b); err != nil {
		return err
	}
	length, err := engine.FeatureLength(ctx, staged, *b)
	if err != nil {
		return fmt.Errorf("running the network over a test picture: %w", err)
	}
	if b.FeatureLength != 0 && b.FeatureLength != length {
		return fmt.Errorf("%s gives %d numbers for a photo, and feature_length says %d", b.BottleneckTensor, length, b.FeatureLength)
	}
	b.FeatureLength = length
	return nil
}
