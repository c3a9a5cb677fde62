package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"github.com/opaquevault/ov/core/redact"
)

// setPipeSize is F_SETPIPE_SZ of fcntl(2).
const setPipeSize = 1031

// pass runs a program that prints the file at path, passes its output on to a
// pipe that is drained, and returns the megabytes a second of processor time of
// this process alone: the median of five.
func pass(path string, size, pipe int, copy func(dst io.Writer, src *os.File) error) (float64, error) {
	rates := make([]float64, 5)
	for i := range rates {
		took, err := passOnce(path, pipe, copy)
		if err != nil {
			return 0, err
		}
		rates[i] = float64(size) / 1e6 / took
	}
	slices.Sort(rates)
	return rates[2], nil
}

func passOnce(path string, pipe int, copy func(dst io.Writer, src *os.File) error) (seconds float64, err error) {
	in, childOut, err := pipes(pipe)
	if err != nil {
		return 0, err
	}
	drainIn, out, err := pipes(pipe)
	if err != nil {
		return 0, err
	}
	child := exec.Command("cat", path)
	child.Stdout = childOut
	drain := exec.Command("sh", "-c", "exec cat > /dev/null")
	drain.Stdin = drainIn
	for _, c := range []*exec.Cmd{child, drain} {
		if err := c.Start(); err != nil {
			return 0, err
		}
	}
	childOut.Close()
	drainIn.Close()
	start := cpu(syscall.RUSAGE_SELF)
	err = copy(out, in)
	seconds = (cpu(syscall.RUSAGE_SELF) - start).Seconds()
	out.Close()
	in.Close()
	if err := child.Wait(); err != nil {
		return 0, fmt.Errorf("print %q: %w", path, err)
	}
	if err := drain.Wait(); err != nil {
		return 0, fmt.Errorf("drain the pipe: %w", err)
	}
	return seconds, err
}

// pipes returns a pipe of the given capacity.
func pipes(size int) (r, w *os.File, err error) {
	if r, w, err = os.Pipe(); err != nil {
		return nil, nil, err
	}
	conn, err := w.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var errno syscall.Errno
	if err := conn.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_FCNTL, fd, setPipeSize, uintptr(size))
	}); err != nil {
		return nil, nil, err
	}
	if errno != 0 {
		return nil, nil, fmt.Errorf("set the pipe to %d bytes: %w", size, errno)
	}
	return r, w, nil
}

// bare copies with a buffer of 128 KiB, and nothing else.
func bare(dst io.Writer, src *os.File) error {
	buf := make([]byte, 128<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// masking copies through a writer.
func masking(set *redact.Set) func(dst io.Writer, src *os.File) error {
	return func(dst io.Writer, src *os.File) error {
		w := redact.NewWriter(dst, set, nil)
		if _, err := w.ReadFrom(src); err != nil {
			return err
		}
		return w.Close()
	}
}
