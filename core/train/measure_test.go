package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// rounding is what float64 may be off.
const rounding = 1e-9

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance }

func TestSoftmax(t *testing.T) {
	for _, c := range []struct {
		name        string
		logits      []float32
		temperature float64
		want        []float64
	}{
		{"equal", []float32{5, 5, 5, 5}, 1, []float64{0.25, 0.25, 0.25, 0.25}},
		{"known", []float32{0, float32(math.Log(3))}, 1, []float64{0.25, 0.75}},
		{"hot", []float32{0, float32(2 * math.Log(3))}, 2, []float64{0.25, 0.75}},
		{"large numbers do not overflow", []float32{1000, 0}, 1, []float64{1, 0}},
		{"nor do small ones", []float32{-1000, -1000}, 1, []float64{0.5, 0.5}},
		{"one label", []float32{-3}, 1, []float64{1}},
	} {
		got := Softmax(c.logits, c.temperature)
		for i := range c.want {
			if !near(got[i], c.want[i], 1e-6) {
				t.Errorf("%s: got %v, want %v", c.name, got, c.want)
				break
			}
		}
	}
}

func TestBest(t *testing.T) {
	for _, c := range []struct {
		values []float32
		want   int
	}{
		{[]float32{1}, 0},
		{[]float32{1, 3, 2}, 1},
		{[]float32{-3, -1, -2}, 1},
		{[]float32{2, 2, 1}, 0},
		{[]float32{0, 1, 1}, 1},
	} {
		if got := Best(c.values); got != c.want {
			t.Errorf("Best(%v) = %d, want %d", c.values, got, c.want)
		}
	}
}

func TestRows(t *testing.T) {
	rows := Rows([]float32{1, 2, 3, 4, 5, 6}, 2)
	if len(rows) != 3 || !slices.Equal(rows[1], []float32{3, 4}) {
		t.Errorf("got %v", rows)
	}
	if rows := Rows(nil, 2); len(rows) != 0 {
		t.Errorf("of nothing: %v", rows)
	}
}

func TestAccuracy(t *testing.T) {
	log3 := float32(math.Log(3))
	rows := [][]float32{{0, log3}, {0, log3}, {log3, 0}, {0, log3}}
	share, crossEntropy := Accuracy(rows, []int{1, 1, 0, 0}, 1)
	want := -(3*math.Log(0.75) + math.Log(0.25)) / 4
	if share != 0.75 || !near(crossEntropy, want, 1e-6) {
		t.Errorf("got %v, %v; want 0.75, %v", share, crossEntropy, want)
	}
	if share, crossEntropy := Accuracy(nil, nil, 1); share != 0 || crossEntropy != 0 {
		t.Errorf("of nothing: %v, %v", share, crossEntropy)
	}
	// A score of 0 for the true label is bad, but not infinitely so: JSON knows no infinity.
	if _, crossEntropy := Accuracy([][]float32{{10000, 0}}, []int{1}, 1); math.IsInf(crossEntropy, 0) || crossEntropy < 20 {
		t.Errorf("a certain mistake costs %v", crossEntropy)
	}
}

// TestWilson compares with the published figures of R. G. Newcombe, Two-sided confidence intervals for the single
// proportion, Statistics in Medicine 17 (1998), table I, method 3.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		right, count int
		low, high    float64
	}{
		{81, 263, 0.2553, 0.3662},
		{15, 148, 0.0624, 0.1605},
		{0, 20, 0, 0.1611},
		{1, 29, 0.0061, 0.1718},
		{20, 20, 1 - 0.1611, 1},
		{0, 0, 0, 1},
	} {
		low, high := Wilson(c.right, c.count)
		if !near(low, c.low, 5e-5) || !near(high, c.high, 5e-5) {
			t.Errorf("Wilson(%d, %d) = %.4f, %.4f; want %.4f, %.4f", c.right, c.count, low, high, c.low, c.high)
		}
	}
	for count := range 60 {
		for right := range count + 1 {
			low, high := Wilson(right, count)
			if (low == 0) != (right == 0) || (high == 1) != (right == count) {
				t.Fatalf("Wilson(%d, %d) = %v, %v: exactly 0 and 1 are the ends of those with none and all right", right, count, low, high)
			}
			share := float64(right) / float64(max(1, count))
			if !(low >= 0 && low <= share+rounding && share <= high+rounding && high <= 1) {
				t.Fatalf("Wilson(%d, %d) = %v, %v does not hold the share", right, count, low, high)
			}
		}
	}
}

// drawn gives logits from which the labels are drawn by softmax: calibrated scores, when scale is 1.
func drawn(count, labels int, scale float32) (rows [][]float32, truth []int) {
	random := rand.New(rand.NewPCG(1, 2))
	for range count {
		row := make([]float32, labels)
		for k := range row {
			row[k] = float32(2 * random.NormFloat64())
		}
		p, at, u := Softmax(row, 1), 0, random.Float64()
		for u > p[at] && at < labels-1 {
			u -= p[at]
			at++
		}
		for k := range row {
			row[k] *= scale
		}
		rows, truth = append(rows, row), append(truth, at)
	}
	return rows, truth
}

func TestTemperature(t *testing.T) {
	for _, c := range []struct {
		name      string
		count     int
		scale     float32
		want      float64
		tolerance float64
	}{
		{"calibrated", 5000, 1, 1, 0.05},
		{"too sure", 5000, 2.5, 2.5, 0.12},
		{"too unsure", 5000, 0.5, 0.5, 0.03},
		{"sure beyond the range", 5000, 40, 4, 0.001},
		{"too few to say", temperaturePhotos - 1, 2.5, 1, 0},
		{"none", 0, 1, 1, 0},
	} {
		rows, truth := drawn(c.count, 4, c.scale)
		got := temperature(rows, truth)
		if !near(got, c.want, c.tolerance) {
			t.Errorf("%s: temperature %v, want %v", c.name, got, c.want)
		}
		_, before := Accuracy(rows, truth, 1)
		if _, after := Accuracy(rows, truth, got); after > before+rounding {
			t.Errorf("%s: the cross-entropy rose from %v to %v", c.name, before, after)
		}
	}
}

func TestUnknownBelow(t *testing.T) {
	rows := func(count int) (out [][]float32) {
		for i := range count {
			out = append(out, []float32{float32(i) / 10, 0})
		}
		return out
	}
	for _, c := range []struct {
		name  string
		count int
		row   int // Whose best score it is; -1 for none.
	}{
		{"few", thresholdPhotos - 1, -1},
		{"none", 0, -1},
		{"just enough", 20, 1},
		{"hundred", 100, 5},
	} {
		in := rows(c.count)
		want := float32(0)
		if c.row >= 0 {
			want = float32(slices.Max(Softmax(in[c.row], 1)))
		}
		// The order of the photos must not matter.
		slices.Reverse(in)
		if got := unknownBelow(in, 1); got != want {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
	// 95 % of the photos reach it.
	in, reached := rows(1000), 0
	for _, row := range in {
		if float32(slices.Max(Softmax(row, 1.5))) >= unknownBelow(in, 1.5) {
			reached++
		}
	}
	if reached != 950 {
		t.Errorf("%d of 1000 photos reach the threshold", reached)
	}
}

func TestClassWeights(t *testing.T) {
	labels := []int{0, 0, 0, 0, 0, 0, 1, 1, 3, 3, 3, 3} // Nobody has label 2.
	if w := ClassWeights(WeightNone, labels, 4); w != nil {
		t.Errorf("without weighting: %v", w)
	}
	w := ClassWeights(WeightBalanced, labels, 4)
	if !slices.Equal(w, []float32{12. / 18, 12. / 6, 0, 12. / 12}) {
		t.Errorf("got %v", w)
	}
	sum, of := 0.0, [4]float64{}
	for _, l := range labels {
		sum += float64(w[l])
		of[l] += float64(w[l])
	}
	if !near(sum, float64(len(labels)), 1e-5) {
		t.Errorf("the mean weight is %v instead of 1", sum/float64(len(labels)))
	}
	if !near(of[0], of[1], 1e-5) || !near(of[1], of[3], 1e-5) {
		t.Errorf("labels do not count the same: %v", of)
	}
}

func TestNotes(t *testing.T) {
	tested := func(right, count int) *Tested {
		low, high := Wilson(right, count)
		return &Tested{Accuracy: float64(right) / float64(count), Low: low, High: high, Correct: right, Count: count}
	}
	for _, c := range []struct {
		name       string
		train      float64
		validation *Figures
		photos     int // To validate with.
		test       *Tested
		testing    int
		want       []string // Parts of the sentences, in their order.
	}{
		{"all well", 0.97, &Figures{Accuracy: 0.95}, 100, tested(95, 100), 10, nil},
		{"overfitting", 1, &Figures{Accuracy: 0.7}, 100, tested(70, 100), 10, []string{"overfitting"}},
		{"a gap that chance makes", 1, &Figures{Accuracy: 0.9}, 10, tested(90, 100), 10, nil},
		{"a small gap, however sure", 0.99, &Figures{Accuracy: 0.95}, 100_000, tested(95, 100), 10, nil},
		{"a gap on a handful", 1, &Figures{Accuracy: 0.2}, 9, tested(90, 100), 10, nil},
		{"nothing to validate with", 1, nil, 0, tested(90, 100), 10, nil},
		{"few to test with", 0.9, nil, 0, tested(40, 49), 10, []string{"Only 49 photos"}},
		{"none to test with", 0.9, nil, 0, nil, 10, []string{"at least 5 photos a label"}},
		{"none wanted", 0.9, nil, 0, nil, 0, []string{"testing_percentage is 0"}},
		{"both", 1, &Figures{Accuracy: 0.5}, 20, tested(10, 20), 10, []string{"overfitting", "Only 20 photos"}},
	} {
		r := &Report{Train: Figures{Accuracy: c.train}, Validation: c.validation, Test: c.test, Photos: PhotoCounts{Validation: c.photos}}
		got := notes(r, c.testing)
		if len(got) != len(c.want) {
			t.Errorf("%s: %q", c.name, got)
			continue
		}
		for i, part := range c.want {
			if !strings.Contains(got[i], part) {
				t.Errorf("%s: %q does not say %q", c.name, got[i], part)
			}
		}
	}
}
