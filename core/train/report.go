package train

import (
	"fmt"
	"math"

	"kaika/core/dataset"
)

// Report is what a retraining gives, also as JSON.
type Report struct {
	Model           string         `json:"model"` // The model folder.
	Labels          []string       `json:"labels"`
	Photos          PhotoCounts    `json:"photos"`
	Steps           int            `json:"steps"`
	StoppedEarly    bool           `json:"stopped_early"`
	Train           Figures        `json:"train"`
	Validation      *Figures       `json:"validation"` // nil without validation photos.
	Test            *Tested        `json:"test"`       // nil without test photos.
	ConfusionMatrix *Confusion     `json:"confusion_matrix"`
	Misclassified   []Answer       `json:"misclassified"` // Of the test photos.
	Answers         []Answer       `json:"-"`             // For all test photos.
	Skipped         []dataset.Skip `json:"skipped"`
	Contradictions  int            `json:"contradictions"` // Photos that lie under more than one label.
	Notes           []string       `json:"notes"`          // Sentences about overfitting, too little data and the like.
	Seconds         Seconds        `json:"seconds"`
	GraphSHA256     string         `json:"graph_sha256"`
}

// PhotoCounts tells how many photos there were and what they were used for.
type PhotoCounts struct {
	Total      int `json:"total"` // Without the skipped.
	Train      int `json:"train"`
	Validation int `json:"validation"`
	Test       int `json:"test"`
	Skipped    int `json:"skipped"`
	Cached     int `json:"cached"` // Photos whose features were known.
	Views      int `json:"augmented_views"`
}

// Figures are measured with the finished layer on all photos of a split.
type Figures struct {
	Accuracy     float64 `json:"accuracy"`
	CrossEntropy float64 `json:"cross_entropy"` // Mean, in nats.
}

// Tested is the accuracy on the test photos.
type Tested struct {
	Accuracy float64 `json:"accuracy"`
	Low      float64 `json:"low"` // 95 % interval of the accuracy.
	High     float64 `json:"high"`
	Correct  int     `json:"correct"`
	Count    int     `json:"count"`
}

// Seconds tells how long the phases took.
type Seconds struct {
	Features float64 `json:"features"`
	Training float64 `json:"training"`
	Total    float64 `json:"total"`
}

// notes gives sentences that a user should read. testing is the percentage of the photos that was to be tested with.
func notes(r *Report, testing int) []string {
	var n []string
	if v := r.Validation; v != nil && r.Photos.Validation >= 10 {
		gap := r.Train.Accuracy - v.Accuracy
		// Two standard errors: a gap that chance alone rarely makes.
		chance := 2 * math.Sqrt(max(v.Accuracy*(1-v.Accuracy), 0.01)/float64(r.Photos.Validation))
		if gap > 0.05 && gap > chance {
			n = append(n, fmt.Sprintf("The model knows its training photos (%.1f %%) better than others (%.1f %%): it is overfitting. More photos, fewer steps, a larger --l2 or augmentation (--flip_left_right, --random_crop 10) help.",
				100*r.Train.Accuracy, 100*v.Accuracy))
		}
	}
	switch t := r.Test; {
	case t == nil && testing == 0:
		n = append(n, "No photo was kept to test with (testing_percentage is 0), so nobody knows how good the model is: kaika evaluate tells it.")
	case t == nil:
		n = append(n, "No photo was left to test with, so nobody knows how good the model is: collect at least 5 photos a label, better 50.")
	case t.Count < 50:
		n = append(n, fmt.Sprintf("Only %d photos were there to test with: the true accuracy may be anywhere from %.0f to %.0f %%. More photos, or kaika evaluate, tell it better.",
			t.Count, 100*t.Low, 100*t.High))
	}
	return n
}
