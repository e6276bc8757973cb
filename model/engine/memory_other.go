//go:build !linux

package engine

// trim does nothing: this system's C library gives back itself what is freed.
func trim() {}

// LimitArenas does nothing: it is for glibc.
func LimitArenas() {}
