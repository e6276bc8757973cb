package model

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"

	"kaika/model/graph"
)

// number is the type of nearly every tensor here.
func number() graph.Attrs { return graph.Attrs{"T": graph.Type(typespb.DataType_DT_FLOAT)} }

// inceptionGraph is a small network with the node names of the Inception-v3 of 2015: photo bytes at one end, a softmax at the
// other, and a bottleneck that was made for one photo at a time.
func inceptionGraph() *graphpb.GraphDef {
	const dtFloat, dtInt = typespb.DataType_DT_FLOAT, typespb.DataType_DT_INT32
	b := &graph.Builder{}
	scalar := func(name string, v float32) string { return b.Const(name, graph.Floats([]float32{v})) }
	b.Node("DecodeJpeg/contents", "Placeholder", nil, graph.Attrs{"dtype": graph.Type(typespb.DataType_DT_STRING)})
	b.Node("DecodeJpeg", "DecodeJpeg", []string{"DecodeJpeg/contents"}, graph.Attrs{"channels": graph.Int(3)})
	b.Node("Cast", "Cast", []string{"DecodeJpeg"}, graph.Attrs{"SrcT": graph.Type(typespb.DataType_DT_UINT8), "DstT": graph.Type(dtFloat)})
	b.Node("ExpandDims", "ExpandDims", []string{"Cast", b.Const("ExpandDims/dim", graph.Int32s([]int32{0}))}, number())
	b.Node("ResizeBilinear", "ResizeBilinear", []string{"ExpandDims", b.Const("ResizeBilinear/size", graph.Int32s([]int32{299, 299}, 2))}, number())
	b.Node("Sub", "Sub", []string{"ResizeBilinear", scalar("Sub/y", 128)}, number())
	b.Node("Mul", "Mul", []string{"Sub", scalar("Mul/y", 1.0/128)}, number())
	b.Node("pool_3", "AvgPool", []string{"Mul"}, graph.Attrs{
		"T": graph.Type(dtFloat), "ksize": graph.Ints(1, 299, 299, 1), "strides": graph.Ints(1, 1, 1, 1), "padding": graph.String("VALID"),
	})
	b.Node("pool_3/_reshape", "Reshape", []string{"pool_3", b.Const("pool_3/_reshape/shape", graph.Int32s([]int32{1, 3}, 2))},
		graph.Attrs{"T": graph.Type(dtFloat), "Tshape": graph.Type(dtInt)})
	b.Node("softmax/logits", "MatMul", []string{"pool_3/_reshape", b.Const("softmax/weights", graph.Floats(make([]float32, 6), 3, 2))}, number())
	b.Node("softmax", "Softmax", []string{"softmax/logits"}, number())
	return &graphpb.GraphDef{Node: b.Nodes}
}

// mobilenetGraph is a small network with the node names of a MobileNet v1.
func mobilenetGraph() *graphpb.GraphDef {
	const dtFloat, dtInt = typespb.DataType_DT_FLOAT, typespb.DataType_DT_INT32
	b := &graph.Builder{}
	b.Node("input", "Placeholder", nil, graph.Attrs{"dtype": graph.Type(dtFloat), "shape": graph.Shape(1, 224, 224, 3)})
	b.Node("MobilenetV1/Logits/AvgPool_1a/AvgPool", "AvgPool", []string{"input"}, graph.Attrs{
		"T": graph.Type(dtFloat), "ksize": graph.Ints(1, 224, 224, 1), "strides": graph.Ints(1, 1, 1, 1), "padding": graph.String("VALID"),
	})
	b.Node("MobilenetV1/Predictions/Reshape", "Reshape",
		[]string{"MobilenetV1/Logits/AvgPool_1a/AvgPool", b.Const("MobilenetV1/Predictions/Reshape/shape", graph.Int32s([]int32{-1, 3}, 2))},
		graph.Attrs{"T": graph.Type(dtFloat), "Tshape": graph.Type(dtInt)})
	b.Node("MobilenetV1/Predictions/Softmax", "Softmax", []string{"MobilenetV1/Predictions/Reshape"}, number())
	return &graphpb.GraphDef{Node: b.Nodes}
}

func marshal(t *testing.T, g *graphpb.GraphDef) []byte {
	t.Helper()
	data, err := graph.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// entry is a file of an archive.
type entry struct {
	name string
	data []byte
	link string // Makes it a link instead.
}

func tgz(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var buffer bytes.Buffer
	zipped := gzip.NewWriter(&buffer)
	tarred := tar.NewWriter(zipped)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Size: int64(len(e.data)), Mode: 0o644, Typeflag: tar.TypeReg}
		if e.link != "" {
			header.Typeflag, header.Linkname = tar.TypeSymlink, e.link
		}
		if err := tarred.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := tarred.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := tarred.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func wheel(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var buffer bytes.Buffer
	zipped := zip.NewWriter(&buffer)
	for _, e := range entries {
		w, err := zipped.Create(e.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// ownBase describes the graph of mobilenetGraph as a user would.
func ownBase(name string) Base {
	return Base{
		Name: name, InputTensor: "input:0", BottleneckTensor: "MobilenetV1/Predictions/Reshape:0", FeatureLength: 3,
		InputSize: 224, Mean: 127.5, Scale: 127.5,
	}
}

// holdsOnly fails the test where a folder holds anything but the named entries: nothing may be left behind.
func holdsOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	for _, e := range entries {
		if !wanted[e.Name()] {
			t.Errorf("%s was left behind in %s", e.Name(), dir)
		}
		delete(wanted, e.Name())
	}
	for n := range wanted {
		t.Errorf("%s is missing in %s", n, dir)
	}
}

// fakeEngine freezes to a given graph and counts a given number of features.
type fakeEngine struct {
	frozen Frozen
	length int
	err    error
	asked  []string
}

func (f *fakeEngine) Freeze(_ context.Context, _, input, bottleneck string) (Frozen, error) {
	f.asked = []string{input, bottleneck}
	return f.frozen, f.err
}

func (f *fakeEngine) FeatureLength(context.Context, string, Base) (int, error) {
	return f.length, f.err
}
