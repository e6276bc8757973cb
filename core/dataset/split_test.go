package dataset

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kaika/core/picture"
)

// photo returns the sample of a photo that differs from those of other names.
func photo(name string, label int) Sample {
	return Sample{Digest: sha256.Sum256([]byte(name)), Label: label}
}

// photos returns n different samples for each label.
func photos(perLabel ...int) (samples []Sample, labels []string) {
	for label, n := range perLabel {
		labels = append(labels, fmt.Sprintf("label%d", label))
		for i := range n {
			samples = append(samples, photo(fmt.Sprintf("%d/%d", label, i), label))
		}
	}
	return samples, labels
}

// tally counts the samples of each side, by label.
func tally(samples []Sample, sides []Side, labels int) [][3]int {
	counts := make([][3]int, labels)
	for i, s := range samples {
		counts[s.Label][sides[i]]++
	}
	return counts
}

func TestSplitShares(t *testing.T) {
	tests := []struct {
		photos, testing, validation int
		train, valid, test          int
		slack                       int
	}{
		{photos: 1, testing: 10, validation: 10, train: 1},
		{photos: 2, testing: 10, validation: 10, train: 2},
		{photos: 4, testing: 10, validation: 10, train: 4},
		{photos: 5, testing: 10, validation: 10, train: 3, valid: 1, test: 1},
		{photos: 8, testing: 10, validation: 10, train: 6, valid: 1, test: 1},
		{photos: 10, testing: 10, validation: 10, train: 8, valid: 1, test: 1},
		{photos: 20, testing: 10, validation: 10, train: 16, valid: 2, test: 2},
		{photos: 40, testing: 10, validation: 10, train: 32, valid: 4, test: 4},
		{photos: 1000, testing: 10, validation: 10, train: 800, valid: 100, test: 100, slack: 4},
		{photos: 5, testing: 1, validation: 1, train: 3, valid: 1, test: 1},
		{photos: 5, testing: 0, validation: 10, train: 4, valid: 1},
		{photos: 5, testing: 10, validation: 0, train: 4, test: 1},
		{photos: 5, testing: 0, validation: 0, train: 5},
		{photos: 20, testing: 50, validation: 25, train: 5, valid: 5, test: 10, slack: 1},
		{photos: 5, testing: 98, validation: 1, train: 1, valid: 1, test: 3},
		{photos: 100, testing: 99, validation: 0, train: 1, test: 99},
		{photos: 1000, testing: 98, validation: 1, train: 10, valid: 10, test: 980, slack: 2},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d photos %d %d", tt.photos, tt.testing, tt.validation), func(t *testing.T) {
			for try := range 20 { // different photos: it must not be luck
				var samples []Sample
				for i := range tt.photos {
					samples = append(samples, photo(fmt.Sprintf("%d-%d", try, i), 0))
				}
				sides, _, err := Split(samples, []string{"rose"}, tt.testing, tt.validation)
				if err != nil {
					t.Fatal(err)
				}
				got := tally(samples, sides, 1)[0]
				near := func(a, b, slack int) bool { return max(a-b, b-a) <= slack }
				if !near(got[Test], tt.test, tt.slack) || !near(got[Validation], tt.valid, tt.slack) || !near(got[Train], tt.train, 2*tt.slack) {
					t.Fatalf("train, validation, test = %v, want %d %d %d within %d", got, tt.train, tt.valid, tt.test, tt.slack)
				}
			}
		})
	}
}

func TestSplitErrors(t *testing.T) {
	samples, labels := photos(5, 5)
	tests := []struct {
		name                string
		samples             []Sample
		testing, validation int
		want                string
	}{
		{"negative testing", samples, -1, 10, "-1 percent for testing"},
		{"negative validation", samples, 10, -5, "-5 for validation"},
		{"all", samples, 100, 0, "below 100"},
		{"together all", samples, 50, 50, "below 100"},
		{"far too much", samples, math.MaxInt, math.MaxInt, "below 100"},
		{"label too high", []Sample{photo("x", 2)}, 10, 10, "label 2 of 2"},
		{"label negative", []Sample{photo("x", -1)}, 10, 10, "label -1 of 2"},
		{"neither digest nor group", []Sample{{Label: 1}}, 10, 10, "neither a digest nor a group"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Split(tt.samples, labels, tt.testing, tt.validation)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error = %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestSplitWarnings(t *testing.T) {
	one := []Sample{photo("a", 0)}
	copies := []Sample{photo("a", 0), photo("a", 0), photo("b", 0)}
	five, _ := photos(5)
	shared := make([]Sample, 0, 10)
	for i := range 5 {
		// Everything of label 0 is in label 1 too, and would be trained with by the rule.
		s := photo(fmt.Sprintf("shared %d", i), 0)
		for s.place() < 0.1 || s.place() >= 0.9 {
			s = photo(fmt.Sprintf("%x", s.Digest), 0)
		}
		shared = append(shared, s, Sample{Digest: s.Digest, Label: 1})
	}
	tests := []struct {
		name                string
		samples             []Sample
		labels              []string
		testing, validation int
		want                []string
	}{
		{"enough", five, []string{"薔薇"}, 10, 10, nil},
		{"one", one, []string{"薔薇"}, 10, 10, []string{`label "薔薇" has 1 photo: it can be trained but not tested; collect at least 5`}},
		{"one, nothing to test", one, []string{"薔薇"}, 0, 0, nil},
		{"copies", copies, []string{"a b"}, 10, 0, []string{`label "a b" has 3 photos (2 without copies): it can be trained but not tested; collect at least 5`}},
		{"none", five, []string{"rose", "tulip"}, 10, 10, []string{`label "tulip" has no photo: it cannot be trained`}},
		{"all shared", shared, []string{"rose", "tulip"}, 10, 10, []string{
			`label "rose" has no photo left to test with: most of its photos are under other labels too`,
			`label "tulip" has no photo left to test with: most of its photos are under other labels too`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got, err := Split(tt.samples, tt.labels, tt.testing, tt.validation)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("warnings = %q, want %q", got, tt.want)
			}
		})
	}
}

func (s Sample) place() float64 { return place("kaika split", s) }

// TestSplitNeverChanges guards the datasets that people have: the same photos
// must be tested with by every version of Kaika.
func TestSplitNeverChanges(t *testing.T) {
	samples, labels := photos(10, 5)
	samples = append(samples, Sample{Group: "street", Label: 0}, Sample{Group: "garden", Label: 1})
	sides, _, err := Split(samples, labels, 20, 20)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, s := range sides {
		got.WriteByte(s.String()[1])
	}
	if want := "rrarrrereaarrerrr"; got.String() != want {
		t.Errorf("sides = %s, want %s", &got, want)
	}
}

func TestSplitFollowsTheContent(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		samples, labels := foreign(random)
		testing, validation := random.IntN(60), random.IntN(40)
		sides, _, err := Split(samples, labels, testing, validation)
		if err != nil {
			t.Fatal(err)
		}
		order := random.Perm(len(samples))
		shuffled := make([]Sample, len(samples))
		for i, from := range order {
			shuffled[i] = samples[from]
		}
		again, _, err := Split(shuffled, labels, testing, validation)
		if err != nil {
			t.Fatal(err)
		}
		digests, groups := make(map[picture.Digest]Side), make(map[string]Side)
		counts := make([][3]int, len(labels))
		for i, from := range order {
			s, side := samples[from], sides[from]
			if again[i] != side {
				t.Fatalf("round %d: sample %d is %s, and %s in another order", round, from, side, again[i])
			}
			if other, ok := digests[s.Digest]; ok && other != side {
				t.Fatalf("round %d: one digest is on two sides", round)
			}
			if other, ok := groups[s.Group]; ok && s.Group != "" && other != side {
				t.Fatalf("round %d: one group is on two sides", round)
			}
			digests[s.Digest], groups[s.Group] = side, side
			counts[s.Label][side]++
		}
		for label, c := range counts {
			if c[Train] == 0 && c[Validation]+c[Test] > 0 {
				t.Fatalf("round %d: label %d has nothing to train with: %v", round, label, c)
			}
		}
	}
}

// foreign returns samples such as people have: labels of any size, copies
// within and across labels, and groups.
func foreign(random *rand.Rand) (samples []Sample, labels []string) {
	for label := range 2 + random.IntN(4) {
		labels = append(labels, fmt.Sprintf("label%d", label))
		for range 1 + random.IntN(60) {
			s := photo(strconv.FormatUint(random.Uint64(), 10), label)
			switch random.IntN(8) {
			case 0:
				s.Group = fmt.Sprintf("group %d", random.IntN(20))
			case 1, 2:
				if len(samples) > 0 {
					s.Digest = samples[random.IntN(len(samples))].Digest
				}
			}
			samples = append(samples, s)
		}
	}
	return samples, labels
}

// TestSplitOneMore holds the promise in the comment of Split: a photo more
// moves at most one into or out of each side.
func TestSplitOneMore(t *testing.T) {
	for _, p := range [][2]int{{10, 10}, {1, 1}, {20, 0}, {0, 33}, {50, 49}, {98, 1}, {1, 98}} {
		var samples []Sample
		var before []Side
		for i := range 250 {
			samples = append(samples, photo(fmt.Sprintf("%v %d", p, i), 0))
			sides, _, err := Split(samples, []string{"rose"}, p[0], p[1])
			if err != nil {
				t.Fatal(err)
			}
			moved := make(map[Side]int)
			for j, was := range before {
				if sides[j] != was {
					moved[sides[j]]++
					moved[was]++
				}
			}
			if len(samples) > fewest && (moved[Test] > 1 || moved[Validation] > 1) {
				t.Fatalf("%v percent: photo %d moved %v", p, i, moved)
			}
			before = sides
		}
	}
}

// TestSplitGrowing adds a tenth to a label: hardly a photo may change its side.
func TestSplitGrowing(t *testing.T) {
	var moved, all int
	for try := range 50 {
		var samples []Sample
		for i := range 1100 {
			samples = append(samples, photo(fmt.Sprintf("%d %d", try, i), 0))
		}
		before, _, err := Split(samples[:1000], []string{"rose"}, 10, 10)
		if err != nil {
			t.Fatal(err)
		}
		after, _, err := Split(samples, []string{"rose"}, 10, 10)
		if err != nil {
			t.Fatal(err)
		}
		for i, was := range before {
			if after[i] != was {
				moved++
			}
			all++
		}
	}
	t.Logf("%d of %d moved", moved, all)
	if moved*200 > all {
		t.Errorf("%d of %d photos changed their side, want at most 0.5 %%", moved, all)
	}
}

func TestBoundsGrowByOne(t *testing.T) {
	for percent := range 100 {
		for n := range 2000 {
			low, high := bounds(n, percent, n-1)
			low2, high2 := bounds(n+1, percent, n)
			if low2-low < 0 || low2-low > 1 || high2-high < 0 || high2-high > 1 {
				t.Fatalf("%d percent: %d photos %d-%d, one more %d-%d", percent, n, low, high, low2, high2)
			}
			exact := float64(n*percent) / 100
			slack := math.Sqrt(exact*(1-float64(percent)/100))/2 + 1
			if low > high || n > 1 && percent > 0 && (low < 1 || float64(high) > exact+slack || float64(low) < exact-slack) {
				t.Fatalf("%d percent of %d photos is %d-%d", percent, n, low, high)
			}
		}
	}
}

func TestSplitOnePercentageLeavesTheOther(t *testing.T) {
	samples, labels := photos(200)
	a, _, err := Split(samples, labels, 10, 10)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := Split(samples, labels, 10, 40)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a {
		if (a[i] == Test) != (b[i] == Test) {
			t.Fatalf("sample %d is %s, and %s with more validation", i, a[i], b[i])
		}
	}
}

func TestSideString(t *testing.T) {
	for side, want := range map[Side]string{Train: "train", Validation: "validation", Test: "test", 7: "side(7)"} {
		if got := side.String(); got != want {
			t.Errorf("Side(%d) = %q, want %q", uint8(side), got, want)
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	samples, labels := photos(5000, 3000, 2000)
	for b.Loop() {
		if _, _, err := Split(samples, labels, 10, 10); err != nil {
			b.Fatal(err)
		}
	}
}
