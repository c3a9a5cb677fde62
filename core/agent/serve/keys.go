package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// The ops here need the password afresh: who has an unlocked agent, and no
// password, can do none of them.

// fresh does an op on the vault opened with the password that came with it,
// after a record of it.
func (s *Server) freshOp(ctx context.Context, c *client, f *wire.Frame, op string, out any, do func(*opened, secret.Value) error) (answer, error) {
	kind, err := passwordArgs(f, out)
	if err != nil {
		return answer{}, err
	}
	err = s.ask(ctx, f.Files[0], kind, "Master password: ", func(p secret.Value) error {
		return s.withVault(ctx, p, func(o *opened) error {
			if err := o.note(c.record(op, "", "ALLOWED", "")); err != nil {
				return err
			}
			return do(o, p)
		})
	})
	return answer{after: giveBack}, err
}

// opKit writes the recovery kit to a descriptor, or on the terminal.
func (s *Server) opKit(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	if s.onlyMember() {
		return answer{}, fmt.Errorf("recovery kit: %w", vault.ErrScope) // there is none, wherever it would go
	}
	out := f.Files[:min(2, len(f.Files))]
	if len(out) == 1 {
		if _, err := newTerminal(out[0]); err != nil {
			return answer{}, &agent.Error{Err: agent.ErrUsage, Message: "kit: nowhere to write it"}
		}
	}
	return s.freshOp(ctx, c, f, "vault_kit", nil, func(o *opened, p secret.Value) error {
		kit, err := o.vault.Kit(ctx, p)
		if err != nil {
			return err
		}
		defer kit.Key.Wipe()
		text := kit.Text()
		defer text.Wipe()
		return print(out[len(out)-1], text)
	})
}

// opPasswd changes the password, to one from the second descriptor or to one
// typed on the terminal.
func (s *Server) opPasswd(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var next wire.PasswordArgs
	return s.freshOp(ctx, c, f, "vault_passwd", &next, func(o *opened, old secret.Value) error {
		from, kind := f.Files[0], agent.PasswordTTY
		if next.Password != "" {
			if len(f.Files) < 2 {
				return fmt.Errorf("passwd: %w: no descriptor for the new password", agent.ErrUsage)
			}
			from, kind = f.Files[1], agent.PasswordKind(next.Password)
		}
		p, err := s.newPassword(ctx, from, kind)
		if err != nil {
			return err
		}
		defer p.Wipe()
		return o.vault.Passwd(ctx, old, p)
	})
}

// opRotate makes new keys. The open vault, which holds the old ones, is locked.
func (s *Server) opRotate(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	a, err := s.freshOp(ctx, c, f, "vault_rotate", nil, func(o *opened, p secret.Value) error {
		return o.vault.Rotate(ctx, p, recorded)
	})
	if err != nil {
		return a, err
	}
	return s.shutting(), nil
}

// opDestroy removes the vault's files from this machine.
func (s *Server) opDestroy(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var a answer
	var err error
	if s.onlyMember() { // whatever its owner's server says
		a, err = s.ownPassword(ctx, f)
	} else {
		a, err = s.freshOp(ctx, c, f, "vault_destroy", nil, func(*opened, secret.Value) error { return nil })
	}
	if err != nil {
		return a, err
	}
	s.shut()
	s.forget(false)
	if err := vault.Destroy(s.c.Home); err != nil {
		return answer{}, err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(s.storePath() + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return answer{}, &agent.Error{Err: agent.ErrStorage, Message: "destroy vault: " + err.Error()}
		}
	}
	if err := forgetRemote(s.c.Home); err != nil {
		return answer{}, &agent.Error{Err: agent.ErrStorage, Message: "destroy vault: " + err.Error()}
	}
	return answer{after: s.stop}, nil
}
