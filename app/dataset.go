package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"kaika/core/dataset"
	"kaika/core/fetch"
)

func newDataset(e *environment) *cobra.Command {
	return group("dataset", "Work with datasets", newDatasetFetch(e), datasetFlag(newDatasetStats(e)), datasetFlag(newDatasetExport(e)),
		newDatasetImport(e), datasetFlag(newDatasetCredits(e)), newDatasetVerify(e), datasetFlag(newDatasetAugment(e)))
}

// datasetFlag lets a command that takes the dataset as its first argument take it as the flag that the other commands have.
func datasetFlag(c *cobra.Command) *cobra.Command {
	var dir string
	c.Flags().StringVar(&dir, "dataset", "", "folder of the dataset, in place of the first argument")
	with := func(args []string) []string {
		if dir == "" {
			return args
		}
		return append([]string{dir}, args...)
	}
	check, run := c.Args, c.RunE
	c.Args = func(c *cobra.Command, args []string) error { return check(c, with(args)) }
	c.RunE = func(c *cobra.Command, args []string) error { return run(c, with(args)) }
	return c
}

func newDatasetFetch(e *environment) *cobra.Command {
	var dir string
	var names []string
	for _, example := range dataset.Examples() {
		names = append(names, example.Name)
	}
	c := &cobra.Command{
		Use:   "fetch NAME",
		Short: "Download an example dataset: " + strings.Join(names, ", "),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("name one example: " + strings.Join(names, ", "))}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			example, err := dataset.ExampleNamed(args[0])
			if err != nil {
				return usageError{err}
			}
			if example.URL, err = mirrored(example.URL); err != nil {
				return usageError{err}
			}
			if dir == "" {
				dir = example.Name
			}
			err = dataset.FetchExample(c.Context(), example, dir, dataset.ExampleOptions{
				CacheDir: filepath.Join(cacheDir(), "downloads"),
				Progress: func(done, total int64) { e.bytes("downloading "+example.Name, done, total) },
			})
			e.terminal.clear()
			switch {
			case errors.Is(err, dataset.ErrExamplePresent):
				return e.printf("%s is already in %s\n", example.Name, dir)
			case err != nil:
				return err
			}
			return e.printf("%s is in %s. %s\nLicence: %s; who took them stands in %s\nTrain with them: kaika retrain --image_dir %q\n",
				example.Name, dir, example.About, example.Licence, filepath.Join(dir, example.Credits), dir)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "folder for the dataset (default its name)")
	return c
}

// mirrored gives an address on the mirror of the user's choice, if there is one.
func mirrored(address string) (string, error) {
	at, err := fetch.Mirrored(address, os.Getenv(mirrorVariable))
	if err != nil {
		return "", fmt.Errorf("%s: %w", mirrorVariable, err)
	}
	return at, nil
}
