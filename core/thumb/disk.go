package thumb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/image/draw"
)

// disk keeps thumbnails as small JPEGs, each followed by the CRC-32 of its bytes, as <two digits>/<digest of its
// key>.jpg. The time of a file is when it was last used, to the day. Several processes may use one folder. What cannot be
// kept or read is made again: no fault of the disk is an error to anybody.
type disk struct {
	dir string
	max int64
	log *slog.Logger

	size  atomic.Int64  // About the bytes of all files, since tidy has counted them.
	full  chan struct{} // A wish that tidy makes room.
	stuck atomic.Bool   // Nothing more is written: the folder cannot be written to.
}

const (
	quality = 85             // Of the JPEGs: about 10 KB at 256 pixels.
	fresh   = 24 * time.Hour // The time of a file used again is renewed after that.
	ending  = ".jpg"
	partial = "part-" // What the names of files being written begin with.
)

func newDisk(dir string, limit int64, log *slog.Logger) *disk {
	return &disk{dir: dir, max: limit, log: log, full: make(chan struct{}, 1)}
}

// path is the file of a thumbnail of the side given.
func (d *disk) path(key Key, side int) string {
	h := sha256.New()
	k := key.id()
	for _, n := range []int64{int64(side), k.size, k.time} {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n))) //nolint:gosec // Only the bits count.
	}
	h.Write([]byte(k.path))
	name := hex.EncodeToString(h.Sum(nil)[:20])
	return filepath.Join(d.dir, name[:2], name+ending)
}

// get returns a thumbnail, or nil where there is none, or only a damaged one.
func (d *disk) get(key Key, side int) *image.RGBA {
	path := d.path(key, side)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	img, err := unpack(data, side)
	if err != nil {
		d.log.Debug("a thumbnail on disk is damaged and is made anew", "file", path, "error", err)
		return nil
	}
	if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > fresh {
		now := time.Now()
		if err := os.Chtimes(path, now, now); err != nil {
			d.log.Debug("a thumbnail's time of use could not be kept", "file", path, "error", err)
		}
	}
	return img
}

func unpack(data []byte, side int) (*image.RGBA, error) {
	at := len(data) - crc32.Size
	if at < 0 || binary.LittleEndian.Uint32(data[at:]) != crc32.ChecksumIEEE(data[:at]) {
		return nil, errors.New("its checksum is wrong")
	}
	img, err := jpeg.Decode(bytes.NewReader(data[:at]))
	if err != nil {
		return nil, fmt.Errorf("decoding it: %w", err)
	}
	b := img.Bounds()
	if max(b.Dx(), b.Dy()) > side {
		return nil, fmt.Errorf("it has %d x %d pixels", b.Dx(), b.Dy())
	}
	dst := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(dst, dst.Rect, img, b.Min, draw.Src)
	return dst, nil
}

// put keeps a thumbnail. The first time that it cannot, it says so and gives up until the next start.
func (d *disk) put(key Key, side int, img *image.RGBA) {
	if d.stuck.Load() {
		return
	}
	written, err := write(d.path(key, side), img)
	if err != nil {
		if !d.stuck.Swap(true) {
			d.log.Warn("thumbnails are not kept on disk: make room, or make the folder writable", "folder", d.dir, "error", err)
		}
		return
	}
	if d.size.Add(written) > d.max {
		d.wake()
	}
}

func (d *disk) wake() {
	select {
	case d.full <- struct{}{}:
	default:
	}
}

// write writes img to a file of its own and gives that its name at the end, so that others see all of it or nothing.
func write(path string, img *image.RGBA) (n int64, err error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		return 0, fmt.Errorf("encoding a thumbnail: %w", err)
	}
	data := binary.LittleEndian.AppendUint32(b.Bytes(), crc32.ChecksumIEEE(b.Bytes()))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return 0, fmt.Errorf("making a folder for thumbnails: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), partial+"*")
	if err != nil {
		return 0, fmt.Errorf("keeping a thumbnail: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("keeping a thumbnail: %w", err), os.Remove(f.Name()))
	}
	return int64(len(data)), nil
}

// tidy counts what lies in the folder, and makes room at once and whenever the bound is passed, until ctx is done.
func (d *disk) tidy(ctx context.Context) {
	d.wake()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.full:
			d.prune(ctx)
		}
	}
}

// A file is one of the cache's.
type file struct {
	path string
	size int64
	used time.Time
}

// prune removes the thumbnails used longest ago until a tenth of the room is free, and what a killed process left half
// written. It touches no file that does not look like the cache's own.
func (d *disk) prune(ctx context.Context) {
	files, size := d.files(ctx)
	if size > d.max {
		slices.SortFunc(files, func(a, b file) int { return a.used.Compare(b.used) })
		for _, f := range files {
			if size <= d.max/10*9 || ctx.Err() != nil {
				break
			}
			if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				d.log.Warn("an old thumbnail could not be removed", "file", f.path, "error", err)
				continue
			}
			size -= f.size
		}
	}
	d.size.Store(size)
}

// files lists the cache's files and their size together.
func (d *disk) files(ctx context.Context) (files []file, size int64) {
	shards, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, 0 // There is no folder yet, or put will say what is wrong with it.
	}
	for _, shard := range shards {
		if ctx.Err() != nil {
			return nil, 0
		}
		if _, err := hex.DecodeString(shard.Name()); err != nil || len(shard.Name()) != 2 || !shard.IsDir() {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(d.dir, shard.Name()))
		if err != nil {
			continue
		}
		for _, entry := range entries {
			info, err := entry.Info()
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			path := filepath.Join(d.dir, shard.Name(), entry.Name())
			switch {
			case strings.HasPrefix(entry.Name(), partial):
				if time.Since(info.ModTime()) > fresh { // Nobody writes that long.
					if err := os.Remove(path); err != nil {
						d.log.Debug("a half written thumbnail could not be removed", "file", path, "error", err)
					}
				}
			case filepath.Ext(entry.Name()) == ending:
				files = append(files, file{path, info.Size(), info.ModTime()})
				size += info.Size()
			}
		}
	}
	return files, size
}
