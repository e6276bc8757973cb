//go:build !linux && !darwin

package curate

import "errors"

// renameExclusive cannot be had here.
func renameExclusive(string, string) error { return errors.ErrUnsupported }
