package host

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL

// private fills a memfd and seals it: no path leads to it, and not even its
// owner can write to it again. The descriptor stays open until remove.
func private(dir string, fill func(io.Writer) error) (*image, error) {
	fd, err := unix.MemfdCreate("ov-provider", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL { // before Linux 6.3 every memfd is executable, and the flag unknown
		fd, err = unix.MemfdCreate("ov-provider", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil { // a kernel or a sandbox without memfd
		return copyTo(dir, fill)
	}
	f := os.NewFile(uintptr(fd), "ov-provider")
	if err := fill(f); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, fmt.Errorf("seal: %w", err)
	}
	return &image{path: fmt.Sprintf("/proc/self/fd/%d", fd), remove: func() { f.Close() }}, nil
}
