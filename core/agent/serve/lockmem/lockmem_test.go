//go:build linux

package lockmem

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestAlloc(t *testing.T) {
	var a Arena
	page := os.Getpagesize()
	var all [][]byte
	for _, n := range []int{1, 32, 64, 65, page, regionPages * page, regionPages*page + 1, 32} {
		b := a.Alloc(n)
		if len(b) != n || cap(b) != n || !bytes.Equal(b, make([]byte, n)) {
			t.Fatalf("Alloc(%d): %d bytes, cap %d, or not zeroed", n, len(b), cap(b))
		}
		for i := range b {
			b[i] = 0xa5
		}
		all = append(all, b)
	}
	for i, b := range all {
		if bytes.Count(b, []byte{0xa5}) != len(b) {
			t.Errorf("piece %d was written by another one", i)
		}
	}
	a.Wipe()
	for i, b := range all {
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("Wipe left bytes in piece %d", i)
		}
	}
	if b := a.Alloc(32); !bytes.Equal(b, make([]byte, 32)) {
		t.Error("memory is not zeroed when it is used again")
	}
}

func TestAllocConcurrently(t *testing.T) {
	var a Arena
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			var mine [][]byte
			for range 200 {
				b := a.Alloc(32)
				for i := range b {
					b[i] = byte(g + 1)
				}
				mine = append(mine, b)
			}
			for _, b := range mine {
				if bytes.Count(b, []byte{byte(g + 1)}) != len(b) {
					t.Error("two goroutines were given the same memory")
				}
			}
		})
	}
	wg.Wait()
}

func TestKind(t *testing.T) {
	var a Arena
	kind := a.Kind()
	t.Log("keys live in:", kind)
	if fd, err := unix.MemfdSecret(0); err == nil {
		unix.Close(fd)
		if kind != Secret {
			t.Errorf("this kernel has memfd_secret, but keys live in %q memory", kind)
		}
	}
}

// What is in secret memory cannot be read through the kernel, by anyone: this
// process may read all of its own memory, and fails here.
func TestSecretMemoryIsUnreadable(t *testing.T) {
	var a Arena
	if a.Kind() != Secret {
		t.Skip("no memfd_secret on this kernel: the fallback cannot promise this")
	}
	b := a.Alloc(32)
	copy(b, "a key that nobody else may read!")
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	ordinary := []byte("an ordinary string in the memory")
	got := make([]byte, 32)
	if _, err := mem.ReadAt(got, int64(uintptr(unsafe.Pointer(&ordinary[0])))); err != nil || !bytes.Equal(got, ordinary) {
		t.Fatalf("the test cannot read ordinary memory either: %v", err)
	}
	if _, err := mem.ReadAt(got, int64(uintptr(unsafe.Pointer(&b[0])))); err == nil {
		t.Error("secret memory was read through /proc/self/mem")
	}
	local := []unix.Iovec{{Base: &got[0], Len: 32}}
	remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&b[0])), Len: 32}}
	if _, err := unix.ProcessVMReadv(os.Getpid(), local, remote, 0); err == nil {
		t.Error("secret memory was read by process_vm_readv")
	}
}

// TestHarden runs in a child: what it does cannot be undone.
func TestHarden(t *testing.T) {
	if os.Getenv("LOCKMEM_CHILD") == "1" {
		if err := Harden(); err != nil {
			t.Fatal(err)
		}
		dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		var core unix.Rlimit
		unix.Getrlimit(unix.RLIMIT_CORE, &core)
		if err != nil || dumpable != 0 || core.Cur != 0 || core.Max != 0 {
			t.Fatalf("dumpable %d, %v; core limit %+v", dumpable, err, core)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestHarden$", "-test.v")
	cmd.Env = append(os.Environ(), "LOCKMEM_CHILD=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestHarden") {
		t.Errorf("%v: %s", err, out)
	}
}
