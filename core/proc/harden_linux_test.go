package proc

import (
	"testing"

	"golang.org/x/sys/unix"
)

// What holds values cannot be dumped or traced; what it starts can, as usual.
func TestHarden(t *testing.T) {
	Harden()
	defer unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	if n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || n != 0 {
		t.Errorf("dumpable is %d, %v", n, err)
	}
}
