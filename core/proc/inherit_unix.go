//go:build linux || darwin

package proc

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxInherit is the highest descriptor that is passed on. Shells count down from 63, or up from 10.
const maxInherit = 255

// NamedPipes returns the descriptors above 2 that a shell's <(...) has put into argv: pipes to read from, as /dev/fd/N or
// /proc/self/fd/N. A program asks first thing in main: what is open later may be its own. A pipe to write to, >(...), is not
// among them: what goes there is not masked.
func NamedPipes(argv []string) (fds []int) {
	if !slices.ContainsFunc(argv, func(arg string) bool { return strings.Contains(arg, "/fd/") }) {
		return nil
	}
	path := regexp.MustCompile(`/(?:dev|proc/self)/fd/([0-9]+)`)
	for _, arg := range argv {
		for _, m := range path.FindAllStringSubmatch(arg, -1) {
			if fd, err := strconv.Atoi(m[1]); err == nil && fd > 2 && fd <= maxInherit && !slices.Contains(fds, fd) && readsPipe(fd) {
				fds = append(fds, fd)
			}
		}
	}
	return fds
}

func readsPipe(fd int) bool {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return false
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDONLY
}

// place puts into files, a child's descriptors so far, one of ours under the number fd.
func place(files []uintptr, fd int, ours uintptr) []uintptr {
	for len(files) <= fd {
		files = append(files, ^uintptr(0)) // closed in the child
	}
	files[fd] = ours
	return files
}

// checkInherit refuses numbers that are out of range, or taken by Extra.
func checkInherit(s Spec) error {
	for i, fd := range s.Inherit {
		if fd < 3+len(s.Extra) || fd > maxInherit || slices.Contains(s.Inherit[:i], fd) {
			return fmt.Errorf("inherit descriptor %d: %w", fd, unix.EBADF)
		}
	}
	return nil
}
