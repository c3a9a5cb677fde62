package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

// There is no ov-agent on Windows: a client hands it descriptors, of a terminal
// that a password is typed on for one, and its sockets cannot pass them; nor is
// there a word of the kernel for who is at their other end.

func unsupported() error {
	return &Error{Err: ErrUnavailable, Message: "vaults cannot be used on Windows: there is no ov-agent for it", Advice: "run ov in WSL"}
}

func dial(context.Context, Options) (*session, error) { return nil, unsupported() }

func oneShot(context.Context, Options) (*session, error) { return nil, unsupported() }

func daemon(context.Context, Options) (*session, error) { return nil, unsupported() }

func released(context.Context, string) error { return nil }

func openTerminal(context.Context) (*os.File, error) { return nil, unsupported() }

func keepTerminal(*os.File) func() { return func() {} }

func duplicate(*os.File) (*os.File, error) { return nil, unsupported() }

// CheckFolder reports that no folder is known to be ours alone.
func CheckFolder(path string) error { return fmt.Errorf("check %q: %w", path, errors.ErrUnsupported) }

// CheckHome has nothing to check: no vault is used here.
func CheckHome(string) error { return nil }

// PeerOf knows nobody.
func PeerOf(*net.UnixConn) (uid, pid int, err error) { return 0, 0, errors.ErrUnsupported }
