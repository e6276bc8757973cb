package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kaika/core/dataset"
	"kaika/core/feature"
	"kaika/core/train"
	"kaika/model/client"
)

// baseFlags choose the base network and the cache.
type baseFlags struct {
	architecture, modelDir, bottleneckDir, precision string
	inputSize                                        int
}

func (b *baseFlags) add(f *pflag.FlagSet) {
	f.StringVar(&b.architecture, "architecture", "efficientnet_lite0", "base model; kaika models list names them")
	f.StringVar(&b.modelDir, "model_dir", "", "folder of base models that is searched first")
	f.StringVar(&b.bottleneckDir, "bottleneck_dir", "", "folder of the cache of features (default "+cacheDir()+")")
	f.IntVar(&b.inputSize, "input_size", 0, "side in pixels of the squares that the network is given (default the base model's)")
	f.StringVar(&b.precision, "precision", "float32", "arithmetic of the base network: float32, or bfloat16, which is faster on processors that have it")
}

// settingsFlags are what fitting the layer depends on.
func settingsFlags(f *pflag.FlagSet, s *train.Settings) {
	f.IntVar(&s.Steps, "how_many_training_steps", s.Steps, "training steps")
	f.Float64Var(&s.LearningRate, "learning_rate", s.LearningRate, "learning rate")
	f.StringVar(&s.Optimizer, "optimizer", s.Optimizer, "gradient_descent, momentum or adam")
	f.Float64Var(&s.L2, "l2", s.L2, "penalty on large weights; more of it against overfitting")
	f.IntVar(&s.TrainBatchSize, "train_batch_size", s.TrainBatchSize, "photos a training step; -1 for all")
	f.StringVar(&s.ClassWeighting, "class_weighting", s.ClassWeighting, "none, or balanced: every label counts the same, however many photos it has")
	f.Int64Var(&s.Seed, "seed", s.Seed, "the same seed gives the same model")
}

// augmentationFlags make varied views of the training photos.
func augmentationFlags(f *pflag.FlagSet, a *feature.Augmentation) {
	f.BoolVar(&a.Flip, "flip_left_right", false, "also train with mirrored photos")
	f.IntVar(&a.Crop, "random_crop", 0, "also train with photos of which up to so many percent are cropped off")
	f.IntVar(&a.Scale, "random_scale", 0, "also train with photos enlarged by up to so many percent")
	f.IntVar(&a.Brightness, "random_brightness", 0, "also train with photos up to so many percent brighter or darker")
	f.IntVar(&a.Rotation, "random_rotation", 0, "also train with photos turned by up to so many degrees")
	f.IntVar(&a.Views, "augmented_views", feature.DefaultViews, "varied views a training photo, if any of these flags asks for them")
}

func newRetrain(e *environment) *cobra.Command {
	p := train.DefaultParams()
	var base baseFlags
	var asJSON, printMisclassified bool
	c := &cobra.Command{
		Use:   "retrain --image_dir FOLDER [--output_dir FOLDER]",
		Short: "Retrain the last layer of a base model on your photos",
		Long: `Retrains the last layer of a base model on a folder that holds a folder of photos
for each label, and writes the model: retrained_graph.pb, retrained_labels.txt,
model.json and metrics.jsonl. The flags are those of TensorFlow's retrain.py.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if p.OutputDir == "" && p.ImageDir != "" {
				// Its absolute path, because the folder may be given as a dot.
				dir, err := filepath.Abs(p.ImageDir)
				if err != nil {
					return fmt.Errorf("finding %s: %w", p.ImageDir, err)
				}
				p.OutputDir = filepath.Base(dir) + "-model"
			}
			if err := p.Validate(); err != nil {
				return usageError{err}
			}
			return e.retrain(c.Context(), p, base, asJSON, printMisclassified)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&p.ImageDir, "image_dir", "", "folder that holds a folder of photos for each label")
	f.StringVar(&p.OutputDir, "output_dir", "", "folder for the model (default NAME-model, after the image folder)")
	f.StringVar(&p.OutputGraph, "output_graph", "", "also write the graph to this file")
	f.StringVar(&p.OutputLabels, "output_labels", "", "also write the labels to this file")
	f.StringVar(&p.SavedModelDir, "saved_model_dir", "", "also write a SavedModel for TensorFlow Serving to this folder")
	f.StringVar(&p.SummariesDir, "summaries_dir", "", "also write the curves for TensorBoard to this folder")
	settingsFlags(f, &p.Settings)
	f.IntVar(&p.TestingPercentage, "testing_percentage", p.TestingPercentage, "percentage of the photos to test with")
	f.IntVar(&p.ValidationPercentage, "validation_percentage", p.ValidationPercentage, "percentage of the photos to validate with")
	f.IntVar(&p.EvalStepInterval, "eval_step_interval", p.EvalStepInterval, "steps between two points of the curves")
	f.IntVar(&p.TestBatchSize, "test_batch_size", p.TestBatchSize, "photos to test with; -1 for all")
	f.IntVar(&p.ValidationBatchSize, "validation_batch_size", p.ValidationBatchSize, "photos a validation; -1 for all")
	f.IntVar(&p.EarlyStopping, "early_stopping", p.EarlyStopping, "stop after so many evaluations without a better validation cross-entropy, and take the best; 0 never")
	augmentationFlags(f, &p.Augmentation)
	base.add(f)
	f.StringVar(&p.FinalTensorName, "final_tensor_name", p.FinalTensorName, "name of the scores in the graph")
	f.StringVar(&p.IntermediateDir, "intermediate_output_graphs_dir", "", "folder for graphs on the way")
	f.IntVar(&p.IntermediateFrequency, "intermediate_store_frequency", 0, "steps between two graphs on the way; 0 for none")
	f.BoolVar(&printMisclassified, "print_misclassified_test_images", false, "list the test photos that the model gets wrong")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}

func (e *environment) retrain(ctx context.Context, p train.Params, flags baseFlags, asJSON, printMisclassified bool) error {
	base, err := e.base(flags.modelDir, flags.architecture, flags.inputSize, flags.precision)
	if err != nil {
		return err
	}
	cache := e.cache(ctx, flags.bottleneckDir)
	defer cache.Close() //nolint:errcheck // What was to be kept was committed.
	show := newShow(e.terminal)
	r := e.retrainer(base, cache, func(event train.Event) {
		switch event.Phase {
		case train.Features, train.Views:
			show.features(event.Phase, event.Progress)
		case train.Training:
			show.point(event.Steps, event.Point)
		case train.Writing:
			e.terminal.progress(false, "writing the model")
		}
	}, nil)
	report, err := r.Run(ctx, p)
	if err != nil {
		return err
	}
	e.terminal.clear()
	if asJSON {
		return e.printJSON(report)
	}
	return e.printf("%s", retrained(report, printMisclassified))
}

// retrainer puts a Retrainer together.
func (e *environment) retrainer(base *client.Base, cache *feature.Cache, observe func(train.Event), stop <-chan struct{}) *train.Retrainer {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return &train.Retrainer{
		Engine: base, Cache: cache, Log: e.log, Version: version, Host: host, Now: time.Now, Observe: observe, Stop: stop,
	}
}

// show writes the progress of the phases of a retraining.
type show struct {
	terminal *terminal
	phase    train.Phase
	began    time.Time
}

func newShow(t *terminal) *show { return &show{terminal: t} }

func (s *show) enter(phase train.Phase) {
	if s.phase != phase {
		s.phase, s.began = phase, time.Now()
	}
}

func (s *show) features(phase train.Phase, p feature.Progress) {
	s.enter(phase)
	what := map[train.Phase]string{train.Features: "features", train.Views: "features of augmented photos"}[phase]
	bad := ""
	if p.Bad > 0 {
		bad = fmt.Sprintf(", %d cannot be used", p.Bad)
	}
	s.terminal.progress(p.Done == p.Total, "%s: %d of %d photos (%d known%s)%s%s",
		what, p.Done, p.Total, p.Cached, bad, rate(s.began, p.Done-p.Cached), eta(s.began, p.Done, p.Total))
}

func (s *show) point(steps int, p *train.Point) {
	s.enter(train.Training)
	validation := ""
	if p.ValidationAccuracy != nil {
		validation = fmt.Sprintf("; validation %.1f %%, loss %.4f", 100**p.ValidationAccuracy, *p.ValidationCrossEntropy)
	}
	// Fits into 80 columns. The loss is the cross-entropy.
	s.terminal.progress(p.Step == steps, "step %d of %d: train %.1f %%, loss %.4f%s",
		p.Step, steps, 100*p.TrainAccuracy, p.TrainCrossEntropy, validation)
}

// retrained puts a report in words.
func retrained(r *train.Report, printMisclassified bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d photos of %d labels: %d to train with, %d to validate, %d to test\n",
		r.Photos.Total, len(r.Labels), r.Photos.Train, r.Photos.Validation, r.Photos.Test)
	skippedWords(&b, r.Skipped)
	if t := r.Test; t != nil {
		fmt.Fprintf(&b, "\nTest accuracy: %.1f %% (%d of %d photos; 95 %% interval %.1f to %.1f %%)\n",
			100*t.Accuracy, t.Correct, t.Count, 100*t.Low, 100*t.High)
		b.WriteString("\n" + matrix(*r.ConfusionMatrix))
	}
	if printMisclassified {
		misclassifiedWords(&b, r.Misclassified, len(r.Misclassified))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	fmt.Fprintf(&b, "\nThe model is in %s (%.1f s). Try it: kaika classify --model %q PHOTO\n", r.Model, r.Seconds.Total, r.Model)
	return b.String()
}

// skippedWords lists files that were not used.
func skippedWords(b *strings.Builder, skipped []dataset.Skip) {
	if len(skipped) == 0 {
		return
	}
	const most = 20
	fmt.Fprintf(b, "\nNot used (%d):\n", len(skipped))
	for i, s := range skipped {
		if i == most {
			fmt.Fprintf(b, "  and %d more; --json lists all\n", len(skipped)-most)
			break
		}
		fmt.Fprintf(b, "  %s %s\n", s.Path, s.Detail)
	}
}

// misclassifiedWords lists photos that the model gets wrong.
func misclassifiedWords(b *strings.Builder, wrong []train.Answer, most int) {
	if len(wrong) == 0 {
		return
	}
	fmt.Fprintf(b, "\nMisclassified (%d):\n", len(wrong))
	for i, m := range wrong {
		if i == most {
			fmt.Fprintf(b, "  and %d more; --json lists all\n", len(wrong)-most)
			break
		}
		fmt.Fprintf(b, "  %s is %s, taken for %s (%.1f %%)\n", m.File, m.Label, m.Predicted, 100*m.Score)
	}
}

// matrix draws a confusion matrix.
func matrix(c train.Confusion) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "is \\ taken for")
	for _, l := range c.Labels {
		fmt.Fprintf(w, "\t%s", l)
	}
	fmt.Fprintln(w)
	for i, l := range c.Labels {
		fmt.Fprint(w, l)
		for _, n := range c.Counts[i] {
			fmt.Fprintf(w, "\t%d", n)
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // Into memory.
	return b.String()
}
