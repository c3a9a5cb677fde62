package audit

import (
	"os"
	"syscall"
)

// syncData makes what was written durable, without the file's times.
func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
