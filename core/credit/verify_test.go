package credit_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"kaika/core/augment"
	"kaika/core/credit"
	"kaika/core/curate"
)

// checker knows the standing of photos by their IDs, and counts the questions.
type checker struct {
	standing map[string]credit.Standing
	asked    []string
}

var errService = errors.New("the service is not there")

func (c *checker) Check(_ context.Context, s curate.Source) (credit.Standing, error) {
	c.asked = append(c.asked, s.ID)
	now, ok := c.standing[s.ID]
	if !ok {
		return now, errService
	}
	return now, nil
}

func TestVerify(t *testing.T) {
	const by, nc = "https://creativecommons.org/licenses/by/2.0/", "https://creativecommons.org/licenses/by-nc/2.0/"
	from := func(kind, id, page string) curate.Photo {
		return photo("a", id+".jpg", curate.Source{Kind: kind, ID: id, PageURL: page, License: "CC BY 2.0", LicenseURL: by})
	}
	photos := []curate.Photo{
		from("flickr", "same", "p1"), from("flickr", "gone", "p2"), from("flickr", "other", "p3"), from("flickr", "named", "p4"), from("flickr", "gone", "p2"),
		from("flickr", "silent", "p5"), from("folder", "x", ""), from("flickr", "", ""), from(augment.Kind, "d1", "p2"), from(augment.Kind, "d2", ""), from(augment.Kind, "d3", "p1"),
	}
	c := &checker{standing: map[string]credit.Standing{
		"same": {License: "Attribution", LicenseURL: by}, "gone": {Gone: true}, "other": {License: "CC BY-NC 2.0", LicenseURL: nc},
		"named": {License: "All Rights Reserved"}, "silent": {},
	}}
	last := 0
	v, err := credit.Verify(t.Context(), photos, map[string]credit.Checker{"flickr": c}, func(done, all int) {
		if done <= last || all != len(photos) {
			t.Errorf("told of %d of %d", done, all)
		}
		last = done
	})
	if err != nil || v.Checked != 8 || v.Unchecked != 3 || last == 0 {
		t.Fatalf("%+v, %v", v, err)
	}
	var found []string
	for _, f := range v.Findings {
		found = append(found, f.Photo.Name)
		if f.Now.Gone != (f.Photo.Name == "gone.jpg" || f.Photo.Name == "d1.jpg") {
			t.Errorf("%+v", f)
		}
	}
	if !slices.Equal(found, []string{"gone.jpg", "other.jpg", "named.jpg", "gone.jpg", "d1.jpg"}) {
		t.Errorf("found %q", found)
	}
	if !slices.Equal(c.asked, []string{"same", "gone", "other", "named", "silent"}) {
		t.Errorf("asked %q", c.asked)
	}

	// A service that fails ends it; what was found stays. None of that is taken for a photo that is gone.
	delete(c.standing, "other")
	if v, err = credit.Verify(t.Context(), photos, map[string]credit.Checker{"flickr": c}, nil); !errors.Is(err, errService) || len(v.Findings) != 1 || v.Checked != 2 {
		t.Errorf("%+v, %v", v, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if v, err = credit.Verify(ctx, photos, nil, nil); !errors.Is(err, context.Canceled) || v.Checked != 0 {
		t.Errorf("cancelled: %+v, %v", v, err)
	}
}
