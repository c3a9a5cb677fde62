package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxSocketPath is the longest path of a unix socket that every system takes.
const maxSocketPath = 103

// SocketPaths returns where the agent of home may listen, best first. Nothing
// but home and the uid goes into it, since clients scrub the environment.
func SocketPaths(home string) []string {
	if real, err := filepath.EvalSymlinks(home); err == nil {
		home = real
	}
	sum := sha256.Sum256([]byte(home))
	name := "agent-" + hex.EncodeToString(sum[:8]) + ".sock"
	var paths []string
	if base := "/run/user/" + strconv.Itoa(os.Getuid()); CheckFolder(base) == nil {
		paths = append(paths, filepath.Join(base, "ov", name))
	}
	if p := filepath.Join(home, "run", name); len(p) <= maxSocketPath {
		paths = append(paths, p)
	}
	return paths
}

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
