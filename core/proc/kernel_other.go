//go:build !linux

package proc

import "runtime"

// Kernel says what of a Linux kernel's features this system has to do without.
func Kernel() []Feature {
	terminals := runtime.GOOS == "darwin"
	return []Feature{
		{"pseudo-terminal", "a terminal of the child's own", terminals, "the child gets pipes; \"ov shell\" fails"},
		{"parent-death signal", "ending the child when ov is killed", false, "the watcher ends it a moment later; on Windows it survives"},
		{"adoption of orphans", "finding detached descendants", false, "detached descendants may survive a killed run"},
		{"file system in memory", "secrets in files", false, "--deliver file and --template give a descriptor's path, once readable; on Windows they are refused"},
	}
}
