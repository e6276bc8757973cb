package collect_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kaika/core/collect"
	"kaika/core/curate"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

// remote is a source whose photos have to be downloaded, and that counts how often each was.
type remote struct {
	photos map[string][]byte // By ID; nil for one that is gone.
	order  []string
	opened map[string]int
}

func (*remote) Name() string { return "far away" }

func (s *remote) Search(_ context.Context, r collect.Request) iter.Seq2[collect.Item, error] {
	return func(yield func(collect.Item, error) bool) {
		for _, id := range s.order {
			item := collect.Item{Keyword: r.Keyword, Name: id + ".jpg", Source: curate.Source{Kind: "remote", ID: id}, Open: func(context.Context) (io.ReadCloser, error) {
				s.opened[id]++
				if s.photos[id] == nil {
					return nil, &collect.Refusal{Reason: collect.Gone, Name: id, Detail: "is not there any more"}
				}
				return io.NopCloser(bytes.NewReader(s.photos[id])), nil
			}}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// TestRefusedForGood downloads once what is refused for good, as long as the reason holds.
func TestRefusedForGood(t *testing.T) {
	whole := large(5, 5)
	source := &remote{photos: map[string][]byte{
		"1": large(1, 1), "same": large(1, 1), "like": smaller(1, 1), "small": picturetest.JPEG(3, 3, 80, 60), "gone": nil,
		"damaged": slices.Delete(slices.Clone(whole), len(whole)/2, len(whole)/2+300), "cut": whole[:len(whole)/2], "last": large(7, 7),
	}, order: []string{"1", "same", "like", "small", "gone", "damaged", "cut", "last"}}
	lib := newLibrary(t)
	collected := func(minSide int, near bool) (string, collect.Result) {
		t.Helper()
		source.opened = map[string]int{}
		refusals, err := collect.OpenRefusals(lib.Dir())
		if err != nil {
			t.Fatal(err)
		}
		c := collect.Collector{Library: lib, Source: source, MinSide: minSide, Refusals: refusals, Forgotten: func(err error) { t.Error(err) }}
		if !near {
			c.Comparer = lib
		}
		report, err := c.Run(t.Context(), []collect.Request{{Keyword: "rose", Label: "rose"}})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(source.opened), report.Results[0]
	}
	opened, first := collected(70, false)
	if len(source.opened) != 8 || first.Landed != 2 || first.Refused != 6 {
		t.Fatalf("at first %s, %+v", opened, first)
	}
	for range 2 {
		opened, r := collected(70, false)
		if opened != "map[cut:1]" || r.There != 2 || fmt.Sprint(r.Reasons) != fmt.Sprint(first.Reasons) {
			t.Errorf("again %s, %+v, at first %+v", opened, r, first)
		}
	}
	if opened, _ := collected(71, false); opened != "map[cut:1]" {
		t.Errorf("with a larger side %s", opened)
	}
	if opened, r := collected(70, true); opened != "map[cut:1 like:1]" || r.Landed != 1 {
		t.Errorf("with near-duplicates %s, %+v", opened, r)
	}
	if opened, r := collected(60, true); opened != "map[cut:1 small:1]" || r.Landed != 1 {
		t.Errorf("with a smaller side %s, %+v", opened, r)
	}
	// What it is the same as is not there any more.
	for _, p := range lib.Photos(curate.Query{}) {
		if p.Source.ID == "1" {
			if err := os.Remove(p.Path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(lib.Dir(), filepath.FromSlash(collect.RefusedPath))
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("rubbish\n{\"kind\":\"remote\",\"id\":\"torn\",\"rea"); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if lib, err = curate.Open(t.Context(), lib.Dir(), curate.Options{}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lib.Close(); err != nil {
			t.Error(err)
		}
	}()
	source.order = []string{"same", "damaged"}
	source.photos["new"] = picturetest.JPEG(9, 9, 80, 60)
	if opened, r := collected(61, true); opened != "map[same:1]" || r.Landed != 1 || r.Reasons[picture.Damaged] != 1 {
		t.Errorf("without the other one %s, %+v", opened, r)
	}
	source.order = []string{"new"}
	for _, want := range []string{"map[new:1]", "map[]"} { // Kept behind a line that was cut off.
		if opened, _ := collected(61, true); opened != want {
			t.Errorf("behind a torn line %s", opened)
		}
	}
}
