package experiment

import (
	"slices"

	"kaika/core/feature"
)

// Setting is one setting in several runs.
type Setting struct {
	Name    string // As in run.json and model.json: "how_many_training_steps".
	Values  []any  // One a run, in their order: string, bool, int, int64 or float64.
	Differs bool   // Not all are equal.
}

// settings are what Compare looks at: first what the user of a beginner's window chooses, then the rest.
var settings = []struct {
	name string
	of   func(Run) any
}{
	{"dataset", func(r Run) any { return r.Dataset }},
	{"photos", func(r Run) any { return r.Report.Photos.Total }},
	{"labels", func(r Run) any { return len(r.Report.Labels) }},
	{"architecture", func(r Run) any { return r.Base.Name }},
	{"input_size", func(r Run) any { return r.Base.InputSize }},
	{"precision", func(r Run) any { return r.Base.Precision }},
	{"how_many_training_steps", func(r Run) any { return r.Params.Steps }},
	{"steps_done", func(r Run) any { return r.Report.Steps }},
	{"augmented_views", func(r Run) any { return augmentation(r).Views }},
	{"flip_left_right", func(r Run) any { return augmentation(r).Flip }},
	{"random_crop", func(r Run) any { return augmentation(r).Crop }},
	{"random_scale", func(r Run) any { return augmentation(r).Scale }},
	{"random_brightness", func(r Run) any { return augmentation(r).Brightness }},
	{"random_rotation", func(r Run) any { return augmentation(r).Rotation }},
	{"learning_rate", func(r Run) any { return r.Params.LearningRate }},
	{"optimizer", func(r Run) any { return r.Params.Optimizer }},
	{"l2", func(r Run) any { return r.Params.L2 }},
	{"class_weighting", func(r Run) any { return r.Params.ClassWeighting }},
	{"train_batch_size", func(r Run) any { return r.Params.TrainBatchSize }},
	{"validation_batch_size", func(r Run) any { return r.Params.ValidationBatchSize }},
	{"test_batch_size", func(r Run) any { return r.Params.TestBatchSize }},
	{"eval_step_interval", func(r Run) any { return r.Params.EvalStepInterval }},
	{"early_stopping", func(r Run) any { return r.Params.EarlyStopping }},
	{"testing_percentage", func(r Run) any { return r.Params.TestingPercentage }},
	{"validation_percentage", func(r Run) any { return r.Params.ValidationPercentage }},
	{"seed", func(r Run) any { return r.Params.Seed }},
}

// augmentation gives the augmentation that took place: without a variation, or without views, there is none.
func augmentation(r Run) feature.Augmentation {
	if a := r.Params.Augmentation; a.Varies() && a.Views > 0 {
		return a
	}
	return feature.Augmentation{}
}

// Compare puts the settings of runs side by side, and marks those that differ.
func Compare(runs []Run) []Setting {
	compared := make([]Setting, len(settings))
	for i, s := range settings {
		c := Setting{Name: s.name, Values: make([]any, len(runs))}
		for k, r := range runs {
			c.Values[k] = s.of(r)
		}
		c.Differs = slices.ContainsFunc(c.Values, func(v any) bool { return v != c.Values[0] })
		compared[i] = c
	}
	return compared
}
