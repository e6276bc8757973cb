package collecttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	openverseSize  = 20 // The most results on a page, and
	openverseDepth = 20 // the most pages, for those without a key.
	openverseRate  = 20 // Requests a minute.
)

// openverseTerms are the licenses that Openverse knows.
var openverseTerms = []string{"by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd", "cc0", "pdm", "sampling+", "nc-sampling+"}

// terms gives the terms and version of a license as Openverse writes them, "" for one that it does not have.
func (p *Photo) terms() (terms, version string) {
	u, err := url.Parse(licenses[p.License].url)
	if err != nil || u.Host != "creativecommons.org" {
		return "", ""
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	switch parts[1] {
	case "zero":
		return "cc0", parts[2]
	case "mark":
		return "pdm", parts[2]
	}
	return parts[1], parts[2]
}

// openverse answers for Openverse's images: a search, a question about one, or about the sources.
func (s *Server) openverse(w http.ResponseWriter, r *http.Request, base string) {
	s.count("openverse")
	s.mu.Lock()
	s.burst++
	left := openverseRate - s.burst
	if s.Burst > 0 {
		left = s.Burst - s.burst
	}
	refused := s.Burst > 0 && left < 0
	if left < 0 {
		s.burst = 0
	}
	s.mu.Unlock()
	w.Header().Set("X-Ratelimit-Limit-Anon_burst", fmt.Sprintf("%d/min", openverseRate))
	w.Header().Set("X-Ratelimit-Available-Anon_burst", strconv.Itoa(max(left, 0)))
	w.Header().Set("X-Ratelimit-Limit-Anon_sustained", "200/day")
	w.Header().Set("X-Ratelimit-Available-Anon_sustained", "150")
	if refused {
		w.Header().Set("Retry-After", "60")
		detail(w, http.StatusTooManyRequests, "Request was throttled. Expected available in 60 seconds.")
		return
	}

	if below := strings.TrimPrefix(r.URL.Path, OpenversePath); below != "" {
		s.one(w, strings.TrimSuffix(below, "/"), base)
		return
	}
	args := r.URL.Query()
	size, page, depth := number(args, "page_size", openverseSize), number(args, "page", 1), s.Depth
	if depth == 0 {
		depth = openverseDepth
	}
	switch {
	case size > openverseSize:
		detail(w, http.StatusUnauthorized, fmt.Sprintf("Ensure this value is less than or equal to %d.", openverseSize))
		return
	case page > depth:
		detail(w, http.StatusBadRequest, map[string][]string{"page": {fmt.Sprintf("Ensure this value is less than or equal to %d.", depth)}})
		return
	}
	for _, l := range split(args.Get("license")) {
		if !slices.Contains(openverseTerms, l) {
			detail(w, http.StatusBadRequest, map[string][]string{"license": {fmt.Sprintf("License '%s' does not exist.", l)}})
			return
		}
	}
	results, count := s.results(args, (page-1)*size, size, base)
	body := map[string]any{
		"result_count": count, "page_count": min((count+size-1)/size, openverseDepth), "page_size": size, "page": page, "results": results,
	}
	say(w, body)
}

// one answers a question about one image, or about the sources.
func (s *Server) one(w http.ResponseWriter, id, base string) {
	if id == "stats" {
		say(w, []map[string]any{{"source_name": "flickr", "display_name": "Flickr", "source_url": "https://www.flickr.com", "logo_url": nil, "media_count": len(s.Photos)}})
		return
	}
	for i := range s.Photos {
		if p := &s.Photos[i]; p.openverseID() == id && p.shown() {
			say(w, p.result(base))
			return
		}
	}
	detail(w, http.StatusNotFound, "No Image matches the given query.")
}

func say(w http.ResponseWriter, what any) {
	text, err := json.Marshal(what)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	write(w, "application/json", text)
}

// detail answers with an error of Openverse's.
func detail(w http.ResponseWriter, status int, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"detail": what})
}

// results gives a page of what a search finds, and the number of all of it.
func (s *Server) results(args url.Values, from, size int, base string) (results []map[string]any, count int) {
	wanted := split(args.Get("license"))
	sources := split(args.Get("source"))
	results = []map[string]any{}
	for i := range s.Photos {
		p := &s.Photos[i]
		terms, _ := p.terms()
		if !p.shown() || len(wanted) > 0 && !slices.Contains(wanted, terms) || len(sources) > 0 && !slices.Contains(sources, "flickr") ||
			p.Unsafe && args.Get("mature") != "true" || !p.hasText(args.Get("q")) {
			continue
		}
		if count++; count > from && count <= from+size {
			results = append(results, p.result(base))
		}
	}
	return results, count
}

// shown reports whether Openverse has a photo.
func (p *Photo) shown() bool {
	terms, _ := p.terms()
	return terms != "" && !p.Video && !p.Deleted && !p.Private
}

func (p *Photo) openverseID() string { return fmt.Sprintf("00000000-0000-4000-8000-%012s", p.ID) }

// result is what Openverse says of a photo.
func (p *Photo) result(base string) map[string]any {
	terms, version := p.terms()
	width, height := p.fit(sizes["b"])
	id := p.openverseID()
	tags := []any{}
	for _, tag := range p.Tags {
		tags = append(tags, map[string]any{"name": tag, "accuracy": nil, "unstable__provider": "flickr"})
	}
	return map[string]any{
		"id": id, "title": p.Title, "indexed_on": p.Posted.Format(time.RFC3339),
		"foreign_landing_url": "https://www.flickr.com/photos/" + p.Owner + "/" + p.ID,
		"url":                 base + p.path("b"), "creator": p.OwnerName, "creator_url": "https://www.flickr.com/photos/" + p.Owner,
		"license": terms, "license_version": version, "license_url": licenses[p.License].url, "provider": "flickr", "source": "flickr",
		"category": nil, "filesize": nil, "filetype": "jpg", "tags": tags, "attribution": "", "fields_matched": []any{}, "mature": p.Unsafe,
		"height": height, "width": width, "thumbnail": base + OpenversePath + id + "/thumb/",
		"detail_url": base + OpenversePath + id + "/", "related_url": base + OpenversePath + id + "/related/", "unstable__sensitivity": []any{},
	}
}
