//go:build linux || darwin

package inode

import (
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// Of names the file that info describes. It has the time of the last change beside that of the last write: the second can
// be set to anything, the first by nobody.
func Of(info fs.FileInfo) ID {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return ID(fmt.Sprintf("%x.%x.%x.%o.%d.%x.%x", st.Dev, st.Ino, st.Size, st.Mode, st.Uid, writtenAt(st).UnixNano(), changedAt(st).UnixNano()))
}

func changed(info fs.FileInfo) time.Time {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return changedAt(st)
	}
	return info.ModTime()
}

func owner(info fs.FileInfo) (int, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}
