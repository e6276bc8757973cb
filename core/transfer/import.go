package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"kaika/core/collect"
	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/picture"
)

// Errors of an import, by errors.Is.
var (
	ErrNoPhotos  = errors.New("there is nothing to import")
	ErrNoDataset = errors.New("the folder is no dataset")
)

// ImportOptions are the choices of an import.
type ImportOptions struct {
	Rename   map[string]string      // Labels by the names of the folders that are to become others; "" is for photos in no folder.
	Log      *slog.Logger           // Nil for none.
	Progress func(done, photos int) // Is told of each photo, from the goroutine that calls Import; may be nil.
}

// Imported says what was imported.
type Imported struct {
	Dataset    string                 `json:"dataset"`
	New        bool                   `json:"new"`        // Whether the dataset was made.
	Labels     []ImportedLabel        `json:"labels"`     // By their names.
	Added      int                    `json:"added"`      // New photos.
	Duplicates int                    `json:"duplicates"` // Photos that were there already, or twice in what was imported.
	Sources    int                    `json:"sources"`    // New photos that brought with them where they came from.
	Unlabelled int                    `json:"unlabelled"` // Photos that lie in no label folder, and were left out.
	Reasons    map[picture.Reason]int `json:"reasons"`    // Of those that were refused, duplicates left out.
	Refused    []dataset.Skip         `json:"refused"`    // The first of them.
}

// An ImportedLabel is what became of the photos of a label.
type ImportedLabel struct {
	Label      string `json:"label"`
	Added      int    `json:"added"`
	Duplicates int    `json:"duplicates"`
	Refused    int    `json:"refused"`
}

// maxRefused is how many refused photos a report lists.
const maxRefused = 1000

// Import brings the photos of a tar, tar.gz or zip file, or of a folder, into the dataset in the folder dir. Its label folders
// may lie at any one depth. Where the photos came from is taken over, if the list of sources is with them.
//
// All photos come or none: if dir is missing or empty, the dataset is not there after an error, and one that is there is as it
// was before. There the photos come one by one, all as one step for Undo, and are taken back after an error; if the process dies,
// by whoever opens the dataset next.
//
// Nothing is written before all labels are known to be possible: else the error is [dataset.ErrLabelName] or
// [dataset.ErrLabelClash]. It is collect.ErrArchive for an archive that cannot be used, ErrNoPhotos, ErrNoDataset, or the
// context's. Single photos that cannot be used are refused and counted, and so are links that lead out of what is imported.
func Import(ctx context.Context, from, dir string, o ImportOptions) (*Imported, error) {
	r, err := bring(ctx, from, dir, o)
	if err != nil {
		return nil, fmt.Errorf("import %s: %w", from, err)
	}
	return r, nil
}

func bring(ctx context.Context, from, dir string, o ImportOptions) (*Imported, error) {
	source, err := collect.Open(from)
	if err != nil {
		return nil, err
	}
	if folder, is := source.(*collect.Folder); is {
		folder.Closed = true
	}
	dir, empty, err := place(dir)
	if err != nil {
		return nil, err
	}
	if within(from, dir) {
		return nil, fmt.Errorf("the dataset %s would lie in the folder that is imported: choose a place outside of it", dir)
	}
	i := &importer{ImportOptions: o, source: source, report: Imported{Dataset: dir, New: empty, Reasons: map[picture.Reason]int{}, Refused: []dataset.Skip{}}}
	if err := i.look(ctx); err != nil {
		return nil, err
	}
	if empty {
		err = i.make(ctx, dir)
	} else {
		err = i.enlarge(ctx, dir)
	}
	if err != nil {
		return nil, err
	}
	return &i.report, nil
}

// place gives the absolute path of a folder, links followed, and whether a new dataset can be made there.
func place(dir string) (at string, empty bool, err error) {
	if at, err = filepath.Abs(dir); err != nil {
		return "", false, err
	}
	if target, err := filepath.EvalSymlinks(at); err == nil {
		at = target
	}
	entries, err := os.ReadDir(at)
	if errors.Is(err, fs.ErrNotExist) {
		return at, true, nil
	}
	return at, len(entries) == 0, err
}

// within says whether a path, which need not be there, lies in a folder.
func within(folder, path string) bool {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return false
	}
	if target, err := filepath.EvalSymlinks(folder); err == nil {
		folder = target
	}
	if target, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(target, filepath.Base(path))
	}
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != "." && filepath.IsLocal(rel)
}

// An importer does one import.
type importer struct {
	ImportOptions

	source   collect.Local
	requests []collect.Request
	photos   int
	known    map[picture.Digest]curate.Source
	report   Imported
}

// look finds out what there is to import.
func (i *importer) look(ctx context.Context) error {
	contents, err := i.source.Contents(ctx)
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, c := range contents {
		label, renamed := i.Rename[c.Name]
		switch used[c.Name] = true; {
		case !renamed && c.Name == "":
			i.report.Unlabelled = c.Photos
			continue
		case !renamed:
			label = collect.Label(c.Name)
		}
		i.requests = append(i.requests, collect.Request{Keyword: c.Name, Label: label})
		i.photos += c.Photos
	}
	for _, name := range slices.Sorted(maps.Keys(i.Rename)) {
		if !used[name] {
			return fmt.Errorf("there is no label folder %q to be renamed: %w", name, fs.ErrNotExist)
		}
	}
	if len(i.requests) == 0 {
		if i.report.Unlabelled > 0 {
			return fmt.Errorf("%w: its photos lie in no label folders: put those of each label in a folder, or give them a label (rename \"\" to it)", ErrNoPhotos)
		}
		return fmt.Errorf("%w: it holds no photos in label folders", ErrNoPhotos)
	}
	return i.learn(ctx)
}

// learn reads the list of sources, if there is one.
func (i *importer) learn(ctx context.Context) error {
	const limit, most = 128 << 20, 300_000 // Some 200,000 photos; all of it is kept in memory.
	list, ok := i.source.(interface {
		Beside(ctx context.Context, name string, limit int64) ([]byte, error)
	})
	if !ok {
		return nil
	}
	data, err := list.Beside(ctx, curate.SourcesPath, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	i.known = map[picture.Digest]curate.Source{}
	_, err = curate.ReadSources(bytes.NewReader(data), func(r curate.SourceRecord) {
		if s := believable(r.Source); s != (curate.Source{}) && len(i.known) <= most {
			i.known[r.Digest] = s
		}
	})
	if err == nil && len(i.known) > most {
		err = fmt.Errorf("its list of sources tells of more than %d photos: import them in parts, or without %s", most, curate.SourcesPath)
	}
	return err
}

// make makes a new dataset.
func (i *importer) make(ctx context.Context, dir string) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	temp, done, err := scratchDir(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	stage := filepath.Join(temp, "dataset") // Unlike temp itself it has the rights that the user's folders have.
	if err := i.checkNew(ctx, stage); err != nil {
		return err
	}
	staged := newFresh(stage)
	if err := i.fill(ctx, staged, ""); err != nil {
		return err
	}
	if i.report.Added == 0 {
		return fmt.Errorf("%w: none of its photos can be used%s", ErrNoPhotos, i.first())
	}
	if err := staged.finish(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not empty any more: import once more: %w", dir, err)
	}
	return os.Rename(stage, dir)
}

// checkNew makes the folder of a new dataset, and checks its labels.
func (i *importer) checkNew(ctx context.Context, dir string) error {
	l, err := curate.Create(ctx, dir, nil, curate.Options{Log: i.Log})
	if err != nil {
		return err
	}
	return errors.Join(i.check(l), l.Close())
}

// first tells about the first photo that was refused.
func (i *importer) first() string {
	if len(i.report.Refused) == 0 {
		return ""
	}
	r := i.report.Refused[0]
	return fmt.Sprintf(": %s %s", r.Path, r.Detail)
}

// enlarge adds to a dataset that is there.
func (i *importer) enlarge(ctx context.Context, dir string) (err error) {
	l, err := curate.Open(ctx, dir, curate.Options{Log: i.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if _, err := os.Stat(filepath.Join(dir, path.Dir(curate.SourcesPath))); err != nil && len(l.Labels()) == 0 {
		return fmt.Errorf("%w: %s holds other things and no label folder: choose a new folder, or a dataset", ErrNoDataset, dir)
	}
	if err := i.check(l); err != nil {
		return err
	}
	return l.Together(ctx, func(batch string) error { return i.fill(ctx, l, batch) })
}

// fill brings the photos into a dataset.
func (i *importer) fill(ctx context.Context, l collect.Library, batch string) error {
	done := 0
	landing := &landing{Library: l, known: i.known, batch: batch}
	c := collect.Collector{Library: landing, Source: i.source, Observe: func(e collect.Event) {
		i.refuse(e.Refusal)
		if e.Request < 0 {
			return // It is none of those that were counted.
		}
		if done++; i.Progress != nil {
			i.Progress(done, max(done, i.photos))
		}
	}}
	report, err := c.Run(ctx, i.requests)
	i.report.Sources = landing.sourced
	i.sum(report)
	return err
}

// refuse lists a photo that was refused.
func (i *importer) refuse(r *collect.Refusal) {
	if r != nil && r.Reason != collect.Duplicate && len(i.report.Refused) < maxRefused {
		i.report.Refused = append(i.report.Refused, dataset.Skip{Path: r.Name, Reason: r.Reason, Detail: r.Detail})
	}
}

// sum adds up what became of the photos.
func (i *importer) sum(report collect.Report) {
	labels := map[string]*ImportedLabel{}
	for _, r := range report.Results {
		l := labels[r.Label]
		if l == nil {
			l = &ImportedLabel{Label: r.Label}
			labels[r.Label] = l
		}
		twice := r.Reasons[collect.Duplicate]
		l.Added += r.Landed
		l.Duplicates += r.There + twice
		l.Refused += r.Refused - twice
		i.report.Added += r.Landed
		i.report.Duplicates += r.There + twice
	}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		i.report.Labels = append(i.report.Labels, *labels[name])
	}
	for reason, count := range report.Reasons {
		if reason != collect.Duplicate {
			i.report.Reasons[reason] = count
		}
	}
}

// check says whether all labels can be made, and told apart from each other and from those that are there. It takes those that
// are there as they are written.
func (i *importer) check(l *curate.Library) error {
	type folder struct{ label, name string }
	seen := map[string]folder{}
	for n := range i.requests {
		r := &i.requests[n]
		r.Label = l.LabelNamed(r.Label)
		if err := l.CheckLabel(r.Label); err != nil {
			return fmt.Errorf("%w, or give the folder %q another label (rename)", err, r.Keyword)
		}
		first, twice := seen[fold(r.Label)]
		if twice && first.label != r.Label {
			return fmt.Errorf("%w: the folders %q and %q differ only in what other file systems and programs do not keep, such as upper and lower case: give one of them another label, or both the same (rename)",
				dataset.ErrLabelClash, first.name, r.Keyword)
		}
		seen[fold(r.Label)] = folder{r.Label, r.Keyword}
	}
	return nil
}

// landing is a dataset that knows where its new photos came from, and takes all of them for one step.
type landing struct {
	collect.Library

	known   map[picture.Digest]curate.Source
	batch   string
	sourced int
}

// Add implements collect.Library.
func (l *landing) Add(ctx context.Context, a curate.Addition) (curate.Photo, error) {
	a.Name, a.Batch = portable(a.Name), l.batch
	source, known := l.known[picture.Sum(a.Data)]
	if known {
		a.Source = source
	}
	p, err := l.Library.Add(ctx, a)
	if known && err == nil {
		l.sourced++
	}
	return p, err
}

// ParseRename reads what is to be renamed, as a user writes it: "OLD=NEW".
func ParseRename(pairs []string) (map[string]string, error) {
	renames := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		from, to, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%q says not what is to be renamed: write OLD=NEW", pair)
		}
		if _, twice := renames[from]; twice {
			return nil, fmt.Errorf("%q is to be renamed twice: once is enough", from)
		}
		renames[from] = to
	}
	return renames, nil
}
