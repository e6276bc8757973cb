package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode"

	"kaika/core/picture"
)

// The reasons for a refusal that only sources on the network have.
const (
	Gone         picture.Reason = "gone"        // It is not there any more, or was never for everybody.
	Redirected   picture.Reason = "redirect"    // Its address leads to a host that its source does not use.
	Unreachable  picture.Reason = "unreachable" // Its server gave no picture, and may do so later.
	WrongLicense picture.Reason = "license"     // It is under a license that is not wanted.
	Excluded     picture.Reason = "excluded"    // It has a word or a tag that is not wanted.
)

// downloads gets the pictures of one search.
type downloads struct {
	web     *Web
	service string // "" for the host of each picture.
	pace    *pace
	// allowed says whether a redirect may be followed.
	allowed func(from, to *url.URL) bool
	flickr  []string // The hosts of Flickr's pictures.
	// most is how many pictures in a row may fail because of the network before that is the trouble.
	most   int
	failed int // In a row until now.
}

// open gets the picture at an address whole. The name is what a refusal calls it.
func (d *downloads) open(ctx context.Context, name string, address *url.URL) (io.ReadCloser, error) {
	q := query{
		service: d.service, address: address, accept: "image/*", maxBytes: picture.MaxFileBytes, pace: d.pace,
		redirect: func(from, to *url.URL) error { return d.follow(name, from, to) },
		check:    func(a answer) error { return d.look(name, a) },
	}
	if q.service == "" {
		q.service = address.Hostname()
	}
	a, err := d.web.get(ctx, q)
	if err == nil {
		d.failed = 0
		return io.NopCloser(bytes.NewReader(a.body)), nil
	}
	var (
		refusal *Refusal
		service *ServiceError
	)
	switch {
	case errors.Is(err, errTooLong):
		err = tooLarge(name)
	case !errors.As(err, &refusal) && !errors.As(err, &service):
		return nil, err // The context's.
	case service != nil && gone(service.Status):
		err = refuse(Gone, name, "is not there any more, or not for everybody (%d %s)", service.Status, http.StatusText(service.Status))
	case service != nil:
		if d.failed++; d.failed >= d.most {
			return nil, service
		}
		return nil, &Refusal{Reason: Unreachable, Name: name, Detail: "cannot be downloaded now: " + service.Error(), Err: service}
	}
	d.failed = 0 // The server is there.
	return nil, err
}

// gone reports whether a status is an answer about one picture.
func gone(status int) bool {
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError &&
		status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

// follow says whether a redirect is followed.
func (d *downloads) follow(name string, from, to *url.URL) error {
	switch {
	case isStandIn(to):
		return refuse(Gone, name, "is not there any more: its place has a picture that says so")
	case to.Scheme != "https" && (to.Scheme != "http" || from.Scheme == "https"):
		return refuse(Redirected, name, "leads to an address that is not protected, at %s", to.Host)
	case !d.allowed(from, to):
		return refuse(Redirected, name, "leads to another host, %s, which its source does not use", to.Host)
	}
	return nil
}

// isStandIn reports whether an address is of what Flickr gives for photos that were deleted or made private.
func isStandIn(u *url.URL) bool {
	return strings.HasPrefix(path.Base(u.Path), "photo_unavailable")
}

// look looks at what came for a picture, without decoding it. A web page may be the work of a busy server or of
// something on the way, and is asked for again.
func (d *downloads) look(name string, a answer) error {
	const tries = 3
	is := http.DetectContentType(a.body)
	declared, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		declared = "" // Not said, or in no way that can be read.
	}
	group, _, _ := strings.Cut(declared, "/")
	switch {
	case len(a.body) == 0:
		return &passingError{error: refuse(picture.Empty, name, "is empty"), tries: tries}
	case strings.HasPrefix(is, "text/html"), declared == "text/html":
		return &passingError{error: refuse(picture.NotAPicture, name, "is a web page, not a picture"), tries: tries}
	case strings.HasPrefix(is, "text/"), group != "image" && group != "" && !strings.HasSuffix(declared, "/octet-stream"):
		return &passingError{error: refuse(picture.NotAPicture, name, "is not a picture: its server calls it %q", clip(declared)), tries: tries}
	case isStandIn(a.from), inHosts(a.from.Host, d.flickr) && path.Ext(a.from.Path) == ".jpg" && is != "image/jpeg":
		// Flickr makes JPEGs in all sizes but the original, whose address has the ending of its own kind.
		return refuse(Gone, name, "is not there any more: its place has a picture that says so")
	}
	return nil
}

// clip makes a text that comes from elsewhere fit into a sentence.
func clip(text string) string { return cut(text, 200) }

// credit makes a text that comes from elsewhere fit into a list of credits.
func credit(text string) string { return cut(text, 500) }

// cut cuts a text to one line of at most so many characters.
func cut(text string, most int) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "�")))
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// webLink gives the address that a text is, or "" if it is none of the web, which nobody should be led to.
func webLink(text string) string {
	const most = 4096
	if len(text) > most {
		return ""
	}
	u, err := webAddress(text)
	if err != nil {
		return ""
	}
	return u.String()
}

// webAddress parses the address of something on the web.
func webAddress(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("%q is no address of the web", clip(text))
	}
	return u, nil
}

// inHosts reports whether a host, maybe with a port, is one of a list or below one.
func inHosts(host string, list []string) bool {
	host = strings.ToLower(host)
	for _, h := range list {
		if host == h || strings.HasSuffix(host, "."+h) {
			return true
		}
	}
	return false
}

// sameSite reports whether two hosts belong together: they are the same, or both lie below the same domain that somebody
// can own. Which domains those are is guessed: of "example.com" and "example.co.uk" all letters count.
func sameSite(a, b *url.URL) bool {
	return a.Host == b.Host || site(a) != "" && site(a) == site(b)
}

// site gives the domain that a host belongs to, "" for a number or a host of the own network.
func site(u *url.URL) string {
	const short = 3 // Letters of what stands before a country's ending: "co.uk", "com.au", "ne.jp".
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), ".")
	last := len(labels) - 1
	if last < 1 || labels[last] == "" || strings.Trim(labels[last], "0123456789") == "" {
		return ""
	}
	first := last - 1
	if len(labels[last]) == 2 && len(labels[first]) <= short && first > 0 {
		first--
	}
	return strings.Join(labels[first:], ".")
}
