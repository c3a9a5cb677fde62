package seal

import (
	"runtime"
	"syscall"
)

// hugePage is the size of the large pages of the systems that have them.
const hugePage = 2 << 20

// warm has the kernel back n bytes of the heap with large pages and gives them
// back to the heap, for the allocation that follows. Argon2's memory is read
// before it is written, which costs two faults for every 4 KiB: half of the time
// that it takes to unlock a vault once.
func warm(n int) {
	b := make([]byte, n)
	if syscall.Madvise(b, syscall.MADV_HUGEPAGE) != nil {
		return // no large pages here: then it is slower
	}
	for i := 0; i < n; i += hugePage {
		b[i] = 1
	}
	runtime.KeepAlive(b)
	b = nil
	runtime.GC()
}
