package app

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"kaika/core/picture/picturetest"
)

// TestDatasetFetch downloads from a server that is not the publisher's: what it gives is refused, and nothing is left in
// the place of the photos. How a good archive is unpacked, package dataset tests.
func TestDatasetFetch(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	var answer atomic.Value
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/some/where/example_images/flower_photos.tgz" {
			t.Errorf("asked for %s", r.URL)
		}
		data, ok := answer.Load().([]byte)
		if !ok || data == nil {
			http.NotFound(w, r)
			return
		}
		if _, err := w.Write(data); err != nil {
			t.Log(err) // It hung up on us, which is its right.
		}
	}))
	defer server.Close()
	u.env = []string{"KAIKA_MIRROR=" + server.URL + "/some/where/"}
	dir := filepath.Join(t.TempDir(), "flowers")
	for _, data := range [][]byte{[]byte("no archive"), nil, bytes.Repeat([]byte("x"), 1000)} {
		answer.Store(data)
		a := u.kaika("dataset", "fetch", "flower_photos", "--dir", dir).ends(exitFailed, "fetch the example flower_photos")
		if strings.Count(a.stderr, "kaika: ") != 1 {
			t.Errorf("says %s", a.stderr)
		}
		u.nothingElse(filepath.Dir(dir))
	}
	if asked.Load() == 0 {
		t.Error("the mirror was not asked")
	}
	// A folder with something else in it is left alone, and not after the download.
	asked.Store(0)
	write(t, []byte("mine"), dir, "notes.txt")
	u.kaika("dataset", "fetch", "flower_photos", "--dir", dir).ends(exitFailed, "choose another folder")
	u.nothingElse(dir, "notes.txt")
	if asked.Load() > 0 {
		t.Error("it downloads before it looks at the folder")
	}
	u.env = []string{"KAIKA_MIRROR=http://127.0.0.1:1"}
	u.kaika("dataset", "fetch", "flower_photos", "--dir", filepath.Join(t.TempDir(), "x")).ends(exitFailed, "127.0.0.1:1")
}

func TestMirrored(t *testing.T) {
	const publisher = "http://download.example/a/b.tgz"
	for mirror, want := range map[string]string{
		"":                         publisher,
		"http://mirror.example":    "http://mirror.example/a/b.tgz",
		"https://mirror.example/x": "https://mirror.example/x/a/b.tgz",
	} {
		t.Setenv(mirrorVariable, mirror)
		if got, err := mirrored(publisher); err != nil || got != want {
			t.Errorf("%q: %s, %v", mirror, got, err)
		}
	}
	for _, bad := range []string{"nowhere", "http://", ":"} {
		t.Setenv(mirrorVariable, bad)
		if got, err := mirrored(publisher); err == nil {
			t.Errorf("%q makes %s", bad, got)
		}
	}
}

// TestDatasetAsAFlag names the dataset in both ways.
func TestDatasetAsAFlag(t *testing.T) {
	dir := picturetest.Dataset(t, 2, "rose", "tulip")
	for _, command := range []string{"stats", "credits", "augment --copies 1 --flip_left_right", "augment --remove", "export"} {
		words := append([]string{"dataset"}, strings.Fields(command)...)
		for i, at := range [][]string{{dir}, {"--dataset", dir}, {"--dataset=" + dir}} {
			args := append(slices.Clone(words), at...)
			if command == "export" {
				args = append(args, filepath.Join(t.TempDir(), "d.tar"))
			}
			if code, _, stderr := told(t, args...); code != exitDone {
				t.Errorf("%s, way %d: exit code %d, said %s", command, i, code, stderr)
			}
		}
		if code, _, stderr := told(t, words...); code != exitUsage {
			t.Errorf("%s without a dataset: exit code %d, said %s", command, code, stderr)
		}
		if code, _, stderr := told(t, append(slices.Clone(words), "--dataset", dir, dir, "a.tar", "b")...); code != exitUsage {
			t.Errorf("%s with too much: exit code %d, said %s", command, code, stderr)
		}
	}
}
