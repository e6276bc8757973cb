// Package traintest has an engine for tests of whatever trains: it does in plain Go and with few numbers what kaika-engine
// does with TensorFlow, so a test of the steps around it needs neither.
package traintest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/jpeg" // The decoders of the pictures that tests draw.
	_ "image/png"
	"math"
	"math/rand/v2"
	"os"
	"sync"

	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/train"
	"kaika/core/trained"
)

// Call names a method of the engine.
type Call string

// The calls.
const (
	Embed            Call = "embed"
	Fit              Call = "fit"
	Export           Call = "export"
	ExportSavedModel Call = "export_saved_model"
	Classify         Call = "classify"
)

// grid is the number of fields on a side in which colours are averaged; length is that of a feature vector.
const (
	grid   = 4
	length = 3 * grid * grid
)

// Engine fulfils train.Engine. The zero value is ready; it is safe for concurrent use. The features of a photo are the
// average colours of its fields, and the layer is fitted by plain gradient descent, whatever the optimizer.
type Engine struct {
	// Before is called first in each call, one at a time; the call ends with its error, if any. It may be nil.
	Before func(ctx context.Context, call Call) error
	// Change may change what a fit gives, for a test that wants certain logits. It may be nil.
	Change func(job train.Fit, fitted *train.Fitted)

	turn   sync.Mutex // Whose turn it is to be in Before.
	mu     sync.Mutex
	photos []feature.Photo
	fits   []train.Fit
}

// Photos gives the photos that were embedded, views included, in no certain order.
func (e *Engine) Photos() []feature.Photo {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.photos
}

// Fits gives the fits that were asked for.
func (e *Engine) Fits() []train.Fit {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fits
}

func (e *Engine) before(ctx context.Context, call Call) error {
	if e.Before != nil {
		e.turn.Lock()
		defer e.turn.Unlock()
		if err := e.Before(ctx, call); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Space fulfils feature.Embedder.
func (e *Engine) Space() string { return "traintest" }

// Length fulfils feature.Embedder.
func (e *Engine) Length() int { return length }

// Base fulfils train.Engine.
func (e *Engine) Base() trained.BaseModel {
	return trained.BaseModel{
		Name: "traintest", SHA256: "none", InputSize: grid, Scale: 255, Input: "input:0", Bottleneck: "feature:0",
		FeatureLength: length, Precision: "float32",
	}
}

// Embed fulfils feature.Embedder.
func (e *Engine) Embed(ctx context.Context, photos []feature.Photo) ([]feature.Vector, error) {
	if err := e.before(ctx, Embed); err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.photos = append(e.photos, photos...)
	e.mu.Unlock()
	vectors := make([]feature.Vector, len(photos))
	for i, p := range photos {
		vectors[i] = embed(p)
	}
	return vectors, nil
}

func embed(p feature.Photo) feature.Vector {
	decoded, _, err := image.Decode(bytes.NewReader(p.Data))
	if err != nil {
		return feature.Vector{Err: &picture.Error{Reason: picture.Damaged, Detail: "cannot be decoded", Err: err}}
	}
	b := decoded.Bounds()
	m := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(m, m.Bounds(), decoded, b.Min, draw.Src)
	values, counts := make([]float32, length), make([]float32, length)
	for y := range b.Dy() {
		for x := range b.Dx() {
			column := x * grid / b.Dx()
			if p.View.Flip {
				column = grid - 1 - column
			}
			at := 3 * (y*grid/b.Dy()*grid + column)
			for c, v := range m.Pix[m.PixOffset(x, y):][:3] {
				values[at+c] += float32(v) / 255 * (1 + p.View.Brightness)
				counts[at+c]++
			}
		}
	}
	for i := range values {
		values[i] = values[i]/max(1, counts[i]) + p.View.Zoom/100 + p.View.Angle/1000
	}
	return feature.Vector{Values: values}
}

// layer is a softmax layer in float64.
type layer struct {
	labels  int
	weights []float64 // Row-major [length, labels].
	bias    []float64
}

func (l *layer) logits(features []float32) []float32 {
	sums := append([]float64{}, l.bias...)
	for i, f := range features {
		for k := range sums {
			sums[k] += float64(f) * l.weights[i*l.labels+k]
		}
	}
	out := make([]float32, len(sums))
	for k, s := range sums {
		out[k] = float32(s)
	}
	return out
}

func (l *layer) all(s train.Samples) (flat []float32, rows [][]float32) {
	for _, f := range s.Features {
		rows = append(rows, l.logits(f))
		flat = append(flat, rows[len(rows)-1]...)
	}
	return flat, rows
}

// step descends once, with all samples.
func (l *layer) step(job train.Fit) {
	weights, bias := make([]float64, len(l.weights)), make([]float64, len(l.bias))
	for n, f := range job.Train.Features {
		p := train.Softmax(l.logits(f), 1)
		p[job.Train.Labels[n]]--
		for k := range p {
			if job.ClassWeights != nil {
				p[k] *= float64(job.ClassWeights[job.Train.Labels[n]])
			}
			p[k] /= float64(len(job.Train.Labels))
			bias[k] += p[k]
		}
		for i, v := range f {
			for k := range p {
				weights[i*l.labels+k] += float64(v) * p[k]
			}
		}
	}
	for i := range weights {
		l.weights[i] -= job.LearningRate * (weights[i] + job.L2*l.weights[i])
	}
	for k := range bias {
		l.bias[k] -= job.LearningRate * bias[k]
	}
}

func (l *layer) head(step int) train.Head {
	h := train.Head{Step: step}
	for _, w := range l.weights {
		h.Weights = append(h.Weights, float32(w))
	}
	for _, b := range l.bias {
		h.Bias = append(h.Bias, float32(b))
	}
	return h
}

// Fit fulfils train.Fitter. Points come after step 1 and then after every EvalStepInterval steps, and after the last.
func (e *Engine) Fit(ctx context.Context, job train.Fit, observe train.Observer) (*train.Fitted, error) {
	if err := e.before(ctx, Fit); err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.fits = append(e.fits, job)
	e.mu.Unlock()
	if len(job.Train.Labels) == 0 {
		return nil, errors.New("there is no photo to train with")
	}
	random := rand.New(rand.NewPCG(uint64(job.Seed), 1)) //nolint:gosec // a seed must give the same again.
	l := &layer{labels: job.Labels, weights: make([]float64, length*job.Labels), bias: make([]float64, job.Labels)}
	for i := range l.weights {
		l.weights[i] = random.NormFloat64() / 100
	}
	best, lowest, worse, early := train.Head{}, math.Inf(1), 0, false
	done := 0
	for step := 1; step <= job.Steps && !early && (step == 1 || !stopped(job.Stop)); step++ {
		done = step
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.step(job)
		if (step-1)%job.EvalStepInterval == 0 || step == job.Steps {
			loss, err := l.point(job, step, observe)
			if err != nil {
				return nil, err
			}
			if loss < lowest {
				best, lowest, worse = l.head(step), loss, 0
			} else if worse++; job.EarlyStopping > 0 && worse >= job.EarlyStopping {
				early = true
			}
		}
		if f := job.StoreFrequency; f > 0 && step%f == 0 && observe.Head != nil {
			if err := observe.Head(l.head(step)); err != nil {
				return nil, err
			}
		}
	}
	if job.EarlyStopping == 0 {
		best = l.head(done)
	}
	fitted := &train.Fitted{Head: best, StoppedEarly: early}
	of(best, job.Labels).answer(job, fitted)
	if e.Change != nil {
		e.Change(job, fitted)
	}
	return fitted, nil
}

// stopped tells whether a channel is closed.
func stopped(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

func (l *layer) answer(job train.Fit, f *train.Fitted) {
	f.TrainLogits, _ = l.all(job.Train)
	f.ValidationLogits, _ = l.all(job.Validation)
	f.TestLogits, _ = l.all(job.Test)
}

// point measures and tells; it gives the validation loss, or infinity without validation samples.
func (l *layer) point(job train.Fit, step int, observe train.Observer) (loss float64, err error) {
	p := train.Point{Step: step}
	_, rows := l.all(job.Train)
	p.TrainAccuracy, p.TrainCrossEntropy = train.Accuracy(rows, job.Train.Labels, 1)
	loss = math.Inf(1)
	if len(job.Validation.Labels) > 0 {
		_, rows := l.all(job.Validation)
		accuracy, crossEntropy := train.Accuracy(rows, job.Validation.Labels, 1)
		p.ValidationAccuracy, p.ValidationCrossEntropy, loss = &accuracy, &crossEntropy, crossEntropy
	}
	if observe.Point != nil {
		err = observe.Point(p)
	}
	return loss, err
}

func of(h train.Head, labels int) *layer {
	l := &layer{labels: labels}
	for _, w := range h.Weights {
		l.weights = append(l.weights, float64(w))
	}
	for _, b := range h.Bias {
		l.bias = append(l.bias, float64(b))
	}
	return l
}

// Exported is what stands in a graph, as JSON.
type Exported struct {
	Head  train.Head
	Final string // Of a graph; "" of a SavedModel.
}

// Export fulfils train.Engine.
func (e *Engine) Export(ctx context.Context, h train.Head, final string) ([]byte, error) {
	if err := e.before(ctx, Export); err != nil {
		return nil, err
	}
	return json.Marshal(Exported{h, final})
}

// ExportSavedModel fulfils train.Engine.
func (e *Engine) ExportSavedModel(ctx context.Context, h train.Head) ([]byte, error) {
	if err := e.before(ctx, ExportSavedModel); err != nil {
		return nil, err
	}
	return json.Marshal(Exported{Head: h})
}

// Classify fulfils train.Engine.
func (e *Engine) Classify(ctx context.Context, g trained.Graph, path, _ string, pictures []picture.Encoded) ([]feature.Vector, error) {
	if err := e.before(ctx, Classify); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the graph: %w", err)
	}
	if trained.DigestBytes(data) != g.SHA256 {
		return nil, errors.New("the graph has another digest")
	}
	var x Exported
	if err := json.Unmarshal(data, &x); err != nil {
		return nil, fmt.Errorf("reading the graph: %w", err)
	}
	if x.Final+":0" != g.Output {
		return nil, fmt.Errorf("the graph has no output %s", g.Output)
	}
	l := of(x.Head, len(x.Head.Bias))
	vectors := make([]feature.Vector, len(pictures))
	for i, p := range pictures {
		if vectors[i] = embed(feature.Photo{Encoded: p}); vectors[i].Err != nil {
			continue
		}
		scores := train.Softmax(l.logits(vectors[i].Values), 1)
		vectors[i].Values = vectors[i].Values[:0]
		for _, s := range scores {
			vectors[i].Values = append(vectors[i].Values, float32(s))
		}
	}
	return vectors, nil
}
