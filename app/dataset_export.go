package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/spf13/cobra"

	"kaika/core/curate"
	"kaika/core/transfer"
)

// withLibrary opens the dataset in a folder for a while.
func (e *environment) withLibrary(ctx context.Context, dir string, use func(*curate.Library) error) error {
	l, err := curate.Open(ctx, dir, curate.Options{Log: e.log})
	if err != nil {
		return err
	}
	return errors.Join(use(l), l.Close())
}

// stopped says what became of work that was stopped, or for which the disk had no room.
func (e *environment) stopped(ctx context.Context, words string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		e.terminal.say("stopped. " + words)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.terminal.say(err.Error() + ". Make room on that disk. " + words)
	default:
		return err
	}
	return errAnswered
}

// arguments wants as many arguments as there are names for them.
func arguments(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usageError{fmt.Errorf("give the %s: %s --help says more", names[len(args)], c.CommandPath())}
		}
		return noArguments(c, args[len(names):])
	}
}

func newDatasetExport(e *environment) *cobra.Command {
	var o transfer.ExportOptions
	var asJSON bool
	c := &cobra.Command{
		Use:   "export DATASET FILE.tar",
		Short: "Write a dataset to one file, with the credits",
		Long: `Writes a dataset to a .tar or .tar.gz file: a folder for each label with its
photos, where they came from (.kaika/sources.jsonl), and whom to credit
(ATTRIBUTION.csv and .html). What is in the trash stays there. The same photos
give the same file. kaika dataset import reads it, and so does any other program.`,
		Args: arguments("folder of the dataset", "file to write, whose name ends in .tar or .tar.gz"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			if _, err := transfer.Zipped(args[1]); err != nil {
				return usageError{err}
			}
			o.Progress = func(done, photos int) {
				e.terminal.progress(done == photos, "exporting: %d of %d photos", done, photos)
			}
			var exported *transfer.Exported
			err := e.withLibrary(ctx, args[0], func(l *curate.Library) (err error) {
				exported, err = transfer.Export(ctx, l, args[1], o)
				return err
			})
			e.terminal.clear()
			switch {
			case errors.Is(err, fs.ErrExist) && !o.Overwrite:
				return fmt.Errorf("%w (--overwrite)", err)
			case err != nil:
				return e.stopped(ctx, "No file was written", err)
			case asJSON:
				return e.printJSON(exported)
			}
			return e.exported(exported)
		},
	}
	c.Flags().BoolVar(&o.Overwrite, "overwrite", false, "replace a file of that name")
	c.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}

// exported says what was exported.
func (e *environment) exported(x *transfer.Exported) error {
	return e.printf("%s has %s of %s (%s). %s\n%s", x.File, count(x.Photos, "photo"), count(x.Labels, "label"), size(x.Bytes),
		credited(x.Credited, x.Uncredited), skippedText(x.Skipped))
}
