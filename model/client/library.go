package client

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// libraryPathVariable names the variable with the folders that are searched for libraries.
func libraryPathVariable() string {
	if runtime.GOOS == "darwin" {
		return "DYLD_LIBRARY_PATH"
	}
	return "LD_LIBRARY_PATH"
}

// libraryNames gives the name that kaika-engine is linked against, and names under which libtensorflow is also
// published.
func libraryNames() (linked string, others []string) {
	if runtime.GOOS == "darwin" {
		return "libtensorflow_cc.2.dylib", []string{"libtensorflow.2.dylib", "libtensorflow.dylib"}
	}
	return "libtensorflow_cc.so.2", []string{"libtensorflow.so.2", "libtensorflow.so"}
}

// libraryFolder gives the folder in which the system finds the libtensorflow that the user points at. Where it bears
// another name than kaika-engine is linked against, the folder is one in cacheDir with links.
func libraryFolder(library, cacheDir string) (string, error) {
	info, err := os.Stat(library)
	if err != nil {
		return "", fmt.Errorf("KAIKA_LIBTENSORFLOW names no file or folder: %w", err)
	}
	linked, others := libraryNames()
	folder, file := filepath.Dir(library), library
	if info.IsDir() {
		folder, file = library, ""
		for _, name := range append([]string{linked}, others...) {
			if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
				file = filepath.Join(folder, name)
				break
			}
		}
		if file == "" {
			return "", fmt.Errorf("KAIKA_LIBTENSORFLOW: the folder %s holds no %s", library, linked)
		}
	}
	if filepath.Base(file) == linked {
		return folder, nil
	}
	if file, err = filepath.Abs(file); err != nil {
		return "", fmt.Errorf("KAIKA_LIBTENSORFLOW: %w", err)
	}
	sum := sha256.Sum256([]byte(file))
	links := filepath.Join(cacheDir, "libtensorflow-"+hex.EncodeToString(sum[:6]))
	if err := os.MkdirAll(links, 0o700); err != nil {
		return "", fmt.Errorf("KAIKA_LIBTENSORFLOW: %w", err)
	}
	entry := filepath.Join(links, linked)
	if target, err := os.Readlink(entry); err == nil && target == file {
		return links + string(filepath.ListSeparator) + filepath.Dir(file), nil
	}
	if err := os.Symlink(file, entry); err != nil && !os.IsExist(err) {
		return "", fmt.Errorf("KAIKA_LIBTENSORFLOW: %w", err)
	}
	return links + string(filepath.ListSeparator) + filepath.Dir(file), nil
}
