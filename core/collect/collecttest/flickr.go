package collecttest

import (
	"cmp"
	"crypto/md5" //nolint:gosec // Flickr's choice.
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	xmlHead     = `<?xml version="1.0" encoding="utf-8" ?>` + "\n"
	flickrLimit = 4000 // The results of a search that differ.
)

// licenses are Flickr's, by its numbers.
var licenses = []struct{ name, url string }{
	{"All Rights Reserved", "https://www.flickrhelp.com/hc/en-us/articles/10710266545556-Using-Flickr-images-shared-by-other-members"},
	{"CC BY-NC-SA 2.0", "https://creativecommons.org/licenses/by-nc-sa/2.0/"},
	{"CC BY-NC 2.0", "https://creativecommons.org/licenses/by-nc/2.0/"},
	{"CC BY-NC-ND 2.0", "https://creativecommons.org/licenses/by-nc-nd/2.0/"},
	{"CC BY 2.0", "https://creativecommons.org/licenses/by/2.0/"},
	{"CC BY-SA 2.0", "https://creativecommons.org/licenses/by-sa/2.0/"},
	{"CC BY-ND 2.0", "https://creativecommons.org/licenses/by-nd/2.0/"},
	{"No known copyright restrictions", "https://www.flickr.com/commons/usage/"},
	{"United States Government Work", "http://www.usa.gov/copyright.shtml"},
	{"Public Domain Dedication (CC0)", "https://creativecommons.org/publicdomain/zero/1.0/"},
	{"Public Domain Mark", "https://creativecommons.org/publicdomain/mark/1.0/"},
	{"CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"},
	{"CC BY-SA 4.0", "https://creativecommons.org/licenses/by-sa/4.0/"},
	{"CC BY-ND 4.0", "https://creativecommons.org/licenses/by-nd/4.0/"},
	{"CC BY-NC 4.0", "https://creativecommons.org/licenses/by-nc/4.0/"},
	{"CC BY-NC-SA 4.0", "https://creativecommons.org/licenses/by-nc-sa/4.0/"},
	{"CC BY-NC-ND 4.0", "https://creativecommons.org/licenses/by-nc-nd/4.0/"},
}

// fail answers with one of Flickr's errors.
func fail(w http.ResponseWriter, code int, message string) {
	answer(w, fmt.Sprintf(`<rsp stat="fail">`+"\n\t"+`<err code="%d" msg="%s" />`+"\n</rsp>\n", code, escape(message)))
}

func answer(w http.ResponseWriter, body string) {
	write(w, "text/xml; charset=utf-8", []byte(xmlHead+body))
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

// flickr answers a call of Flickr's REST interface.
func (s *Server) flickr(w http.ResponseWriter, r *http.Request, base string) {
	if err := r.ParseForm(); err != nil {
		fail(w, 108, "Invalid arguments")
		return
	}
	args := r.Form
	method := args.Get("method")
	s.count(method)
	signature := args.Get("api_sig")
	switch {
	case s.Key == "" || args.Get("api_key") != s.Key:
		fail(w, 100, "Invalid API Key (Key has invalid format)")
	case signature == "" && !s.Unsigned:
		fail(w, 97, "Missing signature")
	case signature != "" && signature != s.sign(args):
		fail(w, 96, "Invalid signature")
	case args.Get("format") != "" && args.Get("format") != "rest":
		fail(w, 111, fmt.Sprintf("Format %q not found", args.Get("format")))
	case method == "flickr.photos.search":
		s.search(w, args, base)
	case method == "flickr.photos.getInfo":
		s.info(w, args.Get("photo_id"))
	case method == "flickr.photos.licenses.getInfo":
		var b strings.Builder
		b.WriteString(`<rsp stat="ok">` + "\n<licenses>\n")
		for id, l := range licenses {
			fmt.Fprintf(&b, "\t<license id=\"%d\" name=\"%s\" url=\"%s\" />\n", id, escape(l.name), escape(l.url))
		}
		b.WriteString("</licenses>\n</rsp>\n")
		answer(w, b.String())
	default:
		fail(w, 112, fmt.Sprintf("Method %q not found", method))
	}
}

// sign computes the signature of a call: MD5 of the secret and all arguments with their values, by the names.
func (s *Server) sign(args url.Values) string {
	text := []byte(s.Secret)
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if name != "api_sig" {
			text = append(append(text, name...), args.Get(name)...)
		}
	}
	sum := md5.Sum(text) //nolint:gosec // Flickr's choice.
	return hex.EncodeToString(sum[:])
}

// search answers flickr.photos.search.
func (s *Server) search(w http.ResponseWriter, args url.Values, base string) {
	tags := split(args.Get("tags"))
	switch {
	case args.Get("text") == "" && args.Get("tags") == "" && args.Get("user_id") == "":
		fail(w, 3, "Parameterless searches have been disabled. Please use flickr.photos.getRecent instead.")
		return
	case len(tags) > 20 && args.Get("tag_mode") == "all":
		fail(w, 1, "Too many tags in ALL query")
		return
	}
	var (
		found    []*Photo
		licenses = split(args.Get("license"))
		extras   = split(args.Get("extras"))
	)
	if s.IgnoreLicense {
		licenses = nil
	}
	for i := range s.Photos {
		if p := &s.Photos[i]; p.matches(args, tags, licenses) {
			found = append(found, p)
		}
	}
	order(found, args.Get("sort"))

	perPage := min(number(args, "per_page", 100), 500)
	pages := (len(found) + perPage - 1) / perPage
	number := min(number(args, "page", 1), max(pages, 1))
	from := (number - 1) * perPage
	if from >= flickrLimit {
		from = max(flickrLimit-perPage, 0) // As far as it goes, again and again.
	}
	to := min(from+perPage, len(found))
	var b strings.Builder
	fmt.Fprintf(&b, "<rsp stat=\"ok\">\n<photos page=\"%d\" pages=\"%d\" perpage=\"%d\" total=\"%d\">\n", number, pages, perPage, len(found))
	for _, p := range found[min(from, to):to] {
		b.WriteString(p.element(extras, base))
	}
	b.WriteString("</photos>\n</rsp>\n")
	answer(w, b.String())
}

// info answers flickr.photos.getInfo.
func (s *Server) info(w http.ResponseWriter, id string) {
	for i := range s.Photos {
		switch p := &s.Photos[i]; {
		case p.ID != id || p.Deleted:
		case p.Private:
			fail(w, 2, "Permission denied")
			return
		default:
			answer(w, p.details())
			return
		}
	}
	fail(w, 1, fmt.Sprintf("Photo %q not found (invalid ID)", id))
}

// details are what flickr.photos.getInfo says of a photo.
func (p *Photo) details() string {
	media := "photo"
	if p.Video {
		media = "video"
	}
	safety := 0
	if p.Unsafe {
		safety = 2
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<rsp stat="ok">`+"\n"+`<photo id="%s" secret="0123456789" server="65535" farm="66" dateuploaded="%d" isfavorite="0" license="%d" safety_level="%d" rotation="0" views="7" media="%s">`+"\n",
		escape(p.ID), p.Posted.Unix(), p.License, safety, media)
	fmt.Fprintf(&b, `	<owner nsid="%s" username="%s" realname="" location="" iconserver="0" iconfarm="0" path_alias="" />`+"\n", escape(p.Owner), escape(p.OwnerName))
	fmt.Fprintf(&b, "\t<title>%s</title>\n\t<description>%s</description>\n", escape(p.Title), escape(p.Description))
	b.WriteString(`	<visibility ispublic="1" isfriend="0" isfamily="0" />` + "\n")
	fmt.Fprintf(&b, `	<dates posted="%d" taken="%s" takengranularity="0" takenunknown="0" lastupdate="%d" />`+"\n", p.Posted.Unix(), p.Taken.Format(time.DateTime), p.Posted.Unix())
	b.WriteString("\t<editability cancomment=\"0\" canaddmeta=\"0\" />\n\t<comments>0</comments>\n\t<notes />\n\t<tags>\n")
	for n, tag := range p.Tags {
		fmt.Fprintf(&b, `		<tag id="%d" author="%s" raw="%s">%s</tag>`+"\n", n, escape(p.Owner), escape(tag), escape(tag))
	}
	fmt.Fprintf(&b, "\t</tags>\n\t<urls>\n\t\t<url type=\"photopage\">https://www.flickr.com/photos/%s/%s/</url>\n\t</urls>\n</photo>\n</rsp>\n", escape(p.Owner), escape(p.ID))
	return b.String()
}

// split gives the parts of a list with commas.
func split(list string) []string {
	var parts []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

func number(args url.Values, name string, otherwise int) int {
	if n, err := strconv.Atoi(args.Get(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// matches reports whether a search finds a photo.
func (p *Photo) matches(args url.Values, tags, licenses []string) bool {
	if len(licenses) > 0 && !slices.Contains(licenses, strconv.Itoa(p.License)) {
		return false
	}
	if p.Deleted || p.Private || p.Video && args.Get("media") == "photos" || p.Unsafe {
		return false
	}
	if from, ok := moment(args.Get("min_upload_date")); ok && p.Posted.Before(from) {
		return false
	}
	if to, ok := moment(args.Get("max_upload_date")); ok && p.Posted.After(to) {
		return false
	}
	if !p.hasText(args.Get("text")) {
		return false
	}
	wanted, has := 0, 0
	for _, tag := range tags {
		without, excluded := strings.CutPrefix(tag, "-")
		contains := slices.Contains(p.Tags, strings.ToLower(strings.ReplaceAll(without, " ", "")))
		switch {
		case excluded && contains:
			return false
		case !excluded:
			wanted++
			if contains {
				has++
			}
		}
	}
	if args.Get("tag_mode") == "all" {
		return has == wanted
	}
	return wanted == 0 || has > 0
}

// hasText reports whether title, description and tags have all words of a text, and none that has a minus before it.
func (p *Photo) hasText(text string) bool {
	all := strings.ToLower(p.Title + " " + p.Description + " " + strings.Join(p.Tags, " "))
	text = strings.ToLower(strings.TrimSpace(text))
	for text != "" {
		without, excluded := strings.CutPrefix(text, "-")
		end := " "
		if quoted, ok := strings.CutPrefix(without, `"`); ok {
			without, end = quoted, `"`
		}
		word, rest, _ := strings.Cut(without, end)
		if strings.Contains(all, word) == excluded {
			return false
		}
		text = strings.TrimSpace(rest)
	}
	return true
}

// moment reads a date: a Unix timestamp, or as MySQL writes it.
func moment(text string) (time.Time, bool) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), true
	}
	t, err := time.Parse(time.DateTime, text)
	return t, err == nil
}

// order sorts what was found. Relevance is the order that the photos have.
func order(found []*Photo, by string) {
	sign := 1
	if strings.HasSuffix(by, "-desc") {
		sign = -1
	}
	switch {
	case by == "relevance", strings.HasPrefix(by, "interestingness"):
	case strings.HasPrefix(by, "date-taken"):
		slices.SortStableFunc(found, func(a, b *Photo) int { return sign * a.Taken.Compare(b.Taken) })
	case by == "date-posted-asc":
		slices.SortStableFunc(found, func(a, b *Photo) int { return cmp.Compare(a.Posted.Unix(), b.Posted.Unix()) })
	default:
		slices.SortStableFunc(found, func(a, b *Photo) int { return cmp.Compare(b.Posted.Unix(), a.Posted.Unix()) })
	}
}

// element writes a photo with the extras that were asked for.
func (p *Photo) element(extras []string, base string) string {
	var b strings.Builder
	attribute := func(name, value string) { fmt.Fprintf(&b, ` %s="%s"`, name, escape(value)) }
	b.WriteString("\t<photo")
	attribute("id", p.ID)
	attribute("owner", p.Owner)
	attribute("server", "65535")
	attribute("farm", "66")
	attribute("title", p.Title)
	b.WriteString(` ispublic="1" isfriend="0" isfamily="0"`)
	for _, extra := range extras {
		switch extra {
		case "license":
			attribute("license", strconv.Itoa(p.License))
		case "owner_name":
			attribute("ownername", p.OwnerName)
		case "date_upload":
			attribute("dateupload", strconv.FormatInt(p.Posted.Unix(), 10))
		case "date_taken":
			attribute("datetaken", p.Taken.Format(time.DateTime))
			b.WriteString(` datetakengranularity="0"`)
			if p.Taken.IsZero() {
				attribute("datetakenunknown", "1")
			} else {
				attribute("datetakenunknown", "0")
			}
		case "tags":
			attribute("tags", strings.Join(p.Tags, " "))
		case "media":
			media := "photo"
			if p.Video {
				media = "video"
			}
			attribute("media", media)
			b.WriteString(` media_status="ready"`)
		case "o_dims":
			attribute("o_width", strconv.Itoa(p.Width))
			attribute("o_height", strconv.Itoa(p.Height))
		case "url_m", "url_z", "url_c", "url_l", "url_o":
			p.size(attribute, strings.TrimPrefix(extra, "url_"), base)
		}
	}
	if slices.Contains(extras, "description") {
		fmt.Fprintf(&b, ">\n\t\t<description>%s</description>\n\t</photo>\n", escape(p.Description))
		return b.String()
	}
	b.WriteString(" />\n")
	return b.String()
}

// size writes the attributes of a size by the letter of its extra. Sizes beyond the original do not exist, but for the medium
// one.
func (p *Photo) size(attribute func(name, value string), letter, base string) {
	suffix := map[string]string{"m": "", "z": "z", "c": "c", "l": "b", "o": "o"}[letter]
	width, height := p.Width, p.Height
	if letter != "o" {
		if suffix != "" && max(width, height) < sizes[suffix] {
			return
		}
		width, height = p.fit(sizes[suffix])
	}
	attribute("url_"+letter, base+p.path(suffix))
	attribute("width_"+letter, strconv.Itoa(width))
	attribute("height_"+letter, strconv.Itoa(height))
}
