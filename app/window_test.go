//go:build !headless

package app

import "testing"

// TestNothingIsQueuedAtTheEnd holds what newApp says of Fyne, which has other names for it in another version.
func TestNothingIsQueuedAtTheEnd(t *testing.T) {
	l, ok := newApp().Lifecycle().(interface{ OnStopped() func() })
	if !ok || l.OnStopped() != nil {
		t.Errorf("Fyne queues something when its loop has ended (known: %v): see newApp", ok)
	}
}
