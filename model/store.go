package model

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"

	"kaika/model/graph"
)

// The files of an installed base model's folder.
const (
	graphFile   = "graph.pb"        // The frozen GraphDef.
	recordFile  = "base_model.json" // Its description, its digest, and what it was made of.
	licenceFile = "LICENSE"
)

var (
	// ErrUnknown says that no base model has that name.
	ErrUnknown = errors.New("unknown base model")
	// ErrNotInstalled says that a base model of the catalogue is not on this machine.
	ErrNotInstalled = errors.New("not installed")
	// ErrDamaged says that the files of an installed base model are not those that were installed.
	ErrDamaged = errors.New("damaged base model")
)

// A Store keeps base models in folders: <folder>/<name>/ with graph.pb, base_model.json and LICENSE. Dir and Cache are
// needed to write, the rest may stay zero. Several processes may use the same folders.
type Store struct {
	Dir   string   // Models are written here; it is searched first.
	Dirs  []string // Searched after Dir, in this order; only read.
	Cache string   // Downloads are kept here, so that a cut one goes on and a second installation needs no network.

	Client *http.Client // For downloads; nil for a plain one.
	Mirror string       // Address that takes the place of the publisher's scheme and host, for example "https://mirror.example/models".
	Log    *slog.Logger // Gets pip's words at level debug; nil for none.

	catalogue []Base                                                   // Of a test; nil for the real one.
	build     func(variant, weights string) (*graphpb.GraphDef, error) // Of a test; nil for the real one.
}

// Installed is a base model on this machine.
type Installed struct {
	Base // Its Digest is that of the graph, always set.

	Dir          string    `json:"dir"`
	GraphPath    string    `json:"graph_path"`
	Origin       string    `json:"origin"`        // Address, package or file that it was made of.
	OriginDigest string    `json:"origin_sha256"` // Of the wheel or archive; "" for a model that a user added.
	AddedAt      time.Time `json:"added_at"`
}

// record is what base_model.json holds.
type record struct {
	Base

	GraphBytes   int64     `json:"graph_bytes"`
	Origin       string    `json:"origin"`
	OriginDigest string    `json:"origin_sha256,omitempty"`
	AddedAt      time.Time `json:"added_at"`
}

// Listed is a line of [Store.List].
type Listed struct {
	Base

	Dir     string `json:"dir"`               // "" when it is not on this machine.
	Own     bool   `json:"own"`               // A user added it; it is not in the catalogue.
	Problem string `json:"problem,omitempty"` // Why it is there and cannot be used, in words.
}

// List returns the base models of the catalogue, in its order, then those that the user added, by name.
func (s *Store) List() ([]Listed, error) {
	own := map[string]bool{}
	for _, dir := range s.dirs() {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("looking for base models: %w", err)
		}
		for _, e := range entries {
			if _, err := os.Stat(filepath.Join(dir, e.Name(), recordFile)); err == nil && checkName(e.Name()) == nil {
				own[e.Name()] = true
			}
		}
	}
	var list []Listed
	add := func(l Listed) {
		installed, err := s.Open(l.Name)
		switch {
		case err == nil:
			l.Base, l.Dir = installed.Base, installed.Dir
		case !errors.Is(err, ErrNotInstalled):
			l.Problem = err.Error()
		}
		list = append(list, l)
	}
	for _, b := range s.known() {
		delete(own, b.Name)
		add(Listed{Base: b})
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		add(Listed{Base: Base{Name: name}, Own: true})
	}
	return list, nil
}

// Open finds an installed base model; upper and lower case are one. It looks at the description and the size of the graph, which
// is quick; [Store.Verify] looks at all. The error wraps [ErrUnknown], [ErrNotInstalled] or [ErrDamaged], and says what to do.
func (s *Store) Open(name string) (Installed, error) {
	name = strings.ToLower(name)
	if err := checkName(name); err != nil {
		return Installed{}, s.unknown(name)
	}
	var broken error
	for _, dir := range s.dirs() {
		installed, err := s.read(filepath.Join(dir, name))
		if err == nil {
			return installed, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			broken = cmp.Or(broken, err)
		}
	}
	if broken != nil {
		return Installed{}, broken
	}
	if _, err := s.find(name); err != nil {
		return Installed{}, err
	}
	return Installed{}, fmt.Errorf("the base model %s is %w on this machine. Fetch it: kaika models fetch %s", name, ErrNotInstalled, name)
}

// Verify does what [Store.Open] does and reads the whole graph: its digest, and whether it has the tensors of the description.
func (s *Store) Verify(ctx context.Context, name string) (Installed, error) {
	installed, err := s.Open(name)
	if err != nil {
		return Installed{}, err
	}
	digest, err := fileDigest(ctx, installed.GraphPath)
	if err != nil {
		return Installed{}, err
	}
	if digest != installed.Digest {
		return Installed{}, s.damaged(installed.Dir, installed.Name, fmt.Errorf("%s has the digest %s instead of %s", graphFile, digest, installed.Digest))
	}
	if err := checkGraph(installed.GraphPath, installed.Base); err != nil {
		return Installed{}, s.damaged(installed.Dir, installed.Name, err)
	}
	return installed, nil
}

// read reads the description of the model in the folder dir. The error wraps fs.ErrNotExist where there is none.
func (s *Store) read(dir string) (Installed, error) {
	name := filepath.Base(dir)
	r, err := readRecord(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Installed{}, err
	}
	if err != nil {
		return Installed{}, s.damaged(dir, name, err)
	}
	info, err := os.Stat(filepath.Join(dir, graphFile))
	switch {
	case err != nil:
		return Installed{}, s.damaged(dir, name, fmt.Errorf("%s: %s", graphFile, reason(err)))
	case info.Size() != r.GraphBytes:
		return Installed{}, s.damaged(dir, name, fmt.Errorf("%s has %d bytes instead of %d", graphFile, info.Size(), r.GraphBytes))
	case r.Name != name || r.Digest == "":
		return Installed{}, s.damaged(dir, name, fmt.Errorf("%s describes another model", recordFile))
	}
	// A later version may describe the same graph better, for example give it another default size.
	if b, err := s.find(name); err == nil && (b.Digest == "" || b.Digest == r.Digest) {
		b.Digest = r.Digest
		r.Base = b
	}
	if err := r.Validate(); err != nil {
		return Installed{}, s.damaged(dir, name, err)
	}
	return r.at(dir), nil
}

func readRecord(dir string) (record, error) {
	var r record
	data, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		return r, fmt.Errorf("reading %s: %w", recordFile, err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("reading %s: %w", recordFile, err)
	}
	return r, nil
}

// damaged says what is wrong with an installed model, and what to do.
func (s *Store) damaged(dir, name string, why error) error {
	remedy := "Remove that folder and add the model again"
	if _, err := s.find(name); err == nil {
		remedy = "Fetch it anew: kaika models fetch " + name
	}
	return fmt.Errorf("%w in %s: %w. %s", ErrDamaged, dir, why, remedy)
}

// reason gives what the system says of a file, without the path that the sentence has already.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// dirs gives the folders to search, each once.
func (s *Store) dirs() []string {
	var dirs []string
	for _, dir := range append([]string{s.Dir}, s.Dirs...) {
		if dir != "" && !slices.Contains(dirs, filepath.Clean(dir)) {
			dirs = append(dirs, filepath.Clean(dir))
		}
	}
	return dirs
}

func (s *Store) known() []Base {
	if s.catalogue != nil {
		return s.catalogue
	}
	return Catalogue()
}

// find looks a name up in the catalogue.
func (s *Store) find(name string) (Base, error) {
	for _, b := range s.known() {
		if strings.EqualFold(b.Name, name) {
			return b, nil
		}
	}
	return Base{}, s.unknown(name)
}

func (s *Store) unknown(name string) error {
	if float, ok := strings.CutSuffix(name, "_quantized"); ok {
		return fmt.Errorf("%w %q: quantized networks are not offered, since they know less and are no faster here. Take %s", ErrUnknown, name, float)
	}
	var names []string
	for _, b := range s.known() {
		names = append(names, b.Name)
	}
	return fmt.Errorf("%w %q. Known are %s; and those that you add: kaika models add", ErrUnknown, name, strings.Join(names, ", "))
}

// install makes the folder of a model: fill puts graph.pb, and LICENSE if there is one, into a folder that nobody sees yet, and
// may complete the description. The model gets its name at the very end.
func (s *Store) install(ctx context.Context, r record, fill func(dir string, b *Base) error) (_ Installed, err error) {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return Installed{}, fmt.Errorf("making the folder of base models: %w", err)
	}
	temp, err := os.MkdirTemp(s.Dir, "."+r.Name+"-*")
	if err != nil {
		return Installed{}, fmt.Errorf("making room for the base model %s: %w", r.Name, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	stage := filepath.Join(temp, "content") // Unlike temp itself it follows the umask.
	if err := fill(stage, &r.Base); err != nil {
		return Installed{}, err
	}
	if err := r.Validate(); err != nil {
		return Installed{}, err
	}
	path := filepath.Join(stage, graphFile)
	if err := checkGraph(path, r.Base); err != nil {
		return Installed{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return Installed{}, fmt.Errorf("looking at the graph: %w", err)
	}
	digest, err := fileDigest(ctx, path)
	if err != nil {
		return Installed{}, err
	}
	if r.Digest != "" && r.Digest != digest {
		return Installed{}, fmt.Errorf("the graph that was made for %s has the digest %s instead of %s: it is another network than this version of Kaika knows", r.Name, digest, r.Digest)
	}
	r.Digest, r.GraphBytes = digest, info.Size()
	if err := writeWords(stage, r); err != nil {
		return Installed{}, err
	}
	return s.place(ctx, stage, filepath.Join(temp, "old"), r)
}

// writeWords writes the description, and the licence where the package had none.
func writeWords(stage string, r record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("describing the base model %s: %w", r.Name, err)
	}
	if err := os.WriteFile(filepath.Join(stage, recordFile), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("describing the base model %s: %w", r.Name, err)
	}
	licence := filepath.Join(stage, licenceFile)
	if _, err := os.Stat(licence); err == nil {
		return nil
	}
	words := fmt.Sprintf("%s\nLicence: %s\n%s\nPublished at %s\n", cmp.Or(r.Title, r.Name), cmp.Or(r.Licence, "not known to Kaika"), r.LicenceURL, cmp.Or(r.Homepage, r.Origin))
	if err := os.WriteFile(licence, []byte(words), 0o644); err != nil {
		return fmt.Errorf("writing the licence of %s: %w", r.Name, err)
	}
	return nil
}

// place gives the folder stage its name. A model of that name goes to old, unless another process has put the same there.
func (s *Store) place(ctx context.Context, stage, old string, r record) (Installed, error) {
	dir := filepath.Join(s.Dir, r.Name)
	same := func() (Installed, bool) {
		there, err := s.read(dir)
		if err != nil || there.Digest != r.Digest {
			return Installed{}, false
		}
		digest, err := fileDigest(ctx, there.GraphPath)
		return there, err == nil && digest == r.Digest
	}
	if there, ok := same(); ok {
		return there, nil
	}
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Installed{}, fmt.Errorf("replacing the base model %s: %w", r.Name, err)
	}
	if err := os.Rename(stage, dir); err != nil {
		if there, ok := same(); ok {
			return there, nil
		}
		_ = os.Rename(old, dir) // What was there is better than nothing.
		return Installed{}, fmt.Errorf("putting the base model %s in its place: %w", r.Name, err)
	}
	return r.at(dir), nil
}

// at is the installed model that a record in the folder dir describes.
func (r record) at(dir string) Installed {
	return Installed{
		Base: r.Base, Dir: dir, GraphPath: filepath.Join(dir, graphFile),
		Origin: r.Origin, OriginDigest: r.OriginDigest, AddedAt: r.AddedAt,
	}
}

// misfitError says that a file does not hold the network that is described.
type misfitError struct{ error }

func (e misfitError) Unwrap() error { return e.error }

// checkGraph tells whether a file holds a frozen graph with the tensors of the description.
func checkGraph(path string, b Base) error {
	g, err := graph.Load(path)
	if err != nil {
		return misfitError{fmt.Errorf("reading the graph of %s: %w", b.Name, err)}
	}
	extractor, err := graph.Extractor(g, b.Network(b.DefaultSize))
	if err != nil {
		return misfitError{fmt.Errorf("the graph of %s does not fit its description: %w", b.Name, err)}
	}
	for _, n := range extractor.GetNode() {
		switch n.GetOp() {
		case "Variable", "VariableV2", "VarHandleOp":
			return misfitError{fmt.Errorf("the graph of %s is not frozen: the value of its variable %q is elsewhere. "+
				"Give the folder of the SavedModel, which has the values too", b.Name, n.GetName())}
		}
	}
	return nil
}

// fileDigest returns the SHA-256 of a file in lower-case hexadecimal.
func fileDigest(ctx context.Context, path string) (_ string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("computing a digest: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, reader{ctx, f}); err != nil {
		return "", fmt.Errorf("computing the digest of %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// reader makes reading a file end when the context does.
type reader struct {
	ctx context.Context //nolint:containedctx // lives for one copy.
	src io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.src.Read(p)
}
