package client

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/train"
	"kaika/core/trained"
	"kaika/model"
	"kaika/model/enginepb"
)

// Base computes with one base network: it embeds photos, fits layers on their features and exports models. It does not
// remember anything, so it is safe for concurrent use.
type Base struct {
	*Engine

	model trained.BaseModel
	graph string // Path of the frozen graph.
}

var (
	_ train.Engine     = (*Base)(nil)
	_ feature.Embedder = (*Base)(nil)
	_ model.Engine     = (*Engine)(nil)
)

// Base gives a base network whose frozen graph lies in a file.
func (e *Engine) Base(m trained.BaseModel, graphPath string) *Base {
	return &Base{Engine: e, model: m, graph: graphPath}
}

// Base describes the base network as it is used.
func (b *Base) Base() trained.BaseModel { return b.model }

// Length is the number of features in a vector.
func (b *Base) Length() int { return b.model.FeatureLength }

// preparation is the version of how a photo is made ready: decoding, cropping, resizing. When that changes, vectors of
// before and after must not be mixed.
const preparation = 1

// Space names the vector space.
func (b *Base) Space() string {
	m := b.model
	return fmt.Sprintf("%s %s..%s %dpx (x-%g)/%g %s preparation %d",
		m.SHA256, m.Input, m.Bottleneck, m.InputSize, m.Mean, m.Scale, m.Precision, preparation)
}

// embedBatch is how many photos pass through the network at once; docs/benchmarks.md tells how it was found.
const embedBatch = 2

func (b *Base) network() *enginepb.Network {
	m := b.model
	return &enginepb.Network{
		GraphPath: b.graph, GraphDigest: m.SHA256, InputTensor: m.Input, BottleneckTensor: m.Bottleneck, InputSize: int32(m.InputSize), //nolint:gosec // a side in pixels is small.
		Mean: m.Mean, Scale: m.Scale, Precision: m.Precision, BatchSize: embedBatch,
	}
}

// Describe tells about the engine, and with a base network about that as well.
func (e *Engine) Describe(ctx context.Context, b *Base) (*enginepb.DescribeReply, error) {
	request := &enginepb.DescribeRequest{}
	if b != nil {
		request.Network = b.network()
	}
	return call(ctx, e, func(ctx context.Context, c enginepb.EngineClient) (*enginepb.DescribeReply, error) {
		return c.Describe(ctx, request)
	})
}

// Embed gives one vector, or one error, for each photo. When the engine dies, it is started again and the photos are
// tried in halves, so that the photo that it dies of is found and gets an error.
func (b *Base) Embed(ctx context.Context, photos []feature.Photo) ([]feature.Vector, error) {
	return survive(ctx, b.Engine, photos, func(photos []feature.Photo) ([]*enginepb.Vector, error) {
		request := &enginepb.EmbedRequest{Network: b.network()}
		for _, p := range photos {
			request.Pictures = append(request.Pictures, encode(p.Encoded, p.View))
		}
		reply, err := call(ctx, b.Engine, func(ctx context.Context, c enginepb.EngineClient) (*enginepb.EmbedReply, error) {
			return c.Embed(ctx, request)
		})
		return reply.GetVectors(), err
	})
}

// Classify gives the scores, or one error, for each picture by an exported graph in a file.
func (e *Engine) Classify(ctx context.Context, g trained.Graph, path, precision string, pictures []picture.Encoded) ([]feature.Vector, error) {
	return survive(ctx, e, pictures, func(pictures []picture.Encoded) ([]*enginepb.Vector, error) {
		request := &enginepb.ClassifyRequest{GraphPath: path, GraphDigest: g.SHA256, OutputTensor: g.Output, Precision: precision}
		for _, p := range pictures {
			request.Pictures = append(request.Pictures, encode(p, feature.View{}))
		}
		reply, err := call(ctx, e, func(ctx context.Context, c enginepb.EngineClient) (*enginepb.ClassifyReply, error) {
			return c.Classify(ctx, request)
		})
		return reply.GetScores(), err
	})
}

// patience is how many times in a row the engine may die before the work is given up.
const patience = 10

// everyTurn is the number of turns: as many requests for photos may be under way, and whoever has all is alone.
const everyTurn = 1 << 30

// survive asks for one vector a photo, through deaths of the engine. When it dies, the photos are tried in halves until
// the one is found that it dies of. That is done alone: so no photo is blamed for what another request's photo does.
func survive[P any](ctx context.Context, e *Engine, photos []P, ask func([]P) ([]*enginepb.Vector, error)) ([]feature.Vector, error) {
	if err := e.turns.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	vectors, err := once(e, photos, ask)
	e.turns.Release(1)
	if !errors.Is(err, ErrEngineDied) {
		return vectors, err
	}
	if err := e.turns.Acquire(ctx, everyTurn); err != nil {
		return nil, err
	}
	defer e.turns.Release(everyTurn)
	return search(e, photos, ask)
}

// once asks one time.
func once[P any](e *Engine, photos []P, ask func([]P) ([]*enginepb.Vector, error)) ([]feature.Vector, error) {
	answers, err := ask(photos)
	if err != nil {
		return nil, err
	}
	if len(answers) != len(photos) {
		return nil, fmt.Errorf("the engine gave %d answers for %d photos", len(answers), len(photos))
	}
	e.answered()
	return decode(answers), nil
}

// search asks again for photos under which the engine died, in halves.
func search[P any](e *Engine, photos []P, ask func([]P) ([]*enginepb.Vector, error)) ([]feature.Vector, error) {
	if e.died() > patience {
		return nil, fmt.Errorf("%w %d times in a row: is there enough memory? See the log, and kaika doctor", ErrEngineDied, patience)
	}
	if len(photos) == 1 {
		// Perhaps something else killed it: the photo gets a second chance.
		vectors, err := once(e, photos, ask)
		if errors.Is(err, ErrEngineDied) {
			return []feature.Vector{{Err: &picture.Error{
				Reason: picture.Damaged, Detail: "made TensorFlow stop twice and was left out", Err: err,
			}}}, nil
		}
		return vectors, err
	}
	var all []feature.Vector
	for _, half := range [][]P{photos[:len(photos)/2], photos[len(photos)/2:]} {
		vectors, err := once(e, half, ask)
		if errors.Is(err, ErrEngineDied) {
			vectors, err = search(e, half, ask)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, vectors...)
	}
	return all, nil
}

func encode(p picture.Encoded, v feature.View) *enginepb.Picture {
	to := &enginepb.Picture{Data: p.Data, Orientation: int32(p.Orientation)} //nolint:gosec // 1..8.
	if v != (feature.View{}) {
		to.View = &enginepb.View{
			Flip: v.Flip, Angle: v.Angle, Zoom: v.Zoom, Dx: v.DX, Dy: v.DY, Brightness: v.Brightness,
		}
	}
	return to
}

func decode(answers []*enginepb.Vector) []feature.Vector {
	vectors := make([]feature.Vector, len(answers))
	for i, a := range answers {
		if text := a.GetError(); text != "" {
			vectors[i].Err = &picture.Error{Reason: picture.Damaged, Detail: text}
			continue
		}
		vectors[i].Values = a.GetValues()
	}
	return vectors
}

// Fit trains a softmax layer.
func (e *Engine) Fit(ctx context.Context, job train.Fit, observe train.Observer) (*train.Fitted, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // Ends the engine's work when an observer fails.
	fitted, err := call(ctx, e, func(ctx context.Context, c enginepb.EngineClient) (*train.Fitted, error) {
		stream, err := c.Train(ctx)
		if err != nil {
			return nil, err
		}
		if err := send(stream, job); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		passed := make(chan struct{})
		received := make(chan struct{})
		go func() {
			defer close(passed)
			passStop(stream, job.Stop, received)
		}()
		fitted, err := receive(stream, observe)
		close(received)
		<-passed
		return fitted, err
	})
	if errors.Is(err, ErrEngineDied) {
		return nil, fmt.Errorf("%w (was it killed, or is there too little memory?). The features of the photos are kept: run the same command again", err)
	}
	return fitted, err
}

// send sends the settings and the samples. io.EOF means that the engine has already answered.
func send(stream grpc.BidiStreamingClient[enginepb.TrainRequest, enginepb.TrainReply], job train.Fit) error {
	length := 0
	if len(job.Train.Features) > 0 {
		length = len(job.Train.Features[0])
	}
	settings := &enginepb.TrainSettings{
		FeatureLength: int32(length), LabelCount: int32(job.Labels), Steps: int32(job.Steps), //nolint:gosec // validated.
		LearningRate: job.LearningRate, Optimizer: job.Optimizer, L2: job.L2, Seed: job.Seed, ClassWeights: job.ClassWeights,
		TrainBatchSize: int32(job.TrainBatchSize), ValidationBatchSize: int32(job.ValidationBatchSize), //nolint:gosec // validated.
		EvalStepInterval: int32(job.EvalStepInterval), EarlyStopping: int32(job.EarlyStopping), StoreFrequency: int32(job.StoreFrequency), //nolint:gosec // validated.
	}
	if err := stream.Send(&enginepb.TrainRequest{Part: &enginepb.TrainRequest_Settings{Settings: settings}}); err != nil {
		return err
	}
	const chunk = 256
	for _, part := range []struct {
		split   enginepb.Split
		samples train.Samples
	}{
		{enginepb.Split_SPLIT_TRAIN, job.Train}, {enginepb.Split_SPLIT_VALIDATION, job.Validation}, {enginepb.Split_SPLIT_TEST, job.Test},
	} {
		for start := 0; start < len(part.samples.Labels); start += chunk {
			end := min(start+chunk, len(part.samples.Labels))
			samples := &enginepb.Samples{Split: part.split, Features: make([]float32, 0, (end-start)*length)}
			for i := start; i < end; i++ {
				samples.Labels = append(samples.Labels, int32(part.samples.Labels[i])) //nolint:gosec // an index of a label.
				samples.Features = append(samples.Features, part.samples.Features[i]...)
			}
			if err := stream.Send(&enginepb.TrainRequest{Part: &enginepb.TrainRequest_Samples{Samples: samples}}); err != nil {
				return err
			}
		}
	}
	return stream.Send(&enginepb.TrainRequest{Part: &enginepb.TrainRequest_Begin{Begin: &enginepb.Begin{}}})
}

// passStop tells the engine when the training is to end early, unless all is received before.
func passStop(stream grpc.BidiStreamingClient[enginepb.TrainRequest, enginepb.TrainReply], stop, received <-chan struct{}) {
	select {
	case <-stop:
		// An error here is one of the stream, which receive gets as well.
		_ = stream.Send(&enginepb.TrainRequest{Part: &enginepb.TrainRequest_Stop{Stop: &enginepb.Stop{}}})
	case <-received:
	}
}

// receive hands out points and heads until the result comes.
func receive(stream grpc.BidiStreamingClient[enginepb.TrainRequest, enginepb.TrainReply], observe train.Observer) (*train.Fitted, error) {
	for {
		reply, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		switch part := reply.GetPart().(type) {
		case *enginepb.TrainReply_Point:
			if observe.Point != nil {
				if err := observe.Point(point(part.Point)); err != nil {
					return nil, err
				}
			}
		case *enginepb.TrainReply_Head:
			if observe.Head != nil {
				if err := observe.Head(head(part.Head)); err != nil {
					return nil, err
				}
			}
		case *enginepb.TrainReply_Result:
			r := part.Result
			return &train.Fitted{
				Head: head(r.GetHead()), StoppedEarly: r.GetStoppedEarly(),
				TrainLogits: r.GetTrainLogits(), ValidationLogits: r.GetValidationLogits(), TestLogits: r.GetTestLogits(),
			}, nil
		}
	}
}

func head(h *enginepb.Head) train.Head {
	return train.Head{Step: int(h.GetStep()), Weights: h.GetWeights(), Bias: h.GetBias()}
}

func point(p *enginepb.Point) train.Point {
	to := train.Point{
		Step: int(p.GetStep()), TrainAccuracy: float64(p.GetTrainAccuracy()), TrainCrossEntropy: float64(p.GetTrainCrossEntropy()),
	}
	if p.GetHasValidation() {
		a, ce := float64(p.GetValidationAccuracy()), float64(p.GetValidationCrossEntropy())
		to.ValidationAccuracy, to.ValidationCrossEntropy = &a, &ce
	}
	return to
}

// Export gives a frozen graph of the base network and a head.
func (b *Base) Export(ctx context.Context, h train.Head, final string) ([]byte, error) {
	return b.export(ctx, &enginepb.ExportRequest{FinalTensorName: final}, h)
}

// ExportSavedModel gives a SavedModel of the base network and a head.
func (b *Base) ExportSavedModel(ctx context.Context, h train.Head) ([]byte, error) {
	return b.export(ctx, &enginepb.ExportRequest{SavedModel: true}, h)
}

func (b *Base) export(ctx context.Context, r *enginepb.ExportRequest, h train.Head) ([]byte, error) {
	r.Network, r.Head = b.network(), &enginepb.Head{Weights: h.Weights, Bias: h.Bias}
	reply, err := call(ctx, b.Engine, func(ctx context.Context, c enginepb.EngineClient) (*enginepb.ExportReply, error) {
		return c.Export(ctx, r)
	})
	return reply.GetData(), err
}

// Freeze reads a SavedModel and turns its variables into constants.
func (e *Engine) Freeze(ctx context.Context, savedModel, input, bottleneck string) (model.Frozen, error) {
	reply, err := call(ctx, e, func(ctx context.Context, c enginepb.EngineClient) (*enginepb.FreezeReply, error) {
		return c.Freeze(ctx, &enginepb.FreezeRequest{SavedModelDir: savedModel, InputTensor: input, BottleneckTensor: bottleneck})
	})
	return model.Frozen{Graph: reply.GetGraph(), InputTensor: reply.GetInputTensor(), BottleneckTensor: reply.GetBottleneckTensor()}, err
}

// FeatureLength runs a network over a test picture and counts the numbers that come out.
func (e *Engine) FeatureLength(ctx context.Context, graphPath string, m model.Base) (int, error) {
	b := e.Base(trained.BaseModel{
		InputSize: m.DefaultSize, Mean: m.Mean, Scale: m.Scale, Input: m.InputTensor, Bottleneck: m.BottleneckTensor,
	}, graphPath)
	reply, err := e.Describe(ctx, b)
	return int(reply.GetFeatureLength()), err
}
