package efficientnet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/types"
)

// fileHeader is the first two pickles of every file of the format: PyTorch's magic number and the version, 1001.
const fileHeader = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + "\x80\x02M\xe9\x03."

// maxPickle bounds a pickle in bytes. The dictionary of Lite2 takes 56 kB. A hostile pickle can make the
// unpickler take a few hundred bytes for each of its own.
const maxPickle = 512 << 10

// The sizes in bytes of the elements that a storage can have.
const (
	floatSize = 4 // torch.FloatStorage
	longSize  = 8 // torch.LongStorage
)

// storage is the flat array under one or more tensors.
type storage struct {
	key         string
	elementSize int
	count       int
}

// stateDict is what the pickles of a file say of its tensors.
type stateDict struct {
	tensors  map[string]*view
	storages map[string]*storage
	keys     []string // of the storages, in the order in which they follow the pickles
}

// readPickles reads the pickles at the beginning of data and returns what follows them.
func readPickles(data []byte) (dict *stateDict, rest []byte, err error) {
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return nil, nil, fmt.Errorf("%w: it is a zip archive; only PyTorch's format of before version 1.6 is known", ErrForeign)
	case len(data) < len(fileHeader) && strings.HasPrefix(fileHeader, string(data)):
		return nil, nil, ErrTruncated
	case !bytes.HasPrefix(data, []byte(fileHeader)):
		return nil, nil, fmt.Errorf("%w: it does not begin as PyTorch's files do", ErrForeign)
	}
	data = data[len(fileHeader):]

	dict = &stateDict{tensors: make(map[string]*view), storages: make(map[string]*storage)}
	for _, keep := range []func(object any) error{checkMachine, dict.keepTensors, dict.keepKeys} {
		var object any
		if object, data, err = dict.unpickle(data); err != nil {
			return nil, nil, err
		}
		if err := keep(object); err != nil {
			return nil, nil, err
		}
	}
	return dict, data, nil
}

// checkMachine takes the facts of the machine that wrote the file.
func checkMachine(object any) error {
	if facts, ok := object.(*types.Dict); ok {
		if little, ok := facts.Get("little_endian"); ok && little == true {
			return nil
		}
	}
	return fmt.Errorf("%w: it was not written on a little-endian machine", ErrForeign)
}

// keepTensors takes the dictionary of tensors.
func (d *stateDict) keepTensors(object any) error {
	dict, ok := object.(*types.OrderedDict)
	if !ok {
		return fmt.Errorf("%w: it holds no dictionary of tensors", ErrForeign)
	}
	for key, entry := range dict.Map {
		name, isString := key.(string)
		v, isView := entry.Value.(*view)
		if !isString || !isView {
			return fmt.Errorf("%w: its dictionary holds more than tensors", ErrForeign)
		}
		d.tensors[name] = v
	}
	return nil
}

// keepKeys takes the list of the storages' keys, which has each storage of the dictionary once.
func (d *stateDict) keepKeys(object any) error {
	list, ok := object.(*types.List)
	if !ok || list.Len() != len(d.storages) {
		return fmt.Errorf("%w: its list of storages does not fit its tensors", ErrForeign)
	}
	seen := make(map[string]bool)
	for _, item := range *list {
		key, ok := item.(string)
		if !ok || d.storages[key] == nil || seen[key] {
			return fmt.Errorf("%w: its list of storages does not fit its tensors", ErrForeign)
		}
		seen[key] = true
		d.keys = append(d.keys, key)
	}
	return nil
}

// unpickle reads one pickle and returns its object and what follows it. The unpickler allocates whatever length a pickle
// states, before it looks whether there are so many bytes, and panics on some that no pickler writes; so a pickle is walked
// through first, and a panic becomes an error here.
func (d *stateDict) unpickle(data []byte) (object any, rest []byte, err error) {
	end, err := pickleEnd(data)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			object, rest, err = nil, nil, fmt.Errorf("%w: its pickle makes no sense: %v", ErrForeign, p)
		}
	}()
	u := pickle.NewUnpickler(bytes.NewReader(data[:end]))
	u.FindClass = findClass
	u.PersistentLoad = d.addStorage
	object, err = u.Load()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %.200s", ErrForeign, err.Error()) // as some quote much of the pickle
	}
	return object, data[end:], nil
}

// pickleEnd returns the index behind the pickle with which data begins. It knows the opcodes that Python's pickle protocol 2
// needs for a dictionary of tensors (see Python's Lib/pickletools.py) and refuses all others.
func pickleEnd(data []byte) (int, error) {
	short := ErrTruncated
	if len(data) > maxPickle {
		data = data[:maxPickle]
		short = fmt.Errorf("%w: its pickle is longer than %d kB", ErrForeign, maxPickle>>10)
	}
	for i := 0; i < len(data); {
		opcode, argument := data[i], data[i+1:]
		size := 0
		switch opcode {
		case '.': // STOP
			return i + 1, nil
		case '(', ')', '}', ']', // MARK, EMPTY_TUPLE, EMPTY_DICT, EMPTY_LIST
			't', '\x85', '\x86', '\x87', // TUPLE, TUPLE1, TUPLE2, TUPLE3
			'a', 'e', 's', 'u', // APPEND, APPENDS, SETITEM, SETITEMS
			'N', '\x88', '\x89', // NONE, NEWTRUE, NEWFALSE
			'R', 'b', 'Q': // REDUCE, BUILD, BINPERSID
		case 'K', 'q', 'h', '\x80': // BININT1, BINPUT, BINGET, PROTO
			size = 1
		case 'M': // BININT2
			size = 2
		case 'J', 'r', 'j': // BININT, LONG_BINPUT, LONG_BINGET
			size = 4
		case 'X': // BINUNICODE: a length of 4 bytes, and so many bytes
			if len(argument) < 4 {
				return 0, short
			}
			size = 4 + int(binary.LittleEndian.Uint32(argument))
		case 'c': // GLOBAL: two lines
			module := bytes.IndexByte(argument, '\n')
			name := bytes.IndexByte(argument[module+1:], '\n')
			if module < 0 || name < 0 {
				return 0, short
			}
			size = module + 1 + name + 1
		default:
			return 0, fmt.Errorf("%w: its pickle has the opcode 0x%02x", ErrForeign, opcode)
		}
		if size > len(argument) {
			return 0, short
		}
		i += 1 + size
	}
	return 0, short
}

// elementSize stands for a class of storages while a pickle is read.
type elementSize int

// findClass knows the classes that a dictionary of float32 tensors names; the unpickler itself knows OrderedDict.
func findClass(module, name string) (any, error) {
	switch module + "." + name {
	case "torch._utils._rebuild_tensor_v2":
		return rebuildTensor{}, nil
	case "torch.FloatStorage":
		return elementSize(floatSize), nil
	case "torch.LongStorage":
		return elementSize(longSize), nil
	}
	return nil, fmt.Errorf("its pickle names the class %q of %q", name, module)
}

// addStorage answers a pickle's reference to a storage: ("storage", class, key, device, count, nil).
func (d *stateDict) addStorage(id any) (any, error) {
	const references = 6
	tuple, ok := id.(*types.Tuple)
	if !ok || tuple.Len() != references || tuple.Get(0) != "storage" || tuple.Get(5) != nil {
		return nil, errors.New("its pickle refers to something else than a storage")
	}
	size, sizeOK := tuple.Get(1).(elementSize)
	key, keyOK := tuple.Get(2).(string)
	count, countOK := tuple.Get(4).(int)
	if !sizeOK || !keyOK || !countOK || count < 0 || count > maxFile {
		return nil, errors.New("its pickle describes an impossible storage")
	}
	if s, ok := d.storages[key]; ok {
		return s, nil
	}
	s := &storage{key: key, elementSize: int(size), count: count}
	d.storages[key] = s
	return s, nil
}

// rebuildTensor stands for the function of that name in PyTorch.
type rebuildTensor struct{}

var _ types.Callable = rebuildTensor{}

// Call takes (storage, offset, shape, strides, requires_grad, hooks) and returns a *view.
func (rebuildTensor) Call(args ...any) (any, error) {
	const arguments = 6
	if len(args) != arguments {
		return nil, fmt.Errorf("its pickle describes a tensor by %d facts in place of %d", len(args), arguments)
	}
	s, storageOK := args[0].(*storage)
	offset, offsetOK := args[1].(int)
	shape, shapeOK := ints(args[2])
	strides, stridesOK := ints(args[3])
	if !storageOK || !offsetOK || !shapeOK || !stridesOK {
		return nil, errors.New("its pickle describes an impossible tensor")
	}
	return &view{storage: s, offset: offset, shape: shape, strides: strides}, nil
}

func ints(object any) ([]int, bool) {
	tuple, ok := object.(*types.Tuple)
	if !ok {
		return nil, false
	}
	list := make([]int, tuple.Len())
	for i := range list {
		if list[i], ok = tuple.Get(i).(int); !ok {
			return nil, false
		}
	}
	return list, true
}
