//go:build linux || darwin

package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// CheckHome refuses a vault's folder that somebody else could write: the folder
// itself, the one above, in which it could be replaced, or what lies in it. One
// that is not there yet is as safe as the place for it.
func CheckHome(home string) error {
	real, err := filepath.EvalSymlinks(home)
	if errors.Is(err, fs.ErrNotExist) {
		return checkAbove(home)
	}
	if err != nil {
		return fmt.Errorf("check %q: %w", home, err)
	}
	if st, err := os.Stat(real); err == nil && !st.IsDir() {
		return &Error{Err: ErrDenied, Message: fmt.Sprintf("check %q: %v: not a folder", home, ErrDenied), Advice: "OV_HOME or --home names the folder that holds everything"}
	}
	if err := checkAbove(home); err != nil { // of the link, if it is one
		return err
	}
	if err := checkAbove(real); err != nil {
		return err
	}
	if err := onlyOurs(real); err != nil {
		return err
	}
	for _, name := range []string{"device", "vault.db", "vault.db-wal", "vault.db-shm", "seen", "audit", "run", "scanners", "config.toml"} {
		if err := onlyOurs(filepath.Join(real, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// onlyOurs reports whether path belongs to us and nobody else may write it. What
// is a link is checked where it leads.
func onlyOurs(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return &os.PathError{Op: "check", Path: path, Err: err}
	}
	switch {
	case int(st.Uid) != os.Geteuid():
		return &Error{Err: ErrDenied, Message: fmt.Sprintf("check %q: %v: it belongs to uid %d", path, ErrDenied, st.Uid),
			Advice: fmt.Sprintf("a vault's files belong to who uses it: chown %d %s", os.Geteuid(), path)}
	case st.Mode&0o022 != 0:
		return writable(path, "it", uint32(st.Mode))
	}
	return nil
}

// checkAbove looks at the folder in which path is: where others may write they
// replace it, but for a folder like /tmp, in which they may not.
func checkAbove(path string) error {
	above := filepath.Dir(path)
	var st unix.Stat_t
	if err := unix.Stat(above, &st); errors.Is(err, fs.ErrNotExist) {
		return nil // will be made, ours alone
	} else if err != nil {
		return &os.PathError{Op: "check", Path: above, Err: err}
	}
	if st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0 {
		return writable(above, "the folder above the vault's", uint32(st.Mode))
	}
	return nil
}

func writable(path, what string, mode uint32) error {
	return &Error{Err: ErrDenied, Message: fmt.Sprintf("check %q: %v: others may write %s (mode %o)", path, ErrDenied, what, mode&0o7777),
		Advice: "chmod go-w " + path}
}
