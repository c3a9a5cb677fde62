//go:build !linux

package seal

// warm does nothing: only Linux is told which memory wants large pages.
func warm(int) {}
