package collect_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/draw"

	"kaika/core/collect"
	"kaika/core/curate"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

// smaller gives a copy of a drawn flower in half its size.
func smaller(class, seed int) []byte {
	small := image.NewRGBA(image.Rect(0, 0, 120, 90))
	flower := picturetest.Flower(class, seed, 240, 180)
	draw.BiLinear.Scale(small, small.Rect, flower, flower.Rect, draw.Src, nil)
	return picturetest.EncodeJPEG(small)
}

func large(class, seed int) []byte { return picturetest.JPEG(class, seed, 240, 180) }

func TestNearDuplicatesAreRefused(t *testing.T) {
	lib := newLibrary(t)
	old := tree(t, map[string][]byte{"tulip/old.jpg": large(1, 1), "tulip/deleted.jpg": large(2, 2)})
	if _, _, err := run(t, collect.Collector{Library: lib, Source: collect.NewFolder(old)}); err != nil {
		t.Fatal(err)
	}
	for _, p := range lib.Photos(curate.Query{}) {
		if p.Name == "deleted.jpg" {
			if err := lib.Delete(t.Context(), []curate.ID{p.ID}); err != nil {
				t.Fatal(err)
			}
		}
	}
	source := collect.NewFolder(tree(t, map[string][]byte{
		"rose/1.jpg":      smaller(1, 1), // As one of another label.
		"rose/2.jpg":      smaller(2, 2), // As one in the trash.
		"rose/3.jpg":      large(3, 3),
		"rose/4.jpg":      smaller(3, 3), // As one of this run.
		"rose/5.png":      picturetest.PNG(4, 4, 240, 180),
		"rose/6.jpg":      large(5, 5),
		"rose/not me.jpg": large(7, 7),
	}))
	var refused []string
	var compared [][2]int
	c := collect.Collector{
		Library: lib, Source: source, Comparer: lib, Compared: func(done, total int) { compared = append(compared, [2]int{done, total}) },
		Observe: func(e collect.Event) {
			if e.Refusal != nil {
				refused = append(refused, string(e.Refusal.Reason)+": "+e.Refusal.Error())
			}
		},
	}
	requests := []collect.Request{{Keyword: "rose", Label: "rose", Count: 3}}
	report, err := c.Run(t.Context(), requests)
	if err != nil {
		t.Fatal(err)
	}
	if r := report.Results[0]; r.Landed != 3 || r.Refused != 3 || r.Reasons[collect.NearDuplicate] != 3 || r.Exhausted {
		t.Errorf("got %+v", r)
	}
	for i, words := range [][]string{
		{"near_duplicate", "1.jpg looks like old.jpg of tulip"},
		{"near_duplicate", "2.jpg looks like deleted.jpg of tulip", "trash"},
		{"near_duplicate", "4.jpg looks like 3.jpg of rose"},
	} {
		for _, w := range words {
			if i >= len(refused) || !strings.Contains(refused[i], w) {
				t.Errorf("the refusals are %q: %q is missing in number %d", refused, w, i)
			}
		}
	}
	if want := [][2]int{{0, 2}, {1, 2}, {2, 2}}; !slices.Equal(compared, want) {
		t.Errorf("it told that it looked at %v", compared)
	}

	// Again: what is there is known, and nothing is looked at.
	compared = nil
	if report, err = c.Run(t.Context(), requests); err != nil || report.Results[0].There != 3 || report.Results[0].Landed != 0 || compared != nil {
		t.Errorf("again: %+v, %v, looked at %v", report.Results[0], err, compared)
	}
	// Whoever wants them gets them.
	c.Comparer = nil
	requests[0].Count = 0
	if report, err = c.Run(t.Context(), requests); err != nil || report.Results[0].Landed != 4 || report.Results[0].Refused != 0 {
		t.Errorf("with near duplicates: %+v, %v", report.Results[0], err)
	}
}

// TestDamagedInTheMiddle takes bytes out of a JPEG whose end is there.
func TestDamagedInTheMiddle(t *testing.T) {
	whole := large(1, 1)
	source := collect.NewFolder(tree(t, map[string][]byte{
		"rose/cut.jpg":   large(4, 4)[:len(large(4, 4))/2],
		"rose/hole.jpg":  slices.Delete(slices.Clone(whole), len(whole)/2, len(whole)/2+300),
		"rose/whole.jpg": large(2, 2),
		"rose/cmyk.jpg":  picturetest.CMYK(),
		"rose/half.png":  picturetest.PNG(3, 3, 240, 180)[:20_000],
	}))
	for _, compared := range []bool{true, false} {
		lib := newLibrary(t)
		c := collect.Collector{Library: lib, Source: source}
		if compared {
			c.Comparer = lib
		}
		report, _, err := run(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if r := report.Results[0]; r.Landed != 2 || r.Reasons[picture.Damaged]+r.Reasons[picture.Truncated] != 3 {
			t.Errorf("compared: %v, got %+v", compared, r)
		}
	}
}

// broken is a dataset that cannot be compared with.
type broken struct{ err error }

func (b broken) Fingerprints(context.Context, func(done, total int)) error { return b.err }

func TestComparingFails(t *testing.T) {
	files := map[string][]byte{}
	for i := range 3 {
		files[fmt.Sprintf("rose/%d.jpg", i)] = large(i, i)
	}
	lib := newLibrary(t)
	c := collect.Collector{Library: lib, Source: collect.NewFolder(tree(t, files))}
	for _, want := range []error{errors.New("the disk is full"), context.Canceled} {
		c.Comparer = broken{want}
		report, err := c.Run(t.Context(), []collect.Request{{Keyword: "rose", Label: "rose"}})
		if !errors.Is(err, want) || report.Results[0].Landed+report.Results[0].Refused != 0 || len(lib.Photos(curate.Query{})) != 0 {
			t.Errorf("got %+v, %v", report, err)
		}
	}
}

// repeating is a source that offers each photo twice in a row.
type repeating struct {
	collect.Source

	opened map[string]int
}

func (s repeating) Search(ctx context.Context, r collect.Request) iter.Seq2[collect.Item, error] {
	return func(yield func(collect.Item, error) bool) {
		for item, err := range s.Source.Search(ctx, r) {
			open := item.Open
			item.Open = func(ctx context.Context) (io.ReadCloser, error) {
				s.opened[item.Name]++
				return open(ctx)
			}
			for range 2 {
				if !yield(item, err) {
					return
				}
			}
		}
	}
}

// TestOfferedTwice offers a photo anew while it is still being looked at.
func TestOfferedTwice(t *testing.T) {
	files := map[string][]byte{}
	for i := range 6 {
		files[fmt.Sprintf("rose/%d.jpg", i)] = large(i, i)
	}
	source := repeating{collect.NewFolder(tree(t, files)), map[string]int{}}
	c := collect.Collector{Library: newLibrary(t), Source: source}
	report, err := c.Run(t.Context(), []collect.Request{{Keyword: "rose", Label: "rose"}})
	if r := report.Results[0]; err != nil || r.Landed != 6 || r.There != 0 || r.Refused != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	for name, times := range source.opened {
		if times != 1 {
			t.Errorf("%s was read %d times", name, times)
		}
	}
}
