package lockmem

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// mapRegion maps size bytes, as well protected as this system allows.
func mapRegion(size int) region {
	if b, err := mapSecret(size); err == nil {
		return region{bytes: b, kind: Secret}
	}
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return region{bytes: make([]byte, size), kind: Plain}
	}
	if errors.Join(unix.Mlock(b), unix.Madvise(b, unix.MADV_DONTDUMP), unix.Madvise(b, unix.MADV_WIPEONFORK)) != nil {
		return region{bytes: b, kind: Plain}
	}
	return region{bytes: b, kind: Locked}
}

// mapSecret maps memory that the kernel removes from its direct map: reads
// through /proc/PID/mem and process_vm_readv fail, for root as well.
func mapSecret(size int) ([]byte, error) {
	fd, err := unix.MemfdSecret(unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, err
	}
	b, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	// Shared memory would be seen by a fork.
	if err := unix.Madvise(b, unix.MADV_DONTFORK); err != nil {
		unix.Munmap(b)
		return nil, err
	}
	return b, nil
}

// Harden keeps other processes of the same user, debuggers and core files out
// of this process.
func Harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("make the process non-dumpable: %w", err)
	}
	return noCore()
}
