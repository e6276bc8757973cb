package classify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kaika/core/picture"
	"kaika/ui/clipboard"
)

// pasteFrom takes what the clipboard holds: a picture, or the photos that it names. Text gives Fyne's clipboard, which is
// asked where the desktop's cannot be.
func (p *presenter) pasteFrom(text func() string) {
	if p.pasting || p.closed {
		return
	}
	p.pasting = true
	p.beside(func(ctx context.Context) {
		content, err := p.clipboard(ctx)
		path := ""
		if err == nil && content.Picture != nil {
			path, err = p.pasted.write(content.Picture)
		}
		p.post(func() {
			p.pasting = false
			switch {
			case errors.Is(err, clipboard.ErrNone):
				p.paste(text())
			case errors.Is(err, context.Canceled):
			case err != nil:
				p.failed(pasteProblem, err)
			case path != "":
				p.fileless[path] = true
				p.drop([]string{path})
			case content.Files != "":
				p.paste(content.Files)
			default:
				p.paste(content.Text)
			}
		})
	})
}

// paste takes the photos that a text names.
func (p *presenter) paste(text string) {
	paths := parsePaths(text)
	if len(paths) == 0 {
		p.notice = &notice{kind: noticeNothingToPaste}
		p.changed()
		return
	}
	p.drop(paths)
}

// pasted keeps pictures that came without a file, in a folder for this session. One goroutine at a time may use it.
type pasted struct {
	dir   string // Empty until the first picture comes.
	count int
	now   func() time.Time
}

// write keeps a picture and gives its file.
func (k *pasted) write(data []byte) (string, error) {
	if k.dir == "" {
		dir, err := os.MkdirTemp("", "kaika-pasted-")
		if err != nil {
			return "", fmt.Errorf("keeping a pasted picture: %w", err)
		}
		k.dir = dir
	}
	ending := "png"
	if encoded, err := picture.Parse(data); err == nil {
		ending = strings.ToLower(string(encoded.Kind))
	}
	k.count++ // Two may come within a second.
	path := filepath.Join(k.dir, fmt.Sprintf("%s-%d.%s", k.now().Format("20060102-150405"), k.count, ending))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return "", errors.Join(fmt.Errorf("keeping a pasted picture: %w", err), os.Remove(path))
	}
	return path, nil
}

// remove removes all of them.
func (k *pasted) remove() error {
	if k.dir == "" {
		return nil
	}
	return os.RemoveAll(k.dir)
}

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
