package train

import (
	"context"

	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/trained"
)

// Engine computes with one base network. It is declared here, by its user; package client of the model room fulfils it.
type Engine interface {
	feature.Embedder
	Fitter
	// Base describes the base network as it is used.
	Base() trained.BaseModel
	// Export gives a frozen graph, a serialised GraphDef, of the base network and a head, whose output has the given name.
	Export(ctx context.Context, h Head, final string) ([]byte, error)
	// ExportSavedModel gives a serialised SavedModel of the base network and a head.
	ExportSavedModel(ctx context.Context, h Head) ([]byte, error)
	// Classify gives the scores of pictures by an exported graph in a file.
	Classify(ctx context.Context, graph trained.Graph, path, precision string, pictures []picture.Encoded) ([]feature.Vector, error)
}

// Fitter fits a softmax layer to features.
type Fitter interface {
	// Fit trains by the settings. Points and heads on the way are handed to observe while it goes on.
	Fit(ctx context.Context, job Fit, observe Observer) (*Fitted, error)
}

// Fit is a softmax layer that is to be fitted.
type Fit struct {
	Settings

	Labels         int             // Number of labels.
	ClassWeights   []float32       // One a label, or none.
	StoreFrequency int             // A head is handed out every so many steps; 0 never.
	Stop           <-chan struct{} // Closing it ends the fit after the step at hand, as if no more steps had been asked for; nil never does.
	Train          Samples
	Validation     Samples // May be empty.
	Test           Samples // May be empty.
}

// Samples are feature vectors with the indices of their labels.
type Samples struct {
	Features [][]float32
	Labels   []int
}

// Add adds samples of one label.
func (s *Samples) Add(label int, features ...[]float32) {
	for _, f := range features {
		s.Features = append(s.Features, f)
		s.Labels = append(s.Labels, label)
	}
}

// Observer is told how a fit goes on. Its functions may be nil.
type Observer struct {
	Point func(Point) error
	Head  func(Head) error
}

// Point is one place on the curves. The train figures are those of the batch at hand.
type Point struct {
	Step                   int      `json:"step"` // Steps done.
	TrainAccuracy          float64  `json:"train_accuracy"`
	TrainCrossEntropy      float64  `json:"train_cross_entropy"` // Mean, in nats.
	ValidationAccuracy     *float64 `json:"validation_accuracy,omitempty"`
	ValidationCrossEntropy *float64 `json:"validation_cross_entropy,omitempty"`
}

// Head is a softmax layer: logits = features * Weights + Bias.
type Head struct {
	Step    int
	Weights []float32 // Row-major [features, labels].
	Bias    []float32 // [labels]
}

// cooled gives the head whose logits are divided by a temperature.
func (h Head) cooled(temperature float64) Head {
	divide := func(values []float32) []float32 {
		out := make([]float32, len(values))
		for i, v := range values {
			out[i] = v / float32(temperature)
		}
		return out
	}
	return Head{Step: h.Step, Weights: divide(h.Weights), Bias: divide(h.Bias)}
}

// Fitted is a fitted layer and what it says of the samples. Logits are row-major [samples, labels], in the samples'
// order.
type Fitted struct {
	Head             Head
	StoppedEarly     bool
	TrainLogits      []float32
	ValidationLogits []float32
	TestLogits       []float32
}
