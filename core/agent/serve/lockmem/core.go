package lockmem

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// noCore forbids core files, for good.
func noCore() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	return nil
}
