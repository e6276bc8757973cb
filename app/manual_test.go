package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestManual wants each command, and each flag of the program itself, in the manual page.
func TestManual(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "assets", "packaging", "kaika.1"))
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(data), `\-`, "-")
	root := newRoot(&environment{})
	for _, command := range root.Commands() {
		if !command.Hidden && !strings.Contains(page, "\n.B "+command.Name()+"\n") {
			t.Errorf("kaika.1 does not tell of the command %s", command.Name())
		}
	}
	root.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && f.Name != "version" && f.Name != "headless" && !strings.Contains(page, "--"+f.Name) {
			t.Errorf("kaika.1 does not tell of --%s", f.Name)
		}
	})
}
