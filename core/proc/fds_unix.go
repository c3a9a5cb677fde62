//go:build linux || darwin

package proc

import (
	"os"
	"strconv"
	"syscall"
)

// markOpen marks the descriptors that dir lists, from first up, close-on-exec.
func markOpen(dir string, first int) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= first {
			syscall.CloseOnExec(fd)
		}
	}
}
