package efficientnet_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"kaika/model/efficientnet"
	"kaika/model/efficientnet/efficientnettest"
)

// The pickles of a file, in the opcodes of Python's pickle protocol 2.
const (
	header  = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03."
	machine = "\x80\x02}q\x00(X\x0d\x00\x00\x00little_endianq\x01\x88u."
	// orderedDict leaves an empty OrderedDict and a MARK on the stack; endDict sets the pairs above the MARK into it.
	orderedDict = "\x80\x02ccollections\nOrderedDict\n)R("
	endDict     = "u."
)

func pickled(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func pickledInts(values ...int) string {
	tuple := []byte("(")
	for _, v := range values {
		tuple = binary.LittleEndian.AppendUint32(append(tuple, 'J'), uint32(v))
	}
	return string(tuple) + "t"
}

// entry is a pair of the dictionary: a tensor of that class and shape over a storage of count elements.
func entry(name, class, key string, count int, shape, strides []int) string {
	integer := func(v int) string { return pickledInts(v)[1:6] }
	return pickled(name) + "ctorch._utils\n_rebuild_tensor_v2\n((" + pickled("storage") + "ctorch\n" + class + "\n" + pickled(key) +
		pickled("cpu") + integer(count) + "NtQ" + integer(0) + pickledInts(shape...) + pickledInts(strides...) +
		"\x89ccollections\nOrderedDict\n)RtR"
}

func keys(names ...string) string {
	var list strings.Builder
	for _, name := range names {
		list.WriteString(pickled(name))
	}
	return "\x80\x02](" + list.String() + "e."
}

func floats(values ...float32) string {
	content := binary.LittleEndian.AppendUint64(nil, uint64(len(values)))
	for _, v := range values {
		content = binary.LittleEndian.AppendUint32(content, math.Float32bits(v))
	}
	return string(content)
}

// file is a whole file of two tensors: a kernel that lies in TensorFlow's order, and a counter.
func file() string {
	return header + machine +
		orderedDict +
		entry("kernel", "FloatStorage", "7", 12, []int{2, 3, 1, 2}, []int{1, 2, 12, 6}) +
		entry("counter", "LongStorage", "3", 1, nil, nil) +
		endDict +
		keys("3", "7") +
		"\x01\x00\x00\x00\x00\x00\x00\x00" + "\x09\x00\x00\x00\x00\x00\x00\x00" +
		floats(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
}

func TestRead(t *testing.T) {
	w, err := efficientnet.Read(strings.NewReader(file()))
	if err != nil {
		t.Fatal(err)
	}
	if len(w) != 1 {
		t.Errorf("%d tensors, want the kernel alone", len(w))
	}
	kernel := w["kernel"]
	if want := []int{2, 3, 1, 2}; !slices.Equal(kernel.Shape(), want) {
		t.Fatalf("shape %v, want %v", kernel.Shape(), want)
	}
	// Stored as [1, 2, 3, 2] of height, width, input, output; read as [output, input, height, width].
	for out := range 2 {
		for in := range 3 {
			for x := range 2 {
				if got, want := kernel.At(out, in, 0, x), float32(x*6+in*2+out); got != want {
					t.Errorf("element %d, %d, 0, %d is %g, want %g", out, in, x, got, want)
				}
			}
		}
	}
}

func TestReadTruncated(t *testing.T) {
	whole := file()
	for size := range len(whole) {
		if _, err := efficientnet.Read(strings.NewReader(whole[:size])); !errors.Is(err, efficientnet.ErrTruncated) {
			t.Errorf("the first %d bytes of %d: error %v", size, len(whole), err)
		}
	}
}

// foreign are files that are not weights, or that somebody made to do harm.
func foreign() map[string]string {
	one := func(shape, strides []int) string {
		return header + machine + orderedDict + entry("t", "FloatStorage", "7", 4, shape, strides) + endDict + keys("7") + floats(1, 2, 3, 4)
	}
	dict := func(pickle string) string { return header + machine + pickle + keys() }
	return map[string]string{
		"text":                     "This is not a network.",
		"zip":                      "PK\x03\x04 and so on",
		"other version":            strings.Replace(file(), "M\xe9\x03", "M\xea\x03", 1),
		"big-endian":               strings.Replace(file(), "\x88u.", "\x89u.", 1),
		"bytes behind the end":     file() + "x",
		"half floats":              strings.Replace(file(), "FloatStorage", "HalfStorage", 1),
		"another class":            strings.Replace(file(), "ctorch\nFloatStorage", "cos\nsystem", 1),
		"no dictionary":            dict("\x80\x02N."),
		"a dictionary of None":     dict(orderedDict + pickled("a") + "N" + endDict),
		"a pair too few":           dict(orderedDict + pickled("a") + endDict),
		"an empty stack":           dict("\x80\x02."),
		"no MARK":                  dict("\x80\x02t."),
		"an unknown opcode":        dict("\x80\x02\xff."),
		"a length of 8 bytes":      dict("\x80\x04\x8e\x00\x00\x00\x00\x00\x10\x00\x00."),
		"a frame of 8 bytes":       dict("\x80\x04\x95\x00\x00\x00\x00\x00\x10\x00\x00."),
		"an endless pickle":        header + machine + "\x80\x02" + strings.Repeat("(", 1<<20),
		"a long string":            header + machine + "\x80\x02X\xff\xff\xff\xff" + strings.Repeat("a", 1<<20),
		"storages without tensors": header + machine + orderedDict + endDict + keys("7") + floats(1),
		"a storage twice": header + machine + orderedDict + entry("a", "FloatStorage", "7", 1, []int{1}, []int{1}) +
			entry("b", "FloatStorage", "8", 1, []int{1}, []int{1}) + endDict + keys("7", "7") + floats(1) + floats(1),
		"a storage of another size": header + machine + orderedDict + entry("t", "FloatStorage", "7", 4, []int{4}, []int{1}) +
			endDict + keys("7") + floats(1, 2, 3),
		"a storage of a negative size": header + machine + orderedDict + entry("t", "FloatStorage", "7", -1, []int{1}, []int{1}) +
			endDict + keys("7") + floats(1),
		"a storage of no size": header + machine + orderedDict + entry("t", "FloatStorage", "7", 0, nil, nil) + endDict + keys("7") + floats(),
		"too many elements":    one([]int{5}, []int{1}),
		"storages in no list":  header + machine + orderedDict + endDict + "\x80\x02N.",
		"another storage": header + machine + orderedDict + entry("t", "FloatStorage", "7", 1, []int{1}, []int{1}) + endDict +
			keys("8") + floats(1),
		"a reference to nothing":   dict("\x80\x02NQ."),
		"a tensor of nothing":      dict("\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R."),
		"a tensor of six nothing":  dict("\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NNNNNNtR."),
		"lengths that are text":    strings.Replace(file(), pickledInts(1, 2, 12, 6), "("+pickled("a")+"t", 1),
		"a long name":              dict("\x80\x02c" + strings.Repeat("a", 1<<18) + "\nb\n."),
		"a long argument":          dict("\x80\x02ccollections\nOrderedDict\n(" + pickled(strings.Repeat("a", 1<<18)) + "tR."),
		"steps over the end":       one([]int{2, 2}, []int{3, 1}),
		"steps before the start":   one([]int{2}, []int{-1}),
		"a negative length":        one([]int{-2, -2}, []int{1, 1}),
		"more steps than lengths":  one([]int{2}, []int{1, 1}),
		"one number for millions":  one([]int{1 << 30}, []int{0}),
		"a product that overflows": one([]int{1 << 30, 1 << 30, 1 << 30}, []int{0, 0, 0}),
	}
}

func TestReadForeign(t *testing.T) {
	for name, data := range foreign() {
		t.Run(name, func(t *testing.T) {
			w, err := efficientnet.Read(strings.NewReader(data))
			if !errors.Is(err, efficientnet.ErrForeign) {
				t.Errorf("weights %v, error %v", w, err)
			}
			if err != nil && len(err.Error()) > 400 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// endless is a file that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestReadStopsAtTheLimit(t *testing.T) {
	_, err := efficientnet.Read(io.MultiReader(strings.NewReader(header), endless{}))
	if !errors.Is(err, efficientnet.ErrForeign) || !strings.Contains(err.Error(), "larger than 128 MB") {
		t.Errorf("error %v", err)
	}
}

func TestReadHandsOnTheReadersError(t *testing.T) {
	failed := errors.New("the disk is gone")
	_, err := efficientnet.Read(io.MultiReader(strings.NewReader(header), iotest.ErrReader(failed)))
	if !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights.pth")
	if _, err := efficientnet.ReadFile(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: error %v", err)
	}
	if err := os.WriteFile(path, []byte("This is not a network."), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := efficientnet.ReadFile(path); !errors.Is(err, efficientnet.ErrForeign) || !strings.Contains(err.Error(), path) {
		t.Errorf("another file: error %v", err)
	}
	if err := os.WriteFile(path, []byte(file()), 0o600); err != nil {
		t.Fatal(err)
	}
	if w, err := efficientnet.ReadFile(path); err != nil || len(w) != 1 {
		t.Errorf("weights %v, error %v", w, err)
	}
}

// FuzzRead looks for a file that makes Read panic, take too much memory, or return a tensor that reaches out of its storage.
func FuzzRead(f *testing.F) {
	f.Add([]byte(file()))
	f.Add([]byte(file()[:len(file())/2]))
	for _, data := range foreign() {
		if len(data) < 1<<12 {
			f.Add([]byte(data))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := efficientnet.Read(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, efficientnet.ErrForeign) && !errors.Is(err, efficientnet.ErrTruncated) {
				t.Errorf("error %v", err)
			}
			return
		}
		for _, tensor := range w {
			last := make([]int, len(tensor.Shape()))
			tensor.At(last...)
			for axis, length := range tensor.Shape() {
				last[axis] = length - 1
			}
			tensor.At(last...)
		}
		if _, err := efficientnet.Build(efficientnettest.Tiny(), w); err == nil {
			t.Error("a network was built")
		}
	})
}
