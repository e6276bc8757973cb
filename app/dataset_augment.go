package app

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kaika/core/augment"
	"kaika/core/curate"
	"kaika/core/feature"
)

// removedCopies says how many copies went to the trash.
type removedCopies struct {
	Removed int `json:"removed"`
}

func newDatasetAugment(e *environment) *cobra.Command {
	var vary feature.Augmentation
	var seed int64
	var anyLicence, remove, asJSON bool
	c := &cobra.Command{
		Use:   "augment DATASET",
		Short: "Put mirrored, turned, cropped or brightened copies beside the photos",
		Long: `Puts varied copies of each photo beside it, as JPEG files of at most 1024 x 1024
pixels. Their names say what they are (rose.augmented-...jpg), --remove moves all
of them to the trash in one step, and Kaika never trains with a copy of a photo
that it tests with.

Licences with ND (no derivatives) and photos with all rights reserved allow no changed
copies, so none are made of such photos; --any_license makes them, for where the law
allows it, and such copies must not be passed on.

kaika retrain with the same flags does better: it varies the training photos
only, in memory, keeps what it computed for the next run, and leaves the photos
that measure the result as they are. Copies in the folder take room, and count as
if they were photos of their own. They are for other programs.`,
		Args: arguments("folder of the dataset"),
		RunE: func(c *cobra.Command, args []string) error {
			var varying []string
			for _, name := range []string{"copies", "seed", "flip_left_right", "random_crop", "random_scale", "random_brightness", "random_rotation", "any_license"} {
				if c.Flags().Changed(name) {
					varying = append(varying, "--"+name)
				}
			}
			switch err := vary.Validate(); {
			case remove && len(varying) > 0:
				return usageError{fmt.Errorf("remove and %s cannot both be asked for", strings.Join(varying, ", "))}
			case remove:
				return e.removeCopies(c, args[0], asJSON)
			case vary.Views < 1 || vary.Views > 100:
				return usageError{errors.New("copies must be 1 to 100")}
			case err != nil:
				return usageError{err}
			case !vary.Varies():
				return usageError{errors.New("say how the copies differ: --flip_left_right, --random_crop 10, --random_scale 10, --random_brightness 10 or --random_rotation 10, or several")}
			}
			return e.makeCopies(c, args[0], augment.Maker{Vary: vary, Seed: seed, Any: anyLicence}, asJSON)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntVar(&vary.Views, "copies", feature.DefaultViews, "copies of each photo")
	f.BoolVar(&vary.Flip, "flip_left_right", false, "mirror every other copy")
	f.IntVar(&vary.Crop, "random_crop", 0, "crop off up to so many percent")
	f.IntVar(&vary.Scale, "random_scale", 0, "enlarge by up to so many percent")
	f.IntVar(&vary.Brightness, "random_brightness", 0, "make up to so many percent brighter or darker")
	f.IntVar(&vary.Rotation, "random_rotation", 0, "turn by up to so many degrees")
	f.Int64Var(&seed, "seed", 0, "the same seed gives the same copies")
	f.BoolVar(&anyLicence, "any_license", false, "also make copies of photos whose licence allows none")
	f.BoolVar(&remove, "remove", false, "move all copies to the trash")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}

func (e *environment) makeCopies(c *cobra.Command, dir string, m augment.Maker, asJSON bool) error {
	ctx := c.Context()
	var report augment.Report
	err := e.withLibrary(ctx, dir, func(l *curate.Library) (err error) {
		m.Library, m.Progress = l, func(done, photos int) {
			e.terminal.progress(done == photos, "copies: %d of %d photos", done, photos)
		}
		report, err = m.Make(ctx)
		return err
	})
	e.terminal.clear()
	switch {
	case err != nil:
		return e.stopped(ctx, "The copies that were made are kept: the same command goes on from there", err)
	case asJSON:
		return e.printJSON(report)
	}
	text := fmt.Sprintf("%s of %s", count(report.Made, "new copy"), count(report.Photos, "photo"))
	if report.There > 0 {
		text += fmt.Sprintf(", %d there already", report.There)
	}
	if report.Restored > 0 {
		text += fmt.Sprintf(", %d back from the trash", report.Restored)
	}
	text += forbiddenText(report.Forbidden)
	return e.printf("%s\n%s\nkaika retrain with the same flags does better without copies: it varies training photos only, and keeps what it\ncomputed. Remove the copies: kaika dataset augment %q --remove\n",
		text, skippedText(report.Skipped), dir)
}

// forbiddenText says of which photos there may be no changed copies.
func forbiddenText(forbidden map[string]int) string {
	total := 0
	var licences []string
	for _, name := range slices.Sorted(maps.Keys(forbidden)) {
		total += forbidden[name]
		licences = append(licences, fmt.Sprintf("%s (%d)", name, forbidden[name]))
	}
	if total == 0 {
		return ""
	}
	return fmt.Sprintf("\nNo copies of %s, whose licence allows no changed ones: %s. --any_license makes them all the same;\nthey must not be passed on then",
		count(total, "photo"), strings.Join(licences, ", "))
}

func (e *environment) removeCopies(c *cobra.Command, dir string, asJSON bool) error {
	ctx := c.Context()
	var report removedCopies
	err := e.withLibrary(ctx, dir, func(l *curate.Library) (err error) {
		report.Removed, err = augment.Remove(ctx, l)
		return err
	})
	switch {
	case err != nil:
		return e.stopped(ctx, "The copies that went to the trash stay there", err)
	case asJSON:
		return e.printJSON(report)
	}
	return e.printf("%s moved to the trash\n", count(report.Removed, "copy"))
}

// count gives a number with what is counted.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// size gives a number of bytes as people write it.
func size(bytes int64) string {
	const step = 1000
	units := []string{"B", "kB", "MB", "GB", "TB"}
	n, unit := float64(bytes), 0
	for n >= step && unit < len(units)-1 {
		n /= step
		unit++
	}
	if unit == 0 || n == math.Trunc(n) {
		return fmt.Sprintf("%.0f %s", n, units[unit])
	}
	return fmt.Sprintf("%.1f %s", n, units[unit])
}
