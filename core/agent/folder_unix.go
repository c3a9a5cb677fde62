//go:build linux || darwin

package agent

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// CheckFolder reports whether path is a folder, not a link to one, that is
// ours and closed to everybody else.
func CheckFolder(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("check %q: %w: not a folder", path, ErrDenied)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("check %q: %w: it belongs to uid %d", path, ErrDenied, st.Uid)
	case st.Mode&0o077 != 0:
		return fmt.Errorf("check %q: %w: others may enter it (mode %o, want 0700)", path, ErrDenied, st.Mode&0o777)
	}
	return nil
}
