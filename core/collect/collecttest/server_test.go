package collecttest_test

import (
	"bytes"
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kaika/core/collect/collecttest"
)

// get gives the status and the body of an answer.
func get(t *testing.T, address string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // It was only read.
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

type response struct {
	Stat string `xml:"stat,attr"`
	Err  struct {
		Code int `xml:"code,attr"`
	} `xml:"err"`
	Photos struct {
		Page    int `xml:"page,attr"`
		Pages   int `xml:"pages,attr"`
		PerPage int `xml:"perpage,attr"`
		Total   int `xml:"total,attr"`
		Photo   []struct {
			ID      string `xml:"id,attr"`
			License string `xml:"license,attr"`
			URL     string `xml:"url_m,attr"`
		} `xml:"photo"`
	} `xml:"photos"`
}

func ask(t *testing.T, base, query string) (r response) {
	t.Helper()
	status, body := get(t, base+collecttest.FlickrPath+"?"+query)
	if err := xml.Unmarshal(body, &r); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	return r
}

func TestFlickrsErrors(t *testing.T) {
	base := collecttest.Start(t, &collecttest.Server{Key: "k", Secret: "SECRET", Photos: collecttest.Photos("rose", 1, 64)})
	const search = "method=flickr.photos.search"
	// The signature is of the secret and the sorted arguments, one behind the other.
	signed := fmt.Sprintf("%x", md5.Sum([]byte("SECRETapi_keykmethodflickr.photos.searchtextred rose")))
	for query, code := range map[string]int{
		search:                          100,
		search + "&api_key=x":           100,
		search + "&api_key=k&text=rose": 97,
		search + "&api_key=k&text=rose&api_sig=00":             96,
		search + "&api_key=k&text=red+rose&api_sig=" + signed:  0,
		search + "&api_key=k&text=blue+rose&api_sig=" + signed: 96,
	} {
		if r := ask(t, base, query); r.Err.Code != code || (r.Stat == "ok") != (code == 0) {
			t.Errorf("%s gave %+v", query, r)
		}
	}
	base = collecttest.Start(t, &collecttest.Server{Key: "k", Unsigned: true})
	for query, code := range map[string]int{
		search + "&api_key=k":                                 3,
		search + "&api_key=k&license=4":                       3,
		search + "&api_key=k&text=rose&format=json":           111,
		"method=flickr.nothing&api_key=k":                     112,
		"api_key=k":                                           112,
		search + "&api_key=k&tag_mode=all&tags=" + many(21):   1,
		search + "&api_key=k&tag_mode=any&tags=" + many(21):   0,
		"method=flickr.photos.licenses.getInfo&api_key=k&x=y": 0,
	} {
		if r := ask(t, base, query); r.Err.Code != code {
			t.Errorf("%s gave %+v", query, r)
		}
	}
}

func many(tags int) string { return "x" + strings.Repeat(",x", tags-1) }

func TestFlickrRepeatsItself(t *testing.T) {
	base := collecttest.Start(t, &collecttest.Server{Key: "k", Unsigned: true, Photos: collecttest.Photos("rose", 5000, 64)})
	page := func(number int) response {
		return ask(t, base, fmt.Sprintf("method=flickr.photos.search&api_key=k&text=rose&sort=relevance&per_page=1000&page=%d", number))
	}
	seen := map[string]bool{}
	for number := 1; number <= 10; number++ {
		r := page(number)
		if p := r.Photos; p.Page != number || p.Pages != 10 || p.PerPage != 500 || p.Total != 5000 || len(p.Photo) != 500 || p.Photo[0].License != "" || p.Photo[0].URL != "" {
			t.Fatalf("page %d is %+v", number, p)
		}
		for _, p := range r.Photos.Photo {
			seen[p.ID] = true
		}
	}
	if len(seen) != 4000 {
		t.Errorf("%d photos can be had", len(seen))
	}
}

func TestPictures(t *testing.T) {
	server := &collecttest.Server{Key: "k", Unsigned: true, Photos: collecttest.Photos("rose", 3, 64)}
	base := collecttest.Start(t, server)
	r := ask(t, base, "method=flickr.photos.search&api_key=k&text=rose&extras=url_m,license")
	pictures := map[string]bool{}
	for _, p := range r.Photos.Photo {
		if u, err := url.Parse(p.URL); err != nil || u.Host == "" || p.License == "" {
			t.Errorf("%+v: %v", p, err)
		}
		status, body := get(t, p.URL)
		again, same := get(t, p.URL)
		if status != http.StatusOK || again != status || !bytes.Equal(body, same) {
			t.Errorf("%s gave %d", p.URL, status)
		}
		pictures[string(body)] = true
	}
	if len(pictures) != 3 {
		t.Errorf("there are %d different pictures", len(pictures))
	}
	if status, _ := get(t, base+"/65535/1_2.jpg"); status != http.StatusNotFound {
		t.Errorf("a picture that is none gave %d", status)
	}
}

func TestFaultsAreTheSameInEachRun(t *testing.T) {
	var runs [2]string
	for i := range runs {
		server := &collecttest.Server{
			Key: "k", Unsigned: true, Photos: collecttest.Photos("rose", 1, 64),
			Faults: collecttest.Faults{Seed: 1, Rate: 0.5, Kinds: []collecttest.Fault{collecttest.Broken, collecttest.TooMany}},
		}
		base := collecttest.Start(t, server)
		failed, inARow := 0, 0
		for question := range 20 {
			for range 10 {
				status, _ := get(t, fmt.Sprintf("%s%s?method=x&n=%d", base, collecttest.FlickrPath, question))
				runs[i] += fmt.Sprint(status, " ")
				if inARow++; status == http.StatusOK {
					inARow = 0
				} else {
					failed++
				}
				if inARow > 2 {
					t.Error("more than two faults came in a row")
				}
			}
			inARow = 0
		}
		if failed < 60 || failed > 110 || server.Counts().Faults != failed {
			t.Errorf("%d of 200 answers failed, counted were %d", failed, server.Counts().Faults)
		}
	}
	if runs[0] != runs[1] {
		t.Error("the runs differ")
	}
}

func TestOnePhoto(t *testing.T) {
	photos := collecttest.Photos("rose", 4, 64)
	photos[1].Deleted, photos[2].Private = true, true
	photos[0].License, photos[3].License = 4, 4
	base := collecttest.Start(t, &collecttest.Server{Key: "k", Secret: "SECRET", Photos: photos})
	info := func(id, signature string) (r struct {
		Err struct {
			Code int `xml:"code,attr"`
		} `xml:"err"`
		Photo struct {
			ID      string `xml:"id,attr"`
			License string `xml:"license,attr"`
			Owner   struct {
				ID string `xml:"nsid,attr"`
			} `xml:"owner"`
			Title      string `xml:"title"`
			Visibility struct {
				Public string `xml:"ispublic,attr"`
			} `xml:"visibility"`
		} `xml:"photo"`
	},
	) {
		t.Helper()
		query := url.Values{"method": {"flickr.photos.getInfo"}, "api_key": {"k"}, "photo_id": {id}}
		if signature != "" {
			query.Set("api_sig", signature)
		}
		status, body := get(t, base+collecttest.FlickrPath+"?"+query.Encode())
		if err := xml.Unmarshal(body, &r); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s: %v", status, body, err)
		}
		return r
	}
	sign := func(id string) string {
		return fmt.Sprintf("%x", md5.Sum([]byte("SECRETapi_keykmethodflickr.photos.getInfophoto_id"+id)))
	}
	for id, code := range map[string]int{photos[0].ID: 0, photos[1].ID: 1, photos[2].ID: 2, photos[3].ID: 0, "7": 1, "": 1} {
		if r := info(id, sign(id)); r.Err.Code != code {
			t.Errorf("%q gave %+v", id, r)
		}
	}
	if r := info(photos[0].ID, sign(photos[0].ID)); r.Photo.ID != photos[0].ID || r.Photo.License != "4" || r.Photo.Owner.ID != photos[0].Owner ||
		r.Photo.Title != photos[0].Title || r.Photo.Visibility.Public != "1" {
		t.Errorf("got %+v", r)
	}
	for signature, code := range map[string]int{"": 97, "00": 96, sign("7"): 96} {
		if r := info(photos[0].ID, signature); r.Err.Code != code || r.Photo.ID != "" {
			t.Errorf("the signature %q gave %+v", signature, r)
		}
	}
	for id, want := range map[string]int{photos[0].ID: http.StatusOK, photos[1].ID: http.StatusNotFound, photos[2].ID: http.StatusNotFound, "7": http.StatusNotFound} {
		if status, body := get(t, fmt.Sprintf("%s%s00000000-0000-4000-8000-%012s/", base, collecttest.OpenversePath, id)); status != want {
			t.Errorf("Openverse said of %s %d %s", id, status, body)
		}
	}
	if status, body := get(t, base+collecttest.OpenversePath+"stats/"); status != http.StatusOK || !bytes.Contains(body, []byte(`"source_name":"flickr"`)) {
		t.Errorf("Openverse's sources are %d %s", status, body)
	}
	query := url.Values{"method": {"flickr.photos.search"}, "api_key": {"k"}, "text": {"rose"}}
	query.Set("api_sig", fmt.Sprintf("%x", md5.Sum([]byte("SECRETapi_keykmethodflickr.photos.searchtextrose"))))
	if r := ask(t, base, query.Encode()); len(r.Photos.Photo) != 2 {
		t.Errorf("a search found %+v", r)
	}
	if status, body := get(t, base+collecttest.OpenversePath+"?q=rose"); status != http.StatusOK || !bytes.Contains(body, []byte(`"result_count":2`)) {
		t.Errorf("Openverse found %d %s", status, body)
	}
}
