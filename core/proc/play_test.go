//go:build linux || darwin

package proc

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// children are the programs that the tests run: each behaves badly in its own way.
func children() map[string]func(args []string) {
	all := map[string]func([]string){"ovlike": runLikeOv}
	maps.Copy(all, plainChildren())
	maps.Copy(all, terminalChildren())
	maps.Copy(all, lastingChildren())
	return all
}

// plainChildren are ordinary programs: they print, fail, or copy.
func plainChildren() map[string]func([]string) {
	return map[string]func([]string){
		"echo": func(args []string) {
			fmt.Println(args)
		},
		"exit": func(args []string) {
			n, _ := strconv.Atoi(args[0])
			os.Exit(n)
		},
		"cat": func([]string) { io.Copy(os.Stdout, os.Stdin) },
		"both": func([]string) { // more than two pipes hold, first to one, then to the other
			os.Stderr.Write(bytes.Repeat([]byte("e"), 3<<20))
			os.Stdout.Write(bytes.Repeat([]byte("o"), 3<<20))
		},
		"flood": func([]string) {
			for b := bytes.Repeat([]byte("y\n"), 32<<10); ; {
				if _, err := os.Stdout.Write(b); err != nil {
					os.Exit(1)
				}
			}
		},
		"env": func([]string) {
			for _, kv := range os.Environ() {
				fmt.Println(kv)
			}
		},
		"fds": listDescriptors,
		"names": func([]string) { // what a program knows of how it was started
			comm, _ := os.ReadFile("/proc/self/comm")
			status, _ := os.ReadFile("/proc/self/status")
			exe, _ := os.Readlink("/proc/self/exe")
			_, tracer, _ := strings.Cut(string(status), "TracerPid:")
			tracer, _, _ = strings.Cut(tracer, "\n")
			fmt.Printf("%v %s %s TracerPid:%s", os.Args, strings.TrimSpace(string(comm)), exe, tracer)
		},
	}
}

// terminalChildren are programs that want a terminal.
func terminalChildren() map[string]func([]string) {
	return map[string]func([]string){
		"ttys": func([]string) { // which of 0, 1, 2 and /dev/tty are terminals, and which is it
			f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
			fmt.Fprintln(os.Stderr, IsTerminal(os.Stdin), IsTerminal(os.Stdout), IsTerminal(os.Stderr), err == nil && IsTerminal(f))
		},
		"size":     playSize,
		"password": playPassword,
		"raw":      playFullScreen,
	}
}

// lastingChildren are programs that last, or leave something that does.
func lastingChildren() map[string]func([]string) {
	return map[string]func([]string){
		"family": playFamily,
		"deaf-quiet": func([]string) {
			signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
			time.Sleep(time.Hour)
		},
		"deaf": func([]string) {
			signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
			fmt.Println("ready")
			time.Sleep(time.Hour)
		},
		"late":  playLate,
		"crash": func([]string) { syscall.Kill(os.Getpid(), syscall.SIGKILL); time.Sleep(time.Hour) },
		"sleep": func([]string) { fmt.Println("ready"); time.Sleep(time.Hour) },
	}
}

// listDescriptors prints the descriptors that are open.
func listDescriptors([]string) {
	d, _ := os.Open("/proc/self/fd")
	names, _ := d.Readdirnames(-1)
	for _, n := range names {
		if fd, _ := strconv.Atoi(n); uintptr(fd) != d.Fd() {
			if to, err := os.Readlink("/proc/self/fd/" + n); err == nil && !bytes.HasPrefix([]byte(to), []byte("anon_inode:")) {
				fmt.Println(n)
			}
		}
	}
}

// playSize prints the terminal's size, now and at each change.
func playSize([]string) {
	c := make(chan os.Signal, 8)
	signal.Notify(c, syscall.SIGWINCH)
	for {
		ws, err := unix.IoctlGetWinsize(1, unix.TIOCGWINSZ)
		if err != nil {
			os.Exit(1)
		}
		fmt.Printf("%dx%d\n", ws.Col, ws.Row)
		<-c
	}
}

// playPassword reads a line without echo from the terminal, whatever stdin is.
func playPassword([]string) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	old, _ := termios(tty)
	quiet := *old
	quiet.Lflag &^= unix.ECHO
	setTermios(tty, &quiet)
	fmt.Fprint(tty, "Password: ")
	b := make([]byte, 100)
	n, err := tty.Read(b)
	setTermios(tty, old)
	fmt.Fprintf(tty, "\nread %d %v\n", n-1, err)
}

// playFullScreen is a full-screen program: raw, answers what it reads with what it is told, byte for byte.
func playFullScreen(args []string) {
	old, _ := termios(os.Stdin)
	setTermios(os.Stdin, raw(old, false))
	os.Stdout.WriteString("\x1b[?1049h\x1b[?2004hready")
	if len(args) > 0 && args[0] == "die" {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	b := make([]byte, 64<<10)
	for {
		n, err := os.Stdin.Read(b)
		if err != nil || bytes.IndexByte(b[:n], 'q') >= 0 {
			os.Stdout.Write(b[:max(n, 0)])
			setTermios(os.Stdin, old)
			os.Exit(4)
		}
		os.Stdout.Write(b[:n])
	}
}

// playFamily says who it is and whom it has started, then lasts.
func playFamily(args []string) {
	exe, _ := os.Executable()
	for _, kind := range args {
		attr := &syscall.SysProcAttr{}
		files := []*os.File{nil, os.Stdout, os.Stderr}
		switch kind {
		case "group":
			attr.Setpgid = true
		case "session":
			attr.Setsid = true
		case "daemon":
			attr.Setsid = true
			files = []*os.File{nil, nil, nil}
		}
		p, err := os.StartProcess(exe, []string{kind}, &os.ProcAttr{Env: []string{childKey + "=deaf-quiet"}, Files: files, Sys: attr})
		if err != nil {
			panic(err)
		}
		fmt.Println(p.Pid)
	}
	fmt.Println(os.Getpid())
	if os.Getenv("LEAVE") == "" {
		time.Sleep(time.Hour)
	}
}

// playLate leaves a background process that prints after its parent's end.
func playLate(args []string) {
	if len(args) == 0 {
		exe, _ := os.Executable()
		os.StartProcess(exe, []string{"late", os.Getenv("DELAY")}, &os.ProcAttr{Env: os.Environ(), Files: []*os.File{nil, os.Stdout, os.Stderr}})
		fmt.Println("early")
		return
	}
	d, _ := time.ParseDuration(args[0])
	time.Sleep(d)
	fmt.Println("late")
	time.Sleep(20 * time.Second) // the test is over by then
}
