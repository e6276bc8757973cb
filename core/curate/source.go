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

// A sourceRecord is a line of the list of sources.
type sourceRecord struct {
	Digest picture.Digest `json:"digest"`
	Size   int64          `json:"size"`
	File   string         `json:"file"` // Where the photo lay at first, for people.
	Added  time.Time      `json:"added"`
	Source Source         `json:"source"`
}

// appendSource adds a line to the list of sources, down to the disk.
func (l *Library) appendSource(r sourceRecord) (err error) {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(l.abs(hiddenDir+"/"+sourcesFile), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
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
func (l *Library) readSources() (map[int64]map[picture.Digest]sourceRecord, error) {
	f, err := os.Open(l.abs(hiddenDir + "/" + sourcesFile))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	defer f.Close() //nolint:errcheck // It was only read.
	known := map[int64]map[picture.Digest]sourceRecord{}
	lines := bufio.NewReader(f)
	bad := 0
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var r sourceRecord
			if json.Unmarshal(line, &r) != nil {
				bad++
			} else {
				if known[r.Size] == nil {
					known[r.Size] = map[picture.Digest]sourceRecord{}
				}
				known[r.Size][r.Digest] = r
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return known, err
		}
	}
	if bad > 0 {
		err = fmt.Errorf("%d lines are damaged", bad)
	}
	return known, err
}
