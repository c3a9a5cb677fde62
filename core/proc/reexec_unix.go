//go:build linux || darwin

package proc

import (
	"os"
	"path/filepath"
)

// Reexec plays the session leader or the watcher when this process was started as one; then ok is true and main exits with
// the code. A program that calls Start must call it first thing in main: the package starts the program again under these names.
func Reexec() (code int, ok bool) {
	switch filepath.Base(os.Args[0]) {
	case leaderName:
		return lead(os.Args[1:]), true
	case watcherName:
		return watch(os.Args[1:]), true
	}
	return 0, false
}
