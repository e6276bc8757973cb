// Command kaika turns photos into a classifier on the user's own machine: collect, curate, retrain, classify, serve.
package main

import (
	"os"

	"kaika/app"
)

func main() {
	os.Exit(app.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
