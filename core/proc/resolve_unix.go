//go:build linux || darwin

package proc

import (
	"errors"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func isPath(name string) bool { return strings.Contains(name, "/") }

func sameKey(a, b string) bool { return a == b }

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// executable asks the kernel, so that access lists and noexec mounts count, and not the mode bits alone.
func executable(path string, _ []string) (string, error) {
	info, err := statFile(path)
	if err != nil {
		return "", err
	}
	// Root may run a file only when somebody may: access(2) knows, faccessat2 with AT_EACCESS for set-user-id callers.
	if info.Mode()&0o111 == 0 || unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS) != nil {
		return "", ErrNotExecutable
	}
	return path, nil
}
