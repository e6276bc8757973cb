package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/picture"
)

// datasetStats are the figures of a dataset.
type datasetStats struct {
	Dataset   string         `json:"dataset"`
	Photos    int            `json:"photos"`
	Bytes     int64          `json:"bytes"`
	Labels    []labelStats   `json:"labels"`    // By their names.
	Ratio     *float64       `json:"ratio"`     // Photos of the largest label by those of the smallest; null if one has none.
	Median    *pixels        `json:"median"`    // The photo with the middle number of pixels; null if no size is known.
	Smallest  *pixels        `json:"smallest"`  // The photo with the fewest pixels.
	Formats   map[string]int `json:"formats"`   // Photos by the format of the file.
	Sources   map[string]int `json:"sources"`   // Photos by the kind of their source; "" where none is known.
	Licenses  map[string]int `json:"licenses"`  // Photos by their licence; "" where none is known.
	Deleted   int            `json:"deleted"`   // Photos in the trash.
	Identical int            `json:"identical"` // Photos with the same bytes as another one of the dataset.
	Skipped   []dataset.Skip `json:"skipped"`   // What cannot be used.
}

type labelStats struct {
	Label  string `json:"label"`
	Photos int    `json:"photos"`
	Bytes  int64  `json:"bytes"`
}

// pixels is the size of a photo.
type pixels struct {
	File   string `json:"file"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

func newDatasetStats(e *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "stats DATASET",
		Short: "Count the photos of a dataset: labels, sources, licences, sizes",
		Args:  arguments("folder of the dataset"),
		RunE: func(c *cobra.Command, args []string) error {
			var s *datasetStats
			err := e.withLibrary(c.Context(), args[0], func(l *curate.Library) (err error) {
				s, err = e.stats(c.Context(), l)
				return err
			})
			e.terminal.clear()
			switch {
			case err != nil:
				return err
			case asJSON:
				return e.printJSON(s)
			}
			return e.printf("%s", s)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the figures as JSON")
	return c
}

// stats looks at each photo of a dataset. Nothing is written.
func (e *environment) stats(ctx context.Context, l *curate.Library) (*datasetStats, error) {
	photos := l.Photos(curate.Query{Sort: curate.ByLabel})
	type look struct {
		picture.Encoded

		digest picture.Digest
		err    error
	}
	looks := make([]look, len(photos))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	done := 0
	for i, p := range photos {
		group.Go(func() error {
			k := &looks[i]
			k.Encoded, k.digest, k.err = picture.Read(groupCtx, p.Path)
			k.Data = nil // All at once would not fit into memory.
			mu.Lock()
			defer mu.Unlock()
			done++
			e.terminal.progress(done == len(photos), "looking at the photos: %d of %d", done, len(photos))
			return groupCtx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("look at the photos of %s: %w", l.Dir(), err)
	}

	s := &datasetStats{
		Dataset: l.Dir(), Photos: len(photos), Labels: []labelStats{}, Deleted: len(l.Photos(curate.Query{Trash: true})),
		Formats: map[string]int{}, Sources: map[string]int{}, Licenses: map[string]int{}, Skipped: []dataset.Skip{},
	}
	s.Skipped = append(s.Skipped, l.Skipped()...)
	at := map[string]int{}
	for _, label := range l.Labels() {
		at[label.Name] = len(s.Labels)
		s.Labels = append(s.Labels, labelStats{Label: label.Name})
	}
	seen := map[picture.Digest]bool{}
	var sizes []pixels
	for i, p := range photos {
		label := &s.Labels[at[p.Label]]
		label.Photos++
		label.Bytes += p.Size
		s.Bytes += p.Size
		s.Sources[p.Source.Kind]++
		s.Licenses[p.Source.License]++
		k := looks[i]
		if seen[k.digest] {
			s.Identical++
		}
		seen[k.digest] = k.digest != picture.Digest{}
		if k.err != nil {
			s.Skipped = append(s.Skipped, dataset.Skip{Path: p.Path, Reason: picture.ReasonOf(k.err), Detail: k.err.Error()})
			continue
		}
		s.Formats[string(k.Kind)]++
		const firstTurned = 5 // EXIF orientations 5 to 8 lie on their side.
		if k.Orientation >= firstTurned {
			k.Width, k.Height = k.Height, k.Width
		}
		sizes = append(sizes, pixels{filepath.Join(p.Label, p.Name), k.Width, k.Height})
	}
	s.measure(sizes)
	return s, nil
}

// measure finds the figures that need all photos.
func (s *datasetStats) measure(sizes []pixels) {
	if len(sizes) > 0 {
		slices.SortStableFunc(sizes, func(a, b pixels) int { return cmp.Compare(a.Width*a.Height, b.Width*b.Height) })
		s.Smallest, s.Median = &sizes[0], &sizes[len(sizes)/2]
	}
	fewest, most := 0, 0
	for i, l := range s.Labels {
		if i == 0 || l.Photos < fewest {
			fewest = l.Photos
		}
		most = max(most, l.Photos)
	}
	if fewest > 0 {
		ratio := float64(most) / float64(fewest)
		s.Ratio = &ratio
	}
}

// String gives the figures as tables.
func (s *datasetStats) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "label\tphotos\tsize\n")
	for _, l := range s.Labels {
		fmt.Fprintf(w, "%s\t%d\t%s\n", l.Label, l.Photos, size(l.Bytes))
	}
	fmt.Fprintf(w, "%s\t%d\t%s\n", "in all", s.Photos, size(s.Bytes))
	_ = w.Flush() // Into memory.

	b.WriteString("\n")
	row := func(name, value string) { fmt.Fprintf(w, "%s\t%s\n", name, value) }
	switch {
	case s.Ratio != nil:
		row("largest : smallest label", fmt.Sprintf("%.1f : 1", *s.Ratio))
	case s.Photos > 0:
		row("largest : smallest label", "a label has no photos")
	}
	if s.Median != nil {
		row("middle size", fmt.Sprintf("%d x %d pixels", s.Median.Width, s.Median.Height))
		row("smallest", fmt.Sprintf("%d x %d pixels (%s)", s.Smallest.Width, s.Smallest.Height, s.Smallest.File))
	}
	row("formats", tally(s.Formats))
	row("sources", tally(s.Sources))
	row("licences", tally(s.Licenses))
	if s.Identical > 0 {
		row("the same as another photo", strconv.Itoa(s.Identical))
	}
	if s.Deleted > 0 {
		row("in the trash", strconv.Itoa(s.Deleted))
	}
	_ = w.Flush() // Into memory.
	b.WriteString(skippedText(s.Skipped))
	return b.String()
}

// tally lists what was counted, the most first.
func tally(counts map[string]int) string {
	if len(counts) == 0 {
		return "none"
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, n := range names {
		if n == "" {
			n = "unknown"
		}
		names[i] = fmt.Sprintf("%s %d", n, counts[names[i]])
	}
	return strings.Join(names, ", ")
}

// skippedText lists files that were not used.
func skippedText(skipped []dataset.Skip) string {
	var b strings.Builder
	skippedWords(&b, skipped)
	return b.String()
}
