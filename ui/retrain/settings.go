package retrain

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"kaika/core/feature"
	"kaika/core/train"
)

// message is a sentence in no language yet: the key of its text, and the names and values that stand in it.
type message struct {
	key    string
	plural bool // It has plural forms, by count.
	count  int
	pairs  []any
}

func say(key string, pairs ...any) message { return message{key: key, pairs: pairs} }

func sayCount(key string, count int, pairs ...any) message {
	return message{key: key, plural: true, count: count, pairs: pairs}
}

// Values in messages that the view writes in the language's way, beside int.
type (
	share    float64 // 0 to 1, shown in percent.
	byteSize int64
	decimal  float64
	baseName string // Of a base model, shown as its title.
)

// settings are what the user chooses.
type settings struct {
	Base      string       `json:"base"`
	InputSize int          `json:"input_size"` // 0: the base model's own.
	Precision string       `json:"precision"`
	Params    train.Params `json:"params"` // Without folders.
}

func defaultSettings() settings {
	return settings{Precision: float32Precision, Params: train.DefaultParams()}
}

// Precisions that base networks compute in.
const (
	float32Precision  = "float32"
	bfloat16Precision = "bfloat16"
)

// preset is a simple choice of augmentation.
type preset string

// The presets. A custom augmentation is one that is none of the others.
const (
	presetNone   preset = "none"
	presetFlip   preset = "flip"
	presetLight  preset = "light"
	presetCustom preset = "custom"
)

// presets are the augmentations behind the simple choices. Mirroring makes but one other picture of a photo.
var presets = map[preset]feature.Augmentation{
	presetNone:  {},
	presetFlip:  {Views: 1, Flip: true},
	presetLight: {Views: feature.DefaultViews, Flip: true, Crop: 10, Brightness: 10},
}

// presetOf tells which preset an augmentation is.
func presetOf(a feature.Augmentation) preset {
	if !a.Varies() || a.Views == 0 {
		return presetNone
	}
	for name, preset := range presets {
		if a == preset {
			return name
		}
	}
	return presetCustom
}

// number is a setting that is typed. Its key is the name that the flag of kaika retrain has.
type number struct {
	key       string
	low, high float64
	above     bool // More than low, not low itself.
	all       bool // -1 means all photos.
	int       func(*settings) *int
	int64     func(*settings) *int64
	float     func(*settings) *float64
}

// most bounds what counts steps or photos, as package train does.
const most = 10_000_000

// numbers are all settings that are typed.
var numbers = []number{
	{key: "how_many_training_steps", low: 1, high: most, int: func(s *settings) *int { return &s.Params.Steps }},
	{key: "augmented_views", low: 0, high: 100, int: func(s *settings) *int { return &s.Params.Augmentation.Views }},
	{key: "random_crop", low: 0, high: 90, int: func(s *settings) *int { return &s.Params.Augmentation.Crop }},
	{key: "random_scale", low: 0, high: 400, int: func(s *settings) *int { return &s.Params.Augmentation.Scale }},
	{key: "random_brightness", low: 0, high: 100, int: func(s *settings) *int { return &s.Params.Augmentation.Brightness }},
	{key: "random_rotation", low: 0, high: 180, int: func(s *settings) *int { return &s.Params.Augmentation.Rotation }},
	{key: "learning_rate", low: 0, above: true, high: 1000, float: func(s *settings) *float64 { return &s.Params.LearningRate }},
	{key: "l2", low: 0, high: 1000, float: func(s *settings) *float64 { return &s.Params.L2 }},
	{key: "early_stopping", low: 0, high: most, int: func(s *settings) *int { return &s.Params.EarlyStopping }},
	{key: "testing_percentage", low: 0, high: 98, int: func(s *settings) *int { return &s.Params.TestingPercentage }},
	{key: "validation_percentage", low: 0, high: 98, int: func(s *settings) *int { return &s.Params.ValidationPercentage }},
	{key: "train_batch_size", low: 1, high: most, all: true, int: func(s *settings) *int { return &s.Params.TrainBatchSize }},
	{key: "validation_batch_size", low: 1, high: most, all: true, int: func(s *settings) *int { return &s.Params.ValidationBatchSize }},
	{key: "test_batch_size", low: 1, high: most, all: true, int: func(s *settings) *int { return &s.Params.TestBatchSize }},
	{key: "eval_step_interval", low: 1, high: most, int: func(s *settings) *int { return &s.Params.EvalStepInterval }},
	{key: "seed", low: math.MinInt32, high: math.MaxInt32, int64: func(s *settings) *int64 { return &s.Params.Seed }},
	{key: "input_size", low: minSize, high: maxSize, int: func(s *settings) *int { return &s.InputSize }},
}

// Sides in pixels that a base model can be asked to work with; 0 leaves it to the model.
const (
	minSize = 16
	maxSize = 2048
)

// text gives the setting as it is typed.
func (n number) text(s *settings) string {
	switch {
	case n.int != nil:
		return strconv.Itoa(*n.int(s))
	case n.int64 != nil:
		return strconv.FormatInt(*n.int64(s), 10)
	default:
		return strconv.FormatFloat(*n.float(s), 'g', -1, 64)
	}
}

// set takes what was typed, or says what is wrong with it and changes nothing.
func (n number) set(s *settings, text string) (problem message, ok bool) {
	// What a Japanese keyboard types may be wide.
	text = strings.TrimSpace(norm.NFKC.String(text))
	wrong := n.problem()
	if n.float != nil {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !n.allows(v) {
			return wrong, false
		}
		*n.float(s) = v
		return message{}, true
	}
	v, err := strconv.ParseInt(strings.ReplaceAll(text, ",", ""), 10, 64)
	if err != nil || !n.allows(float64(v)) {
		return wrong, false
	}
	if n.int64 != nil {
		*n.int64(s) = v
	} else {
		*n.int(s) = int(v)
	}
	return message{}, true
}

func (n number) allows(v float64) bool {
	switch {
	case math.IsNaN(v) || v > n.high:
		return false
	case n.all && v == -1, n.key == "input_size" && v == 0:
		return true
	case n.above:
		return v > n.low
	}
	return v >= n.low
}

// problem is the sentence that says what can be typed.
func (n number) problem() message {
	low, high := decimal(n.low), decimal(n.high)
	switch {
	case n.all:
		return say("retrain.problem.whole_or_all", "Low", low, "High", high)
	case n.key == "input_size":
		return say("retrain.problem.whole_or_own", "Low", low, "High", high)
	case n.above:
		return say("retrain.problem.above", "Low", low, "High", high)
	case n.float != nil:
		return say("retrain.problem.number", "Low", low, "High", high)
	}
	return say("retrain.problem.whole", "Low", low, "High", high)
}

// choice is a setting that is one of a few words.
type choice struct {
	key     string
	options []string
	of      func(*settings) *string
}

// choices are all settings that are chosen, beside the base model and the augmentation.
var choices = []choice{
	{"optimizer", []string{train.GradientDescent, train.Momentum, train.Adam}, func(s *settings) *string { return &s.Params.Optimizer }},
	{"class_weighting", []string{train.WeightNone, train.WeightBalanced}, func(s *settings) *string { return &s.Params.ClassWeighting }},
	{"precision", []string{float32Precision, bfloat16Precision}, func(s *settings) *string { return &s.Precision }},
}

// mobileNetSize finds the input size at the end of the names of MobileNets, which say the same of all sizes.
var mobileNetSize = regexp.MustCompile(`_\d{3}$`)

// preferencesKey is where the settings are kept.
const preferencesKey = "retrain.settings"

// loadSettings gives the settings that were kept, or the defaults for what is missing or makes no sense.
func loadSettings(kept string) settings {
	s := defaultSettings()
	if json.Unmarshal([]byte(kept), &s) != nil {
		return defaultSettings()
	}
	defaults := defaultSettings()
	for _, n := range numbers {
		if _, ok := n.set(&s, n.text(&s)); !ok {
			n.set(&s, n.text(&defaults))
		}
	}
	for _, c := range choices {
		if !slices.Contains(c.options, *c.of(&s)) {
			*c.of(&s) = *c.of(&defaults)
		}
	}
	// What the window does not show is not kept: nobody could change it back.
	p := train.DefaultParams()
	p.Settings, p.Augmentation = s.Params.Settings, s.Params.Augmentation
	p.TestingPercentage, p.ValidationPercentage, p.TestBatchSize = s.Params.TestingPercentage, s.Params.ValidationPercentage, s.Params.TestBatchSize
	if p.TestingPercentage+p.ValidationPercentage >= 100 {
		p.TestingPercentage, p.ValidationPercentage = defaults.Params.TestingPercentage, defaults.Params.ValidationPercentage
	}
	s.Params = p
	return s
}

// keep gives the settings as they are kept.
func (s settings) keep() (string, error) {
	data, err := json.Marshal(s)
	return string(data), err
}
