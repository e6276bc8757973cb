package curate

import (
	"fmt"
	"os"
	"path"
	"strings"
	"unicode/utf8"
)

// names gives out names that are free. It remembers those given out, so that one step can plan many.
type names struct {
	l     *Library
	taken map[string]bool
	next  map[string]int
}

func (l *Library) newNames() *names {
	return &names{l, map[string]bool{}, map[string]int{}}
}

// free returns the path, or one with a number in its name where it is taken: "rose/1.jpg" becomes "rose/1 (2).jpg".
func (n *names) free(rel string) string {
	const first = 2
	for number := max(n.next[rel], first-1); ; number++ {
		free := rel
		if number >= first {
			free = numbered(rel, number)
		}
		key := strings.ToLower(free) // Many file systems take the two cases for one.
		if n.taken[key] {
			continue
		}
		if _, err := os.Lstat(n.l.abs(free)); err != nil { // Whoever uses the name sees any other error than that it is free.
			n.taken[key] = true
			n.next[rel] = number + 1
			return free
		}
	}
}

// numbered puts a number before the ending of a name, and shortens what would be too long for a file system.
func numbered(rel string, number int) string {
	const longest = 255
	dir, name := path.Split(rel)
	ending := path.Ext(name)
	stem := strings.TrimSuffix(name, ending)
	mark := fmt.Sprintf(" (%d)", number)
	for len(stem) > 0 && len(stem)+len(mark)+len(ending) > longest {
		_, size := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-size]
	}
	return dir + stem + mark + ending
}
