//go:build linux || darwin

package proc

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// family names the processes of a run.
type family struct {
	root    int      // it and its descendants; it is spared when it is ourselves
	session int      // every member, and of the group of that number
	pipes   []string // whoever holds one of these open, by pipeName, and descendants
}

// process is a line of the system's process table.
type process struct {
	pid, parent, group, session int
	zombie                      bool
}

// members are the living processes of the family; parents come before their children.
func (f family) members(table []process) []int {
	children := map[int][]process{}
	var found []int
	seen := map[int]bool{0: true, 1: true, os.Getpid(): true}
	add := func(p process) {
		if !seen[p.pid] && !p.zombie {
			found = append(found, p.pid)
		}
		seen[p.pid] = true
	}
	for _, p := range table {
		children[p.parent] = append(children[p.parent], p)
		if f.root != 0 && p.pid == f.root || f.session != 0 && (p.session == f.session || p.group == f.session) || holds(p.pid, f.pipes) {
			add(p)
		}
	}
	queue := append([]int{}, found...)
	if f.root == os.Getpid() {
		queue = append(queue, f.root)
	}
	for len(queue) > 0 {
		pid := queue[0]
		queue = queue[1:]
		for _, p := range children[pid] {
			if !seen[p.pid] {
				queue = append(queue, p.pid)
			}
			add(p)
		}
	}
	return found
}

// killRounds bounds the hunt: a process that cannot be killed, or that forks faster than we read, does not hold us up forever.
const killRounds = 500

// killFamily kills until nobody is left. The first rounds stop before they kill, so that a family that keeps forking holds
// still while it is counted.
func killFamily(f family) {
	for round := range killRounds {
		pids := f.members(processes())
		if len(pids) == 0 {
			return
		}
		if round < 3 {
			for _, pid := range pids {
				_ = unix.Kill(pid, syscall.SIGSTOP)
			}
			pids = f.members(processes())
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(time.Duration(min(round+1, 10)) * time.Millisecond)
	}
}

// signalDescendants sends to all that the child has started, and spares the child.
func (p *Process) signalDescendants(sig syscall.Signal) {
	for _, pid := range (family{root: p.PID}).members(processes()) {
		if pid != p.PID {
			_ = unix.Kill(pid, sig)
		}
	}
}
