package engine_test

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"kaika/model/engine"
	"kaika/model/enginepb"
)

const (
	trainSplit      = enginepb.Split_SPLIT_TRAIN
	validationSplit = enginepb.Split_SPLIT_VALIDATION
	testSplit       = enginepb.Split_SPLIT_TEST
)

// stream is a training request and its replies in memory.
type stream struct {
	grpc.ServerStream

	ctx      context.Context
	requests []*enginepb.TrainRequest
	observe  func(*enginepb.TrainReply) error // May be nil.

	points []*enginepb.Point
	heads  []*enginepb.Head
	result *enginepb.TrainResult
}

func (s *stream) Context() context.Context { return s.ctx }

func (s *stream) Recv() (*enginepb.TrainRequest, error) {
	if len(s.requests) == 0 {
		return nil, io.EOF
	}
	first := s.requests[0]
	s.requests = s.requests[1:]
	return first, nil
}

func (s *stream) Send(reply *enginepb.TrainReply) error {
	switch part := reply.GetPart().(type) {
	case *enginepb.TrainReply_Point:
		s.points = append(s.points, part.Point)
	case *enginepb.TrainReply_Head:
		s.heads = append(s.heads, part.Head)
	case *enginepb.TrainReply_Result:
		s.result = part.Result
	}
	if s.observe == nil {
		return nil
	}
	return s.observe(reply)
}

// examples are feature vectors with their labels.
type examples struct {
	features [][]float32
	labels   []int32
}

// clusters makes up count examples of each label about a centre of its own, which the labels' centres and the examples'
// spread decide how hard to tell apart.
func clusters(seed uint64, labels, length, count int, spread float64) examples {
	centres := rand.New(rand.NewPCG(7, 7))
	random := rand.New(rand.NewPCG(seed, 1))
	var e examples
	for label := range labels {
		centre := make([]float64, length)
		for i := range centre {
			centre[i] = 3 + centres.NormFloat64()
		}
		for range count {
			features := make([]float32, length)
			for i := range features {
				features[i] = float32(centre[i] + spread*random.NormFloat64())
			}
			e.features, e.labels = append(e.features, features), append(e.labels, int32(label))
		}
	}
	return e
}

func settings(change func(s *enginepb.TrainSettings)) *enginepb.TrainSettings {
	s := &enginepb.TrainSettings{
		FeatureLength: 6, LabelCount: 3, Steps: 20, LearningRate: 0.1, Optimizer: "gradient_descent",
		TrainBatchSize: -1, ValidationBatchSize: -1, EvalStepInterval: 1, Seed: 1,
	}
	if change != nil {
		change(s)
	}
	return s
}

// request sends settings and samples, each split in requests of a few.
func request(s *enginepb.TrainSettings, splits map[enginepb.Split]examples) []*enginepb.TrainRequest {
	requests := []*enginepb.TrainRequest{{Part: &enginepb.TrainRequest_Settings{Settings: s}}}
	for _, split := range []enginepb.Split{trainSplit, validationSplit, testSplit} {
		e := splits[split]
		const few = 7
		for start := 0; start < len(e.labels); start += few {
			end := min(start+few, len(e.labels))
			requests = append(requests, &enginepb.TrainRequest{Part: &enginepb.TrainRequest_Samples{Samples: &enginepb.Samples{
				Split: split, Labels: e.labels[start:end], Features: slices.Concat(e.features[start:end]...),
			}}})
		}
	}
	return requests
}

func train(tb testing.TB, s *enginepb.TrainSettings, splits map[enginepb.Split]examples) *stream {
	tb.Helper()
	to := &stream{ctx: tb.Context(), requests: request(s, splits)}
	if err := (&engine.Server{}).Train(to); err != nil {
		tb.Fatal(err)
	}
	if to.result == nil {
		tb.Fatal("there is no result")
	}
	return to
}

// logits gives those of a head for examples, row by row.
func logits(h *enginepb.Head, e examples) []float32 {
	var all []float32
	labels := len(h.GetBias())
	for _, features := range e.features {
		for k := range labels {
			v := float64(h.GetBias()[k])
			for i, f := range features {
				v += float64(f) * float64(h.GetWeights()[i*labels+k])
			}
			all = append(all, float32(v))
		}
	}
	return all
}

// right counts the examples whose largest logit is that of their label.
func right(all []float32, labels []int32) int {
	count := 0
	for row := range slices.Chunk(all, len(all)/len(labels)) {
		if argmax(row) == int(labels[0]) {
			count++
		}
		labels = labels[1:]
	}
	return count
}

func TestTrainLearns(t *testing.T) {
	splits := map[enginepb.Split]examples{
		trainSplit: clusters(1, 3, 6, 40, 0.2), validationSplit: clusters(2, 3, 6, 10, 0.2), testSplit: clusters(3, 3, 6, 15, 0.2),
	}
	for _, optimizer := range []string{"gradient_descent", "momentum", "adam"} {
		t.Run(optimizer, func(t *testing.T) {
			got := train(t, settings(func(s *enginepb.TrainSettings) {
				s.Optimizer, s.Steps, s.TrainBatchSize, s.EvalStepInterval = optimizer, 201, 16, 50
			}), splits)
			var steps []int32
			for _, p := range got.points {
				steps = append(steps, p.GetStep())
			}
			if want := []int32{1, 51, 101, 151, 201}; !slices.Equal(steps, want) {
				t.Errorf("there are points of the steps %v, want %v", steps, want)
			}
			last := got.points[len(got.points)-1]
			if last.GetTrainAccuracy() != 1 || last.GetValidationAccuracy() != 1 || !last.GetHasValidation() {
				t.Errorf("the last point is %v", last)
			}
			if got.points[0].GetValidationCrossEntropy() < 2*last.GetValidationCrossEntropy() {
				t.Errorf("the cross-entropy fell from %g to %g only", got.points[0].GetValidationCrossEntropy(), last.GetValidationCrossEntropy())
			}
			r := got.result
			if r.GetHead().GetStep() != 201 || r.GetStoppedEarly() {
				t.Errorf("the result is of step %d, stopped early: %t", r.GetHead().GetStep(), r.GetStoppedEarly())
			}
			for split, all := range map[enginepb.Split][]float32{
				trainSplit: r.GetTrainLogits(), validationSplit: r.GetValidationLogits(), testSplit: r.GetTestLogits(),
			} {
				e := splits[split]
				if n := right(all, e.labels); n != len(e.labels) {
					t.Errorf("%v: %d of %d are right", split, n, len(e.labels))
				}
				if d := distance(all, logits(r.GetHead(), e)); d > 1e-4 {
					t.Errorf("%v: the logits are %g off what the head gives", split, d)
				}
			}
		})
	}
}

// model is a softmax layer that is trained in plain Go and 64 bits, to compare with.
type model struct {
	length, labels int
	parameters     []float64 // Weights, row-major [length, labels], then the bias.
	first, second  []float64 // What the optimizers remember.
	step           int
}

// update makes one step of gradient descent, of momentum of 0.9, or of Adam as in arXiv:1412.6980, algorithm 1.
func (m *model) update(optimizer string, rate float64, gradient []float64) {
	m.step++
	t := float64(m.step)
	for i, g := range gradient {
		switch optimizer {
		case "gradient_descent":
			m.parameters[i] -= rate * g
		case "momentum":
			m.first[i] = 0.9*m.first[i] + g
			m.parameters[i] -= rate * m.first[i]
		case "adam":
			m.first[i] = 0.9*m.first[i] + 0.1*g
			m.second[i] = 0.999*m.second[i] + 0.001*g*g
			mean, square := m.first[i]/(1-math.Pow(0.9, t)), m.second[i]/(1-math.Pow(0.999, t))
			m.parameters[i] -= rate * mean / (math.Sqrt(square) + 1e-8)
		}
	}
}

// pass gives the mean cross-entropy of examples, and the gradient of it, weighted by class, with that of half the
// squared weights.
func (m *model) pass(z [][]float64, labels []int32, classWeights []float32, l2 float64) (loss float64, gradient []float64) {
	gradient = make([]float64, len(m.parameters))
	for n, features := range z {
		p := make([]float64, m.labels)
		var sum float64
		for k := range p {
			p[k] = m.parameters[m.length*m.labels+k]
			for i, f := range features {
				p[k] += f * m.parameters[i*m.labels+k]
			}
			p[k] = math.Exp(p[k])
			sum += p[k]
		}
		weight := 1.
		if classWeights != nil {
			weight = float64(classWeights[labels[n]])
		}
		loss -= math.Log(p[labels[n]]/sum) / float64(len(z))
		for k := range p {
			g := p[k] / sum
			if int32(k) == labels[n] {
				g--
			}
			g *= weight / float64(len(z))
			gradient[m.length*m.labels+k] += g
			for i, f := range features {
				gradient[i*m.labels+k] += f * g
			}
		}
	}
	for i := range m.length * m.labels {
		gradient[i] += l2 * m.parameters[i]
	}
	return loss, gradient
}

// fit trains as the engine is said to: on features whose mean is taken away and which are divided by one number, so that
// the mean square of a vector's length is 1280. It gives the cross-entropies after each step and the head for features as they are.
func fit(e examples, s *enginepb.TrainSettings) (losses []float64, h *enginepb.Head) {
	length, labels := int(s.GetFeatureLength()), int(s.GetLabelCount())
	mean := make([]float64, length)
	for _, features := range e.features {
		for i, f := range features {
			mean[i] += float64(f) / float64(len(e.features))
		}
	}
	var variance float64
	for _, features := range e.features {
		for i, f := range features {
			variance += math.Pow(float64(f)-mean[i], 2) / float64(len(e.features)*1280)
		}
	}
	scale := math.Sqrt(variance)
	var z [][]float64
	for _, features := range e.features {
		row := make([]float64, length)
		for i, f := range features {
			row[i] = (float64(f) - mean[i]) / scale
		}
		z = append(z, row)
	}
	size := (length + 1) * labels
	m := &model{length: length, labels: labels, parameters: make([]float64, size), first: make([]float64, size), second: make([]float64, size)}
	for range s.GetSteps() {
		_, gradient := m.pass(z, e.labels, s.GetClassWeights(), s.GetL2())
		m.update(s.GetOptimizer(), s.GetLearningRate(), gradient)
		loss, _ := m.pass(z, e.labels, nil, 0)
		losses = append(losses, loss)
	}
	h = &enginepb.Head{Weights: make([]float32, length*labels), Bias: make([]float32, labels)}
	for k := range labels {
		bias := m.parameters[length*labels+k]
		for i := range length {
			w := m.parameters[i*labels+k] / scale
			h.Weights[i*labels+k] = float32(w)
			bias -= w * mean[i]
		}
		h.Bias[k] = float32(bias)
	}
	return losses, h
}

func TestTrainComputes(t *testing.T) {
	tests := map[string]func(s *enginepb.TrainSettings){
		"plain":                 func(*enginepb.TrainSettings) {},
		"with decay":            func(s *enginepb.TrainSettings) { s.L2 = 60 },
		"with class weights":    func(s *enginepb.TrainSettings) { s.ClassWeights = []float32{0.5, 2, 1.25} },
		"with both, and slower": func(s *enginepb.TrainSettings) { s.L2, s.ClassWeights, s.LearningRate = 2, []float32{3, 0, 1}, 0.0001 },
	}
	splits := map[enginepb.Split]examples{trainSplit: clusters(4, 3, 6, 9, 1.5)}
	splits[trainSplit].labels[3] = 2 // Labels of unequal number.
	for name, change := range tests {
		for _, optimizer := range []string{"gradient_descent", "momentum", "adam"} {
			t.Run(name+" by "+optimizer, func(t *testing.T) {
				s := settings(func(s *enginepb.TrainSettings) { s.LearningRate, s.Optimizer = 0.0005, optimizer })
				change(s)
				losses, want := fit(splits[trainSplit], s)
				got := train(t, s, splits)
				for i, p := range got.points {
					if math.Abs(float64(p.GetTrainCrossEntropy())-losses[i]) > 1e-4 {
						t.Errorf("after step %d the cross-entropy is %g, want %g", i+1, p.GetTrainCrossEntropy(), losses[i])
					}
					if p.GetHasValidation() || p.GetValidationAccuracy() != 0 {
						t.Error("there is a validation without samples")
					}
				}
				h := got.result.GetHead()
				tolerance := 2e-4
				if optimizer == "adam" {
					tolerance = 1e-3 // It divides by the gradient's size, and so enlarges what rounding does to small ones.
				}
				if w, b := distance(h.GetWeights(), want.GetWeights()), distance(h.GetBias(), want.GetBias()); w > tolerance || b > 10*tolerance {
					t.Errorf("the weights are %g off, the bias %g", w, b)
				}
			})
		}
	}
}

func TestTrainOnOddFeatures(t *testing.T) {
	tests := map[string]examples{
		"all the same": {[][]float32{{2, 2, 2, 2, 2, 2}, {2, 2, 2, 2, 2, 2}}, []int32{0, 1}},
		"of one":       {[][]float32{{1, 2, 3, 4, 5, 6}}, []int32{2}},
		"very large":   {[][]float32{{1e15, 0, 0, 0, 0, 0}, {0, 1e15, 0, 0, 0, 0}}, []int32{0, 1}},
		"very small":   {[][]float32{{1e-5, 0, 0, 0, 0, 0}, {0, 1e-5, 0, 0, 0, 0}}, []int32{0, 1}},
		"far away":     {[][]float32{{1e4, 1e4, 1e4, 1e4, 1e4, 1e4}, {1e4 + 1, 1e4, 1e4, 1e4, 1e4, 1e4}}, []int32{0, 1}},
	}
	for name, e := range tests {
		t.Run(name, func(t *testing.T) {
			got := train(t, settings(nil), map[enginepb.Split]examples{trainSplit: e})
			for _, v := range got.result.GetTrainLogits() {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					t.Fatalf("the logits are %v", got.result.GetTrainLogits())
				}
			}
			if name != "all the same" && right(got.result.GetTrainLogits(), e.labels) != len(e.labels) {
				t.Errorf("it did not learn: %v", got.result.GetTrainLogits())
			}
		})
	}
}

// The same seed gives the same model bit for bit, whatever else the engine did before.
func TestTrainIsRepeatable(t *testing.T) {
	splits := map[enginepb.Split]examples{trainSplit: clusters(5, 4, 64, 50, 2), validationSplit: clusters(6, 4, 64, 20, 2), testSplit: clusters(7, 4, 64, 5, 2)}
	for _, optimizer := range []string{"gradient_descent", "momentum", "adam"} {
		t.Run(optimizer, func(t *testing.T) {
			of := func(seed int64) *enginepb.TrainSettings {
				return settings(func(s *enginepb.TrainSettings) {
					s.FeatureLength, s.LabelCount, s.Optimizer, s.Seed = 64, 4, optimizer, seed
					s.TrainBatchSize, s.ValidationBatchSize, s.Steps, s.EvalStepInterval = 23, 11, 60, 7
				})
			}
			first := train(t, of(1), splits)
			if _, err := (&engine.Server{}).Describe(t.Context(), &enginepb.DescribeRequest{}); err != nil {
				t.Fatal(err)
			}
			again, other := train(t, of(1), splits), train(t, of(2), splits)
			if !slices.Equal(first.result.GetHead().GetWeights(), again.result.GetHead().GetWeights()) ||
				!slices.Equal(first.result.GetHead().GetBias(), again.result.GetHead().GetBias()) ||
				!slices.Equal(first.result.GetTestLogits(), again.result.GetTestLogits()) {
				t.Error("the same seed gave another head")
			}
			for i, p := range first.points {
				if q := again.points[i]; p.String() != q.String() {
					t.Errorf("the same seed gave the points %v and %v", p, q)
				}
			}
			if slices.Equal(first.result.GetHead().GetWeights(), other.result.GetHead().GetWeights()) {
				t.Error("another seed gave the same head")
			}
		})
	}
}

func TestTrainStopsEarly(t *testing.T) {
	learn := clusters(8, 3, 6, 20, 0.3)
	contrary := clusters(9, 3, 6, 20, 0.3)
	for i := range contrary.labels {
		contrary.labels[i] = (contrary.labels[i] + 1) % 3 // The better it is learned, the worse this gets.
	}
	splits := map[enginepb.Split]examples{trainSplit: learn, validationSplit: contrary, testSplit: learn}
	of := func(steps, patience int32) *enginepb.TrainSettings {
		return settings(func(s *enginepb.TrainSettings) {
			s.Steps, s.EarlyStopping, s.EvalStepInterval, s.Optimizer = steps, patience, 10, "momentum"
			s.LearningRate = 0.0005
		})
	}
	best := train(t, of(1, 0), splits)
	got := train(t, of(500, 3), splits)
	if !got.result.GetStoppedEarly() || len(got.points) != 4 {
		t.Errorf("stopped early: %t, after %d points, want 4", got.result.GetStoppedEarly(), len(got.points))
	}
	h := got.result.GetHead()
	if h.GetStep() != 1 || !slices.Equal(h.GetWeights(), best.result.GetHead().GetWeights()) || !slices.Equal(h.GetBias(), best.result.GetHead().GetBias()) {
		t.Errorf("the head is of step %d, want that of step 1, the best", h.GetStep())
	}
	for split, all := range map[enginepb.Split][]float32{
		trainSplit: got.result.GetTrainLogits(), validationSplit: got.result.GetValidationLogits(), testSplit: got.result.GetTestLogits(),
	} {
		if d := distance(all, logits(h, splits[split])); d > 1e-4 {
			t.Errorf("%v: the logits are %g off what the best head gives", split, d)
		}
	}
	t.Run("never", func(t *testing.T) {
		if got := train(t, of(100, 0), splits); got.result.GetStoppedEarly() || got.result.GetHead().GetStep() != 100 {
			t.Errorf("stopped at %d", got.result.GetHead().GetStep())
		}
	})
	t.Run("without validation", func(t *testing.T) {
		if got := train(t, of(100, 3), map[enginepb.Split]examples{trainSplit: learn}); got.result.GetStoppedEarly() || got.result.GetHead().GetStep() != 100 {
			t.Errorf("stopped at %d", got.result.GetHead().GetStep())
		}
	})
	t.Run("while it gets better", func(t *testing.T) {
		fine := map[enginepb.Split]examples{trainSplit: learn, validationSplit: learn}
		if got := train(t, of(100, 3), fine); got.result.GetStoppedEarly() || got.result.GetHead().GetStep() != 100 {
			t.Errorf("stopped at %d", got.result.GetHead().GetStep())
		}
	})
}

func TestTrainStoresHeads(t *testing.T) {
	splits := map[enginepb.Split]examples{trainSplit: clusters(10, 3, 6, 20, 0.3)}
	of := func(steps int32) *enginepb.TrainSettings {
		return settings(func(s *enginepb.TrainSettings) { s.Steps, s.StoreFrequency, s.TrainBatchSize = steps, 4, 8 })
	}
	got := train(t, of(12), splits)
	var steps []int32
	for _, h := range got.heads {
		steps = append(steps, h.GetStep())
	}
	if !slices.Equal(steps, []int32{4, 8}) { // The last is the result.
		t.Errorf("there are heads of the steps %v", steps)
	}
	if early := train(t, of(4), splits); !slices.Equal(early.result.GetHead().GetWeights(), got.heads[0].GetWeights()) {
		t.Error("the head of step 4 is not what 4 steps give")
	}
}

func TestTrainNothing(t *testing.T) {
	got := train(t, settings(func(s *enginepb.TrainSettings) { s.Steps = 0 }), map[enginepb.Split]examples{trainSplit: clusters(1, 3, 6, 2, 1)})
	if len(got.points) != 0 || slices.Max(got.result.GetTrainLogits()) != 0 {
		t.Errorf("no step gave %d points and the logits %v", len(got.points), got.result.GetTrainLogits())
	}
}

func TestTrainDiverges(t *testing.T) {
	s := settings(func(s *enginepb.TrainSettings) { s.LearningRate, s.L2, s.Steps = 1e30, 1, 100 })
	to := &stream{ctx: t.Context(), requests: request(s, map[enginepb.Split]examples{trainSplit: clusters(1, 3, 6, 9, 1.5)})}
	err := (&engine.Server{}).Train(to)
	if err == nil || !strings.Contains(err.Error(), "diverged at step") || !strings.Contains(err.Error(), "smaller learning rate than 1e+30") {
		t.Errorf("got the error %v", err)
	}
}

func TestTrainCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := settings(func(s *enginepb.TrainSettings) { s.Steps = math.MaxInt32 - 1 })
	to := &stream{ctx: ctx, requests: request(s, map[enginepb.Split]examples{trainSplit: clusters(1, 3, 6, 9, 1)})}
	to.observe = func(reply *enginepb.TrainReply) error {
		if reply.GetPoint().GetStep() == 3 {
			cancel()
		}
		return nil
	}
	if err := (&engine.Server{}).Train(to); !errors.Is(err, context.Canceled) || to.result != nil || len(to.points) != 3 {
		t.Errorf("got the error %v after %d points", err, len(to.points))
	}
}

func TestTrainForNobody(t *testing.T) {
	gone := errors.New("nobody listens")
	s := settings(nil)
	to := &stream{ctx: t.Context(), requests: request(s, map[enginepb.Split]examples{trainSplit: clusters(1, 3, 6, 9, 1)})}
	to.observe = func(*enginepb.TrainReply) error { return gone }
	if err := (&engine.Server{}).Train(to); !errors.Is(err, gone) || len(to.points) != 1 {
		t.Errorf("got the error %v after %d points", err, len(to.points))
	}
}

func TestTrainRefuses(t *testing.T) {
	good := map[enginepb.Split]examples{trainSplit: clusters(1, 3, 6, 2, 1)}
	sample := func(split enginepb.Split, labels []int32, features int) *enginepb.TrainRequest {
		return &enginepb.TrainRequest{Part: &enginepb.TrainRequest_Samples{Samples: &enginepb.Samples{
			Split: split, Labels: labels, Features: make([]float32, features),
		}}}
	}
	with := func(more ...*enginepb.TrainRequest) []*enginepb.TrainRequest {
		return append(request(settings(nil), good), more...)
	}
	of := func(change func(s *enginepb.TrainSettings)) []*enginepb.TrainRequest {
		return request(settings(change), good)
	}
	tests := []struct {
		name     string
		requests []*enginepb.TrainRequest
		words    string
	}{
		{"nothing", nil, "reading the training settings"},
		{"samples first", request(settings(nil), good)[1:], "begins with its settings"},
		{"no samples", of(nil)[:1], "no photo to train with"},
		{"only a test", request(settings(nil), map[enginepb.Split]examples{testSplit: good[trainSplit]}), "no photo to train with"},
		{"no labels", of(func(s *enginepb.TrainSettings) { s.LabelCount = 0 }), "label_count"},
		{"no features", of(func(s *enginepb.TrainSettings) { s.FeatureLength = 0 }), "feature_length"},
		{"a negative number of steps", of(func(s *enginepb.TrainSettings) { s.Steps = -1 }), "steps"},
		{"settings twice", with(request(settings(nil), nil)...), "name no split"},
		{"no split", with(sample(0, []int32{1}, 6)), "name no split"},
		{"an unknown split", with(sample(9, []int32{1}, 6)), "name no split"},
		{"too few features", with(sample(trainSplit, []int32{1, 2}, 6)), "do not fit together"},
		{"too many features", with(sample(trainSplit, []int32{1}, 7)), "do not fit together"},
		{"an unknown label", with(sample(testSplit, []int32{3}, 6)), "the label 3 of 3"},
		{"a negative label", with(sample(validationSplit, []int32{-1}, 6)), "the label -1 of 3"},
		{"an unknown optimizer", of(func(s *enginepb.TrainSettings) { s.Optimizer = "newton" }), `unknown optimizer "newton": use`},
		{"too few class weights", of(func(s *enginepb.TrainSettings) { s.ClassWeights = []float32{1, 2} }), "2 class weights for 3 labels"},
		{"too many class weights", of(func(s *enginepb.TrainSettings) { s.ClassWeights = []float32{1, 2, 3, 4} }), "4 class weights for 3 labels"},
		{"empty batches", of(func(s *enginepb.TrainSettings) { s.TrainBatchSize = 0 }), "at least one photo"},
		{"empty validations", of(func(s *enginepb.TrainSettings) { s.ValidationBatchSize = 0 }), "at least one photo"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			to := &stream{ctx: t.Context(), requests: test.requests}
			if err := (&engine.Server{}).Train(to); err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("got the error %v, want one with %q", err, test.words)
			}
		})
	}
}

// Trainings side by side do not disturb each other.
func TestTrainConcurrently(t *testing.T) {
	splits := map[enginepb.Split]examples{trainSplit: clusters(11, 3, 6, 20, 1)}
	s := settings(func(s *enginepb.TrainSettings) { s.Optimizer, s.TrainBatchSize, s.Steps = "adam", 8, 100 })
	want := train(t, s, splits).result.GetHead().GetWeights()
	heads := make(chan []float32)
	for range 4 {
		go func() {
			to := &stream{ctx: t.Context(), requests: request(s, splits)}
			if err := (&engine.Server{}).Train(to); err != nil {
				t.Error(err)
			}
			heads <- to.result.GetHead().GetWeights()
		}()
	}
	for range 4 {
		if !slices.Equal(<-heads, want) {
			t.Error("a training beside others gave another head")
		}
	}
}
