// Package train retrains the last layer of a base network on a dataset: it lists and divides the photos, computes their
// features, has the engine fit a softmax layer, tests it, and writes the model folder.
package train

import (
	"errors"
	"fmt"
	"regexp"

	"kaika/core/feature"
)

// Optimizers that the engine knows.
const (
	GradientDescent = "gradient_descent"
	Momentum        = "momentum"
	Adam            = "adam"
)

// Class weightings.
const (
	WeightNone     = "none"     // Every photo counts the same.
	WeightBalanced = "balanced" // Every label counts the same, however many photos it has.
)

// Settings are what the fitting of the layer depends on.
type Settings struct {
	Steps               int     `json:"how_many_training_steps"`
	LearningRate        float64 `json:"learning_rate"`
	Optimizer           string  `json:"optimizer"`
	L2                  float64 `json:"l2"` // Weight of half the squared weights in the loss.
	TrainBatchSize      int     `json:"train_batch_size"`
	ValidationBatchSize int     `json:"validation_batch_size"` // -1 means all.
	EvalStepInterval    int     `json:"eval_step_interval"`
	EarlyStopping       int     `json:"early_stopping"` // Evaluations without a better validation cross-entropy; 0 never stops.
	ClassWeighting      string  `json:"class_weighting"`
	Seed                int64   `json:"seed"`
}

// DefaultSettings fit a layer well on datasets of tens to thousands of photos; docs/training.md tells how they were found.
func DefaultSettings() Settings {
	return Settings{
		Steps: 4000, LearningRate: 0.01, Optimizer: GradientDescent, L2: 0.03,
		TrainBatchSize: 100, ValidationBatchSize: -1, EvalStepInterval: 10, ClassWeighting: WeightNone,
	}
}

// most bounds whatever counts steps or photos: the engine counts in 32 bits.
const most = 10_000_000

// batchSize tells whether a number of photos may be asked for; -1 means all.
func batchSize(n int) bool { return n == -1 || n >= 1 && n <= most }

// Validate checks the ranges.
func (s Settings) Validate() error {
	switch {
	case s.Steps < 1 || s.Steps > most:
		return errors.New("how_many_training_steps must be 1 to 10000000")
	case !(s.LearningRate > 0 && s.LearningRate <= 1000):
		return errors.New("learning_rate must be above 0 and at most 1000")
	case s.Optimizer != GradientDescent && s.Optimizer != Momentum && s.Optimizer != Adam:
		return fmt.Errorf("optimizer must be %s, %s or %s, not %q", GradientDescent, Momentum, Adam, s.Optimizer)
	case !(s.L2 >= 0 && s.L2 <= 1000):
		return errors.New("l2 must be 0 to 1000")
	case !batchSize(s.TrainBatchSize):
		return errors.New("train_batch_size must be 1 to 10000000, or -1 for all photos")
	case !batchSize(s.ValidationBatchSize):
		return errors.New("validation_batch_size must be 1 to 10000000, or -1 for all photos")
	case s.EvalStepInterval < 1 || s.EvalStepInterval > most:
		return errors.New("eval_step_interval must be 1 to 10000000")
	case s.EarlyStopping < 0 || s.EarlyStopping > most:
		return errors.New("early_stopping must be 0 (never) to 10000000")
	case s.ClassWeighting != WeightNone && s.ClassWeighting != WeightBalanced:
		return fmt.Errorf("class_weighting must be %s or %s, not %q", WeightNone, WeightBalanced, s.ClassWeighting)
	}
	return nil
}

// Params are what a retraining depends on beside the base network.
type Params struct {
	Settings

	ImageDir             string               `json:"image_dir"`
	OutputDir            string               `json:"output_dir"`
	TestingPercentage    int                  `json:"testing_percentage"`
	ValidationPercentage int                  `json:"validation_percentage"`
	TestBatchSize        int                  `json:"test_batch_size"` // -1 means all.
	FinalTensorName      string               `json:"final_tensor_name"`
	Augmentation         feature.Augmentation `json:"augmentation"`

	// Files beside the model folder; none where empty.
	OutputGraph           string `json:"output_graph,omitempty"`
	OutputLabels          string `json:"output_labels,omitempty"`
	SummariesDir          string `json:"summaries_dir,omitempty"`
	SavedModelDir         string `json:"saved_model_dir,omitempty"`
	IntermediateDir       string `json:"intermediate_output_graphs_dir,omitempty"`
	IntermediateFrequency int    `json:"intermediate_store_frequency,omitempty"`
}

// DefaultParams are those of kaika retrain.
func DefaultParams() Params {
	return Params{
		Settings: DefaultSettings(), TestingPercentage: 10, ValidationPercentage: 10,
		TestBatchSize: -1, FinalTensorName: "final_result",
	}
}

var tensorName = regexp.MustCompile(`^[A-Za-z0-9.][A-Za-z0-9_.\-/]*$`)

// Validate checks the ranges. Percentages are checked where the photos are divided.
func (p Params) Validate() error {
	if err := p.Settings.Validate(); err != nil {
		return err
	}
	if err := p.Augmentation.Validate(); err != nil {
		return err
	}
	switch {
	case p.ImageDir == "":
		return errors.New("image_dir is missing: give the folder that holds a folder of photos for each label")
	case p.OutputDir == "":
		return errors.New("output_dir is missing: give the folder for the model")
	case p.TestingPercentage < 0 || p.ValidationPercentage < 0 || p.TestingPercentage+p.ValidationPercentage >= 100:
		return errors.New("testing_percentage and validation_percentage must be 0 or more and together below 100")
	case !batchSize(p.TestBatchSize):
		return errors.New("test_batch_size must be 1 to 10000000, or -1 for all photos")
	case !tensorName.MatchString(p.FinalTensorName):
		return fmt.Errorf("final_tensor_name %q is not a name that TensorFlow allows: use letters, digits, _ . - and /", p.FinalTensorName)
	case p.IntermediateFrequency < 0 || p.IntermediateFrequency > most:
		return errors.New("intermediate_store_frequency must be 0 (never) to 10000000")
	case (p.IntermediateDir == "") != (p.IntermediateFrequency == 0):
		return errors.New("intermediate_output_graphs_dir and intermediate_store_frequency go together: give both or neither")
	}
	return nil
}
