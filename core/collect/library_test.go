package collect_test

import (
	"os"
	"path/filepath"
	"testing"

	"kaika/core/collect"
	"kaika/core/curate"
)

// TestIntoDataset collects into a real dataset, which is opened anew between the runs as after a restart.
func TestIntoDataset(t *testing.T) {
	from := tree(t, map[string][]byte{
		"rose/1.jpg": photo(1), "rose/2.jpg": photo(2), "rose/same.jpg": photo(1), "バラ 園/花\n.jpg": photo(4), "rose/old/1.jpg": photo(5),
	})
	dir := filepath.Join(t.TempDir(), "dataset")
	for name, source := range map[string]collect.Local{"folder": collect.NewFolder(from), "zip": collect.NewArchive(pack(t, from, "zip"))} {
		t.Run(name, func(t *testing.T) {
			at := filepath.Join(dir, name)
			lib, err := curate.Create(t.Context(), at, nil, curate.Options{})
			if err != nil {
				t.Fatal(err)
			}
			report, _, err := run(t, collect.Collector{Library: lib, Source: source})
			if err != nil || report.Results[0].Landed != 3 || report.Results[0].Reasons[collect.Duplicate] != 1 || report.Results[1].Landed != 1 {
				t.Fatalf("got %+v, %v", report, err)
			}
			for _, name := range []string{"rose/1.jpg", "rose/1 (2).jpg", "rose/2.jpg", "バラ 園/花.jpg"} {
				if _, err := os.Stat(filepath.Join(at, name)); err != nil {
					t.Error(err)
				}
			}
			// The photos of one label are one step.
			if a, err := lib.Undo(t.Context()); err != nil || a.Kind != curate.Added || a.Count != 1 {
				t.Errorf("undo took back %+v, %v", a, err)
			}
			if a, ok := lib.CanUndo(); !ok || a.Count != 3 {
				t.Errorf("undo would take back %+v", a)
			}
			if _, err := lib.Redo(t.Context()); err != nil {
				t.Error(err)
			}
			if err := lib.Close(); err != nil {
				t.Fatal(err)
			}

			if lib, err = curate.Open(t.Context(), at, curate.Options{}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := lib.Close(); err != nil {
					t.Error(err)
				}
			})
			gone := lib.Photos(curate.Query{Labels: []string{"rose"}})[0]
			if err := lib.Delete(t.Context(), []curate.ID{gone.ID}); err != nil {
				t.Fatal(err)
			}
			report, _, err = run(t, collect.Collector{Library: lib, Source: source})
			if r := report.Results[0]; err != nil || r.There != 2 || r.Landed != 0 || r.Reasons[collect.Deleted] < 1 {
				t.Errorf("again: %+v, %v", r, err)
			}
			for _, p := range lib.Photos(curate.Query{}) {
				if p.Source.From == "" || p.Source.Kind == "" {
					t.Errorf("nobody knows where %s came from: %+v", p.Path, p.Source)
				}
			}
		})
	}
}
