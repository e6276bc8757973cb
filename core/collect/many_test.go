package collect_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"iter"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"kaika/core/collect"
	"kaika/core/curate"
	"kaika/core/picture/picturetest"
)

// flood is a source of many small pictures with something large behind each, as some programs put there. Now and then one
// comes twice, and one is none.
type flood struct {
	photos int
	drawn  [][]byte
}

func (flood) Name() string { return "a flood" }

func (s flood) Search(_ context.Context, r collect.Request) iter.Seq2[collect.Item, error] {
	return func(yield func(collect.Item, error) bool) {
		give := func(id string, data func() []byte) bool {
			return yield(collect.Item{
				Keyword: r.Keyword, Name: id + ".jpg", Source: curate.Source{Kind: "flood", ID: id},
				Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data())), nil },
			}, nil)
		}
		for n := range s.photos {
			const behind = 16 << 10
			photo := func() []byte {
				jpeg := s.drawn[n%len(s.drawn)]
				data := make([]byte, len(jpeg)+behind)
				copy(data, jpeg)
				binary.BigEndian.PutUint32(data[len(jpeg):], uint32(n))
				copy(data[len(data)-2:], "\xff\xd9")
				return data
			}
			if !give(strconv.Itoa(n), photo) {
				return
			}
			if n%100 == 7 && (!give(strconv.Itoa(n), photo) || !give("copy of "+strconv.Itoa(n), photo) || !give("bad "+strconv.Itoa(n), func() []byte { return []byte("no picture") })) {
				return
			}
		}
	}
}

// TestTenThousand collects 10,000 photos: none is lost, none comes twice, and they are not kept in memory.
func TestTenThousand(t *testing.T) {
	const photos = 10_000
	source := flood{photos: photos}
	for n := range 16 {
		source.drawn = append(source.drawn, picturetest.JPEG(n%5, n, 24, 18))
	}
	lib := &library{}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most, seen := heap(), uint64(0), 0
	c := collect.Collector{Library: lib, Source: source, Observe: func(collect.Event) {
		if seen++; seen%2500 == 0 {
			most = max(most, heap())
		}
	}}
	report, err := c.Run(t.Context(), []collect.Request{{Keyword: "rose", Label: "rose"}})
	if r := report.Results[0]; err != nil || r.Landed != photos || r.There != 0 || r.Reasons[collect.Duplicate] != photos/100 || r.Refused != photos/50 {
		t.Fatalf("got %+v, %v", r, err)
	}
	ids := map[string]bool{}
	for _, p := range lib.photos {
		if id := p.Source.ID; ids[id] || strings.Contains(id, " ") {
			t.Errorf("%s is there twice, or is none of them", id)
		}
		ids[p.Source.ID] = true
	}
	if len(ids) != photos {
		t.Errorf("%d photos are there", len(ids))
	}
	if grown := (int64(most) - int64(before)) >> 20; grown > 64 {
		t.Errorf("memory has grown by %d MiB; the photos have %d", grown, photos*16>>10)
	} else {
		t.Logf("memory has grown by %d MiB", grown)
	}
}
