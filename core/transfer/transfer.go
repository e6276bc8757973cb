// Package transfer takes a dataset out of Kaika and brings one in: a tar file with a folder for each label, with the word
// about where the photos came from, and without what was deleted.
package transfer

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"kaika/core/augment"
	"kaika/core/curate"
	"kaika/core/picture"
)

// shareable gives a source without what is nobody else's business: where on this machine the photo lay.
func shareable(s curate.Source) curate.Source {
	if webAddress(s.From) == "" && s.Kind != augment.Kind {
		s.From = ""
	}
	return s
}

// kinds are what the kind of a source may look like.
var kinds = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,31}$`)

// believable gives of a source that somebody else has written down what can be one.
func believable(s curate.Source) curate.Source {
	const short, long = 200, 2000
	clean := curate.Source{
		ID: text(s.ID, long), Title: text(s.Title, long), Author: text(s.Author, short),
		AuthorURL: webAddress(s.AuthorURL), PageURL: webAddress(s.PageURL),
		License: text(s.License, short), LicenseURL: webAddress(s.LicenseURL),
		Taken: date(s.Taken), Retrieved: date(s.Retrieved), From: webAddress(s.From),
	}
	if kinds.MatchString(s.Kind) {
		clean.Kind = s.Kind
	}
	if clean.Kind == augment.Kind {
		var original picture.Digest
		if original.UnmarshalText([]byte(s.ID)) == nil {
			clean.From = text(s.From, long) // The name that the original had.
		} else {
			clean.Kind, clean.ID = "", ""
		}
	}
	return clean
}

// text gives one line of valid UTF-8, cut off after so many bytes.
func text(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
	return strings.TrimSpace(cut(s, most))
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// webAddress gives an address of the web, or "".
func webAddress(s string) string {
	const most = 2000
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || len(s) > most || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || !utf8.ValidString(s) {
		return ""
	}
	return u.String()
}

// date gives a time that a photo can be of, or none.
func date(t time.Time) time.Time {
	if t.Year() < 1800 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// portable gives the base name of a file that every system can have.
func portable(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`\/:*?"<>|`, r) || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	stem = strings.TrimSpace(stem)
	number := strings.TrimLeft(stem, "COMLPT")
	device := slices.Contains([]string{"CON", "PRN", "AUX", "NUL"}, stem) ||
		len(number) == 1 && '1' <= number[0] && number[0] <= '9' && slices.Contains([]string{"COM", "LPT"}, strings.TrimSuffix(stem, number))
	if device { // Windows keeps these, whatever the ending.
		return "_" + name
	}
	return name
}

// fold maps names of labels that can hardly be told apart to one.
func fold(name string) string {
	return norm.NFD.String(cases.Fold().String(norm.NFD.String(strings.TrimSpace(name))))
}
