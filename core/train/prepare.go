package train

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"kaika/core/augment"
	"kaika/core/dataset"
	"kaika/core/feature"
	"kaika/core/picture"
)

// Featured is a dataset whose photos have features.
type Featured struct {
	Labels  []string
	Photos  []Photo        // By label, then digest: names of files change nothing.
	Skipped []dataset.Skip // What could not be used, and why.
	Cached  int            // Photos that were not read again.
}

// Photo is a photo with its features.
type Photo struct {
	Path     string
	Label    int
	Digest   picture.Digest
	Origin   picture.Digest // Of the photo that it is a copy of, made by package augment; zero for any other.
	Features []float32
}

// Prepare lists the photos of a dataset and computes the features of each. Photos that cannot be used are skipped; it is
// an error when fewer than two labels remain.
func Prepare(ctx context.Context, dir string, x *feature.Extractor) (*Featured, error) {
	d, err := dataset.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	jobs := make([]feature.Job, len(d.Photos))
	for i, p := range d.Photos {
		jobs[i] = feature.Job{Path: p.Path, Views: []feature.View{{}}}
	}
	cached := 0
	tell := x.Progress
	counting := *x
	counting.Progress = func(p feature.Progress) {
		cached = p.Cached
		if tell != nil {
			tell(p)
		}
	}
	results, err := counting.Extract(ctx, jobs)
	if err != nil {
		return nil, fmt.Errorf("computing the features of the photos: %w", err)
	}
	f := &Featured{Skipped: d.Skipped, Cached: cached}
	used := make([]int, len(d.Labels))
	for i, r := range results {
		p := d.Photos[i]
		if r.Err != nil {
			f.Skipped = append(f.Skipped, skipped(p.Path, r.Err))
			continue
		}
		used[p.Label]++
		f.Photos = append(f.Photos, Photo{Path: p.Path, Label: p.Label, Digest: r.Digest, Features: r.Vectors[0]})
	}
	if err := f.findOrigins(dir); err != nil {
		return nil, err
	}
	f.dropEmpty(dir, d.Labels, used)
	if len(f.Labels) < 2 {
		return nil, fmt.Errorf("%w: of the %d photos in %s, %d can be used, and they have %d labels; at least two labels are needed. %s",
			ErrTooFew, len(d.Photos), dir, len(f.Photos), len(f.Labels), firstReasons(f.Skipped))
	}
	slices.SortFunc(f.Photos, func(a, b Photo) int {
		return cmp.Or(cmp.Compare(a.Label, b.Label), bytes.Compare(a.Digest[:], b.Digest[:]), cmp.Compare(a.Path, b.Path))
	})
	slices.SortFunc(f.Skipped, func(a, b dataset.Skip) int { return cmp.Compare(a.Path, b.Path) })
	return f, nil
}

// Augment computes the features of the views of each photo, as many a photo as a asks for, or none.
func Augment(ctx context.Context, x *feature.Extractor, photos []Photo, a feature.Augmentation, seed int64) ([][][]float32, error) {
	views := make([][][]float32, len(photos))
	if !a.Varies() || a.Views == 0 {
		return views, nil
	}
	jobs := make([]feature.Job, len(photos))
	for i, p := range photos {
		jobs[i] = feature.Job{Path: p.Path, Digest: p.Digest, Views: a.Of(p.Digest, seed)}
	}
	results, err := x.Extract(ctx, jobs)
	if err != nil {
		return nil, fmt.Errorf("computing the features of augmented photos: %w", err)
	}
	for i, r := range results {
		if r.Err != nil {
			return nil, fmt.Errorf("augmenting %s: it %w", photos[i].Path, r.Err)
		}
		views[i] = r.Vectors
	}
	return views, nil
}

// ErrTooFew says that too few photos can be used.
var ErrTooFew = errors.New("too few photos")

func skipped(path string, err error) dataset.Skip {
	reason := picture.ReasonOf(err)
	if reason == "" {
		reason = picture.Damaged // The engine could not decode it.
	}
	return dataset.Skip{Path: path, Reason: reason, Detail: err.Error()}
}

// firstReasons tells about a few skipped files.
func firstReasons(s []dataset.Skip) string {
	text := ""
	for i, skip := range s {
		if i == 3 {
			return text + fmt.Sprintf("And %d more.", len(s)-i)
		}
		text += fmt.Sprintf("%s %s. ", skip.Path, skip.Detail)
	}
	return text
}

// dropEmpty leaves out labels without a usable photo.
func (f *Featured) dropEmpty(dir string, labels []string, used []int) {
	place := make([]int, len(labels))
	for l, name := range labels {
		if used[l] == 0 {
			f.Skipped = append(f.Skipped, dataset.Skip{
				Path: filepath.Join(dir, name), Reason: dataset.EmptyLabel, Detail: "is a label without a photo that can be used",
			})
			continue
		}
		place[l] = len(f.Labels)
		f.Labels = append(f.Labels, name)
	}
	for i := range f.Photos {
		f.Photos[i].Label = place[f.Photos[i].Label]
	}
}

// findOrigins finds the copies that package augment made, by the dataset's list of sources and by their names.
func (f *Featured) findOrigins(dir string) error {
	origins, err := augment.ReadOrigins(dir)
	if err != nil {
		return err
	}
	digests := make(map[string]picture.Digest, len(f.Photos))
	for _, p := range f.Photos {
		digests[p.Path] = p.Digest
	}
	origins.Complete(digests)
	for i, p := range f.Photos {
		if origin := origins.Of(p.Digest); origin != p.Digest {
			f.Photos[i].Origin = origin
		}
	}
	return nil
}

// Samples gives the photos as they are divided. A copy stands for its original, so that both are on the same side, and that is
// the one on which the original would be without copies.
func (f *Featured) Samples() []dataset.Sample {
	s := make([]dataset.Sample, len(f.Photos))
	for i, p := range f.Photos {
		s[i] = dataset.Sample{Digest: p.Digest, Label: p.Label}
		if p.Origin != (picture.Digest{}) {
			s[i].Digest = p.Origin
		}
	}
	return s
}

// Digest identifies the labels and the contents of the photos under them.
func (f *Featured) Digest() string {
	sum := sha256.New()
	for l, name := range f.Labels {
		fmt.Fprintf(sum, "label %q\n", name)
		for _, p := range f.Photos {
			if p.Label == l {
				fmt.Fprintf(sum, "%x\n", p.Digest)
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// counts gives the number of photos of each label.
func (f *Featured) counts() map[string]int {
	n := map[string]int{}
	for _, p := range f.Photos {
		n[f.Labels[p.Label]]++
	}
	return n
}

// contradictions counts the contents that lie under more than one label.
func (f *Featured) contradictions() int {
	labels := map[picture.Digest]int{}
	several := map[picture.Digest]bool{}
	for _, p := range f.Photos {
		if l, seen := labels[p.Digest]; seen && l != p.Label {
			several[p.Digest] = true
		}
		labels[p.Digest] = p.Label
	}
	return len(several)
}
