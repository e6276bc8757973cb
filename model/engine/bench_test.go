package engine

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"

	"kaika/model/enginepb"
	"kaika/model/graph"
)

// oneAtATimeVariable tells a copy of the test program, started by BenchmarkEmbed, to be the baseline.
const oneAtATimeVariable = "KAIKA_BENCHMARK_ONE_AT_A_TIME"

// benchmarkSizes are sides in pixels: that at which the default base model was trained, and that at which it is run.
func benchmarkSizes() []int { return []int{224, 288} }

// BenchmarkEmbed measures photos a second of the engine, in both number formats, against the same frozen graph driven as
// TensorFlow's retrain.py does: one photo at a time, one run to decode and resize it, one for the network. The three take
// turns, so that a machine whose speed drifts does not favour one; the ratios are medians over the rounds. The baseline is
// a process of its own, because all sessions of a process share the threads that the first one asks for.
func BenchmarkEmbed(b *testing.B) {
	for _, size := range benchmarkSizes() {
		b.Run(strconv.Itoa(size)+"px", func(b *testing.B) { benchmarkEmbed(b, size) })
	}
}

func benchmarkEmbed(b *testing.B, size int) {
	b.Helper()
	pictures := benchmarkPictures(b)
	g := benchmarkGraph(b, size)
	float := benchmarkNetwork(b, g, "float32")
	brain := benchmarkNetwork(b, g, "bfloat16")
	single := startOneAtATime(b, size)
	const batch = 2 // As package client asks for.
	run := func(n *network) float64 {
		began := time.Now()
		if _, err := n.run(b.Context(), pictures, batch); err != nil {
			b.Fatal(err)
		}
		return float64(len(pictures)) / time.Since(began).Seconds()
	}
	single()
	run(float)
	run(brain)
	const rounds = 7
	var one, floatRate, brainRate, floatRatio, brainRatio []float64
	for b.Loop() {
		for range rounds {
			s, f, h := single(), run(float), run(brain)
			one, floatRate, brainRate = append(one, s), append(floatRate, f), append(brainRate, h)
			floatRatio, brainRatio = append(floatRatio, f/s), append(brainRatio, h/s)
		}
	}
	b.ReportMetric(median(one), "photos/s-one-at-a-time")
	b.ReportMetric(median(floatRate), "photos/s-float32")
	b.ReportMetric(median(brainRate), "photos/s-bfloat16")
	b.ReportMetric(median(floatRatio), "times-float32")
	b.ReportMetric(median(brainRatio), "times-bfloat16")
}

// startOneAtATime starts the baseline and gives a function that has it do one round and tells its photos a second.
func startOneAtATime(b *testing.B, size int) func() float64 {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkOneAtATime$", "-test.benchtime=1x")
	cmd.Env = append(os.Environ(), oneAtATimeVariable+"="+strconv.Itoa(size))
	ask, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	answer, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = ask.Close()
		_ = cmd.Wait() // Ends with its input.
	})
	lines := bufio.NewScanner(answer)
	return func() float64 {
		if _, err := ask.Write([]byte{'\n'}); err != nil {
			b.Fatal(err)
		}
		for lines.Scan() {
			// TensorFlow writes there as well.
			if text, found := strings.CutPrefix(lines.Text(), oneAtATimeVariable+" "); found {
				rate, err := strconv.ParseFloat(text, 64)
				if err != nil {
					b.Fatal(err)
				}
				return rate
			}
		}
		b.Fatal("the baseline ended")
		return 0
	}
}

// BenchmarkOneAtATime is the baseline of BenchmarkEmbed, when that starts it: a round for each line of the standard input.
func BenchmarkOneAtATime(b *testing.B) {
	size, err := strconv.Atoi(os.Getenv(oneAtATimeVariable))
	if err != nil {
		b.Skip("it is measured by BenchmarkEmbed")
	}
	few := benchmarkPictures(b)
	few = few[:len(few)/4]
	o := newOneAtATime(b, benchmarkGraph(b, size))
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Fprintf(os.Stderr, "%s %f\n", oneAtATimeVariable, o.run(b, few))
	}
}

func benchmarkGraph(b *testing.B, size int) *graphpb.GraphDef {
	b.Helper()
	g, err := extractor(&enginepb.Network{
		GraphPath: "../../build/models/efficientnet_lite0/graph.pb", InputTensor: "input:0", BottleneckTensor: "feature:0",
		InputSize: int32(size), Mean: 127, Scale: 128,
	})
	if err != nil {
		b.Skip("the base model is not there:", err)
	}
	return g
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func benchmarkPictures(b *testing.B) []*enginepb.Picture {
	b.Helper()
	paths, err := filepath.Glob("../../../shared/data/flower_photos/*/*.jpg")
	if err != nil || len(paths) == 0 {
		b.Skip("there are no real photos to measure with")
	}
	var pictures []*enginepb.Picture
	for i := 0; i < len(paths); i += 5 {
		data, err := os.ReadFile(paths[i])
		if err != nil {
			b.Fatal(err)
		}
		pictures = append(pictures, &enginepb.Picture{Data: data})
	}
	return pictures
}

func benchmarkNetwork(b *testing.B, g *graphpb.GraphDef, precision string) *network {
	b.Helper()
	n, err := load(g, "feature:0", precision)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := n.close(); err != nil {
			b.Error(err)
		}
	})
	return n
}

// oneAtATime drives a graph as retrain.py does, in a session with TensorFlow's own settings.
type oneAtATime struct {
	session                           *tf.Session
	contents, square, batch, features tf.Output
}

func newOneAtATime(b *testing.B, g *graphpb.GraphDef) *oneAtATime {
	b.Helper()
	data, err := graph.Marshal(g)
	if err != nil {
		b.Fatal(err)
	}
	tg := tf.NewGraph()
	if err := tg.Import(data, ""); err != nil {
		b.Fatal(err)
	}
	o := &oneAtATime{}
	for name, to := range map[string]*tf.Output{
		graph.Contents: &o.contents, graph.Square: &o.square, graph.Batch: &o.batch, "feature:0": &o.features,
	} {
		if *to, err = tensor(tg, name); err != nil {
			b.Fatal(err)
		}
	}
	if o.session, err = tf.NewSession(tg, nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := o.session.Close(); err != nil {
			b.Error(err)
		}
	})
	return o
}

// run gives photos a second.
func (o *oneAtATime) run(b *testing.B, pictures []*enginepb.Picture) float64 {
	b.Helper()
	began := time.Now()
	for _, p := range pictures {
		contents, err := tf.NewTensor(string(p.GetData()))
		if err != nil {
			b.Fatal(err)
		}
		square, err := o.session.Run(map[tf.Output]*tf.Tensor{o.contents: contents}, []tf.Output{o.square}, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := o.session.Run(map[tf.Output]*tf.Tensor{o.batch: square[0]}, []tf.Output{o.features}, nil); err != nil {
			b.Fatal(err)
		}
	}
	return float64(len(pictures)) / time.Since(began).Seconds()
}
