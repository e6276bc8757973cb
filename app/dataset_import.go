package app

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kaika/core/transfer"
)

func newDatasetImport(e *environment) *cobra.Command {
	var dir string
	var renames []string
	var asJSON bool
	c := &cobra.Command{
		Use:   "import FILE|FOLDER --dataset FOLDER",
		Short: "Bring the photos of an archive or a folder into a dataset",
		Long: `Brings the photos of a tar, tar.gz or zip file, or of a folder, into a dataset. Its
label folders may lie at any depth. All of them come or none: a dataset that is
there is as it was before if an import is stopped, and a whole one is one step that
can be undone.
Photos that are there already are left out, and bad files are listed. Where the
photos came from is taken over.`,
		Args: arguments("archive or folder to import"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			if dir == "" {
				return usageError{errors.New("dataset is missing: give the folder of the dataset, new or not")}
			}
			rename, err := transfer.ParseRename(renames)
			if err != nil {
				return usageError{fmt.Errorf("rename: %w", err)}
			}
			imported, err := transfer.Import(ctx, args[0], dir, transfer.ImportOptions{
				Rename: rename, Log: e.log,
				Progress: func(done, photos int) {
					e.terminal.progress(done == photos, "importing: %d of %d photos", done, photos)
				},
			})
			e.terminal.clear()
			switch {
			case err != nil:
				return e.stopped(ctx, "A new dataset was not made, and one that was there is as it was before", err)
			case asJSON:
				return e.printJSON(imported)
			}
			return e.printf("%s", importedText(imported))
		},
	}
	c.Flags().StringVar(&dir, "dataset", "", "folder of the dataset; it is made if it is missing or empty")
	c.Flags().StringArrayVar(&renames, "rename", nil, "OLD=NEW: the photos of the folder OLD get the label NEW; =NEW for photos in no folder (may be given several times)")
	c.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}

// importedText says what was imported.
func importedText(r *transfer.Imported) string {
	var b strings.Builder
	for _, l := range r.Labels {
		fmt.Fprintf(&b, "%s: %d new", l.Label, l.Added)
		if l.Duplicates > 0 {
			fmt.Fprintf(&b, ", %d there already", l.Duplicates)
		}
		if l.Refused > 0 {
			fmt.Fprintf(&b, ", %d refused", l.Refused)
		}
		b.WriteString("\n")
	}
	if r.Unlabelled > 0 {
		fmt.Fprintf(&b, "\n%s in no label folder left out: give them one with --rename =LABEL\n", count(r.Unlabelled, "photo"))
	}
	if len(r.Reasons) > 0 {
		b.WriteString("\nRefused:")
		for _, reason := range slices.Sorted(maps.Keys(r.Reasons)) {
			fmt.Fprintf(&b, " %s %d", strings.ReplaceAll(string(reason), "_", " "), r.Reasons[reason])
		}
		b.WriteString("\n" + skippedText(r.Refused))
	}
	verb, made := "are", "new in"
	if r.Added == 1 {
		verb = "is"
	}
	if r.New {
		made = "in the new dataset"
	}
	fmt.Fprintf(&b, "\n%s %s %s %s", count(r.Added, "photo"), verb, made, filepath.Clean(r.Dataset))
	if r.Sources > 0 {
		fmt.Fprintf(&b, "; of %d it is known where they came from", r.Sources)
	}
	b.WriteString("\n")
	return b.String()
}
