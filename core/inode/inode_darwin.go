package inode

import (
	"syscall"
	"time"
)

func changedAt(st *syscall.Stat_t) time.Time { return time.Unix(st.Ctimespec.Unix()) }

func writtenAt(st *syscall.Stat_t) time.Time { return time.Unix(st.Mtimespec.Unix()) }
