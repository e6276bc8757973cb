// Package eventfile writes the event files that TensorBoard draws curves from,
// without TensorFlow.
//
// An event file is a TFRecord file whose records are Event messages in the
// encoding of protocol buffers. The formats are defined by TensorFlow, in
// tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto and
// tensorflow/core/framework/summary.proto.
package eventfile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// version is what the first record of a file must say for its reader.
const version = "brain.Event:2"

// Field numbers of the messages Event, Summary and Summary.Value.
const (
	eventWallTime    protowire.Number = 1 // double
	eventStep        protowire.Number = 2 // int64
	eventFileVersion protowire.Number = 3 // string
	eventSummary     protowire.Number = 5 // Summary

	summaryValue protowire.Number = 1 // repeated Value

	valueTag         protowire.Number = 1 // string
	valueSimpleValue protowire.Number = 2 // float
)

// Scalar is one point of one curve.
type Scalar struct {
	Tag   string // the curve's name; a slash makes groups: "accuracy/train"
	Value float64
}

// Writer writes one event file. It is not safe for use by several goroutines.
type Writer struct {
	file *os.File
	out  *bufio.Writer
}

// Create makes an event file in the folder dir, which it makes too if there is
// none, and writes the record that opens it, of the time at. The file is named
// events.out.tfevents.SECONDS.HOST, as TensorBoard expects it, with a number
// behind that if the name is taken. Each folder is one run in TensorBoard.
//
// The file grows in place, rather than being written elsewhere and renamed, so
// that TensorBoard can show the run while it lasts; a record cut off at the end
// is skipped by its readers. The caller must call Close.
func Create(dir string, at time.Time, host string) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the folder for event files: %w", err)
	}
	path := filepath.Join(dir, fmt.Sprintf("events.out.tfevents.%010d.%s", at.Unix(), strings.Map(fileRune, host)))
	file, err := createNew(path)
	if err != nil {
		return nil, fmt.Errorf("create the event file: %w", err)
	}
	w := &Writer{file: file, out: bufio.NewWriter(file)}
	event := protowire.AppendTag(appendTime(nil, at), eventFileVersion, protowire.BytesType)
	event = protowire.AppendString(event, version)
	err = w.record(event)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	return w, nil
}

// createNew creates the file at path, or at path and a number. It never opens
// a file that is there.
func createNew(path string) (*os.File, error) {
	name := path
	for n := 1; ; n++ {
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
		name = path + "." + strconv.Itoa(n)
	}
}

// fileRune replaces what cannot be part of a file's name.
func fileRune(r rune) rune {
	if r == '/' || r == '\\' || r == ':' || r < ' ' {
		return '-'
	}
	return r
}

// Path returns the path of the file.
func (w *Writer) Path() string { return w.file.Name() }

// Scalars writes the values of the training step, in their order, as of the
// time at. TensorBoard keeps them as 32-bit floats. They may stay in memory until
// Flush or Close. Once writing has failed, every later call fails too.
func (w *Writer) Scalars(step int64, at time.Time, values ...Scalar) error {
	var summary []byte
	for _, v := range values {
		// A string that is not UTF-8 would make the rest of the file unreadable.
		tag := strings.ToValidUTF8(v.Tag, "\uFFFD")
		value := protowire.AppendTag(nil, valueTag, protowire.BytesType)
		value = protowire.AppendString(value, tag)
		value = protowire.AppendTag(value, valueSimpleValue, protowire.Fixed32Type)
		value = protowire.AppendFixed32(value, math.Float32bits(float32(v.Value)))
		summary = protowire.AppendTag(summary, summaryValue, protowire.BytesType)
		summary = protowire.AppendBytes(summary, value)
	}
	event := protowire.AppendTag(appendTime(nil, at), eventStep, protowire.VarintType)
	event = protowire.AppendVarint(event, uint64(step)) //nolint:gosec // the encoding of a negative int64
	event = protowire.AppendTag(event, eventSummary, protowire.BytesType)
	event = protowire.AppendBytes(event, summary)
	return w.record(event)
}

// Flush hands what was written to the operating system, where TensorBoard sees
// it.
func (w *Writer) Flush() error {
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("write the event file: %w", err) // err names the file
	}
	return nil
}

// Close flushes and closes the file. It must be called once.
func (w *Writer) Close() error {
	return errors.Join(w.Flush(), w.file.Close())
}

// appendTime appends the time of an event, in seconds since 1970.
func appendTime(event []byte, at time.Time) []byte {
	seconds := float64(at.Unix()) + float64(at.Nanosecond())/1e9
	event = protowire.AppendTag(event, eventWallTime, protowire.Fixed64Type)
	return protowire.AppendFixed64(event, math.Float64bits(seconds))
}

// record writes data as one TFRecord: its length, the checksum of the length,
// the data and its checksum, all little-endian.
func (w *Writer) record(data []byte) error {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, checksum(b))
	b = append(b, data...)
	b = binary.LittleEndian.AppendUint32(b, checksum(data))
	if _, err := w.out.Write(b); err != nil {
		return fmt.Errorf("write the event file: %w", err) // err names the file
	}
	return nil
}

// checksum is the CRC-32C of data, masked: turned right by 15 bits and moved on
// by a constant, as checksums of data that hold checksums are weak otherwise.
func checksum(data []byte) uint32 {
	const delta = 0xa282ead8
	crc := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return (crc>>15 | crc<<17) + delta
}
