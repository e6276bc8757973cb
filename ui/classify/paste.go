package classify

import (
	"net/url"
	"path/filepath"
	"strings"
)

// parsePaths gives the files and folders that a text from the clipboard names, one a line: as an absolute path, which
// may stand in quotation marks, or as a URI of the scheme file (RFC 8089). Lines that are neither are passed over, as are
// the comments of a text/uri-list (RFC 2483) and the words that file managers put first.
func parsePaths(text string) []string {
	var paths []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n\x00")
		trimmed := strings.TrimSpace(line)
		if path, ok := fromURI(trimmed); ok {
			paths = append(paths, path)
			continue
		}
		for _, candidate := range []string{line, trimmed, unquoted(trimmed)} { // A file's name may end in a space.
			if filepath.IsAbs(candidate) && !strings.ContainsRune(candidate, 0) {
				paths = append(paths, filepath.Clean(candidate))
				break
			}
		}
	}
	return paths
}

// fromURI gives the path of a URI of the scheme file on this machine.
func fromURI(text string) (path string, ok bool) {
	if len(text) < len("file:") || !strings.EqualFold(text[:len("file:")], "file:") {
		return "", false
	}
	u, err := url.Parse(text)
	if err != nil || u.Host != "" && u.Host != "localhost" || strings.ContainsRune(u.Path, 0) {
		return "", false
	}
	path = filepath.FromSlash(u.Path)
	if volume := strings.TrimPrefix(path, string(filepath.Separator)); filepath.VolumeName(volume) != "" {
		path = volume // As in "file:///C:/rose.jpg".
	}
	if !filepath.IsAbs(path) {
		return "", false
	}
	return filepath.Clean(path), true
}

// unquoted takes the quotation marks off a text.
func unquoted(text string) string {
	for _, mark := range []string{`"`, `'`} {
		if len(text) > 2 && strings.HasPrefix(text, mark) && strings.HasSuffix(text, mark) {
			return text[1 : len(text)-1]
		}
	}
	return text
}
