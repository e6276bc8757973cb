package app

import (
	"bytes"
	"encoding/json"
	"image/jpeg"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kaika/core/collect"
	"kaika/core/collect/collecttest"
	"kaika/core/curate"
	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

// Variables that name servers that stand in for the services.
const (
	flickrVariable    = "KAIKA_FLICKR_URL"
	openverseVariable = "KAIKA_OPENVERSE_URL"
)

// The services as they are named in a terminal.
const (
	fromFlickr    = "flickr"
	fromOpenverse = "openverse"
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
			var report struct { // By the names that scripts rely on.
				Results []struct {
					Keyword, Label              string
					Count, Landed, There, Moved int
					Refused                     int
					Reasons                     map[string]int
					Exhausted                   bool
				} `json:"results"`
				Reasons map[string]int  `json:"reasons"`
				Refused json.RawMessage `json:"refused"`
			}
			if err := json.Unmarshal([]byte(stdout), &report); err != nil || len(report.Results) != 3 || report.Results[2].Label != "ユリ" || report.Results[0].Landed != 3 {
				t.Errorf("reported %s: %v", stdout, err)
			}
			for _, name := range []string{"results", "keyword", "label", "count", "landed", "there", "moved", "refused", "reasons", "exhausted"} {
				if !strings.Contains(stdout, `"`+name+`":`) {
					t.Errorf("%q is not in %s", name, stdout)
				}
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
	write(t, []byte("words"), photos, "tulip", "bad.jpg")
	if code, stdout, stderr = told(t, "collect", "--source", photos, "--min_side", "1", "--dataset", dir); code != exitDone || !strings.Contains(stdout, "Not used (1):\n  ") || !strings.Contains(stdout, "bad.jpg is a text file") {
		t.Errorf("exit code %d, said %s%s", code, stdout, stderr)
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
		{"collect rose rose --dataset " + dir, exitUsage, "twice"},
		{"collect rose=../../evil --dataset " + dir, exitUsage, "cannot be the name of a label"},
		{"collect rose sunflower=Rose --dataset " + dir, exitUsage, "KEYWORD=LABEL"},
		{"collect --source " + t.TempDir() + " --dataset " + dir, exitFailed, "there are no photos in"},
		{"collect --source " + filepath.Join(dir, "gone") + " --dataset " + dir, exitFailed, "gone"},
	} {
		code, _, stderr := told(t, strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(stderr, test.words) {
			t.Errorf("%s: exit code %d, said %q", test.args, code, stderr)
		}
	}
	if counts := s.Counts(); counts.Pictures > 0 {
		t.Errorf("%d pictures were asked for in vain", counts.Pictures)
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

// TestCollectNearDuplicates collects copies in another size from a folder of the user's own.
func TestCollectNearDuplicates(t *testing.T) {
	from, dir := t.TempDir(), filepath.Join(t.TempDir(), "dataset")
	flower := picturetest.Flower(1, 1, 320, 240)
	write(t, picturetest.EncodeJPEG(flower), from, "rose", "1.jpg")
	write(t, picturetest.EncodePNG(flower), from, "rose", "2.png")
	write(t, picturetest.JPEG(2, 2, 320, 240), from, "tulip", "3.jpg")
	args := []string{"collect", "--source", from, "--dataset", dir}
	code, stdout, stderr := told(t, args...)
	if got := landed(t, dir); code != exitDone || got["rose"] != 1 || got["tulip"] != 1 || !strings.Contains(stdout, "1  near duplicate") {
		t.Errorf("exit code %d, landed %v, said %s%s", code, got, stdout, stderr)
	}
	for _, flag := range []string{"--near_duplicates", "--near-duplicates"} {
		code, stdout, stderr = told(t, append(args, flag)...)
		if _, err := os.Stat(filepath.Join(dir, "rose", "2.png")); code != exitDone || err != nil {
			t.Errorf("%s: exit code %d, %v, said %s%s", flag, code, err, stdout, stderr)
		}
	}
	// What is there was not looked at by a run that took everything: the next one does.
	write(t, picturetest.JPEG(3, 3, 320, 240), from, "tulip", "4.jpg")
	if code, stdout, stderr = told(t, args...); code != exitDone || !strings.Contains(stderr, "looked at 1 of 1 photos that are there") {
		t.Errorf("exit code %d, said %s%s", code, stdout, stderr)
	}
}

// flickrAt gives a user who collects from a server that stands in for Flickr.
func flickrAt(t *testing.T, s *collecttest.Server, address string) *user {
	t.Helper()
	u := newUser(t)
	u.env = []string{
		flickrVariable + "=" + address + collecttest.FlickrPath, flickrKeyVariable + "=" + s.Key, flickrSecretVariable + "=" + s.Secret,
	}
	return u
}

// garden is a server with more photos of three keywords than the tests want. Some of them look alike.
func garden() *collecttest.Server {
	s := &collecttest.Server{Key: "0123456789abcdef", Secret: "secret"}
	for _, keyword := range []string{"rose", "sunflower", "lilium"} {
		s.Photos = append(s.Photos, collecttest.Photos(keyword, 100, 240)...)
	}
	for i := range s.Photos {
		s.Photos[i].Class += i // Flowers of one class look rather alike.
	}
	return s
}

// wish is what the tests collect: 3 x 20 photos.
func wish(dir string) []string {
	return []string{"collect", "rose", "sunflower", "lilium", "--count", "20", "--min_side", "100", "--dataset", dir, "--json"}
}

// photos gives the digests of the files in the label folders of a dataset by their names, each of which must be a whole JPEG.
func photos(t *testing.T, dir string) map[string]picture.Digest {
	t.Helper()
	found := map[string]picture.Digest{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == ".kaika":
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		data := read(t, dir, path)
		if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
			t.Errorf("%s is no whole photo: %v", path, err)
		}
		found[path] = picture.Sum(data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wholeDataset checks that catalog and list of sources know every photo of a dataset and no other, and that nothing is left behind.
func wholeDataset(t *testing.T, dir string) {
	t.Helper()
	files := photos(t, dir)
	twice := map[picture.Digest]string{}
	for name, digest := range files {
		if other := twice[digest]; other != "" {
			t.Errorf("%s and %s are the same photo", name, other)
		}
		twice[digest] = name
	}
	hidden, err := os.ReadDir(filepath.Join(dir, ".kaika"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range hidden {
		if !slices.Contains([]string{"catalog.db", "catalog.db-journal", "lock", "refused.jsonl", "sources.jsonl", "tmp"}, entry.Name()) {
			t.Errorf("%s is left behind", entry.Name())
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".kaika", "tmp")); err != nil || len(left) > 0 {
		t.Errorf("half photos are left behind: %v, %v", left, err)
	}
	known := map[picture.Digest]int{}
	if bad, err := curate.ReadSources(bytes.NewReader(read(t, dir, curate.SourcesPath)), func(r curate.SourceRecord) { known[r.Digest]++ }); bad > 0 || err != nil {
		t.Errorf("%d lines of the list of sources are bad: %v", bad, err)
	}
	library, err := curate.Open(t.Context(), dir, curate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := library.Close(); err != nil {
			t.Error(err)
		}
	}()
	all := library.Photos(curate.Query{})
	if len(all) != len(files) {
		t.Errorf("the catalog has %d photos, there are %d", len(all), len(files))
	}
	for _, p := range all {
		digest := files[p.Label+"/"+p.Name]
		if p.Source.Kind != "flickr" || p.Name != p.Source.ID+".jpg" || p.Source.Author == "" || known[digest] == 0 {
			t.Errorf("it is not known where %s came from: %+v", p.Path, p.Source)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ".kaika", "catalog.db.damaged")); err == nil {
		t.Error("the catalog was damaged")
	}
}

// TestCollectWithFaults shows that a service of which every fifth answer is wrong gives the same photos as one in good health.
func TestCollectWithFaults(t *testing.T) {
	t.Parallel()
	var want map[string]picture.Digest
	for _, rate := range []float64{0, 0.2} {
		s := garden()
		s.Faults = collecttest.Faults{Seed: 1, Rate: rate} // With 429s, after which a client waits.
		u, dir := flickrAt(t, s, collecttest.Start(t, s)), filepath.Join(t.TempDir(), "dataset")
		report := parse[collect.Report](u.kaika(wish(dir)...).ends(exitDone))
		for _, r := range report.Results {
			if r.Landed != 20 || r.There != 0 {
				t.Errorf("of %s: %+v", r.Label, r)
			}
		}
		wholeDataset(t, dir)
		got := photos(t, dir)
		if want == nil {
			want = got
		}
		if len(got) != 60 || !maps.Equal(got, want) {
			t.Errorf("with %v of the answers wrong there are %d photos: %v, not %v", rate, len(got), slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
		if made := s.Counts().Faults; float64(made) < rate*60 {
			t.Errorf("only %d faults were made", made)
		}
	}
}

// TestCollectKilled kills the program again and again while it takes in a photo: the same command goes on from there, and in
// the end there is what there would have been without that.
func TestCollectKilled(t *testing.T) {
	t.Parallel()
	s := garden()
	clean := flickrAt(t, s, collecttest.Start(t, s))
	wanted := filepath.Join(t.TempDir(), "dataset")
	clean.kaika(wish(wanted)...).ends(exitDone)
	want := photos(t, wanted)

	s = garden()
	var (
		served atomic.Int64
		strike atomic.Pointer[func()]
	)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r)
		if !strings.HasSuffix(r.URL.Path, ".jpg") {
			return
		}
		if f := strike.Load(); f != nil && served.Add(1) == 4 {
			(*f)()
		}
	}))
	t.Cleanup(server.Close)
	u, dir := flickrAt(t, s, server.URL), filepath.Join(t.TempDir(), "dataset")
	kills := 0
	for ; kills < 12; kills++ {
		// The later it strikes, the further the program is with the photo: before it is written, in the middle, with the next one.
		late := time.Duration(kills) * 2 * time.Millisecond
		struck := make(chan struct{})
		kill := func() { time.AfterFunc(late, func() { close(struck) }) }
		served.Store(0)
		strike.Store(&kill)
		r := u.start(wish(dir)...)
		select {
		case <-struck:
			r.signal(syscall.SIGKILL)
		case <-r.closed:
			t.Fatalf("it ended before it was killed: %s", r.said())
		}
		<-r.closed
		if err := r.cmd.Wait(); err == nil {
			t.Fatal("it was not killed")
		}
		for name, digest := range photos(t, dir) { // No half file, at no time.
			if want[name] != digest {
				t.Errorf("after %d kills %s is not what it should be", kills+1, name)
			}
		}
	}
	strike.Store(nil)
	before := len(photos(t, dir))
	report := parse[collect.Report](u.kaika(wish(dir)...).ends(exitDone))
	there, fresh := 0, 0
	for _, r := range report.Results {
		there, fresh = there+r.There, fresh+r.Landed
	}
	if there != before || there+fresh != 60 {
		t.Errorf("after %d kills %d photos were there; it reports %d, and %d new ones", kills, before, there, fresh)
	}
	wholeDataset(t, dir)
	if got := photos(t, dir); len(got) != 60 || !maps.Equal(got, want) {
		t.Errorf("there are %d photos: %v, not %v", len(got), slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}
