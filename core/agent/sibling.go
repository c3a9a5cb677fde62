package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// program is the name of the key holder, a sibling of every other program.
const program = "ov-agent"

// errNoAgent says that nobody listens for a home. One that listens and does not
// answer is something else: its keys may be there, so it does not count as locked.
var errNoAgent = fmt.Errorf("%w: no agent runs", ErrUnavailable)

// Sibling returns the path of another program of ours: beside this one, never
// on PATH.
func Sibling(program string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	path := filepath.Join(filepath.Dir(self), program)
	if _, err := os.Stat(path); err != nil {
		return "", &Error{Err: ErrUnavailable, Message: "find " + program + ": " + err.Error(),
			Advice: "install all programs into one folder (make build, or go install ./cmd/...)"}
	}
	return path, nil
}
