package main_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// goPackage is what these tests read of the answer of go list.
type goPackage struct {
	ImportPath string
	Standard   bool // of Go's own library
	CgoFiles   []string
	Imports    []string
	Deps       []string // all that it needs, however indirectly
}

// TestLayers holds the rules of the architecture: what a room of the program may never need, however indirectly.
func TestLayers(t *testing.T) {
	tests := []struct {
		name  string
		tags  string   // build tags
		room  string   // an import path
		below bool     // the rule is for all packages below room, too
		never []string // import paths, each with all below it
	}{
		{
			name: "core is the domain alone",
			room: "kaika/core", below: true,
			never: []string{"kaika/app", "kaika/model", "kaika/ui", "fyne.io", "github.com/tensorflow"},
		},
		{
			name: "the window reaches neither the engine nor the server",
			room: "kaika/ui", below: true,
			never: []string{"kaika/app", "kaika/core/server", "kaika/model/engine", "github.com/tensorflow"},
		},
		{
			name:  "the main program links no TensorFlow",
			room:  "kaika",
			never: []string{"kaika/model/engine", "github.com/tensorflow"},
		},
		{
			name:  "the headless program has no window",
			tags:  "headless",
			room:  "kaika",
			never: []string{"kaika/ui", "fyne.io", "github.com/go-gl"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, p := range list(t, test.tags) {
				if p.ImportPath != test.room && (!test.below || !isBelow(p.ImportPath, test.room)) {
					continue
				}
				for _, dependency := range p.Deps {
					if slices.ContainsFunc(test.never, func(never string) bool { return isBelow(dependency, never) }) {
						t.Errorf("%s needs %s", p.ImportPath, dependency)
					}
				}
			}
		})
	}
}

// TestCoreIsPureGo allows C code below core in Go's own library only.
func TestCoreIsPureGo(t *testing.T) {
	packages := list(t, "")
	for _, p := range packages {
		if !isBelow(p.ImportPath, "kaika/core") {
			continue
		}
		for _, name := range append(p.Deps, p.ImportPath) {
			if dependency := packages[name]; len(dependency.CgoFiles) > 0 && !dependency.Standard {
				t.Errorf("%s needs %s, which is compiled with cgo", p.ImportPath, name)
			}
		}
	}
}

// TestOnlyEngineImportsTensorFlow looks at what each package of this module imports by itself.
func TestOnlyEngineImportsTensorFlow(t *testing.T) {
	for _, p := range list(t, "") {
		if !isBelow(p.ImportPath, "kaika") || isBelow(p.ImportPath, "kaika/model/engine") {
			continue
		}
		for _, imported := range p.Imports {
			if isBelow(imported, "github.com/tensorflow") {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
			if isBelow(imported, "kaika/model/engine") && p.ImportPath != "kaika/model/kaika-engine" {
				t.Errorf("%s imports %s, which only kaika-engine may", p.ImportPath, imported)
			}
		}
	}
}

// TestPackages wants of each package one comment that says what it is for, and a name that says so too.
func TestPackages(t *testing.T) {
	comments := map[string]int{} // by folder
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			// As go list does: no hidden folders, no test data. And nothing that set-up made.
			hidden := file != "." && strings.HasPrefix(entry.Name(), ".")
			if hidden || entry.Name() == "testdata" || file == "build" || file == "dist" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		comments[filepath.Dir(file)] += 0
		if parsed.Doc != nil {
			comments[filepath.Dir(file)]++
		}
		if slices.Contains([]string{"common", "helper", "helpers", "misc", "shared", "util", "utils"}, parsed.Name.Name) {
			t.Errorf("%s: a package named %s does not say what it is for", file, parsed.Name.Name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, count := range comments {
		if count != 1 {
			t.Errorf("%s: %d files have a package comment, want 1", folder, count)
		}
	}
}

// TestDependenciesAreExplained wants a line in docs/dependencies.md for each module that go.mod requires directly.
func TestDependenciesAreExplained(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	explained, err := os.ReadFile(filepath.Join("docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	required := regexp.MustCompile(`(?m)^(?:require )?\t?(\S+\.\S+) v\S+$`)
	for _, match := range required.FindAllStringSubmatch(string(mod), -1) {
		if !strings.Contains(string(explained), "| "+match[1]+" |") {
			t.Errorf("docs/dependencies.md does not say why %s is there", match[1])
		}
	}
}

// isBelow tells whether an import path is root or a package below it.
func isBelow(importPath, root string) bool {
	return importPath == root || strings.HasPrefix(importPath, root+"/")
}

// list gives the packages of this module and all that they need, by import path. The test's answer is cached like any
// other: TestPackages opens every file of Go code, so that a change to one of them runs these tests again.
func list(t *testing.T, tags string) map[string]goPackage {
	t.Helper()
	var complaints strings.Builder
	command := exec.CommandContext(t.Context(), "go", "list", "-tags="+tags, "-deps", "-json=ImportPath,Standard,CgoFiles,Imports,Deps", "./...")
	command.Stderr = &complaints
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, complaints.String())
	}
	packages := map[string]goPackage{}
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	for {
		var p goPackage
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatalf("%v: %v", command, err)
		}
		packages[p.ImportPath] = p
	}
}
