//go:build headless

package app

import (
	// Where the headless program can keep photos besides in a folder. These make a program twice as large, which the program
	// with the window is spared: it runs where there are folders.
	_ "gocloud.dev/blob/gcsblob"
	_ "gocloud.dev/blob/s3blob"
)
