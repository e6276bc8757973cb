package train

import (
	"math"
	"slices"
)

// Softmax gives the probabilities of logits divided by a temperature.
func Softmax(logits []float32, temperature float64) []float64 {
	top := float64(slices.Max(logits))
	p := make([]float64, len(logits))
	var sum float64
	for i, l := range logits {
		p[i] = math.Exp((float64(l) - top) / temperature)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// Best gives the index of the largest value, the first of equals.
func Best[T float32 | float64](values []T) int {
	best := 0
	for i, v := range values {
		if v > values[best] {
			best = i
		}
	}
	return best
}

// Rows cuts row-major logits into rows of the number of labels.
func Rows(logits []float32, labels int) [][]float32 {
	return slices.Collect(slices.Chunk(logits, labels))
}

// Accuracy gives the share of rows whose best label is right, and the mean cross-entropy in nats. Without rows it gives
// zeros.
func Accuracy(logits [][]float32, labels []int, temperature float64) (share, crossEntropy float64) {
	if len(logits) == 0 {
		return 0, 0
	}
	right := 0
	for i, row := range logits {
		if Best(row) == labels[i] {
			right++
		}
		crossEntropy -= math.Log(max(Softmax(row, temperature)[labels[i]], 1e-12))
	}
	return float64(right) / float64(len(logits)), crossEntropy / float64(len(logits))
}

// Wilson gives the 95 % interval of a share of which right of count were seen (E. B. Wilson, 1927). Without a count it
// is 0 to 1.
func Wilson(right, count int) (low, high float64) {
	if count == 0 {
		return 0, 1
	}
	const z = 1.959964
	n := float64(count)
	p := float64(right) / n
	centre := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	low, high = max(0, centre-half), min(1, centre+half)
	if right == 0 {
		low = 0 // Rounding leaves a little there, and at the other end.
	}
	if right == count {
		high = 1
	}
	return low, high
}

// How many validation photos a temperature and an unknown threshold need to mean anything.
const (
	temperaturePhotos = 50
	thresholdPhotos   = 20
)

// temperature finds by what logits are to be divided so that the scores of photos not trained with are probabilities
// (Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599): the smallest cross-entropy on them, 0.5 to
// 4. Where all of them are right it would be 0, and every score 100 %; hence the bound. With few photos it is 1.
func temperature(logits [][]float32, labels []int) float64 {
	if len(logits) < temperaturePhotos {
		return 1
	}
	loss := func(logT float64) float64 {
		_, ce := Accuracy(logits, labels, math.Exp(logT))
		return ce
	}
	// Golden-section search: the loss has one minimum in 1/T.
	low, high := math.Log(0.5), math.Log(4)
	const ratio = 0.6180339887498949
	for range 40 {
		a, b := high-ratio*(high-low), low+ratio*(high-low)
		if loss(a) < loss(b) {
			high = b
		} else {
			low = a
		}
	}
	return math.Exp((low + high) / 2)
}

// unknownBelow gives the best score that 95 % of the photos not trained with reach; 0 with few photos.
func unknownBelow(logits [][]float32, temperature float64) float32 {
	if len(logits) < thresholdPhotos {
		return 0
	}
	scores := make([]float64, len(logits))
	for i, row := range logits {
		scores[i] = slices.Max(Softmax(row, temperature))
	}
	slices.Sort(scores)
	return float32(scores[len(scores)/20])
}

// ClassWeights gives each label a weight in inverse proportion to its samples, with the mean 1 over all samples; nil
// unless the weighting is balanced.
func ClassWeights(weighting string, labels []int, count int) []float32 {
	if weighting != WeightBalanced {
		return nil
	}
	of := make([]int, count)
	for _, l := range labels {
		of[l]++
	}
	present := 0
	for _, n := range of {
		if n > 0 {
			present++
		}
	}
	weights := make([]float32, count)
	for l, n := range of {
		if n > 0 {
			weights[l] = float32(len(labels)) / float32(n*present)
		}
	}
	return weights
}

// Confusion counts the photos of each true label by the label that they were given.
type Confusion struct {
	Labels []string `json:"labels"`
	Counts [][]int  `json:"counts"` // Counts[true][given].
}

// NewConfusion gives an empty matrix.
func NewConfusion(labels []string) Confusion {
	c := Confusion{Labels: labels, Counts: make([][]int, len(labels))}
	for i := range c.Counts {
		c.Counts[i] = make([]int, len(labels))
	}
	return c
}

// Answer is what a layer gives for a photo whose label is known.
type Answer struct {
	File      string  `json:"file"`
	Label     string  `json:"label"`
	Predicted string  `json:"predicted"`
	Score     float64 `json:"score"`       // Of the predicted label.
	TrueScore float64 `json:"label_score"` // Of its own label.
}
