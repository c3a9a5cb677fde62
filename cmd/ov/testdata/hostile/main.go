// Command hostile is a child that attacks the ov above it, in the way that its
// arguments say, and prints what it could do.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	parent := os.Getppid()
	switch os.Args[1] {
	case "signal": // NUMBER: sends it, waits a little, and prints the value
		n, _ := strconv.Atoi(os.Args[2])
		signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2) // ov passes them on
		unix.Kill(parent, syscall.Signal(n))
		time.Sleep(30 * time.Millisecond)
		fmt.Println(os.Getenv("CANARY"))
	case "look":
		look(parent)
	case "limit": // NUMBER VALUE: of the parent, then much output
		n, _ := strconv.Atoi(os.Args[2])
		v, _ := strconv.ParseUint(os.Args[3], 10, 64)
		if err := unix.Prlimit(parent, n, &unix.Rlimit{Cur: v, Max: v}, nil); err != nil {
			fmt.Fprintln(os.Stderr, "hostile: prlimit:", err)
			os.Exit(99)
		}
		line := []byte(os.Getenv("CANARY") + string(bytes.Repeat([]byte("x"), 1000)) + "\n")
		for range 4096 {
			if _, err := os.Stdout.Write(line); err != nil {
				os.Exit(98)
			}
		}
	case "type": // types at the terminal, as the TIOCSTI of old
		fmt.Println("begin")
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, b := range []byte("echo INJ''ECTED\r") {
			if _, _, e := unix.Syscall(unix.SYS_IOCTL, tty.Fd(), unix.TIOCSTI, uintptr(unsafe.Pointer(&b))); e != 0 {
				fmt.Println("TIOCSTI:", e)
				return
			}
		}
		fmt.Println("typed")
	case "modes": // leaves the terminal unusable and dies
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			os.Exit(97)
		}
		t, _ := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
		t.Lflag, t.Iflag, t.Oflag = 0, 0, 0
		unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, t)
		fmt.Print("\x1b[?1049h\x1b[?25l") // the other screen, without a cursor
		unix.Kill(os.Getpid(), unix.SIGKILL)
	}
}

// look tries every way into the parent's memory and files that needs no more than its uid.
func look(parent int) {
	dir := fmt.Sprintf("/proc/%d/", parent)
	for _, name := range []string{"mem", "environ", "maps", "smaps", "auxv", "io", "pagemap", "stack", "syscall", "task/" + strconv.Itoa(parent) + "/mem"} {
		f, err := os.Open(dir + name)
		if err != nil {
			continue
		}
		if n, err := f.Read(make([]byte, 1)); n > 0 || err == nil {
			fmt.Println("read", name)
		}
		f.Close()
	}
	for _, name := range []string{"fd", "fdinfo", "map_files"} {
		if entries, err := os.ReadDir(dir + name); err == nil {
			fmt.Println("listed", name, len(entries))
		}
	}
	for _, name := range []string{"exe", "cwd", "root", "fd/0", "fd/1", "fd/2", "fd/7"} {
		if _, err := os.Readlink(dir + name); err == nil {
			fmt.Println("followed", name)
		}
	}
	if err := unix.PtraceAttach(parent); err == nil {
		fmt.Println("attached")
	}
	if err := unix.PtraceSeize(parent); err == nil {
		fmt.Println("seized")
	}
	b := make([]byte, 16)
	if _, err := unix.ProcessVMReadv(parent, []unix.Iovec{{Base: &b[0], Len: 16}}, []unix.RemoteIovec{{Base: 0x400000, Len: 16}}, 0); err == nil {
		fmt.Println("read memory")
	}
	if pidfd, err := unix.PidfdOpen(parent, 0); err == nil {
		for fd := range 32 {
			if got, err := unix.PidfdGetfd(pidfd, fd, 0); err == nil {
				fmt.Println("took descriptor", fd)
				unix.Close(got)
			}
		}
	}
	fmt.Println("looked", os.Getenv("CANARY"))
}
