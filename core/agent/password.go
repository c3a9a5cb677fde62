package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// PasswordKind says what a password's descriptor is.
type PasswordKind string

// The kinds. The agent prompts on a terminal and reads the others to their end;
// one trailing newline is dropped.
const (
	PasswordNone    PasswordKind = ""
	PasswordTTY     PasswordKind = "tty"
	PasswordFile    PasswordKind = "file"
	PasswordCommand PasswordKind = "command"
	PasswordStdin   PasswordKind = "stdin"
	PasswordEnv     PasswordKind = "env"
	PasswordKeyring PasswordKind = "keyring" // the agent has it: no descriptor
	PasswordMachine PasswordKind = "machine" // a machine key: it opens one environment, and is no password
)

// A Password is where the master password comes from. Its bytes go from there
// to the agent; the client opens the descriptor and never reads it. Open is
// called only when a password turns out to be needed.
type Password struct {
	Kind PasswordKind
	Open func(context.Context) (*os.File, error)
}

// Configured is the password's source as the environment of a command has it:
// OV_MACHINE_KEY_FILE, OV_MACHINE_KEY, OV_PASSWORD_FILE, OV_PASSWORD_COMMAND,
// OV_PASSWORD, else the terminal. What a
// command of OV_PASSWORD_COMMAND complains of goes to stderr; warn hears what a
// person should know of the source, in a line.
func Configured(stderr *os.File, warn func(string)) Password {
	switch {
	case os.Getenv("OV_MACHINE_KEY_FILE") != "":
		return asMachine(FromFile(os.Getenv("OV_MACHINE_KEY_FILE")))
	case os.Getenv("OV_MACHINE_KEY") != "":
		return asMachine(FromEnvironment("OV_MACHINE_KEY"))
	case os.Getenv("OV_PASSWORD_FILE") != "":
		return FromFile(os.Getenv("OV_PASSWORD_FILE"))
	case os.Getenv("OV_PASSWORD_COMMAND") != "":
		return FromCommand(os.Getenv("OV_PASSWORD_COMMAND"), stderr)
	case os.Getenv("OV_PASSWORD") != "":
		warn("warning: OV_PASSWORD can be read by every process of yours; OV_PASSWORD_FILE cannot be read by as many")
		return FromEnvironment("OV_PASSWORD")
	}
	return FromTerminal()
}

// asMachine says that p is a machine key and no password.
func asMachine(p Password) Password { return Password{PasswordMachine, p.Open} }

// FromTerminal asks on the controlling terminal, whatever stdin is.
func FromTerminal() Password { return Password{PasswordTTY, openTerminal} }

// FromFile reads the file at path.
func FromFile(path string) Password {
	return Password{PasswordFile, func(context.Context) (*os.File, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, &Error{Err: ErrUsage, Message: "open password file: " + err.Error()}
		}
		return f, nil
	}}
}

// FromKeyring lets the agent use the password that TTLs.Remember left in the
// operating system's keyring. It unlocks; it is never a password given afresh.
func FromKeyring() Password {
	return Password{PasswordKeyring, func(context.Context) (*os.File, error) { return nil, nil }}
}

// FromStdin reads f, the client's standard input, to its end.
func FromStdin(f *os.File) Password {
	return Password{PasswordStdin, func(context.Context) (*os.File, error) {
		return duplicate(f)
	}}
}

// FromCommand runs command with /bin/sh and hands its output to the agent. Its
// stderr goes to where stderr says.
func FromCommand(command string, stderr io.Writer) Password {
	return Password{PasswordCommand, func(ctx context.Context) (*os.File, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("run password command: %w", err)
		}
		defer w.Close()
		cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
		cmd.Stdout, cmd.Stderr, cmd.Stdin = w, stderr, os.Stdin
		if err := cmd.Start(); err != nil {
			r.Close()
			return nil, fmt.Errorf("run password command: %w", err)
		}
		go cmd.Wait()
		return r, nil
	}}
}

// FromEnvironment takes the password out of the variable name: it is gone from
// this process's environment afterwards, and from the block that the process was
// started with, which /proc shows. Whoever looked before has it: the caller warns.
func FromEnvironment(name string) Password {
	value := os.Getenv(name)
	os.Unsetenv(name)
	scrubEnviron(name)
	return FromEnv(value)
}

// FromEnv hands on a password that the caller has as text.
func FromEnv(value string) Password {
	return Password{PasswordEnv, func(context.Context) (*os.File, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("hand over the password: %w", err)
		}
		go func() {
			defer w.Close()
			io.WriteString(w, value)
		}()
		return r, nil
	}}
}
