package app

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaika/core/augment"
	"kaika/core/collect/collecttest"
	"kaika/core/curate"
	"kaika/core/picture/picturetest"
)

// collectedAnew makes a dataset with photos of both services and one of the user's own, and starts the services anew, where
// some photos were changed since.
func collectedAnew(t *testing.T, change func(photos []collecttest.Photo)) (dir string, s *collecttest.Server) {
	t.Helper()
	s = services(t)
	dir = filepath.Join(t.TempDir(), "dataset")
	for _, source := range []string{fromFlickr, fromOpenverse} {
		label := "rose=" + source
		if code, _, stderr := told(t, "collect", label, "--count", "4", "--dataset", dir, "--source", source, "--license", "by", "--near_duplicates"); code != exitDone {
			t.Fatal(stderr)
		}
		// The same photo may not be there twice.
		s.Photos = s.Photos[10:]
	}
	here(t, "dataset", "import", picturetest.Dataset(t, 2, "own"), "--dataset", dir).ends(exitDone)
	later := services(t)
	change(later.Photos)
	return dir, later
}

func deleteTheFirst(photos []collecttest.Photo) { photos[0].Deleted = true }

func TestDatasetVerify(t *testing.T) {
	dir, s := collectedAnew(t, func(photos []collecttest.Photo) {
		n := 0
		for i := range photos {
			if p := &photos[i]; p.License == 4 || p.License == 11 {
				switch n++; n {
				case 1:
					p.Deleted = true
				case 2:
					p.Private = true
				case 3:
					p.License = 0
				}
			}
		}
	})
	here(t, "dataset", "augment", dir, "--copies", "1", "--flip_left_right").ends(exitDone)
	r := parse[verifyReport](here(t, "dataset", "verify", "--dataset", dir, "--json").ends(exitDone, "verifying: 1 of 20 photos", "verifying: 20 of 20 photos"))
	if r.Photos != 20 || r.Checked != 16 || r.Asked != 8 || r.Unchecked != 4 || !r.Finished || r.Pruned != 0 || len(r.Findings) != 6 {
		t.Fatalf("%+v", r)
	}
	became := map[string]int{}
	for _, f := range r.Findings {
		became[f.Became]++
		if f.Label != fromFlickr || f.Source != fromFlickr && f.Source != augment.Kind || f.PageURL == "" || f.License == "" ||
			(f.LicenseNow == "All Rights Reserved") != (f.Became == becameOther) {
			t.Errorf("%+v", f)
		}
		if _, err := os.Stat(filepath.Join(dir, f.File)); err != nil {
			t.Error(err)
		}
	}
	if became[becameGone] != 2 || became[becamePrivate] != 2 || became[becameOther] != 2 {
		t.Errorf("%v", became)
	}
	asked := s.Counts().Calls["flickr.photos.getInfo"]
	a := here(t, "dataset", "verify", "--dataset", dir, "--prune").ends(exitDone)
	a.says("is gone (https://www.flickr.com/photos/", "is private (", "and is under All Rights Reserved (", "16 photos of 20 checked: 2 gone, 2 private, 2 under another licence. Nothing to check for 4",
		"6 photos moved to the trash, in one step that can be undone")
	if strings.Contains(a.stdout+a.stderr, s.Secret) || strings.Contains(a.stdout+a.stderr, s.Key) {
		t.Error("the key is told")
	}
	if now := s.Counts().Calls["flickr.photos.getInfo"]; now != asked {
		t.Errorf("it asked %d times again", now-asked)
	}
	l, err := curate.Open(t.Context(), dir, curate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(l.Photos(curate.Query{Trash: true})); n != 6 {
		t.Errorf("%d are in the trash", n)
	}
	if step, err := l.Undo(t.Context()); err != nil || step.Kind != curate.Deleted || step.Count != 6 || len(l.Photos(curate.Query{})) != 20 {
		t.Errorf("undone %+v, %v", step, err)
	}
	if _, err := l.Redo(t.Context()); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	r = parse[verifyReport](here(t, "dataset", "verify", dir, "--prune", "--max_age", "0", "--json").ends(exitDone))
	if r.Photos != 14 || r.Asked != 5 || len(r.Findings) != 0 || r.Pruned != 0 {
		t.Errorf("%+v", r)
	}
}

// TestDatasetVerifyInTrouble loses one service while it asks: what the other one said is acted upon, nothing else is thrown away,
// and the next run goes on.
func TestDatasetVerifyInTrouble(t *testing.T) {
	dir, s := collectedAnew(t, deleteTheFirst)
	good := os.Getenv(openverseVariable)
	t.Setenv(openverseVariable, strings.Replace(good, "images", "nothing", 1))
	a := here(t, "dataset", "verify", "--dataset", dir, "--prune", "--json").ends(exitFailed, "nothing is taken for gone")
	r := parse[verifyReport](a)
	if r.Finished || r.Pruned != 1 || len(r.Findings) != 1 || r.Checked != 4 || r.Asked != 4 || r.Left != 4 {
		t.Errorf("%+v", r)
	}
	if files := landed(t, dir); files["flickr"] != 3 || files["openverse"] != 4 {
		t.Errorf("there are %v", files)
	}
	here(t, "dataset", "verify", "--dataset", dir).ends(exitFailed).says("4 photos still to be asked about: the same command goes on from there")
	t.Setenv(openverseVariable, good)
	t.Setenv(flickrVariable, "http://127.0.0.1:1/nobody") // It is not asked again.
	r = parse[verifyReport](here(t, "dataset", "verify", "--dataset", dir, "--prune", "--json").ends(exitDone))
	if !r.Finished || r.Pruned != 0 || r.Asked != 4 {
		t.Errorf("%+v", r)
	}
	if n := s.Counts().Calls["flickr.photos.getInfo"]; n != 4 {
		t.Errorf("Flickr was asked %d times", n)
	}

	t.Setenv(flickrSecretVariable, "wrong")
	t.Setenv(flickrVariable, strings.Replace(good, collecttest.OpenversePath, collecttest.FlickrPath, 1))
	here(t, "dataset", "verify", "--dataset", dir, "--max_age", "0").ends(exitFailed, "check the secret in Settings")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if code := run(ctx, []string{"dataset", "verify", "--dataset", dir, "--prune"}, strings.NewReader(""), &stdout, &stderr); code != exitFailed ||
		!strings.Contains(stderr.String(), "stopped.") || strings.Count(stderr.String(), "kaika: ") != 1 {
		t.Errorf("stopped: exit code %d\n%s", code, &stderr)
	}
}

func TestDatasetVerifyUsage(t *testing.T) {
	services(t)
	none := filepath.Join(t.TempDir(), "none")
	here(t, "dataset", "verify").ends(exitUsage, "dataset is missing")
	here(t, "dataset", "verify", "a", "b").ends(exitUsage, "takes no argument")
	here(t, "dataset", "verify", "--dataset", "a", "b").ends(exitUsage, "takes no argument")
	here(t, "dataset", "verify", "--dataset", "a", "--max-age", "-1s").ends(exitUsage, "max_age")
	here(t, "dataset", "verify", "--dataset", none).ends(exitFailed, "there is no folder")
	here(t, "dataset", "verify", "--help").ends(exitDone).says("--dataset", "--prune", "--max_age", "--json", "one step that can be undone")

	// Photos of the user's own need no network, and nothing is written beside them.
	own := picturetest.Dataset(t, 2, "a")
	t.Setenv(flickrVariable, "http://127.0.0.1:1/nobody")
	t.Setenv(openverseVariable, "http://127.0.0.1:1/nobody/")
	here(t, "dataset", "verify", "--dataset", own, "--prune").ends(exitDone).says("0 photos of 2 checked", "Nothing to check for 2")
	if _, err := os.Stat(filepath.Join(own, ".kaika")); err == nil {
		t.Error("it wrote something")
	}
}
