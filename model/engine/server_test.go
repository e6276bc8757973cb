package engine_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"

	"kaika/core/picture"
	"kaika/core/picture/picturetest"
	"kaika/model/efficientnet"
	"kaika/model/efficientnet/efficientnettest"
	"kaika/model/engine"
	"kaika/model/enginepb"
	"kaika/model/graph"
)

// absent skips a test that needs what is not on every machine. Where CI says that it is there, it fails.
func absent(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatal(what)
	}
	tb.Skip(what)
}

// lite gives a published EfficientNet-Lite as set-up left it, at a size in pixels.
func lite(tb testing.TB, name string, size int) *enginepb.Network {
	tb.Helper()
	path := filepath.Join("..", "..", "build", "models", name, "graph.pb")
	if _, err := os.Stat(path); err != nil {
		absent(tb, "the base model "+name+" is not there: make build fetches it")
	}
	return &enginepb.Network{
		GraphPath: path, InputTensor: "input:0", BottleneckTensor: "feature:0",
		InputSize: int32(size), Mean: 127, Scale: 128, BatchSize: 8,
	}
}

// daisies gives the bytes of photos of flower_photos/daisy.
func daisies(tb testing.TB, names ...string) []*enginepb.Picture {
	tb.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data", "flower_photos", "daisy")
	if _, err := os.Stat(dir); err != nil {
		absent(tb, "the photos of flowers are not there")
	}
	var pictures []*enginepb.Picture
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			tb.Fatal(err)
		}
		pictures = append(pictures, &enginepb.Picture{Data: data})
	}
	return pictures
}

// write puts a graph into a file and describes it.
func write(tb testing.TB, g *graphpb.GraphDef, input, bottleneck string, size int) *enginepb.Network {
	tb.Helper()
	data, err := graph.Marshal(g)
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "graph.pb")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return &enginepb.Network{
		GraphPath: path, InputTensor: input, BottleneckTensor: bottleneck, InputSize: int32(size), Scale: 1, BatchSize: 4,
	}
}

// mirror gives a network whose features are the pixels of its input, so that a test sees how photos are prepared.
func mirror(tb testing.TB, size int) *enginepb.Network {
	tb.Helper()
	b := &graph.Builder{}
	b.Node("input", "Placeholder", nil, graph.Attrs{"dtype": graph.Type(typespb.DataType_DT_FLOAT)})
	b.Node("pixels", "Reshape", []string{"input", b.Const("shape", graph.Int32s([]int32{-1, int32(size * size * 3)}, 2))},
		graph.Attrs{"T": graph.Type(typespb.DataType_DT_FLOAT), "Tshape": graph.Type(typespb.DataType_DT_INT32)})
	return write(tb, &graphpb.GraphDef{Node: b.Nodes}, "input:0", "pixels:0", size)
}

// tiny gives the smallest EfficientNet with weights made up.
func tiny(tb testing.TB) (*enginepb.Network, efficientnet.Variant, efficientnet.Weights) {
	tb.Helper()
	variant := efficientnettest.Tiny()
	weights := efficientnettest.Weights(variant, 1)
	g, err := efficientnet.Build(variant, weights)
	if err != nil {
		tb.Fatal(err)
	}
	n := write(tb, g, "input:0", "feature:0", variant.Size)
	n.Mean, n.Scale = 127, 128
	return n, variant, weights
}

// embed gives the vectors of pictures, which must all be good.
func embed(tb testing.TB, s *engine.Server, n *enginepb.Network, pictures ...*enginepb.Picture) [][]float32 {
	tb.Helper()
	reply, err := s.Embed(tb.Context(), &enginepb.EmbedRequest{Network: n, Pictures: pictures})
	if err != nil {
		tb.Fatal(err)
	}
	return values(tb, reply.GetVectors(), len(pictures))
}

func values(tb testing.TB, vectors []*enginepb.Vector, want int) [][]float32 {
	tb.Helper()
	if len(vectors) != want {
		tb.Fatalf("%d answers for %d pictures", len(vectors), want)
	}
	var all [][]float32
	for i, v := range vectors {
		if v.GetError() != "" {
			tb.Fatalf("picture %d %s", i, v.GetError())
		}
		all = append(all, v.GetValues())
	}
	return all
}

// distance is the largest difference between two vectors, infinite where they are not of one length.
func distance(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	var largest float64
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		largest = max(largest, d)
	}
	return largest
}

func argmax(v []float32) int { return slices.Index(v, slices.Max(v)) }

// session runs a graph as another program would: with TensorFlow's own settings and by the names of tensors only.
type session struct {
	graph   *tf.Graph
	session *tf.Session
}

func newSession(tb testing.TB, data []byte) *session {
	tb.Helper()
	g := tf.NewGraph()
	if err := g.Import(data, ""); err != nil {
		tb.Fatal(err)
	}
	s, err := tf.NewSession(g, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &session{g, s}
}

// run feeds one tensor and gives the values of others.
func (s *session) run(tb testing.TB, feed string, value *tf.Tensor, fetch ...string) []any {
	tb.Helper()
	var fetches []tf.Output
	for _, name := range fetch {
		fetches = append(fetches, s.graph.Operation(name).Output(0))
	}
	out, err := s.session.Run(map[tf.Output]*tf.Tensor{s.graph.Operation(feed).Output(0): value}, fetches, nil)
	if err != nil {
		tb.Fatal(err)
	}
	var all []any
	for _, t := range out {
		all = append(all, t.Value())
	}
	return all
}

func tensor(tb testing.TB, value any) *tf.Tensor {
	tb.Helper()
	t, err := tf.NewTensor(value)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// cube puts pixels in the shape of a batch of one picture.
func cube(pixels []float32, size int) [][][][]float32 {
	rows := make([][][]float32, size)
	for y := range rows {
		for x := range size {
			at := (y*size + x) * 3
			rows[y] = append(rows[y], pixels[at:at+3])
		}
	}
	return [][][][]float32{rows}
}

// The figures are of TensorFlow in Python with the same weights, fed with [efficientnettest.Pixels]; the answers to the
// photos are ImageNet's numbers of classes. 985 is the daisy.
func TestPublishedNetworks(t *testing.T) {
	tests := []struct {
		name   string
		size   int
		sum    float64
		first  []float32
		best   int
		logits map[int]float32
	}{
		{
			"efficientnet_lite0", 224, 171.78981,
			[]float32{0.041073, 0, 0, 0, 0, 0, 1.223064, 0.052257, 0, 0, 0, 0},
			113,
			map[int]float32{807: 9.5872, 753: 4.6864, 905: 4.6798, 687: 4.4225, 743: 4.1268},
		},
		{
			"efficientnet_lite0", 288, 169.17596,
			[]float32{0.28734, 0, 0, 0, 0, 0, 0.694274, 0.180509, 0, 0, 0, 0},
			113,
			map[int]float32{807: 8.8402, 905: 4.6699, 677: 4.0458, 753: 3.9126, 494: 3.6251},
		},
		{
			"efficientnet_lite2", 260, 179.84624,
			[]float32{0, 0.04195, 0, 0.033491, 0, 2.139702, 0, 0.636248, 0, 0.634648, 0, 0.290027},
			748,
			map[int]float32{807: 6.5036, 753: 5.8215, 581: 5.6365, 401: 4.7629, 754: 4.4973},
		},
	}
	photos := []string{"100080576_f52e8ee070_n.jpg", "10466290366_cc72e33532.jpg", "10466558316_a7198b87e2.jpg"}
	const daisy = 985
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s at %d", test.name, test.size), func(t *testing.T) {
			n := lite(t, test.name, test.size)
			n.BottleneckTensor = "logits:0"
			base, err := graph.Load(n.GetGraphPath())
			if err != nil {
				t.Fatal(err)
			}
			g, err := graph.Extractor(base, graph.Network{Input: n.GetInputTensor(), Bottleneck: n.GetBottleneckTensor(), Size: test.size, Mean: 127, Scale: 128})
			if err != nil {
				t.Fatal(err)
			}
			data, err := graph.Marshal(g)
			if err != nil {
				t.Fatal(err)
			}
			out := newSession(t, data).run(t, "Preprocess/batch", tensor(t, cube(efficientnettest.Pixels(test.size, test.size), test.size)), "feature", "logits")
			feature, logits := as[[][]float32](t, out[0])[0], as[[][]float32](t, out[1])[0]
			var sum float64
			for _, f := range feature {
				sum += float64(f)
			}
			if math.Abs(sum-test.sum) > 0.01 || distance(feature[:len(test.first)], test.first) > 1e-3 || argmax(feature) != test.best {
				t.Errorf("the features sum up to %g, are largest at %d, and begin with %v", sum, argmax(feature), feature[:len(test.first)])
			}
			for class, want := range test.logits {
				if math.Abs(float64(logits[class]-want)) > 2e-3 {
					t.Errorf("the logit of class %d is %g, want %g", class, logits[class], want)
				}
			}

			s := &engine.Server{}
			for i, logits := range embed(t, s, n, daisies(t, photos...)...) {
				if best := argmax(logits); best != daisy {
					t.Errorf("%s is of class %d, want %d", photos[i], best, daisy)
				}
			}
		})
	}
}

func TestEmbedComputesTheNetwork(t *testing.T) {
	n, variant, weights := tiny(t)
	prepared := mirror(t, variant.Size)
	prepared.Mean, prepared.Scale = n.GetMean(), n.GetScale()
	s := &engine.Server{}
	photo := &enginepb.Picture{Data: picturetest.JPEG(1, 2, 90, 60)}
	want, _ := efficientnettest.Forward(variant, weights, embed(t, s, prepared, photo)[0], variant.Size, variant.Size)
	got := embed(t, s, n, photo)[0]
	if len(got) != len(want) {
		t.Fatalf("%d features, want %d", len(got), len(want))
	}
	for i := range want {
		if math.Abs(float64(got[i])-want[i]) > 1e-4*(1+math.Abs(want[i])) {
			t.Fatalf("feature %d is %g, want %g", i, got[i], want[i])
		}
	}
}

// flowers gives n drawn photos of several sizes.
func flowers(n int) []*enginepb.Picture {
	var pictures []*enginepb.Picture
	for i := range n {
		pictures = append(pictures, &enginepb.Picture{Data: picturetest.JPEG(i, i, 60+7*(i%5), 50+11*(i%3))})
	}
	return pictures
}

// A photo's features must not depend on what else is in the request: caches would hold other bits after an interrupted run.
func TestEmbedIsTheSameInAnyCompany(t *testing.T) {
	photos := flowers(33)
	networks := map[string]func(t *testing.T) *enginepb.Network{
		"made up": func(t *testing.T) *enginepb.Network {
			t.Helper()
			n, _, _ := tiny(t)
			return n
		},
		"published": func(t *testing.T) *enginepb.Network {
			t.Helper()
			return lite(t, "efficientnet_lite0", 96)
		},
	}
	for name, network := range networks {
		for _, precision := range []string{"float32", "bfloat16"} {
			t.Run(name+" "+precision, func(t *testing.T) {
				n := network(t)
				n.Precision = precision
				s := &engine.Server{}
				want := embed(t, s, n, photos...)
				for _, r := range [][2]int{{0, 1}, {3, 4}, {32, 33}, {0, 2}, {5, 8}, {1, 9}, {7, 23}, {2, 33}} {
					for i, got := range embed(t, s, n, photos[r[0]:r[1]]...) {
						if !slices.Equal(got, want[r[0]+i]) {
							t.Errorf("photo %d has other bits in photos %d to %d: %g off", r[0]+i, r[0], r[1], distance(got, want[r[0]+i]))
						}
					}
				}
				bad := &enginepb.Picture{Data: []byte("no picture")}
				reply, err := s.Embed(t.Context(), &enginepb.EmbedRequest{Network: n, Pictures: slices.Insert(slices.Clone(photos[:8]), 2, bad, bad, bad)})
				if err != nil {
					t.Fatal(err)
				}
				got := values(t, slices.Delete(reply.GetVectors(), 2, 5), 8)
				for i := range got {
					if !slices.Equal(got[i], want[i]) {
						t.Errorf("photo %d has other bits among bad ones: %g off", i, distance(got[i], want[i]))
					}
				}
			})
		}
	}
}

func TestEmbedOfNothing(t *testing.T) {
	if got := embed(t, &engine.Server{}, mirror(t, 4)); len(got) != 0 {
		t.Errorf("%d vectors for no picture", len(got))
	}
}

func TestBadPictures(t *testing.T) {
	png := picturetest.PNG(1, 1, 40, 30)
	bad := map[string][]byte{
		"empty":          nil,
		"text":           []byte("not a picture\n"),
		"cut JPEG":       picturetest.Truncated(),
		"cut PNG":        png[:len(png)/2],
		"PNG signature":  png[:8],
		"JPEG marker":    {0xff, 0xd8, 0xff},
		"huge claim":     picturetest.HugeClaim(),
		"WebP":           picturetest.WebP(),
		"bytes of Latin": {0xff, 0xfe, 0xe9, 'x'},
	}
	good := &enginepb.Picture{Data: picturetest.JPEG(1, 1, 40, 30)}
	n := mirror(t, 8)
	s := &engine.Server{}
	want := embed(t, s, n, good)[0]
	for name, data := range bad {
		t.Run(name, func(t *testing.T) {
			reply, err := s.Embed(t.Context(), &enginepb.EmbedRequest{Network: n, Pictures: []*enginepb.Picture{good, {Data: data}, good}})
			if err != nil {
				t.Fatal(err)
			}
			answers := reply.GetVectors()
			for _, i := range []int{0, 2} {
				if !slices.Equal(answers[i].GetValues(), want) || answers[i].GetError() != "" {
					t.Errorf("the good picture %d got %q", i, answers[i].GetError())
				}
			}
			words := answers[1].GetError()
			t.Log(words)
			if words == "" || len(answers[1].GetValues()) != 0 {
				t.Fatalf("the bad picture got %d numbers and the error %q", len(answers[1].GetValues()), words)
			}
			if strings.Contains(words, "{{") || strings.Contains(words, "\n") {
				t.Errorf("the error is TensorFlow's own: %q", words)
			}
		})
	}
}

// export gives the bytes of a graph or SavedModel of a network and a head, and writes a graph also to a file.
func export(tb testing.TB, s *engine.Server, r *enginepb.ExportRequest) (data []byte, path string) {
	tb.Helper()
	reply, err := s.Export(tb.Context(), r)
	if err != nil {
		tb.Fatal(err)
	}
	path = filepath.Join(tb.TempDir(), "retrained_graph.pb")
	if err := os.WriteFile(path, reply.GetData(), 0o600); err != nil {
		tb.Fatal(err)
	}
	return reply.GetData(), path
}

// layer makes up a head whose scores differ from picture to picture.
func layer(features, labels int) *enginepb.Head {
	h := &enginepb.Head{Weights: make([]float32, features*labels), Bias: make([]float32, labels)}
	for i := range h.Weights {
		h.Weights[i] = float32(math.Sin(float64(i*i))) / 4
	}
	for i := range h.Bias {
		h.Bias[i] = float32(i) / 10
	}
	return h
}

// kinds gives a picture of every kind that goes through the door as it is, by name.
func kinds(tb testing.TB) map[string]picture.Encoded {
	tb.Helper()
	grey := picturetest.EncodePNG(picturetest.Flower(3, 3, 31, 57))
	all := map[string]picture.Encoded{}
	for name, data := range map[string][]byte{
		"JPEG": picturetest.JPEG(1, 2, 90, 60), "upright JPEG": picturetest.JPEG(2, 3, 50, 120), "PNG": picturetest.PNG(3, 4, 70, 70),
		"16 bits": picturetest.PNG16(60, 40), "grey": picturetest.Grey(64, 40), "progressive": picturetest.Progressive(),
		"CMYK": picturetest.CMYK(), "one pixel": picturetest.PNG(1, 1, 1, 1), "a line": picturetest.PNG(1, 1, 300, 1), "small PNG": grey,
		"GIF": picturetest.GIF(1, 2, 40, 30), "WebP": picturetest.WebPLossless(), "BMP": picturetest.BMP(1, 2, 33, 44), "TIFF": picturetest.TIFF(1, 2, 33, 44),
	} {
		e, err := picture.Parse(data)
		if err != nil {
			tb.Fatal(err)
		}
		all[name] = e
	}
	return all
}

// What any program of 2017 gets that knows DecodeJpeg/contents:0 and final_result:0 only is what Classify gives.
func TestClassifyIsTheGraphAlone(t *testing.T) {
	networks := map[string]func(t *testing.T) *enginepb.Network{
		"made up": func(t *testing.T) *enginepb.Network {
			t.Helper()
			n, _, _ := tiny(t)
			return n
		},
		"published": func(t *testing.T) *enginepb.Network {
			t.Helper()
			return lite(t, "efficientnet_lite0", 128)
		},
	}
	for name, network := range networks {
		t.Run(name, func(t *testing.T) {
			s := &engine.Server{}
			n := network(t)
			h := layer(efficientnet.FeatureLength, 5)
			data, path := export(t, s, &enginepb.ExportRequest{Network: n, Head: h, FinalTensorName: "final_result"})
			alone := newSession(t, data)
			var names []string
			var pictures []*enginepb.Picture
			for kind, e := range kinds(t) {
				names = append(names, kind)
				pictures = append(pictures, &enginepb.Picture{Data: e.Data, Orientation: 1})
			}
			reply, err := s.Classify(t.Context(), &enginepb.ClassifyRequest{GraphPath: path, OutputTensor: "final_result:0", Pictures: pictures})
			if err != nil {
				t.Fatal(err)
			}
			features := embed(t, s, n, pictures...)
			for i, got := range values(t, reply.GetScores(), len(pictures)) {
				want := as[[][]float32](t, alone.run(t, "DecodeJpeg/contents", tensor(t, string(pictures[i].GetData())), "final_result")[0])
				if len(want) != 1 || distance(got, want[0]) > 1e-4 {
					t.Errorf("%s: Classify gives %v, the graph alone %v", names[i], got, want)
				}
				if d := distance(got, softmax(features[i], h)); d > 1e-4 {
					t.Errorf("%s: Classify is %g off what the features and the head give", names[i], d)
				}
			}
		})
	}
}

// softmax gives the scores of a head for features.
func softmax(features []float32, h *enginepb.Head) []float32 {
	labels := len(h.GetBias())
	logits := make([]float64, labels)
	var sum float64
	for k := range labels {
		logits[k] = float64(h.GetBias()[k])
		for i, f := range features {
			logits[k] += float64(f) * float64(h.GetWeights()[i*labels+k])
		}
	}
	largest := slices.Max(logits)
	for k := range logits {
		logits[k] = math.Exp(logits[k] - largest)
		sum += logits[k]
	}
	scores := make([]float32, labels)
	for k := range scores {
		scores[k] = float32(logits[k] / sum)
	}
	return scores
}

func TestClassifyReplacedModel(t *testing.T) {
	n, _, _ := tiny(t)
	s := &engine.Server{}
	photo := flowers(1)
	one, path := export(t, s, &enginepb.ExportRequest{Network: n, Head: layer(efficientnet.FeatureLength, 3), FinalTensorName: "final_result"})
	request := func(s *engine.Server, data []byte) (*enginepb.ClassifyReply, error) {
		digest := fmt.Sprintf("%x", sha256.Sum256(data))
		return s.Classify(t.Context(), &enginepb.ClassifyRequest{GraphPath: path, GraphDigest: digest, OutputTensor: "final_result:0", Pictures: photo})
	}
	classify := func(data []byte) []float32 {
		reply, err := request(s, data)
		if err != nil {
			t.Fatal(err)
		}
		return values(t, reply.GetScores(), 1)[0]
	}
	if got := classify(one); len(got) != 3 {
		t.Errorf("%d scores, want 3", len(got))
	}
	other, _ := export(t, s, &enginepb.ExportRequest{Network: n, Head: layer(efficientnet.FeatureLength, 4), FinalTensorName: "final_result"})
	if err := os.WriteFile(path, other, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := classify(other); len(got) != 4 {
		t.Errorf("%d scores of the model that was put in its place, want 4", len(got))
	}
	if got := classify(one); len(got) != 3 {
		t.Errorf("%d scores of the model that is still in memory, want 3", len(got))
	}
	// An engine that has not seen the one before must not take the other for it.
	if reply, err := request(&engine.Server{}, one); err == nil || !strings.Contains(err.Error(), "another file") {
		t.Errorf("a model that was replaced gave %v, error %v", reply, err)
	}
}

func TestSavedModelServes(t *testing.T) {
	n, _, _ := tiny(t)
	s := &engine.Server{}
	h := layer(efficientnet.FeatureLength, 5)
	data, _ := export(t, s, &enginepb.ExportRequest{Network: n, Head: h, SavedModel: true})
	_, path := export(t, s, &enginepb.ExportRequest{Network: n, Head: h, FinalTensorName: "final_result"})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "saved_model.pb"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	saved, err := tf.LoadSavedModel(dir, []string{"serve"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := saved.Session.Close(); err != nil {
			t.Error(err)
		}
	}()
	signature := saved.Signatures["serving_default"]
	find := func(info tf.TensorInfo) tf.Output {
		name, _, _ := strings.Cut(info.Name, ":")
		op := saved.Graph.Operation(name)
		if op == nil {
			t.Fatalf("the signature names %q, which is not there", info.Name)
		}
		return op.Output(0)
	}
	for _, count := range []int{1, 3} {
		var pictures []*enginepb.Picture
		var contents, keys []string
		for kind, e := range kinds(t) {
			if len(pictures) == count {
				break
			}
			pictures = append(pictures, &enginepb.Picture{Data: e.Data})
			contents, keys = append(contents, string(e.Data)), append(keys, "写真 "+kind)
		}
		out, err := saved.Session.Run(
			map[tf.Output]*tf.Tensor{find(signature.Inputs["image_bytes"]): tensor(t, contents), find(signature.Inputs["key"]): tensor(t, keys)},
			[]tf.Output{find(signature.Outputs["scores"]), find(signature.Outputs["prediction"]), find(signature.Outputs["key"])}, nil)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := s.Classify(t.Context(), &enginepb.ClassifyRequest{GraphPath: path, OutputTensor: "final_result:0", Pictures: pictures})
		if err != nil {
			t.Fatal(err)
		}
		scores, predictions := as[[][]float32](t, out[0].Value()), as[[]int64](t, out[1].Value())
		for i, want := range values(t, reply.GetScores(), count) {
			if distance(scores[i], want) > 1e-4 {
				t.Errorf("picture %d of %d: the SavedModel gives %v, Classify %v", i, count, scores[i], want)
			}
			if int(predictions[i]) != argmax(want) {
				t.Errorf("picture %d of %d: predicted label %d of %v", i, count, predictions[i], want)
			}
		}
		if got := as[[]string](t, out[2].Value()); !slices.Equal(got, keys) {
			t.Errorf("the keys came back as %q", got)
		}
	}
}

// inception is laid out as Inception-v3 of 2015 is: of the oldest version, with operations of that time, decoding a photo
// itself, and with a bottleneck that is reshaped to [1, 4]. Its features are the mean of relu(pixel * weights), normed.
func inception(tb testing.TB) *enginepb.Network {
	tb.Helper()
	b := &graph.Builder{}
	float := graph.Type(typespb.DataType_DT_FLOAT)
	t := graph.Attrs{"T": float}
	b.Node("DecodeJpeg/contents", "Placeholder", nil, graph.Attrs{"dtype": graph.Type(typespb.DataType_DT_STRING)})
	b.Node("DecodeJpeg", "DecodeJpeg", []string{"DecodeJpeg/contents"}, graph.Attrs{"channels": graph.Int(3)})
	b.Node("Cast", "Cast", []string{"DecodeJpeg"}, graph.Attrs{"SrcT": graph.Type(typespb.DataType_DT_UINT8), "DstT": float})
	b.Node("ExpandDims", "ExpandDims", []string{"Cast", b.Const("ExpandDims/dim", graph.Int32s([]int32{0}))}, t)
	b.Node("ResizeBilinear", "ResizeBilinear", []string{"ExpandDims", b.Const("ResizeBilinear/size", graph.Int32s([]int32{9, 9}, 2))}, t)
	b.Node("Sub", "Sub", []string{"ResizeBilinear", b.Const("Sub/y", graph.Floats([]float32{128}))}, t)
	b.Node("Mul", "Mul", []string{"Sub", b.Const("Mul/y", graph.Floats([]float32{1. / 128}))}, t)
	b.Const("conv/conv2d_params", graph.Floats([]float32{1, 0, 0, -1, 0, 1, 0, -1, 0, 0, 1, -1}, 1, 1, 3, 4))
	b.Node("conv/Conv2D", "Conv2D", []string{"Mul", "conv/conv2d_params"}, graph.Attrs{
		"T": float, "strides": graph.Ints(1, 1, 1, 1), "padding": graph.String("VALID"),
	})
	four := func(name string, v float32) string { return b.Const(name, graph.Floats([]float32{v, v, v, v}, 4)) }
	b.Node("conv/batchnorm", "BatchNormWithGlobalNormalization", []string{
		"conv/Conv2D", four("conv/mean", 0.25), four("conv/variance", 3), four("conv/beta", 0.5), four("conv/gamma", 1),
	}, graph.Attrs{"T": float, "variance_epsilon": graph.Float(1), "scale_after_normalization": graph.Bool(false)})
	b.Node("conv/CheckNumerics", "CheckNumerics", []string{"conv/batchnorm"}, graph.Attrs{"T": float, "message": graph.String("not a number")})
	b.Node("conv/control_dependency", "Identity", []string{"conv/batchnorm", "^conv/CheckNumerics"}, t)
	b.Node("conv", "Relu", []string{"conv/control_dependency"}, t)
	b.Node("pool_3", "AvgPool", []string{"conv"}, graph.Attrs{
		"T": float, "ksize": graph.Ints(1, 9, 9, 1), "strides": graph.Ints(1, 1, 1, 1), "padding": graph.String("VALID"),
	})
	b.Node("pool_3/_reshape", "Reshape", []string{"pool_3", b.Const("pool_3/_reshape/shape", graph.Int32s([]int32{1, 4}, 2))}, t)
	n := write(tb, &graphpb.GraphDef{Node: b.Nodes}, "Mul:0", "pool_3/_reshape:0", 9)
	n.Mean, n.Scale = 128, 128
	return n
}

func TestEmbedByInception(t *testing.T) {
	n, prepared := inception(t), mirror(t, 9)
	prepared.Mean, prepared.Scale = 128, 128
	s := &engine.Server{}
	photos := flowers(7)
	pixels := embed(t, s, prepared, photos...)
	for i, got := range embed(t, s, n, photos...) {
		want := make([]float32, 4)
		for p := 0; p < len(pixels[i]); p += 3 {
			rgb := pixels[i][p : p+3]
			for c, v := range []float32{rgb[0], rgb[1], rgb[2], -rgb[0] - rgb[1] - rgb[2]} {
				want[c] += max(0, (v-0.25)/2+0.5) / 81
			}
		}
		if distance(got, want) > 1e-5 {
			t.Errorf("photo %d has the features %v, want %v", i, got, want)
		}
	}
	data, path := export(t, s, &enginepb.ExportRequest{Network: n, Head: layer(4, 3), FinalTensorName: "final_result"})
	reply, err := s.Classify(t.Context(), &enginepb.ClassifyRequest{GraphPath: path, OutputTensor: "final_result", Pictures: photos})
	if err != nil {
		t.Fatal(err)
	}
	alone := newSession(t, data)
	for i, got := range values(t, reply.GetScores(), len(photos)) {
		want := as[[][]float32](t, alone.run(t, "DecodeJpeg/contents", tensor(t, string(photos[i].GetData())), "final_result")[0])[0]
		if distance(got, want) > 1e-5 {
			t.Errorf("photo %d has the scores %v, the graph alone gives %v", i, got, want)
		}
	}
	t.Run("as a SavedModel", func(t *testing.T) {
		dir := t.TempDir()
		data, _ := export(t, s, &enginepb.ExportRequest{Network: n, Head: layer(4, 3), SavedModel: true})
		if err := os.WriteFile(filepath.Join(dir, "saved_model.pb"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		saved, err := tf.LoadSavedModel(dir, []string{"serve"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := saved.Session.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A bottleneck may be reshaped to [1, -1], or be [batch, 1, 1, features]: each photo gets its own numbers.
func TestEmbedOfOtherShapes(t *testing.T) {
	float := graph.Type(typespb.DataType_DT_FLOAT)
	tests := map[string]func(b *graph.Builder) string{
		"in one row": func(b *graph.Builder) string {
			return b.Node("row", "Reshape", []string{"mean", b.Const("row/shape", graph.Int32s([]int32{1, -1}, 2))}, graph.Attrs{"T": float})
		},
		"of four dimensions": func(*graph.Builder) string { return "mean" },
		"without batches": func(b *graph.Builder) string {
			return b.Node("column", "Reshape", []string{"mean", b.Const("column/shape", graph.Int32s([]int32{-1}, 1))}, graph.Attrs{"T": float})
		},
	}
	for name, shape := range tests {
		t.Run(name, func(t *testing.T) {
			b := &graph.Builder{}
			b.Node("input", "Placeholder", nil, graph.Attrs{"dtype": float})
			b.Node("mean", "Mean", []string{"input", b.Const("axes", graph.Int32s([]int32{1, 2}, 2))}, graph.Attrs{"T": float, "keep_dims": graph.Bool(true)})
			bottleneck := shape(b)
			n := write(t, &graphpb.GraphDef{Node: b.Nodes}, "input:0", bottleneck+":0", 5)
			s := &engine.Server{}
			photos := flowers(9)
			for i, pixels := range embed(t, s, mirror(t, 5), photos...) {
				want := make([]float32, 3)
				for p, v := range pixels {
					want[p%3] += v / 25
				}
				if got := embed(t, s, n, photos...)[i]; distance(got, want) > 1e-3 {
					t.Errorf("photo %d has the features %v, want %v", i, got, want)
				}
			}
			_, path := export(t, s, &enginepb.ExportRequest{Network: n, Head: layer(3, 2), FinalTensorName: "final_result"})
			reply, err := s.Classify(t.Context(), &enginepb.ClassifyRequest{GraphPath: path, OutputTensor: "final_result:0", Pictures: photos})
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range values(t, reply.GetScores(), len(photos)) {
				if len(got) != 2 {
					t.Errorf("photo %d has %d scores", i, len(got))
				}
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	s := &engine.Server{}
	_, exported := export(t, s, &enginepb.ExportRequest{Network: mirror(t, 2), Head: layer(12, 2), FinalTensorName: "final_result"})
	text := filepath.Join(t.TempDir(), "text.pb")
	if err := os.WriteFile(text, []byte("not a graph"), 0o600); err != nil {
		t.Fatal(err)
	}
	network := func(change func(n *enginepb.Network)) *enginepb.Network {
		n := mirror(t, 4)
		change(n)
		return n
	}
	unknownOp := write(t, &graphpb.GraphDef{Node: func() []*nodepb.NodeDef {
		b := &graph.Builder{}
		b.Node("input", "Placeholder", nil, graph.Attrs{"dtype": graph.Type(typespb.DataType_DT_FLOAT)})
		b.Node("pixels", "OfAnotherWorld", []string{"input"}, nil)
		return b.Nodes
	}()}, "input:0", "pixels:0", 4)
	tests := []struct {
		name  string
		call  func(ctx context.Context) error
		words string
	}{
		{"embed without a network", embedError(s, nil), "names no base network"},
		{"embed by a missing file", embedError(s, network(func(n *enginepb.Network) { n.GraphPath = "missing.pb" })), "missing.pb"},
		{"embed by text", embedError(s, network(func(n *enginepb.Network) { n.GraphPath = text })), "does not hold a TensorFlow graph"},
		{"embed by a missing input", embedError(s, network(func(n *enginepb.Network) { n.InputTensor = "inlet:0" })), `no node "inlet"; it has input`},
		{"embed by a missing bottleneck", embedError(s, network(func(n *enginepb.Network) { n.BottleneckTensor = "out:0" })), `no node "out"`},
		{"embed by an output that is not there", embedError(s, network(func(n *enginepb.Network) { n.BottleneckTensor = "pixels:7" })), `"pixels" has no output 7`},
		{"embed by a negative output", embedError(s, network(func(n *enginepb.Network) { n.BottleneckTensor = "pixels:-1" })), `"pixels" has no output -1`},
		{"embed by a name that is none", embedError(s, network(func(n *enginepb.Network) { n.BottleneckTensor = "pixels:x" })), `"pixels:x" is not the name of a tensor`},
		{"embed by an unknown precision", embedError(s, network(func(n *enginepb.Network) { n.Precision = "float8" })), `unknown precision "float8": use float32 or bfloat16`},
		{"embed at no size", embedError(s, network(func(n *enginepb.Network) { n.InputSize = 0 })), "size"},
		{"embed at a negative size", embedError(s, network(func(n *enginepb.Network) { n.InputSize = -4 })), ""},
		{"embed by an unknown operation", embedError(s, unknownOp), "OfAnotherWorld"},
		{"embed to integers", embedError(s, write(t, &graphpb.GraphDef{Node: func() []*nodepb.NodeDef {
			b := &graph.Builder{}
			b.Node("input", "Placeholder", nil, graph.Attrs{"dtype": graph.Type(typespb.DataType_DT_FLOAT)})
			b.Node("whole", "Cast", []string{"input"}, graph.Attrs{"SrcT": graph.Type(typespb.DataType_DT_FLOAT), "DstT": graph.Type(typespb.DataType_DT_INT32)})
			return b.Nodes
		}()}, "input:0", "whole:0", 4)), "instead of float32"},
		{"embed to a constant size", embedError(s, write(t, &graphpb.GraphDef{Node: func() []*nodepb.NodeDef {
			b := &graph.Builder{}
			b.Node("input", "Placeholder", nil, graph.Attrs{"dtype": graph.Type(typespb.DataType_DT_FLOAT)})
			b.Node("mean", "Mean", []string{"input", b.Const("axes", graph.Int32s([]int32{0, 1, 2, 3}, 4))}, graph.Attrs{"T": graph.Type(typespb.DataType_DT_FLOAT)})
			return b.Nodes
		}()}, "input:0", "mean:0", 4)), "1 numbers for 4 photos"},
		{"describe a missing network", func(ctx context.Context) error {
			_, err := s.Describe(ctx, &enginepb.DescribeRequest{Network: &enginepb.Network{GraphPath: "missing.pb"}})
			return err
		}, "missing.pb"},
		{"classify by a missing file", classifyError(s, "missing.pb", "final_result:0", ""), "missing.pb"},
		{"classify by text", classifyError(s, text, "final_result:0", ""), "does not hold a TensorFlow graph"},
		{"classify by a foreign graph", classifyError(s, mirror(t, 4).GetGraphPath(), "pixels:0", ""), `no node "DecodeJpeg/contents"`},
		{"classify by a missing output", classifyError(s, exported, "scores:0", ""), `no node "scores"`},
		{"classify by an unknown precision", classifyError(s, exported, "final_result:0", "int8"), `unknown precision "int8"`},
		{"export of nothing", exportError(s, &enginepb.ExportRequest{}), "network"},
		{"export of a missing file", exportError(s, &enginepb.ExportRequest{Network: &enginepb.Network{GraphPath: "missing.pb"}, SavedModel: true}), "missing.pb"},
		{"export without a head", exportError(s, &enginepb.ExportRequest{Network: mirror(t, 4), FinalTensorName: "final_result"}), "do not fit together"},
		{"export of a SavedModel without a head", exportError(s, &enginepb.ExportRequest{Network: mirror(t, 4), SavedModel: true}), "do not fit together"},
		{"export without a name", exportError(s, &enginepb.ExportRequest{Network: mirror(t, 2), Head: layer(12, 2)}), "cannot be named"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.call(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("got the error %v, want one with %q", err, test.words)
			}
			if err != nil && strings.Contains(err.Error(), "%!") {
				t.Errorf("the error is ill-formed: %v", err)
			}
		})
	}
}

func embedError(s *engine.Server, n *enginepb.Network) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.Embed(ctx, &enginepb.EmbedRequest{Network: n, Pictures: flowers(1)})
		return err
	}
}

func classifyError(s *engine.Server, path, output, precision string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.Classify(ctx, &enginepb.ClassifyRequest{GraphPath: path, OutputTensor: output, Precision: precision, Pictures: flowers(1)})
		return err
	}
}

func exportError(s *engine.Server, r *enginepb.ExportRequest) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.Export(ctx, r)
		return err
	}
}

// A network that could not be loaded is tried anew the next time.
func TestEmbedAfterAnError(t *testing.T) {
	s := &engine.Server{}
	n := mirror(t, 4)
	path := n.GetGraphPath()
	hidden := path + ".hidden"
	if err := os.Rename(path, hidden); err != nil {
		t.Fatal(err)
	}
	if embedError(s, n)(t.Context()) == nil {
		t.Fatal("a missing file gave no error")
	}
	if err := os.Rename(hidden, path); err != nil {
		t.Fatal(err)
	}
	embed(t, s, n, flowers(1)...)
}

func TestCancel(t *testing.T) {
	s := &engine.Server{}
	n := mirror(t, 64)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := embedError(s, n)(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled request gave the error %v", err)
	}
	photo := &enginepb.Picture{Data: picturetest.JPEG(1, 1, 1200, 900)}
	many := slices.Repeat([]*enginepb.Picture{photo}, 20_000) // Minutes of work.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := s.Embed(ctx, &enginepb.EmbedRequest{Network: n, Pictures: many})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a request past its deadline gave the error %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to end", took)
	}
	embed(t, s, n, photo) // The network goes on working.
}

// Networks are put away while others are in use, and loaded again.
func TestConcurrentNetworks(t *testing.T) {
	s := &engine.Server{}
	const networks = 11 // More than stay.
	var all []*enginepb.Network
	var want [][]float32
	photo := flowers(1)[0]
	for i := range networks {
		n := mirror(t, 3+i)
		all = append(all, n)
		want = append(want, embed(t, s, n, photo)[0])
	}
	missing := &enginepb.Network{GraphPath: "missing.pb"}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 12 {
				at := (worker*3 + i*(1+worker%3)) % networks
				reply, err := s.Embed(t.Context(), &enginepb.EmbedRequest{Network: all[at], Pictures: []*enginepb.Picture{photo, photo, photo}})
				if err != nil {
					t.Error(err)
					return
				}
				for _, v := range reply.GetVectors() {
					if !slices.Equal(v.GetValues(), want[at]) {
						t.Errorf("network %d gave other pixels; error %q", at, v.GetError())
					}
				}
				if i%4 == 0 && embedError(s, missing)(t.Context()) == nil {
					t.Error("a missing network gave no error")
				}
			}
		})
	}
	group.Wait()
}

func TestDescribe(t *testing.T) {
	s := &engine.Server{}
	reply, err := s.Describe(t.Context(), &enginepb.DescribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(reply.GetTensorflowVersion(), "2.") || !slices.Contains(reply.GetDevices(), "CPU") || reply.GetFeatureLength() != 0 {
		t.Errorf("the engine is described as %v", reply)
	}
	if _, err := os.Stat("/proc/self/maps"); err == nil {
		if _, err := os.Stat(reply.GetLibraryPath()); err != nil || !strings.Contains(reply.GetLibraryPath(), "libtensorflow") {
			t.Errorf("the library is said to be %q: %v", reply.GetLibraryPath(), err)
		}
	}
	n, _, _ := tiny(t)
	if reply, err = s.Describe(t.Context(), &enginepb.DescribeRequest{Network: n}); err != nil || reply.GetFeatureLength() != efficientnet.FeatureLength {
		t.Errorf("the network has %d features, want %d; error %v", reply.GetFeatureLength(), efficientnet.FeatureLength, err)
	}
}

func TestPrecision(t *testing.T) {
	n, _, _ := tiny(t)
	s := &engine.Server{}
	photos := flowers(4)
	float := embed(t, s, n, photos...)
	n.Precision = "bfloat16"
	for i, got := range embed(t, s, n, photos...) {
		if d, largest := distance(got, float[i]), float64(slices.Max(float[i])); d > 0.05*largest {
			t.Errorf("photo %d is %g off in bfloat16, of %g", i, d, largest)
		}
	}
}

// as gives what TensorFlow gave as the type that it must have.
func as[T any](tb testing.TB, value any) T {
	tb.Helper()
	v, ok := value.(T)
	if !ok {
		tb.Fatalf("got a %T instead of a %T", value, v)
	}
	return v
}
