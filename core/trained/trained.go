// Package trained reads and writes the folder of a trained model: retrained_graph.pb and retrained_labels.txt, which any
// program of 2017 that knows TensorFlow's retrain.py can use, model.json, which tells how they came about and how to
// check them, and metrics.jsonl, the points of the curves.
package trained

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Names of the files in a model folder.
const (
	GraphFile   = "retrained_graph.pb"
	LabelsFile  = "retrained_labels.txt"
	ModelFile   = "model.json"
	MetricsFile = "metrics.jsonl"
)

// Format is the version of model.json that this package writes. It reads no newer one.
const Format = 1

// Model is the content of model.json.
type Model struct {
	Format  int       `json:"format"`
	Kaika   string    `json:"kaika"` // Version of the program that wrote it.
	Created time.Time `json:"created"`
	Labels  []string  `json:"labels"` // In the order of the scores.

	Graph         Graph          `json:"graph"`
	BaseModel     BaseModel      `json:"base_model"`
	Dataset       Dataset        `json:"dataset"`
	Split         Split          `json:"split"`
	Parameters    map[string]any `json:"parameters"` // As given to kaika retrain, by the names of its flags.
	Metrics       Metrics        `json:"metrics"`
	Temperature   float64        `json:"temperature"`       // The logits were divided by it, so that scores can be read as probabilities.
	UnknownBelow  float32        `json:"unknown_threshold"` // A best score below it should be read as "unknown"; 0 if it could not be measured.
	GoldenScores  []GoldenScore  `json:"golden"`
	Preprocessing string         `json:"preprocessing"` // In words; the graph does it itself.
}

// Graph names the frozen graph, its digest and its tensors.
type Graph struct {
	File     string `json:"file"`
	SHA256   string `json:"sha256"`
	Contents string `json:"contents_tensor"` // Takes the bytes of one JPEG or PNG.
	Output   string `json:"output_tensor"`   // Gives float32 [1, labels], the scores.
}

// BaseModel is the network under the trained layer.
type BaseModel struct {
	Name          string  `json:"name"`
	SHA256        string  `json:"sha256"` // Of its graph.
	InputSize     int     `json:"input_size"`
	Mean          float32 `json:"mean"`
	Scale         float32 `json:"scale"`
	Input         string  `json:"input_tensor"`
	Bottleneck    string  `json:"bottleneck_tensor"`
	FeatureLength int     `json:"feature_length"`
	Precision     string  `json:"precision"`
}

// Dataset tells what was trained with.
type Dataset struct {
	SHA256 string         `json:"sha256"` // Of the labels and the digests of their photos, in order; names of files do not enter.
	Photos int            `json:"photos"`
	Labels map[string]int `json:"labels"` // Photos a label.
}

// Split tells how the photos were divided.
type Split struct {
	TestingPercentage    int `json:"testing_percentage"`
	ValidationPercentage int `json:"validation_percentage"`
	Train                int `json:"train"`
	Validation           int `json:"validation"`
	Test                 int `json:"test"`
}

// Metrics are the figures at the end of the training. Accuracies are 0..1, cross-entropies are means in nats. What was
// not measured is nil.
type Metrics struct {
	Steps                  int      `json:"steps"`
	TrainAccuracy          float64  `json:"train_accuracy"`
	TrainCrossEntropy      float64  `json:"train_cross_entropy"`
	ValidationAccuracy     *float64 `json:"validation_accuracy,omitempty"`
	ValidationCrossEntropy *float64 `json:"validation_cross_entropy,omitempty"`
	TestAccuracy           *float64 `json:"test_accuracy,omitempty"`
	TestCount              int      `json:"test_count"`
}

// Folder is a model folder that was opened.
type Folder struct {
	Model

	Dir       string
	GraphPath string
}

// ErrNoModel is in the error of [Open] when a folder holds no model.
var ErrNoModel = errors.New("no trained model")

// Open reads model.json and checks that the files beside it are those that it describes.
func Open(dir string) (*Folder, error) {
	data, err := os.ReadFile(filepath.Join(dir, ModelFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds %w (there is no %s): give the folder that kaika retrain wrote with --output_dir", dir, ErrNoModel, ModelFile)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the model: %w", err)
	}
	f := &Folder{Dir: dir}
	if err := json.Unmarshal(data, &f.Model); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w. Train the model again", filepath.Join(dir, ModelFile), err)
	}
	if f.Format > Format {
		return nil, fmt.Errorf("the model in %s has format %d, and this Kaika reads formats up to %d: use a newer Kaika", dir, f.Format, Format)
	}
	if f.Format < 1 || f.Graph.File != filepath.Base(f.Graph.File) || f.Graph.File == "" || len(f.Labels) == 0 {
		return nil, fmt.Errorf("%s is damaged: it names no graph or no labels. Train the model again", filepath.Join(dir, ModelFile))
	}
	f.GraphPath = filepath.Join(dir, f.Graph.File)
	digest, err := Digest(f.GraphPath)
	if err != nil {
		return nil, fmt.Errorf("the model in %s is not whole: %w", dir, err)
	}
	if digest != f.Graph.SHA256 {
		return nil, fmt.Errorf("the model in %s does not fit together: %s is not the graph that %s describes (its SHA-256 is %s instead of %s). Copy the whole folder again, or train anew",
			dir, f.Graph.File, ModelFile, short(digest), short(f.Graph.SHA256))
	}
	labels, err := readLabels(filepath.Join(dir, LabelsFile))
	if err != nil {
		return nil, fmt.Errorf("the model in %s is not whole: %w", dir, err)
	}
	if !slices.Equal(labels, f.Labels) {
		return nil, fmt.Errorf("the model in %s does not fit together: %s lists other labels than %s. Copy the whole folder again, or train anew", dir, LabelsFile, ModelFile)
	}
	return f, nil
}

func short(digest string) string { return digest[:min(12, len(digest))] }

// readLabels reads a file of labels, one a line.
func readLabels(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the labels: %w", err)
	}
	var labels []string
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		labels = append(labels, lines.Text())
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the labels in %s: %w", path, err)
	}
	return labels, nil
}

// Labels gives the content of a file of labels.
func Labels(labels []string) []byte {
	return []byte(strings.Join(labels, "\n") + "\n")
}

// Digest gives the SHA-256 of a file in hexadecimal.
func Digest(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the graph: %w", err)
	}
	return DigestBytes(data), nil
}

// DigestBytes gives the SHA-256 of bytes in hexadecimal.
func DigestBytes(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
