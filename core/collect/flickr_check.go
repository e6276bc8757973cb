package collect

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"gopkg.in/masci/flickr.v3"

	"kaika/core/curate"
)

// A Standing is what a service says now of a photo that came from it.
type Standing struct {
	Unknown    bool   // The service cannot be asked, because what is known of the photo names none of its photos.
	Gone       bool   // It is not there any more, or, where the service does not tell these apart, not for everybody.
	Private    bool   // It is there, but not for everybody.
	License    string // As curate.Source.License; "" if the service does not say.
	LicenseURL string
}

// CodePhotoNotFound and CodePermissionDenied are errors of flickr.photos.getInfo.
// (https://www.flickr.com/services/api/flickr.photos.getInfo.html, "Error Codes"; the second one is no longer listed there.)
const (
	CodePhotoNotFound    = 1
	CodePermissionDenied = 2
)

// flickrInfo is the answer to flickr.photos.getInfo.
type flickrInfo struct {
	flickr.BasicResponse

	Photo *struct {
		ID         string `xml:"id,attr"`
		License    string `xml:"license,attr"`
		Visibility struct {
			Public string `xml:"ispublic,attr"`
		} `xml:"visibility"`
	} `xml:"photo"`
}

// Check asks Flickr what it says of a photo now. Only Flickr's own words make a photo gone or private; an error, such as that
// of the network, says nothing about the photo. Errors are as those of Search.
func (f *Flickr) Check(ctx context.Context, s curate.Source) (Standing, error) {
	if s.ID == "" || strings.Trim(s.ID, "0123456789") != "" {
		return Standing{Unknown: true}, nil
	}
	if f.Key.Empty() || f.Secret.Empty() {
		return Standing{}, ErrNoKey
	}
	licenses, err := f.Licenses(ctx)
	if err != nil {
		return Standing{}, err
	}
	const method = "flickr.photos.getInfo"
	info, err := call[flickrInfo](ctx, f, method, map[string]string{"photo_id": s.ID})
	var said *FlickrError
	switch {
	case errors.As(err, &said) && said.Code == CodePhotoNotFound:
		return Standing{Gone: true}, nil
	case errors.As(err, &said) && said.Code == CodePermissionDenied:
		return Standing{Private: true}, nil
	case err != nil:
		return Standing{}, err
	case info.Photo == nil || info.Photo.ID != s.ID:
		return Standing{}, unreadableAnswer("Flickr", method, errors.New("it is about no photo, or about another one"))
	}
	now := Standing{Private: info.Photo.Visibility.Public == "0"}
	now.License, now.LicenseURL = flickrLicenseNow(s, info.Photo.License, licenses)
	return now, nil
}

// flickrLicenseNow gives the license of a number. It is that of the source if this has it, in Flickr's words of now or in
// those that Kaika knows: which of them were written down depends on whether Flickr could be asked for them then.
func flickrLicenseNow(s curate.Source, number string, now map[string]License) (name, address string) {
	license, known := now[number]
	if !known {
		return "", "" // What cannot be named, nobody can compare.
	}
	for _, words := range []License{license, flickrLicenses()[number]} {
		byName := s.LicenseURL == "" || termsOf(words.URL) == "" // Otherwise the address knows the version, too.
		if byName && words.Name != "" && words.Name == s.License || sameLicense(words.URL, s.LicenseURL) {
			return s.License, s.LicenseURL
		}
	}
	return license.Name, license.URL
}

// sameLicense reports whether two addresses are of the same license.
func sameLicense(a, b string) bool {
	return a != "" && licenseKey(a) == licenseKey(b)
}

// licenseKey gives what tells the address of one license from those of others: neither how it is gone to nor the language in
// which it is shown there.
func licenseKey(address string) string {
	u, err := url.Parse(strings.ToLower(strings.TrimSpace(address)))
	if err != nil || u.Host == "" {
		return address
	}
	host, path := strings.TrimPrefix(u.Host, "www."), strings.Trim(u.Path, "/")
	if host == "creativecommons.org" {
		if at := strings.Index(path, "/deed"); at >= 0 {
			path = path[:at]
		}
		path = strings.TrimSuffix(path, "/legalcode")
	}
	return host + "/" + path
}

// Differs reports whether a photo with this standing is under another license than its source says. Addresses tell, where both
// are known: names differ between services.
func (s Standing) Differs(was curate.Source) bool {
	if s.LicenseURL != "" && was.LicenseURL != "" {
		return !sameLicense(s.LicenseURL, was.LicenseURL)
	}
	return s.License != "" && was.License != "" && s.License != was.License
}
