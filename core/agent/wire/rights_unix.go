//go:build linux || darwin

package wire

import (
	"fmt"
	"os"
	"syscall"
)

// truncated: the kernel had more descriptors than there was room for.
const truncated = syscall.MSG_CTRUNC

// rightsSpace is room for more descriptors than a frame may have, so that too many
// are noticed.
func rightsSpace() int { return syscall.CmsgSpace(4 * MaxFiles) }

// rightsOf is the control message that passes files on.
func rightsOf(files []*os.File) ([]byte, error) {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = FD(f)
	}
	return syscall.UnixRights(fds...), nil
}

// take adds the descriptors of a control message to f.
func (f *Frame) take(oob []byte) error {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return fmt.Errorf("%w: control message", ErrFrame)
	}
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err != nil {
			continue // credentials or the like: nothing of ours
		}
		for _, fd := range fds {
			f.Files = append(f.Files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return nil
}
