package collect

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// A Terms is the kind of a license, whatever its version: those of Creative Commons as Openverse writes them, and three that
// only Flickr has.
type Terms string

// The terms. What they ask for: https://creativecommons.org/share-your-work/cclicenses
const (
	BY                Terms = "by"
	BYSA              Terms = "by-sa"
	BYND              Terms = "by-nd"
	BYNC              Terms = "by-nc"
	BYNCSA            Terms = "by-nc-sa"
	BYNCND            Terms = "by-nc-nd"
	CC0               Terms = "cc0"
	PublicDomain      Terms = "pdm"
	NoKnownCopyright  Terms = "no-known-copyright"
	USGovernment      Terms = "us-government"
	AllRightsReserved Terms = "all-rights-reserved"
)

// AllTerms lists all terms, the freest first.
func AllTerms() []Terms {
	return []Terms{CC0, PublicDomain, NoKnownCopyright, USGovernment, BY, BYSA, BYND, BYNC, BYNCSA, BYNCND, AllRightsReserved}
}

// FreeTerms lists the terms under which a photo may be used for any purpose and changed. They are what a source asks for
// unless it is told otherwise.
func FreeTerms() []Terms {
	return []Terms{CC0, PublicDomain, NoKnownCopyright, USGovernment, BY, BYSA}
}

// ParseTerms reads terms, separated by commas, as a user writes them: "by, CC-BY-SA, cc0".
func ParseTerms(text string) ([]Terms, error) {
	var all []Terms
	for part := range strings.SplitSeq(text, ",") {
		name := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(part)), " ", "-")
		terms := Terms(strings.TrimPrefix(name, "cc-"))
		switch {
		case name == "":
		case !slices.Contains(AllTerms(), terms):
			return nil, fmt.Errorf("there is no license %q: use %v, separated by commas", strings.TrimSpace(part), AllTerms())
		case !slices.Contains(all, terms):
			all = append(all, terms)
		}
	}
	return all, nil
}

// A License is what a photo may be used under.
type License struct {
	Terms Terms  // "" where it is not known what the license asks for.
	Name  string // As it is credited, such as "CC BY 2.0".
	URL   string // Its text.
}

// flickrLicenses are Flickr's licenses by its numbers, as flickr.photos.licenses.getInfo listed them in July 2025. They are
// used where that cannot be asked.
func flickrLicenses() map[string]License {
	cc := func(terms Terms, version string) License {
		name, text := "CC "+strings.ToUpper(string(terms))+" "+version, "https://creativecommons.org/licenses/"+string(terms)+"/"+version+"/"
		return License{terms, name, text}
	}
	const reserved = "https://www.flickrhelp.com/hc/en-us/articles/10710266545556-Using-Flickr-images-shared-by-other-members"
	return map[string]License{
		"0":  {AllRightsReserved, "All Rights Reserved", reserved},
		"1":  cc(BYNCSA, "2.0"),
		"2":  cc(BYNC, "2.0"),
		"3":  cc(BYNCND, "2.0"),
		"4":  cc(BY, "2.0"),
		"5":  cc(BYSA, "2.0"),
		"6":  cc(BYND, "2.0"),
		"7":  {NoKnownCopyright, "No known copyright restrictions", "https://www.flickr.com/commons/usage/"},
		"8":  {USGovernment, "United States Government Work", "https://www.usa.gov/government-copyright"},
		"9":  {CC0, "CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"},
		"10": {PublicDomain, "Public Domain Mark 1.0", "https://creativecommons.org/publicdomain/mark/1.0/"},
		"11": cc(BY, "4.0"),
		"12": cc(BYSA, "4.0"),
		"13": cc(BYND, "4.0"),
		"14": cc(BYNC, "4.0"),
		"15": cc(BYNCSA, "4.0"),
		"16": cc(BYNCND, "4.0"),
	}
}

// termsOf reads terms off the address of a license of Creative Commons, "" from any other.
func termsOf(address string) Terms {
	u, err := url.Parse(strings.ToLower(address))
	if err != nil || strings.TrimPrefix(u.Hostname(), "www.") != "creativecommons.org" {
		return ""
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 2 {
		return ""
	}
	switch parts[0] + "/" + parts[1] {
	case "publicdomain/zero":
		return CC0
	case "publicdomain/mark":
		return PublicDomain
	}
	if terms := Terms(parts[1]); parts[0] == "licenses" && strings.HasPrefix(parts[1], "by") && slices.Contains(AllTerms(), terms) {
		return terms
	}
	return ""
}

// openverseLicense gives the license that Openverse describes by its terms, version and address.
func openverseLicense(terms, version, address string) License {
	l := License{URL: webLink(address)}
	terms = strings.ToLower(strings.TrimSpace(terms))
	if slices.Contains(AllTerms(), Terms(terms)) {
		l.Terms = Terms(terms)
	}
	switch l.Terms {
	case CC0:
		l.Name = "CC0"
	case PublicDomain:
		l.Name = "Public Domain Mark"
	default:
		l.Name = credit("CC " + strings.ToUpper(terms))
	}
	if version = strings.TrimSpace(version); version != "" && version != "N/A" {
		l.Name += " " + credit(version)
	}
	return l
}
