package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
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
	// most is how many pictures of the service, or how many hosts where there are several, may fail in a row because of the
	// network before that is the trouble.
	most int

	failed  map[string]int           // Pictures in a row that failed so, by their hosts.
	down    map[string]*ServiceError // Hosts that are asked for nothing more.
	row     map[string]bool          // Hosts that failed since one answered.
	there   bool                     // Whether any has answered.
	skipped *ServiceError            // Why the last picture was not asked for.
}

// open gets the picture at an address whole. The name is what a refusal calls it.
func (d *downloads) open(ctx context.Context, name string, address *url.URL) (io.ReadCloser, error) {
	q := query{
		service: d.service, address: address, accept: "image/*", maxBytes: picture.MaxFileBytes, pace: d.pace,
		redirect: func(from, to *url.URL) error { return d.follow(name, from, to) },
		check:    func(a answer) error { return d.look(name, a) },
	}
	host := d.service
	if host == "" {
		host = address.Host
		q.service = address.Hostname()
	}
	if e := d.down[host]; e != nil {
		d.skipped = e
		return nil, &Refusal{Reason: Unreachable, Name: name, Detail: "is not asked for any more in this run: " + e.Error(), Err: e}
	}
	a, err := d.web.get(ctx, q)
	if err == nil {
		d.answered(host)
		return io.NopCloser(bytes.NewReader(a.body)), nil
	}
	var (
		refusal *Refusal
		service *ServiceError
	)
	switch {
	case errors.Is(err, errTooLong):
		d.answered(host)
		err = tooLarge(name)
	case !errors.As(err, &refusal) && !errors.As(err, &service):
		return nil, err // The context's.
	case service != nil && (service.Status == http.StatusNotFound || service.Status == http.StatusGone):
		d.answered(host)
		err = refuse(Gone, name, "is not there any more, or not for everybody (%d %s)", service.Status, http.StatusText(service.Status))
	case service != nil:
		if d.trouble(host, service) {
			return nil, service
		}
		err = &Refusal{Reason: Unreachable, Name: name, Detail: "cannot be downloaded now: " + service.Error(), Err: service}
	case refusal.Reason == Gone:
		d.answered(host)
	case refusal.Reason != Redirected: // Something other than a picture, which a filter of the network may have put there.
		if d.odd(host) {
			return nil, &ServiceError{Service: q.service, Detail: "gives no pictures but something else: if this network asks you to sign in, or keeps pages from you, " +
				"open a browser and see to that, then run it again; it goes on where it was"}
		}
	}
	return nil, err
}

// answered takes down that a host gave a picture, or has none.
func (d *downloads) answered(host string) {
	d.there, d.row = true, nil
	delete(d.failed, host)
}

// trouble takes down that a host could not be asked for a picture, and reports whether that is the end. Where pictures have
// several hosts it is only if as many of them fail one after the other; one that cannot be found, that wants to be left alone
// for long or that failed a few times is not asked any more.
func (d *downloads) trouble(host string, why *ServiceError) bool {
	const few = 3
	ends, lookup := d.odd(host), (*net.DNSError)(nil)
	if d.service != "" {
		return ends || why.RetryAfter > patience
	}
	if d.failed[host] >= few || why.RetryAfter > patience || errors.As(why.Err, &lookup) && lookup.IsNotFound {
		if d.down == nil {
			d.down = map[string]*ServiceError{}
		}
		d.down[host] = why
	}
	return ends
}

// odd takes down that a host gave neither a picture nor word that it has none, and reports whether that is the end.
func (d *downloads) odd(host string) bool {
	if d.failed == nil {
		d.failed = map[string]int{}
	}
	if d.row == nil {
		d.row = map[string]bool{}
	}
	d.failed[host]++
	d.row[host] = true
	if d.service != "" {
		return d.failed[host] >= d.most
	}
	return len(d.row) >= d.most
}

// end is the error at the end of what a source has: that it has no more is not true where no host was there.
func (d *downloads) end() error {
	if d.skipped != nil && !d.there {
		return d.skipped
	}
	return nil
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
