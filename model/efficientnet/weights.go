package efficientnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// The two ways in which a file can fail to be weights. Every error of [Read] that is not the reader's own wraps one of them.
var (
	ErrForeign   = errors.New("not a file of network weights that can be read here")
	ErrTruncated = errors.New("the file of network weights ends too early: it may not have been downloaded completely")
)

// maxFile bounds the size of a file in bytes. The largest variant has 13 million weights of 4 bytes.
const maxFile = 128 << 20

// Weights are the tensors of a trained network by their name in PyTorch, such as "_blocks.0._bn1.running_mean".
type Weights map[string]Tensor

// Tensor is an array of float32, stored in any order of its axes. The axes themselves are in PyTorch's order: a convolution's
// kernel is [output channels, input channels, height, width], that of a depthwise convolution [channels, 1, height, width].
type Tensor struct {
	shape   []int
	strides []int // what one step along each axis adds to the index into data
	data    []float32
}

// NewTensor returns the tensor of that shape over data, whose last axis runs fastest. It panics where their sizes differ.
func NewTensor(data []float32, shape ...int) Tensor {
	strides := make([]int, len(shape))
	size := 1
	for axis := len(shape) - 1; axis >= 0; axis-- {
		strides[axis] = size
		size *= shape[axis]
	}
	if size != len(data) {
		panic(fmt.Sprintf("efficientnet: %d values for a tensor of shape %v", len(data), shape))
	}
	return Tensor{shape: shape, strides: strides, data: data}
}

// Shape returns the length of each axis. The caller must not change it.
func (t Tensor) Shape() []int {
	return t.shape
}

// At returns the element at that index, which has one number for each axis. It panics where the index is out of range.
func (t Tensor) At(index ...int) float32 {
	offset := 0
	for axis, i := range index {
		offset += i * t.strides[axis]
	}
	return t.data[offset]
}

// values returns the elements with the axes in that order, the last running fastest.
func (t Tensor) values(axes ...int) []float32 {
	offsets := []int{0}
	for _, axis := range axes {
		next := make([]int, 0, len(offsets)*t.shape[axis])
		for _, offset := range offsets {
			for i := range t.shape[axis] {
				next = append(next, offset+i*t.strides[axis])
			}
		}
		offsets = next
	}
	values := make([]float32, len(offsets))
	for i, offset := range offsets {
		values[i] = t.data[offset]
	}
	return values
}

// ReadFile is [Read] of the file at path.
func ReadFile(path string) (Weights, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening network weights: %w", err)
	}
	defer f.Close() //nolint:errcheck // the file was only read.
	w, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("reading network weights from %s: %w", path, err)
	}
	return w, nil
}

// Read reads a PyTorch "state dict" as torch.save of before PyTorch 1.6 wrote it (.pth): five pickles (a magic number, the
// version of the format, facts of the machine, the dictionary of tensors, the keys of their storages), and then for each
// storage its count of elements in 8 bytes and the elements. Only float32 tensors are kept; counters of 64 bits are skipped.
//
// The file may come from anybody. Nothing in it is executed. It takes a few times its own size of memory; one that is made to
// do harm takes 200 MB more, and not above that. The error wraps [ErrTruncated] where the file ends too early, [ErrForeign]
// where it is something else, or else the error of r.
func Read(r io.Reader) (Weights, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%w: it is larger than %d MB", ErrForeign, maxFile>>20)
	}
	dict, data, err := readPickles(data)
	if err != nil {
		return nil, err
	}
	floats, err := dict.readStorages(data)
	if err != nil {
		return nil, err
	}
	weights := make(Weights)
	for name, view := range dict.tensors {
		if view.storage.elementSize != floatSize {
			continue
		}
		t, ok := view.over(floats[view.storage.key])
		if !ok {
			return nil, fmt.Errorf("%w: the shape of its tensor %.60q does not fit the storage", ErrForeign, name)
		}
		weights[name] = t
	}
	return weights, nil
}

// readStorages reads the part of the file behind the pickles, which is the storages. It returns those of float32 by their keys.
func (d *stateDict) readStorages(data []byte) (map[string][]float32, error) {
	const countSize = 8
	floats := make(map[string][]float32)
	for _, key := range d.keys {
		s := d.storages[key]
		if len(data) < countSize {
			return nil, ErrTruncated
		}
		count := binary.LittleEndian.Uint64(data)
		data = data[countSize:]
		if count != uint64(s.count) { //nolint:gosec // it is not negative.
			return nil, fmt.Errorf("%w: a storage of %d elements is announced as %d", ErrForeign, count, s.count)
		}
		if len(data)/s.elementSize < s.count {
			return nil, ErrTruncated
		}
		size := s.count * s.elementSize
		if s.elementSize == floatSize {
			floats[key] = decodeFloats(data[:size])
		}
		data = data[size:]
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("%w: %d bytes follow its end", ErrForeign, len(data))
	}
	return floats, nil
}

func decodeFloats(data []byte) []float32 {
	floats := make([]float32, len(data)/floatSize)
	for i := range floats {
		floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[i*floatSize:]))
	}
	return floats
}

// view is a tensor as the dictionary describes it, its storage still unread.
type view struct {
	storage *storage
	offset  int
	shape   []int
	strides []int
}

// over returns the tensor over its storage's elements, and whether it lies within them.
func (v *view) over(data []float32) (Tensor, bool) {
	if len(v.shape) != len(v.strides) || v.offset < 0 || v.offset >= len(data) {
		return Tensor{}, false
	}
	data = data[v.offset:]
	// A tensor has no more elements than its storage. So neither product below can overflow, and the strides of 0 with which a
	// small storage stands for a huge tensor are refused.
	elements, last := 1, 0
	for axis, length := range v.shape {
		stride := v.strides[axis]
		if length < 1 || length > len(data)/elements || stride < 0 || stride > len(data) {
			return Tensor{}, false
		}
		elements *= length
		last += (length - 1) * stride
	}
	return Tensor{shape: v.shape, strides: v.strides, data: data}, last < len(data)
}
