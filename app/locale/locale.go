// Package locale keeps Fyne quiet in the locale C.UTF-8.
//
// Fyne reads the locale while its packages are initialised, before main begins, and complains of C.UTF-8, the locale of
// containers and of jobs that no person started, on the standard error: also when a command is run that shows no
// window. Naming English as the language, which is what such a locale means, keeps it from that.
//
// Go initialises packages in the order of their import paths, each as soon as what it imports is initialised. This one
// imports nothing but os, so its turn comes before log's, which Fyne's package needs.
package locale

import "os"

func init() {
	for _, name := range [...]string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		if len(value) > 1 && value[:2] == "C." && os.Getenv("LANGUAGE") == "" {
			_ = os.Setenv("LANGUAGE", "en") // Fails for no name and no value of this kind.
		}
		return
	}
}
