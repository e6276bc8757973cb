// Package remote is the client of the photos that a server of Kaika keeps: what package inbox is for a folder, over HTTP.
package remote

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kaika/core/inbox"
	"kaika/core/picture"
	"kaika/core/secret"
)

// ErrPassword says that the server does not take the name and the password.
var ErrPassword = errors.New("the server does not take this name and password")

// Limits of what a server may do to its client.
const (
	connectTime  = 15 * time.Second
	answerTime   = 45 * time.Second // For the headers of an answer: the list of a large bucket takes its time.
	wholeTime    = 3 * time.Minute
	maxPage      = 16 << 20
	maxProblem   = 64 << 10
	maxSentence  = 500
	maxRedirects = 3
)

// Client asks one server. It is safe for concurrent use.
type Client struct {
	base *url.URL
	who  secret.Credentials
	http *http.Client
}

// New makes a client for a server at an address such as https://photos.example.org or localhost:8080. Without http:// or
// https:// it is HTTPS, but HTTP where it is this machine. Nothing is asked yet.
func New(address string, who secret.Credentials) (*Client, error) {
	base, err := Parse(address)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: connectTime}).DialContext, TLSHandshakeTimeout: connectTime, ResponseHeaderTimeout: answerTime,
		MaxResponseHeaderBytes: maxProblem, MaxConnsPerHost: 4, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	c := &Client{base: base, who: who, http: &http.Client{Transport: transport, Timeout: wholeTime}}
	c.http.CheckRedirect = func(to *http.Request, via []*http.Request) error {
		switch {
		case len(via) > maxRedirects:
			return errors.New("the server leads from one address to the next without end")
		case to.URL.Host != base.Host || to.URL.Scheme != base.Scheme && to.URL.Scheme != "https":
			return fmt.Errorf("the server leads to %s, which is not asked: give the address of the server itself", to.URL.Redacted())
		}
		return nil
	}
	return c, nil
}

// Parse reads the address of a server as New does.
func Parse(address string) (*url.URL, error) {
	text := strings.TrimSpace(address)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	at, err := url.Parse(text)
	if err != nil || at.Hostname() == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, errors.New("this is no address of a server: give one like https://photos.example.org or 127.0.0.1:8080")
	}
	if !strings.Contains(address, "://") && local(at.Hostname()) {
		at.Scheme = "http"
	}
	// A name and a password in the address would be shown with it.
	return &url.URL{Scheme: at.Scheme, Host: strings.ToLower(at.Host), Path: strings.TrimRight(at.Path, "/")}, nil
}

// Readable tells whether others on the way to a server can read what is sent: the password, too.
func Readable(at *url.URL) bool { return at.Scheme == "http" && !local(at.Hostname()) }

func local(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Place tells which server is asked, for people.
func (c *Client) Place() string { return c.base.String() }

// Close closes idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// List gives a page of the kept photos, as [inbox.Inbox.List] does.
func (c *Client) List(ctx context.Context, q inbox.Query) (inbox.Page, error) {
	query := url.Values{"order": {string(q.Order)}, "offset": {strconv.Itoa(q.Offset)}, "limit": {strconv.Itoa(q.Limit)}}
	data, _, err := c.do(ctx, http.MethodGet, "?"+query.Encode(), maxPage)
	if err != nil {
		return inbox.Page{}, fmt.Errorf("listing the kept photos of %s: %w", c.base, err)
	}
	page, err := inbox.ParsePage(data)
	if err != nil {
		return inbox.Page{}, fmt.Errorf("listing the kept photos of %s: %w", c.base, err)
	}
	return page, nil
}

// Photo gives the bytes of a photo's file and their type, as [inbox.Inbox.Photo] does.
func (c *Client) Photo(ctx context.Context, id string) (data []byte, kind string, err error) {
	if !inbox.IsID(id) {
		return nil, "", fmt.Errorf("%.80q is no ID of a kept photo: %w", id, fs.ErrNotExist)
	}
	data, kind, err = c.do(ctx, http.MethodGet, "/"+id+"/photo", picture.MaxFileBytes)
	if err != nil {
		return nil, "", fmt.Errorf("fetching a kept photo from %s: %w", c.base, err)
	}
	return data, kind, nil
}

// Remove removes a photo for good, as [inbox.Inbox.Remove] does.
func (c *Client) Remove(ctx context.Context, id string) error {
	if !inbox.IsID(id) {
		return fmt.Errorf("%.80q is no ID of a kept photo: %w", id, fs.ErrNotExist)
	}
	if _, _, err := c.do(ctx, http.MethodDelete, "/"+id, maxProblem); err != nil {
		return fmt.Errorf("removing a kept photo of %s: %w", c.base, err)
	}
	return nil
}

// do asks the server, and gives its answer of at most so many bytes.
func (c *Client) do(ctx context.Context, method, path string, limit int64) (data []byte, kind string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base.String()+"/api/v1/uploads"+path, nil)
	if err != nil {
		return nil, "", err
	}
	if !c.who.Key.Empty() || !c.who.Secret.Empty() {
		r.SetBasicAuth(c.who.Key.Reveal(), c.who.Secret.Reveal())
	}
	r.Header.Set("User-Agent", "Kaika")
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close() //nolint:errcheck // It was read as far as it is wanted.
	good := answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusNoContent
	if !good {
		limit = maxProblem
	}
	data, err = io.ReadAll(io.LimitReader(answer.Body, limit+1))
	switch {
	case err != nil:
		return nil, "", err
	case good && int64(len(data)) > limit:
		return nil, "", fmt.Errorf("its answer has more than %d MiB", limit>>20)
	case good:
		return data, answer.Header.Get("Content-Type"), nil
	}
	return nil, "", refusal(answer.StatusCode, data)
}

// refusal is the error of an answer that is none.
func refusal(status int, data []byte) error {
	var said struct{ Error, Code string }
	if json.Unmarshal(data, &said) != nil || said.Error == "" {
		return fmt.Errorf("the server answers with the status %d %s: perhaps it is no server of Kaika", status, http.StatusText(status))
	}
	sentence := []rune(strings.ToValidUTF8(said.Error, "\ufffd"))
	text := string(sentence[:min(len(sentence), maxSentence)])
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("%w (%s)", ErrPassword, text)
	case status == http.StatusNotFound && said.Code == "no_upload":
		return fmt.Errorf("%s: %w", text, fs.ErrNotExist)
	}
	return errors.New(text)
}
