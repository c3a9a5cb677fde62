//go:build !windows

// ov-agent holds the keys of a vault. It is started by its clients, beside which
// it is installed: as a one-shot child on an inherited socket, or by
// `ov unlock` as the long-lived agent on a unix socket.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/opaquevault/ov/core/agent/serve"
	"github.com/opaquevault/ov/core/agent/serve/lockmem"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/crash"
	"github.com/opaquevault/ov/core/encode"
	"github.com/opaquevault/ov/core/version"
)

func main() {
	crash.Contain(nil)
	defer crash.Exit()
	os.Exit(run(os.Args[1:], os.Stderr))
}

// options are the command line: written by clients, not by people.
type options struct {
	home           string
	daemon         bool
	client         int // a connected socket
	listener, lock int // of this agent before it locked itself
}

func run(args []string, stderr io.Writer) int {
	if version.Asked(args) {
		fmt.Println("ov-agent", version.Get())
		return 0
	}
	o, err := parse(args, stderr)
	if err != nil {
		return 2
	}
	// 1. Nobody looks into this process, and nothing it makes is for others.
	syscall.Umask(0o077)
	if err := lockmem.Harden(); err != nil {
		fmt.Fprintln(stderr, "ov-agent:", err)
		return 1
	}
	// 2. Serve.
	switch {
	case o.client >= 0:
		err = oneShot(o)
	default:
		err = daemon(o)
	}
	if err != nil {
		fmt.Fprintln(stderr, "ov-agent:", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("ov-agent", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, `ov-agent holds the keys of a vault. It is started by ov: see "ov unlock", "ov agent status", "ov lock".`)
	}
	flags.StringVar(&o.home, "home", "", "folder of the vault")
	flags.BoolVar(&o.daemon, "daemon", false, "listen on the agent's socket")
	flags.IntVar(&o.client, "client-fd", -1, "serve one client on this descriptor")
	flags.IntVar(&o.listener, "listener-fd", -1, "go on listening on this descriptor")
	flags.IntVar(&o.lock, "lock-fd", -1, "hold the lock on this descriptor")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if !filepath.IsAbs(o.home) || !o.daemon && o.client < 0 && (o.listener < 0 || o.lock < 0) {
		flags.Usage()
		return o, errors.New("not started by ov")
	}
	return o, nil
}

func (o options) config() serve.Config {
	return serve.Config{
		Home: o.home, Build: build(),
		Store:    func(path string) blob.Store { return sqlite.Open(path) },
		Salvage:  func(path string) blob.Store { return sqlite.Salvage(path) },
		Strength: encode.Strength,
		OneShot:  o.client >= 0,
	}
}

// build says which build this is.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}

// oneShot serves the client that started this process, until it is gone.
func oneShot(o options) error {
	f := os.NewFile(uintptr(o.client), "client")
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return err
	}
	sock, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("the client's descriptor is no unix socket")
	}
	s := serve.New(o.config())
	defer s.Close()
	defer onSignal(s.Stop)()
	s.ServeConn(sock)
	return nil
}

// daemon listens until it is stopped. It tells its starter on descriptor 3
// when it does, or why it cannot.
func daemon(o options) (err error) {
	var socket *serve.Socket
	if o.daemon {
		syscall.CloseOnExec(3)
		ready := os.NewFile(3, "ready")
		socket, err = serve.Listen(o.home)
		if err != nil && !errors.Is(err, serve.ErrRunning) {
			fmt.Fprintln(ready, err)
			return err
		}
		fmt.Fprintln(ready, "ready")
		ready.Close()
		if err != nil { // two clients started one at the same time: the other one will do
			return nil
		}
	} else if socket, err = serve.Inherit(o.listener, o.lock); err != nil {
		return err
	}
	defer socket.Close()
	c := o.config()
	c.Relock = func() { relock(o, socket) }
	s := serve.New(c)
	defer s.Close()
	defer onSignal(s.Stop)()
	return s.Serve(socket.Listener)
}

// relock replaces this process by a fresh one that goes on listening. If that
// cannot be done the process ends: its memory must not outlive the lock.
func relock(o options, socket *serve.Socket) {
	files, err := socket.Handover()
	if err == nil {
		number := func(f *os.File) string { return strconv.Itoa(int(f.Fd())) }
		argv := []string{os.Args[0], "--home", o.home, "--listener-fd", number(files[0]), "--lock-fd", number(files[1])}
		crash.Exec(self(), argv, os.Environ()) // returns only when it fails
	}
	runtime.KeepAlive(files)
	socket.Close()
	os.Exit(1)
}

// self is this very program, also when its file was replaced meanwhile.
func self() string {
	const link = "/proc/self/exe"
	if _, err := os.Lstat(link); err == nil {
		return link
	}
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// onSignal calls stop when the process is asked to end. A hang-up is none of
// its business: it has no terminal.
func onSignal(stop func()) (restore func()) {
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		for range ch {
			stop()
		}
	}()
	return func() { signal.Stop(ch) }
}
