//go:build !linux

package lockmem

import "golang.org/x/sys/unix"

// mapRegion maps size bytes that are never swapped.
func mapRegion(size int) region {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return region{bytes: make([]byte, size), kind: Plain}
	}
	if unix.Mlock(b) != nil {
		return region{bytes: b, kind: Plain}
	}
	return region{bytes: b, kind: Locked}
}

// Harden keeps core files away.
func Harden() error { return noCore() }
