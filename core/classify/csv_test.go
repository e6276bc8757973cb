package classify

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func csvAnswers() []Answer {
	reason := "is a \"notes\" file,\nnot a picture"
	return []Answer{
		{File: "a b,c.jpg", Predictions: []Prediction{{"rose", 0.99955}, {"lily, wild", 0.0004}, {"薔薇", 0.00005}}},
		{File: "x.jpg", Predictions: []Prediction{}, Error: &reason},
		{File: "one.jpg", Predictions: []Prediction{{"rose", 0.31}}, Unknown: true},
	}
}

const csvText = `file,label_1,score_1,label_2,score_2,unknown,error
"a b,c.jpg",rose,0.999550,"lily, wild",0.000400,false,
x.jpg,,,,,false,"is a ""notes"" file,
not a picture"
one.jpg,rose,0.310000,,,true,
`

func TestCSV(t *testing.T) {
	var out bytes.Buffer
	c := NewCSV(&out, 2)
	for _, a := range csvAnswers() {
		if err := c.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.End(); err != nil || out.String() != csvText {
		t.Errorf("wrote %q, %v; want %q", out.String(), err, csvText)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("no space left on device")

func TestCSVTellsThatItCannotBeWritten(t *testing.T) {
	c := NewCSV(fullDisk{}, 1)
	_ = c.Add(Answer{})
	if err := c.End(); !errors.Is(err, errFull) {
		t.Errorf("the error is %v", err)
	}
}

func TestSaveCSV(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real.csv"), filepath.Join(dir, "link.csv")
	if err := errors.Join(os.WriteFile(file, []byte("old"), 0o640), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "new.csv"), file, link} {
		if err := SaveCSV(path, 2, slices.Values(csvAnswers())); err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != csvText {
			t.Errorf("%s holds %q, %v", path, data, err)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}

	// What cannot be written leaves what was there, and nothing beside it.
	if err := SaveCSV(filepath.Join(dir, "none", "x.csv"), 2, slices.Values(csvAnswers())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("into a folder that is not there: %v", err)
	}
	folder := filepath.Join(dir, "folder.csv")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := SaveCSV(folder, 2, slices.Values(csvAnswers())); err == nil {
		t.Error("over a folder: no error")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}
