package eventfile

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/core/util/event_go_proto"
	"google.golang.org/protobuf/proto"
)

var start = time.Unix(1_700_000_000, 250_000_000)

// read returns the events of a file, whose frames and checksums must be right.
func read(t *testing.T, path string) []*event_go_proto.Event {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var events []*event_go_proto.Event
	for len(data) > 0 {
		if len(data) < 16 {
			t.Fatalf("%d bytes are left over", len(data))
		}
		n := binary.LittleEndian.Uint64(data)
		if got := binary.LittleEndian.Uint32(data[8:]); got != checksum(data[:8]) {
			t.Fatalf("checksum of the length is %#x", got)
		}
		body := data[12 : 12+n]
		if got := binary.LittleEndian.Uint32(data[12+n:]); got != checksum(body) {
			t.Fatalf("checksum of the data is %#x", got)
		}
		e := new(event_go_proto.Event)
		if err := proto.Unmarshal(body, e); err != nil {
			t.Fatal(err)
		}
		if len(e.ProtoReflect().GetUnknown()) > 0 {
			t.Fatalf("unknown fields in %v", e)
		}
		events = append(events, e)
		data = data[16+n:]
	}
	return events
}

func create(t *testing.T, dir, host string) *Writer {
	t.Helper()
	w, err := Create(dir, start, host)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestScalars(t *testing.T) {
	w := create(t, filepath.Join(t.TempDir(), "logs", "train"), "garden")
	rows := []struct {
		step   int64
		values []Scalar
	}{
		{0, []Scalar{{"accuracy", 0.5}, {"cross entropy", 1.25}}},
		{10, []Scalar{{"正解率", 0.75}}},
		{20, nil},
		{-1, []Scalar{{"", math.Inf(1)}, {"b", math.Copysign(0, -1)}, {"a", math.NaN()}}},
		{math.MaxInt64, []Scalar{{"bad \xff tag", 1e300}}},
	}
	for i, row := range rows {
		if err := w.Scalars(row.step, start.Add(time.Duration(i)*time.Second), row.values...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	events := read(t, w.Path())
	if len(events) != 1+len(rows) || events[0].GetFileVersion() != "brain.Event:2" || events[0].GetWallTime() != 1_700_000_000.25 {
		t.Fatalf("%d events, the first is %v", len(events), events[0])
	}
	for i, row := range rows {
		e := events[1+i]
		if e.GetStep() != row.step || e.GetWallTime() != 1_700_000_000.25+float64(i) {
			t.Errorf("event %d: step %d at %v", i, e.GetStep(), e.GetWallTime())
		}
		values := e.GetSummary().GetValue()
		if len(values) != len(row.values) {
			t.Fatalf("event %d: %v, want %v", i, values, row.values)
		}
		for j, want := range row.values {
			tag, value := values[j].GetTag(), values[j].GetSimpleValue()
			same := math.Float32bits(value) == math.Float32bits(float32(want.Value)) ||
				math.IsNaN(float64(value)) && math.IsNaN(want.Value)
			if tag != strings.ToValidUTF8(want.Tag, "\uFFFD") || !same {
				t.Errorf("event %d: %q %v, want %v", i, tag, value, want)
			}
		}
	}
}

// TestBytes compares with the bytes that TensorFlow's own writer makes of the
// same events.
func TestBytes(t *testing.T) {
	w := create(t, t.TempDir(), "garden")
	if err := w.Scalars(7, start, Scalar{"accuracy", 0.5}, Scalar{"loss", 2}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(w.Path())
	if err != nil {
		t.Fatal(err)
	}
	const want = "1800000000000000" + "a37f4b22" +
		"0900001040fc54d941" + "1a0d627261696e2e4576656e743a32" + "338d2fe9" +
		"2b00000000000000" + "861bc34b" +
		"0900001040fc54d941" + "1007" + "2a1e0a0f0a086163637572616379150000003f0a0b0a046c6f73731500000040" + "7fbdf5a5"
	if hex.EncodeToString(got) != want {
		t.Errorf("wrote\n%x, want\n%s", got, want)
	}
}

func TestChecksum(t *testing.T) {
	// CRC-32C of "123456789" is 0xe3069283 (RFC 3720, B.4), masked by hand.
	if got := checksum([]byte("123456789")); got != 0xc78ab0e5 {
		t.Errorf("checksum = %#x", got)
	}
}

func TestCreateNames(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ host, want string }{
		{"garden", "events.out.tfevents.1700000000.garden"},
		{"garden", "events.out.tfevents.1700000000.garden.1"},
		{"garden", "events.out.tfevents.1700000000.garden.2"},
		{"a/b\\c:\n", "events.out.tfevents.1700000000.a-b-c--"},
		{"../../x", "events.out.tfevents.1700000000...-..-x"},
		{"", "events.out.tfevents.1700000000."},
	} {
		w := create(t, dir, tt.host)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join(dir, tt.want); w.Path() != want {
			t.Errorf("host %q: %s, want %s", tt.host, w.Path(), want)
		}
		if events := read(t, w.Path()); len(events) != 1 {
			t.Errorf("host %q: events %v", tt.host, events)
		}
	}
}

func TestFlush(t *testing.T) {
	w := create(t, t.TempDir(), "garden")
	defer w.Close() //nolint:errcheck // only what is read before counts
	if n := len(read(t, w.Path())); n != 1 {
		t.Errorf("%d events in a new file, want the first", n)
	}
	if err := w.Scalars(1, start, Scalar{"a", 1}); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := len(read(t, w.Path())); n != 2 {
		t.Errorf("%d events after Flush, want 2", n)
	}
}

func TestErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(file, start, "garden"); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Create in a file: %v", err)
	}
	if _, err := Create(t.TempDir(), start, strings.Repeat("x", 5000)); err == nil {
		t.Error("Create with too long a name: no error")
	}

	w := create(t, t.TempDir(), "garden")
	if err := w.file.Close(); err != nil { // as if the disk were gone
		t.Fatal(err)
	}
	if err := w.Scalars(1, start, Scalar{"a", 1}); err != nil {
		t.Errorf("a record that fits into memory: %v", err)
	}
	for range 2 {
		if err := w.Flush(); !errors.Is(err, fs.ErrClosed) || !strings.Contains(err.Error(), w.Path()) {
			t.Errorf("Flush = %v, want the reason with the path", err)
		}
	}
	if err := w.Scalars(2, start, Scalar{"a", 1}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Scalars after that = %v", err)
	}
	if err := w.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Close after that = %v", err)
	}
}

// TestFullDisk writes where there is never any room.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no full device here: %v", err)
	}
	w := create(t, t.TempDir(), "garden")
	if err := w.file.Close(); err != nil {
		t.Fatal(err)
	}
	w.file = full
	w.out.Reset(full)
	if err := w.Scalars(1, start, Scalar{"a", 1}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Close = %v, want no space left", err)
	}
}
