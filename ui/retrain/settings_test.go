package retrain

import (
	"encoding/json"
	"reflect"
	"testing"

	"kaika/core/curate"
	"kaika/core/experiment"
	"kaika/core/feature"
	"kaika/core/train"
)

func TestNumbers(t *testing.T) {
	tests := []struct {
		key, text string
		want      string // What is set; "" where it is refused.
	}{
		{"how_many_training_steps", "500", "500"},
		{"how_many_training_steps", " ５００ ", "500"}, // Wide digits.
		{"how_many_training_steps", "4,000", "4000"},
		{"how_many_training_steps", "10000000", "10000000"},
		{"how_many_training_steps", "10000001", ""},
		{"how_many_training_steps", "0", ""},
		{"how_many_training_steps", "-1", ""},
		{"how_many_training_steps", "1.5", ""},
		{"how_many_training_steps", "", ""},
		{"how_many_training_steps", "99999999999999999999", ""},
		{"learning_rate", "0.05", "0.05"},
		{"learning_rate", "１e-3", "0.001"},
		{"learning_rate", "0", ""},
		{"learning_rate", "NaN", ""},
		{"learning_rate", "Inf", ""},
		{"learning_rate", "1001", ""},
		{"l2", "0", "0"},
		{"l2", "-0.1", ""},
		{"train_batch_size", "-1", "-1"},
		{"train_batch_size", "0", ""},
		{"random_crop", "90", "90"},
		{"random_crop", "91", ""},
		{"seed", "-5", "-5"},
		{"input_size", "0", "0"},
		{"input_size", "288", "288"},
		{"input_size", "15", ""},
		{"input_size", "2049", ""},
		{"early_stopping", "0", "0"},
	}
	for _, test := range tests {
		for _, n := range numbers {
			if n.key != test.key {
				continue
			}
			s := defaultSettings()
			before := s
			problem, ok := n.set(&s, test.text)
			switch {
			case ok != (test.want != ""):
				t.Errorf("%s %q: taken %v", test.key, test.text, ok)
			case ok && n.text(&s) != test.want:
				t.Errorf("%s %q: %s, want %s", test.key, test.text, n.text(&s), test.want)
			case !ok && (problem.key == "" || !reflect.DeepEqual(s, before)):
				t.Errorf("%s %q: refused with %+v, and set", test.key, test.text, problem)
			}
		}
	}
}

// TestNumbersAgreeWithCore sets each number to its bounds: package train takes them.
func TestNumbersAgreeWithCore(t *testing.T) {
	for _, n := range numbers {
		for _, v := range []float64{n.low, n.high} {
			if n.above && v == n.low {
				v = 1e-9
			}
			s := defaultSettings()
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if problem, ok := n.set(&s, string(text)); !ok {
				t.Errorf("%s = %s: %+v", n.key, text, problem)
			}
			s.Params.ImageDir, s.Params.OutputDir = "in", "out"
			switch n.key {
			case "testing_percentage":
				s.Params.ValidationPercentage = 0
			case "validation_percentage":
				s.Params.TestingPercentage = 0
			}
			if err := s.Params.Validate(); err != nil {
				t.Errorf("%s = %s: %v", n.key, text, err)
			}
		}
	}
}

func TestLoadSettings(t *testing.T) {
	changed := defaultSettings()
	changed.Base, changed.InputSize, changed.Precision = "mine", 224, bfloat16Precision
	changed.Params.Steps, changed.Params.Augmentation = 500, presets[presetLight]
	changed.Params.Optimizer, changed.Params.TestingPercentage = train.Adam, 20
	kept, err := changed.keep()
	if err != nil {
		t.Fatal(err)
	}
	hidden := changed
	hidden.Params.ImageDir, hidden.Params.SummariesDir = "/elsewhere", "/tmp"
	hiddenKept, err := hidden.keep()
	if err != nil {
		t.Fatal(err)
	}
	some := defaultSettings()
	some.Params.Steps = 7
	tests := []struct {
		name, kept string
		want       settings
	}{
		{"nothing", "", defaultSettings()},
		{"junk", "{", defaultSettings()},
		{"another type", `{"params": []}`, defaultSettings()},
		{"null", "null", defaultSettings()},
		{"kept", kept, changed},
		{"what the window does not show", hiddenKept, changed},
		{"a part", `{"params": {"how_many_training_steps": 7}}`, some},
		{"out of range", `{"precision": "float8", "input_size": -3, "params": {"how_many_training_steps": 7, "learning_rate": 0, "optimizer": "best", "random_crop": 3, "augmentation": {"random_crop": 300}}}`, some},
		{"percentages", `{"params": {"how_many_training_steps": 7, "testing_percentage": 60, "validation_percentage": 60}}`, some},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := loadSettings(test.kept); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func FuzzLoadSettings(f *testing.F) {
	f.Add(`{"params": {"how_many_training_steps": -1, "learning_rate": 1e999}}`)
	f.Add(`{"params": {"augmentation": {"views": 101, "flip_left_right": true}}, "precision": 3}`)
	f.Fuzz(func(t *testing.T, kept string) {
		s := loadSettings(kept)
		s.Params.ImageDir, s.Params.OutputDir = "in", "out"
		if err := s.Params.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPresets(t *testing.T) {
	tests := []struct {
		of   feature.Augmentation
		want preset
	}{
		{feature.Augmentation{}, presetNone},
		{feature.Augmentation{Views: 4}, presetNone},
		{feature.Augmentation{Flip: true}, presetNone}, // Without views nothing is made.
		{feature.Augmentation{Views: 1, Flip: true}, presetFlip},
		{feature.Augmentation{Views: 2, Flip: true}, presetCustom},
		{feature.Augmentation{Views: 4, Flip: true, Crop: 10, Brightness: 10}, presetLight},
		{feature.Augmentation{Views: 4, Rotation: 5}, presetCustom},
	}
	for _, test := range tests {
		if got := presetOf(test.of); got != test.want {
			t.Errorf("%+v is %s, want %s", test.of, got, test.want)
		}
	}
}

func TestAssess(t *testing.T) {
	count := func(photos ...int) (labels []curate.LabelCount) {
		for i, n := range photos {
			labels = append(labels, curate.LabelCount{Name: string(rune('a' + i)), Photos: n})
		}
		return labels
	}
	tests := []struct {
		photos []int
		want   fitness
		few    int
	}{
		{nil, noLabels, 0},
		{[]int{0, 0}, noLabels, 0},
		{[]int{5, 0}, oneLabel, 0},
		{[]int{5, 5}, fit, 0},
		{[]int{5, 4, 1, 0}, fewPhotos, 2},
		{[]int{1, 1}, fewPhotos, 2},
	}
	for _, test := range tests {
		if got, few := assess(count(test.photos...)); got != test.want || len(few) != test.few {
			t.Errorf("%v: %v, %d labels with few photos; want %v, %d", test.photos, got, len(few), test.want, test.few)
		}
	}
}

func TestFindings(t *testing.T) {
	good := func() experiment.Run {
		r := experiment.Run{Params: train.DefaultParams(), Report: report(4000), Labels: labelCounts}
		return r
	}
	tests := []struct {
		name   string
		change func(*experiment.Run)
		want   []string
	}{
		{"good", func(*experiment.Run) {}, nil},
		{"overfitting", func(r *experiment.Run) { r.Report.Train.Accuracy, r.Report.Validation.Accuracy = 1, 0.85 }, []string{"retrain.finding.overfitting"}},
		{"too few to tell", func(r *experiment.Run) {
			r.Report.Train.Accuracy, r.Report.Validation.Accuracy, r.Report.Photos.Validation = 1, 0.85, 9
		}, nil},
		{"chance", func(r *experiment.Run) {
			r.Report.Train.Accuracy, r.Report.Validation.Accuracy, r.Report.Photos.Validation = 1, 0.85, 20
		}, nil},
		{"no validation", func(r *experiment.Run) { r.Report.Validation = nil }, nil},
		{"stopped", func(r *experiment.Run) { r.Report.Steps = 10 }, []string{"retrain.finding.stopped"}},
		{"early", func(r *experiment.Run) {
			r.Report.Steps, r.Report.StoppedEarly, r.Params.EarlyStopping = 10, true, 5
		}, []string{"retrain.finding.early"}},
		{"few test photos", func(r *experiment.Run) { r.Report.Test.Count = 49 }, []string{"retrain.finding.few_test_photos"}},
		{"no testing", func(r *experiment.Run) { r.Report.Test, r.Params.TestingPercentage = nil, 0 }, []string{"retrain.finding.no_testing"}},
		{"nothing to test", func(r *experiment.Run) { r.Report.Test = nil }, []string{"retrain.finding.no_test_photos"}},
		{"unbalanced", func(r *experiment.Run) { r.Labels = map[string]int{"a": 500, "b": 100} }, []string{"retrain.finding.unbalanced"}},
		{"balanced by weight", func(r *experiment.Run) {
			r.Labels, r.Params.ClassWeighting = map[string]int{"a": 500, "b": 100}, train.WeightBalanced
		}, nil},
		{"untested", func(r *experiment.Run) { r.Labels = map[string]int{"a": 4, "b": 4, "c": 19} }, []string{"retrain.finding.untested_labels"}},
		{"contradictions", func(r *experiment.Run) { r.Report.Contradictions = 3 }, []string{"retrain.finding.contradictions"}},
		{"nothing of one label to test", func(r *experiment.Run) {
			clear(r.Report.ConfusionMatrix.Counts[0])
			r.Labels = map[string]int{}
			for _, name := range r.Report.ConfusionMatrix.Labels {
				r.Labels[name] = 20
			}
		}, []string{"retrain.finding.untestable"}},
		{"old run", func(r *experiment.Run) { r.Labels = nil }, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := good()
			test.change(&r)
			var got []string
			for _, m := range findings(r) {
				got = append(got, m.key)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

func TestConfused(t *testing.T) {
	r := report(1)
	want := []pair{{"rose", "tulip", 2}, {"tulip", "rose", 1}}
	if got := confused(*r.ConfusionMatrix); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, p := range append(want, pair{"rose", "rose", 38}, pair{"rose", "菊 花", 0}) {
		if got := behind(r.Answers, p.label, p.predicted); len(got) != p.photos {
			t.Errorf("%d photos behind %+v", len(got), p)
		}
	}
	if m := mistakes(r); len(m) != 3 || m[0].Score < m[1].Score || m[1].Score < m[2].Score {
		t.Errorf("%+v", m)
	}
}
