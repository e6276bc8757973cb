package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kaika/core/collect"
	"kaika/core/collect/collecttest"
	"kaika/core/picture/picturetest"
)

// services starts Flickr and Openverse on this machine, with 40 photos of each keyword.
func services(t *testing.T) *collecttest.Server {
	t.Helper()
	s := &collecttest.Server{Key: "0123456789abcdef", Secret: "a secret that nobody may see"}
	for _, keyword := range []string{"rose", "sunflower", "lilium"} {
		s.Photos = append(s.Photos, collecttest.Photos(keyword, 40, 400)...)
	}
	at := collecttest.Start(t, s)
	t.Setenv(flickrVariable, at+collecttest.FlickrPath)
	t.Setenv(openverseVariable, at+collecttest.OpenversePath)
	t.Setenv(flickrKeyVariable, s.Key)
	t.Setenv(flickrSecretVariable, s.Secret)
	return s
}

// told runs a command and gives its exit code and what it wrote.
func told(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// landed counts the photos of each label folder.
func landed(t *testing.T, dir string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		counts[filepath.Base(filepath.Dir(file))]++
	}
	return counts
}

func TestCollect(t *testing.T) {
	for _, source := range []string{fromFlickr, fromOpenverse} {
		t.Run(source, func(t *testing.T) {
			s := services(t)
			dir := filepath.Join(t.TempDir(), "dataset")
			args := []string{"collect", "rose", "sunflower", "lilium=ユリ", "--count", "3", "--dataset", dir, "--source", source, "--license", "by", "--json"}
			code, stdout, stderr := told(t, args...)
			if code != exitDone {
				t.Fatalf("exit code %d, said %s", code, stderr)
			}
			if got := landed(t, dir); got["rose"] != 3 || got["sunflower"] != 3 || got["ユリ"] != 3 || len(got) != 3 {
				t.Errorf("landed %v", got)
			}
			var report collect.Report
			if err := json.Unmarshal([]byte(stdout), &report); err != nil || len(report.Results) != 3 || report.Results[0].Landed != 3 {
				t.Errorf("reported %s: %v", stdout, err)
			}
			before := s.Counts().Pictures
			if code, stdout, stderr = told(t, args[:len(args)-1]...); code != exitDone || !strings.Contains(stdout, "3 of 3, 3 of them there before") {
				t.Errorf("again: exit code %d, said %s%s", code, stdout, stderr)
			}
			if now := s.Counts().Pictures; now != before {
				t.Errorf("the second run asked for %d pictures that were there", now-before)
			}
			if strings.Contains(stderr+stdout, s.Secret) || strings.Contains(stderr+stdout, s.Key) {
				t.Error("the key is told")
			}
		})
	}
}

func TestCollectOwn(t *testing.T) {
	photos, dir := picturetest.Dataset(t, 4, "rose", "tulip"), filepath.Join(t.TempDir(), "dataset")
	code, stdout, stderr := told(t, "collect", "--source", photos, "--count", "0", "--min_side", "1", "--dataset", dir)
	if code != exitDone || !strings.Contains(stdout, "tulip") {
		t.Fatalf("exit code %d, said %s%s", code, stdout, stderr)
	}
	labels, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range labels {
		names = append(names, l.Name())
	}
	if !slices.Equal(names, []string{".kaika", "rose", "tulip"}) {
		t.Errorf("there are %v", names)
	}
}

func TestCollectBadly(t *testing.T) {
	s := services(t)
	dir := filepath.Join(t.TempDir(), "dataset")
	for _, test := range []struct {
		args  string
		code  int
		words string
	}{
		{"collect rose", exitUsage, "dataset is missing"},
		{"collect --dataset " + dir, exitUsage, "name at least one keyword"},
		{"collect rose --dataset " + dir + " --license mine", exitUsage, "there is no license"},
		{"collect rose --dataset " + dir + " --count -1", exitUsage, "count must be"},
		{"collect --source " + filepath.Join(dir, "gone") + " --dataset " + dir, exitFailed, "gone"},
	} {
		code, _, stderr := told(t, strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(stderr, test.words) {
			t.Errorf("%s: exit code %d, said %q", test.args, code, stderr)
		}
	}
	t.Setenv(flickrSecretVariable, "wrong")
	code, _, stderr := told(t, "collect", "rose", "--dataset", dir)
	if code != exitFailed || strings.Contains(stderr, s.Key) {
		t.Errorf("with a wrong secret: exit code %d, said %q", code, stderr)
	}
	t.Setenv(flickrVariable, "somewhere")
	if code, _, stderr = told(t, "collect", "rose", "--dataset", dir); code != exitUsage || !strings.Contains(stderr, flickrVariable) {
		t.Errorf("with a wrong address: exit code %d, said %q", code, stderr)
	}
}
