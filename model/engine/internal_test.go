package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kaika/model/enginepb"
)

func TestLibraryIn(t *testing.T) {
	const framework = "7f00-7f01 r-xp 00000000 fe:01 42                         /opt/k/lib/libtensorflow_framework.so.2\n"
	tests := []struct{ name, maps, want string }{
		{"none", "7f00-7f01 rw-p 00000000 00:00 0\n7f00-7f01 r-xp 00000000 00:00 0                          [vdso]\n", ""},
		{"only the other", framework, ""},
		{"nothing", "", ""},
		{"plain", framework + "7f00-7f01 r-xp 00000000 fe:01 43    /opt/k/lib/libtensorflow_cc.so.2\n", "/opt/k/lib/libtensorflow_cc.so.2"},
		{"with spaces", "7f00-7f01 r-xp 00000000 fe:01 43    /home/me/My Kaika 2/libtensorflow_cc.so.2\n", "/home/me/My Kaika 2/libtensorflow_cc.so.2"},
		{"in a folder of that name", framework + "7f00-7f01 r-xp 0 fe:01 43 /opt/libtensorflow/libc.so.6\n7f00 r-xp 0 0 0 /opt/framework/libtensorflow.so.2\n", "/opt/framework/libtensorflow.so.2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := libraryIn(test.maps); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestSurplus(t *testing.T) {
	now := time.Now()
	tests := []struct {
		name string
		ages []time.Duration // Since each was used.
		want int             // So many of the oldest go.
	}{
		{"none", nil, 0},
		{"few, though old", []time.Duration{9 * ofLate, 8 * ofLate, 0}, 0},
		{"old ones", []time.Duration{9 * ofLate, 8 * ofLate, 7 * ofLate, 6 * ofLate, 0}, 2},
		{"one that is just so old", []time.Duration{ofLate + 1, ofLate, 3, 2, 1, 0}, 1},
		{"as many as may", slices.Repeat([]time.Duration{0}, enginepb.MostLoaded), 0},
		{"one too many", slices.Repeat([]time.Duration{0}, enginepb.MostLoaded+1), 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &Server{}
			for _, age := range test.ages {
				s.loaded = append(s.loaded, &slot{last: now.Add(-age)})
			}
			all := slices.Clone(s.loaded)
			got := s.surplus(now)
			if !slices.Equal(got, all[:test.want]) || !slices.Equal(s.loaded, all[test.want:]) {
				t.Errorf("%d of %d go, %d stay", len(got), len(all), len(s.loaded))
			}
		})
	}
}

func TestDealer(t *testing.T) {
	tests := []struct{ count, size, want int }{
		{10, 3, 3}, {10, 10, 10}, {10, 11, 10}, {10, -1, 10}, {7, 1, 1}, {1, 100, 1}, {0, 5, 0}, {0, -1, 0},
	}
	for _, test := range tests {
		d := newDealer(rand.New(rand.NewPCG(1, 1)), test.count, test.size)
		for round := range 4 {
			dealt := map[int32]int{}
			if test.want > 0 {
				for range test.count / test.want {
					batch := d.next()
					if len(batch) != test.want {
						t.Fatalf("%+v: a batch of %d", test, len(batch))
					}
					for _, i := range batch {
						if i < 0 || int(i) >= test.count {
							t.Fatalf("%+v: sample %d", test, i)
						}
						dealt[i]++
					}
				}
			} else if len(d.next()) != 0 {
				t.Errorf("%+v: something was dealt", test)
			}
			for i, n := range dealt {
				if n != 1 {
					t.Errorf("%+v, round %d: sample %d was dealt %d times", test, round, i, n)
				}
			}
		}
	}
	all := newDealer(rand.New(rand.NewPCG(1, 1)), 5, -1)
	if got := all.next(); !slices.IsSorted(got) {
		t.Errorf("all samples came in the order %v", got)
	}
}
