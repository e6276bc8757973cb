package dataset

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"kaika/core/picture"
)

func TestFoldsBalance(t *testing.T) {
	tests := []struct {
		perLabel []int
		k        int
	}{
		{[]int{10, 10}, 5},
		{[]int{2, 2}, 2},
		{[]int{3, 4, 5, 6, 7}, 3},
		{[]int{240, 240, 241, 13}, 5},
		{[]int{11, 11, 11}, 10},
		{[]int{40, 40, 40}, 7},
		{[]int{2, 2, 2}, 5},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%v in %d", tt.perLabel, tt.k), func(t *testing.T) {
			samples, labels := photos(tt.perLabel...)
			for seed := range uint64(20) {
				folds, _, err := Folds(samples, labels, tt.k, seed)
				if err != nil {
					t.Fatal(err)
				}
				all := make([]int, tt.k)
				held := make([][]int, len(labels))
				for label := range held {
					held[label] = make([]int, tt.k)
				}
				for i, fold := range folds {
					all[fold]++
					held[samples[i].Label][fold]++
				}
				for _, sizes := range append(held, all) {
					if slices.Max(sizes)-slices.Min(sizes) > 1 {
						t.Fatalf("seed %d: by label %v, all %v", seed, held, all)
					}
				}
			}
		})
	}
}

func TestFoldsSeed(t *testing.T) {
	samples, labels := photos(50, 50)
	a, _, errA := Folds(samples, labels, 5, 1)
	b, _, errB := Folds(samples, labels, 5, 1)
	c, _, errC := Folds(samples, labels, 5, 2)
	if errA != nil || errB != nil || errC != nil {
		t.Fatal(errA, errB, errC)
	}
	if !slices.Equal(a, b) {
		t.Error("the same seed gave other folds")
	}
	if slices.Equal(a, c) {
		t.Error("another seed gave the same folds")
	}
}

func TestFoldsTexts(t *testing.T) {
	copies := []Sample{photo("a", 0), photo("a", 0), photo("b", 1), photo("c", 1)}
	few, _ := photos(2, 2)
	tests := []struct {
		name     string
		samples  []Sample
		k        int
		err      string
		warnings []string
	}{
		{name: "one fold", samples: few, k: 1, err: "at least 2"},
		{name: "no fold", samples: few, k: 0, err: "at least 2"},
		{name: "one photo", samples: few[:3], k: 2, err: `label "百合" has 1 photo: cross-validation needs at least 2 different ones of each label`},
		{name: "no photo", samples: few[:2], k: 2, err: `label "百合" has 0 photos`},
		{name: "copies only", samples: copies, k: 2, err: `label "rose" has 2 photos (1 without copies)`},
		{name: "too many folds", samples: few, k: 5, err: "5 folds need as many different photos, and there are 4"},
		{name: "bad label", samples: []Sample{photo("x", 3)}, k: 2, err: "label 3 of 2"},
		{name: "enough", samples: few, k: 2},
		{name: "few", samples: few, k: 3, warnings: []string{
			`label "rose" has 2 photos: only 2 of 3 folds test it`,
			`label "百合" has 2 photos: only 2 of 3 folds test it`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folds, warnings, err := Folds(tt.samples, []string{"rose", "百合"}, tt.k, 0)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error = %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil || len(folds) != len(tt.samples) {
				t.Fatal(folds, err)
			}
			if !slices.Equal(warnings, tt.warnings) {
				t.Errorf("warnings = %q, want %q", warnings, tt.warnings)
			}
		})
	}
}

func TestFoldsFollowTheContent(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 200 {
		samples, labels := foreign(random)
		for label := range labels { // enough of each for any fold
			for i := range 2 {
				samples = append(samples, photo(fmt.Sprintf("own %d %d", label, i), label))
			}
		}
		k := 2 + random.IntN(4)
		folds, _, err := Folds(samples, labels, k, 7)
		if err != nil {
			t.Fatal(err)
		}
		order := random.Perm(len(samples))
		shuffled := make([]Sample, len(samples))
		for i, from := range order {
			shuffled[i] = samples[from]
		}
		again, _, err := Folds(shuffled, labels, k, 7)
		if err != nil {
			t.Fatal(err)
		}
		digests, groups := make(map[picture.Digest]int), make(map[string]int)
		in := make([]map[int]bool, len(labels))
		used := make(map[int]bool)
		for i, from := range order {
			s, fold := samples[from], folds[from]
			if again[i] != fold {
				t.Fatalf("round %d: sample %d is in fold %d, and in %d in another order", round, from, fold, again[i])
			}
			if other, ok := digests[s.Digest]; ok && other != fold {
				t.Fatalf("round %d: one digest is in two folds", round)
			}
			if other, ok := groups[s.Group]; ok && s.Group != "" && other != fold {
				t.Fatalf("round %d: one group is in two folds", round)
			}
			digests[s.Digest], groups[s.Group] = fold, fold
			if in[s.Label] == nil {
				in[s.Label] = make(map[int]bool)
			}
			in[s.Label][fold], used[fold] = true, true
		}
		for label, folds := range in {
			if len(folds) < 2 {
				t.Fatalf("round %d: label %d is in one fold only and never trained", round, label)
			}
		}
		if len(used) != k {
			t.Fatalf("round %d: folds %v of %d", round, slices.Sorted(maps.Keys(used)), k)
		}
	}
}

func BenchmarkFolds(b *testing.B) {
	samples, labels := photos(5000, 3000, 2000)
	for b.Loop() {
		if _, _, err := Folds(samples, labels, 5, 1); err != nil {
			b.Fatal(err)
		}
	}
}
