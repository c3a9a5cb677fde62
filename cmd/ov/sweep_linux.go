package main

import (
	"io/fs"
	"syscall"
	"time"
)

// sweepFlags: neither through a link nor into a pipe that nobody writes to.
const sweepFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// written is when a file, its name or its mode last changed, and where it is. A
// program can set the time of its content back, but not that of the entry.
func written(info fs.FileInfo) (changed time.Time, device uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return later(info.ModTime(), time.Unix(st.Ctim.Unix())), st.Dev
	}
	return info.ModTime(), 0
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
