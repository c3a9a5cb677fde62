package proc

import (
	"errors"
	"os"
	"syscall"
)

// There is no asking on Windows.
const (
	terminate = syscall.SIGKILL
	kill      = syscall.SIGKILL
)

// direct is a child of our own.
type direct struct{ p *os.Process }

func startDirect(s Spec, std [3]*os.File) (child, error) {
	if len(s.Extra)+len(s.Inherit) > 0 {
		return nil, errors.ErrUnsupported // descriptors above 2 do not exist on Windows
	}
	if s.File != "" && !s.File.Is(s.Path) {
		return nil, errChanged
	}
	p, err := os.StartProcess(s.Path, s.Args, &os.ProcAttr{Dir: s.Dir, Env: s.Env, Files: std[:],
		Sys: &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}})
	if err != nil {
		return nil, err
	}
	return &direct{p}, nil
}

func (c *direct) pid() int { return c.p.Pid }

func (c *direct) wait() (Status, error) {
	st, err := c.p.Wait()
	if err != nil {
		return Status{}, err
	}
	return Status{Code: st.ExitCode()}, nil
}

func (c *direct) signal(sig os.Signal) error { return c.p.Signal(sig) }

func (c *direct) kill() { _ = c.p.Kill() }

func (c *direct) close() {}

func startLed(Spec, [3]*os.File, *console) (child, error) { return nil, errors.ErrUnsupported }

func newPipe() (r, w *os.File, err error) { return os.Pipe() }

func pending(*os.File) int { return 0 }

// NamedPipes finds none: there is no <(...) on Windows.
func NamedPipes([]string) []int { return nil }

func checkInherit(Spec) error { return nil }

func isHangup(error) bool { return false }

func (p *Process) signalDescendants(syscall.Signal) {}
