// Package augment puts varied copies of photos into a dataset, mirrored, turned, cropped and brightened, for who has too few,
// and knows such copies again, so that they can be removed together and never be tested with what was trained from the same
// photo.
//
// Training makes such variations by itself, without files (package feature): they take no room, are made of training photos
// only, and the same photo is never counted several times. Copies are for other programs that read the folder.
//
// A copy is known in two ways. Its source names its original: so it may be renamed and moved. And its name does, as in
// "rose.augmented-0123456789abcdef-01234567.jpg": so it may be taken out of the dataset.
package augment

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image/jpeg"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/feature"
	"kaika/core/picture"
)

// Kind is the kind of the source of a copy, whose ID is the digest of its original.
const Kind = "augmented"

// A Maker makes copies.
type Maker struct {
	Library  *curate.Library
	Vary     feature.Augmentation   // Its Views are the copies of each photo.
	Seed     int64                  // The same seed makes the same copies.
	Any      bool                   // Also of photos whose licence allows no changed copies.
	Progress func(done, photos int) // Is told how many photos are done, from the goroutine that calls Make; may be nil.
}

// A Report says what was made.
type Report struct {
	Photos    int            `json:"photos"`    // Originals that were looked at.
	Made      int            `json:"made"`      // New copies.
	There     int            `json:"there"`     // Copies that were there already.
	Restored  int            `json:"restored"`  // Copies that came back from the trash.
	Forbidden map[string]int `json:"forbidden"` // Photos by the licence that allows no changed copies of them, so none were made.
	Skipped   []dataset.Skip `json:"skipped"`   // Photos of which no copies could be made.
}

// Make puts copies of each photo beside it, under the same label, unless its licence allows no changed copies. Copies that are there are not made again, and those in the
// trash come back, so a run that was stopped goes on where it was. The new copies are one step for Undo, and those that come back another.
//
// The report says in any case what was done. The error is the context's or that of the dataset.
func (m *Maker) Make(ctx context.Context) (Report, error) {
	r := Report{Skipped: []dataset.Skip{}, Forbidden: map[string]int{}}
	if err := m.Vary.Validate(); err != nil {
		return r, err
	}
	run := run{Maker: m, report: &r, have: map[string]curate.Photo{}, batch: curate.NewBatch()}
	var originals []curate.Photo
	for _, trash := range []bool{true, false} { // What is not in the trash goes before.
		for _, p := range m.Library.Photos(curate.Query{Trash: trash, Sort: curate.ByLabel}) {
			switch {
			case IsCopy(p):
				if match := copyName.FindStringSubmatch(p.Name); match != nil {
					run.have[match[1]] = p
				}
			case trash:
			case !m.Any && forbidsChanges(p.Source):
				r.Forbidden[cmp.Or(p.Source.License, p.Source.LicenseURL)]++
			default:
				originals = append(originals, p)
			}
		}
	}
	r.Photos = len(originals)
	done := 0
	for some := range slices.Chunk(originals, workers()) {
		if err := run.some(ctx, some); err != nil {
			return r, err
		}
		if done += len(some); m.Progress != nil {
			m.Progress(done, len(originals))
		}
	}
	if len(run.back) == 0 {
		return r, nil
	}
	if err := m.Library.Restore(ctx, run.back); err != nil {
		return r, err
	}
	r.Restored = len(run.back)
	return r, nil
}

// noChanges are names of licences that allow no changed copies: those of Creative Commons with ND, NoDerivs or NoDerivatives in
// them, and none at all.
var noChanges = regexp.MustCompile(`(?i)\bND\b|\bno[ -]?deriv|all rights reserved`)

// forbidsChanges says whether the licence of a photo allows no changed copies, as far as it is known.
func forbidsChanges(s curate.Source) bool {
	u, err := url.Parse(strings.ToLower(s.LicenseURL))
	if err == nil && strings.TrimPrefix(u.Hostname(), "www.") == "creativecommons.org" {
		return slices.ContainsFunc(strings.Split(u.Path, "/"), func(part string) bool { return slices.Contains(strings.Split(part, "-"), "nd") })
	}
	return noChanges.MatchString(s.License)
}

// workers is the number of photos that are worked on at once. One may take some hundred megabytes.
func workers() int { return min(runtime.GOMAXPROCS(0), 4) }

// run is one call of Make.
type run struct {
	*Maker

	report *Report
	have   map[string]curate.Photo // Copies by the mark in their names.
	back   []curate.ID             // Copies in the trash that are wanted.
	batch  string
}

// A draft is a copy that is not in the dataset yet.
type draft struct {
	name string
	data []byte
}

// made is what became of an original.
type made struct {
	digest picture.Digest
	drafts []draft
	bad    *dataset.Skip // Why there are none.
}

// some makes the copies of some photos.
func (r *run) some(ctx context.Context, photos []curate.Photo) error {
	results := make([]made, len(photos))
	group, groupCtx := errgroup.WithContext(ctx)
	for i, p := range photos {
		group.Go(func() error {
			results[i] = r.draw(groupCtx, p)
			return groupCtx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, p := range photos {
		if err := r.keep(ctx, p, results[i]); err != nil {
			return err
		}
	}
	return nil
}

// draw draws the copies of a photo. Those that are there have no data.
func (r *run) draw(ctx context.Context, p curate.Photo) (m made) {
	encoded, digest, err := picture.Read(ctx, p.Path)
	if err != nil {
		return made{bad: skipped(p.Path, err)}
	}
	m.digest = digest
	views := map[string]feature.View{}
	missing := false
	for _, v := range r.Vary.Of(digest, r.Seed) {
		name := nameOf(p.Name, digest, v)
		if _, twice := views[name]; twice || v == (feature.View{}) { // The photo itself is there already.
			continue
		}
		views[name] = v
		m.drafts = append(m.drafts, draft{name: name})
		missing = missing || r.having(name) == nil
	}
	if !missing {
		return m
	}
	pixels, err := picture.Decode(encoded)
	if err != nil {
		return made{bad: skipped(p.Path, err)}
	}
	for i := range m.drafts {
		d := &m.drafts[i]
		if ctx.Err() != nil || r.having(d.name) != nil {
			continue
		}
		var b bytes.Buffer
		const quality = 92
		if err := jpeg.Encode(&b, Draw(pixels, views[d.name]), &jpeg.Options{Quality: quality}); err != nil {
			return made{bad: skipped(p.Path, err)}
		}
		d.data = b.Bytes()
	}
	return m
}

// having gives the copy of a name that is there, or nil.
func (r *run) having(name string) *curate.Photo {
	if match := copyName.FindStringSubmatch(name); match != nil {
		if p, there := r.have[match[1]]; there {
			return &p
		}
	}
	return nil
}

// keep puts the copies of a photo into the dataset.
func (r *run) keep(ctx context.Context, p curate.Photo, m made) error {
	if m.bad != nil {
		r.report.Skipped = append(r.report.Skipped, *m.bad)
		return nil
	}
	source := p.Source // Whom to credit stays.
	source.Kind, source.ID = Kind, m.digest.String()
	source.From = p.Label + "/" + p.Name
	for _, d := range m.drafts {
		if have := r.having(d.name); have != nil {
			r.again(*have)
			continue
		}
		_, err := r.Library.Add(ctx, curate.Addition{Label: p.Label, Name: d.name, Data: d.data, Source: source, Batch: r.batch})
		var twice *curate.DuplicateError
		switch {
		case err == nil:
			r.report.Made++
		case errors.As(err, &twice):
			r.again(twice.Photo)
		default:
			return err
		}
	}
	return nil
}

// again counts a copy that was made before.
func (r *run) again(p curate.Photo) {
	switch {
	case p.Deleted.IsZero():
		r.report.There++
	case !slices.Contains(r.back, p.ID):
		r.back = append(r.back, p.ID)
	}
}

func skipped(path string, err error) *dataset.Skip {
	reason := picture.ReasonOf(err)
	if reason == "" {
		reason = picture.Damaged
	}
	return &dataset.Skip{Path: path, Reason: reason, Detail: err.Error()}
}

// Remove moves all copies to the trash, in one step for Undo, and gives their number.
func Remove(ctx context.Context, l *curate.Library) (int, error) {
	var ids []curate.ID
	for _, p := range l.Photos(curate.Query{}) {
		if IsCopy(p) {
			ids = append(ids, p.ID)
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	return len(ids), l.Delete(ctx, ids)
}

// IsCopy says whether a photo is a copy that this package made.
func IsCopy(p curate.Photo) bool {
	return p.Source.Kind == Kind || copyName.MatchString(p.Name)
}

// copyName finds the mark in a copy's name: the beginning of its original's digest, and that of its view. A name that was
// taken has a number behind it.
var copyName = regexp.MustCompile(`\.augmented-(([0-9a-f]{16})-[0-9a-f]{8})(?: \([0-9]+\))?\.[a-z]+$`)

// nameOf gives the name of a copy of a photo.
func nameOf(name string, digest picture.Digest, v feature.View) string {
	const longest = 150 // Bytes, so that nobody who shortens names cuts off the mark.
	stem := strings.TrimSuffix(name, filepath.Ext(name))
	for len(stem) > longest {
		_, size := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-size]
	}
	view := sha256.Sum256([]byte(v.String()))
	return fmt.Sprintf("%s.augmented-%x-%x.jpg", stem, digest[:8], view[:4])
}

// Origins says of which photos others are copies, by the digests of both. What is no copy is not in it.
type Origins map[picture.Digest]picture.Digest

// ReadOrigins reads the list of sources of the dataset in the folder dir. There may be none.
func ReadOrigins(dir string) (Origins, error) {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(curate.SourcesPath)))
	if errors.Is(err, fs.ErrNotExist) {
		return Origins{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find out which photos are copies of others: %w", err)
	}
	defer f.Close() //nolint:errcheck // It was only read.
	o := Origins{}
	_, err = curate.ReadSources(f, func(r curate.SourceRecord) {
		var origin picture.Digest
		if r.Source.Kind == Kind && origin.UnmarshalText([]byte(r.Source.ID)) == nil {
			o[r.Digest] = origin
		}
	})
	if err != nil {
		return nil, fmt.Errorf("find out which photos are copies of others in %s: %w", f.Name(), err)
	}
	return o, nil
}

// Complete adds what the names of photos say, given with their digests: of which photo each is a copy, whose digest begins
// as the name says. Copies of a photo that is not among them get one digest that stands for it.
func (o Origins) Complete(photos map[string]picture.Digest) {
	const known = 8 // Bytes.
	whole := make(map[[known]byte]picture.Digest, len(photos))
	for _, d := range photos {
		whole[[known]byte(d[:known])] = d
	}
	for _, origin := range o { // It may be gone, and its copies be known in both ways.
		if _, there := whole[[known]byte(origin[:known])]; !there {
			whole[[known]byte(origin[:known])] = origin
		}
	}
	for path, d := range photos {
		match := copyName.FindStringSubmatch(filepath.Base(path))
		if _, there := o[d]; there || match == nil {
			continue
		}
		var origin picture.Digest
		if _, err := hex.Decode(origin[:known], []byte(match[2])); err != nil {
			continue
		}
		if full, there := whole[[known]byte(origin[:known])]; there {
			origin = full
		}
		if origin != d {
			o[d] = origin
		}
	}
}

// Of gives the digest of the photo that one is a copy of, however indirectly, or its own. Where copies name each other in a
// circle, which only a forged list does, all of them get the same.
func (o Origins) Of(d picture.Digest) picture.Digest {
	origin := d
	var way []picture.Digest
	seen := map[picture.Digest]bool{}
	for {
		next, copied := o[origin]
		if !copied {
			break
		}
		if seen[origin] {
			delete(o, origin) // One of the circle stands for all.
			break
		}
		seen[origin] = true
		way = append(way, origin)
		origin = next
	}
	for _, step := range way { // So that the next one is found at once.
		if step != origin {
			o[step] = origin
		}
	}
	return origin
}
