//go:build !linux

package host

func onThread(f func() error) error { return f() }
