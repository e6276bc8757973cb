package train

import (
	"math"
	"strings"
	"testing"
)

func TestParamsValidate(t *testing.T) {
	for _, c := range []struct {
		change func(*Params)
		want   string // Part of the error; "" where all is well.
	}{
		{func(*Params) {}, ""},
		{func(p *Params) { p.Steps = 1 }, ""},
		{func(p *Params) { p.Steps = 0 }, "how_many_training_steps"},
		{func(p *Params) { p.Steps = 10_000_001 }, "how_many_training_steps"},
		{func(p *Params) { p.LearningRate = 0 }, "learning_rate"},
		{func(p *Params) { p.LearningRate = -1 }, "learning_rate"},
		{func(p *Params) { p.LearningRate = math.NaN() }, "learning_rate"},
		{func(p *Params) { p.LearningRate = math.Inf(1) }, "learning_rate"},
		{func(p *Params) { p.Optimizer = Adam }, ""},
		{func(p *Params) { p.Optimizer = Momentum }, ""},
		{func(p *Params) { p.Optimizer = "sgd" }, `optimizer must be gradient_descent, momentum or adam, not "sgd"`},
		{func(p *Params) { p.L2 = 0 }, ""},
		{func(p *Params) { p.L2 = -0.1 }, "l2"},
		{func(p *Params) { p.L2 = math.NaN() }, "l2"},
		{func(p *Params) { p.TrainBatchSize = -1 }, ""},
		{func(p *Params) { p.TrainBatchSize = 0 }, "train_batch_size"},
		{func(p *Params) { p.TrainBatchSize = -2 }, "train_batch_size"},
		{func(p *Params) { p.TrainBatchSize = math.MaxInt32 + 1 }, "train_batch_size"},
		{func(p *Params) { p.ValidationBatchSize = 0 }, "validation_batch_size"},
		{func(p *Params) { p.ValidationBatchSize = math.MaxInt32 + 1 }, "validation_batch_size"},
		{func(p *Params) { p.TestBatchSize = 0 }, "test_batch_size"},
		{func(p *Params) { p.TestBatchSize = -2 }, "test_batch_size"},
		{func(p *Params) { p.TestBatchSize = math.MaxInt32 + 1 }, "test_batch_size"},
		{func(p *Params) { p.EvalStepInterval = 0 }, "eval_step_interval"},
		{func(p *Params) { p.EvalStepInterval = 1 << 32 }, "eval_step_interval"},
		{func(p *Params) { p.EarlyStopping = -1 }, "early_stopping"},
		{func(p *Params) { p.EarlyStopping = 1 << 32 }, "early_stopping"},
		{func(p *Params) { p.ClassWeighting = WeightBalanced }, ""},
		{func(p *Params) { p.ClassWeighting = "" }, "class_weighting"},
		{func(p *Params) { p.Seed = -5 }, ""},
		{func(p *Params) { p.ImageDir = "" }, "image_dir is missing"},
		{func(p *Params) { p.OutputDir = "" }, "output_dir is missing"},
		{func(p *Params) { p.TestingPercentage, p.ValidationPercentage = 0, 0 }, ""},
		{func(p *Params) { p.TestingPercentage, p.ValidationPercentage = 50, 49 }, ""},
		{func(p *Params) { p.TestingPercentage, p.ValidationPercentage = 50, 50 }, "testing_percentage"},
		{func(p *Params) { p.TestingPercentage = -1 }, "testing_percentage"},
		{func(p *Params) { p.ValidationPercentage = -1 }, "validation_percentage"},
		{func(p *Params) { p.FinalTensorName = "scores/of.my-flowers_1" }, ""},
		{func(p *Params) { p.FinalTensorName = "" }, "final_tensor_name"},
		{func(p *Params) { p.FinalTensorName = "_hidden" }, "final_tensor_name"},
		{func(p *Params) { p.FinalTensorName = "a b" }, "final_tensor_name"},
		{func(p *Params) { p.FinalTensorName = "花" }, "final_tensor_name"},
		{func(p *Params) { p.FinalTensorName = "a:0" }, "final_tensor_name"},
		{func(p *Params) { p.IntermediateFrequency, p.IntermediateDir = 10, "dir" }, ""},
		{func(p *Params) { p.IntermediateFrequency = 10 }, "intermediate_output_graphs_dir"},
		{func(p *Params) { p.IntermediateDir = "dir" }, "intermediate_store_frequency"},
		{func(p *Params) { p.IntermediateFrequency, p.IntermediateDir = -1, "dir" }, "intermediate_store_frequency"},
		{func(p *Params) { p.IntermediateFrequency, p.IntermediateDir = 1<<32, "dir" }, "intermediate_store_frequency"},
		{func(p *Params) { p.Augmentation.Crop = 91 }, "random_crop"},
		{func(p *Params) { p.Augmentation.Brightness = 101 }, "random_brightness"},
	} {
		p := DefaultParams()
		p.ImageDir, p.OutputDir = "photos", "model"
		c.change(&p)
		err := p.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%+v: %v", p, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v: the error %v does not say %q", p, err, c.want)
		}
	}
}
