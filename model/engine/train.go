package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"
	"github.com/tensorflow/tensorflow/tensorflow/go/op"
	"google.golang.org/grpc"

	"kaika/model/enginepb"
)

// samples are feature vectors with their labels.
type samples struct {
	features []float32 // Row-major [len(labels), feature length].
	labels   []int32
}

// Train fits a softmax layer, see the contract.
func (s *Server) Train(stream grpc.BidiStreamingServer[enginepb.TrainRequest, enginepb.TrainReply]) (err error) {
	defer recoverTo(&err)
	settings, splits, err := receive(stream)
	if err != nil {
		return err
	}
	t, err := newTrainer(settings, splits)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.session.Close()) }()
	stop := make(chan struct{})
	go func() {
		// Ends with the stream at the latest: its context is done when Train returns, and Recv with it.
		for {
			request, err := stream.Recv()
			if err != nil {
				return
			}
			if request.GetStop() != nil {
				close(stop)
				return
			}
		}
	}()
	return t.train(stream.Context(), stop, stream.Send)
}

// receive reads a training request until the training is to begin.
func receive(stream grpc.BidiStreamingServer[enginepb.TrainRequest, enginepb.TrainReply]) (*enginepb.TrainSettings, map[enginepb.Split]*samples, error) {
	first, err := stream.Recv()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the training settings: %w", err)
	}
	settings := first.GetSettings()
	if settings == nil || settings.GetFeatureLength() < 1 || settings.GetLabelCount() < 1 || settings.GetSteps() < 0 {
		return nil, nil, errors.New("a training begins with its settings: feature_length, label_count and steps")
	}
	if w := len(settings.GetClassWeights()); w != 0 && w != int(settings.GetLabelCount()) {
		return nil, nil, fmt.Errorf("there are %d class weights for %d labels", w, settings.GetLabelCount())
	}
	if settings.GetTrainBatchSize() == 0 || settings.GetValidationBatchSize() == 0 {
		return nil, nil, errors.New("a batch must have at least one photo: give the batch sizes, or -1 for all photos")
	}
	splits := map[enginepb.Split]*samples{
		enginepb.Split_SPLIT_TRAIN: {}, enginepb.Split_SPLIT_VALIDATION: {}, enginepb.Split_SPLIT_TEST: {},
	}
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading the samples: %w", err)
		}
		if request.GetBegin() != nil {
			break
		}
		part := request.GetSamples()
		to := splits[part.GetSplit()]
		if to == nil || len(part.GetFeatures()) != len(part.GetLabels())*int(settings.GetFeatureLength()) {
			return nil, nil, errors.New("the samples name no split, or their features and labels do not fit together")
		}
		for _, label := range part.GetLabels() {
			if label < 0 || label >= settings.GetLabelCount() {
				return nil, nil, fmt.Errorf("a sample has the label %d of %d", label, settings.GetLabelCount())
			}
		}
		to.features = append(to.features, part.GetFeatures()...)
		to.labels = append(to.labels, part.GetLabels()...)
	}
	if len(splits[enginepb.Split_SPLIT_TRAIN].labels) == 0 {
		return nil, nil, errors.New("there is no photo to train with")
	}
	return settings, splits, nil
}

// trainer is a softmax layer in TensorFlow with its optimizer and the samples.
type trainer struct {
	settings *enginepb.TrainSettings
	session  *tf.Session
	splits   map[enginepb.Split]*samples
	mean     []float32 // Is taken from the features, and
	scale    float32   // they are divided by it; the head takes both in at the end.

	indices  tf.Output // Feed: int32 [n], samples of the split.
	rate     tf.Output // Feed: float32 [], learning rate of the step.
	weights  tf.Output // [feature length, labels]
	bias     tf.Output // [labels]
	step     *tf.Operation
	measures map[enginepb.Split]measure
}

// measure gives figures of the samples that indices names.
type measure struct {
	logits       tf.Output // [n, labels]
	accuracy     tf.Output // []
	crossEntropy tf.Output // [], mean in nats
}

func newTrainer(settings *enginepb.TrainSettings, splits map[enginepb.Split]*samples) (*trainer, error) {
	t := &trainer{settings: settings, splits: splits, measures: map[enginepb.Split]measure{}}
	t.mean, t.scale = centre(splits[enginepb.Split_SPLIT_TRAIN].features, int(settings.GetFeatureLength()))
	b := &layerBuilder{scope: op.NewScope(), settings: settings}
	if err := t.build(b); err != nil {
		return nil, err
	}
	g, err := b.scope.Finalize()
	if err != nil {
		return nil, fmt.Errorf("building the training graph: %w", err)
	}
	// As config asks for one thread, sums are always added in one order and a seed gives the same head bit for bit.
	options, err := options(config())
	if err != nil {
		return nil, err
	}
	if t.session, err = tf.NewSession(g, options); err != nil {
		return nil, fmt.Errorf("starting TensorFlow: %w", err)
	}
	for _, a := range b.assignments {
		if _, err := t.session.Run(a.feeds, nil, []*tf.Operation{a.operation}); err != nil {
			return nil, errors.Join(fmt.Errorf("handing the samples to TensorFlow: %w", err), t.session.Close())
		}
	}
	return t, nil
}

// assignment gives a variable its first value.
type assignment struct {
	operation *tf.Operation
	feeds     map[tf.Output]*tf.Tensor
}

// layerBuilder adds variables to a graph and remembers how they begin.
type layerBuilder struct {
	scope       *op.Scope
	settings    *enginepb.TrainSettings
	assignments []assignment
}

// variable adds a float32 or int32 variable. Its value travels as a feed, not as a constant of the graph, because a
// graph may not be larger than 2 GB.
func (b *layerBuilder) variable(name string, value *tf.Tensor) tf.Output {
	s := b.scope.SubScope(name)
	shape := tf.MakeShape(value.Shape()...)
	handle := op.VarHandleOp(s, value.DataType(), shape, op.VarHandleOpSharedName(name))
	feed := op.Placeholder(s.SubScope("value"), value.DataType(), op.PlaceholderShape(shape))
	b.assignments = append(b.assignments, assignment{
		operation: op.AssignVariableOp(s, handle, feed),
		feeds:     map[tf.Output]*tf.Tensor{feed: value},
	})
	return handle
}

// zeros adds a float32 variable of zeros.
func (b *layerBuilder) zeros(name string, shape ...int64) (tf.Output, error) {
	count := int64(1)
	for _, d := range shape {
		count *= d
	}
	value, err := floatTensor(make([]float32, count), shape...)
	if err != nil {
		return tf.Output{}, err
	}
	return b.variable(name, value), nil
}

func (t *trainer) build(b *layerBuilder) error {
	s := b.scope
	features, labels := int64(t.settings.GetFeatureLength()), int64(t.settings.GetLabelCount())
	t.indices = op.Placeholder(s.SubScope("indices"), tf.Int32, op.PlaceholderShape(tf.MakeShape(-1)))
	t.rate = op.Placeholder(s.SubScope("learning_rate"), tf.Float, op.PlaceholderShape(tf.ScalarShape()))
	weights, err := b.zeros("weights", features, labels)
	if err != nil {
		return err
	}
	bias, err := b.zeros("bias", labels)
	if err != nil {
		return err
	}
	t.weights = op.ReadVariableOp(s.SubScope("read_weights"), weights, tf.Float)
	t.bias = op.ReadVariableOp(s.SubScope("read_bias"), bias, tf.Float)
	var input, backprop tf.Output
	for _, split := range []enginepb.Split{enginepb.Split_SPLIT_TRAIN, enginepb.Split_SPLIT_VALIDATION, enginepb.Split_SPLIT_TEST} {
		from := t.splits[split]
		if len(from.labels) == 0 {
			continue
		}
		x, err := floatTensor(from.features, int64(len(from.labels)), features)
		if err != nil {
			return err
		}
		y, err := tf.NewTensor(from.labels)
		if err != nil {
			return fmt.Errorf("handing the labels to TensorFlow: %w", err)
		}
		from.features = nil // TensorFlow has its own copy now.
		in := s.SubScope(split.String())
		rows := op.ResourceGather(in.SubScope("features"), b.variable(split.String()+"_features", x), t.indices, tf.Float)
		rows = op.Sub(in.SubScope("centred"), rows, op.Const(in.SubScope("mean"), t.mean))
		rows = op.Mul(in.SubScope("scaled"), rows, op.Const(in.SubScope("scale"), 1/t.scale))
		truth := op.ResourceGather(in.SubScope("labels"), b.variable(split.String()+"_labels", y), t.indices, tf.Int32)
		m := measure{}
		m.logits = op.BiasAdd(in, op.MatMul(in, rows, t.weights), t.bias)
		oneHot := op.OneHot(in, truth, op.Const(in.SubScope("depth"), int32(labels)), //nolint:gosec // came as an int32.
			op.Const(in.SubScope("on"), float32(1)), op.Const(in.SubScope("off"), float32(0)))
		loss, gradient := op.SoftmaxCrossEntropyWithLogits(in, m.logits, oneHot)
		first := op.Const(in.SubScope("axis"), []int32{0})
		m.crossEntropy = op.Mean(in.SubScope("cross_entropy"), loss, first)
		best := op.ArgMax(in, m.logits, op.Const(in.SubScope("label_axis"), int32(1)), op.ArgMaxOutputType(tf.Int32))
		right := op.Cast(in.SubScope("right"), op.Equal(in, best, truth), tf.Float)
		m.accuracy = op.Mean(in.SubScope("accuracy"), right, first)
		t.measures[split] = m
		if split == enginepb.Split_SPLIT_TRAIN {
			input = rows
			if w := t.settings.GetClassWeights(); len(w) > 0 {
				each := op.GatherV2(in.SubScope("class_weight"), op.Const(in.SubScope("class_weights"), w), truth, op.Const(in.SubScope("class_axis"), int32(0)))
				gradient = op.Mul(in.SubScope("weighted"), gradient, op.ExpandDims(in, each, op.Const(in.SubScope("column"), int32(1))))
			}
			count := op.Cast(in.SubScope("count"), op.Size(in, truth), tf.Float)
			backprop = op.RealDiv(in, gradient, count)
		}
	}
	s = s.SubScope("gradient")
	decay := op.Mul(s.SubScope("decay"), t.weights, op.Const(s.SubScope("l2"), float32(t.settings.GetL2())))
	weightGradient := op.AddV2(s, op.MatMul(s, input, backprop, op.MatMulTransposeA(true)), decay)
	biasGradient := op.Sum(s, backprop, op.Const(s.SubScope("axis"), []int32{0}))
	return t.optimize(b, []parameter{{"weights", weights, weightGradient, []int64{features, labels}}, {"bias", bias, biasGradient, []int64{labels}}})
}

// parameter is a variable that is trained.
type parameter struct {
	name             string
	handle, gradient tf.Output
	shape            []int64
}

// momentum is the share of the last step that the momentum optimizer keeps.
const momentum = 0.9

// optimize adds the operation of one training step.
func (t *trainer) optimize(b *layerBuilder, parameters []parameter) error {
	s := b.scope.SubScope("step")
	var updates []*tf.Operation
	switch t.settings.GetOptimizer() {
	case "gradient_descent":
		for _, p := range parameters {
			updates = append(updates, op.ResourceApplyGradientDescent(s.SubScope(p.name), p.handle, t.rate, p.gradient))
		}
	case "momentum":
		for _, p := range parameters {
			sum, err := b.zeros(p.name+"_momentum", p.shape...)
			if err != nil {
				return err
			}
			in := s.SubScope(p.name)
			updates = append(updates, op.ResourceApplyMomentum(in, p.handle, sum, t.rate, p.gradient, op.Const(in.SubScope("momentum"), float32(momentum))))
		}
	case "adam":
		// Kingma and Ba, arXiv:1412.6980, with its defaults. The powers of beta are updated after both parameters.
		const beta1, beta2, epsilon = float32(0.9), float32(0.999), float32(1e-8)
		powers := make([]tf.Output, 2)
		for i, beta := range []float32{beta1, beta2} {
			value, err := tf.NewTensor(beta)
			if err != nil {
				return fmt.Errorf("setting up Adam: %w", err)
			}
			powers[i] = b.variable(fmt.Sprintf("beta%d_power", i+1), value)
		}
		power1 := op.ReadVariableOp(s.SubScope("beta1_power"), powers[0], tf.Float)
		power2 := op.ReadVariableOp(s.SubScope("beta2_power"), powers[1], tf.Float)
		for _, p := range parameters {
			m, err := b.zeros(p.name+"_m", p.shape...)
			if err != nil {
				return err
			}
			v, err := b.zeros(p.name+"_v", p.shape...)
			if err != nil {
				return err
			}
			in := s.SubScope(p.name)
			updates = append(updates, op.ResourceApplyAdam(in, p.handle, m, v, power1, power2, t.rate,
				op.Const(in.SubScope("beta1"), beta1), op.Const(in.SubScope("beta2"), beta2), op.Const(in.SubScope("epsilon"), epsilon), p.gradient))
		}
		after := s.WithControlDependencies(updates...)
		updates = append(updates,
			op.AssignVariableOp(after.SubScope("beta1"), powers[0], op.Mul(after.SubScope("next_beta1"), power1, op.Const(after.SubScope("b1"), beta1))),
			op.AssignVariableOp(after.SubScope("beta2"), powers[1], op.Mul(after.SubScope("next_beta2"), power2, op.Const(after.SubScope("b2"), beta2))))
	default:
		return fmt.Errorf("unknown optimizer %q: use gradient_descent, momentum or adam", t.settings.GetOptimizer())
	}
	t.step = op.NoOp(s.WithControlDependencies(updates...))
	return nil
}

// train runs the steps, until stop is closed at the most, sends the points of the curves and at the end the result.
func (t *trainer) train(ctx context.Context, stop <-chan struct{}, send func(*enginepb.TrainReply) error) error {
	set := t.settings
	random := rand.New(rand.NewPCG(uint64(set.GetSeed()), 0x6b61696b61)) //nolint:gosec // a seed must give the same model again; nothing is secret.
	batches := newDealer(random, len(t.splits[enginepb.Split_SPLIT_TRAIN].labels), int(set.GetTrainBatchSize()))
	checks := newDealer(random, len(t.splits[enginepb.Split_SPLIT_VALIDATION].labels), int(set.GetValidationBatchSize()))
	interval := max(1, set.GetEvalStepInterval())
	var best *layer
	bestLoss := math.Inf(1)
	worse, early := int32(0), false
	done, stopped := int32(0), false
	for step := int32(1); step <= set.GetSteps() && !early && !stopped; step++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		done = step
		select {
		case <-stop:
			stopped = true // After this step, so that there is one.
		default:
		}
		feeds, err := t.feeds(batches.next())
		if err != nil {
			return err
		}
		if _, err := t.session.Run(feeds, nil, []*tf.Operation{t.step}); err != nil {
			return fmt.Errorf("training step %d: %w", step, err)
		}
		if (step-1)%interval == 0 || step == set.GetSteps() || stopped {
			point, err := t.point(step, feeds, checks)
			if err != nil {
				return err
			}
			if err := send(&enginepb.TrainReply{Part: &enginepb.TrainReply_Point{Point: point}}); err != nil {
				return err
			}
			if set.GetEarlyStopping() > 0 && point.GetHasValidation() {
				if loss := float64(point.GetValidationCrossEntropy()); loss < bestLoss {
					bestLoss, worse = loss, 0
					if best, err = t.layer(step); err != nil {
						return err
					}
				} else if worse++; worse >= set.GetEarlyStopping() {
					early = true
				}
			}
		}
		if f := set.GetStoreFrequency(); f > 0 && step%f == 0 && step < set.GetSteps() {
			if err := t.sendHead(step, send); err != nil {
				return err
			}
		}
	}
	if best == nil {
		var err error
		if best, err = t.layer(done); err != nil {
			return err
		}
	}
	result, err := t.result(best)
	if err != nil {
		return err
	}
	result.StoppedEarly = early
	return send(&enginepb.TrainReply{Part: &enginepb.TrainReply_Result{Result: result}})
}

// point measures the batch at hand and the validation samples.
func (t *trainer) point(step int32, feeds map[tf.Output]*tf.Tensor, checks *dealer) (*enginepb.Point, error) {
	point := &enginepb.Point{Step: step, HasValidation: len(checks.order) > 0}
	var err error
	if point.TrainAccuracy, point.TrainCrossEntropy, err = t.figures(t.measures[enginepb.Split_SPLIT_TRAIN], feeds); err != nil {
		return nil, err
	}
	if bad := float64(point.GetTrainCrossEntropy()); math.IsNaN(bad) || math.IsInf(bad, 0) {
		return nil, fmt.Errorf("the training diverged at step %d: use a smaller learning rate than %g", step, t.settings.GetLearningRate())
	}
	if !point.GetHasValidation() {
		return point, nil
	}
	if feeds, err = t.feeds(checks.next()); err != nil {
		return nil, err
	}
	point.ValidationAccuracy, point.ValidationCrossEntropy, err = t.figures(t.measures[enginepb.Split_SPLIT_VALIDATION], feeds)
	return point, err
}

// sendHead sends the layer as it is now.
func (t *trainer) sendHead(step int32, send func(*enginepb.TrainReply) error) error {
	l, err := t.layer(step)
	if err != nil {
		return err
	}
	head, err := t.head(l)
	if err != nil {
		return err
	}
	return send(&enginepb.TrainReply{Part: &enginepb.TrainReply_Head{Head: head}})
}

// result measures all samples with the layer that the training ends with.
func (t *trainer) result(l *layer) (*enginepb.TrainResult, error) {
	head, err := t.head(l)
	if err != nil {
		return nil, err
	}
	result := &enginepb.TrainResult{Head: head}
	if result.TrainLogits, err = t.logits(enginepb.Split_SPLIT_TRAIN, l); err != nil {
		return nil, err
	}
	if result.ValidationLogits, err = t.logits(enginepb.Split_SPLIT_VALIDATION, l); err != nil {
		return nil, err
	}
	result.TestLogits, err = t.logits(enginepb.Split_SPLIT_TEST, l)
	return result, err
}

func (t *trainer) feeds(indices []int32) (map[tf.Output]*tf.Tensor, error) {
	i, err := tf.NewTensor(indices)
	if err != nil {
		return nil, fmt.Errorf("handing a batch to TensorFlow: %w", err)
	}
	rate, err := tf.NewTensor(float32(t.settings.GetLearningRate()))
	if err != nil {
		return nil, fmt.Errorf("handing the learning rate to TensorFlow: %w", err)
	}
	return map[tf.Output]*tf.Tensor{t.indices: i, t.rate: rate}, nil
}

// figures gives accuracy and mean cross-entropy of a batch.
func (t *trainer) figures(m measure, feeds map[tf.Output]*tf.Tensor) (accuracy, crossEntropy float32, err error) {
	out, err := t.session.Run(feeds, []tf.Output{m.accuracy, m.crossEntropy}, nil)
	if err != nil {
		return 0, 0, fmt.Errorf("measuring the accuracy: %w", err)
	}
	var ok1, ok2 bool
	accuracy, ok1 = out[0].Value().(float32)
	crossEntropy, ok2 = out[1].Value().(float32)
	if !ok1 || !ok2 {
		return 0, 0, errors.New("measuring the accuracy: TensorFlow gave no numbers")
	}
	return accuracy, crossEntropy, nil
}

// layer is the softmax layer after some step, for scaled features.
type layer struct {
	step          int32
	weights, bias *tf.Tensor
}

// layer reads the layer as it is now.
func (t *trainer) layer(step int32) (*layer, error) {
	out, err := t.session.Run(nil, []tf.Output{t.weights, t.bias}, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the trained layer: %w", err)
	}
	return &layer{step, out[0], out[1]}, nil
}

// head gives the layer for features as they came: the scale is taken into the weights.
func (t *trainer) head(l *layer) (*enginepb.Head, error) {
	weights, err := floats(l.weights)
	if err != nil {
		return nil, err
	}
	bias, err := floats(l.bias)
	if err != nil {
		return nil, err
	}
	shift := make([]float64, len(bias))
	for i := range weights {
		weights[i] /= t.scale
		shift[i%len(bias)] += float64(weights[i]) * float64(t.mean[i/len(bias)])
	}
	for k := range bias {
		bias[k] = float32(float64(bias[k]) - shift[k])
	}
	return &enginepb.Head{Step: l.step, Weights: weights, Bias: bias}, nil
}

// logits gives the logits of all samples of a split, row-major [samples, labels], by a layer.
func (t *trainer) logits(split enginepb.Split, l *layer) ([]float32, error) {
	const rows = 1024
	var all []float32
	count := len(t.splits[split].labels)
	for start := 0; start < count; start += rows {
		indices := make([]int32, min(rows, count-start))
		for i := range indices {
			indices[i] = int32(start + i)
		}
		feeds, err := t.feeds(indices)
		if err != nil {
			return nil, err
		}
		feeds[t.weights], feeds[t.bias] = l.weights, l.bias
		out, err := t.session.Run(feeds, []tf.Output{t.measures[split].logits}, nil)
		if err != nil {
			return nil, fmt.Errorf("testing the trained layer: %w", err)
		}
		values, err := floats(out[0])
		if err != nil {
			return nil, err
		}
		all = append(all, values...)
	}
	return all, nil
}

// dealer deals out samples in batches: each once in a shuffled order, then all again in another.
type dealer struct {
	random *rand.Rand
	order  []int32
	dealt  int
	size   int
}

// newDealer deals count samples in batches of size; all at once, in order, if size is negative or not below count.
func newDealer(random *rand.Rand, count, size int) *dealer {
	d := &dealer{random: random, order: make([]int32, count), size: size}
	for i := range d.order {
		d.order[i] = int32(i)
	}
	if size < 0 || size >= count {
		d.size = count
		return d
	}
	d.shuffle()
	return d
}

func (d *dealer) shuffle() {
	d.random.Shuffle(len(d.order), func(i, j int) { d.order[i], d.order[j] = d.order[j], d.order[i] })
	d.dealt = 0
}

// next gives the indices of the next batch, valid until the call after.
func (d *dealer) next() []int32 {
	if d.size == len(d.order) {
		return d.order
	}
	if d.dealt+d.size > len(d.order) {
		d.shuffle()
	}
	batch := d.order[d.dealt : d.dealt+d.size]
	d.dealt += d.size
	return batch
}

// squaredLength is the mean square of the length of a scaled feature vector. It is the same for every base network, so
// that a learning rate and an l2 mean the same for each.
const squaredLength = 1280

// centre gives the mean of each feature, and one scale for all that brings vectors to squaredLength, 1 if nothing varies. One
// scale keeps the features' proportions, which a scale for each would lose: that was measured to be worse.
func centre(features []float32, length int) (mean []float32, scale float32) {
	count := float64(len(features) / length)
	sum, squares := make([]float64, length), 0.0
	for i, f := range features {
		sum[i%length] += float64(f)
		squares += float64(f) * float64(f)
	}
	mean = make([]float32, length)
	variance := squares / count
	for i := range sum {
		m := sum[i] / count
		mean[i] = float32(m)
		variance -= m * m
	}
	// What is left of equal features is rounding.
	if variance <= 1e-12*squares/count {
		return mean, 1
	}
	return mean, float32(math.Sqrt(variance / squaredLength))
}

// floatTensor makes a float32 tensor of values in row-major order.
func floatTensor(values []float32, shape ...int64) (*tf.Tensor, error) {
	t, err := tf.ReadTensor(tf.Float, shape, bytes.NewReader(asBytes(values)))
	if err != nil {
		return nil, fmt.Errorf("handing numbers to TensorFlow: %w", err)
	}
	return t, nil
}
