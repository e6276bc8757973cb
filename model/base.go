// Package model knows the base networks: pre-trained image classifiers whose last layer is replaced when Kaika learns new
// labels. A catalogue, which is data, says where each comes from and how it is run; a [Store] fetches them, adds those of the
// user's own, and keeps each in a folder with its frozen graph, its description and its licence.
package model

import (
	"bytes"
	_ "embed" // for catalogue.json.
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"

	"kaika/model/graph"
)

// DefaultName is the base model that is used when none is named.
const DefaultName = "efficientnet_lite0"

// MinSize and MaxSize bound the side, in pixels, of the square that a network is given.
const (
	MinSize = 16
	MaxSize = 2048
)

// maxFeatures bounds the length of a feature vector; the longest in use have some thousands of numbers.
const maxFeatures = 1 << 20

// Base describes a base model: how its network is run, and where it comes from. In JSON it is an entry of the catalogue, and
// what a user writes to add a network of their own.
type Base struct {
	Name    string `json:"name"`     // Also its folder's name: a-z, 0-9, "_", "-" and ".".
	Title   string `json:"title"`    // For people.
	GoodFor string `json:"good_for"` // One line.

	InputTensor      string `json:"input_tensor"`      // Takes float32 [batch, size, size, 3], for example "input:0".
	BottleneckTensor string `json:"bottleneck_tensor"` // Gives float32 [batch, FeatureLength].
	FeatureLength    int    `json:"feature_length"`

	InputSize   int     `json:"input_size"`   // Side in pixels of the squares that it was trained with.
	DefaultSize int     `json:"default_size"` // Side that is used unless another is asked for.
	AnySize     bool    `json:"any_size"`     // Takes squares of every size: convolutions, and a mean over all that is left of the picture.
	Mean        float32 `json:"mean"`         // A pixel x of 0..255 enters as (x - Mean) / Scale.
	Scale       float32 `json:"scale"`

	Licence    string `json:"licence"` // As in the SPDX list, for example "Apache-2.0".
	LicenceURL string `json:"licence_url"`
	Homepage   string `json:"homepage"`

	Source Source `json:"source,omitzero"`
	Digest string `json:"graph_sha256,omitempty"` // Of the frozen graph, where it is known.
}

// Source tells where a base model is fetched: a Python package that holds PyTorch weights, an archive at an address that
// holds a frozen graph, or other base models that are joined to one. It is zero for a model that a user added.
type Source struct {
	Join []string `json:"join,omitempty"` // Names in the catalogue.

	Package string `json:"package,omitempty"`
	Version string `json:"version,omitempty"`
	SHA256  string `json:"sha256,omitempty"` // Of the package's wheel.

	URL      string `json:"url,omitempty"`
	MaxBytes int64  `json:"max_bytes,omitempty"` // Most that is downloaded.

	Member string `json:"member,omitempty"` // File in the wheel or the archive.
}

//go:embed catalogue.json
var catalogueJSON []byte

// Catalogue returns the base models that Kaika knows how to fetch, the default first.
//
// Of the MobileNets of retrain.py the quantized ones are left out: they are the same networks rounded to eight bits for
// telephones of 2017, so they know less, and TensorFlow runs them no faster here.
func Catalogue() []Base {
	var bases []Base
	if err := json.Unmarshal(catalogueJSON, &bases); err != nil {
		panic(fmt.Sprintf("model: the catalogue that was compiled in is broken: %v", err)) // A test reads it.
	}
	return bases
}

// maxDescription bounds the size in bytes of a description.
const maxDescription = 1 << 20

// ReadDescription reads a user's description of a network: one [Base] in JSON, or the base_model.json of an installed one.
// What it leaves out stays zero; a field that does not exist is an error, since it is most likely a slip. See [Base.Validate]
// for what is needed in the end.
func ReadDescription(r io.Reader) (Base, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDescription+1))
	if err != nil {
		return Base{}, fmt.Errorf("reading the description: %w", err)
	}
	if len(data) > maxDescription {
		return Base{}, errors.New("the description is larger than a megabyte: is it the right file?")
	}
	var read record
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&read); err != nil {
		return Base{}, fmt.Errorf("the description is not a JSON object of the fields that are known: %w", err)
	}
	if decoder.More() {
		return Base{}, errors.New("the description holds more than one JSON object")
	}
	return read.Base, nil
}

// Validate tells in words what is wrong with a description, all of it at once; nil if it can be used.
func (b Base) Validate() error {
	var wrong []string
	claim := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	finite := func(f float32) bool { return !math.IsInf(float64(f), 0) && !math.IsNaN(float64(f)) }
	sensible := func(side int) bool { return side >= MinSize && side <= MaxSize }

	if err := checkName(b.Name); err != nil {
		wrong = append(wrong, err.Error())
	}
	for _, t := range []struct{ field, name string }{{"input_tensor", b.InputTensor}, {"bottleneck_tensor", b.BottleneckTensor}} {
		claim(isTensor(t.name), `%s is %q: give a tensor's name, such as "input:0"`, t.field, t.name)
	}
	claim(b.FeatureLength >= 1 && b.FeatureLength <= maxFeatures,
		"feature_length is %d: give how many numbers %s has for one photo", b.FeatureLength, b.BottleneckTensor)
	claim(sensible(b.InputSize), "input_size is %d: give the side in pixels of the pictures that the network was trained with", b.InputSize)
	claim(sensible(b.DefaultSize), "default_size is %d: give a side of %d to %d pixels", b.DefaultSize, MinSize, MaxSize)
	claim(b.AnySize || b.DefaultSize == b.InputSize,
		"default_size is %d and input_size %d: without any_size they are the same", b.DefaultSize, b.InputSize)
	claim(finite(b.Mean) && finite(b.Scale) && b.Scale != 0,
		"mean is %g and scale %g: a pixel x of 0..255 enters as (x - mean) / scale; 127.5 and 127.5 give -1..1, 0 and 255 give 0..1", b.Mean, b.Scale)
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("the description of the base model %q cannot be used: %s", b.Name, strings.Join(wrong, "; "))
}

// Size returns the side in pixels at which the network is to be run: wanted, or the default where wanted is 0. The error says
// which sides will do.
func (b Base) Size(wanted int) (int, error) {
	switch {
	case wanted == 0:
		return b.DefaultSize, nil
	case wanted == b.InputSize:
		return wanted, nil
	case !b.AnySize:
		return 0, fmt.Errorf("%s takes pictures of %d x %d pixels only", b.Name, b.InputSize, b.InputSize)
	case wanted < MinSize || wanted > MaxSize:
		return 0, fmt.Errorf("%s cannot be run at %d pixels: choose from %d to %d", b.Name, wanted, MinSize, MaxSize)
	}
	return wanted, nil
}

// Network tells package graph how to run the network at a side of size pixels.
func (b Base) Network(size int) graph.Network {
	return graph.Network{Input: b.InputTensor, Bottleneck: b.BottleneckTensor, Size: size, Mean: b.Mean, Scale: b.Scale}
}

// checkName refuses what is no folder's name everywhere: where upper and lower case are one, on other systems, hidden.
func checkName(name string) error {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`).MatchString(name) || strings.HasSuffix(name, ".") {
		return fmt.Errorf("%q cannot be the name of a base model: use up to 64 of a-z, 0-9, _, - and ., beginning with a letter or digit", name)
	}
	return nil
}

// isTensor says whether a name can be that of a node's output: "node:0", or "node" for the first.
func isTensor(name string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*(:[0-9]{1,6})?$`).MatchString(name)
}
