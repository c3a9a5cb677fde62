package proc

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// processes reads the process table.
func processes() []process {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	table := make([]process, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if stat, err := os.ReadFile(filepath.Join("/proc", name, "stat")); err == nil {
			if p, ok := parseStat(pid, stat); ok {
				table = append(table, p)
			}
		}
	}
	return table
}

// parseStat reads proc_pid_stat(5). The program's name, in parentheses, may hold any character: what counts follows the last
// closing one.
func parseStat(pid int, stat []byte) (process, bool) {
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) < 4 || len(f[0]) != 1 {
		return process{}, false
	}
	p := process{pid: pid, zombie: f[0][0] == 'Z' || f[0][0] == 'X'}
	for i, n := range []*int{&p.parent, &p.group, &p.session} {
		var err error
		if *n, err = strconv.Atoi(string(f[1+i])); err != nil {
			return process{}, false
		}
	}
	return p, true
}

// pipeName is the kernel's name of a pipe, the same in every process that holds it.
func pipeName(f *os.File) (name string) {
	_ = control(f, func(fd int) (err error) {
		name, err = os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		return err
	})
	if !strings.HasPrefix(name, "pipe:") {
		return ""
	}
	return name
}

// holds tells whether the process has one of the pipes open.
func holds(pid int, pipes []string) bool {
	if len(pipes) == 0 {
		return false
	}
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	d, err := os.Open(dir)
	if err != nil {
		return false // another user's, or gone
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, n := range names {
		if to, err := os.Readlink(filepath.Join(dir, n)); err == nil && to != "" && slices.Contains(pipes, to) {
			return true
		}
	}
	return false
}
