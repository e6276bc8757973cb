package model

import (
	"math"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kaika/model/efficientnet"
)

func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range Catalogue() {
		if err := b.Validate(); err != nil {
			t.Error(err)
		}
		if seen[b.Name] {
			t.Errorf("%s is there twice", b.Name)
		}
		seen[b.Name] = true
		for field, value := range map[string]string{
			"title": b.Title, "good_for": b.GoodFor, "licence": b.Licence, "homepage": b.Homepage,
			"source": b.Source.Member + strings.Join(b.Source.Join, " "),
		} {
			if value == "" || strings.Contains(value, "\n") {
				t.Errorf("%s: %s is %q", b.Name, field, value)
			}
		}
		for _, address := range []string{b.LicenceURL, b.Homepage} {
			if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" {
				t.Errorf("%s: %q is no address", b.Name, address)
			}
		}
		if len(b.Source.Join) > 0 {
			length := 0
			for _, part := range Catalogue() {
				if slices.Contains(b.Source.Join, part.Name) {
					length += part.FeatureLength
				}
			}
			if length != b.FeatureLength || len(b.Digest) != 64 {
				t.Errorf("%s: %d features of %v, and the digest %q", b.Name, length, b.Source.Join, b.Digest)
			}
			continue
		}
		if b.Source.Package != "" {
			v, ok := efficientnet.Lookup(b.Name)
			if !ok || v.Size != b.InputSize || b.InputTensor != efficientnet.InputName+":0" ||
				b.BottleneckTensor != efficientnet.FeatureName+":0" || b.FeatureLength != efficientnet.FeatureLength {
				t.Errorf("%s does not describe what package efficientnet builds", b.Name)
			}
			if len(b.Source.SHA256) != 64 || len(b.Digest) != 64 || b.Source.Version == "" {
				t.Errorf("%s: the package is not pinned", b.Name)
			}
			continue
		}
		if u, err := url.Parse(b.Source.URL); err != nil || u.Host == "" || path.Ext(u.Path) != ".tgz" || b.Source.MaxBytes <= 0 {
			t.Errorf("%s: %q with at most %d bytes is no download", b.Name, b.Source.URL, b.Source.MaxBytes)
		}
	}
	if first := Catalogue()[0].Name; first != DefaultName {
		t.Errorf("the first entry is %s", first)
	}
	// The names that retrain.py's --architecture takes.
	names := []string{"inception_v3"}
	for _, width := range []string{"1.0", "0.75", "0.50", "0.25"} {
		for _, size := range []string{"224", "192", "160", "128"} {
			names = append(names, "mobilenet_"+width+"_"+size)
		}
	}
	for _, name := range names {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestBaseValidate(t *testing.T) {
	good := ownBase("mine")
	good.DefaultSize = good.InputSize
	tests := []struct {
		name   string
		change func(*Base)
		want   []string // Each in the error; none where there is no error.
	}{
		{"complete", func(*Base) {}, nil},
		{"an output without a number", func(b *Base) { b.InputTensor = "input" }, nil},
		{"any size", func(b *Base) { b.AnySize, b.DefaultSize = true, 320 }, nil},
		{"no name", func(b *Base) { b.Name = "" }, []string{`""`, "a-z"}},
		{"a name that leads elsewhere", func(b *Base) { b.Name = "../mine" }, []string{`"../mine"`}},
		{"a name in capitals", func(b *Base) { b.Name = "Mine" }, []string{`"Mine"`}},
		{"a hidden name", func(b *Base) { b.Name = ".mine" }, []string{`".mine"`}},
		{"no input", func(b *Base) { b.InputTensor = "" }, []string{"input_tensor"}},
		{"no tensor's name", func(b *Base) { b.BottleneckTensor = "my tensor" }, []string{"bottleneck_tensor", "my tensor"}},
		{"a control input", func(b *Base) { b.InputTensor = "^input" }, []string{"input_tensor"}},
		{"no features", func(b *Base) { b.FeatureLength = 0 }, []string{"feature_length is 0"}},
		{"no size", func(b *Base) { b.InputSize, b.DefaultSize = 0, 0 }, []string{"input_size is 0", "default_size is 0"}},
		{"another size without leave", func(b *Base) { b.DefaultSize = 320 }, []string{"any_size"}},
		{"no scale", func(b *Base) { b.Scale = 0 }, []string{"(x - mean) / scale"}},
		{"a mean that is none", func(b *Base) { b.Mean = float32(math.NaN()) }, []string{"mean is NaN"}},
		{"several at once", func(b *Base) { b.Scale, b.FeatureLength = 0, -1 }, []string{"scale", "feature_length"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := good
			test.change(&b)
			err := b.Validate()
			if (err != nil) != (test.want != nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not speak of %q", err, want)
				}
			}
		})
	}
}

func TestBaseSize(t *testing.T) {
	fixed := Base{Name: "fixed", InputSize: 224, DefaultSize: 224}
	free := Base{Name: "free", InputSize: 224, DefaultSize: 288, AnySize: true}
	tests := []struct {
		base         Base
		wanted, want int
		wrong        string
	}{
		{fixed, 0, 224, ""},
		{fixed, 224, 224, ""},
		{fixed, 288, 0, "224 x 224 pixels only"},
		{free, 0, 288, ""},
		{free, 320, 320, ""},
		{free, 8, 0, "choose from"},
		{free, -1, 0, "choose from"},
		{free, 100_000, 0, "choose from"},
	}
	for _, test := range tests {
		got, err := test.base.Size(test.wanted)
		if got != test.want || (err != nil) != (test.wrong != "") || (err != nil && !strings.Contains(err.Error(), test.wrong)) {
			t.Errorf("%s at %d: %d, %v", test.base.Name, test.wanted, got, err)
		}
	}
}

func TestReadDescription(t *testing.T) {
	tests := []struct {
		name, text string
		want       Base
		wrong      string
	}{
		{"a description", `{"title": "Mine", "input_size": 96, "scale": 255}`, Base{Title: "Mine", InputSize: 96, Scale: 255}, ""},
		{"the description of an installed one", `{"name": "mine", "graph_bytes": 3, "origin": "x", "added_at": "2024-01-02T03:04:05Z"}`, Base{Name: "mine"}, ""},
		{"a slip", `{"input_sise": 96}`, Base{}, "input_sise"},
		{"a word for a number", `{"input_size": "96"}`, Base{}, "input_size"},
		{"a list", `[]`, Base{}, "JSON object"},
		{"nothing", ``, Base{}, "JSON object"},
		{"two", `{} {}`, Base{}, "more than one"},
		{"another file", strings.Repeat("x", maxDescription+1), Base{}, "megabyte"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ReadDescription(strings.NewReader(test.text))
			if !reflect.DeepEqual(got, test.want) || (err != nil) != (test.wrong != "") || (err != nil && !strings.Contains(err.Error(), test.wrong)) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func FuzzReadDescription(f *testing.F) {
	f.Add(`{"name": "mine", "input_size": 96, "mean": 1e40}`)
	f.Add(`{"source": {"url": "x"}}`)
	f.Add(string(catalogueJSON))
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ReadDescription(strings.NewReader(text))
		if err == nil && b.Validate() == nil && !slices.Contains([]bool{b.AnySize, b.DefaultSize == b.InputSize}, true) {
			t.Errorf("%+v is not valid", b)
		}
	})
}
