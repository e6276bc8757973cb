package dataset

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"kaika/core/picture"
)

// Sample is what a photo's place in a division depends on.
type Sample struct {
	Digest picture.Digest // of the file's bytes; all zero if unknown
	Group  string         // if not empty, stands in for the digest: say, one name for all views of one scene
	Label  int            // index of its label
}

// Side is what a photo is used for.
type Side uint8

// The sides. A photo that has been trained with can neither validate nor test.
const (
	Train Side = iota
	Validation
	Test
)

// String returns the side's name in lower case.
func (s Side) String() string {
	switch s {
	case Train:
		return "train"
	case Validation:
		return "validation"
	case Test:
		return "test"
	}
	return fmt.Sprintf("side(%d)", uint8(s))
}

// fewest is the number of different photos from which a label is divided: with
// one to test and one to validate, three are left to learn from.
const fewest = 5

// Split gives every sample its side: about testing percent of each label's
// different photos go to [Test], validation percent to [Validation] and the
// rest to [Train]. The result is parallel to samples; the warnings are
// sentences about labels with too few photos. Labels are the names that
// Sample.Label counts, for the warnings.
//
// A photo's side follows from its bytes, not from its name, its folder or
// the order of samples. Its digest (or group) is hashed to a place between 0
// and 1. The rule: the places below testing/100 test, those above
// 1-validation/100 validate. So neither moving, renaming nor removing files
// reshuffles the others, and changing one percentage leaves the other side as
// it is.
//
// The rule alone would give shares that are right only in the long run: one
// label of 20 in eight would get nothing to test with. So a label's share may
// differ from the exact one by at most half a standard deviation of the rule's
// own scatter, sqrt(n·p·(1-p))/2 photos, and is never less than one photo;
// beyond that, the border moves past the photos whose places are nearest to it.
// With 10 and 10 percent, 5 photos are divided 3/1/1, 20 are 16/2/2, and 1,000
// are 800/100/100 within 4 each. The price is small: in a label of at least 5
// different photos, a new photo moves at most one other into or out of Test
// and at most one into or out of Validation.
//
// Samples with the same digest or the same group count as one photo and share
// a side. One that lies under several labels follows the rule and no border.
//
// A label of fewer than 5 different photos is all for training, and a warning
// says so. A percentage of 0 leaves that side empty; it is an error if one is
// negative or the two leave nothing to train with.
func Split(samples []Sample, labels []string, testing, validation int) ([]Side, []string, error) {
	if testing < 0 || validation < 0 || testing > 99-validation {
		return nil, nil, fmt.Errorf(
			"%d percent for testing and %d for validation cannot be: neither may be negative, and together they must stay below 100, to leave photos to train with",
			testing, validation)
	}
	units, err := gather(samples, len(labels), "kaika split")
	if err != nil {
		return nil, nil, err
	}
	counts := count(samples, units, len(labels))
	s := splitter{testing: testing, validation: validation, counts: counts}
	for _, u := range units {
		s.sides = append(s.sides, s.rule(u))
	}
	for label := range labels {
		s.keepOne(units, label)
	}
	for label := range labels {
		if counts[label].units >= fewest {
			s.balance(units, label)
		}
	}
	sides := make([]Side, len(samples))
	for i, u := range units {
		for _, sample := range u.samples {
			sides[sample] = s.sides[i]
		}
	}
	return sides, s.warnings(units, labels), nil
}

// splitter holds a split while it is made.
type splitter struct {
	testing, validation int // percent
	counts              []labelCount
	sides               []Side // parallel to the units
}

// rule returns the side that the place of u alone decides.
func (s *splitter) rule(u unit) Side {
	for _, label := range u.labels {
		if s.counts[label].units < fewest {
			return Train
		}
	}
	switch {
	case u.place < float64(s.testing)/100:
		return Test
	case u.place >= float64(100-s.validation)/100:
		return Validation
	}
	return Train
}

// keepOne sees to it that a label whose photos all lie under other labels too
// has one to train with, should the rule have left none.
func (s *splitter) keepOne(units []unit, label int) {
	var all []int
	for i, u := range units {
		if !slices.Contains(u.labels, label) {
			continue
		}
		if len(u.labels) == 1 || s.sides[i] == Train {
			return
		}
		all = append(all, i)
	}
	if len(all) > 0 {
		s.sides[all[len(all)/2]] = Train
	}
}

// balance moves the borders of a label where its shares are out of bounds. The
// units are in the order of their places.
func (s *splitter) balance(units []unit, label int) {
	var own []int      // units of this label only
	var shared [3]int  // by side: units of other labels too, which stay where they are
	var settled [3]int // by side: how many of own are there by the rule
	for i, u := range units {
		switch {
		case !slices.Contains(u.labels, label):
		case len(u.labels) > 1:
			shared[s.sides[i]]++
		default:
			own = append(own, i)
			settled[s.sides[i]]++
		}
	}
	n := len(own) + shared[Train] + shared[Validation] + shared[Test]

	// At least one is left to train with, and one to validate if any is to.
	room := n - 1 - min(s.validation, 1)
	low, high := bounds(n, s.testing, room)
	test := clamp(clamp(settled[Test]+shared[Test], low, high)-shared[Test], 0, len(own))
	room = n - 1 - test - shared[Test]
	low, high = bounds(n, s.validation, room)
	validation := clamp(clamp(settled[Validation]+shared[Validation], low, high)-shared[Validation], 0, len(own)-test)

	for rank, i := range own {
		switch {
		case rank < test:
			s.sides[i] = Test
		case rank >= len(own)-validation:
			s.sides[i] = Validation
		default:
			s.sides[i] = Train
		}
	}
}

// bounds returns the fewest and the most of n photos that percent of them may
// be, and no more than room. It counts in whole numbers, so that every machine
// divides alike. Both grow by at most 1 when n does, which is why one photo more
// moves at most one other.
func bounds(n, percent, room int) (low, high int) {
	if percent == 0 {
		return 0, 0
	}
	exact := n * percent // in hundredths of a photo
	slack := int(math.Sqrt(float64(n*percent*(100-percent)))) / 2
	low = max(1, (exact-slack+99)/100)
	high = max(low, (exact+slack)/100)
	high = max(0, min(high, room))
	return min(low, high), high
}

func clamp(x, low, high int) int { return max(low, min(x, high)) }

// warnings returns a sentence for each label that lacks photos on some side.
func (s *splitter) warnings(units []unit, labels []string) []string {
	has := make([][3]int, len(labels))
	for i, u := range units {
		for _, label := range u.labels {
			has[label][s.sides[i]]++
		}
	}
	var out []string
	warn := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for label, name := range labels {
		c := s.counts[label]
		switch {
		case c.samples == 0:
			warn("label %q has no photo: it cannot be trained", name)
		case s.testing+s.validation == 0:
		case c.units < fewest:
			warn("label %q has %s: it can be trained but not tested; collect at least %d", name, c, fewest)
		case s.testing > 0 && has[label][Test] == 0:
			warn("label %q has no photo left to test with: most of its photos are under other labels too", name)
		}
	}
	return out
}

// unit is what a division must not tear apart: the samples of one digest or
// one group.
type unit struct {
	place   float64 // its hash, in [0, 1)
	samples []int   // indices, ascending
	labels  []int   // of its samples, each once, ascending
}

// gather makes units of the samples, in the order of their places, which salt
// shuffles.
func gather(samples []Sample, labels int, salt string) ([]unit, error) {
	parent := make([]int, len(samples)) // a forest: samples of one tree are one unit
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	digests := make(map[picture.Digest]int, len(samples))
	groups := make(map[string]int)
	for i, s := range samples {
		if s.Label < 0 || s.Label >= labels {
			return nil, fmt.Errorf("sample %d has label %d of %d labels", i, s.Label, labels)
		}
		if s.Digest == (picture.Digest{}) && s.Group == "" {
			return nil, fmt.Errorf("sample %d has neither a digest nor a group", i)
		}
		parent[i] = i
		if s.Digest != (picture.Digest{}) {
			if first, ok := digests[s.Digest]; ok {
				parent[root(i)] = root(first)
			} else {
				digests[s.Digest] = i
			}
		}
		if s.Group != "" {
			if first, ok := groups[s.Group]; ok {
				parent[root(i)] = root(first)
			} else {
				groups[s.Group] = i
			}
		}
	}
	index := make(map[int]int, len(samples)) // of the unit, by root
	units := make([]unit, 0, len(samples))
	for i, s := range samples {
		at, ok := index[root(i)]
		if !ok {
			at = len(units)
			index[root(i)] = at
			units = append(units, unit{place: 1})
		}
		u := &units[at]
		u.place = min(u.place, place(salt, s))
		u.samples = append(u.samples, i)
		if pos, found := slices.BinarySearch(u.labels, s.Label); !found {
			u.labels = slices.Insert(u.labels, pos, s.Label)
		}
	}
	slices.SortFunc(units, func(a, b unit) int { return cmp.Compare(a.place, b.place) })
	return units, nil
}

// place hashes what identifies the sample to a number in [0, 1). What is hashed must never change:
// it decides the sides of all datasets there are.
func place(salt string, s Sample) float64 {
	var b bytes.Buffer
	b.WriteString(salt)
	if s.Group != "" {
		b.WriteString("\x00group\x00")
		b.WriteString(s.Group)
	} else {
		b.WriteString("\x00digest\x00")
		b.Write(s.Digest[:])
	}
	sum := sha256.Sum256(b.Bytes())
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// labelCount is how many photos a label has.
type labelCount struct {
	samples int
	units   int // of them different
}

// String returns the count in words: "3 photos".
func (c labelCount) String() string {
	switch c.samples {
	case 1:
		return "1 photo"
	case c.units:
		return fmt.Sprintf("%d photos", c.samples)
	}
	return fmt.Sprintf("%d photos (%d without copies)", c.samples, c.units)
}

// count returns how many photos each label has.
func count(samples []Sample, units []unit, labels int) []labelCount {
	counts := make([]labelCount, labels)
	for _, s := range samples {
		counts[s.Label].samples++
	}
	for _, u := range units {
		for _, label := range u.labels {
			counts[label].units++
		}
	}
	return counts
}
