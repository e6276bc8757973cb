//go:build linux

package story_test

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kaika/core/collect/collecttest"
)

// TestStoryOfCollecting types three keywords into the window and collects 20 photos of each, from a Flickr and an Openverse
// on this machine that go wrong in one answer of five.
func TestStoryOfCollecting(t *testing.T) {
	keywords := []string{"rose", "sunflower", "lilium"}
	for _, service := range []string{"Flickr", "Openverse"} {
		t.Run(service, func(t *testing.T) {
			server := &collecttest.Server{
				Key: "0123456789abcdef0123456789abcdef", Secret: "fedcba9876543210",
				Faults: collecttest.Faults{Seed: 7, Rate: 0.2},
			}
			for _, keyword := range keywords {
				server.Photos = append(server.Photos, collecttest.Photos(keyword, 120, 320)...)
			}
			at := collecttest.Start(t, server)
			home := shortTemp(t)
			dataset := filepath.Join(home, "flowers")
			if err := os.Mkdir(dataset, 0o755); err != nil {
				t.Fatal(err)
			}
			// Drawn flowers of one kind look alike, and most of them would be left out.
			prefer(t, home, map[string]string{"language": "en", "dataset": dataset, "tab": "collect", "collect.near": "off"})

			s := newScreen(t, 1280, 800)
			s.variables = []string{
				"KAIKA_FLICKR_URL=" + at + collecttest.FlickrPath, "KAIKA_OPENVERSE_URL=" + at + collecttest.OpenversePath,
				"KAIKA_FLICKR_KEY=" + server.Key, "KAIKA_FLICKR_SECRET=" + server.Secret,
			}
			p := s.start(home)
			p.sees("Photos go into") // The greeting, which is there before, names the services as well.
			p.click(p.sees(service))
			p.click(p.sees("Add keyword"))
			for i, keyword := range keywords {
				if i > 0 {
					p.turns(func() { p.press("return") }) // Into the next row.
				}
				p.enter(keyword)
			}
			p.still()
			p.keep("collect-1-" + strings.ToLower(service))
			p.click(p.sees("Collect 60 photos"))
			p.until("60 photos have landed", func() bool { return len(photosIn(t, dataset)) == 60 })
			p.sees("60 new photos are in “flowers”")
			p.sees("New (60)")
			p.click(p.seesFlowers()[0])
			p.seesWhere("the page of the photo", func(words []word) bool {
				return slices.ContainsFunc(words, func(w word) bool { return strings.Contains(w.text, "flickr.com") })
			})
			p.keep("collect-2-" + strings.ToLower(service))
			p.close()

			contents := map[[sha256.Size]byte]string{}
			labels := map[string]int{}
			for name, content := range photosIn(t, dataset) {
				sum := sha256.Sum256(content)
				if other, twice := contents[sum]; twice {
					t.Errorf("%s and %s are the same", name, other)
				}
				contents[sum] = name
				labels[filepath.Dir(name)]++
			}
			for _, keyword := range keywords {
				if labels[keyword] != 20 {
					t.Errorf("there are %d photos of %s, want 20", labels[keyword], keyword)
				}
			}
			if made := server.Counts().Faults; made < 5 {
				t.Errorf("only %d answers went wrong", made)
			}
			credited(t, dataset, strings.ToLower(service))
			for _, place := range []string{"state", "config", "cache"} {
				untold(t, filepath.Join(home, place), server.Key, server.Secret)
			}
		})
	}
}

// credited wants the author and the licence of each photo, in the file that goes with the dataset.
func credited(tb testing.TB, dataset, kind string) {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(dataset, ".kaika", "sources.jsonl"))
	if err != nil {
		tb.Fatal(err)
	}
	ids := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		var entry struct {
			Source struct{ Kind, ID, Author, License string }
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			tb.Fatalf("%s: %v", line, err)
		}
		if s := entry.Source; s.Kind != kind || s.Author == "" || s.License == "" {
			tb.Errorf("nobody knows whom to credit: %s", line)
		}
		ids[entry.Source.ID] = true
	}
	if len(ids) != 60 {
		tb.Errorf("there are the sources of %d photos, want 60", len(ids))
	}
}

// untold wants these words in no file below a folder.
func untold(tb testing.TB, dir string, words ...string) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, word := range words {
			if strings.Contains(string(data), word) {
				tb.Errorf("%s has the key", path)
			}
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		tb.Fatal(err)
	}
}
