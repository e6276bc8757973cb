package credit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kaika/core/augment"
	"kaika/core/collect"
	"kaika/core/credit"
	"kaika/core/curate"
)

// checker knows the standing of photos by their IDs, and counts the questions.
type checker struct {
	standing map[string]collect.Standing
	asked    []string
}

var errService = errors.New("the service is not there")

func (c *checker) Check(_ context.Context, s curate.Source) (collect.Standing, error) {
	c.asked = append(c.asked, s.ID)
	now, ok := c.standing[s.ID]
	if !ok {
		return now, errService
	}
	return now, nil
}

const (
	by = "https://creativecommons.org/licenses/by/2.0/"
	nc = "https://creativecommons.org/licenses/by-nc/2.0/"
)

// verified gives photos, and who can be asked about those of them that are Flickr's.
func verified() ([]curate.Photo, *checker) {
	from := func(kind, id, page string) curate.Photo {
		return photo("a", id+".jpg", curate.Source{Kind: kind, ID: id, PageURL: page, License: "CC BY 2.0", LicenseURL: by})
	}
	photos := []curate.Photo{
		from("flickr", "same", "p1"), from("flickr", "gone", "p2"), from("flickr", "other", "p3"), from("flickr", "named", "p4"), from("flickr", "gone", "p2"),
		from(augment.Kind, "d1", "p2"), from("flickr", "silent", "p5"), from("folder", "x", ""), from("flickr", "", ""), from("flickr", "private", "p6"), from("flickr", "foreign", "p7"),
		from(augment.Kind, "d2", ""), from(augment.Kind, "d3", "p1"), from(augment.Kind, "d4", "p7"),
	}
	return photos, &checker{standing: map[string]collect.Standing{
		"same": {License: "Attribution", LicenseURL: by}, "gone": {Gone: true}, "other": {License: "CC BY-NC 2.0", LicenseURL: nc}, "private": {Private: true},
		"named": {License: "All Rights Reserved"}, "silent": {}, "foreign": {Unknown: true},
	}}
}

func found(v credit.Verification) string {
	var names []string
	for _, f := range v.Findings {
		names = append(names, strings.TrimSuffix(f.Photo.Name, ".jpg"))
	}
	return strings.Join(names, " ")
}

func TestVerify(t *testing.T) {
	photos, c := verified()
	last := 0
	verifier := credit.Verifier{Checkers: map[string]credit.Checker{"flickr": c}, Progress: func(done, all int) {
		if done != last+1 || all != len(photos) {
			t.Errorf("told of %d of %d", done, all)
		}
		last = done
	}}
	v, err := verifier.Verify(t.Context(), photos)
	if err != nil || v.Checked != 9 || v.Asked != 6 || v.Unchecked != 5 || last != len(photos) {
		t.Fatalf("%+v, %v, told of %d", v, err, last)
	}
	if got := found(v); got != "gone other named gone private d1" {
		t.Errorf("found %q", got)
	}
	for _, f := range v.Findings {
		if name := f.Photo.Name; f.Now.Gone != (name == "gone.jpg" || name == "d1.jpg") || f.Now.Private != (name == "private.jpg") {
			t.Errorf("%+v", f)
		}
	}
	if !slices.Equal(c.asked, []string{"same", "gone", "other", "named", "silent", "private", "foreign"}) {
		t.Errorf("asked %q", c.asked)
	}

	// A service that fails is not asked any more; what was found stays, and the others are asked. Nothing is taken for a photo
	// that is gone.
	delete(c.standing, "other")
	c.asked = nil
	other := &checker{standing: map[string]collect.Standing{"far": {Gone: true}}}
	verifier = credit.Verifier{Checkers: map[string]credit.Checker{"flickr": c, "openverse": other}}
	some := append(slices.Clone(photos), photo("a", "far.jpg", curate.Source{Kind: "openverse", ID: "far"}))
	if v, err = verifier.Verify(t.Context(), some); !errors.Is(err, errService) || found(v) != "gone gone far d1" || v.Checked != 6 || v.Left != 6 {
		t.Errorf("%s, %+v, %v", found(v), v, err)
	}
	if !slices.Equal(c.asked, []string{"same", "gone", "other"}) || len(other.asked) != 1 {
		t.Errorf("asked %q and %q", c.asked, other.asked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if v, err = (&credit.Verifier{}).Verify(ctx, photos); !errors.Is(err, context.Canceled) || v.Checked != 0 {
		t.Errorf("cancelled: %+v, %v", v, err)
	}
}

// TestVerifyGoesOn stops in the middle: the next run asks only about the rest, and gives what one run would have.
func TestVerifyGoesOn(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	memory := func() *credit.Memory {
		m, err := credit.OpenMemory(dir, 24*time.Hour, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	run := func(c *checker, photos []curate.Photo) (credit.Verification, error) {
		c.asked = nil
		m := memory()
		verifier := credit.Verifier{Checkers: map[string]credit.Checker{"flickr": c}, Memory: m}
		v, err := verifier.Verify(t.Context(), photos)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		return v, err
	}
	photos, c := verified()
	answer := c.standing["named"]
	delete(c.standing, "named")
	if v, err := run(c, photos); !errors.Is(err, errService) || found(v) != "gone other gone d1" {
		t.Fatalf("%+v, %v", v, err)
	}
	c.standing["named"] = answer
	file := filepath.Join(dir, filepath.FromSlash(credit.VerifiedPath))
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// The program was killed while it wrote.
	if err := os.WriteFile(file, append(whole, whole[:len(whole)/5]...), 0o644); err != nil {
		t.Fatal(err)
	}
	if v, err := run(c, photos); err != nil || found(v) != "gone other named gone private d1" || v.Checked != 9 || v.Asked != 3 {
		t.Errorf("%+v, %v", v, err)
	}
	if !slices.Equal(c.asked, []string{"named", "silent", "private", "foreign"}) {
		t.Errorf("asked %q", c.asked)
	}
	if v, err := run(c, photos); err != nil || found(v) != "gone other named gone private d1" || v.Asked != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	// Who has another license written down is told anew, and so is everybody a day later.
	photos[0].Source.LicenseURL = nc
	if v, err := run(c, photos); err != nil || v.Asked != 1 || !strings.HasPrefix(found(v), "same ") {
		t.Errorf("%+v, %v", v, err)
	}
	now = now.Add(25 * time.Hour)
	if v, err := run(c, photos); err != nil || v.Asked != 6 {
		t.Errorf("%+v, %v", v, err)
	}
	if data, err := os.ReadFile(file); err != nil || strings.Count(string(data), "\n") != 6 {
		t.Errorf("%q, %v", data, err)
	}
	now = now.Add(-48 * time.Hour) // The clock was wrong.
	if v, err := run(c, photos); err != nil || v.Asked != 6 {
		t.Errorf("%+v, %v", v, err)
	}
}
