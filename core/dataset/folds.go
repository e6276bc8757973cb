package dataset

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Folds divides samples into k folds for stratified cross-validation: the
// result, parallel to samples, is the fold in which each one tests, from 0 to
// k-1; in the others it trains. Every label is spread over the folds as evenly
// as its copies allow: without copies, two folds differ by at most one photo of
// each label, and by at most one photo in all. Samples with the same digest or
// the same group share a fold. The result depends on the seed and on what the
// samples are, not on their order. Labels are the names that Sample.Label
// counts, for the texts.
//
// It is an error if k is below 2 or above the number of different photos, or if
// a label has fewer than 2 different ones, as it could then only be either
// trained or tested. A label in fewer than k folds gets a warning.
func Folds(samples []Sample, labels []string, k int, seed uint64) ([]int, []string, error) {
	if k < 2 {
		return nil, nil, fmt.Errorf("%d folds cannot be: it takes at least 2, one to test and one to train with", k)
	}
	units, err := gather(samples, len(labels), fmt.Sprintf("kaika folds %d", seed))
	if err != nil {
		return nil, nil, err
	}
	counts := count(samples, units, len(labels))
	for label, c := range counts {
		if c.units < 2 {
			return nil, nil, fmt.Errorf(
				"label %q has %s: cross-validation needs at least 2 different ones of each label, one to train and one to test with; collect more, or take the label away",
				labels[label], c)
		}
	}
	if k > len(units) {
		return nil, nil, fmt.Errorf("%d folds need as many different photos, and there are %d: ask for fewer folds", k, len(units))
	}

	// The big ones first: what comes later can still level them out.
	slices.SortStableFunc(units, func(a, b unit) int {
		return cmp.Or(
			-cmp.Compare(len(a.samples), len(b.samples)),
			cmp.Compare(a.labels[0], b.labels[0]),
		)
	})
	folds := make([]int, len(samples))
	held := make([][]int, k) // how many of each label a fold holds
	for fold := range held {
		held[fold] = make([]int, len(labels))
	}
	total := make([]int, k)
	for _, u := range units {
		best, least := 0, math.Inf(1)
		for fold := range k {
			var load float64 // of the unit's labels, each in proportion to its size
			for _, label := range u.labels {
				load += float64(held[fold][label]) / float64(counts[label].samples)
			}
			if load < least || load == least && total[fold] < total[best] {
				best, least = fold, load
			}
		}
		for _, sample := range u.samples {
			folds[sample] = best
			held[best][samples[sample].Label]++
		}
		total[best] += len(u.samples)
	}

	var warnings []string
	for label, name := range labels {
		in := 0
		for fold := range k {
			in += min(1, held[fold][label])
		}
		if in < k {
			warnings = append(warnings, fmt.Sprintf("label %q has %s: only %d of %d folds test it", name, counts[label], in, k))
		}
	}
	return folds, warnings, nil
}
