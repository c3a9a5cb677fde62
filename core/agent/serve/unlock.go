package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/serve/keyring"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// passwordArgs reads the arguments of an op that comes with a password's
// descriptor.
func passwordArgs(f *wire.Frame, out any) (kind agent.PasswordKind, err error) {
	var p wire.PasswordArgs
	if err := args(f, &p); err != nil {
		return "", err
	}
	if len(f.Files) == 0 {
		return "", fmt.Errorf("%s: %w: no descriptor to read the password from", f.Op, agent.ErrUsage)
	}
	if out != nil && len(p.Args) > 0 && json.Unmarshal(p.Args, out) != nil {
		return "", fmt.Errorf("%s: %w: arguments are not as they should be", f.Op, agent.ErrUsage)
	}
	switch kind = agent.PasswordKind(p.Password); kind {
	case agent.PasswordTTY, agent.PasswordFile, agent.PasswordCommand, agent.PasswordStdin, agent.PasswordEnv:
		return kind, nil
	case agent.PasswordMachine:
		return "", &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("%s: %v: it needs the master password, and there is a machine key", f.Op, agent.ErrDenied),
			Advice: "a machine key reads secrets of one environment, for commands; nothing else"}
	}
	return "", fmt.Errorf("%s: %w: password from %q", f.Op, agent.ErrUsage, clean(p.Password))
}

// ask gets a password from f and gives it to use, until use takes it. A
// terminal is asked again after a wrong one, the rest has one try.
func (s *Server) ask(ctx context.Context, f *os.File, kind agent.PasswordKind, prompt string, use func(secret.Value) error) error {
	if !s.hasVault() {
		return vault.ErrNoVault
	}
	return s.askAny(ctx, f, kind, prompt, use)
}

// askAny is ask where there may be no vault yet.
func (s *Server) askAny(ctx context.Context, f *os.File, kind agent.PasswordKind, prompt string, use func(secret.Value) error) error {
	if err := s.tries.check(); err != nil {
		return err
	}
	if kind != agent.PasswordTTY {
		password, err := readPassword(ctx, f)
		if err != nil {
			return err
		}
		_, err = s.try(password, use)
		return err
	}
	t, err := newTerminal(f)
	if err != nil {
		return err
	}
	for {
		password, err := t.secret(ctx, prompt)
		if err != nil {
			return err
		}
		left, err := s.try(password, use)
		if !errors.Is(err, vault.ErrPassword) || left == 0 {
			return err
		}
		t.say("wrong password (%d more)", left)
	}
}

// try gives password to use, wipes it and keeps the count.
func (s *Server) try(password secret.Value, use func(secret.Value) error) (left int, err error) {
	defer password.Wipe()
	if err := s.tries.check(); err != nil {
		return 0, err
	}
	switch err := use(password); {
	case errors.Is(err, vault.ErrPassword):
		return s.tries.wrong(), err
	case err != nil:
		return 0, err
	}
	s.tries.right()
	return 0, nil
}

// opUnlock opens the vault with a password from a descriptor or, if it was put
// there, from the keyring.
func (s *Server) opUnlock(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var w wire.PasswordArgs
	if err := args(f, &w); err != nil {
		return answer{}, err
	}
	if w.Password == string(agent.PasswordKeyring) {
		return answer{after: giveBack}, s.unlockRemembered(ctx, c, w.Args)
	}
	if w.Password == string(agent.PasswordMachine) && len(f.Files) > 0 {
		return answer{}, s.unlockMachine(ctx, c, f.Files[0])
	}
	var t agent.TTLs
	kind, err := passwordArgs(f, &t)
	if err != nil {
		return answer{}, err
	}
	if t.Idle < 0 || t.Hard < 0 {
		return answer{}, fmt.Errorf("unlock: %w: a negative time", agent.ErrUsage)
	}
	prompt := "Master password: "
	if s.onlyMember() {
		prompt = homePrompt
	}
	err = s.ask(ctx, f.Files[0], kind, prompt, func(p secret.Value) error {
		if err := s.unlock(ctx, p, t); err != nil || !t.Remember {
			return err
		}
		return keyring.Set(s.c.Home, p)
	})
	return answer{after: giveBack}, err
}

// unlockRemembered opens the vault with the password in the keyring, for a person:
// who remembered it did not mean to open the vault to every coding agent. One that
// is wrong, since it was changed, is forgotten.
func (s *Server) unlockRemembered(ctx context.Context, c *client, raw json.RawMessage) error {
	if err := s.personOnly(c, "unlock with the keyring"); err != nil {
		return err
	}
	var t agent.TTLs
	if len(raw) > 0 && json.Unmarshal(raw, &t) != nil || t.Idle < 0 || t.Hard < 0 {
		return fmt.Errorf("unlock: %w: arguments are not as they should be", agent.ErrUsage)
	}
	if !s.hasVault() {
		return vault.ErrNoVault
	}
	p, err := keyring.Get(s.c.Home)
	if err != nil {
		return err
	}
	if _, err = s.try(p, func(p secret.Value) error { return s.unlock(ctx, p, t) }); errors.Is(err, vault.ErrPassword) {
		keyring.Delete(s.c.Home)
	}
	return err
}

func (s *Server) opForget(context.Context, *client, *wire.Frame) (answer, error) {
	return answer{}, keyring.Delete(s.c.Home)
}

// withFresh asks for the password for one operation, whether or not the vault
// is open already.
func (s *Server) withFresh(ctx context.Context, f *os.File, kind agent.PasswordKind, prompt string, do func(*opened) error) error {
	return s.ask(ctx, f, kind, prompt, func(p secret.Value) error { return s.withVault(ctx, p, do) })
}

// withVault opens the vault a second time, with a password given for this one
// operation, and closes it afterwards.
func (s *Server) withVault(ctx context.Context, p secret.Value, do func(*opened) error) error {
	s.fresh.Lock()
	defer s.fresh.Unlock()
	o, err := s.openVault(ctx, p, &s.freshMem)
	if err != nil {
		return err
	}
	defer o.close(false)
	if err := do(o); err != nil {
		return err
	}
	return o.settle(ctx, s)
}

// giveBack returns the memory that Argon2id took to the system, and puts an end
// to what it left of the password, a little later: the client is waiting for its
// values now.
func giveBack() {
	time.AfterFunc(200*time.Millisecond, func() {
		debug.FreeOSMemory()
		seal.Overwrite()
	})
}
