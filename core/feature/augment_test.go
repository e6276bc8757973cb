package feature

import (
	"maps"
	"math"
	"slices"
	"testing"

	"kaika/core/picture"
)

func TestViewsFollowFromSeedAndContent(t *testing.T) {
	all := Augmentation{Views: 8, Flip: true, Crop: 20, Scale: 30, Brightness: 15, Rotation: 25}
	a, b := picture.Sum([]byte("a")), picture.Sum([]byte("b"))
	names := func(au Augmentation, d picture.Digest, seed int64) (names [8]string) {
		for i, v := range au.Of(d, seed) {
			names[i] = v.String()
		}
		return names
	}
	if again := names(all, a, 1); names(all, a, 1) != again {
		t.Error("the views of a photo differ from run to run")
	}
	if names(all, a, 1) == names(all, b, 1) || names(all, a, 1) == names(all, a, 2) || names(all, a, 1) == names(all, a, -1) {
		t.Error("another photo or another seed gives the same views")
	}
	// What is in caches on disks already must go on being found.
	first := all.Of(a, 1)[0]
	if first.Zoom = 0; first.String() != "f1 a-18.437246 z0 x0.0068638325 y-0.108139396 b-0.010291636" {
		t.Errorf("but for its zoom, which processors round differently, the first view is %q", first)
	}
	fewer := all
	fewer.Views = 3
	for i, v := range fewer.Of(a, 1) {
		if v.String() != names(all, a, 1)[i] {
			t.Errorf("view %d depends on the number of views", i)
		}
	}
	dark := all
	dark.Brightness = 0
	for i, v := range dark.Of(a, 1) {
		v.Brightness = all.Of(a, 1)[i].Brightness
		if v != all.Of(a, 1)[i] {
			t.Errorf("view %d: brightness changes the other variations", i)
		}
	}
}

func TestViewsKeepToTheirRanges(t *testing.T) {
	within := func(v, limit float32) bool { return !math.IsNaN(float64(v)) && -limit <= v && v <= limit }
	for name, a := range map[string]Augmentation{
		"flip":       {Views: 6, Flip: true},
		"crop":       {Views: 6, Crop: 90},
		"scale":      {Views: 6, Scale: 400},
		"both":       {Views: 6, Crop: 30, Scale: 20},
		"brightness": {Views: 6, Brightness: 100},
		"rotation":   {Views: 6, Rotation: 180},
	} {
		t.Run(name, func(t *testing.T) {
			if err := a.Validate(); err != nil || !a.Varies() {
				t.Fatal(err, a.Varies())
			}
			largest := (1+float32(a.Scale)/100)/(1-float32(a.Crop)/100) - 1
			for seed := range int64(100) {
				views := a.Of(picture.Sum([]byte(name)), seed)
				if len(views) != a.Views {
					t.Fatalf("%d views", len(views))
				}
				for i, v := range views {
					moves := a.Crop > 0 || a.Scale > 0
					switch {
					case v.Flip != (a.Flip && i%2 == 0),
						!within(v.Angle, float32(a.Rotation)), !within(v.Brightness, float32(a.Brightness)/100),
						!(v.Zoom >= 0 && v.Zoom <= largest*1.00001), !within(v.DX, 1), !within(v.DY, 1),
						!moves && (v.Zoom != 0 || v.DX != 0 || v.DY != 0):
						t.Fatalf("%v gives view %d: %v", a, i, v)
					}
				}
			}
		})
	}
}

func TestViewsThatAreTheSameHaveOneName(t *testing.T) {
	a := Augmentation{Views: 8, Flip: true}
	names := map[string]bool{}
	for seed := range int64(20) {
		for _, v := range a.Of(picture.Digest{}, seed) {
			names[v.String()] = true
		}
	}
	if len(names) != 2 || !names[""] || !names["f1 a0 z0 x0 y0 b0"] {
		t.Errorf("a photo and its mirror image have the names %q", slices.Sorted(maps.Keys(names)))
	}
}

func TestAugmentationValidates(t *testing.T) {
	for name, c := range map[string]struct {
		a     Augmentation
		valid bool
	}{
		"nothing":         {Augmentation{}, true},
		"most":            {Augmentation{100, true, 90, 400, 100, 180}, true},
		"fewer than none": {Augmentation{Views: -1}, false},
		"too many":        {Augmentation{Views: 101}, false},
		"crop":            {Augmentation{Crop: 91}, false},
		"negative crop":   {Augmentation{Crop: -1}, false},
		"scale":           {Augmentation{Scale: 401}, false},
		"negative scale":  {Augmentation{Scale: -1}, false},
		"brightness":      {Augmentation{Brightness: 101}, false},
		"darkness":        {Augmentation{Brightness: -1}, false},
		"rotation":        {Augmentation{Rotation: 181}, false},
		"back":            {Augmentation{Rotation: -1}, false},
	} {
		if err := c.a.Validate(); (err == nil) != c.valid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if views := (Augmentation{Views: 4}).Of(picture.Digest{}, 1); views != nil {
		t.Errorf("views without a variation: %v", views)
	}
	if views := (Augmentation{Flip: true}).Of(picture.Digest{}, 1); len(views) != 0 {
		t.Errorf("views though none is asked for: %v", views)
	}
}

func TestViewNames(t *testing.T) {
	seen := map[string]View{}
	for _, v := range []View{
		{}, {Flip: true}, {Angle: 1}, {Zoom: 1}, {DX: 1}, {DY: 1}, {Brightness: 1}, {Angle: -1}, {Zoom: 0.1}, {Zoom: math.Nextafter32(0.1, 1)},
	} {
		if other, twice := seen[v.String()]; twice {
			t.Errorf("%v and %v are both %q", v, other, v)
		}
		seen[v.String()] = v
	}
	if name := (View{}).String(); name != "" {
		t.Errorf("the photo itself is %q", name)
	}
}
