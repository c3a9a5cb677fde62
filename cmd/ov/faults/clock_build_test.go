package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The programs of these tests are the real ones but for one function of the
// standard library: time.Now adds what a file says, which is another one for ov
// and ov-agent than for ov-server. The monotonic clock goes on as it does when
// somebody sets the time of a machine.

// jumps is a file that is added to package time.
const jumps = `package time

import (
	"syscall"
	"unsafe"
)

// jumped returns the seconds that the file beside this program says.
func jumped() (sec int64) {
	var path [512]byte
	exe := [...]byte{'/', 'p', 'r', 'o', 'c', '/', 's', 'e', 'l', 'f', '/', 'e', 'x', 'e', 0}
	n, _, _ := syscall.RawSyscall6(syscall.SYS_READLINKAT, atCwd, uintptr(unsafe.Pointer(&exe)), uintptr(unsafe.Pointer(&path)), 256, 0, 0)
	if int(n) <= 0 {
		return 0
	}
	copy(path[n:], ".clock\x00")
	fd, _, errno := syscall.RawSyscall6(syscall.SYS_OPENAT, atCwd, uintptr(unsafe.Pointer(&path)), syscall.O_RDONLY|syscall.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return 0
	}
	defer syscall.Close(int(fd))
	var buf [24]byte
	got, _ := syscall.Read(int(fd), buf[:])
	minus := false
	for _, c := range buf[:max(got, 0)] {
		if c == '-' {
			minus = true
		} else {
			sec = sec*10 + int64(c-'0')
		}
	}
	if minus {
		return -sec
	}
	return sec
}

const atCwd = ^uintptr(99) // AT_FDCWD, -100
`

// clocks are programs whose clocks a test sets.
type clocks struct{ bin string }

// jumping builds the programs once. Package time is changed by the compiler's own
// overlay; nothing of the installation is touched.
var jumping = sync.OnceValues(func() (clocks, error) {
	dir, err := os.MkdirTemp("", "ov-clocks-*")
	if err != nil {
		return clocks{}, err
	}
	defer os.RemoveAll(dir)
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return clocks{}, err
	}
	src := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	now, err := os.ReadFile(filepath.Join(src, "time.go"))
	if err != nil {
		return clocks{}, err
	}
	const line = "\tsec, nsec, mono := runtimeNow()\n"
	_, rest, ok := strings.Cut(string(now), "\nfunc Now() Time {\n"+line)
	if !ok {
		return clocks{}, fmt.Errorf("time.Now of %s is not as this test knows it", src)
	}
	changed := strings.TrimSuffix(string(now), rest) + "\tsec += jumped()\n" + rest
	files := map[string]string{"time.go": changed, "jump.go": jumps}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return clocks{}, err
		}
		overlay.Replace[filepath.Join(src, name)] = path
	}
	b, err := json.Marshal(overlay)
	if err != nil {
		return clocks{}, err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), b, 0o600); err != nil {
		return clocks{}, err
	}
	bin, err := build("-overlay", filepath.Join(dir, "overlay.json"))
	return clocks{bin}, err
})

// newClocks returns a world whose clocks can be set, and are right.
func newClocks(t *testing.T) (*world, *clocks) {
	t.Helper()
	if !campaign() {
		t.Skip("the programs are built anew, with all of the standard library: ATTACK=1, make faults")
	}
	c, err := jumping()
	if err != nil {
		t.Fatal(err)
	}
	c.set(t, 0, 0)
	return worldOf(t, c.bin), &c
}

// set sets the clocks of ov and ov-agent, and that of ov-server, so far from the
// right time, from now on and in the middle of whatever they do.
func (c *clocks) set(t *testing.T, clients, server time.Duration) {
	t.Helper()
	for name, d := range map[string]time.Duration{"ov": clients, "ov-agent": clients, "ov-server": server} {
		path := filepath.Join(c.bin, name+".clock")
		if err := os.WriteFile(path+".new", fmt.Appendf(nil, "%d", int64(d.Seconds())), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil { // a reader sees the one or the other
			t.Fatal(err)
		}
	}
}

const day, year = 24 * time.Hour, 365 * 24 * time.Hour
