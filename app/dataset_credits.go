package app

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"kaika/core/credit"
	"kaika/core/curate"
)

// creditsReport says what was written.
type creditsReport struct {
	Files      []string `json:"files"`
	Credited   int      `json:"credited"`   // Photos whose author or licence is known.
	Uncredited int      `json:"uncredited"` // Photos of which nobody knows whom to credit.
	Notices    []string `json:"notices"`    // Sentences that the sources of the photos ask to be shown.
}

func newDatasetCredits(e *environment) *cobra.Command {
	var output string
	var asJSON bool
	c := &cobra.Command{
		Use:   "credits DATASET",
		Short: "Write whom to credit for the photos: ATTRIBUTION.csv and .html",
		Long: `Writes ATTRIBUTION.csv and ATTRIBUTION.html: title, author, licence and source of
each photo, as licences such as those of Creative Commons ask for.`,
		Args: arguments("folder of the dataset"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			if output == "" {
				output = args[0]
			}
			report := creditsReport{
				Files:   []string{filepath.Join(output, credit.CSVName), filepath.Join(output, credit.HTMLName)},
				Notices: []string{},
			}
			err := e.withLibrary(ctx, args[0], func(l *curate.Library) error {
				credits := credit.Of(l.Dir(), l.Photos(curate.Query{}))
				report.Credited, report.Uncredited = len(credits.Credits), credits.Unknown
				report.Notices = append(report.Notices, credits.Notices()...)
				return credits.Save(ctx, output)
			})
			switch {
			case err != nil:
				return fmt.Errorf("%w (--output chooses another folder)", err)
			case asJSON:
				return e.printJSON(report)
			}
			lines := append([]string{credited(report.Credited, report.Uncredited), strings.Join(report.Files, " and ")}, report.Notices...)
			return e.printf("%s\n", strings.Join(lines, "\n"))
		},
	}
	c.Flags().StringVar(&output, "output", "", "folder for the two files (default the dataset's)")
	c.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}

// credited says of how many photos somebody can be credited.
func credited(known, unknown int) string {
	text := fmt.Sprintf("Credits of %s.", count(known, "photo"))
	if unknown > 0 {
		text += fmt.Sprintf(" Of %d it is not known whom to credit.", unknown)
	}
	return text
}
