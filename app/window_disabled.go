//go:build headless

package app

import (
	"context"
	"errors"
)

// window says that there is none: a program for servers does without the libraries that draw.
func (*environment) window(context.Context) error {
	return errors.New("this kaika was built without a window: kaika --help lists its commands")
}
