package server

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kaika/core/picture/picturetest"
)

// TestTrashOfPhotos lists deleted photos, brings one back and removes the others for good, only where that is said.
func TestTrashOfPhotos(t *testing.T) {
	s := newStudio(t)
	s.flowers("garden")
	const at = "/api/v1/datasets/garden"
	all := get[photoPage](s, at+"/photos?label=rose")
	for _, p := range all.Photos[:3] {
		want[photo](s, http.StatusOK, s.ask("DELETE", fmt.Sprintf("%s/photos/%d", at, p.ID), nil))
	}
	if trash := get[photoPage](s, at+"/photos?trash=true"); trash.Total != 3 || trash.Photos[0].Deleted.IsZero() {
		t.Errorf("the trash is %+v", trash)
	}
	want[photo](s, http.StatusOK, s.post(fmt.Sprintf("%s/photos/%d/restore", at, all.Photos[0].ID), nil))
	for _, unsure := range []string{"", "?yes=", "?yes=false", "?yes=1", "?no=true"} {
		s.refused(http.StatusBadRequest, "not_sure", s.ask("DELETE", at+"/trash"+unsure, nil))
	}
	if trash := get[photoPage](s, at+"/photos?trash=true"); trash.Total != 2 {
		t.Errorf("the trash is %+v", trash)
	}
	for _, count := range []int{2, 0} {
		if gone := want[map[string]int](s, http.StatusOK, s.ask("DELETE", at+"/trash?yes=true", nil)); gone["removed"] != count {
			t.Errorf("%v were removed, not %d", gone, count)
		}
	}
	d := get[datasetDetails](s, at)
	if d.Photos != 28 || d.Trash != 0 {
		t.Errorf("the dataset is %+v", d)
	}
	s.refused(http.StatusNotFound, "no_photo", s.post(fmt.Sprintf("%s/photos/%d/restore", at, all.Photos[1].ID), nil))
	s.refused(http.StatusNotFound, "no_dataset", s.ask("DELETE", "/api/v1/datasets/nowhere/trash?yes=true", nil))
	files, err := filepath.Glob(filepath.Join(s.dir, "datasets", "garden", ".kaika", "trash", "*", "*"))
	if err != nil || len(files) > 0 {
		t.Errorf("in the trash there is still %q (%v)", files, err)
	}
}

// TestDeletedDatasets deletes datasets, brings them back and removes them.
func TestDeletedDatasets(t *testing.T) {
	s := newStudio(t)
	type list struct{ Deleted []deletedDataset }
	if l := get[list](s, "/api/v1/deleted"); l.Deleted == nil || len(l.Deleted) != 0 {
		t.Errorf("there is %+v", l)
	}
	if all := tree(t, filepath.Join(s.dir, "datasets")); len(all) > 1 {
		t.Errorf("looking made %q", all)
	}
	at := func(id string) string { return "/api/v1/deleted/" + url.PathEscape(id) }
	remove := func(name string) deletedDataset {
		t.Helper()
		gone := want[map[string]string](s, http.StatusOK, s.ask("DELETE", "/api/v1/datasets/"+url.PathEscape(name), nil))
		newest := get[list](s, "/api/v1/deleted").Deleted[0]
		if newest.ID != gone["id"] || newest.Name != name || time.Since(newest.Deleted) > time.Minute {
			t.Fatalf("the newest is %+v", newest)
		}
		return newest
	}
	const name = "my 百合 & co"
	s.flowers(name)
	first := remove(name)
	s.flowers(name)
	s.refused(http.StatusConflict, "dataset_exists", s.post(at(first.ID)+"/restore", nil))
	second := remove(name)
	for _, bad := range []string{"nothing", "..", "../garden", ".deleted", first.ID + "/", "garden 20260101-000000.000000000", "a\x00b"} {
		path := at(bad)
		if bad == ".." {
			path = "/api/v1/deleted/%2e%2e"
		}
		for _, r := range []reply{s.post(path+"/restore", nil), s.ask("DELETE", path+"?yes=true", nil)} {
			if r.StatusCode != http.StatusNotFound && r.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%q: %s %s", bad, r.Status, r.body)
			}
		}
	}
	for _, bad := range []string{"..", "a/b", ".deleted", "x."} {
		s.refused(http.StatusBadRequest, "bad_name", s.post(at(first.ID)+"/restore?name="+url.QueryEscape(bad), nil))
	}
	r := s.post(at(first.ID)+"/restore?name=back", nil)
	if want[map[string]string](s, http.StatusOK, r)["restored"] != "back" || r.Header.Get("Location") != "/api/v1/datasets/back" {
		t.Errorf("%v", r.Header)
	}
	if d := get[datasetDetails](s, "/api/v1/datasets/back"); d.Photos != 30 || len(d.Labels) != 3 {
		t.Errorf("the dataset is %+v", d)
	}
	s.refused(http.StatusNotFound, "no_deleted", s.post(at(first.ID)+"/restore", nil))
	s.refused(http.StatusConflict, "name_clash", s.post(at(second.ID)+"/restore?name=BACK", nil))

	for _, path := range []string{at(second.ID), "/api/v1/deleted"} {
		s.refused(http.StatusBadRequest, "not_sure", s.ask("DELETE", path, nil))
	}
	if gone := want[map[string][]string](s, http.StatusOK, s.ask("DELETE", at(second.ID)+"?yes=true", nil)); !slices.Equal(gone["removed"], []string{second.ID}) {
		t.Errorf("removed were %v", gone)
	}
	s.refused(http.StatusNotFound, "no_deleted", s.ask("DELETE", at(second.ID)+"?yes=true", nil))
	foreign := filepath.Join(s.dir, "datasets", deletedDir, "somebody's own")
	if err := os.MkdirAll(foreign, 0o755); err != nil {
		t.Fatal(err)
	}
	remove("back")
	s.flowers("another")
	remove("another")
	if gone := want[map[string][]string](s, http.StatusOK, s.ask("DELETE", "/api/v1/deleted?yes=true", nil)); len(gone["removed"]) != 2 {
		t.Errorf("removed were %v", gone)
	}
	if all := tree(t, filepath.Join(s.dir, "datasets", deletedDir)); !slices.Equal(all, []string{"", "/somebody's own"}) {
		t.Errorf("left is %q", all)
	}
}

// TestDeletedRaces has many bring back the same dataset, under its own name and under others, while photos are sent for a new
// one of that name: one of them has it.
func TestDeletedRaces(t *testing.T) {
	s := newStudio(t)
	s.flowers("garden")
	want[map[string]string](s, http.StatusOK, s.ask("DELETE", "/api/v1/datasets/garden", nil))
	id := url.PathEscape(get[struct{ Deleted []deletedDataset }](s, "/api/v1/deleted").Deleted[0].ID)
	var work sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for i := range 12 {
		work.Go(func() {
			name := "garden"
			if i%3 == 1 {
				name = fmt.Sprint("garden", i)
			}
			ask := func() reply { return s.post("/api/v1/deleted/"+id+"/restore?name="+name, nil) }
			if i%3 == 2 {
				ask = func() reply {
					return s.ask("POST", "/api/v1/datasets/garden/photos?label=tulip", bytes.NewReader(picturetest.JPEG(1, i, 64, 64)))
				}
			}
			r := ask()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case i%3 == 2 && r.StatusCode != http.StatusCreated && r.StatusCode != http.StatusConflict:
				t.Errorf("an upload: %s: %s", r.Status, r.body)
			case i%3 != 2 && r.StatusCode == http.StatusOK:
				done++
			case i%3 != 2 && r.StatusCode != http.StatusNotFound && r.StatusCode != http.StatusConflict:
				t.Errorf("%s: %s", r.Status, r.body)
			}
		})
	}
	work.Wait()
	roses := 0
	for _, d := range get[struct{ Datasets []datasetSummary }](s, "/api/v1/datasets").Datasets {
		roses += get[photoPage](s, "/api/v1/datasets/"+d.Name+"/photos?label=rose").Total
	}
	if done != 1 || roses != 10 {
		t.Errorf("%d brought it back, with %d photos", done, roses)
	}
}

// TestTidyRemoved starts a server after one that was killed while it removed a dataset, and while it sent another.
func TestTidyRemoved(t *testing.T) {
	dir := t.TempDir()
	half := filepath.Join(dir, "datasets", deletedDir, ".removing-1", "garden", "rose")
	sending := filepath.Join(dir, "datasets", ".sending-1")
	for _, d := range []string{half, sending} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-leftOver - time.Hour)
	if err := os.Chtimes(sending, long, long); err != nil {
		t.Fatal(err)
	}
	openStudio(t, dir)
	if all := tree(t, filepath.Join(dir, "datasets")); !slices.Equal(all, []string{"", "/.deleted"}) {
		t.Errorf("left is %q", all)
	}
}

// TestExport sends a dataset, which comes back whole on another server.
func TestExport(t *testing.T) {
	s := newStudio(t)
	const name, at = "my 百合 & co", "/api/v1/datasets/my%20%E7%99%BE%E5%90%88%20&%20co"
	s.flowers(name)
	some := get[photoPage](s, at+"/photos?label=rose")
	want[photo](s, http.StatusOK, s.ask("DELETE", fmt.Sprintf("%s/photos/%d", at, some.Photos[0].ID), nil))
	r := s.ask("GET", at+"/archive", nil)
	if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/x-tar" || r.ContentLength != int64(len(r.body)) || r.Header.Get("X-Photos-Left-Out") != "" ||
		!strings.HasPrefix(r.Header.Get("Content-Disposition"), "attachment; filename") || !strings.HasSuffix(r.Header.Get("Content-Disposition"), ".tar") {
		t.Fatalf("%s %v %d bytes", r.Status, r.Header, len(r.body))
	}
	if again := s.ask("GET", at+"/archive", nil); !bytes.Equal(again.body, r.body) {
		t.Error("the same dataset gives other bytes")
	}
	other := newStudio(t)
	if back := other.ask("POST", "/api/v1/datasets/again/archive", bytes.NewReader(r.body)); back.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %s", back.Status, back.body)
	}
	if d := get[datasetDetails](other, "/api/v1/datasets/again"); d.Photos != 29 || len(d.Labels) != 3 || d.Trash != 0 {
		t.Errorf("the dataset is %+v", d)
	}

	if err := os.Chmod(some.path(s, name, 1), 0); err != nil {
		t.Fatal(err)
	}
	if left := s.ask("GET", at+"/archive", nil); os.Getuid() != 0 && left.Header.Get("X-Photos-Left-Out") != "1" {
		t.Errorf("a photo that cannot be read: %v", left.Header)
	}
	if head := s.ask("HEAD", at+"/archive", nil); head.StatusCode != http.StatusOK || len(head.body) > 0 || head.ContentLength < 1000 {
		t.Errorf("HEAD: %s, %d", head.Status, head.ContentLength)
	}
	s.refused(http.StatusNotFound, "no_dataset", s.ask("GET", "/api/v1/datasets/nowhere/archive", nil))
	if err := os.Mkdir(filepath.Join(s.dir, "datasets", "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.refused(http.StatusConflict, "no_photos", s.ask("GET", "/api/v1/datasets/empty/archive", nil))
	left := slices.DeleteFunc(tree(t, filepath.Join(s.dir, "datasets")), func(at string) bool {
		return at == "" || strings.HasPrefix(at, "/"+name) || strings.HasPrefix(at, "/empty")
	})
	if len(left) > 0 {
		t.Errorf("it left %q", left)
	}
}

// path gives the file of a photo of a page.
func (p photoPage) path(s *studio, dataset string, i int) string {
	return filepath.Join(s.dir, "datasets", dataset, p.Photos[i].Label, p.Photos[i].Name)
}

// TestBaseModels lists what can be trained on, on the page as well: nothing that is not there.
func TestBaseModels(t *testing.T) {
	s := newStudio(t)
	bases := get[struct {
		All []BaseModel `json:"base_models"`
	}](s, "/api/v1/base_models").All
	if len(bases) != 4 || !bases[0].Here || bases[1].Here || bases[3].Problem == "" {
		t.Errorf("the base models are %+v", bases)
	}
	page := string(s.ask("GET", "/train", nil).body)
	if !strings.Contains(page, `<option value="efficientnet_lite0">EfficientNet-Lite0 (usual)</option>`) || !strings.Contains(page, `<option value="mine &lt;b&gt;">mine &lt;b&gt;</option>`) ||
		strings.Contains(page, "inception_v3") || strings.Contains(page, `value="broken`) || strings.Contains(page, "No base model is on this server") {
		t.Errorf("the page is %s", page)
	}
	s.bases = []BaseModel{{Name: "efficientnet_lite0"}}
	if page := string(s.ask("GET", "/train", nil).body); !strings.Contains(page, "No base model is on this server") || strings.Contains(page, "<option value=\"eff") {
		t.Errorf("without any, the page is %s", page)
	}
}
