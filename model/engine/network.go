package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"unsafe"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"kaika/model/enginepb"
	"kaika/model/graph"
)

// channels is the number of colours of a pixel.
const channels = 3

// network is a graph that takes photos, loaded into TensorFlow: from graph.Contents to one vector a photo.
type network struct {
	session *tf.Session
	size    int // Side of the square in pixels.
	mean    float32
	scale   float32

	contents, zoom, shift tf.Output // Feeds of the preparation; zoom and shift are absent in foreign graphs.
	square                tf.Output // One photo prepared, [1, size, size, 3].
	batch                 tf.Output // Takes prepared photos, [n, size, size, 3].
	vectors               tf.Output // Gives [n, ...].

	unused atomic.Int64 // Bytes of tensors that wait for their finalizers.
}

// load puts a graph into a session. The output is a tensor name such as "final_result:0".
func load(g *graphpb.GraphDef, output, precision string) (_ *network, err error) {
	defer recoverTo(&err)
	data, err := graph.Marshal(g)
	if err != nil {
		return nil, err
	}
	tg := tf.NewGraph()
	if err := tg.Import(data, ""); err != nil {
		return nil, fmt.Errorf("TensorFlow refuses the graph: %w", err)
	}
	n := &network{}
	for _, want := range []struct {
		name string
		to   *tf.Output
	}{
		{graph.Contents, &n.contents},
		{graph.Zoom, &n.zoom},
		{graph.Shift, &n.shift},
		{graph.Square, &n.square},
		{graph.Batch, &n.batch},
		{output, &n.vectors},
	} {
		if *want.to, err = tensor(tg, want.name); err != nil {
			return nil, err
		}
	}
	shape, err := n.square.Shape().ToSlice()
	if err != nil || len(shape) != 4 || shape[1] < 1 || shape[1] != shape[2] || shape[3] != channels {
		return nil, fmt.Errorf("the tensor %s has the shape %v instead of [1, size, size, 3]", graph.Square, n.square.Shape())
	}
	n.size = int(shape[1])
	if n.mean, n.scale, err = graph.Normalisation(g); err != nil {
		return nil, err
	}
	options, err := sessionOptions(precision)
	if err != nil {
		return nil, err
	}
	if n.session, err = tf.NewSession(tg, options); err != nil {
		return nil, fmt.Errorf("starting TensorFlow: %w", err)
	}
	return n, nil
}

func (n *network) close() error {
	if err := n.session.Close(); err != nil {
		return fmt.Errorf("closing the network: %w", err)
	}
	return nil
}

// tensor finds an output by its name, "node:index".
func tensor(g *tf.Graph, name string) (tf.Output, error) {
	node, index, _ := strings.Cut(name, ":")
	op := g.Operation(node)
	if op == nil {
		return tf.Output{}, fmt.Errorf("the graph has no node %q", node)
	}
	i := 0
	if index != "" {
		if _, err := fmt.Sscanf(index, "%d", &i); err != nil {
			return tf.Output{}, fmt.Errorf("%q is not the name of a tensor: %w", name, err)
		}
	}
	if i < 0 || i >= op.NumOutputs() {
		return tf.Output{}, fmt.Errorf("the node %q has no output %d", node, i)
	}
	return op.Output(i), nil
}

// config holds the settings that every session of the engine begins with. It gives each run one thread: the photos of a
// request are spread over the cores instead, which needs no waiting within an operation and does more photos a second.
//
// TensorFlow makes its threads once a process, as its first session asks, whichever that is: so all must ask for the
// same. A session that needs others has to ask for threads of its own.
func config() *corepb.ConfigProto {
	return &corepb.ConfigProto{
		IntraOpParallelismThreads: 1,
		InterOpParallelismThreads: -1, // Every run in the thread that asks for it.
		GraphOptions:              &corepb.GraphOptions{RewriteOptions: &corepb.RewriterConfig{}},
	}
}

// sessionOptions are for a session that runs a network with the given arithmetic.
func sessionOptions(precision string) (*tf.SessionOptions, error) {
	config := config()
	switch precision {
	case "", "float32":
	case "bfloat16":
		config.GraphOptions.RewriteOptions.AutoMixedPrecisionOnednnBfloat16 = corepb.RewriterConfig_ON
	default:
		return nil, fmt.Errorf("unknown precision %q: use float32 or bfloat16", precision)
	}
	return options(config)
}

func options(config *corepb.ConfigProto) (*tf.SessionOptions, error) {
	data, err := proto.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("serialising TensorFlow's settings: %w", err)
	}
	return &tf.SessionOptions{Config: data}, nil
}

// run gives one vector, or one error in words, for each picture, in their order. Batches of up to batchSize pictures
// are worked on side by side, one a core.
func (n *network) run(ctx context.Context, pictures []*enginepb.Picture, batchSize int) ([]*enginepb.Vector, error) {
	return n.spread(ctx, pictures, batchSize, 1)
}

// runFull is run with every batch filled up to batchSize. On some processors TensorFlow adds up in another order when a
// batch has another size; so the same photo has the same vector bit for bit, whatever else is in the request.
func (n *network) runFull(ctx context.Context, pictures []*enginepb.Picture, batchSize int) ([]*enginepb.Vector, error) {
	return n.spread(ctx, pictures, batchSize, max(1, batchSize))
}

// spread works on batches of up to batchSize pictures, which the network runs as at least so many.
func (n *network) spread(ctx context.Context, pictures []*enginepb.Picture, batchSize, least int) ([]*enginepb.Vector, error) {
	vectors := make([]*enginepb.Vector, len(pictures))
	cores := runtime.GOMAXPROCS(0)
	// A request smaller than a batch for each core is still spread over all of them.
	batchSize = max(1, min(batchSize, (len(pictures)+cores-1)/cores))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cores)
	for start := 0; start < len(pictures); start += batchSize {
		end := min(start+batchSize, len(pictures))
		group.Go(func() error { return n.runBatch(ctx, pictures[start:end], vectors[start:end], least) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return vectors, nil
}

// runBatch prepares the pictures and runs the network once for those that could be prepared, and for what else it takes
// to make them the least number.
func (n *network) runBatch(ctx context.Context, pictures []*enginepb.Picture, vectors []*enginepb.Vector, least int) (err error) {
	defer recoverTo(&err)
	pixels := n.size * n.size * channels
	squares := make([]float32, 0, max(len(pictures), least)*pixels)
	var good []int
	for i, p := range pictures {
		if err := ctx.Err(); err != nil {
			return err
		}
		squares = squares[:len(squares)+pixels]
		if err := n.prepare(p, squares[len(squares)-pixels:]); err != nil {
			vectors[i] = &enginepb.Vector{Error: reason(err)}
			squares = squares[:len(squares)-pixels]
			continue
		}
		good = append(good, i)
	}
	if len(good) == 0 {
		return nil
	}
	side, count := int64(n.size), max(len(good), least)
	squares = squares[:count*pixels]
	batch, err := tf.ReadTensor(tf.Float, []int64{int64(count), side, side, channels}, bytes.NewReader(asBytes(squares)))
	if err != nil {
		return fmt.Errorf("handing the photos to TensorFlow: %w", err)
	}
	out, err := n.session.Run(map[tf.Output]*tf.Tensor{n.batch: batch}, []tf.Output{n.vectors}, nil)
	if err != nil {
		return fmt.Errorf("running the network: %w", err)
	}
	values, err := floats(out[0])
	if err != nil {
		return err
	}
	if len(values)%count != 0 {
		return fmt.Errorf("the network gave %d numbers for %d photos", len(values), count)
	}
	length := len(values) / count
	for j, i := range good {
		vectors[i] = &enginepb.Vector{Values: values[j*length : (j+1)*length : (j+1)*length]}
	}
	n.forget(0, batch, out[0])
	return nil
}

// prepare decodes one picture, cuts out and resizes its square, and applies orientation and view.
func (n *network) prepare(p *enginepb.Picture, square []float32) error {
	contents, err := tf.NewTensor(string(p.GetData()))
	if err != nil {
		return fmt.Errorf("handing the photo to TensorFlow: %w", err)
	}
	feeds := map[tf.Output]*tf.Tensor{n.contents: contents}
	view := p.GetView()
	turn := orientation(p.GetOrientation())
	if view.GetZoom() != 0 || view.GetDx() != 0 || view.GetDy() != 0 {
		// The square is cut before the photo is turned upright, so the shift is turned back.
		dx, dy := turn.stored(view.GetDx(), view.GetDy())
		if feeds[n.zoom], err = tf.NewTensor(view.GetZoom()); err != nil {
			return fmt.Errorf("handing the view to TensorFlow: %w", err)
		}
		if feeds[n.shift], err = tf.NewTensor([]float32{dy, dx}); err != nil {
			return fmt.Errorf("handing the view to TensorFlow: %w", err)
		}
	}
	out, err := n.session.Run(feeds, []tf.Output{n.square}, nil)
	if err != nil {
		return err
	}
	if err := copyFloats(square, out[0]); err != nil {
		return err
	}
	n.forget(int64(len(p.GetData())), out[0])
	turn.apply(square, n.size)
	if view != nil {
		applyView(square, n.size, view, n.mean, n.scale)
	}
	return nil
}

// reason puts TensorFlow's refusal of a picture in words for a user.
func reason(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "Unknown image file format"), strings.Contains(text, "Expected image"):
		return "is not a picture that TensorFlow can decode"
	case strings.Contains(text, "Invalid JPEG"), strings.Contains(text, "jpeg"), strings.Contains(text, "JPEG"):
		return "is a broken or truncated JPEG"
	case strings.Contains(text, "PNG"), strings.Contains(text, "png"):
		return "is a broken or truncated PNG"
	default:
		return "could not be decoded: " + firstLine(text)
	}
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// floats copies a float32 tensor.
func floats(t *tf.Tensor) ([]float32, error) {
	count := int64(1)
	for _, d := range t.Shape() {
		count *= d
	}
	values := make([]float32, count)
	return values, copyFloats(values, t)
}

// copyFloats copies a float32 tensor into dst, which has its size.
func copyFloats(dst []float32, t *tf.Tensor) error {
	if t.DataType() != tf.Float {
		return fmt.Errorf("the network gives numbers of type %v instead of float32", t.DataType())
	}
	w := &fixedWriter{asBytes(dst)}
	if _, err := t.WriteContentsTo(w); err != nil {
		return fmt.Errorf("reading TensorFlow's answer: %w", err)
	}
	if len(w.rest) != 0 {
		return errors.New("TensorFlow's answer is shorter than it should be")
	}
	return nil
}

// fixedWriter writes into memory of a fixed size.
type fixedWriter struct{ rest []byte }

func (w *fixedWriter) Write(p []byte) (int, error) {
	n := copy(w.rest, p)
	w.rest = w.rest[n:]
	if n < len(p) {
		return n, io.ErrShortBuffer
	}
	return n, nil
}

// asBytes gives the memory of f in the machine's byte order, which is what TensorFlow's tensors hold.
func asBytes(f []float32) []byte {
	if len(f) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(f))), 4*len(f)) //nolint:gosec // float32 has 4 bytes and no padding.
}

// collectAfter is how much unused tensor memory may gather before the collector is called.
const collectAfter = 64 << 20

// forget notes that float32 tensors, and text bytes of string tensors, are no longer used. Their memory is C's and is
// freed by finalizers; the collector does not see its size and would let it grow, so it is called after every
// collectAfter bytes.
func (n *network) forget(text int64, tensors ...*tf.Tensor) {
	size := text
	for _, t := range tensors {
		elements := int64(4)
		for _, d := range t.Shape() {
			elements *= d
		}
		size += elements
	}
	if n.unused.Add(size) > collectAfter {
		n.unused.Store(0)
		runtime.GC()
	}
}

// recoverTo turns a panic of the binding into an error of the request.
func recoverTo(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("TensorFlow's Go binding failed: %v", r)
	}
}
