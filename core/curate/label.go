package curate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"kaika/core/dataset"
)

// maxLabel is the length of the longest name of a label, in bytes. File systems take 255, and some encrypting ones less.
const maxLabel = 200

// LabelNamed returns the label that a name means. That is the one of this name, or one that is there and differs only in how its
// letters are put together: "é" may be one character or two, and the names of folders that come from a Mac often have two.
// Where there is neither, it is the name itself.
func (l *Library) LabelNamed(name string) string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.index.named(name)
}

// CheckLabel says whether photos could be put under a label of that name, which is there, as LabelNamed says, or could be added:
// the error is nil, [dataset.ErrLabelName] or [dataset.ErrLabelClash].
func (l *Library) CheckLabel(name string) error { return l.CheckLabels([]string{name}) }

// CheckLabels says whether photos could be put under all of these labels. Errors are as those of CheckLabel, about the first
// that is wrong.
func (l *Library) CheckLabels(names []string) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	labels := maps.Clone(l.index.labels)
	for _, name := range names {
		name = l.index.named(name)
		if _, there := labels[name]; there {
			continue
		}
		if err := checkLabel(name, labels); err != nil {
			return err
		}
		labels[name] = 0
	}
	return nil
}

// checkLabel says whether a folder of that name would be a label on any file system, and could be told apart from the
// others.
func checkLabel(name string, others map[string]int) error {
	if problem := labelProblem(name); problem != "" {
		return &changeError{dataset.ErrLabelName, nil, fmt.Sprintf("%q cannot be the name of a label: %s", name, problem)}
	}
	for other := range others {
		switch {
		case norm.NFC.String(other) == norm.NFC.String(name):
			return &changeError{dataset.ErrLabelClash, nil, fmt.Sprintf("there is a label %q already: choose another name", name)}
		case fold(other) == fold(name):
			return &changeError{dataset.ErrLabelClash, nil, fmt.Sprintf("%q can hardly be told apart from the label %q: choose another name", name, other)}
		}
	}
	return nil
}

// labelProblem says what is wrong with a name, and what to do about it.
func labelProblem(name string) string {
	const forbidden = `/\:*?"<>|`
	switch {
	case name == "":
		return "give it at least one letter"
	case !utf8.ValidString(name):
		return "write it in UTF-8"
	case len(name) > maxLabel:
		return fmt.Sprintf("it has %d bytes, so shorten it to %d", len(name), maxLabel)
	case strings.ContainsFunc(name, breaksLine):
		return "leave out line breaks and control characters"
	case strings.ContainsAny(name, forbidden):
		return "leave out the characters " + forbidden
	case hidden(name):
		return "let it begin with something else than a dot, which hides folders"
	case strings.TrimSpace(name) != name:
		return "leave out the spaces around it"
	case strings.HasSuffix(name, "."):
		return "leave out the dot at its end"
	case reserved(name):
		return "Windows keeps that name for itself, so choose another one"
	}
	return ""
}

// reserved says whether Windows has no files of that name, whatever the ending.
func reserved(name string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	if slices.Contains([]string{"CON", "PRN", "AUX", "NUL"}, stem) {
		return true
	}
	number, port := strings.CutPrefix(stem, "COM")
	if !port {
		number, port = strings.CutPrefix(stem, "LPT")
	}
	return port && len(number) == 1 && '1' <= number[0] && number[0] <= '9'
}

// fold maps names that file systems or lists of labels may confuse to one, as package dataset does.
func fold(name string) string {
	return norm.NFD.String(cases.Fold().String(norm.NFD.String(strings.TrimSpace(name))))
}

// breaksLine says whether r is a control character or separates lines, as package dataset does.
func breaksLine(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp)
}
