package crash

import (
	"errors"
	"os"
	"os/exec"
)

// faultSignals are none: nobody sends signals here.
func faultSignals() []os.Signal { return nil }

// hide cannot: the runtime prints to the console's handle. SetTraceback makes it short.
func hide() error { return errors.ErrUnsupported }

// Exec runs the program and ends with its status: nothing takes a process's place here.
func Exec(path string, argv, env []string) error {
	cmd := exec.Command(path, argv[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return err
	}
	os.Exit(cmd.ProcessState.ExitCode())
	return nil
}
