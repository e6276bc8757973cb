package curate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"kaika/core/picture"
)

// sourcesFile is the name of the list of sources in the hidden folder.
const sourcesFile = "sources.jsonl"

// SourcesPath is where the list of sources lies, slash-separated below the dataset's folder.
const SourcesPath = hiddenDir + "/" + sourcesFile

// A SourceRecord is a line of the list of sources.
type SourceRecord struct {
	Digest picture.Digest `json:"digest"`
	Size   int64          `json:"size"`
	File   string         `json:"file"` // Where the photo lay at first, for people.
	Added  time.Time      `json:"added"`
	Source Source         `json:"source"`
}

// appendSource adds a line to the list of sources, down to the disk.
func (l *Library) appendSource(r SourceRecord) (err error) {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(l.abs(SourcesPath), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	last := []byte{'\n'}
	if end > 0 {
		if _, err := f.ReadAt(last, end-1); err != nil {
			return err
		}
	}
	if last[0] != '\n' { // The last line was cut off by a full disk or the end of power.
		line = append([]byte{'\n'}, line...)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.Sync()
}

// readSources returns the list of sources by size and digest. Lines that cannot be read are left out.
func (l *Library) readSources() (map[int64]map[picture.Digest]SourceRecord, error) {
	f, err := os.Open(l.abs(SourcesPath))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	defer f.Close() //nolint:errcheck // It was only read.
	known := map[int64]map[picture.Digest]SourceRecord{}
	bad, err := ReadSources(f, func(r SourceRecord) {
		if known[r.Size] == nil {
			known[r.Size] = map[picture.Digest]SourceRecord{}
		}
		known[r.Size][r.Digest] = r
	})
	if err == nil && bad > 0 {
		err = fmt.Errorf("%d lines are damaged", bad)
	}
	return known, err
}

// ReadSources reads a list of sources and hands on each line of it; a later one about the same photo is the better one. It
// says how many lines could not be read. The error is that of reading.
func ReadSources(from io.Reader, take func(SourceRecord)) (bad int, err error) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var r SourceRecord
			if json.Unmarshal(line, &r) != nil {
				bad++
			} else {
				take(r)
			}
		}
		if errors.Is(err, io.EOF) {
			return bad, nil
		}
		if err != nil {
			return bad, err
		}
	}
}
