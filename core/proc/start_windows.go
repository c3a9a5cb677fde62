package proc

import (
	"errors"
	"os"
	"syscall"
)

const terminate = syscall.SIGKILL // there is no asking on Windows

// child is a process that we started and have to wait for.
type child struct{ p *os.Process }

func (c child) pid() int { return c.p.Pid }

func startChild(s Spec, files []*os.File) (child, error) {
	if len(files) > 3 {
		return child{}, errors.ErrUnsupported // descriptors above 2 do not exist on Windows
	}
	p, err := os.StartProcess(s.Path, s.Args, &os.ProcAttr{Dir: s.Dir, Env: s.Env, Files: files,
		Sys: &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}})
	return child{p}, err
}

func (c child) wait() (Status, error) {
	st, err := c.p.Wait()
	if err != nil {
		return Status{}, err
	}
	return Status{Code: st.ExitCode()}, nil
}

func (c child) signal(sig os.Signal) error { return c.p.Signal(sig) }

func (c child) kill() { _ = c.p.Kill() }

func newPipe() (r, w *os.File, err error) { return os.Pipe() }

func pending(*os.File) int { return 0 }

func isHangup(error) bool { return false }
