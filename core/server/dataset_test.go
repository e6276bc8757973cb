package server

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kaika/core/curate"
	"kaika/core/picture/picturetest"
	"kaika/core/transfer"
)

// TestDataset takes a dataset from its first photo to its end.
func TestDataset(t *testing.T) {
	s := newStudio(t)
	if list := get[struct{ Datasets []datasetSummary }](s, "/api/v1/datasets"); list.Datasets == nil || len(list.Datasets) != 0 {
		t.Errorf("there is %+v", list)
	}
	s.refused(http.StatusNotFound, "no_dataset", s.ask("GET", "/api/v1/datasets/flowers", nil))

	rose, other := picturetest.JPEG(0, 1, 64, 48), picturetest.PNG(1, 2, 64, 48)
	answer := want[uploadAnswer](s, http.StatusCreated, s.upload("flowers", "rose",
		file{"a rose.jpg", rose}, file{"twice.jpg", rose}, file{"note.jpg", []byte("no picture")}, file{"cut.jpg", rose[:len(rose)/2]}, file{"a rose.jpg", other}))
	var reasons []string
	for _, p := range answer.Photos {
		reasons = append(reasons, p.File+":"+string(p.Reason))
		if (p.Error == nil) != (p.Reason == "") || p.Error != nil && *p.Error == "" {
			t.Errorf("%s: the error is %v for the reason %q", p.File, p.Error, p.Reason)
		}
	}
	if got := strings.Join(reasons, " "); got != "a rose.jpg: twice.jpg:duplicate note.jpg:not_a_picture cut.jpg:truncated a rose.jpg:" || answer.Added != 2 || answer.Refused != 3 {
		t.Errorf("the answer is %+v", answer)
	}
	id := answer.Photos[0].ID
	if id == 0 || answer.Photos[1].ID != id || answer.Photos[1].Label != "rose" || answer.Photos[4].ID == id {
		t.Errorf("the answer is %+v", answer.Photos)
	}
	raw := s.ask("POST", "/api/v1/datasets/flowers/photos?label=sun%20flower&name=s.gif", bytes.NewReader(picturetest.GIF(1, 1, 40, 30)))
	want[uploadAnswer](s, http.StatusCreated, raw)
	if again := want[uploadAnswer](s, http.StatusOK, s.upload("flowers", "rose", file{"x.jpg", rose})); again.Added != 0 {
		t.Errorf("the same photo again: %+v", again)
	}

	details := get[datasetDetails](s, "/api/v1/datasets/flowers")
	if details.Photos != 3 || !slices.Equal(details.Labels, []labelCount{{"rose", 2}, {"sun flower", 1}}) || details.Undo == nil || details.Trash != 0 {
		t.Errorf("the dataset is %+v", details)
	}
	page := get[photoPage](s, "/api/v1/datasets/flowers/photos?label=rose&offset=1&limit=1")
	if page.Total != 2 || len(page.Photos) != 1 || page.Photos[0].Label != "rose" || page.Photos[0].Width != 64 || page.Photos[0].Height != 48 {
		t.Errorf("the page is %+v", page)
	}
	if beyond := get[photoPage](s, "/api/v1/datasets/flowers/photos?offset=1000000"); beyond.Total != 3 || beyond.Photos == nil || len(beyond.Photos) != 0 {
		t.Errorf("the page is %+v", beyond)
	}
	for _, query := range []string{"offset=-1", "offset=x", "limit=0", "limit=1001", "limit=1e3", "trash=maybe"} {
		s.refused(http.StatusBadRequest, "bad_query", s.ask("GET", "/api/v1/datasets/flowers/photos?"+query, nil))
	}

	at := fmt.Sprintf("/api/v1/datasets/flowers/photos/%d", id)
	bytesOf := s.ask("GET", at, nil)
	if !bytes.Equal(bytesOf.body, rose) || bytesOf.Header.Get("Content-Type") != "image/jpeg" || bytesOf.Header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(bytesOf.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("the photo came with %v", bytesOf.Header)
	}
	if again := s.ask("GET", at, nil, "If-Modified-Since", bytesOf.Header.Get("Last-Modified")); again.StatusCode != http.StatusNotModified {
		t.Errorf("the photo was sent again: %s", again.Status)
	}
	if deleted := want[photo](s, http.StatusOK, s.ask("DELETE", at, nil)); deleted.Deleted.IsZero() {
		t.Errorf("the photo is %+v", deleted)
	}
	if trash := get[photoPage](s, "/api/v1/datasets/flowers/photos?trash=true"); trash.Total != 1 || trash.Photos[0].ID != id {
		t.Errorf("the trash is %+v", trash)
	}
	if gone := want[uploadAnswer](s, http.StatusOK, s.upload("flowers", "rose", file{"x.jpg", rose})); gone.Photos[0].Reason != "deleted" || gone.Photos[0].ID != id {
		t.Errorf("what was deleted came again: %+v", gone)
	}
	if back := want[photo](s, http.StatusOK, s.post(at+"/restore", nil)); !back.Deleted.IsZero() {
		t.Errorf("the photo is %+v", back)
	}
	if undone := want[action](s, http.StatusOK, s.post("/api/v1/datasets/flowers/undo", nil)); undone.Kind != curate.Restored {
		t.Errorf("undone was %+v", undone)
	}
	for _, bad := range []string{"0", "-1", "x", "99999999999999999999"} {
		s.refused(http.StatusNotFound, "no_photo", s.ask("GET", "/api/v1/datasets/flowers/photos/"+bad, nil))
		s.refused(http.StatusNotFound, "no_photo", s.ask("DELETE", "/api/v1/datasets/flowers/photos/"+bad, nil))
	}

	gone := want[map[string]string](s, http.StatusOK, s.ask("DELETE", "/api/v1/datasets/flowers", nil))
	s.refused(http.StatusNotFound, "no_dataset", s.ask("GET", "/api/v1/datasets/flowers", nil))
	s.refused(http.StatusNotFound, "no_dataset", s.ask("DELETE", "/api/v1/datasets/flowers", nil))
	if list := get[struct{ Datasets []datasetSummary }](s, "/api/v1/datasets"); len(list.Datasets) != 0 {
		t.Errorf("there is %+v", list)
	}
	kept, err := curate.Open(t.Context(), filepath.Join(s.dir, "datasets", gone["kept_as"]), curate.Options{})
	if err != nil || count(kept.Labels()) != 2 || kept.Close() != nil {
		t.Errorf("what was deleted is lost: %v", err)
	}
	want[uploadAnswer](s, http.StatusCreated, s.upload("flowers", "rose", file{"new.jpg", rose}))
	if details := get[datasetDetails](s, "/api/v1/datasets/flowers"); details.Photos != 1 || details.Trash != 0 {
		t.Errorf("the new dataset has what was deleted: %+v", details)
	}
}

// tree lists all that is in a folder.
func tree(t testing.TB, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(at string, _ fs.DirEntry, err error) error {
		all = append(all, strings.TrimPrefix(at, dir))
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

// TestNoPathGames tries names that lead elsewhere, or nowhere: none makes anything.
func TestNoPathGames(t *testing.T) {
	s := newStudio(t)
	s.flowers("flowers")
	if err := os.WriteFile(filepath.Join(s.dir, "datasets", "a file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	before := tree(t, s.dir)
	photo := picturetest.JPEG(0, 5, 64, 64)
	for _, name := range []string{
		"..", ".", "../runs", "a/b", `a\b`, ".hidden", ".deleted", "a\x00b", "a\nb", "\xff\xfe", "con:", "a*", "~", "-rf", " x", "x ", "x.", strings.Repeat("x", 201), "\u202egnp",
	} {
		at := "/api/v1/datasets/" + url.PathEscape(name)
		if name == ".." || name == "." { // Else the client goes up by itself.
			at = strings.ReplaceAll(at, ".", "%2e")
		}
		for _, r := range []reply{
			s.ask("GET", at, nil), s.ask("DELETE", at, nil), s.ask("GET", at+"/photos", nil), s.ask("POST", at+"/undo", nil),
			s.ask("POST", at+"/photos?label=rose", bytes.NewReader(photo)), s.ask("POST", at+"/archive", bytes.NewReader(photo)),
		} {
			if r.StatusCode != http.StatusBadRequest && r.StatusCode != http.StatusNotFound && r.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%q: %s %s: %s: %s", name, r.Request.Method, r.Request.URL, r.Status, r.body)
			}
		}
	}
	for _, label := range []string{"..", "../x", "a/b", `a\b`, ".hidden", "a\x00b", "a\nb", "\xff", " x", strings.Repeat("x", 300)} {
		for _, name := range []string{"flowers", "fresh"} {
			r := s.ask("POST", "/api/v1/datasets/"+name+"/photos?label="+url.QueryEscape(label), bytes.NewReader(photo))
			if r.StatusCode != http.StatusBadRequest {
				t.Errorf("the label %q: %s: %s", label, r.Status, r.body)
			}
		}
	}
	s.refused(http.StatusConflict, "label_clash", s.ask("POST", "/api/v1/datasets/flowers/photos?label=Rose", bytes.NewReader(photo)))
	for _, name := range []string{"Flowers", "FLOWERS"} {
		s.refused(http.StatusConflict, "name_clash", s.ask("POST", "/api/v1/datasets/"+name+"/photos?label=rose", bytes.NewReader(photo)))
		s.refused(http.StatusConflict, "name_clash", s.ask("POST", "/api/v1/datasets/"+name+"/archive", bytes.NewReader(photo)))
	}
	after := slices.DeleteFunc(tree(t, s.dir), func(at string) bool { return strings.Contains(at, "/flowers/.kaika") })
	if !slices.Equal(before, after) {
		t.Errorf("it made %q of %q", after, before)
	}

	for i, name := range []string{"../../evil.jpg", `..\evil.jpg`, "/etc/evil.jpg", ".hidden.jpg", "CON.jpg", "a\x00b.jpg", strings.Repeat("長", 200) + ".jpg", "", "noending", "page.html"} {
		body, kind := form(t, file{"PLACEHOLDER", picturetest.JPEG(1, 100+i, 64, 64)})
		data := bytes.Replace(body.Bytes(), []byte("PLACEHOLDER"), []byte(name), 1)
		r := s.ask("POST", "/api/v1/datasets/flowers/photos?label=new", bytes.NewReader(data), "Content-Type", kind)
		if r.StatusCode >= http.StatusInternalServerError {
			t.Errorf("%q: %s: %s", name, r.Status, r.body)
		}
	}
	page := get[photoPage](s, "/api/v1/datasets/flowers/photos?label=new")
	if page.Total < 8 {
		t.Errorf("only %d photos of odd names landed", page.Total)
	}
	for _, p := range page.Photos {
		if _, err := os.Stat(filepath.Join(s.dir, "datasets", "flowers", "new", p.Name)); err != nil || strings.HasPrefix(p.Name, ".") || !strings.HasSuffix(p.Name, ".jpg") {
			t.Errorf("a photo lies as %q: %v", p.Name, err)
		}
	}
	for _, at := range tree(t, s.dir) {
		if strings.Contains(at, "evil") && !strings.HasPrefix(at, "/datasets/flowers/new/") {
			t.Errorf("a file was written to %s", at)
		}
	}
}

// TestNameClash has names that differ only in how letters are put together.
func TestNameClash(t *testing.T) {
	s := newStudio(t)
	photo := picturetest.JPEG(0, 5, 64, 64)
	want[uploadAnswer](s, http.StatusCreated, s.ask("POST", "/api/v1/datasets/"+url.PathEscape("Ba\u0308ume")+"/photos?label=x", bytes.NewReader(photo)))
	s.refused(http.StatusConflict, "name_clash", s.ask("POST", "/api/v1/datasets/"+url.PathEscape("b\u00e4ume")+"/photos?label=x", bytes.NewReader(photo)))
	want[uploadAnswer](s, http.StatusCreated, s.ask("POST", "/api/v1/datasets/"+url.PathEscape("百合 (2)")+"/photos?label=x", bytes.NewReader(photo)))
}

// TestBadUploads sends what is no upload of photos, or not all of one.
func TestBadUploads(t *testing.T) {
	s := newStudio(t)
	at := "/api/v1/datasets/d/photos?label=rose"
	photo := picturetest.JPEG(0, 1, 64, 64)
	s.refused(http.StatusBadRequest, "no_label", s.ask("POST", "/api/v1/datasets/d/photos", bytes.NewReader(photo)))
	s.refused(http.StatusBadRequest, "no_photos", s.ask("POST", at, nil))
	s.refused(http.StatusBadRequest, "bad_form", s.ask("POST", at, bytes.NewReader(photo), "Content-Type", "multipart/form-data"))
	s.refused(http.StatusBadRequest, "no_photos", s.ask("POST", at, bytes.NewReader(photo), "Content-Type", "multipart/form-data; boundary=x"))
	empty, kind := form(t)
	s.refused(http.StatusBadRequest, "no_photos", s.ask("POST", at, empty, "Content-Type", kind))
	if list := get[struct{ Datasets []datasetSummary }](s, "/api/v1/datasets"); len(list.Datasets) != 0 {
		t.Errorf("a dataset was made of nothing: %+v", list)
	}
	if r := want[uploadAnswer](s, http.StatusOK, s.upload("d", "rose", file{"empty.jpg", nil}, file{"huge.jpg", picturetest.HugeClaim()})); r.Refused != 2 {
		t.Errorf("the answer is %+v", r)
	}

	whole, kind := form(t, file{"1.jpg", photo}, file{"2.jpg", picturetest.JPEG(0, 2, 64, 64)})
	cut := whole.Bytes()[:whole.Len()-200]
	said := s.refused(http.StatusBadRequest, "bad_form", s.ask("POST", at, bytes.NewReader(cut), "Content-Type", kind))
	if !strings.Contains(said, "1 photos of this request came in") {
		t.Errorf("it says %q", said)
	}
	if d := get[datasetDetails](s, "/api/v1/datasets/d"); d.Photos != 1 {
		t.Errorf("the dataset is %+v", d)
	}
	var many []file
	for i := range maxParts + 1 {
		many = append(many, file{fmt.Sprintf("%d.jpg", i), []byte("x")})
	}
	s.refused(http.StatusBadRequest, "too_many", s.upload("d", "rose", many...))

	// A client that goes away in the middle.
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	r := s.request("POST", at, read).WithContext(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if response, err := http.DefaultClient.Do(r); err == nil {
			_ = response.Body.Close()
			t.Error("an upload that was broken off got an answer")
		}
	}()
	if _, err := write.Write(photo[:100]); err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = write.CloseWithError(io.ErrClosedPipe)
	<-ended
	want[uploadAnswer](s, http.StatusCreated, s.upload("d", "rose", file{"3.jpg", picturetest.JPEG(0, 3, 64, 64)}))
}

// TestUploadsTogether has many clients upload to one dataset that is not there yet.
func TestUploadsTogether(t *testing.T) {
	s := newStudio(t)
	var wait sync.WaitGroup
	for i := range 12 {
		wait.Go(func() {
			r := s.upload("d", fmt.Sprintf("label %d", i%3), file{"x.jpg", picturetest.JPEG(i, 1, 64, 64)}, file{"same.jpg", picturetest.JPEG(99, 1, 64, 64)})
			if r.StatusCode != http.StatusCreated {
				t.Errorf("%s: %s", r.Status, r.body)
			}
		})
	}
	wait.Wait()
	if d := get[datasetDetails](s, "/api/v1/datasets/d"); d.Photos != 13 || len(d.Labels) != 3 {
		t.Errorf("the dataset is %+v", d)
	}
}

// TestAnotherProgram has a file manager take a dataset away and bring another, and another program change it for long.
func TestAnotherProgram(t *testing.T) {
	s := newStudio(t)
	s.flowers("flowers")
	if d := get[datasetDetails](s, "/api/v1/datasets/flowers"); d.Photos != 30 {
		t.Fatalf("the dataset is %+v", d)
	}
	dir := filepath.Join(s.dir, "datasets", "flowers")
	if err := os.Rename(dir, dir+" old"); err != nil {
		t.Fatal(err)
	}
	s.refused(http.StatusNotFound, "no_dataset", s.ask("GET", "/api/v1/datasets/flowers", nil))
	if err := os.CopyFS(dir, os.DirFS(picturetest.Dataset(t, 2, "a", "b"))); err != nil {
		t.Fatal(err)
	}
	if d := get[datasetDetails](s, "/api/v1/datasets/flowers"); d.Photos != 4 {
		t.Errorf("the dataset is %+v", d)
	}
	if d := get[datasetDetails](s, "/api/v1/datasets/flowers%20old"); d.Photos != 30 {
		t.Errorf("the dataset is %+v", d)
	}

	want[uploadAnswer](s, http.StatusCreated, s.upload("flowers", "a", file{"x.jpg", picturetest.JPEG(7, 1, 64, 64)}))
	unlock := lockDataset(t, dir)
	s.server.datasets.patience = 50 * time.Millisecond
	said := s.refused(http.StatusConflict, "dataset_busy", s.upload("flowers", "a", file{"y.jpg", picturetest.JPEG(8, 1, 64, 64)}))
	if !strings.Contains(said, "another program") {
		t.Errorf("it says %q", said)
	}
	s.refused(http.StatusConflict, "dataset_busy", s.post("/api/v1/datasets/flowers/undo", nil))
	if d := get[datasetDetails](s, "/api/v1/datasets/flowers"); d.Photos != 5 { // It can be looked at.
		t.Errorf("the dataset is %+v", d)
	}
	unlock()
	s.server.datasets.patience = lockPatience
	want[uploadAnswer](s, http.StatusCreated, s.upload("flowers", "a", file{"y.jpg", picturetest.JPEG(8, 1, 64, 64)}))
}

// entry is an entry of an archive.
type entry struct {
	name string
	data []byte
}

// archive makes a tar.gz.
func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, e := range entries {
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.name, Size: int64(len(e.data)), Mode: 0o644})
		if err == nil {
			_, err = w.Write(e.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bouquet makes an archive of so many photos of each label.
func bouquet(t testing.TB, count int, labels ...string) []byte {
	t.Helper()
	var entries []entry
	for class, label := range labels {
		for i := range count {
			entries = append(entries, entry{path.Join("flowers", label, fmt.Sprintf("%d.jpg", i)), picturetest.JPEG(class, i, 64, 64)})
		}
	}
	return archive(t, entries...)
}

// TestImport brings archives in: a new dataset, the same again, more, and none.
func TestImport(t *testing.T) {
	s := newStudio(t)
	at := "/api/v1/datasets/flowers/archive"
	if state := get[importState](s, "/api/v1/imports/current"); state.State != stateIdle {
		t.Errorf("the state is %+v", state)
	}
	data := bouquet(t, 5, "rose", "sun flower")
	for _, c := range []struct {
		what   string
		body   []byte
		query  string
		status int
		code   string
	}{
		{"nothing", nil, "", 400, "no_archive"},
		{"a photo", picturetest.JPEG(0, 0, 64, 64), "", 422, "bad_archive"},
		{"half of one", data[:len(data)/2], "", 422, "bad_archive"},
		{"no photos", archive(t, entry{"x/readme.txt", []byte("hello")}), "", 422, "no_photos"},
		{"photos of no label", archive(t, entry{"1.jpg", picturetest.JPEG(0, 0, 64, 64)}), "", 422, "no_photos"},
		{"no names", data, "?rename=rose", 400, "bad_query"},
		{"a folder that is not there", data, "?rename=tulip=Tulip", 400, "bad_query"},
		{"a label that cannot be", data, "?rename=rose=a%2Fb", 400, "bad_label"},
		{"labels that clash", data, "?rename=rose=SUN%20FLOWER", 409, "label_clash"},
	} {
		t.Log(c.what)
		s.refused(c.status, c.code, s.ask("POST", at+c.query, bytes.NewReader(c.body)))
		if all := tree(t, filepath.Join(s.dir, "datasets")); len(all) > 1 {
			t.Errorf("%s left %q", c.what, all)
		}
	}
	if state := get[importState](s, "/api/v1/imports/current"); state.State != stateFailed || state.Error == "" || state.Dataset != "flowers" {
		t.Errorf("the state is %+v", state)
	}

	report := want[transfer.Imported](s, http.StatusCreated, s.ask("POST", at, bytes.NewReader(data)))
	if report.Added != 10 || !report.New || report.Dataset != "flowers" {
		t.Errorf("the report is %+v", report)
	}
	if state := get[importState](s, "/api/v1/imports/current"); state.State != stateDone || state.Phase != importing || state.Done != 10 {
		t.Errorf("the state is %+v", state)
	}
	if d := get[datasetDetails](s, "/api/v1/datasets/flowers"); d.Photos != 10 {
		t.Errorf("the dataset is %+v", d)
	}
	if again := want[transfer.Imported](s, http.StatusOK, s.ask("POST", at, bytes.NewReader(data))); again.Added != 0 || again.Duplicates != 10 || again.New {
		t.Errorf("the report is %+v", again)
	}
	evil := archive(t, entry{"../../evil/1.jpg", picturetest.JPEG(3, 0, 64, 64)}, entry{"/tmp/evil/2.jpg", picturetest.JPEG(3, 1, 64, 64)},
		entry{"lily/3.jpg", picturetest.JPEG(3, 2, 64, 64)}, entry{"lily/4.jpg", []byte("no picture")}, entry{"rose/5.jpg", picturetest.JPEG(3, 3, 64, 64)})
	more := want[transfer.Imported](s, http.StatusOK, s.ask("POST", at+"?rename=lily=%E7%99%BE%E5%90%88", bytes.NewReader(evil)))
	if more.Added != 2 || len(more.Refused) == 0 {
		t.Errorf("the report is %+v", more)
	}
	// At once, though another library brought them.
	if d := get[datasetDetails](s, "/api/v1/datasets/flowers"); d.Photos != 12 || !slices.Contains(d.Labels, labelCount{"百合", 1}) {
		t.Errorf("the dataset is %+v", d)
	}
	left := slices.DeleteFunc(tree(t, filepath.Join(s.dir, "datasets")), func(at string) bool { return strings.HasPrefix(at, "/flowers") || at == "" })
	if len(left) > 0 {
		t.Errorf("the imports left %q", left)
	}
}

// untilImport asks how the import goes on until it is as a test wants it.
func (s *studio) untilImport(is func(importState) bool) {
	s.Helper()
	for !is(get[importState](s, "/api/v1/imports/current")) {
		runtime.Gosched()
	}
}

// TestImportAtWork asks for what cannot be had while an archive comes, goes away in the middle, and cancels.
func TestImportAtWork(t *testing.T) {
	s := newStudio(t)
	data := bouquet(t, 5, "rose", "sun flower")
	at := "/api/v1/datasets/flowers/archive"
	s.refused(http.StatusConflict, "no_import", s.ask("DELETE", "/api/v1/imports/current", nil))
	begin := func(request *http.Request) (more *io.PipeWriter, status chan int) {
		t.Helper()
		read, write := io.Pipe()
		request.Body, request.ContentLength = read, -1
		status = make(chan int, 1)
		go func() {
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				status <- 0
				return
			}
			_ = response.Body.Close()
			status <- response.StatusCode
		}()
		if _, err := write.Write(data[:len(data)/2]); err != nil {
			t.Fatal(err)
		}
		s.untilImport(func(state importState) bool { return state.State == stateRunning && state.Done > 0 })
		return write, status
	}

	ctx, cancel := context.WithCancel(context.Background())
	more, status := begin(s.request("POST", at, http.NoBody).WithContext(ctx))
	if state := get[importState](s, "/api/v1/imports/current"); state.State != stateRunning || state.Phase != receiving || state.Dataset != "flowers" {
		t.Errorf("the state is %+v", state)
	}
	s.refused(http.StatusConflict, "import_busy", s.ask("POST", at, bytes.NewReader(data)))
	cancel() // The client is gone.
	_ = more.CloseWithError(io.ErrClosedPipe)
	<-status
	s.untilImport(func(state importState) bool { return state.State != stateRunning })
	if all := tree(t, filepath.Join(s.dir, "datasets")); len(all) > 1 {
		t.Errorf("what came by half left %q", all)
	}

	more, status = begin(s.request("POST", at, http.NoBody))
	want[importState](s, http.StatusAccepted, s.ask("DELETE", "/api/v1/imports/current", nil))
	if _, err := more.Write(data[len(data)/2:]); err != nil {
		t.Log("the server reads no more:", err)
	}
	_ = more.Close()
	if got := <-status; got != http.StatusConflict {
		t.Errorf("a cancelled import got %d", got)
	}
	if state := get[importState](s, "/api/v1/imports/current"); state.State != stateCancelled {
		t.Errorf("the state is %+v", state)
	}
	if all := tree(t, filepath.Join(s.dir, "datasets")); len(all) > 1 {
		t.Errorf("what was cancelled left %q", all)
	}
	want[transfer.Imported](s, http.StatusCreated, s.ask("POST", at, bytes.NewReader(data)))
}

// TestLeftArchives starts a server where another was killed while archives came.
func TestLeftArchives(t *testing.T) {
	dir := t.TempDir()
	old, young := filepath.Join(dir, "datasets", ".receiving-1"), filepath.Join(dir, "datasets", ".receiving-2")
	if err := os.MkdirAll(filepath.Dir(old), 0o755); err != nil {
		t.Fatal(err)
	}
	for at, age := range map[string]time.Duration{old: leftOver + time.Hour, young: time.Hour} {
		if err := errors.Join(os.WriteFile(at, []byte("x"), 0o600), os.Chtimes(at, time.Time{}, time.Now().Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	openStudio(t, dir)
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an old archive is still there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("another server's archive was taken away: %v", err)
	}
}

// TestNoDatasets asks a server that keeps none.
func TestNoDatasets(t *testing.T) {
	s := newStudio(t)
	s.server.datasets.dir = ""
	s.server.trainings.Trainer, s.server.trainings.Runs = nil, nil
	s.refused(http.StatusNotFound, "no_datasets", s.ask("GET", "/api/v1/datasets", nil))
	s.refused(http.StatusNotFound, "no_datasets", s.ask("POST", "/api/v1/datasets/x/photos?label=y", strings.NewReader("x")))
	s.refused(http.StatusNotFound, "no_datasets", s.ask("POST", "/api/v1/datasets/x/archive", strings.NewReader("x")))
	s.refused(http.StatusNotFound, "no_training", s.ask("POST", "/api/v1/trainings", strings.NewReader("{}")))
	s.refused(http.StatusNotFound, "no_runs", s.ask("GET", "/api/v1/runs", nil))
	s.refused(http.StatusNotFound, "no_runs", s.ask("GET", "/api/v1/runs/x", nil))
	s.refused(http.StatusNotFound, "no_runs", s.post("/api/v1/models/m/activate", map[string]string{"run": "x"}))
}

// TestOnlyWithPassword asks for everything without one.
func TestOnlyWithPassword(t *testing.T) {
	s := newStudio(t)
	s.flowers("flowers")
	for _, r := range slices.Concat(s.server.datasetRoutes(), s.server.trainingRoutes(), s.server.runRoutes(), s.server.modelRoutes()) {
		method, at, _ := strings.Cut(r.pattern, " ")
		request := s.request(method, strings.NewReplacer("{dataset}", "flowers", "{id}", "1", "{name}", "m").Replace(at), nil)
		request.Header.Del("Authorization")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", r.pattern, response.Status)
		}
	}
	if d := get[datasetDetails](s, "/api/v1/datasets/flowers"); d.Photos != 30 {
		t.Errorf("the dataset is %+v", d)
	}
}
