//go:build linux

package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inMemory makes a folder of the test's own on a memory file system and has deliveries go there.
func inMemory(t *testing.T) string {
	t.Helper()
	for _, base := range memoryDirs() {
		if dir, err := os.MkdirTemp(base, "proc-test-"); err == nil {
			t.Cleanup(func() { os.RemoveAll(dir) })
			t.Setenv("XDG_RUNTIME_DIR", dir)
			return dir
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no memory file system")
	}
	t.Skip("no memory file system here")
	return ""
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func TestDeliverFile(t *testing.T) {
	base := inMemory(t)
	var d Delivery
	path, err := d.File("KEY", text("value\n"))
	if err != nil {
		t.Fatal(err)
	}
	if dir := filepath.Dir(path); filepath.Dir(dir) != base {
		t.Errorf("not in our folder: %s", path)
	} else if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("folder has mode %v", info.Mode())
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o400 || info.Size() != 6 {
		t.Errorf("file has mode %v, size %d", info.Mode(), info.Size())
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC {
		t.Errorf("on file system %x, %v", fs.Type, err)
	}
	if _, err := d.File("KEY", text("other")); !errors.Is(err, os.ErrExist) {
		t.Errorf("twice: %v", err)
	}
	for _, bad := range []string{"", ".", "..", "../x", "a/b", ".hidden"} {
		if _, err := d.File(bad, text("x")); err == nil {
			t.Errorf("name %q is taken", bad)
		}
	}
	s := Spec{Path: "/bin/cat", Args: []string{"cat", path}}
	if r := finish(t, launch(t, s)); r.out != "value\n" {
		t.Errorf("the child reads %+v", r)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(base); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDeliverDescriptorAndStdin(t *testing.T) {
	var d Delivery
	defer d.Close()
	a, err := d.Descriptor("A", text("first"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Descriptor("B", text("second"))
	if err != nil {
		t.Fatal(err)
	}
	in, err := d.Stdin(text("third"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for _, leader := range []bool{false, true} {
		in.Seek(0, io.SeekStart)
		s := Spec{Path: "/bin/sh", Args: []string{"sh", "-c", `cat "$1"; cat "$1"; cat "$2"; cat; stat -Lc %a "$1"; (echo x >"$1") 2>/dev/null && echo writable`, "sh", a, b},
			Stdin: in, Extra: d.Extra, Leader: leader}
		if os.Geteuid() == 0 { // to root every mode is open; the seal is not
			s.Args[2] = `cat "$1"; cat "$1"; cat "$2"; cat; stat -Lc %a "$1"; (echo x >>"$1") 2>/dev/null && echo writable`
		}
		if r := finish(t, launch(t, s)); r.out != "firstfirstsecondthird400\n" {
			t.Errorf("leader %v: %+v", leader, r)
		}
	}
}

// Descriptors that were open in us, with or without close-on-exec, are not the child's.
func TestDescriptorsAreClosed(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	leaked, err := unix.FcntlInt(r.Fd(), unix.F_DUPFD, 20)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leaked)
	for _, leader := range []bool{false, true} {
		s := Spec{Path: "/bin/sh", Args: []string{"sh", "-c", "ls -l /proc/self/fd | grep -v /proc/ | sed 1d | awk '{print $9}' | tr '\\n' ' '"},
			Env: os.Environ(), Leader: leader}
		if r := finish(t, launch(t, s)); r.out != "0 1 2 " {
			t.Errorf("leader %v: the child has descriptors %q", leader, r.out)
		}
	}
}

func TestSweep(t *testing.T) {
	base := inMemory(t)
	var living Delivery
	defer living.Close()
	kept, err := living.File("A", text("a"))
	if err != nil {
		t.Fatal(err)
	}
	// What a killed run has left: the folder, and no lock.
	dead := filepath.Join(base, privatePrefix+"dead")
	os.Mkdir(dead, 0o700)
	os.WriteFile(filepath.Join(dead, "B"), []byte("b"), 0o400)
	// What only looks like it.
	target := t.TempDir()
	os.WriteFile(filepath.Join(target, "C"), nil, 0o600)
	os.Symlink(target, filepath.Join(base, privatePrefix+"link"))
	os.Mkdir(filepath.Join(base, "other"), 0o700)
	Sweep()
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Error("what a dead run left is still there")
	}
	for _, path := range []string{kept, filepath.Join(target, "C"), filepath.Join(base, "other")} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// A folder of somebody else is not ours to sweep, and a file system on a disk none to deliver to.
func TestMemoryDirsAreInMemory(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/proc")
	t.Setenv("TMPDIR", "/etc")
	for _, d := range memoryDirs() {
		if d == "/proc" || d == "/etc" {
			t.Errorf("%s is taken for memory", d)
		}
	}
	out, err := exec.Command("stat", "-f", "-c", "%T", "/dev/shm").Output()
	if err == nil && strings.TrimSpace(string(out)) == "tmpfs" && !strings.Contains(strings.Join(memoryDirs(), " "), "/dev/shm") {
		t.Error("/dev/shm is not taken for memory")
	}
}

// What a shell's <(...) has opened is the child's under its number, for whichever way it is started; nothing else is.
func TestNamedPipesAreInherited(t *testing.T) {
	var d Delivery
	defer d.Close()
	secret, err := d.Descriptor("A", text("extra;"))
	if err != nil {
		t.Fatal(err)
	}
	for _, leader := range []bool{false, true} {
		var argv []string
		var fds []int
		for i, content := range []string{"first;", "second;"} {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(w, content)
			w.Close()
			fd := 63 - i
			if err := unix.Dup2(int(r.Fd()), fd); err != nil {
				t.Fatal(err)
			}
			r.Close()
			argv, fds = append(argv, "--file="+[]string{"/dev/fd/63", "/proc/self/fd/62"}[i]), append(fds, fd)
		}
		named := NamedPipes(append([]string{"x", "/dev/fd/63"}, argv...))
		if !slices.Equal(named, fds) {
			t.Fatalf("named %v, want %v", named, fds)
		}
		s := Spec{Path: "/bin/sh", Args: []string{"sh", "-c", `cat /dev/fd/63 /dev/fd/62 "$1"; ls /dev/fd/ | grep -vxE '[0-3]|6[23]' | wc -l`, "sh", secret},
			Env: os.Environ(), Extra: d.Extra, Inherit: named, Leader: leader}
		if r := finish(t, launch(t, s)); r.out != "first;second;extra;1\n" { // 1: the folder that ls reads
			t.Errorf("leader %v: %+v", leader, r)
		}
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
}

// Neither a socket, nor a file, nor the end of a pipe to write to, nor what is not open, nor stdin.
func TestWhatIsNoNamedPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	f, err := os.Open("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var argv []string
	for _, fd := range []uintptr{0, 1, 2, w.Fd(), uintptr(pair[0]), f.Fd(), 254, 255, 256, 99999999} {
		argv = append(argv, fmt.Sprintf("/dev/fd/%d", fd))
	}
	argv = append(argv, "/dev/fd/99999999999999999999", "/dev/fd/", "/dev/fd/-1", fmt.Sprintf("/proc/1/fd/%d", r.Fd()), fmt.Sprintf("/dev/fd/%d0", r.Fd()))
	if got := NamedPipes(argv); len(got) != 0 {
		t.Errorf("%v of %v", got, argv)
	}
	for _, bad := range [][]int{{2}, {-1}, {256}, {int(r.Fd()), int(r.Fd())}} {
		if p, err := Start(Spec{Path: "/bin/true", Args: []string{"true"}, Inherit: bad}); !errors.Is(err, unix.EBADF) {
			p.Close()
			t.Errorf("descriptors %v are passed on: %v", bad, err)
		}
	}
}
