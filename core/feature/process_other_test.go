//go:build !linux

package feature

func systemRoles() map[string]role { return nil }
