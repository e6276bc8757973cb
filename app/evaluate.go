package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kaika/core/evaluate"
	"kaika/core/train"
)

func newEvaluate(e *environment) *cobra.Command {
	p := evaluate.Params{Settings: train.DefaultSettings(), Folds: 5}
	var base baseFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "evaluate --image_dir FOLDER [--folds N]",
		Short: "Measure by cross-validation how good a model of your photos is",
		Long: `Trains several models, each without one part of the photos, and tests each with the
part that it has not seen. So every photo is tested once, and the accuracy is
known better than from one split. Augmented copies (kaika dataset augment) are
trained with only. No model is written.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			err := p.Validate()
			switch {
			case p.ImageDir == "":
				err = errors.New("image_dir is missing: give the folder that holds a folder of photos for each label")
			case p.Folds < 2:
				err = errors.New("folds must be at least 2")
			case err == nil:
				err = p.Augmentation.Validate()
			}
			if err != nil {
				return usageError{err}
			}
			return e.evaluate(c.Context(), p, base, asJSON)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&p.ImageDir, "image_dir", "", "folder that holds a folder of photos for each label")
	f.IntVar(&p.Folds, "folds", p.Folds, "parts that the photos are divided into")
	settingsFlags(f, &p.Settings)
	augmentationFlags(f, &p.Augmentation)
	base.add(f)
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}

func (e *environment) evaluate(ctx context.Context, p evaluate.Params, flags baseFlags, asJSON bool) error {
	base, err := e.base(flags.modelDir, flags.architecture, flags.inputSize, flags.precision)
	if err != nil {
		return err
	}
	cache := e.cache(ctx, flags.bottleneckDir)
	defer cache.Close() //nolint:errcheck // What was to be kept was committed.
	show := newShow(e.terminal)
	evaluator := &evaluate.Evaluator{Engine: base, Cache: cache, Now: time.Now, Observe: func(event evaluate.Event) {
		if event.Phase == train.Training {
			e.terminal.progress(event.Folds == p.Folds, "training: %d of %d folds", event.Folds, p.Folds)
			return
		}
		show.features(event.Phase, event.Progress)
	}}
	report, err := evaluator.Run(ctx, p)
	if err != nil {
		return err
	}
	e.terminal.clear()
	if asJSON {
		return e.printJSON(report)
	}
	return e.printf("%s", evaluated(report))
}

// evaluated puts a report in words.
func evaluated(r *evaluate.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Accuracy: %.2f %% ± %.2f (mean and standard deviation of %d folds; %d photos, 95 %% interval %.1f to %.1f %%)\n\n",
		100*r.Accuracy.Mean, 100*r.Accuracy.StandardDeviation, len(r.Folds), r.Photos, 100*r.Accuracy.Low, 100*r.Accuracy.High)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "label\tphotos\tprecision\trecall")
	for _, l := range r.PerLabel {
		fmt.Fprintf(w, "%s\t%d\t%.1f %%\t%.1f %%\n", l.Label, l.Photos, 100*l.Precision, 100*l.Recall)
	}
	_ = w.Flush() // Into memory.
	b.WriteString("\n" + matrix(r.ConfusionMatrix))
	skippedWords(&b, r.Skipped)
	misclassifiedWords(&b, r.Misclassified, 20)
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	return b.String()
}
