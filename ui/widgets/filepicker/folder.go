package filepicker

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adrg/xdg"
)

// Want is what is to be chosen.
type Want int

// What can be chosen.
const (
	Folder  Want = iota
	File         // One that there is.
	NewFile      // A name for one to be written; one that there is already is asked about.
)

// An entry is a file or folder in the folder that is looked at.
type entry struct {
	name string
	dir  bool
}

// list gives what is in a folder and can be chosen or gone into, folders first, by name. matches says which files count.
func list(dir string, hidden bool, matches func(name string) bool) ([]entry, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("listing a folder: %w", err)
	}
	var entries []entry
	for _, f := range files {
		if !hidden && strings.HasPrefix(f.Name(), ".") {
			continue
		}
		is := f.IsDir()
		if f.Type()&os.ModeSymlink != 0 {
			info, err := os.Stat(filepath.Join(dir, f.Name()))
			is = err == nil && info.IsDir()
		}
		if is || matches(f.Name()) {
			entries = append(entries, entry{f.Name(), is})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.dir != b.dir {
			if a.dir {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)), strings.Compare(a.name, b.name))
	})
	return entries, nil
}

// nearest gives a folder itself, or the nearest above it that is there.
func nearest(dir string) string {
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return dir
		}
		dir = parent
	}
}

// A place is a folder that can be gone to at once.
type place struct {
	key string // Of its name in the texts, without "kit.files."; or "", and the folder's own name stands.
	dir string
}

// places gives the folders of the user's that are there, the disks that are mounted, and the root.
func places() []place {
	all := []place{
		{"home", xdg.Home},
		{"desktop", xdg.UserDirs.Desktop},
		{"documents", xdg.UserDirs.Documents},
		{"downloads", xdg.UserDirs.Download},
		{"pictures", xdg.UserDirs.Pictures},
	}
	for _, mounts := range []string{"/media/" + filepath.Base(xdg.Home), "/run/media/" + filepath.Base(xdg.Home), "/mnt", "/Volumes"} {
		disks, _ := filepath.Glob(mounts + "/*")
		for _, disk := range disks {
			all = append(all, place{"", disk})
		}
	}
	all = append(all, place{"computer", filepath.VolumeName(xdg.Home) + string(filepath.Separator)})
	var there []place
	for _, p := range all {
		known := slices.ContainsFunc(there, func(o place) bool { return o.dir == p.dir }) // As where a desktop has no folders.
		if info, err := os.Stat(p.dir); err == nil && info.IsDir() && !known {
			there = append(there, p)
		}
	}
	return there
}

// errName says that a file or folder cannot have a name.
var errName = errors.New("not a name")

// join gives the path of a name in a folder. It must be one name, not a way to elsewhere.
func join(dir, name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`+"\x00") {
		return "", errName
	}
	return filepath.Join(dir, name), nil
}
