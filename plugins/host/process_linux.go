package host

import (
	"runtime"
	"sync"
	"syscall"
)

// attributes puts the provider into a group of its own and has the kernel kill
// it when the thread that started it ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func killGroup(pid int) { syscall.Kill(-pid, syscall.SIGKILL) }

// thread runs functions on one operating system thread that lives as long as
// the process: Pdeathsig fires when the parent *thread* ends, and Go ends
// threads as it likes.
var thread = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

func onThread(f func() error) error {
	done := make(chan error)
	thread() <- func() { done <- f() }
	return <-done
}
