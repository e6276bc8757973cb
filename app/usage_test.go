package app

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
)

// TestUsage calls the program in wrong ways: exit code 2 and a sentence that says what is right.
func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args  string
		words string
	}{
		{"nonsense", `there is no command "nonsense": kaika --help lists them`},
		{"--nonsense", "unknown flag: --nonsense: kaika --help lists the flags"},
		{"--log_level loud doctor", "log_level must be debug, info, warn or error"},
		{"retrain", "image_dir is missing"},
		{"retrain photos", "takes no argument"},
		{"retrain --image_dir x --no_such_flag 1", "unknown flag: --no_such_flag"},
		{"retrain --image_dir x --how_many_training_steps many", "how_many_training_steps"},
		{"retrain --image_dir x --how_many_training_steps 0", "how_many_training_steps must be 1 to 10000000"},
		{"retrain --image_dir x --train_batch_size 4294967296", "train_batch_size must be 1 to 10000000"},
		{"retrain --image_dir x --learning_rate -1", "learning_rate must be above 0"},
		{"retrain --image_dir x --testing_percentage 100", "together below 100"},
		{"retrain --image_dir x --optimizer sgd", "optimizer must be gradient_descent, momentum or adam"},
		{"retrain --image_dir x --class_weighting fair", "class_weighting must be none or balanced"},
		{"retrain --image_dir x --final_tensor_name a:b", "final_tensor_name"},
		{"retrain --image_dir x --random_crop 91", "random_crop must be 0 to 90"},
		{"retrain --image_dir x --augmented_views -1", "views"},
		{"retrain --image_dir x --precision float64", "precision must be float32 or bfloat16"},
		{"retrain --image_dir x --architecture resnet", `unknown base model "resnet". Known are efficientnet_lite0`},
		{"retrain --image_dir x --architecture ../../etc", "unknown base model"},
		{"retrain --image_dir x --architecture mobilenet_1.0_224_quantized", "Take mobilenet_1.0_224"},
		{"retrain --image_dir x --intermediate_store_frequency 5", "intermediate_output_graphs_dir"},
		{"evaluate", "image_dir is missing"},
		{"evaluate --image_dir x --folds 1", "folds must be at least 2"},
		{"evaluate --image_dir x --l2 -1", "l2 must be 0 to 1000"},
		{"evaluate --image_dir x --random_scale 401", "random_scale"},
		{"evaluate --image_dir x --output_dir y", "unknown flag: --output_dir"},
		{"classify", "name at least one photo or folder, or - for the standard input"},
		{"classify photo.jpg", "model is missing"},
		{"classify --model m", "name at least one photo"},
		{"classify --model m --json --csv photo.jpg", "json and csv cannot both be asked for"},
		{"classify --model m --top -1 photo.jpg", "top must be 0 (all labels) or more"},
		{"classify --model m --precision half photo.jpg", "precision must be float32 or bfloat16"},
		{"models nonsense", "kaika models --help lists them"},
		{"models list nonsense", "takes no argument"},
		{"models fetch", "kaika models list names them"},
		{"models fetch resnet", `unknown base model "resnet"`},
		{"models fetch inception_v3 efficientnet_lite0 --from x", "from goes with one base model"},
		{"models verify resnet", `unknown base model "resnet"`},
		{"models add mine", "give a name for the base model, and a frozen graph"},
		{"models add mine x.pb --description nowhere.json", "nowhere.json"},
		{"dataset nonsense", "kaika dataset --help lists them"},
		{"dataset fetch", "name one example: flower_photos"},
		{"dataset fetch cats", `there is no example named "cats"; there is flower_photos`},
		{"doctor nonsense", "takes no argument"},
	} {
		for _, args := range []string{c.args, strings.ReplaceAll(c.args, "_", "-")} {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), strings.Fields(args), strings.NewReader(""), &stdout, &stderr)
			if code != exitUsage || stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 || !strings.HasPrefix(stderr.String(), "kaika: ") {
				t.Errorf("kaika %s: exit code %d\n%s%s", args, code, &stdout, &stderr)
			}
			if args == c.args && !strings.Contains(stderr.String(), c.words) {
				t.Errorf("kaika %s does not say %q:\n%s", args, c.words, &stderr)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	for args, words := range map[string][]string{
		"--help":           {"kaika [command]", "collect", "classify", "dataset", "doctor", "evaluate", "models", "retrain", "kaika retrain --image_dir"},
		"help retrain":     {"--image_dir", "--how_many_training_steps", "default 4000"},
		"models":           {"add", "fetch", "list", "verify"},
		"dataset":          {"fetch", "flower_photos"},
		"classify --help":  {"--top", "--csv", "--json", "standard input"},
		"evaluate --help":  {"--folds"},
		"doctor --help":    {"--model_dir"},
		"--version":        {"kaika " + version},
		"models add -h":    {"(x - mean) / scale", "--bottleneck_tensor"},
		"dataset fetch -h": {"--dir"},
		// Every flag of retrain.py that still means something.
		"retrain --help": {
			"--image_dir", "--output_graph", "--intermediate_output_graphs_dir", "--intermediate_store_frequency", "--output_labels",
			"--summaries_dir", "--how_many_training_steps", "--learning_rate", "--testing_percentage", "--validation_percentage",
			"--eval_step_interval", "--train_batch_size", "--test_batch_size", "--validation_batch_size", "--print_misclassified_test_images",
			"--model_dir", "--bottleneck_dir", "--final_tensor_name", "--flip_left_right", "--random_crop", "--random_scale",
			"--random_brightness", "--architecture", "--saved_model_dir", "--output_dir", "--seed", "--optimizer", "--l2",
			"--early_stopping", "--class_weighting", "--json",
		},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(args), strings.NewReader(""), &stdout, &stderr); code != exitDone || stderr.Len() > 0 {
			t.Errorf("kaika %s: exit code %d\n%s", args, code, &stderr)
		}
		for _, w := range words {
			if !strings.Contains(stdout.String(), w) {
				t.Errorf("kaika %s does not say %q:\n%s", args, w, &stdout)
			}
		}
	}
}

// TestNoScreen asks for the window where there is no screen: a sentence and a way out, and no crash.
func TestNoScreen(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems always have a screen")
	}
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), nil, strings.NewReader(""), &stdout, &stderr)
	if code != exitFailed || !strings.Contains(stderr.String(), "there is no screen") || !strings.Contains(stderr.String(), "kaika --help") {
		t.Errorf("exit code %d, said %q", code, &stderr)
	}
}

// TestFailsBeforeTheEngine gives the reasons that need no engine to find: exit code 1.
func TestFailsBeforeTheEngine(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		args  []string
		words string
	}{
		{[]string{"classify", "--model", empty, "x.jpg"}, "holds no trained model (there is no model.json): give the folder that kaika retrain wrote"},
		{[]string{"classify", "--model", empty + "/none", "x.jpg"}, "holds no trained model"},
		{[]string{"retrain", "--image_dir", "x", "--architecture", "inception_v3"}, "Fetch it: kaika models fetch inception_v3"},
		{[]string{"models", "verify"}, "kaika models fetch efficientnet_lite0 brings one"},
		{[]string{"models", "add", "efficientnet_lite0", "x.pb", "--input_tensor", "a:0", "--bottleneck_tensor", "b:0", "--input_size", "10", "--scale", "1"}, "choose another"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), c.args, strings.NewReader(""), &stdout, &stderr); code != exitFailed || stdout.Len() > 0 || !strings.Contains(stderr.String(), c.words) {
			t.Errorf("kaika %q: exit code %d\n%s%s", c.args, code, &stdout, &stderr)
		}
	}
}
