package proc

import (
	"os"

	"golang.org/x/sys/unix"
)

// processes reads the process table. Sessions are not in it: groups stand for them.
func processes() []process {
	infos, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil
	}
	const zombie = 5
	var table []process
	for _, i := range infos {
		table = append(table, process{pid: int(i.Proc.P_pid), parent: int(i.Eproc.Ppid), group: int(i.Eproc.Pgid),
			zombie: i.Proc.P_stat == zombie})
	}
	return table
}

// pipeName has no counterpart here.
func pipeName(*os.File) string { return "" }

func holds(int, []string) bool { return false }
